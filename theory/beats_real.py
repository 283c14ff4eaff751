r"""How often chance leaves a later model nearer to the truth than the model of the real data alone.

Later models err by what the first one does and by noise that knows nothing of the truth; by luck that noise undoes some of the
first error. What counts is the pair of errors :math:`(e_1, e_m)` of a mean in one dimension. It is normal, with the covariance C
that the workflow algebra gives, and :math:`|e_m| < |e_1|` where :math:`e_m - e_1` and :math:`e_m + e_1` differ in sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Expr, acos, atan, atan2, diff, pi, simplify, sqrt

from . import algebra
from . import arguments as arg
from . import workflow as workflows
from .assumption import always
from .lower import evaluate
from .solve import Step, Unsolved
from .symbols import P, Q, T, a, b, k, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import or_nan
from .workflow import Workflow

LATEST = 300  # generations: what all of them are made of takes a second
NOTHING = 1e-28  # noise below it, beside the first error, is rounding


def beats_real(w: Workflow, generation: Any) -> Any:
    r""":math:`P(|\theta_m - \theta| < |\theta_1 - \theta|)`: the chance that model m is nearer to the truth than the first.

    .. math:: \frac1\pi \operatorname{atan2}\big(2 \sqrt{C_{11} C_{mm} - C_{1m}^2},\; C_{mm} - C_{11}\big)

    Exact of a mean in one dimension with normal samples of known variance, where each batch is of one model and all of it is
    used; of other one-dimensional means for many samples. Under `Replace` with sizes n_i it is
    :math:`\frac1\pi \arctan(2 \sqrt{a/c})`, with :math:`a = 1/N` and :math:`c = \sum 1/n_i`. It is below one half exactly where
    the error grows. ``generation``: 1 to 300, whole, any shape.

    Raises InputError for other generations. Source: Xu2025 (random walk, qualitative), derived.

    >>> from modelcollapse import theory
    >>> [round(theory.beats_real(theory.Replace(20), m), 4) for m in (2, 5)]  # arctan(2)/pi, 1/4
    [0.3524, 0.25]
    """
    workflows.check("beats_real", w)
    whole = arg.generation("beats_real", generation)
    arg.static("beats_real", generation=generation)
    if np.min(whole) < 1 or np.max(whole) > LATEST:
        raise arg.refuse("beats_real", "generation", generation, f"1 (the first model itself) to {LATEST}")
    made, variance = algebra.influence(w, int(np.max(whole)))
    at = np.asarray(whole, int) - 1
    xp = arg.namespace(made, variance)
    first, last = made[0], made[at]

    def mean(products: Any) -> Any:
        return (products * variance).sum(-1) / (first * first * variance).sum()

    passed = mean(first * last)[..., None]  # how much of the first error a later one has
    noise, grown = mean((last - passed * first) ** 2), mean((last - first) * (last + first))
    same = (at == 0) | (noise < NOTHING)
    chance = evaluate(_chance(), {P: xp.where(same, 1.0, noise), Q: grown})
    return arg.scalar(or_nan(xp.where(same, (grown < 0) * 1.0, chance), w))


def _chance() -> Expr:
    """Of P, the determinant of the covariance, and Q, by how much the variance has grown, both in units of the first error."""
    return atan2(2 * sqrt(P), Q) / pi


def _derive() -> Derived:
    return Derived(_chance())


def _prove() -> tuple[Step, ...]:
    last, cross = T, b  # C_mm, C_1m beside C_11 = a
    below, above = last + a - 2 * cross, last + a + 2 * cross  # variances of e_m - e_1 and of e_m + e_1
    correlation = (last - a) / sqrt(below * above)
    joint = 1 / (2 * pi * sqrt(1 - y**2))  # density at (0, 0) of two standard normal variables of correlation y
    slope = simplify(diff(acos(y) / pi, y) + 2 * joint)
    adjacent, opposite = last - a, 2 * sqrt(a * last - cross**2)
    triangle = simplify((adjacent**2 + opposite**2 - below * above).expand())
    kept = simplify((opposite / adjacent).subs({b: a, T: a + k}) - 2 * sqrt(a / k))
    if slope != 0 or acos(1) != 0 or triangle != 0 or kept != 0:
        raise Unsolved(f"nearer than the first: {slope}, {triangle}, {kept}")
    return (
        Step("|e_m| < |e_1| where (e_m - e_1)(e_m + e_1) < 0; their variances", (below, above), "var = "),
        Step("and their correlation, with a = C_11, b = C_1m, T = C_mm", correlation, "y = "),
        Step("Signs of normal variables differ less with more correlation, by twice their density at 0", 2 * joint, "-dP/dy = "),
        Step("and never at y = 1", acos(y) / pi, "P = "),
        Step("The cosine y is that of a triangle of these two sides", (adjacent, opposite), ""),
        Step("so that, with the determinant of C over a^2 as P and C_mm - C_11 over a as Q", _chance(), "P = "),
        Step("Where all of the first error stays, b = a, and noise of variance k has come to it", atan(2 * sqrt(a / k)) / pi,
             "P = "),
    )  # fmt: skip


BEATS = Theorem(
    "beats-real",
    "A later model is nearer to the truth than the first one with the chance arctan(2 sqrt(a/c))/pi, where a is the variance of "
    "the first error and c that of the noise since: 0.35 after one step of replace, 2/(pi sqrt(m)) after many.",
    "beats_real",
    "a mean in one dimension, normal samples of known variance",
    "every workflow",
    Evidence.IDENTITY,
    (
        Assumption("the model is a mean in one dimension; samples are normal and of known variance, or many", always, ""),
    ),
    ("Xu2025 (random walk)", "derived"),
    _derive,
    _prove,
    needs="a mean in one dimension, of normal samples whose variance is known",
)  # fmt: skip
