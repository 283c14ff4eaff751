r"""A verifier between a generator and a learner: which labels it keeps, whether it pays, what a classifier learns from them.

A generator's label is right with the chance p_r; a verifier keeps right ones with :math:`\phi` and wrong ones with :math:`\psi`.
What a learner sees of both is two numbers: the mean sign r of a kept label, and the share :math:`\chi` that is kept. The
learner is the mean of label times point, of two Gaussian classes about :math:`\pm\mu` in d dimensions.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import (
    Expr,
    I,
    cancel,
    erfc,
    exp,
    expand,
    factor,
    fraction,
    integrate,
    limit,
    oo,
    pi,
    powsimp,
    rem,
    simplify,
    sin,
    solve,
    sqrt,
    together,
)

from . import arguments as arg
from .assumption import always
from .lower import evaluate
from .selection import Verifier
from .solve import Step, Unsolved
from .stable import CompoundPower
from .symbols import M, S, a, b, chi, d, mu, n, phi, pr, psi, r, t, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import inside

WIDEST = 10.0  # separation up to which the integral is right to rounding
STEP, LOWEST, HIGHEST = 0.05, -42.0, 20.0  # of the logarithm of t, about the scale of the integrand
MANY = 50.0  # standard deviation of the number of right labels, beyond which not every number is looked at
MOST = 10**10  # kept labels
BLOCK = 64  # numbers of right labels that are looked at at once


class Verification(NamedTuple):
    """What a verifier does to generated labels.

    ``threshold``: the least chance of a right label from which on learners end up right. ``kept_accuracy``, ``keep_rate``: of
    the kept labels. ``merit``: what it makes of a budget, with the sign of what is learnt; ``unverified`` the same with no
    verifier; ``pays``: whether it is more. ``keep_wrong_most``: how many of the wrong labels it may keep for that.
    """

    threshold: Any
    kept_accuracy: Any
    keep_rate: Any
    merit: Any
    unverified: Any
    pays: Any
    keep_wrong_most: Any


def verification(p: Any, verifier: Verifier) -> Verification:
    r"""Labels that are right with the chance p_r = ``p`` pay to be verified where :math:`r|r|\chi > (2p_r-1)|2p_r-1|`.

    :math:`\chi = \phi p_r + \psi(1-p_r)`, :math:`r = (\phi p_r - \psi(1-p_r))/\chi`; learners end up right exactly where
    r > 0, above the threshold :math:`p_r^* = \psi/(\phi+\psi)`. At a budget of generated labels, kept or not, a classifier
    depends on :math:`r^2\chi` alone: a verifier that throws away too many right labels is worse than none.

    ``p``, and the chances of the verifier, numbers or arrays. Assumes that the verifier looks at nothing but whether a label
    is right. Raises InputError for what is no probability, or a verifier with a mask. Source: Feng2025; the merit is derived.

    >>> from modelcollapse import theory
    >>> seen = theory.verification(0.75, theory.Verifier(0.5, 0.2))
    >>> round(seen.threshold, 6), round(seen.kept_accuracy, 6), round(seen.keep_rate, 6)
    (0.285714, 0.882353, 0.425)
    >>> round(seen.merit, 6), seen.unverified, seen.pays, round(seen.keep_wrong_most, 6)
    (0.248529, 0.25, False, 0.197224)
    """
    _check("verification", p, verifier)
    ranges = _ranges(p, verifier)
    values = {pr: p, phi: verifier.keep_right, psi: verifier.keep_wrong}

    def told(expression: Expr, **given: float) -> Any:
        return inside(evaluate(expression, values | {LETTERS[name]: value for name, value in given.items()}), *ranges)

    sign, share, bare = told(kept_labels()[0]), told(kept_labels()[1]), told(kept_labels()[0], phi=1.0, psi=1.0)
    xp = arg.namespace(sign)
    merit = arg.scalar(xp.sign(sign) * told(VERIFICATION.derived.expression))
    unverified = arg.scalar(bare * abs(bare))
    high, low = (told(each) for each in edges())
    most = arg.scalar(xp.clip(xp.where(bare >= 0, high, low), 0.0, 1.0))
    pays = merit > unverified
    threshold = inside(evaluate(THRESHOLD, {letter: values[letter] for letter in (phi, psi)}), *ranges)
    return Verification(threshold, (1 + sign) / 2, share, merit, unverified, pays, most)


def verified_accuracy(p: Any, verifier: Verifier, *, separation: float, dimension: int, samples: int) -> float:
    r"""Accuracy on new points of the classifier that averages ``samples`` = n kept labels times points, exact.

    :math:`E_S\big[\tfrac12 + \tfrac1\pi\int_0^\infty \sin\!\big(\tfrac{\sqrt n S\mu^2 t}{1+t^2}\big)\,
    e^{-\mu^2 (nS^2+1)t^2/(2(1+t^2))}\,(1+t^2)^{-d/2}\,\tfrac{dt}{t}\big]` with :math:`nS = 2\,\mathrm{Bin}(n, (1+r)/2) - n`.

    ``separation``: :math:`\mu`, half the distance of the two class means in standard deviations, at most 10; the best classifier
    is right with :math:`\Phi(\mu)`. ``dimension``: d. ``samples``: labels that were kept, at most 1e10. For no verifier,
    Verifier(1, 1). One number; right to 1e-12. Raises InputError outside. Source: derived, setting of Feng2025.

    >>> from modelcollapse import theory
    >>> setting = dict(separation=1.0, dimension=20, samples=100)
    >>> [round(theory.verified_accuracy(0.7, each, **setting), 4) for each in (theory.Verifier(1, 1), theory.Verifier(0.9, 0.2))]
    [0.7415, 0.8108]
    """
    owner = "verified_accuracy"
    p, keep_right, keep_wrong = _numbers(owner, p, verifier)
    arg.positive(owner, "separation", separation, f"separation of the classes, at most {WIDEST:g}")
    if np.ndim(separation) or separation > WIDEST:
        raise arg.refuse(owner, "separation", separation, f"one number, at most {WIDEST:g}")
    dimension = arg.size(owner, "dimension", dimension, of="dimensions")
    samples = arg.size(owner, "samples", samples, remedy="the labels that were kept")
    if samples > MOST:
        raise arg.refuse(owner, "samples", samples, f"at most {MOST:,}: beyond, verified_accuracy_limit is exact")
    chance = (1 + evaluate(kept_labels()[0], {pr: p, phi: keep_right, psi: keep_wrong})) / 2
    right, weight = _right_labels(samples, chance, float(separation))
    total = 0.0
    for place in range(0, len(right), BLOCK):
        signs = (2 * right[place : place + BLOCK] - samples) / samples
        total += weight[place : place + BLOCK] @ _integral(signs, float(separation), dimension, samples)
    return 0.5 + float(total)


def verified_accuracy_limit(p: Any, verifier: Verifier, *, separation: Any, dimension: Any, samples: Any) -> Any:
    r"""The same to leading order: :math:`\Phi\big(r\mu^2/\sqrt{r^2\mu^2 + d/n}\big)`, off by about 1/n.

    Exact in the limit of many labels and dimensions at one ratio d/n. Numbers, NumPy or JAX arrays; differentiable.
    Source: derived (Feng2025 has the limit of d/n = 0).

    >>> from modelcollapse import theory
    >>> verifier = theory.Verifier(0.9, 0.2)
    >>> round(theory.verified_accuracy_limit(0.7, verifier, separation=1.0, dimension=20, samples=100), 4)
    0.8104
    """
    owner = "verified_accuracy_limit"
    _check(owner, p, verifier)
    arg.positive(owner, "separation", separation, "separation of the classes")
    arg.size(owner, "dimension", dimension, of="dimensions")
    arg.size(owner, "samples", samples)
    sign = evaluate(kept_labels()[0], {pr: p, phi: verifier.keep_right, psi: verifier.keep_wrong})
    told = evaluate(ACCURACY.derived.limit, {r: sign, mu: separation, d: dimension, n: samples})
    return inside(
        told, *_ranges(p, verifier), (separation, 0.0, math.inf), (dimension, 1.0, math.inf), (samples, 1.0, math.inf)
    )


def _ranges(p: Any, verifier: Verifier) -> tuple[tuple[Any, float, float], ...]:
    return (p, 0.0, 1.0), (verifier.keep_right, 0.0, 1.0), (verifier.keep_wrong, 0.0, 1.0)


def _check(owner: str, p: Any, verifier: Verifier) -> None:
    arg.probability(owner, "p", p, "the chance that a generated label is right")
    if not isinstance(verifier, Verifier) or verifier.right is not None:
        raise arg.refuse(
            owner, "verifier", verifier, "Verifier(keep_right, keep_wrong): two chances, no mask of tokens"
        )


def _numbers(owner: str, p: Any, verifier: Verifier) -> tuple[float, float, float]:
    _check(owner, p, verifier)
    arg.static(owner, p=p, verifier=verifier)
    for name, value in (("p", p), ("keep_right", verifier.keep_right), ("keep_wrong", verifier.keep_wrong)):
        if np.ndim(value):
            raise arg.refuse(owner, name, value, "one number here: call it for each, or use verified_accuracy_limit")
    return float(p), float(verifier.keep_right), float(verifier.keep_wrong)


def _right_labels(samples: int, chance: float, separation: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of right labels, and the chance of each; of very many every so-manieth, which a smooth mean does not notice."""
    if chance in (0.0, 1.0):
        return np.array([samples * chance]), np.ones(1)
    middle, spread = samples * chance, math.sqrt(samples * chance * (1 - chance))
    least, most = math.floor(middle - 10 * spread - 40), math.ceil(middle + 10 * spread + 40)
    right = np.arange(max(least, 0), min(most, samples) + 1.0)
    rise = np.log((samples - right[:-1]) / (right[:-1] + 1)) + math.log(chance / (1 - chance))
    mass = np.concatenate(([0.0], np.cumsum(rise)))
    apart = 1
    if spread > MANY:
        apart = max(1, int(0.7 * spread / math.sqrt(1 + 4 * separation**2 * chance * (1 - chance))))
    right, mass = right[::apart], mass[::apart]
    weight = np.exp(mass - mass.max())
    return right, weight / weight.sum()


