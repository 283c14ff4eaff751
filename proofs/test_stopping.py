"""When to stop: the error after each round by its recursion in fractions, and no round is better than the one that is named."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.proofs.rational import exactly
from modelcollapse.simulate import retrained
from modelcollapse.theory.stopping import STOPPING, error_after
from modelcollapse.theory.symbols import V0, Bv, a, omega, t

SHARES = st.sampled_from([Fraction(1, 50), Fraction(1, 3), Fraction(9, 10)])
ERRORS = st.sampled_from([Fraction(1, 7), Fraction(1), Fraction(20)])
NOISES = st.sampled_from([Fraction(0), Fraction(1, 9), Fraction(3)])


@given(SHARES, ERRORS, ERRORS, NOISES)
@settings(max_examples=40)
def test_the_error_solves_its_recursion_exactly(share, start, bias, noise):
    """First and second moments of x' = (1-a) x + a v + noise, from a start about the truth; v^2 = Bv."""
    shift, spread = Fraction(0), start
    for rounds in range(6):
        values = {a: share, V0: start, Bv: bias, omega: noise, t: rounds}
        assert exactly(STOPPING.derived.expression, values) == spread + shift**2 * bias
        shift, spread = (1 - share) * shift + share, (1 - share) ** 2 * spread + noise


@given(st.floats(1e-3, 0.999), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.sampled_from([0.0, 0.01, 1.0]))
@settings(max_examples=60)
def test_no_round_is_better(share, start, bias, noise):
    stop = theory.stopping_round(share, start, bias, noise)
    rounds = np.arange(min(20_000, int(stop.rounds) + 2000))
    errors = error_after(rounds, share, start, bias, noise)
    assert stop.error <= errors.min() * (1 + 1e-13)
    assert stop.error == pytest.approx(errors[int(stop.rounds)], rel=1e-13)
    assert stop.limit == pytest.approx(error_after(np.inf, share, start, bias, noise), rel=1e-12)


def test_the_ends():
    assert theory.stopping_round(0.3, 1.0, 0.0) == (math.inf, 0.0, 0.0)
    assert theory.stopping_round(0.3, 1.0, 0.0, 5.0)[:2] == (0.0, 1.0)
    assert theory.stopping_round(0.3, 1.0, 2.0, 5.0).rounds == 0
    assert theory.stopping_round(0.5, 1.0, 0.0, 0.75)[:2] == (
        0.0,
        1.0,
    )  # the noise of all rounds is the error at the start
    slow = theory.stopping_round(1e-9, 1.0, 1.0)
    assert slow.rounds == pytest.approx(math.log(2) * 1e9, rel=1e-8)
    assert slow.error == pytest.approx(0.5, rel=1e-9)
    assert theory.stopping_round(0.5, 1e-9, 1e9).rounds == 0


def test_arrays_traces_and_gradients():
    shares = np.array([0.1, 0.3, 0.8])
    table = theory.stopping_round(shares, 5.0, 0.7, 0.01)
    traced = jax.jit(lambda each: theory.stopping_round(each, 5.0, 0.7, 0.01))(jnp.asarray(shares))
    np.testing.assert_allclose(np.asarray(traced), np.asarray(table), rtol=1e-13)
    assert math.isfinite(float(jax.grad(lambda bias: theory.stopping_round(0.3, 5.0, bias).error)(0.0)))
    assert math.isnan(float(jax.jit(lambda bias: theory.stopping_round(0.3, 5.0, bias).error)(-1.0)))


def test_points_that_are_drawn_kept_and_averaged():
    """Six rounds, two verifiers; every round within the budget of false alarms."""
    for number, (share, bias) in enumerate(((0.25, 0.5), (0.6, 0.4))):
        seen = retrained.squared_errors(
            jax.random.key(number), contraction=share, variance=0.5, bias=bias, samples=6, chains=6000, rounds=6
        )
        told = error_after(np.arange(7), share, 0.5, bias, (1 - share) / 6)
        assert abs(standard_scores(np.asarray(seen), told)).max() < threshold(14)


@pytest.mark.parametrize(
    ("given", "word"),
    [((0, 1, 1), "contraction=0"), ((1, 1, 1), "contraction=1"), ((0.5, 0, 1), "variance=0"), ((0.5, 1, -1), "bias=-1"),
     ((0.5, 1, 1, -1), "noise=-1")],
)  # fmt: skip
def test_refusals(given, word):
    with pytest.raises(theory.InputError, match=word):
        theory.stopping_round(*given)
