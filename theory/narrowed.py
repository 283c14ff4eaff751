r"""Samples with too little variance, beside fresh real data: how many of them a Gaussian stands, and how many are best.

A sampler that multiplies the variance of its model by :math:`\Lambda < 1` (temperature, truncation, guidance) is biased: more
samples mean less noise and more bias. A generation is fitted on N real points and n points of the last model. Their scatter
about the common mean is two Wishart matrices and the square of a normal vector, so that the moments up to the fourth are a
closed linear recursion of seven numbers: the distance from the truth is exact at every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import QQ, Expr, Matrix, Poly, S, cancel, factor, lambdify, limit, oo, ring, simplify, solve
from sympy.polys.ring_series import rs_trunc

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import MATCHED, always
from .family import Family, Gaussian
from .lower import evaluate
from .solve import Step, Unsolved, over_positive
from .symbols import Lam, M, N, alpha, b, c, d, k, n, u1, u2, u3, u4, y, z
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import inside
from .workflow import FreshReal, Workflow

MONOMIALS = (S.One, u1, u2, u1**2, u1 * u2, u3, u2**2, u4)  # of the error e of the mean and of Delta: degree 4 at most
ERROR, SPREAD, SQUARE = 1, 2, 7  # places of u1, u2, u4
Vector = tuple[Expr, str]  # a Gaussian vector: the multiple of e that is its mean, and its name
Spread = tuple[Expr, Expr]  # a covariance: the multiples of the identity and of Delta


class SamplingBias(NamedTuple):
    """What biased samples do in the long run: ``error`` with those that there are, ``real_only`` with none.

    ``best``, ``most``: the number of samples of least error, and the largest that is no worse than none; whole, or inf.
    ``best_limit``, ``most_limit``: what they tend to as the number of real samples grows.
    """

    error: float
    real_only: float
    best: float
    most: float
    best_limit: float
    most_limit: float


def spread_kept(share: Any, multiplier: Any) -> Any:
    r"""The share of the true variance that is left in the long run, :math:`(1-\alpha)/(1-\alpha\Lambda)`, in large samples.

    ``share``: of synthetic data, :math:`\alpha`. ``multiplier``: :math:`\Lambda > 0`, by which a sampler multiplies the variance
    of its model (a Gaussian's `Temperature` is one). inf where :math:`\alpha\Lambda \ge 1` and real data cannot hold it; 1 where
    both are 1. Numbers, NumPy or JAX arrays. Raises InputError outside. Source: derived; Alemohammad2024 for the setting.

    >>> from modelcollapse import theory
    >>> [round(theory.spread_kept(share, 0.7), 4) for share in (0.0, 0.5, 0.9, 1.0)]
    [1.0, 0.7692, 0.2703, 0.0]
    """
    owner = "spread_kept"
    arg.probability(owner, "share", share, "share of synthetic data")
    if not arg.is_traced(multiplier):
        arg.positive(owner, "multiplier", multiplier, "factor by which sampling changes the variance")
    xp = arg.namespace(share, multiplier)
    holds = xp.asarray(share) * multiplier < 1
    kept = evaluate(_large_samples(), {alpha: xp.where(holds, share, 0.0), Lam: xp.where(holds, multiplier, 1.0)})
    drift = (xp.asarray(share) == 1) & (xp.asarray(multiplier) == 1)
    result = xp.where(holds, kept, xp.where(drift, 1.0, xp.inf))
    return arg.scalar(inside(result, (share, 0.0, 1.0), (multiplier, 0.0, math.inf)))


def sampling_error(f: Gaussian, w: FreshReal, multiplier: float, generation: Any) -> Any:
    r""":math:`E\|\mu_m-\mu\|^2 + \tfrac{\sigma^2}{4} E\,\mathrm{tr}(\Sigma_m/\sigma^2 - I)^2`, exact, of narrowed samples.

    For small errors this is :math:`E W_2^2`, the squared Wasserstein distance of model and truth. ``multiplier``:
    :math:`\Lambda`, by which sampling changes the variance, at most 1. Generation 1 is fitted on the ``real`` samples alone.
    ``f``: with either divisor of the covariance. Generations: numbers or an array, step by step. Raises InputError for
    another family or workflow, or a weight. Source: derived.

    >>> from modelcollapse import theory
    >>> f, w = theory.Gaussian(unbiased=True), theory.FreshReal(real=11, synthetic=11)
    >>> round(theory.sampling_error(f, w, 0.7, 1), 6)  # 1/11 + 2/10/4
    0.140909
    """
    real, synthetic, factor_, divisor = _checked("sampling_error", f, w, multiplier)
    whole = np.asarray(arg.steps("sampling_error", generation), int)
    step, first = (_matrix(real, count, f.dimension, factor_, divisor) for count in (synthetic, 0))
    state, found = first[:, 0], [0.0]
    for _ in range(int(whole.max())):
        found.append(float(f.variance) * (state[ERROR] + state[SQUARE] / 4))
        state = step @ state
    return arg.scalar(np.array(found)[whole])


def sampling_bias(f: Gaussian, w: FreshReal, multiplier: float) -> SamplingBias:
    r"""How many samples of too little variance are harmless, and how many best, beside N fresh real ones a generation.

    As N grows, at most :math:`\frac{4(2-\Lambda) + (d+1)(2-\Lambda^2)}{(1-\Lambda)^2}` are no worse than none, and half as many
    best, whatever N (covariance with divisor n - 1; with n, :math:`2/(1-\Lambda)` fewer). At each N both are exact, in fractions.

    ``w``: a FreshReal without a weight; its ``synthetic`` are those whose ``error`` is told. ``multiplier``: :math:`\Lambda`,
    above 0 and at most 1, where any number helps. The distance is that of `sampling_error`. Raises InputError outside.
    Source: derived; the setting and the existence of a limit Alemohammad2024.

    >>> from modelcollapse import theory
    >>> told = theory.sampling_bias(theory.Gaussian(unbiased=True), theory.FreshReal(1000, 100), 0.7)
    >>> told.best, told.most, round(told.best_limit, 2), round(told.most_limit, 2)
    (42, 84, 45.67, 91.33)
    """
    real, synthetic, factor_, divisor = _checked("sampling_bias", f, w, multiplier)
    sizes = (f.dimension, factor_, divisor)

    @cache
    def error(count: int) -> Fraction:
        return settled(real, count, *sizes)

    unit, alone = float(f.variance), error(0)
    now, bare = unit * float(error(synthetic)), unit * float(alone)
    if factor_ == 1:
        return SamplingBias(now, bare, math.inf, math.inf, math.inf, math.inf)
    most = _last(lambda count: error(count) <= alone)
    best = _last(lambda count: error(count) < error(count - 1), most)
    ends = [evaluate(each, {d: f.dimension, Lam: float(factor_)}) for each in _edges(divisor)]
    return SamplingBias(now, bare, best, most, *(max(0.0, end) for end in ends))


def _last(good: Callable[[int], bool], most: float = math.inf) -> float:
    """The last number up to which something holds, which holds from 1 on or nowhere; inf beyond 2^53."""
    if not good(1):
        return 0
    low, high = 1, 2
    while high < most and good(high):
        low, high = high, 2 * high
        if high > arg.LAST:
            return math.inf
    high = int(min(high, most + 1))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def _checked(owner: str, f: Gaussian, w: FreshReal, multiplier: float) -> tuple[int, int, Fraction, bool]:
    BIAS.require(owner, families.check(owner, f), workflows.check(owner, w))
    arg.static(owner, f=f, w=w, multiplier=multiplier)
    arg.one_size(owner, w)
    arg.positive(owner, "multiplier", multiplier, "factor by which sampling changes the variance, at most 1")
    if np.ndim(multiplier) or multiplier > 1 or np.ndim(f.variance):
        raise arg.refuse(
            owner, "multiplier", multiplier, "one number, above 0 and at most 1: by how much sampling narrows"
        )
    if w.real < 2:
        raise arg.refuse(owner, "real", w.real, "at least 2 real samples, which have a variance")
    return int(w.real), int(w.synthetic), Fraction(str(float(multiplier))), bool(f.unbiased)


def settled(real: int, synthetic: int, dimension: int, multiplier: Fraction, unbiased: bool) -> Fraction:
    """The error over the variance in the long run: the fixed point of the recursion, in fractions."""
    rows = _step(unbiased)(*map(Fraction, (real, synthetic, dimension)), multiplier)
    table = [
        [Fraction(place == column) - Fraction(each) for column, each in enumerate(row[1:])] + [Fraction(row[0])]
        for place, row in enumerate(rows[1:])
    ]
    for place, row in enumerate(table):  # Gauss; the diagonal is 1 less a contraction
        for other in table:
            if other is not row and other[place]:
                share = other[place] / row[place]
                other[:] = [one - share * two for one, two in zip(other, row, strict=True)]
    moments = [row[-1] / row[place] for place, row in enumerate(table)]
    return moments[ERROR - 1] + moments[SQUARE - 1] / 4


def _matrix(*at: Any) -> np.ndarray:
    """One step as numbers, each worked out in fractions."""
    *sizes, multiplier, unbiased = at
    return np.array([[float(each) for each in row] for row in _step(unbiased)(*map(Fraction, sizes), multiplier)])


@cache
def _step(unbiased: bool) -> Callable[..., Any]:
    rows = lambdify((N, n, d, Lam, b, c, alpha, k), transition().tolist(), modules="math", cse=True)

    def at(real: Fraction, written: Fraction, dimension: Fraction, multiplier: Fraction) -> Any:
        whole = real + written
        share = written / whole
        return rows(real, written, dimension, multiplier, 1 / whole, 1 / (whole - unbiased), share, real * share)

    return at


@cache
def transition() -> Matrix:
    """(8, 8): the moments of a generation, those of `MONOMIALS`, from those of the last one."""
    identity, written = (S.One, S.Zero), (Lam, Lam)  # covariances of the points: I and Lambda (I + Delta)
    # n/(N+n), Nn/(N+n), its inverse, 1/(N+n) and one over the divisor: letters, so that nothing needs to be simplified
    own, between, apart, one_of, divided = alpha, k, z, b, c
    covariance = {
        "mm": _sum(((1 - own) * one_of, identity), (own * one_of, written)),
        "md": _sum((-one_of, identity), (one_of, written)),
        "dd": _sum((own * apart, identity), ((1 - own) * apart, written)),
    }
    mean, gap = (own, "m"), (S.One, "d")  # the common mean, less the truth; what the two means differ by

    def four(*of: Vector) -> Expr:
        return wick(of, lambda one, two: covariance["".join(sorted((one, two), reverse=True))])

    def along(of: Vector, through: Spread) -> Expr:
        """E v' C v of a vector and a covariance."""
        return of[0] ** 2 * _form(through) + _trace(covariance[of[1] * 2], through)

    groups = ((N - 1, identity), (n - 1, written))
    squares = {each: _trace(covariance[each[1] * 2]) + each[0] ** 2 * u1 for each in (mean, gap)}
    scatter = sum(degrees * _trace(spread) for degrees, spread in groups) + between * squares[gap]
    trace_of_square = between**2 * four(gap, gap, gap, gap)
    square_of_trace = between**2 * four(gap, gap, gap, gap)
    for degrees, spread in groups:
        one, two = _wishart(degrees, spread)
        trace_of_square += one + 2 * between * degrees * along(gap, spread)
        square_of_trace += two + 2 * between * degrees * _trace(spread) * squares[gap]
    (first, identity_), (second, written_) = groups
    trace_of_square += 2 * first * second * _trace(identity_, written_)
    square_of_trace += 2 * first * second * _trace(identity_) * _trace(written_)
    with_scatter = between * four(mean, mean, gap, gap) + squares[mean] * (scatter - between * squares[gap])
    through = between * four(mean, gap, mean, gap) + sum(degrees * along(mean, spread) for degrees, spread in groups)
    moments = (
        S.One,
        squares[mean],
        scatter * divided - d,
        four(mean, mean, mean, mean),
        with_scatter * divided - d * squares[mean],
        through * divided - squares[mean],
        square_of_trace * divided**2 - 2 * d * scatter * divided + d**2,
        trace_of_square * divided**2 - 2 * scatter * divided + d,
    )
    return Matrix([_coefficients(each) for each in moments])


def wick(of: tuple[Vector, ...], covariance: Callable[[str, str], Spread]) -> Expr:
    """E (v1.v2)(v3.v4) of Gaussian vectors whose means are multiples of e: over all pairings (Isserlis)."""
    (a1, n1), (a2, n2), (a3, n3), (a4, n4) = of

    def pair(one: tuple[Expr, str], two: tuple[Expr, str]) -> Expr:
        return one[0] * two[0] * u1 + _trace(covariance(one[1], two[1]))

    crossed = _trace(covariance(n1, n3), covariance(n2, n4)) + _trace(covariance(n1, n4), covariance(n2, n3))
    forms = ((n1, n3, a2 * a4), (n1, n4, a2 * a3), (n2, n3, a1 * a4), (n2, n4, a1 * a3))
    return pair(of[0], of[1]) * pair(of[2], of[3]) + crossed + sum(
        lead * _form(covariance(one, two)) for one, two, lead in forms
    )  # fmt: skip


def _wishart(degrees: Expr, spread: Spread) -> tuple[Expr, Expr]:
    """E tr W^2 and E (tr W)^2: over pairs of the normal vectors that it is made of, equal or independent."""
    nothing = (S.Zero, S.Zero)
    same = wick(((S.Zero, "g"),) * 4, lambda one, two: spread)
    apart: tuple[Vector, ...] = ((S.Zero, "g"), (S.Zero, "h"))
    product = wick(apart * 2, lambda one, two: spread if one == two else nothing)
    return degrees * same + degrees * (degrees - 1) * product, degrees * same + degrees * (degrees - 1) * _trace(
        spread
    ) ** 2


def _sum(*terms: tuple[Expr, Spread]) -> Spread:
    return sum((c * s[0] for c, s in terms), S.Zero), sum((c * s[1] for c, s in terms), S.Zero)


def _trace(one: Spread, two: Spread = (S.One, S.Zero)) -> Expr:
    """Trace of a product of two covariances."""
    return one[0] * two[0] * d + (one[0] * two[1] + one[1] * two[0]) * u2 + one[1] * two[1] * u4


def _form(one: Spread) -> Expr:
    """e' C e."""
    return one[0] * u1 + one[1] * u3


MOMENTS, LETTERS = (u1, u2, u3, u4), (N, n, d, Lam, b, c, alpha, k)
POLYNOMIALS = ring((*MOMENTS, *LETTERS, z), QQ)[0]  # many times quicker than `expand`
RING = ring((n, d, Lam, y), QQ)[0]
SIZES = {alpha: n / (N + n), k: N * n / (N + n), b: 1 / (N + n), c: 1 / (N + n - 1)}  # with divisor N + n - 1


def _coefficients(moment: Expr) -> list[Expr]:
    wanted = [POLYNOMIALS.from_expr(each).leading_expv()[: len(MOMENTS)] for each in MONOMIALS]
    found = dict.fromkeys(wanted, POLYNOMIALS.zero)
    for powers, coefficient in POLYNOMIALS.from_expr(moment).terms():
        *others, of_k, of_inverse = powers[len(MOMENTS) :]  # z = 1/k, of which no power is left alone
        rest = (*(0,) * len(MOMENTS), *others, of_k - of_inverse, 0)
        found[powers[: len(MOMENTS)]] += POLYNOMIALS({rest: coefficient})
    return [found[powers].as_expr() for powers in wanted]


@cache
def _edges(unbiased: bool) -> tuple[Expr, Expr]:
    """Samples that are best, and harmless at most, as N grows."""
    lead, slope, none = Poly(_excess(unbiased), n).all_coeffs()
    if none != 0:
        raise Unsolved("an excess of no samples")
    return factor(-slope / (2 * lead)), factor(-slope / lead)


@cache
def _excess(unbiased: bool) -> Expr:
    """N^2 times what n samples add to the error of none, as N grows: a quadratic in n.

    The step A and the moments b of a first fit are of order 1/N: the fixed point of x = b + A x is b + A b up to N^-3.
    """
    table = [[_series(each, unbiased) for each in row] for row in transition().tolist()]
    starts = [row[0] for row in table]
    if any(_order(each) < 1 for row in table[1:] for each in row):
        raise Unsolved("a step that does not shrink as 1/N")
    told = S.Zero
    for place, weight in ((ERROR, S.One), (SQUARE, S.One / 4)):
        moved = sum(one * two for one, two in zip(table[place][1:], starts[1:], strict=True))
        told += weight * (starts[place] + moved).as_expr()
    added = Poly(told - told.subs(n, 0), y)
    if added.coeff_monomial(1) != 0 or added.coeff_monomial(y) != 0:
        raise Unsolved("an excess that falls slower than was thought")
    return factor(added.coeff_monomial(y**2))


def _series(entry: Expr, unbiased: bool) -> Any:
    """A moment in powers of y = 1/N at a fixed n, to the second: an element of a ring of polynomials."""
    own, dimension, narrow, small = RING.gens
    inverse = sum((-own * small) ** each for each in range(6))  # 1/(1 + n y)
    less = sum((-(own - 1) * small) ** each for each in range(6)) if unbiased else inverse
    values = {
        n: own,
        d: dimension,
        Lam: narrow,
        b: small * inverse,
        c: small * less,
        alpha: own * small * inverse,
        k: own * inverse,
    }
    total = RING.zero
    for powers, coefficient in POLYNOMIALS.from_expr(entry).terms():
        of_real, *others = powers[len(MOMENTS) : -1]
        term = RING(coefficient) * small ** (2 - of_real)  # N^2 at most
        for power, value in zip(others, (values[letter] for letter in LETTERS[1:]), strict=True):
            for _ in range(power):
                term = rs_trunc(term * value, small, 5)
        total += term
    found = RING.zero
    for monomial, coefficient in total.terms():
        if monomial[3] < 2:
            raise Unsolved("a moment that grows with N")
        found += RING({(*monomial[:3], monomial[3] - 2): coefficient})
    return found


def _order(element: Any) -> int:
    """The lowest power of y."""
    return min((monomial[3] for monomial, _ in element.terms()), default=3)


@cache
def _large_samples() -> Expr:
    """The spread in the limit of large sets at one share, over that of the truth."""
    whole = {N: (1 - alpha) * M, n: alpha * M, k: (1 - alpha) * alpha * M, b: 1 / M, c: 1 / (M - 1)}
    row = transition()[SPREAD, :].subs(whole, simultaneous=True)
    at = [limit(cancel(each), M, oo) for each in (row[0], row[2])]
    (kept,) = solve(at[0] + at[1] * y - y, y)
    above, below = over_positive(1 + kept / d, {alpha: S.Half, Lam: S.Half})
    return above / below


def _derive() -> Derived:
    best, most = _edges(True)
    return Derived(most, limit=best)


def _prove() -> tuple[Step, ...]:
    table, quadratic = transition().subs(SIZES), _excess(True)
    claimed = (4 * (2 - Lam) + (d + 1) * (2 - Lam**2)) / (1 - Lam) ** 2
    best, most = _edges(True)
    if simplify(most - claimed) != 0 or simplify(best - claimed / 2) != 0:
        raise Unsolved(f"the amounts as N grows: {best}, {most}")
    if simplify(_large_samples() - (1 - alpha) / (1 - alpha * Lam)) != 0:
        raise Unsolved("the spread that is kept")
    alone = [factor(table[place, 0].subs(n, 0)) for place in (ERROR, SQUARE)]
    if simplify(alone[0] - d / N) != 0 or simplify(alone[1] - d * (d + 1) / (N - 1)) != 0:
        raise Unsolved("the error of real data alone")
    return (
        Step(
            "Scatter = Wishart(N-1, I) + Wishart(n-1, Lambda(I + Delta)) + Nn/(N+n) v v', v what the two means differ by"
        ),
        Step(
            "Moments by pairings (Isserlis); the trace of Delta has the mean",
            factor(table[SPREAD, :].dot(Matrix(MONOMIALS))),
        ),
        Step("and its square goes on by the factor", table[SQUARE, SQUARE], "tr Delta^2: "),
        Step("Real data alone: E |e|^2 and E tr Delta^2", tuple(alone)),
        Step("As N grows, N^2 times what n samples add to E |e|^2 + E tr Delta^2 / 4", quadratic),
        Step("is negative up to", most, "n = "),
        Step("and least at", best, "n = "),
        Step("In large sets the variance settles at this share of the truth's", _large_samples(), "kept: "),
        Step(
            "Distance: |e|^2 + tr(C^(1/2) - 1)^2 is W2^2 over the variance, C^(1/2) - 1 = Delta/2 + ... to leading order"
        ),
    )


def _pooled(family: Family, workflow: Workflow) -> bool:
    return isinstance(family, Gaussian) and isinstance(workflow, FreshReal) and workflow.weight is None


BIAS = Theorem(
    "sampling-bias",
    "Beside N fresh real samples, at most (4(2-Lambda) + (d+1)(2-Lambda^2))/(1-Lambda)^2 samples of a Gaussian whose variance is "
    "multiplied by Lambda < 1 are no worse than none, whatever N; half as many are best. Exact at each N.",
    "sampling_bias",
    "Gaussian",
    "FreshReal, samples narrowed",
    Evidence.IDENTITY,
    (
        Assumption("the samples of a generation are independent draws of its model, narrowed about its mean", always, ""),
        MATCHED,
        Assumption("the family is Gaussian and the workflow a FreshReal without a weight", _pooled,
                   "other pairs are simulated: simulate.chains with theory.Selected and Temperature"),
    ),
    ("derived", "Alemohammad2024 (setting, limit seen in simulations)"),
    _derive,
    _prove,
    needs="the multiplier by which sampling changes the variance",
)  # fmt: skip
