r"""Survivors: how many tokens a generation still knows, and the chance of each that it is lost.

Exact where the answer is simple: a workflow that keeps its real set never loses a token seen there; under `Replace`, and beside
fresh real data, with at most 500 samples the chain of one token's count gives the law. Elsewhere thinning (`thinning`) is a
certified lower bound of what survives; it misses a fraction of a token in total.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sympy import Expr, simplify

from . import alleles
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .answers import error
from .assumption import CATEGORICAL, MATCHED, NO_NEW, SAMPLES, under
from .collapse import check_corpus
from .family import Categorical, Family
from .solve import Step, Unsolved
from .symbols import T, V, n, p
from .theorem import Assumption, Evidence, Theorem
from .thinning import real_items
from .traced import or_nan
from .workflow import Accumulate, FixedReal, FreshReal, Replace, SlidingWindow, Workflow

WORK = 1e8  # tokens times states^3 over fresh real samples: some seconds


def survivors(f: Family, w: Workflow, generation: Any) -> Any:
    r"""Expected number of tokens alive in generation m, :math:`E|\{i : p_{m,i} > 0\}|`.

    Exact for `FixedReal` and `Accumulate`, and for `Replace` and pooled `FreshReal` with at most 500 samples; else a certified
    lower bound by thinning that misses a fraction of a token. Of a corpus (`Categorical.from_counts`) conditional on it: then
    generation 1 knows exactly its words, and `FreshReal` is expected to find those words again at their frequency in the corpus.

    Raises InputError for other families, for generation 0 of a corpus, and where ``real`` is not the size of the corpus.
    Source: derived (critical branching; Hoeffding 1963 for the bound).

    >>> from modelcollapse import theory
    >>> theory.survivors(theory.Categorical([0.5, 0.5]), theory.Replace(2), [0, 1, 2]).tolist()
    [2.0, 1.5, 1.25]
    """
    whole, values, multiplicity, _ = _asked("survivors", f, w, generation)
    xp = arg.namespace(values)
    assert isinstance(f, Categorical)
    lost = _lost(f, w, whole.ravel().tolist(), values)
    # at least one token is always alive; a bound alone can say less
    result = [xp.maximum((multiplicity * (1 - each)).sum(), 1.0) for each in lost]
    return or_nan(xp.asarray(result).reshape(whole.shape) if whole.ndim else arg.scalar(result[0]), f, w)


def loss_probability(f: Family, w: Workflow, generation: Any) -> Any:
    r""":math:`P(p_{m,i} = 0)` of every token, shape generation + (V,): the chance that generation m does not know it.

    Exact where `survivors` is; else a certified upper bound. Of a corpus (`Categorical.from_counts`) the chance that a token
    seen that often is lost: one seen once is gone after one more generation under `Replace` with chance
    :math:`(1 - 1/N)^n \approx e^{-1}`, while diversity falls by 1/n. Under `Replace` lost is lost for ever; elsewhere the
    token may come back. Raises InputError as `survivors`. Source: derived (Wright-Fisher; critical branching).

    >>> from modelcollapse import theory
    >>> theory.loss_probability(theory.Categorical.from_counts([1, 9]), theory.Replace(10), 2).round(4).tolist()  # 0.9^10
    [0.3487, 0.0]
    """
    whole, values, _, places = _asked("loss_probability", f, w, generation)
    xp = arg.namespace(values)
    assert isinstance(f, Categorical)
    lost = xp.stack([xp.broadcast_to(each, np.shape(values)) for each in _lost(f, w, whole.ravel().tolist(), values)])
    lost = lost if places is None else lost[:, places]
    return or_nan(lost.reshape(*whole.shape, lost.shape[-1]), f, w)


def _asked(owner: str, f: Family, w: Workflow, generation: Any) -> tuple[np.ndarray, Any, Any, Any]:
    """The generations; different probabilities (or counts of a corpus), how often each is there, and which token has which."""
    families.check(owner, f)
    if not isinstance(f, Categorical):
        raise arg.refuse(owner, "f", f, "tokens are counted in a Categorical; other families have no tokens")
    workflows.check(owner, w)
    if arg.is_traced(generation):
        raise arg.refuse(owner, "generation", "traced", "the generation is static here: close over a number")
    arg.one_size(owner, w)
    whole = np.asarray(arg.steps(owner, generation), int)
    if f.counts is not None:
        check_corpus(owner, f, w)
        if np.any(whole == 0):
            raise arg.refuse(
                owner,
                "generation",
                generation,
                "generation 0 is the truth, of which a corpus shows only a part: ask from 1 on",
            )
    elif arg.is_jax(f.p):
        return whole, f.p, 1, None
    each = f.counts if f.counts is not None else np.asarray(f.p, float)
    values, places, multiplicity = np.unique(each, return_inverse=True, return_counts=True)
    return whole, values, multiplicity, places


def _lost(f: Categorical, w: Workflow, generations: list[int], values: Any) -> list[Any]:
    """For each generation the chance that each of the tokens is lost; ``values``: probabilities, or counts of a corpus."""
    exact, later = exact_chain(f, w, len(values)), [each for each in generations if each]
    chained = iter(_chained(f, w, later, values) if exact and later else ())
    return [
        (values == 0) * 1.0 if each == 0 else next(chained) if exact else _thinned(f, w, each, values)
        for each in generations
    ]


def _chained(f: Categorical, w: Any, generations: list[int], values: Any) -> Any:
    """(generations, values): by the chain of one token's count."""
    corpus = f.counts is not None
    if isinstance(w, FreshReal):
        real, share = int(w.real), values / f.counts.sum() if corpus else values
        tables = alleles.lost_beside_fresh(real, int(w.synthetic), share, generations)
        if corpus:
            return tables[:, values, np.arange(len(values))]
        return (alleles.binomial(real, share).T * tables).sum(axis=1)
    sizes = _replacing(w).sizes
    table = np.stack([alleles.lost_from_count([int(size) for size in sizes(each)]) for each in generations], axis=1)
    gone = table[values] if corpus else alleles.averaged(values, int(w.real), table)
    return gone.T


