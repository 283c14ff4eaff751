r"""Characteristic functions: the one-step laws of a kernel density at one frequency.

A point x is there a wave :math:`e^{isx}`, data the mean :math:`\psi` of its waves: a mean like any other, whose points have the
spread :math:`1 - |E\psi|^2` about their expected mean. Smoothing leaves the share e of a wave, so that model m is
:math:`e_m \psi_m`, and what is drawn from it is waves again. With the truth :math:`\phi`, :math:`z_\phi = |\phi|^2`, two numbers
describe the data: the share B_\psi that its expected wave has lost of the truth's, and the variance S_\psi of its wave.
The model errs by

.. math:: E|e\psi - \phi|^2 = z_\phi (1 - e (1 - B_\psi))^2 + e^2 S_\psi .

The laws are one step of the workflow algebra (`algebra.about`), run on letters; where no law fits, the algebra runs on numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, Integer, Poly, factor, simplify

from . import algebra
from .derivation import POOLED
from .law import Law, law
from .smoothing import share, vanishing
from .solve import Step, Unsolved, linear_in
from .stable import CompoundPower, GeometricSum
from .symbols import Bp, Cp, D, M, N, Q, R, Sp, V, X, Z, a, c, e, ec, k, m, n, q, v2, w, zp
from .theorem import Derived
from .workflow import Accumulate, AccumulateSubsample, FixedReal, FreshReal, RandomPast, Replace

LOST = ec + e * Bp  # of the truth's wave, by a model whose data has lost B_psi
EVENT = tuple[tuple[Any, ...], Any, Any]  # shares of all events before it, noise, spread of what it is drawn from


def _followed(full: list[list[Any]], lost: list[Any], later: Sequence[EVENT]) -> tuple[Any, Any]:
    """Covariances of the waves of events, and what each has lost of the truth's: of those begun with, and of ``later`` ones."""
    table, losses = np.array(full, dtype=object), np.array(lost, dtype=object)
    for shares, noise, point in later:
        mean = np.array([Integer(0) + each for each in shares], dtype=object)
        row, own = algebra.about(table, mean, (point,), noise, None)
        short = (1 - sum(mean)).subs(w, 1 - a).expand().subs(e, 1 - ec).expand()
        losses = np.append(losses, mean @ losses + short)
        table = np.block([[table, row[:, None]], [row[None], np.array([[own]], dtype=object)]])
    return table, losses


def _steady(step: Expr, letter: Expr, one: Expr) -> Expr:
    """A step as what it adds and what it takes, ``one`` = 1 in letters: no rounding of a slope is multiplied m times."""
    slope, rest = linear_in(step.expand(), letter)
    parts = Poly(slope, k, c).terms() if slope.has(k, c) else [((0, 0), slope)]
    taken = Integer(0)
    for powers, part in parts:
        plain = -part if any(powers) else (one - part).subs(e, 1 - ec).expand()
        taken += k ** powers[0] * c ** powers[1] * factor(plain)
    return letter - letter * taken + rest.collect([R, Q, Cp, Z, ec], factor)


@cache
def characteristic(workflow: type, replacement: bool = False, weight: Expr = w) -> Law:
    """The law of (B_psi, S_psi), under a fixed real set also C_psi, in N, n, M, w, m, e, e_c, z_phi, Z; ``error``: of the model.

    Generation m + 1 draws from the model of generation m, with its e and e_c. In its data ``w`` is the share of
    what is kept, or drawn anew of the truth, ``a`` that of what the model draws.
    """
    draws: EVENT = ((e,), k, R)
    pool, total = N + (m - 1) * n, N + m * n
    moves, kept, chosen, noise, first = n / total, pool / total, Integer(0), 1 / n, Z / N
    fit: Any = Sp
    state: tuple[Any, ...] = (Bp, Sp)
    if workflow is Replace:
        moves, kept = Integer(1), Integer(0)
        table, lost = _followed([[Sp]], [Bp], [draws, ((0, 1), 0, 0)])
    elif workflow is Accumulate:
        table, lost = _followed([[Sp]], [Bp], [draws, ((w, a), 0, 0)])
    elif workflow is AccumulateSubsample:
        chosen = 1 / M if replacement else (pool - M) / (M * (pool - 1))
        table, lost = _followed([[Sp]], [Bp], [((1,), c, Q), ((0, e), k, R), ((w, 0, a), 0, 0)])
        fit = table[1, 1]
    elif workflow is RandomPast:  # of all models so far
        moves, kept, chosen, first = 1 / (m + 1), m / (m + 1), 1 / n, Integer(0)
        table, lost = _followed([[Sp]], [Bp], [((1,), c, Q), ((w, a * e), 0, 0)])
        fit = table[1, 1]
    elif workflow is FreshReal:
        moves, kept = share(FreshReal, weight), weight
        truth: EVENT = ((1, 0), 1 / N, Z)
        table, lost = _followed([[0, 0], [0, Sp]], [0, Bp], [truth, ((0, e, 0), k, R), ((0, 0, w, a), 0, 0)])
    elif workflow is FixedReal:
        moves, kept = share(FixedReal), POOLED
        table, lost = _followed([[first, Cp], [Cp, Sp]], [0, Bp], [((0, e), k, R), ((w, 0, a), 0, 0)])
        state = (Bp, Sp, Cp)
    else:
        raise ValueError(f"no one-step law for {workflow.__name__}: a Schedule is computed by the workflow algebra")
    shares = {a: moves, c: chosen, w: kept, k: noise}
    spreads = {
        R: Z + zp * LOST * (2 - LOST),
        Q: Z + zp * Bp * (2 - Bp),
    }  # of a point, about the wave expected of the model
    steps = [(lost[-1], Bp, w + a), (table[-1, -1], Sp, (w + a) ** 2), (table[0, -1], Cp, w + a)][: len(state)]
    written = [_steady(step, letter, one) for step, letter, one in steps]
    error = zp * LOST**2 + e**2 * (Sp + (fit - Sp).expand().collect(c, factor))
    step, error = ([each.subs(shares, simultaneous=True).subs(spreads, simultaneous=True) for each in part]
                   for part in (written, [error]))  # fmt: skip
    return Law(
        state,
        (Integer(0), first, first)[: len(state)],
        tuple(step),
        error[0],
        "waves of the data, of which a model keeps the share e",
    )


