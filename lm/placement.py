"""Where arrays lie: weights on every device, the rows of a batch shared out among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec


@dataclass(frozen=True)
class Placement:
    """The devices of this process that compute one batch together, each its share of the rows.

    Everything that is compiled gets its arguments through here: a restored array and a fresh one then lie alike,
    and nothing is compiled twice.
    """

    mesh: Mesh

    def everywhere(self, tree: Any) -> Any:
        """The same values on every device."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    def rows(self, array: Any, axis: int = 0) -> jax.Array:
        """The array with this axis cut into one part for each device."""
        return jax.device_put(array, NamedSharding(self.mesh, PartitionSpec(*[None] * axis, "rows")))


@cache
def placement(rows: int) -> Placement:
    """All devices of this process where their number divides the rows of a batch, else the first one.

    >>> placement(32).mesh.size in (1, len(jax.local_devices()))
    True
    """
    devices = jax.local_devices()
    return Placement(Mesh(devices if rows % len(devices) == 0 else devices[:1], ("rows",)))
