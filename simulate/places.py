r"""Places: where the batches of a schedule lie in one store of points, which is no larger than it must be.

A batch is kept while a fit needs it; then its slot is free, and the next batch may lie there. So under `Replace` the store
holds one training set, however many generations there are, and under `Accumulate` all of them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .batches import Batches


def placed(table: Batches) -> tuple[int, dict[str, np.ndarray]]:
    """The rows that a store needs, and what `written` and `weights` read of each generation.

    ``offset`` (M, R): where a batch begins that is drawn before a generation, and ``added`` (M, R), how many points it has, 0
    where there is none.
    ``start`` (M, S), ``count`` (M, S), ``weight`` (M, S): the slots, ascending; of the batch in each, how many points it has, and
    its weight in the fit.
    """
    generations, batches = table.weight.shape
    uses = np.argmax(table.weight[::-1] > 0, axis=0)
    last = generations - 1 - uses  # the generation whose fit is the last to use a batch
    capacity: list[int] = []
    free: list[int] = []
    slot = np.zeros(batches, int)
    for generation in range(generations):
        for batch in table.batch[generation]:
            if batch < batches:
                size = int(table.sizes[batch])
                if free:  # the one that has to grow least, and of those the smallest
                    best = min(free, key=lambda each: (max(size - capacity[each], 0), capacity[each]))
                    free.remove(best)
                else:
                    best = len(capacity)
                    capacity.append(0)
                slot[batch], capacity[best] = best, max(capacity[best], size)
        free += [int(slot[batch]) for batch in np.flatnonzero(last == generation)]
    start = np.append(0, np.cumsum(capacity))[:-1]
    count, weight = np.zeros((generations, len(capacity))), np.zeros((generations, len(capacity)))
    for generation, batch in zip(*np.nonzero(table.weight), strict=True):
        count[generation, slot[batch]] = table.sizes[batch]
        weight[generation, slot[batch]] = table.weight[generation, batch]
    drawn = table.batch < batches
    number = np.minimum(table.batch, batches - 1)
    # what is drawn too many is not written, but must have a place to be read from
    return sum(capacity) + int(table.sizes.max()), {
        "offset": np.where(drawn, start[slot[number]], 0).astype(np.int32),
        "added": np.where(drawn, table.sizes[number], 0).astype(np.int32),
        "start": np.broadcast_to(start, count.shape).astype(np.int32),
        "count": count, "weight": weight,
    }  # fmt: skip


def written(points: jax.Array, new: jax.Array, offset: Any, size: Any) -> jax.Array:
    """The store (P, ...) with the first ``size`` of ``new`` from ``offset`` on."""
    old = lax.dynamic_slice_in_dim(points, offset, new.shape[0], axis=0)
    some = (jnp.arange(new.shape[0]) < size).reshape(-1, *[1] * (new.ndim - 1))
    return lax.dynamic_update_slice_in_dim(points, jnp.where(some, new, old), offset, axis=0)


def weights(row: Any, room: int) -> jax.Array:
    """The weight of each point of a store in the fit of a generation: (room,)."""
    place = jnp.arange(room)
    slot = jnp.searchsorted(row["start"], place, side="right") - 1
    count = row["count"][slot]
    return jnp.where(place - row["start"][slot] < count, row["weight"][slot] / jnp.maximum(count, 1), 0.0)
