"""Schedules that no workflow class can write, by hand and drawn at random: mixtures, windows, weights, subsamples."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from modelcollapse import theory

HALF, THIRD, QUARTER = Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)

ODD = {
    "random past: each batch from a mixture of all models so far": theory.Schedule(
        size=[3, 3, 3],
        source=[[1, 0, 0, 0], [HALF, HALF, 0, 0], [THIRD, THIRD, THIRD, 0]],
        weight=[[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ),
    "window: the two newest batches, unequal sizes": theory.Schedule(
        size=[2, 3, 4, 2],
        source=[[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]],
        weight=[[1, 0, 0, 0], [THIRD, 1 - THIRD, 0, 0], [0, HALF, HALF, 0], [0, 0, QUARTER, 1 - QUARTER]],
    ),
    "an old mixed batch comes back, and real data late": theory.Schedule(
        size=[2, 2, 3, 1],
        source=[[1, 0, 0, 0], [QUARTER, 1 - QUARTER, 0, 0], [0, HALF, HALF, 0], [1, 0, 0, 0]],
        weight=[[1, 0, 0, 0], [0, 1, 0, 0], [0, QUARTER, HALF, QUARTER]],
    ),
    "a subsample of mixed batches": theory.Schedule(
        size=[2, 2, 3],
        source=[[1, 0, 0, 0], [THIRD, 1 - THIRD, 0, 0], [0, HALF, HALF, 0]],
        weight=[[1, 0, 0], [HALF, HALF, 0], [0, Fraction(2, 5), Fraction(3, 5)]],
        train=[1, 3, 2],
    ),
    "a bootstrap of mixed batches": theory.Schedule(
        size=[2, 2, 3],
        source=[[1, 0, 0, 0], [THIRD, 1 - THIRD, 0, 0], [0, HALF, HALF, 0]],
        weight=[[1, 0, 0], [HALF, HALF, 0], [0, Fraction(2, 5), Fraction(3, 5)]],
        train=[3, 2, 2],
        replacement=True,
    ),
}


@st.composite
def schedules(draw) -> theory.Schedule:
    """Up to three generations of up to four batches; shares and weights of small denominators."""
    last = draw(st.integers(1, 3))
    batches = draw(st.integers(1, 4))
    newest = [0, *(draw(st.integers(0, last - 1)) for _ in range(batches - 1))]
    size = [draw(st.integers(1, 3)) for _ in newest]
    source = [_shares([draw(st.integers(0, 2)) for _ in range(new)] + [1] + [0] * (last - new)) for new in newest]
    usable = [[batch for batch, new in enumerate(newest) if new < model] for model in range(1, last + 1)]
    if draw(st.booleans()):
        weight = [_row(batches, {batch: draw(st.integers(1, 3)) for batch in _some(draw, each)}) for each in usable]
        return theory.Schedule(size, source, weight)
    used = [_some(draw, each) for each in usable]
    replacement = draw(st.booleans())
    most = [3 if replacement else sum(size[batch] for batch in each) for each in used]
    train = [draw(st.integers(1, each)) for each in most]
    weight = [_row(batches, {batch: size[batch] for batch in each}) for each in used]
    return theory.Schedule(size, source, weight, train, replacement)


def _some(draw, usable: list[int]) -> list[int]:
    return draw(st.lists(st.sampled_from(usable), min_size=1, unique=True))


def _row(batches: int, parts: dict[int, int]) -> list[Fraction]:
    return _shares([parts.get(batch, 0) for batch in range(batches)])


def _shares(parts: list[int]) -> list[Fraction]:
    return [Fraction(part, sum(parts)) for part in parts]
