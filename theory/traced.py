"""Inside a JAX transformation nothing can be refused: what breaks the rules of `arguments` becomes NaN instead."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from . import arguments as arg
from .family import Binomial, Categorical, Gaussian, LinearRegression
from .workflow import WORKFLOWS, AccumulateSubsample, FreshReal, Schedule, whole_sets

SIZES = {"real", "synthetic", "train", "size", "trials"}  # of a workflow, and the trials of a Binomial
NEAR = 1e-3  # within which traced probabilities and weights sum to one, also in float32


def or_nan(result: Any, *records: Any, generation: Any = 0) -> Any:
    """The result where every traced field of the records and the generation are allowed, NaN elsewhere."""
    conditions = [each for record in records for each in _conditions(record)]
    conditions += [
        each for record in records if isinstance(record, LinearRegression) for each in _rows(record, *records)
    ]
    conditions += [
        each for record in records if isinstance(record, Gaussian) and record.unbiased for each in _pairs(*records)
    ]
    if arg.is_traced(generation):
        conditions.append((generation >= 0) & (generation == arg.namespace(generation).floor(generation)))
    return nan_unless(result, conditions)


def nan_unless(result: Any, conditions: list[Any]) -> Any:
    """The result where all conditions hold, NaN elsewhere."""
    if not conditions:
        return result
    allowed = conditions[0]
    for each in conditions[1:]:
        allowed = allowed & each
    xp = arg.namespace(allowed)
    return xp.where(allowed, result, xp.nan)


def _conditions(record: Any) -> list[Any]:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    traced = {
        name for name, value in values.items() if arg.is_traced(*(value if isinstance(value, tuple) else [value]))
    }
    found = []
    for name in traced:
        value = values[name]
        if name == "weight" and isinstance(record, Schedule):
            found.append((abs(value.sum(axis=1) - 1) < NEAR).all())
        elif name == "weight" and isinstance(record, FreshReal):
            found.append((value > 0) & (value <= 1))
        elif name == "p" and isinstance(record, Categorical):
            found.append((value >= 0).all() & (abs(value.sum() - 1) < NEAR))
        elif name == "p" and isinstance(record, Binomial):
            found.append((value > 0) & (value < 1))
        elif name in SIZES and _counts(record, name):
            each = value if isinstance(value, tuple) else [value]
            found += [(size >= 1).all() if isinstance(record, Schedule) else size >= 1 for size in each]
        else:  # shape, mean, variance, noise, bandwidth, and the size of a NegativeBinomial
            found += [each > 0 for each in (value if isinstance(value, tuple) else [value])]
    if isinstance(record, AccumulateSubsample) and traced & {"real", "train"}:
        found.append(record.train <= record.real)
    return found


def _rows(f: LinearRegression, *records: Any) -> list[Any]:
    """Traced sizes of training sets, which must exceed the dimension by two."""
    sizes = [size for each in records if isinstance(each, WORKFLOWS) for size in whole_sets(each)]
    return [(size > f.dimension + 1) for size in sizes if arg.is_traced(size)]


def _pairs(*records: Any) -> list[Any]:
    """Traced sizes of training sets that a variance without bias is fitted to: of one point there is none."""
    sizes = [size for each in records if isinstance(each, WORKFLOWS) for size in whole_sets(each)]
    return [size >= 2 for size in sizes if arg.is_traced(size) and np.ndim(size) == 0]


def _counts(record: Any, name: str) -> bool:
    """Whether the field is a number of samples: the ``size`` of a Schedule is, that of a NegativeBinomial is a shape."""
    return name != "size" or isinstance(record, Schedule)


def inside(result: Any, *ranges: tuple[Any, float, float]) -> Any:
    """The result where each traced value of (value, least, most) is in its range, NaN elsewhere."""
    for value, least, most in ranges:
        if arg.is_traced(value):
            xp = arg.namespace(value)
            result = xp.where((value >= least) & (value <= most), result, xp.nan)
    return result
