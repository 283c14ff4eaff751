r"""No free lunch: samples of a model fitted on the real data alone add noise, and nothing else.

Let D be the real data and S samples of a model fitted on D. For any estimate T(D, S) the mean over S, :math:`E[T|D]`, is an
estimate from D alone, and

.. math:: E\|T - \theta\|^2 = E\|E[T|D] - \theta\|^2 + E \operatorname{Var}(T|D).

So whatever own samples are good for can be had without them, and better. Where they help they repair an estimate that was not
the best one for D (as `self_distillation` does), or somebody has chosen among them who knows more than D.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sympy import Expr, expand, simplify

from . import alleles
from . import arguments as arg
from .assumption import ANY, MATCHED, QUADRATIC, SAMPLES, always
from .family import Binomial
from .law import spread
from .solve import Step, Unsolved
from .symbols import N, Nt, Q, V, a, alpha, n, o, x1
from .teacher import student
from .theorem import Assumption, Derived, Evidence, Theorem


class RaoBlackwell(NamedTuple):
    """Squared error of an estimate that uses own samples, of its mean over them, and the ``noise`` between the two."""

    error: float
    without: float
    noise: float


def rao_blackwell(f: Binomial, estimate: Any) -> RaoBlackwell:
    r"""What own samples add to any estimate of a chance p, exactly: :math:`E(T-p)^2`, the same of :math:`E[T|D]`, and noise.

    ``f``: one draw of the truth, its ``trials`` N counted as N real samples of a yes or no. ``estimate`` (N+1, n+1): T for each
    number of yes among the real samples, and among n samples of the model that was fitted on them.

    The three numbers are summed over all outcomes each by itself; that the first is the sum of the others is the theorem.

    Raises InputError for another family or shape. Source: Rao1945, Blackwell1947.

    >>> import numpy as np
    >>> from modelcollapse import theory
    >>> real, own = np.meshgrid([0.0, 1.0], [0.0, 0.5, 1.0], indexing="ij")  # one real sample says all; two of its own repeat it
    >>> theory.rao_blackwell(theory.Binomial(1, 0.5), (real + own) / 2)
    RaoBlackwell(error=0.25, without=0.25, noise=0.0)
    """
    owner = "rao_blackwell"
    if not isinstance(f, Binomial):
        raise arg.refuse(owner, "f", f, "a Binomial(trials, p): trials real samples of a yes or no")
    arg.static(owner, f=f)
    if np.ndim(f.trials) or np.ndim(f.p):
        raise arg.refuse(owner, "f", f, "one number of trials, and one chance")
    wanted = "the estimate for each pair of counts, shape (trials + 1, n + 1)"
    table = arg.numbers(owner, "estimate", estimate, wanted)
    if table.ndim != 2 or table.shape[0] != f.trials + 1 or table.shape[1] < 2:
        raise arg.refuse(owner, "estimate", f"shape {table.shape}", wanted)
    chance = alleles.binomial(f.trials, np.asarray(float(f.p)))
    given = alleles.binomial(table.shape[1] - 1, np.arange(f.trials + 1) / f.trials)
    mean = (given * table).sum(axis=1)
    error = chance @ (given * (table - f.p) ** 2).sum(axis=1)
    noise = chance @ (given * (table - mean[:, None]) ** 2).sum(axis=1)
    return RaoBlackwell(float(error), float(chance @ (mean - f.p) ** 2), float(noise))


def own_noise() -> Expr:
    """The noise of n own samples in a mean in which they have the weight alpha."""
    return alpha**2 * spread(V / N) / n


def _derive() -> Derived:
    return Derived(own_noise())


def _prove() -> tuple[Step, ...]:
    # given D: x1 = E T and Q = E T^2 of any law; a the truth
    error, without, noise = Q - 2 * a * x1 + a**2, (x1 - a) ** 2, Q - x1**2
    identity = expand(error - without - noise)
    own = student().subs({o: N, Nt: N}) - V / N - own_noise().subs(alpha, n / (N + n))
    if identity != 0 or simplify(own) != 0:
        raise Unsolved(f"no free lunch: {identity}, {own}")
    return (
        Step(
            "Given the real data D, with the first two moments x_1 and Q of T over S, and the truth a",
            error,
            "E[(T-a)^2|D] = ",
        ),
        Step("The mean of T over S", without, "(E[T|D] - a)^2 = "),
        Step("Variance of T over S", noise, "Var(T|D) = "),
        Step(
            "An identity for any T and any law of S; in each coordinate, and in the mean over D", identity, "residual: "
        ),
        Step("By Jensen's inequality E[T|D] has no larger risk for any convex loss"),
        Step(
            "The mean of N real and n own samples: E[T|D] is the real mean, and the noise", own_noise(), "E Var(T|D) = "
        ),
        Step("Error of the self teacher's student less V/N and that noise", simplify(own), "residual: "),
    )


ALONE = Assumption(
    "the model that wrote the samples has seen the student's real data alone, and nobody chose among them", always, ""
)
NO_FREE_LUNCH = Theorem(
    "no-free-lunch",
    "Samples S of a model fitted on the real data D alone never help the best estimate: any T(D, S) has the squared error of its "
    "mean E[T|D], an estimate from D, plus the noise E Var(T|D); and for every convex risk at least that of E[T|D].",
    "rao_blackwell",
    ANY,
    "one round: real samples D and samples S of a model fitted on D",
    Evidence.IDENTITY,
    (ALONE, SAMPLES, MATCHED, QUADRATIC),
    ("Rao1945", "Blackwell1947", "derived"),
    _derive,
    _prove,
    needs="an estimate made of real samples and of samples of the model fitted on them",
)
