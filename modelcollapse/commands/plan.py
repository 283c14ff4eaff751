"""`modelcollapse plan`: how much synthetic data is safe, and the questions beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options, output

if TYPE_CHECKING:
    from modelcollapse.plan import Plan
    from modelcollapse.planning import Pipeline


def _asks(question: str) -> Any:
    """An option of `plan` that is a question."""
    return typer.Option(help=question, rich_help_panel="Questions, answered beside the plan or alone")


def command(
    context: typer.Context,
    corpus: options.Corpora = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="A token of a corpus or of snapshots is: words (the default; case kept, joined over ' and -) or bytes."
        ),
    ] = None,
    real: options.Real = None,
    vocabulary: Annotated[str | None, typer.Option(help="Number of different tokens, without a corpus.")] = None,
    zipf: Annotated[
        str | None, typer.Option(help="Exponent of Zipf's law, without a corpus; 0: all tokens alike. Default: 1.")
    ] = None,
    synthetic: Annotated[
        str | None, typer.Option(help="Synthetic samples per generation. Default: as many as real ones.")
    ] = None,
    train: Annotated[
        str | None, typer.Option(help="Training set of accumulate-subsample, at most --real. Default: --real.")
    ] = None,
    generations: Annotated[
        str | None, typer.Option(help="Last generation to look at; 1 is the first model. Default: 10.")
    ] = None,
    tolerance: Annotated[
        str | None,
        typer.Option(help="How much worse than real data alone the error may become. Default: 0.1, which is 10 %."),
    ] = None,
    as_truth: Annotated[
        bool, typer.Option("--as-truth", help="Read the corpus as the truth, not as the data of generation 1.")
    ] = False,
    snapshots: Annotated[
        str | None,
        _asks(
            "How fast does my pipeline forget? before.txt,after.txt so many --generations apart (default: 1); then ,trained: "
            "models were trained on these very data."
        ),
    ] = None,
    count: Annotated[
        str | None, _asks("When is a token gone that is seen so often? Needs --real or a --corpus.")
    ] = None,
    retain: Annotated[str | None, _asks("How many real samples keep this share of the diversity, such as 0.9?")] = None,
    rare: Annotated[str | None, _asks("How many real samples keep a thing of this probability, such as 1e-4?")] = None,
    pilot: Annotated[
        str | None,
        _asks("Runs in a csv with the columns real, synthetic, loss[, error]: how much synthetic data is best?"),
    ] = None,
    worth: Annotated[
        str | None, _asks("How much is best of a source whose samples are worth no more than this many real ones?")
    ] = None,
    contamination: Annotated[
        str | None, _asks("Is this share of synthetic data dangerous? Needs --worth or --pilot.")
    ] = None,
    model_size: Annotated[
        str | None,
        _asks(
            "Does model size help? size,covariates[,decay[,signal]], such as 200,1000. Needs --real, --worth, --contamination."
        ),
    ] = None,
    sources: Annotated[str | None, _asks("What are so many sources of one --worth worth together?")] = None,
    teacher: Annotated[
        str | None, _asks("How many samples of a teacher help, fitted on so many real ones[,of which the student's]?")
    ] = None,
    verifier: Annotated[
        str | None, _asks("Does a verifier help that keeps right and wrong labels with these chances, such as 0.9,0.2?")
    ] = None,
    accuracy: Annotated[
        str | None, _asks("With --verifier, --regenerate: the chance that a generated label is right.")
    ] = None,
    regenerate: Annotated[
        str | None,
        _asks("Regenerate so many labels and filter them, or use --real ones again? Needs --verifier and --accuracy."),
    ] = None,
    stop: Annotated[
        str | None,
        _asks(
            "When is retraining on verified data best stopped? share moved to it in a round,error at first,its bias[,noise]."
        ),
    ] = None,
    temperature: Annotated[
        str | None, _asks("Does sampling at this temperature hurt, such as 0.8? Needs --vocabulary.")
    ] = None,
    multiplier: Annotated[
        str | None, _asks("How many samples are harmless whose variance is so many times that of their model?")
    ] = None,
    curation: Annotated[
        str | None, _asks("Does choosing by a reward amplify a trait? reward[,choices[,share in truth]], such as 1,2.")
    ] = None,
    detector: Annotated[
        str | None,
        _asks("Does a detector pay that calls real and synthetic items real with these chances? Needs --share."),
    ] = None,
    stream: Annotated[str | None, _asks("What does a stream come to of which models wrote this share?")] = None,
    recover: Annotated[
        str | None, _asks("When is what has collapsed back within this share of where new real data holds it?")
    ] = None,
    batches: Annotated[
        str | None,
        _asks("Must I keep the old data, where models add so many samples each, such as 500,2000? Needs --real."),
    ] = None,
    replaceable: Annotated[
        str | None,
        _asks("How much of a training set may be synthetic instead of new real, at this share of more error?"),
    ] = None,
    phases: Annotated[bool, _asks("What share of the data must be real? With --out a picture of the regimes.")] = False,
    budget: Annotated[
        str | None,
        _asks(
            "What does it buy best? total=1000,real=1,synthetic=0.1: all there is, prices of an item; verification, training too."
        ),
    ] = None,
    correction: Annotated[
        str | None, _asks("With --budget: a verifier as means feel it, contraction,worth[,share that it keeps].")
    ] = None,
    at_least: Annotated[
        str | None,
        _asks(
            "With --budget: how many items every later model is trained on, at least. More than is best: then all weigh alike."
        ),
    ] = None,
    share: Annotated[
        str | None,
        _asks("With --temperature, --multiplier, --curation, --detector, --model-size: share of synthetic data."),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(metavar="0|1|2", help="Plan for a table of bytes given so many before, context by context."),
    ] = None,
    out: options.Out = None,
    as_json: options.Json = False,
) -> None:
    """How much synthetic data is safe: error, limit, safe amounts and survivors for five workflows.

    With a corpus its tokens are the real data that generation 1 is trained on. Without one, --real N --vocabulary V --zipf s.
    Options that are questions are answered beside the plan, or alone; each names its theorem.

    Examples: modelcollapse plan --corpus notes.txt --tolerance 0.1;
    modelcollapse plan --real 1000000 --vocabulary 50000 --zipf 1.1 --synthetic 250000 --json
    """
    from dataclasses import fields, replace

    from modelcollapse import asking, planning, questions, refusals
    from modelcollapse import plan as plans

    given = options.typed(context)
    pipeline = planning.Pipeline(
        **{one.name: given[one.name] for one in fields(planning.Pipeline) if one.name in given}
    )
    asked = {name: given[name] for name in questions.ASKED if name in given}
    if "snapshots" in asked and pipeline.corpus is None:
        pipeline = replace(pipeline, unit=None)  # it is said of the snapshots
    around = {name: given[name] for name in asking.AROUND if name in given}
    if order is not None:
        _in_order(pipeline, order, asked | around, out, as_json)
        return
    if out is not None:
        output.folder(out)
    made, record = None, {}
    planned = planning.wants_a_plan(asked, pipeline)
    asking.check_use(asked, around if planned else around | planning.seen(pipeline))
    if planned:
        with refusals.of(given, {}):
            made = planning.made(pipeline)
        record = plans.as_json(made)
    answers = asking.answers(asked, asking.known(made, pipeline, around), given)
    if answers:
        record["answers"] = plans.finite([each.as_record() for each in answers])
    tokens = next((each.numbers["vocabulary"] for each in answers if each.option == "phases"), None)
    pictures = output.pictures(out, record, lambda where: draw(made, tokens, where), "plan")
    if as_json:
        output.print_json(record | pictures)
        return
    from modelcollapse import report

    if made:
        report.plan(made)
    report.answered(answers)
    report.files(pictures)


def _in_order(pipeline: Pipeline, order: str, others: dict[str, str], out: Path | None, as_json: bool) -> None:
    """The plan for what follows each context of a text."""
    from modelcollapse import plan as plans
    from modelcollapse import planning, refusals, report

    with refusals.of(vars(pipeline), {}):
        made, source = planning.order_plan(pipeline, order, others)
    if out is not None:
        output.folder(out)
    record = {"source": source} | plans.order_json(made)
    files = output.pictures(out, record, lambda where: [], f"plan-order-{made.order}")
    if as_json:
        output.print_json(record | files)
        return
    report.order_plan(source["name"], made)
    report.files(files)


def draw(made: Plan | None, phases: int | None, where: Path) -> list[Path]:
    """The pictures of a plan, if one was made, and of the regimes for so many tokens."""
    from modelcollapse import pictures
    from modelcollapse.questions import regimes

    drawn = [] if made is None else pictures.draw_plan(made, where)
    return drawn if phases is None else [*drawn, pictures.draw_phases(regimes.diagram(phases), where)]
