"""Gaussians with unbiased variance under every workflow: two roads to each recursion, and points fitted one by one."""

from __future__ import annotations

from fractions import Fraction

import jax
import mpmath
import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.theory import unbiased

CHAINS = 20_000
GAUSSIAN = theory.Gaussian(2, 3.0, unbiased=True)
THIRD = Fraction(1, 3)
EVERY = (
    theory.FixedReal(5, 7),
    theory.FreshReal(5, 7),
    theory.FreshReal(5, 7, weight=THIRD),
    theory.Accumulate(5, 7),
    theory.AccumulateSubsample(9, 7, train=4),
    theory.AccumulateSubsample(9, 7, train=4, replacement=True),
    theory.RandomPast(6),
)


# --- the recursions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workflow", EVERY, ids=repr)
def test_laws_are_the_workflow_algebra(workflow):
    """A law of two numbers, and the covariance of all batches in fractions: derived apart, the same."""
    error, spread = unbiased.moments(workflow, 7, exactly=True)
    assert all(isinstance(each, Fraction) for each in (*error, *spread))
    when = np.arange(1, 8)
    np.testing.assert_allclose(theory.gain(GAUSSIAN, workflow, when) / workflow.real, error.astype(float), rtol=1e-13)
    np.testing.assert_allclose(theory.diversity(GAUSSIAN, workflow, when), spread.astype(float), rtol=1e-13)


def test_replace_loses_no_mean_variance():
    """Where theorems of their own answer, the algebra says the same: m/n, and 1 for ever."""
    error, spread = unbiased.moments(theory.Replace((4, 9), real=7), 3, exactly=True)
    assert list(error) == [
        Fraction(1, 7),
        Fraction(1, 7) + Fraction(1, 4),
        Fraction(1, 7) + Fraction(1, 4) + Fraction(1, 9),
    ]
    assert set(spread) == {1}
    np.testing.assert_allclose(
        theory.error(GAUSSIAN, theory.Replace((4, 9), real=7), [1, 2, 3]), 6 * error.astype(float), rtol=1e-14
    )


def test_a_window_of_one_is_replace_and_of_all_is_the_random_past():
    when = np.arange(1, 9)
    for models, like in ((1, theory.Replace(6)), (9, theory.RandomPast(6))):
        window = theory.SlidingWindow(6, models)
        for question in (theory.error, theory.diversity):
            np.testing.assert_allclose(question(GAUSSIAN, window, when), question(GAUSSIAN, like, when), rtol=1e-13)


@pytest.mark.parametrize(("size", "settled"), [(10, 0.93514), (100, 0.99355), (1000, 0.99936)])
def test_all_data_kept(size, settled):
    """prod (1 - 1/(k(nk-1))) -> Gamma(2-1/n)/(Gamma(2-k+) Gamma(2-k-)), k+- = (1 +- sqrt(1+4n))/(2n)."""
    workflow = theory.Accumulate(size, size)
    ratio = np.cumprod([1.0, *(1 - 1 / (k * (size * k - 1)) for k in range(2, 60))])
    np.testing.assert_allclose(theory.diversity(GAUSSIAN, workflow, np.arange(1, 60)), ratio, rtol=1e-13)
    with mpmath.workdps(30):
        roots = [(1 + sign * mpmath.sqrt(1 + 4 * size)) / (2 * size) for sign in (1, -1)]
        limit = mpmath.gamma(2 - mpmath.mpf(1) / size) / mpmath.fprod(mpmath.gamma(2 - each) for each in roots)
    assert abs(limit - settled) < 5e-6
    late = theory.diversity(GAUSSIAN, workflow, 20_000)
    assert 0 < late - float(limit) < 1.1 * float(limit) / (size * 20_000)  # what is left of the sum of 1/(n k^2)


@pytest.mark.parametrize(
    "workflow",
    [theory.FixedReal(20, 10), theory.FixedReal(10, 1000), theory.FreshReal(9, 4), theory.FreshReal(9, 4, 0.4)],
    ids=repr,
)
def test_limits(workflow):
    """Where the recursion arrives; pooled, U = N (V - T)/(N - 1), below V with kept real data, above with new."""
    late = 2000
    gain, spread = theory.gain(GAUSSIAN, workflow, late), theory.diversity(GAUSSIAN, workflow, late)
    assert theory.gain_limit(GAUSSIAN, workflow) == pytest.approx(gain, rel=1e-9)
    if getattr(workflow, "weight", None) is None:
        size = workflow.real
        assert spread == pytest.approx(size * (1 - gain / size) / (size - 1), rel=1e-9)
        assert (spread < 1) == isinstance(workflow, theory.FixedReal)


def test_limits_of_accumulate_and_of_what_never_settles():
    """A functional that is conserved, against a late generation; the pool of a subsample grows like m^(1/M)."""
    found = theory.gain_limit(GAUSSIAN, theory.Accumulate(10, 10))
    late = theory.gain(GAUSSIAN, theory.Accumulate(10, 10), [10_000, 20_000])
    assert found == pytest.approx(2 * late[1] - late[0], rel=1e-7)  # what is left falls like 1/m
    for workflow in (theory.AccumulateSubsample(9, 7, train=4), theory.RandomPast(4), theory.SlidingWindow(4, 3)):
        assert theory.gain_limit(GAUSSIAN, workflow) == np.inf
    for workflow in (theory.AccumulateSubsample(9, 7, train=4), theory.RandomPast(4)):
        first, second = theory.diversity(GAUSSIAN, workflow, [10_000, 20_000])
        assert np.log2(second / first) == pytest.approx(1 / 4, rel=1e-3)
    assert theory.gain_limit(GAUSSIAN, theory.FreshReal(5, 7, weight=0.05)) == np.inf  # less than its share of noise
    assert theory.gain(GAUSSIAN, theory.FreshReal(5, 7, weight=0.05), 2000) > 1e8


