"""What a model writes has the probabilities that it gives, and what a filter lets through is what it says."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from modelcollapse.lm.decoder import START, Shape, fresh
from modelcollapse.lm.filters import Classifier, Distinct, Filter, accepted, classifier, features, likelihood_band
from modelcollapse.lm.generation import Sampling, drawn, generate
from modelcollapse.lm.likelihood import log_likelihood, next_token
from modelcollapse.theory.arguments import InputError

SMALL = Shape(vocabulary=4, width=16, layers=2, heads=2, length=3)
KEY = jax.random.key(1)
FALSE_ALARM = 1e-6  # of one test; keys are fixed, so it is spent once

leaves, tree = jax.tree.flatten(fresh(SMALL, jax.random.key(0)))
PARAMS = jax.tree.unflatten(
    tree, [a + 0.2 * jax.random.normal(jax.random.key(100 + i), a.shape, a.dtype) for i, a in enumerate(leaves)]
)
ALL = np.array(list(itertools.product((1, 2, 3), repeat=3)), np.int32)  # every window there is


PLAIN = Sampling()


def write(n: int, sampling: Sampling = PLAIN, *, batch: int = 512, first: int = 0, given: Any = None) -> np.ndarray:
    return generate(SMALL, PARAMS, n, KEY, sampling, batch=batch, first=first, given=given)


def sharpened(p: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    """A distribution at another temperature, cut to its most probable part: the sentence in `Sampling`, one token at a time."""
    p = np.where(p > 0, p, 0.0) ** (1 / temperature)
    p /= p.sum()
    left, kept = 0.0, np.zeros_like(p)
    for token in sorted(range(len(p)), key=lambda token: (-p[token], token)):
        if left < top_p:
            kept[token] = p[token]
            left += p[token]
    return kept / kept.sum()


def probabilities(sampling: Sampling) -> np.ndarray:
    """Probability of every window under the model, by its next-token distributions."""
    heat, p = sampling.temperatures(3), np.ones(27)
    for at in range(3):
        following = next_token(SMALL, PARAMS, ALL[:, :at]).astype(float)
        for row, window in enumerate(ALL):
            p[row] *= sharpened(following[row], float(heat[at]), sampling.top_p)[window[at]]
    return p


def mismatch(windows: np.ndarray, p: np.ndarray) -> float:
    """The chance of a chi-square as large, were the windows drawn from p; windows that p excludes are chance 0."""
    counts = np.array([(windows == window).all(axis=1).sum() for window in ALL])
    expected = p * len(windows)
    if counts[expected == 0].any():
        return 0.0
    rare = expected < 10
    pooled = [
        np.append(x[~rare], x[rare].sum()) if rare.any() and p[rare].sum() else x[~rare] for x in (counts, expected)
    ]
    return float(stats.chisquare(*pooled, sum_check=False).pvalue)


def test_every_window_is_as_likely_as_its_probabilities_say() -> None:
    p = probabilities(Sampling())
    assert np.abs(np.log(p) - log_likelihood(SMALL, PARAMS, ALL)).max() <= 1e-5 and abs(p.sum() - 1) < 1e-5
    assert p.max() < 0.5 and mismatch(write(8192), p) > FALSE_ALARM
    assert mismatch(write(8192), probabilities(Sampling(temperature=0.9))) < FALSE_ALARM, "and this can fail"


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.5),
        Sampling(temperature=2.0),
        Sampling(schedule=(2.0, 1.0, 0.25)),
        Sampling(top_p=0.6),
        Sampling(temperature=1.5, top_p=0.8),
    ],
    ids=["cool", "hot", "cooling", "nucleus", "hot-nucleus"],
)
def test_temperature_schedule_and_nucleus_do_what_their_sentence_says(sampling: Sampling) -> None:
    p = probabilities(sampling)
    assert mismatch(write(8192, sampling), p) > FALSE_ALARM
    assert mismatch(write(8192), p) < FALSE_ALARM, "and it is not what is drawn without"


def test_a_small_temperature_and_a_small_nucleus_take_the_most_probable_token() -> None:
    best: list[int] = []
    for _ in range(3):
        best.append(int(next_token(SMALL, PARAMS, np.array([best], np.int32).reshape(1, -1))[0].argmax()))
    for sampling in (Sampling(temperature=0.001), Sampling(top_p=1e-6)):
        assert (write(600, sampling) == best).all()
    share = [
        float((write(4096, Sampling(temperature=heat)) == best).all(axis=1).mean()) for heat in (1, 0.5, 0.2, 0.05)
    ]
    assert share == sorted(share) and share[0] < 0.5 < share[-1]


def test_a_window_depends_on_its_number_and_the_key_alone() -> None:
    many = write(700)
    assert many.dtype == np.int32 and many.shape == (700, 3) and many.min() > START and many.max() == 3
    assert np.array_equal(many, write(700, batch=64)) and np.array_equal(many[:10], write(10, batch=64))
    assert np.array_equal(many[300:], write(400, first=300))
    assert not np.array_equal(many[300:], write(400))
    assert not np.array_equal(many, generate(SMALL, PARAMS, 700, jax.random.key(2), batch=512))
    assert write(0).shape == (0, 3)


def test_what_is_given_is_kept_and_read() -> None:
    """Given the first and the last token, the middle one follows the first, and does not know the last."""
    given = np.tile(np.array([[2, 0, 3]], np.int32), (4096, 1))
    windows = write(4096, given=given)
    assert (windows[:, 0] == 2).all() and (windows[:, 2] == 3).all()
    counts = np.bincount(windows[:, 1], minlength=4)[1:]
    p = next_token(SMALL, PARAMS, np.array([[2]]))[0, 1:].astype(float)
    assert stats.chisquare(counts, 4096 * p, sum_check=False).pvalue > FALSE_ALARM
    assert (
        stats.chisquare(counts, 4096 * next_token(SMALL, PARAMS, np.array([[1]]))[0, 1:], sum_check=False).pvalue
        < FALSE_ALARM
    )


def test_a_token_is_where_the_distribution_function_passes_the_uniform() -> None:
    """In weights of eighths, with uniforms halfway between the places where rounding could matter."""
    logits = jnp.log(jnp.array([0.0, 0.125, 0.5, 0.0, 0.375]))
    uniform = (jnp.arange(64, dtype=jnp.float32) + 0.5) / 64
    tokens = np.asarray(drawn(jnp.tile(logits, (64, 1)), uniform))
    assert tokens.tolist() == [1] * 8 + [2] * 32 + [4] * 24
    cut = np.asarray(drawn(jnp.tile(logits, (64, 1)), uniform, jnp.float32(0.5625)))
    assert [int((cut == token).sum()) for token in range(5)] == [0, 0, 37, 0, 27], (
        "4/7 and 3/7 of 64, rounded up and down"
    )
    ties = drawn(jnp.zeros((1, 3)), jnp.array([0.9]), jnp.float32(0.3))
    assert ties.tolist() == [0], "of equals the lower number first"


def test_what_cannot_be_written_is_refused() -> None:
    for arguments in ({"temperature": 0}, {"temperature": -1.0}, {"temperature": math.nan}, {"schedule": (1.0, 0.0)}):
        with pytest.raises(InputError, match="0.05 is close to"):
            Sampling(**arguments)
    with pytest.raises(InputError, match="drop it"):
        Sampling(temperature=0.5, schedule=(1.0,))
    for share in (0.0, 1.5):
        with pytest.raises(InputError, match="top_p"):
            Sampling(top_p=share)
    with pytest.raises(InputError, match="3 tokens"):
        write(1, Sampling(schedule=(1.0, 1.0)))
    with pytest.raises(InputError, match="given=4"):
        write(1, given=np.array([[1, 0, 4]]))
    with pytest.raises(InputError, match="one row for each"):
        write(2, given=np.array([[1, 0, 3]]))
    with pytest.raises(InputError, match="n=-1"):
        write(-1)


# Filters

NONE = np.empty((0, 3), np.int32)


def test_the_likelihood_band_keeps_what_lies_between_the_quantiles_of_the_reference() -> None:
    band = likelihood_band(SMALL, PARAMS, ALL, low=0.25, high=0.75)
    rank = stats.rankdata(log_likelihood(SMALL, PARAMS, ALL))
    assert np.array_equal(band.keep(ALL, NONE), (rank >= 7.5) & (rank <= 20.5))
    with pytest.raises(InputError, match="below high"):
        likelihood_band(SMALL, PARAMS, ALL, low=0.5, high=0.5)
    with pytest.raises(InputError, match="at least one window"):
        likelihood_band(SMALL, PARAMS, NONE)


def test_exact_copies_are_kept_once_and_not_at_all_where_they_were_kept_before() -> None:
    windows = ALL[[3, 5, 3, 3, 8, 5]]
    assert Distinct().keep(windows, NONE).tolist() == [True, True, False, False, True, False]
    assert Distinct().keep(windows, ALL[[8]]).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("similarity", [0.2, 0.5, 1.0])
def test_near_copies_are_those_whose_sets_of_n_grams_are_similar(similarity: float) -> None:
    windows = np.random.default_rng(0).integers(1, 4, (60, 8))
    grams = [{tuple(window[at : at + 2]) for at in range(7)} for window in windows]
    expected: list[int] = []
    for row, mine in enumerate(grams):
        if all(len(mine & grams[old]) < similarity * len(mine | grams[old]) for old in expected):
            expected.append(row)
    distinct = Distinct(order=2, similarity=similarity)
    assert np.flatnonzero(distinct.keep(windows, windows[:0])).tolist() == expected
    first = [row for row in expected if row < 20]
    later = np.flatnonzero(distinct.keep(windows[20:], windows[first])) + 20
    assert first + later.tolist() == expected, "in two goes as in one"


def test_the_classifier_tells_real_text_from_text_that_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    real, other = rng.integers(1, 6, (200, 32)), np.repeat(rng.integers(1, 6, (200, 16)), 2, axis=1)
    judge = classifier(real[:100], other[:100], share=0.1)
    assert (
        judge.keep(real[100:], real[:0]).mean() == 1
        and judge.score(other[100:]).max() < 0 < judge.score(real[100:]).min()
    )
    passed = int(judge.keep(other[100:], real[:0]).sum())
    # 5 of the 50 that set the threshold pass: of 100 others, a beta-binomial number
    assert stats.betabinom(100, 5, 46).cdf(passed) > 1e-3 and stats.betabinom(100, 5, 46).sf(passed - 1) > 1e-3
    fair = classifier(real[:100], real[100:], share=0.5)
    assert abs(fair.keep(rng.integers(1, 6, (400, 32)), real[:0]).mean() - 0.5) < 0.5 * 4.9 * math.sqrt(
        1 / 50 + 1 / 400
    )


def test_features_are_shares_of_n_grams_and_do_not_depend_on_other_windows() -> None:
    windows = np.random.default_rng(0).integers(1, 100, (5, 20))
    table = features(windows, (1, 3), 64)
    assert table.shape == (5, 128)
    assert np.abs((table**2).sum(axis=1) - 1).max() < 1e-12
    assert (features(windows[3:4], (1, 3), 64) != table[[3]]).nnz == 0
    assert np.unique(features(np.arange(1, 65)[:, None], (1,), 64).indices).size > 32, (
        "tokens are spread over the buckets"
    )


def test_rejection_gives_the_first_windows_that_pass_whatever_the_batch() -> None:
    band = likelihood_band(SMALL, PARAMS, ALL, low=0.1, high=0.9)
    filters: list[Filter] = [band, Distinct()]
    everything = write(400)
    first, expected = {}, []
    for number, window in enumerate(everything):
        if band.keep(window[None], NONE)[0] and tuple(window) not in first:
            first[tuple(window)] = number
            expected.append(window)
    for batch in (16, 256):
        found = accepted(lambda start, n: write(n, first=start), 8, filters, limit=400, batch=batch)
        assert np.array_equal(found.tokens, expected[:8]) and found.drawn == list(first.values())[7] + 1
        assert found.rate == 8 / found.drawn
    with pytest.raises(InputError, match=rf"{len(expected)} of 400 windows passed, {len(expected) / 400:.2%}"):
        accepted(lambda start, n: write(n, first=start), 27, filters, limit=400)
    assert accepted(lambda start, n: write(n, first=start), 0, filters, limit=400).tokens.shape == (0, 3)


def test_filters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="similarity=0"):
        Distinct(similarity=0)
    with pytest.raises(InputError, match="order=0"):
        Distinct(order=0)
    with pytest.raises(InputError, match="power of two"):
        classifier(ALL, ALL, buckets=48)
    with pytest.raises(InputError, match="share=0"):
        classifier(ALL, ALL, share=0)
    with pytest.raises(InputError, match="a real one"):
        classifier(NONE, ALL)
    assert isinstance(classifier(ALL, ALL, buckets=1, steps=1), Classifier)
