r"""Integrals over all frequencies: :math:`(2\pi)^{-d} \int_{R^d} f(|s|)\,ds`, by equal steps on a doubly exponential axis.

With :math:`s = s_0 e^{v - e^{-v}}` an integrand that is smooth at 0 and falls like a normal law decays doubly exponentially at
both ends of the axis v. There the trapezoidal rule converges geometrically: an integrand that is bounded where
:math:`|\operatorname{Im} v| < \theta` leaves :math:`2 e^{-2\pi\theta/\Delta}` of it for steps :math:`\Delta`. Scales that are
decades apart cost their logarithm. Steps of `STEP` leave less than 1e-13 (proofs/test_integrated_error.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import arguments as arg

STEP = 0.1  # in a few dimensions
LEFT = 4.0  # e^-e^4 is nothing
BELOW = 2.0  # from the lowest scale down to where the axis bends
NEGLIGIBLE = 40.0  # a term e^-40 of the largest
FALLEN = 40.0  # e^-40 is nothing
FARTHEST = 16.0  # of scales that are only known inside a JAX transformation: e^12 apart
FEW = 4  # dimensions


def frequencies(widest: Any, narrowest: Any, dimension: int, finer: float = 1.0) -> tuple[Any, Any]:
    """Frequencies and logarithms of their weights (..., F), for `summed`.

    Of integrands that vary between the scales 1/widest and 1/narrowest of length. ``finer``: by what factor steps are smaller
    than for normal laws about one place.
    """
    xp = arg.namespace(widest, narrowest)
    low, top = math.exp(-BELOW) / xp.asarray(widest * 1.0), math.sqrt(FALLEN + dimension) / xp.asarray(narrowest * 1.0)
    end = xp.log(top / low)[..., None]
    reach = FARTHEST if arg.is_traced(end) else float(np.max(end.real))
    count = math.ceil((reach + LEFT) / STEP * finer * max(1.0, math.sqrt(dimension / FEW)))
    step = (end + LEFT) / (count - 1)
    axis = step * xp.arange(float(count)) - LEFT
    logarithm = xp.log(low)[..., None] + axis - xp.exp(-axis)
    sphere = math.log(2) - math.lgamma(dimension / 2) - dimension * (math.log(2) + math.log(math.pi) / 2)
    return xp.exp(logarithm), xp.log(step * (1 + xp.exp(-axis))) + dimension * logarithm + sphere


def summed(values: Any, logarithms: Any) -> Any:
    """The values times their weights, summed over the last axis: no weight overflows where the value is next to nothing."""
    xp = arg.namespace(values, logarithms)
    size, some = xp.abs(values), values != 0
    terms = xp.where(some, xp.log(xp.where(some, size, 1.0)) + xp.real(logarithms), -xp.inf)
    peak = terms.max(axis=-1, keepdims=True)
    peak, counts = xp.where(xp.isfinite(peak), peak, 0.0), terms > peak - NEGLIGIBLE
    weights = xp.where(counts, xp.exp(xp.where(counts, logarithms - peak, 0.0)), 0.0)
    return xp.exp(peak[..., 0]) * (values * weights).sum(-1)
