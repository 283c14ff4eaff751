r"""Retraining near the best fit: any regular model forgets where it started, at a rate that the data's misfit certifies.

A model is the best fit to real data and its own samples, of which a share :math:`\alpha`. Near the best fit to real data
alone one generation keeps of an error what one matrix says, made of two: the curvature H of the data's log likelihood there, and
the model's Fisher information I. They are one where the model is right, and differ by at most :math:`L\varepsilon` where the
law of the data is off by the Wasserstein distance :math:`\varepsilon` and the Hessian of the log likelihood has the Lipschitz
constant L.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Dummy, Expr, Function, cancel, diff, factor, log, simplify, solve

from . import arguments as arg
from .assumption import MATCHED, always
from .lower import evaluate
from .solve import Step, Unsolved
from .symbols import alpha, eh, gc, mh
from .theorem import Assumption, Derived, Evidence, Theorem
from .traced import inside

SHARE = "the share of synthetic data in the fit"


def contraction_upper_bound(share: Any, excess: Any = 0.0, corrector: Any = 0.0) -> Any:
    r"""By which factor one generation of many samples brings any regular model nearer to its best fit, at most: below 1 always.

    .. math:: \|\theta_{t+1} - \theta^*\| \le \rho\, \|\theta_t - \theta^*\| \quad \text{near } \theta^*, \qquad
              \rho = \frac{\alpha (1 + \varepsilon_H)}{(1 + \alpha \varepsilon_H)(1 + \gamma)}

    in the norm of H + lambda I, lambda = alpha/(1-alpha). ``share``: alpha, of synthetic data in the fit. ``excess``:
    :math:`\varepsilon_H = L \varepsilon / a`, how far the law of the data is from the best model's (W1) times the Lipschitz
    constant of the Hessian of the log likelihood in the sample, over its least curvature a; 0 where the model is right, and
    then the rate is exactly alpha. ``corrector``: gamma, where samples are drawn from the newest model and the best, 1 to gamma.

    Raises InputError for a share outside [0, 1) and for an excess or a corrector below 0. Source: derived; Bertrand2024 and
    Gillman2024 (the setting).

    >>> from modelcollapse import theory
    >>> [round(theory.contraction_upper_bound(0.4, excess), 3) for excess in (0, 0.5, 1)]
    [0.4, 0.5, 0.571]
    >>> theory.contraction_upper_bound(0.4, corrector=1.0)
    0.2
    """
    owner = "contraction_upper_bound"
    arg.probability(owner, "share", share, SHARE)
    if not arg.is_traced(share) and np.any(np.asarray(share) >= 1):
        raise arg.refuse(
            owner, "share", share, f"{SHARE}, below 1: with no real data there is no best fit to come back to"
        )
    for name, value, meaning in (("excess", excess, "L W1/a"), ("corrector", corrector, "the weight of a corrector")):
        arg.nonnegative(owner, name, value, meaning)
    found = evaluate(_certified(), {alpha: share, eh: excess, gc: corrector})
    found = inside(found, (share, 0, np.nextafter(1, 0)), (excess, 0, np.inf), (corrector, 0, np.inf))
    return arg.scalar(found)


def _kept() -> Expr:
    """What one generation keeps of an error in a direction in which the information is mu_H times the curvature."""
    weight, change = alpha / (1 - alpha), Dummy()
    # the curvature of both parts pulls back to the best fit; the model's own samples moved by the information, over 1 + gamma
    (moved,) = solve((1 + weight * mh) * change - weight * mh / (1 + gc), change)
    return factor(cancel(moved))


def _certified() -> Expr:
    return factor(_kept().subs(mh, 1 + eh))


def _derive() -> Derived:
    return Derived(_certified())


def _information() -> Expr:
    """What is left of the two derivatives of E_theta log p(theta') at theta' = theta, added up: three values, any law of them."""
    first, second, drawn, fitted = Function("p_1"), Function("p_2"), Dummy(), Dummy()
    mass = (first, second, lambda where: 1 - first(where) - second(where))
    expected = sum(law(drawn) * log(law(fitted)) for law in mass)
    both = diff(expected, fitted, 2) + diff(expected, fitted, drawn)
    return simplify(both.subs(fitted, drawn).doit())


def _prove() -> tuple[Step, ...]:
    kept, rate = _kept(), _certified()
    weight = alpha / (1 - alpha)
    rises = factor(diff(kept, mh))
    below = factor(cancel(1 - rate.subs(gc, 0)))
    neumann = factor(cancel(weight * (1 + eh) / (1 - weight * (1 + eh))))
    wider = simplify(neumann / rate.subs(gc, 0) - (1 + weight * (1 + eh)) / (1 - weight * (1 + eh)))
    edge = simplify((1 - neumann).subs(alpha, (1 / (1 + eh)) / (2 + 1 / (1 + eh))))
    wanted = simplify(rises - alpha * (1 - alpha) / ((1 + gc) * (1 - alpha + alpha * mh) ** 2))
    apart = _information()
    if (
        wanted != 0
        or simplify(below - (1 - alpha) / (1 + alpha * eh)) != 0
        or simplify(kept.subs({mh: 1, gc: 0}) - alpha) != 0
    ):
        raise Unsolved(f"a certified rate: {rises}, {below}")
    if apart != 0 or wider != 0 or edge != 0:
        raise Unsolved(f"the information of a model: {apart}, {wider}, {edge}")
    return (
        Step("E_theta log p(theta') has at theta' = theta the Hessian -I by theta', the mixed one I: their sum", apart, "0 = "),
        Step("By implicit functions a generation turns an error x into lambda (H + lambda I)^-1 I x/(1 + gamma); "
             "where I = mu_H H, into", kept, "x'/x = "),
        Step("It is a symmetric matrix for the norm of H + lambda I, so that its largest factor is its norm; it rises with mu_H",
             rises, "d/d mu_H = "),
        Step("|I - H| <= L W1 and H >= a give mu_H <= 1 + epsilon_H, epsilon_H = L W1/a", rate, "rho <= "),
        Step("which is always below 1 (no corrector): any share of synthetic data is stable", below, "1 - rho >= "),
        Step("and alpha where the model is right", kept.subs({mh: 1, gc: 0}), "rho = "),
        Step("A Neumann series of (H + lambda I)^-1 gives a larger bound", neumann, "rho <= "),
        Step("which is below 1 for lambda (1 + epsilon_H) < 1/2 only: that condition is the series', not the model's"),
    )  # fmt: skip


REGULAR = Assumption(
    "the log likelihood is twice differentiable in the parameters, with a curvature of at least a > 0 at the best fit",
    always,
    "",
)
ENDLESS = Assumption("every generation has many samples: what is fitted is the expected log likelihood", always, "")
NEAR = Assumption("the model is near its best fit to real data", always, "")
CERTIFIED = Theorem(
    "certified-rate",
    "Retrained on real data and a share alpha of its own samples, a regular model comes back to its best fit by the factor alpha "
    "a generation where it is right, and by at most alpha (1 + eps)/(1 + alpha eps) < 1, eps = L W1/a, where it is not: every "
    "share is stable. A corrector divides it by 1 + gamma.",
    "contraction_upper_bound",
    "every regular family",
    "the same real data every time, beside new synthetic data",
    Evidence.BOUND,
    (REGULAR, MATCHED, ENDLESS, NEAR),
    (
        "derived",
        "Bertrand2024 (setting; a condition of the form lambda (1 + L eps/a) < 1/2)",
        "Gillman2024 (corrector)",
    ),
    _derive,
    _prove,
    needs="a model near its best fit, and how far the law of the data is from it",
)
