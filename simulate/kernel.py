r"""Kernels: the exact law of a model fitted on n samples of another, for each family.

A model is the fitted statistic itself: probabilities (V,) for the categorical family; a `Normal` (mean and a
triangular factor of the covariance) for the Gaussian; the mean, a scalar, for all others. Averages of
sufficient statistics are fits, so one draw from a known law replaces n samples, whatever n is. The model of a linear
regression is the error of its coefficients (d,); fits to several sets are no averages there (`simulate.least_squares`). That
of a kernel density is its points, of which a `Density` is observed (`simulate.density`).

A `Size` holds the size n as an array, so that another size does not compile again, and what can be worked out from it
beforehand; ``most``, a static bound on it, only chooses the way of sampling. Sizes are at least 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple, assert_never

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory.family import (
    Bigram,
    Binomial,
    Categorical,
    Family,
    Gamma,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    LinearRegression,
    LogisticRegression,
    NegativeBinomial,
    Poisson,
    Zipf,
)

from . import chi_square, counts, linear, logistic, mixtures, sampling
from .stream import Stream, fold, normal, pair, part


class Normal(NamedTuple):
    """A Gaussian model: ``mean`` (d,) and ``factor`` (d, d), covariance = factor factor^T; triangular where n > d/2.

    ``log_variance``: log of det of the covariance against the truth's, divided by d. It is carried beside the factor, whose
    smallest entries may fall below what a float holds.
    """

    mean: jax.Array
    factor: jax.Array
    log_variance: jax.Array


class Density(NamedTuple):
    """A kernel density: ``mean`` (d,) of its points, trace of their covariance (divisor n), bandwidth.

    ``logs`` (E,): logarithm of its density at the held-out points; None where there are none. ``apart``: the integral of its
    squared difference from the truth; None where that is not asked for.
    """

    mean: jax.Array
    spread: jax.Array
    width: jax.Array
    logs: jax.Array | None
    apart: jax.Array | None = None


class Size(NamedTuple):
    """A number of samples ``n``, or an array of them; of families that need it a `chi_square.table`, else None."""

    n: Any
    chi: Any = None


class NextToken(NamedTuple):
    """A next-token model that is its text (`simulate.next_token`): what is observed of it, worked out when it is fitted.

    ``error``, ``diversity``: over contexts, at their weights in the truth, of those that the model knows; ``alive``: pairs or
    tokens; ``missing``: how much of the truth the model no longer knows.
    """

    error: jax.Array
    diversity: jax.Array
    alive: jax.Array
    missing: jax.Array


SHORT = 4  # terms of a sum that is written out
NEAR = 8  # points whose mean is near enough to that of all
REGULAR = 2  # samples a coordinate, above which the covariance of a fit is far from singular
REPEATED = 20  # the same where points may be repeated: no more than d different ones have a chance below e^d 20^(-19 d)
Model = (
    Any  # (V,) probabilities | Normal | Density | NextToken | Mixture | (d,) coefficients, or their error | scalar mean
)


def truth(f: Family) -> Model:
    """The model of generation 0."""
    match f:
        case Categorical():
            return jnp.asarray(f.p, float)
        case Gaussian():
            scale = jnp.sqrt(jnp.asarray(f.variance, float))
            return Normal(
                jnp.zeros(f.dimension, float), scale * jnp.eye(f.dimension, dtype=float), jnp.zeros((), float)
            )
        case Binomial():
            return jnp.asarray(f.trials, float) * jnp.asarray(f.p, float)
        case Poisson() | Gamma() | NegativeBinomial():
            return jnp.asarray(f.mean, float)
        case LinearRegression():
            return jnp.zeros(f.dimension, float)
        case KernelDensity():  # one point at 0
            logs = jnp.zeros(f.held_out, float) if f.held_out else None
            deviation = jnp.sqrt(jnp.asarray(f.variance, float))
            apart = jnp.zeros((), float) if f.compared else None
            return Density(jnp.zeros(f.dimension, float), jnp.zeros((), float), deviation, logs, apart)
        case GaussianMixture():
            return mixtures.truth(f)
        case LogisticRegression():
            return jnp.asarray(f.coefficients, float)
        case Zipf() | Bigram():
            nothing = jnp.zeros((), float)
            return NextToken(nothing, nothing, nothing, nothing)
    assert_never(f)


def repeat(model: Model, times: int) -> Model:
    """A model, ``times`` over along a new leading axis."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (times, *leaf.shape)), model)


