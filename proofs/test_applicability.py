"""Applicability: a theorem is said to apply exactly where its function answers and its derivation holds."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import jax
import numpy as np
import pytest

from modelcollapse import theory, verify
from modelcollapse.theory import ledger
from modelcollapse.theory.applicability import EXACT_OF
from modelcollapse.theory.arguments import InputError
from modelcollapse.trials import Trial

FAMILIES: dict[str, Any] = {
    "categorical": theory.Categorical([0.5, 0.3, 0.2]),
    "corpus": theory.Categorical.from_counts([9, 6, 5]),
    "gaussian": theory.Gaussian(2),
    "line": theory.Gaussian(1),
    "unbiased": theory.Gaussian(1, unbiased=True),
    "binomial": theory.Binomial(5, 0.3),
    "poisson": theory.Poisson(2.0),
    "gamma": theory.Gamma(2, 3.0),
    "negative binomial": theory.NegativeBinomial(4, 2.0),
    "regression": theory.LinearRegression(3),
    "one design": theory.LinearRegression(3, redrawn=False),
    "one coefficient": theory.LinearRegression(1, redrawn=False),
    "wide regression": theory.LinearRegression(40),
    "wide design": theory.LinearRegression(40, redrawn=False),
    "kernels": theory.KernelDensity(0.5),
    "shrinking kernels": theory.KernelDensity((0.5, 0.4, 0.3)),
    "zipf": theory.Zipf(1.5),
    "mixture": theory.GaussianMixture(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]])),
}
WORKFLOWS: dict[str, Any] = {
    "replace": theory.Replace(20),
    "replace, many": theory.Replace(5000),
    "growing": theory.Replace((25, 30), real=20),
    "fixed": theory.FixedReal(20, 20),
    "fresh": theory.FreshReal(20, 20),
    "weighted": theory.FreshReal(20, 20, weight=0.6),
    "accumulate": theory.Accumulate(20, 20),
    "subsample": theory.AccumulateSubsample(20, 20),
    "bootstrap": theory.AccumulateSubsample(20, 20, replacement=True),
    "window": theory.SlidingWindow(20, models=3),
    "past": theory.RandomPast(20),
    "schedule": theory.Accumulate(20, 20).schedule(3),
}
PAIRS = [pytest.param(f, w, id=f"{a} under {b}") for a, f in FAMILIES.items() for b, w in WORKFLOWS.items()]
WIDER = {"l1_error": "l1_error_upper_bound"}  # theorems whose bound holds where their equation does not


def ask(quantity: str, f: Any, w: Any) -> Any:
    """The public function of a theorem at a pair, in generation 2."""
    function = getattr(theory, quantity)
    takes = list(inspect.signature(function).parameters)
    given = {"f": f, "w": w, "generation": 2, "samples": 20, "error": 1.0, "diversity": 0.5}
    return function(**{name: given[name] for name in takes if name in given})


@pytest.mark.parametrize(("f", "w"), PAIRS)
def test_where_a_theorem_applies_its_function_answers(f: Any, w: Any) -> None:
    if getattr(f, "counts", None) is not None and isinstance(w, theory.Replace) and w.real != 20:
        return  # a corpus of another size
    for each in theory.applicability(f, w):
        if each.applies:
            try:
                ask(each.theorem.quantity, f, w)
            except InputError:
                if each.theorem.quantity not in WIDER:
                    raise
                ask(WIDER[each.theorem.quantity], f, w)


@pytest.mark.parametrize(("f", "w"), PAIRS)
def test_what_answers_a_question_applies_and_nothing_stands_above_it(f: Any, w: Any) -> None:
    found = {each.name: each for each in theory.applicability(f, w)}
    for question in sorted(ledger.QUESTIONS):
        try:
            best = ledger.answering(question, f, w)
        except InputError:
            continue
        if best.needs:
            continue
        assert found[best.name].applies, (question, best.name, found[best.name].why_not)
        if question not in EXACT_OF:
            assert not found[best.name].superseded_by, (question, best.name)


WIDE = {
    "workflow-algebra",
    "drift-identity",
    "accumulate-subsample/recursion",
    "random-past/recursion",
    "survivors/thinning",
    "kernel-density/algebra",
    "kernel-density-bandwidth",
}  # what holds beside the theorem that answers


@pytest.mark.parametrize(("f", "w"), PAIRS)
def test_beside_the_theorem_that_answers_only_wider_ones_apply(f: Any, w: Any) -> None:
    every = theory.applicability(f, w)
    for quantity in sorted({each.theorem.quantity for each in every}):
        mine = [each for each in every if each.theorem.quantity == quantity and each.applies]
        narrow = [each.name for each in mine if each.name not in WIDE]
        assert len(narrow) <= 1, narrow
        if narrow and quantity != "second_moment":
            assert ledger.answering(quantity, f, w).name == narrow[0]
        if narrow and quantity not in EXACT_OF:
            assert all(each.superseded_by in ("", narrow[0]) for each in mine)


@pytest.mark.parametrize(
    "quantity", ["error", "survivors", "max_synthetic", "collapse_time", "optimal_weight", "min_real"]
)
@pytest.mark.parametrize(("f", "w"), PAIRS)
def test_where_no_theorem_of_a_quantity_applies_its_function_refuses(quantity: str, f: Any, w: Any) -> None:
    mine = [each for each in theory.applicability(f, w) if each.theorem.quantity.startswith(quantity)]
    if any(each.applies for each in mine):
        return
    if quantity == "collapse_time":  # infinite where there is nothing to wait for
        with contextlib.suppress(InputError):
            assert np.isinf(theory.collapse_time(f, w))
        return
    with pytest.raises(InputError):
        ask(quantity, f, w)


def test_theorems_apply_to_the_cells_that_verify_them() -> None:
    shrinking = "kernel-density/second-moment"  # whose thresholds are of bandwidths that its formula does not have
    for cell in verify.cells():
        if (
            isinstance(cell, Trial)
            or cell.theorem == shrinking
            and isinstance(cell.family.bandwidth, tuple)
            or cell.theorem in {"teacher", "optimal-weight", "contaminated-stream"}
        ):  # as schedules
            continue
        (found,) = (each for each in theory.applicability(cell.family, cell.workflow) if each.name == cell.theorem)
        assert found.applies, (cell.theorem, found.why_not)


def test_every_record_says_why_not_in_one_line_or_applies() -> None:
    seen: set[str] = set()
    for parameters in PAIRS:
        for each in theory.applicability(*parameters.values):
            assert each.applies == (not each.why_not) and "\n" not in each.why_not + each.instead
            seen |= {each.name} if each.applies else set()
    assert seen == {each.name for each in ledger.FORMS if not each.needs}


@pytest.mark.parametrize(
    ("f", "w", "name", "better"),
    [
        ("categorical", "replace", "total-collapse/time-upper-bound", "total-collapse/time"),
        ("categorical", "replace", "total-collapse/time-limit", "total-collapse/time"),
        (
            "categorical",
            "replace, many",
            "total-collapse/time-upper-bound",
            "",
        ),  # a leading order is no better than a bound
        ("categorical", "replace", "survivors/thinning", "survivors/chain"),
        ("categorical", "accumulate", "survivors/thinning", "survivors/kept"),
        ("categorical", "subsample", "survivors/thinning", ""),
        ("categorical", "subsample", "accumulate-subsample/recursion", "accumulate-subsample/subsample"),
        ("poisson", "subsample", "accumulate-subsample/recursion", ""),
        ("categorical", "fixed", "l1-distance/drift-upper-bound", "l1-distance/drift"),
        ("gamma", "fresh", "workflow-algebra", "fresh-real/pooled"),
        ("gamma", "schedule", "workflow-algebra", ""),
    ],
)
def test_bounds_and_wider_theorems_name_the_exact_one(f: str, w: str, name: str, better: str) -> None:
    (found,) = (each for each in theory.applicability(FAMILIES[f], WORKFLOWS[w]) if each.name == name)
    assert found.applies and found.superseded_by == better


def test_nothing_applies_where_theory_has_no_theorem_and_it_says_what_runs_it() -> None:
    cooled = theory.Selected(theory.Replace(20), theory.Temperature(0.5))
    for f, w in ((FAMILIES["categorical"], cooled), (theory.LogisticRegression(np.ones(2)), WORKFLOWS["replace"])):
        for each in theory.applicability(f, w):
            assert not each.applies and each.instead == "simulate.chains runs it"
    with pytest.raises(InputError, match=r"applicability\(w=5\)"):
        theory.applicability(FAMILIES["categorical"], 5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="static"):
        jax.jit(lambda n: theory.applicability(FAMILIES["categorical"], theory.Replace(n)))(20)


def test_of_the_cases_of_a_theorem_the_nearest_one_says_why_it_does_not_hold() -> None:
    """Survivors under Replace miss a family of tokens alone; where all cases are as far, each of them says why."""
    (survivors,) = theory.applicability(FAMILIES["poisson"], theory.Replace(20), "survivors")
    assert (survivors.name, survivors.why_not) == ("survivors", "it assumes that the family is Categorical")
    (safe,) = theory.applicability(FAMILIES["poisson"], theory.SlidingWindow(20, 3), "safe-amount")
    assert safe.why_not.count("it assumes that the workflow is") == 5
