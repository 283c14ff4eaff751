r"""Recursions that have no closed form, run as they stand: accumulate-subsample for any variance function, and what smooths.

The law is lowered once and iterated, by a Python loop over NumPy arrays or by a ``while`` loop of JAX.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from sympy import Expr, Poly, Symbol, cancel, diff, fraction

from . import arguments as arg
from .law import Law, law
from .lower import Lowered, iterated, lower, swept
from .symbols import M, N, V, m, n, q, v2
from .workflow import AccumulateSubsample, RandomPast, SlidingWindow, Workflow

TERMS = 15  # of the series of a limit
REACHES = [256 * 4**each for each in range(5)]  # batches in a pool, where they are tried
WIDEST = 2000  # models in a window, whose covariances are held at once
DIGITS = 1e-16


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
    module = "jax" if arg.is_jax(*given, generation) else "numpy"
    return _iterated(_lowered(one, read, letters, module), given, generation)


def varied(one: Law, read: Expr, letters: tuple[Symbol, ...], given: tuple[Any, ...], rows: tuple[Any, ...]) -> Any:
    """``read`` of generations 1, 2, ..., an axis of its own before the others: the last of the ``letters`` change with them.

    ``given``: what the first letters are, of all generations; ``rows``: of the others, with an axis of generations first.
    """
    module = "jax" if arg.is_jax(*given, *rows) else "numpy"
    start, step, show = _lowered(one, read, letters, module)
    if module == "jax":
        return swept(start, step, show)(given, rows)
    found, state = [], start(*given, *(row[0] for row in rows))
    for now, here in enumerate(zip(*rows, strict=True), start=1):
        found.append(show(*state, float(now), *given, *here))
        state = step(*state, float(now), *given, *here)
    return np.stack(found)


def _iterated(steps: tuple[Any, Any, Any], given: tuple[Any, ...], generation: Any) -> Any:
    """What ``read`` sees of a state at each generation, which begins by ``start`` and goes on by ``step``."""
    if arg.is_jax(*given, generation):
        return iterated(*steps)(*given, generation)
    whole = np.asarray(generation, int)
    if all(np.ndim(each) == 0 for each in given):  # Python's floats are faster than arrays of one
        given = tuple(float(each) for each in given)
    else:
        given = tuple(np.broadcast_arrays(*(np.asarray(each, float) for each in given)))
    start, step, show = steps
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


def error_over_v(workflow: Workflow, curvature: Any, generation: Any) -> Any:
    """Error over V at each generation (whole, at least 1), broadcast, of a workflow whose answer is a recursion."""
    if isinstance(workflow, SlidingWindow):
        return _windowed(workflow, curvature, generation)
    one, letters, given = _of(workflow)
    return value(one, one.error, (*letters, v2), (*given, curvature), generation)


def limit_over_v(workflow: Workflow, curvature: float) -> Any:
    r"""The limit of `error_over_v`, broadcast over sizes.

    Infinite unless :math:`1 + v_2` is below the number of points that a model is fitted on: else the spread of what they are
    drawn from never settles. Of a `SlidingWindow` that of total collapse, :math:`-1/v_2`, infinite for v2 >= 0.
    """
    if isinstance(workflow, SlidingWindow):
        return np.where(curvature < 0, -1 / np.minimum(curvature, -1e-300), np.inf) + 0.0 * np.asarray(
            workflow.synthetic
        )
    one, letters, given = _of(workflow)

    def settled(*numbers: float) -> float:
        return math.inf if 1 + curvature >= numbers[-1] else limit(one, (*letters, v2), (*numbers, curvature))

    return np.vectorize(settled)(*given)


def _of(workflow: Workflow) -> tuple[Law, tuple[Symbol, ...], tuple[Any, ...]]:
    """The law of a workflow, its letters and their values: the last is how many points a model is fitted on."""
    match workflow:
        case AccumulateSubsample():
            return law(AccumulateSubsample, workflow.replacement), (N, n, M), (
                workflow.real, workflow.synthetic, workflow.train)  # fmt: skip
        case RandomPast():
            return law(RandomPast), (N, n), (workflow.real, workflow.synthetic)
    raise TypeError(f"{type(workflow).__name__} has a formula, or is computed by the workflow algebra")


def _windowed(workflow: SlidingWindow, curvature: Any, generation: Any) -> Any:
    """The error over V under a window of K models: their covariances (..., K, K), the newest first, go round."""
    models = workflow.models
    if models > WIDEST:
        raise arg.refuse(
            "SlidingWindow", "models", models, f"at most {WIDEST:,} models: the errors of all pairs are held"
        )

    def start(size: Any, _curvature: Any) -> tuple[Any]:
        xp = arg.namespace(size)
        first = np.zeros((models, models))
        first[0, 0] = 1  # the others are the truth, without error
        return (first / xp.asarray(size)[..., None, None],)

    def step(seen: Any, now: Any, size: Any, curvature: Any) -> tuple[Any]:
        xp = arg.namespace(seen, now)
        used = xp.minimum(now + 1.0, models)
        share = xp.where(xp.arange(models) < used, 1 / used, 0.0)
        row = seen @ share
        mean, spread = row @ share, xp.diagonal(seen, axis1=-2, axis2=-1) @ share
        new = mean + (1 + (1 + curvature) * spread - mean) / size
        row = xp.concatenate([new[..., None], row[..., :-1]], axis=-1)
        below = xp.concatenate([row[..., 1:, None], seen[..., :-1, :-1]], axis=-1)
        return (xp.concatenate([row[..., None, :], below], axis=-2),)

    def read(seen: Any, *_given: Any) -> Any:
        return seen[..., 0, 0]

    return _iterated((start, step, read), (workflow.synthetic, curvature), generation)


def limit(one: Law, letters: tuple[Symbol, ...], given: tuple[float, ...]) -> float:
    r"""The limit of a law's error over V, where the pool grows by n a generation.

    The law is affine: with :math:`q = n/S_m` a step is :math:`x \mapsto A(q) x + b(q)`, rational in q, and takes q to
    :math:`q/(1+q)`. What is conserved in the end, :math:`L = \ell(0) x_\infty` with :math:`\ell(0) A'(0) = 0`, is known at
    every generation already: :math:`L = \ell(q) x + e(q)`, where

    .. math:: \ell(q) = \ell(q/(1+q)) A(q), \qquad e(q) = e(q/(1+q)) + \ell(q/(1+q)) b(q)

    are power series in q, worked out term by term. The pool is run until they are short there; so its size does not matter.
    """
    values = tuple(float(each) for each in given)
    series = [
        np.array([[_quotient(part, values) for part in line] for line in lines]) for lines in _expanded(one, letters)
    ]
    start, step, _ = _lowered(one, one.error, letters, "numpy")
    begun = np.array(start(*values))
    # states are in units of the first that are none of 0
    scale = np.where(begun != 0, begun, step(*begun, 1.0, *values))
    matrix, shift = series[0] * (scale / scale[:, None])[..., None], series[1][:, 0] / scale[:, None]
    read = series[2][0, :, 0] * scale
    slope, drift = matrix[..., 1], shift[:, 1]
    settles = bool(np.any(read @ slope))
    conserved = np.linalg.svd(slope.T)[2][-1] if settles else read
    lines, constants = _conserved(matrix, shift, conserved)
    state, generation = start(*values), 1
    batches = values[letters.index(N)] / values[letters.index(n)]  # of new data that the first pool is as large as
    for reach in REACHES:
        while batches + generation - 1 < reach:
            state, generation = step(*state, float(generation), *values), generation + 1
        terms = (np.array(state) / scale @ lines + constants) / (batches + generation - 1) ** np.arange(TERMS)
        if np.max(np.abs(terms[-3:])) <= DIGITS * np.abs(np.sum(terms)):
            break
    if not settles:
        return float(np.sum(terms))
    last = np.linalg.lstsq(np.vstack([slope, conserved]), np.append(-drift, np.sum(terms)), rcond=None)[0]
    return float(read @ last)


@cache
def _expanded(one: Law, letters: tuple[Symbol, ...]) -> tuple[Any, Any, Any]:
    """Matrix and shift of a step, and the row that reads the error, in q: of each entry the coefficients of a quotient."""

    def parts(expression: Expr) -> tuple[tuple[Lowered, ...], ...]:
        sides = fraction(cancel(expression.subs(V, 1).subs(m, 1 + 1 / q - N / n)))
        return tuple(
            tuple(lower(each, letters, "numpy") for each in Poly(side, q).all_coeffs()[::-1]) for side in sides
        )

    none = dict.fromkeys(one.state, 0)
    matrix = [[parts(diff(each, name)) for name in one.state] for each in one.step]
    shift = [[parts(each.subs(none))] for each in one.step]
    return matrix, shift, [[parts(diff(one.error, name)) for name in one.state]]


def _quotient(sides: tuple[tuple[Lowered, ...], ...], values: tuple[float, ...]) -> np.ndarray:
    """The power series of a quotient of polynomials, one term more than `TERMS`."""
    over, under = (np.pad([float(each(*values)) for each in side], (0, TERMS + 1))[: TERMS + 1] for side in sides)
    series = np.zeros(TERMS + 1)
    for k in range(TERMS + 1):
        series[k] = (over[k] - under[1 : k + 1] @ series[:k][::-1]) / under[0]
    return series


def _conserved(a: np.ndarray, b: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The series of l (state, term) and e (term): each term follows from the earlier ones."""
    later = -((-1.0) ** np.arange(TERMS + 1))  # q/(1+q)
    later[0] = 0
    power = np.eye(TERMS + 1)[0]
    lines, constants = np.zeros((len(first), TERMS)), np.zeros(TERMS)
    moved, moved_constants = np.zeros((len(first), TERMS + 1)), np.zeros(TERMS + 1)  # l(q/(1+q)) and e(q/(1+q))

    def at(order: int, factor: np.ndarray) -> np.ndarray:
        """Of l(q/(1+q)) times a matrix or a shift, what stands at an order."""
        return np.einsum("ik,i...k->...", moved[:, : order + 1], factor[..., order::-1])

    for k in range(TERMS):
        lines[:, k] = first if k == 0 else np.linalg.solve((k * np.eye(len(first)) - a[..., 1]).T, at(k + 1, a))
        moved += lines[:, k, None] * power
        constants[k] = (at(k + 1, b) + moved_constants[k + 1]) / k if k else 0
        moved_constants += constants[k] * power
        power = np.convolve(power, later)[: TERMS + 1]
    return lines, constants
