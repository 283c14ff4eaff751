"""Speed of the decoder: training and writing, tokens a second, and the share of the machine's own matrix products.

    python benchmarks/decoder.py                                    # 0.15 M parameters, as `train` has it
    python benchmarks/decoder.py --width 768 --layers 12 --heads 12 --length 1024 --vocabulary 50304 --batch 64 --dtype bfloat16

The limit is measured in the same run: a chain of square matrix products in the type that the decoder computes in. On an
accelerator whose peak is known the share of that is shown too. `--json` prints the rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from modelcollapse.lm.decoder import Attention, Shape, fresh
from modelcollapse.lm.generation import generate
from modelcollapse.lm.recipe import Training
from modelcollapse.lm.training import begin, segment

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}  # dense bfloat16, operations a second, by the makers
ROUNDS = 5


def seconds(work: Callable[[], Any]) -> float:
    """Median time of a few rounds, after one that compiles."""
    jax.block_until_ready(work())
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def limit(shape: Shape) -> float:
    """Operations a second of matrix products in the type of the decoder."""
    size, count = (8192, 20) if jax.default_backend() != "cpu" else (1024, 10)
    table = jnp.full((size, size), 1 / size, shape.compute)
    chain = jax.jit(lambda x: jax.lax.fori_loop(0, count, lambda _, y: (y @ table).astype(y.dtype), x))
    return 2 * size**3 * count / seconds(lambda: chain(table))


def measured(shape: Shape, batch: int, steps: int) -> dict[str, Any]:
    """All figures of one shape."""
    params = fresh(shape, jax.random.key(0))
    training = Training(steps=steps, batch=batch, evaluate_every=steps, patience=None)
    state = begin(shape, params, batch, training)
    tokens = np.random.default_rng(0).integers(1, shape.vocabulary, (steps, batch, shape.length), dtype=np.int32)
    given = (jnp.asarray(tokens), jnp.full(steps, 1e-4, jnp.float32), jnp.int32(steps))
    spent = seconds(lambda: segment(shape, training.adamw, state.params, state.moments, *given))
    trained = steps * batch * shape.length / spent
    wrote = 256 * shape.length / seconds(lambda: generate(shape, params, 256, jax.random.key(1)))
    most, kind = limit(shape), jax.devices()[0].device_kind
    peak = next((value for name, value in PEAKS.items() if name in kind), None)
    return {
        "device": kind, "parameters": shape.parameters, "batch": batch, "length": shape.length, "dtype": str(shape.compute),
        "train_tokens_per_s": trained, "write_tokens_per_s": wrote, "operations_per_token": shape.flops,
        "share_of_matrix_products": trained * shape.flops / most, "matrix_products_per_s": most,
        "model_flops_utilisation": None if peak is None else trained * shape.flops / peak,
    }  # fmt: skip


def main() -> None:
    """Measure what the options say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (
        ("vocabulary", 108),
        ("width", 64),
        ("layers", 3),
        ("heads", 4),
        ("length", 64),
        ("batch", 32),
        ("steps", 20),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"])
    parser.add_argument("--attention", choices=[each.value for each in Attention], default="plain")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    shape = Shape(
        given.vocabulary, given.width, given.layers, given.heads, given.length, given.dtype, Attention(given.attention)
    )
    row = measured(shape, given.batch, given.steps)
    if given.json:
        print(json.dumps([row], indent=1))
        return
    for name, value in row.items():
        print(
            f"{name.replace('_', ' '):28} {value:,.3g}"
            if isinstance(value, float)
            else f"{name.replace('_', ' '):28} {value}"
        )


if __name__ == "__main__":
    main()
