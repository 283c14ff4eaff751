"""Integrated errors of kernel densities: waves carried point by point in fractions, sums of normal laws at fifty digits."""

from __future__ import annotations

import warnings
from fractions import Fraction
from itertools import pairwise

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import lambdify

from modelcollapse import theory
from modelcollapse.proofs.rational import exactly, iterated
from modelcollapse.proofs.schedules import ODD
from modelcollapse.theory import algebra, quadrature, recursion
from modelcollapse.theory.characteristic import LAWS, characteristic, derive_replace
from modelcollapse.theory.symbols import M, N, Z, e, ec, m, n, w, zp

KEPT, TRUTH = Fraction(2, 3), Fraction(3, 7)  # e and z_phi at one frequency
WORKFLOWS = [
    theory.Replace(3, real=5),
    theory.FixedReal(4, 3),
    theory.FixedReal(1, 4),
    theory.FreshReal(3, 4),
    theory.FreshReal(2, 3, weight=Fraction(2, 3)),
    theory.Accumulate(4, 3),
    theory.Accumulate(1, 2),
    theory.AccumulateSubsample(4, 3, 2),
    theory.AccumulateSubsample(3, 2, 3, replacement=True),
    theory.RandomPast(3),
]
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=repr)


# --- one frequency, in fractions -----------------------------------------------------------------------------------


def point_by_point(schedule: theory.Schedule, kept: list[Fraction], truth: Fraction) -> list[tuple[Fraction, Fraction]]:
    """E(psi phi*) and E|psi|^2 of the data of each model, with the wave of every point a variable of its own.

    ``table`` holds the products of all waves, the first of which is phi itself: a wave times its own conjugate is 1.
    """
    table, batches, data = [[truth]], {}, {}

    def add(mean: dict[int, Fraction], square: Fraction | None = None, same: dict[int, Fraction] | None = None) -> int:
        row = [sum(share * line[i] for i, share in mean.items()) for line in zip(*table, strict=True)]
        row = [(same or {}).get(place, value) for place, value in enumerate(row)]
        own = sum(share * row[i] for i, share in mean.items()) if square is None else square
        for line, value in zip(table, row, strict=True):
            line.append(value)
        table.append([*row, own])
        return len(table) - 1

    for model in range(1, schedule.generations + 1):
        for batch in np.flatnonzero(schedule.born == model):
            mixture = {k: Fraction(s) for k, s in enumerate(schedule.source[batch]) if s}
            mean = {data[k] if k else 0: share * (kept[k - 1] if k else 1) for k, share in mixture.items()}
            centre = add(mean)
            batches[batch] = []
            for _ in range(schedule.size[batch]):  # two points of a batch are independent given the models
                together = dict.fromkeys(batches[batch], table[centre][centre])
                batches[batch].append(add(mean, Fraction(1), together))
        used = {batch: Fraction(share) for batch, share in enumerate(schedule.weight[model - 1]) if share}
        weights = {i: share / len(batches[b]) for b, share in used.items() for i in batches[b]}
        square = None
        if schedule.train is not None:  # two points of a subsample: the same one, or two of the pool
            train, size = Fraction(int(schedule.train[model - 1])), len(weights)
            both = sum(a * b * table[i][j] for i, a in weights.items() for j, b in weights.items())
            apart = (both * size - 1) / (size - 1) if size > 1 else Fraction(1)
            square = 1 / train + (1 - 1 / train) * (both if schedule.replacement else apart)
        data[model] = add(weights, square)
    return [(table[data[k]][0], table[data[k]][data[k]]) for k in range(1, schedule.generations + 1)]


def by_algebra(workflow, kept: list[Fraction], truth: Fraction) -> list[tuple[Fraction, Fraction]]:
    column = np.array(kept, dtype=object)[:, None]
    lost, variance = algebra.waves(workflow, column, 1 - column, np.array([truth]), np.array([1 - truth]))
    return [(truth * (1 - b), s + truth * (1 - b) ** 2) for b, s in zip(lost[:, 0], variance[:, 0], strict=True)]


