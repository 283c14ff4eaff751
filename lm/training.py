r"""Training: AdamW with warm-up and a cosine, in segments that can be stopped and resumed to the same bits.

The pool of windows stays on the host: which windows make a batch is decided there, and what is compiled sees
batches alone, so a pool that grows from generation to generation compiles nothing again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory import arguments as arg

from .decoder import Shape
from .likelihood import checked, cross_entropy, loss
from .placement import placement
from .recipe import AdamW, Training


class StoppedBy(StrEnum):
    """Why a training ended."""

    STEPS = "steps"
    PATIENCE = "patience"


class State(NamedTuple):
    """A training between two segments: arrays alone, all that the rest of it depends on, ready for a checkpoint.

    ``params`` and ``moments``: weights and what the optimiser remembers. ``best``: the best weights so far, None
    without early stopping. ``step``: steps taken. ``losses`` (steps,): training loss of each in nats per token.
    ``stopping`` (segments,): loss on the stopping text after each segment; both are NaN where not yet reached.
    """

    params: Any
    moments: Any
    best: Any
    step: np.ndarray
    losses: np.ndarray
    stopping: np.ndarray


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model. ``params``: its weights, those after ``best_step`` steps. ``losses`` (steps taken,): of the
    training batches, ``stopping`` (segments taken,): on the stopping text, NaN where there is none, in nats per token.
    """

    params: Any
    losses: np.ndarray
    stopping: np.ndarray
    best_step: int
    stopped_by: StoppedBy


def train(
    shape: Shape,
    params: Any,
    tokens: Any,
    stopping: Any,
    key: jax.Array,
    training: Training,
    *,
    weight: Any = None,
    state: State | None = None,
    progress: Callable[[int, int], None] | None = None,
    keep: Callable[[State], None] | None = None,
) -> Trained:
    """The model trained on a pool of windows ``tokens`` (n, L), from the weights ``params`` on.

    ``stopping`` (s, L): text to stop on; None only without patience. ``key``: of the order of the windows. Batches
    follow shuffled passes over the pool, each window once in each; with ``weight`` (n,) the windows of a pass are drawn, each
    in proportion to its weight, so that the loss is weighted in expectation. ``state``: where to go on, from an earlier call with
    the same arguments. After each segment ``keep`` is called with the state, to write it down, and ``progress`` with the
    steps taken and the most there can be. More than one device share each batch where they divide it.

    Raises InputError where tokens are not windows of this shape, where there is no text to stop on, or where the loss
    is no longer finite.
    """
    pool, stop = _texts(shape, tokens, stopping, training)
    total = training.steps_for(len(pool))
    if state is None:
        state = begin(shape, params, len(pool), training)
    elif len(state.losses) != total:
        raise arg.refuse("train", "state", f"one of {len(state.losses)} steps", f"this training has {total} of them")
    while not ended(state, training):
        state = _advanced(shape, state, pool, stop, key, training, weight)
        if keep is not None:
            keep(state)
        if progress is not None:
            progress(int(state.step), total)
    return outcome(state, training)


