"""Plots as SVG: a `Timeline` and counts in, markup out. Pure.

Classes leave colours and fonts to the stylesheet; texts are escaped. Each plot has a label for
screen readers that says what it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from worker.export.report.svg import (
    LEFT,
    RIGHT,
    WIDTH,
    Plot,
    clock_text,
    length_text,
    scaled,
    svg,
    ticks,
)
from worker.export.report.timeline import Timeline
from worker.text import counted, human_duration, verb


def progress(timeline: Timeline, total: int) -> Markup:
    """How many duplicates of `total` exist, from the run's begin to its end; pauses are shaded."""
    height = 200
    plot = Plot(timeline, height, max(total, 1))
    count = timeline.before
    points = [(timeline.begin, count)]
    settled = timeline.settled
    for number, column in enumerate(timeline.columns):
        end = min(timeline.begin + (number + 1) * timeline.width, timeline.end)
        count += column.created
        points.append((end, count))
        if settled and end >= timeline.settled_at:
            count += settled
            settled = 0
            points.append((end, count))
    line = " ".join(f"{plot.x(at):.1f},{plot.y(many):.1f}" for at, many in points)
    left, right, bottom = plot.x(timeline.begin), plot.x(timeline.end), plot.y(0)
    area = f"{left:.1f},{bottom:.1f} {line} {right:.1f},{bottom:.1f}"
    body = [
        *plot.pauses(),
        *plot.grid([value for value in ticks(total) if value < 0.92 * total] + [total], whole=True),
        f'<polygon class="area created" points="{area}"/>',
        f'<polyline class="line created" points="{line}"/>',
        *plot.times(),
    ]
    existed = f"{points[0][1]:,} of {counted(total, 'duplicate')} existed"
    description = f"{existed} at the beginning, {count:,} at the end."
    return svg("Duplicates created over time", description, WIDTH, height, body)


def rate(timeline: Timeline) -> Markup:
    """Requests per second by outcome, with the maximum rate; pauses are shaded."""
    height = 160
    fastest = max((column.requests / timeline.width for column in timeline.columns), default=0.0)
    top = max(fastest, timeline.ceiling or 0.0) * 1.2 or 1.0
    plot = Plot(timeline, height, top)
    body = [*plot.pauses(), *plot.grid(ticks(top), whole=False)]
    for number, column in enumerate(timeline.columns):
        begin = timeline.begin + number * timeline.width
        wide = max(1.0, plot.x(min(begin + timeline.width, timeline.end)) - plot.x(begin) - 1)
        base = 0.0
        parts = (
            ("good", column.good),
            ("throttled", column.throttled),
            ("unclear", column.unclear),
        )
        shown = [(name, many / timeline.width) for name, many in parts if many]
        if shown:
            title = _bar_title(column.requests, parts, begin, timeline.width)
            body.append(f"<g><title>{escape(title)}</title>")
            for name, fast in shown:
                low, high = plot.y(base), plot.y(base + fast)
                body.append(
                    f'<rect class="bar {name}" x="{plot.x(begin):.1f}" y="{high:.1f}"'
                    f' width="{wide:.1f}" height="{max(low - high, 1):.1f}"/>'
                )
                base += fast
            body.append("</g>")
    if timeline.ceiling is not None:
        at = plot.y(timeline.ceiling)
        body.append(
            f'<line class="ceiling" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        body.append(
            f'<text class="ceiling" x="{WIDTH - RIGHT}" y="{at - 5:.1f}" text-anchor="end">'
            f"maximum rate {timeline.ceiling:g}/s</text>"
        )
    body += plot.times()
    average = timeline.requests / (timeline.end - timeline.begin)
    limit = "no maximum rate" if timeline.ceiling is None else f"at most {timeline.ceiling:g}"
    description = (
        f"{counted(timeline.requests, 'request')}, {average:.2g} per second on average, {limit}."
        f" {timeline.throttled:,} {verb(timeline.throttled, 'was', 'were')} answered with 'too many"
        f" requests', {timeline.unclear:,} had no clear answer."
    )
    return svg("Requests per second", description, WIDTH, height, body)


