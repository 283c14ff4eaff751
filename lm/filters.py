r"""Filters in the loop: what is thrown away of the text that a model writes, before another model reads it.

Verification by likelihood, removal of duplicates and a classifier of real against synthetic text are what
practitioners do against collapse. A filter is a record with a method ``keep(tokens, kept)`` that says which windows
(n, L) stay, given those (k, L) that were accepted before; `accepted` draws until enough have stayed. A filter
judges every window by itself, or against the ones before it, so the result does not depend on how many are drawn at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.sparse import csr_array, hstack

from modelcollapse.theory import arguments as arg

from .decoder import Shape
from .likelihood import log_likelihood
from .ngrams import counted, ngrams, rows

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio (Knuth, volume 3, 6.4)


@dataclass(frozen=True, eq=False)
class LikelihoodBand:
    """Keeps the windows that a model finds neither too likely nor too unlikely: ``low`` and ``high`` in nats per token."""

    shape: Shape
    params: Any
    low: float
    high: float

    def keep(self, tokens: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Whether the mean log-likelihood of each window lies within the band, ends included."""
        mean = log_likelihood(self.shape, self.params, tokens) / self.shape.length
        return (self.low <= mean) & (mean <= self.high)


def likelihood_band(
    shape: Shape, params: Any, reference: Any, *, low: float = 0.05, high: float = 0.95
) -> LikelihoodBand:
    """The band between two quantiles of the mean log-likelihoods of reference windows (r, L), real ones say.

    Raises InputError where the quantiles are not between 0 and 1 and in order, or there is no window.
    """
    for name, value in (("low", low), ("high", high)):
        arg.probability("likelihood_band", name, value, "a quantile")
    if low >= high:
        raise arg.refuse("likelihood_band", "low", low, f"below high = {high}")
    if not len(reference):
        raise arg.refuse("likelihood_band", "reference", reference, "at least one window")
    ends = np.quantile(log_likelihood(shape, params, reference) / shape.length, [low, high])
    return LikelihoodBand(shape, params, float(ends[0]), float(ends[1]))


