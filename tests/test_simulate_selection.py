"""Temperature, top-p, verifier and curation: as maps against enumeration, in the loop against exact one-step laws and points."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcollapse import simulate, theory
from modelcollapse.simulate import kernel, selection
from modelcollapse.simulate.agree import threshold
from modelcollapse.simulate.stream import start
from modelcollapse.theory.selection import Step

BUDGET = 1e-5
CHAINS = 4000
P = np.array([0.4, 0.3, 0.2, 0.1])
RIGHT = np.array([True, False, True, False])
REWARD = np.array([0.0, 1.5, -0.5, 2.0])
STEPS: dict[str, Step] = {
    "cold": theory.Temperature(0.6),
    "hot": theory.Temperature(1.7),
    "nucleus": theory.TopP(0.6),
    "verified": theory.Verifier(0.9, 0.3, RIGHT),
    "perfect": theory.Verifier(1.0, 0.0, RIGHT),
    "two": theory.Curation(REWARD, 2),
    "three": theory.Curation(REWARD, 3),
    "best": theory.Curation(REWARD, math.inf),
}


def mapped(p: np.ndarray, step: Step) -> np.ndarray:
    """The law after a step, by its definition: candidates one by one, all samples that may be chosen among."""
    match step:
        case theory.Temperature():
            powers = np.where(p > 0, np.where(p > 0, p, 1.0) ** (1 / step.temperature), 0)
            return powers / powers.sum()
        case theory.TopP():
            kept, mass = np.zeros_like(p), 0.0
            for token in sorted(range(len(p)), key=lambda token: -p[token]):
                if mass < step.mass - 1e-9:
                    kept[token] = p[token]
                    mass += p[token]
            return kept / kept.sum()
        case theory.Verifier():
            kept = p * np.where(step.right, step.keep_right, step.keep_wrong)
            return kept / kept.sum() if kept.sum() > 0 else p
    rates = np.exp(np.asarray(step.reward, float) - np.max(step.reward))
    if step.choices == math.inf:
        return p * rates / (p * rates).sum()
    law = np.zeros_like(p)
    for drawn in itertools.product(range(len(p)), repeat=int(step.choices)):
        total = rates[list(drawn)].sum()
        for token in drawn:
            law[token] += np.prod(p[list(drawn)]) * rates[token] / total
    return law


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("p", [P, [0.0, 0.5, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0], [0.25] * 4], ids=str)
def test_a_step_is_the_map_that_its_definition_says(name: str, p: Any) -> None:
    p, step = np.asarray(p, float), STEPS[name]
    np.testing.assert_allclose(selection.categorical(jnp.asarray(p), step), mapped(p, step), rtol=1e-13, atol=1e-300)


@given(st.lists(st.floats(0.0, selection.SPREAD), min_size=4, max_size=4), st.integers(2, 4))
def test_curation_is_exact_for_all_rewards(rewards: list[float], choices: int) -> None:
    step = theory.Curation(rewards, choices)
    np.testing.assert_allclose(selection.categorical(jnp.asarray(P), step), mapped(P, step), rtol=1e-12)


def test_curation_of_many_choices_nears_the_tilted_law() -> None:
    many, best = (selection.categorical(jnp.asarray(P), theory.Curation(REWARD, k)) for k in (10**6, math.inf))
    np.testing.assert_allclose(many, best, rtol=1e-4)
    np.testing.assert_allclose(best, mapped(P, STEPS["best"]), rtol=1e-14)


def outcomes(p: np.ndarray, n: int) -> list[tuple[float, np.ndarray]]:
    """Every model fitted on n tokens, with its chance."""
    found = []
    for counts in itertools.product(range(n + 1), repeat=len(p)):
        if sum(counts) == n:
            ways = math.factorial(n) / math.prod(map(math.factorial, counts))
            found.append((ways * float(np.prod(p ** np.array(counts))), np.array(counts) / n))
    return found


@pytest.mark.parametrize("name", [*STEPS, "all"])
def test_two_generations_of_replacing_are_those_of_enumeration(name: str) -> None:
    """Error and diversity of generation 2: from every first model, the law that its samples are drawn from."""
    n = 3
    steps = tuple(STEPS[each] for each in ("hot", "nucleus", "verified", "two")) if name == "all" else (STEPS[name],)
    error = diversity = alive = 0.0
    for chance, first in outcomes(P, n):
        law = first
        for step in steps:
            law = mapped(law, step)
        spread = 1 - (law**2).sum()
        error += chance * (((law - P) ** 2).sum() + spread / n)
        diversity += chance * spread * (1 - 1 / n)
        alive += chance * (1 - (1 - law) ** n).sum()
    f = theory.Categorical(P)
    many = 10 * CHAINS
    t = simulate.chains(f, theory.Selected(theory.Replace(n), steps), 2, many, jax.random.key(1))
    expected = {"error": error, "diversity": diversity, "alive": alive}
    verdict = simulate.agree(t, {each: np.array([np.nan, value]) for each, value in expected.items()}, BUDGET)
    assert verdict, str(verdict)
    plain = simulate.chains(f, theory.Replace(n), 2, many, jax.random.key(1))
    assert not simulate.agree(plain, {each: np.array([np.nan, value]) for each, value in expected.items()}, BUDGET)


WORKFLOWS: dict[str, theory.Workflow] = {
    "replace": theory.Replace(9, real=12),
    "fixed": theory.FixedReal(12, 9),
    "fresh": theory.FreshReal(12, 9, weight=0.3),
    "accumulate": theory.Accumulate(12, 9),
    "subsample": theory.AccumulateSubsample(12, 9, 10),
    "bootstrap": theory.AccumulateSubsample(12, 9, 10, replacement=True),
    "mixed": theory.Schedule(
        size=[12, 9, 12, 9],
        source=[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0, 0.75, 0], [1, 0, 0, 0]],
        weight=[[1, 0, 0, 0], [0.4, 0.6, 0, 0], [0, 0.3, 0.5, 0.2]],
    ),
}
LAWS: dict[str, tuple[theory.Family, tuple[Step, ...]]] = {
    "categorical": (theory.Categorical(P), (theory.Temperature(0.7), theory.Verifier(0.9, 0.3, RIGHT))),
    "gaussian": (theory.Gaussian(2, 3.0), (theory.Temperature(0.2), theory.Temperature(1.2))),
    "narrow": (theory.Gaussian(8), (theory.Temperature(0.6),)),  # of fewer points than twice the coordinates
}


def alike(one: simulate.Trajectory, other: simulate.Trajectory) -> None:
    """Roots of errors, and diversities, of two samples of chains, and their products between generations."""
    features = []
    for t in (one, other):
        error, diversity = np.sqrt(np.asarray(t.error, float)), np.log(np.asarray(t.diversity, float) + 0.1)
        columns = [
            error,
            diversity,
            error**2,
            diversity**2,
            error[:, 1:] * error[:, :1],
            diversity[:, 1:] * diversity[:, :1],
        ]
        features.append(np.concatenate(columns, axis=1))
    difference = features[0].mean(0) - features[1].mean(0)
    spread = np.sqrt(sum(each.var(0, ddof=1) / len(each) for each in features))
    z = np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 1e-12)
    assert np.all(np.abs(difference[spread <= 1e-12]) < 1e-9)
    assert np.max(np.abs(z)) < threshold(z.size, len(features[0]), BUDGET)


@pytest.mark.parametrize(
    ("family", "workflow"),
    [(family, workflow) for family in ("categorical", "gaussian") for workflow in WORKFLOWS]
    + [("narrow", "fixed"), ("narrow", "fresh")],
)
def test_statistics_and_points_give_one_law(family: str, workflow: str) -> None:
    f, steps = LAWS[family]
    w = theory.Selected(WORKFLOWS[workflow], steps)
    alike(
        simulate.chains(f, w, 3, CHAINS, jax.random.key(2)), simulate.point_chains(f, w, 3, CHAINS, jax.random.key(3))
    )


def test_many_tokens_are_selected_too() -> None:
    """More than are compared one by one: without selection the samples themselves would be kept."""
    f, w = (
        theory.Categorical(np.arange(1, 101) / 5050),
        theory.Selected(theory.Replace(9, real=12), theory.Temperature(0.7)),
    )
    alike(
        simulate.chains(f, w, 3, CHAINS, jax.random.key(2)), simulate.point_chains(f, w, 3, CHAINS, jax.random.key(3))
    )


def test_a_gaussian_at_a_temperature_loses_variance_by_it_every_generation() -> None:
    """Under Replace: the exact mean of the log variance, and log T more at each generation after the first."""
    f, w, t = theory.Gaussian(3), theory.Replace(20), 0.7
    run = simulate.chains(f, theory.Selected(w, theory.Temperature(t)), 6, CHAINS, jax.random.key(4))
    expected = theory.log_variance(f, w, run.generation) + (run.generation - 1) * math.log(t)
    verdict = simulate.agree(run, {"log_variance": expected}, BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize(("share", "stable"), [(0.7, True), (0.95, False)])
def test_a_uniform_law_loses_its_stability_where_the_synthetic_share_is_the_temperature(
    share: float, stable: bool
) -> None:
    r"""Of the map :math:`(1-f) p_0 + f p^{1/T}/Z` with noise of :math:`10^{-4}`: at T = 0.8 deviations grow where f > T."""
    n, tokens, temperature, generations = 10**9, 10, 0.8, 60
    w = theory.FreshReal(real=round(n * (1 - share)), synthetic=round(n * share))
    f = theory.Categorical(np.full(tokens, 1 / tokens))
    run = simulate.chains(f, theory.Selected(w, theory.Temperature(temperature)), generations, 8, jax.random.key(5))
    error = np.asarray(run.error).mean(0)
    first = np.log(error[19] / error[9]) / 20  # of deviations, a generation
    if stable:
        assert error[-1] < 20 / n
    else:
        assert first == pytest.approx(math.log(share / temperature), abs=0.05)
        assert error[-1] > 1e4 / n


def test_a_rare_favoured_token_runs_away_where_the_tilt_outweighs_the_real_data() -> None:
    r"""Curation among many: a rare token settles at :math:`p_0 (1-f)/(1-f e^r)` while :math:`f e^r < 1`, and runs away beyond."""
    rare, reward, n = 1e-4, 1.0, 10**9
    f = theory.Categorical([rare, 1 - rare])
    for share, stays in ((0.3, True), (0.5, False)):
        w = theory.FreshReal(real=round(n * (1 - share)), synthetic=round(n * share))
        selected = theory.Selected(w, theory.Curation([reward, 0.0], math.inf))
        run = simulate.chains(f, selected, 60, 4, jax.random.key(6))
        seen = rare + np.sqrt(np.asarray(run.error)[:, -1] / 2).mean()
        limit = rare * (1 - share) / (1 - share * math.e)
        assert (seen == pytest.approx(limit, rel=0.02)) == stays
        assert stays or seen > 0.1


@pytest.mark.parametrize("precise", [True, False])
def test_samples_are_verified_and_curated_like_their_law(precise: bool) -> None:
    """Labels of a logistic regression: kept ones are right, and chosen ones rewarded, as often as Bayes says."""
    f = theory.LogisticRegression([1.2, -0.7])
    n = 50_000
    with jax.enable_x64(precise):
        law = kernel.truth(f)

        def drawn(*steps: Step) -> np.ndarray:
            points = selection.points(start(jax.random.key(7)), f, law, n, {"steps": steps}, jnp.asarray(False))
            return np.asarray(points, float)

        def right(rows: np.ndarray) -> np.ndarray:
            return (rows[:, -1] > 0.5) == (rows[:, :-1] @ np.asarray(f.coefficients) > 0)

        before = right(drawn()).mean()
        kept = right(drawn(theory.Verifier(0.8, 0.3))).mean()
        chosen = drawn(theory.Curation(1.5, 3))[:, -1].mean()
        both = drawn(theory.Verifier(0.8, 0.3), theory.Curation(1.5, 3))
        none = right(drawn(theory.Verifier(1.0, 0.0)))
    error = 5 * 0.5 / n**0.5
    exact = before_exact(np.asarray(f.coefficients))
    assert before == pytest.approx(exact, abs=error)
    assert kept == pytest.approx(0.8 * exact / (0.8 * exact + 0.3 * (1 - exact)), abs=error)
    assert chosen == pytest.approx(mapped(np.array([0.5, 0.5]), theory.Curation([0.0, 1.5], 3))[1], abs=error)
    assert both[:, -1].mean() == pytest.approx(chosen, abs=2 * error)  # labels are alike before, verified or not
    assert none.all()


def before_exact(theta: np.ndarray) -> float:
    """How often a label is the one that the truth finds likelier."""
    z = np.linspace(-9, 9, 4001)
    density = np.exp(-(z**2) / 2)
    return float(density @ (1 / (1 + np.exp(-np.abs(z) * np.linalg.norm(theta)))) / density.sum())


def test_a_verifier_that_keeps_nothing_lets_all_pass() -> None:
    """Its limit as wrong samples are kept ever more rarely."""
    p = jnp.asarray([0.0, 0.6, 0.0, 0.4])
    np.testing.assert_allclose(selection.categorical(p, theory.Verifier(1.0, 0.0, RIGHT)), p)
    np.testing.assert_allclose(selection.categorical(p, theory.Verifier(1.0, 1e-12, RIGHT)), p)


def test_real_data_is_not_selected() -> None:
    """Generation 1, and every real set after it."""
    f, step = theory.Categorical(P), theory.Temperature(0.1)
    plain = simulate.chains(f, theory.Replace(50), 1, 100, jax.random.key(8))
    selected = simulate.chains(f, theory.Selected(theory.Replace(50), step), 1, 100, jax.random.key(8))
    np.testing.assert_array_equal(plain.error, selected.error)
    w = theory.FreshReal(50, 50, weight=1 - 1e-12)  # nothing but real data
    run = simulate.chains(f, theory.Selected(w, step), 4, CHAINS, jax.random.key(9))
    assert simulate.agree(run, {"error": np.full(4, f.v / 50)}, BUDGET)


wrong: Any = theory  # what a type checker would not let pass
CATEGORICAL = theory.Categorical(P)
MIXTURE = theory.GaussianMixture([0.5, 0.5], [[-1.0], [1.0]])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: theory.Temperature(0), "temperature=0"),
        (lambda: theory.TopP(1.5), "mass=1.5"),
        (lambda: theory.TopP(0), "mass=0"),
        (lambda: theory.Verifier(0, 0.1), "keep_right=0"),
        (lambda: theory.Verifier(0.9, -1), "keep_wrong=-1"),
        (lambda: theory.Verifier(0.9, 0.1, [1, 0]), "right="),
        (lambda: theory.Curation([math.nan], 2), "reward="),
        (lambda: theory.Curation([1.0], 1), "choices=1"),
        (lambda: theory.Selected(theory.Replace(9), ()), "steps="),
        (lambda: theory.Selected(theory.Replace(9), "hot"), "steps="),
        (lambda: wrong.Selected("replace", theory.Temperature(1.0)), "w='replace'"),
        (lambda: wrong.error(CATEGORICAL, theory.Selected(theory.Replace(9), STEPS["hot"]), 2), "simulate.chains runs it"),
        (lambda: run(theory.Poisson(1.0), STEPS["hot"]), "of a Poisson: none"),
        (lambda: run(theory.Gaussian(2), STEPS["nucleus"]), "of a Gaussian: Temperature"),
        (lambda: run(CATEGORICAL, theory.Verifier(0.9, 0.1)), "right=None"),
        (lambda: run(CATEGORICAL, theory.Verifier(0.9, 0.1, RIGHT[:2])), r"right='shape \(2,\)'"),
        (lambda: run(CATEGORICAL, theory.Curation([1.0, 2.0])), r"reward='shape \(2,\)'"),
        (lambda: run(CATEGORICAL, theory.Curation([0.0, 0.0, 0.0, 99.0])), "within 30"),
        (lambda: run(theory.Zipf(2.0), theory.Curation([1.0], math.inf)), "choices=inf"),
        (lambda: run(theory.Zipf(2.0), theory.Curation([1.0], 10**9)), "choices=1000000000.*at most 10,000"),
        (lambda: run(MIXTURE, *[theory.Curation([1.0], 200)] * 2), "choices=40000.*at most 10,000"),
        (lambda: run(MIXTURE, theory.Curation([1.0]), theory.Temperature(0.5)), "come before"),
        (lambda: run(theory.LogisticRegression([1.0]), theory.Verifier(0.9, 0.1, RIGHT)), "right="),
        (lambda: run(theory.Categorical.from_counts([5, 4]), STEPS["hot"]), "from_counts"),
    ],
)  # fmt: skip
def test_what_cannot_be_selected_is_refused_in_one_line(make: Any, said: str) -> None:
    with pytest.raises(theory.InputError, match=said) as refusal:
        make()
    assert "\n" not in str(refusal.value)


def run(f: theory.Family, *steps: Step) -> None:
    simulate.chains(f, theory.Selected(theory.Replace(9), steps), 2, 2, jax.random.key(0))


@pytest.mark.parametrize("dimension", [1, 3])
def test_a_spread_beyond_what_floats_hold_is_infinite(dimension: int) -> None:
    w = theory.Selected(theory.Replace(20), (theory.Temperature(1000.0),))
    with jax.enable_x64(False):
        t = simulate.chains(theory.Gaussian(dimension), w, 60, 4, jax.random.key(0))
    for seen in (np.asarray(t.error), np.asarray(t.diversity)):
        assert not np.isnan(seen).any() and np.isinf(seen[:, -1]).all() and np.isfinite(seen[:, :5]).all()
    assert np.isfinite(np.asarray(t.log_variance)).all()
