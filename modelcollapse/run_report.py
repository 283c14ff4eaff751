"""What people read of a training run: measured losses over predicted bands, drift, grid, findings, verdicts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from modelcollapse.lm import calibration
from modelcollapse.lm.diversity import LESS_DIVERSE
from modelcollapse.lm.drift import Level, above_floor
from modelcollapse.lm.recipe import Epochs
from modelcollapse.lm.run import Run

from .report import console, number, titled


def show(run: Run) -> None:
    """Everything, as tables and sentences."""
    out, e = console(), run.experiment
    out.print(f"[bold]{escape(e.corpus)}[/]: {e.real * e.length:,} tokens of real text in windows of {e.length}, decoder of "
              f"{e.shape.parameters:,} parameters, {_seeds(len(e.seeds))}")  # fmt: skip
    by_epochs, steps = isinstance(e.training.matched, Epochs), e.training.steps
    most = f"{steps} steps" + (
        " for the first pool and in proportion for larger ones" if by_epochs else ", whatever the pool"
    )
    if e.training.patience is None:
        out.print(f"Every training takes {most}.")
    else:
        out.print(
            f"A training takes at most {most}; real text decides when it ends, which leaks some of it into replace."
        )
    out.print(f"A model starts {'from the one before' if e.continued else 'afresh'}.")
    _losses(out, run)
    for line in findings(run):
        out.print(f"  {escape(line)}")
    _drift(out, run)
    if run.grid is not None:
        _grid(out, run)
    _definitions(out, run)


def _losses(out: Console, run: Run) -> None:
    """Held-out losses with the predicted bands below them."""
    e, level = run.experiment, f"{calibration.LEVEL:.0%}"
    spread = "± s.d. over seeds, " if len(e.seeds) > 1 else ""
    table = titled(
        out, f"Held-out loss, nats per token: measured, {spread}below it the predicted {level} band of the mean"
    )
    table.add_column("workflow", no_wrap=True)
    for generation in range(1, e.generations + 1):
        table.add_column(f"gen. {generation}", justify="right", no_wrap=True)
    for name, measured in run.measures.items():
        loss = measured["loss"]
        _, low, high = run.prediction.over_seeds(name)
        seen = 1 + (e.calibration if name == "replace" else 0)
        cells = []
        for place, mean in enumerate(loss.mean(axis=0)):
            spread = f" ±{loss[:, place].std(ddof=1):.3f}" if len(loss) > 1 else ""
            colour = "dim" if place < seen else "green" if low[place] <= mean <= high[place] else "yellow"
            band = "(calibrates)" if place < seen else f"{low[place]:.3f} to {high[place]:.3f}"
            cells.append(f"[{colour}]{mean:.3f}{spread}[/]\n[dim]{band}[/]")
        table.add_row(escape(name), *cells)
    out.print(table)


def _drift(out: Console, run: Run) -> None:
    """Drift of next-token distributions against the floor that re-training gives."""
    floor = run.floor.l1
    told = math.isfinite(floor.standard_error)
    noise = (
        "*: above that by more than twice its noise" if told else "what is above it takes more --retrainings to tell"
    )
    title = (
        f"L1 drift of next-token distributions from generation 1 over {run.experiment.contexts} real contexts;\n"
        f"re-training on the same data alone gives {_level(floor)}; {noise}"
    )
    table = titled(out, title)
    table.add_column("workflow", no_wrap=True)
    for generation in range(2, run.experiment.generations + 1):
        table.add_column(f"gen. {generation}", justify="right", no_wrap=True)
    for name, measured in run.measures.items():
        columns = measured["drift"].T[1:]
        table.add_row(
            escape(name), *(f"{each.mean():.3f}{'*' if above_floor(each, floor).above else ' '}" for each in columns)
        )
    out.print(table)


def _grid(out: Console, run: Run) -> None:
    """Real by synthetic: the change of loss in every cell, with what theory said of its sign."""
    found, length = run.grid, run.experiment.length
    assert found is not None
    title = (
        "Loss less that without synthetic text, by tokens of real (rows) and synthetic text; below it the sign\n"
        "that theory says, for a teacher who has seen the student's real text; standard error "
        f"{found.standard_error:.3f}, a tie is below twice that"
    )
    table = titled(out, title)
    table.add_column("real", justify="right")
    for each in found.grid.synthetic[1:]:
        table.add_column(f"{each * length:,}", justify="right", no_wrap=True)
    colours = {"as predicted": "green", "reversed": "yellow", "tie": "dim"}
    for place, real in enumerate(found.grid.real):
        cells = []
        for column in range(1, len(found.grid.synthetic)):
            verdict, sign = found.verdict[place, column], "+" if found.predicted[place, column] > 1 else "-"
            cells.append(f"[{colours[verdict]}]{found.change[place, column]:+.3f}[/]\n[dim]{sign} {verdict}[/]")
        table.add_row(f"{real * length:,}", *cells)
    out.print(table)


def _definitions(out: Console, run: Run) -> None:
    """The eight verdicts; those that no workflow of this run can give are named with the reason."""
    table = titled(out, "Definitions of collapse (no: not more than the noise; `--json` says why)")
    table.add_column("definition", no_wrap=True)
    for name in run.measures:
        table.add_column(escape(name), no_wrap=True)
    silent = []
    for answers in zip(*run.verdicts.values(), strict=True):
        if all(each.answer.value == "cannot say" for each in answers):
            silent.append(f"{answers[0].name} ({answers[0].reason})")
        else:
            table.add_row(answers[0].name, *(each.answer.value for each in answers))
    out.print(table)
    if silent:
        out.print(f"[dim]This run cannot say: {escape('; '.join(silent))}.[/]")


def findings(run: Run) -> list[str]:
    """What a run says, in one line each."""
    e, lines = run.experiment, []
    step, size, heritability = (run.prediction.posterior[name] for name in ("step", "size", "heritability"))
    lines.append(
        f"Calibrated (posterior means): one replace step costs {step.mean():.3f} nats, effective size {size.mean():.1f}, "
        f"heritability {heritability.mean():.2f} ± {heritability.std():.2f}; noise of one training {run.noise:.3f}."
    )
    scored = [
        f"{name} {row['exact']['coverage']:.0%} of {row['exact']['points']} ({row['exact']['miss']:+.3f})"
        for name, row in run.scores.items() if row["exact"]["points"]
    ]  # fmt: skip
    lines.append(f"In the 90 % bands, by seed and generation (predicted less measured): {'; '.join(scored)}.")
    last = [pair for pair in run.order if pair.generation == e.generations]
    said = [
        f"{pair.higher} {'=' if pair.predicted_tie else '>'} {pair.lower}: {pair.difference:+.3f}, {pair.verdict}"
        for pair in last
    ]
    if said:
        error = last[0].standard_error
        lines.append(
            f"Order predicted for generation {e.generations}, with the difference measured (± {error:.3f}; a tie is below "
            f"twice that): {'; '.join(said)}."
        )
        counts = Counter(pair.verdict for pair in run.order)
        lines.append(
            f"All {len(run.order)} neighbours in the orders of generations 2 to {e.generations}: "
            + ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
            + "."
        )
    if run.entropy is not None:
        lines.append(f"The source itself has {run.entropy:.3f} nats per token: no loss can be lower.")
    if len(e.seeds) > 1:
        sizes = {name: [f"{each.size:.1f} ({each.low:.1f} to {number(each.high)})" for each in steps]
                 for name, steps in run.effective.items()}  # fmt: skip
        lines.append("Effective size (drift + bias) of each step, seeds pooled: "
                     + "; ".join(f"{name} {', '.join(each)}" for name, each in sizes.items()) + ".")  # fmt: skip
    if "replace" in run.measures:
        lines += _under_replace(run, run.measures["replace"])
    return lines


def _under_replace(run: Run, measures: Mapping[str, Any]) -> list[str]:
    """What replacing does."""
    rises = np.all(np.diff(measures["loss"].mean(axis=0)) > 0)
    lines = [
        f"Under replace the mean loss {'rises at every generation' if rises else 'does not rise at every generation'}."
    ]
    if len(run.experiment.seeds) > 1:
        less, more, same = _moves(measures)
        falls, rises_by, still = (", ".join(each) or "no measure" for each in (less, more, same))
        lines.append(
            f"Diversity of text under replace, first to last generation: falls by {falls}; rises by {rises_by}; "
            f"no clear change (2 s.e. over seeds) by {still}."
        )
    else:
        lines.append("Whether diversity changes cannot be said from one seed.")
    drift, floor = measures["drift"][:, 1].mean(), run.floor.l1
    lines.append(f"One generation moves next-token distributions by L1 {drift:.3f}; re-training on the same data alone by "
                 f"{_level(floor)}.")  # fmt: skip
    return lines


def _level(one: Level) -> str:
    """A mean over pairs with its standard error, if more than one pair tells it.

    >>> _level(Level(0.4, 0.02, 0.1)), _level(Level(0.4, math.inf, math.inf))
    ('0.400 ± 0.020', '0.400 (one pair of models tells no spread)')
    """
    spread = (
        f" ± {one.standard_error:.3f}" if math.isfinite(one.standard_error) else " (one pair of models tells no spread)"
    )
    return f"{one.mean:.3f}{spread}"


def _moves(measures: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """Measures by which text has become less diverse, more diverse, or neither by more than 2 standard errors over seeds."""
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, sign in LESS_DIVERSE.items():
        change = sign * (measures[name][:, -1] - measures[name][:, 0])
        clear = abs(change.mean()) > 2 * change.std(ddof=1) / len(change) ** 0.5
        found[2 if not clear else 0 if change.mean() > 0 else 1].append(name)
    return found


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
