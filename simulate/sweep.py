r"""Sweeps: a grid of families, workflows and sizes, each cell simulated, beside what theory predicts.

A sweep keeps moments and quantiles, not chains. What is finished is kept beside the file that it will become, cell by cell and
within a cell from time to time: killed at any moment and started again, a sweep goes on and ends with the same numbers.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg
from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import Workflow

from . import groups, kernel, store
from .agree import threshold
from .chains import check_run
from .moments import KNOTS, LEVELS, Moments
from .tails import judged
from .trajectory import LONG_NAMES, OBSERVABLES, UNITS

if TYPE_CHECKING:
    import xarray

FORMAT = 1  # of what is kept: another number cannot be read
EVERY = 5.0  # seconds between what is kept of a cell that runs
BUDGET = 1e-3
STATISTICS = {
    "mean": "mean over chains",
    "variance": "variance over chains",
    "standard_error": "standard error of the mean",
    "least": "least of the chains",
    "greatest": "greatest of the chains",
    "predicted": "mean that theory predicts; NaN where it does not say",
    "z": "(mean - predicted) / standard error, where the mean of so many chains can be judged; else NaN",
}
QUESTIONS: dict[str, Callable[..., Any]] = {
    "error": theory.error,
    "diversity": theory.diversity,
    "alive": theory.survivors,
    "log_variance": theory.log_variance,
    "log_mean": theory.log_mean,
    "second_moment": theory.second_moment,
}


@dataclass(frozen=True)
class Cell:
    """One point of a grid: its labels, by axis, the family, the workflow and the seed."""

    labels: dict[str, Any]
    f: Family
    w: Workflow
    seed: int


@dataclass(frozen=True)
class Grid:
    """Everything that decides the numbers of a sweep: axes and their labels, cells, generations, chains, seed, precision."""

    axes: dict[str, tuple[Any, ...]]
    cells: tuple[Cell, ...]
    generations: int
    chains: int
    seed: int
    double: bool

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "format": FORMAT, "axes": {name: list(labels) for name, labels in self.axes.items()},
            "cells": store.digest({str(at): _settings(cell) for at, cell in enumerate(self.cells)}),
            "generations": self.generations, "chains": self.chains, "seed": self.seed, "double": self.double,
        }  # fmt: skip


class Stopped(Exception):
    """A sweep that was stopped in time: ``done`` of its ``cells`` are finished. What is there is kept, if there is a place."""

    def __init__(self, done: int, cells: int) -> None:
        super().__init__(f"{done} of {cells} cells")
        self.done, self.cells = done, cells


def sweep(
    axes: Mapping[str, Sequence[Any]],
    cell: Callable[..., tuple[Family, Workflow]],
    *,
    generations: int,
    chains: int,
    seed: int = 0,
    double: bool = False,
    out: str | Path | None = None,
    memory: float | None = None,
    time: float | None = None,
    progress: Callable[[float, int, str], None] | None = None,
) -> xarray.Dataset:
    """Simulate every combination of the labels of ``axes``; ``cell(**labels)`` is its (family, workflow).

    An axis ``seed`` holds seeds, and is not asked of ``cell``.

    The result has the axes as dimensions, then ``generation`` (from 1) and ``quantile``; of each observable ``<name>_mean``,
    ``_variance``, ``_standard_error``, ``_least``, ``_greatest``, ``_quantile``, and where theory answers ``_predicted`` and
    ``_z``. The chains of a cell depend on the seed, the family, the workflow and their own number alone: not on other
    cells, nor on devices or memory. Single precision unless ``double``; logarithms of variances are carried as such and do
    not underflow.

    ``out``: a netCDF file. It is there when the sweep is finished; until then its pieces lie in ``<out>.parts``, and the
    same call goes on from them. ``memory``: bytes that chains may take. ``time``: seconds, after which `Stopped` is raised
    (with ``out`` nothing is lost). ``progress(done, cells, label)`` is called as cells go on.

    Raises `InputError` for an empty axis, cells no chain can follow, more than the memory, a file of another sweep.

    >>> from modelcollapse import theory
    >>> data = sweep({"samples": [4, 8]}, lambda samples: (theory.Poisson(2.0), theory.Replace(samples)),
    ...              generations=3, chains=200)
    >>> data.error_mean.dims, [round(x, 2) for x in data.error_predicted.sel(samples=4).values.tolist()]
    (('samples', 'generation'), [0.5, 1.0, 1.5])
    """
    grid = checked(axes, cell, generations=generations, chains=chains, seed=seed, double=double)
    place = None if out is None else Path(out)
    if place is not None and place.exists():
        return opened(place, grid)
    started = clock.monotonic()
    with ExitStack() as held:
        parts = None
        if place is not None:
            check_out(place)
            parts = Path(f"{place}.parts")
            held.enter_context(store.owned(parts, "sweep"))
            store.claim(parts, grid.record() | {"jax": jax.__version__, "backend": jax.default_backend()}, "sweep")
        found = []
        for at, (one, total) in enumerate(_cells(grid, parts, memory, time, started, progress)):
            found.append(total)
            if progress is not None:
                progress(at + 1.0, len(grid.cells), _named(one))
        data = dataset(grid, found)
        if place is not None:
            assert parts is not None
            part = parts / "grid.nc"
            data.to_netcdf(part, engine="h5netcdf")
            part.replace(place)
            shutil.rmtree(parts, ignore_errors=True)
    return data


def checked(axes: Mapping[str, Sequence[Any]], cell: Callable[..., tuple[Family, Workflow]], *, generations: Any, chains: Any,
            seed: Any, double: bool) -> Grid:  # fmt: skip
    """The grid of these axes, or a refusal of what cannot be run."""
    for name, labels in axes.items():
        if isinstance(labels, str) or not len(labels):
            raise arg.refuse("sweep", name, labels, "labels of the axis, at least one")
        if len(set(labels)) < len(labels):
            raise arg.refuse("sweep", name, list(labels), "each label once")
        if name in ("generation", "quantile"):
            raise arg.refuse("sweep", "axes", name, "another name: this is a dimension of every result")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise arg.refuse("sweep", "seed", seed, "a whole number from 0 to 2^63 - 1")
    key = jax.random.key(0)
    cells = []
    for labels in itertools.product(*axes.values()):
        named = dict(zip(axes, labels, strict=True))
        f, w = cell(**{name: label for name, label in named.items() if name != "seed"})
        with jax.enable_x64(double):
            check_run(f, w, generations, 1 if isinstance(chains, int | np.integer) and chains > 0 else chains, key)
        cells.append(Cell(named, f, w, int(named.get("seed", seed))))
    if chains < 2:
        raise arg.refuse("sweep", "chains", chains, "at least 2 chains, to see their spread")
    plain = {
        name: tuple(each.item() if hasattr(each, "item") else each for each in labels) for name, labels in axes.items()
    }
    return Grid(plain, tuple(cells), int(generations), int(chains), int(seed), bool(double))


def check_out(out: Path) -> None:
    """Refuse a file that cannot be written, before any work is done for it."""
    if out.suffix != ".nc":
        raise arg.refuse("sweep", "out", str(out), "the name of a netCDF file, ending in .nc")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{out}.parts").mkdir(exist_ok=True)
    except OSError as problem:
        raise arg.refuse("sweep", "out", str(out), f"a place to write to ({problem.strerror})") from None


def opened(out: Path, grid: Grid) -> xarray.Dataset:
    """The finished sweep of a file, or a refusal of another one's."""
    import xarray

    try:
        with xarray.open_dataset(out, engine="h5netcdf") as file:
            data = file.load()
        there = json.loads(data.attrs["grid"])
    except (OSError, KeyError, ValueError) as problem:
        raise arg.refuse(
            "sweep", "out", str(out), f"it is no result of a sweep ({problem}): name another file"
        ) from None
    record = json.loads(json.dumps(grid.record()))
    if there != record:
        names = ", ".join(sorted(name for name in {*there, *record} if there.get(name) != record.get(name)))
        raise arg.refuse("sweep", "out", str(out), f"it holds another sweep, with other {names}: name another file")
    return data