@cache
def remaining(workflow: type) -> Law:
    """The law of X = 1 - B_psi, what is left of the truth's wave in the data, with no difference in it; a model keeps e X."""
    one = characteristic(workflow)
    step = factor(1 - one.step[0].subs({ec: 1 - e, Bp: 1 - X}))
    return Law((X,), (Integer(1),), (step,), e * X, one.drawn)


def _variance(square: Expr, kept: Expr) -> Expr:
    """S_psi of generation m under Replace: the model leaves ``square`` = e^2 and n points ``kept`` = 1 - 1/n of variance."""
    slope = square * kept
    seen = GeometricSum(slope, m - 1) - CompoundPower(square, m - 1) * GeometricSum(kept, m - 1)
    return Z / N * CompoundPower(slope, m - 1) + (Z * GeometricSum(slope, m - 1) + zp * seen) / n


def derive_replace() -> Derived:
    """Replace with one bandwidth: the data has lost 1 - e^(m-1), and S_psi takes in what is lost of the second moment."""
    square = (1 - ec) ** 2  # its base less one is exact for small e_c, the factor e for small e
    return Derived(zp * (ec * GeometricSum(1 - ec, m)) ** 2 + e**2 * _variance(square, 1 - 1 / n))


def prove_replace() -> tuple[Step, ...]:
    """The closed form put back into the law, with a = e^2 and q = 1 - 1/n."""
    one = characteristic(Replace)
    kept, inflow = linear_in(one.step[1].expand(), Sp)
    slope = factor(kept.subs(ec, 1 - e))
    inflow = inflow.subs({ec: 1 - e, Bp: 1 - e ** (m - 1), Z: 1 - zp}).expand()
    claimed = (Z + zp * (1 - a**m)) / n
    spread = _variance(a, q).doit()
    left = vanishing((spread.subs(m, m + 1) - a * q * spread - claimed).subs(m, m + 1))
    first = vanishing(spread.subs(m, 1) - Z / N)
    at = {a: e**2, q: 1 - 1 / n, Z: 1 - zp}
    rest = [
        simplify(inflow - claimed.subs(at)),
        simplify(slope - (a * q).subs(at)),
        simplify((one.step[0].subs({ec: 1 - e, Bp: 1 - e ** (m - 1)}) - 1 + e**m).expand()),
    ]
    if any((left, first, *rest)):
        raise Unsolved(f"replace: {left}, {first}, {rest} left when substituted back")
    return (
        Step("Replace, one bandwidth: what the data has lost", 1 - e ** (m - 1), "B_psi(m) = "),
        Step("so that its variance is affine, with the slope", slope, "b = "),
        Step("and the inflow, a = e^2, q = 1 - 1/n", claimed, "c(m) = "),
        Step("Solved: the variance of the data", spread, "S_psi(m) = "),
        Step("Substituted back", left, "S_psi(m+1) - a q S_psi(m) - c(m) = "),
        Step("First value", first, "S_psi(1) - Z/N = "),
        Step("Error of the model at this frequency", derive_replace().expression, "E|e psi - phi|^2 = "),
    )


def prove_characteristic() -> tuple[Step, ...]:
    """The laws; without smoothing each is the plain one at v2 = -1 with V = 1 - z_phi."""
    steps = []
    for workflow, replacement in LAWS:
        one, plain = characteristic(workflow, replacement), law(workflow, replacement)
        still = [each.subs({e: 1, ec: 0, Bp: 0}) for each in (*one.step, one.error)]
        at = {v2: -1, V: Z, Q: Z}
        if (
            workflow is FixedReal
        ):  # the drift D from the first model is S_psi - C_psi, and C_psi stays the error of that model
            known, drift = {Sp: Z / N + D, Cp: Z / N}, plain.step[0].subs(at)
            left = [still[1].subs(known) - drift - Z / N, still[2].subs(known) - Z / N]
            left.append(still[3].subs(known) - plain.error.subs(at))
        else:
            at |= {plain.state[0]: Sp}
            left = [still[1] - plain.step[0].subs(at), still[2] - plain.error.subs(at)]
        if still[0] != 0 or any(simplify(each) != 0 for each in left):
            raise Unsolved(f"{workflow.__name__}: without smoothing {still[0]}, {left} are left")
        name = f"{workflow.__name__}{' with replacement' if replacement else ''}"
        steps += [
            Step(f"{name}: what the data has lost of the truth's wave", one.step[0], "B_psi(m+1) = "),
            Step("and its variance", one.step[1], "S_psi(m+1) = "),
            *[Step("with its covariance with the first set", each, "C_psi(m+1) = ") for each in one.step[2:]],
            Step("Error of the model at this frequency; without smoothing, e = 1, that of the plain law at v2 = -1",
                 one.error, "E|e psi - phi|^2 = "),
        ]  # fmt: skip
    return tuple(steps)


LAWS = (
    (Replace, False),
    (FixedReal, False),
    (FreshReal, False),
    (Accumulate, False),
    (AccumulateSubsample, False),
    (AccumulateSubsample, True),
    (RandomPast, False),
)
