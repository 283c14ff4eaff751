"""Tables of real text: counted right, divided right, and what theory says of each context, with no free parameter."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pydoc_data.topics import topics
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelcollapse import simulate, theory
from modelcollapse.lm import contexts, fixed_counts, free_running, nulls, tabular
from modelcollapse.plan import plan, plan_order

LENGTH, CHAINS, GENERATIONS = 64, 256, 10
BUDGET = 1e-3  # of false alarms, in each run that is judged


def help_topics() -> tuple[np.ndarray, int]:
    """Windows (n, 64) of the help topics of Python, as bytes numbered from 1, and how many numbers there are with 0."""
    documents = [np.frombuffer(topics[name].encode(), np.uint8) for name in sorted(topics)]
    values = np.unique(np.concatenate(documents))
    windows = [each[: len(each) // LENGTH * LENGTH].reshape(-1, LENGTH) for each in documents]
    return np.searchsorted(values, np.concatenate(windows)) + 1, len(values) + 1


TEXT = help_topics()
TOY = np.array([[1, 2, 1, 2, 2], [1, 1, 1, 2, 1], [2, 1, 3, 1, 2]])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_table_counts_what_follows_each_context_within_a_window(order: int) -> None:
    counted: Counter[tuple[int, ...]] = Counter()
    for window in TOY.tolist():
        padded = [0] * order + window
        counted.update(tuple(padded[at : at + order + 1]) for at in range(len(window)))
    table = tabular.fit(TOY, order, vocabulary=4)
    before = np.repeat(table.contexts, np.diff(table.first), axis=0)
    found = {
        (*old, new): count for old, new, count in zip(before.tolist(), table.token.tolist(), table.count, strict=True)
    }
    assert {tuple(map(int, pair)): int(count) for pair, count in found.items()} == dict(counted)
    assert table.seen.sum() == table.size == TOY.size


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
def test_shares_are_whole_and_sum_to_the_total_and_the_largest_remainders_go_up(total: int, weights: list[int]) -> None:
    shares = contexts.apportioned(total, np.array(weights))
    assert shares.sum() == total and shares.min() >= 0
    missed = [int(share) * sum(weights) - total * weight for share, weight in zip(shares, weights, strict=True)]
    assert all(abs(each) < sum(weights) for each in missed)
    up, down = [each for each in missed if each > 0], [each for each in missed if each <= 0]
    assert not up or max(up) - min(down, default=0) <= sum(weights)  # no remainder went up before a larger one


WORKFLOWS: dict[str, contexts.Sized] = {
    "replace": theory.Replace(500),
    "growing": theory.Replace((600, 700), real=500),
    "fixed": theory.FixedReal(500, 600),
    "fresh": theory.FreshReal(500, 600, weight=0.3),
    "accumulate": theory.Accumulate(500, 600),
    "subsample": theory.AccumulateSubsample(500, 600, train=499),
}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_context_gets_its_part_and_the_rest_is_counted(name: str) -> None:
    table, w = table_of(1), WORKFLOWS[name]
    divided = contexts.divide(table, w)
    out = np.setdiff1d(np.arange(len(table.context)), divided.visited)
    assert divided.unvisited == len(out) > 0
    assert divided.unvisited_share == pytest.approx(table.seen[out].sum() / table.size, abs=1e-12)
    seen = table.seen[divided.visited]
    np.testing.assert_allclose(divided.weight * seen.sum(), seen, rtol=1e-12)
    for each in divided.workflows:
        assert type(each) is type(w)
        if isinstance(each, theory.FreshReal):
            assert each.weight == 0.3
        if isinstance(each, theory.AccumulateSubsample):
            assert 1 <= each.train <= each.real
    largest = divided.workflows[int(np.argmax(divided.weight))]
    share = table.seen.max() / table.size
    wanted = w.synthetic if isinstance(w.synthetic, tuple) else (w.synthetic,)
    found = largest.synthetic if isinstance(largest.synthetic, tuple) else (largest.synthetic,)
    assert all(
        abs(one - share * other) < 1 for one, other in zip((largest.real, *found), (w.real, *wanted), strict=True)
    )


def test_a_single_subsampled_sample_is_a_draw_of_the_truth() -> None:
    """Where the closed form divides by zero: any one point of the pool has the error v."""
    table = tabular.fit(np.array([[1, 2, 2]]), 0, vocabulary=3)
    found = contexts.predict(contexts.divide(table, theory.AccumulateSubsample(1, 1)), 5)
    np.testing.assert_allclose(found.error[0], table.law(0).v, rtol=1e-12)
    np.testing.assert_allclose(found.diversity[0], 0, atol=1e-12)


@cache
def table_of(order: int) -> tabular.TabularLM:
    return tabular.fit(TEXT[0], order, vocabulary=TEXT[1])


@cache
def run_of(order: int, w: contexts.Sized) -> tuple[fixed_counts.ContextRun, contexts.Prediction]:
    divided = contexts.divide(table_of(order), w)
    run = fixed_counts.fixed_counts(divided, GENERATIONS, CHAINS, jax.random.key(7))
    return run, contexts.predict(divided, GENERATIONS)


REAL: list[tuple[int, contexts.Sized]] = [
    (0, theory.Replace(500)),
    (0, theory.FixedReal(500, 500)),
    (0, theory.Accumulate(500, 500)),
    (0, theory.FreshReal(500, 500)),
    (0, theory.AccumulateSubsample(200, 200)),
    (1, theory.FixedReal(500, 500)),
    (1, theory.Replace(4096)),
]


@pytest.mark.parametrize(("order", "w"), REAL, ids=[f"{order}-{type(w).__name__}-{w.real}" for order, w in REAL])
def test_tables_of_real_text_are_what_theory_says(order: int, w: theory.Workflow) -> None:
    """Error, diversity, tokens or pairs lost, and L1: of the whole table, and of every context with a Monte-Carlo null."""
    run, prediction = run_of(order, w)
    found = nulls.judge(run, prediction, np.random.default_rng(7), BUDGET)
    assert found.passed, "; ".join([*map(str, found.total), *map(str, found.alarms)])
    judged = {row.observable for each in found.total for row in each.rows}
    assert judged == {"error", "diversity", "alive", "drift"}
    assert len(found.contexts) == len(run.contexts.visited) == len(run.error)
    lost = run.contexts.pairs - prediction.alive[:, -1].sum()
    assert (
        run.lost[:, -1].mean() <= lost + 4 * run.lost[:, -1].std() / CHAINS**0.5
    )  # a bound of those alive is one of those lost


def test_a_wrong_context_is_named() -> None:
    """Chains of one rare context of 52 whose truth is another's: an alarm there, and nowhere else."""
    run, prediction = run_of(1, theory.FixedReal(500, 500))
    few = np.flatnonzero((run.contexts.samples > 5) & (run.contexts.samples < 30) & (prediction.diversity[:, 0] > 0.3))
    wrong, other = few[0], few[-1]
    names = ("error", "diversity", "alive", "drift")
    swapped = replace(run, **{name: getattr(run, name).copy() for name in names})
    for name in names:
        getattr(swapped, name)[wrong] = getattr(run, name)[other]
    found = nulls.judge(swapped, prediction, np.random.default_rng(7), BUDGET)
    assert [each.place for each in found.alarms] == [run.contexts.visited[wrong]]
    assert not found.passed


