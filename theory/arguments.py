"""What a user may pass: every refusal in the project is made here, in one form.

A refusal is one line that names the object, the argument, its value and the remedy. Concrete values are
checked; values inside a JAX trace cannot be, and pass (what they compute is NaN outside the assumptions).
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import numpy as np

LAST = 2**53  # whole numbers are exact in float64 up to here
MOST_STEPS = 10_000_000


class InputError(ValueError):
    """An argument outside what is allowed: the message is one line that names it, its value and the remedy.

    ``argument``, ``value``, ``remedy``: the parts of the message, for a caller who knows the argument by another name.
    """

    def __init__(self, message: str, remedy: str = "", argument: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.remedy, self.argument, self.value = remedy, argument, value


def is_jax(*values: Any) -> bool:
    """Whether any of the values is a JAX array or tracer (JAX is not imported to find out)."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(value, jax.Array) for value in values)


def is_traced(*values: Any) -> bool:
    """Whether any of the values is known only inside a JAX transformation."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(value, jax.core.Tracer) for value in values)


def namespace(*values: Any) -> Any:
    """The array library that the values live in: ``jax.numpy`` when one is a JAX array, else ``numpy``."""
    return sys.modules["jax"].numpy if is_jax(*values) else np


def scalar(value: Any) -> Any:
    """A NumPy number as a Python float; arrays and JAX values as they are."""
    return float(value) if isinstance(value, (np.ndarray, np.floating)) and np.ndim(value) == 0 else value


def ratio(part: Any, whole: Any) -> Any:
    """``part / whole``, exact when both are whole numbers or fractions."""
    exact = isinstance(part, (int, Fraction)) and isinstance(whole, (int, Fraction))
    return Fraction(part, whole) if exact else part / whole


def shown(value: Any) -> str:
    """A value as a message can carry it: short, one line."""
    text = repr(value.tolist() if isinstance(value, np.ndarray) and value.size <= 8 else value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:38]}...{text[-39:]}"


def refuse(owner: str, argument: str, value: Any, remedy: str) -> InputError:
    """The error to raise: ``owner(argument=value): remedy``."""
    return InputError(f"{owner}({argument}={shown(value)}): {remedy}", remedy, argument, value)


def numbers(owner: str, argument: str, value: Any, remedy: str) -> np.ndarray:
    """The value as a float64 array of finite numbers, or a refusal."""
    array: Any
    try:
        array = np.asarray(value)
        array = array.astype(float) if array.dtype.kind in "iufO" else None
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None:
        raise refuse(owner, argument, value, remedy)
    if not np.all(np.isfinite(array)):
        raise refuse(owner, argument, value, f"{remedy}, not NaN or infinity")
    return array


def _each(owner: str, argument: str, value: Any, wanted: str) -> np.ndarray:
    """One number or an array of numbers; no list, which is none in formulas."""
    array = numbers(owner, argument, value, wanted)
    if array.ndim and not isinstance(value, np.ndarray) and not is_jax(value):
        raise refuse(owner, argument, value, f"{wanted} (one number, or a NumPy or JAX array)")
    return array


def one(owner: str, argument: str, value: Any, meaning: str) -> float:
    """One finite number."""
    if numbers(owner, argument, value, f"{meaning}, one number").ndim:
        raise refuse(owner, argument, value, f"{meaning}, one number here: call it for each")
    return float(value)


def size(owner: str, argument: str, value: Any, *, least: int = 1, remedy: str = "", of: str = "samples") -> Any:
    """A number ``of`` samples: Python and NumPy integers must be whole and at least ``least``.

    Floating-point arrays are the differentiable relaxation, so only their sign is checked; a Python float
    must be whole. JAX tracers pass.
    """
    wanted = f"{argument} is a number of {of}, at least {least}" + (f"; {remedy}" if remedy else "")
    if is_traced(value):
        return value
    array = _each(owner, argument, value, wanted)
    if np.any(array < least) or np.any(array > LAST):
        raise refuse(owner, argument, value, wanted if np.any(array < least) else f"{wanted} and at most 2^53")
    relaxed = is_jax(value) or isinstance(value, np.ndarray)
    if not relaxed and float(array) != math.floor(array):
        raise refuse(owner, argument, value, f"{wanted}, whole (round it, or pass a float array to differentiate)")
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":  # small integer types overflow in products
        return int(array) if array.ndim == 0 else array
    return value if relaxed else int(array)


def positive(owner: str, argument: str, value: Any, meaning: str) -> Any:
    """A positive finite number, with its meaning in the refusal."""
    if is_traced(value):
        return value
    if np.any(_each(owner, argument, value, f"{meaning}, a number above 0") <= 0):
        raise refuse(owner, argument, value, f"{meaning}, a number above 0")
    return value


def nonnegative(owner: str, argument: str, value: Any, meaning: str) -> Any:
    """A finite number, at least 0."""
    if is_traced(value):
        return value
    if np.any(_each(owner, argument, value, f"{meaning}, at least 0") < 0):
        raise refuse(owner, argument, value, f"{meaning}, at least 0")
    return value


def probability(owner: str, argument: str, value: Any, meaning: str) -> Any:
    """A number in [0, 1]."""
    if is_traced(value):
        return value
    array = _each(owner, argument, value, f"{meaning}, between 0 and 1")
    if np.any((array < 0) | (array > 1)):
        raise refuse(owner, argument, value, f"{meaning}, between 0 and 1")
    return value


def generation(owner: str, value: Any) -> Any:
    """A generation or an array of them: whole, 0 is the truth, 1 the first model."""
    wanted = "a generation is a whole number, 0 (the truth), 1 (the first model), 2, ..."
    if is_traced(value):
        return value
    array = numbers(owner, "generation", value, wanted)
    if np.any(array < 0) or np.any(array != np.floor(array)):
        raise refuse(owner, "generation", value, wanted)
    if array.size == 0 or array.max() > LAST:
        raise refuse(owner, "generation", value, f"{wanted}, at least one of them and none above 2^53")
    return value


def steps(owner: str, value: Any) -> Any:
    """A generation that is reached step by step, in a time that grows with it."""
    if not is_traced(generation(owner, value)) and np.max(np.asarray(value)) > MOST_STEPS:
        raise refuse(owner, "generation", value, f"computed generation by generation, up to {MOST_STEPS:,}")
    return value


def one_size(owner: str, workflow: Any) -> None:
    """Refuse arrays of sizes where one answer is a search or a chain of its own."""
    for name in ("real", "synthetic", "train") if hasattr(workflow, "real") else ():
        if np.ndim(size := getattr(workflow, name, 0)) and not isinstance(size, tuple):
            raise refuse(owner, name, size, "one number here: call it for each size")


def static(owner: str, **records: Any) -> None:
    """Refuse records that hold values of a JAX trace where the answer is a search or a finite chain."""
    for argument, record in records.items():
        if is_traced(record, *vars(record).values() if hasattr(record, "__dict__") else ()):
            raise refuse(owner, argument, "traced", "static here: call it outside jit, vmap and grad")
