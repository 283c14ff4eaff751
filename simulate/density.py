r"""Kernel densities: pools of points, each drawn as another point plus noise of the bandwidth.

The model is its training points; what is observed of it is a `kernel.Density`. The truth is one too: a point at 0 with
the bandwidth of the truth. Where all data is kept a draw needs all points, but moments and the density at held-out points
take in the new ones alone, as running means: time in a generation does not grow.

`stored` runs any schedule on points that are all kept and fitted together, as a slow, independent witness.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import logsumexp

from modelcollapse.theory.family import KernelDensity
from modelcollapse.theory.workflow import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    Replace,
    Schedule,
    Workflow,
)

from . import kernel, sets, subsample
from .batches import batch_table
from .kernel import Density, truth
from .stream import Stream, below, fold, normal, part, uniform


class Store(NamedTuple):
    """Points (P, d) of the pool, held-out points (E, d), and the density whose data the next generation keeps."""

    points: jax.Array
    held_out: jax.Array
    kept: Density


def pool(f: KernelDensity, w: Workflow, generations: int) -> tuple[Any, ...]:
    """The fields of a `Pool`: memory, step, most, room, sizes, rows."""
    rows: dict[str, np.ndarray] = {"first": np.arange(generations) == 0, "width": _widths(f, generations)}
    sizes = kernel.Size(np.zeros(0))
    again = rescored(f) and isinstance(w, FixedReal | Accumulate)
    if isinstance(w, Schedule) or again or (f.compared and not isinstance(w, AccumulateSubsample)):
        return stored(f, w.schedule(generations))
    if isinstance(w, AccumulateSubsample):
        most, room, places = subsample.places(w, generations)
        step = _subsampled_again if w.replacement else _subsampled
        return _subsample, step, most, (np.zeros(room), np.zeros(int(w.train))), sizes, rows | places
    real, synthetic = (int(w.real), 0) if isinstance(w, Replace) else (int(w.real), int(w.synthetic))
    if isinstance(w, FreshReal):
        share = real / (real + synthetic) if w.weight is None else float(w.weight)
        rows |= {
            "share": _after(1, share, generations),
            "before": np.append([1, 1], np.full(generations, share))[:generations],
        }
        return _two_sets, _fresh, max(real, synthetic), (np.zeros(real), np.zeros(synthetic)), sizes, rows
    counts = np.asarray(w.sizes(generations) if isinstance(w, Replace) else _after(real, synthetic, generations), int)
    most, before = int(counts.max()), np.append(0, counts)[:-1]
    match w:
        case Replace():
            kept, offset = np.zeros(generations, int), np.zeros(generations, int)
        case FixedReal():
            kept = offset = _after(0, real, generations)
        case Accumulate():
            kept = offset = np.cumsum(before)
    total = kept + counts
    rows |= {
        "count": counts, "kept": kept / total, "offset": offset.astype(np.int32),
        "items": np.append(1, total)[:-1].astype(np.int32),
        "grows": np.full(generations, not isinstance(w, FixedReal)) | rows["first"],
    }  # fmt: skip
    return _points, _kept, most, np.zeros(int(offset.max()) + most), sizes, rows


def rescored(f: KernelDensity) -> bool:
    """Whether points that are kept have to be scored again, by kernels of another bandwidth."""
    return bool(f.held_out) and isinstance(f.bandwidth, tuple)


def _after(first: Any, later: Any, generations: int) -> np.ndarray:
    return np.append(first, np.full(generations - 1, later))


def _widths(f: KernelDensity, generations: int) -> np.ndarray:
    widths = f.bandwidth[:generations] if isinstance(f.bandwidth, tuple) else (f.bandwidth,) * generations
    return np.asarray(widths, float)


def _points(f: KernelDensity, room: Any) -> Store:
    return Store(jnp.zeros((room.shape[0], f.dimension), float), jnp.zeros((f.held_out, f.dimension), float), truth(f))


def _drawn(stream: Stream, points: jax.Array, width: jax.Array) -> jax.Array:
    return points + width * normal(stream, points.shape)


def _scored(stream: Stream, f: KernelDensity, held_out: jax.Array, row: Any) -> jax.Array:
    """The held-out points: drawn from the truth in generation 1, and kept."""
    if not f.held_out:
        return held_out
    return lax.cond(row["first"], lambda: _drawn(stream, jnp.zeros_like(held_out), truth(f).width), lambda: held_out)


def fitted(f: KernelDensity, points: jax.Array, shares: jax.Array, width: jax.Array, held_out: jax.Array) -> Density:
    """The model of points (P, d) with ``shares`` (P,), none below 0, summing to one."""
    mean = shares @ points
    spread = shares @ jnp.sum((points - mean) ** 2, axis=1)
    return Density(
        mean,
        spread,
        width,
        log_density(points, shares, width, held_out) if f.held_out else None,
        squared_difference(points, shares, width, f.variance) if f.compared else None,
    )


def squared_difference(points: jax.Array, shares: jax.Array, width: jax.Array, variance: Any) -> jax.Array:
    r""":math:`\int (f - g)^2` of a kernel density and the normal law at 0, from all pairs of points (P, d).

    Two kernels overlap by :math:`N(x_i - x_j; 0, 2 h^2)`. One point after another, for memory.
    """
    d = points.shape[1]

    def overlap(squares: jax.Array, spread: Any) -> jax.Array:
        return jnp.exp(-squares / (2 * spread)) / (2 * np.pi * spread) ** (d / 2)

    def one(place: jax.Array) -> jax.Array:
        pairs = shares @ overlap(jnp.sum((points - place) ** 2, axis=1), 2 * width**2)
        return pairs - 2 * overlap(jnp.sum(place**2), width**2 + variance)

    return shares @ lax.map(one, points) + overlap(jnp.zeros((), float), 2 * jnp.asarray(variance, float))


def log_density(points: jax.Array, shares: jax.Array, width: jax.Array, held_out: jax.Array) -> jax.Array:
    """Logarithm of a kernel density at the places ``held_out`` (E, d): (E,). One place after another, for memory."""
    logs, precision = jnp.log(shares), -0.5 / width**2

    def at(place: jax.Array) -> jax.Array:
        return logsumexp(logs + precision * jnp.sum((points - place) ** 2, axis=1))

    return lax.map(at, held_out) - points.shape[1] / 2 * jnp.log(2 * jnp.pi * width**2)


def mixed(kept: Any, old: Density, new: Density) -> Density:
    """The model of two sets of points together: the ``old`` at weight ``kept``, with kernels of the same width."""
    mean = kept * old.mean + (1 - kept) * new.mean
    between = kept * (1 - kept) * jnp.sum((old.mean - new.mean) ** 2)
    logs = None
    if old.logs is not None and new.logs is not None:
        logs = jnp.logaddexp(jnp.log(kept) + old.logs, jnp.log1p(-kept) + new.logs)
    return Density(mean, kept * old.spread + (1 - kept) * new.spread + between, new.width, logs)


def _kept(stream: Stream, f: KernelDensity, state: Any, row: Any, most: int) -> Any:
    """Replace, FixedReal, Accumulate: new points from the whole pool, and what is kept beside them."""
    model, store = state
    place = below(part(stream, 0), row["items"], (most,))
    new = _drawn(part(stream, 1), store.points[place], model.width)
    held_out = _scored(part(stream, 2), f, store.held_out, row)
    shares = (jnp.arange(most) < row["count"]).astype(float) / row["count"]
    model = mixed(row["kept"], store.kept, fitted(f, new, shares, row["width"], held_out))
    kept = jax.tree.map(lambda one, other: jnp.where(row["grows"], one, other), model, store.kept)
    # what is drawn too many lies where later points will be
    return model, Store(lax.dynamic_update_slice_in_dim(store.points, new, row["offset"], axis=0), held_out, kept)


def _two_sets(f: KernelDensity, room: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Real and synthetic points, and those held out."""
    real, synthetic = (jnp.zeros((each.shape[0], f.dimension), float) for each in room)
    return real, synthetic, jnp.zeros((f.held_out, f.dimension), float)


