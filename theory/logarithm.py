r"""Logarithms of scale under `Replace`: what a typical chain does, where the mean is carried by rare ones.

A Gaussian variance and a Gamma mean are products of independent factors, one a generation, so that their logarithms are sums.
The mean of the variance may stand still while nearly every chain dies; the logarithm says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, Integer, expand_log, gamma, log, loggamma, polygamma, simplify

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import MATCHED, SAMPLES
from .family import Family, Gamma, Gaussian
from .lower import evaluate
from .solve import Step, Unsolved
from .stable import DigammaGap, DigammaSlope, LogarithmicQuotient
from .symbols import j, k, n, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import or_nan
from .workflow import Replace, Workflow


def log_variance(f: Gaussian, w: Replace, generation: Any) -> Any:
    r""":math:`E \frac1d \ln(\det \Sigma_m / \det \Sigma)`, the mean log variance of a direction, under `Replace`.

    Each generation of n adds :math:`\frac1d \sum_{i=1}^d \psi(\frac{n-i}2) + \ln \frac2n` (unbiased:
    :math:`\ln \frac2{n-1}`), about -(d+1)/(2n) beside the -1/n of the divisor. Raises InputError unless every size exceeds the
    dimension. Source: Suresh2024 for the order, derived.

    >>> from modelcollapse import theory
    >>> round(theory.log_variance(theory.Gaussian(), theory.Replace(10), 100), 2)
    -22.06
    """
    LOG_VARIANCE.require("log_variance", families.check("log_variance", f), workflows.check("log_variance", w))

    result = summed("log_variance", w, generation, lambda size: one_generation(f, size))
    return or_nan(result, f, w, generation=generation)


def one_generation(f: Gaussian, size: Any) -> Any:
    """What a generation of that size adds to the mean log variance of a direction."""
    return over_rows(f, direction(f.unbiased), size).sum(-1) / f.dimension


def over_rows(f: Gaussian, term: Expr, size: Any, power: Any = 1.0) -> Any:
    """A term in n, j and y, of a size and a power, for each degree of freedom n - j, j = 1, ..., d, along a new last axis."""
    xp = arg.namespace(size)
    rows = np.arange(1.0, f.dimension + 1)
    return evaluate(term, {n: xp.asarray(size)[..., None] * 1.0, j: rows, y: power})


@cache
def direction(unbiased: bool) -> Expr:
    """E ln of a chi-square with n - j degrees over the divisor of the covariance."""
    lost = (j - 1) / (n - 1) if unbiased else j / n
    return DigammaGap((n - j) / 2) - lost * LogarithmicQuotient(-lost)


def log_variance_spread(f: Gaussian, w: Replace, generation: Any) -> Any:
    r"""Variance over chains of :math:`\frac1d \ln(\det \Sigma_m / \det \Sigma)` under `Replace`, whichever estimator.

    Each generation of n adds :math:`\frac1{d^2} \sum_{i=1}^d \psi_1(\frac{n-i}2)`, about 2/(dn): chains part like random walks.
    Raises InputError unless every size exceeds the dimension. Source: derived.

    >>> from modelcollapse import theory
    >>> round(theory.log_variance_spread(theory.Gaussian(), theory.Replace(10), 100), 2)
    24.87
    """
    SPREAD.require(
        "log_variance_spread", families.check("log_variance_spread", f), workflows.check("log_variance_spread", w)
    )

    def added(size: Any) -> Any:
        return over_rows(f, SPREAD.derived.expression, size).sum(-1) / f.dimension**2

    return or_nan(summed("log_variance_spread", w, generation, added), f, w, generation=generation)


def log_mean(f: Gamma, w: Replace, generation: Any) -> Any:
    r""":math:`E \ln(\theta_m / \theta)` of the Gamma family of shape k under `Replace`.

    Each generation of n adds :math:`\psi(nk) - \ln(nk)`, about -1/(2nk). Source: derived.

    >>> from modelcollapse import theory
    >>> round(theory.log_mean(theory.Gamma(1, 3.0), theory.Replace(8), 30), 4)
    -1.914
    """
    LOG_MEAN.require("log_mean", families.check("log_mean", f), workflows.check("log_mean", w))
    result = summed(
        "log_mean", w, generation, lambda size: evaluate(LOG_MEAN.derived.expression, {n: size, k: f.shape})
    )
    return or_nan(result, f, w, generation=generation)


def summed(owner: str, w: Replace, generation: Any, added: Callable[[Any], Any]) -> Any:
    """Sum of what each generation adds, 0 at the truth."""
    whole = arg.generation(owner, generation)
    if not isinstance(w.synthetic, tuple):
        xp = arg.namespace(whole, w.synthetic, w.real)
        later = xp.maximum(xp.asarray(whole) - 1, 0)
        total = xp.where(later > 0, xp.maximum(later, 1) * added(w.synthetic), 0.0) + added(w.real)
        result = xp.where(xp.asarray(whole) < 1, 0.0, total)
        return arg.scalar(result)
    each = [added(size) for size in w.sizes(len(w.synthetic) + 1)]
    if not arg.is_traced(whole) and np.max(whole) > len(each):
        w.sizes(int(np.max(whole)))  # refuses
    xp = arg.namespace(whole, *each)
    result = xp.cumsum(xp.stack([xp.zeros_like(each[0]), *each]), axis=0)[xp.asarray(whole, int)]
    return arg.scalar(xp.where(xp.asarray(whole) <= len(each), result, xp.nan) if arg.is_traced(whole) else result)


def _prove_chi_square() -> tuple[Step, ...]:
    """E ln of a chi-square from its moments; the determinant of a Wishart matrix is a product of them (Bartlett)."""
    at, degrees = y, n - j
    moment = 2**at * gamma(degrees / 2 + at) / gamma(degrees / 2)
    mean_log = simplify(moment.diff(at).subs(at, 0))
    claimed = LOG_VARIANCE.derived.expression.doit()
    if simplify(expand_log(simplify(mean_log - log(n) - claimed), force=True)) != 0:  # n > j: every logarithm is real
        raise Unsolved("the mean log of a chi-square")
    return (
        Step("n det(Sigma')^(1/d) / det(Sigma)^(1/d): by Bartlett a product of chi-squares with n-1, ..., n-d degrees"),
        Step("Moment of order y of a chi-square with n - j degrees", moment, "E X^y = "),
        Step("Its slope at y = 0", mean_log, "E ln X = "),
        Step(
            "Less ln n, so that it does not cancel", LOG_VARIANCE.derived.expression, "one direction, one generation: "
        ),
    )


def _prove_spread() -> tuple[Step, ...]:
    """The variance of ln of a chi-square: the second cumulant, of its moments' logarithm."""
    at, degrees = y, n - j
    second = simplify((at * log(2) + loggamma(degrees / 2 + at) - loggamma(degrees / 2)).diff(at, 2).subs(at, 0))
    start, gap = SPREAD.derived.expression.args
    if gap != 0 or simplify(second - polygamma(1, start)) != 0:
        raise Unsolved("the variance of the log of a chi-square")
    return (
        Step(
            "n det(Sigma')^(1/d) / det(Sigma)^(1/d): by Bartlett a product of independent chi-squares, n-1, ..., n-d degrees"
        ),
        Step("Second derivative of ln E X^y at y = 0, for n - j degrees", second, "Var ln X = "),
        Step("Summed over j and divided by d^2", SPREAD.derived.expression, "one direction, one generation: "),
    )


