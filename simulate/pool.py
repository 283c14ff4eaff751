r"""Pools: a workflow as the step from one generation to the next, on sufficient statistics.

A state is ``(model, memory)``: what is observed, and what the next generations need besides.

=====================  ==============================================================
workflow               memory
=====================  ==============================================================
Replace, FreshReal     none
FixedReal              the statistic of the real set
Accumulate             none: the model is the statistic of the pool
AccumulateSubsample    categorical: the counts of the pool; else the points themselves
Schedule               statistics of all batches and all models; with train: the points
=====================  ==============================================================

Points are needed where they are subsampled: the same point is trained on in several generations, and no
sufficient statistic of a continuous law says which points it came from (`simulate.points`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, assert_never

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from modelcollapse.theory.family import Categorical, Family
from modelcollapse.theory.workflow import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    Replace,
    Schedule,
    Workflow,
)

from . import batches, kernel, points, sampling

State = tuple[kernel.Model, Any]
Memory = Callable[[Family, Any], Any]
Step = Callable[[jax.Array, Family, State, Any, int], State]


class Pool(NamedTuple):
    """A workflow, ready to run: two pure functions and their tables.

    ``memory(family, room)`` is the memory at generation 0, whose model is the truth; the shape of ``room`` says
    how large it is. ``step(key, family, state, row, most)`` makes the next generation. ``rows`` (leading axis:
    generations 1, 2, ...) holds sizes and weights; ``most`` is a static bound on the samples in one draw.
    """

    memory: Memory
    step: Step
    most: int
    room: Any
    rows: dict[str, Any]


def pool(f: Family, w: Workflow, generations: int) -> Pool:
    """The pool of a workflow on sufficient statistics, or on points where there is no other way."""
    match w:
        case Replace():
            return _pool(_nothing, _replace, np.asarray(w.sizes(generations), float))
        case FixedReal():
            share = _share(w.real, w.synthetic)
            return _pool(_real_set, _fixed_real, _sizes(w, generations), kept=_after(0, share, generations))
        case FreshReal():
            share = _share(w.real, w.synthetic) if w.weight is None else float(w.weight)
            real = np.full(generations, float(w.real))
            return _pool(_nothing, _fresh_real, _sizes(w, generations), real=real,
                         kept=_after(1, share, generations))  # fmt: skip
        case Accumulate():
            sizes = _sizes(w, generations)
            return _pool(_nothing, _accumulate, sizes, kept=1 - sizes / np.cumsum(sizes))
        case AccumulateSubsample() if isinstance(f, Categorical):
            step = _urn_with_replacement if w.replacement else _urn_without_replacement
            return _pool(_urn, step, _sizes(w, generations), train=np.full(generations, float(w.train)))
        case AccumulateSubsample():
            return point_pool(w, generations)
        case Schedule():
            schedule = w.schedule(generations)
            return _batched(schedule) if schedule.train is None else point_pool(schedule, generations)
    assert_never(w)


def point_pool(w: Workflow, generations: int) -> Pool:
    """The pool of any workflow that draws, keeps and fits the points themselves: slow, an independent witness."""
    return Pool(*points.stored(w.schedule(generations)))


def _pool(memory: Memory, step: Step, size: np.ndarray, **columns: np.ndarray) -> Pool:
    rows = {"first": np.arange(len(size)) == 0, "size": size, **columns}
    bounded = [rows[name] for name in ("size", "real", "train") if name in rows]
    return Pool(memory, step, batches.power_above(bounded), (), rows)


def _share(real: Any, synthetic: Any) -> float:
    return float(real) / (float(real) + float(synthetic))


def _sizes(w: FixedReal | FreshReal | Accumulate | AccumulateSubsample, generations: int) -> np.ndarray:
    return _after(float(w.real), float(w.synthetic), generations)


def _after(first: float, later: float, generations: int) -> np.ndarray:
    return np.append(first, np.full(generations - 1, later))


def _sampled(key: jax.Array, f: Family, model: kernel.Model, row: Any, most: int) -> kernel.Model:
    """The statistic of the new samples of a generation: of the first, that of a corpus where there is one."""
    drawn = kernel.draw(key, f, model, row["size"], most)
    if isinstance(f, Categorical) and f.counts is not None:
        return jnp.where(row["first"], kernel.truth(f), drawn)
    return drawn


def _pair(f: Family, kept: Any, old: kernel.Model, new: kernel.Model) -> kernel.Model:
    stacked = jax.tree.map(lambda one, other: jnp.stack([one, other]), old, new)
    return kernel.combine(f, jnp.stack([kept, 1 - kept]), stacked)


def _nothing(f: Family, room: Any) -> tuple[()]:
    return ()


def _replace(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    return _sampled(key, f, state[0], row, most), ()


def _real_set(f: Family, room: Any) -> kernel.Model:
    return kernel.truth(f)  # generation 1 puts the real set here


def _fixed_real(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    drawn = _sampled(key, f, state[0], row, most)
    real = jax.tree.map(lambda old, new: jnp.where(row["first"], new, old), state[1], drawn)
    return _pair(f, row["kept"], real, drawn), real


def _fresh_real(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    real_key, synthetic_key = random.split(key)
    real = kernel.draw(real_key, f, kernel.truth(f), row["real"], most)
    synthetic = kernel.draw(synthetic_key, f, state[0], row["size"], most)
    return _pair(f, row["kept"], real, synthetic), ()


def _accumulate(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    return _pair(f, row["kept"], state[0], _sampled(key, f, state[0], row, most)), ()


def _urn(f: Family, room: Any) -> jax.Array:
    return jnp.zeros_like(kernel.truth(f))


def _urn_without_replacement(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    sample_key, train_key = random.split(key)
    counts = state[1] + jnp.round(_sampled(sample_key, f, state[0], row, most) * row["size"])
    return sampling.multivariate_hypergeometric(train_key, counts, row["train"], most) / row["train"], counts


def _urn_with_replacement(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    sample_key, train_key = random.split(key)
    counts = state[1] + jnp.round(_sampled(sample_key, f, state[0], row, most) * row["size"])
    return sampling.multinomial(train_key, row["train"], counts, most) / row["train"], counts


def _batched(schedule: Schedule) -> Pool:
    table = batches.batch_table(schedule)
    generations, used = table.weight.shape
    rows = {"model": np.arange(1, generations + 1), "batch": table.batch, "size": table.size,
            "source": table.source, "share": table.share, "weight": table.weight}  # fmt: skip
    room = np.zeros(used), np.zeros(generations + 1)
    return Pool(_statistics, _schedule, batches.power_above(table.size), room, rows)


def _statistics(f: Family, room: Any) -> tuple[kernel.Model, kernel.Model]:
    """Room for the statistics of all batches and for all models, filled with the truth."""
    used, models = (kernel.repeat(kernel.truth(f), each.shape[0]) for each in room)
    return used, models


def _schedule(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    _, (statistics, models) = state

    def batch(batch_key: jax.Array, source: jax.Array, share: jax.Array, size: jax.Array) -> kernel.Model:
        return kernel.mixture(batch_key, f, kernel.take(models, source), share, size, most)

    keys = random.split(key, row["batch"].shape[0])
    drawn = jax.vmap(batch)(keys, row["source"], row["share"], row["size"])
    statistics = kernel.put(statistics, row["batch"], drawn)  # an empty slot is out of bounds, and dropped
    model = kernel.combine(f, row["weight"], statistics)
    return model, (statistics, kernel.put(models, row["model"], model))
