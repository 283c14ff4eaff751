"""Distances of Gaussian models under Replace, at sizes whose chains show their mean: not carried by rare ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.simulate import distances

from .trial import Trial


def trials() -> tuple[Trial, ...]:
    """Moments of the variance, Wasserstein distance and divergence."""
    t, m = theory, np.arange(1, 9)
    line, space, w = t.Gaussian(variance=2.0), t.Gaussian(2, variance=2.0), t.Replace(60, real=40)

    def seen(observable: str, f: theory.Gaussian) -> Callable[[Any, int], Any]:
        return lambda key, chains: distances.distances(key, f, w, len(m), chains)[observable]

    def squared(key: Any, chains: int) -> Any:
        return np.exp(2 * np.asarray(seen("log_variance", space)(key, chains)))

    return (
        Trial("gaussian-moments/variance", "Gaussian(2), Replace(60)", "squared_variance", squared,
              lambda: t.variance_moment(space, w, m)),
        Trial("gaussian-moments/wasserstein", "Gaussian(1), Replace(60)", "wasserstein", seen("wasserstein", line),
              lambda: t.wasserstein(line, w, m)),
        Trial("gaussian-moments/kullback-leibler", "Gaussian(2), Replace(60)", "kullback_leibler",
              seen("kullback_leibler", space),
              lambda: t.kullback_leibler(space, w, m)),
    )  # fmt: skip
