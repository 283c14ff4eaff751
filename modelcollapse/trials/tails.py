"""How far token counts are from the truth, and which tokens are lost."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from modelcollapse import simulate, theory
from modelcollapse.simulate import alike, recovery
from modelcollapse.simulate.snapshots import snapshots
from modelcollapse.theory.snapshots import distance_and_diversity, moments

from .trial import Trial

RARE = theory.Categorical([0.05, 0.95])


def trials() -> tuple[Trial, ...]:
    """L1 error, extinction times, and absence beside fresh real data, the way back, and two snapshots."""
    t = theory
    corpus, replaced = t.Categorical.from_counts([5, 95]), t.Replace(100)
    gone = int(t.extinction_time(corpus, replaced)[0])
    fresh = t.FreshReal(10, 60)
    return (
        Trial("l1-distance/error", "two tokens, Replace(30), generations 1 to 12", "L1 distance",
              lambda key, chains: np.sqrt(2 * simulate.chains(RARE, t.Replace(30), 12, chains, key).error),
              lambda: t.l1_error(RARE, t.Replace(30), np.arange(1, 13))),
        Trial("extinction-time", "seen 5 times of 100, one generation before and at the median", "lost",
              lambda key, chains: _lost(corpus, replaced, gone, chains, key)[:, -2:],
              lambda: t.loss_probability(corpus, replaced, [gone - 1, gone])[:, 0]),
        Trial("absence", "5 % of the truth, FreshReal(10, 60), generation 40", "lost",
              lambda key, chains: _lost(RARE, fresh, 40, chains, key)[:, -1:],
              lambda: t.loss_probability_limit(RARE, fresh)[:1]),
        _recovery(),
        _coalescent(),
        _snapshots(),
    )  # fmt: skip


def _lost(f: Any, w: Any, generations: int, chains: int, key: Any) -> np.ndarray:
    """Whether the first of two tokens is lost (chains, generations): one token is left, and it is near the truth."""
    t = simulate.chains(f, w, generations, chains, key)
    return (np.asarray(t.alive) == 1) & (np.asarray(t.error) < 1)


def _recovery() -> Trial:
    f, w, last = theory.Categorical([0.5, 0.3, 0.2]), theory.FreshReal(6, 24), 12

    def draw(key: Any, chains: int) -> Any:
        sizes = {"real": int(w.real), "synthetic": int(w.synthetic), "generations": last, "chains": chains}
        return recovery.recovering(key, f.p, token=2, **sizes)

    def means() -> Any:
        return theory.recovery_error(f, w, np.arange(1, last + 1), 2 * (1 - f.p[2]) - f.v)

    setting = "three tokens, the rarest alone at first, FreshReal(6, 24), 12 generations"
    return Trial("recovery", setting, "error", draw, means)


def _coalescent() -> Trial:
    """Four samples of the third model, under every workflow that lineages are followed through."""
    p, models, samples = [0.5, 0.3, 0.2], 3, 4
    workflows = (
        theory.Replace(6, real=8),
        theory.FixedReal(6, 8),
        theory.FreshReal(6, 8),
        theory.Accumulate(6, 8),
    )

    def draw(key: Any, chains: int) -> Any:
        few = -(-chains // 4)
        each = [alike.power_sums(key, few, p, w, models, samples)[:, -1] for w in workflows]
        return np.stack(each, axis=1)

    def means() -> Any:
        return [theory.power_sum(theory.Categorical(p), w, models, samples) for w in workflows]

    return Trial("coalescent", "replace, fixed, fresh, accumulate: four samples", "all one token", draw, means)


def _snapshots() -> Trial:
    """Two snapshots, one and several generations apart: distance, diversity, and the square of what F does not explain."""
    p, plans = np.array([0.4, 0.3, 0.15, 0.1, 0.05]), ((15, 1, (30, 20)), (12, 6, (25, 40)))
    sums = tuple(float((p**power).sum()) for power in (2, 3, 4))
    shares = [moments(size, last, sums, 1 / tokens[0], 1 / tokens[1]) for size, last, tokens in plans]

    def draw(key: Any, chains: int) -> Any:
        found = []
        for number, (size, last, tokens) in enumerate(plans):
            own = jax.random.fold_in(key, number)
            counts = snapshots(own, p, size=size, generations=last, tokens=tokens, chains=chains)
            x, y = (np.asarray(each) / total for each, total in zip(counts, tokens, strict=True))
            moved, diversity = distance_and_diversity(x, y, 1 / tokens[0], 1 / tokens[1])
            found += [moved, diversity, (moved - shares[number][0] * diversity) ** 2]
        return np.stack(found, axis=1)

    def means() -> Any:
        diversity = 1 - sums[0]
        return np.array([part for share, spread in shares for part in (share * diversity, diversity, spread)])

    setting = "5 tokens, 1 generation of 15 and 6 of 12: distance, diversity, square of what is left"
    return Trial("temporal-size", setting, "moments", draw, means)
