r"""How far the token frequencies of two snapshots of a chain are apart: the variance of the distance, with nothing left out.

Given the frequencies x and those m generations later, y, a snapshot is a mean of independent tokens. What the unbiased distance
varies by is the drift from x to y (`ancestry`) and what the tokens of either snapshot add to it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
from sympy import Expr, lambdify

from . import ancestry
from .ancestry import Polynomial, distance_variance, moment
from .symbols import a2, a3, a4, n, p2, p3, p4, s0, sm

BITS = 500  # what cancels between moments of four samples leaves a hundred digits of these
X2: Polynomial = ((1, ((0, 2),)),)
XY: Polynomial = ((1, ((1, 1),)),)
Y2: Polynomial = ((1, ((2, 0),)),)


def moments(size: float, generations: int, sums: tuple[float, ...], first: float, last: float) -> tuple[float, float]:
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
