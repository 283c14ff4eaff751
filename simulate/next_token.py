r"""Next-token models that are their text: Zipf's law without end, and pairs of a real text with shared contexts.

A sample is a window of tokens, and the model its training windows with a weight each. A token that it writes is one of those
that follow the same context in them: an occurrence, so that no table of the vocabulary is made. Occurrences lie in the order of
their contexts and tokens; of a `Zipf` there is one context, and a window is one token. Temperature and top-p give each occurrence
a share of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import zeta

from modelcollapse.theory import arguments as arg
from modelcollapse.theory.family import Bigram, Zipf
from modelcollapse.theory.selection import Step, Temperature, TopP
from modelcollapse.theory.workflow import AccumulateSubsample, Schedule, Workflow

from . import kernel, places, selection, sets, subsample
from .batches import batch_table
from .stream import Stream, below, fold, part, uniform

Text = Zipf | Bigram
NONE = np.int32(2**31 - 1)  # greater than any pair: the place is empty
LARGEST = 2.0**31 - 1  # tokens of a Zipf from here on are told apart by where they were drawn: no two are the same
HEAD = 1024  # tokens of a Zipf that are asked for one by one


class Law(NamedTuple):
    """Occurrences (N,) in the order of their contexts.

    Of the context c those whose place in ``cumulated`` (N,) lies between ``bound[c]`` and ``bound[c + 1]`` (C + 1,), each with a
    chance in proportion to its share: whole numbers where shares are, else floats. ``cumulated`` is None where every share is 1.
    """

    token: jax.Array
    bound: jax.Array
    cumulated: jax.Array | None = None


class Table(NamedTuple):
    """Occurrences (N,), sorted by context and token, which are one number, the ``pair``, NONE where there is no occurrence.

    ``weight``: of each. ``first``: the place of the first one of the same pair. ``own``: weight of all of the same pair;
    ``total`` (C,): of all of the same context; ``context``: of each.
    """

    pair: jax.Array
    weight: jax.Array
    first: jax.Array
    own: jax.Array
    total: jax.Array
    context: jax.Array


def pool(f: Text, w: Workflow, generations: int, steps: tuple[Step, ...]) -> tuple[Any, ...]:
    """The fields of a `Pool`: memory, step, most, room, sizes, rows."""
    nothing = kernel.Size(np.zeros(0))
    of_law = any(isinstance(each, selection.OF_LAWS) for each in steps)
    if isinstance(w, AccumulateSubsample):
        most, store, rows = subsample.places(w, generations)
        rows |= {"places": np.zeros((generations, int(w.train)))}
        step = _with_replacement if w.replacement else _without_replacement
        return _memory, step, most, (np.zeros(store), np.zeros(int(w.train)), np.zeros(int(of_law))), nothing, rows
    table = batch_table(w.schedule(generations))
    store, rows = places.placed(table)
    most, batches = int(table.sizes.max()), len(table.sizes)
    rows |= {"first": np.arange(generations) == 0, "of_truth": table.source[..., 0] == 0,
             "number": (np.minimum(table.batch, batches - 1) * most).astype(np.int32)}  # fmt: skip
    each = rows["weight"] / np.maximum(rows["count"], 1)
    even = bool(np.all((each == 0) | np.isclose(each, each.max(axis=1, keepdims=True), rtol=1e-12, atol=0)))
    room = np.zeros(store), np.zeros(store), np.zeros(int(of_law or not even))
    return _memory, _even if even else _weighted, most, room, nothing, rows


def check(f: Text, w: Workflow, generations: int) -> None:
    """Refuse batches of models older than the newest, whose text is gone."""
    if not isinstance(w, Schedule):
        return
    table = batch_table(w.schedule(generations))
    newest = np.arange(generations)[:, None, None]
    if table.source.shape[-1] > 1 or not np.all((table.source == 0) | (table.source == newest)) or w.train is not None:
        raise arg.refuse("chains", "w", w, f"a {type(f).__name__} is simulated under schedules without train, whose batches each "
                         "come from the truth or from the newest model")  # fmt: skip


def _length(f: Text) -> int:
    return f.length if isinstance(f, Bigram) else 1


def _contexts(f: Text) -> int:
    return f.vocabulary + 1 if isinstance(f, Bigram) else 1


def _memory(f: Text, room: Any) -> tuple[jax.Array, Law]:
    """The store of windows, and the law of the newest model: before generation 1 nothing is read of them."""
    store, fitted, shares = (each.shape[0] for each in room)
    size, kind = fitted * _length(f), float if shares else jnp.int32
    cumulated = jnp.zeros(size, float) if shares else None
    law = Law(jnp.zeros(size, jnp.int32), jnp.zeros(_contexts(f) + 1, kind), cumulated)
    return jnp.zeros((store, _length(f)), jnp.int32), law


def _even(stream: Stream, f: Text, state: Any, row: Any, most: int) -> Any:
    """A fit in which all windows weigh alike."""
    windows = _drawn(stream, f, state, row, most)
    return _fitted(f, windows, windows, places.weights(row, windows.shape[0]) > 0, row)


def _weighted(stream: Stream, f: Text, state: Any, row: Any, most: int) -> Any:
    windows = _drawn(stream, f, state, row, most)
    return _fitted(f, windows, windows, places.weights(row, windows.shape[0]), row)


def _drawn(stream: Stream, f: Text, state: Any, row: Any, most: int) -> jax.Array:
    """The store, with the batches of this generation in their places."""

    def batch(windows: jax.Array, slot: Any) -> tuple[jax.Array, None]:
        own, of_truth, offset, added, number = slot
        new = _new(fold(stream, own), f, state[1][1], row, of_truth, number, most)
        return places.written(windows, new, offset, added), None

    numbers = jnp.arange(row["offset"].shape[0], dtype=jnp.uint32)
    slots = numbers, *(row[name] for name in ("of_truth", "offset", "added", "number"))
    return lax.scan(batch, state[1][0], slots)[0]


def _without_replacement(stream: Stream, f: Text, state: Any, row: Any, most: int) -> Any:
    store = _grown(stream, f, state, row, most)
    chosen = sets.distinct(part(stream, 1), row["places"].shape[0], row["items"])
    return _fitted(f, store, store[chosen], jnp.ones(chosen.shape, bool), row)


def _with_replacement(stream: Stream, f: Text, state: Any, row: Any, most: int) -> Any:
    store = _grown(stream, f, state, row, most)
    chosen = below(part(stream, 1), row["items"], row["places"].shape)
    return _fitted(f, store, store[chosen], jnp.ones(chosen.shape, bool), row)


def _grown(stream: Stream, f: Text, state: Any, row: Any, most: int) -> jax.Array:
    """The pool of an accumulate-subsample with the windows of this generation."""
    store, law = state[1]
    new = _new(part(stream, 0), f, law, row, row["first"], row["offset"], most)
    return lax.dynamic_update_slice_in_dim(store, new, row["offset"], axis=0)


def _new(stream: Stream, f: Text, law: Law, row: Any, of_truth: Any, number: Any, most: int) -> jax.Array:
    """``most`` windows of the truth, or of the newest model after all steps."""

    def draw(own: Stream) -> jax.Array:
        return lax.cond(of_truth, lambda: _true_windows(own, f, number, most), lambda: written(own, f, law, most))

    return selection.chosen(stream, draw, f, row.get("steps", ()), of_truth)


def _true_windows(stream: Stream, f: Text, number: Any, n: int) -> jax.Array:
    """``n`` windows of the truth; ``number`` tells tokens of a Zipf apart that have no number."""
    if isinstance(f, Bigram):
        return written(stream, f, table_law(f), n)
    alone = -1 - number - jnp.arange(n, dtype=jnp.int32)
    rank = zipf_ranks(stream, f.exponent, n)
    return jnp.where(rank > 0, rank, alone)[:, None]


def zipf_ranks(stream: Stream, exponent: Any, n: int) -> jax.Array:
    r"""``n`` ranks of Zipf's law (n,), in double precision whatever the current one: by rejection (Devroye 1986, X.6.1).

    :math:`X = \lfloor U^{-1/(s-1)} \rfloor` is kept with the chance that makes its law :math:`X^{-s}/\zeta(s)`; 0 stands for
    those from LARGEST on.
    """
    with jax.enable_x64(True):
        above = jnp.asarray(exponent, jnp.float64) - 1

        def turn(state: Any) -> Any:
            at, rank, pending = state
            height, chance = uniform(fold(stream, at), (2, n))
            x = jnp.floor(jnp.minimum(jnp.exp(-jnp.log(height) / above), 2.0**60))
            more = jnp.expm1(above * jnp.log1p(1 / x))  # (1 + 1/x)^(s-1) - 1
            kept = chance * x * more / jnp.expm1(above * jnp.log(2.0)) <= (1 + more) / 2**above
            return at + 1, jnp.where(pending, x, rank), pending & ~kept

        state = jnp.uint32(0), jnp.ones(n, jnp.float64), jnp.ones(n, bool)
        rank = lax.while_loop(lambda state: jnp.any(state[2]), turn, state)[1]
        return jnp.where(rank < LARGEST, rank, 0.0).astype(jnp.int32)


def table_law(f: Bigram) -> Law:
    """The law of the truth: counts are whole shares."""
    cumulated = jnp.cumsum(jnp.asarray(f.count, jnp.int32))
    starts = jnp.searchsorted(jnp.asarray(f.context), jnp.arange(_contexts(f) + 1))
    return Law(jnp.asarray(f.token, jnp.int32), jnp.append(0, cumulated)[starts].astype(jnp.int32), cumulated)


def written(stream: Stream, f: Text, law: Law, n: int) -> jax.Array:
    """``n`` windows (n, L), token by token, each one of those that the law has for the token before it.

    After a context of which it has none a token is drawn regardless of context.
    """

    def turn(context: jax.Array, at: Any) -> tuple[jax.Array, jax.Array]:
        own, known = fold(stream, at), law.bound[context] < law.bound[context + 1]
        low = jnp.where(known, law.bound[context], law.bound[0])
        high = jnp.where(known, law.bound[context + 1], law.bound[-1])
        if jnp.issubdtype(law.bound.dtype, jnp.integer):
            height = low + below(own, high - low, (n,))
        else:
            height = jnp.minimum(low + uniform(own, (n,)) * (high - low), jnp.nextafter(high, low))
        place = height if law.cumulated is None else jnp.searchsorted(law.cumulated, height, side="right")
        token = law.token[jnp.clip(place, 0, law.token.shape[0] - 1)]
        return token if isinstance(f, Bigram) else context, token

    begin = jnp.full(n, _contexts(f) - 1, jnp.int32)
    return lax.scan(turn, begin, jnp.arange(_length(f), dtype=jnp.uint32))[1].T


def _fitted(f: Text, store: jax.Array, windows: jax.Array, weights: jax.Array, row: Any) -> Any:
    """The model of windows with ``weights``, or with True where a window counts as much as another."""
    table = tabled(f, windows, weights)
    steps = tuple(step for step in row.get("steps", ()) if isinstance(step, selection.OF_LAWS))
    return observed(f, table), (store, law(f, table, steps, whole=weights.dtype == bool and not steps))


def _context(f: Text, pair: jax.Array) -> jax.Array:
    return pair // (f.vocabulary + 1) if isinstance(f, Bigram) else jnp.zeros_like(pair)


def tabled(f: Text, windows: jax.Array, weights: jax.Array) -> Table:
    """The occurrences in windows (n, L) int32, each as heavy as its window (n,); those without weight come last."""
    pair = selection.window_pairs(f, windows) if isinstance(f, Bigram) else windows
    pair = jnp.where(weights[:, None] > 0, pair, NONE).reshape(-1)
    if weights.dtype == bool:
        pair = lax.sort(pair)
        weight = (pair != NONE).astype(float)
    else:
        pair, weight = lax.sort((pair, jnp.repeat(weights, _length(f))), num_keys=1)
    first = jnp.searchsorted(pair, pair)
    context = jnp.where(pair == NONE, _contexts(f), _context(f, pair))
    return Table(pair, weight, first, *_sums(f, weight, first, context), context)


def _sums(f: Text, weight: jax.Array, first: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights of occurrences (N,) added up over each one's pair (N,), and over contexts (C,)."""
    own = jnp.zeros_like(weight).at[first].add(weight)[first]
    return own, jnp.zeros(_contexts(f), weight.dtype).at[context].add(weight, mode="drop")


