"""Token counts of what a user names: a text, a column of a jsonl file, a table of counts, the built-in text.

`read` takes one of

    path               a text in UTF-8, whatever its suffix
    path.jsonl:column  an object in each line, its text in that column (``text`` by default); also .ndjson
    path.csv           a table of counts (see `read`); also .tsv
    builtin:pydoc      the help topics of the running Python, ``pydoc_data.topics``; versions differ
    -                  the text on standard input

A path that exists is that path, colons and all; a file called ``-`` is ``./-``. Input is streamed.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from itertools import chain
from typing import BinaryIO, Literal

import numpy as np

from modelcollapse.theory.arguments import refuse, shown

from .terminal import counted

CHUNK = 1 << 20  # bytes that are read at once
SHOWN, WIDTH = 10, 40  # tokens that a corpus keeps as text, and letters of each
MOST = 2**53  # whole numbers up to which floats are exact, and theory counts
COUNT_NAMES = ("count", "counts", "n", "frequency")
FORMS = "name a text file, a .jsonl[:column], a .csv of counts, builtin:pydoc, or - for standard input"

WORD_END = re.compile(rb"(?s).*[^\w'\-\x80-\xff]")  # up to the last ASCII byte that is in no word
LINE_END = re.compile(rb"(?s).*\n")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Unit(StrEnum):
    """What is counted in a text."""

    WORDS = "words"
    BYTES = "bytes"


@dataclass(frozen=True, eq=False)
class Corpus:
    r"""Counts $c_1 \ge \dots \ge c_V \ge 1$ of $V$ different tokens, $N = \sum_i c_i$ tokens in all.

    ``name``: what the user named. ``unit``: what a token is, words, bytes or samples. ``counts`` (V,)
    are int64 and read-only. ``sha256``: of the raw input. ``tokens``: the most frequent few as text.

    >>> dice = Corpus("dice", "words", np.array([3, 1, 1]), sha256="", tokens=("six", "one", "two"))
    >>> dice.size, dice.vocabulary, dice.singletons
    (5, 3, 2)
    """

    name: str
    unit: str
    counts: np.ndarray
    sha256: str
    tokens: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of tokens, N."""
        return int(self.counts.sum())

    @property
    def vocabulary(self) -> int:
        """Number of different tokens, V."""
        return len(self.counts)

    @property
    def singletons(self) -> int:
        """Number of different tokens that occur once."""
        return int(np.count_nonzero(self.counts == 1))


class UnfitError(Exception):
    """What is wrong with the input, and what to do; `refusing` makes a refusal of it."""


def read(spec: str, *, unit: Unit = Unit.WORDS, progress: Callable[[int, int], None] | None = None) -> Corpus:
    """Token counts of what ``spec`` names, as listed above.

    ``unit``: count words, as `words` finds them, or byte values, for which a text may be any file.
    ``progress`` is called with the bytes read so far and the bytes in all, 0 where nobody knows (a pipe).

    A table of counts has one row for each token: token and count in either order, or the count alone. Counts
    are in the column that a header calls count, counts, n or frequency; without a header, in the one that has
    a number in the first row. Counts of zero are dropped. In a .tsv a quote is a letter like any other.

    Raises InputError where the input is missing, is not what its suffix says, or holds fewer than two tokens.

    >>> topics = read("builtin:pydoc")
    >>> topics.unit, topics.size > topics.vocabulary > topics.singletons > 0
    ('words', True)
    """
    if not isinstance(unit, Unit):
        raise refuse("corpus.read", "unit", unit, "pass Unit.WORDS or Unit.BYTES")
    digest = hashlib.sha256()
    with refusing("corpus.read", spec, FORMS), opened(spec, digest.update, progress) as (path, column, chunks):
        counts, counted = _counted(chunks, path, column, unit)
        return _corpus(spec, counted, counts, digest.hexdigest())


