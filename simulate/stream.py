r"""Random numbers of a chain, by counting: each is a function of the key, the chain and its place, and of nothing else.

Threefry-2x32 with 20 rounds (Salmon et al. 2011), the generator of jax.random, turns a pair of counters into 64 random
bits. Its first counter is the number of the chain here and its second the place of the draw: so a chain sees the same
numbers whatever other chains run beside it, on whatever device, in chunks of whatever size. `fold` makes a new key, as
for a generation; `part` goes on elsewhere with the same key, for another purpose in the same generation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import pi, prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jax.custom_batching import custom_vmap

from .logarithm import log

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)
FOLD = np.uint32(0xFFFFFFFF)  # second counter of a new key: no draw has this place
PART_BITS, LEVELS = 2, 3
FEW = 8  # places whose words are worked out where they are read
PLACES = 2 ** (32 - PART_BITS * LEVELS) - 256  # draws of one part of one key and chain; the last are for new keys

# sin(pi x) / x in x^2, for |x| <= 1/2: Taylor's, whose next terms are below 1e-17 and 1e-8
_SINE = np.array([(-1) ** k * pi ** (2 * k + 1) / prod(range(1, 2 * k + 2)) for k in range(12)])
_SINGLE_TERMS = 7


@partial(jax.tree_util.register_dataclass, data_fields=["key", "chain"], meta_fields=["base", "level"])
@dataclass(frozen=True)
class Stream:
    """Where random numbers come from: two words of a key and the number of the chain (uint32), and where places begin."""

    key: tuple[Any, Any]
    chain: Any
    base: int = 0
    level: int = 0


def start(key: jax.Array, chain: Any = 0) -> Stream:
    """The stream of a chain under one JAX key, of any generator."""
    words = random.key_data(key).astype(jnp.uint32)
    first, second = words[..., 0], words[..., 1]
    for extra in range(2, words.shape[-1], 2):  # keys of more than two words
        first, second = threefry((first, second), words[..., extra], words[..., extra + 1])
    return Stream((first, second), jnp.asarray(chain, jnp.uint32))


def fold(stream: Stream, number: Any) -> Stream:
    """An independent stream of the same chain for each ``number`` from 0 to 2^32 - 1, which may be an array: a new key."""
    first = jnp.asarray(number, jnp.uint32)
    return Stream(threefry(stream.key, first, jnp.full_like(first, FOLD - np.uint32(stream.base >> 24))), stream.chain)


def part(stream: Stream, number: int) -> Stream:
    """An independent stream of the same key and chain for each ``number`` from 0 to 3: other places, at no cost.

    Parts have parts, three deep. A stream that is taken apart is not drawn from itself.
    """
    assert 0 <= number < 2**PART_BITS and stream.level < LEVELS
    shift = 32 - PART_BITS * (stream.level + 1)
    return Stream(stream.key, stream.chain, stream.base + (number << shift), stream.level + 1)


def threefry(key: tuple[Any, Any], first: Any, second: Any) -> tuple[jax.Array, jax.Array]:
    """Two random words (uint32) for two counters. Written out: loops over rounds cost three times as much on a CPU."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    left, right = first + keys[0], second + keys[1]
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            left = left + right
            right = ((right << turn) | (right >> (32 - turn))) ^ left
        left = left + keys[(group + 1) % 3]
        right = right + keys[(group + 2) % 3] + np.uint32(group + 1)
    return left, right


def words(stream: Stream, shape: tuple[int, ...], offset: Any = 0) -> tuple[jax.Array, jax.Array]:
    """Two arrays of random words (uint32) of a shape; ``offset`` counts places, to draw more from one stream.

    It may be an array, for what is drawn again: then nobody sees whether there are so many places.
    """
    size = prod(shape)
    assert not isinstance(offset, int) or offset + size <= PLACES, "more places than a stream has"
    place = lax.iota(jnp.uint32, size).reshape(shape) + (np.uint32(stream.base) + jnp.asarray(offset, jnp.uint32))
    return threefry(stream.key, jnp.broadcast_to(stream.chain, shape), place)


