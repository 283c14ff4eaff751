r"""Total collapse under `Replace`: when one token, or one extreme value, is all that is left.

Exact by the two-allele chain up to 500 samples; beyond it the diffusion approximation, and a bound that always holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Max, dsolve, log, simplify

from . import alleles
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import MATCHED, QUADRATIC, SAMPLES
from .family import Binomial, Categorical, Family, Gamma, Gaussian, NegativeBinomial, Poisson
from .lower import evaluate
from .printed import Printed, Setting
from .solve import Step, Unsolved
from .symbols import G0, N, m, n, p, s, u
from .theorem import Assumption, Derived, Evidence, Theorem
from .workflow import Accumulate, FixedReal, Replace, Schedule, Workflow


def _one_size(_family: Family, workflow: Workflow) -> bool:
    return isinstance(workflow, Replace) and not isinstance(workflow.synthetic, tuple)


ABSORBED = Assumption(
    "the workflow is Replace with one size, so that total collapse is sure and for ever",
    _one_size,
    "total collapse has no expected time under other workflows: FixedReal and Accumulate keep it out, the "
    "rest can leave it again; or use Replace",
)
FINITE = Assumption(
    "the family has a largest and a smallest value (Categorical, Binomial)",
    lambda family, _: isinstance(family, (Categorical, Binomial)),
    "other families never collapse to a point in finite expected time",
)
COMMON_ENOUGH = 1e4  # expected samples of other tokens from which on the second order is right to 1e-4
REPLACED = Assumption(
    "the workflow is Replace",
    lambda _, workflow: isinstance(workflow, Replace),
    "other workflows have no exact chain here",
)
SMALL = Assumption(
    f"each training set has at most {alleles.LARGEST} samples (Binomial: trials)",
    lambda family, workflow: max(_chain_sizes(family, workflow)) <= alleles.LARGEST,
    "theory.collapse_time answers larger ones by diffusion",
)


CHAINED = Assumption(
    f"the workflow is Replace, with at most {alleles.LARGEST} samples (Binomial: trials) and no more tokens than memory holds",
    lambda family, workflow: isinstance(workflow, Replace) and _by_chain(family, workflow),
    "total-collapse/time-limit answers larger ones",
)


def _by_chain(family: Family, workflow: Workflow) -> bool:
    """Whether the time is worked out by the chain: few samples, and of a truth not too many tokens."""
    first, size = _chain_sizes(family, workflow)
    if max(first, size) > alleles.LARGEST:
        return False
    corpus = getattr(family, "counts", None) is not None
    return corpus or not isinstance(family, Categorical) or len(family.p) * (first + 1) <= alleles.MOST


def _chain_sizes(family: Family, workflow: Workflow) -> tuple[int, int]:
    """Size of the first training set and of the later ones, in single yes-or-no draws."""
    assert isinstance(workflow, Replace)
    draws = int(family.trials) if isinstance(family, Binomial) else 1
    last = workflow.synthetic[-1] if isinstance(workflow.synthetic, tuple) else workflow.synthetic
    return int(np.max(workflow.real)) * draws, int(np.max(last)) * draws


def _shares(family: Family) -> Any:
    """True probabilities of the alleles: tokens, or success and failure."""
    if isinstance(family, Binomial):
        return np.array([family.p, 1 - family.p], float)
    return family.p


def collapse_probability(f: Family, w: Workflow, generation: Any) -> Any:
    r""":math:`\rho_m = P(\max_i p_{m,i} = 1)`: the chance that generation m knows one token (or extreme value) only.

    Exact, by the two-allele chain: the events "token i has everything" exclude each other, and token i has everything when
    all others are lost. Categorical or Binomial under `Replace` with at most 500 samples (times trials).

    Raises InputError outside those. Source: derived; replaces the bounds of Seddik2024, eq. 7.

    >>> from modelcollapse import theory
    >>> theory.collapse_probability(theory.Categorical([0.5, 0.5]), theory.Replace(2), [1, 2]).tolist()
    [0.5, 0.75]
    """
    families.check("collapse_probability", f)
    arg.one_size("collapse_probability", workflows.check("collapse_probability", w))
    for assumption in (FINITE, REPLACED, SMALL):
        if not assumption.holds(f, w):
            raise arg.InputError(
                f"collapse_probability({arg.shown(f)}, {arg.shown(w)}): it assumes that {assumption.text}; {assumption.remedy}"
            )
    whole = np.asarray(arg.steps("collapse_probability", generation), int)
    draws = int(f.trials) if isinstance(f, Binomial) else 1
    shares = _shares(f)

    def at(when: int) -> Any:
        if when == 0:
            return (shares == 1).any() * 1.0
        sizes = [int(size) * draws for size in w.sizes(when)]
        if isinstance(f, Categorical) and f.counts is not None:
            check_corpus("collapse_probability", f, w)
            return alleles.lost_from_count(sizes)[sizes[0] - f.counts].sum()
        return arg.namespace(shares).minimum(alleles.lost(1 - shares, sizes).sum(), 1.0)

    values = [at(int(each)) for each in whole.ravel()]
    xp = arg.namespace(shares)
    return xp.asarray(values).reshape(whole.shape) if whole.ndim else values[0]


def check_corpus(owner: str, f: Categorical, w: Workflow) -> None:
    """A corpus is the real set of generation 1, so its size is not free."""
    size = workflows.first_size(w)
    if not arg.is_traced(size) and size != f.counts.sum():
        raise arg.refuse(
            owner,
            "real",
            size,
            f"the corpus has {int(f.counts.sum())} items and is the real set: use that, "
            "or Categorical(p) for a truth of which other samples are drawn",
        )
    if isinstance(w, Schedule) and not arg.is_traced(w.weight) and np.count_nonzero(np.asarray(w.weight)[0]) > 1:
        raise arg.refuse(owner, "w", "a Schedule whose first model uses several batches", "a corpus is one batch")


def collapse_time(f: Family, w: Workflow) -> float:
    r"""Expected number of generations to total collapse under `Replace`: :math:`E[T] = 1 + \sum_i E\,u(X_i)`.

    Exact by the two-allele chain up to 500 samples; beyond it by diffusion, about
    :math:`1 - n/N - 2n \sum_i (1-p_i) \ln(1-p_i)`, which is O(log n) generations high. Of a corpus
    (`Categorical.from_counts`) conditional on it. ``inf`` for Gaussian and
    Gamma, which never reach a point; for Poisson and NegativeBinomial, which reach 0 surely, but not in finite expected
    time; and under FixedReal and Accumulate, which keep what they have.

    Raises InputError for the other workflows. Source: derived; replaces the bounds of Seddik2024, eq. 8.

    >>> from modelcollapse import theory
    >>> theory.collapse_time(theory.Categorical([0.5, 0.5]), theory.Replace(2))
    2.0
    """
    families.check("collapse_time", f)
    arg.one_size("collapse_time", workflows.check("collapse_time", w))
    arg.static("collapse_time", f=f, w=w)
    keeps = isinstance(w, (FixedReal, Accumulate)) and QUADRATIC.holds(f, w)
    if keeps or isinstance(f, (Gaussian, Gamma, Poisson, NegativeBinomial)):
        return np.inf
    TIME.require("collapse_time", f, w)
    counts = f.counts if isinstance(f, Categorical) else None
    if isinstance(f, Categorical) and counts is not None:
        check_corpus("collapse_time", f, w)
    first, size = _chain_sizes(f, w)
    shares = _shares(f)
    if not _by_chain(f, w):
        return float(collapse_time_limit(f, w))
    ahead = alleles.time_from_count(first, size)
    waits = ahead[counts] if counts is not None else alleles.averaged(shares, first, ahead)
    return float(1 + waits.sum())


def collapse_time_limit(f: Family, w: Workflow) -> float:
    """The diffusion approximation of `collapse_time`, for many samples; of exact chains it is high by less than 1 + ln n.

    >>> from modelcollapse import theory
    >>> round(theory.collapse_time_limit(theory.Categorical([0.5, 0.5]), theory.Replace(1000)), 3)
    1386.294
    """
    TIME.require(
        "collapse_time_limit", families.check("collapse_time_limit", f), workflows.check("collapse_time_limit", w)
    )
    first, size = _chain_sizes(f, w)
    share = np.asarray(_shares(f), float)
    corpus = isinstance(f, Categorical) and f.counts is not None
    waits = _waiting(share, size) if corpus else _waiting_after_a_fit(share, first, size)
    return float(1 + np.sum(waits))


def _waiting(share: Any, size: int) -> Any:
    """-2n (1-p) ln(1-p), which is 0 at p = 1."""
    inside = np.where(share == 1, 0.0, share)
    return evaluate(DIFFUSION.derived.expression, {n: float(size), p: inside})


def _waiting_after_a_fit(share: Any, first: int, size: int) -> Any:
    """The same after one fit on N real samples: E u(X/N) = u(p) - p n/N to second order, exactly for a dominant token.

    Near p = 1 the expansion fails; there the number of other tokens is averaged over.
    """
    if first <= alleles.LARGEST and len(share) * (first + 1) <= alleles.MOST:
        return alleles.averaged(share, first, _waiting(np.arange(first + 1) / first, size))
    spread = _waiting(share, size) - share * size / first
    for place in np.flatnonzero((share > 0.5) & (first * (1 - share) < COMMON_ENOUGH)):
        others = first * (1 - share[place])
        count = np.arange(0, min(first, int(others + 12 * others**0.5 + 60)) + 1)
        spread[place] = _binomial_mass(first, 1 - float(share[place]), count) @ _waiting(1 - count / first, size)
    return np.maximum(spread, 0.0)


def _binomial_mass(trials: int, chance: float, count: np.ndarray) -> np.ndarray:
    """Probabilities of the counts, by the ratio of neighbours (few of many)."""
    if chance == 0:
        return (count == 0) * 1.0
    ratios = (trials - count[:-1]) / count[1:] * (chance / (1 - chance))
    logs = np.concatenate([[trials * np.log1p(-chance)], np.log(ratios)])
    return np.exp(np.cumsum(logs))


def collapse_time_upper_bound(f: Family, w: Workflow) -> float:
    r"""An upper bound of `collapse_time` that always holds: :math:`2 + n + n \ln\max(1, G_0 (1-1/N) n^2 / (2(n-1)))`.

    >>> from modelcollapse import theory
    >>> round(theory.collapse_time_upper_bound(theory.Categorical([0.5, 0.5]), theory.Replace(400)), 1)
    2244.1
    """
    TIME.require(
        "collapse_time_upper_bound",
        families.check("collapse_time_upper_bound", f),
        workflows.check("collapse_time_upper_bound", w),
    )
    first, size = _chain_sizes(f, w)
    if size == 1:
        return 2.0
    share = np.asarray(_shares(f), float)
    return float(
        evaluate(
            UPPER_BOUND.derived.expression,
            {n: float(size), N: float(first), G0: max(1 - float((share * share).sum()), 0.0)},
        )
    )


def _derive_diffusion() -> Derived:
    return Derived(-2 * n * (1 - p) * log(1 - p))


def _prove_diffusion() -> tuple[Step, ...]:
    """The diffusion with variance x(1-x)/n a generation: its waiting function by dsolve, put back."""
    claimed = _derive_diffusion().expression
    law = p * (1 - p) / (2 * n) * u(p).diff(p, 2) + p
    general = dsolve(law, u(p)).rhs
    residual = simplify(law.subs(u(p), claimed).doit())
    ends = claimed.subs(p, 0), claimed.limit(p, 1, "-")
    if residual != 0 or any(end != 0 for end in ends):
        raise Unsolved(f"the waiting function leaves {residual} and {ends}")
    return (
        Step("A token of share x moves with variance x(1-x)/n; it waits x while neither lost nor alone", law, "0 = "),
        Step("General solution by dsolve", general, "u(p) = "),
        Step("With u(0) = u(1) = 0", claimed, "u(p) = "),
        Step("Put back", residual, "residual: "),
        Step(
            "Summed over tokens; the first fit counts 1, and its own noise takes n/N off",
            1 - n / N + claimed,
            "E T, one token's part and the constant: ",
        ),
    )


def _derive_bound() -> Derived:
    tail = G0 * (1 - 1 / N) * n**2 / (2 * (n - 1))
    return Derived(2 + n + n * log(Max(1, tail)))


def _prove_bound() -> tuple[Step, ...]:
    first_apart = 1 - ((n - 1) ** 2 + 1) / n**2
    least = 2 * (n - 1) / n**2
    if simplify(first_apart - least) != 0:
        raise Unsolved("the least diversity of a model that is not collapsed")
    return (
        Step("A model of n samples that is not collapsed has at least this diversity", least, "1 - |p|^2 >= "),
        Step(
            "By Markov, with E G = G_0 (1-1/N)(1-1/n)^(m-1)",
            G0 * (1 - 1 / N) * (1 - 1 / n) ** (m - 1) / least,
            "P(T > m) <= ",
        ),
        Step("Clip at 1 and sum over m: 1 + 1 + n ln(max(1, C)) + n", _derive_bound().expression, "E T <= "),
    )


_CHAIN = (
    Step("The count of one token of n goes to Bin(n, x/n): a Markov chain of its own, whatever the vocabulary"),
    Step("Token i has everything exactly when all others are lost, and these events exclude each other"),
)


def _time(f: Family, w: Any, _generation: None) -> float:
    return collapse_time(f, w)


_SIX = Categorical([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
_SETTINGS = tuple(Setting(_SIX, Replace(size), 5 * size) for size in (20, 100, 400))
_ENDLESS = tuple(Setting(_SIX, Replace(size)) for size in (20, 100, 400))
PROBABILITY = Theorem(
    "total-collapse/probability",
    "The chance of total collapse by generation m is the sum over tokens of the chance that all others "
    "are lost, exactly, from one (n+1) x (n+1) matrix.",
    "collapse_probability",
    "Categorical, Binomial",
    "Replace",
    Evidence.ENUMERATION,
    (SAMPLES, MATCHED, FINITE, REPLACED, SMALL),
    ("Seddik2024, Theorem 1, eq. 7", "derived"),
    None,
    lambda: _CHAIN,
    (
        Printed(
            lambda: 1 - n * G0 * (1 - 1 / n) ** m,
            "Seddik2024, eq. 7, lower bound",
            "a bound that is negative until m exceeds n ln(n G_0); the exact value costs one matrix",
            "<=",
            collapse_probability,
            _SETTINGS,
        ),
        Printed(
            lambda: 1 - G0 / (1 - 1 / s) * (1 - 1 / n) ** m,
            "Seddik2024, eq. 7, upper bound",
            "a bound; the exact value costs one matrix",
            ">=",
            collapse_probability,
            _SETTINGS,
        ),
    ),
)
TIME = Theorem(
    "total-collapse/time",
    "The expected time to total collapse is 1 + sum_i E u(X_i) with (I - Q) u = x/n on the transient states.",
    "collapse_time",
    "Categorical, Binomial",
    "Replace",
    Evidence.ENUMERATION,
    (SAMPLES, MATCHED, FINITE, ABSORBED),
    ("Seddik2024, Theorem 1, eq. 8", "derived"),
    None,
    lambda: (
        *_CHAIN,
        Step(
            "T - 1 counts the generations in which some token has a share below 1; its expected sum over one "
            "token solves (I - Q) u = x/n"
        ),
    ),
    (
        Printed(
            lambda: 1 + G0 / (1 - 1 / s) * (n - 1), "Seddik2024, eq. 8, lower bound", "a bound", "<=", _time, _ENDLESS
        ),
        Printed(
            lambda: 1 + G0 * n * (n - 1),
            "Seddik2024, eq. 8, upper bound",
            "a bound of order n^2; the truth is of order n",
            ">=",
            _time,
            _ENDLESS,
        ),
    ),
    scope=(CHAINED,),
)
DIFFUSION = Theorem(
    "total-collapse/time-limit",
    "For many samples the expected time to total collapse is -2n sum (1-p_i) ln(1-p_i): at most 2n.",
    "collapse_time_limit",
    "Categorical, Binomial",
    "Replace",
    Evidence.LIMIT,
    (SAMPLES, MATCHED, FINITE, ABSORBED),
    ("derived", "Kimura (diffusion of gene frequencies)"),
    _derive_diffusion,
    _prove_diffusion,
)
UPPER_BOUND = Theorem(
    "total-collapse/time-upper-bound",
    "The expected time to total collapse is at most 2 + n + n ln(max(1, C)), of order n log n.",
    "collapse_time_upper_bound",
    "Categorical, Binomial",
    "Replace",
    Evidence.BOUND,
    (SAMPLES, MATCHED, FINITE, ABSORBED),
    ("derived",),
    _derive_bound,
    _prove_bound,
)
