"""Gaussians under Replace: moments and distances against integrals, exact recursions, and every digit at every size."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.theory import gaussian, stable

LATE = 10**6


def gaussians(dimension=1):
    return [theory.Gaussian(dimension, 2.0, unbiased) for unbiased in (False, True)]


def divisor(f, size):
    return mpmath.mpf(size) - 1 if f.unbiased else mpmath.mpf(size)


def moment(f, size, power):
    """E (chi-square/D)^power for every degree of freedom, by gamma functions of sixty digits."""
    rows = range(1, f.dimension + 1)
    each = mpmath.mpf(power) / f.dimension
    half = [(mpmath.mpf(size) - row) / 2 for row in rows]
    return mpmath.fprod(mpmath.gammaprod([x + each], [x]) * (2 / divisor(f, size)) ** each for x in half)


# --- digits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "power"),
    [
        (start, power)
        for start in (0.01, 0.5, 1.0, 4.5, 1e4, 5e8)
        for power in (-3.0, -0.4, -1e-3, 1e-3, 1 / 3, 0.5, 2.0, 4.0)
        if start + power > 0
    ],
)
def test_gap_of_log_gammas(start, power):
    """ln Gamma(x+y) - ln Gamma(x) - y ln x by mpmath."""
    with mpmath.workdps(60):
        x, y = mpmath.mpf(start), mpmath.mpf(power)
        expected = float(mpmath.loggamma(x + y) - mpmath.loggamma(x) - y * mpmath.log(x))
    assert stable.log_gamma_gap(np, start, power) == pytest.approx(expected, rel=2e-14)


@pytest.mark.parametrize("size", [2, 3, 20, 10**4, 10**9])
@pytest.mark.parametrize("when", [1, 7, LATE])
def test_wasserstein_keeps_its_digits(size, when):
    """2 (1 - c^m), and m/n more where the variance is unbiased: also where c^m is 1 less 1e-10."""
    for f in gaussians():
        with mpmath.workdps(60):
            expected = 2 * 2 * (1 - moment(f, size, mpmath.mpf(1) / 2) ** when)
            expected += 2 * mpmath.mpf(when) / size if f.unbiased else 0
        assert theory.wasserstein(f, theory.Replace(size), when) == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize(("dimension", "size"), [(1, 4), (1, 20), (1, 10**9), (3, 10), (3, 10**9), (20, 10**6)])
@pytest.mark.parametrize("when", [1, 2, 9, LATE])
def test_divergence_keeps_its_digits(dimension, size, when):
    """The closed form in sixty digits; infinite only where it exceeds a double."""
    for f in gaussians(dimension):
        with mpmath.workdps(60):
            n, d = mpmath.mpf(size), dimension
            rate = divisor(f, size) / (n - d - 2)
            quadratic = d * (rate**when - 1) + d / n * rate * (rate**when - 1) / (rate - 1)
            logs = sum(mpmath.psi(0, (n - row) / 2) + mpmath.log(2 / divisor(f, size)) for row in range(1, d + 1))
            expected = (quadratic + when * logs) / 2
        found = theory.kullback_leibler(f, theory.Replace(size), when)
        assert found == (np.inf if expected > 1e308 else pytest.approx(float(expected), rel=1e-13))


# --- moments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("power", [-1.0, 0.5, 1.0, 2.0])
def test_moments_of_the_variance(dimension, power):
    """Products over generations of unequal sizes, each factor by gamma functions."""
    sizes = (9, 14, 30)
    for f in gaussians(dimension):
        with mpmath.workdps(40):
            factors = [moment(f, size, power) for size in (8, *sizes)]
            expected = [float(mpmath.fprod(factors[:when])) for when in range(5)]
        found = theory.variance_moment(f, theory.Replace(sizes, real=8), np.arange(5), power)
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_moments_of_one_dimension_are_fractions():
    """k = 1: that of the diversity; k = 2: (1 - 1/n^2)^m and (1 + 2/(n-1))^m, the latter with no mean variance lost."""
    w, m = theory.Replace(7), np.arange(6)
    biased, unbiased = gaussians()
    for f in (biased, unbiased):
        np.testing.assert_allclose(theory.variance_moment(f, w, m, 1), theory.diversity(f, w, m), rtol=1e-13)
    np.testing.assert_allclose(theory.variance_moment(biased, w, m), float(1 - Fraction(1, 49)) ** m, rtol=1e-13)
    np.testing.assert_allclose(theory.variance_moment(unbiased, w, m), float(1 + Fraction(2, 6)) ** m, rtol=1e-13)
    assert theory.variance_moment(biased, w, [0, 1], -3).tolist() == [1, np.inf]  # n - 1 = 6 = 2 * 3
    assert np.isfinite(theory.variance_moment(biased, theory.Replace(7, real=8), 1, -3))


def test_the_divergence_is_the_recursion_iterated():
    """Two quadratic forms, generation by generation, in fractions: the logarithms apart."""
    d, sizes = 3, (12, 9, 40)
    for f in gaussians(d):
        trace, moved = Fraction(d), Fraction(0)
        expected = [0.0]
        for size in (8, *sizes):
            rate = Fraction(size - f.unbiased, size - d - 2)
            trace, moved = rate * trace, rate * (moved + Fraction(d, size))
            expected.append(float(trace + moved - d) / 2)
        w, m = theory.Replace(sizes, real=8), np.arange(5)
        np.testing.assert_allclose(
            theory.kullback_leibler(f, w, m) - d * theory.log_variance(f, w, m) / 2, expected, rtol=1e-13
        )
        alike = theory.kullback_leibler(f, theory.Replace((9, 9, 9), real=8), m)
        np.testing.assert_allclose(theory.kullback_leibler(f, theory.Replace(9, real=8), m), alike, rtol=1e-13)


@cache
def fits(size, dimension, draws=40_000):
    """Mean and covariance (divisor n) of points, fitted one data set at a time."""
    points = np.random.default_rng(5).normal(size=(draws, size, dimension))
    mean = points.mean(axis=1)
    apart = points - mean[:, None]
    return mean, np.einsum("cni,cnj->cij", apart, apart) / size


def test_an_inverse_covariance_of_points():
    """E tr Sigma'^-1 and E mu' Sigma'^-1 mu from points, where fourth moments exist: five standard errors."""
    size, d = 16, 3
    mean, covariance = fits(size, d)
    inverse = np.linalg.inv(covariance)
    divergence = np.trace(inverse, axis1=1, axis2=2) + np.einsum("ci,cij,cj->c", mean, inverse, mean) - d
    divergence = (divergence + np.linalg.slogdet(covariance).logabsdet) / 2
    expected = theory.kullback_leibler(theory.Gaussian(d), theory.Replace(size), 1)
    assert abs(divergence.mean() - expected) < 5 * divergence.std() / 200
    roots = np.sqrt(np.linalg.eigvalsh(covariance))
    distance = (mean**2).sum(axis=1) + ((roots - 1) ** 2).sum(axis=1)
    f, w = theory.Gaussian(d), theory.Replace(size)
    bound = 2 * d * (1 - theory.variance_moment(f, w, 1, 0.5))
    assert distance.mean() + 5 * distance.std() / 200 < bound  # the remedy that `wasserstein` names
    line = theory.wasserstein(theory.Gaussian(), w, 1)
    one = mean[:, 0] ** 2 + (np.sqrt(covariance[:, 0, 0]) - 1) ** 2
    assert abs(one.mean() - line) < 5 * one.std() / 200


