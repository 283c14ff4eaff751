"""Measures of a generation: diversity, drift, tails and effective size, against slow definitions and exact laws."""

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, fields
from itertools import combinations
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelcollapse.lm import diversity as measures
from modelcollapse.lm import drift as drifts
from modelcollapse.lm.diversity import LESS_DIVERSE, Diversity, diversity
from modelcollapse.lm.effective_size import EffectiveSize, effective_size
from modelcollapse.lm.ngrams import counted, ngrams
from modelcollapse.lm.tails import Tails, ngram_counts, tails, word_counts
from modelcollapse.theory.arguments import InputError

BUDGET = 1e-6  # chance that a test of chance fails though nothing is wrong

windows = st.integers(1, 7).flatmap(
    lambda length: st.lists(st.lists(st.integers(0, 3), min_size=length, max_size=length), min_size=1, max_size=6)
)


def grams_of(window: list[int], order: int) -> list[tuple[int, ...]]:
    return [tuple(window[at : at + order]) for at in range(len(window) - order + 1)]


def text_of(tokens: np.ndarray) -> list[str]:
    return ["".join(f"w{token} " for token in window) for window in tokens]


# N-grams


@given(windows, st.integers(1, 8))
def test_numbers_of_ngrams_are_equal_where_the_ngrams_are(tokens: list[list[int]], order: int) -> None:
    numbered = ngrams(tokens, order)
    slow = [grams_of(window, order) for window in tokens]
    assert numbered.shape == (len(tokens), max(0, len(tokens[0]) - order + 1))
    pairs = set(zip(numbered.ravel().tolist(), (gram for grams in slow for gram in grams), strict=True))
    different = {gram for grams in slow for gram in grams}
    assert len(pairs) == len(different)
    assert {number for number, _ in pairs} == set(range(len(different)))
    table = {(int(r), int(g)): int(c) for r, g, c in zip(*counted(numbered), strict=True)}
    assert table == {(r, g): c for r, row in enumerate(numbered.tolist()) for g, c in Counter(row).items()}


def test_large_token_ids_do_not_overflow() -> None:
    tokens = np.array([[2**31 - 1, 0, 2**31 - 1, 0]], np.int32)
    assert ngrams(tokens, 3).tolist() == [[1, 0]]


# Diversity


@given(windows, st.integers(1, 4))
def test_distinct_is_the_share_of_different_ngrams(tokens: list[list[int]], order: int) -> None:
    slow = [gram for window in tokens for gram in grams_of(window, order)]
    assert measures.distinct(tokens, order) == (len(set(slow)) / len(slow) if slow else 0.0)


def slow_self_bleu(tokens: list[list[int]]) -> float:
    """BLEU-4 as Papineni2002 write it, one window after the other."""
    orders = range(1, min(4, len(tokens[0])) + 1)
    scores = []
    for at, window in enumerate(tokens):
        others = tokens[:at] + tokens[at + 1 :]
        logarithm = 0.0
        for order in orders:
            references = [Counter(grams_of(other, order)) for other in others]
            own = Counter(grams_of(window, order))
            matches = sum(min(n, max(reference[gram] for reference in references)) for gram, n in own.items())
            logarithm += log((matches or 0.1) / own.total())
        scores.append(exp(logarithm / len(orders)))
    return sum(scores) / len(scores)


@given(windows)
@settings(max_examples=200)
def test_self_bleu_is_the_mean_of_bleu_against_the_others(tokens: list[list[int]]) -> None:
    expected = slow_self_bleu(tokens) if len(tokens) > 1 else 1.0
    assert measures.self_bleu(tokens) == pytest.approx(expected, rel=1e-12)


