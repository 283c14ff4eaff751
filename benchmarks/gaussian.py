r"""Opponents of the Gaussian family, mean and covariance fitted with divisor n: one function for each way of doing it.

Each returns what is observed at every generation: ``error``, ``diversity`` (trace of the covariance over d) and
``log_variance`` (log determinant over d), (C, M) each. The truth is standard normal. ``workflow``: Replace, Accumulate,
AccumulateSubsample (all that is trained on are n points of the pool), FixedReal or FreshReal (n real ones beside n synthetic).

Loops over chains are as published code does it; the others do all chains at once. Statistics are two: the mean of
n points, and their covariance, which is L A A^T L^T / n with Bartlett's triangle A. A workflow that pools sets pools these. No
statistics say what a subsample of a pool is fitted on, since the same point is trained on again: that workflow has none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Seen = dict[str, np.ndarray]
Fit = tuple[np.ndarray, np.ndarray]  # means (C, d) and covariances (C, d, d)
NAMES = ("error", "diversity", "log_variance")


def _moments(x: np.ndarray) -> Fit:
    """Of points (C, n, d), which are centred in place."""
    mean = x.mean(1)
    x -= mean[:, None]
    return mean, x.transpose(0, 2, 1) @ x / x.shape[1]


def _pooled(old: Fit, new: Fit, kept: float) -> Fit:
    """Moments of two sets together, of which the old one has the share ``kept``."""
    (m0, c0), (m1, c1), away = old, new, new[0] - old[0]
    scatter = kept * (1 - kept) * away[:, :, None] * away[:, None, :]
    return kept * m0 + (1 - kept) * m1, kept * c0 + (1 - kept) * c1 + scatter


def _observed(mean: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    d = mean.shape[1]
    diagonal = np.diagonal(factor, axis1=1, axis2=2)
    return (mean**2).sum(1), (factor**2).sum((1, 2)) / d, 2 * np.log(diagonal).mean(1)


def samples(
    chains: int, generations: int, rng: np.random.Generator, *, d: int, n: int, workflow: str, replacement: bool = False
) -> Seen:
    """All chains at once, every point drawn. What earlier generations leave is kept as moments where that is enough."""
    if d == 1 and workflow == "Replace":
        return _line_samples(chains, generations, rng, n)
    if workflow == "AccumulateSubsample":
        return _subsampled(chains, generations, rng, d, n, replacement)

    def drawn(mean: np.ndarray, factor: np.ndarray) -> Fit:
        x = rng.standard_normal((chains, n, d)) @ factor.transpose(0, 2, 1)
        x += mean[:, None]
        return _moments(x)

    return _run(chains, generations, d, workflow, drawn)


def statistics(chains: int, generations: int, rng: np.random.Generator, *, d: int, n: int, workflow: str) -> Seen:
    """All chains at once, one draw from the exact law of the moments of n points."""
    if d == 1 and workflow == "Replace":
        return _line_statistics(chains, generations, rng, n)
    draw = _bartlett(chains, rng, d, n)
    if workflow == "Replace":  # the triangle that is drawn is the next factor
        mean, factor = np.zeros((chains, d)), np.broadcast_to(np.eye(d), (chains, d, d))
        seen = np.empty((3, chains, generations))
        for m in range(generations):
            mean, factor = draw(mean, factor)
            seen[:, :, m] = _observed(mean, factor)
        return dict(zip(NAMES, seen, strict=True))

    def drawn(mean: np.ndarray, factor: np.ndarray) -> Fit:
        mean, factor = draw(mean, factor)
        return mean, factor @ factor.transpose(0, 2, 1)

    return _run(chains, generations, d, workflow, drawn)


def loop(
    chains: int, generations: int, rng: np.random.Generator, *, d: int, n: int, workflow: str, replacement: bool = False
) -> Seen:
    """As published: chain by chain, points kept and refitted with numpy.cov."""
    seen = np.empty((3, chains, generations))
    for chain in range(chains):
        real = pool = rng.standard_normal((n, d))
        for m in range(generations):
            data = pool[rng.choice(len(pool), n, replace=replacement)] if workflow == "AccumulateSubsample" else pool
            mean, covariance = data.mean(0), np.atleast_2d(np.cov(data.T, bias=True))
            seen[:, chain, m] = mean @ mean, np.trace(covariance) / d, np.linalg.slogdet(covariance)[1] / d
            new = rng.multivariate_normal(mean, covariance, n)
            match workflow:
                case "Replace":
                    pool = new
                case "Accumulate" | "AccumulateSubsample":
                    pool = np.concatenate([pool, new])
                case "FixedReal":
                    pool = np.concatenate([real, new])
                case "FreshReal":
                    pool = np.concatenate([rng.standard_normal((n, d)), new])
    return dict(zip(NAMES, seen, strict=True))


def _run(chains: int, generations: int, d: int, workflow: str, drawn: Callable[[np.ndarray, np.ndarray], Fit]) -> Seen:
    """Generations of any workflow on moments; ``drawn`` gives those of n new points of a model (mean, triangular factor)."""
    truth = np.zeros((chains, d)), np.broadcast_to(np.eye(d), (chains, d, d))
    seen = np.empty((3, chains, generations))
    fit = real = drawn(*truth)
    factor = truth[1]
    for m in range(generations):
        if m:
            new = drawn(fit[0], factor)
            match workflow:
                case "Replace":
                    fit = new
                case "Accumulate":
                    fit = _pooled(fit, new, m / (m + 1))
                case "FixedReal":
                    fit = _pooled(real, new, 1 / 2)
                case "FreshReal":
                    fit = _pooled(drawn(*truth), new, 1 / 2)
        factor = np.linalg.cholesky(fit[1])
        seen[:, :, m] = _observed(fit[0], factor)
    return dict(zip(NAMES, seen, strict=True))


def _bartlett(chains: int, rng: np.random.Generator, d: int, n: int) -> Callable[[np.ndarray, np.ndarray], Fit]:
    below, diagonal = np.tril_indices(d, -1), np.arange(d)
    triangle = np.zeros((chains, d, d))

    def draw(mean: np.ndarray, factor: np.ndarray) -> Fit:
        """The mean and a triangular factor of the covariance of n points of a model."""
        triangle[:, below[0], below[1]] = rng.standard_normal((chains, len(below[0])))
        triangle[:, diagonal, diagonal] = np.sqrt(rng.chisquare(n - 1 - diagonal, (chains, d)))
        mean = mean + (factor @ rng.standard_normal((chains, d, 1)))[:, :, 0] / np.sqrt(n)
        return mean, factor @ triangle / np.sqrt(n)

    return draw


def _subsampled(chains: int, generations: int, rng: np.random.Generator, d: int, n: int, replacement: bool) -> Seen:
    """The pool is kept; each generation is fitted on n points of it."""
    pool, row = np.empty((chains, generations * n, d)), np.arange(chains)[:, None]
    mean, factor = np.zeros((chains, d)), np.broadcast_to(np.eye(d), (chains, d, d))
    seen = np.empty((3, chains, generations))
    for m in range(generations):
        size = (m + 1) * n
        pool[:, m * n : size] = rng.standard_normal((chains, n, d)) @ factor.transpose(0, 2, 1) + mean[:, None]
        if replacement:
            chosen = rng.integers(size, size=(chains, n))
        else:
            chosen = np.stack([rng.choice(size, n, replace=False, shuffle=False) for _ in range(chains)])
        mean, covariance = _moments(pool[row, chosen])
        factor = np.linalg.cholesky(covariance)
        seen[:, :, m] = _observed(mean, factor)
    return dict(zip(NAMES, seen, strict=True))


def _line_samples(chains: int, generations: int, rng: np.random.Generator, n: int) -> Seen:
    mean, deviation = np.zeros(chains), np.ones(chains)
    seen = np.empty((3, chains, generations))
    for m in range(generations):
        x = rng.standard_normal((chains, n)) * deviation[:, None] + mean[:, None]
        mean, variance = x.mean(1), x.var(1)
        deviation = np.sqrt(variance)
        seen[:, :, m] = mean**2, variance, np.log(variance)
    return dict(zip(NAMES, seen, strict=True))


def _line_statistics(chains: int, generations: int, rng: np.random.Generator, n: int) -> Seen:
    mean, variance = np.zeros(chains), np.ones(chains)
    seen = np.empty((3, chains, generations))
    for m in range(generations):
        mean = mean + np.sqrt(variance / n) * rng.standard_normal(chains)
        variance = variance * rng.chisquare(n - 1, chains) / n
        seen[:, :, m] = mean**2, variance, np.log(variance)
    return dict(zip(NAMES, seen, strict=True))
