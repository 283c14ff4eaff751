"""A run of recursive training, said completely: what decides its numbers is in this record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from modelcollapse.theory import arguments as arg
from modelcollapse.theory import workflow as workflows
from modelcollapse.theory.workflow import Replace, Schedule

from . import text as texts
from .decoder import Attention, Shape
from .generation import Sampling
from .grid import Grid
from .recipe import Compute, Epochs, Training
from .rephrasing import Arm, Rephrased, predicted_as
from .tokenizer import Tokenizer, fit_bpe, fit_bytes
from .training_set import real_windows, schedule
from .verification import Duplicates, Likelihood, Realness, Verification
from .windows import Windows, cut

MOST_GENERATIONS = 1000  # a schedule is a table of them squared
MOST_SYNTHETIC = 64  # windows that a grid asks of its teacher, for each real one


@dataclass(frozen=True, eq=False)
class Experiment:
    """Recursive training of language models on one text under several workflows.

    ``workflows``: by the name that tables show; sizes are windows of ``length`` tokens, and every workflow has ``real`` of them
    in generation 1. ``generations``: the last one; 1 is the first model. ``seeds``: an ensemble; a seed draws its real windows,
    its initial weights and its samples, alike for all workflows. ``continued``: whether a model starts from the weights of the
    generation before, rather than afresh. ``retrainings``: further trainings on the data of generation 1, which give the noise
    floor; ``calibration``: steps of replacing that a prediction may see. ``stopping``, ``test``: real windows to stop on and to
    measure on; ``contexts``: of them whose next-token distributions are followed; ``measured``: windows that each model writes
    to be measured. ``bpe``: number of token ids; None: bytes. ``squeeze``: runs of whitespace made one character.
    """

    corpus: str
    workflows: Mapping[str, Arm]
    real: int = 512
    generations: int = 5
    seeds: tuple[int, ...] = (0, 1)
    length: int = 64
    squeeze: bool = False
    bpe: int | None = None
    most: int | None = None
    width: int = 64
    layers: int = 3
    heads: int = 4
    dtype: str | None = None
    attention: Attention = Attention.PLAIN
    training: Training = field(default_factory=Training)
    sampling: Sampling = field(default_factory=Sampling)
    filters: tuple[Verification, ...] = ()
    grid: Grid | None = None
    continued: bool = False
    retrainings: int = 3
    calibration: int = 1
    stopping: int = 256
    test: int = 1024
    contexts: int = 300
    measured: int = 1024

    def __post_init__(self) -> None:
        for name, least in (("real", 1), ("generations", 2), ("length", 2), ("retrainings", 1), ("calibration", 1),
                            ("stopping", 1), ("test", 1), ("contexts", 1), ("measured", 1)):  # fmt: skip
            object.__setattr__(
                self, name, arg.size("Experiment", name, getattr(self, name), least=least, of=_OF.get(name, "windows"))
            )
        if self.generations > MOST_GENERATIONS:
            raise arg.refuse("Experiment", "generations", self.generations, f"at most {MOST_GENERATIONS:,} generations")
        if self.calibration >= self.generations:
            remedy = f"at most {self.generations - 1}, or nothing is left to predict"
            raise arg.refuse("Experiment", "calibration", self.calibration, remedy)
        if not self.workflows:
            raise arg.refuse("Experiment", "workflows", {}, "name at least one")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise arg.refuse("Experiment", "seeds", self.seeds, "different whole numbers, at least 0")
        for name, each in self.workflows.items():
            workflows.check(name, predicted_as(each))
            table = schedule(name, each, self.generations)
            first = np.flatnonzero(np.asarray(table.weight[0], float))
            if name == "replace" and each != Replace(self.real):
                raise arg.refuse(
                    "Experiment", "workflows", each, f"replace calibrates: Replace({self.real}), or another name"
                )
            if not isinstance(each, Schedule) and round(float(table.size[first[0]])) != self.real:
                remedy = f"its first real set has {self.real} windows, as in every other workflow"
                raise arg.refuse(name, "real", table.size[first[0]], remedy)
        if self.grid is not None and max(self.grid.real) > self.real:
            remedy = f"at most the teacher's own {self.real} windows: it has seen what its students see"
            raise arg.refuse("Experiment", "grid", self.grid.real, remedy)
        if self.grid is not None and max(self.grid.synthetic) > MOST_SYNTHETIC * self.real:
            remedy = f"at most {MOST_SYNTHETIC} times the {self.real} real windows"
            raise arg.refuse("Experiment", "grid", self.grid.synthetic, remedy)

    @property
    def all_workflows(self) -> dict[str, Arm]:
        """The workflows, and replace, which calibrates them all."""
        return {**({} if "replace" in self.workflows else {"replace": Replace(self.real)}), **self.workflows}

    def record(self) -> dict[str, Any]:
        """Plain data from which `restored` makes the same experiment, with the digest of the text."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        record["workflows"] = {
            name: {"kind": type(each).__name__, **plain(each)} for name, each in self.workflows.items()
        }
        record["filters"] = [{"kind": type(each).__name__, **plain(each)} for each in self.filters]
        record["grid"] = None if self.grid is None else plain(self.grid)
        record |= {"seeds": list(self.seeds), "attention": self.attention.value, "sampling": plain(self.sampling)}
        record["training"] = plain(self.training) | {"matched": plain(self.training.matched)}
        return record | {"text": self.text.sha256}

    @cached_property
    def text(self) -> texts.Text:
        """The text, read once."""
        return texts.read(self.corpus, squeeze=self.squeeze, most=self.most)

    @cached_property
    def split(self) -> texts.Split:
        """Its parts."""
        return texts.split(self.text)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Bytes of the whole text, or pairs of its training part."""
        return fit_bytes(self.text.documents) if self.bpe is None else fit_bpe(self.split.training, self.bpe)

    @cached_property
    def windows(self) -> dict[str, Windows]:
        """Real windows by part: training, stopping and test, the latter two cut to size at even distances.

        Raises InputError where a workflow asks for more real windows than there are.
        """
        parts = {
            part: cut(getattr(self.split, part), self.tokenizer, self.length)
            for part in ("training", "stopping", "test")
        }
        for part, wanted in (("stopping", self.stopping), ("test", self.test)):
            there = len(parts[part])
            parts[part] = parts[part].take(np.linspace(0, there - 1, min(wanted, there)).astype(int))
        there = len(parts["training"])
        for name, each in self.all_workflows.items():
            wanted = real_windows(schedule(name, each, self.generations))
            if wanted > there:
                remedy = f"{name} needs {wanted} real windows in all and the text has {there}: fewer real ones, or a longer text"
                raise arg.refuse(name, "real", self.real, remedy)
        return parts

    @cached_property
    def shape(self) -> Shape:
        """The sizes of the decoder."""
        return Shape(self.tokenizer.size, self.width, self.layers, self.heads, self.length, self.dtype, self.attention)


_OF = {"generations": "generations", "length": "tokens", "retrainings": "trainings", "calibration": "generations"}


COMPUTED = ("jax", "backend")  # of a record: what computed it


def restored(record: Mapping[str, Any]) -> Experiment:
    """The experiment of a record. Raises InputError where the text has changed since."""
    given = {name: value for name, value in record.items() if name not in COMPUTED}
    digest = given.pop("text")
    given["workflows"] = {name: _workflow(each) for name, each in given["workflows"].items()}
    matched = given["training"]["matched"]
    given["training"] = Training(**given["training"] | {"matched": Epochs(**matched) if matched else Compute()})
    schedule_of = given["sampling"].get("schedule")
    given["sampling"] = Sampling(
        **given["sampling"] | {"schedule": None if schedule_of is None else tuple(schedule_of)}
    )
    checks: dict[str, Any] = {each.__name__: each for each in (Likelihood, Duplicates, Realness)}
    given["filters"] = tuple(checks[each.pop("kind")](**each) for each in map(dict, given["filters"]))
    given["grid"] = (
        None if given["grid"] is None else Grid(*(tuple(given["grid"][name]) for name in ("real", "synthetic")))
    )
    given |= {"seeds": tuple(given["seeds"]), "attention": Attention(given["attention"])}
    experiment = Experiment(**given)
    if experiment.text.sha256 != digest:
        raise arg.refuse("train", "corpus", experiment.corpus, "the text has changed since the run began: put it back")
    return experiment


def plain(record: Any) -> dict[str, Any]:
    """The fields of a record as plain data."""

    def number(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return [number(each) for each in value.tolist()] if value.ndim else number(value.item())
        if isinstance(value, list | tuple):
            return [number(each) for each in value]
        return value if isinstance(value, str | int | float | bool | None) else float(value)

    return {each.name: number(getattr(record, each.name)) for each in fields(record) if each.name != "matched"}


def _workflow(record: Mapping[str, Any]) -> Arm:
    kinds: dict[str, Any] = {each.__name__: each for each in (*workflows.WORKFLOWS, Rephrased)}
    given = {
        name: tuple(value) if name == "synthetic" and isinstance(value, list) else value
        for name, value in record.items()
    }
    kind = str(given.pop("kind"))
    arm: Arm = kinds[kind](**given)
    return arm
