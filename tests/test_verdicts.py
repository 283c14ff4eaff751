"""Verdicts on runs as users have them: series missing, one seed, infinite losses, refusals."""

import numpy as np
import pytest

from modelcollapse.theory.arguments import InputError
from modelcollapse.theory.series import Run, exponent
from modelcollapse.theory.verdicts import Answer, Definition, Verdict, verdicts


def told(run: Run, definition: Definition, errors: float = 2.0) -> Verdict:
    (found,) = (each for each in verdicts(run, errors=errors) if each.definition is definition)
    return found


def test_a_definition_without_its_series_names_it() -> None:
    found = verdicts(Run())
    assert [each.answer for each in found] == [Answer.UNKNOWN] * 8
    assert [each.reason for each in found] == [
        "give risk",
        "give risk",
        "give risk, or risk_limit",
        "give exponent",
        "give diversity",
        "give modes",
        "give tail",
        "give unreal",
    ]
    assert all(np.isnan(each.number) for each in found)
    assert told(Run(risk=[1.0, 2.0]), Definition.CATASTROPHIC).reason == "give useless"
    assert told(Run(tail=[3.0]), Definition.TAIL).reason == "give 2 generations of tail"


def test_a_run_without_risk_is_judged_by_what_it_has() -> None:
    found = verdicts(Run(diversity=[1.0, 1.2], tail=[4, 3], unreal=[0.5, 0.4], modes=[5, 5]))
    assert [each.answer.value for each in found[4:]] == ["no, it rises", "no", "yes", "no, it falls"]
    assert str(found[4]) == "collapsing variance: no, it rises (1.2 +- 0): the diversity rises"
    assert found[4].source[0] == "Schaeffer2025"
    assert found[4].measures == "share of the first model's diversity that the last has"


def test_one_seed_says_nothing_without_its_noise() -> None:
    risk = [[1.9, 2.1, 2.2, 2.3]]
    silent = told(Run(risk=risk), Definition.ANY)
    assert silent.answer is Answer.UNKNOWN
    assert silent.reason == "give more chains of risk, or its noise"
    loud = told(Run(risk=risk, noise={"risk": 0.03}), Definition.ANY)
    assert loud.answer is Answer.YES
    assert loud.standard_error == pytest.approx(0.03 * 2**0.5)
    assert told(Run(risk=risk, noise={"risk": 0.2}), Definition.ANY).answer is Answer.NO


def test_two_seeds_that_agree_by_luck_are_held_to_the_noise() -> None:
    risk = [[1.0, 1.1], [2.0, 2.1]]
    assert told(Run(risk=risk), Definition.ANY).answer is Answer.YES
    held = told(Run(risk=risk, noise={"risk": 0.2}), Definition.ANY)
    assert held.answer is Answer.NO
    assert held.standard_error == pytest.approx(0.2)  # of a difference of two, over two seeds


def test_a_standard_error_is_that_of_the_mean_over_chains() -> None:
    rise = np.array([0.1, 0.2, 0.6])
    found = told(Run(risk=np.stack([np.ones(3), 1 + rise], axis=1)), Definition.ANY)
    assert found.number == pytest.approx(0.3)
    assert found.standard_error == pytest.approx(rise.std(ddof=1) / 3**0.5)
    assert found.answer is Answer.NO
    assert told(Run(tail=np.stack([np.ones(3), 1 - rise], axis=1)), Definition.TAIL, errors=1).answer is Answer.YES


def test_diversity_within_the_noise_has_not_collapsed() -> None:
    found = told(Run(diversity=[[1.0, 0.99, 0.98], [1.0, 1.01, 1.01]]), Definition.VARIANCE)
    assert found.answer is Answer.NO
    assert found.reason == "no fall beyond the noise"
    assert found.standard_error == pytest.approx(0.015)


def test_diversity_collapses_where_more_than_the_share_is_lost() -> None:
    run = Run(diversity=[1.0, 0.7, 0.7, 0.7])
    assert [verdicts(run, share=share)[4].answer for share in (0.25, 0.35, 0.75)] == [Answer.YES, Answer.NO, Answer.NO]


