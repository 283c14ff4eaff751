"""Make .venv what requirements.lock and pyproject.toml say; do nothing where it is that already.

Two marks are written, each after what it stands for is done, so that a half-made environment has no mark:

    .venv/locked     the packages of the lock: the digest of the lock, the interpreter, the place
    .venv/installed  the project itself, editable: the digest of pyproject.toml besides

Where the first is missing or says something else, the environment is made again from nothing; where only the
second does, the project alone is installed again.  Needs nothing but Python; uses uv where it is on the PATH.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
BASE = getattr(sys, "_base_executable", sys.executable)  # not the one inside .venv, should that be active


def mark(*names: str) -> str:
    """Say what an environment made here, now, from these files would be."""
    digests = [hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names]
    return "\n".join([sys.version, sys.base_prefix, str(ROOT), *digests])


def marked(name: str, wanted: str) -> bool:
    """Whether the environment carries this mark."""
    path = VENV / name
    return path.is_file() and path.read_text() == wanted


class CommandError(Exception):
    """A command did not succeed: what it printed, and what it was."""


def run(*command: object) -> None:
    """Run a command in silence."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise CommandError(f"{done.stdout}\nfailed: {' '.join(words)}")


def starts(interpreter: Path) -> bool:
    """Whether the interpreter is there and runs (a link to a removed Python is not)."""
    return os.access(interpreter, os.X_OK) and subprocess.run([str(interpreter), "-c", ""]).returncode == 0


def remove() -> None:
    """Leave nothing where the environment goes."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)


def make_with_uv() -> bool:
    """The packages of the lock, in seconds; False where uv is missing or cannot."""
    uv = shutil.which("uv")
    if uv is None:
        return False
    remove()
    print("creating .venv from requirements.lock with uv", flush=True)
    try:
        run(uv, "venv", "--no-project", "--python", BASE, VENV)
        run(uv, "pip", "install", "--python", PYTHON, "--require-hashes", "-r", "requirements.lock")
    except CommandError as failure:  # uv has its own certificates and settings: pip may do better
        print(failure, file=sys.stderr)
        return False
    return True


def make_with_pip() -> None:
    """The packages of the lock, in a minute."""
    remove()
    print("creating .venv from requirements.lock with pip", flush=True)
    run(BASE, "-m", "venv", VENV)
    run(PYTHON, "-m", "pip", "install", "--require-hashes", "-r", "requirements.lock")


def update() -> None:
    """Compare the marks and do what they ask for."""
    locked = mark("requirements.lock")
    installed = mark("requirements.lock", "pyproject.toml")
    if not (marked("locked", locked) and starts(PYTHON)):
        if not make_with_uv():
            make_with_pip()
        (VENV / "locked").write_text(locked)
    if not marked("installed", installed):
        (VENV / "installed").unlink(missing_ok=True)
        run(PYTHON, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--editable", ROOT)
        (VENV / "installed").write_text(installed)


def main() -> None:
    """Update the environment while nobody else does."""
    if sys.version_info < (3, 11):
        version = sys.version.split()[0]
        sys.exit(f"Python {version} is too old, 3.11 or newer is needed: make PYTHON=python3.12 ...")
    place = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)  # of two that start together one makes it, the other finds it made
    except OSError:
        print("this file system has no locks: do not run two of these at once", file=sys.stderr)
    try:
        update()
    except CommandError as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
