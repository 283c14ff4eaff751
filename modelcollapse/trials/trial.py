"""A trial: what a theorem predicts, and how independent replicates of it are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trial:
    """What is tried, and what a theorem predicts: ``draw(key, chains)`` gives (chains, settings), ``means()`` (settings,).

    ``setting``: the case in a few words. ``relation``: "=", ">=", "<=", or "~" of a leading order, from which the mean may lie as
    far as ``remainder()`` says, (settings,).
    """

    theorem: str
    setting: str
    observable: str
    draw: Callable[[Any, int], Any]
    means: Callable[[], Any]
    relation: str = "="
    remainder: Callable[[], Any] | None = None
