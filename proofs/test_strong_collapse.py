"""Models of some covariates, real and shifted labels: other derivations in fractions, and points fitted one by one."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.theory import strong_collapse
from modelcollapse.theory.symbols import alpha, shift_in, signal_out

RANGE = st.one_of(st.integers(0, 40), st.sampled_from([10**3, 10**6 + 7, 10**9 - 1, 10**9]))


def below(rows: int, synthetic: int, k: int) -> Fraction:
    """What is passed on below the threshold by zonal polynomials: moments of a matrix Beta law, not solved for."""
    if k == 1:
        return Fraction(synthetic * (synthetic + 2), rows * (rows + 2))
    a, b = Fraction(rows - 1, rows - k - 1), Fraction(-1, rows - k - 1)
    second = Fraction(synthetic * (synthetic + 2) * (k * k + 2 * k), 3 * rows * (rows + 2))
    first = Fraction(2 * synthetic * (synthetic - 1) * (k * k - k), 3 * rows * (rows - 1))
    return (a * (second - first / 2) + b * (second + first)) / k


def beyond(rows: int, synthetic: int, k: int) -> Fraction:
    """Beyond it by the Schur complement of the real rows, a Wishart matrix apart from the rest of the synthetic block."""
    return Fraction(synthetic, k) * (1 + Fraction(rows - synthetic, k - rows - 1))


def parts(d, real, synthetic, k, noise, signal, shift, label_noise, seen):
    """The five numbers in fractions; None where they are infinite."""
    rows = real + synthetic
    left, few = 1 - seen, k < rows
    if k == 0:
        return signal, Fraction(0), Fraction(0), Fraction(0), Fraction(0)
    if abs(rows - k) <= 1:
        return None
    label = Fraction(real + synthetic * label_noise) / rows * noise + left * signal
    spread = Fraction(min(rows, k), abs(rows - k) - 1)
    passed = below(rows, synthetic, k) if few else beyond(rows, synthetic, k)
    harm = passed * seen * shift + Fraction(synthetic, rows) * left * shift * spread
    return left * signal, Fraction(0) if few else Fraction(k - rows, k) * seen * signal, label * spread, harm, passed


def seen_by(k: int, d: int, decay: int) -> Fraction:
    """The share of the squares of the first k covariates."""
    return (
        Fraction(k, d)
        if decay == 0
        else sum(Fraction(1, j**decay) for j in range(1, k + 1)) / sum(Fraction(1, j**decay) for j in range(1, d + 1))
    )


@given(RANGE, RANGE, RANGE, RANGE, st.sampled_from([0, 1, 2]))
@settings(max_examples=150, deadline=None)
def test_every_part_is_that_of_the_other_derivations(real, synthetic, k, more, decay):
    """In fractions, at every size up to 10^9, with labels of one kind only and none of the other."""
    d = max(k + more, 1)
    assume(real + synthetic > 0 and (decay == 0 or d <= 100))
    f, source = theory.LinearRegression(d, 0.5, signal=3.0), theory.Source(0.25, 1.5)
    found = theory.strong_collapse_error(f, real, synthetic, k, source, decay)
    expected = parts(
        d, real, synthetic, k, Fraction(1, 2), Fraction(3), Fraction(2 * d), Fraction(3, 2), seen_by(k, d, decay)
    )
    if expected is None:
        assert math.isinf(found.error) and math.isinf(found.noise)
        return
    assert found[1:] == pytest.approx([float(each) for each in expected], rel=1e-12)
    assert found.error == pytest.approx(float(sum(expected[:4])), rel=1e-12)


@pytest.mark.parametrize("size", [3, 12, 60])
def test_with_real_labels_and_all_covariates_it_is_one_fit(size):
    """The first model of another theorem, of least norm too."""
    f = theory.LinearRegression(20, 0.3, signal=2.0)
    found = theory.strong_collapse_error(f, size, 0, 20, theory.Source(0.0))
    assert found.error == pytest.approx(theory.error(f, theory.Replace(size), 1), rel=1e-13)
    assert found.shift == found.passed_on == 0


@given(st.integers(1, 30), st.integers(1, 30), st.integers(3, 90))
@settings(max_examples=40, deadline=None)
def test_size_amplifies_up_to_the_threshold_and_mitigates_beyond(real, synthetic, d):
    """More than the floor at every size below; the synthetic labels' part of the error falls beyond."""
    f, rows, sizes = theory.LinearRegression(d), real + synthetic, np.arange(1, d + 1)
    found = theory.strong_collapse_error(f, real, synthetic, sizes, theory.Source(2.0))
    small, large = sizes <= rows - 2, sizes >= rows + 2
    assert np.all(np.diff(found.passed_on[small]) > 0) and np.all(np.diff(found.passed_on[large]) < 0)
    assert np.all(found.passed_on[small] > (synthetic / rows) ** 2)
    assert np.all(np.diff(found.shift[large]) < 0)
    assert np.all(np.isinf(found.error) == (abs(sizes - rows) <= 1))


