"""Recovery: the error on the way back is that of exact enumeration, and the time is the first from which on it stays near."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory, verify
from modelcollapse.simulate import recovery
from modelcollapse.theory.arguments import InputError
from modelcollapse.theory.recovery import RECOVERY
from modelcollapse.theory.symbols import T0, N, V, m, n, v0, v2, w

from .budget import standard_scores, threshold
from .rational import exactly


def binomial(trials: int, chance: Fraction, successes: int) -> Fraction:
    return math.comb(trials, successes) * chance**successes * (1 - chance) ** (trials - successes)


def enumerated(
    p: Fraction, start: dict[Fraction, Fraction], real: int, synthetic: int, weight: Fraction, last: int
) -> list[Fraction]:
    """E of the squared error of two tokens, generation by generation, over every outcome."""
    law, errors = start, []
    for _ in range(last + 1):
        errors.append(sum((2 * (x - p) ** 2 * mass for x, mass in law.items()), Fraction(0)))
        later: dict[Fraction, Fraction] = {}
        for x, mass in law.items():
            for a in range(real + 1):
                for b in range(synthetic + 1):
                    y = weight * Fraction(a, real) + (1 - weight) * Fraction(b, synthetic)
                    later[y] = later.get(y, Fraction(0)) + mass * binomial(real, p, a) * binomial(synthetic, x, b)
        law = later
    return errors


@pytest.mark.parametrize("weight", [None, Fraction(1, 3)])
@pytest.mark.parametrize("start", [Fraction(1), Fraction(0), Fraction(1, 4), None])
def test_the_error_is_that_of_enumeration(start: Fraction | None, weight: Fraction | None) -> None:
    """From either single token, from a mixed model, and from the token that chance has left (None)."""
    p, real, synthetic = Fraction(1, 5), 2, 3
    begin = {Fraction(1): p, Fraction(0): 1 - p} if start is None else {start: Fraction(1)}
    share = Fraction(real, real + synthetic) if weight is None else weight
    found = enumerated(p, begin, real, synthetic, share, 3)
    spread = sum((2 * x * (1 - x) * mass for x, mass in begin.items()), Fraction(0))
    values = {N: real, n: synthetic, w: share, v2: -1, V: 2 * p * (1 - p), T0: found[0], v0: spread}
    assert [exactly(RECOVERY.derived.expression, values | {m: each}) for each in range(4)] == found
    f, workflow = (
        theory.Categorical([0.2, 0.8]),
        theory.FreshReal(real, synthetic, None if weight is None else float(weight)),
    )
    error = None if start is None else float(found[0])
    computed = theory.recovery_error(f, workflow, np.arange(4), error, float(spread))
    np.testing.assert_allclose(computed, [float(each) for each in found], rtol=1e-14)


@given(
    curvature=st.fractions(-1, 1, max_denominator=6),
    real=st.integers(2, 30),
    synthetic=st.integers(1, 60),
    error=st.fractions(0, 9, max_denominator=9),
    spread=st.fractions(0, 9, max_denominator=9),
)
@settings(max_examples=40, deadline=None)
def test_it_solves_its_recursion_for_any_start(
    curvature: Fraction, real: int, synthetic: int, error: Fraction, spread: Fraction
) -> None:
    weight = Fraction(real, real + synthetic)
    tilt, truth = spread - 2 - curvature * error, Fraction(2)
    values = {N: real, n: synthetic, w: weight, v2: curvature, V: truth, T0: error, v0: spread}
    state = error
    for count in range(5):
        assert exactly(RECOVERY.derived.expression, values | {m: count}) == state
        sampled = truth + curvature * state + tilt * (1 - weight) ** count
        state = weight**2 * truth / real + (1 - weight) ** 2 * (state + sampled / synthetic)


def test_from_a_first_fit_it_is_the_theorem_of_fresh_real_data() -> None:
    for f, w_ in (
        (theory.Binomial(5, 0.3), theory.FreshReal(12, 30)),
        (theory.Gaussian(3), theory.FreshReal(12, 30, 0.6)),
    ):
        begin = theory.error(f, w_, 1), theory.diversity(f, w_, 1)
        np.testing.assert_allclose(
            theory.recovery_error(f, w_, np.arange(12), *begin), theory.error(f, w_, np.arange(1, 13)), rtol=1e-13
        )


@pytest.mark.parametrize(
    ("f", "start"),
    [
        (theory.Categorical([0.9, 0.1]), (None, 0.0)),
        (theory.Categorical([0.9, 0.1]), (1.62, 0.0)),  # the rare token alone: less spread than unbiased models have
        (theory.Categorical([0.9, 0.1]), (0.02, 0.0)),
        (theory.Poisson(2.0), (5.0, 4.0)),
        (theory.Poisson(2.0), (0.01, 9.0)),  # near the truth, but spread: it is off later
        (theory.Gaussian(), (0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("sizes", [(10, 10), (3, 200), (50, 5), (1, 1)])
@pytest.mark.parametrize("tolerance", [0.01, 0.5])
def test_the_time_is_the_first_from_which_on_the_error_stays_near(
    f: Any, start: tuple[Any, float], sizes: tuple[int, int], tolerance: float
) -> None:
    workflow = theory.FreshReal(*sizes)
    found = theory.recovery_time(f, workflow, tolerance, *start)
    errors = theory.recovery_error(f, workflow, np.arange(4000), *start)
    settled = theory.gain_limit(f, workflow) * f.v / sizes[0]
    above = np.flatnonzero(errors > settled * (1 + tolerance))
    assert found == (above[-1] + 1 if above.size else 0)


def test_it_has_all_digits_at_every_size_and_a_gradient() -> None:
    import mpmath

    mpmath.mp.dps = 60
    f = theory.Poisson(2.0)
    for real, synthetic, count in ((1, 10**9, 10**6), (10**9, 2, 3), (10**6, 10**6, 40), (2, 2, 0)):
        alpha = mpmath.mpf(synthetic) / (real + synthetic)
        beta, tilt = alpha**2, mpmath.mpf(3) * 2 - 2
        inflow = mpmath.mpf(2) / (real + synthetic)
        geometric = (1 - beta**count) / (1 - beta)
        tilted = (beta**count - alpha**count) / (beta - alpha)
        golden = 5 * beta**count + inflow * geometric + alpha**2 / synthetic * tilt * tilted
        got = theory.recovery_error(f, theory.FreshReal(real, synthetic), count, 5.0, 3.0)
        assert abs(got / float(golden) - 1) < 1e-12, (real, synthetic, count)
    with jax.enable_x64(True):
        slope = jax.grad(lambda size: theory.recovery_error(f, theory.FreshReal(size, 20.0), 3, 5.0, 3.0))(10.0)
        step = 1e-5
        two = [
            theory.recovery_error(f, theory.FreshReal(np.array(10.0 + s), np.array(20.0)), 3, 5.0, 3.0)
            for s in (-step, step)
        ]
    assert float(slope) == pytest.approx((two[1] - two[0]) / (2 * step), rel=1e-7)


def test_the_steps_are_shown_and_bad_input_is_refused() -> None:
    assert len(RECOVERY.derivation) == 9
    f = theory.Categorical([0.5, 0.5])
    wrong: Any = theory
    for call, match in (
        (lambda: wrong.recovery_time(f, theory.FixedReal(5, 5)), "FreshReal"),
        # at the edge both are multiplied by one half
        (lambda: wrong.recovery_time(theory.Gamma(1.0, 2.0), theory.FreshReal(1, 1, 0.5), 0.1, 1.0), "than the bias"),
        (lambda: wrong.recovery_time(f, theory.FreshReal(5, 5), 0), "tolerance=0"),
        (lambda: wrong.recovery_time(theory.Poisson(1.0), theory.FreshReal(5, 5)), "error=None"),
        (lambda: wrong.recovery_error(f, theory.FreshReal(5, 5), 1, -1.0), "error=-1"),
        (lambda: wrong.recovery_error(f, theory.FreshReal(5, 5), 1.5), "generation=1.5"),
        (lambda: wrong.recovery_error(theory.Gamma(0.1, 1.0), theory.FreshReal(1, 1), 1, 1.0), "larger weight"),
    ):
        with pytest.raises(InputError, match=match):
            call()


def test_counts_that_are_drawn_err_as_it_says() -> None:
    assert all(each.passed for each in verify.verify(verify.chosen(["recovery"])))


def test_a_model_that_knows_one_token_may_know_any_of_the_truth() -> None:
    """By hand: of a certain token nothing is wrong; else one real token and four alike err by (1 + 16)/25 V."""

    def drawn(p: list[float], chains: int) -> np.ndarray:
        sizes = {"real": 1, "synthetic": 4, "generations": 1, "chains": chains}
        return np.asarray(recovery.recovering(jax.random.key(8), np.array(p), token=None, **sizes))

    assert drawn([0.0, 1.0], 50).max() < np.finfo(float).eps ** 2
    seen = drawn([0.5, 0.3, 0.2], 20_000)
    assert abs(standard_scores(seen, np.array([17 / 25 * 0.62]))).max() < threshold(1)


@pytest.mark.parametrize("synthetic", [10, 10**12, 2**53])
@pytest.mark.parametrize("tolerance", [0.1, 1e-15])
def test_a_tolerance_below_rounding_is_reached_after_a_geometric_decay(synthetic: int, tolerance: float) -> None:
    """From total collapse the excess is multiplied by beta = alpha^2 (1 - 1/n), and by nothing else: in sixty digits."""
    f, real = theory.Categorical([0.5, 0.5]), 1000
    with mpmath.workdps(60):
        alpha = mpmath.mpf(synthetic) / (real + synthetic)
        beta = alpha**2 * (1 - mpmath.mpf(1) / synthetic)
        settled = ((1 - alpha) ** 2 / real + alpha**2 / synthetic) / 2 / (1 - beta)
        exact = int(mpmath.ceil(mpmath.log((mpmath.mpf(0.5) - settled) / (tolerance * settled)) / -mpmath.log(beta)))
    assert theory.recovery_time(f, theory.FreshReal(real, synthetic), tolerance) == pytest.approx(
        exact, rel=1e-13, abs=0
    )