@dataclass(frozen=True)
class Distinct:
    r"""Keeps a window only where no window before it is nearly the same.

    Two are nearly the same where the Jaccard similarity of their sets of n-grams, shared over all, is at least
    ``similarity``; ``order``: tokens in an n-gram. The default, 1 with n-grams of one window's length (None), removes
    exact copies alone. All windows are compared, in a time that grows with the square of how many n-grams share.

    >>> near = Distinct(order=2, similarity=0.5)
    >>> near.keep(np.array([[1, 2, 3, 4], [2, 3, 4, 5], [4, 3, 2, 1]]), np.empty((0, 4), int)).tolist()
    [True, False, True]
    """

    order: int | None = None
    similarity: float = 1.0

    def __post_init__(self) -> None:
        if self.order is not None:
            object.__setattr__(self, "order", arg.size("Distinct", "order", self.order))
        if arg.probability("Distinct", "similarity", self.similarity, "a Jaccard similarity") == 0:
            raise arg.refuse("Distinct", "similarity", self.similarity, "above 0, or every window but one goes")

    def keep(self, tokens: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Whether each window differs from all that were kept, and from those that stay of the windows above it."""
        before = len(kept)
        windows = np.concatenate([rows("Distinct", kept), rows("Distinct", tokens)])
        grams = ngrams(windows, min(self.order or windows.shape[1], windows.shape[1]))
        row, number, _ = counted(grams)
        table = csr_array((np.ones(len(row), np.int64), (row, number)))
        sizes = table.sum(axis=1)
        shared = (table[before:] @ table.T).tocoo()
        here, there = shared.row + before, shared.col
        near = shared.data >= self.similarity * (sizes[here] + sizes[there] - shared.data)
        pairs = near & (there < here)
        copies: dict[int, list[int]] = {}
        for late, early in zip(here[pairs].tolist(), there[pairs].tolist(), strict=True):
            copies.setdefault(late, []).append(early)
        stays = np.ones(len(windows), bool)
        for late in sorted(copies):
            stays[late] = not stays[copies[late]].any()
        return stays[before:]


@dataclass(frozen=True, eq=False)
class Classifier:
    r"""Keeps the windows that look real: those whose score $w \cdot x + b$ is at least ``threshold``.

    The features $x$ of a window are the square roots of the shares of its n-grams in ``buckets`` (a power of two) that
    they are hashed into, one set for each of the ``orders``: vectors of length 1. ``weights`` (orders x buckets,).
    """

    orders: tuple[int, ...]
    buckets: int
    weights: np.ndarray
    bias: float
    threshold: float

    def keep(self, tokens: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Whether each window looks at least as real as the threshold asks."""
        return self.score(tokens) >= self.threshold

    def score(self, tokens: Any) -> np.ndarray:
        """Logarithm of the odds that each window is real, (n,), were there as many of either kind."""
        return features(tokens, self.orders, self.buckets) @ self.weights + self.bias


def classifier(
    real: Any,
    synthetic: Any,
    *,
    share: float = 0.5,
    orders: Sequence[int] = (1, 2, 3),
    buckets: int = 1024,
    penalty: float = 1e-3,
    steps: int = 200,
) -> Classifier:
    r"""Logistic regression of real windows against synthetic ones, with the threshold that ``share`` of these pass.

    Minimises the mean of both kinds' losses + ``penalty`` $\lVert w \rVert^2$ by ``steps`` of Adam on all windows, from 0.
    Half of the synthetic windows are trained on and the others set the threshold, so that it is not that of windows
    known by heart. Raises InputError where there are fewer than two synthetic windows or no real one.
    """
    if arg.probability("classifier", "share", share, "the share that is kept") == 0:
        raise arg.refuse("classifier", "share", share, "above 0, or nothing is kept")
    buckets = arg.size("classifier", "buckets", buckets)
    if buckets & (buckets - 1):
        raise arg.refuse("classifier", "buckets", buckets, "a power of two")
    orders = tuple(arg.size("classifier", "orders", order) for order in orders)
    real, synthetic = (rows("classifier", windows) for windows in (real, synthetic))
    if not len(real) or len(synthetic) < 2:
        given = f"{len(synthetic)} windows beside {len(real)} real ones"
        raise arg.refuse("classifier", "synthetic", given, "at least 2 of them, and a real one")
    seen, held = synthetic[::2], synthetic[1::2]
    table = features(np.concatenate([real, seen]), orders, buckets)
    is_real = np.arange(table.shape[0]) < len(real)
    weight = np.where(is_real, 0.5 / len(real), 0.5 / len(seen))
    weights, bias = _fitted(table.toarray().astype(np.float32), is_real, weight.astype(np.float32), penalty, steps)
    fitted = Classifier(orders, buckets, np.asarray(weights, float), float(bias), -np.inf)
    threshold = float(np.quantile(fitted.score(held), 1 - share))
    return Classifier(orders, buckets, fitted.weights, fitted.bias, threshold)


def features(tokens: Any, orders: Sequence[int], buckets: int) -> csr_array:
    """Hashed n-grams of windows (n, L) as a sparse table (n, orders x buckets), as `Classifier` describes it."""
    windows = rows("features", tokens).astype(np.uint64)
    tables = []
    for order in orders:
        code = np.zeros((len(windows), max(0, windows.shape[1] - order + 1)), np.uint64)
        for at in range(order if code.size else 0):
            code = (code ^ windows[:, at : at + code.shape[1]]) * MULTIPLIER  # modulo 2^64
        place = (code >> np.uint64(64 - (buckets.bit_length() - 1))).astype(np.int64) if buckets > 1 else code * 0
        share = np.full(code.size, 1 / max(1, code.shape[1] * len(orders)))
        row = np.repeat(np.arange(len(windows)), code.shape[1])
        tables.append(csr_array((share, (row, place.ravel())), shape=(len(windows), buckets)))  # equal places add up
    return csr_array(hstack(tables).sqrt())


Filter: TypeAlias = LikelihoodBand | Distinct | Classifier


@dataclass(frozen=True, eq=False)
class Accepted:
    """What filters let through. ``tokens`` (n, L), and how many windows were ``drawn`` for them."""

    tokens: np.ndarray
    drawn: int

    @property
    def rate(self) -> float:
        """Share of the drawn windows that were accepted."""
        return len(self.tokens) / self.drawn if self.drawn else 1.0


def accepted(
    draw: Callable[[int, int], np.ndarray], n: int, filters: Sequence[Filter], *, limit: int, batch: int = 256
) -> Accepted:
    """The first ``n`` windows that pass all filters, in order.

    ``draw(first, count)``: the windows numbered first .. first + count - 1, such as
    ``lambda first, count: generate(shape, params, count, key, first=first)``. ``limit``: most windows to draw.
    ``batch``: how many at once, without effect on the result.

    Raises InputError where the limit is reached, with the share that passed.

    >>> odd = accepted(lambda first, count: np.arange(first, first + count)[:, None] // 2, 3, [Distinct()], limit=9)
    >>> odd.tokens.ravel().tolist(), odd.drawn
    ([0, 1, 2], 5)
    """
    n, limit = arg.size("accepted", "n", n, least=0), arg.size("accepted", "limit", limit)
    batch = arg.size("accepted", "batch", batch)
    kept, numbers, drawn = draw(0, 0), np.zeros(0, np.int64), 0
    while len(kept) < n:
        if drawn == limit:
            share = f"{len(kept)} of {drawn} windows passed, {len(kept) / drawn:.2%}"
            remedy = f"{share}, and {n} are wanted: loosen the filters or raise the limit"
            raise arg.refuse("accepted", "limit", limit, remedy)
        tokens = draw(drawn, min(batch, limit - drawn))
        alive = np.arange(len(tokens))
        for each in filters:
            alive = alive[each.keep(tokens[alive], kept)] if len(alive) else alive
        kept, numbers = np.concatenate([kept, tokens[alive]]), np.concatenate([numbers, drawn + alive])
        drawn += len(tokens)
    return Accepted(kept[:n], int(numbers[n - 1]) + 1 if n else 0)


@partial(jax.jit, static_argnums=4)
def _fitted(table: jax.Array, is_real: jax.Array, weight: jax.Array, penalty: float, steps: int) -> tuple[Any, Any]:
    """Weights and bias of the logistic regression of rows (n, F)."""
    optimiser = optax.adam(0.1)
    start = (jnp.zeros(table.shape[1], jnp.float32), jnp.zeros((), jnp.float32))

    def objective(fit: tuple[jax.Array, jax.Array]) -> jax.Array:
        loss = optax.sigmoid_binary_cross_entropy(table @ fit[0] + fit[1], is_real)
        return (weight * loss).sum() + jnp.float32(penalty) * (fit[0] ** 2).sum()

    def step(_: jax.Array, carry: Any) -> Any:
        fit, moments = carry
        change, moments = optimiser.update(jax.grad(objective)(fit), moments, fit)
        return optax.apply_updates(fit, change), moments

    fit, _ = jax.lax.fori_loop(0, steps, step, (start, optimiser.init(start)))
    return fit
