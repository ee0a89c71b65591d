"""What is printed: which characters stay, and which errors mean that nobody reads any more."""

from __future__ import annotations

import codecs
import errno
import io
import json
import sys

import pytest

from worker.terminal import output


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("plain", "ascii", "plain"),
        ("Größe", "latin-1", "Größe"),
        ("Größe", "ascii", "Gr??e"),
        ("→ 2 × … 日本", "latin-1", "-> 2 × ... ??"),
        ("→ 2 × · –", "ascii", "-> 2 x - -"),
        ("🎉\udcff", "utf-8", "🎉?"),
    ],
)
def test_characters_that_an_encoding_does_not_have_are_replaced(
    text: str, encoding: str, shown: str
) -> None:
    assert text.encode(encoding, output._REPLACED).decode(encoding) == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "utf-16", "cp037"])
@pytest.mark.parametrize("indent", [None, 1])
def test_json_is_exact_in_every_encoding(
    encoding: str, indent: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {"name": "ü 日本語 🎉 \u202e \x1b \n \udcff"}
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    output.say_json(value, indent=indent)
    assert output.finish(0) == 0
    text = raw.getvalue().decode(encoding)
    assert json.loads(text) == value
    assert ("日本語" in text) is encoding.startswith("utf")


@pytest.mark.parametrize(
    ("error", "terminal", "gone"),
    [
        (BrokenPipeError(errno.EPIPE, ""), False, True),
        (BrokenPipeError(errno.EPIPE, ""), True, True),
        (OSError(errno.EIO, ""), True, True),
        (OSError(errno.EIO, ""), False, False),
        (OSError(errno.ENOSPC, ""), True, False),
        (ValueError("closed"), True, False),
    ],
)
def test_a_closed_pipe_or_terminal_means_that_the_reader_has_gone(
    error: Exception, terminal: bool, gone: bool
) -> None:
    assert output.is_reader_gone(error, terminal=terminal) is gone


@pytest.mark.parametrize("code", [0, 1, 2, 3, 75, 130])
def test_a_command_keeps_its_own_code_and_a_good_one_becomes_1(
    code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    output.lose(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.StringIO())
        assert output.finish(code) == (code or 1)
    message = capsys.readouterr().err
    assert (
        message == "duplicate-batches: standard output cannot be written: No space left on device\n"
    )


def test_bytes_that_cannot_be_read_are_still_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        codecs.decode(b"\xff", "utf-8", output._REPLACED)
