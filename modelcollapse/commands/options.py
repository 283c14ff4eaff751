"""Options that several commands take: their types and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def path(text: str) -> Path:
    """Where to write; an empty text is no place."""
    if not text:  # an InputError would lose its words on its way through the parser
        raise typer.BadParameter('"": name a place to write to, or leave it out')
    return Path(text)


Out = Annotated[
    Path | None,
    typer.Option("--out", parser=path, metavar="FOLDER", help="Write pictures and the result (json) there."),
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


def typed(context: typer.Context) -> dict[str, Any]:
    """What a person gave, by the names of parameters."""
    where = {name: context.get_parameter_source(name) for name in context.params}
    return {name: value for name, value in context.params.items() if (at := where[name]) and at.name == "COMMANDLINE"}


# what is fitted
Dimension = Annotated[str | None, typer.Option(help="Of gaussian, regression, density and logistic. Default: 1.")]
Vocabulary = Annotated[str | None, typer.Option(help="Tokens of the categorical family. Default: 50.")]
Zipf = Annotated[str | None, typer.Option(help="Exponent of its law; 0: all tokens alike. Default: 0.")]
Mean = Annotated[str | None, typer.Option(help="Of poisson, gamma and negativebinomial. Default: 1.")]
Shape = Annotated[str | None, typer.Option(help="Of the gamma family. Default: 1.")]
Trials = Annotated[str | None, typer.Option(help="Of the binomial family. Default: 10.")]
Probability = Annotated[str | None, typer.Option(help="Of the binomial family. Default: 0.5.")]
Size = Annotated[str | None, typer.Option(help="Of the negativebinomial family. Default: 1.")]
Noise = Annotated[str | None, typer.Option(help="Variance of the noise of a regression. Default: 1.")]
Bandwidth = Annotated[str | None, typer.Option(help="Of a kernel density of variance 1. Default: 0.5.")]
Exponent = Annotated[str | None, typer.Option(help="Of Zipf's law without end (zipf), above 1. Default: 1.5.")]
Components = Annotated[str | None, typer.Option(help="Of a mixture, on a line, each of variance 1. Default: 2.")]
Separation = Annotated[str | None, typer.Option(help="From one component to the next. Default: 4.")]
Signal = Annotated[str | None, typer.Option(help="Norm of a logistic regression's coefficients. Default: 1.")]
Penalty = Annotated[
    str | None,
    typer.Option(help="Times half the squared norm in its fit; 0: without, and NaN where classes part. Default: 0."),
]
Text = Annotated[
    str | None, typer.Option(help="Text whose bytes a bigram writes, window by window. Default: builtin:pydoc.")
]
Length = Annotated[str | None, typer.Option(help="Bytes in a window, which is one sample. Default: 64.")]
