r"""Accumulate-subsample on points: a pool that grows, and a fit on some of it.

The same point is trained on in several generations, and no sufficient statistic of a continuous law says which points it
came from: they are drawn, kept in the order in which they come, and read again.

Which points are trained on: numbers below the size S of the pool are drawn until M different ones are found. A number is new
if no earlier one left its stamp there; stamps of former generations are lower, and need not be wiped. Where more than half
of the pool is wanted, the others are drawn.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import AccumulateSubsample

from . import kernel
from .stream import Stream, below, fold, part, scaled, start, words

TURNS = 64  # of drawing in one generation, for which stamps are set aside


def growing(w: AccumulateSubsample, generations: int) -> tuple[Any, ...]:
    """The fields of a `Pool`: memory, step, most, room, sizes, rows."""
    real, synthetic, train = int(w.real), int(w.synthetic), int(w.train)
    total = real + synthetic * (generations - 1)
    most = max(real, synthetic)
    rows = {
        "first": np.arange(generations) == 0,
        "number": np.arange(generations, dtype=np.int32),
        "offset": np.append(0, real + synthetic * np.arange(generations - 1)).astype(np.int32),
        "items": (real + synthetic * np.arange(generations)).astype(np.int32),
        "places": np.zeros((generations, train)),
    }
    step = _with_replacement if w.replacement else _without_replacement
    sizes = kernel.Size(np.zeros(0))
    return _empty, step, most, np.zeros(total - min(real, synthetic) + most), sizes, rows


def _empty(f: Family, room: Any) -> tuple[jax.Array, jax.Array]:
    one = jax.eval_shape(lambda: kernel.points(start(jax.random.key(0)), f, kernel.truth(f), 1))
    points = jnp.zeros((room.shape[0], *one.shape[1:]), one.dtype)
    return points, jnp.full(room.shape[0], -1, jnp.int32)


def _without_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    points, stamps = _grown(stream, f, state, row, most)
    train = row["places"].shape[0]
    place, stamps = distinct(part(stream, 1), train, row["items"], stamps, row["number"])
    return kernel.fit(f, points[place]), (points, stamps)


def _with_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    points, stamps = _grown(stream, f, state, row, most)
    place = below(part(stream, 1), row["items"], row["places"].shape)
    return kernel.fit(f, points[place]), (points, stamps)


def _grown(stream: Stream, f: Family, state: Any, row: Any, most: int) -> tuple[jax.Array, jax.Array]:
    """The memory, with the points of this generation; what is drawn too many lies where later ones will be."""
    model, (points, stamps) = state
    new = kernel.points(part(stream, 0), f, model, most)
    return lax.dynamic_update_slice_in_dim(points, new, row["offset"], axis=0), stamps


def distinct(stream: Stream, draws: int, items: Any, stamps: jax.Array, number: Any) -> tuple[jax.Array, jax.Array]:
    """``draws`` (static) different numbers below ``items``, every set equally likely: (draws,), and the new stamps.

    ``stamps`` (S,) int32: -1 at first, then what came out last time; ``number`` counts the calls.
    """
    most_of_it = items <= 2 * draws
    found, stamps = _drawn(stream, jnp.where(most_of_it, items - draws, draws), draws, items, stamps, number)
    width = min(2 * draws, stamps.shape[0])

    def others() -> jax.Array:
        kept = jnp.ones(width, bool).at[found].set(False, mode="drop") & (jnp.arange(width) < items)
        at = jnp.where(kept, jnp.cumsum(kept) - 1, draws)
        return jnp.zeros(draws, jnp.int32).at[at].set(jnp.arange(width, dtype=jnp.int32), mode="drop")

    return lax.cond(most_of_it, others, lambda: found), stamps


def _drawn(
    stream: Stream, wanted: Any, most: int, items: Any, stamps: jax.Array, number: Any
) -> tuple[jax.Array, jax.Array]:
    """``wanted`` <= ``most`` (static) different numbers below ``items``, in the order drawn: (most,), the rest out of bounds."""
    width = most + most // 4 + 16
    newest = (number + 1) * (TURNS * width)  # stamps fall while numbers of this generation are drawn

    def turn(state: Any) -> Any:
        count, found, filled, stamps = state
        drawn, fair = scaled(words(fold(stream, count), (width,))[0], items)
        own = newest - count.astype(jnp.int32) * width - jnp.arange(width, dtype=jnp.int32)
        stamps = stamps.at[drawn].max(jnp.where(fair, own, -1))
        new = fair & (stamps[drawn] == own)
        at = filled + jnp.cumsum(new, dtype=jnp.int32) - 1
        found = found.at[jnp.where(new & (at < wanted), at, most)].set(drawn, mode="drop")
        return count + 1, found, jnp.minimum(at[-1] + 1, wanted), stamps

    empty = jnp.full(most, np.iinfo(np.int32).max, jnp.int32)
    state = jnp.uint32(0), empty, jnp.int32(0), stamps
    state = lax.while_loop(lambda state: jnp.any(state[2] < wanted), turn, state)
    return state[1], state[3]
