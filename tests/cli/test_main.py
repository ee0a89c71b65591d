"""What users see of errors that no command handles."""

from __future__ import annotations

import sqlite3

import pytest

from worker.cli import completion
from worker.cli.main import command_line
from worker.ledger.engine import ConnectionLostError

LOST = ConnectionLostError("server closed the connection unexpectedly")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LOST, "the ledger's database cannot be used: server closed the connection unexpectedly"),
        (sqlite3.OperationalError("disk I/O error"), "database cannot be used: disk I/O error"),
        (ValueError("odd"), "a bug in duplicate-batches: ValueError: odd"),
    ],
)
def test_an_error_that_no_command_handles_is_one_message(
    error: Exception,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(completion, "main", fail)
    assert command_line(["completion", "bash"]) == 1
    out, err = capsys.readouterr()
    assert (out, text in err) == ("", True), err
    assert "Traceback" not in err
    assert ("bug" in err) == isinstance(error, ValueError)
