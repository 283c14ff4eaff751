"""What selection does: verifiers, retraining on what they keep, temperature, narrowed samples, curation."""

from __future__ import annotations

import math

from modelcollapse import theory
from modelcollapse.terminal import amount, be, counted, percent
from modelcollapse.theory import arguments as arg

from .answer import Answer, Known

LEAST = 1e-15  # of a share, else what is left of all is all
NOTHING = 1e-20  # of what one label is worth: a square of rounding


def verified(chances: tuple[float, ...], known: Known) -> Answer:
    """What accuracy must generated labels have for a verifier to help, and does it pay?"""
    right, wrong = chances
    verifier = theory.Verifier(right, wrong)
    found = theory.verification(known.accuracy if known.accuracy is not None else 0.5, verifier)
    question = (
        f"Does a verifier help that keeps {percent(right)} of the right labels and {percent(wrong)} of the wrong?"
    )
    words = f"Learners end up right where generated labels are right with a chance above {percent(float(found.threshold))}. "
    numbers: dict[str, float | bool] = {"keep_right": right, "keep_wrong": wrong, "threshold": float(found.threshold)}
    if known.accuracy is None:
        return Answer("verifier", question, words + "Whether it pays at your budget depends on --accuracy, that chance.", numbers,
                      ("verification",))  # fmt: skip
    right_in_the_end = known.accuracy > found.threshold  # else to be less wrong is no gain
    pays, most = bool(found.pays) and bool(right_in_the_end), float(found.keep_wrong_most)
    numbers |= {"accuracy": known.accuracy, "kept_accuracy": float(found.kept_accuracy), "keep_rate": float(found.keep_rate),
                "pays": pays, "keep_wrong_most": most}  # fmt: skip
    words += f"Of yours ({percent(known.accuracy)} right) it keeps "
    if found.keep_rate == 0:
        words += "none, and there is nothing to learn from: use real labels."
        return Answer("verifier", question, words, numbers, ("verification",))
    words += f"{percent(float(found.keep_rate))}, of which {percent(float(found.kept_accuracy))} are right. "
    if not right_in_the_end:
        words += "That is not above the threshold: "
        if known.accuracy > 0.5:
            words += "the verifier does the harm. Leave it out: without it learners end up right."
        else:
            words += "learners do not end up right, verified or not"
            words += (
                "; what the verifier keeps is wrong still more often." if wrong > right and known.accuracy > 0 else "."
            )
    else:
        words += "At a budget of generated labels it is "
        words += "better than none" if pays else "worse than none: it throws away too many"
        words += f"; it is better while it keeps less than {percent(most)} of the wrong ones." if most > 0 else "."
    return Answer("verifier", question, words, numbers, ("verification",))


def regenerated(generated: int, known: Known) -> Answer:
    """Regenerate so many labels and filter them, or use the real ones again?"""
    asked = f"--regenerate {generated}"
    real = known.need("real", asked, "how many real labels are there")
    right, wrong = known.need("verifier", asked, "with what chances does a verifier keep right and wrong labels")
    accuracy = known.need("accuracy", asked, "with what chance is a generated label right")
    found = theory.regeneration(accuracy, theory.Verifier(right, wrong), real, generated)
    unfiltered = float(theory.regeneration(accuracy, theory.Verifier(1.0, 1.0), real, generated).worth)
    kept, worth, pooled, weighed, enough, harmless = (float(each) for each in found)
    words = (
        f"Real labels used again cost nothing and tell nothing new. Of {counted(generated, 'generated label')}, "
        f"{percent(accuracy)} right, {amount(kept)} {be(kept)} kept; "
    )
    if worth <= NOTHING * generated:
        words += _taught_wrong(kept, worth, unfiltered, accuracy)
    else:
        better = "more" if worth > real else "no more"
        equal, least = (counted(_whole(each), "generated one") for each in (enough, harmless))
        words += (
            f"they teach as much as {counted(worth, 'real one')}, {better} than your {real:,}, which {equal} "
            f"{'equals' if _whole(enough) == 1 else 'equal'}. Pooled with the real ones both teach as much as {amount(pooled)}"
        )
        words += "" if harmless == 0 else f" (pooling does harm below {least})"
        words += f", and {amount(weighed)} if kept ones are weighed by what they are worth."
    if unfiltered > max(worth, 0):
        more = "more" if unfiltered > real else "no more"
        words += (
            f" Leave the verifier out: unfiltered they teach as much as {counted(unfiltered, 'real label')}, {more} than your "
            f"{real:,}."
        )
    words += (
        " That is where labels are wrong independently of each other. A generator that was fitted to these real labels alone has "
        "no news of its own (no-free-lunch): what it adds is what the verifier knows."
    )
    numbers = {"real": real, "generated": generated, "accuracy": accuracy, "keep_right": right, "keep_wrong": wrong, "kept": kept,
               "worth": worth, "worth_unfiltered": unfiltered, "pooled": pooled, "weighed": weighed, "outweighs": enough,
               "harmless": harmless}  # fmt: skip
    question = f"Regenerate and filter {counted(generated, 'label')}, or use {counted(real, 'real one')} again?"
    return Answer("regenerate", question, words, numbers, ("verification/regeneration",))


