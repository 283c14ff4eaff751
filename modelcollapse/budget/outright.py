r"""The plan that buys as `theory.purchase` says and weighs as it deserves, where no plan can err less.

All that is real or of the source is bought first, what a verifier chooses after it. A batch counts as the real samples that it
is worth, n/(tau + n/B). What is chosen has the mean :math:`(1-a)\theta_1 + a c`, so that its weight is 1/a times that of the
verifier's centre c, and the rest weighs as in the model before. Where training costs, only the last model sees it all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import portfolio as kinds
from modelcollapse.theory.purchase import Purchase, purchase_of_several

from .descent import Free, logits, relaxed_portfolio
from .task import Task, missing

NEAR = 1e-9  # to the bound, as a share of it: there the plan is the best
SIMPLER = 2e-4  # how much less a plan of fewer purchases may tell
EVERY, AROUND = 200, 8  # real items up to which every number is tried; else so many about the best in parts of items


def best_purchase(task: Task) -> Purchase:
    """What the budget buys at best of what comes from outside, training once included; no plan errs less."""
    budget = task.budget
    return purchase_of_several(
        budget.total, budget.real + budget.training, tuple((source, price) for _, source, price in task.outside())
    )


def outright(task: Task) -> Free | None:
    """The best purchase, where it errs no more than the bound."""
    best = best_purchase(task)
    count = _placed(task, best.real, best.synthetic)
    weight = _weighed(task, count)
    if weight is None:
        return None
    use = np.ones(weight.shape)
    if task.partial:
        use[:-1] = 0.0
    found = logits(task, count, weight, use)
    relaxed = relaxed_portfolio(task, found)
    short = task.required and task.generations > 1 and np.any(missing(task, relaxed) > 0)
    near = task.aimed(task.errors(relaxed)) <= best.error * (1 + NEAR)
    return found if near and not short else None


def whole_purchase(task: Task) -> theory.Portfolio | None:
    """The purchase in whole items that tells most, weighed as it deserves; None where it cannot be weighed so.

    Of several that tell as much the one of the fewest purchases. Every earlier model is trained on one item where training
    costs. Where all items weigh alike, nothing but real items is bought.
    """
    tried = _purchases(task)
    told = tried[:, 0] + sum(
        theory.real_equivalents(tried[:, 1 + i], source) for i, (_, source, _) in enumerate(task.outside())
    )
    enough = np.flatnonzero((told > 0) & (told >= told.max() * (1 - SIMPLER)))
    for place in enough[np.lexsort((-told[enough], (tried[enough] > 0).sum(1)))]:
        count = _placed(task, tried[place, 0], tried[place, 1:])
        weight = _weighed(task, count)
        if weight is not None:
            return _trained(task, count, weight)
    return None


def _placed(task: Task, real: float, numbers: Any) -> np.ndarray:
    """(T, 4) when so many items are bought."""
    count = np.zeros((task.generations, 4))
    count[0, kinds.REAL] = real
    for (kind, _, _), number in zip(task.outside(), numbers, strict=True):
        count[_bought(kind)] = number
    return count


def _bought(kind: int) -> tuple[int, int]:
    """Generation, from 0 on, and kind: what a verifier chooses needs a model first."""
    return int(kind == kinds.VERIFIED), kind


def _weighed(task: Task, count: np.ndarray) -> np.ndarray | None:
    """(T, T, 4) the best weights; None where there is nothing to begin with, or the verifier pulls too little."""
    told = count.copy()
    for kind, source, _ in task.outside():
        told[_bought(kind)] = theory.real_equivalents(np.asarray(count[_bought(kind)]), source)
    if not told[0].any():
        return None
    centre = told[1:].sum() / told.sum()
    chosen = centre / float(task.verifier.contraction) if task.verifier is not None else 0.0
    if chosen > 1:
        return None
    weight = np.zeros((task.generations, task.generations, 4))
    weight[:, 0] = told[0] / told[0].sum()
    if chosen:
        weight[1:, 0] *= 1 - chosen
        weight[1:, 1, kinds.VERIFIED] = chosen
    return weight


def _trained(task: Task, count: np.ndarray, weight: np.ndarray) -> theory.Portfolio:
    """The portfolio; where training costs, all models before the last see one item."""
    if not task.partial:
        return theory.Portfolio(count, weight)
    seen = count[None] * (weight > 0)
    if task.budget.training > 0:
        first = 0, int(np.argmax(count[0]))
        seen[:-1], weight[:-1] = 0.0, 0.0
        seen[(slice(-1), *first)] = weight[(slice(-1), *first)] = 1.0
    return theory.Portfolio(count, weight, seen)


def _purchases(task: Task) -> np.ndarray:
    """Real items and those of each source (K, 1 + sources) that the budget buys, among them what tells most.

    What real items and the first source leave of it buys the second.
    """
    total = task.budget.total - task.budget.training * (task.generations - 1)
    best, offers = best_purchase(task), task.outside()
    prices = [task.budget.real + task.budget.training, *(price for _, _, price in offers)]
    usable = [place for place, (_, source, _) in enumerate(offers, start=1) if source.worth > 0 and not task.pooled]
    found = np.zeros((1, len(prices)))
    for place in [0, *usable]:
        rows = []
        for row in found:
            most = _most(float(total - row @ prices), prices[place])
            about = int(best.real if place == 0 else best.synthetic[place - 1])
            near = range(max(about - AROUND, 0), min(about + AROUND, most) + 1)
            last = place == max(usable, default=0)
            for number in {0, most} if last else range(most + 1) if most <= EVERY and place == 0 else {0, most, *near}:
                rows.append(row.copy())
                rows[-1][place] = number
        found = np.array(rows)
    return found


def _most(left: float, price: float) -> int:
    """How many items of this price can be had."""
    return max(int(left / price * (1 + 1e-12)), 0)
