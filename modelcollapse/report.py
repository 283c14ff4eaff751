"""What people read: tables and sentences on the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from . import refusals
from .terminal import counted, percent

if TYPE_CHECKING:
    from modelcollapse.theory import Applicability, Theorem
    from modelcollapse.theory.printed import Printed

    from .plan import OrderPlan, Plan, Row
    from .questions import Answer
    from .tables import Identity, TableVerdict
    from .token_groups import Chosen, GroupVerdict
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
            f"[bold]{counted(made.real, 'real sample')}[/] of {counted(source['vocabulary'], 'token')}, Zipf exponent "
            f"{source['exponent']:g}"
        )
    out.print(f"{counted(made.synthetic, 'synthetic sample')} per generation; error of one fit on the real data "
              f"{number(made.family.v / made.real)} (squared distance of the probabilities)")  # fmt: skip
    last = made.generations[-1]
    if not made.family.v:
        out.print("One token only: there is no error to grow and nothing to lose.")
        return
    title = f"Error in units of real data alone (the sizes decide it); safe: at most {percent(made.tolerance)} more"
    table = titled(out, title)
    table.add_column("workflow", no_wrap=True)
    shown = sorted({2, last} & set(made.generations) or {last})
    for head in (*(f"gen. {each}" for each in shown), "long run", "safe amount", "safe share", "yours"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in made.rows:
        gains = [number(row.gain[generation - 1]) for generation in shown]
        yours = "safe" if row.safe.at_least <= made.synthetic <= row.safe.samples else "not safe"
        table.add_row(row.name, *gains, _limit(row), _safe(row), _share(row), yours)
    out.print(table)
    title = "Different tokens that the model still knows" + (
        ", of those in the corpus" if source.get("kind") == "corpus" else ""
    )
    table = titled(out, title)
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
    out.print("[dim]Safe amounts are synthetic samples per generation, and hold for all generations; under accumulate large "
              "batches are safer, since each brings little noise and all are kept. Assumed: "
              + "; ".join(made.rows[0].assumptions[:2]) + ". `--json` lists every assumption by workflow.[/]")  # fmt: skip


def order_plan(name: str, made: OrderPlan) -> None:
    """The plan for what follows each context: gain, limit, and the pairs that are still known."""
    out, last = console(), made.generations[-1]
    out.print(f"[bold]{escape(name)}[/]: {made.real:,} bytes, {counted(made.contexts, 'context')} of "
              f"{counted(made.order, 'byte')}, {counted(made.pairs, 'pair')} of context and byte, read as the truth; "
              f"{counted(made.synthetic, 'synthetic byte')} per generation")  # fmt: skip
    title = "Error in units of real data alone, and pairs that the model still knows"
    table = titled(out, title)
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
    out.print(
        "[dim]The text is cut into windows of 64 bytes, the rest of a document left out; the start of a window is a "
        "context too. Every context is a chain of its own with its share of the samples; those too rare for a sample in "
        "every generation are left out and counted (unvisited).[/]"
    )


def _limit(row: Row) -> str:
    return "grows without bound" if math.isinf(row.limit) else number(row.limit)


def _safe(row: Row) -> str:
    least, most = row.safe.at_least, row.safe.samples
    if most == 0:
        return "none"
    first, last = _digits(least, up=True), "" if math.isinf(most) else _digits(int(most), up=False)
    if math.isinf(most):
        return f"{first} or more" if least else "any amount"
    return f"{first} to {last}" if least else f"up to {last}"


def _digits(count: int, *, up: bool) -> str:
    """A whole number; of one that is too long for a table four digits, rounded to the safe side.

    >>> _digits(14_961, up=True), _digits(7_488_163_978_958_840, up=True), _digits(7_488_963_978_958_840, up=False)
    ('14,961', '7.489e+15', '7.488e+15')
    """
    if count < 10**12:
        return f"{count:,}"
    step = 10 ** (len(str(count)) - 4)
    return f"{(-(-count // step) if up else count // step) * step:.4g}"


def _share(row: Row) -> str:
    real, least = row.workflow.real, row.safe.at_least  # type: ignore[union-attr]
    if row.safe.samples == 0:
        return "0 %"
    if math.isinf(row.safe.samples) and not least:
        return "any share"
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
        time = counted(round(made.collapse_time), "generation")
        lines.append(f"Total collapse? Replacing, after about {time} ({made.collapse_time_is}).")
    if fresh.optimal_weight is not None:
        lines.append(f"With new real data every time: pooled, the error settles at {number(fresh.limit)} of real data alone; "
                     f"best with weight {number(fresh.optimal_weight.weight)} on the real part.")  # fmt: skip
    return lines


def answered(answers: Sequence[Answer]) -> None:
    """Questions and their answers, each with its theorems; at the end what only people can check, each once."""
    out = console()
    granted: dict[str, list[str]] = {}
    for each in answers:
        out.print(f"[bold]{escape(each.question)}[/]")
        out.print(f"  {escape(each.answer)}")
        out.print(f"  [dim]by {escape(', '.join(each.theorems))}[/]")
        for text in each.granted:
            granted.setdefault(text, []).append(f"--{each.option}")
    if granted:
        out.print("[dim]Taken for granted (all that a theorem assumes: modelcollapse theorems NAME):[/]")
    for text, options in granted.items():
        of = "" if len(options) == len(answers) else f"{', '.join(options)}: "
        out.print(f"[dim]  - {of}{escape(text)}[/]")


def theorems(every: Sequence[Theorem]) -> None:
    """The list, in reading order."""
    from modelcollapse.theory.symbols import STATED

    out = console()
    out.print("[dim]Letters: " + escape("; ".join(f"{name}: {meaning}" for name, meaning in STATED.items())) + ".[/]")
    for each in every:
        out.print(f"[bold]{each.name}[/]  [dim]{escape(each.workflow)}; {each.kinds}[/]")
        out.print(Padding(escape(each.statement), (0, 0, 0, 4)))
        if each.cases:
            cases = ", ".join(case.name.partition("/")[2] for case in each.cases)
            out.print(Padding(f"[dim]cases: {cases}[/]", (0, 0, 0, 4)))
    out.print(f"{len(every)} theorems; one in full: modelcollapse theorems NAME --derivation")


def many(rows: Iterable[Applicability]) -> int:
    """How many theorems: one with cases counts once."""
    return len({each.name.partition("/")[0] for each in rows})


def applicability(problem: str, rows: Sequence[Applicability], *, reasons: bool) -> None:
    """Which theorems hold for a problem, then how many others do not, with ``reasons`` why."""
    from .questions import option_of

    out = console()
    holding = [each for each in rows if each.applies]
    of, hold = many(rows), many(holding)
    others = of - hold
    if of == 1:
        name = rows[0].name if len(rows) == 1 else rows[0].name.partition("/")[0]
        title = f"{name} {'holds' if hold else 'does not hold'} there"
    else:
        cases = f", in {len(holding)} cases" if len(holding) > hold else ""
        title = f"{hold or 'none'} of {of} theorems {'holds' if hold == 1 else 'hold'} there{cases}"
    table = titled(out, f"{escape(problem)}: {title}")
    for head in ("theorem", "answers", "evidence", "answered as well by"):
        table.add_column(head, no_wrap=True)
    for each in holding:
        table.add_row(each.name, each.theorem.quantity, each.theorem.evidence.value, each.superseded_by)
    if holding:
        out.print(table)
    if others and not reasons:
        why = "--all shows why. One in full: modelcollapse theorems NAME"
        out.print(f"{counted(others, 'other')} {'does' if others == 1 else 'do'} not: {why}" if hold else why)
    if not others or not reasons:
        return
    table = titled(out, "The others do not") if hold else bare()
    table.add_column("theorem", no_wrap=True)
    for head in ("because", "instead"):
        table.add_column(head)
    for each in rows:
        if not each.applies:
            why, instead = (escape(refusals.in_words(text)) for text in (each.why_not, each.instead))
            asks = option_of(each.name) if each.theorem.needs else ""  # more than a family and a workflow
            python = instead.replace("theory.", "Python: theory.")
            table.add_row(each.name, why, f"modelcollapse plan {asks}" if asks else python)
    out.print(table)


def theorem(one: Theorem, *, derivation: bool, whole: Theorem | None = None) -> None:
    """One theorem in full, its cases one after another; ``whole``: the theorem of which it is a case, shown before."""
    out = console()
    out.print(f"[bold]{one.name}[/]  ({one.kinds})")
    out.print(escape(one.statement))
    if not one.cases:
        out.print(f"family: {one.family}; workflow: {one.workflow}; answers: theory.{one.quantity}")
    for assumption in one.assumptions:
        if whole is None or assumption not in whole.assumptions:
            out.print(f"  assumes: {escape(assumption.text)}")
    if one.cases:
        for case in one.cases:
            out.print()
            theorem(case, derivation=derivation, whole=one)
        return
    if one.derive is not None:
        units = " (units of v(theta) = V)" if one.quantity in ("error", "diversity", "gain") else ""
        _formula(out, f"closed form{units}: {one.derived.expression.doit()}")
    for printed in one.printed:
        _printed(out, printed)
    letters = _letters(one, derivation=derivation)
    if letters:
        out.print("letters: " + escape("; ".join(f"{name}: {meaning}" for name, meaning in letters.items())))
    out.print("sources: " + escape("; ".join(one.sources)))
    if derivation:
        for place, step in enumerate(one.derivation, start=1):
            out.print(f"[bold]{place}.[/] {escape(step.title)}")
            if step.expression is not None:
                _formula(out, f"     {step.left}{step.expression}")


def _formula(out: Console, text: str) -> None:
    """A formula: wrapped below its start for who reads a terminal, one line in a pipe, for grep and for who copies it."""
    if out.is_terminal:
        indent = " " * (len(text) - len(text.lstrip()) + 4)
        text = textwrap.fill(text, out.width, subsequent_indent=indent, break_on_hyphens=False)
    out.print(escape(text), soft_wrap=True)


def _letters(one: Theorem, *, derivation: bool) -> dict[str, str]:
    """What the letters of the formulas mean that are shown: of the closed form, and of the steps of a derivation."""
    from sympy import Basic, Symbol, Tuple

    from modelcollapse.theory.symbols import meaning

    shown = [] if one.derive is None else [one.derived.expression, one.derived.expression.doit()]
    steps = one.derivation if derivation and not one.cases else ()
    shown += [Tuple(*each.expression) if isinstance(each.expression, tuple) else each.expression for each in steps]
    letters = {str(letter) for each in shown if isinstance(each, Basic) for letter in each.atoms(Symbol)}
    said = meaning(one.name)
    return {name: said[name] for name in sorted(letters & said.keys())}


def _printed(out: Console, one: Printed) -> None:
    """A formula of a paper, the exact form and their ratio."""
    kind = {"=": "", ">=": " (a bound from above)", "<=": " (a bound from below)"}[one.relation]
    record = one.as_record()
    _formula(out, f"printed in {one.source}{kind}: {one.formula}")
    out.print(f"  why it differs: {escape(one.reason)}")
    for what, text in (("exact", record["exact"]), ("printed over exact", record["ratio"])):
        if text is not None:
            _formula(out, f"  {what}: {text}")
    for each in record["compared"]:
        at = ", ".join(f"{letter} = {value:.4g}" for letter, value in sorted(each["letters"].items()))
        numbers = f"printed {each['printed']:.5g}, exact {each['exact']:.5g}, ratio {each['ratio']:.5g}"
        out.print(f"  {each['workflow'].partition('(')[0]}, {at}: {numbers}", soft_wrap=True)


def theorem_json(one: Theorem, *, derivation: bool) -> dict[str, Any]:
    """One theorem as plain data."""
    from .plan import finite

    record = one.as_record()
    record["printed"] = [finite(each.as_record()) for each in one.printed]
    record["cases"] = [theorem_json(each, derivation=derivation) for each in one.cases]
    if one.derive is not None:
        record |= {"expression": str(one.derived.expression.doit()), "latex": one.latex, "code": one.code}
    if one.derive is not None or (derivation and not one.cases):
        record["letters"] = _letters(one, derivation=derivation)
    if derivation:
        record["derivation"] = [
            {"title": each.title, "expression": None if each.expression is None else f"{each.left}{each.expression}"}
            for each in one.derivation
        ]
    return record


def verdict_json(one: Verdict) -> dict[str, Any]:
    """One verdict as plain data; infinity is text, NaN is null."""
    from .plan import finite

    plain: dict[str, Any] = finite(asdict(one))
    return plain


def verdicts(every: Sequence[Verdict], chains: int, budget: float) -> None:
    """The table of theorems against chains."""
    out = console()
    title = f"Theorems against {chains:,} chains: the worst generation of each; false alarms {budget:g} in all"
    table = titled(out, title)
    table.add_column("theorem", no_wrap=True)
    for name in ("gen.", "observable", "predicted", "observed", "s.e.", "z"):
        table.add_column(name, justify="left" if name == "observable" else "right", no_wrap=name != "observable")
    table.add_column("verdict", no_wrap=True)
    for each in every:
        verdict = "[green]holds[/]" if each.passed else "[bold red]BROKEN[/]"
        if each.relation == "~" and each.passed:
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
                  "bounds (≥, ≤) count on one side; ~ is a leading order, z how far beyond what it leaves open")  # fmt: skip
    out.print(f"[bold red]broken: {', '.join(broken)}[/]" if broken else f"[green]{_all_hold(len(every))}[/]")


def _all_hold(count: int) -> str:
    return "it holds" if count == 1 else f"all {count} hold"


def tables(
    rows: Sequence[TableVerdict], identities: Sequence[Identity], corpus: str, samples: int, chains: int, budget: float
) -> None:
    """Theory against tables of a real text."""
    out = console()
    what = f"{samples:,} bytes per generation given the last {rows[0].order}, {chains:,} chains, no free parameter"
    judged = f"error, diversity, tokens alive and L1 drift of 10 generations; false alarms {budget:g} in all"
    title = f"{escape(corpus)}: {what};\n{judged}"
    table = titled(out, title)
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


def groups(corpus: str, unit: str, samples: int, chosen: Chosen, rows: Sequence[GroupVerdict], budget: float) -> None:
    """Theory against chains of the tokens of a text, and what was chosen for them."""
    out = console()
    out.print(f"[bold]{escape(corpus)}[/]: {chosen.tokens:,} {unit}, {chosen.words:,} different, read as the truth; chosen: "
              f"{chosen.chains:,} chains of {chosen.groups:,} groups of tokens of equal count, {chosen.batch:,} at a time, "
              f"in {chosen.memory / 1e6:,.0f} MB")  # fmt: skip
    title = f"{samples:,} samples per generation, 10 generations: the worst of each; false alarms {budget:g} in all"
    table = titled(out, title)
    for head in ("workflow", "observable", "gen.", "predicted", "observed", "s.e.", "z", "verdict"):
        table.add_column(
            head, justify="left" if head in ("workflow", "observable", "verdict") else "right", no_wrap=True
        )
    for each in rows:
        verdict = "[bold red]BROKEN[/]" if not each.passed else "[green]holds[/]" if each.judged else "not judged"
        sign = {"=": "", ">=": "≥ "}[each.relation]
        table.add_row(each.workflow, each.observable, str(each.generation), f"{sign}{each.predicted:.4g}", f"{each.observed:.4g}",
                      f"{each.standard_error:.1g}", f"{each.z:+.2f}", verdict)  # fmt: skip
    out.print(table)
    out.print(f"allowed |z| {max(each.allowed for each in rows):.2f}; bounds (≥) count on one side")


def titled(out: Console, title: str) -> Table:
    """A table below its title, which may be wider."""
    out.print(f"[italic]{title}[/]")
    return bare()


def bare() -> Table:
    """A table without frame."""
    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def files(pictures: dict[str, Any]) -> None:
    """Where the pictures went."""
    for each in pictures.get("files", []):
        console().print(f"wrote {escape(each)}", soft_wrap=True)
