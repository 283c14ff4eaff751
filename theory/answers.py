r"""The questions a user asks, answered by the theorem that holds for the family and the workflow.

Generation 0 is the truth, generation 1 the first model, fitted on real data alone. Every function takes numbers or arrays
of generations; with JAX arrays anywhere it works under ``jit``, ``vmap`` and ``grad``, else in float64 without JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Expr

from . import algebra, errors, kernel_density, least_norm, recursion, unbiased
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .family import Family, KernelDensity, LinearRegression
from .kernel_density import Moment
from .least_norm import LEAST_NORM
from .lower import evaluate
from .regression import REGRESSION_DESIGN, inflation, one_fit
from .stable import LogarithmicQuotient
from .symbols import L, M, N, V, d, m, n, signal, v2, w
from .symbols import f as spare
from .theorem import Evidence, Theorem
from .traced import or_nan
from .unbiased import UNBIASED
from .workflow import AccumulateSubsample, FixedReal, FreshReal, Replace, Schedule, Workflow

LOST = (
    1e18  # stands for the infinite drift of a generation of one sample: what it multiplies and divides must be finite
)
LATE = (
    "the limit of this recursion is worked out from concrete numbers: call it outside the transformation, or ask for a "
    "late generation"
)


def error(f: Family, w: Workflow, generation: Any) -> Any:
    r""":math:`E\|\theta_m - \theta\|^2`, the squared error of the mean parameter of generation m.

    Categorical: squared L2 distance of the probabilities. Gaussian: of the mean, summed over dimensions. Exact at every
    sample size. ``generation``: whole, any shape; the result has its shape (broadcast with array parameters).

    Raises InputError for a generation below 0 or fractional, and where an assumption of the theorem fails.
    Source: derived; `explain(error, f, w)` says from what.

    >>> from modelcollapse import theory
    >>> round(theory.error(theory.Categorical([0.5, 0.5]), theory.Replace(2), 1), 6)
    0.25
    """
    return or_nan(_scaled("error", f, w, generation, families.check("error", f).v), f, w, generation=generation)


def diversity(f: Family, w: Workflow, generation: Any) -> Any:
    r""":math:`E\,v(\theta_m)`: Categorical :math:`E(1 - \|p_m\|^2)`; other families over :math:`v(\theta)`, 1 at the truth.

    It is :math:`V + v_2 T_m` with the error :math:`T_m`, computed without cancelling.

    >>> from modelcollapse import theory
    >>> theory.diversity(theory.Categorical([0.5, 0.5]), theory.Replace(2), [0, 1, 2]).round(6).tolist()
    [0.5, 0.25, 0.125]
    """
    theorem = _answering("diversity", f, w)
    unit = families.true_diversity(families.check("diversity", f))
    if isinstance(f, KernelDensity):
        result = _smoothed("diversity", Moment.SPREAD, f, w, generation)
    elif isinstance(f, LinearRegression):  # the noise is known
        result = arg.scalar(unit + 0.0 * _scaled("diversity", f, w, generation, unit))
    elif theorem is UNBIASED:
        result = _unbiased("diversity", Moment.SPREAD, w, generation) * unit
    elif isinstance(f, families.Gaussian) and f.unbiased:
        result = _from_truth(generation, lambda at: unit + 0.0 * (at + w.real), unit)
    elif theorem.derive is None:
        result = arg.scalar(unit + _real(f.v2) * _scaled("diversity", f, w, generation, unit))
    else:
        result = _from_truth(generation, lambda at: _value(theorem.derived.diversity, f, w, at) * unit, unit)
    return or_nan(result, f, w, generation=generation)


def second_moment(f: KernelDensity, w: Workflow, generation: Any) -> Any:
    r"""Expected second moment of model m about the true mean, over :math:`v(\theta)`: 1 at the truth.

    It is the diversity plus the error over v: all of it comes from the truth and from smoothing. For a `KernelDensity`.

    >>> from modelcollapse import theory
    >>> theory.second_moment(theory.KernelDensity(0.5), theory.Replace(20), [0, 1, 5]).tolist()
    [1.0, 1.25, 2.25]
    """
    families.check("second_moment", f)
    if not isinstance(f, KernelDensity):
        raise arg.refuse(
            "second_moment", "f", f, "a KernelDensity; ask for the diversity and the error of other families"
        )
    return or_nan(_smoothed("second_moment", Moment.SECOND, f, w, generation), f, w, generation=generation)


def gain(f: Family, w: Workflow, generation: Any) -> Any:
    r"""The error in units of the error of one fit on the real data: :math:`T_m / (v(\theta)/N)`.

    It depends on the family through ``v2`` only. It may exceed 1 at generation 1 where less than ``real`` is trained on.

    >>> from modelcollapse import theory
    >>> float(round(theory.gain(theory.Poisson(3.0), theory.Replace(20), 7), 9))
    7.0
    """
    families.check("gain", f)
    scale = 1.0 * workflows.first_size(workflows.check("gain", w))
    return or_nan(_scaled("gain", f, w, generation, scale), f, w, generation=generation)


def gain_limit(f: Family, w: Workflow) -> Any:
    r"""The gain as :math:`m \to \infty`; infinite only where the error grows without bound.

    Raises InputError for a Schedule or a tuple of sizes, which end.

    >>> from modelcollapse import theory
    >>> round(theory.gain_limit(theory.Categorical([0.5, 0.5]), theory.FixedReal(real=1000, synthetic=10**9)), 4)
    1.4993
    """
    theorem = _answering("gain_limit", f, w)
    if isinstance(w, Schedule) or (isinstance(w, Replace) and isinstance(w.synthetic, tuple)):
        raise arg.refuse("gain_limit", "w", w, "a workflow without end: this one stops at its last size or row")
    if isinstance(f, KernelDensity):
        if isinstance(f.bandwidth, tuple):
            raise arg.refuse("gain_limit", "f", f, "one bandwidth for all generations: this tuple ends")
        return or_nan(arg.scalar(kernel_density.limit(f, w) * w.real), f, w)
    if theorem is UNBIASED:
        if arg.is_traced(w.real, w.synthetic) and not isinstance(w, FreshReal | FixedReal):
            raise arg.refuse("gain_limit", "w", "traced", LATE)
        return or_nan(arg.scalar(unbiased.limit_over_v(w) * w.real), f, w)
    if theorem is LEAST_NORM:
        settled = errors.of_means(f, w).derived.limit if _on_one_design(f) else theorem.derived.limit
        lost, passed = _least_norm(f, w)
        return or_nan(arg.scalar(w.real * (lost + passed * _value(settled, f, w, None))), f, w)
    if theorem is REGRESSION_DESIGN:
        return or_nan(
            arg.scalar(_value(errors.of_means(f, w).derived.limit, f, w, None) * w.real * _inflation(f, w)), f, w
        )
    if theorem.evidence is Evidence.RECURSION:
        if arg.is_traced(w.real, w.synthetic, getattr(w, "train", None), f.v2):
            raise arg.refuse("gain_limit", "w", "traced", LATE)
        return arg.scalar(w.real * recursion.limit_over_v(w, float(f.v2)))
    return or_nan(arg.scalar(_value(theorem.derived.limit, f, w, None) * w.real), f, w)


def explain(question: Any, f: Family, w: Workflow) -> Theorem:
    """The theorem that answers ``question`` (one of this package's functions) for the family and the workflow.

    >>> from modelcollapse import theory
    >>> theory.explain(theory.gain, theory.Poisson(1.0), theory.Accumulate(10, 10)).name
    'accumulate'
    """
    from . import ledger

    return ledger.answering(question, families.check("explain", f), workflows.check("explain", w))


def _answering(owner: str, f: Family, w: Workflow) -> Theorem:
    families.check(owner, f)
    return errors.theorem_of(f, workflows.check(owner, w)).require(owner, f, w)


def _scaled(owner: str, f: Family, w: Workflow, generation: Any, scale: Any) -> Any:
    """Error over V, times the scale; 0 at generation 0."""
    theorem = _answering(owner, f, w)
    if isinstance(f, KernelDensity):
        return arg.scalar(scale * _smoothed(owner, Moment.ERROR, f, w, generation))
    if theorem is UNBIASED:
        return arg.scalar(scale * _unbiased(owner, Moment.ERROR, w, generation))
    whole = arg.generation(owner, generation)
    if theorem is LEAST_NORM:
        return _of_least_norm(owner, f, w, whole, scale)
    if theorem is REGRESSION_DESIGN:
        theorem, scale = errors.of_means(f, w), scale * _inflation(f, w)
    return _in_units(owner, theorem, f, w, whole, scale)


def _in_units(owner: str, theorem: Theorem, f: Family, w: Workflow, whole: Any, scale: Any) -> Any:
    """What a theorem says of the error over V, times the scale."""
    if isinstance(w, Schedule):
        return arg.scalar(_indexed(algebra.error(w, f.v2, w.generations), owner, whole) * scale)
    if theorem.evidence is Evidence.RECURSION:
        arg.steps(owner, whole)
        return _from_truth(whole, lambda at: scale * recursion.error_over_v(w, _real(f.v2), at), 0.0)
    return _from_truth(whole, lambda at: scale * _value(theorem.derived.expression, f, w, at), 0.0)


def _smoothed(owner: str, moment: Moment, f: KernelDensity, w: Workflow, generation: Any) -> Any:
    """A moment of a kernel density over V."""
    _answering(owner, f, w)
    whole = arg.generation(owner, generation)
    if kernel_density.unrolls(f, w):
        last = None if arg.is_traced(whole) or isinstance(w, Schedule) else int(np.max(whole))
        return arg.scalar(_indexed(kernel_density.table(moment, f, w, last), owner, whole, moment.truth))
    return _from_truth(whole, lambda at: kernel_density.value(moment, f, w, at), moment.truth)


def _unbiased(owner: str, moment: Moment, w: Workflow, generation: Any) -> Any:
    """A moment of a Gaussian with unbiased variance over V, where it has a theorem of its own."""
    whole = arg.generation(owner, generation)
    if unbiased.unrolls(w):
        last = None if arg.is_traced(whole) else int(np.max(whole))
        error, spread = unbiased.table(w, last)
        return arg.scalar(_indexed(error if moment is Moment.ERROR else spread, owner, whole, moment.truth))
    arg.steps(owner, whole)
    value = unbiased.error_over_v if moment is Moment.ERROR else unbiased.spread_over_v
    return _from_truth(whole, lambda at: value(w, at), moment.truth)


def _on_one_design(f: Family) -> bool:
    return isinstance(f, LinearRegression) and not f.redrawn


def _least_norm(f: Family, w: Workflow) -> tuple[Any, Any]:
    """What a fit with fewer samples than covariates loses for ever, over V, and what it multiplies the error of means by."""
    if not _on_one_design(f):
        return 0.0, 1.0
    values = {N: workflows.whole_sets(w)[0], d: f.dimension, V: 1.0, signal: least_norm.signal_over_v(f)}
    lost, passed = ((1 - least_norm.kept(N)) * signal, N * least_norm.noise(N))
    return evaluate(lost, values), evaluate(passed, values)


def _of_least_norm(owner: str, f: Family, w: Workflow, whole: Any, scale: Any) -> Any:
    """The same of least squares with fewer samples than covariates."""
    if _on_one_design(f):
        lost, passed = _least_norm(f, w)
        means = _in_units(owner, errors.of_means(f, w), f, w, whole, scale * passed)
        return _from_truth(whole, lambda at: means + scale * lost + 0.0 * at, 0.0)
    if isinstance(w, Replace) and isinstance(w.synthetic, tuple):
        return arg.scalar(scale * _indexed(least_norm.over_sizes(f, w), owner, whole))
    return _from_truth(whole, lambda at: scale * _value(LEAST_NORM.derived.expression, f, w, at), 0.0)


def _inflation(f: Family, workflow: Workflow) -> Any:
    """By how much least squares on one design err more than means: N/(N - d - 1)."""
    size = workflow.size[0] if isinstance(workflow, Schedule) else workflow.real
    return evaluate(inflation(), {N: size, d: f.dimension})


def _real(value: Any) -> Any:
    """A fraction as a float; JAX values as they are."""
    return value if arg.is_jax(value) else float(value)


def _from_truth(generation: Any, later: Any, truth: Any) -> Any:
    """``later`` of generations 1, 2, ... and ``truth`` at generation 0."""
    whole = arg.generation("generation", generation)
    xp = arg.namespace(whole)
    if xp is np and np.ndim(whole) == 0:
        return arg.scalar(later(whole) if whole else 0.0 * later(1) + truth)
    whole = xp.asarray(whole)
    first = later(xp.where(whole < 1, 1, whole))
    return arg.namespace(whole, first).where(whole < 1, truth, first)


def _value(expression: Expr, f: Family, workflow: Workflow, generation: Any) -> Any:
    """An expression in units of V at a generation."""
    values: dict[Any, Any] = {V: 1.0, v2: f.v2}
    if isinstance(f, LinearRegression):
        values |= {d: f.dimension, spare: workflow.real - f.dimension - 1, signal: least_norm.signal_over_v(f)}
    if generation is not None:
        values[m] = generation
    if isinstance(workflow, Replace) and isinstance(workflow.synthetic, tuple):
        values[L] = _drift_of_sizes(workflow, f, generation)
        return evaluate(expression, values)
    values |= {N: workflow.real, n: workflow.synthetic}
    if isinstance(workflow, AccumulateSubsample):
        values[M] = workflow.train
    if isinstance(workflow, FreshReal) and workflow.weight is not None:
        values[w] = workflow.weight
    return evaluate(expression, values)


def _drift_of_sizes(workflow: Replace, f: Family, generation: Any) -> Any:
    """sum over generations 1..m of log(1 + v2/n_i)/v2 (of a regression: of its fits), for each m asked for."""
    concrete = not arg.is_traced(generation)
    sizes = workflow.sizes(int(np.max(generation)) if concrete else len(workflow.synthetic) + 1)
    xp = arg.namespace(*sizes, f.v2, generation)
    fits = isinstance(f, LinearRegression) and f.redrawn
    term = one_fit(n) / V if fits else LogarithmicQuotient(v2 / n) / n
    each = evaluate(term, {v2: f.v2, n: xp.asarray(sizes, float), d: getattr(f, "dimension", 1)})
    drift = xp.cumsum(each)
    return (drift if fits else xp.minimum(drift, LOST))[xp.asarray(generation) - 1]


def _indexed(values: Any, owner: str, generation: Any, truth: float = 0.0) -> Any:
    """Entries of an array over generations 1..M, after that of generation 0."""
    last = len(values)
    if not arg.is_traced(generation) and np.max(generation) > last:
        raise arg.refuse(owner, "generation", generation, f"this schedule has {last} generations: write rows for more")
    xp = arg.namespace(values, generation)
    table = xp.concatenate([xp.full(1, truth), values if arg.is_jax(values) else np.asarray(values, float)])
    result = table[xp.asarray(generation)]
    return float(result) if xp is np and np.ndim(generation) == 0 else result
