r"""A source of synthetic samples: what one of them is worth beside real ones.

The samples of a source have a mean of their own, at the distance :math:`\delta` from the truth, and the variance
:math:`\tau V`. The bias is the same for all of them, so that more samples do not wash it out: the source is *worth*
:math:`B = V/\delta^2` real samples, the number whose mean errs as much as the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sympy import Dummy, Expr, sqrt

from . import arguments as arg
from . import family as families
from .family import Binomial, Categorical, Family, Gamma, NegativeBinomial, Poisson
from .lower import evaluate
from .solve import root_in
from .symbols import Bc, Bi, G, V, delta
from .traced import nan_unless

FINITE = (Categorical, Binomial, Poisson, Gamma, NegativeBinomial)  # families whose record holds their mean


@dataclass(frozen=True)
class Source:
    r"""Synthetic samples with a bias: ``worth`` :math:`B = V/\delta^2` in real samples; ``noise`` :math:`\tau`.

    ``worth`` is 0 for samples that say nothing and ``inf`` for unbiased ones. ``noise``: variance of one synthetic sample over
    that of a real one, below 2 where samples are pooled (a sampler at temperature T has T, of a Gaussian).
    """

    worth: Any
    noise: Any = 1.0

    def __post_init__(self) -> None:
        worths("Source", "worth", self.worth)
        arg.positive("Source", "noise", self.noise, "variance of one synthetic sample over that of a real one")

    @staticmethod
    def of(f: Family, model: Family) -> Source:
        """What samples of ``model`` are worth to one who wants the mean of ``f``: two records of one family.

        >>> from modelcollapse import theory
        >>> source = theory.Source.of(theory.Categorical([0.5, 0.5]), theory.Categorical([0.75, 0.25]))
        >>> round(source.worth, 9), source.noise  # 0.5 / (2 * 0.25^2), 0.375 / 0.5
        (4.0, 0.75)
        """
        families.check("Source.of", f)
        kinds = ", ".join(each.__name__ for each in FINITE)
        if not isinstance(f, FINITE) or type(model) is not type(f):
            raise arg.refuse("Source.of", "model", model, f"the same family as f, one of {kinds}")
        apart = np.asarray(mean_of(f), float) - np.asarray(mean_of(model), float)
        if apart.ndim > (1 if isinstance(f, Categorical) else 0):
            raise arg.refuse("Source.of", "f", f, "one truth and one model")
        return Source(
            evaluate(worth_of(), {V: float(f.v), delta: float((apart * apart).sum()) ** 0.5}), float(model.v / f.v)
        )


def mean_of(f: Family) -> Any:
    """The mean parameter of the truth."""
    match f:
        case Categorical():
            return f.p
        case Binomial():
            return f.trials * f.p
        case Poisson() | Gamma() | NegativeBinomial():
            return f.mean
    raise arg.refuse("Source.of", "f", f, "a family whose record holds its mean")


def worths(owner: str, argument: str, value: Any) -> Any:
    """A worth: not below 0, and it may be infinite."""
    wanted = "a worth in real samples: 0 or more, inf without bias"
    if arg.is_traced(value):
        return value
    array = arg.numbers(owner, argument, np.where(np.isposinf(_plain(value)), 0.0, _plain(value)), wanted)
    if np.any(array < 0):
        raise arg.refuse(owner, argument, value, wanted)
    return value


def _plain(value: Any) -> Any:
    """A number or an array as it is; NaN for what is none, which is refused."""
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        return np.asarray(np.nan)


def worth_of() -> Expr:
    """The number of real samples whose mean errs as much as the bias."""
    return V / delta**2


@cache
def squared_bias(worth: Expr) -> Expr:
    """The squared distance from the truth of what is worth so many real samples."""
    y = Dummy(positive=True)
    return root_in((worth_of() - worth).subs(delta, sqrt(y)), y)


def worth_of_sources(common: Any, own: Any, sources: Any) -> Any:
    r"""What ``sources`` G synthetic sources, pooled evenly, are worth: :math:`1/B = 1/B_c + 1/(G B_i)`.

    ``common`` :math:`B_c`: worth of what they have in common (the bias that all share); ``own`` :math:`B_i`: worth of what is
    each source's own. One source alone is worth less than either; many are worth ``common`` and never more.

    Assumes own biases that are independent, of one size, and 0 in the mean. Source: derived.

    >>> from modelcollapse import theory
    >>> [round(theory.worth_of_sources(300.0, 100.0, sources), 6) for sources in (1, 3, 10**9)]
    [75.0, 150.0, 299.999999]
    """
    worths("worth_of_sources", "common", common)
    worths("worth_of_sources", "own", own)
    sources = arg.size("worth_of_sources", "sources", sources, of="sources")
    result = evaluate(several(), {Bc: common, Bi: own, G: sources})
    return nan_unless(
        result, [each >= least for each, least in ((common, 0), (own, 0), (sources, 1)) if arg.is_traced(each)]
    )


@cache
def several() -> Expr:
    """The worth of G sources from their squared bias, common^2 + own^2/G, the mean of G independent own biases."""
    shared, alone = squared_bias(Bc), squared_bias(Bi)
    total = shared + G * alone / G**2
    return 1 / (total / V).expand()
