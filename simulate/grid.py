r"""Grids: what a sweep is asked for, cell by cell, and the names and keys of its cells."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import jax
import numpy as np

from modelcollapse.theory import arguments as arg
from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import AnyWorkflow

from . import store
from .chains import check_cell, check_counts

FORMAT = 1  # of what is kept: another number cannot be read
MOST_CELLS = 10**6  # of a grid
MOST_CHAINS = 2**32  # chains have numbers of 32 bits
OWN = ("generation", "quantile", "cell", "outside", "compared", "finished")  # names that every result has


@dataclass(frozen=True)
class Cell:
    """One point of a grid: its labels, by axis, the family, the workflow and the seed."""

    labels: dict[str, Any]
    f: Family
    w: AnyWorkflow
    seed: int


@dataclass(frozen=True)
class Grid:
    """Everything that decides the numbers of a sweep: axes and their labels, cells, generations, chains, seed, precision."""

    axes: dict[str, tuple[Any, ...]]
    cells: tuple[Cell, ...]
    generations: int
    chains: int
    seed: int
    double: bool

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "format": FORMAT, "axes": {name: list(labels) for name, labels in self.axes.items()},
            "cells": store.digest({str(at): settings(cell) for at, cell in enumerate(self.cells)}),
            "generations": self.generations, "chains": self.chains, "seed": self.seed, "double": self.double,
        }  # fmt: skip


def checked(axes: Mapping[str, Sequence[Any]], cell: Callable[..., tuple[Family, AnyWorkflow]], *, generations: Any, chains: Any,
            seed: Any, double: bool) -> Grid:  # fmt: skip
    """The grid of these axes, or a refusal of what cannot be run."""
    check_counts("sweep", generations, chains)
    if not 2 <= chains <= MOST_CHAINS:
        raise arg.refuse("sweep", "chains", chains, "at least 2 chains, to see their spread" if chains < 2 else
                         f"at most {MOST_CHAINS:,}, the numbers that chains have: for more give an axis seed")  # fmt: skip
    _check_seed(seed)
    labels = _labels(axes)
    if not callable(cell):
        raise arg.refuse(
            "sweep", "cell", cell, "a function of the labels of a cell that gives its family and its workflow"
        )
    cells = []
    for each in itertools.product(*labels.values()):
        named = dict(zip(labels, each, strict=True))
        f, w = _asked(cell, named, int(generations), double)
        cells.append(Cell(named, f, w, int(named.get("seed", seed))))
    plain = {name: tuple(one.item() if hasattr(one, "item") else one for one in each) for name, each in labels.items()}
    return Grid(plain, tuple(cells), int(generations), int(chains), int(seed), bool(double))


def _labels(axes: Any) -> dict[str, tuple[Any, ...]]:
    """The labels of each axis, or a refusal of what is none, and of more cells than are run."""
    if not isinstance(axes, Mapping):
        raise arg.refuse("sweep", "axes", axes, 'lists of labels by the names of the axes: {"samples": [10, 100]}')
    for name, labels in axes.items():
        if not isinstance(name, str) or name in OWN:
            remedy = "another name: every result has this one" if isinstance(name, str) else "names of axes are text"
            raise arg.refuse("sweep", "axes", name, remedy)
        listed = isinstance(labels, Sequence) and not isinstance(labels, str) or getattr(labels, "ndim", 0) == 1
        if not listed or not len(labels):
            raise arg.refuse("sweep", name, labels, "labels of the axis, a list of at least one")
    sizes = {name: len(labels) for name, labels in axes.items()}
    if (count := math.prod(sizes.values())) > MOST_CELLS:
        raise arg.refuse(
            "sweep", "axes", sizes, f"{count:,} cells are more than {MOST_CELLS:,}: make several sweeps of them"
        )
    every = {name: tuple(np.asarray(labels) if hasattr(labels, "ndim") else labels) for name, labels in axes.items()}
    for name, labels in every.items():
        for label in labels:
            if not isinstance(label, str | int | float | np.number | np.bool):
                raise arg.refuse("sweep", name, label, "labels are numbers or text; make other things of them in cell")
            if name == "seed":
                _check_seed(label)
        if len(set(labels)) < len(labels):
            raise arg.refuse("sweep", name, list(labels), "each label once")
        if len({isinstance(label, str) for label in labels}) > 1:
            raise arg.refuse("sweep", name, list(labels), "labels of one kind, all numbers or all text")
    return every


def _check_seed(seed: Any) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise arg.refuse("sweep", "seed", seed, "a whole number from 0 to 2^63 - 1")


def _asked(
    cell: Callable[..., Any], labels: dict[str, Any], generations: int, double: bool
) -> tuple[Family, AnyWorkflow]:
    """The family and the workflow of a cell, or a refusal that names its labels."""
    asked = {name: label for name, label in labels.items() if name != "seed"}
    where = title(labels)
    try:
        inspect.signature(cell).bind(**asked)
    except TypeError as problem:
        raise arg.refuse(
            "sweep", "cell", cell, f"a function that takes the axes {', '.join(asked)} ({problem})"
        ) from None
    except ValueError:  # a function that does not say what it takes
        pass
    try:
        found = cell(**asked)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise arg.refuse("sweep", "cell", found, "what cell gives is a pair, (family, workflow)")
        f, w = found
        with jax.enable_x64(double):
            check_cell(f, w, generations)
    except arg.InputError as problem:
        named = f"; in the cell {where}" if where else ""
        raise arg.InputError(f"{problem}{named}", f"{problem.remedy}{named}") from None
    return f, w


def key(cell: Cell) -> jax.Array:
    """The key of a cell: it does not change when a grid grows around it."""
    number = int(store.digest({"cell": settings(cell)})[:8], 16)
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(cell.seed % 2**32), cell.seed >> 32), number)


def settings(cell: Cell) -> dict[str, Any]:
    """Family and workflow of a cell as plain data."""

    def plain(value: Any) -> Any:
        if is_dataclass(value):
            values = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
            return {"type": type(value).__name__} | values
        if isinstance(value, tuple) and any(map(is_dataclass, value)):  # steps of a selection
            return [plain(each) for each in value]
        return value if isinstance(value, bool) or value is None else np.asarray(value, float).tolist()

    return {"f": plain(cell.f), "w": plain(cell.w)}


def title(labels: Mapping[str, Any]) -> str:
    """The labels of a cell as people read them."""
    return ", ".join(f"{name} {label}" for name, label in labels.items())
