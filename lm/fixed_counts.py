r"""Chains of a table with fixed context counts: `simulate`'s recursion, batched over contexts as it is over chains.

There is no loop over generations here: the step, the pool and the scan are those of `simulate.chains`, mapped over contexts
whose sizes differ. Contexts of similar size share one compiled run; their tokens are padded with tokens of probability 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.simulate import Trajectory, sampling
from modelcollapse.simulate.chains import check_run, run_chains, typed
from modelcollapse.simulate.pool import pool
from modelcollapse.theory import AccumulateSubsample, Categorical

from .contexts import Contexts

COMPILATION = 2**25  # tokens that could be drawn while one more run is compiled, measured on a CPU
MEANS = ("error", "diversity", "drift")  # weighted over contexts; tokens alive are added up


@dataclass(frozen=True, eq=False)
class ContextRun:
    """Observables of every context, (K, chain, generation) each, as in `simulate.Trajectory`, for K visited contexts."""

    contexts: Contexts
    error: np.ndarray
    diversity: np.ndarray
    alive: np.ndarray
    drift: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        """(chain, generation) pairs (context, token) of the truth that are gone, of order 0 tokens; never seen or lost."""
        return self.contexts.pairs - self.alive.sum(axis=0)

    def context(self, place: int) -> Trajectory:
        """The chains of one visited context."""
        f, w = self.contexts.families[place], self.contexts.workflows[place]
        seen: dict[str, Any] = {name: jnp.asarray(getattr(self, name)[place]) for name in (*MEANS, "alive")}
        return Trajectory(f, w, **seen)

    def total(self, **chosen: np.ndarray) -> Trajectory:
        """The whole table: ``error``, ``diversity`` and ``drift`` weighted over contexts, ``alive`` summed.

        ``chosen``: for an observable the contexts (K,) that count, True or False; the weights stay what they are, so that
        parts add up. Its family is the law of pairs, but the observables are means over contexts: of that law they are not.
        """
        whole = np.ones(len(self.contexts.visited), bool)
        parts = {name: np.where(chosen.get(name, whole), self.contexts.weight, 0.0) for name in MEANS}
        seen = {name: np.einsum("k,kcm->cm", part, getattr(self, name)) for name, part in parts.items()}
        seen["alive"] = self.alive[chosen.get("alive", whole)].sum(axis=0)
        table = self.contexts.table
        arrays: dict[str, Any] = {name: jnp.asarray(value) for name, value in seen.items()}
        return Trajectory(Categorical(table.count / table.size), self.contexts.w, **arrays)


def fixed_counts(contexts: Contexts, generations: int, chains: int, key: jax.Array) -> ContextRun:
    """Independent chains of every visited context, by the exact laws of `simulate.chains`.

    The same key and settings give the same numbers. Raises InputError for what no chain can follow, as `simulate.chains`.

    >>> import jax
    >>> from modelcollapse import theory
    >>> from modelcollapse.lm import contexts, tabular
    >>> table = tabular.fit(np.array([[1, 2, 1, 2], [1, 1, 1, 2]]), 1, vocabulary=3)
    >>> run = fixed_counts(contexts.divide(table, theory.Replace(5)), generations=3, chains=2, key=jax.random.key(0))
    >>> run.error.shape, run.total().diversity.shape, run.contexts.samples.tolist()
    ((3, 2, 3), (2, 3), [1, 3, 1])
    """
    families = contexts.families
    largest = int(np.argmax(contexts.samples))
    check_run(families[largest], contexts.workflows[largest], generations, chains, key)
    pools = [pool(f, w, generations) for f, w in zip(families, contexts.workflows, strict=True)]
    seen = {name: np.zeros((len(families), chains, generations)) for name in (*MEANS, "alive")}
    tokens = np.array([len(f.p) for f in families])
    drawn = chains * generations
    if isinstance(contexts.w, AccumulateSubsample) and not contexts.w.replacement:
        drawn *= int(tokens.max())  # a subsample costs as much for each token
    for group in _groups(np.array([each.most for each in pools]), COMPILATION // drawn):
        most = max(pools[k].most for k in group)
        width = _width(int(tokens[group].max()), most)
        p = np.stack([np.pad(families[k].p, (0, width - len(families[k].p))) for k in group])
        tables = jax.tree.map(lambda *each: np.stack(each), *((pools[k].sizes, pools[k].rows) for k in group))
        keys = jax.vmap(jax.random.fold_in, (None, 0))(typed(key), contexts.visited[group])
        one = pools[group[-1]]  # of the most samples, for which it has room

        def run(key: Any, p: Any, tables: Any, one: Any = one, most: int = most) -> dict[str, jax.Array]:
            return run_chains(key, {"p": p, "counts": None}, one.room, *tables, kind=Categorical, fixed=(), memory=one.memory,
                                   step=one.step, most=most, chains=chains)  # fmt: skip

        for name, value in jax.vmap(run)(keys, p, tables).items():
            seen[name][group] = np.asarray(value)
    return ContextRun(contexts, **seen)


def _groups(most: np.ndarray, compilation: int) -> list[np.ndarray]:
    """Contexts (K,) to be run together, each at the cost of the largest in its group, for the least cost in all."""
    order = np.argsort(most, kind="stable")
    levels, ends = np.unique(most[order], return_index=True)
    ends = np.append(ends, len(most))
    best: list[tuple[int, list[np.ndarray]]] = [(0, [])]
    for upper, level in enumerate(levels, start=1):
        best.append(min(
            ((best[lower][0] + compilation + int(level) * int(ends[upper] - ends[lower]),
              [*best[lower][1], order[ends[lower] : ends[upper]]]) for lower in range(upper)),
            key=lambda pair: pair[0],
        ))  # fmt: skip
    return best[-1][1]


def _width(tokens: int, most: int) -> int:
    """Room for ``tokens``, and enough for samples to be counted token by token, which compiles and runs fastest."""
    return max(tokens, most // sampling.TOKENS_PER_POISSON) if most <= sampling.MOST_TOKENS else tokens
