r"""Smoothing once, in the end: what a kernel density would err if nothing were smoothed while data is drawn.

Data that is drawn without smoothing, points drawn again, keeps the truth's wave on average: its variance is that of any family
with v2 = -1. So its integrated error is the bias of one smoothing, and the variance of one fit times the `gain` of the workflow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Expr, cancel

from . import family as families
from . import workflow as workflows
from .answers import error
from .assumption import SAMPLES
from .characteristic import LOST, characteristic
from .family import Gaussian, GaussianMixture, KernelDensity
from .integrated_error import NORMAL, check_truth, kernels, over_frequencies, plane, run
from .kernel_density import KERNELS
from .lower import evaluate
from .quadrature import summed
from .solve import Step, Unsolved
from .symbols import Bp, Cp, D, N, Sp, T, Z, a, e, ec, m, n, w, y, zp
from .theorem import Assumption, Evidence, Theorem
from .traced import or_nan
from .workflow import Accumulate, FixedReal, Replace, Workflow


def integrated_error_lower_bound(
    f: KernelDensity, w: Workflow, generation: Any, truth: GaussianMixture | None = None
) -> Any:
    r"""What model m would err if its data were drawn without smoothing, and all smoothing done once, by what m smoothings leave.

    .. math:: (2\pi)^{-d} \int z_\phi (1-\mu_m)^2 + \mu_m^2 (1 - z_\phi)\, T_m\, ds \;\le\; E\int (f_m - f)^2,

    :math:`\mu_m` the share of the truth's wave that is left in model m, :math:`T_m` the error over v of a family with v2 = -1
    under the same workflow. Under Replace that smoothing is one kernel of the variance :math:`\sum_{t \le m} h_t^2`. So
    no bandwidth for drawing is better than none, wherever reports may be smoothed at will. For Replace, FixedReal and Accumulate
    (elsewhere it fails: smoothing may repair weights that are far from the best).

    >>> from modelcollapse import theory
    >>> f, w = theory.KernelDensity(0.3), theory.Accumulate(200, 200)
    >>> bool(theory.integrated_error_lower_bound(f, w, 9) < theory.integrated_error(f, w, 9))
    True
    """
    owner = "integrated_error_lower_bound"
    LAST.require(owner, families.check(owner, f), workflows.check(owner, w))
    check_truth(owner, f, truth)
    return or_nan(over_frequencies(owner, f, w, generation, truth, bound_at), f, w, generation=generation)


def bound_at(workflow: Workflow, s: Any, known: dict[Any, Any], widths: Any, generation: Any) -> Any:
    """What smoothing in the end errs, at each generation and frequency."""
    lost = run(workflow, LOST, s, known, widths, generation)
    left = run(workflow, None, s, known, widths, generation)
    models = np.arange(1, len(lost) + 1) if generation is None else generation
    plain = error(Gaussian(), workflow, models)
    plain = plain[..., None] if np.ndim(plain) else plain
    return known[zp] * lost**2 + left**2 * known[Z] * plain


def unsmoothed_slope(
    f: KernelDensity, workflow: Workflow, generation: int, truth: Any
) -> Callable[[float], tuple[Any, Any]]:
    """Of a bandwidth the integrated error of model m, where data is drawn without smoothing, and its slope in (h^2)/2."""
    plain = error(Gaussian(), workflow, generation)
    form = zp * ec**2 + e**2 * Z * T
    slope = (form.subs(ec, 1 - e).diff(e) * -e).subs(1 - e, ec)

    @np.errstate(all="ignore")
    def at(bandwidth: float) -> tuple[Any, Any]:
        s, weights, known = plane(f, truth, bandwidth, bandwidth, 1)
        kept, taken = kernels(np.array([bandwidth]), s)
        values = known | {e: kept[0], ec: taken[0], T: plain}
        return summed(evaluate(form, values), weights), summed(evaluate(slope, values) * s**2, weights)

    return at


def _ratio(workflow: type, variance: Expr) -> Expr:
    """S_psi/(1-B_psi)^2 of the next generation, where it is ``variance`` over (1-B_psi)^2 now; a the share of Accumulate."""
    one = characteristic(workflow)
    covariance = {Cp: (1 - Bp) * Z / N}  # under a fixed real set, which this solves
    return (one.step[1].subs(covariance).subs(Sp, variance) / (1 - one.step[0]) ** 2).subs({ec: 1 - e, Z: 1 - zp})


def rise(workflow: type) -> Expr:
    """By how much smoothing raises S_psi/(1-B_psi)^2 in one generation, where it is D above T, that without smoothing."""
    moves = {Replace: 1, Accumulate: n / (N + m * n)}[workflow]
    left = 1 - moves * (1 - e)
    slower = e / left
    added = moves**2 / n * ((1 / (left * (1 - Bp)) ** 2 - 1) + (T + zp) * (1 - slower**2))
    return D * (1 - moves**2 * slower**2 / n) + added


def _prove_moving(workflow: type) -> Step:
    found = _ratio(workflow, (T + D) * (1 - Bp) ** 2) - _ratio(workflow, T).subs({Bp: 0, e: 1})
    left = cancel((found - rise(workflow)).subs(N, n / a - m * n))  # a = n/(N+mn) in the place of N: few letters
    if left != 0:
        raise Unsolved(f"{workflow.__name__}: {left} left of the rise")
    return Step(f"{workflow.__name__}: it is D above T, that without smoothing, and then", rise(workflow), "D(m+1) = ")


def _prove_fixed() -> tuple[Step, ...]:
    """With the share y = e (1-B_psi) that a model keeps of the truth's wave the ratio falls up to y = 1."""
    share, real = n / (N + n), N / (N + n)
    one = characteristic(FixedReal)
    kept = cancel((one.step[2].subs(Cp, (1 - Bp) * Z / N) - (1 - one.step[0]) * Z / N).subs(ec, 1 - e))
    old = (1 - zp) / N
    found = _ratio(FixedReal, (1 - Bp) ** 2 * (old + T)) - old
    a0 = a**2 / n
    slope = a**2 * ((1 - 1 / n) * T - (zp + old) / n)
    claimed = (a0 + slope * y**2) / (w + a * y) ** 2
    left = cancel(found - claimed.subs({y: e * (1 - Bp), a: share, w: real}, simultaneous=True))
    falling = cancel(claimed.diff(y) - 2 * (slope * w * y - a * a0) / (w + a * y) ** 3)
    settled = (a0 * (1 - zp - old)) / (1 - a**2 * (1 - 1 / n))
    resting = cancel(claimed.subs({y: 1, w: 1 - a}).subs(T, settled) - settled)
    most = a0 / (1 - a**2 * (1 - 1 / n))  # at z_phi = 0 and many real samples
    room = a / n * (1 - a * (1 - 1 / n)) / (1 - a**2 * (1 - 1 / n))
    margin = cancel(a / n - (1 - a) * (1 - 1 / n) * most - room)
    if any((kept, left, falling, resting, margin)):
        raise Unsolved(f"fixed real: {kept}, {left}, {falling}, {resting}, {margin}")
    return (
        Step("FixedReal: C_psi = (1-B_psi) Z/N solves its law; what remains", kept, "residual: "),
        Step(
            "The ratio is Z/N and T, which becomes, with y = e (1-B_psi), the real share w and a = 1 - w",
            claimed,
            "T(m+1) = ",
        ),
        Step("It grows with T. In y it changes by the sign of", slope * w * y - a * a0, "slope: "),
        Step("Without smoothing T grows from 0 to", settled, "T(oo) = "),
        Step(
            "so that the slope is below 0: over a^2 it is at most minus",
            a / n * (1 - a * (1 - 1 / n)) / (1 - a**2 * (1 - 1 / n)),
        ),
    )


