"""The parts of plots: axes, times and the SVG element with its label. What a plot shows is in
`plots`. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from markupsafe import Markup, escape

from worker.export.report.timeline import Timeline
from worker.text import human_duration

WIDTH = 1120
LEFT, RIGHT = 52, 12
TOP, BOTTOM = 12, 26
"""The size of a plot over time, and the margins of every plot, in units of the SVG."""

TICKS_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400, 7 * 86_400),
)
"""The distances, in seconds, that the ticks of a time axis may have."""


class Plot:
    """Coordinates of times and values in a plot `height` high whose axis ends at `top`."""

    def __init__(self, timeline: Timeline, height: int, top: float) -> None:
        self._timeline = timeline
        self._height = height
        self._top = top

    def x(self, at: float) -> float:
        """The position of a time."""
        timeline = self._timeline
        share = (min(max(at, timeline.begin), timeline.end) - timeline.begin) / (
            timeline.end - timeline.begin
        )
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The position of a value."""
        return scaled(value, self._top, self._height)

    def grid(self, values: Sequence[float], *, whole: bool) -> Iterator[str]:
        """Lines at these values with their labels, rounded if `whole`."""
        for value in values:
            y = self.y(value)
            label = f"{value:,.0f}" if whole else f"{value:g}"
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'

    def times(self) -> Iterator[str]:
        """The ticks of the time axis."""
        timeline = self._timeline
        length = timeline.end - timeline.begin
        step = next((one for one in TICKS_S if length / one <= 10), length / 10)
        at = math.ceil(timeline.begin / step) * step
        while at <= timeline.end:
            x = self.x(at)
            if LEFT + 14 <= x <= WIDTH - RIGHT - 14:
                low = self._height - BOTTOM
                yield f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{low}" y2="{low + 5}"/>'
                yield (
                    f'<text x="{x:.1f}" y="{low + 19}"'
                    f' text-anchor="middle">{clock_text(at, step)}</text>'
                )
            at += step

    def pauses(self) -> Iterator[str]:
        """Pauses as shaded areas. Pauses on the same pixels become one, with the first reason."""
        until, top, bottom = -1.0, TOP, self._height - BOTTOM
        for pause in self._timeline.pauses:
            begin, end = self.x(pause.begin), self.x(pause.end)
            if end <= until + 0.7:
                continue
            begin = max(begin, until)
            end = max(end, begin + 1.5)
            title = (
                f"{clock_text(pause.begin, 1)}: waited {human_duration(pause.end - pause.begin)}:"
                f" {pause.reason}"
            )
            yield (
                f'<rect class="pause" x="{begin:.1f}" y="{top}" width="{end - begin:.1f}"'
                f' height="{bottom - top}"><title>{escape(title)}</title></rect>'
            )
            until = end


def svg(
    title: str,
    description: str,
    width: int,
    height: int,
    body: Sequence[str],
    *,
    stretch: bool = False,
) -> Markup:
    """The SVG element of a plot with its label for screen readers."""
    ratio = ' preserveAspectRatio="none"' if stretch else ""
    return Markup(  # noqa: S704 - the callers escape texts from outside
        f'<svg role="img" aria-label="{escape(title)}. {escape(description)}" viewBox="0 0 {width}'
        f' {height}"{ratio}>'
        f"{''.join(body)}</svg>"
    )


def scaled(value: float, top: float, height: int) -> float:
    """The position of a value on an axis that ends at `top`."""
    return height - BOTTOM - (height - BOTTOM - TOP) * min(value, top) / top


def ticks(top: float) -> list[float]:
    """A few round numbers from 0 to at most `top`."""
    if top <= 0:
        return [0.0]
    step = 10 ** math.floor(math.log10(top))
    for part in (0.2, 0.25, 0.5, 1.0):
        if top / (step * part) <= 5:
            step *= part
            break
    return [number * step for number in range(int(top / step + 1e-9) + 1)]


def clock_text(at: float, step: float = 1.0) -> str:
    """A time of day in UTC, as exact as steps of so many seconds need; a date if they are days."""
    form = "%d %b" if step >= 86_400 else "%H:%M" if step >= 60 else "%H:%M:%S"
    return datetime.fromtimestamp(at, UTC).strftime(form)


def length_text(length: float) -> str:
    """A latency for people: `240 ms`, `1.5 s`, `60 s`."""
    if length < 0.9995:
        return f"{length * 1000:.0f} ms"
    return f"{length:.2g} s" if length < 9.95 else f"{length:.0f} s"
