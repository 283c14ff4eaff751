r"""Samplers that jax.random lacks: hypergeometric, Bartlett's factor, and a multinomial that is fast on a CPU.

All are exact laws. ``most`` is a static bound on the number of draws; everything else is an array, so that
other sizes do not compile again.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random

TOKENS_PER_BINOMIAL = 16  # measured on a CPU: what one conditional binomial costs at least, in tokens
MOST_TOKENS = 4096  # beyond it a chain would hold more memory than time is worth


def tokens(key: jax.Array, p: jax.Array, n: int) -> jax.Array:
    """``n`` (static) tokens of weights ``p`` (V,), by inverting the distribution function: (n,) integers."""
    cumulated = jnp.cumsum(p)
    heights = random.uniform(key, (n,), p.dtype) * cumulated[-1]
    # a token without probability has an empty interval: "right" steps over it
    last = p.shape[0] - 1 - jnp.argmax((p > 0)[::-1])
    return jnp.minimum(jnp.searchsorted(cumulated, heights, side="right").astype(int), last)


def multinomial(key: jax.Array, n: Any, p: jax.Array, most: int) -> jax.Array:
    """How often each token of weights ``p`` (V,) occurs among ``n`` <= ``most``: (V,) floats that sum to n.

    Counted token by token, which costs ``most``, or by conditional binomials, which cost V and are slow.
    """
    if most > min(TOKENS_PER_BINOMIAL * p.shape[0], MOST_TOKENS):
        return random.multinomial(key, n, p, unroll=1)
    drawn = jnp.arange(most, dtype=float) < n
    return jnp.zeros_like(p).at[tokens(key, p, most)].add(drawn.astype(p.dtype))


def bartlett(key: jax.Array, dimension: int, freedom: Any) -> jax.Array:
    r"""Lower triangular A (d, d) with A A^T ~ Wishart(I, freedom), singular where freedom < d.

    :math:`A_{jj}^2 \sim \chi^2_{\nu-j}` (j from 0), standard normal below; the columns from :math:`\nu` on are zero.
    """
    normal_key, square_key = random.split(key)
    left = jnp.asarray(freedom, float) - jnp.arange(dimension, dtype=float)
    squares = 2 * random.gamma(square_key, jnp.maximum(left, 1) / 2)
    below = jnp.tril(random.normal(normal_key, (dimension, dimension), float), -1)
    return jnp.where(left > 0, below + jnp.diag(jnp.sqrt(squares)), 0.0)


def hypergeometric(key: jax.Array, good: Any, bad: Any, draws: Any, most: int) -> jax.Array:
    r"""How many of ``draws`` <= ``most`` items drawn without replacement are good.

    :math:`P(k) \propto \binom{good}{k} \binom{bad}{draws - k}`, inverted: the ratios of neighbours are cumulated
    as logarithms, so that no factorial of a large pool loses digits, and the sum normalises.
    """
    good, bad, draws = (jnp.asarray(each, float) for each in (good, bad, draws))
    k = jnp.arange(most + 1, dtype=good.dtype)
    least, greatest = jnp.maximum(draws - bad, 0), jnp.minimum(good, draws)
    rising = (k >= least) & (k < greatest)  # from k to k + 1
    up = jnp.where(rising, (good - k) * (draws - k), 1.0)
    down = jnp.where(rising, (k + 1) * (bad - draws + k + 1), 1.0)
    logs = jnp.cumsum(jnp.roll((jnp.log(up) - jnp.log(down)).at[-1].set(0), 1))  # of P(k) against P(least)
    logs = jnp.where((k >= least) & (k <= greatest), logs, -jnp.inf)
    cumulated = jnp.cumsum(jnp.exp(logs - jnp.max(logs)))
    height = random.uniform(key, (), good.dtype) * cumulated[-1]
    return jnp.clip(jnp.sum(cumulated <= height).astype(good.dtype), least, greatest)


def multivariate_hypergeometric(key: jax.Array, counts: jax.Array, draws: Any, most: int) -> jax.Array:
    """Counts (V,) of ``draws`` <= ``most`` items drawn without replacement from a pool of ``counts`` (V,)."""
    counts = jnp.asarray(counts, float)
    behind = lax.cumsum(counts, reverse=True) - counts

    def token(left: jax.Array, item: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        token_key, good, bad = item
        count = hypergeometric(token_key, good, bad, left, most)
        return left - count, count

    keys = random.split(key, counts.shape[0])
    return lax.scan(token, jnp.asarray(draws, float), (keys, counts, behind))[1]


def distinct(key: jax.Array, draws: int, items: Any, room: int) -> jax.Array:
    """``draws`` (static) different numbers below ``items`` <= ``room`` (static), in random order: (draws,).

    The first steps of a Fisher-Yates shuffle. Beyond ``items`` draws there is nothing left: those say nothing.
    """
    turn = jnp.arange(draws)
    partner = random.randint(key, (draws,), turn, jnp.maximum(items, turn + 1))

    def swap(order: jax.Array, pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        here, there = pair
        return order.at[there].set(order[here]), order[there]

    return lax.scan(swap, jnp.arange(room), (turn, partner))[1]


def repeated(key: jax.Array, draws: int, items: Any, room: int) -> jax.Array:
    """``draws`` (static) independent numbers below ``items``: (draws,). ``room`` is as for `distinct`."""
    return random.randint(key, (draws,), 0, items)
