r"""Expected L1 distances, from the first model and from the truth, exactly: one token at a time, by the chain of its count.

Given the count x of a token among the N real samples, its later counts are a Markov chain of their own: :math:`\mathrm{Bin}
(n', s/n)` under `Replace`, :math:`x + \mathrm{Bin}(n, s/(N+n))` under `FixedReal`, :math:`s + \mathrm{Bin}(n, s/S_m)` under
`Accumulate`. The joint law of first and present count is a table, and a distance a sum over it. It takes no square root of a
variance, so it is no bound, and it sees the skewness of rare tokens. Total variation is half of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sympy import Expr, exp, factor, integrate, oo, pi, simplify, sqrt

from . import alleles
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .answers import error
from .assumption import CATEGORICAL, KNOWN_TRUTH, MATCHED, SAMPLES
from .family import Categorical, Family
from .lower import evaluate
from .solve import Step, Unsolved
from .symbols import T, V, k, p, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .workflow import Accumulate, FixedReal, Replace, Workflow

WORK = 2e10  # products that one answer may cost: under a second for the workflows that keep nothing
BLOCK = 64  # counts whose steps are held as one matrix
TINY = 1e-20  # chances below it are far below rounding, and left out


def l1_drift(f: Family, w: Workflow, generation: Any) -> Any:
    r""":math:`E\|p_m - p_1\|_1`, the expected L1 distance of generation m from the first model, exact.

    For a `Categorical` under `Replace`, `FixedReal` or `Accumulate` with sizes of at most 500; of a corpus
    (`Categorical.from_counts`) conditional on its counts. `l1_reaches` says where that is.

    Raises InputError elsewhere, and for generation 0, from which no first model drifts. Source: derived (Wright-Fisher).

    >>> from modelcollapse import theory
    >>> theory.l1_drift(theory.Categorical([0.5, 0.5]), theory.Replace(2), [1, 2, 3]).round(6).tolist()
    [0.0, 0.25, 0.375]
    """
    whole = _asked("l1_drift", f, w, generation)
    if np.any(whole == 0):
        raise arg.refuse("l1_drift", "generation", generation, "the first model is generation 1: ask from 1 on")
    assert isinstance(f, Categorical) and isinstance(w, Replace | FixedReal | Accumulate)
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
    first = np.arange(most + 1)[:, None] / real
    moved = [
        chance[: most + 1] @ (law * np.abs(np.arange(law.shape[1]) / size - first)).sum(axis=1)
        for law, size in _laws(w, int(whole.max()), most)
    ]
    return arg.scalar(np.array(moved)[whole - 1])


def l1_error(f: Family, w: Workflow, generation: Any) -> Any:
    r""":math:`E\|p_m - p\|_1`, the expected L1 distance of generation m from the truth, exact; half of it is total variation.

    For a `Categorical` of known probabilities under `Replace`, `FixedReal` or `Accumulate` with sizes of at most 500; elsewhere
    `l1_error_upper_bound` and, from below, `error`. Under `Replace` it rises to :math:`2 G_0`, twice the diversity of the truth.

    Raises InputError elsewhere, and for a corpus, whose truth is not known. Source: derived (Wright-Fisher).

    >>> from modelcollapse import theory
    >>> theory.l1_error(theory.Categorical([0.5, 0.5]), theory.Replace(2), [0, 1, 2, 50]).round(6).tolist()
    [0.0, 0.5, 0.75, 1.0]
    """
    whole = _asked("l1_error", f, w, generation)
    assert isinstance(f, Categorical) and isinstance(w, Replace | FixedReal | Accumulate)
    if f.counts is not None:
        raise arg.refuse("l1_error", "f", "from_counts", "the truth behind a corpus is not known: ask for l1_drift, or use "
                         "Categorical(p)")  # fmt: skip
    real = int(w.real)
    share, multiplicity = np.unique(np.asarray(f.p, float), return_counts=True)
    first = alleles.binomial(real, share)
    away = [0.0]
    for law, size in _laws(w, max(int(whole.max()), 1), real):
        counts = np.arange(law.shape[1]) / size
        each = [(np.abs(counts - one) @ law.T) @ weight for one, weight in zip(share, first, strict=True)]
        away.append(float(multiplicity @ np.array(each)))
    return arg.scalar(np.array(away)[whole])


def l1_error_upper_bound(f: Family, w: Workflow, generation: Any) -> Any:
    r"""Bound of :math:`E\|p_m - p\|_1`, every workflow: :math:`\min(2 G_0, \sqrt{T_m/V}\,\sum_i \sqrt{p_i(1-p_i)})`.

    By Jensen, since token i has its share :math:`p_i (1-p_i)/V` of the exact error :math:`T_m`; for many samples of no rare token
    the truth is :math:`\sqrt{2/\pi} = 0.80` of it. Raises InputError for other families and for a corpus. Source: derived.

    >>> from modelcollapse import theory
    >>> round(theory.l1_error_upper_bound(theory.Categorical([0.5, 0.5]), theory.Replace(2), 1), 6)
    0.707107
    """
    families.check("l1_error_upper_bound", f)
    if not isinstance(f, Categorical) or f.counts is not None:
        raise arg.refuse("l1_error_upper_bound", "f", f, "a Categorical of known probabilities")
    squared = error(f, w, generation)
    xp = arg.namespace(f.p, squared)
    if not arg.is_jax(f.p) and f.v == 0:  # one token: nothing errs
        return squared
    rooted = evaluate(L1_ERROR.derived.expression, {T: squared, V: f.v})
    return arg.scalar(xp.minimum(rooted * xp.sqrt(f.p * (1 - f.p)).sum(), 2 * f.v))


def _asked(owner: str, f: Family, w: Workflow, generation: Any) -> np.ndarray:
    families.check(owner, f)
    workflows.check(owner, w)
    whole = np.asarray(arg.steps(owner, generation), int)
    if not isinstance(f, Categorical) or not l1_reaches(w, max(int(whole.max()), 1)):
        raise arg.refuse(owner, "w", w, f"exact for a Categorical under Replace, FixedReal or Accumulate with sizes "
                         f"of at most {alleles.LARGEST}: elsewhere simulate it, or use {owner}_upper_bound")  # fmt: skip
    return whole


def l1_reaches(w: Workflow, last: int) -> bool:
    """Whether exact distances are answered up to generation ``last``: concrete sizes of at most 500, bounded work."""
    if not isinstance(w, Replace | FixedReal | Accumulate):
        return False
    sizes = w.sizes(last) if isinstance(w, Replace) else [w.real, w.synthetic]
    if arg.is_traced(*sizes) or any(np.ndim(size) or size != int(size) or size > alleles.LARGEST for size in sizes):
        return False
    states = [size + 1 for size in (*sizes, *sizes[-1:])]
    if isinstance(w, Accumulate):
        return states[0] * (sizes[0] + last * sizes[1] / 2) * sizes[1] * last <= WORK
    return max(states) ** 3 * min(last, WORK) <= WORK


def _laws(w: Replace | FixedReal | Accumulate, last: int, most: int) -> Iterator[tuple[np.ndarray, int]]:
    r"""For generations 1..last the law of a token's count by its first count 0..most, and the size of the training set."""
    real = int(w.real)
    law, size = np.eye(most + 1, real + 1), real
    yield law, size
    sizes = w.sizes(last) if isinstance(w, Replace) else ()
    for generation in range(2, last + 1):
        if isinstance(w, Replace):
            after = int(sizes[generation - 1])
            law, size = law @ alleles.transition(size, after), after
        elif isinstance(w, FixedReal):
            law, size = _kept(law, size, int(w.synthetic), real), real + int(w.synthetic)
        else:
            law, size = _added(law, size, int(w.synthetic)), size + int(w.synthetic)
        yield law, size


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


