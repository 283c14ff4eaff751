r"""Derivations: from a one-step law to a closed form, and every step of the way checked.

``derive_*`` builds the expressions that are computed with; ``prove_*`` goes the whole way symbolically and raises `Unsolved` if
a step does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Expr, Integer, exp, factor, oo, simplify, summation

from .law import Law, law, spread
from .solve import (
    Step,
    Unsolved,
    affine,
    growth,
    limit_of_product,
    linear_in,
    product_over_generations,
    residuals,
    solve_affine,
)
from .stable import DriftSum, ExponentialQuotient, LogarithmicQuotient
from .symbols import K, L, M, N, P, Q, T, V, a, c, j, k, m, n, nu, v2, w
from .theorem import Derived
from .workflow import Accumulate, AccumulateSubsample, RandomPast, Replace

POOLED = N / (N + n)


def _affine(workflow: type, weight: Expr = w) -> tuple[Law, Expr, Expr]:
    """Law of the workflow with slope and constant of its state."""
    one = law(workflow)
    slope, constant = linear_in(one.step[0].subs(w, weight), one.state[0])
    return one, slope, constant


def derive_affine(workflow: type, weight: Expr = w) -> Callable[[], Derived]:
    """The closed form of a law that is affine in its one state."""

    def derive() -> Derived:
        one, slope, constant = _affine(workflow, weight)
        state = solve_affine(slope, constant, one.start[0])
        error = one.error.subs(one.state[0], state)
        if one.error != one.state[0]:
            return Derived(error, spread(error), error.subs(m, oo))
        # G = V + v2 T obeys G' = b G + V (1 - b) + v2 c, without the difference of V and T
        inflow = factor(V * (1 - slope) + v2 * constant)
        return Derived(error, solve_affine(slope, inflow, spread(one.start[0])), error.subs(m, oo))

    return derive


def _growth(workflow: type, curvature: Expr = v2, replacement: bool = False) -> tuple[Expr, Expr, Law]:
    """Expected spread at generation 1 and the factor by which it grows from generation m to m+1."""
    one = law(workflow, replacement)
    letter = one.state[0]
    step = one.step[0].subs({v2: curvature, Q: V})
    slope, constant = linear_in(step, letter)
    return factor(V + curvature * one.start[0]), growth(slope, constant, curvature), one


def _drift(one: Law, curvature: Expr) -> Expr:
    """a(m), of which the growth factor is 1 + v2 a(m): as the law has it, sums of positive terms that lose no digits."""
    letter = one.state[0]
    return (one.step[0].subs({v2: curvature, Q: V}) - letter).diff(letter) / curvature


def _multiplied(workflow: type, curvature: Expr = v2, replacement: bool = False) -> tuple[Expr, Expr, Law]:
    r"""State and its spread when the spread is a product over generations: T = T_1 e^{v2 L} + V L (e^{v2 L} - 1)/(v2 L)."""
    one = law(workflow, replacement)
    centre = Integer(1) if workflow is RandomPast else N / n  # batches in the first pool
    total = DriftSum(curvature, _drift(one, curvature).subs(m, j), centre, m - 1)
    grown = exp(curvature * total)
    start = V + curvature * one.start[0]
    return one.start[0] * grown + V * total * ExponentialQuotient(curvature * total), start * grown, one


def derive_accumulate() -> Derived:
    """G = V + v2 T is multiplied by 1 + v2 n/(N + mn)^2."""
    error, diversity, _ = _multiplied(Accumulate)
    return Derived(error, diversity, error.replace(DriftSum, lambda *a: DriftSum(*a).limit()))


def derive_drawn(workflow: type, replacement: bool = True) -> Callable[[], Derived]:
    """At v2 = -1: the diversity of what is drawn from is a product, and what is drawn takes its share of it."""

    def derive() -> Derived:
        pool, spread_of_pool, one = _multiplied(workflow, Integer(-1), replacement)
        chosen = one.error.subs({P: 0, Q: 1})  # the share of Q - P = V - P that a subsample adds
        points = M if workflow is AccumulateSubsample else n
        settled = (pool + spread_of_pool / points).replace(DriftSum, lambda *a: DriftSum(*a).limit())
        return Derived(pool + spread_of_pool * chosen, spread_of_pool * (1 - chosen), settled)

    return derive


def prove_affine(workflow: type, weight: Expr = w) -> Callable[[], tuple[Step, ...]]:
    """From the law to the closed form by rsolve, and back."""

    def prove() -> tuple[Step, ...]:
        one, slope, constant = _affine(workflow, weight)
        letter = one.state[0]
        stable = solve_affine(slope, constant, one.start[0])
        plain = stable.doit()
        recursion, first = residuals(stable, slope, constant, one.start[0])
        if recursion != 0 or first != 0:
            raise Unsolved(f"{workflow.__name__}: {recursion}, {first} left when substituted back")
        error = one.error.subs(letter, plain)
        settled = factor(one.error.subs(letter, constant / (1 - slope)))
        return (
            Step("One generation", one.step[0].subs(w, weight), f"{letter}(m+1) = "),
            Step("First model", one.start[0], f"{letter}(1) = "),
            Step("The law is affine in the state: slope", slope, "b = "),
            Step("and constant", constant, "c = "),
            Step("Generic solution by rsolve, substituted back", affine(), "x(m) = "),
            Step("With this slope and constant", plain, f"{letter}(m) = "),
            Step("Substituted back into the law", recursion, f"{letter}(m+1) - b {letter}(m) - c = "),
            Step("First value", first, f"{letter}(1) - {one.start[0]} = "),
            Step("Error", error, "T(m) = "),
            Step("Diversity over v(theta): (V + v2 T)/V", simplify(spread(error) / V), "G(m)/V = "),
            Step("Fixed point, the limit wherever |b| < 1", settled, "T(oo) = "),
            Step("In the unit of gain", factor(settled * N / V), "gain(oo) = "),
        )

    return prove


def prove_product(workflow: type, curvature: Expr, replacement: bool = False) -> Callable[[], tuple[Step, ...]]:
    """From the law to a product of growth factors, its closed form and its limit."""

    def prove() -> tuple[Step, ...]:
        start, factor_m, one = _growth(workflow, curvature, replacement)
        letter, fixed = one.state[0], {v2: curvature, Q: V}
        if simplify(1 + curvature * _drift(one, curvature) - factor_m) != 0:
            raise Unsolved(f"{workflow.__name__}: the drift differs from the growth factor")
        drawn = len(one.state) == 2
        if drawn and simplify(one.step[1].subs(fixed) - V) != 0:
            raise Unsolved("the spread of the points that are drawn from changes")
        closed = product_over_generations(factor_m.subs(m, j))
        grown = start * closed
        limiting = limit_of_product(closed)
        steps = [
            Step("One generation", one.step[0].subs(fixed), f"{letter}(m+1) = "),
            Step("First model", one.start[0], f"{letter}(1) = "),
            Step(f"Put G = V + v2 {letter}: one generation multiplies it", factor_m, "G(m+1)/G(m) = "),
            Step("and it starts from", start, "G(1) = "),
            Step("Product over generations by SymPy; the ratio of neighbours gives the factor back", grown, "G(m) = "),
            Step(f"{letter} = (G - V)/v2", (grown - V) / curvature, f"{letter}(m) = "),
            Step("Each (a)_t behaves as Gamma(t) t^a / Gamma(a); the powers of t cancel", start * limiting, "G(oo) = "),
        ]
        if drawn:
            chosen = one.error.subs({P: 0, Q: 1})
            steps.insert(0, Step("With v2 = -1 the spread of what is drawn from never changes", V, "Q(m+1) = Q(m) = "))
            steps.append(Step("The model adds the noise of what is drawn", (V - grown) + grown * chosen, "T(m) = "))
        else:
            steps.append(
                Step(
                    "As v2 -> 0, through the second derivative in nu = sqrt(-v2/n)",
                    _at_no_curvature(start * limiting),
                    "T(oo) = ",
                )
            )
        return tuple(steps)

    return prove


def end_of_product(workflow: type, curvature: Expr) -> Expr:
    """The limit of the error of a law whose G is multiplied, by gamma functions."""
    start, factor_m, _ = _growth(workflow, curvature)
    return (start * limit_of_product(product_over_generations(factor_m.subs(m, j))) - V) / curvature


def _at_no_curvature(total: Expr) -> Expr:
    """Limit of (G - V)/v2 as v2 -> 0 with v2 = -n nu^2: G is even in nu, so that it is -G''(0)/(2 n)."""
    even = total.subs(v2, -n * nu**2)
    if simplify(even.diff(nu).subs(nu, 0)) != 0:
        raise Unsolved("G is not even in nu")
    return factor(simplify(-even.diff(nu, 2).subs(nu, 0) / (2 * n)).expand(func=True))


def prove_sizes() -> tuple[Step, ...]:
    """Unequal sizes: each generation multiplies G by 1 + v2/n_i; sizes i n have a closed product."""
    _, factor_m, _ = _growth(Replace)
    closed = product_over_generations(factor_m.subs(n, n * (j + 1)))
    return (
        Step("One generation of size n_i multiplies G = V + v2 T", factor_m, "G(i)/G(i-1) = "),
        Step("Sum of the logarithms over v2", LogarithmicQuotient(v2 / n) / n, "L = sum over i of "),
        Step("T = (G - V)/v2", _BY_SIZES, "T(m) = "),
        Step("It tends to total collapse (v2 < 0) or grows without bound (v2 >= 0) exactly when sum 1/n_i diverges"),
        Step("Sizes i n (all data of all generations, redrawn) by SymPy", closed, "G(m)/G(1) = "),
    )


def prove_recursion(workflow: type) -> Callable[[], tuple[Step, ...]]:
    """The two-state recursion as it stands."""

    def prove() -> tuple[Step, ...]:
        one, points = law(workflow), M if workflow is AccumulateSubsample else n
        return (
            Step("Error of the mean of what is drawn from", one.step[0], "P(m+1) = "),
            Step("Spread of its points", one.step[1], "Q(m+1) = "),
            Step("First model", one.start, "(P, Q)(1) = "),
            Step(f"The model is fitted on {points} points of it", one.error, "T = "),
            Step(
                "At v2 = -1 the spread stays V and a product solves it; otherwise the exact recursion is the answer. "
                f"It settles like m^-(1 - (1 + v2)/{points}), and has no finite limit unless 1 + v2 < {points}"
            ),
        )

    return prove


def prove_window() -> tuple[Step, ...]:
    """A window of K models: their covariances go round, and new noise moves what all of them agree on in the end."""
    noise = (V + (1 + v2) * Q - P) / n  # Q: mean of the errors of the K models, P: error of their mean

    def weight(age: Any) -> Expr:
        return 2 * (K - age) / (K * (K + 1))

    agreed = simplify(noise.subs({P: T, Q: T}) - spread(T) / n)
    # a model of age j hands its weight on: what the mean of the window gives it, and what it has one generation older
    kept = simplify(weight(0) / K + weight(j + 1) - weight(j))
    total = simplify(summation(weight(j), (j, 0, K - 1)) - 1)
    if agreed != 0 or kept != 0 or total != 0:
        raise Unsolved(f"window: {agreed}, {kept}, {total}")
    share = factor(weight(0))
    step = growth(1 + v2 * share**2 / n, V * share**2 / n, v2)
    return (
        Step("n samples of the mixture of K models: the mean of the models, and noise around it", noise, "var = "),
        Step("K (K+1)/2 covariances go round: those of the new model are its mean's, the oldest drops out"),
        Step(
            "The mean of the window weighed by age does not change but by new noise; weight of age j", weight(j), "l = "
        ),
        Step("so that new noise moves it by the weight of the newest model", share, "a = "),
        Step("Where all K models agree the noise is that of one", spread(T) / n, "var = "),
        Step("For many samples a generation multiplies G = V + v2 T", factor(step), "G'/G -> "),
        Step("The noise ends where V + v2 T = 0: the end is that of Replace", -V / v2, "T(oo) = "),
    )


_BY_SIZES = V * L * ExponentialQuotient(v2 * L)


def derive_sizes() -> Derived:
    """G = V e^{v2 L} with the drift sum L over the sizes."""
    return Derived(_BY_SIZES, V * exp(v2 * L))


def prove_drift() -> tuple[Step, ...]:
    """One weighted step: theta' = theta + a (mean of k samples - theta)."""
    moved = T + a**2 * spread(T) / k
    slope, constant = linear_in(moved, T)
    factor_g = growth(slope, constant, v2)
    return (
        Step("The noise a (mean - theta) has mean 0 and variance a^2 E v(theta)/k", moved, "T' = "),
        Step("With E v(theta) = V + v2 T = G", factor_g, "G'/G = "),
        Step("So G(m) = V prod (1 + v2 a_i^2/k_i) and T = (G - V)/v2", _BY_SIZES, "T(m) = "),
    )


def prove_algebra() -> tuple[Step, ...]:
    """The noise of an event, and the two laws it must reduce to."""
    noise = c * (V + (1 + v2) * Q - P)  # Q: sum u_k C_kk, P: h'Ch
    one_source = noise.subs({c: 1 / n, Q: T, P: T}, simultaneous=True)
    if simplify(one_source - spread(T) / n) != 0:
        raise Unsolved("the noise of a batch of one model")
    one = law(AccumulateSubsample)
    chosen = one.error.subs({P: 0, Q: 1})
    if simplify(one.error - P - (Q - P) * chosen) != 0:
        raise Unsolved("the noise of a subsample")
    return (
        Step("Batch means and models in order: x_e = h_e x + noise, so that Cov(x_e, x) = h_e C"),
        Step("Noise around the mean P = h'Ch of points whose models have the mean error Q = u.diag C", noise, "var = "),
        Step("A batch of n from one model: c = 1/n, P = Q = T", one_source, "var = "),
        Step("A subsample of M of the pool: the same spread of one point, times", chosen, "c = "),
        Step("A full fit: c = 0. One pass over the events gives the whole covariance, linear in V"),
    )
