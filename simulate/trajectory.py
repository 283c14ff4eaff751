"""The record of a run: observables of every chain at every generation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg
from modelcollapse.theory.family import Binomial, Categorical, Family, Gaussian
from modelcollapse.theory.workflow import AnyWorkflow, Replace

if TYPE_CHECKING:
    import xarray

OBSERVABLES = (
    "error",
    "diversity",
    "alive",
    "drift",
    "mean",
    "log_variance",
    "log_variance_spread",
    "log_mean",
    "second_moment",
    "loss",
    "squared_difference",
    "missing",
    "collapsed",
    "collapse_time",
)

LONG_NAMES = {
    "error": "squared distance of the mean parameter from the truth",
    "diversity": "variance of one sample",
    "alive": "tokens, or pairs of a context and a token, with a probability above 0",
    "drift": "L1 distance of the probabilities from the first model",
    "mean": "mean parameter",
    "log_variance": "logarithm of the determinant of the covariance against the truth, divided by its dimension",
    "log_variance_spread": "squared deviation of the logarithm of the variance from its exact mean",
    "log_mean": "logarithm of the mean against the truth",
    "second_moment": "second moment about the true mean, over the variance of the truth",
    "loss": "held-out cross-entropy",
    "squared_difference": "integral of the squared difference of the densities of model and truth",
    "missing": "probability under the truth of what the model no longer knows",
    "collapsed": "whether total collapse is reached",
    "collapse_time": "generation of total collapse, if it is no later than the next",
}


UNITS = {
    "loss": "nats per token or point",
    "squared_difference": "1/units",
    "error": "squared units of the mean parameter",
    "mean": "units of the mean parameter",
}  # else 1


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """Observables of the family ``f`` under the workflow ``w``: arrays (chain, generation), generation 1 first.

    ``error``: squared distance of the mean parameter from the truth, summed over coordinates. ``diversity``: of the
    categorical family 1 - sum p^2, of others v(theta_m)/v(theta), 1 at the truth. ``alive``: tokens with p > 0;
    ``drift``: L1 distance from the chain's first model (both categorical). ``mean``: of the Gaussian with a third axis,
    coordinate; not kept for the categorical. ``log_variance`` (Gaussian): log(det of the covariance / det of the true
    one)/d, -inf where it is singular. ``log_mean`` (Gamma): log(theta_m/theta). ``second_moment`` (kernel density): of the model
    about the true mean, over that of the truth; its ``diversity`` is the trace of its covariance over the truth's,
    and its ``loss`` minus the mean log density at the chain's held-out points; ``squared_difference`` is per length^d.
    `simulate.observe` says what others have. What a family does not have is None.

    Of language models (`lm.run.Run.trajectory`) a chain is a seed, ``diversity`` and ``drift`` are means over next-token
    distributions after fixed contexts, ``loss`` is the held-out cross-entropy in nats per token, and ``error`` is NaN: the truth
    is not known.

    >>> from modelcollapse import theory
    >>> Trajectory(theory.Poisson(2.0), theory.Replace(5), error=np.zeros((9, 4)), diversity=np.ones((9, 4)))
    Trajectory(Poisson(mean=2.0), Replace(synthetic=5, real=5), 9 chains, 4 generations: error, diversity)
    """

    f: Family
    w: AnyWorkflow
    error: jax.Array
    diversity: jax.Array
    alive: jax.Array | None = None
    drift: jax.Array | None = None
    mean: jax.Array | None = None
    log_variance: jax.Array | None = None
    log_mean: jax.Array | None = None
    second_moment: jax.Array | None = None
    loss: jax.Array | None = None
    squared_difference: jax.Array | None = None
    missing: jax.Array | None = None

    def __repr__(self) -> str:
        """Family, workflow, sizes and the names of observables: not their numbers."""
        names = ", ".join(self.observables)
        size = f"{self.chains:,} chains, {self.generations:,} generations"
        return f"Trajectory({arg.shown(self.f)}, {arg.shown(self.w)}, {size}: {names})"

    @property
    def chains(self) -> int:
        """Number of chains."""
        return self.error.shape[0]

    @property
    def generations(self) -> int:
        """Number of generations."""
        return self.error.shape[1]

    @property
    def generation(self) -> np.ndarray:
        """The generations, 1, 2, ...: what theory's predictions take."""
        return np.arange(1, self.generations + 1)

    @property
    def observables(self) -> dict[str, jax.Array]:
        """The observables that this family has, by name."""
        return {name: value for name in OBSERVABLES if (value := getattr(self, name)) is not None}

    @property
    def collapsed(self) -> jax.Array | None:
        """Whether total collapse is reached: one outcome only (categorical, binomial); no other family gets there."""
        chain = isinstance(self.f, Categorical | Binomial) and self.loss is None
        return self.diversity == 0 if chain else None

    @property
    def log_variance_spread(self) -> np.ndarray | None:
        """Squared deviation of ``log_variance`` from its exact mean, where that is known (Gaussian under Replace)."""
        if self.log_variance is None or not (isinstance(self.w, Replace) and isinstance(self.f, Gaussian)):
            return None
        try:
            exact = theory.log_variance(self.f, self.w, self.generation)
        except theory.InputError:
            return None
        return (np.asarray(self.log_variance, float) - exact) ** 2

    @property
    def collapse_time(self) -> jax.Array | None:
        """The generation of total collapse, but m + 1 in column m where it is not reached by then."""
        return None if self.collapsed is None else 1 + (~self.collapsed).cumsum(axis=1)

    def to_xarray(self) -> xarray.Dataset:
        """A labelled data set: dimensions chain and generation (counted from 1), and coordinate of the Gaussian."""
        import xarray

        data = {
            name: (
                ("chain", "generation", "coordinate")[: value.ndim],
                np.asarray(value),
                {"long_name": LONG_NAMES[name], "units": UNITS.get(name, "1")},
            )
            for name, value in self.observables.items()
        }
        attributes = {
            "family": type(self.f).__name__,
            "workflow": type(self.w).__name__,
            **{f"family_{name}": text for name, text in _settings(self.f).items()},
            **{f"workflow_{name}": text for name, text in _settings(self.w).items()},
        }
        coordinates = {"chain": np.arange(self.chains), "generation": self.generation}
        return xarray.Dataset(data, coordinates, attributes)


def _settings(record: Any) -> dict[str, Any]:
    """The fields of a family or workflow as a file format can hold them: numbers, arrays of numbers, text."""
    settings = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: int(value) if isinstance(value, bool) else np.asarray(value, float)
        for name, value in settings.items()
        if value is not None
    }
