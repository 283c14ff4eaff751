r"""Accumulate-subsample on points: a pool that grows, and a fit on some of it.

The same point is trained on in several generations, and no sufficient statistic of a continuous law says which points it
came from: they are drawn, kept in the order in which they come, and read again. Which points are trained on: most of them by
leaps through the pool, the rest by drawing numbers until enough are new.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import AccumulateSubsample

from . import kernel
from .stream import Stream, below, fold, part, scaled, start, uniform, words

SPARE = 3.0  # roots of the number wanted by which leaps fall short of it


def growing(w: AccumulateSubsample, generations: int) -> tuple[Any, ...]:
    """The fields of a `Pool`: memory, step, most, room, sizes, rows."""
    real, synthetic, train = int(w.real), int(w.synthetic), int(w.train)
    most = max(real, synthetic)
    last = real + synthetic * (generations - 2) if generations > 1 else 0  # where the last points go
    rows = {
        "offset": np.append(0, real + synthetic * np.arange(generations - 1)).astype(np.int32),
        "items": (real + synthetic * np.arange(generations)).astype(np.int32),
        "places": np.zeros((generations, train)),
    }
    step = _with_replacement if w.replacement else _without_replacement
    return _empty, step, most, np.zeros(last + most), kernel.Size(np.zeros(0)), rows


def _empty(f: Family, room: Any) -> jax.Array:
    one = jax.eval_shape(lambda: kernel.points(start(jax.random.key(0)), f, kernel.truth(f), 1))
    return jnp.zeros((room.shape[0], *one.shape[1:]), one.dtype)


def _without_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    points = _grown(stream, f, state, row, most)
    return kernel.fit(f, points[distinct(part(stream, 1), row["places"].shape[0], row["items"])]), points


def _with_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    points = _grown(stream, f, state, row, most)
    return kernel.fit(f, points[below(part(stream, 1), row["items"], row["places"].shape)]), points


def _grown(stream: Stream, f: Family, state: Any, row: Any, most: int) -> jax.Array:
    """The pool, with the points of this generation; what is drawn too many lies where later ones will be."""
    model, points = state
    new = kernel.points(part(stream, 0), f, model, most)
    return lax.dynamic_update_slice_in_dim(points, new, row["offset"], axis=0)


def distinct(stream: Stream, draws: int, items: Any) -> jax.Array:
    """``draws`` (static) different numbers below ``items`` >= ``draws``, every set equally likely: (draws,), in no order."""
    taken, count = _leaps(part(stream, 0), draws, items)
    return jnp.where(
        items == draws, jnp.arange(draws, dtype=jnp.int32), _filled(part(stream, 1), taken, count, draws, items)
    )


def _leaps(stream: Stream, draws: int, items: Any) -> tuple[jax.Array, jax.Array]:
    """Items taken each by itself, with a chance that leaves a few to be taken: ascending (draws,), and how many.

    From one to the next it is a leap of geometric length. Given how many they are every set of them is equally likely, so
    that sets too large, or so small that more than `_spare` are left, may be drawn again. Free places hold ``items``.
    """
    chance = max(draws - SPARE * math.sqrt(draws), 0.0) / jnp.asarray(items, float)
    scale = jnp.where(chance > 0, 1 / jnp.log1p(-jnp.clip(chance, 1e-30, 0.999999)), -jnp.inf)
    least = draws - _spare(draws)

    def turn(state: Any) -> Any:
        number, kept, pending = state
        leaps = jnp.log(uniform(fold(stream, number), (draws + 1,))) * scale
        steps = 1 + jnp.minimum(leaps, items).astype(jnp.int32)
        at = lax.associative_scan(lambda one, other: jnp.minimum(one + other, items + 1), steps) - 1
        wrong = at[draws] < items
        if least > 0:
            wrong |= at[least - 1] >= items
        return number + 1, jnp.where(pending, at, kept), pending & wrong

    state = jnp.uint32(0), jnp.zeros(draws + 1, jnp.int32), jnp.asarray(True)
    taken = lax.while_loop(lambda state: jnp.any(state[2]), turn, state)[1][:draws]
    return taken, jnp.sum(taken < items, dtype=jnp.int32)


def _spare(draws: int) -> int:
    """How many are left to be drawn one by one, at most."""
    return min(draws, math.ceil(2 * SPARE * math.sqrt(draws)))


def _filled(stream: Stream, taken: jax.Array, count: jax.Array, draws: int, items: Any) -> jax.Array:
    """The items taken, and as many others as are missing: numbers drawn, of which the new ones count."""
    width = _spare(draws)
    before = np.tri(width, k=-1, dtype=bool)
    missing = jnp.where(items == draws, 0, draws - count)

    def turn(state: Any) -> Any:
        number, found, filled = state
        drawn, fair = scaled(words(fold(stream, number), (width,))[0], items)
        old = taken[jnp.minimum(jnp.searchsorted(taken, drawn), draws - 1)] == drawn
        old |= jnp.any(drawn[:, None] == found, axis=1) | jnp.any((drawn[:, None] == drawn) & before & fair, axis=1)
        new = fair & ~old
        at = filled + jnp.cumsum(new, dtype=jnp.int32) - 1
        found = found.at[jnp.where(new, at, width)].set(drawn, mode="drop")
        return number + 1, found, jnp.minimum(at[-1] + 1, missing)

    state = jnp.uint32(0), jnp.full(width, -1, jnp.int32), jnp.int32(0)
    found = lax.while_loop(lambda state: jnp.any(state[2] < missing), turn, state)[1]
    place = jnp.arange(draws)
    return jnp.where(place < count, taken, found[jnp.clip(place - count, 0, width - 1)])
