"""Old data and new: whether to keep all of it, and how much of it may stand in for real samples."""

from __future__ import annotations

import math
from typing import Any

from modelcollapse import theory
from modelcollapse.terminal import MOST, amount, counted, percent
from modelcollapse.theory import arguments as arg

from .answer import ANY_TOKENS, Answer, Known

NAMED = 8  # batches that are named one by one


def kept(sizes: tuple[int, ...], known: Known) -> Answer:
    """Must I keep the old data, where models add samples in batches of these sizes?"""
    said = ",".join(map(str, sizes))
    real = known.need("real", f"--batches {said}", "how many real samples are there at first")
    last, total = len(sizes) + 1, sum(sizes)
    if total > MOST:
        raise arg.refuse(
            "batches", "batches", sizes, f"{total:,} samples in all: give at most {MOST:,} (2^53) together"
        )
    gain = float(theory.keep_all_gain(ANY_TOKENS, real, sizes)[-1])
    cap = float(theory.keep_all_gain_upper_bound(ANY_TOKENS, real, total))
    alone = float(theory.gain(ANY_TOKENS, theory.Replace(sizes, real=real), last))
    words = (
        f"Yes, keep it. With all data kept, generation {last} errs {gain:.4g} times as much as real data alone; so many samples "
        f"in any other batches at most {cap:.4g} times, and any number of them, in any batches, less than twice. Trained on its "
        f"own batch only it errs {alone:.4g} times as much. Few large batches are better than many small ones."
    )
    numbers = {"real": real, "batches": list(sizes), "gain": gain, "gain_upper_bound": cap, "replaced": alone}
    question = f"Must I keep the old data, where models add {_added(sizes)} to {counted(real, 'real one')}?"
    return Answer("batches", question, words, numbers, ("accumulate", "replace/growing"))


def _added(sizes: tuple[int, ...]) -> str:
    """Batches as people say them.

    >>> _added((1,)), _added((500, 2000, 1)), _added((3,) * 9)
    ('1 sample', 'batches of 500, 2,000 and 1 samples', '9 batches, 27 samples in all,')
    """
    if len(sizes) == 1:
        return counted(sizes[0], "sample")
    if len(sizes) > NAMED:
        return f"{counted(len(sizes), 'batch', 'batches')}, {counted(sum(sizes), 'sample')} in all,"
    return f"batches of {', '.join(map(amount, sizes[:-1]))} and {amount(sizes[-1])} samples"


def replaced(tolerance: float, known: Known) -> Answer:
    """How many new real samples may be replaced by samples of the model before, at so much more error?"""
    if known.real is None:
        share = float(theory.replaceable_share(theory.Poisson(1.0), 1, tolerance))  # v2 = 0: that of many samples
        numbers: dict[str, Any] = {"tolerance": tolerance, "share": share}
        words = f"Of many samples {percent(share)}"
    else:
        share = float(theory.replaceable_share(ANY_TOKENS, known.real, tolerance))
        count = math.floor(share * known.real)
        numbers = {"tolerance": tolerance, "train": known.real, "share": share, "samples": count}
        words = f"{amount(count)} of {amount(known.real)}, a share of at most {percent(share)}"
    words += (
        f": in training sets of one size with new real samples in every generation, a share of the model's own samples costs its "
        f"square. Another {percent(tolerance)} of error is reached there. Beside all real samples they would cost nothing."
    )
    question = f"How many new real samples may samples of the model replace, at {percent(tolerance)} more error?"
    return Answer("replaceable", question, words, numbers, ("fresh-real/pooled",))
