"""A race: all contenders of a work take turns, pass by pass, so that a machine that slows down slows all of them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .contender import LIMITS, OURS
from .needs import Needs
from .works import Opponent, Work

ROOT = Path(__file__).resolve().parent.parent
MODULES = {"scikit-learn": "sklearn", "msprime": "msprime"}
NO_WORK = "-"
# of NumPy's matrix products: two are a tenth faster at best (d=100), and many times slower where another process takes a core
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Absent(Exception):
    """A contender that does not run: says why, in one line."""


class Contender:
    """A process that waits for its turn."""

    def __init__(self, work: str, side: str, devices: int, seed: int, seconds: float) -> None:
        self.side, self.seconds = side, seconds
        own = f"--xla_force_host_platform_device_count={devices} --xla_cpu_prefer_vector_width=512"
        flags = f"{os.environ.get('XLA_FLAGS', '')} {own}".strip()
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contender", work, side, str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, **ONE_THREAD, "XLA_FLAGS": flags, "PYTHONPATH": path},
        )  # fmt: skip

    def heard(self) -> dict[str, Any]:
        """The next line that the process says; `Absent` where it says none in time, or that it cannot run."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], self.seconds)[0]:
            raise Absent(f"no pass within {self.seconds:g} s")
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            last = ([line.strip() for line in self.log if line.strip()] or ["nothing was said"])[-1]
            raise Absent(f"ended with code {self.process.wait()}: {last}")
        words: dict[str, Any] = json.loads(line)
        if "absent" in words:
            raise Absent(words["absent"])
        return words

    def turn(self) -> dict[str, Any]:
        """One pass."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: `heard` says how
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        return self.heard()

    def end(self) -> None:
        """End the process, and wait until its memory is free again."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def limits(devices: int, seconds: float) -> Needs:
    """What the machine can do in a second."""
    contender = Contender(NO_WORK, LIMITS, devices, 0, seconds)
    try:
        contender.heard()
        return Needs(*contender.turn()["limits"])
    finally:
        contender.end()


def missing(opponent: Opponent) -> str | None:
    """The package that an opponent lacks."""
    lacks = opponent.needs and importlib.util.find_spec(MODULES[opponent.needs]) is None
    return opponent.needs if lacks else None


def rows(
    work: Work, opponents: list[Opponent], rates: Needs, repeats: int, devices: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """One row for each opponent: medians over the ``repeats`` passes of each side, which take turns."""
    notes: dict[str, str] = {}
    passes: dict[str, list[dict[str, Any]]] = {}
    running: dict[str, Contender] = {}
    try:
        sides = [OURS, *(each.name for each in opponents if not missing(each))]
        for number, side in enumerate(sides):
            running[side] = Contender(work.name, side, devices, 1000 * number, seconds)
            notes |= _dropped(running, side, lambda contender=running[side]: contender.heard())
        for _ in range(1 + repeats):  # the first pass compiles and warms up
            for side in list(running):

                def turn(contender: Contender = running[side], side: str = side) -> None:
                    passes.setdefault(side, []).append(contender.turn())

                notes |= _dropped(running, side, turn)
    finally:
        for contender in running.values():
            contender.end()
    speeds = {side: _medians(taken) for side, taken in passes.items() if side in running}
    for opponent in opponents:
        lacking = missing(opponent)
        note = f"{lacking} is not installed: pip install '.[benchmarks]'" if lacking else notes.get(opponent.name)
        yield _row(work, opponent, speeds.get(OURS), speeds.get(opponent.name), rates, notes.get(OURS), note)


def _dropped(running: dict[str, Contender], side: str, act: Any) -> dict[str, str]:
    """Let a contender act; one that cannot is ended, and leaves its reason."""
    try:
        act()
    except Absent as absent:
        running.pop(side).end()
        return {side: str(absent)}
    return {}


def _medians(passes: list[dict[str, Any]]) -> dict[str, Any]:
    first, later = passes[0], passes[1:]
    middle = {name: statistics.median(each[name] for each in later) for name in ("per_s", "seconds", "cores")}
    return {**middle, "peak_mb": later[-1]["peak_mb"], "compile_s": max(0.0, first["first_s"] - middle["seconds"])}


def _row(
    work: Work,
    opponent: Opponent,
    ours: dict[str, Any] | None,
    theirs: dict[str, Any] | None,
    rates: Needs,
    *notes: str | None,
) -> dict[str, Any]:
    """A row: None where something was not measured, with a note of why."""
    said = [f"{side}: {note}" for side, note in zip((OURS, opponent.name), notes, strict=True) if note]
    at_least = opponent.generations < work.generations
    if at_least and theirs:
        said.append(f"{opponent.name}: the first {opponent.generations} generations only, later ones are slower")
    name, share = work.needs.binding(rates, ours["per_s"]) if ours else (None, None)
    ratio = ours["per_s"] / theirs["per_s"] if ours and theirs else None
    return {
        "work": work.name,
        "against": opponent.name,
        "ratio": ratio,
        "ratio_per_core": ratio * theirs["cores"] / ours["cores"] if ratio and ours and theirs else None,
        "at_least": at_least,
        "ours_per_s": ours and ours["per_s"],
        "theirs_per_s": theirs and theirs["per_s"],
        "peak_mb": ours and ours["peak_mb"],
        "theirs_peak_mb": theirs and theirs["peak_mb"],
        "compile_s": ours and ours["compile_s"],
        "limit": name,
        "share": share,
        "cores": ours and ours["cores"],
        "theirs_cores": theirs and theirs["cores"],
        "chains": work.chains,
        "theirs_chains": opponent.chains,
        "note": "; ".join(said) or None,
    }
