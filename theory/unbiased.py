r"""Gaussians whose variance is fitted without bias: what data sets of several origins make of it, under every workflow.

The weighted variance of points about their own mean, over :math:`1 - h` with the sum h of the squared weights (of S equal ones
1/S: the divisor S - 1), has no bias for points of one law. Points of a loop are not of one law: with the mean A of their second
moments about the truth and the error T of their mean, its expectation is

.. math:: U = \frac{A - T}{1 - h}.

Each new point has the second moment U + T of the model that it is drawn from, and adds the noise U: so the pair (T, U) obeys an
exact linear recursion, and one matrix identity in any dimension. With divisor S the same line is A - T, and U + T = V stays.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, Integer, Matrix, cancel, eye, factor, limit, oo, simplify, solve

from . import algebra, recursion
from . import arguments as arg
from .assumption import MATCHED, SAMPLES
from .derivation import POOLED
from .family import Family, Gaussian
from .law import Law, law
from .lower import evaluate
from .solve import Step, Unsolved, limit_of_product, product_over_generations
from .symbols import D, M, N, P, Q, T, U, V, j, m, n, v2, w
from .theorem import Assumption, Evidence, Theorem, concrete
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

MOST = 500  # generations of a window that are unrolled


@cache
def unbiased(workflow: type, replacement: bool = False, weight: Expr = w) -> tuple[Law, Expr]:
    """The law of the error with an unbiased variance, and the expected variance U of a model, in the letters N, n, M, w, V."""
    plain = law(workflow, replacement)
    if workflow in (AccumulateSubsample, RandomPast):
        points = M if workflow is AccumulateSubsample else n
        spread = cancel((Q - plain.error) / (1 - 1 / points))
        steps = tuple(
            name + factor(_renewed(each, plain.error, spread) - name)
            for name, each in zip(plain.state, plain.step, strict=True)
        )
        return Law(plain.state, plain.start, steps, plain.error, plain.drawn), spread
    letter = plain.state[0]
    error = _renewed(plain.step[0], plain.error, U).subs(w, weight)
    later = plain.error.subs(letter, error)
    drawn = U + plain.error  # second moment of a new point
    if workflow is FixedReal:
        moment, squares = (N * V + n * drawn) / (N + n), 1 / (N + n)
    elif workflow is FreshReal:
        moment, squares = weight * V + (1 - weight) * drawn, weight**2 / N + (1 - weight) ** 2 / n
    elif workflow is Accumulate:
        pool = N + (m - 1) * n
        old = (1 - 1 / pool) * U + plain.error  # of the points that the model was fitted on
        moment, squares = (pool * old + n * drawn) / (pool + n), 1 / (pool + n)
    else:
        raise ValueError(f"no one-step law of an unbiased variance for {workflow.__name__}")
    spread = (moment - later) / (1 - squares)
    steps = letter + _collected(error - letter, letter), U + _collected(spread - U, letter)
    return Law((letter, U), (plain.start[0], V), steps, plain.error, plain.drawn), U


def _renewed(step: Expr, error: Expr, spread: Expr) -> Expr:
    """A step with the variance that is fitted in the place of V + v2 T; noise of real data stays as it is."""
    share = cancel(step.diff(v2) / error)
    return step.subs(v2, 0) + factor(share) * (spread - V)


def _collected(expression: Expr, letter: Expr) -> Expr:
    """The sum of its terms in V, U and the error, each factored, so that nothing cancels."""
    return sum((factor(expression.expand().coeff(each)) * each for each in (V, U, letter)), Integer(0))


def error_over_v(workflow: Workflow, generation: Any) -> Any:
    """Error over V at each generation (whole, at least 1), broadcast."""
    one, _, letters, given = _of(workflow)
    return recursion.value(one, one.error, letters, given, generation)


def spread_over_v(workflow: Workflow, generation: Any) -> Any:
    """Expected variance over V at each generation (whole, at least 1), broadcast."""
    one, spread, letters, given = _of(workflow)
    return recursion.value(one, spread, letters, given, generation)


def unrolls(workflow: Workflow) -> bool:
    """Whether the workflow algebra answers, generation by generation."""
    return isinstance(workflow, Schedule | SlidingWindow)


def table(workflow: Workflow, last: int | None) -> tuple[Any, Any]:
    """Error and variance over V of generations 1, 2, ... up to ``last`` (None: as many as there are): two arrays."""
    if isinstance(workflow, Schedule):
        return moments(workflow, workflow.generations)
    if last is None:
        raise arg.refuse("error", "generation", "traced", "static here: call it outside jit, vmap and grad")
    if last > MOST:
        raise arg.refuse("error", "generation", last, f"a window is unrolled, up to {MOST:,} generations")
    return moments(workflow, max(last, 1))


def moments(workflow: Workflow, generations: int, *, exactly: bool = False) -> tuple[Any, Any]:
    """Error and expected variance over V of models 1..M under any workflow, by the workflow algebra.

    ``exactly``: in fractions, for whole sizes.
    """
    schedule = workflow.schedule(generations) if exactly else _rounded(workflow.schedule(generations))
    events, squares = algebra.events(schedule), _squares(schedule)
    xp = arg.namespace(events.mean, events.noise, squares)
    tables = (events.mean, events.origin, events.noise, squares)
    mean, origin, noise, squares = tables if exactly else (xp.asarray(each, float) for each in tables)
    full, second = 0 * mean, 0 * noise
    second = _put(second, 0, 1)
    model = {int(place): number for number, place in enumerate(events.models)}
    for place in range(1, len(mean)):
        row = mean[place] @ full
        inherited, about = row @ mean[place], origin[place] @ second
        variance = inherited + noise[place] * (about - inherited)
        full = _put(_put(_put(full, place, row), (slice(None), place), row), (place, place), variance)
        if place in model:
            lost = squares[model[place]]
            second = _put(second, place, (about - lost * variance) / (1 - lost))
    error = full.diagonal()[events.models]
    return error, second[events.models] - error


def _rounded(schedule: Schedule) -> Schedule:
    """The schedule in floating point, where it is no JAX array."""
    fields = schedule.size, schedule.source, schedule.weight, schedule.train
    size, source, weight, train = (
        each if each is None or arg.is_jax(each) else np.asarray(each, float) for each in fields
    )
    return Schedule(size, source, weight, train, schedule.replacement)


def _put(array: Any, place: Any, value: Any) -> Any:
    if arg.is_jax(array, value):
        return arg.namespace(array, value).asarray(array).at[place].set(value)
    array = array.copy()
    array[place] = value
    return array


def _squares(schedule: Schedule) -> Any:
    """h of every generation: 1/M for M points, with weights the sum of their squares."""
    size, weight, train = schedule.size, schedule.weight, schedule.train
    xp = arg.namespace(size, weight, train)
    exact: Any = Fraction(1) if xp is np else 1.0
    if train is not None:
        return exact / xp.asarray(train)
    return (xp.asarray(weight) * weight * exact / xp.asarray(size)).sum(axis=1)


def limit_over_v(workflow: Workflow) -> Any:
    """The limit of the error over V, broadcast over sizes.

    Infinite where points are drawn anew from models of the past: there U grows, under AccumulateSubsample like m^(1/M).
    """
    match workflow:
        case FixedReal():
            return evaluate(stationary(FixedReal)[0], {N: workflow.real, n: workflow.synthetic, V: 1.0})
        case FreshReal():
            weight = POOLED if workflow.weight is None else w
            values = {N: workflow.real, n: workflow.synthetic, V: 1.0}
            values |= {} if workflow.weight is None else {w: workflow.weight}
            xp = arg.namespace(*values.values())
            settles = evaluate(contracts(FreshReal, weight), values) > 0
            return xp.where(settles, evaluate(stationary(FreshReal, weight)[0], values), xp.inf)
        case Accumulate():
            one, _ = unbiased(Accumulate)
            sizes = np.broadcast_arrays(np.asarray(workflow.real, float), np.asarray(workflow.synthetic, float))
            return np.vectorize(lambda *given: recursion.limit(one, (N, n), given))(*sizes)
        case AccumulateSubsample() | RandomPast() | SlidingWindow():
            return np.inf + 0.0 * np.asarray(workflow.synthetic)
    raise TypeError(f"{type(workflow).__name__} ends, or has a theorem of its own")


@cache
def stationary(workflow: type, weight: Expr = w) -> tuple[Expr, Expr]:
    """Error and variance where the recursion of constant coefficients stands still."""
    one, spread = unbiased(workflow, weight=weight)
    (point,) = solve([step - name for step, name in zip(one.step, one.state, strict=True)], one.state, dict=True)
    return factor(one.error.subs(point)), factor(spread.subs(point))


@cache
def contracts(workflow: type, weight: Expr = w) -> Expr:
    """det(I - A) of the recursion's matrix A >= 0: positive exactly where it settles, if the error alone would."""
    one, _ = unbiased(workflow, weight=weight)
    matrix = Matrix([[step.diff(name) for name in one.state] for step in one.step])
    return factor((eye(2) - matrix).det())


