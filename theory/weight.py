r"""The best weight of new real data beside samples of the model before: of every generation, and in the long run.

A generation sees two things about the truth: the mean of N new real samples, whose variance is :math:`V/N`, and that of n
samples of the model before, which errs by :math:`P = q_\theta + T + (V + v_2 T)/n` where that model errs by T and the truth has
moved by a variance :math:`q_\theta` since. The best weight of the real part is the gain of a Kalman filter,
for every quadratic variance function at every sample size; with sizes that stay it settles, for N = n at the golden ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, Max, Poly, S, Symbol, cancel, diff, expand, factor, fraction, simplify, solve, sqrt

from . import arguments as arg
from . import family as families
from .assumption import ANY, COMMON, always, under
from .batches import later, number, series, weights
from .errors import FRESH_WEIGHTED
from .family import Categorical, Family
from .law import spread
from .lower import evaluate, lower
from .printed import Printed, Setting
from .solve import Step, Unsolved
from .symbols import N, T, V, a, b, c, k, moved, n, v2, w
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import or_nan
from .workflow import FreshReal, Schedule

LETTERS = (T, N, n, V, v2, moved)
LARGE = 1e150  # half a coefficient whose square is near the largest float
DRIFT = "the variance that the truth gains in a generation, at least 0"


class OptimalWeight(NamedTuple):
    """Weight of the real part of least error in the long run, and that error."""

    weight: Any
    error: Any


class OptimalWeights(NamedTuple):
    """Weights (M,) of the real part in generations 1..M, their errors (M,), and where both settle if the last sizes go on."""

    weight: Any
    error: Any
    limit: OptimalWeight


def optimal_weight(f: Family, w: FreshReal) -> OptimalWeight:
    r"""The weight of the real part that makes the limit of the error least, :math:`w^*`, and that error, :math:`w^* v(\theta)/N`.

    It solves :math:`b w^2 + (r - v_2/n) w - r = 0` with :math:`b = 1 + v_2/n`, :math:`r = N/n`: at N = n and v2 = 0 the golden
    ratio. The weight that ``w`` itself has is ignored. `optimal_weights` has the best weights on the way there.

    Raises InputError for any workflow but `FreshReal`. Source: He2025 (golden ratio; Gaussian, large samples), derived.

    >>> from modelcollapse import theory
    >>> best = theory.optimal_weight(theory.Poisson(1.0), theory.FreshReal(real=50, synthetic=50))
    >>> round(best.weight, 6), round(best.error, 6)
    (0.618034, 0.012361)
    """
    WEIGHT.require("optimal_weight", families.check("optimal_weight", f), w)
    if not isinstance(w, FreshReal):
        raise arg.refuse(
            "optimal_weight", "w", w, "the workflow is FreshReal: only fresh real data has a weight to choose"
        )
    best = _settled({N: w.real, n: w.synthetic, V: 1, v2: f.v2, moved: 0})
    best = or_nan(best, f, FreshReal(w.real, w.synthetic))  # the weight it has is ignored
    return OptimalWeight(best, arg.scalar(best * f.v / w.real))


def optimal_weights(f: Family, real: Sequence[Any], synthetic: Any, drift: Any = 0.0) -> OptimalWeights:
    r"""The weights of new real data that make the error of every generation least at once, and those errors.

    .. math:: w_m = \frac{P_m}{P_m + V/N_m}, \qquad T_m = w_m \frac V{N_m}, \qquad
              P_m = q_\theta + T_{m-1} + \frac{V + v_2 T_{m-1}}{n_m}

    ``real`` (M,): new real samples :math:`N_m` of generations 1..M. ``synthetic``: samples :math:`n_m` of the model before, one
    number, or (M-1,) for generations 2..M. ``drift``: the variance :math:`q_\theta` that the truth, or what samples of the model
    are wrong by, gains anew in every generation, summed over coordinates; for v2 = 0. Real sets of one generation count as one
    set of all their samples, and so do sets of samples of the same model.

    Raises InputError for sizes that are none or do not fit, and for a drift with another v2.
    Source: He2025 (limit; Gaussian, large samples), derived.

    >>> from modelcollapse import theory
    >>> best = theory.optimal_weights(theory.Poisson(1.0), real=[50, 50, 50], synthetic=50)
    >>> best.weight.round(4).tolist(), round(best.limit.weight, 4)  # 1, 2/3, 5/8, ... towards the golden ratio
    ([1.0, 0.6667, 0.625], 0.618)
    """
    families.check("optimal_weights", f)
    sizes, drawn = _sizes("optimal_weights", real, synthetic)
    last = drawn[-1] if drawn else sizes[-1] if np.ndim(synthetic) else synthetic
    if not arg.is_traced(number("optimal_weights", "drift", drift)) and drift < 0:
        raise arg.refuse("optimal_weights", "drift", drift, DRIFT)
    WEIGHT.require("optimal_weights", f, FreshReal(sizes[-1], last))
    if not arg.is_traced(drift, f.v2) and np.any(drift * np.asarray(f.v2, float)):
        raise arg.refuse("optimal_weights", "drift", drift, "for v2 = 0: at leading order take theory.Poisson(f.v)")
    xp = arg.namespace(*sizes, *drawn, f.v, f.v2, drift)
    gain = lower(_gain(), LETTERS, "numpy" if xp is np else "jax")
    units = drift / xp.asarray(f.v, float), 1.0 * xp.asarray(f.v2)  # all variances in units of V
    found, error = [xp.asarray(1.0)], [xp.asarray(1.0 / sizes[0])]
    for new, old in zip(sizes[1:], drawn, strict=True):
        found.append(gain(error[-1], 1.0 * new, 1.0 * old, 1.0, units[1], units[0]))
        error.append(found[-1] / new)
    settled = _settled({N: sizes[-1], n: last, V: 1.0, v2: units[1], moved: units[0]})
    best, least = (xp.stack(xp.broadcast_arrays(*each)) for each in (found, error))
    best, least, settled = (or_nan(each, f) for each in (best, least * f.v, settled))
    return OptimalWeights(best, least, OptimalWeight(settled, arg.scalar(settled * f.v / sizes[-1])))


def fresh_schedule(real: Sequence[Any], synthetic: Any, weight: Sequence[Any]) -> Schedule:
    """The `Schedule` of new real sets of sizes ``real`` (M,), weighed by ``weight`` (M,), the first of which is 1.

    ``synthetic``: samples of the model before, one number or (M-1,). It is what `optimal_weights` is about, for
    `simulate.chains` and for every question of theory.

    >>> from modelcollapse import theory
    >>> w = theory.fresh_schedule([50, 80], 20, theory.optimal_weights(theory.Poisson(1.0), [50, 80], 20).weight)
    >>> round(theory.error(theory.Poisson(1.0), w, 2), 6)  # 1/(80 + 1/(1/50 + 1/20)), the sum of what both tell
    0.010606
    """
    sizes, drawn = _sizes("fresh_schedule", real, synthetic)
    count = len(sizes)
    source = np.zeros((2 * count - 1, count + 1), int)
    source[:count, 0] = 1
    source[np.arange(count, 2 * count - 1), np.arange(1, count)] = 1
    rows: list[list[Any]] = [[0] * (2 * count - 1) for _ in range(count)]
    for model, (row, share) in enumerate(zip(rows, weights("fresh_schedule", weight, count), strict=True)):
        row[model] = share
        if model:
            row[count + model - 1] = 1 - share
    return Schedule([*sizes, *drawn], source, rows)


def _sizes(owner: str, real: Any, synthetic: Any) -> tuple[list[Any], list[Any]]:
    """Sizes of generations 1..M and of 2..M, checked."""
    sizes = series(owner, "real", real, "the new real samples of each generation")
    return sizes, later(owner, "synthetic", synthetic, len(sizes) - 1)


def _before() -> Expr:
    """P: by how much the mean of n samples of the model before errs, which errs by T itself."""
    return moved + T + spread(T) / n


def _gain() -> Expr:
    """The weight of the real part of least error."""
    weighed = w**2 * V / N + (1 - w) ** 2 * _before()
    (best,) = solve(diff(weighed, w), w)
    return factor(best)


def _quadratic() -> Expr:
    """What the weight that reproduces itself solves, over N/n + q_theta N/V."""
    pull, lead = _halved()
    return lead * w**2 + 2 * pull * w - 1


@cache
def _halved() -> tuple[Expr, Expr]:
    """Half the linear coefficient, and the leading one, of `_quadratic`."""
    ratio = N / n + moved * N / V
    return (1 - v2 / (n * ratio)) / 2, (1 + v2 / n) / ratio


@cache
def _root(pull: Expr, lead: Expr) -> Expr:
    """The root above 0 of lead w^2 + 2 pull w - 1, written so that it does not cancel for either sign of pull."""
    forth, away = (Max(pull, other, evaluate=False) for other in (S.Zero, -pull))  # which is larger the numbers say
    return 1 / (2 * forth + lead / (away + sqrt(pull**2 + lead)))


def _settled(values: dict[Symbol, Any]) -> Any:
    """The weight that reproduces itself: the root of the numbers, since SymPy takes its time to put their letters in."""
    pull, lead = (evaluate(each, values) for each in _halved())
    xp = arg.namespace(pull, lead)
    unit = xp.where(abs(pull) > LARGE, abs(pull), 1.0)  # of 1/w, so that no square overflows
    root = evaluate(_root(b, c), {b: pull / unit, c: lead / unit / unit}) / unit
    return arg.scalar(xp.minimum(root, 1.0))  # it is below one, and so is what it rounds to


def _plain() -> Expr:
    """The same root as it is usually written."""
    pull, lead = _halved()
    return 1 / (pull + sqrt(pull**2 + lead))


def _derive() -> Derived:
    return Derived(_gain(), limit=_plain())


def _prove() -> tuple[Step, ...]:
    weighed = w**2 * V / N + (1 - w) ** 2 * _before()
    best = _gain()
    least = factor(weighed.subs(w, best))
    bent = factor(diff(weighed, w, 2) - 2 * (V / N + _before()))
    grows = factor(diff(least, T) * (V / N + _before()) ** 2 - (1 + v2 / n) * (V / N) ** 2)
    ratio = N / n + moved * N / V
    fixed = simplify(
        (best - w).subs(T, w * V / N) * (V / N + _before()).subs(T, w * V / N) + V / N * ratio * _quadratic()
    )
    roots = [simplify(expand(k * _root(h, k) ** 2 + 2 * h * _root(h, k) - 1)) for h in (a, -a)]
    same = [simplify(_root(h, k) * (h + sqrt(h**2 + k)) - 1) for h in (a, -a)]
    settled = FRESH_WEIGHTED.derived.limit.doit()
    slope = Poly(fraction(cancel(settled.diff(w)))[0], w).as_expr()
    quotient = cancel(slope / _quadratic().subs(moved, 0))
    if any(each != 0 for each in (bent, simplify(least - best * V / N), grows, fixed, *roots, *same)):
        raise Unsolved(f"best weights: {bent}, {grows}, {fixed}, {roots}, {same}")
    if fraction(quotient)[1].has(w):
        raise Unsolved(f"best constant weight: {quotient}")
    return (
        Step("The mean of n samples of the model before errs by", _before(), "P = "),
        Step("A generation of weight w", weighed, "T' = "),
        Step("It is convex in w, and least at the gain P/(P + V/N)", best, "w* = "),
        Step("There it is w* V/N", least, "T' = "),
        Step(
            "which grows with T wherever n >= -v2: what is least now leaves the least later, so that these weights are best "
            "for every generation at once, not only step by step",
            (1 + v2 / n) * (V / N) ** 2 / (V / N + _before()) ** 2,
            "dT'/dT = ",
        ),
        Step("With sizes that stay, T = w V/N reproduces itself where", _quadratic(), "0 = "),
        Step("The map is increasing and concave: the root between 0 and 1 is its limit from any start", _plain(), "w* -> "),
        Step("With one weight for all generations the error settles at", settled, "T(oo) = "),
        Step("whose slope has that quadratic (q_theta = 0) as a factor: the best constant weight", factor(slope), "0 = "),
    )  # fmt: skip


def _as_printed() -> Expr:
    """The golden-ratio weight, with k = N/n."""
    return (sqrt((N / n) ** 2 + 4 * N / n) - N / n) / 2


WEIGHT = Theorem(
    "optimal-weight",
    "The best weight of N new real samples is the Kalman gain w = P/(P + V/N) with P = q_theta + T + (V + v2 T)/n, for every "
    "generation at once, and the least error is w V/N. With sizes that stay, r = N/n and q_theta = 0, it settles where "
    "(1+v2/n) w^2 + (r - v2/n) w - r = 0: 0.618 at N = n.",
    "optimal_weight",
    ANY,
    "FreshReal, or new real sets and weights of their own in every generation",
    Evidence.RECURSION,
    (
        *COMMON,
        Assumption("the truth moves, if at all, by independent steps, and then v2 = 0", always, ""),
    ),
    ("He2025 (golden ratio)", "derived"),
    _derive,
    _prove,
    (
        Printed(
            _as_printed,
            "He2025 (Gaussian mean, large samples)",
            "exact where v2 = 0; at each size another where the variance depends on the mean",
            "=",
            lambda f, w, _: optimal_weight(f, w).weight,
            tuple(Setting(Categorical([0.5, 0.3, 0.2]), FreshReal(N_, n_)) for N_, n_ in ((2, 2), (50, 50), (5, 50))),
            lambda: _plain().subs(moved, 0),
        ),
    ),
    scope=(under(FreshReal),),
)
