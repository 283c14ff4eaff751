r"""Training again on one's own labels: ridge regression, of which self-distillation makes a stronger or a weaker penalty.

A ridge fit with the penalty :math:`\lambda` labels its own N rows, and is fitted again to the mixture
:math:`(1-\xi) y + \xi \hat y`. In the coordinates of the Gram matrix :math:`X'X/N`, with the eigenvalues g, both fits multiply
the data by a number,

.. math:: s = \frac{1}{g + \lambda} \Big(1 - \xi \frac{\lambda}{g + \lambda}\Big),

so that own labels shrink, as more penalty would. They help exactly where there is too little of it. With a truth whose
coordinates have the mean square :math:`\|\theta\|^2/d` the least error of any s is at :math:`s = 1/(g + \lambda^*)`,
:math:`\lambda^* = \sigma^2 d/(N \|\theta\|^2)`: ridge with the best penalty, which nothing made of the same data beats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, cancel, diff, factor, solve

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .solve import Step, Unsolved
from .symbols import g, h, kappa, lam, xi
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import nan_unless


@dataclass(frozen=True)
class Ridge:
    r"""A ridge fit: ``eigenvalues`` (d,) of the Gram matrix X'X/N, ``penalty`` :math:`\lambda`, and ``best`` :math:`\lambda^*`.

    ``best``: noise over signal, :math:`\sigma^2 d/(N \|\theta\|^2)`, see `best_penalty`. ``label_noise``: variance of what is
    added to own labels, over :math:`\sigma^2`; 0: they are the fit itself; 1: they are drawn like real ones.
    """

    eigenvalues: Any
    penalty: Any
    best: Any
    label_noise: Any = 0.0

    def __post_init__(self) -> None:
        wanted = "eigenvalues of X'X/N, shape (d,), none below 0 and not all 0"
        if not arg.is_traced(self.eigenvalues):
            numeric = arg.numbers("Ridge", "eigenvalues", self.eigenvalues, wanted)
            if numeric.ndim != 1 or np.any(numeric < 0) or not np.any(numeric > 0):
                raise arg.refuse("Ridge", "eigenvalues", self.eigenvalues, wanted)
            if not arg.is_jax(self.eigenvalues):
                object.__setattr__(self, "eigenvalues", numeric)
        for name, value in (("penalty", self.penalty), ("best", self.best), ("label_noise", self.label_noise)):
            if np.ndim(value):
                raise arg.refuse("Ridge", name, value, "one number: call it for each")
        arg.positive(
            "Ridge", "penalty", self.penalty, "penalty of the fit (least squares label their rows without change)"
        )
        arg.positive("Ridge", "best", self.best, "the best penalty, noise over signal")
        if not arg.is_traced(self.label_noise):
            wanted = "variance of the noise of own labels over that of real ones, 0 or more"
            if np.any(arg.numbers("Ridge", "label_noise", self.label_noise, wanted) < 0):
                raise arg.refuse("Ridge", "label_noise", self.label_noise, wanted)


class Distillation(NamedTuple):
    """Whether own labels ``help``, the ``share`` of least error (below 0: own labels are best subtracted), and that ``error``."""

    helps: Any
    share: Any
    error: Any


def best_penalty(dimension: int, real: Any, signal: Any, noise: Any = 1.0) -> Any:
    r""":math:`\lambda^* = \sigma^2 d / (N \|\theta\|^2)`: the penalty of least error, below which own labels help.

    ``dimension`` d, ``real`` N, ``signal`` :math:`\|\theta\|^2`, ``noise`` :math:`\sigma^2`. Few real samples make it large.

    >>> from modelcollapse import theory
    >>> [round(theory.best_penalty(50, real, signal=1.0), 3) for real in (60, 500)]
    [0.833, 0.1]
    """
    own = "best_penalty"
    dimension = arg.size(own, "dimension", dimension, of="covariates")
    real = arg.size(own, "real", real)
    arg.positive(own, "signal", signal, "squared length of the coefficients")
    arg.positive(own, "noise", noise, "variance of the noise")
    return arg.scalar(noise * dimension / (real * signal))


def self_distillation_error(f: Ridge, share: Any = 0.0) -> Any:
    r"""Expected squared error of the coefficients, over :math:`\|\theta\|^2`, at a share :math:`\xi` of own labels:

    .. math:: \frac1d \sum_g (s g - 1)^2 + s^2 g \lambda^* + \text{noise of the labels}.

    Given the design; ``share`` is any one number: 0 the fit itself, 1 own labels alone, below 0 own labels subtracted.

    Assumes a truth without a preferred direction (its coordinates have one mean square). Source: derived.

    >>> from modelcollapse import theory
    >>> f = theory.Ridge([1.0], penalty=0.5, best=1.0)
    >>> round(theory.self_distillation_error(f), 6), round(theory.self_distillation_error(f, 0.75), 6)  # 5/9; 1/2, the least
    (0.555556, 0.5)
    """
    _check("self_distillation_error", f)
    if not arg.is_traced(share) and np.ndim(arg.numbers("self_distillation_error", "share", share, "one number")):
        raise arg.refuse("self_distillation_error", "share", share, "one number: call it for each share")
    return _where(f, arg.scalar(_each(risk(), f, share).mean()))


def best_distillation(f: Ridge) -> Distillation:
    r"""Whether own labels help (where :math:`\lambda < \lambda^*`, for every design), and the share of least error.

    Source: derived. Where the penalty is chosen well own labels have nothing to add.

    >>> from modelcollapse import theory
    >>> [best.helps, best.share] if (best := theory.best_distillation(theory.Ridge([1.0], 0.5, best=1.0))) else None
    [True, 0.75]
    >>> round(theory.best_distillation(theory.Ridge([1.0], 1.0, best=0.5)).share, 6)
    -0.666667
    """
    _check("best_distillation", f)
    above, below = (_each(each, f).sum() for each in line())
    share = arg.scalar(above / below)
    return Distillation(f.penalty < f.best, _where(f, share), self_distillation_error(f, share))


def filtered() -> Expr:
    """What X'y/N is multiplied by, at one eigenvalue: fitted once for the labels, and again for the mixture."""
    once = 1 / (g + lam)
    return once * ((1 - xi) + xi * g * once)


