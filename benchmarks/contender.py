"""One contender in a process of its own: caches that are warm are its own, and so is the memory at its peak.

    python -m benchmarks.contender WORK SIDE SEED

Speaks JSON, a line for a line: says when it is ready; for each line that it is given it runs one pass (of the machine's limits
where SIDE is "limits") and says how long that took; at the end of its input it ends. Whatever else is printed goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from .ours import NotYet
from .works import WORKS, Work

OURS, LIMITS = "ours", "limits"
LEAST = 0.3  # seconds that a pass takes at least: what is shorter is run again until they are over


def passes(work: Work, side: str) -> tuple[Callable[[int], Any], int]:
    """A pass of one side, given its number, and the chain-generations in it."""
    if side == OURS:
        from . import ours

        return ours.passes(work), work.chains * work.generations
    import numpy as np

    (opponent,) = (each for each in work.opponents if each.name == side)
    run = getattr(importlib.import_module(f"{__package__}.{opponent.module}"), opponent.name)

    def once(seed: int) -> Any:
        return run(opponent.chains, opponent.generations, np.random.default_rng(seed), **work.settings)

    return once, opponent.chains * opponent.generations


def main(work: str, side: str, seed: str) -> None:
    """Answer line by line."""
    out, sys.stdout = sys.stdout, sys.stderr

    def say(**words: Any) -> None:
        print(json.dumps(words), file=out, flush=True)

    if side == LIMITS:
        from . import limits

        say(ready=True)
        for _ in sys.stdin:
            say(limits=limits.measured())
        return
    try:
        once, size = passes(next(each for each in WORKS if each.name == work), side)
    except NotYet as absent:
        say(absent=str(absent))
        return
    say(ready=True)
    seeds = count(int(seed))
    for _ in sys.stdin:
        started, spent, runs, seconds, first = time.perf_counter(), time.process_time(), 0, 0.0, 0.0
        while seconds < LEAST:
            once(next(seeds))
            runs, seconds = runs + 1, time.perf_counter() - started
            first = seconds if runs == 1 else first
        say(
            per_s=runs * size / seconds,
            seconds=seconds / runs,
            first_s=first,
            cores=(time.process_time() - spent) / seconds,
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
