"""Regression with fewer samples than covariates: the law iterated, and pseudo-inverses of points drawn one by one."""

from __future__ import annotations

from fractions import Fraction

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold

CHAINS = 4000
FAMILY = theory.LinearRegression(20, 0.25, signal=3.0)
DESIGN = theory.LinearRegression(20, 0.25, redrawn=False, signal=3.0)


def errors(sizes, dimension, noise, signal):
    """E|w|^2 and E w.theta apart, generation by generation, in fractions."""
    square, inner, found = Fraction(signal), Fraction(signal), []
    for size in sizes:
        rank = min(size, dimension)
        share = Fraction(rank, dimension)
        square = share * square + noise * Fraction(rank, abs(size - dimension) - 1)
        inner = share * inner
        found.append(square - 2 * inner + signal)
    return found


sized = st.integers(1, 60).filter(lambda size: abs(size - 20) > 1)


@given(st.lists(sized, min_size=2, max_size=6).filter(lambda sizes: min(sizes) < 20))
@settings(max_examples=40, deadline=None)
def test_any_sizes_are_two_moments_iterated(sizes):
    """Of few rows and of many, in any order."""
    expected = errors(sizes, 20, Fraction(1, 4), 3)
    found = theory.error(FAMILY, theory.Replace(tuple(sizes[1:]), real=sizes[0]), np.arange(len(sizes) + 1))
    np.testing.assert_allclose(found, [0, *map(float, expected)], rtol=1e-13)
    if min(sizes[:2]) < 20:
        alike = [sizes[0], *[sizes[1]] * 7]
        found = theory.error(FAMILY, theory.Replace(sizes[1], real=sizes[0]), np.arange(1, 9))
        np.testing.assert_allclose(found, [float(each) for each in errors(alike, 20, Fraction(1, 4), 3)], rtol=1e-13)


@pytest.mark.parametrize(("size", "dimension"), [(1, 3), (8, 20), (1, 10**9), (10**9 - 2, 10**9), (10**6, 10**9)])
@pytest.mark.parametrize("when", [1, 12, 10**6])
def test_closed_form_keeps_its_digits(size, dimension, when):
    """(1 - (n/d)^m) (|theta|^2 + sigma^2 n d/((d-n)(d-n-1))), also where n/d is 1 less 2e-9."""
    with mpmath.workdps(60):
        n, d = mpmath.mpf(size), mpmath.mpf(dimension)
        expected = (1 - (n / d) ** when) * (3 + n * d / (4 * (d - n) * (d - n - 1)))
    f = theory.LinearRegression(dimension, 0.25, signal=3.0)
    assert theory.error(f, theory.Replace(size), when) == pytest.approx(float(expected), rel=1e-13)


def test_without_noise_the_signal_is_lost_exponentially():
    """|theta|^2 (1 - (n/d)^m), all of it in the end."""
    quiet = theory.LinearRegression(20, 1e-12, signal=3.0)
    found = theory.error(quiet, theory.Replace(8), np.arange(30))
    np.testing.assert_allclose(found, 3 * (1 - 0.4 ** np.arange(30)), rtol=1e-9)
    assert theory.gain_limit(quiet, theory.Replace(8)) * quiet.v / 8 == pytest.approx(3, rel=1e-9)
    assert theory.gain_limit(FAMILY, theory.Replace(30, real=8)) == np.inf  # many rows pass everything on
    for family, workflow in (
        (FAMILY, theory.Replace(8)),
        (DESIGN, theory.Accumulate(8, 8)),
        (DESIGN, theory.FreshReal(8, 8)),
    ):
        late = theory.gain(family, workflow, 10**6)
        assert theory.gain_limit(family, workflow) == pytest.approx(late, rel=1e-5)


# --- points ------------------------------------------------------------------------------------------------------


