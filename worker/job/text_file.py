"""Decodes a job file's bytes: whether it exists, whether it is text, and in which encoding. Knows
nothing about the formats of jobs.

Bytes that are invalid in the encoding become lone surrogates, U+DC00 + byte. So reading never stops
in the middle of a buffer, and `broken_text` can say which line is invalid."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final, TextIO

from worker.folders import in_devices
from worker.model.errors import JobError, Problem, UsageError

_HEAD: Final = 4096
_SAVE_AS_CSV: Final = 'save it as "CSV UTF-8" and give that file'
_SIGNATURES: Final = (
    (b"PK\x03\x04", f"this is an Excel workbook or another zip archive, not text; {_SAVE_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", f"this is an old Excel workbook (.xls), not text; {_SAVE_AS_CSV}"),
    (b"%PDF", "this is a PDF, not text; give the CSV or YAML file it was created from"),
    (b"\x1f\x8b", "this is compressed with gzip; unpack it first (gunzip)"),
    (b"SQLite format 3\0", "this is a SQLite database (a ledger?), not a job file"),
    (codecs.BOM_UTF32_LE, 'this is UTF-32; save it as UTF-8 ("CSV UTF-8" in a spreadsheet)'),
    (codecs.BOM_UTF32_BE, 'this is UTF-32; save it as UTF-8 ("CSV UTF-8" in a spreadsheet)'),
)
_WRONG: Final = re.compile(r"[\x00\ud800-\udfff]")
# How Python represents bytes of a path that are not UTF-8.
_HALF: Final = re.compile(r"[\ud800-\udfff]")


def _mark_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("worker.mark_bad_bytes", _mark_bad_bytes)


def encoding_of(path: Path) -> str:
    """The encoding of the text file at `path`: "utf-8-sig" or "utf-16".

    Raises `UsageError` if there is no readable file, `JobError` if it is empty or not text."""
    try:
        if path.is_dir():
            raise UsageError(f"{path}: this is a folder, not a job file")
        if path.exists() and not path.is_file():
            # A job is read more than once, and a pipe would be empty the second time.
            raise UsageError(f"{path}: this is a pipe or device; a job must be a file")
        if in_devices(path):
            raise UsageError(
                f"{path}: this is in /dev or /proc, so the ledger next to it would be lost at the"
                " next boot; save the job as a file elsewhere"
            )
        if _HALF.search(str(path.absolute())):
            raise UsageError(
                f"{path}: the name of this file or of a folder is not UTF-8, so the ledger could"
                " not record it; rename it"
            )
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(f"{path}: cannot be read: {_reason(error)}") from error
    if not head:
        raise JobError(path, [Problem(0, "the file is empty")], 1)
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise JobError(path, [Problem(0, what)], 1)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        what = "this is not text, or it is UTF-16 without a byte order mark; save it as UTF-8"
        raise JobError(path, [Problem(head[: head.index(b"\0")].count(b"\n") + 1, what)], 1)
    return "utf-8-sig"


def open_text(path: Path, encoding: str) -> TextIO:
    """The file at `path`, with line ends unchanged and invalid bytes marked. Raises `UsageError` if
    it cannot be opened."""
    try:
        return path.open(encoding=encoding, errors="worker.mark_bad_bytes", newline="")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {_reason(error)}") from error


def broken_text(text: str, encoding: str) -> str:
    """What is wrong with `text` as text (a byte that is invalid in the encoding, a NUL); "" if
    nothing is."""
    wrong = _WRONG.search(text)
    if not wrong:
        return ""
    where = f"character {wrong.start() + 1} of the line"
    if wrong[0] == "\0":
        return f"{where} is a NUL byte; this is not text"
    name = "UTF-16" if encoding == "utf-16" else "UTF-8"
    byte = ord(wrong[0]) - 0xDC00
    return (
        f'byte 0x{byte:02X} ({where}) is not {name}; save the file as UTF-8 ("CSV UTF-8" in a'
        " spreadsheet)"
    )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
