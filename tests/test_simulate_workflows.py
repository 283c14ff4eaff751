"""Chains of every family under every workflow: against theory, against drawn points, against facts done by hand."""

from collections.abc import Callable, Iterator
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse import simulate, theory
from modelcollapse.simulate import subsample
from modelcollapse.simulate.agree import threshold

BUDGET = 1e-5  # of false alarms, in each comparison of a run
CHAINS, GENERATIONS = 2000, 4
REAL, SYNTHETIC = 5, 8
KEY = jax.random.key(20)

FAMILIES: dict[str, theory.Family] = {
    "categorical": theory.Categorical([0.5, 0.3, 0.2]),
    "gaussian": theory.Gaussian(2, 4.0),
    "binomial": theory.Binomial(3, 0.3),
    "poisson": theory.Poisson(3.0),
    "gamma": theory.Gamma(2.0, 1.5),
    "negative binomial": theory.NegativeBinomial(2.0, 3.0),
}
WORKFLOWS: dict[str, theory.Workflow] = {  # real != synthetic: an exchange of the two is seen
    "replace": theory.Replace(SYNTHETIC, real=REAL),
    "growing": theory.Replace((4, 8, 6), real=REAL),
    "fixed real": theory.FixedReal(REAL, SYNTHETIC),
    "fresh real": theory.FreshReal(REAL, SYNTHETIC),
    "weighted": theory.FreshReal(REAL, SYNTHETIC, weight=0.8),
    "accumulate": theory.Accumulate(REAL, SYNTHETIC),
    "subsample": theory.AccumulateSubsample(REAL, SYNTHETIC, train=4),
    "bootstrap": theory.AccumulateSubsample(REAL, SYNTHETIC, train=4, replacement=True),
    "window": theory.SlidingWindow(SYNTHETIC, models=2),
    "past": theory.RandomPast(SYNTHETIC),
}
SUBSAMPLED = [w for w in WORKFLOWS.values() if isinstance(w, theory.AccumulateSubsample)]
MIXED = theory.Schedule(
    size=[REAL, 4, SYNTHETIC, 6],
    source=[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0, 0.75, 0], [1, 0, 0, 0]],
    weight=[[1, 0, 0, 0], [0.4, 0.6, 0, 0], [0, 0.3, 0.5, 0.2]],
)


