"""Factors of matrices, one chain after another, and linear equations.

A library that is given many matrices at once shares them out among the threads and waits for them in one of those: two programs
beside each other then wait for ever. So each call of it has one matrix, and the programs run beside each other instead. Small
matrices take less time than a call: what is done with them is written out, for all chains together.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import sequential_vmap

WRITTEN_OUT = 12  # rows of a matrix that is no call
CALLED = 4  # columns from which on a product with itself is one of matrices
HALVED = 16  # columns from which on a product with itself is worked out in halves
LANES = 8  # numbers that a processor has side by side: of so many columns, or twice as many, products are quickest


def cholesky(matrix: jax.Array) -> jax.Array:
    """The lower triangular L of a positive definite matrix L L', of which the upper triangle is not read."""
    return _columns(matrix) if matrix.shape[0] <= WRITTEN_OUT else _cholesky(matrix)


@sequential_vmap
def _cholesky(matrix: jax.Array) -> jax.Array:
    return lax.linalg.cholesky(matrix, symmetrize_input=False)


def _columns(matrix: jax.Array) -> jax.Array:
    """Column by column: each is the first of what the earlier ones leave."""
    left, columns = matrix, []
    for before in range(matrix.shape[0]):
        column = left[:, 0] / jnp.sqrt(left[0, 0])
        columns.append(jnp.pad(column, (before, 0)))
        left = left[1:, 1:] - column[1:, None] * column[None, 1:]
    return jnp.stack(columns, axis=1)


@sequential_vmap
def triangle(rows: jax.Array) -> jax.Array:
    """The lower triangular L of rows' rows = L L': (R, d), R >= d -> (d, d)."""
    return jnp.linalg.qr(rows, mode="r").T


def gram(rows: jax.Array) -> jax.Array:
    """The lower triangle of rows' rows: (R, d) -> (d, d), of which the upper one says nothing. Three quarters of the product."""
    dimension = rows.shape[1]
    if dimension < CALLED:
        columns = rows.T
        return jnp.stack([jnp.sum(columns * each, axis=1) for each in columns])
    if dimension < HALVED:
        return rows.T @ rows
    half = -(-dimension // (2 * LANES)) * LANES
    one, other = rows[:, :half], rows[:, half:]
    return jnp.concatenate([jnp.pad(one.T @ one, ((0, 0), (0, dimension - half))), other.T @ rows])


def forward(factor: jax.Array, right: jax.Array) -> jax.Array:
    """The solution of L x = b for a lower triangular L and one or more b, (d,) or (d, N)."""

    def row(at: Any, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        left, x = state
        value = left[at] / factor[at, at]
        return left - jnp.tensordot(factor[:, at], value, 0), x.at[at].set(value)

    return lax.fori_loop(0, right.shape[0], row, (right, jnp.zeros_like(right)))[1]


def backward(factor: jax.Array, right: jax.Array) -> jax.Array:
    """The solution of L' x = b for a lower triangular L."""

    def row(turn: Any, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        left, x = state
        at = right.shape[0] - 1 - turn
        value = left[at] / factor[at, at]
        return left - factor[at] * value, x.at[at].set(value)

    return lax.fori_loop(0, right.shape[0], row, (right, jnp.zeros_like(right)))[1]
