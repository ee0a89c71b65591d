"""Long output, a page at a time, as git shows it: through `PAGER`, or `less`, and only on a
terminal."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO, cast

from worker.terminal import output


class Page:
    """A stream to print to. `over` is true once its reader has ended: a pager may end before the
    text does. `lose` is called with the error."""

    def __init__(
        self,
        stream: TextIO,
        *,
        terminal: bool,
        lose: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._stream, self._terminal, self._lose = stream, terminal, lose
        self.over = False

    def write(self, text: str) -> int:
        """Write `text`, or lose it if the reader has ended; returns the number of characters."""
        try:
            self._stream.write(text)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self._end(error)
        return len(text)

    def flush(self) -> None:
        """Flush what was written, or lose it."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        self.over = True
        self._lose(error)

    def isatty(self) -> bool:
        """Whether it is shown on a terminal, in a pager or not: then there is color."""
        return self._terminal

    @property
    def encoding(self) -> str:
        """The encoding of the stream."""
        return self._stream.encoding

    @property
    def text(self) -> TextIO:
        """This object, typed as a text stream."""
        return cast(TextIO, self)


def command(environ: Mapping[str, str]) -> list[str]:
    """The command line of the pager to start; empty if `PAGER` is empty or `cat`."""
    if "PAGER" not in environ:
        return ["less", "-FRX"]  # quit if it fits one screen, keep colors, leave the text on screen
    try:
        words = shlex.split(environ["PAGER"])
    except ValueError:  # a quote that is not closed
        return []
    return [] if words in ([], ["cat"]) else words


@contextmanager
def paged(stdout: TextIO, environ: Mapping[str, str]) -> Iterator[Page]:
    """A page on `stdout`: through a pager if it is a terminal and a pager can be started, directly
    if not. The end of the block waits until the person quits the pager."""
    terminal = stdout.isatty()
    pager = _start(command(environ), environ, stdout.encoding) if terminal else None
    if pager is None:
        yield Page(stdout, terminal=terminal, lose=output.lose)
        return
    pipe = cast(TextIO, pager.stdin)
    # Ctrl-C belongs to the pager. If it ended us, pager and shell would share the terminal.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield Page(pipe, terminal=True)
    finally:
        with suppress(OSError):
            pipe.close()
        pager.wait()
        signal.signal(signal.SIGINT, before)


def _start(
    words: list[str], environ: Mapping[str, str], encoding: str
) -> subprocess.Popen[str] | None:
    if not words:
        return None
    defaults = {"LESS": "FRX", "LV": "-c"}  # as git sets them for any pager
    try:
        sys.stdout.flush()
        return subprocess.Popen(  # noqa: S603 - the person's own program
            words,
            stdin=subprocess.PIPE,
            env={**defaults, **environ},
            encoding=encoding,
            errors="replace",
        )
    except OSError:
        return None
