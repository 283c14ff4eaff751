"""The plan of a budget: no grid point errs less, closed forms are met, chains of it err as it says, the budget holds."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modelcollapse import theory
from modelcollapse.budget import Aim, Budget, optimise, read
from modelcollapse.budget.descent import relaxed_portfolio, solved
from modelcollapse.budget.outright import outright
from modelcollapse.budget.task import Task, unchecked
from modelcollapse.simulate import agree, portfolio
from modelcollapse.simulate.replicates import Replicates
from modelcollapse.theory.portfolio import OWN, REAL, SOURCE, VERIFIED

SOURCE_40, VERIFIER = theory.Source(40.0), theory.Correction(0.5, 60.0, keep=0.5)


def relaxed(budget: Budget, generations: int, **given: Any) -> tuple[Any, Any]:
    """What Adam arrives at, in parts of items."""
    task = Task(
        generations,
        budget,
        given.get("source"),
        given.get("verifier"),
        0,
        given.get("pooled", False),
        given.get("aim", Aim.LAST),
        0.0,
    )
    found = relaxed_portfolio(task, solved(task)[0])
    return found, float(task.aimed(task.errors(found)))


@pytest.mark.parametrize(
    ("total", "price", "source"),
    [(1000.0, 0.25, SOURCE_40), (5.0, 0.25, SOURCE_40), (100.0, 0.7, theory.Source(300.0, 1.2))],
)
def test_one_generation_buys_what_the_theorem_says(total: float, price: float, source: theory.Source) -> None:
    """Some of both, synthetic alone, and a noisy source that costs more than what it tells."""
    found, error = relaxed(Budget(total, synthetic=price), 1, source=source)
    best = theory.optimal_purchase(total, 1.0, price, source)
    assert error == pytest.approx(best.error, rel=1e-6)
    assert found.size[0, :2] == pytest.approx([best.real, best.synthetic], rel=1e-3, abs=1e-3 * total)


def test_pooled_items_that_cost_nothing_have_the_best_share() -> None:
    found, error = relaxed(Budget(100.0, synthetic=1e-9), 1, source=SOURCE_40, pooled=True)
    seen = found.train[0, 0]
    assert seen[SOURCE] / seen.sum() == pytest.approx(theory.optimal_share(100, SOURCE_40).share, rel=1e-3)
    assert error == pytest.approx(theory.pooled_error(100, 25, SOURCE_40), rel=1e-6)


def test_verified_items_are_bought_and_weighed_as_those_of_a_source() -> None:
    """No plan errs less than linear estimates can, and two generations get there: the weight of the centre is E/(N + E)."""
    cheap = Budget(200.0, synthetic=0.02, verification=0.01)
    found, error = relaxed(cheap, 2, verifier=VERIFIER)
    assert cheap.prices(VERIFIER) == pytest.approx([1.0, 0.02, 0.02, 0.06])
    told = VERIFIER.as_source
    best = theory.optimal_purchase(200.0, 1.0, float(cheap.prices(VERIFIER)[VERIFIED]), told)
    assert error == pytest.approx(best.error, rel=1e-6)
    worth = 1 / best.error - best.real
    assert found.weight[1, 1, VERIFIED] * VERIFIER.contraction == pytest.approx(worth / (best.real + worth), rel=1e-3)


@pytest.mark.parametrize("aim", list(Aim))
def test_without_anything_from_outside_all_is_real_and_kept(aim: Aim) -> None:
    plan = optimise(Budget(100.0, synthetic=0.001), 2, aim=aim, v2=-1.0, variance=3.0)
    assert plan.all_real
    assert plan.bought[:, REAL].sum() == 100
    assert plan.least == pytest.approx(3 / 100, rel=1e-9)
    assert "repeat what the real data has said" in plan.lines()[-1]
    assert plan.check.exchange < 1e-6


@pytest.mark.parametrize(
    ("budget", "generations", "given"),
    [
        (Budget(1000.0), 3, {"source": theory.Source(500.0)}),
        (Budget(1000.0, training=0.05), 3, {"source": theory.Source(500.0, 1.4)}),
        (Budget(200.0, synthetic=0.02, verification=0.01), 3, {"verifier": VERIFIER, "source": SOURCE_40}),
        (Budget(5.0, synthetic=0.25), 1, {"source": SOURCE_40, "aim": Aim.WORST}),
    ],
)
def test_what_the_theorem_buys_is_the_plan_where_no_plan_errs_less(
    budget: Budget, generations: int, given: dict[str, Any]
) -> None:
    """Adam, which knows no theorem, comes as near as it can; nothing is bought twice, and no exchange helps."""
    plan = optimise(budget, generations, **given)
    assert plan.check.gradient is None
    assert plan.check.exchange < 1e-6
    assert (plan.bought > 0).sum(0).max() == 1
    found, error = relaxed(budget, generations, **given)
    assert plan.check.bound * (1 - 1e-9) <= error <= plan.check.bound * (1 + 1e-5)
    items = plan.bought.sum(0) * budget.prices(given.get("verifier"))
    assert found.size.sum(0) * budget.prices(given.get("verifier")) == pytest.approx(items, abs=0.01 * budget.total)


def test_the_plan_outright_is_that_of_a_calculation_by_hand() -> None:
    """Noise 1 at 1/9: 36 (3 - 1) items, told 24. Verified with noise 2 at 1/8: 36 (4 - 2), told 18, of half a centre each."""
    source, verifier = theory.Source(36.0), theory.Correction(0.5, 36.0)
    plan = optimise(Budget(100.0, synthetic=1 / 9, verification=1 / 72), 3, source=source, verifier=verifier)
    assert plan.check.gradient is None
    assert plan.bought.tolist() == [[83, 72, 0, 0], [0, 0, 0, 72], [0, 0, 0, 0]]  # 83 + 8 + 9
    assert 1 / plan.error == pytest.approx([107, 125, 125], rel=1e-9)
    chosen = 2 * 18 / 125
    real, other = ((1 - chosen) * told / 107 for told in (83, 24))
    np.testing.assert_allclose(plan.weight, [[83 / 107, 24 / 107, 0, 0], *[[real, other, 0, chosen]] * 2], atol=1e-8)


def test_the_plan_outright_pays_for_training_once() -> None:
    """By hand: a price includes the training of the last model; 72 items for 8, told 24, and 92 real ones."""
    plan = optimise(Budget(100.0, real=0.9, synthetic=1 / 9 - 0.1, training=0.1), 2, source=theory.Source(36.0))
    assert plan.check.gradient is None
    assert plan.check.bound == pytest.approx(1 / 116, rel=1e-12)
    assert plan.trained[0].sum() == 1  # 0.1, for which the last model has one real item less
    assert 1 / 116 < plan.error[-1] < 1 / 115


def test_a_mean_over_models_of_which_one_lacks_what_is_verified_has_no_plan_outright() -> None:
    """By hand: 1/9991 and 1/10009, in the mean a thousandth above the bound."""
    budget, verifier = Budget(10_000.0, synthetic=1 / 9, verification=1 / 72), theory.Correction(0.5, 36.0)
    last, mean = (outright(Task(2, budget, None, verifier, 0, False, aim, 0.0)) for aim in (Aim.LAST, Aim.MEAN))
    assert last is not None and mean is None


@pytest.mark.parametrize(
    ("budget", "worth"),
    [
        (Budget(200, real=20, synthetic=0.3), 0.5), (Budget(37), 0.5), (Budget(20), 1.0), (Budget(1), 0.5), (Budget(7), 5.0),
        (Budget(2, real=0.7), 0.5), (Budget(100, real=1000), 500.0), (Budget(30, real=3, synthetic=0.7, training=0.2), 4.0),
        (Budget(900, real=1.7, synthetic=0.9), 1e4),
    ],
)  # fmt: skip
def test_no_other_purchase_in_whole_items_errs_less(budget: Budget, worth: float) -> None:
    """All real and synthetic items that the budget buys; of two sources of the same worth and noise each is tried."""
    plan = optimise(budget, 1, source=theory.Source(worth))
    real, synthetic = budget.real + budget.training, budget.synthetic + budget.training
    every = [(r, int((budget.total - r * real + 1e-9) / synthetic)) for r in range(int(budget.total / real + 1e-9) + 1)]
    best = min(1 / (r + 1 / (1 / s + 1 / worth) if s else max(r, 1e-300)) for r, s in every)
    assert plan.least <= best * (1 + 2.1e-4) and plan.cost <= budget.total * (1 + 1e-12)
    assert plan.least >= plan.check.bound * (1 - 1e-12)
    assert all(plan.least <= other * (1 + 2.1e-4) for other in plan.others.values())


def test_two_offers_are_bought_in_whole_items_as_well_as_can_be() -> None:
    """Every number of real items and of the source's, the rest verified: none tells more by two parts in ten thousand."""
    budget, source, verifier = Budget(60, synthetic=0.3), theory.Source(9.0), theory.Correction(0.5, 20.0)
    plan = optimise(budget, 2, source=source, verifier=verifier)
    noise = verifier.as_source.noise
    told = [
        r + (1 / (1 / s + 1 / 9) if s else 0) + (1 / (noise / v + 1 / 20) if v else 0)
        for r in range(61)
        for s in range(int((60 - r) / 0.3 + 1e-9) + 1)
        for v in [int((60 - r - 0.3 * s) / 0.3 + 1e-9)]
    ]
    assert plan.least == pytest.approx(1 / max(told), rel=2.1e-4)


