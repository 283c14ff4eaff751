"""What `plan` plans for: strings become a record here, and the plan of a text or of sizes is made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .terminal import bar, fraction, number, refused, whole

if TYPE_CHECKING:
    from .corpus import Corpus, Unit
    from .plan import OrderPlan, Plan


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
        return fraction("tolerance", "0.1" if self.tolerance is None else self.tolerance, WITHIN)


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
    from modelcollapse import theory
    from modelcollapse.lm import text, tokenizer, windows

    from . import plan as plans

    read = text.read(pipeline.corpus)
    letters = tokenizer.fit_bytes(read.documents)
    try:
        tokens = windows.cut(read.documents, letters, ORDER_LENGTH).tokens
    except theory.InputError:
        longest = max((len(each.encode(errors="surrogatepass")) for each in read.documents), default=0)
        remedy = f"its longest document has {longest} bytes: --order takes one of at least {ORDER_LENGTH}: name a longer text"
        raise refused("corpus", pipeline.corpus, remedy) from None
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
        raise refused("tolerance", pipeline.tolerance, WITHIN)
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
        text = read(pipeline.corpus, pipeline.unit)
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
    law = f"an exponent from 0 (all tokens alike) to {MOST_ZIPF}"
    exponent = number("zipf", "1" if pipeline.zipf is None else pipeline.zipf, law)
    if items < 2:
        raise refused("real", pipeline.real, "give at least 2 real samples: with fewer there is nothing to plan")
    if tokens > MOST_TOKENS:
        raise refused("vocabulary", pipeline.vocabulary, f"at most {MOST_TOKENS:,} different tokens")
    if not 0 <= exponent <= MOST_ZIPF:
        raise refused("zipf", pipeline.zipf, law)
    return items, tokens, exponent


MOST_TOKENS, MOST_ZIPF, MOST_GENERATIONS, MOST_TOLERANCE = 10_000_000, 100, 1000, 1_000_000
WITHIN = f"how much worse the error may become, above 0 and at most {MOST_TOLERANCE:,}: 0.1 is 10 %"
FORMS = (
    "name a text file, a .jsonl or .parquet[:column], a .csv of counts, hf:name[:column], builtin:pydoc, builtin:stdlib, "
    "source:markov, or - for standard input"
)
MOST_WORK = 200_000_000  # tokens times generations of a plan: some minutes


def read(corpus: str, unit: str | None) -> Corpus:
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
            raise refused("corpus", corpus, problem.remedy.replace(corpora.FORMS, FORMS)) from None


def _is_documents(corpus: str) -> bool:
    """Whether what is named comes as documents: parquet, a data set of the hub, docstrings, a known source."""
    if os.path.exists(corpus):
        return corpus.lower().endswith(".parquet")
    builtin = corpus.startswith("builtin:") and corpus != "builtin:pydoc"
    return builtin or corpus.startswith(("hf:", "source:")) or ".parquet:" in corpus.lower()


def unit_of(text: str | None) -> Unit:
    """What a token is, by its name; words of who does not say."""
    from .corpus import Unit

    if text is None:
        return Unit.WORDS
    if text not in [each.value for each in Unit]:
        raise refused("unit", text, "words or bytes")
    return Unit(text)


def wants_a_plan(asked: Mapping[str, str], pipeline: Pipeline) -> bool:
    """Whether the plan is made beside the answers: always without a question, else where it is said of what."""
    others = (pipeline.unit, pipeline.zipf, pipeline.train, pipeline.as_truth)  # of no use without a plan
    numbers = pipeline.real is not None and pipeline.vocabulary is not None
    return not asked or pipeline.corpus is not None or numbers or any(each is not None for each in others)


def seen(pipeline: Pipeline) -> dict[str, str]:
    """What a plan looks at, and questions may."""
    names = ("real", "synthetic", "vocabulary", "generations", "tolerance")
    return {name: value for name in names if (value := getattr(pipeline, name)) is not None}
