"""Tables: they fit the window, show ids whole or visibly cut, and nothing hostile acts in them."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len

from worker.terminal.tables import (
    campaign_tables,
    ledger_columns,
    ledger_table,
    open_console,
    short_id,
)

SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"
NEW = "0192a3b4-5678-7abc-8def-0123456789ff"
OTHER = "0192a3b4-5678-7abc-8def-0123456789ee"
ROWS: list[dict[str, object]] = [
    {
        "line": 2,
        "copy": 1,
        "status": "created",
        "name": "Wave 01",
        "source_batch_id": SOURCE,
        "new_batch_id": NEW,
    },
    {
        "line": 123456,
        "copy": 10000,
        "status": "unknown",
        "name": "[red]Wave[/red] :bomb: " + "long " * 30,
        "source_batch_id": SOURCE,
        "new_batch_id": None,
        "error": f"no answer within 60 s; candidates: {NEW}, {OTHER}",
    },
    {
        "line": 4,
        "copy": 1,
        "status": "failed",
        "name": "漢字" * 40,
        "source_batch_id": SOURCE,
        "error": "422: [bold]no",
    },
    {
        "line": 5,
        "copy": 1,
        "status": "pending",
        "name": "\x1b[31mred\u202e\u200f\nx",
        "source_batch_id": SOURCE,
    },
]


def table(width: int, *, color: bool = False) -> str:
    stream = io.StringIO()
    ledger_table(ROWS, open_console(stream, width=width, color=color))
    return stream.getvalue()


@pytest.mark.parametrize("width", [64, 70, 76, 80, 100, 120, 140, 200])
def test_a_table_fits_its_window_and_holds_whole_ids(width: int) -> None:
    text = table(width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert text.count(NEW) == 2
    assert OTHER in text
    assert "123456" in text
    assert "10000" in text


@pytest.mark.parametrize("width", [1, 10, 20, 40, 63])
def test_a_narrow_window_gets_lines_with_whole_ids(width: int) -> None:
    text = table(width)
    assert text.count(NEW) == 2
    assert OTHER in text


def test_a_narrow_window_names_the_duplicate_as_people_count() -> None:
    stream = io.StringIO()
    rows: list[dict[str, object]] = [
        {"line": 4, "copy": 2, "copies": 12, "status": "pending", "name": "a"},
        {"line": 5, "copy": 1, "copies": 1, "status": "pending", "name": "b"},
        {"line": None, "item": 7, "copy": 1, "copies": 1, "status": "pending", "name": "c"},
    ]
    ledger_table(rows, open_console(stream, width=60))
    assert stream.getvalue().splitlines() == [
        "line 4, copy 2 of 12: pending a",
        "line 5: pending b",
        "#7: pending c",
    ]


@pytest.mark.parametrize("width", [1, 20, 63, 64, 80, 100, 139, 140, 250])
def test_no_id_is_cut_without_a_sign(width: int) -> None:
    whole = {SOURCE, NEW, OTHER}
    for found in re.findall(r"0192a3b4[0-9a-f…-]*", table(width)):
        assert found in whole or "…" in found


@pytest.mark.parametrize("width", [20, 80, 200])
def test_names_are_text_and_nothing_else(width: int) -> None:
    text = table(width)
    assert all(line.isprintable() for line in text.splitlines())
    assert "💣" not in text
    if width == 200:
        assert "[red]Wave[/red] :bomb:" in text
        assert r"\x1b[31mred\u202e\u200f\nx" in text
        assert "422: [bold]no" in text


def test_statuses_are_colored_where_color_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32mcreated" in table(100, color=True)
    assert "\x1b[31mfailed" in table(100, color=True)
    assert "\x1b" not in table(100, color=False)


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (63, ""),
        (64, "line copy status outcome"),
        (76, "line copy status name outcome"),
        (100, "line copy status source name outcome"),
        (140, "line copy status source_batch_id name outcome"),
    ],
)
def test_the_narrower_the_fewer_columns(width: int, columns: str) -> None:
    assert " ".join(ledger_columns(width)) == columns


@pytest.mark.parametrize(("whole", "short"), [(SOURCE, "0192a3b4…89ab"), ("abc", "abc"), ("", "")])
def test_short_ids(whole: str, short: str) -> None:
    assert short_id(whole) == short


CAMPAIGN = {
    "created_at": "2026-03-01T12:00:00.000Z",
    "items": 3,
    "created": 3,
    "failed": 0,
    "unknown": 0,
    "pending": 0,
}
RUN = {
    "run_id": "20260301T120000-abcdef",
    "campaign": "autumn",
    "host": "host",
    "pid": 17,
    "created": 1200,
    "started_at": "2026-03-01T12:00:00.000Z",
    "ended_at": "2026-03-01T14:05:00.000Z",
    "stopped_by": None,
    "exit_code": 0,
    "requests": 1300,
    "throttled": 2,
    "kind": "run",
}
DEAD = RUN | {"ended_at": None, "exit_code": None}
STOPPED = RUN | {"kind": "settle", "stopped_by": "max_duration", "exit_code": 1}


def lists(width: int) -> str:
    stream = io.StringIO()
    campaigns: list[dict[str, object]] = [
        CAMPAIGN | {"campaign": "[b]spring\x1b"},
        CAMPAIGN | {"campaign": "autumn"},
    ]
    campaign_tables(campaigns, [RUN, DEAD, STOPPED], open_console(stream, width=width))
    return stream.getvalue()


@pytest.mark.parametrize("width", [50, 60, 80, 100, 120, 200])
def test_campaigns_and_runs_fit_the_window_and_their_names_are_whole(width: int) -> None:
    text = lists(width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert text.count("20260301T120000-abcdef") == 3
    assert r"[b]spring\x1b" in text


def test_runs_tell_when_they_were_how_long_they_took_and_who_ended_them() -> None:
    first, dead, stopped = [line for line in lists(140).splitlines() if "abcdef" in line]
    assert re.search(
        r"autumn +run +2026-03-01 12:00 +2 h 5 min +1,200 +1,300 +2 +finished, exit 0", first
    )
    assert " crashed: process 17 on host" in dead
    assert "running or" not in dead, "a later run held the lock"
    assert "stopped: max_duration" in stopped
    assert re.search(r"autumn +settle +2026", stopped)


def test_the_latest_run_may_still_be_running() -> None:
    stream = io.StringIO()
    campaign_tables(
        [CAMPAIGN | {"campaign": "autumn"}], [DEAD, DEAD], open_console(stream, width=140)
    )
    first, last = [line for line in stream.getvalue().splitlines() if "abcdef" in line]
    assert " crashed: process" in first
    assert "running or crashed: process" in last


def test_without_campaigns_it_says_so() -> None:
    stream = io.StringIO()
    campaign_tables([], [], open_console(stream, width=80))
    assert stream.getvalue() == "no campaigns\n\nno runs\n"


def test_many_rows_keep_the_columns_of_the_first_ones() -> None:
    stream = io.StringIO()
    many = (
        {"line": n, "copy": 1, "status": "created", "name": "x", "new_batch_id": NEW}
        for n in range(1, 1201)
    )
    ledger_table(many, open_console(stream, width=90))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 + 1200
    assert {line.index(NEW) for line in lines[2:]} == {lines[2].index(NEW)}
    assert all(len(line) <= 90 for line in lines)


def test_without_rows_it_says_so() -> None:
    stream = io.StringIO()
    ledger_table([], open_console(stream, width=80))
    assert stream.getvalue() == "no rows\n"


def test_a_reader_that_went_away_ends_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    ledger_table(ROWS, open_console(stream, width=80))
