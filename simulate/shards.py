"""Shards: the cells of a sweep divided among processes that know nothing of each other, and their pieces put together.

Shard i of n has every n-th cell from the i-th on: cells of one kind, which take alike, fall to different shards. Its piece of
``grid.nc`` is ``grid-i-of-n.nc``, with all that is worked out of these cells; what belongs to which grid is written in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse.theory import arguments as arg

from . import labelled, netcdf

if TYPE_CHECKING:
    import xarray

Shard = tuple[int, int]


def cells(shard: Shard | None, count: int) -> range:
    """The numbers of the cells of a shard, of so many; of no shard all.

    >>> list(cells((2, 3), 8)), cells(None, 2)
    ([1, 4, 7], range(0, 2))
    """
    if shard is None:
        return range(count)
    wanted = "(i, n): one of n shards, i from 1 to n"
    if not isinstance(shard, tuple | list) or len(shard) != 2 or not all(type(each) is int for each in shard):
        raise arg.refuse("sweep", "shard", shard, wanted)
    i, n = shard
    if not 1 <= i <= n:
        raise arg.refuse("sweep", "shard", shard, wanted)
    if n > count:
        raise arg.refuse("sweep", "shard", shard, f"at most as many shards as cells: there are {count}")
    return range(i - 1, count, n)


def named(out: Path, shard: Shard) -> Path:
    """Where the piece of a shard lies.

    >>> named(Path("far/grid.nc"), (2, 3)).as_posix()
    'far/grid-2-of-3.nc'
    """
    return out.with_name(f"{out.stem}-{shard[0]}-of-{shard[1]}{out.suffix}")


def attributes(shard: Shard) -> dict[str, str]:
    """What the piece of a shard says of itself."""
    return {"shard": f"{shard[0]} of {shard[1]}"}


def merge(pieces: Sequence[str | Path], out: str | Path | None = None) -> xarray.Dataset:
    """The whole sweep, from the pieces of all its shards; ``out``: the netCDF file to write it to.

    It is, to the last bit, what one process would have made of the same grid. Raises `InputError` for a file that is no piece,
    for pieces of different sweeps, made by another version of this program or of JAX or on another kind of device, for one that
    is missing or there twice, and where ``out`` holds another sweep.

    >>> import tempfile
    >>> from modelcollapse import simulate, theory
    >>> def cell(samples):
    ...     return theory.Poisson(2.0), theory.Replace(samples)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in (1, 2):
    ...         piece = simulate.sweep({"samples": [4, 8]}, cell, generations=2, chains=10, out=f"{folder}/a.nc", shard=(i, 2))
    ...     data = merge([f"{folder}/a-1-of-2.nc", f"{folder}/a-2-of-2.nc"])
    >>> data.error_mean.shape  # samples, generation
    (2, 2)
    """
    if out is not None and not isinstance(out, str | Path):
        raise arg.refuse("merge", "out", out, 'the name of a file: "grid.nc"')
    place = None if out is None else Path(out)
    if place is not None:
        netcdf.check(place, "merge")
        if place.suffix != ".nc":
            raise arg.refuse("merge", "out", str(place), "the name of a netCDF file, ending in .nc (shards write into one Zarr "
                             "store themselves)")  # fmt: skip
    if isinstance(pieces, str | Path) or not pieces or not all(isinstance(each, str | Path) for each in pieces):
        raise arg.refuse("merge", "pieces", pieces, "the files of all shards, at least one")
    paths = [Path(each) for each in pieces]
    found = [netcdf.read(path, "merge", "pieces") for path in paths]
    said = _one_sweep(paths, [each for each, _ in found])
    _each_once(paths, [each for each, _ in found], [rows["cell"] for _, rows in found])
    kept = {name: said[name] for name in labelled.KEPT if name in said}
    if place is not None and place.exists():
        netcdf.read(place, "merge", "out", kept)
    data = labelled.whole(kept, [rows for _, rows in found])
    if place is not None:
        netcdf.write(data, place, place.with_name(f"{place.name}.part"))
    return data


def _one_sweep(paths: Sequence[Path], said: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What all pieces say of their sweep, or a refusal of one that does not belong."""
    for path, each in zip(paths, said, strict=True):
        if "shard" not in each:
            raise arg.refuse(
                "merge", "pieces", str(path), "it is a whole sweep, not the piece of a shard: leave it out"
            )
    records = [
        json.loads(each["grid"]) | {name: each.get(name) for name in ("modelcollapse", "jax", "backend")}
        for each in said
    ]
    for path, record in zip(paths, records, strict=True):
        if record != records[0]:
            other = netcdf.differing(record, records[0])
            raise arg.refuse("merge", "pieces", str(path), f"it is of another sweep than {paths[0]}, with other {other}: "
                             "leave it out")  # fmt: skip
    return said[0]


def _each_once(paths: Sequence[Path], said: Sequence[Mapping[str, Any]], cells: Sequence[np.ndarray]) -> None:
    """Refuse pieces of different divisions, one that is there twice, and where one is missing."""
    record = json.loads(said[0]["grid"])
    count = int(np.prod([len(labels) for labels in record["axes"].values()], dtype=int))
    owner: dict[int, Path] = {}
    n = said[0]["shard"].split()[-1]
    for path, each, numbers in zip(paths, said, cells, strict=True):
        if each["shard"].split()[-1] != n:
            raise arg.refuse(
                "merge", "pieces", str(path), f"it is shard {each['shard']}, beside shards of {n}: leave it out"
            )
        for number in map(int, numbers):
            if number in owner:
                raise arg.refuse(
                    "merge", "pieces", str(path), f"it has cells that {owner[number]} has too: name each shard once"
                )
            owner[number] = path
    missing = [f"{i}/{n}" for i in range(1, int(n) + 1) if f"{i} of {n}" not in {each["shard"] for each in said}]
    if missing:
        raise arg.refuse("merge", "pieces", [str(path) for path in paths], f"shard {', '.join(missing)} is missing: "
                         "run it, or name its piece")  # fmt: skip
    lacking = sorted(set(range(count)) - set(owner))
    if lacking:
        raise arg.refuse("merge", "pieces", [str(path) for path in paths], f"cells {arg.shown(lacking)} are in none of them: run "
                         "their shards again")  # fmt: skip
