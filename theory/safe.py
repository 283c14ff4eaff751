r"""How much synthetic data is safe: the amounts whose error in the long run stays within a tolerance of real data alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
from sympy import Expr, Ge, Le, Poly, Rational, cancel, exp, expand

from . import arguments as arg
from . import errors
from . import family as families
from . import workflow as workflows
from .answers import gain_limit
from .assumption import ANY, COMMON, TWO_REAL, under
from .family import Family
from .lower import evaluate
from .solve import Step, over_positive
from .stable import ROOM, ExponentialQuotient
from .symbols import M, N, V, eps, n, v2, w
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

ENDLESS_AMOUNT = 2**1000  # samples, up to which amounts are searched where a formula tells of any


@dataclass(frozen=True)
class SyntheticLimit:
    """The safe set ``at_least <= n <= samples`` of synthetic samples per generation.

    ``samples = inf``: no upper end; ``samples = 0``: no amount is safe. ``at_least = 0``: no lower end. ``fraction``: the
    largest safe share n/(N+n) of the data of one generation. ``expression``: where the edge comes from.
    """

    samples: float
    at_least: int
    fraction: float
    expression: Expr
    evidence: str
    assumptions: tuple[str, ...]


def max_synthetic(f: Family, w: Workflow, tolerance: float = 0.1) -> SyntheticLimit:
    r"""The synthetic samples per generation for which :math:`\lim_m T_m \le (1 + \varepsilon) v(\theta)/N`.

    ``w`` is a template: its own ``synthetic`` is ignored. Whole numbers, rounded inwards (the edge of FixedReal and FreshReal in
    exact arithmetic). Accumulate's gain falls with n, so that its answer is an ``at_least``.

    Raises InputError for a tolerance that is not above 0, and for a `Schedule`. Source: derived.

    >>> from modelcollapse import theory
    >>> p = [0.5, 0.5]
    >>> theory.max_synthetic(theory.Categorical(p), theory.FixedReal(real=1000, synthetic=1), tolerance=0.1).samples
    125
    >>> theory.max_synthetic(theory.Categorical(p), theory.Accumulate(real=1000, synthetic=1), tolerance=0.1).at_least
    14961
    """
    families.check("max_synthetic", f)
    workflows.check("max_synthetic", w)
    arg.static("max_synthetic", f=f, w=w, tolerance=tolerance)
    if isinstance(w, Schedule):
        raise arg.refuse("max_synthetic", "w", w, "a workflow without end: a Schedule fixes its own sizes")
    if isinstance(w, SlidingWindow | RandomPast):
        remedy = "a workflow with real samples beside the synthetic ones: here both have one size"
        raise arg.refuse("max_synthetic", "w", w, remedy)
    arg.positive(
        "max_synthetic", "tolerance", tolerance, "the share by which the error may exceed that of real data alone"
    )
    arg.one_size("max_synthetic", w)
    if np.ndim(tolerance) or np.ndim(f.v2):
        raise arg.refuse(
            "max_synthetic", "tolerance" if np.ndim(tolerance) else "f", tolerance, "one number here: call it for each"
        )
    template = replace(w, synthetic=ROOM * max(1, math.ceil(f.v2)), real=w.real)
    NONE.require("max_synthetic", f, template)
    theorem = errors.theorem_of(f, template).require("max_synthetic", f, template)
    exact = Fraction(str(float(tolerance)))
    low: int
    high: float
    match template:
        case Replace():
            bounded = f.v2 < 0 and -w.real / Fraction(f.v2) <= 1 + exact  # as N = 1: the error can grow no further
            low, high, edge = 0, math.inf if bounded else 0, Le(-N / v2, 1 + eps)
            evidence = NONE
        case FixedReal() | FreshReal():
            low, high, edge = _rational_edge(f, template, exact)
            evidence = SAFE_FRESH if isinstance(template, FreshReal) else SAFE_FIXED
        case Accumulate():
            least = max(1, math.ceil(f.v2 / ROOM))
            worse = partial(_worse, theorem.derived.limit, w.real, f.v2)
            low, high = _search(worse, tolerance, least, ENDLESS_AMOUNT)
            edge, evidence = Ge(1 + eps, theorem.derived.limit * N / V), SAFE_ACCUMULATE
        case AccumulateSubsample(real=real, train=train, replacement=replacement):
            floor = 1 + (real - 1) / train  # V/N (1 - 1/M) + V/M, of a pool that never moved, is the least limit
            low, high = 0, 0
            if floor <= 1 + tolerance:
                low, high = _search(
                    lambda count: gain_limit(f, AccumulateSubsample(real, count, train, replacement)) - 1,
                    tolerance,
                    1,
                    arg.LAST,
                )
            edge, evidence = Ge(1 + eps, 1 + (N - 1) / M), SAFE_SUBSAMPLE
    share = 1.0 if math.isinf(high) else high / (w.real + high)
    texts = tuple(each.text for each in theorem.assumptions)
    return SyntheticLimit(high, low, share, edge, evidence.name, texts)


def edge_of(workflow: Workflow) -> tuple[Expr, Expr]:
    """Slope and constant, in n, of what must not be positive for the limit of the gain to be within 1 + eps."""
    limit = errors.theorem_of(families.Poisson(1.0), workflow).derived.limit.doit() * N / V
    above, below = over_positive(limit, {v2: 0, N: 2, n: 3, w: Rational(1, 2)})
    line = Poly(above - (1 + eps) * below, n)
    return line.coeff_monomial(n), line.coeff_monomial(1)


def _rational_edge(f: Family, workflow: FixedReal | FreshReal, tolerance: Fraction) -> tuple[int, float, Expr]:
    slope, constant = edge_of(workflow)
    values = {N: workflow.real, v2: Fraction(f.v2), eps: tolerance}
    if isinstance(workflow, FreshReal) and workflow.weight is not None:
        values[w] = Fraction(str(float(workflow.weight)))
    at = {
        letter: Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value
        for letter, value in values.items()
    }
    rise, start = slope.subs(at), constant.subs(at)
    edge = cancel(-constant / slope)
    if rise > 0:
        return 0, max(0, int((-start / rise).__floor__())), edge
    if start <= 0:
        return 0, math.inf, edge
    if rise == 0:
        return 0, 0, edge
    return int((-start / rise).__ceil__()), math.inf, edge


def _worse(limit: Expr, real: int, curvature: Any, count: int) -> float:
    """The limit of the gain, less 1, of any amount: also of more samples than a workflow may have, without cancellation."""
    return float(evaluate(_excess(limit), {N: real, n: count, v2: curvature}))


@cache
def _excess(limit: Expr) -> Expr:
    """The gain less 1 of a limit of the error that begins by e^(v2 L) V/N."""
    gain = expand(limit * N / V, deep=False)
    return expand(gain.replace(exp, lambda power: 1 + power * ExponentialQuotient(power)) - 1, deep=False)


def _search(worse: Callable[[int], float], most: float, least: int, last: int) -> tuple[int, float]:
    """The first run of amounts from ``least`` to ``last`` whose gain less 1 is at most ``most``; (0, 0) when there is none.

    Powers of 16 and the last amount are tried, then the ends of the run are found.
    """
    excess = cache(lambda count: worse(count) - most)
    grid = [least]
    while grid[-1] < last and not (len(grid) > 1 and excess(grid[-2]) <= 0 < excess(grid[-1])):
        grid.append(min(grid[-1] * 16, last))
    inside = [place for place, count in enumerate(grid) if excess(count) <= 0]
    if not inside:
        return 0, 0
    first, end = inside[0], inside[-1]
    low = _edge(excess, grid[first], grid[first - 1]) if first else 0
    return low, math.inf if end == len(grid) - 1 else _edge(excess, grid[end], grid[end + 1])


def _edge(excess: Callable[[int], float], inside: int, outside: int) -> int:
    """The last safe whole number on the way from a safe to an unsafe one: regula falsi in log n, bisection when it is slow."""
    rounds = 0
    near, far = excess(inside), excess(outside)
    while abs(outside - inside) > 1:
        rounds += 1
        share = 0.5 if rounds % 3 == 0 or not math.isfinite(far) or near == far else near / (near - far)
        if share == 0.5 and max(inside, outside) <= 2 * min(inside, outside):
            guess = (inside + outside) // 2  # whole numbers, of which logarithms tell neighbours apart up to about 2^45
        else:
            guess = round(math.exp(math.log(inside) + share * (math.log(outside) - math.log(inside))))
        guess = min(max(guess, min(inside, outside) + 1), max(inside, outside) - 1)
        if (value := excess(guess)) <= 0:
            inside, near, far = guess, value, far / 2  # halved: an end that stays loses weight (Illinois)
        else:
            outside, far, near = guess, value, near / 2
    return inside


def _prove_rational(workflow: Any) -> Callable[[], tuple[Step, ...]]:
    def prove() -> tuple[Step, ...]:
        slope, constant = edge_of(workflow)
        return (
            Step("Limit of the gain", errors.theorem_of(families.Poisson(1.0), workflow).derived.limit.doit() * N / V),
            Step("It is within 1 + epsilon where this is not positive", slope * n + constant),
            Step("A straight line in n, which crosses at", cancel(-constant / slope), "n = "),
        )

    return prove


def _limit_of(workflow: Any) -> Callable[[], Derived]:
    def derive() -> Derived:
        slope, constant = edge_of(workflow)
        return Derived(cancel(-constant / slope))

    return derive


ENDLESS = Assumption(
    "the workflow goes on for ever with one size",
    lambda _, workflow: not isinstance(workflow, Schedule),
    "give a workflow, not a Schedule",
)
SAFE_FIXED = Theorem(
    "safe-amount/fixed-real",
    "Beside N real samples kept for ever, n <= eps N^2/(N+v2-eps(2N-v2)) synthetic ones are safe; every amount "
    "once eps reaches (N+v2)/(2N-v2), about one half.",
    "max_synthetic",
    ANY,
    "FixedReal",
    Evidence.IDENTITY,
    (*COMMON, ENDLESS),
    ("derived",),
    _limit_of(FixedReal(2, 1)),
    _prove_rational(FixedReal(2, 1)),
    scope=(under(FixedReal),),
)
SAFE_FRESH = Theorem(
    "safe-amount/fresh-real",
    "Beside N new real samples every generation, pooled, every amount of synthetic data is safe where v2 <= N; "
    "with a weight w, every amount from (1-w)^2 (N + (1+eps) v2)/((1+eps) w (2-w) - w^2) on.",
    "max_synthetic",
    ANY,
    "FreshReal",
    Evidence.IDENTITY,
    (*COMMON, ENDLESS),
    ("derived",),
    _limit_of(FreshReal(2, 1, 0.5)),
    _prove_rational(FreshReal(2, 1, 0.5)),
    scope=(under(FreshReal),),
)
SAFE_ACCUMULATE = Theorem(
    "safe-amount/accumulate",
    "Keeping all data, few large batches are safer than many small ones: the gain falls with n, and n must "
    "be at least the solution of gain(oo) = 1 + eps.",
    "max_synthetic",
    ANY,
    "Accumulate",
    Evidence.RECURSION,
    (*COMMON, ENDLESS),
    ("derived",),
    None,
    lambda: (Step("The limit of the gain falls in n; doubling and bisection find where it crosses 1 + epsilon"),),
    scope=(under(Accumulate),),
)
SAFE_SUBSAMPLE = Theorem(
    "safe-amount/accumulate-subsample",
    "Training on M <= N points subsampled from all data, the gain tends to at least 1 + (N-1)/M: no "
    "amount is safe at a tolerance below that excess.",
    "max_synthetic",
    ANY,
    "AccumulateSubsample",
    Evidence.BOUND,
    (*COMMON, ENDLESS),
    ("derived",),
    None,
    lambda: (Step("T = P + (Q - P)/M in the limit, P >= V/N and Q >= V", V / N + (V - V / N) / M, "T(oo) >= "),),
    scope=(under(AccumulateSubsample), TWO_REAL),
)
NONE = Theorem(
    "safe-amount/replace",
    "Replacing the data each generation no amount is safe: the error grows to -N/v2 times that of real "
    "data alone, or without bound.",
    "max_synthetic",
    ANY,
    "Replace",
    Evidence.IDENTITY,
    (*COMMON, ENDLESS),
    ("derived",),
    None,
    lambda: (Step("The gain tends to -N/v2 for v2 < 0 and to infinity otherwise"),),
    scope=(under(Replace),),
)
SAFE = (NONE, SAFE_FIXED, SAFE_FRESH, SAFE_ACCUMULATE, SAFE_SUBSAMPLE)
