r"""Selection in the loop: the steps of `theory.Selected` on laws and on samples.

`offered` is the law that a model's samples are drawn from. Of a categorical law all steps are maps of it; of others temperature
alone, and `points` verifies and curates the samples themselves. The truth is left as it is.
"""

from __future__ import annotations

import math
from typing import Any, assert_never

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from modelcollapse.theory import arguments as arg
from modelcollapse.theory.family import (
    Bigram,
    Categorical,
    Family,
    Gaussian,
    GaussianMixture,
    LogisticRegression,
    Zipf,
)
from modelcollapse.theory.selection import Curation, Step, Temperature, TopP, Verifier
from modelcollapse.theory.workflow import Selected

from . import kernel
from .logarithm import log
from .stream import Stream, fold, part, uniform

NODES = 256  # of a quadrature that is good to rounding for rewards that differ by no more than SPREAD
SPREAD = 30.0
TRIES = 1000  # samples in a row that a verifier may refuse
DONE_BY: dict[type, tuple[type[Step], ...]] = {
    Categorical: (Temperature, TopP, Verifier, Curation),
    Zipf: (Temperature, TopP, Verifier, Curation),
    Bigram: (Temperature, TopP, Verifier, Curation),
    Gaussian: (Temperature,),
    GaussianMixture: (Temperature, Curation),
    LogisticRegression: (Temperature, Verifier, Curation),
}
OF_LAWS = (Temperature, TopP)  # the others choose among samples


def check(f: Family, w: Selected) -> None:
    """Refuse steps that samples of the family cannot pass through."""
    possible = DONE_BY.get(type(f), ())
    name = type(f).__name__
    for each in w.steps:
        if type(each) not in possible:
            able = ", ".join(kind.__name__ for kind in possible) or "none, which is simulated without selection"
            raise arg.refuse("Selected", "steps", each, f"of a {name}: {able}")
        _check(f, each)
    choosing = [not isinstance(each, OF_LAWS) for each in w.steps]
    if choosing != sorted(choosing) and not isinstance(f, Categorical):
        raise arg.refuse(
            "Selected", "steps", w.steps, f"of a {name} temperature and top-p come before what chooses samples"
        )
    if isinstance(f, Categorical) and f.counts is not None:
        raise arg.refuse(
            "chains", "f", "from_counts", "selected samples of a corpus are not simulated: use Categorical(f.p)"
        )


def _check(f: Family, step: Step) -> None:
    match step:
        case Verifier():
            masked = isinstance(f, Categorical | Zipf)
            if masked == (step.right is None):
                remedy = (
                    "True or False for each token"
                    if masked
                    else f"None: which samples of a {type(f).__name__} are right is known"
                )
                raise arg.refuse("Verifier", "right", step.right, remedy)
            if isinstance(f, Categorical) and len(step.right) != len(f.p):
                raise arg.refuse("Verifier", "right", f"shape {step.right.shape}", f"one for each token: ({len(f.p)},)")
        case Curation():
            shape, wanted = np.shape(step.reward), _reward_shape(f, np.shape(step.reward))
            if shape != wanted:
                raise arg.refuse(
                    "Curation", "reward", f"shape {shape}", f"of a {type(f).__name__} its shape is {wanted}"
                )
            if isinstance(f, Categorical) and np.ptp(step.reward) > SPREAD:
                raise arg.refuse("Curation", "reward", step.reward, f"rewards within {SPREAD:g} of each other: more "
                                 "decides no more")  # fmt: skip
            if step.choices == math.inf and not isinstance(f, Categorical):
                raise arg.refuse("Curation", "choices", step.choices, f"a finite number in a {type(f).__name__}")


def _reward_shape(f: Family, given: tuple[int, ...]) -> tuple[int, ...]:
    match f:
        case Categorical():
            return (len(f.p),)
        case Bigram():
            return (f.vocabulary,)
        case GaussianMixture():
            return (f.dimension,)
        case Zipf():
            return given if len(given) == 1 else (1,)
    return ()


def offered(f: Family, model: kernel.Model, row: Any) -> kernel.Model:
    """The law that the samples of a model come from; of the truth, before generation 1, the truth."""
    if "steps" not in row:
        return model
    law = model
    for step in row["steps"]:
        law = law_after(f, law, step)
    return jax.tree.map(lambda one, other: jnp.where(row["first"], one, other), model, law) if "first" in row else law


