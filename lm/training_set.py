"""What each generation is trained on: a workflow's schedule, in windows of text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from modelcollapse.theory import arguments as arg
from modelcollapse.theory.workflow import Schedule

from .rephrasing import Arm
from .windows import Windows, join

ALIKE = 1e-9  # weights of windows that differ by less than this share are one weight


def schedule(name: str, arm: Arm, generations: int) -> Schedule:
    """A workflow as batches, checked to be something that windows can follow: whole sizes, no negative weights.

    Raises InputError naming the workflow.
    """
    table = arm.schedule(generations)
    for field in ("size", "train"):
        sizes = getattr(table, field)
        if sizes is not None and np.any(np.asarray(sizes, float) != np.round(np.asarray(sizes, float))):
            raise arg.refuse(name, field, sizes, "windows are whole: give whole numbers")
    if np.any(np.asarray(table.weight, float) < 0):
        raise arg.refuse(
            name, "weight", np.min(np.asarray(table.weight, float)), "windows are trained on or not: at least 0"
        )
    return table


def real_windows(table: Schedule) -> int:
    """How many real windows a schedule asks for: its batches that are drawn from the truth, each drawn anew."""
    return int(
        sum(round(float(size) * float(mixture[0])) for size, mixture in zip(table.size, table.source, strict=True))
    )


def writers(table: Schedule, batch: int, seed: tuple[int, ...]) -> dict[int, int]:
    """How many windows of a batch each model writes (0: people); of a mixture, drawn.

    >>> from modelcollapse.theory import FixedReal
    >>> writers(FixedReal(30, 20).schedule(3), 2, (0,))
    {2: 20}
    """
    size, mixture = round(float(table.size[batch])), np.asarray(table.source[batch], float)
    if mixture[0] not in (0.0, 1.0):  # the number of real windows is planned, not drawn
        people = round(size * mixture[0])
        others = mixture[1:] / mixture[1:].sum()
        counts = np.concatenate([[people], np.random.default_rng(seed).multinomial(size - people, others)])
    else:
        counts = np.random.default_rng(seed).multinomial(size, mixture)
    return {int(model): int(count) for model, count in enumerate(counts) if count}


def training_set(
    table: Schedule, model: int, batches: Mapping[int, Windows], seed: tuple[int, ...]
) -> tuple[Windows, np.ndarray | None]:
    """The windows that model m >= 1 is trained on, and their weights in its loss; None where all weigh alike.

    ``batches``: the batches so far. ``seed``: of the subsample, where the schedule has one.
    """
    row = np.asarray(table.weight[model - 1], float)
    used = np.flatnonzero(row)
    pool = join([batches[int(batch)] for batch in used])
    weight = np.concatenate([np.full(len(batches[int(b)]), row[b] / len(batches[int(b)])) for b in used])
    if table.train is not None:
        count = round(float(table.train[model - 1]))
        drawn = np.random.default_rng(seed).choice(len(pool), count, replace=table.replacement)
        return pool.take(np.sort(drawn)), None
    weight = weight / weight.mean()
    return pool, None if np.allclose(weight, 1, rtol=0, atol=ALIKE) else weight
