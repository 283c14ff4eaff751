"""The questions of `plan`: each answer is what theory says, in words and in numbers; what cannot be asked is refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from modelcollapse import cli, theory
from modelcollapse.questions import regimes
from modelcollapse.theory.pilot import design

RUNS = [(1000, 0, 2.0105, 1e-3), (0, 2000, 2.0295, 1e-3), (1000, 500, 2.0094, 1e-3), (10000, 0, 2.001, 1e-3)]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    seen = capsys.readouterr()
    return int(stop.value.code or 0), seen.out, seen.err


def test_questions_are_answered_by_their_theorems(capsys: pytest.CaptureFixture[str]) -> None:
    """Alone, or beside a plan: the numbers are those of theory."""
    options = ("--real", "200", "--synthetic", "300", "--count", "3", "--retain", "0.9", "--rare", "0.01")
    answers = json.loads(run(capsys, "plan", *options, "--json")[1])["answers"]
    assert [(each["option"], each["theorems"]) for each in answers] == [
        ("count", ["extinction-time"]),
        ("retain", ["min-real"]),
        ("rare", ["absence"]),
    ]
    seen, retained, rare = answers
    corpus, even = theory.Categorical.from_counts([3, 197]), theory.Categorical([0.5, 0.5])
    assert seen["median"] == theory.extinction_time(corpus, theory.Replace(300, real=200))[0]
    assert seen["nine_of_ten"] == theory.extinction_time(corpus, theory.Replace(300, real=200), 0.9)[0]
    assert retained["fresh_real"] == theory.min_real(even, theory.FreshReal(1, 300), 0.9)
    assert retained["fixed_real"] == theory.min_real(even, theory.FixedReal(1, 300), 0.9)
    assert rare["fresh_real"] == theory.min_real_present(theory.FreshReal(1, 300), 0.01)
    assert all(each["assumptions"] for each in answers)
    code, out, _ = run(capsys, "plan", *options, "--vocabulary", "50")
    assert code == 0 and "fixedreal" in out
    for each in answers:
        assert " ".join(each["answer"].split()) in " ".join(out.split())


@pytest.fixture
def runs(tmp_path: Path) -> str:
    """Four pilot runs in a csv."""
    path = tmp_path / "runs.csv"
    path.write_text("real,synthetic,loss,error\n" + "".join(",".join(map(str, run)) + "\n" for run in RUNS))
    return str(path)


def asked(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    """The answers, for machines; every one is printed in the same words for people."""
    code, out, err = run(capsys, "plan", *options, "--json")
    assert (code, err) == (0, "")
    answers: list[dict[str, Any]] = json.loads(out)["answers"]
    printed = " ".join(run(capsys, "plan", *options)[1].split())
    for each in answers:
        assert " ".join(each["answer"].split()) in printed
        assert each["assumptions"] and each["theorems"]
    return answers


def test_pilot_runs_say_how_much_to_mix_and_what_a_contamination_does(
    capsys: pytest.CaptureFixture[str], runs: str
) -> None:
    piloted, contaminated, together = asked(
        capsys, "--pilot", runs, "--real", "2000", "--contamination", "0.001", "--sources", "5"
    )
    pilot = theory.estimate_worth(RUNS)
    worth = pilot.worth.value
    assert (piloted["worth"], piloted["worth_low"], piloted["worth_high"]) == pilot.worth
    source = theory.Source(worth)
    best = theory.optimal_share(2000, source)
    assert (piloted["best_share"], piloted["best_synthetic"]) == best
    assert piloted["harmless_share"] == theory.harmless_share(2000, source).share
    assert piloted["error_left"] == pytest.approx(1 - best.share / 2, rel=1e-12)
    share = theory.at_limits(pilot, lambda each: theory.optimal_share(2000, each).share)
    assert (piloted["best_share_low"], piloted["best_share_high"]) == share[1:]
    estimated = (pilot.floor.value, pilot.variance.value, pilot.bias.value)
    assert (piloted["floor"], piloted["floor_low"], piloted["floor_high"]) == pilot.floor
    assert piloted["loss_best"] == pytest.approx(design(2000, best.synthetic) @ estimated, rel=1e-12)
    assert piloted["loss_real_alone"] == pytest.approx(design(2000, 0) @ estimated, rel=1e-12)
    assert f"{piloted['loss_best']:.6g}, of real data alone" in piloted["answer"]
    assert f"{estimated[0]:.6g} (with chance" in piloted["answer"]
    told = theory.contamination(source, 0.001)
    assert (contaminated["onset"], contaminated["plateau"]) == told[:2]
    assert together["worth_independent"] == pytest.approx(5 * worth)
    assert together["worth_same"] == worth


def test_losses_to_expect_of_few_real_samples_and_of_unknown_many(
    capsys: pytest.CaptureFixture[str], runs: str
) -> None:
    """Where more and more is best the loss tends to the bias above the floor; three runs without errors have no limits."""
    (some,) = asked(capsys, "--pilot", runs, "--real", "2")
    pilot = theory.estimate_worth(RUNS)
    assert some["best_share"] == 1 and some["loss_best"] == pytest.approx(
        pilot.floor.value + pilot.bias.value, rel=1e-12
    )
    assert "loss_best" not in asked(capsys, "--pilot", runs)[0]
    Path(runs).write_text("real,synthetic,loss\n" + "".join(",".join(map(str, run[:3])) + "\n" for run in RUNS[:3]))
    (three,) = asked(capsys, "--pilot", runs, "--real", "2000")
    assert (three["floor_low"], three["floor_high"]) == (None, None) and "with chance" not in three["answer"]


def test_only_what_no_program_can_check_is_printed_as_granted(capsys: pytest.CaptureFixture[str]) -> None:
    """Once each, without options where every question takes it; machines get all assumptions."""
    options = ("plan", "--retain", "0.9", "--rare", "0.1", "--real", "9", "--synthetic", "9")
    out = run(capsys, *options)[1]
    records = json.loads(run(capsys, *options, "--json")[1])["answers"]
    every = {text for each in records for text in each["assumptions"]}
    granted = out.split("Taken for granted")[1]
    found = re.findall(r"^  - (?:(--.*?): )?(.*)$", granted, re.MULTILINE)
    assert len(found) == 3 and every >= {text.strip() for _, text in found} and len(every) > 5
    assert [of for of, _ in found] == ["", "", "--rare"]
    assert "the family is Categorical" in every and "Categorical" not in out
    assert len(granted) < len(out.split("Taken for granted")[0])


def test_a_worth_says_how_much_to_mix(capsys: pytest.CaptureFixture[str]) -> None:
    """More than twice the real data: the more the better; else the least error is 1 - share/2 of that without."""
    (much,) = asked(capsys, "--worth", "1000", "--real", "300")
    assert (much["best_share"], much["best_synthetic"]) == (1, "inf") and much["error_left"] == pytest.approx(0.3)
    (little,) = asked(capsys, "--worth", "1000", "--real", "5000")
    assert little["best_share"] == 0.1 and little["error_left"] == pytest.approx(0.95)
    assert "500/N" in asked(capsys, "--worth", "1000")[0]["answer"]


@pytest.mark.parametrize(
    ("sizes", "found"), [("200", (1, 334, 125)), ("500,500", (1, 0, 0)), ("800,500", (332, "inf", "inf"))]
)
def test_teachers(capsys: pytest.CaptureFixture[str], sizes: str, found: tuple[Any, ...]) -> None:
    (taught,) = asked(capsys, "--teacher", sizes, "--real", "500")
    assert (taught["at_least"], taught["samples"]) == found[:2]
    assert not found[1] or taught["best"] == found[2]
    real, *shared = map(int, sizes.split(","))
    helpful = theory.helpful_synthetic(theory.Categorical([0.5, 0.5]), 500, theory.Teacher(real, *shared))
    assert taught["at_least"] == helpful.at_least


@pytest.mark.parametrize(("chances", "pays"), [("0.9,0.2", True), ("0.5,0.2", False)])
def test_a_verifier_pays_or_does_not(capsys: pytest.CaptureFixture[str], chances: str, pays: bool) -> None:
    (verified,) = asked(capsys, "--verifier", chances, "--accuracy", "0.75")
    told = theory.verification(0.75, theory.Verifier(*map(float, chances.split(","))))
    assert verified["pays"] is pays is bool(told.pays)
    assert (verified["threshold"], verified["kept_accuracy"]) == (told.threshold, told.kept_accuracy)
    assert ("worse than none" in verified["answer"]) is not pays
    (alone,) = asked(capsys, "--verifier", chances)
    assert alone["threshold"] == told.threshold and "pays" not in alone


def test_when_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    (stopped,) = asked(capsys, "--stop", "0.5,3,1")
    assert (stopped["rounds"], stopped["error"], stopped["limit"]) == theory.stopping_round(0.5, 3.0, 1.0)
    assert "Do not start" in asked(capsys, "--stop", "0.5,1,3,9")[0]["answer"]
    assert "Never" in asked(capsys, "--stop", "0.5,1,0")[0]["answer"]


@pytest.mark.parametrize(("share", "where"), [("0.1", "safe."), ("0.4", "between"), ("0.9", "collapse")])
def test_a_temperature_has_a_window(capsys: pytest.CaptureFixture[str], share: str, where: str) -> None:
    (tempered,) = asked(capsys, "--temperature", "0.5", "--vocabulary", "100", "--share", share)
    window = theory.temperature_window(100, 0.5)
    assert (tempered["collapsed_from"], tempered["stable_to"]) == window[:2]
    assert where in tempered["answer"].split("Your")[1] and tempered["verdict"] in tempered["answer"]
    assert "No token" in asked(capsys, "--temperature", "1.5", "--vocabulary", "100")[0]["answer"]


def test_samples_of_too_little_variance(capsys: pytest.CaptureFixture[str]) -> None:
    (narrowed,) = asked(capsys, "--multiplier", "0.7", "--real", "1000", "--share", "0.5")
    told = theory.sampling_bias(theory.Gaussian(unbiased=True), theory.FreshReal(1000, 1), 0.7)
    assert (narrowed["best"], narrowed["most"], narrowed["most_limit"]) == (told.best, told.most, told.most_limit)
    assert narrowed["spread_kept"] == theory.spread_kept(0.5, 0.7)


def test_curation_amplifies(capsys: pytest.CaptureFixture[str]) -> None:
    (curated,) = asked(capsys, "--curation", "1,inf,0.02", "--share", "0.3")
    curation = theory.Curation(1.0, math.inf)
    assert curated["runaway_share"] == theory.runaway_share(curation)
    assert curated["settles"] == theory.curated_share(0.02, 0.3, curation)
    assert asked(capsys, "--curation", "1")[0]["runaway_share"] == theory.runaway_share(theory.Curation(1.0, 2))


def test_a_detector_pays_by_what_it_adds(capsys: pytest.CaptureFixture[str]) -> None:
    (detected,) = asked(capsys, "--detector", "0.95,0.05", "--share", "0.7")
    assert detected["detector"] == theory.information(0.7, theory.Detector(0.95, 0.05))
    assert (detected["unknown"], detected["records"]) == pytest.approx((0.09, 0.3), rel=1e-14)
    assert detected["gain"] == detected["detector"] - detected["unknown"]


def test_a_stream_turns_at_one_half(capsys: pytest.CaptureFixture[str]) -> None:
    (below,) = asked(capsys, "--stream", "0.25", "--real", "20", "--generations", "200")
    assert below["error_ratio"] == 2 and below["edge"] == 0.5
    f = theory.Categorical([0.5, 0.5])
    assert below["ratio_by_then"] == pytest.approx(theory.stream_error(f, 20, 0.25, 200) * 4000 / f.v, rel=1e-14)
    assert "logarithm" in asked(capsys, "--stream", "0.5")[0]["answer"]
    assert "power 0.6" in asked(capsys, "--stream", "0.7")[0]["answer"]
    assert "nothing is learnt" in asked(capsys, "--stream", "1")[0]["answer"]


def test_what_has_collapsed_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    (back,) = asked(capsys, "--recover", "0.1", "--real", "20", "--synthetic", "80")
    assert back["generations"] == theory.recovery_time(theory.Categorical([0.5, 0.5]), theory.FreshReal(20, 80), 0.1)


def test_every_regime_has_its_own_least_share(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (phases,) = asked(capsys, "--phases", "--vocabulary", "100", "--out", str(tmp_path))
    window = theory.temperature_window(100, 0.7)
    assert (phases["temperature"]["0.7"], phases["recover"]["0.7"]) == (1 - window.stable_to, 1 - window.collapsed_from)
    assert phases["curation_many"] == pytest.approx(1 - math.exp(-1), rel=1e-14)
    assert (tmp_path / "phases.png").stat().st_size > 10_000
    found = regimes.diagram(100)
    assert (found.whole < found.back).all() and (found.pairs <= found.many).all()
    middle = theory.temperature_window(100, found.temperature[100])
    assert (found.whole[100], found.back[100]) == pytest.approx(
        (1 - middle.stable_to, 1 - middle.collapsed_from), rel=1e-12
    )
    assert math.isnan(found.nominal(0.95, 0.1)) and found.nominal(0.9, 0.1) == 1


def test_a_budget_buys_what_is_worth_its_price(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--budget", "total=1000,real=1,synthetic=0.25", "--worth", "40", "--generations", "1")
    answers = json.loads(run(capsys, "plan", *options, "--json")[1])["answers"]
    (bought,) = (each for each in answers if each["option"] == "budget")
    best = theory.optimal_purchase(1000, 1, 0.25, theory.Source(40))
    assert bought["bought"] == [{"real": round(best.real), "source": round(best.synthetic), "own": 0, "verified": 0}]
    assert bought["least"] == pytest.approx(best.error, rel=1e-6)
    assert "purchase" in bought["theorems"]


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["plan", "--retain", "1.5"], ["--retain 1.5", "from 0 to 1"]),
        (["plan", "--retain", "1"], ["--retain 1", "below 1"]),
        (["plan", "--rare", "0"], ["--rare 0", "above 0"]),
        (["plan", "--count", "5"], ["--count 5", "--real N"]),
        (["plan", "--count", "50", "--real", "20"], ["--count 50", "from 1 to 19"]),
        (["plan", "--count", "5", "--real", "100", "--zipf", "1"], ["--vocabulary is missing"]),
        (["plan", "--corpus", "builtin:pydoc", "--order", "1", "--rare", "0.1"], ["--rare 0.1", "leave it out"]),
        (["plan", "--pilot", "no/such.csv"], ["no/such.csv", "cannot be read"]),
        (["plan", "--verifier", "1.2,0.2"], ["--verifier 1.2,0.2: 1.2:", "from 0 to 1"]),
        (["plan", "--verifier", "0.9"], ["--verifier 0.9", "0.9,0.2"]),
        (["plan", "--verifier", "0,0.2"], ["--verifier 0,0.2", "above 0"]),
        (["plan", "--verifier", "0.9,0.2", "--accuracy", "7"], ["--accuracy 7", "from 0 to 1"]),
        (["plan", "--accuracy", "0.7"], ["--accuracy 0.7", "--verifier"]),
        (["plan", "--worth", "3", "--share", "0.7"], ["--share 0.7", "--temperature"]),
        (["plan", "--worth", "-3"], ["--worth -3", "0 or more"]),
        (["plan", "--contamination", "0.1"], ["--contamination 0.1", "--worth"]),
        (["plan", "--contamination", "1", "--worth", "9"], ["--contamination 1", "below 1"]),
        (["plan", "--sources", "5"], ["--sources 5", "--worth"]),
        (["plan", "--sources", "0", "--worth", "5"], ["--sources 0", "at least 1"]),
        (["plan", "--teacher", "100"], ["--teacher 100", "--real"]),
        (["plan", "--teacher", "100,200", "--real", "300"], ["--teacher 100,200", "no more than"]),
        (["plan", "--stop", "1,2"], ["--stop 1,2", "0.5,3,1"]),
        (["plan", "--stop", "0.5,-1,1"], ["--stop 0.5,-1,1", "above 0"]),
        (["plan", "--temperature", "0.8"], ["--temperature 0.8", "--vocabulary"]),
        (["plan", "--temperature", "0", "--vocabulary", "9"], ["--temperature 0", "above 0"]),
        (["plan", "--temperature", "0.8", "--vocabulary", "1"], ["--vocabulary 1", "at least 2"]),
        (["plan", "--multiplier", "0.7"], ["--multiplier 0.7", "--real"]),
        (["plan", "--multiplier", "2", "--real", "10"], ["--multiplier 2", "at most 1"]),
        (["plan", "--detector", "0.9,0.1"], ["--detector 0.9,0.1", "--share"]),
        (["plan", "--detector", "0.9,1.1", "--share", "0.5"], ["--detector 0.9,1.1: 1.1", "from 0 to 1"]),
        (["plan", "--stream", "1.5"], ["--stream 1.5", "from 0 to 1"]),
        (["plan", "--recover", "0.1"], ["--recover 0.1", "--real"]),
        (["plan", "--recover", "0", "--real", "9"], ["--recover 0", "above 0"]),
        (["plan", "--budget", ""], ["--budget", "total=1000"]),
        (["plan", "--budget", "total=0"], ["--budget total=0", "above 0"]),
        (["plan", "--budget", "total=0.5"], ["--budget total=0.5", "too little"]),
        (["plan", "--budget", "total=9,gold=1"], ["--budget total=9,gold=1: gold=1:", "real, synthetic"]),
        (["plan", "--budget", "total=9,real=x"], ["--budget total=9,real=x: real=x:", "number"]),
        (["plan", "--budget", "total=nan,real=1"], ["--budget total=nan,real=1: total=nan:", "above 0"]),
        (["plan", "--budget", "total=9,real=0"], ["--budget total=9,real=0: real=0:", "above 0"]),
        (["plan", "--budget", "total=9,training=-1"], [": training=-1:", "at least 0"]),
        (["plan", "--budget", "total=1e30"], ["--budget total=1e30", "2^53"]),
        (["plan", "--budget", "total=100", "--correction", "0.5,0"], ["--correction 0.5,0", "above 0"]),
        (["plan", "--budget", "total=100", "--generations", "1e6"], ["--generations 1e6", "at most 24"]),
        (["plan", "--budget", "total=100", "--correction", "2,9"], ["--correction 2,9", "nearer"]),
        (["plan", "--budget", "total=100", "--at-least", "5000"], ["--at-least 5000", "at most 990"]),
        (["plan", "--worth", "50", "--real", "1e30"], ["--real 1e30", "at most 9,007,199,254,740,992"]),
        (["plan", "--worth", "1e30"], ["--worth 1e30", "9,007,199,254,740,992", "inf"]),
        (["plan", "--worth", "nan"], ["--worth nan", "inf"]),
        (["plan", "--rare", "1e-320", "--real", "9"], ["--rare 1e-320", "at least 1e-15"]),
        (["plan", "--contamination", "1e-320", "--worth", "9"], ["--contamination 1e-320", "from 0 to 1"]),
        (["plan", "--stop", "1e-320,3,1"], ["--stop 1e-320,3,1: 1e-320:", "at least 1e-15"]),
        (["plan", "--worth", "9", "--real", "1e-320"], ["--real 1e-320", "whole number"]),
        (["plan", "--count", "1e30", "--real", "9"], ["--count 1e30", "at most"]),
        (["plan", "--rare", "0.1", "--real", "9", "--synthetic", "1e30"], ["--synthetic 1e30", "at most"]),
        (["plan", "--stream", "0.3", "--real", "9", "--generations", "1e30"], ["--generations 1e30", "at most"]),
        (["plan", "--teacher", "100,x", "--real", "9"], ["--teacher 100,x: x:", "number"]),
        (["plan", "--phases", "--vocabulary", "1"], ["--vocabulary 1", "at least 2"]),
        (["plan", "--multiplier", "0.5", "--real", "1"], ["--real 1", "at least 2"]),
        (["plan", "--count", "1", "--real", "1"], ["--real 1", "at least 2"]),
        (["plan", "--train", "5", "--retain", "0.5"], ["--train 5", "--real is missing"]),
        (["plan", "--worth", "9", "--at-least", "5"], ["--at-least 5", "--budget"]),
        (["plan", "--curation", "1,2.5"], ["--curation 1,2.5", "second number", "whole"]),
        (["plan", "--curation", "1,2,3"], ["--curation 1,2,3", "third number", "from 0 to 1"]),
        (["plan", "--worth", "9", "--synthetic", "10"], ["--synthetic 10", "--count"]),
        (["plan", "--worth", "9", "--tolerance", "0.2"], ["--tolerance 0.2", "plan"]),
        (["plan", "--curation", "1,1"], ["--curation 1,1", "second number", "at least 2"]),
        (["plan", "--curation", "1,2", "--share", "1"], ["--share 1", "below 1"]),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], fragments: list[str]
) -> None:
    code, out, err = run(capsys, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    for each in fragments:
        assert each in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--rare 0.5 --real 1 --synthetic 1", "1 synthetic one,"),
        ("--worth 3 --real 1", "Beside 1 real sample,"),
        ("--worth 1", "a source worth 1 real sample?"),
        ("--recover 0.1 --real 1 --synthetic 1", "after 1 generation,"),
        ("--teacher 1 --real 1", "A teacher of 1 real sample, none"),
        ("--stream 0.1 --real 1 --generations 1", "After 1 batch of"),
        ("--retain 0.01 --synthetic 1", "1 new one in every generation"),
        ("--stop 0.5,3,2", "After 1 round:"),
        ("--contamination 0.5 --worth 0.25 --real 1", "0.14 synthetic ones are best"),
        ("--real 2 --vocabulary 1 --synthetic 1", "of 1 token,"),
        ("--real 2 --vocabulary 2 --synthetic 1", "after about 1 generation "),
    ],
)
def test_one_is_not_many(capsys: pytest.CaptureFixture[str], options: str, words: str) -> None:
    assert words in " ".join(run(capsys, "plan", *options.split())[1].split())


@pytest.mark.parametrize(("rows", "fragment"), [(1, "three"), (2, "three")])
def test_a_pilot_file_with_too_few_runs_is_refused(
    capsys: pytest.CaptureFixture[str], runs: str, rows: int, fragment: str
) -> None:
    Path(runs).write_text("\n".join(Path(runs).read_text().splitlines()[: rows + 1]))
    code, out, err = run(capsys, "plan", "--pilot", runs)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--pilot" in err and fragment in err
