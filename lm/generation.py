r"""Generation: windows that a decoder writes, token by token, with the keys and values of what it has written kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory import arguments as arg

from .decoder import START, Shape, assembled
from .likelihood import batches, checked
from .placement import placement

MODEL = 0  # in `given`: the model writes this token


@dataclass(frozen=True)
class Sampling:
    r"""How a token is drawn from logits $z$: from $\mathrm{softmax}(z / T)$, cut to its most probable part.

    ``temperature`` T, above 0. ``top_p``: the fewest most probable tokens that hold this share (Holtzman et al. 2020;
    of equals the lower number first); 1 keeps all. ``schedule`` (L,): a temperature for each position, in place of one.

    >>> Sampling(temperature=0.3, top_p=0.9).temperatures(3).tolist()
    [0.30000001192092896, 0.30000001192092896, 0.30000001192092896]
    """

    temperature: float = 1.0
    top_p: float = 1.0
    schedule: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        remedy = "a number from 0.001 on; 0.05 is close to always taking the most probable token"
        for name in ("temperature", "schedule"):
            value = getattr(self, name)
            if value is not None and (
                np.any(arg.numbers("Sampling", name, value, remedy) < 1e-3) or not np.size(value)
            ):
                raise arg.refuse("Sampling", name, value, remedy)
        if self.schedule is not None:
            object.__setattr__(self, "schedule", tuple(float(value) for value in self.schedule))
            if self.temperature != 1:
                raise arg.refuse("Sampling", "temperature", self.temperature, "drop it, or the schedule, which sets it")
        if arg.probability("Sampling", "top_p", self.top_p, "a share of the probability") == 0:
            raise arg.refuse(
                "Sampling", "top_p", self.top_p, "above 0: a small one keeps the most probable token alone"
            )

    def temperatures(self, length: int) -> np.ndarray:
        """The temperature at each position of a window, (L,) float32."""
        if self.schedule is not None and len(self.schedule) != length:
            wanted = f"one temperature for each of the {length} tokens of a window"
            raise arg.refuse("Sampling", "schedule", f"{len(self.schedule)} of them", wanted)
        return np.broadcast_to(np.asarray(self.schedule or self.temperature, np.float32), length)


def generate(
    shape: Shape,
    params: Any,
    n: int,
    key: jax.Array,
    sampling: Sampling = Sampling(),
    *,
    batch: int = 256,
    first: int = 0,
    given: Any = None,
) -> np.ndarray:
    r"""Windows written by a model: (n, L) int32, without the start token.

    Window $i$ of the run is made of uniforms of its own, from ``key`` and $i$ alone: it is the same in every batch, up to
    the rounding of sums. ``batch``: windows at once, one size for all. ``first``: number of the first window, so
    that ``n`` and then ``n`` more from ``first=n`` on are ``2 n``. ``given`` (n, L): tokens to keep; the model writes
    those that are 0, having read what is kept before them.

    A token is drawn by inverting the distribution function with a uniform that is a multiple of 2^-23: probabilities
    are right up to that. Raises InputError for other tokens or numbers of windows.

    >>> from modelcollapse.lm.decoder import fresh
    >>> shape = Shape(vocabulary=4, width=8, length=5)
    >>> generate(shape, fresh(shape, jax.random.key(0)), 2, jax.random.key(1), given=[[3, 2, 1, 2, 3]] * 2).tolist()
    [[3, 2, 1, 2, 3], [3, 2, 1, 2, 3]]
    """
    n, first = (arg.size("generate", name, value, least=0) for name, value in (("n", n), ("first", first)))
    batch = arg.size("generate", "batch", batch)
    known = np.zeros((n, shape.length), np.int32) if given is None else np.asarray(given)
    if given is not None:
        open_places = known == MODEL
        known = np.where(open_places, MODEL, checked("generate", shape, np.where(open_places, 1, known), "given"))
    if len(known) != n:
        raise arg.refuse("generate", "given", f"shape {known.shape}", f"one row for each of the {n} windows")
    place, nucleus = placement(batch), sampling.top_p < 1
    settings = place.everywhere((params, key, np.float32(sampling.top_p), sampling.temperatures(shape.length)))
    parts = [
        (_written(shape, nucleus, *settings, place.rows((first + at).astype(np.uint32)), place.rows(known[at])), meant)
        for at, meant in batches(np.arange(n), batch)
    ]
    return np.concatenate([np.zeros((0, shape.length), np.int32), *(np.asarray(part)[:meant] for part, meant in parts)])


@partial(jax.jit, static_argnums=(0, 1))
def _written(
    shape: Shape,
    nucleus: bool,
    params: Any,
    key: jax.Array,
    top_p: jax.Array,
    temperature: jax.Array,
    index: jax.Array,
    given: jax.Array,
) -> jax.Array:
    """Windows (B, L) of the numbers ``index`` (B,), in one scan over positions."""
    decoder = assembled(shape, params)

    def uniforms(number: jax.Array) -> jax.Array:
        return jax.random.uniform(jax.random.fold_in(key, number), (shape.length,), jnp.float32)

    def write(carry: Any, at: Any) -> tuple[Any, jax.Array]:
        token, cache = carry
        position, heat, uniform, kept = at
        logits, cache = decoder.extend(token, cache, position)
        token = jnp.where(kept == MODEL, drawn(logits / heat, uniform, top_p if nucleus else None), kept)
        return (token, cache), token

    start = (jnp.full(len(index), START, jnp.int32), decoder.cache(len(index)))
    positions = jnp.arange(shape.length, dtype=jnp.int32)
    _, tokens = jax.lax.scan(write, start, (positions, temperature, jax.vmap(uniforms)(index).T, given.T))
    return tokens.T


def drawn(logits: jax.Array, uniform: jax.Array, top_p: jax.Array | None = None) -> jax.Array:
    """A token (B,) int32 from each row of logits (B, V): where the distribution function passes the uniform (B,).

    ``top_p``: the share to cut to, None for all. One uniform for a token is 1.3 times as fast as one for each of V.

    >>> drawn(jnp.log(jnp.array([[0.2, 0.5, 0.3]] * 3)), jnp.array([0.1, 0.6, 0.8])).tolist()
    [0, 1, 2]
    """
    if top_p is not None:
        token = jnp.broadcast_to(jnp.arange(logits.shape[-1], dtype=jnp.int32), logits.shape)
        falling, ranked = jax.lax.sort((-logits, token), num_keys=1, is_stable=True)
        weight = jnp.exp(falling[:, :1] - falling)
        passed = jnp.cumsum(weight, -1)
        weight = jnp.where(passed - weight < top_p * passed[:, -1:], weight, 0)
    else:
        weight = jnp.exp(logits - logits.max(-1, keepdims=True))
    passed = jnp.cumsum(weight, -1)
    place = (passed <= uniform[:, None] * passed[:, -1:]).sum(-1, dtype=jnp.int32)
    if top_p is None:
        return place
    place = jnp.minimum(place, (weight > 0).sum(-1, dtype=jnp.int32) - 1)
    return jnp.take_along_axis(ranked, place[:, None], -1)[:, 0]
