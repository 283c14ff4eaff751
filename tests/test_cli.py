"""The command line: what people and machines get, and what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from rich.console import Console

from modelcollapse import cli, plan, problem, report, theory
from modelcollapse.questions import option_of
from modelcollapse.theory.ledger import FORMS

TEXT = "the cat sat on the mat and the dog sat on the log while a bird sang " * 40
RARE = "once upon midnight dreary"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    seen = capsys.readouterr()
    return int(stop.value.code or 0), seen.out, seen.err


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "notes.txt"
    path.write_text(TEXT)
    return str(path)


def test_the_plan_of_a_text_is_what_python_says(capsys: pytest.CaptureFixture[str], text: str) -> None:
    code, out, err = run(capsys, "plan", "--corpus", text, "--tolerance", "0.1", "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    _, counts = np.unique(TEXT.split(), return_counts=True)
    size = int(counts.sum())
    assert record["real"] == size
    family = theory.Categorical.from_counts(counts)
    expected: dict[str, theory.Workflow] = {
        "replace": theory.Replace(size, real=size),
        "fixedreal": theory.FixedReal(size, size),
        "freshreal": theory.FreshReal(size, size),
        "accumulate": theory.Accumulate(size, size),
        "accumulatesubsample": theory.AccumulateSubsample(size, size, train=size),
    }
    assert record["workflows"].keys() == expected.keys()
    for name, workflow in expected.items():
        row, generations = record["workflows"][name], record["generations"]
        np.testing.assert_allclose(row["error"], theory.error(family, workflow, generations), rtol=1e-12)
        np.testing.assert_allclose(row["gain"], theory.gain(family, workflow, generations), rtol=1e-12)
        np.testing.assert_allclose(row["survivors"], theory.survivors(family, workflow, generations), rtol=1e-12)
        assert float(row["limit"]) == theory.gain_limit(family, workflow)
        safe = theory.max_synthetic(family, workflow, 0.1)
        assert row["diversity"] == pytest.approx(theory.diversity(family, workflow, generations), rel=1e-12)
        assert row["theorems"]["survivors"] == theory.explain(theory.survivors, family, workflow).name
        kept = name in ("fixedreal", "accumulate")
        assert row["survivors_are"] == ("exactly" if kept else "at least")
        found = row["safe"]
        assert (found["at_least"], float(found["samples"]), found["fraction"]) == (
            safe.at_least,
            safe.samples,
            safe.fraction,
        )
        assert row["assumptions"]


def test_the_rest_of_the_plan_is_what_python_says(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--real", "600", "--vocabulary", "40", "--synthetic", "900", "--train", "300", "--generations", "6")
    record = json.loads(run(capsys, "plan", *options, "--json")[1])
    assert (record["real"], record["synthetic"], record["train"], record["generations"]) == (
        600,
        900,
        300,
        [1, 2, 3, 4, 5, 6],
    )
    family = theory.Categorical(1 / np.arange(1, 41) / sum(1 / np.arange(1, 41)))
    assert record["real_only_error"] == pytest.approx(family.v / 600, rel=1e-12)
    assert record["collapse_time"]["replace"] == pytest.approx(
        theory.collapse_time(family, theory.Replace(900, real=600)), rel=1e-12
    )
    best = theory.optimal_weight(family, theory.FreshReal(600, 900))
    found = record["workflows"]["freshreal"]["optimal_weight"]
    assert (found["weight"], found["error"]) == pytest.approx(tuple(best), rel=1e-12)
    rows = record["workflows"]
    once = theory.Categorical.from_counts([599, 1])  # a token seen once, under Replace
    alone = theory.survivors(once, theory.Replace(900, real=600), [2, 6]) - 1
    assert [rows["replace"]["seen_once_alive"][place] for place in (1, 5)] == pytest.approx(alone, rel=1e-9)
    assert rows["fixedreal"]["seen_once_alive"] == [1.0] * 6
    again = np.array(rows["freshreal"]["seen_once_alive"])
    assert again[-1] > 1 - np.exp(-1)  # the newest real set finds it again with at least that chance


def test_the_printed_plan_shows_the_numbers_of_the_json(capsys: pytest.CaptureFixture[str], text: str) -> None:
    record = json.loads(run(capsys, "plan", "--corpus", text, "--synthetic", "900", "--json")[1])
    code, out, _ = run(capsys, "plan", "--corpus", text, "--synthetic", "900")
    assert code == 0
    lines = [
        re.split(r"\s{2,}", line.strip())
        for line in out.splitlines()
        if line.strip().split(" ")[0] in record["workflows"]
    ]
    tables = {(place // 5, cells[0]): cells[1:] for place, cells in enumerate(lines)}
    assert len(lines) == 10
    for name, row in record["workflows"].items():
        second, last, limit, safe, share, yours = tables[0, name]
        inside = row["safe"]["at_least"] <= 900 <= float(row["safe"]["samples"])
        assert yours == ("safe" if inside else "not safe")
        shown = [report.number(each) for each in (row["gain"][1], row["gain"][-1], float(row["limit"]))]
        assert [second, last, limit] == shown
        least = row["safe"]["at_least"]
        edge = least / (record["real"] + least) if least else row["safe"]["fraction"]
        samples = float(row["safe"]["samples"])
        assert (
            share == "any share" if np.isinf(samples) and not least else share.endswith(f"{edge:.1%}") or share == "0 %"
        )
        assert (safe == "none") == (samples == 0)
        if np.isfinite(samples) and samples:
            assert safe == f"up to {samples:,.0f}"
        known = [each.removeprefix("≥ ") for each in tables[1, name][:4]]
        assert known == [report.number(round(row["survivors"][place], 1)) for place in (0, 1, 4, 9)]
        sign = "≥ " if row["seen_once_alive_are"] == "at least" else ""
        assert tables[1, name][4] == sign + f"{row['seen_once_alive'][-1]:.1%}"
    words = " ".join(out.split())
    limits = {name: report.number(float(row["limit"])) for name, row in record["workflows"].items()}
    assert f"keeping all of it by at most {limits['accumulate']} ever" in words
    assert f"the error settles at {limits['freshreal']} of real data alone" in words
    assert f"error of one fit on the real data {report.number(record['real_only_error'])}" in words


def test_the_printed_plan_shows_how_rare_words_are_lost(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where most words are seen once no two generations have the same number of them."""
    (tmp_path / "rare.txt").write_text("a b c d a b a a e f g h i j k l m n")
    options = ("plan", "--corpus", str(tmp_path / "rare.txt"), "--synthetic", "9")
    record, out = json.loads(run(capsys, *options, "--json")[1]), run(capsys, *options)[1]
    row = record["workflows"]["replace"]
    shown = [report.number(round(row["survivors"][place], 1)) for place in (0, 1, 4, 9)]
    assert len(set(shown)) == 4 and shown[0] == "14"
    lost = [line.split() for line in out.splitlines() if line.split()[:1] == ["replace"]][1]
    assert lost[1:5] == shown
    words = " ".join(out.split())
    assert f"replacing it multiplies the error by {report.number(row['gain'][-1])} by generation 10;" in words


