r"""Sources as texts: letters written by a source whose entropy is known, so that a loss can be read against the truth.

`named` knows ``markov`` (40 letters, rows of a Dirichlet law), ``zipf`` (94 letters, frequencies like 1/rank) and ``pcfg`` (sums
and products in prefix notation, which have one derivation each).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .sources import Markov, Pcfg, Zipf, dirichlet

PRINTABLE = "".join(map(chr, range(33, 127)))  # a letter for each token, no blank
DOCUMENTS, LENGTH = 300, 2048
SEED = 0
PREFIX = "source:"

Source = Markov | Zipf | Pcfg


def named(name: str) -> Source | None:
    """The source of that name, or None.

    >>> round(named("zipf").entropy, 3)
    3.638
    """
    match name:
        case "markov":
            return dirichlet(SEED, 40)
        case "zipf":
            return Zipf(len(PRINTABLE))
        case "pcfg":
            digits: dict[str | tuple[str, str], float] = {str(digit): 0.06 for digit in range(10)}
            return Pcfg({"S": {("O", "A"): 0.4, **digits}, "A": {("S", "S"): 1.0}, "O": {"+": 0.7, "*": 0.3}})
    return None


def documents(source: Source) -> Iterator[str]:
    """The text of a source, in documents."""
    for row in source.sample(SEED + 1, DOCUMENTS, LENGTH):
        yield "".join(PRINTABLE[token - 1] for token in row)


def entropy(spec: str, length: int) -> float | None:
    r"""Least loss that a model of windows of ``length`` tokens can have on the text ``spec``, nats per token; None: not known.

    Of a Markov chain :math:`(H(\pi) + (L-1) h)/L`; of a grammar the rate h, which windows cut out of its text do not quite reach.

    >>> entropy("builtin:pydoc", 64) is None
    True
    """
    source = named(spec.removeprefix(PREFIX)) if spec.startswith(PREFIX) else None
    if isinstance(source, Markov):
        law = source.stationary[source.stationary > 0]
        return float((-(law * np.log(law)).sum() + (length - 1) * source.entropy) / length)
    return None if source is None else source.entropy
