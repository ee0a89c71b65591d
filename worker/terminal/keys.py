"""Reads single keys from the terminal, and tells keys that somebody pressed from text that was
pasted. What a key means is decided by who asks."""

from __future__ import annotations

import os
import select
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from worker.terminal.output import warn

CLOSED = ""
"""Stands for a terminal that was closed, in place of a key."""

ESCAPE = "\x1b"
"""Stands for an arrow or another function key, too: it arrives as several characters."""

PASTED = f"{ESCAPE}[200~"
"""Stands for pasted text. A terminal sends it before such text."""

_TOGETHER_S = 0.05
"""Seconds without another key after which keys count as pressed later. Pasted text, and the
characters of an arrow key, arrive within a few milliseconds."""


class Keys:
    """The keys that are pressed. Those in `may_be_ahead` may be pressed before the question that
    they answer."""

    def __init__(self, may_be_ahead: Collection[str]) -> None:
        self._may_be_ahead = frozenset(may_be_ahead)
        self._ahead: deque[str] = deque()

    def next(self) -> str:
        """The next key; waits for it."""
        if not self._ahead:
            self._ahead.extend(keys_in(_read_together(), self._may_be_ahead))
        return self._ahead.popleft()

    def drop(self) -> None:
        """Forget the keys that were pressed ahead: after a key that means nothing, they may answer
        other questions than the person thinks."""
        self._ahead.clear()


def keys_in(text: str, may_be_ahead: Collection[str]) -> list[str]:
    """The keys of a text that arrived together; pure. Several keys are only those that may be
    pressed ahead. An arrow or another function key is one key, and so is pasted text: their letters
    and digits are no answers."""
    if len(text) < 2 or all(char in may_be_ahead for char in text):
        return list(text) or [CLOSED]
    is_function_key = text.startswith(ESCAPE) and not text.startswith(PASTED)
    return [ESCAPE if is_function_key else PASTED]


if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def one_key_at_a_time() -> Iterator[None]:
        """Nothing is needed within the block."""
        yield

    def _read_together() -> str:
        """The text that arrived together."""
        text = msvcrt.getwch()
        time.sleep(_TOGETHER_S)
        while msvcrt.kbhit():
            text += msvcrt.getwch()
        return ESCAPE if text[0] in ("\x00", "\xe0") else text  # a function key and its code

else:
    import termios
    import tty

    @contextmanager
    def one_key_at_a_time() -> Iterator[None]:
        """Within the block, keys arrive one by one, without Enter, and the terminal marks text that
        is pasted if it can."""
        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)
        marks = os.environ.get("TERM") != "dumb"  # such a terminal would print the request
        tty.setcbreak(handle)
        try:
            warn("\x1b[?2004h" if marks else "")
            yield
        finally:
            warn("\x1b[?2004l" if marks else "")
            with suppress(termios.error):  # the terminal was closed
                termios.tcsetattr(handle, termios.TCSADRAIN, before)

    def _read_together() -> str:
        """The text that arrived together; empty if the terminal was closed."""
        handle = sys.stdin.fileno()
        data = b""
        with suppress(OSError):
            while not data or select.select([handle], [], [], _TOGETHER_S)[0]:
                if not (more := os.read(handle, 4096)):
                    break
                data += more
        return data.decode("ascii", "replace")