def law_after(f: Family, law: kernel.Model, step: Step) -> kernel.Model:
    """A law after one step; where the step chooses among samples that are no tokens, the same law."""
    if isinstance(f, Categorical):
        return categorical(law, step)
    if not isinstance(step, Temperature):
        return law
    if isinstance(f, LogisticRegression):
        return law / step.temperature
    scale = jnp.sqrt(jnp.asarray(step.temperature, float))
    if isinstance(f, Gaussian):
        return _scaled(law, scale)
    if isinstance(f, GaussianMixture):
        return law._replace(weights=tempered(law.weights, step.temperature), factors=scale * law.factors)
    raise TypeError(f"the law of a {type(f).__name__} is its data: simulate.next_token selects from it")


def _scaled(law: kernel.Normal, scale: Any) -> kernel.Normal:
    """A Gaussian law whose deviations are multiplied by a scale."""
    return kernel.Normal(law.mean, scale * law.factor, law.log_variance + 2 * jnp.log(scale))


def widened(fit: kernel.Normal, row: Any) -> kernel.Normal:
    """A fit on standard normal points, after the temperatures of a generation's steps: its mean moves as much more as they do."""
    if "steps" not in row:
        return fit
    total = math.prod((jnp.asarray(step.temperature, float) for step in row["steps"]), start=jnp.ones((), float))
    scale = jnp.where(row["first"], 1.0, jnp.sqrt(total))
    return _scaled(fit._replace(mean=scale * fit.mean), scale)


def categorical(p: jax.Array, step: Step) -> jax.Array:
    """Probabilities (V,) after a step; what has none keeps none."""
    match step:
        case Temperature():
            return tempered(p, step.temperature)
        case TopP():
            order = jnp.argsort(-p, stable=True)
            before = jnp.cumsum(p[order]) - p[order]
            kept = jnp.zeros_like(p).at[order].set(jnp.where(before < reached(step.mass) * jnp.sum(p), p[order], 0.0))
            return kept / jnp.sum(kept)
        case Verifier():
            kept = p * jnp.where(jnp.asarray(step.right), step.keep_right, step.keep_wrong)
            total = jnp.sum(kept)
            return jnp.where(total > 0, kept / jnp.where(total > 0, total, 1.0), p)
        case Curation():
            return curated(p, jnp.asarray(step.reward, float), step.choices)
    assert_never(step)


def reached(mass: Any) -> jax.Array:
    """A mass but for rounding: probabilities that add up to 0.9 have reached 0.9."""
    mass = jnp.asarray(mass, float)
    return mass * (1 - 64 * jnp.finfo(mass.dtype).eps)


def tempered(p: jax.Array, temperature: Any) -> jax.Array:
    """Probabilities to the power 1/T, normalised."""
    logs = jnp.log(p / jnp.max(p)) / temperature
    powers = jnp.exp(logs)
    return powers / jnp.sum(powers)


def curated(p: jax.Array, reward: jax.Array, choices: Any) -> jax.Array:
    r"""The law of the one that is kept of K samples: :math:`K p_i \int_0^\infty w_i e^{-t w_i} \varphi(t)^{K-1} dt`.

    Each sample waits an exponential time of rate :math:`w = e^r`, and the first is kept; another one waits longer with the chance
    :math:`\varphi(t) = \sum_j p_j e^{-t w_j}`. The integral is a sum over :math:`t = e^{s - e^{-s}}`, whose error falls
    exponentially with the number of terms.
    """
    alive = p > 0
    rates = jnp.exp(reward - jnp.max(reward, where=alive, initial=-jnp.inf))
    k = jnp.asarray(choices, float)
    finite = jnp.where(jnp.isinf(k), 2.0, k)
    s = jnp.linspace(-4.0, SPREAD + 4.5, NODES, dtype=p.dtype)
    times = jnp.exp(s - jnp.exp(-s))
    steps = times * (1 + jnp.exp(-s)) * (s[1] - s[0])
    waiting = jnp.exp(-jnp.minimum(rates, 1.0)[:, None] * times)
    others = jnp.clip(p @ waiting, 0.0, 1.0) ** (finite - 1)
    won = p * rates * (waiting @ (others * steps))
    won = jnp.where(jnp.isinf(k), p * rates, won)
    return jnp.where(alive, won, 0.0) / jnp.sum(jnp.where(alive, won, 0.0))


def points(stream: Stream, f: Family, law: kernel.Model, n: int, row: Any, truth: Any) -> jax.Array:
    """``n`` (static) samples of a law, verified and curated, unless it is the truth."""
    steps = () if isinstance(f, Categorical) else row.get("steps", ())
    return chosen(stream, lambda own: kernel.points(own, f, law, n), f, steps, truth)


