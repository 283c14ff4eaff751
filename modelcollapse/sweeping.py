"""`sweep`: options into a grid, a finished grid into plain data."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import ascii_letters
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse import theory

from .plan import finite
from .terminal import number, refused, whole
from .train import beside

if TYPE_CHECKING:
    import xarray

    from .division import Jobs

FAMILIES = {
    "gaussian": ("dimension",),
    "categorical": ("vocabulary", "zipf"),
    "poisson": ("mean",),
    "gamma": ("shape", "mean"),
    "binomial": ("trials", "probability"),
    "negativebinomial": ("size", "mean"),
    "regression": ("dimension", "noise"),
    "density": ("bandwidth", "dimension"),
    "zipf": ("exponent",),
    "mixture": ("components", "separation"),
    "logistic": ("dimension", "signal", "penalty"),
    "bigram": ("length",),
}
DEFAULTS = {
    "dimension": "1", "vocabulary": "50", "zipf": "0", "mean": "1", "shape": "1", "trials": "10", "probability": "0.5",
    "size": "1", "noise": "1", "bandwidth": "0.5", "exponent": "1.5", "components": "2",
    "separation": "4", "signal": "1", "penalty": "0", "length": "64",
}  # fmt: skip
WHOLE = ("dimension", "vocabulary", "trials", "components", "length")
ARRAYS, LARGEST = (
    ("dimension", "vocabulary", "components"),
    10_000_000,
)  # what arrays are as long as, and how long at most
STEPS = ("temperature", "top_p")  # of which lists are axes
SELECTED = {
    "temperature": ("gaussian", "categorical", "zipf", "mixture", "logistic", "bigram"),
    "top_p": ("categorical", "zipf", "bigram"),
    "verifier": ("logistic", "bigram"),
    "curation": ("categorical", "zipf", "mixture", "logistic", "bigram"),
}  # which families each step of a selection is for
WORKFLOWS: dict[str, Callable[[int, int], theory.Workflow]] = {
    "replace": lambda n, beside: theory.Replace(n),
    "accumulate": lambda n, beside: theory.Accumulate(n, n),
    "subsample": lambda n, beside: theory.AccumulateSubsample(n, n),
    "bootstrap": lambda n, beside: theory.AccumulateSubsample(n, n, replacement=True),
    "fixed": theory.FixedReal,
    "fresh": theory.FreshReal,
    "window": theory.SlidingWindow,
    "past": lambda n, beside: theory.RandomPast(n),
}
MODELS = "3"  # of a window
SHOWN = (
    "error",
    "diversity",
    "alive",
    "missing",
    "loss",
    "squared_difference",
    "log_variance",
    "log_mean",
    "second_moment",
)
NAMES = "replace, accumulate, subsample, bootstrap, fixed[:SHARE], fresh[:SHARE], window[:MODELS] or past"


@dataclass(frozen=True)
class Selection:
    """The options of a sweep that stand between a model and its data, as they were typed."""

    temperature: str | None = None
    top_p: str | None = None
    verifier: str | None = None
    curation: str | None = None


def axes(
    family: str, given: dict[str, str | None], samples: str, workflows: str, seeds: int, seed: int, corpus: str | None = None,
    selection: Selection = Selection(),
) -> tuple[dict[str, Any], Any]:  # fmt: skip
    """The axes of a grid, and what makes a cell of its labels."""
    own = _own(family, given, corpus)
    for name, families in SELECTED.items():
        if (text := getattr(selection, name)) is not None and family not in families:
            raise refused(name.replace("_", "-"), text, f"is for --family {_either(families)}, not {family}")
    found: dict[str, Any] = {}
    for name in own:
        found[name] = _labels(name, given.get(name))
    found["samples"] = [whole("samples", each) for each in _parts("samples", samples)]
    found["workflow"] = _parts("workflows", workflows)
    for name in found["workflow"]:
        _workflow(name, 1)
    for name in STEPS:
        if (text := getattr(selection, name)) is not None:
            option = name.replace("_", "-")
            found[name] = [number(option, each) for each in _parts(option, text)]
    verifier, curation = _verifier(selection.verifier), _curation(selection.curation)
    for name, labels in found.items():
        if len(set(labels)) < len(labels):
            option = "workflows" if name == "workflow" else name.replace("_", "-")
            raise refused(option, ",".join(map(str, labels)), "name each once")
    if seeds > 1:
        found["seed"] = range(seed, seed + seeds)

    @cache
    def made(**labels: Any) -> theory.Family:
        return _family(family, labels, corpus or "builtin:pydoc")

    def cell(**labels: Any) -> tuple[theory.Family, theory.Workflow | theory.Selected]:
        f, w = made(**{name: labels[name] for name in own}), _workflow(labels["workflow"], labels["samples"])
        steps: list[Any] = []
        if labels.get("temperature", 1.0) != 1:
            steps.append(theory.Temperature(labels["temperature"]))
        if labels.get("top_p", 1.0) != 1:
            steps.append(theory.TopP(labels["top_p"]))
        if verifier is not None:
            steps.append(theory.Verifier(*verifier))
        if curation is not None:
            steps.append(theory.Curation(_reward(f, curation[1]), curation[0]))
        return f, theory.Selected(w, tuple(steps)) if steps else w

    return found, cell


def _own(family: str, given: dict[str, str | None], corpus: str | None) -> tuple[str, ...]:
    """The parameters that a family has; a refusal of any other that is given."""
    if family not in FAMILIES:
        raise refused("family", family, f"name {', '.join(FAMILIES)}")
    own = FAMILIES[family]
    for name, value in given.items():
        if value is not None and name not in own:
            raise refused(name, value, f"the {family} family has {' and '.join('--' + each for each in own)}")
    if corpus is not None and family != "bigram":
        raise refused("corpus", corpus, f"the {family} family has no text; the bigram family has")
    if corpus == "":
        raise refused("corpus", corpus, "name a text, or leave it out for builtin:pydoc")
    return own


def _labels(name: str, text: str | None) -> list[Any]:
    """The values of a family's parameter."""
    texts = _parts(name, DEFAULTS[name] if text is None else text)
    found: list[Any] = [whole(name, each) if name in WHOLE else number(name, each) for each in texts]
    if name in ARRAYS and max(found) > LARGEST:
        raise refused(name, text, f"at most {LARGEST:,}")
    return found


