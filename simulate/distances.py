r"""How far Gaussian models are from the truth, in more than their moments, from points that are drawn and fitted.

Of each model: the squared Wasserstein distance :math:`\|\mu\|^2 + \sum_i (s_i - \sigma)^2`, :math:`s_i^2` the
eigenvalues of its covariance, and the divergence :math:`KL(\text{truth} \| \text{model})`, by its triangular factor.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import sequential_vmap

from modelcollapse.theory.family import Gaussian
from modelcollapse.theory.workflow import Replace

from . import kernel, linear
from .stream import Stream, fold, start


def distances(key: jax.Array, f: Gaussian, w: Replace, generations: int, chains: int) -> dict[str, jax.Array]:
    """``wasserstein``, ``kullback_leibler`` and ``log_variance`` of models 1, ..., M under one size of `Replace`: (C, M) each.

    >>> import jax
    >>> from modelcollapse import theory
    >>> seen = distances(jax.random.key(0), theory.Gaussian(2), theory.Replace(10, real=12), generations=3, chains=5)
    >>> {name: values.shape for name, values in sorted(seen.items())}
    {'kullback_leibler': (5, 3), 'log_variance': (5, 3), 'wasserstein': (5, 3)}
    """
    sizes = int(w.real), int(w.synthetic)
    return _run(key, float(f.variance), dimension=f.dimension, unbiased=f.unbiased, sizes=sizes, generations=generations,
                chains=chains)  # fmt: skip


@partial(jax.jit, static_argnames=("dimension", "unbiased", "sizes", "generations", "chains"))
def _run(key: jax.Array, variance: Any, *, dimension: int, unbiased: bool, sizes: tuple[int, int], generations: int,
         chains: int) -> dict[str, jax.Array]:  # fmt: skip
    f = object.__new__(Gaussian)  # its variance is traced
    for name, value in (("dimension", dimension), ("variance", variance), ("unbiased", unbiased)):
        object.__setattr__(f, name, value)

    def chain(index: jax.Array) -> dict[str, jax.Array]:
        own = start(key, index)
        first = _fitted(fold(own, 1), f, kernel.truth(f), sizes[0])

        def generation(model: kernel.Normal, number: jax.Array) -> tuple[kernel.Normal, dict[str, jax.Array]]:
            model = _fitted(fold(own, number), f, model, sizes[1])
            return model, _seen(f, model)

        later = lax.scan(generation, first, jnp.arange(2, generations + 1, dtype=jnp.uint32))[1]
        return jax.tree.map(lambda one, other: jnp.append(one, other), _seen(f, first), later)

    return jax.vmap(chain)(jnp.arange(chains, dtype=jnp.uint32))


def _fitted(stream: Stream, f: Gaussian, model: kernel.Normal, size: int) -> kernel.Normal:
    return kernel.fit(f, kernel.points(stream, f, model, size))


def _seen(f: Gaussian, model: kernel.Normal) -> dict[str, jax.Array]:
    deviation = jnp.sqrt(f.variance)
    whitened = linear.forward(model.factor / deviation, jnp.eye(f.dimension))
    moved = linear.forward(model.factor, model.mean)
    square = jnp.sum(whitened**2) + jnp.sum(moved**2) - f.dimension + f.dimension * model.log_variance
    spread = jnp.sum((_singular(model.factor) - deviation) ** 2)
    return {
        "wasserstein": jnp.sum(model.mean**2) + spread,
        "kullback_leibler": square / 2,
        "log_variance": model.log_variance,
    }


@sequential_vmap
def _singular(factor: jax.Array) -> jax.Array:
    return jnp.abs(factor[0]) if factor.shape[0] == 1 else jnp.linalg.svd(factor, compute_uv=False)
