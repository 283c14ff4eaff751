"""First floor: simulated chains of models trained on each other's samples, and the judge of predictions about them.

>>> import jax
>>> from modelcollapse import simulate, theory
>>> f, w = theory.Poisson(3.0), theory.Replace(synthetic=10)
>>> simulate.chains(f, w, generations=4, chains=100, key=jax.random.key(0)).error.shape
(100, 4)
"""

from .agree import Agreement, Row, agree
from .chains import chains, point_chains
from .observe import observe
from .replicates import Replicates
from .shards import merge
from .sweep import sweep
from .tails import judged
from .trajectory import Trajectory

__all__ = [
    "Agreement",
    "Replicates",
    "Row",
    "Trajectory",
    "agree",
    "chains",
    "judged",
    "merge",
    "observe",
    "point_chains",
    "sweep",
]
