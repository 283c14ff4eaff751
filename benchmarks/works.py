"""The works: what is run, by whom, and with how many chains. Plain data: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import needs
from .needs import Needs

GENERATIONS = 100
N = 1000  # samples in a generation
PLACES = 500  # where a density is scored
BANDWIDTH = 0.5


@dataclass(frozen=True)
class Opponent:
    """What a user would take instead: the function ``name`` of the module ``module``.

    ``chains`` at once: as many as suit it best. ``generations``: fewer than ours where all would take too long; later ones are
    dearer, since they refit all data, so that the ratio is then a lower bound.
    ``needs``: a package beyond NumPy.
    """

    name: str
    module: str
    chains: int
    generations: int = GENERATIONS
    needs: str | None = None


@dataclass(frozen=True)
class Work:
    """A family under a workflow. ``chains``: ours at once. ``settings``: what opponents take beside chains and generations."""

    name: str
    family: str
    arguments: dict[str, Any]
    workflow: str
    sizes: dict[str, Any]
    chains: int
    needs: Needs
    settings: dict[str, Any]
    opponents: tuple[Opponent, ...]
    generations: int = field(default=GENERATIONS)


def _categorical(tokens: int, counts: int, loop: int) -> Work:
    return Work(
        f"categorical V={tokens} replace",
        "Categorical",
        {"p": [1 / tokens] * tokens},
        "Replace",
        {"synthetic": N},
        1024,
        needs.categorical(tokens, N),
        {"tokens": tokens, "n": N},
        (
            Opponent("counts", "categorical", counts),
            Opponent("loop", "categorical", loop),
            Opponent("drift", "categorical", 64, needs="msprime"),
        ),
    )


def _gaussian(d: int, workflow: str, ours: int, samples: int, statistics: int, loop: int, loop_generations: int = GENERATIONS,
              **sizes: Any) -> Work:  # fmt: skip
    points = workflow == "AccumulateSubsample"
    pooled = workflow not in ("Replace", "AccumulateSubsample")
    repeated = sizes.get("replacement", False)
    chosen = [("samples", samples), ("statistics", statistics), ("loop", loop)]
    given = {"synthetic": N} if workflow == "Replace" else {"real": N, "synthetic": N}
    words = {"AccumulateSubsample": "subsample", "FixedReal": "fixed real", "FreshReal": "fresh real"}
    return Work(
        f"gaussian d={d} {words.get(workflow, workflow.lower())}{' with replacement' if repeated else ''}",
        "Gaussian",
        {"dimension": d},
        workflow,
        {**given, **sizes},
        ours,
        needs.points(d, N) if points else needs.gaussian(d, 2 if workflow == "FreshReal" else 1, pooled),
        {"d": d, "n": N, "workflow": workflow, **sizes},
        tuple(
            Opponent(name, "gaussian", chains, loop_generations if name == "loop" else GENERATIONS)
            for name, chains in chosen
            if chains
        ),
    )


def _regression(d: int, ours: int, statistics: int, loop: int, generations: int) -> Work:
    return Work(
        f"regression d={d} accumulate",
        "LinearRegression",
        {"dimension": d},
        "Accumulate",
        {"real": N, "synthetic": N},
        ours,
        needs.regression(d),
        {"d": d, "n": N},
        (
            Opponent("statistics", "regression", statistics),
            Opponent("loop", "regression", loop, generations),
        ),
    )


WORKS = (
    _categorical(50, 256, 16),
    _categorical(1000, 256, 16),
    _gaussian(1, "Replace", 4096, 16, 4096, 16),
    _gaussian(10, "Replace", 1024, 8, 1024, 8),
    _gaussian(10, "Accumulate", 1024, 8, 1024, 1),
    _gaussian(10, "AccumulateSubsample", 128, 8, 0, 4),
    _gaussian(10, "AccumulateSubsample", 128, 8, 0, 4, replacement=True),
    _gaussian(10, "FixedReal", 1024, 8, 1024, 8),
    _gaussian(10, "FreshReal", 1024, 8, 1024, 8),
    _gaussian(100, "Replace", 64, 2, 32, 1),
    _gaussian(100, "Accumulate", 64, 2, 32, 1, loop_generations=40),
    _regression(10, 1024, 256, 1, 100),
    _regression(100, 64, 32, 1, 20),
    Work(
        "density d=2 accumulate",
        "KernelDensity",
        {"dimension": 2, "bandwidth": BANDWIDTH, "held_out": PLACES},
        "Accumulate",
        {"real": N, "synthetic": N},
        16,
        needs.density(2, N, PLACES),
        {"d": 2, "n": N, "bandwidth": BANDWIDTH, "places": PLACES},
        (Opponent("loop", "density", 1, 12, needs="scikit-learn"),),
    ),
)
