"""A portfolio errs as every draw of it says, in fractions, and as points that are drawn, verified and subsampled."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from itertools import combinations, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.proofs.budget import standard_scores, threshold
from modelcollapse.simulate import portfolio as lived
from modelcollapse.theory import algebra, source
from modelcollapse.theory.symbols import B, V, delta

F = Fraction
SOURCE = theory.Source(F(1, 9), F(4))  # 3 off, of twice the spread
VERIFIER = theory.Correction(F(1, 3), F(1, 4), noise=F(1, 4))  # 2 off
BIAS, SPREAD = {1: 3, 3: 2}, {0: F(1), 1: F(2), 2: F(1), 3: F(1, 2)}


def exact(size, weight, train=None):
    return theory.Portfolio(
        np.array(size, object), np.array(weight, object), None if train is None else np.array(train, object)
    )


def zeros(generations):
    return [[[F(0)] * 4 for _ in range(generations)] for _ in range(generations)]


def cases():
    """Portfolios of few samples: sources and verified samples; subsamples; batches kept."""
    weight = zeros(2)
    weight[0][0][:2] = [F(3, 4), F(1, 4)]
    weight[1][0][:2] = [F(1, 2), F(1, 8)]
    weight[1][1][2:] = [F(1, 8), F(1, 4)]
    yield "two generations", exact([[2, 1, 0, 0], [0, 0, 1, 2]], weight)
    train = np.zeros((2, 2, 4), int).astype(object)
    train[0, 0, :2], train[1, 0, :2], train[1, 1, 2:] = [1, 1], [2, 1], [1, 1]
    yield "subsampled", exact([[2, 1, 0, 0], [0, 0, 2, 2]], weight, train)
    weight = zeros(3)
    weight[0][0][0] = F(1)
    weight[1][0][0], weight[1][1][3] = F(1, 3), F(2, 3)
    weight[2][1][3], weight[2][2] = F(1, 5), [F(1, 5), F(1, 5), F(1, 5), F(1, 5)]
    yield "three generations", exact([[1, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]], weight)


def enumerated(portfolio):
    """Mean squared error over all signs of all noises and biases, and all subsamples; the truth is 0."""
    generations = len(portfolio.size)
    states = {(((), ()), one, other): F(1, 4) for one, other in product((-1, 1), repeat=2)}
    found = []
    for t in range(generations):
        after = defaultdict(F)
        for ((batches, models), one, other), chance in states.items():
            centres = {0: F(0), 1: F(one * BIAS[1]), 2: models[-1] if models else None}
            if models:
                centres[3] = (1 - VERIFIER.contraction) * models[-1] + VERIFIER.contraction * other * BIAS[3]
            bought = [(k, int(portfolio.size[t, k])) for k in range(4) if portfolio.size[t, k]]
            for signs in product((-1, 1), repeat=sum(each[1] for each in bought)):
                left, new = list(signs), []
                for k, number in bought:
                    new.append(((t, k), tuple(sorted(centres[k] + SPREAD[k] * left.pop() for _ in range(number)))))
                for value, share in models_of(portfolio, t, batches + tuple(new)):
                    after[(batches + tuple(new), (*models, value)), one, other] += chance * share / 2 ** len(signs)
        states = after
        found.append(sum(chance * state[0][1][-1] ** 2 for state, chance in states.items()))
    return found


def models_of(portfolio, t, batches):
    """Each model that subsamples can make, with its chance."""
    choices = []
    for (s, k), points in batches:
        used = len(points) if portfolio.train is None else int(portfolio.train[t, s, k])
        share = portfolio.weight[t, s, k]
        every = list(combinations(points, used)) if share else [()]
        choices.append([(share * sum(each, F(0)) / max(used, 1), F(1, len(every))) for each in every])
    for each in product(*choices):
        yield sum(value for value, _ in each), math.prod((chance for _, chance in each), start=F(1))


@pytest.mark.parametrize(("name", "portfolio"), list(cases()))
def test_the_error_is_that_of_every_draw_there_is(name, portfolio):
    found = theory.portfolio_moments(portfolio, SOURCE, VERIFIER).diagonal().tolist()
    assert found == enumerated(portfolio)
    assert all(isinstance(each, Fraction) for each in found)


@pytest.mark.parametrize("v2", [-1, 0, F(-1, 3), 2])
def test_without_outsiders_it_is_the_workflow_algebra(v2):
    """Accumulate, and fresh real data, in fractions and as floats."""
    size, weight = np.zeros((4, 4), int).astype(object), zeros(4)
    size[0, 0], size[1:, 2] = 7, 5
    for t in range(4):
        for s in range(t + 1):
            weight[t][s][0 if s == 0 else 2] = F(5 if s else 7, 7 + 5 * t)
    expected = algebra.covariance(theory.Accumulate(7, 5), v2, 4)
    found = theory.portfolio_moments(exact(size, weight), v2=v2)
    assert found.tolist() == expected.tolist()
    size[1:, 0], weight = 7, zeros(4)
    weight[0][0][0] = F(1)
    for t in range(1, 4):
        weight[t][t][0], weight[t][t][2] = F(2, 3), F(1, 3)
    fresh = algebra.covariance(theory.FreshReal(7, 5, F(2, 3)), v2, 4)
    assert theory.portfolio_moments(exact(size, weight), v2=v2).tolist() == fresh.tolist()
    floats = theory.portfolio_moments(theory.Portfolio(size.astype(float), np.array(weight, float)), v2=float(v2))
    assert floats == pytest.approx(fresh.astype(float), rel=1e-13)


def test_under_jax_the_same_and_the_slope_is_the_difference():
    _, portfolio = list(cases())[1]
    size, weight, train = (np.asarray(getattr(portfolio, name), float) for name in ("size", "weight", "train"))
    outside = theory.Source(1 / 9, 4.0), theory.Correction(1 / 3, 1 / 4, noise=1 / 4)

    @jax.jit
    def last(size):
        made = object.__new__(theory.Portfolio)
        for name, value in (("size", size), ("weight", jnp.asarray(weight)), ("train", jnp.asarray(train))):
            object.__setattr__(made, name, value)
        return theory.portfolio_moments(made, *outside)[-1, -1]

    assert float(last(jnp.asarray(size))) == pytest.approx(float(enumerated(portfolio)[-1]), rel=1e-13)
    slope = jax.grad(last)(jnp.asarray(size))
    for place in np.argwhere(size > 0):
        move = np.zeros_like(size)
        move[tuple(place)] = 1e-6
        both = float(last(jnp.asarray(size + move)) - last(jnp.asarray(size - move))) / 2e-6
        assert float(slope[tuple(place)]) == pytest.approx(both, rel=1e-6, abs=1e-9)
    assert np.isfinite(np.asarray(slope)).all()


def test_points_that_are_verified_and_subsampled_err_as_much():
    """20,000 chains of Gaussian points: rejection by the verifier, subsamples without replacement."""
    outside = theory.Source(15.0, 0.6), theory.Correction(0.4, 10.0)
    size = np.array([[12, 6, 0, 0], [0, 0, 9, 10], [4, 0, 0, 8]])
    weight, train = np.zeros((3, 3, 4)), np.zeros((3, 3, 4), int)
    weight[0, 0, :2], weight[1, 0, :2], weight[1, 1, 2:] = [0.8, 0.2], [0.3, 0.1], [0.1, 0.5]
    weight[2, 0, 0], weight[2, 1, 3], weight[2, 2, 0], weight[2, 2, 3] = 0.2, 0.2, 0.1, 0.5
    train[weight > 0] = np.broadcast_to(size, (3, 3, 4))[weight > 0]
    train[1, 0, 0], train[2, 0, 0], train[2, 1, 3] = 5, 7, 3
    portfolio = theory.Portfolio(size, weight, train)
    predicted = theory.portfolio_moments(portfolio, *outside).diagonal()
    seen = np.asarray(lived.errors(jax.random.key(0), portfolio, *outside, 20_000))
    assert abs(standard_scores(seen, predicted)).max() < threshold(3)


def test_a_correction_and_its_source_tell_as_much():
    """From a kept sample and the last model the centre can be had, with this noise."""
    for contraction, noise in ((0.25, 0.75), (1.0, 0.0), (0.5, 2.0)):
        told = theory.Correction(contraction, 40.0, noise=noise).as_source
        assert told.worth == 40.0
        assert told.noise == pytest.approx(noise / contraction**2, rel=1e-15, abs=1e-300)
    assert source.squared_bias(B) == V / B
    assert source.worth_of().subs(delta**2, V / B) == B


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: theory.Correction(0, 3), "above 0"),
        (lambda: theory.Correction(0.5, -1), "worth"),
        (lambda: theory.Correction(0.5, 3, keep=0), "kept"),
        (lambda: theory.Correction(0.5, 3, noise=-1), "variance of a kept"),
        (lambda: exact([[2, 0, 1, 0]], [[[1, 0, 0, 0]]]), "of what model"),
        (lambda: exact([[2, 0, 0, 0]], [[[F(1, 2), 0, 0, 0]]]), "sum to one"),
        (lambda: exact([[2, 0, 0, 0]], [[[F(1, 2), F(1, 2), 0, 0]]]), "has been bought"),
        (lambda: exact([[2, 0, 0, 0]], [[[1, 0, 0, 0]]], [[[3, 0, 0, 0]]]), "at most what was bought"),
        (lambda: exact([[2, 0, 0]], [[[1, 0, 0, 0]]]), "shape"),
        (lambda: theory.portfolio_moments(exact([[0, 2, 0, 0]], [[[0, 1, 0, 0]]])), "need a source"),
        (lambda: theory.portfolio_moments(exact([[2, 0, 0, 0]], [[[1, 0, 0, 0]]]), SOURCE, v2=-1), "v2"),
    ],
)
def test_refusals(call, told):
    with pytest.raises(theory.InputError, match=told) as found:
        call()
    assert "\n" not in str(found.value)