@cache
def risk() -> Expr:
    """Squared error at one eigenvalue, over the mean square of one coordinate: shrinkage, noise, noise of own labels."""
    s = 1 / (g + lam) * (1 - xi * lam / (g + lam))
    lost = (lam + xi * g * lam / (g + lam)) / (g + lam)  # 1 - s g, of positive terms
    return lost**2 + s**2 * g * kappa + (xi / (g + lam)) ** 2 * g * h


@cache
def line() -> tuple[Expr, Expr]:
    """The best share is the sum of the first over the eigenvalues, over the sum of the second: the slope in xi is a line."""
    slope = diff(risk(), xi)
    first, second = factor(-slope.subs(xi, 0)), factor(slope.diff(xi))
    if second.has(xi) or cancel(slope - second * xi + first) != 0:
        raise Unsolved(f"not a line in xi: {slope}")
    return first, second


def _each(expression: Expr, f: Ridge, share: Any = 0.0) -> Any:
    values = {g: f.eigenvalues, lam: f.penalty, kappa: f.best, xi: share, h: f.label_noise * f.best}
    return evaluate(expression, values)


def _check(own: str, f: Any) -> None:
    if not isinstance(f, Ridge):
        raise arg.refuse(own, "f", f, "a Ridge(eigenvalues, penalty, best)")


def _where(f: Ridge, result: Any) -> Any:
    rules = [(f.eigenvalues >= 0).all()] if arg.is_traced(f.eigenvalues) else []
    rules += [each > 0 for each in (f.penalty, f.best) if arg.is_traced(each)]
    return nan_unless(result, rules + ([f.label_noise >= 0] if arg.is_traced(f.label_noise) else []))


def _derive() -> Derived:
    return Derived(risk())


def _prove() -> tuple[Step, ...]:
    s = filtered()
    noise = g * kappa  # sigma^2 g/N, over ||theta||^2/d
    plain = (s * g - 1) ** 2 + s**2 * noise + xi**2 * g * h / (g + lam) ** 2
    first, second = line()
    (best,) = solve(diff((s * g - 1) ** 2 + s**2 * noise, xi), xi)
    left = (
        cancel(plain - risk()),
        cancel(first - 2 * lam * g * (kappa - lam) / (g + lam) ** 3),
        cancel(s.subs(xi, best) - 1 / (g + kappa)),
    )
    if any(left):
        raise Unsolved(f"self-distillation: {left}")
    return (
        Step("Fitted to (1 - xi) y + xi times its own labels, ridge multiplies X'y/N at each eigenvalue by", s, "s = "),
        Step("Its error, over ||theta||^2/d, with kappa = sigma^2 d/(N ||theta||^2)", plain, "R = "),
        Step("written in positive terms; less that", left[0], "R - R = "),
        Step("Slope at no own labels", factor(-first), "dR/dxi = "),
        Step("below 0 at every eigenvalue above 0, so for every design, exactly where lambda < kappa"),
        Step("whatever the noise of own labels, which goes with xi^2", cancel(diff(risk(), h)), "dR/dh = "),
        Step("The slope is a line in xi: best at the sum of this", first),
        Step("over the sum of this", second),
        Step("With one eigenvalue that is", factor(best), "xi* = "),
        Step("where the fit is ridge with the best penalty", left[2], "s - 1/(g + kappa) = "),
    )


ISOTROPIC = Assumption("the truth has no preferred direction: its coordinates have one mean square", always, "")
LINEAR = Assumption(
    "labels are linear in given covariates, with independent noise; own labels are of the same rows", always, ""
)
SELF_DISTILLATION = Theorem(
    "self-distillation",
    "Ridge regression gains from some of its own labels exactly where its penalty is below sigma^2 d/(N ||theta||^2), for every "
    "design: where real data is scarce or the fit not regularised enough. With the best penalty nothing is gained.",
    "best_distillation",
    "ridge regression",
    "one round: the model labels its own rows and is fitted again",
    Evidence.IDENTITY,
    (LINEAR, ISOTROPIC),
    ("derived", "Mobahi2020 (self-distillation amplifies regularisation)"),
    _derive,
    _prove,
    needs="a Ridge regression that labels its own rows",
)
