"""Linear models that see some of the covariates, fitted to real labels and to those of a source, by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import random

from . import linear


@partial(jax.jit, static_argnames=("chains", "real", "synthetic", "covariates", "features"))
def errors(
    key: jax.Array, *, chains: int, real: int, synthetic: int, covariates: int, features: Sequence[int],
    noise: float, signal: float, shift: float, label_noise: float = 1.0, decay: float = 0.0,
) -> jax.Array:  # fmt: skip
    r"""Squared error of the coefficients, those that are not seen counted as 0: (chains, sizes), all sizes on the same labels.

    ``features``: sizes of models, which see the first so many of the ``covariates``. ``signal`` and ``shift``: squared lengths of
    the coefficients and of the source's distance from them, whose squares fall as :math:`j^{-\mathrm{decay}}`; the signs of both
    are drawn anew for each chain. ``noise``: variance of the noise of a real label, ``label_noise``: that of a synthetic one over
    it.

    >>> import jax
    >>> sizes = {"real": 4, "synthetic": 0, "covariates": 3, "features": (0, 3)}
    >>> none, full = errors(jax.random.key(0), chains=1, **sizes, noise=1e-12, signal=9.0, shift=0.0)[0]
    >>> round(float(none), 4), round(float(full), 4)
    (9.0, 0.0)
    """
    rows = real + synthetic
    squares = (1.0 + jnp.arange(covariates)) ** -decay
    lengths = jnp.sqrt(squares / squares.sum())
    spread = jnp.where(jnp.arange(rows) < real, noise, noise * label_noise) ** 0.5

    def one(key: jax.Array) -> jax.Array:
        points, signs, off, own = random.split(key, 4)
        x = random.normal(points, (rows, covariates))
        theta = signal**0.5 * lengths * random.rademacher(signs, (covariates,), x.dtype)
        source = theta + shift**0.5 * lengths * random.rademacher(off, (covariates,), x.dtype)
        labels = jnp.where(jnp.arange(rows) < real, x @ theta, x @ source) + spread * random.normal(own, (rows,))
        return jnp.stack([jnp.sum((theta - _fit(x[:, :size], labels, covariates)) ** 2) for size in features])

    return jax.vmap(one)(random.split(key, chains))


def _fit(x: jax.Array, labels: jax.Array, covariates: int) -> jax.Array:
    """Least squares, of least norm where there are fewer rows than columns, filled up with zeros."""
    rows, size = x.shape
    if size == 0:
        return jnp.zeros(covariates, x.dtype)
    few = size < rows
    factor = linear.cholesky(x.T @ x if few else x @ x.T)
    solved = linear.backward(factor, linear.forward(factor, x.T @ labels if few else labels))
    return jnp.pad(solved if few else x.T @ solved, (0, covariates - size))
