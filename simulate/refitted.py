"""A logistic law whose place is fitted by maximum likelihood to real data, of another law, and to its own samples."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax, random

NEWTON = 25  # steps of each fit: the likelihood is concave


@partial(jax.jit, static_argnames=("real", "synthetic", "chains"))
def kept(key: jax.Array, scale: float, start: float, *, real: int, synthetic: int, chains: int) -> jax.Array:
    """(chains,) what one generation keeps of the distance ``start``, from the fit to the real data alone.

    Real data is normal with standard deviation ``scale``; at 0 it is logistic, as the model has it. Two models, one of them moved
    by ``start``, draw the same noise: their difference is what is kept.
    """

    def fit(points: jax.Array, at: jax.Array) -> jax.Array:
        def newton(_: int, place: jax.Array) -> jax.Array:
            pull = jnp.tanh((points - place) / 2)
            return place + 2 * pull.mean() / (1 - pull**2).mean()

        return lax.fori_loop(0, NEWTON, newton, at)

    def chain(one: jax.Array) -> jax.Array:
        first, second = random.split(one)
        data = jnp.where(scale > 0, scale * random.normal(first, (real,)), random.logistic(first, (real,)))
        best, noise = fit(data, jnp.median(data)), random.logistic(second, (synthetic,))
        ends = [fit(jnp.concatenate([data, best + each + noise]), best) for each in (start, 0.0)]
        return (ends[0] - ends[1]) / start

    return lax.map(chain, random.split(key, chains))
