r"""What synthetic data is worth beside N real samples: the best share, the harmless share, and an absolute limit.

Pooling n samples of a `Source` with N real ones buys less noise for a bias that no number washes out. The error is

.. math:: R(N, n) = V \frac{N + \tau n}{(N+n)^2} + \alpha^2 \frac{V}{B}, \qquad \alpha = \frac{n}{N+n},

of which the least is at half the share that is as bad as no synthetic data at all, whatever the worth B and the noise
:math:`\tau`. Weighed as they deserve, n synthetic samples count as :math:`n/(\tau + n/B)` real ones, and never as more than B.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, Max, cancel, diff, factor, fraction, limit, oo, simplify

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .solve import Step, Unsolved, root_in
from .source import Source, several, squared_bias
from .symbols import B, N, V, alpha, n, tau
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import nan_unless

DOUBLE = (
    "variance of one synthetic sample over that of a real one, below 2: noisier ones are weighed (real_equivalents)"
)


class Amount(NamedTuple):
    r"""A share :math:`\alpha` of synthetic data, and the number of synthetic samples that makes it; inf at a share of 1."""

    share: Any
    synthetic: Any


def pooled_error(real: Any, synthetic: Any, source: Source, variance: Any = 1.0) -> Any:
    r"""Error of the mean of N real and n synthetic samples: :math:`V (N + \tau n)/(N+n)^2 + \alpha^2 V/B`.

    ``real`` N and ``synthetic`` n, of which one may be 0; ``variance`` V of one real sample.

    Source: derived; exact for means, at leading order for any regular fit.

    >>> from modelcollapse import theory
    >>> source = theory.Source(worth=40)
    >>> [round(theory.pooled_error(100, n, source), 6) for n in (0, 25, 200, 10**9)]  # 1/100 is that of real data alone
    [0.01, 0.009, 0.014444, 0.025]
    """
    own = "pooled_error"
    _source(own, source)
    real = arg.size(own, "real", real, least=0)
    synthetic = arg.size(own, "synthetic", synthetic, least=0)
    arg.positive(own, "variance", variance, "variance of one real sample")
    if not arg.is_traced(real, synthetic) and np.any(np.asarray(real + synthetic) == 0):
        raise arg.refuse(own, "synthetic", synthetic, "at least one sample, real or synthetic")
    worth = arg.namespace(synthetic, source.worth).where(synthetic == 0, np.inf, source.worth)  # no sample, no bias
    values = {N: real, n: synthetic, V: variance, B: worth, tau: source.noise}
    result = evaluate(pooled(), values)
    return _where(result, source, (real, 0), (synthetic, 0), (real + synthetic, 1), (variance, 0))


def optimal_share(real: Any, source: Source) -> Amount:
    r"""The share of synthetic data of least error beside N real samples: :math:`\alpha^* = \min(1, B/2N)`.

    With samples of another ``noise`` :math:`(2-\tau)/(2(N/B + 1 - \tau))`. A share of 1: the more the better, without end.
    The share is exact; of whole numbers of samples one of the two next to ``synthetic`` is the best. The error there is
    :math:`1 - \alpha^* (2 - \tau)/2` of that of the real samples alone. (So a best share of 1/3 that somebody found says that
    they had N = 3B/2, and is no constant.)

    Raises InputError for ``noise`` of 2 or more. Source: derived.

    >>> from modelcollapse import theory
    >>> theory.optimal_share(100, theory.Source(worth=40))
    Amount(share=0.2, synthetic=25.0)
    >>> theory.optimal_share(20, theory.Source(worth=40))
    Amount(share=1.0, synthetic=inf)
    """
    return _amount("optimal_share", stationary(), real, source)


def harmless_share(real: Any, source: Source) -> Amount:
    r"""The share of synthetic data that errs as much as none: :math:`\min(1, B/N)`, twice the best share. Less helps.

    A share of 1: any amount is better than none.

    Raises InputError for ``noise`` of 2 or more. Source: derived.

    >>> from modelcollapse import theory
    >>> theory.harmless_share(160, theory.Source(worth=40))
    Amount(share=0.25, synthetic=53.333...)
    """
    return _amount("harmless_share", break_even(), real, source)


def real_equivalents(synthetic: Any, source: Source) -> Any:
    r"""The real samples that n synthetic ones, well weighed, are worth: :math:`n/(\tau + n/B)`, at most B.

    With E of these beside N real samples the best weight of the synthetic part is E/(N + E), and the error V/(N + E).

    Source: derived; Jain2024 (weighted training with surrogate data).

    >>> from modelcollapse import theory
    >>> [theory.real_equivalents(n, theory.Source(worth=40)) for n in (40, 360, 10**12)]
    [20.0, 36.0, 39.9999...]
    """
    own = "real_equivalents"
    _source(own, source)
    synthetic = arg.size(own, "synthetic", synthetic, least=0)
    result = evaluate(equivalents(), {n: synthetic, B: source.worth, tau: source.noise})
    return _where(result, source, (synthetic, 0))


def pooled() -> Expr:
    """The error of the pooled mean: the noise of its samples, and the bias by the synthetic share."""
    return V * (N + tau * n) / (N + n) ** 2 + (n / (N + n)) ** 2 * V / B


@cache
def weighed() -> Expr:
    """The error where the synthetic mean has the weight alpha: independent errors add, and a bias goes with its square."""
    return (1 - alpha) ** 2 * V / N + alpha**2 * (tau * V / n + squared_bias(B))


def _share_at(quotient: Expr) -> Expr:
    """The share at which a quotient vanishes whose numerator is a line in n."""
    number = root_in(quotient, n)
    return cancel(number / (N + number))


@cache
def _turning() -> Expr:
    """The share at which the error of the pool turns."""
    return _share_at(diff(pooled(), n))


@cache
def _level() -> Expr:
    """The share, other than 0, at which the pool errs as much as the real samples alone."""
    return _share_at((pooled() - V / N) / n)


def _clipped(share: Expr) -> tuple[Expr, Expr]:
    """The share up to 1, and its odds n/N, over what is positive: 2 - tau."""
    above, below = fraction(share)
    scale = cancel(above / (2 - tau)) * B
    top, bottom = (above / scale * B).cancel(), (below / scale * B).expand()
    return top / Max(top, bottom), top / Max(0, bottom - top)


@cache
def stationary() -> tuple[Expr, Expr]:
    """Share and odds of the least error."""
    return _clipped(_turning())


@cache
def break_even() -> tuple[Expr, Expr]:
    """Share and odds of the error of real data alone."""
    return _clipped(_level())


@cache
def equivalents() -> Expr:
    """What n samples add to the N real ones at their best weight: V over the least error, less N."""
    return 1 / (1 / cancel(V / _least()[1] - N)).expand()


@cache
def _least() -> tuple[Expr, Expr]:
    """The best weight of the synthetic mean, and the error with it."""
    weight = root_in(diff(weighed(), alpha), alpha)
    return weight, factor(weighed().subs(alpha, weight))


def _source(own: str, source: Any) -> Source:
    if not isinstance(source, Source):
        raise arg.refuse(own, "source", source, "a Source(worth, noise)")
    return source


def checked_noise(own: str, source: Any) -> None:
    """Refuse a source so noisy that its first samples do harm whatever it is worth."""
    if not arg.is_traced(_source(own, source).noise) and np.any(np.asarray(source.noise) >= 2):
        raise arg.refuse(own, "source", source, f"noise is the {DOUBLE}")


def _amount(own: str, forms: tuple[Expr, Expr], real: Any, source: Source) -> Amount:
    checked_noise(own, source)
    real = arg.size(own, "real", real)
    share, odds = (evaluate(each, {N: real, B: source.worth, tau: source.noise}) for each in forms)
    rules = (source, (real, 1), (2 - source.noise, 0))
    return Amount(_where(share, *rules), _where(real * odds, *rules))


def _where(result: Any, source: Source, *least: tuple[Any, Any]) -> Any:
    """NaN where something traced is below what it may least be."""
    allowed = [value >= bound for value, bound in ((source.worth, 0), *least) if arg.is_traced(value)]
    return nan_unless(result, allowed + ([source.noise > 0] if arg.is_traced(source.noise) else []))


def _derive() -> Derived:
    return Derived(stationary()[0])


def _prove() -> tuple[Step, ...]:
    slope = factor(fraction(cancel(diff(pooled(), n)))[0])
    best, level = _turning(), _level()
    odds = cancel(best / (1 - best))
    weight, least = _least()
    left = (
        simplify(weighed().subs(alpha, n / (N + n)) - pooled()),
        simplify(level - 2 * best),
        simplify(pooled().subs(n, N * odds) - V / N + odds / (1 + odds) * (2 - tau) * V / (2 * N)),
        simplify(weight - equivalents() / (N + equivalents())),
        simplify(least - V / (N + equivalents())),
    )
    if any(left) or slope.as_poly(n).degree() != 1 or limit(equivalents(), n, oo) != B:
        raise Unsolved(f"worth: {left}, {slope}")
    return (
        Step("The means of N real and n synthetic samples, at the weights 1 - alpha and alpha", weighed(), "R = "),
        Step("Pooled, alpha = n/(N+n)", pooled(), "R = "),
        Step("Its slope in n has the sign of a line in n, so that it turns once", slope),
        Step("at the share", best, "alpha* = "),
        Step("beyond 1 where N is small: then the error falls without end", stationary()[0], "alpha* = "),
        Step("The error is again that of real data alone at", level, "alpha = "),
        Step("exactly twice the share of least error", left[1], "alpha - 2 alpha* = "),
        Step("With the noise of real samples", best.subs(tau, 1), "alpha* = "),
        Step(
            "and the gain is that share of half the error of real data", left[2], "R - V/N + alpha* (2-tau) V/(2N) = "
        ),
        Step("The best weight instead of the share", weight, "alpha = "),
        Step("Its error is that of E more real samples", equivalents(), "E = "),
        Step("As n grows", limit(equivalents(), n, oo), "E -> "),
        Step("G sources with a common bias and independent ones of their own", several(), "B = "),
    )


SAME_BIAS = Assumption("all samples of a source have one mean, at a fixed distance from the truth", always, "")
AVERAGED = Assumption("the model is a mean of its data (other regular fits: at leading order)", always, "")
APART = Assumption(
    "the samples are independent, the synthetic ones of the real ones too (else see the theorem teacher)", always, ""
)
WORTH = Theorem(
    "worth",
    "A source of bias delta is worth B = V/delta^2 real samples at most. Beside N real samples the best synthetic share is "
    "min(1, B/(2N)), and up to twice that share synthetic data does no harm.",
    "optimal_share",
    "a mean, and any regular fit at leading order",
    "one round: real samples pooled with those of a Source",
    Evidence.IDENTITY,
    (APART, SAME_BIAS, AVERAGED),
    ("derived", "Jain2024 (weighted training with surrogate data)"),
    _derive,
    _prove,
    needs="a Source: a model whose samples are pooled with real ones once",
)
