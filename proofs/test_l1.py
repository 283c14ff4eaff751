"""The expected L1 drift, against every path of models written out in fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.theory import alleles, l1
from modelcollapse.theory.l1 import l1_drift, l1_reaches

HALF, QUARTER = Fraction(1, 2), Fraction(1, 4)
SHARES = [HALF, QUARTER, QUARTER]
LOPSIDED = [Fraction(3, 4), Fraction(1, 4)]
WORKFLOWS = [
    theory.Replace(4),
    theory.Replace(3, real=5),
    theory.Replace((2, 5, 3), real=4),
    theory.FixedReal(4, 3),
    theory.FixedReal(2, 5),
    theory.Accumulate(4, 3),
    theory.Accumulate(1, 5),
]


def enumerated(workflow, shares, last):
    """E of the L1 distance of models 1..last from model 1, in fractions."""
    drift = [Fraction(0)] * last
    for path, chance in enumeration.joint(enumeration.categorical(shares), workflow, last).items():
        for when, model in enumerate(path):
            drift[when] += chance * sum(abs(new - old) for new, old in zip(model, path[0], strict=True))
    return [float(each) for each in drift]


@pytest.mark.parametrize("shares", [SHARES, LOPSIDED], ids=["three", "two"])
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=repr)
def test_expected_drift_is_that_of_every_path(workflow, shares):
    """Thirteen digits, four generations; three tokens of which two are alike, and two of which one is most of the text."""
    family = theory.Categorical([float(each) for each in shares])
    found = l1_drift(family, workflow, np.arange(1, 5))
    np.testing.assert_allclose(found, enumerated(workflow, shares, 4), rtol=0, atol=1e-13)


@pytest.mark.parametrize("workflow", [WORKFLOWS[0], WORKFLOWS[3], WORKFLOWS[5]], ids=repr)
def test_drift_of_a_known_corpus_averages_to_that_of_the_truth(workflow):
    """Over the multinomial counts of the first real set."""
    family, size = theory.Categorical([0.5, 0.25, 0.25]), workflow.real
    mean = sum(
        weight / 4**size * l1_drift(theory.Categorical.from_counts(counts), workflow, [2, 4])
        for counts, weight in enumeration.multinomial(size, (2, 1, 1))
    )
    np.testing.assert_allclose(mean, l1_drift(family, workflow, [2, 4]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("workflow", [theory.FixedReal(200, 300), theory.Replace(300)], ids=repr)
def test_root_mean_square_is_a_bound_that_drift_nears(workflow):
    """Jensen: below sqrt(2/pi) for a normal deviation, which many samples of even tokens are, to a part in a thousand."""
    family, at = theory.Categorical([0.5, 0.5]), np.arange(2, 5)
    moved = theory.error(family, workflow, at) - theory.error(family, workflow, 1)  # E |p_m - p_1|^2: a martingale
    ratio = l1_drift(family, workflow, at) / np.sqrt(2 * moved)
    np.testing.assert_allclose(ratio, np.sqrt(2 / np.pi), rtol=1.5e-3)


def test_laws_reach_across_blocks():
    """Accumulate beyond one block of counts: the law of each first count still sums to one, and keeps its mean."""
    workflow = theory.Accumulate(150, 90)
    table, size = np.eye(151), 150
    for _ in range(3):
        table = l1._added(table, size, workflow.synthetic)
        size += workflow.synthetic
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(table @ np.arange(table.shape[1]) / size, np.arange(151) / 150, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("workflow", "reached"),
    [
        (theory.Replace(alleles.LARGEST), True),
        (theory.Replace(alleles.LARGEST + 1), False),
        (theory.FreshReal(5, 5), False),
        (theory.AccumulateSubsample(5, 5), False),
    ],
    ids=repr,
)
def test_reach_is_said(workflow, reached):
    assert l1_reaches(workflow, 3) is reached
    if not reached:
        with pytest.raises(theory.InputError, match="exact for a Categorical under"):
            l1_drift(theory.Categorical([0.5, 0.5]), workflow, 2)


def enumerated_error(workflow, shares, last):
    """E of the L1 distance of models 1..last from the truth, in fractions."""
    found = [Fraction(0)] * last
    for path, chance in enumeration.joint(enumeration.categorical(shares), workflow, last).items():
        for when, model in enumerate(path):
            found[when] += chance * sum(abs(share - p) for share, p in zip(model, shares, strict=True))
    return [float(each) for each in found]


@pytest.mark.parametrize("shares", [SHARES, LOPSIDED], ids=["three", "two"])
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=repr)
def test_expected_error_is_that_of_every_path(workflow, shares):
    """Thirteen digits, four generations, and between its bounds."""
    family, at = theory.Categorical([float(each) for each in shares]), np.arange(1, 5)
    found = theory.l1_error(family, workflow, at)
    np.testing.assert_allclose(found, enumerated_error(workflow, shares, 4), rtol=0, atol=1e-13)
    assert np.all(theory.error(family, workflow, at) <= found + 1e-13)
    assert np.all(found <= theory.l1_error_upper_bound(family, workflow, at) + 1e-13)


@pytest.mark.parametrize("size", [7, 20, 300])
def test_the_first_error_is_de_moivre_s(size):
    """E|X/n - p| in closed form, token by token: 2 (1-p)^(n-k) p^(k+1) (k+1) C(n,k+1)/n with k = floor(np)."""
    shares = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
    total = Fraction(0)
    for p in shares:
        k = int(size * p)
        total += 2 * (1 - p) ** (size - k) * p ** (k + 1) * (k + 1) * math.comb(size, k + 1) / size
    found = theory.l1_error(theory.Categorical([float(p) for p in shares]), theory.Replace(size), 1)
    assert found == pytest.approx(float(total), rel=1e-12)


def test_error_rises_to_twice_the_diversity():
    """Where data is replaced: a martingale's convex function, bounded by total collapse."""
    family, workflow = theory.Categorical([0.4, 0.25, 0.15, 0.1, 0.06, 0.04]), theory.Replace(20)
    found = theory.l1_error(family, workflow, np.arange(0, 400, 3))
    assert np.all(np.diff(found) > 0) and found[-1] == pytest.approx(2 * family.v, rel=1e-6)


def test_bounds_reach_every_workflow():
    """Also where the chain does not: below the enumerated distance's square-root bound, above the squared error."""
    family, at = theory.Categorical([0.5, 0.25, 0.25]), np.arange(1, 4)
    for workflow in (theory.FreshReal(3, 4), theory.AccumulateSubsample(3, 3, 3), theory.SlidingWindow(3, 2)):
        exact = np.array(enumerated_error(workflow, SHARES, 3))
        assert np.all(exact <= theory.l1_error_upper_bound(family, workflow, at) + 1e-13)
        assert np.all(exact >= theory.error(family, workflow, at) - 1e-13)
