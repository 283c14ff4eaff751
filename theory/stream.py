r"""A stream that its own models contaminate: every batch holds a share of their samples, and all data is kept.

Batch 1 is real. Each sample of a later batch is, unknown which, one of the newest model with chance :math:`\alpha`, else a real
one; the model is the mean of all data so far. Real data then piles up in vain once half of a batch is synthetic: the error
falls like :math:`1/t` below one half, like :math:`\ln t / t` there, and like :math:`t^{-2(1-\alpha)}` above.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from sympy import (
    Expr,
    Integer,
    Poly,
    Sum,
    Symbol,
    expand,
    factor,
    gamma,
    gammasimp,
    hyper,
    integrate,
    limit,
    oo,
    simplify,
    solve,
    sqrt,
)

from . import arguments as arg
from . import family as families
from .assumption import ANY, COMMON, always
from .batches import later, series, weights
from .family import Family, Poisson
from .gamma_sum import ROOM, gamma_sum
from .lower import evaluate
from .printed import Printed, Setting
from .solve import Step, Unsolved
from .symbols import P, Q, T, V, a, alpha, j, m, n, nu, v2
from .theorem import Assumption, Derived, Evidence, Theorem, concrete
from .traced import or_nan
from .workflow import Accumulate, Schedule, whole_sets

SHARE = "the share of synthetic samples in a batch"


def stream_error(f: Family, batch: Any, share: Any, generation: Any) -> Any:
    r""":math:`E\|\theta_t - \theta\|^2` of the mean of t batches of ``batch`` samples, all but the first contaminated.

    .. math:: T_t = \Big(1 - \frac{1-\alpha}{t}\Big)^2 T_{t-1} + \frac{V + \alpha (1 + v_2 - \alpha) T_{t-1}}{n\,t^2},
              \qquad T_1 = \frac Vn

    ``share``: the chance :math:`\alpha` of a sample to be one of the newest model; with 1
    the stream is `Accumulate`. ``generation``: the number t of
    batches, whole, any shape; 0 is the truth. Over :math:`V/(nt)`, the error of as many real samples, it tends to
    :math:`1/(1-2\alpha)` below one half and grows without bound from there on.

    Raises InputError for a share outside [0, 1]. Source: Amin2026 (mean estimation, transition at one half), derived.

    >>> from modelcollapse import theory
    >>> f = theory.Poisson(1.0)
    >>> [round(10 * t * theory.stream_error(f, batch=10, share=0.25, generation=t), 3) for t in (1, 2, 1000)]
    [1.0, 1.291, 1.972]
    """
    families.check("stream_error", f)
    arg.size("stream_error", "batch", batch)
    arg.probability("stream_error", "share", share, SHARE)
    STREAM.require("stream_error", f, Accumulate(batch, batch))
    whole = arg.generation("stream_error", generation)
    given = {n: batch, alpha: share, v2: f.v2}
    xp = arg.namespace(whole, *given.values(), f.v)
    s1, s0 = (evaluate(each, given) for each in _roots())
    found = evaluate(V / n, given | {V: f.v}) * gamma_sum(xp, s1, s0, whole)
    return inside(or_nan(arg.scalar(found), f, generation=generation), [batch], [share])


def contaminated_stream(sizes: Sequence[Any], share: Any, weight: Sequence[Any] | None = None) -> Schedule:
    """The `Schedule` of a stream of batches of these ``sizes`` (M,), the first real, with a ``share`` of synthetic samples.

    ``share``: one number, or (M-1,) for batches 2..M. ``weight`` (M,), the first 1: model t is ``weight[t-1]`` times the mean of
    batch t and the rest of it model t-1; None: the mean of all data.

    >>> from modelcollapse import theory
    >>> w = theory.contaminated_stream([10, 10], 0.25)
    >>> round(theory.error(theory.Poisson(1.0), w, 2) / theory.stream_error(theory.Poisson(1.0), 10, 0.25, 2), 12)
    1.0
    """
    batches, shares = stream("contaminated_stream", sizes, share)
    source = np.zeros((len(batches), len(batches) + 1), object)
    source[0, 0] = 1
    news = None if weight is None else weights("contaminated_stream", weight, len(batches))
    rows, total = [[1, *[0] * (len(batches) - 1)]], batches[0]
    for model in range(1, len(batches)):
        source[model, 0], source[model, model] = 1 - shares[model - 1], shares[model - 1]
        total = total + batches[model]
        new = arg.ratio(batches[model], total) if news is None else news[model]
        rows.append([each * (1 - new) for each in rows[-1]])
        rows[-1][model] = new
    return Schedule(batches, source.tolist(), rows)


def stream(owner: str, sizes: Any, share: Any) -> tuple[list[Any], list[Any]]:
    """Sizes of batches 1..M and synthetic shares of 2..M, checked."""
    batches = series(owner, "sizes", sizes, "the samples of each batch")
    return batches, later(owner, "share", share, len(batches) - 1, _share)


def _share(owner: str, argument: str, value: Any) -> Any:
    """One share, or an array of shares of as many streams."""
    return arg.probability(owner, argument, value, SHARE)


def inside(result: Any, sizes: Sequence[Any], chances: Sequence[Any]) -> Any:
    """The result where all traced sizes are at least 1 and all traced chances between 0 and 1, NaN elsewhere."""
    allowed = [each >= 1 for each in sizes if arg.is_traced(each)]
    allowed += [(each >= 0) & (each <= 1) for each in chances if arg.is_traced(each)]
    if not allowed:
        return result
    xp = arg.namespace(*allowed)
    return xp.where(xp.stack(xp.broadcast_arrays(*allowed)).all(0), result, xp.nan)


def noise() -> Expr:
    """Variance of one sample of a batch about the mean of the mixture, by the workflow algebra: V + (1+v2) sum g C - g'Cg."""
    return (V + (1 + v2) * Q - P).subs({Q: alpha * T, P: alpha**2 * T}, simultaneous=True)


