"""What papers print, beside the exact form: the formula, the number it gives, and their ratio, all from the same expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from sympy import Expr, cancel, simplify

from . import workflow as workflows
from .family import Family
from .symbols import G0, N, V, d, m, n, s, v2
from .workflow import Workflow

SHORT = 100  # letters of a ratio that is still worth reading


@dataclass(frozen=True)
class Setting:
    """Where a printed formula is put beside the exact form; without a generation, in the limit. ``more``: other letters."""

    family: Family
    workflow: Workflow
    generation: int | None = None
    more: tuple[tuple[Any, float], ...] = ()

    @property
    def values(self) -> dict[Any, Any]:
        """The letters of a formula at the setting."""
        tokens: Any = getattr(self.family, "p", None)
        found = {
            m: self.generation,
            N: workflows.first_size(self.workflow),
            n: self.workflow.synthetic,
            v2: self.family.v2,
        }
        found |= {V: self.family.v, G0: self.family.v, d: getattr(self.family, "dimension", None)}
        if np.ndim(tokens):
            found[s] = int(np.count_nonzero(np.asarray(tokens)))
        return {letter: value for letter, value in (found | dict(self.more)).items() if value is not None}


@dataclass(frozen=True)
class Compared:
    """A printed formula and the exact form at a setting: two numbers, and the first over the second."""

    setting: Setting
    printed: float
    exact: float

    @property
    def ratio(self) -> float:
        """Printed over exact."""
        return self.printed / self.exact


@dataclass(frozen=True)
class Printed:
    """A formula as a paper prints it, where it differs from the derived one, and why.

    ``form()`` writes it, once it is read. ``relation``: "=" where it is printed as an equation, ">=" where it bounds the exact
    form from above, "<=" from below.
    ``exact`` gives the exact form as an expression where it has one, ``value`` as a number at any setting.
    """

    form: Callable[[], Expr]
    source: str
    reason: str
    relation: str = "="
    value: Callable[[Any, Any, Any], Any] | None = None
    settings: tuple[Setting, ...] = ()
    exact: Callable[[], Expr] | None = field(default=None, repr=False)

    @cached_property
    def formula(self) -> Expr:
        """The formula, in the letters of `symbols`."""
        return self.form()

    @cached_property
    def ratio(self) -> Expr | None:
        """Printed over exact in letters; None where there is no such form, or none short enough to read."""
        if self.exact is None:
            return None
        found = min(
            (simplify(each) for each in (self.formula / self.exact(), cancel(self.formula / self.exact()))), key=_length
        )
        return found if _length(found) <= SHORT else None

    @cached_property
    def compared(self) -> tuple[Compared, ...]:
        """Both forms at each setting."""
        if self.value is None:
            return ()
        return tuple(
            Compared(
                each,
                float(self.formula.subs(each.values).evalf()),
                float(self.value(each.family, each.workflow, each.generation)),
            )
            for each in self.settings
        )

    def as_record(self) -> dict[str, Any]:
        """Texts and numbers only, for machines."""
        from .arguments import shown

        return {
            "formula": str(self.formula),
            "source": self.source,
            "reason": self.reason,
            "relation": self.relation,
            "exact": None if self.exact is None or _length(self.exact()) > 4 * SHORT else str(self.exact()),
            "ratio": None if self.ratio is None else str(self.ratio),
            "compared": [
                {
                    "family": shown(each.setting.family),
                    "workflow": shown(each.setting.workflow),
                    "generation": each.setting.generation,
                    "letters": {
                        str(letter): float(value)
                        for letter, value in each.setting.values.items()
                        if letter in self.formula.free_symbols
                    },
                    "printed": each.printed,
                    "exact": each.exact,
                    "ratio": each.ratio,
                }
                for each in self.compared
            ],
        }


def _length(expression: Expr) -> int:
    return len(str(expression))
