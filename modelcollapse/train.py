"""`train`: options into an experiment, a finished run into plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcollapse import theory
from modelcollapse.theory.arguments import InputError

from .plan import finite
from .terminal import number, refused

if TYPE_CHECKING:
    from modelcollapse.lm.experiment import Experiment
    from modelcollapse.lm.grid import Grid
    from modelcollapse.lm.rephrasing import Arm
    from modelcollapse.lm.run import Run
    from modelcollapse.lm.verification import Verification

NAMES = "replace, accumulate, subsample, fixed:SHARE, fresh:SHARE, rephrase:SHARE, or a schedule in NAME.json"
FILTERS = "likelihood[:LOW:HIGH], duplicates[:ORDER:SHARE] or classifier[:SHARE]"


def workflows(text: str, real: int) -> dict[str, Arm]:
    """The workflows of a list such as ``replace,accumulate,fixed:0.5``, with ``real`` real samples.

    A share is that of synthetic data in a generation. Without one, synthetic batches are as large as the real one.

    >>> workflows("replace,fixed:0.2", 400)["fixed:0.2"]
    FixedReal(real=400, synthetic=100)
    """
    from modelcollapse.lm.rephrasing import Rephrased

    found: dict[str, Arm] = {}
    for name in filter(None, (each.strip() for each in text.split(","))):
        if name in found:
            raise refused("workflows", text, f"name {name} once")
        kind, _, share = name.partition(":")
        if share and kind not in ("fixed", "fresh", "rephrase"):
            raise refused("workflows", name, "only fixed, fresh and rephrase have a share")
        match kind:
            case "replace":
                found[name] = theory.Replace(real)
            case "accumulate":
                found[name] = theory.Accumulate(real, real)
            case "subsample":
                found[name] = theory.AccumulateSubsample(real, real)
            case "fixed":
                found[name] = theory.FixedReal(real, beside(name, share or "0.5", real))
            case "fresh":
                found[name] = theory.FreshReal(real, beside(name, share or "0.5", real))
            case "rephrase":
                found[name] = Rephrased(real, beside(name, share or "0.5", real))
            case _ if name.endswith(".json"):
                if Path(name).stem in found:
                    raise refused("workflows", text, f"name {Path(name).stem} once")
                found[Path(name).stem] = _schedule(name)
            case _:
                raise refused("workflows", name, f"name {NAMES}")
    if not found:
        raise refused("workflows", text, f"name at least one of {NAMES}")
    return found


def beside(name: str, share: str, real: int) -> int:
    """Synthetic samples that make this share beside the real ones."""
    value = number("workflows", share)
    if not 0 < value < 1:
        raise refused("workflows", name, "the share of synthetic data, above 0 and below 1; replace has all of it")
    return max(1, round(real * value / (1 - value)))


def filters(texts: Sequence[str]) -> tuple[Verification, ...]:
    """What stands in the loop: each text one of `FILTERS`."""
    from modelcollapse.lm.verification import Duplicates, Likelihood, Realness

    found: list[Verification] = []
    for text in texts:
        kind, *settings = text.split(":")
        values = [number("filter", each) for each in settings]
        match kind, values:
            case "likelihood", [] | [_, _]:
                found.append(Likelihood(*values))
            case "duplicates", [] | [_, _]:
                found.append(Duplicates(int(values[0]), values[1]) if values else Duplicates())
            case "classifier", [] | [_]:
                found.append(Realness(*values))
            case _:
                raise refused("filter", text, f"name {FILTERS}")
    return tuple(found)


def grid(text: str | None, length: int) -> Grid | None:
    """Tokens of real and of synthetic text, as ``4096,8192:8192,16384``, in windows."""
    from modelcollapse.lm.grid import Grid

    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != 2:
        raise refused("grid", text, "tokens of real text, a colon, tokens of synthetic text, as 4096,8192:8192,16384")
    sizes = [[number("grid", each) for each in part.split(",")] for part in parts]
    if any(0 < each < length for part in sizes for each in part):
        raise refused("grid", text, f"numbers of at least one window of --length {length} tokens")
    try:
        return Grid(*(tuple(int(each // length) for each in part) for part in sizes))
    except theory.InputError as problem:
        raise refused("grid", text, problem.remedy) from None


def _schedule(path: str) -> theory.Schedule:
    try:
        given = json.loads(Path(path).read_text())
        return theory.Schedule(**given)
    except OSError as problem:
        raise refused("workflows", path, f"a file with a schedule ({problem.strerror})") from None
    except InputError:
        raise
    except (ValueError, TypeError):
        wanted = 'a JSON object with "size", "source", "weight" and, if you like, "train"'
        raise refused("workflows", path, wanted) from None


def experiment(
    corpus: str, names: str, *, length: int, real: int, seed: int, seeds: int, steps: int, batch: int = 32,
    learning_rate: float = 1e-2, fixed_steps: bool = False, by_epochs: bool = False, temperature: float = 1.0, top_p: float = 1.0,
    checks: Sequence[str] = (), cells: str | None = None, **rest: Any,
) -> Experiment:  # fmt: skip
    """The experiment of the options; ``real`` in tokens."""
    from modelcollapse.lm.experiment import Experiment
    from modelcollapse.lm.generation import Sampling
    from modelcollapse.lm.recipe import Compute, Epochs, Training

    windows = real // length
    training = Training(steps=steps, batch=batch, learning_rate=learning_rate, evaluate_every=min(50, steps),
                        patience=None if fixed_steps else 3, matched=Epochs(windows) if by_epochs else Compute())  # fmt: skip
    return Experiment(
        corpus=corpus,
        workflows=workflows(names, windows),
        real=windows,
        length=length,
        seeds=tuple(range(seed, seed + seeds)),
        filters=filters(checks),
        grid=grid(cells, length),
        training=training,
        sampling=Sampling(temperature=temperature, top_p=top_p),
        **rest,
    )


def checked(experiment: Experiment, out: Path) -> Path:
    """The folder under ``out`` that is this experiment's own; what its text is too short for is refused here."""
    from modelcollapse.simulate.store import digest

    _ = experiment.windows
    return out / f"train-{digest(experiment.record())[:8]}"


