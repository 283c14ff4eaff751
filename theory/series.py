r"""Series of a run, one value for each generation, and the contrasts that verdicts rest on.

Two questions recur. *Has a series changed?* The last generation less the first. *Does it go on growing?* No finite run
shows a limit. The borderline between growth that ends and growth that does not is the sum of c/m, so the growth of the
later half of the run is compared with what growth like :math:`\log m` would add:

.. math:: T = (x_M - x_h) - \rho\,(x_h - x_1), \qquad
          \rho = \frac{\sum_{m=h+1}^{M} 1/m}{\sum_{m=2}^{h} 1/m}, \qquad h = \lceil (M + 1)/2 \rceil .

T > 0: it grows without levelling off over the generations seen. T < 0: it levels off. A slow start, such as little
synthetic data beside much real data, looks the same as growth without end; where theory knows the limit, give it.

Both are linear in the means over chains. Their standard error is paired: that of the same contrast of each chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import arguments as arg

ROUNDINGS = 64  # units in the last place by which series without noise may differ and be equal

SERIES = ("risk", "real_only", "exponent", "diversity", "modes", "tail", "unreal")


@dataclass(frozen=True, eq=False)
class Run:
    """Series of one run, generation 1 first: (generations,), or (chains, generations) of chains or seeds.

    A series of one axis is exact, such as an expectation that theory gives, unless ``noise`` holds its name. What is
    not known is left out.

    ``risk``: error or loss on real data, which may become infinite. ``real_only``: risk of training on real data
    alone, a number or a series as risk; None: that of generation 1. ``useless``: risk of a model that has learnt
    nothing. ``risk_limit``: risk as the generations go on, inf where it diverges. ``exponent``: c of risk like
    size^-c, for each generation (see `exponent`). ``diversity``: variance, entropy or another measure that is 0 when
    all samples are the same. ``diversity_limit``: as risk_limit. ``modes``: share or number of real modes still kept
    apart. ``tail``: share or number of rare real types still there. ``unreal``: share of what is generated that the
    real data does not hold. ``noise``: by the name of a series, the standard deviation of one of its values between
    re-trainings.
    """

    risk: Any = None
    real_only: Any = None
    useless: float | None = None
    risk_limit: float | None = None
    exponent: Any = None
    diversity: Any = None
    diversity_limit: float | None = None
    modes: Any = None
    tail: Any = None
    unreal: Any = None
    noise: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in SERIES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _series(name, getattr(self, name)))
        for name in ("useless", "risk_limit", "diversity_limit"):
            value = getattr(self, name)
            if value is not None and np.isnan(_number(name, value)):
                raise arg.refuse("Run", name, value, "a number, or leave it out")
        for name, value in self.noise.items():
            if name not in SERIES:
                raise arg.refuse("Run", "noise", name, f"a series: {', '.join(SERIES)}")
            if not _number("noise", value) >= 0:
                raise arg.refuse("Run", "noise", value, "a standard deviation, 0 or more")
        if self.real_only is not None and self.risk is not None:
            try:
                np.broadcast_shapes(self.real_only.shape, self.risk.shape)
            except ValueError:
                raise arg.refuse(
                    "Run",
                    "real_only",
                    list(self.real_only.shape),
                    f"shape of a number, or of risk, {list(self.risk.shape)}",
                ) from None


def exponent(size: Any, risk: Any, *, least: float = 0.0) -> Any:
    """Exponent c of ``risk - least`` like size^-c: the slope of the logarithms by least squares.

    ``size`` (S,): amounts of data. ``risk`` (..., S): risk of models trained on them. ``least``: the risk of the
    truth, below all. Returns (...). Raises InputError for fewer than two sizes and a risk that is not above least.

    >>> round(exponent([100, 400], [0.1, 0.05]), 9)
    0.5
    """
    sizes = arg.numbers("exponent", "size", size, "amounts of data above 0, shape (S,)")
    risks = arg.numbers("exponent", "risk", risk, f"risks above least={least}, shape (..., S)")
    if sizes.ndim != 1 or len(np.unique(sizes)) < 2 or np.any(sizes <= 0):
        raise arg.refuse("exponent", "size", size, "at least two different amounts of data, above 0")
    if risks.ndim < 1 or risks.shape[-1] != len(sizes) or np.any(risks <= least):
        raise arg.refuse("exponent", "risk", risk, f"one risk above least={least} for each of {len(sizes)} sizes")
    centred = np.log(sizes) - np.log(sizes).mean()
    return arg.scalar(-np.log(risks - least) @ centred / (centred @ centred))


@dataclass(frozen=True)
class Change:
    """A linear contrast of the means of a series, its standard error, and what rounding may make of zero."""

    value: float
    error: float
    rounding: float

    def sign(self, errors: float) -> int:
        """1 or -1 where it is above or below the noise, else 0."""
        return int(np.sign(self.value)) if abs(self.value) > max(errors * self.error, self.rounding) else 0


def contrast(run: Run, name: str, weights: np.ndarray, *, constant: float = 0.0, logarithm: bool = False) -> Change:
    """Sum of weights times the means over chains (or their logarithms), plus a constant."""
    series, means = getattr(run, name), mean(getattr(run, name))
    used = weights != 0  # what has no weight may be infinite
    weights, series, means = weights[used], series[..., used], means[used]
    terms = np.log(means) if logarithm else means
    slopes = weights / means if logarithm else weights
    value = float(weights @ terms) + constant
    chains = 1 if series.ndim == 1 else len(series)
    error = float(run.noise.get(name, 0.0)) * float(np.sqrt((slopes**2).sum() / chains))
    if chains > 1 and np.all(np.isfinite(series)):
        error = max(error, float((series @ slopes).std(ddof=1) / np.sqrt(chains)))
    rounding = ROUNDINGS * np.finfo(float).eps * (np.abs(weights) @ np.abs(terms) + abs(constant))
    return Change(value, error, 0.0 if np.isinf(rounding) else float(rounding))


def above_real_only(run: Run) -> Change:
    """The last risk above that of training on real data alone, paired where both have chains."""
    last = run.risk[..., -1]
    alone = run.real_only if run.real_only.ndim == 0 else run.real_only[..., -1]
    values = np.atleast_1d(last - alone)
    noise = [run.noise.get(name, 0.0) / np.sqrt(np.size(each)) for name, each in (("risk", last), ("real_only", alone))]
    error = float(np.hypot(*noise))
    if (chains := len(values)) > 1 and np.all(np.isfinite(values)):
        error = max(error, float(values.std(ddof=1) / np.sqrt(chains)))
    size = float(np.abs(last).max() + np.abs(alone).max())
    return Change(float(values.mean()), error, ROUNDINGS * np.finfo(float).eps * size if np.isfinite(size) else 0.0)


def ends(series: np.ndarray, first: float = -1.0) -> np.ndarray:
    """Weight 1 of the last generation, and ``first`` of generation 1."""
    weights = np.zeros(series.shape[-1])
    weights[0], weights[-1] = first, 1.0
    return weights


def later_growth(generations: int) -> np.ndarray:
    """The weights of T, in the module's docstring."""
    half = (generations + 2) // 2
    inverse = 1 / np.arange(1.0, generations + 1)
    ratio = inverse[half:].sum() / inverse[1:half].sum()
    weights = np.zeros(generations)
    weights[0], weights[half - 1], weights[-1] = ratio, -1 - ratio, 1.0
    return weights


