"""Texts: what becomes a document, which part it goes to, and how it is cut into tokens and windows."""

import ast
import builtins
import hashlib
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelcollapse import corpus
from modelcollapse.lm import documents as reader
from modelcollapse.lm.documents import PIECE, REACH, documents, pieces
from modelcollapse.lm.text import LONG, Text, read, split, squeezed
from modelcollapse.lm.tokenizer import BPE, Bytes, fit_bpe, fit_bytes
from modelcollapse.lm.windows import REAL, SYNTHETIC, Windows, cut, join, written
from modelcollapse.theory.arguments import InputError

ROWS = ["first row", "line one\nline two", "  ", "añb\u00e9 \u4e2d", "first row"]
TEXTUAL = st.text(st.characters(codec="utf-8"))


def as_jsonl(path: Path, rows: list[str], column: str = "text") -> Path:
    """A file with an object in each line."""
    path.write_text("".join(json.dumps({"id": at, column: row}) + "\n" for at, row in enumerate(rows)))
    return path


def as_parquet(path: Path, rows: list[Any], column: str = "text") -> Path:
    """A parquet file with a column of numbers and this one."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"id": list(range(len(rows))), column: rows}), path, row_group_size=2)
    return path


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """The places that anything tries to reach over the network; none answers."""
    datasets = pytest.importorskip("datasets")
    tried: list[Any] = []

    def refuse(*place: Any, **_: Any) -> None:
        tried.append(place)
        raise OSError("no network")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tried


# Documents


def test_a_row_is_a_document_whatever_the_file(tmp_path: Path, connections: list[Any]) -> None:
    expected = [row for row in ROWS if row.strip()]
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub2").mkdir()
    for column in ("text", "body"):
        named = "" if column == "text" else ":body"
        as_parquet(tmp_path / "hub" / "train-00000.parquet", ROWS, column)
        as_jsonl(tmp_path / "hub2" / "train.jsonl", ROWS, column)
        for spec in (
            str(as_jsonl(tmp_path / "rows.jsonl", ROWS, column)),
            str(as_parquet(tmp_path / "rows.parquet", ROWS, column)),
            f"hf:{tmp_path / 'hub'}",
            f"hf:{tmp_path / 'hub2'}",
        ):
            assert list(documents(spec + named)) == expected, spec
    assert not connections


def test_a_table_is_read_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH", 3)
    rows = [f"row {at}" for at in range(10)]
    path = as_parquet(tmp_path / "rows.parquet", rows)
    from pyarrow.parquet import ParquetFile

    whole = ParquetFile.iter_batches
    with mock.patch.object(ParquetFile, "iter_batches", autospec=True, side_effect=whole) as batches:
        assert list(documents(str(path))) == rows
    assert batches.call_args.kwargs == {"batch_size": 3, "columns": ["text"]}


def test_a_data_set_is_streamed_from_the_hub_by_its_name() -> None:
    datasets = pytest.importorskip("datasets")
    with mock.patch.object(datasets, "load_dataset", return_value=itertools.repeat({"body": "again"})) as load:
        assert list(itertools.islice(documents("hf:owner/name:body"), 3)) == ["again"] * 3
        assert read("hf:owner/name:body", most=12).documents == ("again",) * 3
    load.assert_called_with("owner/name", split="train", streaming=True)


def test_a_help_topic_is_a_document() -> None:
    from pydoc_data.topics import topics

    text = read("builtin:pydoc")
    assert text.documents == tuple(topics[topic] for topic in sorted(topics))
    assert text.sha256 == corpus.read("builtin:pydoc").sha256


def test_the_docstrings_of_a_module_are_a_document_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "b.py": '"""Of b."""\ndef f():\n    """Of f.\n\n    More.\n    """\n    class C:\n        "Of C."\n'
        'async def g():\n    "Of g."\n',
        "a/z.py": 'if True:\n    def h():\n        "\\d of h."\nraise SystemExit\n',
        "a/__init__.py": '# coding: latin-1\n"""Of \xe9."""\n',
        "a.py": "import nothing_of_that_name\n",
        "broken.py": '"""Of broken."""\n(',
        "test/t.py": '"""Of a test."""\n',
        "a/tests/t.py": '"""Of a test."""\n',
        "site-packages/p.py": '"""Of a package."""\n',
    }
    for name, source in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source.encode("latin-1"))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert list(documents("builtin:stdlib")) == ["Of \xe9.", "\\d of h.", "Of b.\n\nOf f.\n\nMore.\n\nOf C.\n\nOf g."]


def test_the_standard_library_of_this_python_is_there() -> None:
    first = list(itertools.islice(documents("builtin:stdlib"), 5))
    assert first == list(itertools.islice(documents("builtin:stdlib"), 5))
    module = ast.parse(Path(str(sys.modules["__future__"].__file__)).read_text())
    assert any(document.startswith(str(ast.get_docstring(module))) for document in first)


def test_a_path_that_exists_is_that_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("builtin:pydoc", "hf:name", "-", "text", "table.md"):
        Path(name).write_text(f"the file {name}")
        assert list(documents("./-" if name == "-" else name)) == [f"the file {name}"]
    with mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfpiped"))):
        assert list(documents("-")) == ["piped"]


def test_half_a_surrogate_pair_is_no_letter(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a\\ud800b \\ud83d\\ude00"}')
    assert list(documents(str(path))) == ["a\ufffdb \U0001f600"]


LINES = st.lists(st.sampled_from(["x" * 700, "word " * 100, "", " \t", "y" * 12_000, "\r", "z"]), max_size=60)


@given(LINES, st.booleans())
@settings(max_examples=60)
def test_documents_of_a_plain_text_join_to_it(lines: list[str], final: bool) -> None:
    text = "\n".join(lines) + "\n" * final
    found = list(pieces(text))
    assert "".join(found) == text
    assert len(found) == 1 or min(map(len, found)) >= PIECE
    assert max(map(len, found)) < REACH + PIECE


@pytest.mark.parametrize("blank", ["\n\n", "\n \t\n\n", "\r\n\r\n"])
def test_a_plain_text_is_cut_at_blank_lines(blank: str) -> None:
    paragraph = ("a line of a paragraph\n" * 30).rstrip("\n")
    found = list(pieces(blank.join([paragraph] * 40)))
    assert len(found) == 10
    assert all(document.endswith(paragraph + blank) for document in found[:-1])


@pytest.mark.parametrize(
    ("unit", "length"), [("a line\n", 2_002), ("word ", 2_000), ("words ", 2_004), ("x", 2_000), ("\u4e2d", 2_000)]
)
def test_a_text_without_blank_lines_is_cut_at_lines_then_at_blanks_then_anywhere(unit: str, length: int) -> None:
    found = list(pieces(unit * (30_000 // len(unit))))
    assert {len(document) for document in found[:-1]} == {length}
    assert all(document.endswith(unit) for document in found)


# Texts


@given(st.text(st.sampled_from("ab \t\n\r\u2003\u00a0")) | TEXTUAL)
def test_squeezing_leaves_one_whitespace_between_the_same_words(text: str) -> None:
    squeeze = squeezed(text)
    assert squeeze.split() == text.split()
    assert not any(first.isspace() and second.isspace() for first, second in itertools.pairwise(squeeze))
    assert squeezed(squeeze) == squeeze
    assert all(letter in " \n" for letter in squeeze if letter.isspace())
    assert ("\n" in squeeze) == ("\n" in text)


def test_a_text_says_what_it_is(tmp_path: Path) -> None:
    path = str(as_jsonl(tmp_path / "rows.jsonl", ["a  b", "c\n\nd", "e"]))
    text = read(path)
    assert text == Text(path, ("a  b", "c\n\nd", "e"))
    assert text.characters == 9
    assert text.sha256 == hashlib.sha256(b"a  b\nc\n\nd\ne").hexdigest()
    assert read(path, squeeze=True).documents == ("a b", "c\nd", "e")
    assert read(path, most=4).documents == ("a  b",)
    assert read(path, most=5).documents == ("a  b", "c\n\nd")
    assert read(path, most=100) == text


# Parts


@st.composite
def long_and_short(draw: st.DrawFn) -> Text:
    """Documents of many lengths, some of them twice."""
    sizes = draw(st.lists(st.integers(1, 60), min_size=2, max_size=80))
    found = [f"{at:02}" + "x" * size for at, size in enumerate(sizes)]
    return Text("drawn", tuple(found + draw(st.lists(st.sampled_from(found), max_size=10))))


@given(long_and_short(), st.integers(0, 5), st.sampled_from([(0.75, 0.05, 0.2), (0.1, 0.1, 0.8), (0.4, 0.3, 0.3)]))
@example(Text("equal", tuple(map(chr, range(97, 117)))), 0, (0.75, 0.05, 0.2))
def test_parts_are_disjoint_together_all_and_none_is_empty(
    text: Text, seed: int, shares: tuple[float, float, float]
) -> None:
    weights = Counter({document: len(document) * text.documents.count(document) for document in text.documents})
    limit = LONG * text.characters
    if sum(weight <= limit for weight in weights.values()) < 2:
        with pytest.raises(InputError, match="name a text of more documents"):
            split(text, seed, shares)
        return
    made = split(text, seed, shares)
    parts = (made.training, made.stopping, made.test)
    assert all(parts)
    assert Counter(itertools.chain(*parts)) == Counter(text.documents)
    assert sum(len(set(part)) for part in parts) == len(weights)
    assert {document for document in weights if weights[document] > limit} <= set(made.training)
    for part, share in zip(parts[1:], shares[1:], strict=True):
        assert sum(map(len, part)) <= share * text.characters + limit + 1e-9
        assert list(part) == [document for document in text.documents if document in part]


def test_a_split_is_drawn_by_its_seed_and_keeps_its_shares() -> None:
    short = tuple(f"{at:03} " * (1 + at % 7) for at in range(500))
    text = Text("many", ("a" * 2_000, *short, "b" * 2_000))  # the long ones are a third of it
    made = split(text, seed=3)
    assert made == split(text, seed=3) == split(text, np.int64(3))  # type: ignore[arg-type]
    assert not set(made.test) <= set(split(text, seed=4).test)
    shares = [sum(map(len, part)) / text.characters for part in (made.training, made.stopping, made.test)]
    assert shares == pytest.approx([0.75, 0.05, 0.2], abs=2 * 28 / text.characters)  # two of the longest


# Tokens


@given(TEXTUAL, TEXTUAL)
def test_bytes_spell_what_they_encode(text: str, other: str) -> None:
    fitted = fit_bytes([text, "a", other])
    assert set(fitted.alphabet) == set((text + "a" + other).encode())
    ids = fitted.encode(text)
    assert ids.dtype == np.int32
    assert ids.tolist() == [1 + fitted.alphabet.index(byte) for byte in text.encode()]
    assert fitted.decode(ids) == text
    assert fitted.decode([fitted.start, *ids, fitted.start]) == text
    assert fitted.size == len(fitted.alphabet) + 1


@given(st.binary(min_size=1))
def test_broken_letters_are_replaced(raw: bytes) -> None:
    fitted = Bytes(bytes(range(256)))
    assert fitted.decode(np.frombuffer(raw, np.uint8).astype(int) + 1) == raw.decode(errors="replace")


@pytest.fixture(scope="module")
def pairs() -> BPE:
    """Merged pairs of the built-in text."""
    pytest.importorskip("tokenizers")
    return fit_bpe(read("builtin:pydoc", most=40_000).documents, 400)


@given(TEXTUAL)
def test_merged_pairs_spell_what_they_encode(pairs: BPE, text: str) -> None:
    ids = pairs.encode(text)
    assert ids.dtype == np.int32
    assert not len(ids) or 1 <= ids.min() <= ids.max() < pairs.size == 400
    assert pairs.decode(ids) == pairs.decode([pairs.start, *ids]) == text


def test_merged_pairs_are_fewer_than_bytes(pairs: BPE) -> None:
    document = read("builtin:pydoc").documents[-1]
    ids = pairs.encode(document)
    assert ids.max() > 256
    assert len(ids) < len(document.encode())
    assert pairs.decode(pairs.encode("\u00e9\u4e2d")[:-1]) == "\u00e9\ufffd"
    assert pairs.decode(pairs.encode("a\ud800b")) == "a\ufffdb"


def test_the_same_documents_give_the_same_pairs(pairs: BPE) -> None:
    program = """
