"""What papers print stands beside the exact form: bounds bound it, ratios in letters give the ratios in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import nsimplify

from modelcollapse import theory
from modelcollapse.theory.ledger import FORMS
from modelcollapse.theory.printed import Printed, Setting
from modelcollapse.theory.symbols import s

EVERY = [pytest.param(each, id=f"{one.name}: {each.source}") for one in FORMS for each in one.printed]
HOLDS = {"=": lambda ratio: ratio != 1, ">=": lambda ratio: ratio > 1, "<=": lambda ratio: ratio < 1}


@pytest.mark.parametrize("printed", EVERY)
def test_each_printed_form_is_compared_at_several_settings_and_is_what_it_says(printed: Printed) -> None:
    assert len(printed.compared) >= 2
    for each in printed.compared:
        assert np.isfinite(each.printed) and each.exact > 0
        assert HOLDS[printed.relation](each.ratio), each


@pytest.mark.parametrize("printed", [each for each in EVERY if each.values[0].exact is not None])
def test_the_exact_form_in_letters_is_the_one_that_is_computed(printed: Printed) -> None:
    assert printed.exact is not None
    for each in printed.compared:
        assert float(printed.exact().subs(each.setting.values).evalf()) == pytest.approx(each.exact, rel=1e-11), each
        if printed.ratio is not None:
            assert float(printed.ratio.subs(each.setting.values).evalf()) == pytest.approx(each.ratio, rel=1e-11), each


def test_ratios_are_known_by_hand() -> None:
    found = {one.name: [[each.ratio for each in printed.compared] for printed in one.printed] for one in FORMS}
    pool = found["accumulate"][0]
    assert pool[0] == pytest.approx(np.pi**2 / 6, rel=1e-12)  # one sample a batch: all is lost, the error is V
    assert pool[1] == pytest.approx(
        np.pi**2 / 6 / 10 / (1 - np.sqrt(10) * np.sin(np.pi / np.sqrt(10)) / np.pi), rel=1e-12
    )
    assert found["regression-one-design"][0][0] == pytest.approx(np.pi**2 / 6 / 1.25, rel=1e-12)  # 1 + 1/4
    assert found["total-collapse/time"][1][0] == pytest.approx(
        (1 + 20 * 19 * 0.7398) / 32.481, rel=1e-4
    )  # simulated: 32.44 +- 0.10


@pytest.mark.parametrize("printed", EVERY)
def test_the_letters_that_are_shown_give_the_number_that_is_shown(printed: Printed) -> None:
    for each in printed.as_record()["compared"]:
        letters = {letter: nsimplify(each["letters"][str(letter)]) for letter in printed.formula.free_symbols}
        assert float(printed.formula.subs(letters).evalf()) == pytest.approx(each["printed"], rel=1e-12)
        assert each["ratio"] == pytest.approx(each["printed"] / each["exact"], rel=1e-15)


def test_tokens_that_the_truth_lacks_are_not_counted() -> None:
    family = theory.Categorical([0.5, 0.3, 0.2, 0.0])
    assert Setting(family, theory.Replace(9)).values[s] == 3


@given(
    shares=st.lists(st.integers(1, 30), min_size=2, max_size=6),
    size=st.integers(2, 60),
    real=st.integers(2, 60),
    generation=st.integers(2, 80),
)
@settings(max_examples=30, deadline=None)
def test_bounds_hold_wherever_they_are_put(shares: list[int], size: int, real: int, generation: int) -> None:
    family = theory.Categorical(np.array(shares) / sum(shares))
    places: dict[str, Setting] = {
        "total-collapse/probability": Setting(family, theory.Replace(size), generation),
        "total-collapse/time": Setting(family, theory.Replace(size)),
        "l1-distance/drift-upper-bound": Setting(family, theory.FixedReal(real, size), generation),
        "accumulate": Setting(family, theory.Accumulate(size, size)),
    }
    for one in FORMS:
        for printed in one.printed if one.name in places else ():
            at = places[one.name]
            assert printed.value is not None
            bound = float(printed.formula.subs(at.values).evalf())
            exact: Any = printed.value(at.family, at.workflow, at.generation)
            below = bound <= exact * (1 + 1e-9) if printed.relation == "<=" else bound >= exact * (1 - 1e-9)
            assert below, (one.name, printed.source, bound, exact)
