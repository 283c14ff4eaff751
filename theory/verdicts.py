r"""Eight definitions of model collapse, and what each says of one run.

Schaeffer2025 count eight definitions in the literature, and a run that collapses by one may thrive by another. So a
run is judged by all, from the series that it has; a definition whose series is missing cannot say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np

from . import arguments as arg
from .series import Change, Run, above_real_only, contrast, ends, later_growth, mean, missing

SHORTEST = 3  # generations that have an earlier and a later half of growth


class Answer(StrEnum):
    """What a definition says of a run."""

    YES = "yes"
    NO = "no"
    RISES = "no, it rises"
    FALLS = "no, it falls"
    UNKNOWN = "cannot say"


class Definition(StrEnum):
    """The definitions, in the order of Schaeffer2025."""

    CATASTROPHIC = "catastrophic increase of risk"
    ANY = "any increase of risk"
    DIVERGING = "diverging risk"
    SCALING = "changed scaling law"
    VARIANCE = "collapsing variance"
    MODES = "disappearing or entangled modes"
    TAIL = "disappearing tail"
    UNREAL = "hallucinated data"


SOURCES: dict[Definition, tuple[str, ...]] = {
    Definition.CATASTROPHIC: ("Schaeffer2025", "Shumailov2024"),
    Definition.ANY: ("Schaeffer2025", "Dohmatob2025"),
    Definition.DIVERGING: ("Schaeffer2025", "Gerstgrasser2024"),
    Definition.SCALING: ("Schaeffer2025", "Dohmatob2024"),
    Definition.VARIANCE: ("Schaeffer2025", "Alemohammad2024", "Seddik2024"),
    Definition.MODES: ("Schaeffer2025", "Alemohammad2024"),
    Definition.TAIL: ("Schaeffer2025", "Shumailov2024"),
    Definition.UNREAL: ("Schaeffer2025", "Shumailov2024"),
}

MEASURES: dict[Definition, str] = {
    Definition.CATASTROPHIC: "share of what the first model had learnt that the last has lost",
    Definition.ANY: "risk of the last model less that of training on real data alone",
    Definition.DIVERGING: "growth of risk in the later half less what growth like log m would add",
    Definition.SCALING: "change of the exponent with which risk falls in the amount of data",
    Definition.VARIANCE: "share of the first model's diversity that the last has",
    Definition.MODES: "change of the share of real modes that are kept apart",
    Definition.TAIL: "change of what is left of the real tail",
    Definition.UNREAL: "change of the share of what is generated that is not real",
}


@dataclass(frozen=True)
class Verdict:
    """What one definition says: the number it rests on with its standard error, and why.

    ``number`` and ``standard_error`` are NaN where it cannot say for want of a series.
    """

    definition: Definition
    answer: Answer
    number: float
    standard_error: float
    reason: str

    @property
    def name(self) -> str:
        """Name of the definition."""
        return self.definition.value

    @property
    def source(self) -> tuple[str, ...]:
        """Keys of references.bib: who lists the definition, who uses it."""
        return SOURCES[self.definition]

    @property
    def measures(self) -> str:
        """What the number is."""
        return MEASURES[self.definition]

    def __str__(self) -> str:
        """One line."""
        number = "" if np.isnan(self.number) else f" ({self.number:.4g} +- {self.standard_error:.2g})"
        return f"{self.name}: {self.answer.value}{number}: {self.reason}"


def verdicts(run: Run, *, errors: float = 2.0, share: float = 0.5) -> tuple[Verdict, ...]:
    """What all eight definitions say of a run, in the order of `Definition`.

    ``errors``: standard errors that a change has to exceed; they are those of the mean over chains, paired within
    chains, or follow from the run's noise where that is larger. "no" means: not more than the noise. ``share``:
    part of what was learnt, and of the diversity, whose loss is a collapse by itself.

    >>> levelling = Run(risk=[1.0, 1.25, 1.36, 1.42, 1.46], diversity=[0.5, 0.49, 0.486, 0.484, 0.4832])
    >>> [each.answer.value for each in verdicts(levelling)]
    ['cannot say', 'yes', 'no', 'cannot say', 'no', 'cannot say', 'cannot say', 'cannot say']
    """
    arg.positive("verdicts", "errors", errors, "standard errors that a change has to exceed")
    arg.probability("verdicts", "share", share, "share of what was learnt whose loss is a collapse")
    return tuple(_verdict(each, run, errors, share) for each in Definition)


def _verdict(definition: Definition, run: Run, errors: float, share: float) -> Verdict:
    match definition:
        case Definition.CATASTROPHIC:
            return _catastrophic(run, errors, share)
        case Definition.ANY:
            return _any(run, errors)
        case Definition.DIVERGING:
            return _diverging(run, errors)
        case Definition.SCALING:
            return _changed(definition, run, "exponent", errors, collapse=-1)
        case Definition.VARIANCE:
            return _variance(run, errors, share)
        case Definition.MODES:
            return _changed(definition, run, "modes", errors, collapse=-1)
        case Definition.TAIL:
            return _changed(definition, run, "tail", errors, collapse=-1)
        case Definition.UNREAL:
            return _changed(definition, run, "unreal", errors, collapse=+1)
    assert_never(definition)


def _catastrophic(run: Run, errors: float, share: float) -> Verdict:
    definition = Definition.CATASTROPHIC
    if reason := missing(run, "risk", 2) or ("" if run.useless is not None else "give useless"):
        return _unknown(definition, reason)
    first = mean(run.risk)[0]
    learnt = float(run.useless) - first  # type: ignore[arg-type]
    if not 0 < learnt < np.inf:
        return _unknown(definition, "the first model is no better than useless")
    change = contrast(run, "risk", ends(run.risk))
    lost = change.value / learnt
    error = contrast(run, "risk", ends(run.risk, first=lost - 1)).error / learnt if np.isfinite(lost) else 0.0
    beyond = contrast(run, "risk", ends(run.risk, first=share - 1), constant=-share * (first + learnt))
    if change.sign(errors) < 0:
        return Verdict(definition, Answer.FALLS, lost, error, "the risk falls")
    match beyond.sign(errors):
        case 1:
            return Verdict(definition, Answer.YES, lost, error, f"more than {share:g} of it")
        case -1:
            return Verdict(definition, Answer.NO, lost, error, f"less than {share:g} of it")
    return Verdict(definition, Answer.UNKNOWN, lost, error, f"within the noise of {share:g} of it")


def _any(run: Run, errors: float) -> Verdict:
    definition = Definition.ANY
    if reason := missing(run, "risk", 2) or ("" if run.real_only is None else missing(run, "real_only", 0)):
        return _unknown(definition, reason)
    if run.real_only is None:
        change, than = contrast(run, "risk", ends(run.risk)), "the first model"
    else:
        change, than = above_real_only(run), "training on real data alone"
    return _told(definition, change, errors, collapse=+1, than=than)


def _diverging(run: Run, errors: float) -> Verdict:
    definition = Definition.DIVERGING
    if run.risk_limit is not None:
        answer = Answer.YES if run.risk_limit == np.inf else Answer.NO
        return Verdict(definition, answer, float(run.risk_limit), 0.0, "the limit that was given")
    if reason := missing(run, "risk", SHORTEST):
        return _unknown(definition, f"{reason}, or risk_limit")
    if mean(run.risk)[-1] == np.inf:
        return Verdict(definition, Answer.YES, np.inf, 0.0, "it is infinite")
    change = contrast(run, "risk", ends(run.risk))
    growth = contrast(run, "risk", later_growth(run.risk.shape[-1]))
    if (sign := change.sign(errors)) <= 0:
        answer, reason = (Answer.FALLS, "the risk falls") if sign else (Answer.NO, "no rise beyond the noise")
        return Verdict(definition, answer, growth.value, growth.error, reason)
    return _growing(definition, growth, errors, "the risk grows")


def _variance(run: Run, errors: float, share: float) -> Verdict:
    definition = Definition.VARIANCE
    if reason := missing(run, "diversity", 2):
        return _unknown(definition, reason)
    means = mean(run.diversity)
    if means[0] <= 0:
        return _unknown(definition, "the first model has no diversity to lose")
    kept = float(means[-1] / means[0])
    change = contrast(run, "diversity", ends(run.diversity))
    error = contrast(run, "diversity", ends(run.diversity, first=-kept)).error / means[0]
    below = contrast(run, "diversity", ends(run.diversity, first=share - 1))

    def verdict(answer: Answer, reason: str) -> Verdict:
        return Verdict(definition, answer, kept, error, reason)

    if (sign := change.sign(errors)) >= 0:
        return verdict(Answer.RISES, "the diversity rises") if sign else verdict(Answer.NO, "no fall beyond the noise")
    if below.sign(errors) < 0 or means[-1] == 0:
        return verdict(Answer.YES, f"more than {share:g} is lost")
    if run.diversity_limit is not None:
        collapsed = run.diversity_limit <= (1 - share) * means[0]
        return verdict(Answer.YES if collapsed else Answer.NO, f"it goes to {run.diversity_limit:.4g}")
    if len(means) < SHORTEST:
        return verdict(Answer.UNKNOWN, f"it falls: give {SHORTEST} generations, or diversity_limit")
    if not np.all(means > 0):
        return verdict(Answer.UNKNOWN, "it was zero and came back")
    growth = contrast(run, "diversity", -later_growth(len(means)), logarithm=True)
    told = _growing(definition, growth, errors, "it falls")
    return verdict(told.answer, told.reason)


def _changed(definition: Definition, run: Run, name: str, errors: float, *, collapse: int) -> Verdict:
    """A series that means collapse where it moves in the direction ``collapse``."""
    if reason := missing(run, name, 2):
        return _unknown(definition, reason)
    change = contrast(run, name, ends(getattr(run, name)))
    return _told(definition, change, errors, collapse=collapse, than="the first model")


def _told(definition: Definition, change: Change, errors: float, *, collapse: int, than: str) -> Verdict:
    match change.sign(errors):
        case 1:
            answer, reason = Answer.RISES, f"more than {than}"
        case -1:
            answer, reason = Answer.FALLS, f"less than {than}"
        case _:
            answer, reason = Answer.NO, f"within the noise of {than}"
    if change.sign(errors) == collapse:
        answer = Answer.YES
    return Verdict(definition, answer, change.value, change.error, reason)


def _growing(definition: Definition, growth: Change, errors: float, what: str) -> Verdict:
    match growth.sign(errors):
        case 1:
            answer, reason = Answer.YES, f"{what} without levelling off in the generations seen"
        case -1:
            answer, reason = Answer.NO, f"{what} and levels off"
        case _:
            answer, reason = Answer.UNKNOWN, f"{what}; whether it levels off is within the noise"
    return Verdict(definition, answer, growth.value, growth.error, reason)


def _unknown(definition: Definition, reason: str) -> Verdict:
    return Verdict(definition, Answer.UNKNOWN, np.nan, np.nan, reason)
