"""Long output, a page at a time, as git does it: through `PAGER`, or `less`, and only where a person is looking."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO, cast


class Page:
    """A stream to print to. `over` is true when nobody reads on: a pager may end before the text does."""

    def __init__(self, stream: TextIO, *, terminal: bool) -> None:
        self._stream, self._terminal = stream, terminal
        self.over = False

    def write(self, text: str) -> int:
        """Write `text`, or lose it where nobody reads on; the number of its characters."""
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # ValueError: the stream is closed, or cannot encode this
            self.over = True
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, or lose it."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self.over = True

    def isatty(self) -> bool:
        """Whether a person sees it on a terminal, through a pager or not: then there is color."""
        return self._terminal

    @property
    def encoding(self) -> str:
        """What the characters become."""
        return self._stream.encoding

    @property
    def text(self) -> TextIO:
        """This, for who asks for a text stream."""
        return cast(TextIO, self)


def command(environ: Mapping[str, str]) -> list[str]:
    """The pager to start, as its words; none where `PAGER` is empty or `cat`."""
    if "PAGER" not in environ:
        return ["less", "-FRX"]  # not for one screen, with colors, and what was read stays there
    try:
        words = shlex.split(environ["PAGER"])
    except ValueError:  # a quote that is never closed
        return []
    return [] if words in ([], ["cat"]) else words


@contextmanager
def paged(stdout: TextIO, environ: Mapping[str, str]) -> Iterator[Page]:
    """A page on `stdout`: through a pager where it is a terminal, and straight where it is not or none can be started.
    The block's end waits until the pager was left."""
    terminal = stdout.isatty()
    pager = _start(command(environ), environ) if terminal else None
    if pager is None:
        yield Page(stdout, terminal=terminal)
        return
    pipe = cast(TextIO, pager.stdin)
    # Ctrl-C is the pager's; ours would leave the terminal to it and to the shell at once.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield Page(pipe, terminal=True)
    finally:
        with suppress(OSError):
            pipe.close()
        pager.wait()
        signal.signal(signal.SIGINT, before)


def _start(words: list[str], environ: Mapping[str, str]) -> subprocess.Popen[str] | None:
    if not words:
        return None
    defaults = {"LESS": "FRX", "LV": "-c"}  # as git sets them for pagers that it did not choose
    sys.stdout.flush()
    try:
        return subprocess.Popen(  # noqa: S603 - the person's own program
            words, stdin=subprocess.PIPE, env={**defaults, **environ}, encoding="utf-8", errors="replace"
        )
    except OSError:
        return None
