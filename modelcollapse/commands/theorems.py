"""`modelcollapse theorems`: the list, one of them in full, or those that hold for a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelcollapse.terminal import refused

from . import options, output

if TYPE_CHECKING:
    from modelcollapse.theory import Theorem


def command(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One theorem; leave it out for the list.")] = None,
    derivation: Annotated[bool, typer.Option("--derivation", help="Show how it is derived, step by step.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print the closed form as LaTeX.")] = False,
    code: Annotated[bool, typer.Option("--code", help="Print the expression that is computed, as Python.")] = False,
    family: Annotated[
        str | None,
        typer.Option(
            help="Which theorems hold for this family, under the --workflow? gaussian, categorical, poisson, gamma, binomial, "
            "negativebinomial, regression, density, zipf, mixture, logistic or bigram, with the parameters below."
        ),
    ] = None,
    workflow: Annotated[
        str | None,
        typer.Option(
            help="With --family: replace, fixed-real, fresh-real, accumulate, accumulate-subsample, bootstrap, sliding-window "
            "or random-past."
        ),
    ] = None,
    synthetic: Annotated[
        str | None,
        typer.Option(help="With --workflow: synthetic samples per generation. Default: as many as real ones."),
    ] = None,
    real: Annotated[
        str | None, typer.Option(help="With --workflow: real samples. Default: as many as synthetic ones.")
    ] = None,
    train: Annotated[
        str | None, typer.Option(help="Training set of accumulate-subsample, at most --real. Default: --real.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Of the real part of fresh-real. Default: its share.")] = None,
    models: Annotated[str | None, typer.Option(help="Of a sliding-window. Default: 3.")] = None,
    dimension: options.Dimension = None,
    vocabulary: options.Vocabulary = None,
    zipf: options.Zipf = None,
    mean: options.Mean = None,
    shape: options.Shape = None,
    trials: options.Trials = None,
    probability: options.Probability = None,
    size: options.Size = None,
    noise: options.Noise = None,
    bandwidth: options.Bandwidth = None,
    exponent: options.Exponent = None,
    components: options.Components = None,
    separation: options.Separation = None,
    signal: options.Signal = None,
    penalty: options.Penalty = None,
    corpus: options.Text = None,
    length: options.Length = None,
    every: Annotated[
        bool, typer.Option("--all", help="With --workflow: also the theorems that do not hold there, and why not.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the theorems, or show one: statement, assumptions, sources, closed form, derivation.

    With --family and --workflow: which of them hold there; with --all also why the others do not.

    Examples: modelcollapse theorems; modelcollapse theorems accumulate --derivation;
    modelcollapse theorems --family categorical --vocabulary 50 --workflow fresh-real --real 100 --synthetic 1000
    """
    from modelcollapse import refusals
    from modelcollapse.theory import ledger

    given = options.typed(context)
    problem = {each: value for each, value in given.items() if each not in ("name", "every", *FORMS)}
    if problem:
        _applicability(name, problem, [each for each in FORMS[:-1] if each in given], every, as_json)
        return
    if every and name is not None:
        raise refused("all", True, "belongs to --family and --workflow: give them, or leave it out")
    if name is None:
        if derivation or latex or code:
            raise refused(
                "derivation" if derivation else "latex" if latex else "code", True, "name the theorem to show"
            )
        records = [each.as_record() for each in ledger.theorems()]
        if as_json:
            output.print_json({"theorems": records})
            return
        from modelcollapse import report

        report.theorems(ledger.theorems())
        return
    if latex + code + as_json > 1 or (derivation and (latex or code)):
        raise refused("code" if code else "latex", True, "ask for one form: --json, --latex, --code or --derivation")
    with refusals.of({"name": name}, {}):
        theorem = ledger.named(name)
    if as_json:
        from modelcollapse.report import theorem_json

        output.print_json(theorem_json(theorem, derivation=derivation))
    elif latex or code:
        if all(each.derive is None for each in theorem.forms):
            raise refused("latex" if latex else "code", True, f"{name} has {NO_FORM}: see --derivation")
        typer.echo(_latex(theorem) if latex else _code(theorem))
    else:
        from modelcollapse import report

        report.theorem(theorem, derivation=derivation)


FORMS = ("derivation", "latex", "code", "as_json")
NO_FORM = "no closed form of its own"


def _latex(theorem: Theorem) -> str:
    """The closed forms of a theorem, each below the name of its case."""
    if not theorem.cases:
        return theorem.latex
    return "\n".join(
        f"% {each.name}\n{each.latex}" if each.derive else f"% {each.name}: {NO_FORM}" for each in theorem.cases
    )


def _code(theorem: Theorem) -> str:
    """The closed forms of a theorem as one Python file."""
    functions = [each.function if each.derive else f"# {each.name}: {NO_FORM}" for each in theorem.forms]
    return "\n\n\n".join(["import mpmath", *functions])


def _applicability(name: str | None, given: dict[str, str], forms: list[str], every: bool, as_json: bool) -> None:
    """Which theorems hold for the family under the workflow that options name; of ``every`` one, or one named, why not."""
    from modelcollapse import problem, refusals, report

    if forms:
        raise refused(forms[0], True, "shows one theorem: leave it out, or leave out the family and its workflow")
    with refusals.of(given, {}):
        f, w = problem.of(given)
    with refusals.of({"name": name}, {}):
        rows = problem.theorems_for(name, f, w)
    if as_json:
        output.print_json({
            "family": type(f).__name__, "workflow": type(w).__name__,
            "applies": report.many(each for each in rows if each.applies),
            "theorems": [each.as_record() for each in rows],
        })  # fmt: skip
        return
    report.applicability(problem.words(given, w), rows, reasons=every or name is not None)
