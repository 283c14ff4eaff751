"""Results as netCDF files: whole sweeps and pieces, there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelcollapse.theory import arguments as arg

from . import labelled

if TYPE_CHECKING:
    import xarray


def check(out: Path, owner: str = "sweep") -> None:
    """Refuse a file that cannot be written, before any work is done for it."""
    if out.suffix not in (".nc", ".zarr"):
        raise arg.refuse(
            owner, "out", str(out), "the name of a netCDF file, ending in .nc, or of a Zarr store, in .zarr"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise arg.refuse(owner, "out", str(out), f"a place to write to ({problem.strerror})") from None


def write(data: xarray.Dataset, place: Path, part: Path) -> labelled.Rows:
    """Write a result, under the name of ``part`` until it is whole. Gives no rows, as one who has nothing to tell."""
    data.to_netcdf(part, engine="h5netcdf")
    part.replace(place)
    return {}


def read(
    path: Path, owner: str, argument: str, expected: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], labelled.Rows]:
    """What a file says of itself, and its rows. Raises InputError for no result of a sweep, or not of the ``expected`` one."""
    import h5py
    import xarray

    if not path.exists():
        raise arg.refuse(owner, argument, str(path), "there is no such file")
    try:
        with h5py.File(
            path, "r"
        ) as plain:  # what is refused here leaves no half of a file that h5netcdf would trip over
            list(plain)
        with xarray.open_dataset(path, engine="h5netcdf") as file:
            said = {name: value.item() if hasattr(value, "item") else value for name, value in file.attrs.items()}
            there = json.loads(said["grid"])
            rows = labelled.rows_of(file)
    except (OSError, KeyError, ValueError, RuntimeError) as problem:
        remedy = f"it is no result of a sweep ({problem}): name another file"
        raise arg.refuse(owner, argument, str(path), " ".join(remedy.split())) from None
    if expected is not None:
        record = json.loads(expected["grid"])
        if there != record:
            other = differing(there, record)
            raise arg.refuse(
                owner, argument, str(path), f"it holds another sweep, with other {other}: name another file"
            )
        if said.get("shard") != expected.get("shard"):
            holds = f"shard {said['shard']}" if "shard" in said else "a whole sweep"
            raise arg.refuse(owner, argument, str(path), f"it holds {holds}: name another file")
    return said, rows


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The names of what is not the same in two records."""
    return ", ".join(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))
