"""What a real pipeline is worth: the size of its generations from two snapshots, and how fast it forgets."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse import theory
from modelcollapse.terminal import MOST, percent

from .answer import Answer, Known, part

if TYPE_CHECKING:
    from modelcollapse.snapshot_files import Snapshots

SURE = 0.95  # chance that limits hold


def forgetting(snapshots: Snapshots, known: Known) -> Answer:
    """How many samples a generation are the generations of this pipeline worth, and how fast does it forget?"""
    last = known.generations or 1
    both = (snapshots.before, snapshots.after)
    added = [sum(each, Counter()) for each in both]
    tokens = list(dict.fromkeys([*added[0], *added[1]]))
    counts = [np.array([each[token] for token in tokens], float) for each in added]
    totals = [int(each.sum()) for each in counts]
    if snapshots.trained:
        given: list[Any] = [count / total for count, total in zip(counts, totals, strict=True)]
    else:
        given = [list(each) if len(each) > 1 else one for each, one in zip(both, added, strict=True)]
    found = theory.effective_generation_size(given[0], given[1], last, SURE)
    numbers: dict[str, Any] = {
        "effective_size": found.size, "effective_size_low": found.low, "effective_size_high": found.high, "level": SURE,
        "drift": found.drift, "generations": last, "trained": snapshots.trained,
        "tokens_before": totals[0], "tokens_after": totals[1], "worth_before": found.before, "worth_after": found.after,
        "documents_before": len(both[0]), "documents_after": len(both[1]), "independent_frequencies": found.independent,
    }  # fmt: skip
    plural = "one generation" if last == 1 else f"{last:,} generations"
    words = _worth(found, plural)
    planned = known.alike is not None and known.synthetic == known.real  # that of a plan for another text
    sampled = None if planned else known.synthetic
    sampled = sampled or (totals[1] if snapshots.trained else None)
    if sampled and math.isfinite(found.size):
        numbers |= {"synthetic": sampled, "share": found.size / sampled}
        words += f", {part(found.size / sampled, f'its {sampled:,}')}"
    told, forecast, behind = _forecast(found, counts[1] / totals[1])
    seen, warning = _singletons(snapshots, counts, found, last)
    opened, new = _opened(counts, warning["diversity_fall"], trained=snapshots.trained)
    later: dict[str, Any] = {}
    if math.isfinite(found.size) and known.real is None:
        later = {"real": totals[1], "synthetic": max(round(found.size), 1), "effective": True}
    beside = "" if snapshots.trained else _as_samples(min(map(len, both)))
    return Answer("snapshots", "How fast does my pipeline forget?", f"{words}.{told}{seen}{opened}{beside}",
                  numbers | forecast | warning | new, ("temporal-size", "replace", *behind, "extinction-time"),
                  later)  # fmt: skip


def _opened(counts: list[np.ndarray], fall: float, *, trained: bool) -> tuple[str, dict[str, Any]]:
    """What drift of a pipeline without new data does not do."""
    new = int(((counts[0] == 0) & (counts[1] > 0)).sum())
    signs = []
    if trained and new:
        has = "one token" if new == 1 else f"{new:,} tokens"
        signs.append(f"The last has {has} that the first lacks: drift of a closed pipeline brings none.")
    if fall < 0:
        signs.append("Diversity rose: drift of a closed pipeline lowers it in the mean.")
    words = "".join(f" {each}" for each in signs)
    words += " Are the files in order, and did new data come in?" if signs else ""
    return words, {"new_tokens": new}


def _as_samples(documents: int) -> str:
    """What was taken for granted of samples."""
    words = " The snapshots were taken for samples drawn beside the training; add ,trained where models were trained on them."
    if documents == 1:
        words += (
            " Their tokens were taken as independent: those of a text are not, and then generations are worth more than this; "
            "name a .jsonl with a document on each line."
        )
    return words


def _worth(found: theory.TemporalSize, plural: str) -> str:
    within = f"with chance {percent(SURE)} "
    if math.isnan(found.low):
        return (
            f"In {plural} frequencies moved less than sampling moves those of independent snapshots: have these text in common, "
            "or are they what models were trained on? No drift is seen, and no limit can be told"
        )
    if math.isinf(found.size):
        return (
            f"In {plural} frequencies moved no further than the sampling of the snapshots moves them: no drift is seen, and "
            f"{within}a generation is worth at least {_samples(found.low)}"
        )
    high = "with no upper limit" if math.isinf(found.high) else f"and at most {_number(found.high)}"
    return (
        f"In {plural} frequencies drifted as with {_samples(found.size)} a generation ({within}at least "
        f"{_number(found.low)} {high})"
    )


def _forecast(found: theory.TemporalSize, share: np.ndarray) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Half-life of diversity and total collapse, if it goes on like that, and the theorem behind the latter."""
    sizes = (found.size, found.low, found.high)
    half = [each if math.isnan(each) else float(theory.diversity_half_life(each)) for each in sizes]
    numbers: dict[str, Any] = dict(zip(("half_life", "half_life_low", "half_life_high"), half, strict=True))
    if math.isinf(found.size):
        return "", numbers | {"rate": 0.0, "collapse": math.inf}, ()
    size = min(max(round(found.size), 1), MOST)
    family, w = theory.Categorical(share), theory.Replace(size)
    collapse = float(theory.collapse_time(family, w))
    numbers |= {"rate": 1 / found.size, "collapse": collapse}
    return (
        f" If it goes on like that, diversity falls by {percent(1 / found.size)} a generation and is halved after "
        f"{_number(half[0])}; one token is left after {_number(collapse)}, in the mean.",
        numbers,
        (theory.explain(theory.collapse_time, family, w).name,),
    )


def _singletons(
    snapshots: Snapshots, counts: list[np.ndarray], found: theory.TemporalSize, last: int
) -> tuple[str, dict[str, Any]]:
    """What became of tokens that were seen once, which go first, and of diversity, which lags."""
    once = counts[0] == 1
    number, totals = int(once.sum()), [int(each.sum()) for each in counts]
    spread = [float(1 - ((each / each.sum()) ** 2).sum()) for each in counts]
    if not snapshots.trained:  # as a sample, without bias
        spread = [each * total / (total - 1) for each, total in zip(spread, totals, strict=True)]
    fall = 1 - spread[1] / spread[0]
    moved = f"{'fell' if fall >= 0 else 'rose'} by {percent(abs(fall))}"
    numbers: dict[str, Any] = {"singletons": number, "diversity_fall": fall}
    if not number:
        return "", numbers
    kept = float((counts[1][once] > 0).mean())
    numbers["singletons_kept"] = kept
    those = "one token" if number == 1 else f"{number:,} tokens"
    words = f" Of the {those} that the first snapshot has once, the last has {percent(kept)}"
    if not snapshots.trained:
        return f"{words}; diversity {moved}.", numbers
    corpus = theory.Categorical.from_counts([1, totals[0] - 1])
    for name, size in (("singletons_expected", float(totals[1])), ("singletons_at_effective_size", found.size)):
        if math.isfinite(size):
            w = theory.Replace(min(max(round(size), 1), MOST), real=totals[0])
            numbers[name] = 1 - float(theory.loss_probability(corpus, w, last + 1)[0])
    words += f"; of independent samples as many at least {percent(numbers['singletons_expected'])} would be left"
    return f"{words}. Watch these: diversity, which {moved}, lags behind.", numbers


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _samples(value: float) -> str:
    return f"{(said := _number(value))} independent sample{'' if said == '1' else 's'}"