def _cells(grid: Grid, parts: Path | None, memory: float | None, time: float | None, started: float,
           progress: Callable[[float, int, str], None] | None) -> Iterator[tuple[Cell, Moments]]:  # fmt: skip
    """Each cell with its moments, as it comes."""
    with jax.enable_x64(grid.double):
        for at, (cell, work) in enumerate(zip(grid.cells, _works(grid, parts, memory), strict=True)):
            identity = {
                "cell": _settings(cell),
                "seed": cell.seed,
                "chains": grid.chains,
                "generations": grid.generations,
            }
            path = None if parts is None else parts / f"{store.digest(identity)}.npz"
            total = _read(path)
            done = None if total is None else (-(-total.chains // work.program.chains), total)
            if done is not None and done[1].chains == grid.chains:
                yield cell, done[1]
                continue
            kept = clock.monotonic()
            for made, total in groups.run(work, _key(cell), done):
                now = clock.monotonic()
                if path is not None and (made == work.groups or now - kept > EVERY):
                    _write(path, total)
                    kept = now
                if progress is not None:
                    progress(at + made / work.groups, len(grid.cells), _named(cell))
                if time is not None and now - started > time and (made < work.groups or at + 1 < len(grid.cells)):
                    if path is not None:
                        _write(path, total)
                    raise Stopped(at + (made == work.groups), len(grid.cells))
            assert total is not None
            yield cell, total


def _table_lengths(grid: Grid) -> list[int]:
    """How long the tables of each cell are: as long as in all cells that one program can run."""
    own = [(type(cell.f), getattr(cell.f, "dimension", 0), type(cell.w)) for cell in grid.cells]
    needed = [_table_length(cell) for cell in grid.cells]
    return [max(length for other, length in zip(own, needed, strict=True) if other == each) for each in own]


def _table_length(cell: Cell) -> int:
    sizes = [
        getattr(cell.w, name) for name in ("real", "synthetic") if not isinstance(getattr(cell.w, name, ()), tuple)
    ]
    if isinstance(cell.w, theory.AccumulateSubsample) or not sizes:
        return 0
    chi = kernel.sizes(cell.f, np.asarray(sizes, float)).chi
    return 0 if chi is None else chi.shape[1]


def _key(cell: Cell) -> jax.Array:
    """The key of a cell: it does not change when a grid grows around it."""
    number = int(store.digest({"cell": _settings(cell)})[:8], 16)
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(cell.seed % 2**32), cell.seed >> 32), number)


