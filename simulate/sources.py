"""One round with a synthetic source: real samples, samples of another model, and the mean of both."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory.family import Family

from . import kernel
from .stream import Stream, part, start


def errors(f: Family, model: Family, real: Any, synthetic: Any, weight: Any, key: jax.Array, chains: int) -> jax.Array:
    """Squared distance from the truth of ``f`` of the mean of both sets, of ``chains`` repetitions: (chains, settings).

    ``real`` samples of f and ``synthetic`` ones of ``model``, a record of the same family, at each setting; either may be 0.
    ``weight``: that of the synthetic mean; None: pooled. A repetition draws on the same random numbers at all settings.
    """
    real, synthetic = np.asarray(real, float), np.asarray(synthetic, float)
    weight = synthetic / (real + synthetic) if weight is None else np.asarray(weight, float)
    true, other = kernel.truth(f), kernel.truth(model)

    def mean(stream: Stream, law: Any, size: jax.Array, sizes: np.ndarray) -> Any:
        """Of none any mean will do: it has no weight."""
        return kernel.draw(stream, f, law, kernel.Size(jnp.maximum(size, 1)), int(max(sizes.max(), 1)))

    @jax.jit
    @partial(jax.vmap, in_axes=(None, 0))
    def one(key: jax.Array, chain: jax.Array) -> jax.Array:
        def at(first: jax.Array, second: jax.Array, share: jax.Array) -> jax.Array:
            stream = start(key, chain)
            near = mean(part(stream, 0), true, first, real) - true
            far = mean(part(stream, 1), other, second, synthetic) - true
            return jnp.sum(((1 - share) * near + share * far) ** 2)

        return jax.vmap(at)(*(jnp.asarray(each) for each in (real, synthetic, weight)))

    return one(key, jnp.arange(chains))
