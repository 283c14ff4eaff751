r"""Streams of items of uncertain origin, drawn item by item: an origin, a token, and what a detector says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory import provenance as origin
from modelcollapse.theory.family import Categorical


def errors(
    key: jax.Array,
    chains: int,
    f: Categorical,
    sizes: Sequence[int],
    share: float,
    provenances: Sequence[origin.Provenance],
) -> np.ndarray:
    """Squared error (chains, P, M) of each model of a stream whose batches of ``sizes`` (M,) weigh as `effective_size` says.

    Batch 1 is real. An item of a later one is with chance ``share`` a token of the model before, else one of the truth. For
    each of P ways of knowing the origin.
    """
    every = [origin.chances("errors", each) for each in provenances]
    most = max(len(real) for real, _ in every)
    padded = np.array([[np.pad(np.asarray(each, float), (0, most - len(each))) for each in both] for both in every])
    ratios = np.array([np.pad(origin.likelihood_ratio(share, each), (0, most))[:most] for each in provenances])
    weights = np.array([origin.effective_size(f, sizes, share, each).weight for each in provenances])
    truth = jnp.asarray(f.p, float)

    def chain(one: jax.Array, outputs: jax.Array, ratio: jax.Array, weight: jax.Array) -> jax.Array:
        model, found = truth, []
        for number, size in enumerate(sizes):
            which, token, says = jax.random.uniform(jax.random.fold_in(one, number), (3, size))
            synthetic = (which < share) & (number > 0)
            tokens = jnp.where(synthetic, _drawn(model, token), _drawn(truth, token))
            told = ratio[jnp.where(synthetic, _drawn(outputs[1], says), _drawn(outputs[0], says))]
            told = told if number else jnp.ones(size)
            mean = jnp.zeros_like(truth).at[tokens].add(told) / size
            model = model + weight[number] * (mean - told.mean() * model)
            found.append(((model - truth) ** 2).sum())
        return jnp.stack(found)

    ways = jax.vmap(chain, (None, 0, 0, 0))
    run = jax.jit(jax.vmap(ways, (0, None, None, None)))
    return np.asarray(run(jax.random.split(key, chains), padded, ratios, weights))


def _drawn(chances: jax.Array, heights: jax.Array) -> Any:
    """Outcomes of these chances at uniform heights."""
    return jnp.minimum((heights[:, None] >= jnp.cumsum(chances)).sum(axis=1), chances.shape[0] - 1)
