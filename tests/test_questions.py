"""The questions of `plan`: each answer is what theory says, in words and in numbers; what cannot be asked is refused."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from modelcollapse import budget as budgets
from modelcollapse import cli, report, theory
from modelcollapse.questions import ASKED, Known, regimes
from modelcollapse.snapshot_files import Snapshots
from modelcollapse.theory import ledger
from modelcollapse.theory.pilot import design
from modelcollapse.verify import Verdict

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


def test_the_page_of_questions_names_their_theorems() -> None:
    """Every option that is a question stands there, beside all theorems that the program says it is about."""
    rows = [line.split(" | ") for line in Path("docs/questions.md").read_text().splitlines() if line.startswith("| ")]
    said = {option[2:]: names for _, ways, names in rows for option in re.findall(r"(?<=`)--[a-z-]+", ways)}
    assert said.keys() >= {name.replace("_", "-") for name in ASKED}
    for name, question in ASKED.items():
        assert all(ledger.named(each).name == each for each in question.by)
        if name != "phases":  # one for each regime
            assert all(each in said[name.replace("_", "-")] for each in question.by), name


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
        own = ASKED[each["option"].replace("-", "_")].by
        assert own[0] in [name.partition("/")[0] for name in each["theorems"]]
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


def test_size_helps_or_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    """The errors at half, once and twice the size, and the best sizes; a share may be that of a contamination."""
    options = ("--real", "500", "--worth", "30")
    *_, sized = asked(capsys, "--model-size", "200,1000,2,10", *options, "--synthetic", "300")
    f, source = theory.LinearRegression(1000, signal=10.0), theory.Source(30.0)
    for name, size, synthetic in (("", 200, 300), ("_half", 100, 300), ("_double", 400, 300), ("_real_alone", 200, 0)):
        told = theory.strong_collapse_error(f, 500, synthetic, size, source, 2.0)
        assert sized[f"misses{name}"] == pytest.approx(told.error / 10, rel=1e-14)
    best, alone = (theory.best_model_size(f, 500, synthetic, source, 2.0).features for synthetic in (300, 0))
    assert (sized["best_size"], sized["best_size_real_alone"]) == (best, alone) and best < alone < 200
    told = theory.strong_collapse_error(f, 500, 300, 200, source, 2.0)
    assert sized["amplification"] == pytest.approx(told.passed_on * 64 / 9, rel=1e-14)
    assert "A smaller one does better" in sized["answer"] and "below the threshold of 800" in sized["answer"]
    contaminated, large = asked(capsys, "--model-size", "900,1000", *options, "--contamination", "0.25")[1:]
    assert contaminated["option"] == "contamination" and large["synthetic"] == 167 and "beyond" in large["answer"]
    assert asked(capsys, "--model-size", "900,1000", *options, "--share", "0.25")[-1] == large
    assert "infinitely" in asked(capsys, "--model-size", "500,1000", *options, "--share", "0")[-1]["answer"]


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


def test_regenerate_or_use_again(capsys: pytest.CaptureFixture[str]) -> None:
    """So many real labels that generated and filtered ones are worth, alone and beside the real ones."""
    options = ("--verifier", "0.9,0.5", "--accuracy", "0.6", "--real", "1000")
    _, more = asked(capsys, "--regenerate", "9000", *options)
    told = theory.regeneration(0.6, theory.Verifier(0.9, 0.5), 1000, 9000)
    names = ("kept", "worth", "pooled", "weighed", "outweighs", "harmless")
    assert [more[name] for name in names] == pytest.approx(list(told), rel=1e-14)
    assert "more than your 1,000" in more["answer"] and more["worth"] > 1000 and "does harm below" in more["answer"]
    assert "no more than your" in asked(capsys, "--regenerate", str(int(told.outweighs)), *options)[1]["answer"]
    assert f"{math.ceil(told.outweighs):,} generated" in more["answer"]
    (_, wrong) = asked(capsys, "--regenerate", "9000", *options[:2], "--accuracy", "0.2", *options[4:])
    assert "use the real ones again" in wrong["answer"] and wrong["outweighs"] == "inf"


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
    assert detected["gain"] == pytest.approx(detected["detector"] - detected["unknown"], rel=1e-14)


def test_batches_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """By the exact gain, its bound, and that of a workflow without the old data."""
    (answer,) = asked(capsys, "--batches", "100,2000,50", "--real", "1000")
    f, sizes = theory.Categorical([0.4, 0.3, 0.3]), (100, 2000, 50)
    assert answer["gain"] == pytest.approx(theory.gain(f, theory.keep_all(1000, sizes), 4), rel=1e-12)
    assert answer["gain"] < answer["gain_upper_bound"] < answer["replaced"]
    assert answer["gain_upper_bound"] == pytest.approx(2 - 1000 / 3150, rel=1e-14)
    assert answer["replaced"] == pytest.approx(theory.gain(f, theory.Replace(sizes, real=1000), 4), rel=1e-12)
    assert answer["theorems"] == ["accumulate", "replace/growing"]


def test_own_samples_in_the_place_of_real_ones(capsys: pytest.CaptureFixture[str]) -> None:
    (many,) = asked(capsys, "--replaceable", "0.1")
    assert many["share"] == pytest.approx(math.sqrt(1 / 11), rel=1e-14)
    (few,) = asked(capsys, "--replaceable", "0.1", "--real", "50")
    f, count = theory.Categorical([0.5, 0.5]), few["samples"]
    assert count == math.floor(50 * theory.replaceable_share(f, 50, 0.1))
    limits = [theory.gain_limit(f, theory.FreshReal(50 - each, each)) * 50 / (50 - each) for each in (count, count + 1)]
    assert limits[0] <= 1.1 < limits[1]


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


EVEN, EXTINCT = theory.Categorical([0.5, 0.5]), theory.Replace(300, real=200)


def of_a_count() -> dict[str, Any]:
    corpus = theory.Categorical.from_counts([3, 197])
    median, late = (int(theory.extinction_time(corpus, EXTINCT, chance)[0]) for chance in (0.5, 0.9))
    lost = theory.loss_probability(corpus, EXTINCT, 2)[0]
    return {"median": median, "nine_of_ten": late, "lost_at_once": lost, "exact": True}


def of_a_rare_thing() -> dict[str, Any]:
    fresh = theory.min_real_present(theory.FreshReal(1, 300), 0.01)
    yours = theory.loss_probability_limit(theory.Categorical([0.01, 0.99]), theory.FreshReal(50, 300))[0]
    alone = math.ceil(math.log(0.05) / math.log(0.99))
    return {"absent": 0.05, "real_alone": alone, "synthetic": 300, "fresh_real": fresh, "yours_absent": yours}


def of_a_worth() -> dict[str, Any]:
    best, most = (each(5000, theory.Source(1000.0)) for each in (theory.optimal_share, theory.harmless_share))
    return {"worth": 1000.0, "real": 5000, "best_share": best.share, "best_synthetic": best.synthetic,
            "harmless_share": most.share, "harmless_synthetic": most.synthetic, "error_left": 0.95}  # fmt: skip


def of_a_contamination() -> dict[str, Any]:
    onset, plateau, floor = theory.contamination(theory.Source(50.0), 0.1)
    return {
        "share": 0.1,
        "worth": 50.0,
        "onset": onset,
        "plateau": plateau,
        "floor_real_equivalents": 1 / floor,
    }


def of_a_teacher() -> dict[str, Any]:
    found = theory.helpful_synthetic(EVEN, 500, theory.Teacher(200))
    left = found.error / theory.error(EVEN, theory.Replace(500), 1)
    return {"at_least": found.at_least, "samples": found.samples, "best": found.best, "error_left": left}


def of_a_verifier() -> dict[str, Any]:
    told = theory.verification(0.75, theory.Verifier(0.9, 0.2))
    names = ("threshold", "kept_accuracy", "keep_rate", "pays", "keep_wrong_most")
    return {"keep_right": 0.9, "keep_wrong": 0.2, "accuracy": 0.75, **{name: getattr(told, name) for name in names}}


def of_too_little_variance() -> dict[str, Any]:
    told = theory.sampling_bias(theory.Gaussian(unbiased=True), theory.FreshReal(1000, 1), 0.7)
    names = ("most", "best", "most_limit", "best_limit")
    return {"multiplier": 0.7, "real": 1000, **{name: getattr(told, name) for name in names}}


def of_phases() -> dict[str, Any]:
    cold = {str(each): theory.temperature_window(9, each) for each in (0.9, 0.7, 0.5)}
    pairs, many = (1 - theory.runaway_share(theory.Curation(1.0, each)) for each in (2, math.inf))
    return {
        "vocabulary": 9, "kept": 0.0, "fresh_real": theory.min_real(EVEN, theory.FreshReal(1, 3), 0.9), "stream": 0.5,
        "temperature": {heat: 1 - each.stable_to for heat, each in cold.items()},
        "recover": {heat: 1 - each.collapsed_from for heat, each in cold.items()},
        "curation_pairs": pairs, "curation_many": many,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "known", "numbers", "theorems", "fragments"),
    [
        ("count", 3, Known(real=200, synthetic=300), of_a_count, "extinction-time", ["tion 13", "tion 89", "1.074 %"]),
        ("rare", 0.01, Known(real=50, synthetic=300), of_a_rare_thing, "absence", ["299", "124", "17.75 %"]),
        ("retain", 0.9, Known(synthetic=300),
         lambda: {"fresh_real": theory.min_real(EVEN, theory.FreshReal(1, 300), 0.9), "synthetic": 300,
                  "fixed_real": theory.min_real(EVEN, theory.FixedReal(1, 300), 0.9)},
         "min-real", ["beside 300", "or 15 kept for good"]),
        ("worth", 1000.0, Known(real=5000), of_a_worth, "worth", ["556", "10 %", "95 %", "1,250 (20 %)"]),
        ("contamination", 0.1, Known(real=600, worth=50.0), of_a_contamination, "contamination",
         ["more than 556", "never better than 5,000 real samples", "5,000 samples, its error is still", "beyond the onset"]),
        ("sources", 4, Known(worth=30.0),
         lambda: {"sources": 4, "worth_each": 30.0, "worth_independent": 120.0, "worth_same": 30.0}, "worth", ["120"]),
        ("teacher", (200,), Known(real=500), of_a_teacher, "teacher", ["none of them", "up to 334", "125", "89.92 %"]),
        ("verifier", (0.9, 0.2), Known(accuracy=0.75), of_a_verifier, "verification",
         ["18.18 %", "keeps 72.5 %", "93.1 %", "better than none", "82.3 %"]),
        ("stop", (0.5, 3.0, 1.0), Known(), lambda: {"rounds": 2.0, "error": 0.75, "limit": 1.0}, "stopping-round",
         ["2 rounds:", "0.75", "goes to 1."]),
        ("stop", (0.5, 3.0, 2.0), Known(), lambda: {"rounds": 1.0, "error": 1.25, "limit": 2.0}, "stopping-round", ["1 round:"]),
        ("multiplier", 0.7, Known(real=1000), of_too_little_variance, "sampling-bias", ["84", "42", "91 and 46"]),
        ("curation", (1.0, 2.0, 0.05), Known(share=0.3),
         lambda: {"reward": 1.0, "choices": 2.0, "runaway_share": theory.runaway_share(theory.Curation(1.0)), "trait": 0.05,
                  "settles": theory.curated_share(0.05, 0.3, theory.Curation(1.0))},
         "curated-share", ["more than 68.39 %", "31.61 % real", "trait of 5 %"]),
        ("detector", (0.75, 0.25), Known(share=0.5),
         lambda: {"share": 0.5, "unknown": 0.25, "detector": 0.3125, "records": 0.5, "gain": 0.0625}, "effective-size",
         ["worth 0.25", "seen 0.3125", "records 0.5", "than 0.0625", "less than 0.25."]),
        ("stream", 0.25, Known(),
         lambda: {"share": 0.25, "edge": 0.5, "best_weights": 0.5625, "parametric": True, "error_ratio": 2.0},
         "contaminated-stream effective-size", ["tends to 2 times", "worth 0.5625"]),
        ("stream", 0.75, Known(), lambda: {"share": 0.75, "edge": 0.5, "best_weights": 0.0625, "parametric": False},
         "contaminated-stream effective-size", ["power 0.5", "worth 0.0625"]),
        ("recover", 0.1, Known(real=20, synthetic=80),
         lambda: {"real": 20, "synthetic": 80, "tolerance": 0.1, "generations": 13}, "recovery", ["within 10 %", "13"]),
        ("phases", "", Known(vocabulary=9, synthetic=3), of_phases,
         "accumulate min-real contaminated-stream optimal-weight temperature-window curated-share",
         ["30 % at 0.7", "31.61 % where one of two", "63.21 % of very many"]),
    ],
)  # fmt: skip
def test_an_answer_tells_every_number_of_its_theorem_and_no_other(
    option: str, value: Any, known: Known, numbers: Any, theorems: str, fragments: list[str]
) -> None:
    told = ASKED[option].ask(value, known)
    assert told.numbers == pytest.approx(numbers(), rel=1e-12) if option != "phases" else told.numbers == numbers()
    assert told.theorems == tuple(theorems.split())
    for each in fragments:
        assert each in told.answer


def test_a_verifier_does_not_pay_where_learners_end_up_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    (below,) = asked(capsys, "--verifier", "0.6,0.5", "--accuracy", "0.4")  # less wrong than without, and wrong
    (above,) = asked(capsys, "--verifier", "0.9,0.2", "--accuracy", "0.4")
    assert (below["pays"], above["pays"]) == (False, True)


@pytest.mark.parametrize(
    ("option", "value", "known", "said", "unsaid"),
    [
        ("verifier", (0.2, 0.9), Known(accuracy=0.7), "the verifier does the harm", "verified or not"),
        ("verifier", (0.2, 0.9), Known(accuracy=0.4), "verified or not", "does the harm"),
        ("regenerate", 9000, Known(real=1000, accuracy=0.7, verifier=(0.2, 0.9)), "unfiltered they teach as much as 1,440 real "
         "labels, more than your 1,000", "use the real ones again"),
        ("regenerate", 9000, Known(real=1000, accuracy=0.7, verifier=(0.5, 0.4)), "Leave the verifier out", "filter none"),
        ("regenerate", 9000, Known(real=1000, accuracy=0.7, verifier=(0.9, 0.2)), "more than your", "Leave the verifier out"),
        ("regenerate", 5000, Known(real=1000, accuracy=0.3, verifier=(0.5, 0.9)), "they teach what is wrong. The verifier makes "
         "them worse. Unfiltered they too teach what is wrong, as less than one half of them is right: use the real", "-8"),
        ("regenerate", 5000, Known(real=1000, accuracy=0.3, verifier=(0.9, 0.5)), "Unfiltered they too teach", "worse"),
        ("regenerate", 5000, Known(real=1000, accuracy=0.3, verifier=(0.7, 0.3)), "as many are right as wrong: they teach "
         "nothing. Unfiltered they teach what is wrong", "too"),
        ("regenerate", 5000, Known(real=1000, accuracy=0.7, verifier=(0.2, 0.9)), "the verifier's doing: filter none.", "too"),
        ("regenerate", 5000, Known(real=1000, accuracy=0.5, verifier=(0.4, 0.5)), "Unfiltered they teach nothing", "too"),
        ("regenerate", 5000, Known(real=1000, accuracy=0.0, verifier=(1.0, 0.0)), "0 are kept; there is nothing to learn", "nan"),
        ("verifier", (1.0, 0.0), Known(accuracy=0.0), "it keeps none, and there is nothing to learn from", "nan"),
        ("verifier", (0.5, 0.9), Known(accuracy=0.3), "verified or not; what the verifier keeps is wrong still", "does the"),
        ("curation", (40.0, 2.0, 0.0), Known(share=0.5), "a trait of 0 % in truth settles at 0 %.", "nan"),
        ("curation", (5.0, 2.0, 0.0), Known(share=0.7), "a trait of 0 % in truth settles at 0 %.", "56.56"),
        ("curation", (1.0, 2.0, 1.0), Known(share=0.5), "a trait of 100 % in truth settles at 100 %.", "100.0"),
        ("retain", 0.9999999999999999, Known(), "beside 9,007,199,254,740,992 synthetic ones", "inf"),
        ("retain", 0.9, Known(), "or 15 kept for good, beside any large number", "9,007,199,254,740,992"),
        ("detector", (1e-15, 1e-15), Known(share=0.7), "The detector never pays: it", "less for each item than -"),
        ("detector", (0.3, 0.3), Known(share=0.7), "Records pay where they cost less for each item than 0.21 of", "than 0 of"),
        ("detector", (0.9, 0.3), Known(share=0.0), "All items are of one kind: neither a detector nor records pay.", "less for"),
        ("worth", 0.25, Known(real=1), "Beside 1 real sample no synthetic one helps", "0.14"),
        ("worth", 1.0, Known(real=2), "1 synthetic one is best, 33.33 % of the data: the error is 88.89 % of that of real "
         "data alone; up to 2 are", "0.67"),  # (2 + 1)/9 + 1/9 = 4/9 of 1/2
        ("model_size", (200, 1000), Known(real=500, worth=30.0, synthetic=300), "None is best: no model errs less than "
         "predicting the mean", "No model does better than any"),
        ("model_size", (400, 1000), Known(real=500, worth=30.0, synthetic=300), "misses 13.77 times the signal", "times of"),
        ("model_size", (1000, 1000), Known(real=500, worth=30.0, synthetic=300), "; one of 500 ", "one of 1,000"),
        ("model_size", (1, 1), Known(real=500, worth=30.0, synthetic=300), "of the signal. With", "one of 1"),
        ("model_size", (800, 1000), Known(real=500, worth=30.0, synthetic=300), "infinitely many times the signal", "much"),
        ("model_size", (200, 1000, 2, 10), Known(real=500, worth=30.0, synthetic=300), "A smaller one does better: best are 16 "
         "covariates, with which it misses 50.8", "Best are"),
        ("curation", (1.0, 2.0, 0.2), Known(), "a trait of 20 % in truth settles depends on the share", "settles at"),
        ("curation", (1.0, 3.0, 0.2), Known(), "Where it settles is known for one of 2", "--share"),
        ("curation", (1.0, 3.0), Known(), "A rare trait takes over where", "--share"),
        ("curation", (1.0, 2.0, 0.2), Known(share=0.3), "settles at", "--share"),
        ("worth", 0.0, Known(), "None is best", "0/N"),
        ("contamination", 0.1, Known(worth=0.0), "harms a corpus of any size, without bound", "smaller ones it helps"),
        ("worth", 0.0, Known(real=9), "None is best", "no worse"),
        ("sources", 1, Known(worth=3.0), "3 real samples: one source alone", "nothing in common"),
        ("regenerate", 1, Known(real=1, accuracy=1.0, verifier=(1.0, 0.0)), "Of 1 generated label, 100 % right, 1 is kept; they "
         "teach as much as 1 real one, no more than your 1, which 1 generated one equals", "1 generated ones"),
        ("temperature", 0.8, Known(vocabulary=2), "less than 80 % of the data is synthetic; above that one does", "Between them"),
        ("temperature", 0.8, Known(vocabulary=3), "Between them the past decides", "above that"),
        ("multiplier", 0.7, Known(real=1000), "in one dimension: the squared distance of the means and", "the more the better"),
        ("multiplier", 1.0, Known(real=1000), "1,000 new real samples in every generation the more the better.", "any number"),
        ("multiplier", 0.01, Known(real=1000), "up to 12 are no worse than none, and 6 are best", "the more the better"),
        ("multiplier", 0.5, Known(real=2), "any number is no worse than none, and 11 are best", "up to any"),
    ],
)  # fmt: skip
def test_an_answer_says_what_holds_and_nothing_else(
    option: str, value: Any, known: Known, said: str, unsaid: str
) -> None:
    told = ASKED[option].ask(value, known).answer
    assert said in told and unsaid not in told


@pytest.mark.parametrize(
    ("budget", "known", "said", "unsaid"),
    [
        ("total=100", Known(), ["real 1, synthetic 0.1, verification 0, training 0.", "Spend all 100 and",
         "Planned for 3 generations", "all real, kept: 0.01, the same"], ["of which", "1 times", "source:"]),
        ("total=100.05,real=3", Known(generations=1, worth=30.0), ["source: samples of the source from outside",
         " of 100.05 and"], ["own:", "Planned for"]),
        ("total=100", Known(generations=2, worth=7.0, correction=theory.Correction(0.75, 9.0)), ["The source is worth 7 real",
         "a kept one has 0.25 times the variance of a real one"], []),
        ("total=100", Known(generations=2, at_least=300), ["own: samples of the pipeline's own models"], ["source:"]),
    ],
)  # fmt: skip
def test_a_budget_says_what_was_assumed_and_what_its_words_mean(
    budget: str, known: Known, said: list[str], unsaid: list[str]
) -> None:
    told = ASKED["budget"].ask(budgets.read(budget), known).answer
    assert [each for each in said if each not in told] == [each for each in unsaid if each in told] == []
    prices = budgets.read("total=100,training=0.5,verification=2").in_words
    assert prices == "Prices of an item: real 1, synthetic 0.1, verification 2, training 0.5."


@pytest.mark.parametrize(
    ("option", "value", "known", "fragment"),
    [
        ("count", 20, Known(real=20), "InputError"),  # all that there is never goes
        ("count", 19, Known(real=20), "never reaches 9/10"),
        (
            "count",
            1,
            Known(real=3),
            "reaches 1/2 in generation 4 and never reaches 9/10;",
        ),  # 8/27, 0.436, 0.517, ... to 2/3
        ("count", 5, Known(real=100_000), "9/10 in generation 94 at the earliest"),  # by thinning: a bound
        ("contamination", 0.1, Known(real=500, worth=50.0), "below the onset"),
        ("verifier", (0.5, 0.5), Known(accuracy=0.5), "not above the threshold"),
        ("verifier", (0.5, 0.5), Known(accuracy=0.5 + 1e-12), "none"),
        ("temperature", 0.5, Known(vocabulary=2, share=0.5), "alike: at the edge"),  # both ends are one half
        ("temperature", 0.5, Known(vocabulary=9, share=0.1, alike=False), "does not hold for them"),
        ("temperature", 0.5, Known(vocabulary=9, share=0.1, alike=True), "alike: safe"),
        ("curation", (1.0, 3.0), Known(share=0.3), "known for one of 2"),
    ],
)
def test_answers_turn_where_their_theorems_do(option: str, value: Any, known: Known, fragment: str) -> None:
    if fragment == "InputError":
        with pytest.raises(theory.InputError):
            ASKED[option].ask(value, known)
    else:
        assert fragment in ASKED[option].ask(value, known).answer


def test_only_a_teacher_of_the_same_data_is_no_free_lunch() -> None:
    theorems = [ASKED["teacher"].ask(sizes, Known(real=500)).theorems for sizes in ((500, 500), (500,), (500, 400))]
    assert ["no-free-lunch" in each for each in theorems] == [True, False, False]


@pytest.mark.parametrize(("error", "told"), [(2e-4, False), (1e-4, True)])
def test_pilot_runs_are_called_a_bad_fit_where_they_are(error: float, told: bool) -> None:
    answer = ASKED["pilot"].ask([(*run[:3], error) for run in RUNS], Known())  # misfit 0.25 and 0.02
    assert ("fit the law badly" in answer.answer) is told is (answer.numbers["misfit"] < 0.05)


@pytest.mark.parametrize(
    ("known", "given"),
    [
        (Known(), (3, {"source": None, "verifier": None, "at_least": None})),
        (Known(worth=0.0), (3, {"source": None, "verifier": None, "at_least": None})),  # such a source says nothing
        (
            Known(worth=9.0, generations=5, correction=theory.Correction(0.5, 40.0), at_least=7),
            (5, {"source": theory.Source(9.0), "verifier": theory.Correction(0.5, 40.0), "at_least": 7}),
        ),
    ],
)
def test_a_budget_is_planned_with_all_that_is_known(
    monkeypatch: pytest.MonkeyPatch, known: Known, given: tuple[int, dict[str, Any]]
) -> None:
    def optimise(budget: Any, generations: int, **rest: Any) -> None:
        assert (budget.total, generations, rest) == (100.0, *given)
        raise theory.InputError("asked")

    monkeypatch.setattr("modelcollapse.budget.optimise", optimise)
    with pytest.raises(theory.InputError, match="asked"):
        ASKED["budget"].ask(budgets.read("total=100"), known)


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
        (["plan", "--model-size", "5"], ["--model-size 5", "200,1000"]),
        (["plan", "--model-size", "5,9"], ["--model-size 5", "--real"]),
        (["plan", "--model-size", "5,9", "--real", "9"], ["--model-size 5", "--worth"]),
        (["plan", "--model-size", "5,9", "--real", "9", "--worth", "3"], ["--model-size 5", "--contamination"]),
        (["plan", "--model-size", "9,5", "--real", "9", "--worth", "3"], ["--model-size 9,5", "at most all 5"]),
        (
            ["plan", "--model-size", "5,9,-1", "--real", "9", "--worth", "3", "--share", "0.1"],
            ["--model-size 5,9,-1", "alike"],
        ),
        (
            ["plan", "--model-size", "5,9,1,0", "--real", "9", "--worth", "3", "--share", "0.1"],
            ["--model-size 5,9,1,0", "coeff"],
        ),
        (["plan", "--model-size", "5,9", "--real", "9", "--worth", "3", "--share", "1"], ["--share 1", "below 1"]),
        (["plan", "--sources", "5"], ["--sources 5", "--worth"]),
        (["plan", "--sources", "0", "--worth", "5"], ["--sources 0", "at least 1"]),
        (["plan", "--teacher", "100"], ["--teacher 100", "--real"]),
        (["plan", "--teacher", "100,200", "--real", "300"], ["--teacher 100,200", "no more than"]),
        (["plan", "--regenerate", "5"], ["--regenerate 5", "--real"]),
        (["plan", "--regenerate", "5", "--real", "9"], ["--regenerate 5", "--verifier"]),
        (["plan", "--regenerate", "5", "--real", "9", "--verifier", "0.9,0.2"], ["--regenerate 5", "--accuracy"]),
        (["plan", "--regenerate", "0"], ["--regenerate 0", "at least 1"]),
        (["plan", "--stop", "1,2"], ["--stop 1,2", "0.5,3,1"]),
        (["plan", "--stop", "0.5,-1,1"], ["--stop 0.5,-1,1", "above 0"]),
        (["plan", "--temperature", "0.8"], ["--temperature 0.8", "--vocabulary"]),
        (["plan", "--temperature", "0", "--vocabulary", "9"], ["--temperature 0", "above 0"]),
        (["plan", "--temperature", "0.8", "--vocabulary", "1"], ["--vocabulary 1", "at least 2"]),
        (["plan", "--multiplier", "0.7"], ["--multiplier 0.7", "--real"]),
        (["plan", "--multiplier", "2", "--real", "10"], ["--multiplier 2", "at most 1"]),
        (["plan", "--detector", "0.9,0.1"], ["--detector 0.9,0.1", "--share"]),
        (["plan", "--detector", "0.9,1.1", "--share", "0.5"], ["--detector 0.9,1.1: 1.1", "from 0 to 1"]),
        (["plan", "--batches", "5,6"], ["--batches 5,6", "--real"]),
        (["plan", "--batches", "5,0", "--real", "9"], ["--batches 5,0: 0", "at least 1"]),
        (["plan", "--batches", "5,x", "--real", "9"], ["--batches 5,x: x", "number"]),
        (["plan", "--replaceable", "0"], ["--replaceable 0", "above 0"]),
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
        (["plan", "--curation", "inf"], ["--curation inf: give a reward from -300 to 300"]),
        (["plan", "--curation", "301,2"], ["--curation 301,2: 301: give a reward from -300 to 300"]),
        (
            ["plan", "--budget", "total=100", "--correction", "0.5,-1"],
            ["--correction 0.5,-1", "second number", "above 0"],
        ),
        (
            ["plan", "--batches", "500,9007199254740992", "--real", "9"],
            ["9,007,199,254,741,492 samples in all", "together"],
        ),
        (
            ["plan", "--model-size", "200,1000001", "--real", "9", "--worth", "9", "--share", "0.1"],
            ["--model-size 200,1000001: more than 1,000,000 covariates", "give 200,1000001,0 (decay 0)"],
        ),
        (
            ["plan", "--zipf", "1e300", "--real", "9", "--vocabulary", "9"],
            ["--zipf 1e300", "from 0 (all tokens alike) to 100"],
        ),
        (["plan", "--tolerance", "1e300", "--real", "9", "--vocabulary", "9"], ["above 0 and at most 1,000,000"]),
        (["plan", "--tolerance", "1e-300", "--real", "9", "--vocabulary", "9"], ["--tolerance 1e-300: give a number"]),
        (["plan", "--corpus", "builtin:nosuch"], ["builtin:nosuch", "builtin:pydoc and builtin:stdlib"]),
        (
            ["plan", "--corpus", "nosuch.csv"],
            ["--corpus nosuch.csv: no such file", "parquet[:column]", "builtin:stdlib"],
        ),
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
        ("--regenerate 1 --real 1 --verifier 1,0 --accuracy 1", "filter 1 label, or use 1 real one again?"),
        ("--real 100 --vocabulary 5 --tolerance 0.6", "a generation: any amount (any share)."),
        ("--sources 1 --worth 3", "What is one source worth that is worth 3 real samples?"),
        (
            "--contamination 0.5 --worth 0.25 --real 1",
            "never better than 1 real sample alone; when it has 1 sample, its",
        ),
        ("--batches 1 --real 1", "where models add 1 sample to 1 real one?"),
        ("--batches 1000,1 --real 1000", "where models add batches of 1,000 and 1 samples to 1,000 real ones?"),
        ("--real 2 --vocabulary 1 --synthetic 1", "of 1 token,"),
        ("--real 2 --vocabulary 2 --synthetic 1", "after about 1 generation "),
    ],
)
def test_one_is_not_many(capsys: pytest.CaptureFixture[str], options: str, words: str) -> None:
    assert words in " ".join(run(capsys, "plan", *options.split())[1].split())


@pytest.mark.parametrize(("count", "said"), [(1, "it holds"), (2, "all 2 hold")])
def test_one_theorem_that_holds_is_not_all(capsys: pytest.CaptureFixture[str], count: int, said: str) -> None:
    verdict = Verdict("accumulate", "family", "workflow", "error", "=", 2, 1.0, 1.0, 0.1, 0.0, 4.0, passed=True)
    report.verdicts([verdict] * count, 9, 0.01)
    assert said in capsys.readouterr().out.splitlines()


def test_a_leading_order_is_shown_by_how_far_it_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: 3 is half more than 2."""
    verdict = Verdict("total-collapse", "family", "workflow", "time", "~", 2, 2.0, 3.0, 0.1, 10.0, 4.0, passed=True)
    report.verdicts([verdict], 9, 0.01)
    assert "50% off" in capsys.readouterr().out