def law(f: Text, table: Table, steps: tuple[Step, ...], whole: bool) -> Law:
    """The law of a fitted table after steps; ``whole``: every occurrence has the same share, and is counted."""
    contexts = jnp.arange(_contexts(f) + 1)
    starts = jnp.searchsorted(table.context, contexts)
    token = table.pair % (f.vocabulary + 1) if isinstance(f, Bigram) else table.pair
    if whole:
        return Law(token, starts.astype(jnp.int32))
    share, own, total = table.weight, table.own, table.total
    for step in steps:
        share = after(step, table, share, own, total)
        own, total = _sums(f, share, table.first, table.context)
    cumulated = jnp.cumsum(share)
    return Law(token, jnp.append(0.0, cumulated)[starts], cumulated)


def after(step: Step, table: Table, share: jax.Array, own: jax.Array, total: jax.Array) -> jax.Array:
    """Shares (N,) of occurrences after a step, of which ``own`` (N,) adds up those of a pair, and ``total`` (C,) of a context."""
    if isinstance(step, Temperature):
        greatest = jnp.zeros_like(total).at[table.context].max(own, mode="drop")[table.context]
        powers = jnp.exp((1 / step.temperature - 1) * jnp.log(own / jnp.where(greatest > 0, greatest, 1.0)))
        return jnp.where(own > 0, share * powers, 0.0)
    assert isinstance(step, TopP)
    place = jnp.arange(share.shape[0])
    context, _, first, order = lax.sort((table.context, -own, table.first, place), num_keys=3)
    upto = jnp.cumsum(share[order])
    inside = upto - share[order]
    of_pair = jnp.full_like(share, jnp.inf).at[first].min(inside)
    of_context = jnp.full_like(total, jnp.inf).at[context].min(inside, mode="drop")
    before = of_pair[table.first] - of_context[table.context]
    return jnp.where(before < selection.reached(step.mass) * total[table.context], share, 0.0)


