r"""The best size of a model: of how many covariates it errs least, with synthetic labels among the real ones or without.

Where all covariates are alike it is none or all of them, whatever the data: below the threshold the error is a line of positive
slope and a hyperbola, beyond it falls. Where covariates lose importance there is a best size between.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import arguments as arg
from .family import LinearRegression
from .importance import MOST
from .source import Source
from .strong_collapse import strong_collapse_error


class BestModelSize(NamedTuple):
    """The number of covariates of least error, and that error; the smaller one of two that err the same."""

    features: int
    error: float


def best_model_size(
    f: LinearRegression, real: int, synthetic: int, source: Source, decay: float = 0.0
) -> BestModelSize:
    r"""The size k from 0 to d with the least error of `strong_collapse_error`, found by trying them all; alike, both ends.

    Arguments as there, each one number. With ``synthetic=0`` it is that of the real labels alone, whatever the source.
    0: no model errs less than the truth is long. Raises InputError as there, and for arrays.

    Source: derived.

    >>> from modelcollapse import theory
    >>> f, source = theory.LinearRegression(1000, signal=100.0), theory.Source(worth=20.0)
    >>> [theory.best_model_size(f, 200, synthetic, source, decay=2.0).features for synthetic in (0, 200)]
    [66, 36]
    >>> theory.best_model_size(f, 200, 0, source).features, theory.best_model_size(f, 1200, 0, source).features  # alike
    (1000, 1000)
    """
    own = "best_model_size"
    arg.static(own, f=f, real=real, synthetic=synthetic, source=source)
    held = [
        getattr(record, name, 1) for record, name in ((f, "signal"), (source, "worth"), (f, "noise"), (source, "noise"))
    ]
    if any(np.ndim(each) for each in (real, synthetic, *held)):
        raise arg.refuse(own, "real", real, "one number of each: call it for each size")
    d = f.dimension
    sizes = np.array([0, d]) if decay == 0 or d > MOST else np.arange(d + 1)
    errors = strong_collapse_error(f, real, synthetic, sizes, source, decay).error
    best = int(np.argmin(errors))
    return BestModelSize(int(sizes[best]), float(errors[best]))
