"""What people read of a sweep: each cell in a line, at its last generation, beside what theory predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from .report import console, titled
from .sweeping import SHOWN

if TYPE_CHECKING:
    import xarray

MOST = 60  # lines of a table


def show(data: xarray.Dataset, record: dict[str, Any], out: Path | None) -> None:
    """The table, and the verdict below."""
    where = console()
    names = [name for name in SHOWN if f"{name}_mean" in data]
    labels = [name for name in record["rows"][0] if name not in (*SHOWN, "outside", "compared")]
    title = f"Generation {record['generations']} of {record['chains']:,} chains: means, and what theory predicts"
    table = titled(where, title)
    for name in labels:
        table.add_column(name, no_wrap=True)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
        if f"{name}_predicted" in data:
            table.add_column("theory", justify="right", no_wrap=True)
    table.add_column("verdict")
    for row in record["rows"][:MOST]:
        columns = []
        for name in names:
            seen = row[name]
            columns.append(_short(seen["mean"]))
            if f"{name}_predicted" in data:
                columns.append(_short(seen["predicted"]))
        verdict = "[bold red]OUTSIDE[/]" if row["outside"] else "agrees" if row["compared"] else "not judged"
        table.add_row(*(escape(str(row[name])) for name in labels), *columns, verdict)
    where.print(table)
    if len(record["rows"]) > MOST:
        where.print(
            f"and {len(record['rows']) - MOST} cells more" + ("" if out is None else f": see {escape(str(out))}")
        )
    rate = record["chain_generations_per_second"]
    speed = f", {rate:,.0f} chain-generations a second" if isinstance(rate, float) else ", as found in the file"
    where.print(f"{record['cells']} cells, {record['outside']} outside; {record['compared']:,} means compared at a false-alarm "
                f"budget of {record['budget']:g}; {record['seconds']:.1f} s{speed}")  # fmt: skip


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "–" if value == "nan" else str(value)
