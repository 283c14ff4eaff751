"""Sampling at a temperature: where a vocabulary stays whole, where one token takes over, and that the past decides in between."""

from __future__ import annotations

import math

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.simulate import tempered
from modelcollapse.theory.lower import evaluate
from modelcollapse.theory.symbols import s, vartheta, zeta
from modelcollapse.theory.temperature import WINDOW

TOKENS = st.sampled_from([3, 4, 10, 100, 10**4, 10**6, 10**9])
HEATS = st.one_of(st.floats(1e-6, 1 - 1e-6), st.sampled_from([1e-9, 1 - 1e-9]))


def iterated(p: np.ndarray, share: float, heat: float, steps: int = 20_000) -> np.ndarray:
    """The map itself, on all tokens; no formula of the theorem is in it."""
    truth = np.full(len(p), 1 / len(p))
    for _ in range(steps):
        powers = (p / p.max()) ** (1 / heat)
        p = (1 - share) * truth + share * powers / powers.sum()
    return p


@given(TOKENS, HEATS)
@settings(max_examples=60)
def test_the_edge_is_a_state_of_the_map_and_the_least_share_of_all(tokens, heat):
    """One step of the map leaves it where it is, and no lead lasts at a smaller share."""
    window = theory.temperature_window(tokens, heat)
    lead = window.likeliest
    with mpmath.workdps(40):
        other = (1 - mpmath.mpf(lead)) / (tokens - 1)
        power = 1 / mpmath.mpf(heat)
        drawn = 1 / (1 + (tokens - 1) * (other / lead) ** power)
        assert float(
            ((1 - window.collapsed_from) / mpmath.mpf(tokens) + window.collapsed_from * drawn) / lead
        ) == pytest.approx(1, abs=1e-12)
    assert window.collapsed_from < window.stable_to == heat
    leads = np.geomspace(1e-3 * heat, 3 * math.log(tokens) + 30, 6000)
    others = evaluate(WINDOW.derived.expression, {s: float(tokens), vartheta: heat, zeta: leads})
    assert window.collapsed_from <= others.min() * (1 + 1e-14)
    assert others.min() <= window.collapsed_from * (1 + 1e-2)


@pytest.mark.parametrize(("tokens", "heat"), [(3, 0.5), (20, 0.5), (100, 0.8), (10**4, 0.3), (10**6, 0.99), (5, 1e-3)])
def test_the_edge_at_forty_digits(tokens, heat):
    """mpmath, by the equation of the slope as it stands: the derivative of the share by the lead."""
    with mpmath.workdps(40):
        heat_ = mpmath.mpf(heat)

        def share(lead):
            cold = mpmath.exp(-lead / heat_)
            return (
                (1 - mpmath.exp(-lead))
                / (1 - cold)
                * (1 + (tokens - 1) * cold)
                / (1 + (tokens - 1) * mpmath.exp(-lead))
            )

        window = theory.temperature_window(tokens, heat)
        guess = math.log(window.likeliest * (tokens - 1) / (1 - window.likeliest))
        lead = mpmath.findroot(lambda at: mpmath.diff(share, at), guess)
        assert window.collapsed_from == pytest.approx(float(share(lead)), rel=1e-13)
        assert guess == pytest.approx(float(lead), rel=1e-9)


@pytest.mark.parametrize("tokens", [3, 7, 100, 10**6])
def test_at_temperature_one_half_the_edge_is_a_square_root(tokens):
    """2 sqrt(s-1)/(1 + sqrt(s-1))^2, by hand; near temperature 1 the edge leaves 1 as fast as max F says."""
    root = math.sqrt(tokens - 1)
    window = theory.temperature_window(tokens, 0.5)
    assert window.collapsed_from == pytest.approx(2 * root / (1 + root) ** 2, rel=1e-13)
    assert window.likeliest == pytest.approx(1 / (1 + root), rel=1e-8)
    leads = np.linspace(1e-3, 40, 400_000)
    top = (tokens * leads / ((1 - np.exp(-leads)) * (np.exp(leads) + tokens - 1))).max()
    near = theory.temperature_window(tokens, 1 - 1e-5)
    assert (1 - near.collapsed_from) / 1e-5 == pytest.approx(top, rel=1e-3)


