"""What a run promises: reproducible, compiled once, labelled, refused in one line; and a judge that keeps its rate."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse import simulate, theory
from modelcollapse.simulate import kernel
from modelcollapse.simulate.agree import threshold
from modelcollapse.simulate.observe import observe
from modelcollapse.simulate.tails import skewness

KEY = jax.random.key(7)
POISSON, REPLACE = theory.Poisson(3.0), theory.Replace(8, real=5)


def test_more_chains_and_more_generations_leave_the_others_as_they_are() -> None:
    for f, w in ((POISSON, REPLACE), (theory.Categorical([0.5, 0.5]), theory.FixedReal(5, 8))):
        small = simulate.chains(f, w, 2, 3, KEY).error
        large = simulate.chains(f, w, 4, 6, KEY).error
        np.testing.assert_array_equal(small, large[:3, :2])
        again = simulate.chains(f, w, 4, 6, KEY).error
        np.testing.assert_array_equal(large, again)
        assert np.any(np.asarray(large) != np.asarray(simulate.chains(f, w, 4, 6, jax.random.key(8)).error))


def test_other_sizes_and_parameters_do_not_compile_again(caplog: pytest.LogCaptureFixture) -> None:
    simulate.chains(POISSON, REPLACE, 3, 4, KEY)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        simulate.chains(theory.Poisson(7.5), theory.Replace(6, real=7), 3, 4, jax.random.key(1))
        assert "Compiling" not in caplog.text
        simulate.chains(POISSON, REPLACE, 3, 5, KEY)
        assert "run_chains" in caplog.text  # another shape does: the log is listened to


def test_a_typed_and_a_legacy_key_of_one_seed_run_the_same_chains() -> None:
    runs = [simulate.chains(POISSON, REPLACE, 3, 4, key).error for key in (KEY, jax.random.PRNGKey(7))]
    np.testing.assert_array_equal(runs[0], runs[1])


@pytest.mark.parametrize("x64", [False, True])
def test_chains_run_in_the_precision_that_is_set(x64: bool) -> None:
    with jax.enable_x64(x64):
        key = jax.random.key(0)
        for f, w in ((theory.Gaussian(2), REPLACE), (theory.Categorical([0.5, 0.5]), theory.FixedReal(5, 8))):
            t = simulate.chains(f, w, 2, 3, key)
            assert t.error.dtype == t.diversity.dtype == (jnp.float64 if x64 else jnp.float32)


def test_large_counts_are_refused_in_single_precision() -> None:
    with (
        jax.enable_x64(False),
        pytest.raises(theory.InputError, match=r"Replace\(synthetic=10000000\).*jax_enable_x64"),
    ):
        simulate.chains(POISSON, theory.Replace(10**7), 1, 1, jax.random.key(0))


CORPUS = theory.Categorical.from_counts([3, 1])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"generations": 0}, ["generations=0", "at least 1"]),
        ({"generations": 2.5}, ["generations=2.5", "whole"]),
        ({"chains": 0}, ["chains=0", "at least 1"]),
        ({"chains": True}, ["chains=True", "whole"]),
        ({"chains": 2**27 + 1}, ["chains=134217729", "fewer at a time"]),
        ({"generations": 10**9}, ["generations=1000000000", "run fewer"]),
        ({"generations": 10**7, "chains": 100}, ["generations=10000000", "100 chains", "fewer at a time"]),
        ({"f": theory.Gaussian(10**7), "chains": 4096}, ["chains=4096", "bytes", "fewer chains"]),
        ({"f": theory.Poisson(np.array([1.0, 2.0]))}, ["Poisson(mean=[1.0, 2.0])", "run chains for each"]),
        ({"w": theory.Replace(np.array([4, 5]))}, ["Replace(synthetic=[4.0, 5.0])", "run chains for each"]),
        ({"key": 3}, ["key=3", "jax.random.key(3)"]),
        ({"key": "3"}, ["key='3'", "jax.random.key(0)"]),
        ({"key": jax.random.split(KEY, 2)}, ["key=", "one JAX key"]),
        ({"f": 3}, ["f=3", "Categorical"]),
        ({"w": "replace"}, ["w='replace'", "Replace"]),
        ({"f": CORPUS}, ["real=5", "real=4"]),
        ({"f": CORPUS, "w": theory.FreshReal(4, 4)}, ["from_counts", "Categorical(f.p)"]),
        ({"f": theory.Gaussian(unbiased=True), "w": theory.FixedReal(1, 4)}, ["real=1", "unbiased=False"]),
        ({"f": theory.Gaussian(unbiased=True), "w": theory.Replace(1)}, ["synthetic=1", "at least 2"]),
        ({"w": theory.Replace((4, 4)), "generations": 9}, ["synthetic=(4, 4)", "more sizes"]),
        ({"w": theory.Schedule([4, 4], [[1, 0], [1, 0]], [[2, -1]]), "generations": 1}, ["weight=-1", "below 0"]),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line_with_a_remedy(given: dict[str, object], words: list[str]) -> None:
    arguments = {"f": POISSON, "w": REPLACE, "generations": 2, "chains": 2, "key": KEY} | given
    with pytest.raises(theory.InputError) as refusal:
        simulate.chains(**arguments)  # type: ignore[arg-type]
    message = str(refusal.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_trajectory_is_labelled() -> None:
    f, w = theory.Gaussian(3), theory.FreshReal(5, 8, weight=0.5)
    t = simulate.chains(f, w, 4, 6, KEY)
    assert (t.chains, t.generations) == (6, 4)
    data = t.to_xarray()
    assert data.error.dims == data.log_variance.dims == ("chain", "generation")
    assert data["mean"].dims == ("chain", "generation", "coordinate")
    assert data.generation.values.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(data.error.sel(generation=2), t.error[:, 1])
    assert (data.attrs["family"], data.attrs["workflow"], data.attrs["workflow_weight"]) == (
        "Gaussian",
        "FreshReal",
        0.5,
    )
    assert "alive" not in data
    assert all(each.attrs["units"] for each in data.data_vars.values())


def test_total_collapse_is_seen_and_stays() -> None:
    for f in (theory.Categorical([0.5, 0.5]), theory.Binomial(1, 0.5)):
        collapsed = np.asarray(simulate.chains(f, theory.Replace(2), 12, 64, KEY).collapsed)
        assert 0 < collapsed.mean() < 1
        assert np.all(np.diff(collapsed.astype(int), axis=1) >= 0)
    assert simulate.chains(POISSON, REPLACE, 3, 4, KEY).collapsed is None


def test_drift_is_from_the_first_model_and_the_time_of_collapse_is_counted_from_one() -> None:
    t = simulate.chains(theory.Categorical([0.5, 0.5]), theory.Replace(2), 12, 64, KEY)
    assert t.drift is not None and t.collapsed is not None and t.collapse_time is not None
    drift, collapsed = np.asarray(t.drift), np.asarray(t.collapsed)
    assert np.all(drift[:, 0] == 0)
    assert set(np.unique(drift)) <= {0, 1, 2}
    assert np.all(drift[collapsed[:, 0]] == 0)
    first = [row.argmax() + 1 if row.any() else 13 for row in collapsed]
    np.testing.assert_array_equal(t.collapse_time[:, -1], first)


def test_a_covariance_of_fewer_samples_than_dimensions_is_singular() -> None:
    t = simulate.chains(theory.Gaussian(3), theory.Replace(2), 2, 8, KEY)
    assert np.all(np.isneginf(np.asarray(t.log_variance)))
    assert np.all(np.asarray(t.diversity) > 0)


def test_importing_simulate_loads_neither_xarray_nor_matplotlib() -> None:
    code = (
        "import sys, modelcollapse.simulate as s; "
        "print(s.chains and not {'xarray', 'matplotlib', 'flax', 'pandas'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "True"


def test_only_the_key_may_be_traced() -> None:
    def error(mean: Any, key: Any) -> Any:
        return simulate.chains(theory.Poisson(mean), REPLACE, 2, 2, key).error

    with pytest.raises(
        theory.InputError, match="f='Poisson with a traced mean'.*only the key may be traced"
    ) as refusal:
        jax.jit(error)(3.0, KEY)
    assert "\n" not in str(refusal.value)
    np.testing.assert_array_equal(jax.jit(lambda key: error(3.0, key))(KEY), error(3.0, KEY))


def test_what_a_run_shows_of_itself_is_short() -> None:
    f = theory.Categorical(np.full(5000, 1 / 5000))
    shown = repr(simulate.Trajectory(f, REPLACE, error=jnp.ones((900, 70)), diversity=jnp.ones((900, 70))))
    assert len(shown) < 250 and "900 chains, 70 generations: error, diversity" in shown and "\n" not in shown


def test_agree_asks_for_a_prediction() -> None:
    anything: Any = simulate.agree
    with pytest.raises(TypeError, match="prediction"):
        anything(made_up(np.ones((4, 2))))
    with pytest.raises(theory.InputError, match=r"prediction=None.*theory.error\(f, w, trajectory.generation\)"):
        simulate.agree(made_up(np.ones((4, 2))), None)


def made_up(values: np.ndarray) -> simulate.Trajectory:
    return simulate.Trajectory(POISSON, REPLACE, error=jnp.asarray(values), diversity=jnp.ones(values.shape))


def test_agree_raises_a_false_alarm_at_the_rate_that_is_asked_for() -> None:
    """1000 runs of 8 true predictions at a budget of 5 %: alarms are Binomial(1000, <= 0.05), >= 0.04 by independence."""
    rng, alarms, rounds = np.random.default_rng(0), 0, 1000
    for _ in range(rounds):
        alarms += not simulate.agree(made_up(rng.normal(3, 1, (50, 8))), np.full(8, 3.0), budget=0.05)
    from scipy import stats

    assert stats.binom.ppf(1e-6, rounds, 0.04) <= alarms <= stats.binom.isf(1e-6, rounds, 0.05)


def test_agree_says_which_comparison_is_worst() -> None:
    values = np.random.default_rng(1).normal(3, 1, (500, 3))
    verdict = simulate.agree(made_up(values), {"error": [3, 4, np.nan], "diversity": [1, 1, np.nan]})
    assert not verdict.passed
    assert len(verdict.rows) == 4
    assert (verdict.worst.observable, verdict.worst.generation, verdict.worst.predicted) == ("error", 2, 4)
    expected = (values[:, 1].mean() - 4) / (values[:, 1].std(ddof=1) / 500**0.5)
    assert verdict.worst.z == pytest.approx(expected)
    assert str(verdict).startswith("DISAGREES")


def test_what_does_not_vary_must_be_the_same_number() -> None:
    t = made_up(np.full((4, 2), 0.1))
    assert simulate.agree(t, [0.1, 0.1 * (1 + 1e-15)])
    assert not simulate.agree(t, [0.1, 0.1001])
    infinite = made_up(np.array([[-np.inf, 1.0], [-np.inf, 1.0]]))
    assert simulate.agree(infinite, [-np.inf, 1.0])
    assert not simulate.agree(infinite, [-5.0, 1.0])


def test_a_bound_alarms_on_its_wrong_side_only() -> None:
    t = made_up(np.random.default_rng(1).normal(3, 1, (500, 1)))
    assert simulate.agree(t, None, at_least={"error": [2.0]}, at_most={"error": [4.0]})
    assert not simulate.agree(t, None, at_least={"error": [4.0]})
    assert not simulate.agree(t, None, at_most={"error": [2.0]})


@pytest.mark.parametrize(
    ("prediction", "budget", "words"),
    [
        ([1.0], 1e-3, "shape (2,)"),
        ({"alive": [1.0, 1.0]}, 1e-3, "error, diversity"),
        ({}, 1e-3, "at least one"),
        ([np.nan, np.nan], 1e-3, "at least one"),
        ([1.0, 1.0], 0, "budget=0"),
    ],
)
def test_agree_refuses_what_it_cannot_judge(prediction: object, budget: float, words: str) -> None:
    with pytest.raises(theory.InputError) as refusal:
        simulate.agree(made_up(np.ones((4, 2))), prediction, budget)
    assert words in str(refusal.value)


def test_skewness_of_the_exact_moments_is_that_of_enumerated_chains() -> None:
    """Binomial(1, p) under Replace(2) has three states: its law after m generations is a power of a small matrix."""
    from scipy import stats

    p, generations = 0.2, 5
    states = np.array([0, 0.5, 1])
    law = stats.binom.pmf([0, 1, 2], 2, p)
    step = stats.binom.pmf([0, 1, 2], 2, states[:, None])
    seen = skewness(theory.Binomial(1, p), theory.Replace(2), generations)
    for m in range(generations):
        for name, values in (("error", (states - p) ** 2), ("diversity", states * (1 - states)), ("mean", states)):
            centred = values - law @ values
            expected = law @ centred**3 / (law @ centred**2) ** 1.5
            assert seen[name][m] == pytest.approx(expected, rel=1e-9), (name, m)
        law = law @ step


@pytest.mark.parametrize(
    ("f", "w"),
    [
        (theory.Gamma(1, 1.0), theory.Replace(8)),
        (theory.Gaussian(), theory.Replace(8)),
        (theory.Poisson(1.0), theory.Replace(2)),
    ],
    ids=repr,
)
def test_judged_means_keep_the_rate_and_the_others_do_not(f: theory.Family, w: theory.Replace) -> None:
    """300 runs of 256 chains in one: judged cells alarm at most twice as often as asked for, the others far more."""
    from scipy import stats

    runs, chains, generations, budget = 300, 256, 24, 0.05
    t = simulate.chains(f, w, generations, runs * chains, KEY)
    judged = simulate.judged(f, w, generations, chains, budget)
    limit, each = threshold(generations, chains, budget), budget / generations
    kept = lost = 0
    for name, mean in (("error", theory.error), ("diversity", theory.diversity)):
        values = np.asarray(getattr(t, name)).reshape(runs, chains, generations)
        error = values.std(axis=1, ddof=1) / chains**0.5
        alarms = np.abs(values.mean(axis=1) - np.asarray(mean(f, w, t.generation), float)) > limit * error
        kept, lost = kept + alarms[:, judged[name]].sum(), lost + alarms[:, ~judged[name]].sum()
    cells = [int(sum(sum(part) for part in parts)) for parts in zip(*((j, ~j) for j in
             (judged["error"], judged["diversity"])), strict=True)]  # fmt: skip
    assert min(cells) > 0
    # alarms of one run come together: up to `generations` at once, so runs are counted rather than cells
    assert kept <= generations * stats.poisson.isf(1e-4, runs * 2 * each * cells[0] / generations)
    assert lost / (runs * cells[1]) > 10 * each


def test_means_whose_moments_overflow_are_not_judged() -> None:
    late = simulate.judged(theory.Gamma(0.5, 1.0), theory.Replace(4), 400, 300)
    assert not any(late[name][200:].any() for name in ("error", "diversity", "mean")) and late["log_mean"].all()


def enumerated(w: theory.Workflow, p: float, generations: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The law of the mean of Binomial(1, p) at each generation, from all that can be drawn: (means, chances)."""
    from scipy import stats

    assert not isinstance(w, theory.Schedule | theory.Replace)
    real, synthetic = int(w.real), int(w.synthetic)
    counts, fresh = np.arange(synthetic + 1), stats.binom.pmf(np.arange(real + 1), real, p)
    states = {(k / real, k / real): float(fresh[k]) for k in range(real + 1)}  # (mean that is kept, that of the model)
    laws = []
    for size in range(real, real + generations * synthetic, synthetic):
        if isinstance(w, theory.AccumulateSubsample):
            trained: dict[tuple[float, float], float] = {}
            for (kept, _), chance in states.items():
                for k, each in enumerate(stats.binom.pmf(np.arange(w.train + 1), w.train, kept)):
                    trained[kept, k / w.train] = trained.get((kept, k / w.train), 0.0) + chance * float(each)
            states = trained
        laws.append((np.array([model for _, model in states]), np.array(list(states.values()))))
        after: dict[tuple[float, float], float] = {}
        for (kept, model), chance in states.items():
            drawn = stats.binom.pmf(counts, synthetic, model)
            sets = [(k / real, float(fresh[k])) for k in range(real + 1)]
            for mean_of_real, each in sets if isinstance(w, theory.FreshReal) else [(kept, 1.0)]:
                share = real / (real + synthetic)
                if isinstance(w, theory.FreshReal) and w.weight is not None:
                    share = w.weight
                pooled = (size * kept + counts) / (size + synthetic)
                mixed = share * mean_of_real + (1 - share) * counts / synthetic
                keeps = isinstance(w, theory.Accumulate | theory.AccumulateSubsample)
                for mean, other in zip((pooled if keeps else mixed).tolist(), drawn, strict=True):
                    state = round(mean if keeps else kept, 12), round(mean, 12)
                    after[state] = after.get(state, 0.0) + chance * each * float(other)
        states = after
    return laws


