"""The numbers that come out: right to rounding from 2 to 10^9 samples and to a million generations, and their gradients."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from sympy import (
    Abs,
    E,
    Float,
    Function,
    I,
    Max,
    Piecewise,
    Rational,
    S,
    Sum,
    atan2,
    cos,
    erfc,
    gamma,
    lambdify,
    log,
    pi,
    sin,
    sqrt,
)

from modelcollapse import theory
from modelcollapse.proofs.digits import drift_by_gamma, number, precisely
from modelcollapse.proofs.rational import iterated, letters
from modelcollapse.theory import recursion
from modelcollapse.theory.errors import (
    ACCUMULATE,
    BOOTSTRAP,
    FIXED_REAL,
    FRESH_REAL,
    FRESH_WEIGHTED,
    REPLACE,
    SUBSAMPLE,
    theorem_of,
)
from modelcollapse.theory.family import true_diversity
from modelcollapse.theory.law import law
from modelcollapse.theory.lower import lower
from modelcollapse.theory.symbols import M, N, V, m, n, v2, w

FAMILIES = {
    -1: theory.Categorical([0.5, 0.5]),
    Fraction(-1, 5): theory.Binomial(5, 0.5),
    0: theory.Poisson(1.0),
    Fraction(1, 3): theory.Gamma(3, 1.0),
    1: theory.Gamma(1, 1.0),
}
SIZES = (2, 20, 10**4, 10**9)
GENERATIONS = (1, 2, 10, 10**6)
WORKFLOWS = {
    "replace": lambda real, synthetic: theory.Replace(synthetic, real=real),
    "fixed real": theory.FixedReal,
    "fresh real": theory.FreshReal,
    "fresh real, weight near 0": lambda real, synthetic: theory.FreshReal(real, synthetic, weight=1e-9),
    "fresh real, weight 0.3": lambda real, synthetic: theory.FreshReal(real, synthetic, weight=0.3),
    "fresh real, weight near 1": lambda real, synthetic: theory.FreshReal(real, synthetic, weight=1 - 1e-9),
    "accumulate": theory.Accumulate,
    "subsample, train 2": lambda real, synthetic: theory.AccumulateSubsample(real, synthetic, 2),
    "subsample, train all": theory.AccumulateSubsample,
    "bootstrap, train 2": lambda real, synthetic: theory.AccumulateSubsample(real, synthetic, 2, replacement=True),
    "bootstrap, train all": lambda real, synthetic: theory.AccumulateSubsample(real, synthetic, replacement=True),
}
LARGEST, SMALLEST = mpmath.mpf(10) ** 300, mpmath.mpf(10) ** -290  # beyond them a float64 overflows or is denormal


def closed(names):
    """Pairs with a closed form: accumulate-subsample has one at v2 = -1 only."""
    return [
        pytest.param(
            name,
            curvature,
            id=f"{name}, v2 = {curvature}",
        )
        for name in names
        for curvature in FAMILIES
        if curvature == -1 or not name.startswith(("subsample", "bootstrap"))
    ]


@pytest.mark.parametrize(("name", "curvature"), closed(WORKFLOWS))
def test_twelve_digits(name, curvature):
    """Gain, its limit and diversity at all sizes and generations, against the closed form at 150 digits."""
    family, worst = FAMILIES[curvature], 0.0
    with mpmath.workdps(150):
        for real in SIZES:
            for synthetic in SIZES:
                workflow = WORKFLOWS[name](real, synthetic)
                forms, values = theorem_of(family, workflow).derived, letters(workflow, curvature)
                found = [*theory.gain(family, workflow, np.array(GENERATIONS)), theory.gain_limit(family, workflow)]
                cells = [values | {m: when} for when in GENERATIONS] + [values]
                for cell, got in zip(cells, found, strict=True):
                    exact = _gain(
                        forms, cell, real, endless=m not in cell and not (name == "replace" and curvature >= 0)
                    )
                    if exact is not None and exact < LARGEST:
                        worst = max(
                            worst, float(abs(mpmath.mpf(float(got)) - exact) / exact / (1 + mpmath.log1p(exact)))
                        )
                    else:
                        assert got > 1e299
    assert worst < 1e-15  # a power of size e^x cannot hold fewer than x roundings


def _gain(forms, cell, real, endless):
    if m not in cell and not endless:
        return None
    return real * precisely(forms.limit if endless else forms.expression, cell, drift_by_gamma)


@pytest.mark.parametrize(("name", "curvature"), closed(name for name in WORKFLOWS if "weight near" not in name))
def test_diversity_does_not_cancel(name, curvature):
    """What little diversity is left is right to twelve digits, not V + v2 T subtracted."""
    family, worst = FAMILIES[curvature], 0.0
    with mpmath.workdps(150):
        for real, synthetic in ((2, 20), (20, 2), (10**4, 10**4), (2, 10**9)):
            workflow = WORKFLOWS[name](real, synthetic)
            forms, values = theorem_of(family, workflow).derived, letters(workflow, curvature)
            found = theory.diversity(family, workflow, np.array(GENERATIONS)) / true_diversity(family)
            for when, got in zip(GENERATIONS, found, strict=True):
                error = precisely(forms.expression, values | {m: when}, drift_by_gamma)
                exact = 1 + number(Fraction(curvature)) * error
                if SMALLEST < exact < LARGEST:
                    worst = max(worst, float(abs(mpmath.mpf(float(got)) - exact) / exact))
    assert worst < 2e-12 if name == "replace" else worst < 1e-14


@pytest.mark.parametrize("curvature", [each for each in FAMILIES if each != -1], ids=str)
@pytest.mark.parametrize("replacement", [False, True])
def test_recursion_against_fractions(replacement, curvature):
    """Accumulate-subsample of other families: sixty generations in float64 against the same law in fractions."""
    for real, synthetic, train in ((20, 20, 20), (2, 10**4, 2), (10**9, 20, 3)):
        workflow = theory.AccumulateSubsample(real, synthetic, train, replacement=replacement)
        exact = [float(each * real) for each in iterated(workflow, curvature, 60)]
        found = theory.gain(FAMILIES[curvature], workflow, np.arange(1, 61))
        np.testing.assert_allclose(found, exact, rtol=1e-13)


SETTLED = [(20, 10, 5), (2, 10**9, 2), (10**9, 1, 10**9), (10**9, 1, 10), (10**6, 7, 10**6), (10**9, 10**9, 10**9)]


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize(("real", "synthetic", "train"), SETTLED)
def test_limit_of_the_recursion_against_the_product(real, synthetic, train, replacement):
    """Where v2 = -1 has the exact product too: twelve digits, however large the first pool is."""
    workflow = theory.AccumulateSubsample(real, synthetic, train, replacement=replacement)
    found = real * recursion.limit_over_v(workflow, -1.0)
    assert found == pytest.approx(theory.gain_limit(FAMILIES[-1], workflow), rel=1e-12)


@pytest.mark.parametrize(("curvature", "train"), [(0, 2), (Fraction(1, 3), 4)], ids=str)
def test_limit_of_the_recursion_against_a_fit(curvature, train):
    """Other families, where the points' spread settles like m^-(1 - (1 + v2)/M): a fit of those powers at forty digits."""
    one, last = law(theory.AccumulateSubsample), [2**each for each in range(2, 13)]
    given = (N, n, M, v2, V)
    start = [lambdify(given, each, "mpmath") for each in one.start]
    step = [lambdify((*one.state, m, *given), each, "mpmath") for each in one.step]
    read = lambdify((*one.state, m, *given), one.error, "mpmath")
    with mpmath.workdps(40):
        values = [mpmath.mpf(20), mpmath.mpf(20), mpmath.mpf(train), number(Fraction(curvature)), mpmath.mpf(1)]
        state, errors = [each(*values) for each in start], []
        for now in range(1, last[-1] + 1):
            if now in last:
                errors.append(read(*state, mpmath.mpf(now), *values))
            state = [each(*state, mpmath.mpf(now), *values) for each in step]
        settling = 1 - (1 + number(Fraction(curvature))) / train
        powers = sorted([settling + each for each in range(5)] + [mpmath.mpf(1) + each for each in range(5)])
        table = mpmath.matrix([[1, *(mpmath.mpf(when) ** -power for power in powers)] for when in last])
        fitted = float(mpmath.lu_solve(table, mpmath.matrix(errors))[0])
    found = recursion.limit_over_v(theory.AccumulateSubsample(20, 20, train), float(curvature))
    assert found == pytest.approx(fitted, rel=1e-7)