def test_sizes_that_are_off_by_a_tenth_are_seen_in_the_whole_table() -> None:
    run, _ = run_of(0, theory.Replace(500))
    other = contexts.predict(contexts.divide(table_of(0), theory.Replace(550)), GENERATIONS)
    found = nulls.judge(run, other, np.random.default_rng(7), BUDGET)
    worst = max((row for each in found.total for row in each.rows), key=lambda row: row.excess)
    assert not all(found.total) and worst.observable == "alive"


def test_without_context_a_table_is_one_chain() -> None:
    run, _ = run_of(0, theory.Replace(500))
    one, whole = run.context(0), run.total()
    for name in ("error", "diversity", "alive", "drift"):
        np.testing.assert_allclose(getattr(one, name), getattr(whole, name), rtol=1e-12)


@pytest.mark.parametrize(
    "w",
    [
        theory.Replace((5, 9, 7), real=6),
        theory.FixedReal(7, 9),
        theory.FreshReal(12, 9),
        theory.FreshReal(12, 9, weight=0.3),
        theory.Accumulate(7, 9),
        theory.AccumulateSubsample(12, 9, train=10),
        theory.AccumulateSubsample(12, 9, train=10, replacement=True),
    ],
    ids=repr,
)
def test_the_second_implementation_obeys_theory_too(w: theory.Workflow) -> None:
    """So that what the two implementations are compared in is no error that they share."""
    f, at = theory.Categorical([0.4, 0.3, 0.2, 0.1]), np.arange(1, 5)
    seen = nulls.witness(f, w, 4, 4000, np.random.default_rng(3))
    t = simulate.Trajectory(f, w, **{name: jnp.asarray(value) for name, value in seen.items()})
    found = simulate.agree(t, {"error": theory.error(f, w, at), "diversity": theory.diversity(f, w, at)}, 1e-4)
    assert found, str(found)
    bound = simulate.agree(t, None, 1e-4, at_least={"alive": theory.survivors(f, w, at)})
    assert bound, str(bound)