@pytest.mark.parametrize(
    "w",
    [
        theory.FixedReal(2, 3),
        theory.FreshReal(2, 3),
        theory.FreshReal(2, 3, weight=0.7),
        theory.Accumulate(2, 3),
        theory.AccumulateSubsample(2, 3, train=2, replacement=True),
    ],
    ids=repr,
)
def test_skewness_under_every_workflow_is_that_of_enumerated_chains(w: theory.Workflow) -> None:
    p, generations = 0.2, 4
    seen = skewness(theory.Binomial(1, p), w, generations)
    for m, (mean, chance) in enumerate(enumerated(w, p, generations)):
        for name, values in (("error", (mean - p) ** 2), ("diversity", mean * (1 - mean)), ("mean", mean)):
            centred = values - chance @ values
            expected = chance @ centred**3 / (chance @ centred**2) ** 1.5
            assert seen[name][m] == pytest.approx(expected, rel=1e-8), (name, m)


def test_skewness_of_schedules_and_subsamples_is_that_of_samples_of_equal_noise() -> None:
    two = theory.Schedule([4, 12], [[1, 0], [1, 0]], [[0.5, 0.5]])  # noise 1/16 + 1/48 = 1/12
    for name, value in skewness(POISSON, theory.Replace(12), 1).items():
        np.testing.assert_allclose(skewness(POISSON, two, 1)[name], value, rtol=1e-12)
    half = theory.AccumulateSubsample(9, 8, train=5)  # the noise of 5 of 9 is that of 10: (1/5) (9 - 5)/(9 - 1) = 1/10
    for name, value in skewness(POISSON, theory.Replace(10, real=9), 2).items():
        np.testing.assert_allclose(skewness(POISSON, half, 1)[name], value[1:], rtol=1e-12)


