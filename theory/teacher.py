r"""One round with a teacher: a student trains on N real samples and n of a model that was fitted on :math:`N_T` real ones.

What the teacher adds is the real samples that it has seen and the student has not. So synthetic data of a teacher that has
seen only the student's own samples never helps; of one that has seen others its first samples help at once; and where the
student's samples are among the teacher's it hurts at first, unless the teacher has seen about twice as many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, Poly, cancel, diff, factor, fraction, lambdify, limit, oo, simplify

from . import arguments as arg
from . import family as families
from .assumption import ANY, MATCHED, QUADRATIC, SAMPLES
from .family import Family
from .law import spread
from .lower import evaluate
from .solve import Step, Unsolved
from .symbols import B, N, Nt, V, n, o, tau, v2
from .theorem import Derived, Evidence, Theorem
from .traced import nan_unless, or_nan
from .workflow import Replace, Schedule
from .worth import pooled


@dataclass(frozen=True)
class Teacher:
    """A model fitted on ``real`` real samples, of which ``shared`` are among the student's own.

    ``Teacher(real)``: an independent one. ``Teacher(real, shared=N)`` for a student of N real samples: a nested one, which has
    seen all of them; with ``real = N`` the student's own first model, its self teacher.
    """

    real: Any
    shared: Any = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "real", arg.size("Teacher", "real", self.real))
        object.__setattr__(self, "shared", arg.size("Teacher", "shared", self.shared, least=0))
        if not arg.is_traced(self.real, self.shared) and np.any(np.asarray(self.shared) > np.asarray(self.real)):
            raise arg.refuse("Teacher", "shared", self.shared, "no more than the teacher's real samples")


class Helpful(NamedTuple):
    """The numbers of synthetic samples that help, ``at_least`` <= n <= ``samples``; (1, 0) where none does, inf without end.

    ``best``: the number of least error, inf where more is always better, and that ``error``. ``worst``: the number of greatest.
    """

    at_least: float
    samples: float
    best: float
    error: float
    worst: float


def teacher_error(f: Family, real: Any, synthetic: Any, teacher: Teacher) -> Any:
    r"""Error of a student of N real samples, o of them the teacher's too, and n samples of the teacher:

    .. math:: V \frac{N + n (1 + (v_2 + 2 o)/N_T) + n^2/N_T}{(N+n)^2}.

    Exact at every n for every family with a quadratic variance; V/N_T in the limit.

    Raises InputError for other families, and where the teacher shares more than the student has. Source: derived; the setting
    is that of Kazdan2024, section 4.

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.5, 0.5])
    >>> nested, own = theory.Teacher(100, shared=60), theory.Teacher(60, shared=60)
    >>> [round(theory.teacher_error(f, 60, n, nested), 6) for n in (0, 12, 30, 10**6)]
    [0.008333, 0.008461, 0.008315, 0.005]
    >>> round(float(theory.teacher_error(f, 60, 60, own) * 60 / f.v), 3)  # the worst: a quarter more
    1.246
    """
    own = "teacher_error"
    _check(own, f, real, teacher)
    real, synthetic = arg.size(own, "real", real), arg.size(own, "synthetic", synthetic, least=0)
    values = {N: real, n: synthetic, Nt: teacher.real, o: teacher.shared, V: f.v, v2: f.v2}
    pairs = ((real, 1), (synthetic, 0), (teacher.real, 1), (teacher.shared, 0))
    bounds = [value >= least for value, least in pairs if arg.is_traced(value)]
    if arg.is_traced(real, teacher.real, teacher.shared):
        bounds += [teacher.shared <= teacher.real, teacher.shared <= real]
    return nan_unless(or_nan(evaluate(student(), values), f), bounds)


def taught(real: int, synthetic: int, teacher: Teacher) -> Schedule:
    """The same as a `Schedule`: model 1 is the teacher, model 2 the student. For every other question, and to simulate.

    >>> from modelcollapse import theory
    >>> f, teacher = theory.Categorical([0.5, 0.5]), theory.Teacher(100, shared=60)
    >>> w = theory.taught(60, 30, teacher)
    >>> bool(abs(theory.error(f, w, 2) - theory.teacher_error(f, 60, 30, teacher)) < 1e-15)
    True
    """
    real, synthetic = arg.size("taught", "real", real), arg.size("taught", "synthetic", synthetic)
    if any(not isinstance(each, int) for each in (real, synthetic, teacher.real, teacher.shared)):
        raise arg.refuse("taught", "real", real, "whole numbers, one student and one teacher")
    if teacher.shared > real:
        raise arg.refuse(
            "taught", "teacher", teacher, f"it shares no more samples than the student's real ones, {real}"
        )
    both, pool = teacher.shared, real + synthetic
    sizes = (
        both,
        real - both,
        teacher.real - both,
        synthetic,
    )  # seen by both, by the student, by the teacher, and written
    rows = [[Fraction(size * used, total) for size, used in zip(sizes, uses, strict=True)]
            for uses, total in (((1, 0, 1, 0), teacher.real), ((1, 1, 0, 1), pool))]  # fmt: skip
    there = [place for place, size in enumerate(sizes) if size]
    return Schedule(
        size=[sizes[place] for place in there],
        source=[[0, 1, 0] if place == 3 else [1, 0, 0] for place in there],
        weight=[[row[place] for place in there] for row in rows],
    )


def helpful_synthetic(f: Family, real: int, teacher: Teacher) -> Helpful:
    r"""Which numbers of a teacher's samples help a student of N real ones, the best and the worst: whole, in exact arithmetic.

    *Independent* teacher: up to :math:`N (N_T - v_2)/(N - N_T)` help, half that share is best; all where :math:`N \le N_T`.
    *Nested*: all help where :math:`N_T > 2N + v_2`; else only more than :math:`N (2N + v_2 - N_T)/(N_T - N)`. *Self*: none.

    Raises InputError as `teacher_error` does, and for arrays. Source: derived.

    >>> from modelcollapse import theory
    >>> f = theory.Categorical([0.5, 0.5])
    >>> theory.helpful_synthetic(f, 60, theory.Teacher(100, shared=60))
    Helpful(at_least=29, samples=inf, best=inf, error=0.005, worst=12)
    >>> theory.helpful_synthetic(f, 60, theory.Teacher(60, shared=60)).samples
    0
    >>> theory.helpful_synthetic(f, 200, theory.Teacher(100)).best  # N (N_T + 1)/(2N - N_T + 1)
    67
    """
    own = "helpful_synthetic"
    arg.static(own, f=f, teacher=teacher, real=real)
    _check(own, f, real, teacher)
    real = arg.size(own, "real", real)
    if np.ndim(real) or np.ndim(teacher.real) or np.ndim(teacher.shared) or np.ndim(f.v) or np.ndim(f.v2):
        raise arg.refuse(own, "real", real, "one number here: call it for each size")
    given = [Fraction(each) for each in (real, teacher.real, teacher.shared, f.v2)]
    first, turn = (each(*given) for each in _lines()[0])
    level, far = (each(*given) for each in _lines()[1])

    def error(amount: float) -> Fraction:
        return 1 / given[1] if math.isinf(amount) else _exact()(*given, Fraction(amount))

    def whole(at: Fraction, least: bool) -> int:
        sides = [math.floor(at), math.ceil(at)]
        return min(sides, key=error) if least else max(sides, key=error)

    best: float = math.inf
    worst: float = 0
    if first < 0:
        samples = math.inf if far <= 0 else math.ceil(-level / far) - 1
        if turn > 0:
            best = whole(-first / turn, least=True)
        worst = math.inf if far > 0 else 0
        found = (1, samples, best if samples else 0, worst)
    elif far < 0:
        found = (math.floor(-level / far) + 1, math.inf, math.inf, whole(-first / turn, least=False))
    else:
        found = (1, 0, 0, whole(-first / turn, least=False) if turn < 0 else math.inf)
    at_least, samples, best, worst = found
    return Helpful(at_least, samples, best, float(error(best)) * float(f.v), worst)


@cache
def student() -> Expr:
    """The error of the student: its real samples, the teacher's error, what the two share, and the noise of n samples."""
    share, teacher = n / (N + n), V / Nt
    shared = V * o / (N * Nt)  # E of the product of both errors: o samples are in both means
    error = (1 - share) ** 2 * V / N + 2 * share * (1 - share) * shared + share**2 * (teacher + spread(teacher) / n)
    terms = Poly(cancel(error * (N + n) ** 2 / V), n).terms()
    return V * sum(each.expand() * n**power for (power,), each in terms) / (N + n) ** 2  # sums of positive terms


