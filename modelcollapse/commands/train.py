"""`modelcollapse train`: language models trained on their own text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from modelcollapse.terminal import number, refused, whole

from . import options, output, runtime


def command(
    context: typer.Context,
    corpus: Annotated[
        str,
        typer.Option(
            help="Text: path.txt, path.jsonl[:column], path.parquet[:column], hf:name, builtin:pydoc or builtin:stdlib."
        ),
    ] = "builtin:pydoc",
    workflows: Annotated[
        str,
        typer.Option(
            help="Of replace, accumulate, subsample, fixed, fresh, rephrase, NAME.json, with commas. fixed:0.3, fresh:0.3 and "
            "rephrase:0.3 make 30 % of a pool synthetic beside all of the real text; without a share half of it."
        ),
    ] = "replace,accumulate,subsample,fixed:0.5",
    generations: Annotated[str, typer.Option(help="Last generation; 1 is the first model.")] = "5",
    seeds: Annotated[str, typer.Option(help="How many seeds.")] = "2",
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    real: Annotated[str, typer.Option(help="Tokens of real text that generation 1 is trained on.")] = "32768",
    length: Annotated[str, typer.Option(help="Tokens in a window, the unit of sampling.")] = "64",
    width: Annotated[str, typer.Option(help="Width of the decoder.")] = "64",
    layers: Annotated[str, typer.Option(help="Layers of the decoder.")] = "3",
    heads: Annotated[str, typer.Option(help="Attention heads of the decoder.")] = "4",
    steps: Annotated[
        str, typer.Option(help="Most training steps of a model; with --by-epochs of the first one.")
    ] = "300",
    batch: Annotated[str, typer.Option(help="Windows in a step.")] = "32",
    learning_rate: Annotated[str, typer.Option(help="Peak of the learning rate.")] = "1e-2",
    fixed_steps: Annotated[
        bool, typer.Option("--fixed-steps", help="No early stopping: take all steps and keep the last weights.")
    ] = False,
    by_epochs: Annotated[
        bool, typer.Option("--by-epochs", help="Steps in proportion to the pool, rather than the same for every pool.")
    ] = False,
    continued: Annotated[
        bool, typer.Option("--continued", help="Start from the weights of the generation before, not afresh.")
    ] = False,
    temperature: Annotated[str, typer.Option(help="Of the text that models write.")] = "1",
    top_p: Annotated[
        str, typer.Option(help="Write only from the most likely tokens that make up this probability.")
    ] = "1",
    squeeze: Annotated[bool, typer.Option("--squeeze", help="Make every run of whitespace one character.")] = False,
    bpe: Annotated[str | None, typer.Option(help="Byte-pair tokens: how many. Default: bytes.")] = None,
    filter_: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="Keep what passes likelihood[:LOW:HIGH], duplicates[:ORDER:SHARE] or classifier[:SHARE]; repeatable.",
        ),
    ] = None,
    grid: Annotated[
        str | None, typer.Option(help="Also train students of REAL:SYNTHETIC tokens, such as 8192,32768:8192,32768.")
    ] = None,
    retrainings: Annotated[str, typer.Option(help="Re-trainings of generation 1, which measure the noise.")] = "3",
    calibration: Annotated[str, typer.Option(help="Steps of replacing that the prediction may see.")] = "1",
    processes: Annotated[int | None, typer.Option(help="Processes for the seeds. Default: one a seed.")] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", parser=options.path, metavar="FOLDER", help="Folder of the run; an interrupted one goes on there."
        ),
    ] = Path("train-out"),
    as_json: options.Json = False,
) -> None:
    """Train language models on their own text: predictions are frozen first, then scored.

    Calibrates on generation 1, re-trainings and one step of replacing; predicts every workflow; trains them; scores.

    Examples: modelcollapse train --corpus notes.txt --generations 5;
    modelcollapse train --workflows replace,accumulate --temperature 0.3 --squeeze --generations 4 --out cold
    """
    from modelcollapse import refusals, train

    length_, real_ = whole("length", length), whole("real", real)
    if real_ < length_:
        raise refused("real", real, f"at least one window of --length {length} tokens")
    given = {name: whole(name, text) for name, text in (
        ("generations", generations), ("seeds", seeds), ("width", width), ("layers", layers), ("heads", heads), ("steps", steps),
        ("batch", batch), ("bpe", bpe), ("retrainings", retrainings), ("calibration", calibration),
    )}  # fmt: skip
    sizes = {name: value for name, value in given.items() if value is not None}
    if not 0 <= seed < 2**31:
        raise refused("seed", seed, "a whole number from 0 to 2^31 - 1")
    if processes is not None and processes < 1:
        raise refused("processes", processes, "a number of processes, at least 1")
    runtime.use_double()
    typed = context.params | {"filter": ",".join(filter_ or ())}
    with refusals.of(typed, {}, refusals.TRAIN):
        experiment = train.experiment(
            corpus, workflows, length=length_, real=real_, seed=seed, learning_rate=number("learning-rate", learning_rate),
            fixed_steps=fixed_steps, by_epochs=by_epochs, continued=continued, temperature=number("temperature", temperature),
            top_p=number("top-p", top_p), squeeze=squeeze, checks=filter_ or (), cells=grid, **sizes,
        )  # fmt: skip
        _ = experiment.windows, experiment.shape  # refused before anything is written
    output.folder(out)
    record = run(experiment, out, processes, as_json)
    if as_json:
        output.print_json(record)


def run(experiment: Any, out: Path, processes: int | None, as_json: bool) -> dict[str, Any]:
    """Run an experiment, with progress; write and show what came out."""
    from modelcollapse import report, run_report, train
    from modelcollapse.lm import run as runs
    from modelcollapse.terminal import trainings

    with trainings() as told:
        done = runs.run(experiment, out, processes=processes, told=told)
    record = train.as_json(done)
    files = output.pictures(out, record, lambda where: _draw(done, where), "result")
    if not as_json:
        run_report.show(done)
        report.files(files)
    return files | record  # the workflows last


def _draw(done: Any, where: Path) -> list[Path]:
    from modelcollapse import pictures

    return pictures.draw_run(done, where)