@pytest.mark.parametrize(("rows", "fragment"), [(1, "three"), (2, "three")])
def test_a_pilot_file_with_too_few_runs_is_refused(
    capsys: pytest.CaptureFixture[str], runs: str, rows: int, fragment: str
) -> None:
    Path(runs).write_text("\n".join(Path(runs).read_text().splitlines()[: rows + 1]))
    code, out, err = run(capsys, "plan", "--pilot", runs)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--pilot" in err and fragment in err


@pytest.fixture
def snapshots(tmp_path: Path) -> tuple[str, str]:
    """Counts of a vocabulary in two tables, one generation apart."""
    before, after = [50, 30, 15, 4, 1], [58, 20, 20, 2, 0]
    for name, counts in (("before", before), ("after", after)):
        rows = "".join(f"t{token},{count}\n" for token, count in enumerate(counts))
        (tmp_path / f"{name}.csv").write_text("token,count\n" + rows)
    return str(tmp_path / "before.csv"), str(tmp_path / "after.csv")


def test_snapshots_tell_how_fast_a_pipeline_forgets(
    capsys: pytest.CaptureFixture[str], snapshots: tuple[str, str]
) -> None:
    """As samples and as training sets: size, forecast and early warning are those of theory."""
    before, after = [50, 30, 15, 4, 1], [58, 20, 20, 2, 0]
    both = ",".join(snapshots)
    (sampled,) = asked(capsys, "--snapshots", both, "--generations", "2")
    found = theory.effective_generation_size(before, after, 2)
    assert (sampled["effective_size"], sampled["effective_size_low"]) == (found.size, found.low)
    assert sampled["effective_size_high"] == (found.high if math.isfinite(found.high) else "inf")
    trained, seen = asked(capsys, "--snapshots", f"{both},trained", "--count", "4")
    known = theory.effective_generation_size([each / 100 for each in before], [each / 100 for each in after])
    assert trained["effective_size"] == known.size < found.size
    assert trained["share"] == known.size / 100
    assert trained["half_life"] == theory.diversity_half_life(known.size)
    family, w = theory.Categorical([each / 100 for each in after]), theory.Replace(round(known.size))
    assert trained["collapse"] == pytest.approx(theory.collapse_time(family, w))
    assert (trained["singletons"], trained["singletons_kept"]) == (1, 0.0)
    once = theory.Categorical.from_counts([1, 99])
    assert trained["singletons_expected"] == pytest.approx(1 - 0.99**100)
    assert (
        trained["singletons_at_effective_size"]
        == 1 - theory.loss_probability(once, theory.Replace(round(known.size), 100), 2)[0]
    )
    corpus = theory.Categorical.from_counts([4, 96])
    assert seen["median"] == theory.extinction_time(corpus, theory.Replace(round(known.size), 100))[0]


