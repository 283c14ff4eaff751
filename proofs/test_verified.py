"""What a verifier does to labels, and what is learnt from them: against enumeration, other integrals and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs.rational import exactly
from modelcollapse.theory import verified as subject
from modelcollapse.theory.lower import evaluate
from modelcollapse.theory.symbols import phi, pr, psi

CHANCES = st.sampled_from([1e-9, 0.01, 0.3, 0.5, 0.6, 0.75, 0.99, 1 - 1e-9])
KEEPS = st.sampled_from([1e-6, 0.05, 0.2, 0.5, 0.9, 1.0])


@given(CHANCES, KEEPS, KEEPS)
@settings(max_examples=60)
def test_kept_labels_by_counting_the_four_cases(p, right, wrong):
    """Right or wrong, kept or not, in fractions."""
    law = {(True, True): Fraction(p) * Fraction(right), (False, True): (1 - Fraction(p)) * Fraction(wrong)}
    kept = sum(law.values())
    signs = (law[True, True] - law[False, True]) / kept
    seen = theory.verification(p, theory.Verifier(right, wrong))
    assert seen.keep_rate == pytest.approx(float(kept), rel=1e-12)
    assert seen.kept_accuracy == pytest.approx(float(law[True, True] / kept), rel=1e-9, abs=1e-15)
    assert seen.merit == pytest.approx(float(signs * abs(signs) * kept), rel=1e-9, abs=1e-15)
    assert seen.pays == (signs * abs(signs) * kept > (2 * Fraction(p) - 1) * abs(2 * Fraction(p) - 1))
    assert (p > seen.threshold) == (seen.kept_accuracy > 0.5) or abs(p - seen.threshold) < 1e-15


@given(st.floats(0.001, 0.999), st.floats(0.01, 1.0))
@settings(max_examples=80)
def test_a_verifier_pays_below_the_edge_and_not_above(p, right):
    edge = theory.verification(p, theory.Verifier(right, 0.5)).keep_wrong_most
    for wrong in (0.0, edge * 0.999, min(1.0, edge * 1.001 + 1e-6), 1.0):
        if abs(wrong - edge) > 1e-9 and not (right > 0.999 and wrong > 0.999):
            assert theory.verification(p, theory.Verifier(right, wrong)).pays == (wrong < edge)


def test_the_edge_in_fractions():
    """phi = 1 pays whatever it keeps wrong: the edge is 1; where all labels are right no edge is left."""
    high, low = subject.edges()
    for value in (Fraction(9, 10), Fraction(2, 3), Fraction(1, 2)):
        assert exactly(high, {pr: value, phi: 1}) == 1
    assert exactly(low, {pr: Fraction(1, 3), phi: 1}) == 1
    for value in (0.6, 1 - 1e-12):
        assert theory.verification(value, theory.Verifier(1.0, 0.5)).keep_wrong_most == pytest.approx(1, abs=1e-12)
    assert theory.verification(1.0, theory.Verifier(0.9, 0.5)).keep_wrong_most == 0
    edge = subject.edges()[1].subs({pr: Fraction(3, 5), phi: Fraction(9, 10)})
    assert float(edge - high.subs({pr: Fraction(3, 5), phi: Fraction(9, 10)})) == pytest.approx(0, abs=1e-15)


def by_beta(signs: float, separation: float, dimension: int, samples: int) -> float:
    """Accuracy at a mean sign: one noncentral chi-square above another, each a Poisson mixture of central ones."""
    root = math.sqrt(samples) * signs
    more, less = (separation**2 * (root + sign) ** 2 / 4 for sign in (1, -1))
    with mpmath.workdps(30):
        reach = int(max(more, less) + 12 * math.sqrt(max(more, less)) + 30)
        ones = [mpmath.exp(-more) * mpmath.mpf(more) ** j / mpmath.factorial(j) for j in range(reach)]
        twos = [mpmath.exp(-less) * mpmath.mpf(less) ** j / mpmath.factorial(j) for j in range(reach)]
        half = mpmath.mpf(dimension) / 2
        total = mpmath.mpf(0)
        for j, one in enumerate(ones):
            for i, two in enumerate(twos):
                if one * two > 1e-18:
                    total += one * two * mpmath.betainc(half + i, half + j, 0, 0.5, regularized=True)
        return float(total)


@pytest.mark.parametrize(
    ("signs", "separation", "dimension", "samples"),
    [(1.0, 1.0, 1, 1), (0.5, 0.5, 3, 4), (-0.2, 1.5, 2, 9), (0.0, 1.0, 5, 7), (0.3, 0.1, 1000, 20)],
)
def test_the_integral_is_a_race_of_two_chi_squares(signs, separation, dimension, samples):
    """4 w.v is |w+v|^2 - |w-v|^2, of independent normal vectors: no characteristic function in it."""
    found = 0.5 + subject._integral(np.array([signs]), separation, dimension, samples)[0]
    assert found == pytest.approx(by_beta(signs, separation, dimension, samples), abs=1e-12)


@pytest.mark.parametrize(
    ("p", "samples", "separation"),
    [(0.7, 1, 1.0), (0.7, 12, 2.0), (0.501, 4000, 3.0), (0.5001, 10**5, 5.0), (0.999, 10**6, 2.0)],
)
def test_in_one_dimension_only_the_sign_of_the_classifier_counts(p, samples, separation):
    """Phi(mu) P(w > 0) + Phi(-mu) P(w < 0), P by a sum over all binomial outcomes with no window and no stride."""
    from scipy import special, stats

    right = np.arange(samples + 1)
    positive = stats.binom.pmf(right, samples, p) @ special.ndtr((2 * right - samples) / np.sqrt(samples) * separation)
    good = special.ndtr(separation)
    found = theory.verified_accuracy(p, theory.Verifier(1, 1), separation=separation, dimension=1, samples=samples)
    assert found == pytest.approx(positive * good + (1 - positive) * (1 - good), abs=3e-12)


def test_the_ends():
    def ask(p, separation, dimension, samples, verifier=None):
        return theory.verified_accuracy(
            p, verifier or theory.Verifier(1, 1), separation=separation, dimension=dimension, samples=samples
        )

    assert ask(0.5, 1.0, 30, 10**6) == pytest.approx(0.5, abs=1e-12)
    assert ask(1.0, 1.0, 1, 10**9) == pytest.approx(0.8413447460685429, abs=1e-12)
    assert ask(0.0, 1.0, 2, 10**9) == pytest.approx(1 - 0.8413447460685429, abs=1e-9)
    assert ask(0.3, 1.0, 5, 40) == pytest.approx(1 - ask(0.7, 1.0, 5, 40), abs=1e-12)
    assert ask(0.3, 1.0, 5, 40, theory.Verifier(1, 0)) == pytest.approx(ask(1.0, 1.0, 5, 40), abs=1e-15)


@pytest.mark.parametrize("ratio", [0.1, 1, 10])
def test_the_leading_order_is_off_by_one_over_the_number_of_labels(ratio):
    """Ten times the labels and dimensions, a tenth of the miss."""
    misses = []
    for samples in (10**3, 10**4, 10**5):
        setting = {"separation": 1.2, "dimension": int(ratio * samples), "samples": samples}
        verifier = theory.Verifier(0.9, 0.3)
        misses.append(
            theory.verified_accuracy(0.6, verifier, **setting)
            - theory.verified_accuracy_limit(0.6, verifier, **setting)
        )
    assert misses[1] / misses[0] == pytest.approx(0.1, rel=0.05)
    assert misses[2] / misses[1] == pytest.approx(0.1, rel=0.01)


def test_arrays_traces_and_gradients():
    p, right = np.array([0.3, 0.6, 0.9]), 0.8
    table = theory.verification(p, theory.Verifier(right, 0.4))
    traced = jax.jit(lambda p: theory.verification(p, theory.Verifier(right, 0.4)))(jnp.asarray(p))
    for name, value in table._asdict().items():
        np.testing.assert_allclose(np.asarray(getattr(traced, name), float), np.asarray(value, float), rtol=1e-13)

    def accuracy(p):
        return theory.verified_accuracy_limit(p, theory.Verifier(0.9, 0.2), separation=1.0, dimension=20, samples=100)

    slope = float(jax.grad(accuracy)(0.7))
    assert slope == pytest.approx((accuracy(0.7 + 1e-6) - accuracy(0.7 - 1e-6)) / 2e-6, rel=1e-6)
    assert math.isnan(float(jax.jit(lambda p: theory.verification(p, theory.Verifier(right, 0.4)).merit)(1.5)))
    assert evaluate(subject.THRESHOLD, {phi: 0.5, psi: 0.5}) == 0.5


@pytest.mark.parametrize(
    ("ask", "word"),
    [
        (lambda: theory.verification(1.5, theory.Verifier(1, 1)), "p=1.5"),
        (lambda: theory.verification(0.5, theory.Verifier(1, 1, right=[True, False])), "no mask"),
        (
            lambda: theory.verified_accuracy(0.5, theory.Verifier(1, 1), separation=11, dimension=1, samples=1),
            "at most 10",
        ),
        (
            lambda: theory.verified_accuracy(0.5, theory.Verifier(1, 1), separation=1, dimension=1, samples=0),
            "samples=0",
        ),
        (
            lambda: theory.verified_accuracy(
                np.array([0.5, 0.6]), theory.Verifier(1, 1), separation=1, dimension=1, samples=1
            ),
            "one number",
        ),
    ],
)
def test_refusals(ask, word):
    with pytest.raises(theory.InputError, match=word):
        ask()
