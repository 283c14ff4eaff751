r"""Sources: texts whose truth is known, with their entropy in closed form.

Token ids are those of a tokenizer: 0 is the start token and never drawn, 1, 2, ... are the tokens of the source. Each
source has ``size``, the number of ids with the start token; ``entropy``, nats per token; and ``sample(seed, n,
length)``, n independent texts of that many tokens: (n, length) int32.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from modelcollapse.theory import arguments as arg

ROUNDING = 1e-9  # probabilities written as decimals sum to one up to this

Rules = Mapping[str, Mapping[str | tuple[str, str], float]]


@dataclass(frozen=True, eq=False)
class Markov:
    r"""A Markov chain: token j after token i with probability P_ij, the first by the stationary law :math:`\pi = \pi P`.

    ``matrix`` (V, V): P, rows summing to one. Tokens are 1..V, in the order of its rows.
    Raises InputError where P is no such matrix or has more than one stationary law.

    >>> chain = Markov([[0.5, 0.5], [1.0, 0.0]])
    >>> chain.stationary.round(12).tolist(), round(chain.entropy / math.log(2), 12)
    ([0.666666666667, 0.333333333333], 0.666666666667)
    """

    matrix: Any

    def __post_init__(self) -> None:
        wanted = "probabilities of shape (V, V), rows summing to one"
        matrix = arg.numbers("Markov", "matrix", self.matrix, wanted)
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0
        if not square or np.any(matrix < 0) or np.any(abs(matrix.sum(axis=1) - 1) > ROUNDING):
            raise arg.refuse("Markov", "matrix", self.matrix, wanted)
        classes, member = connected_components(matrix > 0, connection="strong")
        leaves = [bool(np.any(matrix[member == one][:, member != one])) for one in range(classes)]
        if leaves.count(False) > 1:
            raise arg.refuse("Markov", "matrix", self.matrix, "it has several stationary laws: let all tokens meet")
        object.__setattr__(self, "matrix", matrix / matrix.sum(axis=1, keepdims=True))

    @property
    def size(self) -> int:
        """Number of token ids, with the start token."""
        return len(self.matrix) + 1

    @cached_property
    def stationary(self) -> np.ndarray:
        r"""(V,) the stationary law :math:`\pi`."""
        equations = np.vstack([self.matrix.T - np.eye(len(self.matrix)), np.ones(len(self.matrix))])
        law = np.linalg.lstsq(equations, np.append(np.zeros(len(self.matrix)), 1.0), rcond=None)[0].clip(0)
        return np.asarray(law / law.sum())

    @property
    def entropy(self) -> float:
        r"""Entropy rate :math:`-\sum_i \pi_i \sum_j P_{ij} \ln P_{ij}`.

        A text of L tokens starts from the stationary law and has :math:`H(\pi) + (L - 1)` times this.
        """
        return float(self.stationary @ _entropies(self.matrix))

    def sample(self, seed: int, n: int, length: int) -> np.ndarray:
        """``n`` independent texts of ``length`` tokens: (n, length) int32."""
        random = _random("Markov.sample", seed, n, length)
        cumulated = _cumulated(self.matrix)
        tokens = np.empty((n, length), np.int32)
        tokens[:, 0] = np.searchsorted(_cumulated(self.stationary), random.random(n), side="right")
        for at in range(1, length):
            tokens[:, at] = (cumulated[tokens[:, at - 1]] <= random.random((n, 1))).sum(axis=1)
        return tokens + np.int32(1)


def dirichlet(seed: int, vocabulary: int, concentration: float = 0.1) -> Markov:
    """A Markov chain with rows drawn from a symmetric Dirichlet law; the lower ``concentration``, the surer the next token.

    >>> bool(dirichlet(0, 20).entropy < dirichlet(0, 20, concentration=10.0).entropy < np.log(20))
    True
    """
    vocabulary = arg.size("dirichlet", "vocabulary", vocabulary, least=2, remedy="of tokens")
    arg.positive("dirichlet", "concentration", concentration, "concentration of a Dirichlet law")
    rows = _random("dirichlet", seed).dirichlet(np.full(vocabulary, concentration), vocabulary)
    return Markov(rows)


@dataclass(frozen=True)
class Zipf:
    r"""Independent tokens i = 1..V of probability :math:`p_i = i^{-s} / Z`, :math:`Z = \sum_i i^{-s}`.

    >>> Zipf(4, exponent=0.0).entropy / math.log(4)
    1.0
    """

    vocabulary: int
    exponent: float = 1.0

    def __post_init__(self) -> None:
        vocabulary = arg.size("Zipf", "vocabulary", self.vocabulary, remedy="of tokens")
        object.__setattr__(self, "vocabulary", vocabulary)
        if np.any(arg.numbers("Zipf", "exponent", self.exponent, "a number, at least 0") < 0):
            raise arg.refuse("Zipf", "exponent", self.exponent, "a number, at least 0")

    @property
    def size(self) -> int:
        """Number of token ids, with the start token."""
        return self.vocabulary + 1

    @property
    def p(self) -> np.ndarray:
        """(V,) probabilities of the tokens."""
        weights = np.arange(1, self.vocabulary + 1) ** -float(self.exponent)
        return weights / weights.sum()

    @property
    def entropy(self) -> float:
        r""":math:`\ln Z + s \sum_i p_i \ln i`."""
        ranks = np.arange(1, self.vocabulary + 1, dtype=float)
        return float(math.log((ranks**-self.exponent).sum()) + self.exponent * (self.p @ np.log(ranks)))

    def sample(self, seed: int, n: int, length: int) -> np.ndarray:
        """``n`` independent texts of ``length`` tokens: (n, length) int32."""
        heights = _random("Zipf.sample", seed, n, length).random((n, length))
        return np.searchsorted(_cumulated(self.p), heights, side="right").astype(np.int32) + np.int32(1)


@dataclass(frozen=True, eq=False)
class Pcfg:
    r"""Sentences of a probabilistic context-free grammar, one after the other, each closed by an end token.

    ``rules``: for each symbol the probabilities of what it becomes, two symbols or one word; the first symbol is a
    sentence. Words are tokens 1, 2, ... in the order in which the rules name them; the end token is the last id.

    With :math:`M_{AB}` the expected number of B that A becomes in one step and :math:`h_A` the entropy of its rules,
    derivations from A have entropy :math:`(I - M)^{-1} h`; with :math:`t_A` the probability that A becomes a word,
    sentences from A have expected length :math:`(I - M)^{-1} t`. Where every sentence has one derivation, that is the
    entropy of the sentence; in an ambiguous grammar it is above it.

    Raises InputError where rules are no probabilities or the spectral radius of M is 1 or more: then the expected
    length is infinite, and sentences may never end.

    >>> doubling = Pcfg({"S": {("S", "S"): 0.25, "a": 0.75}})
    >>> doubling.expected_length, doubling.size
    (1.5, 3)
    """

    rules: Rules

    def __post_init__(self) -> None:
        if not isinstance(self.rules, Mapping) or not self.rules:
            raise arg.refuse("Pcfg", "rules", self.rules, 'write them as {"S": {("S", "S"): 0.25, "a": 0.75}}')
        wanted = "positive probabilities that sum to one"
        for symbol, becomes in self.rules.items():
            p = arg.numbers("Pcfg", "rules", [*becomes.values()], wanted)
            if np.any(p <= 0) or abs(p.sum() - 1) > ROUNDING:
                raise arg.refuse("Pcfg", "rules", {symbol: becomes}, wanted)
            for right in becomes:
                pair = isinstance(right, tuple) and len(right) == 2 and all(part in self.rules for part in right)
                if not pair and not (isinstance(right, str) and right not in self.rules):
                    raise arg.refuse("Pcfg", "rules", {symbol: right}, "a pair of symbols that have rules, or one word")
        radius = abs(np.linalg.eigvals(self._children)).max()
        if radius >= 1 - ROUNDING:
            raise arg.refuse("Pcfg", "rules", self.rules, f"spectral radius {radius:.3g}: make words likelier, below 1")

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words, in the order of their ids, from 1 on."""
        return tuple(dict.fromkeys(right for to in self.rules.values() for right in to if isinstance(right, str)))

    @property
    def size(self) -> int:
        """Number of token ids, with the start token and the end token."""
        return len(self.words) + 2

    @property
    def end(self) -> int:
        """Id of the end token."""
        return len(self.words) + 1

    @cached_property
    def _children(self) -> np.ndarray:
        """(K, K) expected number of symbols of each kind that a symbol becomes, M."""
        number = {symbol: at for at, symbol in enumerate(self.rules)}
        children = np.zeros((len(number), len(number)))
        for symbol, becomes in self.rules.items():
            for right, p in becomes.items():
                for part in right if isinstance(right, tuple) else ():
                    children[number[symbol], number[part]] += p
        return children

    def _over_derivations(self, one_step: list[float]) -> float:
        """Expected sum of a quantity of each step over the derivation of a sentence."""
        return float(np.linalg.solve(np.eye(len(self.rules)) - self._children, one_step)[0])

    @property
    def sentence_entropy(self) -> float:
        """Nats per sentence."""
        return self._over_derivations([float(_entropies(np.array([*to.values()]))) for to in self.rules.values()])

    @property
    def expected_length(self) -> float:
        """Expected words of a sentence, without the end token."""
        words = [sum(p for right, p in to.items() if isinstance(right, str)) for to in self.rules.values()]
        return self._over_derivations(words)

    @property
    def entropy(self) -> float:
        """Nats per token of an endless text: those of a sentence by its expected length with the end token."""
        return self.sentence_entropy / (self.expected_length + 1)

    def sample(self, seed: int, n: int, length: int) -> np.ndarray:
        """``n`` independent texts of ``length`` tokens, each from the start of a sentence: (n, length) int32."""
        random = _random("Pcfg.sample", seed, n, length)
        ids = {word: at for at, word in enumerate(self.words, start=1)}
        sides = {symbol: [*becomes] for symbol, becomes in self.rules.items()}
        cumulated = {symbol: _cumulated(np.array([*to.values()])).tolist() for symbol, to in self.rules.items()}
        tokens = np.empty((n, length), np.int32)
        for row in tokens:
            waiting: list[str | None] = []
            for at in range(length):
                if not waiting:
                    waiting = [None, next(iter(self.rules))]
                row[at] = self.end
                while (symbol := waiting.pop()) is not None:
                    right = sides[symbol][bisect_right(cumulated[symbol], random.random())]
                    if isinstance(right, str):
                        row[at] = ids[right]
                        break
                    waiting.extend(right[::-1])
        return tokens


def _entropies(p: np.ndarray) -> np.ndarray:
    """Entropy over the last axis, nats; 0 ln 0 = 0."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)


def _cumulated(p: np.ndarray) -> np.ndarray:
    """Distribution function over the last axis; its end is 1 exactly."""
    cumulated = np.cumsum(p, axis=-1)
    return np.asarray(cumulated / cumulated[..., -1:])


def _random(owner: str, seed: int, n: int = 1, length: int = 1) -> np.random.Generator:
    """The generator of a seed, once all three are known to be sound."""
    arg.size(owner, "n", n, remedy="of texts")
    arg.size(owner, "length", length, remedy="of tokens")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise arg.refuse(owner, "seed", seed, "seed is a whole number, at least 0")
    return np.random.default_rng(seed)
