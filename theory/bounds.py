"""The L1 drift beside a fixed real set: what a paper bounds exponentially, and the bound that the exact error gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sympy import E, Expr, Piecewise, Rational, exp, factor, pi, sqrt

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import MATCHED, SAMPLES
from .errors import FIXED_REAL
from .family import Categorical, Family
from .l1 import l1_drift
from .lower import evaluate
from .printed import Printed, Setting
from .solve import Step
from .symbols import N, V, m, n, s, v2
from .theorem import Assumption, Derived, Evidence, Theorem
from .workflow import FixedReal


def l1_drift_upper_bound(f: Family, w: FixedReal, generation: Any) -> Any:
    r"""An upper bound of :math:`E\|p_m - p_1\|_1` under `FixedReal`: :math:`\sqrt{D_m/V}\, \sum_i \sqrt{p_i (1 - p_i)}`.

    :math:`D_m` is the exact squared drift from the first model; each token has its share :math:`p_i (1-p_i)/V` of it, and
    Jensen gives the rest. Bounded for every amount of synthetic data. Raises InputError for other families or workflows.
    Source: derived; replaces Seddik2024, Theorems 3 and 4.

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.5, 0.5])
    >>> round(theory.l1_drift_upper_bound(f, theory.FixedReal(100, 100), 50), 4)
    0.0574
    """
    DRIFT_BOUND.require(
        "l1_drift_upper_bound", families.check("l1_drift_upper_bound", f), workflows.check("l1_drift_upper_bound", w)
    )
    whole = arg.generation("l1_drift_upper_bound", generation)
    xp = arg.namespace(f.p, whole)
    share = f.p
    rooted = evaluate(DRIFT_BOUND.derived.expression, {N: w.real, n: w.synthetic, v2: -1, m: np.maximum(whole, 1)})
    return arg.scalar(rooted * xp.sqrt(share * (1 - share)).sum())


def _derive() -> Derived:
    return Derived(sqrt(factor(FIXED_REAL.derived.expression / V - 1 / N)))


def _prove() -> tuple[Step, ...]:
    return (
        Step("Drift from the first model over V", _derive().expression ** 2, "D(m)/V = "),
        Step("Token i against the rest is the same chain with v = p_i (1-p_i): E (p_mi - q_i)^2 = p_i (1-p_i) D(m)/V"),
        Step("By Jensen, summed over tokens", _derive().expression, "E |p_m - p_1|_1 <= sum sqrt(p_i (1-p_i)) times "),
    )


def _printed() -> Expr:
    """(A), Theorem 3: the bound with its prefactor, in n, N and the number of tokens s."""
    c0, c1 = exp(3) / (2 * pi), 6 * E / pi ** Rational(3, 2)
    prefactor = Piecewise(
        (c1 * s * exp(c0 * n / (2 * E)), c0 * n / E + 2 <= s),
        (c1 * s * (c0 * n / s) ** (s / 2), c0 * n / 4 + 2 <= s),
        (2**s - 2, True),
    )
    return sqrt(pi * n / 2) / N * prefactor


def ratio_to_printed(real: int, synthetic: int, tokens: int) -> float:
    """log10 of how far the printed bound lies above the elementary one, sqrt(n (s-1))/N.

    >>> round(ratio_to_printed(100, 50, 600))
    15
    """
    printed = float(_printed().subs({n: synthetic, N: real, s: tokens}).evalf())
    return math.log10(printed / (math.sqrt(synthetic * (tokens - 1)) / real))


CATEGORICAL = Assumption(
    "the family is Categorical and the workflow FixedReal",
    lambda family, workflow: isinstance(family, Categorical) and isinstance(workflow, FixedReal),
    "the L1 drift is bounded here for tokens beside a fixed real set only",
)
DRIFT_BOUND = Theorem(
    "l1-distance/drift-upper-bound",
    "The L1 drift from the first model beside a fixed real set is at most sqrt(D/V) sum "
    "sqrt(p_i(1-p_i)) <= sqrt(n (s-1))/N: n may be quadratic in N, not logarithmic.",
    "l1_drift_upper_bound",
    "Categorical",
    "FixedReal",
    Evidence.BOUND,
    (SAMPLES, MATCHED, CATEGORICAL),
    ("Seddik2024, Theorems 3, 4 and eq. 11", "derived"),
    _derive,
    _prove,
    (
        Printed(
            _printed,
            "Seddik2024, Theorem 3",
            "a tail bound integrated with a prefactor exponential in n: its "
            "conclusion that n may only be logarithmic in N is a property of the bound, not of the workflow",
            ">=",
            l1_drift,
            tuple(Setting(Categorical(np.full(52, 1 / 52)), FixedReal(100, size), 20) for size in (10, 50, 100)),
        ),
    ),
)
