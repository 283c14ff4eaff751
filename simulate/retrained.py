"""Retraining on verified samples: points are drawn, kept where a verifier finds them near, averaged, and again."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random


@partial(jax.jit, static_argnames=("chains", "rounds", "samples"))
def squared_errors(
    key: jax.Array, *, contraction: Any, variance: Any, bias: Any, samples: int, chains: int, rounds: int
) -> jax.Array:
    """(chains, rounds + 1) squared error of a mean before and after each round of retraining; the truth is 0.

    It starts with an error of ``variance``. A point of variance 1 about the model is kept with a Gaussian chance of its
    distance from the square root of ``bias``, as wide as makes the kept ones move by ``contraction``.
    """
    centre, width = jnp.sqrt(bias), jnp.sqrt((1 - contraction) / contraction)
    model = jnp.sqrt(variance) * random.normal(random.fold_in(key, 0), (chains,))

    def one_round(model: jax.Array, number: Any) -> tuple[jax.Array, jax.Array]:
        own = random.fold_in(key, number)

        def again(state: Any) -> Any:
            turn, points, pending = state
            noise, chance = random.split(random.fold_in(own, turn))
            new = model[:, None] + random.normal(noise, (chains, samples))
            kept = random.uniform(chance, (chains, samples)) < jnp.exp(-(((new - centre) / width) ** 2) / 2)
            return turn + 1, jnp.where(pending, new, points), pending & ~kept

        nothing = jnp.zeros((chains, samples))
        _, points, _ = lax.while_loop(lambda state: jnp.any(state[2]), again, (0, nothing, nothing == 0))
        after = points.mean(axis=1)
        return after, after**2

    _, errors = lax.scan(one_round, model, jnp.arange(1, rounds + 1))
    return jnp.concatenate([model[:, None] ** 2, errors.T], axis=1)
