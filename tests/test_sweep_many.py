"""Sweeps on many machines: shards and their merge, processes of one program, Zarr stores, jobs. The numbers are the same."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from modelcollapse import cli, cluster, division, theory
from modelcollapse.simulate import labelled, merge, netcdf, shards, store
from modelcollapse.simulate.sweep import Stopped, sweep

AXES: dict[str, Any] = {"kind": ["gaussian", "categorical"], "samples": [4, 8]}
SETTINGS: dict[str, Any] = {"generations": 3, "chains": 40}


def cell(kind: str, samples: int) -> tuple[theory.Family, theory.Workflow]:
    """Two families: of one variance and logarithms are observed, of the other how many tokens are alive."""
    f = theory.Gaussian() if kind == "gaussian" else theory.Categorical([0.5, 0.3, 0.2])
    return f, theory.Replace(samples)


def shard(out: Path, i: int, n: int, **more: Any) -> xarray.Dataset:
    return sweep(AXES, cell, out=out, shard=(i, n), **SETTINGS | more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "whole.nc"
    sweep(AXES, cell, out=out, **SETTINGS)
    return out


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("pieces") / "grid.nc"
    for i in (1, 2, 3):
        assert shard(out, i, 3)["cell"].values.tolist() == ([0, 3] if i == 1 else [i - 1])
    return [shards.named(out, (i, 3)) for i in (1, 2, 3)]


def read(path: Path) -> xarray.Dataset:
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        return data.load()


def test_a_shard_writes_its_piece_and_nothing_else(pieces: list[Path], whole: Path) -> None:
    assert sorted(pieces[0].parent.iterdir()) == sorted(pieces)
    piece, all_cells = read(pieces[1]), read(whole)
    assert piece["kind"].values.tolist() == ["gaussian"] and piece["samples"].values.tolist() == [8]
    for name in piece.data_vars:
        np.testing.assert_array_equal(piece[name], all_cells[name].sel(kind=["gaussian"], samples=8))


def test_merged_shards_are_the_file_of_one_run(pieces: list[Path], whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.nc"
    data = merge([pieces[2], pieces[0], pieces[1]], out)
    assert data.identical(sweep(AXES, cell, **SETTINGS))
    assert read(out).identical(read(whole)) and out.read_bytes() == whole.read_bytes()
    assert list(tmp_path.iterdir()) == [out]
    assert merge(pieces, out).identical(data)  # again
    assert sweep(AXES, cell, out=out, **SETTINGS).identical(data)  # and it is a whole sweep to all


def test_shards_that_are_stopped_or_held_do_not_disturb_others(pieces: list[Path], tmp_path: Path) -> None:
    out, stops = tmp_path / "grid.nc", 0
    with store.owned(Path(f"{shards.named(out, (2, 3))}.parts")):
        while not shards.named(out, (1, 3)).exists():
            try:
                shard(out, 1, 3, time=1e-9)
            except Stopped:
                stops += 1
            assert stops < 9
        with pytest.raises(theory.InputError, match="another process writes there"):
            shard(out, 2, 3)
    assert stops > 0 and shards.named(out, (1, 3)).read_bytes() == pieces[0].read_bytes()
    before = pieces[0].stat().st_mtime_ns
    again = sweep(AXES, cell, out=pieces[0].parent / "grid.nc", shard=(1, 3), **SETTINGS)
    assert again.identical(read(pieces[0])) and pieces[0].stat().st_mtime_ns == before


def altered(path: Path, at: Path, change: Callable[[xarray.Dataset], xarray.Dataset]) -> Path:
    at.mkdir(exist_ok=True)
    change(read(path)).to_netcdf(at / path.name, engine="h5netcdf")
    return at / path.name


def with_other(name: str, value: str) -> Callable[[xarray.Dataset], xarray.Dataset]:
    return lambda data: data.assign_attrs({name: value})


def other_seed(data: xarray.Dataset) -> xarray.Dataset:
    return data.assign_attrs(grid=json.dumps(json.loads(data.attrs["grid"]) | {"seed": 7}))


FOREIGN: dict[str, tuple[Callable[[list[Path], Path], list[Path]], str]] = {
    "missing": (lambda p, t: [p[0], p[2]], r"shard 2/3 is missing: run it, or name its piece"),
    "twice": (lambda p, t: [*p, p[1]], r"grid-2-of-3\.nc'\): it has cells that .*grid-2-of-3\.nc has too: name each shard once"),
    "overlapping": (
        lambda p, t: [p[0], altered(p[1], t, lambda data: data.assign_coords(cell=[0])), p[2]],
        "it has cells that .*grid-1-of-3.nc has too",
    ),
    "lacking": (lambda p, t: [altered(p[0], t, lambda data: data.isel(cell=[0])), *p[1:]], r"cells \[3\] are in none"),
    "another sweep": (lambda p, t: [*p[:2], altered(p[2], t, other_seed)], "another sweep than .*with other seed: leave it out"),
    "another JAX": (lambda p, t: [*p[:2], altered(p[2], t, with_other("jax", "0.9"))], "with other jax"),
    "another division": (
        lambda p, t: [*p[:2], altered(p[2], t, with_other("shard", "3 of 4"))],
        "it is shard 3 of 4, beside shards of 3",
    ),
    "no piece": (lambda p, t: [*p, t / "whole.nc"], "there is no such file"),
    "no sweep": (lambda p, t: [Path(__file__)], "no result of a sweep"),
    "nothing": (lambda p, t: [], "the files of all shards"),
    "numbers": (lambda p, t: [1, 2], r"pieces=\[1, 2\]\): the files of all shards"),  # type: ignore[list-item]
    "another program": (lambda p, t: [*p[:2], altered(p[2], t, with_other("modelcollapse", "0.0"))], "with other modelcollapse"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_merge_of_other_pieces_is_refused(name: str, pieces: list[Path], tmp_path: Path) -> None:
    make, match = FOREIGN[name]
    with pytest.raises(theory.InputError, match=match) as refused:
        merge(make(pieces, tmp_path / "altered"), tmp_path / "grid.nc")
    assert "\n" not in str(refused.value) and not (tmp_path / "grid.nc").exists()


def test_files_with_something_else_are_left_as_they_are(pieces: list[Path], whole: Path, tmp_path: Path) -> None:
    with pytest.raises(theory.InputError, match="a whole sweep, not the piece of a shard"):
        merge([*pieces, whole])
    with pytest.raises(theory.InputError, match="it holds shard 1 of 3"):
        sweep(AXES, cell, out=pieces[0], **SETTINGS)
    with pytest.raises(theory.InputError, match="another sweep, with other chains"):
        shard(pieces[0].parent / "grid.nc", 1, 3, chains=41)
    with pytest.raises(theory.InputError, match="another sweep, with other seed"):
        merge(pieces, altered(whole, tmp_path, other_seed))
    with pytest.raises(theory.InputError, match=r"Zarr|ending in \.nc"):
        merge(pieces, tmp_path / "grid.zarr")
    for bad in ((0, 3), (4, 3), (5, 5)):
        with pytest.raises(theory.InputError, match="one of n shards|as many shards as cells: there are 4"):
            sweep(AXES, cell, out=tmp_path / "grid.nc", shard=bad, **SETTINGS)


# several processes of one program

TOGETHER = """
import sys
from pathlib import Path
from modelcollapse.simulate import gather
process, place = int(sys.argv[2]), Path(sys.argv[3])
gather.start(sys.argv[1], process, 2)
from modelcollapse import theory
from modelcollapse.simulate.sweep import Stopped, sweep
sys.path.insert(0, str(Path(sys.argv[4]).parent))
from test_sweep_many import AXES, SETTINGS, cell
ran = []
def told(done, cells, label): ran.append((cells, label))
data = sweep(AXES, cell, out=place / "grid.nc", progress=told, **SETTINGS)
assert {cells for cells, _ in ran} == {2} and len({label for _, label in ran}) == 2, ran
data.to_netcdf(place / f"seen-{process}.nc", engine="h5netcdf")
del ran[:]
again = sweep(AXES, cell, out=place / "grid.nc", progress=told, **SETTINGS)
assert again.identical(data) and not ran
one = sweep({"samples": [8]}, lambda samples: cell("gaussian", samples), **SETTINGS)  # nothing for process 1
assert (one.error_mean.values == data.error_mean.sel(kind="gaussian", samples=[8]).values).all()
for settings in ({"seed": process}, {"shard": (1, 2)}, {"memory": 10 if process else None}):
    try:
        sweep(AXES, cell, **SETTINGS | settings)
    except theory.InputError as problem:
        print(problem)