def observed(f: Text, table: Table) -> kernel.NextToken:
    """The observables of a table, each context at its weight in the truth."""
    head = (jnp.arange(table.pair.shape[0]) == table.first) & (table.pair != NONE)
    p = jnp.where(head, table.own / table.total[table.context], 0.0)
    alive = jnp.sum(head).astype(float)
    if isinstance(f, Zipf):
        q, square, lost = _zipf_rest(f, table, head)
        error = jnp.sum(jnp.where(head, (p - q) ** 2, 0.0)) + square
        return kernel.NextToken(error, jnp.sum(p * (1 - p)), alive, lost)
    pairs = selection.true_pairs(f)
    counts = jnp.asarray(f.count, float)
    seen = jnp.zeros(_contexts(f), float).at[jnp.asarray(f.context)].add(counts)
    share = counts / seen[jnp.asarray(f.context)]
    visited = table.total > 0
    weight = jnp.where(visited, seen, 0.0) / jnp.sum(jnp.where(visited, seen, 0.0))
    at, true = selection.found(pairs, table.pair)
    q = jnp.where(true, share[at], 0.0)
    dead = ~selection.found(table.pair, pairs)[1]
    own = weight[jnp.clip(table.context, 0, _contexts(f) - 1)]
    error = jnp.sum(jnp.where(head, own * (p - q) ** 2, 0.0))
    error += jnp.sum(jnp.where(dead, weight[jnp.asarray(f.context)] * share**2, 0.0))
    missing = jnp.sum(jnp.where(dead, counts, 0.0)) / jnp.sum(counts)
    return kernel.NextToken(error, jnp.sum(own * p * (1 - p)), alive, missing)


