"""Two snapshots of a pipeline: moments by listing every draw in fractions, limits by how often they hold, and what is refused."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import product

import jax
import mpmath
import numpy as np
import pytest
from sympy import Float

from modelcollapse import theory
from modelcollapse.lm.effective_size import effective_size as of_units
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.proofs.rational import exactly
from modelcollapse.simulate.snapshots import snapshots as lived
from modelcollapse.theory import ancestry, snapshots, token_counts
from modelcollapse.theory.snapshots import TwoSnapshots
from modelcollapse.theory.symbols import a2, a3, a4, n, p2, p3, p4, s0, sm
from modelcollapse.theory.temporal import size_of

TRUTHS = [(Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)), (Fraction(3, 4), Fraction(1, 4))]
size_between = theory.effective_generation_size


def drawn(model, size):
    """Counts of so many tokens, with their chances: every sequence is listed."""
    found = Counter()
    for tokens in product(range(len(model)), repeat=size):
        counts = tuple(tokens.count(each) for each in range(len(model)))
        found[counts] += math.prod((model[each] for each in tokens), start=Fraction(1))
    return found


def later(model, size, generations):
    """Models after generations of replaced data, with their chances."""
    now = {model: Fraction(1)}
    for _ in range(generations):
        new = Counter()
        for each, chance in now.items():
            for counts, own in drawn(each, size).items():
                new[tuple(Fraction(count, size) for count in counts)] += chance * own
        now = new
    return now


def agreeing(counts):
    """Share of ordered pairs of different tokens of a snapshot that are the same."""
    total = sum(counts)
    return Fraction(sum(each * (each - 1) for each in counts), total * (total - 1))


def values(model, size, generations, first, last):
    """What the letters mean, as fractions."""
    apart = [math.prod(Fraction(size - each, size) for each in range(1, k)) ** generations for k in (2, 3, 4)]
    sums = [sum(each**power for each in model) for power in (2, 3, 4)]
    return dict(zip((n, a2, a3, a4, p2, p3, p4, s0, sm), (Fraction(size), *apart, *sums, first, last), strict=True))


@pytest.mark.parametrize("model", TRUTHS, ids=["three tokens", "two tokens"])
@pytest.mark.parametrize(
    ("size", "generations", "tokens"), [(2, 1, (3, 2)), (3, 2, (2, 3)), (2, 3, (4, 4)), (4, 1, (2, 2))]
)
def test_both_parts_have_no_bias_and_what_is_left_the_variance_that_is_said(model, size, generations, tokens):
    """E of the distance is F times the diversity, E of the diversity itself, and the variance of D - F G exact: in fractions."""
    share = 1 - (1 - Fraction(1, size)) ** generations
    moved = diversity = square = Fraction(0)
    before = drawn(model, tokens[0])
    after = Counter()
    ends = later(model, size, generations)
    for end, chance in ends.items():
        for last, own in drawn(end, tokens[1]).items():
            after[last] += chance * own
    for (first, chance), (last, own) in product(before.items(), after.items()):
        across = sum(Fraction(a * b, tokens[0] * tokens[1]) for a, b in zip(first, last, strict=True))
        distance, spread = agreeing(first) + agreeing(last) - 2 * across, 1 - agreeing(first)
        moved, diversity = moved + chance * own * distance, diversity + chance * own * spread
        square += chance * own * (distance - share * spread) ** 2
    assert diversity == 1 - sum(each**2 for each in model)
    assert moved == share * diversity
    at = values(model, size, generations, Fraction(1, tokens[0]), Fraction(1, tokens[1]))
    assert square == exactly(snapshots.variance(), at)


@pytest.mark.parametrize("model", TRUTHS, ids=["three tokens", "two tokens"])
@pytest.mark.parametrize(("size", "generations"), [(1, 2), (3, 1), (4, 3), (5, 2)])
def test_with_known_probabilities_nothing_is_subtracted(model, size, generations):
    """The distance of the frequencies themselves, its mean and its variance, in fractions."""
    seen = {
        sum((y - x) ** 2 for x, y in zip(model, end, strict=True)): Fraction(0)
        for end in later(model, size, generations)
    }
    for end, chance in later(model, size, generations).items():
        seen[sum((y - x) ** 2 for x, y in zip(model, end, strict=True))] += chance
    mean = sum(value * chance for value, chance in seen.items())
    at = values(model, size, generations, Fraction(0), Fraction(0))
    assert mean == exactly(ancestry.distance(), at)
    assert sum(value**2 * chance for value, chance in seen.items()) - mean**2 == exactly(snapshots.variance(), at)


@pytest.mark.parametrize("size", [5, 1000, 10**6, 10**9, 10**15])
@pytest.mark.parametrize("generations", [1, 3, 1000, 10**6])
def test_numbers_keep_their_digits(size, generations):
    """The variance against fractions, the size against sixty digits, for sizes and generations of any order."""
    sums = [0.0625 + 2**-10, 0.0117, 0.003]
    first, last = 2.0**-20, 2.0**-17
    share, variance = snapshots.moments(size, generations, tuple(sums), first, last)
    with mpmath.workdps(120):
        apart = [mpmath.fprod(1 - mpmath.mpf(each) / size for each in range(1, k)) ** generations for k in (2, 3, 4)]
        given = (size, *apart, *sums, first, last)
        letters = zip((n, a2, a3, a4, p2, p3, p4, s0, sm), (Float(each, 120) for each in given), strict=True)
        exact = mpmath.mpf(snapshots.variance().xreplace(dict(letters)))
        assert abs(share / (1 - apart[0]) - 1) < 1e-14
        assert abs(variance / exact - 1) < 1e-12
        if share < 0.9:
            back = 1 / (1 - (1 - mpmath.mpf(share)) ** (mpmath.mpf(1) / generations))
            assert abs(size_of(share, generations) / back - 1) < 1e-13


def test_half_of_the_diversity_is_left_after_its_half_life():
    """By the diversity of `Replace`, and for sizes of any order."""
    f, size = theory.Categorical([0.5, 0.3, 0.2]), 2
    first = theory.diversity(f, theory.Replace(size), 1)
    assert theory.diversity(f, theory.Replace(size), 1 + theory.diversity_half_life(size)) == pytest.approx(first / 2)
    for each in (1.5, 3, 1e6, 1e15):
        exact = -mpmath.log(2) / mpmath.log(1 - 1 / mpmath.mpf(each))
        with mpmath.workdps(40):
            exact = -mpmath.log(2) / mpmath.log(1 - 1 / mpmath.mpf(each))
        assert abs(theory.diversity_half_life(each) / exact - 1) < 1e-14
    assert theory.diversity_half_life(np.array([1.0, np.inf])).tolist() == [0.0, np.inf]


def chain(generator, p, sizes):
    """Frequencies after generations of these sizes."""
    for size in sizes:
        p = generator.multinomial(size, p) / size
    return p


ZIPF = 1 / np.arange(1, 401.0)
LAWS = {"even": np.full(60, 1 / 60), "few": np.full(5, 0.2), "Zipf": ZIPF / ZIPF.sum()}
PLANS = [(50, 1, 200), (50, 10, None), (50, 50, 500), (10**3, 10, 10**3), (10**5, 1, 10**5)]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("size", "generations", "tokens"), PLANS)
def test_limits_hold_as_often_as_said(law, size, generations, tokens):
    """At most 7 % of cases miss at the level 95 %; an honest 7 % would fail once in 10^5 tests."""
    generator, cases, missed = np.random.default_rng(size + generations), 120, 0
    one = 0.0 if tokens is None else 1 / tokens
    for _ in range(cases):
        ends = LAWS[law], chain(generator, LAWS[law], [size] * generations)
        x, y = (each if tokens is None else generator.multinomial(tokens, each) / tokens for each in ends)
        missed += TwoSnapshots(x, y, one, one, generations).side(size, 0.95) != 0
    assert missed <= 22  # the quantile 1 - 1e-5 of a binomial of 120 and 0.07


def test_limits_are_where_the_sides_turn_and_wider_for_a_higher_level():
    """Just inside a size is likely, just outside it is not; F stands between."""
    generator = np.random.default_rng(5)
    before = generator.multinomial(20_000, LAWS["Zipf"])
    after = generator.multinomial(20_000, chain(generator, LAWS["Zipf"], [2000] * 4))
    seen = TwoSnapshots(before / 20_000, after / 20_000, 1 / 20_000, 1 / 20_000, 4)
    found, wider = (size_between(before, after, 4, level) for level in (0.9, 0.99))
    assert wider.low < found.low < found.size < found.high < wider.high
    assert [seen.side(found.low * each, 0.9) for each in (0.999, 1.001)] == [-1, 0]
    assert [seen.side(found.high * each, 0.9) for each in (0.999, 1.001)] == [0, 1]
    assert found.low < 2000 < found.high


def test_the_drift_is_that_of_the_estimator_for_units():
    """Two written-out forms of one estimator agree: on samples, and on known frequencies."""
    generator = np.random.default_rng(2)
    before, after = generator.multinomial(500, LAWS["few"]), generator.multinomial(300, [0.3, 0.1, 0.2, 0.2, 0.2])
    sampled = of_units([before], [after], sizes=(500, 300), generations=3)
    assert size_between(before, after, 3).drift == pytest.approx(sampled.F, rel=1e-12)
    assert size_between(before, after, 3).size == pytest.approx(sampled.size, rel=1e-12)
    known = of_units([before], [after], generations=3)
    assert size_between(before / 500, after / 300, 3).size == pytest.approx(known.size, rel=1e-12)


def test_duplicates_and_unequal_sizes_count_as_what_they_are_worth():
    """Items written k times over are worth 1/k; of unequal sizes the harmonic mean counts."""
    generator, p = np.random.default_rng(11), np.full(2000, 1 / 2000)
    doubled = size_between(p, chain(generator, p, [1000]))  # 4000 tokens, each item four times
    assert doubled.low < 1000 < doubled.high < 4000
    sizes = (400, 4000, 40_000)
    mixed = size_between(p, chain(generator, p, sizes), len(sizes))
    assert mixed.low < len(sizes) / sum(1 / each for each in sizes) < mixed.high


def test_what_says_nothing_has_no_upper_limit():
    """Frequencies that stand still, or move less than sampling does: infinite, without a warning."""
    still = size_between([50, 30, 20], [50, 30, 20])
    assert (still.size, still.high) == (math.inf, math.inf) and still.drift < 0 and math.isnan(still.low)
    near = size_between([50, 30, 20], [53, 29, 18])
    assert (near.size, near.high) == (math.inf, math.inf) and 4 < near.low < 100
    same = size_between([0.5, 0.3, 0.2], [0.5, 0.3, 0.2])
    assert (same.drift, same.low, same.size, same.high) == (0.0, math.inf, math.inf, math.inf)
    gone = size_between([0.5, 0.5], [1.0, 0.0], 20)
    assert gone.size == 1.0 and gone.high < 100
    assert size_between([2, 1], [1, 2]).high == math.inf


def test_documents_have_no_bias_however_their_tokens_hang_together():
    """Documents of two tokens, of which the second is often the first again: every sample listed, weighed in fractions."""
    truth, again, sizes = (Fraction(2, 3), Fraction(1, 3)), Fraction(1, 2), (2, 2, 1)
    alike = {(i, j): truth[i] * (again * (i == j) + (1 - again) * truth[j]) for i, j in product(range(2), repeat=2)}
    alone = {(i,): truth[i] for i in range(2)}
    moved = diversity = 0.0
    for documents in product(*((alike if size == 2 else alone).items() for size in sizes)):
        chance = math.prod((own for _, own in documents), start=Fraction(1))
        rows = [[tokens.count(each) for each in range(2)] for tokens, _ in documents]
        (x, first), (y, last) = token_counts.frequencies("test", rows, [2 / 3, 1 / 3])
        assert last == 0.0
        distance, spread = snapshots.distance_and_diversity(x, y, first, last)
        moved, diversity = moved + float(chance) * distance, diversity + float(chance) * spread
    assert moved == pytest.approx(0.0, abs=1e-14)  # the truth has not moved
    assert diversity == pytest.approx(1 - sum(float(each) ** 2 for each in truth), rel=1e-13)


def test_documents_of_one_token_are_tokens_and_copies_count_once():
    """A document for each token: counts. Every document k copies of one token: the documents, not the tokens, count."""
    tokens = np.random.default_rng(8).choice(5, 60, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    single, counts, after = np.eye(5)[tokens], np.bincount(tokens, minlength=5), [20, 20, 10, 5, 5]
    for each in (single, 7 * single, [{token: 7} for token in tokens.tolist()]):
        later = dict(enumerate(after)) if isinstance(each, list) else after
        found, wanted = size_between(each, later, 2), size_between(counts, after, 2)
        assert found.before == pytest.approx(60) and found.size == pytest.approx(wanted.size)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize(("size", "generations"), [(100, 1), (1000, 1), (1000, 5)])
def test_limits_hold_for_documents(size, generations):
    """Documents of 50 words from laws of their own, 150 in a snapshot; words taken as independent miss up to every case."""
    generator, cases, missed, law = np.random.default_rng(size + generations), 60, 0, LAWS["Zipf"]

    def written(p):
        weights = generator.gamma(20 * p + 1e-300, size=(150, len(p)))
        return [generator.multinomial(50, each) for each in weights / weights.sum(axis=1, keepdims=True)]

    for _ in range(cases):
        ends = written(law), written(chain(generator, law, [size] * generations))
        (x, first), (y, last) = token_counts.frequencies("test", *ends)
        missed += TwoSnapshots(x, y, first, last, generations).side(size, 0.95) != 0
    assert missed <= 15  # the quantile 1 - 1e-5 of a binomial of 60 and 0.07


def test_dicts_are_aligned_by_token():
    """In whatever order their tokens stand, and whichever of them lacks some."""
    listed = size_between([50, 30, 20, 0], [60, 30, 0, 10])
    assert size_between({"a": 50, "b": 30, "c": 20}, Counter({"d": 10, "b": 30, "a": 60})) == listed


@pytest.mark.parametrize(
    ("before", "after", "rest", "words"),
    [
        ([5, 5], [5, 5, 1], {}, "same 2 tokens"),
        ([5, 0], [5, 0], {}, "at least two different tokens"),
        ([], [], {}, "it is empty"),
        ([0, 0], [3, 4], {}, "it is empty"),
        ({}, {"a": 3}, {}, "it is empty"),
        ([5, 5, 0], [0, 0, 9], {}, "in common"),
        ([5, -5], [5, 5], {}, "0 or more"),
        ([5.5, 5], [5, 5], {}, "whole"),
        ([5, float("nan")], [5, 5], {}, "NaN"),
        ([[[5, 5]]], [[[5, 5]]], {}, "shape"),
        ({}, {}, {}, "it is empty"),
        ([[5, 5], [0, 0]], [5, 5], {}, "at least two that hold tokens"),
        ([[0.5, 0.5], [0.5, 0.5]], [5, 5], {}, "whole"),
        ([{"a": 5}, {"b": 5}], [5, 5], {}, "dicts by token"),
        ("ab", "ab", {}, "counts of tokens"),
        ({"a": 5, "b": 5}, [5, 5], {}, "dicts by token"),
        ([5, 5], [5, 5], {"generations": 0}, "at least 1"),
        ([5, 5], [5, 5], {"generations": 1.5}, "whole"),
        ([5, 5], [5, 5], {"generations": np.array([1, 2])}, "one number"),
        ([5, 5], [5, 5], {"level": 1}, "above 0 and below 1"),
    ],
)
def test_what_is_no_pair_of_snapshots_is_refused_in_a_line(before, after, rest, words):
    """Naming the argument and the remedy."""
    with pytest.raises(theory.InputError, match=words) as refusal:
        size_between(before, after, **rest)
    assert "\n" not in str(refusal.value) and str(refusal.value).startswith("effective_generation_size(")


def test_two_snapshots_are_drawn_independently():
    """One token each: the same one with the chance that two of the truth are alike, however long between."""
    p = np.array([0.5, 0.3, 0.2])
    one, other = lived(jax.random.key(4), p, size=50, generations=2, tokens=(1, 1), chains=20_000)
    alike = (np.asarray(one) * np.asarray(other)).sum(axis=1, keepdims=True)
    assert abs(standard_scores(alike, np.array([0.38]))).max() < threshold(1)


@pytest.mark.parametrize(("before", "after"), [([10**9, 1], [999_999_999, 5]), ([2, 10**9], [1, 10**9])])
def test_a_token_that_is_nearly_alone_costs_no_digits(before, after):
    """Diversity 2e-9: what drifted, the independent frequencies and the variance against fractions, sampled and known."""
    x, y = ([Fraction(each, sum(counts)) for each in counts] for counts in (before, after))
    diversity = 1 - sum(each**2 for each in x)
    known = sum((last - first) ** 2 for first, last in zip(x, y, strict=True)) / diversity
    across = sum(Fraction(a * b, sum(before) * sum(after)) for a, b in zip(before, after, strict=True))
    sampled = (agreeing(before) + agreeing(after) - 2 * across) / (1 - agreeing(before))
    assert size_between(before, after).drift == pytest.approx(float(sampled), rel=1e-12, abs=1e-22)
    found = size_between(np.array(before) / sum(before), np.array(after) / sum(after))
    assert found.drift == pytest.approx(float(known), rel=1e-12, abs=0)
    assert found.independent == pytest.approx(1, rel=1e-12)  # two tokens have one frequency
    seen = TwoSnapshots(np.array(before) / sum(before), np.array(after) / sum(after), 0.0, 0.0, 1)
    exact = exactly(snapshots.variance(), values(tuple(x), 100, 1, Fraction(0), Fraction(0)))
    assert snapshots.moments(100, 1, seen.sums, 0.0, 0.0)[1] == pytest.approx(float(exact), rel=1e-12, abs=0)


def test_documents_of_one_token_nearly_alone_are_worth_what_fractions_say():
    """Two documents: pairs of tokens of different ones agree with a chance whose complement is 3e-8."""
    documents = [[10**8 + 7, 1], [10**8 + 7, 2]]
    total = sum(map(sum, documents))
    pairs = sum(Fraction(sum(each)) ** 2 for each in documents) / total**2
    same = sum(Fraction(count) ** 2 for each in documents for count in each) / total**2
    agree = sum(Fraction(sum(each), total) ** 2 for each in zip(*documents, strict=True))
    exact = (same - agree * pairs) / (1 - pairs - agree + same)
    ((_, found), _) = token_counts.frequencies("here", documents, [1, 1])
    assert found == pytest.approx(float(exact), rel=0, abs=1e-14)
