"""Sizes and shares of successive batches, as a user may pass them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import arguments as arg

Check = Callable[[str, str, Any], Any]  # of owner, argument and one value


def series(owner: str, argument: str, value: Any, of: str, check: Check = arg.size) -> list[Any]:
    """The elements of a list or an array (M,), each checked; ``of``: what they are."""
    if (
        isinstance(value, str | dict)
        or getattr(value, "ndim", 1) == 0
        or not hasattr(value, "__len__")
        or not len(value)
    ):
        raise arg.refuse(owner, argument, value, f"{of}, (M,)")
    return [check(owner, argument, each) for each in value]


def later(owner: str, argument: str, value: Any, count: int, check: Check = arg.size) -> list[Any]:
    """The elements for batches 2..M, ``count`` of them: given one by one, or one number for all."""
    if not hasattr(value, "__len__") or isinstance(value, str) or getattr(value, "ndim", 1) == 0:
        return [check(owner, argument, value)] * count
    if len(value) != count:
        raise arg.refuse(owner, argument, value, f"one number, or {count}: the first batch is real")
    return [check(owner, argument, each) for each in value]


def weights(owner: str, value: Any, count: int) -> list[Any]:
    """``count`` weights, each a number."""
    found = series(owner, "weight", value, "a weight for each model", number)
    if len(found) != count:
        raise arg.refuse(owner, "weight", value, f"a weight for each of the {count} models")
    return found


def number(owner: str, argument: str, value: Any) -> Any:
    """One finite number."""
    if not arg.is_traced(value) and arg.numbers(owner, argument, value, "one number").ndim:
        raise arg.refuse(owner, argument, value, "one number")
    return value
