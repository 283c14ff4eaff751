r"""Effective size of a generation, from how far the frequencies move in one: drift and bias together.

In a Wright-Fisher generation the next frequencies are a multinomial sample, :math:`y \sim \mathrm{Mult}(N, x)/N`:

.. math:: E\left[\sum_i (y_i - x_i)^2 \mid x\right] = \sum_i \frac{x_i (1 - x_i)}{N} = \frac{G(x)}{N},
          \qquad G(x) = 1 - \sum_i x_i^2 .

So :math:`F = \sum (y_i - x_i)^2 / G(x)` has mean 1/N, exactly. Over seeds and contexts both sums are pooled,
:math:`F = \sum_u D_u / \sum_u G_u`, and only then inverted: a mean of 1/F over seeds is carried by the seeds that
moved least. Waples1989 and JordeRyman2007 divide by :math:`G((x + y)/2)`, since neither of their samples is the
parent; here x is, and that denominator would be low by the factor 1 - 1/(4N).

A trained model moves by its bias too, and F counts that. Hence the name of the number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse.theory import arguments as arg

NAME = "effective size (drift + bias)"


@dataclass(frozen=True)
class EffectiveSize:
    """Samples of an ideal generation that would move the frequencies as far; infinite where they did not move.

    ``low`` and ``high``: interval at ``level``. ``F`` = 1/size with its ``standard_error``, pooled over ``units``.
    After total collapse nothing can move: ``size`` is NaN, between 0 and infinity.
    """

    size: float
    low: float
    high: float
    F: float
    standard_error: float
    units: int
    level: float

    @property
    def name(self) -> str:
        """What the number is."""
        return NAME


def effective_size(
    x: Any, y: Any, *, sizes: tuple[float, float] | None = None, generations: int = 1, level: float = 0.9
) -> EffectiveSize:
    r"""Effective size from frequencies ``x`` of one generation and ``y`` of the next.

    ``x``, ``y``: (units, V) or (units, contexts, V), counts or probabilities; every row is divided by its sum. Units
    are independent (seeds) and the interval is that of the jackknife over them, with Student's quantile; contexts of
    one unit are pooled. For contexts of a single seed as units pass (contexts, V): the interval then holds for that
    seed alone. One unit gives the interval from 0 to infinity. A row of zeros in x or y is left out.

    ``sizes``: leave it out where x and y are the frequencies the generations had, such as the next training set or
    a model's own probabilities. Where they are samples of :math:`S_0` and :math:`S_1` tokens a row drawn beside the
    training sets, give ``(S0, S1)``: the unbiased :math:`G(\hat x)/(S_0 - 1)` and :math:`G(\hat y)/(S_1 - 1)` come off
    the distance and G is multiplied by :math:`S_0/(S_0 - 1)`.

    ``generations``: steps m of replace between x and y, where :math:`E F = 1 - (1 - 1/N)^m`.

    Raises InputError for shapes that differ or negative entries. Source: derived; JordeRyman2007 for pooling by
    sums.

    >>> seen = effective_size([[0.5, 0.5], [0.5, 0.5]], [[0.6, 0.4], [0.3, 0.7]])
    >>> round(seen.F, 9), round(seen.size, 9)  # (.02 + .08) / (.5 + .5)
    (0.1, 10.0)
    """
    before, after, there = _frequencies(x, y)
    generations = arg.size("effective_size", "generations", generations, remedy="steps from x to y")
    _check_level(level)
    moved = ((after - before) ** 2).sum(-1)
    variance, later = (1 - (each**2).sum(-1) for each in (before, after))
    if sizes is not None:
        first, second = (_at_least_two(each) for each in sizes)
        moved = moved - variance / (first - 1) - later / (second - 1)
        variance = variance * first / (first - 1)
    distance, spread = (np.where(there, each, 0.0).sum(-1) for each in (moved, np.clip(variance, 0, None)))
    units = len(distance)
    F = _quotient(distance.sum(), spread.sum())
    error, reach = np.inf, np.inf
    if units > 1 and np.isfinite(F):
        rest = zip(distance.sum() - distance, spread.sum() - spread, strict=True)
        without = np.array([_quotient(each, variance) for each, variance in rest])
        if np.all(np.isfinite(without)):
            from scipy import stats

            error = float(np.sqrt((units - 1) / units * ((without - np.mean(without)) ** 2).sum()))
            reach = error * float(stats.t.ppf((1 + level) / 2, units - 1))
    if np.isnan(F):
        return EffectiveSize(np.nan, 0.0, np.inf, np.nan, np.inf, units, level)
    low, high = (_inverse(each, generations) for each in (F + reach, F - reach if np.isfinite(reach) else -np.inf))
    return EffectiveSize(_inverse(F, generations), low, high, F, error, units, level)


def _inverse(F: float, generations: int) -> float:
    """The size N with E F = 1 - (1 - 1/N)^m: infinite where nothing moved beyond the sampling, 0 at an infinite F."""
    if F <= 0:
        return np.inf
    if generations == 1 or np.isinf(F):
        return 1 / F
    return 1 / -np.expm1(np.log1p(-F) / generations) if F < 1 else 1.0


def _quotient(distance: float, spread: float) -> float:
    if spread <= 0:
        return np.nan if distance <= 0 else np.inf
    return float(distance / spread)


def _frequencies(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies (units, contexts, V) of both, and which rows hold anything in both."""
    wanted = "counts or probabilities of shape (units, V) or (units, contexts, V), none negative"
    tables = [arg.numbers("effective_size", name, value, wanted) for name, value in (("x", x), ("y", y))]
    if tables[0].shape != tables[1].shape:
        raise arg.refuse("effective_size", "y", f"shape {tables[1].shape}", f"that of x, {tables[0].shape}")
    if tables[0].ndim not in (2, 3) or 0 in tables[0].shape:
        raise arg.refuse("effective_size", "x", f"shape {tables[0].shape}", wanted)
    for name, table in zip("xy", tables, strict=True):
        if np.any(table < 0):
            raise arg.refuse("effective_size", name, table, wanted)
    before, after = (each if each.ndim == 3 else each[:, None] for each in tables)
    sums = [each.sum(-1, keepdims=True) for each in (before, after)]
    there = ((sums[0] > 0) & (sums[1] > 0))[..., 0]
    before, after = (each / np.where(total > 0, total, 1.0) for each, total in zip((before, after), sums, strict=True))
    return before, after, there


def _at_least_two(size: Any) -> float:
    return float(arg.size("effective_size", "sizes", size, least=2, remedy="tokens a row, of x and of y"))


def _check_level(level: Any) -> None:
    arg.probability("effective_size", "level", level, "chance that the interval holds the size")
    if not 0 < level < 1:
        raise arg.refuse("effective_size", "level", level, "above 0 and below 1")