def windows_of(table: tabular.TabularLM, length: int) -> Iterator[tuple[list[int], float]]:
    """Every window that a table of order 1 can write, with its chance."""
    after = {int(context): place for place, context in enumerate(table.context)}

    def law(context: int) -> dict[int, float]:
        place = after[context]
        tokens = table.token[table.first[place] : table.first[place + 1]]
        return dict(zip(tokens.tolist(), table.law(place).p.tolist(), strict=True))

    for window in product(np.unique(table.token).tolist(), repeat=length):
        chance = 1.0
        for old, new in zip((0, *window), window, strict=False):
            chance *= law(old).get(new, 0.0)
        if chance:
            yield list(window), chance


def test_one_step_of_free_running_on_every_text_that_can_be_written() -> None:
    """Wald's identity and that of the start are exact. Shrinkage given visits that the tokens bring about is not."""
    table = tabular.fit(np.array([[1, 1, 1, 2, 1, 2, 2, 1], [2, 1, 1, 2, 2, 2, 1, 1]]), 1, vocabulary=3)
    law = list(windows_of(table, 4))
    assert sum(chance for _, chance in law) == pytest.approx(1, abs=1e-12)
    means = dict.fromkeys(("wald", "shrinkage", "start_shrinkage"), 0.0)
    for (one, first), (two, second) in product(law, law):
        codes = tabular.pair_codes(np.array([one, two]), 1, 3, 0).ravel()
        seen = free_running._innovations(table, tabular.counted(codes, 1, 3, 0))
        means = {name: mean + first * second * float(seen[name]) for name, mean in means.items()}
    assert abs(means["wald"]) < 1e-12 and abs(means["start_shrinkage"]) < 1e-12
    assert 1e-4 < abs(means["shrinkage"]) < 1e-2


FREE = [
    (0, theory.Replace(1024)),
    (1, theory.Replace(2048)),
    (1, theory.Accumulate(1024, 2048)),
    (2, theory.Replace(1024)),
]


@pytest.mark.parametrize(("order", "w"), FREE, ids=[f"{order}-{type(w).__name__}" for order, w in FREE])
def test_one_step_identities_hold_while_a_table_writes_its_own_text(
    order: int, w: theory.Replace | theory.Accumulate
) -> None:
    """Over 256 chains and 10 generations on real text, against a mean of 0."""
    run = free_running.free_run(table_of(order), w, LENGTH, GENERATIONS, CHAINS, np.random.default_rng(11))
    for name in ("wald", "start_shrinkage"):
        values = jnp.asarray(getattr(run, name))
        found = simulate.agree(
            simulate.Trajectory(run.table.law(0), w, values, values), np.zeros(GENERATIONS), BUDGET / 2
        )
        assert found, f"{name}: {found}"
    assert np.all(run.visited <= len(run.table.context) + run.unknown.cumsum(axis=1))
    if order == 0:
        assert not run.unknown.any() and not run.unvisited_share.any()
        w_error = theory.error(run.table.law(0), w, np.arange(1, GENERATIONS + 1))
        fixed = simulate.Trajectory(run.table.law(0), w, jnp.asarray(run.error), jnp.asarray(run.diversity))
        found = simulate.agree(fixed, {"error": w_error}, BUDGET)
        assert found, str(found)
    else:
        assert np.all(run.unvisited_share > 0) and np.all(run.visited < len(run.table.context))
        if isinstance(w, theory.Accumulate):
            assert np.all(np.diff(run.visited) >= 0) and np.all(np.diff(run.alive) >= 0)


def test_observables_of_a_written_table_are_those_of_dense_arrays() -> None:
    """Error, diversity and drift over contexts that are there, with tokens that only one of two tables has."""
    truth = tabular.fit(TOY, 1, vocabulary=4)
    first = tabular.fit(np.array([[1, 2, 1, 1], [2, 1, 2, 2]]), 1, vocabulary=4)
    model = tabular.fit(np.array([[1, 1, 3, 3], [1, 1, 1, 3]]), 1, vocabulary=4)  # 3 after 3 is not in the truth

    def dense(table: tabular.TabularLM) -> np.ndarray:
        full = np.zeros((4, 4))
        np.add.at(full, (np.repeat(table.context, np.diff(table.first)), table.token), table.count)
        return full

    counts, old, new = dense(truth), dense(first), dense(model)
    there = new.sum(axis=1) > 0
    weight = np.where(there, counts.sum(axis=1), 0)
    p, q, r = (each / np.maximum(each.sum(axis=1, keepdims=True), 1) for each in (counts, old, new))
    both = weight * (old.sum(axis=1) > 0)
    found = free_running._observed(truth, first, model)
    assert found["error"] == pytest.approx(weight @ ((r - p) ** 2).sum(axis=1) / weight.sum(), rel=1e-12)
    assert found["diversity"] == pytest.approx(weight @ (1 - (r**2).sum(axis=1)) / weight.sum(), rel=1e-12)
    assert found["drift"] == pytest.approx(both @ np.abs(r - q).sum(axis=1) / both.sum(), rel=1e-12)
    assert found["alive"] == np.count_nonzero(new) and found["visited"] == there.sum() < 4
    assert found["unvisited_share"] == pytest.approx(1 - weight.sum() / counts.sum(), rel=1e-12)


