r"""How alike the samples of a late model are: lineages, followed back to real samples, merge where they meet in one sample.

Each of k samples of model m is one of the samples that the model was fitted on. Where two of them are the same one, their
lineages have merged; those that are left are samples of the model before, or real ones. In population genetics this is
Kingman's coalescent. It gives the chance that all k are one token, :math:`E \sum_i p_i^k`, without following a single vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from sympy import Expr, Integer, expand, factor, ff, prod, simplify
from sympy.functions.combinatorial.numbers import stirling

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import CATEGORICAL, KNOWN_TRUTH, MATCHED, NO_NEW, SAMPLES
from .family import Categorical, Family
from .law import law
from .solve import Step, Unsolved
from .symbols import G0, G3, T, V, m, n, v2
from .theorem import Assumption, Evidence, Theorem
from .workflow import Accumulate, FixedReal, FreshReal, Replace, Workflow

MOST = 16  # samples that are compared
STEPS = 10_000  # generations of Accumulate
GUARD = 96  # binary digits beyond those of the answer

State = tuple[int, int]  # lineages in the newest model, and lineages that have left it
Chances = dict[State, Fraction]


def power_sum(f: Family, w: Workflow, generation: Any, order: int = 2) -> Any:
    r""":math:`E \sum_i p_i^k`: the chance that k samples of model m are all the same token, of the shape of ``generation``.

    Exact at every size, for `Replace` (any sizes), `FixedReal`, pooled `FreshReal` and `Accumulate` (up to generation 10,000).
    ``order``: the number k of samples that are compared, at most 16; with 2 it is one less the `diversity`.

    Raises InputError for other families and workflows, for a corpus, and in a JAX transformation. Source: Kingman1982, derived.

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.5, 0.5])
    >>> theory.power_sum(f, theory.Replace(2), [0, 1, 2], order=2).tolist()
    [0.5, 0.75, 0.875]
    >>> theory.power_sum(f, theory.Replace(2), 1, order=3)  # of two tosses: (1 + 1 + 1/4 + 1/4)/4
    0.625
    """
    owner = "power_sum"
    families.check(owner, f)
    workflows.check(owner, w)
    arg.static(owner, f=f, w=w, generation=generation, order=order)
    COALESCENT.require(owner, f, w)
    assert isinstance(f, Categorical) and isinstance(w, Replace | FixedReal | FreshReal | Accumulate)
    arg.one_size(owner, w)
    if np.ndim(order) or not 1 <= arg.size(owner, "order", order, of="samples to compare") <= MOST:
        raise arg.refuse(owner, "order", order, f"a number of samples to compare, 1 to {MOST}")
    whole = np.asarray(arg.generation(owner, generation)).astype(int)
    last = int(whole.max())
    if isinstance(w, Accumulate) and last > STEPS:
        raise arg.refuse(owner, "generation", generation, f"computed generation by generation, up to {STEPS:,}")
    if isinstance(w, Replace) and isinstance(w.synthetic, tuple):
        w.sizes(last)  # refuses what is beyond the last of them
    w = _whole(owner, w)
    p = np.asarray(f.p, float)
    truth = [Fraction(1), *(Fraction(float((p**power).sum())) for power in range(1, int(order) + 1))]
    truth[1] = Fraction(1)
    wanted = sorted(set(whole.ravel().tolist()))
    found = dict(zip(wanted, _followed(w, truth, int(order), wanted), strict=True))
    result = np.vectorize(lambda at: float(found[at]), otypes=[float])(whole)
    return result if result.shape else float(result)


def _whole(owner: str, w: Any) -> Any:
    """The workflow with Python's whole numbers for sizes."""
    sizes = w.synthetic if isinstance(w.synthetic, tuple) else (w.synthetic,)
    for name, size in (("real", w.real), *(("synthetic", each) for each in sizes)):
        if float(size) != int(size):
            raise arg.refuse(owner, name, size, "a whole number of samples: there is no half of a lineage")
    found = tuple(map(int, sizes))
    return replace(w, real=int(w.real), synthetic=found if isinstance(w.synthetic, tuple) else found[0])


