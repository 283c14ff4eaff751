r"""Kernels: the exact law of a model fitted on n samples of another, for each family.

A model is the fitted statistic itself: probabilities (V,) for the categorical family; a `Normal` (mean and a
triangular factor of the covariance) for the Gaussian; the mean, a scalar, for all others. Averages of
sufficient statistics are fits, so one draw from a known law replaces n samples, whatever n is.

``draw`` takes the size n as an array, so that another size does not compile again; ``most``, a static bound
on it, only chooses the way of sampling. Sizes are at least 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple, assert_never

import jax
import jax.numpy as jnp
from jax import random

from modelcollapse.theory.family import (
    Binomial,
    Categorical,
    Family,
    Gamma,
    Gaussian,
    NegativeBinomial,
    Poisson,
)

from . import sampling


class Normal(NamedTuple):
    """A Gaussian model: ``mean`` (d,) and ``factor`` (d, d), lower triangular, covariance = factor factor^T."""

    mean: jax.Array
    factor: jax.Array


Model = Any  # (V,) probabilities | Normal | scalar mean


def truth(f: Family) -> Model:
    """The model of generation 0."""
    match f:
        case Categorical():
            return jnp.asarray(f.p, float)
        case Gaussian():
            scale = jnp.sqrt(jnp.asarray(f.variance, float))
            return Normal(jnp.zeros(f.dimension, float), scale * jnp.eye(f.dimension, dtype=float))
        case Binomial():
            return jnp.asarray(f.trials, float) * jnp.asarray(f.p, float)
        case Poisson() | Gamma() | NegativeBinomial():
            return jnp.asarray(f.mean, float)
    assert_never(f)  # type: ignore[arg-type]  # check_run refuses the others


def repeat(model: Model, times: int) -> Model:
    """A model, ``times`` over along a new leading axis."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (times, *leaf.shape)), model)


def take(models: Model, index: jax.Array | int) -> Model:
    """The models at an index, or at an array of them."""
    return jax.tree.map(lambda leaf: leaf[index], models)


def put(models: Model, index: jax.Array, new: Model) -> Model:
    """The models with new ones in their places; an index out of bounds is dropped."""
    return jax.tree.map(lambda leaf, value: leaf.at[index].set(value, mode="drop"), models, new)


def draw(key: jax.Array, f: Family, model: Model, n: Any, most: int) -> Model:
    r"""The model fitted on ``n`` iid samples of ``model``, drawn from its exact law.

    Multinomial(n, p)/n; for the Gaussian, mean + L z / sqrt(n) and L A A^T L^T / n with Bartlett's triangular A
    of n - 1 degrees of freedom; Binomial(n K, theta/K)/n; Poisson(n theta)/n; theta Gamma(n k)/(n k);
    Poisson(Gamma(n s) theta/s)/n.
    """
    n = jnp.asarray(n, float)
    match f:
        case Categorical():
            return sampling.multinomial(key, n, model, most) / n
        case Gaussian():
            mean_key, factor_key = random.split(key)
            mean = model.mean + model.factor @ random.normal(mean_key, model.mean.shape, float) / jnp.sqrt(n)
            bartlett = sampling.bartlett(factor_key, f.dimension, n - 1)
            return Normal(mean, model.factor @ bartlett / jnp.sqrt(n - 1 if f.unbiased else n))
        case Binomial():
            return random.binomial(key, n * f.trials, jnp.clip(model / f.trials, 0, 1)) / n
        case Poisson():
            return random.poisson(key, n * model, dtype=int).astype(float) / n
        case Gamma():
            return model * random.gamma(key, n * f.shape) / (n * f.shape)
        case NegativeBinomial():
            rate_key, count_key = random.split(key)
            rate = random.gamma(rate_key, n * f.size) * model / f.size
            return random.poisson(count_key, rate, dtype=int).astype(float) / n
    assert_never(f)  # type: ignore[arg-type]  # check_run refuses the others


