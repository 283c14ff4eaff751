"""A mixture fitted by expectation maximisation has the mean and the covariance of its data: so theory knows both exactly."""

import pytest
import sympy
from sympy import Rational, Symbol, simplify

from modelcollapse import theory


@pytest.mark.parametrize(("components", "points"), [(1, 3), (2, 3), (3, 2)])
def test_a_step_keeps_the_first_two_moments_whatever_the_shares(components: int, points: int) -> None:
    """Shares r of point i in component k are any that add up to the weight of the point; with covariances drawn together."""
    x = [Symbol(f"x{i}") for i in range(points)]
    weight = [Symbol(f"w{i}", positive=True) for i in range(points)]
    shrinkage = Symbol("epsilon")
    free = {(k, i): Symbol(f"r{k}{i}", positive=True) for k in range(components - 1) for i in range(points)}
    share = free | {
        (components - 1, i): weight[i] - sum(free[k, i] for k in range(components - 1)) for i in range(points)
    }
    of = [sum(share[k, i] for i in range(points)) for k in range(components)]
    means = [sum(share[k, i] * x[i] for i in range(points)) / of[k] for k in range(components)]
    within = [sum(share[k, i] * (x[i] - means[k]) ** 2 for i in range(points)) for k in range(components)]
    average = sum(within)  # of the covariances within, each times its weight
    covariances = [(1 - shrinkage) * within[k] / of[k] + shrinkage * average for k in range(components)]
    last = {weight[-1]: 1 - sum(weight[:-1])}
    mean = sum(weight[i] * x[i] for i in range(points))
    fitted = sum(of[k] * means[k] for k in range(components))
    assert simplify((fitted - mean).subs(last)) == 0
    spread = sum(of[k] * (covariances[k] + (means[k] - mean) ** 2) for k in range(components))
    data = sum(weight[i] * (x[i] - mean) ** 2 for i in range(points))
    assert simplify((spread - data).subs(last)) == 0


def test_the_diversity_of_zipfs_law_is_that_of_its_tokens() -> None:
    """Up to the steepest there is, whose second token is next to nothing beside the first."""
    for exponent in (Rational(3, 2), 2, 3, 20, 53):
        exact = (1 - sympy.zeta(2 * exponent) / sympy.zeta(exponent) ** 2).evalf(20, maxn=200)
        assert theory.Zipf(float(exponent)).v == pytest.approx(float(exact), rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "w",
    [theory.Replace(9), theory.Accumulate(9, 5), theory.AccumulateSubsample(9, 5), theory.FreshReal(9, 5, 0.3)],
    ids=repr,
)
def test_a_mixture_and_zipf_have_the_gains_of_a_gaussian_and_a_categorical(w: theory.Workflow) -> None:
    at = [1, 2, 7, 50]
    like = theory.gain(theory.Gaussian(3), w, at)
    for f in (theory.GaussianMixture([0.5, 0.5], [[-1.0], [2.0]]), theory.Zipf(1.3)):
        assert theory.gain(f, w, at) == pytest.approx(like, rel=1e-15)
        assert theory.gain_limit(f, w) == pytest.approx(theory.gain_limit(theory.Gaussian(3), w), rel=1e-15)
