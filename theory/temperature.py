r"""Sampling at a low temperature: the synthetic share up to which a vocabulary stays whole, and from which it may collapse.

In large samples a generation is a map,
:math:`p \leftarrow (1-\alpha) p_0 + \alpha\, p^{1/\vartheta}/\sum_j p_j^{1/\vartheta}`. Of s tokens alike in the
truth none is favoured while :math:`\alpha < \vartheta`. But where s > 2 one token may already have taken over from a smaller
share on, and stays: what has collapsed does not come back by returning to a share at which it was whole.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, diff, exp, expand, limit, log, simplify, sinh

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .solve import Step, Unsolved
from .stable import ExponentialQuotient
from .symbols import alpha, p, rho, s, vartheta, y, zeta
from .theorem import Assumption, Derived, Evidence, Theorem

HALVINGS = 80  # of an interval, until its ends are neighbours


class TemperatureWindow(NamedTuple):
    """Shares of synthetic data: below ``collapsed_from`` a vocabulary is always whole, above ``stable_to`` it collapses.

    Between them both states last, and the past decides. ``likeliest``: probability of the token that has taken over, at
    the share ``collapsed_from``.
    """

    collapsed_from: Any
    stable_to: Any
    likeliest: Any


def temperature_window(tokens: Any, temperature: Any) -> TemperatureWindow:
    r"""The synthetic shares at which s = ``tokens`` alike in truth stay alike, sampled at :math:`\vartheta` = ``temperature``.

    ``stable_to`` is :math:`\vartheta` itself, whatever s. ``collapsed_from`` is the least of
    :math:`\alpha(\zeta) = \frac{1-e^{-\zeta}}{1-e^{-\zeta/\vartheta}}\,
    \frac{1+(s-1)e^{-\zeta/\vartheta}}{1+(s-1)e^{-\zeta}}`, at which one token is
    :math:`e^{\zeta}` times likelier than each other one; it is where :math:`F(\zeta) = F(\zeta/\vartheta)` with
    :math:`F(\zeta) = s \zeta/((1-e^{-\zeta})(e^{\zeta}+s-1))`. Of two tokens both are :math:`\vartheta`: there is no window.
    From temperature 1 on nothing collapses, and all three are 1.

    ``tokens``: at least 2; ``temperature`` above 0; numbers or arrays. Assumes samples so large that their noise does not carry a
    model from one state to the other. Raises InputError outside. Source: derived; qualitatively Marchi2024.

    >>> from modelcollapse import theory
    >>> theory.temperature_window(2, 0.5)
    TemperatureWindow(collapsed_from=0.5, stable_to=0.5, likeliest=0.5)
    >>> [round(each, 4) for each in theory.temperature_window(100, 0.5)]
    [0.166, 0.5, 0.0913]
    """
    owner = "temperature_window"
    arg.static(owner, tokens=tokens, temperature=temperature)
    arg.size(owner, "tokens", tokens, least=2, of="tokens")
    arg.positive(owner, "temperature", temperature, "temperature of the sampler")
    count, heat = np.broadcast_arrays(np.asarray(tokens, float), np.asarray(temperature, float))
    cold, many = heat < 1, count > 2
    inner, cool = np.where(many, count, 3.0), np.where(cold, heat, 0.5)
    top = _root(lambda at: -evaluate(_slope(), {s: inner, zeta: at}), np.zeros_like(inner), np.log(inner))
    edge = _root(lambda at: evaluate(_gap(), {s: inner, vartheta: cool, zeta: at}), cool * top, top)
    least = evaluate(WINDOW.derived.expression, {s: inner, vartheta: cool, zeta: edge})
    leader = 1 / (1 + (inner - 1) * np.exp(-edge))
    found = (
        np.where(cold, np.where(many, least, heat), 1.0),
        np.where(cold, heat, 1.0),
        np.where(cold, np.where(many, leader, 0.5), 1.0),
    )
    return TemperatureWindow(*(arg.scalar(each) for each in found))


def _root(rising: Any, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where a function that is below 0 first and above 0 last changes its sign, between two arrays of ends."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = rising(middle) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def share_of(ratio: Expr) -> Expr:
    """The share at which one token e^ratio times likelier than each other one stays so; no digits are lost near 0."""
    hot = vartheta * ExponentialQuotient(-ratio) / ExponentialQuotient(-ratio / vartheta)
    return hot * (1 + (s - 1) * exp(-ratio / vartheta)) / (1 + (s - 1) * exp(-ratio))


def _bell(ratio: Expr) -> Expr:
    """F: the slope of ln alpha by ln zeta is F(zeta) - F(zeta/vartheta)."""
    return s * exp(-ratio) / (ExponentialQuotient(-ratio) * (1 + (s - 1) * exp(-ratio)))


@cache
def _slope() -> Expr:
    """Of ln F."""
    return 1 / zeta - exp(-zeta) / (zeta * ExponentialQuotient(-zeta)) - 1 / (1 + (s - 1) * exp(-zeta))


@cache
def _gap() -> Expr:
    """ln F(zeta) - ln F(zeta/vartheta)."""
    hot, cold = (log(_bell(each) / s * exp(each)) - each for each in (zeta, zeta / vartheta))
    return hot - cold


def _derive() -> Derived:
    return Derived(share_of(zeta), limit=vartheta)


def _prove() -> tuple[Step, ...]:
    favoured, power = y, 1 / vartheta
    other = (1 - favoured) / (s - 1)
    tempered = favoured**power / (favoured**power + (s - 1) * other**power)
    slope = simplify(diff(tempered, favoured).subs(favoured, 1 / s))
    if simplify(slope * vartheta) != 1:
        raise Unsolved(f"the slope at the uniform law: {slope}")
    held, leads = 1 / (1 + (s - 1) * exp(-zeta)), 1 / (1 + (s - 1) * exp(-zeta / vartheta))
    share = share_of(zeta).doit()
    if simplify(held - ((1 - share) / s + share * leads)) != 0:
        raise Unsolved("the state with one favoured token")
    bell = _bell(zeta).doit()
    move = diff(log(share), zeta) * zeta - (bell - bell.subs(zeta, zeta / vartheta))
    rise = diff(log(bell), zeta)
    gap = simplify(exp(expand(_gap().doit())) * bell.subs(zeta, zeta / vartheta) / bell)
    if simplify(move) != 0 or simplify(rise - _slope().doit()) != 0 or gap != 1:
        raise Unsolved("the slope of the share")
    falls = 1 / zeta - 1 / (exp(zeta) - 1)
    if simplify((diff(falls, zeta) - (1 / (4 * sinh(zeta / 2) ** 2) - 1 / zeta**2)).rewrite(exp)) != 0:
        raise Unsolved("what falls")
    if (
        simplify(rise - (falls - exp(zeta) / (exp(zeta) + s - 1))) != 0
        or simplify((bell.subs(s, 2) - zeta / sinh(zeta)).rewrite(exp)) != 0
    ):
        raise Unsolved("one top of F")
    hot = simplify(diff(log(share), vartheta).subs(vartheta, 1) - bell)
    if hot != 0 or limit(share, zeta, 0) != vartheta:
        raise Unsolved("the ends of the window")
    kept = 1 - alpha + alpha * rho**power * p ** (power - 1) / y
    return (
        Step("One token at y and s - 1 others alike: its tempered share", tempered, "q = "),
        Step("whose slope at y = 1/s, where all directions are alike: a lead grows by alpha times it", slope, "slope: "),
        Step("A lead of ln-ratio zeta stays where y = (1-alpha)/s + alpha q, that is at the share", share, "alpha(zeta) = "),
        Step("of which zeta d ln alpha/dz = F(zeta) - F(zeta/vartheta) with", bell, "F = "),
        Step("ln F has the slope", falls - exp(zeta) / (exp(zeta) + s - 1)),
        Step("whose first two terms fall from 1/2 to 0, sinh(zeta/2) being above zeta/2, and whose last rises from 1/s to 1:"),
        Step("for s > 2 F has one top, and F(zeta) = F(zeta/vartheta) one root, between vartheta times the top and it"),
        Step("For s = 2 F falls all the way: alpha rises from vartheta, and there is no window", zeta / sinh(zeta), "F = "),
        Step("Near temperature 1 the least share is 1 - (1-vartheta) max F, as d ln alpha/dvartheta = F there"),
        Step("A rare token keeps rho of its probability p, where y is the norming sum", kept, "rho = "),
        Step("which is 1 - alpha as p falls to 0, at every temperature below 1"),
    )  # fmt: skip


LARGE = Assumption("samples are so large that a generation is a map of the model", always, "")
ALIKE = Assumption("the tokens are alike in the truth", always, "")
WINDOW = Theorem(
    "temperature-window",
    "Sampled at temperature T < 1, tokens alike stay alike while the synthetic share is below T; of more than two one may hold "
    "what it took over from a smaller share on: in between the past decides. Rare tokens keep 1 - share.",
    "temperature_window",
    "Categorical",
    "FreshReal at a temperature",
    Evidence.LIMIT,
    (LARGE, ALIKE),
    ("derived", "Marchi2024 (qualitatively)"),
    _derive,
    _prove,
    needs="a temperature below 1",
)
