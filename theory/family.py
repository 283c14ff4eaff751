r"""Families: what is fitted to the data of a generation.

Each family is a frozen record of the truth. Its model is a mean parameter :math:`\theta = E\,t(x)`, fitted by averaging
the statistic :math:`t`; one sample has the variance :math:`v(\theta)`, summed over coordinates, and :math:`v` is
quadratic in the mean with leading coefficient ``v2``: :math:`v(\theta) = v_0 + v_1 \theta + v_2 \theta^2`. Those two
numbers are all that the error and the diversity of any workflow depend on.

Two families are no such means and have theorems of their own: `LinearRegression`, whose data is not weighed evenly, and
`KernelDensity`, which adds spread to what it has seen. Of two more theory has no exact answer, and they are simulated alone:
`LogisticRegression` and `Bigram`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from . import arguments as arg
from .token_counts import others

ROUNDING = 1e-6  # probabilities written as decimals or float32 sum to one up to this
LOSSY = 1e-3  # a diversity below which 1 - sum p^2 has lost three digits and more
MOST_PAIRS = 2**31 - 1
STEEPEST = 53.0  # exponent of Zipf's law: the second token is 2^-53 as likely as the first, which a double does not tell from 0


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
        if not arg.is_jax(self.p) and self.p.dtype != object and plain < LOSSY:
            plain = (self.p * others(self.p)).sum()
        if self.counts is None:
            return plain
        size = float(self.counts.sum())
        return float(plain) * size / (size - 1)


@dataclass(frozen=True)
class Gaussian:
    r"""Normal law in ``dimension`` dimensions with covariance ``variance`` times the identity; mean and covariance fitted.

    ``unbiased=False``: the covariance has divisor n, as ``numpy.cov(bias=True)``. Pooled second moments about the truth
    are then conserved, so that the fitted total variance plays v with ``v2 = -1``. ``unbiased=True``: divisor n - 1;
    under `Replace` the expected covariance never changes, ``v2 = 0``, under other workflows it does (`explain` says how).
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
    :math:`v/(N-d-1)`. ``signal``: the squared length :math:`\|\theta\|^2` of the coefficients, which matters only where a fit has
    fewer samples than covariates (then it is that of least norm).
    """

    dimension: int
    noise: Any = 1.0
    redrawn: bool = True
    signal: Any = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "dimension", arg.size("LinearRegression", "dimension", self.dimension, of="covariates")
        )
        arg.positive("LinearRegression", "noise", self.noise, "variance of the noise")
        arg.positive("LinearRegression", "signal", self.signal, "squared length of the coefficients")
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

    ``held_out``: on how many points of the truth, drawn once for each chain, simulated models are scored; 0: on none.
    ``compared``: whether the densities of simulated models are compared with that of a normal truth everywhere, in a time that
    grows with the square of their points. Theory depends on neither.
    """

    bandwidth: Any
    dimension: int = 1
    variance: Any = 1.0
    held_out: int = 0
    compared: bool = False

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
        if not isinstance(self.compared, bool):
            raise arg.refuse("KernelDensity", "compared", self.compared, "True or False")

    @property
    def v2(self) -> int:
        """That of the data before it is smoothed: pooled second moments are conserved, as of a Gaussian."""
        return -1

    @property
    def v(self) -> Any:
        """Trace of the covariance of the truth."""
        return self.dimension * self.variance


