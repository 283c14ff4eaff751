"""A run of recursive training, piece by piece, without any training: who is asked what, and what is made of the answers."""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from modelcollapse import pictures, report, run_report, theory, train
from modelcollapse.lm import calibration, drift, forecast, laboratory, recursion, run, score, team
from modelcollapse.lm.effective_size import effective_size
from modelcollapse.lm.experiment import Experiment
from modelcollapse.lm.grid import Grid, judged
from modelcollapse.lm.laboratory import Laboratory, Model
from modelcollapse.lm.recipe import Training
from modelcollapse.lm.rephrasing import Rephrased
from modelcollapse.lm.training_set import real_windows, training_set, writers
from modelcollapse.lm.verification import Duplicates
from modelcollapse.lm.windows import Windows, written
from modelcollapse.simulate import store

REAL = 24
WORKFLOWS: dict[str, Any] = {
    "replace": theory.Replace(REAL),
    "accumulate": theory.Accumulate(REAL, REAL),
    "subsample": theory.AccumulateSubsample(REAL, REAL),
}
SMALL: dict[str, Any] = {
    "corpus": "builtin:pydoc", "most": 60_000, "real": REAL, "generations": 3, "seeds": (0,), "length": 16, "width": 16,
    "layers": 1,
    "heads": 2, "training": Training(steps=20, batch=8, evaluate_every=5), "retrainings": 2, "stopping": 16, "test": 32,
    "contexts": 10, "measured": 16,
}  # fmt: skip


def experiment(**changed: Any) -> Experiment:
    return Experiment(**{"workflows": WORKFLOWS, **SMALL, **changed})


class Asked:
    """A laboratory that trains nothing and writes down what it is asked; a window says who wrote it, and which one it is."""

    def __init__(self, e: Experiment) -> None:
        self.experiment = e
        self.trainings: list[dict[str, Any]] = []
        self.writings: list[tuple[int, int, int, str | None]] = []
        self.blanked: list[np.ndarray] = []

    def real(self, seed: int) -> Windows:
        return written(np.tile(np.arange(1, 1001)[:, None], (1, 16)))

    def trained(self, seed: int, generation: int, data: Windows, weight: Any = None, **how: Any) -> Model:
        model = Model(Path(f"{generation}-{len(self.trainings)}"), seed, generation)
        self.trainings.append({"model": model, "data": data, "weight": weight, **how})
        return model

    def written(self, model: Model, count: int, number: int = 0, *, verifier: Model | None = None) -> Windows:
        self.writings.append((model.generation, count, number, verifier and verifier.name))  # type: ignore[arg-type]
        start = 10_000 * model.generation + 1000 * number
        tokens = np.tile(np.arange(start, start + count)[:, None], (1, 16))
        return written(tokens, generation=model.generation, model=model.seed)

    def rewritten(self, model: Model, blanked: np.ndarray, number: int = 0) -> Windows:
        self.blanked.append(blanked)
        return written(np.where(blanked, blanked, 1), generation=model.generation, model=model.seed)


def asked(arm: Any, generations: int = 4, **changed: Any) -> Asked:
    """What a recursion of one seed asks for."""
    e = experiment(workflows={"w": arm}, generations=generations, **changed)
    lab = Asked(e)
    recursion.recursion(lab, 0, "w", arm, generations, lambda *_: None)  # type: ignore[arg-type]
    return lab


def test_a_recursion_asks_the_model_before_and_reads_no_real_window_twice() -> None:
    lab = asked(theory.Replace(REAL))
    assert [each[:3] for each in lab.writings] == [(1, REAL, 0), (2, REAL, 0), (3, REAL, 0)]
    assert {each[3] for each in lab.writings} == {
        lab.trainings[0]["model"].name
    }  # who verifies: the first model, always
    parents = [each["parent"] for each in lab.trainings]
    assert parents == [None, *(each["model"] for each in lab.trainings[:-1])]
    lab = asked(theory.FreshReal(REAL, REAL, weight=0.25))
    read = [each["data"].tokens[each["data"].origin == 0, 0].tolist() for each in lab.trainings]
    assert read == [list(range(first, first + REAL)) for first in range(1, 4 * REAL, REAL)]
    assert lab.trainings[0]["weight"] is None
    assert all(each["weight"] is not None for each in lab.trainings[1:])  # a weight reaches the training
    lab = asked(theory.Schedule([REAL], [[1, 0, 0, 0]], [[1]] * 3, train=[12] * 3), 3)
    chosen = [frozenset(each["data"].tokens[:, 0].tolist()) for each in lab.trainings]
    assert len(set(chosen)) == 3  # each generation draws its own subsample
    kept = [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0.5, 0.25, 0.25]]
    weights = [[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]]
    lab = asked(theory.Schedule([REAL, 8, 8, 8], [[*row, 0] for row in kept], weights), 3)  # type: ignore[misc]
    assert [each[:3] for each in lab.writings][:2] == [(1, 8, 0), (1, 8, 1)]  # two batches of one model are two batches


