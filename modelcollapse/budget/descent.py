"""Adam on the shares of a budget, on weights, and on the part of each batch that is used."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg
from modelcollapse.theory import portfolio as kinds

from .costs import Aim
from .task import Task, missing, unchecked

STARTS, STEPS, RATE = 6, 1000, 0.1  # of Adam
FORGETS = 0.95  # second moments of slopes, which vanish where a purchase does: Adam must not remember the large ones
ROUNDS = 10  # of the multipliers of what is required
SHARPNESS = 400.0  # of the smooth maximum that stands for the worst model
LEAST_SHARE = 1e-12  # of the budget: what is next to nothing still has a slope
MOST_TILT = 20.0  # weights of items differ by a factor of e^20 at most
NEXT_TO_NONE = 0.99  # of that, of a weight that is 0
PENALTY = 10.0  # of a required item that is missing, on the log of the error


class Free(NamedTuple):
    """Logits: of the share of the budget for each purchase (T, 4), of weights and of used shares (T, T, 4)."""

    share: Any
    tilt: Any
    use: Any


def relaxed_portfolio(task: Task, free: Free, shares: Any = None) -> theory.Portfolio:
    """The portfolio of logits, in parts of items; it spends the budget."""
    xp = arg.namespace(*free)
    if shares is None:
        scores = xp.exp(xp.where(task.open, free.share - xp.max(xp.where(task.open, free.share, -xp.inf)), -xp.inf))
        shares = scores / scores.sum()
    shares = xp.where(task.open, shares + LEAST_SHARE, 0.0)
    use = xp.where(task.allowed, 1 / (1 + xp.exp(-free.use)) if task.partial else 1.0, 0.0)
    use = xp.maximum(use, LEAST_SHARE * task.allowed)
    items = shares / task.budget.prices(task.verifier)
    size = items * task.budget.total / (shares.sum() + task.budget.training * (use * items).sum())
    tilt = 0.0 if task.pooled else MOST_TILT * xp.tanh(free.tilt / MOST_TILT)
    scores = use * size * xp.exp(tilt + xp.zeros(use.shape))
    weight = scores / scores.sum((1, 2), keepdims=True)
    return unchecked(size, weight, use * size if task.partial else None)


def logits(task: Task, count: np.ndarray, weight: np.ndarray, use: np.ndarray) -> Free:
    """The logits of so many items (T, 4), of their weights and of used shares (T, T, 4): those of 0 are the least there are."""
    with np.errstate(divide="ignore"):
        share = np.log(count * task.budget.prices(task.verifier))
        tilt = np.log(weight / np.where(count > 0, count, 1.0))
    tilt = np.clip(tilt - tilt.max((1, 2), keepdims=True), -NEXT_TO_NONE * MOST_TILT, None)
    return Free(
        np.maximum(share - share.max(), 2 * np.log(LEAST_SHARE)),
        MOST_TILT * np.arctanh(tilt / MOST_TILT),
        np.where(use > 0, 1.0, -1.0) * 2 * -np.log(LEAST_SHARE),
    )


def solved(task: Task) -> tuple[Free, float]:
    """The best of several starts, and the length of the slope there."""
    import jax

    try:
        import optax  # noqa: F401
    except ModuleNotFoundError:
        raise theory.InputError("optimise: this needs the extra lm: pip install 'modelcollapse[lm]'") from None
    with jax.enable_x64(True):
        values, slopes, places = _program(task)(_starts(task))
        best = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
        return Free(*(np.asarray(each[best], float) for each in places)), float(slopes[best])


def _starts(task: Task) -> Free:
    """Real items early, then spread evenly, then at random."""
    rng = np.random.default_rng(0)
    shapes = (task.generations, 4), (task.generations, task.generations, 4)
    share, tilt = (rng.normal(size=(STARTS, *shape)) for shape in shapes)
    use = rng.normal(size=(STARTS, *shapes[1])) + 2.0
    share[0] = tilt[0] = share[1] = tilt[1] = 0.0
    share[:, 0, kinds.REAL] += 2.0
    use[0] = 3.0
    return Free(share, tilt, use)


@lru_cache(maxsize=8)
def _program(task: Task) -> Any:
    """Adam from many starts at once, compiled once for each task: objectives, slopes and places."""
    import jax
    import jax.numpy as jnp
    import optax

    bounded = task.required > 0 and task.generations > 1

    def error(free: Free) -> tuple[Any, Any]:
        portfolio = relaxed_portfolio(task, free)
        errors = jnp.log(task.errors(portfolio))
        match task.aim:
            case Aim.LAST:
                value = errors[-1]
            case Aim.MEAN:
                value = jax.nn.logsumexp(errors)
            case Aim.WORST:
                value = jax.nn.logsumexp(SHARPNESS * errors) / SHARPNESS
        return value, missing(task, portfolio) if bounded else jnp.zeros(1)

    def objective(free: Free, force: Any) -> Any:
        value, missing = error(free)
        short = jnp.maximum(missing + force / PENALTY, 0.0)
        return value + (PENALTY / 2 * (short**2).sum() if bounded else 0.0)

    each_round = STEPS // ROUNDS
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, STEPS, alpha=1e-4), b2=FORGETS)

    def one(start: Free) -> Any:
        def step(carry: Any, _: Any) -> tuple[Any, None]:
            free, state, force = carry
            change, state = optimiser.update(jax.grad(objective)(free, force), state)
            return (optax.apply_updates(free, change), state, force), None

        def one_round(carry: Any, _: Any) -> tuple[Any, None]:
            (free, state, force), _ = jax.lax.scan(step, carry, None, length=each_round)
            force = jnp.maximum(force + PENALTY * error(free)[1], 0.0) if bounded else force
            return (free, state, force), None

        force = jnp.zeros(max(task.generations - 1, 1))
        (free, _, force), _ = jax.lax.scan(one_round, (start, optimiser.init(start), force), None, length=ROUNDS)
        slope = jnp.sqrt(sum((each**2).sum() for each in jax.grad(objective)(free, force)))
        value, missing = error(free)
        return value + (PENALTY * jnp.maximum(missing, 0.0).sum() if bounded else 0.0), slope, free

    return jax.jit(jax.vmap(one))
