"""`modelcollapse verify`: theorems against simulated chains."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from modelcollapse.terminal import bar, refused, whole

from . import options, output, runtime


def command(
    names: Annotated[list[str] | None, typer.Argument(help="Theorems to verify; leave out for all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every theorem that can be observed, as without names.")] = False,
    chains: Annotated[
        str | None, typer.Option(help="Number of simulated chains. Default: 4096; of tables 256.")
    ] = None,
    seed: options.Seed = 0,
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
    as_json: options.Json = False,
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
    size = check_chains(chains or "4096", seed, budget)
    verdicts = simulated(names, size, seed, budget)
    if as_json:
        from modelcollapse.report import verdict_json

        output.print_json(
            {"chains": size, "seed": seed, "budget": budget, "verdicts": [verdict_json(each) for each in verdicts]}
        )
    else:
        from modelcollapse import report

        report.verdicts(verdicts, size, budget)
    if not all(each.passed for each in verdicts):
        raise typer.Exit(1)


def _verify_tables(names: list[str] | None, corpus: str, order: int, samples: str, chains: str, seed: int, budget: float,
                   as_json: bool) -> None:  # fmt: skip
    """Theory against tables of a real text."""
    if names:
        raise refused("corpus", corpus, f"verifies every workflow: leave out {' '.join(names)}, or leave out --corpus")
    count, size = check_chains(chains, seed, budget), whole("samples", samples)
    from modelcollapse import report, tables

    if not tables.LENGTH <= size <= MOST_SAMPLES:
        raise refused("samples", samples, f"from {tables.LENGTH} to {MOST_SAMPLES:,} tokens")
    runtime.use_double()
    with bar("simulating tables") as moved:
        rows, identities = tables.verify(corpus, order, size, count, seed, budget, moved)
    if as_json:
        output.print_json({"corpus": corpus, "chains": count, "samples": size, **tables.as_json(rows, identities)})
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
    size = check_chains(chains or str(LEAST_CHAINS), seed, budget)
    many = whole("samples", samples)
    from modelcollapse import planning, report, sweeping, token_groups

    room = sweeping.quantity("memory", memory) or sweeping.free_memory() / 2
    limit = sweeping.quantity("time", time)
    planning.unit_of(unit)
    runtime.use_double(wide=True)
    text = planning.read(corpus, unit)
    with bar("simulating chains") as moved:
        chosen, rows = token_groups.verify(
            text.counts, many, None if chains is None else size, room, limit, seed, budget, moved
        )
    if as_json:
        output.print_json(
            {"corpus": corpus, "unit": unit, "samples": many or text.size, **token_groups.as_json(chosen, rows)}
        )
    else:
        report.groups(corpus, unit, many or text.size, chosen, rows, budget)
    if not all(each.passed for each in rows):
        raise typer.Exit(1)


LEAST_CHAINS = 20


def check_chains(chains: str, seed: int, budget: float) -> int:
    """How many chains, if they can be simulated so."""
    size = whole("chains", chains)
    if size < LEAST_CHAINS:
        raise refused("chains", chains, f"a number of chains, at least {LEAST_CHAINS}: fewer could not show an error")
    if not 0 <= seed < 2**63:
        raise refused("seed", seed, "a whole number from 0 to 2^63 - 1")
    if not 0 < budget < 1:
        raise refused("budget", budget, "the chance of a false alarm, above 0 and below 1")
    return size


def simulated(names: list[str] | None, chains: int, seed: int, budget: float) -> list[Any]:
    """The verdicts on the theorems that are named, or on all."""
    from modelcollapse import refusals
    from modelcollapse.theory import ledger

    with refusals.of({"name": names}, {}):
        for name in names or ():  # refused before JAX is read
            ledger.named(name)
    runtime.use_double()
    from modelcollapse import verify

    selected = verify.chosen(names)
    verdicts = []
    with bar("simulating chains") as moved:
        for verdict in verify.verify(selected, chains=chains, seed=seed, budget=budget):
            verdicts.append(verdict)
            moved(len(verdicts), len(selected))
    return verdicts
