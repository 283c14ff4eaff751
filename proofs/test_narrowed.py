"""Samples with too little variance: moments by coordinates, points that are drawn, and amounts that are enough and no more."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sympy import Rational

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.simulate import narrowed
from modelcollapse.theory import narrowed as subject
from modelcollapse.theory.symbols import Lam, d

GAUSSIAN = theory.Gaussian(unbiased=True)


def moment(mean: list[Fraction], covariance: list[list[Fraction]], powers: tuple[int, ...]) -> Fraction:
    """E of a product of coordinates of a normal vector, by Stein's rule: one coordinate at a time."""
    if not any(powers):
        return Fraction(1)
    place = next(each for each, power in enumerate(powers) if power)
    rest = tuple(power - (each == place) for each, power in enumerate(powers))
    total = mean[place] * moment(mean, covariance, rest)
    for other, power in enumerate(rest):
        if power:
            fewer = tuple(each - (number == other) for number, each in enumerate(rest))
            total += covariance[place][other] * power * moment(mean, covariance, fewer)
    return total


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize(("real", "synthetic"), [(2, 1), (2, 2), (3, 1)])
def test_one_step_in_one_dimension_by_all_the_points(real, synthetic, unbiased):
    """Mean and covariance as polynomials of the points, whose moments come one at a time: no Wishart matrix, no pairing."""
    error, away, narrow = Fraction(1, 3), Fraction(-1, 4), Fraction(2, 5)
    count = real + synthetic
    mean = [Fraction(0)] * real + [error] * synthetic
    variances = [Fraction(1)] * real + [narrow * (1 + away)] * synthetic
    covariance = [[variances[i] * (i == j) for j in range(count)] for i in range(count)]
    units = [tuple(int(i == j) for j in range(count)) for i in range(count)]
    own = {unit: Fraction(1, count) for unit in units}

    def times(one, two):
        product: dict[tuple[int, ...], Fraction] = {}
        for (a, x), (b, y) in itertools.product(one.items(), two.items()):
            powers = tuple(i + j for i, j in zip(a, b, strict=True))
            product[powers] = product.get(powers, Fraction(0)) + x * y
        return product

    def plus(one, two, lead=Fraction(1)):
        return {key: one.get(key, Fraction(0)) + lead * two.get(key, Fraction(0)) for key in {*one, *two}}

    scatter: dict[tuple[int, ...], Fraction] = {}
    for unit in units:
        gap = plus({unit: Fraction(1)}, own, Fraction(-1))
        scatter = plus(scatter, times(gap, gap))
    delta = plus(
        {key: value / (count - unbiased) for key, value in scatter.items()}, {(0,) * count: Fraction(1)}, Fraction(-1)
    )
    square = times(own, own)
    wanted = [{(0,) * count: Fraction(1)}, square, delta, times(square, square), times(square, delta), times(square, delta),
              times(delta, delta), times(delta, delta)]  # fmt: skip
    law = [sum(value * moment(mean, covariance, key) for key, value in each.items()) for each in wanted]
    state = [1, error**2, away, error**4, error**2 * away, error**2 * away, away**2, away**2]
    rows = subject._step(unbiased)(Fraction(real), Fraction(synthetic), Fraction(1), narrow)
    assert [sum(Fraction(a) * b for a, b in zip(row, state, strict=True)) for row in rows] == law


@pytest.mark.parametrize(
    ("dimension", "real", "synthetic", "unbiased"), [(1, 6, 9, True), (3, 8, 5, True), (2, 5, 7, False)]
)
def test_points_that_are_drawn_and_fitted(dimension, real, synthetic, unbiased):
    """Five generations in one to three dimensions, within the budget of false alarms."""
    f = theory.Gaussian(dimension, unbiased=unbiased)
    told = theory.sampling_error(f, theory.FreshReal(real, synthetic), 0.6, np.arange(1, 6))
    seen = narrowed.squared_errors(
        jax.random.key(dimension), 0.6, real=real, synthetic=synthetic, dimension=dimension, unbiased=unbiased,
        generations=5, chains=8000,
    )  # fmt: skip
    assert abs(standard_scores(np.asarray(seen), told)).max() < threshold(15)


