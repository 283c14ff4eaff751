"""The samplers and kernels have the laws that they claim: chi-square and Kolmogorov-Smirnov, fixed keys.

Every test below raises a false alarm with probability 1e-6 (for a key not chosen by its result).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from modelcollapse import theory
from modelcollapse.simulate import chi_square, counts, kernel, sampling, sets
from modelcollapse.simulate.pool import pool
from modelcollapse.simulate.stream import (
    Stream,
    below,
    fold,
    normal,
    packed,
    pair,
    part,
    start,
    threefry,
    uniform,
    words,
)

FALSE_ALARM = 1e-6
DRAWS = 20_000
P = np.array([0.0, 0.5, 0.2, 0.0, 0.29, 0.01, 0.0])


def sampled(draw: Callable[..., Any], *arguments: Any, seed: int = 1) -> Any:
    """What DRAWS chains draw from their streams."""

    def all_chains(chains: jax.Array, *arguments: Any) -> Any:
        return jax.vmap(lambda chain: draw(start(jax.random.key(seed), chain), *arguments))(chains)

    return jax.tree.map(np.asarray, jax.jit(all_chains)(jnp.arange(DRAWS, dtype=jnp.uint32), *arguments))


def assert_law(values: np.ndarray, law: stats.rv_discrete) -> None:
    """Chi-square against a pmf, cells of at least 10 expected; nothing outside the support."""
    assert np.all(law.pmf(np.unique(values)) > 0)
    k = np.arange(int(values.max()) + 2)
    expected = DRAWS * law.pmf(k)
    big = expected >= 10
    seen = np.array([np.sum(values == each) for each in k[big]])
    seen, expected = np.append(seen, DRAWS - seen.sum()), np.append(expected[big], DRAWS - expected[big].sum())
    if expected[-1] < 10:
        seen, expected = np.append(seen[:-2], seen[-2:].sum()), np.append(expected[:-2], expected[-2:].sum())
    if len(seen) > 1:
        statistic = float(((seen - expected) ** 2 / expected).sum())
        assert stats.chi2.sf(statistic, len(seen) - 1) > FALSE_ALARM


@pytest.mark.parametrize("single", [False, True])
def test_subsamples_of_two_tokens_have_the_hypergeometric_law(single: bool) -> None:
    """Drawn one by one and at once; few, half and nearly all of the pool; more than words of 32 bits can number."""
    few = [(5, 5, 4), (3, 40, 20), (40, 3, 20), (1000, 3000, 20), (0, 9, 4), (9, 0, 4), (2, 2, 4), (10**6, 10**6, 16),
           (3000, 4000, 5)]  # fmt: skip
    many = [(3000, 4000, 600), (3000, 4000, 3500), (3000, 4000, 6600), (50, 10**6, 20_000), (10**12, 3 * 10**12, 700)]
    for most, cases in ((32, few), (2**15, many)):
        table = np.array([each for each in cases if not single or sum(each[:2]) <= 2**24], float)
        with jax.enable_x64(not single):
            draw = jax.vmap(partial(sampling.multivariate_hypergeometric, most=most), in_axes=(None, 0, 0))
            values = sampled(draw, jnp.asarray(table[:, :2]), jnp.asarray(table[:, 2]))
        for (good, bad, draws), found in zip(table, np.moveaxis(values, 1, 0), strict=True):
            assert np.all(found.sum(axis=1) == draws)
            pool = good + bad  # of so large a one no two items that are drawn are the same, and SciPy loses digits
            assert_law(
                found[:, 0], stats.binom(draws, good / pool) if pool > 10**10 else stats.hypergeom(pool, good, draws)
            )


def test_multivariate_hypergeometric_takes_what_is_there() -> None:
    counts = jnp.array([0.0, 4.0, 1.0, 9.0, 0.0])
    values = sampled(lambda key: sampling.multivariate_hypergeometric(key, counts, 6.0, 8))
    assert np.all(values.sum(axis=1) == 6)
    assert np.all(values <= np.asarray(counts))
    for token, count in enumerate(counts):
        assert_law(values[:, token], stats.hypergeom(14, int(count), 6))
    assert_law(values[:, 1] + values[:, 2], stats.hypergeom(14, 5, 6))
    everything = sampling.multivariate_hypergeometric(start(jax.random.key(0)), counts, 14.0, 16)
    assert everything.tolist() == counts.tolist()


def test_subsamples_of_many_tokens_move_together_as_they_should() -> None:
    """Means and covariances of a multivariate hypergeometric, drawn at once: every pair of tokens."""
    counts, draws = np.array([500.0, 0, 2000, 40, 8000, 1]), 3000
    values = sampled(lambda s: sampling.multivariate_hypergeometric(s, jnp.asarray(counts), float(draws), 4096))
    pool, shares = counts.sum(), counts / counts.sum()
    scale = draws * (pool - draws) / (pool - 1)
    covariance = scale * (np.diag(shares) - np.outer(shares, shares))
    deviation = values - draws * shares
    products = np.einsum("ni,nj->nij", deviation, deviation)
    error = products.std(axis=0) / np.sqrt(len(values)) + 1e-12
    level = stats.norm.isf(FALSE_ALARM / 2)
    assert np.all(np.abs(deviation.mean(axis=0)) <= level * np.sqrt(np.diag(covariance) / len(values)) + 1e-9)
    assert np.all(np.abs(products.mean(axis=0) - covariance) <= level * error)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(("most", "width"), [(16, 7), (64, 7), (16, 300), (8192, 7)])  # compared; looked up; at once
def test_multinomial_has_binomial_margins_and_leaves_dead_tokens_dead(most: int, width: int, single: bool) -> None:
    with jax.enable_x64(not single):
        p = jnp.pad(jnp.asarray(P), (0, width - len(P)))
        values = sampled(lambda key, n: sampling.multinomial(key, n, p, most), jnp.asarray(12.0)).astype(float)
    assert np.all(values.sum(axis=1) == 12)
    assert np.all(values[:, np.asarray(p) == 0] == 0)
    for token in np.flatnonzero(P):
        assert_law(values[:, token], stats.binom(12, P[token]))
    assert_law(values[:, 1] + values[:, 4], stats.binom(12, P[1] + P[4]))


def test_what_sixteen_bits_do_not_hold_is_drawn_again() -> None:
    """Tokens rarer than 2^-16 own no value: without the second draw they would never be seen."""
    p = jnp.asarray(np.append(1.0, np.full(200, 1e-5)))
    rare = sampled(lambda s: sampling.multinomial(s, 40.0, p, 64))[:, 1:]
    assert_law(rare.sum(axis=1), stats.binom(40, 0.002 / 1.002))
    assert stats.chisquare(rare.sum(axis=0)).pvalue > FALSE_ALARM


@pytest.mark.parametrize("single", [False, True])
def test_kept_samples_are_resampled_by_their_counts(single: bool) -> None:
    """A corpus of 6, then 12 samples of it, then 5 of those: given generation 2, generation 3 is multinomial."""
    corpus = np.pad([3, 0, 2, 1], (0, 66))
    with jax.enable_x64(not single):
        f, w = theory.Categorical.from_counts(corpus), theory.Replace((12, 5), real=6)
        p = pool(f, w, 3)
        assert p.step.__name__ == "_replace_labels"

        def counts(stream: Stream) -> jax.Array:
            state, seen = (kernel.truth(f), p.memory(f, p.room)), []
            for m in range(3):
                row = {"first": jnp.asarray(m == 0), "size": kernel.take(p.sizes, int(p.rows["size"][m]))}
                row["size"] = kernel.Size(jnp.asarray(row["size"].n))
                state = p.step(fold(stream, m), f, state, row, p.most)
                seen.append(jnp.round(state[0] * row["size"].n))
            return jnp.stack(seen)

        first, second, third = np.moveaxis(sampled(counts), 1, 0).astype(float)
    assert np.all(first == corpus)
    assert np.all(second.sum(1) == 12) and np.all(third.sum(1) == 5)
    assert np.all(second[:, corpus == 0] == 0) and np.all(third[second == 0] == 0)
    for token in (0, 2, 3):
        assert_law(second[:, token], stats.binom(12, corpus[token] / 6))
        given = stats.binom.pmf(np.arange(6)[None], 5, second[:, token, None] / 12)
        seen = np.array([np.sum(third[:, token] == k) for k in range(6)])
        z = (seen - given.sum(0)) / np.sqrt((given * (1 - given)).sum(0))
        assert np.all(np.abs(z) < stats.norm.isf(FALSE_ALARM / 36))
    assert_law(second[:, 0] + second[:, 3], stats.binom(12, 4 / 6))


def test_the_lowest_height_is_that_of_a_living_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "uniform", lambda stream, shape: jnp.zeros(shape))
    assert sampling.tokens(start(jax.random.key(0)), jnp.asarray(P), 2).tolist() == [1, 1]


@pytest.mark.parametrize("items", [5, 8])
def test_a_subsample_without_replacement_is_uniform_over_subsets(items: int) -> None:
    values = sampled(lambda s: sampling.distinct(s, 3, jnp.asarray(items), 8))
    assert np.all(np.diff(np.sort(values, axis=1), axis=1) > 0)
    codes = (values * items ** np.arange(3)).sum(axis=1)
    seen = np.unique(codes, return_counts=True)[1]
    assert len(seen) == items * (items - 1) * (items - 2)
    assert stats.chisquare(seen).pvalue > FALSE_ALARM


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    ("draws", "items", "few", "spare"),
    [
        (3, 6, 96, 3.0), (64, 64, 40, 3.0), (64, 65, 40, 3.0), (64, 80, 40, 3.0), (64, 300, 40, 3.0), (40, 80, 96, 3.0),
        (150, 210, 96, 3.0), (330, 400, 96, 3.0), (64, 150, 40, 0.5),
    ],
)  # fmt: skip
def test_sets_by_leaps_are_uniform(
    draws: int, items: int, few: int, spare: float, single: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each item, each pair of neighbours and each sum of two halves as often as in a uniform set; up to three times leaps.

    With little to spare most sets are drawn again, which must not be seen.
    """
    monkeypatch.setattr(sets, "FEW_LEFT", few if few < sets.FEW else sets.FEW_LEFT)
    monkeypatch.setattr(sets, "FEW", few)
    monkeypatch.setattr(sets, "SPARE", spare)
    with jax.enable_x64(not single):
        values = sampled(lambda s, n: sets.distinct(s, draws, n), jnp.asarray(items, jnp.int32))
    inside = np.zeros((DRAWS, items))
    inside[np.arange(DRAWS)[:, None], values] = 1
    assert np.all(inside.sum(axis=1) == draws) and values.min() >= 0 and values.max() < items
    if draws == items:
        return
    one = draws / items
    two = one * (draws - 1) / (items - 1)
    pairs = inside[:, :-1] * inside[:, 1:]
    for seen, chance in ((inside, one), (pairs, two)):
        z = (seen.mean(axis=0) - chance) / np.sqrt(chance * (1 - chance) / DRAWS)
        assert np.abs(z).max() < stats.norm.isf(FALSE_ALARM / (6 * z.size)) * 1.1
    half = inside[:, : items // 2].sum(axis=1)
    assert_smooth_law(half, stats.hypergeom(items, items // 2, draws), least=0)


def test_bartlett_factors_make_wishart_matrices_also_singular_ones() -> None:
    f = theory.Gaussian(3)
    for freedom in (1, 2, 7):
        table = kernel.take(kernel.sizes(f, [freedom + 1.0]), 0)
        for size in (table, kernel.Size(table.n)):  # by the table; by rejection
            factors = sampled(lambda s, size: kernel.standard(s, f, size).factor, size) * np.sqrt(freedom + 1.0)
            wishart = factors @ np.swapaxes(factors, 1, 2)
            assert np.all(np.linalg.matrix_rank(wishart[:50], hermitian=True) == min(freedom, 3))
            direction = np.array([0.6, -0.64, 0.48])
            quadratic = np.einsum("i,cij,j->c", direction, wishart, direction)
            assert stats.kstest(quadratic, stats.chi2(freedom).cdf).pvalue > FALSE_ALARM


N = 6


def size_of(f: theory.Family, n: int) -> kernel.Size:
    return kernel.take(kernel.sizes(f, [float(n)]), 0)


LAWS = {
    theory.Binomial(5, 0.3): lambda mean: stats.binom(5 * N, mean / 5),
    theory.Poisson(3.0): lambda mean: stats.poisson(mean * N),
    theory.NegativeBinomial(2.0, 3.0): lambda mean: stats.nbinom(2.0 * N, 2.0 / (2.0 + mean)),
}


@pytest.mark.parametrize("f", LAWS, ids=repr)
def test_a_fit_on_counts_has_the_law_of_their_sum(f: theory.Family) -> None:
    weights, means = jnp.full(N, 1 / N), np.array([0.05, 3.0, 4.5])
    for draw in (
        lambda s, mean: kernel.draw(s, f, mean, size_of(f, N), 8),
        lambda s, mean: kernel.draw(s, f, mean, kernel.Size(N), 8),
        lambda s, mean: kernel.fit(f, kernel.points(s, f, mean, N), weights),
    ):
        seen = sampled(lambda s, draw=draw: jax.vmap(draw, (None, 0))(s, means)) * N
        for place, mean in enumerate(means):
            values = seen[:, place]
            np.testing.assert_allclose(values, np.round(values), atol=1e-9)
            assert_law(np.round(values), LAWS[f](mean))


def test_a_gamma_fit_has_the_law_of_its_sum() -> None:
    f, law = theory.Gamma(2.0, 1.5), stats.gamma(2.0 * N, scale=1.5 / (2.0 * N))
    assert (
        stats.kstest(sampled(lambda key: kernel.draw(key, f, kernel.truth(f), size_of(f, N), 8)), law.cdf).pvalue
        > FALSE_ALARM
    )
    weights = jnp.full(N, 1 / N)
    by_points = sampled(lambda key: kernel.fit(f, kernel.points(key, f, kernel.truth(f), N), weights))
    assert stats.kstest(by_points, law.cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("unbiased", [False, True])
def test_a_gaussian_fit_has_normal_means_and_chi_square_variances(unbiased: bool) -> None:
    f = theory.Gaussian(2, 4.0, unbiased)
    divisor = N - 1 if unbiased else N
    weights = jnp.full(N, 1 / N)
    for draw in (
        lambda key: kernel.draw(key, f, kernel.truth(f), size_of(f, N), 8),
        lambda key: kernel.fit(f, kernel.points(key, f, kernel.truth(f), N), weights),
    ):
        fitted = sampled(draw)
        direction = np.array([0.6, -0.8])
        means, factors = np.asarray(fitted.mean) @ direction, np.asarray(fitted.factor)
        variances = np.sum((direction @ factors) ** 2, axis=1)
        assert stats.kstest(means, stats.norm(0, np.sqrt(4 / N)).cdf).pvalue > FALSE_ALARM
        assert stats.kstest(variances * divisor / 4, stats.chi2(N - 1).cdf).pvalue > FALSE_ALARM
        assert abs(np.corrcoef(means, variances)[0, 1]) * np.sqrt(DRAWS) < stats.norm.isf(FALSE_ALARM / 2)


FAMILIES = [
    theory.Categorical([0.5, 0.3, 0.2]),
    theory.Gaussian(3, 2.0),
    theory.Gaussian(),
    theory.Binomial(4, 0.2),
    theory.Poisson(2.0),
    theory.Gamma(0.5, 1.0),
    theory.NegativeBinomial(3.0, 1.0),
]


@pytest.mark.parametrize("f", FAMILIES, ids=repr)
def test_combined_fits_are_the_fit_on_all_points(f: theory.Family) -> None:
    @jax.jit
    def both_ways() -> tuple[kernel.Model, kernel.Model]:
        samples = kernel.points(start(jax.random.key(1)), f, kernel.truth(f), 8)
        fits = [kernel.fit(f, each, jnp.full(len(each), 1 / len(each))) for each in (samples[:3], samples[3:])]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *fits)
        return kernel.combine(f, jnp.array([3 / 8, 5 / 8]), stacked), kernel.fit(f, samples, jnp.full(8, 1 / 8))

    combined, together = both_ways()
    if isinstance(f, theory.Gaussian):
        np.testing.assert_allclose(combined.mean, together.mean, rtol=1e-12)
        one, other = (each.factor @ each.factor.T for each in (combined, together))
        np.testing.assert_allclose(one, other, rtol=1e-10)
    else:
        np.testing.assert_allclose(combined, together, rtol=1e-12)


def test_tiny_covariances_keep_their_digits_when_they_are_combined() -> None:
    f, scale = theory.Gaussian(2), 1e-100
    models = kernel.Normal(jnp.zeros((2, 2)), jnp.array([[[3.0, 0.0], [4.0, 0.0]]] * 2) * scale, jnp.zeros(2))
    combined = kernel.combine(f, jnp.array([0.25, 0.75]), models)
    np.testing.assert_allclose(np.abs(combined.factor / scale), [[3, 0], [4, 0]], atol=1e-12)


@pytest.mark.parametrize("f", FAMILIES[3:], ids=repr)
def test_a_mean_of_zero_stays_zero(f: theory.Family) -> None:
    zero = jnp.zeros(())
    assert float(kernel.draw(start(jax.random.key(0)), f, zero, size_of(f, 5), 8)) == 0
    assert kernel.points(start(jax.random.key(0)), f, zero, 3).tolist() == [0, 0, 0]


def test_collapsed_models_stay_collapsed_under_rounding() -> None:
    f = theory.Categorical([0.5, 0.5])
    dirac = jnp.array([[0.0, 1.0]] * 3)
    weights = jnp.array([0.7, 0.2, 0.1])
    assert float(weights @ dirac[:, 1]) != 1  # what rounding would make of it
    combined = kernel.combine(f, weights, dirac)
    assert combined.tolist() == [0, 1]
    for most in (8, 8192):
        assert kernel.draw(start(jax.random.key(0)), f, combined, kernel.Size(7), most).tolist() == [0, 1]
    full = theory.Binomial(5, 0.5)
    assert float(kernel.draw(start(jax.random.key(0)), full, jnp.asarray(5.0), kernel.Size(7), 8)) == 5


def test_a_mixture_of_sources_is_sampled_source_by_source() -> None:
    f = theory.Poisson(1.0)
    values = (
        sampled(lambda key: kernel.mixture(key, f, jnp.array([0.0, 10.0]), jnp.array([0.5, 0.5]), kernel.Size(2.0), 2))
        * 2
    )
    zero = 0.25 + 0.5 * np.exp(-10) + 0.25 * np.exp(-20)
    assert stats.binomtest(int(np.sum(values == 0)), DRAWS, zero).pvalue > FALSE_ALARM
    assert abs(values.mean() - 10) < stats.norm.isf(FALSE_ALARM / 2) * values.std() / np.sqrt(DRAWS)


@pytest.mark.parametrize("points", [False, True], ids=["draw", "points"])
def test_a_gaussian_fit_has_the_law_of_a_model_with_correlations(points: bool) -> None:
    """In every direction d the mean is N(0, d'Cd/n) and the variance a chi-square of n - 1 degrees; six comparisons."""
    f, factor = theory.Gaussian(2), np.array([[2.0, 0.0], [1.5, 0.5]])
    model, weights = kernel.Normal(jnp.zeros(2), jnp.asarray(factor), jnp.zeros(())), jnp.full(N, 1 / N)

    def fitted(key: Stream) -> jax.Array:
        fit = (
            kernel.fit(f, kernel.points(key, f, model, N), weights)
            if points
            else kernel.draw(key, f, model, size_of(f, N), 8)
        )
        return jnp.concatenate([fit.mean[None], fit.factor.T])

    seen = sampled(fitted)
    for direction in np.array([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]]):
        variance = float(np.sum((direction @ factor) ** 2))
        along = seen @ direction
        assert stats.kstest(along[:, 0], stats.norm(0, np.sqrt(variance / N)).cdf).pvalue > FALSE_ALARM / 6
        squares = np.sum(along[:, 1:] ** 2, axis=1) * N / variance
        assert stats.kstest(squares, stats.chi2(N - 1).cdf).pvalue > FALSE_ALARM / 6


def test_normal_numbers_are_normal_and_independent() -> None:
    """Margins, pairs of both kinds (of one radius or not), far tails; eight comparisons."""
    z = sampled(lambda s: normal(s, (7,)))
    assert stats.kstest(z.ravel(), "norm").pvalue > FALSE_ALARM / 8
    for i, j in ((0, 4), (0, 1), (3, 6)):
        assert abs((z[:, i] * z[:, j]).mean()) * np.sqrt(DRAWS) < stats.norm.isf(FALSE_ALARM / 16)
        assert (
            abs(((z[:, i] ** 2 - 1) * (z[:, j] ** 2 - 1)).mean()) / 2 * np.sqrt(DRAWS)
            < stats.norm.isf(FALSE_ALARM / 16) * 1.1
        )
    far = int(np.sum(np.abs(z) > 4))
    assert stats.binomtest(far, z.size, 2 * stats.norm.sf(4)).pvalue > FALSE_ALARM / 8


@pytest.mark.parametrize("single", [False, True])
def test_normal_numbers_are_those_of_box_and_muller(single: bool) -> None:
    """Radius and angle by NumPy from the words of the stream: to digits that no number of samples shows."""
    stream, pairs = start(jax.random.key(4), 9), 500
    with jax.enable_x64(not single):
        if single:
            first, second = np.asarray(packed(stream, 2 * pairs), float).reshape(-1, 2).T
            height, turn = (first + 0.5) / 2**32, (second // 2**8 + 0.5) / 2**24
        else:
            height, turn = np.asarray(uniform(stream, (2 * pairs,))).reshape(2, -1)
        radius, angle = np.sqrt(-2 * np.log(height)), 2 * np.pi * (turn - 0.5)
        expected = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        close = 4e-6 if single else 1e-14
        np.testing.assert_allclose(normal(stream, (2 * pairs,)), expected, rtol=0, atol=close)
        np.testing.assert_allclose(pair(stream), normal(stream, (2,)), rtol=0, atol=close)


def test_words_that_would_favour_some_numbers_are_drawn_again() -> None:
    """Of 3 x 2^29 numbers two of three have three words each, and the third one two."""
    items = 3 * 2**29
    chosen = jax.vmap(lambda chain: sets.distinct(start(jax.random.key(6), chain), 20, items))(jnp.arange(1000))
    for numbers in (below(start(jax.random.key(6)), items, (20_000,)), chosen):
        assert stats.chisquare(np.bincount(np.asarray(numbers).ravel() % 3)).pvalue > FALSE_ALARM


def test_threefry_gives_the_words_of_its_authors() -> None:
    """Known answers of Threefry-2x32, 20 rounds (Random123)."""
    ones, pi = 0xFFFFFFFF, (0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3)
    for key, counter, answer in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ones, ones), (ones, ones), (0x1CB996FC, 0xBB002BE7)),
        (pi[:2], pi[2:], (0xC4923A9C, 0x483DF7A0)),
    ):
        left, right = threefry(*(tuple(jnp.uint32(each) for each in key),), *(jnp.uint32(each) for each in counter))
        assert (int(left), int(right)) == answer


