r"""Selection: what stands between a model and the data that the next one is trained on.

Steps are frozen records, done in their order to everything that a model writes; real data is left as it is. Temperature and top-p
change the law from which each token is drawn. A verifier and curation choose among whole samples: a token of a `Categorical`, a
point, a window of a `Bigram`. So on a categorical law p all four are maps of p:

================  =====================================================================================
`Temperature` T   :math:`p_i^{1/T} / \sum_j p_j^{1/T}`
`TopP` q          the likeliest tokens whose probabilities first add up to q, others gone
`Verifier`        :math:`p_i a_i / \sum_j p_j a_j`, with :math:`a_i` the chance that token i is kept
`Curation` K      :math:`K p_i E[w_i / (w_i + W_{K-1})]`, with :math:`w = e^r` and W the sum over K - 1 others
================  =====================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from . import arguments as arg


@dataclass(frozen=True)
class Temperature:
    r"""Sampling at a ``temperature`` T > 0: probabilities to the power 1/T, normalised; below 1 the likely gets likelier.

    `Gaussian`: the covariance times T. `GaussianMixture`: the weights to the power 1/T and the covariances times T.
    `LogisticRegression`: the logit over T. `Zipf` and `Bigram`: of the next token.
    """

    temperature: Any

    def __post_init__(self) -> None:
        arg.positive(
            "Temperature", "temperature", self.temperature, "temperature of the sampler; 1 leaves the model as it is"
        )


@dataclass(frozen=True)
class TopP:
    """Nucleus sampling: the likeliest next tokens whose probabilities first add up to ``mass``; of equals the first."""

    mass: Any

    def __post_init__(self) -> None:
        arg.probability("TopP", "mass", self.mass, "probability that is kept")
        if not arg.is_traced(self.mass) and np.any(np.asarray(self.mass) <= 0):
            raise arg.refuse("TopP", "mass", self.mass, "probability that is kept, above 0")


@dataclass(frozen=True, eq=False)
class Verifier:
    r"""A right sample is kept with one chance and a wrong one with another; what is not kept is drawn again.

    ``keep_right`` > 0, ``keep_wrong``: those chances. ``right`` (V,): of a `Categorical` or `Zipf`, which tokens are right, the
    others being wrong. In a `LogisticRegression` a label is right where the truth finds it the likelier one; a window of a
    `Bigram` where the truth knows all its pairs. Where all that is drawn is wrong and a wrong sample never kept, it is not
    verified: the limit of ever fewer. Source: Feng2025.
    """

    keep_right: Any
    keep_wrong: Any
    right: Any = None

    def __post_init__(self) -> None:
        arg.probability("Verifier", "keep_right", self.keep_right, "chance that a right sample is kept")
        arg.probability("Verifier", "keep_wrong", self.keep_wrong, "chance that a wrong sample is kept")
        if not arg.is_traced(self.keep_right) and np.any(np.asarray(self.keep_right) <= 0):
            raise arg.refuse("Verifier", "keep_right", self.keep_right, "chance that a right sample is kept, above 0")
        if self.right is not None and not arg.is_traced(self.right):
            right = np.asarray(self.right)
            if right.dtype != bool or right.ndim != 1 or not right.any():
                raise arg.refuse(
                    "Verifier", "right", self.right, "which tokens are right: True or False for each, one True"
                )
            object.__setattr__(self, "right", right)


@dataclass(frozen=True, eq=False)
class Curation:
    r"""Of ``choices`` samples one is kept, each with a chance in proportion to :math:`e^{r}` (Bradley and Terry's, Plackett's).

    ``reward``: r of each token (V,) of a `Categorical`; of a `Zipf`, of the first tokens, of later ones 0; of each token of a
    `Bigram`, added up over a window; :math:`r = x \cdot a` with a (d,) in a `GaussianMixture`; of the label 1 in a
    `LogisticRegression`. ``choices``: 2 or more, of a `Categorical` as many as you like, also ``math.inf``: :math:`p_i e^{r_i}`,
    normalised. In other families all of them are drawn, up to 10,000.
    Source: Ferbach2024.
    """

    reward: Any
    choices: Any = 2

    def __post_init__(self) -> None:
        if not arg.is_traced(self.reward):
            object.__setattr__(
                self, "reward", arg.numbers("Curation", "reward", self.reward, "rewards, finite numbers")
            )
        if not arg.is_traced(self.choices) and self.choices != math.inf:
            object.__setattr__(self, "choices", arg.size("Curation", "choices", self.choices, least=2))


Step = Temperature | TopP | Verifier | Curation
STEPS = get_args(Step)
