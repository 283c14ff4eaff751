"""A run of recursive training: what it is trained on, that it is predicted first, killed and resumed to the same numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from modelcollapse import theory, train
from modelcollapse.lm import calibration, run, score
from modelcollapse.lm.experiment import Experiment, restored
from modelcollapse.lm.grid import Grid, judged
from modelcollapse.lm.recipe import Epochs, Training
from modelcollapse.lm.rephrasing import Rephrased
from modelcollapse.lm.training_set import real_windows, schedule, training_set, writers
from modelcollapse.lm.verification import Duplicates, Likelihood, Realness
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


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A posterior of few draws: these tests are about the run."""
    for name, value in (("WARMUP", 50), ("DRAWS", 50)):
        monkeypatch.setattr(calibration, name, value)


def experiment(**changed: Any) -> Experiment:
    return Experiment(**{"workflows": WORKFLOWS, **SMALL, **changed})


# The same run in a process that is killed at the n-th word about its progress
KILLED = """
import os, signal, sys
from pathlib import Path
from modelcollapse.lm import laboratory, run, worker
from tests_lm import few
worker.EVERY = 0.0  # a word after each segment
laboratory.SECONDS = 0.0  # a checkpoint after each segment
words = 0
def told(done, total, what):
    global words
    words += 1
    if words == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
run.run(few(), Path(sys.argv[1]), processes=0, told=told)
"""


def test_a_run_is_predicted_first_and_killed_anywhere_it_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    said: list[tuple[float, float, str]] = []
    e = experiment()
    whole = run.run(e, tmp_path / "whole", processes=0, told=lambda *word: said.append(word))
    assert [len(names[0]) for names in whole.models.values()] == [3, 3, 3]
    assert len({names[0][0] for names in whole.models.values()}) == 1  # generation 1 is shared
    assert len({names[0][1] for names in whole.models.values()}) == 3
    assert said[-1][:2] == (9.0, 9.0)  # 1 + 2 re-trainings + 3 workflows x 2 generations
    for name, measured in whole.measures.items():
        assert measured["loss"].shape == (1, 3) and np.isfinite(measured["loss"]).all(), name
        assert measured["windows"][0].tolist() == ([24, 48, 72] if name == "accumulate" else [24, 24, 24])
    predicted = max((tmp_path / "whole" / name).stat().st_mtime for name in ("predictions.json", "predictions.npz"))
    calibrating = {whole.models["replace"][0][0], whole.models["replace"][0][1]}
    later = [names for names in whole.models.values() for names in names[0] if names not in calibrating]
    for name in later:
        assert (tmp_path / "whole" / "models" / name / "measures.npz").stat().st_mtime >= predicted
    scored = json.loads((tmp_path / "whole" / "score.json").read_text())
    assert scored["predictions_sha256"] == whole.frozen
    assert [scored["scores"][name]["exact"]["points"] for name in WORKFLOWS] == [1, 2, 2]
    record = json.loads(json.dumps(train.as_json(whole)))
    assert list(record)[-1] == "workflows"
    for name in WORKFLOWS:
        assert len(record["workflows"][name]["loss"]) == len(record["workflows"][name]["predicted"]) == 3
        assert all(
            low < high for low, high in zip(*(record["workflows"][name][end] for end in ("low", "high")), strict=True)
        )

    t = whole.trajectory("replace")
    assert t.to_xarray()["loss"].dims == ("chain", "generation")
    np.testing.assert_allclose(np.asarray(t.loss), whole.measures["replace"]["loss"], rtol=1e-6)
    assert t.collapsed is None and np.isnan(t.error).all()

    here = Path(__file__).parent
    (tmp_path / "tests_lm.py").write_text(
        f"import importlib.util, sys\nspec = importlib.util.spec_from_file_location('these', {str(here / 'test_lm_run.py')!r})\n"
        "module = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(module)\n"
        "module.calibration.WARMUP = module.calibration.DRAWS = 50\nfew = module.experiment\n"
    )
    killed = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for word in ("2", "9"):  # in the middle of the first training, and somewhere in the second
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(killed), word], env=environment, capture_output=True, text=True
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(killed.glob("models/*/training/*")), "a training was interrupted"
    resumed = run.run(experiment(), killed, processes=0)
    assert resumed.models == whole.models
    for name, measured in whole.measures.items():
        for each, table in measured.items():
            np.testing.assert_array_equal(resumed.measures[name][each], table, err_msg=f"{name} {each}")
    assert resumed.frozen == whole.frozen

    again = run.run(experiment(), killed, processes=0)
    assert again.frozen == resumed.frozen
    with pytest.raises(theory.InputError, match="another run, with other real"):
        run.run(experiment(real=12, workflows={"replace": theory.Replace(12)}), killed, processes=0)
    with store.owned(killed), pytest.raises(theory.InputError, match="another process writes there"):
        run.run(experiment(), killed, processes=0)
    (killed / "predictions.npz").write_bytes((tmp_path / "whole" / "predictions.npz").read_bytes()[:-1] + b"x")
    with pytest.raises(theory.InputError, match="they were changed"):
        run.run(experiment(), killed, processes=0)


