"""What is given to the optimiser: what can be bought, what may be used, and what a portfolio costs and errs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.terminal import counted
from modelcollapse.theory import arguments as arg
from modelcollapse.theory import portfolio as kinds

from .costs import Aim, Budget


@dataclass(frozen=True)
class Task:
    """Everything that is given."""

    generations: int
    budget: Budget
    source: theory.Source | None
    verifier: theory.Correction | None
    required: int
    pooled: bool
    aim: Aim
    v2: float

    @property
    def open(self) -> np.ndarray:
        """(T, 4) what can be bought in each generation."""
        there = np.array([True, self.source is not None, True, self.verifier is not None])
        found = np.tile(there, (self.generations, 1))
        found[0, kinds.OWN :] = False
        return found

    @property
    def allowed(self) -> np.ndarray:
        """(T, T, 4) which batches a model may be trained on."""
        past = np.tri(self.generations, dtype=bool)
        return past[:, :, None] & self.open[None]

    @property
    def partial(self) -> bool:
        """Whether a part of a batch may be better than all of it."""
        return self.pooled or self.budget.training > 0

    def check(self) -> None:
        """Refuse a budget that trains no models, and a requirement that the whole budget cannot fill."""
        budget, some = self.budget, self.source is not None and self.source.worth > 0
        first = min(budget.real, budget.synthetic) if some else budget.real
        if budget.total < (least := first + self.generations * budget.training):
            models = f" and the training of {counted(self.generations, 'model')} on it" if budget.training else ""
            kind = "item" if some else "real item"
            raise arg.refuse(
                "Budget",
                "total",
                budget.total,
                f"too little for one {kind}{models}, which cost{'' if models else 's'} {least:g}",
            )
        cheap = self.required * (self.budget.synthetic + (self.generations - 1) * self.budget.training)
        if (
            self.generations > 1
            and self.required
            and cheap + self.budget.real + self.budget.training > self.budget.total
        ):
            most = int((self.budget.total - self.budget.real - self.budget.training)
                       / (self.budget.synthetic + (self.generations - 1) * self.budget.training))  # fmt: skip
            raise arg.refuse(
                "optimise", "at_least", self.required, f"the budget fills at most {most:,} items a generation"
            )

    def outside(self) -> list[tuple[int, theory.Source, float]]:
        """What comes from outside: the kind, the source that tells as much, and the price of an item, training once included."""
        found = [] if self.source is None else [(kinds.SOURCE, self.source)]
        if self.verifier is not None and self.generations > 1:
            found.append((kinds.VERIFIED, self.verifier.as_source))
        prices = self.budget.prices(self.verifier) + self.budget.training
        return [(kind, source, prices[kind]) for kind, source in found]

    def errors(self, portfolio: theory.Portfolio) -> Any:
        """(T,) errors over V."""
        return theory.portfolio_moments(portfolio, self.source, self.verifier, self.v2).diagonal()

    def aimed(self, errors: Any) -> Any:
        """The one that is to be least."""
        match self.aim:
            case Aim.LAST:
                return errors[-1]
            case Aim.MEAN:
                return errors.mean()
            case Aim.WORST:
                return errors.max()

    def seen(self, portfolio: theory.Portfolio) -> np.ndarray:
        """(T, T, 4) the items of each batch that a model is trained on."""
        return portfolio.size[None] * (portfolio.weight > 0) if portfolio.train is None else portfolio.train

    def filled(self, portfolio: theory.Portfolio) -> bool:
        """Whether every later model is trained on as many items as it must be, and the budget holds."""
        enough = bool(np.all(self.seen(portfolio)[1:].sum((1, 2)) >= self.required))
        return enough and self.cost(portfolio) <= self.budget.total * (1 + 1e-9)

    def cost(self, portfolio: theory.Portfolio) -> float:
        """What the portfolio costs, training included."""
        seen = self.seen(portfolio).sum()
        return float((portfolio.size * self.budget.prices(self.verifier)).sum() + self.budget.training * seen)


def unchecked(size: Any, weight: Any, train: Any) -> theory.Portfolio:
    """Without the check, which rounding would fail."""
    made: theory.Portfolio = object.__new__(theory.Portfolio)
    for name, value in (("size", size), ("weight", weight), ("train", train)):
        object.__setattr__(made, name, value)
    return made


def missing(task: Task, portfolio: theory.Portfolio) -> Any:
    """(T-1,) log of how many times the required number of items a later generation lacks; below 0 where it has more."""
    xp = arg.namespace(portfolio.size)
    return xp.log(task.required / portfolio.train[1:].sum((1, 2)))
