r"""The worth of a synthetic source, from a few small runs, with limits that are right also where the runs say little.

A run on N real and n synthetic samples has the loss

.. math:: y = L + V x_1 + \delta^2 x_2, \qquad x_1 = \frac{N + \tau n}{(N+n)^2},\; x_2 = \Big(\frac{n}{N+n}\Big)^2,

which is linear in what is not known: the floor L, the noise V and the squared bias. Three runs determine them, more are fitted
by least squares. The worth :math:`B = V/\delta^2` is a ratio, and limits of a ratio are Fieller's: all B for which
:math:`V - B\delta^2` is not told from 0. They reach up to ``inf`` where the bias is not told from none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Dummy, Expr, S, cancel, diff, expand, factor, limit, oo, simplify, solve

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .solve import Step, Unsolved
from .source import Source
from .symbols import B, N, V, a, b, c, delta, n, tau, x1, y, ym, yr, ys
from .theorem import Assumption, Derived, Evidence, Theorem
from .worth import APART, SAME_BIAS, pooled

ROUNDING = 2.0**-48  # of what is added up: less than that is nothing
UNKNOWNS = 3
NOISE = "variance of one synthetic sample over that of a real one"
ALIKE = (
    "at least three runs that differ in total and in share: real samples alone, synthetic ones alone, and a mixture, of "
    "different totals"
)
COUNTED = "numbers of samples are whole, 0 or more, one of them at least 1"
SURE = "a standard error is above 0: leave the column out where it is not known"
DISTINCT = 1e-7  # least singular value of the scaled design over the largest: runs that are nearer are alike


class Limits(NamedTuple):
    """A value with its confidence limits; ``None`` where the runs give none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Pilot:
    """What pilot runs say: the ``worth`` B, ``variance`` V and squared ``bias`` in units of the loss, the ``floor`` L.

    ``noise``: variance of a synthetic sample over that of a real one, as it was given. ``runs``: how many. ``level``: chance that
    the limits of one of these hold. ``misfit``: chance of runs that fit as badly, where this can be told (more than three runs,
    with standard errors): a small one speaks against the model.
    """

    worth: Limits
    variance: Limits
    bias: Limits
    floor: Limits
    noise: float
    runs: int
    level: float
    misfit: float | None


@np.errstate(all="ignore")
def estimate_worth(runs: Any, level: float = 0.95, noise: float = 1.0) -> Pilot:
    r"""The worth of a source from ``runs``: rows (real, synthetic, loss) or (real, synthetic, loss, standard error).

    At least three: real samples alone, synthetic samples alone, and a mixture, of different totals. Repeated runs are rows of
    their own. With standard errors rows are weighed by them and limits are exact for normal errors; without, errors are taken
    as of one size and estimated from what more than three runs leave over (Student's law); three runs without have no limits.
    Where the estimated bias is below 0 it is taken as 0, and limits may be wider than the level says, never narrower.

    ``noise``: variance of one synthetic sample over that of a real one, if other than 1 (see `Source`).

    Assumes that the loss falls with the number of samples like one over it, to a floor (a regular learner; no exponent is
    fitted).

    Raises InputError for rows that are no such runs, that do not tell the three unknowns apart, or whose loss does not fall.
    Source: derived; Fieller1954.

    >>> from modelcollapse import theory
    >>> found = theory.estimate_worth([(100, 0, 2.01), (0, 200, 2.03), (100, 50, 2.01 - 1 / 300 + 1 / 360)])
    >>> round(found.worth.value, 6), round(found.variance.value, 6), found.worth.high  # B = 1/0.025
    (40.0, 1.0, None)
    """
    own = "estimate_worth"
    table = _rows(own, runs)
    if not 0 < arg.one(own, "level", level, "the chance that the limits hold") < 1:
        raise arg.refuse(own, "level", level, "the chance that the limits hold, above 0 and below 1")
    arg.positive(own, "noise", noise, NOISE)
    if np.ndim(noise):
        raise arg.refuse(own, "noise", noise, f"one number: {NOISE}")
    with_errors = table.shape[1] > UNKNOWNS
    scale = table[:, 3] if with_errors else np.ones(len(table))
    weights = weights_of(table[:, 0], table[:, 1], scale, noise)
    found = weights @ table[:, 2]
    found = np.where(abs(found) > ROUNDING * (abs(weights) @ abs(table[:, 2])), found, 0.0)
    covariance = (weights * scale**2) @ weights.T
    left = (table[:, 2] - design(table[:, 0], table[:, 1], noise) @ found) / scale
    spare = len(table) - UNKNOWNS
    if not np.isfinite([*found, *covariance.ravel(), left @ left]).all():
        raise arg.refuse(own, "runs", runs, "losses and errors whose squares are no larger than 1e308")
    if not found[1] > 0:
        raise arg.refuse(own, "runs", f"V = {found[1]:.3g}", "in these runs the loss does not fall with the number of samples: "
                         "use runs of more different totals, or more of them")  # fmt: skip
    quantile = misfit = None
    if with_errors:
        quantile, misfit = _normal(level), _tail(float(left @ left), spare) if spare else None
    elif spare:
        quantile = _student(level, spare)
        covariance = covariance * float(left @ left) / spare
    around = [_around(found[place], covariance[place, place], quantile) for place in range(UNKNOWNS)]
    worth = found[1] / found[2] if found[2] > 0 else math.inf
    limits = (None, None) if quantile is None else ratio_limits(found[1:], covariance[1:, 1:], quantile)
    return Pilot(Limits(float(worth), *limits), around[1], around[2], around[0], noise, len(table), level, misfit)