def test_at_all_sizes_nothing_is_lost():
    """A billion samples and a million generations: between the two ends, and near the leading order."""
    for workflow in (theory.FixedReal(10**9, 10**9), theory.FreshReal(10**9, 10**9)):
        late, limit = theory.gain(GAUSSIAN, workflow, 10**4), theory.gain_limit(GAUSSIAN, workflow)
        assert late == pytest.approx(limit, rel=1e-12)
    assert theory.gain_limit(GAUSSIAN, theory.FixedReal(10**9, 10**9)) == pytest.approx(4 / 3, rel=1e-8)
    assert theory.gain_limit(GAUSSIAN, theory.FreshReal(10**9, 10**9)) == pytest.approx(2 / 3, rel=1e-8)
    assert theory.gain_limit(GAUSSIAN, theory.Accumulate(10**9, 10**9)) == pytest.approx(np.pi**2 / 6, rel=1e-8)


# --- points ------------------------------------------------------------------------------------------------------


def drawn(workflow, generations, seed):
    """Squared errors and variances (chain, generation) of models fitted to points, by numpy.var with ddof=1."""
    generator = np.random.default_rng(seed)
    real = generator.normal(size=(CHAINS, workflow.real))
    kept = data = real
    errors, spreads = [], []
    for generation in range(generations):
        if generation:
            new = mean[:, None] + np.sqrt(spread)[:, None] * generator.normal(size=(CHAINS, workflow.synthetic))  # noqa: F821
            if isinstance(workflow, theory.FreshReal):
                kept = generator.normal(size=(CHAINS, workflow.real))
            data = np.concatenate([kept, new], axis=1)
            if isinstance(workflow, theory.Accumulate | theory.AccumulateSubsample):
                kept = data
        if isinstance(workflow, theory.AccumulateSubsample):
            kept = data
            data = generator.permuted(data, axis=1)[:, : workflow.train]
        mean, spread = data.mean(axis=1), data.var(axis=1, ddof=1)
        errors.append(mean**2)
        spreads.append(spread)
    return np.stack(errors, axis=1), np.stack(spreads, axis=1)


@pytest.mark.parametrize(
    "workflow",
    [
        theory.FixedReal(6, 14),
        theory.FreshReal(6, 14),
        theory.Accumulate(6, 5),
        theory.AccumulateSubsample(9, 7, train=6),
    ],
    ids=repr,
)
def test_points_agree(workflow):
    """Every point drawn, every variance with divisor n - 1."""
    errors, spreads = drawn(workflow, 5, seed=7)
    line, when = theory.Gaussian(unbiased=True), np.arange(1, 6)
    scores = [
        standard_scores(errors, theory.error(line, workflow, when)),
        standard_scores(spreads, theory.diversity(line, workflow, when)),
    ]
    assert np.abs(scores).max() < threshold(4 * 10)


# --- what is answered, and what is refused -----------------------------------------------------------------------


def test_answers_live_in_jax():
    """The recursion under jit and grad; NaN where there are no two points."""
    with jax.enable_x64(True):
        ask = jax.jit(jax.value_and_grad(lambda real: theory.error(GAUSSIAN, theory.FixedReal(real, 7.0), 9)))
        value, slope = ask(5.0)
        plain = [theory.error(GAUSSIAN, theory.FixedReal(np.array([real]), 7), 9)[0] for real in (4.99, 5.0, 5.01)]
        assert value == pytest.approx(plain[1], rel=1e-13)
        assert slope == pytest.approx((plain[2] - plain[0]) / 0.02, rel=1e-4)
        assert np.isnan(ask(1.5)[0])
    table = theory.diversity(GAUSSIAN, theory.Accumulate(5, 7).schedule(4), np.arange(5))
    np.testing.assert_allclose(table, theory.diversity(GAUSSIAN, theory.Accumulate(5, 7), np.arange(5)), rtol=1e-13)


def test_what_is_not_known_is_refused():
    with pytest.raises(theory.InputError, match="two points"):
        theory.error(GAUSSIAN, theory.FixedReal(1, 7), 1)
    with pytest.raises(theory.InputError, match="two points"):
        theory.diversity(GAUSSIAN, theory.AccumulateSubsample(9, 7, train=1), 1)
    with pytest.raises(theory.InputError, match="up to 500"):
        theory.error(GAUSSIAN, theory.SlidingWindow(4, 3), 501)
    for question in (theory.max_synthetic, theory.optimal_weight, theory.min_real):
        with pytest.raises(theory.InputError, match="divisor n"):
            question(GAUSSIAN, theory.FreshReal(9, 7))
    assert theory.explain(theory.error, GAUSSIAN, theory.FixedReal(5, 7)) is unbiased.UNBIASED
    assert theory.explain(theory.error, GAUSSIAN, theory.Replace(5)).name == "replace/equal"