def _fresh(stream: Stream, f: KernelDensity, state: Any, row: Any, most: int) -> Any:
    model, (real, synthetic, held_out) = state
    n = synthetic.shape[0]
    own = part(stream, 0)
    of_real = uniform(part(own, 0), (n,)) < row["before"]
    place = below(part(own, 1), jnp.where(of_real, real.shape[0], n), (n,))
    chosen = jnp.where(of_real[:, None], real[jnp.minimum(place, real.shape[0] - 1)], synthetic[place % n])
    synthetic = _drawn(part(stream, 1), chosen, model.width)
    real = _drawn(part(stream, 2), jnp.zeros_like(real), truth(f).width)
    held_out = _scored(part(stream, 3), f, held_out, row)
    fits = (
        fitted(f, each, jnp.full(each.shape[0], 1 / each.shape[0]), row["width"], held_out)
        for each in (real, synthetic)
    )
    return mixed(row["share"], *fits), (real, synthetic, held_out)


def _subsample(f: KernelDensity, room: Any) -> tuple[Store, jax.Array]:
    """The pool, and the points of the model."""
    rows, train = room
    return _points(f, rows), jnp.zeros((train.shape[0], f.dimension), float)


def _subsampled(stream: Stream, f: KernelDensity, state: Any, row: Any, most: int) -> Any:
    """Different points of the pool."""
    store, data = _grown(stream, f, state, row, most)
    return _fit_some(f, store, sets.distinct(part(stream, 3), data.shape[0], row["items"]), row)