def at_limits(pilot: Pilot, question: Callable[[Source], Any]) -> Limits:
    """An answer that goes one way with the worth, at the estimated worth and at its limits.

    >>> from modelcollapse import theory
    >>> runs = [(100, 0, 2.0105, 1e-3), (0, 200, 2.0295, 1e-3), (100, 50, 2.0094, 1e-3), (1000, 0, 2.001, 1e-3)]
    >>> pilot = theory.estimate_worth(runs)
    >>> share = theory.at_limits(pilot, lambda source: theory.optimal_share(1000, source).share)
    >>> [round(each, 3) for each in share]
    [0.022, 0.015, 0.028]
    """
    if not isinstance(pilot, Pilot):
        raise arg.refuse("at_limits", "pilot", pilot, "a Pilot, as estimate_worth gives it")
    if not callable(question):
        raise arg.refuse("at_limits", "question", question, "a function of a Source")
    low, high = (None if each is None else float(question(Source(each, pilot.noise))) for each in pilot.worth[1:])
    ends = (low, high) if low is None or high is None else (min(low, high), max(low, high))
    return Limits(float(question(Source(pilot.worth.value, pilot.noise))), *ends)


def design(real: Any, synthetic: Any, noise: float = 1.0) -> np.ndarray:
    """What floor, noise and squared bias count in the loss of each run: (runs, 3)."""
    real, synthetic = np.asarray(real, float), np.asarray(synthetic, float)
    return np.stack([evaluate(each, {N: real, n: synthetic, tau: noise}) for each in _columns()], axis=-1)


def weights_of(real: Any, synthetic: Any, scale: Any = 1.0, noise: float = 1.0) -> np.ndarray:
    """(3, runs): what floor, noise and squared bias are of the losses, by least squares; ``scale``: their standard errors.

    Raises InputError where the runs do not tell the three apart.
    """
    table = design(real, synthetic, noise)
    unit = np.abs(table).max(axis=0)
    scale = np.broadcast_to(np.asarray(scale, float), len(table))
    size = np.linalg.svd(table / np.where(unit > 0, unit, 1.0), compute_uv=False)
    if len(table) < UNKNOWNS or size[-1] < DISTINCT * size[0]:
        raise arg.refuse("estimate_worth", "runs", f"{len(table)} runs", ALIKE)
    q, r = np.linalg.qr(table / unit / scale[:, None])
    return np.linalg.solve(r, q.T / scale) / unit[:, None]


def ratio_limits(pair: np.ndarray, covariance: np.ndarray, quantile: float) -> tuple[float, float]:
    r"""Fieller's limits of :math:`B = V/\delta^2`, from 0 to inf: where :math:`a B^2 - 2 b B + c \le 0`.

    An estimated bias below 0 allows for as much more as no bias at all would need, so that ``inf`` is always within then.
    """
    (first, second), noise = pair, covariance[1, 1]
    if noise == 0:  # runs that fit without a rest
        worth = first / second if second > 0 else math.inf
        return float(worth), float(worth)
    squared = quantile**2 + min(second, 0.0) ** 2 / noise
    low = first**2 - squared * covariance[0, 0]
    middle = first * second - squared * covariance[0, 1]
    top = max(second, 0.0) ** 2 - quantile**2 * noise
    root = math.sqrt(max(middle**2 - top * low, 0.0))
    least, most = 0.0, math.inf
    if low > 0:
        least = low / (middle + root) if middle >= 0 else (middle - root) / top
    if top > 0:
        most = (middle + root) / top if middle >= 0 else low / (middle - root)
    return float(least), float(most)


@cache
def _columns() -> tuple[Expr, Expr, Expr]:
    """What 1, V and delta^2 are multiplied by in the pooled error."""
    error = expand(pooled().subs(B, V / delta**2))
    noise, bias = (factor(error.coeff(letter, power)) for letter, power in ((V, 1), (delta, 2)))
    if cancel(error - noise * V - bias * delta**2) != 0:
        raise Unsolved("the pooled error is not linear in V and delta^2")
    return S.One, noise, bias


