r"""Accumulate-subsample on points: a pool that grows, and a fit on some of it.

The same point is trained on in several generations, and no sufficient statistic of a continuous law says which points it
came from: they are drawn, kept in the order in which they come, and read again. Which points are trained on: most of them by
leaps through the pool, most of the rest by leaps through what is left, the last by drawing numbers until enough are new.

That does not depend on the points. So it is drawn ahead, for all generations, by a program that all families share; and points
that no generation will be trained on need not be drawn.
"""

from __future__ import annotations

import math
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

from . import kernel, selection
from .logarithm import log
from .stream import Stream, apart, below, fold, packed, part, scaled, start, uniform

Ahead = tuple[dict[str, jax.Array], dict[str, jax.Array]]
BLOCK = 64  # points that are drawn at a time, where only some are
DEAR, MANY = 8, 256  # coordinates and points: to draw such sets takes longer than to find out who will be trained on
SPARE = 3.0  # roots of the number wanted by which leaps fall short of it
FEW, FEW_LEFT = 96, 256  # of which each is compared with each: of a whole set, of what leaps leave
AT_ONCE = 8  # with so many in one round of a loop


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
    return {"chosen": _drawn_ahead(distinct, streams, rows)}, {}


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


def distinct(stream: Stream, draws: int, items: Any) -> jax.Array:
    """``draws`` (static) different numbers below ``items`` >= ``draws``, every set equally likely: (draws,), in no order."""
    every = jnp.arange(draws, dtype=jnp.int32)
    return jnp.where(items == draws, every, _different(stream, draws, jnp.int32(draws), items))


def _different(stream: Stream, room: int, wanted: jax.Array, items: Any, level: int = 0) -> jax.Array:
    """``wanted`` <= ``room`` different numbers below ``items``; after them the places are filled with anything.

    Most are taken by leaps. The others are as many different ones of those not taken, which are numbered without gaps.
    """
    if room <= (FEW_LEFT if level else FEW):
        return _one_by_one(stream, room, wanted, items)
    taken, count = _leaps(part(stream, 0), room, wanted, items)
    rest = part(stream, 1) if level == 0 else fold(stream, level)
    others = _different(rest, _spare(room), wanted - count, items - count, level + 1)
    place = jnp.arange(room, dtype=jnp.int32)
    before = jnp.where(place < count, taken - place, items)  # how many that are not taken lie before each taken one
    others += jnp.searchsorted(before, others, side="right").astype(jnp.int32)
    return jnp.where(place < count, taken, others[jnp.clip(place - count, 0, others.shape[0] - 1)])


def _leaps(stream: Stream, room: int, wanted: jax.Array, items: Any) -> tuple[jax.Array, jax.Array]:
    """Items taken each by itself, with a chance that leaves a few of ``wanted`` to be taken: ascending, and how many.

    From one to the next it is a leap of geometric length. Given how many they are every set of them is equally likely, so
    that sets too large, or so small that more than `_spare` are left, may be drawn again.
    """
    chance = jnp.maximum(wanted - SPARE * jnp.sqrt(wanted.astype(float)), 0.0) / jnp.asarray(items, float)
    scale = jnp.where(chance > 0, 1 / jnp.log1p(-jnp.clip(chance, 1e-30, 0.999999)), -jnp.inf)
    limit = jnp.asarray(items, jnp.uint32)

    def turn(state: Any) -> Any:
        number, kept, count, pending = state
        height = uniform(stream, (room + 1,), number * np.uint32(room + 1))
        leaps = apart(stream, jnp.zeros(room + 1, float), lambda: log(height) * scale)
        steps = 1 + jnp.minimum(leaps, items).astype(jnp.uint32)
        at = jnp.cumsum(steps, dtype=jnp.uint32) - 1  # wraps round only after the first beyond the items
        beyond = at >= limit
        found = jnp.where(jnp.any(beyond), jnp.argmax(beyond), room + 1).astype(jnp.int32)
        wrong = (found > wanted) | (found + _spare(room) < wanted)
        kept = jnp.where(pending, at.astype(jnp.int32), kept)
        return number + 1, kept, jnp.where(pending, found, count), pending & wrong

    state = jnp.uint32(0), jnp.zeros(room + 1, jnp.int32), jnp.int32(0), jnp.asarray(True)
    _, taken, count, _ = lax.while_loop(lambda state: jnp.any(state[3]), turn, state)
    return taken[:room], count


def _spare(room: int) -> int:
    """How many are left to be drawn otherwise, at most."""
    return min(room, math.ceil(2 * SPARE * math.sqrt(room)))


def _one_by_one(stream: Stream, room: int, wanted: jax.Array, items: Any) -> jax.Array:
    """As `_different`: numbers are drawn, of which the new ones count."""
    room_for_all = -(-room // AT_ONCE) * AT_ONCE
    place = jnp.arange(room_for_all, dtype=jnp.int32)

    def turn(state: Any) -> Any:
        number, found, filled = state
        drawn, fair = scaled(packed(stream, room_for_all, number * np.uint32(room)), items)
        valid = jnp.where(fair & (place < room), drawn, -1)

        def known(old: jax.Array, some: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            for k in range(AT_ONCE):
                at, earlier, kept = (each[k] for each in some)
                old = old | (drawn == kept) | (drawn == earlier) & (place > at)
            return old, None

        # what is compared in the outer loop and with what in the inner one: ten times faster on a CPU than all pairs
        rows = tuple(each.reshape(-1, AT_ONCE) for each in (place, valid, found))
        new = ~lax.scan(known, valid < 0, rows)[0]
        at = filled + jnp.cumsum(new, dtype=jnp.int32) - 1
        found = found.at[jnp.where(new, at, room_for_all)].set(drawn, mode="drop")
        return number + 1, found, jnp.minimum(at[-1] + 1, wanted)

    state = jnp.uint32(0), jnp.full(room_for_all, -1, jnp.int32), jnp.int32(0)
    return lax.while_loop(lambda state: jnp.any(state[2] < wanted), turn, state)[1][:room]
