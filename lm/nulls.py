r"""Nulls: whether a run of fixed context counts is what theory says, as a whole and context by context, at a stated budget.

The whole table is judged by `simulate.agree`: its observables are sums over many tokens and contexts, not far from normal. The
mean over the chains of one context is: a token seen in one chain of twenty makes it skewed. There the law of the mean is had
from many chains that a second implementation drew, in NumPy, from the same workflow (a Monte-Carlo null): a run is resampled
from them many times, and the largest deviation of a context is compared with the largest of *all* contexts in each resampled run
(single-step maxT of Westfall and Young), which asks for no normal law and no independence.

What theory does not predict exactly (tokens alive where it is a bound, the L1 drift beyond its reach) is compared with the second
implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

import jax.numpy as jnp
import numpy as np

from modelcollapse.simulate import Agreement, Trajectory, agree
from modelcollapse.theory import Accumulate, AccumulateSubsample, Categorical, FixedReal, FreshReal, Replace, Workflow
from modelcollapse.theory import arguments as arg

from .contexts import Prediction, Sized
from .fixed_counts import ContextRun

REFERENCES = 8  # chains of the second implementation, for each chain of the run
ROUNDING = 1e-6  # what is constant may differ by the rounding of 32-bit chains
NAMES = ("error", "diversity", "alive", "drift")


@dataclass(frozen=True)
class Verdict:
    """A context's largest deviation, in standard errors of the null, and how rare that is.

    ``place``: of the context in the table. ``samples``: the fewest that one of its models is fitted on. ``p``: chance that *any*
    context of a correct run deviates as far.
    """

    place: int
    samples: int
    observable: str
    generation: int
    deviation: float
    p: float


@dataclass(frozen=True)
class Judgement:
    """Half of the budget of false alarms is for the whole table, half for its contexts, worst first."""

    total: tuple[Agreement, ...]
    contexts: tuple[Verdict, ...]
    budget: float

    @property
    def alarms(self) -> tuple[Verdict, ...]:
        """Contexts that are not what theory says."""
        return tuple(each for each in self.contexts if each.p <= self.budget / 2)

    @property
    def passed(self) -> bool:
        """Whether nothing is an alarm."""
        return all(self.total) and not self.alarms


def judge(run: ContextRun, prediction: Prediction, rng: np.random.Generator, budget: float = 1e-3) -> Judgement:
    """Whether a run of fixed context counts is what theory predicts; ``budget``: chance that a correct run is said not to be.

    The budget is met where the whole table is close to normal; with the skewness of an error of few large tokens (below 2) and
    256 chains it may be exceeded twofold.

    >>> import jax
    >>> from modelcollapse import theory
    >>> from modelcollapse.lm import contexts, fixed_counts, tabular
    >>> table = tabular.fit(np.array([[1, 2, 2, 1], [2, 1, 1, 2]]), 1, vocabulary=3)
    >>> divided = contexts.divide(table, theory.Replace(12))
    >>> run = fixed_counts.fixed_counts(divided, generations=3, chains=100, key=jax.random.key(0))
    >>> found = judge(run, contexts.predict(divided, 3), np.random.default_rng(0), budget=0.01)
    >>> found.passed, sorted(each.samples for each in found.contexts)
    (True, [3, 4, 5])
    """
    if not 0 < budget < 1:
        raise arg.refuse("judge", "budget", budget, "the chance of a false alarm, above 0 and below 1")
    chains, generations = run.error.shape[1:]
    exact, reached = prediction.alive_exact, ~np.isnan(prediction.drift).any(axis=1)
    resampled = _Resampled(int(np.ceil(4 / budget)), chains, rng)
    apart = {name: np.zeros((chains, generations)) for name in ("alive", "drift")}
    found = []
    for k, (place, w) in enumerate(zip(run.contexts.visited, run.contexts.workflows, strict=True)):
        null = witness(run.contexts.families[k], w, generations, REFERENCES * chains, rng)
        blocks = {name: null[name].reshape(chains, REFERENCES, generations).mean(axis=1) for name in apart}
        apart["alive"] += (run.alive[k] - blocks["alive"]) * (not exact[k])
        apart["drift"] += (run.drift[k] - blocks["drift"]) * run.contexts.weight[k] * (not reached[k])
        means = {name: getattr(prediction, name)[k] for name in NAMES}
        if not exact[k]:
            means["alive"] = np.full(generations, np.nan)
        drawn = np.concatenate([null[name] for name in NAMES], axis=1)
        seen = np.concatenate([getattr(run, name)[k] for name in NAMES], axis=1)
        off = resampled.deviation(drawn, seen, np.concatenate([means[name] for name in NAMES]))
        worst = int(off.argmax())
        found.append(
            (int(place), least_samples(w), NAMES[worst // generations], worst % generations + 1, float(off[worst]))
        )
    verdicts = [Verdict(*each, resampled.p(each[-1])) for each in sorted(found, key=lambda each: -each[-1])]
    return Judgement(_total(run, prediction, exact, reached, apart, budget / 2), tuple(verdicts), budget)


def least_samples(w: Sized) -> int:
    """The fewest samples that a model of the workflow is fitted on."""
    match w:
        case Replace(synthetic=tuple()):
            return min(w.real, *w.synthetic)
        case Replace():
            return min(w.real, w.synthetic)
        case AccumulateSubsample():
            return w.train
        case FixedReal() | FreshReal() | Accumulate():
            return w.real
    assert_never(w)


def _total(
    run: ContextRun,
    prediction: Prediction,
    exact: np.ndarray,
    reached: np.ndarray,
    apart: dict[str, np.ndarray],
    budget: float,
) -> tuple[Agreement, ...]:
    """The whole table: against theory where it is exact, against its bound, and against the second implementation."""
    weight = run.contexts.weight
    means = {"error": weight @ prediction.error, "diversity": weight @ prediction.diversity}
    if exact.any():
        means["alive"] = prediction.alive[exact].sum(axis=0)
    if reached.any():
        drift = weight[reached] @ prediction.drift[reached]
        means["drift"] = np.append(np.nan, drift[1:])  # the first model is no way from itself
    silent = [name for name, whole in (("alive", exact.all()), ("drift", reached.all())) if not whole]
    part = budget / (1 + bool(silent) + ("alive" in silent))
    found = [agree(run.total(alive=exact, drift=reached), means, part)]
    if "alive" in silent:
        found.append(agree(run.total(), None, part, at_least={"alive": prediction.alive.sum(axis=0)}))
    if silent:
        zeros = jnp.zeros(run.error.shape[1:])
        arrays: dict[str, Any] = {name: jnp.asarray(value) for name, value in apart.items()}
        differences = Trajectory(run.contexts.families[0], run.contexts.w, zeros, zeros, **arrays)
        found.append(agree(differences, dict.fromkeys(silent, _later(run.error.shape[2])), part))
    return tuple(found)


def _later(generations: int) -> np.ndarray:
    return np.append(np.nan, np.zeros(generations - 1))


class _Resampled:
    """Runs resampled from the chains of the null: which chains each takes, and its largest deviation so far."""

    def __init__(self, replicates: int, chains: int, rng: np.random.Generator) -> None:
        draws = (1 + REFERENCES) * chains
        taken = [np.bincount(rng.integers(draws, size=chains), minlength=draws) for _ in range(replicates)]
        self.weights = np.array(taken, np.float32) / chains
        self.chains = chains
        self.largest = np.zeros(replicates)

    def deviation(self, null: np.ndarray, seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Columns of one context, (draws, Q) and (chain, Q): how far the means are off, in standard errors of the null.

        ``expected`` (Q,): what theory says, NaN where the null is all that is known.
        """
        silent = np.isnan(expected)
        expected = np.where(silent, null.mean(axis=0), expected)
        both = np.concatenate([null, seen])  # a token so rare that the null missed it is in the run
        spread = both.std(axis=0)
        varies = spread > ROUNDING
        spread = np.where(varies, spread, 1.0) * np.sqrt((1 + silent / REFERENCES) / self.chains)
        off = np.abs(seen.mean(axis=0) - expected)
        centred = ((both - both.mean(axis=0)) / spread)[:, varies].astype(np.float32)
        self.largest = np.maximum(self.largest, np.abs(self.weights @ centred).max(axis=1, initial=0.0))
        unseen = 2 * np.log(len(self.largest)) / len(both) + ROUNDING  # an event so rare that no chain need show it
        return np.where(varies, off / spread, np.where(off > unseen, np.inf, 0.0))

    def p(self, deviation: float) -> float:
        """Chance that the largest deviation of a run is as large."""
        return float((1 + np.count_nonzero(self.largest >= deviation)) / (1 + len(self.largest)))


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