def test_self_bleu_of_a_case_done_by_hand() -> None:
    """a b a b a / a b c d e / a b a c c: windows of five tokens, clipped by the best of the two others.

    First: tokens 3/5 (a twice in the third, b once), pairs ab 1 + ba 1 of 4, triples aba 1 of 3, none of 2 fours.
    Second: tokens a b c of 5, pairs ab of 4, no triples, no fours. Third: tokens a a b c of 5 (c once in the second),
    pairs ab ba of 4, triples aba of 3, no fours.
    """
    tokens = [[0, 1, 0, 1, 0], [0, 1, 2, 3, 4], [0, 1, 0, 2, 2]]
    first = (3 / 5 * 2 / 4 * 1 / 3 * 0.1 / 2) ** 0.25
    second = (3 / 5 * 1 / 4 * 0.1 / 3 * 0.1 / 2) ** 0.25
    third = (4 / 5 * 2 / 4 * 1 / 3 * 0.1 / 2) ** 0.25
    assert measures.self_bleu(tokens) == pytest.approx((first + second + third) / 3, rel=1e-12)


def test_self_bleu_of_a_thousand_windows_is_quick() -> None:
    tokens = np.random.default_rng(0).integers(0, 100, (1000, 64))
    assert 0 < measures.self_bleu(tokens) < 1


@given(st.lists(st.integers(0, 5), min_size=2, max_size=200))
def test_heaps_slope_is_the_least_squares_line_of_the_logarithms(units: list[int]) -> None:
    length = np.unique(np.geomspace(1, len(units), measures.POINTS).round().astype(int))
    vocabulary = [len(set(units[:t])) for t in length]
    assert measures.heaps(units) == pytest.approx(np.polyfit(np.log(length), np.log(vocabulary), 1)[0], abs=1e-9)


def test_heaps_slope_falls_as_the_tail_of_zipf_gets_thin() -> None:
    """Ranks drawn like r^-s have Heaps' exponent 1/s: the slopes of s = 1.2, 1.6, 2.4 stand in that order."""
    rng = np.random.default_rng(4)
    slopes = [measures.heaps(rng.zipf(s, 20_000)) for s in (1.2, 1.6, 2.4)]
    assert slopes[0] > slopes[1] > slopes[2] > 0


@given(windows)
def test_entropy_is_that_of_the_frequencies(tokens: list[list[int]]) -> None:
    frequencies = list(Counter(token for window in tokens for token in window).values())
    assert measures.entropy(tokens) == pytest.approx(stats.entropy(frequencies), abs=1e-12)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_vendi_of_groups_that_share_nothing_is_the_number_of_equal_groups(sizes: list[int]) -> None:
    tokens = [[10 * group + each for each in range(5)] for group, size in enumerate(sizes) for _ in range(size)]
    assert measures.vendi(tokens) == pytest.approx(np.exp(stats.entropy(sizes)), rel=1e-9)


@given(windows, st.integers(1, 4))
def test_vendi_is_the_entropy_of_the_eigenvalues_of_all_cosines(tokens: list[list[int]], order: int) -> None:
    counts = [Counter(grams_of(window, min(order, len(window)))) for window in tokens]
    cosines = [
        [
            sum(a[g] * b[g] for g in a) / (sum(n * n for n in a.values()) * sum(n * n for n in b.values())) ** 0.5
            for b in counts
        ]
        for a in counts
    ]
    eigenvalues = np.linalg.eigvalsh(np.array(cosines) / len(tokens)).clip(min=0)
    assert measures.vendi(tokens, order) == pytest.approx(np.exp(stats.entropy(eigenvalues)), rel=1e-9)


def test_compression_is_that_of_zlib() -> None:
    text = "the same words and the same wörds " * 50
    found = diversity([[1, 2]], [text]).compression
    assert found == len(zlib.compress(text.encode(), 9)) / len(text.encode())


@given(windows, st.permutations([5, 9, 0, 7]))
def test_names_of_tokens_and_order_of_windows_change_nothing(tokens: list[list[int]], names: list[int]) -> None:
    renamed = np.array(names)[np.array(tokens)][::-1]
    for measure in (lambda t: measures.distinct(t, 2), measures.self_bleu, measures.entropy, measures.vendi):
        assert measure(renamed) == pytest.approx(measure(tokens), rel=1e-9)


