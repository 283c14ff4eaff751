"""The loop over generations: models trained on text that models wrote, workflow by workflow, seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .laboratory import REPHRASED, SUBSAMPLE, WRITING, Laboratory, Model
from .rephrasing import Arm, Rephrased
from .training_set import schedule, training_set, writers
from .windows import Windows, join

Told = Callable[[str, int, float], None]  # workflow, generation, share of it that is done


@dataclass(frozen=True)
class Calibration:
    """The models of a seed that a prediction may see: of generation 1, its re-trainings, and of the first steps of replacing."""

    first: Model
    again: tuple[Model, ...]
    replaced: tuple[Model, ...]


def trainings(laboratory: Laboratory) -> int:
    """How many trainings one seed takes: generation 1 is shared by all workflows, and replace's first steps calibrate."""
    e = laboratory.experiment
    cells = 0 if e.grid is None else len(e.grid.real) * len(e.grid.synthetic)
    return 1 + e.retrainings + len(e.workflows) * (e.generations - 1) + cells


def calibrated(laboratory: Laboratory, seed: int, told: Told) -> Calibration:
    """Train what calibration needs."""
    e = laboratory.experiment
    first, *replaced = recursion(laboratory, seed, "replace", e.all_workflows["replace"], 1 + e.calibration, told)
    data = laboratory.real(seed).take(slice(e.real))
    again = tuple(
        laboratory.trained(seed, 1, data, number=number, moved=lambda share, n=number: told("again", n, share))  # type: ignore[misc]
        for number in range(1, e.retrainings + 1)
    )
    return Calibration(first, again, tuple(replaced))


def recursion(laboratory: Laboratory, seed: int, name: str, arm: Arm, generations: int, told: Told) -> list[Model]:
    """The models of generations 1, 2, ... of one seed under one workflow."""
    table = schedule(name, arm, laboratory.experiment.generations)
    models: list[Model] = []
    batches: dict[int, Windows] = {}
    used: dict[int, int] = {}  # batches that each model has written
    real = _Reader(laboratory.real(seed))
    for generation in range(1, generations + 1):
        for batch in np.flatnonzero(table.born == generation):
            parts = []
            for writer, count in writers(table, int(batch), (seed, generation, WRITING, int(batch))).items():
                if writer == 0:
                    parts.append(real.next(count))
                else:
                    number = used[writer] = used.get(writer, -1) + 1
                    if isinstance(arm, Rephrased):
                        blank = arm.blanked(batches[0].tokens, (seed, generation, REPHRASED))
                        parts.append(laboratory.rewritten(models[writer - 1], blank, number))
                    else:
                        parts.append(laboratory.written(models[writer - 1], count, number, verifier=models[0]))
            batches[int(batch)] = join(parts)
        data, weight = training_set(table, generation, batches, (seed, generation, SUBSAMPLE))
        models.append(
            laboratory.trained(
                seed,
                generation,
                data,
                weight,
                parent=models[-1] if models else None,
                moved=lambda share, g=generation: told(name, g, share),  # type: ignore[misc]
            )  # fmt: skip
        )
    return models


def all_recursions(laboratory: Laboratory, seed: int, told: Told) -> Mapping[str, list[Model]]:
    """The models of every workflow of a seed."""
    e = laboratory.experiment
    return {name: recursion(laboratory, seed, name, each, e.generations, told) for name, each in e.workflows.items()}


def students(laboratory: Laboratory, seed: int, teacher: Model, told: Told) -> list[list[Model]]:
    """The trained student of every cell of the grid."""
    grid = laboratory.experiment.grid
    assert grid is not None
    real, most = laboratory.real(seed), max(grid.synthetic)
    made = laboratory.written(teacher, most) if most else None
    rows, cell = [], 0
    for size in grid.real:
        row = []
        for synthetic in grid.synthetic:
            cell += 1
            kept = real.take(slice(size))
            data = join([kept, made.take(slice(synthetic))]) if made is not None and synthetic else kept
            moved = lambda share, c=cell: told("grid", c, share)  # noqa: E731
            row.append(laboratory.trained(seed, 2, data, moved=moved))
        rows.append(row)
    return rows


class _Reader:
    """Real windows, one after the other."""

    def __init__(self, windows: Windows) -> None:
        self.windows, self.at = windows, 0

    def next(self, count: int) -> Windows:
        """The next so many."""
        self.at += count
        return self.windows.take(slice(self.at - count, self.at))
