"""Sets of different whole numbers below a bound, every set equally likely.

Most of them by leaps through all numbers, most of the rest by leaps through what is left, the last by drawing numbers until
enough are new.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .logarithm import log
from .stream import Stream, apart, fold, packed, part, scaled, uniform

SPARE = 3.0  # roots of the number wanted by which leaps fall short of it
FEW, FEW_LEFT = 96, 256  # of which each is compared with each: of a whole set, of what leaps leave
AT_ONCE = 8  # with so many in one round of a loop


def distinct(stream: Stream, draws: int, items: Any) -> jax.Array:
    """``draws`` (static) different numbers below ``items`` >= ``draws``, every set equally likely: (draws,), in no order."""
    every = jnp.arange(draws, dtype=jnp.int32)
    return jnp.where(items == draws, every, _different(stream, draws, jnp.int32(draws), items))


def _different(stream: Stream, room: int, wanted: jax.Array, items: Any, level: int = 0) -> jax.Array:
    """``wanted`` <= ``room`` different numbers below ``items``; after them the places are filled with anything.

    Most are taken by leaps. The others are as many different ones of those not taken, which are numbered without gaps.
    """
    if room <= (FEW_LEFT if level else FEW):
        return one_by_one(stream, room, wanted, items)
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


def one_by_one(stream: Stream, room: int, wanted: jax.Array, items: Any) -> jax.Array:
    """As `_different`: numbers are drawn, of which the new ones count. Where ``items`` is a float, so are they: up to 2^53."""
    wide = jnp.issubdtype(jnp.result_type(items), jnp.floating)
    room_for_all = -(-room // AT_ONCE) * AT_ONCE
    drawn_type = jnp.result_type(items) if wide else jnp.int32
    place = jnp.arange(room_for_all, dtype=jnp.int32)

    def turn(state: Any) -> Any:
        number, found, filled = state
        if wide:
            drawn, fair = (
                jnp.floor(uniform(stream, (room_for_all,), number * np.uint32(room_for_all)) * items),
                place >= 0,
            )
        else:
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

    state = jnp.uint32(0), jnp.full(room_for_all, -1, drawn_type), jnp.int32(0)
    return lax.while_loop(lambda state: jnp.any(state[2] < wanted), turn, state)[1][:room]
