"""Error, diversity and gain: enumeration = algebra = one-step law = closed form, as fractions; and their limits."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Dummy, Expr, Rational, S, expand, expand_func, factor, gamma, gammasimp, limit, oo, pi, simplify, zoo
from sympy import sin as sine

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.proofs.digits import drift_by_gamma, drift_sum, precisely
from modelcollapse.proofs.enumeration import TOKENS, TRIALS
from modelcollapse.proofs.rational import closed_form, exactly, iterated, letters
from modelcollapse.theory import algebra, recursion, solve, stable
from modelcollapse.theory.errors import (
    ACCUMULATE,
    BOOTSTRAP,
    FIXED_REAL,
    FRESH_REAL,
    FRESH_WEIGHTED,
    RANDOM_PAST,
    REPLACE,
    REPLACE_SIZES,
    SUBSAMPLE,
    theorem_of,
)
from modelcollapse.theory.symbols import M, N, V, m, n, v2, w

THIRD = Fraction(1, 3)
CURVATURES = [-1, Fraction(-1, 5), 0, THIRD, 1]
WORKFLOWS = [
    theory.Replace(3, real=5),
    theory.Replace(6),
    theory.Replace((2, 3, 5), real=4),
    theory.Replace((1, 2, 3)),
    theory.FixedReal(4, 3),
    theory.FixedReal(2, 5),
    theory.FreshReal(3, 4),
    theory.FreshReal(2, 3, weight=Fraction(2, 3)),
    theory.FreshReal(2, 3, weight=1),
    theory.Accumulate(4, 3),
    theory.Accumulate(2, 4),
    theory.Accumulate(1, 1),
    theory.AccumulateSubsample(4, 3, 2),
    theory.AccumulateSubsample(3, 2, 3),
    theory.AccumulateSubsample(4, 3, 2, replacement=True),
    theory.AccumulateSubsample(3, 4, 1, replacement=True),
    theory.RandomPast(3),
    theory.RandomPast(1),
]
DRAWN = theory.AccumulateSubsample | theory.RandomPast  # a formula at v2 = -1 only
PRODUCTS = [ACCUMULATE, SUBSAMPLE, BOOTSTRAP, RANDOM_PAST]
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=repr)


def read(theorem: theory.Theorem, left: str) -> Expr:
    """The last step of a derivation that reads ``left``."""
    return [step.expression for step in theorem.derivation if step.left == left][-1]


@each_workflow
def test_tokens_are_enumerated(workflow):
    """Every chain of every corpus of three tokens: error and diversity, by four roads to the same fractions."""
    found, unit = enumeration.generations(TOKENS, workflow, 4), TOKENS.variance
    error = [each.error / unit for each in found]
    assert error == list(algebra.error(workflow, -1, 4))
    assert error == iterated(workflow, -1, 4)
    if workflow != theory.Replace((1, 2, 3)):  # log(1 - 1/1) has no finite value to be exact about
        assert error == closed_form(workflow, -1, 4)
    assert [each.spread / unit for each in found] == [1 - each for each in error]


@each_workflow
def test_trials_are_enumerated(workflow):
    """Binomial(3): v2 = -1/3, so that the spread of pooled points changes and the coefficient of v2 shows."""
    found, unit, curvature = enumeration.generations(TRIALS, workflow, 4), TRIALS.variance, -THIRD
    error = [each.error / unit for each in found]
    assert error == list(algebra.error(workflow, curvature, 4))
    assert error == iterated(workflow, curvature, 4)
    if not isinstance(workflow, DRAWN):
        assert error == closed_form(workflow, curvature, 4)
    assert [each.spread / unit for each in found] == [1 + curvature * each for each in error]


@pytest.mark.parametrize("curvature", CURVATURES, ids=str)
@each_workflow
def test_where_nothing_can_be_enumerated(workflow, curvature):
    """Infinite alphabets: algebra = iterated law = closed form = its diversity, twelve generations, any v2."""
    last = min(12, len(workflow.synthetic) + 1 if isinstance(workflow.synthetic, tuple) else 12)
    error = list(algebra.error(workflow, curvature, last))
    assert iterated(workflow, curvature, last) == error
    theorem = theorem_of(_with(curvature), workflow)
    if theorem.derive is None or (isinstance(workflow.synthetic, tuple) and 1 + curvature / workflow.real == 0):
        return
    assert closed_form(workflow, curvature, last, theorem) == error
    if not isinstance(workflow.synthetic, tuple):
        diversity = [
            exactly(theorem.derived.diversity, letters(workflow, curvature) | {m: when}) for when in range(1, last + 1)
        ]
        assert diversity == [1 + curvature * each for each in error]


def _with(curvature):
    return theory.Categorical([0.5, 0.5]) if curvature == -1 else theory.Poisson(1.0)


SIZE = st.integers(1, 60)


@given(
    st.one_of(
        st.builds(theory.Replace, SIZE, SIZE),
        st.builds(theory.FixedReal, SIZE, SIZE),
        st.builds(theory.FreshReal, SIZE, SIZE, st.fractions(Fraction(1, 9), 1, max_denominator=9)),
        st.builds(theory.Accumulate, SIZE, SIZE),
        st.builds(
            lambda a, b, c, d: theory.AccumulateSubsample(a + 1, b, 1 + c % (a + 1), d), SIZE, SIZE, SIZE, st.booleans()
        ),
        st.builds(theory.RandomPast, SIZE),
    ),
    st.fractions(-1, 3, max_denominator=7),
    st.integers(1, 9),
)
@settings(max_examples=60)
def test_any_sizes_any_curvature(workflow, curvature, last):
    """Drawn inside the assumptions: the algebra, the law and the closed form agree without rounding."""
    error = list(algebra.error(workflow, curvature, last))
    assert iterated(workflow, curvature, last) == error
    if not isinstance(workflow, DRAWN):
        assert closed_form(workflow, curvature, last)[-1] == error[-1]
    else:
        curved = list(algebra.error(workflow, -1, last))
        assert closed_form(workflow, -1, last)[-1] == curved[-1]


def test_rsolve_is_believed_only_after_it_was_checked():
    """A varying coefficient is refused, a wrong product has no limit, an error that is not affine is not solved."""
    with pytest.raises(solve.Unsolved):
        solve.solve_affine(1 / m, S.One, S.One)
    with pytest.raises(solve.Unsolved):
        solve.limit_of_product(solve.product_over_generations(n * (solve.j + 1)))
    with pytest.raises(solve.Unsolved):
        solve.linear_in(m**2, m)
    recursion, first = solve.residuals(solve.solve_affine(v2, V, N), v2, V, N)
    assert (recursion, first) == (0, 0)
    assert solve.residuals(solve.solve_affine(v2, V, N), v2, 2 * V, N)[0] != 0
    assert solve.residuals(solve.solve_affine(v2, V, N), v2, V, 2 * N)[1] != 0


@pytest.mark.parametrize("theorem", [REPLACE, FIXED_REAL, FRESH_REAL, FRESH_WEIGHTED], ids=lambda each: each.name)
def test_curvature_to_zero_of_affine_forms(theorem):
    """The form at v2 = 0 is the limit of the form as v2 -> 0: nothing is divided by zero."""
    small = theorem.derived.expression.xreplace({w: Rational(1, 3), N: S(7), n: S(4)})
    for when in (1, 2, 5):
        gone = exactly(small, {V: 1, v2: 0, m: when})
        near = limit(small.xreplace({m: S(when), V: S.One}).doit(), v2, 0)
        assert near == Rational(gone.numerator, gone.denominator)


def test_curvature_to_zero_of_accumulate():
    """The sum of squared shares: trigamma, by the second derivative of the gamma form and by the sum."""
    settled = read(ACCUMULATE, "T(oo) = ")
    for real, synthetic in ((20, 20), (7, 3), (2, 50)):
        with mpmath.workdps(50):
            ratio = mpmath.mpf(real) / synthetic
            direct = 1 / mpmath.mpf(real) + mpmath.psi(1, ratio + 1) / synthetic
            assert _close(settled.subs({V: 1, N: real, n: synthetic}).evalf(50), direct)
            assert _close(precisely(ACCUMULATE.derived.limit, {V: 1, N: real, n: synthetic, v2: 0}), direct)


CELLS = [(20, 20, 20), (7, 3, 5), (50, 2, 10), (3, 1000, 2), (1000, 999, 7)]


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("theorem", PRODUCTS, ids=lambda each: each.name)
def test_gamma_form_equals_stable_form(theorem, cell):
    """Forty digits of the limit of G, and of G after 1 and 30 generations, against the sum of logarithms."""
    values = dict(zip((N, n, M), cell, strict=True)) | {V: 1}
    settled, closed = read(theorem, "G(oo) = "), read(theorem, "G(m) = ")
    for curvature in [-1, Fraction(-1, 5), THIRD, 1] if theorem is ACCUMULATE else [-1]:
        at = values | {v2: Rational(curvature)}
        endless, ending = stable.DriftSum, _drift(theorem)
        assert ending.func is endless
        with mpmath.workdps(60):
            for count, form in ((oo, settled), (0, closed), (29, closed)):
                grown = mpmath.exp(
                    mpmath.mpf(Fraction(curvature).numerator)
                    / Fraction(curvature).denominator
                    * drift_sum(ending.xreplace(_rationals(at)), count)
                )
                start = 1 + mpmath.mpf(Fraction(curvature).numerator) / Fraction(curvature).denominator / cell[0]
                start = 1 if theorem is RANDOM_PAST else start  # which draws from the truth itself
                shown = form.subs(at | ({m: count + 1} if count is not oo else {})).rewrite(gamma)
                assert _close(shown.evalf(60), start * grown)


def _drift(theorem: theory.Theorem) -> stable.DriftSum:
    (found,) = theorem.derived.expression.atoms(stable.DriftSum)
    return found


def _rationals(values):
    return {letter: Rational(value) for letter, value in values.items()}


def _close(shown, expected, digits=40) -> bool:
    """Whether two numbers agree to forty digits."""
    shown = mpmath.mpmathify(shown)
    return abs(shown - expected) < mpmath.mpf(10) ** -digits * abs(expected)


@pytest.mark.parametrize(
    "workflow",
    [
        theory.FixedReal(7, 3),
        theory.FreshReal(7, 3),
        theory.FreshReal(2, 5, weight=THIRD),
        theory.Accumulate(7, 3),
        theory.AccumulateSubsample(7, 3, 2),
        theory.AccumulateSubsample(7, 3, 2, replacement=True),
        theory.RandomPast(7),
    ],
    ids=repr,
)
def test_limits_are_limits(workflow):
    """The form of the limit is the closed form after 10^40 generations, to thirty digits."""
    families = {-1: theory.Categorical([0.5, 0.5]), THIRD: theory.Gamma(3, 1.0)}
    for curvature in [-1] if isinstance(workflow, DRAWN) else families:
        forms, values = theorem_of(families[curvature], workflow).derived, letters(workflow, curvature)
        with mpmath.workdps(150):
            late = precisely(forms.expression, values | {m: 10**40}, drift_by_gamma)
            assert _close(precisely(forms.limit, values, drift_by_gamma), late, digits=30)


SMALL = Dummy("d", positive=True)  # n^(-1/2)


def _excess(theorem: theory.Theorem, bias: Expr) -> Expr:
    """Diversity in the limit over that of the truth, with N = n = M = d^-2 and v2 = -1."""
    left = (read(theorem, "G(oo) = ") * bias / V).subs({v2: -1, M: n, N: n}).subs(n, SMALL**-2)
    left = left.replace(
        lambda each: each.is_Pow and abs(each.exp) == S.Half, lambda each: factor(each.base) ** each.exp
    )
    return factor(left.replace(gamma, lambda argument: gamma(expand(argument))))


@pytest.mark.parametrize(
    ("theorem", "bias", "constant"),
    [
        pytest.param(ACCUMULATE, S.One, pi**2 / 6, id="accumulate"),
        pytest.param(SUBSAMPLE, 1 - 1 / M, pi**2 / 2 - 2, id="accumulate-subsample"),
        pytest.param(BOOTSTRAP, 1 - 1 / M, pi**2 / 3, id="accumulate-subsample/bootstrap"),
        pytest.param(RANDOM_PAST, 1 - 1 / n, pi**2 / 6, id="random-past"),
    ],
)
def test_constants_of_many_samples(theorem, bias, constant):
    """The gain (1 - G)/d^2 as d -> 0 is -G''(0)/2: symbolically."""
    left = _excess(theorem, bias)
    assert simplify(left.subs(SMALL, 0)) == 1
    assert simplify(left.diff(SMALL).subs(SMALL, 0)) == 0
    assert simplify(expand_func(-left.diff(SMALL, 2).subs(SMALL, 0) / 2) - constant) == 0


def test_sinc_forms():
    """N = n: accumulate tends to n (1 - sinc(n^-1/2)), a bootstrap's diversity to sinc(sqrt(2n - 1)/n)."""
    left = gammasimp(_excess(ACCUMULATE, S.One))
    assert simplify(left - sine(pi * SMALL) / (pi * SMALL)) == 0
    for size in (2, 3, 10):
        settled = (
            1
            - theory.gain_limit(
                theory.Categorical([0.5, 0.5]), theory.AccumulateSubsample(size, size, replacement=True)
            )
            / size
        )
        angle = math.sqrt(2 * size - 1) / size * math.pi
        assert math.isclose(settled, math.sin(angle) / angle, rel_tol=1e-13)


