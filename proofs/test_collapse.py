"""Total collapse: the two-allele chain against the whole chain of all tokens, and how near the bounds come."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.proofs.enumeration import TOKENS, TRIALS

FAMILIES = {
    "categorical": (theory.Categorical([1 / 2, 1 / 3, 1 / 6]), TOKENS),
    "binomial": (theory.Binomial(3, 1 / 3), TRIALS),
}
WORKFLOWS = [theory.Replace(4), theory.Replace(3, real=5), theory.Replace((2, 4, 3), real=3), theory.Replace(1)]
both = pytest.mark.parametrize("name", FAMILIES)


@both
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=repr)
def test_chance_of_total_collapse(name, workflow):
    """One token has everything: thirteen digits of what enumeration of all corpora says."""
    family, alphabet = FAMILIES[name]
    last = 4 if name == "categorical" else 3
    exact = [float(each.collapsed) for each in enumeration.generations(alphabet, workflow, last)]
    found = theory.collapse_probability(family, workflow, np.arange(last + 1))
    np.testing.assert_allclose(found, [0, *exact], rtol=0, atol=1e-13)


def expected_time(alphabet: enumeration.Alphabet, first: int, size: int) -> Fraction:
    """First generation that knows one value only: one linear equation for each model of the whole chain, in fractions."""

    def draws(model, under, count):
        chances: dict[tuple[int, ...], Fraction] = {}
        mass = alphabet.mass(model, under)
        for counts, weight in enumeration.multinomial(count, mass):
            new = tuple(
                sum(c * t for c, t in zip(counts, column, strict=True))
                for column in zip(*alphabet.statistic, strict=True)
            )
            chances[new] = chances.get(new, Fraction(0)) + Fraction(weight, sum(mass) ** count)
        return chances

    def alone(model, under):
        return sum(mass > 0 for mass in alphabet.mass(model, under)) == 1

    states: dict[tuple[int, ...], dict] = {}
    under = 12
    start = draws(tuple(int(each * under) for each in alphabet.truth), under, first)
    ahead = {model: draws(model, first, size) for model in start if not alone(model, first)}
    waiting = {new for law in ahead.values() for new in law if not alone(new, size)}
    while waiting:
        model = waiting.pop()
        states[model] = draws(model, size, size)
        waiting |= {new for new in states[model] if new not in states and not alone(new, size)}
    order = list(states)
    rows = [[Fraction(row == column) - states[row].get(column, 0) for column in order] + [Fraction(1)] for row in order]
    for pivot in range(len(rows)):
        rows[pivot] = [each / rows[pivot][pivot] for each in rows[pivot]]
        for row in range(len(rows)):
            if row != pivot and rows[row][pivot]:
                rows[row] = [a - rows[row][pivot] * b for a, b in zip(rows[row], rows[pivot], strict=True)]
    time = {model: row[-1] for model, row in zip(order, rows, strict=True)}
    later = {model: 1 + sum(chance * time.get(new, 0) for new, chance in law.items()) for model, law in ahead.items()}
    return 1 + sum(chance * later.get(model, 0) for model, chance in start.items())


@both
@pytest.mark.parametrize(("first", "size"), [(3, 3), (2, 3), (4, 2), (1, 3), (3, 1)])
def test_expected_time_to_total_collapse(name, first, size):
    """The exact expectation, by elimination over all models in fractions."""
    family, alphabet = FAMILIES[name]
    exact = float(expected_time(alphabet, first, size))
    assert theory.collapse_time(family, theory.Replace(size, real=first)) == pytest.approx(exact, rel=1e-13)


def test_time_of_a_known_corpus():
    """Averaged over the corpora that the truth gives, the times of known corpora are the time of the truth."""
    truth, workflow = [Fraction(1, 3), Fraction(2, 3)], theory.Replace(3, real=2)
    times = {
        ones: theory.collapse_time(theory.Categorical.from_counts([2 - ones, ones]), workflow) for ones in (0, 1, 2)
    }
    mean = times[0] / 9 + times[1] * 4 / 9 + times[2] * 4 / 9
    assert mean == pytest.approx(theory.collapse_time(theory.Categorical([float(each) for each in truth]), workflow))
    assert times[0] == times[2] == 1.0


probabilities = st.lists(st.integers(1, 20), min_size=2, max_size=6).map(
    lambda parts: [each / sum(parts) for each in parts]
)


@given(probabilities, st.integers(2, 60), st.integers(2, 60))
@settings(max_examples=80)
def test_upper_bound_bounds(shares, first, size):
    """The bound of order n log n holds for any tokens and sizes, the first size too."""
    family, workflow = theory.Categorical(shares), theory.Replace(size, real=first)
    exact = theory.collapse_time(family, workflow)
    assert exact <= theory.collapse_time_upper_bound(family, workflow)


def test_upper_bound_is_nearly_attained_by_small_sizes_only():
    """A fair coin: within a factor 2.1 at two samples, 4.5 at ten, 8 at a hundred."""
    coin = theory.Categorical([0.5, 0.5])
    ratios = [
        theory.collapse_time_upper_bound(coin, theory.Replace(size)) / theory.collapse_time(coin, theory.Replace(size))
        for size in (2, 10, 100)
    ]
    assert 1 <= ratios[0] < 2.1 and ratios[1] < 4.5 and ratios[2] < 8


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.1] * 10, [0.4, 0.25, 0.15, 0.1, 0.06, 0.04]], ids=len)
def test_diffusion_is_a_few_generations_high(shares):
    """Between 0 and 4 generations above the exact time, for up to 400 samples, and less than 1 + ln n: O(log n)."""
    family = theory.Categorical(shares)
    for size in (2, 3, 8, 20, 40, 100, 400):
        workflow = theory.Replace(size)
        off = theory.collapse_time_limit(family, workflow) - theory.collapse_time(family, workflow)
        assert 0 < off < min(4, 1 + math.log(size))


def test_expected_time_goes_smoothly_from_the_chain_to_diffusion():
    """499 and 501 samples, also after a fit on few real samples, of one dominant token, and of a corpus: a few generations."""
    cases = [([0.5, 0.5], 10), ([0.999, 0.001], 10), ([0.9, 0.05, 0.05], 400), ([0.999, 0.001], 10**6), ([0.5, 0.5], 1)]
    for shares, real in cases:
        exact, close = (
            theory.collapse_time(theory.Categorical(shares), theory.Replace(size, real=real)) for size in (499, 501)
        )
        assert -0.1 < close - exact < 8
        assert close >= 1
    corpus = theory.Categorical.from_counts([300, 150, 30, 20])
    exact, close = (theory.collapse_time(corpus, theory.Replace(size, real=500)) for size in (500, 501))
    assert 0 < close - exact < 8
    assert theory.collapse_time(theory.Categorical([1.0, 0.0]), theory.Replace(10**6, real=10)) == 1
    assert theory.collapse_time(theory.Categorical([0.5, 0.5]), theory.Replace(10**9, real=1)) == 1


def test_no_limit_where_the_spread_of_the_pool_does_not_settle():
    """1 + v2 = train is the boundary: the error of Poisson models of one point grows without bound."""
    workflow = theory.AccumulateSubsample(5, 5, 1)
    assert theory.gain_limit(theory.Poisson(1.0), workflow) == np.inf
    early, late = theory.gain(theory.Poisson(1.0), workflow, [1000, 4000])
    later = theory.gain(theory.Poisson(1.0), workflow, 16000)
    assert later - late == pytest.approx(late - early, rel=0.02)  # like the logarithm
