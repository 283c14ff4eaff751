r"""The expected L1 drift from the first model, exactly: one token at a time, by the chain of its count.

Given the count x of a token among the N real samples, its later counts are a Markov chain of their own: :math:`\mathrm{Bin}
(n', s/n)` under `Replace`, :math:`x + \mathrm{Bin}(n, s/(N+n))` under `FixedReal`, :math:`s + \mathrm{Bin}(n, s/S_m)` under
`Accumulate`. The joint law of first and present count is a table, and the drift a sum over it. It takes no square root of a
variance, so it is no bound, and it sees the skewness of rare tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import alleles
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .family import Categorical, Family
from .workflow import Accumulate, FixedReal, Replace, Workflow

WORK = 2e10  # products that one answer may cost: under a second for the workflows that keep nothing
BLOCK = 64  # counts whose steps are held as one matrix
TINY = 1e-20  # chances below it are far below rounding, and left out


def l1_drift(f: Family, w: Workflow, generation: Any) -> Any:
    r""":math:`E\|p_m - p_1\|_1`, the expected L1 distance of generation m from the first model, exact.

    For a `Categorical` under `Replace`, `FixedReal` or `Accumulate` with sizes of at most 500; of a corpus
    (`Categorical.from_counts`) conditional on its counts. `drift_reaches` says where that is.

    Raises InputError elsewhere, and for generation 0, from which no first model drifts. Source: derived (Wright-Fisher).

    >>> from modelcollapse import theory
    >>> l1_drift(theory.Categorical([0.5, 0.5]), theory.Replace(2), [1, 2, 3]).round(6).tolist()
    [0.0, 0.25, 0.375]
    """
    families.check("l1_drift", f)
    workflows.check("l1_drift", w)
    whole = np.asarray(arg.steps("l1_drift", generation), int)
    if np.any(whole == 0):
        raise arg.refuse("l1_drift", "generation", generation, "the first model is generation 1: ask from 1 on")
    last = int(whole.max())
    if not isinstance(f, Categorical) or not drift_reaches(w, last):
        raise arg.refuse("l1_drift", "w", w, f"exact for a Categorical under Replace, FixedReal or Accumulate with sizes "
                         f"of at most {alleles.LARGEST}: elsewhere simulate it, or use l1_drift_upper_bound")  # fmt: skip
    assert isinstance(w, Replace | FixedReal | Accumulate)
    real = int(w.real)
    if f.counts is None:
        share, multiplicity = np.unique(np.asarray(f.p, float), return_counts=True)
        chance = multiplicity @ alleles.binomial(real, share)  # expected number of tokens with each first count
    else:
        if int(f.counts.sum()) != real:
            raise arg.refuse("l1_drift", "real", w.real, f"the corpus is the real set: real={int(f.counts.sum())}")
        chance = np.bincount(f.counts, minlength=real + 1).astype(float)
    chance = (chance + chance[::-1])[: real // 2 + 1]  # a token and all others together drift alike
    chance[-1] /= 2 - real % 2
    most = int(np.flatnonzero(chance > TINY)[-1])
    drift = chance[: most + 1] @ from_count(w, last, most)
    return arg.scalar(drift[whole - 1])


def drift_reaches(w: Workflow, last: int) -> bool:
    """Whether `l1_drift` answers for this workflow up to generation ``last``: concrete sizes of at most 500, bounded work."""
    if not isinstance(w, Replace | FixedReal | Accumulate):
        return False
    sizes = w.sizes(last) if isinstance(w, Replace) else [w.real, w.synthetic]
    if arg.is_traced(*sizes) or any(np.ndim(size) or size != int(size) or size > alleles.LARGEST for size in sizes):
        return False
    states = [size + 1 for size in (*sizes, *sizes[-1:])]
    if isinstance(w, Accumulate):
        return states[0] * (sizes[0] + last * sizes[1] / 2) * sizes[1] * last <= WORK
    return max(states) ** 3 * min(last, WORK) <= WORK


def from_count(w: Replace | FixedReal | Accumulate, last: int, most: int) -> np.ndarray:
    r"""(most + 1, last): :math:`E|p_m - x/N|` of a token seen x = 0..most times in the real set, for generations 1..last."""
    real = int(w.real)
    first = np.arange(most + 1)[:, None]
    law, size = np.eye(most + 1, real + 1), real  # of the count among ``size`` training items, by the first count
    drift = [np.zeros(most + 1)]
    for generation in range(2, last + 1):
        if isinstance(w, Replace):
            after = int(w.sizes(generation)[-1])
            law, size = law @ alleles.transition(size, after), after
        elif isinstance(w, FixedReal):
            law, size = _kept(law, size, int(w.synthetic), real), real + int(w.synthetic)
        else:
            law, size = _added(law, size, int(w.synthetic)), size + int(w.synthetic)
        away = np.abs(np.arange(law.shape[1]) / size - first / real)
        drift.append((law * away).sum(axis=1))
    return np.stack(drift, axis=1)


def _kept(law: np.ndarray, size: int, synthetic: int, real: int) -> np.ndarray:
    """s -> x + Bin(n, s/size): the real set stays, the synthetic one is drawn anew; the count moves in x..x+n."""
    step = alleles.binomial(synthetic, np.arange(size + 1) / size)
    new = np.zeros((len(law), real + synthetic + 1))
    reach = 1 if size == real else synthetic + 1  # counts that are possible, from x on
    for x in range(len(law)):
        new[x, x : x + synthetic + 1] = law[x, x : x + reach] @ step[x : x + reach]
    return new


def _added(law: np.ndarray, size: int, synthetic: int) -> np.ndarray:
    """s -> s + Bin(n, s/size): everything stays. Counts that no row can reach any more are cut off at the end."""
    law = law[:, : int(np.flatnonzero(law.max(axis=0) > TINY)[-1]) + 1]
    new = np.zeros((len(law), law.shape[1] + synthetic))
    for start in range(0, law.shape[1], BLOCK):
        counts = np.arange(start, min(start + BLOCK, law.shape[1]))
        shifted = np.zeros((len(counts), len(counts) + synthetic))
        for row, mass in enumerate(alleles.binomial(synthetic, counts / size)):
            shifted[row, row : row + synthetic + 1] = mass
        new[:, start : start + len(counts) + synthetic] += law[:, counts] @ shifted
    return new
