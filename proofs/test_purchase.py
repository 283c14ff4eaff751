"""What a budget buys: an absolute number of synthetic samples, real ones for the rest, and nothing that errs less."""

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
from modelcollapse.theory import purchase

PRICES = st.fractions(Fraction(1, 20), 3, max_denominator=40)
WORTHS = st.fractions(Fraction(1, 10), 200, max_denominator=20)
NOISES = st.fractions(Fraction(1, 10), 3, max_denominator=20)


def told(number, worth, noise):
    """Real samples that n synthetic ones are worth."""
    return number / (noise + number / worth)


@given(st.fractions(1, 500, max_denominator=9), PRICES, PRICES, WORTHS, NOISES)
@settings(max_examples=60)
def test_no_other_purchase_errs_less(total, real, synthetic, worth, noise):
    """Against 200 other numbers of synthetic samples, in fractions; the slope in money is equal on both sides."""
    found = theory.optimal_purchase(
        float(total), float(real), float(synthetic), theory.Source(float(worth), float(noise))
    )
    assert found.real * float(real) + found.synthetic * float(synthetic) == pytest.approx(float(total), rel=1e-12)
    least = 1 / found.error
    for part in range(201):
        number = total / synthetic * Fraction(part, 200)
        assert float((total - synthetic * number) / real + told(number, worth, noise)) <= least * (1 + 1e-12)
    if found.real > 0 and found.synthetic > 0:
        slope = float(noise) / (float(noise) + found.synthetic / float(worth)) ** 2
        assert slope / float(synthetic) == pytest.approx(1 / float(real), rel=1e-9)


@pytest.mark.parametrize("total", [1e-3, 7.0, 1e9])
@pytest.mark.parametrize("worth", [1e-9, 3.0, 1e15])
@pytest.mark.parametrize("ratio", [0.25, 1 - 2**-40, 1.0, 1 + 2**-40, 4.0, 1e6])
def test_digits(total, worth, ratio):
    """Against 60 digits, also where a synthetic sample is hardly worth its price."""
    with mpmath.workdps(60):
        real, noise = mpmath.mpf(ratio), mpmath.mpf(0.75)
        free = max(mpmath.mpf(0), worth * (mpmath.sqrt(noise * real) - noise))
        number = min(free, mpmath.mpf(total))
        left = (total - number) / real
        error = 1 / (left + (number / (noise + number / worth) if number else 0))
    found = theory.optimal_purchase(total, ratio, 1.0, theory.Source(worth, 0.75))
    assert found.synthetic == pytest.approx(float(number), rel=1e-12)
    assert found.error == pytest.approx(float(error), rel=1e-12)
    assert found.real == pytest.approx(float(left), rel=1e-9, abs=1e-12 * total)


def test_no_worth_and_no_bias():
    assert theory.optimal_purchase(9.0, 3.0, 1.0, theory.Source(0)) == (3, 0, 1 / 3)
    assert theory.optimal_purchase(9.0, 3.0, 1.0, theory.Source(math.inf)) == (0, 9, 1 / 9)
    assert theory.optimal_purchase(9.0, 3.0, 4.0, theory.Source(math.inf)) == (3, 0, 1 / 3)


@pytest.mark.parametrize("seed", range(6))
def test_several_offers_against_every_point_of_a_grid(seed):
    """No grid point is below; the nearest one is no further than the grid's own steps allow, to second order."""
    rng = np.random.default_rng(seed)
    offers = tuple((theory.Source(*rng.uniform((1, 0.2), (100, 2))), rng.uniform(0.05, 1)) for _ in range(2))
    total, steps = rng.uniform(1, 60), 800
    parts = np.meshgrid(*[np.arange(steps + 1) / steps] * 2)
    left = 1 - sum(parts)
    more = sum(told(part * total / price, s.worth, s.noise) for part, (s, price) in zip(parts, offers, strict=True))
    grid = 1 / np.where(left >= 0, left * total + more, 0.0).clip(1e-300).max()
    best = purchase.purchase_of_several(total, 1.0, offers)
    least = best.error
    assert best.real + sum(n * price for n, (_, price) in zip(best.synthetic, offers, strict=True)) == pytest.approx(
        total
    )
    counted = best.real + sum(told(n, s.worth, s.noise) for n, (s, _) in zip(best.synthetic, offers, strict=True))
    assert 1 / least == pytest.approx(counted)
    curved = sum(2 / (s.worth * s.noise**2) * (total / steps / price) ** 2 for s, price in offers)
    assert least <= grid * (1 + 1e-12)
    assert grid <= least * (1 + 2 * curved * least)


def test_one_offer_is_the_closed_form_and_what_is_worthless_changes_nothing():
    for total in (3.0, 1000.0):
        source = theory.Source(40.0, 1.3)
        one = purchase.purchase_of_several(total, 1.0, ((source, 0.25),), 2.0).error
        assert one == pytest.approx(theory.optimal_purchase(total, 1.0, 0.25, source, 2.0).error, rel=1e-13)
        assert purchase.purchase_of_several(total, 1.0, ((source, 0.25), (theory.Source(0), 0.1)), 2.0).error == one
        free = theory.Source(math.inf, 2.0)
        offers = (source, 0.25), (theory.Source(math.inf, 9.0), 0.1), (free, 0.1)  # a real sample's worth for 0.2
        real, (some, none, rest), both = purchase.purchase_of_several(total, 1.0, offers)
        assert both == pytest.approx(theory.optimal_purchase(total, 0.2, 0.25, source).error, rel=1e-13)
        assert (real, none) == (0, 0) and 0.25 * some + 0.1 * rest == pytest.approx(total)


