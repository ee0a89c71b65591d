"""Text that is safe to show: visible characters, shell quoting, counts, durations, wrapping, and a
stream whose writes never fail.

Standard library only, and pure except for `for_window` and `Unbreakable`. The caller decides what a
message says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO
from unicodedata import category

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that control a terminal or show nothing: control, format (bidi), surrogate,
separators."""

_JOINERS = "\u200c\u200d"
"""Format characters that names in Persian, Hindi or emoji need. They do not move other text."""


def visible(text: str) -> str:
    r"""`text` on one line, with hidden characters escaped: escape is `\x1b`, a right-to-left mark
    `\u200f`."""
    return _escaped(text, lambda char: char.encode("unicode_escape").decode())


def visible_json(line: str) -> str:
    """The JSON `line` with hidden characters as JSON escapes: the same value, safe on a terminal.

    Hidden characters can only be inside strings, so the line stays valid. A lone surrogate becomes
    encodable."""
    return _escaped(line, lambda char: json.dumps(char)[1:-1])


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():  # nearly always, and fast
        return text
    return "".join(
        escape(char) if category(char) in _HIDDEN and char not in _JOINERS else char
        for char in text
    )


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` characters (at least 1); `…` shows that it was cut."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def quoted(text: str, width: int = 60) -> str:
    """`text` in double quotes for a message: at most `width` characters of it, with all that is not
    printable escaped, also a no-break space, so that people see why a cell is wrong."""
    # Cut before escaping: a hostile cell may be very long.
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text[: width + 1]
    )
    return f'"{shortened(escaped, width)}"'


def shell_word(text: object) -> str:
    """`text` (a path, an argument) quoted as one word for a POSIX shell; hidden characters as
    `$'…'`."""
    word = str(text)
    if visible(word) == word:
        return shlex.quote(word)
    return "$'" + visible(word.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def shell_command(arguments: Sequence[object]) -> str:
    """The command line of `arguments`, each quoted if necessary."""
    return " ".join(map(shell_word, arguments))


def option(flag: str, value: str) -> tuple[str, ...]:
    """An option and its value as words of a command. In one word if the value begins with `-`: as a
    word of its own it would be read as an option."""
    return (f"{flag}={value}",) if value.startswith("-") else (flag, value)


def wrapped(text: str, width: int, whole: Sequence[str] = ()) -> str:
    """`text` with its lines broken between words at `width` characters, and the continuation lines
    indented.

    A longer word, such as an id or a path, stays in one piece, and so does each phrase in `whole`:
    people copy commands."""
    for phrase in whole:
        text = text.replace(phrase, phrase.replace(" ", _GLUE))
    lines = [_wrapped_line(line, width) for line in text.split("\n")]
    return "\n".join(lines).replace(_GLUE, " ")


_GLUE = "\0"  # never in text that is shown


def _wrapped_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip(" →"))) + "  " * (not line.startswith("→"))
    return textwrap.fill(
        line,
        max(width, 20),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def for_window(text: str, stream: TextIO, whole: Sequence[str] = ()) -> str:
    """`text` wrapped to the window of `stream`; unchanged if that is not a terminal, because
    scripts read lines."""
    return wrapped(text, shutil.get_terminal_size().columns, whole) if stream.isatty() else text


def window_width(stream: TextIO) -> int:
    """How many characters fit on a line of the terminal `stream`; 80 if that is unknown."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or 80
    return 80


def near(path: Path, stream: TextIO) -> Path:
    """`path` as a person at the terminal `stream` would name it in this folder; unchanged if
    `stream` is not a terminal."""
    if not stream.isatty():
        return path
    try:
        here = Path.cwd()
    except OSError:  # the folder was deleted
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path


def counted(number: int, noun: str) -> str:
    """`1 duplicate`, `1,200 duplicates`: for nouns that take an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def system_reason(error: OSError) -> str:
    """What the operating system reports, without the Python tuples that asyncio adds to it:
    `Connection refused`."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return re.sub(r" ?\('[^()]*\)", "", error.strerror or str(error))


def joined(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return (
        words[0]
        if len(words) == 1
        else f"{', '.join(words[:-1])} {last} {words[-1]}"
        if words
        else ""
    )


def first_of(words: Sequence[str], total: int) -> str:
    """The first `words` of `total`: `a and b` if these are all, otherwise `a, b and 1,200 more`."""
    rest = total - len(words)
    return joined([*words, f"{rest:,} more"] if rest > 0 else words)


def verb(number: int, one: str, many: str) -> str:
    """The form that agrees with `number`: `1 source exists`, `2 sources exist`."""
    return one if number == 1 else many


def human_duration(seconds: float) -> str:
    """`seconds` as text, rounded to what matters: `42 s`, `3 min`, `2 h 5 min`, `3 days`."""
    if 0 < seconds < 1:
        return "under 1 s"
    if (whole := round(max(seconds, 0.0))) < 60:
        return f"{whole} s"
    if (minutes := round(whole / 60)) < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"


class Unbreakable:
    """`stream` with writes that never raise: text that a closed pipe or a full disk rejects is
    lost.

    A run at night must not end because nobody reads its output any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`, or lose it. Returns the number of its characters."""
        # ValueError: the stream is closed, or cannot encode this.
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what was written, or lose it."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def line(self, text: str) -> None:
        """Write `text` and a line feed in one call, so that lines of two writers do not mix."""
        self.write(f"{text}\n")
        self.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def closest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was probably meant to be, or None. Case, spaces, `-` and `_`
    do not matter."""
    return _closest(word[:100], tuple(known))


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """` Did you mean rate?` if one of `known` (shown after `prefix`) is close to `word`, otherwise
    "". The text begins with a space, so that it can follow a sentence."""
    close = closest(word, known)
    return f" Did you mean {prefix}{close}?" if close else ""


@lru_cache(maxsize=256)  # a million rows may repeat the same typo
def _closest(word: str, known: tuple[str, ...]) -> str | None:
    names = {_plain(name): name for name in known}
    close = get_close_matches(_plain(word), names, n=1)
    return names[close[0]] if close else None


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "_", word.strip()).lower()
