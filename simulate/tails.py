r"""Oracles chosen by their tails: which observables may be judged by their mean over the chains.

A mean that few chains carry is not seen by a sample of chains: its standard error is too small whenever those
chains are missing. The studentised mean of C chains of skewness :math:`\gamma` exceeds the threshold t with a
probability that is, by its Edgeworth expansion, wrong by the factors :math:`1 \pm r` in the two tails,
:math:`r = |\gamma| t (2 t^2 + 1) / (6 \sqrt C)`: up to :math:`(1 + r)/2` false alarms where one was meant. An
observable is judged where that is at most `INFLATION`.

The skewness is exact where moments can be had exactly. With v quadratic, the cumulants of a sample are polynomials
in the mean, :math:`\kappa_{j+1} = v \kappa_j'`, so the conditional moments are too, of unchanged degree, and six
moments of a chain obey a linear recursion. Else it is that of a chain that varies at least about as much:

* AccumulateSubsample: a subsample of the pool counts as a new sample of the family there, of equal noise;
* Schedule, SlidingWindow, RandomPast: every generation counts as a Replace of the size that has its noise;
* Gaussian: under other workflows as a Replace of the same diversity; of d coordinates as one;
* Categorical: each token is a binomial chain; tokens count as pairs that move together, pairs as independent;
* LinearRegression: every generation counts as one fit to the training set whose size is nearest to the dimension;
* KernelDensity: as the Gaussian chain of the same workflow, which nothing smooths, one generation older: points that are drawn
  from points have heavier tails than those of a Gaussian;
* GaussianMixture: the same, of its own spread; Zipf: as a Categorical of its likeliest tokens.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from numpy.polynomial import polynomial

from modelcollapse import theory
from modelcollapse.theory.family import (
    Bigram,
    Binomial,
    Categorical,
    Family,
    Gamma,
    Gaussian,
    GaussianMixture,
    KernelDensity,
    LinearRegression,
    LogisticRegression,
    Zipf,
)
from modelcollapse.theory.workflow import (
    Accumulate,
    AccumulateSubsample,
    FixedReal,
    FreshReal,
    RandomPast,
    Replace,
    Schedule,
    SlidingWindow,
    Workflow,
    whole_sets,
)

from .agree import threshold

HEAD = 100  # tokens of a Zipf: what others add has little skewness
ORDER = 6  # the skewness of a squared deviation needs six moments
INFLATION = 2.0


def judged(f: Family, w: Workflow, generations: int, chains: int = 4096, budget: float = 1e-3) -> dict[str, np.ndarray]:
    """Which observables `agree` may judge by their mean: for each a boolean array (generations,).

    ``chains`` and ``budget`` are those of the run and of `agree`. Logarithms (``log_variance``, ``log_mean``) have
    light tails at every generation, and stand in where the mean is carried by rare chains.

    >>> from modelcollapse import theory
    >>> judged(theory.Gamma(1, 1.0), theory.Replace(8), 30)["error"].nonzero()[0] + 1
    array([1])
    """
    most = most_skewness(chains, threshold(generations, chains, budget))
    return {name: np.abs(skew) <= most for name, skew in skewness(f, w, generations).items()}


def most_skewness(chains: int, allowed: float) -> float:
    """The skewness up to which a mean over so many chains may be judged by z, of which ``allowed`` is no alarm."""
    return float((2 * INFLATION - 1) * 6 * np.sqrt(chains) / (allowed * (2 * allowed**2 + 1)))


def skewness(f: Family, w: Workflow, generations: int) -> dict[str, np.ndarray]:
    """The skewness of each observable at generations 1, 2, ...: (generations,) each, 0 where it does not vary."""
    if isinstance(f, Gaussian):
        skews = _gaussian(f, w, generations)
        return {name: skews[name] for name in ("error", "diversity", "log_variance")}
    if isinstance(f, KernelDensity):
        skews = _gaussian(Gaussian(f.dimension, f.variance), w, generations, older=1)
        return {name: skews[name] for name in ("error", "diversity", "second_moment")}
    if isinstance(f, GaussianMixture):
        skews = _gaussian(Gaussian(f.dimension, f.v / f.dimension), w, generations, older=1)
        return {name: skews[name] for name in ("error", "diversity")}
    if isinstance(f, Zipf):
        skews = skewness(Categorical(_first_tokens(f)), w, generations)
        return {name: skews[name] for name in ("error", "diversity")}
    if isinstance(f, LinearRegression):
        return {"error": np.full(generations, _one_fit(f, w)), "diversity": np.zeros(generations)}
    if isinstance(f, Categorical):
        p = np.unique(np.asarray(f.p, float), return_counts=True)
        inside = (p[0] > 0) & (p[0] < 1)
        tokens, repeats = p[0][inside], p[1][inside]
        if not len(tokens):
            return dict.fromkeys(("error", "diversity", "alive"), np.zeros(generations))
        x, v = _moments(tokens * (1 - tokens), 1 - 2 * tokens, -1.0, w, generations)
        error, diversity = (np.sqrt(2) * _sum_skewness(_powers(x, each), repeats) for each in (_square(v), v))
        return {"error": error, "diversity": diversity, "alive": diversity}
    if isinstance(f, LogisticRegression | Bigram):
        raise TypeError(f"of a {type(f).__name__} theory predicts no mean that could be judged")
    mean = float(f.trials * f.p if isinstance(f, Binomial) else f.mean)
    slope = (float(f.v) - float(f.v2) * mean**2) / mean + 2 * float(f.v2) * mean
    x, v = _moments(np.array([float(f.v)]), np.array([slope]), float(f.v2), w, generations)
    line = np.zeros_like(v) + np.array([0.0, 1.0, 0.0])
    one = np.ones(1)
    skews = {
        name: _sum_skewness(_powers(x, each), one)
        for name, each in (("error", _square(v)), ("diversity", v), ("mean", line))
    }
    if isinstance(f, Gamma):
        skews["log_mean"] = np.zeros(generations)
    return skews


def _first_tokens(f: Zipf) -> np.ndarray:
    """Probabilities of the likeliest tokens, which carry the moments."""
    p = np.arange(1.0, HEAD + 1) ** -float(f.exponent)
    return np.asarray(p / p.sum())


def _one_fit(f: LinearRegression, w: Workflow) -> float:
    """The skewness of the error of least squares: z'z, of min(n, d) numbers, over a chi-square number of |n - d| + 1 degrees."""
    sizes = [float(each) for each in whole_sets(w)]
    if isinstance(w, AccumulateSubsample | Schedule) and w.train is not None:
        sizes += list(np.asarray(w.train, float).ravel())
    near = min(sizes, key=lambda size: abs(size - f.dimension))
    rank, freedom = min(near, f.dimension), abs(near - f.dimension) + 1
    if freedom <= ORDER:
        return np.inf
    moments = np.cumprod([(rank + 2 * k) / (freedom - 2 - 2 * k) for k in range(ORDER // 2)])
    return float(_sum_skewness(moments[None, None], np.ones(1))[0])


def _square(v: np.ndarray) -> np.ndarray:
    return np.zeros_like(v) + np.array([0.0, 0.0, 1.0])


def _powers(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Moments 1, 2, 3 of a quadratic q (T, 3) of chains with moments x (M, T, 7): (M, T, 3)."""
    powers = np.zeros((3, len(q), ORDER + 1))
    for token, row in enumerate(q):
        for k in range(3):
            power = polynomial.polypow(row, k + 1)
            powers[k, token, : len(power)] = power
    return np.einsum("mti,kti->mtk", x, powers)


def _sum_skewness(moments: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """The skewness of a sum of independent variables, each so many times: moments (M, T, 3) -> (M,).

    Infinite where moments are beyond what a float holds.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        one, two, three = np.moveaxis(moments, -1, 0)
        second = ((two - one**2) * repeats).sum(axis=1)
        third = ((three - 3 * two * one + 2 * one**3) * repeats).sum(axis=1)
        found = np.where(second > 0, third / second**1.5, 0.0)
    return np.where(np.isfinite(moments).all(axis=(1, 2)) & np.isfinite(found), found, np.inf)


def _moments(v0: np.ndarray, v1: np.ndarray, v2: float, w: Workflow, generations: int) -> tuple[np.ndarray, np.ndarray]:
    """Moments 0..6 of the deviation x of T chains from the truth (M, T, 7); and v = v0 + v1 x + v2 x^2 (T, 3)."""
    v = np.stack([v0, v1, np.full_like(v0, v2)], axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        return _run(v, w, generations), v


def _law(v: np.ndarray, n: Any) -> np.ndarray:
    """E(mean of n)^j as polynomials in the deviation of the model they are drawn from: (T, 7, 7), row j."""
    out = np.zeros((len(v), ORDER + 1, ORDER + 1))
    for token, row in enumerate(v):
        cumulants = [np.array([0.0, 1.0])]
        while len(cumulants) < ORDER:
            cumulants.append(polynomial.polymul(row, polynomial.polyder(cumulants[-1])))
        raw = [np.array([1.0])]
        for k in range(1, ORDER + 1):
            terms = [
                comb(k - 1, j) / float(n) ** j * polynomial.polymul(cumulants[j], raw[k - 1 - j]) for j in range(k)
            ]
            raw.append(sum((np.pad(each, (0, ORDER + 3 - len(each))) for each in terms), np.zeros(ORDER + 3)))
            raw[k] = raw[k][: k + 1]
        for k, each in enumerate(raw):
            out[token, k, : len(each)] = each
    return out


def _run(v: np.ndarray, w: Workflow, generations: int) -> np.ndarray:
    truth = np.zeros((len(v), ORDER + 1))
    truth[:, 0] = 1

    def moved(x: np.ndarray, law: np.ndarray) -> np.ndarray:
        return np.einsum("tji,ti->tj", law, x)

    out: list[np.ndarray] = []
    match w:
        case Replace() | SlidingWindow() | RandomPast() | Schedule():
            sizes = w.sizes(generations) if isinstance(w, Replace) else _sizes(w.schedule(generations))
            laws: dict[Any, np.ndarray] = {}
            for size in sizes:
                laws.setdefault(size, _law(v, size))
                out.append(moved(out[-1] if out else truth, laws[size]))
        case FreshReal():
            kept = float(w.real) / (float(w.real) + float(w.synthetic)) if w.weight is None else float(w.weight)
            real, law = moved(truth, _law(v, w.real)), _law(v, w.synthetic)
            out.append(real)
            while len(out) < generations:
                drawn = moved(out[-1], law)
                out.append(_binomial_sum(lambda i, j, drawn=drawn: real[:, i] * drawn[:, j], kept))
        case FixedReal():
            kept, law = float(w.real) / (float(w.real) + float(w.synthetic)), _law(v, w.synthetic)
            real = moved(truth, _law(v, w.real))
            joint = {(a, b): real[:, a + b] for a in range(ORDER + 1) for b in range(ORDER + 1 - a)}  # E r^a x^b
            while len(out) < generations:
                out.append(np.stack([joint[0, b] for b in range(ORDER + 1)], axis=1))
                joint = {
                    (a, b): sum(
                        comb(b, j) * kept ** (b - j) * (1 - kept) ** j * law[:, j, i] * joint[a + b - j, i]
                        for j in range(b + 1) for i in range(j + 1)
                    )
                    for a, b in joint
                }  # fmt: skip
        case Accumulate() | AccumulateSubsample():
            pool, law = moved(truth, _law(v, w.real)), _law(v, w.synthetic)
            size = float(w.real)
            while len(out) < generations:
                train = _law(v, _train(w, size))
                law_of_pool = np.einsum("tkj,tji->tki", law, train)
                out.append(moved(pool, train))
                size += float(w.synthetic)
                kept, old = 1 - float(w.synthetic) / size, pool
                pool = _binomial_sum(
                    lambda i, j, law=law_of_pool, old=old: np.einsum(
                        "ti,ti->t", law[:, j, : j + 1], old[:, i : i + j + 1]
                    ),
                    kept,
                )
    return np.array(out)


def _train(w: Accumulate | AccumulateSubsample, pool: float) -> float:
    """The size of a sample with the noise of what is trained on, of a pool of that size."""
    if isinstance(w, Accumulate):
        return np.inf
    train = float(w.train)
    return train if w.replacement else train * (pool - 1) / (pool - train) if pool > train else np.inf


def _binomial_sum(product: Any, kept: float) -> np.ndarray:
    """Moments of kept a + (1 - kept) b from the products E a^i b^j: (T, 7)."""
    return np.stack(
        [
            sum(comb(k, j) * kept ** (k - j) * (1 - kept) ** j * product(k - j, j) for j in range(k + 1))
            for k in range(ORDER + 1)
        ],
        axis=1,
    )


def _sizes(schedule: Schedule) -> list[float]:
    weights, sizes = np.asarray(schedule.weight, float), np.asarray(schedule.size, float)
    noise = (weights**2 / sizes).sum(axis=1)
    if schedule.train is not None:
        noise = noise + 1 / np.asarray(schedule.train, float)
    return list(1 / noise)


def _gaussian(f: Gaussian, w: Workflow, generations: int, older: int = 0) -> dict[str, np.ndarray]:
    """``older``: by how many generations of the smallest size chains are taken to be."""
    if isinstance(w, Replace):
        sizes = [float(size) for size in w.sizes(generations)]
        sizes, place = [min(sizes)] * older + sizes, np.arange(generations) + older
    else:
        diversity = np.asarray(theory.diversity(f, w, np.arange(1, generations + 1)), float)
        size = float(_sizes(w.schedule(1))[0])
        place = np.maximum(np.ceil(np.log(diversity) / np.log1p(-1 / size)), 1).astype(int) - 1 if size > 1 else (
            np.zeros(generations, int))  # fmt: skip
        place = place + older
        sizes = [size] * (int(place.max()) + 1)
    joint = {(j, k): float(j == 0) for j in range(4) for k in range(4 - j)}  # E mean^(2j) variance^k
    error, variance, second, out = [], [], [], {}
    odd = (1, 1, 3, 15)  # E z^(2i)
    for size in sizes:
        divisor = size - 1 if f.unbiased else size
        chi = np.cumprod([1.0, *((size - 1 + 2 * k) / divisor for k in range(3))])
        joint = {
            (j, k): chi[k] * sum(comb(2 * j, 2 * i) * odd[i] / size**i * joint[j - i, k + i] for i in range(j + 1))
            for j, k in joint
        }  # fmt: skip
        error.append([joint[j, 0] for j in (1, 2, 3)])
        variance.append([joint[0, k] for k in (1, 2, 3)])
        second.append([sum(comb(k, j) * joint[j, k - j] for j in range(k + 1)) for k in (1, 2, 3)])
    for name, moments in (("error", error), ("diversity", variance), ("second_moment", second)):
        out[name] = _sum_skewness(np.array(moments)[:, None, :], np.ones(1))[place]
    proper = np.minimum.accumulate(np.array(sizes))[place] > f.dimension
    out["log_variance"] = np.where(proper, 0.0, np.inf)
    # of the square of a normal number sqrt(8); of an exponential one, which the log of few degrees resembles, less than 7
    out["log_variance_spread"] = np.where(proper, 7.0, np.inf)
    return out
