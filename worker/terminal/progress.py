"""The progress of a run: a live display on a terminal, a plain line at intervals elsewhere.

It reads snapshots and draws; it counts nothing itself, and no failure to draw reaches the run.
`live` draws on a terminal; it is imported only if there is one, because rich takes a while."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TextIO

from worker.terminal.snapshot import Snapshot, line
from worker.text import Unbreakable

if TYPE_CHECKING:
    from worker.terminal.live import Screen

Style = Literal["live", "plain", "none"]
"""How progress is shown."""

_REFRESH_S = 0.25
"""Seconds between two drawings of the live display."""


def style(*, is_terminal: bool, json_logs: bool, never: bool = False, quiet: bool = False) -> Style:
    """How progress is shown on standard error, which `is_terminal` or not, and gets `json_logs` or
    not, with `--progress never` or `--quiet`. JSON lines are never mixed with others."""
    if never or quiet or json_logs:
        return "none"
    return "live" if is_terminal else "plain"


class Progress:
    """Shows `snapshot()` on `stderr` in a `style` while its block runs. A thread of its own draws,
    so that the display continues while the run is busy. `snapshot` is called in that thread, so it
    may only read.

    `clock` gives seconds; a plain line comes every `every_s` seconds. A test passes
    `threaded=False` and calls `tick`."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        *,
        stderr: TextIO,
        style: Style,
        clock: Callable[[], float] = monotonic,
        every_s: float = 30.0,
        threaded: bool = True,
    ) -> None:
        self._snapshot = snapshot
        self._stream = Unbreakable(stderr)
        self._clock, self._every_s, self._threaded = clock, every_s, threaded
        self._style, self._screen = style, _screen(self._stream) if style == "live" else None
        if style == "live" and self._screen is None:
            self._style = "plain"
        self._over, self._shown = Flag(), False
        self._thread: Thread | None = None
        self._last = clock()

    def __enter__(self) -> Self:
        self._start()
        return self

    def pause(self) -> None:
        """Remove the display until `resume`, to ask a question in its place."""
        self._stop(keep=False)

    def resume(self) -> None:
        """Show the display again."""
        self._start()

    def _start(self) -> None:
        self._last = self._clock()
        self._over.clear()
        self._shown = True
        if self._screen:
            self._screen.start()
            self.tick()
        if self._threaded and self._style != "none":
            self._thread = Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop(keep=True)

    def _stop(self, *, keep: bool) -> None:
        """Stop drawing; `keep` the last drawing."""
        if not self._shown:
            return
        self._shown = False
        self._over.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._screen:
            try:
                if keep:
                    self.tick()
            finally:
                self._screen.stop(keep=keep)

    def _draw(self) -> None:
        while not self._over.wait(_REFRESH_S):
            self.tick()

    def tick(self) -> None:
        """Draw the current snapshot, or write a plain line if one is due."""
        try:
            if self._screen:
                self._screen.draw(self._snapshot())
            elif self._style == "plain" and self._clock() - self._last >= self._every_s:
                self._last = self._clock()
                self._stream.line(line(self._snapshot()))
        except Exception:  # noqa: S110 - a failure to draw must not end the run
            pass

    @property
    def above(self) -> Callable[[str], None] | None:
        """Prints a line above the live display, for `Logs`; None if there is no live display."""
        return self._screen.print_above if self._screen else None


def _screen(stream: Unbreakable) -> Screen | None:
    """The terminal behind `stream`; None if it cannot draw over itself."""
    from worker.terminal.live import Screen  # noqa: PLC0415 - rich takes a while to import

    screen = Screen(stream)
    return None if screen.is_dumb else screen