def one_family(family: str, given: dict[str, str | None], corpus: str | None) -> theory.Family:
    """The family of options that each have one value.

    >>> one_family("binomial", {"trials": "5"}, None)
    Binomial(trials=5, p=0.5)
    """
    labels = {name: _labels(name, given.get(name)) for name in _own(family, given, corpus)}
    for name, values in labels.items():
        if len(values) > 1:
            raise refused(name, given[name], "one value here")
    return _family(family, {name: value for name, (value,) in labels.items()}, corpus or "builtin:pydoc")


def _verifier(text: str | None) -> list[float] | None:
    """The chances with which right and wrong samples are kept."""
    if text is None:
        return None
    parts = _parts("verifier", text)
    if len(parts) != 2:
        raise refused("verifier", text, "two chances, that a right and that a wrong sample is kept: 0.9,0.2")
    return [number("verifier", each) for each in parts]


def _curation(text: str | None) -> tuple[int, float] | None:
    """Among how many samples is chosen, and by which reward."""
    if text is None:
        return None
    choices, _, reward = text.partition(":")
    many, much = whole("curation", choices), number("curation", reward or "1")
    return many, much


def _reward(f: theory.Family, reward: float) -> Any:
    """The rewards of a family's samples where one feature has this one: of a text that is its most frequent token."""
    match f:
        case theory.Categorical():
            return reward * (np.arange(len(f.p)) == 0)
        case theory.GaussianMixture():
            return reward * (np.arange(f.dimension) == 0)
        case theory.Zipf():
            return [reward]
        case theory.Bigram():
            return reward * (np.arange(f.vocabulary) == np.bincount(f.token, f.count).argmax())
    return reward


def _parts(name: str, text: str) -> list[str]:
    parts = [each.strip() for each in text.split(",")]
    if not all(parts):
        raise refused(name, text, "a list with commas, without empty places")
    return parts


def _either(names: Sequence[str]) -> str:
    """Names as alternatives.

    >>> _either(["zipf", "mixture", "bigram"])
    'zipf, mixture or bigram'
    """
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _family(kind: str, labels: dict[str, Any], corpus: str) -> theory.Family:
    match kind:
        case "gaussian":
            return theory.Gaussian(labels["dimension"])
        case "categorical":
            from .plan import zipf

            return theory.Categorical(zipf(labels["vocabulary"], labels["zipf"]))
        case "poisson":
            return theory.Poisson(labels["mean"])
        case "gamma":
            return theory.Gamma(labels["shape"], labels["mean"])
        case "binomial":
            return theory.Binomial(labels["trials"], labels["probability"])
        case "regression":
            return theory.LinearRegression(labels["dimension"], labels["noise"])
        case "density":
            return theory.KernelDensity(labels["bandwidth"], labels["dimension"])
        case "zipf":
            return theory.Zipf(labels["exponent"])
        case "mixture":
            places = labels["separation"] * (np.arange(labels["components"]) - (labels["components"] - 1) / 2)
            return theory.GaussianMixture(np.full(len(places), 1 / len(places)), places[:, None])
        case "logistic":
            each = labels["signal"] / labels["dimension"] ** 0.5
            return theory.LogisticRegression(np.full(labels["dimension"], each), labels["penalty"])
        case "bigram":
            return _bigram(corpus, labels["length"])
        case _:
            return theory.NegativeBinomial(labels["size"], labels["mean"])


def _bigram(corpus: str, length: int) -> theory.Bigram:
    """The bytes of a text given the last one."""
    from modelcollapse.lm import text, tokenizer, windows

    read = text.read(corpus)
    letters = tokenizer.fit_bytes(read.documents)
    tokens = windows.cut(read.documents, letters, length).tokens
    return theory.Bigram.from_windows(tokens - 1, letters.size - 1)  # without the start token


