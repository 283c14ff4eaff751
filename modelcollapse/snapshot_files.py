"""Two snapshots of a pipeline in files: texts, or tables of counts, and whether models were trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from modelcollapse.theory import InputError

from . import corpus
from .terminal import counted, refused

TRAINED = "trained"
FORM = f"before.txt,after.txt and then, where they are the very data that models were trained on, {TRAINED}"


@dataclass(frozen=True)
class Snapshots:
    """Counts by token in each document of two snapshots. ``trained``: models were trained on these very data."""

    before: Sequence[Counter[str]]
    after: Sequence[Counter[str]]
    trained: bool = False


def read(text: str, unit: corpus.Unit = corpus.Unit.WORDS) -> Snapshots:
    """Snapshots of two files, as `corpus.read` takes them, with a comma between; then ",trained".

    Raises InputError for anything else, for files that are none, and for snapshots of fewer than two tokens.
    """
    files = [part.strip() for part in text.split(",")]
    trained = len(files) > 2 and files[-1] == TRAINED
    if trained:
        files.pop()
    if len(files) != 2 or not all(files):
        raise refused("snapshots", text, f"give two files, {FORM}")
    both = []
    for name in files:
        try:
            both.append([each for each in corpus.documents(name, unit=unit) if each])
        except InputError as problem:
            raise refused("snapshots", name, problem.remedy or str(problem)) from None
        if (total := sum(each.total() for each in both[-1])) < 2:
            held = counted(total, unit.value.removesuffix("s"))
            raise InputError(f"--snapshots {name}: it holds {held}: a snapshot holds at least 2")
    before, after = both
    return Snapshots(before, after, trained=trained)
