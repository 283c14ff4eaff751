"""Selection: verified labels, retraining on what a verifier keeps, temperature, narrowed samples, curation."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.simulate import curation, narrowed, refitted, retrained, tempered, verified
from modelcollapse.theory import stopping

from .trial import Trial


def trials() -> tuple[Trial, ...]:
    """One for each theorem."""
    return (
        _verification(),
        _verified_accuracy(),
        _regeneration(),
        _stopping_round(),
        _temperature_window(),
        _sampling_bias(),
        _curated_share(),
        _certified_rate(),
    )


VERIFIERS = ((0.7, 0.9, 0.2), (0.4, 0.5, 0.4), (0.75, 0.5, 0.2))  # chance of a right label, keeps right, keeps wrong


def _verification() -> Trial:
    def draw(key: Any, chains: int) -> Any:
        found = []
        for p, right, wrong in VERIFIERS:
            kept, generated = verified.kept_labels(key, p, right, wrong, chains=chains, samples=16)
            found += [kept.mean(axis=1), generated.mean(axis=1)]
        return np.stack(found, axis=1)

    def means() -> Any:
        told = [theory.verification(p, theory.Verifier(right, wrong)) for p, right, wrong in VERIFIERS]
        return [each for one in told for each in (one.kept_accuracy, 1 / one.keep_rate)]

    return Trial("verification/threshold", "three verifiers", "right, and generated for one kept", draw, means)


def _verified_accuracy() -> Trial:
    cases = ((*VERIFIERS[0], 12, 6), (*VERIFIERS[1], 12, 6))  # of one shape: compiled once

    def draw(key: Any, chains: int) -> Any:
        return np.stack(
            [
                verified.accuracy(
                    key, p, right, wrong, 1.0, chains=chains, samples=samples, dimension=dimension, points=16
                )
                for p, right, wrong, dimension, samples in cases
            ],
            axis=1,
        )

    def means() -> Any:
        return [
            theory.verified_accuracy(
                p, theory.Verifier(right, wrong), separation=1.0, dimension=dimension, samples=samples
            )
            for p, right, wrong, dimension, samples in cases
        ]

    return Trial("verification/accuracy", "two classes", "accuracy", draw, means)


def _regeneration() -> Trial:
    """Two verifiers, real and kept labels pooled: as right as so many real ones."""
    real, kept = 12, 6
    setting: Any = {"separation": 1.0, "dimension": 12}

    def draw(key: Any, chains: int) -> Any:
        given = {"chains": chains, "samples": kept, "real": real, "points": 16}
        return np.stack([verified.accuracy(key, *each, **setting, **given) for each in VERIFIERS[:2]], axis=1)

    all_kept = theory.Verifier(1.0, 1.0)

    def means() -> Any:
        pools = []
        for p, right, wrong in VERIFIERS[:2]:
            verifier = theory.Verifier(right, wrong)
            generated = np.array(kept / theory.verification(p, verifier).keep_rate)
            pools.append(theory.regeneration(p, verifier, real, generated).pooled)
        return theory.verified_accuracy_limit(1.0, all_kept, samples=np.array(pools), **setting)

    def remainder() -> Any:
        """What the leading order leaves open of as many labels that are each as often right as those of the pool."""
        right = [theory.verification(p, theory.Verifier(*chances)).kept_accuracy for p, *chances in VERIFIERS[:2]]
        shares = [(real + kept * share) / (real + kept) for share in right]
        exact = [theory.verified_accuracy(share, all_kept, samples=real + kept, **setting) for share in shares]
        return abs(exact - theory.verified_accuracy_limit(np.array(shares), all_kept, samples=real + kept, **setting))

    words = f"{real} real and {kept} kept labels, pooled"
    return Trial("verification/regeneration", words, "accuracy", draw, means, "~", remainder)


STOPPING = {"variance": 2.0, "bias": 0.5, "samples": 6, "contraction": 0.25}


def _stopping_round() -> Trial:
    rounds = np.arange(9)

    def draw(key: Any, chains: int) -> Any:
        return retrained.squared_errors(key, chains=chains, rounds=len(rounds) - 1, **STOPPING)

    def means() -> Any:
        noise = (1 - STOPPING["contraction"]) / STOPPING["samples"]
        return stopping.error_after(rounds, STOPPING["contraction"], STOPPING["variance"], STOPPING["bias"], noise)

    return Trial("stopping-round", "a verifier with a bias", "error", draw, means)


HEAT = {"tokens": 20, "temperature": 0.5}
PASTS = (
    (1.0, 0.25),
    (1.0, 0.36),
    (0.05, 0.36),
    (0.05, 0.8),
)  # probability of one token at first, share of synthetic data


def _temperature_window() -> Trial:
    window = theory.temperature_window(**HEAT)

    def draw(key: Any, chains: int) -> Any:
        found = [
            tempered.likeliest(
                key,
                share,
                HEAT["temperature"],
                lead,
                tokens=20,
                samples=5000,
                generations=20,
                chains=-(-chains // 128),
            )
            for lead, share in PASTS
        ]
        return np.stack(found, axis=1) > window.likeliest

    def means() -> Any:
        edges = [window.collapsed_from if lead == 1 else window.stable_to for lead, _ in PASTS]
        return [float(share > edge) for edge, (_, share) in zip(edges, PASTS, strict=True)]

    return Trial("temperature-window", "whole or collapsed before", "collapsed", draw, means)


def _sampling_bias() -> Trial:
    f, w, generations = theory.Gaussian(dimension=2, unbiased=True), theory.FreshReal(8, 10), 6

    def draw(key: Any, chains: int) -> Any:
        return narrowed.squared_errors(
            key, 0.6, real=8, synthetic=10, dimension=2, unbiased=True, generations=generations, chains=chains
        )

    def means() -> Any:
        return theory.sampling_error(f, w, 0.6, np.arange(1, generations + 1))

    return Trial("sampling-bias", "variance times 0.6", "error of mean and covariance", draw, means)


def _curated_share() -> Trial:
    cases = ((0.2, 1.0), (0.05, 2.0), (0.01, 3.0))  # share in truth, reward; the last runs away
    size = 400

    def draw(key: Any, chains: int) -> Any:
        few = -(-chains // 16)
        return np.stack(
            [
                curation.shares(
                    key, p0, reward, choices=2, real=size // 2, synthetic=size // 2, generations=12, chains=few
                )[:, -1]
                for p0, reward in cases
            ],
            axis=1,
        )

    def means() -> Any:
        return [theory.curated_share(p0, 0.5, theory.Curation(reward, 2)) for p0, reward in cases]

    return Trial("curated-share", "pairs, half of the data", "share of the trait", draw, means, "<=")


def misfit(scale: float) -> float:
    """L W1/a of a logistic law fitted to a normal one of that standard deviation, or to a logistic one (0): by quadrature."""
    x = np.linspace(-60, 60, 24_001)
    model = np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2
    data = np.exp(-((x / scale) ** 2) / 2) / scale / np.sqrt(2 * np.pi) if scale else model
    step = x[1] - x[0]
    curvature = (data * 2 * model).sum() * step  # -(log model)'' is 2 model
    distance = np.abs(np.cumsum(data - model)).sum() * step**2
    return float(distance / (3 * np.sqrt(3)) / curvature)  # |(2 model)'| is at most 1/(3 sqrt 3)


def _certified_rate() -> Trial:
    cases = ((0.0, 0.5), (3.0, 0.5), (3.0, 0.8), (5.0, 0.5))  # standard deviation of the data, share of synthetic data
    size = 2000

    def draw(key: Any, chains: int) -> Any:
        few = -(-chains // 16)
        each = [
            refitted.kept(key, scale, 0.1, real=round(size * (1 - share)), synthetic=round(size * share), chains=few)
            for scale, share in cases
        ]
        return np.stack(each, axis=1)

    def means() -> Any:
        return [theory.contraction_upper_bound(share, misfit(scale)) for scale, share in cases]

    return Trial("certified-rate", "logistic fitted to logistic and normal data", "share kept", draw, means, "<=")
