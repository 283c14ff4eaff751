r"""The way back: what new real data every generation make of a model that has collapsed, or of any other.

Beside N fresh real samples the mean of a model is off by :math:`\alpha` times as much every generation, :math:`\alpha = n/(N+n)`
or :math:`1 - w`: nothing that has collapsed stays so, and what is left of it is known exactly.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, factor, simplify

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import ANY, COMMON, under
from .derivation import POOLED
from .family import Family
from .law import law, spread
from .lower import evaluate
from .solve import Step, Unsolved
from .stable import CompoundPower, GeometricSum, HomogeneousSum, excess_of
from .symbols import T0, N, T, V, m, n, v0, v2, w
from .symbols import alpha as passed
from .theorem import Assumption, Derived, Evidence, Theorem, concrete
from .workflow import FreshReal


def recovery_error(f: Family, w: FreshReal, generation: Any, error: Any = None, diversity: Any = 0.0) -> Any:
    r"""The error so many generations after a model of this ``error`` and ``diversity``: :math:`E\|\theta_k - \theta\|^2`.

    ``generation``: 0 is that model, 1 the first that is trained beside new real data. ``error`` and ``diversity`` in the units of
    the functions of these names; without an ``error`` the model is one that chance has led to total collapse, of error -v/v2. A
    `Categorical` that knows token i alone errs :math:`2(1 - p_i) - G_0`.

    Raises InputError for another workflow, and where v2 is so large that errors grow. Source: derived.

    >>> from modelcollapse import theory
    >>> f, w = theory.Categorical([0.5, 0.5]), theory.FreshReal(10, 10)
    >>> theory.recovery_error(f, w, [0, 1]).round(6).tolist()  # then 0.05/4 of new real data and 0.5/4 of the model
    [0.5, 0.1375]
    """
    whole = arg.generation("recovery_error", generation)
    return arg.scalar(
        evaluate(RECOVERY.derived.expression, _values("recovery_error", f, w, error, diversity) | {m: whole})
    )


def recovery_time(
    f: Family, w: FreshReal, tolerance: float = 0.1, error: float | None = None, diversity: float = 0.0
) -> float:
    r"""Generations until a model's error is, for good, within ``tolerance`` of where new real data keep it in the end.

    About :math:`\ln(\text{excess}/\varepsilon) / (-2 \ln\alpha)`, so of order N + n over N. ``error``, ``diversity``: of the
    model that it starts from, as for `recovery_error`; 0 where that one is good enough.

    Raises InputError as `recovery_error`, and for a ``tolerance`` that is not above 0. Source: derived.

    >>> from modelcollapse import theory
    >>> theory.recovery_time(theory.Categorical([0.5, 0.5]), theory.FreshReal(10, 10), 0.1)
    4
    """
    arg.static("recovery_time", f=f, w=w, tolerance=tolerance, error=error, diversity=diversity)
    arg.positive("recovery_time", "tolerance", tolerance, "the share by which the error may exceed its limit")
    for name, value in (("tolerance", tolerance), ("error", error), ("diversity", diversity)):
        if value is not None:
            arg.one("recovery_time", name, value, name)
    values = _values("recovery_time", f, w, error, diversity)
    arg.one_size("recovery_time", w)
    settled = float(evaluate(RECOVERY.derived.limit, {letter: values[letter] for letter in values if letter != m}))
    left, both = _parts()
    slow, fast = (float(evaluate(each, values)) for each in (left, both))

    def above(count: int) -> bool:
        return float(evaluate(_excess(), values | {m: count})) > settled * tolerance

    start = _turn(values, slow, fast)
    if not above(start):
        start, end = 0, start
        if not above(0):
            return 0
    else:
        end = max(1, 2 * start)
        while above(end):
            end *= 2
    while end - start > 1:
        middle = (start + end) // 2
        start, end = (middle, end) if above(middle) else (start, middle)
    return end


def _turn(values: dict[Any, Any], slow: float, fast: float) -> int:
    """The generation after which A beta^k + B alpha^k turns no more: 0 where both have one sign."""
    alpha, beta = (float(evaluate(each, values)) for each in _rates())
    if slow * fast >= 0 or not 0 < beta < alpha:
        return 0
    place = math.log(-slow * math.log(alpha) / (fast * math.log(beta))) / math.log(beta / alpha)
    return max(0, math.ceil(place))


def _values(owner: str, f: Family, workflow: FreshReal, error: Any, diversity: Any) -> dict[Any, Any]:
    diverse = families.true_diversity(families.check(owner, f))
    RECOVERY.stated_for(owner, f, workflows.check(owner, workflow))
    if error is None:
        if not f.v2 < 0:
            raise arg.refuse(owner, "error", None, "give the error of the model: this family has no total collapse")
        error = -f.v / float(f.v2)
    for name, value in (("error", error), ("diversity", diversity)):
        arg.nonnegative(owner, name, value, f"{name} of a model")
    unit = f.v / arg.namespace(diverse).where(diverse > 0, diverse, 1.0)  # a law without variance has none to lose
    weight = workflow.weight
    if weight is None:
        weight = workflow.real / (workflow.real + 1.0 * workflow.synthetic)
    return {
        N: workflow.real,
        n: workflow.synthetic,
        w: weight,
        V: f.v,
        v2: float(f.v2),
        T0: error,
        v0: diversity * unit,
    }


def _rates() -> tuple[Expr, Expr]:
    """What a generation leaves of the mean's bias, and of the excess of the error."""
    step = law(FreshReal).step[0]
    return 1 - w, factor(step.diff(T))


