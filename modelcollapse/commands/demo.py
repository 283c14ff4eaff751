"""`modelcollapse demo`: the main job on the built-in text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from modelcollapse.terminal import bar

from . import options, output, runtime, verify
from . import plan as planned
from . import train as trained


def command(
    corpus: Annotated[str, typer.Option(help="The text to plan for.")] = "builtin:pydoc",
    out: Annotated[
        Path, typer.Option("--out", parser=options.path, metavar="FOLDER", help="Folder for pictures and results.")
    ] = Path("demo-out"),
    chains: options.Chains = "4096",
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """The main job on the built-in text: plan it, verify every theorem against chains, train a small model on its own text.

    Leaves pictures. The recursion: predictions frozen, then four generations of a decoder under four workflows, two seeds.
    """
    from modelcollapse import plan as plans
    from modelcollapse import planning, report, train

    output.folder(out)
    size = verify.check_chains(chains, seed, 1e-3)
    runtime.use_double()
    experiment = train.experiment(
        corpus, "replace,accumulate,subsample,fixed:0.5", real=16_384, length=64, seed=seed, seeds=2, width=48, layers=2,
        steps=200, generations=4,
    )  # fmt: skip
    place = train.checked(experiment, out)
    made = planning.made(planning.Pipeline(corpus, generations="20"))
    if not as_json:
        report.plan(made)
    verdicts = verify.simulated(None, size, seed, 1e-3)
    record: dict[str, Any] = {"plan": plans.as_json(made), "verdicts": [report.verdict_json(each) for each in verdicts]}
    if not as_json:
        report.verdicts(verdicts, size, 1e-3)

    def draw(where: Path) -> list[Path]:
        return [*planned.draw(made, None, where), *_draw_chains(where, size, seed)]

    pictures = output.pictures(out, record, draw, "demo")
    if not as_json:
        report.files(pictures)
    recursion = trained.run(experiment, place, None, as_json)
    if as_json:
        output.print_json(record | pictures | {"recursion": recursion})
    if not all(each.passed for each in verdicts):
        raise typer.Exit(1)


def _draw_chains(where: Path, chains: int, seed: int) -> list[Path]:
    from modelcollapse import pictures

    with bar("simulating the pictures") as moved:
        return pictures.draw_chains(where, chains=chains, seed=seed, progress=moved)