def test_the_printed_verdicts_show_prediction_and_observation_in_their_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = json.loads(run(capsys, "verify", "replace/equal", "--chains", "500", "--json")[1])["verdicts"][0]
    out = run(capsys, "verify", "replace/equal", "--chains", "500")[1]
    cells = next(line for line in out.splitlines() if line.strip().startswith("replace/equal ")).split()
    assert cells[3:5] == [f"{record['predicted']:.4g}", f"{record['observed']:.4g}"]


def test_a_plan_by_order_is_what_python_says_of_the_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "text.jsonl"
    path.write_text("".join(json.dumps({"text": TEXT[i : i + 640]}) + "\n" for i in range(0, 2560, 640)))
    options = ("plan", "--corpus", str(path), "--order", "1", "--synthetic", "5000", "--generations", "3")
    record = json.loads(run(capsys, *options, "--json")[1])
    letters = sorted(set(TEXT[:2560].encode()))
    tokens = np.array([letters.index(each) + 1 for each in TEXT[:2560].encode()]).reshape(-1, 64)
    made = plan.plan_order(tokens, 1, vocabulary=len(letters) + 1, synthetic=5000, generations=3)
    assert (record["real"], record["contexts"], record["pairs"]) == (2560, made.contexts, made.pairs)
    for row in made.rows:
        assert record["workflows"][row.name]["gain"] == pytest.approx(row.gain, rel=1e-12)
        assert record["workflows"][row.name]["alive"] == pytest.approx(row.alive, rel=1e-12)
    code, out, _ = run(capsys, *options)
    assert code == 0
    line = next(line for line in out.splitlines() if line.strip().startswith("replace "))
    assert line.split()[1] == report.number(made.rows[0].gain[1])
    fewer = ("plan", "--corpus", str(path), "--order", "1", "--synthetic", "300", "--generations", "3")
    (_, second, third) = json.loads(run(capsys, *fewer, "--json")[1])["workflows"]["replace"]["alive"]
    line = next(line for line in run(capsys, *fewer)[1].splitlines() if line.strip().startswith("replace "))
    assert line.replace("≥ ", "").split()[-3:-1] == [report.number(round(each)) for each in (second, third)]
    assert round(second) != round(third)
    for wrong in (["--order", "3"], ["--order", "1", "--unit", "words"], ["--order", "1", "--generations", "1e6"]):
        code, out, err = run(capsys, "plan", "--corpus", str(path), *wrong)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert run(capsys, "plan", "--order", "1")[0] == 2


