"""Curation of samples of two kinds beside fresh real data: several are drawn, one is chosen, and what is chosen is trained on."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random


@partial(jax.jit, static_argnames=("choices", "real", "synthetic", "generations", "chains"))
def shares(
    key: jax.Array, p0: Any, reward: Any, *, choices: int, real: int, synthetic: int, generations: int, chains: int
) -> jax.Array:
    """(chains, generations) share of a favoured trait among real and curated samples, first among real ones alone.

    Each synthetic sample is one of ``choices`` drawn from the last model, chosen with a chance in proportion to e^reward.
    """
    first, loop = random.split(key)
    begin = (random.uniform(first, (chains, real + synthetic)) < p0).sum(axis=1) / (real + synthetic)

    def generation(model: jax.Array, own: jax.Array) -> tuple[jax.Array, jax.Array]:
        fresh, written, chosen = random.split(own, 3)
        has = random.uniform(fresh, (chains, real)) < p0
        drawn = random.uniform(written, (chains, synthetic, choices)) < model[:, None, None]
        favoured = drawn.sum(axis=2) * jnp.exp(reward)
        chance = favoured / (favoured + choices - drawn.sum(axis=2))
        kept = random.uniform(chosen, (chains, synthetic)) < chance
        after = (has.sum(axis=1) + kept.sum(axis=1)) / (real + synthetic)
        return after, after

    _, later = lax.scan(generation, begin, random.split(loop, generations - 1))
    return jnp.concatenate([begin[:, None], later.T], axis=1)
