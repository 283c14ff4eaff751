"""The command line: strings become records here, and nowhere else.

Results go to standard output, progress and refusals to standard error. Exit code 0: done; 1: a theorem did not hold;
2: the input is refused, in one line; 3: a sweep is unfinished after --time, and the same command goes on.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .terminal import bar, number, refused, speak_plainly, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from .division import Jobs, Merge
    from .plan import Plan

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How much synthetic data may a model be trained on? Closed forms, derived, simulated and checked.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def _path(text: str) -> Path:
    if not text:  # an InputError would lose its words on its way through the parser
        raise typer.BadParameter('"": name a place to write to, or leave it out')
    return Path(text)


Out = Annotated[
    Path | None,
    typer.Option("--out", parser=_path, metavar="FOLDER", help="Write pictures and the result (json) there."),
]
Seed = Annotated[int, typer.Option(help="Seed of the simulated chains.")]
Chains = Annotated[str, typer.Option(help="Number of simulated chains.")]
Real = Annotated[str | None, typer.Option(help="Number of real samples, without a corpus.")]
Corpora = Annotated[
    str | None,
    typer.Option(
        help="path.txt, path.jsonl[:column], path.parquet[:column], a csv of counts, hf:name, builtin:pydoc, builtin:stdlib, "
        "or - for standard input."
    ),
]


def _asks(question: str) -> Any:
    """An option of `plan` that is a question."""
    return typer.Option(help=question, rich_help_panel="Questions, answered beside the plan or alone")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """How much synthetic data may a model be trained on? Closed forms, derived, simulated and checked."""
    if version:
        from . import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command("plan")
def plan_command(
    corpus: Corpora = None,
    unit: Annotated[
        str | None, typer.Option(help="A token is: words (the default; case kept, joined over ' and -) or bytes.")
    ] = None,
    real: Real = None,
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
    sources: Annotated[str | None, _asks("What are so many sources of one --worth worth together?")] = None,
    teacher: Annotated[
        str | None, _asks("How many samples of a teacher help, fitted on so many real ones[,of which the student's]?")
    ] = None,
    verifier: Annotated[
        str | None, _asks("Does a verifier help that keeps right and wrong labels with these chances, such as 0.9,0.2?")
    ] = None,
    accuracy: Annotated[str | None, _asks("With --verifier: the chance that a generated label is right.")] = None,
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
    phases: Annotated[bool, _asks("What share of the data must be real? With --out a picture of the regimes.")] = False,
    budget: Annotated[
        str | None, _asks("What does it buy best? total=1000,real=1,synthetic=0.1[,verification=...][,training=...].")
    ] = None,
    correction: Annotated[
        str | None, _asks("With --budget: a verifier as means feel it, contraction,worth[,share that it keeps].")
    ] = None,
    at_least: Annotated[
        str | None, _asks("With --budget: how many items every later model is trained on, at least.")
    ] = None,
    share: Annotated[
        str | None, _asks("With --temperature, --multiplier, --curation, --detector: the share of synthetic data.")
    ] = None,
    order: Annotated[
        int | None, typer.Option(help="Plan for a table of bytes given the last 0, 1 or 2 bytes, context by context.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """How much synthetic data is safe: error, limit, safe amounts and survivors for five workflows.

    With a corpus its tokens are the real data that generation 1 is trained on. Without one, --real N --vocabulary V --zipf s.
    Options that are questions are answered beside the plan, or alone; each names its theorem.

    Examples: modelcollapse plan --corpus notes.txt --tolerance 0.1;
    modelcollapse plan --real 1000000 --vocabulary 50000 --zipf 1.1 --synthetic 250000 --json
    """
    sizes = {"real": real, "vocabulary": vocabulary, "zipf": zipf}
    asked = {"count": count, "retain": retain, "rare": rare, "pilot": pilot, "worth": worth, "contamination": contamination,
             "sources": sources, "teacher": teacher, "verifier": verifier, "stop": stop, "temperature": temperature,
             "multiplier": multiplier, "curation": curation, "detector": detector, "stream": stream,
             "recover": recover, "phases": "yes" if phases else None, "budget": budget}  # fmt: skip
    context = {"share": share, "accuracy": accuracy, "correction": correction, "at-least": at_least}
    from . import plan as plans
    from . import planning

    if order is not None:
        given = {"unit": unit, **sizes, "as-truth": as_truth or None, **asked, **context}
        ordered, source = planning.order_plan(
            corpus, order, synthetic, train, generations or "10", tolerance or "0.1", given
        )
        if out is not None:
            _folder(out)
        record = {"source": source} | plans.order_json(ordered)
        files = _pictures(out, record, lambda where: [], f"plan-order-{order}")
        if as_json:
            _print_json(record | files)
            return
        from . import report

        report.order_plan(source["name"], ordered)
        report.files(files)
        return
    if out is not None:
        _folder(out)
    made, record = None, {}
    planned = planning.wants_a_plan(asked, corpus, real, vocabulary, (unit, zipf, train, as_truth or None))
    seen = {
        "real": real,
        "synthetic": synthetic,
        "vocabulary": vocabulary,
        "generations": generations,
        "tolerance": tolerance,
    }
    planning.check_context(asked, context if planned else context | seen)
    if planned:
        made = planning.made(
            corpus, unit, real, vocabulary, zipf, synthetic, train, generations or "10", tolerance or "0.1", as_truth
        )
        record = plans.as_json(made)
    answers = planning.answers(
        asked, planning.known(made, real, synthetic, vocabulary, context | {"generations": generations})
    )
    if answers:
        record["answers"] = plans.finite([each.as_record() for each in answers])
    tokens = next((each.numbers["vocabulary"] for each in answers if each.option == "phases"), None)
    pictures = _pictures(out, record, lambda where: _draw_plan(made, tokens, where), "plan")
    if as_json:
        _print_json(record | pictures)
        return
    from . import report

    if made:
        report.plan(made)
    report.answered(answers)
    report.files(pictures)


@app.command("theorems")
def theorems_command(
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
    as_json: Json = False,
) -> None:
    """List the theorems, or show one: statement, assumptions, sources, closed form, derivation.

    With --family and --workflow: which of them hold there, and why the others do not.

    Examples: modelcollapse theorems; modelcollapse theorems accumulate --derivation;
    modelcollapse theorems --family categorical --vocabulary 50 --workflow fresh-real --real 100 --synthetic 1000
    """
    from modelcollapse.theory import ledger

    given: dict[str, Any] = {each: context.params[each] for each in context.params if _typed(context, each)}
    problem = {each: value for each, value in given.items() if each not in ("name", *FORMS)}
    if problem:
        _applicability(name, problem, [each for each in FORMS[:-1] if each in given], as_json)
        return
    if name is None:
        if derivation or latex or code:
            raise refused(
                "derivation" if derivation else "latex" if latex else "code", True, "name the theorem to show"
            )
        records = [each.as_record() for each in ledger.theorems()]
        if as_json:
            _print_json({"theorems": records})
            return
        from . import report

        report.theorems(ledger.theorems())
        return
    if latex + code + as_json > 1 or (derivation and (latex or code)):
        raise refused("code" if code else "latex", True, "ask for one form: --json, --latex, --code or --derivation")
    theorem = ledger.named(name)
    if as_json:
        from .report import theorem_json

        _print_json(theorem_json(theorem, derivation=derivation))
    elif latex or code:
        if theorem.derive is None:
            raise refused("name", name, f"{'--latex' if latex else '--code'} prints a closed form, and this theorem is a "
                           "finite computation: see --derivation")  # fmt: skip
        typer.echo(theorem.latex if latex else theorem.code)
    else:
        from . import report

        report.theorem(theorem, derivation=derivation)


FORMS = ("derivation", "latex", "code", "as_json")


def _applicability(name: str | None, given: dict[str, str], forms: list[str], as_json: bool) -> None:
    """Which theorems hold for the family under the workflow that options name, and why the others do not."""
    from . import problem, report

    if forms:
        raise refused(forms[0], True, "shows one theorem: leave it out, or leave out the family and its workflow")
    f, w = problem.of(given)
    rows = problem.theorems_for(name, f, w)
    if as_json:
        _print_json({
            "family": type(f).__name__, "workflow": type(w).__name__, "applies": sum(each.applies for each in rows),
            "theorems": [each.as_record() for each in rows],
        })  # fmt: skip
        return
    report.applicability(f, w, rows)


@app.command("verify")
def verify_command(
    names: Annotated[list[str] | None, typer.Argument(help="Theorems to verify; leave out for all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every theorem that can be observed, as without names.")] = False,
    chains: Annotated[
        str | None, typer.Option(help="Number of simulated chains. Default: 4096; of tables 256.")
    ] = None,
    seed: Seed = 0,
    budget: Annotated[float, typer.Option(help="Chance of a false alarm in the whole table.")] = 1e-3,
    corpus: Annotated[
        str | None, typer.Option(help="Verify on tables of the bytes of this text, context by context.")
    ] = None,
    order: Annotated[int | None, typer.Option(help="With --corpus: bytes in a context, 0, 1 or 2. Default: 1.")] = None,
    samples: Annotated[
        str | None,
        typer.Option(help="With --corpus: tokens per generation. Default: 10240; with --unit all of the text."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="With --corpus: verify on its words or bytes, whatever its size, not on tables.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="With --unit: what chains may take, such as 4GB. Default: half of what is free.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="With --unit: how long chains may take, such as 90s. Default: 60s.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check theorems against simulated chains; exit code 1 if one does not hold.

    All of them take two to three minutes on two cores.

    Examples: modelcollapse verify --all; modelcollapse verify accumulate fixed-real --chains 100000;
    modelcollapse verify --corpus builtin:pydoc --order 1; modelcollapse verify --corpus big.txt --unit words --time 2min
    """
    if every and (names or corpus is not None):
        other = " ".join(names) if names else f"--corpus {corpus}"
        raise refused("all", True, f"verifies every theorem: leave out {other}, or leave out --all")
    if unit is None:
        for name, value in (("memory", memory), ("time", time)):
            if value is not None:
                raise refused(
                    name, value, "limits chains of the tokens of a --corpus: name their --unit, words or bytes"
                )
    elif corpus is None or order is not None:
        raise refused(
            "unit", unit, "says how a --corpus is read, instead of --order: name the one, leave out the other"
        )
    if corpus is not None and unit is not None:
        _verify_groups(names, corpus, unit, samples, chains, memory, time, seed, budget, as_json)
        return
    if corpus is not None:
        _verify_tables(
            names, corpus, 1 if order is None else order, samples or "10240", chains or "256", seed, budget, as_json
        )
        return
    for name, given in (("order", order), ("samples", samples)):
        if given is not None:
            raise refused(name, given, "says how a text is read: name the --corpus, or leave it out")
    size = _check_chains(chains or "4096", seed, budget)
    verdicts = _verify(names, size, seed, budget)
    if as_json:
        from .report import verdict_json

        _print_json(
            {"chains": size, "seed": seed, "budget": budget, "verdicts": [verdict_json(each) for each in verdicts]}
        )
    else:
        from . import report

        report.verdicts(verdicts, size, budget)
    if not all(each.passed for each in verdicts):
        raise typer.Exit(1)


