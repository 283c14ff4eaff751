r"""Error, diversity and their limits for each workflow, derived from the one-step laws.

All theorems here hold for every family with a quadratic variance function. The error is
:math:`T_m = E\|\theta_m - \theta\|^2`; the expected variance of a model's samples is :math:`V + v_2 T_m`, and the gain is
:math:`T_m / (V / N)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

import numpy as np
from sympy import Expr, Integer, exp, factor, oo, simplify

from .family import Family, Gaussian
from .law import Law, law, spread
from .solve import (
    Step,
    Unsolved,
    affine,
    growth,
    limit_of_product,
    linear_in,
    product_over_generations,
    residuals,
    solve_affine,
)
from .stable import ROOM, CompoundPower, DriftSum, ExponentialQuotient, LogarithmicQuotient
from .symbols import L, M, N, P, Q, T, V, a, c, j, k, m, n, nu, v2, w
from .theorem import Assumption, Derived, Evidence, Printed, Theorem, concrete
from .workflow import Accumulate, AccumulateSubsample, FixedReal, FreshReal, Replace, Schedule, Workflow

POOLED = N / (N + n)


def _affine(workflow: type, weight: Expr = w) -> tuple[Law, Expr, Expr]:
    """Law of the workflow with slope and constant of its state."""
    one = law(workflow)
    slope, constant = linear_in(one.step[0].subs(w, weight), one.state[0])
    return one, slope, constant


def _derive_affine(workflow: type, weight: Expr = w) -> Callable[[], Derived]:
    def derive() -> Derived:
        one, slope, constant = _affine(workflow, weight)
        state = solve_affine(slope, constant, one.start[0])
        error = one.error.subs(one.state[0], state)
        return Derived(error, spread(error), error.subs(m, oo))

    return derive


def _derive_replace() -> Derived:
    affinely = _derive_affine(Replace)()
    one, slope, _ = _affine(Replace)
    return Derived(affinely.expression, spread(one.start[0]) * CompoundPower(slope, m - 1), affinely.limit)


def _growth(workflow: type, curvature: Expr = v2, replacement: bool = False) -> tuple[Expr, Expr, Law]:
    """Expected spread at generation 1 and the factor by which it grows from generation m to m+1."""
    one = law(workflow, replacement)
    letter = one.state[0]
    step = one.step[0].subs({v2: curvature, Q: V})
    slope, constant = linear_in(step, letter)
    return factor(V + curvature * one.start[0]), growth(slope, constant, curvature), one


def _drift(one: Law, curvature: Expr) -> Expr:
    """a(m), of which the growth factor is 1 + v2 a(m): as the law has it, sums of positive terms that lose no digits."""
    letter = one.state[0]
    return (one.step[0].subs({v2: curvature, Q: V}) - letter).diff(letter) / curvature


def _multiplied(workflow: type, curvature: Expr = v2, replacement: bool = False) -> tuple[Expr, Expr, Law]:
    r"""State and its spread when the spread is a product over generations: T = T_1 e^{v2 L} + V L (e^{v2 L} - 1)/(v2 L)."""
    one = law(workflow, replacement)
    total = DriftSum(curvature, _drift(one, curvature).subs(m, j), N / n, m - 1)
    grown = exp(curvature * total)
    start = V + curvature * one.start[0]
    return one.start[0] * grown + V * total * ExponentialQuotient(curvature * total), start * grown, one


def _derive_accumulate() -> Derived:
    error, diversity, _ = _multiplied(Accumulate)
    return Derived(error, diversity, error.replace(DriftSum, lambda *a: DriftSum(*a).limit()))


def _derive_subsample(replacement: bool) -> Callable[[], Derived]:
    def derive() -> Derived:
        pool, spread_of_pool, one = _multiplied(AccumulateSubsample, Integer(-1), replacement)
        chosen = one.error.subs({P: 0, Q: 1})  # the share of Q - P = V - P that the subsample adds
        settled = (pool + spread_of_pool / M).replace(DriftSum, lambda *a: DriftSum(*a).limit())
        return Derived(pool + spread_of_pool * chosen, spread_of_pool * (1 - chosen), settled)

    return derive


def _prove_affine(workflow: type, weight: Expr = w) -> Callable[[], tuple[Step, ...]]:
    def prove() -> tuple[Step, ...]:
        one, slope, constant = _affine(workflow, weight)
        letter = one.state[0]
        stable = solve_affine(slope, constant, one.start[0])
        plain = stable.doit()
        recursion, first = residuals(stable, slope, constant, one.start[0])
        if recursion != 0 or first != 0:
            raise Unsolved(f"{workflow.__name__}: {recursion}, {first} left when substituted back")
        error = one.error.subs(letter, plain)
        settled = factor(one.error.subs(letter, constant / (1 - slope)))
        return (
            Step("One generation", one.step[0].subs(w, weight), f"{letter}(m+1) = "),
            Step("First model", one.start[0], f"{letter}(1) = "),
            Step("The law is affine in the state: slope", slope, "b = "),
            Step("and constant", constant, "c = "),
            Step("Generic solution by rsolve, substituted back", affine(), "x(m) = "),
            Step("With this slope and constant", plain, f"{letter}(m) = "),
            Step("Substituted back into the law", recursion, f"{letter}(m+1) - b {letter}(m) - c = "),
            Step("First value", first, f"{letter}(1) - {one.start[0]} = "),
            Step("Error", error, "T(m) = "),
            Step("Diversity over v(theta): (V + v2 T)/V", simplify(spread(error) / V), "G(m)/V = "),
            Step("Fixed point, the limit wherever |b| < 1", settled, "T(oo) = "),
            Step("In the unit of gain", factor(settled * N / V), "gain(oo) = "),
        )

    return prove


def _prove_product(workflow: type, curvature: Expr, replacement: bool = False) -> Callable[[], tuple[Step, ...]]:
    def prove() -> tuple[Step, ...]:
        start, factor_m, one = _growth(workflow, curvature, replacement)
        letter, fixed = one.state[0], {v2: curvature, Q: V}
        if simplify(1 + curvature * _drift(one, curvature) - factor_m) != 0:
            raise Unsolved(f"{workflow.__name__}: the drift differs from the growth factor")
        if workflow is AccumulateSubsample and simplify(one.step[1].subs(fixed) - V) != 0:
            raise Unsolved("the spread of the points in the pool changes")
        closed = product_over_generations(factor_m.subs(m, j))
        grown = start * closed
        limiting = limit_of_product(closed)
        steps = [
            Step("One generation", one.step[0].subs(fixed), f"{letter}(m+1) = "),
            Step("First model", one.start[0], f"{letter}(1) = "),
            Step(f"Put G = V + v2 {letter}: one generation multiplies it", factor_m, "G(m+1)/G(m) = "),
            Step("and it starts from", start, "G(1) = "),
            Step("Product over generations by SymPy; the ratio of neighbours gives the factor back", grown, "G(m) = "),
            Step(f"{letter} = (G - V)/v2", (grown - V) / curvature, f"{letter}(m) = "),
            Step("Each (a)_t behaves as Gamma(t) t^a / Gamma(a); the powers of t cancel", start * limiting, "G(oo) = "),
        ]
        if workflow is AccumulateSubsample:
            chosen = one.error.subs({P: 0, Q: 1})
            steps.insert(0, Step("With v2 = -1 the spread of the pool's points never changes", V, "Q(m+1) = Q(m) = "))
            steps.append(Step("The model adds the noise of the subsample", (V - grown) + grown * chosen, "T(m) = "))
        else:
            steps.append(
                Step(
                    "As v2 -> 0, through the second derivative in nu = sqrt(-v2/n)",
                    _at_no_curvature(start * limiting),
                    "T(oo) = ",
                )
            )
        return tuple(steps)

    return prove


def _at_no_curvature(total: Expr) -> Expr:
    """Limit of (G - V)/v2 as v2 -> 0 with v2 = -n nu^2: G is even in nu, so that it is -G''(0)/(2 n)."""
    even = total.subs(v2, -n * nu**2)
    if simplify(even.diff(nu).subs(nu, 0)) != 0:
        raise Unsolved("G is not even in nu")
    return factor(simplify(-even.diff(nu, 2).subs(nu, 0) / (2 * n)).expand(func=True))


def _prove_sizes() -> tuple[Step, ...]:
    """Unequal sizes: each generation multiplies G by 1 + v2/n_i; sizes i n have a closed product."""
    _, factor_m, _ = _growth(Replace)
    closed = product_over_generations(factor_m.subs(n, n * (j + 1)))
    return (
        Step("One generation of size n_i multiplies G = V + v2 T", factor_m, "G(i)/G(i-1) = "),
        Step("Sum of the logarithms over v2", LogarithmicQuotient(v2 / n) / n, "L = sum over i of "),
        Step("T = (G - V)/v2", _BY_SIZES, "T(m) = "),
        Step("It tends to total collapse (v2 < 0) or grows without bound (v2 >= 0) exactly when sum 1/n_i diverges"),
        Step("Sizes i n (all data of all generations, redrawn) by SymPy", closed, "G(m)/G(1) = "),
    )


def _prove_recursion() -> tuple[Step, ...]:
    one = law(AccumulateSubsample)
    return (
        Step("Error of the pool mean", one.step[0], "P(m+1) = "),
        Step("Spread of the pool's points", one.step[1], "Q(m+1) = "),
        Step("First model", one.start, "(P, Q)(1) = "),
        Step("The model is fitted on M points of the pool", one.error, "T = "),
        Step(
            "At v2 = -1 the spread stays V and a product solves it; otherwise the exact recursion is the answer. "
            "It settles like m^-(1 - (1 + v2)/M), and has no finite limit unless 1 + v2 < M"
        ),
    )


_BY_SIZES = V * L * ExponentialQuotient(v2 * L)


def _derive_sizes() -> Derived:
    return Derived(_BY_SIZES, V * exp(v2 * L))


def always(_family: Family, _workflow: Workflow) -> bool:
    """For assumptions about the data, which no number can check."""
    return True


SAMPLES = Assumption("the samples of a generation are independent draws of its model, at temperature 1", always, "")
MATCHED = Assumption(
    "the model matches the mean of its training data (maximum likelihood; no smoothing, no early stop)", always, ""
)
POOLED_SECOND_MOMENT = Assumption(
    "a Gaussian covariance has divisor n unless the workflow is Replace",
    lambda family, workflow: not (isinstance(family, Gaussian) and family.unbiased) or isinstance(workflow, Replace),
    "use Gaussian(unbiased=False), or Replace",
)
TWO_SAMPLES = Assumption(
    "an unbiased variance needs two samples",
    lambda family, workflow: (
        not (isinstance(family, Gaussian) and family.unbiased)
        or concrete(lambda each: np.min(each) >= 2)(_least(workflow))
    ),
    "use sizes of at least 2, or unbiased=False",
)
GENTLE = Assumption(
    f"v2 is at most {ROOM} times the number of synthetic samples",
    lambda family, workflow: concrete(lambda each: np.all(each <= ROOM))(family.v2 / workflow.synthetic),
    "use more synthetic samples, or a Schedule (computed by the algebra)",
)
CONSERVED = Assumption(
    "the variance function is v(theta) = v(0) - theta^2 up to linear terms (v2 = -1)",
    lambda family, workflow: isinstance(family.v2, int) and family.v2 == -1,
    "the exact recursion answers for other families",
)
TWO_REAL = Assumption(
    "there are at least two real samples to subsample",
    lambda family, workflow: concrete(lambda each: np.all(each >= 2))(workflow.real),
    "use Accumulate for a single real sample",
)
COMMON = (SAMPLES, MATCHED, POOLED_SECOND_MOMENT)


def _least(workflow: Workflow) -> Any:
    return min(workflow.sizes(2)) if isinstance(workflow, Replace) else 2


ANY = "every family with a quadratic variance function"
A, B_, C_ = "Seddik2024", "Kazdan2024", "Gerstgrasser2024"


def _variation_as_printed() -> Expr:
    """Collision probability S(m+1) of the partially synthetic workflow as printed in (A), eq. 9."""
    alpha = n / (N + n)
    beta = alpha * ((1 + 1 / N) * alpha - 1 / N)
    over = 1 + (1 + 1 / N) * alpha
    first = (1 + 2 * alpha - (1 - 1 / N) * alpha * beta**m) / (N * over)
    return first + (1 - 1 / N) * (1 - V) / over * (1 + alpha - alpha / N * beta**m)


REPLACE = Theorem(
    "replace",
    "Replacing the data each generation, G = V + v2 T is multiplied by 1 + v2/n: diversity decays as "
    "(1 - 1/n)^m for v2 = -1, the error saturates; for v2 >= 0 it grows without bound.",
    "error",
    ANY,
    "Replace",
    Evidence.IDENTITY,
    (*COMMON, TWO_SAMPLES),
    (f"{A}, Theorem 1, eq. 6 (v2 = -1)", "derived"),
    _derive_replace,
    _prove_affine(Replace),
)
REPLACE_SIZES = Theorem(
    "replace-growing",
    "With sizes n_i, G = V prod (1 + v2/n_i): collapse exactly when sum 1/n_i diverges, so that "
    "superlinear growth avoids it.",
    "error",
    ANY,
    "Replace with a tuple of sizes",
    Evidence.IDENTITY,
    (*COMMON, TWO_SAMPLES),
    ("Xu2025 (superlinear growth)", f"{C_}, Appendix E (sizes i n)", "derived"),
    _derive_sizes,
    _prove_sizes,
)
FIXED_REAL = Theorem(
    "fixed-real",
    "Keeping N real samples beside n synthetic ones of the model before, the error settles at "
    "1 + (N+v2) n/(N^2+2Nn-v2 n) times the real-only error: at most 3/2 for v2 <= 0, whatever n.",
    "error",
    ANY,
    "FixedReal",
    Evidence.IDENTITY,
    COMMON,
    (f"{A}, Theorem 2", "derived"),
    _derive_affine(FixedReal),
    _prove_affine(FixedReal),
    (
        Printed(
            _variation_as_printed(),
            f"{A}, eq. 9: S(m+1)",
            "sign of the last term: alpha/N beta^m must be added. With the "
            "minus sign the formula misses S = 1 when S_0 = 1, and exact enumeration",
        ),
    ),
)
FRESH_REAL = Theorem(
    "fresh-real",
    "With N new real samples in every generation beside n synthetic ones, pooled, the error settles at "
    "N(N+n)/(N^2+2Nn-v2 n) times the real-only error: synthetic data helps wherever v2 <= N, down to one half.",
    "error",
    ANY,
    "FreshReal",
    Evidence.IDENTITY,
    COMMON,
    ("derived", "Alemohammad2024 (qualitative)"),
    _derive_affine(FreshReal, POOLED),
    _prove_affine(FreshReal, POOLED),
)
FRESH_WEIGHTED = Theorem(
    "fresh-real-weighted",
    "With weight w on N new real samples and 1 - w on n synthetic ones, the error settles at "
    "(w^2/N + (1-w)^2/n) / (1 - (1-w)^2 (1+v2/n)) times V.",
    "error",
    ANY,
    "FreshReal with a weight",
    Evidence.IDENTITY,
    COMMON,
    ("derived", "He2025 (golden ratio)"),
    _derive_affine(FreshReal),
    _prove_affine(FreshReal),
)
ACCUMULATE = Theorem(
    "accumulate",
    "Keeping all data, the error stays below 2 times the real-only error for v2 <= 0; with N = n it tends to "
    "n (1 - sinc(n^-1/2)) -> pi^2/6 for v2 = -1.",
    "error",
    ANY,
    "Accumulate",
    Evidence.IDENTITY,
    (*COMMON, GENTLE),
    (f"{C_}, Theorem 2 (v2 = 0, regression)", "DeyDonoho2024", "derived"),
    _derive_accumulate,
    _prove_product(Accumulate, v2),
)
SUBSAMPLE = Theorem(
    "accumulate-subsample",
    "Training on M points subsampled without replacement from all data kept, the error plateaus: "
    "pi^2/2 - 2 times the real-only error for N = n = M large.",
    "error",
    "Categorical, Gaussian (v2 = -1)",
    "AccumulateSubsample",
    Evidence.IDENTITY,
    (*COMMON, CONSERVED, TWO_REAL),
    (f"{B_} (qualitative)", "derived"),
    _derive_subsample(False),
    _prove_product(AccumulateSubsample, Integer(-1)),
)
BOOTSTRAP = Theorem(
    "accumulate-bootstrap",
    "Training on M points drawn with replacement from all data kept, the error plateaus: "
    "pi^2/3 times the real-only error for N = n = M large.",
    "error",
    "Categorical, Gaussian (v2 = -1)",
    "AccumulateSubsample(replacement=True)",
    Evidence.IDENTITY,
    (*COMMON, CONSERVED),
    ("derived",),
    _derive_subsample(True),
    _prove_product(AccumulateSubsample, Integer(-1), True),
)
SUBSAMPLE_RECURSION = Theorem(
    "accumulate-subsample-recursion",
    "For other families the pool's error and the spread of its points obey an exact two-state recursion.",
    "error",
    ANY,
    "AccumulateSubsample",
    Evidence.RECURSION,
    COMMON,
    ("derived",),
    None,
    _prove_recursion,
)


def _prove_drift() -> tuple[Step, ...]:
    """One weighted step: theta' = theta + a (mean of k samples - theta)."""
    moved = T + a**2 * spread(T) / k
    slope, constant = linear_in(moved, T)
    factor_g = growth(slope, constant, v2)
    return (
        Step("The noise a (mean - theta) has mean 0 and variance a^2 E v(theta)/k", moved, "T' = "),
        Step("With E v(theta) = V + v2 T = G", factor_g, "G'/G = "),
        Step("So G(m) = V prod (1 + v2 a_i^2/k_i) and T = (G - V)/v2", _BY_SIZES, "T(m) = "),
    )


