"""Independent observations of what is no chain of generations: a trial repeated, at several settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcollapse.theory import arguments as arg


@dataclass(frozen=True, eq=False)
class Replicates:
    """``values`` (replicate, setting) of one observable: what `agree` judges as it judges the generations of a run.

    A vector of values is one setting. Raises InputError for an array of another shape.

    >>> from modelcollapse import simulate
    >>> tossed = Replicates("heads", np.random.default_rng(0).random((10_000, 2)) < [0.5, 0.2])
    >>> simulate.agree(tossed, {"heads": [0.5, 0.2]}).passed
    True
    """

    observable: str
    values: Any

    def __post_init__(self) -> None:
        values = np.asarray(self.values, float)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2:
            raise arg.refuse("Replicates", "values", f"shape {values.shape}", "a row for each replicate")
        object.__setattr__(self, "values", values)

    @property
    def chains(self) -> int:
        """Number of replicates."""
        return len(self.values)

    @property
    def generations(self) -> int:
        """Number of settings."""
        return self.values.shape[1]

    @property
    def observables(self) -> dict[str, Any]:
        """The one observable, by name."""
        return {self.observable: self.values}
