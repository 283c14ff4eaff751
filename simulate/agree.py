r"""The judge: whether a prediction and a run agree, at a stated rate of false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse.theory import arguments as arg

from .replicates import Replicates
from .trajectory import Trajectory

ROUNDINGS = 64  # units in the last place by which equal numbers may differ after a few dozen operations


@dataclass(frozen=True)
class Row:
    """One comparison. ``relation``: what the observed mean should be to the predicted one: "=", ">=" or "<=".

    ``z`` = (observed - predicted) / standard_error.
    """

    observable: str
    generation: int
    relation: str
    predicted: float
    observed: float
    standard_error: float
    z: float

    @property
    def excess(self) -> float:
        """How far the row is on the wrong side, in standard errors (below 0: on the right side of a bound)."""
        return {"=": abs(self.z), ">=": -self.z, "<=": self.z}[self.relation]


@dataclass(frozen=True)
class Agreement:
    """All comparisons of a run, and the excess above which one is an alarm: ``budget`` for all rows together."""

    rows: tuple[Row, ...]
    threshold: float
    budget: float

    @property
    def worst(self) -> Row:
        """The row with the greatest excess."""
        return max(self.rows, key=lambda row: row.excess)

    @property
    def passed(self) -> bool:
        """Whether no row is an alarm."""
        return self.worst.excess <= self.threshold

    def __bool__(self) -> bool:
        """As `passed`."""
        return self.passed

    def __str__(self) -> str:
        """One line: the verdict, with the worst row."""
        worst = self.worst
        return (
            f"{'agrees' if self.passed else 'DISAGREES'}: {len(self.rows)} comparisons, the worst {worst.observable} "
            f"of generation {worst.generation}: observed {worst.observed:.6g}, predicted {worst.relation} "
            f"{worst.predicted:.6g}, z = {worst.z:.2f}, allowed {self.threshold:.2f}"
        )


def agree(
    trajectory: Trajectory | Replicates,
    prediction: Mapping[str, Any] | Any,
    budget: float = 1e-3,
    *,
    at_least: Mapping[str, Any] | None = None,
    at_most: Mapping[str, Any] | None = None,
) -> Agreement:
    r"""Whether the mean of each observable over the chains is what was predicted.

    :math:`z = (\bar x - \mu) \sqrt{C} / s` with the standard deviation s over the C chains; an alarm is
    :math:`|z| > t` with t the quantile of Student's law of C - 1 degrees of freedom that all comparisons together
    exceed with probability at most ``budget`` (Bonferroni). Where no chain differs from another, the prediction
    has to be the same number up to rounding: z is 0 or infinite.

    ``prediction``: for each observable an array (generations,) of its mean, NaN where nothing is predicted; a bare
    array predicts ``error``; None where there are bounds alone. ``at_least``, ``at_most``: the same for bounds, which only alarm
    on the wrong side. Predictions are those of `theory` at the generations of the run, or your own.

    The rate holds where the mean over C chains is close to normal: ask `judged` which generations that is.
    Raises `InputError` when nothing is compared, an observable or a shape does not fit, or there is one chain.

    >>> import jax
    >>> from modelcollapse import simulate, theory
    >>> f, w = theory.Poisson(3.0), theory.Replace(10)
    >>> t = simulate.chains(f, w, generations=4, chains=1000, key=jax.random.key(0))
    >>> verdict = agree(t, theory.error(f, w, t.generation))
    >>> verdict.passed, len(verdict.rows)
    (True, 4)
    >>> agree(t, {"diversity": np.full(4, 2.0)}).passed  # it stays 1 in the mean
    False
    """
    if not isinstance(trajectory, Trajectory | Replicates):
        raise arg.refuse(
            "agree", "trajectory", trajectory, "the run to judge: what simulate.chains returns, or Replicates"
        )
    if prediction is not None and not isinstance(prediction, Mapping):
        prediction = {"error": prediction}
    if not 0 < budget < 1:
        raise arg.refuse("agree", "budget", budget, "the chance of a false alarm, above 0 and below 1")
    if trajectory.chains < 2:
        raise arg.refuse(
            "agree", "trajectory", f"{trajectory.chains} chain", "run at least 2 chains to see their spread"
        )
    rows = tuple(
        row
        for relation, means in (("=", prediction), (">=", at_least), ("<=", at_most))
        for name, predicted in (means or {}).items()
        for row in _rows(trajectory, relation, name, predicted)
    )
    if not rows:
        raise arg.refuse("agree", "prediction", prediction, "predict at least one observable at one generation: "
                         "theory.error(f, w, trajectory.generation)")  # fmt: skip
    return Agreement(rows, threshold(len(rows), trajectory.chains, budget), budget)


def threshold(comparisons: int, chains: int, budget: float) -> float:
    """The size of z that ``comparisons`` correct predictions exceed somewhere with probability at most ``budget``."""
    from scipy import stats

    return float(stats.t.isf(budget / (2 * comparisons), chains - 1))


def _means(name: str, predicted: Any) -> np.ndarray:
    try:
        return np.asarray(predicted, float)
    except (TypeError, ValueError):
        raise arg.refuse("agree", "prediction", predicted, f"numbers, one {name} for each generation") from None


def _rows(trajectory: Trajectory | Replicates, relation: str, name: str, predicted: Any) -> list[Row]:
    seen = trajectory.observables
    if name not in seen:
        raise arg.refuse("agree", "prediction", name, f"observables of this run: {', '.join(seen)}")
    values = np.asarray(seen[name])
    precision = np.finfo(values.dtype).eps if values.dtype.kind == "f" else np.finfo(float).eps
    values = values.astype(float)
    means = _means(name, predicted)
    if values.ndim != 2 or means.shape != (trajectory.generations,):
        raise arg.refuse("agree", "prediction", f"{name} of shape {means.shape}", f"one number for each generation: "
                         f"shape {(trajectory.generations,)}")  # fmt: skip
    finite = values[np.isfinite(values)]
    rounding = ROUNDINGS * precision * max(float(np.abs(finite).max(initial=0.0)), 1e-300)
    rows = []
    for generation in np.flatnonzero(~np.isnan(means)):
        column, mean = values[:, generation], float(means[generation])
        observed = float(column.mean())
        spread = float(column.std(ddof=1)) if np.all(np.isfinite(column)) else np.nan
        if spread < ROUNDINGS * precision * abs(observed):  # the mean of equal numbers is not quite that number
            spread = 0.0
        error = spread / len(column) ** 0.5
        difference = 0.0 if observed == mean else observed - mean
        alike = abs(difference) <= rounding  # asked where there is no spread, or something infinite
        z = difference / error if spread > 0 else 0.0 if alike else float(np.copysign(np.inf, difference))
        rows.append(Row(name, int(generation) + 1, relation, mean, observed, error, z))
    return rows
