"""Own labels help ridge regression exactly where its penalty is too small: against matrices, and against every share tried."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs.rational import exactly
from modelcollapse.theory import self_distillation
from modelcollapse.theory.symbols import g, h, kappa, lam, xi

EIGENVALUES = st.lists(st.integers(0, 40).map(lambda each: each / 8), min_size=1, max_size=6).filter(any)
PENALTIES = st.integers(1, 64).map(lambda each: each / 16)
SHARES = st.integers(-8, 12).map(lambda each: each / 8)


def by_matrices(rows, penalty, noise, signal, share, label_noise):
    """Expected squared error over ||theta||^2 of two fits, by their matrices: bias of a truth of any direction, and noise."""
    count, dimension = rows.shape
    fit = np.linalg.solve(rows.T @ rows / count + penalty * np.eye(dimension), rows.T / count)
    again = fit @ ((1 - share) * np.eye(count) + share * rows @ fit)
    bias = again @ rows - np.eye(dimension)
    own = label_noise * noise * share**2 * np.trace(fit @ fit.T)
    return np.trace(bias @ bias.T) / dimension + (noise * np.trace(again @ again.T) + own) / signal


@pytest.mark.parametrize("seed", range(8))
def test_the_error_is_that_of_the_two_fits(seed):
    """Any rows, more or fewer than coefficients, any share, with noise of own labels."""
    random = np.random.default_rng(seed)
    count, dimension = random.integers(2, 12), random.integers(1, 9)
    rows = random.standard_normal((count, dimension)) * random.uniform(0.2, 3, dimension)
    penalty, noise, signal, share, label_noise = random.uniform(0.05, 2, 5) * [1, 1, 1, 1.5 - seed, 1]
    best = theory.best_penalty(int(dimension), int(count), signal, noise)
    fit = theory.Ridge(np.clip(np.linalg.eigvalsh(rows.T @ rows / count), 0, None), penalty, best, label_noise)
    expected = by_matrices(rows, penalty, noise, signal, share, label_noise)
    assert theory.self_distillation_error(fit, share) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("seed", range(6))
def test_the_same_holds_for_the_error_of_predictions(seed):
    """Any weights of the eigenvectors: on the same rows those of the Gram matrix. By matrices, with a few own labels."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((9, 5))
    best = theory.best_penalty(5, 9, 1.0)

    def error(penalty, share):
        fit = np.linalg.solve(rows.T @ rows / 9 + penalty * np.eye(5), rows.T / 9)
        again = rows @ fit @ ((1 - share) * np.eye(9) + share * rows @ fit)
        return np.sum((again @ rows - rows) ** 2) / 5 + np.sum(again**2)

    for factor in (0.1, 0.9, 1.1, 10.0):
        assert (error(factor * best, 1e-4) < error(factor * best, 0)) == (factor < 1)


@given(EIGENVALUES, PENALTIES, PENALTIES, st.sampled_from([0.0, 0.5, 1.0]), st.lists(SHARES, min_size=1, max_size=5))
@settings(max_examples=100)
def test_own_labels_help_exactly_where_the_penalty_is_too_small(eigenvalues, penalty, best, label_noise, shares):
    """For every design: the best share has the sign of best - penalty, no share is better, and a little of it helps."""
    fit = theory.Ridge(eigenvalues, penalty, best, label_noise)
    found = theory.best_distillation(fit)
    alone = theory.self_distillation_error(fit)
    assert found.helps == (penalty < best)
    assert np.sign(found.share) == np.sign(best - penalty)
    assert all(found.error <= theory.self_distillation_error(fit, each) + 1e-15 for each in (0.0, *shares))
    if penalty != best:
        assert found.error < alone
        for part in (1e-3, 0.5, 1.0):
            assert theory.self_distillation_error(fit, part * found.share) < alone
            assert theory.self_distillation_error(fit, -part * found.share) > alone
    perfect = theory.self_distillation_error(theory.Ridge(eigenvalues, best, best))
    assert perfect <= found.error + 1e-15  # the best penalty: nothing made of the same data is better


