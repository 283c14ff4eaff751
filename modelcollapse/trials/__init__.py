"""Trials: theorems that are not about a family under a workflow, each put to the test by independent replicates."""

from __future__ import annotations

from . import distances, selection, streams, tails, worth
from .trial import Trial

__all__ = ["Trial", "trials"]


def trials() -> tuple[Trial, ...]:
    """One trial for each theorem that has one, in any order."""
    return (*tails.trials(), *worth.trials(), *streams.trials(), *selection.trials(), *distances.trials())
