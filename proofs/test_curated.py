"""Curation beside real data: the share that stays solves its equation, what is drawn comes to it, and the threshold is one."""

from __future__ import annotations

import math
from fractions import Fraction
from math import comb

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.simulate import curation, selection

TRUE = st.sampled_from([1e-12, 1e-3, 0.2, 0.5, 0.9, 1.0])
SHARES = st.sampled_from([0.0, 1e-6, 0.2, 0.37, 0.7, 0.99, 1 - 1e-9])
REWARDS = st.sampled_from([-20.0, -1.0, -1e-8, 0.0, 1e-8, 0.5, 2.0, 20.0, 300.0])


def chosen(x: float, reward: float, choices: float) -> mpmath.mpf:
    """The chance that the one that is kept of K has the trait, by all numbers of samples that have it."""
    lead, x = mpmath.exp(reward), mpmath.mpf(x)
    if math.isinf(choices):
        return lead * x / (lead * x + 1 - x)
    return mpmath.fsum(
        comb(choices, j) * x**j * (1 - x) ** (choices - j) * j * lead / (j * lead + choices - j)
        for j in range(1, choices + 1)
    )


@given(TRUE, SHARES, REWARDS, st.sampled_from([2, math.inf]))
@settings(max_examples=150)
def test_the_share_stays_where_it_is(p0, share, reward, choices):
    """Put into the map at forty digits; relative to how far the map takes an error there."""
    with mpmath.workdps(40):
        found = theory.curated_share(p0, share, theory.Curation(reward, choices))
        assert 0 <= found <= 1
        after = (1 - mpmath.mpf(share)) * mpmath.mpf(p0) + share * chosen(found, reward, choices)
        slope = share * mpmath.diff(lambda x: chosen(x, reward, choices), found, h=mpmath.mpf(10) ** -15)
        assert abs(after - found) <= 1e-12 * max(found, float(after)) + 1e-15 * (1 + abs(slope))


@pytest.mark.parametrize("choices", [2, math.inf])
@pytest.mark.parametrize("reward", [-300.0, -5.0, 0.0, 1.0, 40.0, 300.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.7, 1 - 2**-53])
def test_what_nobody_has_stays_away_and_what_all_have_stays(share, reward, choices):
    """Both ends are kept by the map, whatever is rewarded; with no reward every share is."""
    curation = theory.Curation(reward, choices)
    assert [float(theory.curated_share(p0, share, curation)) for p0 in (0.0, 1.0)] == [0.0, 1.0]
    assert theory.curated_share(0.25, share, theory.Curation(0.0, choices)) == 0.25


@pytest.mark.parametrize("choices", [2, 3, 8, math.inf])
@pytest.mark.parametrize("reward", [0.5, 1.0, 4.0])
def test_above_the_threshold_the_rarest_trait_is_not_rare(choices, reward):
    """The map itself, from a share of 1e-9 in truth: below it stays that small, above it does not."""
    edge = theory.runaway_share(theory.Curation(reward, choices))

    def after(share, x=1e-9, p0=1e-9):
        for _ in range(4000):
            counts = np.arange(1, 2 if math.isinf(choices) else choices + 1)
            lead = math.exp(reward)
            if math.isinf(choices):
                kept = lead * x / (lead * x + 1 - x)
            else:
                law = [comb(choices, j) * x**j * (1 - x) ** (choices - j) for j in counts]
                kept = float(np.dot(law, counts * lead / (counts * lead + choices - counts)))
            x = (1 - share) * p0 + share * kept
        return x

    assert after(edge * 0.95) < 1e-7
    assert after(min(0.999, edge * 1.05)) > 1e-4


def test_the_rare_limit_and_the_runaway():
    """Leading order below the threshold, and (f e^r - 1)/(e^r - 1) above it."""
    for choices, growth in ((math.inf, math.e), (2, 2 * math.e / (1 + math.e))):
        told = theory.Curation(1.0, choices)
        for share in (0.1, 0.3):
            assert theory.curated_share(1e-9, share, told) == pytest.approx(
                1e-9 * (1 - share) / (1 - share * growth), rel=1e-7
            )
    assert theory.curated_share(1e-12, 0.5, theory.Curation(1.0, math.inf)) == pytest.approx(
        (math.e / 2 - 1) / (math.e - 1), rel=1e-9
    )


