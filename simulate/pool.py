r"""Pools: a workflow as the step from one generation to the next, on sufficient statistics.

A state is ``(model, memory)``: what is observed, and what the next generations need besides.

=====================  ==============================================================
workflow               memory
=====================  ==============================================================
Replace                few samples of categorical: the samples themselves; else none
FreshReal              none
FixedReal              the statistic of the real set (Gaussian: and the model in its coordinates)
Accumulate             none: the model is the statistic of the pool
AccumulateSubsample    categorical: the counts of the pool; else the points themselves
Schedule               statistics of all batches and all models; with train: the points
=====================  ==============================================================

Points are needed where they are subsampled: the same point is trained on in several generations, and no
sufficient statistic of a continuous law says which points it came from (`simulate.subsample`, `simulate.points`). A linear
regression has the Gram matrix of its pool beside it (`simulate.least_squares`), a kernel density is points (`simulate.density`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, assert_never

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory import least_norm
from modelcollapse.theory.family import (
    Bigram,
    Categorical,
    Family,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    LinearRegression,
    LogisticRegression,
    Zipf,
)
from modelcollapse.theory.workflow import (
    Accumulate,
    AccumulateSubsample,
    AnyWorkflow,
    FixedReal,
    FreshReal,
    RandomPast,
    Replace,
    Schedule,
    Selected,
    SlidingWindow,
    Workflow,
)

from . import batches, density, kernel, least_squares, next_token, points, sampling, selection, subsample
from .stream import Stream, below, fold, part

Unmixed = Replace | FixedReal | FreshReal | Accumulate | AccumulateSubsample | Schedule
State = tuple[kernel.Model, Any]
Memory = Callable[[Family, Any], Any]
Step = Callable[[Stream, Family, State, Any, int], State]


class Pool(NamedTuple):
    """A workflow, ready to run: two pure functions and their tables.

    ``memory(family, room)`` is the memory at generation 0, whose model is the truth; the shape of ``room`` says
    how large it is. ``step(stream, family, state, row, most)`` makes the next generation. ``sizes`` (leading axis: U
    different sizes) and ``rows`` (leading axis: generations 1, 2, ...) hold sizes and weights; the columns ``size`` and
    ``real`` of ``rows`` are places in ``sizes``, and a step finds the `kernel.Size` itself there. ``most`` is a static bound
    on the samples in one draw. ``again``: no step reads of the memory what none has written, so that other chains may leave it
    as they like. ``steps``: what samples of models pass through, which a step finds in its row.

    ``ahead(streams, rows)``: what all generations of some chains, ``streams`` (generation, chain), read besides and no model
    decides; ``arranged(that, rows, places of the room)``: what they read instead. Columns with the axes (chain, generation), and
    columns with (generation) that take the place of those in ``rows``.
    """

    memory: Memory
    step: Step
    most: int
    room: Any
    sizes: kernel.Size
    rows: dict[str, Any]
    again: bool = False
    steps: tuple[Any, ...] = ()
    ahead: Callable[[Stream, Any], subsample.Ahead] | None = None
    arranged: Callable[[subsample.Ahead, Any, int], subsample.Ahead] | None = None


def pool(f: Family, w: AnyWorkflow, generations: int) -> Pool:
    """The pool of a workflow on sufficient statistics, or on points where there is no other way."""
    if isinstance(w, Selected):
        return _pool_of(f, w.workflow, generations, w.steps)._replace(steps=w.steps)
    return _pool_of(f, w, generations, ())


def _pool_of(f: Family, w: Workflow, generations: int, steps: tuple[Any, ...]) -> Pool:
    if isinstance(w, SlidingWindow | RandomPast):
        w = w.schedule(generations)
    match f:
        case KernelDensity():
            return Pool(*density.pool(f, w, generations))
        case LinearRegression():
            return _regression(f, w, generations)
        case Zipf() | Bigram():
            return Pool(*next_token.pool(f, w, generations, steps))
        case GaussianMixture() | LogisticRegression():
            return (
                Pool(**subsample.growing(f, w, generations))
                if isinstance(w, AccumulateSubsample)
                else point_pool(f, w, generations)
            )
    if (
        isinstance(f, Gaussian)
        and isinstance(w, Replace | Accumulate)
        and 2 * float(w.real) <= f.dimension
        and not steps
    ):
        return _thin_pool(f, w, generations)
    match w:
        case Replace():
            sizes = np.asarray(w.sizes(generations), float)
            one = isinstance(w.synthetic, tuple)
            made = _pool(f, _nothing, _replace, sizes if one else sizes[[0, -1]],
                         size=np.arange(generations) if one else _after(0, 1, generations))  # fmt: skip
            if isinstance(f, Categorical) and sampling.labelled(made.most, len(f.p)) and not steps:
                return made._replace(memory=_labels, step=_replace_labels, room=np.zeros(made.most))
            return made
        case FixedReal():
            kept = _after(1, _share(w.real, w.synthetic), generations)
            gaussian = isinstance(f, Gaussian)
            squares = _squares(f, _after(1 / float(w.real), 1 / (float(w.real) + float(w.synthetic)), generations))
            return _two(f, w, generations, _real_frame if gaussian else _real_set, _fixed_gaussian if gaussian else _fixed_real,
                        kept=kept, **squares)  # fmt: skip
        case FreshReal():
            share = _share(w.real, w.synthetic) if w.weight is None else float(w.weight)
            real = np.zeros(generations, int)
            regular = isinstance(f, Gaussian) and share > 0 and float(w.real) > kernel.REGULAR * f.dimension
            noise = share**2 / float(w.real) + (1 - share) ** 2 / float(w.synthetic)
            return _two(f, w, generations, _nothing, _fresh_gaussian if regular else _fresh_real, real=real,
                        kept=_after(1, share, generations),
                        **_squares(f, _after(1 / float(w.real), noise, generations)))  # fmt: skip
        case Accumulate():
            step = _accumulate_gaussian if isinstance(f, Gaussian) else _accumulate
            pooled = np.cumsum(_after(float(w.real), float(w.synthetic), generations))
            return _two(f, w, generations, _nothing, step, kept=_kept(w, generations), **_squares(f, 1 / pooled))
        case AccumulateSubsample() if isinstance(f, Categorical):
            step = _urn_with_replacement if w.replacement else _urn_without_replacement
            return _two(f, w, generations, _urn, step, train=np.full(generations, float(w.train)))
        case AccumulateSubsample():
            return Pool(**subsample.growing(f, w, generations))
        case Schedule():
            schedule = w.schedule(generations)
            return _batched(f, schedule) if schedule.train is None else point_pool(f, schedule, generations)
    assert_never(w)


def _regression(f: LinearRegression, w: Unmixed, generations: int) -> Pool:
    match w:
        case AccumulateSubsample():
            return Pool(**subsample.growing(f, w, generations))
        case _ if not f.redrawn:
            one = np.array([float(w.size[0] if isinstance(w, Schedule) else w.real)])
            directions = min(int(one[0]), f.dimension)
            memory, step, room, columns = least_squares.one_design(w, generations, directions)
            return _pool(f, memory, step, one, size=np.zeros(generations, int), **columns)._replace(room=room)
        case Replace() if least_norm.thin(f, w):
            most, sizes, columns = least_squares.least_norm(w, f, generations)
            thin = _pool(f, _nothing, least_squares.few_rows, sizes, size=np.arange(generations), **columns)
            return thin._replace(most=most)
        case Replace():
            sizes = np.asarray(w.sizes(generations), float)
            return _pool(f, _nothing, _replace, sizes, size=np.arange(generations))
        case FixedReal() | FreshReal() | Accumulate():
            memory, step, columns = least_squares.redrawn(f, w, generations)
            return _two(f, w, generations, memory, step, **columns)
        case Schedule():
            return point_pool(f, w, generations)
    assert_never(w)


def point_pool(f: Family, w: AnyWorkflow, generations: int) -> Pool:
    """The pool of any workflow that draws, keeps and fits the points themselves: slow, an independent witness."""
    if isinstance(w, Selected):
        return point_pool(f, w.workflow, generations)._replace(steps=w.steps)
    schedule = w.schedule(generations)
    return Pool(*(density.stored(f, schedule) if isinstance(f, KernelDensity) else points.stored(schedule)))


def _pool(f: Family, memory: Memory, step: Step, sizes: np.ndarray, **columns: np.ndarray) -> Pool:
    rows = {"first": np.arange(len(columns["size"])) == 0, **columns}
    # what does not depend on the bound must not be compiled again for another one
    most = batches.power_above(np.append(sizes, columns.get("train", []))) if isinstance(f, Categorical) else 1
    return Pool(memory, step, most, (), kernel.sizes(f, sizes), rows)


def _two(f: Family, w: Any, generations: int, memory: Memory, step: Step, **columns: np.ndarray) -> Pool:
    """The pool of a workflow whose first generation draws ``real`` samples, and each later one ``synthetic``."""
    sizes = np.array([float(w.real), float(w.synthetic)])
    return _pool(f, memory, step, sizes, size=_after(0, 1, generations), **columns)


def _thin_pool(f: Gaussian, w: Replace | Accumulate, generations: int) -> Pool:
    """Of a first set of far fewer points than coordinates: all later points lie in the flat that those span."""
    columns = int(w.real) - 1
    row = {"first": _after(True, False, generations), "columns": np.zeros((generations, columns))}
    if isinstance(w, Accumulate):
        sizes, row["kept"] = np.full(generations, float(w.synthetic)), _kept(w, generations)
        row |= _squares(f, 1 / np.cumsum(np.append(float(w.real), sizes[1:])))
    else:
        sizes = np.asarray(w.sizes(generations), float)
    used, row["size"] = np.unique(sizes, return_inverse=True)
    return Pool(_flat, _thin, 1, row["columns"][0], kernel.sizes(Gaussian(max(columns, 1)), used), row)


def _kept(w: Accumulate, generations: int) -> np.ndarray:
    """The share of the pool of each generation that is not new."""
    total = np.cumsum(_after(float(w.real), float(w.synthetic), generations))
    return np.append(1, total[:-1] / total[1:])


def _squares(f: Family, squares: np.ndarray) -> dict[str, np.ndarray]:
    """Where a variance is fitted without bias: the sum of the squared weights of the points of each fit, and of that before."""
    if not (isinstance(f, Gaussian) and f.unbiased):
        return {}
    return {"squares": squares, "before": np.append(0, squares[:-1])}


def _share(real: Any, synthetic: Any) -> float:
    return float(real) / (float(real) + float(synthetic))


def _after(first: Any, later: Any, generations: int) -> np.ndarray:
    return np.append(first, np.full(generations - 1, later))


def _sampled(stream: Stream, f: Family, model: kernel.Model, row: Any, most: int) -> kernel.Model:
    """The statistic of the new samples of a generation: of the first, that of a corpus where there is one."""
    drawn = kernel.draw(stream, f, selection.offered(f, model, row), row["size"], most)
    if isinstance(f, Categorical) and f.counts is not None:
        return jnp.where(row["first"], kernel.truth(f), drawn)
    return drawn


def _either(first: jax.Array, one: Any, other: Any) -> Any:
    return jax.tree.map(lambda each, later: jnp.where(first, each, later), one, other)


def _nothing(f: Family, room: Any) -> tuple[()]:
    return ()


def _replace(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    return _sampled(stream, f, state[0], row, most), ()


def _labels(f: Family, room: Any) -> tuple[jax.Array, jax.Array]:
    return jnp.zeros(room.shape[0], jnp.int32), jnp.ones((), jnp.int32)


def _replace_labels(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    """A sample of a model that was fitted on samples is one of those: as quick for many tokens as for few."""
    model, (labels, samples) = state
    n = row["size"].n

    def begin(_: Any) -> tuple[Any, jax.Array]:
        counts = jnp.round(_sampled(part(stream, 0), f, model, row, most) * n)
        return jnp.zeros((), bool), sampling.spread(counts, most)

    labels = lax.while_loop(lambda pending: pending[0], begin, (row["first"], labels))[1]
    drawn = below(part(stream, 1), samples, (most,))
    labels = labels[jnp.where(row["first"], jnp.arange(most, dtype=jnp.int32), drawn)]
    return sampling.tally(labels, n, model.shape[0]) / n, (labels, n.astype(jnp.int32))


def _real_set(f: Family, room: Any) -> kernel.Model:
    return kernel.truth(f)  # generation 1 puts the real set here


def _fixed_real(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    drawn = _sampled(stream, f, state[0], row, most)
    real = _either(row["first"], drawn, state[1])
    return _either(row["first"], drawn, kernel.pooled(f, row["kept"], real, drawn)), real


def _real_frame(f: Any, room: Any) -> tuple[kernel.Normal, kernel.Normal]:
    return kernel.truth(f), kernel.truth(
        Gaussian(f.dimension)
    )  # the real set; the model, where that is standard normal


def _fixed_gaussian(stream: Stream, f: Any, state: State, row: Any, most: int) -> State:
    real, inside = state[1]
    new = selection.widened(kernel.standard(stream, kernel.averaged(f), row["size"]), row)
    new = kernel.moved(inside, new)  # of generation 1, in the coordinates of the truth
    blended = kernel.blended(row["kept"], new)
    inside = kernel.corrected(f, _either(row["first"], kernel.truth(Gaussian(f.dimension)), blended), row)
    real = _either(row["first"], kernel.moved(real, new), real)
    return kernel.moved(real, inside), (real, inside)


def _fresh_real(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    plain = kernel.averaged(f)
    real = kernel.draw(part(stream, 0), plain, kernel.truth(f), row["real"], most)
    drawn = kernel.draw(part(stream, 1), plain, selection.offered(f, state[0], row), row["size"], most)
    return kernel.corrected(f, _either(row["first"], real, kernel.pooled(f, row["kept"], real, drawn)), row), ()


def _fresh_gaussian(stream: Stream, f: Any, state: State, row: Any, most: int) -> State:
    """Where the new real samples are many: their covariance is far from singular."""
    plain = kernel.averaged(f)
    real = kernel.draw(part(stream, 0), plain, kernel.truth(f), row["real"], most)
    drawn = kernel.draw(part(stream, 1), plain, selection.offered(f, state[0], row), row["size"], most)
    return kernel.corrected(f, _either(row["first"], real, kernel.summed(f, row["kept"], real, drawn)), row), ()


def _accumulate(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    drawn = _sampled(stream, f, state[0], row, most)
    return _either(row["first"], drawn, kernel.pooled(f, row["kept"], state[0], drawn)), ()


def _accumulate_gaussian(stream: Stream, f: Any, state: State, row: Any, most: int) -> State:
    new = selection.widened(kernel.standard(stream, kernel.averaged(f), row["size"]), row)
    if not f.unbiased:
        return kernel.moved(state[0], _either(row["first"], new, kernel.blended(row["kept"], new))), ()
    first = kernel.corrected(f, kernel.moved(state[0], new), row)
    return _either(row["first"], first, _grown(f, state[0], row, new)), ()


def _grown(f: Any, model: kernel.Normal, row: Any, new: kernel.Normal) -> kernel.Normal:
    """The model of a pool that ``new`` points join, which are given where the model that drew them is standard normal."""
    if not f.unbiased:
        return kernel.moved(model, kernel.blended(row["kept"], new))
    rest = 1 - row["before"]  # the variance of the pool, divisor n, is that part of the model's
    root = jnp.sqrt(rest)
    pool = kernel.Normal(model.mean, model.factor * root, model.log_variance + jnp.log(rest))
    blended = kernel.blended(row["kept"], kernel.Normal(new.mean / root, new.factor / root, new.log_variance))
    return kernel.corrected(f, kernel.moved(pool, blended), row)


def _flat(f: Any, room: Any) -> kernel.Normal:
    """The model with as many columns of its factor as the first points leave."""
    factor = jnp.zeros((f.dimension, room.shape[0]), float)
    return kernel.Normal(jnp.zeros(f.dimension, float), factor, jnp.full((), -jnp.inf))


def _thin(stream: Stream, f: Any, state: State, row: Any, most: int) -> State:
    """A generation in the coordinates of the flat that the first points span, and what it is in all coordinates."""
    thin, columns = state[1], row["columns"].shape[0]

    def later() -> kernel.Normal:
        if columns == 0:  # one point, again and again
            return thin
        grows = "kept" in row
        new = kernel.standard(stream, Gaussian(columns, unbiased=f.unbiased and not grows), row["size"])
        return _grown(f, thin, row, new) if grows else kernel.moved(thin, new)

    thin = lax.cond(row["first"], lambda: kernel.thin(part(stream, 0), f, columns + 1), later)
    thin = thin._replace(log_variance=jnp.full((), -jnp.inf))
    return thin._replace(factor=jnp.pad(thin.factor, ((0, 0), (0, f.dimension - columns)))), thin


def _urn(f: Family, room: Any) -> jax.Array:
    return jnp.zeros_like(kernel.truth(f))


def _urn_without_replacement(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    counts = _filled(stream, f, state, row, most)
    return sampling.multivariate_hypergeometric(part(stream, 1), counts, row["train"], most) / row["train"], counts


def _urn_with_replacement(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    counts = _filled(stream, f, state, row, most)
    return sampling.multinomial(part(stream, 1), row["train"], counts, most) / row["train"], counts


def _filled(stream: Stream, f: Family, state: State, row: Any, most: int) -> jax.Array:
    return state[1] + jnp.round(_sampled(part(stream, 0), f, state[0], row, most) * row["size"].n)


def _batched(f: Family, schedule: Schedule) -> Pool:
    table = batches.batch_table(schedule)
    generations, used = table.weight.shape
    places = np.minimum(table.batch, used - 1)  # an empty slot draws something, and drops it
    rows = {"model": np.arange(1, generations + 1), "batch": table.batch, "size": places,
            "source": table.source, "share": table.share, "weight": table.weight,
            **_squares(f, (table.weight**2 / table.sizes).sum(axis=1))}  # fmt: skip
    room = np.zeros(used), np.zeros(generations + 1)
    return Pool(_statistics, _schedule, batches.power_above(table.sizes), room, kernel.sizes(f, table.sizes), rows)


def _statistics(f: Family, room: Any) -> tuple[kernel.Model, kernel.Model]:
    """Room for the statistics of all batches and for all models, filled with the truth."""
    used, models = (kernel.repeat(kernel.truth(f), each.shape[0]) for each in room)
    return used, models


def _schedule(stream: Stream, f: Family, state: State, row: Any, most: int) -> State:
    _, (statistics, models) = state
    plain = kernel.averaged(f)

    def batch(slot: jax.Array, source: jax.Array, share: jax.Array, size: kernel.Size) -> kernel.Model:
        return kernel.mixture(fold(stream, slot), plain, kernel.take(models, source), share, size, most)

    slots = jnp.arange(row["batch"].shape[0], dtype=jnp.uint32)
    drawn = jax.vmap(batch)(slots, row["source"], row["share"], row["size"])
    statistics = kernel.put(statistics, row["batch"], drawn)  # an empty slot is out of bounds, and dropped
    model = kernel.corrected(f, kernel.combine(f, row["weight"], statistics), row)
    return model, (statistics, kernel.put(models, row["model"], selection.offered(f, model, row)))
