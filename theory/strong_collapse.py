r"""Strong collapse and the size of a model: what a linear model of k among d covariates errs on real and synthetic labels.

The covariates are :math:`N(0, I_d)`. N rows have labels :math:`x \cdot \theta + e`, n of M = N + n rows those of a source,
:math:`x \cdot (\theta + \Delta) + e`. A model sees k covariates and is fitted by least squares, of least norm where k > M. What
it does not see is noise of the labels to it. Of the shift that it sees it passes on :math:`X^+ D X \Delta`, D the synthetic rows:

.. math:: \frac{E\|X^+ D X \Delta\|^2}{\|\Delta\|^2} = \alpha^2 + \alpha(1-\alpha)\,\chi_k \quad (k \le M - 2), \qquad
    \frac{n}{k}\,\frac{k-n-1}{k-M-1} \quad (k \ge M + 2),

where :math:`\chi_k \to \varphi/(1-\varphi)` as k/M tends to :math:`\varphi < 1`. It grows with the model up to the threshold
k = M, as far above the floor :math:`\alpha^2` as one likes, and shrinks beyond.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, S, cancel, diff, factor

from . import arguments as arg
from . import plateau
from .assumption import always
from .family import LinearRegression
from .importance import shares
from .lower import evaluate
from .regression import NORMAL, one_fit, passed_on, prove_one_fit, with_inverse
from .solve import Step, Unsolved
from .source import Source
from .symbols import B, M, N, V, alpha, d, kf, n, phi, shift_in, shift_out, signal, signal_in, signal_out, tau, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import nan_unless
from .worth import APART


class StrongCollapse(NamedTuple):
    r"""The error :math:`E\|\hat\theta - \theta\|^2` of a model, and the four parts that it is the sum of.

    ``approximation``: what it does not see; ``bias``: what least norm shrinks; ``noise``: of the labels, and of what it does not
    see; ``shift``: what there is only because the synthetic labels are off. ``passed_on``: the share of the squared shift of the
    covariates that it sees which is in its coefficients; over :math:`\alpha^2` it is by how much its size amplifies.
    """

    error: Any
    approximation: Any
    bias: Any
    noise: Any
    shift: Any
    passed_on: Any


def strong_collapse_error(
    f: LinearRegression, real: Any, synthetic: Any, features: Any, source: Source, decay: Any = 0.0
) -> StrongCollapse:
    r"""Error of a model that sees k of d covariates, fitted to N real and n synthetic labels, exactly at every size.

    For :math:`1 \le k \le M - 2`, with :math:`\bar\sigma^2` the mean variance of the noise of a label,

    .. math:: E = \Theta_{out} + (\bar\sigma^2 + \Theta_{out} + \alpha\Delta_{out}) \frac{k}{M-k-1}
        + (\alpha^2 + \alpha(1-\alpha)\chi_k)\,\Delta_{in},

    and for :math:`k \ge M + 2`

    .. math:: E = \Theta_{out} + \frac{k-M}{k}\Theta_{in} + (\bar\sigma^2 + \Theta_{out} + \alpha\Delta_{out}) \frac{M}{k-M-1}
        + \frac{n}{k}\,\frac{k-n-1}{k-M-1}\,\Delta_{in}.

    Infinite where :math:`|M - k| \le 1`. k = 0 is no model, which errs :math:`\Theta`.

    ``f``: its ``dimension`` d, ``noise`` :math:`\sigma^2`, ``signal`` :math:`\Theta = \|\theta\|^2`. ``real`` N and ``synthetic``
    n: labels, of which one may be 0. ``features`` k: whole, 0 to d. ``source``: its ``worth`` B says how far its coefficients are
    off, :math:`\|\Delta\|^2 = \sigma^2 d/B`, its ``noise`` how noisy its labels are. ``decay``: how fast covariates lose
    importance in the order in which models see them: squares of coefficients and of shifts fall as :math:`j^{-\mathrm{decay}}`;
    0: all alike, as where a model sees a random subset. Numbers or arrays; ``features`` and ``decay`` are static under JAX.

    Assumes that the shift is independent of the coefficients, :math:`\theta \cdot \Delta = 0` in the mean on what is not seen.
    Raises InputError for more features than covariates, and for no labels. Source: derived; Belkin2020 (without a source),
    Dohmatob2025 (the setting).

    >>> from modelcollapse import theory
    >>> f, source = theory.LinearRegression(40, noise=1.0, signal=9.0), theory.Source(worth=10.0)
    >>> small, large, full = (theory.strong_collapse_error(f, 18, 2, size, source) for size in (10, 17, 40))
    >>> [round(each.passed_on, 4) for each in (small, large, full)]  # 0.01 and more than the floor 0.01, which is alpha^2
    [0.1086, 0.7416, 0.0974]
    >>> small.approximation, round(small.noise, 4), small.bias, round(full.bias, 4)  # 30/40 * 9; (1 + 6.75) * 10/9
    (6.75, 8.6111, 0.0, 4.5)
    """
    own = "strong_collapse_error"
    sizes = _sizes(own, f, real, synthetic, features, source)
    return _at(f, *sizes, source, shares(own, f.dimension, decay, sizes[-1]))


def _sizes(own: str, f: Any, real: Any, synthetic: Any, features: Any, source: Any) -> tuple[Any, Any, Any]:
    """Real and synthetic labels and features, checked."""
    if not isinstance(f, LinearRegression):
        raise arg.refuse(own, "f", f, "a LinearRegression")
    if not isinstance(source, Source):
        raise arg.refuse(own, "source", source, "a Source(worth, noise)")
    arg.static(own, features=features)
    real = arg.size(own, "real", real, least=0)
    synthetic = arg.size(own, "synthetic", synthetic, least=0)
    if not arg.is_traced(real, synthetic) and np.any(np.asarray(real + synthetic) == 0):
        raise arg.refuse(own, "synthetic", synthetic, "at least one label, real or synthetic")
    wanted = f"a model sees some of the {f.dimension:,} covariates, a whole number of them"
    place = arg.numbers(own, "features", features, wanted)
    if np.any(place < 0) or np.any(place > f.dimension) or np.any(place != np.floor(place)):
        raise arg.refuse(own, "features", features, wanted)
    return real, synthetic, place


def _at(f: LinearRegression, real: Any, synthetic: Any, features: Any, source: Source, parts: Any) -> StrongCollapse:
    """The parts from the shares of signal and shift that the model sees and does not see."""
    xp = arg.namespace(real, synthetic, source.worth, source.noise, f.noise, f.signal)
    rows = real + synthetic
    seen, left = parts
    lost = xp.asarray(source.worth) == 0
    shift = xp.where(lost, xp.inf, f.v / xp.where(lost, 1.0, source.worth))
    none, peak = features == 0, (xp.abs(rows - features) <= 1) & (features > 0)
    few = features < rows  # fewer than rows; where one of the two forms has no value the other or infinity is taken
    two = xp.where(rows > 1, rows, 2)
    inner = xp.where(none | peak | ~few, two - 2, features)
    outer = xp.where(none | peak | few, rows + 2, features)
    values = {N: real, n: synthetic, V: f.v, d: f.dimension, tau: source.noise, signal_in: f.signal * seen,
              signal_out: f.signal * left, shift_in: seen, shift_out: left}  # fmt: skip

    def chosen(forms: tuple[Expr, Expr]) -> Any:
        low = evaluate(forms[0], values | {kf: inner, M: two})
        high = evaluate(forms[1], values | {kf: outer, M: rows})
        return xp.where(none, 0.0, xp.where(few, low, high))

    bias, noise, harm, share = (chosen(each) for each in (missed(), noisy(), harmful(), passed()))
    some = xp.asarray(synthetic) > 0
    noise = xp.where(peak, xp.inf, noise)
    idle = none | ~some | (shift == 0)
    harm = xp.where(idle, 0.0, xp.where(peak, xp.inf, shift * xp.where(idle, 1.0, harm)))
    share = xp.where(peak & some & (xp.asarray(real) > 0), xp.inf, share)
    out = values[signal_out]
    found = xp.broadcast_arrays(out + bias + noise + harm, out, bias, noise, harm, share)
    traced = ((real, 0), (synthetic, 0), (rows, 1), (source.worth, 0))
    allowed = [value >= least for value, least in traced if arg.is_traced(value)]
    allowed += [value > 0 for value in (source.noise, f.noise, f.signal) if arg.is_traced(value)]
    return StrongCollapse(*(arg.scalar(nan_unless(each, allowed)) for each in found))


@cache
def chi() -> Expr:
    r"""What mixing rows adds to the share of a squared shift that is passed on, over :math:`\alpha(1-\alpha)`: k <= M - 2."""
    whole = passed_on(alpha * M, M).subs(d, kf)
    return factor(cancel((whole - alpha**2) / (alpha * (1 - alpha))))


@cache
def beyond() -> Expr:
    r"""The share that is passed on for k >= M + 2: E tr(D W^-1 D W)/k with W = XX' = the Gram matrix of k rows of M covariates.

    The sum over pairs of synthetic rows of E W_ij (W^-1)_ji.
    """
    same, crossed = with_inverse(kf, M)
    return factor((n * same + (n + n**2) * crossed) / kf)


def passed() -> tuple[Expr, Expr]:
    """The share of the squared shift that it sees which a model passes on, below and beyond the threshold."""
    return (n**2 + N * n * chi()) / M**2, beyond()


def trace() -> tuple[Expr, Expr]:
    """E tr(X'X)^-1, below the threshold; beyond, where rows and covariates change places, E tr(XX')^-1."""
    unit = one_fit(M).subs(V, d).subs(d, kf)
    return unit, unit.subs({kf: M, M: kf}, simultaneous=True)


def missed() -> tuple[Expr, Expr]:
    """The signal that least norm does not keep: the rows span M of k directions."""
    return S.Zero, (kf - M) / kf * signal_in


def noisy() -> tuple[Expr, Expr]:
    """The mean variance of a label given what the model sees, were it real, times the trace."""
    label = (N + tau * n) / M * V / d + signal_out
    return trace()[0] * label, trace()[1] * label


def harmful() -> tuple[Expr, Expr]:
    """What is passed on of the shift, and that of unseen covariates as noise of the synthetic labels."""
    (low, high), (few, many) = passed(), trace()
    return low * shift_in + few * n / M * shift_out, high * shift_in + many * n / M * shift_out


@cache
def whole(side: int) -> Expr:
    """The error below (0) and beyond (1) the threshold."""
    return signal_out + missed()[side] + noisy()[side] + harmful()[side]


def endless(form: Expr, features: Expr) -> Expr:
    """The limit of many labels of which the share alpha is synthetic, in a model of so many features."""
    many = form.subs({N: (1 - alpha) * M, n: alpha * M}).subs(kf, features)
    return factor(cancel(many.subs(M, 1 / y)).subs(y, 0))


def alike(form: Expr) -> Expr:
    """The form where a model sees a random subset of covariates that are all alike."""
    part = kf / d
    at = {
        signal_in: part * signal,
        signal_out: (1 - part) * signal,
        shift_in: part * V / B,
        shift_out: (1 - part) * V / B,
    }
    return form.subs(at)


def _derive() -> Derived:
    return Derived(whole(0).subs(M, N + n), limit=endless(whole(0), kf))


def _prove() -> tuple[Step, ...]:
    rising, falling, floor = factor(diff(chi(), kf)), factor(diff(beyond(), kf)), endless(whole(0), kf)
    few, many = (alike(each).subs(N, M - n) for each in (whole(0), whole(1)))
    extra = factor(alike(harmful()[1]).subs(N, M - n))
    line = cancel(diff(few, kf))
    lead, bend = factor(line.subs(kf, 1 / y).cancel().subs(y, 0)), factor(cancel(diff(few, kf, 2) * (M - 1 - kf) ** 3))
    slope = factor(cancel(diff(many, kf) * (kf - M - 1) ** 2))
    below, over = (endless(each, phi * M) for each in passed())
    sole = factor((bend / 2).subs(n, 0))
    label = (M - n + tau * n) * V / d
    left = (
        rising - M * (M + 1) * (M - 2) / ((M - 1) * (M + 2) * (M - kf - 1) ** 2),
        falling + n * ((kf - n - 1) ** 2 + (n + 1) * (M - n)) / (kf * (kf - M - 1)) ** 2,
        passed()[0].subs(N, 0).subs(M, n) - 1,
        beyond().subs(n, M) - M / kf,
        beyond() * kf / n - 1 - one_fit(kf - M + n).subs({V: d}).subs(d, n) / n * (M - n),
        passed()[0].subs({kf: 1, N: M - n}) - n * (n + 2) / (M * (M + 2)),
        extra - n * V / B * (d - n - 1) / (d * (kf - M - 1)),
        bend.diff(kf),
        lead - 2 * n * V * (M * (n + 1) - 2) / (B * d * M * (M - 1) * (M + 2)),
        slope + label + signal * M * (1 - (M + 1) / d) + n * V / B * (1 - (n + 1) / d),
        below - alpha**2 - alpha * (1 - alpha) * phi / (1 - phi),
        over - alpha * (phi - alpha) / (phi * (phi - 1)),
        floor - signal_out - alpha**2 * shift_in,
        floor.subs({signal_out: 0, shift_in: V / B}) - plateau.floor() * V,
    )
    left = tuple(cancel(each) for each in left)
    if any(left):
        raise Unsolved(f"strong collapse: {left}")
    return (
        *prove_one_fit(),
        Step("With X the covariates that are seen, the fit less theta is (Pi - 1) theta + X^+ D X Delta + X^+ u, Pi = X^+ X; the "
             "first is at right angles to the others, and u, with all that is not seen in it, is independent of X"),
        Step("E |Pi theta|^2 = min(M,k)/k |theta|^2: what least norm does not keep", missed()[1], "bias = "),
        Step("By exchange of rows u adds its mean variance times E tr of the inverse of the smaller Gram matrix", trace(), "= "),
        Step("Below the threshold through S^-1 X'DX: moments of a share of a Wishart matrix", passed()[0], "beta = "),
        Step("where mixing rows adds alpha (1-alpha) times", chi(), "chi = "),
        Step("which rises with k", rising, "d chi/dk = "),
        Step("Beyond it |X^+ v|^2 = v'W^-1 v: E tr(D W^-1 D W)/k over pairs of synthetic rows", beyond(), "beta = "),
        Step("The same from the synthetic block of W: the Schur complement C of the real rows, of k-M+n degrees, and apart "
             "from it a Wishart matrix of M-n degrees, (n + (M-n) E tr C^-1)/k"),
        Step("which falls with k", falling, "d beta/dk = "),
        Step("In proportion, k/M = phi < 1", below, "beta -> "),
        Step("and phi > 1", over, "beta -> "),
        Step("The error below the threshold", whole(0), "E = "),
        Step("and beyond", whole(1), "E = "),
        Step("With ever more labels, alpha and k as they are", floor, "E -> "),
        Step("of which the second term is the floor of a contaminated mean", plateau.floor() * V, "alpha^2 V/B = "),
        Step("Covariates alike: below the threshold E is a line of slope", lead, "q = "),
        Step("and r/(M-1-k): where r > 0 it rises, elsewhere it is concave, least at an end; with real labels", sole, "r = "),
        Step("Beyond the threshold it falls: (k-M-1)^2 times its slope", slope, "slope = "),
        Step("so that the best is none or all; the synthetic labels' part of it falls as well", extra, "shift = "),
        Step("Residuals", left, "0 = "),
    )  # fmt: skip


SAME_SHIFT = Assumption(
    "all labels of a source have one set of coefficients, at a fixed distance from the truth", always, ""
)
ASKEW = Assumption(
    "the source's shift is independent of the coefficients, whose inner product with it is 0 in the mean", always, ""
)
STRONG_COLLAPSE = Theorem(
    "strong-collapse",
    "Of the squared shift of a share alpha of its labels a linear model of k covariates passes on alpha^2, however many labels "
    "there are, and alpha(1-alpha) chi more, which rises with k without bound up to k = M labels; beyond it falls, to alpha M/k.",
    "strong_collapse_error",
    "LinearRegression, of whose covariates a model sees some",
    "one round: real labels pooled with those of a Source",
    Evidence.IDENTITY,
    (NORMAL, APART, SAME_SHIFT, ASKEW),
    ("derived", "Belkin2020 (real labels alone)", "Dohmatob2025 (the setting)"),
    _derive,
    _prove,
    needs="a Source of labels, and how many of the covariates a model sees",
)
