"""Trials: theorems that are not about a family under a workflow, each put to the test by independent replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.simulate import distances


@dataclass(frozen=True)
class Trial:
    """What is tried, and what a theorem predicts: ``draw(key, chains)`` gives (chains, settings), ``means()`` (settings,).

    ``setting``: the case in a few words. ``relation``: "=", ">=", "<=", or "~" where the theorem is a leading order.
    """

    theorem: str
    setting: str
    observable: str
    draw: Callable[[Any, int], Any]
    means: Callable[[], Any]
    relation: str = "="


def trials() -> tuple[Trial, ...]:
    """One trial for each theorem that has one, in any order."""
    return (*_gaussian(),)


def _gaussian() -> tuple[Trial, ...]:
    """Distances of Gaussian models under Replace, at sizes whose chains show their mean: not carried by rare ones."""
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
    )  # fmt: skip
