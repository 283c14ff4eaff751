r"""How often a model trained on synthetic data is nearer to the truth, by luck, than the one trained on the real data alone.

What synthetic data add to the error of the first model is independent of it. On a line, with normal errors, the ratio of what is
added to what was there is a Cauchy number, and the later model is better where that ratio lies between -2 and 0.
"""

from __future__ import annotations

from typing import Any

from sympy import Interval, Rational, atan, exp, integrate, oo, pi, simplify, sqrt

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .answers import error
from .assumption import SAMPLES, under
from .family import Family
from .lower import evaluate
from .regression import ENOUGH, NORMAL, ONE_DESIGN, REGRESSIONS, RELABELLED
from .solve import Step, Unsolved
from .symbols import T1, T, ratio, wide, z
from .theorem import Assumption, Derived, Evidence, Theorem
from .workflow import Accumulate, FixedReal, Replace, Workflow


def beats_real(f: Family, w: Workflow, generation: Any) -> Any:
    r"""The chance that model m errs less than the first model: :math:`\frac1\pi \arctan\frac{2}{\sqrt{T_m/T_1 - 1}}`.

    One coefficient, relabelled on one design: ``LinearRegression(1, redrawn=False)``, under `Replace`, `Accumulate` or
    `FixedReal`; with normal errors in large samples so for every mean on a line. Under `Replace`
    :math:`\frac1\pi \arctan\frac{2}{\sqrt{m-1}}`. One half at generation 1, which is that model; 1 at the truth.

    Raises InputError for other families and workflows. Source: derived; Xu2025 (setting).

    >>> from modelcollapse import theory
    >>> f = theory.LinearRegression(1, redrawn=False)
    >>> theory.beats_real(f, theory.Replace(20), [2, 5, 20]).round(4).tolist()  # at 5: arctan(1)/pi
    [0.3524, 0.25, 0.1369]
    """
    families.check("beats_real", f)
    BEATEN.stated_for("beats_real", f, workflows.check("beats_real", w))
    whole = arg.generation("beats_real", generation)
    xp = arg.namespace(whole)
    first = error(f, w, 1)
    later = xp.maximum(error(f, w, xp.maximum(whole, 1)), first)  # what rounding takes off at generation 1
    chance = evaluate(BEATEN.derived.expression, {T: later, T1: first})
    return arg.scalar(xp.where(xp.asarray(whole) == 0, 1.0, chance))


def _derive() -> Derived:
    return Derived(Rational(1, 2) - atan(sqrt((T - T1) / T1) / 2) / pi)


def _prove() -> tuple[Step, ...]:
    both = exp(-(z**2) / 2) * exp(-((ratio * z / wide) ** 2) / 2) / (2 * pi * wide)
    density = simplify(2 * integrate(z * both, (z, 0, oo)))
    between = simplify(integrate(density, (ratio, -2, 0)))
    claimed = _derive().expression.subs(T, T1 * (1 + wide**2))
    left = (
        simplify(between - atan(2 / wide) / pi),
        simplify((claimed - between).diff(wide)),
        (claimed - between).subs(wide, 2),
    )
    if any(simplify(each) != 0 for each in left):
        raise Unsolved(f"beats real: {left}")
    return (
        Step("Model m errs x + y, the first model x: independent normal numbers, y s_y times as large"),
        Step("Density of r = y/x, over all x", density, "p(r) = "),
        Step("|x + y| < |x| where r lies in", Interval.open(-2, 0), "r in "),
        Step("Integrated", between, "P = "),
        Step("With s_y^2 = T(m)/T(1) - 1, since what is added is independent", _derive().expression, "P = "),
    )


LINE = Assumption(
    "there is one coefficient (dimension 1)",
    lambda family, _: family.dimension == 1,
    "in more dimensions the chance depends on the design",
)
BEATEN = Theorem(
    "beats-real",
    "A model of generation m is nearer to the truth than the first one with the chance arctan(2/sqrt(T(m)/T(1) - 1))/pi: under "
    "replace arctan(2/sqrt(m-1))/pi, a quarter in generation 5.",
    "beats_real",
    "LinearRegression(1, redrawn=False)",
    "Replace, Accumulate, FixedReal",
    Evidence.IDENTITY,
    (SAMPLES, REGRESSIONS, NORMAL, ONE_DESIGN, ENOUGH, LINE),
    ("Xu2025 (setting)", "derived"),
    _derive,
    _prove,
    scope=(REGRESSIONS, RELABELLED, under(Replace, Accumulate, FixedReal)),
)
