r"""Accumulate-subsample on points: a pool that grows, and a fit on some of it.

The same point is trained on in several generations, and no sufficient statistic of a continuous law says which points it
came from: they are drawn, kept in the order in which they come, and read again. Which points are trained on (`simulate.sets`)
does not depend on the points. So it is drawn ahead, for all generations, by a program that all families share; and points
that no generation will be trained on need not be drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from modelcollapse.theory.family import Family, Gaussian
from modelcollapse.theory.workflow import AccumulateSubsample

from . import kernel, selection, sets
from .stream import Stream, below, fold, part, start

Ahead = tuple[dict[str, jax.Array], dict[str, jax.Array]]
BLOCK = 64  # points that are drawn at a time, where only some are
DEAR, MANY = 8, 256  # coordinates and points: to draw such sets takes longer than to find out who will be trained on


def places(w: AccumulateSubsample, generations: int) -> tuple[int, int, dict[str, np.ndarray]]:
    """The greatest batch, the room that the pool needs, and of each generation where its batch goes and how many there are."""
    real, synthetic = int(w.real), int(w.synthetic)
    offset = np.append(0, real + synthetic * np.arange(generations - 1)).astype(np.int32)
    most = max(real, synthetic)
    return most, int(offset[-1]) + most, {
        "first": np.arange(generations) == 0, "offset": offset,
        "items": (real + synthetic * np.arange(generations)).astype(np.int32),
    }  # fmt: skip


def growing(f: Family, w: AccumulateSubsample, generations: int) -> dict[str, Any]:
    """The fields of a `Pool`."""
    most, room, rows = places(w, generations)
    dear = getattr(f, "dimension", 1) >= DEAR and min(int(w.synthetic), int(w.train)) >= MANY
    return {
        "memory": _empty, "step": _with_replacement if w.replacement else _without_replacement, "most": most,
        "room": np.zeros(room + BLOCK * generations * dear), "sizes": kernel.Size(np.zeros(0)),
        "rows": rows | {"places": np.zeros((generations, int(w.train)))}, "again": True,
        "ahead": _bootstraps if w.replacement else _sets, "arranged": _packed if dear else None,
    }  # fmt: skip


def _empty(f: Family, room: Any) -> jax.Array:
    one = jax.eval_shape(lambda: kernel.points(start(jax.random.key(0)), f, kernel.truth(f), 1))
    return jnp.zeros((room.shape[0], *one.shape[1:]), one.dtype)


def _sets(streams: Stream, rows: Any) -> Ahead:
    """The places of the points that are trained on, each at most once: (chain, generation, train)."""
    return {"chosen": _drawn_ahead(sets.distinct, streams, rows)}, {}


def _bootstraps(streams: Stream, rows: Any) -> Ahead:
    """The same, drawn with replacement."""
    return {"chosen": _drawn_ahead(_repeated, streams, rows)}, {}


def _repeated(stream: Stream, draws: int, items: Any) -> jax.Array:
    return below(stream, items, (draws,))


def _drawn_ahead(draw: Callable[[Stream, int, Any], jax.Array], streams: Stream, rows: Any) -> jax.Array:
    """Sets of all chains, one generation after another: ``streams`` (generation, chain)."""
    train = rows["places"].shape[1]

    def generation(_: None, at: Any) -> tuple[None, jax.Array]:
        own, items = at
        return None, jax.vmap(lambda stream: draw(part(stream, 1), train, items))(own)

    return jnp.swapaxes(lax.scan(generation, None, (streams, rows["items"]))[1], 0, 1)


def _packed(own: Ahead, rows: Any, room: int) -> Ahead:
    """Places among the points that are trained on at all, and where those of each generation lie, in how many blocks.

    A generation draws as many blocks as the chain that needs the most, so that its points begin in the same place in all chains.
    """
    chosen = own[0]["chosen"]
    place = jnp.arange(room, dtype=jnp.int32)
    batch = jnp.searchsorted(rows["offset"], place, side="right") - 1

    def ranks(chosen: jax.Array) -> tuple[jax.Array, jax.Array]:
        used = jnp.zeros(room, jnp.int32).at[chosen.reshape(-1)].set(1)
        rank = jnp.cumsum(used) - used
        return rank, rank[jnp.append(rows["offset"], rows["items"][-1])]

    rank, first = lax.map(ranks, chosen)  # one chain after another: each is as large as its whole pool
    blocks = jnp.max((jnp.diff(first) + BLOCK - 1) // BLOCK, axis=0)
    offset = BLOCK * (jnp.cumsum(blocks) - blocks)

    def moved(each: Any) -> jax.Array:
        rank, first, chosen = each
        return (rank + (offset - first[:-1])[batch])[chosen]

    return {"chosen": lax.map(moved, (rank, first, chosen))}, {"offset": offset, "blocks": blocks}


def _without_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    points = _grown(stream, f, state, row, most)
    return kernel.fit(f, points[row["chosen"]], before=state[0]), points


def _with_replacement(stream: Stream, f: Family, state: Any, row: Any, most: int) -> Any:
    points = _grown(stream, f, state, row, most)
    return kernel.fit(f, points[row["chosen"]], repeated=True, before=state[0]), points


def _grown(stream: Stream, f: Family, state: Any, row: Any, most: int) -> jax.Array:
    """The pool, with the points of this generation; what is drawn too many lies where later ones will be."""
    points, law = state[1], selection.offered(f, state[0], row)
    own, train = part(stream, 0), row["places"].shape[0]

    def put(points: jax.Array, law: kernel.Model) -> jax.Array:
        if "blocks" not in row:
            new = selection.points(own, f, law, most, row, row["first"])
            return laid(points, new, row["offset"])

        upper = law.factor.T if isinstance(f, Gaussian) else None  # turned over once, not for each block

        def block(state: Any) -> Any:
            at, points = state
            from_law = law if upper is None else law._replace(factor=upper.T)
            new = selection.points(fold(own, at), f, from_law, BLOCK, row, row["first"])
            return at + 1, laid(points, new, row["offset"] + at * BLOCK)

        return lax.while_loop(lambda state: state[0] < row["blocks"], block, (jnp.int32(0), points))[1]

    if isinstance(f, Gaussian) and train < f.dimension:  # only the truth needs all columns of its factor
        return lax.cond(
            row["first"], lambda: put(points, law), lambda: put(points, law._replace(factor=law.factor[:, :train]))
        )
    return put(points, law)


@custom_vmap
def laid(points: jax.Array, new: jax.Array, offset: Any) -> jax.Array:
    """The pool (P, ...) with ``new`` points (N, ...) from ``offset`` on, where there is room for them."""
    return lax.dynamic_update_slice_in_dim(points, new, offset, axis=0)


@laid.def_vmap
def _laid(size: int, batched: list[bool], points: jax.Array, new: jax.Array, offset: Any) -> tuple[jax.Array, bool]:
    """In one place of all pools they are written as they are; JAX itself would read and compare the old ones before."""
    pools, several = (
        each if own else jnp.broadcast_to(each, (size, *each.shape))
        for own, each in zip(batched, (points, new), strict=False)
    )
    if batched[2]:
        return jax.vmap(partial(lax.dynamic_update_slice_in_dim, axis=0))(pools, several, offset), True
    return lax.dynamic_update_slice_in_dim(pools, several, offset, axis=1), True
