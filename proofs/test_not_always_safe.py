r"""Keeping all data is no safety by itself: a family fitted consistently by maximum likelihood that collapses all the same.

Its models :math:`q_\theta`: with chance :math:`e^{-\theta^2/4}` an ordinary observation of :math:`N(\theta, 1)`, else a code, one
of the whole numbers up to :math:`K(\theta) = \lfloor e^{1/\theta^4} \rfloor`, each as likely; at 0 no codes. And :math:`r_X` for
each finite set X of codes: one ordinary observation of N(0, 1) in a hundred, else one of those codes. The truth is
:math:`q_0`, the standard normal law.

The best fit to n real samples is off by about :math:`n^{-1/2}`. But what it draws has a code in it, sooner or later, out of so
many that to have drawn this one is a miracle under every q, and none under the r of this one code: from there on r is the fit.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

LEFT = 0.01  # share of ordinary observations of the models r


def code_chance(theta):
    return -np.expm1(-(np.asarray(theta) ** 2) / 4)


def log_codes(theta):
    """ln K."""
    found = 1 / np.asarray(theta, float) ** 4
    return np.where(found < 30, np.log(np.floor(np.exp(np.minimum(found, 30)))), found)  # beyond, the floor is rounding


def ordinary_fit(count, mean):
    """The best theta where there are no codes: of -n (mean - theta)^2/2 - n theta^2/4."""
    return 2 * mean / 3


def log_likelihood_q(theta, count, mean, codes, highest):
    """Of q over that of N(0, 1) for the ordinary ones; ``highest``: logarithm of the largest code."""
    found = count * (mean * theta - theta**2 / 2) - count * theta**2 / 4
    with np.errstate(divide="ignore"):
        found = found + (codes * (np.log(code_chance(theta)) - log_codes(theta)) if codes else 0.0)
    return np.where((codes == 0) | (log_codes(theta) >= highest), found, -np.inf)


def log_likelihood_r(count, codes, different):
    return count * math.log(LEFT) + codes * (math.log1p(-LEFT) - math.log(different))


def chain(rng, samples, generations):
    """Whether r is the fit after so many generations of all data kept; theta of the first model."""
    data = rng.standard_normal(samples)
    count, total = samples, data.sum()
    first = theta = ordinary_fit(count, total / count)
    for _ in range(generations):
        codes = rng.binomial(samples, code_chance(theta))
        data = theta + rng.standard_normal(samples - codes)
        count, total = count + len(data), total + data.sum()
        if codes:
            highest = log_codes(theta) + np.log(rng.random(codes)).max()  # codes are different: there are so many
            mean = total / count
            best = (
                count * mean**2 / 2 - codes * highest
            )  # no q is likelier: of the ordinary ones at their mean, K >= the code
            return log_likelihood_r(count, codes, codes) > best, first
        theta = ordinary_fit(count, total / count)
    return False, first


@pytest.mark.parametrize("samples", [100, 400])
def test_all_data_kept_and_collapsed(samples):
    """Most of 200 chains: 99 % of what the last model writes are a few codes. The fits to real data alone are right to 1/n."""
    rng = np.random.default_rng(samples)
    runs = [chain(rng, samples, 200) for _ in range(200)]
    collapsed, first = np.array([each[0] for each in runs]), np.array([each[1] for each in runs])
    assert 0.6 < collapsed.mean() < 0.95
    assert (first**2).mean() == pytest.approx(4 / (9 * samples), rel=0.5)
    assert code_chance(first).mean() < 1 / samples


def test_it_gets_worse_with_generations():
    """More of them are lost with every hundred: at 1000 hardly any is left."""
    rng = np.random.default_rng(1)
    shares = [np.mean([chain(rng, 100, generations)[0] for _ in range(100)]) for generations in (5, 50, 1000)]
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.8


def test_from_there_on_it_stays():
    """With the samples of r beside all data so far, of a thousand more generations too, r is still the likeliest."""
    samples, theta = 100, 0.05
    highest, codes, count = log_codes(theta), 1, 2 * samples - 1
    for _ in range(1000):
        assert log_likelihood_r(count, codes, 1) > count * 0.3**2 / 2 - codes * highest
        codes, count = codes + 99, count + 1


@pytest.mark.parametrize("truth", [0.0, 0.8, 1.2])
def test_the_fit_is_consistent(truth):
    """Of many samples of one q the likeliest is that q: no other theta, and no r of all the codes that were seen."""
    rng, grid = np.random.default_rng(2), np.r_[np.linspace(-2, -0.3, 400), np.linspace(0.3, 2, 400)]
    grid = np.append(grid, truth)
    errors = []
    for samples in (100, 10_000, 1_000_000):
        codes = rng.binomial(samples, code_chance(truth))
        count = samples - codes
        mean = truth + rng.standard_normal() / math.sqrt(count)
        if truth == 0:
            errors.append(abs(ordinary_fit(count, mean)))
            assert log_likelihood_r(count, 0, 1) < 0
            continue
        seen = rng.integers(1, round(math.exp(log_codes(truth))) + 1, codes)
        each = [log_likelihood_q(theta, count, mean, codes, np.log(seen.max())) for theta in grid]
        if samples > 100:
            assert log_likelihood_r(count, codes, len(set(seen.tolist()))) < max(each)
        errors.append(abs(grid[int(np.argmax(each))] - truth))
    assert errors[-1] < 0.01
    assert errors[-1] <= errors[0]


def test_the_other_models_are_found_too():
    """Of many samples of r with three codes no q is as likely: it would draw ordinary ones more often, and spread codes."""
    rng, grid = np.random.default_rng(3), np.linspace(0.3, 6, 2000)
    samples = 10_000
    count = rng.binomial(samples, LEFT)
    codes, mean = samples - count, rng.standard_normal() / math.sqrt(count)
    each = log_likelihood_q(grid, count, mean, codes, math.log(3))
    assert log_likelihood_r(count, codes, 3) > each.max()
