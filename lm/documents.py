r"""Documents of what a user names, one by one.

`documents` takes one of

    path                   a text in UTF-8, whatever its suffix, cut into documents by `pieces`
    path.jsonl:column      an object in each line, a document in that column (``text`` by default); also .ndjson
    path.parquet:column    a document in each row (extra ``text``)
    hf:name[:column]       split ``train`` of a data set of the Hugging Face hub (extra ``hub``), or hf:./folder, one on disk
    builtin:pydoc          a document for each help topic of the running Python
    builtin:stdlib         a document for each module of its standard library: the docstrings; nothing is executed
    source:NAME            text of known entropy: markov, zipf or pcfg (`lm.known`)
    -                      the text on standard input

A path that exists is that path, colons and all. Only ``hf:`` with a name touches the network.
"""

from __future__ import annotations

import ast
import errno
import os
import re
import sysconfig
import warnings
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path

from modelcollapse import corpus
from modelcollapse.corpus import UnfitError
from modelcollapse.theory.arguments import shown

from . import known

PIECE = 2_000  # characters that a document cut from a plain text has at least
REACH = 10_000  # and how many are searched for a blank line
BATCH = 1_024  # rows of parquet that are read at once

FORMS = "name a text file, a .jsonl or .parquet[:column], hf:name[:column], builtin:pydoc, builtin:stdlib, source:markov, or -"
BREAKS = (re.compile(r"\n(?:[^\S\n]*\n)+"), re.compile(r"\n"), re.compile(r"\s"))
NO_LETTER = re.compile("[\ud800-\udfff]")
NO_MODULES = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def documents(spec: str) -> Generator[str, None, None]:
    """The documents that ``spec`` names, one by one, as listed above, without blank ones.

    Half a surrogate pair, which JSON can hold, is no letter and becomes U+FFFD.
    Raises InputError as `read` does, when it comes to what is unfit.
    """
    with corpus.refusing("text.read", spec, FORMS):
        for document in _found(spec):
            if document.strip():
                yield NO_LETTER.sub("\ufffd", document)


def pieces(text: str) -> Iterator[str]:
    r"""Documents of a plain text: each has at least 2,000 characters, and all of them joined are the text.

    One ends at the first run of blank lines after that many characters; without one in the next 8,000, at the end of
    a line, then after a blank, then anywhere.

    >>> [len(piece) for piece in pieces("paragraph\n\n" * 1_000)]
    [2002, 2002, 2002, 2002, 2992]
    """
    start = 0
    while len(text) - start >= 2 * PIECE:
        ends = (pattern.search(text, start + PIECE - 1, start + REACH) for pattern in BREAKS)
        end = next((found.end() for found in ends if found), start + PIECE)
        if len(text) - end < PIECE:
            break
        yield text[start:end]
        start = end
    yield text[start:]


def _found(spec: str) -> Iterator[str]:
    """The documents as they are found."""
    if not os.path.exists(spec):
        match spec.partition(":"):
            case "hf", ":", name:
                return _hub(name)
            case "builtin", ":", "pydoc":
                return iter(corpus.topics())
            case "builtin", ":", "stdlib":
                return _docstrings(Path(sysconfig.get_path("stdlib")))
            case "source", ":", name:
                source = known.named(name)
                if source is None:
                    raise UnfitError("no such source: there are source:markov, source:zipf and source:pcfg")
                return known.documents(source)
            case "builtin", ":", _:
                raise UnfitError("no such text: there are builtin:pydoc and builtin:stdlib")
    return _file(spec)


def _file(spec: str) -> Iterator[str]:
    """Documents of a file, or of standard input."""
    with corpus.opened(spec) as (path, column, chunks):
        match os.path.splitext(path)[1].lower():
            case ".jsonl" | ".ndjson":
                yield from corpus.jsonl(chunks, "text" if column is None else column)
            case ".parquet":
                yield from _parquet(path, "text" if column is None else column)
            case _ if column is not None:
                raise UnfitError(f"only .jsonl and .parquet have columns: drop {shown(':' + column)}")
            case ".csv" | ".tsv":
                raise UnfitError(f"a table of counts has no documents: {FORMS}")
            case _:
                yield from pieces("".join(corpus.decoded(chunks, corpus.LINE_END)))


def _parquet(path: str, column: str) -> Iterator[str]:
    """Texts in one column of a parquet file, read batch by batch."""
    try:
        from pyarrow import ArrowException, types
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UnfitError("parquet is read with the extra text: pip install 'modelcollapse[text]'") from None
    try:
        with ParquetFile(path) as table:
            schema = table.schema_arrow
            textual = [
                field.name for field in schema if types.is_string(field.type) or types.is_large_string(field.type)
            ]
            others = {name: "" for name in textual if name != column}  # to say what could be named
            if column not in schema.names:
                corpus.text_in(others, column, "the table")
            batches = table.iter_batches(batch_size=BATCH, columns=[column])
            texts = chain.from_iterable(batch.column(0).to_pylist() for batch in batches)
            for row, text in enumerate(texts, start=1):
                yield corpus.text_in({**others, column: text}, column, f"row {row}")
    except (ArrowException, OSError) as error:
        raise UnfitError(f"it is no parquet file, {_first_line(error)}: mend it, or rename it") from None


def _hub(name: str) -> Iterator[str]:
    """Texts in one column of the training split of a data set of the Hugging Face hub, or of a folder."""
    try:
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    except ImportError:
        raise UnfitError("hf: is read with the extra hub: pip install 'modelcollapse[hub]'") from None
    if not name.strip(":/ "):
        raise UnfitError("name a data set: hf:owner/name[:column], or hf:./folder")
    column = "text"
    if ":" in name and not os.path.isdir(name):
        name, _, column = name.rpartition(":")
    if name.startswith((".", "/")) and not os.path.isdir(name):
        raise FileNotFoundError(errno.ENOENT, "no such folder")
    try:
        rows = load_dataset(name, split="train", streaming=True)
        for number, row in enumerate(rows, start=1):
            yield corpus.text_in(row, column, f"row {number}")
    except (DatasetsError, OSError, ValueError) as error:
        raise UnfitError(f"it cannot be loaded, {_first_line(error)}: name a data set with a split train") from None


def _docstrings(folder: Path) -> Iterator[str]:
    """The docstrings of each module in a folder and below, in the order of their paths; tests are left out."""
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).parts):
        if NO_MODULES.isdisjoint(path.relative_to(folder).parts):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the compiler about old code
                try:
                    tree = ast.parse(path.read_bytes())
                except (SyntaxError, ValueError):
                    continue
            nodes = [node for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
            nodes.sort(key=lambda node: getattr(node, "lineno", 0))
            yield "\n\n".join(filter(None, map(ast.get_docstring, nodes)))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
