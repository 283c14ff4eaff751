"""The plan that buys as `theory.purchase` says and weighs as it deserves, where no plan can err less."""

from __future__ import annotations

import numpy as np

from modelcollapse.theory import portfolio as kinds
from modelcollapse.theory.purchase import Purchase, purchase_of_several

from .descent import Free, logits, relaxed_portfolio
from .task import Task, missing

NEAR = 1e-9  # to the bound, as a share of it: there the plan is the best


def best_purchase(task: Task) -> Purchase:
    """What the budget buys at best of what comes from outside, training once included; no plan errs less."""
    budget = task.budget
    return purchase_of_several(
        budget.total, budget.real + budget.training, tuple((source, price) for _, source, price in task.outside())
    )


def outright(task: Task) -> Free | None:
    r"""All that is real or of the source is bought first, what a verifier chooses after it; None where that is not enough.

    A batch counts as the real samples that it is worth. What is chosen has the mean :math:`(1-a)\theta_1 + a c`, so that its
    weight is 1/a times that of the verifier's centre c, and the rest weighs as in the model before. Where training costs, only
    the last model sees it all.
    """
    real, synthetic, error = best_purchase(task)
    count = np.zeros((task.generations, 4))
    count[0, kinds.REAL] = real
    told = count.copy()
    for (kind, source, _), number in zip(task.outside(), synthetic, strict=True):
        place = (1 if kind == kinds.VERIFIED else 0), kind
        count[place] = number
        told[place] = number / (source.noise + number / source.worth) if number else 0.0
    centre = told[1:].sum() * error
    chosen = centre / float(task.verifier.contraction) if task.verifier is not None else 0.0
    if chosen > 1 or not told[0].any():
        return None
    weight = np.zeros((task.generations, task.generations, 4))
    weight[:, 0] = told[0] / told[0].sum()
    if chosen:
        weight[1:, 0] *= 1 - chosen
        weight[1:, 1, kinds.VERIFIED] = chosen
    use = np.ones(weight.shape)
    if task.partial:
        use[:-1] = 0.0
    found = logits(task, count, weight, use)
    relaxed = relaxed_portfolio(task, found)
    short = task.required and task.generations > 1 and np.any(missing(task, relaxed) > 0)
    near = task.aimed(task.errors(relaxed)) <= error * (1 + NEAR)
    return found if near and not short else None
