"""A corpus is the token counts of what a user names, or a refusal: never a number that the input lacks."""

import csv
import gzip
import hashlib
import io
import json
import os
import sys
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelcollapse import corpus
from modelcollapse.corpus import Corpus, Unit, read
from modelcollapse.theory.arguments import InputError

JOINERS = "'’-\u00ad\u2010\u2011\u200c\u200d"
LETTERS = "aé_7٣" + JOINERS + "  \n\r\t,.—" + "\u0301\u093f\U00011134ह中ß😀\ufe0f\ufeff\u2028"
texts = st.text(st.sampled_from(LETTERS)) | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
chunks = st.integers(1, 9)


def words_one_by_one(text: str) -> list[str]:
    """The sentence in the docstring of ``corpus.words``, letter by letter."""

    def starts(at: int) -> bool:
        return at < len(text) and (text[at].isalnum() or text[at] == "_")

    found, start = [], 0
    while start < len(text):
        end = start + starts(start)
        while start < end < len(text) and (
            starts(end)
            or unicodedata.category(text[end]) in ("Mn", "Mc", "Me")
            or (text[end] in JOINERS and starts(end + 1))
        ):
            end += 1
        if end > start:
            found.append(text[start:end])
        start = max(end, start + 1)
    return found


@contextmanager
def piped(raw: bytes, chunk: int = corpus.CHUNK) -> Iterator[None]:
    """Standard input holds these bytes, and is read so many at once."""
    stdin = io.TextIOWrapper(io.BytesIO(raw))
    with mock.patch.object(sys, "stdin", stdin), mock.patch.object(corpus, "CHUNK", chunk):
        yield


def from_file(name: str, raw: bytes, chunk: int = corpus.CHUNK, column: str = "") -> Corpus:
    """The corpus in a file of that name and content."""
    with TemporaryDirectory() as folder, mock.patch.object(corpus, "CHUNK", chunk):
        path = Path(folder) / name
        path.write_bytes(raw)
        return read(f"{path}{column}")


def descending(counts: Counter[str] | Counter[int]) -> list[int]:
    """The counts, the largest first."""
    return sorted(counts.values(), reverse=True)


# What is counted


@given(texts)
def test_words_are_what_their_sentence_says(text: str) -> None:
    assert corpus.words(text) == words_one_by_one(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("rock-'n'-roll -- 'tis", ["rock", "n", "roll", "tis"]),
        ("x\u2764\ufe0fy", ["x", "y"]),
        ("snake_case, 3.5", ["snake_case", "3", "5"]),
    ],
)
def test_words_of_many_scripts_stay_whole(text: str, words: list[str]) -> None:
    assert corpus.words(text) == words


@given(texts, chunks)
@example("-x" * 50, 3)
@example("'x" * 50, 1)
@example("é" * 50, 1)
def test_the_words_of_a_text_do_not_depend_on_how_it_is_cut(text: str, chunk: int) -> None:
    text = "two words " + text
    expected = Counter(words_one_by_one(text))
    with piped(text.encode(), chunk):
        counted = read("-")
    assert counted.counts.tolist() == descending(expected)
    assert counted.size == sum(expected.values())
    assert counted.vocabulary == len(expected)
    assert counted.singletons == list(expected.values()).count(1)
    assert counted.unit == "words"


@given(st.binary(min_size=2), chunks)
def test_the_bytes_of_anything_are_counted(raw: bytes, chunk: int) -> None:
    with piped(raw, chunk):
        counted = read("-", unit=Unit.BYTES)
    assert counted.counts.tolist() == descending(Counter(raw))
    assert counted.unit == "bytes"


