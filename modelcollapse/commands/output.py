"""What a command leaves: an object on standard output, files in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from modelcollapse.terminal import refused


def print_json(record: dict[str, Any]) -> None:
    """On standard output."""
    typer.echo(json.dumps(record, indent=1))


def folder(out: Path) -> None:
    """Make the folder, before any work is done for it."""
    import tempfile

    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except (OSError, ValueError) as problem:
        reason = problem.strerror or problem if isinstance(problem, OSError) else problem
        raise refused("out", str(out), f"name a folder to write to ({reason})") from None


def pictures(out: Path | None, record: dict[str, Any], draw: Callable[[Path], list[Path]], name: str) -> dict[str, Any]:
    """Draw into the folder and write the record beside; a file is there whole or not at all."""
    if out is None:
        return {}
    from modelcollapse.simulate.store import write_json

    try:
        files, result = draw(out), out / f"{name}.json"
        write_json(result, record)
    except OSError as problem:
        raise refused("out", str(out), f"a folder to write to ({problem.strerror or problem})") from None
    return {"files": [str(each) for each in (*files, result)]}
