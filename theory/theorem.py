"""Theorem: a statement, what it assumes, how it was derived, what kind of evidence it has, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from sympy import Expr, latex
from sympy.printing.pycode import MpmathPrinter

from . import arguments as arg
from .family import Family
from .printed import Printed
from .solve import Step
from .workflow import Workflow


class Evidence(Enum):
    """What stands behind a theorem, strongest first."""

    IDENTITY = "symbolic identity"
    RECURSION = "exact recursion"
    ENUMERATION = "exact finite chain"
    BOUND = "proved bound"
    LIMIT = "leading order"


@dataclass(frozen=True)
class Assumption:
    """A condition that is evaluated before a number is returned, and what to do where it fails."""

    text: str
    holds: Callable[[Family, Workflow], bool]
    remedy: str


@dataclass(frozen=True)
class Derived:
    """What a derivation arrives at. Expressions are in stable functions; ``doit()`` gives the plain closed form."""

    expression: Expr
    diversity: Any = None
    limit: Any = None


@dataclass(frozen=True, eq=False)
class Theorem:
    """A statement about a (family, workflow) pair with its evidence.

    ``derive`` gives the expression that is computed with; ``prove`` goes the whole way symbolically and raises if a
    step does not hold. ``quantity`` names the public function that it answers. ``scope``: to which of the pairs that meet its
    assumptions the statement is made, evaluated as they are (`applicability`). ``needs``: what it is about beside such a pair.

    A theorem whose closed form depends on the case has ``cases``, each with its own scope, evidence and derivation and with
    a name "theorem/case"; the main one comes first, and its evidence stands for the whole (`of_cases`).
    """

    name: str
    statement: str
    quantity: str
    family: str
    workflow: str
    evidence: Evidence
    assumptions: tuple[Assumption, ...]
    sources: tuple[str, ...]
    derive: Callable[[], Derived] | None = None
    prove: Callable[[], tuple[Step, ...]] | None = None
    printed: tuple[Printed, ...] = ()
    scope: tuple[Assumption, ...] = ()
    needs: str = ""
    cases: tuple[Theorem, ...] = ()

    @property
    def forms(self) -> tuple[Theorem, ...]:
        """Its cases, or itself: what has one derivation and one kind of evidence."""
        return self.cases or (self,)

    @property
    def kinds(self) -> str:
        """The kinds of evidence of its forms."""
        return listed(each.evidence.value for each in self.forms)

    @cached_property
    def derived(self) -> Derived:
        """The expressions, computed once; raises TypeError where the answer is a finite computation, not a formula."""
        if self.derive is None:
            why = "each of its cases has its own" if self.cases else "it is computed, it has no closed form"
            raise TypeError(f"{self.name}: {why}")
        return self.derive()

    @cached_property
    def derivation(self) -> tuple[Step, ...]:
        """The steps from the one-step law to the result, each checked as it is made."""
        own = self.prove() if self.prove is not None else ()
        return own + tuple(step for case in self.cases for step in case.derivation)

    def require(self, owner: str, family: Family, workflow: Workflow) -> Theorem:
        """Itself where every assumption holds; raises InputError naming the first that fails and what to use instead."""
        return self._required(self.assumptions, owner, family, workflow)

    def stated_for(self, owner: str, family: Family, workflow: Workflow) -> Theorem:
        """Itself where its scope holds too, which is asked first; raises InputError as `require`."""
        return self._required(self.scope, owner, family, workflow).require(owner, family, workflow)

    def _required(self, conditions: tuple[Assumption, ...], owner: str, family: Family, workflow: Workflow) -> Theorem:
        for each in conditions:
            if not each.holds(family, workflow):
                remedy = f"; {each.remedy}" if each.remedy else ""
                raise arg.InputError(
                    f"{owner}({arg.shown(family)}, {arg.shown(workflow)}): it assumes that {each.text}{remedy}"
                )
        return self

    @property
    def latex(self) -> str:
        """The closed form as LaTeX."""
        return latex(self.derived.expression.doit())

    @property
    def code(self) -> str:
        """The closed form as Python that runs by itself, to any precision, for people without this package."""
        return f"import mpmath\n\n\n{self.function}"

    @property
    def function(self) -> str:
        """The closed form as a Python function of its letters, over mpmath."""
        closed = self.derived.expression.doit()
        letters = ", ".join(sorted(map(str, closed.free_symbols)))
        name = self.name.replace("-", "_").replace("/", "_")
        return f"def {name}({letters}):\n    return {_Mpmath().doprint(closed)}"

    def as_record(self) -> dict[str, Any]:
        """Names and texts only, for machines."""
        return {
            "name": self.name,
            "statement": self.statement,
            "quantity": self.quantity,
            "family": self.family,
            "workflow": self.workflow,
            "evidence": self.kinds,
            "assumptions": [each.text for each in self.assumptions],
            "sources": list(self.sources),
            "cases": [each.as_record() for each in self.cases],
        }


def of_cases(statement: str, *cases: Theorem, workflow: str = "") -> Theorem:
    """One theorem of several cases, named "theorem/case": it assumes what all of them do, and has the sources of each."""
    (name,) = {each.name.partition("/")[0] for each in cases}
    shared = set.intersection(*(set(each.assumptions) for each in cases))
    return Theorem(
        name,
        statement,
        listed(each.quantity for each in cases),
        listed((each.family for each in cases), "; "),
        workflow or listed((each.workflow for each in cases), "; "),
        cases[0].evidence,
        tuple(each for each in cases[0].assumptions if each in shared),
        tuple(dict.fromkeys(source for each in cases for source in each.sources)),
        printed=tuple(printed for each in cases for printed in each.printed),
        needs=listed((each.needs for each in cases), "; or "),
        cases=cases,
    )


def listed(texts: Iterable[str], comma: str = ", ") -> str:
    """Each text once, in order."""
    return comma.join(dict.fromkeys(texts))


class _Mpmath(MpmathPrinter):
    """Python over mpmath, with what SymPy leaves out; refuses what it cannot say."""

    def __init__(self) -> None:
        super().__init__({"strict": True})

    def _print_Product(self, product: Any) -> str:
        term, *limits = product.args
        loops = "".join(f" for {self._print(i)} in range({self._print(a)}, {self._print(b + 1)})" for i, a, b in limits)
        return f"mpmath.fprod({self._print(term)}{loops})"

    def _print_zeta(self, function: Any) -> str:
        return f"mpmath.zeta({', '.join(map(self._print, function.args))})"

    def _print_Sum(self, total: Any) -> str:
        term, *limits = total.args
        loops = "".join(f" for {self._print(i)} in range({self._print(a)}, {self._print(b + 1)})" for i, a, b in limits)
        return f"mpmath.fsum({self._print(term)}{loops})"

    def _print_polygamma(self, function: Any) -> str:
        return f"mpmath.psi({', '.join(map(self._print, function.args))})"


def concrete(check: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """A check of numbers that passes what is only known inside a JAX transformation."""
    return lambda value: arg.is_traced(value) or bool(check(value))