def _verify_tables(names: list[str] | None, corpus: str, order: int, samples: str, chains: str, seed: int, budget: float,
                   as_json: bool) -> None:  # fmt: skip
    """Theory against tables of a real text."""
    if names:
        raise refused("corpus", corpus, f"verifies every workflow: leave out {' '.join(names)}, or leave out --corpus")
    count, size = _check_chains(chains, seed, budget), whole("samples", samples)
    assert size is not None
    from . import report, tables

    if not tables.LENGTH <= size <= MOST_SAMPLES:
        raise refused("samples", samples, f"from {tables.LENGTH} to {MOST_SAMPLES:,} tokens")
    _use_double()
    with bar("simulating tables") as moved:
        rows, identities = tables.verify(corpus, order, size, count, seed, budget, moved)
    if as_json:
        _print_json({"corpus": corpus, "chains": count, "samples": size, **tables.as_json(rows, identities)})
    else:
        report.tables(rows, identities, corpus, size, count, budget)
    if not all([*(each.passed for each in rows), *(each.passed for each in identities)]):
        raise typer.Exit(1)


MOST_SAMPLES = 1_000_000


def _verify_groups(names: list[str] | None, corpus: str, unit: str, samples: str | None, chains: str | None, memory: str | None,
                   time: str | None, seed: int, budget: float, as_json: bool) -> None:  # fmt: skip
    """Theory against chains of the tokens of a text, as many as memory and time allow."""
    if names:
        raise refused("corpus", corpus, f"verifies every workflow: leave out {' '.join(names)}, or leave out --corpus")
    size = _check_chains(chains or str(LEAST_CHAINS), seed, budget)
    many = whole("samples", samples)
    from . import planning, report, sweeping, token_groups

    room = sweeping.quantity("memory", memory) or sweeping.free_memory() / 2
    limit = sweeping.quantity("time", time)
    planning.unit_of(unit)
    _use_double(wide=True)
    text = planning.read(corpus, unit)
    with bar("simulating chains") as moved:
        chosen, rows = token_groups.verify(
            text.counts, many, None if chains is None else size, room, limit, seed, budget, moved
        )
    if as_json:
        _print_json(
            {"corpus": corpus, "unit": unit, "samples": many or text.size, **token_groups.as_json(chosen, rows)}
        )
    else:
        report.groups(corpus, unit, many or text.size, chosen, rows, budget)
    if not all(each.passed for each in rows):
        raise typer.Exit(1)


