"""What the machine can do, measured in the run that the shares are shares of: in JAX, on all its devices and cores."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    from modelcollapse.simulate import groups, stream

    devices = jax.devices()
    calls = groups.calls()  # as many beside each other as a sweep makes

    def rate(amount: float, work: Callable[..., Any], *arguments: Any) -> float:
        """Of the best round: a limit is what is possible."""
        compiled = jax.jit(work)
        given = [jax.device_put(arguments, devices[call % len(devices)]) for call in range(calls)]

        def once(each: Any) -> None:
            jax.block_until_ready(compiled(*each))

        times = []
        with ThreadPoolExecutor(calls) as threads:
            for _ in range(ROUNDS):
                started = time.perf_counter()
                list(threads.map(once, given))
                times.append(time.perf_counter() - started)
        return amount * calls / min(times)

    # few at a time, and their greatest alone: what is slow is not the memory
    few = NUMBERS // 2**9

    def drawn(key: jax.Array) -> jax.Array:
        turns = jnp.arange(2**9, dtype=jnp.uint32)
        return jax.lax.map(lambda turn: stream.packed(stream.start(key, turn), 2 * few).max(), turns)

    bits = rate(64 * NUMBERS, drawn, jax.random.key(0))
    one = jnp.ones(NUMBERS)
    moved = rate(3 * 8 * NUMBERS, lambda a, b: a + 3.0 * b, one, one)
    square = jnp.ones((SIDE, SIDE))
    return Needs(bits, moved, rate(SIDE**3, lambda a, b: a @ b, square, square))
