r"""Tails: which of the types of a real text a generation still says.

A type is a token, an n-gram or a word. What is seen depends on how much is looked at: compare generations by texts
of one size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse.corpus import words
from modelcollapse.theory import arguments as arg

from .ngrams import ngrams, rows


@dataclass(frozen=True)
class Tails:
    """What is left of the types of a real text.

    ``types``: share of the real types that the generation has. ``mass``: share of the real text made of them.
    ``lost``: number of real types that it lacks. ``singletons``: share of the types seen once in the real text that
    it has; 1 where there are none. ``unreal``: share of the generation made of types that the real text lacks.
    """

    types: float
    mass: float
    lost: int
    singletons: float
    unreal: float


def tails(real: Any, generated: Any) -> Tails:
    r"""What the counts ``generated`` (V,) keep of the counts ``real`` (V,), type by type.

    Raises InputError for negative counts, unequal shapes, and a real text of no tokens. An empty generation keeps
    nothing.

    >>> tails(real=[5, 1, 1, 0], generated=[6, 0, 1, 1])
    Tails(types=0.6666666666666666, mass=0.8571428571428571, lost=1, singletons=0.5, unreal=0.125)
    """
    truth, seen = _counts("real", real), _counts("generated", generated)
    if truth.shape != seen.shape:
        raise arg.refuse("tails", "generated", f"shape {seen.shape}", f"the types of real, shape {truth.shape}")
    if not truth.any():
        raise arg.refuse("tails", "real", real, "counts of at least one token")
    there, kept = truth > 0, seen > 0
    once = truth == 1
    written = seen.sum()
    return Tails(
        types=float(kept[there].mean()),
        mass=float(truth[kept].sum() / truth.sum()),
        lost=int((there & ~kept).sum()),
        singletons=float(kept[once].mean()) if once.any() else 1.0,
        unreal=float(seen[~there].sum() / written) if written else 0.0,
    )


def ngram_counts(real: Any, generated: Any, order: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the n-grams of two sets of windows of one length, (n, L) and (n', L), on one axis of types.

    >>> [each.tolist() for each in ngram_counts([[1, 2, 1]], [[1, 2, 2]], order=2)]
    [[1, 1, 0], [1, 0, 1]]
    """
    first, second = rows("ngram_counts", real), rows("ngram_counts", generated)
    if second.size == 0:
        second = second.reshape(0, first.shape[1])
    if first.shape[1] != second.shape[1]:
        raise arg.refuse("ngram_counts", "generated", f"windows of {second.shape[1]}", f"of {first.shape[1]}, as real")
    grams = ngrams(np.concatenate([first, second]), order)
    types = int(grams.max(initial=-1)) + 1
    return tuple(np.bincount(part.ravel(), minlength=types) for part in np.split(grams, [len(first)]))  # type: ignore[return-value]


def word_counts(real: Iterable[str], generated: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the words of two sets of texts, on one axis of types.

    >>> [each.tolist() for each in word_counts(["to be or", "not to be"], ["to be"])]
    [[2, 2, 1, 1], [1, 1, 0, 0]]
    """
    first, second = (Counter(word for text in texts for word in words(text)) for texts in (real, generated))
    types = list(first | second)
    return np.array([first[each] for each in types], int), np.array([second[each] for each in types], int)


def _counts(name: str, value: Any) -> np.ndarray:
    wanted = "counts of shape (V,), whole and not negative"
    counts = arg.numbers("tails", name, value, wanted)
    if counts.ndim != 1 or np.any(counts < 0) or np.any(counts != np.floor(counts)):
        raise arg.refuse("tails", name, value, wanted)
    return counts