def test_fixed_real_stays_below_three_halves():
    """Limit gain 1 + (N + v2) n/(N^2 + 2 N n - v2 n): it rises with n, to 3/2 only for N -> infinity (v2 = -1)."""
    settled = read(FIXED_REAL, "gain(oo) = ")
    assert simplify(settled - 1 - (N + v2) * n / (N**2 + 2 * N * n - v2 * n)) == 0
    supremum = limit(settled, n, oo)
    assert simplify(supremum - 1 - (N + v2) / (2 * N - v2)) == 0
    assert limit(supremum, N, oo) == Rational(3, 2)
    tokens = supremum.subs(v2, -1)
    assert factor(Rational(3, 2) - tokens).is_positive
    assert factor(settled.diff(n) * N).subs({v2: -1, N: N + 1}).simplify().is_positive


def test_fresh_real_helps_down_to_one_half():
    """Limit gain N(N + n)/(N^2 + 2 N n - v2 n): below 1 iff v2 <= N, N/(2N - v2) at n -> infinity, then 1/2."""
    settled = read(FRESH_REAL, "gain(oo) = ")
    assert simplify(settled - N * (N + n) / (N**2 + 2 * N * n - v2 * n)) == 0
    assert simplify(limit(settled, n, oo) - N / (2 * N - v2)) == 0
    assert limit(limit(settled, n, oo), N, oo) == Rational(1, 2)
    assert simplify((1 - settled) * (N**2 + 2 * N * n - v2 * n) - n * (N - v2)) == 0
    weighted = read(FRESH_WEIGHTED, "gain(oo) = ")
    assert simplify(weighted.subs(w, N / (N + n)) - settled) == 0