def test_floor_and_proportion():
    """With ever more labels alpha^2 of what is off, that of a contaminated mean; in proportion phi/(1-phi) more."""
    f, source = theory.LinearRegression(50, 2.0, signal=7.0), theory.Source(8.0)
    settled = strong_collapse.STRONG_COLLAPSE.derived.limit
    assert settled == signal_out + alpha**2 * shift_in
    for k in (10, 50):
        found = theory.strong_collapse_error(f, 7 * 10**9, 3 * 10**9, k, source).error
        assert found == pytest.approx((1 - k / 50) * 7 + 0.09 * k / 50 * 100 / 8, rel=1e-6)
    assert found == pytest.approx(theory.contamination(source, 0.3).floor * f.v, rel=1e-6)
    many = 10**9
    for phi, expected in (
        (0.2, 0.09 + 0.21 / 4),
        (0.9, 0.09 + 0.21 * 9),
        (1.5, 0.3 * 1.2 / 0.75),
        (20.0, 0.3 * 19.7 / 380),
    ):
        k = round(phi * many)
        found = theory.strong_collapse_error(theory.LinearRegression(k), 7 * 10**8, 3 * 10**8, k, source)
        assert found.passed_on == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("share", "rises"), [(0.85, True), (0.86, False)])
def test_all_harm_rises_up_to_the_threshold_for_shares_below_a_number(share, rises):
    """(2 + sqrt 2)/4, in proportion: what is not seen of the shift is noise, and vanishes as all is seen."""
    many, d = 10**7, round(0.7072 * 10**7)
    assert (share < (2 + 2**0.5) / 4) is rises
    sizes = np.concatenate([np.arange(1, 40) * (d // 40), d - np.array([20000, 10000, 1000, 0])])
    synthetic = round(share * many)
    found = theory.strong_collapse_error(
        theory.LinearRegression(d), many - synthetic, synthetic, sizes, theory.Source(2.0)
    )
    assert bool(np.all(np.diff(found.shift) >= 0)) is rises


# --- the best size -----------------------------------------------------------------------------------------------


@given(st.integers(1, 24), st.integers(0, 24), st.integers(1, 24), st.sampled_from([0, 1, 2, 3]), st.sampled_from([1, 9, 400]),
       st.sampled_from([1, 4, 64]))  # fmt: skip
@example(24, 0, 24, 1, 9, 1)  # a best size between none and all
@settings(max_examples=60, deadline=None)
def test_the_best_size_is_the_least_of_all(real, synthetic, d, decay, signal, worth):
    """In fractions, every size tried; with covariates alike it is none or all of them."""
    f, source = theory.LinearRegression(d, signal=float(signal)), theory.Source(float(worth))
    tried = [
        parts(d, real, synthetic, k, Fraction(1), Fraction(signal), Fraction(d, worth), 1, seen_by(k, d, decay))
        for k in range(d + 1)
    ]
    errors = [math.inf if each is None else sum(each[:4]) for each in tried]
    found = theory.best_model_size(f, real, synthetic, source, decay)
    assert found.error == pytest.approx(float(min(errors)), rel=1e-12)
    assert errors[found.features] == min(errors) or math.isclose(errors[found.features], min(errors), rel_tol=1e-14)
    if decay == 0:
        assert found.features in (0, d)


def test_synthetic_labels_call_for_a_smaller_model():
    """As many again as there are real ones, of a source that is off by more than they teach."""
    f, source = theory.LinearRegression(1000, signal=100.0), theory.Source(20.0)
    sizes = [theory.best_model_size(f, 200, synthetic, source, 2.0).features for synthetic in (0, 2, 20, 200)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0]


# --- points ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d", "k", "real", "synthetic", "decay"),
    [
        (12, 4, 9, 5, 1.0),
        (9, 3, 0, 13, 0.0),
        (22, 16, 4, 3, 1.3),
        (18, 18, 2, 6, 0.0),
        (16, 12, 0, 3, 2.0),
        (20, 7, 15, 2, 0.5),
    ],
)
def test_points_agree(d, k, real, synthetic, decay):
    """Labels drawn, and numpy.linalg.pinv, as published code has it."""
    generator, chains = np.random.default_rng(d), 20_000
    f, source = theory.LinearRegression(d, 0.7, signal=5.0), theory.Source(4.0, 1.6)
    lengths = np.arange(1, d + 1) ** (-decay / 2)
    lengths /= np.linalg.norm(lengths)
    theta, rows = 5**0.5 * lengths, real + synthetic
    off = (f.v / 4) ** 0.5 * lengths * generator.choice([-1, 1], size=(chains, d))
    x = generator.normal(size=(chains, rows, d))
    own = (0.7 * np.where(np.arange(rows) < real, 1, 1.6)) ** 0.5 * generator.normal(size=(chains, rows))
    shifted = np.where(np.arange(rows) < real, 0, np.einsum("crd,cd->cr", x, off))
    inverse = np.linalg.pinv(x[:, :, :k], rcond=1e-12)
    fitted = np.zeros((chains, d))
    fitted[:, :k] = np.einsum("ckr,cr->ck", inverse, x @ theta + shifted + own)
    seen = ((fitted - theta) ** 2).sum(axis=1)
    expected = theory.strong_collapse_error(f, real, synthetic, k, source, decay).error
    assert abs(standard_scores(seen, np.asarray(expected))) < threshold(6)


# --- what is answered, and what is refused -----------------------------------------------------------------------


def test_answers_live_in_jax():
    """Slopes by noise, signal, worth and sizes of sets; outside NaN."""

    def error(real, synthetic, noise, signal, worth, k=5):
        f = theory.LinearRegression(30, noise, signal=signal)
        return theory.strong_collapse_error(f, real, synthetic, k, theory.Source(worth), 1.0).error

    at = (10.0, 3.0, 0.5, 4.0, 2.0)
    with jax.enable_x64(True):
        for size in (5, 25):
            value, slopes = jax.jit(jax.value_and_grad(lambda given, k=size: error(*given, k)))(at)
            assert float(value) == pytest.approx(error(10, 3, *at[2:], size), rel=1e-13)
            for place, slope in enumerate(slopes):
                up, down = (
                    tuple(np.array(x * (1 + sign * 1e-6 * (place == j))) for j, x in enumerate(at)) for sign in (1, -1)
                )
                both = (error(*up, size) - error(*down, size)) / (2e-6 * at[place])
                assert float(slope) == pytest.approx(float(both), rel=1e-5, abs=1e-8)
        asked = jax.jit(error)
        for place, bad in ((0, -1.0), (1, -3.0), (2, -0.5), (3, -4.0), (4, -2.0)):
            assert math.isnan(float(asked(*at[:place], bad, *at[place + 1 :])))
        assert math.isnan(float(asked(0.0, 0.0, *at[2:])))
        bent = jax.jit(jax.grad(lambda given, real: error(real, 0.0, *given)))
        for real in (1.0, 10.0):
            found = bent((0.5, 4.0, 2.0), real)
            assert np.isfinite(found).all() and float(found[2]) == 0


def test_arrays_are_many_answers():
    f, source = theory.LinearRegression(30), theory.Source(np.array([2.0, math.inf, 0.0]))
    found = theory.strong_collapse_error(f, 10, 4, np.array([[0], [5], [14], [30]]), source)
    assert all(each.shape == (4, 3) for each in found)
    assert np.all(found.shift[:, 1] == 0) and np.all(np.isinf(found.shift[1:, 2])) and np.all(found.error[0] == 1)


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda f, s: theory.strong_collapse_error(theory.Poisson(1.0), 5, 5, 2, s), "LinearRegression"),
        (lambda f, s: theory.strong_collapse_error(f, 5, 5, 2, 3.0), "Source"),
        (lambda f, s: theory.strong_collapse_error(f, 0, 0, 2, s), "at least one label"),
        (lambda f, s: theory.strong_collapse_error(f, -1, 5, 2, s), "real"),
        (lambda f, s: theory.strong_collapse_error(f, 5, 5, 31, s), "features=31"),
        (lambda f, s: theory.strong_collapse_error(f, 5, 5, 2.5, s), "features=2.5"),
        (lambda f, s: theory.strong_collapse_error(f, 5, 5, 2, s, -1.0), "decay"),
        (lambda f, s: theory.strong_collapse_error(theory.LinearRegression(10**7), 5, 5, 2, s, 1.0), "decay"),
        (lambda f, s: theory.best_model_size(f, np.array([5, 6]), 5, s), "one number"),
        (lambda f, s: theory.best_model_size(f, 5, 5, 4.0), "Source"),
    ],
)
def test_refusals(call, fragment):
    with pytest.raises(theory.InputError, match=fragment) as found:
        call(theory.LinearRegression(30), theory.Source(3.0))
    assert "\n" not in str(found.value)