@given(st.lists(texts | st.just("\ud800")), st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n \n"]), chunks)
def test_a_column_of_jsonl_holds_the_texts_of_its_rows(rows: list[str], ascii_only: bool, end: str, chunk: int) -> None:
    rows = ["two words", *rows]
    lines = [json.dumps({"id": 1, "a:b": row}, ensure_ascii=ascii_only or "\ud800" in row) for row in rows]
    raw = end.join(lines).encode()
    expected = Counter(word for row in rows for word in words_one_by_one(row))
    assert from_file("rows.jsonl", raw, chunk, ":a:b").counts.tolist() == descending(expected)


def test_the_bytes_of_a_column_are_those_of_its_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.NDJSON"
    path.write_text('{"text": "\\ud800"}\n{"text": "aa"}')
    counted = read(str(path), unit=Unit.BYTES)
    assert counted.tokens == ("a", "\\x80", "\\xa0", "\\xed")
    assert counted.counts.tolist() == [2, 1, 1, 1]


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8", categories=["L", "P", "Zs"])), st.integers(0, 2**40)),
    st.booleans(),
    st.booleans(),
)
def test_a_table_gives_its_counts_in_either_order(counts: dict[str, int], header: bool, swap: bool) -> None:
    counts = {"the": 2, **counts}
    rows: list[tuple[object, object]] = [("token", "Count")] if header else []
    rows += list(counts.items())
    written = io.StringIO()
    csv.writer(written).writerows(row[::-1] if swap else row for row in rows)
    counted = from_file("table.csv", written.getvalue().encode())
    assert counted.counts.tolist() == sorted((count for count in counts.values() if count), reverse=True)
    assert counted.unit == "samples"


@pytest.mark.parametrize(
    ("name", "table", "counts", "tokens"),
    [
        ("t.csv", "5\n7\n\n0\n", [7, 5], ("line 2", "line 1")),
        ("t.csv", "frequency\n5\n7.0\n1e1\n", [10, 7, 5], ("line 4", "line 3", "line 2")),
        ("t.csv", "n,word\r\n5,1999\r\n7,n\r\n", [7, 5], ("n", "1999")),
        ("t.csv", "\ufeffcount\n5\n", [5], ("line 2",)),
        ("t.csv", '"\n",3\n""""," 4"\n",",5', [5, 4, 3], (",", '"', "\\n")),
        ("t.tsv", '"\t3\n"a\t4\n,\t5\n', [5, 4, 3], (",", '"a', '"')),
    ],
)
def test_tables_come_in_many_forms(name: str, table: str, counts: list[int], tokens: tuple[str, ...]) -> None:
    counted = from_file(name, table.encode())
    assert counted.counts.tolist() == counts
    assert counted.tokens == tokens


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(chunk: int) -> None:
    files = {
        "a.txt": "one two\nétwo\n",
        "a.jsonl": '{"text": "one two"}\n{"text": "é"}\n',
        "a.csv": "a,1\nb,2\n",
    }
    for name, text in files.items():
        plain = from_file(name, text.encode(), chunk)
        windows = from_file(name, ("\ufeff" + text.replace("\n", "\r\n")).encode(), chunk)
        assert windows.counts.tolist() == plain.counts.tolist()
        assert windows.tokens == plain.tokens


# The record


def test_a_corpus_says_where_its_counts_come_from(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("to be or not to be " + "x" * 100)
    steps: list[tuple[int, int]] = []
    with mock.patch.object(corpus, "CHUNK", 50):
        counted = read(str(path), progress=lambda done, total: steps.append((done, total)))
    assert counted.name == str(path)
    assert counted.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert counted.tokens == ("to", "be", "or", "not", "x" * 37 + "...")
    assert counted.counts.dtype == np.int64
    assert not counted.counts.flags.writeable
    assert steps == [(50, 119), (100, 119), (119, 119)]


def test_the_most_frequent_tokens_are_kept_as_text() -> None:
    with piped(" ".join(f"w{i} " * i for i in range(1, 31)).encode()):
        assert read("-").tokens == tuple(f"w{i}" for i in range(30, 20, -1))


def test_the_built_in_text_is_always_there() -> None:
    topics = read("builtin:pydoc")
    assert topics.size > 10_000
    assert topics.name == "builtin:pydoc"
    assert read("builtin:pydoc", unit=Unit.BYTES).sha256 == topics.sha256
    with mock.patch.dict("pydoc_data.topics.topics", {"if": "second", "for": "first"}, clear=True):
        assert read("builtin:pydoc").sha256 == hashlib.sha256(b"first\nsecond").hexdigest()


def test_a_text_is_not_held_in_memory() -> None:
    raw = b"".join(b"word%d " % (i % 100) for i in range(200_000))
    with piped(raw, 1 << 14):
        corpus.words("")
        tracemalloc.start()
        read("-")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < len(raw) / 3


# What a spec names


def test_a_path_that_exists_is_that_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"text": "in text", "b": "all in b"}')
    assert read("a.jsonl").size == 2
    assert read("a.jsonl:b").size == 3
    Path("a.jsonl:b").write_text("a file of that name")
    assert read("a.jsonl:b").size == 5
    Path("a.jsonl:b.jsonl").write_text('{"text": "one of the last file"}')
    assert read("a.jsonl:b.jsonl:text").size == 5
    Path("-").write_text("four words in it")
    assert read("./-").size == 4
    Path("builtin").write_text("no text with columns")
    assert read("builtin:pydoc").size > 10_000
    Path("builtin:pydoc").write_text("a file")
    assert read("builtin:pydoc").size == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_has_no_known_end() -> None:
    steps: list[tuple[int, int]] = []
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "wb") as pipe:
        pipe.write(b"some words")
        pipe.close()
        counted = read(f"/dev/fd/{reading}", progress=lambda done, total: steps.append((done, total)))
    assert counted.size == 2
    assert steps == [(10, 0)]


