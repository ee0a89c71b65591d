"""A run's progress while it goes on: a live display on a terminal, a plain line now and then elsewhere.

It reads snapshots and draws; it counts nothing itself, and no failure to draw reaches the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Any, Literal, Self, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from worker.observe.text import Unbreakable, human_duration, visible

Style = Literal["live", "plain", "none"]
"""How progress is shown."""

_REFRESH_S = 0.25
"""Seconds between two drawings of the live display."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run is. `total` wanted duplicates by status: `created`, `failed`, `unknown`, `pending`;
    `in_flight` requests under way; `rate` and its `ceiling` (`None`: unlimited) in duplicates a second;
    `waiting_s` seconds until sending goes on (0: it does); `phase`: planning, looking up sources, sending,
    finishing; `elapsed_s` seconds so far."""

    total: int = 0
    created: int = 0
    failed: int = 0
    unknown: int = 0
    pending: int = 0
    in_flight: int = 0
    rate: float = 0.0
    ceiling: float | None = None
    waiting_s: float = 0.0
    phase: str = "planning"
    elapsed_s: float = 0.0


def style(*, is_terminal: bool, json_logs: bool, never: bool = False, quiet: bool = False) -> Style:
    """How progress is shown on a standard error that `is_terminal` or not and that carries JSON log lines or
    not, with `--progress never` or `--quiet`: JSON lines are never mixed with others."""
    if never or quiet or json_logs:
        return "none"
    return "live" if is_terminal else "plain"


def eta(snapshot: Snapshot) -> float | None:
    """Seconds until nothing is pending at the present rate, waiting included; `None` where nobody can
    tell."""
    if snapshot.pending <= 0:
        return 0.0 if snapshot.total else None
    if not snapshot.rate > 0 or not math.isfinite(snapshot.rate):
        return None
    return max(snapshot.waiting_s, 0.0) + snapshot.pending / snapshot.rate


def line(snapshot: Snapshot) -> str:
    """One plain line: `created 120/1000 · 5.0/s · 2 unknown · ETA 3 min`."""
    parts = [] if snapshot.phase == "sending" else [visible(snapshot.phase)]
    if snapshot.total:
        parts += [f"created {snapshot.created}/{snapshot.total}", f"{snapshot.rate:.1f}/s"]
    parts += [f"{n} {status}" for n, status in ((snapshot.failed, "failed"), (snapshot.unknown, "unknown")) if n]
    return " · ".join([*parts, *_ahead(snapshot)])


def _ahead(snapshot: Snapshot) -> list[str]:
    parts = [f"paused for {human_duration(snapshot.waiting_s)}"] if snapshot.waiting_s > 0 else []
    left = eta(snapshot)
    return [*parts, f"ETA {human_duration(left)}"] if left else parts


def display(snapshot: Snapshot) -> RenderableType:
    """The live display: a bar and three lines, each of which fits any width."""
    done = snapshot.created + snapshot.failed + snapshot.unknown
    share = f"{done}/{snapshot.total} ({done / snapshot.total:.0%})" if snapshot.total else ""
    head = [visible(snapshot.phase), share, human_duration(snapshot.elapsed_s)]
    ceiling = "" if snapshot.ceiling is None else f" of {snapshot.ceiling:.1f}/s"
    speed = [f"{snapshot.rate:.1f}/s{ceiling}", f"{snapshot.in_flight} in flight", *_ahead(snapshot)]
    counts = [
        Text(f"{snapshot.created} created", "green"),
        Text(f"{snapshot.failed} failed", "red" if snapshot.failed else "dim"),
        Text(f"{snapshot.unknown} unknown", "yellow" if snapshot.unknown else "dim"),
        Text(f"{snapshot.pending} pending", "dim"),
    ]
    return Group(
        _one_line(Text(" · ".join(filter(None, head)), "bold")),
        Padding(ProgressBar(total=max(snapshot.total, 1), completed=done)),  # a bar alone ends no line
        _one_line(Text(" · ").join(counts)),
        _one_line(Text(" · ".join(speed), "yellow" if snapshot.waiting_s > 0 else "")),
    )


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


class Progress:
    """Shows `snapshot()` on `stderr` in a `style` while its block runs; a thread of its own draws, so that
    the display lives on while the run is busy. `snapshot` is called from that thread: it only reads.

    `clock` gives seconds; a plain line comes every `every_s` of them. A test passes `threaded=False` and
    calls `tick`."""

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
        # The stream cannot break, because at a broken pipe rich would end the process.
        self._console = Console(
            file=cast(Any, self._stream),
            force_terminal=True if style == "live" else None,
            markup=False,
            highlight=False,
            emoji=False,
        )
        # A dumb terminal cannot draw over itself.
        self._style: Style = "plain" if style == "live" and self._console.is_dumb_terminal else style
        self._live: Live | None = None
        self._over = Flag()
        self._thread: Thread | None = None
        self._last = clock()

    def __enter__(self) -> Self:
        self._last = self._clock()
        if self._style == "live":
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
            # rich hides the cursor. Shown, it is there for whoever stops or kills this process in any way.
            self._console.show_cursor(True)
            self.tick()
        if self._threaded and self._style != "none":
            self._thread = Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._live:
            try:
                self.tick()
            finally:
                self._live.stop()
                self._live = None

    def _draw(self) -> None:
        while not self._over.wait(_REFRESH_S):
            self.tick()

    def tick(self) -> None:
        """Draw the present snapshot, or write a plain line if it is time for one."""
        try:
            if self._live:
                self._live.update(display(self._snapshot()), refresh=True)
            elif self._style == "plain" and self._clock() - self._last >= self._every_s:
                self._last = self._clock()
                self._stream.line(line(self._snapshot()))
        except Exception:  # noqa: S110 - a picture of the run must not end it
            pass

    @property
    def above(self) -> Callable[[str], None] | None:
        """How to print a line above the live display (`Logs` takes it); `None` where there is no such
        display."""
        return self._print_above if self._style == "live" else None

    def _print_above(self, text: str) -> None:
        self._console.print(Text.from_ansi(text), soft_wrap=True)
