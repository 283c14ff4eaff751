r"""A recursion whose solution is a sum of ratios of Gamma functions, to rounding and at once however late it is asked for.

.. math:: t^2 x_t = (t^2 - s_1 t + s_0)\, x_{t-1} + 1, \qquad x_0 = 0

Written in Gamma functions it cancels, and run step by step it gathers roundings: after a million steps the twelfth digit. Here
the first steps are taken one by one; from there on :math:`\log(1 - s_1/t + s_0/t^2)` and what it leaves of each batch are power
series in 1/t, summed by Euler and Maclaurin. Nothing is singular where the sum of powers turns from growing to settling
(:math:`s_1 = 1`): the power there is a quotient of exponentials.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .stable import BERNOULLI, exponential_quotient

FIRST = 32  # steps taken one by one
TERMS = 18  # of the power series: 32^-18 is far below rounding, and its coefficients are of order 1
ROOM = 8  # largest s0 - s1^2/4 for which that many terms are enough


def gamma_sum(xp: Any, s1: Any, s0: Any, count: Any) -> Any:
    """x at ``count`` (whole, at least 0), broadcast; no factor vanishes from the second on, and s1 is between 0 and 2."""
    s1, s0, count = xp.broadcast_arrays(*(xp.asarray(each) * 1.0 for each in (s1, s0, count)))
    steps = xp.arange(1.0, FIRST + 1)
    kept = 1 - s1[..., None] / steps + s0[..., None] / steps**2
    kept = xp.cumprod(xp.where(steps == 1, 1.0, kept), axis=-1)
    batches = 1 / (steps**2 * kept)
    early = xp.minimum(count, FIRST)
    now = xp.where(steps == early[..., None], kept, 0.0).sum(-1)
    piled = xp.where(steps <= count[..., None], batches, 0.0).sum(-1)

    start, late = 1.0 * FIRST, xp.maximum(count, FIRST)
    first = xp.full_like(late, start)
    decay = _logarithms(xp, s1, s0)
    span = xp.log(late / start)
    fallen = -s1 * span + _at(decay, late) - _at(decay, first)
    level = xp.exp(_at(decay, first)) / (start**2 * kept[..., -1])
    shares = _exponential(xp, -decay)  # of what is left of a batch, beside t^-(2 - s1)
    orders = xp.arange(TERMS + 1.0)
    sums = shares * _powers(xp, 2 - s1[..., None] + orders, start, late[..., None], span[..., None]) / start**orders
    return now * xp.exp(fallen) * (piled + level * sums.sum(-1))


def _euler_maclaurin() -> np.ndarray:
    """(powers, orders): what a sum of 1/j^power up to t has beside its logarithm, by powers of 1/t from the first on."""
    table = np.zeros((TERMS + 1, TERMS + 10 + 2 * len(BERNOULLI)))
    for power in range(1, TERMS + 1):
        if power > 1:
            table[power, power - 1] = 1 / (1 - power)
        table[power, power] = 1 / 2
        rising = float(power)
        for index, coefficient in enumerate(BERNOULLI, start=1):
            table[power, power + 2 * index - 1] = -coefficient * rising
            rising *= (power + 2 * index - 1) * (power + 2 * index)
    return table[1:, 1 : TERMS + 1] / -np.arange(1.0, TERMS + 1)[:, None]


SERIES = _euler_maclaurin()


def _logarithms(xp: Any, s1: Any, s0: Any) -> Any:
    """Coefficients of 1/t, 1/t^2, ... in the sum of log(1 - s1/j + s0/j^2) over j up to t, beside -s1 log t."""
    sums = [2.0 + 0 * s1, s1]  # of powers of the roots
    for _ in range(2, TERMS + 1):
        sums.append(s1 * sums[-1] - s0 * sums[-2])
    return xp.stack(sums[1:], -1) @ xp.asarray(SERIES)


def _exponential(xp: Any, series: Any) -> Any:
    """Coefficients of 1, 1/t, 1/t^2, ... in the exponential of a power series without constant."""
    slopes = series * xp.arange(1.0, TERMS + 1)
    places = np.arange(TERMS + 1)
    found = xp.ones_like(series[..., :1]) * (places == 0)
    for order in range(1, TERMS + 1):
        meets = (places[:, None] + places[1:] == order).astype(float)  # of its orders and those of the series
        found = found + ((found @ meets) * slopes).sum(-1, keepdims=True) / order * (places == order)
    return found


def _at(series: Any, t: Any) -> Any:
    """A power series in 1/t without constant."""
    return (series / t[..., None] ** np.arange(1, TERMS + 1)).sum(-1)


def _powers(xp: Any, power: Any, start: float, last: Any, span: Any) -> Any:
    r""":math:`\sum_{k > start}^{last} (k/start)^{-power}`."""
    ratio = xp.exp(-power * span)  # (last/start)^-power
    total = start * span * exponential_quotient(xp, (1 - power) * span) + (ratio - 1) / 2
    orders = 1.0 - 2 * np.arange(1, len(BERNOULLI) + 1)
    ends = (ratio[..., None] * last[..., None] ** orders - start**orders) * -np.array(BERNOULLI)
    rising = power
    for index in range(len(BERNOULLI)):
        total = total + rising * ends[..., index]
        rising = rising * (power + 2 * index + 1) * (power + 2 * index + 2)
    return total