def test_a_requirement_that_the_best_plan_fills_is_none() -> None:
    free, required = (optimise(Budget(1000), 3, source=theory.Source(500.0), at_least=each) for each in (None, 1900))
    assert required.least == free.least and required.bought.tolist() == free.bought.tolist()
    assert required.portfolio.train is None and required.check.gradient is None


def test_items_that_weigh_otherwise_are_told_by_their_generation() -> None:
    """Four real items with half the weight and two later ones with the other half; three of the source that weigh alike."""
    size, weight = np.zeros((2, 4)), np.zeros((2, 2, 4))
    size[:, REAL], size[:, SOURCE] = (4, 2), (1, 2)
    weight[0, 0, REAL], weight[1, :, REAL], weight[1, :, SOURCE] = 1, 0.25, (1 / 6, 1 / 3)
    made = theory.Portfolio(size, weight)
    told = optimise(Budget(9), 1)
    plan = replace(told, portfolio=made, bought=size.astype(int))
    assert (
        "train on 4 real of generation 1 (25 % of the weight), 2 real of generation 2 (25 % of the weight), 3 source (50 %"
        in (" ".join(plan.lines()))
    )
    last = [(each["kind"], each["generation"], each["trained"]) for each in plan.as_record()["batches"][1]]
    assert last == [("real", 1, 4), ("real", 2, 2), ("source", 1, 1), ("source", 2, 2)]