@pytest.fixture(scope="module", autouse=True)
def quick_compilation() -> Iterator[None]:
    """Small runs: the time is that of compiling them."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def predicted(f: theory.Family, w: theory.Workflow, generations: int) -> dict[str, np.ndarray]:
    """What theory says, where a mean over the chains can be judged."""
    at = np.arange(1, generations + 1)
    means = {"error": theory.error(f, w, at), "diversity": theory.diversity(f, w, at)}
    judged = simulate.judged(f, w, generations, CHAINS, BUDGET)
    return {name: np.where(judged[name], np.asarray(mean, float), np.nan) for name, mean in means.items()}


# A step of a workflow does not know the family and a kernel does not know the workflow: three families meet every
# workflow, the others those whose code they could break.
CELLS = [(family, workflow) for family in ("categorical", "gaussian", "gamma") for workflow in WORKFLOWS] + [
    ("binomial", "replace"),
    ("binomial", "accumulate"),
    ("binomial", "subsample"),
    ("poisson", "growing"),
    ("poisson", "fixed real"),
    ("poisson", "bootstrap"),
    ("negative binomial", "replace"),
    ("negative binomial", "weighted"),
]


@pytest.mark.parametrize(("family", "workflow"), CELLS)
def test_chains_agree_with_theory(family: str, workflow: str) -> None:
    f, w = FAMILIES[family], WORKFLOWS[workflow]
    t = simulate.chains(f, w, GENERATIONS, CHAINS, KEY)
    verdict = simulate.agree(t, predicted(f, w, GENERATIONS), BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize("w", [theory.Replace(12), theory.Replace((4, 8, 6), real=REAL)], ids=repr)
def test_kept_samples_of_many_tokens_agree_with_theory(w: theory.Replace) -> None:
    """More tokens than are compared one by one: sizes grow and shrink."""
    f = theory.Categorical(np.arange(1, 101) / 5050)
    t, at = simulate.chains(f, w, GENERATIONS, CHAINS, KEY), np.arange(1, GENERATIONS + 1)
    verdict = simulate.agree(t, predicted(f, w, GENERATIONS) | {"alive": theory.survivors(f, w, at)}, BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize("family", ["categorical", "gaussian"])
def test_chains_of_a_mixed_schedule_agree_with_theory(family: str) -> None:
    f = FAMILIES[family]
    verdict = simulate.agree(simulate.chains(f, MIXED, 3, CHAINS, KEY), predicted(f, MIXED, 3), BUDGET)
    assert verdict, str(verdict)


# Where chains are run on points anyway the two would be one implementation: those cells are left out.
TWICE = [
    cell
    for cell in CELLS
    if cell[1] != "growing" and (cell[0] == "categorical" or WORKFLOWS[cell[1]] not in SUBSAMPLED)
]


@pytest.mark.parametrize(("family", "workflow"), TWICE)
def test_sufficient_statistics_and_drawn_points_give_one_law(family: str, workflow: str) -> None:
    same_law(FAMILIES[family], WORKFLOWS[workflow])


FLAT = [theory.Replace(4), theory.Replace((3, 5), real=4), theory.Accumulate(2, 7), theory.Accumulate(4, 3)]


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("w", FLAT, ids=str)
def test_what_few_first_points_span_is_never_left(w: theory.Replace | theory.Accumulate, unbiased: bool) -> None:
    """Gaussians of many more coordinates than first points are run in the flat of those."""
    f = theory.Gaussian(9, variance=2.0, unbiased=unbiased)
    t = simulate.chains(f, w, 3, CHAINS, KEY)
    assert np.all(np.isneginf(np.asarray(t.log_variance)))
    verdict = simulate.agree(t, predicted(f, w, 3), BUDGET)
    assert verdict, str(verdict)
    if not f.unbiased or isinstance(w, theory.Accumulate):
        same_law(f, w, 3)


def same_law(f: theory.Family, w: theory.Workflow, generations: int = GENERATIONS) -> None:
    """Of chains and points: first moments, squares and cross products of error and diversity, in two samples."""
    runs = (
        simulate.chains(f, w, generations, CHAINS, KEY),
        simulate.point_chains(f, w, generations, CHAINS, jax.random.key(21)),
    )
    features = []
    for t in runs:
        # roots and logarithms: their means are carried by all chains, not by a few
        error, diversity = np.sqrt(np.asarray(t.error)), np.log(np.asarray(t.diversity) + 0.1)
        one = np.concatenate([error, diversity], axis=1)
        features.append(
            np.concatenate(
                [one, one**2, error[:, 1:] * error[:, :1], diversity[:, 1:] * diversity[:, :1], error * diversity], 1
            )
        )
    difference = features[0].mean(0) - features[1].mean(0)
    error_of_it = np.sqrt(sum(each.var(0, ddof=1) / CHAINS for each in features))
    z = np.divide(difference, error_of_it, out=np.zeros_like(difference), where=error_of_it > 0)
    assert np.all(np.abs(difference[error_of_it == 0]) < 1e-12)
    assert np.max(np.abs(z)) < threshold(z.size, CHAINS, BUDGET)


def test_a_mixed_schedule_on_points_agrees_with_theory() -> None:
    f = FAMILIES["poisson"]
    t = simulate.point_chains(f, MIXED, 3, CHAINS, KEY)
    verdict = simulate.agree(t, predicted(f, MIXED, 3), BUDGET)
    assert verdict, str(verdict)


def test_replace_loses_diversity_by_one_in_n_each_generation() -> None:
    p, n = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], 4
    start = 1 - sum(x * x for x in p)
    left = [float(start * Fraction(n - 1, n) ** m) for m in range(1, 7)]
    t = simulate.chains(theory.Categorical(p), theory.Replace(n), 6, CHAINS, KEY)
    assert simulate.agree(t, {"diversity": left, "error": float(start) - np.array(left)}, BUDGET)
    wrong = [float(start * Fraction(n, n + 1) ** m) for m in range(1, 7)]
    assert not simulate.agree(t, {"diversity": wrong}, BUDGET)


def test_accumulating_one_by_one_is_an_urn_of_polya() -> None:
    """Two colours, one ball each: after m draws the share is uniform on 1/(m+2), ..., (m+1)/(m+2)."""
    t = simulate.chains(theory.Categorical.from_counts([1, 1]), theory.Accumulate(2, 1), 5, CHAINS, KEY)
    product = np.asarray(t.diversity)[:, -1] / 2  # x (1 - x) of the share x = k/6, k = 1..5
    seen = [np.sum(np.isclose(product, x * (1 - x))) for x in (1 / 6, 2 / 6, 3 / 6)]
    from scipy import stats

    assert sum(seen) == CHAINS
    assert stats.chisquare(seen, np.array([2, 2, 1]) / 5 * CHAINS).pvalue > BUDGET


@pytest.mark.parametrize("workflow", ["replace", "fixed real", "accumulate"])
def test_the_mean_is_a_martingale(workflow: str) -> None:
    f = FAMILIES["binomial"]
    t = simulate.chains(f, WORKFLOWS[workflow], GENERATIONS, CHAINS, KEY)
    assert simulate.agree(t, {"mean": [0.9] * GENERATIONS}, BUDGET)
    assert not simulate.agree(t, {"mean": [1.0] * GENERATIONS}, BUDGET)


@pytest.mark.parametrize("name", ["fixed real", "fresh real", "weighted", "accumulate", "window"])
def test_the_unbiased_gaussian_is_run_on_moments_as_on_points(name: str) -> None:
    """Its pool has the divisor n, and its model not: mean, variance and log variance."""
    f, w = theory.Gaussian(2, 4.0, unbiased=True), WORKFLOWS[name]
    verdict = simulate.agree(simulate.chains(f, w, GENERATIONS, CHAINS, KEY), predicted(f, w, GENERATIONS), BUDGET)
    assert verdict, str(verdict)
    same_law(f, w)
    one, other = (run(f, w, GENERATIONS, CHAINS, KEY).log_variance for run in (simulate.chains, simulate.point_chains))
    means = [np.asarray(each)[:, 1:].mean(axis=0) for each in (one, other)]
    errors = np.hypot(*(np.asarray(each)[:, 1:].std(axis=0) / CHAINS**0.5 for each in (one, other)))
    assert np.all(np.abs(means[0] - means[1]) < 4.5 * errors)


def test_the_unbiased_gaussian_keeps_its_mean_variance_and_loses_its_log_variance() -> None:
    f, w = theory.Gaussian(2, 3.0, unbiased=True), theory.Replace(12, real=6)
    t, at = simulate.chains(f, w, 6, CHAINS, KEY), np.arange(1, 7)
    verdict = simulate.agree(t, {"diversity": np.ones(6), "log_variance": theory.log_variance(f, w, at)}, BUDGET)
    assert verdict, str(verdict)


def test_survivors_and_log_mean_agree_with_theory() -> None:
    at = np.arange(1, GENERATIONS + 1)
    f, w = FAMILIES["categorical"], WORKFLOWS["replace"]
    t = simulate.chains(f, w, GENERATIONS, CHAINS, KEY)
    assert simulate.agree(t, {"alive": theory.survivors(f, w, at)}, BUDGET)
    g, w = theory.Gamma(2.0, 1.5), theory.Replace(SYNTHETIC, real=REAL)
    t = simulate.chains(g, w, GENERATIONS, CHAINS, KEY)
    assert simulate.agree(t, {"log_mean": theory.log_mean(g, w, at)}, BUDGET)


@pytest.mark.parametrize("w", [theory.Replace(8, real=6), theory.FixedReal(6, 8), theory.Accumulate(6, 8)], ids=repr)
def test_a_corpus_is_generation_one(w: theory.Workflow) -> None:
    f, at = theory.Categorical.from_counts([3, 2, 1]), np.arange(1, GENERATIONS + 1)
    t = simulate.chains(f, w, GENERATIONS, CHAINS, KEY)
    assert np.ptp(np.asarray(t.diversity)[:, 0]) == 0
    prediction = {"error": theory.error(f, w, at), "diversity": theory.diversity(f, w, at)}
    verdict = simulate.agree(t, prediction, BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize("family", ["categorical", "poisson"])  # counts of tokens; points
@pytest.mark.parametrize(("real", "synthetic", "train"), [(5, 2, 4), (4, 32, 2)])
def test_a_subsampled_pool_keeps_what_is_drawn_and_grows_by_samples_of_the_model(
    family: str, real: int, synthetic: int, train: int
) -> None:
    """Less is added than is drawn: the pool would run out. Much more is added than is drawn: its source shows."""
    f, w = FAMILIES[family], theory.AccumulateSubsample(real, synthetic, train=train)
    verdict = simulate.agree(simulate.chains(f, w, GENERATIONS, CHAINS, KEY), predicted(f, w, GENERATIONS), BUDGET)
    assert verdict, str(verdict)


# Generation 2 draws one batch less than 1, generation 3 none; the batch that is drawn last is the smallest.
REWEIGHED = theory.Schedule(
    size=[4, SYNTHETIC, 3],
    source=[[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]],
    weight=[[0.5, 0.5, 0], [0.2, 0.3, 0.5], [0, 0.4, 0.6]],
)


@pytest.mark.parametrize("run", [simulate.chains, simulate.point_chains])
def test_batches_are_kept_where_later_generations_draw_fewer(run: Callable[..., simulate.Trajectory]) -> None:
    f = FAMILIES["poisson"]
    verdict = simulate.agree(run(f, REWEIGHED, 3, CHAINS, KEY), predicted(f, REWEIGHED, 3), BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize("replacement", [False, True])
def test_a_schedule_may_train_on_other_numbers_of_points_in_each_generation(replacement: bool) -> None:
    f, source = FAMILIES["poisson"], [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    weight = [[1, 0, 0], [Fraction(1, 2), Fraction(1, 2), 0], [Fraction(2, 5), Fraction(2, 5), Fraction(1, 5)]]
    w = theory.Schedule([6, 6, 3], source, weight, train=[2, 9, 5], replacement=replacement)
    t = simulate.chains(f, w, 3, CHAINS, KEY)
    verdict = simulate.agree(t, predicted(f, w, 3) | {"mean": np.full(3, 3.0)}, BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize("replacement", [False, True])
def test_points_that_nobody_trains_on_need_not_be_drawn(replacement: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The law is that of drawing all: moments, and what generations have in common because they share points."""
    f, w = theory.Gaussian(2, 3.0), theory.AccumulateSubsample(12, 9, 10, replacement=replacement)
    every = simulate.chains(f, w, 5, CHAINS, KEY)
    for name, value in (("DEAR", 1), ("MANY", 1), ("BLOCK", 4)):
        monkeypatch.setattr(subsample, name, value)
    some = simulate.chains(f, w, 5, CHAINS, jax.random.key(22))
    assert simulate.agree(some, predicted(f, w, 5), BUDGET)
    features = []
    for t in (every, some):
        assert t.mean is not None
        mean = np.asarray(t.mean)[:, :, 0]
        products = [mean[:, a] * mean[:, b] for a in range(5) for b in range(a, 5)]
        features.append(np.column_stack([*products, np.log(np.asarray(t.diversity) + 0.1)]))
    spread = np.sqrt(sum(each.var(0, ddof=1) / CHAINS for each in features))
    z = (features[0].mean(0) - features[1].mean(0)) / spread
    assert np.max(np.abs(z)) < threshold(z.size, CHAINS, BUDGET)


