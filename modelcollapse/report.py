"""What people read: tables and sentences on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from .terminal import percent

if TYPE_CHECKING:
    from modelcollapse.lm.run import Run
    from modelcollapse.theory import Theorem

    from .plan import OrderPlan, Plan, Row
    from .tables import Identity, TableVerdict
    from .verify import Verdict

NARROW = 110  # columns that a table may count on when nobody watches


def console() -> Console:
    """Standard output, as wide as the terminal; wide enough for the tables when piped."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(width=max(NARROW, out.width), highlight=False)


def number(value: float) -> str:
    """Four significant digits, thousands apart; infinity as a word.

    >>> number(1234567.0), number(0.000123456), number(math.inf), number(3)
    ('1,234,567', '0.0001235', 'no limit', '3')
    """
    if math.isinf(value):
        return "no limit" if value > 0 else "-infinite"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"
    return f"{value:.4g}"


def plan(made: Plan) -> None:
    """The plan as two tables and the answers in words."""
    out = console()
    source = made.source
    if source.get("kind") == "corpus":
        out.print(f"[bold]{escape(source['name'])}[/]: {made.real:,} {source['unit']}, {source['vocabulary']:,} different, "
                  f"{source['singletons']:,} of them seen once; read as "
                  f"{'the truth' if source['as_truth'] else 'the data of generation 1'}")  # fmt: skip
    else:
        out.print(
            f"[bold]{made.real:,} real samples[/] of {source['vocabulary']:,} tokens, Zipf exponent {source['exponent']:g}"
        )
    out.print(f"{made.synthetic:,} synthetic samples per generation; error of one fit on the real data "
              f"{number(made.family.v / made.real)} (squared distance of the probabilities)")  # fmt: skip
    last = made.generations[-1]
    if not made.family.v:
        out.print("One token only: there is no error to grow and nothing to lose.")
        return
    title = f"Error in units of real data alone (the sizes decide it); safe: at most {percent(made.tolerance)} more"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("workflow", no_wrap=True)
    shown = sorted({2, last} & set(made.generations) or {last})
    for head in (*(f"gen. {each}" for each in shown), "long run", "safe amount", "safe share"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in made.rows:
        gains = [number(row.gain[generation - 1]) for generation in shown]
        table.add_row(row.name, *gains, _limit(row), _safe(row), _share(row))
    out.print(table)
    title = "Different tokens that the model still knows" + (
        ", of those in the corpus" if source.get("kind") == "corpus" else ""
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown = sorted({1, 2, min(5, last), last} & set(made.generations))
    table.add_column("workflow", no_wrap=True)
    for generation in shown:
        table.add_column(f"gen. {generation}", justify="right", no_wrap=True)
    table.add_column(f"seen once: at {last}", justify="right", no_wrap=True)
    for row in made.rows:
        sign = "≥ " if row.survivors_are == "at least" else ""
        cells = [("" if generation == 1 else sign) + number(round(row.survivors[generation - 1], 1))
                 for generation in shown]  # fmt: skip
        table.add_row(row.name, *cells, ("≥ " if row.rare_are == "at least" else "") + f"{row.rare[-1]:.1%}")
    out.print(table)
    for line in answers(made):
        out.print(f"  {line}", soft_wrap=False)
    out.print("[dim]Safe amounts are synthetic samples per generation, and hold for all generations. Assumed: "
              + "; ".join(made.rows[0].assumptions[:2]) + ". `--json` lists every assumption by workflow.[/]")  # fmt: skip


def order_plan(name: str, made: OrderPlan) -> None:
    """The plan for what follows each context: gain, limit, and the pairs that are still known."""
    out, last = console(), made.generations[-1]
    out.print(f"[bold]{escape(name)}[/]: {made.real:,} bytes, {made.contexts:,} contexts of {made.order} bytes, {made.pairs:,} "
              f"pairs of context and byte, read as the truth; {made.synthetic:,} synthetic bytes per generation")  # fmt: skip
    title = "Error in units of real data alone, and pairs that the model still knows"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("workflow", no_wrap=True)
    shown = sorted({2, last} & set(made.generations) or {last})
    gains, pairs = ([f"{what} {each}" for each in shown] for what in ("gen.", "pairs"))
    heads = (*gains, "long run", f"above {percent(made.tolerance)} from", *pairs)
    for head in (*heads, "unvisited"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in made.rows:
        sign = "≥ " if row.alive_are == "at least" else ""
        table.add_row(row.name, *(number(row.gain[each - 1]) for each in shown), number(row.limit),
                      "never" if row.exceeds is None else f"gen. {row.exceeds}",
                      *(sign + number(round(row.alive[each - 1])) for each in shown), str(row.unvisited))  # fmt: skip
    out.print(table)
    out.print("[dim]Every context is a chain of its own with its share of the samples; contexts too rare for a sample in every "
              "generation are left out and counted (unvisited).[/]")  # fmt: skip


def _limit(row: Row) -> str:
    return "grows without bound" if math.isinf(row.limit) else number(row.limit)


def _safe(row: Row) -> str:
    least, most = row.safe.at_least, row.safe.samples
    if most == 0:
        return "none"
    if math.isinf(most):
        return f"{least:,} or more" if least else "any amount"
    return f"{least:,} to {most:,.0f}" if least else f"up to {most:,.0f}"


def _share(row: Row) -> str:
    real, least = row.workflow.real, row.safe.at_least  # type: ignore[union-attr]
    if row.safe.samples == 0:
        return "0 %"
    return f"at least {least / (real + least):.1%}" if least else f"up to {row.safe.fraction:.1%}"


def answers(made: Plan) -> list[str]:
    """The questions that a user came with, in one line each."""
    rows = {row.name: row for row in made.rows}
    fixed, replace, accumulate, fresh = (rows[name] for name in ("fixedreal", "replace", "accumulate", "freshreal"))
    last = made.generations[-1]
    lines = [
        f"How much? Beside the same real data every time, synthetic samples a generation: {_safe(fixed)} ({_share(fixed)}).",
        f"Keep the old data? Yes: replacing it multiplies the error by {number(replace.gain[-1])} by generation {last}; keeping "
        f"all of it by at most {_limit(accumulate)} ever.",
        f"Rare tokens? Replacing, a token seen once is still known at generation {last} with chance at least "
        f"{replace.rare[-1]:.1%}; with the real data kept none of those seen in it is lost.",
    ]
    if math.isfinite(made.collapse_time):
        lines.append(
            f"Total collapse? Replacing, after about {number(round(made.collapse_time))} generations ({made.collapse_time_is})."
        )
    if fresh.optimal_weight is not None:
        lines.append(f"With new real data every time: pooled, the error settles at {number(fresh.limit)} of real data alone; "
                     f"best with weight {number(fresh.optimal_weight.weight)} on the real part.")  # fmt: skip
    return lines


def theorems(every: Sequence[Theorem]) -> None:
    """The list, in reading order."""
    from modelcollapse.theory.symbols import MEANING

    out = console()
    for each in every:
        out.print(f"[bold]{each.name}[/]  [dim]{escape(each.workflow)}; {each.evidence.value}[/]")
        out.print(Padding(escape(each.statement), (0, 0, 0, 4)))
    letters = {letter: MEANING[letter] for letter in ("N", "n", "M", "m", "V", "v_2", "T", "G_0")}
    out.print("[dim]Letters: " + escape("; ".join(f"{name}: {meaning}" for name, meaning in letters.items())) + ".[/]")
    out.print(f"{len(every)} theorems; one in full: modelcollapse theorems NAME --derivation")


def theorem(one: Theorem, *, derivation: bool) -> None:
    """One theorem in full."""
    out = console()
    out.print(f"[bold]{one.name}[/]  ({one.evidence.value})")
    out.print(escape(one.statement))
    out.print(f"family: {one.family}; workflow: {one.workflow}; answers: theory.{one.quantity}")
    for assumption in one.assumptions:
        out.print(f"  assumes: {escape(assumption.text)}")
    if one.derive is not None:
        out.print("closed form (units of v(theta) = V):", escape(str(one.derived.expression.doit())), soft_wrap=True)
    for printed in one.printed:
        out.print(f"printed in {escape(printed.source)}: {escape(str(printed.formula))}", soft_wrap=True)
        out.print(f"  why it differs: {escape(printed.reason)}")
    letters = _letters(one)
    if letters:
        out.print("letters: " + escape("; ".join(f"{name}: {meaning}" for name, meaning in letters.items())))
    out.print("sources: " + escape("; ".join(one.sources)))
    if derivation:
        for place, step in enumerate(one.derivation, start=1):
            out.print(f"[bold]{place}.[/] {escape(step.title)}")
            if step.expression is not None:
                out.print("     " + escape(f"{step.left}{step.expression}"), soft_wrap=True)


def _letters(one: Theorem) -> dict[str, str]:
    """What the letters of the closed form mean."""
    from modelcollapse.theory.symbols import MEANING

    if one.derive is None:
        return {}
    return {name: MEANING[name] for name in sorted(map(str, one.derived.expression.free_symbols)) if name in MEANING}


def theorem_json(one: Theorem, *, derivation: bool) -> dict[str, Any]:
    """One theorem as plain data."""
    record = one.as_record()
    record["printed"] = [
        {"formula": str(each.formula), "source": each.source, "reason": each.reason} for each in one.printed
    ]
    if one.derive is not None:
        record |= {"expression": str(one.derived.expression.doit()), "latex": one.latex, "code": one.code}
        record["letters"] = _letters(one)
    if derivation:
        record["derivation"] = [
            {"title": each.title, "expression": None if each.expression is None else f"{each.left}{each.expression}"}
            for each in one.derivation
        ]
    return record


def verdict_json(one: Verdict) -> dict[str, Any]:
    """One verdict as plain data; what is not finite is text."""
    return {name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(one).items()}  # fmt: skip


def verdicts(every: Sequence[Verdict], chains: int, budget: float) -> None:
    """The table of theorems against chains."""
    out = console()
    title = f"Theorems against {chains:,} chains: the worst generation of each; false alarms {budget:g} in all"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("theorem", no_wrap=True)
    for name in ("gen.", "observable", "predicted", "observed", "s.e.", "z"):
        table.add_column(name, justify="left" if name == "observable" else "right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for each in every:
        verdict = "[green]holds[/]" if each.passed else "[bold red]BROKEN[/]"
        if each.relation == "~":
            verdict = f"[yellow]{abs(each.observed / each.predicted - 1):.0%} off[/]"
        sign = {"=": "", ">=": "≥ ", "<=": "≤ ", "~": "~ "}[each.relation]
        numbers = (
            f"{sign}{each.predicted:.4g}",
            f"{each.observed:.4g}",
            f"{each.standard_error:.1g}",
            f"{each.z:+.2f}",
        )
        table.add_row(each.theorem, str(each.generation), each.observable, *numbers, verdict)
    out.print(table)
    broken = [each.theorem for each in every if not each.passed]
    judged = [each for each in every if each.relation == "="]
    if judged:
        out.print(f"largest |z| {max(abs(each.z) for each in judged):.2f}, allowed {max(each.threshold for each in judged):.2f}; "
                  "bounds (≥, ≤) count on one side; ~ is a leading-order statement, shown and not judged")  # fmt: skip
    out.print(f"[bold red]broken: {', '.join(broken)}[/]" if broken else f"[green]all {len(every)} hold[/]")


def tables(
    rows: Sequence[TableVerdict], identities: Sequence[Identity], corpus: str, samples: int, chains: int, budget: float
) -> None:
    """Theory against tables of a real text."""
    out = console()
    what = f"{samples:,} bytes per generation given the last {rows[0].order}, {chains:,} chains, no free parameter"
    judged = f"error, diversity, tokens alive and L1 drift of 10 generations; false alarms {budget:g} in all"
    title = f"{escape(corpus)}: {what};\n{judged}"
    table = _table(out, title)
    for head in ("workflow", "worst", "of allowed", "contexts", "alarms", "left out", "verdict"):
        table.add_column(head, justify="left" if head in ("workflow", "worst", "verdict") else "right", no_wrap=True)
    for each in rows:
        verdict = "[green]holds[/]" if each.passed else "[bold red]BROKEN[/]"
        left, share = f"{each.unvisited} ({each.unvisited_share:.2%})", f"{each.share_of_allowed:.0%}"
        table.add_row(each.workflow, each.worst, share, str(each.visited), str(each.alarms), left, verdict)
    out.print(table)
    names = {
        "wald": "E[sum (K - n p)^2 - n G] = 0 over contexts",
        "start_shrinkage": "E[G' - (1 - 1/n) G] = 0 after the start",
    }
    for one in identities:
        verdict = "[green]holds[/]" if one.passed else "[bold red]BROKEN[/]"
        out.print(
            f"writing its own text, {escape(names[one.name])}: worst z {one.z:+.2f}, allowed {one.allowed:.2f}: {verdict}"
        )
    alive = identities[0].contexts_alive
    out.print("[dim]left out: contexts too rare for a sample in every generation, and the share of the text that follows them; "
              f"{alive:.1f} contexts are alive in the last generation of their own text.[/]")  # fmt: skip


def _table(out: Console, title: str) -> Table:
    """A table below its title, which may be wider."""
    out.print(f"[italic]{title}[/]")
    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def files(pictures: dict[str, Any]) -> None:
    """Where the pictures went."""
    for each in pictures.get("files", []):
        console().print(f"wrote {escape(each)}", soft_wrap=True)


def train(run: Run) -> None:
    """Measured losses over predicted bands, and what they say."""
    from modelcollapse.lm import calibration
    from modelcollapse.lm.recipe import Epochs

    out, e = console(), run.experiment
    out.print(f"[bold]{escape(e.corpus)}[/]: {e.real * e.length:,} tokens of real text in windows of {e.length}, decoder of "
              f"{e.shape.parameters:,} parameters, {len(e.seeds)} seeds")  # fmt: skip
    stops = "real stopping text decides when a training ends, which leaks some of it into replace" if (
        e.training.patience is not None) else f"every training takes {e.training.steps} steps"  # fmt: skip
    matched = (
        "epoch-matched"
        if isinstance(e.training.matched, Epochs)
        else "compute-matched: pools of all sizes get the same steps"
    )
    out.print(f"{stops}; {matched}; a model starts {'from the one before' if e.continued else 'afresh'}")
    level = f"{calibration.LEVEL:.0%}"
    title = (
        f"Held-out loss, nats per token: measured ± s.d. over seeds, below it the predicted {level} band of the mean"
    )
    table = _table(out, title)
    table.add_column("workflow", no_wrap=True)
    for generation in range(1, e.generations + 1):
        table.add_column(f"gen. {generation}", justify="right", no_wrap=True)
    for name, measured in run.measures.items():
        loss = measured["loss"]
        low, high = calibration.band(run.prediction.loss[name].mean(axis=1))
        seen = 1 + (e.calibration if name == "replace" else 0)
        cells = []
        for place, mean in enumerate(loss.mean(axis=0)):
            spread = f" ±{loss[:, place].std(ddof=1):.3f}" if len(loss) > 1 else ""
            inside = low[place] <= mean <= high[place]
            colour = "dim" if place < seen else "green" if inside else "yellow"
            band = "(calibrates)" if place < seen else f"{low[place]:.3f} to {high[place]:.3f}"
            cells.append(f"[{colour}]{mean:.3f}{spread}[/]\n[dim]{band}[/]")
        table.add_row(name, *cells)
    out.print(table)
    for line in findings(run):
        out.print(f"  {escape(line)}", soft_wrap=False)
    _drift(out, run)
    if run.grid is not None:
        _grid(out, run)
    table = _table(out, "Eight definitions of collapse")
    table.add_column("definition", no_wrap=True)
    for name in run.measures:
        table.add_column(name, no_wrap=True)
    for answers in zip(*run.verdicts.values(), strict=True):
        table.add_row(answers[0].name, *(each.answer.value for each in answers))
    out.print(table)


def _drift(out: Console, run: Run) -> None:
    """Drift of next-token distributions against the floor that re-training gives."""
    from modelcollapse.lm.drift import above_floor

    floor = run.floor.l1
    title = (f"L1 drift of next-token distributions from generation 1 over {run.experiment.contexts} real contexts\n"
             f"re-training on the same data alone: {floor.mean:.3f} ± {floor.standard_error:.3f}; * above that")  # fmt: skip
    table = _table(out, title)
    table.add_column("workflow", no_wrap=True)
    for generation in range(2, run.experiment.generations + 1):
        table.add_column(f"gen. {generation}", justify="right", no_wrap=True)
    for name, measured in run.measures.items():
        columns = measured["drift"].T[1:]
        table.add_row(name, *(f"{each.mean():.3f}{'*' if above_floor(each, floor).above else ' '}" for each in columns))
    out.print(table)


def _grid(out: Console, run: Run) -> None:
    """Real by synthetic: the change of loss in every cell, with what theory said of its sign."""
    found = run.grid
    assert found is not None
    length = run.experiment.length
    title = (f"Loss less that without synthetic text, by tokens of real (rows) and synthetic text; ± {found.standard_error:.3f}\n"
             "theory's sign below; the teacher has seen the student's real text")  # fmt: skip
    table = _table(out, title)
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


def findings(run: Run) -> list[str]:
    """What a run says, in one line each."""
    import numpy as np

    from modelcollapse.lm.diversity import LESS_DIVERSE

    e, lines = run.experiment, []
    step, size, heritability = (run.prediction.posterior[name] for name in ("step", "size", "heritability"))
    lines.append(f"Calibrated: one replace step costs {step.mean():.3f} nats, effective size {size.mean():.1f}, heritability "
                 f"{heritability.mean():.2f} ± {heritability.std():.2f}, noise of one training {run.noise:.3f}.")  # fmt: skip
    scored = [
        f"{name} {row['exact']['coverage']:.0%} of {row['exact']['points']} (miss {row['exact']['miss']:+.3f})"
        for name, row in run.scores.items() if row["exact"]["points"]
    ]  # fmt: skip
    lines.append(f"In the 90 % bands, by seed and generation: {'; '.join(scored)}.")
    last = [pair for pair in run.order if pair.generation == e.generations]
    said = [f"{pair.higher} {'=' if pair.predicted_tie else '>'} {pair.lower}: {pair.difference:+.3f} ± "
            f"{pair.standard_error:.3f}, {pair.verdict}" for pair in last]  # fmt: skip
    if said:
        lines.append(f"Order in generation {e.generations}, with the difference measured: {'; '.join(said)}.")
    if run.entropy is not None:
        lines.append(f"The source itself has {run.entropy:.3f} nats per token: no loss can be lower.")
    sizes = {name: [each.size for each in steps] for name, steps in run.effective.items()}
    lines.append("Effective size (drift + bias) of each step, over seeds: " + "; ".join(
        f"{name} {', '.join(f'{size:.1f}' for size in each)}" for name, each in sizes.items()) + ".")  # fmt: skip
    if "replace" in run.measures:
        measures = run.measures["replace"]
        rises = np.all(np.diff(measures["loss"].mean(axis=0)) > 0)
        lines.append(
            f"Under replace the loss {'rises at every generation' if rises else 'does not rise at every generation'}."
        )
        changes = {
            name: (measures[name][:, -1] - measures[name][:, 0]).mean() * sign for name, sign in LESS_DIVERSE.items()
        }
        less, more = ([name for name, change in changes.items() if np.sign(change) == sign] for sign in (1, -1))
        lines.append(f"Diversity under replace, first to last generation: falls by {', '.join(less) or 'no measure'}; "
                     f"rises by {', '.join(more) or 'none'}.")  # fmt: skip
        drift = measures["drift"][:, 1].mean()
        lines.append(f"One generation moves next-token distributions by L1 {drift:.3f}; re-training on the same data alone by "
                     f"{run.floor.l1.mean:.3f} ± {run.floor.l1.standard_error:.3f}.")  # fmt: skip
    return lines