# --- half-life ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 5, 40])
def test_half_life_of_many_samples(dimension):
    """2 n ln2/(d+3) with divisor n, 2 n ln2/(d+1) unbiased; and half the log variance of two is one half-life."""
    for f, over in zip(gaussians(dimension), (dimension + 3, dimension + 1), strict=True):
        size = 10**7
        assert theory.half_life(f, theory.Replace(size)) == pytest.approx(2 * size * np.log(2) / over, rel=1e-4)
        alive = theory.log_variance(f, theory.Replace(1000), 1) * theory.half_life(f, theory.Replace(1000, real=50))
        assert alive == pytest.approx(-np.log(2), rel=1e-14)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_half_life_in_proportion(share):
    """d/n = g: ln2/(1 + (1-g)/g ln(1-g)), with an error that falls like 1/n."""
    rate = 1 + (1 - share) / share * np.log(1 - share)
    found = [
        theory.half_life(theory.Gaussian(int(share * size), unbiased=True), theory.Replace(size)) * rate / np.log(2)
        for size in (1000, 2000)
    ]
    assert (found[0] - 1) / (found[1] - 1) == pytest.approx(2, rel=0.05)


# --- what is answered, and what is refused -----------------------------------------------------------------------


def test_few_samples_have_no_finite_divergence():
    """At most d + 2 samples, from the generation on that has them."""
    f = theory.Gaussian(2)
    assert theory.kullback_leibler(f, theory.Replace(4), [0, 1]).tolist() == [0, np.inf]
    found = theory.kullback_leibler(f, theory.Replace(1, real=20), [0, 1, 2, 3])
    assert np.isfinite(found).tolist() == [True, True, False, False]
    found = theory.kullback_leibler(f, theory.Replace((20, 3, 50), real=20), [1, 2, 3, 4])
    assert np.isfinite(found).tolist() == [True, True, False, False]