def values(workflow, kept=KEPT, truth=TRUTH):
    found = {N: workflow.real, n: workflow.synthetic, e: kept, ec: 1 - kept, zp: truth, Z: 1 - truth}
    if isinstance(workflow, theory.AccumulateSubsample):
        found[M] = workflow.train
    if isinstance(workflow, theory.FreshReal):
        share = Fraction(workflow.real, workflow.real + workflow.synthetic)
        found[w] = share if workflow.weight is None else workflow.weight
    return found


@each_workflow
def test_law_and_algebra_are_the_points_waves(workflow):
    """Three roads to the same fractions: what is left of the truth's wave, and its square, over five generations."""
    expected = point_by_point(workflow.schedule(5), [KEPT] * 5, TRUTH)
    assert by_algebra(workflow, [KEPT] * 5, TRUTH) == expected
    one = characteristic(type(workflow), getattr(workflow, "replacement", False))
    errors = [KEPT**2 * square - 2 * KEPT * mean + TRUTH for mean, square in expected]
    extra = {letter: value for letter, value in values(workflow).items() if letter not in (N, n, M, w)}
    assert iterated(workflow, -1, 5, one, extra) == errors
    if isinstance(workflow, theory.Replace):
        formula = derive_replace().expression
        assert [exactly(formula, values(workflow) | {m: when}) for when in range(1, 6)] == errors


@pytest.mark.parametrize("name", ODD)
def test_odd_schedules_are_the_points_waves(name):
    """Mixtures, windows, old batches and subsamples, with a bandwidth of its own for every model."""
    schedule = ODD[name]
    kept = [Fraction(each, each + 2) for each in range(1, schedule.generations + 1)]
    assert by_algebra(schedule, kept, TRUTH) == point_by_point(schedule, kept, TRUTH)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize(("real", "synthetic"), [(7, 3), (2, 10**9), (10**9, 2), (10**9, 10**9)])
def test_one_frequency_keeps_twelve_digits(law, real, synthetic):
    """Where nearly nothing, a half and nearly everything is smoothed away, over three hundred generations, at sixty digits."""
    one = characteristic(*law)
    letters = (N, n, M, w, e, ec, zp, Z)
    steps = [lambdify((*one.state, m, *letters), each, "mpmath") for each in (*one.step, one.error)]
    start = [lambdify(letters, each, "mpmath") for each in one.start]
    taken = [mpmath.mpf(each) for each in ("1e-12", "0.5", "0.999")]
    for rest, wave in zip(taken, ("1e-6", "0.4", "0.999999999"), strict=True):
        with mpmath.workdps(60):
            full = mpmath.mpf(wave)
            share = mpmath.mpf(real) / (real + synthetic)
            given = (real, synthetic, 2, share, 1 - rest, rest, full, 1 - full)
            state = [each(*given) for each in start]
            for when in range(1, 301):
                if when in (1, 2, 20, 300):
                    exact = steps[-1](*state, when, *given)
                    found = recursion.value(one, one.error, letters, tuple(map(float, given)), when)
                    assert float(abs(found / exact - 1)) < 1e-12
                state = [each(*state, when, *given) for each in steps[:-1]]


# --- the integral --------------------------------------------------------------------------------------------------


