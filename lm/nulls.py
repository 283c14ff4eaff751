r"""Nulls: whether a run of fixed context counts is what theory says, context by context, at a stated rate of false alarms.

The whole table and every context with `COMMON` samples or more are judged by `simulate.agree`. Means over the chains of a rare
context are far from normal: there the law of the mean is had by resampling many chains that a second implementation drew, in
NumPy, from the same workflow (a Monte-Carlo null), and the largest deviation of all rare contexts is compared with the largest
one of the resampled runs (single-step maxT of Westfall and Young), which needs no normal law and no independence.

What theory does not predict exactly (tokens alive where it is a bound, L1 beyond its reach) is compared with that second
implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from modelcollapse.simulate import Agreement, Trajectory, agree, judged
from modelcollapse.theory import Accumulate, AccumulateSubsample, Categorical, FixedReal, FreshReal, Replace, Workflow
from modelcollapse.theory import arguments as arg

from .contexts import Prediction
from .fixed_counts import ContextRun

COMMON = 30  # samples from which on a context is judged by a normal law
NULL_CHAINS = 4096  # of the second implementation, in each rare context
REFERENCES = 4  # of its chains that one chain is compared with, where theory says nothing
ROUNDING = 1e-5  # relative: what is constant may differ by the rounding of 32-bit chains
NAMES = ("error", "diversity", "alive", "drift")


@dataclass(frozen=True)
class Rare:
    """The verdict on a rare context: its largest deviation, in standard errors of the null, and how rare that is.

    ``p``: chance that *any* rare context of a correct run deviates as far (adjusted for all of them).
    """

    place: int
    samples: int
    observable: str
    generation: int
    deviation: float
    p: float


@dataclass(frozen=True)
class Judgement:
    """Three verdicts on one run, a third of the budget of false alarms each.

    ``total``: the whole table. ``common``: the worst of the contexts with many samples. ``rare``: the others, one by one.
    """

    total: tuple[Agreement, ...]
    common: tuple[Agreement, ...]
    rare: tuple[Rare, ...]
    budget: float

    @property
    def passed(self) -> bool:
        """Whether nothing is an alarm."""
        return all([*self.total, *self.common]) and all(each.p > self.budget / 3 for each in self.rare)


def judge(run: ContextRun, prediction: Prediction, rng: np.random.Generator, budget: float = 1e-3) -> Judgement:
    """Whether a run of fixed context counts is what theory predicts.

    ``budget``: chance that a correct run raises an alarm. Contexts are rare that have fewer than `COMMON` samples in some
    generation, and those whose mean is carried by few chains (`simulate.judged`).

    >>> import jax
    >>> from modelcollapse import theory
    >>> from modelcollapse.lm import contexts, fixed_counts, tabular
    >>> table = tabular.fit(np.array([[1, 2, 1, 2], [1, 1, 1, 2]]), 1, vocabulary=3)
    >>> divided = contexts.divide(table, theory.Replace(80))
    >>> run = fixed_counts.fixed_counts(divided, generations=3, chains=100, key=jax.random.key(0))
    >>> found = judge(run, contexts.predict(divided, 3), np.random.default_rng(0), budget=0.1)
    >>> found.passed, [each.samples for each in found.rare]
    (True, [20, 10])
    """
    third = budget / 3
    rare = _rare(run, third)
    places = np.flatnonzero(~rare)
    total = _agreements(run, prediction, np.arange(len(rare)), rng, third)
    common = [
        each for place in places for each in _agreements(run, prediction, np.array([place]), rng, third / len(places))
    ]
    return Judgement(total, tuple(common), _resampled(run, prediction, np.flatnonzero(rare), rng, third), budget)


def least_samples(w: Workflow) -> int:
    """The fewest samples that a model of the workflow is fitted on."""
    match w:
        case Replace(synthetic=tuple()):
            return min(w.real, *w.synthetic)
        case Replace():
            return min(w.real, w.synthetic)
        case AccumulateSubsample():
            return w.train
    return w.real


def _rare(run: ContextRun, budget: float) -> np.ndarray:
    """(K,) contexts that no normal law is good for."""
    chains, generations = run.error.shape[1:]
    rare = np.array([least_samples(w) < COMMON for w in run.contexts.workflows])
    for place in np.flatnonzero(~rare):
        f, w = run.contexts.families[place], run.contexts.workflows[place]
        rare[place] = not all(np.all(each) for each in judged(f, w, generations, chains, budget / len(rare)).values())
    return rare


def _agreements(
    run: ContextRun, prediction: Prediction, places: np.ndarray, rng: np.random.Generator, budget: float
) -> tuple[Agreement, ...]:
    """Contexts taken together: against theory where it is exact, against its bound, and against the second implementation."""
    chosen = np.isin(np.arange(len(run.error)), places)
    exact = chosen & prediction.alive_exact
    reached = chosen & ~np.isnan(prediction.drift).any(axis=1)
    weight = run.contexts.weight
    means = {
        "error": weight[chosen] @ prediction.error[chosen],
        "diversity": weight[chosen] @ prediction.diversity[chosen],
    }
    if exact.any():
        means["alive"] = prediction.alive[exact].sum(axis=0)
    if reached.any():
        means["drift"] = weight[reached] @ prediction.drift[reached]
    silent = {"alive": chosen & ~exact, "drift": chosen & ~reached}
    silent = {name: part for name, part in silent.items() if part.any()}
    part = budget / (1 + bool(silent) + ("alive" in silent))
    found = [agree(run.total(error=chosen, diversity=chosen, alive=exact, drift=reached), means, part)]
    if "alive" in silent:
        found.append(
            agree(run.total(alive=chosen), None, part, at_least={"alive": prediction.alive[chosen].sum(axis=0)})
        )
    if silent:
        found.append(agree(_differences(run, silent, rng), dict.fromkeys(silent, np.zeros(run.error.shape[2])), part))
    return tuple(found)


def _differences(run: ContextRun, silent: dict[str, np.ndarray], rng: np.random.Generator) -> Trajectory:
    """Each chain less the mean of `REFERENCES` chains of the second implementation: mean 0 where both have one law."""
    chains, generations = run.error.shape[1:]
    zeros = np.zeros((chains, generations))
    apart = {name: zeros.copy() for name in ("alive", "drift")}
    for place in np.flatnonzero(np.any(list(silent.values()), axis=0)):
        f, w = run.contexts.families[place], run.contexts.workflows[place]
        null = witness(f, w, generations, chains * REFERENCES, rng)
        for name, part in silent.items():
            if part[place]:
                mean = null[name].reshape(chains, REFERENCES, generations).mean(axis=1)
                weight = 1.0 if name == "alive" else run.contexts.weight[place]
                apart[name] += weight * (getattr(run, name)[place] - mean)
    arrays: dict[str, Any] = {name: jnp.asarray(value) for name, value in apart.items()}
    return Trajectory(run.contexts.families[0], run.contexts.w, jnp.asarray(zeros), jnp.asarray(zeros), **arrays)


def _resampled(
    run: ContextRun, prediction: Prediction, places: np.ndarray, rng: np.random.Generator, budget: float
) -> tuple[Rare, ...]:
    """The rare contexts, each against the largest deviation of all of them in resampled runs."""
    chains, generations = run.error.shape[1:]
    draws = NULL_CHAINS + chains
    replicates = int(np.ceil(2 / budget))
    weights = np.stack([np.bincount(rng.integers(draws, size=chains), minlength=draws) for _ in range(replicates)])
    weights = weights.astype(np.float32) / chains
    largest = np.zeros(replicates)
    found = []
    for place in places:
        f, w = run.contexts.families[place], run.contexts.workflows[place]
        null = witness(f, w, generations, NULL_CHAINS, rng)
        drawn = np.concatenate([null[name] for name in NAMES], axis=1)
        seen = np.concatenate([getattr(run, name)[place] for name in NAMES], axis=1)
        alive = prediction.alive[[place]] if prediction.alive_exact[place] else np.full((1, generations), np.nan)
        expected = np.concatenate(
            [prediction.error[[place]], prediction.diversity[[place]], alive, prediction.drift[[place]]], axis=1
        )[0]
        silent = np.isnan(expected)
        expected = np.where(silent, drawn.mean(axis=0), expected)
        both = np.concatenate([drawn, seen])
        spread = both.std(axis=0) / np.sqrt(chains) * np.sqrt(1 + silent * chains / NULL_CHAINS)
        varies = both.std(axis=0) > ROUNDING * np.abs(both).max(axis=0)
        spread = np.where(varies, spread, 1.0)
        off = np.abs(seen.mean(axis=0) - expected)
        off = np.where(varies, off / spread, np.where(off > ROUNDING, np.inf, 0.0))
        centred = ((both - both.mean(axis=0)) / spread)[:, varies].astype(np.float32)
        largest = np.maximum(largest, np.abs(weights @ centred).max(axis=1, initial=0.0))
        found.append((place, w, off))
    return tuple(_verdict(place, w, off, largest, generations) for place, w, off in found)


def _verdict(place: int, w: Workflow, off: np.ndarray, largest: np.ndarray, generations: int) -> Rare:
    worst = int(off.argmax())
    name, generation = NAMES[worst // generations], worst % generations + 1
    p = (1 + np.count_nonzero(largest >= off[worst])) / (1 + len(largest))
    return Rare(int(place), least_samples(w), name, generation, float(off[worst]), float(p))


def witness(
    f: Categorical, w: Workflow, generations: int, chains: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The second implementation: a categorical under a workflow in NumPy, (chain, generation) for each observable.

    It shares no code with `simulate`, draws counts and looks at them. Raises InputError for a Schedule.

    >>> from modelcollapse import theory
    >>> seen = witness(theory.Categorical([0.5, 0.5]), theory.Replace(1), 3, 2, np.random.default_rng(0))
    >>> seen["diversity"].tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if not isinstance(w, Replace | FixedReal | FreshReal | Accumulate | AccumulateSubsample):
        raise arg.refuse("witness", "w", w, "a workflow with sizes, not a Schedule")
    sizes = w.sizes(generations) if isinstance(w, Replace) else [w.real, *[w.synthetic] * (generations - 1)]
    truth = np.tile(np.asarray(f.p, float), (chains, 1))
    model, models = truth, []
    real = pool = np.zeros(truth.shape, np.int64)
    for generation, size in enumerate(sizes):
        new = rng.multinomial(size, model)
        pool = pool + new
        real = real if generation else new
        match w:
            case Replace():
                model = new / size
            case FixedReal():
                model = (real + new) / (w.real + size) if generation else real / w.real
            case FreshReal():
                kept = w.real / (w.real + w.synthetic) if w.weight is None else w.weight
                fresh = rng.multinomial(w.real, truth) / w.real
                model = kept * fresh + (1 - kept) * new / size if generation else fresh
            case Accumulate():
                model = pool / pool.sum(axis=1, keepdims=True)
            case AccumulateSubsample():
                model = _subsample(pool, w, rng) / w.train
        models.append(model)
    path = np.stack(models, axis=1)
    return {
        "error": ((path - truth[:, None]) ** 2).sum(axis=2),
        "diversity": 1 - (path**2).sum(axis=2),
        "alive": (path > 0).sum(axis=2).astype(float),
        "drift": np.abs(path - path[:, :1]).sum(axis=2),
    }


def _subsample(pool: np.ndarray, w: AccumulateSubsample, rng: np.random.Generator) -> np.ndarray:
    """Counts of what is trained on, one token after the other."""
    if w.replacement:
        return rng.multinomial(w.train, pool / pool.sum(axis=1, keepdims=True))
    left, behind, out = np.full(len(pool), w.train), pool.sum(axis=1), np.zeros_like(pool)
    for token in range(pool.shape[1]):
        behind = behind - pool[:, token]
        out[:, token] = rng.hypergeometric(pool[:, token], behind, left)
        left = left - out[:, token]
    return out
