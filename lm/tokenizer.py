r"""Tokenizers: text as token ids, and back.

Id 0 is the start token, which begins every window that a model sees and spells nothing. All other ids spell bytes
of UTF-8, so every text comes back as it was, and what a model makes up comes back with U+FFFD for broken letters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from modelcollapse.theory import arguments as arg

BYTES = 256
SEEN = 2  # times that a pair has to occur to become a token


@dataclass(frozen=True)
class Bytes:
    """Each different byte of ``alphabet``, which ascends, is a token: its place in it, from 1 on.

    >>> letters = Bytes(b"abc")
    >>> letters.size, letters.encode("cab").tolist(), letters.decode([0, 2, 1])
    (4, [3, 1, 2], 'ba')
    """

    alphabet: bytes
    start: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not self.alphabet or bytes(sorted(set(self.alphabet))) != self.alphabet:
            raise arg.refuse("Bytes", "alphabet", self.alphabet, "different bytes in ascending order, at least one")

    @property
    def size(self) -> int:
        """Number of token ids, with the start token."""
        return len(self.alphabet) + 1

    @cached_property
    def _ids(self) -> np.ndarray:
        ids = np.zeros(BYTES, np.int32)
        ids[np.frombuffer(self.alphabet, np.uint8)] = np.arange(1, self.size)
        return ids

    def encode(self, text: str) -> np.ndarray:
        """Token ids (bytes of the text,), int32. Raises InputError at a byte that is not in the alphabet."""
        raw = text.encode(errors="surrogatepass")
        ids = self._ids[np.frombuffer(raw, np.uint8)]
        if len(raw) and ids.min() == 0:
            unseen = raw[int(np.argmin(ids))]
            raise arg.refuse(
                "Bytes.encode", "text", text, f"it has byte {unseen:#04x}, which was not fitted: fit it too"
            )
        return ids

    def decode(self, ids: Any) -> str:
        """The text that token ids (n,) spell. Raises InputError at what is no id."""
        spelt = _spelling("Bytes.decode", ids, self.size)
        return np.frombuffer(self.alphabet, np.uint8)[spelt - 1].tobytes().decode(errors="replace")


@dataclass(frozen=True)
class BPE:
    """Byte-pair encoding: all 256 bytes and the pairs that were merged; `fit_bpe` makes one.

    ``merges``: the tokenizer as the library ``tokenizers`` writes it (json). Its ids are one lower.
    """

    merges: str
    start: ClassVar[int] = 0

    @cached_property
    def _tokenizer(self) -> Any:
        return _tokenizers("BPE").Tokenizer.from_str(self.merges)

    @property
    def size(self) -> int:
        """Number of token ids, with the start token."""
        return int(self._tokenizer.get_vocab_size()) + 1

    def encode(self, text: str) -> np.ndarray:
        """Token ids (tokens of the text,), int32."""
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return np.asarray(self._tokenizer.encode(text).ids, np.int32) + np.int32(1)

    def decode(self, ids: Any) -> str:
        """The text that token ids (n,) spell. Raises InputError at what is no id."""
        return str(self._tokenizer.decode((_spelling("BPE.decode", ids, self.size) - 1).tolist()))


Tokenizer = Bytes | BPE


def fit_bytes(documents: Iterable[str]) -> Bytes:
    """The bytes that occur in documents; give it all of them, those of the test too, so that none is unseen.

    >>> fit_bytes(["to be", "or not"]).alphabet
    b' benort'
    """
    alphabet: set[int] = set()
    for document in documents:
        alphabet.update(document.encode(errors="surrogatepass"))
    if not alphabet:
        raise arg.refuse("fit_bytes", "documents", [], "give at least one that is not empty")
    return Bytes(bytes(sorted(alphabet)))


def fit_bpe(documents: Iterable[str], size: int) -> BPE:
    """The most frequent pairs in the training documents, merged again and again until there are ``size`` ids.

    The ids count the start token and all 256 bytes, so no text is refused. Pairs are merged inside words, and only
    where they occur twice. The same documents give the same tokenizer. Needs the extra ``text``.

    Raises InputError where ``size`` is below 257 or above what the documents give.

    >>> pairs = fit_bpe(["to be or not to be"], 260)
    >>> pairs.decode(pairs.encode("to be")), len(pairs.encode("to be"))
    ('to be', 2)
    """
    if arg.size("fit_bpe", "size", size, remedy="of token ids") < BYTES + 1:
        raise arg.refuse(
            "fit_bpe", "size", size, f"the start token and all bytes are {BYTES + 1} ids: ask for that many or more"
        )
    library = _tokenizers("fit_bpe")
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=size - 1,
        min_frequency=SEEN,
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    fitted = BPE(tokenizer.to_str())
    if fitted.size < size:
        raise arg.refuse(
            "fit_bpe",
            "size",
            size,
            f"the documents give {fitted.size} ids: ask for at most that many, or give more text",
        )
    return fitted


def _tokenizers(owner: str) -> Any:
    """The library of that name."""
    try:
        import tokenizers
    except ImportError:
        raise arg.InputError(f"{owner}: byte pairs need the extra text: pip install 'modelcollapse[text]'") from None
    return tokenizers


def _spelling(owner: str, ids: Any, size: int) -> np.ndarray:
    """The ids (n,) that spell something."""
    given = np.asarray(ids)
    if given.ndim != 1 or (given.size and (given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= size)):
        raise arg.refuse(owner, "ids", ids, f"a row of token ids, whole numbers from 0 to {size - 1}")
    return given[given != 0].astype(np.int64)
