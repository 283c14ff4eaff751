"""The batches of a schedule as tables: which are drawn before which generation, from what, and how they weigh."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from modelcollapse.theory import arguments as arg
from modelcollapse.theory.workflow import Schedule


class Batches(NamedTuple):
    """Tables of a schedule of B used batches, at most R drawn before one generation, from at most K models each.

    ``batch`` (M, R): the batches that are drawn before a generation, B where there are fewer. ``size`` (M, R),
    ``source`` (M, R, K) models and their ``share`` (M, R, K). ``weight`` (M, B): of the batches in each fit.
    ``sizes`` (B,): of all batches. Batches are numbered in the order in which they are drawn.
    """

    batch: np.ndarray
    size: np.ndarray
    source: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    sizes: np.ndarray


def batch_table(schedule: Schedule) -> Batches:
    """The tables. A batch is drawn before the first generation that uses it, which is not before it is born.

    That is the law of a schedule whose batches are drawn as soon as they can be: nothing looks at them in between.
    """
    sizes, sources, weights = (np.asarray(each, float) for each in (schedule.size, schedule.source, schedule.weight))
    if np.any(weights < 0):
        raise arg.refuse("Schedule", "weight", float(weights.min()), "a fit can be simulated when no batch weighs "
                         "below 0; theory.error takes such schedules too")  # fmt: skip
    used = weights > 0
    drawn = np.argmax(used, axis=0)
    order = [batch for batch in np.argsort(drawn, kind="stable") if used[:, batch].any()]
    sizes, sources, weights, drawn = sizes[order], sources[order], weights[:, order], drawn[order]
    generations, batches = weights.shape
    slots = int(np.bincount(drawn).max())
    mixed = int(np.count_nonzero(sources, axis=1).max())
    batch = np.full((generations, slots), batches)
    size = np.ones((generations, slots))
    source = np.zeros((generations, slots, mixed), int)
    share = np.zeros((generations, slots, mixed))
    share[..., 0] = 1
    for generation in range(generations):
        for slot, each in enumerate(np.flatnonzero(drawn == generation)):
            models = np.flatnonzero(sources[each])
            batch[generation, slot], size[generation, slot] = each, sizes[each]
            source[generation, slot, : len(models)] = models
            share[generation, slot, : len(models)] = sources[each][models]
    return Batches(batch, size, source, share, weights, sizes)


def power_above(sizes: Any) -> int:
    """The least power of two that no size exceeds: a static bound that seldom changes with the sizes."""
    return 1 << max(0, int(np.ceil(np.max(np.asarray(sizes, float)))) - 1).bit_length()
