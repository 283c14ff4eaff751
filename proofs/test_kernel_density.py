"""Kernel densities: moments carried point by point, points drawn one by one, and the numbers at all sizes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import lambdify

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.proofs.rational import exactly, iterated, letters
from modelcollapse.proofs.schedules import ODD, schedules
from modelcollapse.theory import algebra, recursion
from modelcollapse.theory.kernel_density import theorem_of
from modelcollapse.theory.smoothing import second_moment, smoothed
from modelcollapse.theory.symbols import H, M, N, V, m, n

CHAINS = 12_000
ADDED = Fraction(2, 7)  # h^2 over the variance of the truth
WORKFLOWS = [
    theory.Replace(3, real=5),
    theory.Replace(1, real=2),
    theory.FixedReal(4, 3),
    theory.FixedReal(1, 4),
    theory.FreshReal(3, 4),
    theory.FreshReal(2, 3, weight=Fraction(2, 3)),
    theory.FreshReal(2, 3, weight=1),
    theory.Accumulate(4, 3),
    theory.Accumulate(1, 2),
    theory.AccumulateSubsample(4, 3, 2),
    theory.AccumulateSubsample(3, 2, 3, replacement=True),
]
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=repr)


# --- exact moments, point by point ---------------------------------------------------------------------------------


class Cloud:
    """Products E x_i x_j of all points and of the means of all models, in fractions; the truth has mean 0, variance 1."""

    def __init__(self) -> None:
        self.products: list[list[Fraction]] = []

    def add(self, row: list[Fraction], square: Fraction) -> int:
        for line, value in zip(self.products, row, strict=True):
            line.append(value)
        self.products.append([*row, square])
        return len(self.products) - 1

    def of(self, weights: dict[int, Fraction]) -> list[Fraction]:
        """E (sum of w_i x_i) x_k for every k."""
        return [sum(share * line[i] for i, share in weights.items()) for line in self.products]


def point_by_point(schedule: theory.Schedule, added: list[Fraction]) -> list[tuple[Fraction, Fraction]]:
    """Error and second moment of each model, with every point a variable of its own."""
    cloud, batches, means, seconds = Cloud(), {}, {}, {0: Fraction(1)}
    for model in range(1, schedule.generations + 1):
        for batch in np.flatnonzero(schedule.born == model):
            shares = {k: Fraction(s) for k, s in enumerate(schedule.source[batch]) if s}
            mean = {means[k]: share for k, share in shares.items() if k}  # the truth has mean 0
            batches[batch] = []
            for _ in range(schedule.size[batch]):  # points of a batch are independent given the models
                row = cloud.of(mean)
                together = sum(share * row[place] for place, share in mean.items()) if mean else Fraction(0)
                for other in batches[batch]:
                    row[other] = together
                square = sum(share * seconds[k] for k, share in shares.items())
                batches[batch].append(cloud.add(row, square))
        used = {batch: Fraction(share) for batch, share in enumerate(schedule.weight[model - 1]) if share}
        weights = {i: share / len(batches[b]) for b, share in used.items() for i in batches[b]}
        row = cloud.of(weights)
        squares = sum(share * cloud.products[i][i] for i, share in weights.items())
        both = sum(share * row[i] for i, share in weights.items())
        if schedule.train is not None:  # two points of a subsample: the same one, or two of the pool
            train, size = Fraction(int(schedule.train[model - 1])), len(weights)
            again = Fraction(1, size)
            apart = (both - again * squares) / (1 - again) if size > 1 else squares
            both = squares / train + (1 - 1 / train) * (both if schedule.replacement else apart)
        means[model] = cloud.add(row, both)
        seconds[model] = squares + added[model - 1]
    return [(cloud.products[means[k]][means[k]], seconds[k]) for k in range(1, schedule.generations + 1)]


def values(workflow):
    return {key: value for key, value in letters(workflow, -1).items() if key.name != "v_2"} | {H: ADDED}


@each_workflow
def test_law_algebra_and_closed_form_are_the_points_moments(workflow):
    """Four roads to the same fractions: error, spread and second moment of five generations."""
    expected = point_by_point(workflow.schedule(5), [ADDED] * 5)
    found = algebra.smoothed(workflow, [ADDED] * 5, 5)
    assert list(zip(*found, strict=True)) == expected
    one = smoothed(type(workflow), getattr(workflow, "replacement", False))
    assert iterated(workflow, -1, 5, one.law, {H: ADDED}) == [error for error, _ in expected]
    spread = [second - error for error, second in expected]
    assert iterated(workflow, -1, 5, replace(one.law, error=one.spread), {H: ADDED}) == spread
    forms = theorem_of(theory.KernelDensity(1.0), workflow)
    if forms.derive is not None:
        for when in range(1, 6):
            at = values(workflow) | {m: when}
            assert exactly(forms.derived.expression, at) == expected[when - 1][0]
            assert exactly(forms.derived.diversity, at) == spread[when - 1]
            assert exactly(second_moment(type(workflow)), at) == expected[when - 1][1]


@pytest.mark.parametrize("name", ODD)
def test_odd_schedules_are_the_points_moments(name):
    """Mixtures, windows, old batches and subsamples, with a bandwidth of its own for every model."""
    schedule = ODD[name]
    added = [Fraction(each, 5) for each in range(1, schedule.generations + 1)]
    assert list(zip(*algebra.smoothed(schedule, added, schedule.generations), strict=True)) == point_by_point(
        schedule, added
    )


@given(schedules(), st.lists(st.fractions(0, 3, max_denominator=5), min_size=3, max_size=3))
@settings(max_examples=60)
def test_any_schedule_is_the_points_moments(schedule, added):
    """Drawn at random."""
    added = added[: schedule.generations]
    assert list(zip(*algebra.smoothed(schedule, added, schedule.generations), strict=True)) == point_by_point(
        schedule, added
    )


@each_workflow
def test_without_smoothing_it_is_a_gaussian(workflow):
    """As the bandwidth goes to 0, the categorical gain: v2 = -1."""
    small = theory.KernelDensity(1e-9, dimension=2, variance=3.0)
    gaussian = theory.Gaussian(dimension=2, variance=3.0)
    generations = np.arange(12)
    for question in (theory.error, theory.diversity):
        found = question(small, workflow, generations)
        np.testing.assert_allclose(found, question(gaussian, workflow, generations), rtol=1e-12, atol=1e-15)


# --- points ------------------------------------------------------------------------------------------------------


def drawn(f: theory.KernelDensity, workflow: theory.Workflow, generations: int, seed: int) -> dict[str, np.ndarray]:
    """Error and diversity (chain, generation) of densities over points that are drawn, kept and smoothed."""
    generator = np.random.default_rng(seed)
    width, scale = f.bandwidth, np.sqrt(f.variance)
    fresh = lambda size: generator.normal(size=(CHAINS, size, f.dimension)) * scale  # noqa: E731

    def sampled(data: np.ndarray, size: int, shares: np.ndarray | None = None) -> np.ndarray:
        if shares is None:
            chosen = generator.integers(data.shape[1], size=(CHAINS, size))
        else:
            chosen = generator.choice(data.shape[1], size=(CHAINS, size), p=shares)
        return np.take_along_axis(data, chosen[..., None], 1) + width * generator.normal(
            size=(CHAINS, size, f.dimension)
        )

    def subsampled(pool: np.ndarray) -> np.ndarray:
        if workflow.replacement:
            chosen = generator.integers(pool.shape[1], size=(CHAINS, workflow.train))
        else:
            chosen = generator.random((CHAINS, pool.shape[1])).argsort(axis=1)[:, : workflow.train]
        return np.take_along_axis(pool, chosen[..., None], 1)

    real = fresh(workflow.real)
    pool, data, shares = real, real, None
    if isinstance(workflow, theory.AccumulateSubsample):
        data = subsampled(pool)
    seen = {"error": [], "diversity": []}
    for generation in range(1, generations + 1):
        if generation > 1:
            new = sampled(data, workflow.synthetic, shares)
            if isinstance(workflow, theory.Replace):
                data = new
            elif isinstance(workflow, theory.FixedReal):
                data = np.concatenate([real, new], axis=1)
            elif isinstance(workflow, theory.FreshReal):
                data = np.concatenate([fresh(workflow.real), new], axis=1)
                if workflow.weight is not None:
                    shares = np.repeat(
                        [workflow.weight / workflow.real, (1 - workflow.weight) / workflow.synthetic],
                        [workflow.real, workflow.synthetic],
                    )
            else:
                pool = np.concatenate([pool, new], axis=1)
                data = subsampled(pool) if isinstance(workflow, theory.AccumulateSubsample) else pool
        equal = np.full(data.shape[1], 1 / data.shape[1]) if shares is None else shares
        mean = np.einsum("k,ckd->cd", equal, data)
        within = np.einsum("k,ckd->cd", equal, (data - mean[:, None]) ** 2) + width**2
        seen["error"].append((mean**2).sum(axis=1))
        seen["diversity"].append(within.sum(axis=1) / (f.dimension * f.variance))
    return {name: np.stack(rows, axis=1) for name, rows in seen.items()}


CELLS = [
    (theory.Replace(6, real=9), 8),
    (theory.FixedReal(6, 9), 8),
    (theory.FreshReal(6, 9), 8),
    (theory.FreshReal(6, 9, weight=0.7), 8),
    (theory.Accumulate(6, 9), 8),
    (theory.AccumulateSubsample(8, 6, 5), 8),
    (theory.AccumulateSubsample(8, 6, 5, replacement=True), 8),
]
COMPARISONS = 2 * sum(generations for _, generations in CELLS)


@pytest.mark.parametrize("place", range(len(CELLS)), ids=lambda place: f"{place}-{type(CELLS[place][0]).__name__}")
def test_points_agree(place):
    """Error and diversity of every generation within the threshold of the budget."""
    workflow, generations = CELLS[place]
    family = theory.KernelDensity(0.8, dimension=2, variance=1.5)
    seen = drawn(family, workflow, generations, seed=place)
    for name, question in (("error", theory.error), ("diversity", theory.diversity)):
        predicted = question(family, workflow, np.arange(1, generations + 1))
        assert abs(standard_scores(seen[name], predicted)).max() < threshold(COMPARISONS)


# --- numbers -----------------------------------------------------------------------------------------------------

REAL, SYNTHETIC = (2, 20, 10**4, 10**9), (1, 20, 10**4, 10**9)
GENERATIONS = (1, 2, 3, 40, 10**6)
MAKES = {
    "replace": lambda real, synthetic: theory.Replace(synthetic, real=real),
    "fixed real": theory.FixedReal,
    "fresh real": theory.FreshReal,
    "fresh real, weight near 0": lambda real, synthetic: theory.FreshReal(real, synthetic, weight=1e-9),
    "fresh real, weight 0.3": lambda real, synthetic: theory.FreshReal(real, synthetic, weight=0.3),
    "fresh real, weight near 1": lambda real, synthetic: theory.FreshReal(real, synthetic, weight=1 - 1e-9),
}


def solved(workflow: theory.Workflow, added: mpmath.mpf, when: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Error and second moment over V by the power of a 3 x 3 matrix, at the working precision."""
    real, synthetic = mpmath.mpf(workflow.real), mpmath.mpf(workflow.synthetic)
    share, kept = {
        theory.Replace: lambda: (mpmath.mpf(1), 0),
        theory.FixedReal: lambda: (synthetic / (real + synthetic), None),
        theory.FreshReal: lambda: (
            (1 - mpmath.mpf(workflow.weight),) * 2
            if workflow.weight is not None
            else (synthetic / (real + synthetic), 0)
        ),
    }[type(workflow)]()
    noise = share**2 / synthetic  # state: error (of a fixed real set: drift), second moment, 1
    first = 1 / real
    if isinstance(workflow, theory.FixedReal):
        start, rest = 0, noise * -first
    else:
        start, rest = first, (1 - share) ** 2 / real
    one = mpmath.matrix([[share**2 - noise, noise, rest], [0, share, 1 - share + added], [0, 0, 1]])
    error, second, _ = one ** (when - 1) * mpmath.matrix([start, 1 + added, 1])
    return error + (first if isinstance(workflow, theory.FixedReal) else 0), second