from modelcollapse.lm.text import read
from modelcollapse.lm.tokenizer import fit_bpe
print(fit_bpe(read("builtin:pydoc", most=40_000).documents, 400).merges, end="")
"""
    for seed, threads in (("1", "1"), ("2", "7")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads, "PYTHONUTF8": "1"}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=True)
        assert done.stdout.decode() == pairs.merges


def test_a_vocabulary_that_the_documents_cannot_give_is_refused_with_the_one_they_can() -> None:
    pytest.importorskip("tokenizers")
    found = ["low lower lowest low lower low"]
    with pytest.raises(InputError, match=r"fit_bpe\(size=300\): the documents give (\d+) ids") as caught:
        fit_bpe(found, 300)
    most = int(str(caught.value).split("give ")[1].split()[0])
    assert 257 < most < 300
    assert fit_bpe(found, most).size == most
    with pytest.raises(InputError, match=f"give {most} ids"):
        fit_bpe(found, most + 1)
    assert fit_bpe(found, 257).encode("low").tolist() == [fit_bpe([], 257).encode(letter)[0] for letter in "low"]
    with pytest.raises(InputError, match="start token and all bytes are 257 ids"):
        fit_bpe(found, 256)


# Windows


@given(st.lists(st.text("abc\u00e9"), max_size=8), st.integers(1, 6))
def test_windows_are_consecutive_pieces_of_one_document(found: list[str], length: int) -> None:
    fitted = fit_bytes(["abc\u00e9"])
    raw = [document.encode() for document in found]
    expected = [one[at : at + length] for one in raw for at in range(0, len(one) - length + 1, length)]
    if not expected:
        longest = max(map(len, raw), default=0)
        with pytest.raises(InputError, match=rf"length={length}\): the longest document has {longest} tokens"):
            cut(found, fitted, length)
        return
    windows = cut(found, fitted, length)
    assert [bytes(fitted.alphabet[token - 1] for token in row) for row in windows.tokens] == expected
    assert (len(windows), windows.length) == (len(expected), length)
    assert set(windows.origin) == {REAL} and set(windows.generation) == {0} and set(windows.model) == {-1}


def test_windows_keep_where_they_come_from() -> None:
    real = written(np.arange(6).reshape(3, 2))
    first = written(np.arange(10, 14).reshape(2, 2), generation=1, model=0)
    other = written(np.arange(20, 22).reshape(1, 2), generation=3, model=4)
    pool = join([real, first, other])
    assert [array.dtype for array in (pool.tokens, pool.origin, pool.generation, pool.model)] == [
        np.int32, np.uint8, np.int32, np.int32,
    ]  # fmt: skip
    assert pool.origin.tolist() == [REAL] * 3 + [SYNTHETIC] * 3
    assert pool.generation.tolist() == [0, 0, 0, 1, 1, 3]
    assert pool.model.tolist() == [-1, -1, -1, 0, 0, 4]
    taken = pool.take(np.array([5, 0, 0]))
    assert taken.tokens.tolist() == [[20, 21], [0, 1], [0, 1]]
    assert (taken.generation.tolist(), taken.model.tolist()) == ([3, 0, 0], [4, -1, -1])
    assert len(pool.take(pool.origin == SYNTHETIC)) == 3
    assert len(pool.take(slice(0, 0))) == 0


# Refusals

UNREADABLE: list[tuple[str, bytes | None, str]] = [
    ("absent.txt", None, "no such file: name a text file, a .jsonl or .parquet"),
    ("absent.parquet:text", None, "no such file: "),
    ("builtin:nothing", None, "there are builtin:pydoc and builtin:stdlib"),
    ("empty.txt", b"", "it is empty: name a text file"),
    ("blank.txt", b" \n\n ", "it holds blanks and no text: name a text file"),
    ("blank.jsonl", b'{"text": " "}', "it holds blanks and no text"),
    ("rows.jsonl:body", b'{"text": "a"}', "line 1 has no text in column 'body': name 'text'"),
    ("text.txt:body", b"a text", "only .jsonl and .parquet have columns: drop ':body'"),
    ("table.csv", b"a,1\nb,2", "a table of counts has no documents: name a text file"),
    ("broken.parquet", b"a text", "it is no parquet file, "),
    ("late.txt", b"text \xff", "byte 5 (0xff) is no text in UTF-8"),
    ("hf:./absent", None, "no such folder: name a text file"),
]


@pytest.mark.parametrize(("spec", "raw", "message"), UNREADABLE)
def test_what_holds_no_documents_is_refused_in_one_line(
    spec: str, raw: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if raw is not None:
        Path(spec.partition(":")[0]).write_bytes(raw)
    assert message in refusal(spec)


def refusal(spec: str) -> str:
    """The message with which a spec is refused: one line that names it."""
    with pytest.raises(InputError) as caught:
        read(spec)
    message = str(caught.value)
    assert message.startswith(f"text.read(spec={spec!r}): ") and "\n" not in message
    return message


def test_columns_that_hold_no_text_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hub").mkdir()
    for spec, where in (("rows.parquet", "the table"), ("hf:./hub", "row 1")):
        as_parquet(Path("rows.parquet"), ["a", None], "body")
        as_parquet(Path("hub/train.parquet"), ["a", None], "body")
        assert f"{where} has no text in column 'text': name 'body'" in refusal(spec)
        assert "row 1 has no text in column 'id': name 'body'" in refusal(f"{spec}:id")
        assert "row 2 has no text in column 'body': no column of it holds text" in refusal(f"{spec}:body")
    Path("hub/train.parquet").rename("hub/validation.parquet")
    assert "it cannot be loaded, Bad split: train" in refusal("hf:./hub")
    assert not connections


@pytest.mark.parametrize(
    ("library", "spec", "extra"), [("pyarrow", "rows.parquet", "text"), ("datasets", "hf:owner/name", "hub")]
)
def test_a_missing_extra_is_named(
    library: str, spec: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.parquet").write_bytes(b"rows")
    without(library, monkeypatch)
    assert refusal(spec).endswith(f"with the extra {extra}: pip install 'modelcollapse[{extra}]'")


def test_merged_pairs_without_their_extra_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    without("tokenizers", monkeypatch)
    for use in (lambda: fit_bpe(["a"], 300), lambda: BPE("{}").encode("a")):
        with pytest.raises(InputError, match=r"need the extra text: pip install 'modelcollapse\[text\]'$"):
            use()


def without(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets that library be missing."""
    there = builtins.__import__

    def found(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == library:
            raise ImportError(name)
        return there(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", found)


TEXT = Text("short", ("a", "b", "c"))
ROW = written([[1, 2]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: read("builtin:pydoc", most=0), r"text.read\(most=0\): "),
        (lambda: split(TEXT), r"text.split\(text='short'\): only 0 of its 3 different documents are at most 5% of it: "),
        (lambda: split(TEXT, -1), r"text.split\(seed=-1\): "),
        (lambda: split(TEXT, 0, (0.5, 0.5, 0.5)), r"text.split\(shares=.*\): three positive numbers that sum to one"),
        (lambda: split(TEXT, 0, (1.0, 0.0, 0.0)), r"text.split\(shares=.*\): three positive numbers that sum to one"),
        (lambda: fit_bytes([""]), r"fit_bytes\(documents=\[\]\): "),
        (lambda: Bytes(b"ba"), r"Bytes\(alphabet=b'ba'\): different bytes in ascending order"),
        (lambda: Bytes(b"ab").encode("abc"), r"Bytes.encode\(text='abc'\): it has byte 0x63, which was not fitted"),
        (lambda: Bytes(b"ab").decode([1, 3]), r"Bytes.decode\(ids=\[1, 3\]\): .* from 0 to 2"),
        (lambda: Bytes(b"ab").decode([-1]), r"Bytes.decode\(ids=\[-1\]\): "),
        (lambda: Bytes(b"ab").decode([0.5]), r"Bytes.decode\(ids=\[0.5\]\): "),
        (lambda: Bytes(b"ab").decode([[1]]), r"Bytes.decode\(ids=\[\[1\]\]\): a row of token ids"),
        (lambda: cut(["ab"], Bytes(b"ab"), 0), r"windows.cut\(length=0\): "),
        (lambda: join([]), r"windows.join\(parts='lengths \[\]'\): "),
        (lambda: join([ROW, written([[1]])]), r"windows.join\(parts='lengths \[1, 2\]'\): join windows of one length"),
        (lambda: written([1, 2]), r"Windows\(tokens='shape \(2,\)'\): "),
        (lambda: written([[1]], generation=1), r"Windows\(origin=.*\): real \(0\): generation 0, model -1"),
        (lambda: written([[1]], model=0), r"Windows\(origin=.*\): "),
        (lambda: Windows(ROW.tokens, ROW.origin, ROW.generation, np.zeros(2)), r"Windows\(model='shape \(2,\)'\): "),
    ],
)  # fmt: skip
def test_a_refusal_names_what_is_wrong(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}") as caught:
        make()
    assert "\n" not in str(caught.value)
