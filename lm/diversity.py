r"""Diversity of a text: how many different things it says, by six measures.

No measure divides by zero. A text with nothing to measure, empty or shorter than an n-gram, counts as one that
always says the same. Most measures depend on the size of the text: compare texts of equal size.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import entr

from modelcollapse.corpus import words
from modelcollapse.theory import arguments as arg

from .ngrams import counted, ngrams, rows

POINTS = 32  # of the vocabulary's growth, evenly in the logarithm of the length
NO_MATCH = 0.1  # matches counted where there are none: smoothing 1 of ChenCherry2014, as in Zhu2018


@dataclass(frozen=True)
class Diversity:
    """Measures of one text. `LESS_DIVERSE` says which sign of a change means less diverse.

    ``distinct_1`` ... ``distinct_4``: share of different n-grams. ``heaps``: exponent of the vocabulary's growth, of
    words. ``self_bleu``: likeness of windows to each other, 0 to 1. ``compression``: compressed bytes over bytes.
    ``entropy``: of the token frequencies, nats. ``vendi``: effective number of different windows in a sample.
    """

    distinct_1: float
    distinct_2: float
    distinct_3: float
    distinct_4: float
    heaps: float
    self_bleu: float
    compression: float
    entropy: float
    vendi: float


LESS_DIVERSE: Mapping[str, int] = MappingProxyType(
    {
        "distinct_1": -1,
        "distinct_2": -1,
        "distinct_3": -1,
        "distinct_4": -1,
        "heaps": -1,
        "self_bleu": +1,
        "compression": -1,
        "entropy": -1,
        "vendi": -1,
    }
)


def diversity(tokens: Any, texts: Sequence[str], *, sample: int = 256, order: int = 3, seed: int = 0) -> Diversity:
    """All measures of windows ``tokens`` (n, L) and of the same windows decoded, ``texts`` (n,).

    ``sample``: windows that self-BLEU and Vendi look at, drawn without replacement by ``seed``. ``order``: of the
    n-grams in the kernel of Vendi. Words are counted inside windows.

    >>> same = diversity([[7, 7, 7, 7]] * 3, ["aaaa"] * 3)
    >>> same.distinct_1, same.heaps, same.self_bleu, same.entropy, round(same.vendi, 9)
    (0.08333333333333333, 0.0, 1.0, 0.0, 1.0)
    """
    windows = rows("diversity", tokens)
    if len(texts) != len(windows):
        raise arg.refuse("diversity", "texts", f"{len(texts)} texts", f"one for each of the {len(windows)} windows")
    few = sampled(windows, sample, seed)
    return Diversity(
        distinct_1=distinct(windows, 1),
        distinct_2=distinct(windows, 2),
        distinct_3=distinct(windows, 3),
        distinct_4=distinct(windows, 4),
        heaps=heaps([word for text in texts for word in words(text)]),
        self_bleu=self_bleu(few),
        compression=compression("".join(texts).encode("utf-8", "surrogatepass")),
        entropy=entropy(windows),
        vendi=vendi(few, order),
    )


def sampled(tokens: Any, sample: int, seed: int = 0) -> np.ndarray:
    """``sample`` of the windows, drawn without replacement; all of them where there are no more."""
    windows = rows("sampled", tokens)
    sample = arg.size("sampled", "sample", sample)
    if sample >= len(windows):
        return windows
    chosen = np.random.default_rng(seed).choice(len(windows), sample, replace=False)
    return windows[np.sort(chosen)]


def distinct(tokens: Any, order: int) -> float:
    """Share of different n-grams among all n-grams of the windows (Li2016); 0 where there are none.

    >>> distinct([[1, 2, 1, 2]], 2)
    0.6666666666666666
    """
    grams = ngrams(tokens, order)
    return (int(grams.max()) + 1) / grams.size if grams.size else 0.0


def heaps(units: Any) -> float:
    r"""Heaps' exponent :math:`\beta`, :math:`V(t) \propto t^\beta`: V(t) different units among the first t (Heaps1978).

    The slope of log V(t) on log t by least squares, at `POINTS` lengths t from 1 to the whole, evenly in log t.
    ``units``: token ids or words, in reading order. 0 of fewer than two.

    >>> heaps([3, 1, 4, 15, 92, 65]), heaps(["the"] * 9)
    (1.0, 0.0)
    """
    sequence = np.asarray(units).ravel()
    if len(sequence) < 2:
        return 0.0
    first = np.zeros(len(sequence), int)
    first[np.unique(sequence, return_index=True)[1]] = 1
    length = np.unique(np.geomspace(1, len(sequence), POINTS).round().astype(int))
    t, vocabulary = np.log(length), np.log(first.cumsum()[length - 1])
    t = t - t.mean()
    return float(t @ vocabulary / (t @ t))


def self_bleu(tokens: Any, order: int = 4) -> float:
    r"""Mean BLEU of each window against all the others as references (Zhu2018): 1 where all windows are the same.

    BLEU (Papineni2002) is the geometric mean over orders 1 to ``order`` (the length of a window at most) of the share
    of a window's n-grams that a reference has too, each counted at most as often as in the reference that has it
    most. Without a match 0.1 are counted (`NO_MATCH`). Windows are of one length, so no brevity is punished. The cost
    is linear in the windows, up to a sort. Fewer than two windows, or windows of no tokens, count as all the same.

    >>> self_bleu([[1, 2, 3], [1, 2, 4]], order=2)  # 2 of 3 tokens, 1 of 2 pairs
    0.5773502691896257
    """
    windows = rows("self_bleu", tokens)
    number, length = windows.shape
    if number < 2 or length == 0:
        return 1.0
    order = min(arg.size("self_bleu", "order", order), length)
    logarithm = np.zeros(number)
    for each in range(1, order + 1):
        row, gram, count = counted(ngrams(windows, each))
        clipped = np.minimum(count, _most_elsewhere(row, gram, count))
        matches = np.bincount(row, weights=clipped, minlength=number)
        logarithm += np.log(np.where(matches > 0, matches, NO_MATCH) / (length - each + 1))
    return float(np.exp(logarithm / order).mean())


def compression(raw: bytes) -> float:
    """Bytes after zlib at level 9, over bytes before; 0 of no bytes. Above 1 for a few bytes.

    >>> compression(b"collapse " * 1000) < 0.01 < compression(bytes(range(256)))
    True
    """
    return len(zlib.compress(raw, 9)) / len(raw) if raw else 0.0


def entropy(tokens: Any) -> float:
    r"""Entropy :math:`-\sum_i f_i \log f_i` of the token frequencies, in nats; 0 of no tokens.

    >>> round(entropy([[1, 2], [2, 1]]), 4)
    0.6931
    """
    counts = np.unique(rows("entropy", tokens), return_counts=True)[1]
    return float(entr(counts / counts.sum()).sum())


def vendi(tokens: Any, order: int = 3) -> float:
    r"""Vendi score :math:`\exp(-\sum_i \lambda_i \log \lambda_i)` of the eigenvalues of K/n (Friedman2023).

    :math:`K_{ij}` is the cosine of the n-gram counts of windows i and j: 1 where all are the same, n where no two
    share an n-gram. ``order``: tokens in an n-gram, the length of a window at most. 0 of no windows.

    >>> round(vendi([[1, 2], [1, 2], [3, 4], [3, 4]], order=2), 9)
    2.0
    """
    windows = rows("vendi", tokens)
    number, length = windows.shape
    if number == 0 or length == 0:
        return float(number > 0)
    row, gram, count = counted(ngrams(windows, min(arg.size("vendi", "order", order), length)))
    norm = np.sqrt(np.bincount(row, weights=count.astype(float) ** 2))
    unit = csr_array((count / norm[row], (row, gram)))
    eigenvalues = np.linalg.eigvalsh((unit @ unit.T).toarray() / number).clip(min=0)
    return float(np.exp(entr(eigenvalues / eigenvalues.sum()).sum()))


def _most_elsewhere(row: np.ndarray, gram: np.ndarray, count: np.ndarray) -> np.ndarray:
    """For each cell the greatest count of its n-gram in any other window: of the two greatest, the one elsewhere."""
    order = np.lexsort((-count, gram))
    start = np.flatnonzero(np.diff(gram[order], prepend=-1))
    second = np.minimum(start + 1, len(order) - 1)
    shared = np.diff(start, append=len(order)) > 1
    greatest, next_greatest = count[order[start]], np.where(shared, count[order[second]], 0)
    return np.where(row == row[order[start]][gram], next_greatest[gram], greatest[gram])