@pytest.mark.parametrize("name", MAKES)
def test_twelve_digits(name):
    """Gain, diversity and second moment where the recursion is solved, against a matrix power at 150 digits."""
    worst = 0.0
    with mpmath.workdps(150):
        for real in REAL:
            for synthetic in SYNTHETIC:
                for bandwidth in (1e-3, 0.5, 30.0):
                    workflow, family = MAKES[name](real, synthetic), theory.KernelDensity(bandwidth)
                    asked = (theory.gain, theory.diversity, theory.second_moment)
                    found = [question(family, workflow, np.array(GENERATIONS)) for question in asked]
                    for place, when in enumerate(GENERATIONS):
                        error, second = solved(workflow, mpmath.mpf(bandwidth) ** 2, when)
                        wanted = (error * real, second - error, second)
                        for row, exact in zip(found, wanted, strict=True):
                            worst = max(worst, float(abs(row[place] - exact) / exact))
    assert worst < 1e-12


@pytest.mark.parametrize("name", MAKES)
def test_limits(name):
    """The limit of the gain is the gain after very many generations; replace has none."""
    for real, synthetic in ((5, 20), (10**4, 3), (20, 10**9)):
        workflow, family = MAKES[name](real, synthetic), theory.KernelDensity(0.5)
        found = theory.gain_limit(family, workflow)
        if name == "replace":
            assert found == np.inf
            continue
        with mpmath.workdps(150):
            late, _ = solved(workflow, mpmath.mpf("0.25"), 10**40)
            assert float(abs(found - late * real) / (late * real)) < 1e-12


