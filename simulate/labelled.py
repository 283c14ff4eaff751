r"""The labelled result of a sweep: moments of cells beside what theory predicts, in rows, in pieces and as a whole.

Rows are arrays with a line for each of some cells, and ``cell``, the numbers of these cells in the grid. What a cell says does
not depend on what it is put beside: the whole is the same, however its cells were divided.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse import theory

from . import groups, store
from .agree import ROUNDINGS, threshold
from .grid import Cell, Grid, settings
from .moments import LEVELS, Moments
from .tails import judged
from .trajectory import LONG_NAMES, OBSERVABLES, UNITS

if TYPE_CHECKING:
    import xarray

Rows = Mapping[str, np.ndarray]
BUDGET = 1e-3
STATISTICS = {
    "mean": "mean over chains",
    "variance": "variance over chains",
    "standard_error": "standard error of the mean",
    "least": "least of the chains",
    "greatest": "greatest of the chains",
    "predicted": "mean that theory predicts; NaN where it does not say",
    "z": "(mean - predicted) / standard error, where the mean of so many chains can be judged; else NaN; above a lower bound 0",
}
ABOUT = {
    "outside": "whether a mean is further from theory than the budget of false alarms allows",
    "compared": "means that were compared with theory",
}
QUESTIONS: dict[str, Callable[..., Any]] = {
    "error": theory.error,
    "diversity": theory.diversity,
    "alive": theory.survivors,
    "log_variance": theory.log_variance,
    "log_mean": theory.log_mean,
    "second_moment": theory.second_moment,
}


COORDINATES: dict[str, tuple[str, str | None]] = {  # words and units; None: text
    "generation": ("generation; 1 is the first model, fitted on real data alone", "1"),
    "quantile": ("share of the chains below", "1"),
    "cell": ("number of the cell in the grid", "1"),
    "seed": ("seed of the random numbers", "1"),
    "samples": ("samples that a generation draws", "1"),
    "workflow": ("workflow: what each generation trains on", None),
    "dimension": ("number of coordinates or covariates", "1"),
    "vocabulary": ("number of tokens", "1"),
    "zipf": ("exponent of the rank in the probabilities of tokens", "1"),
    "exponent": ("exponent of the rank in the probabilities of tokens", "1"),
    "mean": ("mean of the truth", "units of a sample"),
    "shape": ("shape of the gamma law", "1"),
    "trials": ("trials of a sample", "1"),
    "probability": ("chance of a success", "1"),
    "size": ("size of the negative binomial law", "1"),
    "noise": ("variance of the noise", "squared units of a response"),
    "bandwidth": ("bandwidth of the kernel", "units of a coordinate"),
    "components": ("components of the mixture", "1"),
    "separation": ("distance of neighbouring means", "units of a coordinate"),
    "signal": ("norm of the coefficients", "1"),
    "penalty": ("weight of half the squared norm of the coefficients", "1"),
    "length": ("tokens in a window", "1"),
    "temperature": ("temperature of the sampler", "1"),
    "top_p": ("probability that nucleus sampling keeps", "1"),
}  # of axes by the names that the command line gives them; of others nobody knows
TITLE = "Chains of models trained on each other's samples: moments beside what theory predicts"
WRITTEN = 16  # numbers of a parameter that are written out
KEPT = (
    "title",
    "modelcollapse",
    "family",
    "workflow",
    "grid",
    "chains",
    "seed",
    "budget",
)  # what a whole says of itself


def predicted(cell: Cell, names: Sequence[str], generations: int) -> dict[str, np.ndarray]:
    """What theory says of the means of a cell, generation by generation; of what it says nothing there is nothing."""
    at = np.arange(1, generations + 1)
    out = {}
    for name in names:
        if name in QUESTIONS:
            try:
                out[name] = np.asarray(QUESTIONS[name](cell.f, cell.w, at), float)
            except theory.InputError:
                continue
    return out


def _bounded(cell: Cell, name: str) -> bool:
    """Whether what theory says of a mean is a lower bound, of which only what is below it counts."""
    if name != "alive" or not isinstance(cell.f, theory.Categorical):
        return False
    return theory.explain(QUESTIONS[name], cell.f, cell.w).evidence is theory.Evidence.BOUND  # type: ignore[arg-type]


def variables(grid: Grid) -> dict[str, int]:
    """What a result of this grid holds: names, each with its axes beside those of the grid (0 to 2)."""
    found: dict[str, int] = {}
    for cell in grid.cells:
        names = groups.observed(cell.f)
        said = predicted(cell, names, grid.generations)
        for name in names:
            own = [each for each in STATISTICS if name in said or each not in ("predicted", "z")]
            found |= {f"{name}_{each}": 1 for each in own} | {f"{name}_quantile": 2}
    return found | dict.fromkeys(ABOUT, 0)


def row(grid: Grid, cell: Cell, total: Moments) -> dict[str, np.ndarray]:
    """What the result holds of one cell: arrays (M,) and (M, L), and two numbers."""
    names = groups.observed(cell.f)
    budget = BUDGET / len(grid.cells)
    means = predicted(cell, names, grid.generations)
    trusted = judged(cell.f, cell.w, grid.generations, grid.chains, budget) if means else {}  # type: ignore[arg-type]
    error = np.sqrt(total.variance / total.chains)
    quantiles = total.quantiles
    out: dict[str, np.ndarray] = {}
    worst, compared = 0.0, 0
    for place, name in enumerate(names):
        for statistic, values in (("mean", total.mean), ("variance", total.variance), ("standard_error", error),
                                  ("least", total.least), ("greatest", total.greatest)):  # fmt: skip
            out[f"{name}_{statistic}"] = values[place]
        out[f"{name}_quantile"] = quantiles[:, place].T
        if name not in means:
            continue
        out[f"{name}_predicted"] = np.broadcast_to(means[name], grid.generations)
        fair = trusted.get(name, np.zeros(grid.generations, bool)) & np.isfinite(means[name])
        z = score(total.mean[place], _exact_error(cell, name, grid, error[place]), means[name], grid.double)
        if _bounded(cell, name):
            z = np.minimum(z, 0.0)
        out[f"{name}_z"] = np.where(fair, z, np.nan)
        compared += int(fair.sum())
        worst = max(worst, np.abs(z[fair]).max(initial=0.0))
    outside = compared > 0 and worst > threshold(compared, grid.chains, budget)
    return out | {"outside": np.asarray(outside, bool), "compared": np.asarray(compared, np.int64)}


def rows(grid: Grid, found: Iterable[tuple[int, Moments]]) -> Rows:
    """Rows of the cells that were found, each by its number."""
    numbers, lines = [], []
    for number, total in found:
        numbers.append(number)
        lines.append(row(grid, grid.cells[number], total))
    names = {name: value for line in lines for name, value in line.items()}
    return {"cell": np.array(numbers, np.int64)} | {
        name: np.stack([line.get(name, np.full(value.shape, np.nan)) for line in lines])
        for name, value in names.items()
    }


def piece(grid: Grid, part: Rows, attributes: dict[str, str]) -> xarray.Dataset:
    """Some cells of a grid, in a row: the axes are labels along ``cell``."""
    import xarray

    here = [grid.cells[number] for number in part["cell"]]
    labels = {name: ("cell", [cell.labels[name] for cell in here], about_axis(name)) for name in grid.axes}
    data = {name: (_dimensions(values, "cell"), values, about(name)) for name, values in part.items() if name != "cell"}
    return xarray.Dataset(
        data,
        {"cell": along("cell", part["cell"])} | labels | _along(grid.generations),
        attributes_of(grid) | attributes,
    )


def whole(attributes: Mapping[str, Any], parts: Sequence[Rows]) -> xarray.Dataset:
    """All cells of the grid of these attributes, from rows that hold each of them."""
    import xarray

    record = json.loads(attributes["grid"])
    axes = record["axes"]
    shape = tuple(len(labels) for labels in axes.values())
    tables: dict[str, np.ndarray] = {}
    for part in parts:
        for name, values in part.items():
            if name != "cell":
                if name not in tables:
                    empty = np.nan if values.dtype.kind == "f" else 0
                    tables[name] = np.full((int(np.prod(shape)), *values.shape[1:]), empty, values.dtype)
                tables[name][part["cell"]] = values
    data = {
        name: (_dimensions(values, *axes), values.reshape((*shape, *values.shape[1:])), about(name))
        for name, values in sorted(tables.items(), key=lambda each: (each[0] in ABOUT, each[0]))
    }
    coordinates = {name: along(name, labels) for name, labels in axes.items()} | _along(record["generations"])
    return xarray.Dataset(data, coordinates, attributes)


def rows_of(data: xarray.Dataset) -> Rows:
    """The rows of a piece, or of a whole."""
    if "cell" in data.dims:
        return {"cell": data["cell"].values} | {str(name): data[name].values for name in data.data_vars}
    cells = data["outside"].size
    tables = {str(name): data[name].values for name in data.data_vars}
    axes = data["outside"].ndim
    return {"cell": np.arange(cells)} | {
        name: values.reshape(cells, *values.shape[axes:]) for name, values in tables.items()
    }


def attributes_of(grid: Grid) -> dict[str, Any]:
    """What a result says of itself: all its shards and runs say the same."""
    family, workflow = _common(grid.cells)
    return {
        "title": TITLE, "modelcollapse": store.version(), "family": json.dumps(family), "workflow": json.dumps(workflow),
        "grid": json.dumps(grid.record()), "chains": grid.chains, "seed": grid.seed, "budget": BUDGET,
    }  # fmt: skip


def _common(cells: Sequence[Cell]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What all families, and all workflows, have in common: their types, and parameters that no axis changes."""
    common = settings(cells[0])
    for cell in cells[1:]:
        other = settings(cell)
        common = {
            part: {name: value for name, value in own.items() if name in other[part] and other[part][name] == value}
            for part, own in common.items()
        }
    return _short(common["f"]), _short(common["w"])


