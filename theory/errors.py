r"""Error, diversity and their limits for each workflow: the theorems.

All hold for every family with a quadratic variance function, or say for which. The error is
:math:`T_m = E\|\theta_m - \theta\|^2`; the expected variance of a model's samples is :math:`V + v_2 T_m`, and the gain is
:math:`T_m / (V / N)`.
"""

from __future__ import annotations

from typing import Any, assert_never

from sympy import Expr, Integer, cancel, gammasimp, pi, simplify, sqrt

from . import kernel_density, least_norm, regression, unbiased
from .assumption import (
    ANY,
    COMMON,
    CONSERVED,
    GENTLE,
    NO_REPLACEMENT,
    ONE_SIZE,
    OWN_WEIGHT,
    POOLED_WEIGHT,
    SIZES,
    TWO_REAL,
    TWO_SAMPLES,
    WITH_REPLACEMENT,
    under,
)
from .derivation import (
    POOLED,
    derive_accumulate,
    derive_affine,
    derive_drawn,
    derive_sizes,
    end_of_product,
    prove_affine,
    prove_algebra,
    prove_drift,
    prove_product,
    prove_recursion,
    prove_sizes,
    prove_window,
)
from .family import Categorical, Family, KernelDensity, LinearRegression
from .fixed_budget import prove_fixed_budget
from .keep_all import prove_keep_all
from .printed import Printed, Setting
from .symbols import N, V, m, n, nu, v2
from .theorem import Assumption, Evidence, Theorem
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
)

A, B_, C_ = "Seddik2024", "Kazdan2024", "Gerstgrasser2024"


def _variation_as_printed() -> Expr:
    """Collision probability S(m+1) of the partially synthetic workflow as printed in (A), eq. 9."""
    alpha = n / (N + n)
    beta = alpha * ((1 + 1 / N) * alpha - 1 / N)
    over = 1 + (1 + 1 / N) * alpha
    first = (1 + 2 * alpha - (1 - 1 / N) * alpha * beta**m) / (N * over)
    return first + (1 - 1 / N) * (1 - V) / over * (1 + alpha - alpha / N * beta**m)


def _variation() -> Expr:
    """The collision probability S(m+1) beside a fixed real set."""
    diversity: Expr = derive_affine(FixedReal)().diversity
    return 1 - diversity.doit().subs(v2, -1).subs(m, m + 1)


def _diversity(f: Family, w: Workflow, generation: int) -> Any:
    from .answers import diversity

    return diversity(f, w, generation)


def _settled(f: Family, w: Workflow, _generation: None) -> Any:
    """The limit of the error."""
    from .answers import gain_limit

    return gain_limit(f, w) * f.v / first_size(w)


def _equal_batches() -> Expr:
    """The limit of the error under Accumulate with N = n and v2 = -1, in elementary functions."""
    in_root = end_of_product(Accumulate, Integer(-1)).subs(N, n).subs(n, 1 / nu**2)
    return simplify(gammasimp(cancel(in_root))).subs(nu, 1 / sqrt(N))