def test_two_tokens_are_as_skewed_as_the_binomial_that_they_are() -> None:
    tokens, one = theory.Categorical([0.3, 0.7]), theory.Binomial(1, 0.3)
    for w in (theory.Replace(4), theory.Accumulate(3, 4)):
        for name in ("error", "diversity"):
            np.testing.assert_allclose(skewness(tokens, w, 3)[name], skewness(one, w, 3)[name], rtol=1e-9)


def test_skewness_of_the_gaussian_is_that_of_its_chi_squares() -> None:
    """Given the first variance S = chi^2/n, the second mean is normal with variance (1 + S)/n."""
    from scipy import stats

    n = 6
    seen = skewness(theory.Gaussian(), theory.Replace(n), 2)
    assert seen["error"][0] == pytest.approx(8**0.5)
    assert seen["diversity"][0] == pytest.approx((8 / (n - 1)) ** 0.5)
    chi = stats.chi2(n - 1, scale=1 / n)
    error = [odd * chi.expect(lambda s, j=j: (1 + s) ** j) for j, odd in ((1, 1), (2, 3), (3, 15))]
    diversity = [chi.moment(j) ** 2 for j in (1, 2, 3)]
    for name, (one, two, three) in (("error", error), ("diversity", diversity)):
        expected = (three - 3 * two * one + 2 * one**3) / (two - one**2) ** 1.5
        assert seen[name][1] == pytest.approx(expected, rel=1e-6), name
    kept = [simulate.judged(theory.Gaussian(3), theory.Replace(size), 2)["log_variance"].all() for size in (3, 4)]
    assert kept == [False, True]  # as many samples as dimensions: singular, its logarithm is infinite