try:
    sweep(AXES, cell, out=place / "other.nc", time=1e-9, **SETTINGS)
except Stopped as problem:
    print(problem)
if len(sys.argv) > 5:
    assert sweep(AXES, cell, out=place / "grid.zarr", **SETTINGS).identical(data)
"""


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def both(command: Callable[[str, int], list[str]]) -> list[subprocess.Popen[str]]:
    at = f"127.0.0.1:{port()}"
    return [subprocess.Popen(command(at, i), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for i in (0, 1)]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    try:
        said = [each.communicate(timeout=120) for each in processes]
    finally:
        for each in processes:
            each.kill()
    return [(each.returncode, *words) for each, words in zip(processes, said, strict=True)]


def test_two_processes_make_the_file_of_one(whole: Path, tmp_path: Path) -> None:
    import importlib.util

    zarr = ["zarr"] if importlib.util.find_spec("zarr") else []
    done = ended(
        both(lambda at, i: [sys.executable, "-c", TOGETHER, at, str(i), str(tmp_path), str(Path(__file__)), *zarr])
    )
    assert [code for code, *_ in done] == [0, 0], done
    assert (tmp_path / "grid.nc").read_bytes() == whole.read_bytes()
    for i, (_, said, _) in enumerate(done):
        assert read(tmp_path / f"seen-{i}.nc").identical(read(whole))
        lines = [line for line in said.splitlines() if not line.startswith("[Gloo]")]
        assert "give them the same options" in lines[0] and "leave it out where processes share" in lines[1]
        assert "bytes: allow more" in lines[2] and lines[2].startswith("process 1: ") == (i == 0)
        assert lines[3] == "2 of 4 cells"
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"grid.nc", "seen-0.nc", "seen-1.nc", "other-1-of-2.nc.parts", "other-2-of-2.nc.parts"} | (
        {"grid.zarr"} if zarr else set()
    )


# the command line

OPTIONS = ["--samples", "8,16,32,64", "--workflows", "replace", "--generations", "4", "--chains", "60"]
COMMAND = [sys.executable, "-m", "modelcollapse", "sweep", *OPTIONS]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same by the command line, in one process."""
    out = tmp_path_factory.mktemp("typed") / "grid.nc"
    subprocess.run([*COMMAND, "--json", "--out", str(out)], check=True, capture_output=True, timeout=120)
    return out


