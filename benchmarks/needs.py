"""What one generation of one chain cannot do without: random bits, bytes moved and multiply-adds, counted by hand.

A sampler of exact laws that inverts one 64-bit number for each variate is assumed; a chain that stays in the cache reads
and writes its state once in a generation. These are counts of the work, not of what some program does.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

WORD = 64  # bits of one variate


class Needs(NamedTuple):
    """Of one chain in one generation: random ``bits``, ``bytes`` moved, multiply-``adds``."""

    bits: float
    bytes: float
    adds: float

    def binding(self, rates: Needs, chain_generations: float) -> tuple[str, float]:
        """The limit that is nearest at so many chain-generations a second, and the share of it that is reached.

        ``rates``: what the machine has of each in a second.
        """
        shares = {
            name: need * chain_generations / rate
            for name, need, rate in zip(("random bits", "bandwidth", "arithmetic"), self, rates, strict=True)
        }
        name = max(shares, key=lambda each: shares[each])
        return name, shares[name]


def categorical(tokens: int, n: int) -> Needs:
    """A multinomial of n among V: V - 1 binomials of a word or n tokens of log2 V bits, whichever is less; three sums over V."""
    return Needs(min(WORD * (tokens - 1), n * log2(tokens)), 8 * (2 * tokens + 3), 4 * tokens)


def gaussian(d: int, sets: int = 1, pooled: bool = False) -> Needs:
    """A mean and Bartlett's triangle for each set, product of triangles; pooled: also a product A A^T and a Cholesky."""
    triangle = d * (d + 1) // 2
    adds = sets * (d**3 / 6 + d**2 / 2 + triangle) + (d**3 / 3 + d**2 if pooled else 0)
    return Needs(WORD * sets * (triangle + d), 8 * (2 * (triangle + d) + 3), adds + 2 * d)


def points(d: int, n: int) -> Needs:
    """n new points by a triangle, n picked out of the pool (an index of 32 bits each), their mean and covariance."""
    return Needs(n * (WORD * d + 32), 8 * 2 * n * d, n * d * (d + 1) + d**3 / 6)


def regression(d: int) -> Needs:
    """Bartlett's triangle and d normal numbers, the product A A^T, a Cholesky of the sum and two triangular solves."""
    triangle = d * (d + 1) // 2
    return Needs(WORD * (triangle + d), 8 * (2 * triangle + 2 * d + 1), d**3 / 3 + 2 * d**2)


def density(d: int, n: int, places: int) -> Needs:
    """n picked points moved by the kernel, and n new kernels summed at each place: a distance and one exponential."""
    return Needs(n * (WORD * d + 32), 8 * (2 * n * d + places), n * places * (2 * d + 10))
