"""Results in a Zarr store, for grids that are too large for memory: made whole, written cell by cell.

Every variable has one chunk a cell, so that cells are written in any order, by any process, without reading others. What is
not written takes no room and reads as NaN. ``finished`` says of each cell that all of it is there: it is written last.
"""

from __future__ import annotations

import json
import shutil
import uuid
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse.theory import arguments as arg

from . import labelled, netcdf
from .grid import Grid
from .moments import LEVELS

if TYPE_CHECKING:
    import xarray


def make(place: Path, grid: Grid, made_with: Mapping[str, str]) -> None:
    """Make the store of a grid, with no cell in it; one that is there must be of this grid.

    Raises InputError without the extra ``zarr``, and where another sweep or another file has the name.
    """
    zarr = _zarr()
    if not place.exists():
        part = place.with_name(f"{place.name}.{uuid.uuid4().hex}.part")
        group = zarr.open_group(part, mode="w-", attributes=labelled.attributes_of(grid))
        shape = tuple(len(labels) for labels in grid.axes.values())
        sizes = {"generation": grid.generations, "quantile": len(LEVELS)}
        labels = dict(grid.axes) | {"generation": np.arange(1, grid.generations + 1), "quantile": LEVELS}
        for name, values in labels.items():
            array = np.asarray(values)
            kind: Any = str if array.dtype.kind == "U" else array.dtype
            group.create_array(
                name, shape=array.shape, dtype=kind, dimension_names=(name,), attributes=labelled.about_axis(name)
            )[:] = array
        for name, more in labelled.variables(grid).items():
            along = dict(list(sizes.items())[:more])
            kind = {"outside": "bool", "compared": "int64"}.get(name, "float64")
            group.create_array(
                name, shape=(*shape, *along.values()), chunks=(*(1 for _ in shape), *along.values()), dtype=kind,
                fill_value=np.nan if kind == "float64" else 0, dimension_names=(*grid.axes, *along),
                attributes=labelled.about(name),
            )  # fmt: skip
        group.create_array(
            "finished", shape=shape, chunks=(1,) * len(shape), dtype="bool", fill_value=False, dimension_names=tuple(grid.axes),
            attributes={"long_name": "whether the cell is finished; written last", "made_with": dict(made_with)},
        )  # fmt: skip
        with warnings.catch_warnings():  # it is no part of the specification yet; xarray asks for it
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(part)
        try:
            part.rename(place)
        except OSError:  # another process was first
            shutil.rmtree(part)
            if not place.exists():
                raise
    _check(place, grid, made_with)


def _check(place: Path, grid: Grid, made_with: Mapping[str, str]) -> None:
    """Refuse what is no store of this grid."""
    try:
        group = _zarr().open_group(place, mode="r")
        there = json.loads(group.attrs["grid"]) | dict(group["finished"].attrs["made_with"])
    except (OSError, KeyError, ValueError) as problem:
        remedy = f"it is no result of a sweep ({problem}): name another place"
        raise arg.refuse("sweep", "out", str(place), " ".join(remedy.split())) from None
    record = json.loads(labelled.attributes_of(grid)["grid"]) | dict(made_with)
    if there != record:
        other = netcdf.differing(there, record)
        raise arg.refuse("sweep", "out", str(place), f"it holds another sweep, with other {other}: name another place")


def write(place: Path, grid: Grid, number: int, row: Mapping[str, np.ndarray]) -> None:
    """Write one cell, and at last that it is finished."""
    group = _zarr().open_group(place, mode="r+")
    at = np.unravel_index(number, tuple(len(labels) for labels in grid.axes.values()))
    for name, values in row.items():
        group[name][(*map(int, at), ...)] = values
    group["finished"][(*map(int, at), ...)] = True


def finished(place: Path) -> np.ndarray:
    """Of each cell, by its number, whether it is finished."""
    return np.asarray(_zarr().open_group(place, mode="r")["finished"][...]).reshape(-1)


def opened(place: Path, cells: Sequence[int] | None) -> xarray.Dataset:
    """What the store holds, read when it is asked for; or some cells of it, in a row."""
    import xarray

    data = xarray.open_zarr(place, chunks=None).drop_vars("finished")
    if cells is None:
        return data
    axes = data["outside"].dims
    at = np.unravel_index(np.asarray(cells), data["outside"].shape) if axes else ()
    here = {name: xarray.DataArray(index, dims="cell") for name, index in zip(axes, at, strict=True)}
    return (data.isel(here) if axes else data.expand_dims("cell")).assign_coords(
        cell=labelled.along("cell", np.asarray(cells))
    )


def _zarr() -> Any:
    try:
        import zarr
    except ModuleNotFoundError:
        raise arg.InputError("a Zarr store needs the extra zarr: pip install 'modelcollapse[zarr]'") from None
    return zarr