def take(models: Model, index: jax.Array | int) -> Model:
    """The models at an index, or at an array of them."""
    return jax.tree.map(lambda leaf: leaf[index], models)


def put(models: Model, index: jax.Array, new: Model) -> Model:
    """The models with new ones in their places; an index out of bounds is dropped."""
    return jax.tree.map(lambda leaf, value: leaf.at[index].set(value, mode="drop"), models, new)


def sizes(f: Family, n: Any) -> Size:
    """Numbers of samples ``n`` (U,), with the tables for drawing fits of them."""
    n = np.asarray(n, float)
    match f:
        case Gaussian():
            degrees = n[:, None] - 1 - np.arange(f.dimension)
        case LinearRegression():
            degrees = n[:, None] - np.arange(f.dimension)
        case Gamma() | NegativeBinomial():
            degrees = 2 * n * float(f.shape if isinstance(f, Gamma) else f.size)
        case _:
            return Size(n)
    return Size(n, np.moveaxis(chi_square.table(degrees, jnp.result_type(float)), -1, 1))


def lengthened(size: Size, length: int) -> Size:
    """Sizes whose tables are at least so long, which changes nothing but the program that reads them."""
    if size.chi is None or size.chi.shape[1] >= length:
        return size
    room = [(0, 0)] * size.chi.ndim
    room[1] = (0, length - size.chi.shape[1])
    return Size(size.n, np.pad(size.chi, room))


def draw(stream: Stream, f: Family, model: Model, size: Size, most: int) -> Model:
    r"""The model fitted on ``size.n`` iid samples of ``model``, drawn from its exact law.

    Multinomial(n, p)/n; for the Gaussian, mean + L z / sqrt(n) and L A A^T L^T / n with Bartlett's triangular A
    of n - 1 degrees of freedom; Binomial(n K, theta/K)/n; Poisson(n theta)/n; theta Gamma(n k)/(n k);
    Poisson(Gamma(n s) theta/s)/n. Linear regression, with X drawn too: :math:`w + \sigma z / \sqrt{\chi^2_{n-d+1}}`, a
    multivariate t.
    """
    n = jnp.asarray(size.n, float)
    match f:
        case Categorical():
            return sampling.multinomial(stream, n, model, most) / n
        case Gaussian():
            return moved(model, standard(stream, f, size))
        case Binomial():
            return counts.binomial(stream, n * f.trials, jnp.clip(model / f.trials, 0, 1)) / n
        case Poisson():
            return counts.poisson(stream, n * model) / n
        case Gamma():
            return model * _gamma(stream, size, n * f.shape)
        case NegativeBinomial():
            rate = _gamma(part(stream, 0), size, n * f.size) * n * model
            return counts.poisson(part(stream, 1), rate) / n
        case LinearRegression():
            square, noise = jnp.split(normal(stream, (1 + f.dimension,)), (1,))
            logs = chi_square.transformed(size.chi[:, -1], square) + jnp.log(n - f.dimension + 1)
            return model + jnp.sqrt(jnp.asarray(f.noise, float)) * noise * jnp.exp(-logs / 2)
        case KernelDensity() | GaussianMixture() | LogisticRegression() | Zipf() | Bigram():
            raise TypeError(f"a fit of {type(f).__name__} is drawn by its points")
    assert_never(f)


def _gamma(stream: Stream, size: Size, shape: Any) -> jax.Array:
    """A Gamma number of a shape over its mean."""
    if size.chi is None:
        return jnp.exp(chi_square.rejected(stream, 2 * shape))
    return jnp.exp(chi_square.transformed(size.chi, normal(stream)))