def test_training_on_real_data_alone_is_the_baseline_where_it_is_known() -> None:
    risk = [[2.0, 1.9, 1.8], [2.1, 2.0, 1.9]]
    assert told(Run(risk=risk), Definition.ANY).answer is Answer.FALLS
    better = told(Run(risk=risk, real_only=[[2.0, 1.7, 1.5], [2.1, 1.8, 1.6]]), Definition.ANY)
    assert better.answer is Answer.YES
    assert better.number == pytest.approx(0.3)
    assert better.standard_error < 1e-12  # paired by seed
    number = told(Run(risk=risk, real_only=1.7, noise={"real_only": 0.2}), Definition.ANY)
    assert number.answer is Answer.NO
    assert number.standard_error == pytest.approx(0.2)  # seeds share it: it does not average out


def test_a_decoder_that_saturates_is_not_called_divergent() -> None:
    replace = [[1.913, 2.141, 2.259, 2.369, 2.444]] * 2
    accumulate = [[1.913, 1.910, 1.954, 2.000, 1.987]] * 2
    for risk, answer in ((replace, Answer.UNKNOWN), (accumulate, Answer.UNKNOWN)):
        run = Run(risk=risk, noise={"risk": 0.03})
        assert told(run, Definition.DIVERGING).answer is answer
        assert told(run, Definition.ANY).answer is Answer.YES
    assert told(Run(risk=replace, useless=4.2, noise={"risk": 0.03}), Definition.CATASTROPHIC).answer is Answer.NO


def test_a_loss_that_becomes_infinite_is_every_increase() -> None:
    run = Run(risk=[[2.0, 9.0, np.inf], [2.0, 3.0, 4.0]], useless=4.5)
    assert [each.answer for each in verdicts(run)[:3]] == [Answer.YES] * 3
    assert [each.number for each in verdicts(run)[:3]] == [np.inf] * 3


def test_total_collapse_divides_by_nothing() -> None:
    assert told(Run(diversity=[0.5, 0.0, 0.0, 0.0]), Definition.VARIANCE).answer is Answer.YES
    assert told(Run(diversity=[0.0, 0.0, 0.0]), Definition.VARIANCE).answer is Answer.UNKNOWN
    assert told(Run(diversity=[0.5, 0.0, 0.4]), Definition.VARIANCE).answer is Answer.UNKNOWN
    assert told(Run(diversity=[0.5, 0.4]), Definition.VARIANCE).answer is Answer.UNKNOWN
    assert told(Run(diversity=[0.5, 0.4], diversity_limit=0.3), Definition.VARIANCE).answer is Answer.NO
    assert told(Run(diversity=[0.5, 0.4], diversity_limit=0.0), Definition.VARIANCE).answer is Answer.YES


def test_a_first_model_that_has_learnt_nothing_has_nothing_to_lose() -> None:
    assert told(Run(risk=[4.2, 4.5], useless=4.2), Definition.CATASTROPHIC).answer is Answer.UNKNOWN


def test_no_change_is_seen_in_equal_numbers_that_differ_by_rounding() -> None:
    assert told(Run(tail=[3.602, 3.602 * (1 + 1e-15)]), Definition.TAIL).answer is Answer.NO


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"risk": [1.0, np.nan]}, "Run(risk="),
        ({"risk": [np.inf, 1.0]}, "finite but for the risk of later generations"),
        ({"risk": 3.0}, "Run(risk=3.0)"),
        ({"risk": "high"}, "Run(risk='high')"),
        ({"tail": [1.0, np.inf]}, "Run(tail="),
        ({"diversity": [1.0, -0.1]}, "none below 0"),
        ({"risk": [1.0, 2.0], "real_only": [1.0, 2.0, 3.0]}, "Run(real_only=[3]): shape of a number, or of risk, [2]"),
        ({"noise": {"loss": 0.1}}, "Run(noise='loss')"),
        ({"noise": {"risk": -0.1}}, "Run(noise=-0.1)"),
        ({"useless": np.nan}, "Run(useless=nan)"),
    ],
    ids=str,
)
def test_a_series_that_is_none_is_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Run(**settings)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_thresholds_and_scaling_are_checked() -> None:
    with pytest.raises(InputError, match=r"^verdicts\(errors=0\)"):
        verdicts(Run(), errors=0)
    with pytest.raises(InputError, match=r"^verdicts\(share=2\)"):
        verdicts(Run(), share=2)
    with pytest.raises(InputError, match=r"^exponent\(size="):
        exponent([100, 100], [0.1, 0.2])
    with pytest.raises(InputError, match=r"^exponent\(risk="):
        exponent([100, 200], [0.1, 0.2], least=0.15)
