"""What is asked beside the plan, what is known of the pipeline, and what an answer holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from modelcollapse import theory
from modelcollapse.terminal import percent
from modelcollapse.theory import ledger
from modelcollapse.theory.assumption import always

ANY_TOKENS = theory.Categorical([0.5, 0.5])  # what depends on the family through v2 = -1 only
MANY = 10**9  # synthetic samples of one who does not say how many


@dataclass(frozen=True)
class Known:
    """What is known of a pipeline; None where it was not said.

    ``real``, ``synthetic``: samples of a generation. ``vocabulary``: different tokens. ``share``: of synthetic data, between 0
    and 1. ``worth``: of the synthetic source, in real samples. ``accuracy``: chance that a generated label is right.
    ``generations``: how many. ``correction``: how a verifier pulls a mean. ``at_least``: items that a model is trained on.
    ``alike``: whether all tokens have one probability.
    ``effective``: whether ``synthetic`` is an effective size, estimated from snapshots.
    ``contamination``: share of synthetic data in a growing corpus. ``verifier``: chances that it keeps right and wrong labels.
    """

    real: int | None = None
    synthetic: int | None = None
    vocabulary: int | None = None
    share: float | None = None
    worth: float | None = None
    accuracy: float | None = None
    generations: int | None = None
    correction: theory.Correction | None = None
    at_least: int | None = None
    alike: bool | None = None
    contamination: float | None = None
    verifier: tuple[float, ...] | None = None
    effective: bool = False

    def need(self, name: str, asked: str, what: str) -> Any:
        """What must be known for a question, or a refusal that names its option."""
        value = getattr(self, name)
        if value is None:
            raise theory.InputError(f"{asked}: {what}? Give --{name}")
        return value


class Question(NamedTuple):
    """How an option of `plan` is answered: ``ask(value, known)``.

    ``by``: the theorems that it is about, cases not told apart; an answer may go by others too, or by fewer. ``uses``: what else
    it looks at, of `Known`. ``tells``: what its own value is, of `Known`, for it and the questions after it.
    """

    ask: Any
    by: tuple[str, ...]
    uses: tuple[str, ...] = ()
    tells: str = ""


@dataclass(frozen=True)
class Answer:
    """A question, its answer in sentences and as numbers, and the theorems behind it.

    ``told``: what it tells the questions after it of the pipeline, by the names of `Known`.
    """

    option: str
    question: str
    answer: str
    numbers: dict[str, Any]
    theorems: tuple[str, ...]
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def assumptions(self) -> list[str]:
        """Of all its theorems, each once."""
        found = [each.text for name in self.theorems for each in ledger.named(name).assumptions]
        return list(dict.fromkeys(found))

    @property
    def granted(self) -> list[str]:
        """Those about the data, which no program can check; the others hold, or there would be no answer."""
        every = (each for name in self.theorems for each in ledger.named(name).assumptions)
        return list(dict.fromkeys(each.text for each in every if each.holds is always))

    def as_record(self) -> dict[str, Any]:
        """For machines."""
        return {
            "option": self.option,
            "question": self.question,
            "answer": self.answer,
            **self.numbers,
            "theorems": list(self.theorems),
            "assumptions": self.assumptions,
        }


def part(share: float, whole: str) -> str:
    """A share of something, or how many times it.

    >>> part(0.125, "the signal"), part(20.5, "the signal"), part(math.inf, "the signal")
    ('12.5 % of the signal', '20.5 times the signal', 'infinitely many times the signal')
    """
    if math.isinf(share):
        return f"infinitely many times {whole}"
    return f"{percent(share)} {'of ' if share < 10 else ''}{whole}"
