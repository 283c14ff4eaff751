"""Absence beside fresh real data: the stationary chain solved once more, bounds, and how many real samples are enough."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from modelcollapse import theory
from modelcollapse.theory import absence, symbols
from modelcollapse.theory.absence import ABSENCE
from modelcollapse.theory.thinning import real_items


def stationary(real, synthetic, share):
    """P(none) in the long run: the whole transition matrix of a training count by convolution, and its fixed point."""
    pool = real + synthetic
    fresh = stats.binom.pmf(np.arange(real + 1), real, share)
    step = np.stack(
        [np.convolve(fresh, stats.binom.pmf(np.arange(synthetic + 1), synthetic, x / pool)) for x in range(pool + 1)]
    )
    system = np.vstack([step.T - np.eye(pool + 1), np.ones(pool + 1)])
    return np.linalg.lstsq(system, np.r_[np.zeros(pool + 1), 1.0], rcond=None)[0][0]


@pytest.mark.parametrize(("real", "synthetic"), [(1, 1), (3, 5), (2, 40), (30, 4)])
def test_the_chain_settles_at_its_fixed_point(real, synthetic):
    """Three tokens, eleven digits."""
    shares = [0.02, 0.3, 0.68]
    found = theory.loss_probability_limit(theory.Categorical(shares), theory.FreshReal(real, synthetic))
    np.testing.assert_allclose(found, [stationary(real, synthetic, each) for each in shares], rtol=1e-9, atol=1e-12)


def test_other_workflows_end_as_known():
    family = theory.Categorical([0.1, 0.9])
    np.testing.assert_allclose(theory.loss_probability_limit(family, theory.Replace(30)), [0.9, 0.1])
    kept = theory.loss_probability_limit(family, theory.FixedReal(30, 500))
    np.testing.assert_allclose(kept, theory.loss_probability(family, theory.FixedReal(30, 500), 9), rtol=1e-13)


@pytest.mark.parametrize(("real", "synthetic"), [(2, 60), (10, 200), (60, 60)])
@pytest.mark.parametrize("share", [0.005, 0.05, 0.4])
def test_thinning_is_an_upper_bound(real, synthetic, share):
    """Above the exact chance, by less than a tenth."""
    family = theory.Categorical([share, 1 - share])
    exact = theory.loss_probability_limit(family, theory.FreshReal(real, synthetic))[0]
    bound = absence._at_most(share, real, synthetic)
    assert exact - 1e-13 <= bound <= exact + 0.1


def test_the_beta_law_is_the_limit_of_many_synthetic_samples():
    """Three fresh real samples: the derived law is neared as synthetic ones grow."""
    share, off = 0.1, []
    for synthetic in (20, 100, 480):
        at = {symbols.N: 3, symbols.n: synthetic, symbols.p: share}
        claimed = float(ABSENCE.derived.expression.subs(at).evalf())
        exact = theory.loss_probability_limit(theory.Categorical([share, 1 - share]), theory.FreshReal(3, synthetic))[0]
        off.append(abs(claimed - exact))
    assert off[2] < off[1] < off[0] < 0.1 and off[2] < off[0] / 5


@pytest.mark.parametrize("probability", [0.001, 0.02])
@pytest.mark.parametrize("synthetic", [1, 300, 10**7])
def test_enough_real_samples_are_enough_and_one_fewer_is_not(probability, synthetic):
    """By the bound; which falls with every real sample, so that bisection finds its edge."""
    real = theory.min_real_present(theory.FreshReal(1, synthetic), probability, 0.05)
    chances = [absence._at_most(probability, each, synthetic) for each in (real - 1, real, real + 1, 2 * real)]
    assert chances[0] > 0.05 >= chances[1] > chances[2] > chances[3]
    assert real <= math.ceil(math.log(0.05) / math.log1p(-probability))


def test_bad_input_is_refused():
    with pytest.raises(theory.InputError, match="absent"):
        theory.min_real_present(theory.FreshReal(1, 10), 0.1, 1.0)
    with pytest.raises(theory.InputError, match="FreshReal"):
        theory.min_real_present(theory.Replace(10), 0.1)
    with pytest.raises(theory.InputError, match="late generation"):
        theory.loss_probability_limit(theory.Categorical([0.5, 0.5]), theory.RandomPast(10))
    with pytest.raises(theory.InputError, match="corpus"):
        theory.loss_probability_limit(theory.Categorical.from_counts([1, 2]), theory.Replace(3))


@pytest.mark.parametrize(("real", "synthetic"), [(3, 50), (40, 40)])
def test_the_bound_is_that_of_thinning_after_many_generations(real, synthetic):
    """The product over real sets of any workflow's thinning, generation 400."""
    share = 0.02
    sets = real_items(theory.FreshReal(real, synthetic), 400)
    product = math.prod((1 - share * chance) ** items for items, chance in sets)
    assert absence._at_most(share, real, synthetic) == pytest.approx(product, rel=1e-9)
