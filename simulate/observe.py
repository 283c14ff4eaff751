"""What is observed of a model: the same few numbers for chains and, token by token, for language models."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from modelcollapse.theory.family import (
    Bigram,
    Binomial,
    Categorical,
    Family,
    Gamma,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    LinearRegression,
    LogisticRegression,
    NegativeBinomial,
    Poisson,
    Zipf,
)

from . import logistic, mixtures
from .kernel import Model, truth


def observe(f: Family, model: Model, first: Model | None = None) -> dict[str, jax.Array]:
    r"""The observables of one model, by name.

    ``error``: squared distance of the mean parameter from the truth, summed over coordinates. ``diversity``:
    :math:`1 - \sum p_i^2` for the categorical family, :math:`v(\theta_m)/v(\theta)` for the others. Categorical:
    ``alive``, the number of tokens with p > 0, and ``drift``, the L1 distance from the ``first`` model. Others:
    ``mean``. Gaussian: ``log_variance``, log of det of the covariance against the truth's, divided by d. Gamma:
    ``log_mean``, :math:`\log(\theta_m/\theta)`. Linear regression: the noise is known, and its ``diversity`` 1. Kernel densities:
    ``diversity``, the trace of the covariance over the truth's; ``second_moment`` about the true mean, over the same; with
    held-out points ``loss``, minus the mean logarithm of the density there; compared, ``squared_difference``, the integral of
    the squared difference of the densities of model and truth. Gaussian mixtures: ``mean``, ``diversity`` as of kernel
    densities, and ``squared_difference``. Logistic regression: ``diversity``, the mean variance of a label over the truth's, and
    ``loss``, its cross-entropy on labels of the truth. `Zipf` and `Bigram`: ``alive`` tokens or pairs, and ``missing``, how much
    of the truth they no longer know; of a `Bigram` ``error`` and ``diversity`` are means over the contexts that it knows, at
    their weights in the truth.

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.5, 0.25, 0.25])
    >>> seen = observe(f, jnp.array([0.5, 0.5, 0.0]))
    >>> {name: float(value) for name, value in seen.items()}
    {'error': 0.125, 'diversity': 0.5, 'alive': 2.0}
    """
    start = truth(f)
    if isinstance(f, Categorical):
        return {
            "error": jnp.sum((model - start) ** 2),
            "diversity": jnp.sum(model * (1 - model)),  # exactly 0 at total collapse
            "alive": jnp.sum(model > 0),
            **({} if first is None else {"drift": jnp.sum(jnp.abs(model - first))}),
        }
    if isinstance(f, Gaussian):
        error, diversity = jnp.sum((model.mean - start.mean) ** 2), jnp.sum(model.factor**2) / f.v
        # of a spread beyond what a float holds differences and products with zero are no numbers any more
        beyond = (jnp.isnan(error) | jnp.isnan(diversity)) & (model.log_variance > 0)
        return {
            "error": jnp.where(beyond, jnp.inf, error),
            "diversity": jnp.where(beyond, jnp.inf, diversity),
            "mean": model.mean,
            "log_variance": model.log_variance,
        }
    if isinstance(f, LinearRegression):
        return {"error": jnp.sum(model**2), "diversity": jnp.ones_like(model[0])}
    if isinstance(f, KernelDensity):
        error, spread = jnp.sum(model.mean**2), model.spread + f.dimension * model.width**2
        seen = {"error": error, "diversity": spread / f.v, "second_moment": (spread + error) / f.v}
        if model.apart is not None:
            seen["squared_difference"] = model.apart
        return seen if model.logs is None else seen | {"loss": -jnp.mean(model.logs)}
    if isinstance(f, GaussianMixture):
        mean, spread = mixtures.moments(model)
        true_mean, true_spread = mixtures.moments(start)
        return {"error": jnp.sum((mean - true_mean) ** 2), "diversity": spread / true_spread, "mean": mean,
                "squared_difference": mixtures.squared_difference(model, start)}  # fmt: skip
    if isinstance(f, LogisticRegression):
        return {"error": jnp.sum((model - start) ** 2), "loss": logistic.expected_loss(start, model),
                "diversity": logistic.label_noise(model) / logistic.label_noise(start)}  # fmt: skip
    if isinstance(f, Zipf | Bigram):
        return dict(model._asdict())
    seen = {
        "error": (model - start) ** 2,
        "diversity": variance(f, model) / variance(f, start),
        "mean": model,
    }
    if isinstance(f, Gamma):
        seen["log_mean"] = jnp.log(model / start)
    return seen


def variance(f: Binomial | Poisson | Gamma | NegativeBinomial, mean: jax.Array) -> jax.Array:
    """The variance function v of a family at another mean (the family's own ``v``, with its mean replaced)."""
    if isinstance(f, Binomial):
        return Binomial(f.trials, mean / f.trials).v
    if isinstance(f, Poisson):
        return Poisson(mean).v
    return type(f)(f.shape if isinstance(f, Gamma) else f.size, mean).v