def test_every_measure_has_a_direction_and_moves_in_it() -> None:
    """From 2000 tokens at random to one that repeats, each measure moves to the side that its sign says."""
    assert list(LESS_DIVERSE) == [field.name for field in fields(Diversity)]
    rng = np.random.default_rng(3)
    free = rng.integers(1, 2000, (80, 40))
    keep = rng.random(free.shape)
    texts = [np.where(keep < share, free, 0) for share in (1.0, 0.8, 0.5, 0.2, 0.0)]
    found = [diversity(tokens, text_of(tokens), sample=40) for tokens in texts]
    for name, sign in LESS_DIVERSE.items():
        values = np.array([getattr(each, name) for each in found])
        if name in ("distinct_3", "distinct_4"):  # at first all of them are different
            values = values[1:]
        if name == "heaps":  # the power, not the number: it hardly feels a token that takes a share of the text
            values = values[[0, -1]]
        assert np.all(sign * np.diff(values) > 0), name


@pytest.mark.parametrize(
    "tokens",
    [
        np.zeros((50, 16), int),
        np.zeros((0, 16), int),
        np.zeros((3, 0), int),
        np.zeros((1, 1), int),
        np.zeros((1, 16), int),
        np.arange(3)[:, None],
        [],
    ],
    ids=[
        "one token for ever",
        "no windows",
        "windows of nothing",
        "one token",
        "one window",
        "windows of one",
        "empty",
    ],
)
def test_nothing_divides_by_zero_after_total_collapse(tokens: np.ndarray) -> None:
    found = diversity(tokens, [""] * len(tokens))
    assert np.all(np.isfinite(astuple(found)))
    assert found.heaps == found.compression == 0
    if np.size(tokens) == 0 or len(np.unique(tokens)) == 1:
        assert found.entropy == 0
        assert found.self_bleu == 1
        assert found.vendi <= 1 + 1e-9


def test_a_sample_is_drawn_by_its_seed_alone() -> None:
    tokens = np.arange(1000)[:, None]
    few = measures.sampled(tokens, 10, seed=1)
    assert (
        few.tolist() == measures.sampled(tokens, 10, seed=1).tolist() != measures.sampled(tokens, 10, seed=2).tolist()
    )
    assert len(np.unique(few)) == 10
    assert measures.sampled(tokens, 2000).tolist() == tokens.tolist()


# Drift


probabilities = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any), min_size=2, max_size=2).map(
    lambda table: np.array(table) / np.sum(table, axis=1, keepdims=True)
)


@given(probabilities, probabilities)
def test_drift_is_a_distance_with_the_measures_of_the_later_model(p: np.ndarray, q: np.ndarray) -> None:
    found, back = drifts.drift(p, q), drifts.drift(q, p)
    assert found.tv == found.l1 / 2 == back.tv
    assert found.l2 == back.l2
    assert 0 <= found.tv <= 1 + 1e-12
    assert found.entropy == pytest.approx(np.mean([stats.entropy(row) for row in q]), abs=1e-12)
    assert found.gini == pytest.approx(1 - np.mean([row @ row for row in q]), abs=1e-12)
    # sum |d| over the tokens that gain is half of it: the largest difference of any event
    assert found.tv == pytest.approx(np.mean(np.maximum(q - p, 0).sum(-1)), abs=1e-12)


def retrained(rng: np.random.Generator, models: int, contexts: int = 60) -> list[np.ndarray]:
    """Models of the same data: the same truth in each context with independent noise of each model."""
    truth = rng.dirichlet(np.ones(8), contexts)
    return [np.array([rng.dirichlet(200 * row + 1e-3) for row in truth]) for _ in range(models)]


def test_the_floor_is_the_mean_over_all_pairs() -> None:
    models = retrained(np.random.default_rng(0), 4)
    floor = drifts.floor(models)
    pairs = {pair: drifts.drift(models[pair[0]], models[pair[1]]).l2 for pair in combinations(range(4), 2)}
    assert floor.l2.mean == pytest.approx(np.mean(list(pairs.values())), rel=1e-12)
    assert floor.l2.spread == pytest.approx(np.std(list(pairs.values()), ddof=1), rel=1e-9)
    without = [np.mean([value for pair, value in pairs.items() if left not in pair]) for left in range(4)]
    assert floor.l2.standard_error == pytest.approx(
        np.sqrt(3 / 4 * np.sum((without - np.mean(without)) ** 2)), rel=1e-9
    )
    assert floor.tv.mean == pytest.approx(floor.l1.mean / 2)
    assert floor.models == 4