def _replacing(w: Replace | SlidingWindow) -> Replace:
    return Replace(w.synthetic) if isinstance(w, SlidingWindow) else w


def _thinned(f: Categorical, w: Workflow, generation: int, values: Any) -> Any:
    """At most: by thinning; where all data is replaced also by the second moment, which is nearer after many generations."""
    xp = arg.namespace(values)
    corpus = f.counts is not None
    reach = real_items(w, generation)
    size = float(f.counts.sum()) if corpus else 1.0
    share = values / size
    none = 1.0
    if corpus:  # its items are x certain copies, not N draws
        (_, first), *reach = reach
        none = (1.0 - first) ** values
    none = math.prod([_none_of(share, items, chance) for items, chance in reach], start=none)
    if not isinstance(w, Replace) or arg.is_traced(w.real):
        return none
    spread = error(f, w, generation) / f.v if not xp.all(f.v == 0) else 0.0
    away = (1 - share) * spread  # over the share: the relative variance of the token's probability
    return xp.minimum(none, xp.where(share > 0, away / (xp.where(share > 0, share, 1.0) + away), 1.0))


def _none_of(share: Any, items: Any, chance: Any) -> Any:
    """(1 - p a)^N: no copy at the end of any of N real items; exp(-p a) for infinitely many with a in all."""
    xp = arg.namespace(share, items, chance)
    hit = share * chance
    if not arg.is_jax(items) and np.isinf(items):
        return xp.exp(-hit)
    return xp.exp(items * xp.log1p(-xp.where(hit < 1, hit, 0.0))) * (hit < 1)


def exact_chain(f: Family, w: Workflow, tokens: int | None = None) -> bool:
    """Whether the chain of one count answers: concrete sizes of at most 500, and a table that fits memory and seconds.

    ``tokens``: how many different probabilities or counts there are, if that is known.
    """
    if not isinstance(f, Categorical):
        return False
    match w:
        case Replace():
            sizes = [w.real, *(w.synthetic if isinstance(w.synthetic, tuple) else [w.synthetic])]
        case SlidingWindow(models=1):
            sizes = [w.synthetic]
        case FreshReal(weight=None):
            sizes = [w.real + w.synthetic, w.real, w.synthetic]
        case _:
            return False
    if arg.is_traced(*sizes) or any(np.ndim(size) or size != int(size) or size > alleles.LARGEST for size in sizes):
        return False
    if isinstance(w, FreshReal):
        if arg.is_jax(f.p):
            return False
        each = f.counts if f.counts is not None else f.p
        many = len(np.unique(each)) if tokens is None else tokens
        return many * float(sizes[0]) ** 3 / sizes[1] <= WORK
    return f.counts is not None or len(f.p) * (int(w.real) + 1) <= alleles.MOST


