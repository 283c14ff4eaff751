"""What synthetic samples are worth: how many to mix in, what a contamination does, several sources, teachers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modelcollapse import theory
from modelcollapse.terminal import amount, be, counted, percent

from .answer import ANY_TOKENS, Answer, Known

SURE = 0.95  # chance that limits hold
FEW = 10  # samples, up to which whole ones are told


def piloted(runs: Any, known: Known) -> Answer:
    """How much synthetic data is best, from the losses of a few small runs?"""
    pilot = theory.estimate_worth(runs, SURE)
    worth, low, high = pilot.worth
    if low is None or high is None:
        limits = "three runs without their errors tell no limits; a fourth run does"
    else:
        limits = (
            f"with chance {percent(SURE)} between {amount(low)} and {'infinity' if math.isinf(high) else amount(high)}"
        )
    words = f"{pilot.runs} runs: the source is worth {_worth(worth)} ({limits}). "
    numbers: dict[str, Any] = {"worth": worth, "worth_low": low, "worth_high": high, "level": SURE, "misfit": pilot.misfit,
               "variance": pilot.variance.value, "floor": pilot.floor.value, "floor_low": pilot.floor.low,
               "floor_high": pilot.floor.high}  # fmt: skip
    if pilot.misfit is not None and pilot.misfit < 1 - SURE:
        words += (
            f"They fit the law badly (chance {pilot.misfit:.2g}): the loss may not fall like one over the samples. "
        )
    if math.isinf(worth):
        words += "The synthetic runs are no worse than real ones of as many samples: these runs do not tell a bias. "
    said, found = _mixture(worth, known)
    said += _losses(pilot, found)
    if known.real is not None and low is not None:
        share = theory.at_limits(pilot, lambda source: theory.optimal_share(known.real, source).share)
        found |= {"best_share_low": share.low, "best_share_high": share.high}
        said += f" Within the limits the best share is {percent(share.low or 0)} to {percent(share.high or 0)}."
    return Answer("pilot", "How much synthetic data is best, by these runs?", words + said, numbers | found,
                  ("pilot-runs", "worth"), {"worth": numbers["worth"]})  # fmt: skip


def _losses(pilot: theory.Pilot, found: dict[str, Any]) -> str:
    """Which losses the runs let expect: of the best mixture, of real data alone, and of endless real data."""
    floor, low, high = pilot.floor
    within = "" if low is None else f" (with chance {percent(pilot.level)} between {low:.6g} and {high:.6g})"
    if "real" not in found:
        return f" With endless real data the loss would fall to {floor:.6g}{within}."
    alone = floor + pilot.variance.value / found["real"]
    best = floor + pilot.variance.value / found["real"] * found["error_left"]
    found |= {"loss_real_alone": alone, "loss_best": best}
    return (
        f" The loss to expect: {best:.6g}, of real data alone {alone:.6g}; with endless real data {floor:.6g}{within}."
    )


def mixed(worth: float, known: Known) -> Answer:
    """How much synthetic data of a source of that worth is best?"""
    said, numbers = _mixture(worth, known)
    question = f"How much synthetic data is best, of a source worth {_worth(worth)}?"
    return Answer("worth", question, said, {"worth": worth, **numbers}, ("worth",))


def _mixture(worth: float, known: Known) -> tuple[str, dict[str, Any]]:
    """The best share and the harmless one beside the real samples."""
    source = theory.Source(worth)
    if worth == 0:
        numbers = (
            {}
            if known.real is None
            else {
                "real": known.real,
                "best_share": 0.0,
                "best_synthetic": 0.0,
                "harmless_share": 0.0,
                "harmless_synthetic": 0.0,
                "error_left": 1.0,
            }
        )
        return "None is best: a source worth nothing does harm in any number.", numbers
    if known.real is None:
        said = (
            f"Beside N real samples a share of {amount(worth / 2)}/N is best, twice that harmless"
            if worth < math.inf
            else ""
        )
        return f"{said or 'All of it helps'}; say N by --real.", {}
    best, most = theory.optimal_share(known.real, source), theory.harmless_share(known.real, source)
    at_best = 1 / worth if best.share == 1 else theory.pooled_error(known.real, np.array(best.synthetic), source)
    left = float(at_best / theory.pooled_error(known.real, 0, source))
    numbers = {"real": known.real, "best_share": float(best.share), "best_synthetic": float(best.synthetic),
               "harmless_share": float(most.share), "harmless_synthetic": float(most.synthetic), "error_left": left}  # fmt: skip
    if best.share == 1:
        return (
            f"Beside {counted(known.real, 'real sample')}, synthetic ones are the better the more: the source is worth at least "
            f"twice that. The error falls to {percent(left)} of that of real data alone.",
            numbers,
        )
    beside = f"Beside {counted(known.real, 'real sample')}"
    count, share = float(best.synthetic), float(best.share)
    if count < FEW:  # of so few the share of a whole number is another one
        count, left = _whole(known.real, count, source)
        share = count / (known.real + count)
    if count == 0:
        return f"{beside} no synthetic one helps: a single one does as much harm as good, or more.", numbers
    least = float(most.synthetic)
    upto, part = (math.floor(least * (1 + 1e-12)), "") if least < FEW else (least, f" ({percent(float(most.share))})")
    harmless = "any number is" if most.share == 1 else f"up to {amount(upto)}{part} {be(upto)}"
    return (
        f"{beside} {counted(count, 'synthetic one')} {be(count)} best, {percent(share)} of the data: the error is "
        f"{percent(left)} of that of real data alone; {harmless} no worse than none.",
        numbers,
    )


def _whole(real: int, best: float, source: theory.Source) -> tuple[int, float]:
    """The whole number next to the best one that errs least, and its error over that of real data alone.

    >>> _whole(1, 1.0, theory.Source(1.0)), _whole(1, 1 / 7, theory.Source(0.25))
    ((1, 0.75), (0, 1.0))
    """
    below = math.floor(best)
    errors = {
        each: theory.pooled_error(real, each, source) / theory.pooled_error(real, 0, source)
        for each in (below, below + 1)
    }
    count = min(errors, key=lambda each: errors[each])
    return count, float(errors[count])


def contaminated(share: float, known: Known) -> Answer:
    """Is that share of synthetic data in a corpus dangerous?"""
    worth = known.need("worth", f"--contamination {share:g}", "what is the source worth, in real samples (see --pilot)")
    onset, plateau, floor = (float(each) for each in theory.contamination(theory.Source(worth), share))
    words = f"It harms a corpus of more than {counted(onset, 'sample')}, which is then better cleaned; smaller ones it helps. "
    if math.isinf(worth):
        words = "It harms nowhere: the source has no bias. "
    elif worth == 0:
        words = "It harms a corpus of any size, without bound: the source is worth nothing. Clean it."
    else:
        least = counted(1 / floor, "real sample")
        words += f"However large it grows, it is never better than {least} alone; "
        these = "these" if 1 / floor > 1 else "this"
        words += f"when it has {counted(plateau, 'sample')}, its error is still twice that of {these}."
    if known.real is not None:
        words += f" Your {known.real:,} {be(known.real)} {'beyond' if known.real > onset else 'below'} the onset."
    equivalents = 1 / floor if floor else math.inf
    numbers = {
        "share": share,
        "worth": worth,
        "onset": onset,
        "plateau": plateau,
        "floor_real_equivalents": equivalents,
    }
    question = f"Is a contamination of {percent(share)} dangerous?"
    return Answer("contamination", question, words.strip(), numbers, ("contamination",))


def sources(count: int, known: Known) -> Answer:
    """What are several sources worth, each of that worth?"""
    each = known.need("worth", f"--sources {count}", "what is each of them worth, in real samples")
    apart, alike = float(theory.worth_of_sources(math.inf, each, count)), float(each)
    numbers = {"sources": count, "worth_each": each, "worth_independent": apart, "worth_same": alike}
    if count == 1:
        words = f"{_worth(alike)}: one source alone is worth what it is; more are worth more where their biases differ."
        return Answer("sources", f"What is one source worth that is worth {_worth(each)}?", words, numbers, ("worth",))
    return Answer(
        "sources", f"What are {count:,} sources worth, each worth {_worth(each)}, pooled evenly?",
        f"{_worth(apart)} if their biases have nothing in common, {_worth(alike)} if they are the same (models of "
        "one kind, trained on the same text). Of a bias in common no number of sources rids you.", numbers, ("worth",),
    )  # fmt: skip


def taught(sizes: tuple[int, ...], known: Known) -> Answer:
    """How many samples of a teacher help, that was fitted on so many real ones?"""
    real = known.need("real", f"--teacher {sizes[0]}", "how many real samples has the student")
    teacher = theory.Teacher(*sizes)
    found = theory.helpful_synthetic(ANY_TOKENS, real, teacher)
    shared = f"{sizes[1]:,}" if len(sizes) > 1 else "none"
    which = f"A teacher of {counted(sizes[0], 'real sample')}, {shared} of them the student's own"
    if found.samples == 0:
        words = f"{which}: none of its samples helps a student of {real:,}."
    else:
        first = f"from {found.at_least:,.0f} on" if found.at_least > 1 else "all"
        endless = "" if math.isfinite(found.best) else ", the more the better,"
        many = first + endless if math.isinf(found.samples) else f"up to {amount(found.samples)}"
        best = "" if math.isinf(found.best) else f", {amount(found.best)} {be(found.best)} best"
        words = f"{which}: of its samples {many} help a student of {real:,}{best}; the error is then "
        words += f"{percent(found.error * 2 * real)} of that without."
    numbers = {
        "at_least": found.at_least,
        "samples": found.samples,
        "best": found.best,
        "error_left": found.error * 2 * real,
    }
    own = ("no-free-lunch",) if sizes == (real, real) else ()
    return Answer("teacher", "How many samples of a teacher help?", words, numbers, ("teacher", *own))


def _worth(number: float) -> str:
    """So many real samples."""
    if math.isinf(number):
        return "infinitely many real samples"
    return f"{number:,.4g} real sample{'' if number == 1 else 's'}" if number < 1000 else counted(number, "real sample")
