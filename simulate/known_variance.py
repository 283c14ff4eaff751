"""Chains of a normal law in one dimension whose variance is known: samples are drawn, and their mean is the model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory.workflow import Workflow


def errors(key: jax.Array, chains: int, w: Workflow, generations: int) -> np.ndarray:
    """Errors (chains, M) of the models of a workflow whose batches are each drawn from one model, with variance 1."""
    schedule = w.schedule(generations)
    source = np.argmax(schedule.source, axis=1)
    weight = np.asarray(schedule.weight, float)

    def chain(one: jax.Array) -> jax.Array:
        models, means = [jnp.zeros(())], [jnp.zeros(())] * len(source)
        for model in range(1, generations + 1):
            for batch in np.flatnonzero(source == model - 1):
                points = models[source[batch]] + jax.random.normal(
                    jax.random.fold_in(one, batch), (int(schedule.size[batch]),)
                )
                means[batch] = points.mean()
            models.append(sum(weight[model - 1][batch] * means[batch] for batch in np.flatnonzero(weight[model - 1])))
        return jnp.stack(models[1:])

    return np.asarray(jax.jit(jax.vmap(chain))(jax.random.split(key, chains)))
