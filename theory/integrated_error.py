r"""The integrated squared error of kernel densities, exactly: what their densities, and not only their means, are worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Expr

from . import algebra, recursion
from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import SAMPLES, always
from .characteristic import characteristic, derive_replace, prove_characteristic, prove_replace, remaining
from .family import GaussianMixture, KernelDensity
from .kernel_density import B_, KERNELS, SUBSAMPLED
from .law import Law
from .lower import evaluate
from .quadrature import frequencies, summed
from .solve import Step, Unsolved
from .symbols import M, N, Z, e, ec, m, n, w, zp
from .theorem import Assumption, Evidence, Theorem
from .traced import or_nan
from .workflow import (
    AccumulateSubsample,
    FreshReal,
    Replace,
    Schedule,
    SlidingWindow,
    Workflow,
)

FINEST = 1000  # times as many frequencies as for one place
Integrand = Callable[[Workflow, Any, dict[Any, Any], Any, Any], Any]


def integrated_error(f: KernelDensity, w: Workflow, generation: Any, truth: GaussianMixture | None = None) -> Any:
    r""":math:`E \int (f_m - f)^2 = (2\pi)^{-d} \int E|e_m(s) \psi_m(s) - \phi(s)|^2\,ds`, in units of 1/length^d; 0 at the truth.

    f_m is the density of model m, f that of the truth: normal with the ``variance`` of ``f`` in each coordinate or, in one
    dimension, a ``truth`` given as a `GaussianMixture`. At each frequency the error is exact, by a recursion over generations
    (Replace with one bandwidth: a formula); the integral is right to twelve digits. The bandwidths of models 1, 2, ... may
    differ: of a tuple the last one asked for is that of the report, those before it are what data was drawn with.

    Raises InputError for another family, and for a ``truth`` of more than one dimension. Source: derived.

    >>> from modelcollapse import theory
    >>> f = theory.KernelDensity(1.0)  # one point: the density of N(0, 1 + 1), and the truth's own
    >>> one_point = 1 / (4 * np.pi) ** 0.5 - 2 / (2 * np.pi * 3) ** 0.5 + 1 / (4 * np.pi) ** 0.5
    >>> round(float(theory.integrated_error(f, theory.Replace(1), 1) - one_point), 12)
    0.0
    """
    INTEGRATED.require(
        "integrated_error", families.check("integrated_error", f), workflows.check("integrated_error", w)
    )
    check_truth("integrated_error", f, truth)
    return or_nan(over_frequencies("integrated_error", f, w, generation, truth, error_at), f, w, generation=generation)


def check_truth(owner: str, f: KernelDensity, truth: Any) -> None:
    """Refuse what is no `GaussianMixture` in one dimension."""
    if truth is not None and (not isinstance(truth, GaussianMixture) or truth.dimension != 1 or f.dimension != 1):
        raise arg.refuse(owner, "truth", truth, "a GaussianMixture in one dimension, of a KernelDensity in one")


@np.errstate(all="ignore")  # of what overflows the integrand is 0
def over_frequencies(
    owner: str, f: KernelDensity, workflow: Workflow, generation: Any, truth: Any, integrand: Integrand
) -> Any:
    """The integral over frequencies at each generation, 0 at generation 0."""
    whole = arg.generation(owner, generation)
    widths, unrolled = _widths(owner, f, workflow, whole)
    xp = arg.namespace(widths, f.variance, whole)
    if unrolled:
        found = by_model(f, workflow, widths, truth, integrand)[xp.maximum(xp.asarray(whole) - 1, 0)]
    else:
        models = arg.namespace(whole).maximum(whole, 1)
        reach = models if arg.is_traced(whole) else float(np.max(models))
        s, weights, known = plane(f, truth, widths, widths, reach)
        found = summed(integrand(workflow, s, known, widths[None], models), weights)
    xp = arg.namespace(found, whole)
    return arg.scalar(xp.where(xp.asarray(whole) < 1, 0.0, found))


@np.errstate(all="ignore")
def by_model(f: KernelDensity, workflow: Workflow, widths: Any, truth: Any, integrand: Integrand) -> Any:
    """The integral over frequencies of models 1, 2, ..., whose bandwidths are ``widths``."""
    s, weights, known = plane(f, truth, widths.min(axis=0), widths.max(axis=0), len(widths))
    return summed(integrand(workflow, s, known, widths, None), weights)


def plane(
    f: KernelDensity, truth: GaussianMixture | None, least: Any, most: Any, generations: Any
) -> tuple[Any, Any, Any]:
    """Frequencies, logarithms of their weights, and the truth there, for bandwidths from ``least`` to ``most``."""
    xp = arg.namespace(least, most, generations, f.variance)
    inner, outer, finer = f.variance, f.variance, 1.0
    if truth is not None:  # places that are apart ask for more nodes
        inner, outer = float(truth.covariances.min()), truth.v
        finer += float(np.ptp(truth.means)) / (4 * inner**0.5)
        if finer > FINEST:
            raise arg.refuse(
                "GaussianMixture", "means", truth.means, f"at most {4 * FINEST:,} of the least deviation apart"
            )
    largest = xp.maximum(xp.sqrt(outer), xp.real(most))  # its square may overflow
    widest = largest * xp.sqrt((xp.sqrt(outer) / largest) ** 2 + generations * (most / largest) ** 2)
    s, weights = frequencies(widest, xp.minimum(least, xp.sqrt(inner)), f.dimension, finer)
    full, short = _truth_at(f, truth, s)
    return s, weights, {zp: full, Z: short}


def _widths(owner: str, f: KernelDensity, workflow: Workflow, whole: Any) -> tuple[Any, bool]:
    """The one bandwidth of all models and False; or True and those of models 1, 2, ..., which are unrolled."""
    sizes = workflow.synthetic if isinstance(workflow, Replace) and isinstance(workflow.synthetic, tuple) else None
    several = isinstance(f.bandwidth, tuple)
    given = f.bandwidth if several else (f.bandwidth,)
    unrolled = several or sizes is not None or isinstance(workflow, Schedule | SlidingWindow)
    for name, value in (("bandwidth", given), ("variance", (f.variance,))) if unrolled else ():
        if any(np.ndim(one) for one in value):
            raise arg.refuse(
                owner, name, getattr(f, name), "one number for each model here: call it for each of an array"
            )
    each = arg.namespace(*given).stack([arg.namespace(*given).asarray(width) * 1.0 for width in given])
    if not unrolled:
        if not arg.is_traced(whole):
            arg.steps(owner, whole)
        return each[0], False
    ends = [len(given)] if several else []
    ends += [workflow.generations] if isinstance(workflow, Schedule) else []
    ends += [] if sizes is None else [len(sizes) + 1]
    if arg.is_traced(whole):
        if not ends:
            raise arg.refuse(owner, "generation", "traced", "static here: call it outside jit, vmap and grad")
        last = min(ends)
    else:
        last = max(int(np.max(whole)), 1)
        if several and last > len(given):
            raise arg.refuse("KernelDensity", "bandwidth", f.bandwidth, f"bandwidths of {len(given)} models: give more to "
                             f"ask for generation {last}, or one number for all")  # fmt: skip
        if last > min(ends, default=last):
            raise arg.refuse(owner, "generation", whole, f"this workflow ends with {min(ends)}: write more")
    return (each[:last] if several else each[[0] * last]), True


def _truth_at(f: KernelDensity, truth: GaussianMixture | None, s: Any) -> tuple[Any, Any]:
    """Squared modulus of the characteristic function of the truth, and what it lacks of 1."""
    xp = arg.namespace(s)
    if truth is None:
        exponent = -(s**2) * xp.asarray(f.variance)[..., None]
        return xp.exp(exponent), -xp.expm1(exponent)
    pairs = np.outer(truth.weights, truth.weights).ravel()
    apart = np.subtract.outer(truth.means[:, 0], truth.means[:, 0]).ravel()
    spread = np.add.outer(truth.covariances[:, 0, 0], truth.covariances[:, 0, 0]).ravel() / 2
    s = s[..., None]
    shift = 2 * xp.sin(s * apart / 2) ** 2
    full = (pairs * xp.exp(-(s**2) * spread) * (1 - shift)).sum(-1)
    short = (pairs * (shift - xp.expm1(-(s**2) * spread) * (1 - shift))).sum(-1)
    return full, short


def error_at(workflow: Workflow, s: Any, known: dict[Any, Any], widths: Any, generation: Any) -> Any:
    """E|e psi - phi|^2 at each generation and frequency."""
    if isinstance(workflow, Schedule | SlidingWindow):
        kept, taken = kernels(widths, s)
        lost, variance = algebra.waves(workflow, kept, taken, known[zp], known[Z])
        return known[zp] * (taken + kept * lost) ** 2 + kept**2 * variance
    return run(workflow, _law(workflow).error, s, known, widths, generation)


def run(workflow: Workflow, read: Expr | None, s: Any, known: dict[Any, Any], widths: Any, generation: Any) -> Any:
    """``read`` at each generation and frequency, by the law of the workflow; None: what a model keeps of the truth's wave.

    Of one bandwidth in ``widths`` at the generations asked for; of several, and None for those, at generations 1, 2, ...
    """
    kind: Any = type(workflow)
    law, sizes = remaining(kind) if read is None else _law(workflow), _sizes(workflow)
    read = law.error if read is None else read
    kept, taken = kernels(widths, s)
    if generation is not None:
        values = {letter: _column(each) for letter, each in sizes.items()} | known | {e: kept[0], ec: taken[0]}
        if isinstance(workflow, Replace) and read == _law(workflow).error:
            return evaluate(INTEGRATED.derived.expression, values | {m: _column(generation)})
        return recursion.value(law, read, tuple(values), tuple(values.values()), _column(generation))
    rows = {e: kept, ec: taken}
    if isinstance(sizes[n], tuple):
        xp = arg.namespace(*sizes[n], s)
        drawn = (*sizes.pop(n), 1.0)[: len(widths)]  # the last model draws no more
        rows[n] = xp.stack([xp.asarray(each) * 1.0 for each in drawn])[:, None]
    values = sizes | known
    return recursion.varied(law, read, (*values, *rows), tuple(values.values()), tuple(rows.values()))


def kernels(widths: Any, s: Any) -> tuple[Any, Any]:
    """What the kernel of each model leaves of a wave, and what it takes: an axis of models, then frequencies."""
    exponent = -((widths[..., None] * s) ** 2) / 2
    xp = arg.namespace(exponent)
    return xp.exp(exponent), -xp.expm1(exponent)


def _column(value: Any) -> Any:
    return value[..., None] if np.ndim(value) else value


def _law(workflow: Workflow) -> Law:
    kind: Any = type(workflow)
    return characteristic(kind, getattr(workflow, "replacement", False))


def _pooled(workflow: FreshReal) -> Any:
    return workflow.real / (workflow.real + workflow.synthetic)


def _sizes(workflow: Workflow) -> dict[Any, Any]:
    """The letters of a law and their values."""
    values = {N: workflow.real, n: workflow.synthetic}
    if isinstance(workflow, AccumulateSubsample):
        values[M] = workflow.train
    if isinstance(workflow, FreshReal):
        values[w] = _pooled(workflow) if workflow.weight is None else 1.0 * workflow.weight
    return values


def _prove() -> tuple[Step, ...]:
    """The laws at one frequency, the closed form of Replace, and what its terms are in space."""
    share, points = 1 - 1 / n, (Z + zp - zp) / N + zp
    for when in range(1, 5):  # E|e psi - phi|^2 as a polynomial in e and z_phi
        seen = (
            share ** (when - 1) * e ** (2 * when - 2) * points + sum((share * e**2) ** j for j in range(when - 1)) / n
        )
        plain = e**2 * seen - 2 * e**when * zp + zp
        left = (
            derive_replace().expression.doit().subs({m: when, Z: 1 - zp}).subs(ec, 1 - e) - plain.subs(Z, 1 - zp)
        ).expand()
        if left.simplify() != 0:
            raise Unsolved(f"replace, generation {when}: {left}")
    return (
        Step(
            "By Parseval the integrated error is (2 pi)^-d times the integral of E|e psi - phi|^2 over all frequencies"
        ),
        *prove_characteristic(),
        *prove_replace(),
        Step(
            "It is a polynomial in e and z_phi; for normal laws e^i z_phi^k integrates to (4 pi (i h^2/2 + k sigma^2))^-d/2"
        ),
    )


NORMAL = Assumption("kernels are normal laws, and the truth is one or a mixture of them", always, "")
INTEGRATED = Theorem(
    "integrated-error/recursion",
    "The integrated squared error of a kernel density is exact under every workflow and with any bandwidths: at each frequency "
    "the share that the data has lost of the truth's wave and the variance of its wave are a linear recursion.",
    "integrated_error",
    "KernelDensity",
    "every workflow (the formula: Replace, at one frequency)",
    Evidence.RECURSION,
    (SAMPLES, KERNELS, NORMAL, SUBSAMPLED),
    ("derived", f"{B_} (simulated)"),
    derive_replace,
    _prove,
)
