r"""N-grams of windows of tokens, numbered: what diversity and the tails count.

An n-gram lies inside one window, so a text of n windows of length L has :math:`n (L - k + 1)` of order k.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse.theory import arguments as arg


def ngrams(tokens: Any, order: int) -> np.ndarray:
    r"""Numbers of the n-grams of windows: equal numbers for equal n-grams, 0, 1, ... without a gap.

    ``tokens`` (n, L): windows of token ids. ``order``: tokens in an n-gram, at least 1. Returns (n, L - order + 1)
    int64, without columns where the windows are too short. Raises InputError for another shape or order.

    >>> ngrams([[1, 2, 1, 2], [2, 1, 7, 1]], 2).tolist()
    [[0, 2, 0], [2, 1, 3]]
    """
    windows = rows("ngrams", tokens)
    order = arg.size("ngrams", "order", order)
    if order > windows.shape[1]:
        return np.zeros((len(windows), 0), np.int64)
    single = _numbered(windows)
    grams = single
    for length in range(1, order):
        # a pair of numbers below n L each is one number below 2^63
        pairs = grams[:, :-1] * (single.max(initial=0) + 1) + single[:, length:]
        grams = _numbered(pairs)
    return grams


def counted(grams: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The filled cells of the table of windows by n-grams: row, number of the n-gram and count, each (cells,).

    >>> [each.tolist() for each in counted(ngrams([[5, 5, 6], [6, 6, 6]], 1))]
    [[0, 0, 1], [0, 1, 1], [2, 1, 3]]
    """
    width = int(grams.max(initial=0)) + 1
    cells, counts = np.unique(np.arange(len(grams))[:, None] * width + grams, return_counts=True)
    return cells // width, cells % width, counts


def rows(owner: str, tokens: Any) -> np.ndarray:
    """The windows as an array (n, L) of whole numbers, or a refusal; no windows at all are (0, 0)."""
    windows = np.asarray(tokens)
    if windows.size == 0:
        return np.zeros(windows.shape if windows.ndim == 2 else (0, 0), np.int64)
    if windows.ndim != 2 or windows.dtype.kind not in "iu":
        raise arg.refuse(owner, "tokens", f"{windows.dtype} of shape {windows.shape}", "whole numbers of shape (n, L)")
    return windows.astype(np.int64)


def _numbered(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1].reshape(values.shape)