def test_diversity_of_snapshots_is_that_of_models_and_not_of_samples(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By hand: of samples 1 - sum p^2 is too small by the factor 1 - 1/n; of training sets it is what it is."""
    (tmp_path / "before.txt").write_text("a a b b")
    (tmp_path / "after.txt").write_text("a a b")
    files = f"{tmp_path}/before.txt,{tmp_path}/after.txt"
    (samples,), (sets,) = asked(capsys, "--snapshots", files), asked(capsys, "--snapshots", f"{files},trained")
    assert samples["diversity_fall"] == pytest.approx(1 - (4 / 9 * 3 / 2) / (1 / 2 * 4 / 3), abs=1e-12)
    assert sets["diversity_fall"] == pytest.approx(1 - (4 / 9) / (1 / 2))


@pytest.mark.parametrize("trained", [True, False])
def test_snapshots_of_unequal_sizes_tell_every_number(trained: bool) -> None:
    """100 tokens of two documents before, 200 of three after; what comes next starts from the 200."""
    before, after = (
        Counter(dict(zip("abcde", each, strict=True))) for each in ([50, 30, 15, 4, 1], [120, 40, 30, 9, 1])
    )
    extra = Counter(a=10)
    documents = ([before - extra, extra], [after - extra - extra, extra, extra])
    told = ASKED["snapshots"].ask(Snapshots(*documents, trained), Known(generations=2))
    given = [{name: count / each.total() for name, count in each.items()} for each in (before, after)]
    shares: list[Any] = [[each[name] for name in "abcde"] for each in given]
    first, last = shares if trained else documents
    found = theory.effective_generation_size(first, last, 2)
    numbers = told.numbers
    assert (numbers["tokens_before"], numbers["tokens_after"]) == (100, 200)
    assert (numbers["documents_before"], numbers["documents_after"]) == (2, 3)
    names = ("effective_size", "effective_size_low", "effective_size_high", "drift", "worth_before", "worth_after")
    assert [numbers[name] for name in names] == pytest.approx(
        [found.size, found.low, found.high, found.drift, found.before, found.after], rel=1e-12
    )
    halves = [theory.diversity_half_life(each) for each in (found.size, found.low, found.high)]
    assert [numbers[name] for name in ("half_life", "half_life_low", "half_life_high")] == pytest.approx(
        halves, rel=1e-12
    )
    assert numbers["rate"] == pytest.approx(1 / found.size, rel=1e-12)
    assert told.told == {"real": 200, "synthetic": round(found.size), "effective": True}
    assert (numbers["singletons"], numbers["singletons_kept"]) == (1, 1.0)
    if trained:  # by hand: K of 200 that show it, then 200 that do not
        lost = sum(math.comb(200, k) * 0.01**k * 0.99 ** (200 - k) * (1 - k / 200) ** 200 for k in range(201))
        assert numbers["singletons_expected"] == pytest.approx(1 - lost, rel=1e-12)
        assert numbers["share"] == pytest.approx(found.size / 200, rel=1e-12)


def test_a_size_tells_every_number() -> None:
    """Errors over the signal, the floor as the square of 3/8, what is passed on over it."""
    told = ASKED["model_size"].ask((200, 1000, 2, 10), Known(real=500, worth=30.0, synthetic=300)).numbers
    f, source = theory.LinearRegression(1000, signal=10.0), theory.Source(30.0)
    best, alone = (theory.best_model_size(f, 500, synthetic, source, 2.0) for synthetic in (300, 0))
    assert (told["best_misses"], told["best_misses_real_alone"]) == (best.error / 10, alone.error / 10)
    for size, synthetic, error in ((best.features, 300, best.error), (alone.features, 0, alone.error)):
        assert theory.strong_collapse_error(f, 500, synthetic, size, source, 2.0).error == pytest.approx(
            error, rel=1e-12
        )
    passed = theory.strong_collapse_error(f, 500, 300, 200, source, 2.0).passed_on
    assert (told["passed_on"], told["floor"], told["threshold"]) == (passed, 9 / 64, 800)
    assert told["amplification"] == pytest.approx(passed / (9 / 64), rel=1e-14)


def test_regenerated_labels_tell_every_number() -> None:
    told = ASKED["regenerate"].ask(9000, Known(real=1000, accuracy=0.7, verifier=(0.9, 0.4))).numbers
    found = theory.regeneration(0.7, theory.Verifier(0.9, 0.4), 1000, 9000)
    assert told == {
        "real": 1000, "generated": 9000, "accuracy": 0.7, "keep_right": 0.9, "keep_wrong": 0.4, "kept": found.kept,
        "worth": found.worth, "worth_unfiltered": pytest.approx(9000 * 0.4**2), "pooled": found.pooled,
        "weighed": found.weighed, "outweighs": found[4], "harmless": found[5],
    }  # fmt: skip
    assert told["kept"] == pytest.approx(9000 * (0.7 * 0.9 + 0.3 * 0.4))


def test_pilot_runs_tell_variance_and_misfit(capsys: pytest.CaptureFixture[str], runs: str) -> None:
    (told,) = asked(capsys, "--pilot", runs)
    pilot = theory.estimate_worth(RUNS)
    assert (told["variance"], told["misfit"], told["level"]) == (pilot.variance.value, pilot.misfit, 0.95)


@pytest.mark.parametrize(
    ("before", "after", "trained", "said", "unsaid"),
    [
        ([50, 30, 15, 5, 0], [58, 20, 18, 2, 2], True, ["has one token that the first lacks", "in order"], ["rose"]),
        ([50, 30, 15, 5, 0], [58, 20, 18, 2, 2], False, [], ["first lacks", "closed pipeline"]),
        ([58, 20, 20, 2], [30, 30, 20, 20], False, ["Diversity rose", "files in order"], ["first lacks"]),
        ([58, 20, 20, 2], [58, 30, 12, 0], True, [], ["rose", "closed pipeline"]),
    ],
)  # fmt: skip
def test_snapshots_of_no_closed_pipeline_are_said_to_be(
    before: list[int], after: list[int], trained: bool, said: list[str], unsaid: list[str]
) -> None:
    first, last = ([Counter({str(place): count for place, count in enumerate(each)})] for each in (before, after))
    told = ASKED["snapshots"].ask(Snapshots(first, last, trained), Known()).answer
    assert [each for each in said if each not in told] == [each for each in unsaid if each in told] == []


@pytest.mark.parametrize(
    ("known", "compared"),
    [
        (Known(), 98),
        (Known(synthetic=40), 40),
        (Known(synthetic=4), 4),
        (Known(real=206, synthetic=206, alike=False), 98),  # a plan for another text
        (Known(real=206, synthetic=40, alike=False), 40),
    ],
)
def test_an_effective_size_is_compared_with_what_was_said_of_it(known: Known, compared: int) -> None:
    first, last = (Counter(dict(zip("abcde", each, strict=True))) for each in ([50, 30, 15, 5, 0], [58, 20, 18, 2, 0]))
    told = ASKED["snapshots"].ask(Snapshots([first], [last], trained=True), known)
    assert told.numbers["synthetic"] == compared and f"its {compared}." in told.answer
    assert "times of" not in told.answer


def test_the_size_that_a_count_takes_from_snapshots_is_named(
    capsys: pytest.CaptureFixture[str], snapshots: tuple[str, str]
) -> None:
    told, seen = asked(capsys, "--snapshots", ",".join(snapshots), "--count", "4")
    assert "Of the one token that" in told["answer"]
    assert f"in generations worth {round(told['effective_size'])} samples (effective size)" in seen["answer"]
    rare, back = asked(capsys, "--snapshots", ",".join(snapshots), "--rare", "0.1", "--recover", "0.1")[1:]
    assert all("synthetic ones (effective size)" in each["answer"] for each in (rare, back))
    assert "effective size" not in asked(capsys, "--count", "4", "--real", "100")[0]["answer"]


def test_documents_of_snapshots_are_told_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line of a jsonl is a document: words of one are not taken as independent."""
    texts = {"before": ["a a b", "b c", "a c c c", "a b"], "after": ["a a", "a b b", "c a"]}
    files = []
    for name, lines in texts.items():
        files.append(str(tmp_path / f"{name}.jsonl"))
        Path(files[-1]).write_text("".join(json.dumps({"text": each}) + "\n" for each in [*lines, ""]))
    (told,) = asked(capsys, "--snapshots", ",".join(files))
    before, after = ([Counter(each.split()) for each in lines] for lines in texts.values())
    found = theory.effective_generation_size(before, after)
    assert (told["drift"], told["worth_before"], told["documents_after"]) == (found.drift, found.before, 3)
    assert ".jsonl" not in told["answer"]


def test_snapshots_without_drift_say_so(
    capsys: pytest.CaptureFixture[str], snapshots: tuple[str, str], tmp_path: Path
) -> None:
    """No size, and a lower limit alone; the same snapshot twice: no limit at all."""
    near = tmp_path / "near.csv"
    near.write_text("token,count\nt0,53\nt1,29\nt2,14\nt3,4\n")
    (still,) = asked(capsys, "--snapshots", f"{snapshots[0]},{near}")
    low = theory.effective_generation_size([50, 30, 15, 4, 1], [53, 29, 14, 4, 0]).low
    assert still["effective_size_low"] == low and f"at least {low:.3g} independent samples" in still["answer"]
    (same,) = asked(capsys, "--snapshots", f"{snapshots[0]},{snapshots[0]}")
    assert "no limit can be told" in same["answer"]


@pytest.mark.parametrize(
    ("named", "fragment"),
    [
        ("{0}", "give two files"),
        ("{0},{1},twice", "give two files"),
        ("{0},", "give two files"),
        ("{0},nowhere.txt", "no such file"),
        ("{0},{1},bytes", "give two files"),
        ("{0},{2}", "in common"),
        ("{3},{0}", "at least two different tokens"),
    ],
)
def test_what_is_no_pair_of_snapshots_is_refused(
    capsys: pytest.CaptureFixture[str], snapshots: tuple[str, str], tmp_path: Path, named: str, fragment: str
) -> None:
    """In one line, with what to give instead."""
    other, single = tmp_path / "other.csv", tmp_path / "single.csv"
    other.write_text("token,count\nx,5\ny,5\n")
    single.write_text("token,count\nt0,5\n")
    code, out, err = run(capsys, "plan", "--snapshots", named.format(*snapshots, other, single))
    assert (code, out) == (2, "") and fragment in err and err.count("\n") == 1


def test_the_unit_of_snapshots_is_that_of_a_corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Bytes of texts, with and without a corpus beside them; a table has its own, and letters are no unit."""
    files = [tmp_path / f"{name}.txt" for name in ("before", "after")]
    for path, text in zip(files, ("aab b", "abbbb"), strict=True):
        path.write_text(text)
    table, both = tmp_path / "table.csv", ",".join(map(str, files))
    table.write_text("token,count\nt0,5\nt1,5\n")
    (told,) = asked(capsys, "--snapshots", both, "--unit", "bytes")
    expected = theory.effective_generation_size({"a": 2, "b": 2, " ": 1}, {"a": 1, "b": 4})
    assert told["effective_size_low"] == expected.low
    (beside,) = asked(capsys, "--snapshots", both, "--unit", "bytes", "--corpus", str(files[0]))
    assert beside["effective_size_low"] == expected.low
    for name, unit, fragment in (
        (f"{table},{table}", "bytes", "the unit of a table is its rows"),
        (both, "letters", "words or bytes"),
    ):
        code, out, err = run(capsys, "plan", "--snapshots", name, "--unit", unit)
        assert (code, out) == (2, "") and fragment in err and err.count("\n") == 1