def chosen(stream: Stream, draw: Any, f: Family, steps: tuple[Step, ...], truth: Any) -> jax.Array:
    """What ``draw(stream)`` draws (n, ...), after those of the steps that choose among samples."""
    choosing = [step for step in steps if not isinstance(step, OF_LAWS)]
    if not choosing:
        return jnp.asarray(draw(stream))
    *before, step = choosing

    def candidates(number: Any) -> jax.Array:
        return chosen(fold(part(stream, 0), number), draw, f, tuple(before), truth)

    def chance(number: Any, shape: tuple[int, ...]) -> jax.Array:
        return uniform(fold(part(stream, 1), number), shape)

    first = candidates(jnp.uint32(0))
    n = first.shape[0]
    if isinstance(step, Verifier):

        def refused(samples: jax.Array, number: Any) -> jax.Array:
            keep = jnp.where(right(f, samples, step.right), step.keep_right, step.keep_wrong)
            return chance(number, (n,)) >= keep

        def again(state: Any) -> Any:
            number, samples, pending = state
            new = candidates(number)
            samples = jnp.where(pending.reshape(-1, *[1] * (new.ndim - 1)), new, samples)
            return number + 1, samples, pending & refused(samples, number)

        def going(state: Any) -> jax.Array:
            return jnp.any(state[2]) & (state[0] < TRIES)

        state = jnp.uint32(1), first, refused(first, jnp.uint32(0)) & ~truth
        return jnp.asarray(lax.while_loop(going, again, state)[1])
    assert isinstance(step, Curation)

    def race(samples: jax.Array, number: Any) -> jax.Array:
        """Logarithms of times to wait: the first to come is kept."""
        return log(-log(chance(number, (n,)))) - reward(f, samples, jnp.asarray(step.reward, float))

    def one_more(number: Any, state: Any) -> Any:
        samples, least = state
        new = candidates(number.astype(jnp.uint32))
        time = race(new, number.astype(jnp.uint32))
        better = time < least
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, samples), jnp.minimum(time, least)

    number = jnp.where(truth, 1, step.choices).astype(jnp.int32)
    return jnp.asarray(lax.fori_loop(jnp.int32(1), number, one_more, (first, race(first, jnp.uint32(0))))[0])


def right(f: Family, samples: jax.Array, tokens: Any) -> jax.Array:
    """Which samples (n, ...) are right: (n,)."""
    match f:
        case LogisticRegression():
            return (samples[:, -1] > 0.5) == (samples[:, :-1] @ jnp.asarray(f.coefficients, float) > 0)
        case Zipf():
            return _of_rank(samples, jnp.asarray(tokens))
        case Bigram():
            return jnp.all(found(true_pairs(f), window_pairs(f, samples))[1], axis=1)
    raise TypeError(f"of a {type(f).__name__} nobody says which samples are right")


def reward(f: Family, samples: jax.Array, rewards: jax.Array) -> jax.Array:
    """The reward of samples (n, ...): (n,)."""
    match f:
        case LogisticRegression():
            return samples[:, -1] * rewards
        case GaussianMixture():
            return samples @ rewards
        case Zipf():
            return _of_rank(samples, rewards)
        case Bigram():
            return jnp.sum(rewards[samples], axis=1)
    raise TypeError(f"samples of a {type(f).__name__} have no reward")


def _of_rank(samples: jax.Array, values: jax.Array) -> jax.Array:
    """What the token of each sample (n, 1) of a Zipf has, of ``values`` of the first tokens; later ones have nothing."""
    rank = samples[:, 0] - 1
    return jnp.where(
        (rank >= 0) & (rank < len(values)), values[jnp.clip(rank, 0, len(values) - 1)], jnp.zeros_like(values, shape=())
    )


def window_pairs(f: Bigram, windows: jax.Array) -> jax.Array:
    """Each token of windows (n, L) with the one before it, as one number."""
    before = jnp.pad(windows[:, :-1], ((0, 0), (1, 0)), constant_values=f.vocabulary)
    return before * (f.vocabulary + 1) + windows


def true_pairs(f: Bigram) -> jax.Array:
    """The pairs (P,) of the truth as such numbers, ascending."""
    return jnp.asarray(f.context) * (f.vocabulary + 1) + jnp.asarray(f.token)


def found(ascending: jax.Array, wanted: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where numbers are in an ascending row, and which are there."""
    at = jnp.clip(jnp.searchsorted(ascending, wanted), 0, ascending.shape[0] - 1)
    return at, ascending[at] == wanted
