r"""Regenerate and filter, or use the real labels again: how many real labels so many generated and verified ones are worth.

Using N real labels again costs nothing and tells nothing new. M generated ones of which a verifier keeps :math:`\chi M`, with the
mean sign r, teach the classifier that averages them as much as :math:`r^2 \chi M` real ones, which are right with certainty: the
merit of the verifier for each. Pooled with the real ones they may do harm, weighed by r they do not.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from sympy import Expr, Max, S, cancel, diff, factor, simplify, solve

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .selection import Verifier
from .solve import Step, Unsolved
from .symbols import M, N, a, chi, n, phi, pr, psi, r
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import nan_unless
from .verified import CLASSES, LABELS, accuracy_argument, kept_labels, verification


class Regeneration(NamedTuple):
    """What generated labels are worth once verified, in real labels.

    ``kept`` of them; ``worth``: alone; ``pooled``, ``weighed``: with the real ones, each label alike or the kept ones weighed by
    their mean sign r. ``outweighs``: so many generated ones alone teach as much as the real ones. ``harmless``: so many, pooled
    with the real ones, do no harm; 0 where none do. inf where learners end up wrong. (0 and below: they teach nothing, or wrong.)
    """

    kept: Any
    worth: Any
    pooled: Any
    weighed: Any
    outweighs: Any
    harmless: Any


def regeneration(p: Any, verifier: Verifier, real: Any, generated: Any) -> Regeneration:
    r"""M generated labels, right with the chance ``p`` and then verified, beside N real ones: in real labels, to leading order.

    With r the mean sign of a kept label and :math:`\chi` the share that is kept, they are worth :math:`r|r|\chi M` real labels;
    both are worth :math:`(N + r\chi M)^2/(N + \chi M)` pooled, :math:`N + r^2\chi M` weighed. N real ones are outweighed from
    :math:`N/(r^2\chi)` generated ones on. Pooled with them none does harm where :math:`r \ge 1/2`, three of four kept ones
    right; else from :math:`N(1-2r)/(r^2\chi)` on.

    ``real`` N, ``generated`` M: numbers or arrays, at least 1. Exact as labels and dimensions grow at one ratio. Assumes that
    labels are wrong independently of each other: a generator that repeats its errors teaches less, and one that was fitted to the
    real labels alone nothing but what the verifier knows (`rao_blackwell`). Raises InputError as `verification`.

    Source: derived, setting of Feng2025.

    >>> from modelcollapse import theory
    >>> told = theory.regeneration(0.75, theory.Verifier(1.0, 0.0), real=1000, generated=2000)  # keeps 1500, all right
    >>> told.kept, told.worth, told.pooled, round(told.outweighs, 6), told.harmless
    (1500.0, 1500.0, 2500.0, 1333.333333, 0.0)
    >>> told = theory.regeneration(0.7, theory.Verifier(1.0, 1.0), real=1000, generated=1000)  # 1000 at r = 0.4
    >>> round(told.worth, 6), round(told.pooled, 6), round(told.weighed, 6), round(told.harmless, 6)
    (160.0, 980.0, 1160.0, 1250.0)
    """
    own = "regeneration"
    seen = verification(p, verifier)
    real = arg.size(own, "real", real, of="labels")
    generated = arg.size(own, "generated", generated, of="labels")
    values = {pr: p, phi: verifier.keep_right, psi: verifier.keep_wrong}
    xp = arg.namespace(seen.keep_rate, real, generated)
    some = xp.asarray(seen.keep_rate) > 0  # of nothing kept there is no sign
    sign = xp.where(some, evaluate(kept_labels()[0], values), 0.0)
    good, kept = sign > 0, seen.keep_rate * generated
    worth = xp.where(some, seen.merit, 0.0) * generated
    pooled = xp.sign(real + sign * kept) * evaluate(_pooled(), {r: sign, n: kept, N: real})
    at = {r: xp.where(good, sign, 1.0), chi: xp.where(good, seen.keep_rate, 1.0), N: real}
    enough, harmless = (xp.where(good, evaluate(each, at), xp.inf) for each in (_outweighs(), _harmless()))
    parts = xp.broadcast_arrays(kept, worth, pooled, real + xp.maximum(worth, 0.0), enough, harmless)
    allowed = [value >= 1 for value in (real, generated) if arg.is_traced(value)]
    return Regeneration(*(arg.scalar(nan_unless(each, allowed)) for each in parts))


@cache
def _worth() -> Expr:
    """The number of right labels with the accuracy of n labels of the mean sign r."""
    (found,) = solve(cancel(accuracy_argument() ** 2 - accuracy_argument().subs({r: 1, n: a}) ** 2), a)
    return factor(found)


def _mixed(weight: Expr) -> Expr:
    """What N real labels and n of the mean sign r, so weighed, are worth: mean squared over variance, as of right ones."""
    return (N + weight * r * n) ** 2 / (N + weight**2 * n)


def _pooled() -> Expr:
    return _mixed(S.One)


@cache
def _weight() -> Expr:
    """The best weight of a kept label over that of a real one."""
    return max(solve(diff(_mixed(a), a), a), key=lambda each: each.subs({N: 1, n: 1, r: 1}))


@cache
def _outweighs() -> Expr:
    (found,) = solve(_worth().subs(n, chi * M) - N, M)
    return found


@cache
def _harmless() -> Expr:
    """Where the pool is worth the real labels alone; the first labels do harm below r = 1/2 only."""
    (found,) = [each for each in solve(cancel(_pooled() - N), n) if each != 0]
    return Max(0, factor(found * r**2 / N)) * N / (r**2 * chi)


def _derive() -> Derived:
    return Derived(_worth().subs(n, chi * M), limit=_outweighs())


def _prove() -> tuple[Step, ...]:
    mean = (N + r * n) / (N + n)  # sign of a label of the pool
    pool = simplify(_worth().subs({r: mean, n: N + n}, simultaneous=True) - _pooled())
    best = cancel(_mixed(_weight()) - N - _worth())
    edge = factor(cancel((_pooled() - N) * (N + n) / n))
    left = (pool, best, simplify(_weight() - r), simplify(edge.subs(n, (1 - 2 * r) * N / r**2)))
    if any(left):
        raise Unsolved(f"regeneration: {left}")
    return (
        Step("Accuracy has at leading order the argument", accuracy_argument(), "Phi of "),
        Step("n labels of the mean sign r have it in common with so many right ones", _worth(), "E = "),
        Step("M generated labels of which chi are kept", _worth().subs(n, chi * M), "E = "),
        Step("teach as much as N real ones from", _outweighs(), "M = "),
        Step("Pooled with N real ones: N + n labels of the mean sign", mean, "r -> "),
        Step("which are worth", _pooled(), "E = "),
        Step("more than the real ones alone where this is positive: at once for r > 1/2", edge, "0 < "),
        Step("else from so many generated ones on", _harmless(), "M = "),
        Step("Weighed by w, mean squared over variance is greatest at", _weight(), "w = "),
        Step("and both add up", N + _worth(), "E = "),
    )


APART_ERRORS = Assumption("labels are wrong independently of each other, and of the points", always, "")
REGENERATION = Theorem(
    "verification/regeneration",
    "Real labels used again tell nothing new; M generated ones that a verifier filters are worth r^2 chi M real ones, its merit "
    "for each, and do no harm pooled with real ones where three of four that are kept are right.",
    "regeneration",
    "two classes",
    "labels of a generator, verified, instead of real ones or beside them",
    Evidence.LIMIT,
    (LABELS, CLASSES, APART_ERRORS),
    ("derived", "Feng2025 (the setting)"),
    _derive,
    _prove,
    needs="a Verifier of labels, how often its generator is right, and real labels",
)
