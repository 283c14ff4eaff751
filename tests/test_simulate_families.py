"""Linear regressions and kernel densities: against NumPy, which draws all data and fits it, and against theory."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from scipy import special, stats

from modelcollapse import simulate, theory
from modelcollapse.simulate import density, groups, kernel, tails
from modelcollapse.simulate.agree import threshold
from modelcollapse.simulate.chains import run_chains

BUDGET = 1e-5  # of false alarms, in each comparison of a run
CHAINS, GENERATIONS = 3000, 4
KEY = jax.random.key(30)

PLANE = theory.LinearRegression(2, 3.0)
NARROW = theory.LinearRegression(4, 0.5)  # hardly more rows than dimensions: pools are held as factors
DESIGN = theory.LinearRegression(2, 3.0, redrawn=False)
SMOOTH = theory.KernelDensity(0.6, 2, 2.5, held_out=2)
SHRINKING = theory.KernelDensity((0.9, 0.7, 0.5, 0.3), 1, 2.0, held_out=3)


SHARES = [[1, 0, 0, 0], [0.4, 0.6, 0, 0], [0, 0.3, 0.5, 0.2]]
ONE_SOURCE = theory.Schedule([9] * 4, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]], SHARES)


def workflows(real: int, synthetic: int) -> dict[str, theory.Workflow]:
    return {
        "replace": theory.Replace(synthetic, real=real),
        "growing": theory.Replace((synthetic, real, synthetic + 4), real=real),
        "fixed real": theory.FixedReal(real, synthetic),
        "fresh real": theory.FreshReal(real, synthetic),
        "weighted": theory.FreshReal(real, synthetic, weight=0.2),
        "accumulate": theory.Accumulate(real, synthetic),
        "subsample": theory.AccumulateSubsample(real, synthetic, train=real - 2),
        "bootstrap": theory.AccumulateSubsample(real, synthetic, train=real - 2, replacement=True),
        "mixed": theory.Schedule(
            size=[real, synthetic, real, synthetic],
            source=[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0, 0.75, 0], [1, 0, 0, 0]],
            weight=SHARES,
        ),
    }


def some(names: str, real: int, synthetic: int) -> dict[str, theory.Workflow]:
    return {name: workflows(real, synthetic)[name] for name in names.split(", ")}


SETS: dict[str, tuple[theory.Family, dict[str, theory.Workflow]]] = {
    "plane": (PLANE, some("replace, growing, fixed real, fresh real, weighted, accumulate, subsample, mixed", 12, 9)),
    "narrow": (NARROW, some("fixed real, weighted, accumulate", 7, 2)),
    "design": (DESIGN, some("replace, fixed real, weighted, accumulate", 9, 9) | {"mixed": ONE_SOURCE}),
    "few": (
        theory.LinearRegression(1, redrawn=False),
        some("accumulate", 4, 4),
    ),  # chains with a small Gram matrix stay far off: the design is seen to be one
    # much more is added than the model has: that it is drawn from the model, and not from the pool, is seen
    "smooth": (SMOOTH, workflows(6, 9) | {"subsample": theory.AccumulateSubsample(4, 24, train=2)}),
    "shrinking": (SHRINKING, some("accumulate, mixed", 6, 9)),
}
CELLS = [(family, name) for family, (_, named) in SETS.items() for name in named]


@pytest.fixture(scope="module", autouse=True)
def quick_compilation() -> Iterator[None]:
    """Small runs: the time is that of compiling them."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def generations(w: theory.Workflow) -> int:
    return 3 if isinstance(w, theory.Schedule) else GENERATIONS


@cache
def ours(family: str, name: str) -> simulate.Trajectory:
    f, w = SETS[family][0], SETS[family][1][name]
    return simulate.chains(f, w, generations(w), CHAINS, KEY)