def missing(run: Run, name: str, generations: int) -> str:
    """What has to be given before a series can be judged; nothing: an empty string."""
    series = getattr(run, name)
    if series is None:
        return f"give {name}"
    if series.ndim == 2 and len(series) == 1 and name not in run.noise:
        return f"give more chains of {name}, or its noise"
    return "" if series.ndim == 0 or series.shape[-1] >= generations else f"give {generations} generations of {name}"


def mean(series: np.ndarray) -> np.ndarray:
    """Mean over chains, (generations,)."""
    return series if series.ndim == 1 else series.mean(0)


def _series(name: str, value: Any) -> np.ndarray:
    wanted = "numbers of shape (generations,) or (chains, generations)"
    try:
        series = np.asarray(value, float)
    except (TypeError, ValueError):
        raise arg.refuse("Run", name, value, wanted) from None
    if series.ndim not in ((0, 1, 2) if name == "real_only" else (1, 2)) or 0 in series.shape or np.isnan(series).any():
        raise arg.refuse("Run", name, value, f"{wanted}, none missing")
    if name in ("diversity", "modes", "tail", "unreal") and np.any(series < 0):
        raise arg.refuse("Run", name, value, f"{wanted}, none below 0")
    if np.any(series == -np.inf) or np.isinf(series[..., :1] if name == "risk" else series).any():
        raise arg.refuse("Run", name, value, f"{wanted}, finite but for the risk of later generations")
    return series


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise arg.refuse("Run", name, value, "one number") from None
