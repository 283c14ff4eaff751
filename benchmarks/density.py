"""The opponent of kernel density estimates under Accumulate: scikit-learn's, refitted on the whole pool and scored."""

from __future__ import annotations

import numpy as np

Seen = dict[str, np.ndarray]


def loop(
    chains: int, generations: int, rng: np.random.Generator, *, d: int, n: int, bandwidth: float, places: int
) -> Seen:
    """As published: chain by chain. Observed: ``error`` of the pool's mean, ``log_density`` at held-out ``places``."""
    from sklearn.neighbors import KernelDensity

    seen = np.empty((2, chains, generations))
    for chain in range(chains):
        held_out, pool = rng.standard_normal((places, d)), rng.standard_normal((n, d))
        for m in range(generations):
            model = KernelDensity(bandwidth=bandwidth).fit(pool)
            seen[:, chain, m] = (pool.mean(0) ** 2).sum(), model.score_samples(held_out).mean()
            pool = np.concatenate([pool, model.sample(n, random_state=int(rng.integers(2**31)))])
    return {"error": seen[0], "log_density": seen[1]}