def _rows(own: str, runs: Any) -> np.ndarray:
    wanted = "rows (real, synthetic, loss) or (real, synthetic, loss, standard error), all of one length"
    try:
        ragged = isinstance(runs, Sequence) and len({len(row) for row in runs}) > 1
    except TypeError:
        ragged = True
    if ragged:
        raise arg.refuse(own, "runs", runs, wanted)
    table = arg.numbers(own, "runs", runs, wanted)
    if table.ndim != 2 or not len(table) or table.shape[1] not in (UNKNOWNS, UNKNOWNS + 1):
        raise arg.refuse(own, "runs", f"shape {table.shape}", wanted)
    counts = table[:, :2]
    wrong = (counts < 0) | (counts != np.floor(counts)) | (counts > arg.LAST)
    sure = table[:, UNKNOWNS:].min(axis=1, initial=1.0) <= 0
    for bad, remedy in ((wrong.any(axis=1) | (counts.sum(axis=1) < 1), COUNTED), (sure, SURE)):
        for at in np.flatnonzero(bad):
            raise arg.refuse(own, "runs", f"row {at + 1}: {table[at].tolist()}", remedy)
    return table


def _around(value: float, variance: float, quantile: float | None) -> Limits:
    if quantile is None:
        return Limits(float(value), None, None)
    reach = quantile * math.sqrt(variance)
    return Limits(float(value), float(value - reach), float(value + reach))


def _normal(level: float) -> float:
    from scipy import special

    return float(special.ndtri((1 + level) / 2))


def _student(level: float, spare: int) -> float:
    from scipy import special

    return float(special.stdtrit(spare, (1 + level) / 2))


def _tail(square: float, spare: int) -> float:
    from scipy import special

    return float(special.chdtrc(spare, square))


@cache
def from_three() -> dict[str, Expr]:
    """Floor, noise and squared bias of three runs: N real samples, n synthetic ones, and both together."""
    floor, bias = Dummy("floor"), Dummy("bias")

    def loss(real: Any, synthetic: Any) -> Expr:
        one, noise, share = (each.subs({N: real, n: synthetic}, simultaneous=True) for each in _columns())
        return one * floor + noise * V + share * bias

    found = solve([loss(N, 0) - yr, loss(0, n) - ys, loss(N, n) - ym], [floor, V, bias], dict=True)
    return {name: factor(found[0][letter]) for name, letter in (("floor", floor), ("V", V), ("bias", bias))}


def _derive() -> Derived:
    three = from_three()
    return Derived(factor(cancel(three["V"] / three["bias"])))


def _prove() -> tuple[Step, ...]:
    three, (one, noise, bias) = from_three(), _columns()
    true = Dummy("bias")  # the pair (x_1, y) estimates (V, delta^2) with the covariances a, b, c
    off, other = x1 - B * true, y - true
    distance = (c * off**2 - 2 * b * off * other + a * other**2) / (a * c - b**2)
    (nearest,) = solve(diff(distance, true), true)
    profile = factor(simplify(distance.subs(true, nearest)))
    fieller = (x1 - B * y) ** 2 / (a - 2 * B * b + B**2 * c)
    at_none = limit(fieller, B, oo)
    left = (
        simplify(profile - fieller),
        simplify(three["floor"] + three["V"] / N - yr),
        simplify(three["floor"] + tau * three["V"] / n + three["bias"] - ys),
        simplify(three["floor"] + three["V"] * noise + three["bias"] * bias - ym),
        simplify(at_none - y**2 / c),
    )
    if any(left):
        raise Unsolved(f"pilot runs: {left}")
    return (
        Step("What floor, V and delta^2 count in the loss of a run", (one, noise, bias)),
        Step("Runs on N real samples, n synthetic ones, and both: V", three["V"], "V = "),
        Step("and the squared bias", three["bias"], "delta^2 = "),
        Step("Their ratio", _derive().expression, "B = "),
        Step("Put back into the three losses", left[1:4]),
        Step(
            "With estimates x_1 and y of the two, of the covariances a, b, c: least distance from a pair of ratio B",
            fieller,
        ),
        Step("the same as the square of x_1 - B y over its variance", left[0], "residual: "),
        Step("Without any bias that is", at_none, "B -> oo: "),
        Step("Limits are where it is not above the square of the quantile: of a quadratic in B"),
    )


EVEN = Assumption("the noise of a synthetic sample over that of a real one is known (1 unless said)", always, "")
FALLS = Assumption("the loss falls like one over the number of samples, to a floor", always, "")
UNBIASED = Assumption("the losses of the runs have independent, normal errors", always, "")
PILOT = Theorem(
    "pilot-runs",
    "Three small runs tell what a source is worth: real samples alone, synthetic ones alone, and a mixture, of different totals; "
    "the limits are Fieller's, and reach to no bias at all where the runs cannot tell.",
    "estimate_worth",
    "any regular learner whose loss falls like one over the number of samples",
    "one round: real samples pooled with those of a Source",
    Evidence.IDENTITY,
    (APART, SAME_BIAS, EVEN, FALLS, UNBIASED),
    ("derived", "Fieller1954"),
    _derive,
    _prove,
    needs="losses of pilot runs, on real samples, synthetic ones and both",
)
