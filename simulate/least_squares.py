r"""Linear regression on sufficient statistics: the steps of workflows whose model is fitted by least squares.

The model is the error :math:`w - w^*` (d,). A batch of n rows is its Gram matrix :math:`X'X = A A'`, with Bartlett's A, and
the noise :math:`X'e \sim \sigma A z` in its normal equations; the answers are those of the model before and that noise. So a
fit to data with the Gram matrix S solves

.. math:: S w_m = \sum_b X_b' X_b w_{s(b)} + X_b' e_b,

the sum over the batches b, each of them answered by the model s(b). A pool whose first batch is large against d is held as S,
and factored by Cholesky; else as a factor of S, which loses half as many digits.

Of fewer rows than covariates the fit is that of least norm, :math:`X' (X X')^{-1} y`, and the rows themselves are drawn.

On one design (``redrawn=False``) all fits are means in the coordinates :math:`u = R' w / \sigma` of the design, where
:math:`X'X = R R'`: labels of the model u give the fit u + z.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory.family import LinearRegression
from modelcollapse.theory.workflow import Accumulate, FixedReal, FreshReal, Replace, Schedule

from . import batches, chi_square, kernel, linear, sampling
from .stream import Stream, normal, part


class Gram(NamedTuple):
    """The Gram matrix of a pool (d, d)."""

    matrix: jax.Array


class Root(NamedTuple):
    """A factor (d, d) of the Gram matrix of a pool, lower triangular."""

    factor: jax.Array


def redrawn(f: LinearRegression, w: FixedReal | FreshReal | Accumulate, generations: int) -> tuple[Any, ...]:
    """Memory, step and columns of a pool whose covariates are drawn anew; those of `Replace` are `kernel.draw`'s."""
    large = kernel.REGULAR * f.dimension
    match w:
        case FixedReal():
            return (_real_gram if float(w.real) > large else _real_root), _fixed, {}
        case FreshReal():
            real, synthetic = float(w.real), float(w.synthetic)
            share = real / (real + synthetic) if w.weight is None else float(w.weight)
            columns = {
                "real": np.zeros(generations, int),
                "real_weight": np.append(1, np.full(generations - 1, share * (real + synthetic) / real)),
                "weight": np.append(0, np.full(generations - 1, (1 - share) * (real + synthetic) / synthetic)),
            }
            regular = real > large and (w.weight is None or synthetic > large)
            return (_gram if regular else _root), _fresh, columns
        case Accumulate():
            return (_gram if float(w.real) > large else _root), _accumulate, {}


def batch(stream: Stream, f: LinearRegression, size: kernel.Size) -> tuple[jax.Array, jax.Array]:
    """Bartlett's factor of the Gram matrix of new rows, and the noise in their normal equations."""
    d = f.dimension
    noise, square, rest = jnp.split(normal(stream, (2 * d + sampling.triangle_size(d),)), (d, 2 * d))
    factor = _bartlett(square, rest, size)
    return factor, jnp.sqrt(jnp.asarray(f.noise, float)) * (factor @ noise)


def _bartlett(square: jax.Array, rest: jax.Array, size: kernel.Size) -> jax.Array:
    degrees = jnp.asarray(size.n, float) - jnp.arange(square.shape[0], dtype=float)
    roots = jnp.exp(chi_square.transformed(size.chi, square) / 2) * jnp.sqrt(jnp.maximum(degrees, 0))
    return sampling.bartlett(rest, roots, degrees)


def least_norm(w: Replace, f: LinearRegression, generations: int) -> tuple[int, np.ndarray, dict[str, np.ndarray]]:
    """The most rows below the dimension, sizes of fits to more rows, and columns: of `Replace` with some few rows."""
    sizes = np.asarray(w.sizes(generations), float)
    few = sizes < f.dimension
    return int(sizes[few].max()), np.where(few, f.dimension + 2, sizes), {"rows": sizes}


