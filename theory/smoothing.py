r"""The numbers of kernel densities: error, spread and second moment of any generation under any workflow."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from sympy import Expr

from . import algebra, recursion
from . import arguments as arg
from .derivation import POOLED
from .family import KernelDensity
from .kernel_density import KERNEL_ALGEBRA, Smoothed, second_moment, smoothed, theorem_of
from .lower import evaluate
from .symbols import H, M, N, V, m, n, w
from .workflow import AccumulateSubsample, FreshReal, Replace, Schedule, Workflow


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
        weight = _weight(workflow)
        return evaluate(second_moment(type(workflow), weight), _values(f, workflow) | {m: generation})
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
    if isinstance(workflow, AccumulateSubsample):
        return np.inf
    one, (letters, given) = _law(workflow), _given(f, workflow)
    if arg.is_traced(*given):
        raise arg.refuse("gain_limit", "w", "traced", "the limit of this recursion is extrapolated from concrete numbers: "
                         "call it outside the transformation, or ask for a late generation")  # fmt: skip
    if np.any(np.asarray(workflow.real) > MOST * np.asarray(workflow.synthetic)):
        raise arg.refuse("gain_limit", "w", workflow, "a limit that so few synthetic samples reach too late to be computed: "
                         f"use at least real/{MOST:,}")  # fmt: skip

    def settled(*numbers: float) -> float:
        generations = recursion.doubled(numbers[0] / numbers[1])
        return recursion.extrapolated(recursion.value(one.law, one.law.error, letters, numbers, generations), 1.0)

    return arg.scalar(np.vectorize(settled)(*(np.asarray(each, float) for each in given)))


MOST = recursion.SHORTEST**2  # real samples for each synthetic one up to which the limit is extrapolated


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
    if isinstance(workflow, FreshReal) and workflow.weight is not None:
        values[w] = workflow.weight
    return values


def _weight(workflow: Workflow) -> Expr:
    return POOLED if isinstance(workflow, FreshReal) and workflow.weight is None else w


def _given(f: KernelDensity, workflow: Workflow) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The letters of a recursion and their values."""
    values = _values(f, workflow)
    letters = (N, n, H, M) if M in values else (N, n, H)
    return letters, tuple(values[letter] for letter in letters)
