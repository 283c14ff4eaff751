r"""Footprints: the least memory that chains of a cell take, told from their settings before anything is built for them.

What is counted is what no way of running them does without: the model of a chain, the points that it keeps, observables, and
tables that are worked out beforehand. `groups.work` says more exactly what a cell takes, when its tables are there.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax

from modelcollapse.theory.family import (
    Bigram,
    Categorical,
    Family,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    LinearRegression,
    LogisticRegression,
    Zipf,
)
from modelcollapse.theory.workflow import (
    Accumulate,
    AccumulateSubsample,
    AnyWorkflow,
    Replace,
    Schedule,
    Selected,
    Workflow,
)

ROW = 256  # bytes of a number of degrees of freedom in a table of chi-square numbers, while it is worked out
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
OnPoints = GaussianMixture | LogisticRegression | KernelDensity | Zipf | Bigram  # whose fits are made from points


def available() -> float:
    """Bytes of memory of a device: of a processor what the machine has, or its container."""
    own = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    if own:
        return float(own)
    machine = float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    text = LIMIT.read_text().strip() if LIMIT.exists() else ""
    return min(machine, float(text)) if text.isdigit() else machine


def least(f: Family, w: AnyWorkflow, generations: int, chains: int = 1) -> float:
    """Bytes that so many chains take at least at a time, with the tables of their cell.

    >>> from modelcollapse import theory
    >>> f = theory.Gaussian(dimension=100_000)
    >>> least(f, theory.Replace(10), generations=3) > 4e10  # its covariance has 10^10 numbers
    True
    """
    plain = w.workflow if isinstance(w, Selected) else w
    one = _model(f) + kept(f, plain, generations) * point(f) + generations
    return 4.0 * chains * one + _tables(f, plain, generations)


def kept(f: Family, w: Workflow, generations: int) -> int:
    """How many points a chain keeps at least.

    >>> from modelcollapse import theory
    >>> kept(theory.Poisson(2.0), theory.AccumulateSubsample(real=10, synthetic=5), 3)
    20
    """
    subsampled = isinstance(w, AccumulateSubsample) or isinstance(w, Schedule) and w.train is not None
    if isinstance(f, Categorical) or not (subsampled or isinstance(f, OnPoints)):
        return 0
    match w:
        case AccumulateSubsample() | Accumulate():
            return int(w.real) + int(w.synthetic) * (generations - 1)
        case Replace():
            return int(max(w.real, *w.synthetic)) if isinstance(w.synthetic, tuple) else int(max(w.real, w.synthetic))
        case Schedule():
            return int(max(w.size))
    return int(max(w.real, w.synthetic))


def _model(f: Family) -> int:
    """How many numbers a model is."""
    match f:
        case Categorical():
            return len(f.p)
        case Gaussian():
            return f.dimension**2
        case GaussianMixture():
            return len(f.weights) * f.dimension**2
        case KernelDensity():
            return f.dimension * (1 + f.held_out)
        case LinearRegression() | LogisticRegression():
            return f.dimension
        case Bigram():
            return int(f.vocabulary)
    return 1


def point(f: Family) -> int:
    """How many numbers a point is.

    >>> from modelcollapse import theory
    >>> point(theory.LinearRegression(dimension=3))
    4
    """
    match f:
        case LinearRegression() | LogisticRegression():
            return f.dimension + 1
        case Gaussian() | KernelDensity() | GaussianMixture():
            return f.dimension
        case Bigram():
            return f.length
    return 1


def _tables(f: Family, w: Workflow, generations: int) -> float:
    """Bytes of tables: of chi-square numbers, and of the weights of all batches in all generations."""
    rows = 0
    if isinstance(f, Gaussian | LinearRegression) and not isinstance(w, AccumulateSubsample):
        rows = f.dimension * (generations if isinstance(f, LinearRegression) and isinstance(w, Replace) else 2)
    dense = (
        isinstance(f, OnPoints)
        and not isinstance(f, KernelDensity)
        and not isinstance(w, AccumulateSubsample | Schedule)
    )
    return float(ROW * rows + 24 * generations**2 * dense)