def _zipf_rest(f: Zipf, table: Table, head: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The true probability of each occurrence's token, the sum of squares of those of dead tokens, and their sum.

    Of the first tokens one by one; of the others what is left of zeta's sum, which is worked out in double precision.
    """
    with jax.enable_x64(True):
        s = jnp.asarray(f.exponent, jnp.float64)
        scale = zeta(s, 1.0)
        squares, rest = zeta(2 * s, 1.0 + HEAD) / scale**2, zeta(s, 1.0 + HEAD) / scale
        q = jnp.where(
            table.pair > 0, jnp.exp(-s * jnp.log(jnp.maximum(table.pair, 1).astype(jnp.float64))) / scale, 0.0
        )
        later = jnp.where(head & (table.pair > HEAD), q, 0.0)
        squares, rest = squares - jnp.sum(later**2), rest - jnp.sum(later)
        early = jnp.arange(1, HEAD + 1, dtype=jnp.int32)
        alive = selection.found(table.pair, early)[1]
        dead = jnp.where(~alive, jnp.exp(-s * jnp.log(early.astype(jnp.float64))) / scale, 0.0)
        found = q, squares + jnp.sum(dead**2), rest + jnp.sum(dead)
    kind = table.own.dtype
    return found[0].astype(kind), found[1].astype(kind), found[2].astype(kind)