def test_streams_of_other_chains_keys_and_parts_share_no_word() -> None:
    s = start(jax.random.key(1), 3)
    others = [start(jax.random.key(1), 4), start(jax.random.key(2), 3)]
    folded = [fold(s, 1), fold(s, 2), part(s, 1), fold(part(s, 1), 1), part(part(s, 1), 2), fold(fold(s, 1), 1)]
    streams = [s, *others, *folded]
    seen = [int(each) for stream in streams for each in words(stream, (50,))[0]]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("single", [False, True])
def test_logarithms_of_chi_squares_have_their_law_and_its_digits(single: bool) -> None:
    freedoms = np.array([1, 2, 3, 9, 99, 999, 10**5, 10**9], float)
    with jax.enable_x64(not single):
        table = jnp.asarray(np.moveaxis(chi_square.table(freedoms, jnp.result_type(float)), -1, 0))
        logs = sampled(lambda s: chi_square.transformed(table, normal(s, freedoms.shape)))
        by_rejection = sampled(lambda s: chi_square.rejected(s, freedoms), seed=2)
    for place, freedom in enumerate(freedoms):
        law, unit = stats.chi2(freedom), np.sqrt(2 / freedom)
        for seen in (logs, by_rejection):
            scaled = seen[:, place].astype(float) / unit
            assert stats.kstest(scaled, lambda x, law=law, unit=unit: law.cdf(law.mean() * np.exp(unit * x))).pvalue > (
                FALSE_ALARM / 16)  # fmt: skip


