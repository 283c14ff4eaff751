"""How a sweep is divided: options into one record, and a process into one of several."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from modelcollapse.theory.arguments import InputError

from .terminal import refused, whole


@dataclass(frozen=True)
class Alone:
    """One process runs all cells."""


@dataclass(frozen=True)
class Shard:
    """This process runs the i-th of n shards, i from 1, and knows nothing of the others."""

    i: int
    n: int


@dataclass(frozen=True)
class Together:
    """This process is one of several that share the cells, from 0; the first one can be reached at ``coordinator``."""

    coordinator: str
    process: int
    processes: int


@dataclass(frozen=True)
class Jobs:
    """n shards are submitted as jobs, which ask for ``slurm``."""

    slurm: str
    n: int
    out: Path


@dataclass(frozen=True)
class Merge:
    """Pieces of shards are put together; nothing is run."""

    pieces: tuple[Path, ...]


Division = Alone | Shard | Together | Jobs | Merge


def of(
    shard: str | None, coordinator: str | None, which: tuple[int | None, int | None], slurm: str | None, shards: str | None,
    merge: bool, pieces: tuple[Path, ...], out: Path | None,
) -> Division:  # fmt: skip
    """The division that options ask for, or a refusal of what does not go together.

    >>> of("2/3", None, (None, None), None, None, False, (), Path("grid.nc"))
    Shard(i=2, n=3)
    """
    ways = {"shard": shard, "coordinator": coordinator, "slurm": slurm, "merge": "PIECES" if merge else None}
    named = [name for name, value in ways.items() if value is not None]
    if len(named) > 1:
        raise refused(named[0], ways[named[0]], f"leave it out, or --{named[1]}")
    if pieces and not merge:
        raise InputError(f"{pieces[0]}: to put pieces together name them with --merge")
    for name, value in (("process", which[0]), ("processes", which[1])):
        if value is not None and coordinator is None:
            raise refused(name, value, "name also --coordinator HOST:PORT")
    if shards is not None and slurm is None:
        raise refused("shards", shards, "it is for --slurm; one shard by hand is --shard i/n")
    if merge:
        if not pieces:
            raise InputError("--merge: name the files of all shards")
        return Merge(pieces)
    if shard is not None:
        return _shard(shard, out)
    if coordinator is not None:
        return _together(coordinator, *which)
    if slurm is not None:
        n = whole("shards", shards)
        if n is None:
            raise refused("slurm", slurm, "say with --shards how many jobs")
        if out is None:
            raise refused("slurm", slurm, "name a file with --out, whose pieces the jobs write")
        return Jobs(slurm, n, out)
    return Alone()


def _shard(text: str, out: Path | None) -> Shard:
    i, _, n = text.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise refused("shard", text, "I/N: one of N shards, I from 1 to N")
    if out is None:
        raise refused("shard", text, "name a file with --out, whose piece it writes")
    return Shard(int(i), int(n))


def _together(coordinator: str, process: int | None, processes: int | None) -> Together:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise refused("coordinator", coordinator, "HOST:PORT of process 0, such as node1:12345")
    if process is None or processes is None or not 0 <= process < processes:
        raise refused(
            "coordinator", coordinator, "say with --process I --processes N which one this is, I from 0 to N-1"
        )
    return Together(coordinator, process, processes)


def written(out: Path | None, way: Division) -> Path | None:
    """The file that is there in the end."""
    if out is None or out.suffix == ".zarr":
        return out
    match way:
        case Shard(i, n):
            from modelcollapse.simulate.shards import named

            return named(out, (i, n))
        case Alone() | Together() | Jobs() | Merge():
            return out
        case _:
            assert_never(way)


@contextmanager
def joined(way: Division) -> Iterator[None]:
    """Be one of several processes. What libraries print meanwhile goes to standard error: output is for the result."""
    if not isinstance(way, Together):
        yield
        return
    from modelcollapse.simulate import gather

    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        try:
            gather.start(way.coordinator, way.process, way.processes)
        except (RuntimeError, ValueError) as problem:
            raise refused("coordinator", way.coordinator, " ".join(str(problem).split())) from None
        yield
    finally:
        os.dup2(output, 1)
        os.close(output)