_TOKENS = (0.4, 0.25, 0.15, 0.1, 0.06, 0.04)
REPLACE = Theorem(
    "replace/equal",
    "Replacing the data each generation, G = V + v2 T is multiplied by 1 + v2/n: diversity decays as "
    "(1 - 1/n)^m for v2 = -1, the error saturates; for v2 >= 0 it grows without bound.",
    "error",
    ANY,
    "Replace",
    Evidence.IDENTITY,
    (*COMMON, TWO_SAMPLES),
    (f"{A}, Theorem 1, eq. 6 (v2 = -1)", "derived"),
    derive_affine(Replace),
    prove_affine(Replace),
    scope=(under(Replace), ONE_SIZE),
)
REPLACE_SIZES = Theorem(
    "replace/growing",
    "With sizes n_i, G = V prod (1 + v2/n_i): collapse exactly when sum 1/n_i diverges, so that "
    "superlinear growth avoids it.",
    "error",
    ANY,
    "Replace with a tuple of sizes",
    Evidence.IDENTITY,
    (*COMMON, TWO_SAMPLES),
    ("Xu2025 (superlinear growth)", f"{C_}, Appendix E (sizes i n)", "derived"),
    derive_sizes,
    prove_sizes,
    scope=(under(Replace), SIZES),
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
    derive_affine(FixedReal),
    prove_affine(FixedReal),
    (
        Printed(
            _variation_as_printed,
            f"{A}, eq. 9: S(m+1)",
            "sign of the last term: alpha/N beta^m must be added. With the "
            "minus sign the formula misses S = 1 when S_0 = 1, and exact enumeration",
            "=",
            lambda f, w, generation: 1 - _diversity(f, w, generation + 1),
            (
                Setting(Categorical(_TOKENS), FixedReal(5, 20), 1),
                Setting(Categorical(_TOKENS), FixedReal(30, 300), 1),
                Setting(Categorical(_TOKENS), FixedReal(100, 1000), 10),
            ),
            _variation,
        ),
    ),
    scope=(under(FixedReal),),
)
FRESH_REAL = Theorem(
    "fresh-real/pooled",
    "With N new real samples in every generation beside n synthetic ones, pooled, the error settles at "
    "N(N+n)/(N^2+2Nn-v2 n) times the real-only error: synthetic data helps wherever v2 <= N, down to one half. In the place of "
    "real samples, as a share alpha of M in all, it costs: the error settles at 1/(1 - alpha^2 - v2 alpha/M) times V/M.",
    "error",
    ANY,
    "FreshReal",
    Evidence.IDENTITY,
    COMMON,
    ("derived", "Alemohammad2024 (qualitative)"),
    derive_affine(FreshReal, POOLED),
    lambda: (*prove_affine(FreshReal, POOLED)(), *prove_fixed_budget()),
    scope=(under(FreshReal), POOLED_WEIGHT),
)
FRESH_WEIGHTED = Theorem(
    "fresh-real/weighted",
    "With weight w on N new real samples and 1 - w on n synthetic ones, the error settles at "
    "(w^2/N + (1-w)^2/n) / (1 - (1-w)^2 (1+v2/n)) times V.",
    "error",
    ANY,
    "FreshReal with a weight",
    Evidence.IDENTITY,
    COMMON,
    ("derived", "He2025 (golden ratio)"),
    derive_affine(FreshReal),
    prove_affine(FreshReal),
    scope=(under(FreshReal), OWN_WEIGHT),
)
ACCUMULATE = Theorem(
    "accumulate",
    "Keeping all data, in batches of any sizes, the error stays below 2 times the real-only error for v2 <= 0, and comes near to "
    "it where the data trickles in; with N = n it tends to n (1 - sinc(n^-1/2)) -> pi^2/6 for v2 = -1.",
    "error",
    ANY,
    "Accumulate",
    Evidence.IDENTITY,
    (*COMMON, GENTLE),
    (f"{C_}, Theorem 2 (v2 = 0, regression)", "DeyDonoho2024", "derived"),
    derive_accumulate,
    lambda: (*prove_product(Accumulate, v2)(), *prove_keep_all()),
    (
        Printed(
            lambda: pi**2 / 6 * V / N,
            f"{C_}, Theorem 2; DeyDonoho2024 (efficiency of at least 6/pi^2)",
            "reached as the batches grow; at each size less, where v2 < 0",
            ">=",
            _settled,
            tuple(Setting(Categorical(_TOKENS), Accumulate(size, size)) for size in (1, 10, 1000)),
            _equal_batches,
        ),
    ),
    scope=(under(Accumulate),),
)
SUBSAMPLE = Theorem(
    "accumulate-subsample/subsample",
    "Training on M points subsampled without replacement from all data kept, the error plateaus: "
    "pi^2/2 - 2 times the real-only error for N = n = M large.",
    "error",
    "Categorical, Gaussian (v2 = -1)",
    "AccumulateSubsample",
    Evidence.IDENTITY,
    (*COMMON, CONSERVED, TWO_REAL),
    (f"{B_} (qualitative)", "derived"),
    derive_drawn(AccumulateSubsample, False),
    prove_product(AccumulateSubsample, Integer(-1)),
    scope=(under(AccumulateSubsample), NO_REPLACEMENT),
)
BOOTSTRAP = Theorem(
    "accumulate-subsample/bootstrap",
    "Training on M points drawn with replacement from all data kept, the error plateaus: "
    "pi^2/3 times the real-only error for N = n = M large.",
    "error",
    "Categorical, Gaussian (v2 = -1)",
    "AccumulateSubsample(replacement=True)",
    Evidence.IDENTITY,
    (*COMMON, CONSERVED),
    ("derived",),
    derive_drawn(AccumulateSubsample, True),
    prove_product(AccumulateSubsample, Integer(-1), True),
    scope=(under(AccumulateSubsample), WITH_REPLACEMENT),
)
SUBSAMPLE_RECURSION = Theorem(
    "accumulate-subsample/recursion",
    "For other families the pool's error and the spread of its points obey an exact two-state recursion.",
    "error",
    ANY,
    "AccumulateSubsample",
    Evidence.RECURSION,
    (*COMMON, TWO_REAL),
    ("derived",),
    None,
    prove_recursion(AccumulateSubsample),
    scope=(under(AccumulateSubsample),),
)
RANDOM_PAST = Theorem(
    "random-past/product",
    "Drawing every sample from a model of the past chosen at random, the truth among them, the error plateaus: as with "
    "Accumulate of equal batches, at n (1 - sinc(n^-1/2)) -> pi^2/6 times the real-only error.",
    "error",
    "Categorical, Gaussian (v2 = -1)",
    "RandomPast",
    Evidence.IDENTITY,
    (*COMMON, CONSERVED),
    (f"{A}, section 4.2 (randomly sampled data, simulated)", "derived"),
    derive_drawn(RandomPast),
    prove_product(RandomPast, Integer(-1)),
    scope=(under(RandomPast),),
)
RANDOM_PAST_RECURSION = Theorem(
    "random-past/recursion",
    "For other families the error of the mean of all models so far and the spread of what they draw obey an exact two-state "
    "recursion.",
    "error",
    ANY,
    "RandomPast",
    Evidence.RECURSION,
    COMMON,
    ("derived",),
    None,
    prove_recursion(RandomPast),
    scope=(under(RandomPast),),
)
SLIDING_WINDOW = Theorem(
    "sliding-window",
    "Drawing n samples from the uniform mixture of the last K models slows collapse by ((K+1)/2)^2 for many samples, and does "
    "not stop it; the K(K+1)/2 covariances of the window obey an exact recursion.",
    "error",
    ANY,
    "SlidingWindow",
    Evidence.RECURSION,
    COMMON,
    (f"{A}, section 4.2 (most recent models, simulated)", "derived"),
    None,
    prove_window,
    scope=(under(SlidingWindow),),
)


