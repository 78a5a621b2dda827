"""The list in README.md is complete, and what it names is there."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
CASES = range(1, 70)
OF_THE_LIST = HERE / "test_list.py"


def listed() -> dict[int, list[tuple[str, str]]]:
    """The tests that the list names, by case; each as its file and its name."""
    lines = (HERE / "README.md").read_text().split("\n## ")[0].splitlines()
    return {
        int(found[1]): re.findall(r"`([\w/]+\.py)::(\w+)`", line)
        for line in lines
        if (found := re.match(r"\| (\d+) \|", line))
    }


def defined_in(path: Path) -> dict[str, str]:
    """The tests of a file, each with its docstring."""
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_case_is_held_by_a_test() -> None:
    found = listed()
    assert list(found) == list(CASES)
    assert [case for case, tests in found.items() if not tests] == []


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{file}::{name}"
        for tests in listed().values()
        for file, name in tests
        if not (TESTS / file).exists() or name not in defined_in(TESTS / file)
    ]
    assert missing == []


def test_every_test_here_says_its_case_and_is_listed_under_it() -> None:
    found = listed()
    for path in sorted(HERE.glob("test_*.py")):
        if path == OF_THE_LIST:
            continue
        for name, text in defined_in(path).items():
            said = re.match(r"Cases? (\d+)(?:(?: to | and )(\d+))?:", text)
            assert said, f"{name} does not say its case"
            cases = range(int(said[1]), int(said[2] or said[1]) + 1)
            here = (f"conformance/{path.name}", name)
            assert any(here in found[case] for case in cases) or (
                len(cases) > 1 and any(here in tests for tests in found.values())
            ), f"{name} is not listed under {said[0]}"
