"""The workflow algebra is exact: equal, as fractions, to the enumeration of every schedule."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.proofs.enumeration import TOKENS
from modelcollapse.proofs.schedules import ODD, schedules
from modelcollapse.theory import algebra

COIN = enumeration.categorical([Fraction(1, 4), Fraction(3, 4)])
PAIRS = enumeration.binomial(2, Fraction(1, 3))
FAMILIES = {"categorical": (TOKENS, -1), "binomial": (PAIRS, Fraction(-1, 2))}


def enumerated(name, workflow, last):
    family, _ = FAMILIES[name]
    return [each.error / family.variance for each in enumeration.generations(family, workflow, last)]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("schedule", ODD.values(), ids=ODD)
def test_schedules_that_no_workflow_writes(name, schedule):
    """Errors and expected variances of every generation of a schedule with mixtures."""
    family, v2 = FAMILIES[name]
    found = enumeration.generations(family, schedule, schedule.generations)
    error = algebra.error(schedule, v2, schedule.generations)
    assert [each.error for each in found] == [family.variance * each for each in error]
    assert [each.spread for each in found] == [family.variance * (1 + v2 * each) for each in error]


@given(schedules(), st.sampled_from([(COIN, -1), (PAIRS, Fraction(-1, 2))]))
@settings(max_examples=150)
def test_schedules_drawn_at_random(schedule, family):
    """The whole covariance of all generations, off the diagonal too."""
    alphabet, v2 = family
    expected = algebra.covariance(schedule, v2, schedule.generations) * alphabet.variance
    assert enumeration.covariance(alphabet, schedule, schedule.generations) == expected.tolist()


@pytest.mark.parametrize(
    "workflow",
    [
        theory.FixedReal(2, 3),
        theory.FreshReal(2, 2, weight=Fraction(1, 3)),
        theory.AccumulateSubsample(3, 2, 2),
        theory.AccumulateSubsample(2, 3, 2, replacement=True),
    ],
    ids=repr,
)
def test_covariance_between_generations(workflow):
    """How far two generations err together, with more than one of them still moving."""
    for family, v2 in ((COIN, -1), (PAIRS, Fraction(-1, 2))):
        expected = algebra.covariance(workflow, v2, 3) * family.variance
        assert enumeration.covariance(family, workflow, 3) == expected.tolist()


def _wrong_events():
    """The event law with one factor off by a tenth: noise, one sample's spread, its origin, the part inherited."""
    tenth = Fraction(11, 10)

    def wrong(noise=1, one=1, origins=1, taken=1, inherited=1):
        def event(full, mean, origin, factor, v2):
            row = mean @ full
            old = row @ mean
            spread = one * 1 + origins * (1 + v2) * (origin @ full.diagonal()) - taken * old
            return row, inherited * old + noise * factor * spread

        return event

    names = ("noise", "one", "origins", "taken", "inherited")
    return {name: wrong(**{name: tenth}) for name in names} | {"": wrong()}


@pytest.mark.parametrize("name", _wrong_events())
def test_a_wrong_event_law_is_caught(name, monkeypatch):
    """The witness sees a tenth in each factor of the event law, and nothing where there is none."""
    monkeypatch.setattr(algebra, "_event", _wrong_events()[name])
    differs = [
        enumerated(family, schedule, 3) != list(algebra.error(schedule, v2, 3))
        for family, (_, v2) in FAMILIES.items()
        for schedule in (
            ODD["a subsample of mixed batches"],
            ODD["random past: each batch from a mixture of all models so far"],
        )
    ]
    assert any(differs) == (name != "")


@pytest.mark.parametrize("wrong", ["without -1 in the pool", "as a bootstrap", "a tenth more"])
def test_a_wrong_noise_of_subsampling_is_caught(wrong, monkeypatch):
    """The finite-population factor (S - M)/(M (S - 1)) is what enumeration needs, and no other."""
    right = algebra._subsampling

    def factor(schedule, model, one):
        pool = int(sum(size for size, weight in zip(schedule.size, schedule.weight[model - 1], strict=True) if weight))
        train = int(schedule.train[model - 1])
        return {
            "without -1 in the pool": Fraction(pool - train, train * pool),
            "as a bootstrap": Fraction(1, train),
            "a tenth more": Fraction(11, 10) * right(schedule, model, one),
        }[wrong]

    monkeypatch.setattr(algebra, "_subsampling", factor)
    workflow = theory.AccumulateSubsample(4, 3, 2)
    assert enumerated("categorical", workflow, 3) != list(algebra.error(workflow, -1, 3))


def _smoothed(schedule, truth, kept, own):
    """Errors of a smoothing learner of one coin, by going through every batch that can be drawn.

    ``own``: the size of a sample of the smoothed fit that the model is the mean of; None: the fit itself.
    """
    states = {((), (truth,)): Fraction(1)}  # means of the batches so far, models 0, 1, ...
    errors = []
    for model, weights in enumerate(schedule.weight, start=1):
        for batch in [int(each) for each in range(len(schedule.size)) if schedule.born[each] == model]:
            new = {}
            for (means, models), chance in states.items():
                p = sum(share * models[k] for k, share in enumerate(schedule.source[batch][: len(models)]))
                size = schedule.size[batch]
                for heads in range(size + 1):
                    likely = math.comb(size, heads) * p**heads * (1 - p) ** (size - heads)
                    key = ((*means, Fraction(heads, size)), models)
                    new[key] = new.get(key, 0) + chance * likely
            states = new
        fitted = {}
        for (means, models), chance in states.items():
            fit = sum(weight * mean for weight, mean in zip(weights, means, strict=False))
            p = truth + kept * (fit - truth)
            ends = [(p, 1)] if own is None else [
                (Fraction(heads, own), math.comb(own, heads) * p**heads * (1 - p) ** (own - heads)) for heads in range(own + 1)
            ]  # fmt: skip
            for model_mean, likely in ends:
                key = (means, (*models, model_mean))
                fitted[key] = fitted.get(key, 0) + chance * likely
        states = fitted
        errors.append(sum(chance * (models[-1] - truth) ** 2 for (_, models), chance in states.items()))
    return errors


@pytest.mark.parametrize("own", [None, 3])
@pytest.mark.parametrize("workflow", [theory.Replace(2), theory.FixedReal(2, 1), theory.Accumulate(1, 2)], ids=repr)
def test_a_learner_that_smooths_passes_on_a_share_of_its_errors_and_adds_noise_of_its_own(workflow, own):
    """Heritability 4/9: every model keeps 2/3 of the deviation of its data. The second witness is enumeration."""
    truth, kept = Fraction(1, 4), Fraction(2, 3)
    found = algebra.error(workflow, -1, 3, heritability=float(kept**2), own_noise=1 / own if own else 0)
    expected = [float(each / (truth * (1 - truth))) for each in _smoothed(workflow.schedule(3), truth, kept, own)]
    assert found.astype(float).tolist() == pytest.approx(expected, rel=1e-14)
    assert algebra.error(workflow, -1, 3, heritability=1.0).tolist() == algebra.error(workflow, -1, 3).tolist()
