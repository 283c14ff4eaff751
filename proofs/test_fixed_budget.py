"""Training sets of one size: the share of them that samples of the model before may be, in fractions and to rounding."""

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
from modelcollapse.proofs.rational import exactly, letters
from modelcollapse.theory.errors import FRESH_REAL
from modelcollapse.theory.symbols import M, V, alpha, eps, v2

FAMILIES = {-1: theory.Categorical([0.5, 0.5]), Fraction(-1, 5): theory.Binomial(5, 0.3), 0: theory.Poisson(1.0),
            Fraction(1, 3): theory.Gamma(3, 1.0), 10: theory.Gamma(0.1, 1.0)}  # fmt: skip


@given(st.sampled_from(list(FAMILIES)), st.integers(2, 500), st.fractions(Fraction(1, 1000), 3, max_denominator=1000))
@settings(max_examples=80, deadline=None)
def test_the_share_uses_the_tolerance_up_and_no_more(curvature, train, tolerance):
    """The limit of `FreshReal` in fractions, at the whole numbers next to the share."""
    share = theory.replaceable_share(FAMILIES[curvature], train, float(tolerance))
    limit, below = FRESH_REAL.derived.limit.doit(), int(share * train * (1 - 1e-12))

    def excess(synthetic) -> Fraction | float:
        if not synthetic:
            return Fraction(0)
        settled = exactly(limit, letters(theory.FreshReal(train - synthetic, synthetic), curvature)) * train
        return settled - 1 if settled > 0 else math.inf  # grows without bound

    if below < train:
        assert excess(below) <= tolerance
    above = int(share * train * (1 + 1e-12)) + 1
    if above < train:
        assert excess(above) > tolerance


@pytest.mark.parametrize("curvature", FAMILIES)
@pytest.mark.parametrize("train", [1, 7, 10**9])
@pytest.mark.parametrize("tolerance", [1e-300, 1e-12, 0.1, 1e12])
def test_to_rounding(curvature, train, tolerance):
    with mpmath.workdps(700):
        half = mpmath.mpf(Fraction(curvature).numerator) / Fraction(curvature).denominator / (2 * train)
        golden = -half + mpmath.sqrt(half**2 + mpmath.mpf(tolerance) / (1 + mpmath.mpf(tolerance)))
        found = theory.replaceable_share(FAMILIES[curvature], train, tolerance)
        assert abs(found / min(golden, 1) - 1) < 1e-14


def test_the_error_of_a_share():
    """1/(1 - alpha^2 - v2 alpha/M): the step says it, and so does the limit of the gain."""
    (settled,) = (step.expression for step in FRESH_REAL.derivation if step.left == "M T(oo)/V = ")
    for curvature, f in FAMILIES.items():
        found = theory.gain_limit(f, theory.FreshReal(70, 30)) * 100 / 70
        assert found == pytest.approx(float(settled.subs({v2: curvature, M: 100, alpha: Fraction(3, 10)})), rel=1e-13)
        assert found == pytest.approx(1 / (1 - 0.09 - float(curvature) * 0.003), rel=1e-13)
    assert {eps, V}.isdisjoint(settled.free_symbols)


def test_arrays_and_slopes():
    f = theory.Poisson(1.0)
    several = theory.replaceable_share(f, np.array([10, 1000]), np.array([[0.1], [0.2]]))
    np.testing.assert_allclose(several, np.sqrt([[0.1 / 1.1] * 2, [0.2 / 1.2] * 2]), rtol=1e-14)
    slope = jax.jit(jax.grad(lambda tolerance: theory.replaceable_share(f, 50.0, tolerance)))(0.1)
    assert slope == pytest.approx(0.5 / np.sqrt(0.1 * 1.1**3), rel=1e-10)
    assert jnp.isnan(jax.jit(lambda tolerance: theory.replaceable_share(f, 50.0, tolerance))(-0.1))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda f: theory.replaceable_share(f, 0), "train=0"),
        (lambda f: theory.replaceable_share(f, 10, 0.0), "tolerance=0"),
        (lambda f: theory.replaceable_share(theory.LinearRegression(2), 10), "mean"),
    ],
)
def test_what_is_no_amount_is_refused(call, named):
    with pytest.raises(theory.InputError, match=named):
        call(theory.Poisson(1.0))