def in_space(real, synthetic, widths, variance=1, dimension=1, truth=None):
    """Replace, last of some models: a sum of normal laws at 0, since E|e psi - phi|^2 is a polynomial in e^2 and |phi|^2.

    A term with the exponent -A s^2 integrates to (4 pi A)^(-d/2); |phi|^2 of a mixture is a sum over pairs.
    """
    squares = [mpmath.mpf(each) ** 2 for each in widths]
    left, half = 1 - mpmath.mpf(1) / synthetic, mpmath.mpf(dimension) / 2
    pairs = [(mpmath.mpf(1), mpmath.mpf(0), mpmath.mpf(variance))]
    if truth is not None:
        parts = list(zip(truth.weights, truth.means[:, 0], truth.covariances[:, 0, 0], strict=True))
        pairs = [
            (mpmath.mpf(a) * b, mpmath.mpf(x) - y, (mpmath.mpf(c) + d) / 2) for a, x, c in parts for b, y, d in parts
        ]

    def plain(exponent):
        return (4 * mpmath.pi * exponent) ** -half

    def with_truth(exponent):
        return sum(
            share * plain(exponent + spread) * mpmath.exp(-(apart**2) / (4 * (exponent + spread)))
            for share, apart, spread in pairs
        )

    total, later, power = mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf(1)
    for square in reversed(squares[1:]):  # the points drawn last first
        later += square
        total += power * plain(later) / synthetic
        power *= left
    later += squares[0]
    total += power * (plain(later) / real + (1 - mpmath.mpf(1) / real) * with_truth(later))
    return total - 2 * with_truth(later / 2) + with_truth(mpmath.mpf(0))


SIZES = [(2, 2), (20, 50), (2, 10**9), (10**9, 2), (10**9, 10**9)]


@pytest.mark.parametrize(("real", "synthetic"), SIZES)
@pytest.mark.parametrize("bandwidth", [1e-3, 0.3, 10.0])
@pytest.mark.parametrize("dimension", [1, 2, 10])
def test_replace_is_a_sum_of_normal_laws(real, synthetic, bandwidth, dimension):
    """Twelve digits at all sizes and bandwidths, by the formula and by the recursion."""
    f = theory.KernelDensity(bandwidth, dimension, 1.7)
    for last in (1, 2, 30):
        with mpmath.workdps(60):
            exact = in_space(real, synthetic, [bandwidth] * last, 1.7, dimension)
        found = theory.integrated_error(f, theory.Replace(synthetic, real=real), last)
        assert float(abs(found / exact - 1)) < 1e-12
        several = theory.KernelDensity((bandwidth,) * last, dimension, 1.7)
        found = theory.integrated_error(several, theory.Replace(synthetic, real=real), last)
        assert float(abs(found / exact - 1)) < 1e-12


@pytest.mark.parametrize("apart", [0.0, 3.0, 40.0])
def test_mixtures_and_bandwidths_that_change(apart):
    """Also of a truth of two places, near and far."""
    truth = theory.GaussianMixture([0.3, 0.7], [[-apart], [apart / 2]], [[[0.5]], [[2.0]]])
    widths = (0.7, 0.2, 0.9, 0.05)
    found = theory.integrated_error(theory.KernelDensity(widths), theory.Replace(30, real=9), np.arange(5), truth)
    assert found[0] == 0
    for last in range(1, 5):
        with mpmath.workdps(50):
            exact = in_space(9, 30, widths[:last], truth=truth)
        assert float(abs(found[last] / exact - 1)) < 1e-12


def test_a_million_generations():
    """Replace by its formula, against the same integrand at forty digits."""
    real, synthetic, bandwidth, last = 50, 10**5, 0.01, 10**6
    found = theory.integrated_error(theory.KernelDensity(bandwidth), theory.Replace(synthetic, real=real), last)
    with mpmath.workdps(40):
        b, h = 1 - mpmath.mpf(1) / synthetic, mpmath.mpf(bandwidth)

        def integrand(s):
            square, truth = mpmath.exp(-((h * s) ** 2)), mpmath.exp(-s * s)
            slope = square * b
            seen = slope ** (last - 1) * (mpmath.mpf(1) / real + (1 - mpmath.mpf(1) / real) * truth)
            seen += (1 - slope ** (last - 1)) / (1 - slope) / synthetic
            return square * seen - 2 * mpmath.exp(-last * (h * s) ** 2 / 2) * truth + truth

        ends = [0, *[mpmath.mpf(10) ** mpmath.mpf(power) for power in np.arange(-3, 3.1, 0.5)], 2000]
        exact = mpmath.quad(integrand, ends) / mpmath.pi
    assert float(abs(found / exact - 1)) < 1e-12


