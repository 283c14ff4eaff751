"""Every example in a docstring runs, under the name that the module has when installed."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def modules() -> list[str]:
    """Names of all modules that may hold examples."""
    found = []
    for folder, package in [
        ("modelcollapse", "modelcollapse"),
        ("theory", "modelcollapse.theory"),
        ("simulate", "modelcollapse.simulate"),
        ("lm", "modelcollapse.lm"),
    ]:
        for path in sorted((ROOT / folder).glob("*.py")):
            if path.stem != "__main__":
                found.append(package if path.stem == "__init__" else f"{package}.{path.stem}")
    return found


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_show_what_it_does(name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    ran = 0
    for example in doctest.DocTestFinder().find(module, name):
        runner.run(example, out=report.append)
        ran += len(example.examples)
    assert not runner.failures, "".join(report)

    written = len(re.findall(r"^ *>>> ", Path(str(module.__file__)).read_text(), re.MULTILINE))
    assert ran == written, f"{name}: {written} examples are written and {ran} were found (a decorator hides some?)"


def test_there_are_modules_to_look_at() -> None:
    assert {"modelcollapse", "modelcollapse.theory", "modelcollapse.simulate"} <= set(modules())
