"""Coverage: what a generation knows of the truth, against enumeration, plain sums, and the corpus that knows as much."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import zeta

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.theory.symbols import beta, beta_1, k, n
from modelcollapse.theory.zipf import EXPLICIT, ZIPF, Drawn, missing_of

SHARES = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]


@pytest.mark.parametrize("workflow", [theory.Replace(4), theory.Accumulate(3, 2), theory.FreshReal(3, 2)], ids=repr)
def test_missing_is_that_of_every_chain(workflow):
    """Probability of what is lost, token by token, by enumeration: thirteen digits."""
    steps = enumeration.generations(enumeration.categorical(SHARES), workflow, 4)
    exact = [float(sum(p * lost for p, lost in zip(SHARES, each.lost, strict=True))) for each in steps]
    found = theory.missing(theory.Categorical([float(each) for each in SHARES]), workflow, np.arange(5))
    np.testing.assert_allclose(found, [0, *exact], rtol=0, atol=1e-13)


def test_the_corpus_that_knows_as_much():
    """Two in m + 1 of the items where all is replaced; the real set where it is kept; more where it is renewed."""
    at = np.array([1, 2, 100, 10**6])
    share = theory.effective_corpus(theory.Replace(10**9), at) / 10**9
    assert share[0] == 1 and share[1] == pytest.approx(-math.expm1(-1), rel=1e-14)
    np.testing.assert_allclose(share[2:] * (at[2:] + 1) / 2, 1, rtol=0.02)
    assert theory.effective_corpus(theory.FixedReal(50, 7), 9) == 50
    renewed = theory.effective_corpus(theory.FreshReal(50, 50), [1, 2, 10, 200])
    assert np.all(np.diff(renewed) > 0) and renewed[-1] < 100
    with pytest.raises(theory.InputError, match="generation 0"):
        theory.effective_corpus(theory.Replace(5), 0)


def summed(exponent, sets, last=3_000_000):
    """The missing probability rank by rank; beyond the last rank nothing is seen (an upper end)."""
    rank = np.arange(1, last + 1.0)
    unseen = np.zeros(last)
    for items, slope, cut in sets:
        total = zeta(slope) - (0 if math.isinf(cut) else zeta(slope, cut + 1))
        unseen += items * np.log1p(-np.where(rank <= cut, rank**-slope, 0) / total)
    return float((rank**-exponent * np.exp(unseen)).sum() + zeta(exponent, last + 1)) / zeta(exponent)


@pytest.mark.parametrize(
    ("exponent", "sets"),
    [
        (3.0, [(1000, 3.0, math.inf)]),
        (2.5, [(10**5, 2.5, math.inf)]),
        (2.5, [(10**5, 3.5, 50_000), (10**9, 2.5, math.inf)]),
        (1.5, [(10**5, 1.5, EXPLICIT)]),
        (1.5, [(10**5, 1.5, EXPLICIT + 1), (10, 1.5, math.inf)]),
        (4.0, [(10**4, 6.0, 10)]),
    ],
)
def test_zipf_sums_are_those_rank_by_rank(exponent, sets):
    """Cuts before, at and after the last rank that is summed one by one; twelve digits."""
    found = missing_of(exponent, [Drawn(items, 1.0, slope, cut) for items, slope, cut in sets])
    seen_beyond = sum(items * 3e6**-slope for items, slope, cut in sets if math.isinf(cut)) * 3e6 ** (1 - exponent)
    assert found == pytest.approx(summed(exponent, sets), rel=1e-12, abs=2 * seen_beyond)


def test_clean_draws_beside_a_narrowed_and_cut_tail_are_of_the_truth():
    """Two sets of two laws, rank by rank."""
    found = theory.zipf_missing(theory.Zipf(2.5), 10**5, cut=50, narrowed=3.5, clean=10**4)
    sets = [(10**5, 3.5, 50), (10**4, 2.5, math.inf)]
    beyond = 2 * 10**4 * 3e6 ** (-2.5 + 1 - 2.5)  # what `summed` leaves out behind its last rank
    assert found == pytest.approx(summed(2.5, sets), rel=1e-12, abs=beyond)


def test_of_what_is_cut_after_the_first_rank_only_that_rank_is_known():
    for exponent in (1.5, 2.0, 3.7):
        assert theory.zipf_missing(theory.Zipf(exponent), 1, cut=1) == pytest.approx(1 - 1 / zeta(exponent), rel=1e-13)


def test_infinitely_many_draws_of_which_some_are_expected_to_show():
    """exp(-a p) of each rank, rank by rank: twelve digits."""
    exponent, shown, rank = 2.5, 10**9, np.arange(1, 3_000_001.0)
    unseen = np.exp(-shown * rank**-exponent / zeta(exponent))
    expected = ((rank**-exponent * unseen).sum() + zeta(exponent, 3_000_001)) / zeta(exponent)
    beyond = 2 * shown * 3e6 ** (1 - 2 * exponent)
    found = missing_of(exponent, [Drawn(math.inf, shown, exponent)])
    assert found == pytest.approx(expected, rel=1e-12, abs=beyond)


@pytest.mark.parametrize("tail", [{}, {"cut": 10**5}, {"narrowed": 2.2}, {"cut": 10**5, "narrowed": 2.2}], ids=str)
def test_zipf_scaling_is_the_limit(tail):
    """The derived law is near for many draws and a far cut: to three digits of a million, to five of more."""
    at = {beta: 1.6, beta_1: tail.get("narrowed", 1.6), k: tail.get("cut", 10**30)}
    for size, near in ((10**6, 5e-4), (10**9, 1e-5), (10**12, 1e-5)):
        claimed = float(ZIPF.derived.expression.subs({**at, n: size}).evalf())
        assert theory.zipf_missing(theory.Zipf(1.6), size, **tail) == pytest.approx(claimed, rel=near)


def test_generations_multiply_what_zipf_s_law_misses():
    """((m+1)/2)^((s-1)/s) in the end: by the number of items that are left, for many of them."""
    family, workflow, at = theory.Zipf(1.5), theory.Replace(10**13), np.array([1, 2, 11, 51, 1001])
    grown = theory.missing(family, workflow, at) / theory.missing(family, workflow, 1)
    left = theory.effective_corpus(workflow, at) / 1e13
    np.testing.assert_allclose(grown, left ** (-1 / 3), rtol=1e-4)
    np.testing.assert_allclose(grown[1:], ((at[1:] + 1) / 2) ** (1 / 3), rtol=0.02)


def test_clean_data_helps_from_where_it_reaches_behind_the_cut():
    """Little before k^s zeta(s) clean draws, most of the missing part well after."""
    family, cut = theory.Zipf(1.5), 1000
    behind = cut**1.5 * zeta(1.5)
    floor = theory.zipf_missing(family, 10**12, cut=cut)
    left = [theory.zipf_missing(family, 10**12, cut=cut, clean=int(behind * by)) / floor for by in (0.01, 1, 100)]
    assert left[0] > 0.99 and 0.5 < left[1] < 0.9 and left[2] < 0.25


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"cut": 0}, "cut"), ({"narrowed": 1.2}, "narrowed"), ({"clean": -1}, "clean"), ({"cut": 2.5}, "cut")],
    ids=str,
)
def test_bad_input_is_refused(wrong, named):
    with pytest.raises(theory.InputError, match=named):
        theory.zipf_missing(theory.Zipf(1.5), 100, **wrong)


def test_the_truth_misses_nothing():
    assert theory.missing(theory.Zipf(1.5), theory.Replace(40), [0, 1]).tolist()[0] == 0
    assert theory.missing(theory.Categorical([0.5, 0.5]), theory.Replace(40), 0) == 0
