"""Closed forms at sixty digits by mpmath, where rational arithmetic cannot go: limits and millions of generations.

The names in an expression (`modelcollapse.theory.stable`) are given their meaning here once more, from their
docstrings; sums over generations are summed, or extrapolated by Richardson's method.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
from sympy import Expr, Rational, S, factor, lambdify, oo, roots

from modelcollapse.theory import stable, symbols

DIGITS = 60


def number(value: Any) -> mpmath.mpf:
    """A rational number at the working precision."""
    exact = Fraction(int(value.p), int(value.q)) if isinstance(value, Rational) else Fraction(value)
    return mpmath.mpf(exact.numerator) / exact.denominator


def drift_sum(drift: stable.DriftSum, count: Any) -> mpmath.mpf:
    """The sum of log(1 + v2 a_j)/v2 at rational letters; at v2 = 0 the sum of a_j. ``count`` may be infinite."""
    curvature, term, *_ = drift.args
    sides = [side.as_poly(symbols.j) for side in factor(term).as_numer_denom()]
    above, below = ([number(each) for each in side.all_coeffs()] for side in sides)
    bend = number(curvature)

    def one(index: Any) -> mpmath.mpf:
        size = mpmath.polyval(above, index) / mpmath.polyval(below, index)
        return mpmath.log1p(bend * size) / bend if curvature else size

    endless = mpmath.nsum(one, [1, mpmath.inf], method="r") if count is oo or count > 1000 else None
    if count is oo:
        return endless
    if endless is None:
        return mpmath.fsum(one(index) for index in range(1, int(count) + 1))
    return endless - mpmath.nsum(lambda index: one(index + int(count)), [1, mpmath.inf], method="r")


def drift_by_gamma(drift: stable.DriftSum, count: Any) -> mpmath.mpf:
    """The same sum through the roots of 1 + v2 a and gamma functions, whose digits cancel: work with twice as many.

    Sums of any length cost the same, also where the terms hardly fall for the first million.
    """
    curvature, term, centre, _ = drift.args
    above, below = (side.as_poly(symbols.j) for side in factor(term).as_numer_denom())
    if curvature == 0:
        lead, shift = number(above.LC()) / number(below.LC()), number(centre)
        gone = 0 if count is oo else mpmath.psi(1, shift + 1 + int(count))
        return lead * (mpmath.psi(1, shift + 1) - gone)
    poles = [number(root) for root, times in roots(below).items() for _ in range(times)]
    bent = (below + curvature * above).all_coeffs()
    zeros = mpmath.polyroots([number(each) for each in bent], maxsteps=500, extraprec=2 * mpmath.mp.prec)
    total = mpmath.mpf(0)
    for sign, place in [(1, each) for each in zeros] + [(-1, each) for each in poles]:
        total -= sign * mpmath.re(mpmath.loggamma(1 - place))
        if count is not oo:
            total += sign * mpmath.re(mpmath.loggamma(int(count) + 1 - place))
    return total / number(curvature)


def precisely(expression: Expr, values: dict[Any, Any], summed: Callable[..., Any] = drift_sum) -> mpmath.mpf:
    """A closed form at rational letters; m may be infinite."""
    found = expression.xreplace(
        {letter: S(value) if value is oo else _rational(value) for letter, value in values.items()}
    )
    sums = sorted(found.atoms(stable.DriftSum), key=str)
    marks = [symbols.L, symbols.D][: len(sums)]
    plain = found.xreplace(dict(zip(sums, marks, strict=True)))
    meaning = {
        "CompoundPower": lambda base, count: mpmath.mpf(base) ** count,
        "GeometricSum": lambda base, count: _geometric(mpmath.mpf(base), count),
        "ExponentialQuotient": lambda z: mpmath.expm1(z) / z if z else mpmath.mpf(1),
    }
    return mpmath.mpf(
        lambdify(marks, plain, modules=[meaning, "mpmath"])(*(summed(each, each.args[3]) for each in sums))
    )


def _geometric(base: mpmath.mpf, count: Any) -> mpmath.mpf:
    if mpmath.isinf(count):
        return 1 / (1 - base) if base < 1 else mpmath.inf
    return mpmath.mpf(count) if base == 1 else (base**count - 1) / (base - 1)


def _rational(value: Any) -> Rational:
    exact = Fraction(value)
    return Rational(exact.numerator, exact.denominator)
