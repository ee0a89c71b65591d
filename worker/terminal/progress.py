"""A run's progress while it goes on: a live display on a terminal, a plain line now and then
elsewhere.

It reads snapshots and draws; it counts nothing itself, and no failure to draw reaches the run. What
a terminal shows is `live`'s, which is imported where there is one: rich takes a while."""

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
    """How progress is shown on a standard error that `is_terminal` or not and that carries JSON log
    lines or not, with `--progress never` or `--quiet`: JSON lines are never mixed with others."""
    if never or quiet or json_logs:
        return "none"
    return "live" if is_terminal else "plain"


class Progress:
    """Shows `snapshot()` on `stderr` in a `style` while its block runs; a thread of its own draws,
    so that the display lives on while the run is busy. `snapshot` is called from that thread: it
    only reads.

    `clock` gives seconds; a plain line comes every `every_s` of them. A test passes
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
        """Take the display away, for a question in its place, until `resume`."""
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
        """Draw the present snapshot, or write a plain line if it is time for one."""
        try:
            if self._screen:
                self._screen.draw(self._snapshot())
            elif self._style == "plain" and self._clock() - self._last >= self._every_s:
                self._last = self._clock()
                self._stream.line(line(self._snapshot()))
        except Exception:  # noqa: S110 - a picture of the run must not end it
            pass

    @property
    def above(self) -> Callable[[str], None] | None:
        """How to print a line above the live display (`Logs` takes it); `None` where there is no
        such display."""
        return self._screen.print_above if self._screen else None


def _screen(stream: Unbreakable) -> Screen | None:
    """The terminal behind `stream`; None where it cannot draw over itself."""
    from worker.terminal.live import Screen  # noqa: PLC0415 - rich takes a while to import

    screen = Screen(stream)
    return None if screen.is_dumb else screen
