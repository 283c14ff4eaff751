"""Questions: what a practitioner asks beside the plan, each answered by a theorem, in a sentence and in numbers.

An option of `plan` asks each of them. Text becomes numbers in the command line; here numbers become answers.
"""

from __future__ import annotations

from . import keeping, purchase, regimes, selection, size, streams, tails, temporal, worth
from .answer import Answer, Known, Question

__all__ = ["ASKED", "Answer", "Known", "Question"]

ASKED = {
    "snapshots": Question(temporal.forgetting, ("synthetic", "generations")),
    "count": Question(tails.seen, ("real", "synthetic")),
    "retain": Question(tails.retained, ("synthetic",)),
    "rare": Question(tails.rare, ("real", "synthetic")),
    "pilot": Question(worth.piloted, ("real",)),
    "worth": Question(worth.mixed, ("real",), tells="worth"),
    "contamination": Question(worth.contaminated, ("real", "worth"), tells="contamination"),
    "model_size": Question(size.sized, ("real", "synthetic", "share", "worth")),
    "sources": Question(worth.sources, ("worth",)),
    "teacher": Question(worth.taught, ("real",)),
    "verifier": Question(selection.verified, ("accuracy",), tells="verifier"),
    "regenerate": Question(selection.regenerated, ("real", "accuracy")),
    "stop": Question(selection.stopped, ()),
    "temperature": Question(selection.tempered, ("vocabulary", "share")),
    "multiplier": Question(selection.narrowed, ("real", "share")),
    "curation": Question(selection.curated, ("share",)),
    "detector": Question(streams.detected, ("share",)),
    "stream": Question(streams.streamed, ("real", "generations")),
    "recover": Question(tails.recovered, ("real", "synthetic")),
    "batches": Question(keeping.kept, ("real",)),
    "replaceable": Question(keeping.replaced, ("real",)),
    "phases": Question(regimes.regimes, ("vocabulary", "synthetic")),
    "budget": Question(purchase.planned, ("worth", "generations", "correction", "at_least")),
}
