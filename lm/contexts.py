r"""Fixed context counts: a table as one categorical chain for each context, and what theory says of it.

Of n samples the context j gets :math:`n_j = n N_j / N`, rounded to whole numbers that sum to n (largest remainders). Each
context is then a chain of its own with its own sizes, independent of the others, and theory holds for each exactly; a table's
error is the :math:`N_j`-weighted mean. A context that gets no sample in some generation has no model there: it is left out,
and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import Accumulate, AccumulateSubsample, Categorical, FixedReal, FreshReal, Replace, Workflow
from modelcollapse.theory import arguments as arg
from modelcollapse.theory.l1 import l1_drift, l1_reaches

from .tabular import TabularLM

Sized = Replace | FixedReal | FreshReal | Accumulate | AccumulateSubsample


@dataclass(frozen=True, eq=False)
class Contexts:
    """The contexts of a table that a workflow visits, K of J, each with its own sizes.

    ``visited`` (K,): their places in the table. ``workflows``: what each runs under.
    """

    table: TabularLM
    w: Sized
    visited: np.ndarray
    workflows: tuple[Sized, ...]

    @property
    def weight(self) -> np.ndarray:
        """(K,) share of each in the tokens of the text that follow a visited context."""
        seen = self.table.seen[self.visited]
        return seen / seen.sum()

    @property
    def families(self) -> tuple[Categorical, ...]:
        """The truth after each."""
        return tuple(self.table.law(place) for place in self.visited)

    @property
    def samples(self) -> np.ndarray:
        """(K,) training samples of generation 1 in each."""
        return np.array([w.train if isinstance(w, AccumulateSubsample) else w.real for w in self.workflows])

    @property
    def pairs(self) -> int:
        """Pairs (context, token) that the truth has in visited contexts."""
        return int(np.diff(self.table.first)[self.visited].sum())

    @property
    def unvisited(self) -> int:
        """How many contexts of the text are left out."""
        return len(self.table.context) - len(self.visited)

    @property
    def unvisited_share(self) -> float:
        """How much of the text follows a context that is left out."""
        return float(1 - self.table.seen[self.visited].sum() / self.table.size)


def divide(table: TabularLM, w: Workflow) -> Contexts:
    """The sizes of a workflow, divided among the contexts of a table.

    Raises InputError for a Schedule and for arrays of sizes.

    >>> from modelcollapse import theory
    >>> from modelcollapse.lm import tabular
    >>> table = tabular.fit(np.array([[1, 2, 1, 2], [1, 1, 1, 2]]), 1, vocabulary=3)
    >>> divided = divide(table, theory.Replace(5))
    >>> [each.synthetic for each in divided.workflows], divided.unvisited
    ([1, 3, 1], 0)
    """
    theory.workflow.check("divide", w)
    if isinstance(w, theory.Schedule | theory.SlidingWindow | theory.RandomPast):
        raise arg.refuse(
            "divide", "w", w, f"a workflow of the newest model: a {type(w).__name__} is not divided among contexts"
        )
    arg.one_size("divide", w)
    seen = table.seen
    real = apportioned(w.real, seen)
    if isinstance(w, Replace) and isinstance(w.synthetic, tuple):
        synthetic = np.stack([apportioned(size, seen) for size in w.synthetic], axis=1)
    else:
        synthetic = apportioned(w.synthetic, seen)[:, None]
    # rounding may give a context more to train on than it has
    train = np.minimum(apportioned(w.train, seen), real) if isinstance(w, AccumulateSubsample) else real
    visited = np.flatnonzero((real > 0) & (synthetic > 0).all(axis=1) & (train > 0))
    if not len(visited):
        raise arg.refuse("divide", "w", w, "no context gets a sample in every generation: use larger sizes")
    sizes = ((int(real[place]), tuple(map(int, synthetic[place])), int(train[place])) for place in visited)
    return Contexts(table, w, visited, tuple(_sized(w, *each) for each in sizes))


def _sized(w: Sized, real: int, synthetic: tuple[int, ...], train: int) -> Sized:
    """The same workflow with other sizes."""
    match w:
        case Replace():
            return Replace(synthetic if isinstance(w.synthetic, tuple) else synthetic[0], real)
        case FreshReal():
            return FreshReal(real, synthetic[0], w.weight)
        case AccumulateSubsample():
            return AccumulateSubsample(real, synthetic[0], train, w.replacement)
        case FixedReal() | Accumulate():
            return type(w)(real, synthetic[0])
    assert_never(w)


def apportioned(total: int, weights: np.ndarray) -> np.ndarray:
    """Whole numbers in proportion to ``weights`` (J,) that sum to ``total``, by largest remainders, the first of equals.

    >>> apportioned(5, np.array([2, 5, 1])).tolist()
    [1, 3, 1]
    """
    exact = int(total) * np.asarray(weights, object)  # Python's whole numbers: no overflow, no rounding
    whole = int(np.sum(weights))
    shares, remainders = exact // whole, exact % whole
    missing = int(total) - int(shares.sum())
    shares[np.argsort(-remainders.astype(np.int64), kind="stable")[:missing]] += 1
    return shares.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What theory says of each context, (K, generation) from generation 1 on, nothing fitted.

    ``error``, ``diversity``: exact. ``alive``: exact where ``alive_exact`` (K,), else a lower bound. ``drift``: the L1 distance
    from the first model, exact, NaN where theory does not reach (`theory.l1`).
    """

    contexts: Contexts
    error: np.ndarray
    diversity: np.ndarray
    alive: np.ndarray
    alive_exact: np.ndarray
    drift: np.ndarray

    @property
    def real_only(self) -> float:
        """Error of a table fitted to the real samples alone, weighted over contexts."""
        parts = [f.v / w.real for f, w in zip(self.contexts.families, self.contexts.workflows, strict=True)]
        return float(self.contexts.weight @ parts)

    @property
    def gain(self) -> np.ndarray:
        """(generation,) weighted error over that of the real samples alone."""
        return self.contexts.weight @ self.error / self.real_only


def predict(contexts: Contexts, generations: int) -> Prediction:
    """Theory's answer for every visited context, at generations 1, ..., ``generations``.

    >>> from modelcollapse import theory
    >>> from modelcollapse.lm import tabular
    >>> table = tabular.fit(np.array([[1, 2, 1, 2], [1, 1, 1, 2]]), 0, vocabulary=3)
    >>> predict(divide(table, theory.Replace(8)), 2).gain.round(3).tolist()
    [1.0, 1.875]
    """
    at = np.arange(1, generations + 1)
    answers = [_answers(f, w, at) for f, w in zip(contexts.families, contexts.workflows, strict=True)]
    error, diversity, alive, drift = (np.array(column) for column in zip(*answers, strict=True))
    exact = [
        theory.explain(theory.survivors, f, w).evidence is not theory.Evidence.BOUND
        for f, w in zip(contexts.families, contexts.workflows, strict=True)
    ]
    return Prediction(contexts, error, diversity, alive, np.array(exact), drift)


def _answers(f: Categorical, w: Sized, at: np.ndarray) -> tuple[np.ndarray, ...]:
    alive = theory.survivors(f, w, at)
    drift = l1_drift(f, w, at) if l1_reaches(w, len(at)) else np.full(len(at), np.nan)
    exact = w.schedule(len(at)) if lonely(w) else w
    return theory.error(f, exact, at), theory.diversity(f, exact, at), alive, drift


def lonely(w: Sized) -> bool:
    """Whether one real sample is subsampled: its closed form divides by zero, the algebra of schedules answers."""
    return isinstance(w, AccumulateSubsample) and w.real == 1 and not w.replacement
