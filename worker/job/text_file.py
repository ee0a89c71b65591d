"""A job file's bytes → text: is it there, is it text, in which encoding. Knows no format of jobs.

Bytes that do not belong to the encoding become lone surrogates, U+DC00 + byte. So reading never
stops in the middle of a buffer, and the reader of a line can say which line is bad: `broken_text`.
"""

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
    (b"PK\x03\x04", f"this is an Excel workbook or another zip archive, no text; {_SAVE_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", f"this is an old Excel workbook (.xls), no text; {_SAVE_AS_CSV}"),
    (b"%PDF", "this is a PDF, no text; give the CSV or YAML file it was made from"),
    (b"\x1f\x8b", "this is compressed with gzip; unpack it first (gunzip)"),
    (b"SQLite format 3\0", "this is a SQLite database (a ledger?), no job file"),
    (codecs.BOM_UTF32_LE, 'this is UTF-32; save it as UTF-8 ("CSV UTF-8" in a spreadsheet)'),
    (codecs.BOM_UTF32_BE, 'this is UTF-32; save it as UTF-8 ("CSV UTF-8" in a spreadsheet)'),
)
_WRONG: Final = re.compile(r"[\x00\ud800-\udfff]")
_HALF: Final = re.compile(
    r"[\ud800-\udfff]"
)  # what Python makes of a path's bytes that are not UTF-8


def _mark_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("worker.mark_bad_bytes", _mark_bad_bytes)


def encoding_of(path: Path) -> str:
    """The encoding of the text file at `path`: "utf-8-sig" or "utf-16".

    Raises `UsageError` where there is no file to be read, `JobError` where it is empty or no
    text."""
    try:
        if path.is_dir():
            raise UsageError(f"{path}: this is a folder, no job file")
        if path.exists() and not path.is_file():
            # A job is read more than once: a pipe would be empty the second time.
            raise UsageError(f"{path}: this is a pipe or device; a job has to be a file")
        if in_devices(path):
            raise UsageError(
                f"{path}: this is not a file in a folder, and the ledger, which belongs beside the"
                " job, would be lost at the next boot; save the job as a file"
            )
        if _HALF.search(str(path.absolute())):
            raise UsageError(
                f"{path}: its name or a folder's is not UTF-8, so no ledger could name it;"
                " rename it"
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
        what = "this is no text, or UTF-16 without a byte order mark; save it as UTF-8"
        raise JobError(path, [Problem(head[: head.index(b"\0")].count(b"\n") + 1, what)], 1)
    return "utf-8-sig"


def open_text(path: Path, encoding: str) -> TextIO:
    """The file at `path`, line ends untouched, bad bytes marked. Raises `UsageError` where there is
    none."""
    try:
        return path.open(encoding=encoding, errors="worker.mark_bad_bytes", newline="")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {_reason(error)}") from error


def broken_text(text: str, encoding: str) -> str:
    """What is wrong with `text` as text (a byte outside the encoding, a NUL), or nothing: ""."""
    wrong = _WRONG.search(text)
    if not wrong:
        return ""
    where = f"character {wrong.start() + 1} of the line"
    if wrong[0] == "\0":
        return f"{where} is a NUL byte; this is no text"
    name = "UTF-16" if encoding == "utf-16" else "UTF-8"
    byte = ord(wrong[0]) - 0xDC00
    return (
        f'byte 0x{byte:02X} ({where}) is not {name}; save the file as UTF-8 ("CSV UTF-8" in a'
        " spreadsheet)"
    )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
