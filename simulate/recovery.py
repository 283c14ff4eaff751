"""Models that know one token alone, and what new real data make of them: counts drawn sample by sample."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax, random

from . import sampling


@partial(jax.jit, static_argnames=("token", "real", "synthetic", "generations", "chains"))
def recovering(
    key: jax.Array, p: jax.Array, *, token: int | None, real: int, synthetic: int, generations: int, chains: int
) -> jax.Array:
    """(chains, generations) squared error after 1, 2, ... generations of ``real`` samples of p and ``synthetic`` of the model.

    The first model knows ``token`` alone; None: one that is drawn from p.
    """
    first, later = random.split(key)
    truth = jnp.cumsum(p) / jnp.sum(p)
    known = jnp.full(chains, token) if token is not None else jnp.searchsorted(truth, random.uniform(first, (chains,)))

    def generation(models: jax.Array, own: jax.Array) -> tuple[jax.Array, jax.Array]:
        heights = random.uniform(own, (chains, real + synthetic))
        drawn = jax.vmap(sampling.placed)(heights, models)
        new = jnp.searchsorted(truth, heights, side="right")
        labels = jnp.where(jnp.arange(real + synthetic) < real, new, drawn)
        counts = jax.vmap(lambda each: sampling.tally(each, real + synthetic, len(p)))(labels)
        fitted = counts / (real + synthetic)
        return fitted, ((fitted - p) ** 2).sum(axis=1)

    _, errors = lax.scan(generation, jax.nn.one_hot(known, len(p)), random.split(later, generations))
    return errors.T