@each_workflow
@pytest.mark.parametrize("bandwidth", [0.02, 1.0])
def test_every_road_and_more_nodes_agree(workflow, bandwidth, monkeypatch):
    """By the law, by the algebra, with bandwidths that change, and with one and a half times the nodes."""
    f, models = theory.KernelDensity(bandwidth), np.arange(1, 7)
    found = theory.integrated_error(f, workflow, models)
    several = theory.KernelDensity((bandwidth,) * 6)
    np.testing.assert_allclose(theory.integrated_error(f, workflow.schedule(6), models), found, rtol=1e-12)
    np.testing.assert_allclose(theory.integrated_error(several, workflow, models), found, rtol=1e-12)
    monkeypatch.setattr(quadrature, "STEP", quadrature.STEP / 1.5)
    np.testing.assert_allclose(theory.integrated_error(f, workflow, models), found, rtol=1e-13)


def test_numbers_of_an_independent_recursion():
    """Times a thousand, as worked out elsewhere and met there by 1500 simulated chains (7.42, 5.67); 200 points of N(0, 1)."""
    kept, replaced, rule = theory.Accumulate(200, 200), theory.Replace(200), 1.06 * 200**-0.2
    constant = theory.KernelDensity(rule)
    falling = theory.KernelDensity(tuple(rule * np.arange(1, 52) ** -0.2))
    assert np.round(1e3 * theory.integrated_error(constant, kept, [11, 51]), 2).tolist() == [7.36, 11.4]
    assert np.round(1e3 * theory.integrated_error(falling, kept, [11, 51]), 2).tolist() == [5.57, 6.02]
    assert np.round(1e3 * theory.integrated_error(constant, replaced, [6, 21]), 1).tolist() == [23.4, 77.8]
    reports = [theory.report_bandwidth(constant, kept, last).error for last in (1, 6, 11, 51)]
    assert np.round(1e3 * np.array(reports), 2).tolist() == [3.32, 4.4, 4.54, 4.67]
    reports = [theory.report_bandwidth(constant, replaced, last).error for last in (6, 21)]
    assert np.round(1e3 * np.array(reports), 1).tolist() == [11.3, 24.4]
    assert round(1e3 * theory.optimal_bandwidths(constant, kept, 51).worst, 2) == 5.3


# --- smoothing last ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(0.01, 5), min_size=2, max_size=8),
    st.sampled_from([theory.Replace, theory.FixedReal, theory.Accumulate]),
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 3),
)
@settings(max_examples=60)
def test_smoothing_last_is_a_lower_bound(widths, kind, real, synthetic, dimension):
    """Equal at the first model, which is smoothed once; below at all others, whatever the bandwidths."""
    workflow = theory.Replace(synthetic, real=real) if kind is theory.Replace else kind(real, synthetic)
    f, models = theory.KernelDensity(tuple(widths), dimension), np.arange(1, len(widths) + 1)
    bound = theory.integrated_error_lower_bound(f, workflow, models)
    found = theory.integrated_error(f, workflow, models)
    assert bound[0] == pytest.approx(found[0], rel=1e-12)
    assert np.all(bound[1:] <= found[1:] * (1 + 1e-12))
    if kind is theory.Replace and synthetic > 1:
        assert np.all(bound[1:] < found[1:])


def test_under_replace_the_bound_is_one_kernel():
    """Points drawn again, and one kernel of the sum of all variances in the end."""
    widths, workflow = (0.3, 0.5, 0.2), theory.Replace(40)
    once = theory.KernelDensity((1e-9, 1e-9, float(np.hypot(np.hypot(0.3, 0.5), 0.2))))
    bound = theory.integrated_error_lower_bound(theory.KernelDensity(widths), workflow, 3)
    assert bound == pytest.approx(theory.integrated_error(once, workflow, 3), rel=1e-12)


