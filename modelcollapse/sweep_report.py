"""What people read of a sweep: each cell in a line, at its last generation, beside what theory predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from .report import bare, console
from .sweeping import SHOWN

if TYPE_CHECKING:
    import xarray

MOST = 60  # lines of a table
WIDEST = 10_000  # columns that a table may ask for
VERDICTS = {
    "agrees": "at no generation a mean is further from theory than chance allows",
    "OUTSIDE": "a mean is further from theory than chance allows",
    "not judged": "theory has no answer, or so few chains carry the means that these cannot be judged",
}


def show(data: xarray.Dataset, record: dict[str, Any], out: Path | None) -> None:
    """The table, what its words and signs mean, and the verdict below."""
    where, rows = console(), record["rows"]
    names = [name for name in SHOWN if f"{name}_mean" in data]
    said = predicted(data)
    labels = [name for name in rows[0] if name not in (*SHOWN, "outside", "compared")]
    axes = [name for name in labels if any(row[name] != rows[0][name] for row in rows)]
    where.print(f"[italic]Generation {record['generations']} of {record['chains']:,} chains: means"
                f"{', and what theory predicts' if said else ''}[/]")  # fmt: skip
    if len(axes) < len(labels):
        where.print(escape(", ".join(f"{name} {rows[0][name]}" for name in labels if name not in axes)))
    hidden = _print(where, rows[:MOST], axes, names, said)
    more = "" if out is None else f": see {escape(str(out))}"
    if hidden:
        where.print(f"too narrow for {', '.join(hidden).replace('_', ' ')}{more or ': see --json'}")
    if len(rows) > MOST:
        where.print(f"and {len(rows) - MOST} cells more{more}")
    for line in _footnotes(rows, names):
        where.print(line)
    rate = record["chain_generations_per_second"]
    speed = f", {rate:,.0f} chain-generations a second" if isinstance(rate, float) else ", as found in the file"
    where.print(f"{record['cells']} cells, {record['outside']} outside; {record['compared']:,} means compared at a false-alarm "
                f"budget of {record['budget']:g}; {record['seconds']:.1f} s{speed}")  # fmt: skip


def predicted(data: xarray.Dataset) -> list[str]:
    """Of which means theory says something, in a cell at least."""
    return [name for name in SHOWN if f"{name}_predicted" in data and np.isfinite(data[f"{name}_predicted"]).any()]


def verdict(row: dict[str, Any]) -> str:
    """What is said of a cell, one of `VERDICTS`."""
    return "OUTSIDE" if row["outside"] else "agrees" if row["compared"] else "not judged"


def _print(
    where: Console, rows: Sequence[dict[str, Any]], axes: Sequence[str], names: list[str], said: list[str]
) -> list[str]:
    """Print the table with as many of the means as there is room for; gives those there is none for."""
    shown = len(names)
    while True:
        table = _table(rows, axes, names[:shown], said)
        width = Measurement.get(where, where.options.update(max_width=WIDEST), table).maximum
        if width <= where.width or shown <= 1:
            break
        shown -= 1
    where.width = max(width, where.width)  # lines that are still too long are folded, not cut
    where.print(table)
    return names[shown:]


def _table(rows: Sequence[dict[str, Any]], axes: Sequence[str], names: Sequence[str], said: Sequence[str]) -> Table:
    """A line for each cell: its labels, means beside what theory says, the verdict."""
    table = bare()
    for name in axes:
        table.add_column(name, no_wrap=True)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
        if name in said:
            table.add_column("theory", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        columns = [
            _short(row[name][each])
            for name in names for each in (("mean", "predicted") if name in said else ("mean",))
        ]  # fmt: skip
        word = verdict(row)
        table.add_row(
            *(escape(str(row[name])) for name in axes), *columns, f"[bold red]{word}[/]" if row["outside"] else word
        )
    return table


def _footnotes(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """What the words and signs mean that stand in the table."""
    words = [word for word in VERDICTS if word in {verdict(row) for row in rows}]
    lines = [f"{word}: {VERDICTS[word]}" for word in words]
    lost = [row for row in rows if any(not isinstance(row[name]["mean"], float) for name in names)]
    if lost:
        parted = any(row.get("penalty") == 0 for row in lost)
        remedy = "; of a logistic regression since classes part: add --penalty 0.1" if parted else ""
        lines.append(f"– of a mean: some chains have no finite value{remedy}")
    return lines


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "–" if value is None else str(value)
