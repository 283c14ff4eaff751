"""The processes that train the seeds of a run, or this process in their place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Queue
from typing import Any

import jax

from modelcollapse.theory import arguments as arg

from . import worker
from .laboratory import Laboratory
from .recursion import trainings

Told = Callable[[float, float, str], None]  # trainings done, trainings in all, what is going on


NOT_ALL_MEMORY = "XLA_PYTHON_CLIENT_PREALLOCATE"  # of an accelerator: for this process, not for those that train


class _Waiting(Exception):
    """Calibration is done and predictions are not frozen yet."""


class Team:
    """The processes that train, or this one."""

    def __init__(self, laboratory: Laboratory, processes: int, told: Told) -> None:
        self.laboratory, self.told = laboratory, told
        seeds = laboratory.experiment.seeds
        self.heard: Queue[dict[str, Any]] = Queue()
        self.shares: dict[int, float] = {}
        self.total = float(len(seeds) * trainings(laboratory))
        self.workers: list[subprocess.Popen[str]] = []
        self.listeners: list[threading.Thread] = []
        self.found: dict[str, dict[int, Any]] = {"calibrated": {}, "finished": {}}
        for first in range(processes):
            mine = [str(seed) for seed in seeds[first::processes]]
            command = [sys.executable, "-m", worker.__name__, str(laboratory.folder), *mine]
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=_environment())
            self.workers.append(process)
            self.listeners.append(threading.Thread(target=self._listen, args=(process,), daemon=True))
            self.listeners[-1].start()

    @property
    def done(self) -> float:
        """Trainings done so far, by all."""
        return sum(self.shares.values())

    def calibrated(self) -> dict[int, Any]:
        """Names of the models that calibrate, by seed."""
        return self._all("calibrated") if self.workers else self._alone()["calibrated"]

    def finished(self) -> dict[int, Any]:
        """Names of all models, by seed."""
        for process in self.workers:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # it has ended: that is heard below
                process.stdin.write(worker.GO)
                process.stdin.flush()
        return self._all("finished") if self.workers else self._alone(frozen=True)["finished"]

    def stop(self) -> None:
        """End what still works."""
        for process, listener in zip(self.workers, self.listeners, strict=True):
            process.kill()
            process.wait()
            listener.join()
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.heard.put(json.loads(line))
        self.heard.put({"ended": process.wait()})

    def _all(self, what: str) -> dict[int, Any]:
        while len(self.found[what]) < len(self.laboratory.experiment.seeds):
            line = self.heard.get()
            if "ended" in line:
                if line["ended"] != 0:
                    remedy = "start again with the same options: what is finished is kept"
                    raise arg.InputError(f"train: a process that trains ended with code {line['ended']}: {remedy}")
                continue
            self._hear(line)
        return self.found[what]

    def _hear(self, line: dict[str, Any]) -> None:
        if "refused" in line:
            raise arg.InputError(line["refused"])
        for what, found in self.found.items():
            if what in line:
                found[line[what]] = line["models"]
        if "seed" in line:
            self.shares[line["seed"]] = line["done"]
            what = f"seed {line['seed']}, " + (
                f"re-training {line['generation']}" if line["workflow"] == "again"
                else f"{line['workflow']}, generation {line['generation']}"
            )  # fmt: skip
            self.told(self.done, self.total, what)

    def _alone(self, *, frozen: bool = False) -> dict[str, dict[int, Any]]:
        def wait() -> None:
            if not frozen:
                raise _Waiting

        with jax.enable_x64(False), suppress(_Waiting):  # as in a process of its own
            worker.work(self.laboratory, list(self.laboratory.experiment.seeds), self._hear, wait)
        return self.found


def _environment() -> dict[str, str]:
    """What a process that trains is told: one thread on a processor, where a second gains nothing at these sizes."""
    told = {name: value for name, value in os.environ.items() if name != NOT_ALL_MEMORY}
    if jax.default_backend() == "cpu":
        told["XLA_FLAGS"] = " ".join([*filter(None, [told.get("XLA_FLAGS")]), "--xla_cpu_multi_thread_eigen=false"])
    return told
