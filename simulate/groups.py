"""Groups of chains: a run of any number of chains in memory that does not grow with it, on all devices.

A group is as many chains as stay near a core while they run; each is one call of one program on one device, whatever runs
beside it. Devices take groups in turn, and moments are merged in the order of the groups. So the numbers depend on the key
and the settings alone. (One program for all devices together would be compiled otherwise for another number of them, and
round otherwise.)
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory.family import Categorical, Family, GaussianMixture
from modelcollapse.theory.workflow import AnyWorkflow

from . import footprint, kernel, moments
from .chains import arrange, divided, drawn_ahead, loop, memories, typed, unseen
from .moments import Moments
from .observe import observe
from .pool import Memory, Pool, Step, pool
from .sampling import MOST_TOKENS
from .subsample import Ahead

NEAR = 2**23  # bytes of a group: what a core has near it
FULL = 2**15  # points that are drawn at once, at least: less would not fill the time that an operation takes to start
LEAST, PARTS = 4096, 8  # of many chains a group is no less than LEAST, of a few no more than one of PARTS
SMALL = 64  # chains of which a group runs one after another what does not fit near a core
SETS = 2**25  # bytes of what is drawn ahead for a group
AHEAD = 3  # calls for each device that is no CPU: they run or wait


class Program(NamedTuple):
    """All that one compilation needs to know, beside shapes."""

    kind: Callable[..., Family]
    fixed: tuple[tuple[str, Any], ...]
    memory: Memory
    step: Step
    most: int
    at_once: int
    chains: int
    names: tuple[str, ...]
    again: bool


class Work(NamedTuple):
    """A cell, ready to run: its program, what it reads, and its groups."""

    program: Program
    free: dict[str, Any]
    unseen: float
    pool: Pool
    generations: int
    chains: int
    bytes: int

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return -(-self.chains // self.program.chains)


def calls() -> int:
    """How many groups run or wait at a time. On a CPU each keeps one core busy, so there are as many as cores."""
    devices = len(jax.local_devices())
    return max(len(os.sched_getaffinity(0)), devices) if jax.default_backend() == "cpu" else AHEAD * devices


def observed(f: Family) -> tuple[str, ...]:
    """The names of what is observed of a family and is a number."""
    shapes = jax.eval_shape(lambda: observe(f, kernel.truth(f)))
    return tuple(sorted(name for name, shape in shapes.items() if shape.shape == ()))


def work(f: Family, w: AnyWorkflow, generations: int, chains: int, table_length: int = 0) -> Work:
    """The work of a cell, with tables of at least a length."""
    fixed, free = divided(f)
    p = pool(f, w, generations)
    p = p._replace(sizes=kernel.lengthened(p.sizes, table_length))
    names = observed(f)
    one = chain_bytes(f, p, generations, len(names))
    drawn = p.most * _numbers_of_fit(f) if _on_points(p) else FULL
    most = 1 << int(np.log2(max(NEAR // one, FULL // drawn, 1)))
    limit = min(most, max(LEAST, -(-chains // PARTS)))
    ahead = 0
    if p.ahead is None:
        at_once = -(-chains // -(-chains // limit))
        groups = -(-chains // max(min(SMALL, -(-chains // PARTS)), at_once))
        group = at_once * -(-chains // (at_once * groups))
    else:  # what is drawn ahead is compiled for a number of chains: one that families do not decide
        train = p.rows["places"].shape[1]
        ahead = 4 * generations * train
        group = min(_power(chains), _power(max(SMALL, FULL // train)), _power(SETS // ahead))
        at_once = min(1 << int(np.log2(limit)), group)
    return Work(
        Program(type(f), fixed, p.memory, p.step, p.most, at_once, group, names, p.again),
        free,
        unseen(f),
        p,
        generations,
        chains,
        one * at_once + ahead * group,
    )


def _power(number: int) -> int:
    """The least power of two that is no less."""
    return 1 << max(number - 1, 0).bit_length()


def chain_bytes(f: Family, p: Pool, generations: int, observables: int) -> int:
    """About how many bytes a chain holds while it runs: models, memory, what is drawn in a generation, observables."""
    truth = jax.eval_shape(lambda: kernel.truth(f))
    memory = jax.eval_shape(lambda: p.memory(f, p.room))
    size = _numbers_of_fit(f)
    drawn = 0
    if _on_points(p) or p.most <= MOST_TOKENS and isinstance(f, Categorical):
        drawn = p.most * size * 3
    state = sum(4 * leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(truth))
    state += sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(memory))
    return int(state + 8 * (drawn + generations * observables))


def _numbers_of_fit(f: Family) -> int:
    """How many numbers a fit looks at for each point: of a mixture, all coordinates for each component."""
    return footprint.point(f) * (len(f.weights) if isinstance(f, GaussianMixture) else 1)


def _on_points(p: Pool) -> bool:
    """Whether points are drawn and kept."""
    return "places" in p.rows or "offset" in p.rows


@partial(jax.jit, static_argnames="program")
def _run(first: Any, own: Ahead, key: jax.Array, tables: Any, *, program: Program) -> dict[str, jax.Array]:
    """The observables of one group from the chain ``first`` on, for which ``own`` was drawn ahead."""
    free, lacking, room, sizes, rows, steps = tables
    f = program.kind(**free, **dict(program.fixed))
    blank = memories(f, program.memory, room, program.at_once)
    each, alike = own

    def turn(begin: Any, here: Any) -> tuple[Any, dict[str, jax.Array]]:
        at, each = here
        seen, left = loop(f, key, begin, sizes, rows, at, program.at_once, steps=steps, own=(each, alike), step=program.step,
                          most=program.most)  # fmt: skip
        return left if program.again else blank, seen

    begins = first + np.arange(0, program.chains, program.at_once, dtype=np.uint32)
    if len(begins) == 1:
        seen = turn(blank, (begins[0], each))[1]
    else:
        by_turn = jax.tree.map(lambda leaf: leaf.reshape(len(begins), -1, *leaf.shape[1:]), each)
        every = lax.scan(turn, blank, (begins, by_turn))[1]
        seen = {name: each.reshape(-1, *each.shape[2:]) for name, each in every.items()}
    seen["error"] = seen["error"] + lacking
    return {name: seen[name] for name in program.names}


def prepare(work: Work, double: bool) -> None:
    """Compile what a cell runs, where it is not compiled yet: what is drawn ahead and moments are programs that cells share."""
    with jax.enable_x64(double):
        for device in jax.local_devices():
            tables = _tables(work, jax.random.key(0), device)
            first, left, knots = _numbers(work, 0, None, device)
            key, (_, _, room, _, rows, _) = tables
            ahead = drawn_ahead.lower(key, rows, first, ahead=work.pool.ahead, chains=work.program.chains)
            own = arrange.lower(_results(ahead, device), rows, room, arranged=work.pool.arranged)
            run = _run.lower(first, _results(own, device), *tables, program=work.program)
            summary = moments.summary.lower(_results(run, device), left, knots)
            for each in ([ahead] if work.pool.ahead else []) + ([own] if work.pool.arranged else []) + [run, summary]:
                each.compile()


def _results(lowered: Any, device: Any) -> Any:
    """Shapes of what a program returns, on a device."""
    there = jax.sharding.SingleDeviceSharding(device)
    return jax.tree.map(lambda each: jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=there), lowered.out_info)


def _tables(work: Work, key: jax.Array, device: Any) -> Any:
    """What all groups read, on a device."""
    pool = work.pool
    return jax.device_put((typed(key), (work.free, work.unseen, pool.room, pool.sizes, pool.rows, pool.steps)), device)


def _numbers(work: Work, number: int, knots: Any, device: Any) -> Any:
    """Where a group begins, how many of its chains count, and its knots, on a device."""
    group = work.program.chains
    if knots is None:
        knots = np.zeros((moments.KNOTS, len(work.program.names), work.generations))
    left = min(group, work.chains - number * group)
    return jax.device_put(
        (np.uint32(number * group), np.int32(left), np.asarray(knots, jnp.result_type(float))), device
    )


def run(
    work: Work,
    key: jax.Array,
    done: tuple[int, Moments] | None = None,
    double: bool | None = None,
    memory: float | None = None,
) -> Iterator[tuple[int, Moments]]:
    """Run a cell; after each group how many are done, and the moments so far.

    ``done``: go on from there. ``double``: in this precision; None: in JAX's current one. ``memory``: bytes, for which fewer
    groups may run at a time, but one.
    """
    devices = jax.local_devices()
    double = jnp.result_type(float) == jnp.float64 if double is None else double
    at, total = done if done is not None else (0, None)
    prepare(work, double)
    with jax.enable_x64(double):
        tables = [_tables(work, key, device) for device in devices]

    def call(number: int, knots: Any) -> tuple[int, dict[str, Any], dict[str, Any]]:
        with jax.enable_x64(double):  # which another thread does not inherit
            place = number % len(devices)
            first, count, under = _numbers(work, number, knots, devices[place])
            key, (_, _, room, _, rows, _) = tables[place]
            own = drawn_ahead(key, rows, first, ahead=work.pool.ahead, chains=work.program.chains)
            if work.pool.arranged is not None:
                own = arrange(own, rows, room, arranged=work.pool.arranged)
            values = _run(first, own, *tables[place], program=work.program)
            found = moments.summary(values, count, under)
            left = min(work.program.chains, work.chains - number * work.program.chains)
            return left, {} if knots is not None else jax.device_get(values), jax.device_get(found)

    most = calls() if memory is None else max(1, min(calls(), int(memory // work.bytes)))
    with ThreadPoolExecutor(most) as threads:
        waiting: deque[Future[Any]] = deque()
        try:
            for number in range(at, work.groups):
                while len(waiting) < most and at + len(waiting) < work.groups:
                    waiting.append(threads.submit(call, at + len(waiting), None if total is None else total.knots))
                left, values, found = waiting.popleft().result()
                if values:  # knots are placed by the first group alone
                    knots = total.knots if total is not None else moments.placed(values, left)
                    with jax.enable_x64(double):
                        _, count, under = _numbers(work, number, knots, devices[number % len(devices)])
                        there = jax.device_put(values, devices[number % len(devices)])
                        found["under"] = jax.device_get(moments.summary(there, count, under))["under"]
                else:
                    assert total is not None
                    knots = total.knots
                one = moments.of_group(found, left, knots)
                total = one if total is None else moments.merged(total, one)
                at = number + 1
                yield at, total
        finally:
            for each in waiting:
                each.cancel()