def test_two_processes_that_are_terminated_go_on_to_the_same_file(typed: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.nc"

    def command(at: str, i: int) -> list[str]:
        return [*COMMAND, "--json", "--out", str(out), "--coordinator", at, "--process", str(i), "--processes", "2"]

    running = both(command)
    limit = time.monotonic() + 100
    while not list(tmp_path.glob("*/*.npz")) and time.monotonic() < limit:
        time.sleep(0.01)
    for each in running:
        each.send_signal(signal.SIGTERM)
    assert 128 + signal.SIGTERM in [code for code, *_ in ended(running)]  # the other one may have missed it first
    assert not out.exists() and list(tmp_path.glob("*/*.npz"))
    done = ended(both(command))
    assert [code for code, *_ in done] == [0, 0], done
    assert json.loads(done[0][1])["cells"] == 4 and not done[1][1]
    assert out.read_bytes() == typed.read_bytes() and set(tmp_path.iterdir()) == {out, tmp_path / "grid.nc.png"}


def test_pieces_are_merged_and_reported(pieces: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "grid.nc"
    with pytest.raises(SystemExit) as left:
        cli.main(["sweep", "--merge", *map(str, pieces), "--out", str(out), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert (left.value.code, record["cells"], record["chains"]) == (0, 4, 40) and out.exists()
    assert record["rows"][3]["kind"] == "categorical" and record["rows"][3]["samples"] == 8
    assert record["rows"][3]["error"]["mean"] == float(read(out).error_mean[1, 1, -1])


def test_absent_extras_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for library, extra, options in (
        ("zarr", "zarr", ["--out", "grid.zarr"]),
        ("submitit", "cluster", ["--slurm", "cpus=1", "--shards", "2", "--out", "grid.nc"]),
    ):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(SystemExit) as left:
            cli.main(["sweep", *options])
        said = capsys.readouterr().err
        assert left.value.code == 2 and f"extra {extra}: pip install 'modelcollapse[{extra}]'" in said
        assert len(said.splitlines()) == 1 and not list(tmp_path.iterdir())


# Zarr

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2]).parent))
import zarr
from modelcollapse.simulate import regions
from modelcollapse.simulate.sweep import sweep
from test_sweep_many import AXES, SETTINGS, cell
put, cells, arrays = zarr.Array.__setitem__, [], []
def write(place, grid, number, row):
    cells.append(number)
    regions_write(place, grid, number, row)
def killed(self, at, value):
    if len(cells) == 3:  # in the middle of the third cell
        arrays.append(self)
        if len(arrays) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
    put(self, at, value)
