"""The prediction of a run, frozen on disk before the run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from modelcollapse.simulate.store import kept, write_json
from modelcollapse.theory import arguments as arg

from . import calibration
from .effective_size import effective_size
from .laboratory import Laboratory
from .rephrasing import predicted_as


def frozen(laboratory: Laboratory, calibrated: Mapping[int, Any]) -> tuple[calibration.Prediction, str]:
    """The prediction and its digest: on disk before any other model is trained; read back where it is there.

    ``calibrated``: by seed, the names of the models of `recursion.Calibration`. Raises InputError where the draws on disk are not
    those that were frozen.
    """
    e, folder = laboratory.experiment, laboratory.folder
    seen = observed(laboratory, calibrated)
    priors = calibration.Priors.continued() if e.continued else calibration.Priors()

    def make() -> dict[str, np.ndarray]:
        predicted = {name: predicted_as(each) for name, each in e.all_workflows.items()}
        with jax.default_device(jax.devices("cpu")[0]):
            found = calibration.predict(seen, predicted, e.generations, jax.random.key(e.seeds[0]), priors=priors)
        arrays = {f"loss/{name}": draws for name, draws in found.loss.items()}
        arrays |= {f"linear/{name}": draws for name, draws in found.linear.items()}
        arrays |= {f"posterior/{name}": draws for name, draws in found.posterior.items()}
        return arrays | {"mixing": np.array(found.mixing)}

    arrays = kept(folder / "predictions.npz", make)
    parts: dict[str, dict[str, np.ndarray]] = {"loss": {}, "linear": {}, "posterior": {}}
    for name, value in arrays.items():
        kind, _, rest = name.partition("/")
        if rest:
            parts[kind][rest] = value
    found = calibration.Prediction(parts["loss"], parts["linear"], parts["posterior"], tuple(arrays["mixing"]))
    path = folder / "predictions.json"
    if not path.exists():
        write_json(path, _said(found, seen, priors, _digest(folder)))
    content = path.read_bytes()
    if json.loads(content)["draws_sha256"] != _digest(folder):
        raise arg.refuse(
            "train", "out", str(folder), "predictions.npz is not what predictions.json says: they were changed"
        )
    return found, hashlib.sha256(content).hexdigest()


def _said(
    found: calibration.Prediction, seen: calibration.Observed, priors: calibration.Priors, draws: str
) -> dict[str, Any]:
    """A prediction as plain data."""
    workflows = {}
    for name, sample in found.loss.items():
        low, high = calibration.band(sample)
        mean, *ends = found.over_seeds(name)
        workflows[name] = {"mean": mean.tolist(), "low": ends[0].tolist(), "high": ends[1].tolist(),
                           "low_by_seed": low.tolist(), "high_by_seed": high.tolist()}  # fmt: skip
    posterior = {name: {"mean": np.mean(value, axis=0).tolist(), "sd": np.std(value, axis=0).tolist()}
                 for name, value in found.posterior.items()}  # fmt: skip
    return {"level": calibration.LEVEL, "workflows": workflows, "posterior": posterior, "priors": asdict(priors),
            "calibration": {name: value.tolist() for name, value in vars(seen).items()}, "r_hat": found.mixing[0],
            "effective_draws": found.mixing[1], "draws_sha256": draws}  # fmt: skip


def observed(laboratory: Laboratory, calibrated: Mapping[int, Any]) -> calibration.Observed:
    """What calibration has measured, seed by seed."""
    first, again, replaced, moved = [], [], [], []
    for seed in laboratory.experiment.seeds:
        names = calibrated[seed]
        start = laboratory.measures(names["first"])
        steps = [laboratory.measures(each) for each in names["replaced"]]
        first.append(float(start["loss"]))
        again.append([float(laboratory.measures(each)["loss"]) for each in names["again"]])
        replaced.append([float(each["loss"]) for each in steps])
        moved.append(effective_size(start["probabilities"][None], steps[0]["probabilities"][None]).F)
    return calibration.Observed(first, again, replaced, moved)


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / "predictions.npz").read_bytes()).hexdigest()