def as_json(run: Run) -> dict[str, Any]:
    """A finished run as plain data; infinity is text, NaN is null."""
    from dataclasses import asdict

    from modelcollapse.lm.diversity import LESS_DIVERSE

    e = run.experiment
    rows = {}
    for name, measured in run.measures.items():
        predicted, low, high = run.prediction.over_seeds(name)
        loss = measured["loss"]
        rows[name] = {
            "loss": loss.mean(axis=0), "predicted": predicted, "low": low, "high": high,
            "sd": loss.std(axis=0, ddof=1) if len(loss) > 1 else np.full(loss.shape[1], math.nan), "by_seed": loss,
            "linear": run.prediction.linear[name].mean(axis=(0, 1)), "score": run.scores[name],
            "effective_size": [asdict(each) for each in run.effective[name]],
            "measures": {each: table.mean(axis=0) for each, table in measured.items() if each != "loss"},
        }  # fmt: skip
    return finite({
        "corpus": e.corpus, "seeds": list(e.seeds), "parameters": e.shape.parameters, "noise": run.noise,
        "source_entropy": run.entropy, "less_diverse": dict(LESS_DIVERSE),
        "stopping": "real text" if e.training.patience is not None else "fixed steps", "predictions_sha256": run.frozen,
        "drift_floor": asdict(run.floor.l1), "order": [asdict(each) | {"verdict": each.verdict} for each in run.order],
        "verdicts": {name: [asdict(each) for each in answers] for name, answers in run.verdicts.items()},
        "grid": None if run.grid is None else {
            "real": run.grid.grid.real, "synthetic": run.grid.grid.synthetic, "loss": run.grid.loss, "change": run.grid.change,
            "standard_error": run.grid.standard_error, "predicted": run.grid.predicted, "verdict": run.grid.verdict,
        },
        "workflows": rows,
    })  # fmt: skip