def _prove_gamma() -> tuple[Step, ...]:
    moment = gamma(n * k + y) / gamma(n * k) / (n * k) ** y
    mean_log = simplify(moment.diff(y).subs(y, 0))
    if simplify(mean_log - LOG_MEAN.derived.expression.doit()) != 0:
        raise Unsolved("the mean log of a Gamma mean")
    return (
        Step("theta'/theta is the mean of n Gamma variables: Gamma(nk)/(nk)"),
        Step("Moment of order y", moment, "E (theta'/theta)^y = "),
        Step("Its slope at y = 0", mean_log, "E ln(theta'/theta) = "),
    )


def _is(kind: type) -> Callable[[Family, Workflow], bool]:
    return lambda family, workflow: isinstance(family, kind) and isinstance(workflow, Replace)


def _large(family: Family, workflow: Workflow) -> bool:
    assert isinstance(family, Gaussian) and isinstance(workflow, Replace)
    sizes = [workflow.real, *(workflow.synthetic if isinstance(workflow.synthetic, tuple) else [workflow.synthetic])]
    return all(arg.is_traced(size) or np.all(np.asarray(size) > family.dimension) for size in sizes)


GAUSSIAN = Assumption(
    "the family is Gaussian and the workflow Replace", _is(Gaussian), "other pairs have no product form"
)
GAMMA = Assumption("the family is Gamma and the workflow Replace", _is(Gamma), "other pairs have no product form")
FULL_RANK = Assumption(
    "every training set has more samples than dimensions",
    _large,
    "use larger sizes: with fewer the fitted covariance is singular at once",
)
LOG_VARIANCE = Theorem(
    "log-moments/variance",
    "Under Replace the log variance of a Gaussian falls by about (d+1)/(2n) a generation beside the 1/n of the "
    "divisor, whichever estimator: nearly every chain dies even where the mean variance stands still.",
    "log_variance",
    "Gaussian",
    "Replace",
    Evidence.IDENTITY,
    (SAMPLES, MATCHED, GAUSSIAN, FULL_RANK),
    ("Suresh2024 (order)", "derived"),
    lambda: Derived(direction(False)),
    _prove_chi_square,
)
SPREAD = Theorem(
    "log-moments/spread",
    "Under Replace the log variances of a Gaussian part like random walks: their variance over chains grows by about 2/(dn) a "
    "generation, so that after n generations rare chains carry the mean variance.",
    "log_variance_spread",
    "Gaussian",
    "Replace",
    Evidence.IDENTITY,
    (SAMPLES, MATCHED, GAUSSIAN, FULL_RANK),
    ("derived",),
    lambda: Derived(DigammaSlope((n - j) / 2, Integer(0))),
    _prove_spread,
)
LOG_MEAN = Theorem(
    "log-moments/gamma",
    "Under Replace the log of a Gamma mean falls by ln(nk) - psi(nk), about 1/(2nk), a generation, although its mean "
    "never moves and its error explodes.",
    "log_mean",
    "Gamma",
    "Replace",
    Evidence.IDENTITY,
    (SAMPLES, MATCHED, GAMMA),
    ("derived",),
    lambda: Derived(DigammaGap(n * k)),
    _prove_gamma,
)