def test_a_corpus_is_generation_one_unless_it_is_said_to_be_the_truth(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    Path(text).write_text(TEXT + RARE)
    conditional = json.loads(run(capsys, "plan", "--corpus", text, "--json")[1])
    truth = json.loads(run(capsys, "plan", "--corpus", text, "--json", "--as-truth")[1])
    vocabulary = len(set(TEXT.split())) + len(RARE.split())
    assert conditional["workflows"]["replace"]["survivors"][0] == vocabulary
    assert truth["workflows"]["replace"]["survivors"][0] < vocabulary
    size = conditional["real"]
    ratio = conditional["real_only_error"] / truth["real_only_error"]
    assert ratio == pytest.approx(size / (size - 1), rel=1e-12)


def test_a_plan_for_given_numbers_needs_neither_jax_nor_matplotlib() -> None:
    code = (
        "import sys; from modelcollapse import cli\n"
        "try: cli.main(['plan', '--real', '1000', '--vocabulary', '50', '--json'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print([each for each in ('jax', 'matplotlib', 'scipy', 'rich.table') if each in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["real"] == 1000


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["plan"], ["--real is missing", "--corpus"]),
        (["plan", "--real", "100"], ["--vocabulary is missing"]),
        (["plan", "--real", "0", "--vocabulary", "5"], ["--real 0", "at least 1"]),
        (["plan", "--real", "1", "--vocabulary", "5"], ["--real 1", "at least 2"]),
        (["plan", "--real", "1e20", "--vocabulary", "5"], ["--real 1e20", "2^53"]),
        (["verify", "accumulate", "--chains", "100000000"], ["chains=100000000", "fewer at a time"]),
        (["plan", "--real", "-3", "--vocabulary", "5"], ["--real -3", "at least 1"]),
        (["plan", "--real", "2.5", "--vocabulary", "5"], ["--real 2.5", "whole"]),
        (["plan", "--real", "nan", "--vocabulary", "5"], ["--real nan", "finite"]),
        (["plan", "--real", "many", "--vocabulary", "5"], ["--real many", "number"]),
        (["plan", "--real", "100", "--vocabulary", "1e12"], ["--vocabulary 1e12", "at most"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--zipf", "-1"], ["--zipf -1", "from 0"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--synthetic", "0"], ["--synthetic 0", "at least 1"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--tolerance", "0"], ["--tolerance 0", "above 0"]),
        (
            ["plan", "--real", "100", "--vocabulary", "5", "--tolerance", "some"],
            ["--tolerance some", "such as 0.1 or 10%"],
        ),
        (["plan", "--rare", "1e-30"], ["--rare 1e-30: give a probability above 0, at least 1e-15, and below 1, "]),
        (["plan", "--rare", "0"], ["--rare 0: give a probability above 0"]),
        (["plan", "--contamination", "1e-30"], ["--contamination 1e-30: ", "0 or at least 1e-15"]),
        (["plan", "--snapshots", ""], ['--snapshots "": give two files']),
        (["plan", "--pilot", ""], ['--pilot "": name a csv']),
        (["plan", "--recover", "%"], ["--recover %: give a number, such as 0.1 or 10%"]),
        (
            ["plan", "--real", "100", "--vocabulary", "5", "--tolerance", "inf"],
            ["--tolerance inf", "at most 1,000,000"],
        ),
        (["plan", "--real", "100", "--vocabulary", "5", "--generations", "1.5"], ["--generations 1.5", "whole"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--generations", "1e9"], ["--generations 1e9", "at most"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--train", "101"], ["--train 101", "at most 100 points"]),
        (["plan", "--corpus", "builtin:pydoc", "--order", "7"], ["--order 7", "0, 1 or 2"]),
        (["plan", "--corpus", "no/such/file.txt"], ["--corpus no/such/file.txt: no such file"]),
        (["plan", "--corpus", "builtin:pydoc", "--real", "5"], ["--real 5", "leave"]),
        (["plan", "--corpus", "builtin:pydoc", "--unit", "letters"], ["--unit letters", "words or bytes"]),
        (["plan", "--corpus", "builtin:pydoc", "--zipf", "2"], ["--zipf 2", "leave"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--unit", "bytes"], ["--unit bytes", "--corpus"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--as-truth"], ["--as-truth", "--corpus"]),
        (["plan", "--real", "100", "--vocabulary", "5", "--tolerance", "1e300"], ["--tolerance 1e300", "at most"]),
        (["plan", "--real", "100", "--vocabulary", "1e7", "--generations", "500"], ["--generations 500", "20 gen"]),
        (["plan", "--nonsense"], ["--nonsense"]),
        (["theorems", "--family", "poisson"], ["--workflow is missing"]),
        (["theorems", "--workflow", "replace"], ["--family is missing"]),
        (["theorems", "--family", "poisson", "--workflow", "replace"], ["--synthetic is missing"]),
        (["theorems", "--family", "poisson", "--workflow", "fixd", "--real", "4"], ["--workflow fixd", "fixed-real"]),
        (["theorems", "--family", "cats", "--workflow", "fixed", "--real", "4"], ["--family cats", "categorical"]),
        (
            ["theorems", "--family", "gamma", "--mean", "1,2", "--workflow", "fixed", "--real", "4"],
            ["--mean 1,2", "one"],
        ),
        (
            ["theorems", "--family", "gamma", "--workflow", "fixed", "--real", "4", "--train", "3"],
            ["--train 3", "leave"],
        ),
        (["theorems", "--family", "gamma", "--workflow", "window", "--real", "4"], ["--real 4", "one size"]),
        (
            ["theorems", "--family", "gamma", "--workflow", "fixed", "--real", "4", "--latex"],
            ["--latex", "leave it out"],
        ),
        (
            ["theorems", "--family", "poisson", "--mean", "-1", "--workflow", "fixed", "--real", "4"],
            ["--mean -1", "above 0"],
        ),
        (
            ["theorems", "--family", "zipf", "--exponent", "1", "--workflow", "past", "--synthetic", "4"],
            ["--exponent 1:", "use --family categorical"],
        ),
        (
            ["theorems", "--family", "gamma", "--workflow", "fresh", "--real", "4", "--weight", "2"],
            ["--weight 2:", "0 and 1"],
        ),
        (
            ["theorems", "--family", "gamma", "--workflow", "subsample", "--real", "4", "--train", "9"],
            ["--train 9:", "most 4"],
        ),
        (["theorems", "acumulate"], ["modelcollapse: acumulate: ", "accumulate"]),
        (["theorems", "nosuch"], ["nosuch: no theorem of that name; perhaps no-free-lunch, purchase, "]),
        (["theorems", "--derivation"], ["--derivation", "name"]),
        (["theorems", "survivors", "--latex"], ["--latex: ", "survivors", "--derivation"]),
        (
            ["theorems", "drift-identity", "--code"],
            ["--code: drift-identity has no closed form of its own: see --derivation"],
        ),
        (["theorems", "replace", "--all"], ["--all: belongs to --family and --workflow: give them, or leave it out"]),
        (["verify", "nothing"], ["nothing"]),
        (["verify", "replace", "--all"], ["--all", "leave out replace"]),
        (["verify", "--all", "--corpus", "builtin:pydoc"], ["--all", "leave out --corpus builtin:pydoc"]),
        (["verify", "--chains", "1"], ["--chains 1", "at least 20"]),
        (["verify", "--seed", "-1"], ["--seed -1"]),
        (["verify", "--budget", "1"], ["--budget 1"]),
    ],
)
def test_bad_input_is_refused_in_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], arguments: list[str], fragments: list[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    for fragment in fragments:
        assert fragment in err


@pytest.mark.parametrize(
    ("option", "share", "same", "others"),
    [
        ("tolerance", "12.5%", "0.125", ["--vocabulary", "5"]),
        ("replaceable", "50 %", "0.5", []),
        ("recover", "7%", "0.07", ["--synthetic", "100"]),
    ],
)
def test_a_share_may_be_typed_in_percent(
    capsys: pytest.CaptureFixture[str], option: str, share: str, same: str, others: list[str]
) -> None:
    of = ("plan", "--real", "100", *others)
    code, out, _ = run(capsys, *of, f"--{option}", share, "--json")
    assert code == 0 and out == run(capsys, *of, f"--{option}", same, "--json")[1]


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["--temperature", "0"], ["--temperature 0:", "0.05"]),
        (["--real", "10"], ["--real 10", "one window"]),
        (["--real", "1e7"], ["--real 1e7: replace needs 156250", "fewer real ones, or a longer text"]),
        (
            ["--workflows", "fresh:0.5", "--real", "200000"],
            ["--real 200000: fresh:0.5 needs 15625 real windows", "a longer text"],
        ),
        (["--length", "100000", "--real", "1e6"], ["--length 100000:", "longest document"]),
        (["--bpe", "100000"], ["--bpe 100000:", "ask for at most that many"]),
        (["--heads", "3"], ["--width 64:", "multiple of 6"]),
        (["--filter", "magic"], ["--filter magic", "likelihood"]),
        (["--filter", "likelihood:0.9:0.1"], ["--filter likelihood:0.9:0.1:", "below high"]),
        (["--filter", "classifier:2"], ["--filter classifier:2:", "between 0 and 1"]),
        (["--grid", "64:99999999"], ["--grid 64:99999999:", "at most 64 times"]),
        (["--corpus", "hf:"], ["hf:", "name a data set"]),
        (["--grid", "5"], ["--grid 5", "colon"]),
        (["--grid", "99999:64"], ["--grid 99999:64:", "teacher"]),
        (["--grid", "640,640:64"], ["--grid 640,640:64:", "different"]),
        (["--grid", "64:5"], ["--grid 64:5:", "one window"]),
        (["--top-p", "0"], ["--top-p 0:", "above 0"]),
        (["--generations", "1"], ["--generations 1:", "at least 2"]),
        (["--generations", "1e9"], ["--generations 1e9:", "at most 1,000"]),
        (["--seeds", "0"], ["--seeds 0", "at least 1"]),
        (["--seed", "-1"], ["--seed -1", "from 0"]),
        (["--calibration", "5"], ["--calibration 5:", "at most 4"]),
        (["--workflows", "fixed:1.5"], ["--workflows fixed:1.5", "below 1"]),
        (["--workflows", "gone.json"], ["--workflows gone.json", "No such file"]),
        (["--corpus", "gone.txt"], ["gone.txt", "no such file"]),
        (["--processes", "-1"], ["--processes -1"]),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_one_line_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], fragments: list[str]
) -> None:
    code, out, err = run(capsys, "train", *arguments, "--out", str(tmp_path / "out"))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    for fragment in fragments:
        assert fragment in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("empty.txt", b"", "empty"),
        ("picture.txt", b"\x89PNG\x00\x01\x02", "UTF-8"),
        ("rows.jsonl:body", b'{"text": "a b"}\n', "body"),
        ("counts.csv", b"token,count\na,-3\n", "-3"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes, fragment: str
) -> None:
    (tmp_path / name.split(":")[0]).write_bytes(content)
    code, out, err = run(capsys, "plan", "--corpus", str(tmp_path / name))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert fragment in err


