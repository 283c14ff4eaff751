"""An estimate of a chance from real samples and samples of the model that was fitted on them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from modelcollapse.theory.family import Binomial

from .counts import binomial
from .stream import part, start


def pairs(f: Binomial, own: int, key: jax.Array, chains: int) -> tuple[jax.Array, jax.Array]:
    """How often yes among ``f.trials`` real samples, and among ``own`` samples of the model fitted on them: (chains,) each."""

    @jax.jit
    @jax.vmap
    def one(chain: Any) -> tuple[jax.Array, jax.Array]:
        stream = start(key, chain)
        real = binomial(part(stream, 0), jnp.asarray(f.trials, float), jnp.asarray(f.p, float))
        return real, binomial(part(stream, 1), jnp.asarray(own, float), real / f.trials)

    return one(jnp.arange(chains))
