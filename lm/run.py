"""A whole run: calibrate, predict, freeze, train on, score; processes for the seeds, and everything on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.simulate import Trajectory
from modelcollapse.simulate.store import claim, owned, write_json
from modelcollapse.theory import series, verdicts
from modelcollapse.theory.family import Categorical

from . import calibration, drift, known, score
from .effective_size import EffectiveSize, effective_size
from .experiment import Experiment
from .forecast import frozen
from .grid import GridResult, judged
from .laboratory import Laboratory
from .rephrasing import predicted_as
from .team import Team, Told

SCALARS = ("loss", "context_entropy", "context_gini", "distinct_1", "distinct_2", "distinct_3", "distinct_4", "heaps",
           "self_bleu", "compression", "entropy", "vendi", "tail_types", "tail_mass", "tail_lost", "tail_singletons",
           "tail_unreal", "best_step", "windows", "real_share")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    ``measures``: by workflow and name, (seeds, generations), generation 1 first. ``prediction`` and ``score``: what was said
    before and how good it was. ``noise``: standard deviation of one training's loss, ``floor``: of the drift between
    re-trainings. ``models``: by workflow, their names (seeds, generations).
    ``effective``: by workflow, the effective size (drift + bias) of each step from one generation to the next, seeds pooled.
    """

    experiment: Experiment
    folder: Path
    measures: Mapping[str, Mapping[str, np.ndarray]]
    prediction: calibration.Prediction
    scores: Mapping[str, Mapping[str, Any]]
    order: tuple[score.Pair, ...]
    noise: float
    floor: drift.Floor
    frozen: str
    models: Mapping[str, Sequence[Sequence[str]]]
    effective: Mapping[str, tuple[EffectiveSize, ...]]
    grid: GridResult | None = None

    @property
    def entropy(self) -> float | None:
        """The least loss that there is, where the text comes from a known source."""
        return known.entropy(self.experiment.corpus, self.experiment.length)

    def trajectory(self, name: str) -> Trajectory:
        """The record of one workflow in the form of `simulate.chains`: a chain is a seed, the family the tokens of the test."""
        e, measured = self.experiment, self.measures[name]
        counts = np.bincount(e.windows["test"].tokens.ravel(), minlength=e.shape.vocabulary)
        columns = {"loss": measured["loss"], "diversity": measured["context_gini"], "drift": measured["drift"]}
        unknown = jnp.full(measured["loss"].shape, jnp.nan)
        family = Categorical(counts / counts.sum())
        return Trajectory(family, predicted_as(e.workflows[name]), error=unknown,
                          **{each: jnp.asarray(value) for each, value in columns.items()})  # fmt: skip

    @property
    def verdicts(self) -> dict[str, tuple[verdicts.Verdict, ...]]:
        """What the eight definitions of collapse say of each workflow.

        Risk is the held-out loss, and nothing is learnt at that of equally likely tokens; diversity is the Gini diversity of
        next-token distributions; the tail are words seen once in real text, and unreal are words that it lacks.
        """
        useless = float(np.log(self.experiment.shape.vocabulary - 1))
        return {
            name: tuple(
                replace(one, reason=of_training(one.reason))
                for one in verdicts.verdicts(
                    series.Run(
                        risk=each["loss"],
                        useless=useless,
                        diversity=each["context_gini"],
                        tail=each["tail_singletons"],
                        unreal=each["tail_unreal"],
                        noise={"risk": self.noise},
                    )
                )
            )
            for name, each in self.measures.items()
        }


WANTED = {
    r"give exponent": "the loss at one size of data tells no exponent",
    r"give modes": "text has no modes that are told apart",
    r"give more chains of unreal, or its noise": "one seed does not tell how much the share that is not real varies",
    r"give more chains of (\w+), or its noise": r"one seed does not tell how much the \1 varies",
    r"give (\d+) generations of \w+(, or \w+)?": r"it takes \1 generations to tell",
    r": give (\d+) generations, or \w+": r"; it takes \1 generations to tell whether it levels off",
}