def packed(stream: Stream, size: int, offset: Any = 0) -> jax.Array:
    """``size`` random words (uint32), two for each place: half the work of `words`. Those of a lesser size come first."""
    places = -(-size // 2)
    if jax.default_backend() == "cpu":
        with jax.enable_x64(True):
            both = lax.bitcast_convert_type(_long(stream, places, offset), jnp.uint32)
    else:
        both = jnp.stack(words(stream, (places,), offset), axis=1)
    return both.reshape(-1)[:size]


def _long(stream: Stream, size: int, offset: Any = 0) -> jax.Array:
    """`words` as numbers of 64 bits, the second one above: of two arrays the compiler would work out each by itself."""
    with jax.enable_x64(True):

        def draw() -> jax.Array:
            return _joined(*words(stream, (size,), offset))

        return draw() if size < FEW else apart(stream, jnp.zeros(size, jnp.uint64), draw)


def _joined(first: jax.Array, second: jax.Array) -> jax.Array:
    return (second.astype(jnp.uint64) << 32) | first.astype(jnp.uint64)


def uniform(stream: Stream, shape: tuple[int, ...] = (), offset: Any = 0) -> jax.Array:
    """Uniform numbers strictly between 0 and 1: odd multiples of 2^-53, or of 2^-25 in single precision."""
    if jnp.result_type(float) == jnp.float64:
        return _double(_joined(*words(stream, shape, offset)))
    return _single(packed(stream, prod(shape), offset).reshape(shape))


def _double(both: jax.Array) -> jax.Array:
    one = lax.bitcast_convert_type((both >> 12) | np.uint64(0x3FF0000000000000), jnp.float64)
    return one - (1 - 2.0**-53)


def _single(word: jax.Array) -> jax.Array:
    return ((word >> 8).astype(jnp.float32) + 0.5) * np.float32(2.0**-24)


def pair(stream: Stream) -> tuple[jax.Array, jax.Array]:
    """Two standard normal numbers."""
    radius, turn = _polar(stream, 1)
    quarter = turn[0] - 0.25
    return radius[0] * _cosine(turn[0]), radius[0] * _cosine(quarter - jnp.round(quarter))


def normal(stream: Stream, shape: tuple[int, ...] = ()) -> jax.Array:
    """Standard normal numbers, in pairs by Box and Muller: the radius inverts its distribution, the angle is uniform.

    Up to 8.6 in double and 6.7 in single precision, where the radius takes all 32 bits of a word.
    """
    size = prod(shape)
    pairs = (size + 1) // 2

    def draw() -> jax.Array:
        radius, turn = _polar(stream, pairs)
        turns = turn - np.array([[0.0], [0.25]], turn.dtype)
        return radius * _cosine(turns - jnp.round(turns))

    # kept as two rows: written as one, the loop over it would be no vector loop
    both = draw() if size <= 2 else apart(stream, jnp.zeros((2, pairs), float), draw)
    return both.reshape(-1)[:size].reshape(shape)


def apart(stream: Stream, empty: jax.Array, draw: Callable[[], jax.Array]) -> jax.Array:
    """What ``draw`` returns, worked out once and kept: a branch that is always taken, which the compiler cannot know.

    XLA on a CPU fuses what draws numbers into all that reads them: each would be drawn many times, and one by one. ``empty``
    has the shape.
    """
    if jax.default_backend() != "cpu":
        return draw()
    return lax.cond(_one(stream.key[0]) > 0, draw, lambda: empty)


@custom_vmap
def _one(word: jax.Array) -> jax.Array:
    """One, whatever the word is; also where there are many words, so that a branch stays a branch."""
    return jnp.minimum(word | 1, 1)


@_one.def_vmap
def _one_of_many(_size: int, _batched: list[bool], word: jax.Array) -> tuple[jax.Array, bool]:
    return _one(word[0]), False


def _polar(stream: Stream, pairs: int) -> tuple[jax.Array, jax.Array]:
    """Radius, and angle in turns from -1/2 to 1/2, of pairs of normal numbers."""
    if jnp.result_type(float) == jnp.float64:
        both = _long(stream, 2 * pairs)
        height, turn = _double(both[:pairs]), _double(both[pairs:]) - 0.5
    else:
        both = packed(stream, 2 * pairs)
        first, second = both[0::2], both[1::2]
        height, turn = (first.astype(jnp.float32) + 0.5) * np.float32(2.0**-32), _single(second) - np.float32(0.5)
    return jnp.sqrt(-2 * log(height)), turn


def _cosine(turns: jax.Array) -> jax.Array:
    """Cosine of an angle of -1/2 to 1/2 turns, as 1 - 2 sin^2 of its half."""
    square = turns * turns
    last, *others = _SINE[: len(_SINE) if turns.dtype == jnp.float64 else _SINGLE_TERMS][::-1].astype(turns.dtype)
    sine = jnp.full_like(turns, last)
    for each in others:
        sine = sine * square + each
    return 1 - 2 * square * sine * sine


def below(stream: Stream, limit: Any, shape: tuple[int, ...] = ()) -> jax.Array:
    """Whole numbers from 0 to ``limit`` - 1 < 2^31, all equally likely."""
    return evened(stream, packed(stream, prod(shape)).reshape(shape), limit)


def evened(stream: Stream, word: jax.Array, limit: Any) -> jax.Array:
    """Words of a stream as whole numbers below ``limit``, all equally likely: where `scaled` is not fair, drawn again."""

    def again(state: Any) -> Any:
        turn, number, pending = state
        drawn, fair = scaled(packed(stream, word.size, turn * np.uint32(word.size)).reshape(word.shape), limit)
        return turn + 1, jnp.where(pending, drawn, number), pending & ~fair

    number, fair = scaled(word, limit)
    return lax.while_loop(lambda state: jnp.any(state[2]), again, (jnp.uint32(1), number, ~fair))[1]


def scaled(word: jax.Array, limit: Any) -> tuple[jax.Array, jax.Array]:
    """A word as a whole number below ``limit``, and whether it is one of those words that make all numbers equally likely.

    Lemire's (2019) multiplication: the upper word of a product, fair where the lower one is not among the first of a row.
    """
    limit = jnp.asarray(limit, jnp.uint32)
    low, high = word & 0xFFFF, word >> 16
    low_limit, high_limit = limit & 0xFFFF, limit >> 16
    middle = high * low_limit + (low * low_limit >> 16)
    other = low * high_limit + (middle & 0xFFFF)
    number = high * high_limit + (middle >> 16) + (other >> 16)
    return number.astype(jnp.int32), word * limit >= (np.uint32(0) - limit) % jnp.maximum(limit, 1)
