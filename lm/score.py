r"""How good the frozen predictions were: coverage of the bands, CRPS, and the order of the workflows with ties named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .calibration import LEVEL, Prediction, band


@dataclass(frozen=True)
class Score:
    """One workflow: ``coverage`` of the bands, mean ``crps`` in nats, mean ``miss`` (predicted minus measured), of ``points``."""

    coverage: float
    crps: float
    miss: float
    points: int


@dataclass(frozen=True)
class Pair:
    """Two workflows at one generation, the higher loss first as predicted.

    ``difference``: mean over seeds of the paired difference of losses, ``standard_error`` from the noise floor.
    ``predicted_tie``: the draws do not order the two by `LEVEL`; ``tie``: the difference is below twice its standard error.
    """

    higher: str
    lower: str
    generation: int
    predicted: float
    difference: float
    standard_error: float
    predicted_tie: bool
    tie: bool

    @property
    def verdict(self) -> str:
        """What came of it: "as predicted", "reversed" or "tie"; "tie, as predicted" or "parted" where a tie was predicted."""
        if self.predicted_tie:
            return "tie, as predicted" if self.tie else "parted"
        return "tie" if self.tie else "as predicted" if self.difference > 0 else "reversed"


def crps(draws: np.ndarray, seen: np.ndarray) -> np.ndarray:
    r"""Continuous ranked probability score, :math:`E|X - x| - E|X - X'|/2`, by draws (D, ...) of a prediction of ``seen`` (...).

    >>> crps(np.array([0.0, 1.0]), np.array(0.0)).item()  # 1/2 - 1/4
    0.25
    """
    ordered = np.sort(draws, axis=0)
    count = len(draws)
    ranks = (2 * np.arange(1, count + 1) - count - 1).reshape(-1, *[1] * seen.ndim)
    spread = 2 * (ranks * ordered).sum(axis=0) / count**2
    return np.asarray(np.abs(draws - seen).mean(axis=0) - spread / 2)


def score(draws: np.ndarray, loss: np.ndarray, *, skip: int = 1) -> Score:
    """One workflow's bands against its measured losses (seeds, generations), the first ``skip`` generations left out."""
    draws, loss = draws[:, :, skip:], loss[:, skip:]
    low, high = band(draws)
    there = np.isfinite(loss)
    if not there.any():
        return Score(np.nan, np.nan, np.nan, 0)
    inside = (low <= loss) & (loss <= high)
    return Score(
        float(inside[there].mean()),
        float(crps(draws, np.where(there, loss, 0.0))[there].mean()),
        float((draws.mean(axis=0) - loss)[there].mean()),
        int(there.sum()),
    )


def order(prediction: Prediction, loss: Mapping[str, np.ndarray], noise: float, generation: int) -> tuple[Pair, ...]:
    r"""The workflows at one generation, from the highest predicted loss to the lowest, each against the next.

    ``noise``: standard deviation of one training's loss; a paired difference over S seeds has :math:`\sqrt{2/S}` of it.
    """
    at = generation - 1
    means = {name: draws[:, :, at].mean(axis=1) for name, draws in prediction.loss.items()}
    ranked = sorted(means, key=lambda name: -means[name].mean())
    pairs = []
    for higher, lower in pairwise(ranked):
        difference = loss[higher][:, at] - loss[lower][:, at]
        error = noise * (2 / len(difference)) ** 0.5
        gap = float(difference.mean())
        sure = float((means[higher] > means[lower]).mean())
        predicted = float((means[higher] - means[lower]).mean())
        pairs.append(Pair(higher, lower, generation, predicted, gap, error, sure < LEVEL, abs(gap) < 2 * error))
    return tuple(pairs)


def table(prediction: Prediction, loss: Mapping[str, np.ndarray], *, steps: int) -> dict[str, dict[str, Any]]:
    """The scores of every workflow, of the full curve and of its linear form; what calibration saw is left out."""
    return {
        name: {
            form: vars(score(draws[name], loss[name], skip=1 + (steps if name == "replace" else 0)))
            for form, draws in (("exact", prediction.loss), ("linear", prediction.linear))
        }
        for name in prediction.loss
    }
