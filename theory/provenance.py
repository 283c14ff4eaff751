r"""What data is worth whose origin is uncertain: effective sample sizes with a detector, without one, and with full records.

Of a batch of n items, each is synthetic with chance :math:`\alpha`, a sample of the newest model. Take out what that model adds:
an item x whose detector says o tells of the truth by :math:`r(o)\,(x - \theta_{t-1})`, with :math:`r = Q_1/q`, where
:math:`q = (1-\alpha) Q_1 + \alpha Q_0` is the chance of that output and :math:`Q_1`, :math:`Q_0` are those at real and synthetic
items. So an item is worth

.. math:: \iota = (1-\alpha)^2 \sum_o \frac{Q_1(o)^2}{q(o)}

real samples: :math:`(1-\alpha)^2` where nothing is known, :math:`1 - \alpha` where everything is. That is the leading order;
what the newest model's own error adds is exact too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, assert_never

import numpy as np
from sympy import Expr, diff, factor, simplify

from . import arguments as arg
from . import family as families
from .assumption import ANY, COMMON, always
from .family import Family
from .lower import evaluate, lower
from .solve import Step, Unsolved
from .stream import SHARE, inside, noise, stream
from .symbols import T, V, alpha, iota, n, q0, q1, v2, varkappa, w
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import or_nan
from .workflow import Accumulate

LETTERS = (n, V, T, iota, varkappa, alpha)
ROUNDING = 1e-9  # chances written as decimals sum to one up to this


@dataclass(frozen=True)
class Unknown:
    """Nothing is known of an item but the share of synthetic ones."""


@dataclass(frozen=True)
class Known:
    """Of every item it is known whether it is real."""


@dataclass(frozen=True)
class Detector:
    """It calls a real item real with chance ``true_real``, and a synthetic item real with chance ``false_real``."""

    true_real: Any
    false_real: Any

    def __post_init__(self) -> None:
        arg.probability("Detector", "true_real", self.true_real, "chance that a real item is called real")
        arg.probability("Detector", "false_real", self.false_real, "chance that a synthetic item is called real")


@dataclass(frozen=True)
class Scores:
    """A detector of several outputs: ``real`` (O,) their chances at a real item, ``synthetic`` (O,) at a synthetic one."""

    real: Any
    synthetic: Any

    def __post_init__(self) -> None:
        for name in ("real", "synthetic"):
            chances = tuple(getattr(self, name)) if hasattr(getattr(self, name), "__len__") else ()
            object.__setattr__(self, name, chances)
            for each in chances:
                arg.probability("Scores", name, each, "chances of the outputs")
            if not arg.is_traced(*chances) and abs(sum(map(float, chances)) - 1) > ROUNDING:
                raise arg.refuse("Scores", name, chances, "chances of the outputs, summing to one")
        if len(self.real) != len(self.synthetic):
            raise arg.refuse(
                "Scores", "synthetic", self.synthetic, f"a chance for each of the {len(self.real)} outputs"
            )


Provenance = Unknown | Detector | Scores | Known
PROVENANCES = (Unknown, Detector, Scores, Known)


class EffectiveSize(NamedTuple):
    r"""``samples`` (M,): real samples that err as much as the model after each batch; ``weight`` (M,): of the newest batch.

    Model t is :math:`\theta_{t-1} + w_t` times the mean over the batch of :math:`r(o)(x - \theta_{t-1})`; where nothing is
    known r = 1, and it is the mean of batch and model before with the weights w and 1 - w.
    """

    samples: Any
    weight: Any


def information(share: Any, provenance: Provenance) -> Any:
    r""":math:`\iota`: how many real samples an item is worth, of data with a ``share`` of synthetic samples of a known model.

    :math:`(1-\alpha)^2` for `Unknown`, :math:`1 - \alpha` for `Known`, between them for a `Detector`: what that adds is worth its
    price where it costs less for each item than as many real samples. It multiplies what an `Unknown` item is worth by at
    most :math:`1/((1-\alpha) + \alpha\epsilon)`, with :math:`\epsilon` the least ratio :math:`Q_0/Q_1` of an output.

    Leading order in the number of samples: `effective_size` is exact. Source: Kanabar2026 (minimax), derived.

    >>> from modelcollapse import theory
    >>> each = (theory.Unknown(), theory.Detector(true_real=0.9, false_real=0.1), theory.Known())
    >>> [round(theory.information(0.7, provenance), 3) for provenance in each]
    [0.09, 0.216, 0.3]
    """
    arg.probability("information", "share", share, SHARE)
    worth = _summed("information", one_worth(), share, provenance)
    return inside(arg.scalar(worth), [], [share, *_flat(provenance)])


def added(share: Any, provenance: Provenance) -> Any:
    r"""What it adds to the worth of an item that something is known of its origin: :math:`\iota - (1-\alpha)^2`, with all digits.

    0 where the outputs tell nothing apart, and where all items are of one kind.

    >>> from modelcollapse import theory
    >>> added(0.5, theory.Detector(0.75, 0.25)), added(0.7, theory.Detector(0.3, 0.3))
    (0.0625, 0.0)
    """
    arg.probability("added", "share", share, SHARE)
    total: Any = 0.0
    for real, synthetic in zip(*chances("added", provenance), strict=True):
        xp = arg.namespace(real, synthetic, share)
        some = xp.asarray(share)
        there = (some > 0) & (some < 1) & ((xp.asarray(real) > 0) | (xp.asarray(synthetic) > 0))
        given = {letter: xp.where(there, each, 0.5) for letter, each in ((q1, real), (q0, synthetic), (alpha, share))}
        total = total + xp.where(there, evaluate(one_added(), given), 0.0)
    return inside(arg.scalar(total), [], [share, *_flat(provenance)])


def effective_size(f: Family, sizes: Sequence[Any], share: Any, provenance: Provenance) -> EffectiveSize:
    r"""How many real samples err as much as the model after each batch, exactly: about :math:`\sum n_t \iota_t`.

    .. math:: N_t = N_{t-1} + \frac{n_t \iota_t}{1 + \kappa_t / (\iota_t N_{t-1})}, \qquad N_1 = n_1, \qquad
              \kappa = \sum_o q a^2 (a + v_2 (1 - a)) - \iota^2, \quad a = (1-\alpha) r

    ``sizes`` (M,): items in each batch, the first of which is real. ``share``: the synthetic share of the others, one number or
    (M-1,). What must be known: the share, the newest model (it is one's own), and the chances of the detector. The error is
    :math:`v(\theta)/N_t`.

    With full records a mean over the real items alone, by their actual number, does better by the little that this number varies.

    Raises InputError for a share of 1 (leave such a batch out), sizes that are none, and a batch so large, n alpha (1-alpha)
    above N_{t-1} at leading order, that the model before would have a negative weight; NaN inside a JAX transformation.
    Source: Kanabar2026 (leading order), derived.

    >>> from modelcollapse import theory
    >>> f, sizes = theory.Categorical([0.5, 0.3, 0.2]), [50] + 20 * [200]  # 50 + 4000 (1 - 0.7)^2 = 410
    >>> theory.effective_size(f, sizes, 0.7, theory.Unknown()).samples[-1:].round(1).tolist()
    [411.1]
    """
    families.check("effective_size", f)
    batches, shares = stream("effective_size", sizes, share)
    EFFECTIVE.require("effective_size", f, Accumulate(batches[0], batches[-1]))
    rates = _flat(provenance)
    xp = arg.namespace(*batches, *shares, f.v2, *rates)
    uncertain = xp.stack(xp.broadcast_arrays(*map(xp.asarray, shares))) * 1.0 if shares else xp.zeros(0)
    inner = max(np.ndim(each) for each in (uncertain[:1].sum(0), f.v2, *rates))
    uncertain = uncertain.reshape(len(shares), *[1] * (inner - uncertain.ndim + 1), *uncertain.shape[1:])
    if not arg.is_traced(uncertain) and (uncertain == 1).any():
        raise arg.refuse(
            "effective_size", "share", share, f"{SHARE}, below 1 here: leave out a batch without real data"
        )
    worth = _summed("effective_size", one_worth(), uncertain, provenance, f.v2)
    wavers = _summed("effective_size", one_wavering(), uncertain, provenance, f.v2) - worth**2
    gain, following = (lower(each, LETTERS, "numpy" if xp is np else "jax") for each in (newest_weight(), _next()))
    weight, error = [xp.asarray(1.0)], [1.0 / xp.asarray(batches[0])]
    for place, batch in enumerate(batches[1:]):
        given = 1.0 * batch, 1.0, error[-1], worth[place], wavers[place], uncertain[place]
        weight.append(gain(*given))
        error.append(following(*given))
    samples, weights = (xp.stack(xp.broadcast_arrays(*each)) for each in (error, weight))
    few = weights > 1 + ROUNDING
    if not arg.is_traced(few) and few.any():
        at = int(np.argmax(np.asarray(few).reshape(len(batches), -1).any(axis=1)))
        raise arg.refuse(
            "effective_size", "sizes", batches[at], f"batch {at + 1} is so large beside what is known before it that the model "
            "before would count below 0: cut it into smaller ones, or begin with more real samples"
        )  # fmt: skip
    samples = xp.where(few.any(axis=0), xp.nan, samples)
    return EffectiveSize(*(inside(or_nan(each, f), batches, [*shares, *rates]) for each in (1 / samples, weights)))


def _flat(provenance: Provenance) -> list[Any]:
    """All chances of a detector."""
    return [each for row in chances("provenance", provenance) for each in row]


def chances(owner: str, provenance: Provenance) -> tuple[list[Any], list[Any]]:
    """Chances of each output of the detector at a real item, and at a synthetic one."""
    if not isinstance(provenance, PROVENANCES):
        raise arg.refuse(owner, "provenance", provenance, "one of " + ", ".join(each.__name__ for each in PROVENANCES))
    match provenance:
        case Unknown():
            return [1.0], [1.0]
        case Known():
            return [1.0, 0.0], [0.0, 1.0]
        case Detector(true, false):
            return [true, 1 - true], [false, 1 - false]
        case Scores(real, synthetic):
            return list(real), list(synthetic)
    assert_never(provenance)


def likelihood_ratio(share: Any, provenance: Provenance) -> np.ndarray:
    """r (O,): by how much each output is likelier at a real item than at any item; 1 on average."""
    at = [np.asarray(each, float) for each in chances("likelihood_ratio", provenance)]
    return np.asarray(evaluate(_share_real(), {q1: at[0], q0: at[1], alpha: share})) / (1 - share)


def _summed(owner: str, term: Expr, share: Any, provenance: Provenance, curvature: Any = 0) -> Any:
    """A term summed over the outputs that can occur."""
    total: Any = 0.0
    for real, synthetic in zip(*chances(owner, provenance), strict=True):
        xp = arg.namespace(real, synthetic, share)
        told = (xp.asarray(real) > 0) & (
            (xp.asarray(share) < 1) | (xp.asarray(synthetic) > 0)
        )  # else 0, in the limit too
        given = {q1: real, q0: synthetic, alpha: share}
        given = {letter: xp.where(told, each, 0.5) for letter, each in given.items()} | {v2: curvature}
        total = total + xp.where(told, evaluate(term, given), 0.0)
    return total


@cache
def _share_real() -> Expr:
    """a: how much of the items with an output is real."""
    return (1 - alpha) * q1 / ((1 - alpha) * q1 + alpha * q0)


@cache
def one_worth() -> Expr:
    """One output's part of iota, q a^2."""
    return (1 - alpha) * q1 * _share_real()


@cache
def one_added() -> Expr:
    """One output's part of iota - (1-alpha)^2, a sum of squares: q (a - (1-alpha))^2."""
    return ((1 - alpha) * alpha * (q1 - q0)) ** 2 / ((1 - alpha) * q1 + alpha * q0)


@cache
def one_wavering() -> Expr:
    """One output's part of kappa + iota^2."""
    real = _share_real()
    return (1 - alpha) * q1 * real * (real + v2 * (1 - real))


@cache
def _gain() -> Expr:
    """Of the debiased mean of a batch, whose variance is (iota V + kappa T)/(n iota^2), beside the model before."""
    return factor(T / (T + (iota * V + varkappa * T) / (n * iota**2)))


@cache
def _next() -> Expr:
    """The error after a batch."""
    return factor((1 - _gain()) * T)


@cache
def newest_weight() -> Expr:
    """The gain, for items that are weighed by r: their debiased mean is (1-alpha)/iota times that."""
    return factor(_gain() * (1 - alpha) / iota)


def _derive() -> Derived:
    return Derived(_next())


def _prove() -> tuple[Step, ...]:
    a, q = _share_real(), (1 - alpha) * q1 + alpha * q0
    drawn = noise().subs(alpha, 1 - w)  # a sample of a mixture of which a share w is real
    # r' = a(o) (x - theta_{t-1}): given o its mean is a^2 (theta - theta_{t-1}), of which T is the square
    square = (w**2 * (drawn + w**2 * T)).expand()
    claimed = (w**2 * V + w**2 * (w + v2 * (1 - w)) * T).expand()
    worth = simplify(one_worth() - q * a**2)
    waver = simplify(one_wavering() - q * a**2 * (a + v2 * (1 - a)))
    unknown = simplify((one_wavering() - one_worth() ** 2).subs({q1: 1, q0: 1}) - (1 - alpha) ** 2 * (noise().diff(T)))
    known = simplify(one_worth().subs({q1: 1, q0: 0}) - (1 - alpha))
    flat = simplify(diff((1 - w) ** 2 * T + w**2 * (iota * V + varkappa * T) / (n * iota**2), w).subs(w, _gain()))
    size = simplify(V / _next() - V / T - n * iota / (1 + varkappa * T / (iota * V)))
    binary = one_worth() + one_worth().subs({q1: 1 - q1, q0: 1 - q0}, simultaneous=True)
    least = simplify((1 - alpha) * a - (1 - alpha) ** 2 / (1 - alpha + alpha * q0 / q1))
    # summed over the outputs, where q1 and q sum to 1
    more = simplify(one_added() - (one_worth() - 2 * (1 - alpha) * (1 - alpha) * q1 + (1 - alpha) ** 2 * q))
    checks = (simplify(square - claimed), worth, waver, unknown, known, flat, size, least, more)
    if any(each != 0 for each in checks):
        raise Unsolved(f"effective size: {checks}")
    return (
        Step("An item of output o is real with the chance", a, "a = "),
        Step("A sample of such a mixture varies, with w = a and T the error of the model before", drawn, "var = "),
        Step("a (x - theta(t-1)) has the mean a^2 (theta - theta(t-1)), and the second moment", claimed, "E = "),
        Step("Over the outputs, of chance q: the mean is iota (theta - theta(t-1)), one output's part", one_worth(), "iota: "),
        Step("and the variance iota V + kappa T, one output's part of kappa + iota^2", one_wavering(), "kappa: "),
        Step("Over iota it tells of the truth without bias; the best gain of n items beside the model before", _gain(), "g = "),
        Step("leaves the error", _next(), "T' = "),
        Step("so that V/T, the effective size, grows by", n * iota / (1 + varkappa * T / (iota * V)), "N' - N = "),
        Step("that is n iota at leading order; a = 1 - alpha throughout where nothing is known", (1 - alpha) ** 2, "iota = "),
        Step("a is 0 or 1 where everything is known", 1 - alpha, "iota = "),
        Step("What outputs add to that is a sum of squares, one output's part", one_added(), "iota - (1-alpha)^2: "),
        Step("A detector that calls items real with the chances q_1 and q_0", binary, "iota = "),
        Step(
            "iota is at most (1-alpha) times the largest a: over (1-alpha)^2 at most this, with the least q_0/q_1",
            1 / (1 - alpha + alpha * q0 / q1),
            "1 + chi^2 <= ",
        ),
    )  # fmt: skip


EFFECTIVE = Theorem(
    "effective-size",
    "An item of a batch with a share alpha of synthetic samples is worth (1-alpha)^2 real samples where its origin is unknown, "
    "1-alpha where it is known, and (1-alpha)^2 sum Q1^2/q with a detector; what they add up to obeys an exact recursion.",
    "effective_size",
    ANY,
    "a stream of contaminated batches, its share known",
    Evidence.RECURSION,
    (
        *COMMON,
        Assumption("batch 1 is real; the share of the others and the chances of the detector are known", always, ""),
        Assumption("the weight left to the model before is not negative: batches of at most the effective size", always, ""),
    ),
    ("Kanabar2026 (minimax, leading order)", "Amin2026 (weights of generations)", "derived"),
    _derive,
    _prove,
    needs="a stream, and what is known of whether its items are real",
)  # fmt: skip