def _integral(signs: np.ndarray, separation: float, dimension: int, samples: int) -> np.ndarray:
    """Accuracy less 1/2 for mean signs S: a sum over log t, whose error falls exponentially with the step."""
    scale = np.log(samples * signs**2 * separation**2 + separation**2 + dimension) / 2
    points = np.exp(np.arange(LOWEST, HIGHEST, STEP) - scale[:, None])
    values = {S: signs[:, None], mu: separation, d: float(dimension), n: float(samples), t: points}
    each: np.ndarray = evaluate(ACCURACY.derived.expression, values) * points
    return each.sum(axis=1) * STEP


@cache
def kept_labels() -> tuple[Expr, Expr]:
    """Mean sign of a kept label, and the share that is kept."""
    right, wrong = pr * phi, (1 - pr) * psi
    return (right - wrong) / (right + wrong), right + wrong


def _radicand() -> Expr:
    return (2 * pr - 1) ** 2 + 8 * pr * phi


@cache
def edges() -> tuple[Expr, Expr]:
    """Where a verifier pays no more: `_edges` at the root of the radicand."""
    return _edges(sqrt(_radicand()))


def _edges(root: Expr) -> tuple[Expr, Expr]:
    """The largest psi at which the merit is (2p_r-1)|2p_r-1|, in forms that keep their digits for p_r above and below 1/2."""
    right, s = pr * phi, 2 * pr - 1
    high = 2 * right * (4 * pr - 1 - pr * (1 - phi) / (1 - pr)) / (2 * right + s**2 + s * root)
    return high, (2 * right + s**2 - s * root) / (2 * (1 - pr))


