"""Least squares: exact moments, points drawn and fitted one by one, and the numbers at all sizes."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from sympy import Rational, cancel, simplify

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.proofs.rational import exactly
from modelcollapse.theory import regression
from modelcollapse.theory.symbols import N, T, V, d, f, m, n

CHAINS = 12_000
NOISE = 0.7


# --- exact moments -----------------------------------------------------------------------------------------------


def test_share_in_one_dimension_is_a_beta_variable():
    """d = 1: the share of the synthetic part is Beta(n/2, N/2), whose second moment is elementary."""
    alpha, beta = n / 2, N / 2
    second = alpha * (alpha + 1) / ((alpha + beta) * (alpha + beta + 1))
    assert simplify(regression.passed_on().subs(d, 1) - second) == 0


def test_share_by_zonal_polynomials():
    """Any d: the moments of a matrix Beta through C_(2) and C_(1,1), another road to the same rational function."""
    pool = N + n
    two = n * (n + 2) * (d**2 + 2 * d) / (3 * pool * (pool + 2))
    ones = 2 * n * (n - 1) * (d**2 - d) / (3 * pool * (pool - 1))
    left, right = (pool - 1) / (pool - d - 1), -1 / (pool - d - 1)
    found = (left * (two - ones / 2) + right * (two + ones)) / d
    assert cancel(regression.passed_on() - found) == 0


def test_nothing_but_synthetic_data_passes_everything_on():
    """N = 0: the whole error; n = 0: nothing of it."""
    assert cancel(regression.passed_on(n, n)) == 1
    assert regression.passed_on().subs(n, 0) == 0


def test_first_fit_of_one_covariate():
    """d = 1: E 1/chi^2 with N degrees, by the integral over its density."""
    with mpmath.workdps(30):
        for rows in (3, 4, 11):
            density = lambda x, k=rows: x ** (k / 2 - 1) * mpmath.exp(-x / 2) / (2 ** (k / 2) * mpmath.gamma(k / 2))  # noqa: E731
            inverse = mpmath.quad(lambda x: density(x) / x, [0, 1, rows, 4 * rows, mpmath.inf])  # noqa: B023
            found = theory.error(theory.LinearRegression(1, NOISE), theory.Replace(rows), 1)
            assert abs(inverse * NOISE - found) < 1e-9 * found


@pytest.mark.parametrize(
    "workflow", [theory.Replace(9, real=7), theory.FreshReal(7, 4), theory.FreshReal(6, 11)], ids=repr
)
def test_closed_form_is_the_law_iterated(workflow):
    """Rational arithmetic, nothing rounded, and the diversity is 1."""
    one = regression.least_squares(type(workflow))
    values = {N: workflow.real, n: workflow.synthetic, d: 3, V: Rational(5, 7)}
    theorem = regression.theorem_of(theory.LinearRegression(3), workflow)
    error = one.start[0].subs(values)
    for when in range(1, 9):
        closed = exactly(theorem.derived.expression, values | {f: workflow.real - 4, m: when})
        assert Rational(closed.numerator, closed.denominator) == error
        error = one.step[0].subs(values | {m: when}).subs(T, error)
    assert np.all(theory.diversity(theory.LinearRegression(3), workflow, np.arange(5)) == 1)


@pytest.mark.parametrize(("real", "synthetic", "dimension"), [(7, 4, 3), (12, 40, 2), (5, 1, 3)])
def test_sums_are_the_laws_iterated(real, synthetic, dimension):
    """Accumulate, whose sum has digammas, and unequal sizes: against the law, in fractions until the last."""
    one, error = regression.least_squares(theory.Accumulate), []
    values = {N: real, n: synthetic, d: dimension, V: 1}
    for when in range(1, 30):
        error.append(one.step[0].subs(values | {m: when - 1, T: error[-1]}) if error else one.start[0].subs(values))
    family = theory.LinearRegression(dimension, 1.0 / dimension)
    found = theory.error(family, theory.Accumulate(real, synthetic), np.arange(1, 30))
    np.testing.assert_allclose(found, [float(each) for each in error], rtol=1e-14)
    sizes = (synthetic + 5, real + 1, 3 * real)
    fits = [Fraction(1, size - dimension - 1) for size in (real, *sizes)]
    found = theory.error(family, theory.Replace(sizes, real=real), np.arange(1, 5))
    np.testing.assert_allclose(found, [float(sum(fits[: when + 1])) for when in range(4)], rtol=1e-14)


def test_many_sizes_at_once():
    """Arrays of sizes are the sizes one by one, under every workflow, redrawn or on one design."""
    for family in (REDRAWN, theory.LinearRegression(3, NOISE, redrawn=False)):
        both = np.array([9.0, 30.0])
        for make in (theory.Accumulate, theory.FreshReal, lambda real, size: theory.Replace(size, real=real)):
            for question in (theory.gain, theory.diversity):
                alone = [question(family, make(int(size), int(size)), 7) for size in both]
                np.testing.assert_allclose(question(family, make(both, both), 7), alone, rtol=1e-14)


# --- points ------------------------------------------------------------------------------------------------------


class Points:
    """Linear regressions in all chains at once; every label is drawn, every fit solves its own normal equations."""

    def __init__(self, dimension: int, seed: int) -> None:
        self.dimension, self.generator = dimension, np.random.default_rng(seed)
        self.truth = self.generator.normal(size=(CHAINS, dimension))

    def covariates(self, size: int) -> np.ndarray:
        return self.generator.normal(size=(CHAINS, size, self.dimension))

    def labels(self, x: np.ndarray, model: np.ndarray) -> np.ndarray:
        noise = self.generator.normal(size=x.shape[:2]) * NOISE**0.5
        return np.einsum("cnd,cd->cn", x, model) + noise

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        weighed = x if weight is None else x * weight[None, :, None]
        gram = np.einsum("cnd,cne->cde", weighed, x)
        return np.linalg.solve(gram, np.einsum("cnd,cn->cd", weighed, y)[..., None])[..., 0]

    def errors(self, models: list[np.ndarray]) -> np.ndarray:
        return np.stack([((model - self.truth) ** 2).sum(axis=1) for model in models], axis=1)


def drawn(f: theory.LinearRegression, w: theory.Workflow, generations: int, seed: int) -> np.ndarray:
    """Squared errors (chain, generation) of models fitted to points."""
    points = Points(f.dimension, seed)
    real = points.covariates(w.real)
    again = (lambda size: real) if not f.redrawn else points.covariates
    x, y = real, points.labels(real, points.truth)
    first, pool_x, pool_y = y, real, y
    models = [points.fit(x, y)]
    sizes = w.sizes(generations) if isinstance(w, theory.Replace) else [w.synthetic] * generations
    for size in sizes[1:]:
        x = again(size)
        y = points.labels(x, models[-1])
        if isinstance(w, theory.Replace):
            models.append(points.fit(x, y))
        elif isinstance(w, theory.Accumulate):
            pool_x, pool_y = np.concatenate([pool_x, x], axis=1), np.concatenate([pool_y, y], axis=1)
            models.append(points.fit(pool_x, pool_y))
        else:
            own = again(w.real) if isinstance(w, theory.FreshReal) else real
            labels = points.labels(own, points.truth) if isinstance(w, theory.FreshReal) else first
            weight = None
            if isinstance(w, theory.FreshReal) and w.weight is not None:
                weight = np.concatenate([np.full(w.real, w.weight / w.real), np.full(size, (1 - w.weight) / size)])
            models.append(points.fit(np.concatenate([own, x], axis=1), np.concatenate([labels, y], axis=1), weight))
    return points.errors(models)


REDRAWN, KEPT = theory.LinearRegression(3, NOISE), theory.LinearRegression(4, NOISE, redrawn=False)
CELLS = [
    (REDRAWN, theory.Replace(15, real=12), 6),
    (REDRAWN, theory.Replace((10, 14, 20, 28), real=12), 5),
    (REDRAWN, theory.Accumulate(12, 20), 8),
    (REDRAWN, theory.Accumulate(16, 3), 8),
    (REDRAWN, theory.FreshReal(12, 8), 8),
    (REDRAWN, theory.FreshReal(9, 30), 6),
    (theory.LinearRegression(1, NOISE), theory.Accumulate(8, 8), 6),
    (KEPT, theory.Replace(15), 6),
    (KEPT, theory.Accumulate(15, 15), 8),
    (KEPT, theory.FixedReal(15, 15), 6),
    (KEPT, theory.FreshReal(15, 15, weight=0.6), 6),
]
COMPARISONS = sum(generations for *_, generations in CELLS)


@pytest.mark.parametrize("place", range(len(CELLS)), ids=lambda place: f"{place}-{type(CELLS[place][1]).__name__}")
def test_points_agree(place):
    """Every generation's error within the threshold of the budget."""
    family, workflow, generations = CELLS[place]
    seen = drawn(family, workflow, generations, seed=place)
    predicted = theory.error(family, workflow, np.arange(1, generations + 1))
    assert abs(standard_scores(seen, predicted)).max() < threshold(COMPARISONS)


