"""The name of a row as a job file writes it: pure tables."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model.job_names import job_name, literal
from worker.model.names import parse_name, render_name


@pytest.mark.parametrize(
    ("sent", "template", "written"),
    [
        ("", "", ""),
        (None, "", ""),
        ("Wave 1", "Wave 1", "Wave 1"),
        (None, "Wave {{1}}, 1 of {copies}", "Wave {{1}}, 1 of 12"),
        (None, "{source_name}!", "{source_name}!"),
        ("Signs!", "{source_name}!", "Signs!"),
        ("{n}!", "{source_name}!", "{{n}}!"),
        ("two\nlines!", "{source_name}!", "{source_name}!"),
        (" spaced!", "{source_name}!", "{source_name}!"),
        ("cafe\u0301!", "{source_name}!", "{source_name}!"),
        ("#REF!", "{source_name}", "{source_name}"),
    ],
)
def test_a_name_is_written_as_it_was_sent_or_as_it_will_be(
    sent: str | None, template: str, written: str
) -> None:
    assert job_name(sent, template, 12) == written


@given(st.text())
def test_what_is_written_for_a_name_means_that_name_whatever_it_holds(name: str) -> None:
    written = job_name(name, "{source_name}", 3)
    meant = parse_name(written).identity(n=1, source_id="", campaign="", date=date(2026, 3, 1))
    assert render_name(meant, name, 1) == (
        name if written == literal(name) else render_name("{source_name}", name, 1)
    )
