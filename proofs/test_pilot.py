"""Three small runs tell what a source is worth, and its limits hold as often as they say, whatever the runs can tell."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sympy import Matrix, Rational

from modelcollapse import pilot_runs, theory
from modelcollapse.proofs.rational import exactly
from modelcollapse.theory import pilot
from modelcollapse.theory.symbols import N, n, tau, ym, yr, ys

PARTS = st.fractions(Fraction(1, 100), 100, max_denominator=100)
SIZES = st.integers(1, 500)
NORMAL = stats.norm.isf(0.025)


def loss(real, synthetic, floor, noise, bias, ratio=1):
    """As the assumptions say it."""
    total = Fraction(int(real + synthetic))
    return floor + noise * (real + ratio * synthetic) / total**2 + (Fraction(int(synthetic)) / total) ** 2 * bias


@given(SIZES, SIZES, PARTS, PARTS, PARTS, st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(5, 2)]))
@settings(max_examples=60)
def test_three_runs_tell_floor_noise_bias_and_worth(real, synthetic, floor, noise, bias, ratio):
    """In fractions by the closed form, and in floats by the general way."""
    runs = [(real, 0), (0, synthetic), (real, synthetic)]
    losses = [loss(*run, floor, noise, bias, ratio) for run in runs]
    at = {N: real, n: synthetic, tau: ratio, **dict(zip((yr, ys, ym), losses, strict=True))}
    assert exactly(pilot.PILOT.derived.expression, at) == noise / bias
    assert [exactly(pilot.from_three()[name], at) for name in ("floor", "V", "bias")] == [floor, noise, bias]
    share = synthetic / (real + synthetic)
    assume(0.05 < share < 0.95)  # beyond, floats lose digits in the differences of losses
    found = theory.estimate_worth(
        [(*run, float(each)) for run, each in zip(runs, losses, strict=True)], noise=float(ratio)
    )
    assert found.worth.value == pytest.approx(float(noise / bias), rel=1e-6)
    assert (found.worth.low, found.variance.high, found.misfit) == (None, None, None)


@given(st.lists(st.tuples(SIZES, st.integers(0, 500), PARTS, PARTS), min_size=4, max_size=7))
@settings(max_examples=40)
def test_more_runs_are_fitted_by_least_squares(rows):
    """The normal equations, solved in fractions."""
    rows = [*rows, (0, 7, Fraction(3), Fraction(1)), (40, 0, Fraction(2), Fraction(2))]
    design = Matrix([[1, Rational(1, a + b), Rational(b, a + b) ** 2] for a, b, _, _ in rows])
    weight = Matrix.diag(*[1 / Rational(error.numerator, error.denominator) ** 2 for *_, error in rows])
    losses = Matrix([Rational(y.numerator, y.denominator) for _, _, y, _ in rows])
    square = design.T * weight * design
    assume(square.det() != 0)
    ways = pilot.weights_of(
        *zip(*((a, b) for a, b, _, _ in rows), strict=True), np.array([float(each[3]) for each in rows])
    )
    expected = np.array((square.inv() * design.T * weight * losses).evalf(30), float).ravel()
    # as many digits as the condition of the columns leaves
    assert ways @ np.array([float(each[2]) for each in rows]) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def fitted(rows, worth):
    """Sum of squares left by floor and noise alone, the bias being noise/worth: the profile of the likelihood."""
    real, synthetic, losses, errors = np.array(rows, float).T
    total = real + synthetic
    column = 1 / total + (synthetic / total) ** 2 / worth
    table = np.stack([np.ones_like(total), column], 1) / errors[:, None]
    return float(np.linalg.lstsq(table, losses / errors, rcond=None)[1][0])


@pytest.mark.parametrize("seed", range(12))
def test_limits_are_where_the_likelihood_has_fallen_by_the_quantile(seed):
    """The profile by fitting with the worth held, also where the estimated bias is below 0."""
    random = np.random.default_rng(seed)
    runs = [(50, 0), (400, 0), (0, 50), (0, 400), (100, 100), (30, 90)]
    rows = [(*run, float(loss(*run, 2, 1, 0.01)) + 0.004 * random.standard_normal(), 0.004) for run in runs]
    found = theory.estimate_worth(rows)
    best = fitted(rows, found.worth.value)
    for edge in (found.worth.low, found.worth.high):
        if 0 < edge < math.inf:
            assert fitted(rows, edge) - best == pytest.approx(NORMAL**2, rel=1e-6)
    if found.worth.high == math.inf:
        assert fitted(rows, math.inf) - best <= NORMAL**2
    if found.worth.low == 0:
        assert fitted(rows, 1e-9) - best <= NORMAL**2
    middle = np.geomspace(max(found.worth.low, 1e-3), min(found.worth.high, 1e6), 9)[1:-1]
    assert all(fitted(rows, each) - best < NORMAL**2 for each in middle)


RUNS = [(50, 0), (400, 0), (0, 50), (0, 400), (100, 100), (30, 90)]


@pytest.mark.parametrize(
    ("bias", "noise", "told", "rate"),
    [
        (0.05, 2e-3, True, (0.95, 0.95)),  # the worth is 20, and well determined
        (0.05, 2e-3, False, (0.95, 0.95)),
        (0.001, 2e-3, True, (0.95, 0.975)),  # 1000, and hardly told from no bias
        (0.001, 2e-3, False, (0.95, 0.975)),
        (0.0, 2e-3, True, (0.975, 0.975)),  # no bias: missed only on one side
        (0.0, 2e-3, False, (0.975, 0.975)),
    ],
)
def test_limits_hold_as_often_as_they_say(bias, noise, told, rate):
    """Normal errors, known or not, 2000 times; a binomial test at one in ten thousand."""
    random, times = np.random.default_rng(1), 2000
    clean = np.array([float(loss(*run, 2, 1, Fraction(str(bias)))) for run in RUNS])
    true = 1 / bias if bias else math.inf
    held = 0
    for _ in range(times):
        losses = clean + noise * random.standard_normal(len(RUNS))
        rows = [(*run, each, noise)[: 4 if told else 3] for run, each in zip(RUNS, losses, strict=True)]
        _, low, high = theory.estimate_worth(rows).worth
        held += low <= true <= high
    assert stats.binom.sf(held - 1, times, rate[1]) > 1e-4
    assert stats.binom.cdf(held, times, rate[0]) > 1e-4


def test_other_units_and_another_floor_change_no_worth():
    random = np.random.default_rng(3)
    rows = [(*run, float(loss(*run, 2, 1, 0.05)) + 1e-3 * random.standard_normal(), 1e-3) for run in RUNS]
    one = theory.estimate_worth(rows)
    other = theory.estimate_worth([(a, b, 5 * y - 3, 5 * error) for a, b, y, error in rows])
    assert other.worth == pytest.approx(one.worth, rel=1e-9)
    assert other.variance == pytest.approx([5 * each for each in one.variance], rel=1e-9)
    assert other.floor == pytest.approx([5 * each - 3 for each in one.floor], rel=1e-9)
    assert other.misfit == pytest.approx(one.misfit, rel=1e-9)


def test_what_does_not_fit_is_told():
    """A loss that falls like n^(-1/4): the chance of so bad a fit is small; and answers at the limits."""
    rows = [(a, b, 2 + (a + b) ** -0.25, 1e-3) for a, b in RUNS]
    assert theory.estimate_worth(rows).misfit < 1e-6
    fair = theory.estimate_worth([(a, b, float(loss(a, b, 2, 1, 0.05)), 1e-3) for a, b in RUNS])
    assert fair.misfit == pytest.approx(1)
    share = theory.at_limits(fair, lambda source: theory.optimal_share(1000, source).share)
    assert share == pytest.approx([each / 2000 for each in fair.worth])
    onset = theory.at_limits(fair, lambda source: theory.contamination(source, 0.01).onset)
    assert onset.low < onset.value < onset.high
    floor = theory.at_limits(fair, lambda source: theory.contamination(source, 0.01).floor)  # falls with the worth
    assert floor.low < floor.value < floor.high
    exact = [(a, b, float(loss(a, b, 0, 1, 0.25))) for a, b in ((1, 0), (2, 0), (4, 0), (0, 2))]
    assert theory.estimate_worth(exact).worth == pytest.approx((4, 4, 4))  # four runs that fit without a rest


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([(100, 0, 2.0)], "three runs that differ"),
        ([(100, 0, 2.0), (0, 200, 2.1)], "three runs that differ"),
        ([(100, 0, 2.0), (0, 100, 2.1), (50, 50, 2.05)], "three runs that differ"),  # one total tells no noise
        ([(100, 0, 2.0), (200, 0, 1.9), (300, 0, 1.8)], "three runs that differ"),  # real samples alone tell no bias
        ([(100, 0, 2.0)] * 5, "three runs that differ"),
        ([(100, 0, math.nan), (0, 200, 2.1), (50, 50, 2.05)], "NaN"),
        ([(-100, 0, 2.0), (0, 200, 2.1), (50, 50, 2.05)], "row 1.*whole, 0 or more"),
        ([(100, 0.5, 2.0), (0, 200, 2.1), (50, 50, 2.05)], "row 1.*whole"),
        ([(100, 0, 2.0), (0, 0, 2.1), (50, 50, 2.05)], "row 2.*at least 1"),
        ([(100, 0, 2.0, 0.1), (0, 200, 2.1, 0.0), (50, 60, 2.05, 0.1)], "row 2.*above 0"),
        ([(100, 0, 2.0, 0.1), (0, 200, 2.1), (50, 60, 2.05, 0.1)], "one length"),
        ([(100, 0), (0, 200), (50, 60)], "rows"),
        ("runs.csv", "rows"),
        ([(100, 0, 1.0), (0, 200, 2.1), (1000, 50, 2.05), (2000, 0, 2.0)], "does not fall"),
    ],
)
def test_refusals(runs, told):
    with pytest.raises(theory.InputError, match=told) as found:
        theory.estimate_worth(runs)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("level", [0, 1, -1, math.nan, [0.5, 0.9]])
def test_levels_that_are_none_are_refused(level):
    with pytest.raises(theory.InputError, match="level"):
        theory.estimate_worth([(100, 0, 2.0), (0, 200, 2.1), (50, 60, 2.05)], level)


def test_runs_are_read_from_a_file(tmp_path):
    place = tmp_path / "runs.csv"
    place.write_text("name, Loss,real,synthetic\n\na,2.01,100,0\nb,2.03,0,200\nc,2.009444,1e2,50\n")
    assert pilot_runs.read(place) == [(100, 0, 2.01), (0, 200, 2.03), (100, 50, 2.009444)]
    assert theory.estimate_worth(pilot_runs.read(place)).worth.value == pytest.approx(40, rel=1e-3)
    place.write_text("real,synthetic,loss,error\n100,0,2.01,.1\n")
    assert pilot_runs.read(place) == [(100, 0, 2.01, 0.1)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("real,loss\n1,2\n", "lacks synthetic"),
        ("real,real,synthetic,loss\n1,1,2,3\n", "real more than once"),
        ("real,synthetic,loss\n1,2,x\n", "line 2 has loss 'x'"),
        ("real,synthetic,loss\n1,2,nan\n", "line 2 has loss 'nan'"),
        ("real,synthetic,loss\n1,2\n", "line 2 has loss ''"),
        ("real,synthetic,loss\n\n-1,2,3\n", "line 3 has real '-1'"),
        ("real,synthetic,loss\n1.5,2,3\n", "line 2 has real '1.5'"),
        ("real,synthetic,loss,error\n1,2,3,0\n", "line 2 has error '0'"),
        ('real,synthetic,loss\n"1,2,3\n', "no csv"),
    ],
)
def test_files_that_hold_no_runs_are_refused_in_one_line(tmp_path, text, told):
    place = tmp_path / "runs.csv"
    place.write_text(text)
    with pytest.raises(theory.InputError, match=told) as found:
        pilot_runs.read(place)
    assert "\n" not in str(found.value)
    with pytest.raises(theory.InputError, match="cannot be read"):
        pilot_runs.read(tmp_path / "none.csv")


def test_what_rounding_leaves_of_a_bias_is_none():
    """Losses of exactly V/n over a floor of 0; a bias that is above rounding stays."""
    found = theory.estimate_worth([(1000, 0, 0.01), (0, 1000, 0.01), (1000, 1000, 0.005)])
    assert found.worth.value == math.inf and found.floor.value == 0
    biased = theory.estimate_worth([(1000, 0, 2.01), (0, 1000, 2.01 + 1e-9), (1000, 1000, 2.005 + 0.25e-9)])
    assert biased.worth.value == pytest.approx(1e10, rel=1e-3)
