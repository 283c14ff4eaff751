"""The command line: strings become records here, and nowhere else.

Results go to standard output, progress and refusals to standard error. Exit code 0: done; 1: a theorem did not hold;
2: the input is refused, in one line; 3: a sweep is unfinished after --time, and the same command goes on.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .terminal import speak_plainly


class Commands(Mapping[str, Any]):
    """The commands by name, in the order of help; each is read when it is asked for, so that none waits for the others."""

    names = ("plan", "theorems", "verify", "sweep", "train", "demo")

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@cache
def _read(name: str) -> Any:
    one = typer.Typer(add_completion=False)
    one.command(name)(import_module(f"modelcollapse.commands.{name}").command)
    return typer.main.get_command(one)


class Group(TyperGroup):
    """The command `modelcollapse`, which knows `Commands`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = Commands()


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How much synthetic data may a model be trained on? Closed forms, derived, simulated and checked.",
)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """How much synthetic data may a model be trained on? Closed forms, derived, simulated and checked."""
    if version:
        from . import __version__

        typer.echo(__version__)
        raise typer.Exit


TRAINING = ("flax", "optax", "orbax", "numpyro")  # what the extra lm brings


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a refusal is one line on standard error and exit code 2."""
    import gc

    problem: Any
    gc.set_threshold(100_000)  # imports make objects, not garbage
    speak_plainly()
    # Typer brings its own Click or uses the installed one: ask it which
    misused: Any = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")
    try:
        code = app(
            args=list(arguments) if arguments is not None else None, prog_name="modelcollapse", standalone_mode=False
        )
        if code == 130:  # Typer makes this of Ctrl-C
            typer.echo("modelcollapse: stopped", err=True)
        sys.stdout.flush()
    except SystemExit as stop:  # and 1 of a reader that has had enough
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except misused as problem:
        message = problem.format_message()
        asked = type(problem).__name__ == "NoArgsIsHelpError"
        typer.echo(message if asked else f"modelcollapse: {' '.join(message.split())}", err=not asked)
        code = 0 if asked else 2
    except ModuleNotFoundError as problem:
        if (problem.name or "").split(".")[0] not in TRAINING:
            raise
        typer.echo("modelcollapse: this needs the extra lm: pip install 'modelcollapse[lm]'", err=True)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("modelcollapse: stopped", err=True)
        code = 130
    except OSError as problem:
        if problem.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of the output cannot be written either
        code = 0 if problem.errno == errno.EPIPE else 2
        if code:
            typer.echo(f"modelcollapse: the output cannot be written: {problem.strerror}", err=True)
    except ValueError as problem:
        if not _is_refusal(problem):
            raise
        typer.echo(f"modelcollapse: {problem}", err=True)
        code = 2
    sys.exit(code or 0)


def _is_refusal(problem: ValueError) -> bool:
    from modelcollapse.theory.arguments import InputError

    return isinstance(problem, InputError)


if __name__ == "__main__":
    main()
