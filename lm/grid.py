r"""Real by synthetic: a student of N real windows and n that a teacher wrote, who has seen these N and more.

The teacher is the model of generation 1, fitted on N_T real windows. Is the student better for the synthetic text? To
leading order theory says yes at every n where :math:`N < N_T/2`; else first no, and again yes from
:math:`n = N (2\rho - 1)/(1 - \rho)` on, :math:`\rho = N/N_T`; at N = N_T never. Exactly it is the algebra of a schedule of
three batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from modelcollapse.theory import algebra
from modelcollapse.theory import arguments as arg
from modelcollapse.theory.workflow import Schedule


@dataclass(frozen=True)
class Grid:
    """Numbers of real and of synthetic windows; every pair is a cell. ``synthetic`` holds 0, which is compared with."""

    real: tuple[int, ...]
    synthetic: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, least in (("real", 1), ("synthetic", 0)):
            sizes = tuple(arg.size("Grid", name, each, least=least, of="windows") for each in getattr(self, name))
            if not sizes or len(set(sizes)) < len(sizes):
                raise arg.refuse("Grid", name, sizes, "different numbers of windows")
            object.__setattr__(self, name, tuple(sorted(sizes)))
        if 0 not in self.synthetic:
            object.__setattr__(self, "synthetic", (0, *self.synthetic))

    def predicted(self, teacher: int) -> np.ndarray:
        """Error of the student over that without synthetic text, (real, synthetic), a window for a sample.

        >>> Grid((6000,), (1200, 3000)).predicted(10_000).round(4).tolist()  # worst at 1,200, even at 3,000
        [[1.0, 1.0167, 1.0]]
        """
        return np.array([[_ratio(each, n, teacher) for n in self.synthetic] for each in self.real])


@dataclass(frozen=True, eq=False)
class GridResult:
    """What a grid has shown: arrays (real, synthetic).

    ``predicted``: error over that without synthetic text, by theory. ``change``: loss less that without synthetic text, mean over
    seeds, in nats per token, and its ``standard_error`` from the noise floor.
    """

    grid: Grid
    predicted: np.ndarray
    loss: np.ndarray
    change: np.ndarray
    standard_error: float

    @property
    def verdict(self) -> np.ndarray:
        """Cell by cell: as predicted, reversed, or tie (less than twice the standard error); empty without synthetic text."""
        names = np.where(np.sign(self.change) == np.sign(self.predicted - 1), "as predicted", "reversed")
        names = np.where(np.abs(self.change) < 2 * self.standard_error, "tie", names)
        return np.where(np.array(self.grid.synthetic) == 0, "", names)


def judged(grid: Grid, loss: np.ndarray, teacher: int, noise: float) -> GridResult:
    """Compare losses (seeds, real, synthetic) with theory; ``noise``: standard deviation of one training's loss."""
    change = (loss - loss[:, :, :1]).mean(axis=0)
    return GridResult(grid, grid.predicted(teacher), loss.mean(axis=0), change, noise * (2 / len(loss)) ** 0.5)


def _ratio(real: int, synthetic: int, teacher: int) -> float:
    if synthetic == 0:
        return 1.0
    total, rest = real + synthetic, teacher - real
    sizes, source = [real, synthetic], [[1, 0, 0], [0, 1, 0]]
    weight: list[list[Any]] = [[Fraction(real, teacher), 0], [Fraction(real, total), Fraction(synthetic, total)]]
    if rest:  # what the teacher has seen and the student has not
        sizes, source = [*sizes, rest], [*source, [1, 0, 0]]
        weight = [[*weight[0], Fraction(rest, teacher)], [*weight[1], 0]]
    return float(algebra.error(Schedule(sizes, source, weight), -1, 2)[1] * real)