def _workflow(name: str, samples: int) -> theory.Workflow:
    kind, _, text = name.partition(":")
    if kind not in WORKFLOWS:
        raise refused("workflows", name, f"name {NAMES}")
    if kind == "window":
        models = whole("workflows", text or MODELS)
        return WORKFLOWS[kind](samples, models)
    if text and kind not in ("fixed", "fresh"):
        raise refused("workflows", name, "only fixed and fresh have a share")
    return WORKFLOWS[kind](samples, beside(name, text or "0.5", samples))


UNITS = {
    "memory": {"": 1.0, "b": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
               "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40},
    "time": {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
}  # fmt: skip
AMOUNTS = {
    "memory": "a number of bytes above 0, alone or with B, kB, MB, GB or TB (K, M, G, T; KiB, MiB, GiB, TiB), such as 4GB",
    "time": "a number of seconds above 0, alone or with s, min (m), h or d, such as 90s",
}


def quantity(name: str, text: str | None) -> float | None:
    """A number of bytes or seconds as people write it, in capitals or not: 4e9, 4GB, 512M; 90, 90s, 15min, 2h, 1d.

    >>> quantity("memory", "100KB"), quantity("time", "1d")
    (100000.0, 86400.0)
    """
    if text is None:
        return None
    amount = text.rstrip(ascii_letters)
    scale = UNITS[name].get(text[len(amount) :].lower())
    try:
        value = float(amount) * scale if scale else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise refused(name, text, AMOUNTS[name])
    return value


def run(
    axes: dict[str, Any], cell: Callable[..., Any], generations: int, chains: int, seed: int, double: bool, out: Path | None,
    shard: tuple[int, int] | None, limits: dict[str, float | None], told: Callable[[float, float, str], None],
) -> tuple[xarray.Dataset, float, int]:  # fmt: skip
    """The grid, how many seconds it took, and how many chain-generations were run now."""
    from modelcollapse.simulate.sweep import sweep

    started, first, latest, cells = time.monotonic(), -1.0, 0.0, 1

    def moved(done: float, total: int, label: str) -> None:
        nonlocal first, latest, cells
        first = done if first < 0 else first
        latest, cells = done, total
        told(done, total, label)

    memory = limits["memory"] if limits["memory"] is not None else free_memory() / 2
    data = sweep(axes, cell, generations=generations, chains=chains, seed=seed, double=double, out=out, shard=shard,
                 memory=memory, time=limits["time"], progress=moved)  # fmt: skip
    ran = (
        max(0.0, latest - max(0.0, first - 1)) / cells * data["outside"].size
    )  # other processes run as much as this one
    return data, time.monotonic() - started, round(ran * chains * generations)


def check(
    axes: dict[str, Any], cell: Callable[..., Any], generations: int, chains: int, seed: int, double: bool, way: Jobs
) -> None:
    """Refuse what no shard could run, before jobs are submitted for it."""
    from modelcollapse.simulate import netcdf
    from modelcollapse.simulate.grid import checked

    grid = checked(axes, cell, generations=generations, chains=chains, seed=seed, double=double)
    if way.n > len(grid.cells):
        raise refused("shards", way.n, f"at most as many as cells: there are {len(grid.cells)}")
    netcdf.check(way.out)


def free_memory() -> float:
    """Bytes of memory that are not in use."""
    return float(os.sysconf("SC_AVPHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")


def as_json(data: xarray.Dataset, seconds: float, ran: int) -> dict[str, Any]:
    """A finished sweep as plain data: each cell with its last generation, and at the end how many cells are outside."""
    rows = []
    for labels, at in _each(data):
        last = at.isel(generation=-1)
        row = dict(labels) | {"outside": bool(at["outside"]), "compared": int(at["compared"])}
        for name in SHOWN:
            if f"{name}_mean" in data:
                row[name] = {
                    each: float(last[f"{name}_{each}"])
                    for each in ("mean", "standard_error", "predicted", "z") if f"{name}_{each}" in data
                }  # fmt: skip
        rows.append(row)
    cells, generations = len(rows), int(data.sizes["generation"])
    return finite({
        "rows": rows, "generations": generations, "chains": int(data.attrs["chains"]), "seed": int(data.attrs["seed"]),
        "budget": float(data.attrs["budget"]), "compared": int(data["compared"].sum()), "seconds": seconds, "cells": cells,
        "outside": int(data["outside"].sum()),
        "chain_generations_per_second": ran / seconds if ran else math.nan,
    })  # fmt: skip


def _each(data: xarray.Dataset) -> Iterator[tuple[dict[str, Any], xarray.Dataset]]:
    """Cells of a whole sweep or of a piece: their labels, and what is found."""
    import itertools

    axes = json.loads(data.attrs["grid"])["axes"]
    cells = [dict(zip(axes, labels, strict=True)) for labels in itertools.product(*axes.values())]
    if "cell" in data.dims:
        for at, number in enumerate(data["cell"].values):
            yield cells[number], data.isel(cell=at)
    else:
        for labels in cells:
            yield labels, data.sel(labels)
