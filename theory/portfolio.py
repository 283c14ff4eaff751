r"""A portfolio: real samples, samples of a source, own samples and verified ones, bought and used generation by generation.

Model t is :math:`\theta_t = \sum_b w_{tb} \bar x_{tb}`, a weighted mean over the batches bought so far, of each of which it sees
all n or a uniform subsample of M points. A batch has the mean of the truth, of the source, of the last model, or
:math:`(1-a)\theta_{t-1} + a c` where a verifier has chosen. As in the workflow algebra (`theory.algebra`) all of this is a row
of events, each a combination of earlier ones plus new noise; what comes from outside adds two events that never change, the
centres of the source and of the verifier, whose distance from the truth is the bias. So the second moments about the truth
obey the same recursion, biases and all. The new noise is

.. math:: \sum_k u_{ek} (V + v_2 C_{kk}) + \tau_e V,

of own samples by the variance function of the model k that they come from, and of all others by the noise of their kind; a
batch of n has :math:`1/n`, a subsample :math:`w^2 (1/M - 1/n)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from . import algebra
from . import arguments as arg
from .correction import Correction, bias_over_v
from .source import Source

KINDS = ("real", "source", "own", "verified")
REAL, SOURCE, OWN, VERIFIED = range(4)
LEAST = 1e-300  # worth of a source: the bias of less overflows


@dataclass(frozen=True, eq=False)
class Portfolio:
    """``size`` (T, 4): samples bought in each generation, of the `KINDS`. ``weight`` (T, T, 4): of each batch in each model.

    ``weight[t, s]`` are the weights in model t+1 of the batches bought in generation s+1, which is not after it; all weights of
    a model sum to one. ``train`` (T, T, 4): how many samples of each batch a model sees; None: all. Own and verified samples
    are drawn from the model before: in generation 1 there are none.
    """

    size: Any
    weight: Any
    train: Any = None

    def __post_init__(self) -> None:
        given = [("size", self.size), ("weight", self.weight)] + (
            [("train", self.train)] if self.train is not None else []
        )
        for name, value in given:
            table = value if arg.is_jax(value) else np.asarray(value)
            object.__setattr__(self, name, table)
        generations = len(self.size)
        for name, _ in given:
            shape = (generations, len(KINDS)) if name == "size" else (generations, generations, len(KINDS))
            if getattr(self, name).shape != shape:
                raise arg.refuse("Portfolio", name, f"shape {getattr(self, name).shape}", f"shape {shape}")
        if not arg.is_traced(self.size, self.weight, self.train):
            self._check()

    def _check(self) -> None:
        for name, table in (("size", self.size), ("weight", self.weight), ("train", self.train)):
            if table is not None and np.any(arg.numbers("Portfolio", name, table, "numbers, at least 0") < 0):
                raise arg.refuse("Portfolio", name, table, "numbers, at least 0")
        size, weight = np.asarray(self.size, float), np.asarray(self.weight, float)
        if np.any(size[0, OWN:] > 0):
            raise arg.refuse(
                "Portfolio", "size", self.size, "no own and no verified samples in generation 1: of what model?"
            )
        if np.any(weight[_later(len(size))] > 0) or np.any(weight[:, size == 0] > 0):
            raise arg.refuse("Portfolio", "weight", self.weight, "weight only what has been bought by then")
        if np.any(abs(weight.sum((1, 2)) - 1) > 1e-9):
            raise arg.refuse("Portfolio", "weight", self.weight, "the weights of a model sum to one")
        if self.train is not None:
            seen = np.asarray(self.train, float)
            if np.any(seen > size) or np.any((seen == 0) & (weight > 0)):
                raise arg.refuse(
                    "Portfolio", "train", self.train, "at most what was bought, and not 0 of what has a weight"
                )


def _later(generations: int) -> np.ndarray:
    """(T, T) where a batch is bought after the model."""
    return np.arange(generations)[None, :] > np.arange(generations)[:, None]


def portfolio_moments(
    portfolio: Portfolio, source: Source | None = None, verifier: Correction | None = None, v2: Any = 0
) -> Any:
    r"""Second moments of models 1..T about the truth, over V, shape (T, T): the diagonal is the error, biases and all.

    Exact for a mean whose variance does not depend on it (``v2`` = 0), for any regular fit at leading order. Without source and
    verifier exact for every ``v2``. The biases of the two are taken to be at right angles, as those of independent origin are
    in the mean. Fractions stay fractions; JAX arrays can be differentiated by sizes and weights.

    Raises InputError for ``v2`` other than 0 beside a source or a verifier: how the variance of a biased model changes depends
    on where the bias points. Source: derived.

    >>> import numpy as np
    >>> weight = np.array([[[1.0, 0, 0, 0], [0, 0, 0, 0]], [[0.5, 0, 0, 0], [0, 0, 0.5, 0]]])  # half real, half own samples
    >>> portfolio_moments(Portfolio([[10, 0, 0, 0], [0, 0, 10, 0]], weight)).diagonal().tolist()
    [0.1, 0.125]
    """
    own = "portfolio_moments"
    for name, value, wanted in (
        ("portfolio", portfolio, Portfolio),
        ("source", source, Source),
        ("verifier", verifier, Correction),
    ):
        if not isinstance(value, wanted) and (value is not None or wanted is Portfolio):
            raise arg.refuse(own, name, value, f"a {wanted.__name__}")
    for name, worth in (("source", getattr(source, "worth", 1.0)), ("verifier", getattr(verifier, "worth", 1.0))):
        if not arg.is_traced(worth) and (np.ndim(worth) or worth < LEAST):
            raise arg.refuse(
                own, name, f"worth {arg.shown(worth)}", "of one worth, above 0: leave out what is worth nothing"
            )
    if not arg.is_traced(v2):
        arg.one(own, "v2", v2, "coefficient of the squared mean in the variance function")
    outside = source is not None or verifier is not None
    if outside and (arg.is_traced(v2) or v2 != 0):
        raise arg.refuse(
            "portfolio_moments", "v2", v2, "0 beside a source or a verifier: the leading order of any regular fit"
        )
    size, weight, train = portfolio.size, portfolio.weight, portfolio.train
    pieces = [size, weight] + ([train] if train is not None else [])
    xp = arg.namespace(*pieces)
    exact = xp is np and all(each.dtype.kind in "iuO" for each in pieces)
    generations, kinds = len(size), _bought(size, source, verifier)
    inverse = _inverse(size, exact)
    beyond = 0 * weight if train is None else _inverse(train, exact) - inverse[None]
    pull = getattr(verifier, "contraction", 0)
    model = [0] + [2 + t * (len(kinds) + 1) + len(kinds) + 1 for t in range(generations)]
    batch = np.array([[3 + t * (len(kinds) + 1) + i for i in range(len(kinds))] for t in range(generations)])
    before: dict[int, list[tuple[Any, Any]]] = {
        REAL: [(0, 1)],
        SOURCE: [(1, 1)],
        OWN: [(None, 1)],
        VERIFIED: [(None, 1 - pull), (2, pull)],
    }
    mean, origin, noise = (
        _table(shape, xp, exact) for shape in ((model[-1] + 1,) * 2, (model[-1] + 1,) * 2, (model[-1] + 1,))
    )
    for t in range(generations):
        for place, kind in zip(batch[t], kinds, strict=True):
            for centre, share in before[kind]:
                mean = _put(mean, (place, model[t] if centre is None else centre), share)
    taus = (
        1,
        getattr(source, "noise", 0),
        0,
        getattr(verifier, "noise", 0),
    )  # of own samples the variance function tells
    for place, each in enumerate((source, verifier), start=1):  # the centres: they never change, and lie off the truth
        if each is not None:
            noise = _put(noise, place, _bias(each.worth, exact))
    rows, columns = np.array(model[1:]), batch.ravel()
    mean = _put(mean, np.ix_(rows, columns), weight[:, :, kinds].reshape(generations, -1))
    more = weight * weight * beyond
    for i, kind in enumerate(kinds):
        if kind == OWN:
            origin = _put(origin, (batch[:, i], np.array(model[:-1])), inverse[:, kind])
            origin = _put(origin, np.ix_(rows, np.array(model[:-1])), more[:, :, kind])
        else:
            noise = _put(noise, batch[:, i], inverse[:, kind] * taus[kind])
            noise = _put(noise, rows, noise[rows] + more[:, :, kind].sum(1) * taus[kind])
    return algebra.moments(algebra.Events(mean, origin, noise, rows), v2)


def _bought(size: Any, source: Any, verifier: Any) -> list[int]:
    """The kinds that there are."""
    if arg.is_jax(size):
        return [REAL, *([SOURCE] if source else []), OWN, *([VERIFIED] if verifier else [])]
    some: Any = (np.asarray(size, float) > 0).any(axis=0)
    for kind, given in ((SOURCE, source), (VERIFIED, verifier)):
        if some[kind] and given is None:
            raise arg.refuse(
                "portfolio_moments", "size", size, f"{KINDS[kind]} samples need a {('source', 'verifier')[kind // 3]}"
            )
    return [int(each) for each in np.flatnonzero(some)]


def _table(shape: tuple[int, ...], xp: Any, exact: bool) -> Any:
    return np.zeros(shape, object) + Fraction(0) if exact else xp.zeros(shape)


def _put(table: Any, places: Any, values: Any) -> Any:
    if arg.is_jax(table):
        return table.at[places].set(values)
    table[places] = values
    return table


def _bias(worth: Any, exact: bool) -> Any:
    return 1 / Fraction(worth) if exact and isinstance(worth, int | Fraction) else bias_over_v(worth)


def _inverse(table: Any, exact: bool) -> Any:
    """1 over what there is, and 0 of nothing, which has no weight."""
    if exact:
        return np.array([Fraction(1) / Fraction(each) if each else Fraction(0) for each in table.flat], object).reshape(
            table.shape
        )
    xp, some = arg.namespace(table), table > 0
    return xp.where(some, 1 / xp.where(some, table, 1.0), 0.0)
