"""What data of uncertain origin is worth: exact for every item that can be drawn, between nothing known and all known."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import lambdify

from modelcollapse import theory, verify
from modelcollapse.theory import algebra, provenance
from modelcollapse.theory.symbols import T, V, alpha, iota, n, q0, q1, v2, varkappa

COIN = (Fraction(1, 3), Fraction(2, 3))
DETECTORS = {
    "unknown": ([Fraction(1)], [Fraction(1)]),
    "detector": ([Fraction(3, 4), Fraction(1, 4)], [Fraction(1, 5), Fraction(4, 5)]),
    "scores": ([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], [Fraction(1, 6), Fraction(1, 6), Fraction(2, 3)]),
    "known": ([Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]),
}
shares = st.floats(0, 0.999)
chances = st.floats(0, 1)
worth = lambdify((alpha, q1, q0), provenance.one_worth(), modules="math")
wavering = lambdify((alpha, q1, q0, v2), provenance.one_wavering(), modules="math")
following = lambdify((T, n, V, iota, varkappa), provenance.EFFECTIVE.derived.expression, modules="math")
weighing = lambdify((T, n, V, iota, varkappa, alpha), provenance.newest_weight(), modules="math")


def sums(share, detector, curvature):
    """iota and kappa as fractions."""
    pairs = [pair for pair in zip(*detector, strict=True) if pair[0]]
    total = sum(worth(share, *pair) for pair in pairs)
    return total, sum(wavering(share, *pair, curvature) for pair in pairs) - total**2


@pytest.mark.parametrize("name", DETECTORS)
def test_every_item_that_can_be_drawn(name):
    """Two real tosses of a coin, then two items: every origin, token and output, with the error as a fraction."""
    share, detector = Fraction(3, 5), DETECTORS[name]
    told, wavers = sums(share, detector, -1)
    start = 2 * COIN[0] * COIN[1] / 2  # error of two tosses, and V = 2 p (1-p)
    weight = weighing(start, 2, 2 * COIN[0] * COIN[1], told, wavers, share)
    ratio = [a / ((1 - share) * a + share * b) for a, b in zip(*detector, strict=True)]

    def error(weight):
        total = Fraction(0)
        for heads in range(3):
            chance = math.comb(2, heads) * COIN[0] ** heads * COIN[1] ** (2 - heads)
            model = (Fraction(heads, 2), Fraction(2 - heads, 2))
            items = [
                (x, o, (1 - share) * COIN[x] * detector[0][o] + share * model[x] * detector[1][o])
                for x in range(2)
                for o in range(len(ratio))
            ]
            assert sum(each for *_, each in items) == 1
            for pair in itertools.product(items, repeat=2):
                moved = [
                    model[side] + weight * sum(ratio[o] * ((x == side) - model[side]) for x, o, _ in pair) / 2
                    for side in range(2)
                ]
                away = sum((a - b) ** 2 for a, b in zip(moved, COIN, strict=True))
                total += chance * math.prod(each for *_, each in pair) * away
        return total

    assert error(weight) == following(start, 2, 2 * COIN[0] * COIN[1], told, wavers)
    assert error(weight + Fraction(1, 9)) == error(weight - Fraction(1, 9)) > error(weight)  # quadratic: least there


@given(
    st.sampled_from([-1, Fraction(-1, 4), 0, Fraction(1, 2)]),
    st.lists(
        st.tuples(st.integers(1, 20), st.fractions(0, Fraction(9, 10), max_denominator=10)), min_size=2, max_size=5
    ),
)
@settings(max_examples=30)
def test_where_nothing_is_known_it_is_a_schedule(curvature, rows):
    """Batch means weighed anew: the algebra gives the same error, as fractions; the function the same numbers."""
    sizes, drawn = zip(*rows, strict=True)
    errors, weights = [Fraction(1, sizes[0])], [Fraction(1)]
    for size, share in zip(sizes[1:], drawn[1:], strict=True):
        told, wavers = sums(share, DETECTORS["unknown"], curvature)
        weights.append(weighing(errors[-1], size, 1, told, wavers, share))
        errors.append(following(errors[-1], size, 1, told, wavers))
    schedule = theory.contaminated_stream(sizes, drawn[1:], weights)
    assert algebra.error(schedule, curvature, len(sizes)).tolist() == errors
    if curvature == -1:
        found = theory.effective_size(theory.Categorical([0.5, 0.5]), sizes, drawn[1:], theory.Unknown())
        np.testing.assert_allclose(found.samples, [float(1 / each) for each in errors], rtol=1e-13)
        np.testing.assert_allclose(found.weight, [float(each) for each in weights], rtol=1e-13)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("f", [theory.Categorical([0.5, 0.5]), theory.Poisson(2.0), theory.Gamma(2, 1.0)], ids=repr)
def test_the_function_follows_the_law(name, f):
    """The numbers of users beside the same steps as fractions."""
    share, detector, sizes = Fraction(2, 5), DETECTORS[name], (6, 4, 9)
    told, wavers = sums(share, detector, Fraction(f.v2))
    errors = [Fraction(1, 6)]
    for size in sizes[1:]:
        errors.append(following(errors[-1], size, 1, told, wavers))
    found = theory.effective_size(f, sizes, float(share), theory.Scores(*detector)).samples
    np.testing.assert_allclose(found, [float(1 / each) for each in errors], rtol=1e-13)


@given(shares, chances, chances)
@settings(max_examples=100)
def test_a_detector_lies_between_nothing_and_everything_known(share, true, false):
    """And never adds more than its least ratio of chances allows."""
    told = theory.information(share, theory.Detector(true, false))
    unknown, known = (theory.information(share, each) for each in (theory.Unknown(), theory.Known()))
    assert unknown == pytest.approx((1 - share) ** 2, rel=1e-12)
    assert known == pytest.approx(1 - share, rel=1e-12)
    least = min(b / a for a, b in ((true, false), (1 - true, 1 - false)) if a > 0)
    slack = 1 + 1e-12
    assert unknown <= told * slack
    assert told <= known * slack
    assert told <= unknown / (1 - share + share * least) * slack
    assert told <= unknown / max(1 - share, least, 1e-300) * slack  # as in print


def test_what_a_detector_adds_keeps_its_digits():
    """By hand (1-f)^2 f^2 (q1-q0)^2/(q(1-q)), q real calls in all; 0 where nothing is told apart."""
    assert [provenance.added(share, theory.Detector(1e-15, 1e-15)) for share in (0.0, 0.7, 1.0)] == [0, 0, 0]
    assert [provenance.added(share, theory.Detector(0.9, 0.2)) for share in (0, 1)] == [0, 0]
    assert provenance.added(0.5, theory.Detector(0.75, 0.25)) == 1 / 16 and provenance.added(
        0.7, theory.Known()
    ) == pytest.approx(0.21, rel=1e-14)
    assert provenance.added(0.5, theory.Detector(3e-15, 1e-15)) == pytest.approx(1.25e-16, rel=1e-12)
    for one in (theory.Detector(0.9, 0.2), theory.Scores([0.3, 0.6, 0.1], [0.05, 0.15, 0.8]), theory.Unknown()):
        gap = theory.information(0.3, one) - theory.information(0.3, theory.Unknown())
        assert provenance.added(0.3, one) == pytest.approx(gap, abs=1e-15)


def test_the_bound_is_reached():
    """By one that calls real all items of one kind: true_real = 1, where no output is likelier at a real item than another."""
    for share in (0.2, 0.9):
        told = theory.information(share, theory.Detector(1.0, 0.3))
        assert told == pytest.approx((1 - share) ** 2 / (1 - share + share * 0.3), rel=1e-14)


@pytest.mark.parametrize("share", [0.0, 0.3, 1 - 1e-9])
def test_detectors_that_say_the_same(share):
    """One that tosses a coin is none, one without error knows all; outputs may be renamed, and told apart in vain."""
    f, sizes = theory.Categorical([0.5, 0.3, 0.2]), [30, 10, 50]
    same = [
        (theory.Unknown(), theory.Detector(0.4, 0.4)),
        (theory.Known(), theory.Detector(1.0, 0.0)),
        (theory.Known(), theory.Detector(0.0, 1.0)),
        (theory.Detector(0.9, 0.2), theory.Scores([0.1, 0.9], [0.8, 0.2])),
        (theory.Detector(0.9, 0.2), theory.Scores([0.3, 0.6, 0.1, 0.0], [0.2 / 3, 0.4 / 3, 0.8, 0.0])),
    ]
    for one, other in same:
        assert theory.information(share, one) == pytest.approx(theory.information(share, other), rel=1e-13)
        pair = [theory.effective_size(f, sizes, share, each).samples for each in (one, other)]
        np.testing.assert_allclose(*pair, rtol=1e-13)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("known", [theory.Unknown(), theory.Detector(0.95, 0.05), theory.Known()], ids=repr)
def test_many_samples(share, known):
    """The leading order n iota, at a thousand million items; without synthetic ones every item counts as one."""
    sizes = [10**9, 10**8, 10**9]
    found = theory.effective_size(theory.Poisson(2.0), sizes, share, known)
    told = theory.information(share, known)
    expected = np.cumsum([sizes[0], *(told * each for each in sizes[1:])])
    np.testing.assert_allclose(found.samples, expected, rtol=1e-8)
    if share == 0:
        np.testing.assert_allclose(found.samples, np.cumsum(sizes), rtol=1e-14)


def test_weights_of_generations_remove_the_transition():
    """However large the share: n t T/V tends to 1/(1-share)^2, where the plain mean has no limit from one half on."""
    f = theory.Categorical([0.5, 0.5])
    for share in (0.3, 0.5, 0.8):
        found = theory.effective_size(f, [20] * 4000, share, theory.Unknown()).samples
        assert found[-1] / (20 * 4000) == pytest.approx((1 - share) ** 2, rel=2e-2)
        plain = f.v / theory.stream_error(f, 20, share, np.arange(1, 4001))
        assert (found >= plain * (1 - 1e-12)).all()


def test_arrays_and_the_ends_of_the_range():
    """Every entry as it is alone; of nothing real nothing is learnt."""
    true, gamma = np.array([0.9, 0.8, 0.7]), theory.Gamma(np.array([1.0, 2.0, 3.0]), 1.0)
    many = theory.effective_size(gamma, [5, 6, 7], [0.5, 0.2], theory.Detector(true, 0.1)).samples
    for place in range(3):
        alone = theory.effective_size(
            theory.Gamma(place + 1.0, 1.0), [5, 6, 7], [0.5, 0.2], theory.Detector(true[place], 0.1)
        )
        np.testing.assert_allclose(many[:, place], alone.samples, rtol=1e-14)
    for known in (theory.Unknown(), theory.Detector(0.9, 0.0), theory.Known()):
        assert theory.information(1, known) == 0
        assert theory.information(1e-300, known) == 1


def test_jax_gives_the_same_numbers_and_finite_gradients():
    f, sizes = theory.Categorical([0.5, 0.3, 0.2]), [30, 10, 50]

    def last(share, true, false):
        return theory.effective_size(f, sizes, share, theory.Detector(true, false)).samples[-1]

    slope = jax.jit(jax.value_and_grad(last, argnums=(0, 1, 2)))
    for where in ((0.5, 0.9, 0.2), (0.0, 0.9, 0.2), (0.5, 1.0, 0.0), (0.5, 0.5, 0.5)):
        value, slopes = slope(*map(jnp.asarray, where))
        assert float(value) == pytest.approx(float(last(*where)), rel=1e-13)
        assert np.isfinite(slopes).all()


@pytest.mark.parametrize(("sizes", "weight"), [((10, 39), 1.0), ((10, 41), math.nan)])
def test_a_batch_that_would_make_the_model_before_count_below_nothing_has_no_size(sizes, weight):
    """n alpha (1 - alpha) + alpha = N is the edge of one unbiased mean of n items: v2 = -1, alpha = 1/2, N = 10."""
    f = theory.Categorical([0.5, 0.5])
    traced = jax.jit(lambda share: theory.effective_size(f, sizes, share, theory.Unknown()))(0.5)
    assert float(traced.samples[-1]) == pytest.approx(20.0 if weight == 1 else weight, nan_ok=True)
    if weight == 1:
        assert theory.effective_size(f, sizes, 0.5, theory.Unknown()).weight[-1] == pytest.approx(weight)


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda f: theory.effective_size(f, [5, 5], 1.0, theory.Unknown()), "share=1.0"),
        (lambda f: theory.effective_size(f, [10, 41], 0.5, theory.Unknown()), "batch 2 is so large"),
        (lambda f: theory.effective_size(f, [10, 39, 84], 0.5, theory.Unknown()), "batch 3 is so large"),
        (lambda f: theory.effective_size(f, [], 0.5, theory.Unknown()), "sizes"),
        (lambda f: theory.effective_size(f, [5, 5], 0.5, "unknown"), "Unknown, Detector, Scores, Known"),
        (lambda f: theory.effective_size(theory.KernelDensity(0.5), [5, 5], 0.5, theory.Known()), "KernelDensity"),
        (lambda f: theory.Detector(1.2, 0.1), "true_real=1.2"),
        (lambda f: theory.Scores([0.5, 0.6], [0.5, 0.5]), "summing to one"),
        (lambda f: theory.Scores([0.5, 0.5], [1.0]), "each of the 2 outputs"),
        (lambda f: theory.information(1.5, theory.Known()), "share=1.5"),
    ],
)
def test_what_is_refused(call, fragment):
    with pytest.raises(theory.InputError, match=fragment):
        call(theory.Categorical([0.5, 0.5]))


def test_items_that_are_drawn_one_by_one_err_as_it_says():
    """Origin, token and what a detector says, for each way of knowing the origin."""
    assert all(each.passed for each in verify.verify(verify.chosen(["effective-size"])))
