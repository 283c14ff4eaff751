"""Eight verdicts on series whose fate theory knows: exact sequences of workflows, and growth of a known law."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelcollapse import theory
from modelcollapse.theory import verdicts as module
from modelcollapse.theory.series import Run, exponent
from modelcollapse.theory.verdicts import Answer, Definition, verdicts

SHARES = [0.5, 0.25, 0.15, 0.06, 0.04]
SIZE = 20
TOKENS = theory.Categorical(SHARES)
VARIANCE = 1 - sum(share**2 for share in SHARES)
WORKFLOWS = {
    "replace": theory.Replace(SIZE),
    "accumulate": theory.Accumulate(SIZE, SIZE),
    "subsample": theory.AccumulateSubsample(SIZE, SIZE),
    "fixed": theory.FixedReal(SIZE, SIZE),
    "fresh": theory.FreshReal(SIZE, SIZE),
}
YES, NO, RISES, FALLS, UNKNOWN = Answer.YES, Answer.NO, Answer.RISES, Answer.FALLS, Answer.UNKNOWN
#                catastrophic any   diverging scaling variance modes tail unreal
TRUTH = {
    "replace": (YES, YES, NO, NO, YES, UNKNOWN, YES, NO),
    "accumulate": (NO, YES, NO, NO, NO, UNKNOWN, NO, NO),
    "subsample": (NO, YES, NO, NO, NO, UNKNOWN, YES, NO),
    "fixed": (NO, YES, NO, NO, NO, UNKNOWN, NO, NO),
    "fresh": (FALLS, FALLS, FALLS, NO, RISES, UNKNOWN, RISES, NO),
}


def answers(run: Run, **settings) -> tuple[Answer, ...]:
    return tuple(each.answer for each in verdicts(run, **settings))


def answer(definition: Definition, run: Run, **settings) -> Answer:
    return answers(run, **settings)[list(Definition).index(definition)]


def resized(workflow, size):
    """The workflow with every size multiplied to ``size``."""
    return type(workflow)(*[size] * (1 if isinstance(workflow, theory.Replace) else 2))


def of_tokens(workflow, last: int, *, limits: bool) -> Run:
    """What theory says of the tokens. The exponent is that of a Poisson mean, exactly 1, but for a term of order 1/n
    beside the leading one in subsampling without replacement: that is its noise."""
    at = np.arange(1, last + 1)
    limit = theory.gain_limit(TOKENS, workflow) * VARIANCE / SIZE
    sizes = [100, 200, 400]
    risks = [theory.error(theory.Poisson(1.0), resized(workflow, size), at) for size in sizes]
    return Run(
        risk=theory.error(TOKENS, workflow, at),
        useless=VARIANCE,  # the error after total collapse
        risk_limit=limit if limits else None,
        exponent=exponent(sizes, np.stack(risks, axis=-1)),
        diversity=theory.diversity(TOKENS, workflow, at),
        diversity_limit=VARIANCE - limit if limits else None,
        tail=theory.survivors(TOKENS, workflow, at),
        unreal=np.zeros(last),
        noise={"exponent": 1 / min(sizes)},
    )


@pytest.mark.parametrize("name", WORKFLOWS)
def test_verdicts_of_each_workflow_with_its_limits(name):
    """Sixty generations of twenty tokens: replace collapses by four definitions, and its risk is bounded all the same."""
    expected = list(TRUTH[name])
    if expected[2] is FALLS:
        expected[2] = NO  # the limit is asked first
    assert answers(of_tokens(WORKFLOWS[name], 60, limits=True)) == tuple(expected)


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if name != "replace"])
@pytest.mark.parametrize("last", [3, 4, 5, 8, 60])
def test_verdicts_need_no_limits_where_growth_levels_off(name, last):
    """From the third generation on, the same answers without the limits."""
    assert answers(of_tokens(WORKFLOWS[name], last, limits=False)) == TRUTH[name]


@pytest.mark.parametrize("last", [3, 5, 10])
def test_replace_looks_divergent_before_its_bound_is_near(last):
    """Early on the bounded risk of tokens grows like that of a Poisson mean, and the diversity geometrically falls."""
    found = answers(of_tokens(WORKFLOWS["replace"], last, limits=False))
    assert found[:6] == (NO, YES, YES, NO, YES, UNKNOWN)


@pytest.mark.parametrize("last", [3, 4, 10, 100])
@pytest.mark.parametrize(
    "family",
    [theory.Gaussian(unbiased=True), theory.Poisson(3.0), theory.Gamma(2.0, 1.0)],
    ids=["gaussian", "poisson", "gamma"],
)
def test_replace_diverges_where_theory_says_so(family, last):
    workflow = theory.Replace(SIZE)
    risk = theory.error(family, workflow, np.arange(1, last + 1))
    assert theory.gain_limit(family, workflow) == np.inf
    assert answer(Definition.DIVERGING, Run(risk=risk)) is YES
    assert answer(Definition.DIVERGING, Run(risk=risk, risk_limit=np.inf)) is YES


def test_the_number_of_any_increase_is_what_accumulating_costs():
    """pi^2/6 - 1 of one real-only error, as generations go on."""
    risk = theory.gain(theory.Poisson(1.0), theory.Accumulate(SIZE, SIZE), np.arange(1, 100_001))
    found = verdicts(Run(risk=risk))[1]
    assert found.number == pytest.approx(np.pi**2 / 6 - 1, abs=1e-5)  # the rest of the sum is below 1/100000
    assert found.answer is YES


@given(st.floats(0, 4), st.integers(3, 60))
def test_growth_is_told_from_levelling_off_at_the_harmonic_series(power, last):
    """Increments m^-k: without end for k below 1, to a limit above 1, and neither at 1."""
    at = np.arange(1.0, last + 1)
    risk = 1 + np.append(0, at[1:] ** -power).cumsum()
    expected = YES if power < 0.99 else NO if power > 1.01 else None
    found = answer(Definition.DIVERGING, Run(risk=risk))
    assert expected is None or found is expected
    harmonic = 1 + np.append(0, 1 / at[1:]).cumsum()
    assert answer(Definition.DIVERGING, Run(risk=harmonic)) is UNKNOWN


@given(st.floats(0.5, 0.999), st.integers(3, 20))
def test_diversity_that_falls_by_a_factor_each_generation_collapses(factor, last):
    """Also where no share that is lost counts as a collapse: the logarithm falls without end."""
    run = Run(diversity=factor ** np.arange(last))
    assert answer(Definition.VARIANCE, run) is YES
    assert answer(Definition.VARIANCE, run, share=1.0) is YES


def test_scaling_changes_where_the_synthetic_set_does_not_grow():
    """Replace by 50 synthetic samples whatever the real size: more real data stops helping after generation 1."""
    sizes = [100, 400, 1600]
    at = np.arange(1, 4)
    risks = [theory.error(theory.Poisson(1.0), theory.Replace(50, real=real), at) for real in sizes]
    powers = exponent(sizes, np.stack(risks, axis=-1))
    assert powers[0] == pytest.approx(1, abs=1e-12)
    found = verdicts(Run(exponent=powers))[3]
    assert found.answer is YES
    assert found.number == pytest.approx(powers[2] - 1)


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_a_catastrophe_is_the_share_of_what_was_learnt(share):
    """Error of replace from V/n to V: the share lost is 1 - (1-1/n)^(m-1), exactly."""
    last = 40
    run = of_tokens(WORKFLOWS["replace"], last, limits=True)
    found = verdicts(run, share=share)[0]
    lost = 1 - (1 - 1 / SIZE) ** (last - 1)
    assert found.number == pytest.approx(lost)
    assert verdicts(run, share=lost - 1e-9)[0].answer is YES
    assert verdicts(run, share=lost + 1e-9)[0].answer is NO


def test_noise_raises_false_alarms_at_the_rate_of_students_law():
    """Runs in which nothing happens: 'any increase' alarms in one of a hundred, so often as 12 chains promise."""
    runs, chains, rate, budget = 4000, 12, 0.01, 1e-6
    risk = np.random.default_rng(7).normal(1.0, 0.3, (runs, chains, 4))
    errors = float(stats.t.isf(rate, chains - 1))
    alarms = sum(answer(Definition.ANY, Run(risk=each), errors=errors) is YES for each in risk)
    assert stats.binom.ppf(budget / 2, runs, rate) <= alarms <= stats.binom.isf(budget / 2, runs, rate)


def test_noise_that_chains_share_is_no_noise():
    """Paired: chains that differ by a constant all rise by the same, and the rise is sure."""
    risk = np.arange(5)[:, None] * 100.0 + np.array([1.0, 1.1, 1.2])
    found = verdicts(Run(risk=risk))[1]
    assert found.answer is YES
    assert found.number == pytest.approx(0.2)
    assert found.standard_error < 1e-12


def test_every_definition_cites_what_the_bibliography_holds():
    keys = re.findall(r"^@\w+\{(\w+),", (Path(module.__file__).parent / "references.bib").read_text(), re.MULTILINE)
    assert len(keys) == len(set(keys))
    assert set(module.SOURCES) == set(module.MEASURES) == set(Definition)
    assert {key for each in module.SOURCES.values() for key in each} <= set(keys)