def combine(f: Family, weights: jax.Array, models: Model) -> Model:
    """The weighted mean of statistics: ``weights`` (B,), none below 0, summing to one; ``models`` with leading axis B.

    A mean lies between the least and the greatest of its terms; holding it there keeps dead tokens dead and
    collapsed models collapsed under rounding. Of Gaussians, the first two moments are averaged: the factor of
    sum w (C + delta delta^T) comes from a QR decomposition of the stacked factors, which loses no digits of a
    small or singular covariance.
    """
    if isinstance(f, Gaussian):
        mean = weights @ models.mean
        rows = jnp.concatenate([jnp.swapaxes(models.factor, 1, 2), (models.mean - mean[None])[:, None, :]], axis=1)
        return Normal(mean, triangle((jnp.sqrt(weights)[:, None, None] * rows).reshape(-1, f.dimension)))
    used = jnp.expand_dims(weights > 0, tuple(range(1, models.ndim)))
    least = jnp.min(jnp.where(used, models, jnp.inf), axis=0)
    greatest = jnp.max(jnp.where(used, models, -jnp.inf), axis=0)
    return jnp.clip(jnp.tensordot(weights, models, 1), least, greatest)


def triangle(rows: jax.Array) -> jax.Array:
    """The lower triangular factor of rows^T rows: (R, d) -> (d, d)."""
    if rows.shape[1] == 1:
        return jnp.linalg.norm(rows, axis=0, keepdims=True)
    short = rows.shape[1] - rows.shape[0]
    if short > 0:
        rows = jnp.concatenate([rows, jnp.zeros((short, rows.shape[1]), rows.dtype)])
    return jnp.linalg.qr(rows, mode="r").T


def mixture(key: jax.Array, f: Family, models: Model, shares: jax.Array, n: Any, most: int) -> Model:
    """The model fitted on ``n`` iid samples of a mixture: ``models`` with leading axis K, ``shares`` (K,).

    The size is split over the sources by a multinomial; a mixture of categoricals is itself one.
    """
    sources = shares.shape[0]
    if sources == 1:
        return draw(key, f, take(models, 0), n, most)
    if isinstance(f, Categorical):
        return draw(key, f, shares @ models, n, most)
    split_key, draw_key = random.split(key)
    sizes = sampling.multinomial(split_key, jnp.asarray(n, float), shares, most)
    fitted = jax.vmap(lambda k, model, size: draw(k, f, model, jnp.maximum(size, 1.0), most))(
        random.split(draw_key, sources), models, sizes
    )
    return combine(f, sizes / n, fitted)


def points(key: jax.Array, f: Family, model: Model, n: int) -> jax.Array:
    """``n`` (static) samples of a model themselves: (n,) tokens or numbers; (n, d) for the Gaussian."""
    match f:
        case Categorical():
            return sampling.tokens(key, model, n)
        case Gaussian():
            return model.mean[None] + random.normal(key, (n, f.dimension), float) @ model.factor.T
        case Binomial():
            return random.binomial(key, f.trials, jnp.clip(model / f.trials, 0, 1), (n,))
        case Poisson():
            return random.poisson(key, model, (n,), dtype=int).astype(float)
        case Gamma():
            return model * random.gamma(key, f.shape, (n,), float) / f.shape
        case NegativeBinomial():
            rate_key, count_key = random.split(key)
            rate = random.gamma(rate_key, f.size, (n,), float) * model / f.size
            return random.poisson(count_key, rate, dtype=int).astype(float)
    assert_never(f)  # type: ignore[arg-type]  # check_run refuses the others


def fit(f: Family, samples: jax.Array, weights: jax.Array) -> Model:
    """The model fitted on points: ``samples`` (N,) or (N, d), ``weights`` (N,), none below 0, summing to one."""
    match f:
        case Categorical():
            return jnp.zeros(jnp.shape(f.p), float).at[samples].add(weights)
        case Gaussian():
            mean = weights @ samples
            factor = triangle(jnp.sqrt(weights)[:, None] * (samples - mean[None]))
            return Normal(mean, factor / jnp.sqrt(1 - jnp.sum(weights**2)) if f.unbiased else factor)
        case Binomial() | Poisson() | Gamma() | NegativeBinomial():
            return weights @ samples
    assert_never(f)  # type: ignore[arg-type]  # check_run refuses the others
