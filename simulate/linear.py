"""Factors of matrices, one chain after another.

A library that is given many matrices at once shares them out among the threads and waits for them in one of those: two programs
beside each other then wait for ever. So each call has one matrix, and the programs run beside each other instead.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jax.scipy.linalg import solve_triangular


@sequential_vmap
def cholesky(matrix: jax.Array) -> jax.Array:
    """The lower triangular L of a positive definite matrix L L'."""
    return jax.lax.linalg.cholesky(matrix, symmetrize_input=False)


@sequential_vmap
def triangle(rows: jax.Array) -> jax.Array:
    """The lower triangular L of rows' rows = L L': (R, d), R >= d -> (d, d)."""
    return jnp.linalg.qr(rows, mode="r").T


@sequential_vmap
def forward(factor: jax.Array, right: jax.Array) -> jax.Array:
    """The solution of L x = b for a lower triangular L."""
    return solve_triangular(factor, right, lower=True)


@sequential_vmap
def backward(factor: jax.Array, right: jax.Array) -> jax.Array:
    """The solution of L' x = b for a lower triangular L."""
    return solve_triangular(factor, right, lower=True, trans="T")