def few_rows(stream: Stream, f: Any, state: Any, row: Any, most: int) -> Any:
    """A fit to new rows, at most ``most`` of them where they are fewer than the covariates."""
    used = jnp.arange(most) < row["rows"]
    x, noise = jnp.split(normal(part(stream, 0), (most, f.dimension + 1)), (f.dimension,), axis=1)
    x = jnp.where(used[:, None], x, 0)
    answers = x @ (_coefficients(f) + state[0]) + jnp.where(used, _deviation(f) * noise[:, 0], 0)
    full = kernel.draw(part(stream, 1), f, state[0], row["size"], most)
    return jnp.where(row["rows"] < f.dimension, _shortest(x, answers, used) - _coefficients(f), full), ()


def _shortest(x: jax.Array, answers: jax.Array, used: Any = True) -> jax.Array:
    """The shortest w with x w = answers; rows that are not ``used`` are zero."""
    factor = linear.cholesky(x @ x.T + jnp.diag(jnp.where(used, 0.0, jnp.ones(x.shape[0]))))
    return x.T @ linear.backward(factor, linear.forward(factor, answers))


def _coefficients(f: LinearRegression) -> jax.Array:
    """The truth, in a direction that the rows know nothing of."""
    return jnp.full(f.dimension, jnp.sqrt(jnp.asarray(f.signal, float) / f.dimension))


def _deviation(f: LinearRegression) -> jax.Array:
    return jnp.sqrt(jnp.asarray(f.noise, float))


def _gram(f: LinearRegression, room: Any) -> Gram:
    return Gram(jnp.zeros((f.dimension, f.dimension), float))


def _root(f: LinearRegression, room: Any) -> Root:
    return Root(jnp.zeros((f.dimension, f.dimension), float))


def _real_gram(f: LinearRegression, room: Any) -> tuple[Gram, jax.Array]:
    return _gram(f, room), kernel.truth(f)  # of the real set: generation 1 puts it here


def _real_root(f: LinearRegression, room: Any) -> tuple[Root, jax.Array]:
    return _root(f, room), kernel.truth(f)


def _added(pool: Gram | Root, factor: jax.Array) -> Gram | Root:
    """The pool with the rows of one more batch."""
    if isinstance(pool, Gram):
        return Gram(pool.matrix + factor @ factor.T)
    return Root(kernel.triangle(jnp.concatenate([pool.factor.T, factor.T])))


def _solved(pool: Gram | Root, right: jax.Array) -> jax.Array:
    """The solution of the normal equations with this right side."""
    factor = pool.factor if isinstance(pool, Root) else linear.cholesky(pool.matrix)
    return linear.backward(factor, linear.forward(factor, right))


def _accumulate(stream: Stream, f: LinearRegression, state: Any, row: Any, most: int) -> Any:
    """Kept rows are answered by models that the newest has taken in: it solves all but the new noise."""
    model, pool = state
    factor, noise = batch(stream, f, row["size"])
    pool = _added(pool, factor)
    return model + _solved(pool, noise), pool


def _fixed(stream: Stream, f: LinearRegression, state: Any, row: Any, most: int) -> Any:
    """In generation 1 the new batch is the real set."""
    model, (real, real_noise) = state
    factor, noise = batch(stream, f, row["size"])
    pool = _added(real, factor)
    model = _solved(pool, real_noise + factor @ (factor.T @ model) + noise)
    return model, jax.tree.map(lambda new, old: jnp.where(row["first"], new, old), (pool, noise), (real, real_noise))


def _fresh(stream: Stream, f: LinearRegression, state: Any, row: Any, most: int) -> Any:
    model, empty = state
    real, real_noise = batch(part(stream, 0), f, row["real"])
    factor, noise = batch(part(stream, 1), f, row["size"])
    own, other = row["real_weight"], row["weight"]
    pool = _added(_added(empty, jnp.sqrt(own) * real), jnp.sqrt(other) * factor)
    return _solved(pool, own * real_noise + other * (factor @ (factor.T @ model) + noise)), empty