def documents(spec: str, *, unit: Unit = Unit.WORDS) -> list[Counter[str]]:
    """How often each token occurs in each document of what ``spec`` names: each line of a .jsonl is one, else all is one.

    >>> [each.total() for each in documents("builtin:pydoc")] == [read("builtin:pydoc").size]
    True
    """
    with refusing("corpus.documents", spec, FORMS), opened(spec) as (path, column, chunks):
        if os.path.splitext(path)[1].lower() not in (".jsonl", ".ndjson"):
            return [_counted(chunks, path, column, unit)[0]]
        texts = jsonl(chunks, "text" if column is None else column)
        if unit is Unit.BYTES:
            return [_bytes([text.encode(errors="surrogatepass")]) for text in texts]
        return [Counter(words(text)) for text in texts]


def _corpus(name: str, unit: str, counts: Counter[str], sha256: str) -> Corpus:
    if counts.total() < 2:
        held = counted(counts.total(), unit.removesuffix("s"))
        raise UnfitError(f"it holds {held}: name one that holds at least 2, or count --unit bytes")
    descending = np.sort(np.fromiter(counts.values(), np.int64))[::-1]
    descending.setflags(write=False)
    tokens = tuple(_label(token) for token, _ in counts.most_common(SHOWN))
    return Corpus(name, unit, descending, sha256, tokens)


def count(name: str, documents: Iterable[str], unit: Unit) -> Corpus:
    """Token counts of documents that somebody else has read."""
    digest = hashlib.sha256()
    counts: Counter[str] = Counter()
    with refusing("corpus.count", name, FORMS):
        for document in documents:
            raw = document.encode(errors="surrogatepass")
            digest.update(raw)
            counts.update(words(document) if unit is Unit.WORDS else _bytes([raw]))
        return _corpus(name, unit.value, counts, digest.hexdigest())


def words(text: str) -> list[str]:
    """Words of a text, case kept.

    A word is a letter, digit or underscore with the letters, marks, digits and underscores after it, and
    reaches over one apostrophe, hyphen or zero-width joiner to the next such run; all else separates words.
    The classes are Unicode's, so this holds for every script. In one written without spaces, as Chinese is,
    a word is a phrase, and bytes are the better unit.

    >>> words("Don't panic: a well-known café -- the 2nd, e.g.")
    ["Don't", 'panic', 'a', 'well-known', 'café', 'the', '2nd', 'e', 'g']
    """
    marked = not text.isascii() and any(map(_is_mark, set(text)))
    return _word(marked).findall(text)


def _is_mark(letter: str) -> bool:
    r"""Marks, such as most vowels of Hindi and loose accents, are not in ``\w``."""
    return unicodedata.category(letter).startswith("M")


@cache
def _word(marked: bool) -> re.Pattern[str]:
    """Pattern of `words`; of a text without marks a plain one, since to find all of Unicode's takes a fifth of a second."""
    marks = "".join(filter(_is_mark, map(chr, range(sys.maxunicode)))) if marked else ""
    # the look ahead spares ASCII the search among the marks: five times faster
    run = rf"\w+(?:(?![\x00-\x7f])[{marks}]\w*)*" if marked else r"\w+"
    return re.compile(rf"{run}(?:['’\-\u00ad\u2010\u2011\u200c\u200d]{run})*")


@contextmanager
def refusing(owner: str, spec: str, forms: str) -> Iterator[None]:
    """Makes refusals by ``owner`` of what is found wrong with a ``spec``; ``forms``: what it may name instead."""
    try:
        yield
    except OSError as error:
        raise refuse(owner, "spec", spec, f"{error.strerror or error}: {forms}") from None
    except UnfitError as error:
        raise refuse(owner, "spec", spec, str(error)) from None


@contextmanager
def opened(
    spec: str, digest: Callable[[bytes], None] | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[str, str | None, Iterator[bytes]]]:
    """Path and column that ``spec`` names, and the bytes of that path as they are read."""
    path, column = _located(spec)
    opening, total = _opened(path)
    with opening as stream:
        yield path, column, _chunks(stream, total, digest, progress)


