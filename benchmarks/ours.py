"""Our side: the one place where the benchmarks call the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .works import Work


class NotYet(Exception):
    """The library lacks the family of a work."""


def passes(work: Work) -> Callable[[int], Any]:
    """A pass over all generations of all chains, given a seed, as a sweep makes it: moments and quantiles of every observable.

    Raises `NotYet` where `modelcollapse.theory` has no such family.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    from modelcollapse import theory
    from modelcollapse.simulate import groups

    family: Any = getattr(theory, work.family, None)
    if family is None:
        raise NotYet(f"theory has no {work.family} yet")
    f, w = family(**work.arguments), getattr(theory, work.workflow)(**work.sizes)

    todo = groups.work(f, w, work.generations, work.chains)

    def once(seed: int) -> Any:
        *_, (_, moments) = groups.run(todo, jax.random.key(seed))
        return moments

    return once