def _short(value: Any) -> Any:
    """A parameter as a reader wants it: of many numbers how many they are, and their digest."""
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    if any(isinstance(each, dict) for each in value):
        return [_short(each) for each in value]
    count = np.size(value)
    return value if count <= WRITTEN else f"{count} numbers, digest {store.digest({'': value})}"


def along(name: str, values: Any) -> tuple[str, Any, dict[str, str]]:
    """A coordinate: its axis, its labels, and what it says of itself."""
    return name, values, about_axis(name)


def about_axis(name: str) -> dict[str, str]:
    """What a coordinate says of itself: words and units, where its name tells."""
    words, units = COORDINATES.get(name, (None, None))
    return {key: value for key, value in (("long_name", words), ("units", units)) if value is not None}


def about(name: str) -> dict[str, str]:
    """What a variable says of itself: words and units."""
    if name in ABOUT:
        return {"long_name": ABOUT[name]}
    observable = max((each for each in OBSERVABLES if name.startswith(each + "_")), key=len)
    statistic = name[len(observable) + 1 :]
    unit = UNITS.get(observable, "1")
    units = {"variance": f"({unit})^2" if unit != "1" else "1", "z": "1"}.get(statistic, unit)
    words = STATISTICS.get(statistic, "quantiles over chains")
    return {"long_name": f"{LONG_NAMES[observable]}: {words}", "units": units}