@pytest.mark.parametrize(
    "workflow", [theory.FreshReal(2, 10**6, Fraction(1, 5)), theory.AccumulateSubsample(400, 400, 2)], ids=repr
)
def test_elsewhere_smoothing_may_repair_weights(workflow):
    """Variance over the square of what is left of the wave: smaller with smoothing, in fractions; and the bound is refused."""
    ratios = []
    for kept in (Fraction(1), Fraction(1, 2)):
        one = characteristic(type(workflow))
        state, at = (Fraction(0), (1 - TRUTH) / workflow.real), values(workflow, kept)
        for when in range(1, 3):
            given = {letter: Fraction(value) for letter, value in at.items()} | {m: Fraction(when)}
            letters = {**given, **dict(zip(one.state, state, strict=True))}
            state = tuple(Fraction(lambdify(tuple(letters), each, "math")(*letters.values())) for each in one.step)
        ratios.append(state[1] / (1 - state[0]) ** 2)
    assert ratios[1] < ratios[0]
    with pytest.raises(theory.InputError, match="repair weights"):
        theory.integrated_error_lower_bound(theory.KernelDensity(0.5), workflow, 2)


# --- the best bandwidths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "workflow", "last"),
    [
        (theory.KernelDensity(1.0), theory.Accumulate(200, 200), 11),
        (theory.KernelDensity(1.0, 2, 3.0), theory.Accumulate(50, 20), 6),
        (theory.KernelDensity(1.0), theory.Replace(30), 5),
        (theory.KernelDensity(1.0), theory.FixedReal(20, 80), 8),
        (theory.KernelDensity(1.0), theory.SlidingWindow(30, 2), 4),
    ],
    ids=repr,
)
def test_no_power_law_around_is_better(f, workflow, last):
    """A grid around the best, and a wide one: none has a smaller worst error."""
    best, models = theory.optimal_bandwidths(f, workflow, last), np.arange(1, last + 1)

    def worst(bandwidth, decay):
        made = theory.KernelDensity(tuple(bandwidth * models ** (-decay)), f.dimension, f.variance)
        return theory.integrated_error(made, workflow, models).max()

    assert worst(best.bandwidth, best.decay) == pytest.approx(best.worst, rel=1e-10)
    near = [(best.bandwidth * (1 + a), best.decay + b) for a in (-1e-3, 0, 1e-3) for b in (-1e-3, 0, 1e-3)]
    wide = [(best.bandwidth * a, b) for a in (0.5, 0.8, 1, 1.2, 2) for b in (-0.8, -0.3, 0, 0.2, 0.6)]
    assert min(worst(*each) for each in near + wide) >= best.worst * (1 - 1e-9)
    constant = theory.optimal_bandwidths(f, workflow, last, decay=0)
    assert constant.worst >= best.worst * (1 - 1e-9) and constant.decay == 0 and len(set(constant.bandwidths)) == 1
    assert min(worst(constant.bandwidth * a, 0) for a in (0.5, 0.99, 0.999, 1.001, 1.01, 2)) >= constant.worst


@pytest.mark.parametrize("workflow", [theory.Replace(25), theory.FixedReal(9, 40), theory.Accumulate(30, 5)], ids=repr)
@pytest.mark.parametrize("dimension", [1, 3])
def test_no_other_report_is_better(workflow, dimension):
    """Its error is that of a recursion which hardly smooths but in the end, and no bandwidth errs less."""
    f = theory.KernelDensity(1.0, dimension, 2.0)
    for last in (1, 4):
        best = theory.report_bandwidth(f, workflow, last)
        for factor in (0.3, 0.9, 0.999, 1.0, 1.001, 1.1, 3.0):
            made = theory.KernelDensity((1e-9,) * (last - 1) + (factor * best.bandwidth,), dimension, 2.0)
            error = theory.integrated_error(made, workflow, last)
            assert error == pytest.approx(best.error, rel=1e-12) if factor == 1 else error > best.error
    reports = [theory.report_bandwidth(f, workflow, last) for last in range(1, 6)]
    assert all(one.bandwidth <= two.bandwidth and one.error <= two.error for one, two in pairwise(reports))
    truth = theory.GaussianMixture([0.5, 0.5], [[-2.0], [2.0]])
    if dimension == 1:
        assert theory.report_bandwidth(f, workflow, 3, truth).bandwidth < 4


