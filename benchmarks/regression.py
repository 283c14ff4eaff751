r"""Opponents of linear regression under Accumulate: new covariates in every generation, answered by the model before.

The truth is 0 with noise of variance 1: by symmetry no other truth has another error. Observed: the squared ``error``.
"""

from __future__ import annotations

import numpy as np

Seen = dict[str, np.ndarray]


def statistics(chains: int, generations: int, rng: np.random.Generator, *, d: int, n: int) -> Seen:
    r"""Normal equations: :math:`S_m = S_{m-1} + A A^T` with Bartlett's A, :math:`w_m = w_{m-1} + S_m^{-1} A z`.

    The new answers are those of the old model and noise, so that the old model solves all but the noise.
    """
    below, diagonal = np.tril_indices(d, -1), np.arange(d)
    triangle, pooled = np.zeros((chains, d, d)), np.zeros((chains, d, d))
    weights, seen = np.zeros((chains, d)), np.empty((chains, generations))
    for m in range(generations):
        triangle[:, below[0], below[1]] = rng.standard_normal((chains, len(below[0])))
        triangle[:, diagonal, diagonal] = np.sqrt(rng.chisquare(n - diagonal, (chains, d)))
        pooled += triangle @ triangle.transpose(0, 2, 1)
        noise = triangle @ rng.standard_normal((chains, d, 1))
        weights += np.linalg.solve(pooled, noise)[:, :, 0]
        seen[:, m] = (weights**2).sum(1)
    return {"error": seen}


def loop(chains: int, generations: int, rng: np.random.Generator, *, d: int, n: int) -> Seen:
    """As published: chain by chain, all rows are kept and refitted with a pseudo-inverse."""
    seen = np.empty((chains, generations))
    for chain in range(chains):
        weights, rows, answers = np.zeros(d), np.empty((0, d)), np.empty(0)
        for m in range(generations):
            new = rng.standard_normal((n, d))
            rows = np.concatenate([rows, new])
            answers = np.concatenate([answers, new @ weights + rng.standard_normal(n)])
            weights = np.linalg.pinv(rows) @ answers
            seen[chain, m] = weights @ weights
    return {"error": seen}