def test_one_sample_a_generation_is_a_polya_urn():
    """Accumulate with n = 1: gain 1 + (N-1)/(N+1), the second moment of the Dirichlet limit law."""
    settled = gammasimp(((V - read(ACCUMULATE, "G(oo) = ")) * N / V).subs({v2: -1, n: 1}))
    assert simplify(settled - 1 - (N - 1) / (N + 1)) == 0
    counts, total = (3, 2, 1), 6  # from this corpus on, the limit law is Dirichlet(3, 2, 1)
    second = sum(Fraction(each * (each + 1), total * (total + 1)) for each in counts)
    family = enumeration.categorical([Fraction(each, total) for each in counts])
    chain = enumeration.generations(family, theory.Accumulate(total, 1), 12, given={0: counts})
    drawn = [Fraction(total + when, total + when - 1) for when in range(1, 13)]  # (T + 1)/T of T exchangeable items
    assert [each.spread for each in chain] == [(1 - second) * each for each in drawn]


def test_replace_multiple_is_a_rising_product():
    """Sizes i n: G = V (1 + v2/n) prod (1 + v2/(i n)), which SymPy multiplies out to rising factorials."""
    closed = read(REPLACE_SIZES, "G(m)/G(1) = ")
    sizes = tuple(3 * each for each in range(2, 9))
    error = algebra.error(theory.Replace(sizes, real=3), THIRD, 8)
    for when in range(1, 9):
        grown = closed.subs({n: 3, v2: Rational(1, 3), m: when}).doit() * (1 + Rational(1, 9))
        grown = simplify(expand_func(grown))
        assert grown is not zoo and grown == 1 + Rational(1, 3) * Rational(
            error[when - 1].numerator, error[when - 1].denominator
        )


