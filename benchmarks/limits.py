"""What the machine can do, measured in the run that the shares are shares of: in JAX, on all its devices."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .needs import Needs

ROUNDS = 7
NUMBERS = 2**23  # per device and array: 64 MiB, beyond any cache
SIDE = 1536


def measured() -> Needs:
    """Random bits, bytes and multiply-adds a second: threefry, a triad of large arrays, a product of large matrices."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    devices = jax.devices()

    def rate(amount: float, work: Callable[..., Any], *arguments: Any) -> float:
        """Of the best round: a limit is what is possible."""
        compiled = jax.jit(work)
        given = [jax.device_put(arguments, device) for device in devices]
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            jax.block_until_ready([compiled(*each) for each in given])  # devices run beside each other
            times.append(time.perf_counter() - started)
        return amount * len(devices) / min(times)

    # a sum keeps the bits out of memory
    bits = rate(64 * NUMBERS, lambda key: jax.random.bits(key, (NUMBERS,), jnp.uint64).max(), jax.random.key(0))
    one = jnp.ones(NUMBERS)
    moved = rate(3 * 8 * NUMBERS, lambda a, b: a + 3.0 * b, one, one)
    square = jnp.ones((SIDE, SIDE))
    return Needs(bits, moved, rate(SIDE**3, lambda a, b: a @ b, square, square))
