r"""A fixed share of synthetic data in all that is collected: from what size on it harms, and where scaling stops.

A corpus of M samples of which the share :math:`\alpha` is synthetic errs :math:`R(M) = V/M + \alpha^2 V/B`. The bias is a
floor, however small the share; but it shows only once the corpus is of the size :math:`B/\alpha^2`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, cancel, diff, factor, limit, oo

from . import arguments as arg
from .lower import evaluate
from .solve import Step, Unsolved, root_in
from .source import Source
from .symbols import B, M, N, V, alpha, n, tau
from .theorem import Derived, Evidence, Theorem
from .traced import nan_unless
from .worth import APART, AVERAGED, SAME_BIAS, checked_noise, pooled


class Contamination(NamedTuple):
    """Sizes of the whole corpus: from ``onset`` on it is better cleaned; at ``plateau`` noise and bias are equal.

    ``floor``: what is left of the error however large the corpus, over V; it has twice that at the plateau.
    """

    onset: Any
    plateau: Any
    floor: Any


def contamination(source: Source, share: Any) -> Contamination:
    r"""What a share :math:`\alpha` of synthetic data does: onset :math:`B/(\alpha(1-\alpha))`, plateau :math:`B/\alpha^2`, floor.

    ``share``: of the whole corpus, above 0 and below 1. Below the onset the share helps; for small shares it is B over the share.
    The noise of the samples counts only while the share is large.

    Raises InputError for other shares, and for ``noise`` of 2 or more. Source: derived; the floor as in Dohmatob2025.

    >>> from modelcollapse import theory
    >>> found = theory.contamination(theory.Source(worth=1000), 0.01)
    >>> round(found.onset), round(found.plateau), round(found.floor * 1e9)
    (101010, 10000000, 100)
    """
    own = "contamination"
    checked_noise(own, source)
    arg.probability(own, "share", share, "share of synthetic data, above 0 and below 1")
    if not arg.is_traced(share) and np.any((np.asarray(share) == 0) | (np.asarray(share) == 1)):
        raise arg.refuse(own, "share", share, "share of synthetic data, above 0 and below 1")
    values = {B: source.worth, alpha: share, tau: source.noise}
    allowed = [(share > 0) & (share < 1)] if arg.is_traced(share) else []
    allowed += [source.worth >= 0] if arg.is_traced(source.worth) else []
    allowed += [(source.noise > 0) & (source.noise < 2)] if arg.is_traced(source.noise) else []
    return Contamination(*(nan_unless(evaluate(each, values), allowed) for each in (onset(), plateau(), floor())))


@cache
def mixed() -> Expr:
    """Error of M samples of which the share alpha is synthetic."""
    return factor(pooled().subs({N: (1 - alpha) * M, n: alpha * M}))


@cache
def onset() -> Expr:
    """The size at which the corpus errs as much as its real part alone."""
    return root_in(mixed() - V / ((1 - alpha) * M), M)


@cache
def floor() -> Expr:
    """The error of an endless corpus over V."""
    return limit(mixed() / V, M, oo)


@cache
def plateau() -> Expr:
    """The size at which the noise is as large as the bias."""
    return root_in(mixed() - 2 * floor() * V, M)


def _derive() -> Derived:
    return Derived(onset(), limit=limit(onset() * alpha, alpha, 0))


def _prove() -> tuple[Step, ...]:
    gap = mixed() - V / ((1 - alpha) * M)
    rising = factor(diff(M * gap, M))
    first = limit(onset() * alpha, alpha, 0)
    left = cancel(rising - floor() * V), cancel(mixed().subs(M, plateau()) - 2 * V * floor())
    plain = [factor(each.subs(tau, 1)) for each in (onset(), plateau())]
    if any(left):
        raise Unsolved(f"contamination: {left}")
    return (
        Step("M samples, of which the share alpha is synthetic", mixed(), "R(M) = "),
        Step("Less the error of the real part alone; M times that rises with M", gap, "R(M) - V/((1-alpha)M) = "),
        Step("and vanishes once, at", onset(), "M = "),
        Step("of small shares", first / alpha, "M -> "),
        Step("With the noise of real samples", plain[0], "M = "),
        Step("As M grows", V * floor(), "R -> "),
        Step("Noise and bias are equal at", plateau(), "M = "),
        Step("With the noise of real samples", plain[1], "M = "),
    )


CONTAMINATION = Theorem(
    "contamination",
    "A share alpha of synthetic data worth B does harm only in a corpus of more than B/(alpha(1-alpha)) samples, and stops it "
    "from getting better only at about B/alpha^2 of them, where the error reaches twice its floor alpha^2 V/B.",
    "contamination",
    "a mean, and any regular fit at leading order",
    "one round: a fixed share of a growing corpus is of a Source",
    Evidence.IDENTITY,
    (APART, SAME_BIAS, AVERAGED),
    ("derived", "Dohmatob2025 (the floor)"),
    _derive,
    _prove,
    needs="a Source, and its share of a corpus that grows",
)
