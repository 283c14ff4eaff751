r"""A table that writes its own text: windows are sampled token by token, and the next table is fitted to them.

How often a context occurs is now random and inherited, so that no closed form holds over many generations. One step is exact
all the same. With the table :math:`p` of a generation and the counts :math:`K_{ct}` of the tokens that it drew after the context
:math:`c`, :math:`n_c` in all,

.. math:: E \sum_t (K_{ct} - n_c p_c(t))^2 = G_c(p)\, E n_c, \qquad G_c(p) = 1 - \sum_t p_c(t)^2

(Wald's second identity: each draw after c is a fresh one, whenever it is made). The identity of `Replace`,
:math:`E[G_c' | n_c] = G_c (1 - 1/n_c)`, holds given counts that are fixed beforehand, as that of the start of windows is;
where the drawn tokens themselves bring the counts about it holds only nearly. Both are recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse.theory import Accumulate, Replace
from modelcollapse.theory import arguments as arg

from .tabular import TabularLM, counted, pair_codes

OBSERVED = ("error", "diversity", "alive", "drift", "visited", "unvisited_share", "unknown", "wald", "shrinkage",
            "start_shrinkage")  # fmt: skip


@dataclass(frozen=True, eq=False)
class FreeRun:
    r"""Observables (chain, generation) of tables fitted to their own text; means are weighted by the real counts :math:`N_j`.

    ``error``, ``diversity``, ``drift``: over the contexts that the table has (``drift``: that the first one had too). ``alive``:
    pairs (context, token). ``visited``: contexts that the table has; ``unvisited_share``: share of the real text that follows
    the others, which are left out. ``unknown``: tokens drawn after a context of which the table before knew nothing.
    ``wald``: :math:`\sum_c \left[\sum_t (K_{ct} - n_c p_c(t))^2 - n_c G_c\right] / n`, of mean 0 exactly.
    ``shrinkage``: :math:`\sum_c n_c [G_c' - (1 - 1/n_c) G_c] / n` over the new text, of mean 0 where counts are fixed beforehand;
    ``start_shrinkage``: the same for the context of the start alone, of mean 0 exactly.
    """

    table: TabularLM
    w: Replace | Accumulate
    error: np.ndarray
    diversity: np.ndarray
    alive: np.ndarray
    drift: np.ndarray
    visited: np.ndarray
    unvisited_share: np.ndarray
    unknown: np.ndarray
    wald: np.ndarray
    shrinkage: np.ndarray
    start_shrinkage: np.ndarray


def free_run(
    table: TabularLM,
    w: Replace | Accumulate,
    length: int,
    generations: int,
    chains: int,
    rng: np.random.Generator,
) -> FreeRun:
    """Independent chains of tables that write windows of ``length`` tokens, sizes of ``w`` counted in tokens.

    The first text is written by ``table`` itself: of real text it would not be independent draws. After a context of which a
    table knows nothing, which a window may reach where no training window went on, it draws a token regardless of context.

    Raises InputError for other workflows, and for sizes that are not whole windows.

    >>> from modelcollapse import theory
    >>> from modelcollapse.lm import tabular
    >>> table = tabular.fit(np.array([[1, 2, 1, 2], [1, 1, 1, 2]]), 1, vocabulary=3)
    >>> run = free_run(table, theory.Replace(8), 4, generations=3, chains=2, rng=np.random.default_rng(0))
    >>> run.error.shape, bool(np.all(run.visited <= 3))
    ((2, 3), True)
    """
    sizes = _sizes(w, generations)
    if isinstance(length, bool) or length < 1 or any(size % length for size in sizes):
        raise arg.refuse("free_run", "length", length, f"windows of so many tokens make up each size exactly: {sizes}")
    seen: dict[str, np.ndarray] = {name: np.zeros((chains, generations)) for name in OBSERVED}
    for chain, own in enumerate(rng.spawn(chains)):
        model, first, pool = table, None, np.zeros(0, np.int64)
        for generation, size in enumerate(sizes):
            tokens, unknown = write(model, size // length, length, own)
            new = pair_codes(tokens, table.order, table.vocabulary, table.start).ravel()
            pool = new if isinstance(w, Replace) else np.append(pool, new)
            before, batch = model, _table(new, table)
            model = batch if isinstance(w, Replace) else _table(pool, table)
            first = model if first is None else first
            row = {**_observed(table, first, model), **_innovations(before, batch), "unknown": unknown}
            for name, value in row.items():
                seen[name][chain, generation] = value
    return FreeRun(table, w, **seen)


def write(table: TabularLM, windows: int, length: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """(windows, length) tokens written by a table, each one of those seen after its context; and how many had none.

    >>> from modelcollapse.lm import tabular
    >>> table = tabular.fit(np.array([[1, 2, 3]]), 1, vocabulary=4)
    >>> write(table, 1, 3, np.random.default_rng(0))[0].tolist()
    [[1, 2, 3]]
    """
    known = np.repeat(table.token, table.count)  # by context: a draw is a place in it
    bound = np.append(0, np.cumsum(table.count))[table.first]
    contexts = table.vocabulary**table.order
    place = np.full(contexts, -1)
    place[table.context] = np.arange(len(table.context))
    context = np.full(windows, _start(table))
    tokens, unknown = np.zeros((windows, length), np.int64), 0
    for at in range(length):
        here = place[context]
        unknown += int(np.count_nonzero(here < 0))
        low, high = np.where(here < 0, 0, bound[here]), np.where(here < 0, len(known), bound[here + 1])
        tokens[:, at] = known[rng.integers(low, high)]
        context = (context * table.vocabulary + tokens[:, at]) % contexts
    return tokens, unknown


def _sizes(w: Any, generations: int) -> list[int]:
    match w:
        case Replace():
            return [int(size) for size in w.sizes(generations)]
        case Accumulate():
            return [int(w.real), *[int(w.synthetic)] * (generations - 1)]
    raise arg.refuse("free_run", "w", w, "Replace or Accumulate: for other workflows fix the context counts")


def _start(table: TabularLM) -> int:
    """The context in which a window begins."""
    return sum(table.start * table.vocabulary**digit for digit in range(table.order))


def _table(codes: np.ndarray, like: TabularLM) -> TabularLM:
    return counted(codes, like.order, like.vocabulary, like.start)


def _shares(table: TabularLM) -> np.ndarray:
    """(P,) probability of each pair given its context."""
    return table.count / np.repeat(table.seen, np.diff(table.first))


def _found(table: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where ``wanted`` numbers are in an ascending table, and which are there."""
    at = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return at, table[at] == wanted


