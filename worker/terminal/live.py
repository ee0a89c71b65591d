"""The live display of a run on a terminal, drawn by rich. `progress` decides when it is drawn."""

from __future__ import annotations

from typing import Any, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from worker.terminal.snapshot import Snapshot, ahead, doing
from worker.text import Unbreakable, human_duration


class Screen:
    """The terminal behind `stream`. The stream never raises, because rich ends the process at a
    broken pipe."""

    def __init__(self, stream: Unbreakable) -> None:
        self._console = Console(
            file=cast(Any, stream), force_terminal=True, markup=False, highlight=False, emoji=False
        )
        self._live: Live | None = None

    @property
    def is_dumb(self) -> bool:
        """Whether the terminal cannot draw over itself."""
        return self._console.is_dumb_terminal

    def start(self) -> None:
        """Start drawing, below what the terminal shows."""
        # A new one each time: it remembers how many lines to move up.
        self._live = Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()
        # rich hides the cursor, and it would stay hidden if this process is killed.
        self._console.show_cursor(True)

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the state of the run."""
        if self._live:
            self._live.update(display(snapshot), refresh=True)

    def print_above(self, text: str) -> None:
        """Print a line above the display."""
        self._console.print(Text.from_ansi(text), soft_wrap=True)

    def stop(self, *, keep: bool) -> None:
        """Stop drawing; `keep` the last drawing, or remove it."""
        if self._live:
            self._live.transient = not keep
            self._live.stop()
            self._live = None


def display(snapshot: Snapshot) -> RenderableType:
    """The live display: a bar and three lines, each of which fits any width."""
    done = snapshot.done
    # Rounded down: 999 of 1,000 is not 100 %.
    share = f"{done}/{snapshot.total} ({100 * done // snapshot.total}%)" if snapshot.total else ""
    head = [*doing(snapshot), share, human_duration(snapshot.elapsed_s)]
    ceiling = "" if snapshot.ceiling is None else f" of {snapshot.ceiling:.1f}/s"
    speed = [f"{snapshot.rate:.1f}/s{ceiling}", f"{snapshot.in_flight} in flight", *ahead(snapshot)]
    counts = [
        Text(f"{snapshot.created} created", "green"),
        Text(f"{snapshot.failed} failed", "red" if snapshot.failed else "dim"),
        Text(f"{snapshot.unknown} unknown", "yellow" if snapshot.unknown else "dim"),
        Text(f"{snapshot.pending} pending", "dim"),
    ]
    return Group(
        _one_line(Text(" · ".join(filter(None, head)), "bold")),
        # Padded, because a bar alone does not end its line.
        Padding(ProgressBar(total=max(snapshot.total, 1), completed=done)),
        _one_line(Text(" · ").join(counts)),
        _one_line(Text(" · ".join(speed), "yellow" if snapshot.waiting_s > 0 else "")),
    )


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
