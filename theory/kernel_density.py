r"""Kernel densities: the theorems, and error, spread and second moment of any generation under any workflow."""

from __future__ import annotations

from enum import Enum
from typing import Any, assert_never

import numpy as np

from . import algebra, recursion
from . import arguments as arg
from .assumption import ONE_SIZE, SAMPLES, TWO_REAL, under
from .family import KernelDensity
from .lower import evaluate
from .smoothing import (
    Smoothed,
    derive_smoothed,
    prove_bandwidth,
    prove_pool,
    prove_schedule,
    prove_second,
    prove_smoothed,
    second_moment,
    smoothed,
)
from .symbols import H, M, N, V, m, n, w
from .theorem import Assumption, Derived, Evidence, Theorem
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
)

B_ = "Kazdan2024"


def _unequal(workflow: Workflow) -> bool:
    return isinstance(workflow, Schedule) or isinstance(getattr(workflow, "synthetic", None), tuple)


TWO_MOMENTS = Assumption(
    "the truth has a variance; kernels are centred, and their variance is bandwidth^2", lambda *_: True, ""
)
KERNELS = Assumption(
    "the family is KernelDensity",
    lambda family, _: isinstance(family, KernelDensity),
    "ask for the diversity and the error of other families",
)
SUBSAMPLED = Assumption(
    TWO_REAL.text,
    lambda family, workflow: not isinstance(workflow, AccumulateSubsample) or TWO_REAL.holds(family, workflow),
    TWO_REAL.remedy,
)
ONE_BANDWIDTH = Assumption(
    "all generations have one bandwidth",
    lambda family, _: isinstance(family, KernelDensity) and not isinstance(family.bandwidth, tuple),
    "with a tuple of bandwidths kernel-density/algebra holds",
)
_COMMON = (SAMPLES, KERNELS, TWO_MOMENTS)

KERNEL_REPLACE = Theorem(
    "kernel-density/replace",
    "Replacing the data each generation, the spread of a kernel density settles at n h^2 whatever the truth was, and "
    "its mean wanders off: the second moment about the truth grows by h^2 a generation.",
    "error",
    "KernelDensity",
    "Replace",
    Evidence.IDENTITY,
    _COMMON,
    (f"{B_} (qualitative)", "derived"),
    derive_smoothed(Replace),
    prove_smoothed(Replace),
    scope=(KERNELS, under(Replace), ONE_SIZE, ONE_BANDWIDTH),
)
KERNEL_FIXED = Theorem(
    "kernel-density/fixed-real",
    "Keeping N real points beside n synthetic ones, a kernel density's second moment settles at h^2 (N+n)/N above that of "
    "the truth, and its error stays bounded.",
    "error",
    "KernelDensity",
    "FixedReal",
    Evidence.IDENTITY,
    _COMMON,
    ("derived",),
    derive_smoothed(FixedReal),
    prove_smoothed(FixedReal),
    scope=(KERNELS, under(FixedReal), ONE_BANDWIDTH),
)
KERNEL_FRESH = Theorem(
    "kernel-density/fresh-real",
    "With weight w on N new real points a kernel density's second moment settles at h^2/w above that of the truth, pooled "
    "(w = N/(N+n)) as beside a fixed real set, and its error stays bounded.",
    "error",
    "KernelDensity",
    "FreshReal, pooled or with a weight",
    Evidence.IDENTITY,
    _COMMON,
    ("derived",),
    derive_smoothed(FreshReal),
    prove_smoothed(FreshReal),
    scope=(KERNELS, under(FreshReal), ONE_BANDWIDTH),
)
KERNEL_ACCUMULATE = Theorem(
    "kernel-density/accumulate",
    "Keeping all data, a kernel density's error settles although its spread grows like h^2 ln m without end; trained on M points "
    "of that data, its error grows without end too, like h^2 ln(m)/M.",
    "error",
    "KernelDensity",
    "Accumulate, AccumulateSubsample",
    Evidence.RECURSION,
    (*_COMMON, SUBSAMPLED),
    (f"{B_} (qualitative)", "derived"),
    None,
    lambda: prove_pool(Accumulate)() + prove_pool(AccumulateSubsample)(),
    scope=(KERNELS, under(Accumulate, AccumulateSubsample), ONE_BANDWIDTH),
)
KERNEL_ALGEBRA = Theorem(
    "kernel-density/algebra",
    "For any schedule, and for bandwidths that change, the covariance of all generations of a kernel density is an exact "
    "linear recursion, beside that of their second moments.",
    "error",
    "KernelDensity",
    "Schedule, Replace with a tuple of sizes, or a tuple of bandwidths",
    Evidence.RECURSION,
    _COMMON,
    ("derived",),
    None,
    prove_schedule,
)
KERNEL_SECOND = Theorem(
    "kernel-density/second-moment",
    "Where data accumulates, subsampled or not, a kernel density's second moment about the truth is that of the truth "
    "plus h^2 (1 + psi(N/n+m) - psi(N/n+1)): it grows like h^2 ln m. With bandwidths h_t it stays bounded exactly when "
    "sum h_t^2/t is finite, under replace exactly when sum h_t^2 is: any power decay is fast enough for the one only.",
    "second_moment",
    "KernelDensity",
    "Replace, Accumulate, AccumulateSubsample (the formula: where data accumulates, one bandwidth)",
    Evidence.IDENTITY,
    _COMMON,
    (f"{B_} (qualitative: a bandwidth that shrinks fast enough)", "derived"),
    lambda: Derived(second_moment(Accumulate)),
    lambda: prove_second() + prove_bandwidth(),
    scope=(KERNELS, under(Accumulate, AccumulateSubsample), ONE_BANDWIDTH),
)
KERNEL = (KERNEL_REPLACE, KERNEL_FIXED, KERNEL_FRESH, KERNEL_ACCUMULATE, KERNEL_ALGEBRA, KERNEL_SECOND)


