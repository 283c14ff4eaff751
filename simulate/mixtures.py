r"""Gaussian mixtures: samples of them, and fits by expectation maximisation."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory.family import GaussianMixture

from . import linear
from .stream import Stream, normal, part, uniform


class Mixture(NamedTuple):
    """Weights (K,), means (K, d) and lower triangular factors (K, d, d) of the covariances of K normal laws."""

    weights: jax.Array
    means: jax.Array
    factors: jax.Array


def truth(f: GaussianMixture) -> Mixture:
    """The mixture of the family."""
    weights, means, covariances = (jnp.asarray(each, float) for each in (f.weights, f.means, f.covariances))
    return Mixture(weights, means, jax.vmap(linear.cholesky)(covariances))


def points(stream: Stream, model: Mixture, n: int) -> jax.Array:
    """``n`` (static) samples: (n, d)."""
    height = uniform(part(stream, 0), (n,)) * jnp.sum(model.weights)
    component = jnp.sum(height[:, None] >= jnp.cumsum(model.weights)[:-1], axis=1)
    numbers = normal(part(stream, 1), (n, model.means.shape[1]))
    each = jnp.eye(len(model.weights), dtype=numbers.dtype)[component]  # (n, K)
    return each @ model.means + jnp.einsum("nk,kij,nj->ni", each, model.factors, numbers)


def fit(f: GaussianMixture, samples: jax.Array, weights: jax.Array, before: Mixture) -> Mixture:
    """The mixture after the family's steps from ``before``, on points (N, d) of ``weights`` (N,) summing to one.

    Whatever a step divides among the components, their weighted means add up to the mean of the points, and what lies within
    and between them to its covariance. A component that no point is left to keeps its place, and the weight 0.
    """

    def step(_: Any, model: Mixture) -> Mixture:
        shares = jax.nn.softmax(log_parts(model, samples), axis=0) * weights  # (K, N)
        of = jnp.sum(shares, axis=1)
        alive = of > 0
        means = jnp.where(alive[:, None], shares @ samples / jnp.where(alive, of, 1.0)[:, None], model.means)
        apart = samples - means[:, None]  # (K, N, d)
        squares = jnp.einsum("kn,kni,knj->kij", shares, apart, apart)
        average = jnp.sum(squares, axis=0)
        own = squares / jnp.where(alive, of, 1.0)[:, None, None]
        kept = jnp.where(alive, 1 - jnp.asarray(f.shrinkage, float), 0.0)[:, None, None]
        return Mixture(of, means, jax.vmap(linear.cholesky)(kept * own + (1 - kept) * average))

    return Mixture(*lax.fori_loop(0, f.iterations, step, before))


def log_parts(model: Mixture, samples: jax.Array) -> jax.Array:
    """Logarithm of each component's part of the density at points (N, d), but for a constant: (K, N)."""

    def one(weight: jax.Array, mean: jax.Array, factor: jax.Array) -> jax.Array:
        standard = linear.forward(factor, (samples - mean).T)
        return jnp.log(weight) - jnp.sum(jnp.log(jnp.diagonal(factor))) - jnp.sum(standard**2, axis=0) / 2

    return jax.vmap(one)(*model)


def moments(model: Mixture) -> tuple[jax.Array, jax.Array]:
    """The mean (d,) of a mixture, and the trace of its covariance."""
    mean = model.weights @ model.means
    squares = jnp.sum(model.factors**2, axis=(1, 2)) + jnp.sum((model.means - mean) ** 2, axis=1)
    return mean, model.weights @ squares


def squared_difference(one: Mixture, other: Mixture) -> jax.Array:
    r""":math:`\int (f - g)^2`: of normal laws :math:`\int N(x; a, A) N(x; b, B) dx = N(a - b; 0, A + B)`."""
    weights = jnp.concatenate([one.weights, -other.weights])
    means = jnp.concatenate([one.means, other.means])
    factors = jnp.concatenate([one.factors, other.factors])
    covariances = factors @ jnp.swapaxes(factors, 1, 2)
    d = means.shape[1]

    def overlap(first: Any, second: Any) -> jax.Array:
        factor = linear.cholesky(covariances[first] + covariances[second])
        standard = linear.forward(factor, (means[first] - means[second])[:, None])
        return jnp.exp(-jnp.sum(standard**2) / 2 - jnp.sum(jnp.log(jnp.diagonal(factor))))

    every = jnp.arange(len(weights))
    table = jax.vmap(lambda i: jax.vmap(lambda j: overlap(i, j))(every))(every)
    return weights @ table @ weights / np.sqrt(2 * np.pi) ** d