def standard(stream: Stream, f: Gaussian, size: Size) -> Normal:
    """The fit on points of the standard normal law."""
    n, d = jnp.asarray(size.n, float), f.dimension
    divisor, lost = (n - 1, 0) if f.unbiased else (n, 1)
    degrees = n - 1 - jnp.arange(d, dtype=float)
    if d == 1 and size.chi is not None:
        mean, square = (each[None] for each in pair(stream))
        logs, rest = chi_square.transformed(size.chi, square), square
    else:
        mean, square, rest = jnp.split(normal(part(stream, 0), (2 * d + sampling.triangle_size(d),)), (d, 2 * d))
        logs = (
            chi_square.rejected(part(stream, 1), jnp.maximum(degrees, 1))
            if size.chi is None
            else chi_square.transformed(size.chi, square)
        )
    share = jnp.maximum(degrees, 0) / divisor
    factor = sampling.bartlett(rest / jnp.sqrt(divisor), jnp.exp(logs / 2) * jnp.sqrt(share), degrees)
    shares = jnp.mean(
        jnp.log1p(-jnp.minimum((jnp.arange(d) + lost) / divisor, 1))
    )  # of degrees: -inf where one is none
    return Normal(mean / jnp.sqrt(n), factor, jnp.mean(logs) + shares)


def thin(stream: Stream, f: Gaussian, n: int) -> Normal:
    """The fit on ``n`` (static) points of the truth, no more than coordinates: its factor has n - 1 columns, no triangle."""
    numbers = jnp.sqrt(jnp.asarray(f.variance, float)) * normal(stream, (n, f.dimension))
    factor = numbers[1:].T / max(n - f.unbiased, 1) ** 0.5
    return Normal(numbers[0] / n**0.5, factor, jnp.full((), -jnp.inf))


def moved(model: Normal, fit: Normal) -> Normal:
    """What a ``fit`` in the coordinates in which a model is standard normal is in those of the model itself."""
    mean = model.mean + product(model.factor, fit.mean[:, None])[:, 0]
    return Normal(mean, product(model.factor, fit.factor), model.log_variance + fit.log_variance)


def product(one: jax.Array, other: jax.Array) -> jax.Array:
    """The product of two matrices; where its sums are short it is no call of a library, which would take longer."""
    terms = one.shape[1]
    if terms > SHORT:
        return one @ other
    return sum((one[:, k, None] * other[k] for k in range(1, terms)), one[:, 0, None] * other[0])


def blended(kept: Any, new: Normal) -> Normal:
    r"""The Gaussian model of a standard normal pool at weight ``kept`` > 0, and of ``new`` data at weight 1 - ``kept``.

    Its covariance :math:`w I + (1-w) (F F^T + w \delta \delta^T)` is far from singular, whatever the new data is.
    """
    dimension = new.mean.shape[0]
    if dimension == 1:
        square = kept + (1 - kept) * (new.factor**2 + kept * new.mean**2)
        return Normal((1 - kept) * new.mean, jnp.sqrt(square), jnp.log(square[0, 0]))
    rows = jnp.concatenate([new.factor, jnp.sqrt(kept) * new.mean[:, None]], axis=1)
    factor = linear.cholesky(kept * jnp.eye(dimension, dtype=float) + (1 - kept) * (rows @ rows.T))
    return Normal((1 - kept) * new.mean, factor, 2 * jnp.mean(jnp.log(jnp.diagonal(factor))))


def pooled(f: Family, kept: Any, old: Model, new: Model) -> Model:
    """The weighted mean of the statistics of two models: of the ``old`` at weight ``kept``."""
    stacked = jax.tree.map(lambda one, other: jnp.stack([one, other]), old, new)
    return combine(f, jnp.stack([kept, 1 - kept]), stacked)


