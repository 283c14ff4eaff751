"""A Gaussian fitted on fresh real points and on points of its last model, whose variance a sampler has narrowed."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random


@partial(jax.jit, static_argnames=("real", "synthetic", "dimension", "unbiased", "generations", "chains"))
def squared_errors(
    key: jax.Array, multiplier: Any, *, real: int, synthetic: int, dimension: int, unbiased: bool, generations: int, chains: int
) -> jax.Array:  # fmt: skip
    """(chains, generations) squared error of the mean, plus a quarter of the squared distance of the covariance from its own.

    The truth is standard normal. Points are drawn, and mean and covariance fitted to all of a generation.
    """
    total = real + synthetic

    def fitted(points: jax.Array, count: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        mean = points.mean(axis=1)
        roots = (points - mean[:, None]) / jnp.sqrt(count - unbiased)  # the sum of their squares is the covariance
        away = jnp.einsum("cni,cnj->cij", roots, roots) - jnp.eye(dimension)
        return mean, roots, jnp.sum(mean**2, axis=1) + jnp.sum(away**2, axis=(1, 2)) / 4

    def generation(model: tuple[jax.Array, jax.Array], own: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        mean, roots = model
        fresh, noise = random.split(own)
        mixed = random.normal(noise, (chains, synthetic, total))
        written = mean[:, None] + jnp.sqrt(multiplier) * jnp.einsum("csn,cni->csi", mixed, roots)
        points = jnp.concatenate([random.normal(fresh, (chains, real, dimension)), written], axis=1)
        mean, roots, error = fitted(points, total)
        return (mean, roots), error

    first, *others = random.split(key, generations)
    mean, roots, begin = fitted(random.normal(first, (chains, real, dimension)), real)
    roots = jnp.concatenate([roots, jnp.zeros((chains, synthetic, dimension))], axis=1)
    if not others:
        return begin[:, None]
    _, later = lax.scan(generation, (mean, roots), jnp.stack(others))
    return jnp.concatenate([begin[:, None], later.T], axis=1)
