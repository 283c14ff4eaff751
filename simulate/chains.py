"""Chains: thousands of recursions at once. One loop over generations, one batching over chains, one compilation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from modelcollapse.theory import arguments as arg
from modelcollapse.theory import family, least_norm, regression, unbiased, workflow
from modelcollapse.theory.family import (
    Bigram,
    Binomial,
    Categorical,
    Family,
    Gamma,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    LinearRegression,
    LogisticRegression,
    NegativeBinomial,
    Poisson,
    Zipf,
)
from modelcollapse.theory.selection import Curation, Verifier
from modelcollapse.theory.workflow import (
    Accumulate,
    AccumulateSubsample,
    AnyWorkflow,
    FixedReal,
    FreshReal,
    RandomPast,
    Replace,
    Schedule,
    Selected,
    SlidingWindow,
    Workflow,
)

from . import footprint, kernel, next_token, selection, subsample
from .observe import observe
from .pool import Memory, Pool, Step, point_pool, pool
from .stream import fold, start
from .trajectory import Trajectory

MOST = 2**27  # chains times generations of one run
MOST_POINTS = 2**31  # that a chain keeps
MOST_CHOICES = 10_000  # samples that one is chosen among
PLACES = {"size", "real"}  # columns of a pool that are places in its sizes
STATIC = {
    "dimension",
    "unbiased",
    "redrawn",
    "held_out",
    "compared",
    "iterations",
    "vocabulary",
    "length",
}  # they fix shapes or choose a formula
ARRAYS: dict[type, set[str]] = {
    Categorical: {"p", "counts"},
    GaussianMixture: {"weights", "means", "covariances"},
    LogisticRegression: {"coefficients"},
    Bigram: {"context", "token", "count"},
    Schedule: {"size", "source", "weight", "train"},
    Verifier: {"right"},
    Curation: {"reward"},
}  # all other parameters of a chain are numbers
WHOLE = {"context", "token", "count"}  # arrays of whole numbers
NOTHING: subsample.Ahead = ({}, {})  # drawn ahead


def chains(f: Family, w: AnyWorkflow, generations: int, chains: int, key: jax.Array) -> Trajectory:
    """Independent recursions of the family ``f`` under the workflow ``w``, by exact laws of sufficient statistics.

    ``generations`` >= 1 and ``chains`` >= 1 are numbers; ``key`` is one JAX key. Chain c at generation m is a function
    of the key, c, m and the settings alone: more chains, or more generations, leave the others as they are. Numbers
    have JAX's current precision; the flags of JAX are not touched. The time goes with the number of families,
    workflows and shapes seen (a compilation each); sizes and parameters may change freely, up to powers of two. They are
    numbers: under ``jit`` or ``vmap`` only the key may be traced.

    A corpus (`Categorical.from_counts`) is generation 1 itself. Its truth is unknown: ``error`` is then the squared
    distance from the corpus plus v/N, which estimates the distance from the truth without bias.

    Raises `InputError` for what no chain can follow, naming argument, value and remedy.

    >>> import jax
    >>> from modelcollapse import theory
    >>> f, w = theory.Categorical([0.5, 0.5]), theory.Replace(synthetic=1)
    >>> t = chains(f, w, generations=3, chains=2, key=jax.random.key(0))
    >>> t.diversity.tolist()  # one sample has no diversity
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    check_run(f, w, generations, chains, key)
    _check_room(f, w, generations, chains)
    return _trajectory(f, w, pool(f, w, generations), chains, key)


