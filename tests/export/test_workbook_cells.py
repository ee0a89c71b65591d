"""Values as cells of a workbook, and back, as tables."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.export.content import SHORTENED
from worker.export.workbook.cells import MAX_TEXT, cell_text, to_cell, to_datetime, to_text

NOON = dt.datetime(2026, 3, 1, 12, 0)


@pytest.mark.parametrize(
    ("column", "value", "cell"),
    [
        ("line", 7, 7),
        ("line", None, None),
        ("attempts", 0, 0),
        ("upload_new_dataset", True, "true"),
        ("upload_new_dataset", False, "false"),
        ("name", "", None),
        ("name", "007", "007"),
        ("name", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("name", "=1+1", "=1+1"),
        ("name", "'quoted", "'quoted"),
        ("x_own", "00123456789012345678", "00123456789012345678"),
        ("created_at", "2026-03-01T12:00:00Z", NOON),
        ("created_at", "2026-03-01T14:00:00.123456+02:00", NOON.replace(microsecond=123_000)),
        ("created_at", "2026-03-01T12:00:00", "2026-03-01T12:00:00"),
        ("created_at", "yesterday", "yesterday"),
        ("first_sent_at", "1850-01-01T00:00:00Z", "1850-01-01T00:00:00Z"),
        ("error", "a\r\nb\rc", "a\nb\nc"),
        ("error", "\ud800 \ufffe \uffff", "\ufffd \ufffd \ufffd"),
    ],
)
def test_each_value_becomes_a_cell_by_its_column(column: str, value: object, cell: object) -> None:
    assert to_cell(column, value) == cell
    assert type(to_cell(column, value)) is type(cell)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        ("", ""),
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (2.0, "2"),
        (2, "2"),
        (2.5, "2.5"),
        (NOON, "2026-03-01T12:00:00.000Z"),
        (NOON.replace(microsecond=122_999), "2026-03-01T12:00:00.123Z"),
        (NOON.replace(microsecond=123_001), "2026-03-01T12:00:00.123Z"),
        (NOON.date(), "2026-03-01T00:00:00.000Z"),
    ],
)
def test_each_cell_is_read_as_the_text_of_the_csv(cell: object, text: str) -> None:
    assert to_text(cell) == text


@given(st.datetimes(dt.datetime(1902, 1, 1), dt.datetime(9998, 1, 1)))
def test_a_time_comes_back_to_the_millisecond(when: dt.datetime) -> None:
    text = (
        when.replace(microsecond=when.microsecond // 1000 * 1000).isoformat(timespec="milliseconds")
        + "Z"
    )
    assert to_text(to_datetime(text)) == text


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "", "12", "2026-03-01"]
)
def test_text_that_is_not_a_time_stays_text(text: str) -> None:
    assert to_datetime(text) is None


@pytest.mark.parametrize("letter", ["a", "é", "漢", "😀"])
@pytest.mark.parametrize("over", [-3, -2, -1, 0, 1, 2, 100_000])
def test_text_that_is_too_long_for_a_cell_is_cut_and_says_so(letter: str, over: int) -> None:
    text = letter * ((MAX_TEXT + over) // (2 if letter == "😀" else 1))
    shown = cell_text(text)
    assert len(shown.encode("utf-16-le")) // 2 <= MAX_TEXT
    assert "\ufffd" not in shown
    if len(text.encode("utf-16-le")) // 2 <= MAX_TEXT:
        assert shown == text
    else:
        assert shown.endswith(SHORTENED)
        assert text.startswith(shown.removesuffix(SHORTENED))
        assert len(shown.encode("utf-16-le")) // 2 > MAX_TEXT - 2
