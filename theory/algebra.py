r"""The workflow algebra: the exact second moments of all generations of any schedule.

Batch means and models are events :math:`x_1, x_2, \dots` in the order in which they come to be. Each is a combination of
earlier ones plus new noise, :math:`x_e = h_e \cdot x + \xi_e`, and in both cases (a batch of :math:`n` drawn from a
mixture of models; :math:`M` points subsampled from a pool) the noise has the variance

.. math:: a_e \Big( V + (1 + v_2) \sum_k u_{ek} C_{kk} - h_e' C h_e \Big),

the spread of one point about the mean that it is drawn around: :math:`u` says which models the point comes from,
:math:`C` is the covariance about the truth. A batch has :math:`a = 1/n`, a full fit :math:`a = 0`, a subsample of
:math:`M` from :math:`S` points :math:`a = (S - M) / (M (S - 1))`, with replacement :math:`a = 1/M`. This is exact for every
family whose variance function is quadratic with leading coefficient :math:`v_2`. Everything is linear in V, and V = 1 here.

A learner that smooths passes on only part of its data's error: the model is :math:`\theta + \rho(\hat\theta - \theta)` with the
maximum-likelihood fit :math:`\hat\theta`, and :math:`h = \rho^2` is the *heritability* of errors, 1 without smoothing. One whose
training is itself noisy adds the noise of a sample of :math:`1/\tau` points drawn from that model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from . import arguments as arg
from . import workflow as workflows
from .workflow import Schedule, Workflow

MOST = 2000  # generations whose covariances are held at once
LETTERS = {
    "v2": "coefficient of the squared mean in the variance function",
    "heritability": "the share of its data's error that a model passes on",
    "own_noise": "1 over the size of a sample as noisy as training itself",
}


@dataclass(frozen=True)
class Events:
    """Batches and models in order: ``mean`` (E, E) rows h, ``origin`` (E, E) rows u, ``noise`` (E,) factors a.

    Event 0 is the truth. ``models`` (M,): which events are models 1..M. A model comes right after its fit.
    """

    mean: Any
    origin: Any
    noise: Any
    models: np.ndarray


def events(schedule: Schedule, heritability: Any = 1, own_noise: Any = 0) -> Events:
    """The schedule as events, for a learner of this heritability and noise of its own."""
    xp = arg.namespace(schedule.size, schedule.source, schedule.weight, schedule.train, heritability, own_noise)
    smooths = arg.is_traced(heritability, own_noise) or heritability != 1 or own_noise != 0
    kept = xp.sqrt(xp.asarray(heritability, float)) if smooths else 1
    born, generations = schedule.born, schedule.generations
    order: list[tuple[str, int]] = [("truth", 0)]
    for model in range(1, generations + 1):
        order += [("batch", int(batch)) for batch in np.flatnonzero(born == model)]
        order += [("fit", model), ("model", model)] if smooths else [("model", model)]
    place = {event: index for index, event in enumerate(order)}
    models = np.array([place["truth", 0]] + [place["model", model] for model in range(1, generations + 1)])
    batches = np.array([place.get(("batch", batch), 0) for batch in range(len(schedule.size))])
    exact = (
        xp is np and not smooths and all(t.dtype == object for t in (schedule.size, schedule.source, schedule.weight))
    )
    kind = {"dtype": object} if exact else {"dtype": float}

    def row(columns: np.ndarray, values: Any) -> Any:
        empty = xp.zeros(len(order), **kind) + (Fraction(0) if exact else 0)
        if xp is np:
            empty[columns] = values
            return empty
        return empty.at[columns].set(values if arg.is_jax(values) else np.asarray(values, float))

    zero, one = (Fraction(0), Fraction(1)) if exact else (0.0, 1.0)
    mean, origin, noise = [row(models[:1], one)], [row(models[:1], one)], [zero]
    for kind_of, index in order[1:]:
        if kind_of == "batch":
            mixture = row(models, schedule.source[index])
            mean, origin, noise = [*mean, mixture], [*origin, mixture], [*noise, one / schedule.size[index]]
        elif kind_of == "model" and smooths:
            mean.append(row(np.array([place["truth", 0], place["fit", index]]), xp.stack([1 - kept, kept])))
            origin, noise = [*origin, mean[-1]], [*noise, own_noise]
        else:
            weights = schedule.weight[index - 1]
            mean.append(row(batches, weights))
            mixed = weights @ (np.asarray(schedule.source, float) if arg.is_jax(weights) else schedule.source)
            origin.append(row(models, mixed))
            noise.append(_subsampling(schedule, index, one))
    return Events(xp.stack(mean), xp.stack(origin), xp.stack([xp.asarray(each) for each in noise]), models[1:])


def _subsampling(schedule: Schedule, model: int, one: Any) -> Any:
    """The factor a of the fit of a model: 0 without a subsample."""
    if schedule.train is None:
        return 0 * one
    train = schedule.train[model - 1]
    if schedule.replacement:
        return one / train
    pool = (schedule.size * (schedule.weight[model - 1] != 0)).sum()
    if arg.is_jax(pool):
        xp = arg.namespace(pool)
        return xp.where(pool > 1, (pool - train) / (train * xp.where(pool > 1, pool - 1, 1.0)), 0.0)
    return (pool - train) / (train * (pool - 1) * one) if pool != 1 else 0 * one


def covariance(workflow: Workflow, v2: Any, generations: int, *, heritability: Any = 1, own_noise: Any = 0) -> Any:
    r"""Covariance of models 1..M about the truth in units of V, shape (M, M): exact for any workflow and any ``v2``.

    The diagonal is the error over V. With whole sizes and a whole or rational ``v2`` the entries are fractions without
    rounding; with JAX arrays they can be differentiated by sizes, weights, ``v2`` and ``heritability``, the share of its
    data's error that a smoothing learner passes on (1: all of it, as maximum likelihood does). ``own_noise``: 1 over the size
    of a sample as noisy as training itself (0: none).

    >>> from .workflow import Replace
    >>> covariance(Replace(2), -1, 3).tolist()[2]
    [Fraction(1, 2), Fraction(3, 4), Fraction(7, 8)]

    Source: derived; the local (large-sample) form is the Gaussian limit of Dey and Donoho (arXiv 2410.22812).
    """
    own = "covariance"
    workflows.check(own, workflow)
    arg.one(own, "generations", generations, "number of generations")
    last = int(arg.size(own, "generations", generations, of=f"generations, at most {MOST:,}"))
    if last > MOST:
        raise arg.refuse(own, "generations", generations, f"at most {MOST:,}: all of them are held beside each other")
    for name, value in (("v2", v2), ("heritability", heritability), ("own_noise", own_noise)):
        if not arg.is_traced(value):
            arg.one(own, name, value, LETTERS[name])
    arg.positive(own, "heritability", heritability, LETTERS["heritability"])
    arg.probability(own, "own_noise", own_noise, LETTERS["own_noise"])
    unrolled = workflow.schedule(last)
    table = events(unrolled, heritability, own_noise)
    return _filled(_event, table, v2)


@np.errstate(all="ignore")  # what overflows is inf
def _filled(event: Callable[..., tuple[Any, Any]], table: Events, v2: Any) -> Any:
    """The covariance of the models, event by event."""
    full: Any
    if arg.is_jax(table.mean, table.origin, v2):
        from .lower import scanned

        full = scanned(event, table, v2)
    else:
        exact = table.mean.dtype == object and table.origin.dtype == object and isinstance(v2, (int, Fraction))
        kind: Any = complex if np.iscomplexobj(table.mean) else float
        full = np.zeros(table.mean.shape, dtype=object if exact else kind) + (Fraction(0) if exact else 0.0)
        rows = (table.mean, table.origin) if exact else (table.mean.astype(kind), table.origin.astype(kind))
        for place in range(1, len(full)):
            row, variance = event(full, rows[0][place], rows[1][place], table.noise[place], v2)
            full[place], full[:, place], full[place, place] = row, row, variance
    return full[np.ix_(table.models, table.models)]


def _event(full: Any, mean: Any, origin: Any, noise: Any, v2: Any) -> tuple[Any, Any]:
    """Covariances of the next event with all before it, and its own variance."""
    row = mean @ full
    inherited = row @ mean
    return row, inherited + noise * (1 + (1 + v2) * (origin @ full.diagonal()) - inherited)


def influence(workflow: Workflow, generations: int) -> tuple[Any, Any]:
    r"""What models 1..M are made of at v2 = 0: the share (M, E) of each event's own noise in each, and its variance (E,).

    Model m errs by :math:`\sum_e s_{me} \xi_e`. Differences of models computed from it do not cancel, as those of the entries
    of `covariance` may.

    >>> from .workflow import Replace
    >>> share, variance = influence(Replace(20, real=10), 2)
    >>> share[1].tolist(), variance.round(3).tolist()  # of truth, batch, model, batch, model
    ([1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 0.1, 0.0, 0.05, 0.0])
    """
    schedule = workflow.schedule(generations)
    tables = schedule.size, schedule.source, schedule.weight
    size, source, weight = (
        each if arg.is_jax(each) else np.asarray(each, float) for each in tables
    )  # fractions: minutes
    table = events(replace(schedule, size=size, source=source, weight=weight))
    full = _filled(_event, replace(table, models=np.arange(len(table.mean))), 0.0)
    xp = arg.namespace(full)
    inherited = ((table.mean @ full) * table.mean).sum(1)
    variance = table.noise * (1 + table.origin @ full.diagonal() - inherited)
    return xp.linalg.inv(xp.eye(len(full)) - xp.tril(table.mean, -1))[table.models], variance


def smoothed(workflow: Workflow, added: Any, generations: int) -> tuple[Any, Any]:
    r"""Error and second moment about the truth, in units of V, of kernel densities 1..M: two arrays (M,).

    Model m adds ``added[m-1]`` to the second moment of its data, that of the mixture which its points come from. The noise
    of an event is as for ``v2 = -1``, with the second moment of that mixture in the place of V = 1.
    """
    table = events(workflow.schedule(generations))
    mixture = table.origin[:, np.concatenate([[0], table.models])]
    ours = mixture[table.models]
    exact = (
        not arg.is_jax(ours, *added)
        and ours.dtype == object
        and all(isinstance(each, int | Fraction) for each in added)
    )
    if exact:
        seen = [Fraction(1)]
        for row, more in zip(ours, added, strict=True):
            seen.append(row[: len(seen)] @ np.array(seen, dtype=object) + more)
        second = np.array(seen, dtype=object)
    else:
        xp = arg.namespace(ours, *added)
        ours, mixture = (each if arg.is_jax(each) else np.asarray(each, float) for each in (ours, mixture))
        own = xp.eye(generations) - ours[:, 1:]
        later = xp.linalg.solve(own, ours[:, 0] + xp.stack([xp.asarray(each) * 1.0 for each in added]))
        second = xp.concatenate([xp.ones(1), later])
    points = (mixture @ second)[:, None]
    return _filled(about, replace(table, origin=points), -1).diagonal(), second[1:]


def waves(workflow: Workflow, kept: Any, taken: Any, z: Any, Z: Any) -> tuple[Any, Any]:
    r"""What the data of kernel densities 1..M has lost of the truth's wave, and its variance: two arrays (M, F) over frequencies.

    Model m leaves the share ``kept[m-1]`` (M, F) of a wave and takes the rest, ``taken[m-1]``; ``z`` (F,) is the squared modulus
    of the truth's characteristic function, ``Z`` = 1 - z. Points drawn about an expected wave that has lost B have the spread
    :math:`Z + z B (2 - B)`. Exact in fractions (`theory.characteristic`).
    """
    generations = len(kept)
    table = events(workflow.schedule(generations))
    if not (table.mean.dtype == object and z.dtype == object):
        table = replace(table, mean=table.mean.astype(float))
    if arg.is_jax(table.mean, kept, z):
        from .lower import spread_out

        return spread_out(lambda at: _wave(table, *at), (kept, taken, z, Z))
    found = [_wave(table, *at) for at in zip(kept.T, taken.T, z, Z, strict=True)]
    lost, variance = (np.stack(each, axis=-1) for each in zip(*found, strict=True))
    return lost, variance


def _wave(table: Events, kept: Any, taken: Any, z: Any, Z: Any) -> tuple[Any, Any]:
    """At one frequency."""
    xp = arg.namespace(table.mean, kept, z)
    column = np.zeros(len(table.mean), int)
    column[table.models] = np.arange(1, len(kept) + 1)
    share = xp.concatenate([xp.full(1, 1, kept.dtype), kept])[column]
    short, mean = table.mean @ xp.concatenate([xp.full(1, 0, kept.dtype), taken])[column], table.mean * share
    if xp is np:
        lost = 0 * short
        for place in range(1, len(mean)):
            lost[place] = mean[place] @ lost + short[place]
    else:
        lost = xp.linalg.solve(xp.eye(len(mean)) - xp.asarray(mean).at[0].set(0.0), short)
    points = (Z + z * lost * (2 - lost))[:, None]
    return lost[table.models], _filled(about, replace(table, mean=mean, origin=points), -1).diagonal()


def about(full: Any, mean: Any, point: Any, noise: Any, _v2: Any) -> tuple[Any, Any]:
    """As `_event`, for points of a known second moment."""
    row = mean @ full
    inherited = row @ mean
    return row, inherited + noise * (point[0] - inherited)


def moments(table: Events, v2: Any) -> Any:
    """Second moments of the models about the truth, over V, where each event is told its own noise.

    ``noise`` is its part that is known, ``origin`` how much of the variance of each model comes on top. An event without
    ``mean`` keeps the distance from the truth that its noise says: a bias is a second moment too.
    """
    return _filled(_drawn, table, v2)


def _drawn(full: Any, mean: Any, origin: Any, noise: Any, v2: Any) -> tuple[Any, Any]:
    """As `_event`, for points that come from one model each, or from none."""
    row = mean @ full
    return row, row @ mean + noise + origin.sum() + v2 * (origin @ full.diagonal())


def error(workflow: Workflow, v2: Any, generations: int, *, heritability: Any = 1, own_noise: Any = 0) -> Any:
    """Error over V of generations 1..M, shape (M,): the diagonal of `covariance`."""
    return covariance(workflow, v2, generations, heritability=heritability, own_noise=own_noise).diagonal()
