"""Zipf without end, Gaussian mixtures, logistic regression and bigrams: against theory, enumeration and other implementations."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from modelcollapse import simulate, theory
from modelcollapse.lm import free_running, tabular
from modelcollapse.simulate import batches, kernel, logistic, mixtures, next_token, places
from modelcollapse.simulate.agree import threshold
from modelcollapse.simulate.stream import start
from modelcollapse.theory.selection import Step

BUDGET = 1e-5
CHAINS, GENERATIONS = 3000, 4
KEY = jax.random.key(40)
SHARES = [[1, 0, 0, 0], [0.4, 0.6, 0, 0], [0, 0.3, 0.5, 0.2], [0, 0, 0.1, 0.9]]
WORKFLOWS: dict[str, theory.Workflow] = {
    "replace": theory.Replace(20, real=30),
    "growing": theory.Replace((20, 30, 10), real=30),
    "fixed": theory.FixedReal(30, 20),
    "fresh": theory.FreshReal(30, 20),
    "weighted": theory.FreshReal(30, 20, weight=0.3),
    "accumulate": theory.Accumulate(30, 20),
    "subsample": theory.AccumulateSubsample(30, 20, 25),
    "bootstrap": theory.AccumulateSubsample(30, 20, 25, replacement=True),
    "schedule": theory.Schedule(
        [30, 20, 30, 20], [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]], SHARES
    ),
}
LINE = theory.GaussianMixture([0.3, 0.7], [[-2.0, 0.0], [1.0, 1.0]], iterations=3)


ZIPF = theory.Zipf(1.4)


@pytest.mark.parametrize(
    ("f", "workflow"),
    [(ZIPF, name) for name in ("replace", "growing", "fixed", "weighted", "bootstrap", "schedule")]
    + [(LINE, name) for name in ("replace", "fresh", "weighted", "accumulate", "subsample", "schedule")],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_zipf_and_mixtures_move_as_theory_says(f: theory.Family, workflow: str) -> None:
    w = WORKFLOWS[workflow]
    t = simulate.chains(f, w, GENERATIONS, CHAINS, KEY)
    expected = {"error": theory.error(f, w, t.generation), "diversity": theory.diversity(f, w, t.generation)}
    verdict = simulate.agree(t, expected, BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("exponent", [1.1, 1.5, 3.0])
def test_ranks_follow_zipfs_law(exponent: float, double: bool) -> None:
    """The first ranks one by one, and how many lie beyond powers of ten."""
    n = 200_000
    with jax.enable_x64(double):
        rank = np.asarray(next_token.zipf_ranks(start(jax.random.key(1)), exponent, n), float)
    rank[rank == 0] = np.inf
    edges = np.append(np.arange(1, 11), 10.0 ** np.arange(2, 10))
    beyond = special.zeta(exponent, edges) / special.zeta(exponent)
    beyond[edges > next_token.LARGEST] = special.zeta(exponent, next_token.LARGEST) / special.zeta(exponent)
    seen = (rank[:, None] >= edges).mean(0)
    z = (seen - beyond) / np.sqrt(np.maximum(beyond * (1 - beyond), 1e-300) / n)
    assert np.max(np.abs(z[1:])) < 5
    expected = n * -np.diff(np.append(beyond[:10], beyond[10]))[:9]
    found = [(rank == each).sum() for each in range(1, 10)]
    assert stats.chisquare([*found, n - sum(found)], [*expected, n - expected.sum()]).pvalue > BUDGET


def test_what_zipf_still_knows_is_that_of_one_corpus() -> None:
    """Tokens alive, and what is missing, of a sample of n: the sums over all tokens."""
    n, s = 30, 2.0
    t = simulate.chains(theory.Zipf(s), theory.Accumulate(n, 20), 3, CHAINS, KEY)
    i = np.arange(1.0, 2_000_001)
    p = i**-s / special.zeta(s)
    tail = special.zeta(s, i[-1] + 1) / special.zeta(s)
    alive = -np.expm1(n * np.log1p(-p)).sum() + n * tail
    missing = (p * np.exp(n * np.log1p(-p))).sum() + tail
    expected = {"alive": np.full(3, alive), "missing": np.full(3, missing)}  # nothing is lost, and nothing comes
    verdict = simulate.agree(t, expected, BUDGET)
    assert verdict, str(verdict)


STEEP, TOKENS, FEWER = 4.0, 64, 1500  # beyond the last token there is a chance below 2e-6
STEPS: dict[str, tuple[Step, ...]] = {
    "cold": (theory.Temperature(0.7),),
    "hot nucleus": (theory.Temperature(1.5), theory.TopP(0.9)),
    "curated": (theory.Curation([0.0, 1.0, 2.0], 3),),
    "verified": (theory.Verifier(0.9, 0.2, [False, True, True]),),
    "all": (theory.Temperature(1.5), theory.Verifier(0.9, 0.2, [False, True, True]), theory.Curation([0.0, 1.0], 2)),
}


def padded(step: Step, tokens: int) -> Step:
    """The step for a categorical of so many tokens."""
    match step:
        case theory.Curation():
            return theory.Curation(np.pad(step.reward, (0, tokens - len(step.reward))), step.choices)
        case theory.Verifier():
            right = None if step.right is None else np.pad(step.right, (0, tokens - len(step.right)))
            return theory.Verifier(step.keep_right, step.keep_wrong, right)
    return step


def alike(one: simulate.Trajectory, other: simulate.Trajectory) -> None:
    """Errors and diversities of two samples of chains, their squares, and their products between generations."""
    features = []
    for t in (one, other):
        error, diversity = np.sqrt(np.asarray(t.error, float)), np.asarray(t.diversity, float)
        columns = [
            error,
            diversity,
            error**2,
            diversity**2,
            error[:, 1:] * error[:, :1],
            diversity[:, 1:] * diversity[:, :1],
        ]
        features.append(np.concatenate([*columns, np.asarray(t.alive, float)], axis=1))
    difference = features[0].mean(0) - features[1].mean(0)
    spread = np.sqrt(sum(each.var(0, ddof=1) / len(each) for each in features))
    z = np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 1e-12)
    assert np.all(np.abs(difference[spread <= 1e-12]) < 1e-6)
    assert np.max(np.abs(z)) < threshold(z.size, len(features[0]), BUDGET)


@pytest.mark.parametrize(
    ("workflow", "name"), [("replace", name) for name in STEPS] + [("weighted", "all"), ("subsample", "hot nucleus")]
)
def test_a_steep_zipf_is_a_categorical(workflow: str, name: str) -> None:
    """Occurrences and samples are selected here, and probabilities there."""
    p = np.arange(1.0, TOKENS + 1) ** -STEEP
    w, steps = WORKFLOWS[workflow], STEPS[name]
    one = simulate.chains(theory.Zipf(STEEP), theory.Selected(w, steps), 3, FEWER, KEY)
    same = tuple(padded(step, TOKENS) for step in steps)
    alike(one, simulate.chains(theory.Categorical(p / p.sum()), theory.Selected(w, same), 3, FEWER, jax.random.key(41)))


# Bigrams

COUNTS = {(0, 0): 3, (0, 1): 1, (1, 0): 2, (2, 0): 1, (2, 1): 2}  # (context, token), 2 being the beginning


def table(counts: dict[tuple[int, int], int], length: int) -> theory.Bigram:
    context, token = zip(*sorted(counts), strict=True)
    return theory.Bigram(context, token, [counts[each] for each in sorted(counts)], 2, length)


def row(pairs: dict[tuple[int, int], Fraction], context: int, steps: tuple[Step, ...]) -> dict[int, float]:
    """The law of the next token, by its definition; after a context that never went on, that of all tokens together."""
    found: dict[int, float] = defaultdict(float)
    shared = [(c, float(share)) for c, share in pairs.items() if c[0] == context]
    if shared:
        law = np.array([sum(share for c, share in shared if c[1] == t) for t in (0, 1)])
        law = selected(law / law.sum(), steps)
        return dict(enumerate(law))
    for other in (0, 1, 2):  # occurrences of every context keep the share that the step gives them
        mass = np.array([float(pairs.get((other, t), 0)) for t in (0, 1)])
        if mass.sum() > 0:
            for t, weight in enumerate(unnormalised(mass, steps)):
                found[t] += weight
    total = sum(found.values())
    return {t: weight / total for t, weight in found.items()}


def unnormalised(mass: np.ndarray, steps: tuple[Step, ...]) -> np.ndarray:
    """Masses of a context's pairs after steps, as the model keeps them: a power relative to the greatest, a nucleus."""
    for step in steps:
        if isinstance(step, theory.Temperature):
            mass = np.where(mass > 0, mass * (np.maximum(mass, 1e-300) / mass.max()) ** (1 / step.temperature - 1), 0)
        elif isinstance(step, theory.TopP):
            order = sorted((0, 1), key=lambda t: -mass[t])
            if mass[order[0]] >= step.mass * mass.sum() - 1e-12:
                mass = np.where(np.arange(2) == order[0], mass, 0)
    return mass


