"""Lineages: the chance that samples of a late model are all one token, against every sample that can be drawn."""

from __future__ import annotations

import itertools
from fractions import Fraction

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.simulate import alike
from modelcollapse.theory.coalescent import COALESCENT, meeting
from modelcollapse.theory.symbols import G0, G3, m, n

P = (Fraction(1, 2), Fraction(3, 8), Fraction(1, 8))  # floats have these exactly
TOKENS = theory.Categorical([float(each) for each in P])
WORKFLOWS = {
    "replace": theory.Replace(2, real=3),
    "growing": theory.Replace((2, 3, 1), real=2),
    "fixed": theory.FixedReal(2, 3),
    "fresh": theory.FreshReal(2, 3),
    "accumulate": theory.Accumulate(3, 2),
}


def drawn(law, size) -> dict:
    """Counts of ``size`` samples, each with its chance."""
    found: dict = {}
    for sample in itertools.product(range(len(law)), repeat=size):
        counts = tuple(sample.count(token) for token in range(len(law)))
        chance = Fraction(1)
        for token in sample:
            chance *= law[token]
        found[counts] = found.get(counts, 0) + chance
    return {counts: chance for counts, chance in found.items() if chance}


def enumerated(w, generations, samples) -> list[Fraction]:
    """The power sum of models 1, 2, ... by every set of samples, real ones and those of models."""

    def added(*parts):
        return tuple(map(sum, zip(*parts, strict=True)))

    states = {(counts, counts): chance for counts, chance in drawn(P, w.real).items()}  # (training set, first real set)
    found = []
    for generation in range(generations):
        found.append(
            sum(
                chance * sum(Fraction(each, sum(data)) ** samples for each in data)
                for (data, _), chance in states.items()
            )
        )
        size = w.synthetic[generation] if isinstance(w.synthetic, tuple) else w.synthetic
        after: dict = {}
        for (data, first), chance in states.items():
            model = [Fraction(each, sum(data)) for each in data]
            for own, likely in drawn(model, size).items():
                match w:
                    case theory.Replace():
                        sets = {own: Fraction(1)}
                    case theory.FixedReal():
                        sets = {added(first, own): Fraction(1)}
                    case theory.Accumulate():
                        sets = {added(data, own): Fraction(1)}
                    case theory.FreshReal():
                        sets = {added(new, own): each for new, each in drawn(P, w.real).items()}
                for training, each in sets.items():
                    state = (training, first if isinstance(w, theory.FixedReal) else None)
                    after[state] = after.get(state, 0) + chance * likely * each
        states = after
    return found


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_sample_that_can_be_drawn(name):
    """Two, three and five samples of three generations."""
    w = WORKFLOWS[name]
    for samples in (2, 3, 5):
        found = theory.power_sum(TOKENS, w, [1, 2, 3], samples)
        np.testing.assert_allclose(found, [float(each) for each in enumerated(w, 3, samples)], rtol=1e-15)


@given(
    st.sampled_from(sorted(WORKFLOWS)),
    st.integers(1, 4),
    st.lists(st.integers(1, 9), min_size=2, max_size=5).map(lambda each: np.array(each) / sum(each)),
)
@settings(max_examples=40, deadline=None)
def test_two_samples_are_the_diversity(name, generation, p):
    f, w = theory.Categorical(p), WORKFLOWS[name]
    assert theory.power_sum(f, w, generation) == pytest.approx(1 - theory.diversity(f, w, generation), rel=1e-13)
    several = [theory.power_sum(f, w, generation, samples) for samples in range(1, 7)]
    assert several[0] == 1
    assert all(more <= fewer for fewer, more in itertools.pairwise(several))


@given(st.integers(0, 6), st.integers(0, 4), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=60)
def test_where_lineages_meet(lineages, held, old, new):
    """Every way of drawing samples, counted; the chances add up to one."""
    kept = held + old
    if kept + new == 0:
        return
    if (kept + new) ** lineages > 20_000:
        lineages = 3
    found: dict = {}
    for places in itertools.product(range(kept + new), repeat=lineages):
        met = len({each for each in places if each >= kept})
        into = len(set(range(held)) | {each for each in places if each < kept})
        found[met, into] = found.get((met, into), 0) + Fraction(1, (kept + new) ** lineages)
    assert meeting(lineages, held, kept, new) == found


