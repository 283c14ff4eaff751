r"""When a token is gone: extinction times under `Replace`, linear in how often the token is seen.

A token seen C times is C lineages. Each has descendants k generations later with chance :math:`\sigma_k`, close to
:math:`2/(k + \tfrac13 \ln k)` (`branching`), so that all are gone with chance about :math:`e^{-C \sigma_k}`: the median time is
:math:`2C/\ln 2 = 2.885\,C`. What is seen once goes first, 37 % of it in a single generation in which diversity falls by 1/n: the
survival of singletons leads, entropy and diversity lag.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sympy import Expr, Float, Tuple, exp, limit, log, oo, simplify

from . import alleles
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import CATEGORICAL, MATCHED, NO_NEW, SAMPLES
from .branching import START, abel, clock, generations_until, lineage, series
from .collapse import ABSORBED, check_corpus
from .errors import REPLACE
from .family import Categorical, Family
from .solve import Step, Unsolved
from .survival import exact_chain
from .symbols import C, N, V, m, n, v2, z
from .theorem import Derived, Evidence, Theorem
from .workflow import Replace

NEAR = 1e-12  # to its limit, which it never reaches, a chance is no nearer than rounding
BLOCK = 64  # generations after which it is asked whether all tokens are gone


def extinction_time(f: Family, w: Replace, quantile: float = 0.5) -> Any:
    r"""The first generation by which a token is lost with chance at least ``quantile``: (V,), ``inf`` where that is never.

    Exact for at most 500 samples; else a certified lower bound (by thinning and by the second moment), near the truth for tokens
    that are few among n. Never: the chance to be lost has the limit :math:`1 - p`. Of a corpus (`Categorical.from_counts`)
    conditional on its counts, of which the median is about 2.885 times the count.

    Raises InputError for another family, for another workflow than `Replace` of one size, and for ``quantile`` outside (0, 1).
    Source: derived; Suresh2024 (linear in the count).

    >>> from modelcollapse import theory
    >>> corpus = theory.Categorical.from_counts([1, 10, 100, 10**6 - 111])
    >>> theory.extinction_time(corpus, theory.Replace(10**6)).tolist()
    [3.0, 28.0, 287.0, inf]
    """
    families.check("extinction_time", f)
    workflows.check("extinction_time", w)
    arg.static("extinction_time", f=f, w=w, quantile=quantile)
    EXTINCTION.require("extinction_time", f, w)
    arg.one_size("extinction_time", w)
    arg.probability("extinction_time", "quantile", quantile, "the chance to be lost that is asked for")
    if np.ndim(quantile) or not 0 < quantile < 1:
        raise arg.refuse(
            "extinction_time", "quantile", quantile, "one number above 0 and below 1: the chance to be lost"
        )
    assert isinstance(f, Categorical)
    if f.counts is not None:
        check_corpus("extinction_time", f, w)
    seen = f.counts if f.counts is not None else np.asarray(f.p, float)
    values, places = np.unique(seen, return_inverse=True)
    share = values / f.counts.sum() if f.counts is not None else values
    ends = quantile < (1 - share) * (1 - NEAR)
    times = np.full(len(values), np.inf)
    if ends.any():
        found = _by_chain if exact_chain(f, w) else _at_least
        times[ends] = found(values[ends], share[ends], f.counts is not None, w, float(quantile))
    return times[places]


def _by_chain(values: np.ndarray, share: np.ndarray, corpus: bool, w: Replace, quantile: float) -> np.ndarray:
    """By the two-allele chain, a table of losses by count and generation, and bisection in it."""
    real, size = int(w.real), int(w.synthetic)
    weights = np.eye(real + 1)[values] if corpus else alleles.binomial(real, share)
    first, later = alleles.transition(real, size), alleles.transition(size, size)
    gone = np.eye(size + 1, 1)[:, 0]
    table = [np.eye(real + 1, 1)[:, 0]]
    while (weights @ table[-1] < quantile).any():
        for _ in range(BLOCK):
            table.append(first @ gone)
            gone = later @ gone
    losses = np.stack(table)
    low, high = np.zeros(len(values), int), np.full(len(values), len(table) - 1)
    while (low < high).any():
        middle = (low + high) // 2
        enough = (weights * losses[middle]).sum(axis=1) >= quantile
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return low + 1.0


def _at_least(values: np.ndarray, share: np.ndarray, corpus: bool, w: Replace, quantile: float) -> np.ndarray:
    """No earlier than both bounds of the loss allow."""
    real, size = float(w.real), float(w.synthetic)
    with np.errstate(divide="ignore"):
        each = -np.expm1(math.log(quantile) / values) if corpus else -np.expm1(math.log(quantile) / real) / values
    times = []
    for chance, part in zip(each, share, strict=True):
        if chance >= 1:  # thin enough from the first fit on
            times.append(1.0)
            continue
        thinned = 2 + generations_until(-math.log1p(-chance) * real / size)
        spread = quantile * part / ((1 - quantile) * (1 - part))  # of which the second moment needs as much
        kept = math.log1p(-spread) - math.log1p(-1 / real) if spread < 1 and real > 1 else 0.0
        moment = 1 + max(0.0, kept / math.log1p(-1 / size)) if size > 1 else 2.0
        times.append(max(thinned, math.ceil(moment - 1e-9)))
    return np.array(times)


def _time() -> Expr:
    """Generations until C lineages are gone with chance z, from the clock of the branching."""
    u = C / log(1 / z)
    return 2 + Float(START - clock(1 / lineage(START))) + series(u, log(u), abel())


def _derive() -> Derived:
    return Derived(_time(), limit=2 * C / log(1 / z))


def _prove() -> tuple[Step, ...]:
    leading, logarithm, falling = abel()
    settled = _derive().limit
    if limit(_time() / settled, C, oo) != 1:
        raise Unsolved("the extinction time of a token seen often")
    median = settled.subs(z, 0.5) / C
    once = (1 - 1 / N) ** n
    fall = simplify(REPLACE.derived.diversity.doit().subs({v2: -1, N: n}).subs(m, 2) / ((1 - 1 / n) * V))
    if limit(once.subs(N, n), n, oo) != exp(-1) or simplify(fall - (1 - 1 / n)) != 0:
        raise Unsolved("the singletons")
    return (
        Step("An item has a Poisson number of copies, of mean 1, in the next generation: s' = 1 - exp(-s)"),
        Step(
            "In u = 1/s: phi(u) = 2 u - ln(u)/3 + ..., with phi(u') = phi(u) + 1; its coefficients in turn",
            Tuple(leading, logarithm, *falling[:3]),
            "u, ln u, 1/u, ...: ",
        ),
        Step("C items are all gone with chance z where s = ln(1/z)/C, after", _time(), "generations: "),
        Step("For a token seen often", settled, "m -> "),
        Step("of which the median is", median.evalf(4), "C times "),
        Step("Seen once, it is gone after one generation with the chance", once, "P = "),
        Step("near exp(-1), while in the same generation diversity is multiplied only by", fall, "G(2)/G(1) = "),
    )


EXTINCTION = Theorem(
    "extinction-time",
    "Where data is replaced, a token seen C times is gone after 2C/ln 2 = 2.885 C generations in the median; of what "
    "is seen once "
    "37 % go in one generation, in which diversity falls by 1/n.",
    "extinction_time",
    "Categorical",
    "Replace",
    Evidence.BOUND,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW, ABSORBED),
    ("derived", "Suresh2024 (linear in the count)", "Cornuet-Luikart 1996 (bottleneck test)"),
    _derive,
    _prove,
)