@pytest.mark.parametrize(
    ("option", "named", "content", "fragment"),
    [
        ("pilot", "runs.csv", "real,synthetic,loss\n", "it has no runs"),
        ("pilot", "runs.csv", "real,fake,error\n1,2,3\n", "its first line lacks synthetic and loss: name the columns"),
        ("pilot", "runs.csv", "real,synthetic,loss,real\n", "names real more than once"),
        ("pilot", "runs.csv", "", "it is empty"),
        ("corpus", "rows.jsonl:x", '{"text": "a", "body": "b"}\n', "name one of 'text', 'body'\n"),
        ("corpus", "table.csv", "a,b,c\n", "line 1 is 'a,b,c': keep two"),
        (
            "corpus",
            "table.csv",
            "a,9007199254740993\n",
            "table.csv: line 1 counts '9007199254740993': give a whole number",
        ),
        (
            "snapshots",
            "table.csv,table.csv,trained",
            "a,9007199254740993\nb,2\n",
            "table.csv: line 1 counts '90071992547",
        ),
        (
            "order=1 --corpus",
            "one.txt",
            "a b\n",
            "one.txt: its longest document has 4 bytes: --order takes one of at least 64",
        ),
        ("snapshots", "one.txt,one.txt", "a\0b", "or count --unit bytes, which takes any file\n"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, named: str, content: str, fragment: str
) -> None:
    (tmp_path / named.split(",")[0].split(":")[0]).write_text(content)
    path = ",".join(each if each == "trained" else str(tmp_path / each) for each in named.split(","))
    code, out, err = run(capsys, "plan", *f"--{option}".split(), path)
    assert (code, out, err.count("\n")) == (2, "", 1) and fragment in err, err


def test_generations_too_many_for_snapshots_are_blamed_and_not_the_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    before.write_text("token,count\na,50\nb,50\nc,1\n")
    after.write_text("token,count\na,90\nb,10\n")
    err = run(capsys, "plan", "--snapshots", f"{before},{after},trained", "--generations", "1e9")[2]
    assert err.startswith("modelcollapse: --generations 1e9: ") and "up to 10,000,000" in err


def test_every_theorem_is_listed_and_can_be_shown_with_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(run(capsys, "theorems", "--json")[1])["theorems"]
    assert [each["name"] for each in listed] == [each.name for each in theory.theorems()]
    for each in listed:
        shown = json.loads(run(capsys, "theorems", each["name"], "--derivation", "--json")[1])
        assert shown["derivation"], each["name"]
        assert shown["sources"] and shown["assumptions"]
        assert all(case["name"].startswith(each["name"] + "/") and case["derivation"] for case in shown["cases"])
    replaced = json.loads(run(capsys, "theorems", "replace", "--derivation", "--json")[1])
    growing = json.loads(run(capsys, "theorems", "replace/growing", "--derivation", "--json")[1])
    assert replaced["cases"][1] == growing
    code, out, _ = run(capsys, "theorems", "fixed-real", "--derivation")
    assert code == 0
    assert "One generation" in out and "why it differs" in out
    code, out, _ = run(capsys, "theorems", "safe-amount", "--latex")
    cases = {"fixed-real": "", "fresh-real": ""} | dict.fromkeys(
        ("replace", "accumulate", "accumulate-subsample"), ": no closed form of its own"
    )
    headed = sorted(f"safe-amount/{case}{what}" for case, what in cases.items())
    assert code == 0 and sorted(line[2:] for line in out.splitlines() if line.startswith("% ")) == headed
    code, out, _ = run(capsys, "theorems", "safe-amount", "--code")
    assert code == 0 and out.count("import mpmath") == 1
    assert sorted(line[2:] for line in out.splitlines() if line.startswith("# ")) == [
        each for each in headed if ":" in each
    ]
    made: dict[str, Any] = {}
    exec(out, made)
    safe = theory.max_synthetic(theory.Categorical([0.5, 0.5]), theory.FixedReal(100, 100), 0.1).samples
    assert int(made["safe_amount_fixed_real"](N=100, epsilon=0.1, v_2=-1)) == safe
    code, out, _ = run(capsys, "theorems", "safe-amount")
    assert code == 0 and all(f"safe-amount/{each}" in out for each in ("replace", "accumulate", "accumulate-subsample"))
    assert out.count("assumes: the workflow goes on for ever") == 1  # what all cases assume is said once
    alone = run(capsys, "theorems", "safe-amount/accumulate")[1]
    assert alone.count("assumes: the workflow goes on for ever") == 1


def test_formulas_are_wrapped_for_a_terminal_and_whole_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = run(capsys, "theorems", "temporal-size", "--derivation")[1]
    formula = max(piped.splitlines(), key=len).strip()
    assert len(formula) > 1000 and formula.split(" = ")[-1] in map(
        str, (step.expression for step in theory.ledger.named("temporal-size").derivation)
    )
    monkeypatch.setattr(report, "console", lambda: Console(width=80, force_terminal=True, color_system=None))
    seen = run(capsys, "theorems", "temporal-size", "--derivation")[1]
    assert max(map(len, seen.splitlines())) <= 80 and formula.replace(" ", "") in "".join(seen.split())
    lines = seen.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("     " + formula[:20]))
    assert lines[start + 1].startswith(" " * 9) and lines[start + 1][9] != " "


@pytest.mark.parametrize(
    ("name", "letter", "meaning"),
    [
        ("curated-share", "K", "choices: how many samples one is kept of"),
        ("curated-share", "y", "share of the favoured trait before curation"),
        ("verification/threshold", "a", "r^2 chi: merit of a generated label"),
        ("verification/threshold", "M", "budget: number of generated labels"),
        ("strong-collapse", "phi", "covariates that a model sees over its labels, k/M"),
        ("sliding-window", "K", "models: how many of the last models a window draws from"),
    ],
)
def test_a_letter_means_what_it_means_there(
    capsys: pytest.CaptureFixture[str], name: str, letter: str, meaning: str
) -> None:
    shown = run(capsys, "theorems", name, "--derivation")[1]
    letters = next(line for line in shown.split("letters: ")[1:]).split("sources: ")[0]
    assert f"{letter}: {meaning}" in " ".join(letters.split())
    assert "_phi" not in shown


def test_every_meaning_of_one_theorem_is_of_a_letter_on_its_page() -> None:
    """And no page explains a letter by what it may be elsewhere."""
    from modelcollapse.report import _letters
    from modelcollapse.theory.symbols import MEANING, THERE

    forms = {one.name: one for each in theory.theorems() for one in each.forms}
    pages = {name: _letters(one, derivation=True) for name, one in forms.items()}
    for name, own in THERE.items():
        assert own.keys() <= pages[name].keys(), (name, own.keys() - pages[name].keys())
    assert not any(MEANING[letter] in page.values() for page in pages.values() for letter in ("k", "y"))


def test_the_list_explains_its_letters_before_the_first_theorem(capsys: pytest.CaptureFixture[str]) -> None:
    first = run(capsys, "theorems")[1].split(theory.theorems()[0].name)[0]
    assert all(
        f" {letter}: " in first.replace("\n", " ") for letter in ("theta", "G", "a", "k", "V", "v_2", "T", "N", "n")
    )


def test_only_errors_have_their_unit_and_every_letter_of_a_step_is_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for each in ("safe-amount", "absence", "verification/regeneration"):
        assert "closed form: " in (out := run(capsys, "theorems", each)[1]) and "units of" not in out
    assert "closed form (units of v(theta) = V): " in run(capsys, "theorems", "fixed-real")[1]
    short, long = (run(capsys, "theorems", "temporal-size", *more)[1] for more in ((), ("--derivation",)))
    meaning = "chance that three samples of a model have ancestors"
    assert meaning not in " ".join(short.split()) and meaning in " ".join(long.split())


def test_the_theorems_of_a_problem_are_what_python_says(capsys: pytest.CaptureFixture[str]) -> None:
    options = (
        "--family",
        "categorical",
        "--vocabulary",
        "50",
        "--workflow",
        "fresh-real",
        "--real",
        "100",
        "--synthetic",
        "1e3",
    )
    record = json.loads(run(capsys, "theorems", *options, "--json")[1])
    expected = theory.applicability(theory.Categorical(np.full(50, 1 / 50)), theory.FreshReal(100, 1000))
    assert record["theorems"] == [each.as_record() for each in expected]
    assert (record["family"], record["workflow"]) == ("Categorical", "FreshReal")
    assert record["applies"] == len({each.name.split("/")[0] for each in expected if each.applies})
    code, out, _ = run(capsys, "theorems", *options, "--all")
    holding, others = out.split("The others do not")
    first = [line.split()[0] for line in holding.splitlines() if line.startswith(" ") and line.strip()][2:]
    assert code == 0 and first == [each.name for each in expected if each.applies]
    assert all(f" {each.name} " in others for each in expected if not each.applies)
    short = run(capsys, "theorems", *options)[1]
    many, hold = sum(not each.applies for each in expected), len({each.split("/")[0] for each in first})
    assert many + hold == len(theory.theorems()) and f": {hold} of {many + hold} theorems hold there\n" in short
    gaussian = run(capsys, "theorems", "--family", "gaussian", "--workflow", "replace", "--real", "100")[1]
    rows = [line for line in gaussian.splitlines() if line.startswith(" ") and line.strip()][2:]
    assert f": 6 of {many + hold} theorems hold there, in {len(rows)} cases\n" in gaussian and len(rows) == 10
    assert short.startswith(holding.rstrip()) and f"{many} others do not: --all shows why" in short
    assert (
        len(short.splitlines()) < 20
        and "categorical (vocabulary 50) under fresh-real (real 100, synthetic 1,000)" in short
    )
    asks = {each.name: option_of(each.name) for each in expected if not each.applies and each.theorem.needs}
    assert [asks[name] for name in ("worth", "pilot-runs", "temporal-size", "strong-collapse", "verification")] == [
        "--worth", "--pilot", "--snapshots", "--model-size", "--verifier"]  # fmt: skip
    assert all(f"modelcollapse plan {option} " in others for option in asks.values() if option)
    assert not re.search("FixedReal|FreshReal|SlidingWindow|Categorical|LinearRegression|KernelDensity", others)
    one = run(capsys, "theorems", "replace", *options)[1]
    assert "workflow is replace" in one and "replace does not hold there" in one and "others" not in one
    assert "survivors/thinning holds there\n" in run(capsys, "theorems", "survivors", *options)[1]
    none = run(capsys, "theorems", "--family", "logistic", "--workflow", "replace", "--real", "9")[1]
    assert f": none of {len(theory.theorems())} theorems hold there\n--all shows why" in none
    one = json.loads(run(capsys, "theorems", "replace", *options, "--json")[1])["theorems"]
    assert [(each["applies"], each["why_not"]) for each in one] == [(False, "it assumes that the workflow is Replace")]


@pytest.mark.parametrize(
    ("options", "workflow"),
    [
        ("--workflow replace --synthetic 9", theory.Replace(9)),
        ("--workflow replace --synthetic 9 --real 5", theory.Replace(9, real=5)),
        ("--workflow FixedReal --real 9", theory.FixedReal(9, 9)),
        ("--workflow fresh --real 9 --synthetic 5 --weight 0.4", theory.FreshReal(9, 5, 0.4)),
        ("--workflow accumulate --real 9 --synthetic 5", theory.Accumulate(9, 5)),
        ("--workflow subsample --real 9 --train 5", theory.AccumulateSubsample(9, 9, 5)),
        ("--workflow bootstrap --real 9", theory.AccumulateSubsample(9, 9, 9, replacement=True)),
        ("--workflow sliding-window --synthetic 9 --models 4", theory.SlidingWindow(9, 4)),
        ("--workflow past --synthetic 9", theory.RandomPast(9)),
    ],
)
def test_a_problem_is_named_as_elsewhere(options: str, workflow: theory.Workflow) -> None:
    words = options.split()
    given = {name.removeprefix("--"): text for name, text in zip(words[::2], words[1::2], strict=True)}
    assert problem.of({"family": "gaussian", "dimension": "2", **given}) == (theory.Gaussian(2), workflow)


def test_every_theorem_has_a_cell_in_verify_and_its_oracle_may_be_judged() -> None:
    from modelcollapse import simulate, trials, verify

    cells = verify.cells()
    assert list(dict.fromkeys(cell.theorem for cell in cells)) == [each.name for each in FORMS]
    for cell in cells:
        if isinstance(cell, trials.Trial):
            continue
        assumptions = verify.theorem_of(cell).assumptions
        assert all(each.holds(cell.family, cell.workflow) for each in assumptions), cell.theorem
        judged = simulate.judged(cell.family, cell.workflow, cell.generations)
        if cell.observable in judged and cell.relation == "=":
            allowed = judged[cell.observable]
            assert allowed[-1] if cell.last_only else allowed.all(), cell.theorem


def test_equations_bounds_and_leading_orders_are_verified(capsys: pytest.CaptureFixture[str]) -> None:
    """One theorem of each relation that there is."""
    from modelcollapse import trials, verify

    first = {cell.relation: cell for cell in verify.cells()[::-1] if isinstance(cell, verify.Cell)}
    assert set(first) == {"=", ">=", "<=", "~"}
    code, out, _ = run(capsys, "verify", *(cell.theorem for cell in first.values()), "--chains", "1000", "--json")
    found = {row["theorem"]: row for row in json.loads(out)["verdicts"]}
    assert code == 0 and all(found[cell.theorem]["relation"] == relation for relation, cell in first.items())
    wrong = replace(first[">="], means=lambda f, w, m: np.full(len(m), 1e9))
    assert not next(verify.verify((wrong,), chains=200)).passed
    coin = trials.Trial(
        "replace/equal",
        "a coin",
        "heads",
        lambda key, chains: jax.random.bernoulli(key, 0.5, (chains, 1)),
        lambda: [0.5],
    )
    assert next(verify.verify((coin,), chains=2000)).passed
    assert not next(verify.verify((replace(coin, means=lambda: [0.4]),), chains=2000)).passed


def test_words_of_a_text_are_verified_within_memory_and_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (
        "verify",
        "--corpus",
        "builtin:pydoc",
        "--unit",
        "words",
        "--samples",
        "2000",
        "--memory",
        "50MB",
        "--time",
        "20s",
    )
    code, out, _ = run(capsys, *options)
    assert code == 0 and "chosen:" in out and out.count("holds") + out.count("not judged") == 12 and "BROKEN" not in out
    code, out, _ = run(capsys, *options, "--chains", "200", "--json")
    chosen = json.loads(out)["chosen"]
    assert code == 0 and chosen["chains"] == 200 and chosen["memory"] <= 50e6 and chosen["batch"] < chosen["groups"]
    right = theory.error
    monkeypatch.setattr(theory, "error", lambda *given: 3 * right(*given))
    code, out, _ = run(capsys, *options, "--chains", "1000", "--time", "10min", "--json")
    broken = [each["workflow"] for each in json.loads(out)["verdicts"] if not each["passed"]]
    assert code == 1 and {"fixedreal", "accumulate"} <= set(broken)  # of the others few chains may carry the mean


def test_a_group_of_tokens_stands_for_all_of_its_count() -> None:
    """The sum over groups has the mean of the whole model: three tokens of one count and one of another, exactly."""
    from modelcollapse import token_groups

    counts = np.array([2, 2, 2, 4, 0])
    chosen, rows = token_groups.verify(counts, 6, 4000, 1e9, None, 1, 1e-3, lambda done, of: None)
    assert (chosen.tokens, chosen.words, chosen.groups) == (10, 4, 2)
    assert all(each.passed and each.judged for each in rows)
    first = next(each for each in rows if (each.workflow, each.observable) == ("accumulate", "alive"))
    assert first.predicted == pytest.approx(3 * (1 - 0.8**6) + 1 - 0.6**6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ("--unit words", "--unit words: says how a --corpus is read"),
        ("--corpus builtin:pydoc --unit words --order 1", "instead of --order"),
        ("--memory 1GB", "name their --unit"),
        ("--corpus builtin:pydoc --time 5s", "name their --unit"),
        ("--corpus builtin:pydoc --unit letters", "words or bytes"),
        ("--corpus builtin:pydoc --unit words --memory 1kB", "take"),
        ("--corpus builtin:pydoc --unit words --time 0.001s", "groups take about"),
        ("--corpus builtin:pydoc --unit words --chains 3", "at least 20"),
    ],
)
def test_limits_of_verify_are_refused_in_one_line(capsys: pytest.CaptureFixture[str], options: str, match: str) -> None:
    code, out, err = run(capsys, "verify", *options.split())
    assert code == 2 and not out and match in err and len(err.strip().splitlines()) == 1