def test_many_sizes_and_bandwidths_at_once():
    """Arrays of sizes and of bandwidths are the numbers one by one."""
    sizes, widths = np.array([9.0, 30.0]), np.array([0.5, 2.0])
    for make in (theory.Accumulate, theory.FixedReal, theory.AccumulateSubsample):
        for question in (theory.gain, theory.diversity, theory.second_moment):
            pairs = zip(sizes, widths, strict=True)
            alone = [question(theory.KernelDensity(h), make(int(size), 4), 7) for size, h in pairs]
            np.testing.assert_allclose(question(theory.KernelDensity(widths), make(sizes, 4), 7), alone, rtol=1e-13)


def test_replace_settles_at_n_times_what_smoothing_adds():
    """The spread of the model tends to n h^2 whatever the truth was, that of its data to (n-1) h^2."""
    family = theory.KernelDensity(0.5, variance=7.0)
    assert theory.diversity(family, theory.Replace(10), 10**4) * 7.0 == pytest.approx(10 * 0.25, rel=1e-12)
    walked = theory.error(family, theory.Replace(10), 10**6)
    assert walked == pytest.approx(7.0 + 10**6 * 0.25 - 2.5, rel=1e-12)


@pytest.mark.parametrize(("real", "synthetic"), [(20, 20), (7, 3), (2, 50), (10**4, 9), (10**9, 10**9), (10**9, 10)])
def test_the_pool_grows_like_a_logarithm(real, synthetic):
    """The second moment by digammas at 60 digits, subsampled or not."""
    family = theory.KernelDensity(0.5)
    with mpmath.workdps(60):
        ratio = mpmath.mpf(real) / synthetic
        for when in (1, 2, 3, 100, 10**6):
            exact = 1 + (1 + mpmath.psi(0, ratio + when) - mpmath.psi(0, ratio + 1)) / 4
            for workflow in (theory.Accumulate(real, synthetic), theory.AccumulateSubsample(real, synthetic)):
                assert float(abs(theory.second_moment(family, workflow, when) - exact) / exact) < 1e-15


