r"""Families: what is fitted to the data of a generation.

Each family is a frozen record of the truth. Its model is a mean parameter :math:`\theta = E\,t(x)`, fitted by averaging
the statistic :math:`t`; one sample has the variance :math:`v(\theta)`, summed over coordinates, and :math:`v` is
quadratic in the mean with leading coefficient ``v2``: :math:`v(\theta) = v_0 + v_1 \theta + v_2 \theta^2`. Those two
numbers are all that the error and the diversity of any workflow depend on.

Two families are no such means and have theorems of their own: `LinearRegression`, whose data is not weighed evenly, and
`KernelDensity`, which adds spread to what it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import arguments as arg

ROUNDING = 1e-6  # probabilities written as decimals or float32 sum to one up to this


@dataclass(frozen=True, eq=False)
class Categorical:
    r"""Probabilities of V tokens, fitted by counting: :math:`v(p) = 1 - \sum p_i^2`, ``v2 = -1``.

    ``p`` (V,): probabilities, summing to one. ``counts`` (V,): set by `from_counts` when a corpus is known that
    generation 1 was fitted on; then survivors are conditional on it, and v is estimated without bias.
    """

    p: Any
    counts: Any = None

    def __post_init__(self) -> None:
        if arg.is_traced(self.p):
            return
        wanted = "probabilities of the tokens, shape (V,)"
        numeric = arg.numbers("Categorical", "p", self.p, wanted)
        if numeric.ndim != 1 or not numeric.size:
            raise arg.refuse("Categorical", "p", f"shape {numeric.shape}", wanted)
        if np.any(numeric < 0):
            raise arg.refuse("Categorical", "p", numeric.min(), f"{wanted}, none below 0")
        if abs(numeric.sum() - 1) > ROUNDING:
            raise arg.refuse(
                "Categorical",
                "p",
                f"sum {numeric.sum():.9g}",
                "probabilities sum to one: divide by the sum, or use Categorical.from_counts",
            )
        if not arg.is_jax(self.p):
            array = np.asarray(self.p)
            object.__setattr__(self, "p", array if array.dtype == object else numeric)

    @staticmethod
    def from_counts(counts: Any) -> Categorical:
        """The family of a corpus: its counts are the real data of generation 1, not the truth.

        >>> Categorical.from_counts([3, 1]).v
        0.5
        """
        wanted = "how often each token occurs, shape (V,)"
        numeric = arg.numbers("Categorical.from_counts", "counts", counts, wanted)
        if numeric.ndim != 1 or np.any(numeric < 0) or np.any(numeric != np.floor(numeric)):
            raise arg.refuse("Categorical.from_counts", "counts", counts, f"{wanted}: whole numbers, none below 0")
        if numeric.sum() > arg.LAST:
            raise arg.refuse("Categorical.from_counts", "counts", counts, f"{wanted}, at most 2^53 items in all")
        if numeric.sum() < 2:
            raise arg.refuse("Categorical.from_counts", "counts", counts, f"{wanted}, at least two items in all")
        return Categorical(numeric / numeric.sum(), numeric.astype(np.int64))

    @property
    def v2(self) -> int:
        """Leading coefficient of the variance function."""
        return -1

    @property
    def v(self) -> Any:
        r"""Diversity :math:`1 - \sum p_i^2`: the chance that two tokens differ (of a corpus: its unbiased estimate)."""
        plain = 1 - (self.p * self.p).sum()
        if self.counts is None:
            return plain
        size = float(self.counts.sum())
        return float(plain) * size / (size - 1)


@dataclass(frozen=True)
class Gaussian:
    r"""Normal law in ``dimension`` dimensions with covariance ``variance`` times the identity; mean and covariance fitted.

    ``unbiased=False``: the covariance has divisor n, as ``numpy.cov(bias=True)``. Pooled second moments about the truth
    are then conserved, so that the fitted total variance plays v with ``v2 = -1``. ``unbiased=True``: divisor n - 1, the
    expected covariance never changes and ``v2 = 0``; under `Replace` only.
    """

    dimension: int = 1
    variance: Any = 1.0
    unbiased: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimension", arg.size("Gaussian", "dimension", self.dimension, of="coordinates"))
        arg.positive("Gaussian", "variance", self.variance, "variance of each coordinate")
        if not isinstance(self.unbiased, bool):
            raise arg.refuse("Gaussian", "unbiased", self.unbiased, "True or False")

    @property
    def v2(self) -> int:
        """Leading coefficient of the (expected) variance as a function of the mean."""
        return 0 if self.unbiased else -1

    @property
    def v(self) -> Any:
        """Trace of the covariance."""
        return self.dimension * self.variance


@dataclass(frozen=True)
class Binomial:
    r"""Number of successes in ``trials``: :math:`\theta = Kp`, :math:`v = \theta - \theta^2/K`, ``v2 = -1/K``."""

    trials: Any
    p: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "trials", arg.size("Binomial", "trials", self.trials, of="trials"))
        arg.probability("Binomial", "p", self.p, "chance of a success")
        if not arg.is_traced(self.p) and np.any((np.asarray(self.p) == 0) | (np.asarray(self.p) == 1)):
            raise arg.refuse("Binomial", "p", self.p, "above 0 and below 1: a certain outcome has no error")

    @property
    def v2(self) -> Any:
        """Leading coefficient of the variance function."""
        return arg.ratio(-1, self.trials)

    @property
    def v(self) -> Any:
        """Variance of one sample."""
        return self.trials * self.p * (1 - self.p)


@dataclass(frozen=True)
class Poisson:
    r"""Counts with :math:`\theta` the mean and :math:`v = \theta`, ``v2 = 0``."""

    mean: Any

    def __post_init__(self) -> None:
        arg.positive("Poisson", "mean", self.mean, "mean count")

    @property
    def v2(self) -> int:
        """Leading coefficient of the variance function."""
        return 0

    @property
    def v(self) -> Any:
        """Variance of one sample."""
        return self.mean


@dataclass(frozen=True)
class Gamma:
    r"""Positive numbers of known ``shape`` k (1: exponential): :math:`v = \theta^2/k`, ``v2 = 1/k``."""

    shape: Any
    mean: Any

    def __post_init__(self) -> None:
        arg.positive("Gamma", "shape", self.shape, "shape of the law")
        arg.positive("Gamma", "mean", self.mean, "mean of the law")

    @property
    def v2(self) -> Any:
        """Leading coefficient of the variance function."""
        return arg.ratio(1, self.shape)

    @property
    def v(self) -> Any:
        """Variance of one sample."""
        return self.mean * self.mean * self.v2


@dataclass(frozen=True)
class NegativeBinomial:
    r"""Overdispersed counts of known ``size`` s: :math:`v = \theta + \theta^2/s`, ``v2 = 1/s``."""

    size: Any
    mean: Any

    def __post_init__(self) -> None:
        arg.positive("NegativeBinomial", "size", self.size, "size (number of failures, or 1/overdispersion)")
        arg.positive("NegativeBinomial", "mean", self.mean, "mean count")

    @property
    def v2(self) -> Any:
        """Leading coefficient of the variance function."""
        return arg.ratio(1, self.size)

    @property
    def v(self) -> Any:
        """Variance of one sample."""
        return self.mean + self.mean * self.mean * self.v2


@dataclass(frozen=True)
class LinearRegression:
    r"""Least squares: :math:`x \sim N(0, I_d)`, :math:`y = x \cdot \theta + e`, :math:`e \sim N(0, \sigma^2)`, the noise known.

    ``dimension`` d; ``noise``: the variance :math:`\sigma^2`. ``redrawn``: whether every generation draws its own covariates;
    False: the same ones are relabelled every time, as in Gerstgrasser2024. The error is
    :math:`E\|\theta_m - \theta\|^2` and :math:`v = \sigma^2 d`, so that v/N is the leading form of the error of one fit,
    :math:`v/(N-d-1)`.
    """

    dimension: int
    noise: Any = 1.0
    redrawn: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "dimension", arg.size("LinearRegression", "dimension", self.dimension, of="covariates")
        )
        arg.positive("LinearRegression", "noise", self.noise, "variance of the noise")
        if not isinstance(self.redrawn, bool):
            raise arg.refuse("LinearRegression", "redrawn", self.redrawn, "True or False")

    @property
    def v2(self) -> int:
        """The noise does not depend on the model."""
        return 0

    @property
    def v(self) -> Any:
        """Noise of one sample times the dimension."""
        return self.dimension * self.noise


@dataclass(frozen=True)
class KernelDensity:
    r"""A Gaussian kernel at every point: a sample is a point of the training data plus ``bandwidth`` times normal noise.

    ``bandwidth`` h has the unit of the data and is that of each of the ``dimension`` coordinates; a tuple gives the
    bandwidths of models 1, 2, ... The truth has the covariance ``variance`` times the identity; only its first two
    moments matter. The model's mean is that of its data, its covariance that of its data (divisor n) plus :math:`h^2`.

    ``held_out``: on how many points of the truth, drawn once for each chain, simulated models are scored; 0: on none. Theory
    does not depend on it.
    """

    bandwidth: Any
    dimension: int = 1
    variance: Any = 1.0
    held_out: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.bandwidth, (tuple, list)):
            object.__setattr__(self, "bandwidth", tuple(self.bandwidth))
        wanted = "bandwidth of each coordinate (a tuple: of models 1, 2, ...)"
        widths = self.bandwidth if isinstance(self.bandwidth, tuple) else (self.bandwidth,)
        if not widths:
            raise arg.refuse("KernelDensity", "bandwidth", self.bandwidth, f"{wanted}, at least one")
        for each in widths:
            arg.positive("KernelDensity", "bandwidth", each, wanted)
        object.__setattr__(self, "dimension", arg.size("KernelDensity", "dimension", self.dimension, of="coordinates"))
        arg.positive("KernelDensity", "variance", self.variance, "variance of each coordinate")
        if isinstance(self.held_out, bool) or self.held_out != 0:
            object.__setattr__(self, "held_out", arg.size("KernelDensity", "held_out", self.held_out, of="points"))

    @property
    def v2(self) -> int:
        """That of the data before it is smoothed: pooled second moments are conserved, as of a Gaussian."""
        return -1

    @property
    def v(self) -> Any:
        """Trace of the covariance of the truth."""
        return self.dimension * self.variance


Family = Categorical | Gaussian | Binomial | Poisson | Gamma | NegativeBinomial | LinearRegression | KernelDensity
FAMILIES = (Categorical, Gaussian, Binomial, Poisson, Gamma, NegativeBinomial, LinearRegression, KernelDensity)


def true_diversity(family: Family) -> Any:
    """Diversity of the truth: v of the categorical family; others are divided by it, so 1."""
    return family.v if isinstance(family, Categorical) else 1.0


def check(owner: str, family: Any) -> Family:
    """The family itself, or a refusal of anything else."""
    if not isinstance(family, FAMILIES):
        raise arg.refuse(owner, "f", family, "a family: " + ", ".join(each.__name__ for each in FAMILIES))
    return family
