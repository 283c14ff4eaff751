r"""Workflows: what each generation is trained on.

A workflow is a frozen record. Generation 1 is always fitted on ``real`` real samples alone; ``synthetic`` is the
number of samples drawn from the newest model for each later generation. Every workflow unrolls into a `Schedule`:
batches drawn from models, combined by weights. The algebra, the thinning of rare tokens and the simulation of
arbitrary schedules read that form.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np

from . import arguments as arg
from .selection import STEPS

ROUNDING = 1e-9  # weights written as decimals sum to one up to this


@dataclass(frozen=True, eq=False)
class Schedule:
    r"""Any workflow: batches drawn from mixtures of models, combined by weights.

    ``size`` (B,): number of samples in each batch. ``source`` (B, M+1): the mixture of models 0..M (0 is the truth)
    that a batch is drawn from, rows summing to one. ``weight`` (M, B): row m-1 combines the batch means into model m,
    rows summing to one. A batch is drawn once, just before the first generation that may use it (the one after the
    newest model in its source), and kept: to redraw, write another batch. ``train`` (M,): model m is fitted on that
    many points subsampled uniformly from its batches, whose weights must then be proportional to their sizes.
    ``train=None``: on all of them. ``replacement``: whether the subsample is drawn with replacement.
    """

    size: Any
    source: Any
    weight: Any
    train: Any = None
    replacement: bool = False

    def __post_init__(self) -> None:
        for name, dimensions in (("size", 1), ("source", 2), ("weight", 2), ("train", 1)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _table(name, getattr(self, name), dimensions))
        batches, models = len(self.size), len(self.weight)
        for name, expected in (("source", (batches, models + 1)), ("weight", (models, batches)), ("train", (models,))):
            table = getattr(self, name)
            if table is not None and table.shape != expected:
                raise arg.refuse(
                    "Schedule",
                    name,
                    f"shape {table.shape}",
                    f"with size of {batches} batches and weight for {models} generations, {name} has shape {expected}",
                )
        if arg.is_traced(self.source):
            raise arg.refuse(
                "Schedule",
                "source",
                "traced",
                "which model a batch comes from is static: close over a NumPy "
                "array (sizes, weights and train may be traced)",
            )
        _check_rows("source", self.source)
        if arg.is_traced(self.size, self.weight, self.train):
            return
        if not arg.is_jax(self.size):
            for value in self.size:
                arg.size("Schedule", "size", value)
        _check_rows("weight", self.weight)
        born = self.born
        for model, row in enumerate(np.asarray(self.weight), start=1):
            for batch in np.flatnonzero(row != 0):
                if born[batch] > model:
                    raise arg.refuse(
                        "Schedule",
                        "weight",
                        f"row {model - 1}, batch {batch}",
                        f"model {model} uses a batch "
                        f"drawn from model {born[batch] - 1}: use batches of earlier models only",
                    )
        if self.train is not None:
            self._check_train()

    def _check_train(self) -> None:
        for model, (count, row) in enumerate(
            zip(np.asarray(self.train), np.asarray(self.weight), strict=True), start=1
        ):
            arg.size("Schedule", "train", float(count))
            used = row != 0
            pool = np.asarray(self.size, float)[used]
            if np.any(np.abs(np.asarray(row[used], float) - pool / pool.sum()) > ROUNDING):
                raise arg.refuse(
                    "Schedule",
                    "weight",
                    f"row {model}",
                    "with train the pool is subsampled uniformly: "
                    "weight each batch by its share of the pool, or leave train out",
                )
            if not self.replacement and count > pool.sum():
                raise arg.refuse(
                    "Schedule",
                    "train",
                    count,
                    f"model {model} has a pool of {pool.sum():g} points: "
                    "train on at most that many, or draw with replacement",
                )

    @property
    def generations(self) -> int:
        """Number of models M."""
        return len(self.weight)

    @property
    def born(self) -> np.ndarray:
        """(B,) the first generation that may use each batch: one after the newest model in its source."""
        drawn_from = np.asarray(self.source) != 0
        return drawn_from.shape[1] - np.argmax(drawn_from[:, ::-1], axis=1)

    def schedule(self, generations: int) -> Schedule:
        """The first ``generations`` generations of this schedule."""
        if generations > self.generations:
            raise arg.refuse(
                "Schedule",
                "generations",
                generations,
                f"this schedule has {self.generations}: write rows for the later ones",
            )
        if generations == self.generations:
            return self
        keep = np.flatnonzero(self.born <= generations)
        return Schedule(
            self.size[keep],
            self.source[keep][:, : generations + 1],
            self.weight[:generations][:, keep],
            None if self.train is None else self.train[:generations],
            self.replacement,
        )


@dataclass(frozen=True)
class Replace:
    """Each generation trains on ``synthetic`` samples of the one before, and on nothing else.

    ``synthetic``: sizes of the synthetic sets, one number for every generation or a tuple for generations 2, 3, ...
    ``real``: size of the first, real set; None: as (the first) ``synthetic``.
    """

    synthetic: Any
    real: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.synthetic, (tuple, list)):
            if not self.synthetic:
                raise arg.refuse("Replace", "synthetic", self.synthetic, "give at least one size")
            sizes = tuple(arg.size("Replace", "synthetic", each) for each in self.synthetic)
            object.__setattr__(self, "synthetic", sizes)
        else:
            object.__setattr__(self, "synthetic", arg.size("Replace", "synthetic", self.synthetic))
        first = self.synthetic[0] if isinstance(self.synthetic, tuple) else self.synthetic
        real = first if self.real is None else arg.size("Replace", "real", self.real)
        object.__setattr__(self, "real", real)

    def sizes(self, generations: int) -> list[Any]:
        """Size of the training set of generations 1, 2, ..., ``generations``."""
        if not isinstance(self.synthetic, tuple):
            return [self.real, *[self.synthetic] * (generations - 1)]
        if generations - 1 > len(self.synthetic):
            raise arg.refuse(
                "Replace",
                "synthetic",
                self.synthetic,
                f"sizes for {len(self.synthetic)} synthetic sets "
                f"reach generation {len(self.synthetic) + 1}: give more sizes to ask for {generations}",
            )
        return [self.real, *self.synthetic[: generations - 1]]

    def schedule(self, generations: int) -> Schedule:
        """One batch a generation, drawn from the model before."""
        eye = np.eye(generations, dtype=int)
        source = np.hstack([eye, np.zeros((generations, 1), int)])
        return Schedule(_array(self.sizes(generations)), source, eye)


@dataclass(frozen=True)
class FixedReal:
    """The same ``real`` samples in every generation, and ``synthetic`` new ones of the model before beside them."""

    real: Any
    synthetic: Any

    def __post_init__(self) -> None:
        _check_sizes(self, remedy="for no real data use Replace")

    def schedule(self, generations: int) -> Schedule:
        """Batch 0 is the real set; batch m-1 is drawn from model m-1."""
        total = self.real + self.synthetic
        source = np.hstack([np.eye(generations, dtype=int), np.zeros((generations, 1), int)])
        weight = [[1, *[0] * (generations - 1)]]
        for model in range(2, generations + 1):
            row = [0] * generations
            row[0], row[model - 1] = arg.ratio(self.real, total), arg.ratio(self.synthetic, total)
            weight.append(row)
        return Schedule(_array([self.real, *[self.synthetic] * (generations - 1)]), source, _array(weight))


@dataclass(frozen=True)
class FreshReal:
    """``real`` new real samples in every generation beside ``synthetic`` ones of the model before.

    ``weight``: weight of the mean of the real part; None: pooled, ``real / (real + synthetic)``. Generation 1 is fitted
    on the real part alone.
    """

    real: Any
    synthetic: Any
    weight: Any = None

    def __post_init__(self) -> None:
        _check_sizes(self, remedy="for no real data use Replace")
        if self.weight is not None:
            arg.probability("FreshReal", "weight", self.weight, "weight of the real part in the fit")
            if not arg.is_traced(self.weight) and np.any(np.asarray(self.weight) <= 0):
                raise arg.refuse(
                    "FreshReal", "weight", self.weight, "weight of the real part, above 0; for no real data use Replace"
                )

    def schedule(self, generations: int) -> Schedule:
        """Batches 0..M-1 are the real sets of generations 1..M; batch M+m-2 is drawn from model m-1."""
        real_weight = arg.ratio(self.real, self.real + self.synthetic) if self.weight is None else self.weight
        source = np.zeros((2 * generations - 1, generations + 1), int)
        source[:generations, 0] = 1
        weight = [[0] * (2 * generations - 1) for _ in range(generations)]
        weight[0][0] = 1
        for model in range(2, generations + 1):
            source[generations + model - 2, model - 1] = 1
            weight[model - 1][model - 1] = real_weight
            weight[model - 1][generations + model - 2] = 1 - real_weight
        # a real set is drawn for its own generation; that it exists earlier changes nothing
        sizes = [self.real] * generations + [self.synthetic] * (generations - 1)
        return Schedule(_array(sizes), source, _array(weight))


@dataclass(frozen=True)
class Accumulate:
    """All data is kept: ``real`` samples, and ``synthetic`` more of the newest model in every generation."""

    real: Any
    synthetic: Any

    def __post_init__(self) -> None:
        _check_sizes(self, remedy="for no real data use Replace")

    def schedule(self, generations: int) -> Schedule:
        """Batch 0 is the real set; batch m-1 is drawn from model m-1; every batch weighs by its size."""
        return _accumulated(self.real, self.synthetic, generations)


@dataclass(frozen=True)
class AccumulateSubsample:
    """All data is kept, and each generation trains on ``train`` points drawn uniformly from the pool.

    ``train``: at most ``real``, since the first pool holds no more; None: as ``real``. ``replacement``: whether the
    points are drawn with replacement (a bootstrap).
    """

    real: Any
    synthetic: Any
    train: Any = None
    replacement: bool = False

    def __post_init__(self) -> None:
        _check_sizes(self, remedy="for no real data use Replace")
        if not isinstance(self.replacement, bool):
            raise arg.refuse("AccumulateSubsample", "replacement", self.replacement, "True or False")
        object.__setattr__(
            self, "train", self.real if self.train is None else arg.size("AccumulateSubsample", "train", self.train)
        )
        if not arg.is_traced(self.train, self.real) and np.any(np.asarray(self.train) > np.asarray(self.real)):
            raise arg.refuse(
                "AccumulateSubsample",
                "train",
                self.train,
                f"train on at most real={arg.shown(self.real)} points, all that the first pool holds",
            )

    def schedule(self, generations: int) -> Schedule:
        """The batches of Accumulate, subsampled."""
        full = _accumulated(self.real, self.synthetic, generations)
        return Schedule(full.size, full.source, full.weight, _array([self.train] * generations), self.replacement)


@dataclass(frozen=True)
class SlidingWindow:
    """Each generation trains on ``synthetic`` samples, each of one of the last ``models`` models, which chance decides.

    The truth is model 0, until it falls out of the window: so generation 1 is fitted on real samples. Samples are drawn anew for
    every generation. One model is a `Replace`; of all models it is a `RandomPast`.
    """

    synthetic: Any
    models: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "synthetic", arg.size("SlidingWindow", "synthetic", self.synthetic))
        arg.static("SlidingWindow", models=self.models)
        models = arg.size("SlidingWindow", "models", self.models, of="models to draw from")
        object.__setattr__(self, "models", int(models))

    @property
    def real(self) -> Any:
        """Size of the first, real set."""
        return self.synthetic

    def schedule(self, generations: int) -> Schedule:
        """One batch a generation, from a mixture of the last models."""
        return _mixed(self.synthetic, generations, self.models)


@dataclass(frozen=True)
class RandomPast:
    """Each generation trains on ``synthetic`` samples, each of one of all models before, which chance decides.

    The truth is one of them, model 0: so generation 1 is fitted on real samples. Samples are drawn anew for every generation.
    """

    synthetic: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "synthetic", arg.size("RandomPast", "synthetic", self.synthetic))

    @property
    def real(self) -> Any:
        """Size of the first, real set."""
        return self.synthetic

    def schedule(self, generations: int) -> Schedule:
        """One batch a generation, from a mixture of all models so far."""
        return _mixed(self.synthetic, generations, generations)


@dataclass(frozen=True)
class Selected:
    """A workflow whose synthetic samples all pass through ``steps``, in this order, before they are trained on.

    Theory has no theorem for it; `simulate.chains` runs it.

    >>> from modelcollapse import theory
    >>> Selected(Replace(100), theory.Temperature(0.8)).steps
    (Temperature(temperature=0.8),)
    """

    workflow: Workflow
    steps: Any

    def __post_init__(self) -> None:
        check("Selected", self.workflow)
        steps = tuple(self.steps) if isinstance(self.steps, tuple | list) else (self.steps,)
        if not steps or not all(isinstance(each, STEPS) for each in steps):
            raise arg.refuse(
                "Selected", "steps", self.steps, "one or more of " + ", ".join(each.__name__ for each in STEPS)
            )
        object.__setattr__(self, "steps", steps)

    def schedule(self, generations: int) -> Schedule:
        """That of the workflow: which batches there are is not selected."""
        return self.workflow.schedule(generations)


Workflow = Replace | FixedReal | FreshReal | Accumulate | AccumulateSubsample | SlidingWindow | RandomPast | Schedule
AnyWorkflow = Workflow | Selected
WORKFLOWS = (Replace, FixedReal, FreshReal, Accumulate, AccumulateSubsample, SlidingWindow, RandomPast, Schedule)


def check(owner: str, workflow: Any) -> Workflow:
    """The workflow itself, or a refusal of anything else."""
    if not isinstance(workflow, WORKFLOWS):
        if isinstance(workflow, Selected):
            raise arg.refuse(owner, "w", workflow, "theory has no theorem for selected data: simulate.chains runs it")
        raise arg.refuse(owner, "w", workflow, "a workflow: " + ", ".join(each.__name__ for each in WORKFLOWS))
    return workflow


def known(owner: str, workflow: Any) -> AnyWorkflow:
    """Any workflow, selected or not, or a refusal of anything else."""
    return workflow if isinstance(workflow, Selected) else check(owner, workflow)


def first_size(workflow: Workflow) -> Any:
    """Number of real samples that generation 1 is fitted on: the N in the unit of gain, v(theta)/N."""
    if isinstance(workflow, Schedule):
        row = workflow.weight[0]
        return 1 / sum(arg.ratio(each * each, count) for each, count in zip(row, workflow.size, strict=True))
    return workflow.real


def whole_sets(workflow: Workflow) -> list[Any]:
    """Sizes of the smallest training sets: the real one, and of a Replace every later one."""
    if isinstance(workflow, Schedule):
        return list(workflow.size)
    later = workflow.synthetic if isinstance(workflow, Replace) else ()
    return [workflow.real, *(later if isinstance(later, tuple) else (later,))]


def _check_sizes(workflow: Any, remedy: str) -> None:
    for field in fields(workflow):
        if field.name in ("real", "synthetic"):
            checked = arg.size(
                type(workflow).__name__,
                field.name,
                getattr(workflow, field.name),
                remedy=remedy if field.name == "real" else "",
            )
            object.__setattr__(workflow, field.name, checked)


def _table(name: str, value: Any, dimensions: int) -> Any:
    """An array of finite numbers: JAX arrays stay what they are, whole numbers and fractions stay exact (objects)."""
    if isinstance(value, (list, tuple)) and not arg.is_jax(value):
        value = _array(value)
    table = value if arg.is_jax(value) else np.asarray(value)
    if table.ndim != dimensions or 0 in table.shape:
        raise arg.refuse(
            "Schedule", name, f"shape {table.shape}", f"{name} has {dimensions} dimension(s), none of length 0"
        )
    if arg.is_traced(table):
        return table
    numeric = arg.numbers("Schedule", name, table, f"{name} is an array of {dimensions} dimension(s) of numbers")
    if arg.is_jax(table) or table.dtype == object:
        return table
    return table.astype(object) if table.dtype.kind in "iu" else numeric


def _check_rows(name: str, table: Any) -> None:
    sums = np.asarray(table, float)
    if name == "source" and np.any(sums < 0):
        raise arg.refuse("Schedule", name, sums.min(), "shares of a mixture are at least 0")
    off = np.flatnonzero(np.abs(sums.sum(axis=1) - 1) > ROUNDING)
    if off.size:
        raise arg.refuse(
            "Schedule",
            name,
            float(sums[off[0]].sum()),
            f"row {off[0]} sums to this: divide it by its sum, rows sum to one",
        )


def _array(values: Any) -> Any:
    """Nested numbers as an array: exact when all are whole or fractions, a JAX array when one is."""
    flat = [each for row in values for each in (row if isinstance(row, (list, tuple)) else [row])]
    if arg.is_jax(*flat):
        return arg.namespace(*flat).array(values, dtype=float)
    if all(isinstance(each, (int, Fraction)) and not isinstance(each, bool) for each in flat):
        return np.array(values, dtype=object)
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError):
        return np.array(values, dtype=object)  # refused by the caller


def _accumulated(real: Any, synthetic: Any, generations: int) -> Schedule:
    source = np.hstack([np.eye(generations, dtype=int), np.zeros((generations, 1), int)])
    weight = []
    for model in range(1, generations + 1):
        pool = real + (model - 1) * synthetic
        parts = [arg.ratio(real, pool), *[arg.ratio(synthetic, pool)] * (model - 1)]
        weight.append([*parts, *[0] * (generations - model)])
    return Schedule(_array([real, *[synthetic] * (generations - 1)]), source, _array(weight))


def _mixed(size: Any, generations: int, models: int) -> Schedule:
    """A batch for each generation, from a uniform mixture of as many of the last models as there are, at most ``models``."""
    source = np.zeros((generations, generations + 1), object)
    for model in range(1, generations + 1):
        used = min(models, model)
        source[model - 1, model - used : model] = Fraction(1, used)
    return Schedule(_array([size] * generations), source, np.eye(generations, dtype=int))
