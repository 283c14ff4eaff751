"""Groups of chains: a run of any number of chains in memory that does not grow with it, on all devices.

A group is as many chains as stay near a core while they run; each is one call of one program on one device, whatever runs
beside it. Devices take groups in turn, and moments are merged in the order of the groups. So the numbers depend on the key
and the settings alone. (One program for all devices together would be compiled otherwise for another number of them, and
round otherwise.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.theory.family import Categorical, Family, KernelDensity, LinearRegression
from modelcollapse.theory.workflow import Workflow

from . import kernel, moments
from .chains import divided, run_chains, typed, unseen
from .moments import Moments
from .observe import observe
from .pool import Memory, Pool, Step, pool
from .sampling import MOST_TOKENS

NEAR = 2**23  # bytes of a group: what a core has near it
FULL = 2**16  # points that are drawn at once, at least: less would not fill the time that an operation takes to start
LEAST, PARTS = 4096, 8  # of many chains a group is no less than LEAST, of a few no more than one of PARTS
AHEAD = 3  # calls for each device that run or wait


class Program(NamedTuple):
    """All that one compilation needs to know, beside shapes."""

    kind: Callable[..., Family]
    fixed: tuple[tuple[str, Any], ...]
    memory: Memory
    step: Step
    most: int
    chains: int
    names: tuple[str, ...]


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


def observed(f: Family) -> tuple[str, ...]:
    """The names of what is observed of a family and is a number."""
    shapes = jax.eval_shape(lambda: observe(f, kernel.truth(f)))
    return tuple(sorted(name for name, shape in shapes.items() if shape.shape == ()))


def work(f: Family, w: Workflow, generations: int, chains: int, table_length: int = 0) -> Work:
    """The work of a cell, with tables of at least a length."""
    fixed, free = divided(f)
    p = pool(f, w, generations)
    p = p._replace(sizes=kernel.lengthened(p.sizes, table_length))
    names = observed(f)
    one = chain_bytes(f, p, generations, len(names))
    drawn = p.most * max(getattr(f, "dimension", 1), 1) if _on_points(f, p) else FULL
    most = 1 << int(np.log2(max(NEAR // one, FULL // drawn, 1)))
    limit = min(most, max(LEAST, -(-chains // PARTS)))
    group = -(-chains // -(-chains // limit))
    return Work(
        Program(type(f), fixed, p.memory, p.step, p.most, group, names),
        free,
        unseen(f),
        p,
        generations,
        chains,
        one * group,
    )


def chain_bytes(f: Family, p: Pool, generations: int, observables: int) -> int:
    """About how many bytes a chain holds while it runs: models, memory, what is drawn in a generation, observables."""
    truth = jax.eval_shape(lambda: kernel.truth(f))
    memory = jax.eval_shape(lambda: p.memory(f, p.room))
    size = max(getattr(f, "dimension", 1), 1) + isinstance(f, LinearRegression)
    drawn = 0
    if _on_points(f, p) or p.most <= MOST_TOKENS and isinstance(f, Categorical):
        drawn = p.most * size * 3
    state = sum(4 * leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(truth))
    state += sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(memory))
    return int(state + 8 * (drawn + generations * observables))


def _on_points(f: Family, p: Pool) -> bool:
    """Whether points are drawn and kept."""
    return "places" in p.rows or isinstance(f, KernelDensity)


@partial(jax.jit, static_argnames="program")
def _run(
    first: Any, left: Any, knots: jax.Array, key: jax.Array, tables: Any, *, program: Program
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """One group from the chain ``first``, of which ``left`` chains count: values, and moments."""
    free, lacking, room, sizes, rows = tables
    seen = run_chains(
        key, free, room, sizes, rows, first, kind=program.kind, fixed=program.fixed, memory=program.memory,
        step=program.step, most=program.most, chains=program.chains,
    )  # fmt: skip
    seen["error"] = seen["error"] + lacking
    values = {name: seen[name] for name in program.names}
    return values, moments.summary(values, left, knots)


def run(work: Work, key: jax.Array, done: tuple[int, Moments] | None = None) -> Iterator[tuple[int, Moments]]:
    """Run a cell; after each call how many groups are done, and the moments so far. ``done``: go on from there."""
    devices = jax.local_devices()
    group, groups = work.program.chains, work.groups
    tables = [
        jax.device_put((typed(key), (work.free, work.unseen, work.pool.room, work.pool.sizes, work.pool.rows)), each)
        for each in devices
    ]
    at, total = done if done is not None else (0, None)
    waiting: deque[tuple[int, int, Any]] = deque()

    def call(number: int, knots: Any) -> None:
        device = number % len(devices)
        left = min(group, work.chains - number * group)
        numbers = jax.device_put(
            (np.uint32(number * group), np.int32(left), np.asarray(knots, jnp.result_type(float))), devices[device]
        )
        waiting.append((number, left, _run(*numbers, *tables[device], program=work.program)))

    if total is None:
        call(0, np.zeros((moments.KNOTS, len(work.program.names), work.generations)))
        _, left, (values, found) = waiting.popleft()
        knots = moments.placed(values, left)
        total = moments.of_group(
            {**found, "under": moments.counted(values, left, np.asarray(knots, jnp.result_type(float)))}, left, knots
        )
        at = 1
        yield at, total
    ahead = at
    while at < groups:
        while ahead < groups and len(waiting) < AHEAD * len(devices):
            call(ahead, total.knots)
            ahead += 1
        _, left, (_, found) = waiting.popleft()
        total = moments.merged(total, moments.of_group(found, left, total.knots))
        at += 1
        yield at, total
