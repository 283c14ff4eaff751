"""How a command computes: in float64, and it ends at once when it is told to."""

from __future__ import annotations

import os
import sys
from typing import Any


def use_double(*, wide: bool = False) -> None:
    """The command line computes in float64, and ends at once on ctrl-C: an exception inside a compilation crashes JAX.

    It leaves the memory of an accelerator to the processes that train. ``wide``: vectors as wide as the processor has them,
    which only pays for long loops over many numbers.
    """
    import signal

    if wide and "jax" not in sys.modules:  # it reads them once
        flags = os.environ.get("XLA_FLAGS", "")
        if "prefer_vector_width" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_prefer_vector_width=512".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    import jax

    jax.config.update("jax_enable_x64", True)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, _frame: Any) -> None:
    os.write(2, b"modelcollapse: stopped\n")
    os._exit(128 + number)
