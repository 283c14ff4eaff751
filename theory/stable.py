r"""Functions that lose no digits: a SymPy name for the reader, an array implementation for the machine.

Closed forms of recursions are powers, geometric sums and products over generations. Written out they cancel: at
:math:`n = 10^9` the naive :math:`n (1 - \operatorname{sinc} n^{-1/2})` has lost eight digits, a ratio of gamma functions all of
them. Each class below says what it means by ``doit()``; each function of the same name in snake case computes it for
NumPy and JAX arrays alike (``xp`` is the array library), with finite gradients at the removable singularities.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from sympy import (
    Basic,
    Expr,
    Function,
    Integer,
    Poly,
    Product,
    Rational,
    S,
    Sum,
    bernoulli,
    binomial,
    digamma,
    exp,
    factor,
    factorial,
    log,
    loggamma,
    oo,
    polygamma,
)

from .symbols import j

SERIES = 1e-2  # below this the quotients (e^z - 1)/z and log(1+y)/y are summed as series, so that gradients keep digits
TERMS = 9  # (1e-2)^9 / 10 is below the rounding of a double
EXPLICIT = 32  # factors of a product multiplied one by one before the tail is summed as a series
HOMOGENEOUS = 21  # orders of a binomial series whose term of order j is below 2 (j-1)/j! of its first
TAIL = 26  # terms of the tail: each is a quarter of the one before while |v2| a <= ROOM
BERNOULLI = [float(bernoulli(2 * i) / factorial(2 * i)) for i in range(1, 9)]  # Euler-Maclaurin coefficients
STIRLING = (
    16  # terms of the series of a ratio of gamma functions: the last is below 1e-14 of the first for |y| <= SHIFT
)
SHIFT = 4  # largest |y| there
ROOM = 64  # largest |v2| / n for which the explicit part reaches far enough


def _written_out(one: Function) -> list[Expr]:
    """The arguments with the functions of this file inside them written out too."""
    return [each.doit() for each in one.args]


class CompoundPower(Function):
    r"""``CompoundPower(b, k)``: :math:`b^k`, exact to rounding also for b near 1 and k in the millions."""

    def doit(self, **_hints: bool) -> Expr:
        """The plain power; 0 after infinitely many factors below 1."""
        base, count = _written_out(self)
        return S.Zero if count is S.Infinity else base**count


class GeometricSum(Function):
    r"""``GeometricSum(b, k)``: :math:`1 + b + \dots + b^{k-1}`, which is k at b = 1."""

    def doit(self, **_hints: bool) -> Expr:
        """The quotient that holds for b other than 1; for infinitely many terms, for b below 1."""
        base, count = _written_out(self)
        if base == 1:
            return count
        return 1 / (1 - base) if count is S.Infinity else (base**count - 1) / (base - 1)


class HomogeneousSum(Function):
    r"""``HomogeneousSum(a, b, k)``: :math:`\sum_{i=0}^{k-1} b^{k-1-i} (1 + a + \dots + a^{i-1})`, for :math:`b \le a \le 1`.

    The complete homogeneous polynomial of degree k - 2 in 1, a and b: what an inflow that grows geometrically leaves.
    """

    def doit(self, **_hints: bool) -> Expr:
        """The quotients that hold for b below a."""
        a, b, count = _written_out(self)
        if count is S.Infinity:
            return S.Infinity if a == 1 else 1 / ((1 - a) * (1 - b))
        if a == 1:
            return (count - (1 - b**count) / (1 - b)) / (1 - b)
        return ((1 - a**count) / (1 - a) - (1 - b**count) / (1 - b)) / (a - b)


class ExponentialQuotient(Function):
    r"""``ExponentialQuotient(z)``: :math:`(e^z - 1) / z`, which is 1 at z = 0."""

    def doit(self, **_hints: bool) -> Expr:
        """The quotient that holds for z other than 0."""
        (argument,) = _written_out(self)
        return (exp(argument) - 1) / argument


class LogarithmicQuotient(Function):
    r"""``LogarithmicQuotient(y)``: :math:`\log(1+y) / y`, which is 1 at y = 0."""

    def doit(self, **_hints: bool) -> Expr:
        """The quotient that holds for y other than 0."""
        (argument,) = _written_out(self)
        return log(1 + argument) / argument


class DigammaGap(Function):
    r"""``DigammaGap(x)``: :math:`\psi(x) - \ln x`, about -1/(2x); E ln of a Gamma mean of shape x."""

    def doit(self, **_hints: bool) -> Expr:
        """The difference written out."""
        (argument,) = _written_out(self)
        return digamma(argument) - log(argument)


class DigammaSlope(Function):
    r"""``DigammaSlope(y, q)``: :math:`(\psi(y + q) - \psi(y))/q = \sum_{i \ge 0} 1/((y+i)(y+q+i))`, for q > 0."""

    def doit(self, **_hints: bool) -> Expr:
        """The quotient written out."""
        start, gap = _written_out(self)
        return polygamma(1, start) if gap == 0 else (digamma(start + gap) - digamma(start)) / gap


class LogGammaGap(Function):
    r"""``LogGammaGap(x, y)``: :math:`\ln\Gamma(x+y) - \ln\Gamma(x) - y \ln x`, about y(y-1)/(2x); ln E of the y-th power of a
    Gamma mean of shape x."""

    def doit(self, **_hints: bool) -> Expr:
        """The difference written out."""
        start, power = _written_out(self)
        return loggamma(start + power) - loggamma(start) - power * log(start)


class DriftSum(Function):
    r"""``DriftSum(v2, a, r, k)``: :math:`\frac1{v_2}\sum_{j=1}^{k} \log(1 + v_2 a_j)`, which is :math:`\sum a_j` at v2 = 0.

    ``a`` is an expression in the letter j, of the form :math:`(A s + B) / (s^2 (s - q))` with :math:`s = r + j`.
    """

    def doit(self, **_hints: bool) -> Expr:
        """The sum written out; for a whole number of terms it is evaluated."""
        curvature, drift, _, count = self.args
        if count.is_Integer:
            return Sum(log(1 + curvature * drift), (j, 1, count)).doit() / curvature
        return log(Product(1 + curvature * drift, (j, 1, count))) / curvature

    @property
    def free_symbols(self) -> set[Basic]:
        """All letters but j, which is summed over."""
        return super().free_symbols - {j}

    def limit(self) -> Expr:
        """The sum over all generations."""
        return self.func(*self.args[:3], oo)


def coefficients(term: Expr, centre: Expr) -> tuple[Expr, Expr, Expr]:
    """The letters A, B, q of a term (A s + B)/(s^2 (s - q)) with s = centre + j, read off symbolically."""
    numerator, denominator = factor(term.subs(j, j - centre)).as_numer_denom()
    below, above = Poly(denominator, j), Poly(numerator, j)
    if below.degree() == 2:  # q = 0: multiply both by s
        below, above = below * Poly(j, j), above * Poly(j, j)
    square, *lower = (below.coeff_monomial(j**power) for power in (2, 1, 0))
    if below.degree() != 3 or above.degree() > 1 or any(lower):
        raise ValueError(f"not of the form (A s + B)/(s^2 (s - q)) around {centre}: {term}")
    lead = below.LC()
    return factor(above.coeff_monomial(j) / lead), factor(above.coeff_monomial(1) / lead), factor(-square / lead)


def exponential_quotient(xp: Any, z: Any) -> Any:
    r""":math:`(e^z - 1)/z`."""
    small = abs(z) < SERIES
    near, far = xp.where(small, z, 0.0), xp.where(small, 1.0, z)
    series = 1.0
    for term in range(TERMS, 0, -1):
        series = 1.0 + near * series / (term + 1)
    return xp.where(small, series, xp.expm1(far) / far)


def logarithmic_quotient(xp: Any, y: Any) -> Any:
    r""":math:`\log(1+y)/y`."""
    small = abs(y) < SERIES
    near, far = xp.where(small, y, 0.0), xp.where(small, 1.0, y)
    series = 0.0
    for term in range(TERMS, -1, -1):
        series = 1.0 / (term + 1) - near * series
    return xp.where(small, series, xp.log1p(far) / far)


def compound_power(xp: Any, base: Any, excess: Any, count: Any) -> Any:
    r""":math:`b^k` with ``excess`` = b - 1 given to full precision; ``count`` may be infinite."""
    close, endless = base > 0.5, xp.isinf(count)
    finite = xp.where(endless, 1.0, count)
    near = xp.exp(finite * xp.log1p(xp.where(close, excess, 0.0)))
    power = xp.where(close, near, xp.where(close, 0.25, base) ** finite)
    return xp.where(endless, xp.where(excess < 0, 0.0, xp.where(excess > 0, xp.inf, 1.0)), power)


def geometric_sum(xp: Any, base: Any, excess: Any, count: Any) -> Any:
    r""":math:`1 + b + \dots + b^{k-1}` with ``excess`` = b - 1 given to full precision; ``count`` may be infinite."""
    close, endless = base > 0.5, xp.isinf(count)
    finite = xp.where(endless, 1.0, count)
    step = xp.where(close, excess, 0.0)
    near = finite * exponential_quotient(xp, finite * xp.log1p(step)) * logarithmic_quotient(xp, step)
    plain = xp.where(close, 0.25, base)
    total = xp.where(close, near, (1 - plain**finite) / (1 - plain))
    contracts = excess < 0
    return xp.where(endless, xp.where(contracts, -1 / xp.where(contracts, excess, -1.0), xp.inf), total)


def homogeneous_sum(xp: Any, a: Any, a_excess: Any, b: Any, b_excess: Any, count: Any) -> Any:
    r""":math:`\sum_{i<k} b^{k-1-i} (1 + \dots + a^{i-1})` for b at most a; each ``excess`` is the base less one.

    A binomial series in the excesses while k of them stay below 1, else the difference of two geometric sums, which are
    then far apart.
    """
    a, a_excess, b, b_excess, count = xp.broadcast_arrays(
        *(xp.asarray(each) * 1.0 for each in (a, a_excess, b, b_excess, count))
    )
    endless = xp.isinf(count)
    finite = xp.where(endless, 2.0, count)
    small = (b > 0.5) & (finite * abs(b_excess) < 1)
    terms, shift, step = (
        xp.where(small, each, other) for each, other in ((finite, 2.0), (a_excess, 0.0), (b_excess, 0.0))
    )
    series, choose, power, pairs = 0.0, terms * (terms - 1) / 2, 1.0, 1.0
    for order in range(2, HOMOGENEOUS):
        series = series + choose * pairs
        choose = choose * (terms - order) / (order + 1)
        power = power * step
        pairs = shift * pairs + power
    apart = xp.where(b > 0.5, a_excess - b_excess, a - b)
    alike = apart == 0
    last = xp.maximum(finite - 1, 0.0)
    sums = [base * geometric_sum(xp, base, excess, last) for base, excess in ((a, a_excess), (b, b_excess))]
    far = (sums[0] - sums[1]) / xp.where(alike, 1.0, apart)
    total = xp.where(small, series, xp.where(alike, xp.minimum(last, 1.0), far))  # alike: both 0
    settles = a_excess * b_excess > 0
    return xp.where(endless, xp.where(settles, 1 / xp.where(settles, a_excess * b_excess, 1.0), xp.inf), total)


def digamma_slope(xp: Any, start: Any, gap: Any) -> Any:
    r""":math:`(\psi(y + q) - \psi(y))/q` for y > 0, q >= 0: explicit terms, then the asymptotic series divided by q."""
    steps = xp.arange(float(EXPLICIT))
    below = xp.asarray(start * 1.0)[..., None] + steps
    explicit = (1 / (below * (below + xp.asarray(gap)[..., None]))).sum(-1)
    large = start + EXPLICIT
    ratio = gap / large
    slope = logarithmic_quotient(xp, ratio) / large  # (ln(y + q) - ln y)/q
    total = slope + 0.5 / (large * (large + gap))
    for index, coefficient in enumerate(BERNOULLI, start=1):
        fall = exponential_quotient(xp, -2 * index * gap * slope)  # (1 - (1 + q/y)^(-2i)) / (2i ln(1 + q/y))
        total = total + coefficient * math.factorial(2 * index) * large ** (-2 * index) * slope * fall
    return explicit + total


def digamma_gap(xp: Any, argument: Any) -> Any:
    r""":math:`\psi(x) - \ln x` for x > 0: recurrence to a large argument, there the asymptotic series."""
    large = argument + EXPLICIT
    series = -0.5 / large
    for index, coefficient in enumerate(BERNOULLI, start=1):
        series = series - coefficient * math.factorial(2 * index - 1) * large ** (-2 * index)
    steps = xp.arange(float(EXPLICIT))
    # log(1 + 1/(x+i)) - 1/(x+i), summed: what each step of the recurrence takes off the gap
    each = 1 / (xp.asarray(argument)[..., None] + steps)
    return series + (xp.log1p(each) - each).sum(-1)


@cache
def _stirling() -> tuple[tuple[float, ...], ...]:
    """For k = 1, 2, ...: the coefficients in y, the highest first, of (-1)^(k+1) (B_{k+1}(y) - B_{k+1}) / (k (k+1) y)."""
    return tuple(
        tuple(float((-1) ** (k + 1) * binomial(k + 1, i) * _bernoulli(i) / (k * (k + 1))) for i in range(k + 1))
        for k in range(1, STIRLING + 1)
    )


def _bernoulli(index: int) -> Expr:
    """The Bernoulli number B_i with B_1 = -1/2."""
    return -Rational(1, 2) if index == 1 else bernoulli(index)


def log_gamma_gap(xp: Any, start: Any, power: Any) -> Any:
    r""":math:`\ln\Gamma(x+y) - \ln\Gamma(x) - y \ln x` for x > 0, x + y > 0, |y| <= 4: recurrence to a large x, there the series.

    The series is :math:`\sum_k (-1)^{k+1} (B_{k+1}(y) - B_{k+1}) / (k (k+1) x^k)`.
    """
    start, power = (xp.asarray(each) * 1.0 for each in (start, power))
    large = start + EXPLICIT
    total = 0.0
    for coefficients_of_y in reversed(_stirling()):
        polynomial = 0.0
        for each in coefficients_of_y:
            polynomial = polynomial * power + each
        total = (total + polynomial) / large
    below = start[..., None] + xp.arange(float(EXPLICIT))
    # what each step of the recurrence takes off: ln(1 + y/x) - y ln(1 + 1/x)
    steps = xp.log1p(power[..., None] / below) - power[..., None] * xp.log1p(1 / below)
    return power * total - steps.sum(-1)


def powers_from(xp: Any, power: Any, start: Any) -> Any:
    r"""Hurwitz :math:`\zeta(s, a) = \sum_{i \ge 0} (a+i)^{-s}` for :math:`s \ge 2` and a beyond the explicit part.

    Euler-Maclaurin; the first term left out is below rounding there. (A library's zeta takes longer to import than all
    of a plan takes to compute.)
    """
    total = start ** (1 - power) / (power - 1) + start**-power / 2
    rising = power * start ** (-power - 1)
    for index, coefficient in enumerate(BERNOULLI):
        total = total + coefficient * rising
        rising = rising * (power + 2 * index + 1) * (power + 2 * index + 2) / start**2
    return total


def drift_sum(
    xp: Any, drift: Callable[..., Any], v2: Any, lead: Any, constant: Any, pole: Any, centre: Any, count: Any
) -> Any:
    r"""The sum of ``DriftSum``; ``drift`` is a as a function of j, ``count`` may be infinite.

    The first terms are summed one by one. In the rest :math:`\log(1 + v_2 a(s))` is a power series in 1/s whose
    coefficients are differences of power sums of roots (Newton's identities), and the sum over s of each power is a
    difference of Hurwitz zeta functions. Nothing cancels and no complex number appears, whatever the sign of v2.
    """
    v2, lead, constant, pole, centre, count = xp.broadcast_arrays(
        *(xp.asarray(each) * 1.0 for each in (v2, lead, constant, pole, centre, count))
    )
    first = xp.arange(1.0, EXPLICIT + 1)
    size = drift(first)
    explicit = size * logarithmic_quotient(xp, v2[..., None] * size)
    total = xp.where(first <= count[..., None], explicit, 0.0).sum(-1)
    sums = [1.0 * xp.ones_like(v2), pole, pole**2 - 2 * v2 * lead]  # power sums of the roots of the numerator
    changes = [-2 * lead, -3 * (lead * pole + constant)]  # their excess over the pole's, divided by v2, from power 2 on
    sums.append(pole**3 + v2 * changes[1])
    for power in range(4, TAIL + 1):
        change = pole * changes[-1] - lead * sums[power - 2] - constant * sums[power - 3]
        changes.append(change)
        sums.append(pole**power + v2 * change)
    powers = xp.arange(2.0, TAIL + 1)
    start = centre + EXPLICIT + 1
    left = xp.maximum(count - EXPLICIT, 0.0)
    endless = xp.isinf(left)
    gone = powers_from(xp, powers, (start + xp.where(endless, 0.0, left))[..., None])
    tail = powers_from(xp, powers, start[..., None]) - xp.where(endless[..., None], 0.0, gone)
    total = total - (xp.stack(changes, -1) / powers * tail).sum(-1)
    return xp.where(abs(v2 * lead) <= ROOM, total, xp.nan)


@cache
def excess_of(base: Expr) -> Expr:
    """``base - 1`` in a form that does not cancel."""
    return factor(base - Integer(1))
