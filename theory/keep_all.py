r"""Keeping all data whatever the sizes of the batches: at most twice the error of real data alone.

A batch of :math:`n_t` samples of the newest model joins a pool that then holds :math:`S_t` points. It moves the model by
the share :math:`n_t/S_t` of its noise, which adds :math:`n_t/S_t^2` to a sum that stays below that of
:math:`1/S_{t-1} - 1/S_t`, and so below 1/N in all. A slow trickle comes near to it, a few large batches do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sympy import Expr, Max, exp, factor, gammasimp, limit, oo, simplify

from . import arguments as arg
from . import family as families
from .batches import series
from .family import Family
from .law import law
from .lower import evaluate
from .solve import Step, Unsolved, growth, limit_of_product, linear_in, product_over_generations
from .stable import ExponentialQuotient, LogarithmicQuotient
from .symbols import L, N, T, V, a, j, m, n, q, v2
from .traced import or_nan
from .workflow import Accumulate, Schedule

GREW = exp(v2 * L) + N * L * ExponentialQuotient(
    v2 * L
)  # the gain, with the drift sum L of what came after the real set


def keep_all(real: Any, sizes: Sequence[Any]) -> Schedule:
    """The `Schedule` that keeps ``real`` samples and, after each model, as many of its samples as ``sizes`` (M-1,) says.

    It is `Accumulate` with sizes of its own in every generation.

    >>> from modelcollapse import theory
    >>> f = theory.Poisson(1.0)
    >>> round(theory.gain(f, theory.keep_all(10, [10, 20, 40]), 4), 6)  # doubling: 1 + 1/4 + 1/8 + 1/16
    1.4375
    """
    first, later = _sizes("keep_all", real, sizes)
    count = 1 + len(later)
    pool, rows, given = 0 * first, [], [first, *later]
    for model, size in enumerate(given, start=1):
        pool = pool + size
        rows.append([arg.ratio(each, pool) for each in given[:model]] + [0] * (count - model))
    return Schedule(given, np.hstack([np.eye(count, dtype=int), np.zeros((count, 1), int)]), rows)


def keep_all_gain(f: Family, real: Any, sizes: Sequence[Any]) -> Any:
    r"""The gain of generations 1, 2, ... (M,) where all data is kept: what `gain` says of `keep_all`, for a million batches too.

    .. math:: T_m = \frac{V}{v_2} \Big( (1 + v_2/N) \prod_{t < m} (1 + v_2\, n_t/S_t^2) - 1 \Big),
              \qquad \text{at } v_2 = 0 \quad N T_m / V = 1 + N \sum_{t<m} n_t/S_t^2

    with pools of :math:`S_t = N + n_1 + \dots + n_t` points. ``real``: N; ``sizes`` (M-1,): the samples of models 1, 2, ...

    Raises InputError for sizes that are none. Source: derived; Gerstgrasser2024 (equal batches, v2 = 0).

    >>> from modelcollapse import theory
    >>> theory.keep_all_gain(theory.Poisson(1.0), 10, [10, 20, 40]).tolist()
    [1.0, 1.25, 1.375, 1.4375]
    >>> singles = theory.keep_all_gain(theory.Categorical([0.5, 0.5]), 9, [1] * 1000)  # towards 18/10: Polya's urn
    >>> float(singles[-1].round(2))
    1.79
    """
    families.check("keep_all_gain", f)
    first, later = _sizes("keep_all_gain", real, sizes)
    _allowed("keep_all_gain", f, first)
    xp = arg.namespace(*later)
    batches = 1.0 * (np.asarray(later, float) if xp is np else xp.stack([xp.asarray(each) for each in later]))
    xp = arg.namespace(first, f.v2, batches)
    pool = first + xp.cumsum(batches)
    drift = xp.cumsum(evaluate(a * LogarithmicQuotient(v2 * a), {a: batches / pool / pool, v2: f.v2}))
    found = evaluate(GREW, {N: first, v2: f.v2, L: xp.concatenate([xp.zeros(1), drift])})
    return _sensible(or_nan(found, f), first, *(later if xp is not np else ()))


def keep_all_gain_upper_bound(f: Family, real: Any, synthetic: Any = math.inf) -> Any:
    r"""What the gain stays below where all data is kept, whatever the batches in which ``synthetic`` samples came: 2 - N/S.

    .. math:: \frac{T_m}{V/N} \le 2 - \frac NS \quad (v_2 \le 0), \qquad
              \le \frac N{v_2} \big( e^{v_2 (2/N - 1/S)} - 1 \big) \quad (v_2 > 0), \qquad S = N + \text{synthetic}

    ``synthetic``: the number of all samples of all models; `inf`: of any number. For v2 = 0 the gain is at least
    :math:`1 + (1-q)(1-N/S)`, where no batch was more than the share q of the pool that it joined: a trickle comes near the bound.

    Raises InputError for numbers below 1 (``real``) or 0 (``synthetic``). Source: derived.

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.5, 0.5])
    >>> [theory.keep_all_gain_upper_bound(f, 1000, n) for n in (0, 1000, float("inf"))]
    [1.0, 1.5, 2.0]
    """
    owner = "keep_all_gain_upper_bound"
    families.check(owner, f)
    first = arg.size(owner, "real", real)
    _allowed(owner, f, first)
    endless = not arg.is_traced(synthetic) and np.ndim(synthetic) == 0 and synthetic == math.inf
    more = synthetic if endless else arg.size(owner, "synthetic", synthetic, least=0)
    found = evaluate(_cap(), {N: first, v2: f.v2, n: more})
    if arg.is_traced(more):
        found = arg.namespace(more).where(more >= 0, found, math.nan)
    return _sensible(or_nan(arg.scalar(found), f), first)


def _sizes(owner: str, real: Any, sizes: Any) -> tuple[Any, Any]:
    whole = isinstance(sizes, np.ndarray) and sizes.ndim == 1 and len(sizes)
    later = arg.size(owner, "sizes", sizes) if whole else series(owner, "sizes", sizes, "the samples of each model")
    return arg.size(owner, "real", real), later


def _allowed(owner: str, f: Family, real: Any) -> None:
    from .errors import ALGEBRA

    ALGEBRA.require(owner, f, Accumulate(real, 1))


def _sensible(found: Any, *sizes: Any) -> Any:
    """NaN where a traced size is below 1."""
    for each in sizes:
        if arg.is_traced(each):
            xp = arg.namespace(each)
            found = xp.where(each >= 1, found, xp.nan)
    return found


def _cap() -> Expr:
    """The bound of the gain after n samples in all: drifts add up to 2/N - 1/S at most, and v2 < 0 only takes from the error."""
    total = 2 / N - 1 / (N + n)
    return N * total * ExponentialQuotient(Max(v2, 0) * total)


def prove_keep_all() -> tuple[Step, ...]:
    """Batches of any size, of the one-step law of Accumulate: N is the pool before a batch, N + n after it."""
    one = law(Accumulate)
    slope, constant = linear_in(one.step[0].subs(m, 1), one.state[0])
    factor_g = growth(slope, constant, v2)
    drift = factor((factor_g - 1) / v2)
    freed = 1 / N - 1 / (N + n)
    taken = factor(drift / freed)
    added = simplify(one.step[0].subs(m, 1) - T - drift * (V + v2 * T))
    if simplify(taken - (1 - q).subs(q, n / (N + n))) != 0 or added != 0:
        raise Unsolved(f"a batch of any size: {taken}, {added}")
    doubling = (N * drift).subs(n, N)
    urn = product_over_generations(factor_g.subs({v2: -1, n: 1, N: N + j - 1}))
    end = factor(gammasimp(N * (1 - (1 - 1 / N) * limit_of_product(urn))))
    second = limit(_singles(urn), m, oo)
    if simplify(end - 2 * N / (N + 1)) != 0 or simplify(second - end) != 0:
        raise Unsolved(f"single samples: {end}, {second}")
    return (
        Step("Batches of any size: n samples join a pool of N, and multiply G by", factor_g, "G'/G = "),
        Step("of which v2 times this is the excess", drift, "a = "),
        Step("The pool's 1/N falls by", freed, "1/N - 1/(N+n) = "),
        Step("and the batch takes the share 1 - q of that, q = n/(N+n) its share of the pool", taken, "a/(1/N - 1/(N+n)) = "),
        Step("Falls add up: over all batches the sum of a is at most 1/N - 1/S, and at least 1-q of it, q the largest share"),
        Step("For v2 <= 0 a batch adds a (V + v2 T) <= a V, so after n samples in all", N * (2 / N - 1 / (N + n)), "gain <= "),
        Step("which single samples come near to as N grows; at v2 = -1 (Polya's urn) they end at", end, "gain(oo) = "),
        Step("Batches as large as the pool: each adds half of what the one before did, the first", doubling, "N a = "),
        Step("For v2 > 0 G grows at most like e^(v2 (2/N - 1/S)), S the last pool", (V / v2) * (exp(2 * v2 / N) - 1), "T < "),
    )  # fmt: skip


def _singles(urn: Expr) -> Expr:
    """The gain of single samples at v2 = -1 after m - 1 of them, by the exact second moment of the urn."""
    kept = (1 - 1 / N) * N * (N + m) / ((N + 1) * (N + m - 1))
    for late in (1, 2, 5):
        if simplify(kept.subs(m, late) - (1 - 1 / N) * urn.subs(m, late).doit()) != 0:
            raise Unsolved(f"Polya's urn after {late - 1} samples")
    return N * (1 - kept)
