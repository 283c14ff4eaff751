"""A portfolio lived through: points are bought, drawn from models, kept by a verifier, subsampled and averaged."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from modelcollapse.theory import portfolio as kinds
from modelcollapse.theory.correction import Correction
from modelcollapse.theory.portfolio import Portfolio
from modelcollapse.theory.source import Source

VARIANCE = 0.5  # of a real point in each of two dimensions, one in all


def errors(
    key: jax.Array, portfolio: Portfolio, source: Source | None, verifier: Correction | None, chains: int
) -> jax.Array:
    """(chains, T) squared errors of the models of a portfolio in whole samples; the truth is 0, and points are Gaussian.

    The source is off along the first axis, the centre of the verifier along the second. A verifier keeps a point of the last
    model with a Gaussian chance of its distance from the centre, as wide as makes the kept ones move by its contraction.
    """
    size, weight = np.asarray(portfolio.size, int), np.asarray(portfolio.weight, float)
    train = None if portfolio.train is None else np.asarray(portfolio.train, int)

    @jax.jit
    @jax.vmap
    def one(key: jax.Array) -> jax.Array:
        models, batches = [jnp.zeros(2)], {}
        for t in range(len(size)):
            for kind in np.flatnonzero(size[t]):
                own = random.fold_in(random.fold_in(key, t), kind)
                batches[t, kind] = _drawn(own, int(kind), int(size[t, kind]), models[t], source, verifier)
            model = jnp.zeros(2)
            for (s, kind), points in batches.items():
                used = len(points) if train is None else train[t, s, kind]
                if weight[t, s, kind] == 0:
                    continue
                shuffled = random.permutation(random.fold_in(random.fold_in(key, 1000 + t), 4 * s + kind), points)
                model = model + weight[t, s, kind] * shuffled[:used].mean(axis=0)
            models.append(model)
        return jnp.stack([jnp.sum(each**2) for each in models[1:]])

    return one(random.split(key, chains))


def _drawn(key: jax.Array, kind: int, count: int, model: jax.Array, source: Any, verifier: Any) -> jax.Array:
    """(count, 2) points of one batch."""

    def about(key: jax.Array, mean: Any, variance: Any) -> jax.Array:
        return mean + jnp.sqrt(variance) * random.normal(key, (count, 2))

    match kind:
        case kinds.REAL:
            return about(key, jnp.zeros(2), VARIANCE)
        case kinds.SOURCE:
            return about(key, jnp.array([1 / jnp.sqrt(source.worth), 0.0]), VARIANCE * source.noise)
        case kinds.OWN:
            return about(key, model, VARIANCE)
    centre = jnp.array([0.0, 1 / jnp.sqrt(verifier.worth)])
    width = VARIANCE * (1 - verifier.contraction) / verifier.contraction

    def again(state: Any) -> Any:
        turn, points, pending = state
        drawn, chance = random.split(random.fold_in(key, turn))
        new = about(drawn, model, VARIANCE)
        kept = random.uniform(chance, (count,)) < jnp.exp(-jnp.sum((new - centre) ** 2, axis=1) / (2 * width))
        return turn + 1, jnp.where(pending[:, None], new, points), pending & ~kept

    nothing = jnp.zeros((count, 2))
    return lax.while_loop(lambda state: jnp.any(state[2]), again, (0, nothing, jnp.ones(count, bool)))[1]
