r"""Windows: what a model is trained on, with where each comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from modelcollapse.theory import arguments as arg

from .tokenizer import Tokenizer

REAL, SYNTHETIC = 0, 1
PEOPLE = -1  # number of the model that wrote real text


@dataclass(frozen=True, eq=False)
class Windows:
    """n rows of L tokens, without the start token. A window is one sample.

    ``tokens`` (n, L) int32. ``origin`` (n,) uint8: `REAL` or `SYNTHETIC`. ``generation`` (n,) int32: 0 where people
    wrote it, m where a model of generation m did. ``model`` (n,) int32: which model of that generation, from 0 on;
    -1 where people did.

    Raises InputError where the shapes differ or real text claims a model, or synthetic text none.
    """

    tokens: np.ndarray
    origin: np.ndarray
    generation: np.ndarray
    model: np.ndarray

    def __post_init__(self) -> None:
        for field, kind in zip(fields(self), (np.int32, np.uint8, np.int32, np.int32), strict=True):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name)).astype(kind, copy=False))
        if self.tokens.ndim != 2:
            raise arg.refuse("Windows", "tokens", f"shape {self.tokens.shape}", "rows of tokens, of shape (n, L)")
        for field in fields(self)[1:]:
            if (shape := getattr(self, field.name).shape) != (len(self),):
                raise arg.refuse("Windows", field.name, f"shape {shape}", f"one for each window: shape {(len(self),)}")
        real = self.origin == REAL
        if np.any(real != (self.generation <= 0)) or np.any(real != (self.model <= PEOPLE)) or np.any(self.origin > 1):
            raise arg.refuse(
                "Windows", "origin", self.origin, "real (0): generation 0, model -1; synthetic (1): both higher"
            )

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.tokens)

    @property
    def length(self) -> int:
        """Tokens in each window, L."""
        return self.tokens.shape[1]

    def take(self, index: Any) -> Windows:
        """The windows of an index: numbers, in any order and number of times, a slice, or a mask (n,)."""
        return Windows(self.tokens[index], self.origin[index], self.generation[index], self.model[index])


def written(tokens: Any, *, generation: int = 0, model: int = PEOPLE) -> Windows:
    """Windows of ``tokens`` (n, L) that one model wrote; as it stands, people.

    >>> written([[5, 3], [3, 5]], generation=2, model=0).origin.tolist()
    [1, 1]
    """
    tokens = np.asarray(tokens)
    rows = tokens.shape[:1]
    origin = REAL if generation == 0 else SYNTHETIC
    return Windows(tokens, np.full(rows, origin), np.full(rows, generation), np.full(rows, model))


def join(parts: Sequence[Windows]) -> Windows:
    """All windows of the parts, in that order. Raises InputError where lengths differ or there is no part."""
    lengths = {part.length for part in parts}
    if len(lengths) != 1:
        raise arg.refuse("windows.join", "parts", f"lengths {sorted(lengths)}", "join windows of one length")
    return Windows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Windows)))


def cut(documents: Iterable[str], tokenizer: Tokenizer, length: int) -> Windows:
    """Real windows of ``length`` tokens: each document is cut from its start on, and its rest is dropped.

    No window reaches over the end of a document. Raises InputError where none is as long as one window.

    >>> from .tokenizer import fit_bytes
    >>> cut(["abcde", "a", "bbb"], fit_bytes(["abcde"]), 2).tokens.tolist()
    [[1, 2], [3, 4], [2, 2]]
    """
    length = arg.size("windows.cut", "length", length, remedy="of tokens")
    longest, rows = 0, []
    for document in documents:
        tokens = tokenizer.encode(document)
        longest = max(longest, len(tokens))
        rows.append(tokens[: len(tokens) // length * length].reshape(-1, length))
    if longest < length:
        remedy = f"the longest document has {longest} tokens: cut windows of at most that, or name a longer text"
        raise arg.refuse("windows.cut", "length", length, remedy)
    return written(np.concatenate(rows))
