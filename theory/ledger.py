"""The ledger: every theorem in reading order, and which of them answers a question.

A theorem of several cases is put together here, of what the subjects' own files derive.
"""

from __future__ import annotations

from typing import Any

from . import (
    absence,
    bounds,
    collapse,
    coverage,
    curated,
    errors,
    extinction,
    immigration,
    l1,
    logarithm,
    narrowed,
    no_free_lunch,
    pilot,
    plateau,
    provenance,
    purchase,
    recovery,
    regenerated,
    safe,
    self_distillation,
    stopping,
    stream,
    strong_collapse,
    survival,
    teacher,
    temperature,
    temporal,
    verified,
    weight,
    worth,
    zipf,
)
from . import arguments as arg
from .beats_real import BEATS
from .certified import CERTIFIED
from .coalescent import COALESCENT
from .family import Family, KernelDensity
from .gaussian import HALF_LIFE, MOMENTS
from .integrated_error import INTEGRATED
from .kernel_density import KERNEL, second_moment_of
from .least_norm import LEAST_NORM
from .regression import REGRESSION, REGRESSION_DESIGN
from .smoothing_last import LAST
from .theorem import Theorem, of_cases
from .unbiased import UNBIASED
from .workflow import AccumulateSubsample, FixedReal, FreshReal, Replace, Workflow

THEOREMS: tuple[Theorem, ...] = (
    # means under every workflow
    errors.DRIFT,
    errors.ALGEBRA,
    of_cases(
        "Replacing the data each generation, G = V + v2 T is multiplied by 1 + v2/n_i: with sizes that stay diversity decays "
        "geometrically, and only sizes n_i with a finite sum of 1/n_i avoid collapse.",
        errors.REPLACE,
        errors.REPLACE_SIZES,
    ),
    errors.FIXED_REAL,
    of_cases(
        "With N new real samples in every generation beside n synthetic ones the error settles, however they are weighed; "
        "pooled, synthetic data helps wherever v2 <= N.",
        errors.FRESH_REAL,
        errors.FRESH_WEIGHTED,
    ),
    errors.ACCUMULATE,
    of_cases(
        "Training on M points of all data kept, the error plateaus: for N = n = M large at pi^2/2 - 2 times the real-only error "
        "without replacement, at pi^2/3 times with.",
        errors.SUBSAMPLE,
        errors.BOOTSTRAP,
        errors.SUBSAMPLE_RECURSION,
    ),
    of_cases(
        "Drawing every sample from a model of the past chosen at random, the truth among them, the error plateaus as where equal "
        "batches are all kept.",
        errors.RANDOM_PAST,
        errors.RANDOM_PAST_RECURSION,
    ),
    errors.SLIDING_WINDOW,
    of_cases(
        "How much synthetic data keeps the long-run error within 1 + eps times that of real data alone: none where data is "
        "replaced; up to an amount beside a fixed real set; any amount beside new real samples; large batches where all is kept.",
        *safe.SAFE,
    ),
    BEATS,
    # diversity and tails
    of_cases(
        "Where data is replaced one token is left in the end: when, from one (n+1) x (n+1) matrix, after at most about 2n "
        "generations in the mean.",
        collapse.TIME,
        collapse.PROBABILITY,
        collapse.DIFFUSION,
        collapse.UPPER_BOUND,
    ),
    COALESCENT,
    of_cases(
        "The expected L1 distance of a model from the truth or from the first model is a sum over tokens and counts of one chain "
        "each; the error bounds it from both sides.",
        l1.L1_ERROR,
        l1.L1_DRIFT,
        bounds.DRIFT_BOUND,
        workflow="Replace, FixedReal, Accumulate; bounds: every workflow",
    ),
    of_cases(
        "How many tokens are alive: exactly from the chain of a token's count; all that were seen where the real set is kept; at "
        "least those of one thinned real corpus under every workflow.",
        survival.SURVIVORS_CHAIN,
        survival.SURVIVORS_KEPT,
        survival.SURVIVORS_THINNED,
        workflow="every workflow",
    ),
    extinction.EXTINCTION,
    coverage.COVERAGE,
    zipf.ZIPF,
    immigration.MIN_REAL,
    absence.ABSENCE,
    recovery.RECOVERY,
    CERTIFIED,
    temporal.TEMPORAL,
    # worth of synthetic data
    worth.WORTH,
    plateau.CONTAMINATION,
    strong_collapse.STRONG_COLLAPSE,
    pilot.PILOT,
    purchase.PURCHASE,
    teacher.TEACHER,
    no_free_lunch.NO_FREE_LUNCH,
    self_distillation.SELF_DISTILLATION,
    # weights and streams
    weight.WEIGHT,
    stream.STREAM,
    provenance.EFFECTIVE,
    # selection
    of_cases(
        "Verified labels teach the right thing once they are right with more than psi/(phi+psi); how right the classifier is "
        "that they teach is one integral, and from it follows whether a verifier pays.",
        verified.VERIFICATION,
        verified.ACCURACY,
        regenerated.REGENERATION,
    ),
    stopping.STOPPING,
    temperature.WINDOW,
    narrowed.BIAS,
    curated.CURATED,
    # families
    of_cases(
        "Under Replace the logarithm of a variance falls, by about (d+1)/(2n) a generation beside the 1/n of the divisor, and "
        "its values part like random walks: nearly every chain dies even where the mean variance stands still.",
        logarithm.LOG_VARIANCE,
        logarithm.SPREAD,
        HALF_LIFE,
        logarithm.LOG_MEAN,
    ),
    of_cases(
        "Under Replace moments of a Gaussian's variance are products, one factor a generation. By divisor n its Wasserstein "
        "distance from the truth stays bounded, with the unbiased variance not; its loss on data of the truth explodes.",
        *MOMENTS,
    ),
    UNBIASED,
    of_cases(
        "Least squares with redrawn covariates err as means do, and more by what their dimension takes from n: without bound "
        "under replace, less than pi^2/6 times one fit where equal batches are kept.",
        *REGRESSION,
    ),
    REGRESSION_DESIGN,
    LEAST_NORM,
    of_cases(
        "Of what smoothing adds, h^2 of second moment a generation, a workflow keeps a share: without end under replace, like "
        "h^2 ln m where all is kept, a bounded amount beside real points.",
        *KERNEL,
        workflow="every workflow",
    ),
    of_cases(
        "The integrated squared error of a kernel density obeys an exact recursion at each frequency, for any workflow and "
        "bandwidths; drawing without smoothing and smoothing once at the end errs less.",
        INTEGRATED,
        LAST,
        workflow="every workflow",
    ),
)
FORMS: tuple[Theorem, ...] = tuple(form for each in THEOREMS for form in each.forms)


