"""The least share of real data: another one in every regime, in one diagram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.terminal import counted, percent
from modelcollapse.theory import stream

from .answer import ANY_TOKENS, MANY, Answer, Known

KEPT, TOKENS = 0.9, 1000  # diversity to keep, and different tokens, of one who does not say
THEOREMS = ("accumulate", "min-real", "contaminated-stream", "optimal-weight", "temperature-window", "curated-share")


@dataclass(frozen=True)
class Diagram:
    """Least real shares. By ``temperature`` (T,): ``whole``, to stay whole, and ``back``, to recover; by ``reward`` (R,) of
    curation: ``pairs`` and ``many``, where one of two and of very many is kept. ``stream``: of a plain mean of a stream.
    """

    tokens: int
    temperature: np.ndarray
    whole: np.ndarray
    back: np.ndarray
    reward: np.ndarray
    pairs: np.ndarray
    many: np.ndarray
    stream: float

    def nominal(self, share: Any, contamination: float) -> np.ndarray:
        """The share that must be called real where so much of that is synthetic; NaN where none is enough.

        >>> diagram(9, points=2).nominal(0.5, 0.2).tolist()
        0.625
        """
        needed = np.asarray(share, float) / (1 - contamination)
        return np.where(needed <= 1, needed, np.nan)


def diagram(tokens: int, points: int = 200) -> Diagram:
    """The boundaries, each by its theorem.

    >>> found = diagram(2, points=3)
    >>> found.temperature[1], found.whole[1].round(9), found.stream
    (0.5, 0.5, 0.5)
    """
    temperature, reward = np.linspace(0, 1, points + 2)[1:-1], np.linspace(0, 4, points)
    window = theory.temperature_window(tokens, temperature)
    pairs, many = (np.array([_least(theory.Curation(r, choices)) for r in reward]) for choices in (2, math.inf))
    return Diagram(
        tokens, temperature, 1 - window.stable_to, 1 - window.collapsed_from, reward, pairs, many, stream.edge()
    )


def _least(curation: theory.Curation) -> float:
    return max(0.0, 1 - float(theory.runaway_share(curation)))


def regimes(_: Any, known: Known) -> Answer:
    """Which share of real data does each regime need?"""
    tokens = known.vocabulary or TOKENS
    fresh = theory.min_real(ANY_TOKENS, theory.FreshReal(1, known.synthetic or MANY), KEPT)
    heats = (0.9, 0.7, 0.5)
    window = theory.temperature_window(tokens, np.array(heats))
    cold = ", ".join(
        f"{percent(1 - heat)} at {heat:g} (to come back {percent(1 - low)})"
        for heat, low in zip(heats, window.collapsed_from, strict=True)
    )
    liked = [_least(theory.Curation(1.0, choices)) for choices in (2, math.inf)]
    numbers = {
        "vocabulary": tokens, "kept": 0.0, "fresh_real": fresh, "stream": stream.edge(),
        "temperature": dict(zip(map(str, heats), (1 - window.stable_to).tolist(), strict=True)),
        "recover": dict(zip(map(str, heats), (1 - window.collapsed_from).tolist(), strict=True)),
        "curation_pairs": liked[0], "curation_many": liked[1],
    }  # fmt: skip
    words = (
        f"None, where old data is kept. An absolute number, where the rest is replaced: {counted(fresh, 'new sample')} a "
        f"generation to keep {percent(KEPT)} of the diversity. More than {percent(stream.edge())} in a stream of which all is "
        "averaged alike, for an error like one over the samples; with the best weights any. Below temperature 1, of "
        f"{tokens:,} tokens: {cold}. With curation by a reward of 1, so that a rare trait does not run away: "
        f"{percent(liked[0])} where one of two is kept, {percent(liked[1])} of very many. If a part c of what passes for real is "
        "synthetic, each share over 1 - c."
    )
    return Answer("phases", "What share of the data must be real?", words, numbers, THEOREMS)
