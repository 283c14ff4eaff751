r"""The recipe of a training: how many steps, on what batches, at which learning rates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
import optax

from modelcollapse.theory import arguments as arg


@dataclass(frozen=True)
class Compute:
    """Compute-matched: every pool is trained on for the same number of steps."""


@dataclass(frozen=True)
class Epochs:
    """Epoch-matched: steps in proportion to the pool; ``pool``: the windows for which ``Training.steps`` is meant."""

    pool: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", arg.size("Epochs", "pool", self.pool))


Matched: TypeAlias = Compute | Epochs


@dataclass(frozen=True)
class Training:
    r"""How a model is trained.

    ``steps``: most steps taken, for every pool or for the one that ``matched`` names. ``batch``: windows in a step.
    ``learning_rate``: its peak, after the share ``warmup`` of the steps; it falls to 0 as a cosine. ``beta2``,
    ``weight_decay`` (of matrices; norms do not decay) and ``clip`` (of the norm of the gradient): of AdamW.
    ``evaluate_every``: steps in a segment, after which the loss on the stopping text is measured. ``patience``:
    segments without a better one after which training stops, and the best weights are kept; None: no early
    stopping, and the last weights are kept. Stopping on real text leaks some of it into a workflow that has none.

    The defaults suit windows of 64 bytes and a width of 64; a wider model wants a smaller learning rate, about in
    inverse proportion.

    >>> Training(steps=300, matched=Epochs(pool=512)).steps_for(1024)
    600
    """

    steps: int = 300
    batch: int = 32
    learning_rate: float = 1e-2
    beta2: float = 0.98
    weight_decay: float = 0.1
    clip: float = 1.0
    warmup: float = 0.05
    evaluate_every: int = 50
    patience: int | None = 3
    matched: Matched = Compute()

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "evaluate_every"):
            object.__setattr__(self, name, arg.size("Training", name, getattr(self, name)))
        if self.patience is not None:
            remedy = "or None for no early stopping"
            object.__setattr__(self, "patience", arg.size("Training", "patience", self.patience, remedy=remedy))
        for name in ("learning_rate", "clip"):
            arg.positive("Training", name, getattr(self, name), name.replace("_", " "))
        for name in ("beta2", "warmup"):
            arg.probability("Training", name, getattr(self, name), name)
        if self.beta2 == 1:
            raise arg.refuse("Training", "beta2", self.beta2, "below 1, or second moments stay at 0")
        if np.any(arg.numbers("Training", "weight_decay", self.weight_decay, "a number, 0 or more") < 0):
            raise arg.refuse("Training", "weight_decay", self.weight_decay, "a number, 0 or more")
        if not isinstance(self.matched, Compute | Epochs):
            raise arg.refuse("Training", "matched", self.matched, "pass Compute() or Epochs(pool)")

    def steps_for(self, windows: int) -> int:
        """Most steps on a pool of so many windows."""
        match self.matched:
            case Compute():
                return self.steps
            case Epochs(pool):
                return max(1, round(self.steps * windows / pool))

    @property
    def adamw(self) -> AdamW:
        """What has to be known to compile a step."""
        return AdamW(self.beta2, self.weight_decay, self.clip)

    def rates(self, windows: int) -> np.ndarray:
        r"""Learning rate of every step, (steps,) float32: step $s$ of $S$ is the schedule at $s + 1$ of $S + 1$, never 0."""
        return _rates(self.learning_rate, self.warmup, self.steps_for(windows))


class AdamW(NamedTuple):
    """The optimiser (Loshchilov & Hutter 2019): the part of `Training` that is compiled into a step."""

    beta2: float
    weight_decay: float
    clip: float

    def optimiser(self) -> optax.GradientTransformation:
        """AdamW at a learning rate of 1."""
        return optax.chain(
            optax.clip_by_global_norm(self.clip),
            optax.scale_by_adam(b2=self.beta2),
            optax.add_decayed_weights(self.weight_decay, mask=_matrices),
        )


@cache
def _rates(peak: float, warmup: float, steps: int) -> np.ndarray:
    schedule = optax.warmup_cosine_decay_schedule(0.0, peak, round(warmup * steps), steps + 1)
    return np.asarray(jax.jit(schedule)(np.arange(1, steps + 1)), np.float32)


def _matrices(params: Any) -> Any:
    """Which weights decay: all but the scales of norms, which are vectors in a stack of layers."""
    return jax.tree_util.tree_map_with_path(lambda path, _: "scale" not in jax.tree_util.keystr(path), params)