_BRANCHING = (
    Step(
        "n draws from a model that gives a token the share x: none has a lasting copy with chance (1 - x + x q)^n, "
        "q = 1 - a; and (1 - x + x q)^n <= exp(-n x a)"
    ),
    Step("Draws of M points of S without replacement: E q^H <= (1 - M/S + q M/S)^K for K copies (Hoeffding)"),
    Step("Replace, backwards over sizes n_t: a <- 1 - exp(-a n_(t+1)/n_t), from a = 1 at generation m"),
    Step(
        "Fresh real: synthetic items a <- 1 - exp(-(1-w) a), a real one 1 - exp(-(n w/N) a); every real set adds its part"
    ),
    Step("Accumulate-subsample: a <- 1 - (1-a)(1 - (M/S_t)(1 - exp(-(n/M) a))), from a = M/S_m"),
    Step("Alive: 1 - (1 - p a)^N, in a corpus 1 - (1 - a)^count"),
)


def _loss_bounds() -> tuple[Expr, Expr]:
    """Bounds of the chance that a token of probability p is lost where data is replaced, from the relative error t = T/V."""
    moment = p**2 + p * (1 - p) * T / V  # E x^2
    return 1 - p - n**2 / (n - 1) * p * (1 - p) * (1 - T / V), 1 - p**2 / moment


def _prove_chain() -> tuple[Step, ...]:
    least, most = _loss_bounds()
    if simplify(most.subs(T, V) - (1 - p)) != 0 or simplify(least.subs(T, V) - (1 - p)) != 0:
        raise Unsolved("both bounds end at 1 - p, where T ends at V")
    return (
        Step("The count of one token of n goes to Bin(n, x/n) where data is replaced; it is lost at 0, for ever"),
        Step("Beside N fresh real samples it goes to Bin(N, p) + Bin(n, x/(N+n))"),
        Step(
            "Closed bounds where data is replaced: what is neither lost nor alone has x(1-x) >= (n-1)/n^2",
            least,
            "P >= ",
        ),
        Step("P(x > 0) >= (E x)^2 / E x^2 (Cauchy and Schwarz)", most, "P <= "),
    )


CHAINED = Assumption(
    f"the workflow is Replace or a pooled FreshReal, with at most {alleles.LARGEST} samples and no more tokens than memory holds",
    lambda family, workflow: exact_chain(family, workflow),
    "survivors/kept holds where the real set is kept, survivors/thinning always",
)
SURVIVORS_CHAIN = Theorem(
    "survivors/chain",
    "A token's count is a Markov chain of its own, Bin(n, x/n) under Replace, Bin(N, p) + Bin(n, x/(N+n)) beside fresh real "
    "data: survivors and losses are a sum over tokens, exactly.",
    "survivors",
    "Categorical",
    "Replace, FreshReal (pooled); at most 500 samples",
    Evidence.ENUMERATION,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW),
    ("derived", "Wright-Fisher"),
    None,
    _prove_chain,
    scope=(CHAINED,),
)
SURVIVORS_KEPT = Theorem(
    "survivors/kept",
    "A workflow that keeps its real set loses no token seen there: sum 1 - (1-p_i)^N survive for ever.",
    "survivors",
    "Categorical",
    "FixedReal, Accumulate",
    Evidence.IDENTITY,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW),
    ("Seddik2024 (setting)", "derived"),
    None,
    lambda: (Step("Every model gives a kept item a positive share, and a token never seen stays unseen"),),
    scope=(under(FixedReal, Accumulate),),
)
SURVIVORS_THINNED = Theorem(
    "survivors/thinning",
    "Thinning: the tokens alive are at least those of one real corpus thinned by a(m), one number for each "
    "generation; under Replace a ~ 2/(m+1).",
    "survivors",
    "Categorical",
    "every workflow",
    Evidence.BOUND,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW),
    ("derived", "Suresh2024 (linear in the count)"),
    None,
    lambda: _BRANCHING,
)


def theorem_of(f: Family, w: Workflow) -> Theorem:
    """The theorem that counts survivors."""
    if isinstance(w, (FixedReal, Accumulate)):
        return SURVIVORS_KEPT
    return SURVIVORS_CHAIN if exact_chain(f, w) else SURVIVORS_THINNED
