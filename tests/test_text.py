"""Text that may be shown."""

from __future__ import annotations

import errno
import io
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.text import (
    Unbreakable,
    counted,
    first_of,
    for_window,
    human_duration,
    near,
    quoted,
    shell_command,
    shell_word,
    shortened,
    system_reason,
    verb,
    visible,
    visible_json,
    wrapped,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe 漢字 🎉", "Größe 漢字 🎉"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u200f\u2066\u2069\u200b", r"\u200f\u2066\u2069\u200b"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\udcff", r"\udcff"),
        ("no\u00a0break", "no\u00a0break"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_visible_json_keeps_the_value_and_is_encodable(text: str) -> None:
    line = visible_json(json.dumps({"name": text}, ensure_ascii=False))
    assert json.loads(line.encode()) == {"name": text}
    assert "\n" not in line
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (0.4, "under 1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (89, "1 min"),
        (180, "3 min"),
        (3569, "59 min"),
        (3590, "1 h"),
        (7500, "2 h 5 min"),
        (172_000, "47 h 47 min"),
        (172_800, "2 days"),
        (1e7, "116 days"),
    ],
)
def test_human_duration(seconds: float, expected: str) -> None:
    assert human_duration(seconds) == expected


@pytest.mark.parametrize(
    ("text", "width", "short"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 1, ""), ("ab", 1, "…")]
)
def test_shortened(text: str, width: int, short: str) -> None:
    assert shortened(text, width) == short


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Wave", '"Wave"'),
        ("a\x1b[31m\u202e", '"a\\x1b[31m\\u202e"'),
        ("x" * 61, f'"{"x" * 59}…"'),
        ("x" * 60, f'"{"x" * 60}"'),
        ("a\u00a0b\u200dc\n", r'"a\xa0b\u200dc\n"'),
        ("\x1b" * 1_000_000, f'"{(chr(92) + "x1b") * 14}{chr(92)}x1…"'),
    ],
)
def test_quoted_text_is_short_and_shows_what_looks_like_nothing(text: str, says: str) -> None:
    assert quoted(text) == says


@pytest.mark.parametrize(
    ("words", "total", "says"),
    [
        ([], 0, ""),
        (["#1"], 1, "#1"),
        (["#1", "#2"], 2, "#1 and #2"),
        (["#1", "#2", "#3"], 3, "#1, #2 and #3"),
        (["#1"], 2, "#1 and 1 more"),
        (["#1", "#2"], 1202, "#1, #2 and 1,200 more"),
        ([], 3, "3 more"),
    ],
)
def test_the_first_of_many_are_named_and_the_others_counted(
    words: list[str], total: int, says: str
) -> None:
    assert first_of(words, total) == says


ID = "0192a3b4-5678-7abc-8def-0123456789ab"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("short", 20, ["short"]),
        ("→ one two three four five", 20, ["→ one two three four", "  five"]),
        ("  one two three four five six", 20, ["  one two three four", "    five six"]),
        ("a\nb", 20, ["a", "b"]),
        (f"see {ID} there", 20, ["see", f"  {ID}", "  there"]),
    ],
)
def test_lines_are_broken_between_words_and_what_follows_is_indented(
    text: str, width: int, lines: list[str]
) -> None:
    assert wrapped(text, width).split("\n") == lines


def test_a_command_is_never_broken_so_that_it_can_be_copied() -> None:
    command = "duplicate-batches run wave.csv --retry-failed"
    shown = wrapped(f"→ When that is mended: {command} tries them too.", 30, [command])
    assert shown.split("\n") == ["→ When that is mended:", f"  {command}", "  tries them too."]


def test_only_a_window_is_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, file = "word " * 100, tmp_path / "ledgers" / "a.csv"
    assert for_window(text, io.StringIO()) == text
    assert near(file, io.StringIO()) == file
    window = io.StringIO()
    window.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, for_window(text, window).split("\n"))) <= 40
    assert near(file, window) == Path("ledgers/a.csv")
    assert near(Path("/elsewhere/a.csv"), window) == Path("/elsewhere/a.csv")


def test_counted() -> None:
    assert [counted(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


@pytest.mark.parametrize(
    "word", ["plain.csv", "my jobs/it's.csv", "a\nb'c\\d", "\u202ex.csv", "$HOME`id`", ""]
)
def test_a_shell_reads_the_word_back(word: str) -> None:
    assert shell_word(word).isprintable()
    command = shell_command(["printf", "%s", word])
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout.decode() == word


def test_an_unbreakable_stream_loses_what_it_cannot_write() -> None:
    closed = io.StringIO()
    closed.close()
    latin = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    for stream in (closed, latin):
        unbreakable = Unbreakable(stream)
        unbreakable.line("ö")
        unbreakable.flush()
    assert Unbreakable(latin).encoding == "ascii"


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 sources exist"), (1, "1 source exists"), (2, "2 sources exist")]
)
def test_noun_and_verb_agree(number: int, expected: str) -> None:
    assert f"{counted(number, 'source')} {verb(number, 'exists', 'exist')}" == expected


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 1, 0, 0)"), "Connection refused"),
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        (
            OSError("Multiple exceptions: failed ('::1', 1, 0, 0), failed ('10.0.0.1', 1)"),
            "Multiple exceptions: failed, failed",
        ),
        (OSError(), ""),
    ],
)
def test_the_reason_of_the_system_has_no_tuples(error: OSError, reason: str) -> None:
    assert system_reason(error) == reason
