"""A problem as people name it: one family under one workflow, from options into records."""

from __future__ import annotations

from typing import Any

from modelcollapse import theory

from . import sweeping
from .terminal import fraction, refused, whole

WORKFLOWS: dict[str, Any] = {
    kind.__name__.lower(): kind
    for kind in (theory.Replace, theory.FixedReal, theory.FreshReal, theory.Accumulate, theory.AccumulateSubsample,
                 theory.SlidingWindow, theory.RandomPast)
} | {
    "fixed": theory.FixedReal, "fresh": theory.FreshReal, "subsample": theory.AccumulateSubsample,
    "bootstrap": theory.AccumulateSubsample, "window": theory.SlidingWindow, "past": theory.RandomPast,
}  # fmt: skip
NAMES = ("replace, fixed-real, fresh-real, accumulate, accumulate-subsample, sliding-window, random-past or a name of sweep "
         "(fixed, fresh, subsample, bootstrap, window, past)")  # fmt: skip
TAKES = {
    "train": (theory.AccumulateSubsample,),
    "weight": (theory.FreshReal,),
    "models": (theory.SlidingWindow,),
}  # whose option it is


SIZES = ("real", "synthetic", *TAKES)


def of(given: dict[str, str]) -> tuple[theory.Family, theory.Workflow]:
    """Family and workflow of options: those of a family's parameters, ``SIZES``, family, corpus and workflow.

    >>> of({"family": "poisson", "workflow": "fixed-real", "real": "10", "synthetic": "1e3"})
    (Poisson(mean=1.0), FixedReal(real=10, synthetic=1000))
    """
    for name in ("family", "workflow"):
        if name not in given:
            raise theory.InputError(f"theorems: --{name} is missing: name it beside --{next(iter(given))}")
    own = {name: text for name, text in given.items() if name not in ("family", "workflow", "corpus", *SIZES)}
    return sweeping.one_family(given["family"], {**own}, given.get("corpus")), _workflow(given["workflow"], given)


def words(given: dict[str, str], w: theory.Workflow) -> str:
    """A problem in the words of its options.

    >>> words({"family": "categorical", "vocabulary": "50", "workflow": "fresh", "real": "9"}, theory.FreshReal(9, 1000))
    'categorical (vocabulary 50) under fresh-real (real 9, synthetic 1,000)'
    """
    family = ", ".join(f"{name} {text}" for name, text in given.items() if name not in ("family", "workflow", *SIZES))
    sizes = ", ".join(f"{name} {size:,}" for name in SIZES if isinstance(size := getattr(w, name, None), int | float))
    kind = "".join(f"-{each.lower()}" if each.isupper() else each for each in type(w).__name__).removeprefix("-")
    return f"{given['family']}{f' ({family})' if family else ''} under {kind} ({sizes})"


def theorems_for(name: str | None, f: theory.Family, w: theory.Workflow) -> tuple[theory.Applicability, ...]:
    """Whether each theorem holds there, or the named one."""
    return theory.applicability(f, w, name)


def _workflow(name: str, sizes: dict[str, str]) -> theory.Workflow:
    plain = name.lower().replace("-", "").replace("_", "")
    if plain not in WORKFLOWS:
        raise refused("workflow", name, f"name {NAMES}")
    kind = WORKFLOWS[plain]
    for option, kinds in TAKES.items():
        if (text := sizes.get(option)) is not None and kind not in kinds:
            raise refused(option, text, f"says nothing of {name}: leave it out")
    synthetic, real = (whole(each, sizes.get(each)) for each in ("synthetic", "real"))
    if synthetic is None and real is None:
        raise theory.InputError(f"theorems: --synthetic is missing: how many samples a generation of {name}?")
    synthetic = synthetic or real
    real = real or synthetic
    assert synthetic is not None and real is not None
    match kind:
        case theory.Replace:
            return theory.Replace(synthetic, real=real)
        case theory.AccumulateSubsample:
            train = whole("train", sizes.get("train")) or real
            return theory.AccumulateSubsample(real, synthetic, train, plain == "bootstrap")
        case theory.FreshReal:
            weight = sizes.get("weight")
            return theory.FreshReal(real, synthetic, None if weight is None else fraction("weight", weight))
        case theory.SlidingWindow | theory.RandomPast:
            if sizes.get("real") is not None:
                raise refused("real", sizes["real"], f"{name} has one size: leave it out")
            if kind is theory.RandomPast:
                return theory.RandomPast(synthetic)
            return theory.SlidingWindow(synthetic, whole("models", sizes.get("models", sweeping.MODELS)) or 1)
        case _:
            return kind(real, synthetic)
