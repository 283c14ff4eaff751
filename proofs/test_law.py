r"""The one-step laws: their two facts from each family's cumulants, and a mutation of each of their terms caught."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
from sympy import Add, Dummy, Expr, Integer, Rational, exp, expand, log, simplify, symbols

from modelcollapse import theory
from modelcollapse.proofs import enumeration
from modelcollapse.proofs.enumeration import TOKENS, TRIALS
from modelcollapse.proofs.rational import iterated
from modelcollapse.theory.law import Law, law
from modelcollapse.theory.symbols import V

s, mean, count, shape = symbols("s mean count shape", positive=True)
share = symbols("share", positive=True)

# the cumulant generating function of one sample whose mean is `mean`, and the family with that law
GENERATING = {
    "Bernoulli (a token)": (log(1 - mean + mean * exp(s)), theory.Binomial(1, Rational(1, 3)), Rational(1, 3)),
    "Binomial": (4 * log(1 - mean / 4 + mean / 4 * exp(s)), theory.Binomial(4, Rational(1, 3)), Rational(4, 3)),
    "Poisson": (mean * (exp(s) - 1), theory.Poisson(Rational(7, 2)), Rational(7, 2)),
    "Gamma": (-3 * log(1 - mean * s / 3), theory.Gamma(3, Rational(5, 2)), Rational(5, 2)),
    "exponential": (-log(1 - mean * s), theory.Gamma(1, Rational(5, 2)), Rational(5, 2)),
    "NegativeBinomial": (
        -2 * log(1 + mean / 2 - mean / 2 * exp(s)),
        theory.NegativeBinomial(2, Rational(5, 2)),
        Rational(5, 2),
    ),
    "Gaussian, variance known": (mean * s + s**2, theory.Gaussian(1, 2, unbiased=True), Rational(1)),
}
families = pytest.mark.parametrize("name", GENERATING)


def cumulants(name: str, samples: Expr | int = 1, weight: Expr | int = 1) -> tuple[Expr, Expr]:
    """Mean and variance of ``weight`` times the mean of so many samples, from K(s) = samples K(weight s / samples)."""
    generating = samples * GENERATING[name][0].subs(s, weight * s / samples)
    return tuple(simplify(generating.diff(s, order).subs(s, 0)) for order in (1, 2))


def variance(name: str) -> Expr:
    """v as a function of the mean."""
    return cumulants(name)[1]


@families
def test_variance_is_quadratic_with_the_family_curvature(name):
    """K'(0) is the mean, K''(0) = v is a polynomial of degree two, with the v2 and the v that the family states."""
    _, family, truth = GENERATING[name]
    center, v = cumulants(name)
    assert simplify(center - mean) == 0
    polynomial = expand(v).as_poly(mean)
    assert polynomial.degree() <= 2
    assert polynomial.coeff_monomial(mean**2) == Rational(
        Fraction(family.v2).numerator, Fraction(family.v2).denominator
    )
    assert simplify(v.subs(mean, truth) - family.v) == 0


@families
def test_the_mean_of_samples_is_one_batch_of_noise(name):
    """Variance v/k of a mean of k samples, and E v(mean of k) = v (1 + v2/k): polynomial identities in theta."""
    v = variance(name)
    center, noise = cumulants(name, count)
    assert simplify(center - mean) == 0
    assert simplify(noise - v / count) == 0
    assert simplify(expected_variance(v, noise) - v * (1 + curvature(v) / count)) == 0


@families
def test_a_step_of_weight_a(name):
    """R0: a move by a (that - theta) errs by a^2 v/k, and E v = v (1 + v2 a^2/k)."""
    v = variance(name)
    _, noise = cumulants(name, count, share)
    assert simplify(noise - share**2 * v / count) == 0
    assert simplify(expected_variance(v, noise) - v * (1 + curvature(v) * share**2 / count)) == 0


def curvature(v: Expr) -> Expr:
    return expand(v).coeff(mean, 2)


def expected_variance(v: Expr, noise: Expr) -> Expr:
    """E v(theta') of an unbiased theta' of that variance: by Taylor, exact for a polynomial of degree two."""
    return v + v.diff(mean, 2) / 2 * noise


def test_tokens_add_up():
    """Sum over tokens: v(p) = sum p_i (1 - p_i) = 1 - |p|^2, coefficient -1 of each p_i^2, and the family says so."""
    shares = symbols("p0:4")
    each = variance("Bernoulli (a token)")
    total = sum(each.subs(mean, value) for value in shares)
    assert expand(total - (sum(shares) - sum(value**2 for value in shares))) == 0
    family = theory.Categorical([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)])
    assert family.v == total.subs(dict(zip(shares, [*map(Rational, ("1/2", "1/3", "1/6")), 0], strict=True)))
    assert family.v2 == -1


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_gaussian_covariance_with_divisor_n(size):
    """E Sigma' = Sigma (1 - 1/n) for samples of any law with two moments; unbiased: E Sigma' = Sigma."""
    squares = expected_squares(size, [Rational(1, size)] * size, Integer(1))
    assert squares["within"] == 1 - Rational(1, size)
    if size > 1:
        assert squares["within"] * size / (size - 1) == 1
        assert theory.Gaussian(unbiased=True).v2 == 0
    assert theory.Gaussian().v2 == -1


