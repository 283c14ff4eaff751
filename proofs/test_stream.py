"""A stream that its own models contaminate: exact, to rounding at every age, and with a transition at one half."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol, lambdify

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.theory import algebra, stream
from modelcollapse.theory.symbols import T, V, alpha, m, n, v2

FAMILIES = {-1: theory.Categorical([0.5, 0.5]), 0: theory.Poisson(1.0), 10: theory.Gamma(0.1, 1.0)}
SHARES = [0.0, 1e-9, 0.25, 0.5 - 1e-9, 0.5, 0.5 + 1e-9, 0.75, 1 - 1e-9]
step = lambdify((T, m, n, V, v2, alpha), stream.next_error(), modules="math")


def errors(curvature, batch, share, last, number=Fraction):
    """Errors over V of generations 1..last, by the one-step law."""
    given = [number(each) for each in (batch, 1, curvature, share)]
    found = [1 / given[0]]
    for when in range(1, last):
        found.append(step(found[-1], when, *given))
    return found


@given(
    st.sampled_from([-1, Fraction(-1, 3), 0, Fraction(1, 2), 3]),
    st.integers(1, 30),
    st.fractions(0, Fraction(19, 20), max_denominator=20),
)
@settings(max_examples=40)
def test_the_workflow_algebra_says_the_same(curvature, batch, share):
    """In fractions, of a schedule that averages all batches; and of batches whose sizes and shares differ, pooled by size."""
    found = algebra.error(theory.contaminated_stream([batch] * 6, share), curvature, 6)
    assert found.tolist() == errors(curvature, batch, share, 6)
    uneven = theory.contaminated_stream([batch, 3, 5], [share, Fraction(1, 2)])
    assert uneven.weight[2].tolist() == [Fraction(size, batch + 8) for size in (batch, 3, 5)]


@pytest.mark.parametrize(("alphabet", "curvature"), [(enumeration.TOKENS, -1), (enumeration.TRIALS, Fraction(-1, 3))])
def test_every_sample_that_can_be_drawn(alphabet, curvature):
    """Enumerated, with an origin for every sample."""
    found = enumeration.generations(alphabet, theory.contaminated_stream([2, 2, 2], Fraction(2, 3)), 3)
    expected = errors(curvature, 2, Fraction(2, 3), 3)
    assert [each.error / alphabet.variance for each in found] == expected


@pytest.mark.parametrize("curvature", FAMILIES)
@pytest.mark.parametrize("batch", [2, 10**9])
@pytest.mark.parametrize("share", SHARES)
def test_to_rounding(curvature, batch, share):
    """The step at 30 digits, up to where the power series has long taken over."""
    with mpmath.workdps(30):
        golden = errors(curvature, batch, share, 800, mpmath.mpf)
        at = np.r_[1:40, 100, 800]
        found = theory.stream_error(FAMILIES[curvature], batch, share, at) / FAMILIES[curvature].v
        assert max(abs(each / golden[when - 1] - 1) for each, when in zip(found, at, strict=True)) < 1e-14


def test_without_real_data_it_accumulates():
    for f in FAMILIES.values():
        found = theory.stream_error(f, 4, 1, np.arange(1, 60))
        np.testing.assert_allclose(found, theory.error(f, theory.Accumulate(4, 4), np.arange(1, 60)), rtol=1e-13)


def test_as_written_in_gamma_functions():
    """The closed form of the ledger by mpmath, at 40 digits, where its Gamma functions still fit."""
    names: dict = {}
    exec(stream.STREAM.code, names)
    for curvature, batch, share, late in ((-1, 3, "0.7", 300), (0, 10**6, "0.2", 300), (10, 4, "0.5", 200)):
        with mpmath.workdps(40):
            written = names["contaminated_stream"](1, mpmath.mpf(share), late, batch, curvature)
            assert abs(mpmath.im(written)) < 1e-30
            found = theory.stream_error(FAMILIES[curvature], batch, float(share), late) / FAMILIES[curvature].v
            assert abs(found / mpmath.re(written) - 1) < 1e-14


def test_the_rate_at_which_the_error_falls():
    """At 1e12 batches: like 1/t below one half, like log t / t there, like t^(-2 (1 - share)) above."""
    f = theory.Poisson(1.0)
    for share, rate in ((0.2, 1 / 0.6), (0.4, 5.0)):
        late = 1e12
        assert late * 7 * theory.stream_error(f, 7, share, late) == pytest.approx(rate, rel=1e-2)
    ratio = theory.stream_error(f, 7, 0.5, 1e12) / theory.stream_error(f, 7, 0.5, 1e6)
    assert ratio == pytest.approx(1e-6 * np.log(1e12) / np.log(1e6), rel=0.1)
    ratio = theory.stream_error(f, 7, 0.8, 1e12) / theory.stream_error(f, 7, 0.8, 1e6)
    assert ratio == pytest.approx(1e6 ** (-2 * 0.2), rel=1e-3)


@pytest.mark.parametrize("curvature", [-1, 0])
def test_the_constant_above_one_half(curvature):
    """3F2 at 1 over two Gamma functions, with nu^2 of the family: what m^(2(1-alpha)) n T/V tends to."""
    (constant,) = (each.expression for each in stream.STREAM.derivation if each.left == "C = ")
    share, batch, late = Rational(4, 5), 5, 1e15
    root = (share * (share - 1 - curvature) / batch) ** 0.5
    value = complex(constant.subs({alpha: share, Symbol("nu", positive=True): root}).evalf(20))
    found = late**0.4 * batch * theory.stream_error(FAMILIES[curvature], batch, 0.8, late) / FAMILIES[curvature].v
    assert abs(value.imag) < 1e-15
    assert found == pytest.approx(value.real, rel=1e-8)


def test_the_formula_as_printed():
    """Amin2026: ours for noise that does not depend on the model, as with many samples."""
    (printed,) = stream.STREAM.printed
    at = {V: 1, n: 10**12, alpha: Rational(3, 10), m: 12}
    exact = theory.stream_error(theory.Categorical([0.5, 0.5]), 10**12, 0.3, 12) * 2
    assert float(printed.formula.subs(at).doit().evalf(20)) == pytest.approx(exact, rel=1e-11)
    few = theory.stream_error(theory.Categorical([0.5, 0.5]), 2, 0.3, 12) * 2
    assert float(printed.formula.subs(at | {n: 2}).doit().evalf(20)) != pytest.approx(few, rel=1e-3)


def test_jax_gives_the_same_numbers_and_finite_gradients():
    f = theory.Categorical([0.5, 0.3, 0.2])

    def at(batch, share, generation):
        return theory.stream_error(f, batch, share, generation)

    late = np.array([0, 1, 5, 100, 10**9])
    found = jax.jit(jax.vmap(at, (None, None, 0)))(12.0, 0.5, jnp.asarray(late))
    np.testing.assert_allclose(found, theory.stream_error(f, 12, 0.5, late), rtol=1e-13)
    slope = jax.jit(jax.grad(at, argnums=(0, 1)))
    for share in (0.0, 0.5, 0.9):
        slopes = slope(12.0, share, 1000)
        high, low = (theory.stream_error(f, 12, share + h, 1000) for h in (1e-6, 0.0))
        assert np.isfinite(slopes).all()
        assert slopes[1] == pytest.approx((high - low) / 1e-6, rel=1e-4)


def test_what_is_not_allowed_is_no_number_inside_jit():
    f = theory.Poisson(1.0)
    stream = jax.jit(lambda batch, share: theory.stream_error(f, batch, share, 5))
    assert np.isnan([stream(0.5, 0.5), stream(5.0, 1.5), stream(5.0, -0.5)]).all()
    assert np.isfinite([stream(1.0, 0.0), stream(5.0, 1.0)]).all()


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda: theory.stream_error(FAMILIES[0], 5, 1.1, 3), "share=1.1"),
        (lambda: theory.stream_error(FAMILIES[0], 5, -0.1, 3), "share=-0.1"),
        (lambda: theory.stream_error(FAMILIES[0], 0, 0.5, 3), "batch=0"),
        (lambda: theory.stream_error(FAMILIES[0], 5, 0.5, 2.5), "generation=2.5"),
        (lambda: theory.stream_error(theory.Gamma(0.01, 1.0), 5, 0.5, 3), "larger batches"),
        (lambda: theory.stream_error(theory.LinearRegression(3), 5, 0.5, 3), "LinearRegression"),
        (lambda: theory.contaminated_stream([], 0.5), "sizes"),
        (lambda: theory.contaminated_stream([[5, 5], [1]], 0.5), "sizes"),
        (lambda: theory.contaminated_stream([5, 5], 0.5, [1]), "each of the 2 models"),
        (lambda: theory.contaminated_stream([5, 5], [0.5, 0.5]), "the first batch is real"),
    ],
)
def test_what_is_refused(call, fragment):
    with pytest.raises(theory.InputError, match=fragment):
        call()
