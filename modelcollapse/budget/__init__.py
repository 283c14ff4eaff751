r"""A budget, and the plan of least error that it buys: what to buy, keep, weigh and train on in each generation.

No plan comes below the error of `theory.purchase`. What buys as it says is the plan where it gets there; everywhere else the
gradient of the error, that of `theory.portfolio_moments` and exact, is followed by Adam: in the shares of the budget, in the
weights, and where training costs or items weigh alike in the share of each batch that is used. What is returned is in whole
items, within the budget, its error computed anew.

A model's own samples say nothing that the real data has not said (`theory.rao_blackwell`). So without a source, a verifier or a
number of items that every generation must have, the plan is to spend all on real items and to keep them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg
from modelcollapse.theory import portfolio as kinds

from .costs import WHOSE, Aim, Budget, read
from .descent import Free, relaxed_portfolio, solved
from .outright import best_purchase, outright, whole_purchase
from .task import Task, missing, unchecked
from .whole_items import in_whole_items

__all__ = ["Aim", "Budget", "BudgetPlan", "Check", "optimise", "read"]

MOST_GENERATIONS = 24
MEANT = {
    "source": "samples of the source from outside",
    "own": "samples of the pipeline's own models",
    "verified": "those that the verifier kept of the pipeline's own models",
}
ALIKE = 0.01  # by how much weights of items of one kind may differ, that are told together
MOVED = 0.01  # share of the budget that the check of the optimum moves


class Check(NamedTuple):
    """How good the plan is: ``bound`` no plan errs less; ``gap`` of the plan above it, as a share.

    ``gradient``: length of the slope of the log error, by shares and weights, where Adam stopped; None of a plan that reaches the
    bound outright. ``exchange``: the largest share by which the error falls when 1 % of the budget is moved from one purchase to
    another; none falls at an optimum. ``rounding``: by what share the plan in whole items errs more than that in parts of items
    that it was made of; below 0 where it errs less.
    """

    bound: float
    gap: float
    gradient: float | None
    exchange: float
    rounding: float


@dataclass(frozen=True, eq=False)
class BudgetPlan:
    """The best plan: items ``bought`` (T, 4) and ``trained`` on (T, 4), by kind, and the ``weight`` (T, 4) of each kind.

    ``error`` (T,) of each model, over the variance of one real sample times it; ``aim`` what was made least, ``least`` how far.
    ``others``: the same of plans that one makes without thinking, where the budget allows them.
    """

    budget: Budget
    aim: Aim
    portfolio: theory.Portfolio
    bought: np.ndarray
    trained: np.ndarray
    weight: np.ndarray
    cost: float
    error: np.ndarray
    least: float
    others: dict[str, float]
    check: Check

    @property
    def all_real(self) -> bool:
        """Whether nothing synthetic is worth its price."""
        return not self.bought[:, 1:].any()

    def lines(self) -> list[str]:
        """The plan in words, a line each."""
        total, spent = (f"{each:,.10g}" for each in (self.budget.total, self.cost))
        found = [
            self.budget.in_words,
            f"Spend {'all' if spent == total else f'{spent} of'} {total} and keep everything bought:",
        ]
        for place, row in enumerate(self.bought, start=1):
            parts = [f"{bought:,} {kind}" for kind, bought in zip(kinds.KINDS, row.tolist(), strict=True) if bought]
            judged = self.aim is not Aim.LAST or place == len(self.bought)
            if parts or judged:
                told = f"buy {', '.join(parts) or 'nothing'}"
                seen = f"; train on {', '.join(self._seen(place))}" if judged else ""
                found.append(f"  generation {place}: {told}{seen}")
        if self.portfolio.train is not None:
            found.append(
                "All items of a model weigh alike, or training on them costs: then parts of a batch may be left out."
            )
        found.append(f"Error {WHOSE[self.aim]}: {self.least:.6g}; no plan comes below {self.check.bound:.6g}.")
        for name, error in self.others.items():
            times = f"{error / self.least:.4g}"
            found.append(f"  {name}: {error:.6g}, {'the same' if times == '1' else f'{times} times that'}")
        totals = zip(kinds.KINDS, self.bought.sum(0).tolist(), strict=True)
        meant = [f"{kind}: {MEANT[kind]}" for kind, bought in totals if bought and kind in MEANT]
        if any(name.startswith("equal parts") for name in self.others):
            meant.append("equal parts: of the budget, for each kind in each generation")
        if meant:
            found.append("; ".join(meant) + ".")
        if self.all_real:
            found.append(
                "Nothing synthetic is worth its price; samples of the pipeline's own models repeat what the real data has said. "
                "Keep all real items."
            )
        return found

    def batches(self, model: int) -> list[dict[str, Any]]:
        """What a model is trained on: items of each kind bought in each generation, and the weight of all of them."""
        seen = self.portfolio.size if self.portfolio.train is None else self.portfolio.train[model - 1]
        weight = self.portfolio.weight[model - 1]
        return [
            {
                "kind": name,
                "generation": each + 1,
                "trained": int(seen[each, kind]),
                "weight": float(weight[each, kind]),
            }
            for kind, name in enumerate(kinds.KINDS)
            for each in np.flatnonzero(weight[:, kind]).tolist()
        ]

    def _seen(self, model: int) -> list[str]:
        """The same in words; items of a kind that weigh alike are told together."""
        found, every = [], self.batches(model)
        for kind in dict.fromkeys(each["kind"] for each in every):
            own = [each for each in every if each["kind"] == kind]
            by_item = [each["weight"] / each["trained"] for each in own]
            if max(by_item) <= (1 + ALIKE) * min(by_item):
                total, share = (sum(each[name] for each in own) for name in ("trained", "weight"))
                found.append(f"{total:,} {kind} ({100 * share:.3g} % of the weight)")
            else:
                found += [
                    f"{each['trained']:,} {kind} of generation {each['generation']} ({100 * each['weight']:.3g} % of the weight)"
                    for each in own
                ]
        return found

    def as_record(self) -> dict[str, Any]:
        """For machines."""
        tables = {name: getattr(self, name) for name in ("bought", "trained", "weight")}
        return {
            "budget": {each.name: getattr(self.budget, each.name) for each in fields(Budget)},
            "aim": self.aim.value,
            **{
                name: [dict(zip(kinds.KINDS, row, strict=True)) for row in table.tolist()]
                for name, table in tables.items()
            },
            "batches": [self.batches(model) for model in range(1, len(self.bought) + 1)],
            "cost": self.cost,
            "error": self.error.tolist(),
            "least": self.least,
            "others": self.others,
            "all_real": self.all_real,
            "check": self.check._asdict(),
            "theorems": ["purchase", "no-free-lunch", "workflow-algebra"],
        }


def optimise(
    budget: Budget,
    generations: int,
    *,
    source: theory.Source | None = None,
    verifier: theory.Correction | None = None,
    at_least: int | None = None,
    pooled: bool = False,
    aim: Aim = Aim.LAST,
    variance: float = 1.0,
    v2: float = 0.0,
) -> BudgetPlan:
    r"""The plan of least error for a budget and a number of generations: what to buy, keep, weigh and train on in each.

    ``source``: synthetic items from outside. ``verifier``: what chooses among own samples. ``at_least``: items that every
    generation after the first must be trained on. ``pooled``: all items weigh alike; so they do with ``at_least``, which items
    without weight would fill. ``aim``: which error. ``variance`` of one real sample, ``v2`` as in `theory.covariance`.

    Sizes of batches, weights and shares that are used are free; what is bought may be used again in every later generation. Exact
    where `theory.portfolio_moments` is. Adam's is the best of several starts: ``check`` says how far it can be from the optimum.

    Raises InputError for what the budget cannot buy, and where Adam is needed without the extra lm, which brings Optax.

    >>> from modelcollapse import theory
    >>> plan = optimise(Budget(1000, real=1, synthetic=0.25), 1, source=theory.Source(worth=40))  # theory.optimal_purchase
    >>> plan.bought.tolist(), plan.cost, plan.check.gap < 1e-9
    ([[990, 40, 0, 0]], 1000.0, True)
    """
    own = "optimise"
    if not isinstance(budget, Budget):
        raise arg.refuse(own, "budget", budget, "a Budget(total, real, synthetic, verification, training)")
    generations = arg.size(own, "generations", generations, of="generations")
    if generations > MOST_GENERATIONS:
        raise arg.refuse(own, "generations", generations, f"at most {MOST_GENERATIONS} generations")
    for name, value, kind in (
        ("source", source, theory.Source),
        ("verifier", verifier, theory.Correction),
        ("aim", aim, Aim),
    ):
        if not isinstance(value, kind) and (value is not None or kind is Aim):
            raise arg.refuse(own, name, value, f"a {kind.__name__}")
    for name, record in (("source", source), ("verifier", verifier)):
        if record is not None and any(np.ndim(value) or arg.is_traced(value) for value in vars(record).values()):
            raise arg.refuse(own, name, record, "one number for each of its fields")
    if v2 != 0 and (source is not None or verifier is not None):
        raise arg.refuse(own, "v2", v2, "0 beside a source or a verifier: the leading order of any regular fit")
    arg.positive(own, "variance", variance, "variance of one real sample")
    required = 0 if at_least is None else arg.size(own, "at_least", at_least, of="items")
    task = Task(generations, budget, source, verifier, required, pooled or required > 0, aim, float(v2))
    task.check()
    task, portfolio, found, gradient = _planned(task, pooled=pooled)
    moments = task.errors(portfolio)
    bound = best_purchase(task).error
    least, best = (float(task.aimed(each)) for each in (moments, task.errors(relaxed_portfolio(task, found))))
    check = Check(bound * variance, least / bound - 1, gradient, _exchange(task, found), least / best - 1)
    return BudgetPlan(
        budget, aim, portfolio, portfolio.size.astype(int), task.seen(portfolio).sum(1).astype(int),
        portfolio.weight.sum(1), task.cost(portfolio), moments * variance, least * variance,
        {name: error * variance for name, error in _others(task).items()}, check,
    )  # fmt: skip


def _planned(task: Task, *, pooled: bool) -> tuple[Task, theory.Portfolio, Free, float | None]:
    """What is planned for, the plan in whole items, what it was made of, and the slope where Adam stopped.

    A requirement that the best plan without it fills is none. In whole items the purchase is tried beside Adam's plan.
    """
    free = replace(task, required=0, pooled=pooled)
    at_once = outright(free)
    whole = None if at_once is None else whole_purchase(free)
    if at_once is not None and whole is not None and task.filled(whole):
        return free, whole, at_once, None
    found, gradient = solved(task)
    plans = [in_whole_items(task, relaxed_portfolio(task, found)), whole_purchase(task)]
    able = [(float(task.aimed(task.errors(each))), each) for each in plans if each is not None and task.filled(each)]
    if not able:
        raise arg.refuse("Budget", "total", task.budget.total, "too little for whole items: give more")
    return task, min(able, key=lambda each: each[0])[1], found, gradient


def _exchange(task: Task, free: Free) -> float:
    """The largest relative fall of the error when a hundredth of the budget goes elsewhere, weights by item kept."""
    size = relaxed_portfolio(task, free).size * task.budget.prices(task.verifier)
    shares, best = size / size.sum(), 0.0
    before = task.aimed(task.errors(relaxed_portfolio(task, free, shares)))
    for taken in np.argwhere(shares > MOVED):
        for given in np.argwhere(task.open):
            moved = shares.copy()
            moved[tuple(taken)] -= MOVED
            moved[tuple(given)] += MOVED
            other = relaxed_portfolio(task, free, moved)
            if task.required and np.any(missing(task, other) > 1e-6):
                continue
            best = max(best, 1 - float(task.aimed(task.errors(other)) / before))
    return best


def _others(task: Task) -> dict[str, float]:
    """What plans come to that one makes without thinking; those that the requirement allows."""
    only_real = np.zeros((task.generations, 4))
    only_real[0, kinds.REAL] = 1.0
    even = task.open / task.open.sum()
    new = np.eye(task.generations, dtype=bool)[:, :, None]
    found = {}
    for name, shares, kept in (("all real, kept", only_real, True), ("equal parts, all kept", even, True),
                               ("equal parts, replaced", even, new)):  # fmt: skip
        items = shares / task.budget.prices(task.verifier)
        use = (task.allowed & kept & (shares > 0)).astype(float)
        size = np.floor(items * task.budget.total / (1 + task.budget.training * (use * items).sum()) * (1 + 1e-12))
        seen = use * size
        if (task.required and np.any(seen[1:].sum((1, 2)) < task.required)) or np.any(seen.sum((1, 2)) == 0):
            continue
        found[name] = float(task.aimed(task.errors(unchecked(size, seen / seen.sum((1, 2), keepdims=True), seen))))
    return found
