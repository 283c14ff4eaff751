"""Factors, equations and fits of points, against NumPy in double precision; and two programs beside each other."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse import simulate, theory
from modelcollapse.simulate import kernel, linear, subsample
from modelcollapse.simulate.logarithm import log
from modelcollapse.simulate.stream import packed, start, words

SIDES = [1, 2, 5, linear.WRITTEN_OUT, linear.WRITTEN_OUT + 1, 40]


@pytest.mark.parametrize("side", SIDES)
def test_factors_and_solutions_of_many_matrices_are_those_of_each(side: int) -> None:
    rng = np.random.default_rng(side)
    rows = rng.normal(size=(5, 2 * side, side))
    matrices, right = np.swapaxes(rows, 1, 2) @ rows, rng.normal(size=(5, side))
    upper = np.triu(np.full((side, side), np.nan), 1)  # which is not to be read
    expected = np.linalg.cholesky(matrices)
    for factor in (linear.cholesky, jax.vmap(linear.cholesky)):
        found = (
            factor(jnp.asarray(matrices[0] + upper))[None]
            if factor is linear.cholesky
            else factor(jnp.asarray(matrices + upper))
        )
        np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-9, atol=1e-12)
    triangles = np.asarray(jax.vmap(linear.triangle)(jnp.asarray(rows)))
    assert np.all(np.triu(triangles, 1) == 0)
    np.testing.assert_allclose(triangles @ np.swapaxes(triangles, 1, 2), matrices, rtol=1e-10, atol=1e-10)
    for solve, factors in ((linear.forward, expected), (linear.backward, np.swapaxes(expected, 1, 2))):
        x = np.asarray(jax.vmap(solve)(jnp.asarray(expected), jnp.asarray(right)))
        np.testing.assert_allclose((factors @ x[..., None])[..., 0], right, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 10, 15, 16, 17, 31, 40, 100])
def test_a_product_with_itself_is_right_below_the_diagonal(columns: int) -> None:
    rows = np.random.default_rng(columns).normal(size=(3, 24, columns))
    expected = np.tril(np.swapaxes(rows, 1, 2) @ rows)
    np.testing.assert_allclose(np.tril(jax.vmap(linear.gram)(jnp.asarray(rows))), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.tril(linear.gram(jnp.asarray(rows[0]))), expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("double", [False, True])
def test_logarithms_of_positive_numbers_are_right_to_the_last_digit(double: bool) -> None:
    rng = np.random.default_rng(0)
    kind = np.float64 if double else np.float32
    near = 1 + np.linspace(-1e-6, 1e-6, 4001)
    x = np.concatenate(
        [np.exp(rng.uniform(-80, 80, 20_000)), rng.random(20_000) + 1e-9, near, 2.0 ** np.arange(-50, 50)]
    )
    if double:
        x = np.concatenate([x, [np.finfo(float).tiny, np.finfo(float).max, 2.0**-53, 1 - 2.0**-53]])
    x = x.astype(kind)
    exact = np.log(x.astype(np.longdouble))
    with jax.enable_x64(double):
        found = np.asarray(jax.jit(log)(jnp.asarray(x)))
    assert found.dtype == kind
    off = np.abs(found.astype(np.longdouble) - exact)
    assert np.all(off <= (1.0 if double else 4.0) * np.spacing(np.abs(exact).astype(kind)).astype(np.longdouble))


def test_points_are_laid_where_they_belong() -> None:
    pools, new = np.zeros((3, 10, 2)), np.arange(3 * 4 * 2.0).reshape(3, 4, 2) + 1
    for offsets in (np.int32(5), np.array([0, 3, 6], np.int32)):
        expected = pools.copy()
        for chain in range(3):
            at = np.broadcast_to(offsets, 3)[chain]
            expected[chain, at : at + 4] = new[chain]
        axis = 0 if np.ndim(offsets) else None
        found = jax.jit(jax.vmap(subsample.laid, in_axes=(0, 0, axis)))(pools, new, offsets)
        np.testing.assert_array_equal(found, expected)


def test_programs_with_large_factors_run_beside_each_other() -> None:
    """Whole batches of them wait for each other for ever; in a process that can be stopped."""
    script = (
        "import jax, jax.numpy as jnp, numpy as np\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from modelcollapse.simulate import linear\n"
        "a = np.random.default_rng(0).normal(size=(64, 120, 60)).astype(np.float32)\n"
        "many = jax.jit(jax.vmap(lambda x: linear.cholesky(x.T @ x) + linear.triangle(x)))\n"
        "once = lambda _: jax.block_until_ready(many(a))\n"
        "once(0)\n"
        "with ThreadPoolExecutor(2) as threads: list(threads.map(once, range(60)))\n"
        "print('done')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], timeout=120, capture_output=True, text=True, check=True)
    assert ran.stdout == "done\n"


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("points", [2, 3, 4, 5, 9, 40])
def test_a_fit_on_points_has_their_mean_and_covariance(points: int, unbiased: bool) -> None:
    """Fewer than coordinates, as many, more, and many more; far from 0, and nearly without one direction."""
    f = theory.Gaussian(4, unbiased=unbiased)
    samples = np.random.default_rng(points).normal(size=(points, 4)) * [1, 1e-3, 2, 1] + [5, -3, 0, 100]
    fit = kernel.fit(f, jnp.asarray(samples))
    np.testing.assert_allclose(fit.mean, samples.mean(axis=0), rtol=1e-12)
    covariance = np.cov(samples.T, bias=not unbiased)
    np.testing.assert_allclose(fit.factor @ fit.factor.T, covariance, rtol=1e-8, atol=1e-12)
    expected = np.linalg.slogdet(covariance)[1] / 4 if points > 4 else -np.inf
    np.testing.assert_allclose(fit.log_variance, expected, rtol=1e-8)
    assert np.all(np.asarray(fit.factor)[:, points:] == 0)  # so that points of it can be drawn by fewer numbers


@pytest.mark.parametrize(("dimension", "train"), [(5, 3), (3, 7), (2, 40)])
def test_subsampled_points_agree_with_theory_in_any_dimension(dimension: int, train: int) -> None:
    """Singular fits, of which the next points need fewer numbers; factors by QR; and by Cholesky."""
    f, w = theory.Gaussian(dimension), theory.AccumulateSubsample(train, train)
    t = simulate.chains(f, w, 6, 4000, jax.random.key(3))
    assert np.all(np.isneginf(t.observables["log_variance"])) == (train <= dimension)
    m = np.arange(1, 7)
    verdict = simulate.agree(t, {"error": theory.error(f, w, m), "diversity": theory.diversity(f, w, m)}, 1e-6)
    assert verdict, str(verdict)


@pytest.mark.parametrize("single", [False, True])
def test_a_bootstrap_of_a_few_points_is_singular_and_a_number(single: bool) -> None:
    """Five points drawn from five are often no more than two different ones: a line, in two dimensions."""
    f, w = theory.Gaussian(2), theory.AccumulateSubsample(5, 5, replacement=True)
    with jax.enable_x64(not single):
        t = simulate.chains(f, w, 4, 4000, jax.random.key(3))
        assert not any(np.isnan(values).any() for values in t.observables.values())
        m = np.arange(1, 5)
        verdict = simulate.agree(t, {"error": theory.error(f, w, m), "diversity": theory.diversity(f, w, m)}, 1e-6)
    assert verdict, str(verdict)


@pytest.mark.parametrize("size", [1, 5, 40, 1001])
def test_packed_words_are_both_words_of_each_place(size: int) -> None:
    stream = start(jax.random.key(7), 3)
    both = np.stack(words(stream, ((size + 1) // 2,), 11), axis=1).reshape(-1)[:size]
    assert np.asarray(packed(stream, size, 11)).tolist() == both.tolist()
    assert np.asarray(jax.jit(lambda at: packed(stream, size, at))(11)).tolist() == both.tolist()
