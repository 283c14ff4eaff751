r"""Pools: a workflow as the step from one generation to the next, on sufficient statistics.

A `Pool` is two pure functions and their tables. ``start`` gives the state at generation 1, ``step`` moves it by one
row of the table; a state is ``(model, memory)``: what is observed, and what the next generations need besides.

=====================  ==============================================================
workflow               memory
=====================  ==============================================================
Replace, FreshReal     none
FixedReal              the statistic of the real set
Accumulate             none: the model is the statistic of the pool
AccumulateSubsample    categorical: the counts of the pool; else the points themselves
Schedule               statistics of all batches and all models; with train: the points
=====================  ==============================================================

Points are needed where they are subsampled: the same point is trained on in several generations, and no sufficient
statistic of a continuous law says which points it came from (`simulate.points`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

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

from . import kernel, points, sampling
from .batches import batch_table, power_above

State = tuple[kernel.Model, Any]
Start = Callable[[jax.Array, Family, Any, int], State]
Step = Callable[[jax.Array, Family, State, Any, int], State]


@dataclass(frozen=True)
class Pool:
    """The step of a workflow.

    ``start(key, family, first, most)`` and ``step(key, family, state, row, most)`` are pure; ``first`` and ``rows``
    (leading axis: generations 2, 3, ...) hold sizes and weights as arrays; ``most`` is a static bound on the
    number of samples in one draw, a power of two.
    """

    start: Start
    step: Step
    most: int
    first: Any
    rows: Any


def pool(f: Family, w: Workflow, generations: int) -> Pool:
    """The pool of a workflow that works on sufficient statistics, for ``generations`` generations."""
    later = generations - 1
    match w:
        case Replace():
            sizes = _floats(w.sizes(generations))
            return Pool(_real, _replace, power_above(sizes), sizes[0], sizes[1:])
        case FixedReal() | FreshReal():
            real, synthetic = float(w.real), float(w.synthetic)
            weight = getattr(w, "weight", None)
            share = real / (real + synthetic) if weight is None else float(weight)
            rows = np.tile([real, synthetic, share, 1 - share], (later, 1))
            start, step = (_fixed, _fixed_real) if isinstance(w, FixedReal) else (_real, _fresh_real)
            return Pool(start, step, power_above([real, synthetic]), real, rows)
        case Accumulate():
            real, synthetic = float(w.real), float(w.synthetic)
            before = real + synthetic * np.arange(later)
            share = synthetic / (before + synthetic)
            rows = np.stack([np.full(later, synthetic), 1 - share, share], axis=1)
            return Pool(_real, _accumulate, power_above([real, synthetic]), real, rows)
        case AccumulateSubsample() if isinstance(f, Categorical):
            real, synthetic, train = float(w.real), float(w.synthetic), float(w.train)
            start, step = (_with, _subsample_with) if w.replacement else (_without, _subsample_without)
            rows = np.tile([synthetic, train], (later, 1))
            return Pool(start, step, power_above([real, synthetic, train]), np.array([real, train]), rows)
        case AccumulateSubsample():
            return _stored(w.schedule(generations))
        case Schedule():
            schedule = w.schedule(generations)
            return _stored(schedule) if schedule.train is not None else _batched(schedule)
    assert_never(w)


def point_pool(f: Family, w: Workflow, generations: int) -> Pool:
    """The pool of any workflow that draws, keeps and fits the points themselves: slow, an independent witness."""
    return _stored(w.schedule(generations))


def _floats(values: Any) -> np.ndarray:
    return np.asarray(values, float)


def real_set(key: jax.Array, f: Family, n: Any, most: int) -> kernel.Model:
    """The statistic of ``n`` real samples; of a corpus, its own frequencies."""
    if isinstance(f, Categorical) and f.counts is not None:
        return kernel.truth(f)
    return kernel.draw(key, f, kernel.truth(f), n, most)


def _pair(f: Family, left: Any, right: Any, one: kernel.Model, other: kernel.Model) -> kernel.Model:
    stacked = jax.tree.map(lambda a, b: jnp.stack([a, b]), one, other)
    return kernel.combine(f, jnp.stack([left, right]), stacked)


def _real(key: jax.Array, f: Family, size: Any, most: int) -> State:
    return real_set(key, f, size, most), ()


def _replace(key: jax.Array, f: Family, state: State, size: Any, most: int) -> State:
    return kernel.draw(key, f, state[0], size, most), ()


def _fixed(key: jax.Array, f: Family, size: Any, most: int) -> State:
    real = real_set(key, f, size, most)
    return real, real


def _fixed_real(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    _, synthetic, real_share, synthetic_share = row
    drawn = kernel.draw(key, f, state[0], synthetic, most)
    return _pair(f, real_share, synthetic_share, state[1], drawn), state[1]


def _fresh_real(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    real, synthetic, real_share, synthetic_share = row
    real_key, synthetic_key = random.split(key)
    fresh = kernel.draw(real_key, f, kernel.truth(f), real, most)
    drawn = kernel.draw(synthetic_key, f, state[0], synthetic, most)
    return _pair(f, real_share, synthetic_share, fresh, drawn), ()


def _accumulate(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    synthetic, old_share, new_share = row
    drawn = kernel.draw(key, f, state[0], synthetic, most)
    return _pair(f, old_share, new_share, state[0], drawn), ()


def _without(key: jax.Array, f: Family, first: Any, most: int) -> State:
    return _urn_start(key, f, first, most, sampling.multivariate_hypergeometric)


def _with(key: jax.Array, f: Family, first: Any, most: int) -> State:
    return _urn_start(key, f, first, most, _bootstrap)


def _subsample_without(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    return _urn(key, f, state, row, most, sampling.multivariate_hypergeometric)


def _subsample_with(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    return _urn(key, f, state, row, most, _bootstrap)


def _bootstrap(key: jax.Array, counts: jax.Array, draws: Any, most: int) -> jax.Array:
    return sampling.multinomial(key, draws, counts / jnp.sum(counts), most)


def _urn_start(
    key: jax.Array, f: Family, first: Any, most: int, subsample: Callable[..., jax.Array]
) -> State:
    size, train = first
    real_key, train_key = random.split(key)
    counts = jnp.round(real_set(real_key, f, size, most) * size)
    return subsample(train_key, counts, train, most) / train, counts


def _urn(
    key: jax.Array, f: Family, state: State, row: Any, most: int, subsample: Callable[..., jax.Array]
) -> State:
    synthetic, train = row
    synthetic_key, train_key = random.split(key)
    counts = state[1] + sampling.multinomial(synthetic_key, synthetic, state[0], most)
    return subsample(train_key, counts, train, most) / train, counts


def _batched(schedule: Schedule) -> Pool:
    table = batch_table(schedule)
    row = {
        "model": np.arange(1, schedule.generations + 1),
        "batch": table.batch,
        "size": table.size,
        "source": table.source,
        "share": table.share,
        "weight": table.weight,
    }
    first, rows = ({name: each[part] for name, each in row.items()} for part in (0, slice(1, None)))
    return Pool(
        _batches_start, _batches, power_above(table.size), (first, np.zeros(schedule.generations)), rows
    )


def _batches_start(key: jax.Array, f: Family, first: Any, most: int) -> State:
    row, generations = first
    truth = kernel.truth(f)
    statistics, models = (
        jax.tree.map(lambda leaf, n=n: jnp.broadcast_to(leaf, (n, *leaf.shape)), truth)
        for n in (row["weight"].shape[0], generations.shape[0] + 1)
    )
    return _batches(key, f, (truth, (statistics, models)), row, most)


def _batches(key: jax.Array, f: Family, state: State, row: Any, most: int) -> State:
    _, (statistics, models) = state
    drawn = jax.vmap(
        lambda k, source, share, size: kernel.mixture(
            k, f, jax.tree.map(lambda leaf: leaf[source], models), share, size, most
        )
    )(random.split(key, row["batch"].shape[0]), row["source"], row["share"], row["size"])
    statistics = jax.tree.map(
        lambda leaf, new: leaf.at[row["batch"]].set(new, mode="drop"), statistics, drawn
    )
    model = kernel.combine(f, row["weight"], statistics)
    models = jax.tree.map(lambda leaf, new: leaf.at[row["model"]].set(new), models, model)
    return model, (statistics, models)


def _stored(schedule: Schedule) -> Pool:
    return Pool(*points.stored(schedule))