def test_tables_of_a_text_are_verified_and_a_wrong_prediction_is_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("verify", "--corpus", "builtin:pydoc", "--order", "0", "--samples", "640", "--chains", "128")
    code, out, _ = run(capsys, *options)
    assert code == 0
    assert out.count("holds") == 6 and "BROKEN" not in out and "[sum (K - n p)^2 - n G]" in out
    right = theory.error
    monkeypatch.setattr(theory, "error", lambda *given: 2 * right(*given))
    code, out, _ = run(capsys, *options, "--json")
    assert code == 1
    assert [each["passed"] for each in json.loads(out)["tables"]] == [False] * 4
    for wrong in (["replace"], ["--samples", "5"], ["--order", "3"]):
        assert run(capsys, "verify", "--corpus", "builtin:pydoc", *wrong)[0] == 2
    assert run(capsys, "verify", "--order", "1")[0] == 2


def test_verify_fails_when_a_prediction_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, "verify", "replace", "--chains", "2000", "--json")
    assert code == 0
    assert json.loads(out)["verdicts"][0]["passed"]
    right = theory.error
    monkeypatch.setattr(theory, "error", lambda *given: 1.1 * right(*given))
    code, out, _ = run(capsys, "verify", "replace", "--chains", "2000", "--json")
    assert code == 1
    assert not json.loads(out)["verdicts"][0]["passed"]


