"""Extinction times: by every generation's exact loss, and the clock of the branching against plain iteration."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.theory.branching import START, abel, generations_until, lineage
from modelcollapse.theory.extinction import _at_least


def test_lineages_are_those_of_plain_iteration():
    """sigma' = 1 - exp(-sigma) in thirty digits, across the place where the series takes over."""
    with mpmath.workdps(30):
        chance, wanted = mpmath.mpf(1), {1, 2, START - 1, START, START + 1, START + 2, 1000, 30_000}
        for generation in range(1, max(wanted) + 1):
            chance = -mpmath.expm1(-chance)
            if generation in wanted:
                assert abs(lineage(generation) / chance - 1) < 1e-14, generation


@given(st.one_of(st.integers(0, 200), st.integers(10**3, 10**12)))
@settings(max_examples=60)
def test_generations_until_is_the_inverse(generations):
    """The chance of a generation is reached in it, and a little less one later."""
    chance = lineage(generations)
    assert generations_until(chance) == generations
    if generations < 10**4:
        assert generations_until(chance * (1 - 1e-9)) == generations + 1


def test_the_series_begins_as_said():
    """2 u - ln(u)/3 + 1/(36 u) + 1/(540 u^2), and its terms fall off where it is used."""
    leading, logarithm, falling = abel()
    assert (leading, logarithm) == (2, -mpmath.mpf(1) / 3) or (float(leading), float(logarithm)) == (2.0, -1 / 3)
    assert [str(each) for each in falling[:2]] == ["1/36", "1/540"]
    assert abs(float(falling[-1])) * (START / 2) ** -len(falling) < 1e-18


@pytest.mark.parametrize(
    "workflow", [theory.Replace(12), theory.Replace(30, real=10), theory.Replace(7, real=40)], ids=repr
)
@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.93])
def test_times_are_those_of_the_exact_losses(workflow, quantile):
    """The first generation whose loss is enough, for every count and for some probabilities."""
    real = int(workflow.real)
    corpora = [theory.Categorical.from_counts([each, real - each]) for each in range(1, real // 2 + 1)]
    for family in (*corpora, theory.Categorical([0.01, 0.29, 0.7])):
        enough = theory.loss_probability(family, workflow, np.arange(1, 400)) >= quantile
        enough &= quantile < 1 - np.asarray(family.p) - 1e-9  # else it is only neared
        first = np.where(enough.any(axis=0), enough.argmax(axis=0) + 1, np.inf)
        np.testing.assert_array_equal(theory.extinction_time(family, workflow, quantile), first)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_beyond_the_chain_times_are_no_later_than_the_truth(quantile):
    """At 400 samples, where both answer: never later, and the same or one earlier for what is seen up to three times."""
    workflow, counts = theory.Replace(400), np.array([1, 2, 3, 20, 100])
    exact = np.array(
        [theory.extinction_time(theory.Categorical.from_counts([c, 400 - c]), workflow, quantile)[0] for c in counts]
    )
    ends = quantile < 1 - counts / 400
    bound = _at_least(counts[ends], counts[ends] / 400, True, workflow, quantile)
    assert np.all(bound <= exact[ends]) and np.all(np.isinf(exact[~ends]))
    assert np.all(exact[:3] - bound[:3] <= 1 + 0.02 * exact[:3])


@pytest.mark.parametrize("workflow", [theory.Replace(900, real=700), theory.Replace(600, real=2000)], ids=repr)
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_beyond_the_chain_times_are_the_first_at_which_the_bound_of_the_loss_is_enough(workflow, quantile):
    """Sets of other sizes than the first, of counts and of probabilities; of the most likely the second moment says more."""
    real, most = int(workflow.real), 0.9 * (1 - quantile)  # lost with a chance not far above the quantile, in the end
    counts = [1, 2, 5, real // 25, round(most * real)]
    corpus = theory.Categorical.from_counts([*counts, real - sum(counts)])
    for family in (corpus, theory.Categorical([0.0005, 0.002, 0.02, 0.04, most, 0.9375 - most])):
        times = theory.extinction_time(family, workflow, quantile)
        np.testing.assert_array_equal(np.isinf(times), quantile >= 1 - np.asarray(family.p))
        for place in np.flatnonzero(np.isfinite(times)):
            time = int(times[place])
            assert theory.loss_probability(family, workflow, time)[place] >= quantile * (1 - 1e-9)
            if time > 1:
                assert theory.loss_probability(family, workflow, time - 1)[place] < quantile


@pytest.mark.parametrize("count", [10**3, 10**6])
def test_the_median_is_linear_in_the_count(count):
    """2 C/ln 2 for a token seen often and still few among n, but for a logarithm."""
    corpus = theory.Categorical.from_counts([count, 10**12 - count])
    time = theory.extinction_time(corpus, theory.Replace(10**12))[0]
    assert abs(time - 2 * count / math.log(2)) < math.log(count)


def test_singletons_go_first():
    """In one generation (1-1/n)^n of them are gone, more than a third, and 1/n of the diversity."""
    size = 200
    corpus, workflow = theory.Categorical.from_counts([1] * 20 + [180]), theory.Replace(size)
    lost = theory.loss_probability(corpus, workflow, 2)[:20]
    np.testing.assert_allclose(lost, (1 - 1 / size) ** size, rtol=1e-12)
    family = theory.Categorical(corpus.p)
    fall = theory.diversity(family, workflow, 2) / theory.diversity(family, workflow, 1)
    assert fall == pytest.approx(1 - 1 / size, rel=1e-13)


def test_bad_input_is_refused():
    corpus = theory.Categorical.from_counts([3, 7])
    for quantile in (0, 1, 1.5, math.nan):
        with pytest.raises(theory.InputError, match="quantile"):
            theory.extinction_time(corpus, theory.Replace(10), quantile)
    with pytest.raises(theory.InputError, match="Replace"):
        theory.extinction_time(corpus, theory.Accumulate(10, 5))
    with pytest.raises(theory.InputError, match="real"):
        theory.extinction_time(corpus, theory.Replace(11))