@pytest.mark.parametrize("freedom", [1, 3, 20, 999, 19_999, 20_001])
def test_the_table_of_a_chi_square_law_is_its_quantile_function(freedom: int) -> None:
    import mpmath

    table, a = jnp.asarray(np.moveaxis(chi_square.table(float(freedom)), -1, 0)), mpmath.mpf(freedom) / 2
    with mpmath.workdps(40):
        for z in (-8.5, -3.0, -0.4, 0.1, 2.0, 8.5):
            y = float(chi_square.transformed(table, jnp.asarray(z)))
            x = a * mpmath.exp(y)
            inside = (
                mpmath.gammainc(a, 0, x, regularized=True)
                if z < 0
                else mpmath.gammainc(a, x, mpmath.inf, regularized=True)
            )
            density = mpmath.exp(a * mpmath.log(x) - x - mpmath.loggamma(a))  # of y
            wrong = (inside - mpmath.ncdf(-abs(z))) / density
            assert abs(wrong) < 1e-12 * max(abs(y), (2 / freedom) ** 0.5)


@pytest.mark.parametrize("single", [False, True])
def test_binomials_have_their_law(single: bool) -> None:
    n = np.array([1, 20, 25, 100, 1000, 10**6, 10**7], float)
    with jax.enable_x64(not single):
        p = jnp.array([0.3, 0.5, 0.45, 0.99, 0.37, 1e-6, 0.3], float)
        values = sampled(lambda s: counts.binomial(s, n, p))
    for place, law in enumerate(zip(n, np.asarray(p), strict=True)):
        assert_smooth_law(values[:, place], stats.binom(*law))