LETTERS = {"phi": phi, "psi": psi}
THRESHOLD = psi / (phi + psi)


def _merit() -> Derived:
    return Derived(factor(kept_labels()[0] ** 2 * kept_labels()[1]))


def _prove_merit() -> tuple[Step, ...]:
    sign, share = kept_labels()
    if [simplify(each - THRESHOLD) for each in solve(sign, pr)] != [0]:
        raise Unsolved("the threshold")
    merit = VERIFICATION.derived.expression
    budget = M  # generated labels, of which chi is kept
    argument = accuracy_argument().subs(n, chi * budget)
    by_merit = mu**4 / (mu**2 + d / (budget * a))
    if cancel(argument**2 - by_merit.subs(a, r**2 * chi)) != 0:
        raise Unsolved("accuracy by the merit")
    slope = factor(by_merit.diff(a))
    left = [rem(fraction(together(gap))[0], y**2 - _radicand(), y) for gap in _gaps(merit)]
    if any(expand(each) != 0 for each in left) or not slope.is_positive:
        raise Unsolved(f"the edge where a verifier pays: {left}")
    return (
        Step("Right labels are kept with phi, wrong ones with psi: the share kept", share, "chi = "),
        Step("and the mean sign of a kept label, right 1 and wrong -1", sign, "r = "),
        Step("which vanishes at", THRESHOLD, "p_r* = "),
        Step(
            "Of a budget of M generated labels M chi are kept; the argument of Phi, squared",
            by_merit,
            "leading order: ",
        ),
        Step("depends on r^2 chi = a alone, and grows with it", slope, "slope: "),
        Step(
            "so that a verifier pays where r|r| chi is above (2p_r-1)|2p_r-1|, which is what none has",
            merit,
            "r^2 chi = ",
        ),
        Step("The psi of equality", edges()[1], "psi = "),
    )


def _gaps(merit: Expr) -> tuple[Expr, Expr]:
    """What both forms of the edge leave of the equation that it solves, with y for the root."""
    high, low = _edges(y)
    return merit.subs(psi, low) - (2 * pr - 1) ** 2, high - low


@cache
def accuracy_argument() -> Expr:
    """What the leading order of accuracy is Phi of."""
    return r * mu**2 / sqrt(r**2 * mu**2 + d / n)