def _tilt() -> Expr:
    """What the bias of the mean adds to E v: v(theta_0) less what it would be without."""
    return v0 - spread(T0)


def _derive() -> Derived:
    step = law(FreshReal).step[0]
    alpha, beta = _rates()
    inflow = step.subs(T, 0)
    geometric = GeometricSum(beta, m)
    tilted = geometric - w * HomogeneousSum(alpha, beta, m)  # sum of beta^(k-1-i) alpha^i
    found = T0 * CompoundPower(beta, m) + inflow * geometric + (1 - w) ** 2 / n * _tilt() * tilted
    return Derived(found, limit=inflow / -excess_of(beta))


def _parts() -> tuple[Expr, Expr]:
    """B and A of T(k) = T(oo) + A beta^k + B alpha^k."""
    alpha, beta = _rates()
    slow = (1 - w) ** 2 / n * _tilt() / (alpha - beta)
    return slow, T0 - _derive().limit - slow


@cache
def _excess() -> Expr:
    """T(k) - T(oo), in which nothing cancels: also what is left of a tolerance below rounding."""
    alpha, beta = _rates()
    turned = CompoundPower(alpha, m - 1) * GeometricSum(beta / alpha, m)  # sum of beta^(k-1-i) alpha^i
    return (T0 - _derive().limit) * CompoundPower(beta, m) + (1 - w) ** 2 / n * _tilt() * turned


def _prove() -> tuple[Step, ...]:
    alpha, beta = _rates()
    step = law(FreshReal).step[0] + (1 - w) ** 2 / n * _tilt() * alpha**m
    plain = _derive().expression.doit()
    slow, fast = _parts()
    left = tuple(
        simplify(each.subs(w, 1 - passed))
        for each in (
            plain.subs(m, m + 1) - step.subs(T, plain),
            plain.subs(m, 0) - T0,
            plain - _derive().limit - slow * alpha**m - fast * beta**m,
            plain - _derive().limit - _excess().doit(),
            beta - alpha**2 * (1 + v2 / n),
        )
    )
    if any(left):
        raise Unsolved(f"recovery: {left}")
    return (
        Step("New real data with weight w, n samples of model k: the mean's bias is multiplied by", alpha, "alpha = "),
        Step(
            "v is quadratic: E v(theta_k) = V + v2 T(k) + alpha^k times what the bias adds at the start",
            _tilt(),
            "c = ",
        ),
        Step("One generation", step, "T(k+1) = "),
        Step("Solved", plain, "T(k) = "),
        Step("Put back into the law", left[0], "residual: "),
        Step("and the start", left[1], "T(0) - T_0 = "),
        Step("It is T(oo) + A beta^k + B alpha^k with", beta, "beta = "),
        Step("and", slow, "B = "),
        Step("The limit is that of any start", factor(_derive().limit.subs(w, POOLED)), "pooled: T(oo) = "),
    )


NOT_STEEP = Assumption(
    "a generation multiplies errors by less than the bias: (1 - w)(1 + v2/n) is below 1",
    lambda family, workflow: concrete(lambda each: np.all(each < 1))(_steepness(family, workflow)),
    "use more real samples, or a larger weight",
)


def _steepness(family: Any, workflow: Any) -> Any:
    weight = workflow.weight
    if weight is None:
        weight = workflow.real / (workflow.real + 1.0 * workflow.synthetic)
    return (1 - weight) * (1 + family.v2 / (1.0 * workflow.synthetic))


RECOVERY = Theorem(
    "recovery",
    "New real samples every generation bring any model back: the bias of its mean is multiplied by n/(N+n) (or 1 - w) a "
    "generation, and the excess of its error by the square of that times 1 + v2/n, up to what the bias adds to its noise.",
    "recovery_time",
    ANY,
    "FreshReal",
    Evidence.IDENTITY,
    (*COMMON, under(FreshReal), NOT_STEEP),
    ("derived",),
    _derive,
    _prove,
    scope=(under(FreshReal),),
)