def point_chains(f: Family, w: AnyWorkflow, generations: int, chains: int, key: jax.Array) -> Trajectory:
    """The same law as `chains`, from points that are all drawn, kept and fitted: slow, for checking `chains`.

    >>> import jax
    >>> from modelcollapse import theory
    >>> f, w = theory.Gaussian(), theory.Replace(10)
    >>> one, other = (run(f, w, 2, 500, jax.random.key(0)) for run in (chains, point_chains))
    >>> bool(abs(one.diversity.mean() - other.diversity.mean()) < 0.1)
    True
    """
    check_run(f, w, generations, chains, key)
    _check_room(f, w, generations, chains)
    if isinstance(f, Categorical) and f.counts is not None:
        raise arg.refuse("point_chains", "f", "from_counts", "draws its real points: use Categorical(f.p)")
    if isinstance(f, LinearRegression) and not f.redrawn:
        raise arg.refuse("point_chains", "f", f, "covariates that are drawn with each point: use redrawn=True")
    if isinstance(f, LinearRegression) and least_norm.thin(f, w):
        raise arg.refuse(
            "point_chains", "w", w, "fits to more points than covariates; `chains` draws the points of others"
        )
    if isinstance(f, Zipf | Bigram):
        raise arg.refuse("point_chains", "f", f, "a family that `chains` runs otherwise; this one is its points")
    if isinstance(f, KernelDensity) and isinstance(w, AccumulateSubsample):
        raise arg.refuse("point_chains", "w", w, "whole sets of a kernel density; `chains` runs this one on points")
    return _trajectory(f, w, point_pool(f, w, generations), chains, key)


def _trajectory(f: Family, w: AnyWorkflow, p: Pool, chains: int, key: jax.Array) -> Trajectory:
    fixed, free = divided(f)
    own = drawn_ahead(typed(key), p.rows, ahead=p.ahead, chains=int(chains))
    own = arrange(own, p.rows, p.room, arranged=p.arranged)
    seen = run_chains(typed(key), free, p.room, p.sizes, p.rows, steps=p.steps, own=own, kind=type(f), fixed=fixed,
                      memory=p.memory, step=p.step, most=p.most, chains=int(chains))  # fmt: skip
    seen["error"] = seen["error"] + unseen(f)
    return Trajectory(f, w, **seen)


def divided(f: Family) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any]]:
    """What a program is compiled for of a family, and what it reads."""
    settings = {field.name: getattr(f, field.name) for field in fields(f)}
    fixed = tuple((name, settings[name]) for name in settings if name in STATIC)
    free = {
        name: None if value is None else np.asarray(value, np.int32 if name in WHOLE else float)
        for name, value in settings.items()
        if name not in STATIC
    }
    return fixed, free


def unseen(f: Family) -> float:
    """What the squared distance from a corpus lacks, to be without bias that from its truth: v/N; of no corpus nothing."""
    return float(f.v) / float(f.counts.sum()) if isinstance(f, Categorical) and f.counts is not None else 0.0


@partial(jax.jit, static_argnames=("kind", "fixed", "memory", "step", "most", "chains"))
def run_chains(
    key: jax.Array,
    free: dict[str, Any],
    room: Any,
    sizes: kernel.Size,
    rows: dict[str, Any],
    start_at: Any = 0,
    steps: tuple[Any, ...] = (),
    own: subsample.Ahead = NOTHING,
    *,
    kind: Callable[..., Family],
    fixed: tuple[tuple[str, Any], ...],
    memory: Memory,
    step: Step,
    most: int,
    chains: int,
) -> dict[str, jax.Array]:
    """The loop over generations, for all chains: observables (chain, generation).

    The family is ``kind(**free, **dict(fixed))``; ``memory`` and ``step`` are those of a workflow's pool, ``room``, ``sizes``
    and ``rows`` its tables, ``steps`` what samples pass through, and ``own`` what is `drawn_ahead`; the first chain has the
    number ``start_at``. Works under vmap.
    """
    f = kind(**free, **dict(fixed))
    begin = memories(f, memory, room, chains)
    return loop(f, key, begin, sizes, rows, start_at, chains, steps=steps, own=own, step=step, most=most)[0]


def memories(f: Family, memory: Memory, room: Any, chains: int) -> Any:
    """The memories of chains at generation 0, with a leading axis."""
    return kernel.repeat(memory(f, room), chains)


