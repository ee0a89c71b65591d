"""docs/faults.md promises a test for every fault: here it is held to that."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parents[1]
DOCUMENT = HERE / "docs" / "faults.md"
COLUMNS = ["fault", "what happens", "what the user sees", "test"]


def rows() -> list[list[str]]:
    """The cells of every row of every table, without the heads."""
    found = []
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            if cells != COLUMNS and set("".join(cells)) - set("-: "):
                found.append(cells)
    return found


@cache
def functions_of(path: Path) -> set[str]:
    """The names of a file's test functions."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_there_are_at_least_fifty_faults_each_told_once_and_whole() -> None:
    found = rows()
    assert len(found) >= 50
    assert all(len(cells) == len(COLUMNS) and all(cells) for cells in found), found
    faults = [cells[0] for cells in found]
    assert len(set(faults)) == len(faults)


def test_every_fault_names_tests_that_exist() -> None:
    for fault, _, _, tests in rows():
        named = re.findall(r"`([^`]+)`", tests)
        assert named, fault
        for one in named:
            path, _, name = one.partition("::")
            assert (HERE / path).is_file(), f"{fault}: {path}"
            assert name in functions_of(HERE / path), f"{fault}: {one}"


def test_every_sort_of_fault_has_rows() -> None:
    text = DOCUMENT.read_text("utf-8")
    sorts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    expected = ["Network", "HTTP", "Process", "Disk", "Clock", "Input", "People", "Every night"]
    assert sorts == expected
    for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        assert part.count("\n| ") >= 3