def _of(workflow: Workflow) -> tuple[Law, Expr, tuple[Any, ...], tuple[Any, ...]]:
    """The law of a workflow, its variance, its letters and their values."""
    letters, given = [N, n], [workflow.real, workflow.synthetic]
    weight = w
    if isinstance(workflow, AccumulateSubsample):
        letters, given = [*letters, M], [*given, workflow.train]
    if isinstance(workflow, FreshReal):
        if workflow.weight is None:
            weight = POOLED
        else:
            letters, given = [*letters, w], [*given, workflow.weight]
    kind: Any = type(workflow)
    return *unbiased(kind, getattr(workflow, "replacement", False), weight), tuple(letters), tuple(given)


def _prove() -> tuple[Step, ...]:
    fixed, fresh, kept = (unbiased(kind)[0] for kind in (FixedReal, FreshReal, Accumulate))
    change = factor(kept.step[1] / U)
    pool = N + m * n
    drawn, spread = unbiased(AccumulateSubsample)
    past, past_spread = unbiased(RandomPast)
    growth = factor((drawn.step[1] - Q) / (Q - P))
    wrong = (
        cancel(change - (1 - n / (pool * (pool - 1)))),
        cancel(spread - (pool - n) * (Q - P) / (pool - n - 1)),
        limit(growth * m, m, oo) - 1 / M,
        cancel(past_spread - (Q - P)),
        cancel((past.step[1] - Q) / (Q - P) - 1 / (n * (m + 1))),
        _within_and_between(),
        *(_at_rest(kind) for kind in (FixedReal, FreshReal)),
        *(_with_divisor_s(kind) for kind in (FixedReal, FreshReal, Accumulate, AccumulateSubsample)),
    )
    if any(simplify(each) != 0 for each in wrong):
        raise Unsolved(f"unbiased variance: {wrong}")
    equal = product_over_generations(factor(change.subs({N: n, m: j})))
    settled = stationary(FixedReal)
    return (
        Step("Points of weights w_i have the expected variance (A - T)/(1 - h), h = sum w_i^2, about their mean"),
        Step("A new point of a model has the second moment U + T and adds the noise U", kept.step[0], "accumulate: T(m+1) = "),
        Step("All data kept: U(m+1)/U(m)", change, "accumulate: "),
        Step("With N = n its product", equal, "U(m)/V = "),
        Step("which tends to", limit_of_product(equal), "U(oo)/V = "),
        Step("The real set kept", fixed.step, "fixed real: (D, U)(m+1) = "),
        Step("which stands still at", settled, "fixed real: (T, U)(oo) = "),
        Step("In both, pooled, U is above V exactly where T is below V/N", N * (V - T) / (N - 1), "U(oo) = "),
        Step("New real data", fresh.step, "fresh real: (T, U)(m+1) = "),
        Step("which settles where", contracts(FreshReal), "fresh real: 0 < "),
        Step("M points of all data kept: the variance fitted is that of the pool", spread, "accumulate-subsample: U = "),
        Step("and the pool's second moment grows by this share of Q - P, about 1/(M m)", growth, "accumulate-subsample: "),
        Step("Models of the past: the variance of their mixture, which grows likewise, by 1/(n(m+1))", past_spread, "U = "),
    )  # fmt: skip


