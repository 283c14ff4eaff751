r"""Pools of points: every sample is drawn, kept in its place and fitted.

The memory is ``(points, models)``: points (P, ...) in the order in which their batches are drawn, and all models
so far, since a batch may come from any of them. Any workflow can be run this way, by its schedule; for most it
is the slow, independent witness of `simulate.pool`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import Schedule

from . import kernel, sampling
from .batches import batch_table
from .stream import Stream, fold, part, start, uniform


def stored(schedule: Schedule) -> tuple[Any, Any, int, Any, kernel.Size, dict[str, Any]]:
    """The fields of the `Pool` of a schedule: memory, step, most, room, sizes, rows."""
    table = batch_table(schedule)
    generations = schedule.generations
    sizes = table.sizes.astype(int)
    ends = np.cumsum(sizes)
    offsets = np.append(ends - sizes, ends[-1])  # a slot without a batch writes past the end
    rows = {
        "model": np.arange(1, generations + 1),
        "offset": offsets[table.batch],
        "source": table.source,
        "share": table.share,
        "weight": (table.weight / sizes)[:, np.repeat(np.arange(len(sizes)), sizes)],
    }
    step = _fit_all
    if schedule.train is not None:
        rows["train"] = np.asarray(schedule.train, float)
        rows["places"] = np.zeros((generations, int(rows["train"].max())))
        step = _fit_with_replacement if schedule.replacement else _fit_without_replacement
    room = np.zeros(ends[-1] + sizes.max()), np.zeros(generations + 1)
    return _empty, step, int(sizes.max()), room, kernel.Size(np.zeros(0)), rows


def _empty(f: Family, room: Any) -> tuple[jax.Array, kernel.Model]:
    truth = kernel.truth(f)
    one = jax.eval_shape(lambda: kernel.points(start(random.key(0)), f, truth, 1))
    return jnp.zeros((room[0].shape[0], *one.shape[1:]), one.dtype), kernel.repeat(truth, room[1].shape[0])


def _drawn(stream: Stream, f: Family, memory: Any, row: Any, most: int) -> jax.Array:
    """The points, with the batches of this generation in their places."""
    points, models = memory

    def batch(points: jax.Array, slot: Any) -> tuple[jax.Array, None]:
        number, source, share, offset = slot
        own = fold(stream, number)
        if source.shape[0] == 1:
            new = kernel.points(own, f, kernel.take(models, source[0]), most)
        else:
            each = jax.vmap(lambda place, model: kernel.points(fold(own, place + 1), f, model, most))
            drawn = each(jnp.arange(source.shape[0], dtype=jnp.uint32), kernel.take(models, source))
            heights = uniform(part(own, 0), (most,))
            chosen = jnp.sum(heights[:, None] * jnp.sum(share) >= jnp.cumsum(share)[:-1], axis=1)
            new = drawn[chosen, jnp.arange(most)]
        # what is longer than the batch lies where later batches will be
        return lax.dynamic_update_slice_in_dim(points, new, offset, axis=0), None

    slots = jnp.arange(row["offset"].shape[0], dtype=jnp.uint32), row["source"], row["share"], row["offset"]
    return lax.scan(batch, points, slots)[0]


def _fitted(f: Family, points: jax.Array, models: Any, row: Any, place: Any, weights: jax.Array) -> Any:
    model = kernel.fit(f, points[place], weights)
    return model, (points, kernel.put(models, row["model"], model))


def _fit_all(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on all points of the batches in use, weighted."""
    points = _drawn(stream, f, state[1], row, most)
    return _fitted(f, points, state[1][1], row, slice(0, row["weight"].shape[0]), row["weight"])


def _fit_without_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on ``train`` points of the pool, each at most once."""
    return _fit_some(stream, f, state, row, most, sampling.distinct)


def _fit_with_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on ``train`` points of the pool, drawn with replacement."""
    return _fit_some(stream, f, state, row, most, sampling.repeated)


def _fit_some(stream: Stream, f: Family, state: Any, row: Any, most: int, subsample: Any) -> Any:
    points = _drawn(part(stream, 0), f, state[1], row, most)
    used = jnp.cumsum(row["weight"] > 0)
    room, places = row["weight"].shape[0], row["places"].shape[0]
    place = jnp.searchsorted(used, subsample(part(stream, 1), places, used[-1], room), side="right")
    weights = (jnp.arange(places, dtype=float) < row["train"]).astype(float) / row["train"]
    return _fitted(f, points, state[1][1], row, place, weights)