@lru_cache(maxsize=4096)
def meeting(lineages: int, held: int, kept: int, new: int) -> Chances:
    """Where lineages come from: each one sample, drawn uniformly, of ``kept`` old and ``new`` new ones.

    ``held``: old samples in which other lineages are already. The chances of (new samples that are met, old ones that hold any).
    """
    counts = {(0, held): 1}
    for _ in range(lineages):
        after: dict[State, int] = {}
        for (met, old), count in counts.items():
            for state, ways in (((met, old), met + old), ((met + 1, old), new - met), ((met, old + 1), kept - old)):
                if ways:
                    after[state] = after.get(state, 0) + count * ways
        counts = after
    return {state: Fraction(count, (kept + new) ** lineages) for state, count in counts.items()}


def _before(w: Workflow, state: State, size: int) -> Chances:
    """One generation back: the states that a state comes from; ``size``: synthetic samples of the generation."""
    inside, outside = state
    match w:
        case Replace():
            return meeting(inside, 0, 0, size)
        case FixedReal():
            return meeting(inside, outside, w.real, size)
        case FreshReal():  # what is real leads to the truth, where nothing merges
            found = meeting(inside, 0, w.real, size)
            return {(met, outside + real): chance for (met, real), chance in found.items()}
    raise TypeError(type(w).__name__)


def _at_first(w: Workflow, state: State, truth: list[Fraction]) -> Fraction:
    """The chance that all lineages in the first model, and those outside it, end in one token."""
    inside, outside = state
    alone = isinstance(w, FreshReal)  # real samples of other generations are others
    met = meeting(inside, 0 if alone else outside, w.real, 0)
    ends = (chance * truth[old + outside * alone] for (_, old), chance in met.items())
    return sum(ends, Fraction(0))


def _followed(w: Workflow, truth: list[Fraction], samples: int, wanted: list[int]) -> Iterator[Fraction]:
    """The chance for each of the generations, which rise."""
    if isinstance(w, Accumulate):
        yield from _kept(w, truth, samples, wanted)
        return
    outsiders = not isinstance(w, Replace)
    states = [(a, c) for c in range(samples + 1 if outsiders else 1) for a in range(samples + 1 - c)]
    place = {state: number for number, state in enumerate(states)}
    digits = GUARD + int(1 / truth[-1]).bit_length() + max(wanted, default=0).bit_length()

    def steps(size: int) -> Any:
        table = np.full((len(states), len(states)), 0, object)
        for number, state in enumerate(states):
            for before, chance in _before(w, state, size).items():
                table[number, place[before]] += _fixed(chance, digits)
        return table

    now, value = 1, np.array([_fixed(_at_first(w, state, truth), digits) for state in states], object)
    sizes = isinstance(w.synthetic, tuple)
    table = None if sizes else steps(int(w.synthetic))
    for at in wanted:
        if at == 0:
            yield truth[samples]
            continue
        while now < at and sizes:
            value, now = (steps(int(w.synthetic[now - 1])) @ value) >> digits, now + 1
        if now < at:
            value, now = _many(table, value, at - now, digits), at
        yield Fraction(int(value[place[samples, 0]]), 1 << digits)


def _many(table: Any, value: Any, times: int, digits: int) -> Any:
    """The table applied again and again, by squaring where that is shorter."""
    if times <= len(value) * times.bit_length():
        for _ in range(times):
            value = (table @ value) >> digits
        return value
    while times:
        if times & 1:
            value = (table @ value) >> digits
        table, times = (table @ table) >> digits, times >> 1
    return value


def _fixed(number: Fraction, digits: int) -> int:
    return (number.numerator << digits) // number.denominator


def _kept(w: Accumulate, truth: list[Fraction], samples: int, wanted: list[int]) -> Iterator[Fraction]:
    """All data kept: lineages are samples of the pool; those in the newest batch are draws from the pool before."""
    digits = GUARD + int(1 / truth[-1]).bit_length() + max(wanted, default=0).bit_length()
    real, size = int(w.real), int(w.synthetic)
    value = [_fixed(each, digits) for each in truth]  # of 0, 1, ... samples of the pool, all others of it
    now, pool = 1, real
    for at in wanted:
        if at == 0:
            yield truth[samples]
            continue
        while now < at:
            value, now, pool = _batch(value, pool, size, digits), now + 1, pool + size
        met = meeting(samples, 0, pool, 0)
        yield Fraction(sum(_fixed(chance, digits) * value[old] for (_, old), chance in met.items()), 1 << 2 * digits)