def test_a_retraining_is_seldom_above_the_floor_and_a_step_always() -> None:
    """Of 300 further re-trainings fewer than one in ten pass for drift; noise of twice the size always does."""
    rng = np.random.default_rng(1)
    runs, alarms = 300, 0
    for _ in range(runs):
        *models, again = retrained(rng, 6)
        floor = drifts.floor(models)
        alarms += drifts.above_floor(drifts.drift(models[0], again).l1, floor.l1).above
        step = 0.5 * again + 0.5 * np.roll(again, 1, axis=1)
        assert drifts.above_floor(drifts.drift(models[0], step).l1, floor.l1).above
    assert alarms <= stats.binom.isf(BUDGET, runs, 0.1)


def test_the_mean_of_seeds_is_held_to_the_spread_of_one_pair_and_the_error_of_the_floor() -> None:
    level = drifts.Level(mean=0.5, standard_error=0.03, spread=0.08)
    found = drifts.above_floor([0.58, 0.62, 0.60, 0.60], level)
    assert found.excess == pytest.approx(0.1)
    assert found.standard_error == pytest.approx((0.08**2 / 4 + 0.03**2) ** 0.5)  # 0.05
    assert drifts.above_floor([0.61, 0.61, 0.61, 0.61], level).above
    assert not drifts.above_floor([0.61], level).above
    assert not drifts.above_floor([0.61, 0.61, 0.61, 0.61], level, errors=3).above


def test_two_retrainings_give_a_floor_that_nothing_is_above() -> None:
    floor = drifts.floor(retrained(np.random.default_rng(2), 2))
    assert floor.l1.standard_error == np.inf
    assert not drifts.above_floor([2.0, 2.0], floor.l1).above


# Tails


@pytest.mark.parametrize(
    ("real", "generated", "expected"),
    [
        ([5, 1, 1, 0], [0, 0, 0, 0], Tails(0.0, 0.0, 3, 0.0, 0.0)),
        ([5, 1, 1, 0], [5, 1, 1, 0], Tails(1.0, 1.0, 0, 1.0, 0.0)),
        ([5, 0, 0, 0], [0, 0, 0, 9], Tails(0.0, 0.0, 1, 1.0, 1.0)),
        ([2, 1, 1, 4], [9, 3, 0, 0], Tails(0.5, 3 / 8, 2, 0.5, 0.0)),
    ],
    ids=["empty", "the same", "all unreal", "half"],
)
def test_tails_count_what_is_left(real: list[int], generated: list[int], expected: Tails) -> None:
    assert tails(real, generated) == expected


def test_singletons_survive_a_resampling_as_often_as_chance_says() -> None:
    """A type seen once in n tokens is drawn again with probability 1 - (1-1/n)^n, about 63 %."""
    real = np.array([40] + [1] * 60 + [2] * 50)
    size, repeats = int(real.sum()), 4000
    draws = np.random.default_rng(0).multinomial(size, real / size, repeats)
    found = [tails(real, draw) for draw in draws]
    for name, expected in [
        ("singletons", 1 - (1 - 1 / size) ** size),
        ("lost", float(((1 - real / size) ** size).sum())),
        ("mass", float((real / size * (1 - (1 - real / size) ** size)).sum())),
    ]:
        values = np.array([getattr(each, name) for each in found], float)
        z = (values.mean() - expected) / (values.std(ddof=1) / repeats**0.5)
        assert abs(z) < stats.norm.isf(BUDGET / 6)
    assert all(each.unreal == 0 for each in found)


@given(windows, windows, st.integers(1, 3))
def test_counts_of_two_texts_share_one_axis(real: list[list[int]], generated: list[list[int]], order: int) -> None:
    length = min(len(real[0]), len(generated[0]))
    real, generated = ([window[:length] for window in each] for each in (real, generated))
    slow = [Counter(gram for window in each for gram in grams_of(window, order)) for each in (real, generated)]
    pairs = Counter((slow[0][gram], slow[1][gram]) for gram in slow[0] | slow[1])
    assert Counter(zip(*(each.tolist() for each in ngram_counts(real, generated, order)), strict=True)) == pairs


