"""Two snapshots of a pipeline in files: texts, or tables of counts, and whether models were trained on them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from modelcollapse.theory import InputError

from . import corpus
from .terminal import refused

TRAINED, BYTES = "trained", "bytes"
FORM = f"before.txt,after.txt and then, where they are the very data that models were trained on, {TRAINED}; or {BYTES}"


@dataclass(frozen=True)
class Snapshots:
    """Counts by token in each document of two snapshots. ``trained``: models were trained on these very data."""

    before: Sequence[Counter[str]]
    after: Sequence[Counter[str]]
    trained: bool = False


def read(text: str) -> Snapshots:
    """Snapshots of two files, as `corpus.read` takes them, with commas between; then "trained" and "bytes", in any order.

    Raises InputError for anything else, for files that are none, and for snapshots of fewer than two tokens.
    """
    files, words = [part.strip() for part in text.split(",")], set()
    while len(files) > 2 and files[-1] in (TRAINED, BYTES) and not os.path.exists(files[-1]):
        words.add(files.pop())
    if len(files) != 2 or not all(files):
        raise refused("snapshots", text, f"give two files, {FORM}")
    unit = corpus.Unit.BYTES if BYTES in words else corpus.Unit.WORDS
    both = []
    for name in files:
        try:
            both.append([each for each in corpus.documents(name, unit=unit) if each])
        except InputError as problem:
            remedy = problem.remedy.replace("count --unit bytes", f"add ,{BYTES}").replace(
                "the unit, or", f",{BYTES}, or"
            )
            raise refused("snapshots", name, remedy or str(problem)) from None
        if (total := sum(each.total() for each in both[-1])) < 2:
            raise InputError(f"--snapshots {name}: it holds {total} {unit.value}: a snapshot holds at least 2")
    before, after = both
    return Snapshots(before, after, trained=TRAINED in words)