# --- numbers -----------------------------------------------------------------------------------------------------

SIZES = [(3, 1), (20, 4), (20, 18), (1000, 100), (10**4, 9998), (10**9, 10), (10**9, 10**9 - 2)]
GENERATIONS = np.array([1, 2, 3, 40, 10**6])


def accumulated(real: int, synthetic: int, dimension: int, last: int | None) -> mpmath.mpf:
    """N times the error over V, by digammas at the working precision; last None: the limit."""
    low, high = (mpmath.mpf(real - less) / synthetic for less in (dimension + 1, 0))
    total = mpmath.psi(0, high + 1) - mpmath.psi(0, low + 1)
    if last is not None:
        total -= mpmath.psi(0, high + last) - mpmath.psi(0, low + last)
    return real * (1 / mpmath.mpf(real - dimension - 1) + total / (dimension + 1))


@pytest.mark.parametrize(("real", "dimension"), SIZES, ids=str)
def test_twelve_digits(real, dimension):
    """Gain and its limit against sixty and more digits, from 1 to 10^9 synthetic samples a generation."""
    family, worst = theory.LinearRegression(dimension), 0.0
    with mpmath.workdps(90):
        for synthetic in (1, 7, 10**4, 10**9):
            workflow = theory.Accumulate(real, synthetic)
            found = [*theory.gain(family, workflow, GENERATIONS), theory.gain_limit(family, workflow)]
            exact = [accumulated(real, synthetic, dimension, when) for when in [*GENERATIONS.tolist(), None]]
            worst = max(worst, *(float(abs(each - by) / by) for each, by in zip(found, exact, strict=True)))
            share = regression.passed_on().subs({N: real, n: synthetic, d: dimension})
            share = mpmath.mpf(share.p) / share.q
            noise, first = (real / mpmath.mpf(size - dimension - 1) for size in (real + synthetic, real))
            settled = noise / (1 - share)
            workflow = theory.FreshReal(real, synthetic)
            found = [*theory.gain(family, workflow, GENERATIONS), theory.gain_limit(family, workflow)]
            exact = [settled + (first - settled) * share ** (int(when) - 1) for when in GENERATIONS] + [settled]
            worst = max(worst, *(float(abs(each - by) / by) for each, by in zip(found, exact, strict=True)))
            if synthetic > dimension + 1:
                workflow = theory.Replace(synthetic, real=real)
                found = theory.gain(family, workflow, GENERATIONS)
                step = mpmath.mpf(real) / (synthetic - dimension - 1)
                exact = [first + (int(when) - 1) * step for when in GENERATIONS]
                worst = max(worst, *(float(abs(each - by) / by) for each, by in zip(found, exact, strict=True)))
    assert worst < 1e-12


