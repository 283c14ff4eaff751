r"""What generation 1 and one step of replacing say about every other workflow.

The loss of generation m of a seed s is the seed's level, the excess that recursion adds, and the noise of one training:

.. math:: L_{s,m} = a_s + \Delta\, c_w(m) + \sigma \varepsilon_{s,m}, \qquad
          c_w(m) = \frac{T_w(m) - T_w(1)}{T_{\text{replace}}(2) - T_{\text{replace}}(1)}.

:math:`\Delta` is the rise of one step of replacing. T is theory's exact error of the workflow (`theory.algebra`) for a learner
with three numbers: the effective size :math:`N_e`; the heritability h, the share of its data's error that a fit passes on; and
the share :math:`\varphi` of its own error that comes from its sample, the rest being noise of training, which no amount of data
averages out. The real text stands for :math:`N_e/\varphi` samples and other sizes in proportion; training adds the noise of
:math:`N_e/(1-\varphi)`. For replacing the curve is nearly :math:`(1 - \lambda^{m-1}) / (1 - \lambda)` with
:math:`\lambda = h (1 - 1/N_e)`, whatever :math:`\varphi`. One step of replacing cannot tell h, nor :math:`\varphi` at all: the
priors speak, and the bands say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

from modelcollapse.theory import algebra
from modelcollapse.theory import arguments as arg
from modelcollapse.theory.workflow import Workflow, first_size

CHAINS, WARMUP, DRAWS = 4, 500, 500
LEVEL = 0.9  # of the bands


@dataclass(frozen=True)
class Priors:
    """What is believed before anything is trained; losses in nats per token.

    ``step``: mean and standard deviation of the rise of one replace step (normal: it may fall). ``noise``: scale of the
    half-normal noise of one training. ``size``: median of N_e - 1 and standard deviation of its logarithm. ``heritability``:
    median and standard deviation of the logarithm, below 1 for a model started afresh, above 1 for one trained on.
    ``drift``: standard deviation of the logarithm of a measured 1/N_e. ``share``: the two parameters of the beta law of the
    share of sampling in the noise; 1 and 1 say nothing.
    """

    step: tuple[float, float] = (0.2, 0.3)
    noise: float = 0.1
    size: tuple[float, float] = (8.0, 1.0)
    heritability: tuple[float, float] = (0.75, 0.3)
    drift: float = 0.3
    share: tuple[float, float] = (1.0, 1.0)

    @staticmethod
    def continued() -> Priors:
        """For models that start from the weights of the generation before."""
        return Priors(heritability=(1.05, 0.15))


@dataclass(frozen=True, eq=False)
class Observed:
    """All that a prediction may know.

    ``first`` (S,): loss of generation 1 of each seed. ``again`` (S, R): of re-trainings on the same data. ``replaced`` (S, K):
    of generations 2..K+1 under Replace. ``moved`` (S,): F of one step, 1/N_e (`effective_size`), NaN where not measured.
    """

    first: Any
    again: Any
    replaced: Any
    moved: Any

    def __post_init__(self) -> None:
        seeds = len(np.atleast_1d(self.first))
        for name, dimensions in (("first", 1), ("again", 2), ("replaced", 2), ("moved", 1)):
            table = np.asarray(getattr(self, name), float)
            if table.ndim != dimensions or len(table) != seeds or 0 in table.shape:
                raise arg.refuse(
                    "Observed", name, f"shape {table.shape}", f"{dimensions} axes, the first of {seeds} seeds"
                )
            if name != "moved" and not np.all(np.isfinite(table)):
                raise arg.refuse(
                    "Observed", name, table, "finite losses: a run that lost its support cannot be predicted"
                )
            object.__setattr__(self, name, table)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Draws of the posterior predictive: ``loss`` and ``linear`` by workflow, (draws, seeds, generations).

    ``linear``: the same with N_e infinite and h = 1, where the gain is that of large samples. ``posterior``: the parameters'
    draws, (draws,). ``mixing``: the worst R-hat and the least effective number of draws.
    """

    loss: Mapping[str, np.ndarray]
    linear: Mapping[str, np.ndarray]
    posterior: Mapping[str, np.ndarray]
    mixing: tuple[float, float]

    def over_seeds(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the mean over seeds: what is predicted for it, and the ends of its band; (generations,) each."""
        draws = self.loss[name].mean(axis=1)
        return draws.mean(axis=0), *band(draws)


def curve(workflow: Workflow, generations: int, size: Any, heritability: Any, share: Any = 1.0) -> Any:
    r"""c(m) for generations 1, 2, ...: the rise of the error, in units of the first step of replacing.

    ``size``, ``heritability`` and ``share`` (of the sample in the noise) may be JAX values.

    >>> from modelcollapse.theory import Replace
    >>> [round(float(each), 3) for each in curve(Replace(100), 4, 1e6, 1.0)]
    [0.0, 1.0, 2.0, 3.0]
    >>> [round(float(each), 3) for each in curve(Replace(100), 4, 5.0, 0.5)]  # lambda = 0.4
    [0.0, 1.0, 1.4, 1.56]
    """
    table = _scaled(workflow, generations, jnp.asarray(size, float) / share / float(first_size(workflow)))
    error = algebra.error(table, -1, generations, heritability=heritability, own_noise=(1 - share) / size)
    first, second = _replacing(2, size, heritability, share)
    return (error - error[0]) / (second - first)


def _replacing(generations: int, size: Any, heritability: Any, share: Any) -> list[Any]:
    """Error, in units of V, of generations 1, 2, ... of replacing, by its law."""
    error, errors = 0.0, []
    for _ in range(generations):
        error = _trained(error, size / share, heritability, (1 - share) / size)
        errors.append(error)
    return errors


def _trained(error: Any, samples: Any, heritability: Any, own: Any) -> Any:
    """Error, in units of V, of a model trained on samples of a model with this error.

    The fit shrinks by h what the sample adds; training then adds its own noise.
    """
    shrunk = heritability * (error + (1 - error) / samples)
    return shrunk + own * (1 - shrunk)


def _scaled(workflow: Workflow, generations: int, factor: Any) -> Any:
    """The schedule of a workflow with every size multiplied."""
    schedule = workflow.schedule(generations)
    sizes = {"size": schedule.size, **({} if schedule.train is None else {"train": schedule.train})}
    return replace(schedule, **{name: jnp.asarray(np.asarray(each, float)) * factor for name, each in sizes.items()})


def predict(
    seen: Observed,
    workflows: Mapping[str, Workflow],
    generations: int,
    key: jax.Array,
    *,
    priors: Priors | None = None,
) -> Prediction:
    """The posterior predictive of every workflow, from what calibration has seen and nothing else.

    Raises InputError where there are fewer generations than calibration itself reaches.
    """
    priors = priors or Priors()
    steps = seen.replaced.shape[1]
    if generations < steps + 1:
        raise arg.refuse("predict", "generations", generations, f"calibration itself reaches generation {steps + 1}")
    kernel = NUTS(_model)
    sampler = MCMC(
        kernel, num_warmup=WARMUP, num_samples=DRAWS, num_chains=CHAINS, chain_method="vectorized", progress_bar=False
    )
    sampling, predicting = jax.random.split(key)
    sampler.run(sampling, seen, priors)
    chains = sampler.get_samples(group_by_chain=True)
    mixing = [numpyro.diagnostics.summary({name: np.asarray(each)}) for name, each in chains.items()]
    worst = max(float(np.max(row["r_hat"])) for each in mixing for row in each.values())
    least = min(float(np.min(row["n_eff"])) for each in mixing for row in each.values())
    posterior = {name: np.asarray(each) for name, each in sampler.get_samples().items()}
    curves = jax.jit(jax.vmap(lambda *of: {name: curve(each, generations, *of) for name, each in workflows.items()}))
    drawn = curves(*(posterior[name] for name in ("size", "heritability", "share")))
    limit = {name: np.asarray(curve(each, generations, 1e9, 1.0)) for name, each in workflows.items()}
    noise = np.random.default_rng(np.asarray(jax.random.key_data(predicting)))
    shape = (len(posterior["step"]), len(seen.first), generations)
    loss, linear = {}, {}
    for name in workflows:
        level, step = posterior["level"][:, :, None], posterior["step"][:, None, None]
        trained = posterior["noise"][:, None, None] * noise.standard_normal(shape)
        loss[name] = level + step * np.asarray(drawn[name])[:, None, :] + trained
        linear[name] = level + step * limit[name] + trained
    return Prediction(loss, linear, posterior, (worst, least))


def _model(seen: Observed, priors: Priors) -> None:
    seeds, steps = len(seen.first), seen.replaced.shape[1]
    noise = numpyro.sample("noise", dist.HalfNormal(priors.noise))
    step = numpyro.sample("step", dist.Normal(*priors.step))
    heritability = numpyro.sample(
        "heritability", dist.LogNormal(np.log(priors.heritability[0]), priors.heritability[1])
    )
    beyond = numpyro.sample("beyond", dist.LogNormal(np.log(priors.size[0]), priors.size[1]))
    size = numpyro.deterministic("size", 1 + beyond)
    level = numpyro.sample("level", dist.Normal(seen.first.mean(), 1.0).expand([seeds]).to_event(1))
    numpyro.sample("first", dist.Normal(level, noise).to_event(1), obs=seen.first)
    numpyro.sample("again", dist.Normal(level[:, None], noise).expand(seen.again.shape).to_event(2), obs=seen.again)
    share = numpyro.sample("share", dist.Beta(*priors.share))
    error = _replacing(steps + 1, size, heritability, share)
    rise = step * jnp.stack([(each - error[0]) / (error[1] - error[0]) for each in error[1:]])
    numpyro.sample("replaced", dist.Normal(level[:, None] + rise, noise).to_event(2), obs=seen.replaced)
    measured = np.flatnonzero(np.isfinite(seen.moved) & (seen.moved > 0))
    if measured.size:
        log_moved = np.log(seen.moved[measured])
        numpyro.sample(
            "moved", dist.Normal(-jnp.log(size), priors.drift).expand(log_moved.shape).to_event(1), obs=log_moved
        )


def band(draws: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the central interval over the first axis."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
