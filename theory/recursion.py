r"""Recursions that have no closed form, run as they stand: accumulate-subsample for any variance function.

The law is lowered once and iterated, by a Python loop over NumPy arrays or by a ``while`` loop of JAX.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from . import arguments as arg
from .law import law
from .lower import Lowered, iterated, lower
from .symbols import M, N, P, Q, V, m, n, v2
from .workflow import AccumulateSubsample

LETTERS = (N, n, M, v2)
SHORTEST, DOUBLINGS = 64, 11  # the limit is extrapolated from generations 64, 128, ..., 65536


@cache
def _lowered(replacement: bool, module: str) -> tuple[Lowered, Lowered, Lowered]:
    one = law(AccumulateSubsample, replacement)
    first = [lower(each.subs(V, 1), LETTERS, module) for each in one.start]
    steps = [lower(each.subs(V, 1), (P, Q, m, *LETTERS), module) for each in one.step]
    return (
        lambda *given: tuple(each(*given) for each in first),
        lambda *given: tuple(each(*given) for each in steps),
        lower(one.error.subs(V, 1), (P, Q, m, *LETTERS), module),
    )


def error_over_v(real: Any, synthetic: Any, train: Any, curvature: Any, generation: Any, *, replacement: bool) -> Any:
    """Error over V of accumulate-subsample at each generation (whole, at least 1), broadcast."""
    given: tuple[Any, ...] = (real, synthetic, train, curvature)
    if arg.is_jax(*given, generation):
        return iterated(*_lowered(replacement, "jax"))(*given, generation)
    whole = np.asarray(generation, int)
    if all(np.ndim(each) == 0 for each in given):  # Python's floats are faster than arrays of one
        given = tuple(float(each) for each in given)
    else:
        given = tuple(np.broadcast_arrays(*(np.asarray(each, float) for each in given)))
    start, step, read = _lowered(replacement, "numpy")
    wanted, result = set(whole.ravel().tolist()), np.empty(np.broadcast_shapes(whole.shape, np.shape(given[0])))
    last = max(wanted, default=0)
    with np.errstate(all="ignore"):
        state = start(*given)
        for now in range(1, last + 1):
            if now in wanted:
                np.copyto(result, read(*state, float(now), *given), where=whole == now)
            if now < last:
                state = step(*state, float(now), *given)
    return result if result.shape else float(result)


def limit_over_v(real: float, synthetic: float, train: float, curvature: float, *, replacement: bool) -> float:
    r"""The limit of `error_over_v`, infinite unless :math:`1 + v_2 < M`.

    The deviation is a sum of powers of the generation with the exponents 1, 2, ... and delta, delta + 1, ... where
    :math:`\delta = 1 - (1 + v_2)/M` is the rate at which the spread of the pool's points settles; extrapolation removes
    them one after the other.
    """
    delta = 1 - (1 + curvature) / train
    if delta <= 0:
        return math.inf
    scale = max(1, math.ceil(real / synthetic / SHORTEST))
    if scale > SHORTEST:  # so little is added in a generation that the pool hardly ever doubles
        scale = SHORTEST
    generations = SHORTEST * scale * 2 ** np.arange(DOUBLINGS)
    values = list(error_over_v(real, synthetic, train, curvature, generations, replacement=replacement))
    exponents = sorted([delta + step for step in range(DOUBLINGS)] + [1 + step for step in range(DOUBLINGS)])
    for exponent in exponents[: DOUBLINGS - 1]:
        weight = 2.0**exponent
        values = [
            (weight * after - before) / (weight - 1) for before, after in zip(values[:-1], values[1:], strict=True)
        ]
    return float(values[0])