def next_error() -> Expr:
    """One more batch, the (m+1)-th, beside the mean of m."""
    kept = 1 - (1 - alpha) / (m + 1)
    return kept**2 * T + noise() / (n * (m + 1) ** 2)


@cache
def _roots() -> tuple[Expr, Expr]:
    """Sum and product of the t at which an error would not be passed on: t^2 T(t) = (t^2 - s1 t + s0) T(t-1) + V/n."""
    square, linear, constant = Poly(expand(next_error().diff(T) * (m + 1) ** 2).subs(m, j - 1), j).all_coeffs()
    if square != 1:
        raise Unsolved(f"not a step of a mean: {square}")
    return -linear, constant


def _decay(root: Expr) -> Expr:
    """What is left of the error of one batch after m: a ratio of Gamma functions."""
    return gamma(m + alpha - root) * gamma(m + alpha + root) / gamma(m + 1) ** 2


def _share_of(batch: Symbol, root: Expr) -> Expr:
    """The noise of one batch over what is left of it after as many batches."""
    return gamma(batch) ** 2 / (gamma(batch + alpha - root) * gamma(batch + alpha + root))


def _closed(root: Expr) -> Expr:
    return V / n * _decay(root) * Sum(_share_of(j, root), (j, 1, m))


@cache
def _root() -> Expr:
    return sqrt(alpha * (alpha - 1 - v2) / n)


def _derive() -> Derived:
    return Derived(_closed(_root()), limit=1 / (1 - 2 * alpha))


