"""Closed forms and one-step laws in rational arithmetic: what they say, with nothing rounded.

The names in an expression (`modelcollapse.theory.stable`) are given their meaning here a second time, from their
docstrings; the arrays that compute them are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from sympy import Expr, Rational, exp, lambdify, log, prod, simplify

from modelcollapse import theory
from modelcollapse.theory import stable, symbols
from modelcollapse.theory.errors import theorem_of
from modelcollapse.theory.law import Law, law


def exactly(expression: Expr, values: dict[Any, Any]) -> Fraction:
    """The expression at rational values of all its letters; raises if anything irrational is left."""
    found = expression.xreplace({letter: _rational(value) for letter, value in values.items()})
    found = found.replace(stable.DriftSum, _drift)
    found = found.replace(stable.CompoundPower, lambda base, count: base**count)
    found = found.replace(stable.GeometricSum, lambda base, count: sum(base**power for power in range(int(count))))
    found = found.replace(stable.HomogeneousSum, _homogeneous)
    found = found.replace(stable.ExponentialQuotient, lambda z: Rational(1) if z == 0 else (exp(z) - 1) / z)
    found = simplify(found) if not found.is_Rational else found
    if not found.is_Rational:
        raise ArithmeticError(f"not rational: {found}")
    return Fraction(int(found.p), int(found.q))


def _homogeneous(a: Rational, b: Rational, count: Rational) -> Rational:
    """The double sum, term by term."""
    return sum(b ** (count - 1 - i) * sum(a**each for each in range(i)) for i in range(int(count)))


def _drift(curvature: Rational, term: Expr, _: Expr, count: Rational) -> Expr:
    """The sum of log(1 + v2 a)/v2 as the logarithm of one rational number; at v2 = 0 the sum of a."""
    terms = [term.xreplace({symbols.j: Rational(each)}) for each in range(1, int(count) + 1)]
    return sum(terms, Rational(0)) if curvature == 0 else log(prod(1 + curvature * each for each in terms)) / curvature


def drift_of_sizes(sizes: Sequence[int], curvature: Fraction) -> Expr:
    """What the letter L means for unequal sizes: the sum of log(1 + v2/n_i)/v2, at v2 = 0 of 1/n_i."""
    given = [Rational(1, size) for size in sizes]
    v2 = _rational(curvature)
    return sum(given, Rational(0)) if v2 == 0 else log(prod(1 + v2 * each for each in given)) / v2


def letters(workflow: Any, v2: Any) -> dict[Any, Any]:
    """The values of the letters N, n, M, w, V, v2."""
    values = {symbols.V: 1, symbols.v2: v2, symbols.N: workflow.real, symbols.n: workflow.synthetic}
    if isinstance(workflow, theory.AccumulateSubsample):
        values[symbols.M] = workflow.train
    if isinstance(workflow, theory.FreshReal):
        values[symbols.w] = (
            Fraction(workflow.real, workflow.real + workflow.synthetic) if workflow.weight is None else workflow.weight
        )
    return values


def closed_form(workflow: Any, v2: Any, last: int, theorem: Any = None) -> list[Fraction]:
    """Error over V of generations 1, ..., last by the theorem's expression."""
    theorem = theorem or theorem_of(_like(v2), workflow)
    if isinstance(workflow.synthetic, tuple):
        return [
            exactly(
                theorem.derived.expression.xreplace({symbols.L: drift_of_sizes(workflow.sizes(when), v2)}),
                {symbols.V: 1, symbols.v2: v2},
            )
            for when in range(1, last + 1)
        ]
    return [
        exactly(theorem.derived.expression, letters(workflow, v2) | {symbols.m: when}) for when in range(1, last + 1)
    ]


def _like(v2: Any) -> Any:
    """Any family with this leading coefficient."""
    return theory.Categorical([0.5, 0.5]) if v2 == -1 else theory.Poisson(1.0)


def iterated(
    workflow: Any, v2: Any, last: int, one: Law | None = None, extra: dict[Any, Any] | None = None
) -> list[Fraction]:
    """Error over V of generations 1, ..., last by iterating a one-step law (``one``: another than the workflow's)."""
    one = one or law(type(workflow), getattr(workflow, "replacement", False))
    values = letters(workflow, v2) | (extra or {})
    sizes = values.pop(symbols.n)
    sizes = [*sizes, 1] if isinstance(sizes, tuple) else [sizes] * last
    start, step, error = _functions(one, (symbols.m, symbols.n, *values))
    fixed = [Fraction(value) for value in values.values()]
    found: list[Fraction] = []
    state: tuple[Fraction, ...] = ()
    for when in range(1, last + 1):
        now = (Fraction(when), Fraction(sizes[when - 1]), *fixed)
        state = tuple(Fraction(each(*now)) for each in start) if when == 1 else state
        found.append(Fraction(error(*state, *now)))
        state = tuple(Fraction(each(*state, *now)) for each in step)
    return found


@cache
def _functions(one: Law, names: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    return (
        [lambdify(names, each, modules="math") for each in one.start],
        [lambdify((*one.state, *names), each, modules="math") for each in one.step],
        lambdify((*one.state, *names), one.error, modules="math"),
    )


def _rational(value: Any) -> Rational:
    return Rational(Fraction(value).numerator, Fraction(value).denominator)
