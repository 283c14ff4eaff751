r"""Thinning: the chance that one real item has a copy in what model m is fitted on, backwards through any workflow.

Follow the copies of one real item through the generations. Seen from generation m backwards there is one number a for each
generation, the chance that an item there has a copy in what model m is fitted on; a token with probability p is then alive with
chance at least :math:`1 - (1 - p a)^N`. The number is exact for branching (Poisson) offspring, and multinomial and hypergeometric
draws only make survival likelier (:math:`(1 - x + x s)^n \le e^{-n x (1 - s)}`, Hoeffding for draws without replacement):
thinning is a certified lower bound for every workflow. In what it can know, model m is like one real corpus thinned by a.
"""

from __future__ import annotations

import math
from typing import Any, assert_never

import numpy as np

from . import arguments as arg
from .branching import lineage
from .workflow import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    RandomPast,
    Replace,
    Schedule,
    SlidingWindow,
    Workflow,
)

# real sets: how many items, and the chance that one of them has a copy at the end; of a mixture with the truth, infinitely
# many and their expected number, since (1 - x a)^n is bounded by a product over the sources only as exp(-n x a)
Reach = list[tuple[float, float]]


def real_items(w: Workflow, generation: int) -> Reach:
    """Real sets that generation m >= 1 can draw on, the first one first: (items, chance of a copy in model m)."""
    match w:
        case Replace():
            return [(w.real, _replaced(w, generation))]
        case FixedReal() | Accumulate():
            return [(w.real, 1.0)]
        case FreshReal():
            return _refreshed(w, generation)
        case AccumulateSubsample():
            return [(w.real, _subsampled(w, generation))]
        case SlidingWindow() | RandomPast() | Schedule():
            return _scheduled(w.schedule(generation))
    assert_never(w)


def _none_left(rate: Any) -> Any:
    """1 - exp(-rate): the chance of at least one of a Poisson number."""
    return -arg.namespace(rate).expm1(-rate)


def _replaced(w: Replace, generation: int) -> Any:
    if generation == 1:
        return 1.0
    if isinstance(w.synthetic, tuple):
        alive: Any = 1.0
        sizes = w.sizes(generation)
        for before, after in zip(sizes[-2::-1], sizes[:0:-1], strict=True):
            alive = _none_left(after / before * alive)
        return alive
    return _none_left(w.synthetic / w.real * lineage(generation - 2))


def _refreshed(w: FreshReal, generation: int) -> Reach:
    """The real set of each generation 1..m, by backward recursion over the copies of a real and of a synthetic item."""
    real_weight = w.real / (w.real + w.synthetic) if w.weight is None else w.weight
    # chance for an item of the synthetic batch of the generation looked at, which weighs nothing at weight 1
    drawn = arg.namespace(real_weight).where(real_weight < 1, 1.0, 0.0)
    reach = [(w.real, 1.0)]
    for now in range(generation - 1, 0, -1):
        weight = real_weight if now > 1 else 1.0
        reach.append((w.real, _none_left(w.synthetic * weight / w.real * drawn)))
        drawn = _none_left((1 - real_weight) * drawn)
    return reach[::-1]


def _subsampled(w: AccumulateSubsample, generation: int) -> Any:
    alive: Any = 0.0
    for now in range(generation, 0, -1):
        share = w.train / (w.real + (now - 1) * w.synthetic)
        copies = (
            1.0 if now == generation else _none_left(w.synthetic / w.train * alive)
        )  # of a point that is trained on
        hit = _none_left(share * copies) if w.replacement else share * copies
        alive = hit if now == generation else 1 - (1 - alive) * (1 - hit)
    return alive


def _scheduled(w: Schedule) -> Reach:
    """Any schedule: items of each batch, backwards; a mixture counts by its share of the truth."""
    size, source, weight = (np.asarray(each, float) for each in (w.size, w.source, w.weight))
    last, born = w.generations, w.born
    alive = np.zeros(len(size))
    for batch in sorted(range(len(size)), key=lambda each: -born[each]):
        missed = 1.0
        for model in range(born[batch], last + 1):
            share = weight[model - 1, batch] / size[batch]  # of the model, held by one item
            if share == 0:
                continue
            per_model = source[:, model] * size * alive  # draws from this model, by their chance to last
            if w.train is None:
                missed *= float(model < last) * math.exp(-share * per_model.sum())
                continue
            train = float(w.train[model - 1])
            copies = 1.0 if model == last else -math.expm1(-per_model.sum() / train)
            hit = -math.expm1(-train * share * copies) if w.replacement else train * share * copies
            missed *= 1 - hit
        alive[batch] = 1 - missed
    real = [batch for batch in range(len(size)) if source[batch, 0] > 0]
    real.sort(key=lambda each: weight[0, each] == 0)  # the first model's real set first
    return [(size[batch], alive[batch]) if source[batch, 0] == 1 else (np.inf, size[batch] * source[batch, 0] * alive[batch])
            for batch in real]  # fmt: skip