def test_points_that_are_drawn_have_places_of_their_own() -> None:
    """A point that two generations share is one place in both; each lies in the blocks of the generation that draws it."""
    rng = np.random.default_rng(0)
    real, synthetic, generations, train = 150, 130, 6, 140
    offset = np.append(0, real + synthetic * np.arange(generations - 1)).astype(np.int32)
    items = (real + synthetic * np.arange(generations)).astype(np.int32)
    chosen = np.array([[rng.choice(each, train, replace=False) for each in items] for _ in range(3)], np.int32)
    rows = {"offset": jnp.asarray(offset), "items": jnp.asarray(items)}
    each, alike = subsample._packed(({"chosen": jnp.asarray(chosen)}, {}), rows, int(items[-1]) + real)
    begin, blocks = np.asarray(alike["offset"]), np.asarray(alike["blocks"])
    assert begin[0] == 0 and np.all(np.diff(begin) == blocks[:-1] * subsample.BLOCK)
    for chain in range(3):
        old, new = chosen[chain].ravel(), np.asarray(each["chosen"])[chain].ravel()
        found = dict(zip(old.tolist(), new.tolist(), strict=True))
        assert all(found[a] == b for a, b in zip(old.tolist(), new.tolist(), strict=True))
        assert len(set(found.values())) == len(found)
        batch = np.searchsorted(offset, list(found), side="right") - 1
        place = np.array(list(found.values())) - begin[batch]
        assert np.all((place >= 0) & (place < np.bincount(batch, minlength=generations)[batch]))
        assert np.all(np.bincount(batch, minlength=generations) <= blocks * subsample.BLOCK)
