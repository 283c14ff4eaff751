"""Keeping all data in batches of any sizes: exact by the algebra, at most twice one fit on real data, near that for a trickle."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, simplify

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.theory import algebra
from modelcollapse.theory.errors import ACCUMULATE
from modelcollapse.theory.symbols import N, n

FAMILIES = {-1: theory.Categorical([0.5, 0.5]), Fraction(-1, 5): theory.Binomial(5, 0.3), 0: theory.Poisson(1.0),
            Fraction(1, 3): theory.Gamma(3, 1.0), 10: theory.Gamma(0.1, 1.0)}  # fmt: skip
SIZES = st.lists(st.one_of(st.integers(1, 5), st.integers(1, 10**4)), min_size=1, max_size=7)
CURVATURES = st.sampled_from(list(FAMILIES))


def gains(curvature, real, sizes) -> list[Fraction]:
    """By the product over batches, in fractions; at v2 = 0 the sum."""
    pool, grown, found = Fraction(real), 1 + Fraction(curvature) / real, [Fraction(1)]
    for size in sizes:
        pool += size
        share = size / pool**2
        if curvature == 0:
            found.append(found[-1] + real * share)
            continue
        grown *= 1 + curvature * share
        found.append(real * (grown - 1) / Fraction(curvature))
    return found


@given(CURVATURES, st.integers(1, 50), SIZES)
@settings(max_examples=20, deadline=None)
def test_the_product_is_what_the_algebra_says(curvature, real, sizes):
    """In fractions, with no rounding; the public function to rounding."""
    wanted = gains(curvature, real, sizes)
    found = algebra.error(theory.keep_all(real, sizes), curvature, len(sizes) + 1)
    assert [real * each for each in found] == wanted
    seen = theory.keep_all_gain(FAMILIES[curvature], real, sizes)
    np.testing.assert_allclose(seen, [float(each) for each in wanted], rtol=1e-13)


@pytest.mark.parametrize(("alphabet", "curvature"), [(enumeration.TOKENS, -1), (enumeration.TRIALS, Fraction(-1, 3))])
def test_every_sample_that_can_be_drawn(alphabet, curvature):
    found = enumeration.generations(alphabet, theory.keep_all(2, [3, 1]), 3)
    assert [2 * each.error / alphabet.variance for each in found] == gains(curvature, 2, [3, 1])


@given(CURVATURES, st.integers(1, 10**4), SIZES)
@settings(max_examples=50, deadline=None)
def test_never_above_the_bound(curvature, real, sizes):
    """In fractions at v2 <= 0; and, at v2 = 0, not below what the largest share of a batch allows."""
    last = gains(curvature, real, sizes)[-1]
    total = real + sum(sizes)
    cap = 2 - Fraction(real, total)
    bound = theory.keep_all_gain_upper_bound(FAMILIES[curvature], real, sum(sizes))
    if curvature <= 0:
        assert last <= cap < 2
        assert bound == pytest.approx(float(cap), rel=1e-14)
    else:
        assert float(last) <= bound * (1 + 1e-14) <= theory.keep_all_gain_upper_bound(FAMILIES[curvature], real)
        assert bound > float(cap)
    if curvature == 0:
        largest = max(Fraction(size, real + sum(sizes[: at + 1])) for at, size in enumerate(sizes))
        assert last >= 1 + (1 - largest) * (1 - Fraction(real, total))


def test_where_the_bound_is_approached():
    """A trickle beside many real samples within 1 in N of it; batches as large as the pool halfway; one giant batch nowhere."""
    f = theory.Poisson(1.0)
    for real in (100, 10_000):
        gap = (
            theory.keep_all_gain_upper_bound(f, real, 50 * real)
            - theory.keep_all_gain(f, real, np.ones(50 * real, int))[-1]
        )
        assert 0 < gap < 1 / real
    doubling = theory.keep_all_gain(f, 10, 10 * 2 ** np.arange(40))
    np.testing.assert_allclose(doubling, 1.5 - 0.5 ** np.arange(1, 42), rtol=1e-14)
    assert theory.keep_all_gain(f, 10, [10**12])[-1] < 1 + 1e-10
    assert theory.keep_all_gain_upper_bound(f, 10) == 2


def test_equal_batches_are_accumulate():
    for curvature, f in FAMILIES.items():
        found = theory.keep_all_gain(f, 20, [15] * 60)
        np.testing.assert_allclose(found, theory.gain(f, theory.Accumulate(20, 15), np.arange(1, 62)), rtol=1e-13)
        assert found[-1] == pytest.approx(float(gains(curvature, 20, [15] * 60)[-1]), rel=1e-13)


def test_single_samples_are_polyas_urn():
    """The chance of counts after t draws, with every order of draws enumerated; its second moment, and the limit's, exactly."""
    counts, later = (3, 2, 1), 5
    real = sum(counts)
    law = {counts: Fraction(1)}
    for drawn in range(later):
        after: dict = {}
        for state, chance in law.items():
            for token in range(3):
                moved = tuple(each + (place == token) for place, each in enumerate(state))
                after[moved] = after.get(moved, 0) + chance * Fraction(state[token], real + drawn)
        law = after

    def rising(start, times):
        return math.prod(range(start, start + times))

    for state, chance in law.items():  # Dirichlet-multinomial with the counts as its parameters
        new = [each - before for each, before in zip(state, counts, strict=True)]
        ways = math.factorial(later) // math.prod(map(math.factorial, new))
        wanted = Fraction(ways * math.prod(map(rising, counts, new)), rising(real, later))
        assert chance == wanted
    total = real + later
    collision = sum(chance * sum(Fraction(each, total) ** 2 for each in state) for state, chance in law.items())
    diversity = 1 - sum(Fraction(each, real) ** 2 for each in counts)
    kept = Fraction(real * (total + 1), (real + 1) * total)
    assert 1 - collision == diversity * kept
    # averaged over real sets: what the theorem says
    last = gains(-1, real, [1] * later)[-1]
    assert 1 - last / real == (1 - Fraction(1, real)) * kept
    limit = sum(Fraction(each * (each + 1), real * (real + 1)) for each in counts)  # of the Dirichlet law
    assert 1 - limit == diversity * Fraction(real, real + 1)
    (end,) = (step.expression for step in ACCUMULATE.derivation if "Polya" in step.title)
    assert simplify(end - 2 * N / (N + 1)) == 0
    assert theory.gain_limit(theory.Categorical([0.5, 0.5]), theory.Accumulate(real, 1)) == pytest.approx(
        12 / 7, rel=1e-14
    )