def pooled_error(real: int, synthetic: int, added: float) -> mpmath.mpf:
    """The limit of the error of the pool by one sum: what each generation adds, times what is left of it in the end."""
    ratio, root = mpmath.mpf(real) / synthetic, mpmath.mpf(synthetic) ** mpmath.mpf(-0.5)

    def left(at):  # the product over later generations of 1 - 1/(n s^2)
        log = 2 * mpmath.loggamma(at) - mpmath.loggamma(at + root) - mpmath.loggamma(at - root)
        return mpmath.exp(log)

    def term(at):
        second = 1 + added * (1 + mpmath.psi(0, at) - mpmath.psi(0, ratio + 1))
        return second / (synthetic * at**2) * left(at + 1)

    far = 60  # beyond it Euler-Maclaurin
    total = left(ratio + 1) / real + mpmath.fsum(term(ratio + j) for j in range(1, far))
    tail = mpmath.quad(
        lambda y: term((ratio + far) * mpmath.exp(y)) * (ratio + far) * mpmath.exp(y), [0, 5, 20, 60, 150]
    )
    slopes = [mpmath.diff(term, ratio + far, order) for order in (0, 1, 3, 5)]
    return total + tail + slopes[0] / 2 - slopes[1] / 12 + slopes[2] / 720 - slopes[3] / 30240


