r"""What replacing the data makes of a Gaussian: moments of its variance, Wasserstein distance, Kullback-Leibler divergence.

A fit to n samples multiplies the covariance by a Wishart matrix of n - 1 degrees over the divisor, and moves the mean by
:math:`\Sigma^{1/2} z/\sqrt n`, independent of it. So everything that is a product over generations is known exactly. Three
metrics say three things at once: with divisor n the Wasserstein distance stays bounded, the typical variance vanishes, and
the loss on data of the truth explodes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from sympy import (
    Expr,
    Integer,
    Rational,
    cancel,
    digamma,
    exp,
    expand_log,
    factor,
    gamma,
    gammasimp,
    integrate,
    limit,
    log,
    loggamma,
    oo,
    simplify,
    summation,
)

from . import answers, regression
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import MATCHED, ONE_SIZE, SAMPLES
from .family import Family, Gaussian
from .law import spread
from .logarithm import FULL_RANK, GAUSSIAN, direction, one_generation, over_rows, summed
from .lower import evaluate
from .solve import Step, Unsolved, residuals, solve_affine
from .stable import ExponentialQuotient, LogarithmicQuotient, LogGammaGap
from .symbols import N, T, V, aspect, b, c, d, ell, eta, j, k, m, n, v2, y
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import or_nan
from .workflow import Replace, Workflow

HALF = Rational(1, 2)
HIGHEST = 4  # moment of a variance that is worked out


def variance_moment(f: Gaussian, w: Replace, generation: Any, power: float = 2.0) -> Any:
    r""":math:`E (\det \Sigma_m / \det \Sigma)^{k/d}` under `Replace`, k the ``power``: in one dimension :math:`E (V_m/V)^k`.

    Each generation of n multiplies it by
    :math:`\prod_{i=1}^d (2/n)^{k/d}\, \Gamma(\frac{n-i}2 + \frac kd) / \Gamma(\frac{n-i}2)` (unbiased: n - 1 for n in 2/n).
    ``power`` 1/2: the expected standard deviation, 2: the second moment, -1: of the inverse; from -4 to 4 times the dimension.
    Infinite where a size is at most d - 2k/d.

    Raises InputError unless every size exceeds the dimension. Source: derived (Bartlett).

    >>> from modelcollapse import theory
    >>> round(theory.variance_moment(theory.Gaussian(), theory.Replace(10), 1, 2), 12)  # 1 - 1/n^2
    0.99
    >>> round(theory.variance_moment(theory.Gaussian(unbiased=True), theory.Replace(11), 1, 2), 12)  # 1 + 2/(n-1)
    1.2
    """
    _answers("variance_moment", VARIANCE_MOMENT, f, w)
    each = _power(f, power) / f.dimension

    def added(size: Any) -> Any:
        xp = arg.namespace(size)
        exists = (size - f.dimension) / 2 + each > 0
        room = xp.where(exists, size, f.dimension + 2 * HIGHEST + 1.0)
        return xp.where(exists, over_rows(f, log_moment(f.unbiased), room, each).sum(-1), xp.inf)

    logarithm = summed("variance_moment", w, generation, added)
    result = arg.namespace(logarithm).exp(logarithm)
    return or_nan(arg.scalar(result), f, w, generation=generation)


def wasserstein(f: Gaussian, w: Replace, generation: Any) -> Any:
    r""":math:`E\,W_2^2` of model m and the truth under `Replace`, on a line: :math:`E(\mu_m-\mu)^2 + E(\sigma_m-\sigma)^2`.

    With equal sizes and divisor n it is :math:`2\sigma^2 (1 - c^m)`, with
    :math:`c = \sqrt{2/n}\,\Gamma(\frac n2)/\Gamma(\frac{n-1}2)`: bounded.
    Unbiased: :math:`\sigma^2 (m/n + 2 (1 - c^m))` with n - 1 for n in 2/n: without bound. In the units of the variance.

    Raises InputError in more than one dimension, where it is no product, and unless every size is at least 2.
    Source: Shumailov2024 (E W_2^2 without bound), derived.

    >>> from modelcollapse import theory
    >>> round(theory.wasserstein(theory.Gaussian(), theory.Replace(2), 1), 6)  # 2 (1 - 1/sqrt(pi))
    0.871621
    """
    _answers("wasserstein", WASSERSTEIN, f, w)
    each = 0.5 / f.dimension
    deviation = summed(
        "wasserstein", w, generation, lambda size: over_rows(f, log_moment(f.unbiased), size, each).sum(-1)
    )
    values = {T: answers.error(f, w, generation), V: f.v, v2: f.v2, eta: deviation}
    return or_nan(evaluate(WASSERSTEIN.derived.expression, values), f, w, generation=generation)


def kullback_leibler(f: Gaussian, w: Replace, generation: Any) -> Any:
    r""":math:`E\,KL(\text{truth} \| \text{model}_m)` under `Replace`, in nats: what the model loses on data of the truth.

    With equal sizes and divisor n

    .. math:: \frac12 \Big( \frac{d(d+3)}{d+2} (r^m - 1) + m \sum_{i=1}^d \big(\psi(\tfrac{n-i}2) + \ln \tfrac2n\big) \Big),
              \qquad r = \frac n{n-d-2}.

    Infinite from the first generation on that has at most d + 2 samples, and where it exceeds what a float holds. Chains show it
    where its fourth moment exists, n > d + 8, and m is well below n: later, rare chains carry it.

    Raises InputError for another family or workflow. Source: derived (moments of an inverse Wishart matrix).

    >>> from modelcollapse import theory
    >>> theory.kullback_leibler(theory.Gaussian(), theory.Replace(20), [0, 1, 3]).round(4).tolist()
    [0.0, 0.0652, 0.2616]
    >>> theory.kullback_leibler(theory.Gaussian(dimension=8), theory.Replace(10), 1)
    inf
    """
    _answers("kullback_leibler", KULLBACK_LEIBLER, f, w)
    whole = arg.generation("kullback_leibler", generation)

    def room(size: Any) -> Any:
        xp = arg.namespace(size)
        return xp.where(size > f.dimension + 2, size, f.dimension + 3.0)

    logs = summed("kullback_leibler", w, whole, lambda size: one_generation(f, room(size)))
    if isinstance(w.synthetic, tuple):
        result = _over_sizes(f, w, whole, logs)
    else:
        xp = arg.namespace(whole, w.real, w.synthetic)
        first = xp.maximum(xp.asarray(whole) * 1.0, 1.0)
        values = {N: room(w.real), n: room(w.synthetic), d: f.dimension, m: first, ell: logs}
        later = evaluate(_divergence(f.unbiased), values)
        ends = (w.real <= f.dimension + 2) | ((first > 1) & (w.synthetic <= f.dimension + 2))
        result = xp.where(xp.asarray(whole) < 1, 0.0, xp.where(ends, xp.inf, later))
    return or_nan(arg.scalar(result), f, w, generation=generation)


def half_life(f: Gaussian, w: Replace) -> Any:
    r"""Generations of `Replace` after which the typical (geometric mean) variance of a direction has halved.

    :math:`\ln 2` over what a generation takes off the mean log variance: about :math:`2 n \ln 2/(d+3)`, unbiased
    :math:`2 n \ln 2/(d+1)`; where d/n -> :math:`\gamma`, :math:`\ln 2/(1 + \frac{1-\gamma}\gamma \ln(1-\gamma))`,
    few generations whatever n. The first set does not count.

    Raises InputError for a tuple of sizes, and unless n exceeds the dimension. Source: Suresh2024 (order n), derived.

    >>> from modelcollapse import theory
    >>> f = theory.Gaussian(dimension=9, unbiased=True)
    >>> round(theory.half_life(f, theory.Replace(1000)), 1)  # 2 n ln2/(d+1) is 138.6
    138.1
    """
    _answers("half_life", HALF_LIFE, f, w)
    if isinstance(w.synthetic, tuple):
        raise arg.refuse("half_life", "synthetic", w.synthetic, "one size for all generations; for others log_variance")
    return or_nan(arg.scalar(np.log(2) / -one_generation(f, w.synthetic)), f, w)


def _answers(owner: str, theorem: Theorem, f: Any, w: Any) -> None:
    theorem.require(owner, families.check(owner, f), workflows.check(owner, w))


def _power(f: Gaussian, power: Any) -> float:
    wanted = f"one number from -{HIGHEST} to {HIGHEST} times the dimension: the power of a variance"
    arg.static("variance_moment", power=power)
    value = arg.numbers("variance_moment", "power", power, wanted)
    if value.ndim or abs(value) > HIGHEST * f.dimension:
        raise arg.refuse("variance_moment", "power", power, wanted)
    return float(value)


@cache
def log_moment(unbiased: bool) -> Expr:
    """ln E (X/D)^y, X a chi-square with n - j degrees and D the divisor of the covariance."""
    lost = (j - 1) / (n - 1) if unbiased else j / n
    return LogGammaGap((n - j) / 2, y) - y * lost * LogarithmicQuotient(-lost)


@cache
def inverse(unbiased: bool) -> Expr:
    """r: E of the inverse of the covariance that is fitted, in the coordinates in which the model before is standard normal."""
    degrees = n - 1  # of the Wishart matrix: as many rows of a regression without a constant
    return (degrees if unbiased else n) * regression.one_fit(degrees) / V


@cache
def _affine(unbiased: bool) -> tuple[Expr, Expr, Expr]:
    """Slope, constant and first value of X: a generation multiplies X + d and 1/n of every direction by r."""
    rate = factor(inverse(unbiased))
    growth = factor(rate - 1) * d
    constant = growth + rate * d / n
    return rate, constant, constant.subs(n, N)


def _both() -> dict[bool, tuple[Expr, Expr, Expr]]:
    return {unbiased: _affine(unbiased) for unbiased in (False, True)}


@cache
def _divergence(unbiased: bool) -> Expr:
    return (solve_affine(*_affine(unbiased)) + d * ell) / 2


def _over_sizes(f: Gaussian, w: Replace, whole: Any, logs: Any) -> Any:
    """The divergence for a tuple of sizes, one generation after another."""
    sizes = w.sizes(len(w.synthetic) + 1)
    xp = arg.namespace(whole, *sizes)
    rate, constant, _ = _affine(f.unbiased)
    excess, seen, exists = 0.0, [], True
    for size in sizes:
        exists = exists & (size > f.dimension + 2)
        values = {n: xp.where(size > f.dimension + 2, size, f.dimension + 3.0), d: f.dimension}
        excess = evaluate(rate, values) * excess + evaluate(constant, values)
        seen.append(xp.where(exists, excess, xp.inf))
    table = xp.stack([xp.zeros_like(seen[0]), *seen])
    return (table[xp.asarray(whole, int)] + f.dimension * logs) / 2


def _chi_square(at: Expr) -> Expr:
    """Moment of order y of a chi-square with n - j degrees."""
    return 2**at * gamma((n - j) / 2 + at) / gamma((n - j) / 2)


def _prove_moment() -> tuple[Step, ...]:
    """The determinant of a Wishart matrix is a product of independent chi-squares (Bartlett)."""
    wrong = []
    for unbiased in (False, True):
        claimed, divisor = log_moment(unbiased).doit(), n - 1 if unbiased else n
        wrong.append(_plain(claimed) - _plain(log(_chi_square(y)) - y * log(divisor)))
        wrong.append(_plain(claimed.diff(y).subs(y, 0)) - _plain(direction(unbiased).doit()))
    second = [_halved(_chi_square(Integer(2)) / divisor**2).subs({k: (n - 1) / 2, j: 1}) for divisor in (n, n - 1)]
    wrong += [second[0] - (1 - 1 / n**2), second[1] - (1 + 2 / (n - 1))]
    if any(simplify(each) != 0 for each in wrong):
        raise Unsolved(f"moments of the variance: {wrong}")
    return (
        Step("n^d det(Sigma')/det(Sigma): by Bartlett a product of chi-squares with n-1, ..., n-d degrees"),
        Step("Moment of order y = k/d of a chi-square with n - j degrees", _chi_square(y), "E X^y = "),
        Step("Its logarithm less y ln n, so that it does not cancel", log_moment(False), "ln E (X/n)^y = "),
        Step("Its slope at y = 0 is the mean log variance of a direction", direction(False), "E ln(X/n) = "),
        Step("In one dimension, k = 2", factor(second[0]), "E V'^2/V^2 = "),
        Step("In one dimension, k = 2, unbiased", factor(second[1]), "E V'^2/V^2 = "),
    )


def _halved(expression: Expr) -> Expr:
    """The expression in k, half the degrees n - j, of which the gamma functions are told apart by whole numbers."""
    return gammasimp(expression.subs(n, j + 2 * k))


def _plain(expression: Expr) -> Expr:
    """Logarithms of what is positive, split up, in half the degrees."""
    found = expression.subs(n, j + 2 * k).replace(loggamma, lambda at: log(gamma(at)))
    return expand_log(found.replace(log, lambda at: log(cancel(at))), force=True).expand()


def _prove_wasserstein() -> tuple[Step, ...]:
    written = T + V + spread(T) - 2 * V * exp(eta)
    left = simplify((_distance().doit() - written).expand())
    late = limit(written.subs(v2, -1), eta, -oo)
    if left != 0 or late != 2 * V:
        raise Unsolved(f"Wasserstein distance: {left}, {late}")
    return (
        Step("Of two normal laws on the line W_2^2 = (mu' - mu)^2 + (sigma' - sigma)^2"),
        Step("Expanded: error, variance of the truth, expected variance, less 2 sigma E sigma'", written, "E W_2^2 = "),
        Step("with E sigma_m = sigma e^eta, eta the sum over generations of", log_moment(False).subs({y: HALF, j: 1}), "eta: "),
        Step("Together, in a form that does not cancel", _distance(), "E W_2^2 = "),
        Step("Less the expansion", left, "residual: "),
        Step("With divisor n, as eta falls without end", late, "E W_2^2 -> "),
        Step("In d dimensions tr Sigma^(1/2) >= d det(Sigma)^(1/2d): with the moment 1/2 of the variance it is an upper bound"),
    )  # fmt: skip


def _distance() -> Expr:
    """E W_2^2 = (1 + v2) T + 2 V (1 - e^eta)."""
    return (1 + v2) * T - 2 * V * eta * ExponentialQuotient(eta)


def _prove_divergence() -> tuple[Step, ...]:
    rate, constant, first = _affine(False)
    sequence = solve_affine(rate, constant, first)
    left = residuals(sequence, rate, constant, first)
    equal = simplify(
        solve_affine(b, c, c).doit() - c / (b - 1) * (b**m - 1)
    )  # the first value is the constant where N = n
    even = {unbiased: factor(constant_of / (rate_of - 1)) for unbiased, (rate_of, constant_of, _) in _both().items()}
    if any(left) or equal != 0 or simplify(even[False] - d * (d + 3) / (d + 2)) != 0:
        raise Unsolved(f"Kullback-Leibler divergence: {left}, {equal}, {even}")
    return (
        *regression.prove_one_fit(),
        Step("2 KL = tr(Sigma_m^-1 Sigma) + (mu_m-mu)' Sigma_m^-1 (mu_m-mu) - d + ln(det Sigma_m/det Sigma)"),
        Step("A fit turns E of any u' Sigma^-1 u into r times it, by the mean of an inverse Wishart matrix", rate, "r = "),
        Step("and the mean moves by Sigma^(1/2) z/n^(1/2): it adds d/n before, so that X(m+1) - r X(m)", constant, "= "),
        Step("First value", first, "X(1) = "),
        Step("Solved, substituted back into the law and its first value", left, "residuals: "),
        Step("With N = n, over r^m - 1", even[False], "X(m)/(r^m - 1) = "),
        Step("and unbiased", even[True], "X(m)/(r^m - 1) = "),
        Step("Moments of order i of an inverse Wishart matrix exist for n - d > 2i: the mean for n > d + 2"),
    )  # fmt: skip


def _prove_half_life() -> tuple[Step, ...]:
    lead = {unbiased: factor(summation(_leading(unbiased), (j, 1, d)) / d) for unbiased in (False, True)}
    share = integrate(log(k), (k, 1 - aspect, 1)) / aspect  # k = 1 - x
    wrong = lead[False] + (d + 3) / 2, lead[True] + (d + 1) / 2, _plain(aspect * (share - _proportional()))
    if any(simplify(each) != 0 for each in wrong):
        raise Unsolved(f"half-life: {wrong}")
    return (
        Step(
            "A generation adds to the mean log variance of a direction the mean over j = 1, ..., d of", direction(False)
        ),
        Step("For many samples n times that tends to", lead[False], "n (...) -> "),
        Step("and unbiased to", lead[True], "n (...) -> "),
        Step("Where d/n -> gamma the row j = x n adds ln(1-x): the mean of it over 0..gamma", _proportional(), "-> "),
    )


def _leading(unbiased: bool) -> Expr:
    """n times the term of one row, as n grows: psi(x) - ln x ~ -1/(2x)."""
    lost = (j - 1) / (n - 1) if unbiased else j / n
    first = limit(y * (digamma(y) - log(y)), y, oo)  # -1/2
    return limit(n * first / ((n - j) / 2), n, oo) + limit(n * log(1 - lost), n, oo)


def _proportional() -> Expr:
    return -1 - (1 - aspect) / aspect * log(1 - aspect)


def _line(family: Family, _: Workflow) -> bool:
    return isinstance(family, Gaussian) and family.dimension == 1


ONE_DIMENSION = Assumption(
    "the Gaussian has one dimension",
    _line,
    "in more it is at most (1 + v2) error + 2 v (1 - variance_moment(f, w, m, 0.5)); kullback_leibler holds in all",
)
_COMMON = (SAMPLES, MATCHED, GAUSSIAN)
VARIANCE_MOMENT = Theorem(
    "gaussian-moments/variance",
    "Under Replace the moments of a Gaussian's variance are products, one factor a generation: the expected standard deviation "
    "falls with either divisor, while E V^2 grows like (1+2/(n-1))^m where E V stands still.",
    "variance_moment",
    "Gaussian",
    "Replace",
    Evidence.IDENTITY,
    (*_COMMON, FULL_RANK),
    ("derived",),
    lambda: Derived(log_moment(False)),
    _prove_moment,
)
WASSERSTEIN = Theorem(
    "gaussian-moments/wasserstein",
    "Under Replace the expected squared Wasserstein distance of a Gaussian from the truth is 2 sigma^2 (1 - c^m) with divisor n, "
    "bounded; with the unbiased variance it grows like m/n without bound.",
    "wasserstein",
    "Gaussian",
    "Replace",
    Evidence.IDENTITY,
    (*_COMMON, ONE_DIMENSION, FULL_RANK),
    ("Shumailov2024 (E W_2^2 without bound)", "derived"),
    lambda: Derived(_distance()),
    _prove_wasserstein,
)
KULLBACK_LEIBLER = Theorem(
    "gaussian-moments/kullback-leibler",
    "Under Replace the expected loss of a Gaussian on data of the truth explodes like (n/(n-d-2))^m, while with divisor n the "
    "errors of its mean and variance stay bounded: infinite at once with at most d + 2 samples.",
    "kullback_leibler",
    "Gaussian",
    "Replace",
    Evidence.IDENTITY,
    _COMMON,
    ("derived",),
    lambda: Derived(_divergence(False)),
    _prove_divergence,
)
HALF_LIFE = Theorem(
    "log-moments/half-life",
    "Under Replace the typical variance of a Gaussian halves every 2 n ln2/(d+3) generations (unbiased: (d+1)), every "
    "ln2/(1 + (1-gamma)/gamma ln(1-gamma)) where d/n tends to gamma: the more dimensions, the sooner.",
    "half_life",
    "Gaussian",
    "Replace",
    Evidence.IDENTITY,
    (*_COMMON, FULL_RANK),
    ("Suresh2024 (order n)", "derived"),
    lambda: Derived(direction(False), limit=_proportional()),
    _prove_half_life,
    scope=(ONE_SIZE,),
)
MOMENTS = (VARIANCE_MOMENT, WASSERSTEIN, KULLBACK_LEIBLER)
