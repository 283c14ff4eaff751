"""What is installed is what the folders hold, under one set of names, with imports that point one way."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelcollapse

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
FLOORS = ("theory", "simulate", "lm", "proofs")
TYPES_ONLY = {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
NOT_INSTALLED = {"build", "dist", "benchmarks"}  # the last is run from the root
NEEDED_TO_BUILD = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    *sorted({folder.split("/")[0] for folder in FOLDERS.values()}),
)

# What a floor may import of modelcollapse. The face and the proofs see all floors; nobody imports the proofs.
MAY_IMPORT = {
    "theory": {"theory"},
    "simulate": {"theory", "simulate"},
    "lm": {"theory", "simulate", "lm", "corpus"},
}


def python(program: str, elsewhere: Path, *arguments: str) -> str:
    """What a fresh interpreter prints in another folder, blind to PYTHONPATH, that folder and JAX_*."""
    command = [sys.executable, "-I", "-c", program, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def sources(folder: str) -> list[Path]:
    """The Python files of one folder at the root; links to other folders are not followed."""
    return sorted(path for path in (ROOT / folder).rglob("*.py") if not through_link(path))


def through_link(path: Path) -> bool:
    """Whether a folder on the way from the root is a link."""
    return any((ROOT / parent).is_symlink() for parent in path.relative_to(ROOT).parents)


def imported(path: Path, package: str, *, typing_too: bool = False) -> Iterator[str]:
    """Full names of all that a file imports, at its top or inside functions; relative ones made absolute."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in TYPES_ONLY and not typing_too:
            pending.extend(node.orelse)
            continue
        pending.extend(ast.iter_child_nodes(node))
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - level + 1], module or ""]).rstrip(".") if level else module
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(function).split(".")[
                -1
            ] in {"import_module", "__import__"}:
                yield name


def package_of(path: Path) -> str:
    """The installed name of the package that a file belongs to."""
    folder = path.relative_to(ROOT).parent
    top, *below = folder.parts
    names = {directory: name for name, directory in FOLDERS.items()}
    return ".".join([names.get(top, top), *below])


def everything() -> list[Path]:
    """All Python files that are kept here."""
    folders = ("modelcollapse", *FLOORS, "tests", "docs", "benchmarks")
    return [path for folder in folders for path in sources(folder)]