def _subsampled_again(stream: Stream, f: KernelDensity, state: Any, row: Any, most: int) -> Any:
    """Points of the pool drawn with replacement."""
    store, data = _grown(stream, f, state, row, most)
    return _fit_some(f, store, below(part(stream, 3), row["items"], (data.shape[0],)), row)


def _grown(stream: Stream, f: KernelDensity, state: Any, row: Any, most: int) -> tuple[Store, jax.Array]:
    model, (store, data) = state
    new = _drawn(part(stream, 1), data[below(part(stream, 0), data.shape[0], (most,))], model.width)
    points = lax.dynamic_update_slice_in_dim(store.points, new, row["offset"], axis=0)
    return Store(points, _scored(part(stream, 2), f, store.held_out, row), store.kept), data


def _fit_some(f: KernelDensity, store: Store, place: jax.Array, row: Any) -> Any:
    data = store.points[place]
    model = fitted(f, data, jnp.full(data.shape[0], 1 / data.shape[0]), row["width"], store.held_out)
    return model, (store, data)


def stored(f: KernelDensity, schedule: Schedule) -> tuple[Any, ...]:
    """The fields of the `Pool` of a schedule without a subsample: each point of a batch comes from one of some ranges.

    A range is a batch that a model of the source was fitted on, with the bandwidth of that model; the truth is one point at
    0 with its own.
    """
    table = batch_table(schedule)
    generations, used = table.weight.shape
    slots, sources = table.batch.shape[1], table.source.shape[-1]
    counts = table.sizes.astype(int)
    ends = np.cumsum(counts)
    starts, most = np.append(ends - counts, ends[-1]), int(counts.max())
    widths = np.append(float(f.variance) ** 0.5, _widths(f, generations))
    # of model k: the share of each batch in its data; the last is the point at 0
    shares = np.zeros((generations + 1, used + 1))
    shares[0, -1], shares[1:, :-1] = 1, table.weight
    law = (table.share[..., None] * shares[table.source]).reshape(generations, slots, -1)
    ranges = np.broadcast_to(np.arange(used + 1), (sources, used + 1)).ravel()
    rows = {
        "first": np.arange(generations) == 0, "width": widths[1:], "cumulated": np.cumsum(law, axis=-1),
        "from": np.broadcast_to(np.append(starts[:-1], ends[-1] + most)[ranges], law.shape).astype(np.int32),
        "items": np.broadcast_to(np.append(counts, 1)[ranges], law.shape).astype(np.int32),
        "widths": np.repeat(widths[table.source], used + 1, axis=-1), "offset": starts[table.batch].astype(np.int32),
        "shares": (table.weight / counts)[:, np.repeat(np.arange(used), counts)],
    }  # fmt: skip
    return _points, _scheduled, most, np.zeros(ends[-1] + most + 1), kernel.Size(np.zeros(0)), rows


def _scheduled(stream: Stream, f: KernelDensity, state: Any, row: Any, most: int) -> Any:
    store = state[1]
    held_out = _scored(part(stream, 2), f, store.held_out, row)

    def batch(points: jax.Array, slot: Any) -> tuple[jax.Array, None]:
        number, cumulated, first, items, widths, offset = slot
        own = fold(part(stream, 0), number)
        heights = uniform(part(own, 0), (most, 1)) * cumulated[-1]
        chosen = jnp.minimum(jnp.sum(heights >= cumulated, axis=1), cumulated.shape[0] - 1)
        place = first[chosen] + below(part(own, 1), items[chosen], (most,))
        new = points[place] + widths[chosen][:, None] * normal(part(own, 2), (most, f.dimension))
        return lax.dynamic_update_slice_in_dim(points, new, offset, axis=0), None

    numbers = jnp.arange(row["offset"].shape[0], dtype=jnp.uint32)
    slots = numbers, row["cumulated"], row["from"], row["items"], row["widths"], row["offset"]
    points = lax.scan(batch, store.points, slots)[0]
    used = row["shares"].shape[0]
    return fitted(f, points[:used], row["shares"], row["width"], held_out), Store(points, held_out, store.kept)