def _settings(cell: Cell) -> dict[str, Any]:
    """Family and workflow of a cell as plain data."""

    def plain(record: Any) -> dict[str, Any]:
        values = {field.name: getattr(record, field.name) for field in fields(record)}
        return {"type": type(record).__name__} | {
            name: value if isinstance(value, bool) or value is None else np.asarray(value, float).tolist()
            for name, value in values.items()
        }

    return {"f": plain(cell.f), "w": plain(cell.w)}


def _named(cell: Cell) -> str:
    return ", ".join(f"{name} {label}" for name, label in cell.labels.items())


def _works(grid: Grid, parts: Path | None, memory: float | None) -> list[groups.Work]:
    """The work of every cell, or a refusal of a grid that fits neither memory nor disk."""
    works = []
    for cell, length in zip(grid.cells, _table_lengths(grid), strict=True):
        work = groups.work(cell.f, cell.w, grid.generations, grid.chains, length)
        if memory is not None and work.bytes > memory:
            raise arg.refuse("sweep", "memory", f"{memory:.3g}", f"{_named(cell)} takes {work.bytes:.3g} bytes: allow more, or "
                             "make the cell smaller")  # fmt: skip
        works.append(work)
    numbers = 2 * (5 + len(LEVELS) + KNOTS) * grid.generations * sum(len(work.program.names) for work in works)
    room = memory if parts is None else min(memory or np.inf, shutil.disk_usage(parts).free)
    if room is not None and 8 * numbers > room:
        size = f"{len(works)} cells of {grid.generations} generations"
        remedy = f"the result takes {8 * numbers:.3g} bytes, and there is room for {room:.3g}: make the grid smaller"
        raise arg.refuse("sweep", "memory" if parts is None else "out", size, remedy)
    return works


def _write(path: Path, total: Moments) -> None:
    import io

    held = io.BytesIO()
    np.savez(held, **{name: np.asarray(value) for name, value in total._asdict().items()})  # type: ignore[arg-type]
    store.write(path, held.getvalue())


def _read(path: Path | None) -> Moments | None:
    if path is None or not path.exists():
        return None
    with np.load(path) as file:
        arrays = dict(file)
    return Moments(int(arrays.pop("chains")), **arrays)


