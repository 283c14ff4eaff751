r"""Curation beside real data: what people favour grows in the model, held by what is real, or runs away from it.

Of K samples one is kept, a favoured one A = :math:`e^r` times as likely as another. With no real data the law is tilted further
every round and all else is lost; beside it a favoured trait settles, as long as curation adds less than real data dilutes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, S, cancel, diff, expand, factor, limit, oo, simplify, sqrt

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .selection import Curation
from .solve import Step, Unsolved
from .symbols import A, K, a, alpha, b, p, rho, t, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import inside

MOST_ADVANTAGE = 300.0  # the square of e^r is a float up to here


def curated_share(p0: Any, share: Any, curation: Curation) -> Any:
    r"""The share x that a favoured trait settles at: :math:`x = (1-\alpha)p_0 + \alpha\,C(x)`, C what curation makes of x.

    In large samples, of two kinds: C(x) = Ax/(1+(A-1)x) where the best of very many is kept (choices inf), and
    :math:`x\,(1 + \frac{A-1}{A+1}(1-x))` of pairs (choices 2); both equations are quadratic. For a rare trait it is
    :math:`p_0 (1-\alpha)/(1-\alpha g)` to leading order while :math:`\alpha g < 1`, with the growth g = A, or 2A/(1+A); beyond
    `runaway_share` it is no longer small, however rare the trait is in truth; one that is in no real data at all stays at 0.
    Mean shares of finite samples are below it where A > 1.

    ``p0``: the trait's share of the real data. ``share``: :math:`\alpha` of curated synthetic data, below 1. ``curation``: with a
    number r as ``reward`` (how much more is given for the trait, at most 300) and ``choices`` 2 or inf. Numbers, NumPy or JAX
    arrays. Raises InputError outside. Source: derived; the curation Ferbach2024.

    >>> import math
    >>> from modelcollapse import theory
    >>> best = theory.Curation(1.0, choices=math.inf)
    >>> [round(float(theory.curated_share(0.01, share, best)), 4) for share in (0.0, 0.3, 0.5)]
    [0.01, 0.031, 0.2268]
    """
    owner = "curated_share"
    advantage, pairs = _checked(owner, share, curation)
    arg.probability(owner, "p0", p0, "the trait's share of the real data")
    if not arg.is_traced(share) and np.any(np.asarray(share) >= 1):
        raise arg.refuse(owner, "share", share, "below 1: with no real data the trait takes over, or is lost")
    xp = arg.namespace(p0, share, advantage)
    favoured = xp.asarray(advantage) >= 0  # a trait that is not: the other one is, by as much
    truth, alone = xp.where(favoured, p0, 1 - xp.asarray(p0)), 1 - xp.asarray(share)
    values = {p: truth, alpha: share, rho: alone, t: xp.expm1(abs(xp.asarray(advantage)))}
    told = [xp.asarray(evaluate(each, values)) for each in _quadratic(pairs, excess=t, real=rho)]
    dilutes = told[1] >= 0
    near, far = (
        evaluate(
            each, {letter: xp.where(dilutes == kept, one, 1.0) for letter, one in zip((a, b, y), told, strict=True)}
        )
        for each, kept in zip(_roots_of(a, b, y), (True, False), strict=True)
    )
    stays = xp.where(dilutes, near, far)
    stays = xp.where(stays < truth, truth, xp.where(stays > 1, 1.0, stays))  # by rounding
    settled = xp.where((truth == 0) & (told[1] <= 0), 0.0, stays)  # what nobody has is not chosen
    result = xp.where(favoured, settled, 1 - settled)
    return arg.scalar(inside(result, (p0, 0.0, 1.0), (share, 0.0, 1.0)))


def runaway_share(curation: Curation) -> Any:
    r"""The share of curated synthetic data above which a trait that is rare in truth runs away: :math:`(A + K - 1)/(KA)`.

    A rare trait grows by :math:`KA/(A+K-1)` a round, among K ``choices``; by A among very many (inf), where the share is
    :math:`e^{-r}`. 1 or more: none runs away. ``curation``: with a number or array r as ``reward``. Raises InputError outside.
    Source: derived; the curation Ferbach2024.

    >>> import math
    >>> from modelcollapse import theory
    >>> [round(theory.runaway_share(theory.Curation(1.0, choices)), 4) for choices in (2, 4, math.inf)]
    [0.6839, 0.5259, 0.3679]
    """
    advantage, _ = _checked("runaway_share", 0.5, curation, every=True)
    xp = arg.namespace(advantage)
    fewer = xp.exp(-xp.asarray(advantage))
    if curation.choices == math.inf:
        return arg.scalar(fewer)
    return arg.scalar(evaluate(CURATED.derived.limit, {A: 1 / fewer, K: curation.choices}))


def _checked(owner: str, share: Any, curation: Curation, *, every: bool = False) -> tuple[Any, bool]:
    if not isinstance(curation, Curation):
        raise arg.refuse(owner, "curation", curation, "Curation(r, choices): how much more is given for the trait")
    arg.probability(owner, "share", share, "share of curated synthetic data")
    advantage = curation.reward
    if not arg.is_traced(advantage) and np.any(np.abs(np.asarray(advantage)) > MOST_ADVANTAGE):
        raise arg.refuse(owner, "reward", advantage, f"the trait's advantage, at most {MOST_ADVANTAGE:g} either way")
    if not every and curation.choices not in (2, math.inf):
        raise arg.refuse(owner, "choices", curation.choices, "2 or math.inf, where the share has a closed form; others are "
                         "simulated: simulate.chains with theory.Selected and Curation")  # fmt: skip
    return advantage, curation.choices == 2


def _curated(pairs: bool) -> Expr:
    """What curation makes of the share y of the trait: the chance that the one that is kept has it."""
    if not pairs:  # the best of very many: e^r in proportion
        return A * y / (A * y + 1 - y)
    return y**2 + 2 * y * (1 - y) * A / (A + 1)  # both have it, or one and it is chosen


@cache
def _quadratic(pairs: bool, excess: Expr = A - 1, real: Expr = 1 - alpha) -> tuple[Expr, Expr, Expr]:
    """a, b, c of a x^2 + b x - c = 0, which a share that stays solves: a and c at least 0 where A is at least 1.

    ``excess``, ``real``: A - 1 and 1 - alpha, or letters for numbers of them that have kept their digits.
    """
    if pairs:
        lead = alpha * excess / (excess + 2)
        return lead, real - lead, real * p
    return excess, real - excess * (real * p + alpha), real * p


def _roots(pairs: bool) -> tuple[Expr, Expr]:
    """The share that stays, for b above and below 0."""
    return _roots_of(*_quadratic(pairs))


@cache
def _roots_of(lead: Expr, slope: Expr, constant: Expr) -> tuple[Expr, Expr]:
    """The root that is not below 0, in forms that keep their digits where b is above and below 0."""
    root = sqrt(slope**2 + 4 * lead * constant)
    return 2 * constant / (slope + root), (root - slope) / (2 * lead)


def _derive() -> Derived:
    return Derived(_roots(False)[0], limit=(A + K - 1) / (K * A))


def _prove() -> tuple[Step, ...]:
    for pairs in (False, True):
        lead, slope, constant = _quadratic(pairs)
        left = (y - (1 - alpha) * p - alpha * _curated(pairs)) * (1 if pairs else A * y + 1 - y)
        if simplify(left - (lead * y**2 + slope * y - constant)) != 0:
            raise Unsolved("the quadratic of a share that stays")
        growth = diff(_curated(pairs), y).subs(y, 0)
        near = limit(
            cancel(diff(_roots(pairs)[0], p).subs(p, 0).subs(sqrt((slope**2).subs(p, 0)), slope.subs(p, 0))), y, 0
        )
        if simplify(near.subs(sqrt(slope.subs(p, 0) ** 2), slope.subs(p, 0)) - (1 - alpha) / (1 - alpha * growth)) != 0:
            raise Unsolved(f"the rare trait: {near}")
        bend = factor(diff(_curated(pairs), y, 2))
        if bend.subs({A: 3, y: S.Half}) >= 0:
            raise Unsolved("curation is concave in the share")
    runaway = factor(_roots(False)[1].subs(p, 0))
    rare = K * A / (A + K - 1)  # one favoured among K samples: it is kept with A/(A+K-1), and there are K places for it
    if simplify(rare.subs(K, 2) - diff(_curated(True), y).subs(y, 0)) != 0 or limit(rare, K, oo) != A:
        raise Unsolved("the growth of a rare trait")
    gains = [_gain(choices) for choices in (2, 3, 4)]
    once = p * A**t / (1 - p + p * A**t)
    if any(each != 0 for each in gains) or simplify(_curated(False).subs(y, once) - once.subs(t, t + 1)) != 0:
        raise Unsolved("rounds with no real data")
    return (
        Step(
            "With no real data round by round the law is tilted further: after t rounds of the best of very many",
            once,
            "x(t) = ",
        ),
        Step("Beside real data a share stays where x = (1-alpha) p + alpha C(x), with C(y)", _curated(False), "C = "),
        Step("of pairs", _curated(True), "C = "),
        Step("which are quadratic: very many, pairs", (_quadratic(False), _quadratic(True))[0], "a, b, -c: "),
        Step("The root above 0", _roots(False)[0], "x = "),
        Step("For a rare trait it is p (1-alpha)/(1-alpha g), g the growth of a rare trait, among K", rare, "g = "),
        Step("while alpha g < 1, that is up to the share", 1 / rare, "alpha = "),
        Step("Above it, however rare the trait in truth", runaway, "x = "),
        Step(
            "K w'w - (sum w)^2 = sum of (w_i - w_j)^2 over pairs: the mean of w = e^r rises by (K-1)/K Var(w)/max w at least"
        ),
        Step("C is concave where A > 1: mean shares of finite samples are below the share of large ones (Jensen)"),
    )


def _gain(choices: int) -> Expr:
    """What Lagrange's identity leaves for K samples of weights w: 0."""
    weights = [A, p, rho, t][:choices]
    pairs = sum((one - two) ** 2 for place, one in enumerate(weights) for two in weights[:place])
    return expand(choices * sum(each**2 for each in weights) - sum(weights) ** 2 - pairs)


CURATED = Theorem(
    "curated-share",
    "Beside real data a rare favoured trait settles at p (1-f)/(1 - f g) while f g < 1, g = KA/(A+K-1) its growth when one of K "
    "is kept; with more curated data it runs away to a share that no longer depends on the truth.",
    "curated_share",
    "Categorical",
    "FreshReal, curated",
    Evidence.IDENTITY,
    (
        Assumption("samples are so large that a generation is a map of the model", always, ""),
        Assumption("samples are of two kinds, one favoured", always, ""),
    ),
    ("derived", "Ferbach2024 (curation, gain)"),
    _derive,
    _prove,
    needs="a Curation, and the share of a favoured trait in the truth",
)
