"""The enumerator itself, against every single sequence of draws written out one by one."""

from collections import defaultdict
from fractions import Fraction
from itertools import combinations, product

import pytest

from modelcollapse import theory
from modelcollapse.proofs import enumeration

THIRDS = (Fraction(1, 3), Fraction(2, 3))


def sequences(share, size):
    """Every sequence of ``size`` draws of token 0 or 1, with its chance."""
    for drawn in product((0, 1), repeat=size):
        ones = sum(drawn)
        yield drawn, share ** (size - ones) * (1 - share) ** ones


def error_and_collapse(law):
    """What `Generation` reports, from the chances of each share of token 0."""
    assert sum(law.values()) == 1
    error = sum(2 * chance * (share - THIRDS[0]) ** 2 for share, chance in law.items())
    return error, sum(chance for share, chance in law.items() if share in (0, 1))


def accumulated_and_subsampled(replacement):
    """The second model of AccumulateSubsample(real=3, synthetic=2, train=2), draw by draw, subsample by subsample."""
    law = defaultdict(Fraction)
    for real, first in sequences(THIRDS[0], 3):
        for kept, chosen in subsamples(real, replacement):
            share = Fraction(2 - sum(kept), 2)
            for new, second in sequences(share, 2):
                for again, last in subsamples((*real, *new), replacement):
                    law[Fraction(2 - sum(again), 2)] += first * chosen * second * last
    return law


def subsamples(points, replacement):
    """Every pair of points, by position, with its chance."""
    pairs = list(product(points, repeat=2) if replacement else combinations(points, 2))
    return [(pair, Fraction(1, len(pairs))) for pair in pairs]


def kept_real():
    """The third model of FixedReal(real=2, synthetic=2)."""
    law = defaultdict(Fraction)
    for real, first in sequences(THIRDS[0], 2):
        start = Fraction(2 - sum(real), 2)
        for one, second in sequences(start, 2):
            middle = (start + Fraction(2 - sum(one), 2)) / 2
            for two, third in sequences(middle, 2):
                law[(start + Fraction(2 - sum(two), 2)) / 2] += first * second * third
    return law


@pytest.mark.parametrize(
    ("workflow", "last", "law"),
    [
        pytest.param(theory.FixedReal(2, 2), 3, kept_real, id="fixed real"),
        *(
            pytest.param(
                theory.AccumulateSubsample(3, 2, 2, replacement=replacement),
                2,
                lambda replacement=replacement: accumulated_and_subsampled(replacement),
                id=f"accumulate-subsample, replacement={replacement}",
            )
            for replacement in (False, True)
        ),
    ],
)
def test_counts_weigh_as_much_as_the_sequences_that_have_them(workflow, last, law):
    """Multinomial and hypergeometric weights, against the plain chances of ordered draws."""
    found = enumeration.generations(enumeration.categorical(THIRDS), workflow, last)[-1]
    error, collapsed = error_and_collapse(law())
    assert (found.error, found.collapsed) == (error, collapsed)


def test_two_tokens_are_one_success_or_none():
    """Binomial with one trial is the categorical law of two tokens, whose squared distance counts both."""
    workflow = theory.AccumulateSubsample(4, 3, 2)
    tokens = enumeration.generations(enumeration.categorical(THIRDS), workflow, 3)
    trials = enumeration.generations(enumeration.binomial(1, THIRDS[1]), workflow, 3)
    for token, trial in zip(tokens, trials, strict=True):
        assert (token.error, token.spread) == (2 * trial.error, 2 * trial.spread)
        assert (token.collapsed, token.alive, token.lost) == (trial.collapsed, trial.alive, trial.lost)


def test_every_model_is_right_on_average():
    """E theta_m = theta, exactly, also with weights, mixtures and redrawn batches."""
    share = Fraction(1, 4)
    schedule = theory.Schedule(
        size=[2, 3, 2],
        source=[[1, 0, 0, 0], [share, 1 - share, 0, 0], [0, 2 * share, 2 * share, 0]],
        weight=[[1, 0, 0], [share, 1 - share, 0], [0, share, 1 - share]],
    )
    for family in (
        enumeration.categorical([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]),
        enumeration.binomial(3, share),
    ):
        assert all(each.mean == family.truth for each in enumeration.generations(family, schedule, 3))


def test_known_counts_take_the_place_of_drawn_ones():
    """Averaged over the counts of the first batch, the conditional laws give the unconditional one."""
    family, workflow = enumeration.categorical(THIRDS), theory.Accumulate(2, 2)
    chances = {(2, 0): Fraction(1, 9), (1, 1): Fraction(4, 9), (0, 2): Fraction(4, 9)}
    parts = [
        chance * enumeration.generations(family, workflow, 3, given={0: counts})[-1].error
        for counts, chance in chances.items()
    ]
    assert sum(parts) == enumeration.generations(family, workflow, 3)[-1].error


def test_rounded_weights_are_refused():
    """Nothing may be rounded here."""
    with pytest.raises(TypeError, match="rounded"):
        enumeration.generations(enumeration.categorical(THIRDS), theory.FreshReal(2, 2, weight=0.3), 2)
