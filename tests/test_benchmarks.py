"""What the benchmarks compare us with does the same job: every opponent has the error that theory gives."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.simulate.agree import threshold

ROOT = Path(__file__).resolve().parent.parent


def package() -> None:
    """Make `benchmarks` importable, which is run from the root and not installed; nothing else of the root is."""
    place = ROOT / "benchmarks"
    spec = importlib.util.spec_from_file_location(
        "benchmarks", place / "__init__.py", submodule_search_locations=[str(place)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["benchmarks"])


package()
command, race, works = (importlib.import_module(f"benchmarks.{name}") for name in ("__main__", "race", "works"))

M = 5
N, FEW = 24, 12  # few rows, so that a degree of freedom more or less is seen
TINY = {"n": N, "tokens": 4, "places": 2}
BUDGET = 1e-3  # the chance that one of all comparisons below is a false alarm
PAIRS = [(work, opponent) for work in works.WORKS for opponent in work.opponents]


def settings(work: Any) -> dict[str, Any]:
    small = {name: min(value, 3) if name == "d" else TINY.get(name, value) for name, value in work.settings.items()}
    if work.family == "LinearRegression":
        small["n"] = FEW
    return small


def predicted(work: Any, opponent: Any, small: dict[str, Any]) -> dict[str, np.ndarray]:
    """The means of what is observed at generations 1..M; NaN where nothing is predicted."""
    m = np.arange(1, M + 1)
    match work.family:
        case "LinearRegression":
            return {"error": np.cumsum(small["d"] / (m * (m * small["n"] - small["d"] - 1)))}
        case "KernelDensity":
            return {"error": kernel_error(small["d"], small["bandwidth"])}
        case "Categorical":
            f: Any = theory.Categorical(np.full(small["tokens"], 1 / small["tokens"]))
        case _:
            f = theory.Gaussian(small["d"])
    w = getattr(theory, work.workflow)(**{k: v if isinstance(v, bool) else N for k, v in work.sizes.items()})
    means = {"error": theory.error(f, w, m), "diversity": theory.diversity(f, w, m)}
    if work.family == "Gaussian" and work.workflow == "Replace":
        means["log_variance"] = theory.log_variance(f, w, m)
    if opponent.name == "drift":  # sees the last generation only
        means = {name: np.where(m == M, mean, np.nan) for name, mean in means.items()}
    return means


def kernel_error(d: int, bandwidth: float) -> np.ndarray:
    """Squared error of the mean of a pool to which N points of its kernel density are added in each generation.

    The pool's mean moves by N(0, (s + h^2 d)/N)/m, s the trace of its covariance; ``second`` is s + the squared error.
    """
    error, second, errors = d / N, float(d), []
    for m in range(1, M + 1):
        errors.append(error)
        moved = (second - error + bandwidth**2 * d) / N
        error, second = error + moved / (m + 1) ** 2, (m * second + second + bandwidth**2 * d) / (m + 1)
    return np.array(errors)


def compared() -> int:
    return sum(
        np.isfinite(mean).sum() for work, rival in PAIRS for mean in predicted(work, rival, settings(work)).values()
    )


@pytest.mark.parametrize(("work", "opponent"), PAIRS, ids=lambda each: each.name)
def test_an_opponent_has_the_mean_that_theory_gives(work: Any, opponent: Any) -> None:
    if opponent.needs:
        pytest.importorskip(race.MODULES[opponent.needs])
    chains = 4000 if opponent.name == "statistics" else 800
    run = getattr(importlib.import_module(f"benchmarks.{opponent.module}"), opponent.name)
    small = settings(work)
    seen = run(chains, M, np.random.default_rng(1), **small)
    allowed = threshold(compared(), chains, BUDGET)
    for name, means in predicted(work, opponent, small).items():
        told = np.isfinite(means)
        columns = seen[name][:, told]
        z = (columns.mean(0) - means[told]) / (columns.std(0, ddof=1) / chains**0.5)
        assert np.all(np.abs(z) <= allowed), f"{name}: z = {z.round(2)}, allowed {allowed:.2f}"


def test_tokens_that_are_alive_are_counted() -> None:
    for name in ("counts", "loop"):
        run = getattr(importlib.import_module("benchmarks.categorical"), name)
        alive = run(50, 40, np.random.default_rng(0), tokens=4, n=6)["alive"]
        assert np.all(np.diff(alive) <= 0) and alive.min() == 1


def test_a_contender_takes_its_turns_and_one_that_fails_says_why() -> None:
    contender = race.Contender("gaussian d=1 replace", "statistics", 1, 0, 60)
    try:
        assert contender.heard() == {"ready": True}
        first, second = contender.turn(), contender.turn()
        assert min(first["per_s"], second["per_s"], second["peak_mb"]) > 0
    finally:
        contender.end()
    contender = race.Contender("gaussian d=1 replace", "nobody", 1, 0, 60)
    try:
        with pytest.raises(race.Absent, match=r"^ended with code 1: ValueError.*"):
            contender.heard()
    finally:
        contender.end()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing"], "--only nothing"),
        (["--repeats", "0"], "--repeats 0"),
        (["--device-count", "-1"], "--device-count -1"),
        (["--least", "2"], "--least 2"),
        (["--timeout", "0"], "--timeout 0"),
        (["--check", "{tmp}/none.json"], "none.json"),
        (["--check", "{tmp}/words.json"], "is not JSON"),
        (["--check", "{tmp}/other.json"], "no list of rows"),
        (["--out", "{tmp}/no/rows.json"], "no folder"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.json").write_text("words")
    (tmp_path / "other.json").write_text('[{"work": 1}]')
    with pytest.raises(SystemExit) as stopped:
        command.main([each.format(tmp=tmp_path) for each in arguments])
    assert stopped.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert words in said


def test_a_check_names_the_ratios_that_have_fallen(capsys: pytest.CaptureFixture[str]) -> None:
    stored = [{"work": name, "against": "loop", "ratio": 10.0, "note": None} for name in ("a", "b", "c", "d")]
    now = json.loads(json.dumps(stored))
    now[0]["ratio"], now[1]["ratio"], now[2]["ratio"], now[2]["note"] = 6.1, 5.9, None, "why"
    assert command.checked(now, stored, 0.6, sys.stdout) == 1
    assert capsys.readouterr().out.splitlines() == [
        "FALLEN b against loop: 5.9, was 10",
        "NOT MEASURED c against loop: why",
        "3 ratios compared, 1 below 0.6 of what they were",
    ]
    assert command.checked(now[:1], stored, 0.6, sys.stdout) == 0