def test_answers_live_in_jax():
    """Values and slopes by n agree with NumPy; outside of what is allowed there is NaN."""
    with jax.enable_x64(True):
        f, one = theory.Gaussian(2), theory.Gaussian()
        asked = {
            "divergence": lambda n: theory.kullback_leibler(f, theory.Replace(n), 5),
            "distance": lambda n: theory.wasserstein(one, theory.Replace(n), 5),
            "moment": lambda n: theory.variance_moment(one, theory.Replace(n), 5),
            "half-life": lambda n: theory.half_life(f, theory.Replace(n)),
        }
        for name, ask in asked.items():
            both = jax.jit(jax.value_and_grad(ask))
            value, slope = both(30.0)
            assert value == pytest.approx(float(ask(30)), rel=1e-13), name
            difference = (ask(np.array([30.01])) - ask(np.array([29.99])))[0] / 0.02
            assert slope == pytest.approx(difference, rel=1e-5), name
            assert np.isfinite(both(1e9)[1]) and np.isnan(both(0.5)[0]), name
        sizes = jax.jit(lambda m: theory.kullback_leibler(f, theory.Replace((20, 30, 40)), m))(jnp.array([0, 2, 4]))
        np.testing.assert_allclose(
            sizes, theory.kullback_leibler(f, theory.Replace((20, 30, 40)), [0, 2, 4]), rtol=1e-13
        )


def test_what_is_no_product_is_refused():
    wrong = theory.Gaussian(2), theory.Replace(9)
    with pytest.raises(theory.InputError, match=r"one dimension.*variance_moment"):
        theory.wasserstein(*wrong, 1)
    with pytest.raises(theory.InputError, match="Replace"):
        theory.kullback_leibler(wrong[0], theory.Accumulate(9, 9), 1)
    with pytest.raises(theory.InputError, match="more samples than dimensions"):
        theory.half_life(wrong[0], theory.Replace(2))
    with pytest.raises(theory.InputError, match="one size"):
        theory.half_life(wrong[0], theory.Replace((9, 9)))
    for power in (9, np.array([1.0, 2.0]), float("nan"), "2"):
        with pytest.raises(theory.InputError, match="power"):
            theory.variance_moment(*wrong, 1, power)
    with pytest.raises(theory.InputError, match="reach generation 3"):
        theory.kullback_leibler(wrong[0], theory.Replace((9, 9)), 4)


def test_the_bound_of_more_dimensions_is_the_distance_of_one():
    """What the refusal names, at d = 1, is `wasserstein` itself."""
    for f in gaussians():
        w, m = theory.Replace(7, real=9), np.arange(6)
        bound = (1 + f.v2) * theory.error(f, w, m) + 2 * f.v * (1 - theory.variance_moment(f, w, m, 0.5))
        np.testing.assert_allclose(bound, theory.wasserstein(f, w, m), rtol=1e-12)
    assert gaussian.WASSERSTEIN.derived.expression.free_symbols