def selected(law: np.ndarray, steps: tuple[Step, ...]) -> np.ndarray:
    mass = unnormalised(law, steps)
    return mass / mass.sum()


def window_law(
    pairs: dict[tuple[int, int], Fraction], length: int, steps: tuple[Step, ...], truth: dict[tuple[int, int], int]
) -> dict[tuple[int, ...], float]:
    """The chance of each window that a model writes, verified and curated."""
    law = {}
    for window in itertools.product((0, 1), repeat=length):
        chance, context = 1.0, 2
        for token in window:
            chance *= row(pairs, context, steps).get(token, 0.0)
            context = token
        law[window] = chance
    for step in steps:
        if isinstance(step, theory.Verifier):
            keep = {w: step.keep_right if all(c in truth for c in pairs_of(w)) else step.keep_wrong for w in law}
            total = sum(law[w] * keep[w] for w in law)
            law = {w: law[w] * keep[w] / total for w in law}
        elif isinstance(step, theory.Curation):
            assert step.choices == 2
            rate = {w: math.exp(sum(step.reward[t] for t in w)) for w in law}
            law = {w: 2 * law[w] * sum(law[o] * rate[w] / (rate[w] + rate[o]) for o in law) for w in law}
    return law


def pairs_of(window: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(zip((2, *window[:-1]), window, strict=True))


def fitted(windows: tuple[tuple[int, ...], ...]) -> dict[tuple[int, int], Fraction]:
    counts: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for window in windows:
        for pair in pairs_of(window):
            counts[pair] += 1
    return counts


def seen_of(pairs: dict[tuple[int, int], Fraction], truth: dict[tuple[int, int], int]) -> dict[str, float]:
    """Observables, by their definitions."""
    known = {c: sum(share for pair, share in pairs.items() if pair[0] == c) for c in (0, 1, 2)}
    real = {c: sum(count for pair, count in truth.items() if pair[0] == c) for c in (0, 1, 2)}
    visited = [c for c in known if known[c] > 0]
    weight = {c: real[c] / sum(real[c] for c in visited) for c in visited}
    error = diversity = 0.0
    for c in visited:
        p = [float(pairs.get((c, t), Fraction(0)) / known[c]) for t in (0, 1)]
        q = [truth.get((c, t), 0) / real[c] for t in (0, 1)]
        error += weight[c] * sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
        diversity += weight[c] * (1 - sum(a * a for a in p))
    missing = sum(count for pair, count in truth.items() if pairs.get(pair, 0) == 0) / sum(truth.values())
    return {
        "error": error,
        "diversity": diversity,
        "alive": float(sum(share > 0 for share in pairs.values())),
        "missing": missing,
    }


BIGRAM_STEPS: dict[str, tuple[Step, ...]] = {
    "plain": (),
    "cold": (theory.Temperature(0.5),),
    "nucleus": (theory.TopP(0.7),),
    "hot nucleus": (theory.Temperature(2.0), theory.TopP(0.6)),
    "verified": (theory.Verifier(0.9, 0.2),),
    "curated": (theory.Temperature(0.8), theory.Curation([0.0, 1.0], 2)),
}


@pytest.mark.parametrize("name", BIGRAM_STEPS)
def test_a_bigram_is_that_of_enumeration(name: str) -> None:
    """Two windows of three tokens, replaced twice: every set of windows that may be written, with its chance.

    A context may be written that was only seen at the end of windows: of what follows it nothing is known.
    """
    length, steps = 3, BIGRAM_STEPS[name]
    expected: dict[str, list[float]] = defaultdict(list)
    # before generation 1 the truth writes, and nothing selects
    laws = [(1.0, window_law({pair: Fraction(count) for pair, count in COUNTS.items()}, length, (), COUNTS))]
    for _ in range(3):
        sets: dict[tuple[tuple[int, ...], ...], float] = defaultdict(float)
        for chance, law in laws:
            for one, other in itertools.product(law, repeat=2):
                sets[min(one, other), max(one, other)] += chance * law[one] * law[other]
        assert sum(sets.values()) == pytest.approx(1)
        values = [(chance, seen_of(fitted(windows), COUNTS)) for windows, chance in sets.items()]
        for observable in ("error", "diversity", "alive", "missing"):
            expected[observable].append(sum(chance * value[observable] for chance, value in values))
        laws = [(chance, window_law(fitted(windows), length, steps, COUNTS)) for windows, chance in sets.items()]
    w: Any = theory.Replace(2)
    t = simulate.chains(table(COUNTS, length), theory.Selected(w, steps) if steps else w, 3, 10 * CHAINS, KEY)
    verdict = simulate.agree(t, {each: np.array(value) for each, value in expected.items()}, BUDGET)
    assert verdict, str(verdict)


def test_after_a_context_that_never_went_on_any_token_is_drawn() -> None:
    """Of one window 0 0 1: after 0 come 0 and 1 alike, after 1 one of all three tokens."""
    f, n = table(COUNTS, 3), 30_000
    fit = next_token.tabled(f, jnp.asarray([[0, 0, 1]], jnp.int32), jnp.asarray([True]))
    windows = np.asarray(next_token.written(start(KEY), f, next_token.law(f, fit, (), whole=True), n))
    assert np.all(windows[:, 0] == 0)
    assert windows[:, 1].mean() == pytest.approx(1 / 2, abs=5 / (2 * n**0.5))
    unknown = windows[windows[:, 1] == 1, 2]
    assert unknown.mean() == pytest.approx(1 / 3, abs=5 / (2 * len(unknown) ** 0.5))


TEXT = (
    b"the cat sat on the mat, and that cat ate the rat that sat there; the end of the tale is that the cat slept. " * 3
)


def windows_of(text: bytes, length: int) -> np.ndarray:
    letters = sorted(set(text))
    ids = np.array([letters.index(each) for each in text])
    return ids[: len(ids) // length * length].reshape(-1, length)


@pytest.mark.parametrize("w", [theory.Replace(6), theory.Accumulate(6, 4)], ids=repr)
def test_a_text_writes_as_another_implementation_does(w: Any) -> None:
    """`lm.free_running`, chain by chain in NumPy, from the same table."""
    length, generations = 8, 3
    windows = windows_of(TEXT, length)
    vocabulary = int(windows.max()) + 1
    f = theory.Bigram.from_windows(windows, vocabulary)
    t = simulate.chains(f, w, generations, CHAINS, KEY)
    like = tabular.fit(windows + 1, 1, vocabulary=vocabulary + 1)
    tokens = theory.Replace(6 * length) if isinstance(w, theory.Replace) else theory.Accumulate(6 * length, 4 * length)
    other = free_running.free_run(like, tokens, length, generations, 400, np.random.default_rng(0))
    for name in ("error", "diversity", "alive"):
        one, two = np.asarray(getattr(t, name), float), getattr(other, name)
        z = (one.mean(0) - two.mean(0)) / np.sqrt(one.var(0) / len(one) + two.var(0) / len(two))
        assert np.max(np.abs(z)) < threshold(9, 400, BUDGET), name


@pytest.mark.parametrize("workflow", ["replace", "weighted", "accumulate", "bootstrap", "schedule"])
def test_windows_of_one_token_are_a_categorical(workflow: str) -> None:
    p = np.array([0.5, 0.3, 0.2])
    f = theory.Bigram([3, 3, 3], [0, 1, 2], [5, 3, 2], vocabulary=3, length=1)
    w = WORKFLOWS[workflow]
    t = simulate.chains(f, w, GENERATIONS, CHAINS, KEY)
    like = theory.Categorical(p)
    expected = {"error": theory.error(like, w, t.generation), "diversity": theory.diversity(like, w, t.generation)}
    verdict = simulate.agree(t, expected, BUDGET)
    assert verdict, str(verdict)
    steps = (theory.Temperature(1.5), theory.TopP(0.75), theory.Curation([0.0, 1.0, 0.5], 2))
    if workflow == "accumulate":
        alike(simulate.chains(f, theory.Selected(w, steps), 3, FEWER, KEY),
              simulate.chains(like, theory.Selected(w, steps), 3, FEWER, jax.random.key(42)))  # fmt: skip


# Gaussian mixtures


def test_a_step_of_expectation_maximisation_is_that_of_another_library() -> None:
    mixture = pytest.importorskip("sklearn.mixture")
    f = theory.GaussianMixture(
        [0.3, 0.7], [[-1.0, 0.0], [1.0, 1.0]], [[[2.0, 0.5], [0.5, 1.0]], np.eye(2)], shrinkage=0.0
    )
    points = np.asarray(mixtures.points(start(KEY), kernel.truth(f), 200))
    for steps in (1, 5):
        own = theory.GaussianMixture(f.weights, f.means, f.covariances, steps, 0.0)
        found = mixtures.fit(own, jnp.asarray(points), jnp.full(200, 1 / 200), kernel.truth(own))
        inverse = np.linalg.inv(f.covariances)
        other = mixture.GaussianMixture(2, max_iter=steps, tol=0.0, reg_covar=0.0, weights_init=f.weights,
                                        means_init=f.means, precisions_init=inverse)  # fmt: skip
        with pytest.warns(match="converge"):
            other.fit(points)
        np.testing.assert_allclose(found.weights, other.weights_, rtol=1e-9)
        np.testing.assert_allclose(found.means, other.means_, rtol=1e-9)
        squares = found.factors @ np.swapaxes(found.factors, 1, 2)
        np.testing.assert_allclose(squares, other.covariances_, rtol=1e-9)


@pytest.mark.parametrize("shrinkage", [0.0, 0.001, 1.0])
def test_a_fit_has_the_mean_and_the_covariance_of_its_points(shrinkage: float) -> None:
    f = theory.GaussianMixture(
        [0.3, 0.3, 0.4], [[-3.0, 0.0], [3.0, 1.0], [0.0, 0.0]], iterations=7, shrinkage=shrinkage
    )
    points = np.asarray(mixtures.points(start(KEY), kernel.truth(f), 60))
    weights = np.linspace(1, 3, 60) / np.linspace(1, 3, 60).sum()
    found = mixtures.fit(f, jnp.asarray(points), jnp.asarray(weights), kernel.truth(f))
    mean, spread = mixtures.moments(found)
    np.testing.assert_allclose(mean, weights @ points, rtol=1e-12)
    assert float(spread) == pytest.approx((weights @ (points - weights @ points) ** 2).sum(), rel=1e-12)


def test_points_of_a_mixture_have_its_distribution() -> None:
    f = theory.GaussianMixture([0.2, 0.8], [[-3.0], [1.0]], [[[0.25]], [[4.0]]])
    points = np.asarray(mixtures.points(start(KEY), kernel.truth(f), 50_000))[:, 0]
    law = lambda x: 0.2 * stats.norm.cdf(x, -3, 0.5) + 0.8 * stats.norm.cdf(x, 1, 2)  # noqa: E731
    assert stats.kstest(points, law).pvalue > BUDGET


def test_the_squared_difference_of_mixtures_is_their_integral() -> None:
    one = theory.GaussianMixture([0.2, 0.8], [[-3.0], [1.0]], [[[0.25]], [[4.0]]])
    two = theory.GaussianMixture([0.5, 0.5], [[-2.0], [0.5]], [[[1.0]], [[2.0]]])

    def density(f: theory.GaussianMixture, x: float) -> float:
        each = stats.norm.pdf(x, f.means[:, 0], np.sqrt(f.covariances[:, 0, 0]))
        return float(f.weights @ each)

    expected = integrate.quad(lambda x: (density(one, x) - density(two, x)) ** 2, -20, 20, epsabs=1e-13, limit=200)[0]
    assert float(mixtures.squared_difference(kernel.truth(one), kernel.truth(two))) == pytest.approx(expected, rel=1e-9)
    plane = kernel.truth(LINE)
    assert float(mixtures.squared_difference(plane, plane)) == pytest.approx(0, abs=1e-15)


def test_a_component_without_points_stays_and_weighs_nothing() -> None:
    f = theory.GaussianMixture([0.5, 0.5], [[0.0], [1e6]], iterations=2)
    points = jnp.linspace(-1.0, 1.0, 11)[:, None]
    found = mixtures.fit(f, points, jnp.full(11, 1 / 11), kernel.truth(f))
    np.testing.assert_allclose(found.weights, [1, 0])
    assert float(found.means[1, 0]) == 1e6 and bool(jnp.all(jnp.isfinite(found.factors)))


def test_a_mixture_that_is_sampled_warm_or_curated_moves_as_its_law_says() -> None:
    """One step from the truth, of very many points."""
    n = 200_000
    for step, mean, spread in (
        (theory.Temperature(0.5), *tempered_moments(LINE, 0.5)),
        (theory.Curation([0.0, 0.0], 3), LINE.weights @ LINE.means, LINE.v),
    ):
        t = simulate.chains(LINE, theory.Selected(theory.Replace(n), step), 2, 2, KEY)
        assert t.mean is not None
        np.testing.assert_allclose(np.asarray(t.mean)[:, 1].mean(0), mean, atol=0.03)
        assert np.asarray(t.diversity)[:, 1].mean() == pytest.approx(spread / LINE.v, rel=0.02)
    t = simulate.chains(LINE, theory.Selected(theory.Replace(n), theory.Curation([0.8, 0.0], 2)), 2, 2, KEY)
    points = np.random.default_rng(1)
    drawn = [sample(LINE, points, 400_000) for _ in range(2)]
    first = 1 / (1 + np.exp(0.8 * (drawn[1][:, 0] - drawn[0][:, 0])))
    expected = (first[:, None] * drawn[0] + (1 - first[:, None]) * drawn[1]).mean(0)
    np.testing.assert_allclose(np.asarray(t.mean)[:, 1].mean(0), expected, atol=0.03)


def sample(f: theory.GaussianMixture, rng: np.random.Generator, n: int) -> np.ndarray:
    component = rng.choice(len(f.weights), n, p=f.weights)
    return f.means[component] + rng.standard_normal((n, f.dimension))


def tempered_moments(f: theory.GaussianMixture, temperature: float) -> tuple[np.ndarray, float]:
    weights = f.weights ** (1 / temperature)
    like = theory.GaussianMixture(weights / weights.sum(), f.means, temperature * f.covariances)
    return like.weights @ like.means, like.v


# Logistic regression

THETA = np.array([0.8, -0.5, 0.3])


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_a_fit_of_labels_is_the_greatest_likelihood(penalty: float) -> None:
    f = theory.LogisticRegression(THETA, penalty)
    rows = np.asarray(logistic.points(start(KEY), jnp.asarray(THETA), 80))
    weights = np.repeat([1.0, 0.0], 40) / 40  # half of the rows are not used
    found = np.asarray(logistic.fit(f, jnp.asarray(rows), jnp.asarray(weights)))

    def loss(w: np.ndarray) -> float:
        side = 2 * rows[:40, -1] - 1
        return float(np.logaddexp(0, -side * (rows[:40, :-1] @ w)).sum() + penalty * w @ w / 2)

    other = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(found, other, rtol=1e-5)
    slope = optimize.approx_fprime(found, loss, 1e-6)
    assert np.max(np.abs(slope)) < 1e-3


def test_labels_that_a_plane_separates_have_no_fit_without_a_penalty() -> None:
    rows = jnp.asarray([[1.0, 1.0], [2.0, 1.0], [-1.0, 0.0], [-0.5, 0.0]])
    weights = jnp.full(4, 0.25)
    assert np.all(np.isnan(logistic.fit(theory.LogisticRegression([1.0]), rows, weights)))
    found = logistic.fit(theory.LogisticRegression([1.0], penalty=0.1), rows, weights)
    assert 1 < float(found[0]) < 10
    wrong = rows.at[1, 1].set(0.0)  # no longer separated
    assert np.all(np.isfinite(logistic.fit(theory.LogisticRegression([1.0]), wrong, weights)))


def test_a_hard_fit_converges() -> None:
    """From the origin whole steps would fly away: nearly separated classes, covariates of very different sizes."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((60, 2)) * [30.0, 0.1]
    y = (x @ [0.2, -2.0] + 0.3 * rng.logistic(size=60) > 0).astype(float)
    rows, weights = jnp.asarray(np.column_stack([x, y])), jnp.full(60, 1 / 60)
    found = np.asarray(logistic.fit(theory.LogisticRegression([1.0, 1.0]), rows, weights))
    slope = x.T @ (special.expit(x @ found) - y)
    assert np.max(np.abs(slope)) < 1e-8


def test_expected_losses_are_integrals() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((400_000, 3))
    model = np.array([0.1, -1.0, 0.9])
    chance = special.expit(x @ THETA)
    each = np.logaddexp(0, x @ model) - chance * (x @ model)
    found = float(logistic.expected_loss(jnp.asarray(THETA), jnp.asarray(model)))
    assert found == pytest.approx(each.mean(), abs=5 * each.std() / 400_000**0.5)
    noise = float(logistic.label_noise(jnp.asarray(THETA)))
    width = np.linalg.norm(THETA)
    exact = integrate.quad(lambda z: stats.norm.pdf(z) * special.expit(width * z) * special.expit(-width * z), -9, 9)[0]
    assert noise == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("workflow", [theory.Replace(600), theory.Accumulate(600, 600), theory.FreshReal(600, 300)],
                         ids=repr)  # fmt: skip
def test_the_gain_of_a_logistic_regression_is_that_of_theory_to_leading_order(workflow: Any) -> None:
    """With many samples the error is :math:`tr I^{-1}/N` times the gain of a family without curvature, but for terms of 1/N."""
    t = simulate.chains(theory.LogisticRegression(THETA), workflow, 4, 500, KEY)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400_000, 3))
    chance = special.expit(x @ THETA)
    one = np.trace(np.linalg.inv((x.T * chance * (1 - chance)) @ x / len(x))) / 600
    gains = np.asarray(t.error).mean(0) / one
    np.testing.assert_allclose(gains, theory.gain(theory.Poisson(1.0), workflow, t.generation), rtol=0.2)
    assert t.loss is not None
    np.testing.assert_array_less(logistic.expected_loss(jnp.asarray(THETA), jnp.asarray(THETA)), t.loss)


# Places


@settings(max_examples=25)
@given(st.data())
def test_every_batch_is_in_its_place_while_it_is_needed(data: st.DataObject) -> None:
    """A random schedule, played through: what a fit reads are the batches that it weighs, in their weights."""
    generations = data.draw(st.integers(1, 6))
    count = generations + data.draw(st.integers(0, 4))
    more = data.draw(
        st.lists(st.integers(0, generations - 1), min_size=count - generations, max_size=count - generations)
    )
    born = np.sort([*range(generations), *more])
    source = np.eye(generations + 1)[born]
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=count, max_size=count))
    weight = np.zeros((generations, count))
    for model in range(generations):
        can = np.flatnonzero(born <= model)
        chosen = data.draw(st.lists(st.sampled_from([int(each) for each in can]), min_size=1, unique=True))
        weight[model, chosen] = data.draw(st.floats(0.1, 1.0))
    weight /= weight.sum(axis=1, keepdims=True)
    found = batches.batch_table(theory.Schedule(sizes, source, weight))
    room, rows = places.placed(found)
    store = np.full(room, -1)
    for generation in range(generations):
        for slot, batch in enumerate(found.batch[generation]):
            if batch < len(found.sizes):
                assert rows["added"][generation, slot] == found.sizes[batch]
            new = np.full(int(found.sizes.max()), batch)
            offset, added = rows["offset"][generation, slot], rows["added"][generation, slot]
            store = np.asarray(places.written(jnp.asarray(store), jnp.asarray(new), offset, added))
        weights = np.asarray(
            places.weights({name: rows[name][generation] for name in ("start", "count", "weight")}, room)
        )
        for batch in range(len(found.sizes)):
            mass, points = weights[store == batch].sum(), np.count_nonzero((weights > 0) & (store == batch))
            assert mass == pytest.approx(found.weight[generation, batch])
            assert points == (found.sizes[batch] if found.weight[generation, batch] > 0 else 0)


@pytest.mark.parametrize(
    ("w", "held"),
    [(theory.Replace(7), 7), (theory.FixedReal(5, 7), 12), (theory.FreshReal(5, 7), 12), (theory.Accumulate(5, 7), 5 + 7 * 19)],
    ids=repr,
)  # fmt: skip
def test_a_store_holds_no_more_than_what_is_needed(w: Any, held: int) -> None:
    room, rows = places.placed(batches.batch_table(w.schedule(20)))
    assert room - max(w.real, w.synthetic) == held
    assert rows["count"].shape[1] == {12: 2, 7: 1}.get(held, 20)


OLD = theory.Schedule([9, 9, 9], [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: theory.Zipf(1.0), "exponent=1.0"),
        (lambda: theory.Zipf(1e5), "exponent=100000.0.*at most 53: above it all samples"),
        (lambda: theory.GaussianMixture([0.5, 0.6], [[0.0], [1.0]]), "weights="),
        (lambda: theory.GaussianMixture([0.5, 0.5], [[0.0]]), "means="),
        (lambda: theory.GaussianMixture([1.0], [[0.0]], [[[-1.0]]]), "covariances="),
        (lambda: theory.GaussianMixture([1.0], [[0.0]], iterations=0), "iterations=0"),
        (lambda: theory.GaussianMixture([1.0], [[0.0]], shrinkage=2), "shrinkage=2"),
        (lambda: theory.LogisticRegression([]), "coefficients="),
        (lambda: theory.LogisticRegression([1.0], penalty=-1), "penalty=-1"),
        (lambda: theory.Bigram([0, 0], [0, 0], [1, 1], 1, 4), "context="),
        (lambda: theory.Bigram([1], [3], [1], 1, 4), "token="),
        (lambda: theory.Bigram([0], [0], [1], 1, 4), "a window begins"),
        (lambda: theory.Bigram([1], [0], [0], 1, 4), "count="),
        (lambda: theory.Bigram.from_windows([[0, 2]], 2), "windows=2"),
        (lambda: theory.Bigram.from_windows([0.5], 2), "windows="),
        (lambda: theory.error(table(COUNTS, 2), theory.Replace(5), 1), "simulate.chains runs it"),
        (lambda: theory.gain(theory.LogisticRegression([1.0]), theory.Replace(5), 1), "simulate.chains runs it"),
        (lambda: simulate.chains(theory.Zipf(2.0), OLD, 3, 2, KEY), "newest model"),
        (lambda: simulate.point_chains(theory.Zipf(2.0), theory.Replace(5), 3, 2, KEY), "point_chains"),
    ],
)  # fmt: skip
def test_what_is_no_such_family_is_refused_in_one_line(make: Any, said: str) -> None:
    with pytest.raises(theory.InputError, match=said) as refusal:
        make()
    assert "\n" not in str(refusal.value)