def of_training(reason: str) -> str:
    """Why a definition is silent, said of a run that was trained instead of the arguments of `series.Run`.

    >>> of_training("give more chains of diversity, or its noise")
    'one seed does not tell how much the diversity varies'
    """
    for wanted, words in WANTED.items():
        reason = re.sub(wanted, words, reason)
    return reason


def run(experiment: Experiment, folder: Path, *, processes: int | None = None, told: Told | None = None) -> Run:
    """Everything, into ``folder``, from where it stands there.

    ``processes``: for the seeds; None: one a seed on a processor (two a core at most), one on an accelerator; 0: this one.
    ``told``: is called with the trainings done, the trainings in all, and what is going on.

    Raises InputError where the folder holds another run or another process writes there, and where the text is too short.
    """
    _ = experiment.windows, experiment.shape  # refused before anything is written
    with owned(folder):
        claim(folder, experiment.record() | {"jax": jax.__version__, "backend": jax.default_backend()})
        laboratory = Laboratory(experiment, folder)
        seeds = list(experiment.seeds)
        if processes is None:
            processes = min(len(seeds), 2 * (os.cpu_count() or 1)) if jax.default_backend() == "cpu" else 1
        told = told or (lambda done, total, what: None)
        team = Team(laboratory, processes, told)
        try:
            calibrated = team.calibrated()
            told(team.done, team.total, "predicting")
            prediction, said = frozen(laboratory, calibrated)
            models = team.finished()
        finally:
            team.stop()
        return _judged(laboratory, prediction, said, calibrated, models)


def _judged(
    laboratory: Laboratory,
    prediction: calibration.Prediction,
    frozen: str,
    calibrated: Mapping[int, Any],
    models: Mapping[int, Mapping[str, Any]],
) -> Run:
    e, folder, measures = laboratory.experiment, laboratory.folder, laboratory.measures
    found: dict[str, dict[str, np.ndarray]] = {}
    effective: dict[str, tuple[EffectiveSize, ...]] = {}
    for name in e.workflows:
        table = [[measures(each) for each in models[seed]["workflows"][name]] for seed in e.seeds]
        found[name] = {each: np.array([[float(cell[each]) for cell in row] for row in table]) for each in SCALARS}
        found[name]["drift"] = np.array(
            [[float(drift.drift(cell["probabilities"], row[0]["probabilities"]).l1) for cell in row] for row in table]
        )
        effective[name] = _effective(np.array([[cell["probabilities"] for cell in row] for row in table]))
    trainings = {seed: [calibrated[seed]["first"], *calibrated[seed]["again"]] for seed in e.seeds}
    losses = np.array([[float(measures(each)["loss"]) for each in names] for names in trainings.values()])
    noise = float(np.sqrt(losses.var(axis=1, ddof=1).mean()))
    floor = drift.floor([measures(each)["probabilities"] for each in trainings[e.seeds[0]]])
    loss = {name: each["loss"] for name, each in found.items()}
    exact, linear = ({name: form[name] for name in loss} for form in (prediction.loss, prediction.linear))
    shown = calibration.Prediction(exact, linear, prediction.posterior, prediction.mixing)
    scores = score.table(shown, loss, steps=e.calibration)
    pairs = tuple(pair for each in range(2, e.generations + 1) for pair in score.order(shown, loss, noise, each))
    grid = None
    if e.grid is not None:
        cells = [[[float(measures(each)["loss"]) for each in row] for row in models[seed]["grid"]] for seed in e.seeds]
        grid = judged(e.grid, np.array(cells), e.real, noise)
    named = {name: [list(models[seed]["workflows"][name]) for seed in e.seeds] for name in e.workflows}
    done = Run(e, folder, found, shown, scores, pairs, noise, floor, frozen, named, effective, grid)
    write_json(folder / "score.json", {
        "predictions_sha256": frozen, "scores": scores, "order": [asdict(each) | {"verdict": each.verdict} for each in pairs],
        "noise": noise,
    })  # fmt: skip
    return done


def _effective(tables: np.ndarray) -> tuple[EffectiveSize, ...]:
    """Effective size of each step, from next-token distributions (seeds, generations, contexts, V).

    Seeds are the units, pooled before inverting.
    """
    return tuple(effective_size(tables[:, at], tables[:, at + 1]) for at in range(tables.shape[1] - 1))