def test_each_rephrasing_masks_other_places_of_the_same_real_windows() -> None:
    arm = Rephrased(REAL, 2 * REAL, masked=0.5, span=4)
    lab = asked(arm)
    documents = lab.real(0).tokens[:REAL]
    for each in lab.blanked:
        assert np.all((each == 0) | (each == np.tile(documents, (2, 1))))
    masks = [each == 0 for each in lab.blanked]
    assert not np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[1], masks[2])
    assert len({row.tobytes() for row in masks[0]}) > 2  # of 6 possible ones in 48 windows


def test_retrainings_are_of_the_data_of_generation_one_and_all_trainings_are_counted() -> None:
    e = experiment(grid=Grid((12, REAL), (0, 5, 12)), retrainings=3)
    lab = Asked(e)
    found = recursion.calibrated(lab, 0, lambda *_: None)  # type: ignore[arg-type]
    tokens = {each["model"].name: each["data"].tokens for each in lab.trainings}
    assert [each.get("number", 0) for each in lab.trainings] == [0, 0, 1, 2, 3]
    for each in found.again:
        np.testing.assert_array_equal(tokens[each.name], tokens[found.first.name])
    lab = Asked(e)
    recursion.students(lab, 0, Model(Path("t"), 0, 1), lambda *_: None)  # type: ignore[arg-type]
    taken = [sorted(each["data"].tokens[:, 0].tolist()) for each in lab.trainings]
    real, own = list(range(1, REAL + 1)), list(range(10_000, 10_012))
    assert taken == [[*kept, *own[:count]] for kept in (real[:12], real) for count in (0, 5, 12)]
    assert recursion.trainings(lab) == 1 + 3 + 3 * 2 + 6  # type: ignore[arg-type]


def test_a_model_is_named_by_all_that_decides_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Laboratory, "_fit", lambda *_: (None, {}))  # names alone: nothing is trained
    monkeypatch.setattr(Laboratory, "_measured", lambda *_: {})

    def name(data: np.ndarray, weight: Any = None, *, seed: int = 0, generation: int = 2, number: int = 0,
             parent: Model | None = None, **changed: Any) -> str:  # fmt: skip
        lab = Laboratory(experiment(**changed), tmp_path)
        return lab.trained(seed, generation, written(data), weight, number=number, parent=parent).name

    text, weight = np.arange(1, 33).reshape(2, 16), np.array([1.0, 2.0])
    one, two = Model(Path("one"), 0, 1), Model(Path("two"), 0, 1)
    names = [
        name(text), name(text[::-1]), name(text, weight), name(text, weight[::-1]), name(text, seed=1),
        name(text, generation=3), name(text, number=1), name(text, continued=True),
        name(text, continued=True, parent=one), name(text, continued=True, parent=two), name(text, width=32),
        name(text, training=Training(steps=21, batch=8, evaluate_every=5)), name(text, contexts=9), name(text, measured=8),
        name(text, test=16), name(text, stopping=8),
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert name(text, parent=one) == name(text)  # nothing is taken from a parent
    assert store.digest({"a": np.zeros((2, 3))}) != store.digest({"a": np.zeros((3, 2))})


def test_random_keys_differ_by_seed_generation_purpose_and_number(tmp_path: Path) -> None:
    lab = Laboratory(experiment(), tmp_path)
    places = [(s, g, p, n) for s in (0, 1) for g in (1, 2) for p in range(8) for n in (0, 1)]
    keys = {tuple(np.asarray(jax.random.key_data(lab.key(*place))).tolist()) for place in places}
    assert len(keys) == len(places)
    first, second = lab.real(0), lab.real(1)
    assert not np.array_equal(first.tokens, second.tokens)
    np.testing.assert_array_equal(np.sort(first.tokens, axis=0), np.sort(second.tokens, axis=0))


def test_what_is_written_depends_on_number_filter_and_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Any, Any]] = []

    def generate(
        shape: Any, params: Any, n: int, key: Any, sampling: Any = None, *, first: int = 0, **_: Any
    ) -> np.ndarray:
        drawn.append((tuple(np.asarray(jax.random.key_data(key)).tolist()), sampling))
        return np.full((n, 16), 1 + len(drawn), np.int32) + np.arange(n)[:, None]

    monkeypatch.setattr(laboratory, "generate", generate)
    e = experiment(filters=(Duplicates(),), sampling=laboratory_sampling())
    lab = Laboratory(e, tmp_path)
    model = Model(tmp_path / "models" / "m", 0, 1)
    lab.held["m"] = None
    lab.verifiers["m"] = []
    texts = [lab.written(model, 3), lab.written(model, 3, 1), lab.written(model, 3, verifier=model)]
    assert len({each.tokens.tobytes() for each in texts}) == 3
    assert (
        drawn[0][0] == drawn[-1][0] != drawn[1][0]
    )  # filters choose among the same windows; another batch is another one
    assert {each[1] for each in drawn} == {e.sampling}
    calls = len(drawn)
    np.testing.assert_array_equal(lab.written(model, 3).tokens, texts[0].tokens)
    assert len(drawn) == calls  # read back


