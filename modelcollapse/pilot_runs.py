"""Pilot runs in a file: a csv with the header real,synthetic,loss or real,synthetic,loss,error, a run on each line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from modelcollapse.theory import InputError

COLUMNS = ("real", "synthetic", "loss", "error")
MOST = 100_000


def read(path: Path | str) -> list[tuple[float, ...]]:
    """The runs of a file, as `theory.estimate_worth` takes them. Columns stand in any order; others are left out.

    ``error``: the standard error of the loss, in all lines or in none. Raises InputError for what is no such file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8"
        raise InputError(f"{path}: cannot be read as text ({reason}): name a csv of runs") from None
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if any(map(str.strip, line))]
    except csv.Error as problem:
        raise InputError(f"{path}: line {reader.line_num} is no csv, {problem}") from None
    header = [name.lower() for name in lines[0][1]] if lines else []
    missing = [name for name in COLUMNS[:3] if name not in header]
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if missing or twice:
        wrong = f"lacks {' and '.join(missing)}" if missing else f"names {' and '.join(twice)} more than once"
        raise InputError(
            f"{path}: {f'its first line {wrong}' if lines else 'it is empty'}: name the columns real,synthetic,loss there, or "
            "real,synthetic,loss,error, with commas between them"
        )
    if len(lines) == 1:
        raise InputError(f"{path}: it has no runs: write one on each line below the first")
    if len(lines) - 1 > MOST:
        raise InputError(f"{path}: {len(lines) - 1:,} runs: keep at most {MOST:,}")
    wanted = [name for name in COLUMNS if name in header]
    return [
        tuple(_number(path, at, name, dict(zip(header, line, strict=False))) for name in wanted)
        for at, line in lines[1:]
    ]


def _number(path: Path | str, at: int, name: str, line: dict[str, str]) -> float:
    """A finite number; numbers of samples are whole and not below 0, standard errors above 0."""
    cell = line.get(name, "")
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: line {at} has {name} {cell!r}: write a finite number, without commas in it")
    if name in COLUMNS[:2] and (value < 0 or value != math.floor(value)):
        raise InputError(f"{path}: line {at} has {name} {cell!r}: a number of samples is whole and 0 or more")
    if name == "error" and value <= 0:
        raise InputError(
            f"{path}: line {at} has {name} {cell!r}: a standard error is above 0; leave the column out if unknown"
        )
    return value
