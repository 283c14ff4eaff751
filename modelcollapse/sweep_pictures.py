"""The picture of a sweep: a panel for each workflow and family, in it for each size simulated points and theory's line."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .pictures import STYLE, save_figure
from .sweep_report import predicted

if TYPE_CHECKING:
    import xarray

ROWS, COLUMNS = 4, 5  # of panels, at most
POINTS = 12  # generations shown


def can_draw(data: xarray.Dataset) -> bool:
    """Whether there is a picture of it: of a whole grid over workflows and sizes."""
    return {"workflow", "samples"} <= set(data["outside"].dims) and "error_mean" in data


def draw(data: xarray.Dataset, path: Path) -> Path:
    """Error by generation: simulated means with two standard errors, and as lines what theory predicts, where it does."""
    import matplotlib.pyplot as plt

    axes: dict[str, list[Any]] = {str(name): data[name].values.tolist() for name in data["outside"].dims}
    families = [name for name in axes if name not in ("samples", "workflow", "seed")]
    settings = list(itertools.islice(itertools.product(*(axes[name] for name in families)), COLUMNS))
    workflows, samples = axes["workflow"][:ROWS], axes["samples"]
    at = data.isel(seed=0) if "seed" in axes else data
    shown = np.unique(np.geomspace(1, at.sizes["generation"], POINTS).round().astype(int))
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(samples)))
    size = (2.6 + 2.3 * len(settings), 0.9 + 2.0 * len(workflows))
    with plt.rc_context({**STYLE, "figure.figsize": size}):
        figure, panels = plt.subplots(len(workflows), len(settings), sharex=True, sharey="row", squeeze=False)
        for (row, workflow), (column, setting) in itertools.product(enumerate(workflows), enumerate(settings)):
            panel = panels[row, column]
            labels = dict(zip(families, setting, strict=True))
            for colour, size_ in zip(colours, samples, strict=True):
                cell = at.sel(workflow=workflow, samples=size_, **labels)
                if "error_predicted" in cell:
                    panel.plot(cell.generation, cell.error_predicted, color=colour, linewidth=1)
                some = cell.sel(generation=shown)
                panel.errorbar(shown, some.error_mean, 2 * some.error_standard_error, color=colour, fmt="o", markersize=2.5,
                               linewidth=0.8, label=f"{size_:,}")  # fmt: skip
            panel.set(xscale="log", yscale="log")
            if row == 0:
                panel.set_title(", ".join(f"{name} {label:g}" for name, label in labels.items()), fontsize=10)
            if column == 0:
                panel.set_ylabel(f"{workflow}\nerror")
            if row == len(workflows) - 1:
                panel.set_xlabel("generation")
        handles, names = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, title="samples", loc="center right")
        chains = int(data.attrs["chains"])
        figure.suptitle(titled(chains, "error" in predicted(data)), x=0.01, ha="left", fontsize=11)
        return save_figure(figure, path, right=1 - 0.9 / size[0])


def titled(chains: int, predicts: bool) -> str:
    """The title: of theory only where it predicts."""
    points = f"{chains:,} chains (points, ± 2 standard errors)"
    return f"{points} on what theory predicts (lines)" if predicts else points
