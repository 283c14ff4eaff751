r"""Recursions that have no closed form, run as they stand: accumulate-subsample for any variance function, and what smooths.

The law is lowered once and iterated, by a Python loop over NumPy arrays or by a ``while`` loop of JAX.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, Symbol

from . import arguments as arg
from .law import Law, law
from .lower import Lowered, iterated, lower
from .symbols import M, N, V, m, n, v2
from .workflow import AccumulateSubsample

LETTERS = (N, n, M, v2)
SHORTEST, DOUBLINGS = 64, 11  # the limit is extrapolated from generations 64, 128, ..., 65536


@cache
def _lowered(one: Law, read: Expr, letters: tuple[Symbol, ...], module: str) -> tuple[Lowered, Lowered, Lowered]:
    first = [lower(each.subs(V, 1), letters, module) for each in one.start]
    steps = [lower(each.subs(V, 1), (*one.state, m, *letters), module) for each in one.step]
    return (
        lambda *given: tuple(each(*given) for each in first),
        lambda *given: tuple(each(*given) for each in steps),
        lower(read.subs(V, 1), (*one.state, m, *letters), module),
    )


def value(one: Law, read: Expr, letters: tuple[Symbol, ...], given: tuple[Any, ...], generation: Any) -> Any:
    """The expression ``read`` of the law's state, over V, at each generation (whole, at least 1), broadcast."""
    if arg.is_jax(*given, generation):
        return iterated(*_lowered(one, read, letters, "jax"))(*given, generation)
    whole = np.asarray(generation, int)
    if all(np.ndim(each) == 0 for each in given):  # Python's floats are faster than arrays of one
        given = tuple(float(each) for each in given)
    else:
        given = tuple(np.broadcast_arrays(*(np.asarray(each, float) for each in given)))
    start, step, show = _lowered(one, read, letters, "numpy")
    wanted, result = set(whole.ravel().tolist()), np.empty(np.broadcast_shapes(whole.shape, np.shape(given[0])))
    last = max(wanted, default=0)
    with np.errstate(all="ignore"):
        state = start(*given)
        for now in range(1, last + 1):
            if now in wanted:
                np.copyto(result, show(*state, float(now), *given), where=whole == now)
            if now < last:
                state = step(*state, float(now), *given)
    return result if result.shape else float(result)


def error_over_v(real: Any, synthetic: Any, train: Any, curvature: Any, generation: Any, *, replacement: bool) -> Any:
    """Error over V of accumulate-subsample at each generation (whole, at least 1), broadcast."""
    one = law(AccumulateSubsample, replacement)
    return value(one, one.error, LETTERS, (real, synthetic, train, curvature), generation)


def limit_over_v(real: float, synthetic: float, train: float, curvature: float, *, replacement: bool) -> float:
    r"""The limit of `error_over_v`, infinite unless :math:`1 + v_2 < M`.

    The deviation is a sum of powers of the generation with the exponents 1, 2, ... and delta, delta + 1, ... where
    :math:`\delta = 1 - (1 + v_2)/M` is the rate at which the spread of the pool's points settles.
    """
    delta = 1 - (1 + curvature) / train
    if delta <= 0:
        return math.inf
    generations = doubled(real / synthetic)
    values = error_over_v(real, synthetic, train, curvature, generations, replacement=replacement)
    return extrapolated(values, delta)


def doubled(ratio: float) -> np.ndarray:
    """Generations 64, 128, ..., later ones where the pool hardly ever doubles."""
    scale = max(1, math.ceil(ratio / SHORTEST))
    return SHORTEST * min(scale, SHORTEST) * 2 ** np.arange(DOUBLINGS)


def extrapolated(values: Any, delta: float) -> float:
    """The limit of values at doubled generations: the powers 1, 2, ... and delta, delta + 1, ... removed one after the other.

    Equal powers are removed twice, which takes their product with the logarithm away too.
    """
    values = list(values)
    exponents = sorted([delta + step for step in range(DOUBLINGS)] + [1 + step for step in range(DOUBLINGS)])
    for exponent in exponents[: DOUBLINGS - 1]:
        weight = 2.0**exponent
        values = [
            (weight * after - before) / (weight - 1) for before, after in zip(values[:-1], values[1:], strict=True)
        ]
    return float(values[0])