def _within_and_between() -> Expr:
    """Fixed real data another way: scatter within both sets, and between their means; less what the law says."""
    one, _ = unbiased(FixedReal)
    between = N * n / (N + n) * (D + U / n)  # the new mean is off that of the real set by the drift and its own noise
    return cancel(((N - 1) * V + (n - 1) * U + between) / (N + n - 1) - one.step[1])


def _at_rest(workflow: type) -> Expr:
    """U = N (V - T)/(N - 1) where the pooled recursion stands still: above V exactly where T is below V/N."""
    error, spread = stationary(workflow, POOLED)
    return cancel(spread - N * (V - error) / (N - 1))


def _with_divisor_s(workflow: type) -> Expr:
    """With V - T in the place of U the law of the error is that of v2 = -1: what is left of it."""
    plain = law(workflow)
    return cancel(_renewed(plain.step[0], plain.error, V - plain.error) - plain.step[0].subs(v2, -1))


def _unbiased_elsewhere(family: Family, workflow: Workflow) -> bool:
    return isinstance(family, Gaussian) and family.unbiased and not isinstance(workflow, Replace)


def _two_points(_family: Family, workflow: Workflow) -> bool:
    match workflow:
        case Schedule():
            lost = _squares(workflow)
            return arg.is_traced(lost) or bool(np.all(np.asarray(lost, float) < 1))
        case AccumulateSubsample():
            return all(map(concrete(lambda size: np.all(np.asarray(size) >= 2)), (workflow.real, workflow.train)))
        case _:
            return concrete(lambda size: np.all(np.asarray(size) >= 2))(first_size(workflow))


UNBIASED_ELSEWHERE = Assumption(
    "the family is a Gaussian with unbiased variance, under another workflow than Replace",
    _unbiased_elsewhere,
    "the others have theorems of their own",
)
TWO_POINTS = Assumption(
    "every fit has at least two points", _two_points, "use more points, or unbiased=False: of one there is no variance"
)
UNBIASED = Theorem(
    "unbiased-variance",
    "In a loop the unbiased variance is biased: down where the same real data, or all data, is kept (N = n: by the product of "
    "1 - 1/(k(nk-1))), up where real data is new, and up without bound, slowly, where points are drawn anew from the past.",
    "error",
    "Gaussian(unbiased=True)",
    "every workflow but Replace",
    Evidence.RECURSION,
    (SAMPLES, MATCHED, UNBIASED_ELSEWHERE, TWO_POINTS),
    ("derived",),
    None,
    _prove,
)
