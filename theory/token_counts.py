"""Token counts as people have them, two snapshots of them: lists, dicts, or one of these for each document.

What tokens of a snapshot tell is measured by pairs of independent ones that agree: pairs of any two tokens, where all are
independent, and pairs of tokens of different documents, where only these are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import arguments as arg

NEAR = 1e-3  # within which probabilities sum to one, also in float32
TOKENS = (
    "counts of tokens, whole and 0 or more, or probabilities, which sum to one: a list of them or a dict by token; of counts "
    "also one for each document"
)


def frequencies(own: str, before: Any, after: Any) -> tuple[tuple[np.ndarray, float], tuple[np.ndarray, float]]:
    """Frequencies of both, token by token, and one over the independent tokens that each is worth."""
    first, last = (_documents(own, name, each) for name, each in (("before", before), ("after", after)))
    if isinstance(first[0], Mapping) != isinstance(last[0], Mapping):
        raise arg.refuse(
            own, "after", after, "snapshots of one kind: lists in the same order of tokens, or dicts by token"
        )
    if isinstance(first[0], Mapping):
        tokens = list(dict.fromkeys(token for each in (*first, *last) for token in each))
    elif len(first[0]) != len(last[0]):
        raise arg.refuse(own, "after", f"{len(last[0])} tokens", f"the same {len(first[0])} tokens in the same order as before, "
                         "0 where one is gone, or dicts by token")  # fmt: skip
    else:
        tokens = []
    one, other = (_of_one(own, *each, tokens) for each in (("before", before, first), ("after", after, last)))
    if not (one[0] * other[0]).any():
        raise arg.refuse(own, "after", after, "snapshots with tokens in common: count the same tokens in both")
    return one, other


def _documents(own: str, name: str, value: Any) -> list[Any]:
    """The counts of each document, by token or in the order of tokens; of one, where there is no more."""
    if arg.is_traced(value):
        raise arg.refuse(own, name, "traced", "static here: call it outside jit, vmap and grad")
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, Sequence) and value and all(isinstance(each, Mapping) for each in value):
        return list(value)
    table = arg.numbers(own, name, value, TOKENS)
    if table.ndim not in (1, 2) or len(np.atleast_2d(table)) == 0:
        raise arg.refuse(own, name, f"shape {table.shape}", TOKENS)
    return list(np.atleast_2d(table))


def _of_one(own: str, name: str, value: Any, documents: list[Any], tokens: list[Any]) -> tuple[np.ndarray, float]:
    named = isinstance(documents[0], Mapping)
    rows = [arg.numbers(own, name, list(each.values()), TOKENS) if named else each for each in documents]
    sizes = np.array([each.sum() for each in rows])
    total = float(sizes.sum())
    if any((each < 0).any() for each in rows):
        raise arg.refuse(own, name, value, TOKENS)
    if total == 0:
        raise arg.refuse(own, name, value, "it is empty: a snapshot holds tokens")
    if named:
        added: Counter[Any] = Counter()
        for each in documents:
            added.update(each)
        counts = np.array([added[token] for token in tokens], float)
    else:
        counts = np.sum(documents, axis=0)
    if len(documents) == 1 and abs(total - 1) <= NEAR:
        return counts / total, 0.0
    if any((each != np.floor(each)).any() for each in rows) or total > arg.LAST:
        raise arg.refuse(own, name, value, TOKENS)
    frequencies = counts / total
    if len(documents) == 1:
        return frequencies, 1 / total
    if np.count_nonzero(sizes) < 2:
        raise arg.refuse(
            own, name, f"{np.count_nonzero(sizes)} documents", "at least two that hold tokens, or their sum"
        )
    inside = sum(float((each * (each.sum() - each)).sum()) for each in rows)
    return frequencies, _inverse(frequencies, inside / total**2, float((sizes**2).sum()) / total**2)


def _inverse(frequencies: np.ndarray, inside: float, pairs: float) -> float:
    """One over the tokens that documents are worth: pairs of tokens of different documents agree without bias for p_2.

    ``pairs``: share of pairs of tokens that are of one document; ``inside``: of those of one document that differ.
    """
    differ = float((frequencies * others(frequencies)).sum())
    if differ <= 0:  # one token alone, which is refused
        return 0.0
    return (differ * pairs - inside) / (differ - inside)  # 1 - differ (1 - pairs) / (share that differs across)


def others(frequencies: np.ndarray) -> np.ndarray:
    """1 - x of each token (..., V); the most frequent one's is the sum of the others, so that no digits cancel.

    >>> others(np.array([1 - 2**-50, 2**-50, 2**-80])).tolist() == [2**-50 + 2**-80, 1 - 2**-50, 1.0]
    True
    """
    top = frequencies.argmax(axis=-1, keepdims=True)
    rest = np.where(np.arange(frequencies.shape[-1]) == top, 0.0, frequencies)
    return np.where(rest == frequencies, 1 - frequencies, rest.sum(axis=-1, keepdims=True))
