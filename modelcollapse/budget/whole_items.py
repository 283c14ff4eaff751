"""A portfolio in whole items, within the budget."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import portfolio as kinds

from .task import Task

CRUMB, SIMPLER = 0.01, 2e-4  # share of the budget below which a purchase may go; how much more a simpler plan may err
ALL = 0.99  # of a batch: so near to all of it that all of it is used
LEAST_WEIGHT = 1e-6  # in a model, below which a batch is not seen
MOST_CELLS = 8  # purchases among which whole items are exchanged, the dearest


def in_whole_items(task: Task, relaxed: theory.Portfolio) -> theory.Portfolio:
    """In whole items within the budget: down, then what is left is spent where it helps most."""
    seen = relaxed.size[None] * task.allowed if relaxed.train is None else relaxed.train
    share = np.where(relaxed.size > 0, seen / np.where(relaxed.size > 0, relaxed.size, 1.0), 0.0)
    per_item = relaxed.weight / np.where(seen > 0, seen, 1.0)
    size = np.floor(relaxed.size + 1e-6)
    if not task.pooled:
        size *= (relaxed.weight > LEAST_WEIGHT).any(axis=0)  # what no model listens to is not bought
    prices, training = task.budget.prices(task.verifier), task.budget.training
    if not size[0].any():
        real = prices[kinds.REAL] + task.generations * training <= task.budget.total
        size[0, kinds.REAL if real else kinds.SOURCE] = 1.0
    share = np.where(share > ALL, 1.0, share)

    def made(size: np.ndarray) -> theory.Portfolio:
        seen = np.floor(share * size[None] + 1e-6) * task.allowed
        for model in range(task.generations):  # each is trained on something
            if not (seen[model] * relaxed.weight[model]).any():
                largest = np.unravel_index(np.argmax(size * task.allowed[model]), size.shape)
                seen[(model, *largest)] = 1.0 if task.partial else size[largest]
            short = task.required - seen[model].sum() if model else 0
            there = np.argwhere(size[: model + 1] > 0)[::-1]
            for batch in there if short > 0 else ():  # whole items short: of what there is
                place = (model, *batch)
                more = min(short, size[tuple(batch)] - seen[place])
                seen[place] += more
                short -= more
        if task.pooled:
            return weighed(size, seen, seen)
        both = [weighed(size, seen, weight) for weight in (relaxed.weight * (seen > 0), seen * per_item)]
        return min(both, key=lambda each: task.aimed(task.errors(each)))  # by batch or by item

    def weighed(size: np.ndarray, seen: np.ndarray, weight: np.ndarray) -> theory.Portfolio:
        empty = weight.sum((1, 2)) == 0
        weight = _shares(np.where(empty[:, None, None], seen, weight))
        weight = _shares(np.where(weight < LEAST_WEIGHT, 0.0, weight))
        return theory.Portfolio(size, weight, np.where(weight > 0, seen, 0.0) if task.partial else None)

    def lacking(portfolio: theory.Portfolio) -> np.ndarray:
        found = np.zeros(task.generations)
        if task.required:
            found[1:] = np.maximum(task.required - portfolio.train[1:].sum((1, 2)), 0)
        return found

    for _ in range(1000):
        portfolio = made(size)
        short = lacking(portfolio)
        if short.any():  # own samples are what fills
            first = int(np.argmax(short > 0))
            size[first, kinds.OWN] += short[first]
            share[first:, first, kinds.OWN] = np.maximum(share[first:, first, kinds.OWN], 0)
            share[first, first, kinds.OWN] = 1.0
            continue
        over = task.cost(portfolio) - task.budget.total
        if over <= 1e-9 * task.budget.total:
            break
        largest = np.unravel_index(np.argmax(size[:, kinds.REAL]), (task.generations,))
        place = (
            (int(largest[0]), kinds.REAL)
            if size[largest[0], kinds.REAL] > 1
            else tuple(np.argwhere(size == size.max())[0])
        )
        size[place] -= max(1.0, min(size[place] - 1, np.floor(over / (prices[place[1]] + training * task.generations))))
    full = _spent(task, portfolio, made)
    simple = _spent(task, _without_crumbs(task, portfolio, made), made)
    return simple if task.aimed(task.errors(simple)) <= (1 + SIMPLER) * task.aimed(task.errors(full)) else full


def _shares(weight: np.ndarray) -> np.ndarray:
    """Weights (T, T, 4) that sum to one in each model that has any."""
    total = weight.sum((1, 2), keepdims=True)
    return weight / np.where(total > 0, total, 1.0)


def _without_crumbs(task: Task, portfolio: theory.Portfolio, made: Any) -> theory.Portfolio:
    """Without small purchases that tell no more than their price does elsewhere."""
    spent = portfolio.size * task.budget.prices(task.verifier) / task.budget.total
    for place in sorted(map(tuple, np.argwhere((spent > 0) & (spent < CRUMB))), key=lambda each: spent[each]):
        size = portfolio.size.copy()
        size[place] = 0.0
        if not size[0].any():
            continue
        other = made(size)
        allowed = 1 + spent[place] + SIMPLER / 10
        if (not task.required or task.generations == 1 or other.train[1:].sum((1, 2)).min() >= task.required) and (
            task.aimed(task.errors(other)) <= allowed * task.aimed(task.errors(portfolio))
        ):
            portfolio = other
    return portfolio


def _spent(task: Task, portfolio: theory.Portfolio, made: Any) -> theory.Portfolio:
    """What is left goes where it makes the error least, as long as it does; a few items may give way to one more of others."""
    prices, training = task.budget.prices(task.verifier), task.budget.training
    for _ in range(8):
        left = task.budget.total - task.cost(portfolio)
        best: Any = None
        least = task.aimed(task.errors(portfolio))
        costs = portfolio.size * prices
        cells = sorted(map(tuple, np.argwhere(portfolio.size > 0)), key=lambda each: -costs[each])[:MOST_CELLS]
        for given in cells:
            often = training * (task.generations - given[0])
            tried: list[Any] = [
                (None, 0.0, np.floor(left / each + 1e-9)) for each in (prices[given[1]], prices[given[1]] + often)
            ]
            tried += [
                (taken, np.ceil((prices[given[1]] + often - left) / prices[taken[1]] - 1e-9), 1.0) for taken in cells
            ]
            for taken, fewer, number in tried:
                if number < 1 or taken == given or fewer < 0 or (taken and fewer >= portfolio.size[taken]):
                    continue
                size = portfolio.size.copy()
                size[given] += number
                if taken:
                    size[taken] -= fewer
                other = made(size)
                short = task.required and task.generations > 1 and other.train[1:].sum((1, 2)).min() < task.required
                if short or task.cost(other) > task.budget.total * (1 + 1e-12):
                    continue
                error = task.aimed(task.errors(other))
                if error < least * (1 - 1e-9):
                    best, least = other, error
        if best is None:
            return portfolio
        portfolio = best
    return portfolio