def one_design(
    w: Replace | FixedReal | FreshReal | Accumulate | Schedule, generations: int, directions: int
) -> tuple[Any, Any, Any, dict[str, np.ndarray]]:
    r"""Memory, step, room and columns of a pool on one design, whose sets all have its size, of rank ``directions``.

    Beside a Schedule: in the coordinates of the design :math:`u_m = a u_1 + b u_{m-1} + c z`.
    """
    later = np.ones(generations - 1)
    first = {"first": np.arange(generations) == 0}
    fits: tuple[float, float, np.ndarray]
    match w:
        case Replace():
            fits = (0, 1, later)
        case Accumulate():
            fits = (0, 1, 1 / np.arange(2, generations + 1))
        case FixedReal():
            fits = (0.5, 0.5, later / 2)
        case FreshReal():
            real = 0.5 if w.weight is None else float(w.weight)
            fits = (0, 1 - real, later * np.hypot(real, 1 - real))
        case Schedule():
            table = batches.batch_table(w.schedule(generations))
            models = np.arange(1, generations + 1)
            used = table.weight.shape[1]
            columns = {"model": models, "batch": table.batch, "source": table.source[..., 0], "weight": table.weight}
            room = np.zeros((used, directions)), np.zeros((generations + 1, directions))
            return _all_labels, _any_labels, room, first | columns
    kept, passed, noise = fits
    columns = {"kept": np.append(0, kept * later), "passed": np.append(0, passed * later), "noise": np.append(1, noise)}
    return _labels, _relabelled, np.zeros(directions), first | columns


def _design(stream: Stream, f: LinearRegression, design: jax.Array, row: Any) -> jax.Array:
    """The factor R of the design, of fewer rows than covariates the design itself: drawn in generation 1, and kept."""
    d = f.dimension

    def drawn() -> jax.Array:
        if design.shape[0] < d:
            return normal(stream, design.shape)
        square, rest = jnp.split(normal(stream, (d + sampling.triangle_size(d),)), (d,))
        return _bartlett(square, rest, row["size"])

    return lax.cond(row["first"], drawn, lambda: design)


def _outside(f: LinearRegression, design: jax.Array, inside: jax.Array) -> jax.Array:
    if design.shape[0] < f.dimension:  # inside are the errors of the answers
        return _shortest(design, design @ _coefficients(f) + _deviation(f) * inside) - _coefficients(f)
    return jnp.sqrt(jnp.asarray(f.noise, float)) * linear.backward(design, inside)


def _labels(f: LinearRegression, room: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The design; the first fit and the newest in its coordinates."""
    directions = room.shape[0]
    return jnp.eye(directions, f.dimension, dtype=float), jnp.zeros(directions, float), jnp.zeros(directions, float)


def _relabelled(stream: Stream, f: LinearRegression, state: Any, row: Any, most: int) -> Any:
    design, real, inside = state[1]
    design = _design(part(stream, 1), f, design, row)
    new = row["noise"] * normal(part(stream, 0), inside.shape)
    inside = row["kept"] * real + row["passed"] * inside + new
    return _outside(f, design, inside), (design, jnp.where(row["first"], inside, real), inside)


def _all_labels(f: LinearRegression, room: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The design; the fits to each batch, and all models, in its coordinates."""
    fits, models = (jnp.zeros(each.shape, float) for each in room)
    return jnp.eye(fits.shape[1], f.dimension, dtype=float), fits, models


def _any_labels(stream: Stream, f: LinearRegression, state: Any, row: Any, most: int) -> Any:
    design, fits, models = state[1]
    design = _design(part(stream, 1), f, design, row)
    new = models[row["source"]] + normal(part(stream, 0), (row["batch"].shape[0], models.shape[1]))
    fits = fits.at[row["batch"]].set(new, mode="drop")  # an empty slot is out of bounds
    inside = row["weight"] @ fits
    return _outside(f, design, inside), (design, fits, models.at[row["model"]].set(inside))
