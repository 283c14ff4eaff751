r"""Grids: what a sweep is asked for, cell by cell, and the names and keys of its cells."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import jax
import numpy as np

from modelcollapse.theory import arguments as arg
from modelcollapse.theory.family import Family
from modelcollapse.theory.workflow import AnyWorkflow

from . import store
from .chains import check_run

FORMAT = 1  # of what is kept: another number cannot be read
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
    for name, labels in axes.items():
        if isinstance(labels, str) or not len(labels):
            raise arg.refuse("sweep", name, labels, "labels of the axis, at least one")
        if len(set(labels)) < len(labels):
            raise arg.refuse("sweep", name, list(labels), "each label once")
        if name in OWN:
            raise arg.refuse("sweep", "axes", name, "another name: every result has this one")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise arg.refuse("sweep", "seed", seed, "a whole number from 0 to 2^63 - 1")
    key = jax.random.key(0)
    cells = []
    for labels in itertools.product(*axes.values()):
        named = dict(zip(axes, labels, strict=True))
        f, w = cell(**{name: label for name, label in named.items() if name != "seed"})
        with jax.enable_x64(double):
            check_run(f, w, generations, 1 if isinstance(chains, int | np.integer) and chains > 0 else chains, key)
        cells.append(Cell(named, f, w, int(named.get("seed", seed))))
    if chains < 2:
        raise arg.refuse("sweep", "chains", chains, "at least 2 chains, to see their spread")
    plain = {
        name: tuple(each.item() if hasattr(each, "item") else each for each in labels) for name, labels in axes.items()
    }
    return Grid(plain, tuple(cells), int(generations), int(chains), int(seed), bool(double))


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


def title(cell: Cell) -> str:
    """The labels of a cell as people read them."""
    return ", ".join(f"{name} {label}" for name, label in cell.labels.items())