@pytest.mark.parametrize(("real", "synthetic"), [(20, 20), (50, 3), (2, 2), (150, 1), (3, 10**6), (10**6, 1)])
def test_accumulate_settles(real, synthetic):
    """The limit against that sum; the subsample's error has none."""
    family = theory.KernelDensity(0.7)
    found = theory.gain_limit(family, theory.Accumulate(real, synthetic))
    with mpmath.workdps(40):
        exact = real * pooled_error(real, synthetic, mpmath.mpf(family.bandwidth) ** 2)
    assert float(abs(found - exact) / exact) < 1e-12
    assert theory.gain_limit(family, theory.AccumulateSubsample(real, synthetic)) == np.inf


@pytest.mark.parametrize("workflow", [theory.Accumulate(7, 3), theory.AccumulateSubsample(7, 3, 2)], ids=repr)
def test_recursions_keep_twelve_digits(workflow):
    """The same recursion at 60 digits, three thousand generations."""
    one = smoothed(type(workflow))
    given, family = {N: 7, n: 3, M: 2, V: 1, H: Fraction(1, 4)}, theory.KernelDensity(0.5)
    steps = [
        lambdify((*one.law.state, m, *given), each, "mpmath") for each in (*one.law.step, one.law.error, one.spread)
    ]
    with mpmath.workdps(60):
        fixed = [mpmath.mpf(Fraction(each).numerator) / Fraction(each).denominator for each in given.values()]
        state = [mpmath.mpf(1) / 7, mpmath.mpf(1)]
        for when in range(1, 3001):
            if when in (1, 2, 50, 3000):
                error, spread = (each(*state, when, *fixed) for each in steps[2:])
                assert float(abs(theory.error(family, workflow, when) - error) / error) < 1e-12
                assert float(abs(theory.diversity(family, workflow, when) - spread) / spread) < 1e-12
            state = [each(*state, when, *fixed) for each in steps[:2]]
    assert recursion.value(one.law, one.law.error, (N, n, H, M), (7, 3, 0.25, 2), 1) == theory.error(
        family, workflow, 1
    )


