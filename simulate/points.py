r"""Pools of points: every sample is drawn, kept in its place and fitted.

The state is ``(model, (points, models))``: points (P, ...) in the order in which their batches are drawn, and all
models so far (a batch may come from any of them). Any workflow can be run this way, by its schedule; for most it is
the slow, independent witness of `simulate.pool`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import Schedule

from . import kernel
from .batches import batch_table


def stored(schedule: Schedule) -> tuple[Any, Any, int, Any, Any]:
    """The fields of the `Pool` of a schedule: start, step, most, first, rows."""
    table = batch_table(schedule)
    generations = schedule.generations
    most = int(table.sizes.max())
    ends = np.cumsum(table.sizes).astype(int)
    offsets = np.append(ends - table.sizes.astype(int), ends[-1])  # slots without a batch write past the end
    owner = np.repeat(np.arange(len(ends)), table.sizes.astype(int))
    row = {
        "model": np.arange(1, generations + 1),
        "offset": offsets[table.batch],
        "source": table.source,
        "share": table.share,
        "weight": (table.weight / table.sizes)[:, owner],
    }
    step = _all
    if schedule.train is not None:
        train = np.asarray(schedule.train, float)
        row["train"] = train
        row["slots"] = np.zeros((generations, int(train.max())))
        step = _with_replacement if schedule.replacement else _without_replacement
    first, rows = ({name: each[part] for name, each in row.items()} for part in (0, slice(1, None)))
    start = {_all: _all_start, _with_replacement: _with_start, _without_replacement: _without_start}[step]
    return start, step, most, (first, np.zeros(generations)), rows


def _empty(f: Family, first: Any, most: int) -> tuple[kernel.Model, Any]:
    row, generations = first
    truth = kernel.truth(f)
    models = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (generations.shape[0] + 1, *leaf.shape)), truth)
    one = jax.eval_shape(lambda: kernel.points(random.key(0), f, truth, 1))
    room = row["weight"].shape[0] + most
    return truth, (jnp.zeros((room, *one.shape[1:]), one.dtype), models)


def _drawn(key: jax.Array, f: Family, state: Any, row: Any, most: int) -> tuple[jax.Array, jax.Array]:
    """The points, with the batches of this generation in their places."""
    points, models = state[1]
    slots, mixed = row["share"].shape
    for slot, slot_key in enumerate(random.split(key, slots)):
        source_key, *point_keys = random.split(slot_key, mixed + 1)
        batch = jnp.stack([
            kernel.points(k, f, jax.tree.map(lambda leaf, m=m: leaf[m], models), most)
            for k, m in zip(point_keys, row["source"][slot], strict=True)
        ])  # fmt: skip
        which = random.categorical(source_key, jnp.log(row["share"][slot]), shape=(most,))
        chosen = batch[which, jnp.arange(most)]
        # what is longer than the batch is overwritten by the next, which is drawn later
        points = lax.dynamic_update_slice_in_dim(points, chosen, row["offset"][slot], axis=0)
    return points, models


def _fitted(f: Family, points: jax.Array, weights: jax.Array, models: Any, row: Any, place: jax.Array) -> Any:
    model = kernel.fit(f, points[place], weights)
    models = jax.tree.map(lambda leaf, new: leaf.at[row["model"]].set(new), models, model)
    return model, models


def _all(key: jax.Array, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on all points of the batches in use, weighted."""
    points, models = _drawn(key, f, state, row, most)
    weights = row["weight"]
    model, models = _fitted(f, points, weights, models, row, jnp.arange(weights.shape[0]))
    return model, (points, models)


def _without_replacement(key: jax.Array, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on ``train`` points of the pool, each at most once: those with the greatest of random marks."""
    draw_key, train_key = random.split(key)
    points, models = _drawn(draw_key, f, state, row, most)
    marks = (random.bits(train_key, row["weight"].shape, "uint32") >> 1).astype("int32")
    _, place = lax.top_k(jnp.where(row["weight"] > 0, marks, -1), row["slots"].shape[0])
    return _on_train(f, points, models, row, place)


def _with_replacement(key: jax.Array, f: Family, state: Any, row: Any, most: int) -> Any:
    """A fit on ``train`` points of the pool, drawn with replacement."""
    draw_key, train_key = random.split(key)
    points, models = _drawn(draw_key, f, state, row, most)
    used = jnp.cumsum(row["weight"] > 0)
    which = random.randint(train_key, row["slots"].shape, 0, used[-1])
    return _on_train(f, points, models, row, jnp.searchsorted(used, which, side="right"))


def _on_train(f: Family, points: jax.Array, models: Any, row: Any, place: jax.Array) -> Any:
    weights = (jnp.arange(place.shape[0]) < row["train"]) / row["train"]
    model, models = _fitted(f, points, weights, models, row, place)
    return model, (points, models)


def _all_start(key: jax.Array, f: Family, first: Any, most: int) -> Any:
    return _all(key, f, _empty(f, first, most), first[0], most)


def _without_start(key: jax.Array, f: Family, first: Any, most: int) -> Any:
    return _without_replacement(key, f, _empty(f, first, most), first[0], most)


def _with_start(key: jax.Array, f: Family, first: Any, most: int) -> Any:
    return _with_replacement(key, f, _empty(f, first, most), first[0], most)
