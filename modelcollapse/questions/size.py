"""Whether the size of a model helps: a linear model of some covariates, on real labels and on those of a source."""

from __future__ import annotations

from typing import Any

from modelcollapse import theory
from modelcollapse.terminal import be, counted, percent
from modelcollapse.theory import arguments as arg
from modelcollapse.theory.importance import MOST

from .answer import Answer, Known, part

DECAY, SIGNAL = 1.0, 1.0  # of one who does not say: squares of coefficients fall as 1/j, and are as much as the noise


def sized(given: tuple[float, ...], known: Known) -> Answer:
    """Does model size help? ``given``: size, covariates[, decay of their importance[, signal over noise]]."""
    size, covariates = int(given[0]), int(given[1])
    decay, signal = (*given[2:], *(DECAY, SIGNAL)[len(given) - 2 :])
    asked = f"--model-size {size}"
    if size > covariates:
        raise theory.InputError(
            f"{asked},{covariates}: a model sees some of the covariates, at most all {covariates:,}"
        )
    if decay and covariates > MOST:
        alike = f"{size},{covariates},0" + (f",{signal:g}" if len(given) > 3 else "")
        many = f"more than {MOST:,} covariates are only planned for where they are all alike"
        raise arg.refuse("model_size", "decay", decay, f"{many}: give {alike} (decay 0), or fewer covariates")
    real = known.need("real", asked, "how many real labels are there")
    worth = known.need("worth", asked, "what is the source worth, in real samples (see --pilot)")
    synthetic = _synthetic(known, real, asked)
    f, source = theory.LinearRegression(covariates, signal=signal), theory.Source(worth)
    rows, share = real + synthetic, synthetic / (real + synthetic)

    def misses(features: int, labels: int = synthetic) -> float:
        return float(theory.strong_collapse_error(f, real, labels, features, source, decay).error / signal)

    best, alone = (theory.best_model_size(f, real, labels, source, decay) for labels in (synthetic, 0))
    half, double = max(size // 2, 1), min(2 * size, covariates)
    passed = float(theory.strong_collapse_error(f, real, synthetic, size, source, decay).passed_on)
    numbers: dict[str, Any] = {
        "size": size, "covariates": covariates, "decay": decay, "signal": signal, "real": real, "synthetic": synthetic,
        "worth": worth, "threshold": rows, "misses": misses(size), "misses_half": misses(half), "misses_double": misses(double),
        "misses_real_alone": misses(size, 0), "best_size": best.features, "best_misses": best.error / signal,
        "best_size_real_alone": alone.features, "best_misses_real_alone": alone.error / signal, "passed_on": passed,
    }  # fmt: skip
    others = [f"one of {other:,} {part(numbers[f'misses_{name}'], 'it')}" for name, other in (("half", half), ("double", double))
              if other != size]  # fmt: skip
    words = (
        f"{_verdict(size, best.features, numbers['best_misses'])} On {real:,} real and {synthetic:,} synthetic labels a linear "
        f"model of {size:,} of {counted(covariates, 'covariate')} misses {part(numbers['misses'], 'the signal')}"
        f"{'; ' if others else ''}{', '.join(others)}. With the real labels alone it misses "
        f"{part(numbers['misses_real_alone'], 'it')}; {_best_alone(alone.features, numbers['best_misses_real_alone'])}."
    )
    if 0 < share < 1:
        numbers |= {"floor": share**2, "amplification": passed / share**2}
    falling = f"fall as 1/j{f'^{decay:g}' if decay != 1 else ''}" if decay else "are all alike"
    strong = "as strong as" if signal == 1 else f"of {signal:g} times"
    words += (
        f" {_placed(size, rows, passed, share**2)} (Squared coefficients that {falling}, in the order in which models take "
        f"covariates up; a signal {strong} the noise.)"
    )
    return Answer(
        "model-size", f"Does model size help, at {size:,} of {covariates:,}?", words, numbers, ("strong-collapse",)
    )


def _synthetic(known: Known, real: int, asked: str) -> int:
    """How many synthetic labels there are, said as a number or as a share."""
    if known.synthetic is not None:
        return known.synthetic
    share = known.contamination if known.share is None else known.share
    if share is None:
        raise theory.InputError(
            f"{asked}: how many labels are synthetic? Give --synthetic or --contamination or --share"
        )
    if share == 1:
        raise theory.InputError("--share 1: of how many labels in all? Give --synthetic, or a share below 1")
    return round(real * share / (1 - share))


def _verdict(size: int, best: int, misses: float) -> str:
    """Which way to go."""
    if best == 0:
        return "None is best: no model errs less than predicting the mean alone, which misses all of the signal."
    if best == size:
        return "It is the best size."
    which, missed = "larger" if best > size else "smaller", part(misses, "the signal")
    return f"A {which} one does better: best {be(best)} {counted(best, 'covariate')}, with which it misses {missed}."


def _best_alone(best: int, misses: float) -> str:
    """The best size without synthetic labels."""
    if best == 0:
        return "no model errs less then than predicting the mean alone"
    return f"best {be(best)} then {best:,} ({part(misses, 'it')})"


def _placed(size: int, rows: int, passed: float, floor: float) -> str:
    """Where the size stands to the threshold, and what it makes of the shift."""
    if abs(size - rows) <= 1:
        return f"It is at the threshold of {counted(rows, 'label')}, where the error is infinite: no size is worse."
    where = f"It is {'below' if size < rows else 'beyond'} the threshold of {counted(rows, 'label')}"
    if floor in (0, 1):
        return f"{where}."
    more = f"passes on {percent(passed)} of the squared shift that it sees, {passed / floor:.4g} times the floor"
    tendency = "that rises with its size up to there, and falls beyond" if size < rows else "the larger, the less"
    return f"{where} and {more} {percent(floor)}; {tendency}."