def laboratory_sampling() -> Any:
    from modelcollapse.lm.generation import Sampling

    return Sampling(temperature=0.5)


def test_measures_are_of_the_test_text_and_of_text_as_the_run_samples_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelcollapse.lm.decoder import fresh
    from modelcollapse.lm.likelihood import loss

    e = experiment(sampling=laboratory_sampling())
    lab, seen = Laboratory(e, tmp_path), []
    params = lab.held["m"] = fresh(e.shape, jax.random.key(0))
    right = laboratory.generate  # type: ignore[attr-defined]
    monkeypatch.setattr(laboratory, "generate", lambda *a, **k: (seen.append(a), right(*a, **k))[1])  # type: ignore[func-returns-value]
    found = lab._measured(Model(tmp_path / "m", 0, 1))
    assert found["loss"] == loss(e.shape, params, e.windows["test"].tokens)
    assert seen[0][4] is e.sampling
    parts = [{row.tobytes() for row in e.windows[part].tokens} for part in ("training", "stopping", "test")]
    assert not parts[1] & parts[2] and len(parts[2] - parts[0]) > 0.9 * len(parts[2])


def test_a_continued_model_starts_from_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    e, starts = experiment(continued=True), []
    lab = Laboratory(e, tmp_path)
    lab.held["parent"] = "weights of the parent"

    def train_(shape: Any, start: Any, *given: Any, **named: Any) -> Any:
        starts.append((start, named["weight"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(laboratory, "train", train_)
    data, weight = written(np.ones((2, 16), int)), np.array([1.0, 2.0])
    with pytest.raises(KeyboardInterrupt):
        lab._fit(Model(tmp_path / "m", 0, 2), data, weight, Model(tmp_path / "parent", 0, 1), 0, lambda _: None)
    assert starts[0][0] == "weights of the parent" and starts[0][1] is weight


def folder_of(tmp_path: Path, losses: dict[str, float], probabilities: dict[str, Any]) -> Path:
    """A folder of models whose measures are given."""
    for name, value in losses.items():
        rest = dict.fromkeys(run.SCALARS, 0.5)
        made = rest | {"loss": value, "probabilities": probabilities[name]}
        store.kept(tmp_path / "models" / name / "measures.npz", lambda made=made: made)  # type: ignore[misc]
    return tmp_path


def judged_run(tmp_path: Path, generations: int = 3) -> tuple[run.Run, dict[str, float], dict[str, np.ndarray]]:
    """A run judged on measures that are written by hand: two seeds, replace and accumulate."""
    arms = {"replace": theory.Replace(REAL), "accumulate": theory.Accumulate(REAL, REAL)}
    e = experiment(workflows=arms, seeds=(3, 4), generations=generations, grid=Grid((12, REAL), (0, 12)))
    rng = np.random.default_rng(0)
    names = [
        f"{seed}-{kind}" for seed in e.seeds for kind in ("1", "a", "b", "r2", "r3", "c2", "c3", "g0", "g1", "g2", "g3")
    ]
    losses = {name: float(2 + int(name[0]) + 0.1 * rng.random()) for name in names}
    chances = {name: rng.dirichlet(np.ones(e.shape.vocabulary), 10) for name in names}
    lab = Laboratory(e, folder_of(tmp_path, losses, chances))
    calibrated = {s: {"first": f"{s}-1", "again": [f"{s}-a", f"{s}-b"], "replaced": [f"{s}-r2"]} for s in e.seeds}
    models = {s: {"workflows": {"replace": [f"{s}-1", f"{s}-r2", f"{s}-r3"], "accumulate": [f"{s}-1", f"{s}-c2", f"{s}-c3"]},
                  "grid": [[f"{s}-g0", f"{s}-g1"], [f"{s}-g2", f"{s}-g3"]]} for s in e.seeds}  # fmt: skip
    draws = {name: 5 + place + 0.1 * rng.standard_normal((200, 2, 3)) for place, name in enumerate(arms)}
    linear = {name: 1 + each for name, each in draws.items()}
    posterior = {name: np.full(200, 0.5) for name in ("step", "size", "heritability")}
    made = calibration.Prediction(draws, linear, posterior, (1.0, 100.0))
    return run._judged(lab, made, "digest", calibrated, models), losses, chances


def test_a_run_is_judged_by_what_was_measured(tmp_path: Path) -> None:
    done, losses, chances = judged_run(tmp_path)
    rows = np.array([[losses[f"{s}-{kind}"] for kind in ("1", "a", "b")] for s in (3, 4)])
    assert done.noise == pytest.approx(np.sqrt(rows.var(axis=1, ddof=1).mean()))  # of one seed: seeds differ by more
    assert done.noise < 0.2
    for row, seed in enumerate((3, 4)):
        away = np.abs(chances[f"{seed}-c3"] - chances[f"{seed}-1"]).sum(-1).mean()
        assert done.measures["accumulate"]["drift"][row] == pytest.approx(
            [0, np.abs(chances[f"{seed}-c2"] - chances[f"{seed}-1"]).sum(-1).mean(), away]
        )
    tables = [np.array([chances[f"{s}-{kind}"] for s in (3, 4)]) for kind in ("1", "c2", "c3")]
    sizes = [effective_size(*tables[at : at + 2]).size for at in (0, 1)]
    assert [each.size for each in done.effective["accumulate"]] == pytest.approx(sizes)
    assert {pair.generation for pair in done.order} == {2, 3}
    for pair in done.order:
        gap = done.measures["accumulate"]["loss"] - done.measures["replace"]["loss"]
        assert (pair.higher, pair.difference) == ("accumulate", pytest.approx(gap[:, pair.generation - 1].mean()))  # type: ignore[comparison-overlap]
        assert pair.predicted == pytest.approx(1, abs=0.05)
    exact = done.scores["accumulate"]["exact"]["miss"]
    assert exact == pytest.approx(
        (done.prediction.loss["accumulate"].mean(axis=0) - done.measures["accumulate"]["loss"])[:, 1:].mean()
    )
    assert done.scores["accumulate"]["linear"]["miss"] == pytest.approx(exact + 1)
    assert done.scores["replace"]["exact"]["points"] == 2  # of 2 seeds, generation 3 alone
    assert done.grid is not None
    cells = np.array([[losses[f"{s}-g{cell}"] for cell in range(4)] for s in (3, 4)]).mean(axis=0)
    np.testing.assert_allclose(done.grid.change, [[0, cells[1] - cells[0]], [0, cells[3] - cells[2]]], atol=1e-12)
    assert done.grid.standard_error == pytest.approx(done.noise)  # sqrt(2/2)
    assert judged(Grid((12,), (0, 12)), np.zeros((8, 1, 2)), REAL, 1.0).standard_error == pytest.approx(0.5)


def test_json_and_tables_of_a_run_say_what_it_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, _, _ = judged_run(tmp_path)
    record = json.loads(json.dumps(train.as_json(done)))
    row, draws = record["workflows"]["accumulate"], done.prediction.loss["accumulate"].mean(axis=1)
    loss = done.measures["accumulate"]["loss"]
    assert row["loss"] == pytest.approx(loss.mean(axis=0)) and row["by_seed"] == pytest.approx(loss)
    assert row["predicted"] == pytest.approx(draws.mean(axis=0))
    assert row["linear"] == pytest.approx(1 + draws.mean(axis=0))
    assert (row["low"], row["high"]) == tuple(pytest.approx(end) for end in np.quantile(draws, [0.05, 0.95], axis=0))
    assert row["measures"]["drift"] == pytest.approx(done.measures["accumulate"]["drift"].mean(axis=0))
    assert record["drift_floor"]["mean"] == done.floor.l1.mean
    run_report.show(done)
    out = capsys.readouterr().out
    lines = [re_split(line) for line in out.splitlines()]
    table = next(at for at, line in enumerate(lines) if line[:1] == ["accumulate"])
    assert [cell.split()[0] for cell in lines[table][1:]] == [f"{each:.3f}" for each in loss.mean(axis=0)]
    bands = [f"{low:.3f} to {high:.3f}" for low, high in zip(row["low"], row["high"], strict=True)]
    assert lines[table + 1] == ["(calibrates)", *bands[1:]]
    moved = next(line for line in lines[table + 2 :] if line[:1] == ["accumulate"])
    assert [cell.rstrip("*") for cell in moved[1:]] == [f"{each:.3f}" for each in row["measures"]["drift"][1:]]
    assert done.grid is not None
    at = next(at for at, line in enumerate(lines) if line[:1] == [f"{12 * 16:,}"] and len(line) == 2)
    assert lines[at][1] == f"{done.grid.change[0, 1]:+.3f}"
    sign = "+" if done.grid.predicted[0, 1] > 1 else "-"
    assert lines[at + 1] == [f"{sign} {done.grid.verdict[0, 1]}"]


def test_one_pair_of_models_tells_no_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The floor of one re-training has no band, no infinite error and no marks; and no argument of Python is named."""
    done, _, _ = judged_run(tmp_path / "run")
    e = dataclasses.replace(done.experiment, seeds=(3,))
    alone = drift.floor([np.array([[0.5, 0.5]]), np.array([[0.75, 0.25]])])
    measures = {arm: {name: each[:1] for name, each in row.items()} for arm, row in done.measures.items()}
    single = dataclasses.replace(done, experiment=e, measures=measures, floor=alone)
    run_report._definitions(report.console(), single)
    run_report._drift(report.console(), single)
    (last,) = (line for line in run_report.findings(single) if "re-training" in line)
    out = " ".join(capsys.readouterr().out.split())
    assert last.endswith("re-training on the same data alone by 0.500 (one pair of models tells no spread).")
    assert "alone gives 0.500 (one pair of models tells no spread); what is above it takes more --retrainings" in out
    assert not any(word in out + last for word in ("inf", "give ", "chains"))
    assert "one seed does not tell how much the diversity varies" in out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures._drift(single, tmp_path)


def re_split(line: str) -> list[str]:
    import re

    return [each for each in re.split(r"\s{2,}", line.strip()) if each]


def test_a_prediction_sees_what_calibration_measured_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, losses, chances = judged_run(tmp_path)
    e = done.experiment
    calibrated = {s: {"first": f"{s}-1", "again": [f"{s}-a", f"{s}-b"], "replaced": [f"{s}-r2"]} for s in e.seeds}
    seen = forecast.observed(Laboratory(e, tmp_path), calibrated)
    assert seen.first.tolist() == [losses[f"{s}-1"] for s in e.seeds]
    assert seen.again.tolist() == [[losses[f"{s}-{kind}"] for kind in "ab"] for s in e.seeds]
    assert seen.replaced.tolist() == [[losses[f"{s}-r2"]] for s in e.seeds]
    F = [effective_size(chances[f"{s}-1"][None], chances[f"{s}-r2"][None]).F for s in e.seeds]
    assert seen.moved == pytest.approx(F)
    for continued, median in ((False, 0.75), (True, 1.05)):
        priors: list[Any] = []

        def predict(*_: Any, priors: Any, into: list[Any] = priors, **__: Any) -> Any:
            into.append(priors)
            raise KeyboardInterrupt

        monkeypatch.setattr(calibration, "predict", predict)
        with pytest.raises(KeyboardInterrupt):
            forecast.frozen(Laboratory(dataclasses.replace(e, continued=continued), tmp_path), calibrated)
        assert priors[0].heritability[0] == median


def test_subsamples_mixtures_and_real_windows_of_a_schedule_are_what_it_says() -> None:
    pool = {0: written(np.arange(1, 41)[:, None])}
    for replacement in (False, True):
        table = theory.Schedule([40], [[1, 0]], [[1.0]], train=[30], replacement=replacement)
        drawn = training_set(table, 1, pool, (0,))[0].tokens[:, 0].tolist()
        assert len(drawn) == 30 and (len(set(drawn)) < 30) == replacement
        assert drawn == sorted(drawn) and drawn[-1] > 31  # from the whole pool
    mixed = theory.Schedule(
        [4, 4, 1000], [[1, 0, 0, 0], [0, 1, 0, 0], [0.2, 0.2, 0.6, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    )
    counts = writers(mixed, 2, (0,))
    assert counts[0] == 200 and sum(counts.values()) == 1000
    assert abs(counts[1] - 200) < 5 * (800 * 0.25 * 0.75) ** 0.5  # a false alarm of 1e-6
    assert real_windows(mixed) == 204


def test_a_file_is_written_beside_and_put_in_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    store.write_json(path, 1)

    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        store.write_json(path, 2)
    assert json.loads(path.read_text()) == 1


def test_options_reach_the_experiment() -> None:
    e = train.experiment("builtin:pydoc", "replace", length=16, real=480, seed=5, seeds=2, steps=40, batch=7, learning_rate=0.02,
                         temperature=0.5, top_p=0.9, fixed_steps=True, cells="64,160:320", generations=3)  # fmt: skip
    assert e.seeds == (5, 6) and (e.sampling.temperature, e.sampling.top_p) == (0.5, 0.9)
    assert (e.training.steps, e.training.batch, e.training.learning_rate, e.training.patience) == (40, 7, 0.02, None)
    assert (
        train.experiment("builtin:pydoc", "replace", length=16, real=480, seed=0, seeds=1, steps=40).training.patience
        == 3
    )
    assert e.grid == Grid((4, 10), (20,))


def test_ties_and_misses_have_their_signs_and_sizes() -> None:
    draws = {"a": np.full((100, 2, 3), 2.5), "b": np.full((100, 2, 3), 2.0)}
    made = calibration.Prediction(draws, draws, {}, (1.0, 1.0))
    loss = {"a": np.array([[9.0, 2.1, 0.0]] * 2), "b": np.array([[0.0, 2.085, 9.0]] * 2)}
    (pair,) = score.order(made, loss, 0.01, 2)
    assert (pair.difference, pair.tie) == (pytest.approx(0.015), True)  # type: ignore[comparison-overlap]
    (pair,) = score.order(made, loss, 0.01, 3)
    assert (pair.difference, pair.verdict) == (-9, "reversed")
    assert score.score(draws["a"], loss["b"], skip=2).miss == pytest.approx(2.5 - 9)


def test_a_loss_predicted_is_level_rise_and_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A posterior that is given: what is made of it is then known."""
    posterior = {"step": np.full(2000, 0.5), "noise": np.full(2000, 0.1), "heritability": np.full(2000, 0.5),
                 "share": np.full(2000, 1.0),
                 "beyond": np.full(2000, 3.0), "size": np.full(2000, 4.0), "level": np.tile([2.0, 3.0], (2000, 1))}  # fmt: skip
    rng = np.random.default_rng(0)
    posterior = {
        name: each * (1 + 1e-9 * rng.standard_normal(each.shape)) for name, each in posterior.items()
    }  # for R-hat
    asked: list[Any] = []

    class Given:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def run(self, _: Any, *given: Any) -> None:
            asked.extend(given)

        def get_samples(self, group_by_chain: bool = False) -> dict[str, Any]:
            return {
                name: each.reshape(4, 500, *each.shape[1:]) if group_by_chain else each
                for name, each in posterior.items()
            }

    monkeypatch.setattr(calibration, "MCMC", Given)
    seen, priors = calibration.Observed([2.0, 3.0], [[2.0]] * 2, [[2.5]] * 2, [0.1] * 2), calibration.Priors(noise=7.0)
    found = calibration.predict(seen, {"replace": theory.Replace(REAL)}, 4, jax.random.key(0), priors=priors)
    assert asked[0] is seen and asked[1] is priors
    lam = 0.5 * (1 - 1 / 4)
    curve = np.array([0, 1, 1 + lam, 1 + lam + lam**2])
    for draws, rise in ((found.loss, curve), (found.linear, np.arange(4.0))):
        wanted = np.array([[2.0], [3.0]]) + 0.5 * rise
        np.testing.assert_allclose(draws["replace"].mean(axis=0), wanted, atol=6 * 0.1 / 2000**0.5)
        np.testing.assert_allclose(draws["replace"].std(axis=0), 0.1, rtol=0.1)  # 6 standard errors


def test_the_curve_of_a_smaller_subsample_scales_its_training_set_too() -> None:
    large, small = theory.AccumulateSubsample(40, 40, train=20), theory.AccumulateSubsample(10, 10, train=5)
    gain = theory.gain(theory.Categorical([0.5, 0.5]), small, [1, 2, 3, 4])
    step = theory.gain(theory.Categorical([0.5, 0.5]), theory.Replace(10), [1, 2])
    found = calibration.curve(large, 4, 10.0, 1.0)
    np.testing.assert_allclose(found, (gain - gain[0]) / (step[1] - step[0]), rtol=1e-4)


def test_filters_are_made_of_the_real_windows_and_the_text_of_the_first_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(laboratory, "filters", lambda *each: given.append(each) or [])  # type: ignore[func-returns-value]
    monkeypatch.setattr(laboratory, "generate", lambda shape, params, n, key, sampling: (params, n, sampling))
    lab = Laboratory(experiment(filters=(Duplicates(),)), tmp_path)
    lab.held["first"] = "weights of the first model"
    lab._filters(Model(tmp_path / "first", 0, 1))
    ((wanted, _, params, real, own),) = given
    assert wanted == (Duplicates(),) and params == "weights of the first model"
    np.testing.assert_array_equal(real, lab.real(0).tokens[:REAL])  # what the first model was trained on
    assert own == (params, REAL, lab.experiment.sampling)


def test_a_plan_by_order_prints_its_numbers_under_their_heads(capsys: pytest.CaptureFixture[str]) -> None:
    from modelcollapse import plan

    tokens = np.minimum(np.random.default_rng(0).geometric(0.4, (50, 64)), 15)
    made = plan.plan_order(tokens, 1, vocabulary=16, synthetic=1600, generations=5)
    report.order_plan("text", made)
    lines = [re_split(line) for line in capsys.readouterr().out.splitlines()]
    head = next(line for line in lines if line[:1] == ["workflow"])
    cells = [head.index(each) for each in ("gen. 2", "gen. 5", "long run", "pairs 2", "pairs 5", "unvisited")]
    for row in made.rows:
        line = next(line for line in lines if line[:1] == [row.name])
        sign = "≥ " if row.alive_are == "at least" else ""
        wanted = [report.number(row.gain[1]), report.number(row.gain[4]), report.number(row.limit)]
        wanted += [sign + report.number(round(row.alive[at])) for at in (1, 4)] + [str(row.unvisited)]
        assert [line[at] for at in cells] == wanted
    assert made.rows[0].limit > 2 * made.rows[0].gain[4]  # replacing: far from its end
    assert round(made.rows[0].alive[0]) != round(made.rows[0].alive[1]) != round(made.rows[0].alive[4])


def test_a_process_that_ends_too_early_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team.worker, "__name__", "modelcollapse.nothing")  # type: ignore[attr-defined]
    with pytest.raises(theory.InputError, match="ended with code 1: start again"):
        run.run(experiment(), tmp_path / "out", processes=1)
    hers = team.Team(Laboratory(experiment(), tmp_path / "out"), 1, lambda *_: None)
    hers.workers[0].wait()
    with pytest.raises(theory.InputError, match="ended with code 1"):
        hers.finished()
    hers.stop()


def test_weights_of_few_models_stay_in_memory(tmp_path: Path) -> None:
    lab = Laboratory(experiment(), tmp_path)
    for number in range(9):
        lab._hold(Model(tmp_path / str(number), 0, 1), number)
    assert list(lab.held.values()) == list(range(9 - laboratory.HELD, 9))


def test_replace_calibrates_and_nothing_else_may_have_its_name(tmp_path: Path) -> None:
    for other in (theory.Replace(2 * REAL, real=REAL), theory.Accumulate(REAL, REAL)):
        with pytest.raises(theory.InputError, match="replace calibrates"):
            experiment(workflows={"replace": other})
    path = tmp_path / "replace.json"
    path.write_text('{"size": [24, 24], "source": [[1, 0, 0], [0, 1, 0]], "weight": [[1, 0], [0, 1]]}')
    with pytest.raises(theory.InputError, match="name replace once"):
        train.workflows(f"replace,{path}", REAL)
