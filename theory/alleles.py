r"""The two-allele chain: one token against all others under `Replace`, exactly.

The count of one token is a Markov chain of its own: from x of n it goes to :math:`\mathrm{Bin}(n', x/n)`. Everything about a
vocabulary of any size (the chance that a token is lost, total collapse and its expected time) is a sum over tokens of
what this chain with n + 1 states says, at the cost of one small matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from . import arguments as arg

ENTRIES = 4_000_000  # of a table of binomial probabilities held at once
MOST = 100_000_000  # tokens times counts for which the first fit is averaged over exactly
SETTLED = 1e-15  # change of a chance in one generation
LARGEST = 500  # largest training set for which the chain is run; beyond it thinning and diffusion answer


@lru_cache(maxsize=16)
def _log_choose(trials: int) -> np.ndarray:
    return np.array([math.log(math.comb(trials, successes)) for successes in range(trials + 1)])


def binomial(trials: int, chance: Any) -> Any:
    """Probabilities of 0, 1, ..., ``trials`` successes, on a new last axis; exact at chance 0 and 1."""
    xp = arg.namespace(chance)
    successes = np.arange(trials + 1)
    inside = (chance > 0) & (chance < 1)
    safe = xp.where(inside, chance, 0.5)[..., None]
    mass = xp.exp(_log_choose(trials) + successes * xp.log(safe) + (trials - successes) * xp.log1p(-safe))
    certain = xp.asarray(chance)[..., None] * trials == successes
    return xp.where(inside[..., None], mass, certain * 1.0)


@lru_cache(maxsize=16)
def transition(before: int, after: int) -> np.ndarray:
    """(before + 1, after + 1): row x is the law of the next count when x of ``before`` training items are the token."""
    return binomial(after, np.arange(before + 1) / before)


def lost_from_count(sizes: list[int]) -> np.ndarray:
    """Chance that a token seen x times, x = 0..sizes[0], in the first training set is gone from the last one.

    ``sizes``: training sets of generations 1, 2, ..., m. Runs of equal sizes cost the logarithm of their length.
    """
    lost = np.zeros(sizes[-1] + 1)
    lost[0] = 1.0
    place = len(sizes) - 1
    while place > 0:
        before, after = sizes[place - 1], sizes[place]
        run = 1
        while before == after and place - run > 0 and sizes[place - run - 1] == before:
            run += 1
        step = transition(before, after)
        if run <= 64:
            for _ in range(run):
                lost = step @ lost
        else:
            lost = np.linalg.matrix_power(step, run) @ lost
        place -= run
    return lost


def lost_beside_fresh(real: int, synthetic: int, share: Any, generations: Sequence[float]) -> np.ndarray:
    """(generations, counts 0..real, V): chance that a token of true probability ``share`` (V,) seen that often is gone later.

    One training set holds ``real`` draws of the truth, later ones also ``synthetic`` draws of the model before. ``inf``: in the
    long run.
    """
    pool, fresh = real + synthetic, binomial(real, np.asarray(share, float)).T

    def drawn(table: np.ndarray) -> np.ndarray:  # by the number of synthetic copies: averaged over the fresh ones
        return sum(fresh[copies] * table[copies : copies + synthetic + 1] for copies in range(real + 1))

    first, later = transition(real, synthetic), transition(pool, synthetic)
    gone = np.zeros((pool + 1, np.size(share)))
    gone[0] = 1.0
    found: dict[float, np.ndarray] = {1: np.repeat(np.eye(real + 1, 1), np.size(share), axis=1)}
    place = 2
    while not found.keys() >= set(generations):
        ahead = drawn(gone)
        settled = later @ ahead
        still = np.abs(settled - gone).max() < SETTLED
        found |= {when: first @ ahead for when in generations if when == place or (still and when >= place)}
        gone, place = settled, place + 1
    return np.stack([found[when] for when in generations])


def averaged(chance: Any, first: int, table: Any) -> Any:
    """E table[X] over the first count X ~ Bin(first, chance), for each chance (V,): (V, ...) in little memory."""
    if arg.is_jax(chance) or np.ndim(chance) == 0:
        return binomial(first, chance) @ table
    parts = np.array_split(np.asarray(chance, float), max(1, len(chance) * (first + 1) // ENTRIES))
    return np.concatenate([binomial(first, part) @ table for part in parts])


def lost(chance: Any, sizes: list[int]) -> Any:
    """Chance that a token of true probability ``chance`` (V,) is gone from generation m = len(sizes)."""
    return averaged(chance, sizes[0], lost_from_count(sizes))


@lru_cache(maxsize=16)
def waiting(size: int) -> np.ndarray:
    r"""u(x), x = 0..n: expected total share that a token holds while it is neither lost nor alone, from x of n on.

    Solves :math:`(I - Q) u = x/n` on the transient states; summed over tokens it is the expected time to total collapse.
    """
    result = np.zeros(size + 1)
    if size > 1:
        inner = transition(size, size)[1:-1, 1:-1]
        result[1:-1] = np.linalg.solve(np.eye(size - 1) - inner, np.arange(1, size) / size)
    return result


def time_from_count(first: int, size: int) -> np.ndarray:
    """u for x = 0..first items of the first training set, whose size may differ from the later ones."""
    share = np.arange(first + 1) / first
    ahead = share * (share < 1) + transition(first, size) @ waiting(size)
    return np.where((share == 0) | (share == 1), 0.0, ahead)
