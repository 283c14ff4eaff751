"""Regenerated and filtered labels beside real ones: the exact accuracy of pooled and weighed labels, and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.simulate import verified
from modelcollapse.theory.verified import _integral, _right_labels

PERFECT = theory.Verifier(1.0, 1.0)
P, VERIFIER = 0.7, theory.Verifier(0.9, 0.5)  # r = 0.615, chi = 0.78
SIGN, RATE = (0.63 - 0.15) / 0.78, 0.78


def exact(real: int, kept: int, weight: float, dimension: int) -> float:
    """Accuracy of the classifier that weighs right and kept labels, averaged over how many of those kept are right."""
    right, chance = _right_labels(kept, (1 + SIGN) / 2, 1.0)
    total = real + weight * kept
    signs = (real + weight * (2 * right - kept)) / total
    return 0.5 + float(chance @ _integral(signs, 1.0, dimension, total**2 / (real + weight**2 * kept)))


@pytest.mark.parametrize("weight", [1.0, SIGN, 0.0])
def test_what_labels_are_worth_has_their_accuracy(weight):
    """In the limit of many labels and dimensions: sixteen times as many come at least eight times as near."""
    gaps = []
    for scale in (1, 16):
        real, kept, dimension = 30 * scale, 39 * scale, 60 * scale
        told = theory.regeneration(P, VERIFIER, real, 50 * scale)
        assert told.kept == pytest.approx(kept, rel=1e-14)
        if weight == 0:  # alone
            right, chance = _right_labels(kept, (1 + SIGN) / 2, 1.0)
            found = 0.5 + float(chance @ _integral((2 * right - kept) / kept, 1.0, dimension, kept))
            worth = told.worth
        else:
            found, worth = exact(real, kept, weight, dimension), told.pooled if weight == 1 else told.weighed
        as_right = theory.verified_accuracy_limit(
            1.0, PERFECT, separation=1.0, dimension=dimension, samples=np.array(worth)
        )
        gaps.append(abs(found - as_right))
    assert gaps[1] < gaps[0] / 8 and gaps[1] < 1e-3


def test_points_agree():
    """Real and kept labels drawn, pooled and judged on new points: the exact accuracy."""
    given_ = {"chains": 4096, "samples": 6, "real": 12, "dimension": 12, "points": 16}
    seen = verified.accuracy(jax.random.key(0), P, 0.9, 0.5, 1.0, **given_)
    assert abs(standard_scores(np.asarray(seen, float), np.asarray(exact(12, 6, 1.0, 12)))) < threshold(1)


CHANCES = st.fractions(Fraction(1, 50), 1, max_denominator=60)


@given(CHANCES, CHANCES, st.fractions(0, 1, max_denominator=60), st.integers(1, 10**9), st.integers(1, 10**9))
@settings(max_examples=100, deadline=None)
def test_numbers_in_fractions(p, right, wrong, real, generated):
    """Every number from its definition; at the edges pool and replacement are worth the real labels."""
    rate = right * p + wrong * (1 - p)
    sign = (right * p - wrong * (1 - p)) / rate
    told = theory.regeneration(float(p), theory.Verifier(float(right), float(wrong)), real, generated)
    worth, kept = sign * abs(sign) * rate * generated, rate * generated
    assert told.kept == pytest.approx(float(kept), rel=1e-12)
    if abs(sign) > 1e-6:
        assert told.worth == pytest.approx(float(worth), rel=1e-9)
    assert told.weighed == pytest.approx(float(real + max(worth, 0)), rel=1e-12)
    if sign <= 1e-6:
        return
    assert told.pooled == pytest.approx(float((real + sign * kept) ** 2 / (real + kept)), rel=1e-12)
    enough, harmless = real / (sign**2 * rate), max(0, 1 - 2 * sign) * real / (sign**2 * rate)
    assert told.outweighs == pytest.approx(float(enough), rel=1e-9)
    assert told.harmless == pytest.approx(float(harmless), rel=1e-9, abs=1e-9 * float(enough))
    for weight in (Fraction(1, 3), sign * Fraction(9, 10), sign * Fraction(11, 10), Fraction(2)):
        assert (real + weight * sign * kept) ** 2 / (real + weight**2 * kept) <= real + worth
    pool = rate * harmless
    assert harmless == 0 or (real + sign * pool) ** 2 / (real + pool) == real


def test_what_teaches_nothing_and_what_teaches_wrong():
    told = theory.regeneration(0.0, theory.Verifier(0.9, 0.0), 10, 10)  # keeps nothing
    assert told[:4] == (0, 0, 10, 10) and told[4:] == (math.inf, math.inf)
    told = theory.regeneration(0.1, PERFECT, 10, 1000)
    assert told.worth == pytest.approx(-640) and told.pooled < 0 and told.weighed == 10 and math.isinf(told.outweighs)
    assert theory.regeneration(1.0, PERFECT, 10, 7)[1:] == (7, 17, 17, 10, 0)


def test_answers_live_in_jax_and_what_is_none_is_refused():
    with jax.enable_x64(True):
        asked = jax.jit(lambda p, real: theory.regeneration(p, VERIFIER, real, 50.0).pooled)
        assert float(asked(P, 30.0)) == pytest.approx(theory.regeneration(P, VERIFIER, 30, 50).pooled, rel=1e-13)
        assert math.isnan(float(asked(1.5, 30.0))) and math.isnan(float(asked(P, 0.0)))
        slope = jax.grad(lambda p: theory.regeneration(p, VERIFIER, 30.0, 50.0).worth)(P)
        up, down = (theory.regeneration(P + step, VERIFIER, 30, 50).worth for step in (1e-6, -1e-6))
        assert float(slope) == pytest.approx((up - down) / 2e-6, rel=1e-6)
    for bad in ({"real": 0}, {"generated": 0}, {"p": 1.2}, {"verifier": 3}):
        given_ = {"p": P, "verifier": VERIFIER, "real": 5, "generated": 5} | bad
        with pytest.raises(theory.InputError, match=next(iter(bad))):
            theory.regeneration(**given_)
