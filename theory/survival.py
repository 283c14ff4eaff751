r"""Survivors: how many tokens a generation still knows.

**Thinning.** Follow the copies of one real item through the generations. Seen from generation m backwards there is one
number a for each generation, the chance that an item there has a copy in what model m is fitted on; a token with probability p
is then alive with chance at least :math:`1 - (1 - p a)^N`. The number is exact for branching (Poisson) offspring, and multinomial
and hypergeometric draws only make survival likelier (:math:`(1 - x + x s)^n \le e^{-n x (1 - s)}`, Hoeffding for draws without
replacement), so that thinning is a certified lower bound for every workflow; it misses a fraction of a token in total.

Where the answer is simpler it is exact: a workflow that keeps its real set never loses a token seen there; under `Replace` with
at most 500 samples the two-allele chain gives the law.
"""

from __future__ import annotations

import math
from typing import Any, assert_never

import numpy as np

from . import alleles
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import MATCHED, SAMPLES
from .collapse import check_corpus
from .family import Categorical, Family
from .solve import Step
from .theorem import Assumption, Evidence, Theorem
from .traced import or_nan
from .workflow import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    RandomPast,
    Replace,
    Schedule,
    SlidingWindow,
    Workflow,
)

# real sets: how many items, and the chance that one of them has a copy at the end; of a mixture with the truth, infinitely
# many and their expected number, since (1 - x a)^n is bounded by a product over the sources only as exp(-n x a)
Reach = list[tuple[float, float]]


def survivors(f: Family, w: Workflow, generation: Any) -> Any:
    r"""Expected number of tokens alive in generation m, :math:`E|\{i : p_{m,i} > 0\}|`.

    Exact for `FixedReal` and `Accumulate`, and for `Replace` with at most 500 samples; else a certified lower bound by thinning
    that misses a fraction of a token. Of a corpus (`Categorical.from_counts`) conditional on it: then generation 1 knows
    exactly its words, and `FreshReal` is expected to find those words again at their frequency in the corpus.

    Raises InputError for other families, for generation 0 of a corpus, and where ``real`` is not the size of the corpus.
    Source: derived (critical branching; Hoeffding 1963 for the bound).

    >>> from modelcollapse import theory
    >>> theory.survivors(theory.Categorical([0.5, 0.5]), theory.Replace(2), [0, 1, 2]).tolist()
    [2.0, 1.5, 1.25]
    """
    families.check("survivors", f)
    if not isinstance(f, Categorical):
        raise arg.refuse("survivors", "f", f, "tokens are counted in a Categorical; other families have no tokens")
    workflows.check("survivors", w)
    if arg.is_traced(generation):
        raise arg.refuse("survivors", "generation", "traced", "the generation is static here: close over a number")
    arg.one_size("survivors", w)
    whole = np.asarray(arg.steps("survivors", generation), int)
    values: Any
    multiplicity: Any
    if f.counts is not None:
        check_corpus("survivors", f, w)
        if np.any(whole == 0):
            raise arg.refuse(
                "survivors",
                "generation",
                generation,
                "generation 0 is the truth, of which a corpus shows only a part: ask from 1 on",
            )
        values, multiplicity = np.unique(f.counts, return_counts=True)
    elif arg.is_jax(f.p):
        values, multiplicity = f.p, 1
    else:
        values, multiplicity = np.unique(np.asarray(f.p, float), return_counts=True)
    xp = arg.namespace(values)
    if isinstance(w, Replace) and exact_chain(f, w):
        result = _chained(f, w, whole.ravel().tolist(), values, multiplicity)
    else:
        # at least one token is always alive; thinning alone can say less
        result = [xp.maximum((multiplicity * _alive(f, w, int(each), values)).sum(), 1.0) for each in whole.ravel()]
    return or_nan(xp.asarray(result).reshape(whole.shape) if whole.ndim else arg.scalar(result[0]), f, w)


def _chained(f: Categorical, w: Replace, generations: list[int], values: Any, multiplicity: Any) -> list[Any]:
    """Expected survivors by the two-allele chain: one table of losses for all generations."""
    later = [each for each in generations if each]
    table = np.stack([alleles.lost_from_count([int(size) for size in w.sizes(each)]) for each in later or [1]], axis=1)
    gone = table[values] if f.counts is not None else alleles.averaged(values, int(w.real), table)
    alive = iter((np.reshape(multiplicity, (-1, 1)) * (1 - gone)).sum(axis=0))
    return [next(alive) if each else (multiplicity * (values > 0)).sum() * 1.0 for each in generations]


def _alive(f: Categorical, w: Workflow, generation: int, values: Any) -> Any:
    """Chance that each token is alive; ``values`` are probabilities, or counts of a corpus."""
    conditional = f.counts is not None
    if generation == 0:
        return (values > 0) * 1.0
    reach = real_items(w, generation)
    if not conditional:
        return 1 - _product([_none_of(values, items, chance) for items, chance in reach])
    size = float(f.counts.sum())
    (_, first), *later = reach  # the corpus is known: its items are x certain copies, not N draws
    known = (1.0 - first) ** values
    return 1 - known * _product([_none_of(values / size, items, chance) for items, chance in later])


def _none_of(share: Any, items: Any, chance: Any) -> Any:
    """(1 - p a)^N: no copy at the end of any of N real items; exp(-p a) for infinitely many with a in all."""
    xp = arg.namespace(share, items, chance)
    hit = share * chance
    if not arg.is_jax(items) and np.isinf(items):
        return xp.exp(-hit)
    return xp.exp(items * xp.log1p(-xp.where(hit < 1, hit, 0.0))) * (hit < 1)


