r"""Sweeps: a grid of families, workflows and sizes, each cell simulated, beside what theory predicts.

A sweep keeps moments and quantiles, not chains. What is finished is kept beside the file that it will become, cell by cell and
within a cell from time to time: killed at any moment and started again, a sweep goes on and ends with the same numbers. So it
does when its cells are divided: among shards, which know nothing of each other, or among the processes of one program.
"""

from __future__ import annotations

import io
import itertools
import shutil
import time as clock
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg
from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import AnyWorkflow

from . import footprint, gather, groups, kernel, labelled, netcdf, regions, shards, store
from .gather import Stopped as Stopped
from .grid import Cell, Grid, checked, key, settings, title
from .moments import KNOTS, LEVELS, Moments
from .shards import Shard

if TYPE_CHECKING:
    import xarray

EVERY = 5.0  # seconds between what is kept of a cell that runs
AHEAD, COMPILERS = 4, 2  # cells whose programs are compiled while another runs, and how many of them at a time


def sweep(
    axes: Mapping[str, Sequence[Any]],
    cell: Callable[..., tuple[Family, AnyWorkflow]],
    *,
    generations: int,
    chains: int,
    seed: int = 0,
    double: bool = False,
    out: str | Path | None = None,
    shard: Shard | None = None,
    memory: float | None = None,
    time: float | None = None,
    progress: Callable[[float, int, str], None] | None = None,
) -> xarray.Dataset:
    """Simulate every combination of the labels of ``axes``; ``cell(**labels)`` is its (family, workflow).

    An axis ``seed`` holds seeds, and is not asked of ``cell``.

    The result has the axes as dimensions, then ``generation`` (from 1) and ``quantile``; of each observable ``<name>_mean``,
    ``_variance``, ``_standard_error``, ``_least``, ``_greatest``, ``_quantile``, and where theory answers ``_predicted`` and
    ``_z``. The chains of a cell depend on the seed, the family, the workflow and their own number alone: not on other
    cells, nor on devices, memory, shards or processes. Single precision unless ``double``; logarithms of variances are carried
    as such and do not underflow.

    ``out``: a netCDF file. It is there when the sweep is finished; until then its pieces lie in ``<out>.parts``, and the
    same call goes on from them. Or a Zarr store, whose name ends in .zarr, for what is too large for memory: it is there from
    the start, filled with NaN, and every cell is written to it as it is finished; the result is read from it lazily.

    ``shard=(i, n)``: only every n-th cell from the i-th on, i from 1 to n, with the cells in a row along ``cell``; of
    ``grid.nc`` this is the piece ``grid-i-of-n.nc``, for `merge`. In a Zarr store every shard writes its own cells.

    In a program of several processes (`jax.distributed`) all make the same call; each runs its share on its own devices,
    the first one writes, all have the result. (A Zarr store must lie where all of them can write.)

    ``memory``: bytes that chains may take. ``time``: seconds, after which `Stopped` is raised (with ``out`` nothing is lost).
    ``progress(done, cells, label)`` is called as cells go on: before the first one, and after each group of chains with the
    share of its cell.

    Raises `InputError` for an empty axis, more than 10^6 cells, cells no chain can follow, more than the memory (before anything
    is built or written), a file of another sweep, a shard that is none.

    >>> from modelcollapse import theory
    >>> data = sweep({"samples": [4, 8]}, lambda samples: (theory.Poisson(2.0), theory.Replace(samples)),
    ...              generations=3, chains=200)
    >>> data.error_mean.dims, [round(x, 2) for x in data.error_predicted.sel(samples=4).values.tolist()]
    (('samples', 'generation'), [0.5, 1.0, 1.5])
    """
    started = clock.monotonic()
    _check_limits(out, memory, time)
    grid = checked(axes, cell, generations=generations, chains=chains, seed=seed, double=double)
    place = None if out is None else Path(out)
    mine = shards.cells(shard, len(grid.cells))
    share = shard
    if jax.process_count() > 1:
        if shard is not None:
            raise arg.refuse("sweep", "shard", shard, "leave it out where processes share the cells")
        share = (jax.process_index() + 1, jax.process_count())
        mine = range(jax.process_index(), len(grid.cells), jax.process_count())
    if place is not None and place.suffix == ".zarr":
        return _into_store(grid, place, mine, shard, share, (memory, time, started, progress))
    said = labelled.attributes_of(grid) | ({} if shard is None else shards.attributes(shard))
    target = place if place is None or shard is None else shards.named(place, shard)
    first = jax.process_index() == 0
    with ExitStack() as held:
        if gather.from_first(grid.record(), target is not None and target.exists()):
            assert target is not None
            found = gather.everyone(lambda: netcdf.read(target, "sweep", "out", said)[1] if first else {})
            parts = None
        else:
            parts = _parts(place, share)

            def run() -> labelled.Rows:
                _check_room(grid, mine, place, memory)
                _hold(held, place, parts, grid)
                return labelled.rows(grid, _cells(grid, mine, parts, memory, time, started, progress))

            found = gather.everyone(run)
        data = labelled.whole(said, found) if shard is None else labelled.piece(grid, found[0], said | made_with())
        if target is not None and parts is not None:
            gather.everyone(lambda: netcdf.write(data, target, parts / target.name) if first else {})
            shutil.rmtree(parts, ignore_errors=True)
    return data


