"""What there is to spend, what items cost, and which error is to be least."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg


class Aim(Enum):
    """Which error is to be least: that of the last model, the mean over all models, or that of the worst."""

    LAST = "last"
    MEAN = "mean"
    WORST = "worst"


WHOSE = {Aim.LAST: "of the last model", Aim.MEAN: "in the mean over models", Aim.WORST: "of the worst model"}


@dataclass(frozen=True)
class Budget:
    """What there is to spend, and what an item costs: a ``real`` one, a ``synthetic`` one, its ``verification``.

    A verified item that is kept costs generation and verification of all that had to be tried for it. ``training``: cost of an
    item each time a model is trained on it.
    """

    total: float
    real: float = 1.0
    synthetic: float = 0.1
    verification: float = 0.0
    training: float = 0.0

    def __post_init__(self) -> None:
        arg.positive("Budget", "total", self.total, "what there is to spend")
        arg.positive("Budget", "real", self.real, "cost of a real item")
        arg.positive("Budget", "synthetic", self.synthetic, "cost of a synthetic item")
        arg.nonnegative("Budget", "verification", self.verification, "cost of verifying an item")
        arg.nonnegative("Budget", "training", self.training, "cost of training on an item")
        if self.total > arg.LAST * (cheapest := min(self.real, self.synthetic)):
            raise arg.refuse(
                "Budget", "total", self.total, f"buys more than 2^53 items at {cheapest:g} each: give less"
            )

    @property
    def in_words(self) -> str:
        """What items cost, all that there is to say."""
        costs = [(name, getattr(self, name)) for name in ("real", "synthetic", "verification", "training")]
        return f"Prices of an item: {', '.join(f'{name} {cost:,.10g}' for name, cost in costs)}."

    def prices(self, verifier: theory.Correction | None) -> np.ndarray:
        """(4,) what an item of each of the `theory.portfolio` kinds costs until it can be trained on."""
        keep = 1.0 if verifier is None else float(verifier.keep)
        return np.array([self.real, self.synthetic, self.synthetic, (self.synthetic + self.verification) / keep])


def read(text: str) -> Budget:
    """A budget as it is typed: names and numbers.

    >>> read("total=1000,real=1,synthetic=0.1,verification=0.05")
    Budget(total=1000.0, real=1.0, synthetic=0.1, verification=0.05, training=0.0)
    """
    names, given = [each.name for each in fields(Budget)], {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = (each.strip() for each in part.partition("="))
        if name not in names:
            raise arg.refuse("Budget", name, value, "one of " + ", ".join(names) + ", each as name=number")
        if name in given:
            raise arg.refuse("Budget", name, value, "say it once")
        try:
            given[name] = float(value)
        except ValueError:
            raise arg.refuse("Budget", name, value, "a number, like 1000 or 0.1") from None
    if "total" not in given:
        raise arg.refuse("Budget", "total", "", "say what there is to spend: total=1000,real=1,synthetic=0.1")
    return Budget(**given)