@pytest.mark.parametrize(
    ("relation", "means"),
    [("=", {0.9: False, 1.0: True, 1.1: False}), (">=", {0.9: True, 1.0: True, 1.1: False}),
     ("<=", {0.9: False, 1.0: True, 1.1: True}), ("~", {0.8: False, 0.9: True, 1.0: True, 1.1: True, 1.2: False})],
)  # fmt: skip
def test_every_relation_of_verify_is_judged_on_its_side(relation: str, means: dict[float, bool]) -> None:
    """Replicates whose mean is 1 to one part in a hundred; of a leading order that leaves a tenth open."""
    from modelcollapse import verify
    from modelcollapse.trials import Trial

    def seen(key: Any, chains: int) -> np.ndarray:
        return 1 + np.random.default_rng(0).normal(size=(chains, 1))

    def verdicts(means: list[float]) -> list[verify.Verdict]:
        each = [
            Trial("worth", "", "error", seen, partial(list, [mean]), relation, lambda: np.array([0.1]))
            for mean in means
        ]
        return list(verify.verify(tuple(each), chains=10_000))

    together = verdicts(list(means))
    assert [each.passed for each in together] == list(means.values())
    assert all(
        each.threshold > verdicts([1.0])[0].threshold for each in together
    )  # they share the chance of a false alarm