def _taught_wrong(kept: float, worth: float, unfiltered: float, accuracy: float) -> str:
    """What labels do that are worth nothing once filtered, or less; and whether they did before."""
    words = "there is nothing to learn from." if kept == 0 else "as many are right as wrong: they teach nothing."
    wrong = worth < -NOTHING * kept
    if wrong:
        words = "more of these are wrong than right: they teach what is wrong."
    if unfiltered > 0:
        return f"{words} That is the verifier's doing: filter none."
    harm = " The verifier makes them worse." if worth < unfiltered and wrong else ""
    also = "teach what is wrong, as less than one half of them is right"
    if accuracy == 0.5:
        also = "teach nothing, as one half of them is right"
    elif wrong:
        also = f"too {also}"
    return f"{words}{harm} Unfiltered they {also}: use the real ones again, however many could be generated."


def _whole(number: float) -> float:
    """The next whole number."""
    return number if math.isinf(number) else math.ceil(number - 1e-9 * number)


def stopped(letters: tuple[float, ...], known: Known) -> Answer:
    """At which round is retraining on verified data best stopped?"""
    found = theory.stopping_round(*letters)
    rounds, error, limit = (float(each) for each in found)
    if math.isinf(rounds):
        words = f"Never: the verifier is not biased, and the error falls to {limit:.4g}."
    elif rounds == 0:
        words = f"Do not start: the error is {error:.4g} now, and goes to {limit:.4g}."
    else:
        words = f"After {counted(rounds, 'round')}: the error is then {error:.4g}; "
        words += f"without stopping it goes to {limit:.4g}."
    return Answer("stop", "When is retraining on verified data best stopped?", words,
                  {"rounds": rounds, "error": error, "limit": limit}, ("stopping-round",))  # fmt: skip


def tempered(temperature: float, known: Known) -> Answer:
    """Does sampling at that temperature hurt, and can one go back?"""
    tokens = known.need("vocabulary", f"--temperature {temperature:g}", "how many different tokens")
    if tokens < 2:
        raise theory.InputError(f"--vocabulary {tokens}: at least 2 tokens, for one has nothing to lose")
    found = theory.temperature_window(tokens, temperature)
    low, high = float(found.collapsed_from), float(found.stable_to)
    question = f"Does sampling at temperature {temperature:g} hurt?"
    numbers: dict[str, float | str] = {
        "temperature": temperature,
        "vocabulary": tokens,
        "collapsed_from": low,
        "stable_to": high,
    }
    if temperature >= 1:
        words = "No token takes over, whatever the share of synthetic data: that needs a temperature below 1."
    else:
        one_edge = percent(low) == percent(high)
        whole = (
            f"Of {tokens:,} tokens alike in the truth none takes over while less than {percent(low)} of the data is "
            "synthetic; "
        )
        if one_edge:
            words = whole + "above that one does. What has collapsed comes back below it."
        else:
            words = whole + (
                f"above {percent(high)} one does. Between them the past decides: what is whole stays whole, and what has "
                f"collapsed comes back only below {percent(low)}."
            )
        if known.alike is False:
            words += (
                " Your tokens are not alike: the likeliest gain at any share, and this window does not hold for them."
            )
        elif known.share is not None:
            past = "at the edge" if one_edge else "between, safe only if nothing ever took over"
            verdict = "safe" if known.share < low else "collapse" if known.share > high else past
            numbers |= {"share": known.share, "verdict": verdict}
            words += f" Your {percent(known.share)}, with tokens alike: {verdict}."
    return Answer("temperature", question, words, numbers, ("temperature-window",))


