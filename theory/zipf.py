r"""Zipf's law: how much of it a corpus misses, and how slowly that falls when the tail is cut off or grown thin.

Tokens of probability :math:`p_i = i^{-s}/\zeta(s)` of which T are drawn leave :math:`\sum_i p_i (1 - p_i)^T` unseen, of the order
:math:`T^{-(s-1)/s}`. Data of a model has less of the tail. Cut off at rank k it never shows the rest,
:math:`k^{1-s}/((s-1) \zeta(s))`; grown thin, to an exponent s' > s, it leaves the order :math:`T^{-(s-1)/s'}`. Clean data beside
it helps when it reaches behind the cut, from :math:`T \approx k^s \zeta(s)` on, and not before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from sympy import Expr, S, exp, expand_power_base, integrate, log, lowergamma, oo, powdenest, powsimp, simplify, zeta

from . import arguments as arg
from .assumption import MATCHED, SAMPLES
from .family import Zipf
from .solve import Step, Unsolved
from .symbols import N, a, beta, beta_1, k, m, n, q, s, w
from .theorem import Assumption, Derived, Evidence, Theorem

EXPLICIT = 4096  # ranks that are summed one by one; beyond, Euler and Maclaurin's two terms are right to 1e-13
NOTHING = 1e-18  # expected draws of a token below which it is not seen
PANEL = 0.5  # of a quadrature in the logarithm of the rank, by the exponent of the law
ORDER = 24  # nodes of Gauss and Legendre in a panel


class Drawn(NamedTuple):
    """A set of ``items`` draws of Zipf's law of ``exponent`` on ranks 1..``cut``; each shows in the end with the ``chance``."""

    items: float
    chance: float
    exponent: float
    cut: float = math.inf

    @property
    def total(self) -> float:
        """Sum of the ranks to the power of minus the exponent."""
        from scipy.special import zeta as hurwitz

        whole = float(hurwitz(self.exponent, 1.0))
        return whole if math.isinf(self.cut) else whole - float(hurwitz(self.exponent, self.cut + 1))

    def log_unseen(self, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The logarithm of the chance that a token is not seen, and its slope by the logarithm of the rank."""
        hit = self.chance * rank**-self.exponent / self.total * (rank <= self.cut)
        if math.isinf(self.items):  # infinitely many of which ``chance`` are expected to show
            return -hit, self.exponent * hit
        certain = hit >= 1
        hit = np.where(certain, 0.0, hit)
        slope = self.items * self.exponent * hit / (1 - hit)
        return np.where(certain, -np.inf, self.items * np.log1p(-hit)), slope


def zipf_missing(
    f: Zipf, samples: int, *, cut: float = math.inf, narrowed: float | None = None, clean: int = 0
) -> float:
    r"""Probability, under the truth, of what ``samples`` draws do not show: :math:`\sum_i p_i (1-q_i)^T (1-p_i)^{T_c}`.

    The draws are of the truth unless its tail is ``cut`` off after that rank, or ``narrowed`` to that (larger) exponent, or both;
    ``clean`` draws of the truth stand beside them. To twelve digits, at any size.

    Raises InputError for another family, negative sizes, a cut below 1, and an exponent below that of the truth.
    Source: derived; Dohmatob2024tails (orders), Hutter2021.

    >>> from modelcollapse import theory
    >>> f = theory.Zipf(1.5)
    >>> [round(theory.zipf_missing(f, 10**6, **tail), 4) for tail in ({}, {"cut": 1000}, {"narrowed": 2.0})]
    [0.0094, 0.0242, 0.0249]
    >>> [round(theory.zipf_missing(f, 10**9, cut=1000, clean=clean), 4) for clean in (0, 10**3, 10**5, 10**7)]
    [0.0242, 0.0241, 0.0188, 0.0044]
    """
    owner = "zipf_missing"
    if not isinstance(f, Zipf) or np.ndim(f.exponent):
        raise arg.refuse(owner, "f", f, "a Zipf of one exponent")
    arg.static(owner, f=f, samples=samples, cut=cut, narrowed=narrowed, clean=clean)
    truth = float(f.exponent)
    samples = arg.size(owner, "samples", samples, least=0)
    clean = arg.size(owner, "clean", clean, least=0, of="clean samples")
    if not math.isinf(cut):
        cut = arg.size(owner, "cut", cut, of="ranks that are left")
    thin = truth if narrowed is None else float(arg.positive(owner, "narrowed", narrowed, "an exponent"))
    if thin < truth:
        raise arg.refuse(
            owner, "narrowed", narrowed, f"a narrowed tail falls faster than the truth: at least {truth:g}"
        )
    return missing_of(truth, [Drawn(samples, 1.0, thin, cut), Drawn(clean, 1.0, truth)])


def missing_of(exponent: float, sets: list[Drawn]) -> float:
    """Probability of what none of the sets shows, under Zipf's law of that exponent."""
    from scipy.special import zeta as hurwitz

    total = Drawn(0, 0, exponent).total
    found = _explicit(exponent, sets)
    edges = sorted({each.cut for each in sets if EXPLICIT < each.cut < math.inf})
    reach = [(each.items if math.isfinite(each.items) else 1.0) * each.chance / each.total for each in sets]
    seen = max(
        (
            min((some / NOTHING) ** (1 / each.exponent), each.cut)
            for some, each in zip(reach, sets, strict=True)
            if some > 0
        ),
        default=0.0,
    )
    start = float(EXPLICIT)
    last = max(start, float(math.ceil(seen)))
    for stop in [*(each for each in edges if each < last), last]:
        if stop > start:
            found += _smooth(exponent, sets, start, stop)
            start = stop
    return (found + float(hurwitz(exponent, last + 1))) / total


def _explicit(exponent: float, sets: list[Drawn]) -> float:
    ranks = np.arange(1, EXPLICIT + 1.0)
    return float((ranks**-exponent * np.exp(sum(each.log_unseen(ranks)[0] for each in sets))).sum())


def _smooth(exponent: float, sets: list[Drawn], start: float, stop: float) -> float:
    """The sum over ranks start+1..stop, between which all is smooth: by Euler and Maclaurin."""
    steep = max([exponent, *(each.exponent for each in sets)])
    low, high = math.log(start), math.log(stop)
    edges = np.linspace(low, high, max(1, math.ceil((high - low) * steep / PANEL)) + 1)
    half = np.diff(edges)[:, None] / 2
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)  # here: to import it takes as long as a plan's sums
    logs = edges[:-1, None] + half + half * nodes
    there = [each for each in sets if each.cut > start]

    def term(ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # and its slope by the rank
        parts = [each.log_unseen(np.minimum(ranks, each.cut)) for each in there]
        value = ranks**-exponent * np.exp(sum(part[0] for part in parts))
        return value, value / ranks * (sum(part[1] for part in parts) - exponent)

    area = float((half * weights * np.exp(logs) * term(np.exp(logs))[0]).sum())
    values, slopes = term(np.array([start, stop]))
    return area + float(values[1] - values[0]) / 2 + float(slopes[1] - slopes[0]) / 12


def _unseen(draws: Expr, slope: Expr, most: Expr = oo) -> Expr:
    """Leading order of the sum of p_i exp(-draws q_i), q_i = i^-slope/zeta(slope), of what is expected ``most`` times at most."""
    rank = (w / a) ** (1 / slope)  # of what is expected a times, w = draws / zeta(slope)
    inside = powsimp(simplify(rank**-beta / s * exp(-a) * -rank.diff(a)))
    high = oo if most is oo else q
    area = simplify(integrate(inside, (a, 0, high), conds="none"))
    return area.subs({q: most, w: draws / zeta(slope), s: zeta(beta)}, simultaneous=True)


def _derive() -> Derived:
    shown = _unseen(n, beta_1) - _unseen(n, beta_1, n * k**-beta_1 / zeta(beta_1))  # of ranks up to k
    cut = k ** (1 - beta) / ((beta - 1) * zeta(beta))
    return Derived(shown + cut, limit=cut)


def _few(behind: Expr, cut: Expr) -> Expr:
    """The ratio of both as N goes to 0: the lower incomplete gamma function is x^e/e there."""
    ratio = behind.replace(lowergamma, lambda e, x: x**e / e) / cut
    return simplify(powdenest(expand_power_base(ratio.subs(zeta(beta), s), force=True), force=True))


def _prove() -> tuple[Step, ...]:
    whole = _unseen(n, beta)
    thin = _unseen(n, beta_1)
    behind = _unseen(N, beta, N * k**-beta / zeta(beta))
    cut = integrate(k**-beta / zeta(beta), (k, k, oo), conds="none")
    order, thinner = simplify(n * log(whole).diff(n)), simplify(n * log(thin).diff(n))
    if simplify(cut - _derive().limit) != 0 or simplify(order + (beta - 1) / beta) != 0:
        raise Unsolved("the tail of Zipf's law")
    if simplify(thinner + (beta - 1) / beta_1) != 0 or _few(behind, cut) != 1:
        raise Unsolved("a tail that is narrowed, or clean data behind the cut")
    return (
        Step("A token is not in n draws with chance (1-q_i)^n, near exp(-n q_i); summed over ranks with p_i, as an integral"),
        Step("over y = n q_i: of draws of the truth", whole, "missing -> "),
        Step("an order of", order, "n^"),
        Step("of draws whose tail is narrowed to the exponent beta_1", thin, "missing -> "),
        Step("an order of", thinner, "n^"),
        Step("What a cut at rank k never shows", cut, "missing -> "),
        Step("Both: of the first only ranks up to k", _derive().expression, "missing -> "),
        Step("of which N clean draws leave", behind, "missing -> "),
        Step("all of it until a token behind the cut is expected among them", k**beta * zeta(beta), "N = "),
        Step("After m - 1 generations that replace all data n draws are worth n a(m), a ~ 2/(m+1), so that it is multiplied by",
             ((m + 1) / S(2)) ** ((beta - 1) / beta), "missing(m)/missing(1) -> "),
    )  # fmt: skip


LAW = Assumption(
    "the truth is Zipf's law without end", lambda family, _: isinstance(family, Zipf), "sum over the tokens"
)
ZIPF = Theorem(
    "zipf-missing",
    "Of Zipf's law of exponent s a corpus of n misses a probability of order n^-((s-1)/s); with the tail cut off at "
    "rank k at least of order k^(1-s), narrowed to s' of order n^-((s-1)/s'); m generations of replacing multiply it by "
    "((m+1)/2)^((s-1)/s).",
    "zipf_missing",
    "Zipf",
    "one corpus; Replace",
    Evidence.LIMIT,
    (SAMPLES, MATCHED, LAW),
    ("Dohmatob2024tails, Theorem 2.1 and Theorem 3.2 (orders)", "derived"),
    _derive,
    _prove,
)