def test_a_context_that_only_ends_windows_is_answered_by_all_tokens_and_counted() -> None:
    table = tabular.fit(np.array([[1, 2]]), 1, vocabulary=3)
    tokens, unknown = free_running.write(table, 4000, 3, np.random.default_rng(0))
    assert np.all(tokens[:, :2] == [1, 2]) and unknown == 4000
    ones = np.count_nonzero(tokens[:, 2] == 1)
    assert abs(ones - 2000) < 4.4 * 4000**0.5 / 2  # chance 1e-5


def test_a_plan_for_an_order_is_the_weighted_theory_of_its_contexts() -> None:
    found = plan_order(TEXT[0], 1, vocabulary=TEXT[1], real=10240, synthetic=20480, generations=4)
    table = table_of(1)
    assert (found.contexts, found.pairs, found.train) == (len(table.context), table.pairs, 10240)
    for row in found.rows:
        prediction = contexts.predict(contexts.divide(table, row.workflow), 4)
        divided = prediction.contexts
        np.testing.assert_allclose(row.error, divided.weight @ prediction.error, rtol=1e-9)
        np.testing.assert_allclose(row.gain, prediction.gain, rtol=1e-9)
        np.testing.assert_allclose(row.alive, prediction.alive.sum(axis=0), rtol=1e-9)
        assert (row.unvisited, row.unvisited_share) == (divided.unvisited, divided.unvisited_share)
        assert (row.alive_are == "exactly") == bool(prediction.alive_exact.all())
        beyond = [m for m, gain in enumerate(row.gain, start=1) if gain > 1.1]
        assert row.exceeds == (beyond[0] if beyond else None)


def test_a_plan_without_context_is_the_plan_of_the_tokens() -> None:
    table = table_of(0)
    plain = plan(table.law(0), real=table.size, generations=5)
    for mine, theirs in zip(plan_order(TEXT[0], 0, vocabulary=TEXT[1], generations=5).rows, plain.rows, strict=True):
        assert mine.name == theirs.name
        np.testing.assert_allclose((*mine.gain, mine.limit), (*theirs.gain, theirs.limit), rtol=1e-9)
        np.testing.assert_allclose(mine.alive, theirs.survivors, rtol=1e-9)


RNG = np.random.default_rng(0)
FIXED: Any = theory.FixedReal(8, 8)
SCHEDULE = theory.Schedule([1], [[1, 0]], [[1]])
TABLE = tabular.fit(TOY, 1, vocabulary=4)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: tabular.fit(TOY, 3, vocabulary=4), r"fit\(order=3\): the number of tokens in a context: 0, 1 or 2"),
        (lambda: tabular.fit(TOY, 1, vocabulary=3), r"fit\(tokens=3\): token ids are 0 to 2"),
        (lambda: tabular.fit(TOY - 1, 1, vocabulary=4), r"fit\(tokens=0\): the start token is in no window"),
        (lambda: tabular.fit(TOY * 1.0, 1, vocabulary=4), r"windows of token ids, whole numbers"),
        (lambda: tabular.fit(TOY[:0], 1, vocabulary=4), r"windows of token ids, whole numbers"),
        (lambda: contexts.divide(TABLE, SCHEDULE), r"a Schedule is not divided among contexts"),
        (lambda: contexts.divide(TABLE, theory.Replace(1, real=10)), None),
        (lambda: contexts.divide(TABLE, theory.Replace(np.array([1, 2]))), r"one number here"),
        (lambda: free_running.free_run(TABLE, theory.Replace(10), 4, 1, 1, RNG), r"windows of so many"),
        (lambda: free_running.free_run(TABLE, FIXED, 4, 1, 1, RNG), r"Replace or Accumulate"),
        (lambda: nulls.witness(TABLE.law(0), SCHEDULE, 1, 1, RNG), r"not a Schedule"),
        (lambda: plan_order(TOY, 1, vocabulary=4, real=0), r"plan_order\(real=0\)"),
        (lambda: plan_order(TOY, 1, vocabulary=4, tolerance=0), r"plan_order\(tolerance=0\)"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(call: Callable[[], Any], line: str | None) -> None:
    if line is None:
        assert call().unvisited == 3  # one synthetic sample reaches one context of four
        return
    with pytest.raises(theory.InputError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)
