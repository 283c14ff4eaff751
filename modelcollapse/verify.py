"""Verify: every theorem against simulated chains, at a stated rate of false alarms.

Each theorem about a family under a workflow has cells: where it holds, and what it predicts there. Cells are chosen by their
tails: an observable whose mean is carried by rare chains is not judged by its mean (`simulate.judged`). Other theorems have a
trial (`trials`): independent replicates whose mean is predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse import simulate, theory
from modelcollapse.theory import Theorem, ledger

from .trials import Trial, trials

P6 = [0.4, 0.25, 0.15, 0.1, 0.06, 0.04]
P3 = [0.5, 0.3, 0.2]


@dataclass(frozen=True)
class Cell:
    """Where a theorem is put to the test: it predicts ``means`` of an observable, as a number or as a bound.

    ``relation``: "=", ">=", "<=", or "~" of a leading order, from which the mean may lie as far as ``remainder`` says.
    ``last_only``: only the last generation is judged (limits and bounds of limits).
    """

    theorem: str
    family: theory.Family
    workflow: theory.Workflow
    generations: int
    observable: str
    means: Callable[[Any, Any, np.ndarray], Any]
    relation: str = "="
    last_only: bool = False
    remainder: Callable[[Any, Any, np.ndarray], Any] | None = None


@dataclass(frozen=True)
class Verdict:
    """One line of the table: the generation that fits worst, and whether the theorem stands.

    ``z`` of a leading order is how far the mean lies beyond its remainder, in standard errors.
    """

    theorem: str
    family: str
    workflow: str
    observable: str
    relation: str
    generation: int
    predicted: float
    observed: float
    standard_error: float
    z: float
    threshold: float
    passed: bool


def _at(value: Callable[..., Any], factor: float = 1.0) -> Callable[[Any, Any, np.ndarray], Any]:
    """The same number at every generation."""
    return lambda f, w, m: np.full(len(m), factor * value(f, w))


def _safe_error(f: Any, w: Any, m: np.ndarray) -> np.ndarray:
    """The error that the safe set promises: within the tolerance used in the cell below."""
    return np.full(len(m), (1 + TOLERANCE) * f.v / w.real)


TOLERANCE = 0.2
KEPT = 0.9
NEW, OLD = (
    (12, 30, 8, 20, 20, 15, 40, 10),
    (25, 10, 40, 15, 5, 30, 20),
)  # real and synthetic sizes of successive generations
_SIX, _THREE = theory.Categorical(P6), theory.Categorical(P3)

OWN = int(50 * theory.replaceable_share(_SIX, 50, TOLERANCE))  # of 50 training samples, in the place of real ones


def _edge(w: Any) -> Any:
    """The workflow with the largest (or least) safe amount of synthetic data."""
    from dataclasses import replace

    safe = theory.max_synthetic(_SIX, w, TOLERANCE)
    return replace(w, synthetic=int(safe.at_least or safe.samples))


def cells() -> tuple[Cell | Trial, ...]:
    """Cells or a trial for each theorem and each of its cases, in reading order."""
    place = {each.name: number for number, each in enumerate(ledger.FORMS)}
    return tuple(sorted((*_cells(), *trials()), key=lambda each: place[each.theorem]))


def _cells() -> tuple[Cell, ...]:
    t = theory
    error, diversity, alive = t.error, t.diversity, t.survivors
    odd = t.Schedule(
        size=[12, 8, 10, 6],
        source=[[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0.3, 0.3, 0.4, 0, 0], [0, 0, 0.5, 0.5, 0]],
        weight=[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.3, 0.5, 0], [0.1, 0, 0.5, 0.4]],
    )
    nearly = t.Teacher(20, shared=8)
    plane, kernel = t.LinearRegression(3, 2.0), t.KernelDensity(0.5, dimension=2, variance=3.0)
    shrinking = t.KernelDensity(tuple(1 / m for m in range(1, 13)))
    return (
        Cell("drift-identity", t.NegativeBinomial(6, 2.0), t.Accumulate(12, 8), 12, "diversity", diversity),
        Cell("workflow-algebra", _SIX, odd, 4, "error", error),
        Cell("replace/equal", _SIX, t.Replace(20, real=30), 12, "error", error),
        Cell("replace/growing", t.Poisson(3.0), t.Replace(tuple(range(16, 49, 4)), real=12), 10, "error", error),
        Cell("total-collapse/probability", _THREE, t.Replace(8), 40, "collapsed", t.collapse_probability),
        Cell("total-collapse/time", _THREE, t.Replace(8), 160, "collapse_time", _at(t.collapse_time), last_only=True),
        Cell("total-collapse/time-limit", _THREE, t.Replace(40), 640, "collapse_time", _at(t.collapse_time_limit), "~", True,
             remainder=lambda f, w, m: np.full(len(m), 1 + np.log(w.synthetic))),
        Cell("total-collapse/time-upper-bound", _THREE, t.Replace(8), 160, "collapse_time", _at(t.collapse_time_upper_bound),
             "<=", True),
        Cell("log-moments/variance", t.Gaussian(dimension=3, variance=2.0), t.Replace(12, real=15), 30, "log_variance",
             t.log_variance),
        Cell("log-moments/spread", t.Gaussian(dimension=3, variance=2.0), t.Replace(12, real=15), 30, "log_variance_spread",
             t.log_variance_spread),
        Cell("log-moments/gamma", t.Gamma(2, 3.0), t.Replace(8), 30, "log_mean", t.log_mean),
        Cell("l1-distance/drift", _SIX, t.FixedReal(20, 40), 12, "drift", t.l1_drift),
        Cell("fixed-real", t.Binomial(5, 0.3), t.FixedReal(12, 30), 12, "error", error),
        Cell("l1-distance/drift-upper-bound", _SIX, t.FixedReal(20, 40), 12, "drift", t.l1_drift_upper_bound, "<="),
        Cell("fresh-real/pooled", t.Gaussian(dimension=3), t.FreshReal(12, 30), 12, "error", error),
        Cell("fresh-real/pooled", _SIX, t.FreshReal(50 - OWN, OWN), 16, "error",
             _at(lambda f, w: (1 + TOLERANCE) * f.v / 50), "<=", True),
        Cell("fresh-real/weighted", t.Poisson(3.0), t.FreshReal(12, 30, weight=0.6), 12, "error", error),
        Cell("optimal-weight", _SIX, t.fresh_schedule(NEW, OLD, t.optimal_weights(_SIX, NEW, OLD).weight), len(NEW), "error",
             lambda f, w, m: t.optimal_weights(f, NEW, OLD).error),
        Cell("accumulate", t.Gamma(3, 2.0), t.Accumulate(20, 15), 20, "error", error),
        Cell("accumulate-subsample/subsample", _SIX, t.AccumulateSubsample(20, 12, train=15), 20, "error", error),
        Cell("accumulate-subsample/bootstrap", t.Gaussian(), t.AccumulateSubsample(20, 12, train=15, replacement=True), 20,
             "error", error),
        Cell("accumulate-subsample/recursion", t.Poisson(3.0), t.AccumulateSubsample(20, 12, train=15), 20, "error", error),
        Cell("random-past/product", _SIX, t.RandomPast(20), 12, "error", error),
        Cell("random-past/recursion", t.Poisson(3.0), t.RandomPast(20), 12, "error", error),
        Cell("sliding-window", _SIX, t.SlidingWindow(20, models=3), 12, "error", error),
        Cell("survivors/chain", _SIX, t.Replace(20, real=30), 12, "alive", alive),
        Cell("survivors/kept", _SIX, t.Accumulate(20, 15), 20, "alive", alive),
        Cell("survivors/thinning", _SIX, t.AccumulateSubsample(20, 12, train=15), 20, "alive", alive, ">="),
        Cell("coverage", t.Zipf(1.5), t.Replace(40), 12, "missing", t.missing, "<="),
        Cell("zipf-missing", t.Zipf(1.5), t.FixedReal(40, 30), 4, "missing", _at(lambda f, w: t.zipf_missing(f, w.real))),
        Cell("safe-amount/replace", _SIX, t.Replace(20), 40, "error", _safe_error, ">=", True),
        Cell("safe-amount/fixed-real", _SIX, _edge(t.FixedReal(20, 1)), 40, "error", _safe_error, "<=", True),
        Cell("safe-amount/fresh-real", _SIX, _edge(t.FreshReal(20, 1, weight=0.5)), 16, "error", _safe_error, "<=", True),
        Cell("safe-amount/accumulate", _SIX, _edge(t.Accumulate(20, 1)), 12, "error", _safe_error, "<=", True),
        Cell("safe-amount/accumulate-subsample", _SIX, t.AccumulateSubsample(20, 20, train=20), 40, "error",
             lambda f, w, m: np.full(len(m), f.v / w.real * (1 + (w.real - 1) / w.train)), ">=", True),
        Cell("min-real", _SIX, t.FreshReal(int(t.min_real(_SIX, t.FreshReal(1, 30), KEPT)), 30), 16, "diversity",
             _at(lambda f, w: f.v, KEPT), ">=", True),
        Cell("log-moments/half-life", t.Gaussian(4, unbiased=True), t.Replace(20), 20, "log_variance",
             lambda f, w, m: -np.log(2) * m / t.half_life(f, w)),
        Cell("unbiased-variance", t.Gaussian(2, 3.0, unbiased=True), t.FixedReal(8, 14), 12, "diversity", diversity),
        Cell("contaminated-stream", _SIX, t.contaminated_stream([12] * 10, 0.6), 10, "error",
             lambda f, w, m: t.stream_error(f, 12, 0.6, m)),
        Cell("regression/replace", plane, t.Replace(30, real=24), 12, "error", error),
        Cell("regression/growing", plane, t.Replace(tuple(range(24, 57, 4)), real=20), 10, "error", error),
        Cell("regression/fresh-real", plane, t.FreshReal(20, 30), 12, "error", error),
        Cell("regression/accumulate", plane, t.Accumulate(20, 15), 20, "error", error),
        Cell("regression-one-design", t.LinearRegression(3, 2.0, redrawn=False), t.FixedReal(20, 20), 12, "error", error),
        Cell("regression-least-norm", t.LinearRegression(20, 0.1), t.Replace(8, real=10), 8, "error", error),
        Cell("kernel-density/replace", kernel, t.Replace(20, real=30), 10, "diversity", diversity),
        Cell("kernel-density/fixed-real", kernel, t.FixedReal(12, 30), 12, "error", error),
        Cell("kernel-density/fresh-real", kernel, t.FreshReal(12, 30), 12, "diversity", diversity),
        Cell("kernel-density/fresh-real", kernel, t.FreshReal(12, 30, weight=0.6), 12, "error", error),
        Cell("kernel-density/accumulate", kernel, t.Accumulate(20, 15), 20, "diversity", diversity),
        Cell("kernel-density/accumulate", kernel, t.AccumulateSubsample(20, 12, train=15), 20, "error", error),
        Cell("kernel-density/algebra", shrinking, odd, 4, "error", error),
        Cell("kernel-density/second-moment", kernel, t.Accumulate(20, 15), 20, "second_moment", t.second_moment),
        Cell("teacher", _SIX, t.taught(12, 15, nearly), 2, "error",
             lambda f, w, m: np.full(len(m), t.teacher_error(f, 12, 15, nearly)), last_only=True),
        Cell("kernel-density/second-moment", shrinking, t.Replace(20), 12, "second_moment", t.second_moment),
        Cell("integrated-error/recursion", t.KernelDensity(0.5, compared=True), t.Accumulate(8, 6), 6,
             "squared_difference", t.integrated_error),
        Cell("integrated-error/lower-bound", t.KernelDensity(0.5, compared=True), t.Replace(8), 5,
             "squared_difference", t.integrated_error_lower_bound, ">="),
    )  # fmt: skip


def chosen(names: list[str] | None) -> tuple[Cell | Trial, ...]:
    """The cells of the named theorems or cases, or all; InputError for a name that is not in the ledger."""
    every = cells()
    if not names:
        return every
    wanted = {form.name for name in names for form in ledger.named(name).forms}
    return tuple(cell for cell in every if cell.theorem in wanted)


def verify(
    selected: tuple[Cell | Trial, ...], *, chains: int = 4096, seed: int = 0, budget: float = 1e-3
) -> Iterator[Verdict]:
    """A verdict for each cell, as it comes. ``budget``: chance of a false alarm in the whole table."""
    import jax

    runs: dict[Any, Any] = {}
    for cell in selected:
        number = next(place for place, each in enumerate(ledger.FORMS) if each.name == cell.theorem)
        key = jax.random.fold_in(jax.random.key(seed), number)
        if isinstance(cell, Trial):
            yield _tried(cell, simulate.Replicates(cell.observable, cell.draw(key, chains)), budget / len(selected))
            continue
        run = (cell.family, cell.workflow, cell.generations)
        if run not in runs:
            runs = {run: simulate.chains(cell.family, cell.workflow, cell.generations, chains, key)}  # the last is kept
        yield _judged(cell, runs[run], budget / len(selected))


def _judged(cell: Cell, t: simulate.Trajectory, budget: float) -> Verdict:
    generations = t.generation
    means = np.asarray(cell.means(cell.family, cell.workflow, generations), float)
    if cell.last_only:
        means = np.where(generations == cell.generations, means, np.nan)
    elif cell.relation != "=":
        means = np.where(generations == 1, np.nan, means)  # a bound is no bound there: both sides are the first fit
    remainder = 0.0 if cell.remainder is None else cell.remainder(cell.family, cell.workflow, generations)
    return _verdict(cell, type(cell.family).__name__, type(cell.workflow).__name__, t, means, remainder, budget)


def _tried(trial: Trial, replicates: simulate.Replicates, budget: float) -> Verdict:
    remainder = 0.0 if trial.remainder is None else trial.remainder()
    return _verdict(trial, trial.setting, "", replicates, np.asarray(trial.means(), float), remainder, budget)


def _verdict(cell: Cell | Trial, family: str, workflow: str, seen: simulate.Trajectory | simulate.Replicates,
             means: np.ndarray, remainder: Any, budget: float) -> Verdict:  # fmt: skip
    judged = {"~": {">=": means - remainder, "<=": means + remainder}}.get(cell.relation, {cell.relation: means})
    exact, at_least, at_most = (
        {cell.observable: judged[each]} if each in judged else None for each in ("=", ">=", "<=")
    )
    agreement = simulate.agree(seen, exact, budget, at_least=at_least, at_most=at_most)
    worst = agreement.worst
    predicted = float(means[worst.generation - 1])
    z = np.copysign(max(worst.excess, 0.0), worst.observed - predicted) if cell.relation == "~" else worst.z
    return Verdict(
        cell.theorem, family, workflow, cell.observable, cell.relation, worst.generation, predicted,
        worst.observed, worst.standard_error, float(z), agreement.threshold, agreement.passed,
    )  # fmt: skip


def theorem_of(cell: Cell | Trial) -> Theorem:
    """The theorem that a cell tests."""
    return ledger.named(cell.theorem)