LEAST_CHAINS = 20


def _check_chains(chains: str, seed: int, budget: float) -> int:
    size = whole("chains", chains)
    assert size is not None
    if size < LEAST_CHAINS:
        raise refused("chains", chains, f"a number of chains, at least {LEAST_CHAINS}: fewer could not show an error")
    if not 0 <= seed < 2**63:
        raise refused("seed", seed, "a whole number from 0 to 2^63 - 1")
    if not 0 < budget < 1:
        raise refused("budget", budget, "the chance of a false alarm, above 0 and below 1")
    return size


def _verify(names: list[str] | None, chains: int, seed: int, budget: float) -> list[Any]:
    _use_double()
    from . import verify

    selected = verify.chosen(names)
    verdicts = []
    with bar("simulating chains") as moved:
        for verdict in verify.verify(selected, chains=chains, seed=seed, budget=budget):
            verdicts.append(verdict)
            moved(len(verdicts), len(selected))
    return verdicts


@app.command("sweep")
def sweep_command(
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
            parser=_path,
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
    as_json: Json = False,
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
    from . import division, refusals, sweeping

    if out is not None and out.is_dir() and out.suffix != ".zarr":
        raise refused("out", str(out), f"is a folder: name a file, such as {out / 'grid.nc'}")
    way = division.of(shard, coordinator, (process, processes), slurm, shards, merge, tuple(pieces or ()), out)
    own = {name: value for name, value in context.params.items() if _typed(context, name)}
    if isinstance(way, division.Merge):
        _merge(way, out, as_json, own)
        return
    count, last, many = whole("chains", chains), whole("generations", generations), whole("seeds", seeds)
    assert count is not None and last is not None and many is not None
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
        with refusals.of(context.params, sweeping.DEFAULTS):
            sweeping.check(axes, cell, last, count, seed, double, way)
        _submit(own, way, as_json)
        return
    _use_double(wide=True)
    from modelcollapse.simulate.sweep import Stopped

    from .terminal import trainings

    part = (way.i, way.n) if isinstance(way, division.Shard) else None
    try:
        with division.joined(way), trainings("cells") as told, refusals.of(context.params, sweeping.DEFAULTS):
            data, seconds, ran = sweeping.run(axes, cell, last, count, seed, double, out, part, limits, told)
    except Stopped as stopped:
        typer.echo(f"modelcollapse: --time {time}: unfinished: {stopped.done} of {stopped.cells} cells are finished and kept "
                   f"beside {out}: run the same command again", err=True)  # fmt: skip
        raise typer.Exit(UNFINISHED) from None
    record = sweeping.as_json(data, seconds, ran)
    if not process:
        _show_sweep(data, record, division.written(out, way), as_json)
    if record["outside"]:
        raise typer.Exit(1)


UNFINISHED = 3  # exit code


def _show_sweep(data: Any, record: dict[str, Any], out: Path | None, as_json: bool) -> None:
    if out is not None:
        from . import sweep_pictures

        drawn = (
            [str(sweep_pictures.draw(data, out.with_name(f"{out.name}.png")))] if sweep_pictures.can_draw(data) else []
        )
        record = {"files": [str(out), *drawn]} | record
    if as_json:
        _print_json(record)
    else:
        from . import report, sweep_report

        sweep_report.show(data, record, out)
        report.files(record)


def _typed(context: typer.Context, name: str) -> bool:
    """Whether a person gave this option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _merge(way: Merge, out: Path | None, as_json: bool, own: dict[str, Any]) -> None:
    """Put pieces together, and show the whole."""
    import time

    from . import refusals, sweeping

    for name, value in own.items():
        if name not in ("merge", "pieces", "out", "as_json"):
            raise refused(name, value, "leave it out: pieces say what they are of")
    for piece in way.pieces:
        if piece.suffix == ".zarr":
            raise refused("merge", str(piece), "a Zarr store needs no merging: it is whole when its last shard ends")
        if piece.is_dir():
            raise refused("merge", str(piece), "is a folder: name the files of all shards")
    started = time.monotonic()
    _use_double()
    from modelcollapse.simulate.shards import merge

    with refusals.of({"out": out, "pieces": None, "merge": True}, {}):
        data = merge(way.pieces, out)
    record = sweeping.as_json(data, time.monotonic() - started, 0)
    _show_sweep(data, record, out, as_json)
    if record["outside"]:
        raise typer.Exit(1)


def _submit(own: dict[str, Any], way: Jobs, as_json: bool) -> None:
    """Submit the shards, and say how to put their pieces together."""
    from . import cluster

    options = {name: value for name, value in own.items() if name not in ("out", "slurm", "shards", "as_json")}
    jobs = cluster.submit(options, way)
    record = {"jobs": [each.job_id for each in jobs], "logs": str(cluster.logs(way.out)), "then": cluster.then(way)}
    if as_json:
        _print_json(record)
        return
    typer.echo(
        f"submitted {len(jobs)} jobs: {', '.join(record['jobs'])}; they write what they say into {record['logs']}"
    )
    typer.echo(f"when all have ended: {record['then']}")


@app.command("train")
def train_command(
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
            "--out", parser=_path, metavar="FOLDER", help="Folder of the run; an interrupted one goes on there."
        ),
    ] = Path("train-out"),
    as_json: Json = False,
) -> None:
    """Train language models on their own text: predictions are frozen first, then scored.

    Calibrates on generation 1, re-trainings and one step of replacing; predicts every workflow; trains them; scores.

    Examples: modelcollapse train --corpus notes.txt --generations 5;
    modelcollapse train --workflows replace,accumulate --temperature 0.3 --squeeze --generations 4 --out cold
    """
    from . import train

    length_, real_ = whole("length", length), whole("real", real)
    assert length_ is not None and real_ is not None
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
    _use_double()
    experiment = train.experiment(
        corpus, workflows, length=length_, real=real_, seed=seed, learning_rate=number("learning-rate", learning_rate),
        fixed_steps=fixed_steps, by_epochs=by_epochs, continued=continued, temperature=number("temperature", temperature),
        top_p=number("top-p", top_p), squeeze=squeeze, checks=filter_ or (), cells=grid, **sizes,
    )  # fmt: skip
    _ = experiment.windows, experiment.shape  # refused before anything is written
    _folder(out)
    record = _train(experiment, out, processes, as_json)
    if as_json:
        _print_json(record)


def _train(experiment: Any, out: Path, processes: int | None, as_json: bool) -> dict[str, Any]:
    """Run an experiment, with progress; write and show what came out."""
    from modelcollapse.lm import run as runs

    from . import report, run_report, train
    from .terminal import trainings

    with trainings() as told:
        done = runs.run(experiment, out, processes=processes, told=told)
    record = train.as_json(done)
    files = _pictures(out, record, lambda where: _draw_run(done, where), "result")
    if not as_json:
        run_report.show(done)
        report.files(files)
    return files | record  # the workflows last


def _draw_run(done: Any, where: Path) -> list[Path]:
    from . import pictures

    return pictures.draw_run(done, where)


@app.command("demo")
def demo_command(
    corpus: Annotated[str, typer.Option(help="The text to plan for.")] = "builtin:pydoc",
    out: Annotated[
        Path, typer.Option("--out", parser=_path, metavar="FOLDER", help="Folder for pictures and results.")
    ] = Path("demo-out"),
    chains: Chains = "4096",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """The main job on the built-in text: plan it, verify every theorem against chains, train a small model on its own text.

    Leaves pictures. The recursion: predictions frozen, then four generations of a decoder under four workflows, two seeds.
    """
    from . import plan as plans
    from . import planning, report, train

    _folder(out)
    size = _check_chains(chains, seed, 1e-3)
    _use_double()
    experiment = train.experiment(
        corpus, "replace,accumulate,subsample,fixed:0.5", real=16_384, length=64, seed=seed, seeds=2, width=48, layers=2,
        steps=200, generations=4,
    )  # fmt: skip
    place = train.checked(experiment, out)
    made = planning.made(corpus, "words", None, None, None, None, None, "20", "0.1", False)
    if not as_json:
        report.plan(made)
    verdicts = _verify(None, size, seed, 1e-3)
    record: dict[str, Any] = {"plan": plans.as_json(made), "verdicts": [report.verdict_json(each) for each in verdicts]}
    if not as_json:
        report.verdicts(verdicts, size, 1e-3)

    def draw(where: Path) -> list[Path]:
        return [*_draw_plan(made, None, where), *_draw_chains(where, size, seed)]

    pictures = _pictures(out, record, draw, "demo")
    if not as_json:
        report.files(pictures)
    recursion = _train(experiment, place, None, as_json)
    if as_json:
        _print_json(record | pictures | {"recursion": recursion})
    if not all(each.passed for each in verdicts):
        raise typer.Exit(1)


def _draw_plan(made: Plan | None, phases: int | None, where: Path) -> list[Path]:
    """The pictures of a plan, if one was made, and of the regimes for so many tokens."""
    from . import pictures
    from .questions import regimes

    drawn = [] if made is None else pictures.draw_plan(made, where)
    return drawn if phases is None else [*drawn, pictures.draw_phases(regimes.diagram(phases), where)]


def _draw_chains(where: Path, chains: int, seed: int) -> list[Path]:
    from . import pictures

    with bar("simulating the pictures") as moved:
        return pictures.draw_chains(where, chains=chains, seed=seed, progress=moved)


def _folder(out: Path) -> None:
    """Make the folder, before any work is done for it."""
    import tempfile

    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except (OSError, ValueError) as problem:
        reason = problem.strerror or problem if isinstance(problem, OSError) else problem
        raise refused("out", str(out), f"name a folder to write to ({reason})") from None


def _pictures(
    out: Path | None, record: dict[str, Any], draw: Callable[[Path], list[Path]], name: str
) -> dict[str, Any]:
    """Draw into the folder and write the record beside; a file is there whole or not at all."""
    if out is None:
        return {}
    from modelcollapse.simulate.store import write_json

    try:
        files, result = draw(out), out / f"{name}.json"
        write_json(result, record)
    except OSError as problem:
        raise refused("out", str(out), f"a folder to write to ({problem.strerror or problem})") from None
    return {"files": [str(each) for each in (*files, result)]}


def _use_double(*, wide: bool = False) -> None:
    """The command line computes in float64, and ends at once on ctrl-C: an exception inside a compilation crashes JAX.

    It leaves the memory of an accelerator to the processes that train. ``wide``: vectors as wide as the processor has them,
    which only pays for long loops over many numbers.
    """
    import signal

    if wide and "jax" not in sys.modules:  # it reads them once
        flags = os.environ.get("XLA_FLAGS", "")
        if "prefer_vector_width" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_prefer_vector_width=512".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    import jax

    jax.config.update("jax_enable_x64", True)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, _frame: Any) -> None:
    os.write(2, b"modelcollapse: stopped\n")
    os._exit(128 + number)


def _print_json(record: dict[str, Any]) -> None:
    typer.echo(json.dumps(record, indent=1))


TRAINING = ("flax", "optax", "orbax", "numpyro")  # what the extra lm brings


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a refusal is one line on standard error and exit code 2."""
    import gc

    problem: Any
    gc.set_threshold(100_000)  # imports make objects, not garbage
    speak_plainly()
    # Typer brings its own Click or uses the installed one: ask it which
    misused: Any = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")
    try:
        code = app(
            args=list(arguments) if arguments is not None else None, prog_name="modelcollapse", standalone_mode=False
        )
        if code == 130:  # Typer makes this of Ctrl-C
            typer.echo("modelcollapse: stopped", err=True)
        sys.stdout.flush()
    except SystemExit as stop:  # and 1 of a reader that has had enough
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except misused as problem:
        message = problem.format_message()
        asked = type(problem).__name__ == "NoArgsIsHelpError"
        typer.echo(message if asked else f"modelcollapse: {' '.join(message.split())}", err=not asked)
        code = 0 if asked else 2
    except ModuleNotFoundError as problem:
        if (problem.name or "").split(".")[0] not in TRAINING:
            raise
        typer.echo("modelcollapse: this needs the extra lm: pip install 'modelcollapse[lm]'", err=True)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("modelcollapse: stopped", err=True)
        code = 130
    except OSError as problem:
        if problem.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of the output cannot be written either
        code = 0 if problem.errno == errno.EPIPE else 2
        if code:
            typer.echo(f"modelcollapse: the output cannot be written: {problem.strerror}", err=True)
    except ValueError as problem:
        if not _is_refusal(problem):
            raise
        typer.echo(f"modelcollapse: {problem}", err=True)
        code = 2
    sys.exit(code or 0)


def _is_refusal(problem: ValueError) -> bool:
    from modelcollapse.theory.arguments import InputError

    return isinstance(problem, InputError)


if __name__ == "__main__":
    main()
