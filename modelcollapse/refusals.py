"""What the library refuses, said of options: which one, what was typed, and a remedy that can be typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from modelcollapse.theory.arguments import InputError

SWEEP = {
    "mass": "top_p", "p": "probability", "choices": "curation", "reward": "curation",
    "keep_right": "verifier", "keep_wrong": "verifier", "spec": "corpus", "synthetic": "samples", "real": "samples",
    "train": "samples", "w": "samples", "replacement": "workflows", "pieces": "merge",
}  # fmt: skip
TRAIN = {
    "spec": "corpus",
    "text": "corpus",
    "size": "bpe",
    **dict.fromkeys(("low", "high", "order", "share"), "filter"),
}
OWN = {"p": "probability", "spec": "corpus", "tokens": "vocabulary", "generation": "generations", "batch": "real"}
WORDS = {
    "jax.config.update('jax_enable_x64', True)": "add --double",
    "use replacement=False, since repeated ones": "name subsample instead of bootstrap, whose repeated ones",
    "use Categorical": "use --family categorical",
    " (a tuple: of models 1, 2, ...)": "",
    "; for no real data use Replace": "",
    "at most real=": "at most ",
    **{
        f"{name} is a number": "a number"
        for name in ("synthetic", "real", "train", "tokens", "choices", "batch", "models")
    },
    "name another folder": "name another --out, or delete this folder",
}
KINDS = {
    "FixedReal": "fixed-real", "FreshReal": "fresh-real", "AccumulateSubsample": "accumulate-subsample",
    "SlidingWindow": "sliding-window", "RandomPast": "random-past", "LinearRegression": "regression",
    "KernelDensity": "density", "GaussianMixture": "mixture", "LogisticRegression": "logistic",
    **{kind: kind.lower() for kind in ("Replace", "Accumulate", "Categorical", "Gaussian", "Poisson", "Gamma", "Binomial",
                                       "NegativeBinomial", "Zipf", "Bigram")},
}  # fmt: skip
KIND = re.compile(rf"\b({'|'.join(KINDS)})\b(?!'s)")  # Zipf's law is no option


@contextmanager
def of(typed: Mapping[str, Any], defaults: Mapping[str, str], names: Mapping[str, str] = OWN) -> Iterator[None]:
    """What is refused inside is said of the options that were typed, or of their defaults.

    ``names``: the options of arguments that are called otherwise.
    """
    try:
        yield
    except InputError as problem:
        raise said(problem, typed, defaults, names) from None


def in_words(remedy: str) -> str:
    """What the library says in words that can be typed.

    >>> in_words("it assumes that the workflow is FreshReal, of Zipf's law")
    "it assumes that the workflow is fresh-real, of Zipf's law"
    """
    for word, other in WORDS.items():
        remedy = remedy.replace(word, other)
    return KIND.sub(lambda found: KINDS[found[0]], remedy)


def said(
    problem: InputError, typed: Mapping[str, Any], defaults: Mapping[str, str], names: Mapping[str, str]
) -> InputError:
    """A refusal of the library in the words of the command line; what is no option stays as it is.

    >>> from modelcollapse import theory
    >>> try: theory.TopP(1.1)
    ... except theory.InputError as problem: print(said(problem, {"top_p": "0.5,1.1"}, {}, SWEEP))
    --top-p 1.1: probability that is kept, between 0 and 1
    """
    call, _, value = str(problem).removesuffix(f"): {problem.remedy}").partition("=")
    argument = call.rpartition("(")[2]
    option = names.get(argument, argument)
    if not problem.remedy or option not in typed:
        return problem
    remedy = in_words(problem.remedy)
    text = defaults.get(option) if typed[option] is None else typed[option]
    given = "" if text is None or text is True else str(text)
    if option == "name":  # no option: it is typed alone
        return InputError(f"{problem.value}: {remedy}")
    name = f"--{option.replace('_', '-')}"
    found = _literal(value)
    if isinstance(found, str) and _number(found) is None and found != given:  # a place, or what else it is about
        return InputError(f"{name} {given}: {found}: {remedy}" if given else f"{name} {found}: {remedy}")
    wrong = _number(found)
    each = [part.strip() for part in given.split(",") if wrong is not None and _number(part) == wrong]
    return InputError(f"{name} {each[0] if each and option != 'verifier' else given}".rstrip() + f": {remedy}")


def _literal(text: str) -> Any:
    """The text or the number that a refusal shows; None of what is neither."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _number(value: Any) -> float | None:
    """A number as typed or shown; None of what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