def _into_store(
    grid: Grid, place: Path, mine: range, shard: Shard | None, share: Shard | None, limits: Any
) -> xarray.Dataset:
    """Run cells into a Zarr store; those that are finished there are left as they are."""
    parts = _parts(place, share)
    assert parts is not None
    with ExitStack() as held:

        def write() -> labelled.Rows:
            _check_room(grid, mine, place, limits[0])
            regions.make(place, grid, made_with())
            _hold(held, place, parts, grid)
            finished = regions.finished(place)
            left = [number for number in mine if not finished[number]]
            for number, total in _cells(grid, left, parts, *limits):
                regions.write(place, grid, number, labelled.row(grid, grid.cells[number], total))
                _part(parts, grid, grid.cells[number]).unlink()
            return {}

        gather.everyone(write)
        shutil.rmtree(parts, ignore_errors=True)
    if shard is None and not regions.finished(place).all():
        raise arg.refuse("sweep", "out", str(place), "a place that all processes see")
    return regions.opened(place, None if shard is None else mine)


def made_with() -> dict[str, str]:
    """What beside the settings decides how numbers are rounded."""
    return {"modelcollapse": store.version(), "jax": jax.__version__, "backend": jax.default_backend()}


def _parts(place: Path | None, share: Shard | None) -> Path | None:
    """The folder beside a file in which unfinished cells lie: a share has its own."""
    return None if place is None else Path(f"{place if share is None else shards.named(place, share)}.parts")


def _hold(held: ExitStack, place: Path | None, parts: Path | None, grid: Grid) -> None:
    """Hold the folder of unfinished cells against other processes and other sweeps."""
    if place is None or parts is None:
        return
    try:
        parts.mkdir(exist_ok=True)
    except OSError as problem:
        raise arg.refuse("sweep", "out", str(place), f"a place to write to ({problem.strerror})") from None
    held.enter_context(store.owned(parts, "sweep"))
    store.claim(parts, grid.record() | made_with(), "sweep")


