r"""Logistic regression: labelled points, and fits by Newton's method, thousands side by side."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory.family import LogisticRegression

from . import linear
from .stream import Stream, normal, part, uniform

STEPS = 60  # of Newton's method, halvings counted; few fits take ten
NODES = np.linspace(-8.5, 8.5, 257)
NORMAL = np.exp(-(NODES**2) / 2)
NORMAL /= NORMAL.sum()  # the trapezoid rule, whose error falls exponentially


def points(stream: Stream, coefficients: jax.Array, n: int) -> jax.Array:
    """``n`` (static) rows (x, y): (n, d + 1)."""
    x = normal(part(stream, 0), (n, coefficients.shape[0]))
    label = uniform(part(stream, 1), (n,)) < jax.nn.sigmoid(x @ coefficients)
    return jnp.concatenate([x, label[:, None].astype(x.dtype)], axis=1)


def fit(f: LogisticRegression, rows: jax.Array, weights: jax.Array) -> jax.Array:
    """The coefficients (d,) of greatest (penalised) likelihood for rows (N, d + 1) of ``weights`` (N,) summing to one.

    Newton's steps, halved where they would not descend. NaN where there is no greatest one: without a penalty, and all used rows
    on their label's side of a plane.
    """
    x, y = rows[:, :-1], rows[:, -1]
    used = weights > 0
    penalty = jnp.asarray(f.penalty, float) / jnp.sum(used)
    side = 2 * y - 1

    def loss(w: jax.Array) -> jax.Array:
        return weights @ jax.nn.softplus(-side * (x @ w)) + penalty * jnp.sum(w**2) / 2

    def direction(w: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Newton's step, and how much it promises."""
        chance = jax.nn.sigmoid(x @ w)
        slope = x.T @ (weights * (chance - y)) + penalty * w
        bend = (x.T * (weights * chance * (1 - chance))) @ x + penalty * jnp.eye(x.shape[1], dtype=x.dtype)
        factor = linear.cholesky(bend)
        step = linear.backward(factor, linear.forward(factor, slope))
        return -step, slope @ step / 2

    def separated(w: jax.Array) -> jax.Array:
        return (penalty == 0) & jnp.all(~used | (side * (x @ w) > 0))

    def turn(state: Any) -> Any:
        number, w, least, step, _, _ = state
        there = w + step
        value = loss(there)
        lower = value <= least * (1 + 4 * rounding)
        new, promised = direction(there)
        going = jnp.where(lower, promised > small, jnp.max(jnp.abs(step)) > small)
        return (
            number + 1,
            jnp.where(lower, there, w),
            jnp.minimum(value, least),
            jnp.where(lower, new, step / 2),
            going,
            separated(there),
        )

    rounding = float(jnp.finfo(rows.dtype).eps)
    small = rounding**1.5  # of what is left of the loss, which is of second order
    zero = jnp.zeros(x.shape[1], rows.dtype)
    step, _ = direction(zero)
    state = 0, zero, loss(zero), step, jnp.asarray(True), jnp.asarray(False)
    end = lax.while_loop(lambda state: (state[0] < STEPS) & jnp.any(state[4] & ~state[5]), turn, state)
    return jnp.where(end[5] | ~jnp.isfinite(end[2]), jnp.nan, end[1])


def expected_loss(coefficients: jax.Array, model: jax.Array) -> jax.Array:
    r"""Cross-entropy of a model w on labels of the truth.

    It is :math:`E\,\log(1 + e^{x \cdot w}) - E\,\sigma(x \cdot \theta)\, x \cdot w`, where by Stein's lemma the second is
    :math:`w \cdot \theta\, E \sigma'(x \cdot \theta)`.
    """
    slope = label_noise(coefficients)
    softplus = jax.nn.softplus(jnp.linalg.norm(model) * jnp.asarray(NODES, model.dtype))
    return jnp.asarray(NORMAL, model.dtype) @ softplus - model @ coefficients * slope


def label_noise(coefficients: jax.Array) -> jax.Array:
    r""":math:`E \sigma'(x \cdot w)`, the mean variance of a label."""
    chance = jax.nn.sigmoid(jnp.linalg.norm(coefficients) * jnp.asarray(NODES, coefficients.dtype))
    return jnp.asarray(NORMAL, coefficients.dtype) @ (chance * (1 - chance))
