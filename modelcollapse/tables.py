"""`verify --corpus`: theory against tables of a real text, with no free parameter, context by context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.simulate.agree import threshold

LENGTH = 64  # tokens in a window
GENERATIONS = 10


@dataclass(frozen=True)
class TableVerdict:
    """One workflow. ``worst``: the comparison of the whole table that is furthest off, and how far, in units of what is allowed.

    ``visited`` contexts were judged one by one, and ``alarms`` of them are not what theory says; the ``unvisited`` are too rare
    for a sample in every generation, which ``unvisited_share`` of the text follows.
    """

    workflow: str
    order: int
    worst: str
    share_of_allowed: float
    visited: int
    alarms: int
    unvisited: int
    unvisited_share: float
    passed: bool


@dataclass(frozen=True)
class Identity:
    """A one-step identity of tables that write their own text: its worst z over the generations, and what is allowed."""

    name: str
    z: float
    allowed: float
    contexts_alive: float

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return abs(self.z) <= self.allowed


def verify(
    corpus: str, order: int, samples: int, chains: int, seed: int, budget: float, progress: Callable[[int, int], None]
) -> tuple[list[TableVerdict], list[Identity]]:
    """All workflows at fixed context counts, and the identities of free running; ``budget`` for all of them together."""
    import jax

    from modelcollapse.lm import contexts, free_running, tabular, text, tokenizer, windows
    from modelcollapse.lm.fixed_counts import fixed_counts
    from modelcollapse.lm.nulls import judge

    read = text.read(corpus)
    letters = tokenizer.fit_bytes(read.documents)
    table = tabular.fit(windows.cut(read.documents, letters, LENGTH).tokens, order, vocabulary=letters.size)
    compared: dict[str, theory.Workflow] = {
        "replace": theory.Replace(samples),
        "fixedreal": theory.FixedReal(samples, samples),
        "freshreal": theory.FreshReal(samples, samples),
        "accumulate": theory.Accumulate(samples, samples),
    }
    each, rows = budget / (len(compared) + 1), []
    for place, (name, w) in enumerate(compared.items()):
        divided = contexts.divide(table, w)
        run = fixed_counts(divided, GENERATIONS, chains, jax.random.fold_in(jax.random.key(seed), place))
        found = judge(run, contexts.predict(divided, GENERATIONS), np.random.default_rng((seed, place)), each)
        total = max(found.total, key=lambda one: one.worst.excess / one.threshold)
        worst = total.worst
        rows.append(
            TableVerdict(
                workflow=name,
                order=order,
                worst=f"{worst.observable}, generation {worst.generation}",
                share_of_allowed=worst.excess / total.threshold,
                visited=len(divided.visited),
                alarms=len(found.alarms),
                unvisited=int(divided.unvisited),
                unvisited_share=float(divided.unvisited_share),
                passed=found.passed,
            )
        )
        progress(place + 1, len(compared) + 1)
    size = samples // LENGTH * LENGTH
    free = free_running.free_run(
        table, theory.Replace(size), LENGTH, GENERATIONS, chains, np.random.default_rng((seed, 99))
    )
    identities = []
    for name in ("wald", "start_shrinkage"):
        values = getattr(free, name)
        spread = values.std(axis=0, ddof=1) / np.sqrt(chains)
        z = np.divide(values.mean(axis=0), spread, out=np.zeros(GENERATIONS), where=spread > 0)
        allowed = threshold(2 * GENERATIONS, chains, each)
        identities.append(Identity(name, float(z[np.argmax(np.abs(z))]), allowed, float(free.visited[:, -1].mean())))
    progress(len(compared) + 1, len(compared) + 1)
    return rows, identities


def as_json(rows: list[TableVerdict], identities: list[Identity]) -> dict[str, Any]:
    """Verdicts as plain data."""
    free = [asdict(each) | {"passed": each.passed} for each in identities]
    return {"tables": [asdict(each) for each in rows], "free_running": free}
