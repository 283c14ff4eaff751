"""What a run keeps on disk: every result under the digest of all that decides it, whole or not at all.

A run that is killed at any moment and started again finds what was finished and makes the rest: to the same numbers, since
nothing that decides a number is left out of its name. Models that several workflows share are therefore trained once.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from modelcollapse.theory import arguments as arg

DIGITS = 20  # hexadecimal digits of a digest that name a file


def version() -> str:
    """The version of this program, as it is installed."""
    try:
        return metadata.version("modelcollapse")
    except metadata.PackageNotFoundError:
        return "unknown"


def digest(identity: Mapping[str, Any]) -> str:
    """The name of a result: digest of what decides it, plain data and arrays.

    >>> digest({"seed": 1, "a": np.array([1, 2])}) == digest({"a": np.array([1, 2]), "seed": 1})
    True
    """
    found = hashlib.sha256()
    for name in sorted(identity):
        value = identity[name]
        found.update(name.encode() + b"\0")
        if isinstance(value, np.ndarray):
            found.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        else:
            found.update(json.dumps(value, sort_keys=True).encode())
        found.update(b"\0")
    return found.hexdigest()[:DIGITS]


def write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also after the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(part, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_json(path: Path, record: Any) -> None:
    """Plain data as a JSON file, whole or not at all."""
    write(path, (json.dumps(record, indent=1) + "\n").encode())


def kept(path: Path, make: Callable[[], Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Arrays of a file; made and written first where it is not there."""
    if not path.exists():
        held = io.BytesIO()
        np.savez(held, **{name: np.asarray(value) for name, value in make().items()})  # type: ignore[arg-type]
        write(path, held.getvalue())
    with np.load(path) as file:
        return dict(file)


@contextmanager
def owned(folder: Path, owner: str = "train") -> Iterator[None]:
    """Hold a folder against other processes; the hold ends with the process, however it ends.

    Raises InputError where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise arg.refuse(
                owner, "out", str(folder), "another process writes there: wait for it, or name another"
            ) from None
        yield


def claim(folder: Path, record: Mapping[str, Any], owner: str = "train") -> None:
    """Make a folder the place of the run that ``record`` describes.

    Raises InputError where it holds another run, and leaves that as it is.
    """
    path = folder / "run.json"
    if path.exists():
        there = json.loads(path.read_text())
        if there == json.loads(json.dumps(record)):
            return
        names = sorted(
            name for name in {*there, *record} if there.get(name) != json.loads(json.dumps(record.get(name)))
        )
        raise arg.refuse(
            owner, "out", str(folder), f"it holds another run, with other {', '.join(names)}: name another folder"
        )
    write_json(path, record)