def _shares_in(other: TabularLM, table: TabularLM) -> np.ndarray:
    """(P,) what ``other`` gives to the pairs of ``table``; 0 where it has none."""
    at, there = _found(other.code, table.code)
    return np.where(there, _shares(other)[at], 0.0)


def _by_context(values: np.ndarray, table: TabularLM) -> np.ndarray:
    return np.add.reduceat(values, table.first[:-1])


def _observed(truth: TabularLM, first: TabularLM, model: TabularLM) -> dict[str, float]:
    own = _shares(model)
    squares = _by_context(own**2, model)
    at, real = _found(truth.context, model.context)
    weight = np.where(real, truth.seen[at], 0)
    true_squares = _by_context(_shares(truth) ** 2, truth)[at]
    error = squares - 2 * _by_context(own * _shares_in(truth, model), model) + true_squares
    old = _shares_in(first, model)
    drift = _by_context(np.abs(own - old) - old, model) + 1  # tokens that only the first model has: what is left of 1
    both = weight * _found(first.context, model.context)[1]
    return {
        "error": weight @ error / weight.sum(),
        "diversity": weight @ (1 - squares) / weight.sum(),
        "alive": model.pairs,
        "drift": both @ drift / both.sum(),
        "visited": len(model.context),
        "unvisited_share": 1 - weight.sum() / truth.size,
    }


def _innovations(before: TabularLM, batch: TabularLM) -> dict[str, float]:
    """What the counts of a batch are beyond what the table that wrote it makes them on average."""
    at, known = _found(before.context, batch.context)
    true_squares = _by_context(_shares(before) ** 2, before)[at]
    n = batch.seen
    squares, cross = _by_context(batch.count**2, batch), _by_context(batch.count * _shares_in(before, batch), batch)
    wald = squares - 2 * n * cross + n**2 * true_squares - n * (1 - true_squares)
    shrinkage = n * ((1 - squares / n**2) - (1 - 1 / n) * (1 - true_squares))
    start = int(np.searchsorted(batch.context, _start(batch)))
    return {
        "wald": known @ wald / batch.size,
        "shrinkage": known @ shrinkage / batch.size,
        "start_shrinkage": shrinkage[start] / n[start],
    }
