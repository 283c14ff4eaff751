"""Questions of `plan`: strings become numbers here, and what is refused is said of the option that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .terminal import LEAST_SIZE, MOST, fraction, in_hundreds, number, refused, whole

if TYPE_CHECKING:
    from modelcollapse.theory.arguments import InputError

    from .plan import Plan
    from .planning import Pipeline
    from .questions import Answer, Known


def _share(name: str, text: str) -> float:
    """A number from 0 to 1, or so many per cent."""
    value = _typed(text)
    if not (value == 0 or LEAST_SIZE <= value <= 1):
        least = f", 0 or at least {LEAST_SIZE:g}" if 0 < value < 1 else ""
        raise refused(name, text, f"give a share or a chance, from 0 to 1{least}, such as 0.3 or 30%")
    return value


def _typed(text: str) -> float:
    """A number, or so many per cent; NaN of what is neither."""
    try:
        return in_hundreds(text)
    except ValueError:
        return float("nan")


def _probability(name: str, text: str) -> float:
    """The probability of something that is there, or may be missing."""
    value = _typed(text)
    if not LEAST_SIZE <= value < 1:
        raise refused(
            name, text, f"give a probability above 0, at least {LEAST_SIZE:g}, and below 1, such as 1e-4 or 0.01%"
        )
    return value


def _several(
    least: int, most: int, what: str, read: Callable[[str, str], Any]
) -> Callable[[str, str], tuple[Any, ...]]:
    """Numbers with commas between them: ``what`` says which."""

    def numbers(name: str, text: str) -> tuple[Any, ...]:
        parts = text.split(",")
        if not least <= len(parts) <= most:
            raise refused(name, text, f"give {what}")
        return tuple(_part(name, text, part.strip(), read) for part in parts)

    return numbers


def _part(name: str, text: str, part: str, read: Callable[[str, str], Any]) -> Any:
    """One number of several: its refusal names it and all of them."""
    from modelcollapse.theory import InputError

    try:
        return read(name, part)
    except InputError as problem:
        alone = str(problem).removeprefix(f"--{name.replace('_', '-')} ")
        raise refused(name, text, alone) if part != text else problem from None


def _budget(name: str, text: str) -> Any:
    """What there is to spend and what things cost; a refusal names the entry."""
    from modelcollapse.theory import InputError

    from .budget import read as budget

    try:
        return budget(text)
    except InputError as problem:
        entry = next(
            (each.strip() for each in text.split(",") if each.partition("=")[0].strip() == problem.argument), ""
        )
        raise refused(name, text, f"{entry}: {problem.remedy}" if entry and entry != text else problem.remedy) from None


def _correction(name: str, text: str) -> Any:
    """How a verifier pulls a mean: contraction,worth[,keep]."""
    from modelcollapse import theory

    numbers = _several(2, 3, "contraction,worth or contraction,worth,keep, as 0.5,1000,0.7", _letters)(name, text)
    if numbers[1] <= 0:
        raise refused(name, text, "its second number is a worth in real samples, above 0, inf without bias")
    try:
        return theory.Correction(*numbers)
    except theory.InputError as problem:
        raise refused(name, text, problem.remedy) from None


def _worth(name: str, text: str) -> float:
    """Real samples, or inf."""
    value = _letters(name, text.strip())
    if value < 0 or MOST < value < float("inf"):
        raise refused(
            name, text, f"give its worth in real samples, 0 or more and at most {MOST:,}, or inf: without bias"
        )
    return value


def _letters(name: str, text: str) -> float:
    """A number, or inf."""
    if text.lower() == "nan":
        raise refused(name, text, "give a number, or inf")
    return float("inf") if text.lower() == "inf" else number(name, text)


def _runs(name: str, text: str) -> Any:
    from modelcollapse.theory import InputError

    from .pilot_runs import read as runs

    if not text.strip():
        raise refused(name, text, "name a csv of runs")
    try:
        return runs(text)
    except InputError as problem:
        raise InputError(f"--{name} {problem}") from None


def _size(name: str, text: str) -> tuple[float, ...]:
    """Size of a model and number of covariates, how fast these lose importance, and signal over noise."""
    what = "size,covariates or size,covariates,decay or size,covariates,decay,signal, as 200,1000"
    parts = _several(2, 4, what, lambda _, part: part)(name, text)
    return tuple(_part(name, text, part, whole if place < 2 else number) for place, part in enumerate(parts))


def _curation(name: str, text: str) -> tuple[float, ...]:
    """A reward, among how many one is chosen, and the share of a trait."""
    parts = _several(
        1, 3, "reward or reward,choices or reward,choices,share in truth, as 1,2,0.01", lambda _, part: part
    )(name, text)
    return tuple(_part(name, text, part, _letters if place else _reward) for place, part in enumerate(parts))


def _reward(name: str, text: str) -> float:
    """How much more is given for a trait."""
    from modelcollapse.theory.curated import MOST_ADVANTAGE

    within = f"give a reward from -{MOST_ADVANTAGE:g} to {MOST_ADVANTAGE:g}: how much more is given for the trait"
    value = number(name, text, within)
    if abs(value) > MOST_ADVANTAGE:
        raise refused(name, text, within)
    return value


def _value(name: str, text: str, said: Mapping[str, Any]) -> Any:
    """What was typed of a question, as it takes it; of snapshots the unit is said beside them."""
    if name != "snapshots":
        return READ[name](name, text)
    from .planning import unit_of
    from .snapshot_files import read as snapshots

    return snapshots(text, unit_of(said.get("unit")))


READ: dict[str, Callable[[str, str], Any]] = {
    "count": whole,
    "retain": _share,
    "rare": _probability,
    "pilot": _runs,
    "worth": _worth,
    "contamination": _share,
    "model_size": _size,
    "sources": whole,
    "teacher": _several(1, 2, "its real samples, and how many of them are the student's, as 10000 or 10000,500", whole),
    "verifier": _several(2, 2, "the chances that it keeps a right label and a wrong one, as 0.9,0.2", _share),
    "regenerate": whole,
    "stop": _several(3, 4, "share moved in a round,error at first,bias or these and a noise, as 0.5,3,1", number),
    "temperature": number,
    "multiplier": number,
    "detector": _several(2, 2, "the chances that it calls a real and a synthetic item real, as 0.95,0.05", _share),
    "stream": _share,
    "recover": fraction,
    "batches": _several(1, 10_000, "the samples that each model adds, as 1000,500,2000", whole),
    "replaceable": fraction,
    "phases": lambda name, text: text,
    "budget": _budget,
    "curation": _curation,
}


def _or(options: list[str]) -> str:
    """Options to choose from.

    >>> _or(["count", "retain", "at_least"])
    '--count, --retain or --at-least'
    """
    names = [f"--{each.replace('_', '-')}" for each in options]
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def check_use(asked: Mapping[str, str], said: Mapping[str, str]) -> None:
    """Refuse what is said of the pipeline where no question looks at it."""
    from .questions import ASKED

    for name, text in said.items():
        users = [each for each, question in ASKED.items() if name in question.uses]
        if not asked.keys() & users:
            wanted = f"ask with {_or(users)}" if users else "it belongs to a plan of tokens"
            raise refused(name, text, f"no question that is asked uses it: {wanted}")


AROUND: dict[str, Callable[[str, str], Any]] = {
    "share": _share,
    "accuracy": _share,
    "correction": _correction,
    "at_least": whole,
}


def known(made: Plan | None, pipeline: Pipeline, around: Mapping[str, str]) -> Known:
    """What the options, or the plan, say of the pipeline."""
    from .questions import Known

    rest: dict[str, Any] = {name: AROUND[name](name, text) for name, text in around.items()}
    rest["generations"] = whole("generations", pipeline.generations)
    if made is None:
        return Known(
            **rest, **{name: whole(name, getattr(pipeline, name)) for name in ("real", "synthetic", "vocabulary")}
        )
    there = made.family.p[made.family.p > 0]
    return Known(made.real, made.synthetic, len(there), alike=bool((there == there[0]).all()), **rest)


def answers(given: Mapping[str, Any], known: Known, said: Mapping[str, Any]) -> list[Answer]:
    """The answers to the questions that options ask, in the order of `questions.ASKED`. ``said``: what was typed beside them."""
    from modelcollapse.theory.arguments import InputError

    from . import questions

    found = []
    for name in (each for each in questions.ASKED if each in given):
        question, text = questions.ASKED[name], given[name]
        value = _value(name, text, said)
        if question.tells:
            known = replace(known, **{question.tells: value})
        try:
            answer = question.ask(value, known)
        except InputError as problem:
            raise _about(problem, name, text, {each: said.get(each) for each in question.uses}, known) from None
        found.append(answer)
        known = replace(known, **answer.told)
    return found


def _about(problem: InputError, name: str, text: Any, others: Mapping[str, Any], known: Known) -> ValueError:
    """A refusal of the library, said of the option that it is about: what else the question looks at, or the question."""
    from . import refusals

    if not problem.remedy:
        return problem
    other = refusals.OWN.get(problem.argument, problem.argument)
    if others.get(other) is not None and _same(getattr(known, other), problem.value, problem.argument):
        name, text = other, others[other]
    return refused(name, text, refusals.in_words(problem.remedy))


def _same(typed: Any, found: Any, argument: str) -> bool:
    """Whether a number that is refused was typed; a generation also where it is one later: the snapshot before is the first."""
    return isinstance(found, int | float) and (
        bool(typed == found) or (argument == "generation" and typed == found - 1)
    )
