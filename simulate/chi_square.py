r"""Chi-square numbers without rejection: the logarithm as a polynomial of a standard normal number.

With z standard normal, :math:`y(z) = \log(F_\nu^{-1}(\Phi(z))/\nu)` is the logarithm of a chi-square number of
:math:`\nu` degrees of freedom over :math:`\nu`. It is smooth, and so nearly linear in z (Wilson and Hilferty) that a
short polynomial has it to 1e-13 over all z that double precision reaches: 10 terms for 1000 degrees, 30 for 16. The
logarithm is what is carried: it neither underflows nor loses digits where chi-squares are multiplied for ever.

Up to `LARGE` degrees the quantiles are those of SciPy's incomplete gamma function, interpolated. Beyond, y solves

.. math:: \log y' = \log\phi(z) - \log(x f_\nu(x)), \qquad x = \nu e^y,

term by term in :math:`\varepsilon = \sqrt{2/\nu}` (Cornish and Fisher): each order is one polynomial in z.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, lru_cache
from math import factorial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.polynomial import chebyshev

from .logarithm import log
from .stream import Stream, fold, normal, part, uniform

REACH = 8.7  # |z| of a normal number in double precision is less
LARGE = 2e4
NODES = 160
ORDERS = 14
LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128)  # of tables: few, so that few programs are compiled
DIGITS = {np.dtype(np.float64): 2e-14, np.dtype(np.float32): 1e-8}


def table(freedom: Any, dtype: Any = np.float64) -> np.ndarray:
    """Chebyshev coefficients of y in z / `REACH`, for each number of degrees of freedom: (..., K), K one of `LENGTHS`.

    Rows of no degree of freedom are zero. ``dtype`` says how many digits are wanted.
    """
    degrees = np.asarray(freedom, float)
    rows = [_coefficients(float(each)) if each > 0 else np.zeros(1) for each in degrees.ravel()]
    needed = max(_length(row, DIGITS[np.dtype(dtype)]) for row in rows)
    length = next(each for each in LENGTHS if each >= needed)
    padded = [np.pad(row[:length], (0, max(0, length - len(row)))) for row in rows]
    return np.stack(padded).reshape(*degrees.shape, length)


def transformed(coefficients: jax.Array, z: jax.Array) -> jax.Array:
    """y(z): logarithms of chi-square numbers over their degrees of freedom, from standard normal z (...).

    ``coefficients`` (K, ...): their `table`, its last axis first.
    """
    coefficients = jnp.asarray(coefficients, z.dtype)
    twice = z * (2 / REACH)
    one, two = jnp.zeros_like(z), jnp.zeros_like(z)
    for each in coefficients[:0:-1]:  # Clenshaw
        one, two = twice * one + (each - two), one
    return one * (twice / 2) + (coefficients[0] - two)


def rejected(stream: Stream, freedom: Any) -> jax.Array:
    """The same law by rejection (Marsaglia and Tsang 2000), for degrees that are known only when a program runs.

    Below two degrees: a number of two more, times a power of a uniform one.
    """
    freedom = jnp.asarray(freedom, float)
    boosted = freedom < 2
    d = jnp.where(boosted, freedom + 2, freedom) / 2 - 1 / 3
    c = 1 / (3 * jnp.sqrt(d))

    def turn(state: Any) -> Any:
        number, logs, left = state
        own = fold(stream, number)
        x = normal(part(own, 0), freedom.shape)
        root = jnp.maximum(1 + c * x, 0)
        log_cube = 3 * jnp.log1p(jnp.maximum(c * x, -0.999999))
        height = log(uniform(part(own, 1), freedom.shape))
        accepted = (root > 0) & (height < x * x / 2 + d * (1 - root**3 + log_cube))
        return number + 1, jnp.where(left & accepted, log_cube, logs), left & ~accepted

    start = jnp.uint32(1), jnp.zeros(freedom.shape, float), freedom > 0
    logs = lax.while_loop(lambda state: jnp.any(state[2]), turn, start)[1]
    power = log(uniform(part(stream, 0), freedom.shape)) * 2 / freedom
    return logs + jnp.where(boosted, power + jnp.log(2 * d / freedom), jnp.log1p(-2 / (3 * freedom)))


def _length(row: np.ndarray, digits: float) -> int:
    wanted = digits * np.abs(row).max()
    return int(np.flatnonzero(np.abs(row) > wanted).max(initial=0)) + 1


@lru_cache(maxsize=4096)
def _coefficients(freedom: float) -> np.ndarray:
    if freedom > LARGE:
        epsilon = np.sqrt(2 / freedom)
        powers = np.zeros(ORDERS + 1)
        for order, polynomial in enumerate(_series()):
            powers[: len(polynomial)] += polynomial * epsilon ** (order + 1)
        return chebyshev.poly2cheb(powers * REACH ** np.arange(len(powers)))
    from scipy import special

    z = REACH * np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
    tail = special.ndtr(-np.abs(z))
    lower, upper = special.gammaincinv(freedom / 2, tail), special.gammainccinv(freedom / 2, tail)
    y = np.log(2 * np.where(z < 0, lower, upper) / freedom)
    kernel = np.cos(np.pi * np.outer(np.arange(NODES), np.arange(NODES) + 0.5) / NODES)
    coefficients = kernel @ y * (2 / NODES)
    coefficients[0] /= 2
    # what is left at the end is rounding
    floor = 4 * np.median(np.abs(coefficients[-NODES // 8 :]))
    return coefficients[: int(np.flatnonzero(np.abs(coefficients) > floor).max()) + 1]


@lru_cache(maxsize=1)
def _series() -> list[np.ndarray]:
    r"""Polynomials q_0 = z, q_1, ... of :math:`y = \varepsilon \sum_k \varepsilon^k q_k(z)`, ascending, exact.

    By Stirling's series the equation of y is :math:`\log(y'/\varepsilon) + z^2/2 + (1 + y - e^y)/\varepsilon^2
    = \sum_j B_{2j} \varepsilon^{4j-2}/(2j(2j-1))`. Its order k is :math:`q_k' - z q_k` and what is known already.
    """
    from sympy import bernoulli

    zero, one = np.array([Fraction(0)]), np.array([Fraction(1)])
    q, slopes, logs = (
        [np.array([Fraction(0), Fraction(1)])],
        [one],
        [zero],
    )  # of y/epsilon, its slope, and the log of that

    @cache
    def power(exponent: int, order: int) -> np.ndarray:
        """Of (y/epsilon)^exponent, what stands at an order."""
        if exponent == 1:
            return q[order]
        return _total([np.convolve(q[j], power(exponent - 1, order - j)) for j in range(order + 1)])

    for order in range(1, ORDERS):
        of_log = [Fraction(-j, order) * np.convolve(logs[j], slopes[order - j]) for j in range(1, order)]
        known = [*of_log, *(Fraction(-1, 2) * np.convolve(q[j], q[order - j]) for j in range(1, order))]
        known += [Fraction(-1, factorial(each)) * power(each, order + 2 - each) for each in range(3, order + 3)]
        j, rest = divmod(order + 2, 4)
        if rest == 0:
            known.append(one * Fraction(str(-bernoulli(2 * j))) / (2 * j * (2 * j - 1)))
        right = _total(known)
        new = np.array([Fraction(0)] * (len(right) + 1))
        for place in range(len(right) - 1, 0, -1):
            new[place - 1] = right[place] + (place + 1) * new[place + 1]
        if new[1] + right[0] != 0:
            raise ArithmeticError("the two densities do not have the same mass")
        new = np.trim_zeros(new, "b")
        q.append(new)
        slopes.append(new[1:] * np.arange(1, len(new)))
        logs.append(_total([slopes[-1], *of_log]))
    return [each.astype(float) for each in q]


def _total(polynomials: list[np.ndarray]) -> np.ndarray:
    out = np.array([Fraction(0)] * max(len(each) for each in polynomials))
    for each in polynomials:
        out[: len(each)] += each
    return out