@cache
def slope() -> Poly:
    """A line in n of the sign of the error's slope."""
    return _line(diff(student(), n))


@cache
def gap() -> Poly:
    """A line in n of the sign of the error less that of the real samples alone, for n > 0."""
    return _line((student() - V / N) / n)


def _line(quotient: Expr) -> Poly:
    above, below = fraction(cancel(quotient))
    found = Poly(cancel(above / V), n)
    if found.degree() != 1 or below.subs({N: 1, n: 1, Nt: 1}) < 0:
        raise Unsolved(f"not a line in n: {found}")
    return found


@cache
def _lines() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Constant and coefficient of both lines, as functions of N, N_T, o and v2 in any arithmetic."""
    one, other = (
        tuple(lambdify((N, Nt, o, v2), line.coeff_monomial(each), modules="math") for each in (1, n))
        for line in (slope(), gap())
    )
    return (one[0], one[1]), (other[0], other[1])


@cache
def _exact() -> Any:
    return lambdify((N, Nt, o, v2, n), student() / V, modules="math")


def _check(own: str, f: Family, real: Any, teacher: Teacher) -> None:
    families.check(own, f)
    if not isinstance(teacher, Teacher):
        raise arg.refuse(own, "teacher", teacher, "a Teacher(real, shared)")
    arg.size(own, "real", real)
    TEACHER.require(own, f, Replace(1))
    if not arg.is_traced(real, teacher.shared) and np.any(np.asarray(teacher.shared) > np.asarray(real)):
        raise arg.refuse(own, "teacher", teacher, f"it shares no more samples than the student's real ones, {real}")


def _derive() -> Derived:
    return Derived(student(), limit=limit(student(), n, oo))


def _prove() -> tuple[Step, ...]:
    turning, level = (factor(-line.coeff_monomial(1) / line.coeff_monomial(n)) for line in (slope(), gap()))
    shares = [cancel(each / (N + each)) for each in (turning, level)]
    start = factor(slope().coeff_monomial(1))
    own = factor(cancel(student().subs({o: N, Nt: N})) / (V / N) - 1)
    left = (
        cancel(student().subs(o, 0) - pooled().subs({B: Nt, tau: 1 + v2 / Nt})),
        simplify(shares[1] - 2 * shares[0]),
        cancel(limit(student(), n, oo) - V / Nt),
    )
    if any(left):
        raise Unsolved(f"teacher: {left}")
    return (
        Step("Error and spread of the teacher", (V / Nt, spread(V / Nt)), "T, E v = "),
        Step("Errors of the student's real mean and of the teacher share o samples", V * o / (N * Nt), "E = "),
        Step("So the student errs", student(), "R(n) = "),
        Step("As n grows, as the teacher", V / Nt, "R -> "),
        Step("The slope has the sign of a line in n; at n = 0 that of", start),
        Step("It turns at", turning, "n = "),
        Step("and is as good as real samples alone at", level, "n = "),
        Step("which is twice the share of the turn", left[1], "alpha - 2 alpha* = "),
        Step(
            "An independent teacher, o = 0, is a source worth N_T of noise 1 + v2/N_T", left[0], "R - pooled error = "
        ),
        Step("and best at, where N_T < 2N - v2", factor(turning.subs(o, 0)), "n* = "),
        Step("A nested one, o = N, hurts at first where this is positive", factor(start.subs(o, N))),
        Step("is worst at", factor(turning.subs(o, N)), "n = "),
        Step("and helps from here on", factor(level.subs(o, N)), "n > "),
        Step("The student's own first model, o = N_T = N, adds to the error, over V/N", own, "R N/V - 1 = "),
        Step("at most, at n = N", factor(own.subs(n, N)), "R N/V - 1 <= "),
    )


TEACHER = Theorem(
    "teacher",
    "Samples of a teacher fitted on N_T other real samples help at once, up to N(N_T-v2)/(N-N_T) of them; of one that has seen "
    "the student's too they help at once only where N_T > 2N + v2, else beyond N(2N+v2-N_T)/(N_T-N); of one that has seen no "
    "others, never.",
    "teacher_error",
    ANY,
    "one round: N real samples pooled with n of a Teacher",
    Evidence.IDENTITY,
    (SAMPLES, MATCHED, QUADRATIC),
    ("derived", "Kazdan2024 (section 4: scarce real data gain, ample real data lose)"),
    _derive,
    _prove,
    needs="a Teacher, whose samples are pooled with real ones once",
)
