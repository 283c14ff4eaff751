"""A vocabulary under sampling at a temperature, beside fresh real data: from the truth, or from a model that has collapsed."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random

from . import sampling, selection


@partial(jax.jit, static_argnames=("tokens", "samples", "generations", "chains"))
def likeliest(
    key: jax.Array, share: Any, temperature: Any, lead: Any, *, tokens: int, samples: int, generations: int, chains: int
) -> jax.Array:
    """(chains,) probability of the likeliest of ``tokens`` alike in the truth, after ``generations`` of ``samples`` each.

    The first model gives one token the probability ``lead`` and the others what is left, alike. A generation is the
    ``share`` of its samples drawn from the last model at a ``temperature``, and the others from the truth.
    """
    truth = jnp.arange(1, tokens + 1) / tokens
    begin = jnp.full(tokens, (1 - lead) / (tokens - 1)).at[0].set(lead)
    written = jnp.arange(samples) < jnp.round(share * samples)

    def generation(models: jax.Array, own: jax.Array) -> tuple[jax.Array, None]:
        heights = random.uniform(own, (chains, samples))
        drawn = jax.vmap(lambda each, model: sampling.placed(each, selection.tempered(model, temperature)))(
            heights, models
        )
        labels = jnp.where(written, drawn, jnp.searchsorted(truth, heights, side="right"))
        return jax.vmap(lambda each: sampling.tally(each, samples, tokens))(labels) / samples, None

    models, _ = lax.scan(generation, jnp.tile(begin, (chains, 1)), random.split(key, generations))
    return jnp.max(models, axis=1)
