"""The command: which works, how often, how the rows are shown, and whether a ratio has fallen."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from . import race
from .works import WORKS, Opponent, Work

ABOUT = """Speed of our chains against what a user would take instead, in one run.

Contenders take turns, each in a process of its own; a ratio is our chain-generations a second over theirs, medians over the
repeats; "a core" divides both by the processor time they took. Above 1 we are faster. Times depend on the machine, ratios of
one run much less: --check compares ratios only."""
FALLEN = 0.6
KEYS = {"work", "against", "ratio"}


class OneLine(argparse.ArgumentParser):
    """Bad input is one line and exit code 2, without the usage."""

    def error(self, message: str) -> NoReturn:
        """End with it."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run what the options say: 0, or 1 where a ratio has fallen; bad input ends with 2."""
    parser, given = parsed(arguments)
    chosen = selected(parser, given.only)
    stored = stored_rows(parser, given.check) if given.check else []
    if given.out and not given.out.parent.is_dir():
        parser.error(f"--out {given.out}: there is no folder {given.out.parent}")
    try:
        rates = race.limits(given.device_count, given.timeout)
    except race.Absent as absent:
        print(f"the limits of the machine cannot be measured: {absent}", file=sys.stderr)
        return 1
    rows: list[dict[str, Any]] = []
    if not given.json:
        machine = f"{given.repeats} repeats, {given.device_count} devices, {os.cpu_count()} processors"
        can = f"random bits {rates.bits:.3g}, bytes moved {rates.bytes:.3g}, multiply-adds {rates.adds:.3g}"
        print(f"{machine}; in a second: {can}\n\n{HEAD}", flush=True)
    for work, opponents in chosen:
        for row in race.rows(work, opponents, rates, given.repeats, given.device_count, given.timeout):
            rows.append(row)
            if not given.json:
                print(line(row), flush=True)
    text = json.dumps(rows, indent=1)
    if given.json:
        print(text)
    if given.out:
        given.out.write_text(text + "\n")
    return checked(rows, stored, given.least, sys.stderr if given.json else sys.stdout) if given.check else 0


def parsed(arguments: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The options."""
    names = "\n".join(f"  {work.name:40} {', '.join(each.name for each in work.opponents)}" for work in WORKS)
    parser = OneLine(
        prog="python -m benchmarks",
        description=ABOUT,
        epilog=f"works and opponents:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="NAME[,NAME]", help="rows whose 'work against opponent' contains one of these"
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="passes of each contender, after one that compiles"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of rows instead of the table")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write that list to a file too")
    parser.add_argument("--check", type=Path, metavar="FILE",
                        help="compare the ratios with those of a file that --out wrote: exit 1 if one has fallen")  # fmt: skip
    parser.add_argument("--least", type=float, default=FALLEN, metavar="SHARE",
                        help="the share of its stored ratio below which a ratio has fallen (default %(default)s)")  # fmt: skip
    parser.add_argument(
        "--device-count",
        type=int,
        default=1,
        metavar="N",
        help="JAX devices on the processor (default 1, which uses all cores)",
    )
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS",
                        help="give a contender up that needs longer for one pass (default %(default)s)")  # fmt: skip
    given = parser.parse_args(arguments)
    for name in ("repeats", "device_count"):
        if getattr(given, name) < 1:
            parser.error(f"--{name.replace('_', '-')} {getattr(given, name)}: a whole number, at least 1")
    if not 0 < given.least <= 1:
        parser.error(f"--least {given.least:g}: a share above 0, at most 1")
    if not given.timeout > 0:
        parser.error(f"--timeout {given.timeout:g}: seconds, above 0")
    return parser, given


def selected(parser: argparse.ArgumentParser, only: str | None) -> list[tuple[Work, list[Opponent]]]:
    """The works with the opponents that are asked for."""
    wanted = [""] if only is None else [name.lstrip() for name in only.split(",") if name.strip()]
    chosen = []
    for work in WORKS:
        names = {each: f"{work.name} against {each.name}" for each in work.opponents}
        if opponents := [each for each in work.opponents if any(name in names[each] for name in wanted)]:
            chosen.append((work, opponents))
    if not chosen:
        parser.error(f"--only {only}: no row has such a name; --help lists the works")
    return chosen


def stored_rows(parser: argparse.ArgumentParser, path: Path) -> list[dict[str, Any]]:
    """The rows of a file that an earlier run wrote."""
    try:
        rows = json.loads(path.read_text())
    except OSError as error:
        parser.error(f"--check {path}: {error.strerror}")
    except ValueError:
        parser.error(f"--check {path}: is not JSON; --out writes such a file")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= KEYS for row in rows):
        parser.error(f"--check {path}: is no list of rows with {', '.join(sorted(KEYS))}; --out writes such a file")
    return rows


def checked(rows: list[dict[str, Any]], stored: list[dict[str, Any]], least: float, out: Any) -> int:
    """Name the rows whose ratio has fallen below a share of the stored one: 1 if there are any."""
    before = {(row["work"], row["against"]): row["ratio"] for row in stored if row["ratio"] is not None}
    fallen = compared = 0
    for row in rows:
        ratio, old = row["ratio"], before.get((row["work"], row["against"]))
        name = f"{row['work']} against {row['against']}"
        if old is None:
            continue
        if ratio is None:
            print(f"NOT MEASURED {name}: {row['note']}", file=out)
            continue
        compared += 1
        if ratio < least * old:
            fallen += 1
            print(f"FALLEN {name}: {ratio:.3g}, was {old:.3g}", file=out)
    print(f"{compared} ratios compared, {fallen} below {least:g} of what they were", file=out)
    return 1 if fallen or not compared else 0


COLUMNS = (
    ("work", 40), ("against", 10), ("ratio", 8), ("a core", 7), ("ours/s", 9), ("theirs/s", 9), ("MB", 5), ("theirs", 6),
    ("compile", 7), ("limit", 5),
)  # fmt: skip
LEFT = 2  # columns of words
HEAD = " ".join(f"{name:{width}}" if n < LEFT else f"{name:>{width}}" for n, (name, width) in enumerate(COLUMNS))


def line(row: dict[str, Any]) -> str:
    """A row as a line of the table."""

    def shown(name: str, form: str) -> str:
        return "-" if row[name] is None else format(row[name], form)

    ratio = (">=" if row["at_least"] and row["ratio"] else "") + shown("ratio", ".3g")
    cells = (
        row["work"], row["against"], ratio, shown("ratio_per_core", ".3g"), shown("ours_per_s", ".3g"),
        shown("theirs_per_s", ".3g"), shown("peak_mb", ".0f"), shown("theirs_peak_mb", ".0f"),
        "-" if row["compile_s"] is None else f"{row['compile_s']:.1f} s",
        "-" if row["limit"] is None else f"{row['limit']} {row['share']:.1%}",
    )  # fmt: skip
    widths = [width for _, width in COLUMNS]
    pairs = enumerate(zip(cells, widths, strict=True))
    text = " ".join(f"{cell:{width}}" if n < LEFT else f"{cell:>{width}}" for n, (cell, width) in pairs)
    return text + (f"\n    {row['note']}" if row["note"] else "")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