def latencies(timeline: Timeline) -> Markup:
    """How long answers took."""
    found = timeline.latencies
    width, height = 540, 180
    most = max((count for *_, count in found.columns), default=1)
    step = (width - LEFT - RIGHT) / max(1, len(found.columns))
    body: list[str] = []
    for value in ticks(most):
        y = scaled(value, most, height)
        body.append(
            f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        body.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    every = math.ceil(len(found.columns) / 9)
    base = scaled(0, most, height)
    for number, (low, high, count) in enumerate(found.columns):
        x, y = LEFT + number * step, scaled(count, most, height)
        title = f"{counted(count, 'answer')} took {length_text(low)} to {length_text(high)}"
        if count:
            body.append(
                f'<rect class="bar good" x="{x + 0.5:.1f}" y="{min(y, base - 1):.1f}"'
                f' width="{max(1.0, step - 1):.1f}"'
                f' height="{max(1.0, base - y):.1f}"><title>{escape(title)}</title></rect>'
            )
        if number % every == 0:
            body.append(
                f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{length_text(low)}</text>'
            )
    description = (
        f"Half of {found.answers:,} answers took less than {length_text(found.median)}, 95 percent"
        f" less than {length_text(found.p95)}; the slowest took {length_text(found.slowest)}."
    )
    return svg("Response times", description, width, height, body)


def tries(counted: Sequence[tuple[int, int]]) -> Markup:
    """How many requests a duplicate took: pairs of a number of requests and how many duplicates
    took it."""
    width, row = 540, 30
    bars = list(counted[:5])
    if rest := sum(many for _, many in counted[5:]):
        bars.append((-1, rest))
    height = row * max(1, len(bars)) + 8
    most = max((many for _, many in bars), default=1)
    space = width - 130 - 90
    body: list[str] = []
    for number, (requests, many) in enumerate(bars):
        y = 4 + number * row
        label = (
            f"{counted[5][0]} or more"
            if requests < 0
            else f"{requests} request{'' if requests == 1 else 's'}"
        )
        wide = max(2.0, space * many / most)
        kind = "good" if requests == 1 else "none" if requests == 0 else "throttled"
        body.append(f'<text x="118" y="{y + 18}" text-anchor="end">{label}</text>')
        body.append(
            f'<rect class="bar {kind}" x="130" y="{y + 4}" width="{wide:.1f}" height="{row - 10}"/>'
        )
        body.append(f'<text class="strong" x="{130 + wide + 8:.1f}" y="{y + 18}">{many:,}</text>')
    description = ", ".join(
        f"{many:,} took {requests if requests >= 0 else 'more'}" for requests, many in bars
    )
    return svg(
        "Requests per duplicate",
        f"Duplicates by the number of their requests: {description}.",
        width,
        height,
        body,
    )


def parts(counts: Sequence[tuple[str, int]]) -> Markup:
    """One bar of all duplicates by status, with widths in proportion; a status that occurs is
    always visible."""
    width, height = 1000, 14
    total = sum(many for _, many in counts)
    present = [(status, many) for status, many in counts if many]
    least = 6.0
    spare = width - least * len(present)
    body: list[str] = []
    x = 0.0
    for number, (status, many) in enumerate(present, start=1):
        wide = least + spare * many / total
        gap = 0 if number == len(present) else 2
        body.append(
            f'<rect class="part {escape(status)}" x="{x:.1f}" y="0" width="{wide - gap:.1f}"'
            f' height="{height}"><title>{many:,} {escape(status)}</title></rect>'
        )
        x += wide
    description = ", ".join(f"{many:,} {status}" for status, many in present) or "none"
    return svg("Duplicates by status", f"{description}.", width, height, body, stretch=True)


def bar(value: float, most: float, kind: str) -> Markup:
    """A small bar beside a number, in proportion to `most`; not for screen readers, which read the
    number."""
    wide = max(1.0, 60 * value / most) if value else 0.0
    return Markup(  # noqa: S704 - `kind` is a class of the stylesheet
        f'<svg class="small" aria-hidden="true" viewBox="0 0 60 8">'
        f'<rect class="part {escape(kind)}" x="{60 - wide:.1f}" y="0" width="{wide:.1f}"'
        ' height="8"/></svg>'
    )


def _bar_title(requests: int, parts: Sequence[tuple[str, int]], begin: float, width: float) -> str:
    labels = {
        "good": "answered",
        "throttled": "'too many requests'",
        "unclear": "without a clear answer",
    }
    several = ", ".join(f"{many:,} {labels[name]}" for name, many in parts if many)
    length = human_duration(width)
    return f"{clock_text(begin)}, {length}: {counted(requests, 'request')} ({several})"
