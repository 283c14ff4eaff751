r"""How far the token frequencies of two snapshots of a chain are apart, its variance, and for which sizes that is unlikely.

Given the frequencies x and those m generations later, y, a snapshot is a mean of independent tokens. What the unbiased distance
varies by is the drift from x to y (`ancestry`) and what the tokens of either snapshot add to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import mpmath
import numpy as np
from sympy import Expr, lambdify

from . import ancestry
from .ancestry import Polynomial, distance_variance, moment
from .symbols import a2, a3, a4, n, p2, p3, p4, s0, sm
from .token_counts import others

BITS = 500  # what cancels between moments of four samples leaves a hundred digits of these
LEAST, ENDLESS = 4.0, 2.0**100  # samples of a generation between which limits are looked for
HALVINGS = 60
X2: Polynomial = ((1, ((0, 2),)),)
XY: Polynomial = ((1, ((1, 1),)),)
Y2: Polynomial = ((1, ((2, 0),)),)


def moments(size: float, generations: int, sums: tuple[Any, ...], first: float, last: float) -> tuple[float, float]:
    """F, and the variance of the unbiased distance less F times the unbiased diversity."""
    with mpmath.workprec(BITS):
        count = mpmath.mpf(size)
        apart, left = [], mpmath.mpf(1)
        for each in range(1, ancestry.MOST):
            left *= 1 - each / count
            apart.append(left**generations)
        found = _lowered()(count, *apart, *map(mpmath.mpf, sums), mpmath.mpf(first), mpmath.mpf(last))
        return float(1 - apart[0]), max(float(found), 0.0)


@cache
def _lowered() -> Any:
    letters = (n, a2, a3, a4, p2, p3, p4, s0, sm)
    return lambdify(letters, variance(), "mpmath", cse=True)


@cache
def _lowered_traces() -> Any:
    return lambdify((p2, p3, p4), traces(), "mpmath", cse=True)


@cache
def variance() -> Expr:
    r"""The variance of :math:`\hat D - F \hat G`, given the frequencies x: that of the drift, and what sampling adds, exactly.

    Given x and y the snapshots are means of independent tokens, so that the distance is a sum of uncorrelated parts: a linear one
    for each snapshot, a quadratic one for each, and one of both. The diversity varies with the first snapshot alone.
    """
    cross = moment(_INNER)
    gap = 1 - a2  # F
    (square, _) = traces()
    linear = 4 * sm * moment(_ALONG_LAST) + 4 * s0 * (moment(_ALONG_FIRST) + gap**2 * (p3 - p2**2))
    quadratic = 2 * sm**2 / (1 - sm) * moment(_SQUARE_LAST) + 2 * s0**2 / (1 - s0) * (1 + gap) ** 2 * square
    return distance_variance() + linear + quadratic + 4 * s0 * sm * cross


def _minus(first: Polynomial, second: Polynomial) -> Polynomial:
    return first + tuple((-coefficient, groups) for coefficient, groups in second)


def _square(of: Polynomial) -> Polynomial:
    return ancestry.times(of, of)


# variances of one token of a snapshot along y - x, and traces of products of the covariances of one token
_ALONG_LAST = _minus(((1, ((3, 0),)), (-2, ((2, 1),)), (1, ((1, 2),))), _square(_minus(Y2, XY)))
_ALONG_FIRST = _minus(((1, ((2, 1),)), (-2, ((1, 2),)), (1, ((0, 3),))), _square(_minus(XY, X2)))
_SQUARE_LAST = (*Y2, (-2, ((3, 0),)), *_square(Y2))
_INNER = (*XY, (-1, ((2, 1),)), (-1, ((1, 2),)), *_square(XY))


def traces() -> tuple[Expr, Expr]:
    """Traces of the square and the cube of the covariance of one token, diag(x) - xx'."""
    return p2 - 2 * p3 + p2**2, p3 - 3 * p4 + 3 * p2 * p3 - p2**3


