"""What the options of `plan` say: strings become records here, the plan of a text or of sizes, and the questions beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .terminal import bar, number, refused, whole

if TYPE_CHECKING:
    from .corpus import Corpus, Unit
    from .plan import OrderPlan, Plan
    from .questions import Answer, Sizes


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


READ: dict[str, Callable[[str, str], Any]] = {"count": whole, "retain": number, "rare": number}


def answers(given: Mapping[str, str | None], sizes: Sizes) -> list[Answer]:
    """The answers to the questions that options ask, in the order of `questions.ASKED`."""
    from modelcollapse.theory.arguments import InputError

    from . import questions

    found = []
    for name, ask in questions.ASKED.items():
        text = given.get(name)
        if text is None:
            continue
        try:
            found.append(ask(READ[name](name, text), sizes))
        except InputError as problem:
            raise (refused(name, text, problem.remedy) if problem.remedy else problem) from None
    return found
