"""The safe amounts: within tolerance at the edge, beyond it one sample further, and the best weight."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import oo

from modelcollapse import theory
from modelcollapse.proofs.rational import exactly, letters
from modelcollapse.theory.errors import theorem_of
from modelcollapse.theory.symbols import m

TOKENS = theory.Categorical([0.5, 0.5])
families = st.one_of(
    st.just(TOKENS),
    st.just(theory.Poisson(1.0)),
    st.builds(lambda trials: theory.Binomial(trials, 0.5), st.integers(1, 9)),
    st.builds(lambda shape: theory.Gamma(shape, 1.0), st.integers(1, 9)),
)
tolerances = st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.3, 0.5, 0.8])
reals = st.integers(1, 500)


def limit_gain(family, workflow) -> Fraction:
    """The limit as a fraction: the affine recursion's fixed point, infinite where it does not contract."""
    one = theorem_of(family, workflow)
    expression = one.derived.limit.xreplace({m: oo}).doit()
    return workflow.real * exactly(expression, letters(workflow, Fraction(family.v2)))


def contracts(family, workflow) -> bool:
    share = Fraction(workflow.synthetic, workflow.real + workflow.synthetic)
    if getattr(workflow, "weight", None) is not None:
        share = 1 - workflow.weight
    return share**2 * (1 + Fraction(family.v2) / workflow.synthetic) < 1


@given(families, reals, tolerances, st.sampled_from(["fixed", "fresh", "weighted"]))
@settings(max_examples=120)
def test_edges_in_fractions(family, real, tolerance, kind):
    """FixedReal and FreshReal: safe at both ends of the answer, unsafe one sample outside, with no rounding at all."""
    weight = Fraction(3, 10)
    make = {
        "fixed": lambda count: theory.FixedReal(real, count),
        "fresh": lambda count: theory.FreshReal(real, count),
        "weighted": lambda count: theory.FreshReal(real, count, weight=weight),
    }[kind]
    answer = theory.max_synthetic(family, make(1), tolerance)
    most = 1 + Fraction(str(tolerance))

    def safe(count):
        return contracts(family, make(count)) and limit_gain(family, make(count)) <= most

    if answer.samples == 0:
        assert not any(safe(count) for count in (1, 2, 10, 10**6))
        return
    low = max(1, answer.at_least)
    high = 10**12 if math.isinf(answer.samples) else int(answer.samples)
    assert safe(low) and safe(high) and safe((low + high) // 2)
    assert low == 1 or not safe(low - 1)
    assert math.isinf(answer.samples) or not safe(high + 1)
    assert answer.fraction == (1.0 if math.isinf(answer.samples) else high / (real + high))


@given(families, st.integers(1, 60), tolerances)
@settings(max_examples=25)
def test_edge_of_accumulate(family, real, tolerance):
    """Accumulate's gain falls in n: safe from the edge on, not one sample before."""
    answer = theory.max_synthetic(family, theory.Accumulate(real, 1), tolerance)
    assume(answer.samples != 0)
    edge = max(1, answer.at_least)
    assert theory.gain_limit(family, theory.Accumulate(real, edge)) <= 1 + tolerance
    assert edge == 1 or theory.gain_limit(family, theory.Accumulate(real, edge - 1)) > 1 + tolerance
    assert theory.gain_limit(family, theory.Accumulate(real, 10 * edge)) <= 1 + tolerance


@pytest.mark.parametrize(("real", "train", "tolerance"), [(5, 5, 2.5), (30, 30, 2.0), (30, 7, 7.0), (30, 30, 0.5)])
@pytest.mark.parametrize("replacement", [False, True])
def test_edge_of_accumulate_subsample(real, train, tolerance, replacement):
    """The answer of the search is the set of all safe amounts up to sixty."""

    def make(count):
        return theory.AccumulateSubsample(real, count, train, replacement=replacement)

    answer = theory.max_synthetic(TOKENS, make(1), tolerance)
    for count in range(1, 60):
        claimed = answer.samples > 0 and answer.at_least <= count <= answer.samples
        assert (theory.gain_limit(TOKENS, make(count)) <= 1 + tolerance) == claimed


def test_replace_is_never_safe_where_the_error_can_exceed_the_tolerance():
    """The limit of the gain is -N/v2, above 1 + tolerance for every n alike."""
    assert theory.max_synthetic(TOKENS, theory.Replace(10), 0.5).samples == 0
    assert theory.gain_limit(TOKENS, theory.Replace(10**6, real=10)) == 10


def test_replace_is_safe_where_the_error_cannot_exceed_the_tolerance():
    """One real sample (or a tolerance above N - 1): the real-only error is already all there can be."""
    assert theory.gain_limit(TOKENS, theory.Replace(5, real=1)) == 1
    assert theory.max_synthetic(TOKENS, theory.Replace(5, real=1), 0.1).samples > 0


@given(families, st.integers(1, 10**6), st.integers(1, 10**6))
@settings(max_examples=60)
def test_best_weight(family, real, synthetic):
    """No weight beside it does better, its error is w* v/N, and the limit at it says the same."""
    assume(family.v2 < real)
    best = theory.optimal_weight(family, theory.FreshReal(real, synthetic))
    exact = Fraction(float(best.weight))

    def settled(weight):
        return limit_gain(family, theory.FreshReal(real, synthetic, weight=weight))

    least = settled(exact)
    assert float(least) == pytest.approx(best.weight, rel=1e-12)
    assert best.error == pytest.approx(best.weight * family.v / real, rel=1e-14)
    for off in (Fraction(-1, 1000), Fraction(1, 1000)):
        beside = exact * (1 + off)
        if 0 < beside <= 1:
            assert settled(beside) > least


def test_golden_ratio():
    """v2 = 0 and N = n: the reciprocal of the golden ratio at every size."""
    for size in (1, 50, 10**9):
        best = theory.optimal_weight(theory.Poisson(1.0), theory.FreshReal(size, size))
        assert best.weight == pytest.approx((math.sqrt(5) - 1) / 2, rel=1e-15)


@pytest.mark.parametrize("real", [5 * 10**14, 6 * 10**14, 10**15, 2**53])
@pytest.mark.parametrize("tolerance", [0.1, 1e-6])
def test_the_least_amount_of_accumulate_is_found_beyond_the_largest_workflow(real, tolerance):
    """Of many samples the gain less 1 is x psi'(1 + x), x = N/n, whatever the family: it falls to 0, so that an edge exists."""
    answer = theory.max_synthetic(TOKENS, theory.Accumulate(real, 1), tolerance)
    share = mpmath.mpf(real) / answer.at_least
    assert share * mpmath.psi(1, 1 + share) == pytest.approx(tolerance, rel=1e-13)
    assert math.isinf(answer.samples)