# --- transformations and refusals ----------------------------------------------------------------------------------


def test_traced_generations_and_slopes():
    """Under jit, vmap and grad at once the same numbers, and slopes by bandwidth and variance those of differences."""
    workflow, models = theory.FixedReal(4, 3), np.array([0, 1, 5])

    def asked(bandwidth, variance, generation):
        return theory.integrated_error(theory.KernelDensity(bandwidth, 2, variance), workflow, generation)

    found, slopes = jax.jit(jax.vmap(jax.value_and_grad(asked, (0, 1)), (None, None, 0)))(0.5, 1.5, jnp.array(models))
    np.testing.assert_allclose(found, asked(0.5, 1.5, models), rtol=1e-12)
    for place, slope in enumerate(slopes):
        step = 1e-5 * np.eye(2)[place]
        sides = [asked(*(np.array([0.5, 1.5]) + sign * step), models) for sign in (1, -1)]
        np.testing.assert_allclose(slope, (sides[0] - sides[1]) / 2e-5, rtol=1e-6, atol=1e-12)


def test_slopes_of_every_bandwidth():
    """Those of differences; what is not allowed is NaN inside a trace; the algebra and the formula give the same when traced."""
    workflow, widths = theory.Accumulate(7, 5), np.array([0.5, 0.4, 0.3])

    def last(widths, workflow=workflow):
        return theory.integrated_error(theory.KernelDensity(tuple(widths)), workflow, 3)

    traced = jax.jit(jax.value_and_grad(last))
    value, slopes = traced(jnp.array(widths))
    assert float(value) == pytest.approx(last(widths), rel=1e-12)
    for place in range(3):
        step = 1e-5 * np.eye(3)[place]
        np.testing.assert_allclose(slopes[place], (last(widths + step) - last(widths - step)) / 2e-5, rtol=1e-6)
    assert jnp.isnan(traced(jnp.array([0.5, -1.0, 0.3]))[0])
    algebra_too = jax.jit(lambda at: last(at, workflow.schedule(3)))(jnp.array(widths))
    assert float(algebra_too) == pytest.approx(last(widths), rel=1e-12)

    def formula(bandwidth):
        return theory.integrated_error(theory.KernelDensity(bandwidth), theory.Replace(9), 4)

    assert float(jax.jit(formula)(0.5)) == pytest.approx(formula(0.5), rel=1e-12)


def test_arrays_and_sizes_that_change():
    """Bandwidths and sizes of an array each for itself; a tuple of sizes as its schedule."""
    widths, sizes = np.array([0.1, 0.5, 2.0]), np.array([5, 50, 500])
    found = theory.integrated_error(theory.KernelDensity(widths), theory.Accumulate(sizes, 2 * sizes), 4)
    each = [
        theory.integrated_error(theory.KernelDensity(width), theory.Accumulate(int(size), 2 * int(size)), 4)
        for width, size in zip(widths, sizes, strict=True)
    ]
    np.testing.assert_allclose(found, each, rtol=1e-12)
    growing, f = theory.Replace((10, 20, 40), real=5), theory.KernelDensity(0.5)
    found = theory.integrated_error(f, growing, np.arange(5))
    np.testing.assert_allclose(found, theory.integrated_error(f, growing.schedule(4), np.arange(5)), rtol=1e-12)


