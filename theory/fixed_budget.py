r"""A training set of one size: how much of it samples of the model before may be, instead of new real ones.

Beside N new real samples any number of synthetic ones helps. It is another matter where they take their place: of M samples a
share :math:`\alpha` then costs about :math:`\alpha^2` of the error, little while it is small and all there is at one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Expr, Max, cancel, factor, simplify, solve, sqrt

from . import arguments as arg
from . import family as families
from .derivation import POOLED, derive_affine
from .family import Family
from .lower import evaluate
from .solve import Step, Unsolved
from .symbols import M, N, V, alpha, eps, k, n, v2
from .traced import inside, or_nan
from .workflow import FreshReal


def replaceable_share(f: Family, train: Any, tolerance: Any = 0.1) -> Any:
    r"""The largest synthetic share of training sets of one size whose error stays within a tolerance of real samples alone.

    .. math:: \alpha^2 + \frac{v_2}M \alpha = \frac\varepsilon{1+\varepsilon}, \qquad
              \text{so } \alpha \to \sqrt{\varepsilon/(1+\varepsilon)} \text{ for many samples}

    ``train``: M, the samples of a generation, :math:`(1-\alpha) M` of them real and new in each, the others of the model before.
    ``tolerance``: by which share the error may in the long run exceed V/M, that of M new real samples. At most 1.

    Raises InputError for a number of samples below 1 and a tolerance that is not above 0. Source: derived.

    >>> from modelcollapse import theory
    >>> f = theory.Poisson(1.0)
    >>> [round(theory.replaceable_share(f, 10**6, tolerance), 3) for tolerance in (0.01, 0.1, 1 / 3)]
    [0.1, 0.302, 0.5]
    >>> round(theory.gain_limit(f, theory.FreshReal(real=500, synthetic=500)) * 1000 / 500, 9)  # half of 1000: 4/3 of V/1000
    1.333333333
    """
    owner = "replaceable_share"
    families.check(owner, f)
    count = arg.size(owner, "train", train)
    arg.positive(owner, "tolerance", tolerance, "the share by which the error may exceed that of real samples alone")
    from .errors import FRESH_REAL

    FRESH_REAL.require(owner, f, FreshReal(1, 1))
    found = evaluate(_stable(), {M: count, v2: f.v2, eps: tolerance})
    xp = arg.namespace(found)
    found = arg.scalar(or_nan(xp.minimum(found, 1.0), f))
    return inside(found, (count, 1, np.inf), (tolerance, 5e-324, np.inf))


def _settled() -> Expr:
    """The limit of the error over V/M, with N = (1 - alpha) M and n = alpha M."""
    limit = derive_affine(FreshReal, POOLED)().limit.doit()
    return factor(cancel(limit.subs({N: (1 - alpha) * M, n: alpha * M}) * M / V))


def _stable() -> Expr:
    """The root above 0, written so that it does not cancel for either sign of v2."""
    half, room = v2 / (2 * M), eps / (1 + eps)
    root = sqrt(half**2 + room)
    return 2 * Max(-half, 0) + room / (root + Max(half, -half))


def prove_fixed_budget() -> tuple[Step, ...]:
    """The limit of fresh real data in training sets of one size, and the share at which a tolerance is used up."""
    settled = _settled()
    inverse = cancel(1 / settled)
    quadratic = factor(1 - inverse)
    wanted = simplify(quadratic - alpha**2 - v2 * alpha / M)
    room = eps / (1 + eps)
    roots = solve(alpha**2 + k * alpha - room, alpha)
    plain = -v2 / (2 * M) + sqrt((v2 / (2 * M)) ** 2 + room)
    if wanted != 0 or all(simplify(each.subs(k, v2 / M) - plain) != 0 for each in roots):
        raise Unsolved(f"a training set of one size: {wanted}, {roots}")
    return (
        Step(
            "In training sets of M samples, a share alpha of them synthetic, the error over V/M",
            settled,
            "M T(oo)/V = ",
        ),
        Step("of which the inverse is less than 1 by", quadratic, "1 - V/(M T) = "),
        Step("so that a tolerance is used up at the share", plain, "alpha = "),
        Step("and for many samples at", sqrt(room), "alpha -> "),
    )
