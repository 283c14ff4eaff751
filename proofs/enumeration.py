r"""The independent witness: every batch that can be drawn, with its exact probability.

A `Schedule` of `modelcollapse.theory` is read, and nothing else of theory: no formula, no variance function. A
family is a finite alphabet; each value x has a statistic t(x) and, under a model :math:`\theta = E\,t(x)`, a
probability that is a polynomial in :math:`\theta` with rational coefficients. A batch is the vector of how often each
value was drawn, a multinomial; a subsample of a pool is a multivariate hypergeometric, or with replacement a
multinomial. All probabilities of a generation are whole numbers over one denominator, so nothing is ever rounded.

Between generations a state keeps only what later generations still need: batches that all of them will weigh alike are
added up, and states that have become equal are merged.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import accumulate
from typing import Any

Counts = tuple[int, ...]
Model = tuple[int, ...]  # numerators of theta over the denominator of its generation


@dataclass(frozen=True)
class Alphabet:
    """A family with finitely many values: ``statistic`` of each value, and ``mass`` of each under a model.

    ``mass(numerators, denominator)``: whole numbers proportional to the probabilities; their sum is the denominator of
    the probabilities, ``total(denominator)``.
    """

    statistic: tuple[tuple[int, ...], ...]
    truth: tuple[Fraction, ...]
    mass: Callable[[Model, int], tuple[int, ...]]
    total: Callable[[int], int]

    def spread(self, model: Model, denominator: int) -> Fraction:
        """Variance of one draw of a model, summed over coordinates, from the probabilities themselves."""
        theta = [Fraction(each, denominator) for each in model]
        return sum(
            (
                Fraction(mass, self.total(denominator)) * sum((t - mean) ** 2 for t, mean in zip(x, theta, strict=True))
                for mass, x in zip(self.mass(model, denominator), self.statistic, strict=True)
            ),
            Fraction(0),
        )

    @property
    def variance(self) -> Fraction:
        """v(theta): the spread of one draw of the truth."""
        under = math.lcm(*(each.denominator for each in self.truth))
        return self.spread(tuple(int(each * under) for each in self.truth), under)


def categorical(probabilities: Sequence[Any]) -> Alphabet:
    """Tokens; the statistic is the indicator of the token."""
    size = len(probabilities)
    one_hot = tuple(tuple(int(i == j) for j in range(size)) for i in range(size))
    return Alphabet(
        one_hot, tuple(map(Fraction, probabilities)), lambda model, _: model, lambda denominator: denominator
    )


def binomial(trials: int, chance: Any) -> Alphabet:
    """0, 1, ..., ``trials`` successes; the statistic is their number."""

    def mass(model: Model, denominator: int) -> tuple[int, ...]:
        (mean,) = model  # theta = mean / denominator, so that the chance is mean / (denominator * trials)
        fail = denominator * trials - mean
        return tuple(math.comb(trials, x) * mean**x * fail ** (trials - x) for x in range(trials + 1))

    return Alphabet(
        tuple((x,) for x in range(trials + 1)),
        (trials * Fraction(chance),),
        mass,
        lambda denominator: (denominator * trials) ** trials,
    )


TOKENS = categorical([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)])  # v2 = -1
TRIALS = binomial(3, Fraction(1, 3))  # v2 = -1/3


@dataclass(frozen=True)
class Generation:
    """What is known exactly about one generation.

    ``error`` and ``spread``: expected squared distance from the truth and expected variance of a draw. ``collapsed``:
    chance that one value only can still be drawn. ``alive``: expected number of values that can be drawn; ``lost``
    (A,): the chance of each that it cannot. ``mean`` (D,): expected model. ``states``: how many were told apart.
    """

    error: Fraction
    spread: Fraction
    collapsed: Fraction
    alive: Fraction
    lost: tuple[Fraction, ...]
    mean: tuple[Fraction, ...]
    states: int


@dataclass
class Chain:
    """The law of everything still needed: ``weights`` of (batch groups, models) over ``denominator``.

    ``groups``: which batches each vector of counts adds up. ``models``: the generations kept, with their denominators.
    """

    groups: list[list[int]] = field(default_factory=list)
    models: dict[int, int] = field(default_factory=dict)
    weights: dict[tuple[tuple[Counts, ...], tuple[Model, ...]], int] = field(default_factory=dict)
    denominator: int = 1


def generations(family: Alphabet, workflow: Any, last: int, given: dict[int, Counts] | None = None) -> list[Generation]:
    """Generations 1, ..., ``last`` of a workflow. ``given``: counts of batches that are known rather than drawn."""
    return [
        _read(family, chain, when) for when, chain in _run(family, workflow.schedule(last), given or {}, keep=False)
    ]


def joint(family: Alphabet, workflow: Any, last: int) -> dict[tuple[tuple[Fraction, ...], ...], Fraction]:
    """The chance of each sequence of models 1, ..., ``last``, by keeping all of them to the end."""
    *_, (_, chain) = _run(family, workflow.schedule(last), {}, keep=True)
    law: dict[Any, Fraction] = defaultdict(Fraction)
    for (_, models), weight in chain.weights.items():
        path = [
            tuple(Fraction(each, under) for each in model)
            for model, under in zip(models, chain.models.values(), strict=True)
        ]
        law[tuple(path[1:])] += Fraction(weight, chain.denominator)
    return law


def covariance(family: Alphabet, workflow: Any, last: int) -> list[list[Fraction]]:
    """(last, last): expected inner product of the deviations of two generations from the truth."""
    table = [[Fraction(0)] * last for _ in range(last)]
    for path, chance in joint(family, workflow, last).items():
        off = [[each - truth for each, truth in zip(model, family.truth, strict=True)] for model in path]
        for row in range(last):
            for column in range(last):
                table[row][column] += chance * sum(a * b for a, b in zip(off[row], off[column], strict=True))
    return table


def _run(family: Alphabet, schedule: Any, given: dict[int, Counts], keep: bool) -> Iterator[tuple[int, Chain]]:
    """The chain after each generation, before what is no longer needed is dropped."""
    sizes = [_whole(each) for each in schedule.size]
    weights = [[_exact(each) for each in row] for row in schedule.weight]
    source = [[_exact(each) for each in row] for row in schedule.source]
    last = len(weights)
    # drawn when first used: given its models a batch is independent of everything else
    first = [
        next((when for when in range(1, last + 1) if weights[when - 1][batch]), None) for batch in range(len(sizes))
    ]
    under = math.lcm(*(each.denominator for each in family.truth))
    truth = tuple(int(each * under) for each in family.truth)
    chain = Chain(models={0: under}, weights={((), (truth,)): 1})
    for when in range(1, last + 1):
        for batch in (each for each, use in enumerate(first) if use == when):
            chain = (
                _given(chain, batch, given[batch])
                if batch in given
                else _draw(family, chain, batch, sizes[batch], source[batch])
            )
            chain = _merged(chain, _alike(chain, sizes, weights, when), dict(chain.models))
        chain = _fit(
            family,
            chain,
            when,
            sizes,
            weights[when - 1],
            None if schedule.train is None else _whole(schedule.train[when - 1]),
            schedule.replacement,
        )
        yield when, chain
        sources = {
            k
            for batch, use in enumerate(first)
            if use is not None and use > when
            for k, share in enumerate(source[batch])
            if share
        }
        chain = _merged(
            chain,
            _alike(chain, sizes, weights, when + 1),
            {k: under for k, under in chain.models.items() if keep or k in sources},
        )


def _alike(chain: Chain, sizes: list[int], weights: list[list[Fraction]], when: int) -> list[list[int]]:
    """The groups, joined where every generation from ``when`` on weighs their samples alike; the useless left out."""
    joined: dict[tuple[Fraction, ...], list[int]] = {}
    for group in chain.groups:
        later = tuple(row[group[0]] / sizes[group[0]] for row in weights[when - 1 :])
        if any(later):
            joined.setdefault(later, []).extend(group)
    return list(joined.values())


def _merged(chain: Chain, groups: list[list[int]], models: dict[int, int]) -> Chain:
    """The chain with counts added up within new groups, other models forgotten, and equal states made one."""
    parts = [[place for place, old in enumerate(chain.groups) if old[0] in group] for group in groups]
    kept = [place for place, when in enumerate(chain.models) if when in models]
    if len(groups) == len(chain.groups) and len(kept) == len(chain.models):
        return chain
    weights: dict[Any, int] = defaultdict(int)
    for (counts, fitted), weight in chain.weights.items():
        new = tuple(
            counts[part[0]] if len(part) == 1 else tuple(map(sum, zip(*(counts[place] for place in part), strict=True)))
            for part in parts
        )
        weights[new, tuple(fitted[place] for place in kept)] += weight
    shared = math.gcd(chain.denominator, *weights.values())
    return Chain(
        groups, models, {state: weight // shared for state, weight in weights.items()}, chain.denominator // shared
    )


def _given(chain: Chain, batch: int, counts: Counts) -> Chain:
    return Chain(
        [*chain.groups, [batch]],
        chain.models,
        {((*old, tuple(counts)), models): weight for (old, models), weight in chain.weights.items()},
        chain.denominator,
    )


def _draw(family: Alphabet, chain: Chain, batch: int, size: int, mixture: list[Fraction]) -> Chain:
    """Every state times every batch that its mixture of models can give."""
    drawn_from = [
        (place, under, mixture[when]) for place, (when, under) in enumerate(chain.models.items()) if mixture[when]
    ]
    common = math.lcm(*(family.total(under) * share.denominator for _, under, share in drawn_from))
    scale = [int(share * common / family.total(under)) for _, under, share in drawn_from]
    weights: dict[Any, int] = defaultdict(int)
    rows: dict[Any, list[tuple[Counts, int]]] = {}
    for (counts, models), weight in chain.weights.items():
        key = tuple(models[place] for place, _, _ in drawn_from)
        if key not in rows:
            mass = [
                sum(times * each for times, each in zip(scale, column, strict=True))
                for column in zip(*(family.mass(models[place], under) for place, under, _ in drawn_from), strict=True)
            ]
            rows[key] = multinomial(size, tuple(mass))
        for new, chance in rows[key]:
            weights[(*counts, new), models] += weight * chance
    return Chain([*chain.groups, [batch]], chain.models, dict(weights), chain.denominator * common**size)


def _fit(
    family: Alphabet,
    chain: Chain,
    when: int,
    sizes: list[int],
    row: list[Fraction],
    train: int | None,
    replacement: bool,
) -> Chain:
    """Model ``when`` of every state: the weighted mean of its batches, or of every subsample of them."""
    used = [place for place, group in enumerate(chain.groups) if row[group[0]]]
    share = [row[chain.groups[place][0]] / sizes[chain.groups[place][0]] for place in used]
    under = math.lcm(*(each.denominator for each in share)) if train is None else train
    scale = [int(each * under) for each in share]
    pool = sum(sizes[batch] for place in used for batch in chain.groups[place])
    weights: dict[Any, int] = defaultdict(int)
    denominator = 1 if train is None else pool**train if replacement else math.comb(pool, train)
    for (counts, models), weight in chain.weights.items():
        if train is None:
            points = tuple(
                sum(times * counts[place][x] for times, place in zip(scale, used, strict=True))
                for x in range(len(family.statistic))
            )
            chosen = [(points, 1)]
        else:
            points = tuple(map(sum, zip(*(counts[place] for place in used), strict=True)))
            chosen = multinomial(train, points) if replacement else hypergeometric(train, points)
        for subsample, chance in chosen:
            model = tuple(
                sum(count * t for count, t in zip(subsample, column, strict=True))
                for column in zip(*family.statistic, strict=True)
            )
            weights[counts, (*models, model)] += weight * chance
    return Chain(chain.groups, {**chain.models, when: under}, dict(weights), chain.denominator * denominator)


def _read(family: Alphabet, chain: Chain, when: int) -> Generation:
    """The expectations of model ``when``, the last one fitted."""
    law: dict[Model, int] = defaultdict(int)
    for (_, models), weight in chain.weights.items():
        law[models[-1]] += weight
    assert sum(law.values()) == chain.denominator, "probabilities sum to one"
    under = chain.models[when]
    values = range(len(family.statistic))
    error = spread = Fraction(0)
    collapsed = alive = 0
    lost, mean = [0] * len(values), [0] * len(family.truth)
    for model, weight in law.items():
        chance = Fraction(weight, chain.denominator)
        error += chance * sum(
            (Fraction(each, under) - truth) ** 2 for each, truth in zip(model, family.truth, strict=True)
        )
        spread += chance * family.spread(model, under)
        can = [mass > 0 for mass in family.mass(model, under)]
        collapsed += weight * (sum(can) == 1)
        alive += weight * sum(can)
        lost = [before + weight * (not possible) for before, possible in zip(lost, can, strict=True)]
        mean = [before + weight * each for before, each in zip(mean, model, strict=True)]
    over = chain.denominator
    return Generation(
        error,
        spread,
        Fraction(collapsed, over),
        Fraction(alive, over),
        tuple(Fraction(each, over) for each in lost),
        tuple(Fraction(each, over * under) for each in mean),
        len(chain.weights),
    )


@cache
def compositions(total: int, parts: int) -> tuple[Counts, ...]:
    """All vectors of ``parts`` whole numbers that sum to ``total``."""
    if parts == 1:
        return ((total,),)
    return tuple((first, *rest) for first in range(total + 1) for rest in compositions(total - first, parts - 1))


@cache
def _arrangements(size: int, values: int) -> tuple[tuple[Counts, int], ...]:
    """All vectors of counts, each with the number of orders in which its items can be drawn."""
    return tuple(
        (counts, math.prod(math.comb(seen, count) for seen, count in zip(accumulate(counts), counts, strict=True)))
        for counts in compositions(size, values)
    )


def multinomial(size: int, mass: Counts) -> list[tuple[Counts, int]]:
    """Counts of ``size`` draws with chances proportional to ``mass``, and their weights over ``sum(mass) ** size``."""
    powers = [list(accumulate([each] * size, lambda a, b: a * b, initial=1)) for each in mass]
    weighted = (
        (counts, orders * math.prod(power[count] for power, count in zip(powers, counts, strict=True)))
        for counts, orders in _arrangements(size, len(mass))
    )
    return [(counts, weight) for counts, weight in weighted if weight]


@cache
def hypergeometric(size: int, pool: Counts) -> list[tuple[Counts, int]]:
    """Counts of a subsample of ``size`` points of a pool, and their weights over ``comb(sum(pool), size)``."""
    weighted = (
        (counts, math.prod(math.comb(there, count) for there, count in zip(pool, counts, strict=True)))
        for counts in compositions(size, len(pool))
    )
    return [(counts, weight) for counts, weight in weighted if weight]


def _whole(value: Any) -> int:
    exact = _exact(value)
    assert exact.denominator == 1, f"{value} is not whole"
    return int(exact)


def _exact(value: Any) -> Fraction:
    if isinstance(value, float):
        raise TypeError(f"{value} is rounded: write the schedule in whole numbers and fractions")
    return Fraction(value)
