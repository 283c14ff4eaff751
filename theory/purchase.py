r"""What to buy with a budget: synthetic samples by an absolute number, whatever the budget, and real ones for all the rest.

Weighed as they deserve, N real samples and n of a `Source` err as :math:`V/(N + E)`, :math:`E = n/(\tau + n/B)` (`worth`). E
is concave in n: its first samples are worth :math:`1/\tau` real ones, later ones ever less. So with :math:`c_r N + c_s n = C`
synthetic samples are bought until the next one is worth its price,

.. math:: n^* = B\Big(\sqrt{\tau c_r/c_s} - \tau\Big)^+ , \qquad E^* = B\Big(1 - \sqrt{\tau c_s/c_r}\Big)^+ ,

and a budget that does not reach n* goes into synthetic samples alone.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, Max, cancel, diff, factor, simplify, solve, sqrt

from . import arguments as arg
from .lower import evaluate
from .solve import Step, Unsolved
from .source import Source
from .symbols import B, cr, cs, n, tau
from .theorem import Derived, Evidence, Theorem
from .traced import nan_unless
from .worth import APART, AVERAGED, SAME_BIAS, equivalents


class Purchase(NamedTuple):
    """What to buy: ``real`` and ``synthetic`` samples, any real numbers, and the ``error`` at the best weights.

    Of several sources ``synthetic`` has one number for each.
    """

    real: Any
    synthetic: Any
    error: Any


@np.errstate(all="ignore")  # what overflows is inf
def optimal_purchase(total: Any, real: Any, synthetic: Any, source: Source, variance: Any = 1.0) -> Purchase:
    r"""The samples of least error that ``total`` buys: :math:`n^* = \min(C/c_s, B(\sqrt{\tau c_r/c_s} - \tau)^+)`, the rest real.

    ``real`` c_r and ``synthetic`` c_s: prices of a sample. Nothing synthetic where it costs more than a real sample over its
    ``noise``. n* does not depend on the budget: a larger budget buys real samples. ``variance`` V of one real sample.
    Numbers, NumPy or JAX arrays.

    Raises InputError for a budget or a price that is not above 0. Source: derived.

    >>> from modelcollapse import theory
    >>> theory.optimal_purchase(1000.0, 1.0, 0.25, theory.Source(worth=40))
    Purchase(real=990.0, synthetic=40.0, error=0.00099...)
    >>> theory.optimal_purchase(5.0, 1.0, 0.25, theory.Source(worth=40))[:2]
    (0.0, 20.0)
    """
    own = "optimal_purchase"
    if not isinstance(source, Source):
        raise arg.refuse(own, "source", source, "a Source(worth, noise)")
    named = (("total", total, "what there is to spend"), ("real", real, "price of a real sample"),
             ("synthetic", synthetic, "price of a synthetic sample"),
             ("variance", variance, "variance of one real sample"))  # fmt: skip
    for name, value, meaning in named:
        arg.positive(own, name, value, meaning)
    xp = arg.namespace(total, real, synthetic, source.worth, source.noise, variance)
    finite = xp.where(xp.isinf(source.worth), 1.0, source.worth)  # inf times 0 is none
    free = evaluate(PURCHASE.derived.expression, {B: finite, tau: source.noise, cr: real, cs: synthetic})
    free = xp.where(xp.isinf(source.worth) & (free > 0), xp.inf, free)
    number = xp.minimum(free, total / synthetic)
    left = xp.where(free < total / synthetic, (total - synthetic * number) / real, 0.0)
    some = number > 0
    more = evaluate(
        equivalents(),
        {n: xp.where(some, number, 1.0), B: xp.where(source.worth == 0, 1.0, source.worth), tau: source.noise},
    )
    error = variance / (left + xp.where(some, more, 0.0))
    allowed = [each > 0 for each in (total, real, synthetic, variance, source.noise) if arg.is_traced(each)]
    allowed += [source.worth >= 0] if arg.is_traced(source.worth) else []
    return Purchase(*(arg.scalar(nan_unless(each, allowed)) for each in (left, number, error)))


@np.errstate(all="ignore")  # what overflows is inf
def purchase_of_several(
    total: float, real: float, offers: tuple[tuple[Source, float], ...], variance: float = 1.0
) -> Purchase:
    r"""The samples of least error that a budget can buy among real ones and several sources, each with its price.

    No estimate that is linear in the samples and right where there is no bias errs less, with biases of the sources that are
    independent: each source adds its :math:`E_i`. At the best all that is bought costs the same for what one more sample tells:
    :math:`n_i = B_i(\sqrt{\tau_i c/c_i} - \tau_i)^+` with c = c_r, or with the smaller c that spends all.

    >>> from modelcollapse import theory
    >>> cheap, good = theory.Source(40.0), theory.Source(90.0)
    >>> purchase_of_several(1000.0, 1.0, ((cheap, 0.25), (good, 1.0 / 9)))  # worth 20 and 60 real ones
    Purchase(real=970.0..., synthetic=(40.0, 180.0...), error=0.000952...)
    """
    told_by_money = {place: 1 / (price * s.noise) for place, (s, price) in enumerate(offers) if math.isinf(s.worth)}
    unbiased = max(told_by_money, key=told_by_money.__getitem__, default=None)  # of what has no bias the best is enough
    dearest = real if unbiased is None else min(real, 1 / told_by_money[unbiased])
    order = sorted(
        (place for place, (s, _) in enumerate(offers) if 0 < s.worth < math.inf),
        key=lambda place: offers[place][0].noise * offers[place][1],
    )
    finite = [(offers[place][0], float(offers[place][1])) for place in order]

    def bought(price_of_one: float) -> list[float]:
        values = ({B: s.worth, tau: s.noise, cr: price_of_one, cs: price} for s, price in finite)
        return [float(evaluate(PURCHASE.derived.expression, each)) for each in values]

    level = dearest
    if sum(number * price for number, (_, price) in zip(bought(level), finite, strict=True)) > total:
        for active in range(1, len(finite) + 1):  # the cheapest ones at their first sample
            some = finite[:active]
            root = total + sum(price * s.worth * s.noise for s, price in some)
            level = float(np.square(root / sum(s.worth * math.sqrt(s.noise * price) for s, price in some)))
            following = finite[active][0].noise * finite[active][1] if active < len(finite) else math.inf
            if level <= following:
                break
    numbers = bought(level)
    left = max(total - sum(number * price for number, (_, price) in zip(numbers, finite, strict=True)), 0.0)
    told = [
        evaluate(equivalents(), {n: number, B: s.worth, tau: s.noise})
        for number, (s, _) in zip(numbers, finite, strict=True)
        if number > 0
    ]
    spare = left / dearest if level == dearest else 0.0
    synthetic = dict(zip(order, numbers, strict=True))
    if unbiased is not None and dearest < real:
        synthetic[unbiased] = spare * offers[unbiased][0].noise
    found = tuple(synthetic.get(place, 0.0) for place in range(len(offers)))
    return Purchase(spare if dearest == real else 0.0, found, float(variance / (sum(told) + spare)))


@cache
def _turning() -> Expr:
    """The number of synthetic samples of which the last one is worth its price."""
    (found,) = [
        each for each in solve(diff(equivalents(), n) - cs / cr, n) if each.subs({B: 1, tau: 1, cr: 4, cs: 1}) > 0
    ]
    return simplify(found)


def _derive() -> Derived:
    ratio = sqrt(
        cr / (cs * tau)
    )  # written so that it does not cancel where a synthetic sample is hardly worth its price
    return Derived(
        B * Max(0, cr - cs * tau) / (cs * (1 + ratio)), limit=B * Max(0, cr - cs * tau) / (cr * (1 + 1 / ratio))
    )


def _prove() -> tuple[Step, ...]:
    written = _derive().expression.replace(Max, lambda *each: sum(each))
    told = _derive().limit.replace(Max, lambda *each: sum(each))
    bent = factor(diff(equivalents(), n, 2))
    left = (
        simplify(_turning() - written),
        simplify((diff(equivalents(), n) - cs / cr).subs(n, written)),
        simplify(equivalents().subs(n, written) - told),
        simplify(diff(cancel(equivalents()), n).subs(n, 0) - 1 / tau),
        simplify(written - B * (sqrt(tau * cr / cs) - tau)),
        simplify(told - B * (1 - sqrt(tau * cs / cr))),
    )
    if any(left) or not bent.is_negative:
        raise Unsolved(f"purchase: {left}, {bent}")
    return (
        Step("At its best weight n synthetic samples count as so many real ones", equivalents(), "E = "),
        Step(
            "and c_r N + c_s n = C makes N + E largest where the next sample is worth its price",
            diff(equivalents(), n),
            "c_s/c_r = ",
        ),
        Step("E is concave", bent, "E'' = "),
        Step("so that there is one such number", written, "n* = "),
        Step("none where the first sample, worth 1/tau, costs more than that", cs - cr / tau, "0 < "),
        Step("E with that many", told, "E* = "),
        Step("Residuals", left, "0 = "),
    )


PURCHASE = Theorem(
    "purchase",
    "Of a budget B(sqrt(tau c_r/c_s) - tau) synthetic samples are bought, whatever the budget, none where one costs more than "
    "1/tau real samples; all the rest is spent on real samples.",
    "optimal_purchase",
    "a mean, and any regular fit at leading order",
    "one round: real samples weighed beside those of a Source, both bought",
    Evidence.IDENTITY,
    (APART, SAME_BIAS, AVERAGED),
    ("derived",),
    _derive,
    _prove,
    needs="a Source, and what its samples and real ones cost",
)
