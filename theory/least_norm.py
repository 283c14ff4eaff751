r"""Linear regression with fewer samples than covariates: the solution of least norm, which forgets a share every generation.

Of a batch X of n < d rows the least squares of least norm are :math:`\Pi w + X^+ e` for labels of the model w, with the
projector :math:`\Pi` on n directions that chance decides, :math:`E\,\Pi = (n/d) I`. So each generation keeps the share n/d of
the signal, and adds :math:`\sigma^2 E\,\mathrm{tr} (XX')^{-1} = \sigma^2 n/(d-n-1)`. With n > d rows it keeps all and adds
:math:`\sigma^2 d/(n-d-1)`: one formula for both, infinite for d - 1, d and d + 1 rows between them, whatever the noise.

On one design, relabelled every generation, the same directions are kept: what the first fit does not see is lost once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from sympy import Abs, Expr, cancel, factor, oo, simplify

from . import arguments as arg
from .assumption import SAMPLES
from .family import Family, LinearRegression
from .lower import evaluate
from .regression import NORMAL, ONE_DESIGN, REGRESSIONS, one_fit, prove_one_fit
from .solve import Step, Unsolved, affine, solve_affine
from .symbols import N, T, V, b, c, d, m, n, signal
from .theorem import Assumption, Derived, Evidence, Theorem, concrete
from .workflow import Replace, Workflow, whole_sets


def kept(rows: Expr) -> Expr:
    """The share of the signal that a fit to so many rows keeps: min(n, d)/d."""
    return 1 - (d - rows + Abs(d - rows)) / (2 * d)


def noise(rows: Expr) -> Expr:
    """The error that the noise of so many rows adds, V = sigma^2 d: sigma^2 E tr of the inverse of the smaller Gram matrix."""
    return V * kept(rows) / (Abs(d - rows) - 1)


def thin(family: Family, workflow: Any) -> bool:
    """Whether some set has fewer rows than covariates, as far as sizes are known."""
    return isinstance(family, LinearRegression) and any(
        not arg.is_traced(size) and bool(np.any(np.asarray(size) < family.dimension)) for size in whole_sets(workflow)
    )


@cache
def law() -> tuple[Expr, Expr, Expr]:
    """Slope, constant and first value of the error under Replace."""
    return kept(n), factor(1 - kept(n)) * signal + noise(n), (factor(1 - kept(n)) * signal + noise(n)).subs(n, N)


def over_sizes(f: Any, workflow: Replace) -> Any:
    """The error over V of generations 1, 2, ... for a tuple of sizes, one after another."""
    slope, constant, _ = law()
    error, seen = 0.0, []
    for size in workflow.sizes(len(workflow.synthetic) + 1):
        values = {n: size, d: f.dimension, V: 1.0, signal: signal_over_v(f)}
        error = evaluate(slope, values) * error + evaluate(constant, values)
        seen.append(error)
    return arg.namespace(*seen).stack(seen)


def signal_over_v(f: Any) -> Any:
    """The squared length of the coefficients in units of V."""
    return f.signal / f.v


def _derive() -> Derived:
    error = solve_affine(*law())
    return Derived(error, V, error.subs(m, oo))


def _few(expression: Expr) -> Expr:
    """For n < d rows."""
    return factor(expression.subs(Abs(d - n), d - n))


def _many(expression: Expr) -> Expr:
    """For n > d rows."""
    return factor(expression.subs(Abs(d - n), n - d))


def _prove() -> tuple[Step, ...]:
    slope, constant, _ = law()
    share, added = _few(slope), _few(noise(n))
    # E|w'|^2 and E w'.theta each shrink by the share, the first takes in the noise; T = E|w|^2 - 2 E w.theta + Theta
    square, inner = share * (T + 2 * c - signal) + added, share * c
    step = factor(square - 2 * inner + signal - (share * T + _few(constant)))
    swapped = cancel(added / V * d - (one_fit(n) / V * d).subs({n: d, d: n}, simultaneous=True))
    settled = _few(constant) / (1 - share)
    settled = signal + factor(settled - signal)
    generic = simplify(solve_affine(b, c, c).doit() - c / (1 - b) * (1 - b**m))
    wrong = (step, swapped, _many(slope) - 1, cancel(_many(noise(n)) - one_fit(n)), generic)
    if any(simplify(each) != 0 for each in wrong):
        raise Unsolved(f"least norm: {wrong}")
    return (
        *prove_one_fit(),
        Step("The rows of X are a random subspace: E Pi = (n/d) I; w' = Pi w + X^+ e keeps of |w|^2 and w.theta", share),
        Step("X X' is the Gram matrix of d rows of n covariates: n and d change places in E tr (X'X)^-1", added, "noise: "),
        Step("With c = E w.theta, T' = E|w'|^2 - 2 E w'.theta + Theta less (n/d) T + (1-n/d) Theta + noise", step, "residual: "),
        Step("For n > d rows the same law keeps all and adds one fit", _many(noise(n)), "V/(n-d-1) = "),
        Step("Solved as an affine recursion", affine(), "x(m) = "),
        Step("With N = n, over 1 - (n/d)^m", settled, "T(m)/(1-(n/d)^m) = "),
        Step("without noise the signal is lost exponentially: T(m) = Theta (1 - (n/d)^m)", settled.subs(V, 0), "V = 0: "),
        Step("On one design Pi is the same every time: (1 - N/d) Theta once, noise as that of means", noise(N), "V/N -> "),
    )  # fmt: skip


def _finite(family: Any, workflow: Workflow) -> bool:
    return all(map(concrete(lambda size: np.all(abs(np.asarray(size) - family.dimension) > 1)), whole_sets(workflow)))


def _drawn(family: Any, workflow: Workflow) -> bool:
    return isinstance(workflow, Replace) if family.redrawn else ONE_DESIGN.holds(family, workflow)


NOT_AT_THE_PEAK = Assumption(
    "every fit has at most dimension - 2 or at least dimension + 2 samples",
    _finite,
    "use fewer or more: with as many samples as covariates, or one off, the expected error is infinite",
)
FEW = Assumption(
    "with fewer samples than covariates the workflow is Replace, or all sets share one design (redrawn=False)",
    _drawn,
    "others are not known there: use at least dimension + 2 samples",
)
THIN = Assumption(
    "the family is a LinearRegression with fewer samples than covariates",
    lambda family, workflow: isinstance(family, LinearRegression) and thin(family, workflow),
    "with more samples theorems of their own hold",
)
LEAST_NORM = Theorem(
    "regression-least-norm",
    "With n < d samples least squares of least norm keep the share n/d of the signal every generation: replacing the data, the "
    "error is (1-(n/d)^m)(||theta||^2 + sigma^2 n d/((d-n)(d-n-1))), and all is forgotten; on one design only once.",
    "error",
    "LinearRegression, fewer samples than covariates",
    "Replace; on one design every workflow of equal whole sets",
    Evidence.IDENTITY,
    (SAMPLES, REGRESSIONS, NORMAL, FEW, NOT_AT_THE_PEAK),
    ("Dohmatob2024Regression (exponential loss without noise)", "derived"),
    _derive,
    _prove,
    scope=(REGRESSIONS, THIN),
)
