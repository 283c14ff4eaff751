r"""The best weight for fresh real data: the golden ratio, exact at every sample size."""

from __future__ import annotations

from typing import Any, NamedTuple

from sympy import Expr, Poly, cancel, factor, fraction, simplify, sqrt

from . import arguments as arg
from . import family as families
from .assumption import ANY, COMMON
from .errors import FRESH_WEIGHTED
from .family import Categorical, Family
from .lower import evaluate
from .printed import Printed, Setting
from .solve import Step, Unsolved
from .symbols import N, V, n, v2, w
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import or_nan
from .workflow import FreshReal


class OptimalWeight(NamedTuple):
    """Weight of the real part of least error in the long run, and that error."""

    weight: Any
    error: Any


def optimal_weight(f: Family, w: FreshReal) -> OptimalWeight:
    r"""The weight of the real part that makes the limit of the error least, :math:`w^*`, and that error, :math:`w^* v(\theta)/N`.

    It solves :math:`b w^2 + (r - v_2/n) w - r = 0` with :math:`b = 1 + v_2/n`, :math:`r = N/n`: at N = n and v2 = 0 the golden
    ratio. The weight that ``w`` itself has is ignored.

    Raises InputError for any workflow but `FreshReal`. Source: He2025 (golden ratio; Gaussian, large samples), derived.

    >>> from modelcollapse import theory
    >>> best = theory.optimal_weight(theory.Poisson(1.0), theory.FreshReal(real=50, synthetic=50))
    >>> round(best.weight, 6), round(best.error, 6)
    (0.618034, 0.012361)
    """
    WEIGHT.require("optimal_weight", families.check("optimal_weight", f), w)
    best = evaluate(WEIGHT.derived.expression, {N: w.real, n: w.synthetic, v2: f.v2})
    best = or_nan(best, f, FreshReal(w.real, w.synthetic))  # the weight it has is ignored
    return OptimalWeight(best, arg.scalar(best * f.v / w.real))


def _stationary() -> tuple[Expr, Expr]:
    """The limit of the error by the weight, and the polynomial in w that its least value solves."""
    settled = FRESH_WEIGHTED.derived.limit.doit()
    slope = Poly(fraction(cancel(settled.diff(w)))[0], w)
    return settled, slope.as_expr()


def _derive() -> Derived:
    ratio, growth = N / n, 1 + v2 / n
    pull = ratio - v2 / n
    return Derived(2 * ratio / (pull + sqrt(pull**2 + 4 * growth * ratio)))


def _prove() -> tuple[Step, ...]:
    settled, slope = _stationary()
    best = _derive().expression
    quadratic = (1 + v2 / n) * w**2 + (N - v2) / n * w - N / n
    quotient = cancel(slope / quadratic)
    left = simplify(quadratic.subs(w, best))
    least = simplify(settled.subs(w, best) - best * V / N)
    if fraction(quotient)[1].has(w) or left != 0 or least != 0:
        raise Unsolved(f"best weight: {quotient}, {left}, {least}")
    return (
        Step("Limit of the error by the weight", settled, "T(oo) = "),
        Step("Its slope vanishes with", factor(slope), "0 = "),
        Step("of which this factor has the root between 0 and 1", quadratic, "0 = "),
        Step("That root, written so that it does not cancel", best, "w* = "),
        Step("Put back", left, "residual: "),
        Step("Least error less w* V/N", least, "T(oo) - w* V/N = "),
    )


FRESH = Assumption(
    "the workflow is FreshReal",
    lambda _, workflow: isinstance(workflow, FreshReal),
    "only fresh real data has a weight to choose",
)
WEIGHT = Theorem(
    "optimal-weight",
    "The best weight of N fresh real samples solves b w^2 + (r - v2/n) w - r = 0, b = 1+v2/n, r = N/n, and the "
    "least error is w* times the real-only error: 0.618 at N = n.",
    "optimal_weight",
    ANY,
    "FreshReal",
    Evidence.IDENTITY,
    (*COMMON, FRESH),
    ("He2025 (golden ratio)", "derived"),
    _derive,
    _prove,
    (
        Printed(
            (sqrt((N / n) ** 2 + 4 * N / n) - N / n) / 2,
            "He2025 (Gaussian mean, large samples)",
            "exact where v2 = 0; at each size another where the variance depends on the mean",
            "=",
            lambda f, w, _: optimal_weight(f, w).weight,
            tuple(Setting(Categorical([0.5, 0.3, 0.2]), FreshReal(N_, n_)) for N_, n_ in ((2, 2), (50, 50), (5, 50))),
            lambda: _derive().expression,
        ),
    ),
)
