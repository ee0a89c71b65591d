"""Standard output and standard error: what a command prints, and what happens when it cannot.

Commands print through this module only. Printing never raises: `finish` says at the end that
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
"""Signs of our own messages, and how people write them in ASCII."""


class _State:
    """Why standard output could not be written first, and whether it was a terminal."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.terminal = False


_state = _State()


def prepare() -> None:
    """Set up the streams of this process so that no character can make printing fail.

    Call it before anything is printed or opened. A stream that was closed, as a service may do,
    becomes the null device: the next file to be opened would take its number.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _fill_standard_numbers()
    sys.stdout = sys.stdout or _null()
    sys.stderr = sys.stderr or _null()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_REPLACED)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # what a person types may be in another encoding
    _state.terminal = sys.stdout.isatty()


def say(text: object, *, end: str = "\n", now: bool = False) -> None:
    """Print a command's answer on standard output; `now` hands it on at once."""
    try:
        sys.stdout.write(f"{text}{end}")
        if now:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        lose(error)


def say_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as JSON that is exact in the encoding of standard output."""
    import json  # noqa: PLC0415 - see above

    from worker.text import visible_json  # noqa: PLC0415 - as above

    text = json.dumps(value, ensure_ascii=not speaks_unicode(sys.stdout), indent=indent)
    say("\n".join(map(visible_json, text.split("\n"))))


@contextmanager
def data() -> Iterator[TextIO]:
    """Standard output for data: UTF-8 in any locale, line ends as they are.

    The block ends where standard output cannot be written any more, so nothing is made in vain.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        with suppress(OSError):  # what was printed before cannot be written either: see `finish`
            sys.stdout.reconfigure(encoding="utf-8", errors=_REPLACED, newline="")
    try:
        yield sys.stdout
    except OSError as error:
        lose(error)


def complain(message: str) -> None:
    """Print a message about this program's work on standard error, or lose it."""
    warn(f"{PROGRAM}: {message}\n")


def warn(text: str) -> None:
    """Print `text` on standard error, or lose it."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def lose(error: Exception) -> None:
    """Keep in mind that standard output could not be written."""
    _state.trouble = _state.trouble or error


def is_lost() -> bool:
    """Whether what was printed is lost although somebody may read on."""
    return _state.trouble is not None and not is_reader_gone(
        _state.trouble, terminal=_state.terminal
    )


def finish(code: int) -> int:
    """End the printing: the exit code of the process, for a command that ended with `code`.

    Standard output that could not be written makes a good command's code 1 and is told; a reader
    that has gone, as `| head` does, is no fault. Python's own flush at its end finds nothing to do.
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
    """Whether `error` means that nobody reads any more: a pipe or a `terminal` was closed."""
    if isinstance(error, OSError):
        return error.errno == errno.EPIPE or (terminal and error.errno == errno.EIO)
    return False


def speaks_unicode(stream: TextIO) -> bool:
    """Whether every character can be written to `stream` as itself."""
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf")
    except LookupError:
        return False


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """What takes the place of characters that an encoding does not have: a codec error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char, "?") for char in text), error.end


codecs.register_error(_REPLACED, _replaced)


def _fill_standard_numbers() -> None:
    """Open the null device until the numbers 0, 1 and 2 are taken."""
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)


def _null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for the whole process


def _silence(stream: TextIO) -> None:
    """Let what is left in the stream go nowhere."""
    with suppress(OSError, ValueError):
        number = os.open(os.devnull, os.O_WRONLY)
        os.dup2(number, stream.fileno())
        os.close(number)
