r"""When to stop retraining on verified data: a verifier helps at first, and in the end teaches its own error.

A model that is retrained on its own samples, kept where a verifier finds them near what it takes for true, moves each round by
a share a towards the verifier. What the model did not know fades, what the verifier has wrong comes in.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, cancel, diff, log, simplify, solve

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .solve import Step, Unsolved, residuals, solve_affine
from .stable import CompoundPower, GeometricSum, LogarithmicQuotient
from .symbols import V0, Bv, V, a, c, m, omega, t, x1, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import inside


class StoppingRound(NamedTuple):
    """``rounds`` of least error (0: never start; inf: never stop), the ``error`` then, and the ``limit`` without stopping."""

    rounds: Any
    error: Any
    limit: Any


def stopping_round(contraction: Any, variance: Any, bias: Any, noise: Any = 0.0) -> StoppingRound:
    r"""The round t at which :math:`(1-a)^{2t} V_0 + (1-(1-a)^t)^2 B_v + \omega\frac{1-(1-a)^{2t}}{1-(1-a)^2}` is least.

    :math:`t^* = \ln\big(B_v/(V_0+B_v-W)\big) / \ln(1-a)` with :math:`W = \omega/(a(2-a))`, rounded to the better neighbour:
    0 where :math:`V_0 \le W`, infinite where B_v = 0. With no noise the error is then near :math:`V_0 B_v/(V_0+B_v)`, and B_v in
    the long run.

    ``contraction``: a, the share by which a round moves the model to the verifier, between 0 and 1. ``variance``: V0, squared
    error at the start, whose direction has nothing to do with the verifier's. ``bias``: B_v, squared distance of what the
    verifier takes for true from the truth. ``noise``: omega, squared error that the samples of one round add (their variance
    over their number). Numbers, NumPy or JAX arrays. Raises InputError outside. Source: derived; qualitatively Yi2025.

    >>> from modelcollapse import theory
    >>> theory.stopping_round(0.5, 3.0, 1.0)  # 3/16 of the start is left, and 9/16 of the bias has come in
    StoppingRound(rounds=2.0, error=0.75, limit=1.0)
    """
    owner = "stopping_round"
    arg.probability(
        owner, "contraction", contraction, "the share by which a round moves the model towards the verifier"
    )
    least = np.finfo(float).tiny
    if not arg.is_traced(contraction) and np.any((np.asarray(contraction) < least) | (np.asarray(contraction) >= 1)):
        raise arg.refuse(
            owner, "contraction", contraction, "the share by which a round moves the model, above 0 and below 1"
        )
    arg.positive(owner, "variance", variance, "squared error at the start")
    for name, value in (("bias", bias), ("noise", noise)):
        arg.nonnegative(owner, name, value, "a squared error")
    ranges = (
        (contraction, 0.0, 1.0),
        (variance, 0.0, math.inf),
        (bias, 0.0, math.inf),
        (noise, 0.0, math.inf),
    )
    xp = arg.namespace(contraction, variance, bias, noise)
    values = {a: contraction, V0: variance, Bv: bias, omega: noise}
    settled = evaluate(STOPPING.derived.limit, values)
    starts, endless = (
        xp.asarray(variance + bias - settled > 0),
        xp.asarray(bias == 0),
    )  # V0 > W, and an unbiased verifier
    plain = values | {Bv: xp.where(starts & ~endless, bias, 1.0), V0: xp.where(starts & ~endless, variance, 1.0)}
    plain[omega] = xp.where(starts & ~endless, noise, 0.0)
    best = xp.asarray(evaluate(_best(), plain))
    below, above = (error_after(each, contraction, variance, bias, noise) for each in (xp.floor(best), xp.ceil(best)))
    whole = xp.where(below <= above, xp.floor(best), xp.ceil(best))
    rounds = xp.where(starts, xp.where(endless, xp.inf, whole), 0.0)
    least = xp.where(starts, xp.where(endless, settled, xp.minimum(below, above)), variance * xp.ones_like(best))
    return StoppingRound(*(arg.scalar(inside(each, *ranges)) for each in (rounds, least, settled)))


def error_after(rounds: Any, contraction: Any, variance: Any, bias: Any, noise: Any = 0.0) -> Any:
    """The error after so many rounds, of the letters of `stopping_round`.

    >>> error_after(np.array([0, 1, 2]), 0.5, 3.0, 1.0).tolist()
    [3.0, 1.0, 0.75]
    """
    return evaluate(STOPPING.derived.expression, {t: rounds, a: contraction, V0: variance, Bv: bias, omega: noise})


def _error() -> Expr:
    """Bias and variance have an affine recursion each; m counts from 1, rounds from 0."""
    spread = solve_affine((1 - a) ** 2, omega, V0)
    shift = solve_affine(1 - a, a, 0)
    return (spread + Bv * shift**2).subs(m, t + 1)


def _best() -> Expr:
    """The real round of least error, where there is one."""
    return -log(Bv / (V0 + Bv - SETTLED)) / (a * LogarithmicQuotient(-a))


SETTLED = omega / (a * (2 - a))  # error that the noise of all rounds settles to


def _derive() -> Derived:
    return Derived(_error(), limit=Bv + SETTLED)


def _prove() -> tuple[Step, ...]:
    width = V * (1 - a) / a  # of the verifier's bell, about c
    exponent = -((y - x1) ** 2) / (2 * V) - (y - c) ** 2 / (2 * width)
    (centre,) = solve(diff(exponent, y), y)
    kept = cancel(-1 / diff(exponent, y, 2))
    if simplify(centre - ((1 - a) * x1 + a * c)) != 0 or simplify(kept - V * (1 - a)) != 0:
        raise Unsolved("the law of a kept sample")
    for slope, constant, first in (((1 - a) ** 2, omega, V0), (1 - a, a, V0 * 0)):
        if residuals(solve_affine(slope, constant, first), slope, constant, first) != (0, 0):
            raise Unsolved("bias or spread")
    left = y  # (1-a)^t, from 1 down to 0
    written = _error().replace(CompoundPower, lambda base, _: left if base == 1 - a else left**2)
    written = written.replace(
        GeometricSum, lambda base, _: (1 - left) / a if base == 1 - a else (1 - left**2) / (1 - (1 - a) ** 2)
    )
    parabola = left**2 * (V0 + Bv - SETTLED) - 2 * left * Bv + Bv + SETTLED
    if simplify(written - parabola) != 0:
        raise Unsolved("the error as a parabola in (1-a)^t")
    (stop,) = solve(diff(parabola, left), left)
    if simplify(stop - Bv / (V0 + Bv - SETTLED)) != 0 or simplify(parabola.subs(left, 0) - Bv - SETTLED) != 0:
        raise Unsolved("the least error")
    start = simplify(diff(parabola, left).subs(left, 1) - 2 * (V0 - SETTLED))
    if start != 0 or simplify(parabola.subs(omega, 0).subs(left, stop.subs(omega, 0)) - V0 * Bv / (V0 + Bv)) != 0:
        raise Unsolved("the edge where no round helps")
    return (
        Step("A normal sample about x_1, kept with the chance exp(-(y-c)^2/(2 V (1-a)/a)), is normal about", centre),
        Step("with the variance", kept),
        Step(
            "so that the mean of kept samples moves by a towards the verifier; error after t rounds",
            _error(),
            "T(t) = ",
        ),
        Step("With y = (1-a)^t it is", parabola, "T = "),
        Step("least at", stop, "(1-a)^t = "),
        Step("which comes after the start where the slope at y = 1 is positive", V0 - SETTLED, "0 < "),
        Step("that is after", _best().doit(), "t* = "),
        Step("Without noise the least error is", V0 * Bv / (V0 + Bv), "T(t*) = "),
        Step("and in the long run", Bv + SETTLED, "T(oo) = "),
    )


STOPPING = Theorem(
    "stopping-round",
    "Retraining on what a biased verifier keeps is best stopped after ln(B_v/(V0+B_v-W))/ln(1-a) rounds, at about "
    "V0 B_v/(V0+B_v); without stopping the error becomes the verifier's own, B_v, and the noise W.",
    "stopping_round",
    "a mean",
    "replace, verified",
    Evidence.IDENTITY,
    (
        Assumption("each round moves the model by a share towards what the verifier takes for true, as a mean of Gaussian "
                   "samples kept by a Gaussian chance does, or least squares with a Gaussian prior", always, ""),
        Assumption("the error at the start is independent of the verifier's", always, ""),
    ),
    ("derived", "Yi2025 (qualitatively)"),
    _derive,
    _prove,
    needs="a verifier that draws the model towards what it takes for true: its bias and the contraction of a round",
)  # fmt: skip
