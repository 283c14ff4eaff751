r"""Streaming moments and quantiles: what is kept of chains that are not kept.

Chains come in groups. Of each group the number of chains, mean, sum of squared deviations, least and greatest value of every
observable at every generation are worked out where the chains are; they are merged in the order of the groups by Chan's
rule, so that the numbers do not depend on where or when a group was run. Quantiles: the first few chains say where they lie,
and of all chains it is counted how many are below a few values around there; between two such values the distribution
function is taken to be that of a normal law.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
FIRST = 256  # chains that say where quantiles lie
AROUND = (-3.0, -1.0, 1.0, 3.0)  # standard errors of a level in so many chains
KNOTS = len(LEVELS) * len(AROUND)
ROUND = 16  # chains in one round of a loop: of fewer XLA on a CPU makes slow code


class Moments(NamedTuple):
    """Of observables (O, M): chains, mean, squared deviations, least, greatest; knots, and counts under them (K, O, M)."""

    chains: int
    mean: np.ndarray
    square: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    knots: np.ndarray
    under: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Unbiased variance over the chains (O, M)."""
        return self.square / max(self.chains - 1, 1)

    @property
    def quantiles(self) -> np.ndarray:
        """Estimated quantiles at `LEVELS`: (L, O, M)."""
        from scipy.special import ndtri

        shares = np.concatenate([np.zeros_like(self.under[:1]), self.under / self.chains, np.ones_like(self.under[:1])])
        scores = ndtri(np.clip(shares, 0.5 / self.chains, 1 - 0.5 / self.chains))
        values, wanted = np.concatenate([self.least[None], self.knots, self.greatest[None]]), ndtri(LEVELS)
        out = np.empty((len(LEVELS), *self.mean.shape))
        for place in np.ndindex(self.mean.shape):
            at = (slice(None), *place)
            out[at] = np.interp(wanted, scores[at], values[at])
        return out


@jax.jit
def summary(values: dict[str, jax.Array], chains: Any, knots: jax.Array) -> dict[str, jax.Array]:
    """Of the first ``chains`` rows of observables (B, M): the fields of `Moments`, stacked over observables."""
    x = jnp.stack([values[name] for name in sorted(values)], axis=1)  # (B, O, M)
    lacking = -x.shape[0] % ROUND
    rows = jnp.pad(x, ((0, lacking), (0, 0), (0, 0))).reshape(-1, ROUND, *x.shape[1:])
    used = (jnp.arange(x.shape[0] + lacking) < chains).reshape(-1, ROUND)
    zero = jnp.zeros_like(x[0])

    def add(state: Any, some: Any) -> tuple[Any, None]:
        total, least, greatest, under = state
        for value, counts in zip(*some, strict=True):
            or_above = jnp.where(counts, value, jnp.inf)
            total = total + jnp.where(counts, value, 0)
            least, greatest = jnp.minimum(least, or_above), jnp.maximum(greatest, jnp.where(counts, value, -jnp.inf))
            under = under + (or_above <= knots).astype(jnp.int32)
        return (total, least, greatest, under), None

    start = zero, zero + jnp.inf, zero - jnp.inf, jnp.zeros(knots.shape, jnp.int32)
    total, least, greatest, under = lax.scan(add, start, (rows, used))[0]
    near = total / chains

    def spread(state: Any, some: Any) -> tuple[Any, None]:
        rest, square = state
        for value, counts in zip(*some, strict=True):
            apart = jnp.where(counts, value - near, 0)
            rest, square = rest + apart, square + apart * apart
        return (rest, square), None

    rest, square = lax.scan(spread, (zero, zero), (rows, used))[0]
    mean = jnp.where(jnp.isfinite(near), near + rest / chains, near)  # what rounding took from a long sum
    return {"mean": mean, "square": square, "least": least, "greatest": greatest, "under": under}


def placed(values: dict[str, Any], chains: int) -> np.ndarray:
    """Knots (K, O, M) around the quantiles of the first chains: ascending, some of their ordered values."""
    chains = min(chains, FIRST)
    x = np.sort(np.stack([np.asarray(values[name])[:chains] for name in sorted(values)]), axis=1)  # (O, chains, M)
    levels = [q + s * np.sqrt(q * (1 - q) / chains) for q in LEVELS for s in AROUND]
    places = np.clip(np.round(np.sort(levels) * chains - 0.5), 0, chains - 1).astype(int)
    return np.moveaxis(x[:, places], 1, 0)


def of_group(found: dict[str, Any], chains: int, knots: np.ndarray) -> Moments:
    """The moments of one group, in double precision."""
    wide = {name: np.asarray(found[name], float) for name in ("mean", "square", "least", "greatest")}
    return Moments(chains, **wide, knots=knots, under=np.asarray(found["under"], np.int64))


def merged(one: Moments, other: Moments) -> Moments:
    """The moments of two sets of chains together."""
    chains = one.chains + other.chains
    with np.errstate(invalid="ignore"):  # where a logarithm is minus infinity it stays so
        apart = np.where(one.mean == other.mean, 0.0, other.mean - one.mean)
        mean = one.mean + apart * (other.chains / chains)
        square = one.square + other.square + apart**2 * (one.chains * other.chains / chains)
    return Moments(
        chains, mean, square, np.minimum(one.least, other.least), np.maximum(one.greatest, other.greatest), one.knots,
        one.under + other.under,
    )  # fmt: skip
