"""Reads the Markdown pages that people read: headings, tables, code blocks and links. No tests
here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).parents[2]
README = "README.md"
INDEX = "docs/README.md"

INSIDE = {f"docs/{name}.md" for name in ("architecture", "faults", "pace", "performance")}
"""Pages about how it works; these also have options and commands of other programs."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """README, and every page of docs/, by their paths in the project."""
    return [README, *sorted(f"docs/{path.name}" for path in (HERE / "docs").glob("*.md"))]


@cache
def text(page: str) -> str:
    """A page as it is written."""
    return (HERE / page).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """The text of `page` under `heading`, up to the next heading."""
    after = text(page).split(f"\n{heading}\n", 1)
    assert len(after) == 2, f"{page} has no {heading!r}"
    return re.split(r"^#+ ", after[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(page: str, heading: str, number: int = 0) -> dict[str, list[str]]:
    """A table under `heading`: by its first cell, without backticks, the other cells of each
    row."""
    tables = re.findall(r"(?:^\|.*\n)+", section(page, heading), re.MULTILINE)
    rows = [_cells(line) for line in tables[number].splitlines()[2:]]
    return {first.replace("`", ""): others for first, *others in rows}


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]


def names_of(page: str, heading: str) -> list[str]:
    """The first words of a table's first cells: `--rate` of `--rate N/s`."""
    return [cell.split()[0] for cell in table(page, heading)]


def values_of(page: str, heading: str) -> dict[str, str]:
    """How a table of options writes each one's value: `N/s` of `--rate N/s`, and nothing for a
    switch."""
    return {cell.split()[0]: cell.partition(" ")[2] for cell in table(page, heading)}


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of `page` in this language, in order."""
    return [body for name, body in _FENCE.findall(text(page)) if name == language]


def files_shown(page: str) -> dict[str, str]:
    """The files that `page` shows, by the paths in their first lines."""
    found = (re.match(r"# (/\S+)\n", body) for _, body in _FENCE.findall(text(page)))
    return {match[1]: match.string for match in found if match}


def prose(page: str) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", text(page))


def links(page: str) -> Iterator[tuple[str, str]]:
    """Every link and picture of `page` that leads to this project: the file's path in the project,
    and the heading's anchor (may be empty)."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            file = (HERE / page).parent / name if name else HERE / page
            yield str(file.resolve().relative_to(HERE.resolve())), anchor


def anchors(page: str) -> set[str]:
    """The anchors that the headings of `page` have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
