"""Questions: what a practitioner asks beside the plan, each answered by a theorem, in a sentence and in numbers.

An option of `plan` asks each of them. Text becomes numbers in the command line; here numbers become answers.
"""

from __future__ import annotations

from . import keeping, purchase, regimes, selection, size, streams, tails, temporal, worth
from .answer import Answer, Known, Question

__all__ = ["ASKED", "Answer", "Known", "Question", "option_of"]

ASKED = {
    "snapshots": Question(temporal.forgetting, ("temporal-size",), ("synthetic", "generations")),
    "count": Question(tails.seen, ("extinction-time",), ("real", "synthetic")),
    "retain": Question(tails.retained, ("min-real",), ("synthetic",)),
    "rare": Question(tails.rare, ("absence",), ("real", "synthetic")),
    "pilot": Question(worth.piloted, ("pilot-runs",), ("real",)),
    "worth": Question(worth.mixed, ("worth",), ("real",), tells="worth"),
    "contamination": Question(worth.contaminated, ("contamination",), ("real", "worth"), tells="contamination"),
    "model_size": Question(size.sized, ("strong-collapse",), ("real", "synthetic", "share", "worth")),
    "sources": Question(worth.sources, ("worth",), ("worth",)),
    "teacher": Question(
        worth.taught,
        (
            "teacher",
            "no-free-lunch",
        ),
        ("real",),
    ),
    "verifier": Question(selection.verified, ("verification",), ("accuracy",), tells="verifier"),
    "regenerate": Question(selection.regenerated, ("verification",), ("real", "accuracy")),
    "stop": Question(selection.stopped, ("stopping-round",), ()),
    "temperature": Question(selection.tempered, ("temperature-window",), ("vocabulary", "share")),
    "multiplier": Question(selection.narrowed, ("sampling-bias",), ("real", "share")),
    "curation": Question(selection.curated, ("curated-share",), ("share",)),
    "detector": Question(streams.detected, ("effective-size",), ("share",)),
    "stream": Question(streams.streamed, ("contaminated-stream",), ("real", "generations")),
    "recover": Question(tails.recovered, ("recovery",), ("real", "synthetic")),
    "batches": Question(
        keeping.kept,
        (
            "accumulate",
            "replace",
        ),
        ("real",),
    ),
    "replaceable": Question(keeping.replaced, ("fresh-real",), ("real",)),
    "phases": Question(regimes.regimes, regimes.THEOREMS, ("vocabulary", "synthetic")),
    "budget": Question(purchase.planned, ("purchase",), ("worth", "generations", "correction", "at_least")),
}


def option_of(theorem: str) -> str:
    """The option of `plan` that asks what a theorem answers, if any does.

    >>> option_of("strong-collapse"), option_of("gaussian-moments")
    ('--model-size', '')
    """
    first = next((name for name, question in ASKED.items() if theorem in question.by), "")
    return f"--{first.replace('_', '-')}" if first else ""
