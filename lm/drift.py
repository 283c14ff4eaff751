r"""Drift of next-token distributions over fixed real contexts, and the floor that re-training alone gives.

Two models trained on the same data differ by their initialisation. Drift along the generations means something above
that floor only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import entr

from modelcollapse.theory import arguments as arg

ROUNDING = 1e-2  # rows of probabilities in half precision sum to one up to this


@dataclass(frozen=True)
class Drift:
    r"""What sets model q apart from model p, as means over contexts.

    ``l1`` :math:`= \sum_i |q_i - p_i|`. ``tv`` :math:`= l_1 / 2`. ``l2`` :math:`= \sum_i (q_i - p_i)^2`, squared.
    ``entropy`` :math:`= -\sum_i q_i \log q_i` in nats, and ``gini`` :math:`= 1 - \sum_i q_i^2`, both of q.
    """

    l1: float
    tv: float
    l2: float
    entropy: float
    gini: float


@dataclass(frozen=True)
class Level:
    """Mean over pairs, its standard error, and the spread (standard deviation) of one pair."""

    mean: float
    standard_error: float
    spread: float


@dataclass(frozen=True)
class Floor:
    """Distances between ``models`` re-trainings on the same data, pair by pair."""

    l1: Level
    tv: Level
    l2: Level
    models: int


@dataclass(frozen=True)
class Excess:
    """How far a distance is above the floor, the standard error of that, and whether it counts as above."""

    excess: float
    standard_error: float
    above: bool


def drift(p: Any, q: Any) -> Drift:
    """Drift from model ``p`` to model ``q``: probabilities (contexts, V) over the same contexts.

    Source: Seddik2024, figure 5 (the L1 distance). Raises InputError where rows are no probabilities.

    >>> drift([[0.5, 0.5]], [[1.0, 0.0]])
    Drift(l1=1.0, tv=0.5, l2=0.5, entropy=0.0, gini=0.0)
    """
    before, after = _distributions("p", p), _distributions("q", q)
    if before.shape != after.shape:
        raise arg.refuse("drift", "q", f"shape {after.shape}", f"the contexts and tokens of p, shape {before.shape}")
    l1 = float(np.abs(after - before).sum(-1).mean())
    l2 = float(((after - before) ** 2).sum(-1).mean())
    return Drift(l1, l1 / 2, l2, float(entropy(after).mean()), float(gini(after).mean()))


def entropy(p: Any) -> np.ndarray:
    r""":math:`-\sum_i p_i \log p_i` of each context, in nats: (contexts, V) to (contexts,).

    >>> entropy([[1.0, 0.0], [0.5, 0.5]]).round(4).tolist()
    [0.0, 0.6931]
    """
    return entr(np.asarray(p, float)).sum(-1)


def gini(p: Any) -> np.ndarray:
    r"""Gini diversity :math:`1 - \sum_i p_i^2` of each context: (contexts, V) to (contexts,).

    >>> gini([[1.0, 0.0], [0.5, 0.5]]).tolist()
    [0.0, 0.5]
    """
    return 1 - (np.asarray(p, float) ** 2).sum(-1)


def floor(models: Sequence[Any]) -> Floor:
    r"""Distances between re-trainings on the same data: each of ``models`` is (contexts, V).

    The mean over all pairs; pairs share models, so its standard error is that of the jackknife over models, infinite
    where there are two models only. Raises InputError for fewer than two.

    >>> three = [[[1.0, 0.0]], [[0.5, 0.5]], [[0.5, 0.5]]]
    >>> floor(three).tv.mean  # of 1/2, 1/2 and 0
    0.3333333333333333
    """
    number = len(models)
    if number < 2:
        raise arg.refuse("floor", "models", f"{number} models", "train at least 2 on the same data, better 3 or more")
    pairs = list(combinations(range(number), 2))
    found = [drift(models[one], models[other]) for one, other in pairs]
    l1, tv, l2 = (
        _level(pairs, np.array([getattr(each, name) for each in found]), number) for name in ("l1", "tv", "l2")
    )
    return Floor(l1, tv, l2, number)


def above_floor(values: Any, level: Level, *, errors: float = 2.0) -> Excess:
    r"""Whether drift is above the floor: ``values`` (seeds,) of one measure, or one value, of independent seeds.

    With floor :math:`\mu` of standard error e and spread s of one pair, the mean of C seeds is above where
    :math:`\bar d - \mu > ` ``errors`` :math:`\sqrt{s^2 / C + e^2}`: one pair of models varies by s even at the floor.

    >>> above_floor([0.9], Level(mean=0.7, standard_error=0.03, spread=0.04))
    Excess(excess=0.20000000000000007, standard_error=0.05, above=True)
    """
    seen = np.atleast_1d(arg.numbers("above_floor", "values", values, "distances, one for each seed"))
    if seen.size == 0:
        raise arg.refuse("above_floor", "values", values, "at least one distance")
    arg.positive("above_floor", "errors", errors, "standard errors above the floor")
    excess = float(seen.mean()) - level.mean
    noise = float(np.hypot(level.spread / np.sqrt(seen.size), level.standard_error))
    return Excess(excess, noise, excess > errors * noise)


def _level(pairs: list[tuple[int, int]], values: np.ndarray, number: int) -> Level:
    if number == 2:
        return Level(float(values[0]), np.inf, np.inf)
    without = np.array([values[[left not in pair for pair in pairs]].mean() for left in range(number)])
    error = np.sqrt((number - 1) / number * ((without - without.mean()) ** 2).sum())
    return Level(float(values.mean()), float(error), float(values.std(ddof=1)))


def _distributions(name: str, value: Any) -> np.ndarray:
    wanted = "probabilities of shape (contexts, V), rows summing to one"
    table = arg.numbers("drift", name, value, wanted)
    if table.ndim != 2 or 0 in table.shape:
        raise arg.refuse("drift", name, f"shape {table.shape}", wanted)
    if np.any(table < 0) or np.any(np.abs(table.sum(-1) - 1) > ROUNDING):
        raise arg.refuse("drift", name, table, wanted)
    return table
