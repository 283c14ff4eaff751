"""Sweeps: streaming moments against the chains themselves, resuming after a kill, refusals, agreement with theory."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from modelcollapse import __version__, simulate, theory
from modelcollapse.simulate import footprint, groups, labelled, moments
from modelcollapse.simulate.grid import checked
from modelcollapse.simulate.sweep import Stopped, sweep

KEY = jax.random.key(5)
SIZES = {"samples": [6, 12]}


def gaussian(samples: int) -> tuple[theory.Family, theory.Workflow]:
    return theory.Gaussian(2), theory.Replace(samples)


def streamed(f: theory.Family, w: theory.Workflow, generations: int, chains: int) -> moments.Moments:
    *_, (_, total) = groups.run(groups.work(f, w, generations, chains), KEY)
    return total


@pytest.mark.parametrize(
    ("f", "w"),
    [
        (theory.Gaussian(2), theory.Accumulate(8, 5)),
        (theory.Categorical([0.5, 0.3, 0.2]), theory.Replace(6)),
        (theory.Gaussian(), theory.AccumulateSubsample(6, 6)),
    ],
    ids=repr,
)
def test_streamed_moments_are_those_of_the_chains(
    f: theory.Family, w: theory.Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven groups, the last one short; the chains are the same ones, in whatever groups."""
    monkeypatch.setattr(groups, "LEAST", 50)
    total = streamed(f, w, 4, 333)
    t = simulate.chains(f, w, 4, 333, KEY)
    assert total.chains == 333
    for place, name in enumerate(groups.observed(f)):
        seen = np.asarray(t.observables[name], float)
        np.testing.assert_allclose(total.mean[place], seen.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(total.variance[place], seen.var(axis=0, ddof=1), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(total.least[place], seen.min(axis=0), rtol=1e-12)
        np.testing.assert_allclose(total.greatest[place], seen.max(axis=0), rtol=1e-12)
        knots, near = total.knots[:, place], 1e-12 * np.abs(total.knots[:, place])  # another program rounds otherwise
        least, most = (np.sum(seen[None] <= each[:, None], axis=1) for each in (knots - near, knots + near))
        assert np.all((least <= total.under[:, place]) & (total.under[:, place] <= most))
        if not isinstance(f, theory.Categorical):  # whose values come many times
            assert np.all(most - least <= 1)


def test_quantiles_of_many_chains_are_those_of_the_law() -> None:
    f, w = theory.Gaussian(), theory.Replace(20)
    total = streamed(f, w, 1, 200_000)
    from scipy import stats

    place = groups.observed(f).index("error")  # n times the square of the mean is a chi-square of one degree
    levels = stats.chi2(1).cdf(total.quantiles[:, place, 0] * 20)
    spread = np.sqrt(np.array(moments.LEVELS) * (1 - np.array(moments.LEVELS)) / total.chains)
    assert np.all(np.abs(levels - moments.LEVELS) < 5 * spread + 1e-3)  # the normal law between two knots adds little


def test_groups_and_devices_change_no_number() -> None:
    """In a process of its own, which has three devices: bit for bit what one device gives."""
    script = (
        "import os, sys; os.environ['XLA_FLAGS'] = '--xla_force_host_platform_device_count=' + sys.argv[1]\n"
        "import jax\nfrom modelcollapse import theory\nfrom modelcollapse.simulate import groups\n"
        "groups.LEAST = 40\n"
        "for f in (theory.Gaussian(2), theory.Categorical([.5, .3, .2])):\n"
        "    *_, (_, m) = groups.run(groups.work(f, theory.Accumulate(9, 7), 3, 210), jax.random.key(3))\n"
        "    print(len(jax.devices()), *(each.tobytes().hex() for each in (m.mean, m.square, m.under, m.knots)))\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script, devices], capture_output=True, text=True, check=True, timeout=300
        ).stdout
        for devices in ("1", "3")
    ]
    one, three = ([line.split() for line in each.splitlines()] for each in runs)
    assert [line[0] for line in one] == ["1", "1"] and [line[0] for line in three] == ["3", "3"]
    assert [line[1:] for line in one] == [line[1:] for line in three]


def test_a_sweep_is_labelled_and_agrees_with_theory() -> None:
    data = sweep(SIZES, gaussian, generations=30, chains=600, seed=3)
    assert data.error_mean.dims == ("samples", "generation") and data.error_quantile.dims[-1] == "quantile"
    assert data.generation.values.tolist() == list(range(1, 31))
    assert not data.outside.any() and np.all(data.compared > 30)
    expected = theory.error(theory.Gaussian(2), theory.Replace(6), np.arange(1, 31))
    np.testing.assert_allclose(data.error_predicted.sel(samples=6), expected)
    assert "squared" in data.error_mean.attrs["units"] and data.attrs["chains"] == 600
    # carried by rare chains at the end: judged by the logarithm, whose mean is exact
    assert np.isnan(data.diversity_z.sel(samples=6)[-1]) and np.all(np.isfinite(data.log_variance_z.sel(samples=6)))


def test_a_sweep_over_a_corpus_estimates_the_distance_from_its_truth() -> None:
    """The error of generation 1 is that of the corpus itself, v/N, which no chain varies."""
    f = theory.Categorical.from_counts([5, 3, 2])
    data = sweep({"synthetic": [8]}, lambda synthetic: (f, theory.Accumulate(10, synthetic)), generations=6, chains=400)
    assert not data.outside.any() and data.compared[0] > 6
    np.testing.assert_allclose(data.error_mean[0, 0], f.v / 10, rtol=1e-6)


def test_of_a_lower_bound_only_what_is_below_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Survivors under a subsample are bounded by thinning: what lies above agrees, however far; what lies below does not."""

    def cell(samples: int) -> tuple[theory.Family, theory.Workflow]:
        return theory.Categorical(np.full(10, 0.1)), theory.SlidingWindow(samples, 3)

    data = sweep({"samples": [20]}, cell, generations=12, chains=4000)
    assert not data.outside.any() and np.all(data.alive_z <= 0) and np.all(data.alive_z[0, 3:] == 0)
    monkeypatch.setitem(labelled.QUESTIONS, "alive", lambda f, w, m: 1.1 * theory.survivors(f, w, m))
    monkeypatch.setattr(labelled, "_bounded", lambda cell, name: name == "alive")
    assert sweep({"samples": [20]}, cell, generations=12, chains=4000).outside.all()


def test_a_wrong_prediction_is_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(labelled.QUESTIONS, "log_variance", lambda f, w, m: 1.1 * theory.log_variance(f, w, m))
    assert sweep(SIZES, gaussian, generations=30, chains=600, seed=3).outside.all()


def test_log_variances_do_not_underflow_in_single_precision() -> None:
    data = sweep(
        {"samples": [4]}, lambda samples: (theory.Gaussian(), theory.Replace(samples)), generations=400, chains=300
    )
    assert float(data.log_variance_mean[0, -1]) < -250  # exp of it is no float32
    assert np.all(np.isfinite(data.log_variance_mean)) and not data.outside.any()
    assert np.all(np.abs(data.log_variance_z) < 5)


def test_other_cells_and_other_axes_leave_a_cell_as_it_is() -> None:
    one = sweep({"samples": [12]}, gaussian, generations=3, chains=50)
    two = sweep(SIZES, gaussian, generations=3, chains=50)
    np.testing.assert_array_equal(one.error_mean.sel(samples=12), two.error_mean.sel(samples=12))
    seeds = sweep({"samples": [12], "seed": [0, 1]}, gaussian, generations=3, chains=50)
    np.testing.assert_array_equal(one.error_mean[0], seeds.error_mean.sel(samples=12, seed=0))
    assert np.all(seeds.error_mean.sel(seed=0) != seeds.error_mean.sel(seed=1))


def test_a_sweep_that_is_stopped_goes_on_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "LEAST", 20)
    monkeypatch.setattr(sys.modules["modelcollapse.simulate.sweep"], "EVERY", 0.0)
    whole = sweep(SIZES, gaussian, generations=3, chains=100, out=tmp_path / "whole.nc")
    out, stops = tmp_path / "part.nc", 0
    while not out.exists():
        try:
            part = sweep(SIZES, gaussian, generations=3, chains=100, out=out, time=1e-9)
        except Stopped:
            stops += 1
        assert stops < 20
    assert stops > 2
    assert whole.identical(part)
    assert not Path(f"{out}.parts").exists()
    again = sweep(SIZES, gaussian, generations=3, chains=100, out=out)
    for name in whole:
        np.testing.assert_array_equal(again[name], whole[name])


COMMAND = [sys.executable, "-m", "modelcollapse", "sweep", "--dimension", "1,2,3", "--samples", "8,16", "--workflows",
           "replace,accumulate", "--generations", "6", "--chains", "60", "--json", "--seed", "4"]  # fmt: skip


def test_a_killed_sweep_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    import xarray

    whole, part = tmp_path / "whole.nc", tmp_path / "part.nc"
    done = subprocess.run([*COMMAND, "--out", str(whole)], capture_output=True, text=True, check=True, timeout=300)
    record = json.loads(done.stdout)
    assert list(record)[-3:] == ["cells", "outside", "chain_generations_per_second"]
    assert (record["cells"], record["outside"]) == (12, 0) and record["chain_generations_per_second"] > 0
    running = subprocess.Popen([*COMMAND, "--out", str(part)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = Path(f"{part}.parts")
    limit = time.monotonic() + 200
    while len(list(parts.glob("*.npz"))) < 3 and time.monotonic() < limit:
        time.sleep(0.01)
    if running.poll() is None:
        second = subprocess.run([*COMMAND, "--out", str(part)], capture_output=True, text=True, timeout=300)
        assert second.returncode == 2 and "another process writes there" in second.stderr
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert parts.exists() and not part.exists()
    subprocess.run([*COMMAND, "--out", str(part)], capture_output=True, check=True, timeout=300)
    with xarray.open_dataset(whole) as one, xarray.open_dataset(part) as other:
        assert one.identical(other)


odd: Any = sweep  # for arguments of other types
REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no label": (lambda p: sweep({"samples": []}, gaussian, generations=2, chains=9), r"samples=\[\].*at least one"),
    "text": (lambda p: sweep({"samples": "12"}, gaussian, generations=2, chains=9), "labels of the axis"),
    "twice": (lambda p: sweep({"samples": [4, 4]}, gaussian, generations=2, chains=9), "each label once"),
    "own name": (lambda p: sweep({"generation": [4]}, gaussian, generations=2, chains=9), "another name"),
    "one chain": (lambda p: sweep(SIZES, gaussian, generations=2, chains=1), "at least 2 chains"),
    "seed": (lambda p: sweep(SIZES, gaussian, generations=2, chains=9, seed=-1), "seed=-1"),
    "suffix": (lambda p: sweep(SIZES, gaussian, generations=2, chains=9, out=p / "a.csv"), "ending in .nc"),
    "memory": (lambda p: sweep(SIZES, gaussian, generations=2, chains=9, memory=10), "memory='10'.*bytes: allow more"),
    "result": (lambda p: sweep(SIZES, gaussian, generations=9000, chains=2, memory=4e6), "the result takes"),
    "result of generations": (lambda p: sweep(SIZES, gaussian, generations=10**8, chains=2), "axes=.*the result takes"),
    "generations": (lambda p: sweep(SIZES, gaussian, generations=10**9, chains=2), "sweep.generations=1000000000.*at most"),
    "chains": (lambda p: sweep(SIZES, gaussian, generations=2, chains=10**13), "at most 4,294,967,296.*axis seed"),
    "chains of text": (lambda p: odd(SIZES, gaussian, generations=2, chains="9"), "chains='9'.*whole number"),
    "no list": (lambda p: odd({"samples": 4}, gaussian, generations=2, chains=9), "samples=4.*labels of the axis"),
    "no axes": (lambda p: odd([4, 8], gaussian, generations=2, chains=9), r"axes=\[4, 8\].*names of the axes"),
    "name": (lambda p: odd({3: [4]}, gaussian, generations=2, chains=9), "axes=3.*names of axes are text"),
    "lists": (lambda p: odd({"samples": [[4]]}, gaussian, generations=2, chains=9), "labels are numbers or text"),
    "kinds": (lambda p: odd({"samples": [4, "a"]}, gaussian, generations=2, chains=9), "labels of one kind"),
    "cells": (lambda p: odd({"seed": range(10**9), **SIZES}, gaussian, generations=2, chains=9), "2,000,000,000 cells"),
    "half a seed": (lambda p: odd({"seed": [0.5], **SIZES}, gaussian, generations=2, chains=9), "seed=0.5.*whole"),
    "no cell": (lambda p: odd(SIZES, None, generations=2, chains=9), "cell=None.*a function of the labels"),
    "other axes": (lambda p: odd({"n": [4]}, gaussian, generations=2, chains=9), "takes the axes n .*'samples'"),
    "no pair": (lambda p: odd(SIZES, lambda samples: theory.Gaussian(), generations=2, chains=9), "a pair.*samples 6$"),
    "time": (lambda p: odd(SIZES, gaussian, generations=2, chains=9, time="5s"), "time='5s'.*seconds"),
    "no time": (lambda p: odd(SIZES, gaussian, generations=2, chains=9, time=0), "time=0.*above 0"),
    "bytes": (lambda p: odd(SIZES, gaussian, generations=2, chains=9, memory="4GB"), "memory='4GB'.*bytes"),
    "no bytes": (lambda p: odd(SIZES, gaussian, generations=2, chains=9, memory=0), "memory=0.*above 0"),
    "shard": (lambda p: odd(SIZES, gaussian, generations=2, chains=9, shard="1/3"), r"shard='1/3'.*\(i, n\)"),
    "out": (lambda p: odd(SIZES, gaussian, generations=2, chains=9, out=3), "out=3.*name of a file"),
    "dimension": (lambda p: of(theory.Gaussian, [2, 10**12]), "cell='dimension 1000000000000'.*bytes.*make it smaller"),
    "allowed": (lambda p: of(theory.Gaussian, [2, 10**4], memory=1e8), "memory='1e.08'.*dimension 10000 takes.*allow more"),
    "schedule": (lambda p: of(mixture, [10**5], generations=10**5), "cell='dimension 100000'.*bytes"),
    "points": (lambda p: of(points, [10**9], double=True), r"5,000,000,000 points are kept.*in the cell dimension 1000000000$"),
    "fit": (lambda p: of(theory.LinearRegression, [1, 10]), r"dimension \+ 2 samples.*; in the cell dimension 10$"),
    "family": (lambda p: of(theory.Gaussian, [0]), "at least 1; in the cell dimension 0$"),
}  # fmt: skip


def of(kind: Callable[[int], Any], dimensions: list[int], **more: Any) -> Any:
    """A sweep over dimensions of a family, under replace unless the family comes with another workflow."""

    def cell(dimension: int) -> tuple[theory.Family, theory.Workflow]:
        made = kind(dimension)
        return made if isinstance(made, tuple) else (made, theory.Replace(10))

    return sweep({"dimension": dimensions}, cell, **{"generations": 5, "chains": 9} | more)


def mixture(dimension: int) -> Any:
    return theory.GaussianMixture([0.5, 0.5], [[-1.0], [1.0]]), theory.Accumulate(10, 10)


def points(samples: int) -> Any:
    return theory.Poisson(1.0), theory.AccumulateSubsample(samples, samples)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_swept_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "available", lambda: 16e9)  # on any machine
    act, match = REFUSED[name]
    with pytest.raises(theory.InputError, match=match) as refused:
        act(tmp_path)
    assert not list(tmp_path.iterdir()) and "\n" not in str(refused.value)


def test_a_store_may_be_larger_than_memory_and_a_file_not(tmp_path: Path) -> None:
    grid = checked(SIZES, gaussian, generations=9000, chains=2, seed=0, double=False)
    room = sys.modules["modelcollapse.simulate.sweep"]._check_room
    room(grid, range(2), tmp_path / "grid.zarr", 4e6)
    with pytest.raises(theory.InputError, match="out='2 cells of 9000 generations'.*the result takes"):
        room(grid, range(2), tmp_path / "grid.nc", 4e6)


def test_a_sweep_without_axes_is_one_cell(tmp_path: Path) -> None:
    out = tmp_path / "one.nc"
    data = sweep({}, lambda: gaussian(6), generations=3, chains=50, out=out)
    one = odd({"samples": np.array([6])}, gaussian, generations=3, chains=50)
    np.testing.assert_array_equal(data.error_mean, one.error_mean[0])
    assert sweep({}, lambda: gaussian(6), generations=3, chains=50, out=out).identical(data)


def test_progress_begins_at_once_and_tells_shares_of_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "LEAST", 20)
    told: list[tuple[float, int, str]] = []
    sweep({"samples": [6]}, gaussian, generations=3, chains=100, progress=lambda *each: told.append(each))
    done = [each for each, _, _ in told]
    assert done[0] == 0 and done == sorted(done) and {0.2, 0.4, 0.6, 0.8, 1.0} <= set(np.round(done, 6))
    assert {(cells, label) for _, cells, label in told} == {(1, "samples 6")}


def test_a_result_says_what_it_is() -> None:
    steps = theory.Curation(np.linspace(0, 1, 20))

    def cell(samples: int, temperature: float) -> tuple[theory.Family, theory.Selected]:
        selected = theory.Selected(theory.Replace(samples, real=9), [theory.Temperature(temperature), steps])
        return theory.Categorical(np.full(20, 0.05)), selected

    grid = checked({"samples": [6], "temperature": [0.5, 2.0]}, cell, generations=2, chains=9, seed=0, double=False)
    said = labelled.attributes_of(grid)
    family, workflow = json.loads(said["family"]), json.loads(said["workflow"])
    assert family["type"] == "Categorical" and family["p"].startswith("20 numbers") and "title" in said
    assert workflow == {"type": "Selected", "workflow": {"type": "Replace", "synthetic": 6.0, "real": 9.0}}
    assert said["modelcollapse"] == __version__
    data = sweep({"samples": [6], "kind": ["a"]}, lambda samples, kind: gaussian(samples), generations=2, chains=9)
    assert data.samples.attrs["units"] == "1" and "samples" in data.samples.attrs["long_name"] and not data.kind.attrs
    assert all("long_name" in data[name].attrs for name in ("generation", "quantile"))


def test_a_file_of_another_sweep_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "grid.nc"
    later: list[Any] = []  # what is raised where nobody can catch it
    monkeypatch.setattr(sys, "unraisablehook", later.append)
    sweep(SIZES, gaussian, generations=2, chains=9, out=out)
    before = out.read_bytes()
    with pytest.raises(theory.InputError, match="another sweep, with other chains"):
        sweep(SIZES, gaussian, generations=2, chains=8, out=out)
    with pytest.raises(theory.InputError, match="another sweep, with other cells"):
        sweep(SIZES, lambda samples: (theory.Gaussian(3), theory.Replace(samples)), generations=2, chains=9, out=out)
    assert out.read_bytes() == before
    out.write_bytes(b"no netCDF")
    with pytest.raises(theory.InputError, match="no result of a sweep"):
        sweep(SIZES, gaussian, generations=2, chains=9, out=out)
    assert out.read_bytes() == b"no netCDF"
    damaged = bytearray(before)
    damaged[100] ^= 255
    out.write_bytes(damaged)
    with pytest.raises(theory.InputError, match="no result of a sweep"):
        sweep(SIZES, gaussian, generations=2, chains=9, out=out)
    gc.collect()
    assert out.read_bytes() == damaged and not later


BAD = {
    "--family cauchy": "name gaussian",
    "--dimension 1,,2": "without empty places",
    "--dimension 0": "at least 1",
    "--mean 3": "the gaussian family has --dimension",
    "--samples 10,10": "name each once",
    "--workflows replace,reuse": "name replace, accumulate",
    "--workflows replace:0.5": "only fixed and fresh have a share",
    "--workflows past:0.5": "only fixed and fresh have a share",
    "--workflows window:0": "--workflows 0: give a whole number, at least 1",
    "--workflows fixed:1": "above 0 and below 1",
    "--chains 1": "at least 2 chains",
    "--seeds 1000000000": "cells are more than",
    "--seed 9223372036854775807 --seeds 2": "from 0 to 2^63 - 2",
    "--memory 10kg": "--memory 10kg: a number of bytes above 0, alone or with B, kB, MB, GB or TB",
    "--memory -1": "--memory -1: a number of bytes above 0",
    "--time 5 --out a.nc --memory inf": "--memory inf: a number of bytes",
    "--time 5kg --out a.nc": "--time 5kg: a number of seconds above 0, alone or with s, min (m), h or d",
    "--time 5s": "name a file with --out",
    "--out grid.csv": "ending in .nc",
    "--out /dev/null/grid.nc": "--out /dev/null/grid.nc: a place to write to",
    "--dimension 100 --samples 1000 --memory 1MB": "--memory 1MB: dimension 100, samples 1000, workflow subsample takes",
    "--temperature 1,0": "--temperature 0: temperature of the sampler",
    "--temperature 1,1": "--temperature 1.0,1.0: name each once",
    "--top-p 1.1 --family zipf": "--top-p 1.1: probability that is kept",
    "--top-p 0.9": "--top-p 0.9: is for --family categorical, zipf or bigram, not gaussian",
    "--temperature 0.5 --family regression": "--temperature 0.5: is for --family gaussian, categorical,",
    "--verifier 0.9,0.2 --family zipf": "--verifier 0.9,0.2: is for --family logistic or bigram, not zipf",
    "--verifier 0,0.2 --family logistic": "--verifier 0,0.2: chance that a right sample is kept, above 0",
    "--curation 4": "--curation 4: is for --family categorical",
    "--curation 1 --family zipf": "--curation 1: a number of samples, at least 2",
    "--curation 3:99 --family categorical": "--curation 3:99: rewards within 30",
    "--probability 1.5 --family binomial": "--probability 1.5: chance of a success",
    "--bandwidth 0 --family density": "--bandwidth 0: bandwidth of each coordinate, a number above 0",
    "--exponent 1 --family zipf": "use --family categorical",
    "--vocabulary 1e300 --family categorical": "--vocabulary 1e300: give a whole number, at most",
    "--workflows bootstrap --family regression": "--workflows bootstrap: rows of a regression that differ: name subsample",
    "--samples 2 --family regression": "--samples 2: every fit has at least dimension + 2 samples",
    "--samples 10,1e9 --family poisson": "--samples 1e9: counts above 16777216 are rounded in this precision: add --double",
    "--samples 1e17": "--samples 1e17: give a whole number, at most",
    "--generations 1e9": "--generations 1e9: at most 134,217,728 of them: run fewer",
    "--corpus gone.txt --family bigram": "--corpus gone.txt: no such file",
    "--length 1e6 --family bigram": "--length 1e6: the longest document has",
    "--merge a.zarr --out b.nc": "--merge a.zarr: a Zarr store needs no merging: it is whole when its last shard ends",
    "--merge /tmp --out b.nc": "--merge /tmp: is a folder: name the files",
    "--out .": "--out .: is a folder: name a file, such as grid.nc",
    "--family=": '--family "": name gaussian',
    "--dimension=": '--dimension "": a list',
    "--samples=": '--samples "": a list',
    "--out=": """'--out': "": name a place to write to""",
    "--family bigram --corpus=": '--corpus "": name a text',
    "--memory=": '--memory "": a number of bytes',
    "--merge": "--merge: name the files of all shards",
    "--merge a.nc": "there is no such file",
    "--merge a.nc --samples 9": "--samples 9: leave it out: pieces say what they are of",
    "a.nc": "to put pieces together name them with --merge",
    "--shard 0/3 --out a.nc": "--shard 0/3: I/N: one of N shards",
    "--shard 2 --out a.nc": "one of N shards",
    "--shard 1/2": "name a file with --out",
    "--shard 9/99 --out a.nc": "at most as many shards as cells: there are 9",
    "--shard 1/2 --slurm cpus=2": "leave it out, or --slurm",
    "--shards 2": "it is for --slurm",
    "--slurm cpus=2 --out a.nc": "say with --shards",
    "--slurm cpus=2 --shards 2": "name a file with --out",
    "--slurm cpus=2 --shards 99 --out a.nc": "at most as many as cells: there are 9",
    "--slurm colour=red --shards 2 --out a.nc": "names are partition",
    "--slurm cpus=2 --shards 2 --out a.csv": "ending in .nc",
    "--coordinator here --process 0 --processes 2": "HOST:PORT of process 0",
    "--coordinator here:99 --process 2 --processes 2": "from 0 to N-1",
    "--coordinator here:99": "say with --process",
    "--process 1": "name also --coordinator",
}


@pytest.mark.parametrize("options", BAD)
def test_bad_options_are_one_line(
    options: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from modelcollapse import cli

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["sweep", *options.split()])
    shown = capsys.readouterr()
    lines = shown.err.strip().splitlines()
    assert ended.value.code == 2 and len(lines) == 1 and BAD[options] in lines[0], lines
    assert not shown.out and not list(tmp_path.iterdir())


def test_steps_of_a_selection_are_offered_for_the_families_that_are_simulated_with_them() -> None:
    from modelcollapse import sweeping
    from modelcollapse.simulate.selection import DONE_BY

    steps = {"temperature": theory.Temperature, "top_p": theory.TopP, "curation": theory.Curation}
    for family in set(sweeping.FAMILIES) - {"bigram"}:
        axes, cell = sweeping.axes(family, {}, "20", "replace", 1, 0)
        f, _ = cell(**{name: labels[0] for name, labels in axes.items()})
        for name, step in steps.items():
            assert (family in sweeping.SELECTED[name]) == (step in DONE_BY.get(type(f), ())), (family, name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("memory", "100KB", 1e5), ("memory", "1G", 1e9), ("memory", "2TB", 2e12), ("memory", "4gb", 4e9), ("memory", "1e6", 1e6),
     ("memory", "3 MiB", 3 * 2**20), ("time", "5m", 300), ("time", "5min", 300), ("time", "1d", 86400), ("time", "90s", 90),
     ("time", "2H", 7200), ("time", "0.5", 0.5)],
)  # fmt: skip
def test_bytes_and_seconds_are_read_as_people_write_them(name: str, text: str, value: float) -> None:
    from modelcollapse import sweeping

    assert sweeping.quantity(name, text) == value


SMALL = ["sweep", "--samples", "8", "--workflows", "replace", "--generations", "2", "--chains", "30"]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    from modelcollapse import cli

    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def test_an_unfinished_sweep_has_its_own_exit_code_and_a_folder_of_another_run_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [*SMALL, "--samples", "8,9", "--out", "r.nc"]
    code, out, err = said(capsys, *command, "--time", "0.0001s")
    assert (code, out) == (3, "")
    last = "modelcollapse: --time 0.0001s: unfinished: 1 of 2 cells are finished and kept beside r.nc: run the same command again"
    assert err.splitlines()[-1] == last
    code, out, err = said(capsys, *command, "--seed", "1")
    other = "--out r.nc: r.nc.parts: it holds another run, with other seed: name another --out, or delete this folder"
    assert (code, out, err) == (2, "", f"modelcollapse: {other}\n")
    code, out, _ = said(capsys, *command, "--json")
    assert code == 0 and not Path("r.nc.parts").exists()


def test_a_picture_has_the_name_of_its_sweep_and_no_other_file_is_touched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.png").write_text("of somebody")
    for _ in range(2):  # again, too
        record = json.loads(said(capsys, *SMALL, "--out", "mine.nc", "--json")[1])
        assert record["files"] == ["mine.nc", "mine.nc.png"]
    assert Path("mine.png").read_text() == "of somebody" and Path("mine.nc.png").read_bytes()[1:4] == b"PNG"


def labelled_row(**more: Any) -> dict[str, Any]:
    """A row of a result as plain data."""
    mean = {"mean": 0.25, "standard_error": 0.1, "predicted": 0.24, "z": 0.1}
    row = {"vocabulary": 20, "zipf": 0.0, "samples": 10, "workflow": "replace", "temperature": 0.5, "top_p": 1.0}
    return row | {"outside": False, "compared": 2, "error": mean, "diversity": mean, "alive": mean} | more


def shown_table(capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]], theory_says: bool) -> str:
    """The table of these rows, where theory says something of their means or nothing."""
    import xarray

    from modelcollapse import sweep_report, sweeping

    names = [name for name in sweeping.SHOWN if name in rows[0]]
    data = xarray.Dataset({f"{name}_mean": 0.25 for name in names}
                          | {f"{name}_predicted": 0.24 if theory_says else np.nan for name in names})  # fmt: skip
    record = {"rows": rows, "generations": 3, "chains": 20, "cells": len(rows), "outside": 0, "compared": 2, "budget": 1e-3,
              "seconds": 1.0, "chain_generations_per_second": None}  # fmt: skip
    sweep_report.show(data, record, None)
    return capsys.readouterr().out


def test_axes_of_one_label_stand_above_the_table_and_every_verdict_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [labelled_row(), labelled_row(temperature=1.0, compared=0)]
    lines = shown_table(capsys, rows, True).splitlines()
    assert lines[:2] == ["Generation 3 of 20 chains: means, and what theory predicts",
                         "vocabulary 20, zipf 0.0, samples 10, workflow replace, top_p 1.0"]  # fmt: skip
    assert lines[3].split() == ["temperature", "error", "theory", "diversity", "theory", "alive", "theory", "verdict"]
    assert [line.split(maxsplit=7)[-1].strip() for line in lines[5:7]] == ["agrees", "not judged"]
    assert any(line.startswith("agrees: ") for line in lines) and any(line.startswith("not judged: ") for line in lines)


def test_a_table_that_is_too_wide_leaves_out_means_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from modelcollapse import sweep_report

    monkeypatch.setattr(sweep_report, "console", lambda: Console(width=45, highlight=False))
    shown = shown_table(capsys, [labelled_row(), labelled_row(temperature=1.0)], True)
    assert "too narrow for diversity, alive: see --json" in shown and "…" not in shown
    assert ["temperature", "error", "theory", "verdict"] in [line.split() for line in shown.splitlines()]
    monkeypatch.setattr(sweep_report, "console", lambda: Console(width=10, highlight=False))
    shown = shown_table(capsys, [labelled_row(), labelled_row(temperature=1.0)], True)
    assert ["0.5", "0.25", "0.24", "agrees"] in [line.split() for line in shown.splitlines()]


def test_what_has_no_finite_value_and_what_theory_does_not_predict_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    none = {"mean": None, "standard_error": None}
    row = {"dimension": 1, "penalty": 0.0, "samples": 10, "outside": False, "compared": 0, "error": none}
    shown = shown_table(capsys, [row, row | {"samples": 100, "error": none | {"mean": 0.25}}], False)
    assert "theory" not in shown.splitlines()[0] + shown.splitlines()[3]
    assert "– of a mean: some chains have no finite value" in shown and "add --penalty 0.1" in shown
    assert "–" not in shown_table(capsys, [labelled_row()], True)


def test_a_picture_speaks_of_theory_only_where_it_predicts() -> None:
    from modelcollapse import sweep_pictures

    assert (
        sweep_pictures.titled(1000, True)
        == "1,000 chains (points, ± 2 standard errors) on what theory predicts (lines)"
    )
    assert sweep_pictures.titled(1000, False) == "1,000 chains (points, ± 2 standard errors)"