def begin(shape: Shape, params: Any, windows: int, training: Training) -> State:
    """The state before the first step on a pool of so many windows; also the form of what a checkpoint restores."""
    steps = training.steps_for(windows)
    segments = -(-steps // training.evaluate_every)
    params = placement(training.batch).everywhere(params)
    best = None if training.patience is None else params
    moments = _begun(training.adamw, params)
    empty = [np.full(size, np.nan, np.float32) for size in (steps, segments)]
    return State(params, moments, best, np.array(0, np.int32), *empty)


def advance(shape: Shape, state: State, tokens: Any, stopping: Any, key: jax.Array, training: Training) -> State:
    """The state one segment later: a pure function, so that a run cut into pieces is the same run."""
    pool, stop = _texts(shape, tokens, stopping, training)
    return state if ended(state, training) else _advanced(shape, state, pool, stop, key, training)


def ended(state: State, training: Training) -> bool:
    """Whether all steps are taken or patience is at an end."""
    return int(state.step) >= len(state.losses) or _impatient(state, training)


def outcome(state: State, training: Training) -> Trained:
    """What a training has led to so far."""
    step, stopping = int(state.step), _measured(state, training)
    best = training.patience is not None and len(stopping) > 0
    best_step = min((int(np.argmin(stopping)) + 1) * training.evaluate_every, step) if best else step
    stopped_by = StoppedBy.PATIENCE if _impatient(state, training) else StoppedBy.STEPS
    return Trained(state.best if best else state.params, state.losses[:step], stopping, best_step, stopped_by)


def order(key: jax.Array, windows: int, first: int, count: int, weight: Any = None) -> np.ndarray:
    """Numbers of the windows at places first .. first + count - 1 of the shuffled passes over a pool.

    With ``weight`` (windows,) a pass is as many independent draws, each in proportion to the weight.

    >>> sorted(order(jax.random.key(0), 5, 5, 5).tolist())
    [0, 1, 2, 3, 4]
    """
    seed = np.asarray(jax.random.key_data(key)).ravel().tolist()
    passes = range(first // windows, (first + count - 1) // windows + 1)
    chance = None if weight is None else np.asarray(weight, float) / np.sum(weight)

    def one(rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(windows) if chance is None else rng.choice(windows, windows, p=chance)

    shuffled = np.concatenate([one(np.random.default_rng([*seed, number])) for number in passes])
    return shuffled[first - passes[0] * windows :][:count]


def _advanced(
    shape: Shape,
    state: State,
    pool: np.ndarray,
    stop: np.ndarray | None,
    key: jax.Array,
    training: Training,
    weight: Any = None,
) -> State:
    begun, size, place = int(state.step), training.evaluate_every, placement(training.batch)
    taken = min(size, len(state.losses) - begun)
    index = np.zeros((size, training.batch), np.int64)  # always of one shape: what is not taken is not looked at
    index[:taken] = order(key, len(pool), begun * training.batch, taken * training.batch, weight).reshape(taken, -1)
    rates = np.zeros(size, np.float32)
    rates[:taken] = training.rates(len(pool))[begun : begun + taken]
    params, moments, losses = segment(
        shape,
        training.adamw,
        *place.everywhere((state.params, state.moments)),
        place.rows(pool[index], axis=1),
        *place.everywhere((rates, np.int32(taken))),
    )
    reached = state.losses.copy()
    reached[begun : begun + taken] = np.asarray(losses)[:taken]
    measured, best = state.stopping.copy(), state.best
    if stop is not None:
        measured[begun // size] = loss(shape, params, stop)
    if not np.isfinite([*reached[begun : begun + taken], *measured[begun // size :][: stop is not None]]).all():
        remedy = f"the loss is not finite after {begun + taken} steps: a lower learning rate may do"
        raise arg.refuse("Training", "learning_rate", training.learning_rate, remedy)
    if best is not None and np.nanargmin(measured) == begun // size:
        best = params
    return State(params, moments, best, np.array(begun + taken, np.int32), reached, measured)


@partial(jax.jit, static_argnums=(0, 1))
def segment(
    shape: Shape, adamw: AdamW, params: Any, moments: Any, batches: jax.Array, rates: jax.Array, taken: jax.Array
) -> tuple[Any, Any, jax.Array]:
    """The first ``taken`` of the steps whose batches (S, B, L) and learning rates (S,) are given, and their losses (S,).

    Works under vmap over params, moments and batches.
    """
    optimiser = adamw.optimiser()

    def step(at: jax.Array, carry: tuple[Any, Any, jax.Array]) -> tuple[Any, Any, jax.Array]:
        params, moments, losses = carry
        value, gradient = jax.value_and_grad(cross_entropy, argnums=1)(shape, params, batches[at])
        update, moments = optimiser.update(gradient, moments, params)
        params = jax.tree.map(lambda weight, change: weight - rates[at] * change, params, update)
        return params, moments, losses.at[at].set(value)

    return jax.lax.fori_loop(0, taken, step, (params, moments, jnp.zeros(len(batches), jnp.float32)))


@partial(jax.jit, static_argnums=0)
def _begun(adamw: AdamW, params: Any) -> Any:
    return adamw.optimiser().init(params)


def _texts(shape: Shape, tokens: Any, stopping: Any, training: Training) -> tuple[np.ndarray, np.ndarray | None]:
    pool = checked("train", shape, tokens)
    if not len(pool):
        raise arg.refuse("train", "tokens", pool, "at least one window")
    if stopping is None and training.patience is not None:
        raise arg.refuse("train", "stopping", None, "give text to stop on, or Training(patience=None) for fixed steps")
    return pool, None if stopping is None else checked("train", shape, stopping, "stopping")


def _measured(state: State, training: Training) -> np.ndarray:
    return state.stopping[: -(-int(state.step) // training.evaluate_every)]


def _impatient(state: State, training: Training) -> bool:
    measured = _measured(state, training)
    if training.patience is None or not len(measured):
        return False
    return len(measured) - 1 - int(np.argmin(measured)) >= training.patience