def narrowed(multiplier: float, known: Known) -> Answer:
    """How many samples are harmless whose variance is so many times that of their model?"""
    real = known.need("real", f"--multiplier {multiplier:g}", "how many real samples has a generation")
    found = theory.sampling_bias(theory.Gaussian(unbiased=True), theory.FreshReal(real, 1), multiplier)
    beside = f"eside {counted(real, 'new real sample')} in every generation"
    if math.isinf(found.best):
        words = f"All: b{beside} the more the better."
    else:
        most = amount(found.most) if math.isinf(found.most) else f"up to {amount(found.most)}"
        words = f"B{beside} {most} {be(found.most)} no worse than none, and {amount(found.best)} {be(found.best)} best"
        if not math.isinf(found.most_limit):
            words += f"; however many real ones, near {amount(found.most_limit)} and {amount(found.best_limit)}"
        words += "."
    words += (
        " Judged by the error of mean and variance in the long run, in one dimension: the squared distance of the means and, in "
        "units of the true variance, a quarter of that of the variances (where small, the squared Wasserstein distance)."
    )
    numbers = {"multiplier": multiplier, "real": real, "most": found.most, "best": found.best,
               "most_limit": found.most_limit, "best_limit": found.best_limit}  # fmt: skip
    if known.share is not None:
        kept = float(theory.spread_kept(known.share, multiplier))
        numbers["spread_kept"] = kept
        words += f" At {percent(known.share)} synthetic data {percent(kept)} of the variance is left in the long run."
    return Answer("multiplier", f"How many samples of {multiplier:g} times the variance are harmless?", words, numbers,
                  ("sampling-bias",))  # fmt: skip


def curated(letters: tuple[float, ...], known: Known) -> Answer:
    """Does choosing what people like amplify a trait?"""
    reward, choices, trait = (*letters, *(2.0, 0.01)[len(letters) - 1 :])
    if choices < 2 or (choices != math.inf and choices != int(choices)):
        wanted = "its second number is among how many one is chosen, whole and at least 2, or inf"
        raise arg.refuse("curation", "choices", choices, wanted)
    if known.share == 1:
        raise theory.InputError("--share 1: with no real data the trait takes over, or is lost: give a share below 1")
    if not 0 <= trait <= 1:
        raise arg.refuse("curation", "trait", trait, "its third number is the trait's share in truth, from 0 to 1")
    curation = theory.Curation(reward, math.inf if math.isinf(choices) else int(choices))
    runaway = float(theory.runaway_share(curation))
    among = "very many" if math.isinf(choices) else f"{choices:g}"
    question = f"Does choosing one of {among} by a reward of {reward:g} for a trait amplify it?"
    words = "A rare trait never takes over." if runaway >= 1 else (
        f"A rare trait takes over where more than {percent(runaway)} of the data is curated synthetic data; keep more than "
        f"{percent(1 - runaway) if runaway > LEAST else f'100 % less {percent(runaway)}'} real."
    )  # fmt: skip
    numbers: dict[str, float] = {"reward": reward, "choices": choices, "runaway_share": runaway}
    told = known.share is not None or len(letters) > 2
    if told and choices not in (2, math.inf):
        words += " Where it settles is known for one of 2 and of very many (inf)."
    elif told and known.share is None:
        words += (
            f" Where a trait of {percent(trait)} in truth settles depends on the share of curated data: give --share."
        )
    elif known.share is not None:
        settles = float(theory.curated_share(trait, known.share, curation))
        numbers |= {"trait": trait, "settles": settles}
        words += f" At {percent(known.share)} a trait of {percent(trait)} in truth settles at {percent(settles)}."
    return Answer("curation", question, words, numbers, ("curated-share",))