def _prove_algebra() -> tuple[Step, ...]:
    """The noise of an event, and the two laws it must reduce to."""
    noise = c * (V + (1 + v2) * Q - P)  # Q: sum u_k C_kk, P: h'Ch
    one_source = noise.subs({c: 1 / n, Q: T, P: T}, simultaneous=True)
    if simplify(one_source - spread(T) / n) != 0:
        raise Unsolved("the noise of a batch of one model")
    one = law(AccumulateSubsample)
    chosen = one.error.subs({P: 0, Q: 1})
    if simplify(one.error - P - (Q - P) * chosen) != 0:
        raise Unsolved("the noise of a subsample")
    return (
        Step("Batch means and models in order: x_e = h_e x + noise, so that Cov(x_e, x) = h_e C"),
        Step("Noise around the mean P = h'Ch of points whose models have the mean error Q = u.diag C", noise, "var = "),
        Step("A batch of n from one model: c = 1/n, P = Q = T", one_source, "var = "),
        Step("A subsample of M of the pool: the same spread of one point, times", chosen, "c = "),
        Step("A full fit: c = 0. One pass over the events gives the whole covariance, linear in V"),
    )


DRIFT = Theorem(
    "drift-identity",
    "A generation that moves theta by a times the noise of k samples multiplies G = V + v2 T by 1 + v2 a^2/k: "
    "error and diversity are one number, and collapse is sum a_i^2/k_i = infinity.",
    "error",
    ANY,
    "one model, any weights",
    Evidence.IDENTITY,
    COMMON,
    ("derived", "DeyDonoho2024 (v2 = 0, large samples)"),
    None,
    _prove_drift,
)


ALGEBRA = Theorem(
    "workflow-algebra",
    "For any schedule the covariance of all generations is an exact linear recursion: a batch of n "
    "from a mixture g has noise (V + (1+v2) sum g C_kk - g'Cg)/n.",
    "error",
    ANY,
    "Schedule",
    Evidence.RECURSION,
    COMMON,
    ("derived", "DeyDonoho2024 (Gaussian limit)"),
    None,
    _prove_algebra,
)


def theorem_of(family: Family, workflow: Workflow) -> Theorem:
    """The theorem that gives error, diversity and gain of a family under a workflow."""
    match workflow:
        case Replace(synthetic=tuple()):
            return REPLACE_SIZES
        case Replace():
            return REPLACE
        case FixedReal():
            return FIXED_REAL
        case FreshReal(weight=None):
            return FRESH_REAL
        case FreshReal():
            return FRESH_WEIGHTED
        case Accumulate():
            return ACCUMULATE
        case AccumulateSubsample(replacement=replacement):
            if not CONSERVED.holds(family, workflow):
                return SUBSAMPLE_RECURSION
            return BOOTSTRAP if replacement else SUBSAMPLE
        case Schedule():
            return ALGEBRA
    assert_never(workflow)
