"""Assumptions that many theorems share: what is evaluated before a number is returned, and what to use where it fails."""

from __future__ import annotations

from typing import Any

import numpy as np

from .family import Categorical, Family, Gaussian, KernelDensity, LinearRegression
from .stable import ROOM
from .theorem import Assumption, concrete
from .workflow import Replace, Workflow


def _sizes(workflow: Workflow) -> list[Any]:
    """Every size of a Replace; of another workflow nothing to object to."""
    if not isinstance(workflow, Replace):
        return []
    return workflow.sizes(len(workflow.synthetic) + 1 if isinstance(workflow.synthetic, tuple) else 2)


def always(_family: Family, _workflow: Workflow) -> bool:
    """For assumptions about the data, which no number can check."""
    return True


SAMPLES = Assumption("the samples of a generation are independent draws of its model, at temperature 1", always, "")
MATCHED = Assumption(
    "the model matches the mean of its training data (maximum likelihood; no smoothing, no early stop)", always, ""
)
QUADRATIC = Assumption(
    "the model is a mean, of a statistic whose variance is quadratic in it",
    lambda family, _: not isinstance(family, (LinearRegression, KernelDensity)),
    "not known for LinearRegression and KernelDensity: ask for their error, diversity, gain or gain_limit",
)
POOLED_SECOND_MOMENT = Assumption(
    "a Gaussian covariance has divisor n unless the workflow is Replace",
    lambda family, workflow: not (isinstance(family, Gaussian) and family.unbiased) or isinstance(workflow, Replace),
    "use Gaussian(unbiased=False), or Replace",
)
TWO_SAMPLES = Assumption(
    "an unbiased variance needs two samples",
    lambda family, workflow: (
        not (isinstance(family, Gaussian) and family.unbiased)
        or all(map(concrete(lambda size: np.all(size >= 2)), _sizes(workflow)))
    ),
    "use sizes of at least 2, or unbiased=False",
)
GENTLE = Assumption(
    f"v2 is at most {ROOM} times the number of synthetic samples",
    lambda family, workflow: concrete(lambda each: np.all(each <= ROOM))(family.v2 / workflow.synthetic),
    "use more synthetic samples, or a Schedule (computed by the algebra)",
)
CATEGORICAL = Assumption(
    "the family is Categorical", lambda family, _: isinstance(family, Categorical), "other families have no tokens"
)
KNOWN_TRUTH = Assumption(
    "the truth is known (no corpus of which there are counts alone)",
    lambda family, _: getattr(family, "counts", None) is None,
    "use Categorical(p) instead of from_counts",
)
NO_NEW = Assumption("no token is given probability without having been seen (no smoothing)", always, "")
CONSERVED = Assumption(
    "the variance function is v(theta) = v(0) - theta^2 up to linear terms (v2 = -1)",
    lambda family, workflow: isinstance(family.v2, int) and family.v2 == -1,
    "the exact recursion answers for other families",
)
TWO_REAL = Assumption(
    "there are at least two real samples to subsample",
    lambda family, workflow: workflow.replacement or concrete(lambda each: np.all(each >= 2))(workflow.real),
    "use Accumulate for a single real sample, or draw with replacement",
)
ONE_SIZE = Assumption(
    "all generations after the first have one size",
    lambda _, workflow: not isinstance(getattr(workflow, "synthetic", None), tuple | list),
    "with a tuple of sizes theorems of their own hold",
)
SIZES = Assumption(
    "the sizes of the generations are given one by one, as a tuple",
    lambda _, workflow: isinstance(getattr(workflow, "synthetic", None), tuple | list),
    "with one size for all generations theorems of their own hold",
)
POOLED_WEIGHT = Assumption(
    "the real samples have no weight but their number",
    lambda _, workflow: getattr(workflow, "weight", None) is None,
    "with a weight theorems of their own hold",
)
OWN_WEIGHT = Assumption(
    "the real samples have a weight of their own",
    lambda _, workflow: getattr(workflow, "weight", None) is not None,
    "without one theorems of their own hold",
)
NO_REPLACEMENT = Assumption(
    "the subsample is drawn without replacement",
    lambda _, workflow: not getattr(workflow, "replacement", False),
    "with replacement theorems of their own hold",
)
WITH_REPLACEMENT = Assumption(
    "the subsample is drawn with replacement",
    lambda _, workflow: getattr(workflow, "replacement", False),
    "without replacement theorems of their own hold",
)
COMMON = (SAMPLES, MATCHED, QUADRATIC, POOLED_SECOND_MOMENT)


def under(*kinds: type) -> Assumption:
    """The workflow is one of these.

    >>> under(Replace).text
    'the workflow is Replace'
    """
    *some, last = (kind.__name__ for kind in kinds)
    names = f"{', '.join(some)} or {last}" if some else last
    return Assumption(f"the workflow is {names}", lambda _, workflow: isinstance(workflow, kinds), "")


ANY = "every family with a quadratic variance function"
