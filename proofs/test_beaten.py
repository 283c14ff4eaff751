"""Beating the first model by luck: the chance is that of two independent normal numbers, integrated another way."""

from __future__ import annotations

from typing import Any

import jax
import mpmath
import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.theory.arguments import InputError
from modelcollapse.theory.beaten import BEATEN

F = theory.LinearRegression(1, redrawn=False)


def chance(added: float) -> float:
    """P(|x + y| < |x|) for a standard normal x and y of variance ``added``: given y, x must lie beyond -y/2."""
    mpmath.mp.dps = 30
    width = mpmath.sqrt(added)
    return float(
        2 * mpmath.quad(lambda y: mpmath.npdf(y / width) / width * mpmath.ncdf(-y / 2), [0, 3 * width, 20 * width])
    )


@pytest.mark.parametrize(
    "workflow",
    [theory.Replace(9), theory.Replace((9,) * 11, real=9), theory.Accumulate(9, 9), theory.FixedReal(9, 9)],
    ids=lambda each: type(each).__name__,
)
def test_the_chance_is_a_double_integral(workflow: Any) -> None:
    generations = [2, 3, 7, 12]
    errors = theory.error(F, workflow, [1, *generations])
    expected = [chance(float(each / errors[0] - 1)) for each in errors[1:]]
    np.testing.assert_allclose(theory.beats_real(F, workflow, generations), expected, rtol=1e-12)


def test_known_values_and_ends() -> None:
    found = theory.beats_real(F, theory.Replace(20), [0, 1, 5])
    np.testing.assert_allclose(found, [1, 0.5, 0.25], rtol=1e-15)
    late = theory.beats_real(F, theory.Replace(20), 10**12)
    assert late == pytest.approx(2e-6 / np.pi, rel=1e-9)
    noisy = theory.LinearRegression(1, 7.0, redrawn=False)  # neither the noise nor the size matters
    assert theory.beats_real(noisy, theory.Accumulate(5, 5), 9) == pytest.approx(
        theory.beats_real(F, theory.Accumulate(500, 500), 9)
    )


def test_it_lives_in_jax_and_refuses_what_it_is_not_about() -> None:
    with jax.enable_x64(True):
        inside = jax.jit(lambda m: theory.beats_real(F, theory.Replace(9), m))(jax.numpy.arange(5))
    np.testing.assert_allclose(inside, theory.beats_real(F, theory.Replace(9), np.arange(5)), rtol=1e-14)
    wrong: Any = theory
    for f, w, match in (
        (theory.LinearRegression(2, redrawn=False), theory.Replace(9), "one coefficient"),
        (theory.LinearRegression(1), theory.Replace(9), "redrawn=False"),
        (F, theory.FreshReal(9, 9), "Replace, Accumulate or FixedReal"),
        (theory.Poisson(1.0), theory.Replace(9), "LinearRegression"),
    ):
        with pytest.raises(InputError, match=match):
            wrong.beats_real(f, w, 2)
    assert len(BEATEN.derivation) == 5
