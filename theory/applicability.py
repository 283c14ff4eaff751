r"""Which theorems hold for a family under a workflow, and why the others do not.

A theorem is stated for some pairs of a family and a workflow (its ``scope``) and assumes something of them (its ``assumptions``).
Both are evaluated here, in this order, and the first that fails is the reason. What no number can check, such as that samples are
drawn at temperature 1, is assumed and not decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .arguments import InputError
from .family import Bigram, Family, LogisticRegression
from .ledger import THEOREMS, answering
from .theorem import Evidence, Theorem
from .workflow import AnyWorkflow, Selected, Workflow

STRENGTH = list(Evidence)  # strongest first
EXACT_OF = {
    "collapse_time_limit": "collapse_time",
    "collapse_time_upper_bound": "collapse_time",
    "l1_drift_upper_bound": "l1_drift",
}  # what a bound or a leading order is of


@dataclass(frozen=True)
class Applicability:
    """Whether a theorem holds; where not, the assumption that fails (``why_not``) and what to use instead (``instead``).

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


def applicability(f: Family, w: AnyWorkflow) -> tuple[Applicability, ...]:
    r"""One record for each theorem, in reading order: whether it holds for the family under the workflow, and why not.

    ``f``: any family; ``w``: any workflow, of `Selected` data too (no theorem is about those: every record says so).
    Raises InputError for anything else, and inside a JAX transformation.

    >>> from modelcollapse import theory
    >>> every = {each.name: each for each in theory.applicability(theory.Categorical([0.5, 0.5]), theory.FixedReal(10, 10))}
    >>> every["fixed-real"].applies, every["replace"].why_not
    (True, 'it assumes that the workflow is Replace')
    >>> every["workflow-algebra"].superseded_by, every["worth"].why_not
    ('fixed-real', 'it needs a Source: a model whose samples are pooled with real ones once')
    """
    families.known("applicability", f)
    workflows.known("applicability", w)
    arg.static("applicability", f=f, w=w)
    everywhere = _nowhere(f, w)
    if everywhere is not None:
        return tuple(replace(everywhere, theorem=each) for each in THEOREMS)
    assert not isinstance(w, Selected)
    decided = tuple(_decided(each, f, w) for each in THEOREMS)
    holding = {each.name for each in decided if each.applies}
    return tuple(
        replace(each, superseded_by=_superseded(each.theorem, f, w, holding)) if each.applies else each
        for each in decided
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


def _decided(theorem: Theorem, f: Family, w: Workflow) -> Applicability:
    for each in (*theorem.scope, *theorem.assumptions):
        if not each.holds(f, w):
            return Applicability(theorem, False, f"it assumes that {each.text}", each.remedy)
    if theorem.needs:
        return Applicability(theorem, False, f"it needs {theorem.needs}", f"theory.{theorem.quantity} takes it")
    return Applicability(theorem, True)


def _superseded(theorem: Theorem, f: Family, w: Workflow, holding: set[str]) -> str:
    """The theorem that answers instead of one that holds: no weaker, and it holds too."""
    question = EXACT_OF.get(theorem.quantity, theorem.quantity)
    try:
        best = answering(question, f, w)
    except InputError:
        return ""
    no_weaker = STRENGTH.index(best.evidence) <= STRENGTH.index(theorem.evidence)
    return best.name if best.name in holding and best is not theorem and no_weaker else ""