def test_filters_rephrasing_and_a_grid_run_and_every_window_says_who_wrote_it(tmp_path: Path) -> None:
    arms = {
        "replace": theory.Replace(REAL),
        "rephrase:0.5": Rephrased(REAL, REAL),
        "fresh:0.5": theory.FreshReal(REAL, REAL),
    }
    e = experiment(
        workflows=arms, generations=2, grid=Grid((12, REAL), (0, 12)),
        filters=(Likelihood(0.0, 1.0), Duplicates(), Realness(0.9)),
        training=Training(steps=20, batch=8, evaluate_every=5, patience=None), retrainings=1,
    )  # fmt: skip
    assert restored(json.loads(json.dumps(e.record()))).record() == e.record()
    done = run.run(e, tmp_path, processes=0)
    assert done.grid is not None and done.grid.loss.shape == (2, 2)
    assert done.measures["rephrase:0.5"]["real_share"].tolist() == [[1.0, 0.5]]
    assert done.measures["fresh:0.5"]["real_share"].tolist() == [[1.0, 0.5]]
    assert done.measures["replace"]["real_share"].tolist() == [[1.0, 0.0]]


def test_every_workflow_trains_on_what_it_says() -> None:
    def made(table: theory.Schedule, last: int) -> list[tuple[Windows, np.ndarray | None]]:
        batches: dict[int, Windows] = {}
        sets, fresh = [], iter(range(10_000))
        for model in range(1, last + 1):
            for batch in np.flatnonzero(table.born == model):
                ((writer, count),) = writers(table, int(batch), (0,)).items()
                tokens = [[next(fresh)] for _ in range(count)]
                kind = {"generation": writer, "model": 0} if writer else {}
                batches[int(batch)] = written(np.array(tokens), **kind)
            sets.append(training_set(table, model, batches, (0, model)))
        return sets

    def origins(w: Any) -> list[list[int]]:
        return [np.bincount(windows.generation, minlength=3).tolist() for windows, _ in made(schedule("w", w, 3), 3)]

    assert origins(theory.Replace(4)) == [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
    assert origins(theory.Replace((5, 6), real=4)) == [[4, 0, 0], [0, 5, 0], [0, 0, 6]]
    assert origins(theory.FixedReal(4, 2)) == [[4, 0, 0], [4, 2, 0], [4, 0, 2]]
    assert origins(theory.FreshReal(4, 2)) == [[4, 0, 0], [4, 2, 0], [4, 0, 2]]
    assert origins(theory.Accumulate(4, 2)) == [[4, 0, 0], [4, 2, 0], [4, 2, 2]]
    assert [sum(row) for row in origins(theory.AccumulateSubsample(4, 3, train=2))] == [2, 2, 2]
    fixed, fresh = (made(schedule("w", w(4, 2), 3), 3) for w in (theory.FixedReal, theory.FreshReal))
    real = [
        [windows.tokens[windows.generation == 0].ravel().tolist() for windows, _ in sets] for sets in (fixed, fresh)
    ]
    assert real[0] == [[0, 1, 2, 3]] * 3  # the same real windows
    assert len({token for row in real[1] for token in row}) == 12  # new ones each time
    (_, none), (windows, weight), _ = made(schedule("w", theory.FreshReal(4, 2, weight=0.5), 3), 3)
    assert none is None and weight is not None
    assert weight[windows.generation == 0].sum() == pytest.approx(weight[windows.generation == 1].sum())
    assert [
        real_windows(schedule("w", w, 3)) for w in (theory.Replace(4), theory.FixedReal(4, 2), theory.FreshReal(4, 2))
    ] == [4, 4, 12]
    mixed = theory.Schedule([4, 100], [[1, 0, 0], [0.25, 0.75, 0]], [[1, 0], [0, 1]])
    assert writers(mixed, 1, (0,)) == {0: 25, 1: 75}
    with pytest.raises(theory.InputError, match="at least 0"):
        schedule("w", theory.Schedule([4, 4], [[1, 0], [1, 0]], [[2.0, -1.0]]), 1)


def test_rephrased_windows_keep_what_is_not_masked() -> None:
    documents = np.arange(1, 41).reshape(2, 20)
    blanked = Rephrased(2, 6, masked=0.4, span=4).blanked(documents, (1,))
    assert blanked.shape == (6, 20)
    assert (blanked == 0).sum(axis=1).tolist() == [8] * 6
    assert np.all((blanked == 0) | (blanked == documents[np.arange(6) % 2]))


def test_the_curve_of_many_samples_is_theorys_gain_and_of_few_that_of_a_smoothing_learner() -> None:
    for w in WORKFLOWS.values():
        gain = theory.gain(theory.Categorical([0.5, 0.5]), w, [1, 2, 3, 4, 5])
        large = calibration.curve(w, 5, float(REAL), 1.0)
        step = theory.gain(theory.Categorical([0.5, 0.5]), theory.Replace(REAL), [1, 2])
        np.testing.assert_allclose(large, (gain - gain[0]) / (step[1] - step[0]), rtol=1e-4)
    for size, h in ((4.0, 0.7), (30.0, 1.1)):
        lam = h * (1 - 1 / size)
        expected = np.array([(1 - lam**m) / (1 - lam) for m in range(5)])
        np.testing.assert_allclose(calibration.curve(theory.Replace(9), 5, size, h), expected, rtol=1e-4)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_the_step_of_replacing_that_calibrates_is_that_of_the_algebra(share: float) -> None:
    size, h = 5.0, 0.7
    for generations in (2, 5):
        error = [calibration._trained(0.0, size / share, h, (1 - share) / size)]
        for _ in range(generations - 1):
            error.append(calibration._trained(error[-1], size / share, h, (1 - share) / size))
        expected = (np.array(error) - error[0]) / (error[1] - error[0])
        np.testing.assert_allclose(
            calibration.curve(theory.Replace(9), generations, size, h, share), expected, rtol=1e-4, atol=1e-6
        )


def test_noise_of_training_makes_a_subsample_cost_less_and_leaves_replacing_alone() -> None:
    replaced, subsampled = (
        [np.asarray(calibration.curve(w, 5, 1e6, 1.0, share)) for share in (1.0, 0.5)]
        for w in (theory.Replace(REAL), theory.AccumulateSubsample(10**9, 10**9))
    )
    np.testing.assert_allclose(replaced[0], replaced[1], rtol=1e-4)
    assert [float(each[1]) for each in subsampled] == pytest.approx([0.75, 0.5], rel=1e-2)  # 1/4 + share/2


def test_a_posterior_finds_the_parameters_that_made_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """12 seeds and 3 steps of replacing with known parameters: each within 4 posterior deviations (about 1e-4 in all)."""
    monkeypatch.setattr(calibration, "WARMUP", 300)
    monkeypatch.setattr(calibration, "DRAWS", 300)
    truth = {"step": 0.3, "noise": 0.02, "heritability": 0.6, "size": 6.0}
    rng = np.random.default_rng(5)
    level, curve = 2 + 0.1 * rng.standard_normal(12), np.asarray(calibration.curve(theory.Replace(1), 4, 6.0, 0.6))

    def measured(shape: tuple[int, ...], rise: Any = 0.0) -> np.ndarray:
        return level.reshape(-1, *[1] * (len(shape) - 1)) + rise + truth["noise"] * rng.standard_normal(shape)

    moved = np.exp(-np.log(6.0) + 0.3 * rng.standard_normal(12))
    seen = calibration.Observed(measured((12,)), measured((12, 3)), measured((12, 3), truth["step"] * curve[1:]), moved)
    found = calibration.predict(seen, WORKFLOWS, 4, jax.random.key(1))
    for name, value in truth.items():
        draws = found.posterior[name]
        assert abs(draws.mean() - value) < 4 * draws.std(), name
        assert draws.std() < {"step": 0.05, "noise": 0.01, "heritability": 0.3, "size": 3}[name]
    assert found.mixing[0] < 1.1
    assert found.posterior["size"].min() > 1
    measured_loss = measured((12, 4), truth["step"] * curve)
    assert score.score(found.loss["replace"], measured_loss, skip=1).coverage > 0.7  # 36 points: 1e-3 under 90 %
    assert score.score(found.linear["replace"], measured_loss, skip=2).miss > 0.05


def test_an_order_names_ties_and_reversals() -> None:
    rng = np.random.default_rng(0)
    draws = {
        name: 2 + shift + 0.01 * rng.standard_normal((400, 2, 3))
        for name, shift in (("a", 0.5), ("b", 0.2), ("c", 0.2001))
    }
    made = calibration.Prediction(draws, draws, {}, (1.0, 1.0))
    loss = {"a": np.full((2, 3), 2.1), "b": np.full((2, 3), 2.5), "c": np.full((2, 3), 2.501)}
    first, second = score.order(made, loss, 0.01, 3)
    assert (first.higher, first.verdict, first.predicted_tie) == ("a", "reversed", False)
    assert (second.verdict, second.predicted_tie) == ("tie, as predicted", True)
    assert first.standard_error == pytest.approx(0.01)  # sqrt(2/2)
    loss["b"] = np.full((2, 3), 3.0)
    assert score.order(made, loss, 0.01, 3)[1].verdict == "parted"


def test_the_score_of_a_normal_prediction_is_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((100_000, 1, 2))
    seen = np.array([[0.0, 0.0]])
    found = score.score(draws, seen, skip=1)
    # (sqrt 2 - 1)/sqrt pi; the standard error of the estimate is below 0.003 for 1e5 draws
    assert found.crps == pytest.approx((2**0.5 - 1) / np.pi**0.5, abs=0.01)
    assert (found.coverage, found.points) == (1.0, 1)


@pytest.mark.parametrize(("real", "synthetic"), [(60, 12), (60, 30), (30, 200), (100, 50)])
def test_the_grid_predicts_by_the_nested_teacher_in_closed_form(real: int, synthetic: int) -> None:
    teacher, a = 100, synthetic / (real + synthetic)
    expected = (1 - a) ** 2 / real + 2 * a * (1 - a) / teacher + a**2 * (1 / teacher + (1 - 1 / teacher) / synthetic)
    assert Grid((real,), (synthetic,)).predicted(teacher)[0, 1] == pytest.approx(expected * real, rel=1e-12)


def test_the_verdicts_of_a_grid_compare_signs_outside_the_noise() -> None:
    grid = Grid((30, 100), (0, 50))
    loss = np.array([[[2.0, 1.5], [1.0, 0.5]], [[2.0, 1.5], [1.0, 0.5]]])
    found = judged(grid, loss, 100, 0.01)
    assert found.verdict.tolist() == [["", "as predicted"], ["", "reversed"]]
    assert judged(grid, loss, 100, 1.0).verdict.tolist() == [["", "tie"], ["", "tie"]]


def test_names_of_workflows_become_records_and_nothing_else_does() -> None:
    found = train.workflows("replace, accumulate,subsample,fixed:0.2,fresh:0.5,rephrase:0.25", 300)
    assert list(found.values()) == [
        theory.Replace(300), theory.Accumulate(300, 300), theory.AccumulateSubsample(300, 300), theory.FixedReal(300, 75),
        theory.FreshReal(300, 300), Rephrased(300, 100),
    ]  # fmt: skip
    for wrong in ("nothing", "replace:0.5", "fixed:1", "fixed:x", "replace,replace", "", "gone.json"):
        with pytest.raises(theory.InputError, match="--workflows"):
            train.workflows(wrong, 300)
    assert train.filters(["likelihood:0.1:0.9", "duplicates", "classifier:0.5"]) == (
        Likelihood(0.1, 0.9),
        Duplicates(),
        Realness(0.5),
    )
    for wrong in ("likelihood:0.1", "magic"):
        with pytest.raises(theory.InputError, match="--filter"):
            train.filters([wrong])


def test_what_cannot_be_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"length": 100_000}, "documents? has .* tokens"),
        ({"real": 100_000, "workflows": {"replace": theory.Replace(100_000)}}, "fewer real ones, or a longer text"),
        (
            {"workflows": {"fresh": theory.FreshReal(REAL, REAL)}, "generations": 300},
            "fewer real ones, or a longer text",
        ),
        ({"bpe": 50_000}, "the documents give"),
        ({"bpe": 100}, "257"),
        ({"corpus": str(tmp_path / "gone.txt")}, "gone.txt"),
    ]
    for changed, message in cases:
        with pytest.raises(theory.InputError, match=message):
            run.run(experiment(**changed), tmp_path / "out", processes=0)
    assert not (tmp_path / "out").exists()
    wrong: list[dict[str, Any]] = [
        {"workflows": {"replace": theory.Replace(REAL + 1)}}, {"workflows": {}}, {"seeds": ()}, {"seeds": (1, 1)},
        {"calibration": 3},
        {"generations": 1}, {"grid": Grid((REAL + 1,), (0,))},
    ]  # fmt: skip
    for changed in wrong:
        with pytest.raises(theory.InputError):
            experiment(**changed)


def test_what_decides_a_number_is_in_the_record(tmp_path: Path) -> None:
    e = experiment(training=replace(SMALL["training"], matched=Epochs(REAL)))
    assert restored(json.loads(json.dumps(e.record()))).record() == e.record()
    changed = tmp_path / "text.txt"
    changed.write_text("\n\n".join(f"paragraph {i} " + "word " * 60 for i in range(300)))
    record = experiment(corpus=str(changed), most=None).record()
    changed.write_text("\n\n".join(f"Paragraph {i} " + "word " * 60 for i in range(300)))
    with pytest.raises(theory.InputError, match="changed"):
        restored(record)