@pytest.mark.parametrize("single", [False, True])
def test_poissons_have_their_law(single: bool) -> None:
    means = np.array([0.5, 3.0, 9.99, 10.01, 60.0, 1e6])
    with jax.enable_x64(not single):
        values = sampled(lambda s: counts.poisson(s, means))
    for place, mean in enumerate(means):
        assert_smooth_law(values[:, place], stats.poisson(mean))


def assert_smooth_law(values: np.ndarray, law: Any, least: float = 10) -> None:
    """As assert_law, in at most 60 cells of which none has fewer than ``least`` expected."""
    edges = np.unique(law.ppf(np.linspace(0, 1, 61)[1:-1]))
    expected = DRAWS * np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]]))
    seen = np.histogram(values, np.concatenate([[-np.inf], edges + 0.5, [np.inf]]))[0]
    expected, seen = np.append(expected[:-2], expected[-2:].sum()), np.append(seen[:-2], seen[-2:].sum())
    assert expected.min() > least
    assert stats.chisquare(seen, expected).pvalue > FALSE_ALARM


def test_many_samples_are_drawn_at_once_by_the_same_law() -> None:
    n = 10**9
    values = sampled(lambda s, n: sampling.multinomial(s, n, jnp.asarray(P), 2**30), float(n))
    assert np.all(values.sum(axis=1) == n)
    assert np.all(values[:, P == 0] == 0)
    for token in np.flatnonzero(P):
        assert_smooth_law(values[:, token], stats.binom(n, P[token]))
    assert_smooth_law(values[:, 1] + values[:, 4], stats.binom(n, P[1] + P[4]))