def loop(
    f: Family, key: jax.Array, begin: Any, sizes: kernel.Size, rows: dict[str, Any], start_at: Any, chains: int, *,
    steps: tuple[Any, ...], own: subsample.Ahead, step: Step, most: int,
) -> tuple[dict[str, jax.Array], Any]:  # fmt: skip
    """As `run_chains`, from the `memories` ``begin``; also the memories at the end."""
    numbers = _numbers(rows)
    each, alike = own
    rows = rows | alike

    def chain(index: jax.Array, begin: Any, each: Any) -> tuple[dict[str, jax.Array], Any]:
        def generation(carry: Any, row: Any) -> tuple[Any, dict[str, jax.Array]]:
            (state, first), (number, stream, row) = carry, row
            row = {name: kernel.take(sizes, value) if name in PLACES else value for name, value in row.items()}
            if steps:
                row["steps"] = steps
            state = step(stream, f, state, row, most)
            if first is not None:
                first = jnp.where(number == 1, state[0], first)
            return (state, first), observe(f, state[0], first)

        truth = kernel.truth(f)
        first = truth if isinstance(f, Categorical) else None
        # keys are made before the loop: in it the compiler would make them again for each reader
        every = jax.vmap(partial(fold, start(key, index)))(numbers)
        end, seen = lax.scan(generation, ((truth, begin), first), (numbers, every, rows | each))
        return seen, end[0][1]

    return jax.vmap(chain)(jnp.arange(chains, dtype=jnp.uint32) + jnp.asarray(start_at, jnp.uint32), begin, each)


def _numbers(rows: dict[str, Any]) -> jax.Array:
    """The numbers of the generations, from 1 on."""
    return jnp.arange(1, jax.tree.leaves(rows)[0].shape[0] + 1, dtype=jnp.uint32)


@partial(jax.jit, static_argnames=("ahead", "chains"))
def drawn_ahead(key: jax.Array, rows: dict[str, Any], start_at: Any = 0, *, ahead: Any, chains: int) -> subsample.Ahead:
    """What a pool draws ahead of some chains, from the number ``start_at`` on."""
    if ahead is None:
        return NOTHING
    indices = jnp.arange(chains, dtype=jnp.uint32) + jnp.asarray(start_at, jnp.uint32)
    streams = jax.vmap(lambda number: jax.vmap(lambda index: fold(start(key, index), number))(indices))(_numbers(rows))
    return ahead(streams, rows)


@partial(jax.jit, static_argnames="arranged")
def arrange(own: subsample.Ahead, rows: dict[str, Any], room: Any, *, arranged: Any) -> subsample.Ahead:
    """What chains read of what was drawn ahead."""
    return own if arranged is None else arranged(own, rows, room.shape[0])


def typed(key: jax.Array) -> jax.Array:
    """A typed key: a legacy one (two words) is wrapped as the default generator's."""
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else random.wrap_key_data(key)


def check_run(f: Any, w: Any, generations: Any, chains: Any, key: Any) -> None:
    """Refuse what cannot be run."""
    family.known("chains", f)
    workflow.known("chains", w)
    check_counts("chains", generations, chains)
    if int(generations) * int(chains) > MOST:
        name, value = ("chains", chains) if chains >= generations else ("generations", generations)
        raise arg.refuse("chains", name, value, f"{generations:,} generations of {chains:,} chains are more than {MOST:,} "
                         "numbers for each observable: run fewer at a time")  # fmt: skip
    _check_key(key)
    check_cell(f, w, int(generations))


