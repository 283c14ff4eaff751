r"""A verifier as the mean of a model feels it: kept samples lie nearer to what the verifier takes for true.

A sample of the last model, kept by a Gaussian chance of its distance from the verifier's centre, has the mean
:math:`(1-a)\theta_{m-1} + a c` and the variance :math:`(1-a) V` (proved at `theory.stopping`). Since the last model is known,
:math:`(y - (1-a)\theta_{m-1})/a` is a sample of a `Source` at the centre c, with the noise :math:`(1-a)/a^2`: what a verifier
knows is worth no more than that of a source, and its samples are noisier the less it demands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import arguments as arg
from .lower import evaluate
from .source import Source, squared_bias, worths
from .symbols import B, V


@dataclass(frozen=True)
class Correction:
    r"""A verifier of points: ``contraction`` a, ``worth`` B of its centre in real samples, ``keep`` the share that it keeps.

    ``contraction``: share by which the mean of kept samples lies nearer to the verifier's centre, above 0 and at most 1.
    ``worth``: variance of a real sample over the squared distance of the centre from the truth; inf without bias.
    ``noise``: variance of a kept sample over that of a real one; None: 1 - a, of a Gaussian chance.
    """

    contraction: Any
    worth: Any
    keep: Any = 1.0
    noise: Any = None

    def __post_init__(self) -> None:
        for name, meaning in (("contraction", "the share by which kept samples lie nearer to the centre"),
                              ("keep", "the share of samples that is kept")):  # fmt: skip
            arg.probability("Correction", name, getattr(self, name), meaning)
            if not arg.is_traced(getattr(self, name)) and np.any(np.asarray(getattr(self, name)) == 0):
                raise arg.refuse("Correction", name, getattr(self, name), f"{meaning}, above 0 and at most 1")
        worths("Correction", "worth", self.worth)
        if self.noise is None:
            object.__setattr__(self, "noise", 1 - self.contraction)
        elif not arg.is_traced(self.noise) and np.any(
            arg.numbers("Correction", "noise", self.noise, "variance of a kept sample over that of a real one") < 0
        ):
            raise arg.refuse("Correction", "noise", self.noise, "variance of a kept sample over that of a real one")

    @property
    def as_source(self) -> Source:
        """The source whose samples tell as much: of the same worth, and of the noise of a kept sample over a^2.

        >>> from modelcollapse import theory
        >>> theory.Correction(0.5, worth=40.0).as_source
        Source(worth=40.0, noise=2.0)
        """
        return Source(self.worth, np.maximum(self.noise / self.contraction**2, np.finfo(float).tiny).item())


def bias_over_v(worth: Any) -> Any:
    """Squared distance of a centre from the truth, over V, of a centre of this worth."""
    return evaluate(squared_bias(B) / V, {B: worth})
