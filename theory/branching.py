r"""Critical branching: the chance that a sampled item still has descendants k generations later.

Each of n items has a Poisson number of copies, of mean 1, among the next n; so :math:`\sigma_{k+1} = 1 - e^{-\sigma_k}` from
:math:`\sigma_0 = 1`. In :math:`u = 1/\sigma` there is a function with :math:`\varphi(u_{k+1}) = \varphi(u_k) + 1` (Abel's):

.. math:: \varphi(u) = 2u - \tfrac13 \ln u + \tfrac1{36u} + \tfrac1{540u^2} - \dots

Its coefficients follow one after the other. So any k costs the same, and :math:`\sigma_k = 2/(k + \tfrac13 \ln k + O(1))`.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from sympy import QQ, Rational, ring
from sympy.polys.ring_series import rs_exp, rs_log, rs_mul, rs_pow, rs_series_inversion

from .solve import Unsolved

ORDERS = 12  # of the series; its next term is far below rounding from START on
START = 64  # generations that are taken one by one


@cache
def abel(orders: int = ORDERS) -> tuple[Rational, Rational, tuple[Rational, ...]]:
    r"""Coefficients of u and of ln u, and those of :math:`u^{-1}, u^{-2}, \dots`; raises unless they solve Abel's equation."""
    room = orders + 3
    _, t = ring("t", QQ)  # t = sigma = 1/u
    kept = QQ(1) - rs_exp(-t, t, room + 1)  # sigma of the next generation
    ratio = sum(c * t ** (power - 1) for (power,), c in kept.terms())  # over sigma
    rise = sum(c * t ** (power - 1) for (power,), c in (rs_series_inversion(ratio, t, room) - 1).terms())  # of u
    leading = 1 / rise.coeff(1)
    fall = rs_log(ratio, t, room)  # of ln sigma
    # 1 = leading * rise - log * fall + sum of a_i (t'^i - t^i), order by order
    left = leading * rise - 1
    logarithm = left.coeff(t) / fall.coeff(t)
    left -= logarithm * fall
    found = []
    for order in range(1, orders + 1):
        change = rs_mul(t**order, rs_pow(ratio, order, t, room) - 1, t, room)
        found.append(-left.coeff(t ** (order + 1)) / change.coeff(t ** (order + 1)))
        left += found[-1] * change
    if any(left.coeff(t**order if order else 1) != 0 for order in range(orders + 2)):
        raise Unsolved("Abel's equation of the critical branching")
    first, second, *rest = (Rational(int(c.numerator), int(c.denominator)) for c in (leading, logarithm, *found))
    return first, second, tuple(rest)


def clock(u: float) -> float:
    r""":math:`\varphi(u)`, which a generation moves on by one; for u from :math:`1/\sigma` of generation START on."""
    return float(series(u, math.log(u), _floats()))


def series(u: Any, log_u: Any, coefficients: tuple[Any, Any, tuple[Any, ...]]) -> Any:
    """Abel's function with its coefficients, of a number or of an expression."""
    leading, logarithm, falling = coefficients
    return leading * u + logarithm * log_u + sum(c * u**-power for power, c in enumerate(falling, start=1))


@cache
def _floats() -> tuple[float, float, tuple[float, ...]]:
    leading, logarithm, falling = abel()
    return float(leading), float(logarithm), tuple(map(float, falling))


@cache
def _first() -> tuple[float, ...]:
    chances = [1.0]
    for _ in range(START):
        chances.append(-math.expm1(-chances[-1]))
    return tuple(chances)


def lineage(generations: float) -> float:
    r""":math:`\sigma_k`: the chance that an item has descendants k >= 0 generations later, all of one size.

    >>> [round(lineage(k), 6) for k in (0, 1, 2)], round(1e6 * lineage(10**6), 6)
    ([1.0, 0.632121, 0.468536], 1.999987)
    """
    if generations <= START:
        return _first()[int(generations)]
    return 1 / _when(clock(1 / _first()[START]) + (generations - START))


def _when(time: float) -> float:
    """u with clock(u) = time, by Newton: the clock is close to a straight line."""
    leading, logarithm, _ = _floats()
    u = time / leading
    for _ in range(8):
        u -= (clock(u) - time) / (leading + logarithm / u)
    return u


def generations_until(chance: float) -> float:
    r"""The least whole k with :math:`\sigma_k \le` ``chance``; ``inf`` for 0.

    >>> generations_until(0.5), generations_until(2e-6)
    (2, 999994)
    """
    if chance <= 0:
        return math.inf
    if chance >= _first()[START]:
        return next(k for k, each in enumerate(_first()) if each <= chance)
    return START + math.ceil(clock(1 / chance) - clock(1 / _first()[START]) - 1e-9)