def test_the_packages_named_are_the_folders_on_disk() -> None:
    on_disk = {
        package_of(path)
        for top in ROOT.iterdir()
        if top.is_dir() and not top.name.startswith(".") and top.name not in NOT_INSTALLED
        for path in sources(top.name)
        if path.name == "__init__.py"
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == on_disk == set(FOLDERS)


def test_every_source_file_lies_in_a_package() -> None:
    for folder in FOLDERS.values():
        for path in sources(folder):
            assert (path.parent / "__init__.py").is_file(), f"{path.relative_to(ROOT)} would not be installed"


@pytest.mark.parametrize("name", FLOORS)
def test_the_links_lead_type_checkers_to_the_folders(name: str) -> None:
    link = ROOT / "modelcollapse" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name


def test_no_bare_name_is_importable(tmp_path: Path) -> None:
    program = """
import importlib.util
import modelcollapse.cli
for name in ("theory", "simulate", "lm", "proofs", "tests"):
    if importlib.util.find_spec(name):
        print(name)
"""
    assert python(program, tmp_path) == ""


@pytest.mark.parametrize("path", everything(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_imports_a_bare_name_or_the_proofs(path: Path) -> None:
    package = package_of(path)
    for name in imported(path, package, typing_too=True):
        assert name.split(".")[0] not in FLOORS, f"{name}: say modelcollapse.{name}"
        if package != "modelcollapse.proofs":
            assert not name.startswith("modelcollapse.proofs"), "nobody imports the proofs"


@pytest.mark.parametrize("floor", MAY_IMPORT)
def test_imports_point_one_way(floor: str) -> None:
    for path in sources(floor):
        for name in imported(path, package_of(path)):
            if name.split(".")[0] == "modelcollapse":
                part = (name.split(".") + [""])[1]
                assert part in MAY_IMPORT[floor], f"{path.relative_to(ROOT)} imports {name}"


def test_only_the_command_line_imports_commands() -> None:
    """It reads the one that is asked; what they call knows nothing of them."""
    for path in everything():
        package = package_of(path)
        if package not in ("modelcollapse.commands", "tests"):
            names = [name for name in imported(path, package) if name.startswith("modelcollapse.commands")]
            assert not names, f"{path.relative_to(ROOT)} imports {names[0]}"
        if package == "modelcollapse.commands":
            assert "modelcollapse.cli" not in {name.rpartition(".")[0] for name in imported(path, package)}


def test_a_command_waits_for_no_other(tmp_path: Path) -> None:
    program = """
import sys
from modelcollapse import cli
try:
    cli.main(["plan", "--real", "0", "--vocabulary", "5"])
except SystemExit:
    print(*sorted(name.split(".")[2] for name in sys.modules if name.startswith("modelcollapse.commands.")))
"""
    assert python(program, tmp_path).split() == ["options", "output", "plan"]


def test_theory_has_one_door_to_jax() -> None:
    users = {
        path.name
        for path in sources("theory")
        for name in imported(path, package_of(path))
        if name.split(".")[0] in {"jax", "jaxlib", "flax", "optax", "numpyro"}
    }
    assert users <= {"lower.py"}


@pytest.mark.parametrize(
    ("package", "kept_out"),
    [
        ("modelcollapse", {"jax", "matplotlib", "numpy", "scipy", "sympy", "xarray"}),
        ("modelcollapse.theory", {"jax", "jaxlib", "matplotlib", "xarray"}),
    ],
)
def test_importing_is_cheap(package: str, kept_out: set[str], tmp_path: Path) -> None:
    loaded = python(f"import sys, {package}; print(*sys.modules)", tmp_path).split()
    assert package in loaded
    assert not kept_out & set(loaded)


def test_the_version_is_one() -> None:
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert citation is not None
    assert PROJECT["project"]["version"] == modelcollapse.__version__ == citation[1]


@pytest.mark.parametrize("name", ["requirements.lock", "constraints.txt"])
def test_the_lock_names_no_place(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        assert "/" not in line, "a URL or a path"
        assert not re.search(r"[A-Za-z]:\\", line), "a path"


def test_the_lock_pins_what_the_project_asks_for() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^(\S+==\S+(?: ;[^\\]*)?) \\$", lock, re.MULTILINE)
    assert [line.strip() for line in pinned] == (ROOT / "constraints.txt").read_text().splitlines()

    wanted = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted += extra
    names = {line.split("==")[0] for line in pinned}
    assert {re.match(r"[A-Za-z0-9_.-]+", line)[0] for line in wanted} <= names  # type: ignore[index]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the folders as they are, built from a copy so that no old build can leak into it."""
    place = tmp_path_factory.mktemp("wheel")
    copy = place / "copy"
    copy.mkdir()
    for name in NEEDED_TO_BUILD:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(place),
        str(copy),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = place.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_under_its_installed_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in inside} == {"modelcollapse"}

    outside = {
        "/".join([*package_of(path).split("."), path.name])
        for folder in FOLDERS.values()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not through_link(path) and not path.name.startswith(".")
        if "__pycache__" not in path.parts
    }
    assert inside == outside
    assert "modelcollapse/py.typed" in inside


def test_the_evidence_can_be_collected_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = """
import os, sys
sys.path.insert(0, sys.argv[1])
import modelcollapse.proofs, pytest
assert modelcollapse.proofs.__file__.startswith(sys.argv[1])
status = pytest.main(["--pyargs", "modelcollapse.proofs", "--collect-only", "-q", "-p", "no:cacheprovider"])
assert os.environ["JAX_ENABLE_X64"] == "1"
sys.exit(status)
"""
    assert "test" in python(program, tmp_path, str(tmp_path / "site"))