@dataclass(frozen=True, eq=False)
class TwoSnapshots:
    """Two snapshots: frequencies, one over the independent tokens of each, and how many generations lie between."""

    x: np.ndarray
    y: np.ndarray
    first: float
    last: float
    generations: int

    @cached_property
    def sums(self) -> tuple[Any, Any, Any]:
        """Power sums of the frequencies before, as they are: with few tokens in a snapshot too large, which widens limits.

        The most frequent token has, to so many digits as `moments` counts with, what the others leave: else these would be noise
        where it is nearly alone.
        """
        top = self.x.argmax()
        rest = np.delete(self.x, top)
        with mpmath.workprec(BITS):
            first = 1 - mpmath.mpf(float(rest.sum()))
            two, three, four = (first**power + float((rest**power).sum()) for power in (2, 3, 4))
        return two, three, four

    @property
    def diversity(self) -> float:
        """Of the frequencies before, as they are."""
        return float((self.x * others(self.x)).sum())

    @property
    def squares(self) -> float:
        """The trace of the square of the covariance of one token."""
        return self._traces[0]

    @cached_property
    def _traces(self) -> tuple[float, float]:
        """Traces of the square and the cube of the covariance of one token."""
        with mpmath.workprec(BITS):
            square, cube = _lowered_traces()(*self.sums)
        return float(square), float(cube)

    @cached_property
    def drift(self) -> float:
        """F: both parts without bias."""
        distance, diversity = self.moved
        return distance / diversity

    @cached_property
    def moved(self) -> tuple[float, float]:
        """Without bias: how far frequencies moved, and diversity before."""
        distance, diversity = distance_and_diversity(self.x, self.y, self.first, self.last)
        return float(distance), float(diversity)

    def limits(self, level: float) -> tuple[float, float]:
        """Sizes below and above which the snapshots are unlikely; NaN for the first where they are so for every size."""
        low, high = _turn(lambda size: self.side(size, level) >= 0), _turn(lambda size: self.side(size, level) > 0)
        if math.isinf(low) and self.first + self.last > 0:
            return math.nan, high
        return (1.0 if low == LEAST else low), high

    def side(self, size: float, level: float) -> int:
        """-1 where frequencies moved less than generations of that size move them, but for half of 1 - level; 1: further.

        Distances have about the law of a chi-square of the same mean and variance. A few frequent tokens may have moved far: on
        that side the skewness is at least theirs.
        """
        first, last = max(self.first, 0.0), max(self.last, 0.0)  # of documents they are estimates
        expected, variance = moments(size, self.generations, self.sums, first, last)
        distance, diversity = self.moved
        gap, mean = distance - expected * diversity, (expected + first + last) * diversity
        variance = max(variance, 2 * self.squares * (mean / diversity) ** 2)  # where most is lost the law is none
        if variance == 0:
            return int(gap > 0)
        shape, spread = 2 * mean**2 / variance, math.sqrt(variance)
        squares, cubes = self._traces
        steep = max(1.0, min(shape, squares**3 / cubes**2 if cubes > 0 else math.inf))
        further = gap > spread * _quantile((1 + level) / 2, steep)
        return int(further) - int(gap < spread * _quantile((1 - level) / 2, shape))


def distance_and_diversity(x: Any, y: Any, first: float, last: float) -> tuple[Any, Any]:
    """Squared distance of the frequencies behind two snapshots, and diversity of the first: of their frequencies (..., V).

    ``first``, ``last``: one over the tokens of each. A sample of S tokens adds in the mean its own diversity over S - 1.
    """
    less, later = others(x), others(y)
    before, after = (x * less).sum(axis=-1), (y * later).sum(axis=-1)
    noise = before * first / (1 - first) + after * last / (1 - last)
    moved = np.where((x > 0.5) & (y > 0.5), less - later, y - x)
    return (moved**2).sum(axis=-1) - noise, before / (1 - first)


def _quantile(chance: float, shape: float) -> float:
    """Of a chi-square of that many degrees, less its mean, over its standard deviation."""
    from scipy import special

    if shape > 1e8:  # normal to 1e-4
        return float(special.ndtri(chance))
    return float((2 * special.gammaincinv(shape / 2, chance) - shape) / math.sqrt(2 * shape))


def _turn(holds: Callable[[float], bool]) -> float:
    """The first size for which it holds, by bisection of its logarithm; ``inf`` where it never does."""
    low, high = math.log(LEAST), math.log(ENDLESS)
    if holds(LEAST):
        return LEAST
    if not holds(ENDLESS):
        return math.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(math.exp(middle)) else (middle, high)
    return math.exp((low + high) / 2)
