"""Rare things: when they are gone, and how much real data keeps them."""

from __future__ import annotations

import math
from typing import Any

from modelcollapse import theory
from modelcollapse.terminal import MOST, be, counted, percent
from modelcollapse.theory import absence

from .answer import ANY_TOKENS, MANY, Answer, Known


def seen(count: int, known: Known) -> Answer:
    """When is a token gone that the real data shows ``count`` times, if all data is replaced?"""
    if known.real is None:
        raise theory.InputError(f"--count {count}: seen among how many real samples? Give --real N, or a --corpus")
    real, synthetic = known.real, known.synthetic or known.real
    if real == 1:
        raise theory.InputError("--real 1: at least 2 real samples, or there is nothing to lose")
    if not 1 <= count < real:
        raise theory.InputError(
            f"--count {count}: how often a token is seen, from 1 to {real - 1:,}, one less than all of them"
        )
    corpus, w = theory.Categorical.from_counts([count, real - count]), theory.Replace(synthetic, real=real)
    median, late = (float(theory.extinction_time(corpus, w, chance)[0]) for chance in (0.5, 0.9))
    next_lost = float(theory.loss_probability(corpus, w, 2)[0])
    exact = theory.explain(theory.survivors, corpus, w).evidence is not theory.Evidence.BOUND
    worth = f", in generations worth {counted(synthetic, 'sample')} (effective size)" if known.effective else ""
    half, most = _reaches("1/2", median, exact=exact), _reaches("9/10", late, exact=exact)
    bounds = "" if exact else " (bounds from below, near the truth where a token is rare)"
    return Answer(
        "count",
        f"When is a token gone that is seen {_times(count)} in {real:,}, if every generation replaces the data?",
        f"The chance that it is gone {half} and {most}{worth}{bounds}; in the second generation it is "
        f"{percent(next_lost)}. Keep the real data and it is never gone. What is seen once goes first, before "
        "entropy or loss show it.",
        {"median": _plain(median), "nine_of_ten": _plain(late), "lost_at_once": next_lost, "exact": exact},
        ("extinction-time",),
    )


def retained(share: float, known: Known) -> Answer:
    """How many real samples a generation keep that share of the diversity?"""
    synthetic = known.synthetic or round(min(MOST, MANY / max(1 - share, 1 / MOST)))
    fresh, fixed = (
        theory.min_real(ANY_TOKENS, make(1, synthetic), share) for make in (theory.FreshReal, theory.FixedReal)
    )
    endless = known.synthetic is None and synthetic < MOST  # else so many, which are few beside so many real ones
    beside = "any large number of synthetic ones" if endless else counted(synthetic, "synthetic one")
    least = theory.min_real(ANY_TOKENS, theory.FreshReal(1, 1), share)
    fewer = "" if known.synthetic else f" Beside few synthetic ones it takes more new ones, up to {least:,.0f}."
    return Answer(
        "retain",
        f"How many real samples keep {percent(share)} of the diversity?",
        f"{counted(fresh, 'new one')} in every generation, or {fixed:,.0f} kept for good, beside {beside}: an absolute number, "
        f"not a share of the data.{fewer} Rare things need more: ask with --rare.",
        {"fresh_real": fresh, "fixed_real": fixed, "synthetic": known.synthetic},
        ("min-real",),
    )


def rare(probability: float, known: Known, absent: float = 0.05) -> Answer:
    """How many fresh real samples a generation keep a thing of that probability present?"""
    synthetic, alone = known.synthetic or known.real, absence.real_alone(probability, absent)
    numbers: dict[str, Any] = {"absent": absent, "real_alone": alone, "synthetic": synthetic}
    words = (
        f"{counted(alone, 'new real sample')} in every generation {be(alone)} enough for it to be absent from no more than "
        f"{percent(absent)} of the generations, whatever synthetic data there is"
    )
    if synthetic is None:
        words += "; fewer, where that remembers earlier ones: say how much by --synthetic."
    else:
        numbers["fresh_real"] = theory.min_real_present(theory.FreshReal(1, synthetic), probability, absent)
        size = " (effective size)" if known.effective else ""
        words += (
            f"; beside {counted(synthetic, 'synthetic one')}{size}, through which earlier ones are remembered, "
            f"{numbers['fresh_real']:,.0f} {be(numbers['fresh_real'])}."
        )
    if known.real is not None and synthetic is not None:
        family = theory.Categorical([probability, 1 - probability])
        yours = float(theory.loss_probability_limit(family, theory.FreshReal(known.real, synthetic))[0])
        numbers["yours_absent"] = yours
        words += (
            f" With {counted(known.real, 'new real sample')} there it is absent from at most {percent(yours)} of them."
        )
    return Answer(
        "rare", f"How much real data keeps a thing of probability {probability:g}?", words, numbers, ("absence",)
    )


def recovered(tolerance: float, known: Known) -> Answer:
    """How long does new real data take to bring back a model that has collapsed?"""
    asked = f"--recover {tolerance:g}"
    real = known.need("real", asked, "how many new real samples has a generation")
    w = theory.FreshReal(real, known.synthetic or real)
    size = " (effective size)" if known.effective else ""
    time = theory.recovery_time(ANY_TOKENS, w, tolerance)
    return Answer(
        "recover",
        "It has collapsed: can it come back?",
        f"Yes: with {counted(real, 'new real sample')} beside {counted(int(w.synthetic), 'synthetic one')}{size} in every "
        f"generation its error is within {percent(tolerance)} of where it settles after {counted(time, 'generation')}, even from "
        "one token alone (in the mean over which is left; longer from a rare one). Not where a temperature below 1 holds it: ask "
        "with --temperature.",
        {"real": real, "synthetic": int(w.synthetic), "tolerance": tolerance, "generations": time},
        ("recovery",),
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _reaches(chance: str, time: float, *, exact: bool) -> str:
    """When the chance to be gone has come so far; what is not exact is a lower bound of the time."""
    if math.isinf(time):
        return f"never reaches {chance}"
    return f"reaches {chance} in generation {time:,.0f}{'' if exact else ' at the earliest'}"


def _plain(time: float) -> int | float:
    return time if math.isinf(time) else int(time)
