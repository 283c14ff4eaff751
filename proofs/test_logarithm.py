"""Mean logarithms under Replace, against integrals over the laws of chi-square and Gamma."""

import mpmath
import numpy as np
import pytest

from modelcollapse import theory


def mean_log_of_gamma(shape):
    """E ln X for X ~ Gamma(shape), by quadrature."""
    with mpmath.workdps(30):
        density = lambda x: mpmath.exp((shape - 1) * mpmath.log(x) - x) / mpmath.gamma(shape)  # noqa: E731
        return mpmath.quad(lambda x: mpmath.log(x) * density(x), [0, shape / 4, shape, 4 * shape, mpmath.inf])


@pytest.mark.parametrize("size", [3, 10, 40])
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("dimension", [1, 2])
def test_log_variance(size, unbiased, dimension):
    """n det(Sigma')/det(Sigma) is a product of chi-squares with n-1, ..., n-d degrees; four generations add up."""
    degrees = [size - row for row in range(1, dimension + 1)]
    one = sum(mean_log_of_gamma(mpmath.mpf(each) / 2) + mpmath.log(2) for each in degrees) / dimension
    one -= mpmath.log(size - unbiased)
    found = theory.log_variance(theory.Gaussian(dimension, 2.0, unbiased), theory.Replace(size), np.array([0, 1, 4]))
    np.testing.assert_allclose(found, [0, float(one), 4 * float(one)], rtol=1e-11)


@pytest.mark.parametrize("size", [4, 10, 40])
@pytest.mark.parametrize("dimension", [1, 3])
def test_log_variance_spread(size, dimension):
    """The variance of ln of each chi-square by quadrature; independent factors and generations add up."""
    one = 0
    for row in range(1, dimension + 1):
        shape = mpmath.mpf(size - row) / 2
        with mpmath.workdps(30):
            scale = mpmath.gamma(shape)

            def power(k, shape=shape, scale=scale):
                """E (ln X)^k for X ~ Gamma(shape)."""
                parts = [0, 1e-12, 1e-6, shape / 4, shape, 4 * shape, mpmath.inf]
                return mpmath.quad(
                    lambda x: mpmath.log(x) ** k * mpmath.exp((shape - 1) * mpmath.log(x) - x) / scale, parts
                )

            first, second = power(1), power(2)
        one += (second - first**2) / dimension**2
    found = theory.log_variance_spread(theory.Gaussian(dimension), theory.Replace(size), np.array([0, 1, 4]))
    np.testing.assert_allclose(found, [0, float(one), 4 * float(one)], rtol=1e-9)


def test_log_variance_spread_keeps_its_digits():
    for size in (2, 100, 10**9):
        with mpmath.workdps(30):
            expected = float(mpmath.psi(1, mpmath.mpf(size - 1) / 2))
        assert theory.log_variance_spread(theory.Gaussian(), theory.Replace(size), 1) == pytest.approx(
            expected, rel=1e-13
        )


def test_determinants_are_products_of_chi_squares():
    """Bartlett, in the one place where a sample is drawn: two dimensions, 40000 determinants, five standard errors."""
    points = np.random.default_rng(1).normal(size=(40_000, 6, 2))
    centered = points - points.mean(axis=1, keepdims=True)
    logs = np.linalg.slogdet(np.einsum("cni,cnj->cij", centered, centered) / 6).logabsdet / 2
    expected = theory.log_variance(theory.Gaussian(2), theory.Replace(6), 1)
    assert abs(logs.mean() - expected) < 5 * logs.std() / 200


@pytest.mark.parametrize(("shape", "size"), [(1, 2), (3, 5), (0.5, 9)])
def test_log_mean(shape, size):
    """The mean of n Gamma(k) variables of mean 1 is Gamma(nk)/(nk)."""
    one = mean_log_of_gamma(mpmath.mpf(shape) * size) - mpmath.log(shape * size)
    found = theory.log_mean(theory.Gamma(shape, 3.0), theory.Replace((size, 2 * size)), np.array([1, 2, 3]))
    two = mean_log_of_gamma(mpmath.mpf(shape) * 2 * size) - mpmath.log(2 * shape * size)
    np.testing.assert_allclose(found, [float(one), float(2 * one), float(2 * one + two)], rtol=1e-11)
