r"""The best bandwidths of a recursion: for models that all have to be good densities, and for one report at the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .family import GaussianMixture, KernelDensity
from .integrated_error import INTEGRATED, by_model, check_truth, error_at
from .smoothing_last import LAST, unsmoothed_slope
from .workflow import Accumulate, FixedReal, Replace, Workflow

SMALLEST, LARGEST = 1e-5, 1e3  # of the truth's standard deviation, where a best bandwidth is looked for

LATEST = 1000  # generations
FALLS, STEEPEST = "the power by which bandwidths fall", 300


class OptimalBandwidths(NamedTuple):
    """Bandwidths :math:`h_t` = ``bandwidth`` :math:`t^{-}` ``decay`` of models 1, 2, ..., and the integrated error of each."""

    bandwidth: float
    decay: float
    bandwidths: tuple[float, ...]
    errors: np.ndarray

    @property
    def worst(self) -> float:
        """The largest of the errors: what was made least."""
        return float(self.errors.max())


class ReportBandwidth(NamedTuple):
    """The bandwidth of least integrated error for one report, and that error."""

    bandwidth: float
    error: float


def optimal_bandwidths(
    f: KernelDensity, w: Workflow, generations: int, *, decay: float | None = None, truth: GaussianMixture | None = None
) -> OptimalBandwidths:
    r"""The power law :math:`h_t = h t^{-\gamma}` with the least worst error, :math:`\max_{t \le M} E\int (f_t - f)^2`.

    Each model is reported with the bandwidth that the next data is drawn with. ``f`` is a template: its own bandwidth is ignored.
    ``decay``: :math:`\gamma`, where it is given (0: one bandwidth for all). Sequential quadratic programming with exact slopes;
    the best bandwidth falls so slowly that over tens of generations one that is a third too small for a single fit is as good.

    Raises InputError for another family. Source: derived (`integrated_error`).

    >>> from modelcollapse import theory
    >>> best = theory.optimal_bandwidths(theory.KernelDensity(1.0), theory.Accumulate(200, 200), 11, decay=0.0)
    >>> round(best.bandwidth, 3), round(best.worst, 5)
    (0.251, 0.0051)
    """
    owner = "optimal_bandwidths"
    INTEGRATED.require(owner, families.check(owner, f), workflows.check(owner, w))
    check_truth(owner, f, truth)
    arg.static(owner, f=f, w=w)
    _one_truth(owner, f)
    arg.one_size(owner, w)
    arg.one(owner, "generations", generations, "number of generations")
    last = int(arg.size(owner, "generations", generations, of="generations"))
    if last > LATEST:
        raise arg.refuse(owner, "generations", generations, f"at most {LATEST:,}: all models are searched together")
    if decay is not None and abs(arg.one(owner, "decay", decay, FALLS)) * math.log(last) > STEEPEST:
        raise arg.refuse(owner, "decay", decay, f"{FALLS}, by a factor of no more than e^{STEEPEST}")
    steps = np.log(np.arange(1.0, last + 1))

    def schedule(at: np.ndarray) -> np.ndarray:
        return np.exp(at[0] - (at[1] if decay is None else decay) * steps)

    def logarithms(at: np.ndarray) -> np.ndarray:
        return np.log(by_model(f, w, schedule(at), truth, error_at))

    start = math.log(_silverman(f, w, truth))
    found = _least_worst(_with_slopes(logarithms), np.array([start, 0.0] if decay is None else [start]))
    bandwidths = schedule(found)
    errors = by_model(f, w, bandwidths, truth, error_at)
    power = float(found[1]) if decay is None else float(decay)
    return OptimalBandwidths(float(bandwidths[0]), power, tuple(bandwidths.tolist()), errors)


def report_bandwidth(
    f: KernelDensity, w: Replace | FixedReal | Accumulate, generation: int, truth: GaussianMixture | None = None
) -> ReportBandwidth:
    r"""The best bandwidth for a report of model m, where data is drawn without smoothing, and its integrated error.

    That is the best bandwidth for :math:`N/\mathrm{gain}` real samples, :math:`T_m` over v in the place of 1/N: about
    :math:`\mathrm{gain}^{1/(d+4)}` times that of the real data alone. Nothing that draws with smoothing does better by more than
    a report of another shape could (`integrated_error_lower_bound`). ``f`` is a template: its own bandwidth is ignored.

    >>> from modelcollapse import theory
    >>> f = theory.KernelDensity(1.0)
    >>> [round(theory.report_bandwidth(f, theory.Accumulate(200, 200), m).error, 5) for m in (1, 11, 51)]
    [0.00332, 0.00454, 0.00467]
    """
    from scipy.optimize import brentq

    owner = "report_bandwidth"
    LAST.require(owner, families.check(owner, f), workflows.check(owner, w))
    check_truth(owner, f, truth)
    arg.static(owner, f=f, w=w, generation=generation)
    _one_truth(owner, f)
    arg.one_size(owner, w)
    arg.one(owner, "generation", generation, "number of models fitted so far")
    when = int(arg.size(owner, "generation", generation, of="models fitted so far"))
    width = math.log(math.sqrt(f.variance if truth is None else truth.v))
    slope = unsmoothed_slope(f, w, when, truth)
    found = math.exp(
        brentq(lambda at: slope(math.exp(at))[1], width + math.log(SMALLEST), width + math.log(LARGEST), xtol=1e-13)
    )
    return ReportBandwidth(found, float(slope(found)[0]))


def _one_truth(owner: str, f: KernelDensity) -> None:
    if np.ndim(f.variance):
        raise arg.refuse(owner, "variance", f.variance, "one number here: call it for each of an array")


def _silverman(f: KernelDensity, workflow: Workflow, truth: GaussianMixture | None) -> float:
    """The rule of thumb for a normal truth and the real samples alone."""
    size, d = workflows.first_size(workflow), f.dimension
    width = math.sqrt(float(f.variance) if truth is None else truth.v)
    return float(width * (4 / ((d + 2) * size)) ** (1 / (d + 4)))


def _with_slopes(function: Callable[[Any], Any]) -> Callable[[np.ndarray], tuple[Any, Any]]:
    """A function of a vector that gives values and their slopes, exactly: by a step along the imaginary axis that is nothing."""
    tiny = 1e-100

    def call(at: np.ndarray) -> tuple[Any, Any]:
        moved = [function(at + 1j * tiny * direction) for direction in np.eye(len(at))]
        return moved[0].real, np.stack([each.imag / tiny for each in moved], axis=-1)

    return call


def _least_worst(logarithms: Any, start: np.ndarray) -> np.ndarray:
    """Where the largest of some functions is least: the least bound on all of them."""
    from scipy.optimize import minimize

    rising = np.append(np.zeros(len(start)), 1.0)
    known: dict[bytes, Any] = {}

    def at(point: np.ndarray) -> Any:
        key = point[:-1].tobytes()
        if key not in known:
            known[key] = logarithms(point[:-1])
        return known[key]

    bounded = {
        "type": "ineq",
        "fun": lambda point: point[-1] - at(point)[0],
        "jac": lambda point: np.hstack([-at(point)[1], np.ones((len(at(point)[0]), 1))]),
    }
    first = np.append(start, logarithms(start)[0].max())
    found = minimize(
        lambda point: point[-1], first, jac=lambda _: rising, method="SLSQP", constraints=[bounded],
        options={"ftol": 1e-13, "maxiter": 200},
    )  # fmt: skip
    return np.asarray(found.x[:-1])
