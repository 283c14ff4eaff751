"""The plan: what each workflow does to a user's data, generation by generation, and how much synthetic data is safe.

Only theory is asked, in float64 without JAX, so that a plan for given numbers takes a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg
from modelcollapse.theory import thinning
from modelcollapse.theory.assumption import POOLED_SECOND_MOMENT, TWO_SAMPLES

if TYPE_CHECKING:
    from modelcollapse.lm.contexts import Contexts

GAUSSIAN_ONLY = (POOLED_SECOND_MOMENT, TWO_SAMPLES)  # say nothing about tokens


@dataclass(frozen=True)
class Row:
    """One workflow of a plan; lists run over generations 1, 2, ..."""

    workflow: theory.Workflow
    name: str
    error: list[float]
    diversity: list[float]
    gain: list[float]
    limit: float
    safe: theory.SyntheticLimit
    survivors: list[float]
    survivors_are: str
    rare: list[float]
    rare_are: str
    optimal_weight: theory.OptimalWeight | None
    theorems: dict[str, str]
    assumptions: list[str]


@dataclass(frozen=True)
class Plan:
    """Everything that `plan` answers, ready to be printed or written."""

    family: theory.Categorical
    source: dict[str, Any]
    real: int
    synthetic: int
    train: int
    tolerance: float
    generations: list[int]
    rows: list[Row]
    collapse_time: float
    collapse_time_is: str


def zipf(vocabulary: int, exponent: float) -> np.ndarray:
    """Probabilities of ``vocabulary`` tokens that fall as rank to the power of minus ``exponent``.

    >>> zipf(2, 1.0).round(3).tolist()
    [0.667, 0.333]
    """
    weights = np.arange(1.0, vocabulary + 1) ** -exponent
    return weights / weights.sum()


def workflows(real: int, synthetic: int, train: int) -> list[theory.Workflow]:
    """The five workflows that a plan compares."""
    return [
        theory.Replace(synthetic=synthetic, real=real),
        theory.FixedReal(real=real, synthetic=synthetic),
        theory.FreshReal(real=real, synthetic=synthetic),
        theory.Accumulate(real=real, synthetic=synthetic),
        theory.AccumulateSubsample(real=real, synthetic=synthetic, train=train),
    ]


def plan(
    family: theory.Categorical,
    *,
    real: int,
    synthetic: int | None = None,
    train: int | None = None,
    generations: int = 10,
    tolerance: float = 0.1,
    source: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """The plan for a categorical family: ``synthetic`` and ``train`` default to ``real``. ``progress`` is called
    with the workflows done and the workflows in all.

    Raises InputError for sizes below 1, ``train`` above ``real``, a tolerance that is not above 0.

    >>> answer = plan(theory.Categorical([0.5, 0.5]), real=1000, synthetic=1000)
    >>> [round(row.limit, 3) for row in answer.rows]
    [1000.0, 1.333, 0.666, 1.644, 2.931]
    """
    arg.size("plan", "real", real)
    synthetic = real if synthetic is None else arg.size("plan", "synthetic", synthetic)
    train = real if train is None else arg.size("plan", "train", train)
    arg.size("plan", "generations", generations)
    every = list(range(1, generations + 1))
    rows, compared = [], workflows(real, synthetic, train)
    for place, each in enumerate(compared, start=1):
        rows.append(_row(family, each, np.array(every), tolerance))
        if progress is not None:
            progress(place, len(compared))
    newest = theory.Replace(synthetic=synthetic, real=real)
    evidence = theory.explain(theory.collapse_time, family, newest).evidence.value
    return Plan(family, source or {}, real, synthetic, train, tolerance, every, rows,
                theory.collapse_time(family, newest), evidence)  # fmt: skip


def _row(family: theory.Categorical, workflow: theory.Workflow, generations: np.ndarray, tolerance: float) -> Row:
    questions = (theory.error, theory.survivors, theory.max_synthetic)
    answers = {question.__name__: theory.explain(question, family, workflow) for question in questions}
    used = [each for theorem in answers.values() for each in theorem.assumptions if each not in GAUSSIAN_ONLY]
    assumptions = dict.fromkeys(each.text for each in used)
    return Row(
        workflow=workflow,
        name=type(workflow).__name__.lower(),
        error=theory.error(family, workflow, generations).tolist(),
        diversity=theory.diversity(family, workflow, generations).tolist(),
        gain=theory.gain(family, workflow, generations).tolist(),
        limit=theory.gain_limit(family, workflow),
        safe=theory.max_synthetic(family, workflow, tolerance),
        survivors=theory.survivors(family, workflow, generations).tolist(),
        survivors_are="at least" if answers["survivors"].evidence is theory.Evidence.BOUND else "exactly",
        rare=[_rare(workflow, each) for each in generations],
        rare_are="exactly" if isinstance(workflow, theory.FixedReal | theory.Accumulate) else "at least",
        optimal_weight=theory.optimal_weight(family, workflow) if isinstance(workflow, theory.FreshReal) else None,
        theorems={name: theorem.name for name, theorem in answers.items()},
        assumptions=list(assumptions),
    )


def _rare(workflow: theory.Workflow, generation: int) -> float:
    """Chance (at least) that generation m knows a token seen once in the first real set, whose probability is 1/N."""
    (_, first), *later = thinning.real_items(workflow, int(generation))
    return float(1 - (1 - first) * math.exp(-sum(chance for _, chance in later)))


@dataclass(frozen=True)
class OrderRow:
    """One workflow of a plan for text whose tokens depend on the last k; lists run over generations 1, 2, ...

    ``error``: weighted over contexts by how often each is seen; ``gain``: in units of the error of the real samples alone, and
    ``limit`` for m to infinity. ``exceeds``: the first of the generations whose gain is above 1 + tolerance, None where none is.
    ``alive``: pairs (context, token) that a model knows, ``alive_are`` exactly or at least. ``unvisited``: contexts too rare for
    a sample in every generation, left out, and the share of the text that follows them.
    """

    workflow: theory.Workflow
    name: str
    error: list[float]
    gain: list[float]
    limit: float
    exceeds: int | None
    alive: list[float]
    alive_are: str
    unvisited: int
    unvisited_share: float


@dataclass(frozen=True)
class OrderPlan:
    """What `plan_order` answers: ``contexts`` and ``pairs`` (context, token) of the text, and a row for each workflow."""

    order: int
    contexts: int
    pairs: int
    real: int
    synthetic: int
    train: int
    tolerance: float
    generations: list[int]
    rows: list[OrderRow]


def plan_order(
    tokens: Any,
    order: int,
    *,
    vocabulary: int,
    start: int = 0,
    real: int | None = None,
    synthetic: int | None = None,
    train: int | None = None,
    generations: int = 10,
    tolerance: float = 0.1,
    progress: Callable[[int, int], None] | None = None,
) -> OrderPlan:
    """The plan for windows ``tokens`` (n, L) of a text, as a table of what follows each context of ``order`` tokens.

    The table is taken as the truth. Sizes are in tokens, divided among contexts as the text divides (`lm.contexts`); ``real``
    defaults to the size of the text, ``synthetic`` and ``train`` to ``real``.

    Raises InputError as `plan`, and for an order other than 0, 1, 2.

    >>> answer = plan_order(np.array([[1, 2, 1, 2], [1, 1, 1, 2]]), 1, vocabulary=3, real=80, generations=2)
    >>> [(row.name, round(row.gain[1], 3)) for row in answer.rows][:2]
    [('replace', 1.98), ('fixedreal', 1.245)]
    """
    from modelcollapse.lm import contexts, tabular

    table = tabular.fit(tokens, order, vocabulary=vocabulary, start=start)
    real = arg.size("plan_order", "real", table.size if real is None else real)
    synthetic = arg.size("plan_order", "synthetic", real if synthetic is None else synthetic)
    train = arg.size("plan_order", "train", real if train is None else train)
    arg.size("plan_order", "generations", generations)
    arg.positive("plan_order", "tolerance", tolerance, "how much the error may grow")
    at = np.arange(1, generations + 1)
    rows, compared = [], workflows(real, synthetic, train)
    for place, each in enumerate(compared, start=1):
        rows.append(_order_row(contexts.divide(table, each), at, tolerance))
        if progress is not None:
            progress(place, len(compared))
    return OrderPlan(order, len(table.context), table.pairs, real, synthetic, train, tolerance, at.tolist(), rows)


def _order_row(divided: Contexts, at: np.ndarray, tolerance: float) -> OrderRow:
    from modelcollapse.lm.contexts import lonely

    gains: dict[Any, np.ndarray] = {}  # of sizes, whatever the family; the last number is the limit
    pairs = list(zip(divided.families, divided.workflows, strict=True))
    for f, w in pairs:
        if w not in gains:
            # one point of a pool is on average a draw of the truth, however often it is copied
            gains[w] = np.ones(len(at) + 1) if lonely(w) else np.append(theory.gain(f, w, at), theory.gain_limit(f, w))
    alone = divided.weight * np.array([f.v / w.real for f, w in pairs])
    error = alone @ np.array([gains[w] for w in divided.workflows])
    gain = error / alone.sum() if alone.sum() else np.ones_like(error)
    evidence = {theory.explain(theory.survivors, f, w).evidence for f, w in pairs}
    beyond = at[gain[:-1] > 1 + tolerance]
    return OrderRow(
        workflow=divided.w,
        name=type(divided.w).__name__.lower(),
        error=error[:-1].tolist(),
        gain=gain[:-1].tolist(),
        limit=float(gain[-1]),
        exceeds=int(beyond[0]) if len(beyond) else None,
        alive=np.sum([theory.survivors(f, w, at) for f, w in pairs], axis=0).tolist(),
        alive_are="at least" if theory.Evidence.BOUND in evidence else "exactly",
        unvisited=divided.unvisited,
        unvisited_share=divided.unvisited_share,
    )


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain data; infinite numbers are the text "inf"."""
    return {
        "source": plan.source,
        "real": plan.real,
        "synthetic": plan.synthetic,
        "train": plan.train,
        "tolerance": plan.tolerance,
        "real_only_error": plan.family.v / plan.real,
        "generations": plan.generations,
        "collapse_time": {"replace": finite(plan.collapse_time), "evidence": plan.collapse_time_is},
        "workflows": {row.name: _row_json(row) for row in plan.rows},
    }