@dataclass(frozen=True)
class Zipf:
    r"""Tokens 1, 2, 3, ... without end, of probability :math:`p_i = i^{-s} / \zeta(s)`; fitted by counting.

    ``exponent`` s, above 1 and at most 53: beyond, :math:`p_2/p_1 = 2^{-s}` is nothing beside 1 in double precision. It is a
    `Categorical` of infinitely many tokens: ``v2 = -1``, and :math:`v = 1 - \zeta(2s)/\zeta(s)^2`.

    >>> round(Zipf(2.0).v, 12)  # 1 - (pi^4/90) / (pi^2/6)^2
    0.6
    """

    exponent: Any

    def __post_init__(self) -> None:
        wanted = "exponent of the rank, a number above 1"
        if arg.is_traced(self.exponent):
            return
        exponent = arg.numbers("Zipf", "exponent", self.exponent, wanted)
        if np.any(exponent <= 1):
            raise arg.refuse("Zipf", "exponent", self.exponent, f"{wanted}; of a finite vocabulary use Categorical")
        if np.any(exponent > STEEPEST):
            raise arg.refuse(
                "Zipf", "exponent", self.exponent, f"at most {STEEPEST:g}: above it all samples are the first token"
            )

    @property
    def v2(self) -> int:
        """That of the categorical family."""
        return -1

    @property
    def v(self) -> Any:
        """Diversity: the chance that two tokens differ."""
        from scipy.special import zetac

        s = np.asarray(self.exponent, float)
        more = zetac(s)  # zeta less 1, which is what tokens other than the first have
        return arg.scalar(np.asarray((more * (2 + more) - zetac(2 * s)) / (1 + more) ** 2))


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    r"""K normal laws of ``weights`` (K,), ``means`` (K, d) and ``covariances`` (K, d, d), fitted by expectation maximisation.

    ``iterations`` steps (at least one) from the model that wrote the newest data. After each step the covariances of the
    components are drawn by the share ``shrinkage`` to their average, lest one becomes singular. Every such step leaves the mean
    and the covariance of the mixture those of its data (divisor n): so both move as those of a `Gaussian` do, exactly, with
    v the trace of the covariance of the truth and ``v2 = -1``. What becomes of the components theory does not say.

    >>> GaussianMixture([0.5, 0.5], [[-2.0], [2.0]]).v
    5.0
    """

    weights: Any
    means: Any
    covariances: Any = None
    iterations: int = 20
    shrinkage: float = 1e-3

    def __post_init__(self) -> None:
        if arg.is_traced(self.weights, self.means, self.covariances):
            return
        own = "GaussianMixture"
        weights = arg.numbers(own, "weights", self.weights, "weights of the components, shape (K,)")
        if weights.ndim != 1 or not weights.size or np.any(weights <= 0) or abs(weights.sum() - 1) > ROUNDING:
            raise arg.refuse(own, "weights", self.weights, "weights of the components (K,), above 0, summing to one")
        means = arg.numbers(own, "means", self.means, "means of the components, shape (K, d)")
        if means.ndim != 2 or len(means) != len(weights) or not means.size:
            raise arg.refuse(own, "means", f"shape {means.shape}", f"means of the components: ({len(weights)}, d)")
        shape = (*means.shape, means.shape[1])
        each = np.broadcast_to(np.eye(shape[1]), shape) if self.covariances is None else self.covariances
        covariances = arg.numbers(own, "covariances", each, f"covariances of the components, shape {shape}")
        if covariances.shape != shape or np.any(covariances != np.swapaxes(covariances, 1, 2)):
            raise arg.refuse(own, "covariances", f"shape {covariances.shape}", f"symmetric matrices of shape {shape}")
        if np.linalg.eigvalsh(covariances).min() <= 0:
            raise arg.refuse(own, "covariances", self.covariances, "positive definite matrices")
        for name, value in (("weights", weights), ("means", means), ("covariances", covariances)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "iterations", arg.size(own, "iterations", self.iterations, of="steps"))
        arg.probability(own, "shrinkage", self.shrinkage, "share of the average in each covariance")

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return int(self.means.shape[1])

    @property
    def v2(self) -> int:
        """That of the Gaussian with divisor n."""
        return -1

    @property
    def v(self) -> Any:
        """Trace of the covariance of the whole mixture."""
        squares = np.trace(self.covariances, axis1=1, axis2=2) + (self.means**2).sum(axis=1)
        return float(self.weights @ squares - ((self.weights @ self.means) ** 2).sum())


@dataclass(frozen=True, eq=False)
class LogisticRegression:
    r"""Labels 0 and 1: :math:`x \sim N(0, I_d)`, :math:`P(y = 1) = 1/(1 + e^{-x \cdot \theta})`, fitted by Newton's method.

    ``coefficients`` (d,): the truth :math:`\theta`. Every generation draws its own x. ``penalty``: that times
    :math:`|\theta|^2/2` is added to minus the log likelihood of all points; with 0 (maximum likelihood) classes that a plane
    separates have no fit, and the chain is NaN from there on.
    """

    coefficients: Any
    penalty: Any = 0.0

    def __post_init__(self) -> None:
        if not arg.is_traced(self.coefficients):
            wanted = "coefficients of the truth, shape (d,)"
            numeric = arg.numbers("LogisticRegression", "coefficients", self.coefficients, wanted)
            if numeric.ndim != 1 or not numeric.size:
                raise arg.refuse("LogisticRegression", "coefficients", f"shape {numeric.shape}", wanted)
            object.__setattr__(self, "coefficients", numeric)
        if not arg.is_traced(self.penalty):
            wanted = "weight of half the squared norm, at least 0"
            if np.any(arg.numbers("LogisticRegression", "penalty", self.penalty, wanted) < 0):
                raise arg.refuse("LogisticRegression", "penalty", self.penalty, wanted)

    @property
    def dimension(self) -> int:
        """Number of covariates d."""
        return int(self.coefficients.shape[0])