def drawn(family, workflow, generations, seed):
    """Squared errors (chain, generation) of pseudo-inverses of all rows, relabelled by the newest model."""
    generator = np.random.default_rng(seed)
    d = family.dimension
    theta = generator.normal(size=d)
    theta *= family.signal**0.5 / np.linalg.norm(theta)

    def covariates(size):
        return generator.normal(size=(CHAINS, size, d))

    def labels(x, model):
        return np.einsum("cnd,cd->cn", x, model) + family.noise**0.5 * generator.normal(size=x.shape[:2])

    model = np.broadcast_to(theta, (CHAINS, d))
    design, all_x, all_y, seen = covariates(workflow.real), [], [], []
    sizes = workflow.sizes(generations) if isinstance(workflow, theory.Replace) else [workflow.real] * generations
    for size in sizes:
        x = covariates(size) if family.redrawn else design
        y = labels(x, model)
        if isinstance(workflow, theory.Accumulate):
            all_x, all_y = [*all_x, x], [*all_y, y]
        elif isinstance(workflow, theory.FixedReal):
            all_x, all_y = [*all_x[:1], x], [*all_y[:1], y]
        else:
            all_x, all_y = [x], [y]
        inverse = np.linalg.pinv(np.concatenate(all_x, axis=1), rcond=1e-9)
        model = np.einsum("cdn,cn->cd", inverse, np.concatenate(all_y, axis=1))
        seen.append(((model - theta) ** 2).sum(axis=1))
    return np.stack(seen, axis=1)


@pytest.mark.parametrize(
    ("family", "workflow"),
    [
        (FAMILY, theory.Replace(8, real=6)),
        (FAMILY, theory.Replace((5, 34, 10), real=30)),
        (DESIGN, theory.Replace(8)),
        (DESIGN, theory.Accumulate(8, 8)),
        (DESIGN, theory.FixedReal(8, 8)),
    ],
    ids=repr,
)
def test_points_agree(family, workflow):
    """numpy.linalg.pinv, as published code has it."""
    seen = drawn(family, workflow, 4, seed=3)
    scores = standard_scores(seen, theory.error(family, workflow, np.arange(1, 5)))
    assert np.abs(scores).max() < threshold(5 * 4)


# --- what is answered, and what is refused -----------------------------------------------------------------------


def test_the_peak_is_refused():
    """As many samples as covariates, or one off: the expected error is infinite, on either side of the peak."""
    for size in (19, 20, 21):
        with pytest.raises(theory.InputError, match=r"dimension.*infinite"):
            theory.error(FAMILY, theory.Replace(size), 1)
        with pytest.raises(theory.InputError, match=r"dimension.*infinite"):
            theory.error(FAMILY, theory.Replace(8, real=size), 2)
    for size in (18, 22):
        assert np.isfinite(theory.error(FAMILY, theory.Replace(size), 1))
    for workflow in (theory.Accumulate(8, 8), theory.FixedReal(8, 30), theory.FreshReal(8, 8)):
        with pytest.raises(theory.InputError, match="Replace"):
            theory.error(FAMILY, workflow, 2)
    with pytest.raises(theory.InputError, match="equal sizes"):
        theory.error(theory.LinearRegression(20, redrawn=False), theory.FixedReal(30, 8), 2)
    with pytest.raises(theory.InputError, match="signal"):
        theory.LinearRegression(20, signal=0)


def test_answers_live_in_jax():
    """By noise and signal the slope is right; sizes choose a formula, so they are static there."""
    with jax.enable_x64(True):

        def error(noise, signal):
            return theory.error(theory.LinearRegression(20, noise, signal=signal), theory.Replace(8), 3)

        ask = jax.jit(jax.grad(error, (0, 1)))
        noise, signal = ask(0.25, 3.0)
    assert signal == pytest.approx(1 - 0.4**3, rel=1e-13)
    assert noise == pytest.approx((1 - 0.4**3) * 8 * 20 / (12 * 11), rel=1e-13)
    assert np.all(theory.diversity(FAMILY, theory.Replace(8), np.arange(4)) == 1)
    assert theory.error(FAMILY, theory.Replace(np.array([8.0, 30.0])), 3).shape == (2,)