regions_write, regions.write, zarr.Array.__setitem__ = regions.write, write, killed
sweep(AXES, cell, out=sys.argv[1], **SETTINGS)
"""


def test_a_killed_sweep_into_a_store_goes_on(whole: Path, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    out = tmp_path / "grid.zarr"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(out), str(Path(__file__))], timeout=120, stderr=subprocess.PIPE
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with xarray.open_zarr(out, chunks=None) as part:  # whole from the start, with all labels
        assert part["finished"].values.tolist() == [[True, True], [False, False]]
        assert part.sizes == read(whole).sizes and set(part.data_vars) == {*read(whole).data_vars, "finished"}
        assert part["kind"].values.tolist() == AXES["kind"] and np.isnan(part.error_mean.values[1]).all()
        for name in read(whole).data_vars:  # what is said to be finished is all there
            np.testing.assert_array_equal(part[name][0, :2], read(whole)[name][0, :2])
    ran: list[str] = []
    data = sweep(AXES, cell, out=out, progress=lambda done, cells, label: ran.append(label), **SETTINGS)
    assert len(set(ran)) == 2 and data.identical(read(whole))
    assert list(tmp_path.iterdir()) == [out]
    with xarray.open_zarr(out, chunks=None) as done:
        assert done["finished"].values.all() and done.drop_vars("finished").identical(read(whole))


def test_shards_write_into_one_store(whole: Path, pieces: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    out = tmp_path / "grid.zarr"
    with pytest.raises(Stopped):
        shard(out, 1, 3, time=1e-9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid-1-of-3.zarr.parts", "grid.zarr"]
    for i in (3, 1, 2):
        data = shard(out, i, 3).load()
        piece = read(pieces[i - 1])
        assert set(data.data_vars) == {*data.data_vars, *piece.data_vars}
        for name in (*piece.data_vars, *piece.coords):
            np.testing.assert_array_equal(data[name], piece[name])
    data = sweep(AXES, cell, out=out, **SETTINGS)
    assert data.identical(read(whole)) and list(tmp_path.iterdir()) == [out]


def test_a_store_of_another_sweep_is_left_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    out = tmp_path / "grid.zarr"
    sizes = {"samples": [4]}
    data = sweep(sizes, lambda samples: cell("gaussian", samples), out=out, **SETTINGS).load()
    with pytest.raises(theory.InputError, match="another sweep, with other axes, cells"):
        sweep(AXES, cell, out=out, **SETTINGS)
    assert data.identical(sweep(sizes, lambda samples: cell("gaussian", samples), out=out, **SETTINGS))
    other = tmp_path / "other.zarr"
    other.mkdir()
    with pytest.raises(theory.InputError, match="no result of a sweep"):
        sweep(AXES, cell, out=other, **SETTINGS)
    assert not list(other.iterdir())
    none = sweep({}, lambda: cell("gaussian", 4), out=tmp_path / "one.zarr", **SETTINGS)
    np.testing.assert_array_equal(none.error_mean, data.error_mean[0])


# jobs


def test_what_jobs_ask_for() -> None:
    where, found = cluster.asked("partition=long, account=me, cpus=8, gpus=1, time=90min, memory=4GB, at_once=20")
    assert where == "slurm" and found == {
        "slurm_partition": "long", "slurm_account": "me", "cpus_per_task": 8, "gpus_per_node": 1, "timeout_min": 90,
        "mem_gb": 4.0, "slurm_array_parallelism": 20,
    }  # fmt: skip
    for bad in ("cpus", "cpus=", "cpus=x", "time=soon", "cluster=moon"):
        with pytest.raises(theory.InputError, match="--slurm|--time"):
            cluster.asked(bad)
    jobs = division.Jobs("", 3, Path("my grid.nc"))
    assert cluster.then(jobs) == "modelcollapse sweep --merge 'my grid'-*-of-3.nc --out 'my grid.nc'"


def test_jobs_run_all_shards(typed: Path, tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    out = tmp_path / "grid.nc"
    options = {name[2:]: value for name, value in zip(OPTIONS[::2], OPTIONS[1::2], strict=True)}
    jobs = cluster.submit(options, division.Jobs("cluster=local,cpus=1,time=5min", 2, out))
    assert [job.result() for job in jobs] == [0, 0]
    assert merge(sorted(tmp_path.glob("grid-*-of-2.nc")), out).identical(read(typed))
    assert out.read_bytes() == typed.read_bytes() and cluster.logs(out).is_dir()


def test_rows_of_a_whole_are_those_it_is_made_of(whole: Path) -> None:
    said, rows = netcdf.read(whole, "sweep", "out")
    assert labelled.whole(said, [rows]).identical(read(whole)) and len(rows["cell"]) == 4