# Refusals

FORMS = "name a text file, a .jsonl[:column], a .csv of counts, builtin:pydoc, or - for standard input"
CONVERT = "decompress the file or convert it to UTF-8"
REFUSALS: list[tuple[str, bytes | None, str, str]] = [
    ("absent.txt", None, "no such file", FORMS),
    ("absent.jsonl:text", None, "no such file", FORMS),
    ("a\0b", None, "no such file", FORMS),
    ("", None, "no such file", FORMS),
    (".", None, "Is a directory", FORMS),
    (".:column", None, "no such file", FORMS),
    ("builtin:nothing", None, "no such text", "there is builtin:pydoc"),
    ("empty.txt", b"", "it is empty", FORMS),
    ("empty.csv", b"", "it is empty", FORMS),
    ("blank.txt", b" \n--\n", "it holds 0 words", "name one that holds at least 2"),
    ("blank.jsonl", b"\n \n", "it holds 0 words", "name one that holds at least 2"),
    ("once.txt", b"once", "it holds 1 word", "name one that holds at least 2"),
    ("once.csv", b"once,1", "it holds 1 sample", "name one that holds at least 2"),
    ("nul.txt", b"a b\0c d", "byte 3 (0x00)", CONVERT + ", or count --unit bytes"),
    ("late.txt", b"words " * 30 + b"\xff words", "byte 180 (0xff)", CONVERT + ", or count --unit bytes"),
    ("cut.txt", "two é".encode()[:-1], "byte 4 (0xc3)", CONVERT + ", or count --unit bytes"),
    ("wide.txt", "two words".encode("utf-16-le"), "byte 1 (0x00)", CONVERT + ", or count --unit bytes"),
    ("text.gz", gzip.compress(b"two words", mtime=0), "byte 1 (0x8b)", CONVERT + ", or count --unit bytes"),
    ("late.jsonl", b'{"text": "a b"}\n' * 30 + b"\xff", "byte 480 (0xff)", CONVERT),
    ("wide.csv", b"a,1\nb\0,2", "byte 5 (0x00)", CONVERT),
    ("text.txt:column", b"two words", "only .jsonl and .parquet have columns", "drop ':column'"),
    ("text.txt:", b"two words", "only .jsonl and .parquet have columns", "drop ':'"),
    ("table.csv:column", b"a,1\nb,2", "only .jsonl and .parquet have columns", "drop ':column'"),
    (
        "rows.jsonl",
        b'{"id": 1, "body": "a b"}',
        "line 1 has no text in column 'text'",
        "name 'body'",
    ),
    ("rows.jsonl:", b'{"body": "a b"}', "line 1 has no text in column ''", "name 'body'"),
    ("rows.jsonl:b", b'{"b": "a"}\n\n{"c": "a b"}', "line 3 has no text in column 'b'", "name 'c'"),
    ("rows.jsonl:n", b'{"n": 3, "b": "a"}', "line 1 has no text in column 'n'", "name 'b'"),
    ("rows.jsonl", b'{"text": "a b"}\n{"text": null}', "line 2 has no text", "no column of it holds text"),
    ("broken.jsonl", b'{"text": "a b"}\r\n\n{"text":\n', "line 3 is no JSON object", "mend it"),
    ("marks.jsonl", b'{"text": "a"}\n\xef\xbb\xbf{"text": "b"}', "line 2 is no JSON object", "mend it"),
    ("list.jsonl", b'["a b"]', "line 1 is no JSON object", "mend it"),
    ("deep.jsonl", b"[" * 100_000, "line 1 is no JSON object", "mend it"),
    ("plain.jsonl", b"a plain text", "line 1 is no JSON object", "rename a plain text to .txt"),
    ("minus.csv", b"a,1\nb,-2", "line 2 counts '-2'", "give a whole number from 0 to 2^53"),
    ("half.csv", b"a,1\nb,2.5", "line 2 counts '2.5'", "give a whole number from 0 to 2^53"),
    ("tiny.csv", b"a,1\nb,1e-999999999", "line 2 counts '1e-999999999'", "give a whole number from 0 to 2^53"),
    ("nan.csv", b"token,count\n\na,nan", "line 3 counts 'nan'", "give a whole number from 0 to 2^53"),
    ("infinite.csv", b"a,1\nb,inf", "line 2 counts 'inf'", "give a whole number from 0 to 2^53"),
    ("huge.csv", b"a,1\nb,1e999999", "line 2 counts '1e999999'", "give a whole number from 0 to 2^53"),
    ("word.csv", b"5,a\nb,7", "line 2 counts 'b'", "give a whole number from 0 to 2^53"),
    ("hole.csv", b"a,1\nb,", "line 2 counts ''", "give a whole number from 0 to 2^53"),
    ("zero.csv", b"a,0\nb,0", "the counts sum to 0", "let their sum be above 0"),
    ("header.csv", b"count\n", "the counts sum to 0", "let their sum be above 0"),
    ("sum.csv", b"%d\n1" % 2**53, "the counts sum to 9007199254740993", "and at most 2^53"),
    ("large.csv", b"a,%d\nb,2" % (2**53 + 1), "line 1 counts '9007199254740993'", "a whole number from 0 to 2^53"),
    ("twice.csv", b"a,1\nb,2\na,3", "line 3 repeats the token 'a'", "give each token one row"),
    ("quotes.csv", b'",5\nthe,4\n",3', "line 3 ends a token of many lines", "double quotes in tokens"),
    ("open.csv", b'a,5\n",4\nthe,3', "line 3 is no csv, unexpected end of data", "double quotes in tokens"),
    ("ragged.csv", b"a,1\n,,2", "line 2 has 3 columns, not 2", "quote what holds commas"),
    ("three.csv", b"id,token,count\n1,a,2", "line 1 is 'id,token,count'", "keep two columns"),
    ("ids.csv", b"17,5\n18,4", "line 1 is '17,5'", "under the header token,count"),
    ("names.csv", b"word,freq\na,2", "line 1 is 'word,freq'", "under the header token,count"),
    ("both.csv", b"n,count\na,2", "line 1 is 'n,count'", "under the header token,count"),
    ("semicolon.csv", b"a;2\nb;3", "line 1 is 'a;2'", "keep two columns"),
]


