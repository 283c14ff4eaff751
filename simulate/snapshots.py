"""Two snapshots of a pipeline whose data is replaced: every generation drawn token by token, and so are the snapshots."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax, random

from . import sampling


@partial(jax.jit, static_argnames=("size", "generations", "tokens", "chains"))
def snapshots(
    key: jax.Array, p: jax.Array, *, size: int, generations: int, tokens: tuple[int, int], chains: int
) -> tuple[jax.Array, jax.Array]:
    """Counts (chains, V) of so many ``tokens`` of the model p, and of the model after ``generations`` of ``size`` tokens."""
    first, between, last = random.split(key, 3)
    start = jnp.broadcast_to(p, (chains, len(p)))

    def generation(models: jax.Array, own: jax.Array) -> tuple[jax.Array, None]:
        return _counts(own, models, size) / size, None

    models, _ = lax.scan(generation, start, random.split(between, generations))
    return _counts(first, start, tokens[0]), _counts(last, models, tokens[1])


def _counts(key: jax.Array, models: jax.Array, size: int) -> jax.Array:
    """Counts (chains, V) of ``size`` tokens of each model."""
    drawn = jax.vmap(sampling.placed)(random.uniform(key, (len(models), size)), models)
    return jax.vmap(lambda each: sampling.tally(each, size, models.shape[1]))(drawn)
