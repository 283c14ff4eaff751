"""Every theorem's derivation runs; it raises where a step does not hold."""

import pytest

from modelcollapse import theory
from modelcollapse.theory.ledger import FORMS


@pytest.mark.parametrize("theorem", FORMS, ids=lambda each: each.name)
def test_derivation(theorem):
    """From the one-step law to the result, each step checked as it is made."""
    steps = theorem.derivation
    assert all(step.title for step in steps)
    assert steps or theorem.evidence is theory.Evidence.RECURSION
    if theorem.derive is not None:
        assert theorem.derived.expression.free_symbols