@pytest.mark.parametrize(("size", "late"), [(2, 30), (10**9, 10**6), (10**9, 10**9), (50, 10**6)])
def test_three_samples_to_rounding(size, late):
    """The closed form of three lineages at 60 digits."""
    (closed,) = (step.expression for step in COALESCENT.derivation if step.left == "1 - E sum p^3 = ")
    with mpmath.workdps(60):
        first, third = 1 - mpmath.mpf("0.40625"), 1 - mpmath.mpf("0.1796875")
        both, all_three = 1 - mpmath.mpf(1) / size, (1 - mpmath.mpf(1) / size) * (1 - mpmath.mpf(2) / size)
        golden = 1 - (third * all_three**late + mpmath.mpf(3) / 2 * first * (both**late - all_three**late))
        assert abs(theory.power_sum(TOKENS, theory.Replace(size), late, 3) / golden - 1) < 1e-14
    at = {n: 50, m: 7, G0: 0.59375, G3: 0.8203125}
    seen = theory.power_sum(TOKENS, theory.Replace(50), 7, 3)
    assert float(closed.subs(at)) == pytest.approx(1 - seen, rel=1e-13)


def test_rare_tokens_keep_their_digits():
    """16 samples of 10^5 tokens alike: of the order 10^-75, and right to rounding in the first model."""
    tokens, size = 10**5, 1000
    f = theory.Categorical(np.full(tokens, 1 / tokens))
    with mpmath.workdps(60):
        golden = sum(
            mpmath.mpf(float(chance)) / mpmath.mpf(tokens) ** (met - 1)
            for (met, _), chance in meeting(16, 0, 0, size).items()
        )
        assert abs(theory.power_sum(f, theory.Replace(size), 1, 16) / golden - 1) < 1e-11
    assert theory.power_sum(f, theory.FixedReal(10**9, 1), 1, 16) < 1e-70


def test_squaring_and_stepping_are_one():
    """Generations asked for together, one by one, and in any shape."""
    for name in ("replace", "fixed", "fresh", "accumulate"):
        together = theory.power_sum(TOKENS, WORKFLOWS[name], [[0, 700], [3, 20]], 4)
        apart = [theory.power_sum(TOKENS, WORKFLOWS[name], at, 4) for at in (0, 700, 3, 20)]
        np.testing.assert_allclose(together.ravel(), apart, rtol=1e-15)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda f: theory.power_sum(f, theory.Replace(5), 2, 0), "order=0"),
        (lambda f: theory.power_sum(f, theory.Replace(5), 2, 17), "order=17"),
        (lambda f: theory.power_sum(f, theory.Replace((5, 6)), 9), "synthetic"),
        (lambda f: theory.power_sum(f, theory.FixedReal(np.asarray(5.5), 6), 9), "real=5.5"),
        (lambda f: theory.power_sum(f, theory.AccumulateSubsample(5, 5), 2), "workflow"),
        (lambda f: theory.power_sum(f, theory.FreshReal(5, 5, weight=0.5), 2), "weight"),
        (lambda f: theory.power_sum(theory.Poisson(1.0), theory.Replace(5), 2), "Categorical"),
        (lambda f: theory.power_sum(f, theory.Accumulate(5, 5), 10**6), "generation"),
    ],
)
def test_what_has_no_answer_is_refused(call, named):
    with pytest.raises(theory.InputError, match=named):
        call(theory.Categorical([0.5, 0.5]))


@pytest.mark.parametrize(
    ("workflow", "size"),
    [
        (theory.Replace(3, real=2), 3),
        (theory.FixedReal(2, 3), 5),
        (theory.FreshReal(2, 3), 5),
        (theory.Accumulate(2, 3), 8),  # the third model: two real ones and three of each before
    ],
    ids=repr,
)
def test_chains_are_trained_on_as_many_as_the_workflow_says(workflow, size):
    """Sums of squares of two counts over the square of their sum, and every such number is met."""
    found = alike.power_sums(jax.random.key(6), 2000, [0.5, 0.5], workflow, 3, 2)[:, -1]
    split = {Fraction(k * k + (size - k) ** 2, size * size) for k in range(size + 1)}
    assert {Fraction(float(each)).limit_denominator(1000) for each in np.unique(np.asarray(found))} == split
