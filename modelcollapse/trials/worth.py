"""What samples of a biased source, of a model's own, and own labels are worth beside real ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.simulate import distilled, own_samples, sized, sources
from modelcollapse.theory import pilot

from .trial import Trial


def trials() -> tuple[Trial, ...]:
    """Worth, what to buy, contamination, sizes of models, pilot runs, own samples, own labels."""
    return (_worth(), _purchase(), _contamination(), _strong_collapse(), _pilot(), _own_samples(), _distilled())


def _worth() -> Trial:
    """Pooled with samples of a biased model: none, the best number, the harmless one, and the best weight of that many."""
    f, model, real = theory.Categorical([0.5, 0.3, 0.2]), theory.Categorical([0.4, 0.35, 0.25]), 60
    source = theory.Source.of(f, model)
    best, most = (round(each(real, source).synthetic) for each in (theory.optimal_share, theory.harmless_share))
    more = theory.real_equivalents(most, source)
    numbers = np.array([0, best, most, most])
    weights = np.append(numbers[:3] / (real + numbers[:3]), more / (real + more))

    def means() -> Any:
        return np.append(theory.pooled_error(real, numbers[:3], source, f.v), f.v / (real + more))

    return Trial("worth", f"Categorical, {real} real, {best} and {most} synthetic", "error",
                 lambda *given: sources.errors(f, model, np.full(4, real), numbers, weights, *given), means)  # fmt: skip


def _purchase() -> Trial:
    """What two budgets buy, the smaller one synthetic samples alone, at the best weights; whole numbers next to the best."""
    f, model, price = theory.Categorical([0.5, 0.3, 0.2]), theory.Categorical([0.4, 0.35, 0.25]), 0.25
    source = theory.Source.of(f, model)
    bought = [theory.optimal_purchase(total, 1.0, price, source) for total in (80.0, 4.0)]
    real, synthetic = (np.array([round(getattr(each, name)) for each in bought]) for name in ("real", "synthetic"))
    more = theory.real_equivalents(synthetic, source)

    return Trial("purchase", f"Categorical, {real[0]} real and {synthetic[0]} synthetic bought with 80, {synthetic[1]} with 4",
                 "error", lambda *given: sources.errors(f, model, real, synthetic, more / (real + more), *given),
                 lambda: f.v / (real + more))  # fmt: skip


def _contamination() -> Trial:
    """At the onset the pool errs as much as its real part; at the plateau twice as much as its floor."""
    f, model = theory.Categorical([0.5, 0.5]), theory.Categorical([0.75, 0.25])
    found = theory.contamination(theory.Source.of(f, model), 0.5)
    onset, plateau = round(found.onset) // 2, round(found.plateau) // 2

    def draw(key: Any, chains: int) -> Any:
        real, synthetic = (onset, onset, plateau), (onset, 0, plateau)
        pool, alone, level = np.asarray(sources.errors(f, model, real, synthetic, None, key, chains)).T
        return np.stack([pool - alone, level], axis=1)

    setting = f"half of {2 * onset}: excess over the real half; half of {2 * plateau}: error"
    return Trial("contamination", setting, "error", draw, lambda: np.array([0.0, 2 * found.floor * float(f.v)]))


def _strong_collapse() -> Trial:
    """No model, two below the threshold and two beyond it, each as far from it as fourth moments need."""
    f, source, real, synthetic, decay = (
        theory.LinearRegression(36, 0.5, signal=4.0),
        theory.Source(6.0, 1.5),
        12,
        6,
        1.0,
    )
    sizes = (0, 3, 8, 28, 36)

    def draw(key: Any, chains: int) -> Any:
        return sized.errors(
            key, chains=chains, real=real, synthetic=synthetic, covariates=f.dimension, features=sizes, noise=f.noise,
            signal=f.signal, shift=f.v / source.worth, label_noise=source.noise, decay=decay,
        )  # fmt: skip

    def means() -> Any:
        return theory.strong_collapse_error(f, real, synthetic, np.array(sizes), source, decay).error

    setting = f"{real} real, {synthetic} synthetic labels; sizes {', '.join(map(str, sizes))} of {f.dimension}"
    return Trial("strong-collapse", setting, "error", draw, means)


def _pilot() -> Trial:
    """Variance of a sample and squared bias, from the losses of four small runs."""
    f, model = theory.Categorical([0.5, 0.3, 0.2]), theory.Categorical([0.2, 0.3, 0.5])
    real, synthetic, floor = (20, 60, 0, 20), (0, 0, 30, 20), 2.0
    weights = pilot.weights_of(real, synthetic)[1:]

    def draw(key: Any, chains: int) -> Any:
        return (floor + sources.errors(f, model, real, synthetic, None, key, chains)) @ weights.T

    source = theory.Source.of(f, model)
    return Trial("pilot-runs", "Categorical, 4 runs: V and squared bias", "estimate", draw,
                 lambda: np.array([f.v, f.v / source.worth]))  # fmt: skip


def _own_samples() -> Trial:
    """The larger of a share among real samples and the same among own ones: no mean, and not linear."""
    f, own = theory.Binomial(10, 0.3), 6
    real, among = np.meshgrid(np.arange(11) / 10, np.arange(own + 1) / own, indexing="ij")
    found = theory.rao_blackwell(f, np.maximum(real, among))

    def draw(key: Any, chains: int) -> Any:
        counts, repeated = own_samples.pairs(f, own, key, chains)
        return (np.maximum(counts / 10, repeated / own) - f.p) ** 2

    return Trial("no-free-lunch", f"10 real, {own} own: the larger share", "error", draw,
                 lambda: np.array([found.without + found.noise]))  # fmt: skip


def _distilled() -> Trial:
    """Too little penalty and too much: no own labels, the best share of them, and own labels alone."""
    rows = np.random.default_rng(0).standard_normal((12, 5))
    noise, label_noise = 2.0, 0.5
    eigenvalues = np.linalg.eigvalsh(rows.T @ rows / len(rows))
    best = theory.best_penalty(5, len(rows), 1.0, noise)
    fits = [theory.Ridge(eigenvalues, factor * best, best, label_noise) for factor in (0.25, 4.0)]
    cases = [(fit, (0.0, theory.best_distillation(fit).share, 1.0)) for fit in fits]

    def draw(key: Any, chains: int) -> Any:
        each = [distilled.errors(rows, fit.penalty, noise, shares, label_noise, key, chains) for fit, shares in cases]
        return np.concatenate(each, axis=1)

    def means() -> Any:
        return np.array([theory.self_distillation_error(fit, share) for fit, shares in cases for share in shares])

    return Trial("self-distillation", "12 rows in 5 dimensions, 1/4 and 4 times the best penalty", "error", draw, means)
