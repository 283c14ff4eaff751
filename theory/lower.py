"""The door from SymPy to numbers: the same expression for NumPy (no JAX needed) and for JAX.

Expressions are the truth, lowered functions are caches. Only the functions of ``stable.py`` and the elementary ones are
known; anything else is refused when the function is built, not when it is called.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from fractions import Fraction
from functools import cache, lru_cache, partial, reduce
from typing import Any

import numpy as np
from sympy import Abs, Expr, Max, Mul, S, Symbol, Tuple, atan2, erfc, exp, log, sin

from . import arguments as arg
from . import family, selection, stable, workflow
from .symbols import j

ELEMENTARY = {exp: "exp", log: "log", sin: "sin", atan2: "arctan2", Abs: "abs", erfc: "erfc"}
STABLE = {  # and of how many bases each wants to know by how much it exceeds one
    stable.CompoundPower: ("compound_power", 1),
    stable.GeometricSum: ("geometric_sum", 1),
    stable.HomogeneousSum: ("homogeneous_sum", 2),
    stable.ExponentialQuotient: ("exponential_quotient", 0),
    stable.LogarithmicQuotient: ("logarithmic_quotient", 0),
    stable.DigammaGap: ("digamma_gap", 0),
    stable.DigammaSlope: ("digamma_slope", 0),
    stable.LogGammaGap: ("log_gamma_gap", 0),
}
Lowered = Callable[..., Any]


def evaluate(expression: Expr, values: dict[Symbol, Any]) -> Any:
    """The expression at the values, broadcast: by JAX when one of them is a JAX array, else in float64 by NumPy."""
    letters = _letters(expression)
    given = [float(each) if isinstance(each, Fraction) else each for each in (values[letter] for letter in letters)]
    if arg.is_jax(*values.values()):
        return lower(expression, letters, "jax")(*given)
    with np.errstate(all="ignore"):
        result = lower(expression, letters, "numpy")(*(np.asarray(each, float) for each in given))
    shape = np.broadcast_shapes(*(np.shape(each) for each in values.values()))
    result = np.broadcast_to(result, shape)
    return result.copy() if shape else float(result)


@lru_cache(maxsize=512)
def _letters(expression: Expr) -> tuple[Symbol, ...]:
    return tuple(sorted(expression.free_symbols, key=lambda letter: letter.name))


@lru_cache(maxsize=512)
def lower(expression: Expr, letters: tuple[Symbol, ...], module: str = "jax") -> Lowered:
    """The expression as a function of the letters, for arrays of ``module`` ("numpy" or "jax"), broadcasting.

    Raises ValueError, now and not at the call, for a function that has no array form here.
    """
    return _written((expression,), letters, module)


def _written(results: tuple[Expr, ...], letters: tuple[Symbol, ...], module: str) -> Lowered:
    """One function of the letters for all results (a tuple where there are several): a line for each part that differs.

    It is written out and compiled by Python, which takes a tenth of what SymPy's printer and its search for common parts do.
    """
    tools = _tools(module)
    names: dict[Expr, str] = {letter: f"x{place}" for place, letter in enumerate(letters)}
    lines: list[str] = []

    def named(part: Expr) -> str:
        if part.is_Rational:
            return f"({part.p} / {part.q})" if part.q != 1 else f"({part.p})"
        if part.is_Number or part.is_NumberSymbol:
            return f"({float(part)})"
        if part not in names:
            text = text_of(part)
            names[part] = f"y{len(lines)}"
            lines.append(f"    {names[part]} = {text}")
        return names[part]

    def text_of(part: Expr) -> str:
        if part.is_Add:
            return " + ".join(map(named, part.args))
        if part.is_Mul or part.is_Pow:
            return quotient(part)
        if part.func is Max:
            return reduce(lambda first, second: f"maximum({first}, {second})", map(named, part.args))
        if part.func in ELEMENTARY:
            return call(ELEMENTARY[part.func], part.args)
        if part.func in STABLE:
            name, bases = STABLE[part.func]
            pairs = [each for base in part.args[:bases] for each in (base, stable.excess_of(base))]
            return call(name, (*pairs, *part.args[bases:]))
        if part.func is stable.DriftSum:
            *term, count = part.args
            own, tools[name := f"sum{len(tools)}"] = _summed(*term, module)
            return call(name, (count, *own))
        raise ValueError(f"cannot be lowered to arrays: {part}")

    def call(name: str, given: Iterable[Expr]) -> str:
        return f"{name}({', '.join(map(named, given))})"

    def quotient(part: Expr) -> str:
        above, below = [], []
        for each in Mul.make_args(part):
            base, exponent = each.args if each.is_Pow else (each, S.One)
            if each.is_Rational:
                above += [f"{each.p}"] if each.p != 1 else []
                below += [f"{each.q}"] if each.q != 1 else []
            elif exponent.is_Rational and exponent < 0:
                below.append(power(base, -exponent))
            else:
                above.append(power(base, exponent))
        product = " * ".join(above) or "1"
        return f"{product} / ({' * '.join(below)})" if below else product

    def power(base: Expr, exponent: Expr) -> str:
        if exponent == 1:
            return named(base)
        return f"sqrt({named(base)})" if exponent == S.Half else f"{named(base)} ** {named(exponent)}"

    found = ", ".join(map(named, results))
    source = "\n".join([f"def written({', '.join(names[each] for each in letters)}):", *lines, f"    return {found}"])
    exec(source, tools)
    written: Lowered = tools["written"]
    return written


def _tools(module: str) -> dict[str, Any]:
    """What the lines call: functions of an array library, and those of `stable` for it."""
    library = _library(module)
    elementary = {name: getattr(library, name) for name in ("exp", "log", "sqrt", "sin", "maximum", "arctan2")}
    numeric = {name: partial(getattr(stable, name), library) for name, _ in STABLE.values()}
    return {**elementary, **numeric, "erfc": _erfc(module), "inf": math.inf}


def _library(module: str) -> Any:
    if module == "numpy":
        return np
    import jax.numpy

    return jax.numpy


def _erfc(module: str) -> Lowered:
    """The complementary error function of arrays."""
    if module == "numpy":
        return np.vectorize(math.erfc, otypes=[float])
    import jax.scipy.special

    return jax.scipy.special.erfc


@cache
def _summed(curvature: Expr, term: Expr, centre: Expr, module: str) -> tuple[tuple[Symbol, ...], Lowered]:
    """The letters of a sum over generations, and the sum as a function of how many and of those."""
    letters = tuple(sorted(Tuple(curvature, term, centre).free_symbols - {j}, key=str))
    library = _library(module)
    each_term = _written((term,), (*letters, j), module)
    scalars = _written((curvature, *stable.coefficients(term, centre), centre), letters, module)

    def total(count: Any, *values: Any) -> Any:
        spread = [library.asarray(value)[..., None] for value in values]
        v2, lead, constant, pole, middle = scalars(*values)
        return stable.drift_sum(
            library, lambda index: each_term(*spread, index), v2, lead, constant, pole, middle, count
        )

    return letters, total


@cache
def iterated(start: Lowered, step: Lowered, read: Lowered) -> Lowered:
    """A recursion run to a traced generation: ``start(*given)``, ``step(*state, m, *given)``, ``read(*state, m, *given)``.

    A ``while`` loop with its own derivative rule: the derivatives by the few ``given`` scalars are carried forward beside
    the values, so that ``grad`` works too.
    """
    import jax
    import jax.numpy as jnp

    def at(given: tuple[Any, ...], generation: Any) -> Any:
        dtype = jnp.result_type(float)

        def next_generation(carry: Any) -> Any:
            return carry[0] + 1, step(*carry[1], carry[0].astype(dtype), *given)

        now, state = jax.lax.while_loop(
            lambda carry: carry[0] < generation, next_generation, (jnp.asarray(1), start(*given))
        )
        return read(*state, now.astype(dtype), *given)

    @jax.custom_jvp
    def scalar(generation: Any, *given: Any) -> Any:
        return at(given, generation)

    @scalar.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        generation, *given = primals
        slopes = jax.jacfwd(lambda inner: at(inner, generation))(tuple(given))
        return scalar(*primals), sum(slope * move for slope, move in zip(slopes, tangents[1:], strict=True))

    def broadcast(*values: Any) -> Any:
        *given, generation = jnp.broadcast_arrays(*(jnp.asarray(each, jnp.result_type(float)) for each in values))
        return jnp.vectorize(scalar)(jax.lax.stop_gradient(generation), *given)

    return broadcast


def swept(start: Lowered, step: Lowered, read: Lowered) -> Lowered:
    """A recursion whose letters change with the generation, by one loop over them: see `recursion.varied`."""
    import jax
    import jax.numpy as jnp

    def sweep(given: tuple[Any, ...], rows: tuple[Any, ...]) -> Any:
        dtype = jnp.result_type(float)
        given = tuple(jnp.asarray(each, dtype) for each in given)
        rows = tuple(jnp.asarray(each, dtype) for each in rows)

        def generation(state: Any, inputs: Any) -> Any:
            now, *here = inputs
            return step(*state, now, *given, *here), read(*state, now, *given, *here)

        first = start(*given, *(row[0] for row in rows))
        shape = jnp.broadcast_shapes(*(jnp.shape(each) for each in (*given, *(row[0] for row in rows))))
        state = tuple(jnp.broadcast_to(jnp.asarray(each, dtype), shape) for each in first)
        generations = jnp.arange(1, rows[0].shape[0] + 1, dtype=dtype)
        return jax.lax.scan(generation, state, (generations, *rows))[1]

    return sweep


def spread_out(function: Callable[[Any], Any], values: Any) -> Any:
    """``function`` of each entry along the last axis of some JAX arrays, all of them at once (``vmap``)."""
    import jax

    return jax.vmap(function, in_axes=-1, out_axes=-1)(jax.tree.map(jax.numpy.asarray, values))


def scanned(event: Callable[..., tuple[Any, Any]], table: Any, v2: Any) -> Any:
    """The covariance of all events by one loop over them (the workflow algebra for JAX)."""
    import jax
    import jax.numpy as jnp

    count = table.mean.shape[0]

    def step(full: Any, inputs: Any) -> tuple[Any, None]:
        place, mean, origin, noise = inputs
        row, variance = event(full, mean, origin, noise, v2)
        return full.at[place, :].set(row).at[:, place].set(row).at[place, place].set(variance), None

    tables = (
        each if isinstance(each, jax.Array) else np.asarray(each, float)
        for each in (table.mean, table.origin, table.noise)
    )
    rows = (jnp.arange(1, count), *(jnp.asarray(each)[1:] for each in tables))
    empty = jnp.zeros((count, count), jnp.result_type(float))
    return jax.lax.scan(step, empty, rows)[0]


def register() -> None:
    """Let families and workflows pass through ``jit``, ``vmap`` and ``grad``; booleans and dimensions are static.

    A record made by a transformation is not checked: a gradient by a size is no size.
    """
    import jax

    def flatten(record: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        names = [field.name for field in fields(record)]
        leaves = [(jax.tree_util.GetAttrKey(name), getattr(record, name)) for name in names if name not in STATIC]
        return leaves, tuple(getattr(record, name) for name in names if name in STATIC)

    def unflatten(kind: type, fixed: tuple[Any, ...], leaves: Any) -> Any:
        record: Any = object.__new__(kind)
        fixed_values, free_values = iter(fixed), iter(leaves)
        for field in fields(record):
            object.__setattr__(record, field.name, next(fixed_values if field.name in STATIC else free_values))
        return record

    for kind in (*family.FAMILIES, *workflow.WORKFLOWS, *selection.STEPS, workflow.Selected):
        jax.tree_util.register_pytree_with_keys(kind, flatten, partial(unflatten, kind))


STATIC = {
    "unbiased",
    "dimension",
    "replacement",
    "redrawn",
    "compared",
    "models",
}  # fields that choose a formula or a shape


class _WhenJaxComes:
    """Registers the records as soon as JAX is imported, whichever of the two was imported first."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """For ``jax`` itself: the spec of those who come after, whose loader registers when it is done."""
        if name != "jax":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            load = loader.exec_module

            def exec_module(module: Any) -> None:
                load(module)
                register()

            loader.exec_module = exec_module
        return spec


if "jax" in sys.modules:
    register()
else:
    sys.meta_path.insert(0, _WhenJaxComes())
