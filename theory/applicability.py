r"""Which theorems hold for a family under a workflow, and why the others do not.

A theorem is stated for some pairs of a family and a workflow (its ``scope``) and assumes something of them (its ``assumptions``).
Both are evaluated here, in this order, and the first that fails is the reason. A theorem of several cases holds where one of them
does. What no number can check, such as that samples are drawn at temperature 1, is assumed and not decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .arguments import InputError
from .family import Bigram, Family, LogisticRegression
from .ledger import THEOREMS, answering, named
from .theorem import Evidence, Theorem, listed
from .workflow import AnyWorkflow, Selected, Workflow

STRENGTH = list(Evidence)  # strongest first
EXACT_OF = {
    "collapse_time_limit": "collapse_time",
    "collapse_time_upper_bound": "collapse_time",
    "l1_drift_upper_bound": "l1_drift",
}  # what a bound or a leading order is of


@dataclass(frozen=True)
class Applicability:
    """Whether a theorem, or a case of one, holds; where not, the assumption that fails (``why_not``) and what to use instead.

    ``superseded_by``: the theorem that answers the same question for this pair at least as exactly; its name, or "".
    """

    theorem: Theorem
    applies: bool
    why_not: str = ""
    instead: str = ""
    superseded_by: str = ""

    @property
    def name(self) -> str:
        """Of the theorem."""
        return self.theorem.name

    def as_record(self) -> dict[str, Any]:
        """Names and texts only, for machines."""
        return {
            "name": self.name,
            "quantity": self.theorem.quantity,
            "applies": self.applies,
            "why_not": self.why_not,
            "instead": self.instead,
            "superseded_by": self.superseded_by,
        }


def applicability(f: Family, w: AnyWorkflow, name: str | None = None) -> tuple[Applicability, ...]:
    r"""Which theorems hold for the family under the workflow, in reading order, and why the others do not.

    One record for each theorem; of a theorem with several cases, one for each case that holds, named "theorem/case".
    ``name``: of one theorem or case alone.

    ``f``: any family; ``w``: any workflow, of `Selected` data too (no theorem is about those: every record says so).
    Raises InputError for anything else, and inside a JAX transformation.

    >>> from modelcollapse import theory
    >>> every = {each.name: each for each in theory.applicability(theory.Categorical([0.5, 0.5]), theory.FixedReal(10, 10))}
    >>> every["fixed-real"].applies, every["replace"].why_not
    (True, 'it assumes that the workflow is Replace')
    >>> every["workflow-algebra"].superseded_by, every["worth"].why_not
    ('fixed-real', 'it needs a Source: a model whose samples are pooled with real ones once')
    >>> [name for name in every if name.startswith("survivors")]
    ['survivors/kept', 'survivors/thinning']
    """
    families.known("applicability", f)
    workflows.known("applicability", w)
    arg.static("applicability", f=f, w=w)
    asked = THEOREMS if name is None else (named(name),)
    everywhere = _nowhere(f, w)
    if everywhere is not None:
        return tuple(replace(everywhere, theorem=each) for each in asked)
    assert not isinstance(w, Selected)
    return tuple(
        replace(each, superseded_by=_superseded(each.theorem, f, w)) if each.applies else each
        for theorem in asked
        for each in _of_theorem(theorem, f, w)
    )


def _nowhere(f: Family, w: AnyWorkflow) -> Applicability | None:
    """The one reason for which no theorem holds, or None."""
    if isinstance(f, LogisticRegression | Bigram):
        name = type(f).__name__
        return Applicability(THEOREMS[0], False, f"no theorem is about a {name}", "simulate.chains runs it")
    if isinstance(w, Selected):
        steps = ", ".join(type(step).__name__ for step in w.steps)
        return Applicability(
            THEOREMS[0],
            False,
            f"no theorem is about a workflow whose samples are selected ({steps})",
            "simulate.chains runs it",
        )
    return None


def _of_theorem(theorem: Theorem, f: Family, w: Workflow) -> tuple[Applicability, ...]:
    """The forms of a theorem that hold, or why none does: the reasons of those that come nearest to it."""
    decided = [_decided(form, f, w) for form in theorem.forms]
    holding = tuple(record for _, record in decided if record.applies)
    if holding:
        return holding
    furthest = max(met for met, _ in decided)
    near = [record for met, record in decided if met == furthest]
    whys = listed((each.why_not for each in near), "; or ")
    return (Applicability(theorem, False, whys, listed((each.instead for each in near if each.instead), "; or ")),)


def _decided(form: Theorem, f: Family, w: Workflow) -> tuple[int, Applicability]:
    """Whether one form holds, and how many of its conditions do."""
    conditions = (*form.scope, *form.assumptions)
    for met, each in enumerate(conditions):
        if not each.holds(f, w):
            return met, Applicability(form, False, f"it assumes that {each.text}", each.remedy)
    if form.needs:
        return len(conditions), Applicability(form, False, f"it needs {form.needs}", f"theory.{form.quantity} takes it")
    return len(conditions), Applicability(form, True)


def _superseded(theorem: Theorem, f: Family, w: Workflow) -> str:
    """The theorem that answers instead of one that holds: no weaker, and it holds too."""
    question = EXACT_OF.get(theorem.quantity, theorem.quantity)
    try:
        best = answering(question, f, w)
    except InputError:
        return ""
    no_weaker = STRENGTH.index(best.evidence) <= STRENGTH.index(theorem.evidence)
    return best.name if best is not theorem and no_weaker and _decided(best, f, w)[1].applies else ""
