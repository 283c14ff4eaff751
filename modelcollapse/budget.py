r"""A budget, and the plan of least error that it buys: what to buy, keep, weigh and train on in each generation.

The error is that of `theory.portfolio_moments`, exact, and its gradient is followed by Adam: in the shares of the budget, in the
weights, and where training costs or items weigh alike in the share of each batch that is used. What is returned is in whole
items, within the budget, its error computed anew; beside it stands an error below which no plan comes (`theory.purchase`).

A model's own samples say nothing that the real data has not said (`theory.rao_blackwell`). So without a source, a verifier or a
number of items that every generation must have, the plan is to spend all on real items and to keep them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from modelcollapse import theory
from modelcollapse.theory import arguments as arg
from modelcollapse.theory import portfolio as kinds
from modelcollapse.theory.purchase import least_error

STARTS, STEPS, RATE = 6, 1000, 0.1  # of Adam
FORGETS = 0.95  # second moments of slopes, which vanish where a purchase does: Adam must not remember the large ones
ROUNDS = 10  # of the multipliers of what is required
MOST_GENERATIONS = 24
MOVED = 0.01  # share of the budget that the check of the optimum moves


class Aim(Enum):
    """Which error is to be least: that of the last model, the mean over all models, or that of the worst."""

    LAST = "last"
    MEAN = "mean"
    WORST = "worst"


WHOSE = {Aim.LAST: "of the last model", Aim.MEAN: "in the mean over models", Aim.WORST: "of the worst model"}


@dataclass(frozen=True)
class Budget:
    """What there is to spend, and what an item costs: a ``real`` one, a ``synthetic`` one, its ``verification``.

    A verified item that is kept costs generation and verification of all that had to be tried for it. ``training``: cost of an
    item each time a model is trained on it.
    """

    total: float
    real: float = 1.0
    synthetic: float = 0.1
    verification: float = 0.0
    training: float = 0.0

    def __post_init__(self) -> None:
        arg.positive("Budget", "total", self.total, "what there is to spend")
        arg.positive("Budget", "real", self.real, "cost of a real item")
        arg.positive("Budget", "synthetic", self.synthetic, "cost of a synthetic item")
        for name in ("verification", "training"):
            wanted = f"cost of {'verifying' if name == 'verification' else 'training on'} an item, at least 0"
            if np.any(arg.numbers("Budget", name, getattr(self, name), wanted) < 0):
                raise arg.refuse("Budget", name, getattr(self, name), wanted)
        if self.total < self.real + self.training:
            raise arg.refuse(
                "Budget",
                "total",
                self.total,
                f"too little for one real item, which costs {self.real + self.training:g}",
            )

    def prices(self, verifier: theory.Correction | None) -> np.ndarray:
        """(4,) what an item of each of the `theory.portfolio` kinds costs until it can be trained on."""
        keep = 1.0 if verifier is None else float(verifier.keep)
        return np.array([self.real, self.synthetic, self.synthetic, (self.synthetic + self.verification) / keep])


def read(text: str) -> Budget:
    """A budget as it is typed: names and numbers.

    >>> read("total=1000,real=1,synthetic=0.1,verification=0.05")
    Budget(total=1000.0, real=1.0, synthetic=0.1, verification=0.05, training=0.0)
    """
    names, given = [each.name for each in fields(Budget)], {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = (each.strip() for each in part.partition("="))
        if name not in names:
            raise arg.refuse("Budget", name, value, "one of " + ", ".join(names) + ", each as name=number")
        if name in given:
            raise arg.refuse("Budget", name, value, "say it once")
        try:
            given[name] = float(value)
        except ValueError:
            raise arg.refuse("Budget", name, value, "a number, like 1000 or 0.1") from None
    if "total" not in given:
        raise arg.refuse("Budget", "total", "", "say what there is to spend: total=1000,real=1,synthetic=0.1")
    return Budget(**given)


class Check(NamedTuple):
    """How good the plan is: ``bound`` no plan errs less; ``gap`` of the plan above it, as a share.

    ``gradient``: length of the slope of the log error, by shares and weights, where Adam stopped. ``exchange``: the largest share
    by which the error falls when 1 % of the budget is moved from one purchase to another; none falls at an optimum. ``rounding``:
    by what share the plan in whole items errs more than that in parts of items where Adam stopped; below 0 where it errs less.
    """

    bound: float
    gap: float
    gradient: float
    exchange: float
    rounding: float


@dataclass(frozen=True, eq=False)
class BudgetPlan:
    """The best plan: items ``bought`` (T, 4) and ``trained`` on (T, 4), by kind, and the ``weight`` (T, 4) of each kind.

    ``error`` (T,) of each model, over the variance of one real sample times it; ``aim`` what was made least, ``least`` how far.
    ``others``: the same of plans that one makes without thinking, where the budget allows them.
    """

    budget: Budget
    aim: Aim
    portfolio: theory.Portfolio
    bought: np.ndarray
    trained: np.ndarray
    weight: np.ndarray
    cost: float
    error: np.ndarray
    least: float
    others: dict[str, float]
    check: Check

    @property
    def all_real(self) -> bool:
        """Whether nothing synthetic is worth its price."""
        return not self.bought[:, 1:].any()

    def lines(self) -> list[str]:
        """The plan in words, a line each."""
        found = [f"Buy with {self.budget.total:,.10g}, of which {self.cost:,.10g} is spent:"]
        for place, row in enumerate(zip(self.bought, self.trained, self.weight, strict=True), start=1):
            each = list(zip(kinds.KINDS, *row, strict=True))
            parts = [f"{bought:,} {kind}" for kind, bought, _, _ in each if bought]
            seen = [f"{trained:,} {kind} at {100 * share:.3g} %" for kind, _, trained, share in each if trained]
            found.append(f"  generation {place}: buy {', '.join(parts) or 'nothing'}; train on {', '.join(seen)}")
        found.append(f"Error {WHOSE[self.aim]}: {self.least:.6g}; no plan comes below {self.check.bound:.6g}.")
        for name, error in self.others.items():
            found.append(f"  {name}: {error:.6g}, {error / self.least:.4g} times that")
        if self.all_real:
            found.append(
                "Nothing synthetic is worth its price: own samples repeat what the real data has said. Keep all real items."
            )
        return found

    def as_record(self) -> dict[str, Any]:
        """For machines."""
        tables = {name: getattr(self, name) for name in ("bought", "trained", "weight")}
        return {
            "budget": {each.name: getattr(self.budget, each.name) for each in fields(Budget)},
            "aim": self.aim.value,
            **{
                name: [dict(zip(kinds.KINDS, row, strict=True)) for row in table.tolist()]
                for name, table in tables.items()
            },
            "cost": self.cost,
            "error": self.error.tolist(),
            "least": self.least,
            "others": self.others,
            "all_real": self.all_real,
            "check": self.check._asdict(),
            "theorems": ["purchase", "no-free-lunch", "workflow-algebra"],
        }


def optimise(
    budget: Budget,
    generations: int,
    *,
    source: theory.Source | None = None,
    verifier: theory.Correction | None = None,
    at_least: int | None = None,
    pooled: bool = False,
    aim: Aim = Aim.LAST,
    variance: float = 1.0,
    v2: float = 0.0,
) -> BudgetPlan:
    r"""The plan of least error for a budget and a number of generations: what to buy, keep, weigh and train on in each.

    ``source``: synthetic items from outside. ``verifier``: what chooses among own samples. ``at_least``: items that every
    generation after the first must be trained on. ``pooled``: all items weigh alike; so they do with ``at_least``, which items
    without weight would fill. ``aim``: which error. ``variance`` of one real sample, ``v2`` as in `theory.covariance`.

    Sizes of batches, weights and shares that are used are free; what is bought may be used again in every later generation. Exact
    where `theory.portfolio_moments` is. The best of several starts: ``check`` says how far it can be from the optimum.

    Raises InputError for what the budget cannot buy, and without the extra lm, which brings Optax.

    >>> from modelcollapse import theory
    >>> plan = optimise(Budget(1000, real=1, synthetic=0.25), 1, source=theory.Source(worth=40))  # theory.optimal_purchase
    >>> plan.bought.tolist(), plan.cost, plan.check.gap < 1e-9
    ([[990, 40, 0, 0]], 1000.0, True)
    """
    own = "optimise"
    if not isinstance(budget, Budget):
        raise arg.refuse(own, "budget", budget, "a Budget(total, real, synthetic, verification, training)")
    generations = arg.size(own, "generations", generations, of="generations")
    if generations > MOST_GENERATIONS:
        raise arg.refuse(own, "generations", generations, f"at most {MOST_GENERATIONS} generations")
    for name, value, kind in (
        ("source", source, theory.Source),
        ("verifier", verifier, theory.Correction),
        ("aim", aim, Aim),
    ):
        if not isinstance(value, kind) and (value is not None or kind is Aim):
            raise arg.refuse(own, name, value, f"a {kind.__name__}")
    for name, record in (("source", source), ("verifier", verifier)):
        if record is not None and any(np.ndim(value) or arg.is_traced(value) for value in vars(record).values()):
            raise arg.refuse(own, name, record, "one number for each of its fields")
    if v2 != 0 and (source is not None or verifier is not None):
        raise arg.refuse(own, "v2", v2, "0 beside a source or a verifier: the leading order of any regular fit")
    arg.positive(own, "variance", variance, "variance of one real sample")
    required = 0 if at_least is None else arg.size(own, "at_least", at_least, of="items")
    task = _Task(generations, budget, source, verifier, required, pooled or required > 0, aim, float(v2))
    task.check()
    found, gradient = _solved(task)
    relaxed = _relaxed(task, found)
    portfolio = _whole(task, relaxed)
    moments = task.errors(portfolio)
    least = task.aimed(moments)
    bound = least_error(budget.total, budget.real + budget.training, task.offers())
    best = task.aimed(task.errors(relaxed))
    least, best = float(least), float(best)
    check = Check(bound * variance, least / bound - 1, gradient, _exchange(task, found), least / best - 1)
    seen = portfolio.size[None] * task.allowed if portfolio.train is None else portfolio.train
    return BudgetPlan(
        budget, aim, portfolio, portfolio.size.astype(int), (seen * (portfolio.weight > 0)).sum(1).astype(int),
        portfolio.weight.sum(1), task.cost(portfolio), moments * variance, least * variance,
        {name: error * variance for name, error in _others(task).items()}, check,
    )  # fmt: skip


@dataclass(frozen=True)
class _Task:
    """Everything that is given."""

    generations: int
    budget: Budget
    source: theory.Source | None
    verifier: theory.Correction | None
    required: int
    pooled: bool
    aim: Aim
    v2: float

    @property
    def open(self) -> np.ndarray:
        """(T, 4) what can be bought in each generation."""
        there = np.array([True, self.source is not None, True, self.verifier is not None])
        found = np.tile(there, (self.generations, 1))
        found[0, kinds.OWN :] = False
        return found

    @property
    def allowed(self) -> np.ndarray:
        """(T, T, 4) which batches a model may be trained on."""
        past = np.tri(self.generations, dtype=bool)
        return past[:, :, None] & self.open[None]

    @property
    def partial(self) -> bool:
        """Whether a part of a batch may be better than all of it."""
        return self.pooled or self.budget.training > 0

    def check(self) -> None:
        """Refuse a requirement that the whole budget cannot fill."""
        cheap = self.required * (self.budget.synthetic + (self.generations - 1) * self.budget.training)
        if (
            self.generations > 1
            and self.required
            and cheap + self.budget.real + self.budget.training > self.budget.total
        ):
            most = int((self.budget.total - self.budget.real - self.budget.training)
                       / (self.budget.synthetic + (self.generations - 1) * self.budget.training))  # fmt: skip
            raise arg.refuse(
                "optimise", "at_least", self.required, f"the budget fills at most {most:,} items a generation"
            )

    def offers(self) -> tuple[tuple[theory.Source, float], ...]:
        """What comes from outside as sources with prices, training once included."""
        prices = self.budget.prices(self.verifier) + self.budget.training
        found = [] if self.source is None else [(self.source, prices[kinds.SOURCE])]
        if self.verifier is not None and self.generations > 1:
            found.append((self.verifier.as_source, prices[kinds.VERIFIED]))
        return tuple(found)

    def errors(self, portfolio: theory.Portfolio) -> Any:
        """(T,) errors over V."""
        return theory.portfolio_moments(portfolio, self.source, self.verifier, self.v2).diagonal()

    def aimed(self, errors: Any) -> Any:
        """The one that is to be least."""
        match self.aim:
            case Aim.LAST:
                return errors[-1]
            case Aim.MEAN:
                return errors.mean()
            case Aim.WORST:
                return errors.max()

    def cost(self, portfolio: theory.Portfolio) -> float:
        """What the portfolio costs, training included."""
        seen = portfolio.size[None] * (portfolio.weight > 0) if portfolio.train is None else portfolio.train
        return float((portfolio.size * self.budget.prices(self.verifier)).sum() + self.budget.training * seen.sum())


class _Free(NamedTuple):
    """Logits: of the share of the budget for each purchase (T, 4), of weights and of used shares (T, T, 4)."""

    share: Any
    tilt: Any
    use: Any


SHARPNESS = 400.0  # of the smooth maximum that stands for the worst model
LEAST_SHARE = 1e-12  # of the budget: what is next to nothing still has a slope
MOST_TILT = 20.0  # weights of items differ by a factor of e^20 at most


def _relaxed(task: _Task, free: _Free, shares: Any = None) -> theory.Portfolio:
    """The portfolio of logits, in parts of items; it spends the budget."""
    xp = arg.namespace(*free)
    if shares is None:
        scores = xp.exp(xp.where(task.open, free.share - xp.max(xp.where(task.open, free.share, -xp.inf)), -xp.inf))
        shares = scores / scores.sum()
    shares = xp.where(task.open, shares + LEAST_SHARE, 0.0)
    use = xp.where(task.allowed, 1 / (1 + xp.exp(-free.use)) if task.partial else 1.0, 0.0)
    use = xp.maximum(use, LEAST_SHARE * task.allowed)
    items = shares / task.budget.prices(task.verifier)
    size = items * task.budget.total / (shares.sum() + task.budget.training * (use * items).sum())
    tilt = 0.0 if task.pooled else MOST_TILT * xp.tanh(free.tilt / MOST_TILT)
    scores = use * size * xp.exp(tilt + xp.zeros(use.shape))
    weight = scores / scores.sum((1, 2), keepdims=True)
    return _portfolio(size, weight, use * size if task.partial else None)


def _portfolio(size: Any, weight: Any, train: Any) -> theory.Portfolio:
    """Without the check, which rounding would fail."""
    made: theory.Portfolio = object.__new__(theory.Portfolio)
    for name, value in (("size", size), ("weight", weight), ("train", train)):
        object.__setattr__(made, name, value)
    return made


def _missing(task: _Task, portfolio: theory.Portfolio) -> Any:
    """(T-1,) log of how many times the required number of items a later generation lacks; below 0 where it has more."""
    xp = arg.namespace(portfolio.size)
    return xp.log(task.required / portfolio.train[1:].sum((1, 2)))


def _solved(task: _Task) -> tuple[_Free, float]:
    """The best of several starts, and the length of the slope there."""
    import jax

    try:
        import optax  # noqa: F401
    except ModuleNotFoundError:
        raise theory.InputError("optimise: this needs the extra lm: pip install 'modelcollapse[lm]'") from None
    with jax.enable_x64(True):
        values, slopes, places = _program(task)(_starts(task))
        best = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
        return _Free(*(np.asarray(each[best], float) for each in places)), float(slopes[best])


def _starts(task: _Task) -> _Free:
    """Real items early, then spread evenly, then at random."""
    rng = np.random.default_rng(0)
    shapes = (task.generations, 4), (task.generations, task.generations, 4)
    share, tilt = (rng.normal(size=(STARTS, *shape)) for shape in shapes)
    use = rng.normal(size=(STARTS, *shapes[1])) + 2.0
    share[0] = tilt[0] = share[1] = tilt[1] = 0.0
    share[:, 0, kinds.REAL] += 2.0
    use[0] = 3.0
    return _Free(share, tilt, use)


@lru_cache(maxsize=8)
def _program(task: _Task) -> Any:
    """Adam from many starts at once, compiled once for each task: objectives, slopes and places."""
    import jax
    import jax.numpy as jnp
    import optax

    bounded = task.required > 0 and task.generations > 1

    def error(free: _Free) -> tuple[Any, Any]:
        portfolio = _relaxed(task, free)
        errors = jnp.log(task.errors(portfolio))
        match task.aim:
            case Aim.LAST:
                value = errors[-1]
            case Aim.MEAN:
                value = jax.nn.logsumexp(errors)
            case Aim.WORST:
                value = jax.nn.logsumexp(SHARPNESS * errors) / SHARPNESS
        return value, _missing(task, portfolio) if bounded else jnp.zeros(1)

    def objective(free: _Free, force: Any) -> Any:
        value, missing = error(free)
        short = jnp.maximum(missing + force / PENALTY, 0.0)
        return value + (PENALTY / 2 * (short**2).sum() if bounded else 0.0)

    each_round = STEPS // ROUNDS
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, STEPS, alpha=1e-4), b2=FORGETS)

    def one(start: _Free) -> Any:
        def step(carry: Any, _: Any) -> tuple[Any, None]:
            free, state, force = carry
            change, state = optimiser.update(jax.grad(objective)(free, force), state)
            return (optax.apply_updates(free, change), state, force), None

        def one_round(carry: Any, _: Any) -> tuple[Any, None]:
            (free, state, force), _ = jax.lax.scan(step, carry, None, length=each_round)
            force = jnp.maximum(force + PENALTY * error(free)[1], 0.0) if bounded else force
            return (free, state, force), None

        force = jnp.zeros(max(task.generations - 1, 1))
        (free, _, force), _ = jax.lax.scan(one_round, (start, optimiser.init(start), force), None, length=ROUNDS)
        slope = jnp.sqrt(sum((each**2).sum() for each in jax.grad(objective)(free, force)))
        value, missing = error(free)
        return value + (PENALTY * jnp.maximum(missing, 0.0).sum() if bounded else 0.0), slope, free

    return jax.jit(jax.vmap(one))


PENALTY = 10.0  # of a required item that is missing, on the log of the error


def _exchange(task: _Task, free: _Free) -> float:
    """The largest relative fall of the error when a hundredth of the budget goes elsewhere, weights by item kept."""
    size = _relaxed(task, free).size * task.budget.prices(task.verifier)
    shares, best = size / size.sum(), 0.0
    before = task.aimed(task.errors(_relaxed(task, free, shares)))
    for taken in np.argwhere(shares > MOVED):
        for given in np.argwhere(task.open):
            moved = shares.copy()
            moved[tuple(taken)] -= MOVED
            moved[tuple(given)] += MOVED
            other = _relaxed(task, free, moved)
            if task.required and np.any(_missing(task, other) > 1e-6):
                continue
            best = max(best, 1 - float(task.aimed(task.errors(other)) / before))
    return best


def _others(task: _Task) -> dict[str, float]:
    """What plans come to that one makes without thinking; those that the requirement allows."""
    only_real = np.zeros((task.generations, 4))
    only_real[0, kinds.REAL] = 1.0
    even = task.open / task.open.sum()
    new = np.eye(task.generations, dtype=bool)[:, :, None]
    found = {}
    for name, shares, kept in (("all real, kept", only_real, True), ("equal parts, all kept", even, True),
                               ("equal parts, replaced", even, new)):  # fmt: skip
        items = shares / task.budget.prices(task.verifier)
        use = (task.allowed & kept & (shares > 0)).astype(float)
        size = items * task.budget.total / (1 + task.budget.training * (use * items).sum())
        seen = use * size
        if (task.required and np.any(seen[1:].sum((1, 2)) < task.required)) or np.any(seen.sum((1, 2)) == 0):
            continue
        found[name] = float(task.aimed(task.errors(_portfolio(size, seen / seen.sum((1, 2), keepdims=True), seen))))
    return found


def _whole(task: _Task, relaxed: theory.Portfolio) -> theory.Portfolio:
    """In whole items within the budget: down, then what is left is spent where it helps most."""
    seen = relaxed.size[None] * task.allowed if relaxed.train is None else relaxed.train
    share = np.where(relaxed.size > 0, seen / np.where(relaxed.size > 0, relaxed.size, 1.0), 0.0)
    per_item = relaxed.weight / np.where(seen > 0, seen, 1.0)
    size = np.floor(relaxed.size + 1e-6)
    if not task.pooled:
        size *= (relaxed.weight > 1e-6).any(axis=0)  # what no model listens to is not bought
    if not size[0].any():
        size[0, kinds.REAL] = 1.0
    share = np.where(share > ALL, 1.0, share)
    prices, training = task.budget.prices(task.verifier), task.budget.training

    def made(size: np.ndarray) -> theory.Portfolio:
        seen = np.floor(share * size[None] + 1e-6) * task.allowed
        for model in range(task.generations):  # each is trained on something
            if not (seen[model] * relaxed.weight[model]).any():
                largest = np.unravel_index(np.argmax(size * task.allowed[model]), size.shape)
                seen[(model, *largest)] = 1.0 if task.partial else size[largest]
            short = task.required - seen[model].sum() if model else 0
            there = np.argwhere(size[: model + 1] > 0)[::-1]
            for batch in there if short > 0 else ():  # whole items short: of what there is
                place = (model, *batch)
                more = min(short, size[tuple(batch)] - seen[place])
                seen[place] += more
                short -= more
        if task.pooled:
            return weighed(size, seen, seen)
        both = [weighed(size, seen, weight) for weight in (relaxed.weight * (seen > 0), seen * per_item)]
        return min(both, key=lambda each: task.aimed(task.errors(each)))  # by batch or by item

    def weighed(size: np.ndarray, seen: np.ndarray, weight: np.ndarray) -> theory.Portfolio:
        empty = weight.sum((1, 2)) == 0
        weight = np.where(empty[:, None, None], seen, weight)
        weight = weight / weight.sum((1, 2), keepdims=True)
        return theory.Portfolio(size, weight, np.where(weight > 0, seen, 0.0) if task.partial else None)

    def lacking(portfolio: theory.Portfolio) -> np.ndarray:
        found = np.zeros(task.generations)
        if task.required:
            found[1:] = np.maximum(task.required - portfolio.train[1:].sum((1, 2)), 0)
        return found

    for _ in range(1000):
        portfolio = made(size)
        short = lacking(portfolio)
        if short.any():  # own samples are what fills
            first = int(np.argmax(short > 0))
            size[first, kinds.OWN] += short[first]
            share[first:, first, kinds.OWN] = np.maximum(share[first:, first, kinds.OWN], 0)
            share[first, first, kinds.OWN] = 1.0
            continue
        over = task.cost(portfolio) - task.budget.total
        if over <= 1e-9 * task.budget.total:
            break
        largest = np.unravel_index(np.argmax(size[:, kinds.REAL]), (task.generations,))
        place = (
            (int(largest[0]), kinds.REAL)
            if size[largest[0], kinds.REAL] > 1
            else tuple(np.argwhere(size == size.max())[0])
        )
        size[place] -= max(1.0, min(size[place] - 1, np.floor(over / (prices[place[1]] + training * task.generations))))
    full = _spent(task, portfolio, made)
    simple = _spent(task, _without_crumbs(task, portfolio, made), made)
    return simple if task.aimed(task.errors(simple)) <= (1 + SIMPLER) * task.aimed(task.errors(full)) else full


CRUMB, SIMPLER = 0.01, 2e-4  # share of the budget below which a purchase may go; how much more a simpler plan may err
ALL = 0.99  # of a batch: so near to all of it that all of it is used


def _without_crumbs(task: _Task, portfolio: theory.Portfolio, made: Any) -> theory.Portfolio:
    """Without small purchases that tell no more than their price does elsewhere."""
    spent = portfolio.size * task.budget.prices(task.verifier) / task.budget.total
    for place in sorted(map(tuple, np.argwhere((spent > 0) & (spent < CRUMB))), key=lambda each: spent[each]):
        size = portfolio.size.copy()
        size[place] = 0.0
        if not size[0].any():
            continue
        other = made(size)
        allowed = 1 + spent[place] + SIMPLER / 10
        if (not task.required or task.generations == 1 or other.train[1:].sum((1, 2)).min() >= task.required) and (
            task.aimed(task.errors(other)) <= allowed * task.aimed(task.errors(portfolio))
        ):
            portfolio = other
    return portfolio


def _spent(task: _Task, portfolio: theory.Portfolio, made: Any) -> theory.Portfolio:
    """What is left goes where it makes the error least, as long as it does; a few items may give way to one more of others."""
    prices, training = task.budget.prices(task.verifier), task.budget.training
    for _ in range(8):
        left = task.budget.total - task.cost(portfolio)
        best: Any = None
        least = task.aimed(task.errors(portfolio))
        costs = portfolio.size * prices
        cells = sorted(map(tuple, np.argwhere(portfolio.size > 0)), key=lambda each: -costs[each])[:MOST_CELLS]
        for given in cells:
            often = training * (task.generations - given[0])
            tried: list[Any] = [
                (None, 0.0, np.floor(left / each + 1e-9)) for each in (prices[given[1]], prices[given[1]] + often)
            ]
            tried += [
                (taken, np.ceil((prices[given[1]] + often - left) / prices[taken[1]] - 1e-9), 1.0) for taken in cells
            ]
            for taken, fewer, number in tried:
                if number < 1 or taken == given or fewer < 0 or (taken and fewer >= portfolio.size[taken]):
                    continue
                size = portfolio.size.copy()
                size[given] += number
                if taken:
                    size[taken] -= fewer
                other = made(size)
                short = task.required and task.generations > 1 and other.train[1:].sum((1, 2)).min() < task.required
                if short or task.cost(other) > task.budget.total * (1 + 1e-12):
                    continue
                error = task.aimed(task.errors(other))
                if error < least * (1 - 1e-9):
                    best, least = other, error
        if best is None:
            return portfolio
        portfolio = best
    return portfolio


MOST_CELLS = 8  # purchases among which whole items are exchanged, the dearest