def _accuracy() -> Derived:
    turned = t / (1 + t**2)
    decay = exp(-(mu**2) * (n * S**2 + 1) * t * turned / 2) * CompoundPower(1 + t**2, -d / 2)
    return Derived(sin(sqrt(n) * S * mu**2 * turned) * decay / (pi * t), limit=erfc(-accuracy_argument() / sqrt(2)) / 2)


def _prove_accuracy() -> tuple[Step, ...]:
    """The characteristic function of a product of two normal numbers, and of a scalar product."""
    square = sqrt(pi / a) * exp(b**2 / (4 * a))
    if simplify(integrate(exp(-a * y**2 + b * y), (y, -oo, oo)) - square) != 0:
        raise Unsolved("the Gaussian integral")
    one, other = S, r  # means of the two numbers
    # E exp(i t X Y | Y) = exp(i t one Y - t^2 Y^2/2), then the mean over Y about ``other``
    bell = (
        square.subs({a: (1 + t**2) / 2, b: I * t * one + other}, simultaneous=True)
        * exp(-(other**2) / 2)
        / sqrt(2 * pi)
    )
    law = exp((I * t * one * other - t**2 * (one**2 + other**2) / 2) / (1 + t**2)) / sqrt(1 + t**2)
    if _ratio(bell, law) != 1:
        raise Unsolved(f"the product of two normal numbers: {_ratio(bell, law)}")
    along = law.subs({one: sqrt(n) * S * mu, other: mu}, simultaneous=True)
    whole = along * law.subs({one: 0, other: 0}, simultaneous=True) ** (d - 1)
    claimed = ACCURACY.derived.expression.doit() * pi * t
    decay = exp(-(t**2) * mu**2 * (n * S**2 + 1) / (2 * (1 + t**2))) * (1 + t**2) ** (-d / 2)
    phase = sqrt(n) * S * mu**2 * t / (1 + t**2)
    if _ratio(whole, exp(I * phase) * decay) != 1 or _ratio(claimed, sin(phase) * decay) != 1:
        raise Unsolved("the characteristic function of the scalar product")
    ratio = y * n  # dimensions at one ratio to labels
    mean, length = r * mu**2, r**2 * mu**2 + ((1 - r**2) * mu**2 + ratio) / n
    if simplify(limit(mean / sqrt(length), n, oo) - accuracy_argument().subs(d, ratio)) != 0:
        raise Unsolved("the limit at one ratio")
    return (
        Step(
            "Label times point is s mu + noise, s = 1 where right: the classifier is S mu + noise/sqrt(n), n S = 2 Bin - n"
        ),
        Step("A new point times its label is mu + noise: right where its product with the classifier is positive"),
        Step("Two independent normal numbers of variance 1 about S and r have", law, "E exp(i t X Y) = "),
        Step("so that the product over d coordinates, the first along mu, times sqrt(n)", whole, "E exp(i t w.v) = "),
        Step("By inversion (Gil-Pelaez) accuracy less 1/2 is the integral over t of", ACCURACY.derived.expression),
        Step("As n and d grow at one ratio, w.mu and |w|^2 keep to their means", (mean, length)),
        Step("and accuracy tends to", ACCURACY.derived.limit, "leading order: "),
    )


def _ratio(one: Expr, other: Expr) -> Expr:
    """The quotient of two products of powers and exponentials, as simple as it gets."""
    return simplify(powsimp(one / other).replace(exp, lambda exponent: exp(cancel(exponent))))


LABELS = Assumption("the verifier looks only at whether a label is right", always, "")
CLASSES = Assumption("two classes alike, of Gaussian points with the identity as covariance", always, "")
VERIFICATION = Theorem(
    "verification/threshold",
    "Verified labels teach the right thing once they are right with more than psi/(phi+psi); a verifier pays at a budget of "
    "generated labels only where (phi p - psi(1-p))^2/(phi p + psi(1-p)) exceeds (2p-1)^2.",
    "verification",
    "two classes",
    "labels of a generator, verified",
    Evidence.IDENTITY,
    (LABELS, CLASSES),
    ("Feng2025 (threshold)", "derived"),
    _merit,
    _prove_merit,
    needs="a Verifier of labels, and how often its generator is right",
)
ACCURACY = Theorem(
    "verification/accuracy",
    "The classifier that averages n verified labels is right with a chance that is one integral, averaged over a binomial; as n "
    "and d grow at one ratio it is Phi(r mu^2/sqrt(r^2 mu^2 + d/n)), r the mean sign of a kept label.",
    "verified_accuracy",
    "two classes",
    "labels of a generator, verified",
    Evidence.IDENTITY,
    (LABELS, CLASSES),
    ("Feng2025 (n to infinity)", "derived"),
    _accuracy,
    _prove_accuracy,
    needs="a Verifier of labels, and how often its generator is right",
)