def test_limits():
    """Replace has none; accumulate on one design sums 1/i^2; with many samples per dimension both give pi^2/6."""
    assert theory.gain_limit(REDRAWN, theory.Replace(9)) == np.inf
    many, few = 10**9, theory.LinearRegression(2)
    assert abs(theory.gain_limit(few, theory.Accumulate(many, many)) - np.pi**2 / 6) < 1e-8
    one_fit = 20 / (20 - 4 - 1)
    assert abs(theory.gain_limit(KEPT, theory.Accumulate(20, 20)) - one_fit * np.pi**2 / 6) < 1e-12
    assert theory.gain_limit(theory.LinearRegression(4), theory.Accumulate(20, 20)) < one_fit * np.pi**2 / 6


@pytest.mark.parametrize(
    "workflow",
    [theory.Replace(15), theory.FixedReal(15, 15), theory.FreshReal(15, 15, Fraction(1, 3)), theory.Accumulate(15, 15)],
    ids=repr,
)
def test_one_design_errs_as_means_do(workflow):
    """Every workflow, also unrolled: N/(N-d-1) times the error of a family with v2 = 0 and the same V."""
    means = theory.Poisson(4 * NOISE)
    generations = np.arange(7)
    expected = theory.error(means, workflow, generations) * 15 / 10
    np.testing.assert_allclose(theory.error(KEPT, workflow, generations), expected, rtol=1e-14)
    np.testing.assert_allclose(theory.error(KEPT, workflow.schedule(6), generations), expected, rtol=1e-13)


def test_gradients_and_traces():
    """Under jit and vmap the same numbers; gradients are those of the formula; what is refused outside is NaN inside."""
    makes = {
        "replace": lambda real, synthetic: theory.Replace(synthetic, real=real),
        "fresh": theory.FreshReal,
        "accumulate": theory.Accumulate,
    }
    for make in makes.values():
        plain = theory.error(REDRAWN, make(12, 9), np.array([0, 1, 2, 30]))

        def asked(real, synthetic, noise, generation, make=make):
            return theory.error(theory.LinearRegression(3, noise), make(real, synthetic), generation)

        traced = jax.jit(jax.vmap(asked, (None, None, None, 0)))(12.0, 9.0, NOISE, jnp.array([0, 1, 2, 30]))
        np.testing.assert_allclose(traced, plain, rtol=1e-12)
        slopes = jax.grad(asked, (0, 1, 2))(12.0, 9.0, NOISE, 30)
        for argument, (slope, size) in enumerate(zip(slopes, (12.0, 9.0, NOISE), strict=True)):
            step = [1e-5 * size * (argument == place) for place in range(3)]
            sides = [
                asked(*(jnp.asarray(v + s * e) for v, e in zip((12.0, 9.0, NOISE), step, strict=True)), 30)
                for s in (1, -1)
            ]
            np.testing.assert_allclose(slope, (sides[0] - sides[1]) / (2e-5 * size), rtol=1e-6)
        assert jnp.isnan(jax.jit(asked)(4.0, 9.0, NOISE, 3))
        assert jnp.isnan(jax.jit(asked)(12.0, 9.0, -1.0, 3))
    assert jnp.isnan(jax.jit(lambda size: theory.error(REDRAWN, theory.Replace(size, real=9), 3))(4.0))
