"""What the options of `plan` say: strings become records here, the plan of a text or of sizes, and the questions beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .terminal import LEAST_SIZE, MOST, bar, number, refused, whole

if TYPE_CHECKING:
    from modelcollapse.theory.arguments import InputError

    from .corpus import Corpus, Unit
    from .plan import OrderPlan, Plan
    from .questions import Answer, Known


@dataclass(frozen=True)
class Pipeline:
    """What was typed of the data and of the workflows; None where nothing was."""

    corpus: str | None = None
    unit: str | None = None
    real: str | None = None
    vocabulary: str | None = None
    zipf: str | None = None
    synthetic: str | None = None
    train: str | None = None
    generations: str | None = None
    tolerance: str | None = None
    as_truth: bool | None = None

    @property
    def last(self) -> int:
        """The last generation."""
        return whole("generations", "10" if self.generations is None else self.generations)

    @property
    def wanted(self) -> float:
        """How much worse the error may become."""
        return number("tolerance", "0.1" if self.tolerance is None else self.tolerance)


def order_plan(pipeline: Pipeline, order: str, others: Mapping[str, Any]) -> tuple[OrderPlan, dict[str, Any]]:
    """The plan for what follows each context of a text, and the text. ``others``: options that do not go with it."""
    if pipeline.corpus is None:
        raise refused("order", order, "what follows what is read from a text: name a --corpus")
    if order not in ORDERS:
        raise refused("order", order, f"bytes in a context: give {', '.join(ORDERS[:-1])} or {ORDERS[-1]}")
    own = {name: getattr(pipeline, name) for name in ("unit", "real", "vocabulary", "zipf", "as_truth")}
    for name, value in (own | dict(others)).items():
        if value is not None:
            raise refused(name, value, "leave it out: --order reads the bytes of a --corpus as the truth")
    if pipeline.last > MOST_ORDER_GENERATIONS:
        raise refused("generations", pipeline.generations, f"at most {MOST_ORDER_GENERATIONS} generations with --order")
    from modelcollapse.lm import text, tokenizer, windows

    from . import plan as plans

    read = text.read(pipeline.corpus)
    letters = tokenizer.fit_bytes(read.documents)
    tokens = windows.cut(read.documents, letters, ORDER_LENGTH).tokens
    with bar("planning") as moved:
        made = plans.plan_order(
            tokens, int(order), vocabulary=letters.size, synthetic=whole("synthetic", pipeline.synthetic),
            train=whole("train", pipeline.train), generations=pipeline.last, tolerance=pipeline.wanted, progress=moved,
        )  # fmt: skip
    return made, {"kind": "corpus", "name": pipeline.corpus, "sha256": read.sha256, "window": ORDER_LENGTH}


ORDERS, ORDER_LENGTH, MOST_ORDER_GENERATIONS = ("0", "1", "2"), 64, 200


def made(pipeline: Pipeline) -> Plan:
    """The plan for what the options say."""
    from modelcollapse import theory

    from . import plan as plans

    last, wanted = pipeline.last, pipeline.wanted
    if last > MOST_GENERATIONS:
        raise refused("generations", pipeline.generations, f"at most {MOST_GENERATIONS:,} generations")
    if not 0 < wanted <= MOST_TOLERANCE:
        remedy = f"how much worse the error may become, above 0 and at most {MOST_TOLERANCE:,}: 0.1 is 10 %"
        raise refused("tolerance", pipeline.tolerance, remedy)
    sizes: dict[str, Any] = {
        "synthetic": whole("synthetic", pipeline.synthetic),
        "train": whole("train", pipeline.train),
        "generations": last,
        "tolerance": wanted,
    }
    if pipeline.corpus is None:
        items, tokens, exponent = _numbers(pipeline)
        if tokens * last > MOST_WORK:
            fewer = f"{MOST_WORK // tokens:,} generations, or {MOST_WORK // last:,} tokens"
            raise refused("generations", str(last), f"too much work for a vocabulary of {tokens:,}: at most {fewer}")
        family = theory.Categorical(plans.zipf(tokens, exponent))
        source = {"kind": "zipf", "vocabulary": tokens, "exponent": exponent}
    else:
        for name in ("real", "vocabulary", "zipf"):
            if (value := getattr(pipeline, name)) is not None:
                raise refused(name, value, "a corpus says this itself: leave it out, or leave out --corpus")
        text = read(pipeline.corpus, "words" if pipeline.unit is None else pipeline.unit)
        items, family = text.size, theory.Categorical.from_counts(text.counts)
        if pipeline.as_truth:
            family = theory.Categorical(family.p)
        source = {"kind": "corpus", "name": text.name, "unit": text.unit, "tokens": text.size, "vocabulary": text.vocabulary,
                  "singletons": text.singletons, "sha256": text.sha256, "as_truth": bool(pipeline.as_truth)}  # fmt: skip
    with bar("planning") as moved:
        return plans.plan(family, real=items, source=source, progress=moved, **sizes)


def _numbers(pipeline: Pipeline) -> tuple[int, int, float]:
    """Real samples, different tokens and exponent of who has no corpus."""
    from modelcollapse.theory import InputError

    for name in ("unit", "as_truth"):
        if (value := getattr(pipeline, name)) is not None:
            raise refused(name, value, "says how a corpus is read: name the --corpus, or leave it out")
    if pipeline.real is None or pipeline.vocabulary is None:
        missing = "--real" if pipeline.real is None else "--vocabulary"
        about = next((f"--{name} {value}" for name, value in vars(pipeline).items() if value is not None), "plan")
        raise InputError(f"{about}: {missing} is missing: name a --corpus, or give --real N and --vocabulary V")
    items, tokens = whole("real", pipeline.real), whole("vocabulary", pipeline.vocabulary)
    exponent = number("zipf", "1" if pipeline.zipf is None else pipeline.zipf)
    if items < 2:
        raise refused("real", pipeline.real, "give at least 2 real samples: with fewer there is nothing to plan")
    if tokens > MOST_TOKENS:
        raise refused("vocabulary", pipeline.vocabulary, f"at most {MOST_TOKENS:,} different tokens")
    if not 0 <= exponent <= MOST_ZIPF:
        raise refused("zipf", pipeline.zipf, f"an exponent from 0 (all tokens alike) to {MOST_ZIPF}")
    return items, tokens, exponent


MOST_TOKENS, MOST_ZIPF, MOST_GENERATIONS, MOST_TOLERANCE = 10_000_000, 100, 1000, 1_000_000
MOST_WORK = 200_000_000  # tokens times generations of a plan: some minutes


def read(corpus: str, unit: str) -> Corpus:
    """A corpus by its name, as counts of its tokens."""
    from modelcollapse.theory.arguments import InputError

    from . import corpus as corpora

    with bar(f"reading {corpus}") as moved:
        wanted = unit_of(unit)
        try:
            if _is_documents(corpus):
                from modelcollapse.lm.documents import documents

                return corpora.count(corpus, documents(corpus), wanted)
            return corpora.read(corpus, unit=wanted, progress=moved)
        except InputError as problem:
            raise refused("corpus", corpus, problem.remedy) from None


def _is_documents(corpus: str) -> bool:
    """Whether what is named comes as documents: parquet, a data set of the hub, docstrings, a known source."""
    if os.path.exists(corpus):
        return corpus.lower().endswith(".parquet")
    return corpus.startswith(("hf:", "source:")) or corpus == "builtin:stdlib" or ".parquet:" in corpus.lower()


def unit_of(text: str) -> Unit:
    """What a token is, by its name."""
    from .corpus import Unit

    if text not in [each.value for each in Unit]:
        raise refused("unit", text, "words or bytes")
    return Unit(text)


A_SHARE = "give a share or a chance, from 0 to 1, such as 0.3 or 30%"


def _share(name: str, text: str) -> float:
    """A number from 0 to 1, or so many per cent."""
    plain = text.strip()
    try:
        value = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        raise refused(name, text, A_SHARE) from None
    if not (value == 0 or LEAST_SIZE <= value <= 1):
        raise refused(name, text, A_SHARE)
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
    if numbers[1] == 0:
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

    try:
        return runs(text)
    except InputError as problem:
        raise InputError(f"--{name} {problem}") from None


READ: dict[str, Callable[[str, str], Any]] = {
    "count": whole,
    "retain": _share,
    "rare": number,
    "pilot": _runs,
    "worth": _worth,
    "contamination": _share,
    "sources": whole,
    "teacher": _several(1, 2, "its real samples, and how many of them are the student's, as 10000 or 10000,500", whole),
    "verifier": _several(2, 2, "the chances that it keeps a right label and a wrong one, as 0.9,0.2", _share),
    "stop": _several(3, 4, "contraction,variance,bias or contraction,variance,bias,noise, as 0.5,3,1", number),
    "temperature": number,
    "multiplier": number,
    "detector": _several(2, 2, "the chances that it calls a real and a synthetic item real, as 0.95,0.05", _share),
    "stream": _share,
    "recover": number,
    "phases": lambda name, text: text,
    "budget": _budget,
    "curation": _several(1, 3, "reward or reward,choices or reward,choices,trait, as 1,2,0.01", _letters),
}


def wants_a_plan(asked: Mapping[str, str], pipeline: Pipeline) -> bool:
    """Whether the plan is made beside the answers: always without a question, else where it is said of what."""
    others = (pipeline.unit, pipeline.zipf, pipeline.train, pipeline.as_truth)  # of no use without a plan
    numbers = pipeline.real is not None and pipeline.vocabulary is not None
    return not asked or pipeline.corpus is not None or numbers or any(each is not None for each in others)


def seen(pipeline: Pipeline) -> dict[str, str]:
    """What a plan looks at, and questions may."""
    names = ("real", "synthetic", "vocabulary", "generations", "tolerance")
    return {name: value for name in names if (value := getattr(pipeline, name)) is not None}


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
        value = READ[name](name, text)
        if name == "worth":
            known = replace(known, worth=value)
        try:
            found.append(question.ask(value, known))
        except InputError as problem:
            raise _about(problem, name, text, {each: said.get(each) for each in question.uses}, known) from None
        if name == "pilot":
            known = replace(known, worth=found[-1].numbers["worth"])
    return found


def _about(problem: InputError, name: str, text: Any, others: Mapping[str, Any], known: Known) -> ValueError:
    """A refusal of the library, said of the option that it is about: what else the question looks at, or the question."""
    from . import refusals

    if not problem.remedy:
        return problem
    other = refusals.OWN.get(problem.argument, problem.argument)
    if others.get(other) is not None and _same(getattr(known, other), problem.value):
        name, text = other, others[other]
    return refused(name, text, refusals.in_words(problem.remedy))


def _same(one: Any, other: Any) -> bool:
    """Whether both are the same number."""
    return isinstance(other, int | float) and bool(one == other)
