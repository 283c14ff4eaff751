r"""Coverage: how much of the truth a generation still knows, and the one real corpus that would know as much.

By `thinning` model m knows what one real corpus knows of which every item is kept with the chance a: after m - 1 generations that
replace all data, about :math:`2n/(m+1)` items of n. So whatever is known of how a corpus covers a law (the vocabulary curve, the
missing mass, a scaling law of either) holds after m generations at the size of that corpus.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import limit, log, oo

from . import arguments as arg
from . import family as families
from . import workflow as workflows
from .assumption import MATCHED, NO_NEW, SAMPLES
from .branching import abel
from .family import Categorical, Family, Zipf
from .solve import Step, Unsolved
from .survival import loss_probability
from .symbols import m, n
from .theorem import Assumption, Derived, Evidence, Theorem
from .thinning import real_items
from .workflow import Workflow
from .zipf import Drawn, missing_of


def effective_corpus(w: Workflow, generation: Any) -> Any:
    r"""Real items that would know as much as model m does: :math:`\sum N a(m)` over real sets, shape of ``generation``.

    Under `Replace` close to :math:`2n/(m+1)`; with a kept real set N for ever; beside fresh real data more than N.
    Raises InputError for generation 0, which is the truth. Source: derived (critical branching).

    >>> from modelcollapse import theory
    >>> [round(theory.effective_corpus(theory.Replace(10**6), m)) for m in (1, 2, 10, 100)]
    [1000000, 632121, 172255, 19543]
    >>> round(theory.effective_corpus(theory.FreshReal(1000, 9000), 50))
    3997
    """
    workflows.check("effective_corpus", w)
    arg.static("effective_corpus", w=w, generation=generation)
    arg.one_size("effective_corpus", w)
    whole = np.asarray(arg.steps("effective_corpus", generation), int)
    if np.any(whole == 0):
        raise arg.refuse("effective_corpus", "generation", generation, "generation 0 is the truth: ask from 1 on")
    found = [
        sum(float(chance) * (1.0 if np.isinf(items) else float(items)) for items, chance in real_items(w, int(each)))
        for each in whole.ravel()
    ]
    return np.reshape(found, whole.shape) if whole.ndim else found[0]


def missing(f: Family, w: Workflow, generation: Any) -> Any:
    r"""Expected probability, under the truth, of the tokens that generation m does not know: :math:`\sum_i p_i P(p_{m,i} = 0)`.

    For a `Categorical` (of a corpus, under its own frequencies) exact where `survivors` is, for a `Zipf` where the real set is
    kept; else a certified upper bound by thinning, near the truth. Shape of ``generation``.

    Raises InputError for other families, and as `survivors`. Source: derived (thinning); Dohmatob2024tails (orders in n).

    >>> from modelcollapse import theory
    >>> theory.missing(theory.Zipf(1.5), theory.Replace(3000), [1, 2, 6, 11]).round(4).tolist()
    [0.0653, 0.0761, 0.1012, 0.1207]
    """
    families.check("missing", f)
    if isinstance(f, Categorical):
        lost = loss_probability(f, w, generation)
        share = f.p if f.counts is None else f.counts / f.counts.sum()
        return arg.scalar((lost * share).sum(axis=-1))
    if not isinstance(f, Zipf) or np.ndim(f.exponent):
        raise arg.refuse("missing", "f", f, "a Categorical, or a Zipf of one exponent: other families have no tokens")
    workflows.check("missing", w)
    arg.static("missing", f=f, w=w, generation=generation)
    arg.one_size("missing", w)
    whole = np.asarray(arg.steps("missing", generation), int)
    found = [_of_zipf(float(f.exponent), w, int(each)) if each else 0.0 for each in whole.ravel()]
    return np.reshape(found, whole.shape) if whole.ndim else found[0]


def _of_zipf(exponent: float, w: Workflow, generation: int) -> float:
    return missing_of(
        exponent, [Drawn(float(items), float(chance), exponent) for items, chance in real_items(w, generation)]
    )


def _prove() -> tuple[Step, ...]:
    leading, logarithm, _ = abel()
    # phi(1/a) = m - 2 + constant; so 1/a = (m + ln(m)/6 + ...)/2
    share = leading / (m - logarithm * log(m))
    if limit(share * (m + 1) / leading, m, oo) != 1:
        raise Unsolved("the share of items that are left")
    return (
        Step("Each item of n has a Poisson number of copies in the next n: backwards a <- 1 - exp(-a), from a = 1"),
        Step("Model m knows a token of probability p with chance 1 - (1 - p a)^n: as one corpus of n a items does"),
        Step("phi(1/a) grows by one in a generation (extinction-time)", share, "a(m) ~ "),
        Step("so that the corpus that knows as much has", leading * n / (m + 1), "n a(m) ~ "),
        Step("Multinomial draws are more even than Poisson ones: what is known is at least that"),
    )


TOKENS = Assumption(
    "the family is Categorical or Zipf",
    lambda family, _: isinstance(family, Categorical | Zipf),
    "other families have no tokens",
)
COVERAGE = Theorem(
    "coverage",
    "Where data is replaced, generation m knows as much of the truth as one real corpus of n a(m) items, a(m) ~ "
    "2/(m+1) (the thinning theorem); its missing mass is that corpus's.",
    "missing",
    "Categorical, Zipf",
    "every workflow",
    Evidence.BOUND,
    (SAMPLES, MATCHED, TOKENS, NO_NEW),
    ("derived",),
    lambda: Derived(abel()[0] * n / (m + 1)),
    _prove,
)
