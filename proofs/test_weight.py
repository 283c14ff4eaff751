"""The best weights of new real data: exact, least for every generation at once, and settling at the best constant weight."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import lambdify

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.proofs.rational import exactly
from modelcollapse.theory import algebra, weight
from modelcollapse.theory.symbols import N, T, V, moved, n, v2

REAL, SYNTHETIC = (3, 5, 2, 7, 4), (4, 2, 6, 3)
FAMILIES = {-1: theory.Categorical([0.5, 0.3, 0.2]), 0: theory.Poisson(1.0), Fraction(1, 3): theory.Gamma(3, 2.0)}
curvatures = st.sampled_from([-1, Fraction(-1, 4), 0, Fraction(1, 3), 2])
sizes = st.integers(1, 12)
weights = st.fractions(0, 1, max_denominator=20)


@cache
def gain():
    return lambdify((T, N, n, V, v2, moved), weight.WEIGHT.derived.expression, modules="math")


def best(curvature, real=REAL, synthetic=SYNTHETIC, drift=0) -> tuple[list, list]:
    """Weights and errors over V as fractions."""
    found, errors = [Fraction(1)], [Fraction(1, real[0])]
    for new, old in zip(real[1:], synthetic, strict=True):
        found.append(
            gain()(errors[-1], Fraction(new), Fraction(old), Fraction(1), Fraction(curvature), Fraction(drift))
        )
        errors.append(found[-1] / new)
    return found, errors


@given(curvatures, st.lists(st.tuples(sizes, sizes, weights), min_size=2, max_size=6))
@settings(max_examples=40)
def test_no_other_weights_are_better_in_any_generation(curvature, rows):
    """In fractions: the algebra gives the same errors for these weights, and none below them for others."""
    real, synthetic, other = zip(*rows, strict=True)
    chosen, errors = best(curvature, real, synthetic[1:])
    seen = algebra.error(theory.fresh_schedule(real, synthetic[1:], chosen), curvature, len(real))
    assert list(seen) == errors
    others = algebra.error(theory.fresh_schedule(real, synthetic[1:], (1, *other[1:])), curvature, len(real))
    assert all(mine <= theirs for mine, theirs in zip(errors, others, strict=True))


@pytest.mark.parametrize("curvature", FAMILIES)
@pytest.mark.parametrize("place", range(1, len(REAL)))
def test_every_slope_vanishes_there(curvature, place):
    """The last error is quadratic in each weight: level there and curved upwards, so steps taken singly are best as a whole."""
    chosen, _ = best(curvature)

    def last(move):
        moved = [each + move * (i == place) for i, each in enumerate(chosen)]
        return algebra.error(theory.fresh_schedule(REAL, SYNTHETIC, moved), curvature, len(REAL))[-1]

    step = Fraction(1, 7)
    assert last(step) == last(-step) > last(0)


@pytest.mark.parametrize(("alphabet", "curvature"), [(enumeration.TOKENS, -1), (enumeration.TRIALS, Fraction(-1, 3))])
def test_every_sample_that_can_be_drawn(alphabet, curvature):
    """Enumerated with the weights: the same errors exactly."""
    chosen, errors = best(curvature, (2, 3, 2), (2, 3))
    schedule = theory.fresh_schedule((2, 3, 2), (2, 3), chosen)
    found = enumeration.generations(alphabet, schedule, 3)
    assert [each.error / alphabet.variance for each in found] == errors


@pytest.mark.parametrize("drift", [0, Fraction(1, 10), 3])
def test_a_truth_that_moves(drift):
    """v2 = 0: the error as a sum over independent noises and steps of the truth, each with the share that is left of it."""
    chosen, errors = best(0, drift=drift)
    for last in range(len(REAL)):
        left = [math.prod(1 - each for each in chosen[start : last + 1]) for start in range(last + 2)]
        real = sum((chosen[i] * left[i + 1]) ** 2 / Fraction(REAL[i]) for i in range(last + 1))
        drawn = sum(left[i] ** 2 * (Fraction(1, SYNTHETIC[i - 1]) + drift) for i in range(1, last + 1))
        assert real + drawn == errors[last]
    found = theory.optimal_weights(theory.Poisson(2.0), REAL, SYNTHETIC, drift=2.0 * float(drift))
    np.testing.assert_allclose(found.weight, [float(each) for each in chosen], rtol=1e-13)
    np.testing.assert_allclose(found.error, [2 * float(each) for each in errors], rtol=1e-13)


@pytest.mark.parametrize("real", [1, 7, 10**9])
@pytest.mark.parametrize("synthetic", [1, 40, 10**9])
@pytest.mark.parametrize("f", [*FAMILIES.values(), theory.Gamma(0.1, 1.0)], ids=lambda f: str(float(f.v2)))
def test_sizes_that_stay(real, synthetic, f):
    """The weights settle at the best constant weight; its equation holds to rounding, and is a root in (0, 1)."""
    found = theory.optimal_weights(f, [real], synthetic)
    one = theory.optimal_weight(f, theory.FreshReal(real, synthetic))
    assert found.limit.weight == pytest.approx(one.weight, rel=1e-13)
    assert found.limit.error == pytest.approx(one.error, rel=1e-13)
    root = Fraction(found.limit.weight)
    at = {N: real, n: synthetic, v2: Fraction(f.v2).limit_denominator(100), V: 1, moved: 0}
    at[T] = root / real
    assert abs(exactly(weight.WEIGHT.derived.expression, at) / root - 1) < Fraction(1, 10**9)
    if real + synthetic < 100:
        late = theory.optimal_weights(f, [real] * 400, synthetic)
        assert late.weight[-1] == pytest.approx(found.limit.weight, rel=1e-12)


@pytest.mark.parametrize("drift", [1e-6, 0.1, 50.0])
def test_weights_settle_where_the_truth_moves(drift):
    """At the root that the answer names, also with a drift; with a large one old data is worth nothing."""
    found = theory.optimal_weights(theory.Poisson(2.0), [40] * 400, 25, drift=drift)
    assert found.weight[-1] == pytest.approx(found.limit.weight, rel=1e-12)
    assert found.error[-1] == pytest.approx(found.limit.error, rel=1e-12)
    assert found.limit.weight > theory.optimal_weights(theory.Poisson(2.0), [40], 25).limit.weight


def test_far_ends():
    """In units of V, and with no difference of near numbers: a steep variance function, tiny V, a truth that runs away."""
    for shape in (1e-4, 1e-8):
        found = Fraction(theory.optimal_weight(theory.Gamma(shape, 1.0), theory.FreshReal(1, 1)).weight)
        steep = 1 / Fraction(shape)
        beside = [
            (1 + steep) * at**2 + (1 - steep) * at - 1 for at in (found * (1 + Fraction(s, 10**14)) for s in (-1, 1))
        ]
        assert beside[0] < 0 < beside[1]
    for curvature in (1e149, 1e151, 1e155, 1e300, 1e308):  # all weight on the real set, whose error it is
        best = theory.optimal_weight(theory.Gamma(1 / curvature, 1.0), theory.FreshReal(2, 10**9))
        assert 1 - 1e-14 < best.weight <= 1 and best.error == pytest.approx(curvature / 2, rel=1e-13)
    for mean in (1e-300, 1e300):
        assert theory.optimal_weights(theory.Poisson(mean), [5], 5).limit.weight == pytest.approx((5**0.5 - 1) / 2)
    assert theory.optimal_weights(theory.Poisson(1.0), [5, 5], 5, drift=1e300).limit.weight == 1
    both = theory.optimal_weights(theory.Gamma(np.array([1.0, 2.0]), 1.0), [5, 4], 3).weight
    one = theory.optimal_weights(theory.Gamma(2.0, 1.0), [5, 4], 3).weight
    np.testing.assert_allclose(both[:, 1], one, rtol=1e-15)


def test_the_golden_ratio_as_printed():
    """He2025: as the exact root at v2 = 0, above it for the categorical."""
    (printed,) = weight.WEIGHT.printed
    at = {N: 1, n: 1}
    golden = float(printed.formula.subs(at))
    assert golden == pytest.approx((5**0.5 - 1) / 2)
    assert theory.optimal_weights(theory.Poisson(1.0), [1], 1).limit.weight == pytest.approx(golden, rel=1e-14)
    assert theory.optimal_weights(FAMILIES[-1], [1], 1).limit.weight == pytest.approx(0.5, rel=1e-14)


def test_jax_gives_the_same_numbers_and_finite_gradients():
    def last(real, synthetic, drift):
        return theory.optimal_weights(theory.Poisson(2.0), real, synthetic, drift=drift).error[-1]

    real, synthetic = jnp.asarray(REAL, float), jnp.asarray(SYNTHETIC, float)
    plain = theory.optimal_weights(theory.Poisson(2.0), REAL, SYNTHETIC, drift=0.1).error[-1]
    assert float(jax.jit(last)(real, synthetic, 0.1)) == pytest.approx(plain, rel=1e-14)
    slopes = jax.grad(last, argnums=(0, 1, 2))(real, synthetic, 0.0)
    assert all(np.isfinite(each).all() for each in slopes)
    step = 1e-6
    up, down = (
        theory.optimal_weights(theory.Poisson(2.0), REAL, SYNTHETIC, drift=0.1 + h).error[-1] for h in (step, -step)
    )
    assert float(jax.grad(last, argnums=2)(real, synthetic, 0.1)) == pytest.approx((up - down) / (2 * step), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda: theory.optimal_weights(FAMILIES[0], [], 5), "real"),
        (lambda: theory.optimal_weights(FAMILIES[0], 5, 5), "real=5"),
        (lambda: theory.optimal_weights(FAMILIES[0], [[1, 2], [3]], 5), "real="),
        (lambda: theory.optimal_weights(FAMILIES[0], [5, 5], 5, drift=[1, 2]), "one number"),
        (lambda: theory.fresh_schedule([5, 5], 5, [1]), "each of the 2 models"),
        (lambda: theory.fresh_schedule([5, 5], 5, None), "weight=None"),
        (lambda: theory.fresh_schedule([5, 0], 5, [1, 0.5]), "fresh_schedule"),
        (lambda: theory.optimal_weights(FAMILIES[0], [5, 0], 5), "real=0"),
        (lambda: theory.optimal_weights(FAMILIES[0], [5, 5], [5, 5]), "the first batch is real"),
        (lambda: theory.optimal_weights(FAMILIES[0], [5, 5], 5, drift=-1), "drift=-1"),
        (lambda: theory.optimal_weights(FAMILIES[-1], [5, 5], 5, drift=0.1), "theory.Poisson"),
        (lambda: theory.optimal_weights(theory.LinearRegression(3), [9, 9], 9), "LinearRegression"),
    ],
)
def test_what_is_refused(call, fragment):
    with pytest.raises(theory.InputError, match=fragment):
        call()
