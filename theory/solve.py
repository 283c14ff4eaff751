r"""Solving one-step laws: affine recursions and products, each substituted back before it is believed.

SymPy's ``rsolve`` is right on constant coefficients and silently wrong on varying ones, so nothing it returns is used
unchecked: a solution must reproduce the recursion and its first value, or `Unsolved` is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sympy import (
    Expr,
    Mul,
    Pow,
    RisingFactorial,
    S,
    Symbol,
    factor,
    factorial,
    fraction,
    gamma,
    product,
    rsolve,
    simplify,
)

from .stable import CompoundPower, GeometricSum
from .symbols import V, b, c, j, m, x, x1


class Unsolved(ArithmeticError):
    """A recursion whose alleged solution does not solve it."""


@dataclass(frozen=True)
class Step:
    """One line of a derivation: what was done, and what came out."""

    title: str
    expression: Expr | tuple[Expr, ...] | None = None
    left: str = ""


def linear_in(expression: Expr, letter: Symbol) -> tuple[Expr, Expr]:
    """Slope (factored) and constant (as it stands, a sum of positive terms) of an expression linear in the letter."""
    slope = expression.diff(letter)
    if letter in slope.free_symbols:
        raise Unsolved(f"not linear in {letter}: {expression}")
    return factor(slope), expression.subs(letter, 0)


def root_in(quotient: Expr, letter: Symbol) -> Expr:
    """Where a quotient vanishes whose numerator is a line in the letter."""
    slope, constant = linear_in(fraction(factor(quotient))[0], letter)
    return factor(-constant / slope)


def crossing(first: tuple[Expr, Expr, Expr], second: tuple[Expr, Expr, Expr]) -> tuple[Expr, Expr]:
    """Where two lines a x + b y = c cross, each given as (a, b, c): Cramer's rule."""
    (a1, b1, c1), (a2, b2, c2) = first, second
    whole = a1 * b2 - a2 * b1
    return (c1 * b2 - c2 * b1) / whole, (a1 * c2 - a2 * c1) / whole


AFFINE = x1 * CompoundPower(b, m - 1) + c * GeometricSum(b, m - 1)  # what `affine` derives, in stable functions


@cache
def affine() -> Expr:
    """The solution of x(m+1) = b x(m) + c with x(1) = x_1 by ``rsolve``: checked, and equal to the stable form."""
    found = rsolve(x(m + 1) - b * x(m) - c, x(m), {x(1): x1})
    if found is None:
        raise Unsolved("rsolve found no solution of the affine recursion")
    if simplify(found.subs(m, m + 1) - b * found - c) != 0 or simplify(found.subs(m, 1) - x1) != 0:
        raise Unsolved(f"not a solution of the affine recursion: {found}")
    if simplify(AFFINE.doit() - found) != 0:
        raise Unsolved("the stable form differs from the solution of rsolve")
    return found


def solve_affine(slope: Expr, constant: Expr, first: Expr) -> Expr:
    """The sequence with x(m+1) = slope x(m) + constant and x(1) = first; ``doit()`` gives the plain closed form."""
    if m in slope.free_symbols | constant.free_symbols:
        raise Unsolved("the coefficients vary with the generation: an affine solution does not apply")
    return AFFINE.subs({b: slope, c: constant, x1: first}, simultaneous=True)


def residuals(sequence: Expr, slope: Expr, constant: Expr, first: Expr) -> tuple[Expr, Expr]:
    """What is left of the recursion and of the first value when an affine solution is put into them: both must be 0."""

    def at(shift: int) -> Expr:
        plain = sequence.replace(CompoundPower, lambda base, count: base ** (count - m + 1 + shift) * x1)
        return plain.replace(GeometricSum, lambda base, count: (base ** (count - m + 1 + shift) * x1 - 1) / (base - 1))

    return simplify(at(1) - slope * at(0) - constant), simplify(at(0).subs(x1, 1) - first)


def product_over_generations(term: Expr) -> Expr:
    """The product of ``term`` over j = 1, ..., m-1 by SymPy, checked through the ratio of neighbours."""
    raw = product(term, (j, 1, m - 1))
    rising = [each for each in Mul.make_args(raw) if each.has(RisingFactorial)]
    found = Mul(simplify(raw / Mul(*rising)), *rising)
    later = found.subs(m, m + 1).replace(  # (a)_m = (a)_{m-1} (a + m - 1)
        RisingFactorial, lambda start, count: RisingFactorial(start, count - 1) * (start + count - 1)
    )
    if simplify(later / found - term.subs(j, m)) != 0 or simplify(found.subs(m, 1) - 1) != 0:
        raise Unsolved(f"not the product of {term}")
    return found


def growth(slope: Expr, constant: Expr, curvature: Expr) -> Expr:
    """The factor by which G = V + v2 T grows when T' = slope T + constant; raises unless G is just multiplied.

    G' = V + v2 (slope T + constant) = slope G exactly when V (1 - slope) + v2 constant = 0.
    """
    if simplify(V * (1 - slope) + curvature * constant) != 0:
        raise Unsolved("V + v2 T is not multiplied by a factor")
    return slope


def over_positive(quotient: Expr, at: dict[Symbol, Expr | int]) -> tuple[Expr, Expr]:
    """Numerator and denominator of a quotient in lowest terms, the denominator positive where the letters are ``at``."""
    above, below = fraction(factor(quotient))  # a third of the time that `cancel` takes
    return (-above, -below) if below.subs(at) < 0 else (above, below)


def limit_of_product(found: Expr) -> Expr:
    r"""The limit of a product of rising factorials as m grows: :math:`(a)_t \sim \Gamma(t) t^a / \Gamma(a)`.

    Raises `Unsolved` where the powers of t do not cancel, that is where the product tends to 0 or to infinity.
    """
    limit, order, count = S.One, S.Zero, S.Zero
    for base, exponent in found.as_powers_dict().items():
        base, exponent = (base.base, exponent * base.exp) if isinstance(base, Pow) else (base, exponent)
        start = {RisingFactorial: base.args and base.args[0], factorial: S.One}.get(base.func)
        if start is None:
            limit *= base**exponent
        else:
            order, count, limit = order + exponent * start, count + exponent, limit * gamma(start) ** -exponent
    if simplify(count) != 0 or simplify(order) != 0 or limit.has(m):
        raise Unsolved("the product tends to 0 or to infinity")
    return limit
