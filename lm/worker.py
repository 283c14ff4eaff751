"""One process of a run: the seeds that it is given, told about on standard output, a line of JSON at a time.

First it trains what calibration needs; then it waits for the word that predictions are frozen, and trains the rest.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

from modelcollapse.theory import arguments as arg

from .experiment import restored
from .laboratory import Laboratory
from .recursion import Told, all_recursions, calibrated, students, trainings

GO = "predictions are frozen\n"
EVERY = 0.5  # seconds between two words about the same training


def main(arguments: list[str]) -> None:
    """``folder seed ...``: work for these seeds."""
    folder, *seeds = arguments
    record = json.loads((Path(folder) / "run.json").read_text())

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process decides

    def told(line: dict[str, Any]) -> None:
        try:
            print(json.dumps(line), flush=True)
        except BrokenPipeError:
            os._exit(1)  # who listened is gone

    words: Queue[str] = Queue()

    def listen() -> None:
        for line in sys.stdin:
            words.put(line)
        os._exit(1)  # whoever started this process is gone

    def frozen() -> None:
        assert words.get() == GO

    threading.Thread(target=listen, daemon=True).start()

    try:
        work(Laboratory(restored(record), Path(folder)), [int(each) for each in seeds], told, frozen)
    except arg.InputError as problem:
        told({"refused": str(problem)})
    except OSError as problem:
        told({"refused": f"train(out={folder!r}): {problem.strerror or problem}: make room, and start again"})


def work(
    laboratory: Laboratory, seeds: list[int], told: Callable[[dict[str, Any]], None], frozen: Callable[[], None]
) -> None:
    """Train for these seeds. ``frozen`` returns when predictions are on disk."""
    progress = {seed: _progress(laboratory, seed, told) for seed in seeds}
    for seed in seeds:
        found = calibrated(laboratory, seed, progress[seed])
        names = {"first": found.first.name, "again": [each.name for each in found.again],
                 "replaced": [each.name for each in found.replaced]}  # fmt: skip
        told({"calibrated": seed, "models": names})
    frozen()
    for seed in seeds:
        models = all_recursions(laboratory, seed, progress[seed])
        done: dict[str, Any] = {"workflows": {name: [each.name for each in chain] for name, chain in models.items()}}
        if laboratory.experiment.grid is not None:
            teacher = next(iter(models.values()))[0]
            done["grid"] = [[each.name for each in row] for row in students(laboratory, seed, teacher, progress[seed])]
        told({"finished": seed, "models": done})


def _progress(laboratory: Laboratory, seed: int, told: Callable[[dict[str, Any]], None]) -> Told:
    done: dict[tuple[str, int], float] = {}
    last = 0.0

    def moved(workflow: str, generation: int, share: float) -> None:
        nonlocal last
        shared = generation == 1 and workflow not in ("again", "grid")
        done["first" if shared else workflow, generation] = share
        if share == 1 or time.monotonic() - last > EVERY:
            last = time.monotonic()
            told({"seed": seed, "done": sum(done.values()), "of": trainings(laboratory), "workflow": workflow,
                  "generation": generation, "share": share})  # fmt: skip

    return moved


if __name__ == "__main__":
    main(sys.argv[1:])