@pytest.mark.parametrize(
    ("budget", "given", "told"),
    [
        (Budget(0.5), {}, "too little for one real item, which costs 1"),
        (Budget(1, training=0.5), {}, "too little for one real item and the training of 2 models"),
        (Budget(0.05), {"source": SOURCE_40}, "too little for one item, which costs 0.1"),
        (Budget(0.5, real=9), {"source": theory.Source(0.0)}, "too little for one real item"),
    ],
)
def test_a_budget_that_trains_no_model_is_refused(budget: Budget, given: dict[str, Any], told: str) -> None:
    with pytest.raises(theory.InputError, match=told):
        optimise(budget, 2, **given)


@pytest.mark.parametrize(
    ("budget", "generations", "given"),
    [
        (Budget(100.0), 3, {"at_least": 500}),
        (Budget(100.0), 2, {"source": SOURCE_40, "pooled": True}),
        (Budget(100.0), 2, {"verifier": VERIFIER, "aim": Aim.MEAN}),
        (Budget(100.0, training=0.1), 2, {"verifier": VERIFIER}),
        (Budget(10.0, synthetic=0.01), 2, {"verifier": theory.Correction(0.1, 1000.0)}),
    ],
)
def test_where_the_bound_is_out_of_reach_there_is_no_plan_outright(
    budget: Budget, generations: int, given: dict[str, Any]
) -> None:
    """More items than pay, equal weights, models without what is verified training of each, a verifier that pulls little."""
    plan = optimise(budget, generations, **given)
    assert plan.check.gradient is not None
    assert plan.check.gap > 1e-6


