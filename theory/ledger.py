"""The ledger: every theorem in reading order, and which of them answers a question."""

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
    verified,
    weight,
    worth,
    zipf,
)
from . import arguments as arg
from .beats_real import BEATS
from .family import Family, KernelDensity
from .gaussian import MOMENTS
from .integrated_error import INTEGRATED
from .kernel_density import KERNEL, second_moment_of
from .least_norm import LEAST_NORM
from .regression import REGRESSION
from .smoothing_last import LAST
from .theorem import Theorem
from .unbiased import UNBIASED
from .workflow import AccumulateSubsample, FixedReal, FreshReal, Replace, Workflow

THEOREMS: tuple[Theorem, ...] = (
    # means under every workflow
    errors.DRIFT,
    errors.ALGEBRA,
    errors.REPLACE,
    errors.REPLACE_SIZES,
    errors.FIXED_REAL,
    errors.FRESH_REAL,
    errors.FRESH_WEIGHTED,
    errors.ACCUMULATE,
    errors.SUBSAMPLE,
    errors.BOOTSTRAP,
    errors.SUBSAMPLE_RECURSION,
    errors.RANDOM_PAST,
    errors.RANDOM_PAST_RECURSION,
    errors.SLIDING_WINDOW,
    *safe.SAFE,
    BEATS,
    # diversity and tails
    collapse.PROBABILITY,
    collapse.TIME,
    collapse.DIFFUSION,
    collapse.UPPER_BOUND,
    l1.L1_ERROR,
    l1.L1_DRIFT,
    bounds.DRIFT_BOUND,
    survival.SURVIVORS_CHAIN,
    survival.SURVIVORS_KEPT,
    survival.SURVIVORS_THINNED,
    extinction.EXTINCTION,
    coverage.COVERAGE,
    zipf.ZIPF,
    immigration.MIN_REAL,
    absence.ABSENCE,
    recovery.RECOVERY,
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
    verified.VERIFICATION,
    verified.ACCURACY,
    regenerated.REGENERATION,
    stopping.STOPPING,
    temperature.WINDOW,
    narrowed.BIAS,
    curated.CURATED,
    # families
    logarithm.LOG_VARIANCE,
    logarithm.SPREAD,
    logarithm.LOG_MEAN,
    *MOMENTS,
    UNBIASED,
    *REGRESSION,
    LEAST_NORM,
    *KERNEL,
    INTEGRATED,
    LAST,
)


def theorems() -> tuple[Theorem, ...]:
    """Every theorem, in reading order.

    >>> theorems()[0].name
    'drift-identity'
    """
    return THEOREMS


def named(name: str) -> Theorem:
    """The theorem of that name; InputError lists the nearest names."""
    import difflib

    found = [each for each in THEOREMS if each.name == name]
    if found:
        return found[0]
    names = [each.name for each in THEOREMS]
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
        case "effective_corpus":
            theorem = coverage.COVERAGE
        case "l1_error_upper_bound":
            theorem = l1.L1_ERROR
        case "min_real_present":
            theorem = absence.ABSENCE
        case "max_synthetic":
            theorem = _safe(w)
        case "second_moment" if isinstance(f, KernelDensity):
            theorem = second_moment_of(f, w)
        case _:
            found = [each for each in THEOREMS if each.quantity == name]
            if not found:
                raise arg.refuse("explain", "question", name, "one of " + ", ".join(sorted(QUESTIONS)))
            theorem = found[0]
    return theorem.stated_for("explain", f, w)


QUESTIONS = {each.quantity for each in THEOREMS} | {
    "diversity",
    "effective_corpus",
    "gain",
    "gain_limit",
    "l1_error_upper_bound",
    "loss_probability",
    "min_real_present",
}


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