def refusal(spec: str, unit: Unit = Unit.WORDS) -> str:
    """The message with which a spec is refused: one line that names it."""
    with pytest.raises(InputError) as caught:
        read(spec, unit=unit)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"corpus.read(spec={spec!r}): ")
    return message


@pytest.mark.parametrize("chunk", [7, corpus.CHUNK])
@pytest.mark.parametrize(("spec", "raw", "value", "remedy"), REFUSALS)
def test_a_refusal_names_value_and_remedy(
    spec: str,
    raw: bytes | None,
    value: str,
    remedy: str,
    chunk: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(corpus, "CHUNK", chunk)
    if raw is not None:
        Path(spec.partition(":")[0]).write_bytes(raw)
    message = refusal(spec)
    assert value in message
    assert remedy in message.partition(value)[2]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.txt").write_text("two words")
    with mock.patch("builtins.open", side_effect=PermissionError(13, "Permission denied")):
        assert refusal("secret.txt").endswith(f"Permission denied: {FORMS}")
    with mock.patch("builtins.open", return_value=io.BytesIO()) as opened:
        opened.return_value.read = mock.Mock(side_effect=OSError(5, "Input/output error"))
        assert refusal("secret.txt").endswith(f"Input/output error: {FORMS}")


def test_only_texts_have_bytes_as_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("a,1\nb,2")
    assert "leave out the unit" in refusal("table.csv", Unit.BYTES)
    with pytest.raises(InputError, match=r"^corpus.read\(unit='letters'\): pass Unit.WORDS or Unit.BYTES$"):
        read("table.csv", unit="letters")  # type: ignore[arg-type]
