r"""The best weight of every generation: new real data beside samples of the model before, with sizes that change.

A generation sees two things about the truth: the mean of N new real samples, whose variance is :math:`V/N`, and that of n
samples of the model before, which errs by :math:`P = \tau + T + (V + v_2 T)/n` where that model errs by T and the truth has moved
by a variance :math:`\tau` since. The best weight of the real part is the gain of a Kalman filter, for every quadratic variance
function at every sample size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, Poly, diff, factor, simplify, solve, sqrt

from . import arguments as arg
from . import family as families
from .assumption import ANY, COMMON, always
from .family import Family
from .law import spread
from .lower import evaluate, lower
from .solve import Step, Unsolved
from .symbols import N, T, V, n, tau, v2, w
from .theorem import Assumption, Derived, Evidence, Printed, Theorem
from .traced import or_nan
from .weight import WEIGHT, OptimalWeight
from .workflow import FreshReal, Schedule

LETTERS = (T, N, n, V, v2, tau)


class OptimalWeights(NamedTuple):
    """Weights (M,) of the real part in generations 1..M, their errors (M,), and where both settle if the last sizes go on."""

    weight: Any
    error: Any
    limit: OptimalWeight


def optimal_weights(f: Family, real: Sequence[Any], synthetic: Any, drift: Any = 0.0) -> OptimalWeights:
    r"""The weights of new real data that make the error of every generation least at once, and those errors.

    .. math:: w_m = \frac{P_m}{P_m + V/N_m}, \qquad T_m = w_m \frac V{N_m}, \qquad
              P_m = \tau + T_{m-1} + \frac{V + v_2 T_{m-1}}{n_m}

    ``real`` (M,): new real samples :math:`N_m` of generations 1..M. ``synthetic``: samples :math:`n_m` of the model before, one
    number, or (M-1,) for generations 2..M. ``drift``: the variance :math:`\tau` that the truth, or what samples of the model
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
    sizes, drawn = _sizes(real, synthetic)
    later = drawn[-1] if drawn else sizes[-1] if np.ndim(synthetic) else synthetic
    if not arg.is_traced(drift) and (arg.numbers("optimal_weights", "drift", drift, DRIFT) < 0).any():
        raise arg.refuse("optimal_weights", "drift", drift, DRIFT)
    KALMAN.require("optimal_weights", f, FreshReal(sizes[-1], later))
    if not arg.is_traced(drift, f.v2) and np.any(np.asarray(drift, float) * float(f.v2)):
        raise arg.refuse("optimal_weights", "drift", drift, "for v2 = 0: at leading order take theory.Poisson(f.v)")
    xp = arg.namespace(*sizes, *drawn, f.v, f.v2, drift)
    gain = lower(_gain(), LETTERS, "numpy" if xp.__name__ == "numpy" else "jax")
    weights, errors = [xp.ones_like(xp.asarray(f.v, float))], [xp.asarray(f.v / sizes[0])]
    for new, old in zip(sizes[1:], drawn, strict=True):
        weights.append(gain(errors[-1], 1.0 * new, 1.0 * old, f.v, 1.0 * f.v2, drift))
        errors.append(weights[-1] * f.v / new)
    settled = evaluate(_settled(), {N: sizes[-1], n: later, V: f.v, v2: f.v2, tau: drift})
    weight, error, settled = (or_nan(each, f) for each in (xp.stack(weights), xp.stack(errors), settled))
    return OptimalWeights(weight, error, OptimalWeight(settled, arg.scalar(settled * f.v / sizes[-1])))


def fresh_schedule(real: Sequence[Any], synthetic: Any, weight: Sequence[Any]) -> Schedule:
    """The `Schedule` of new real sets of sizes ``real`` (M,), weighed by ``weight`` (M,), the first of which is 1.

    ``synthetic``: samples of the model before, one number or (M-1,). It is what `optimal_weights` is about, for
    `simulate.chains` and for every question of theory.

    >>> from modelcollapse import theory
    >>> w = theory.fresh_schedule([50, 80], 20, theory.optimal_weights(theory.Poisson(1.0), [50, 80], 20).weight)
    >>> round(theory.error(theory.Poisson(1.0), w, 2), 6)  # 1/(80 + 1/(1/50 + 1/20)), the sum of what both tell
    0.010606
    """
    sizes, drawn = _sizes(real, synthetic)
    count = len(sizes)
    source = np.zeros((2 * count - 1, count + 1), int)
    source[:count, 0] = 1
    source[np.arange(count, 2 * count - 1), np.arange(1, count)] = 1
    rows = [[0] * (2 * count - 1) for _ in range(count)]
    for model, (row, share) in enumerate(zip(rows, weight, strict=True)):
        row[model] = share
        if model:
            row[count + model - 1] = 1 - share
    return Schedule([*sizes, *drawn], source, rows)


