"""What to buy with a budget, generation by generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelcollapse import theory
from modelcollapse.terminal import bar, counted

from .answer import Answer, Known

if TYPE_CHECKING:
    from modelcollapse.budget import Budget

GENERATIONS = 3  # of one who does not say


def planned(given: Budget, known: Known) -> Answer:
    """The plan of least error that the budget buys."""
    from modelcollapse import budget

    generations = known.generations or GENERATIONS
    source = theory.Source(known.worth) if known.worth else None  # worth 0: it says nothing
    with bar("optimising"):
        plan = budget.optimise(given, generations, source=source, verifier=known.correction, at_least=known.at_least)
    record = plan.as_record()
    theorems = tuple(record.pop("theorems"))
    given_too = [f"The source is worth {known.worth:,.6g} real samples."] if known.worth else []
    if known.correction is not None:
        noise = f"a kept one has {known.correction.noise:.3g} times the variance of a real one"
        given_too.append(
            f"The verifier's chance to keep a sample is Gaussian in its distance from what it takes for true: {noise}."
        )
    horizon = [] if known.generations else [f"Planned for {GENERATIONS} generations; another number by --generations."]
    question = f"What does a budget of {given.total:,.10g} buy best, over {counted(generations, 'generation')}?"
    return Answer("budget", question, "\n".join([*plan.lines(), *given_too, *horizon]), record, theorems)
