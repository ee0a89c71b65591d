"""Standard output and standard error: what a command prints, and what happens if it cannot.

Commands print only through this module. Printing never raises: `finish` reports at the end that
standard output could not be written. Imports little, because `--version` needs it.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from worker.model.program import PROGRAM

_REPLACED = "duplicate-batches.replaced"
"""The name of our handler for characters that an encoding cannot show."""

_PLAIN = {"→": "->", "…": "...", "·": "-", "×": "x", "–": "-", "—": "-", "’": "'"}
"""Characters of our own messages, and their usual form in ASCII."""


class _State:
    """The first error of writing to standard output, and whether that is a terminal, or was closed
    before the command began."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.terminal = self.closed = False


_state = _State()


def prepare() -> None:
    """Set up the streams of this process so that no character can make printing fail.

    Call it before anything is printed or opened. A stream that the caller closed, as a service may
    do, becomes the null device; otherwise the next file to be opened would take its number.
    """
    _state.closed = sys.stdout is None
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _fill_standard_numbers()
    sys.stdout = sys.stdout or _null()
    sys.stderr = sys.stderr or _null()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_REPLACED)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # input may be in another encoding
    _state.terminal = sys.stdout.isatty()


def say(text: object, *, end: str = "\n", now: bool = False) -> None:
    """Print a command's result on standard output; `now` flushes it."""
    try:
        sys.stdout.write(f"{text}{end}")
        if now:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        lose(error)


def say_json(value: Any, *, indent: int | None = None, now: bool = False) -> None:
    """Print a value as JSON that is exact in the encoding of standard output; `now` flushes it."""
    import json  # noqa: PLC0415 - see above

    from worker.text import visible_json  # noqa: PLC0415 - as above

    text = json.dumps(value, ensure_ascii=not speaks_unicode(sys.stdout), indent=indent)
    say("\n".join(map(visible_json, text.split("\n"))), now=now)


@contextmanager
def data() -> Iterator[TextIO]:
    """Standard output for data: UTF-8 in any locale, line ends unchanged.

    An OSError of writing ends the block, so that no more data is prepared in vain. If the caller
    closed standard output, the data is lost: unlike a summary, it is all that the command is for.
    """
    if _state.closed:
        lose(OSError(errno.EBADF, "it is closed"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        with suppress(OSError):  # earlier output cannot be written either: see `finish`
            sys.stdout.reconfigure(encoding="utf-8", errors=_REPLACED, newline="")
    try:
        yield sys.stdout
    except OSError as error:
        lose(error)


def complain(message: str) -> None:
    """Print a message of this program on standard error, or lose it."""
    warn(f"{PROGRAM}: {message}\n")


def warn(text: str) -> None:
    """Print `text` on standard error, or lose it."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def lose(error: Exception) -> None:
    """Remember, for `finish`, the first `error` of writing to standard output."""
    _state.trouble = _state.trouble or error


def is_lost() -> bool:
    """Whether output was lost for another reason than that its reader ended."""
    return _state.trouble is not None and not is_reader_gone(
        _state.trouble, terminal=_state.terminal
    )


def finish(code: int) -> int:
    """End the printing; returns the exit code of the process for a command that ended with `code`.

    If standard output could not be written, prints a message and turns code 0 into 1. A reader that
    ended early, such as `| head`, is not an error. Leaves nothing for Python's own flush at exit.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        lose(error)
    trouble, _state.trouble = _state.trouble, None
    if trouble is not None:
        _silence(sys.stdout)
        if not is_reader_gone(trouble, terminal=_state.terminal):
            why = (trouble.strerror if isinstance(trouble, OSError) else None) or trouble
            complain(f"standard output cannot be written: {why}")
            code = code or 1
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _silence(sys.stderr)
    return code


def is_reader_gone(error: Exception, *, terminal: bool) -> bool:
    """Whether `error` means that the reader ended: a pipe or a `terminal` was closed."""
    if isinstance(error, OSError):
        return error.errno == errno.EPIPE or (terminal and error.errno == errno.EIO)
    return False


def speaks_unicode(stream: TextIO) -> bool:
    """Whether `stream` can encode every character."""
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf")
    except LookupError:
        return False


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding does not have: a codec error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char, "?") for char in text), error.end


codecs.register_error(_REPLACED, _replaced)


def _fill_standard_numbers() -> None:
    """Open the null device until the file numbers 0, 1 and 2 are in use."""
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)


def _null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for the whole process


def _silence(stream: TextIO) -> None:
    """Send what is left in the stream's buffer to the null device."""
    with suppress(OSError, ValueError):
        number = os.open(os.devnull, os.O_WRONLY)
        os.dup2(number, stream.fileno())
        os.close(number)