@pytest.mark.parametrize(("tokens", "heat"), [(3, 0.5), (10, 0.7), (50, 0.9)])
def test_the_map_itself_goes_back_below_the_edge_and_stays_above(tokens, heat):
    """From a collapsed model, from a nearly whole one, on both sides of both edges."""
    window = theory.temperature_window(tokens, heat)
    collapsed, whole = np.full(tokens, 1e-9), np.full(tokens, 1 / tokens)
    collapsed[0] = 1 - 1e-9 * (tokens - 1)
    whole[0] += 1e-6 / tokens
    whole /= whole.sum()
    edge, last = window.collapsed_from, window.stable_to
    gap = last - edge
    assert iterated(collapsed, edge - 0.05 * gap, heat).max() == pytest.approx(1 / tokens, rel=1e-6)
    assert iterated(collapsed, edge + 0.05 * gap, heat).max() > window.likeliest
    assert iterated(whole, last - 0.05 * gap, heat).max() == pytest.approx(1 / tokens, rel=1e-6)
    assert iterated(whole, last + 0.05 * gap, heat).max() > window.likeliest


@pytest.mark.parametrize("heat", [0.1, 0.5, 0.9])
def test_two_tokens_have_no_window(heat):
    """tanh(zeta/2)/tanh(zeta/(2 vartheta)) rises from vartheta: a lead needs a larger share."""
    window = theory.temperature_window(2, heat)
    assert window.collapsed_from == window.stable_to == heat
    leads = np.linspace(1e-3, 20, 5000)
    shares = evaluate(WINDOW.derived.expression, {s: 2.0, vartheta: heat, zeta: leads})
    np.testing.assert_allclose(shares, np.tanh(leads / 2) / np.tanh(leads / 2 / heat), rtol=1e-13)
    assert (np.diff(shares) > -1e-15).all() and shares[0] >= heat
    assert iterated(np.array([1.0, 0.0]), heat - 0.02, heat).max() == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("heat", [0.3, 0.7])
def test_rare_tokens_of_zipf_keep_what_is_real(heat):
    """1 - share of their probability, the nearer the rarer and the colder."""
    truth = 1 / np.arange(1, 2001.0)
    truth /= truth.sum()
    p, share = truth.copy(), 0.5
    for _ in range(500):
        powers = (p / p.max()) ** (1 / heat)
        p = (1 - share) * truth + share * powers / powers.sum()
    kept = p / truth
    assert (np.diff(kept) < 1e-12).all()
    power = (p / p.max()) ** (1 / heat)
    own = 1 - share + share * kept ** (1 / heat) * truth ** (1 / heat - 1) / power.sum() / p.max() ** (1 / heat)
    np.testing.assert_allclose(own, kept, rtol=1e-12)
    assert kept[-1] == pytest.approx(1 - share, abs=0.06 if heat > 0.5 else 1e-4)


@pytest.mark.parametrize(("lead", "collapsed"), [(1.0, True), (0.05, False)])
def test_in_between_the_past_decides_in_samples_too(lead, collapsed):
    """Twenty tokens in sets of 20,000, at one share inside the window."""
    window = theory.temperature_window(20, 0.5)
    seen = tempered.likeliest(jax.random.key(1), 0.38, 0.5, lead, tokens=20, samples=20_000, generations=20, chains=16)
    assert window.collapsed_from < 0.38 < window.stable_to
    assert ((np.asarray(seen) > window.likeliest) == collapsed).all()


def test_a_few_samples_are_those_of_enumeration():
    """Of one real sample all are alike; of two tokens, two samples of the model before leave both with one half each time."""
    one = tempered.likeliest(jax.random.key(1), 0.0, 1.0, 0.5, tokens=2, samples=1, generations=1, chains=200)
    assert np.asarray(one).min() == 1
    both = {"tokens": 2, "samples": 2, "chains": 20_000}
    for share, generations, left in ((0.0, 3, 1 / 2), (1.0, 1, 1 / 2), (1.0, 2, 1 / 4), (1.0, 3, 1 / 8)):
        seen = tempered.likeliest(jax.random.key(2), share, 1.0, 0.5, generations=generations, **both)
        assert abs(standard_scores(np.asarray(seen)[:, None], np.array([1 - left / 2]))).max() < threshold(4)


def test_arrays_and_refusals():
    table = theory.temperature_window(np.array([2, 3, 100]), np.array([0.5, 1.0, 0.5]))
    for place, (tokens, heat) in enumerate(((2, 0.5), (3, 1.0), (100, 0.5))):
        assert [each[place] for each in table] == list(theory.temperature_window(tokens, heat))
    for none in (1.0, 1.3):
        assert theory.temperature_window(9, none) == (1.0, 1.0, 1.0)
    for tokens, heat, word in ((1, 0.5, "tokens=1"), (5, 0, "temperature=0"), (5, math.nan, "temperature=nan")):
        with pytest.raises(theory.InputError, match=word):
            theory.temperature_window(tokens, heat)
