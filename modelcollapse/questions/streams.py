"""Data of unknown origin: what averages of it come to, and what a detector or full records are worth."""

from __future__ import annotations

from modelcollapse import theory
from modelcollapse.terminal import amount, counted, percent
from modelcollapse.theory import provenance, stream

from .answer import ANY_TOKENS, Answer, Known


def detected(chances: tuple[float, ...], known: Known) -> Answer:
    """Does it pay to tell synthetic items from real ones by such a detector?"""
    right, wrong = chances
    share = known.need("share", f"--detector {right:g},{wrong:g}", "what share of the data is synthetic")
    each = (theory.Unknown(), theory.Detector(right, wrong), theory.Known())
    unknown, detector, records = (float(theory.information(share, one)) for one in each)
    _, gain, full = (float(provenance.added(share, one)) for one in each)
    words = (
        f"At {percent(share)} synthetic data an item of unknown origin is worth {unknown:.4g} of a real one, one that the "
        f"detector has seen {detector:.4g}, one with full records {records:.4g}. "
    )
    if share in (0, 1):
        words += "All items are of one kind: neither a detector nor records pay."
    elif gain == 0:
        words += (
            "The detector never pays: it calls real and synthetic items real with the same chance, and tells nothing apart. "
            f"Records pay where they cost less for each item than {full:.4g} of a real one."
        )
    else:
        words += (
            f"The detector pays where it costs less for each item than {gain:.4g} of a real one, records where they cost less "
            f"than {full:.4g}."
        )
    numbers = {"share": share, "unknown": unknown, "detector": detector, "records": records, "gain": gain}
    question = (
        f"Does a detector pay that calls {percent(right)} of the real and {percent(wrong)} of the synthetic items real?"
    )
    return Answer("detector", question, words, numbers, ("effective-size",))


def streamed(share: float, known: Known) -> Answer:
    """What does a stream come to of which that share is what models wrote, nobody knows which?"""
    edge, best = stream.edge(), float(theory.information(share, theory.Unknown()))
    numbers: dict[str, float | bool] = {"share": share, "edge": edge, "best_weights": best, "parametric": share < edge}
    if share < edge:
        plain = float(stream.limit_ratio(share))
        numbers["error_ratio"] = plain
        words = f"Averaged alike, its error tends to {plain:.4g} times that of as many real samples"
    elif share == 1:
        words = "Averaged alike, its error does not fall"
    elif share == edge:
        words = "Averaged alike, its error over that of as many real samples grows like the logarithm of their number"
    else:
        words = (
            f"Averaged alike, its error falls like one over the number of samples to the power {2 - 2 * share:.4g} only"
        )
    words += "; with the best weights of generations "
    words += f"an item is worth {best:.4g} of a real one, at any age." if best else "nothing is learnt either."
    if known.real is not None and known.generations is not None:
        f = ANY_TOKENS
        ratio = float(
            theory.stream_error(f, known.real, share, known.generations) / (f.v / (known.real * known.generations))
        )
        numbers |= {"generations": known.generations, "ratio_by_then": ratio}
        words += (
            f" After {counted(known.generations, 'batch', 'batches')} of {amount(known.real)} it is {ratio:.4g} times."
        )
    question = f"What does a stream come to, {percent(share)} of which models wrote?"
    return Answer("stream", question, words, numbers, ("contaminated-stream", "effective-size"))