def _row_json(row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {
        "error": finite(row.error),
        "diversity": finite(row.diversity),
        "gain": finite(row.gain),
        "limit": finite(row.limit),
        "safe": {
            "at_least": row.safe.at_least,
            "samples": finite(row.safe.samples),
            "fraction": row.safe.fraction,
            "expression": str(row.safe.expression),
        },
        "survivors": finite(row.survivors),
        "survivors_are": row.survivors_are,
        "seen_once_alive": finite(row.rare),
        "seen_once_alive_are": row.rare_are,
        "theorems": row.theorems,
        "assumptions": row.assumptions,
    }
    if row.optimal_weight is not None:
        record["optimal_weight"] = {"weight": row.optimal_weight.weight, "error": row.optimal_weight.error}
    return record


def finite(value: Any) -> Any:
    """Numbers, lists and records as JSON has them; infinity is the text "inf", NaN is null."""
    if isinstance(value, Mapping):
        return {str(name): finite(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return finite(value.tolist())
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def order_json(plan: OrderPlan) -> dict[str, Any]:
    """The plan as plain data; infinite numbers are the text "inf"."""
    plain = {
        name: getattr(plan, name) for name in ("order", "contexts", "pairs", "real", "synthetic", "train", "tolerance")
    }
    rows = {}
    for row in plan.rows:
        record = {each.name: getattr(row, each.name) for each in fields(row) if each.name not in ("workflow", "name")}
        rows[row.name] = finite(record)
    return plain | {"generations": plan.generations, "workflows": rows}
