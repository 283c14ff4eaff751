r"""Real data that keep diversity: how many real samples a generation needs, whatever the number of synthetic ones.

In population genetics new real data are immigrants: one of them a generation keeps apart populations alike, however large
they are. So here: for a share :math:`\rho` of the truth's diversity it takes, beside many synthetic samples,
:math:`-v_2\,\rho/(2(1-\rho))` fresh real ones a generation, an absolute number and no share of the data; beside few, more.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, Poly, Rational, factor, limit, oo, solve

from . import arguments as arg
from . import errors
from . import family as families
from . import workflow as workflows
from .assumption import ANY, COMMON
from .family import Family
from .solve import Step, Unsolved, over_positive
from .symbols import N, V, n, rho, v2, w
from .theorem import Assumption, Derived, Evidence, Theorem
from .workflow import FixedReal, FreshReal


def min_real(f: Family, w: FreshReal | FixedReal, retain: float = 0.9) -> float:
    r"""The least number of real samples for which :math:`\lim_m E\,v(\theta_m) \ge \rho\, v(\theta)`, beside w's ``synthetic``.

    ``w`` is a template: its own ``real`` is ignored. A whole number, found in exact arithmetic; ``inf`` where no number is enough
    (a `FreshReal` whose weight leaves too much to the synthetic part); 1 for families that lose no diversity (v2 >= 0).

    Raises InputError for another workflow, and for ``retain`` outside (0, 1). Source: derived; Wright-Fisher with immigration.

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.5, 0.5])
    >>> [theory.min_real(f, theory.FreshReal(1, n), 0.9) for n in (10, 10**3, 10**9)]  # falls to 4.5
    [6, 5, 5]
    >>> [theory.min_real(f, theory.FreshReal(1, 10**9), share) for share in (0.5, 0.99)]
    [1, 50]
    """
    families.check("min_real", f)
    workflows.check("min_real", w)
    arg.static("min_real", f=f, w=w, retain=retain)
    MIN_REAL.require("min_real", f, w)
    arg.one_size("min_real", w)
    arg.positive("min_real", "retain", retain, "the share of the truth's diversity that is kept, below 1")
    if np.ndim(retain) or np.ndim(f.v2) or retain >= 1:
        raise arg.refuse(
            "min_real", "retain", retain, "one number below 1: the share of the truth's diversity that is kept"
        )
    if f.v2 >= 0:
        return 1
    kept = _coefficients(w, Fraction(f.v2), Fraction(str(float(retain))))

    def enough(real: int) -> bool:
        value = Fraction(0)
        for each in kept:
            value = value * real + each
        return value >= 0

    if next((each for each in kept if each), Fraction(0)) < 0:  # the highest power says what very many do
        return math.inf
    below, real = 0, 1
    while not enough(real):
        below, real = real, 2 * real
    while real - below > 1:
        middle = (below + real) // 2
        below, real = (below, middle) if enough(middle) else (middle, real)
    return real


def excess(weighted: bool, workflow: type) -> Expr:
    """What must not be negative, a polynomial in N: diversity in the limit over v(theta), less rho, times what is positive."""
    template = FreshReal(2, 1, 0.5) if weighted else workflow(2, 1)
    settled = errors.theorem_of(families.Poisson(1.0), template).derived.limit.doit()
    sample = {v2: Rational(-1, 3), N: 2, n: 3, w: Rational(1, 2)}
    return over_positive(1 + v2 * settled / V - rho, sample)[0].expand()


@cache
def _polynomial(weighted: bool, workflow: Any) -> tuple[Expr, ...]:
    return tuple(Poly(excess(weighted, workflow), N).all_coeffs())


def _coefficients(workflow: FreshReal | FixedReal, curvature: Fraction, share: Fraction) -> list[Fraction]:
    """The coefficients in N, the highest first."""
    weight = getattr(workflow, "weight", None)
    values = {n: Fraction(workflow.synthetic), v2: curvature, rho: share}
    if weight is not None:
        values[w] = Fraction(str(float(weight)))
    at = {letter: Rational(value.numerator, value.denominator) for letter, value in values.items()}
    kind: Any = type(workflow)
    found = (each.subs(at) for each in _polynomial(weight is not None, kind))
    return [Fraction(int(each.p), int(each.q)) for each in found]


def _endless(workflow: type) -> Expr:
    """The edge in N as the number of synthetic samples grows."""
    lead = Poly(excess(False, workflow), n).LC()
    (edge,) = [each for each in solve(lead, N) if each.subs({v2: -1, rho: Rational(9, 10)}) > 0]
    if limit(excess(False, workflow) / (lead * n), n, oo) != 1:
        raise Unsolved("the edge of many synthetic samples")
    return factor(edge)


def _derive() -> Derived:
    (edge,) = [
        each for each in solve(excess(False, FreshReal), N) if each.subs({v2: -1, rho: Rational(9, 10), n: 5}) > 0
    ]
    return Derived(edge, limit=_endless(FreshReal))


def _prove() -> tuple[Step, ...]:
    fresh, fixed = excess(False, FreshReal), excess(False, FixedReal)
    return (
        Step(
            "Diversity in the limit over v(theta) is 1 + v2 T(oo)/V; with fresh real data it is at least rho where",
            fresh,
            "0 <= ",
        ),
        Step("with a fixed real set where", fixed, "0 <= "),
        Step("As n grows, fresh real data", _endless(FreshReal), "N -> "),
        Step("and a fixed real set", _endless(FixedReal), "N -> "),
        Step("of which none grows with n: what counts is the number of real samples, not their share"),
    )


def _real_beside(_family: Family, workflow: Any) -> bool:
    return isinstance(workflow, FreshReal | FixedReal)


MIN_REAL = Theorem(
    "min-real",
    "To keep a share rho of the diversity takes fewer fresh real samples a generation the more synthetic ones stand beside them, "
    "down to -v2 rho/(2(1-rho)), an absolute number: 4.5 for 90 % and 49.5 for 99 % where v2 = -1.",
    "min_real",
    ANY,
    "FreshReal, FixedReal",
    Evidence.IDENTITY,
    (
        *COMMON,
        Assumption("the workflow is FreshReal or FixedReal", _real_beside, "only these have real samples to choose"),
    ),
    ("derived", "Wright-Fisher with immigration (one migrant per generation)"),
    _derive,
    _prove,
)
