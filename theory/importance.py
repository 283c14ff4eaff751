r"""How much of the signal a model sees that takes up covariates in the order of their importance.

The squares of the coefficients fall as :math:`j^{-\mathrm{decay}}`, those of j = 1 first; at decay 0 all covariates are alike,
and the first k stand for a random subset of k.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from . import arguments as arg

MOST = 1_000_000  # covariates whose squares are summed one by one


def shares(owner: str, covariates: int, decay: Any, features: np.ndarray) -> tuple[Any, Any]:
    r"""The share of all squares that the first ``features`` of the covariates have, and that of the rest: two arrays.

    >>> [float(each) for each in shares("shares", 3, 1.0, np.array(1))]  # 1 of 1 + 1/2 + 1/3
    [0.545454..., 0.454545...]
    """
    arg.static(owner, decay=decay)
    wanted = "how fast covariates lose importance: one number, 0 (all alike) or more"
    if np.any(arg.numbers(owner, "decay", decay, wanted) < 0) or np.ndim(decay):
        raise arg.refuse(owner, "decay", decay, wanted)
    if decay == 0:
        return features / covariates, (covariates - features) / covariates
    if covariates > MOST:
        raise arg.refuse(owner, "decay", decay, f"0 for more than {MOST:,} covariates")
    first, rest = _sums(covariates, float(decay))
    place = features.astype(int)
    return first[place], rest[place]


@lru_cache(maxsize=4)
def _sums(covariates: int, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Both shares for 0, 1, ... features, each summed from its own end so that neither is a difference."""
    squares = np.arange(1, covariates + 1, dtype=np.longdouble) ** -decay
    first = np.concatenate([[0], np.cumsum(squares)])
    rest = np.concatenate([[0], np.cumsum(squares[::-1])])[::-1]
    return np.asarray(first / first[-1], float), np.asarray(rest / rest[0], float)