DRIFT = "the variance that the truth gains in a generation, at least 0"


def _sizes(real: Any, synthetic: Any) -> tuple[list[Any], list[Any]]:
    """Sizes of generations 1..M and of 2..M, checked."""
    if not np.ndim(real) or not len(real):
        raise arg.refuse("optimal_weights", "real", real, "the new real samples of each generation, (M,)")
    sizes = [arg.size("optimal_weights", "real", each) for each in real]
    drawn = list(synthetic) if np.ndim(synthetic) else [synthetic] * (len(sizes) - 1)
    if len(drawn) != len(sizes) - 1:
        raise arg.refuse(
            "optimal_weights", "synthetic", synthetic, f"one number, or {len(sizes) - 1}: generation 1 has none"
        )
    return sizes, [arg.size("optimal_weights", "synthetic", each) for each in drawn]


def _before() -> Expr:
    """P: by how much the mean of n samples of the model before errs, which errs by T itself."""
    return tau + T + spread(T) / n


def _gain() -> Expr:
    """The weight of the real part of least error."""
    weighed = w**2 * V / N + (1 - w) ** 2 * _before()
    (best,) = solve(diff(weighed, w), w)
    return factor(best)


def _settled() -> Expr:
    """The weight that reproduces itself: the root in (0, 1) of a quadratic, written so that it does not cancel."""
    lead, middle, last = Poly(_quadratic(), w).all_coeffs()
    return -2 * last / (middle + sqrt(middle**2 - 4 * lead * last))


def _quadratic() -> Expr:
    ratio = N / n + tau * N / V
    return (1 + v2 / n) * w**2 + (ratio - v2 / n) * w - ratio


def _derive() -> Derived:
    return Derived(_gain(), limit=_settled())


def _prove() -> tuple[Step, ...]:
    weighed = w**2 * V / N + (1 - w) ** 2 * _before()
    best = _gain()
    least = factor(weighed.subs(w, best))
    bent = factor(diff(weighed, w, 2) - 2 * (V / N + _before()))
    grows = factor(diff(least, T) * (V / N + _before()) ** 2 - (1 + v2 / n) * (V / N) ** 2)
    fixed = simplify((best - w).subs(T, w * V / N) * (V / N + _before()).subs(T, w * V / N) + V / N * _quadratic())
    still = simplify(_quadratic().subs(w, _settled()))
    steady = simplify(_settled().subs(tau, 0) - WEIGHT.derived.expression)
    if any(each != 0 for each in (bent, simplify(least - best * V / N), grows, fixed, still, steady)):
        raise Unsolved(f"best weights: {bent}, {grows}, {fixed}, {still}, {steady}")
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
        Step("The map is increasing and concave: the root between 0 and 1 is its limit from any start", _settled(), "w* -> "),
        Step("Without drift it is the best constant weight", steady, "w* - (optimal-weight) = "),
    )  # fmt: skip


def _as_printed() -> Expr:
    """The golden-ratio weight, with k = N/n."""
    return (sqrt((N / n) ** 2 + 4 * N / n) - N / n) / 2


KALMAN = Theorem(
    "optimal-weights",
    "The best weight of new real data is the Kalman gain w = P/(P + V/N) with P = tau + T + (V + v2 T)/n, exactly, for every "
    "generation at once, whatever the sizes; the least error is w V/N. With sizes that stay it settles at optimal-weight.",
    "optimal_weights",
    ANY,
    "FreshReal with a weight and sizes for every generation",
    Evidence.RECURSION,
    (
        *COMMON,
        Assumption("the truth moves, if at all, by independent steps, and then v2 = 0", always, ""),
    ),
    ("He2025 (limit)", "derived"),
    _derive,
    _prove,
    (
        Printed(
            _as_printed(),
            "He2025",
            "holds for v2 = 0 or many samples: 0.618 at N = n = 1, where the best weight is 1/2 for v2 = -1",
        ),
    ),
)