def test_all_verifies_every_theorem_and_one_that_is_broken_ends_it_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelcollapse import verify

    every = verify.cells()
    asked: list[tuple[str, ...]] = []
    broken = -1

    def verified(selected: tuple[verify.Cell, ...], **given: Any) -> Iterator[verify.Verdict]:
        asked.append(tuple(each.theorem for each in selected))
        for place, each in enumerate(selected):
            yield verify.Verdict(each.theorem, "", "", "error", "=", 1, 1.0, 1.0, 0.1, 0.0, 5.0, place != broken)

    monkeypatch.setattr(verify, "verify", verified)
    for options in (["--all"], []):
        assert run(capsys, "verify", *options, "--json")[0] == 0
    broken = len(every) - 1
    for options in (["--all"], []):
        assert run(capsys, "verify", *options, "--json")[0] == 1
    assert asked == [tuple(each.theorem for each in every)] * 4


def test_pictures_and_results_are_written_where_asked(
    capsys: pytest.CaptureFixture[str], text: str, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, "plan", "--corpus", text, "--out", str(tmp_path / "new" / "folder"), "--json")
    files = [Path(each) for each in json.loads(out)["files"]]
    assert code == 0
    assert {each.name for each in files} == {"gain.png", "safe.png", "tokens.png", "plan.json"}
    assert all(each.stat().st_size > 1000 for each in files)
    assert json.loads(files[-1].read_text())["workflows"]


