"""`verify --corpus --unit`: theory against chains of the words of a text, of whatever size, within given memory and time.

A model of one token against all others is a chain of its own (a Binomial of one trial), whose law depends on the token's count
alone. So one chain stands for all tokens of a count: a text of a hundred thousand words has a few thousand counts. Means over
chains are those of the whole model; only the tokens' dependence, which no mean sees, is left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.simulate.agree import threshold
from modelcollapse.simulate.tails import most_skewness

from .plan import finite
from .terminal import refused

GENERATIONS = 10
LEAST, MOST = 64, 4096  # chains
COPIES = 24  # arrays of the size of one observable that are held while chains run


@dataclass(frozen=True)
class Chosen:
    """What fits: ``groups`` of tokens of equal count, run ``batch`` at a time in ``chains`` chains; and what it takes."""

    tokens: int
    words: int
    groups: int
    batch: int
    chains: int
    memory: float
    seconds: float


@dataclass(frozen=True)
class GroupVerdict:
    """One observable of one workflow at the generation that fits worst. ``relation``: "=", or ">=" for a lower bound."""

    workflow: str
    observable: str
    relation: str
    generation: int
    predicted: float
    observed: float
    standard_error: float
    z: float
    allowed: float
    judged: int
    passed: bool


def verify(
    counts: np.ndarray, samples: int | None, chains: int | None, memory: float, seconds: float | None, seed: int, budget: float,
    progress: Callable[[int, int], None],
) -> tuple[Chosen, list[GroupVerdict]]:  # fmt: skip
    """The words of a text under each workflow, the text as the truth; InputError for what cannot be had in memory or time."""
    import jax

    values, repeats = np.unique(counts[counts > 0], return_counts=True)
    size = int(counts.sum())
    n = samples or size
    f = theory.Categorical(counts[counts > 0] / size)
    compared: dict[str, theory.Workflow] = {
        "replace": theory.Replace(n),
        "fixedreal": theory.FixedReal(n, n),
        "freshreal": theory.FreshReal(n, n),
        "accumulate": theory.Accumulate(n, n),
    }
    chosen = _choose(values / size, compared, size, int(repeats.sum()), chains, memory, seconds)
    rows, allowed = [], budget / (3 * len(compared))
    for place, (name, w) in enumerate(compared.items()):
        key = jax.random.fold_in(jax.random.key(seed), place)
        seen = _simulated(values / size, repeats, w, chosen, key, partial(_moved, progress, place, len(compared)))
        at = np.arange(1, GENERATIONS + 1)
        exact = isinstance(w, theory.FixedReal | theory.Accumulate)
        for observable, relation, means in (
            ("error", "=", theory.error(f, w, at)), ("diversity", "=", theory.diversity(f, w, at)),
            ("alive", "=" if exact else ">=", theory.survivors(f, w, at)),
        ):  # fmt: skip
            rows.append(_judged(name, observable, relation, seen[observable], np.asarray(means, float), allowed))
    return chosen, rows


def _moved(progress: Callable[[int, int], None], place: int, of: int, done: int, groups: int) -> None:
    progress(place * groups + done, of * groups)


def _judged(
    workflow: str, observable: str, relation: str, seen: np.ndarray, means: np.ndarray, budget: float
) -> GroupVerdict:
    """The worst generation of an observable (chain, generation), of those whose mean is no matter of a few chains."""
    chains = len(seen)
    allowed = threshold(GENERATIONS, chains, budget)
    observed, spread = seen.mean(axis=0), seen.std(axis=0, ddof=1)
    error = spread / math.sqrt(chains)
    rounding = 1e-12 * np.maximum(np.abs(means), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = np.abs(((seen - observed) ** 3).mean(axis=0) / spread**3)
        alike = np.abs(observed - means) <= 1e3 * rounding
        z = np.where(error > rounding, (observed - means) / error, np.where(alike, 0.0, np.inf))
    fair = np.where(error > rounding, skew, 0.0) <= most_skewness(chains, allowed)
    excess = np.where(fair, np.abs(z) if relation == "=" else -z, -np.inf)
    worst = int(np.argmax(excess))
    return GroupVerdict(
        workflow, observable, relation, worst + 1, float(means[worst]), float(observed[worst]), float(error[worst]),
        float(z[worst]), allowed, int(fair.sum()), bool(excess[worst] <= allowed),
    )  # fmt: skip


def _choose(p: np.ndarray, compared: dict[str, Any], size: int, words: int, chains: int | None, memory: float,
            seconds: float | None) -> Chosen:  # fmt: skip
    """Chains and batches for the memory and the time; the time is measured on a few chains."""
    one = 8.0 * COPIES * GENERATIONS  # bytes of a chain of a group
    groups = len(p)
    least = min(chains or LEAST, LEAST)
    if one * least > memory:
        raise refused("memory", f"{memory:.3g}", f"{least} chains of one group of tokens take {one * least:.3g} bytes")
    wanted = chains or MOST
    rate = math.nan
    if seconds is not None or chains is None:
        few = min(groups, 512)
        place = np.linspace(0, groups - 1, few).astype(int)
        pilot = Chosen(size, words, groups, few, 16, 0.0, 0.0)
        spent = []
        for _ in range(2):  # the first time it is compiled
            started = time.monotonic()
            _simulated(p[place], np.ones(few), compared["replace"], pilot, None, lambda done, of: None)
            spent.append(time.monotonic() - started)
        rate = spent[1] / (few * 16) * len(compared) * 2  # seconds of a group and a chain, in all workflows
        limit = seconds if seconds is not None else 60.0
        fits = int(limit / (rate * groups))
        if chains is None:
            wanted = min(MOST, 1 << max(0, fits.bit_length() - 1))
        if wanted < least or (chains is not None and seconds is not None and fits < chains):
            needed = rate * groups * (chains or least)
            raise refused(
                "time", f"{limit:g} s", f"{chains or least} chains of {groups:,} groups take about {needed:.0f} s"
            )
    batch = int(min(groups, max(1, memory // (one * wanted))))
    return Chosen(size, words, groups, batch, wanted, one * batch * wanted, rate * groups * wanted)


@lru_cache(maxsize=8)
def _together(memory: Any, step: Any, most: int, chains: int) -> Callable[..., Any]:
    """Chains of many groups at once, compiled once for a workflow and a number of chains."""
    import jax

    from modelcollapse.simulate.chains import run_chains

    def run(key: Any, p: Any, room: Any, sizes: Any, rows: Any) -> dict[str, Any]:
        return run_chains(key, {"trials": 1.0, "p": p}, room, sizes, rows, kind=theory.Binomial, fixed=(), memory=memory,
                          step=step, most=most, chains=chains)  # fmt: skip

    return jax.jit(jax.vmap(run, (0, 0, None, None, None)))


def _simulated(p: np.ndarray, repeats: np.ndarray, w: theory.Workflow, chosen: Chosen, key: Any,
               progress: Callable[[int, int], None]) -> dict[str, np.ndarray]:  # fmt: skip
    """Error, diversity and tokens alive of the whole model (chain, generation), from one chain for each group."""
    import jax

    from modelcollapse.simulate.pool import pool

    one = pool(theory.Binomial(1, 0.5), w, GENERATIONS)
    key = jax.random.key(0) if key is None else key
    together = _together(one.memory, one.step, one.most, chosen.chains)
    total = {name: np.zeros((chosen.chains, GENERATIONS)) for name in ("error", "diversity", "alive")}

    for first in range(0, len(p), chosen.batch):
        place = np.minimum(
            np.arange(first, first + chosen.batch), len(p) - 1
        )  # the last batch is filled up, and not counted
        weight = np.where(np.arange(first, first + chosen.batch) < len(p), repeats[place], 0.0)
        seen = together(jax.vmap(jax.random.fold_in, (None, 0))(key, place), p[place], one.room, one.sizes, one.rows)
        mean = np.asarray(seen["mean"])
        total["error"] += np.tensordot(weight, np.asarray(seen["error"]), 1)
        total["diversity"] += np.tensordot(weight, mean * (1 - mean), 1)
        total["alive"] += np.tensordot(weight, (mean > 0).astype(float), 1)
        progress(min(first + chosen.batch, len(p)), len(p))
    return total


def as_json(chosen: Chosen, rows: list[GroupVerdict]) -> dict[str, Any]:
    """What was chosen, and the verdicts, as plain data."""
    return finite({"chosen": asdict(chosen), "verdicts": [asdict(each) for each in rows]})