def _cells(grid: Grid, mine: Sequence[int], parts: Path | None, memory: float | None, time: float | None, started: float,
           progress: Callable[[float, int, str], None] | None) -> Iterator[tuple[int, Moments]]:  # fmt: skip
    """Each of some cells, by its number, with its moments, as it comes."""
    tell = progress or (lambda done, cells, label: None)
    labels = [title(grid.cells[number].labels) for number in mine]
    if labels:
        tell(0.0, len(mine), labels[0])
    with jax.enable_x64(grid.double):
        lengths = _table_lengths(grid)
    for number, label in zip(mine, labels, strict=True):  # more exactly than before, now that there are tables
        tell(0.0, len(mine), label)
        _check_bytes(grid.cells[number], _work(grid, number, lengths).bytes, memory)
    paths = [None if parts is None else _part(parts, grid, grid.cells[number]) for number in mine]
    unfinished = [
        _chains(path) < grid.chains for path in paths
    ]  # decided once: a finished piece may go while others run
    works = (_work(grid, number, lengths) for number in itertools.compress(mine, unfinished))
    with closing(_compiled(works, grid.double)) as compiled:
        for at, (number, path, label) in enumerate(zip(mine, paths, labels, strict=True)):
            total = _read(path)
            if unfinished[at]:
                work = next(compiled)
                done = None if total is None else (-(-total.chains // work.program.chains), total)
                kept = clock.monotonic()
                for made, total in groups.run(work, key(grid.cells[number]), done, grid.double, memory):
                    now = clock.monotonic()
                    if path is not None and (made == work.groups or now - kept > EVERY):
                        _write(path, total)
                        kept = now
                    tell(at + made / work.groups, len(mine), label)
                    if time is not None and now - started > time and (made < work.groups or at + 1 < len(mine)):
                        if path is not None:
                            _write(path, total)
                        raise Stopped(at + (made == work.groups), len(mine))
            assert total is not None
            yield number, total
            tell(at + 1.0, len(mine), label)


def _compiled(works: Iterable[groups.Work], double: bool) -> Generator[groups.Work, None, None]:
    """Each work when its program is compiled, which those of the next ones are meanwhile."""
    waiting: deque[tuple[groups.Work, Future[None]]] = deque()
    with ThreadPoolExecutor(COMPILERS) as compiler:

        def first() -> groups.Work:
            work, ready = waiting.popleft()
            ready.result()
            return work

        try:
            for work in works:
                waiting.append((work, compiler.submit(groups.prepare, work, double)))
                if len(waiting) > AHEAD:
                    yield first()
            while waiting:
                yield first()
        finally:
            for _, ready in waiting:
                ready.cancel()


def _part(parts: Path, grid: Grid, cell: Cell) -> Path:
    """Where a cell is kept while the sweep goes on."""
    identity = {"cell": settings(cell), "seed": cell.seed, "chains": grid.chains, "generations": grid.generations}
    return parts / f"{store.digest(identity)}.npz"


def _table_lengths(grid: Grid) -> list[int]:
    """How long the tables of each cell are: as long as in all cells that one program can run."""
    programs = [(type(cell.f), getattr(cell.f, "dimension", 0), type(cell.w)) for cell in grid.cells]
    longest: dict[Any, int] = {}
    for program, cell in zip(programs, grid.cells, strict=True):
        longest[program] = max(longest.get(program, 0), _table_length(cell))
    return [longest[program] for program in programs]


def _table_length(cell: Cell) -> int:
    sizes = [
        getattr(cell.w, name) for name in ("real", "synthetic") if not isinstance(getattr(cell.w, name, ()), tuple)
    ]
    if isinstance(cell.w, theory.AccumulateSubsample) or not sizes:
        return 0
    chi = kernel.sizes(cell.f, np.asarray(sizes, float)).chi
    return 0 if chi is None else chi.shape[1]


def _work(grid: Grid, number: int, lengths: Sequence[int]) -> groups.Work:
    cell = grid.cells[number]
    with jax.enable_x64(grid.double):
        return groups.work(cell.f, cell.w, grid.generations, grid.chains, lengths[number])


def _check_limits(out: Any, memory: Any, time: Any) -> None:
    """Refuse what is no file, no bytes or no seconds."""
    if out is not None and not isinstance(out, str | Path):
        raise arg.refuse("sweep", "out", out, 'the name of a file: "grid.nc"')
    for name, value, unit in (("memory", memory, "bytes: 4e9"), ("time", time, "seconds: 3600")):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if value is not None and not (number and value > 0):
            raise arg.refuse("sweep", name, value, f"a number above 0 of {unit}; None: no limit")


def _check_room(grid: Grid, mine: Sequence[int], place: Path | None, memory: float | None) -> None:
    """Refuse what cannot be written, and what fits neither memory nor disk, before any work is done for it."""
    if place is not None:
        netcdf.check(place)
    for number in mine:
        cell = grid.cells[number]
        _check_bytes(cell, footprint.least(cell.f, cell.w, grid.generations), memory)
    numbers = 2 * (5 + len(LEVELS) + KNOTS) * grid.generations * _observables(grid, mine)
    room = memory or footprint.available() if place is None else shutil.disk_usage(place.parent).free
    if place is not None and place.suffix != ".zarr":
        room = min(room, memory or np.inf)
    if 8 * numbers > room:
        size = f"{len(mine)} cells of {grid.generations} generations"
        remedy = f"the result takes {8 * numbers:.3g} bytes, and there is room for {room:.3g}: make the grid smaller"
        raise arg.refuse("sweep", "out" if place is not None else "axes" if memory is None else "memory", size, remedy)


def _check_bytes(cell: Cell, needed: float, memory: float | None) -> None:
    """Refuse a cell that takes more bytes than there are, or than are allowed."""
    there, where = footprint.available(), title(cell.labels)
    if needed > there:
        raise arg.refuse(
            "sweep", "cell", where, f"it takes {needed:.3g} bytes, and there are {there:.3g}: make it smaller"
        )
    if memory is not None and needed > memory:
        raise arg.refuse("sweep", "memory", f"{memory:.3g}", f"{where} takes {needed:.3g} bytes: allow more, or make the cell "
                         "smaller")  # fmt: skip


def _observables(grid: Grid, mine: Sequence[int]) -> int:
    """How many observables some cells have, all together."""
    known: dict[Any, int] = {}
    count = 0
    for f in (grid.cells[number].f for number in mine):
        kind = type(f), getattr(f, "held_out", 0) > 0, getattr(f, "compared", False)
        known[kind] = known[kind] if kind in known else len(groups.observed(f))
        count += known[kind]
    return count


def _write(path: Path, total: Moments) -> None:
    held = io.BytesIO()
    np.savez(held, **{name: np.asarray(value) for name, value in total._asdict().items()})  # type: ignore[arg-type]
    store.write(path, held.getvalue())


def _chains(path: Path | None) -> int:
    """Of how many chains a cell is kept."""
    if path is None or not path.exists():
        return 0
    with np.load(path) as file:
        return int(file["chains"])


def _read(path: Path | None) -> Moments | None:
    if path is None or not path.exists():
        return None
    with np.load(path) as file:
        arrays = dict(file)
    return Moments(int(arrays.pop("chains")), **arrays)