def test_the_gain_of_the_best_of_k_and_the_tilt_of_many_rounds():
    """The same map as the simulator's: the mean of e^r rises by at least (K-1)/K Var/max, exactly Var/mean for very many."""
    p, rewards = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.0, -1.0, 0.7, 2.0])
    weights = np.exp(rewards)
    for choices in (2, 4, math.inf):
        after = np.asarray(selection.curated(jnp.asarray(p), jnp.asarray(rewards), choices))
        gain, variance = (after - p) @ weights, p @ weights**2 - (p @ weights) ** 2
        bound = 1.0 if math.isinf(choices) else (choices - 1) / choices
        assert gain >= bound * variance / weights.max()
        if math.isinf(choices):
            assert gain == pytest.approx(variance / (p @ weights), rel=1e-12)
    law = p
    for _ in range(5):
        law = np.asarray(selection.curated(jnp.asarray(law), jnp.asarray(rewards), math.inf))
    np.testing.assert_allclose(law, p * weights**5 / (p @ weights**5), rtol=1e-12)


def test_what_is_drawn_comes_to_it_as_one_over_the_samples():
    """Pairs: the mean share lies below that of large samples, twice as near with twice as many."""
    told = theory.curated_share(0.2, 0.5, theory.Curation(1.0, 2))
    misses, errors = [], []
    for size in (40, 80):
        seen = np.asarray(
            curation.shares(
                jax.random.key(size),
                0.2,
                1.0,
                choices=2,
                real=size // 2,
                synthetic=size // 2,
                generations=15,
                chains=20_000,
            )
        )[:, -1]
        misses.append(told - seen.mean())
        errors.append(seen.std() / math.sqrt(len(seen)))
    assert misses[0] > 5 * errors[0] and misses[1] > 3 * errors[1]
    assert abs(misses[0] - 2 * misses[1]) < 4 * math.hypot(errors[0], 2 * errors[1])


def test_arrays_traces_and_refusals():
    shares, pairs = np.array([0.1, 0.5, 0.9]), theory.Curation(1.0, 2)
    table = theory.curated_share(0.1, shares, pairs)
    traced = jax.jit(lambda share: theory.curated_share(0.1, share, pairs))(jnp.asarray(shares))
    np.testing.assert_allclose(traced, table, rtol=1e-13)
    for share, best in ((0.2, pairs), (0.9, theory.Curation(1.0, math.inf)), (0.2, theory.Curation(0.0, math.inf))):
        slope = float(jax.grad(lambda each, best=best: theory.curated_share(0.1, each, best))(share))
        ahead, behind = (theory.curated_share(0.1, share + sign * 1e-6, best) for sign in (1, -1))
        assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-5, abs=1e-8)
    rare = jax.grad(lambda p0: theory.curated_share(p0, 0.3, pairs))(0.0)
    assert rare == pytest.approx(0.7 / (1 - 0.6 * math.e / (1 + math.e)), rel=1e-12)
    reward = jax.grad(lambda r: theory.curated_share(0.2, 0.9, theory.Curation(r, 2)))(0.0)
    assert reward == pytest.approx(0.9 * 0.2 * 0.8 / 2 / 0.1, rel=1e-12)  # alpha x (1-x)/2 over 1-alpha
    assert math.isnan(float(jax.jit(lambda share: theory.curated_share(0.1, share, pairs))(1.5)))
    np.testing.assert_allclose(
        theory.runaway_share(theory.Curation(np.array([0.0, 1.0]), 2)), [1, (1 + math.e) / (2 * math.e)]
    )
    assert Fraction(theory.runaway_share(theory.Curation(0.0, 7))) == 1
    for call, word in (
        (lambda: theory.curated_share(0.1, 1.0, pairs), "below 1"),
        (lambda: theory.curated_share(0.1, 0.5, theory.Curation(1.0, 4)), "choices=4"),
        (lambda: theory.curated_share(0.1, 0.5, theory.Curation(301.0, 2)), "at most 300"),
        (lambda: theory.curated_share(1.1, 0.5, pairs), "p0=1.1"),
    ):
        with pytest.raises(theory.InputError, match=word):
            call()
