"""Streams of data: whether a later model is nearer to the truth, and what items of uncertain origin are worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse import simulate, theory
from modelcollapse.simulate import known_variance, provenance

from .trial import Trial

BATCHES = (1, 2, 40, 5, 5, 100, 3, 1, 60)  # sizes of what models 1, 2, ... add to the pool


def trials() -> tuple[Trial, ...]:
    """All data kept in batches of any sizes, the chance to be nearer, and effective sizes."""
    t = theory
    tokens, sizes, share = t.Categorical([0.4, 0.3, 0.2, 0.1]), (20, 20, 30), 0.6
    known = (t.Unknown(), t.Detector(true_real=0.9, false_real=0.2), t.Known())

    def streamed(key: Any, chains: int) -> np.ndarray:

        return provenance.errors(key, chains, tokens, sizes, share, known)[..., -1]

    chained = (t.Replace(8, real=12), t.FixedReal(8, 12), t.FreshReal(8, 12), t.Accumulate(8, 12))

    def nearer(key: Any, chains: int) -> np.ndarray:

        each = [np.abs(known_variance.errors(key, chains, w, 4)) for w in chained]
        return np.stack([seen[:, -1] < seen[:, 0] for seen in each], axis=1)

    def kept(key: Any, chains: int) -> Any:
        w = t.keep_all(20, BATCHES)
        return simulate.chains(tokens, w, len(BATCHES) + 1, chains, key).error

    def last(key: Any, chains: int) -> Any:
        return kept(key, chains)[:, -1:]

    return (
        Trial(
            "accumulate", "20 real, batches of 1 to 100", "error", kept,
            lambda: t.keep_all_gain(tokens, 20, BATCHES) * tokens.v / 20,
        ),
        Trial(
            "accumulate", "20 real, batches of 1 to 100, the bound", "error", last,
            lambda: [t.keep_all_gain_upper_bound(tokens, 20, sum(BATCHES)) * tokens.v / 20], "<=",
        ),
        Trial(
            "beats-real", "replace, fixed, fresh, accumulate", "nearer", nearer,
            lambda: [t.beats_real(w, 4) for w in chained],
        ),
        Trial(
            "effective-size", "origin unknown, detected, known", "error", streamed,
            lambda: [tokens.v / t.effective_size(tokens, sizes, share, one).samples[-1] for one in known],
        ),
    )  # fmt: skip
