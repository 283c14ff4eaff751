"""How far a mean over independent chains may lie from its prediction: a threshold from a stated budget of false alarms."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

BUDGET = 1e-4  # chance that any of the comparisons of a file fails although all predictions are right


def standard_scores(seen: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Distance of the mean over chains, axis 0, from the prediction in standard errors; exact agreement is 0."""
    error = seen.std(axis=0, ddof=1) / np.sqrt(len(seen))
    away = seen.mean(axis=0) - predicted
    return np.where(abs(away) < 1e-12 * abs(predicted), 0.0, away / np.where(error == 0, np.finfo(float).tiny, error))


def threshold(comparisons: int) -> float:
    """The two-sided threshold for that many comparisons (Bonferroni)."""
    return NormalDist().inv_cdf(1 - BUDGET / (2 * comparisons))