def test_generation_zero_is_the_truth():
    """No error, no gain, full diversity; also in arrays and in JAX."""
    for name, make in WORKFLOWS.items():
        for family in FAMILIES.values():
            workflow = make(20, 10)
            assert theory.error(family, workflow, 0) == 0 and theory.gain(family, workflow, 0) == 0, name
            assert theory.diversity(family, workflow, 0) == true_diversity(family), name
            assert theory.gain(family, workflow, np.array([0, 1]))[0] == 0, name
    assert jax.jit(lambda when: theory.gain(FAMILIES[0], theory.Accumulate(20, 10), when))(0) == 0


WRITTEN = [
    N / 3, -N, -(N**2), N**-2, 2**N, n**N, sqrt(N), 1 / sqrt(N), N ** Rational(-3, 2), Rational(2, 3) * N * n / (N + n),
    Rational(-7, 3) / N, 1 / (N * n) ** 2, pi * N, E**N, sqrt(2) * N, Float("0.1") + N, Max(3, N, n), Abs(N - n) / 7,
    atan2(N, v2), erfc(N) + sin(n) * log(n), (N + n) ** 2 / (N + n + 1) + 1 / (N + n),
]  # fmt: skip


@pytest.mark.parametrize("module", ["numpy", "jax"])
@pytest.mark.parametrize("expression", WRITTEN, ids=str)
def test_an_expression_is_computed_as_it_is_written(expression, module):
    """Every kind of node, signs, roots and fractions, within a few roundings of SymPy's own value at thirty digits."""
    at = {N: 1.75, n: 0.625, v2: -0.375}
    with jax.enable_x64(True):
        found = lower(expression, (N, n, v2), module)(
            *(jnp.array(each) if module == "jax" else each for each in at.values())
        )
    exact = expression.subs({letter: S(value) for letter, value in at.items()}).evalf(30)
    assert float(found) == pytest.approx(float(exact), rel=8e-16)


