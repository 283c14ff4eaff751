"""One round with a teacher, or with oneself: every sample that can be drawn, every number of them, and every estimate."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import lambdify

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.proofs.rational import exactly
from modelcollapse.simulate import own_samples
from modelcollapse.theory import no_free_lunch, teacher
from modelcollapse.theory.symbols import N, Nt, V, alpha, n, o, v2
from modelcollapse.theory.worth import pooled_error

CASES = [
    (3, 2, 4, 0),
    (3, 2, 4, 3),
    (3, 2, 3, 3),
    (3, 3, 4, 2),
    (2, 1, 1, 1),
    (1, 4, 1, 0),
    (4, 3, 2, 1),
]  # N, n, N_T, shared


STUDENT = lambdify((N, n, Nt, o, v2), teacher.student().subs(V, 1), modules="math")


def error(real, synthetic, one, curvature):
    return STUDENT(*map(Fraction, (real, synthetic, one.real, one.shared, curvature)))


@pytest.mark.parametrize(("real", "synthetic", "size", "shared"), CASES)
@pytest.mark.parametrize("family", ["tokens", "trials"])
def test_the_error_is_that_of_every_sample_there_is(real, synthetic, size, shared, family):
    """The teacher's and the student's samples and those that are written, in fractions, for v2 = -1 and -1/3."""
    law, curvature = {"tokens": (enumeration.TOKENS, -1), "trials": (enumeration.TRIALS, Fraction(-1, 3))}[family]
    one = theory.Teacher(size, shared)
    found = enumeration.generations(law, theory.taught(real, synthetic, one), 2)
    assert found[0].error == law.variance / size
    assert found[1].error == law.variance * error(real, synthetic, one, curvature)


FAMILIES = st.sampled_from([
    theory.Categorical([0.5, 0.5]), theory.Binomial(3, 0.5), theory.Poisson(2.0), theory.Gamma(2, 1.0),
    theory.NegativeBinomial(0.25, 2.0), theory.Gaussian(), theory.Gaussian(unbiased=True),
])  # fmt: skip


@given(FAMILIES, st.integers(1, 40), st.integers(1, 90), st.integers(1, 60), st.integers(0, 60))
@settings(max_examples=60)
def test_the_algebra_of_any_schedule_says_the_same(f, real, size, synthetic, shared):
    one = theory.Teacher(size, min(shared, real, size))
    found = theory.teacher_error(f, real, synthetic, one)
    exact = error(real, synthetic, one, Fraction(f.v2))
    assert found == pytest.approx(float(exact * Fraction(f.v)), rel=1e-13)
    if not isinstance(f, theory.Gaussian):
        assert theory.error(f, theory.taught(real, synthetic, one), 2) == pytest.approx(float(found), rel=1e-12)


@given(
    FAMILIES, st.integers(1, 40), st.integers(1, 90), st.sampled_from(["independent", "nested", "partly"]), st.data()
)
@settings(max_examples=80)
def test_what_helps_is_what_helps(f, real, size, kind, data):
    """Every number up to where nothing new happens, in fractions: which help, the best and the worst."""
    most = min(real, size)
    shared = {"independent": 0, "nested": most}.get(kind, data.draw(st.integers(0, most)))
    one = theory.Teacher(size, shared)
    found = theory.helpful_synthetic(f, real, one)
    alone, ends = Fraction(1, real), Fraction(1, size)
    errors = [error(real, each, one, Fraction(f.v2)) for each in range(250)]
    for each, value in enumerate(errors[1:], start=1):
        assert (value < alone) == (found.at_least <= each <= found.samples)
    best, worst = min(errors), max(errors)
    if found.best == math.inf:
        assert ends <= best and found.error == pytest.approx(float(ends * Fraction(f.v)))
    elif found.best < 250:
        assert errors[int(found.best)] == best <= ends
        assert found.error == pytest.approx(float(best * Fraction(f.v)))
    if found.worst == math.inf:
        assert ends >= worst
    elif found.worst < 250:
        assert errors[int(found.worst)] == worst >= ends


def test_scarce_real_data_gain_and_ample_real_data_lose():
    """The nested teacher: the boundary is exactly N_T = 2N + v2; a self teacher costs at most a quarter more."""
    for f in (theory.Categorical([0.5, 0.5]), theory.Poisson(1.0), theory.Gamma(1, 1.0)):
        for real in (1, 7, 100):
            edge = 2 * real + f.v2
            above = theory.helpful_synthetic(f, real, theory.Teacher(int(edge) + 1, shared=real))
            assert (above.at_least, above.samples, above.worst) == (1, math.inf, 0)
            if edge > real:
                assert theory.helpful_synthetic(f, real, theory.Teacher(int(edge), shared=real)).samples == math.inf
            if edge - 1 > real:
                below = theory.helpful_synthetic(f, real, theory.Teacher(int(edge) - 1, shared=real))
                assert below.at_least > 1 or below.worst > 0
    own = theory.helpful_synthetic(theory.Categorical([0.5, 0.5]), 100, theory.Teacher(100, shared=100))
    assert (own.at_least, own.samples, own.best, own.worst) == (1, 0, 0, 100)
    assert error(100, 100, theory.Teacher(100, 100), -1) == Fraction(1, 100) * (1 + Fraction(99, 400))
    page = theory.helpful_synthetic(theory.Poisson(1.0), 60, theory.Teacher(100, shared=60))  # leading order: 12 and 30
    assert (page.worst, page.at_least) == (12, 31)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_an_independent_teacher_is_a_source_worth_its_real_samples(real, synthetic, size):
    f = theory.Categorical([0.5, 0.3, 0.2])
    source = theory.Source(size, 1 - 1 / size) if size > 1 else theory.Source(1, 1e-300)
    expected = pooled_error(real, synthetic, source, f.v)
    assert theory.teacher_error(f, real, synthetic, theory.Teacher(size)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("real", [1, 2, 10**9])
@pytest.mark.parametrize("size", [1, 2, 10**9])
@pytest.mark.parametrize("synthetic", [0, 1, 10**6, 10**12])
@pytest.mark.parametrize("f", [theory.Categorical([0.5, 0.5]), theory.Binomial(7, 0.5), theory.Gamma(0.01, 1.0)])
def test_digits(real, size, synthetic, f):
    for shared in {0, min(real, size)}:
        one = theory.Teacher(size, shared)
        exact = float(error(real, synthetic, one, Fraction(f.v2)) * Fraction(f.v))
        assert theory.teacher_error(f, real, synthetic, one) == pytest.approx(exact, rel=1e-12, abs=1e-300)


def test_under_jax_the_same_with_gradients_and_nan_where_it_would_be_refused():
    def ask(real, synthetic, size, shared):
        return theory.teacher_error(theory.Gamma(2.0, 1.0), real, synthetic, theory.Teacher(size, shared))

    at = (60.0, 12.0, 100.0, 40.0)
    assert float(jax.jit(ask)(*at)) == pytest.approx(float(ask(60, 12, 100, 40)), rel=1e-14)
    for place, slope in enumerate(jax.grad(ask, argnums=(0, 1, 2, 3))(*at)):
        up, down = (tuple(x + sign * 1e-3 * (place == k) for k, x in enumerate(at)) for sign in (1, -1))
        assert float(slope) == pytest.approx((float(ask_at(ask, up)) - float(ask_at(ask, down))) / 2e-3, rel=1e-5)
    many = jax.vmap(ask, in_axes=(None, 0, None, None))(60.0, np.arange(4.0), 100.0, 40.0)
    assert np.asarray(many).tolist() == pytest.approx([float(ask(60, each, 100, 40)) for each in range(4)])
    for bad in (
        (60.0, 12.0, 30.0, 40.0),
        (30.0, 12.0, 100.0, 40.0),
        (0.0, 12.0, 100.0, 0.0),
        (60.0, -1.0, 100.0, 40.0),
    ):
        assert math.isnan(float(jax.jit(ask)(*bad)))


def ask_at(ask, at):
    return jax.jit(ask)(*at)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: theory.Teacher(0), "real"),
        (lambda: theory.Teacher(5, 6), "shared"),
        (lambda: theory.Teacher(5, -1), "shared"),
        (lambda: theory.teacher_error(theory.Poisson(1.0), 3, 2, theory.Teacher(5, 4)), "shares no more"),
        (lambda: theory.teacher_error(theory.Poisson(1.0), 3, 2, 5), "Teacher"),
        (lambda: theory.teacher_error(theory.LinearRegression(3), 9, 2, theory.Teacher(5)), "quadratic"),
        (lambda: theory.helpful_synthetic(theory.Poisson(1.0), np.array([3, 4]), theory.Teacher(5)), "one number"),
        (lambda: theory.taught(3, 0, theory.Teacher(5)), "synthetic"),
        (lambda: theory.taught(3, 1, theory.Teacher(5, 4)), "shares no more"),
        (lambda: theory.rao_blackwell(theory.Poisson(1.0), [[0.0, 1.0]]), "Binomial"),
        (lambda: theory.rao_blackwell(theory.Binomial(2, 0.5), [[0.0, 1.0]]), "shape"),
    ],
)
def test_refusals(call, told):
    with pytest.raises(theory.InputError, match=told) as found:
        call()
    assert "\n" not in str(found.value)


SHARES = st.fractions(0, 1, max_denominator=12)
ESTIMATES = st.fractions(-2, 2, max_denominator=6)


@given(st.integers(1, 5), st.integers(1, 4), SHARES, st.data())
@settings(max_examples=60)
def test_any_estimate_with_own_samples_is_its_mean_over_them_plus_noise(real, own, p, data):
    """In fractions, for any estimate of a chance; and for every convex risk tried the mean over own samples is no worse."""
    table = [[data.draw(ESTIMATES) for _ in range(own + 1)] for _ in range(real + 1)]

    def law(size, chance):
        return [math.comb(size, k) * chance**k * (1 - chance) ** (size - k) for k in range(size + 1)]

    outer = law(real, p)
    inner = [law(own, Fraction(x, real)) for x in range(real + 1)]
    means = [sum(c * t for c, t in zip(row, line, strict=True)) for row, line in zip(inner, table, strict=True)]

    def risk(loss, given):
        return sum(chance * c * loss(given(x, k) - p) for x, chance in enumerate(outer) for k, c in enumerate(inner[x]))

    with_own, without = (lambda x, k: table[x][k]), (lambda x, k: means[x])
    noise = sum(c * sum(w * (t - m) ** 2 for w, t in zip(row, line, strict=True))
                for c, row, line, m in zip(outer, inner, table, means, strict=True))  # fmt: skip
    assert risk(lambda off: off**2, with_own) == risk(lambda off: off**2, without) + noise
    for loss in (abs, lambda off: off**4, lambda off: max(off, -3 * off), lambda off: max(0, off - Fraction(1, 3))):
        assert risk(loss, without) <= risk(loss, with_own)
    if 0 < p < 1:
        found = theory.rao_blackwell(theory.Binomial(real, float(p)), [[float(t) for t in line] for line in table])
        exact = (risk(lambda off: off**2, with_own), risk(lambda off: off**2, without), noise)
        assert found == pytest.approx([float(each) for each in exact], rel=1e-12, abs=1e-14)


@given(st.integers(1, 6), st.integers(1, 6), st.fractions(0, 1, max_denominator=8))
@settings(max_examples=30)
def test_the_mean_with_own_samples_pays_their_noise(real, own, weight):
    """At any weight, not only pooled: by the closed form and by all outcomes; pooled it is the self teacher's student."""
    p = 0.3
    table = [[float(1 - weight) * x / real + float(weight) * k / own for k in range(own + 1)] for x in range(real + 1)]
    found = theory.rao_blackwell(theory.Binomial(real, p), table)
    expected = exactly(no_free_lunch.own_noise(), {N: real, n: own, V: 1, v2: -1, alpha: weight}) * Fraction(
        p * (1 - p)
    )
    assert found.noise == pytest.approx(float(expected), rel=1e-12, abs=1e-16)
    assert found.without == pytest.approx(p * (1 - p) / real, rel=1e-12)
    if weight == Fraction(own, real + own):
        assert found.error == pytest.approx(
            theory.teacher_error(theory.Binomial(1, p), real, own, theory.Teacher(real, real)), rel=1e-12
        )


def test_own_samples_of_a_model_that_knows_one_answer_give_it():
    """By hand: of one real sample the model is certain, and all of its own say the same."""
    real, repeated = (
        np.asarray(each) for each in own_samples.pairs(theory.Binomial(1, 0.5), 6, jax.random.key(2), 400)
    )
    assert set(real) == {0, 1}
    assert (repeated == 6 * real).all()
