r"""Pools of points: every sample is drawn, kept in its place while it is needed, and fitted.

The memory is ``(points, models)``: points (P, ...) in `places`, and the laws that samples of all models so far come from, since a
batch may come from any of them. Any workflow can be run this way, by its schedule. For families whose fit is no statistic it is
the way; for the others it is the slow, independent witness of `simulate.pool`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import Schedule

from . import kernel, places, sampling, selection
from .batches import batch_table
from .stream import Stream, fold, part, start, uniform


def stored(schedule: Schedule) -> tuple[Any, Any, int, Any, kernel.Size, dict[str, Any]]:
    """The fields of the `Pool` of a schedule: memory, step, most, room, sizes, rows."""
    table = batch_table(schedule)
    generations = schedule.generations
    room, rows = places.placed(table)
    rows |= {"model": np.arange(1, generations + 1), "source": table.source, "share": table.share}
    step = _fit_all
    if schedule.train is not None:
        rows["train"] = np.asarray(schedule.train, float)
        rows["places"] = np.zeros((generations, int(rows["train"].max())))
        step = _fit_with_replacement if schedule.replacement else _fit_without_replacement
    memory = np.zeros(room), np.zeros(generations + 1)
    return _empty, step, int(table.sizes.max()), memory, kernel.Size(np.zeros(0)), rows


def _empty(f: Family, room: Any) -> tuple[jax.Array, kernel.Model]:
    truth = kernel.truth(f)
    one = jax.eval_shape(lambda: kernel.points(start(random.key(0)), f, truth, 1))
    return jnp.zeros((room[0].shape[0], *one.shape[1:]), one.dtype), kernel.repeat(truth, room[1].shape[0])


def _drawn(stream: Stream, f: Family, memory: Any, row: Any, most: int) -> jax.Array:
    """The points, with the batches of this generation in their places."""
    points, models = memory

    def batch(points: jax.Array, slot: Any) -> tuple[jax.Array, None]:
        number, source, share, offset, size = slot
        own = fold(stream, number)
        if source.shape[0] == 1:
            new = selection.points(own, f, kernel.take(models, source[0]), most, row, source[0] == 0)
        else:
            each = jax.vmap(
                lambda place, at, model: selection.points(fold(own, place + 1), f, model, most, row, at == 0)
            )
            drawn = each(jnp.arange(source.shape[0], dtype=jnp.uint32), source, kernel.take(models, source))
            heights = uniform(part(own, 0), (most,))
            chosen = jnp.sum(heights[:, None] * jnp.sum(share) >= jnp.cumsum(share)[:-1], axis=1)
            new = drawn[chosen, jnp.arange(most)]
        return places.written(points, new, offset, size), None

    slots = (
        jnp.arange(row["offset"].shape[0], dtype=jnp.uint32),
        *(row[name] for name in ("source", "share", "offset", "added")),
    )
    return lax.scan(batch, points, slots)[0]


def _fitted(f: Family, points: jax.Array, state: Any, row: Any, place: Any, weights: jax.Array) -> Any:
    model = kernel.fit(f, points[place], weights, before=state[0])
    return model, (points, kernel.put(state[1][1], row["model"], selection.offered(f, model, row)))


def _fit_all(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on all points of the batches in use, weighted."""
    points = _drawn(stream, f, state[1], row, most)
    return _fitted(f, points, state, row, slice(None), places.weights(row, points.shape[0]))


def _fit_without_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on ``train`` points of the pool, each at most once."""
    return _fit_some(stream, f, state, row, most, sampling.distinct)


def _fit_with_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on ``train`` points of the pool, drawn with replacement."""
    return _fit_some(stream, f, state, row, most, sampling.repeated)


def _fit_some(stream: Stream, f: Family, state: Any, row: Any, most: int, subsample: Any) -> Any:
    points = _drawn(part(stream, 0), f, state[1], row, most)
    room, train = points.shape[0], row["places"].shape[0]
    used = jnp.cumsum(places.weights(row, room) > 0)
    place = jnp.searchsorted(used, subsample(part(stream, 1), train, used[-1], room), side="right")
    weights = (jnp.arange(train, dtype=float) < row["train"]).astype(float) / row["train"]
    return _fitted(f, points, state, row, place, weights)
