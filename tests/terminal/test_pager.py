"""Which pager is started, and that none can hurt."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from worker.terminal.pager import Page, command, paged


@pytest.mark.parametrize(
    ("environ", "arguments"),
    [
        ({}, ["less", "-FRX"]),
        ({"PAGER": ""}, []),
        ({"PAGER": "  "}, []),
        ({"PAGER": "cat"}, []),
        ({"PAGER": "more"}, ["more"]),
        ({"PAGER": "less -R '+/two words'"}, ["less", "-R", "+/two words"]),
        ({"PAGER": "less 'never closed"}, []),
    ],
)
def test_the_pager_is_the_person_s_or_less(environ: dict[str, str], arguments: list[str]) -> None:
    assert command(environ) == arguments


def test_where_nobody_looks_nothing_is_started(tmp_path: Path) -> None:
    stream = io.StringIO()
    with paged(stream, {"PAGER": f"touch {tmp_path / 'started'}"}) as page:
        page.write("text")
    assert stream.getvalue() == "text"
    assert list(tmp_path.iterdir()) == []


def test_a_page_knows_when_nobody_reads_on() -> None:
    stream = io.StringIO()
    page = Page(stream, terminal=False)
    page.write("a")
    page.flush()
    assert not page.over
    stream.close()
    assert page.write("lost") == 4
    page.flush()
    assert page.over
