"""What the options of `plan` say: strings become records here, the plan of a text or of sizes, and the questions beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .terminal import bar, number, refused, whole

if TYPE_CHECKING:
    from .corpus import Corpus, Unit
    from .plan import OrderPlan, Plan
    from .questions import Answer, Known


def order_plan(corpus: str | None, order: int, synthetic: str | None, train: str | None, generations: str, tolerance: str,
               given: Mapping[str, Any]) -> tuple[OrderPlan, dict[str, Any]]:  # fmt: skip
    """The plan for what follows each context of a text, and the text. ``given``: options that do not go with it."""
    if corpus is None:
        raise refused("order", order, "what follows what is read from a text: name a --corpus")
    for name, value in given.items():
        if value is not None:
            raise refused(name, value, "leave it out: --order reads the bytes of a --corpus as the truth")
    last, wanted = whole("generations", generations), number("tolerance", tolerance)
    assert last is not None
    if last > MOST_ORDER_GENERATIONS:
        raise refused("generations", generations, f"at most {MOST_ORDER_GENERATIONS} generations with --order")
    from modelcollapse.lm import text, tokenizer, windows

    from . import plan as plans

    read = text.read(corpus)
    letters = tokenizer.fit_bytes(read.documents)
    tokens = windows.cut(read.documents, letters, ORDER_LENGTH).tokens
    with bar("planning") as moved:
        made = plans.plan_order(
            tokens, order, vocabulary=letters.size, synthetic=whole("synthetic", synthetic), train=whole("train", train),
            generations=last, tolerance=wanted, progress=moved,
        )  # fmt: skip
    return made, {"kind": "corpus", "name": corpus, "sha256": read.sha256, "window": ORDER_LENGTH}


ORDER_LENGTH, MOST_ORDER_GENERATIONS = 64, 200


def made(corpus: str | None, unit: str | None, real: str | None, vocabulary: str | None, zipf: str | None, synthetic: str | None,
          train: str | None, generations: str, tolerance: str, as_truth: bool) -> Plan:  # fmt: skip
    """The plan for what the options say."""
    from modelcollapse import theory

    from . import plan as plans

    last = whole("generations", generations)
    assert last is not None
    if last > MOST_GENERATIONS:
        raise refused("generations", generations, f"at most {MOST_GENERATIONS:,} generations; theory.error takes any")
    sizes: dict[str, Any] = {
        "synthetic": whole("synthetic", synthetic),
        "train": whole("train", train),
        "generations": last,
        "tolerance": number("tolerance", tolerance),
    }
    if not 0 < sizes["tolerance"] <= MOST_TOLERANCE:
        wanted = f"how much worse the error may become, above 0 and at most {MOST_TOLERANCE:,}: 0.1 is 10 %"
        raise refused("tolerance", tolerance, wanted)
    if corpus is None:
        for name, value in (("unit", unit), ("as-truth", as_truth or None)):
            if value is not None:
                raise refused(name, value, "says how a corpus is read: name the --corpus, or leave it out")
        if real is None or vocabulary is None:
            missing = "--real" if real is None else "--vocabulary"
            raise theory.InputError(f"plan: {missing} is missing: name a --corpus, or give --real N and --vocabulary V")
        items, tokens, exponent = whole("real", real), whole("vocabulary", vocabulary), number("zipf", zipf or "1")
        if items is not None and items < 2:
            raise refused("real", real, "give at least 2 real samples: with fewer there is nothing to plan")
        if tokens is None or tokens > MOST_TOKENS:
            raise refused("vocabulary", vocabulary, f"at most {MOST_TOKENS:,} different tokens")
        if not 0 <= exponent <= MOST_ZIPF:
            raise refused("zipf", str(zipf), f"an exponent from 0 (all tokens alike) to {MOST_ZIPF}")
        family = theory.Categorical(plans.zipf(tokens, exponent))
        source = {"kind": "zipf", "vocabulary": tokens, "exponent": exponent}
        assert items is not None
        if tokens * last > MOST_WORK:
            fewer = f"{MOST_WORK // tokens:,} generations, or {MOST_WORK // last:,} tokens"
            raise refused("generations", generations, f"too much work for a vocabulary of {tokens:,}: at most {fewer}")
        with bar("planning") as moved:
            return plans.plan(family, real=items, source=source, progress=moved, **sizes)
    for name, value in (("real", real), ("vocabulary", vocabulary), ("zipf", zipf)):
        if value is not None:
            raise refused(name, value, "a corpus says this itself: leave it out, or leave out --corpus")
    text = read(corpus, unit or "words")
    family = theory.Categorical.from_counts(text.counts)
    if as_truth:
        family = theory.Categorical(family.p)
    source = {"kind": "corpus", "name": text.name, "unit": text.unit, "tokens": text.size, "vocabulary": text.vocabulary,
              "singletons": text.singletons, "sha256": text.sha256, "as_truth": as_truth}  # fmt: skip
    with bar("planning") as moved:
        return plans.plan(family, real=text.size, source=source, progress=moved, **sizes)


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
    if not 0 <= value <= 1:
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
        return tuple(read(name, part.strip()) for part in parts)

    return numbers


def _size(name: str, text: str) -> tuple[float, ...]:
    """Size of a model and number of covariates, how fast these lose importance, and signal over noise."""
    parts = [part.strip() for part in text.split(",")]
    if not 2 <= len(parts) <= 4:
        raise refused(
            name, text, "give size,covariates or size,covariates,decay or size,covariates,decay,signal, as 200,1000"
        )
    sizes = [value for part in parts[:2] if (value := whole(name, part)) is not None]
    return (*sizes, *(number(name, part) for part in parts[2:]))


def _budget(name: str, text: str) -> Any:
    from .budget import read as budget

    return budget(text)


def _correction(name: str, text: str) -> Any:
    """How a verifier pulls a mean: contraction,worth[,keep]."""
    from modelcollapse import theory

    numbers = _several(2, 3, "contraction,worth or contraction,worth,keep, as 0.5,1000,0.7", _letters)(name, text)
    try:
        return theory.Correction(*numbers)
    except theory.InputError as problem:
        raise refused(name, text, problem.remedy) from None


def _worth(name: str, text: str) -> float:
    """Real samples, or inf."""
    value = _letters(name, text.strip())
    if value < 0:
        raise refused(name, text, "give what it is worth in real samples, 0 or more, inf for a source without bias")
    return value


def _letters(name: str, text: str) -> float:
    return float("inf") if text.lower() == "inf" else number(name, text)


def _runs(name: str, text: str) -> Any:
    from modelcollapse.theory import InputError

    from .pilot_runs import read as runs

    try:
        return runs(text)
    except InputError as problem:
        raise InputError(f"--{name} {problem}") from None


def _snapshots(name: str, text: str) -> Any:
    from .snapshot_files import read as snapshots

    return snapshots(text)


READ: dict[str, Callable[[str, str], Any]] = {
    "snapshots": _snapshots,
    "count": whole,
    "retain": _share,
    "rare": number,
    "pilot": _runs,
    "worth": _worth,
    "contamination": _share,
    "model-size": _size,
    "sources": whole,
    "teacher": _several(1, 2, "its real samples, and how many of them are the student's, as 10000 or 10000,500", whole),
    "verifier": _several(2, 2, "the chances that it keeps a right label and a wrong one, as 0.9,0.2", _share),
    "regenerate": whole,
    "stop": _several(3, 4, "contraction,variance,bias or contraction,variance,bias,noise, as 0.5,3,1", number),
    "temperature": number,
    "multiplier": number,
    "detector": _several(2, 2, "the chances that it calls a real and a synthetic item real, as 0.95,0.05", _share),
    "stream": _share,
    "recover": number,
    "batches": _several(1, 10_000, "the samples that each model adds, as 1000,500,2000", whole),
    "replaceable": number,
    "phases": lambda name, text: text,
    "budget": _budget,
    "curation": _several(1, 3, "reward or reward,choices or reward,choices,trait, as 1,2,0.01", _letters),
}


def wants_a_plan(asked: Mapping[str, str | None], corpus: str | None, real: str | None, vocabulary: str | None,
                 others: tuple[Any, ...]) -> bool:  # fmt: skip
    """Whether the plan is made beside the answers: always without a question, else where it is said of what.

    ``others``: options that say how tokens are read or counted; they are of no use without a plan.
    """
    alone = corpus is None and (real is None or vocabulary is None) and all(each is None for each in others)
    return all(each is None for each in asked.values()) or not alone


def check_context(asked: Mapping[str, str | None], context: Mapping[str, str | None]) -> None:
    """Refuse what is said of the pipeline where no question looks at it.

    ``context``: where a plan is made, without what the plan looks at.
    """
    from .questions import ASKED

    for name, text in context.items():
        users = [each for each, question in ASKED.items() if name.replace("-", "_") in question.uses]
        if text is not None and all(asked[each] is None for each in users):
            wanted = "ask with --" + " or --".join(users) if users else "it belongs to a plan of tokens"
            raise refused(name, text, f"no question that is asked uses it: {wanted}")


CONTEXT: dict[str, Callable[[str, str], Any]] = {
    "share": _share,
    "accuracy": _share,
    "generations": whole,
    "correction": _correction,
    "at-least": whole,
}


def known(made: Plan | None, real: str | None, synthetic: str | None, vocabulary: str | None,
          context: Mapping[str, str | None]) -> Known:  # fmt: skip
    """What the options, or the plan, say of the pipeline."""
    from .questions import Known

    rest = {name.replace("-", "_"): CONTEXT[name](name, text) for name, text in context.items() if text is not None}
    if made is None:
        return Known(whole("real", real), whole("synthetic", synthetic), whole("vocabulary", vocabulary), **rest)
    there = made.family.p[made.family.p > 0]
    return Known(made.real, made.synthetic, len(there), alike=bool((there == there[0]).all()), **rest)


def answers(given: Mapping[str, str | None], known: Known) -> list[Answer]:
    """The answers to the questions that options ask, in the order of `questions.ASKED`."""
    from modelcollapse.theory.arguments import InputError

    from . import questions

    asked = {name: text for name in questions.ASKED if (text := given.get(name)) is not None}
    found = []
    for name, text in asked.items():
        try:
            value = READ[name](name, text)
            question = questions.ASKED[name]
            if question.tells:
                known = replace(known, **{question.tells: value})
            answer = question.ask(value, known)
            found.append(answer)
            known = replace(known, **answer.told)
        except InputError as problem:
            raise (refused(name, text, problem.remedy) if problem.remedy else problem) from None
    return found