def check_counts(owner: str, generations: Any, chains: Any) -> None:
    """Refuse what is no number of generations or of chains, and more generations than are run."""
    for name, value in (("generations", generations), ("chains", chains)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise arg.refuse(owner, name, value, f"the number of {name}, a whole number, at least 1")
    if generations > MOST:
        raise arg.refuse(owner, "generations", generations, f"at most {MOST:,} of them: run fewer")


def check_cell(f: Any, w: Any, generations: int) -> None:
    """Refuse a family and a workflow that no chain can follow so far."""
    family.known("chains", f)
    workflow.known("chains", w)
    _check_numbers("f", f)
    if isinstance(w, Selected):
        for step in w.steps:
            _check_numbers("w", step)
        selection.check(f, w)
        _check_choices(f, w)
        w = w.workflow
    _check_numbers("w", w)
    _check_family(f, w, generations)
    _check_precision(f, w, generations)
    if (points := footprint.kept(f, w, generations)) >= MOST_POINTS:
        raise arg.refuse(type(w).__name__, "synthetic", getattr(w, "synthetic", None), f"{points:,} points are kept, whose "
                         f"places have 32 bits, at most {MOST_POINTS - 1:,}: take fewer samples or generations")  # fmt: skip


def _check_room(f: Any, w: Any, generations: int, chains: int) -> None:
    """Refuse chains that take more memory than there is."""
    needed, there = footprint.least(f, w, generations, chains), footprint.available()
    if needed > there:
        raise arg.refuse("chains", "chains", chains, f"they take at least {needed:.3g} bytes, and there are {there:.3g}: "
                         "run fewer chains or generations, of a smaller family")  # fmt: skip


def _check_numbers(argument: str, record: Any) -> None:
    """Refuse parameters that are traced, and arrays of them where chains have one."""
    for field in fields(record):
        value = getattr(record, field.name)
        each = value if isinstance(value, tuple) else (value,)
        if arg.is_traced(*each):
            raise arg.refuse("chains", argument, f"{type(record).__name__} with a traced {field.name}", "parameters are numbers "
                             "here, and only the key may be traced: call it outside jit, vmap and grad")  # fmt: skip
        if field.name not in ARRAYS.get(type(record), ()) and any(np.ndim(one) for one in each):
            raise arg.refuse(
                type(record).__name__,
                field.name,
                value,
                "one number here: run chains for each, or simulate.sweep over them",
            )


def _check_choices(f: Family, w: Selected) -> None:
    """Refuse curation of samples, each drawn so many times, that would hardly end; of laws it takes no longer."""
    drawn = math.prod(step.choices for step in w.steps if isinstance(step, Curation))
    if drawn > MOST_CHOICES and not isinstance(f, Categorical):
        raise arg.refuse("Curation", "choices", drawn, f"every sample of a {type(f).__name__} is chosen among as many that are "
                         f"drawn, at most {MOST_CHOICES:,}: choose among fewer (math.inf is for a Categorical)")  # fmt: skip


def _check_key(key: Any) -> None:
    if isinstance(key, int | np.integer):
        raise arg.refuse("chains", "key", key, f"a key, not a seed: pass jax.random.key({key})")
    typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    legacy = isinstance(key, jax.Array | np.ndarray) and key.dtype == np.uint32 and key.ndim == 1
    if not (legacy or (typed and key.ndim == 0)):
        raise arg.refuse("chains", "key", key, "one JAX key: pass jax.random.key(0)")


def _check_regression(f: LinearRegression, w: Workflow) -> None:
    """Every fit needs as many rows as theory asks for: with fewer, chains would hardly ever have a finite error."""
    train = w.train if isinstance(w, AccumulateSubsample | Schedule) else None
    enough = (least_norm.FEW, least_norm.NOT_AT_THE_PEAK) if least_norm.thin(f, w) else (regression.ENOUGH,)
    assumptions = enough if f.redrawn else (regression.ONE_DESIGN, *enough)
    for each in assumptions:
        if not each.holds(f, w):
            raise arg.refuse("chains", "w", w, f"{each.text}: {each.remedy}")
    if train is not None and float(np.min(np.asarray(train, float))) < f.dimension + 2:
        raise arg.refuse(
            type(w).__name__, "train", train, f"rows of every fit, at least dimension + 2 = {f.dimension + 2}"
        )
    if train is not None and w.replacement:  # type: ignore[union-attr]
        raise arg.refuse(type(w).__name__, "replacement", True, "rows of a regression that differ: use replacement=False, since "
                         "repeated ones may be fewer than the dimension")  # fmt: skip


def _check_density(f: KernelDensity, w: Workflow, generations: int) -> None:
    if isinstance(f.bandwidth, tuple) and len(f.bandwidth) < generations:
        raise arg.refuse("KernelDensity", "bandwidth", f.bandwidth, f"bandwidths of {len(f.bandwidth)} models: give one for each "
                         f"of {generations} generations, or one number for all")  # fmt: skip
    if isinstance(w, Schedule) and w.train is not None:
        raise arg.refuse("chains", "w", w, "a kernel density on a subsample of a Schedule is not simulated: use "
                         "AccumulateSubsample, or train=None")  # fmt: skip


def _check_family(f: Family, w: Workflow, generations: int) -> None:
    if isinstance(f, LinearRegression):
        _check_regression(f, w)
    if isinstance(f, KernelDensity):
        _check_density(f, w, generations)
    if isinstance(f, Zipf | Bigram):
        next_token.check(f, w, generations)
    if isinstance(f, Gaussian) and f.unbiased:
        if isinstance(w, Replace):
            sizes = (w.real, *(w.synthetic if isinstance(w.synthetic, tuple) else [w.synthetic]))
            if min(sizes) < 2:
                raise arg.refuse("Replace", "synthetic", min(sizes), "the unbiased variance needs at least 2 samples")
        elif not unbiased.TWO_POINTS.holds(f, w):
            raise arg.refuse("chains", "w", w, f"{unbiased.TWO_POINTS.text}: {unbiased.TWO_POINTS.remedy}")
    if isinstance(f, Categorical) and f.counts is not None:
        items = int(f.counts.sum())
        if isinstance(w, FreshReal | SlidingWindow | RandomPast | Schedule):
            raise arg.refuse("chains", "f", "from_counts", f"{type(w).__name__} draws real sets, and a corpus is one: "
                             "use Categorical(f.p), which takes it as the truth")  # fmt: skip
        if int(w.real) != items:
            raise arg.refuse(type(w).__name__, "real", w.real, f"the corpus is the real set: real={items}, or use "
                             "Categorical(f.p), which takes it as the truth")  # fmt: skip


def _check_precision(f: Family, w: Workflow, generations: int) -> None:
    """Counts beyond the whole numbers of the float type would be rounded."""
    match f:
        case (
            Gaussian()
            | Gamma()
            | LinearRegression()
            | KernelDensity()
            | GaussianMixture()
            | LogisticRegression()
            | Zipf()
            | Bigram()
        ):
            return
        case Categorical() | Binomial():
            largest = float(f.trials if isinstance(f, Binomial) else 1)
        case Poisson() | NegativeBinomial():
            largest = max(float(f.mean), 1.0)
    match w:
        case Schedule():
            name, samples = "size", max(float(size) for size in w.size)
        case Replace():
            name, samples = "synthetic", max(float(size) for size in w.sizes(generations))
        case FixedReal() | FreshReal() | Accumulate() | SlidingWindow() | RandomPast():
            name, samples = "synthetic", max(float(w.real), float(w.synthetic))
        case AccumulateSubsample():
            name, samples = "synthetic", float(w.real) + float(w.synthetic) * (generations - 1)
    limit = 2.0 ** (np.finfo(jnp.result_type(float)).nmant + 1)
    if largest * samples > limit:
        remedy = f"counts above {limit:.0f} are rounded in this precision: jax.config.update('jax_enable_x64', True)"
        raise arg.refuse(type(w).__name__, name, getattr(w, name), remedy)