def _dimensions(values: np.ndarray, *first: str) -> tuple[str, ...]:
    return (*first, *("generation", "quantile")[: values.ndim - 1])


def _along(generations: int) -> dict[str, Any]:
    return {
        "generation": along("generation", np.arange(1, generations + 1)),
        "quantile": along("quantile", list(LEVELS)),
    }


def _exact_error(cell: Cell, name: str, grid: Grid, seen: np.ndarray) -> np.ndarray:
    """The standard error of a mean over chains: where theory knows the variance of the logarithm, that; else what is seen."""
    if name != "log_variance" or not (isinstance(cell.w, theory.Replace) and isinstance(cell.f, theory.Gaussian)):
        return seen
    return np.sqrt(theory.log_variance_spread(cell.f, cell.w, np.arange(1, grid.generations + 1)) / grid.chains)


def score(mean: np.ndarray, error: np.ndarray, expected: np.ndarray, double: bool) -> np.ndarray:
    """z of each mean; 0 or infinite where no chain differs from another."""
    rounding = ROUNDINGS * np.finfo(np.float64 if double else np.float32).eps
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = mean - expected
        alike = np.abs(apart) <= rounding * np.maximum(np.abs(expected), np.abs(mean).max(initial=0.0))
        z = apart / error
    return np.where(
        (error > 0) & (error > rounding * np.abs(mean)), z, np.where(alike, 0.0, np.copysign(np.inf, apart))
    )
