r"""Texts as language models are trained on them: documents, and their parts for training, stopping and testing."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from modelcollapse.theory import arguments as arg

from .documents import FORMS, documents

ROUNDING = 1e-9  # shares written as decimals sum to one up to this
LONG = 0.05  # a document above this share of a text is trained on, so that it cannot be most of the test


@dataclass(frozen=True)
class Text:
    """Documents, as ``name`` gave them.

    >>> Text("two", ("to be", "or not")).characters
    11
    """

    name: str
    documents: tuple[str, ...]

    @property
    def characters(self) -> int:
        """Number of characters."""
        return sum(map(len, self.documents))

    @cached_property
    def sha256(self) -> str:
        """Of the documents in UTF-8, joined by newlines."""
        return hashlib.sha256("\n".join(self.documents).encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Split:
    """The documents that are trained on, that say when to stop, and that measure; each in the order of the text."""

    training: tuple[str, ...]
    stopping: tuple[str, ...]
    test: tuple[str, ...]


def read(spec: str, squeeze: bool = False, most: int | None = None) -> Text:
    """The text that ``spec`` names, with the documents that `documents` finds in it.

    ``squeeze``: with every run of whitespace made one character, as `squeezed` does. ``most``: only as many documents,
    from the first on, as it takes to reach that number of characters; None: all.

    Raises InputError where there is no text, it is not what its name says, or an extra is missing.

    >>> topics = read("builtin:pydoc", most=20_000)
    >>> topics.characters >= 20_000 > topics.characters - len(topics.documents[-1])
    True
    """
    if most is not None:
        most = arg.size("text.read", "most", most, remedy="None takes the whole text")
    kept: list[str] = []
    characters = 0
    with closing(documents(spec)) as found:
        for document in found:
            kept.append(squeezed(document) if squeeze else document)
            characters += len(kept[-1])
            if most is not None and characters >= most:
                break
    if not kept:
        raise arg.refuse("text.read", "spec", spec, f"it holds blanks and no text: {FORMS}")
    return Text(spec, tuple(kept))


def squeezed(text: str) -> str:
    r"""The text with each run of whitespace made one newline if it holds one, else one space.

    >>> squeezed("if x:\n\n    y = \t1\n")
    'if x:\ny = 1\n'
    """
    return re.sub(r"\s+", lambda run: "\n" if "\n" in run[0] else " ", text)


def split(text: Text, seed: int = 0, shares: tuple[float, float, float] = (0.75, 0.05, 0.20)) -> Split:
    """The documents in three parts, none empty: for training, for stopping and for the test.

    Documents come in an order drawn by ``seed``, and each goes to the part that lacks most of its share of the
    characters, the first two or three to one part each. So stopping and test text exceed their ``shares`` by no more
    than one document. Documents above 5 % of the text are for training; copies of a document stay together.

    Raises InputError where fewer than two different documents are left for the other parts.

    >>> parts = split(read("builtin:pydoc"), seed=1)
    >>> len(parts.training) > len(parts.test) > len(parts.stopping) > 0
    True
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise arg.refuse("text.split", "seed", seed, "seed is a whole number, at least 0")
    lacking = arg.numbers("text.split", "shares", shares, "shares of the training, stopping and test text")
    if lacking.shape != (3,) or np.any(lacking <= 0) or abs(lacking.sum() - 1) > ROUNDING:
        raise arg.refuse("text.split", "shares", shares, "three positive numbers that sum to one")
    lacking = lacking * text.characters
    weight: Counter[str] = Counter()
    for document in text.documents:
        weight[document] += len(document)
    part = {document: 0 for document, size in weight.items() if size > LONG * text.characters}
    free = [document for document in weight if document not in part]
    if len(free) < 2:
        short = f"only {len(free)} of its {len(weight)} different documents are at most {LONG:.0%} of it"
        remedy = "stopping and test text take one each, name a text of more documents"
        raise arg.refuse("text.split", "text", text.name, f"{short}: {remedy}")
    lacking[0] -= sum(weight[document] for document in part)
    first = [2, 1] if part else [2, 1, 0]
    for at, number in enumerate(np.random.default_rng(seed).permutation(len(free))):
        document = free[number]
        part[document] = first[at] if at < len(first) else int(np.argmax(lacking))
        lacking[part[document]] -= weight[document]
    training, stopping, test = (
        tuple(document for document in text.documents if part[document] == which) for which in range(3)
    )
    return Split(training, stopping, test)
