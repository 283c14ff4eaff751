"""Opponents of the categorical family under Replace: every generation is n tokens of the one before, counted.

Each returns what is observed at every generation: ``error``, ``diversity`` and ``alive``, (C, M) each.
"""

from __future__ import annotations

import numpy as np

Seen = dict[str, np.ndarray]


def observed(p: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared distance from the truth, 1 - sum p^2, tokens with p > 0: of models (..., V)."""
    return ((p - truth) ** 2).sum(-1), 1 - (p * p).sum(-1), np.count_nonzero(p, axis=-1)


def counts(chains: int, generations: int, rng: np.random.Generator, *, tokens: int, n: int) -> Seen:
    """All chains at once, one multinomial each and generation."""
    truth = np.full(tokens, 1 / tokens)
    p = np.broadcast_to(truth, (chains, tokens))
    seen = np.empty((3, chains, generations))
    for m in range(generations):
        p = rng.multinomial(n, p) / n
        seen[:, :, m] = observed(p, truth)
    return dict(zip(("error", "diversity", "alive"), seen, strict=True))


def loop(chains: int, generations: int, rng: np.random.Generator, *, tokens: int, n: int) -> Seen:
    """As published: chain by chain, n tokens drawn and counted."""
    truth = np.full(tokens, 1 / tokens)
    seen = np.empty((3, chains, generations))
    for chain in range(chains):
        p = truth
        for m in range(generations):
            data = rng.choice(tokens, size=n, p=p)
            p = np.bincount(data, minlength=tokens) / n
            seen[:, chain, m] = observed(p, truth)
    return dict(zip(("error", "diversity", "alive"), seen, strict=True))


def drift(chains: int, generations: int, rng: np.random.Generator, *, tokens: int, n: int) -> Seen:
    """A simulator of population genetics: Wright-Fisher genealogies, backwards in time, of all n genomes of n/2 diploids.

    It says which founder each genome of the last generation descends from; founders are real samples, and get tokens. Both
    parents of an individual are any, the same one too, so that genomes choose theirs independently: the law is that of
    `counts`. Only the last generation is seen (all others NaN), and V costs nothing.
    """
    import msprime

    truth = np.full(tokens, 1 / tokens)
    seen = np.full((3, chains, generations), np.nan)
    replicates = msprime.sim_ancestry(
        samples=n // 2, population_size=n // 2, ploidy=2, model="dtwf", end_time=generations - 1, num_replicates=chains,
        random_seed=int(rng.integers(1, 2**31)),
    )  # fmt: skip
    for chain, genealogy in enumerate(replicates):
        tree = genealogy.first()
        descendants = np.array([tree.num_samples(root) for root in tree.roots])
        p = np.bincount(rng.integers(tokens, size=len(descendants)), weights=descendants, minlength=tokens) / n
        seen[:, chain, -1] = observed(p, truth)
    return dict(zip(("error", "diversity", "alive"), seen, strict=True))
