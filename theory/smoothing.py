r"""Smoothing: the laws of models that add spread to their data at every generation, and how they are solved.

A model is its training points, each with a kernel that adds the spread :math:`H = d h^2`. Smoothing moves no mean, and the
second moment about the truth of a pool is the mean of those of its batches. So a model has two moments, its error T and its
second moment R, and the laws are those of any family with the spread :math:`R - T` of a smoothed model in the place of
:math:`V + v_2 T`. Without smoothing R = V: the family with :math:`v_2 = -1`.

Replacing, keeping or adding real data, the recursion has constant coefficients and is solved; where data accumulates, R
has a closed form and T is an exact recursion; for any schedule, and bandwidths that change, the workflow algebra answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from sympy import Dummy, Expr, Integer, cancel, expand_log, factor, limit, log, oo, polygamma, simplify, together, zeta

from .derivation import derive_affine
from .law import Law, law
from .solve import Step, Unsolved, affine, linear_in
from .stable import DigammaGap, GeometricSum, HomogeneousSum, LogarithmicQuotient
from .symbols import H, N, P, Q, R, T, V, a, b, k, m, n, v2, w
from .theorem import Derived
from .workflow import Accumulate, AccumulateSubsample, FixedReal, FreshReal, Replace


@dataclass(frozen=True)
class Smoothed:
    """The law of two moments of a smoothed model: its state, the error that is read off, and its second moment."""

    law: Law
    second: Expr

    @property
    def spread(self) -> Expr:
        """Trace of the expected covariance of the model."""
        return self.second - self.law.error


def share(workflow: type, weight: Expr = w) -> Expr:
    """The weight of new synthetic data in the data of a generation that keeps none of it."""
    return {Replace: Integer(1), FixedReal: n / (N + n), FreshReal: factor(1 - weight)}[workflow]


@cache
def smoothed(workflow: type, replacement: bool = False, weight: Expr = w) -> Smoothed:
    """The law with smoothing, in the letters N, n, M, w, V, H: the plain law with R - T in the place of V + v2 T."""
    one = law(workflow, replacement)
    accumulates = workflow in (Accumulate, AccumulateSubsample)
    second = Q + H if accumulates else R
    spread = {v2: 0, V: second - one.error}
    first = one.step[0].subs(spread)
    real = cancel(
        one.step[0].subs(v2, 0).diff(V) - one.step[0].diff(v2) / one.error
    )  # noise of real data is not smoothed
    if real != 0:
        first = (first + real * (V - spread[V])).expand().subs(w, weight)
    if accumulates:
        pool = law(AccumulateSubsample, replacement)
        grown = Q + factor(pool.step[1].subs({v2: 0, V: second - pool.error}) - Q)
        state, start = (*one.state[:1], Q), (*one.start[:1], V)
    else:
        kept = share(workflow, weight)
        grown = (1 - kept) * V + kept * R + H
        state, start = (*one.state, R), (*one.start, V + H)
    return Smoothed(Law(state, start, (first, grown), one.error, f"{one.drawn}; smoothing adds H"), second)


def _parts(workflow: type, weight: Expr) -> tuple[Law, Expr, Expr, Expr]:
    """Law, share of new data, and slope and inflow per second moment in the law of the error."""
    one = smoothed(workflow, weight=weight).law
    slope, _ = linear_in(one.step[0].subs(R, 0), one.state[0])
    return one, share(workflow, weight), slope, factor(one.step[0].diff(R))


def derive_smoothed(workflow: type, weight: Expr = w) -> Callable[[], Derived]:
    """The closed form at v2 = -1, and what the smoothing adds: an inflow H, 2 H, ... that is passed on with the share."""

    def derive() -> Derived:
        _, kept, slope, inflow = _parts(workflow, weight)
        plain = derive_affine(workflow, weight)()
        added = HomogeneousSum(kept, slope, m)
        error = plain.expression.subs(v2, -1) + H * inflow * added
        diversity = plain.diversity.subs(v2, -1) + H * (GeometricSum(slope, m) + factor(kept * (1 - kept)) * added)
        return Derived(error, diversity, error.subs(m, oo))

    return derive


def second_moment(workflow: type, weight: Expr = w) -> Expr:
    """The second moment about the truth of generation m: all of it comes from the truth and from smoothing."""
    if workflow in (Accumulate, AccumulateSubsample):
        return V + H * (1 + harmonic())
    return V + H * GeometricSum(share(workflow, weight), m)


def harmonic() -> Expr:
    r""":math:`\sum_{j=1}^{m-1} n/(N+jn) = \psi(N/n + m) - \psi(N/n + 1)`, through logarithms that do not cancel."""
    first, ratio = N / n + 1, (m - 1) / (N / n + 1)
    return ratio * LogarithmicQuotient(ratio) + DigammaGap(first + m - 1) - DigammaGap(first)


def prove_smoothed(workflow: type, weight: Expr = w) -> Callable[[], tuple[Step, ...]]:
    """From the law with smoothing to the closed forms of its moments."""

    def prove() -> tuple[Step, ...]:
        one, kept, slope, inflow = _parts(workflow, weight)
        forms = derive_smoothed(workflow, weight)()
        letter = one.state[0]
        _check_without_smoothing(workflow, weight)
        rise, left, apart = _check_inflow(Integer(1) if workflow is Replace else a)
        if simplify(kept**2 - inflow - slope) != 0:
            raise Unsolved(f"{workflow.__name__}: the slope is not the square of the share less the noise")
        return (
            Step("Second moment about the truth: pools average it, smoothing adds H", one.step[1], "R(m+1) = "),
            Step("It starts from", one.start[1], "R(1) = "),
            Step("Solved as an affine recursion", affine(), "x(m) = "),
            Step("Second moment of model m", second_moment(workflow, weight).doit(), "R(m) = "),
            Step("The plain law with R - T in the place of V + v2 T", one.step[0], f"{letter}(m+1) = "),
            Step("Its slope", slope, "b = "),
            Step("and what it takes in per second moment; b = a^2 - c with the share a", inflow, "c = "),
            Step("V alone gives the theorem of the workflow at v2 = -1; H adds c times", _SUM.doit(), "S(m) = "),
            Step("Substituted back: S(m+1) - b S(m) - (1 + ... + a^(m-1))", left, "residual: "),
            Step("The second moments, likewise", rise, "residual: "),
            Step("Spread added, (1 + ... + a^(m-1)) - c S = (1 + ... + b^(m-1)) + a (1-a) S", apart, "difference: "),
            Step("Error", forms.expression.doit(), "T(m) = "),
            Step("Spread of the model", forms.diversity.doit(), "R(m) - T(m) = "),
            *_fixed_point(workflow),
        )

    return prove


_SUM = HomogeneousSum(a, b, m)


def _check_without_smoothing(workflow: type, weight: Expr = w, replacement: bool = False) -> None:
    """With H = 0 and R = Q = V the law is that of v2 = -1."""
    one = smoothed(workflow, replacement, weight)
    still = one.law.step[0].subs({R: V, Q: V, H: 0})
    plain = law(workflow, replacement).step[0].subs(w, weight).subs({v2: -1, Q: V})
    if simplify(still - plain) != 0 or simplify((one.law.step[1] - one.law.state[1]).subs({R: V, Q: V, H: 0})) != 0:
        raise Unsolved(f"{workflow.__name__}: without smoothing it is not the law of v2 = -1")


def _check_inflow(kept: Expr) -> tuple[Expr, Expr, Expr]:
    """What is left of the recursions of R and of what it adds to T, and of the form of their difference: all 0."""
    total, passed = GeometricSum(kept, m).doit(), HomogeneousSum(kept, b, m).doit()
    rise = vanishing(total.subs(m, m + 1) - kept * total - 1)
    left = vanishing(passed.subs(m, m + 1) - b * passed - total)
    spread = GeometricSum(b, m).doit() + kept * (1 - kept) * passed
    apart = vanishing(total - (kept**2 - b) * passed - spread)
    starts = vanishing(total.subs(m, 1) - 1), vanishing(passed.subs(m, 1))
    if any((rise, left, apart, *starts)):
        raise Unsolved(f"inflow: {rise}, {left}, {apart}, {starts}")
    return rise, left, apart


def vanishing(expression: Expr) -> Expr:
    """The expression with b^(m+1) = b b^m, as a rational function."""
    return cancel(together(expression.expand(power_exp=True)))


def _fixed_point(workflow: type) -> tuple[Step, ...]:
    if workflow is not Replace:
        return ()
    one = smoothed(Replace)
    slope, constant = linear_in((one.law.step[1] - one.law.step[0]).subs(R, Q + T).expand(), Q)
    settled = factor(constant / (1 - slope))
    if constant != H or settled != n * H:
        raise Unsolved("replace: the spread of the model")
    return (
        Step("The spread Q = R - T of the model has a law of its own", slope * Q + constant, "Q(m+1) = "),
        Step("Its fixed point: n times what one smoothing adds", settled, "Q(oo) = "),
        Step("of which the data has", factor(settled - H), "Q(oo) - H = "),
    )


def prove_pool(workflow: type) -> Callable[[], tuple[Step, ...]]:
    """The two-moment recursion of a pool that is kept, as it stands."""

    def prove() -> tuple[Step, ...]:
        one = smoothed(workflow)
        for replacement in (False, True) if workflow is AccumulateSubsample else (False,):
            _check_without_smoothing(workflow, replacement=replacement)
        what = (
            "The model is fitted on M points of the pool"
            if workflow is AccumulateSubsample
            else "The model is the pool"
        )
        return (
            *prove_second(),
            Step("The plain law with R - T in the place of V + v2 T", one.law.step[0], f"{one.law.state[0]}(m+1) = "),
            Step("First model", one.law.start[0], f"{one.law.state[0]}(1) = "),
            Step(what, one.law.error, "T = "),
            Step("Spread of the model", one.spread, "R - T = "),
            Step("The sum of log(m)/m^2 converges, so that the error of the pool settles", zeta(2), "sum 1/m^2 = "),
        )

    return prove


def prove_second() -> tuple[Step, ...]:
    """The second moment of a pool that is kept: harmonic numbers."""
    one = smoothed(Accumulate)
    rise, claimed = one.law.step[1] - Q, H * harmonic().doit()
    left, first = _harmonic_left(claimed.subs(m, m + 1) - claimed - rise), _harmonic_left(claimed.subs(m, 1))
    if left != 0 or first != 0:
        raise Unsolved(f"the second moment of the pool: {left}, {first}")
    return (
        Step("A batch of n of a model has its second moment, and the model that of the pool and H", one.second, "R = "),
        Step("The pool averages, so that each generation adds", rise, "Q(m+1) - Q(m) = "),
        Step("Summed by psi(x+1) = psi(x) + 1/x, in a form that does not cancel", V + claimed, "Q(m) = "),
        Step("Substituted back", left, "Q(m+1) - Q(m) - step = "),
        Step("It grows like a logarithm: m times what generation m adds tends to", limit(m * rise, m, oo), "H = "),
        Step("A subsample has the second moment of its pool on average, so that R is the same"),
    )


def _harmonic_left(expression: Expr) -> Expr:
    """The expression with psi(x) = psi(x - 1) + 1/(x - 1) and the logarithm of a product as a sum, simplified."""
    marks: dict[Expr, Expr] = {}

    def mark(_: Expr, at: Expr) -> Expr:
        next_one = cancel(at - m - N / n) == 1
        known = marks.setdefault(cancel(at - 1 if next_one else at), Dummy())
        return known + 1 / (at - 1) if next_one else known

    plain = expression.replace(polygamma, mark).replace(log, lambda at: log(factor(together(at))))
    return simplify(expand_log(plain, force=True))


def prove_bandwidth() -> tuple[Step, ...]:
    """What a model's smoothing leaves in all later ones, and when the sum is finite."""
    pool = (smoothed(Accumulate).law.step[1] - Q) / H
    ratio = limit(pool * m, m, oo)
    if ratio != 1 or (smoothed(Replace).law.step[1] - R) != H:
        raise Unsolved(f"bandwidths: {ratio}")
    return (
        Step("Replace: model m adds H_m, so that R(m) is V and the sum of", H, "R(m) - R(m-1) = "),
        Step("Accumulate: model m adds its share of the next pool", pool * H, "Q(m+1) - Q(m) = "),
        Step("The share is about 1/m", ratio, "m n/(N+mn) -> "),
        Step("All terms are positive: R is bounded exactly when sum H_m, for a pool sum H_m/m, is finite"),
        Step("Power decay h_t^2 = t^-k: replace needs k > 1, accumulate k > 0", zeta(1 + k), "sum t^-k/t = "),
    )


def prove_schedule() -> tuple[Step, ...]:
    """The noise of an event with a second moment that changes."""
    spread = V + (1 + v2) * Q - P
    if spread.subs(v2, -1) != V - P:
        raise Unsolved("the spread of a point")
    return (
        Step(
            "As in the workflow algebra, with v2 = -1: a point has the spread about the mean that it is drawn around",
            V - P,
        ),
        Step("There V becomes the second moment of the mixture u of models that it comes from", R - P, "u.R - h'Ch = "),
        Step("and each model adds its smoothing to that of its data", R + H, "R = u.R + "),
    )
