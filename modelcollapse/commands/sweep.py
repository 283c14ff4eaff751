"""`modelcollapse sweep`: a grid of simulated chains beside theory, whole or in shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelcollapse.terminal import refused, whole

from . import options, output, runtime

if TYPE_CHECKING:
    from modelcollapse.division import Jobs, Merge


def command(
    context: typer.Context,
    family: Annotated[
        str,
        typer.Option(
            help="gaussian, categorical, poisson, gamma, binomial, negativebinomial, regression, density, zipf, mixture, "
            "logistic or bigram."
        ),
    ] = "gaussian",
    samples: Annotated[str, typer.Option(help="Samples per generation, with commas: 10,100,1000.")] = "10,100,1000",
    workflows: Annotated[
        str,
        typer.Option(
            help="Of replace, accumulate, subsample, bootstrap, fixed[:SHARE], fresh[:SHARE], window[:MODELS], past, with "
            "commas."
        ),
    ] = "replace,accumulate,subsample",
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
    temperature: Annotated[
        str | None,
        typer.Option(help="At which models are sampled: an axis. Of categorical, gaussian, zipf and later ones."),
    ] = None,
    top_p: Annotated[
        str | None, typer.Option(help="Nucleus of next tokens: an axis. Of categorical, zipf and bigram.")
    ] = None,
    verifier: Annotated[
        str | None,
        typer.Option(
            metavar="RIGHT,WRONG",
            help="Chances that a right and a wrong sample is kept: a label of logistic, a window of bigram.",
        ),
    ] = None,
    curation: Annotated[
        str | None,
        typer.Option(
            metavar="CHOICES[:REWARD]",
            help="Keep one of so many samples, by a reward of label 1, the first token, the commonest byte or a coordinate.",
        ),
    ] = None,
    generations: Annotated[str, typer.Option(help="Last generation; 1 is the first model.")] = "100",
    chains: Annotated[str, typer.Option(help="Simulated chains of each cell.")] = "1000",
    seed: Annotated[int, typer.Option(help="Seed of the chains; the first one.")] = 0,
    seeds: Annotated[str, typer.Option(help="How many seeds: an axis of its own, if more than one.")] = "1",
    double: Annotated[bool, typer.Option("--double", help="Double precision: half as fast.")] = False,
    memory: Annotated[
        str | None, typer.Option(help="What chains may take at once, such as 4GB. Default: half of what is free.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Stop after so long, such as 90s or 2h, with exit code 3; the same command goes on."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=options.path,
            metavar="FILE.nc",
            help="netCDF file, or FILE.zarr (extra zarr) for large grids, and a picture beside it, FILE.nc.png. What is not "
            "finished is kept in FILE.nc.parts, from which the same command goes on.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Only every N-th cell from the I-th on, into FILE-I-of-N.nc (or the whole FILE.zarr)."
        ),
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Put the PIECES of all shards together, into --out.")] = False,
    pieces: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PIECES]...", help="Files of shards, for --merge.", show_default=False),
    ] = None,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Be one of several processes that share the cells: where process 0 can be reached. It alone writes and reports.",
        ),
    ] = None,
    process: Annotated[int | None, typer.Option(help="Which of the processes this is, from 0.")] = None,
    processes: Annotated[int | None, typer.Option(help="How many processes there are.")] = None,
    slurm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="Submit --shards jobs (extra cluster): partition, account, qos, constraint, cpus, gpus, time, memory, at_once; "
            "cluster=local runs them on this machine, all at once.",
        ),
    ] = None,
    shards: Annotated[str | None, typer.Option(help="How many jobs --slurm submits.")] = None,
    as_json: options.Json = False,
) -> None:
    """A grid of simulated chains beside what theory predicts.

    Exit code 0: done; 1: a cell is further from theory than chance allows; 2: refused; 3: unfinished after --time, run the same
    command again.

    Lists make axes: every family parameter, --samples, --workflows, --temperature and --top-p. Moments and quantiles are kept,
    not chains. Where theory has no exact answer a cell stands alone: logistic, bigram, and whatever is selected.

    Examples: modelcollapse sweep --dimension 1,10 --samples 10,100 --workflows replace,accumulate --out grid.nc;
    modelcollapse sweep --family categorical --vocabulary 50,1000 --zipf 0,1 --workflows replace,fixed:0.5 --chains 1e5;
    modelcollapse sweep --family bigram --corpus notes.txt --samples 160 --temperature 0.8,1 --chains 16 --generations 10

    On many machines the numbers are the same: --shard 1/3 and so on, then sweep --merge grid-*-of-3.nc --out grid.nc; or
    --coordinator HOST:PORT --process 0 --processes 3; or --slurm partition=long,cpus=8,time=4h --shards 20.
    """
    from modelcollapse import division, refusals, sweeping

    if out is not None and out.is_dir() and out.suffix != ".zarr":
        raise refused("out", str(out), f"is a folder: name a file, such as {out / 'grid.nc'}")
    way = division.of(shard, coordinator, (process, processes), slurm, shards, merge, tuple(pieces or ()), out)
    own = options.typed(context)
    if isinstance(way, division.Merge):
        _merge(way, out, as_json, own)
        return
    count, last, many = whole("chains", chains), whole("generations", generations), whole("seeds", seeds)
    if not 0 <= seed <= 2**63 - many:
        last_seed = "2^63 - 1" if many == 1 else f"2^63 - {many:,}, the first of {many:,} that follow each other"
        raise refused("seed", seed, f"a whole number from 0 to {last_seed}")
    if time is not None and out is None:
        raise refused("time", time, "name a file with --out, from which the sweep can go on")
    given = {"dimension": dimension, "vocabulary": vocabulary, "zipf": zipf, "mean": mean, "shape": shape, "trials": trials,
             "probability": probability, "size": size, "noise": noise, "bandwidth": bandwidth,
             "exponent": exponent, "components": components, "separation": separation, "signal": signal, "penalty": penalty,
             "length": length}  # fmt: skip
    steps = sweeping.Selection(temperature, top_p, verifier, curation)
    axes, cell = sweeping.axes(family, given, samples, workflows, many, seed, corpus, steps)
    limits = {"memory": sweeping.quantity("memory", memory), "time": sweeping.quantity("time", time)}
    if isinstance(way, division.Jobs):
        with refusals.of(context.params, sweeping.DEFAULTS, refusals.SWEEP):
            sweeping.check(axes, cell, last, count, seed, double, way)
        _submit(own, way, as_json)
        return
    runtime.use_double(wide=True)
    from modelcollapse.simulate.sweep import Stopped
    from modelcollapse.terminal import trainings

    part = (way.i, way.n) if isinstance(way, division.Shard) else None
    try:
        with (
            division.joined(way),
            trainings("cells") as told,
            refusals.of(context.params, sweeping.DEFAULTS, refusals.SWEEP),
        ):
            data, seconds, ran = sweeping.run(axes, cell, last, count, seed, double, out, part, limits, told)
    except Stopped as stopped:
        typer.echo(f"modelcollapse: --time {time}: unfinished: {stopped.done} of {stopped.cells} cells are finished and kept "
                   f"beside {out}: run the same command again", err=True)  # fmt: skip
        raise typer.Exit(UNFINISHED) from None
    record = sweeping.as_json(data, seconds, ran)
    if not process:
        _show(data, record, division.written(out, way), as_json)
    if record["outside"]:
        raise typer.Exit(1)


UNFINISHED = 3  # exit code


def _show(data: Any, record: dict[str, Any], out: Path | None, as_json: bool) -> None:
    if out is not None:
        from modelcollapse import sweep_pictures

        drawn = (
            [str(sweep_pictures.draw(data, out.with_name(f"{out.name}.png")))] if sweep_pictures.can_draw(data) else []
        )
        record = {"files": [str(out), *drawn]} | record
    if as_json:
        output.print_json(record)
    else:
        from modelcollapse import report, sweep_report

        sweep_report.show(data, record, out)
        report.files(record)


def _merge(way: Merge, out: Path | None, as_json: bool, own: dict[str, Any]) -> None:
    """Put pieces together, and show the whole."""
    import time

    from modelcollapse import refusals, sweeping

    for name, value in own.items():
        if name not in ("merge", "pieces", "out", "as_json"):
            raise refused(name, value, "leave it out: pieces say what they are of")
    for piece in way.pieces:
        if piece.suffix == ".zarr":
            raise refused("merge", str(piece), "a Zarr store needs no merging: it is whole when its last shard ends")
        if piece.is_dir():
            raise refused("merge", str(piece), "is a folder: name the files of all shards")
    started = time.monotonic()
    runtime.use_double()
    from modelcollapse.simulate.shards import merge

    with refusals.of({"out": out, "pieces": None, "merge": True}, {}, refusals.SWEEP):
        data = merge(way.pieces, out)
    record = sweeping.as_json(data, time.monotonic() - started, 0)
    _show(data, record, out, as_json)
    if record["outside"]:
        raise typer.Exit(1)


def _submit(own: dict[str, Any], way: Jobs, as_json: bool) -> None:
    """Submit the shards, and say how to put their pieces together."""
    from modelcollapse import cluster

    options = {name: value for name, value in own.items() if name not in ("out", "slurm", "shards", "as_json")}
    jobs = cluster.submit(options, way)
    record = {"jobs": [each.job_id for each in jobs], "logs": str(cluster.logs(way.out)), "then": cluster.then(way)}
    if as_json:
        output.print_json(record)
        return
    typer.echo(
        f"submitted {len(jobs)} jobs: {', '.join(record['jobs'])}; they write what they say into {record['logs']}"
    )
    typer.echo(f"when all have ended: {record['then']}")
