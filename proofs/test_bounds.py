"""The L1 drift beside a fixed real set: the bound holds, and comes near."""

from fractions import Fraction

import pytest

from modelcollapse import theory
from modelcollapse.proofs import enumeration


@pytest.mark.parametrize(
    "shares", [(Fraction(1, 2),) * 2, (Fraction(1, 8), Fraction(7, 8)), (Fraction(1, 3),) * 3], ids=str
)
@pytest.mark.parametrize(("real", "synthetic"), [(4, 4), (2, 5), (5, 2)])
def test_l1_drift_is_bounded(shares, real, synthetic):
    """E |p_m - p_1|_1 by enumeration of all paths: at most the bound, over a third of it once the chain moves."""
    workflow, family = theory.FixedReal(real, synthetic), theory.Categorical([float(each) for each in shares])
    law = enumeration.joint(enumeration.categorical(shares), workflow, 3)
    for when in (1, 2, 3):
        drift = sum(
            chance * sum(abs(a - b) for a, b in zip(path[when - 1], path[0], strict=True))
            for path, chance in law.items()
        )
        bound = theory.l1_drift_upper_bound(family, workflow, when)
        assert float(drift) <= bound + 1e-15
        assert when == 1 or float(drift) > bound / 3
