"""Survivors: exact where the chain or the kept real set says so, a lower bound by thinning everywhere else."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.proofs.schedules import ODD, schedules
from modelcollapse.theory import alleles
from modelcollapse.theory.thinning import real_items

HALF, QUARTER = Fraction(1, 2), Fraction(1, 4)
SHARES = [HALF, QUARTER, QUARTER]


def alive(workflow, last, shares=SHARES, given=None):
    family = enumeration.categorical(shares)
    return np.array([float(each.alive) for each in enumeration.generations(family, workflow, last, given)])


def answered(workflow, last, shares=SHARES):
    return theory.survivors(theory.Categorical([float(each) for each in shares]), workflow, np.arange(1, last + 1))


EXACT = [
    theory.Replace(4),
    theory.Replace(3, real=5),
    theory.Replace((2, 5, 3), real=4),
    theory.FixedReal(4, 3),
    theory.Accumulate(4, 3),
    theory.Accumulate(1, 5),
    theory.FreshReal(3, 4),
    theory.FreshReal(4, 2),
    theory.FreshReal(5, 1),
    theory.SlidingWindow(4, 1),
]


@pytest.mark.parametrize("workflow", EXACT, ids=repr)
def test_exact_survivors(workflow):
    """Replace and FreshReal by the chain of one count, FixedReal and Accumulate by their real set: thirteen digits."""
    np.testing.assert_allclose(answered(workflow, 4), alive(workflow, 4), rtol=0, atol=1e-13)


@pytest.mark.parametrize("workflow", EXACT, ids=repr)
def test_the_chance_of_every_token_to_be_lost(workflow):
    """Token by token, in every generation: thirteen digits; and they add up to the survivors."""
    exact = [each.lost for each in enumeration.generations(enumeration.categorical(SHARES), workflow, 4)]
    found = theory.loss_probability(theory.Categorical([0.5, 0.25, 0.25]), workflow, np.arange(5))
    np.testing.assert_allclose(found[1:], np.array(exact, float), rtol=0, atol=1e-13)
    np.testing.assert_allclose((1 - found[1:]).sum(axis=1), answered(workflow, 4), rtol=0, atol=1e-13)
    assert np.all(found[0] == 0)
    assert theory.survivors(theory.Categorical([0.5, 0.25, 0.25]), workflow, 0) == 3


@pytest.mark.parametrize("workflow", [each for each in EXACT if each.real == 4], ids=repr)
def test_survivors_of_a_known_corpus(workflow):
    """Conditional on the counts of the first real set, at whose frequencies later real sets are drawn."""
    counts = (2, 1, 1)
    found = theory.survivors(theory.Categorical.from_counts(counts), workflow, np.arange(1, 5))
    np.testing.assert_allclose(found, alive(workflow, 4, given={0: counts}), rtol=0, atol=1e-13)


def test_beyond_the_chain_losses_are_bounded_by_branching_and_by_the_second_moment():
    """Against the chain run beyond its usual size: never below it, near it for a rare token, and at last for a common one."""
    workflow, shares, at = theory.Replace(600), np.array([0.002, 0.05, 0.3, 0.648]), [2, 10, 100, 1000, 6000]
    exact = np.array([alleles.lost(shares, workflow.sizes(when)) for when in at])
    found = theory.loss_probability(theory.Categorical(shares), workflow, at)
    assert np.all(found >= exact - 1e-12)
    assert np.all(found[:, 0] < exact[:, 0] + 0.03)  # rare: copies branch as if alone
    np.testing.assert_allclose(found[-1], 1 - shares, rtol=0, atol=1e-3)


THINNED = [
    theory.FreshReal(2, 3, weight=Fraction(1, 3)),
    theory.AccumulateSubsample(4, 3, 2),
    theory.AccumulateSubsample(3, 3, 3),
    theory.AccumulateSubsample(2, 5, 1),
    theory.AccumulateSubsample(4, 3, 2, replacement=True),
    theory.AccumulateSubsample(2, 5, 1, replacement=True),
    theory.SlidingWindow(3, 2),
    theory.SlidingWindow(4, 3),
    theory.RandomPast(3),
]


@pytest.mark.parametrize("workflow", THINNED, ids=repr)
def test_thinning_is_a_lower_bound_and_near(workflow):
    """Below the enumerated number in every generation, at these tiny sizes by less than half a token."""
    gap = alive(workflow, 4) - answered(workflow, 4)
    assert np.all(gap >= -1e-13) and np.all(gap < 0.5)


@pytest.mark.parametrize("workflow", [theory.FreshReal(3, 4), theory.FreshReal(2, 5), theory.FreshReal(5, 1)], ids=repr)
def test_thinning_beside_fresh_real_data(workflow):
    """What larger sizes are answered by: below the exact number, by less than a ninth of a token."""
    thinned = [
        sum(
            1 - math.prod((1 - p * chance) ** items for items, chance in real_items(workflow, when))
            for p in (0.5, 0.25, 0.25)
        )
        for when in range(1, 5)
    ]
    gap = alive(workflow, 4) - np.array(thinned)
    assert abs(gap[0]) < 1e-13 and np.all(gap >= -1e-13) and np.all(gap < 0.11)


@given(schedules(), st.sampled_from([[HALF, HALF], [Fraction(1, 8), 1 - Fraction(1, 8)]]))
@settings(max_examples=150)
def test_thinning_of_any_schedule(schedule, shares):
    """Drawn at random, mixtures with the truth among them: never above the enumeration."""
    last = schedule.generations
    assert np.all(answered(schedule, last, shares) <= alive(schedule, last, shares) + 1e-13)


def test_thinning_of_a_batch_that_mixes_the_truth():
    """Ten draws of an even mixture of the truth and a model of one sample: 1.9437 tokens of two."""
    schedule = theory.Schedule([1, 10], [[1, 0, 0], [HALF, HALF, 0]], [[1, 0], [0, 1]])
    assert np.all(answered(schedule, 2, [HALF, HALF]) <= alive(schedule, 2, [HALF, HALF]) + 1e-13)


def test_thinning_of_fresh_real_data_alone():
    """FreshReal(weight=1) forgets everything but the newest real set."""
    workflow = theory.FreshReal(2, 3, weight=1)
    assert np.all(answered(workflow, 3) <= alive(workflow, 3) + 1e-13)


@pytest.mark.parametrize(
    "workflow",
    [
        theory.Replace(200),
        theory.Replace(501),
        theory.Replace(300, real=900),
        theory.Replace((700, 300, 900, 600), real=600),
    ],
    ids=repr,
)
def test_thinning_misses_a_fraction_of_a_token(workflow):
    """Replace, a hundred equal tokens, against the two-allele chain run beyond its usual size: less than 0.4 in total."""
    family, last = theory.Categorical(np.full(100, 0.01)), 5
    exact = np.array([100 * (1 - alleles.lost(np.array(0.01), workflow.sizes(when))) for when in range(1, last + 1)])
    plain = workflow.schedule(last)
    thinned = [
        theory.survivors(family, theory.Schedule(plain.size, plain.source, plain.weight), np.arange(1, last + 1))
    ]
    if max(workflow.sizes(last)) > alleles.LARGEST:  # then Replace itself is thinned
        thinned.append(theory.survivors(family, workflow, np.arange(1, last + 1)))
    for each in thinned:
        assert np.all(exact - each >= -1e-9) and np.all(exact - each < 0.4)


@pytest.mark.parametrize("schedule", ODD.values(), ids=ODD)
def test_odd_schedules_are_bounded(schedule):
    """Mixtures, windows, late real data, subsamples, by hand: below, by less than half a token."""
    gap = alive(schedule, schedule.generations) - answered(schedule, schedule.generations)
    assert np.all(gap >= -1e-13) and np.all(gap < 0.5)


@pytest.mark.parametrize("workflow", THINNED[:1] + THINNED[3:6] + THINNED[7:8], ids=repr)
def test_thinning_of_a_known_corpus(workflow):
    """Conditional on the counts of the first real set; later real sets are drawn at its frequencies."""
    counts = {2: (1, 1), 3: (2, 1), 4: (2, 1, 1)}[workflow.real]
    exact = alive(workflow, 4, [Fraction(each, sum(counts)) for each in counts], given={0: counts})
    found = theory.survivors(theory.Categorical.from_counts(counts), workflow, np.arange(1, 5))
    assert np.all(found <= exact + 1e-13) and np.all(found > exact - 0.6)
