r"""Exact binomial and Poisson numbers for arrays of parameters, without a branch for each.

Small means are inverted: the distribution function is summed from zero, for all elements at once, until the last has
passed its height. Large ones are rejected from a table mountain (Hörmann 1993, BTRS and PTRS), again for all elements at once,
until the last is accepted; an accepted element keeps its number. The acceptance ratio is written by deviances
:math:`M\,((1+t)\log(1+t)-t)`, :math:`t=(k-M)/M`, and Stirling's errors (Loader 2000), which lose no digits of a large count,
also in single precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import pi
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .logarithm import log
from .stream import Stream, fold, part, uniform

INVERTED = 10.0  # means below it are inverted
_EXACT = 16  # Stirling's errors below it are tabulated
_ERRORS = np.array(
    [0.0] + [math.lgamma(k + 1) - (k + 0.5) * math.log(k) + k - 0.5 * math.log(2 * pi) for k in range(1, _EXACT)]
)


def binomial(stream: Stream, n: Any, p: Any) -> jax.Array:
    """Successes in ``n`` trials of chance ``p`` in [0, 1], each an array: floats, whole. n at most 2^53 (2^24 in single)."""
    n, p = jnp.broadcast_arrays(jnp.asarray(n, float), jnp.asarray(p, float))
    less = jnp.minimum(p, 1 - p)
    mean = n * less
    small = mean < INVERTED
    few = _inverted(
        part(stream, 0),
        jnp.where(small, jnp.exp(n * jnp.log1p(-less)), 1.0),
        lambda k: (n - k) / (k + 1) * (less / (1 - less)),
        n,
    )
    trials, chance = jnp.where(small, 4 * INVERTED, n), jnp.where(small, 0.5, less)
    many = _binomials(part(stream, 1), trials, chance, ~small)
    count = jnp.where(small, few, many)
    return jnp.where(p > 0.5, n - count, count)


def poisson(stream: Stream, mean: Any) -> jax.Array:
    """Poisson numbers of an array of means: floats, whole. Means at most 2^53 (2^24 in single precision)."""
    mean = jnp.asarray(mean, float)
    small = mean < INVERTED
    few = _inverted(part(stream, 0), jnp.where(small, jnp.exp(-mean), 1.0), lambda k: mean / (k + 1), jnp.inf)
    many = _poissons(part(stream, 1), jnp.where(small, 2 * INVERTED, mean), ~small)
    return jnp.where(small, few, many)


def _inverted(stream: Stream, first: jax.Array, ratio: Callable[[jax.Array], jax.Array], last: Any) -> jax.Array:
    """The number below whose distribution function a uniform height lies; ``first``: chance of 0, ``ratio``: of k + 1 to k."""
    height = uniform(stream, first.shape)

    def rise(state: Any) -> Any:
        k, chance, left = state
        above = left >= chance
        return (
            jnp.where(above, k + 1, k),
            jnp.where(above, chance * ratio(k), chance),
            jnp.where(above, left - chance, left),
        )

    def pending(state: Any) -> jax.Array:
        k, chance, left = state
        # what rounding leaves above the last chance belongs to nobody: stop where chances no longer count
        return jnp.any((left >= chance) & (chance > 0) & (k < last))

    state = jnp.zeros_like(first), first, jnp.where(first < 1, height, 0.0)
    k, _, _ = lax.while_loop(pending, rise, state)
    return jnp.minimum(k, last)


def _rejected(stream: Stream, pending: jax.Array, propose: Callable[..., tuple[jax.Array, jax.Array]]) -> jax.Array:
    """Numbers proposed and accepted by two uniforms (u in (-1/2, 1/2), v), again where not."""

    def turn(state: Any) -> Any:
        number, count, left = state
        own = fold(stream, number)
        proposal, accepted = propose(uniform(own, left.shape) - 0.5, uniform(own, left.shape, left.size))
        return number + 1, jnp.where(left & accepted, proposal, count), left & ~accepted

    start = jnp.uint32(0), jnp.zeros(pending.shape, float), pending
    return lax.while_loop(lambda state: jnp.any(state[2]), turn, start)[1]


def _binomials(stream: Stream, n: jax.Array, p: jax.Array, wanted: jax.Array) -> jax.Array:
    spread = jnp.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    squeeze, top = 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread

    def height(k: jax.Array) -> jax.Array:
        of_split = 0.5 * log(n / (jnp.maximum(k, 0.5) * jnp.maximum(n - k, 0.5)))
        return _log_poisson(k, n * p) + _log_poisson(n - k, n * (1 - p)) + of_split + stirling_error(n)

    highest = height(jnp.floor((n + 1) * p))

    def propose(u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        edge = 0.5 - jnp.abs(u)
        k = jnp.floor((2 * a / edge + b) * u + n * p + 0.5)
        inside = (k >= 0) & (k <= n)
        k = jnp.clip(k, 0, n)
        ratio = log(v * top / (a / (edge * edge) + b))
        return k, inside & (((edge >= 0.07) & (v <= squeeze)) | (ratio <= height(k) - highest))

    return _rejected(stream, wanted, propose)


def _poissons(stream: Stream, mean: jax.Array, wanted: jax.Array) -> jax.Array:
    b = 0.931 + 2.53 * jnp.sqrt(mean)
    a = -0.059 + 0.02483 * b
    top, squeeze = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)

    def propose(u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        edge = 0.5 - jnp.abs(u)
        k = jnp.floor((2 * a / edge + b) * u + mean + 0.43)
        inside = (k >= 0) & ((edge >= 0.013) | (v <= edge))
        k = jnp.maximum(k, 0)
        ratio = log(v * top / (a / (edge * edge) + b))
        chance = _log_poisson(k, mean) - 0.5 * log(2 * pi * jnp.maximum(k, 1 / (2 * pi)))
        return k, inside & (((edge >= 0.07) & (v <= squeeze)) | (ratio <= chance))

    return _rejected(stream, wanted, propose)


def _log_poisson(k: jax.Array, mean: jax.Array) -> jax.Array:
    r"""Log of the chance of k, less that of Stirling's :math:`(2\pi k)^{-1/2}`: minus deviance and Stirling's error."""
    t = (k - mean) / mean
    return -mean * _deviance(t) - stirling_error(k)


def _deviance(t: jax.Array) -> jax.Array:
    r""":math:`(1+t)\log(1+t)-t` for t >= -1, by its series where t is small."""
    near = jnp.abs(t) < 0.05
    small = jnp.where(near, t, 0.0)
    # (1+t) log(1+t) - t = sum_{j >= 2} (-t)^j / (j (j-1))
    series = jnp.zeros_like(t)
    for j in range(13, 1, -1):
        series = 1 / (j * (j - 1)) - small * series if j > 2 else 0.5 - small * series
    far = jnp.where(near, 1.0, t)
    return jnp.where(near, small * small * series, (1 + far) * log(jnp.maximum(1 + far, 1e-30)) - far)


def stirling_error(k: jax.Array) -> jax.Array:
    r""":math:`\log k! - (k + 1/2) \log k + k - \log\sqrt{2\pi}` of whole numbers; at 0 without the logarithms."""
    large = jnp.maximum(k, _EXACT)
    one = 1 / (large * large)
    series = (1 / 12 - one * (1 / 360 - one * (1 / 1260 - one * (1 / 1680 - one / 1188)))) / large
    small = jnp.asarray(_ERRORS, series.dtype)[jnp.clip(k, 0, _EXACT - 1).astype(int)]
    return jnp.where(k < _EXACT, small, series)