@pytest.mark.parametrize(
    ("dimension", "real", "multiplier"), [(1, 10, 0.7), (1, 200, 0.7), (5, 50, 0.85), (20, 10**6, 0.5)]
)
@pytest.mark.parametrize("unbiased", [True, False])
def test_the_amounts_are_best_and_most(dimension, real, multiplier, unbiased):
    """In fractions: one more is worse, and beyond the most worse than none; from 50 real samples on the limits are above."""
    f = theory.Gaussian(dimension, unbiased=unbiased)
    told = theory.sampling_bias(f, theory.FreshReal(real, 7), multiplier)

    def error(count):
        return subject.settled(real, int(count), dimension, Fraction(str(multiplier)), unbiased)

    assert told.real_only == float(error(0)) and told.error == float(error(7))
    assert error(told.most) <= error(0) < error(told.most + 1)
    assert error(told.best) <= min(error(told.best - 1), error(told.best + 1))
    counts = sorted({*range(1, 60), int(told.most) // 2, int(told.most) + 50, 10 * int(told.most)})
    assert min(error(each) for each in counts) >= error(told.best)
    assert all((error(each) <= error(0)) == (each <= told.most) for each in counts)
    assert real < 50 or told.most <= math.ceil(told.most_limit)
    far = theory.sampling_bias(f, theory.FreshReal(10**9, 7), multiplier)
    assert abs(far.most - far.most_limit) <= 1 and abs(far.best - far.best_limit) <= 1


def test_millions_of_samples_may_be_harmless():
    """The search does not end before: near 6/(1-Lambda)^2 of them."""
    told = theory.sampling_bias(theory.Gaussian(unbiased=True), theory.FreshReal(10**11, 1), 0.999)
    assert told.most == pytest.approx(told.most_limit, rel=1e-3) and told.best == pytest.approx(
        told.best_limit, rel=1e-3
    )


def test_the_catalogue_s_number():
    """d = 1, lambda = 0.7: 91.3, approached from below."""
    told = [theory.sampling_bias(GAUSSIAN, theory.FreshReal(real, 1), 0.7).most for real in (200, 1000, 5000, 10**6)]
    assert told == [71, 84, 89, 91]
    assert subject._edges(True)[1].subs({d: 1, Lam: Rational(7, 10)}) == Rational(274, 3)


def test_no_bias_no_limit_and_a_contraction_always():
    assert theory.sampling_bias(GAUSSIAN, theory.FreshReal(50, 50), 1.0)[2:] == (math.inf,) * 4
    for sizes in ((2, 1), (2, 1000), (3, 50), (10, 10**6), (10**9, 10**9)):
        for dimension in (1, 2, 50):
            for unbiased in (True, False):
                rows = subject._matrix(*sizes, dimension, Fraction(1), unbiased)
                assert max(abs(np.linalg.eigvals(rows[1:, 1:]))) < 1


def test_the_recursion_reaches_its_fixed_point():
    f, w = theory.Gaussian(2, variance=3.0, unbiased=True), theory.FreshReal(20, 30)
    assert theory.sampling_error(f, w, 0.8, 400) == pytest.approx(theory.sampling_bias(f, w, 0.8).error, rel=1e-12)
    assert theory.sampling_error(f, w, 0.8, 0) == 0
    assert theory.sampling_error(f, w, 0.8, 1) == pytest.approx(3 * (2 / 20 + 6 / 19 / 4), rel=1e-13)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 1 - 1e-12])
@pytest.mark.parametrize("multiplier", [1e-9, 0.3, 0.999999, 1.0])
def test_the_spread_is_a_fixed_point_of_pooling(share, multiplier):
    kept = theory.spread_kept(share, multiplier)
    assert (1 - share) + share * multiplier * kept == pytest.approx(kept, rel=1e-12)
    assert 0 < kept <= 1
    slope = jax.grad(lambda each: theory.spread_kept(each, multiplier))(jnp.asarray(share))
    assert math.isfinite(float(slope))


def test_the_ends_of_the_spread_and_refusals():
    assert (
        theory.spread_kept(1.0, 0.5) == 0
        and theory.spread_kept(1.0, 1.0) == 1
        and theory.spread_kept(1.0, 2.0) == math.inf
        and theory.spread_kept(0.5, 3.0) == math.inf
    )
    np.testing.assert_allclose(theory.spread_kept(np.array([0.5, 0.9]), 0.7), [0.5 / 0.65, 0.1 / 0.37], rtol=1e-13)
    assert math.isnan(float(jax.jit(lambda each: theory.spread_kept(each, 0.5))(1.5)))
    for call, word in (
        (lambda: theory.sampling_bias(GAUSSIAN, theory.FreshReal(9, 9), 1.2), "multiplier=1.2"),
        (lambda: theory.sampling_bias(GAUSSIAN, theory.FreshReal(1, 9), 0.5), "real=1"),
        (lambda: theory.sampling_bias(GAUSSIAN, theory.FreshReal(9, 9, weight=0.5), 0.5), "without a weight"),
        (lambda: theory.sampling_bias(theory.Poisson(1.0), theory.FreshReal(9, 9), 0.5), "Gaussian"),
        (lambda: theory.spread_kept(1.2, 0.5), "share=1.2"),
    ):
        with pytest.raises(theory.InputError, match=word):
            call()