def test_bandwidths_that_shrink():
    """What each model adds: sum h_t^2 under replace, sum h_t^2 n/(N+tn) where data accumulates; bounded or not."""
    generations = np.arange(1, 61)
    widths = tuple(1 / generations**0.5)
    family = theory.KernelDensity(widths)
    replaced = theory.second_moment(family, theory.Replace(5, real=8), generations)
    np.testing.assert_allclose(replaced, 1 + np.cumsum(1 / generations), rtol=1e-12)
    kept = theory.second_moment(family, theory.Accumulate(8, 5), generations)
    pool = 1 + np.concatenate([[0.0], np.cumsum(1 / generations * 5 / (8 + generations * 5))[:-1]])
    np.testing.assert_allclose(kept, pool + 1 / generations, rtol=1e-12)
    assert kept.max() == kept[0] and replaced[-1] > 5 * 0.9  # h_t^2 = 1/t is enough for a pool, not for replace
    for question in (theory.error, theory.diversity, theory.second_moment):
        constant = theory.KernelDensity((0.5,) * 9, dimension=3, variance=2.0)
        plain = theory.KernelDensity(0.5, dimension=3, variance=2.0)
        for workflow in WORKFLOWS:
            found = question(constant, workflow, np.arange(10))
            np.testing.assert_allclose(found, question(plain, workflow, np.arange(10)), rtol=1e-12)


@pytest.mark.parametrize(
    "workflow", [*WORKFLOWS[:1], *WORKFLOWS[2:3], *WORKFLOWS[4:6], WORKFLOWS[7], WORKFLOWS[9]], ids=repr
)
def test_gradients_and_traces(workflow):
    """Under jit and vmap the same numbers, gradients by bandwidth and variance those of differences."""
    for question in (theory.error, theory.diversity, theory.second_moment):

        def asked(bandwidth, variance, generation, question=question):
            return question(theory.KernelDensity(bandwidth, 2, variance), workflow, generation)

        plain = question(theory.KernelDensity(0.5, 2, 1.5), workflow, np.array([0, 1, 2, 12]))
        traced = jax.jit(jax.vmap(asked, (None, None, 0)))(0.5, 1.5, jnp.array([0, 1, 2, 12]))
        np.testing.assert_allclose(traced, plain, rtol=1e-12)
        slopes = jax.grad(asked, (0, 1))(0.5, 1.5, 12)
        for place, slope in enumerate(slopes):
            step = 1e-6 * np.eye(2)[place]
            sides = [asked(*map(jnp.asarray, np.array([0.5, 1.5]) + sign * step), 12) for sign in (1, -1)]
            np.testing.assert_allclose(slope, (sides[0] - sides[1]) / 2e-6, rtol=1e-5, atol=1e-9)


def test_schedules_and_tuples_are_differentiable():
    """By every bandwidth of a tuple; what is not allowed is NaN inside a trace."""
    workflow = theory.Accumulate(7, 5)

    def last(widths):
        return theory.error(theory.KernelDensity(tuple(widths)), workflow, 3)

    widths = jnp.array([0.5, 0.4, 0.3])
    slopes = jax.jit(jax.grad(last))(widths)
    assert slopes[2] == 0 and jnp.all(slopes[:2] > 0)  # what smooths model 3 moves no mean of it
    for place in range(2):
        step = 1e-6 * jnp.eye(3)[place]
        np.testing.assert_allclose(slopes[place], (last(widths + step) - last(widths - step)) / 2e-6, rtol=1e-6)
    assert jnp.isnan(jax.jit(last)(widths.at[1].set(-1.0)))
    traced = jax.jit(lambda h: theory.error(theory.KernelDensity(h), workflow.schedule(4), jnp.array([1, 4])))(0.5)
    np.testing.assert_allclose(traced, theory.error(theory.KernelDensity(0.5), workflow, [1, 4]), rtol=1e-12)