def _derive() -> Derived:
    return Derived(sqrt(T / V))


def _half_normal() -> Expr:
    """E|z| of a standard normal number."""
    return integrate(2 * k * exp(-(k**2) / 2) / sqrt(2 * pi), (k, 0, oo))


def _prove() -> tuple[Step, ...]:
    both = p * (1 - p) + (1 - p) * p  # a share of 0 or 1 with mean p is farthest from p
    line = (1 - y) * p + y * (1 - p)  # |y - p| lies below the line between y = 0 and y = 1, as it is convex
    if simplify(line.subs(y, p) - both) != 0:
        raise Unsolved("the farthest of all laws with mean p")
    return (
        Step("The count of one token is a chain of its own; so E |p_m - p|_1 is a sum over tokens and counts"),
        Step("Each |p_mi - p_i| is at most 1, so that its square is smaller: from below", T, "E |p_m - p|_1 >= "),
        Step(
            "Token i has the share p_i (1-p_i)/V of T; by Jensen",
            sqrt(T / V),
            "E |p_m - p|_1 <= sum sqrt(p_i (1-p_i)) times ",
        ),
        Step(
            "A share with mean p is at most as far from p as 0 or 1 with that mean; summed, twice G_0",
            factor(both),
            "E |p_mi - p| <= ",
        ),
        Step(
            "which is reached in total collapse. Of a normal deviation the first moment is, over the root of the second",
            _half_normal(),
        ),
    )


def _steps_of_drift() -> tuple[Step, ...]:
    return (
        Step("Given its first count x, the count of a token is a chain: Replace Bin(n', s/n)"),
        Step("FixedReal x + Bin(n, s/(N+n)), Accumulate s + Bin(n, s/S)"),
        Step("E |p_m - p_1|_1 is the sum over tokens and counts of |s/size - x/N|"),
    )


CHAINED = Assumption(
    f"the workflow is Replace, FixedReal or Accumulate with sizes of at most {alleles.LARGEST}",
    lambda _, workflow: l1_reaches(workflow, 2),
    "use l1_error_upper_bound",
)
L1_DRIFT = Theorem(
    "l1-distance/drift",
    "The expected L1 distance from the first model, exactly: a sum over tokens and counts of one chain.",
    "l1_drift",
    "Categorical",
    "Replace, FixedReal, Accumulate",
    Evidence.ENUMERATION,
    (SAMPLES, MATCHED, CATEGORICAL, CHAINED),
    ("derived", "Wright-Fisher"),
    None,
    _steps_of_drift,
)
L1_ERROR = Theorem(
    "l1-distance/error",
    "The expected L1 distance from the truth, twice the total variation, exactly, and everywhere between T and the smaller of "
    "2 G_0 and sqrt(T/V) sum sqrt(p_i(1-p_i)); where data is replaced it rises to 2 G_0.",
    "l1_error",
    "Categorical",
    "Replace, FixedReal, Accumulate; bounds: every workflow",
    Evidence.ENUMERATION,
    (SAMPLES, MATCHED, CATEGORICAL, KNOWN_TRUTH),
    ("derived", "Wright-Fisher"),
    _derive,
    _prove,
)