def by_hand(f: Any, w: theory.Workflow, m: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Every point of every batch is drawn in NumPy, and every model fitted on its rows, as the schedule says."""
    schedule = w.schedule(m)
    sizes, sources = np.asarray(schedule.size, int), np.asarray(schedule.source, float)
    weights, ends = np.asarray(schedule.weight, float), np.cumsum(np.asarray(schedule.size, int))
    places = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    learner = Regression(f, sizes, rng) if isinstance(f, theory.LinearRegression) else Kernels(f, sizes, rng)
    drawn: set[int] = set()
    for model, row in enumerate(weights):
        for batch in np.flatnonzero(row):
            if batch not in drawn:
                drawn.add(int(batch))
                source = rng.choice(m + 1, (CHAINS, sizes[batch]), p=sources[batch])
                learner.draw(places[batch], source)
        shares = np.repeat(row / sizes, sizes) * np.ones((CHAINS, 1))
        if schedule.train is not None:
            train, used = int(schedule.train[model]), np.flatnonzero(shares[0])
            chosen = rng.integers(len(used), size=(CHAINS, train)) if schedule.replacement else (
                rng.permuted(np.tile(np.arange(len(used)), (CHAINS, 1)), axis=1)[:, :train])  # fmt: skip
            shares = np.zeros_like(shares)
            np.add.at(shares, (np.arange(CHAINS)[:, None], used[chosen]), 1 / train)
        learner.fit(shares)
    return {name: np.stack(columns, axis=1) for name, columns in learner.seen.items()}


class Regression:
    """Rows (x, y) and least squares; on one design every batch has the same x."""

    def __init__(self, f: theory.LinearRegression, sizes: np.ndarray, rng: np.random.Generator) -> None:
        self.f, self.rng = f, rng
        self.x = rng.standard_normal((CHAINS, sizes.sum(), f.dimension))
        if not f.redrawn:
            self.x = np.tile(self.x[:, : sizes[0]], (1, len(sizes), 1))
        self.y = np.zeros(self.x.shape[:2])
        self.models = [np.zeros((CHAINS, f.dimension))]
        self.seen: dict[str, list[np.ndarray]] = {"error": []}

    def draw(self, place: slice, source: np.ndarray) -> None:
        models = np.stack(self.models, axis=1)
        answers = np.einsum("cnd,cnd->cn", self.x[:, place], np.take_along_axis(models, source[:, :, None], 1))
        self.y[:, place] = answers + np.sqrt(self.f.noise) * self.rng.standard_normal(answers.shape)

    def fit(self, shares: np.ndarray) -> None:
        weighted = self.x * shares[:, :, None]
        gram, right = np.einsum("cnd,cne->cde", weighted, self.x), np.einsum("cnd,cn->cd", weighted, self.y)
        self.models.append(np.linalg.solve(gram, right[:, :, None])[:, :, 0])
        self.seen["error"].append((self.models[-1] ** 2).sum(1))


class Kernels:
    """Points, each drawn as a point of the data of its model plus noise of that model's bandwidth."""

    def __init__(self, f: theory.KernelDensity, sizes: np.ndarray, rng: np.random.Generator) -> None:
        self.f, self.rng = f, rng
        self.points = np.zeros((CHAINS, sizes.sum(), f.dimension))
        self.shares: list[np.ndarray] = []
        self.held_out = np.sqrt(f.variance) * rng.standard_normal((CHAINS, f.held_out, f.dimension))
        self.seen: dict[str, list[np.ndarray]] = {"error": [], "diversity": [], "loss": []}

    def width(self, model: int) -> float:
        return float(self.f.bandwidth[model - 1] if isinstance(self.f.bandwidth, tuple) else self.f.bandwidth)

    def draw(self, place: slice, source: np.ndarray) -> None:
        z = self.rng.standard_normal((*source.shape, self.f.dimension))
        new = np.sqrt(self.f.variance) * z
        for model, shares in enumerate(self.shares, start=1):
            heights = self.rng.random(source.shape)
            chosen = (heights[:, :, None] > np.cumsum(shares, axis=1)[:, None, :-1]).sum(2)
            moved = np.take_along_axis(self.points, chosen[:, :, None], 1) + self.width(model) * z
            new = np.where((source == model)[:, :, None], moved, new)
        self.points[:, place] = new

    def fit(self, shares: np.ndarray) -> None:
        self.shares.append(shares)
        h, d = self.width(len(self.shares)), self.f.dimension
        mean = np.einsum("cp,cpd->cd", shares, self.points)
        spread = np.einsum("cp,cpd->c", shares, (self.points - mean[:, None]) ** 2) + d * h**2
        squares = ((self.held_out[:, :, None] - self.points[:, None]) ** 2).sum(3)
        logs = special.logsumexp(-squares / (2 * h**2), axis=2, b=np.broadcast_to(shares[:, None], squares.shape))
        self.seen["error"].append((mean**2).sum(1))
        self.seen["diversity"].append(spread / (d * self.f.variance))
        self.seen["loss"].append(-(logs - d / 2 * np.log(2 * np.pi * h**2)).mean(1))


@pytest.mark.parametrize(("family", "name"), CELLS)
def test_chains_have_the_law_of_data_that_is_drawn_and_fitted(family: str, name: str) -> None:
    """Each observable at each generation by Kolmogorov and Smirnov; roots, their squares and products by their means."""
    f, w = SETS[family][0], SETS[family][1][name]
    t, plain = ours(family, name).observables, by_hand(f, w, generations(w), np.random.default_rng(31))
    features: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for observable, columns in plain.items():
        seen = np.asarray(t[observable])
        for one, other in zip(seen.T, columns.T, strict=True):
            assert stats.ks_2samp(one, other).pvalue > BUDGET / columns.shape[1], observable
        for place, values in enumerate((seen, columns)):
            # light tails: their means are carried by all chains
            light = values**0.25 if observable == "error" else np.log(np.maximum(values, 0.05))
            ratio = np.abs(np.log(values[:, 1:] / values[:, :-1]))
            features[place].append(np.concatenate([light, light**2, light[:, 1:] * light[:, :1], ratio], axis=1)
                                   if observable == "error" else np.concatenate([light, light**2], axis=1))  # fmt: skip
    one, other = (np.concatenate(each, axis=1) for each in features)
    z = (one.mean(0) - other.mean(0)) / np.sqrt((one.var(0) + other.var(0)) / CHAINS)
    assert np.abs(z).max() < threshold(z.size, CHAINS, BUDGET)


def predicted(f: theory.Family, w: theory.Workflow, m: int, chains: int = CHAINS) -> dict[str, np.ndarray]:
    """What theory says of means that can be judged."""
    judged, at, out = simulate.judged(f, w, m, chains, BUDGET), np.arange(1, m + 1), {}
    questions: dict[str, Any] = {
        "error": theory.error,
        "diversity": theory.diversity,
        "second_moment": theory.second_moment,
    }
    for name, question in questions.items():
        if name in judged:
            out[name] = np.where(judged[name], np.asarray(question(f, w, at), float), np.nan)
    return out


UNKNOWN = (
    [("few", "accumulate"), ("smooth", "subsample")]
    + [("plane", name) for name in ("fixed real", "weighted", "subsample", "mixed")]
    + [
        ("narrow", name)
        for name in SETS["narrow"][1]  # no mean can be judged there
    ]
)


@pytest.mark.parametrize(("family", "name"), [cell for cell in CELLS if cell not in UNKNOWN])
def test_chains_agree_with_theory(family: str, name: str) -> None:
    f, w = SETS[family][0], SETS[family][1][name]
    means = predicted(f, w, generations(w))
    assert any(np.isfinite(each).any() for each in means.values())
    verdict = simulate.agree(ours(family, name), means, BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize(
    ("f", "w"),
    [
        (theory.LinearRegression(3), theory.Accumulate(20, 30)),
        (theory.LinearRegression(20), theory.Accumulate(30, 4)),
        (theory.LinearRegression(3, redrawn=False), theory.Accumulate(20, 20)),
        (SMOOTH, theory.Accumulate(20, 30)),
    ],
    ids=repr,
)
def test_single_precision_is_enough(f: theory.Family, w: theory.Workflow) -> None:
    with jax.enable_x64(False):
        t = simulate.chains(f, w, 6, CHAINS, jax.random.key(32))
    assert t.error.dtype == np.float32
    assert all(np.all(np.isfinite(each)) for each in t.observables.values())
    verdict = simulate.agree(t, predicted(f, w, 6), BUDGET)
    assert verdict, str(verdict)


def test_large_chains_agree_with_theory() -> None:
    """Nearly as many covariates as rows at first; a thousand points with a small bandwidth."""
    f, w = theory.LinearRegression(40), theory.Accumulate(60, 30)
    verdict = simulate.agree(simulate.chains(f, w, 4, 300, KEY), predicted(f, w, 4, 300), BUDGET)
    assert verdict, str(verdict)
    g, w = theory.KernelDensity(0.1, 3), theory.Accumulate(1000, 500)
    verdict = simulate.agree(simulate.chains(g, w, 4, 100, KEY), predicted(g, w, 4, 100), BUDGET)
    assert verdict, str(verdict)


@pytest.mark.parametrize("f", [PLANE, DESIGN, theory.KernelDensity(0.6)], ids=repr)
def test_a_chain_depends_on_its_key_and_number_alone(f: theory.Family) -> None:
    w = theory.Accumulate(9, 9)
    few, many = (simulate.chains(f, w, m, chains, KEY).observables for m, chains in ((2, 5), (4, 9)))
    for name in few:
        np.testing.assert_allclose(few[name], many[name][:5, :2], rtol=1e-9)


@pytest.mark.parametrize("f", [PLANE, DESIGN, theory.KernelDensity(0.6)], ids=repr)
def test_keys_can_be_mapped_over(f: theory.Family) -> None:
    w, keys = theory.FixedReal(9, 9), jax.random.split(KEY, 3)
    work = groups.work(f, w, 3, 7)

    def run(key: jax.Array) -> dict[str, jax.Array]:
        return run_chains(
            key, work.free, work.pool.room, work.pool.sizes, work.pool.rows, kind=type(f), fixed=work.program.fixed,
            memory=work.pool.memory, step=work.pool.step, most=work.pool.most, chains=7,
        )  # fmt: skip

    mapped = jax.vmap(run)(keys)
    for place, key in enumerate(keys):
        alone = simulate.chains(f, w, 3, 7, key).observables
        for name in alone:
            np.testing.assert_allclose(mapped[name][place], alone[name], rtol=1e-9)


def test_the_running_density_is_that_of_all_points() -> None:
    rng = np.random.default_rng(33)
    points, held_out = rng.normal(size=(30, 3)), rng.normal(size=(5, 3)) * 40  # far out: exponentials underflow
    f = theory.KernelDensity(0.3, 3, held_out=5)

    def fit(first: int, last: int) -> kernel.Density:
        n, given = last - first, (jax.numpy.asarray(each) for each in (0.3, held_out))
        return density.fitted(f, jax.numpy.asarray(points[first:last]), jax.numpy.full(n, 1 / n), *given)

    running, whole = density.mixed(12 / 30, fit(0, 12), fit(12, 30)), fit(0, 30)
    for one, other in zip(jax.tree.leaves(running), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    exact = [special.logsumexp(stats.norm(points, 0.3).logpdf(place).sum(1)) - np.log(30) for place in held_out]
    assert running.logs is not None
    np.testing.assert_allclose(running.logs, exact, rtol=1e-12)


def test_memory_does_not_grow_where_statistics_are_enough() -> None:
    for f, w in ((PLANE, theory.Accumulate(9, 9)), (PLANE, theory.FixedReal(9, 9)), (DESIGN, theory.Accumulate(9, 9)),
                 (SMOOTH, theory.Replace(9)), (SMOOTH, theory.FixedReal(9, 9)), (SMOOTH, theory.FreshReal(9, 9))):  # fmt: skip
        shapes = [
            jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(lambda p=p, f=f: p.memory(f, p.room)))
            for p in (groups.work(f, w, m, 2).pool for m in (3, 30))
        ]
        assert shapes[0] == shapes[1]


def test_the_skewness_of_one_fit_is_that_of_fishers_law() -> None:
    f = theory.LinearRegression(3)
    skew = tails.skewness(f, theory.Replace(20), 2)["error"]
    np.testing.assert_allclose(skew, float(stats.f(3, 18).stats("s")), rtol=1e-12)
    assert not simulate.judged(f, theory.Replace(8), 2)["error"].any()  # six degrees: no third moment


@pytest.mark.parametrize(
    ("f", "w"),
    [
        (theory.LinearRegression(3), theory.Replace(20)),
        (theory.LinearRegression(3), theory.FreshReal(20, 9)),
        (theory.LinearRegression(3), theory.Accumulate(20, 20)),
        (theory.KernelDensity(0.1, 2), theory.Replace(12)),
        (theory.KernelDensity(0.5), theory.Accumulate(12, 12)),
        (theory.KernelDensity(0.5), theory.AccumulateSubsample(12, 12, replacement=True)),
    ],
    ids=repr,
)
def test_no_observable_is_more_skewed_than_it_is_taken_to_be(f: theory.Family, w: theory.Workflow) -> None:
    t = simulate.chains(f, w, 6, 10000, KEY).observables
    for name, taken in tails.skewness(f, w, 6).items():
        values = np.asarray(t[name])
        if values.std() > 0:
            seen = stats.skew(values)
            # the spread of an estimated skewness, by batches of chains
            error = stats.skew(values.reshape(20, 500, 6), axis=1).std(0) / np.sqrt(20)
            assert np.all(seen < taken + 5 * error), name


@pytest.mark.parametrize(
    ("f", "w", "words"),
    [
        (PLANE, theory.Replace(3), ["at least dimension + 2", "use more samples"]),
        (PLANE, theory.AccumulateSubsample(9, 9, train=3), ["train=3", "dimension + 2 = 4"]),
        (PLANE, theory.AccumulateSubsample(9, 9, replacement=True), ["replacement=True", "replacement=False"]),
        (DESIGN, theory.FixedReal(9, 8), ["one design", "use equal sizes"]),
        (DESIGN, theory.AccumulateSubsample(9, 9), ["one design", "redrawn=True"]),
        (DESIGN, theory.RandomPast(9), ["one design", "redrawn=True"]),
        (SHRINKING, theory.Replace(9), ["bandwidths of 4 models", "5 generations"]),
        (SMOOTH, theory.AccumulateSubsample(9, 9).schedule(5), ["Schedule", "AccumulateSubsample"]),
    ],
)
def test_what_no_chain_can_follow_is_refused_in_one_line(f: Any, w: Any, words: list[str]) -> None:
    with pytest.raises(theory.InputError) as refused:
        simulate.chains(f, w, 5, 10, KEY)
    assert "\n" not in str(refused.value)
    for each in words:
        assert each in str(refused.value)


def test_fields_are_checked() -> None:
    for wrong in (-1, 0.5, True):
        with pytest.raises(theory.InputError, match="held_out"):
            theory.KernelDensity(0.5, held_out=wrong)  # type: ignore[arg-type]
    with pytest.raises(theory.InputError, match="redrawn=True"):
        simulate.point_chains(DESIGN, theory.Replace(9), 2, 5, KEY)
    with pytest.raises(TypeError, match="points"):
        kernel.draw(None, SMOOTH, None, kernel.Size(1), 1)  # type: ignore[arg-type]
