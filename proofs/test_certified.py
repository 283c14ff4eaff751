"""Retraining on infinitely many samples: what a generation keeps is at most the certified rate, and alpha for a right model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.simulate import refitted as lived
from modelcollapse.theory.certified import CERTIFIED
from modelcollapse.theory.symbols import alpha, gc, mh
from modelcollapse.trials.selection import misfit

GRID = np.linspace(-40, 40, 16001)
LOGISTIC = 1 / (4 * np.cosh(GRID / 2) ** 2)


def normal(scale: float, middle: float = 0.0) -> np.ndarray:
    return np.exp(-(((GRID - middle) / scale) ** 2) / 2) / scale / np.sqrt(2 * np.pi)


def refitted(density: np.ndarray, start: float, weight: float, corrector: float = 0.0) -> float:
    """The place of the logistic law that fits best the data and its own samples, by bisection of the slope."""
    own = np.interp(GRID - start, GRID, LOGISTIC)
    drawn = (own + corrector * LOGISTIC) / (1 + corrector)
    low, high = -5.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        slope = (np.tanh((GRID - middle) / 2) * (density + weight * drawn)).sum()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return middle


@pytest.mark.parametrize("scale", [0.0, 0.7, 1.0, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_logistic_law_fitted_to_another(scale, share):
    """Exactly mu alpha/(1 - alpha + mu alpha) with mu = I/H, below the rate that knows the misfit alone."""
    density = normal(scale) if scale else LOGISTIC
    start = 1e-3
    for corrector in (0.0, 1.0):
        found = refitted(density, start, share / (1 - share), corrector) / start
        ratio = (1 / 3) / ((density / (2 * np.cosh(GRID / 2) ** 2)).sum() * (GRID[1] - GRID[0]))
        wanted = CERTIFIED.derivation[1].expression.subs({alpha: share, mh: ratio, gc: corrector})
        assert found == pytest.approx(float(wanted), rel=1e-4)
        rate = theory.contraction_upper_bound(share, misfit(scale), corrector)
        assert found <= rate * (1 + 1e-4) < 1
        if scale == 0:
            assert found == pytest.approx(share / (1 + corrector), rel=1e-4)
            assert rate == pytest.approx(share / (1 + corrector), rel=1e-3)


def mixture(at: jax.Array, x: jax.Array) -> jax.Array:
    """Log density of two normal laws of variance 1 with the middles ``at``."""
    return jax.scipy.special.logsumexp(-((x - at) ** 2) / 2) - np.log(2 * np.sqrt(2 * np.pi))


def test_two_normal_laws_fitted_to_two_others():
    """In two dimensions, by the Hessians of all points: every direction, at shares that no series allows; and it comes back."""
    data = 0.5 * normal(1.6, -2.0) + 0.5 * normal(0.8, 2.2)
    points, step = jnp.asarray(GRID[::16]), (GRID[1] - GRID[0]) * 16
    data = jnp.asarray(data[::16])

    @jax.jit
    def slopes(at, law):
        each = jax.vmap(jax.grad(mixture), (None, 0))(at, points)
        curved = jax.vmap(jax.hessian(mixture), (None, 0))(at, points)
        return (law[:, None] * each).sum(0) * step, -(law[:, None, None] * curved).sum(0) * step

    def fit(at, law):
        for _ in range(15):
            slope, curvature = slopes(at, law)
            at = at + jnp.linalg.solve(curvature, slope)
        return at

    def own(at):
        return jnp.exp(jax.vmap(mixture, (None, 0))(at, points))

    best = fit(jnp.array([-2.0, 2.0]), data)
    curvature, information = slopes(best, data)[1], slopes(best, own(best))[1]
    root = np.linalg.inv(np.linalg.cholesky(curvature))
    ratios = np.linalg.eigvalsh(root @ information @ root.T)
    hessians = jax.vmap(jax.hessian(mixture), (None, 0))(best, points)
    lipschitz = float(jnp.linalg.norm(jnp.diff(hessians, axis=0), ord=2, axis=(1, 2)).max()) / step
    apart = float(jnp.abs(jnp.cumsum(data - own(best))).sum()) * step**2  # Wasserstein distance on a line
    excess = lipschitz * apart / np.linalg.eigvalsh(curvature)[0]
    assert 1 < ratios[-1] < 1 + excess
    for share in (0.2, 0.5, 0.95):
        weight = share / (1 - share)
        moved = [fit(best, data + weight * own(best + 1e-3 * each)) - best for each in np.eye(2)]
        factors = np.abs(np.linalg.eigvals(np.stack(moved, axis=1) / 1e-3))
        wanted = share * ratios / (1 - share + share * ratios)
        np.testing.assert_allclose(np.sort(factors), wanted, rtol=2e-3)
        assert factors.max() < theory.contraction_upper_bound(share, excess) < 1
    at = best + jnp.array([0.3, -0.2])
    for _ in range(12):
        at = fit(at, data + own(at))
    half = theory.contraction_upper_bound(0.5, excess)
    assert jnp.linalg.norm(at - best) < 2 * half**12


@given(st.floats(0, 0.999), st.floats(0, 100), st.floats(0, 10))
@settings(max_examples=30, deadline=None)
def test_the_rate(share, excess, corrector):
    """Below one; alpha with no excess; at most what a Neumann series gives; rises with each but the corrector."""
    rate = theory.contraction_upper_bound(share, excess, corrector)
    assert 0 <= rate < 1
    assert rate == pytest.approx(share * (1 + excess) / (1 + share * excess) / (1 + corrector), rel=1e-14)
    assert theory.contraction_upper_bound(share) == pytest.approx(share, rel=1e-15)
    weight = share / (1 - share) * (1 + excess)
    if weight < 1:
        assert rate * (1 + corrector) <= weight / (1 - weight) * (1 + 1e-12)
    assert theory.contraction_upper_bound(share, excess + 1, corrector) >= rate
    assert theory.contraction_upper_bound(share, excess, corrector + 1) <= rate


def test_arrays_slopes_and_what_is_refused():
    np.testing.assert_allclose(theory.contraction_upper_bound(np.array([0.2, 0.4]), 1.0), [1 / 3, 4 / 7], rtol=1e-15)
    assert jax.jit(jax.grad(theory.contraction_upper_bound))(0.4, 1.0) == pytest.approx(2 / 1.4**2, rel=1e-12)
    assert jnp.isnan(jax.jit(theory.contraction_upper_bound)(1.0, 0.0))
    for bad, named in (((1.0,), "share"), ((-0.1,), "share"), ((0.5, -1), "excess"), ((0.5, 0, -1), "corrector")):
        with pytest.raises(theory.InputError, match=named):
            theory.contraction_upper_bound(*bad)


@pytest.mark.parametrize("start", [0.1, 0.7])
def test_of_one_real_point_and_one_of_the_model_the_fit_is_their_middle(start):
    """By hand, of every draw: tanh is odd, so that half of the distance is kept."""
    kept = lived.kept(jax.random.key(3), 0.0, start, real=1, synthetic=1, chains=60)
    np.testing.assert_allclose(kept, 0.5, rtol=1e-9)
