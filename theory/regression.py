r"""Linear regression: what least squares err, exactly at every sample size.

The covariates are :math:`N(0, I_d)`, so that :math:`E (X'X)^{-1} = I/(n-d-1)` for n of them. With *redrawn* covariates a
generation that adds the batch X to a pool with the Gram matrix S moves the model by :math:`S^{-1} X' e`, whatever the
model: the errors of all batches add. On *one design*, relabelled every generation, a fit to several sets of labels is the
mean of the fits to each, so that everything is as for means (:math:`v_2 = 0`), in another unit.

Beside new real samples the model passes on :math:`B = S^{-1} X'X` of its error, and :math:`E B'B = \beta I` by the moments of a
Wishart matrix and of its share in a sum of two, which is independent of the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, assert_never

import numpy as np
from sympy import (
    Dummy,
    Expr,
    S,
    Symbol,
    cancel,
    digamma,
    factor,
    gamma,
    gammasimp,
    harmonic,
    oo,
    pi,
    polygamma,
    simplify,
    together,
    zeta,
)

from . import arguments as arg
from .assumption import ONE_SIZE, POOLED_WEIGHT, SAMPLES, SIZES, under
from .family import Family, LinearRegression
from .law import Law, law
from .printed import Printed, Setting
from .solve import Step, Unsolved, affine, crossing, linear_in, solve_affine
from .stable import DigammaSlope
from .symbols import L, N, T, V, b, c, d, f, j, k, m, n, v2, y
from .theorem import Assumption, Derived, Evidence, Theorem, concrete
from .workflow import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    RandomPast,
    Replace,
    Schedule,
    SlidingWindow,
    Workflow,
    first_size,
    whole_sets,
)

C_ = "Gerstgrasser2024"


def one_fit(rows: Expr) -> Expr:
    """Error of least squares on so many samples, V = sigma^2 d: sigma^2 times the trace of E (X'X)^-1."""
    return V / (rows - d - 1)


@cache
def passed_on(synthetic: Expr = n, pool: Expr = N + n) -> Expr:
    r""":math:`\beta`: the share of its squared error that a model passes on through n of M samples, E tr(B'B)/d.

    With S the Gram matrix of the pool and U the share of the synthetic part, :math:`X'X = S^{1/2} U S^{1/2}`, it is
    E tr(S U S^{-1} U)/d; U is independent of S. Both unknown moments, of S and its inverse and of U, are solved for.
    """
    same, crossed = with_inverse(pool, d)
    # the second moments of X'X, of n samples, are those of S, of M samples, contracted with U twice
    square, trace = crossing(
        (pool**2 + pool, pool, synthetic * d * (synthetic + d + 1)),
        (2 * pool, pool**2, synthetic * d * (synthetic * d + 2)),
    )
    return factor(((same + crossed) * square + crossed * trace) / d)


@cache
def with_inverse(rows: Expr, covariates: Expr) -> tuple[Expr, Expr]:
    """E S_ij (S^-1)_kl = same d_ij d_kl + crossed (d_ik d_jl + d_il d_jk), S the Gram matrix of so many rows of covariates.

    Invariant under rotations; S S^-1 = I and E S = rows I, E S^-1 = I/(rows - covariates - 1) by scaling are two contractions.
    """
    scaled = (rows * covariates - 2) * covariates / (rows - covariates - 1)
    same, crossed = crossing((S.One, 1 + covariates, S.One), (covariates**2, 2 * covariates, scaled))
    return factor(same), factor(crossed)


def least_squares(workflow: type) -> Law:
    """The one-step law of a workflow class with redrawn covariates, in the letters N, n, d, V."""
    start = (one_fit(N),)
    if workflow is Replace:
        return Law((T,), start, (T + one_fit(n),), T, "the error of the model and that of one fit to n new samples")
    if workflow is Accumulate:
        pool = N + m * n
        return Law((T,), start, (T + n / pool * one_fit(pool),), T, "the batch has its share in the noise of the pool")
    if workflow is FreshReal:
        return Law(
            (T,), start, (passed_on() * T + one_fit(N + n),), T, "what the pool passes on, and the noise of its fit"
        )
    raise ValueError(f"no one-step law of regression for {workflow.__name__} with redrawn covariates")


def spare(expression: Expr) -> Expr:
    """The expression in f = N - d - 1, in which nothing cancels where the real set is hardly larger than the dimension."""
    return expression.subs(N, f + d + 1)


def _affine(workflow: type) -> Callable[[], Derived]:
    def derive() -> Derived:
        one = least_squares(workflow)
        slope, constant = linear_in(one.step[0], T)
        error = solve_affine(factor(spare(slope)), spare(constant), spare(one.start[0]))
        return Derived(error, V, error.subs(m, oo))

    return derive


def _accumulated() -> Derived:
    first, gap = spare(least_squares(Accumulate).start[0]), (d + 1) / n
    endless = V / n * DigammaSlope(f / n + 1, gap)
    return Derived(first + endless - V / n * DigammaSlope(f / n + m, gap), V, first + endless)


def inflation() -> Expr:
    """What one design multiplies V by: the error of one fit over that of one mean."""
    return one_fit(N) * N / V


def prove_one_fit() -> tuple[Step, ...]:
    """The mean of the inverse of a Wishart matrix, from the moment of order -1 of a chi-square."""
    moment = 2**y * gamma(k / 2 + y) / gamma(k / 2)
    inverse = gammasimp(moment.subs(y, -1)).subs(k, n - d + 1)
    if simplify(inverse * V - one_fit(n)) != 0:
        raise Unsolved(f"E (X'X)^-1: {inverse}")
    return (
        Step(
            "1/((X'X)^-1)_11 is what regression on the others leaves of the first covariate: chi-square, n-d+1 degrees"
        ),
        Step("Moment of order y of a chi-square with k degrees", moment, "E X^y = "),
        Step("At y = -1: each diagonal entry of E (X'X)^-1", inverse, "1/(n-d-1) = "),
        Step("The error of one fit, V = sigma^2 d", one_fit(n), "sigma^2 E tr (X'X)^-1 = "),
    )


def _prove_replace() -> tuple[Step, ...]:
    one, plain = least_squares(Replace), _affine(Replace)().expression.doit().subs(f, N - d - 1)
    left = simplify(plain.subs(m, m + 1) - one.step[0].subs(T, plain)), simplify(plain.subs(m, 1) - one.start[0])
    if any(left):
        raise Unsolved(f"replace: {left}")
    return (
        *prove_one_fit(),
        Step("Fitted to its own labels a model is its predecessor plus (X'X)^-1 X' e", one.step[0], "T(m+1) = "),
        Step("First model", one.start[0], "T(1) = "),
        Step("Summed", plain, "T(m) = "),
        Step("Substituted back into the law", left[0], "T(m+1) - T(m) - V/(n-d-1) = "),
        Step("With N = n, that is m times one fit", factor(plain.subs(N, n)), "T(m) = "),
    )


def _prove_sizes() -> tuple[Step, ...]:
    pool = one_fit(n).subs(n, j * n)
    return (
        *prove_one_fit(),
        Step("Each generation adds its own fit", one_fit(n), "L V is the sum over generations of "),
        Step("It grows without bound exactly when sum 1/n_i diverges; sizes i n (all data redrawn) like ln(m)/n", pool),
    )


def _prove_accumulate() -> tuple[Step, ...]:
    one, forms = least_squares(Accumulate), _accumulated()
    plain = forms.expression.doit().subs(f, N - d - 1)
    later = _lowered(plain.subs(m, m + 1), m)
    left = _rational(later - plain - (one.step[0] - T))
    settled = forms.limit.doit().subs(f, N - d - 1)
    even = V / (d + 1) * (digamma(1) - digamma(1 - (d + 1) / N))
    wrong = left, _rational(plain.subs(m, 1) - one.start[0]), _rational(_lowered(settled.subs(n, N), N) - even)
    if any(wrong):
        raise Unsolved(f"accumulate: {wrong}")
    return (
        *prove_one_fit(),
        Step("With S the Gram matrix of the pool a new batch moves the model by S^-1 X' e, whatever the model"),
        Step("Rows are exchangeable: the batch has its share n/(N+mn) of sigma^2 E tr S^-1", one.step[0], "T(m+1) = "),
        Step("First model", one.start[0], "T(1) = "),
        Step("Summed by partial fractions and psi(x+1) = psi(x) + 1/x", plain, "T(m) = "),
        Step("Substituted back into the law", left, "T(m+1) - step = "),
        Step("psi(x + q) - psi(x) -> 0 as x grows", settled, "T(oo) = "),
        Step("With N = n", even, "T(oo) = "),
    )


def _rational(expression: Expr) -> Expr:
    """The expression simplified as a rational function of its letters and of the digammas in it."""
    marks: dict[Expr, Dummy] = {}

    def mark(_: Expr, at: Expr) -> Expr:
        known = digamma(cancel(at))
        return marks.setdefault(known, Dummy(f"psi_{len(marks)}")) if known.has(polygamma) else known

    return cancel(together(expression.replace(polygamma, mark)))


def _lowered(expression: Expr, letter: Symbol) -> Expr:
    """The expression with psi(x) = psi(x - 1) + 1/(x - 1) for each x that has the letter."""
    return expression.replace(
        polygamma, lambda order, at: polygamma(order, at - 1) + 1 / (at - 1) if at.has(letter) else polygamma(order, at)
    )


def _prove_fresh() -> tuple[Step, ...]:
    one = least_squares(FreshReal)
    slope, constant = linear_in(one.step[0], T)
    plain = solve_affine(b, c, one.start[0]).doit()
    left = (
        simplify((plain.subs(m, m + 1) - b * plain - c).expand(power_exp=True)),
        simplify(plain.subs(m, 1) - one.start[0]),
    )
    if any(left):
        raise Unsolved(f"fresh real: {left}")
    return (
        *prove_one_fit(),
        Step("The pool passes on B = S^-1 X'X of the error and adds S^-1 times its noise", one.step[0], "T(m+1) = "),
        Step("E B'B = beta I by rotation; second moments of S, S^-1 and U as solved for", slope, "beta = "),
        Step("First model", one.start[0], "T(1) = "),
        Step("Generic solution by rsolve, substituted back", affine(), "x(m) = "),
        Step(
            "With b = beta and c the noise, from the first model; substituted back", left[0], "T(m+1) - b T(m) - c = "
        ),
        Step("Fixed point", factor(constant / (1 - slope)), "T(oo) = "),
        Step(
            "For many samples beta tends to alpha^2",
            factor(cancel(slope.subs({N: N / y, n: n / y})).subs(y, 0)),
            "beta -> ",
        ),
    )


def _prove_design() -> tuple[Step, ...]:
    grown = law(Accumulate).step[0].subs(v2, 0) - T
    total = (law(Accumulate).start[0] / V).subs(N, 1) * zeta(2)  # with N = n the term of generation m is V/(N m^2)
    if simplify(grown.subs(n, N) - V / (N * (m + 1) ** 2)) != 0 or total != pi**2 / 6:
        raise Unsolved("accumulate on one design")
    return (
        *prove_one_fit(),
        Step("On one design a fit to labels weighed w_b is the sum of w_b times the fit to labels b"),
        Step("So the law is that of means, v2 = 0, with this in the place of V", V * inflation(), "V -> "),
        Step("Replace adds in each generation", law(Replace).step[0].subs({v2: 0, n: N}) - T, "V/N = "),
        Step("Accumulate adds in each generation", grown.subs(n, N), "V/(N (m+1)^2) = "),
        Step("which sums to the first model's error times", total, "gain(oo) (N-d-1)/N = "),
    )


def _enough(family: Family, workflow: Workflow) -> bool:
    return all(map(concrete(lambda size: np.all(size > family.dimension + 1)), whole_sets(workflow)))


def _known(_family: Family, workflow: Workflow) -> bool:
    return isinstance(workflow, Replace | Accumulate) or (isinstance(workflow, FreshReal) and workflow.weight is None)


def _one_design(_family: Family, workflow: Workflow) -> bool:
    if isinstance(workflow, AccumulateSubsample | SlidingWindow | RandomPast):
        return False
    if isinstance(workflow, Schedule):
        alone = np.all(np.count_nonzero(np.asarray(workflow.source), axis=1) == 1)
        return bool(alone) and workflow.train is None and _equal(workflow.size)
    sizes = [workflow.synthetic] if not isinstance(workflow.synthetic, tuple) else list(workflow.synthetic)
    return _equal([workflow.real, *sizes])


def _equal(sizes: Any) -> bool:
    return arg.is_traced(sizes, *sizes) or all(np.all(np.equal(each, sizes[0])) for each in sizes)


NORMAL = Assumption(
    "the covariates are N(0, I), the noise has one known variance and is independent", lambda *_: True, ""
)
ENOUGH = Assumption(
    "every fit has at least dimension + 2 samples",
    _enough,
    "use more samples or fewer dimensions: with dimension - 1 to dimension + 1 the expected error is infinite, and with fewer "
    "it is known under Replace and on one design only",
)
KNOWN = Assumption(
    "with redrawn covariates the workflow is Replace, Accumulate, or FreshReal without a weight",
    _known,
    "the others are known to leading order only: simulate them, or use redrawn=False",
)
ONE_DESIGN = Assumption(
    "with one design (redrawn=False) all sets have its size, one model labels each, and none is subsampled",
    _one_design,
    "use equal sizes, or redrawn=True",
)
REGRESSIONS = Assumption(
    "the family is LinearRegression",
    lambda family, _: isinstance(family, LinearRegression),
    "other families have theorems of their own",
)
REDRAWN = Assumption(
    "the family is a LinearRegression whose covariates are redrawn every generation",
    lambda family, _: isinstance(family, LinearRegression) and family.redrawn,
    "on one design theorems of their own hold",
)
RELABELLED = Assumption(
    "the family is a LinearRegression on one design (redrawn=False)",
    lambda family, _: isinstance(family, LinearRegression) and not family.redrawn,
    "with redrawn covariates theorems of their own hold",
)
_REDRAWN = (SAMPLES, REGRESSIONS, NORMAL, KNOWN, ENOUGH)


_SIZES = ((20, 4), (20, 10), (1000, 100))  # samples and dimension


def _settled(family: Family, workflow: Workflow, _generation: None) -> float:
    """The limit of the error."""
    from .answers import gain_limit

    return float(gain_limit(family, workflow) * family.v / first_size(workflow))


def _at(family: Family, workflow: Workflow, generation: int) -> float:
    from .answers import error

    return float(error(family, workflow, generation))


REGRESSION_REPLACE = Theorem(
    "regression/replace",
    "Replacing the data each generation, least squares with redrawn covariates err m times as much as one fit, "
    "sigma^2 d/(n-d-1): without bound.",
    "error",
    "LinearRegression",
    "Replace",
    Evidence.IDENTITY,
    _REDRAWN,
    ("Dohmatob2024Regression, as quoted by Gerstgrasser2024, eq. 4", "derived"),
    _affine(Replace),
    _prove_replace,
    scope=(REGRESSIONS, REDRAWN, under(Replace), ONE_SIZE),
)
REGRESSION_SIZES = Theorem(
    "regression/growing",
    "With sizes n_i the error of least squares is the sum of sigma^2 d/(n_i-d-1): bounded exactly when sum 1/n_i is.",
    "error",
    "LinearRegression",
    "Replace with a tuple of sizes",
    Evidence.IDENTITY,
    _REDRAWN,
    (f"{C_}, Appendix E (sizes i n, one design)", "derived"),
    lambda: Derived(V * L, V),
    _prove_sizes,
    scope=(REGRESSIONS, REDRAWN, under(Replace), SIZES),
)
REGRESSION_ACCUMULATE = Theorem(
    "regression/accumulate",
    "Keeping all data, least squares with redrawn covariates stay bounded: with N = n the error tends to "
    "-sigma^2 d/(d+1) (gamma + psi(1-(d+1)/n)), less than pi^2/6 times that of one fit.",
    "error",
    "LinearRegression",
    "Accumulate",
    Evidence.IDENTITY,
    _REDRAWN,
    ("derived", f"{C_} (one design)"),
    _accumulated,
    _prove_accumulate,
    (
        Printed(
            lambda: pi**2 / 6 * one_fit(N),
            f"{C_}, Theorem 2",
            "proved on one design; with redrawn covariates the noise of a larger pool is less than its share",
            ">=",
            _settled,
            tuple(Setting(LinearRegression(d_), Accumulate(size, size)) for size, d_ in _SIZES),
            lambda: _accumulated().limit.doit().subs({f: N - d - 1, n: N}, simultaneous=True),
        ),
    ),
    scope=(REGRESSIONS, REDRAWN, under(Accumulate)),
)
REGRESSION_FRESH = Theorem(
    "regression/fresh-real",
    "With N new real samples beside n synthetic ones, a model passes on the share beta of its error, a rational "
    "function of N, n and d, and the error settles at sigma^2 d/((N+n-d-1)(1-beta)).",
    "error",
    "LinearRegression",
    "FreshReal",
    Evidence.IDENTITY,
    _REDRAWN,
    ("derived",),
    _affine(FreshReal),
    _prove_fresh,
    scope=(REGRESSIONS, REDRAWN, under(FreshReal), POOLED_WEIGHT),
)
REGRESSION_DESIGN = Theorem(
    "regression-one-design",
    "On one design, relabelled every generation, least squares err as means do (v2 = 0), N/(N-d-1) times as much: m times "
    "one fit under replace, sum 1/i^2 < pi^2/6 of it under accumulate.",
    "error",
    "LinearRegression(redrawn=False)",
    "every workflow of equal whole sets",
    Evidence.IDENTITY,
    (SAMPLES, REGRESSIONS, NORMAL, ONE_DESIGN, ENOUGH),
    (f"{C_}, Theorems 1 and 2, eq. 4", "derived"),
    lambda: Derived(V * inflation(), V),
    _prove_design,
    (
        Printed(
            lambda: pi**2 / 6 * one_fit(N),
            f"{C_}, Theorem 2",
            "the sum of 1/i^2 over m generations is less than that over all",
            ">=",
            _at,
            tuple(
                Setting(LinearRegression(d_, redrawn=False), Accumulate(size, size), last)
                for (size, d_), last in zip(_SIZES, (2, 10, 100), strict=True)
            ),
            lambda: one_fit(N) * harmonic(m, 2),
        ),
    ),
    scope=(
        REGRESSIONS,
        RELABELLED,
    ),
)
REGRESSION = (REGRESSION_REPLACE, REGRESSION_SIZES, REGRESSION_FRESH, REGRESSION_ACCUMULATE)


def theorem_of(family: LinearRegression, workflow: Workflow) -> Theorem:
    """The theorem that gives the error of least squares under a workflow; its assumptions refuse what is not known."""
    if not family.redrawn:
        return REGRESSION_DESIGN
    match workflow:
        case Replace(synthetic=tuple()):
            return REGRESSION_SIZES
        case Accumulate():
            return REGRESSION_ACCUMULATE
        case FreshReal():
            return REGRESSION_FRESH
        case Replace() | FixedReal() | AccumulateSubsample() | SlidingWindow() | RandomPast() | Schedule():
            return REGRESSION_REPLACE
    assert_never(workflow)
