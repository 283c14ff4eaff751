"""Pictures: gain by generation, simulated points on the curves, safe share by tolerance, tokens alive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from modelcollapse import theory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .plan import Plan

# one colour and one marker for each workflow, in every picture (readable without colour too)
LOOKS = {
    "replace": ("#c1272d", "o"),
    "accumulatesubsample": ("#8a5a00", "D"),
    "accumulate": ("#1f4e9c", "s"),
    "fixedreal": ("#5b2a86", "^"),
    "freshreal": ("#00796b", "v"),
}
STYLE: dict[Any, Any] = {"figure.figsize": (7.5, 4.8), "figure.dpi": 130, "font.size": 10, "axes.spines.top": False,
         "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "legend.frameon": False}  # fmt: skip


def draw_plan(made: Plan, where: Path) -> list[Path]:
    """The pictures of a plan: gain.png, safe.png, tokens.png."""
    with plt.rc_context(STYLE):
        return [_gain(made, where), _safe(made, where), _tokens(made, where)]


def _save(axes: Axes, path: Path) -> Path:
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.tight_layout()
    part = path.with_name(f"{path.name}.part")
    figure.savefig(part, format="png", metadata={"Software": None})
    part.replace(path)
    plt.close(figure)
    return path


def _named(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(title, loc="left", fontsize=11)


def _source(made: Plan) -> str:
    name = made.source.get("name", "Zipf tokens")
    return f"{Path(str(name)).name}: {made.real:,} real, {made.synthetic:,} synthetic samples per generation"


def _gain(made: Plan, where: Path) -> Path:
    axes = plt.figure().add_subplot()
    for row in made.rows:
        colour, marker = LOOKS[row.name]
        axes.plot(made.generations, row.gain, color=colour, marker=marker, markersize=4, label=row.name)
        if np.isfinite(row.limit) and row.name != "replace":
            axes.axhline(row.limit, color=colour, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_ylim(top=max(max(row.gain) for row in made.rows) * 1.3)
    ticks = [
        each
        for each in (0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100)
        if axes.get_ylim()[0] <= each <= axes.get_ylim()[1]
    ]
    axes.set_yticks(ticks, [f"{each:g}" for each in ticks])
    axes.minorticks_off()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", title="dotted: limit")
    _named(axes, "Error by generation\n" + _source(made), "generation (1: the first model)",
           "gain: error / error of real data alone")  # fmt: skip
    return _save(axes, where / "gain.png")


def _safe(made: Plan, where: Path) -> Path:
    axes = plt.figure().add_subplot()
    tolerances = np.linspace(0.01, 0.6, 60)
    for row in made.rows:
        if row.name == "accumulate":
            continue
        colour, _ = LOOKS[row.name]
        shares = [theory.max_synthetic(made.family, row.workflow, float(each)).fraction for each in tolerances]
        dashed = row.name == "accumulatesubsample"  # may lie on the line of replace
        axes.plot(100 * tolerances, 100 * np.array(shares), color=colour, linewidth=2, linestyle=":" if dashed else "-",
                  label=row.name + ("" if any(shares) else ": none"))  # fmt: skip
    least = [
        theory.max_synthetic(made.family, theory.Accumulate(made.real, 1), float(each)).at_least
        for each in tolerances[::3]
    ]
    needed = [100 * each / (made.real + each) for each in least]
    colour, _ = LOOKS["accumulate"]
    axes.plot(
        100 * tolerances[::3], needed, color=colour, linestyle="--", label="accumulate: at least this much per batch"
    )
    axes.axvline(100 * made.tolerance, color="0.4", linewidth=0.8)
    axes.annotate(f"tolerance {made.tolerance:.0%}", (100 * made.tolerance, 3), xytext=(4, 0), textcoords="offset points",
                  color="0.3", fontsize=9)  # fmt: skip
    axes.set(xlim=(0, 60), ylim=(-2, 104))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.05))
    _named(axes, f"Safe share of synthetic data in the long run\n{made.real:,} real samples",
           "tolerance: error above real data alone [%]", "synthetic share of a generation's data [%]")  # fmt: skip
    return _save(axes, where / "safe.png")


def _tokens(made: Plan, where: Path) -> Path:
    axes = plt.figure().add_subplot()
    for place, row in enumerate(made.rows):
        colour, marker = LOOKS[row.name]
        sign = " (at least)" if row.survivors_are == "at least" else ""
        wide = row.name == "fixedreal"  # accumulate knows the same tokens: its markers lie inside these
        axes.plot(made.generations, row.survivors, color=colour, marker=marker, markersize=8 if wide else 4,
                  linewidth=4 if wide else 1.5, alpha=0.45 if wide else 1, label=row.name + sign, zorder=3 + place)  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="lower left")
    _named(axes, "Different tokens still known\n" + _source(made), "generation (1: the first model)", "tokens alive")
    return _save(axes, where / "tokens.png")


def draw_chains(
    where: Path, *, chains: int = 4096, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Simulated chains over the curves: chains.png (gain) and alive.png (tokens), 20 real and synthetic samples."""
    import jax

    from modelcollapse import simulate

    size, generations = 20, 16
    family = theory.Categorical([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    workflows: list[Any] = [
        theory.Replace(synthetic=size),
        theory.AccumulateSubsample(size, size, train=size),
        theory.Accumulate(size, size),
        theory.FixedReal(size, size),
        theory.FreshReal(size, size),
    ]
    with plt.rc_context(STYLE):
        gain, alive = (plt.figure().add_subplot() for _ in range(2))
        for place, workflow in enumerate(workflows):
            name = type(workflow).__name__.lower()
            colour, marker = LOOKS[name]
            key = jax.random.fold_in(jax.random.key(seed), 1000 + place)
            t = simulate.chains(family, workflow, generations, chains, key)
            unit = family.v / size
            for axes, curve, seen in (
                (gain, theory.gain(family, workflow, t.generation), np.asarray(t.error) / unit),
                (alive, theory.survivors(family, workflow, t.generation), np.asarray(t.alive)),
            ):
                axes.plot(t.generation, curve, color=colour, label=name, linestyle=("-", "--")[name == "accumulate"])
                bars = 3 * seen.std(axis=0, ddof=1) / np.sqrt(chains)
                axes.errorbar(
                    t.generation, seen.mean(axis=0), yerr=bars, fmt=marker, color=colour, markersize=3.5, capsize=2
                )
            if progress is not None:
                progress(place + 1, len(workflows))
        setting = f"{size} real, {size} synthetic samples, 6 tokens"
        title = f"lines: theory; points: {chains:,} chains, bars 3 standard errors\n{setting}"
        _named(gain, title, "generation (1: the first model)", "gain: error / error of real data alone")
        gain.legend(loc="upper left")
        _named(alive, title, "generation (1: the first model)", "tokens alive")
        alive.legend(loc="lower left")
        return [_save(gain, where / "chains.png"), _save(alive, where / "alive.png")]