def test_an_output_folder_that_is_a_file_is_refused(
    capsys: pytest.CaptureFixture[str], text: str, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    code, _, err = run(capsys, "plan", "--corpus", text, "--out", str(taken))
    assert (code, err.count("\n"), taken.read_text()) == (2, 1, "mine")
    assert "--out" in err


def test_one_token_has_nothing_to_lose(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "plan", "--real", "10", "--vocabulary", "1")
    assert code == 0
    assert "nothing to lose" in out
    record = json.loads(run(capsys, "plan", "--real", "10", "--vocabulary", "3", "--synthetic", "1", "--json")[1])
    assert min(record["workflows"]["accumulatesubsample"]["survivors"]) >= 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_what_cannot_be_written_is_said_in_one_line() -> None:
    program = [sys.executable, "-m", "modelcollapse"]
    with open("/dev/full", "w") as full:
        done = subprocess.run([*program, "theorems"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "modelcollapse: the output cannot be written: No space left on device\n"
    options = ["plan", "--real", "100", "--vocabulary", "9"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    plain = subprocess.run([*program, *options], capture_output=True, text=True, env=ascii_only)
    assert (plain.returncode, plain.stderr) == (0, "")
    assert ">= " in plain.stdout


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "modelcollapse", "theorems"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None and program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 0


def test_ctrl_c_ends_a_plan_in_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "plan", stopped)
    assert run(capsys, "plan", "--real", "100", "--vocabulary", "9") == (130, "", "modelcollapse: stopped\n")


def test_ctrl_c_ends_a_simulation_at_once_in_one_line() -> None:
    command = [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
               "from modelcollapse import cli, verify\n"
               "import os, threading\n"
               "threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
               "cli.main(['verify', '--chains', '50000'])"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "modelcollapse: stopped\n")


def test_demo_refuses_before_it_works(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for arguments in (["--out", str(taken)], ["--out", str(tmp_path), "--chains", "1"]):
        code, out, err = run(capsys, "demo", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_training_without_its_libraries_names_the_extra(tmp_path: Path) -> None:
    program = "import sys\nsys.modules['flax'] = None\nfrom modelcollapse import cli\ncli.main(['train', '--out', sys.argv[1]])"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "modelcollapse: this needs the extra lm: pip install 'modelcollapse[lm]'\n"


def test_a_plan_takes_what_training_takes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"text": [TEXT, RARE]}), path)
    words, raw = ([*TEXT.split(), *RARE.split()], (TEXT + RARE).encode())
    for options, expected in (((), words), (("--unit", "bytes"), raw)):
        record = json.loads(run(capsys, "plan", "--corpus", str(path), *options, "--json")[1])
        assert (record["real"], record["source"]["vocabulary"]) == (len(expected), len(set(expected)))
    code, out, err = run(capsys, "plan", "--corpus", f"{path}:nothing")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"--corpus {path}:nothing" in err


def test_a_folder_keeps_the_results_of_other_commands(
    capsys: pytest.CaptureFixture[str], text: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.json").write_text("of a training run")
    assert run(capsys, "plan", "--corpus", text, "--out", str(out))[0] == 0
    assert (out / "result.json").read_text() == "of a training run"
    code, _, err = run(capsys, "plan", "--corpus", text, "--out", "")
    assert code == 2 and "--out" in err


def test_the_module_of_the_command_line_is_the_command() -> None:
    for module in ("modelcollapse", "modelcollapse.cli"):
        done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.strip()


def test_json_has_null_where_there_is_no_number() -> None:
    record = plan.finite({"a": [1.0, float("nan")], "b": np.array([np.inf, np.nan])})
    assert record == {"a": [1.0, None], "b": ["inf", None]}


def test_the_python_of_the_readme_runs() -> None:
    readme = (Path(__file__).resolve().parent.parent / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})


@pytest.mark.parametrize("size", [("100000", "1000"), ("2", "3")])
def test_tokens_that_are_nearly_all_one_are_planned_for_as_what_they_are(
    capsys: pytest.CaptureFixture[str], size: tuple[str, str]
) -> None:
    """The second of Zipf's tokens is 2^-100 as likely as the first: the diversity is 2^-99, and not that of one token."""
    arguments = ("plan", "--vocabulary", size[0], "--real", size[1], "--zipf", "100")
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "") and "One token only" not in out
    made = json.loads(run(capsys, *arguments, "--json")[1])
    assert made["real_only_error"] == pytest.approx(2.0**-99 / int(size[1]), rel=1e-12, abs=0)
