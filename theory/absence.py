r"""Tails beside fresh real data: how often a rare token is absent in the long run, and how many real samples keep it present.

In population genetics fresh real samples are immigrants. For many samples and few of them real the probability of a token settles
to a beta law, :math:`x^{\theta p - 1} (1-x)^{\theta (1-p) - 1}` with :math:`\theta = 2N`, whatever the number of synthetic
ones. So diversity is cheap, :math:`N \gtrsim 1/(1-R)`, and tails are not: a token is seldom absent only where
:math:`N \gtrsim 1/p`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from sympy import Expr, beta, diff, digamma, exp, expand_log, gamma, log, simplify

from . import alleles
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import CATEGORICAL, KNOWN_TRUTH, MATCHED, NO_NEW, SAMPLES
from .family import Categorical, Family
from .solve import Step, Unsolved
from .survival import exact_chain
from .symbols import N, a, n, p, theta
from .theorem import Assumption, Derived, Evidence, Theorem
from .workflow import Accumulate, FixedReal, FreshReal, Replace, Workflow

DEEPEST = 10_000  # generations of real samples that are counted; to leave out older ones keeps a bound a bound
SMALL = 1e-18  # chance of a copy below which older ones are left out


def loss_probability_limit(f: Family, w: Workflow) -> Any:
    r"""The chance, as :math:`m \to \infty`, that a model does not know a token: (V,).

    `Replace` :math:`1 - p`; `FixedReal` and `Accumulate` :math:`(1-p)^N`; pooled `FreshReal` exact for at most 500 samples by the
    stationary chain, else a certified upper bound by thinning, near :math:`(1 + n/\theta)^{-\theta p}` with :math:`\theta = 2N`.

    Raises InputError for other families and workflows, and for a corpus. Source: derived; Wright 1931 (stationary law).

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.001, 0.999])
    >>> [round(float(theory.loss_probability_limit(f, theory.FreshReal(real, 10**6))[0]), 4) for real in (10, 100, 1000)]
    [0.8425, 0.1955, 0.0]
    """
    owner = "loss_probability_limit"
    families.check(owner, f)
    workflows.check(owner, w)
    arg.static(owner, f=f, w=w)
    arg.one_size(owner, w)
    ABSENCE.require(owner, f, w)
    assert isinstance(f, Categorical)
    if f.counts is not None:
        raise arg.refuse(owner, "f", "from_counts", "what a corpus has is seen: use Categorical(f.p)")
    share = np.asarray(f.p, float)
    if isinstance(w, Replace):
        return 1 - share
    if isinstance(w, FixedReal | Accumulate):
        return np.exp(float(w.real) * np.log1p(-np.where(share < 1, share, 0.0))) * (share < 1)
    assert isinstance(w, FreshReal)
    values, places = np.unique(share, return_inverse=True)
    if exact_chain(f, w, len(values)):
        real = int(w.real)
        (table,) = alleles.lost_beside_fresh(real, int(w.synthetic), values, [math.inf])
        return (alleles.binomial(real, values).T * table).sum(axis=0)[places]
    return np.array([_at_most(float(each), float(w.real), float(w.synthetic)) for each in values])[places]


def min_real_present(w: FreshReal, probability: float, absent: float = 0.05) -> float:
    r"""Fresh real samples enough for a token of that ``probability`` to be absent with chance at most ``absent``, for ever.

    ``w`` is a template: its own ``real`` is ignored. Enough by the certified bound, and near the least that is; never more than
    what real samples alone need, :math:`\ln(\text{absent})/\ln(1-p)`. An absolute number, of the order 1/p.

    Raises InputError for another workflow or a weighted one, and for chances outside (0, 1). Source: derived.

    >>> from modelcollapse import theory
    >>> [theory.min_real_present(theory.FreshReal(1, n), 0.001) for n in (1, 10**4, 10**8)]
    [2994, 608, 174]
    """
    owner = "min_real_present"
    workflows.check(owner, w)
    arg.static(owner, w=w, probability=probability, absent=absent)
    if not isinstance(w, FreshReal) or w.weight is not None:
        raise arg.refuse(owner, "w", w, "a FreshReal without a weight: only these have fresh real samples to choose")
    arg.one_size(owner, w)
    below, enough = 0, real_alone(probability, absent, owner)
    while enough - below > 1:
        middle = (below + enough) // 2
        fits = _at_most(float(probability), float(middle), float(w.synthetic)) <= absent
        below, enough = (below, middle) if fits else (middle, enough)
    return enough


def real_alone(probability: float, absent: float, owner: str = "real_alone") -> int:
    """The least number of real samples that show a token but for the chance ``absent``, with nothing beside them."""
    for name, value, meaning in (
        ("probability", probability, "the probability of the token"),
        ("absent", absent, "the chance that it is absent"),
    ):
        arg.probability(owner, name, value, meaning)
        if np.ndim(value) or not 0 < value < 1:
            raise arg.refuse(owner, name, value, f"{meaning}, one number above 0 and below 1")
    if (needed := math.log(absent) / math.log1p(-probability)) > arg.LAST:
        raise arg.refuse(owner, "probability", probability, "so rare that it needs more than 2^53 real samples")
    return math.ceil(needed)


def _at_most(share: float, real: float, synthetic: float) -> float:
    """No copy of any real sample of any generation before: a product over them, the newest first."""
    if share >= 1:
        return 0.0
    log_none = math.log1p(-share)
    for chance in _copies(real, synthetic):
        log_none += math.log1p(-share * chance)
    return math.exp(real * log_none)


def _copies(real: float, synthetic: float) -> Iterator[float]:
    """Chance that a real sample of one, two, ... generations before has a copy in what is trained on now."""
    left = synthetic / (real + synthetic)
    drawn = 1.0
    for _ in range(DEEPEST):
        chance = -math.expm1(-left * drawn)
        if chance < SMALL:
            return
        yield chance
        drawn = chance


def _density() -> Expr:
    """The stationary law of a token's share, up to a factor."""
    return a ** (theta * p - 1) * (1 - a) ** (theta * (1 - p) - 1)