def test_what_is_refused():
    f, kept = theory.KernelDensity(0.5), theory.Accumulate(5, 5)
    with pytest.raises(theory.InputError, match="KernelDensity"):
        theory.integrated_error(theory.Poisson(1.0), kept, 1)
    with pytest.raises(theory.InputError, match="generation"):
        theory.integrated_error(f, kept, -1)
    with pytest.raises(theory.InputError, match="bandwidths of 2 models"):
        theory.integrated_error(theory.KernelDensity((0.5, 0.4)), kept, 3)
    with pytest.raises(theory.InputError, match="ends with 4"):
        theory.integrated_error(f, kept.schedule(4), 5)
    with pytest.raises(theory.InputError, match="one dimension"):
        theory.integrated_error(f, kept, 1, theory.GaussianMixture([1.0], [[0.0, 0.0]]))
    with pytest.raises(theory.InputError, match="truth"):
        theory.optimal_bandwidths(theory.KernelDensity(0.5, 2), kept, 3, truth=theory.GaussianMixture([1.0], [[0.0]]))
    with pytest.raises(theory.InputError, match="generations"):
        theory.optimal_bandwidths(f, kept, 0)
    with pytest.raises(theory.InputError, match="two real samples"):
        theory.integrated_error(f, theory.AccumulateSubsample(1, 5), 2)
    with pytest.raises(theory.InputError, match="compared"):
        theory.KernelDensity(0.5, compared=1)


# --- many dimensions, arrays and rules ------------------------------------------------------------------------------


@pytest.mark.parametrize(("real", "synthetic"), [(5, 5), (10**9, 2), (10**9, 10**9)])
@pytest.mark.parametrize("dimension", [60, 300])
def test_many_dimensions(real, synthetic, dimension):
    """There the integral lives where a kernel leaves e = 1e-30 of a wave, which 1 - (1 - e) has lost."""
    f = theory.KernelDensity(0.5, dimension)
    for last in (1, 2, 3):
        with mpmath.workdps(200):
            exact = in_space(real, synthetic, [0.5] * last, 1, dimension)
        found = theory.integrated_error(f, theory.Replace(synthetic, real=real), last)
        assert float(abs(found / exact - 1)) < 1e-12
    bound = theory.integrated_error_lower_bound(f, theory.Replace(synthetic, real=real), 3)
    with mpmath.workdps(200):  # all points of one law, drawn again, and one kernel of the variance 3 h^2
        again = (1 - mpmath.mpf(1) / real) * (1 - mpmath.mpf(1) / synthetic) ** 2
        wide = mpmath.mpf(3) / 4
        total = (1 - again) * (4 * mpmath.pi * wide) ** (-mpmath.mpf(dimension) / 2)
        for share, exponent in ((again, wide + 1), (-2, wide / 2 + 1), (1, mpmath.mpf(1))):
            total += share * (4 * mpmath.pi * exponent) ** (-mpmath.mpf(dimension) / 2)
    assert float(abs(bound / total - 1)) < 1e-12


@pytest.mark.parametrize(
    ("bandwidth", "dimension", "variance"),
    [(1e-4, 60, 1), (3e-4, 100, 1), (1e-3, 100, 1.0), (0.05, 300, 1), (1e-300, 1, 1), (1e200, 1, 1), (1e-10, 2, 1e300)],
)
def test_frequencies_whose_weight_overflows(bandwidth, dimension, variance):
    """The weight s^(d-1) of a frequency may lie beyond all floats where nothing of the integrand is left; the answer does not."""
    f = theory.KernelDensity(bandwidth, dimension, variance)
    with mpmath.workdps(60):
        exact = in_space(20, 20, [mpmath.mpf(bandwidth)], variance, dimension)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(abs(theory.integrated_error(f, theory.Replace(20), 1) / exact - 1)) < 1e-12
        assert theory.integrated_error(f, theory.Replace(20), 0) == 0
        least = theory.integrated_error_lower_bound(f, theory.Replace(20), 2)
        assert 0 < least <= theory.integrated_error(f, theory.Replace(20), 2) * (1 + 1e-12)


@pytest.mark.parametrize(("bandwidth", "dimension"), [(1e-4, 100), (1e-3, 300)])
def test_an_error_beyond_all_floats_is_infinite(bandwidth, dimension):
    """One kernel over its own volume, (4 pi h^2)^(-d/2): more than a float holds is inf, not NaN."""
    f = theory.KernelDensity(bandwidth, dimension)
    for workflow in (theory.Replace(20), theory.FixedReal(20, 30), theory.SlidingWindow(20, 2)):
        assert np.isinf(theory.integrated_error(f, workflow, np.array([1, 3]))).all()