def theorem_of(family: KernelDensity, workflow: Workflow) -> Theorem:
    """The theorem that gives error and diversity of a kernel density under a workflow."""
    if isinstance(family.bandwidth, tuple) or _unequal(workflow):
        return KERNEL_ALGEBRA
    match workflow:
        case Replace():
            return KERNEL_REPLACE
        case FixedReal():
            return KERNEL_FIXED
        case FreshReal():
            return KERNEL_FRESH
        case Accumulate() | AccumulateSubsample():
            return KERNEL_ACCUMULATE
        case SlidingWindow() | RandomPast() | Schedule():
            return KERNEL_ALGEBRA
    assert_never(workflow)


def second_moment_of(family: KernelDensity, workflow: Workflow) -> Theorem:
    """The theorem that gives the second moment of a kernel density under a workflow."""
    accumulates = isinstance(workflow, Accumulate | AccumulateSubsample) and not isinstance(family.bandwidth, tuple)
    return KERNEL_SECOND if accumulates else theorem_of(family, workflow)


class Moment(Enum):
    """What is asked of a model, over V."""

    ERROR = "error"
    SPREAD = "diversity"
    SECOND = "second_moment"

    @property
    def truth(self) -> float:
        """Its value at generation 0."""
        return 0.0 if self is Moment.ERROR else 1.0


def unrolls(f: KernelDensity, workflow: Workflow) -> bool:
    """Whether the workflow algebra answers, generation by generation, and not a formula."""
    return theorem_of(f, workflow) is KERNEL_ALGEBRA


def table(moment: Moment, f: KernelDensity, workflow: Workflow, last: int | None) -> Any:
    """The moment of generations 1, 2, ... up to ``last`` (None: as many as there are), by the workflow algebra."""
    widths: Any = f.bandwidth if isinstance(f.bandwidth, tuple) else None
    if last is None:
        ends = [] if widths is None else [len(widths)]
        if isinstance(workflow, Schedule):
            ends.append(workflow.generations)
        if isinstance(workflow, Replace) and isinstance(workflow.synthetic, tuple):
            ends.append(len(workflow.synthetic) + 1)
        if not ends:
            raise arg.refuse(moment.value, "generation", "traced", "static here: call it outside jit, vmap and grad")
        last = min(ends)
    elif widths is not None and last > len(widths):
        raise arg.refuse("KernelDensity", "bandwidth", widths, f"bandwidths of {len(widths)} models: give more to ask for "
                         f"generation {last}, or one number for all")  # fmt: skip
    generations = max(last, 1)
    widths = [f.bandwidth] * generations if widths is None else widths[:generations]
    error, second = algebra.smoothed(workflow, [_added(f, each) for each in widths], generations)
    return {Moment.ERROR: error, Moment.SPREAD: second - error, Moment.SECOND: second}[moment]


def value(moment: Moment, f: KernelDensity, workflow: Workflow, generation: Any) -> Any:
    """The moment of generations from 1 on, where the bandwidth and the sizes stay the same."""
    forms = theorem_of(f, workflow)
    if moment is Moment.SECOND:
        return evaluate(second_moment(type(workflow)), _values(f, workflow) | {m: generation})
    if forms.derive is not None:
        form = forms.derived.expression if moment is Moment.ERROR else forms.derived.diversity
        return evaluate(form, _values(f, workflow) | {m: generation})
    arg.steps(moment.value, generation)
    one = _law(workflow)
    return recursion.value(
        one.law, one.law.error if moment is Moment.ERROR else one.spread, *_given(f, workflow), generation
    )


def limit(f: KernelDensity, workflow: Workflow) -> Any:
    """The limit of the error over V: infinite where the spread is, and what is drawn from it is not averaged out."""
    forms = theorem_of(f, workflow)
    if forms.derive is not None:
        return evaluate(forms.derived.limit, _values(f, workflow))
    if isinstance(workflow, AccumulateSubsample | SlidingWindow | RandomPast):
        return np.inf
    one, (letters, given) = _law(workflow), _given(f, workflow)
    if arg.is_traced(*given):
        raise arg.refuse("gain_limit", "w", "traced", "the limit of this recursion is worked out from concrete numbers: "
                         "call it outside the transformation, or ask for a late generation")  # fmt: skip

    def settled(*numbers: float) -> float:
        return recursion.limit(one.law, letters, numbers)

    return arg.scalar(np.vectorize(settled)(*(np.asarray(each, float) for each in given)))


def _law(workflow: Workflow) -> Smoothed:
    kind: type = type(workflow)
    return smoothed(kind, getattr(workflow, "replacement", False))


def _added(f: KernelDensity, bandwidth: Any) -> Any:
    """H over V: the variance that a kernel adds over that of the truth."""
    return arg.ratio(bandwidth * bandwidth, f.variance)


def _values(f: KernelDensity, workflow: Workflow) -> dict[Any, Any]:
    values = {V: 1.0, H: _added(f, f.bandwidth), N: workflow.real, n: workflow.synthetic}
    if isinstance(workflow, AccumulateSubsample):
        values[M] = workflow.train
    if isinstance(workflow, FreshReal):
        pooled = workflow.real / (workflow.real + workflow.synthetic)
        values[w] = pooled if workflow.weight is None else workflow.weight
    return values


def _given(f: KernelDensity, workflow: Workflow) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The letters of a recursion and their values."""
    values = _values(f, workflow)
    letters = (N, n, H, M) if M in values else (N, n, H)
    return letters, tuple(values[letter] for letter in letters)
