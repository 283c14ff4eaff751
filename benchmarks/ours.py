"""Our side: the one place where the benchmarks call the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .works import Work


class NotYet(Exception):
    """The library lacks the family of a work."""


def passes(work: Work) -> Callable[[int], Any]:
    """A pass over all generations of all chains, given a seed: it returns when every observable is there.

    Raises `NotYet` where `modelcollapse.theory` has no such family.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    from modelcollapse import simulate, theory

    family: Any = getattr(theory, work.family, None)
    if family is None:
        raise NotYet(f"theory has no {work.family} yet")
    f, w = family(**work.arguments), getattr(theory, work.workflow)(**work.sizes)

    def once(seed: int) -> Any:
        run = simulate.chains(f, w, generations=work.generations, chains=work.chains, key=jax.random.key(seed))
        return jax.block_until_ready(run.observables)

    return once