def _prove() -> tuple[Step, ...]:
    slope = factor(next_error().diff(T) * (m + 1) ** 2)
    roots = simplify(slope - ((m + alpha) ** 2 - _root() ** 2))
    turned = gammasimp(_decay(nu).subs(m, m + 1) / _decay(nu) * (m + 1) ** 2 - ((m + alpha) ** 2 - nu**2))
    added = gammasimp(_decay(nu).subs(m, m + 1) * _share_of(m + 1, nu) * (m + 1) ** 2 - 1)
    first = gammasimp((_decay(nu) * _share_of(m, nu)).subs(m, 1) - 1)
    ratio = gammasimp(_share_of(j + 1, nu) / _share_of(j, nu) - j**2 / ((j + alpha) ** 2 - nu**2))
    power = simplify(_order(_share_of(j, nu)) + 2 * alpha), simplify(_order(_decay(nu)) + 2 * (1 - alpha))
    if any(simplify(each) != 0 for each in (roots, turned, added, first, ratio, *power)):
        raise Unsolved(f"contaminated stream: {roots}, {turned}, {added}, {first}, {ratio}, {power}")
    below = a  # 1 - 2 alpha, above 0
    piled = integrate(j ** (below - 1), (j, 1, m))
    constant = hyper([1, 1, 1], [1 + alpha - nu, 1 + alpha + nu], 1) / (gamma(1 + alpha - nu) * gamma(1 + alpha + nu))
    return (
        Step("A sample of a batch errs about the mean of the mixture by", factor(noise()), "var = "),
        Step("The mean of all data moves by 1/t of the new batch: T(t), t = m + 1", next_error(), "T(m+1) = "),
        Step("Times (m+1)^2 its slope has the roots -alpha +- nu", _root()**2, "nu^2 = "),
        Step("What is left of an error after m batches; the ratio of neighbours gives the slope back", _decay(nu), "L(m) = "),
        Step("All batches together: put back, with T(1) = V/n", _closed(nu), "T(m) = "),
        Step("By Gamma(j + x) ~ Gamma(j) j^x a term of the sum falls like j to the power", -2 * alpha),
        Step("and what is left of an error like m to the power", -2 * (1 - alpha)),
        Step("Below one half, a = 1 - 2 alpha > 0, the sum is that of powers", piled, "sum ~ "),
        Step("so that m n T/V tends to", limit(piled * m**-below, m, oo), "m n T/V -> "),
        Step("At one half the sum is that of 1/j: m n T/V grows like", integrate(1 / j, (j, 1, m)), "m n T/V ~ "),
        Step("Above, it converges: m^(2(1-alpha)) n T/V tends to", constant, "C = "),
    )  # fmt: skip


def _order(product: Expr) -> Expr:
    """The power of its letter with which a product of Gamma functions, as many above as below, grows."""
    total, count = 0 * alpha, 0 * alpha
    for base, exponent in product.as_powers_dict().items():
        (argument,) = base.args
        shift = argument - next(each for each in (j, m) if argument.has(each))
        total, count = total + exponent * shift, count + exponent
    if count != 0:
        raise Unsolved(f"not of a power's order: {product}")
    return total


@cache
def edge() -> float:
    """The synthetic share from which on the error of the mean of all data no longer falls like that of real samples: 1/2.

    >>> edge()
    0.5
    """
    (share,) = solve(1 / STREAM.derived.limit, alpha)
    return float(share)


def limit_ratio(share: Any) -> Any:
    """What the error over that of as many real samples tends to, below `edge`: 1/(1 - 2 alpha)."""
    return evaluate(STREAM.derived.limit, {alpha: share})


QUARTER = 0.25
STREAM = Theorem(
    "contaminated-stream",
    "Averaging all data of which a share alpha of every batch is the newest model's, the error over that of as many real samples "
    "tends to 1/(1 - 2 alpha) below one half, grows like ln t at one half, and like t^(2 alpha - 1) above.",
    "stream_error",
    ANY,
    "a stream of contaminated batches, all kept",
    Evidence.RECURSION,
    (
        *COMMON,
        Assumption(
            f"v2 is at most {ROOM} times the number of samples in a batch",
            lambda f, w: concrete(lambda each: np.all(each <= ROOM))(f.v2 / whole_sets(w)[0]),
            "use larger batches, or a Schedule (computed by the algebra)",
        ),
        Assumption("batch 1 is real, and all others have the same size and share", always, ""),
    ),
    ("Amin2026 (Theorem 1; transition at one half)", "derived"),
    _derive,
    _prove,
    (
        Printed(
            lambda: _closed(Integer(0)),
            "Amin2026, Theorem 1",
            "for noise that does not depend on the model: the leading order in 1/n, exact where alpha = 1 + v2",
            "=",
            lambda f, w, generation: stream_error(f, w.synthetic, QUARTER, generation),
            tuple(
                Setting(Poisson(1.0), Accumulate(n_, n_), t_, ((alpha, QUARTER),))
                for n_, t_ in ((1, 5), (10, 5), (1, 20))
            ),
        ),
    ),
    needs="a stream: batches of which a share are samples of the newest model",
)