def summed(f: Gaussian, kept: Any, old: Normal, new: Normal) -> Normal:
    """As `pooled`, by adding up covariances: quick, for a sum that is far from singular."""
    difference = jnp.sqrt(kept * (1 - kept)) * (old.mean - new.mean)
    covariance = (
        kept * old.factor @ old.factor.T + (1 - kept) * new.factor @ new.factor.T + jnp.outer(difference, difference)
    )
    return fitted(f, kept * old.mean + (1 - kept) * new.mean, linear.cholesky(covariance))


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
        return fitted(f, mean, triangle((jnp.sqrt(weights)[:, None, None] * rows).reshape(-1, f.dimension)))
    used = jnp.expand_dims(weights > 0, tuple(range(1, models.ndim)))
    least = jnp.min(jnp.where(used, models, jnp.inf), axis=0)
    greatest = jnp.max(jnp.where(used, models, -jnp.inf), axis=0)
    return jnp.clip(jnp.tensordot(weights, models, 1), least, greatest)


def fitted(f: Gaussian, mean: jax.Array, factor: jax.Array) -> Normal:
    """The Gaussian model of a mean and a factor of the covariance."""
    diagonal = jnp.abs(jnp.diagonal(factor)) / jnp.sqrt(jnp.asarray(f.variance, float))
    return Normal(mean, factor, 2 * jnp.mean(jnp.log(diagonal)))


def averaged(f: Any) -> Any:
    """The family whose fits to several sets are averaged: a Gaussian whose variance has the divisor n."""
    return Gaussian(f.dimension, f.variance) if isinstance(f, Gaussian) and f.unbiased else f


def corrected(f: Family, model: Model, row: Any) -> Model:
    """The fit without bias, from one with divisor n to points whose squared weights have the sum ``row["squares"]``."""
    if not (isinstance(f, Gaussian) and f.unbiased):
        return model
    rest = 1 - row["squares"]
    return Normal(model.mean, model.factor / jnp.sqrt(rest), model.log_variance - jnp.log(rest))


def triangle(rows: jax.Array) -> jax.Array:
    """The lower triangular factor of rows^T rows: (R, d) -> (d, d)."""
    if rows.shape[1] == 1:
        return jnp.linalg.norm(rows, axis=0, keepdims=True)
    short = rows.shape[1] - rows.shape[0]
    if short > 0:
        rows = jnp.concatenate([rows, jnp.zeros((short, rows.shape[1]), rows.dtype)])
    return linear.triangle(rows)


def mixture(stream: Stream, f: Family, models: Model, shares: jax.Array, size: Size, most: int) -> Model:
    """The model fitted on ``size.n`` iid samples of a mixture: ``models`` with leading axis K, ``shares`` (K,).

    The size is split over the sources by a multinomial; a mixture of categoricals is itself one.
    """
    sources = shares.shape[0]
    if sources == 1:
        return draw(stream, f, take(models, 0), size, most)
    if isinstance(f, Categorical):
        return draw(stream, f, shares @ models, size, most)
    n = jnp.asarray(size.n, float)
    parts = sampling.multinomial(part(stream, 0), n, shares, most)
    each = jax.vmap(lambda number, model, n: draw(fold(stream, number), f, model, Size(jnp.maximum(n, 1.0)), most))
    drawn = each(jnp.arange(1, sources + 1, dtype=jnp.uint32), models, parts)
    return combine(f, parts / n, drawn)