def _batch(value: list[int], pool: int, size: int, digits: int) -> list[int]:
    """Samples of a pool with one more batch of ``size``, by samples of the ``pool`` before."""
    found = []
    for held in range(len(value)):
        total = 0
        for new in range(max(0, held - pool), min(held, size) + 1):
            chance = Fraction(comb(size, new) * comb(pool, held - new), max(1, comb(pool + size, held)))
            for (_, old), meets in meeting.__wrapped__(new, held - new, pool, 0).items():
                total += _fixed(chance * meets, digits) * value[old]
        found.append(total >> digits)
    return found


def _merged(lineages: int, left: int) -> Expr:
    """The chance that k lineages in n samples are in j of them: S(k, j) n (n-1) ... (n-j+1)/n^k."""
    return stirling(lineages, left) * ff(n, left) / n**lineages


def _prove() -> tuple[Step, ...]:
    for lineages in (1, 2, 3, 4):
        rest = simplify(sum(_merged(lineages, left) for left in range(1, lineages + 1)) - 1)
        alike = simplify(_merged(lineages, lineages) - prod([1 - Integer(each) / n for each in range(lineages)]))
        more = [
            simplify(_merged(lineages + 1, left) - _merged(lineages, left) * left / n
                     - _merged(lineages, left - 1) * (n - left + 1) / n)
            for left in range(1, lineages + 2)
        ]  # fmt: skip
        if rest != 0 or alike != 0 or any(each != 0 for each in more):
            raise Unsolved(f"lineages: {lineages}, {rest}, {alike}, {more}")
    # two lineages: the diversity of the theorem on Replace
    (step,) = law(Replace).step
    kept = simplify((V + v2 * step).subs(v2, -1) / (V - T))
    second = simplify(kept - _merged(2, 2))
    # three: 1 - E sum p^3 is 3/2 of the diversity and a part that falls faster
    slope, passed = _merged(3, 3), _merged(3, 2) * (1 - 1 / n) ** m
    falls = G3 * _merged(3, 3) ** m + Integer(3) / 2 * G0 * ((1 - 1 / n) ** m - _merged(3, 3) ** m)
    put = simplify(expand(falls.subs(m, m + 1) - slope * falls - passed * G0))
    if second != 0 or put != 0 or simplify(falls.subs(m, 0) - G3) != 0:
        raise Unsolved(f"two and three lineages: {second}, {put}")
    return (
        Step("Of k lineages in n samples one more meets j others or a new one: Stirling numbers", _merged(3, 2), "P(3 -> 2) = "),
        Step("So k of them stay apart with the chance prod (1 - i/n), the eigenvalues", factor(_merged(4, 4)), "P(4 -> 4) = "),
        Step("They are samples of the model before: E sum p^k is that of 1, ..., k samples there, and of p at the truth"),
        Step("With two, 1 - E sum p^2 is the diversity under Replace", 1 - 1 / n, "G'/G = "),
        Step("With three, put back; G_3 is 1 - sum p^3 at the truth", falls, "1 - E sum p^3 = "),
        Step("Fresh real samples lead to the truth, where nothing merges; those kept are met again, alone or in the pool"),
    )  # fmt: skip


def _comes_from(_family: Family, workflow: Any) -> bool:
    return isinstance(workflow, Replace | FixedReal | Accumulate) or (
        isinstance(workflow, FreshReal) and workflow.weight is None
    )


FOLLOWED = Assumption(
    "the workflow is Replace, FixedReal, Accumulate, or FreshReal without a weight",
    _comes_from,
    "ask for the diversity (two samples), which is known under every workflow",
)
COALESCENT = Theorem(
    "coalescent",
    "k samples of a model are all one token with the chance E sum p^k, which k lineages give that merge where they meet in one "
    "sample: under Replace a sum of m-th powers of prod_{i<j} (1 - i/n), j = 1, ..., k, of which j = 2 is that of the diversity.",
    "power_sum",
    "Categorical",
    "Replace, FixedReal, FreshReal, Accumulate",
    Evidence.ENUMERATION,
    (SAMPLES, MATCHED, CATEGORICAL, NO_NEW, FOLLOWED, KNOWN_TRUTH),
    ("Kingman1982", "derived"),
    None,
    _prove,
)