def test_no_point_of_a_grid_over_two_generations_errs_less() -> None:
    """Shares of two real purchases (the rest is verified) and the weight of the verified items, 64 steps each.

    The best grid point errs more by no more than it does than its neighbours.
    """
    cheap, steps = Budget(150.0, synthetic=0.02, verification=0.01), 64
    prices = cheap.prices(VERIFIER)

    def mean_error(first: Any, second: Any, weight: Any) -> Any:
        size = jnp.zeros((2, 4)).at[0, REAL].set(first * 150).at[1, REAL].set(second * 150)
        size = size.at[1, VERIFIED].set((1 - first - second) * 150 / prices[VERIFIED])
        weights = jnp.zeros((2, 2, 4)).at[0, 0, REAL].set(1.0).at[1, 1, VERIFIED].set(weight)
        weights = weights.at[1, 0, REAL].set((1 - weight) * first / (first + second))
        weights = weights.at[1, 1, REAL].set((1 - weight) * second / (first + second))
        return theory.portfolio_moments(unchecked(size, weights, None), None, VERIFIER).diagonal().mean()

    share = (jnp.arange(steps) + 0.5) / steps
    axes = share[:, None, None], (jnp.arange(steps) / steps)[None, :, None], share[None, None, :]
    every = [each.ravel() for each in jnp.broadcast_arrays(*axes)]
    grid = np.asarray(jax.jit(jax.vmap(mean_error))(*every)).reshape((steps,) * 3)
    grid = np.where(np.add.outer(np.asarray(share), np.arange(steps) / steps)[..., None] < 1, grid, np.inf)
    at = np.unravel_index(np.argmin(grid), grid.shape)
    around = [
        grid[tuple(np.clip(np.add(at, move), 0, steps - 1))]
        for axis in range(3)
        for move in np.eye(3, dtype=int)[axis] * [[1], [-1]]
    ]
    spacing = max(each for each in around if np.isfinite(each)) - grid[at]
    plan = optimise(cheap, 2, verifier=VERIFIER, aim=Aim.MEAN)
    parts = plan.least / (1 + plan.check.rounding)  # the grid is in parts of items too
    assert parts <= grid[at] * (1 + 1e-12)
    assert grid[at] - parts <= spacing
    assert plan.check.rounding < 1 / 150
    assert plan.check.exchange < 1e-4
    assert plan.check.gap >= 0


def test_chains_of_the_plan_err_as_it_says() -> None:
    """Points are bought, verified and averaged, 20,000 times."""
    source, verifier = theory.Source(20.0), theory.Correction(0.5, 15.0)
    plan = optimise(Budget(24.0, synthetic=0.1), 2, source=source, verifier=verifier, aim=Aim.MEAN)
    assert plan.bought[:, SOURCE].sum() > 0
    assert plan.bought[:, VERIFIED].sum() > 0
    seen = portfolio.errors(jax.random.key(5), plan.portfolio, source, verifier, 20_000)
    assert agree(Replicates("error", seen), {"error": plan.error}).passed
    assert plan.least == pytest.approx(plan.error.mean())


