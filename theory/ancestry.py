r"""Moments of token frequencies after m generations of `Replace`, by the ancestry of a few samples.

The tokens of k samples of model m are those of their ancestors m generations before, which are fewer where samples have one in
common. In one generation each has one of n parents: a partition of the k into r groups of one parent each has the chance

.. math:: \frac{n (n-1) \cdots (n-r+1)}{n^k}.

So the chances of partitions after m generations solve a linear recursion, whose solution is in three letters: the chances
:math:`a_2, a_3, a_4` that two, three or four samples still have ancestors of their own. Given the frequencies x at the start,
ancestors of different groups are independent, and a moment of degree 4 or less is a sum over partitions of products of power sums
:math:`\sum_i x_i^k`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

from sympy import Dummy, Expr, Integer, Mul, S, cancel, expand, factor, ff, solve
from sympy.utilities.iterables import multiset_partitions

from .solve import Unsolved
from .symbols import a2, a3, a4, n, p2, p3, p4

MOST = 4  # samples of which the chances of partitions are worked out here
APART = (a2, a3, a4)
POWER_SUMS: tuple[Expr, ...] = (S.One, S.One, p2, p3, p4)
Group = tuple[int, int]  # (k, l): the sum over tokens of y^k x^l, y being the frequencies m generations after x
Polynomial = tuple[tuple[int, tuple[Group, ...]], ...]  # coefficients of products of such sums


def merged(lines: int, groups: int) -> Expr:
    """The chance that so many samples have their parents as one partition into so many groups says."""
    return ff(n, groups) / n**lines


def one_generation(expression: Expr) -> Expr:
    """The same one generation later: each of the three letters is multiplied by its first value."""
    return expression.subs({each: merged(k, k) * each for k, each in enumerate(APART, 2)}, simultaneous=True)


@cache
def chances() -> dict[tuple[int, ...], Expr]:
    """The chance of one partition, by the sizes of its groups, the largest first: what fewer samples do fixes all but one."""
    found: dict[tuple[int, ...], Expr] = {(): S.One, (1,): S.One, (1, 1): a2, (2,): 1 - a2, (1, 1, 1): a3}
    found[2, 1] = (a2 - a3) / 2  # the first two are apart: all three are, or the third is with one of them
    found[(3,)] = found[(2,)] - found[2, 1]
    found[1, 1, 1, 1] = a4
    found[2, 1, 1] = (a3 - a4) / 3
    found[2, 2] = _pairs(found[2, 1, 1])
    found[3, 1] = found[2, 1] - found[2, 1, 1] - found[2, 2]
    found[(4,)] = found[(3,)] - found[3, 1]
    return found


def _pairs(one_pair: Expr) -> Expr:
    """The chance of two given pairs, 0 at the start, where every chance of four samples apart is 1."""
    parts = [Dummy() for _ in APART]
    guess = sum((part * letter for part, letter in zip(parts, APART, strict=True)), S.Zero)
    left = one_generation(guess) - merged(2, 2) * guess - 2 * merged(3, 2) * one_pair - merged(4, 2) * a4
    conditions = [expand(left.expand(func=True)).coeff(each) for each in (a3, a4)]
    (found,) = solve([*conditions, sum(parts)], parts, dict=True)
    return guess.subs(found)


def check_chances() -> None:
    """Raises `Unsolved` unless every chance solves its recursion, with its first value, and those of k samples sum to one."""
    start = dict.fromkeys(APART, S.One)
    for lines in range(2, MOST + 1):
        every = [tuple(tuple(group) for group in each) for each in multiset_partitions(list(range(lines)))]
        for coarse in {tuple(sorted(map(len, each))): each for each in every}.values():  # one of each kind
            finer = [each for each in every if all(any(set(a) <= set(b) for b in coarse) for a in each)]
            # the groups of a finer partition are what has parents in the generation before
            step = sum((chance_of(each) * merged(len(each), len(coarse)) for each in finer), S.Zero)
            left = cancel((one_generation(chance_of(coarse)) - step).expand(func=True))
            first = cancel(chance_of(coarse).subs(start)) - Integer(len(coarse) == lines)
            if left != 0 or first != 0:
                raise Unsolved(f"the ancestry {coarse}: {left}, {first}")
        if cancel(sum(map(chance_of, every)) - 1) != 0:
            raise Unsolved(f"chances of {lines} samples do not sum to one")


def chance_of(partition: tuple[tuple[int, ...], ...]) -> Expr:
    """The chance that the ancestry of samples is this partition."""
    return chances()[tuple(sorted(map(len, partition), reverse=True))]


def moment(polynomial: Polynomial) -> Expr:
    """E of a sum of products of sums over tokens, given the frequencies x."""
    return expand(sum((coefficient * _moment(groups) for coefficient, groups in polynomial), S.Zero))


def times(first: Polynomial, second: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    return tuple((a * b, one + two) for (a, one), (b, two) in product(first, second))


@cache
def _moment(groups: tuple[Group, ...]) -> Expr:
    """E of a product: samples of one sum have one token, and so have samples with one ancestor."""
    owner = [at for at, (samples, _) in enumerate(groups) for _ in range(samples)]
    total = S.Zero
    for partition in _partitions(len(owner)):
        joined = list(range(len(groups)))
        for block in partition:
            ends = {joined[owner[each]] for each in block}
            joined = [min(ends) if each in ends else each for each in joined]
        drawn = dict.fromkeys(joined, 0)  # ancestors whose tokens must be the same
        for at, (_, old) in enumerate(groups):
            drawn[joined[at]] += old
        for block in partition:
            drawn[joined[owner[block[0]]]] += 1
        total += chance_of(partition) * Mul(*(POWER_SUMS[each] for each in drawn.values()))
    return total


def _partitions(lines: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    if lines == 0:
        yield ()
        return
    for each in multiset_partitions(list(range(lines))):
        yield tuple(tuple(block) for block in each)


MOVED: Polynomial = ((1, ((0, 2),)), (1, ((2, 0),)), (-2, ((1, 1),)))  # sum (y - x)^2


@cache
def distance() -> Expr:
    """E of the squared distance that frequencies move in m generations."""
    return factor(moment(MOVED))


@cache
def distance_variance() -> Expr:
    """Its variance."""
    return expand(moment(times(MOVED, MOVED)) - distance() ** 2)
