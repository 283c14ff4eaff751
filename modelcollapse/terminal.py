"""The terminal: numbers as people type them, refusals, and progress on what takes longer than two seconds."""

from __future__ import annotations

import codecs
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, overload


@overload
def whole(name: str, text: str) -> int: ...
@overload
def whole(name: str, text: None) -> None: ...
@overload
def whole(name: str, text: str | None) -> int | None: ...
def whole(name: str, text: str | None) -> int | None:
    """A whole number as people write it: 1000, 1_000, 1e6."""
    if text is None:
        return None
    value = _finite(name, text)
    if value != int(value):
        raise refused(name, text, "give a whole number")
    if value < 1:
        raise refused(name, text, "give a whole number, at least 1")
    if value > MOST:
        raise refused(name, text, f"give a whole number, at most {MOST:,} (2^53)")
    return int(text) if text.isdigit() else int(value)


MOST = 2**53  # whole numbers are exact up to here
LEAST_SIZE, MOST_SIZE = 1e-15, 1e100  # of a number that is not 0


def number(name: str, text: str, within: str = "") -> float:
    """A number that can be computed with. ``within``: the remedy of who knows its range."""
    tiny = f"give 0, or a number of at least {LEAST_SIZE:g} in size"
    return _computable(name, text, _finite(name, text, within=within), within, tiny)


def _computable(name: str, text: str, value: float, within: str, tiny: str) -> float:
    if value and abs(value) < LEAST_SIZE:
        raise refused(name, text, tiny)
    if abs(value) > MOST_SIZE:
        raise refused(name, text, within or f"give a number of at most {MOST_SIZE:g} in size")
    return value


def fraction(name: str, text: str, within: str = "") -> float:
    """A part of something, or more than all of it, as people write it: 0.1 or 10%. ``within`` as of a `number`.

    >>> fraction("tolerance", "0.1"), fraction("tolerance", "10%"), fraction("tolerance", "250 %")
    (0.1, 0.1, 2.5)
    """
    value = _finite(name, text, "such as 0.1 or 10%", in_hundreds, within)
    return _computable(name, text, value, within, f"give a number of at least {LEAST_SIZE:g}")


def in_hundreds(text: str) -> float:
    """A number, or so many per cent; raises ValueError for what is neither."""
    plain = text.strip()
    return float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)


def _finite(
    name: str,
    text: str,
    like: str = "like 1000 or 1e6",
    read: Callable[[str], float] = float,
    within: str = "",
) -> float:
    try:
        value = read(text)
    except ValueError:
        raise refused(name, text, f"give a number, {like}") from None
    if not math.isfinite(value):
        raise refused(name, text, within or "give a finite number")
    return value


def percent(share: float) -> str:
    """A share as people say it: in percent, and as a multiple where it is large.

    >>> percent(0.125), percent(250.0), percent(0.9999999)
    ('12.5 %', '250 times', '99.99999 %')
    """
    if share >= 10:
        return f"{share:.4g} times"
    texts = (f"{100 * share:.{digits}g} %" for digits in range(4, 18))
    return next(text for text in texts if share == 1 or text != "100 %")  # nearly all is not all


def amount(number: float) -> str:
    """A number of things as people say it.

    >>> amount(12345.4), amount(0.125), amount(float("inf"))
    ('12,345', '0.12', 'any number')
    """
    if math.isinf(number):
        return "any number"
    return f"{number:.2g}" if number < 10 and number != int(number) else f"{number:,.0f}"


def counted(number: float, thing: str, things: str = "") -> str:
    """A number of things, one or many.

    >>> counted(1, "generation"), counted(1234, "new real sample"), counted(0, "batch", "batches"), counted(0.999, "day")
    ('1 generation', '1,234 new real samples', '0 batches', '1 day')
    """
    many = things or f"{thing}s"
    return (
        f"any number of {many}"
        if math.isinf(number)
        else f"{amount(number)} {thing if amount(number) == '1' else many}"
    )


def be(number: float) -> str:
    """What so many do: is or are.

    >>> be(1), be(2), be(float("inf"))
    ('is', 'are', 'is')
    """
    return "is" if math.isinf(number) or amount(number) == "1" else "are"


def speak_plainly() -> None:
    """Where a terminal cannot print a sign, print words or letters that mean the same."""
    codecs.register_error("plainly", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plainly")


def _plain(problem: UnicodeError) -> tuple[str, int]:
    assert isinstance(problem, UnicodeEncodeError)
    signs = {"≥": ">=", "≤": "<=", "│": "|", "─": "-", "━": "-", "┃": "|", "–": "-"}
    return "".join(signs.get(sign, "?") for sign in problem.object[problem.start : problem.end]), problem.end


def refused(option: str, value: Any, remedy: str) -> ValueError:
    """The refusal of an option: its name, its value unless it is a flag, the remedy."""
    from modelcollapse.theory.arguments import InputError, shown

    name = f"--{option.replace('_', '-')}"
    if value is True:
        return InputError(f"{name}: {remedy}")
    text = (value or '""') if isinstance(value, str) else shown(value)
    return InputError(f"{name} {text}: {remedy}")


@contextmanager
def trainings(pieces: str = "trainings") -> Iterator[Callable[[float, float, str], None]]:
    """Progress of long work on standard error: a bar with the time left when a person looks, else a line for each piece."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        last = -1

        def line(done: float, total: float, what: str) -> None:
            nonlocal last
            if int(done) != last:
                spent = time.monotonic() - started
                rest = spent * (total - done) / done if done >= 1 else 0.0
                left = (
                    ""
                    if done < 1
                    else f", about {rest / 60:.0f} min left"
                    if rest > 120
                    else f", about {rest:.0f} s left"
                )
                print(
                    f"modelcollapse: {spent:.0f} s, {done:.1f} of {total:.0f} {pieces}{left}: {what}", file=sys.stderr
                )
                last = int(done)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None)
        yield lambda done, total, what: shown.update(task, completed=done, total=total, description=what)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error when a person looks, shown only for what takes longer than two seconds."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    started, shown = time.monotonic(), Progress(*columns, console=Console(stderr=True), transient=True)
    task = shown.add_task(title, total=None)

    def moved(done: int, total: int) -> None:
        if time.monotonic() - started > 2 and not shown.live.is_started:
            shown.start()
        shown.update(task, completed=done, total=total or None)

    try:
        yield moved
    finally:
        shown.stop()
