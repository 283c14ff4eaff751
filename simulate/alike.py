"""Chains of token counts, drawn sample by sample, and the chance that several samples of the last model are all one token."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import random

from modelcollapse.theory.workflow import Accumulate, FixedReal, FreshReal, Replace

from . import sampling


def power_sums(
    key: jax.Array, chains: int, p: Any, w: Replace | FixedReal | FreshReal | Accumulate, generations: int, samples: int
) -> jax.Array:
    r"""(chains, generations) of :math:`\sum_i p_i^k` of models 1, 2, ..., for k ``samples``."""
    sizes = {"real": int(w.real), "synthetic": int(w.synthetic), "generations": generations, "samples": samples}
    return _run(random.split(key, chains), jnp.asarray(p), kind=type(w), **sizes)


@partial(jax.jit, static_argnames=("kind", "real", "synthetic", "generations", "samples"))
def _run(
    keys: jax.Array, p: jax.Array, *, kind: type, real: int, synthetic: int, generations: int, samples: int
) -> jax.Array:
    def drawn(key: jax.Array, law: jax.Array, size: int) -> jax.Array:
        return sampling.tally(sampling.placed(random.uniform(key, (size,)), law), size, len(p))

    def chain(key: jax.Array) -> jax.Array:
        data = drawn(random.fold_in(key, 0), p, real)
        first, found = data, []
        for generation in range(generations):
            model = data / data.sum()
            found.append((model**samples).sum())
            new, fresh = random.split(random.fold_in(key, generation + 1))
            own = drawn(new, model, synthetic)
            if kind is Replace:
                data = own
            elif kind is Accumulate:
                data = data + own
            else:
                data = own + (first if kind is FixedReal else drawn(fresh, p, real))
        return jnp.stack(found)

    return jax.vmap(chain)(keys)