def _absent() -> Expr:
    """E (1-x)^(N+n) under that law: two beta functions, by their definition."""
    return (beta(theta * p, theta * (1 - p) + N + n) / beta(theta * p, theta * (1 - p))).rewrite(gamma)


def _derive() -> Derived:
    rare = exp(-theta * p * log(1 + (N + n) / theta))
    return Derived(_absent().subs(theta, 2 * N), limit=rare.subs(theta, 2 * N))


def _prove() -> tuple[Step, ...]:
    pull, spread = N / (N + n) * (p - a), a * (1 - a) / (N + n)
    law = _density().subs(theta, 2 * N)
    slope_of_law = expand_log(log(law), force=True).diff(a)  # of its logarithm
    flow = simplify(diff(spread, a) / 2 + spread * slope_of_law / 2 - pull)
    slope = simplify(diff(log(_absent()), p).subs(p, 0))
    rare = theta * (digamma(theta) - digamma(theta + N + n))
    if flow != 0 or simplify(slope - rare) != 0:
        raise Unsolved(f"the stationary law: {flow}, {slope}")
    return (
        Step("One token's share moves on average by", pull, "E dx = "),
        Step("with the variance, for few real samples", spread, "Var dx = "),
        Step("It has settled where nothing flows, at the density", law, "f(x) ~ "),
        Step("Its flow over f", flow, "(Var f)'/(2 f) - E dx = "),
        Step("A training set has none of the token with chance E (1-x)^(N+n)", _absent(), "P = "),
        Step("For a rare token the logarithm is p times", rare, "ln P = p "),
        Step("where digamma functions are near logarithms", _derive().limit, "P -> "),
    )


CHOSEN = Assumption(
    "the workflow is Replace, FixedReal, Accumulate, or FreshReal without a weight",
    lambda _, workflow: (
        isinstance(workflow, FixedReal | Accumulate)
        or (isinstance(workflow, Replace) and not isinstance(workflow.synthetic, tuple))
        or (isinstance(workflow, FreshReal) and workflow.weight is None)
    ),
    "ask for the loss_probability of a late generation",
)
ABSENCE = Theorem(
    "absence",
    "Beside N fresh real samples a token of probability p is absent from a generation with chance near (1 + n/theta)^(-theta p), "
    "theta = 2N: to keep a tail takes of the order 1/p real samples, an absolute number, where diversity takes a few. Where "
    "data is replaced all tokens but one go in the end; where the real set is kept those go that it does not have.",
    "loss_probability_limit",
    "Categorical",
    "FreshReal; Replace, FixedReal, Accumulate",
    Evidence.LIMIT,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW, CHOSEN, KNOWN_TRUTH),
    ("derived", "Wright 1931 (stationary law)", "Ewens 1972"),
    _derive,
    _prove,
)