def test_second_moment_is_conserved_for_any_weights():
    """Fitted variance plus squared deviation of the fitted mean: E = Sigma for any weights that sum to one (R10)."""
    first, second = symbols("w1 w2", positive=True)
    squares = expected_squares(3, [first, second, 1 - first - second], Dummy("Sigma", positive=True))
    assert squares["within"] != 0
    assert simplify(squares["within"] + squares["mean"] - squares["sigma"]) == 0


def expected_squares(size: int, weights: list[Expr], sigma: Expr) -> dict[str, Expr]:
    """E of the weighted variance about the weighted mean, and of that mean's square: x_i independent, E x_i x_j = 0."""
    points = symbols(f"x0:{size}")
    center = sum(weight * point for weight, point in zip(weights, points, strict=True))

    def expectation(expression: Expr) -> Expr:
        polynomial = expand(expression).as_poly(*points)
        return sum(
            value * sigma ** (sum(powers) // 2)
            for powers, value in polynomial.terms()
            if all(power % 2 == 0 for power in powers)
        )

    within = sum(weight * (point - center) ** 2 for weight, point in zip(weights, points, strict=True))
    return {"within": simplify(expectation(within)), "mean": simplify(expectation(center**2)), "sigma": sigma}


# --- mutations ---------------------------------------------------------------------------------------------------

OFF = Dummy("off")  # 11/10: the factor on one term
TENTH = Fraction(11, 10)
WORKFLOWS = {
    "replace": theory.Replace(3, real=5),
    "fixed real": theory.FixedReal(4, 3),
    "fresh real": theory.FreshReal(3, 2, weight=Fraction(2, 3)),
    "accumulate": theory.Accumulate(4, 3),
    "accumulate-subsample": theory.AccumulateSubsample(4, 3, 2),
    "accumulate-subsample/bootstrap": theory.AccumulateSubsample(4, 3, 2, replacement=True),
}


def law_of(workflow) -> Law:
    return law(type(workflow), getattr(workflow, "replacement", False))


def places(expression: Expr, path: tuple[int, ...] = ()):
    """Every additive term: the whole expression, and each argument of each sum inside it, denominators too."""
    if not path:
        yield path, expression
    for index, argument in enumerate(expression.args):
        if isinstance(expression, Add):
            yield (*path, index), argument
        yield from places(argument, (*path, index))


def mutated(expression: Expr, path: tuple[int, ...]) -> Expr:
    """The expression with one term multiplied by OFF; a zero, which no factor moves, becomes OFF - 1."""
    if not path:
        return expression * OFF if expression != 0 else (OFF - 1) * V
    arguments = list(expression.args)
    arguments[path[0]] = mutated(arguments[path[0]], path[1:])
    return expression.func(*arguments)


def short(expression: Expr) -> str:
    """Enough of an expression to know it by."""
    text = str(expression).replace(" ", "")
    return text if len(text) <= 28 else f"{text[:25]}..."


def inside(expression: Expr, path: tuple[int, ...]) -> Expr:
    """The sum that the term at the end of the path is a term of."""
    for index in path[:-1]:
        expression = expression.args[index]
    return expression


def every_mutation():
    for name, workflow in WORKFLOWS.items():
        one = law_of(workflow)
        for part in ("start", "step", "error"):
            expressions = getattr(one, part)
            for index, whole in enumerate(expressions if isinstance(expressions, tuple) else (expressions,)):
                for number, (path, term) in enumerate(places(whole)):
                    letter = one.state[index] if part != "error" else "T"
                    label = f"{name}-{part}-{letter}-{number}-{short(term)}-in-{short(inside(whole, path))}"
                    yield pytest.param(name, part, index, path, id=label)


def mutant(one: Law, part: str, index: int, path: tuple[int, ...]) -> Law:
    if part == "error":
        return replace(one, error=mutated(one.error, path))
    expressions = list(getattr(one, part))
    expressions[index] = mutated(expressions[index], path)
    return replace(one, **{part: tuple(expressions)})


@cache
def enumerated(name: str) -> tuple[list[Fraction], list[Fraction]]:
    """Errors over V of three tokens and of a Binomial(3), by enumeration."""
    both = (TOKENS, TRIALS)
    return tuple(
        [each.error / family.variance for each in enumeration.generations(family, WORKFLOWS[name], 4)]
        for family in both
    )


def caught(name: str, one: Law, factor: Fraction) -> bool:
    """Whether enumeration tells the law, with this factor on its marked term, from the truth."""
    workflow = WORKFLOWS[name]
    try:
        found = [iterated(workflow, curved, 4, one, {OFF: factor}) for curved in (-1, Fraction(-1, 3))]
    except ZeroDivisionError:
        return True
    return tuple(found) != enumerated(name)


@pytest.mark.parametrize(("name", "part", "index", "path"), list(every_mutation()))
def test_a_tenth_more_of_any_term_is_caught(name, part, index, path):
    """Each additive term of each law is held by enumeration: a tenth more of it is seen, and nothing less."""
    wrong = mutant(law_of(WORKFLOWS[name]), part, index, path)
    assert not caught(name, wrong, Fraction(1))
    assert caught(name, wrong, TENTH)


def test_a_schedule_has_no_law():
    """What has no one-step law says so."""
    with pytest.raises(ValueError, match="algebra"):
        law(theory.Schedule)