def test_printed_formula_of_fixed_real_misses_enumeration():
    """(A), eq. 9: as printed it misses the collision probability, with the sign turned it is exact."""
    (printed,) = FIXED_REAL.printed
    alpha = n / (N + n)
    beta, over = alpha**2 * (1 - 1 / n), 1 + (1 + 1 / N) * alpha
    corrected = printed.formula + 2 * (1 - 1 / N) * (1 - V) / over * alpha / N * beta**m
    found = enumeration.generations(TOKENS, theory.FixedReal(4, 3), 4)
    unit = TOKENS.variance
    for when in (1, 2, 3):
        at = {N: 4, n: 3, m: when, V: Rational(unit.numerator, unit.denominator)}
        collision = 1 - found[when].spread
        assert corrected.subs(at) == Rational(collision.numerator, collision.denominator)
        assert printed.formula.subs(at) != Rational(collision.numerator, collision.denominator)


WINDOWS = [
    theory.SlidingWindow(3, 2),
    theory.SlidingWindow(2, 3),
    theory.SlidingWindow(1, 2),
    theory.SlidingWindow(3, 9),
]


@pytest.mark.parametrize("workflow", WINDOWS, ids=repr)
def test_windows_are_enumerated(workflow):
    """Every chain of three tokens and of three trials; the recursion goes round in floats, the algebra in fractions."""
    for family, curvature in ((TOKENS, -1), (TRIALS, -THIRD)):
        found = enumeration.generations(family, workflow, 4)
        error = [each.error / family.variance for each in found]
        assert error == list(algebra.error(workflow, curvature, 4))
        assert [each.spread / family.variance for each in found] == [1 + curvature * each for each in error]
        rounded = recursion.error_over_v(workflow, float(curvature), [1, 2, 3, 4])
        np.testing.assert_allclose(rounded, list(map(float, error)), 1e-14)