def test_an_observable_is_judged_while_its_skewness_doubles_no_rate() -> None:
    f, budget = theory.Poisson(0.5), 0.01
    skew = skewness(f, REPLACE, 1)["error"][0]
    sides = []
    for chains in (20, 50, 100, 1000):
        t = threshold(1, chains, budget)
        sides.append((1 + skew * t * (2 * t**2 + 1) / (6 * chains**0.5)) / 2 <= 2)
        assert simulate.judged(f, REPLACE, 1, chains, budget)["error"][0] == sides[-1], chains
    assert True in sides and False in sides


def test_a_threshold_is_a_quantile_of_student_with_one_degree_less_than_chains() -> None:
    assert threshold(1, 2, 0.1) == pytest.approx(np.tan(0.45 * np.pi))  # of one degree: Cauchy's law
    assert threshold(2, 3, 0.1) == pytest.approx(0.95 / np.sqrt(2 * 0.975 * 0.025))  # of two, in closed form
    x = np.array([[1.0], [2.0], [4.0]])
    (row,) = simulate.agree(made_up(x), [3.0]).rows
    assert row.standard_error == pytest.approx(np.sqrt(7 / 3 / 3))


def test_what_is_observed_of_a_model_is_done_by_hand() -> None:
    seen = observe(theory.Categorical([0.5, 0.25, 0.25]), jnp.array([1.0, 1e-12, 0.0]), jnp.array([0.5, 0.5, 0.0]))
    assert int(seen["alive"]) == 2
    assert [float(seen[name]) for name in ("error", "drift")] == pytest.approx([0.375, 1.0])
    factor = jnp.array([[3.0, 0.0], [1.0, 2.0]])
    seen = observe(theory.Gaussian(2, 4.0), kernel.fitted(theory.Gaussian(2, 4.0), jnp.array([3.0, 4.0]), factor))
    expected = [25, 14 / 8, np.log(36 / 16) / 2]
    assert [float(seen[name]) for name in ("error", "diversity", "log_variance")] == pytest.approx(expected)
    for f, mean, diversity in (
        (theory.Binomial(4, 0.5), 1.0, 0.75),
        (theory.Poisson(2.0), 1.0, 0.5),
        (theory.Gamma(3.0, 2.0), 1.0, 0.25),
        (theory.NegativeBinomial(2.0, 2.0), 4.0, 12 / 4),
    ):
        seen = observe(f, jnp.asarray(mean))
        expected = [float((mean - kernel.truth(f)) ** 2), diversity, mean]
        assert [float(seen[name]) for name in ("error", "diversity", "mean")] == pytest.approx(expected), f


def test_almost_collapsed_is_not_collapsed_and_almost_equal_is_not_equal() -> None:
    values = jnp.array([[0.5, 1e-9, 0.0], [1e-9, 0.0, 0.0]])
    t = simulate.Trajectory(theory.Categorical([0.5, 0.5]), REPLACE, error=values, diversity=values)
    assert t.collapsed is not None and t.collapsed.tolist() == [[False, False, True], [False, True, True]]
    assert not simulate.agree(made_up(np.full((4, 1), 0.1)), [0.1 * (1 + 1e-9)])
    close = np.array([[1.0], [1.0], [1.0], [1 + 4e-9]])
    assert simulate.agree(made_up(close), [1.0]).worst.z == pytest.approx(1.0, rel=1e-6)
