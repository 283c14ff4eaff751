"""The least number of real samples that keeps a share of the diversity: enough, and one fewer is not."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational

from modelcollapse import theory
from modelcollapse.proofs.rational import exactly, letters
from modelcollapse.theory.errors import theorem_of
from modelcollapse.theory.symbols import rho, v2

FAMILIES = st.one_of(
    st.just(theory.Categorical([0.5, 0.5])), st.builds(lambda trials: theory.Binomial(trials, 0.5), st.integers(2, 9))
)
SHARES = st.sampled_from([0.01, 0.3, 0.5, 0.8, 0.9, 0.99, 0.999])
WEIGHT = Fraction(3, 10)
MAKES = {
    "fresh": theory.FreshReal,
    "weighted": lambda real, synthetic: theory.FreshReal(real, synthetic, weight=WEIGHT),
    "fixed": theory.FixedReal,
}


def kept(family, workflow) -> Fraction:
    """Diversity over that of the truth, in the limit, as a fraction."""
    settled = exactly(theorem_of(family, workflow).derived.limit.doit(), letters(workflow, Fraction(family.v2)))
    return 1 + Fraction(family.v2) * settled


@given(FAMILIES, st.one_of(st.integers(1, 400), st.just(10**9)), SHARES, st.sampled_from(sorted(MAKES)))
@settings(max_examples=120)
def test_enough_and_one_fewer_is_not(family, synthetic, share, kind):
    """In fractions, with no rounding at all; what is enough stays enough with more."""
    make, wanted = MAKES[kind], Fraction(str(share))
    real = theory.min_real(family, make(1, synthetic), share)
    if math.isinf(real):
        assert kept(family, make(10**12, synthetic)) < wanted
        return
    assert kept(family, make(real, synthetic)) >= wanted
    assert real == 1 or kept(family, make(real - 1, synthetic)) < wanted
    for more in (1, 7, real, 1000 * real):
        assert kept(family, make(real + more, synthetic)) >= wanted


def test_a_share_near_all_has_its_number():
    """Beside one synthetic sample 1/(N+1) of the diversity is lost: more than 2^53, and a number all the same."""
    family = theory.Categorical([0.5, 0.5])
    assert theory.min_real(family, theory.FreshReal(1, 1), 0.9) == 9
    assert theory.min_real(family, theory.FreshReal(1, 1), 0.9999999999999999) == 10**16 - 1


@pytest.mark.parametrize(("share", "fresh", "fixed"), [(0.5, 0.5, 2.5), (0.9, 4.5, 14.5), (0.99, 49.5, 149.5)])
def test_absolute_numbers(share, fresh, fixed):
    """rho/(2(1-rho)) of fresh real samples, (2+rho)/(2(1-rho)) of fixed ones: whatever the synthetic number."""
    family = theory.Categorical([0.5, 0.5])
    steps = {
        step.title: step.expression
        for step in theory.explain(theory.min_real, family, theory.FreshReal(1, 1)).derivation
    }
    at = {v2: -1, rho: Rational(str(share))}
    assert steps["As n grows, fresh real data"].subs(at) == Rational(str(fresh))
    assert steps["and a fixed real set"].subs(at) == Rational(str(fixed))
    assert theory.min_real(family, theory.FreshReal(1, 10**12), share) == math.ceil(fresh)
    assert theory.min_real(family, theory.FixedReal(1, 10**12), share) == math.ceil(fixed)


def test_the_diversity_that_was_asked_for_is_there():
    """By the answer that users see, after many generations."""
    family = theory.Categorical([0.4, 0.3, 0.2, 0.1])
    for make in MAKES.values():
        real = theory.min_real(family, make(1, 500), 0.95)
        assert theory.diversity(family, make(real, 500), 10**5) >= 0.95 * float(family.v)
    assert theory.min_real(theory.Gamma(2, 1.0), theory.FreshReal(1, 50), 0.9) == 1


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, math.nan])
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(theory.InputError, match="retain"):
        theory.min_real(theory.Poisson(1.0), theory.FreshReal(1, 5), share)
    with pytest.raises(theory.InputError, match="FreshReal"):
        theory.min_real(theory.Poisson(1.0), theory.Replace(5), 0.5)