@pytest.mark.parametrize("curvature", CURVATURES, ids=str)
@pytest.mark.parametrize("size", [1, 2, 7, 10**9])
@pytest.mark.parametrize("models", [1, 2, 5, 30])
def test_windows_go_round_as_the_algebra_says(models, size, curvature):
    """Twenty generations in fractions, before and after the truth has fallen out."""
    workflow = theory.SlidingWindow(size, models)
    expected = [float(each) for each in algebra.error(workflow, curvature, 20)]
    when = np.arange(1, 21)
    np.testing.assert_allclose(recursion.error_over_v(workflow, float(curvature), when), expected, 1e-13)
    if models == 1:
        assert list(algebra.error(theory.Replace(size), curvature, 20)) == list(algebra.error(workflow, curvature, 20))


@pytest.mark.parametrize("models", [2, 3, 8])
def test_a_window_slows_collapse_and_does_not_stop_it(models):
    """Diversity shrinks by 1 - 4/(n(K+1)^2) a generation, up to 1/n^2; its end is the limit."""
    family, size = theory.Categorical([0.5, 0.5]), 500
    workflow = theory.SlidingWindow(size, models)
    late = theory.diversity(family, workflow, [4000, 4001])
    assert 1 - late[1] / late[0] == pytest.approx(4 / (size * (models + 1) ** 2), rel=3 / size)
    assert theory.gain_limit(family, workflow) == size
    assert theory.gain(family, theory.SlidingWindow(2, models), 3000) == pytest.approx(2, rel=1e-9)
    assert theory.gain_limit(theory.Poisson(1.0), workflow) == math.inf


def test_a_random_past_is_accumulate_of_equal_batches():
    """At v2 = -1 the same error, generation by generation; at others not."""
    for size in (1, 2, 9):
        past, kept = theory.RandomPast(size), theory.Accumulate(size, size)
        assert list(algebra.error(past, -1, 12)) == list(algebra.error(kept, -1, 12))
        assert list(algebra.error(past, 0, 12))[2:] != list(algebra.error(kept, 0, 12))[2:]


@pytest.mark.parametrize("size", [3, 20, 10**6, 10**9])
@pytest.mark.parametrize("curvature", [-0.2, 0.0, 1.0])
def test_the_limit_of_a_random_past(size, curvature):
    """Against a late generation, and what is left by then: errors still to come sum to about (V + ..)/(n m)."""
    workflow, late = theory.RandomPast(size), 200_000
    limit = recursion.limit_over_v(workflow, curvature)
    found, before = recursion.error_over_v(workflow, curvature, [late, late // 2])
    settling = 1 - (1 + max(curvature, 0)) / size  # the gap shrinks at least like m to this power
    gap, earlier = limit - found, limit - before
    assert 0 < gap < limit * 2 / late**settling
    assert earlier / gap == pytest.approx(2, rel=0.4) or size == 3
    assert theory.gain_limit(theory.Gamma(0.5, 1.0), theory.RandomPast(3)) == math.inf


@pytest.mark.parametrize("sizes", [(500, 7), (1, 500), (500, 1, 9)])
def test_after_one_sample_all_is_lost_whatever_size_comes_then(sizes):
    """A generation of one sample among given sizes: the error is V from there on, as the algebra of a schedule says."""
    f = theory.Categorical([0.5, 0.3, 0.2])
    real = 1 if 1 not in sizes else 10
    found = theory.error(f, theory.Replace(sizes, real=real), np.arange(1, len(sizes) + 2))
    count = len(sizes) + 1
    chain = theory.Schedule(size=[real, *sizes], source=np.eye(count, count + 1), weight=np.eye(count))
    np.testing.assert_allclose(found, theory.error(f, chain, np.arange(1, count + 1)), rtol=1e-14)
    assert found[-1] == pytest.approx(f.v, rel=1e-14) and np.isfinite(found).all()
