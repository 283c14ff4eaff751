"""Processes of one program: what each of them found, told to all.

Each process runs its own cells on its own devices; only what came out of them is exchanged, as bytes, so that no number is
rounded on the way. A process that is refused or stopped tells the others: they end with it, rather than wait.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from modelcollapse.theory import arguments as arg

from . import store

LONGEST = 30 * 24 * 3600  # seconds that one process waits for another
Arrays = Mapping[str, np.ndarray]


class Stopped(Exception):
    """A sweep that was stopped in time: ``done`` of its ``cells`` are finished. What is there is kept, if there is a place."""

    def __init__(self, done: int, cells: int) -> None:
        super().__init__(f"{done} of {cells} cells")
        self.done, self.cells = done, cells


def start(coordinator: str, process: int, processes: int) -> None:
    """Join a program of several processes, before anything is computed. Process 0 listens at ``coordinator``, HOST:PORT."""
    flags = os.environ.get("XLA_FLAGS", "")
    if "cpu_collective_timeout" not in flags:  # who is done early waits for the others: half an hour by default
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_collective_timeout_seconds={LONGEST}".strip()
    jax.config.update("jax_enable_preemption_service", False)  # it would keep SIGTERM from ending the process
    jax.distributed.initialize(coordinator_address=coordinator, num_processes=processes, process_id=process)


def everyone(act: Callable[[], Arrays]) -> list[Arrays]:
    """What ``act`` gives in each process, in their order; where one is refused or stopped, all are."""
    if jax.process_count() == 1:
        return [act()]
    problem: Exception | None = None
    told: tuple[dict[str, Any], Arrays]
    try:
        told = {"is": "done"}, act()
    except Stopped as stopped:
        problem, told = stopped, ({"is": "stopped", "done": stopped.done, "cells": stopped.cells}, {})
    except arg.InputError as refused:
        problem, told = refused, ({"is": "refused", "why": str(refused)}, {})
    heard = _exchanged(told)
    for process, (head, _) in enumerate(heard):
        if head["is"] == "refused":
            raise (
                problem if isinstance(problem, arg.InputError) else arg.InputError(f"process {process}: {head['why']}")
            )
    halted = [head for head, _ in heard if head["is"] == "stopped"]
    if halted:
        finished = sum(head["done"] for head in halted) + sum(len(found.get("cell", ())) for _, found in heard)
        raise Stopped(finished, finished + sum(head["cells"] - head["done"] for head in halted))
    return [found for _, found in heard]


def from_first(record: Mapping[str, Any], word: bool) -> bool:
    """The word of the first process; all must work on what ``record`` describes."""
    identity = np.frombuffer(store.digest(record).encode(), np.uint8)
    heard = everyone(lambda: {"record": identity, "word": np.array(word)})
    if any(not np.array_equal(each["record"], identity) for each in heard):
        raise arg.refuse(
            "sweep", "processes", len(heard), "all of them make the same sweep: give them the same options"
        )
    return bool(heard[0]["word"])


def _exchanged(told: tuple[Mapping[str, Any], Arrays]) -> list[tuple[dict[str, Any], Arrays]]:
    """The message of every process: plain data, and arrays."""
    from jax.experimental import multihost_utils

    held = io.BytesIO()
    np.savez(held, **{"": np.frombuffer(json.dumps(told[0]).encode(), np.uint8)}, **told[1])  # type: ignore[arg-type]
    message = np.frombuffer(held.getvalue(), np.uint8)
    length = np.array([len(message)], "<u8").view(np.uint8)
    lengths = np.asarray(multihost_utils.process_allgather(length)).copy().view("<u8")[:, 0]
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: len(message)] = message
    heard: list[tuple[dict[str, Any], Arrays]] = []
    for line, size in zip(np.asarray(multihost_utils.process_allgather(padded)), lengths, strict=True):
        with np.load(io.BytesIO(line[: int(size)].tobytes())) as file:
            arrays = dict(file)
        heard.append((json.loads(arrays.pop("").tobytes()), arrays))
    return heard
