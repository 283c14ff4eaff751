r"""A language model that is a table: how often each token follows the last k tokens of real windows.

Given its context a table is a categorical law fitted by counting, for which theory is exact. It is the model between a chain
of one categorical and a decoder: real text, real contexts, no optimiser. Generation 0 is the table *fitted* to the text, not
the text: a text is no Markov chain, and samples of it would drift away from the table at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse.theory import Categorical
from modelcollapse.theory import arguments as arg

ORDERS = (0, 1, 2)


@dataclass(frozen=True, eq=False)
class TabularLM:
    r"""Counts :math:`N_{jt}` of the token t after the context j; :math:`p_j(t) = N_{jt} / N_j`.

    ``order``: number k of tokens in a context. ``vocabulary``: number of token ids, with ``start``, which pads windows on the
    left. ``context`` (J,): contexts seen, as numbers in base ``vocabulary`` whose last digit is the newest token, ascending.
    ``first`` (J + 1,): where in ``token`` (P,) and ``count`` (P,) the pairs of each context begin.
    """

    order: int
    vocabulary: int
    start: int
    context: np.ndarray
    first: np.ndarray
    token: np.ndarray
    count: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """(J,) how often each context was seen, :math:`N_j`."""
        return np.add.reduceat(self.count, self.first[:-1])

    @property
    def size(self) -> int:
        """Number of tokens that the table was fitted to, N."""
        return int(self.count.sum())

    @property
    def pairs(self) -> int:
        """Number P of pairs (context, token) seen; of order 0, of tokens."""
        return len(self.token)

    @property
    def contexts(self) -> np.ndarray:
        """(J, k) the tokens of each context, oldest first."""
        return self.context[:, None] // self.vocabulary ** np.arange(self.order)[::-1] % self.vocabulary

    @property
    def code(self) -> np.ndarray:
        """(P,) each pair as one number, context times ``vocabulary`` plus token, ascending."""
        return np.repeat(self.context, np.diff(self.first)) * self.vocabulary + self.token

    def law(self, context: int) -> Categorical:
        """What follows the context in place ``context``: the tokens seen there, in ascending order."""
        count = self.count[self.first[context] : self.first[context + 1]]
        return Categorical(count / count.sum())


def fit(tokens: Any, order: int, *, vocabulary: int, start: int = 0) -> TabularLM:
    """The table of windows ``tokens`` (n, L), which do not hold the start token; contexts stay within a window.

    Raises InputError for an order other than 0, 1, 2, no tokens, or tokens that are not below ``vocabulary``.

    >>> table = fit(np.array([[1, 2, 1, 2], [1, 1, 1, 2]]), 1, vocabulary=3)
    >>> table.contexts.ravel().tolist(), table.seen.tolist()  # after the start, after 1, after 2
    ([0, 1, 2], [2, 5, 1])
    >>> table.law(1).p.tolist()
    [0.4, 0.6]
    """
    check_order("tabular.fit", order)
    ids = checked("tabular.fit", tokens, vocabulary, start)
    return counted(pair_codes(ids, order, vocabulary, start).ravel(), order, vocabulary, start)


def counted(codes: np.ndarray, order: int, vocabulary: int, start: int) -> TabularLM:
    """The table of pairs given as numbers, in any order."""
    code, count = np.unique(codes, return_counts=True)
    context, first = np.unique(code // vocabulary, return_index=True)
    return TabularLM(order, vocabulary, start, context, np.append(first, len(code)), code % vocabulary, count)


def pair_codes(tokens: np.ndarray, order: int, vocabulary: int, start: int) -> np.ndarray:
    """The pair at every place of windows (..., L): context times ``vocabulary`` plus token."""
    length = tokens.shape[-1]
    padded = np.concatenate([np.full((*tokens.shape[:-1], order), start), tokens], axis=-1)
    code = np.zeros(tokens.shape, np.int64)
    for back in range(order + 1):
        code = code * vocabulary + padded[..., back : back + length]
    return code


def checked(owner: str, tokens: Any, vocabulary: int, start: int) -> np.ndarray:
    """Windows of token ids, or a refusal."""
    ids = np.asarray(tokens)
    if ids.dtype.kind not in "iu" or ids.ndim != 2 or not ids.size:
        raise arg.refuse(
            owner, "tokens", f"{ids.dtype} of shape {ids.shape}", "windows of token ids, whole numbers (n, L)"
        )
    if ids.min() < 0 or ids.max() >= vocabulary:
        worst = int(ids.min() if ids.min() < 0 else ids.max())
        raise arg.refuse(
            owner, "tokens", worst, f"token ids are 0 to {vocabulary - 1}: give the vocabulary that they are of"
        )
    if np.any(ids == start):
        raise arg.refuse(owner, "tokens", start, "the start token is in no window: it pads them on the left")
    return ids.astype(np.int64)


def check_order(owner: str, order: int) -> int:
    """The number of tokens in a context, or a refusal."""
    if isinstance(order, bool) or order not in ORDERS:
        raise arg.refuse(owner, "order", order, "the number of tokens in a context: 0, 1 or 2")
    return int(order)
