r"""Natural logarithms of positive numbers, at the speed of other arithmetic.

XLA on a CPU calls a library for each logarithm of a double: 7 ns, several times what a random number takes. Written out as a
division and a sum it is worked out for as many numbers at once as the processor has places. With :math:`x = 2^k m`,
:math:`m \in [\sqrt{1/2}, \sqrt 2)`, and :math:`s = (m-1)/(m+1)`,

.. math:: \log x = k \log 2 + 2\,(s + s^3/3 + s^5/5 + \dots), \qquad s^2 < 0.0295.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

TERMS = 11  # the next one is below 1e-17 of the sum
ROOT = np.array(np.sqrt(0.5)).view(np.int64)
UPPER = np.array(np.array(np.log(2)).view(np.int64) // 2**21 * 2**21).view(
    np.float64
)  # its products with exponents are exact
LOWER = 1.9082149292705877e-10  # what is left of log 2


def log(x: jax.Array) -> jax.Array:
    """The logarithm of positive normal numbers, to 0.7 units in the last place; of others it says nothing."""
    if x.dtype != jnp.float64 or jax.default_backend() != "cpu":
        return jnp.log(x)
    bits = lax.bitcast_convert_type(x, jnp.int64)
    exponent = (bits - ROOT) >> 52
    rest = lax.bitcast_convert_type(bits - (exponent << 52), jnp.float64) - 1
    s = rest / (2 + rest)
    square = s * s
    series = jnp.full_like(s, 2 / (2 * TERMS + 1))
    for k in range(TERMS - 1, 0, -1):
        series = series * square + 2 / (2 * k + 1)
    # 2s = rest - s rest, and s rest = half - s half: so that the largest term is exact
    half = 0.5 * rest * rest
    times = exponent.astype(jnp.float64)
    return times * UPPER - ((half - (s * (half + square * series) + times * LOWER)) - rest)
