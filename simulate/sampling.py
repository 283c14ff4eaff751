r"""Samplers of whole laws: tokens and their counts, subsamples without replacement, Bartlett's factor of a Wishart matrix.

All are exact. ``most`` is a static bound on the number of draws; everything else is an array, so that other sizes do not
compile again. Which way is taken is decided when a program is traced, by what was measured on a CPU.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .counts import binomial, poisson
from .sets import one_by_one
from .stream import Stream, below, fold, packed, part, uniform

MOST_TOKENS = 4096  # beyond it a chain would hold more memory than time is worth
TOKENS_PER_POISSON = 128  # what one Poisson number for each token costs, in tokens drawn one by one
MOST_COMPARED = 256  # tokens, up to which comparing with all is faster than looking for one
BLOCK = 8  # words compared before counts are put back
LANES = 32  # tokens are compared in multiples of it
FEW = 8  # samples drawn again at once, of those that comparing leaves
FEW_TOKENS = 64  # up to which comparing is faster than keeping samples
LEFT = 256  # samples drawn one by one in the end, where counts are drawn at once


def tokens(stream: Stream, p: jax.Array, n: int) -> jax.Array:
    """``n`` (static) tokens of weights ``p`` (V,), by inverting the distribution function: (n,) integers."""
    cumulated = jnp.cumsum(p)
    heights = uniform(stream, (n,)).astype(p.dtype) * cumulated[-1]
    # a token without probability has an empty interval: "right" steps over it
    last = p.shape[0] - 1 - jnp.argmax((p > 0)[::-1])
    return jnp.minimum(jnp.searchsorted(cumulated, heights, side="right").astype(int), last)


def placed(heights: jax.Array, p: jax.Array) -> jax.Array:
    """The token of weights ``p`` (V,) in whose interval of the distribution function each height in [0, 1) lies."""
    cumulated = jnp.cumsum(p)
    return jnp.searchsorted(cumulated / cumulated[-1], heights, side="right")


def tally(labels: jax.Array, n: Any, width: int) -> jax.Array:
    """How often each of ``width`` tokens is among the first ``n`` of ``labels``: (width,) floats."""
    counted = (jnp.arange(labels.shape[0]) < n).astype(jnp.int32)
    return jnp.zeros(width, jnp.int32).at[labels].add(counted).astype(float)


def few_draws(most: int, width: int) -> bool:
    """Whether up to ``most`` samples of ``width`` tokens are drawn one by one, and not all at once."""
    return most <= min(TOKENS_PER_POISSON * width, MOST_TOKENS)


def labelled(most: int, width: int) -> bool:
    """Whether a recursion on up to ``most`` samples of ``width`` tokens keeps the samples themselves."""
    return width > FEW_TOKENS and few_draws(most, width)


def compared(stream: Stream, n: Any, p: jax.Array, most: int) -> jax.Array:
    r"""`multinomial` for few tokens: every sample is compared with every boundary between tokens.

    A sample is a number of 16 bits, two to a word. Of its :math:`2^{16}` values token i owns
    :math:`d_i = \lfloor (2^{16}-1) p_i \rfloor`; a sample that nobody owns is drawn again, from the weights
    :math:`2^{16} p_i - d_i`, so that the law is that of p in full precision.
    """
    width = p.shape[0]
    weights = p / jnp.sum(p) * 2**16
    owned = jnp.floor(weights * (1 - 2.0**-16))
    n = jnp.asarray(n, float)
    bounds = jnp.pad(jnp.cumsum(owned.astype(jnp.uint32)).astype(jnp.uint16), (0, -width % LANES))
    size = -(-most // (2 * BLOCK)) * BLOCK
    place = 2 * jnp.arange(size)
    # beyond n the value that nobody owns
    none = jnp.where(place < n, np.uint32(0), np.uint32(0xFFFF)) | jnp.where(
        place + 1 < n, np.uint32(0), np.uint32(0xFFFF0000)
    )
    blocks = (packed(stream, size) | none).reshape(-1, BLOCK)

    def add(below: jax.Array, block: jax.Array) -> tuple[jax.Array, None]:
        for k in range(BLOCK):
            one, other = block[k].astype(jnp.uint16), (block[k] >> 16).astype(jnp.uint16)
            below = below + (one < bounds).astype(jnp.uint16) + (other < bounds).astype(jnp.uint16)
        return below, None

    # samples in the outer loop and tokens in the inner one: ten times faster on a CPU than a sum over a comparison
    below = lax.scan(add, jnp.zeros_like(bounds), blocks)[0][:width].astype(float)

    def again(state: Any) -> Any:
        turn, counts, left = state
        drawn = tally(tokens(fold(stream, turn), weights - owned, FEW), left, width)
        return turn + 1, counts + drawn, jnp.maximum(left - FEW, 0)

    state = jnp.uint32(0), jnp.diff(below, prepend=0), n - below[-1]
    return lax.while_loop(lambda state: jnp.any(state[2] > 0), again, state)[1]


def spread(counts: jax.Array, most: int) -> jax.Array:
    """The labels of samples whose counts (V,) are known, in order: (most,) int32; beyond the sum they say nothing."""
    labels = jnp.arange(counts.shape[0], dtype=jnp.int32)
    return jnp.repeat(labels, counts.astype(jnp.int32), total_repeat_length=most)


def multinomial(stream: Stream, n: Any, p: jax.Array, most: int) -> jax.Array:
    """How often each token of weights ``p`` (V,) occurs among ``n`` <= ``most``: (V,) floats that sum to n.

    Few samples are drawn and counted. Many are drawn at once: a Poisson number for each token, of means that add up to a
    little less than n. If their sum is k <= n, they are the counts of k samples, and n - k remain; else they are drawn again,
    which the law of k may depend on and the counts given k do not. So n falls to its square root each time.
    """
    few = compared if p.shape[0] <= MOST_COMPARED else _looked_up
    if few_draws(most, p.shape[0]):
        return few(stream, n, p, most)
    shares = p / jnp.sum(p)
    n = jnp.asarray(n, float)

    def fall(state: Any) -> Any:
        turn, counts, left = state
        more = poisson(fold(stream, turn), jnp.maximum(left - 4 * jnp.sqrt(left), 0) * shares)
        total = jnp.sum(more)
        taken = (total <= left) & (left > LEFT)
        return turn + 1, jnp.where(taken, counts + more, counts), jnp.where(taken, left - total, left)

    state = jnp.uint32(1), jnp.zeros_like(p), n
    _, counts, left = lax.while_loop(lambda state: jnp.any(state[2] > LEFT), fall, state)
    return counts + few(part(stream, 0), left, p, LEFT)


def _looked_up(stream: Stream, n: Any, p: jax.Array, most: int) -> jax.Array:
    return tally(tokens(stream, p, most), n, p.shape[0])


def bartlett(numbers: jax.Array, roots: jax.Array, degrees: jax.Array) -> jax.Array:
    r"""Lower triangular A (d, d) with A A^T ~ Wishart(I, nu), from standard normal ``numbers`` (`triangle_size` of d,).

    ``roots`` (d,): :math:`A_{jj}`, with :math:`A_{jj}^2 \sim \chi^2_{\nu-j}` (j from 0); ``degrees`` (d,): those
    :math:`\nu-j`. Columns without a degree of freedom are zero. Each row of a rectangle of numbers makes two rows of the triangle
    below the diagonal.
    """
    dimension = roots.shape[0]
    size = dimension - 1
    if size == 0:
        return roots[None]
    half = numbers.reshape((size + 1) // 2, size + 1)
    whole = jnp.concatenate([half[:, :size], half[: size // 2, :0:-1][::-1]])
    below_diagonal = jnp.pad(jnp.tril(whole), ((1, 0), (0, 1)))
    return jnp.where(degrees > 0, jnp.where(np.eye(dimension, dtype=bool), roots, below_diagonal), 0.0)


def triangle_size(dimension: int) -> int:
    """How many numbers `bartlett` takes."""
    return dimension // 2 * dimension


def multivariate_hypergeometric(stream: Stream, counts: jax.Array, draws: Any, most: int) -> jax.Array:
    """Counts (V,) of ``draws`` <= ``most`` items drawn without replacement from a pool of ``counts`` (V,).

    Few are drawn one by one, as different places in the pool. Many are drawn at once: a binomial number of each token, all of
    one chance, which adds up to a little less. Given their sum k every set of k items is equally likely; what remains to be
    drawn falls to its square root each time. Of more than half of the pool it is drawn what is left there.
    """
    counts = jnp.asarray(counts, float)
    pool = jnp.sum(counts)
    wanted = jnp.minimum(draws, pool - draws)

    def fall(state: Any) -> Any:
        turn, taken, left = state
        chance = jnp.maximum(left - 4 * jnp.sqrt(left), 0) / (pool - wanted + left)
        more = binomial(fold(stream, turn), counts - taken, chance)
        total = jnp.sum(more)
        good = (total <= left) & (left > LEFT)
        return turn + 1, jnp.where(good, taken + more, taken), jnp.where(good, left - total, left)

    state = jnp.uint32(1), jnp.zeros_like(counts), wanted
    if most > LEFT:
        state = lax.while_loop(lambda state: jnp.any(state[2] > LEFT), fall, state)
    _, taken, left = state
    items = pool - wanted + left
    items = items if items.dtype == jnp.float64 else items.astype(jnp.int32)  # which words of 32 bits hold, then
    places = one_by_one(part(stream, 0), min(most, LEFT), left.astype(jnp.int32), items)
    labels = jnp.searchsorted(jnp.cumsum(counts - taken), places.astype(counts.dtype), side="right")
    taken += tally(labels.astype(jnp.int32), left, counts.shape[0])
    return jnp.where(wanted < draws, counts - taken, taken)


def distinct(stream: Stream, draws: int, items: Any, room: int) -> jax.Array:
    """``draws`` (static) different numbers below ``items`` <= ``room`` (static), in random order: (draws,).

    The first steps of a Fisher-Yates shuffle. Beyond ``items`` draws there is nothing left: those say nothing.
    """
    turn = jnp.arange(draws)
    partner = turn + below(stream, jnp.maximum(items - turn, 1), (draws,))

    def swap(order: jax.Array, pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        here, there = pair
        return order.at[there].set(order[here]), order[there]

    return lax.scan(swap, jnp.arange(room), (turn, partner))[1]


def repeated(stream: Stream, draws: int, items: Any, room: int) -> jax.Array:
    """``draws`` (static) independent numbers below ``items``: (draws,). ``room`` is as for `distinct`."""
    return below(stream, items, (draws,))