@given(st.integers(1, 30), st.integers(1, 20), st.integers(1, 20), st.integers(1, 15))
def test_one_eigenvalue_is_repaired_whole(eigenvalue, penalty, best, denominator):
    """In fractions: at the best share the error is that of ridge with the best penalty, kappa/(g + kappa)."""
    at = {g: Fraction(eigenvalue, denominator), lam: Fraction(penalty, 7), kappa: Fraction(best, 7), h: 0}
    above, below = (exactly(each, at) for each in self_distillation.line())
    share = above / below
    assert exactly(self_distillation.risk(), at | {xi: share}) == at[kappa] / (at[g] + at[kappa])
    fit = theory.Ridge([float(at[g])], float(at[lam]), float(at[kappa]))
    assert theory.best_distillation(fit).share == pytest.approx(float(share), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(("real", "helps"), [(30, True), (60, True), (120, False), (500, False)])
def test_scarce_real_data_gain(real, helps):
    """d = 50 at one penalty of 1/2: the boundary is at N = 100."""
    random = np.random.default_rng(real)
    rows = random.standard_normal((real, 50))
    fit = theory.Ridge(
        np.clip(np.linalg.eigvalsh(rows.T @ rows / real), 0, None), 0.5, theory.best_penalty(50, real, 1.0)
    )
    found = theory.best_distillation(fit)
    assert found.helps == helps == (found.share > 0)


@pytest.mark.parametrize("eigenvalue", [Fraction(0), Fraction(1, 10**9), Fraction(1), Fraction(10**9)])
@pytest.mark.parametrize("penalty", [Fraction(1, 10**9), Fraction(3), Fraction(10**6)])
@pytest.mark.parametrize("best", [Fraction(1, 10**9), Fraction(2), Fraction(10**6)])
@pytest.mark.parametrize("share", [Fraction(0), Fraction(1, 2), Fraction(1)])
def test_digits(eigenvalue, penalty, best, share):
    fit = theory.Ridge([float(eigenvalue), 1.0], float(penalty), float(best))
    exact = sum(
        exactly(
            self_distillation.risk(),
            {g: each, lam: Fraction(float(penalty)), kappa: Fraction(float(best)), xi: share, h: 0},
        )
        for each in (Fraction(float(eigenvalue)), 1)
    )
    assert theory.self_distillation_error(fit, float(share)) == pytest.approx(float(exact / 2), rel=1e-12)


def test_under_jax_the_same_with_gradients_and_nan_where_it_would_be_refused():
    eigenvalues = np.array([0.0, 0.5, 2.0])

    def ask(penalty, best, share):
        return theory.self_distillation_error(theory.Ridge(eigenvalues, penalty, best), share)

    at = (0.3, 0.7, 0.4)
    assert float(jax.jit(ask)(*at)) == pytest.approx(ask(*at), rel=1e-14)
    for place, slope in enumerate(jax.grad(ask, argnums=(0, 1, 2))(*at)):
        up, down = (tuple(x + sign * 1e-6 * (place == k) for k, x in enumerate(at)) for sign in (1, -1))
        assert float(slope) == pytest.approx((ask(*up) - ask(*down)) / 2e-6, rel=1e-6)
    best = jax.jit(lambda penalty, best: theory.best_distillation(theory.Ridge(eigenvalues, penalty, best)))(0.3, 0.7)
    assert [float(each) for each in best] == pytest.approx(
        [float(each) for each in theory.best_distillation(theory.Ridge(eigenvalues, 0.3, 0.7))]
    )
    for bad in ((-0.3, 0.7, 0.4), (0.3, 0.0, 0.4)):
        assert math.isnan(float(jax.jit(ask)(*bad)))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: theory.Ridge([], 1, 1), "eigenvalues"),
        (lambda: theory.Ridge([0.0, 0.0], 1, 1), "eigenvalues"),
        (lambda: theory.Ridge([-1.0], 1, 1), "eigenvalues"),
        (lambda: theory.Ridge([1.0], 0, 1), "penalty"),
        (lambda: theory.Ridge([1.0], 1, -1), "best"),
        (lambda: theory.Ridge([1.0], 1, 1, -1), "label_noise"),
        (lambda: theory.Ridge([1.0, 2.0], np.array([1.0, 2.0]), 1), "penalty"),
        (lambda: theory.best_distillation(3), "Ridge"),
        (lambda: theory.self_distillation_error(theory.Ridge([1.0], 1, 1), [0.1, 0.2]), "share"),
        (lambda: theory.self_distillation_error(theory.Ridge([1.0], 1, 1), math.nan), "share"),
        (lambda: theory.best_penalty(0, 5, 1.0), "dimension"),
        (lambda: theory.best_penalty(5, 5, 0.0), "signal"),
    ],
)
def test_refusals(call, told):
    with pytest.raises(theory.InputError, match=told) as found:
        call()
    assert "\n" not in str(found.value)