@dataclass(frozen=True, eq=False)
class Bigram:
    r"""A text whose next token depends on the last one: a table of pairs, fitted by counting; windows are its samples.

    ``context`` (P,), ``token`` (P,), ``count`` (P,): how often each token follows each context, in ascending order of both;
    the context ``vocabulary`` is the beginning of a window. ``length``: tokens in a window. Contexts are shared: what a model
    writes decides how often it sees each. After a context that never went on, it draws a token regardless of context.

    The truth is the table, not the text that it was counted in. `from_windows` counts.
    """

    context: Any
    token: Any
    count: Any
    vocabulary: int
    length: int

    def __post_init__(self) -> None:
        own = "Bigram"
        object.__setattr__(self, "vocabulary", arg.size(own, "vocabulary", self.vocabulary, of="tokens"))
        object.__setattr__(self, "length", arg.size(own, "length", self.length, of="tokens in a window"))
        if arg.is_traced(self.context, self.token, self.count):
            return
        wanted = "pairs of whole numbers: context, token and count have one shape (P,)"
        found = [arg.numbers(own, name, getattr(self, name), wanted) for name in ("context", "token", "count")]
        if any(each.ndim != 1 or each.shape != found[0].shape or np.any(each != np.floor(each)) for each in found):
            raise arg.refuse(own, "count", self.count, wanted)
        context, token, count = (each.astype(np.int64) for each in found)
        if context.min() < 0 or context.max() > self.vocabulary or token.min() < 0 or token.max() >= self.vocabulary:
            raise arg.refuse(own, "token", token, f"tokens are 0 to {self.vocabulary - 1}, and contexts too, or "
                             f"{self.vocabulary} for the beginning")  # fmt: skip
        if (self.vocabulary + 1) ** 2 > MOST_PAIRS:
            raise arg.refuse(own, "vocabulary", self.vocabulary, "at most 46,339: pairs are numbers of 32 bits")
        if np.any(np.diff(context * (self.vocabulary + 1) + token) <= 0):
            raise arg.refuse(own, "context", context, "pairs in ascending order, each once: use Bigram.from_windows")
        if count.min() < 1 or count.sum() > MOST_PAIRS:
            raise arg.refuse(own, "count", count, f"at least 1 each, and {MOST_PAIRS:,} in all")
        if context[-1] != self.vocabulary:
            raise arg.refuse(own, "context", context, f"a window begins with what follows {self.vocabulary}: give it")
        for name, each in (("context", context), ("token", token), ("count", count)):
            object.__setattr__(self, name, each.astype(np.int32))

    @staticmethod
    def from_windows(windows: Any, vocabulary: int) -> Bigram:
        """The table of windows (n, L) of tokens 0 to ``vocabulary`` - 1.

        >>> table = Bigram.from_windows([[0, 1, 0, 1], [0, 0, 0, 1]], vocabulary=2)
        >>> list(zip(table.context.tolist(), table.token.tolist(), table.count.tolist()))
        [(0, 0, 2), (0, 1, 3), (1, 0, 1), (2, 0, 2)]
        """
        own = "Bigram.from_windows"
        wanted = "windows of tokens, shape (n, L), whole numbers from 0 on"
        tokens = arg.numbers(own, "windows", windows, wanted)
        if tokens.ndim != 2 or not tokens.size or np.any((tokens != np.floor(tokens)) | (tokens < 0)):
            raise arg.refuse(own, "windows", windows, wanted)
        vocabulary = arg.size(own, "vocabulary", vocabulary, of="tokens")
        if tokens.max() >= vocabulary:
            raise arg.refuse(own, "windows", int(tokens.max()), f"tokens are 0 to {vocabulary - 1}")
        ids = tokens.astype(np.int64)
        before = np.concatenate([np.full((len(ids), 1), vocabulary), ids[:, :-1]], axis=1)
        pair, count = np.unique(before * (vocabulary + 1) + ids, return_counts=True)
        return Bigram(pair // (vocabulary + 1), pair % (vocabulary + 1), count, vocabulary, ids.shape[1])


Solved = (
    Categorical
    | Gaussian
    | Binomial
    | Poisson
    | Gamma
    | NegativeBinomial
    | LinearRegression
    | KernelDensity
    | Zipf
    | GaussianMixture
)
Family = Solved | LogisticRegression | Bigram
FAMILIES = get_args(Family)


def true_diversity(family: Solved) -> Any:
    """Diversity of the truth: v of the categorical family and of Zipf's; others are divided by it, so 1."""
    return family.v if isinstance(family, Categorical | Zipf) else 1.0


def check(owner: str, family: Any) -> Solved:
    """A family that theory has answers for, or a refusal of anything else."""
    if isinstance(known(owner, family), LogisticRegression | Bigram):
        raise arg.refuse(
            owner, "f", family, f"theory has no exact answer for {type(family).__name__}: simulate.chains runs it"
        )
    return family


def known(owner: str, family: Any) -> Family:
    """Any family, or a refusal of anything else."""
    if not isinstance(family, FAMILIES):
        raise arg.refuse(owner, "f", family, "a family: " + ", ".join(each.__name__ for each in FAMILIES))
    return family
