"""Which filters stand in the loop: what a run is told, before there is a model to verify with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from modelcollapse.theory import arguments as arg

from .decoder import Shape
from .filters import Distinct, Filter, classifier, likelihood_band

MOST = 50  # windows drawn for one that is kept


@dataclass(frozen=True)
class Likelihood:
    """Keep windows as likely, under the first model, as real ones between two quantiles."""

    low: float = 0.05
    high: float = 0.95

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            arg.probability("Likelihood", name, getattr(self, name), "a quantile")
        if self.low >= self.high:
            raise arg.refuse("Likelihood", "low", self.low, f"below high = {self.high}")


@dataclass(frozen=True)
class Duplicates:
    """Remove windows that nearly repeat another: `filters.Distinct`."""

    order: int | None = None
    similarity: float = 1.0

    def __post_init__(self) -> None:
        Distinct(self.order, self.similarity)


@dataclass(frozen=True)
class Realness:
    """Keep the windows that a classifier, trained on real text and on text of the first model, finds most real."""

    share: float = 0.5

    def __post_init__(self) -> None:
        if arg.probability("Realness", "share", self.share, "the share that is kept") == 0:
            raise arg.refuse("Realness", "share", self.share, "above 0, or nothing is kept")


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