def _product(factors: list[Any]) -> Any:
    return math.prod(factors[1:], start=factors[0]) if factors else 1.0


def exact_chain(f: Family, w: Workflow) -> bool:
    """Whether the two-allele chain answers: Replace, concrete sizes of at most 500, and a table that fits the memory."""
    if not isinstance(w, Replace) or not isinstance(f, Categorical):
        return False
    sizes = [w.real, *(w.synthetic if isinstance(w.synthetic, tuple) else [w.synthetic])]
    if arg.is_traced(*sizes) or any(np.ndim(size) or size != int(size) or size > alleles.LARGEST for size in sizes):
        return False
    return f.counts is not None or len(f.p) * (int(w.real) + 1) <= alleles.MOST


def real_items(w: Workflow, generation: int) -> Reach:
    """Real sets that generation m >= 1 can draw on, the first one first: (items, chance of a copy in model m)."""
    match w:
        case Replace():
            return [(w.real, _replaced(w.sizes(generation)))]
        case FixedReal() | Accumulate():
            return [(w.real, 1.0)]
        case FreshReal():
            return _refreshed(w, generation)
        case AccumulateSubsample():
            return [(w.real, _subsampled(w, generation))]
        case SlidingWindow() | RandomPast() | Schedule():
            return _scheduled(w.schedule(generation))
    assert_never(w)


def _none_left(rate: Any) -> Any:
    """1 - exp(-rate): the chance of at least one of a Poisson number."""
    return -arg.namespace(rate).expm1(-rate)


def _replaced(sizes: list[Any]) -> Any:
    alive: Any = 1.0
    for before, after in zip(sizes[-2::-1], sizes[:0:-1], strict=True):
        alive = _none_left(after / before * alive)
    return alive


def _refreshed(w: FreshReal, generation: int) -> Reach:
    """The real set of each generation 1..m, by backward recursion over the copies of a real and of a synthetic item."""
    real_weight = w.real / (w.real + w.synthetic) if w.weight is None else w.weight
    # chance for an item of the synthetic batch of the generation looked at, which weighs nothing at weight 1
    drawn = arg.namespace(real_weight).where(real_weight < 1, 1.0, 0.0)
    reach = [(w.real, 1.0)]
    for now in range(generation - 1, 0, -1):
        weight = real_weight if now > 1 else 1.0
        reach.append((w.real, _none_left(w.synthetic * weight / w.real * drawn)))
        drawn = _none_left((1 - real_weight) * drawn)
    return reach[::-1]


def _subsampled(w: AccumulateSubsample, generation: int) -> Any:
    alive: Any = 0.0
    for now in range(generation, 0, -1):
        share = w.train / (w.real + (now - 1) * w.synthetic)
        copies = (
            1.0 if now == generation else _none_left(w.synthetic / w.train * alive)
        )  # of a point that is trained on
        hit = _none_left(share * copies) if w.replacement else share * copies
        alive = hit if now == generation else 1 - (1 - alive) * (1 - hit)
    return alive


def _scheduled(w: Schedule) -> Reach:
    """Any schedule: items of each batch, backwards; a mixture counts by its share of the truth."""
    size, source, weight = (np.asarray(each, float) for each in (w.size, w.source, w.weight))
    last, born = w.generations, w.born
    alive = np.zeros(len(size))
    for batch in sorted(range(len(size)), key=lambda each: -born[each]):
        missed = 1.0
        for model in range(born[batch], last + 1):
            share = weight[model - 1, batch] / size[batch]  # of the model, held by one item
            if share == 0:
                continue
            per_model = source[:, model] * size * alive  # draws from this model, by their chance to last
            if w.train is None:
                missed *= float(model < last) * math.exp(-share * per_model.sum())
                continue
            train = float(w.train[model - 1])
            copies = 1.0 if model == last else -math.expm1(-per_model.sum() / train)
            hit = -math.expm1(-train * share * copies) if w.replacement else train * share * copies
            missed *= 1 - hit
        alive[batch] = 1 - missed
    real = [batch for batch in range(len(size)) if source[batch, 0] > 0]
    real.sort(key=lambda each: weight[0, each] == 0)  # the first model's real set first
    return [(size[batch], alive[batch]) if source[batch, 0] == 1 else (np.inf, size[batch] * source[batch, 0] * alive[batch])
            for batch in real]  # fmt: skip


CATEGORICAL = Assumption(
    "the family is Categorical", lambda family, _: isinstance(family, Categorical), "other families have no tokens"
)
NO_NEW = Assumption("no token is given probability without having been seen (no smoothing)", lambda *_: True, "")
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
SURVIVORS_CHAIN = Theorem(
    "survivors",
    "A token's count under Replace is a chain Bin(n, x/n): the expected number of survivors is one matrix power.",
    "survivors",
    "Categorical",
    "Replace, at most 500 samples",
    Evidence.ENUMERATION,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW),
    ("derived", "Wright-Fisher"),
    None,
    lambda: (Step("The count of one token of n goes to Bin(n, x/n); it is lost at 0, for ever"),),
)
SURVIVORS_KEPT = Theorem(
    "survivors-kept",
    "A workflow that keeps its real set loses no token seen there: sum 1 - (1-p_i)^N survive for ever.",
    "survivors",
    "Categorical",
    "FixedReal, Accumulate",
    Evidence.IDENTITY,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW),
    ("Seddik2024 (setting)", "derived"),
    None,
    lambda: (Step("Every model gives a kept item a positive share, and a token never seen stays unseen"),),
)
SURVIVORS_THINNED = Theorem(
    "survivors-thinning",
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