def topics() -> list[str]:
    """The texts of builtin:pydoc."""
    from pydoc_data.topics import topics

    return [topics[topic] for topic in sorted(topics)]


def _located(spec: str) -> tuple[str, str | None]:
    """Path and column; the last colon that ends the name of a file parts them."""
    if not (os.path.exists(spec) or spec.startswith("builtin:")):
        for colon in [at for at, letter in enumerate(spec) if letter == ":"][::-1]:
            if os.path.isfile(spec[:colon]):
                return spec[:colon], spec[colon + 1 :]
    return spec, None


def _opened(path: str) -> tuple[AbstractContextManager[BinaryIO], int]:
    """Stream of a path, and how many bytes it has, 0 where nobody knows."""
    if path == "-":
        return nullcontext(sys.stdin.buffer), 0
    if os.path.exists(path):
        return open(path, "rb"), os.path.getsize(path)
    if path == "builtin:pydoc":
        text = "\n".join(topics()).encode()
        return io.BytesIO(text), len(text)
    if path.startswith("builtin:"):
        raise UnfitError("no such text: there is builtin:pydoc")
    raise FileNotFoundError(errno.ENOENT, "no such file")


def _chunks(
    stream: BinaryIO,
    total: int,
    digest: Callable[[bytes], None] | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[bytes]:
    """Bytes of a stream as they are read, with the digest and the progress told of them."""
    done = 0
    while chunk := stream.read(CHUNK):
        done += len(chunk)
        if digest is not None:
            digest(chunk)
        if progress is not None:
            progress(done, total)
        yield chunk
    if not done:
        raise OSError(errno.ENODATA, "it is empty")


def _counted(chunks: Iterable[bytes], path: str, column: str | None, unit: Unit) -> tuple[Counter[str], str]:
    """Counts by token, and what a token is."""
    suffix = os.path.splitext(path)[1].lower()
    if column is not None and suffix not in (".jsonl", ".ndjson"):
        if suffix == ".parquet":
            raise UnfitError("a .parquet is not read here: write its texts to a .jsonl")
        raise UnfitError(f"only .jsonl and .parquet have columns: drop {shown(':' + column)}")
    match suffix, unit:
        case ((".csv" | ".tsv"), Unit.WORDS):
            return _table(chunks, tabs=suffix == ".tsv"), "samples"
        case ((".csv" | ".tsv"), _):
            raise UnfitError("the unit of a table is its rows: leave out the unit, or pipe it in as text")
        case ((".jsonl" | ".ndjson"), _):
            texts = jsonl(chunks, "text" if column is None else column)
        case _, Unit.BYTES:
            return _bytes(chunks), unit.value
        case _:
            texts = decoded(chunks, WORD_END, ", or count --unit bytes, which takes any file")
    if unit is Unit.BYTES:
        return _bytes(text.encode(errors="surrogatepass") for text in texts), unit.value
    return Counter(chain.from_iterable(map(words, texts))), unit.value


def _bytes(pieces: Iterable[bytes]) -> Counter[str]:
    """Counts of the byte values, written as in a literal of Python."""
    counts = np.zeros(256, np.int64)
    for piece in pieces:
        counts += np.bincount(np.frombuffer(piece, np.uint8), minlength=256)
    return Counter({repr(bytes([value]))[2:-1]: int(counts[value]) for value in np.flatnonzero(counts)})


def _pieces(chunks: Iterable[bytes], end: re.Pattern[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that stop where ``end`` does."""
    waiting: list[bytes] = []
    for chunk in chunks:
        found = end.match(chunk)
        if found:
            yield b"".join([*waiting, found[0]])
            waiting.clear()
        waiting.append(chunk[found.end() :] if found else chunk)
    yield b"".join(waiting)


def decoded(chunks: Iterable[bytes], end: re.Pattern[bytes], remedy: str = "") -> Iterator[str]:
    """The text that bytes in UTF-8 spell, in such pieces, without a byte order mark."""
    start = 0
    for piece in _pieces(chunks, end):
        try:
            text, at = piece.decode(), piece.find(b"\0")
        except UnicodeDecodeError as error:
            at = error.start
        if at >= 0:
            what = f"byte {start + at} ({piece[at]:#04x}) is no text in UTF-8"
            raise UnfitError(f"{what}: decompress the file or convert it to UTF-8{remedy}")
        yield text if start else text.removeprefix("\ufeff")
        start += len(piece)


def jsonl(chunks: Iterable[bytes], column: str) -> Iterator[str]:
    """Texts in one column of a jsonl file; blank lines are skipped."""
    lines = (text.removesuffix("\n").split("\n") for text in decoded(chunks, LINE_END))
    for number, line in enumerate(chain.from_iterable(lines), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UnfitError(f"line {number} is no JSON object: mend it, or rename a plain text to .txt")
        yield text_in(row, column, f"line {number}")


def text_in(row: Mapping[str, object], column: str, where: str) -> str:
    """The text in one column of a row, which is ``where``."""
    text = row.get(column)
    if not isinstance(text, str):
        there = [name for name, value in row.items() if isinstance(value, str)]
        columns = shown(there)[1:-1]
        remedy = f"name {'one of ' if len(there) > 1 else ''}{columns}" if there else "no column of it holds text"
        raise UnfitError(f"{where} has no text in column {shown(column)}: {remedy}")
    return text


def _table(chunks: Iterable[bytes], *, tabs: bool) -> Counter[str]:
    """Counts in a table, as `read` describes it."""
    lines = io.StringIO("".join(decoded(chunks, LINE_END)), newline="")
    quoting: Literal[0, 3] = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
    between = "\t" if tabs else ","
    reader = csv.reader(lines, delimiter=between, quoting=quoting, strict=True)
    counts: Counter[str] = Counter()
    try:
        rows = filter(None, reader)  # without blank lines
        first = next(rows, [])
        numeric = [at for at, cell in enumerate(first) if _number(cell) is not None]
        where = numeric or [at for at, cell in enumerate(first) if cell.strip().lower() in COUNT_NAMES]
        if len(first) > 2 or len(where) != 1:
            line = f"line {reader.line_num} is {shown(between.join(first))}"
            raise UnfitError(f"{line}: keep two columns, under the header token,count")
        for row in chain([first], rows) if numeric else rows:
            line = f"line {reader.line_num}"
            if len(row) != len(first):
                raise UnfitError(f"{line} has {len(row)} columns, not {len(first)}: quote what holds commas")
            token = row[1 - where[0]] if len(row) == 2 else line
            if "\n" in token.strip():
                raise UnfitError(f"{line} ends a token of many lines: double quotes in tokens")
            if token in counts:
                raise UnfitError(f"{line} repeats the token {shown(token)}: give each token one row")
            count = _number(row[where[0]])
            if count is None or not 0 <= count <= MOST or count != int(count):
                raise UnfitError(f"{line} counts {shown(row[where[0]])}: give a whole number from 0 to 2^53")
            counts[token] = int(count)
    except csv.Error as error:
        raise UnfitError(f"line {reader.line_num} is no csv, {error}: double quotes in tokens") from None
    if not 0 < counts.total() <= MOST:
        raise UnfitError(f"the counts sum to {counts.total()}: let their sum be above 0 and at most 2^53")
    return +counts  # without the zeros


def _number(cell: str) -> Decimal | None:
    """The finite number in a cell, or None."""
    try:
        number = Decimal(cell)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _label(token: str) -> str:
    """A token as a table can carry it: short, control characters escaped."""
    short = token if len(token) <= WIDTH else token[: WIDTH - 3] + "..."
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], short)
