"""Sources know the truth about what they draw: each entropy has a second witness."""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelcollapse.lm.sources import Markov, Pcfg, Rules, Zipf, dirichlet
from modelcollapse.simulate.agree import threshold
from modelcollapse.theory.arguments import InputError

BUDGET = 1e-4  # chance of a false alarm among all comparisons of this file
TEXTS, LENGTH = 4_000, 24

SPARSE = Markov([[0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.5, 0.25, 0.25]])
PERIODIC = Markov([[0.0, 0.3, 0.7], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
TRANSIENT = Markov([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8], [0.0, 0.6, 0.4]])
CHAINS = {"sparse": SPARSE, "periodic": PERIODIC, "transient": TRANSIENT, "dirichlet": dirichlet(3, 40)}
ZIPFS = {f"{s:g}": Zipf(50, s) for s in (0.0, 0.8, 1.0, 2.5)}

BRACKETS: Rules = {  # a nest of brackets, each around one word or another nest and followed by another: one derivation each
    "S": {("open", "T"): 0.15, "x": 0.85},
    "T": {("S", "U"): 1.0},
    "U": {("close", "S"): 1.0},
    "open": {"(": 0.6, "[": 0.4},
    "close": {")": 1.0},
}
PHRASES: Rules = {  # finite, one derivation each
    "S": {("NP", "VP"): 1.0},
    "NP": {("D", "N"): 0.75, "it": 0.25},
    "VP": {("V", "NP"): 0.5, "sleeps": 0.5},
    "D": {"the": 0.6, "a": 0.4},
    "N": {"cat": 0.5, "dog": 0.3, "log": 0.2},
    "V": {"sees": 0.9, "eats": 0.1},
}
AMBIGUOUS: Rules = {
    "S": {("A", "B"): 0.5, ("C", "A"): 0.5},
    "A": {"a": 1.0},
    "B": {"a": 0.5, "b": 0.5},
    "C": {"a": 1.0},
}
GRAMMARS = {"brackets": Pcfg(BRACKETS), "phrases": Pcfg(PHRASES)}

COMPARISONS = len(CHAINS) + len(ZIPFS) + 3 * len(GRAMMARS)


def agrees(values: np.ndarray, mean: float) -> bool:
    """Whether independent values have that mean, by the budget of this file."""
    z = (values.mean() - mean) / (values.std(ddof=1) / math.sqrt(len(values)))
    return bool(abs(z) < threshold(COMPARISONS, len(values), BUDGET))


def stationary(chain: Markov) -> np.ndarray:
    """The stationary law as the long run of a chain that stays where it is every other time."""
    law = np.linalg.matrix_power((chain.matrix + np.eye(len(chain.matrix))) / 2, 1 << 20)[0]
    return np.asarray(law / law.sum())


def entropy(p: Any) -> float:
    """Entropy of a law, nats."""
    return -math.fsum(each * math.log(each) for each in p if each > 0)


def sentences(rules: Rules, symbol: str = "S") -> Iterator[tuple[tuple[str, ...], float]]:
    """All derivations of a finite grammar: what they spell, and their probabilities."""
    for right, p in rules[symbol].items():
        if isinstance(right, str):
            yield (right,), p
        else:
            for (left, q), (rest, r) in product(*(list(sentences(rules, part)) for part in right)):
                yield left + rest, p * q * r


def log_probability(rules: Rules, words: tuple[str, ...]) -> float:
    """Of a sentence, summed over its derivations from the inside: the chart of Cocke, Younger and Kasami."""
    inside: defaultdict[tuple[int, int, str], float] = defaultdict(float)
    for width in range(1, len(words) + 1):
        for start in range(len(words) - width + 1):
            end = start + width
            for symbol, becomes in rules.items():
                for right, p in becomes.items():
                    if isinstance(right, str):
                        inside[start, end, symbol] += p * (width == 1 and words[start] == right)
                    else:
                        inside[start, end, symbol] += p * math.fsum(
                            inside[start, cut, right[0]] * inside[cut, end, right[1]] for cut in range(start + 1, end)
                        )
    return math.log(inside[0, len(words), "S"])


# Entropy, by exact enumeration


@pytest.mark.parametrize("name", ["sparse", "periodic", "transient"])
def test_the_entropy_rate_of_a_chain_is_what_a_token_adds_to_all_texts(name: str) -> None:
    chain = CHAINS[name]
    law = stationary(chain)
    texts = {
        length: entropy(
            law[text[0]] * math.prod(chain.matrix[pair] for pair in zip(text, text[1:], strict=False))
            for text in product(range(3), repeat=length)
        )
        for length in (3, 4)
    }
    assert chain.stationary == pytest.approx(law, abs=1e-12)
    assert chain.entropy == pytest.approx(texts[4] - texts[3], rel=1e-12)
    assert texts[4] == pytest.approx(entropy(chain.stationary) + 3 * chain.entropy, rel=1e-12)


@pytest.mark.parametrize("source", ZIPFS.values(), ids=ZIPFS)
def test_the_entropy_of_zipfs_law_is_the_sum_over_its_tokens(source: Zipf) -> None:
    assert source.p[0] / source.p[7] == pytest.approx(8**source.exponent)
    assert source.entropy == pytest.approx(entropy(source.p), rel=1e-12)


def test_the_entropy_and_length_of_a_finite_grammar_are_sums_over_its_sentences() -> None:
    grammar, found = GRAMMARS["phrases"], list(sentences(PHRASES))
    assert len({words for words, _ in found}) == len(found), "the grammar is ambiguous"
    assert grammar.sentence_entropy == pytest.approx(entropy(p for _, p in found), rel=1e-12)
    assert grammar.expected_length == pytest.approx(math.fsum(len(words) * p for words, p in found), rel=1e-12)


def test_the_entropy_of_an_ambiguous_grammar_is_that_of_its_derivations() -> None:
    found, spelt = list(sentences(AMBIGUOUS)), defaultdict[tuple[str, ...], float](float)
    for words, p in found:
        spelt[words] += p
    grammar = Pcfg(AMBIGUOUS)
    assert grammar.sentence_entropy == pytest.approx(entropy(p for _, p in found), rel=1e-12)
    assert grammar.sentence_entropy > entropy(spelt.values()) + 0.1


@pytest.mark.parametrize("q", [0.01, 0.3, 0.499])
def test_a_symbol_that_doubles_has_the_entropy_of_a_branching_process(q: float) -> None:
    grammar = Pcfg({"S": {("S", "S"): q, "a": 1 - q}})
    assert grammar.expected_length == pytest.approx((1 - q) / (1 - 2 * q), rel=1e-9)
    assert grammar.sentence_entropy == pytest.approx(entropy([q, 1 - q]) / (1 - 2 * q), rel=1e-9)


# Entropy, by the texts that are drawn


@pytest.mark.parametrize("name", CHAINS)
def test_texts_of_a_chain_surprise_by_its_entropy(name: str) -> None:
    chain = CHAINS[name]
    tokens = chain.sample(11, TEXTS, LENGTH) - 1
    steps = chain.matrix[tokens[:, :-1], tokens[:, 1:]]
    assert np.all(steps > 0), "an impossible step was drawn"
    surprise = -np.log(stationary(chain)[tokens[:, 0]]) - np.log(steps).sum(axis=1)
    assert agrees(surprise, entropy(stationary(chain)) + (LENGTH - 1) * chain.entropy)


@pytest.mark.parametrize("name", ZIPFS)
def test_texts_of_zipfs_law_surprise_by_its_entropy(name: str) -> None:
    source = ZIPFS[name]
    tokens = source.sample(12, TEXTS, LENGTH)
    ranks = np.bincount(tokens.ravel(), minlength=source.size)[1:]
    if source.exponent == 0:  # every text is as likely as any other: ask how often tokens are drawn
        assert stats.chisquare(ranks).pvalue > BUDGET / COMPARISONS
    else:
        assert agrees(-np.log(source.p)[tokens - 1].mean(axis=1), source.entropy)


@pytest.mark.parametrize("name", GRAMMARS)
def test_sentences_of_a_grammar_surprise_by_its_entropy(name: str) -> None:
    grammar = GRAMMARS[name]
    tokens = grammar.sample(13, 1_000, 400)
    ends = (tokens == grammar.end).argmax(axis=1)
    assert np.all(ends > 0), "a sentence that is cut says nothing of its probability"
    drawn = [tuple(grammar.words[token - 1] for token in row[:end]) for row, end in zip(tokens, ends, strict=True)]
    known = {sentence: -log_probability(grammar.rules, sentence) for sentence in set(drawn)}
    surprise = np.array([known[sentence] for sentence in drawn])
    assert agrees(surprise, grammar.sentence_entropy)
    assert agrees(ends.astype(float), grammar.expected_length)
    assert agrees(surprise - grammar.entropy * (ends + 1), 0.0)


# What is drawn


@pytest.mark.parametrize("source", [SPARSE, ZIPFS["1"], GRAMMARS["phrases"]], ids=["Markov", "Zipf", "Pcfg"])
def test_a_seed_gives_one_text_of_tokens_above_the_start(source: Markov | Zipf | Pcfg) -> None:
    tokens = source.sample(5, 30, 200)
    assert tokens.shape == (30, 200) and tokens.dtype == np.int32
    assert set(np.unique(tokens)) == set(range(1, source.size))
    assert np.array_equal(tokens, source.sample(5, 30, 200))
    assert not np.array_equal(tokens, source.sample(6, 30, 200))
    assert len(np.unique(tokens[:, :60], axis=0)) == 30


def test_the_first_two_tokens_of_a_chain_have_its_law() -> None:
    tokens = SPARSE.sample(14, 20_000, 2) - 1
    seen = np.bincount(tokens @ np.array([3, 1]), minlength=9).reshape(3, 3)
    expected = 20_000 * stationary(SPARSE)[:, None] * SPARSE.matrix
    possible = expected > 0
    assert seen[~possible].sum() == 0
    assert stats.chisquare(seen[possible], expected[possible]).pvalue > BUDGET


def test_sentences_follow_one_another() -> None:
    grammar = GRAMMARS["phrases"]
    possible = {words for words, _ in sentences(PHRASES)}
    for row in grammar.sample(15, 20, 100):
        text = " ".join((*grammar.words, ".")[token - 1] for token in row)
        *whole, cut = text.split(".")
        assert len(whole) > 10
        assert {tuple(sentence.split()) for sentence in whole} <= possible
        assert any(" ".join(words).startswith(cut.strip()) for words in possible)


# Refusals


@pytest.mark.parametrize(
    ("matrix", "remedy"),
    [
        ([[0.5, 0.5]], "rows summing to one"),
        ([[0.5, 0.4], [0.5, 0.5]], "rows summing to one"),
        ([[1.5, -0.5], [0.5, 0.5]], "rows summing to one"),
        ([[float("nan"), 1.0], [0.5, 0.5]], "not NaN"),
        ([[1.0, 0.0], [0.0, 1.0]], "several stationary laws"),
        ([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "several stationary laws"),
    ],
)
def test_a_matrix_that_is_no_chain_is_refused(matrix: list[list[float]], remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        Markov(matrix)


@pytest.mark.parametrize(
    ("rules", "remedy"),
    [
        ({}, "write them as"),
        ({"S": {}}, "positive probabilities"),
        ({"S": {"a": 0.5}}, "positive probabilities"),
        ({"S": {"a": 1.5, "b": -0.5}}, "positive probabilities"),
        ({"S": {("S", "B"): 0.1, "a": 0.9}}, "a pair of symbols that have rules, or one word"),
        ({"S": {("S",): 0.1, "a": 0.9}}, "a pair of symbols that have rules, or one word"),
        ({"S": {"S": 0.1, "a": 0.9}}, "a pair of symbols that have rules, or one word"),
        ({"S": {("S", "S"): 0.5, "a": 0.5}}, "spectral radius 1: make words likelier"),
        ({"S": {("A", "A"): 1.0}, "A": {("S", "S"): 0.3, "a": 0.7}}, "spectral radius 1.1: make words likelier"),
    ],
)
def test_rules_that_are_no_consistent_grammar_are_refused(rules: Any, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        Pcfg(rules)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Zipf(0), "vocabulary"),
        (lambda: Zipf(5, -1.0), "exponent"),
        (lambda: dirichlet(0, 1), "vocabulary"),
        (lambda: dirichlet(0, 5, concentration=0.0), "concentration"),
        (lambda: dirichlet(-1, 5), "seed"),
        (lambda: SPARSE.sample(0, 0, 5), "n"),
        (lambda: ZIPFS["1"].sample(0, 5, 0), "length"),
        (lambda: GRAMMARS["phrases"].sample(-1, 5, 5), "seed"),
    ],
)
def test_a_refusal_names_the_argument(make: Any, argument: str) -> None:
    with pytest.raises(InputError, match=rf"\({argument}=.*\): "):
        make()