def test_slopes_by_sizes_and_arrays_where_models_are_unrolled():
    """A size that is traced has its slope; arrays where models are unrolled are refused in one line."""

    def of_size(size):
        return theory.integrated_error(theory.KernelDensity(0.3), theory.Accumulate(jnp.asarray(size), 4.0), 3)

    slope = jax.grad(of_size)(4.0)
    assert float(slope) == pytest.approx(float(of_size(4.001) - of_size(3.999)) / 0.002, rel=1e-6)
    several = theory.KernelDensity(np.array([0.3, 0.4]))
    with pytest.raises(theory.InputError, match=r"integrated_error\(bandwidth=.*for each"):
        theory.integrated_error(several, theory.Replace(5).schedule(3), 2)
    spread = theory.KernelDensity(1.0, 1, np.array([1.0, 2.0]))
    for asked in (theory.report_bandwidth, theory.optimal_bandwidths):
        with pytest.raises(theory.InputError, match=rf"{asked.__name__}\(variance=.*for each"):
            asked(spread, theory.Replace(9), 2)


def test_one_bandwidth_that_is_too_small_for_a_single_fit_is_nearly_the_best_power_law():
    """Over 5 to 50 generations: 0.6 to 0.75 of the rule for one fit, hardly a decay, and a constant costs less than 3%."""
    f, kept, rule = theory.KernelDensity(1.0), theory.Accumulate(200, 200), (4 / 3 / 200) ** 0.2
    for last in (5, 10, 20, 50):
        best, constant = (theory.optimal_bandwidths(f, kept, last, decay=decay) for decay in (None, 0.0))
        assert 0.6 < best.bandwidth / rule < 0.75 and -0.18 < best.decay < 0.03
        assert best.worst <= constant.worst < 1.03 * best.worst
        assert 0.6 < constant.bandwidth / rule < 0.85
        single = theory.integrated_error(theory.KernelDensity(rule), kept, last)
        assert constant.worst < single


@pytest.mark.parametrize(
    "workflow", [theory.Replace(50), theory.FixedReal(50, 80), theory.Accumulate(50, 20)], ids=repr
)
def test_no_bandwidth_for_drawing_is_best(workflow):
    """Of a normal truth every slope is positive at no smoothing, whatever the report, and there is no better point inside."""
    last = 5
    best = theory.report_bandwidth(theory.KernelDensity(1.0), workflow, last)

    def error(squares, report):
        widths = (*np.sqrt(squares), report)
        return theory.integrated_error(theory.KernelDensity(widths), workflow, last)

    for place in range(last - 1):
        step = 1e-4 * np.eye(last - 1)[place] + 1e-12
        assert error(step, best.bandwidth) > best.error
    draw = np.random.default_rng(1)
    for _ in range(30):
        squares = draw.exponential(0.05, last - 1)
        assert min(error(squares, report) for report in best.bandwidth * np.linspace(0.3, 1.2, 10)) > best.error


def test_of_one_point_the_best_report_has_twice_the_variance_of_the_truth():
    """There 1/(h^2 sqrt(8)) = h/(h^2+2v)^(3/2) has the root h^2 = 2 v, whatever v is."""
    for variance in (1.0, 9.0):
        found = theory.report_bandwidth(theory.KernelDensity(1.0, 1, variance), theory.Replace(1), 1).bandwidth
        assert found == pytest.approx((2 * variance) ** 0.5, rel=1e-10)


def test_a_decay_that_is_given_is_kept():
    """The bandwidths are that power law, their errors those of such a tuple."""
    best = theory.optimal_bandwidths(theory.KernelDensity(1.0), theory.Accumulate(20, 20), 4, decay=0.2)
    np.testing.assert_allclose(best.bandwidths, best.bandwidth * np.arange(1, 5) ** -0.2, rtol=1e-12)
    error = theory.integrated_error(theory.KernelDensity(best.bandwidths), theory.Accumulate(20, 20), np.arange(1, 5))
    np.testing.assert_allclose(best.errors, error, rtol=1e-12)