@pytest.mark.parametrize("curvature", FAMILIES)
@pytest.mark.parametrize(
    ("real", "sizes"), [(2, [2] * 9), (10**9, [1, 10**9, 7, 2**52]), (1, [10**9, 1]), (3, [1] * 2000)]
)
def test_to_rounding(curvature, real, sizes):
    with mpmath.workdps(40):
        v2 = mpmath.mpf(Fraction(curvature).numerator) / Fraction(curvature).denominator
        pool, grown, summed, golden = mpmath.mpf(real), 1 + v2 / real, mpmath.mpf(1), []
        for size in sizes:
            pool += size
            grown *= 1 + v2 * size / pool**2
            summed += real * size / pool**2
            golden.append(summed if v2 == 0 else real * (grown - 1) / v2)
        found = theory.keep_all_gain(FAMILIES[curvature], real, sizes)[1:]
        assert max(abs(each / wanted - 1) for each, wanted in zip(found, golden, strict=True)) < 1e-12


def test_in_a_transformation():
    """Slopes by sizes are those of differences; a size below 1 is no size."""
    f, at = theory.Categorical([0.5, 0.3, 0.2]), jnp.array([10.0, 3.0, 20.0, 2.0])

    @jax.jit
    def last(sizes):
        return theory.keep_all_gain(f, sizes[0], sizes[1:])[-1]

    slopes = jax.jit(jax.grad(last))(at)
    for place, step in enumerate(1e-5 * np.eye(4)):
        assert slopes[place] == pytest.approx(float(last(at + step) - last(at - step)) / 2e-5, rel=1e-6)
    assert jnp.isnan(last(at.at[1].set(0.0)))
    slope = jax.grad(lambda more: theory.keep_all_gain_upper_bound(f, 10, more))(30.0)
    assert slope == pytest.approx(10 / 40**2, rel=1e-12)
    assert jnp.isnan(jax.jit(lambda more: theory.keep_all_gain_upper_bound(f, 10, more))(-1.0))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda f: theory.keep_all(0, [1]), "real=0"),
        (lambda f: theory.keep_all(5, []), "sizes="),
        (lambda f: theory.keep_all_gain(f, 5, [1, 0]), "sizes=0"),
        (lambda f: theory.keep_all_gain(f, 5, 3), "sizes=3"),
        (lambda f: theory.keep_all_gain_upper_bound(f, 5, -1), "synthetic=-1"),
        (lambda f: theory.keep_all_gain(theory.LinearRegression(2), 5, [1]), "mean"),
    ],
)
def test_what_is_no_size_is_refused(call, named):
    with pytest.raises(theory.InputError, match=named):
        call(theory.Poisson(1.0))


def test_the_steps_say_the_bound():
    (cap,) = (step.expression for step in ACCUMULATE.derivation if step.left == "gain <= ")
    assert simplify(cap - 2 + N / (N + n)) == 0
    assert cap.subs({N: 10, n: 30}) == Rational(7, 4)
