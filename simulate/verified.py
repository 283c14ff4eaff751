"""Verified labels: a generator labels points, a verifier keeps some, a classifier averages what is kept, new points judge it."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random


@partial(jax.jit, static_argnames=("chains", "samples"))
def kept_labels(
    key: jax.Array, p: Any, keep_right: Any, keep_wrong: Any, *, chains: int, samples: int
) -> tuple[jax.Array, jax.Array]:
    """Which of ``samples`` kept labels are right (chains, samples), and how many were generated for each.

    A label is right with the chance ``p``; it is generated anew until the verifier keeps it.

    >>> import jax
    >>> right, generated = kept_labels(jax.random.key(0), 0.5, 1.0, 0.0, chains=2, samples=3)
    >>> bool(right.all()), bool((generated >= 1).all())
    (True, True)
    """

    def generate(state: Any) -> Any:
        number, right, generated, pending = state
        own = random.fold_in(key, number)
        new = random.bernoulli(random.fold_in(own, 0), p, (chains, samples))
        kept = random.uniform(random.fold_in(own, 1), (chains, samples)) < jnp.where(new, keep_right, keep_wrong)
        return number + 1, jnp.where(pending, new, right), generated + pending, pending & ~kept

    nothing = jnp.zeros((chains, samples), bool)
    state = generate((0, nothing, nothing.astype(int), ~nothing))
    _, right, generated, _ = lax.while_loop(lambda state: jnp.any(state[3]), generate, state)
    return right, generated


@partial(jax.jit, static_argnames=("chains", "samples", "dimension", "points", "real"))
def accuracy(
    key: jax.Array, p: Any, keep_right: Any, keep_wrong: Any, separation: Any,
    *, chains: int, samples: int, dimension: int, points: int = 64, real: int = 0,
) -> jax.Array:  # fmt: skip
    """(chains,) share of new ``points`` that a classifier gets right: the mean of label times point over ``samples`` kept ones.

    ``real``: labels that are right, pooled with them.

    Points are of one of two classes at random, Gaussian about plus and minus ``separation`` along the first axis.
    """
    keys = random.split(key, 5)

    def drawn(own: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        label = random.rademacher(random.fold_in(own, 0), (chains, count), float)
        noise = random.normal(random.fold_in(own, 1), (chains, count, dimension))
        return label, noise.at[..., 0].add(label * separation)

    right, _ = kept_labels(keys[0], p, keep_right, keep_wrong, chains=chains, samples=samples)
    right = jnp.pad(right, ((0, 0), (0, real)), constant_values=True)
    truth, seen = drawn(keys[1], samples + real)
    classifier = jnp.mean((jnp.where(right, truth, -truth))[..., None] * seen, axis=1)
    label, new = drawn(keys[2], points)
    said = jnp.einsum("cpd,cd->cp", new, classifier)
    return jnp.mean(said * label > 0, axis=1)