UNKNOWN = [gamma(N), cos(N), N * I, Piecewise((N, N > 1), (0, True)), Sum(N, (m, 1, 3)), Function("g")(N), N + n]


@pytest.mark.parametrize("expression", UNKNOWN, ids=str)
def test_what_has_no_array_form_is_refused_when_it_is_lowered(expression):
    """Now and not at the call: functions without a numeric form, and a letter that is not given."""
    with pytest.raises(ValueError, match="cannot be lowered"):
        lower(expression, (N,), "numpy")


# --- JAX: one program for each theorem, at all points at once ---------------------------------------------------------

FORMS = {
    "replace": (REPLACE, (N, n, v2), theory.Replace),
    "fixed real": (FIXED_REAL, (N, n, v2), theory.FixedReal),
    "fresh real": (FRESH_REAL, (N, n, v2), theory.FreshReal),
    "fresh real, weight": (FRESH_WEIGHTED, (N, n, w, v2), theory.FreshReal),
    "accumulate": (ACCUMULATE, (N, n, v2), theory.Accumulate),
    "subsample": (SUBSAMPLE, (N, n, M), theory.AccumulateSubsample),
    "bootstrap": (BOOTSTRAP, (N, n, M), theory.AccumulateSubsample),
}
POINTS = [
    {N: 7, n: 3, w: Rational(2, 5), M: 5, v2: 0},
    {N: 20, n: 20, w: Rational(1, 2), M: 20, v2: -1},
    {N: 3, n: 50, w: Rational(9, 10), M: 2, v2: 1},
    {N: 1000, n: 2, w: Rational(1, 100), M: 7, v2: Rational(1, 3)},
    {N: 7, n: 3, w: Rational(2, 5), M: 5, v2: Rational(1, 10**9)},
]
WHENS = (1, 2, 4)


@cache
def slopes(name: str, when: int):
    """Derivatives, by SymPy, of the error of generation ``when`` written out from the one-step law."""
    _, names, workflow = FORMS[name]
    one = law(workflow, name == "bootstrap")
    state = [each.subs(V, 1) for each in one.start]
    for now in range(1, when):
        step = [each.subs({V: 1, m: now}) for each in one.step]
        state = [each.subs(dict(zip(one.state, state, strict=True)), simultaneous=True) for each in step]
    error = one.error.subs({V: 1, m: when}).subs(dict(zip(one.state, state, strict=True)), simultaneous=True)
    if name == "fresh real":
        error = error.subs(w, N / (N + n))
    return error, [error.diff(letter) for letter in names]


