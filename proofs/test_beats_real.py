"""The chance that a later model is nearer to the truth than the first one: as an angle, and by quadrature over both errors."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.theory import algebra

WORKFLOWS = (
    theory.Replace(20),
    theory.Replace((8, 30, 4), real=12),
    theory.FixedReal(8, 12),
    theory.FreshReal(8, 12),
    theory.FreshReal(8, 3, weight=Fraction(1, 5)),
    theory.Accumulate(8, 12),
    theory.AccumulateSubsample(8, 12, train=6),
    theory.contaminated_stream([5, 5, 5, 5], Fraction(1, 2)),
)


@pytest.mark.parametrize("w", WORKFLOWS, ids=lambda w: type(w).__name__)
def test_by_quadrature(w):
    """Given the first error the later one is normal: the chance that it lies between -|e_1| and |e_1|, averaged over e_1."""
    joint = algebra.covariance(w, 0, 4).astype(float)
    first, cross, last = joint[0, 0], joint[0, 3], joint[3, 3]
    slope, left = cross / first, math.sqrt(last - cross**2 / first)

    def nearer(x):
        e = math.sqrt(first) * x
        inside = mpmath.ncdf((abs(e) - slope * e) / left) - mpmath.ncdf((-abs(e) - slope * e) / left)
        return mpmath.npdf(x) * inside

    expected = 2 * mpmath.quad(nearer, [0, 1, 3, 6, 12])
    assert theory.beats_real(w, 4) == pytest.approx(float(expected), rel=1e-10)


def test_under_replace_it_is_one_angle():
    """arctan(2 sqrt(a/c))/pi in the sizes, right to rounding where what has come since is almost nothing."""
    for sizes, real in (((20,) * 6, 20), ((10**9,) * 6, 2), ((3, 5, 7, 10**6, 2, 4), 10**9)):
        w = theory.Replace(sizes, real=real)
        found = theory.beats_real(w, np.arange(2, 8))
        grown = np.cumsum([1 / each for each in sizes])
        np.testing.assert_allclose(found, np.arctan(2 / np.sqrt(grown * real)) / math.pi, rtol=1e-14)


def test_three_hundred_generations_and_sizes_far_apart():
    """To rounding where a determinant of the covariance would have no digit left, and where models are the same."""
    assert theory.beats_real(theory.Replace(20), 300) == pytest.approx(
        math.atan(2 / math.sqrt(299)) / math.pi, rel=1e-13
    )
    for size, real in ((2**53, 1), (1, 2**53)):
        exact = mpmath.atan(2 * mpmath.sqrt(mpmath.mpf(size) / real)) / mpmath.pi
        assert theory.beats_real(theory.Replace(size, real=real), 2) == pytest.approx(float(exact), rel=1e-13)
    assert theory.beats_real(theory.Schedule([5], [[1, 0, 0]], [[1], [1]]), 2) == 0


@pytest.mark.parametrize("w", WORKFLOWS, ids=lambda w: type(w).__name__)
def test_what_models_are_made_of_gives_their_covariance(w):
    made, variance = algebra.influence(w, 4)
    np.testing.assert_allclose((made * variance) @ made.T, algebra.covariance(w, 0, 4).astype(float), rtol=1e-13)


def test_above_one_half_exactly_where_the_error_falls():
    """By the sign of what the error has grown by."""
    for w in WORKFLOWS:
        for m in range(2, 5):
            grown = theory.gain(theory.Poisson(1.0), w, m) - theory.gain(theory.Poisson(1.0), w, 1)
            assert (theory.beats_real(w, m) < 0.5) == (grown > 0)
    assert theory.beats_real(theory.Replace(5), 1) == 0  # the first model is not nearer than itself


def test_jax_gives_the_same_number_and_a_finite_gradient():
    def chance(size):
        return theory.beats_real(theory.Replace(size, real=30.0), 3)

    assert float(chance(jnp.asarray(20.0))) == pytest.approx(chance(20), rel=1e-12)
    assert np.isfinite(jax.jit(jax.grad(chance))(20.0))
    assert np.isfinite(jax.grad(lambda size: theory.beats_real(theory.Replace(size), 1))(20.0))
    assert np.isnan(jax.jit(chance)(0.5))


@pytest.mark.parametrize("generation", [0, 301, 2.5, -1])
def test_what_is_refused(generation):
    with pytest.raises(theory.InputError, match="generation"):
        theory.beats_real(theory.Replace(5), generation)