def test_what_has_no_noise_is_worth_all_of_itself_for_next_to_nothing():
    """A verifier that shows its centre: 20 real samples for no money, beside 200 samples of a source that 100 buys."""
    offers = (theory.Source(1e6, 1.0), 0.5), (theory.Source(20.0, np.finfo(float).tiny), 0.5)
    _, (some, free), error = purchase.purchase_of_several(100.0, 1.0, offers)
    assert 1 / error == pytest.approx(20 + 200 / (1 + 200 / 1e6), rel=1e-12)
    assert some == pytest.approx(200, rel=1e-12) and 0 <= free < 1e-100


@pytest.mark.parametrize(
    ("total", "real", "first", "second", "told"),
    [
        (1, 0, 9, 0, Fraction(36, 5)),  # money for the first alone: 36 (5/4 - 1) of them, told 9/(1 + 1/4)
        (5, 0, Fraction(144, 5), Fraction(144, 5), 22),  # for both: sqrt of the price of one told is (5 + 13)/30
        (100, 83, 72, 144, 125),  # and for real ones at price 1: told 24 and 18
    ],
)
def test_several_offers_are_taken_up_by_what_their_first_sample_tells(total, real, first, second, told):
    """By hand, in two orders: noise 4 at 1/16 is dearer than noise 1 at 1/9, whose first real sample's worth costs less."""
    good, noisy = (theory.Source(36.0, 1.0), 1 / 9), (theory.Source(36.0, 4.0), 1 / 16)
    for offers, expected in (((good, noisy), (first, second)), ((noisy, good), (second, first))):
        found = purchase.purchase_of_several(float(total), 1.0, offers)
        assert found.real == pytest.approx(real, abs=1e-12)
        assert found.synthetic == pytest.approx([float(each) for each in expected], rel=1e-12, abs=1e-12)
        assert found.error == pytest.approx(float(1 / Fraction(told)), rel=1e-12)


def test_of_several_what_tells_less_for_its_price_is_left_and_a_small_worth_is_not():
    """What has no bias and costs two for the worth of a real sample; half a sample of a source worth half a real one."""
    dear = theory.Source(math.inf, 2.0), 1.0
    assert purchase.purchase_of_several(9.0, 1.0, (dear,)) == (9, (0,), 1 / 9)
    some = theory.Source(0.5), 0.25  # 0.5 (2 - 1) samples for 1/8, worth 1/4
    found = purchase.purchase_of_several(1.0, 1.0, (dear, some))
    assert (found.real, *found.synthetic, found.error) == pytest.approx((7 / 8, 0, 1 / 2, 8 / 9), rel=1e-14)


def test_under_jax_the_same_with_slopes_and_nan_where_it_would_be_refused():
    def ask(total, real, synthetic, worth, noise):
        return theory.optimal_purchase(total, real, synthetic, theory.Source(worth, noise))

    for at in ((100.0, 1.0, 0.25, 40.0, 0.9), (5.0, 1.0, 0.25, 40.0, 0.9), (100.0, 1.0, 2.0, 40.0, 0.9)):
        assert [float(each) for each in jax.jit(ask)(*at)] == pytest.approx(list(ask(*at)), rel=1e-13)
        slopes = jax.grad(lambda given: ask(*given).error)(at)
        for place, slope in enumerate(slopes):
            up, down = (tuple(x * (1 + sign * 1e-6 * (place == k)) for k, x in enumerate(at)) for sign in (1, -1))
            both = (ask(*up).error - ask(*down).error) / (2e-6 * at[place])
            assert float(slope) == pytest.approx(float(both), rel=1e-5, abs=1e-9)
    for bad in ((-1.0, 1.0, 0.25, 40.0, 0.9), (9.0, 0.0, 0.25, 40.0, 0.9), (9.0, 1.0, 0.25, -4.0, 0.9)):
        assert math.isnan(float(jax.jit(ask)(*bad).error))
    found = ask(jnp.array([5.0, 100.0]), 1.0, 0.25, 40.0, 1.0)
    assert found.synthetic.tolist() == [20.0, 40.0]


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: theory.optimal_purchase(0.0, 1.0, 1.0, theory.Source(3)), "to spend"),
        (lambda: theory.optimal_purchase(1.0, 0.0, 1.0, theory.Source(3)), "real sample"),
        (lambda: theory.optimal_purchase(1.0, 1.0, -1.0, theory.Source(3)), "synthetic sample"),
        (lambda: theory.optimal_purchase(1.0, 1.0, 1.0, 3), "Source"),
    ],
)
def test_refusals(call, what):
    with pytest.raises(theory.InputError, match=what) as found:
        call()
    assert "\n" not in str(found.value)