@pytest.mark.parametrize("name", FORMS)
def test_jax_values_and_gradients(name):
    """Under jit and vmap, x64: values equal NumPy's, gradients SymPy's derivatives; v2 = 0 is a point like any other."""
    theorem, names, _ = FORMS[name]
    expression = theorem.derived.expression.subs(V, 1)
    points = POINTS if v2 in names else [point | {v2: -1} for point in POINTS]
    function = lower(expression, (*names, m), "jax")
    both = jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(function, tuple(range(len(names)))),
                                     (None,) * len(names) + (0,)), (0,) * len(names) + (None,)))  # fmt: skip
    values, gradients = both(*(jnp.array([float(point[each]) for point in points]) for each in names),
                             jnp.array(WHENS, float))  # fmt: skip
    plain = lower(expression, (*names, m), "numpy")
    for row, point in enumerate(points):
        for column, when in enumerate(WHENS):
            numpy = plain(*(np.array(float(point[each])) for each in names), np.array(float(when)))
            assert values[row, column] == pytest.approx(float(numpy), rel=1e-14)
            error, derivatives = slopes(name, when)
            assert values[row, column] == pytest.approx(float(error.xreplace(_whole(point))), rel=1e-13)
            for letter, slope, derivative in zip(names, gradients, derivatives, strict=True):
                exact = float(derivative.xreplace(_whole(point)))
                assert slope[row, column] == pytest.approx(exact, rel=1e-9, abs=1e-14), (letter, point, when)


def _whole(point):
    return {letter: S(value) for letter, value in point.items()}


@pytest.mark.parametrize("generation", [np.array([[0, 1], [2, 30]]), 3], ids=["array", "scalar"])
def test_public_functions_under_transformations(generation):
    """Records are made of traced numbers inside jit; shapes are those of the generations."""
    function = jax.jit(
        lambda real, shape, when: theory.gain(theory.Gamma(shape, 1.0), theory.Accumulate(real, 10.0), when)
    )
    found = function(20.0, 1.0, generation)
    np.testing.assert_allclose(found, theory.gain(FAMILIES[1], theory.Accumulate(20, 10), generation), rtol=1e-14)
    assert found.shape == np.shape(generation)


def test_gradient_of_the_recursion():
    """A traced generation and the forward rule: derivative of accumulate-subsample by v2 = 1/shape and by real."""

    def of(real, shape, when):
        return theory.gain(theory.Gamma(shape, 1.0), theory.AccumulateSubsample(real, 3.0, 2.0), when)

    found = jax.jit(jax.grad(of, (0, 1)))(jnp.array(7.0), jnp.array(4.0), 4)
    error, (by_real, _, _) = slopes("subsample", 4)
    at = {N: S(7), n: S(3), M: S(2), v2: Rational(1, 4)}
    gain_slope = (error + N * by_real).xreplace(at)
    shape_slope = -(N * error.diff(v2) * v2**2).xreplace(at)  # v2 = 1/shape
    np.testing.assert_allclose([float(each) for each in found], [float(gain_slope), float(shape_slope)], rtol=1e-10)


def test_outside_the_assumptions_a_trace_gives_no_error():
    """Inside a trace nothing can be refused: zero samples give NaN, a v2 too large for the series gives NaN."""
    gain = jax.jit(lambda shape, real: theory.gain(theory.Gamma(shape, 1.0), theory.Accumulate(real, 3.0), 5))
    assert jnp.isfinite(gain(1.0, 4.0))
    assert jnp.isnan(gain(0.001, 4.0)) and jnp.isnan(gain(1.0, 0.0))
    with pytest.raises(theory.InputError):
        theory.gain(theory.Gamma(1.0, 1.0), theory.Accumulate(0, 3), 5)
    with pytest.raises(theory.InputError):
        theory.gain(theory.Gamma(0.001, 1.0), theory.Accumulate(4, 3), 5)


def test_the_diversity_of_a_token_that_is_nearly_alone_has_all_digits():
    """Against fractions: 1 - sum p^2 where p_1 is 1 but for 1e-9, and where a double does not tell it from 1."""
    counts = [10**9, 1, 2]
    pairs = sum(counts) * (sum(counts) - 1)
    exact = 1 - Fraction(sum(each * (each - 1) for each in counts), pairs)
    assert theory.Categorical.from_counts(counts).v == pytest.approx(float(exact), rel=1e-14, abs=0)
    assert theory.Categorical([1.0, 2.0**-100]).v == 2.0**-99