def theorems() -> tuple[Theorem, ...]:
    """Every theorem, in reading order.

    >>> theorems()[0].name
    'drift-identity'
    """
    return THEOREMS


def named(name: str) -> Theorem:
    """The theorem of that name, or the case of a theorem ("replace/growing"); InputError lists the nearest names."""
    import difflib

    found = [each for each in (*THEOREMS, *FORMS) if each.name == name]
    if found:
        return found[0]
    names = list(dict.fromkeys(each.name for each in (*THEOREMS, *FORMS)))  # one without cases is its own form
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.3) or names
    raise arg.refuse("theorems", "name", name, f"no theorem of that name; perhaps {', '.join(near)}")


def answering(question: Any, f: Family, w: Workflow) -> Theorem:
    """The theorem behind a public function for a family and a workflow, its assumptions checked."""
    name = question if isinstance(question, str) else getattr(question, "__name__", repr(question))
    match name:
        case "error" | "diversity" | "gain" | "gain_limit":
            theorem = errors.theorem_of(f, w)
        case "survivors" | "loss_probability":
            theorem = survival.theorem_of(f, w)
        case "collapse_time":
            theorem = collapse.TIME if collapse.CHAINED.holds(f, w) else collapse.DIFFUSION
        case "max_synthetic":
            theorem = _safe(w)
        case "second_moment" if isinstance(f, KernelDensity):
            theorem = second_moment_of(f, w)
        case _ if name in ALSO:
            theorem = ALSO[name]
        case _:
            found = [each for each in FORMS if each.quantity == name]
            if not found:
                raise arg.refuse("explain", "question", name, "one of " + ", ".join(sorted(QUESTIONS)))
            theorem = found[0]
    return theorem.stated_for("explain", f, w)


ALSO = {  # functions beside the one that a theorem is named by
    "effective_corpus": coverage.COVERAGE,
    "keep_all_gain": errors.ACCUMULATE,
    "keep_all_gain_upper_bound": errors.ACCUMULATE,
    "l1_error_upper_bound": l1.L1_ERROR,
    "min_real_present": absence.ABSENCE,
    "replaceable_share": errors.FRESH_REAL,
}
QUESTIONS = {each.quantity for each in FORMS} | {*ALSO, "diversity", "gain", "gain_limit", "loss_probability"}


def _safe(w: Workflow) -> Theorem:
    match w:
        case Replace():
            return safe.NONE
        case FixedReal():
            return safe.SAFE_FIXED
        case FreshReal():
            return safe.SAFE_FRESH
        case AccumulateSubsample():
            return safe.SAFE_SUBSAMPLE
        case _:
            return safe.SAFE_ACCUMULATE