def points(stream: Stream, f: Family, model: Model, n: int) -> jax.Array:
    """``n`` (static) samples of a model themselves: (n,) tokens or numbers; (n, d) for the Gaussian and mixtures of it;
    (n, d + 1) rows (x, y).

    The factor of a Gaussian may be without columns that are zero.
    """
    match f:
        case Categorical():
            return sampling.tokens(stream, model, n)
        case Gaussian():
            return model.mean[None] + product(normal(stream, (n, model.factor.shape[1])), model.factor.T)
        case Binomial():
            return counts.binomial(stream, jnp.full(n, f.trials, float), jnp.clip(model / f.trials, 0, 1))
        case Poisson():
            return counts.poisson(stream, jnp.full(n, model))
        case Gamma():
            return model * jnp.exp(chi_square.rejected(stream, jnp.full(n, 2 * f.shape, float)))
        case NegativeBinomial():
            rate = jnp.exp(chi_square.rejected(part(stream, 0), jnp.full(n, 2 * f.size, float))) * model
            return counts.poisson(part(stream, 1), rate)
        case LinearRegression():
            x, noise = jnp.split(normal(stream, (n, f.dimension + 1)), (f.dimension,), axis=1)
            return jnp.concatenate([x, (x @ model)[:, None] + jnp.sqrt(jnp.asarray(f.noise, float)) * noise], axis=1)
        case GaussianMixture():
            return mixtures.points(stream, model, n)
        case LogisticRegression():
            return logistic.points(stream, model, n)
        case KernelDensity() | Zipf() | Bigram():
            raise TypeError(f"a {type(f).__name__} is its points: simulate.density and simulate.next_token draw them")
    assert_never(f)


def fit(
    f: Family, samples: jax.Array, weights: jax.Array | None = None, repeated: bool = False, before: Model = None
) -> Model:
    """The model fitted on points: ``samples`` (N,) or (N, d), ``weights`` (N,), none below 0, summing to one; None: all alike.

    ``repeated``: the same point may be there several times, independently drawn from at least N. ``before``: the model that wrote
    the newest points, from which fits by steps begin.
    """
    if weights is None and isinstance(f, Gaussian):
        return _gaussian_fit(f, samples, REPEATED if repeated else REGULAR)
    if weights is None and isinstance(f, LinearRegression) and samples.shape[0] > REGULAR * f.dimension:
        gram = samples.T @ samples
        factor = linear.cholesky(gram[:-1, :-1])
        return linear.backward(factor, linear.forward(factor, gram[:-1, -1]))
    weights = jnp.full(samples.shape[0], 1 / samples.shape[0]) if weights is None else weights
    match f:
        case Categorical():
            return jnp.zeros(jnp.shape(f.p), float).at[samples].add(weights)
        case Gaussian():
            mean = weights @ samples
            factor = triangle(jnp.sqrt(weights)[:, None] * (samples - mean[None]))
            return fitted(f, mean, factor / jnp.sqrt(1 - jnp.sum(weights**2)) if f.unbiased else factor)
        case Binomial() | Poisson() | Gamma() | NegativeBinomial():
            return weights @ samples
        case LinearRegression():
            factor = triangle(jnp.sqrt(weights)[:, None] * samples)
            return linear.backward(factor[:-1, :-1], factor[-1, :-1])
        case GaussianMixture():
            return mixtures.fit(f, samples, weights, before)
        case LogisticRegression():
            return logistic.fit(f, samples, weights)
        case KernelDensity() | Zipf() | Bigram():
            raise TypeError(f"a {type(f).__name__} is its points: simulate.density and simulate.next_token fit them")
    assert_never(f)


def _gaussian_fit(f: Gaussian, samples: jax.Array, regular: int) -> Normal:
    """The Gaussian model of points, of more than ``regular`` times as many as coordinates by way of their covariance.

    Of few points its factor has as many columns as there are points, and then zeros.
    """
    n, d = samples.shape
    divisor = n - 1 if f.unbiased else n
    if n > regular * d:  # far from singular
        near = jnp.mean(samples[:NEAR], axis=0)
        apart = samples - near
        shift = jnp.ones(n, apart.dtype) @ apart / n
        covariance = (linear.gram(apart) - n * jnp.outer(shift, shift)) / divisor
        return fitted(f, near + shift, jnp.sqrt(covariance) if d == 1 else linear.cholesky(covariance))
    mean = jnp.mean(samples, axis=0)
    apart = (samples - mean) / jnp.sqrt(jnp.asarray(divisor, float))
    if n > d:
        return fitted(f, mean, triangle(apart))
    return Normal(mean, jnp.pad(apart.T, ((0, 0), (0, d - n))), jnp.full((), -jnp.inf))
