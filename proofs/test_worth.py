"""What a synthetic source is worth: its best share is the best, twice that does no harm, and it is worth B at most."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import lambdify

from modelcollapse import theory
from modelcollapse.proofs.rational import exactly
from modelcollapse.theory import plateau, source, worth
from modelcollapse.theory.symbols import B, Bc, Bi, G, M, N, V, alpha, delta, n, tau

TRUTH, MODEL = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)), (Fraction(1, 4), Fraction(1, 4), Fraction(1, 2))
WORTHS = st.fractions(Fraction(1, 50), 500, max_denominator=60)
NOISES = st.fractions(Fraction(1, 20), Fraction(39, 20), max_denominator=20)
SIZES = st.integers(1, 60)


def counts(size):
    """Every vector of counts of three tokens."""
    return [each for each in product(range(size + 1), repeat=3) if sum(each) == size]


def chance(drawn, law):
    ways = math.factorial(sum(drawn)) // math.prod(map(math.factorial, drawn))
    return ways * math.prod(p**k for p, k in zip(law, drawn, strict=True))


def spread(law):
    return 1 - sum(p * p for p in law)


POOLED = lambdify((N, n, B, tau), worth.pooled().subs(V, 1), modules="math")


def error(real, synthetic, value, noise):
    return POOLED(*map(Fraction, (real, synthetic, value, noise)))


@pytest.mark.parametrize(("real", "synthetic"), [(4, 3), (1, 5), (5, 1), (3, 0), (0, 3)])
def test_the_error_of_a_pool_is_that_of_every_pool_there_is(real, synthetic):
    """All real and all synthetic samples that can be drawn, in fractions."""
    apart = sum((p - q) ** 2 for p, q in zip(TRUTH, MODEL, strict=True))
    total = sum(
        chance(one, TRUTH)
        * chance(other, MODEL)
        * sum((Fraction(a + b, real + synthetic) - p) ** 2 for a, b, p in zip(one, other, TRUTH, strict=True))
        for one in counts(real)
        for other in counts(synthetic)
    )
    value, noise = spread(TRUTH) / apart, spread(MODEL) / spread(TRUTH)
    assert spread(TRUTH) * error(real, synthetic, value, noise) == total
    found = theory.Source.of(
        theory.Categorical([float(p) for p in TRUTH]), theory.Categorical([float(p) for p in MODEL])
    )
    assert (found.worth, found.noise) == pytest.approx((float(value), float(noise)), rel=1e-14)


@given(SIZES, WORTHS, NOISES)
@settings(max_examples=60)
def test_the_best_share_is_the_best_and_twice_it_does_no_harm(real, value, noise):
    """Against all numbers of synthetic samples up to where the error only rises, or only falls."""
    at = {N: real, B: value, tau: noise}
    best, odds = (exactly(each, at) if 2 * real > noise * value else math.inf for each in worth.stationary())
    alone, reach = Fraction(1, real), 6 * real + 20
    errors = [error(real, each, value, noise) for each in range(reach)]
    if math.isinf(odds):
        assert theory.optimal_share(real, theory.Source(float(value), float(noise))).share == 1
        assert all(later < before for before, later in zip(errors, errors[1:], strict=False))
        return
    number = real * odds
    assert number == real * best / (1 - best)
    assert min(errors) >= min(error(real, each, value, noise) for each in (math.floor(number), math.ceil(number)))
    assert error(real, number, value, noise) == alone * (1 - best * (2 - noise) / 2)
    harmless = exactly(worth.break_even()[0], at)
    assert harmless == min(2 * best, 1)
    for each, found in enumerate(errors[1:], start=1):
        share = Fraction(each, real + each)
        assert (found < alone) == (share < harmless) and (found == alone) == (share == harmless)


@given(SIZES, st.integers(1, 10**9), WORTHS, NOISES, st.fractions(0, 1, max_denominator=50))
@settings(max_examples=60)
def test_weighed_as_they_deserve_samples_are_worth_no_more_than_b(real, synthetic, value, noise, weight):
    """No weight errs less than with E more real samples, the best weight exactly as much."""
    more = exactly(worth.equivalents(), {n: synthetic, B: value, tau: noise})

    def weighed(share):
        return (1 - share) ** 2 * Fraction(1, real) + share**2 * (noise / synthetic + 1 / value)

    assert more < value
    assert weighed(weight) >= 1 / (real + more) == weighed(more / (real + more))


@given(st.integers(1, 7), st.integers(0, 5), st.integers(1, 5))
def test_sources_share_what_they_have_in_common(sources, common, own):
    """The mean squared bias over all signs of the own biases, which are at right angles to nothing in particular."""
    signs = list(product((-1, 1), repeat=sources))
    squared = sum(Fraction(common * sources + own * sum(each), sources) ** 2 for each in signs) / len(signs)
    by_formula = theory.worth_of_sources(1 / common**2 if common else math.inf, 1 / own**2, sources)
    assert by_formula == pytest.approx(float(1 / squared), rel=1e-14)
    if common:
        found = exactly(source.several(), {Bc: Fraction(1, common**2), Bi: Fraction(1, own**2), G: sources})
        assert found == 1 / squared == exactly(source.worth_of(), {V: 1, delta: 1}) / squared


@given(WORTHS, NOISES, st.fractions(Fraction(1, 100), Fraction(99, 100), max_denominator=100))
@settings(max_examples=60)
def test_a_contaminated_corpus_is_better_cleaned_from_the_onset_on(value, noise, share):
    at = {B: value, tau: noise, alpha: share}
    first, level, floor = (exactly(each, at) for each in (plateau.onset(), plateau.plateau(), plateau.floor()))

    def excess(size):
        real = size * (1 - share)
        return error(real, size * share, value, noise) - 1 / real

    assert excess(first) == 0 and excess(first * Fraction(9, 10)) < 0 < excess(first * Fraction(11, 10))
    assert error(level * (1 - share), level * share, value, noise) == 2 * floor == 2 * share**2 / value
    assert exactly(plateau.mixed(), at | {V: 1, M: level}) == 2 * floor
    found = theory.contamination(theory.Source(float(value), float(noise)), float(share))
    assert found == pytest.approx((float(first), float(level), float(floor)), rel=1e-12)


@pytest.mark.parametrize("real", [1, 2, 10**9])
@pytest.mark.parametrize("value", [Fraction(1, 10**9), Fraction(7, 3), 10**6, 10**15])
@pytest.mark.parametrize("noise", [Fraction(1, 2**10), Fraction(1), Fraction(2047, 1024)])
def test_digits(real, value, noise):
    """Against fractions, from two samples to 10^9 and from a worthless source to one of hardly any bias."""
    one = theory.Source(float(value), float(noise))
    at = {N: real, B: Fraction(one.worth), tau: noise}
    assert theory.optimal_share(real, one).share == pytest.approx(float(exactly(worth.stationary()[0], at)), rel=1e-12)
    assert theory.harmless_share(real, one).share == pytest.approx(float(exactly(worth.break_even()[0], at)), rel=1e-12)
    for synthetic in (1, 10**6, 10**12):
        exact = exactly(worth.pooled(), at | {n: synthetic, V: 3})
        assert theory.pooled_error(real, synthetic, one, 3.0) == pytest.approx(float(exact), rel=1e-12)
        exact = exactly(worth.equivalents(), at | {n: synthetic})
        assert theory.real_equivalents(synthetic, one) == pytest.approx(float(exact), rel=1e-12)
    for share in (Fraction(1, 2**30), Fraction(1, 2), 1 - Fraction(1, 2**30)):
        exact = [exactly(each, at | {alpha: share}) for each in (plateau.onset(), plateau.plateau(), plateau.floor())]
        assert theory.contamination(one, float(share)) == pytest.approx([float(each) for each in exact], rel=1e-12)


def test_no_worth_and_no_bias():
    nothing, all_of_it = theory.Source(0), theory.Source(math.inf)
    assert theory.optimal_share(5, nothing) == theory.harmless_share(5, nothing) == (0, 0)
    assert theory.optimal_share(5, all_of_it) == theory.harmless_share(5, all_of_it) == (1, math.inf)
    assert (theory.real_equivalents(7, nothing), theory.real_equivalents(7, all_of_it)) == (0, 7)
    assert (theory.pooled_error(5, 5, all_of_it), theory.pooled_error(5, 5, nothing)) == (0.1, math.inf)
    assert theory.pooled_error(5, 0, nothing) == 0.2
    assert theory.contamination(nothing, 0.5)[:2] == (0, 0)
    assert theory.contamination(all_of_it, 0.5) == (math.inf, math.inf, 0)


QUESTIONS = {
    "optimal share": lambda real, value, noise: theory.optimal_share(real, theory.Source(value, noise)).share,
    "its number": lambda real, value, noise: theory.optimal_share(real, theory.Source(value, noise)).synthetic,
    "harmless share": lambda real, value, noise: theory.harmless_share(real, theory.Source(value, noise)).share,
    "error": lambda real, value, noise: theory.pooled_error(real, 9.0, theory.Source(value, noise)),
    "equivalents": lambda real, value, noise: theory.real_equivalents(real, theory.Source(value, noise)),
    "onset": lambda real, value, noise: theory.contamination(theory.Source(value, noise), 1 / real).onset,
    "plateau": lambda real, value, noise: theory.contamination(theory.Source(value, noise), 1 / real).plateau,
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_under_jax_the_same_with_finite_gradients_and_nan_where_it_would_be_refused(name):
    ask = QUESTIONS[name]
    at = (50.0, 40.0, 0.9)
    plain = ask(50.0, 40.0, 0.9)
    assert float(jax.jit(ask)(*at)) == pytest.approx(float(plain), rel=1e-13)
    slopes = jax.grad(lambda given: jnp.asarray(ask(*given)))(at)
    for place, slope in enumerate(slopes):
        up, down = (tuple(x * (1 + sign * 1e-6 * (place == k)) for k, x in enumerate(at)) for sign in (1, -1))
        two_sided = (jax.jit(ask)(*up) - jax.jit(ask)(*down)) / (2e-6 * at[place])
        assert float(slope) == pytest.approx(float(two_sided), rel=1e-5, abs=1e-9)
    for bad in ((50.0, -1.0, 0.9), (50.0, 40.0, -0.5), (-3.0, 40.0, 0.9)):
        assert math.isnan(float(jax.jit(ask)(*bad)))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: theory.Source(-1), "worth"),
        (lambda: theory.Source(math.nan), "worth"),
        (lambda: theory.Source("much"), "worth"),
        (lambda: theory.Source(3, 0), "noise"),
        (lambda: theory.optimal_share(5, theory.Source(3, 2)), "below 2"),
        (lambda: theory.contamination(theory.Source(3, 2.5), 0.1), "below 2"),
        (lambda: theory.contamination(theory.Source(3), 0), "share"),
        (lambda: theory.contamination(theory.Source(3), 1), "share"),
        (lambda: theory.optimal_share(0, theory.Source(3)), "real"),
        (lambda: theory.optimal_share(5, 3), "Source"),
        (lambda: theory.pooled_error(0, 0, theory.Source(3)), "at least one sample"),
        (lambda: theory.pooled_error(-1, 2, theory.Source(3)), "real"),
        (lambda: theory.real_equivalents(-1, theory.Source(3)), "synthetic"),
        (lambda: theory.worth_of_sources(3, -1, 2), "own"),
        (lambda: theory.worth_of_sources(3, 1, 0), "sources"),
        (lambda: theory.Source.of(theory.Poisson(1.0), theory.Gamma(1, 1.0)), "same family"),
        (lambda: theory.Source.of(theory.Gaussian(), theory.Gaussian()), "same family"),
    ],
)
def test_refusals(call, told):
    with pytest.raises(theory.InputError, match=told) as found:
        call()
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("f", "model", "value"),
    [
        (theory.Binomial(10, 0.5), theory.Binomial(10, 0.4), 2.5),
        (theory.Poisson(4.0), theory.Poisson(4.5), 16.0),
        (theory.Gamma(2, 3.0), theory.Gamma(2, 2.0), 4.5),
        (theory.NegativeBinomial(2, 2.0), theory.NegativeBinomial(2, 1.0), 4.0),
        (theory.Poisson(4.0), theory.Poisson(4.0), math.inf),
    ],
)
def test_worth_of_a_model(f, model, value):
    """V over the squared distance of both means, by hand."""
    found = theory.Source.of(f, model)
    assert found.worth == pytest.approx(value, rel=1e-14)
    assert found.noise == pytest.approx(float(model.v) / float(f.v))
