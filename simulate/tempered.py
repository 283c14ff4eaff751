"""A vocabulary under sampling at a temperature, beside fresh real data: from the truth, or from a model that has collapsed."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from . import sampling, selection
from .chains import typed
from .stream import fold, part, start


@partial(jax.jit, static_argnames=("tokens", "samples", "generations", "chains"))
def likeliest(
    key: jax.Array, share: Any, temperature: Any, lead: Any, *, tokens: int, samples: int, generations: int, chains: int
) -> jax.Array:
    """(chains,) probability of the likeliest of ``tokens`` alike in the truth, after ``generations`` of ``samples`` each.

    The first model gives one token the probability ``lead`` and the others what is left, alike. A generation is the
    ``share`` of its samples drawn from the last model at a ``temperature``, and the others from the truth.
    """
    truth = jnp.full(tokens, 1 / tokens)
    begin = jnp.full(tokens, (1 - lead) / (tokens - 1)).at[0].set(lead)
    synthetic = jnp.round(share * samples)

    def chain(index: jax.Array) -> jax.Array:
        own = start(typed(key), index)

        def generation(model: jax.Array, number: Any) -> tuple[jax.Array, None]:
            stream = fold(own, number)
            drawn = sampling.multinomial(part(stream, 0), synthetic, selection.tempered(model, temperature), samples)
            real = sampling.multinomial(part(stream, 1), samples - synthetic, truth, samples)
            return (drawn + real) / samples, None

        return jnp.max(lax.scan(generation, begin, jnp.arange(generations, dtype=jnp.uint32))[0])

    return jax.vmap(chain)(jnp.arange(chains, dtype=jnp.uint32))
