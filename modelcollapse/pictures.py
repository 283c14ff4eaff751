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
    from matplotlib.figure import Figure

    from modelcollapse.lm.grid import GridResult
    from modelcollapse.lm.run import Run

    from .plan import Plan
    from .questions.regimes import Diagram

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
    return save_figure(figure, path)


def save_figure(figure: Figure, path: Path, right: float = 1.0) -> Path:
    """Write a figure, whole or not at all; what lies beyond ``right`` is left free for a legend."""
    figure.tight_layout(rect=(0, 0, right, 1))
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


def draw_phases(found: Diagram, where: Path) -> Path:
    """phases.png: the share of the data that must be real, by temperature and by the reward of curation."""
    with plt.rc_context(STYLE | {"figure.figsize": (10.5, 4.8)}):
        left, right = plt.figure().subplots(1, 2, sharey=True)
        at = found.temperature
        left.fill_between(at, found.back, 1, color="#00796b", alpha=0.12, linewidth=0)
        left.fill_between(at, found.whole, found.back, color="#8a5a00", alpha=0.12, linewidth=0)
        left.fill_between(at, 0, found.whole, color="#c1272d", alpha=0.12, linewidth=0)
        left.plot(at, found.back, color="#00796b", label="least share to come back from a collapse")
        left.plot(at, found.whole, color="#c1272d", label="least share to stay whole")
        for part, dashes in ((0.1, "--"), (0.3, ":")):
            label = f"to stay whole, {part:.0%} of what passes for real is synthetic"
            left.plot(
                at, found.nominal(found.whole, part), color="#c1272d", linestyle=dashes, linewidth=1.2, label=label
            )
        for place, word in (((0.93, 0.8), "whole"), ((0.6, 0.68), "the past decides"), ((0.15, 0.3), "collapsed")):
            left.text(*place, word, ha="center", fontsize=9, color="#333333")
        _named(
            left,
            f"Sampling below temperature 1, {found.tokens:,} tokens",
            "temperature",
            "share of the data that is real",
        )
        right.plot(found.reward, found.many, color="#5b2a86", label="one of very many is kept")
        right.plot(found.reward, found.pairs, color="#1f4e9c", label="one of two is kept")
        right.fill_between(found.reward, 0, found.pairs, color="#1f4e9c", alpha=0.12, linewidth=0)
        _named(right, "Curation: a rare trait runs away below", "reward of the trait", "")
        for axes in (left, right):
            axes.axhline(
                1 - found.stream, color="#333333", linewidth=1, linestyle="-.", label="a stream that is averaged alike"
            )
            axes.set_ylim(0, 1)
            axes.margins(x=0)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8)
        return save_figure(left.figure, where / "phases.png")


def draw_run(run: Run, where: Path) -> list[Path]:
    """The picture of a training run: loss.png, measured points over predicted bands."""
    e = run.experiment
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(run.measures), sharey=True, figsize=(3.1 * len(run.measures) + 0.6, 4.4), squeeze=False
        )
        generations, ends = np.arange(1, e.generations + 1), []
        for place, (axes, (name, measured)) in enumerate(zip(panels[0], run.measures.items(), strict=True)):
            colour, marker = _look(name, place)
            mean, low, high = run.prediction.over_seeds(name)
            ends += [low, high]
            axes.fill_between(generations, low, high, color=colour, alpha=0.2, linewidth=0, label="predicted, 90 %")
            axes.plot(generations, mean, color=colour, linewidth=1, label="predicted mean")
            axes.plot(generations, run.prediction.linear[name].mean(axis=(0, 1)), color="0.5", linewidth=1, linestyle=":",
                      label="linear form")  # fmt: skip
            for row in measured["loss"]:
                axes.plot(generations, row, marker, color=colour, markersize=3, alpha=0.45, linestyle="")
            axes.plot(generations, measured["loss"].mean(axis=0), marker, color=colour, markersize=7, markerfacecolor="none",
                      linestyle="", label="measured, mean")  # fmt: skip
            axes.set_title(name, loc="left", fontsize=11)
            axes.set_xlabel("generation")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend(loc="upper left", fontsize=8)
        seen = np.concatenate([each["loss"].ravel() for each in run.measures.values()])
        low, high = min(seen.min(), np.min(ends)), max(seen.max(), np.max(ends))
        panels[0, 0].set_ylim(low - 0.08 * (high - low), high + 0.35 * (high - low))
        panels[0, 0].set_ylabel("held-out loss [nats per token]")
        title = f"{Path(e.corpus).name}: predictions frozen after generation 1 and {e.calibration} replace step(s)"
        figure.suptitle(f"{title}; small marks: single seeds", fontsize=10, x=0.01, ha="left")
        files = [_save(panels[0, 0], where / "loss.png"), _drift(run, where)]
        return files if run.grid is None else [*files, _cells(run.grid, e.length, where)]


def _drift(run: Run, where: Path) -> Path:
    axes, floor = plt.figure().add_subplot(), run.floor.l1
    generations = np.arange(2, run.experiment.generations + 1)
    for place, (name, measured) in enumerate(run.measures.items()):
        colour, marker = _look(name, place)
        drift = measured["drift"][:, 1:]
        spread = drift.std(axis=0, ddof=1) if len(drift) > 1 else None
        axes.errorbar(generations, drift.mean(axis=0), yerr=spread, color=colour, marker=marker, markersize=4,
                      capsize=2, label=name)  # fmt: skip
    again = "re-training on the same data"
    if np.isfinite(floor.spread):
        axes.axhspan(floor.mean - floor.spread, floor.mean + floor.spread, color="0.85", label=f"{again}, ± s.d.")
    else:
        axes.axhline(floor.mean, color="0.7", linestyle="--", label=f"{again}, one pair")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", fontsize=8)
    bars = "\nbars: s.d. over seeds" if len(run.experiment.seeds) > 1 else ""
    _named(axes, f"Drift of next-token distributions over {run.experiment.contexts} real contexts{bars}",
           "generation", "L1 distance from generation 1")  # fmt: skip
    return _save(axes, where / "drift.png")


def _cells(found: GridResult, length: int, where: Path) -> Path:
    axes = plt.figure().add_subplot()
    change = found.change[:, 1:]
    most = float(np.abs(change).max()) or 1.0
    image = axes.imshow(change, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    for row, column in np.ndindex(*change.shape):
        verdict = found.verdict[row, column + 1]
        sign = "+" if found.predicted[row, column + 1] > 1 else "−"
        text = f"{change[row, column]:+.3f}\ntheory {sign}, {verdict}"
        dark = abs(change[row, column]) > 0.6 * most
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(change.shape[1]), [f"{each * length:,}" for each in found.grid.synthetic[1:]])
    axes.set_yticks(range(change.shape[0]), [f"{each * length:,}" for each in found.grid.real])
    axes.grid(visible=False)
    axes.figure.colorbar(image, label="change of held-out loss [nats per token]")
    _named(
        axes,
        f"What synthetic text does to a student of real text (standard error {found.standard_error:.3f})",
        "synthetic tokens",
        "real tokens",
    )
    return _save(axes, where / "grid.png")


def _look(name: str, place: int) -> tuple[str, str]:
    """Colour and marker of a workflow by the name that `train` gives it."""
    kind = {"subsample": "accumulatesubsample", "fixed": "fixedreal", "fresh": "freshreal"}.get(
        name.split(":")[0], name
    )
    return LOOKS.get(kind, tuple(LOOKS.values())[place % len(LOOKS)])


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
