"""Trials: theorems that are not about a family under a workflow, each put to the test by independent replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trial:
    """What is tried, and what a theorem predicts: ``draw(key, chains)`` gives (chains, settings), ``means()`` (settings,).

    ``setting``: the case in a few words. ``relation``: "=", ">=", "<=", or "~" where the theorem is a leading order.
    """

    theorem: str
    setting: str
    observable: str
    draw: Callable[[Any, int], Any]
    means: Callable[[], Any]
    relation: str = "="


def trials() -> tuple[Trial, ...]:
    """One trial for each theorem that has one, in any order."""
    return ()