ONE_BEFORE = Assumption(
    "a generation moves the model before it by a share of its noise (Replace, Accumulate)",
    lambda _, workflow: isinstance(workflow, Replace | Accumulate),
    "workflow-algebra holds for every workflow",
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
    prove_drift,
    scope=(ONE_BEFORE,),
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
    prove_algebra,
)


def theorem_of(family: Family, workflow: Workflow) -> Theorem:
    """The theorem that gives error, diversity and gain of a family under a workflow."""
    if isinstance(family, LinearRegression):
        if least_norm.thin(family, workflow):
            return least_norm.LEAST_NORM
        return regression.theorem_of(family, workflow)
    if isinstance(family, KernelDensity):
        return kernel_density.theorem_of(family, workflow)
    if unbiased.UNBIASED_ELSEWHERE.holds(family, workflow):
        return unbiased.UNBIASED
    return of_means(family, workflow)


def of_means(family: Family, workflow: Workflow) -> Theorem:
    """The theorem for a family with a quadratic variance function (or one that errs as if it were such a mean)."""
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
        case RandomPast():
            return RANDOM_PAST if CONSERVED.holds(family, workflow) else RANDOM_PAST_RECURSION
        case SlidingWindow():
            return SLIDING_WINDOW
        case Schedule():
            return ALGEBRA
    assert_never(workflow)