def test_what_is_required_is_there_and_the_budget_holds() -> None:
    plan = optimise(Budget(100.0, synthetic=0.01, training=0.001), 3, at_least=500, v2=-1.0)
    assert (plan.trained[1:].sum(1) >= 500).all()
    assert plan.cost <= 100.0
    assert plan.cost > 99.0
    assert not plan.all_real
    assert "all real, kept" not in plan.others
    assert all(plan.least < each for each in plan.others.values())
    assert plan.weight == pytest.approx(plan.trained / plan.trained.sum(1, keepdims=True))
    assert plan.as_record()["check"]["bound"] < plan.least


def test_where_training_costs_models_that_nobody_asks_for_are_trained_on_next_to_nothing() -> None:
    plan = optimise(Budget(100.0, training=0.5), 2)
    assert plan.trained.sum(1).tolist() == [1, 66]
    assert plan.cost <= 100.0
    assert plan.check.gap < 0.02


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "what there is to spend"),
        ("real=1", "total"),
        ("total=0", "spend"),
        ("total=10,real=-1", "cost of a real item"),
        ("total=10,verification=-1", "at least 0"),
        ("total=10,training=nan", "at least 0"),
        ("total=10,fake=1", "one of total, real"),
        ("total=10,real=x", "a number"),
        ("total=10,total=11", "once"),
    ],
)
def test_what_cannot_be_a_budget_is_refused_in_a_line(text: str, told: str) -> None:
    with pytest.raises(theory.InputError, match=told) as found:
        read(text)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"generations": 0}, "generations"),
        ({"generations": 99}, "at most"),
        ({"at_least": 10**6}, "fills at most"),
        ({"source": 3}, "Source"),
        ({"source": theory.Source(np.array([1.0, 2.0]))}, "one number"),
        ({"aim": "last"}, "Aim"),
        ({"source": SOURCE_40, "v2": -1.0}, "v2"),
        ({"variance": 0.0}, "variance"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(theory.InputError, match=told) as found:
        optimise(Budget(100.0), **({"generations": 2} | given))
    assert "\n" not in str(found.value)


def test_without_optax_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(theory.InputError, match=r"modelcollapse\[lm\]"):
        optimise(Budget(100.0), 2, at_least=500)
    assert optimise(Budget(100.0), 2).all_real  # nothing to descend: the bound is reached


def test_every_model_pays_for_what_it_is_trained_on() -> None:
    """By hand: ten real items at 1, four own ones at 0.1, and half a unit for each item that each of two models sees."""
    budget = Budget(100, training=0.5)
    size = np.zeros((2, 4))
    size[0, REAL], size[1, OWN] = 10, 4
    weight = np.zeros((2, 2, 4))
    weight[0, 0, REAL] = 1
    weight[1, 0, REAL] = weight[1, 1, OWN] = 0.5
    task = Task(2, budget, None, None, 0, False, Aim.LAST, 0.0)
    assert task.cost(theory.Portfolio(size, weight)) == pytest.approx(10 + 0.4 + 0.5 * (10 + 14))
    assert task.cost(theory.Portfolio(size, weight, size[None] * (weight > 0) / 2)) == pytest.approx(10.4 + 0.25 * 24)


def test_all_errors_are_in_units_of_the_variance_that_is_said() -> None:
    """Of the plan, of every model, of other plans and of the bound: four times the variance is four times the error."""
    one, four = (optimise(Budget(300), 2, source=SOURCE_40, variance=each) for each in (1.0, 4.0))
    assert four.least == pytest.approx(4 * one.least) and four.check.bound == pytest.approx(4 * one.check.bound)
    np.testing.assert_allclose(four.error, 4 * one.error)
    assert four.others == pytest.approx({name: 4 * error for name, error in one.others.items()}) and one.others
    assert one.check.gap == pytest.approx(four.check.gap, abs=1e-12)
