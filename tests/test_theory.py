"""What theory's functions take and refuse, and that they live in NumPy and in JAX alike."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sympy import Rational

from modelcollapse import theory
from modelcollapse.theory import algebra
from modelcollapse.theory.ledger import FORMS

CATEGORICAL = theory.Categorical([0.5, 0.3, 0.2])
REGRESSION, ONE_DESIGN = theory.LinearRegression(3), theory.LinearRegression(3, redrawn=False)
KERNEL = theory.KernelDensity(0.5)
BOUGHT = theory.Portfolio([[10, 0, 0, 0]], [[[1.0, 0, 0, 0]]])
EVERY = (
    theory.Replace(20, real=30),
    theory.Replace((20, 25, 30, 40, 50), real=30),
    theory.FixedReal(30, 20),
    theory.FreshReal(30, 20),
    theory.FreshReal(30, 20, weight=0.4),
    theory.Accumulate(30, 20),
    theory.AccumulateSubsample(30, 20, train=15),
    theory.AccumulateSubsample(30, 20, train=15, replacement=True),
    theory.Accumulate(30, 20).schedule(6),
)


wrong: Any = theory  # what the types forbid is refused at run time too


def schedule(**changes: Any) -> theory.Schedule:
    table: dict[str, Any] = {"size": [5, 5], "source": [[1, 0, 0], [0, 1, 0]], "weight": [[1, 0], [0.5, 0.5]]} | changes
    return theory.Schedule(**table)


@pytest.mark.parametrize(
    ("make", "fragments"),
    [
        (lambda: wrong.Replace(0), ["Replace(synthetic=0)", "at least 1"]),
        (lambda: wrong.Replace(-5), ["Replace(synthetic=-5)", "at least 1"]),
        (lambda: wrong.Replace(2.5), ["synthetic=2.5", "whole"]),
        (lambda: wrong.Replace(float("nan")), ["synthetic=nan", "not NaN"]),
        (lambda: wrong.Replace(True), ["synthetic=True", "number of samples"]),
        (lambda: wrong.Replace("20"), ["synthetic='20'", "number of samples"]),
        (lambda: wrong.Replace(()), ["synthetic=()", "at least one size"]),
        (lambda: wrong.Replace((5, 0)), ["synthetic=0", "at least 1"]),
        (lambda: wrong.FixedReal(0, 5), ["FixedReal(real=0)", "Replace"]),
        (lambda: wrong.FixedReal(5, 0), ["FixedReal(synthetic=0)"]),
        (lambda: wrong.FreshReal(5, 5, weight=1.2), ["weight=1.2", "between 0 and 1"]),
        (lambda: wrong.FreshReal(5, 5, weight=0), ["weight=0", "Replace"]),
        (lambda: wrong.AccumulateSubsample(20, 20, train=21), ["train=21", "at most real=20"]),
        (lambda: wrong.AccumulateSubsample(20, 20, train=5, replacement=1), ["replacement=1", "True or False"]),
        (lambda: wrong.Categorical([0.5, 0.6]), ["sum 1.1", "from_counts"]),
        (lambda: wrong.Categorical([1.5, -0.5]), ["-0.5", "none below 0"]),
        (lambda: wrong.Categorical([0.5, float("nan")]), ["nan", "not NaN"]),
        (lambda: wrong.Categorical([]), ["shape (0,)"]),
        (lambda: wrong.Categorical([[0.5, 0.5]]), ["shape (1, 2)"]),
        (lambda: wrong.Categorical.from_counts([3, -1]), ["none below 0"]),
        (lambda: wrong.Categorical.from_counts([3, 0.5]), ["whole"]),
        (lambda: wrong.Categorical.from_counts([1, 0]), ["at least two"]),
        (lambda: wrong.Gaussian(dimension=0), ["dimension=0"]),
        (lambda: wrong.Gaussian(variance=-1.0), ["variance=-1.0", "above 0"]),
        (lambda: wrong.Poisson(0), ["mean=0", "above 0"]),
        (lambda: wrong.Gamma(float("inf"), 1.0), ["shape=inf", "infinity"]),
        (lambda: wrong.Binomial(5, 1), ["p=1"]),
        (lambda: wrong.NegativeBinomial(0, 1), ["size=0"]),
        (lambda: schedule(weight=[[1, 0], [0.5, 0.6]]), ["1.1", "divide it by its sum"]),
        (lambda: schedule(source=[[1, 0, 0], [0, 0.9, 0]]), ["0.9", "divide it by its sum"]),
        (lambda: schedule(source=[[1.5, -0.5, 0], [0, 1, 0]]), ["-0.5", "at least 0"]),
        (lambda: schedule(size=[5, 0]), ["size=0", "at least 1"]),
        (lambda: schedule(size=[5, 5, 5]), ["source", "shape"]),
        (lambda: schedule(weight=[[0.5, 0.5], [0.5, 0.5]]), ["model 1 uses a batch drawn from model 1"]),
        (lambda: schedule(train=[5, 11]), ["pool of 10 points"]),
        (lambda: schedule(weight=[[1, 0], [0.4, 0.6]], train=[5, 5]), ["share of the pool"]),
        (lambda: wrong.error(CATEGORICAL, wrong.Replace(5), 1.5), ["generation=1.5", "whole"]),
        (lambda: wrong.error(CATEGORICAL, wrong.Replace(5), -1), ["generation=-1"]),
        (lambda: wrong.error(CATEGORICAL, wrong.Replace(5), [1, float("nan")]), ["generation"]),
        (lambda: wrong.error(CATEGORICAL, wrong.Replace((5, 6)), 4), ["reach generation 3"]),
        (lambda: wrong.error(CATEGORICAL, schedule(), 3), ["2 generations"]),
        (lambda: wrong.error(CATEGORICAL, 5, 3), ["w=5", "Replace"]),
        (lambda: wrong.error([0.5, 0.5], wrong.Replace(5), 3), ["f=[0.5, 0.5]", "Categorical"]),
        (lambda: wrong.error(wrong.Gaussian(unbiased=True), wrong.FixedReal(1, 5), 3), ["two points", "unbiased=False"]),
        (lambda: wrong.error(wrong.Gaussian(unbiased=True), wrong.Replace(1), 3), ["two samples"]),
        (lambda: wrong.gain_limit(CATEGORICAL, schedule()), ["without end"]),
        (lambda: wrong.survivors(wrong.Poisson(1.0), wrong.Replace(5), 1), ["Categorical"]),
        (lambda: wrong.survivors(wrong.Categorical.from_counts([3, 2]), wrong.Replace(6), 1), ["real=6", "5 items"]),
        (lambda: wrong.survivors(wrong.Categorical.from_counts([3, 2]), wrong.Replace(5), 0), ["generation=0", "truth"]),
        (lambda: wrong.collapse_time(CATEGORICAL, wrong.FreshReal(5, 5)), ["Replace"]),
        (lambda: wrong.collapse_time(CATEGORICAL, wrong.Replace((5, 6))), ["one size"]),
        (lambda: wrong.collapse_probability(wrong.Poisson(1.0), wrong.Replace(5), 1), ["Categorical, Binomial"]),
        (lambda: wrong.collapse_probability(CATEGORICAL, wrong.Replace(501), 1), ["at most 500"]),
        (lambda: wrong.optimal_weight(CATEGORICAL, wrong.Replace(5)), ["FreshReal"]),
        (lambda: wrong.max_synthetic(CATEGORICAL, wrong.FixedReal(5, 5), 0), ["tolerance=0", "above 0"]),
        (lambda: wrong.max_synthetic(CATEGORICAL, wrong.FixedReal(5, 5), float("nan")), ["tolerance=nan"]),
        (lambda: wrong.max_synthetic(CATEGORICAL, schedule(), 0.1), ["Schedule"]),
        (lambda: wrong.log_variance(wrong.Gaussian(dimension=5), wrong.Replace(5), 1), ["more samples than dimensions"]),
        (lambda: wrong.Categorical.from_counts([2**63, 1]), ["2^53"]),
        (lambda: wrong.survivors(CATEGORICAL, wrong.Replace(5000), 1e300), ["1e+300", "2^53"]),
        (lambda: wrong.error(CATEGORICAL, wrong.Replace(5), []), ["generation=[]"]),
        (lambda: wrong.error(wrong.Poisson(3.0), wrong.AccumulateSubsample(9, 9), 1e9), ["generation by generation"]),
        (lambda: wrong.error(wrong.Poisson(3.0), wrong.AccumulateSubsample(1, 1), 2), ["at least two real", "replacement"]),
        (lambda: wrong.max_synthetic(CATEGORICAL, wrong.FixedReal(np.array([5, 6]), 3)), ["call it for each size"]),
        (lambda: wrong.collapse_time(CATEGORICAL, wrong.Replace(np.array([5, 6]))), ["call it for each size"]),
        (lambda: wrong.LinearRegression(0), ["dimension=0", "covariates"]),
        (lambda: wrong.LinearRegression(3, noise=0), ["noise=0", "above 0"]),
        (lambda: wrong.LinearRegression(3, redrawn=1), ["redrawn=1", "True or False"]),
        (lambda: wrong.KernelDensity(0), ["bandwidth=0", "above 0"]),
        (lambda: wrong.KernelDensity((0.5, -1)), ["bandwidth=-1", "above 0"]),
        (lambda: wrong.KernelDensity(()), ["bandwidth=()", "at least one"]),
        (lambda: wrong.KernelDensity(0.5, dimension=0), ["dimension=0"]),
        (lambda: wrong.error(REGRESSION, wrong.Replace(4), 1), ["dimension + 2", "infinite"]),
        (lambda: wrong.error(REGRESSION, wrong.Replace((9, 4), real=9), 1), ["dimension + 2", "infinite"]),
        (lambda: wrong.error(REGRESSION, wrong.Accumulate(4, 9), 1), ["dimension + 2", "more samples"]),
        (lambda: wrong.error(REGRESSION, wrong.FixedReal(9, 9), 2), ["leading order", "redrawn=False"]),
        (lambda: wrong.diversity(REGRESSION, wrong.AccumulateSubsample(9, 9), 2), ["leading order", "simulate"]),
        (lambda: wrong.gain(REGRESSION, wrong.FreshReal(9, 9, weight=0.4), 2), ["without a weight"]),
        (lambda: wrong.gain_limit(REGRESSION, schedule()), ["without a weight"]),
        (lambda: wrong.error(ONE_DESIGN, wrong.Accumulate(9, 10), 2), ["equal sizes", "redrawn=True"]),
        (lambda: wrong.error(ONE_DESIGN, wrong.AccumulateSubsample(9, 9), 2), ["none is subsampled"]),
        (lambda: wrong.error(ONE_DESIGN, schedule(size=[9, 8]), 2), ["all sets have its size"]),
        (lambda: wrong.max_synthetic(REGRESSION, wrong.Accumulate(9, 9)), ["not known for LinearRegression"]),
        (lambda: wrong.max_synthetic(KERNEL, wrong.FixedReal(9, 9)), ["not known for LinearRegression and KernelDensity"]),
        (lambda: wrong.optimal_weight(KERNEL, wrong.FreshReal(9, 9)), ["not known for LinearRegression and KernelDensity"]),
        (lambda: wrong.collapse_time(KERNEL, wrong.Accumulate(9, 9)), ["Categorical, Binomial"]),
        (lambda: wrong.survivors(REGRESSION, wrong.Replace(9), 1), ["Categorical"]),
        (lambda: wrong.log_variance(KERNEL, wrong.Replace(9), 1), ["Gaussian"]),
        (lambda: wrong.second_moment(CATEGORICAL, wrong.Replace(9), 1), ["a KernelDensity"]),
        (lambda: wrong.explain(wrong.second_moment, REGRESSION, wrong.Replace(9)), ["it assumes that the family is Kernel"]),
        (lambda: wrong.error(wrong.KernelDensity((1, 0.5)), wrong.Replace(9), 3), ["2 models", "generation 3"]),
        (lambda: wrong.gain_limit(wrong.KernelDensity((1, 0.5)), wrong.Replace(9)), ["one bandwidth"]),
        (lambda: wrong.gain_limit(KERNEL, schedule()), ["without end"]),
        (lambda: wrong.explain(len, CATEGORICAL, wrong.Replace(5)), ["len", "one of"]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line_with_a_remedy(make: Any, fragments: list[str]) -> None:
    with pytest.raises(theory.InputError) as refused:
        make()
    message = str(refused.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


WILD = [math.nan, math.inf, -math.inf, "x", "1", 1j, [], [0.5], (0.5, 0.2), {}, 10**400, object()]
WILD += [np.array(["a"]), np.array([math.nan])]
FRESH, WINDOW, SOURCE = theory.FreshReal(20, 30), theory.Detector(0.9, 0.1), theory.Source(40)
SMOOTH, NARROW, RIDGE = (
    theory.KernelDensity(0.5),
    theory.Gaussian(unbiased=True),
    theory.Ridge(np.array([1.0, 2.0]), 0.1, 0.2),
)
CALLS: tuple[tuple[Any, dict[str, Any], str], ...] = (
    (theory.beats_real, {"w": FRESH, "generation": 3}, "generation"),
    (theory.best_penalty, {"dimension": 3, "real": 20, "signal": 1.0, "noise": 1.0}, "dimension real signal noise"),
    (theory.collapse_probability, {"f": CATEGORICAL, "w": theory.Replace(9), "generation": 3}, "generation"),
    (theory.contamination, {"source": SOURCE, "share": 0.3}, "source share"),
    (theory.curated_share, {"p0": 0.1, "share": 0.3, "curation": theory.Curation(1.0)}, "p0 share"),
    (algebra.covariance, {"workflow": FRESH, "v2": -1, "generations": 3, "heritability": 1, "own_noise": 0},
     "workflow v2 generations heritability own_noise"),
    (theory.effective_size, {"f": CATEGORICAL, "sizes": [9, 9], "share": 0.3, "provenance": WINDOW}, "sizes share provenance"),
    (theory.error, {"f": CATEGORICAL, "w": FRESH, "generation": 3}, "f w generation"),
    (theory.extinction_time, {"f": CATEGORICAL, "w": theory.Replace(9), "quantile": 0.5}, "quantile"),
    (theory.fresh_schedule, {"real": [9, 9], "synthetic": 9, "weight": [1.0, 0.5]}, "real synthetic weight"),
    (theory.harmless_share, {"real": 20, "source": SOURCE}, "real source"),
    (theory.helpful_synthetic, {"f": CATEGORICAL, "real": 20, "teacher": theory.Teacher(30)}, "real teacher"),
    (theory.information, {"share": 0.3, "provenance": WINDOW}, "share provenance"),
    (theory.integrated_error, {"f": SMOOTH, "w": FRESH, "generation": 3, "truth": None}, "f w generation truth"),
    (theory.max_synthetic, {"f": CATEGORICAL, "w": FRESH, "tolerance": 0.1}, "tolerance"),
    (theory.min_real, {"f": CATEGORICAL, "w": FRESH, "retain": 0.9}, "retain"),
    (theory.min_real_present, {"w": FRESH, "probability": 0.01, "absent": 0.05}, "w probability absent"),
    (theory.optimal_bandwidths, {"f": SMOOTH, "w": FRESH, "generations": 2, "decay": 0.1}, "f w generations decay"),
    (theory.optimal_purchase, {"total": 9.0, "real": 1.0, "synthetic": 0.5, "source": SOURCE, "variance": 1.0},
     "total real synthetic source variance"),
    (theory.pooled_error, {"real": 9, "synthetic": 9, "source": SOURCE, "variance": 1.0}, "real synthetic source variance"),
    (theory.recovery_error, {"f": CATEGORICAL, "w": FRESH, "generation": 3, "error": 0.1, "diversity": 0.1},
     "f w generation error diversity"),
    (theory.recovery_time, {"f": CATEGORICAL, "w": FRESH, "tolerance": 0.1, "error": 0.1, "diversity": 0.1},
     "f w tolerance error diversity"),
    (theory.report_bandwidth, {"f": SMOOTH, "w": theory.Replace(9), "generation": 2}, "f w generation"),
    (theory.sampling_error, {"f": NARROW, "w": FRESH, "multiplier": 0.7, "generation": 2}, "f w multiplier generation"),
    (theory.self_distillation_error, {"f": RIDGE, "share": 0.5}, "f share"),
    (theory.spread_kept, {"share": 0.3, "multiplier": 0.7}, "share multiplier"),
    (theory.stopping_round, {"contraction": 0.5, "variance": 3.0, "bias": 1.0, "noise": 0.1}, "contraction variance bias noise"),
    (theory.stream_error, {"f": CATEGORICAL, "batch": 9, "share": 0.3, "generation": 3}, "f batch share generation"),
    (theory.temperature_window, {"tokens": 9, "temperature": 0.5}, "tokens temperature"),
    (theory.zipf_missing, {"f": theory.Zipf(1.5), "samples": 9, "clean": 3}, "f samples clean"),
)  # fmt: skip


@pytest.mark.parametrize(("question", "given", "names"), CALLS, ids=lambda each: getattr(each, "__name__", ""))
def test_wild_arguments_are_answered_or_refused_in_one_line(question: Any, given: dict[str, Any], names: str) -> None:
    """Never an error of another kind, and no warning; every answer but that of a list is none with a NaN."""
    question(**given)
    for name in names.split():
        for value in WILD:
            message, told = "", 0.0
            try:
                told = question(**given | {name: value})
            except theory.InputError as refused:
                message = str(refused)
            assert "\n" not in message and len(message) < 400
            assert not np.isnan(np.asarray(told, float) if isinstance(told, float | np.ndarray) else 0.0).any()


@pytest.mark.parametrize(
    ("make", "fragments"),
    [
        (lambda: theory.min_real_present(FRESH, 5e-324), ["probability=5e-324", "2^53"]),
        (lambda: theory.stopping_round(5e-324, 3.0, 1.0), ["contraction=5e-324", "above 0"]),
        (lambda: theory.error(CATEGORICAL, theory.SlidingWindow(9, 10**6), 2), ["models=1000000", "at most"]),
        (lambda: algebra.covariance(FRESH, -1, 10**4), ["generations=10000", "at most"]),
        (lambda: algebra.covariance(FRESH, np.ones(3), 2), ["v2=[1.0, 1.0, 1.0]", "one number"]),
        (lambda: theory.estimate_worth(np.ones((0, 3))), ["shape (0, 3)"]),
        (lambda: theory.estimate_worth([(10, 0, 1e300), (20, 0, 0.5), (0, 30, 0.7), (10, 10, 0.6)]), ["1e308"]),
        (lambda: theory.estimate_worth([(10, 0, 2.0), (20, 0, 0.5), (0, 30, 0.7)], level=wrong.error), ["level="]),
        (lambda: theory.at_limits(wrong.error, wrong.error), ["a Pilot"]),
        (lambda: theory.optimal_bandwidths(SMOOTH, FRESH, 3, decay=1e9), ["decay=1000000000.0", "factor"]),
        (
            lambda: theory.integrated_error(SMOOTH, FRESH, 2, theory.GaussianMixture([0.5, 0.5], [[0.0], [1e6]])),
            ["apart"],
        ),
        (lambda: theory.portfolio_moments(BOUGHT, theory.Source(0)), ["above 0"]),
        (lambda: theory.portfolio_moments(BOUGHT, wrong.error), ["a Source"]),
        (lambda: wrong.portfolio_moments(BOUGHT, None, theory.Source(9)), ["a Correction"]),
        (lambda: theory.recovery_time(wrong.Ridge(np.ones(2), 0.1, 0.2), FRESH), ["recovery_time"]),
    ],
)
def test_what_is_beyond_all_numbers_is_refused(make: Any, fragments: list[str]) -> None:
    with pytest.raises(theory.InputError) as refused:
        make()
    for fragment in fragments:
        assert fragment in str(refused.value)


def test_extremes_that_have_an_answer() -> None:
    """Sizes of an array are each for itself; a law of one token never errs; what no money buys is unknown without end."""
    sizes = theory.Replace(np.array([10.0, 20.0]))
    assert any(each.name == "replace/equal" and each.applies for each in theory.applicability(CATEGORICAL, sizes))
    assert theory.recovery_error(theory.Categorical([1.0]), FRESH, np.arange(3)).tolist() == [0, 0, 0]
    assert theory.optimal_purchase(5e-324, 1.0, 1.0, SOURCE).error == math.inf


@pytest.mark.parametrize("w", EVERY, ids=lambda w: type(w).__name__)
def test_generation_zero_is_the_truth_and_one_the_first_model(w: theory.Workflow) -> None:
    assert theory.error(CATEGORICAL, w, 0) == 0
    assert theory.gain(CATEGORICAL, w, 0) == 0
    assert theory.diversity(CATEGORICAL, w, 0) == pytest.approx(CATEGORICAL.v, rel=1e-15)
    assert theory.diversity(theory.Poisson(2.0), w, 0) == 1
    expected = 1 / 30
    if isinstance(w, theory.AccumulateSubsample):
        expected = 1 / 15 + (1 - 1 / 15) / 30 if w.replacement else 1 / 15
    assert theory.error(CATEGORICAL, w, 1) == pytest.approx(CATEGORICAL.v * expected, rel=1e-14)


@pytest.mark.parametrize("w", EVERY, ids=lambda w: type(w).__name__)
@pytest.mark.parametrize("f", [CATEGORICAL, theory.Gamma(3, 2.0)], ids=lambda f: type(f).__name__)
def test_arrays_of_generations_are_scalars_side_by_side_in_numpy_and_in_jax(f: Any, w: theory.Workflow) -> None:
    generations = np.array([[0, 1], [4, 6]])
    for question in (theory.error, theory.diversity, theory.gain):
        table = question(f, w, generations)
        alone = [question(f, w, int(each)) for each in generations.ravel()]
        assert all(type(each) is float for each in alone)
        np.testing.assert_allclose(table.ravel(), alone, rtol=1e-14)
        traced = jax.jit(lambda m, question=question: question(f, w, m))(jnp.asarray(generations))
        np.testing.assert_allclose(traced, table, rtol=1e-12)


@pytest.mark.parametrize("w", EVERY, ids=lambda w: type(w).__name__)
def test_a_kernel_density_answers_under_every_workflow(w: theory.Workflow) -> None:
    for f in (theory.KernelDensity(0.5, dimension=2, variance=3.0), theory.KernelDensity((0.5, 0.4, 0.3, 0.2, 0.1))):
        for question, truth in ((theory.error, 0), (theory.diversity, 1), (theory.gain, 0), (theory.second_moment, 1)):
            table = question(f, w, np.array([[0, 1], [2, 5]]))
            assert table[0, 0] == truth
            assert [type(question(f, w, each)) for each in (0, 3)] == [float, float]
            traced = jax.jit(lambda m, question=question, f=f: question(f, w, m))(jnp.array([[0, 1], [2, 5]]))
            np.testing.assert_allclose(traced, table, rtol=1e-12)
            assert theory.explain(question, f, w) in FORMS
        total = theory.diversity(f, w, 4) + theory.error(f, w, 4) / f.v
        assert theory.second_moment(f, w, 4) == pytest.approx(total, rel=1e-12)
        assert theory.gain(f, w, 4) == pytest.approx(theory.error(f, w, 4) * 30 / f.v, rel=1e-12)


@pytest.mark.parametrize(
    "w", [theory.Replace(20), theory.Replace((9, 8)), theory.Accumulate(9, 7), theory.FreshReal(9, 7)]
)
def test_a_regression_answers_where_its_error_is_known(w: Any) -> None:
    f = theory.LinearRegression(3, noise=2.0)
    np.testing.assert_array_equal(theory.diversity(f, w, [0, 1, 3]), [1, 1, 1])
    np.testing.assert_allclose(theory.gain(f, w, [0, 1, 3]), theory.error(f, w, [0, 1, 3]) * w.real / 6, rtol=1e-14)
    assert theory.error(f, w, 1) == pytest.approx(6 / (w.real - 4), rel=1e-14)  # more than v/real
    assert theory.explain(theory.error, f, w).family == "LinearRegression"
    traced = jax.jit(lambda m: theory.error(f, w, m))(jnp.array([0, 1, 3]))
    np.testing.assert_allclose(traced, theory.error(f, w, [0, 1, 3]), rtol=1e-12)


def test_records_pass_through_transformations_as_trees() -> None:
    def gained(f: Any, w: Any) -> Any:
        return theory.gain(f, w, 4)

    w = theory.FixedReal(jnp.asarray(30.0), jnp.asarray(20.0))
    slope = jax.jit(jax.grad(gained, argnums=1))(theory.Poisson(2.0), w)
    assert isinstance(slope, theory.FixedReal)
    step = 1e-6
    ahead, behind = (
        gained(theory.Poisson(2.0), theory.FixedReal(30, np.asarray(20.0 + sign * step))) for sign in (1, -1)
    )
    assert float(slope.synthetic) == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)
    many = jax.vmap(gained, in_axes=(None, 0))(
        CATEGORICAL, theory.FixedReal(jnp.array([30.0, 40.0]), jnp.array([20.0, 5.0]))
    )
    expected = [gained(CATEGORICAL, theory.FixedReal(30, 20)), gained(CATEGORICAL, theory.FixedReal(40, 5))]
    np.testing.assert_allclose(many, expected, rtol=1e-13)


def test_the_algebra_is_differentiable_in_sizes_and_weights() -> None:
    source = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0.5, 0.5, 0]])

    def last(size: Any, weight: Any) -> Any:
        rows = jnp.stack([jnp.array([1.0, 0, 0]), jnp.array([1.0, 0, 0]).at[:2].set(jnp.array([1 - weight, weight])),
                          jnp.array([0.2, 0.3, 0.5])])  # fmt: skip
        return theory.gain(CATEGORICAL, theory.Schedule(jnp.stack([jnp.asarray(20.0), size, size]), source, rows), 3)

    at = (jnp.asarray(30.0), jnp.asarray(0.4))
    slopes = jax.grad(last, argnums=(0, 1))(*at)
    for place, step in ((0, 1e-4), (1, 1e-6)):
        ahead, behind = (
            float(last(*(value + sign * step * (each == place) for each, value in enumerate(at)))) for sign in (1, -1)
        )
        assert float(slopes[place]) == pytest.approx((ahead - behind) / (2 * step), rel=1e-5)


def test_small_integer_types_do_not_overflow() -> None:
    size = np.array(100, np.int8)
    assert theory.survivors(CATEGORICAL, theory.FreshReal(size, size), 4) == pytest.approx(3, abs=1e-9)
    np.testing.assert_allclose(np.asarray(theory.FixedReal(size, size).schedule(4).weight, float).sum(axis=1), 1)


def test_the_chain_of_many_tokens_needs_little_memory() -> None:
    f, w = theory.Categorical(np.full(20_000, 1 / 20_000)), theory.Replace(400)
    expected = 20_000 * (1 - (1 - 1 / 20_000) ** 400)
    assert theory.survivors(f, w, 1) == pytest.approx(expected, rel=1e-10)


def test_every_question_names_its_theorem() -> None:
    for w in EVERY[:1] + EVERY[2:8]:
        for question in (
            theory.error,
            theory.diversity,
            theory.gain,
            theory.gain_limit,
            theory.survivors,
            theory.max_synthetic,
        ):
            theorem = theory.explain(question, CATEGORICAL, w)
            assert theorem in FORMS
            assert theorem.statement
            assert theorem.sources
    names = [each.name for each in FORMS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("question", "w", "name"),
    [
        (theory.effective_corpus, theory.Replace(20), "coverage"),
        (theory.keep_all_gain, theory.Accumulate(20, 10), "accumulate"),
        (theory.keep_all_gain_upper_bound, theory.Accumulate(20, 10), "accumulate"),
        (theory.l1_error_upper_bound, theory.RandomPast(20), "l1-distance/error"),
        (theory.min_real_present, theory.FreshReal(20, 10), "absence"),
        (theory.replaceable_share, theory.FreshReal(20, 10), "fresh-real/pooled"),
        (theory.loss_probability, theory.Accumulate(20, 10), "survivors/kept"),
        (theory.gain_limit, theory.FreshReal(20, 10, 0.5), "fresh-real/weighted"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_functions_beside_the_one_that_a_theorem_is_named_by_have_it_too(question: Any, w: Any, name: str) -> None:
    assert theory.explain(question, CATEGORICAL, w).name == name


def test_a_theorem_of_cases_assumes_what_all_of_them_do_and_no_case_belongs_elsewhere() -> None:
    from modelcollapse.theory.theorem import of_cases

    with_cases = [each for each in theory.theorems() if each.cases]
    for whole in with_cases:
        assert all(case.name.startswith(f"{whole.name}/") for case in whole.cases)
        assert all(set(whole.assumptions) <= set(case.assumptions) for case in whole.cases)
        assert len({bool(case.needs) for case in whole.cases}) == 1
    assert sum(len(each.cases) for each in with_cases) + sum(not each.cases for each in theory.theorems()) == len(FORMS)
    with pytest.raises(ValueError, match="unpack"):
        of_cases("two theorems", with_cases[0].cases[0], with_cases[1].cases[0])
    with pytest.raises(TypeError, match="each of its cases has its own"):
        _ = with_cases[0].derived


@pytest.mark.parametrize("question", [theory.error, theory.diversity, theory.gain], ids=lambda each: each.__name__)
def test_what_breaks_a_rule_inside_a_trace_is_nan_and_what_keeps_them_is_not(question: Any) -> None:
    gamma, tokens = theory.Gamma(2.0, 1.0), CATEGORICAL
    cases: list[tuple[Any, float, float]] = [
        (lambda x: question(gamma, theory.Accumulate(x, 3), 4), 5.0, -1.0),
        (lambda x: question(gamma, theory.Accumulate(5, x), 4), 5.0, 0.5),
        (lambda x: question(gamma, theory.FreshReal(5, 3, weight=x), 4), 1.0, 1.5),
        (lambda x: question(tokens, theory.AccumulateSubsample(9, 3, train=x), 4), 9.0, 10.0),
        (lambda x: question(tokens, theory.Replace((3, x), real=4), 3), 2.0, 0.0),
        (lambda x: question(theory.Gamma(x, 1.0), theory.Accumulate(9, 3), 4), 2.0, -2.0),
        (lambda x: question(theory.Gamma(x, 1.0), theory.Accumulate(9, 3), 4), 2.0, 1e-3),
        (lambda x: question(theory.NegativeBinomial(x, 1.0), theory.FixedReal(9, 3), 4), 0.5, -0.5),
        (lambda x: question(theory.Binomial(3, x), theory.FixedReal(9, 3), 4), 0.5, 1.0),
        (lambda x: question(tokens, theory.FixedReal(9, 3), x), 4.0, 1.5),
        (lambda x: question(tokens, theory.FixedReal(9, 3), x), 0.0, -2.0),
        (lambda x: question(theory.Categorical(jnp.array([x, 0.5])), theory.FixedReal(9, 3), 4), 0.5, 0.6),
    ]
    for ask, good, bad in cases:
        values = jax.vmap(ask)(jnp.array([good, bad]))
        assert np.isfinite(float(values[0]))
        assert np.isnan(float(values[1]))


def test_records_are_trees_whichever_of_jax_and_theory_is_imported_first() -> None:
    code = (
        "from modelcollapse import theory; import sys; assert 'jax' not in sys.modules\n"
        "import jax\n"
        "w = jax.tree.map(lambda size: size + 1, theory.FixedReal(4, 9)); assert (w.real, w.synthetic) == (5, 10)\n"
        "print(jax.jit(theory.gain, static_argnums=2)(theory.Poisson(1.0), w, 3))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(theory.gain(theory.Poisson(1.0), theory.FixedReal(5, 10), 3), rel=1e-6)


@pytest.mark.parametrize("name", [each.name for each in FORMS if each.derive is not None])
def test_the_code_of_a_theorem_is_its_closed_form(name: str) -> None:
    theorem = next(each for each in FORMS if each.name == name)
    closed = theorem.derived.expression.doit()
    numbers = {"N": 9, "n": 7, "M": 5, "m": 4, "v_2": Rational(-1, 3), "w": Rational(2, 5), "epsilon": Rational(1, 8)}
    numbers |= {"beta": Rational(8, 5), "beta_1": 2}
    if name == "regression-least-norm":
        numbers["d"] = 20  # fewer samples than covariates: the quotients hold there
    numbers |= {"y_r": 2, "y_s": 3}  # losses that differ
    values = {letter: numbers.get(letter.name, Rational(3, 7)) for letter in closed.free_symbols}
    made: dict[str, Any] = {}
    exec(theorem.code, made)
    found = made[name.replace("-", "_").replace("/", "_")](
        **{letter.name: int(value) if isinstance(value, int) else float(value) for letter, value in values.items()}
    )
    expected = complex(closed.subs(values).doit().evalf())  # roots below 0 leave conjugate factors, and a real product
    assert complex(found) == pytest.approx(expected.real, rel=1e-12)
    assert abs(expected.imag) < 1e-12 * abs(expected.real)
