"""Ridge regression fitted again to a mixture of its labels and its own: the process itself, on rows that are drawn once."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def errors(
    rows: Any, penalty: float, noise: float, share: Any, label_noise: float, key: jax.Array, chains: int
) -> jax.Array:
    r"""Squared error of the coefficients over :math:`\|\theta\|^2 = 1`, (chains, shares), each of a truth drawn from the sphere.

    ``rows`` (N, d): the design. ``noise`` :math:`\sigma^2`, ``label_noise``: that of own labels, over it. ``share`` (shares,).
    """
    design = np.asarray(rows, float)
    count, dimension = design.shape
    system = design.T @ design / count + penalty * np.eye(dimension)
    fitted = jnp.asarray(np.linalg.solve(system, design.T / count))  # what makes coefficients of labels

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def one(key: jax.Array, mixed: jax.Array) -> jax.Array:
        truth, labels, own = jax.random.split(key, 3)
        direction = jax.random.normal(truth, (dimension,))
        theta = direction / jnp.linalg.norm(direction)
        given = design @ theta + noise**0.5 * jax.random.normal(labels, (count,))
        again = design @ (fitted @ given) + (label_noise * noise) ** 0.5 * jax.random.normal(own, (count,))
        return jnp.sum((fitted @ ((1 - mixed) * given + mixed * again) - theta) ** 2)

    return one(jax.random.split(key, chains), jnp.asarray(share, float))