def predicted(cell: Cell, names: Sequence[str], generations: int) -> dict[str, np.ndarray]:
    """What theory says of the means of a cell, generation by generation; of what it says nothing there is nothing."""
    at = np.arange(1, generations + 1)
    out = {}
    for name in names:
        if name in QUESTIONS:
            try:
                out[name] = np.asarray(QUESTIONS[name](cell.f, cell.w, at), float)
            except theory.InputError:
                continue
    return out


def dataset(grid: Grid, found: Sequence[Moments]) -> xarray.Dataset:
    """The labelled result of a grid."""
    import xarray

    shape = tuple(len(labels) for labels in grid.axes.values())
    budget = BUDGET / len(grid.cells)
    tables: dict[str, np.ndarray] = {}

    def table(name: str, *more: int) -> np.ndarray:
        return tables.setdefault(name, np.full((len(grid.cells), grid.generations, *more), np.nan))

    outside = np.zeros(len(grid.cells), bool)
    compared = np.zeros(len(grid.cells), int)
    for at, (cell, total) in enumerate(zip(grid.cells, found, strict=True)):
        names = sorted(name for name in groups.observed(cell.f))
        means = predicted(cell, names, grid.generations)
        trusted = judged(cell.f, cell.w, grid.generations, grid.chains, budget)
        error = np.sqrt(total.variance / total.chains)
        quantiles = total.quantiles
        worst = 0.0
        for place, name in enumerate(names):
            for statistic, values in (("mean", total.mean), ("variance", total.variance), ("standard_error", error),
                                      ("least", total.least), ("greatest", total.greatest)):  # fmt: skip
                table(f"{name}_{statistic}")[at] = values[place]
            table(f"{name}_quantile", len(LEVELS))[at] = quantiles[:, place].T
            if name not in means:
                continue
            table(f"{name}_predicted")[at] = means[name]
            fair = trusted.get(name, np.zeros(grid.generations, bool)) & np.isfinite(means[name])
            z = score(total.mean[place], error[place], means[name], grid.double)
            table(f"{name}_z")[at] = np.where(fair, z, np.nan)
            compared[at] += fair.sum()
            worst = max(worst, np.abs(z[fair]).max(initial=0.0))
        outside[at] = compared[at] > 0 and worst > threshold(int(compared[at]), grid.chains, budget)
    dimensions = (*grid.axes, "generation")
    data = {
        name: (
            (*dimensions, *(["quantile"] if values.ndim == 3 else [])),
            values.reshape(*shape, *values.shape[1:]),
            _about(name),
        )
        for name, values in tables.items()
    }
    data["outside"] = (tuple(grid.axes), outside.reshape(shape),
                       {"long_name": "whether a mean is further from theory than the budget of false alarms allows"})  # fmt: skip
    data["compared"] = (
        tuple(grid.axes),
        compared.reshape(shape),
        {"long_name": "means that were compared with theory"},
    )
    coordinates: dict[str, Any] = {name: list(labels) for name, labels in grid.axes.items()}
    coordinates |= {"generation": np.arange(1, grid.generations + 1), "quantile": list(LEVELS)}
    attributes = {"grid": json.dumps(grid.record()), "chains": grid.chains, "seed": grid.seed, "budget": BUDGET}
    return xarray.Dataset(data, coordinates, attributes)


def score(mean: np.ndarray, error: np.ndarray, expected: np.ndarray, double: bool) -> np.ndarray:
    """z of each mean; 0 or infinite where no chain differs from another."""
    rounding = 64 * np.finfo(np.float64 if double else np.float32).eps
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = mean - expected
        alike = np.abs(apart) <= rounding * np.maximum(np.abs(expected), np.abs(mean).max(initial=0.0))
        z = apart / error
    return np.where(
        (error > 0) & (error > rounding * np.abs(mean)), z, np.where(alike, 0.0, np.copysign(np.inf, apart))
    )


def _about(name: str) -> dict[str, str]:
    observable = max((each for each in OBSERVABLES if name.startswith(each + "_")), key=len)
    statistic = name[len(observable) + 1 :]
    unit = UNITS.get(observable, "1")
    units = {"variance": f"({unit})^2" if unit != "1" else "1", "z": "1"}.get(statistic, unit)
    words = STATISTICS.get(statistic, "quantiles over chains")
    return {"long_name": f"{LONG_NAMES[observable]}: {words}", "units": units}