def _prove() -> tuple[Step, ...]:
    """By induction over generations: relative to what is left of the truth's wave the variance is least without smoothing."""
    return (
        Step(
            "A report that keeps the share r of a wave errs z_phi (1 - r (1-B_psi))^2 + r^2 S_psi: "
            "by r (1-B_psi) and S_psi/(1-B_psi)^2 alone"
        ),
        Step(
            "So the claim is that S_psi/(1-B_psi)^2 is least without smoothing: then a report that keeps r (1-B_psi) errs less"
        ),
        _prove_moving(Accumulate),
        _prove_moving(Replace),
        Step("No term is below 0, since e <= 1, B_psi >= 0, and e <= 1 - a (1 - e) for a <= 1"),
        *_prove_fixed(),
        Step(
            "Without smoothing B_psi = 0, and S_psi is (1-z_phi) T/V of the plain law, v2 = -1 (integrated-error/recursion)"
        ),
    )


KEPT = Assumption(
    "the workflow is Replace, FixedReal or Accumulate",
    lambda _, workflow: isinstance(workflow, Replace | FixedReal | Accumulate),
    "elsewhere smoothing may repair weights that are far from the best: compare integrated_error itself",
)
LAST = Theorem(
    "integrated-error/lower-bound",
    "Whatever kernels data is drawn with, drawing it without smoothing and smoothing once, as much as all of them did, errs "
    "less at every frequency: the bias of one smoothing, and the variance of one fit times the gain.",
    "integrated_error_lower_bound",
    "KernelDensity",
    "Replace, FixedReal, Accumulate",
    Evidence.BOUND,
    (SAMPLES, KERNELS, NORMAL, KEPT),
    ("derived",),
    None,
    _prove,
)
