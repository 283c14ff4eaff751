"""Which filters stand in the loop: what a run is told, before there is a model to verify with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from .decoder import Shape
from .filters import Distinct, Filter, classifier, likelihood_band

MOST = 50  # windows drawn for one that is kept


@dataclass(frozen=True)
class Likelihood:
    """Keep windows as likely, under the first model, as real ones between two quantiles."""

    low: float = 0.05
    high: float = 0.95


@dataclass(frozen=True)
class Duplicates:
    """Remove windows that nearly repeat another: `filters.Distinct`."""

    order: int | None = None
    similarity: float = 1.0


@dataclass(frozen=True)
class Realness:
    """Keep the windows that a classifier, trained on real text and on text of the first model, finds most real."""

    share: float = 0.5


Verification = Likelihood | Duplicates | Realness


def filters(
    wanted: Sequence[Verification], shape: Shape, params: Any, real: np.ndarray, written: np.ndarray
) -> list[Filter]:
    """The filters of a seed: from its first model's weights, real windows (r, L), and windows that this model wrote (s, L)."""
    made: list[Filter] = []
    for each in wanted:
        match each:
            case Likelihood(low, high):
                made.append(likelihood_band(shape, params, real, low=low, high=high))
            case Duplicates(order, similarity):
                made.append(Distinct(order, similarity))
            case Realness(share):
                made.append(classifier(real, written, share=share))
            case _:
                assert_never(each)
    return made
