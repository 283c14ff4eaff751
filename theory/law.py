r"""One-step laws: how the second moments of one generation follow from those of the one before.

Each law is written down once, here, from two facts: the mean of n samples of model :math:`\theta` has the noise
:math:`E v(\theta) / n`, and for a quadratic variance function :math:`E v(\theta_m) = V + v_2 T_m`. Everything else in
the project that speaks about a workflow's error is derived from these lines or checked against them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr, Integer, Symbol

from .symbols import D, M, N, P, Q, T, V, m, n, v2, w
from .workflow import Accumulate, AccumulateSubsample, FixedReal, FreshReal, RandomPast, Replace


@dataclass(frozen=True)
class Law:
    """A recursion over generations: ``start`` at generation 1, ``step`` from m to m+1, and the error read off."""

    state: tuple[Symbol, ...]
    start: tuple[Expr, ...]
    step: tuple[Expr, ...]
    error: Expr
    drawn: str  # in words, what a generation does


def spread(error: Expr) -> Expr:
    """Expected variance of one sample of a model with this error: quadratic variance functions only."""
    return V + v2 * error


def law(workflow: type, replacement: bool = False) -> Law:
    """The one-step law of a workflow class, in the letters N, n, M, w, V, v2."""
    if workflow is Replace:
        return Law(
            (T,),
            (V / N,),
            (T + spread(T) / n,),
            T,
            "the model of n samples of model m: its error is that of model m plus one batch of noise",
        )
    if workflow is FixedReal:
        share = n / (N + n)
        return Law(
            (D,),
            (Integer(0),),
            (share**2 * (D + (spread(V / N) + v2 * D) / n),),
            V / N + D,
            "n samples of model m beside the N real ones: D is the drift from the first model",
        )
    if workflow is FreshReal:
        return Law(
            (T,),
            (V / N,),
            (w**2 * V / N + (1 - w) ** 2 * (T + spread(T) / n),),
            T,
            "new real data with weight w, n samples of model m with weight 1 - w: independent errors add",
        )
    if workflow is Accumulate:
        share = n / (N + m * n)
        return Law(
            (T,),
            (V / N,),
            (T + share**2 * spread(T) / n,),
            T,
            "the pool moves by the share of the new batch times that batch's noise",
        )
    if workflow is AccumulateSubsample:
        pool = N + (m - 1) * n
        chosen = 1 / M if replacement else (pool - M) / (M * (pool - 1))
        error = P + (Q - P) * chosen
        return Law(
            (P, Q),
            (V / N, V),
            (
                P + n**2 * (error - P) / (pool + n) ** 2 + n * spread(error) / (pool + n) ** 2,
                Q + n * (V + (1 + v2) * error - Q) / (pool + n),
            ),
            error,
            "M points subsampled from the pool: P is the error of the pool mean, Q the spread of its points",
        )
    if workflow is RandomPast:
        error = P + (Q - P) / n
        return Law(
            (P, Q),
            (Integer(0), V),
            (P + (error - P) / (m + 1) ** 2, Q + (V + (1 + v2) * error - Q) / (m + 1)),
            error,
            "n samples of models 0..m-1, drawn at random: P is the error of the mean of these, Q the spread of what they draw",
        )
    raise ValueError(f"no one-step law for {workflow.__name__}: a Schedule is computed by the workflow algebra")
