r"""What a decoder says of given text: log-likelihoods, losses, next-token distributions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory import arguments as arg

from .decoder import START, Shape, assembled
from .placement import placement


def log_likelihood(shape: Shape, params: Any, tokens: Any, *, batch: int | None = None) -> np.ndarray:
    r"""Log-likelihood $\sum_t \log p(x_t \mid x_{<t})$ of each window, in nats.

    ``tokens`` (n, L), without the start token. ``batch``: windows at once, `Shape.rows` by default. Returns (n,)
    float64, and raises InputError where the tokens are not windows of this shape.

    >>> from modelcollapse.lm.decoder import fresh
    >>> shape = Shape(vocabulary=3, width=8, length=4)
    >>> float(log_likelihood(shape, fresh(shape, jax.random.key(0)), [[1, 2, 1, 2]])[0]) < 0
    True
    """
    windows = checked("log_likelihood", shape, tokens)
    return _batched(partial(_log_likelihood, shape), params, windows, batch or shape.rows, np.zeros(0))


def loss(shape: Shape, params: Any, tokens: Any, *, batch: int | None = None) -> float:
    r"""Cross-entropy $-\frac1{nL} \sum_{i,t} \log p(x_{it} \mid x_{i,<t})$ of windows (n, L), in nats per token.

    Raises InputError where there is no window, or the tokens are not windows of this shape.
    """
    windows = checked("loss", shape, tokens)
    if not len(windows):
        raise arg.refuse("loss", "tokens", windows, "at least one window")
    return -float(log_likelihood(shape, params, windows, batch=batch).mean()) / shape.length


def next_token(shape: Shape, params: Any, contexts: Any, *, batch: int | None = None) -> np.ndarray:
    r"""Distribution of the token after each context, at temperature 1: (contexts, V) float32, rows summing to one.

    ``contexts`` (C, l) with $0 \le l < L$: the first l tokens of a window, without the start token. Raises
    InputError where they are too long or hold other tokens.
    """
    known = np.asarray(contexts)
    if known.ndim != 2 or known.shape[1] >= shape.length:
        wanted = f"rows of at most {shape.length - 1} tokens: the model predicts {shape.length} after the start"
        raise arg.refuse("next_token", "contexts", f"shape {known.shape}", wanted)
    padded = np.ones((len(known), shape.length), np.int32)  # no position sees what comes after it
    padded[:, : known.shape[1]] = known
    windows = checked("next_token", shape, padded)
    after = jnp.int32(known.shape[1])
    empty = np.zeros((0, shape.vocabulary), np.float32)
    return _batched(partial(_next_token, shape, after), params, windows, batch or shape.rows, empty)


def cross_entropy(shape: Shape, params: Any, windows: jax.Array) -> jax.Array:
    """The loss of a batch (B, L) in nats per token, as a function to be differentiated."""
    return -_log_probabilities(shape, params, windows).mean()


def checked(owner: str, shape: Shape, tokens: Any, argument: str = "tokens") -> np.ndarray:
    """Windows of this shape as int32, or a refusal."""
    windows = np.asarray(tokens)
    if windows.ndim != 2 or windows.shape[1] != shape.length or (windows.size and windows.dtype.kind not in "iu"):
        given = f"{windows.dtype} of shape {windows.shape}"
        raise arg.refuse(owner, argument, given, f"whole numbers of shape (windows, {shape.length})")
    if windows.size and not (windows.min() > START and windows.max() < shape.vocabulary):
        outside = windows[(windows <= START) | (windows >= shape.vocabulary)][0]
        raise arg.refuse(owner, argument, int(outside), f"a token of text is a number from 1 to {shape.vocabulary - 1}")
    return windows.astype(np.int32, copy=False)


def batches(windows: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """The rows in batches of one size, the last one filled up with its first row, and how many of each are meant."""
    for first in range(0, len(windows), size):
        part = windows[first : first + size]
        yield np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)]), len(part)


def _batched(scores: Callable[..., jax.Array], params: Any, windows: np.ndarray, size: int, empty: np.ndarray) -> Any:
    """The scores of all windows, after none at all (``empty``), in its type."""
    place = placement(size)
    params = place.everywhere(params)
    # all batches are under way before the first one is waited for
    parts = [(scores(params, place.rows(batch)), meant) for batch, meant in batches(windows, size)]
    return np.concatenate([empty, *(np.asarray(part)[:meant] for part, meant in parts)], dtype=empty.dtype)


def _log_probabilities(shape: Shape, params: Any, windows: jax.Array) -> jax.Array:
    """Log-probability (B, L) of every token given those before it."""
    logits = assembled(shape, params)(windows)
    chosen = jnp.take_along_axis(logits, windows[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)


@partial(jax.jit, static_argnums=0)
def _log_likelihood(shape: Shape, params: Any, windows: jax.Array) -> jax.Array:
    return _log_probabilities(shape, params, windows).sum(axis=-1)


@partial(jax.jit, static_argnums=0)
def _next_token(shape: Shape, after: jax.Array, params: Any, windows: jax.Array) -> jax.Array:
    decoder = assembled(shape, params)
    rows = decoder.hidden(windows).reshape(*windows.shape, -1)
    hidden = jax.lax.dynamic_index_in_dim(rows, after, axis=1, keepdims=False)
    return jax.nn.softmax(decoder.logits(hidden), axis=-1)