def test_an_empty_generation_has_no_counts() -> None:
    assert [each.tolist() for each in ngram_counts([[1, 1]], [])] == [[2], [0]]
    assert [each.tolist() for each in word_counts(["a a"], [])] == [[2], [0]]


# Effective size


def next_generation(rng: np.random.Generator, x: np.ndarray, size: int) -> np.ndarray:
    return rng.multinomial(size, x) / size


TRUTH = np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.03, 0.02])
UNITS = 20_000


def ideal(name: str, rng: np.random.Generator) -> EffectiveSize:
    """What is measured of Wright-Fisher generations of 50 samples, in several designs."""
    start = np.tile(TRUTH, (UNITS, 1))
    match name:
        case "one generation":
            return effective_size(start, next_generation(rng, start, 50))
        case "later generations":
            x = next_generation(rng, next_generation(rng, start, 10), 50)
            return effective_size(x, next_generation(rng, x, 50))
        case "contexts":
            x = rng.dirichlet(np.ones(5), (UNITS // 10, 10))
            return effective_size(x, next_generation(rng, x, 50))
        case "counts":
            x = rng.multinomial(30, TRUTH, UNITS)
            return effective_size(x, 50 * next_generation(rng, x / 30, 50))
        case "samples beside":
            start = np.tile(TRUTH, (10 * UNITS, 1))
            y = next_generation(rng, start, 50)
            return effective_size(rng.multinomial(20, start), rng.multinomial(35, y), sizes=(20, 35))
        case "five generations":
            y = start
            for _ in range(5):
                y = next_generation(rng, y, 50)
            return effective_size(start, y, generations=5)
    raise AssertionError(name)


DESIGNS = ["one generation", "later generations", "contexts", "counts", "samples beside", "five generations"]


@pytest.mark.parametrize("name", DESIGNS)
def test_the_size_of_an_ideal_generation_is_its_number_of_samples(name: str) -> None:
    """F against its exact mean, in standard errors of the jackknife: 6 designs share the budget."""
    found = ideal(name, np.random.default_rng(DESIGNS.index(name)))
    steps = 5 if name == "five generations" else 1
    exact = 1 - (1 - 1 / 50) ** steps
    z = (found.F - exact) / found.standard_error
    assert abs(z) < stats.norm.isf(BUDGET / (2 * len(DESIGNS)))
    assert found.standard_error < 0.02 * found.F
    assert found.size == pytest.approx(1 / (1 - (1 - found.F) ** (1 / steps)), rel=1e-9)
    assert found.low < found.size < found.high < np.inf


def test_a_sample_taken_for_a_training_set_makes_the_size_too_small() -> None:
    """Without the correction F is (1/N + 1/S0 + (1-1/N)/S1) / (1-1/S0): here 1/9 where 1/50 is meant."""
    rng = np.random.default_rng(9)
    start = np.tile(TRUTH, (UNITS, 1))
    y = next_generation(rng, start, 50)
    found = effective_size(rng.multinomial(20, start), rng.multinomial(35, y))
    exact = (1 / 50 + 1 / 20 + (1 - 1 / 50) / 35) / (1 - 1 / 20)
    assert abs(found.F - exact) / found.standard_error < stats.norm.isf(BUDGET / 2)


def test_the_interval_holds_the_size_as_often_as_it_says() -> None:
    """Of 600 experiments of 8 seeds with 30 contexts each, nine of ten intervals hold the 40 samples."""
    rng = np.random.default_rng(5)
    runs = 600
    x = rng.dirichlet(np.ones(12), (runs, 8, 30))
    y = next_generation(rng, x, 40)
    found = [effective_size(*pair, level=0.9) for pair in zip(x, y, strict=True)]
    held = sum(each.low <= 40 <= each.high for each in found)
    assert stats.binom.ppf(BUDGET / 2, runs, 0.9) <= held <= stats.binom.isf(BUDGET / 2, runs, 0.9)


def test_seeds_are_pooled_before_inverting() -> None:
    """One seed that did not move at all is a seed like the others, and no infinity."""
    x = np.array([[0.5, 0.5], [0.5, 0.5]])
    y = np.array([[0.5, 0.5], [0.7, 0.3]])
    found = effective_size(x, y)
    assert found.size == pytest.approx((0.5 + 0.5) / 0.08)
    assert found.name == "effective size (drift + bias)"
    assert 0 < found.low < found.size < found.high == np.inf


@pytest.mark.parametrize(
    ("x", "y", "size"),
    [
        ([[1, 0], [0, 1]], [[1, 0], [0, 1]], np.nan),
        ([[1, 0]], [[1, 0]], np.nan),
        ([[0, 0], [0, 0]], [[1, 0], [0, 1]], np.nan),
        ([[3, 1], [1, 3]], [[3, 1], [1, 3]], np.inf),
        ([[1, 0], [0, 1]], [[1, 1], [0, 1]], 0.0),
    ],
    ids=["total collapse", "one unit", "no tokens", "no move", "out of total collapse"],
)
def test_no_size_divides_by_zero(x: list[list[int]], y: list[list[int]], size: float) -> None:
    found = effective_size(x, y)
    np.testing.assert_equal(found.size, size)
    assert found.low >= 0
    assert found.high == np.inf


def test_a_context_without_tokens_is_left_out() -> None:
    x = [[[3, 1], [0, 0]], [[2, 2], [1, 1]]]
    y = [[[2, 2], [1, 1]], [[1, 3], [0, 0]]]
    assert effective_size(x, y).F == effective_size([[3, 1], [2, 2]], [[2, 2], [1, 3]]).F


def test_one_unit_has_no_interval() -> None:
    found = effective_size([[0.5, 0.5]], [[0.6, 0.4]])
    assert (found.low, found.high) == (0.0, np.inf)
    assert found.size == pytest.approx(25)


# Refusals

HALF, WHOLE = [[0.5, 0.5]], [[1.0]]
REFUSALS: list[tuple[Callable[[], object], str]] = [
    (lambda: ngrams([1, 2], 2), "ngrams(tokens='int64 of shape (2,)')"),
    (lambda: ngrams([[0.5]], 1), "ngrams(tokens='float64 of shape (1, 1)')"),
    (lambda: ngrams([[1]], 0), "ngrams(order=0)"),
    (lambda: diversity([[1]], []), "diversity(texts='0 texts')"),
    (lambda: measures.sampled([[1]], 0), "sampled(sample=0)"),
    (lambda: drifts.drift(HALF, WHOLE), "drift(q='shape (1, 1)')"),
    (lambda: drifts.drift([[0.5, 0.4]], HALF), "drift(p=[[0.5, 0.4]])"),
    (lambda: drifts.drift(HALF, [[1.5, -0.5]]), "drift(q=[[1.5, -0.5]])"),
    (lambda: drifts.drift([0.5, 0.5], HALF), "drift(p='shape (2,)')"),
    (lambda: drifts.floor([HALF]), "floor(models='1 models')"),
    (lambda: drifts.above_floor([], drifts.Level(0, 0, 0)), "above_floor(values=[])"),
    (lambda: tails([0, 0], [1, 1]), "tails(real=[0, 0])"),
    (lambda: tails([1, 1], [1]), "tails(generated='shape (1,)')"),
    (lambda: tails([1, -1], [1, 1]), "tails(real=[1, -1])"),
    (lambda: tails([1, 1], [0.5, 1]), "tails(generated=[0.5, 1])"),
    (lambda: ngram_counts([[1, 2]], [[1, 2, 3]]), "ngram_counts(generated='windows of 3')"),
    (lambda: effective_size(HALF, WHOLE), "effective_size(y='shape (1, 1)')"),
    (lambda: effective_size([1.0], [1.0]), "effective_size(x='shape (1,)')"),
    (lambda: effective_size(HALF, [[2.0, -1.0]]), "effective_size(y=[[2.0, -1.0]])"),
    (lambda: effective_size(HALF, HALF, level=1.0), "effective_size(level=1.0)"),
    (lambda: effective_size(HALF, HALF, sizes=(1, 5)), "effective_size(sizes=1)"),
    (lambda: effective_size(HALF, HALF, generations=0), "effective_size(generations=0)"),
]


@pytest.mark.parametrize(("call", "message"), REFUSALS, ids=[message for _, message in REFUSALS])
def test_what_cannot_be_measured_is_refused_in_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
