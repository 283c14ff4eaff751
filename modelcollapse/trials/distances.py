"""Distances of Gaussian models under Replace, at sizes whose chains show their mean: not carried by rare ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse import simulate, theory
from modelcollapse.simulate import distances

from .trial import Trial


def trials() -> tuple[Trial, ...]:
    """Moments of the variance, Wasserstein distance and divergence; which of two models is nearer to the truth."""
    t, m = theory, np.arange(1, 9)
    line, space, w = t.Gaussian(variance=2.0), t.Gaussian(2, variance=2.0), t.Replace(60, real=40)

    def seen(observable: str, f: theory.Gaussian) -> Callable[[Any, int], Any]:
        return lambda key, chains: distances.distances(key, f, w, len(m), chains)[observable]

    def squared(key: Any, chains: int) -> Any:
        return np.exp(2 * np.asarray(seen("log_variance", space)(key, chains)))

    return (
        Trial("variance-moment", "Gaussian(2), Replace(60)", "squared_variance", squared,
              lambda: t.variance_moment(space, w, m)),
        Trial("wasserstein", "Gaussian(1), Replace(60)", "wasserstein", seen("wasserstein", line),
              lambda: t.wasserstein(line, w, m)),
        Trial("kullback-leibler", "Gaussian(2), Replace(60)", "kullback_leibler", seen("kullback_leibler", space),
              lambda: t.kullback_leibler(space, w, m)),
        _beats_real(),
    )  # fmt: skip


def _beats_real() -> Trial:
    f, last = theory.LinearRegression(1, redrawn=False), 10
    workflows = (theory.Replace(12), theory.Accumulate(12, 12))

    def draw(key: Any, chains: int) -> Any:
        errors = [np.asarray(simulate.chains(f, w, last, chains, key).error) for w in workflows]
        return np.concatenate([(each[:, 1:] < each[:, :1]) * 1.0 for each in errors], axis=1)

    def means() -> Any:
        return np.concatenate([theory.beats_real(f, w, np.arange(2, last + 1)) for w in workflows])

    return Trial(
        "beats-real", "one coefficient, Replace(12) and Accumulate(12, 12), generations 2 to 10", "nearer", draw, means
    )
