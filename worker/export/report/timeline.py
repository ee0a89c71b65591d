"""One run's requests over time: its attempts, in one pass and in memory that does not grow with
them, as a plot needs them. Pure; times are seconds since 1970, lengths seconds."""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.model.clock import seconds

WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
"""The widths that a plot's columns may have, in seconds."""

MOST_COLUMNS = 140

EDGES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
"""Where columns of the distribution of latencies begin, from one power of ten to the next."""

_FINE = 100
"""Steps for a power of ten in which latencies are counted: medians are right to 2 %."""


@dataclass(slots=True)
class Column:
    """One interval: the requests that left in it, by outcome. `throttled` are answers of 429,
    `unclear` requests without a clear answer, `good` all others."""

    good: int = 0
    throttled: int = 0
    unclear: int = 0
    created: int = 0

    @property
    def requests(self) -> int:
        """All requests that left."""
        return self.good + self.throttled + self.unclear


class Pause(NamedTuple):
    """All requests waited from `begin` to `end`."""

    begin: float
    end: float
    reason: str


class PauseReason(NamedTuple):
    """How many pauses had one reason, and their seconds in all."""

    reason: str
    pauses: int
    length: float


class Latencies(NamedTuple):
    """How long answers took: the distribution's columns (from, to, how many answers), the median,
    the 95th percentile, and the slowest. Without answers everything is 0."""

    columns: tuple[tuple[float, float, int], ...]
    answers: int
    median: float
    p95: float
    slowest: float


class Timeline(NamedTuple):
    """A run from `begin` to `end` in columns of `width` seconds. `before` duplicates existed when
    it began; `settled` were found in a listing after their requests, the last of them at
    `settled_at`."""

    begin: float
    end: float
    width: float
    columns: tuple[Column, ...]
    latencies: Latencies
    pauses: tuple[Pause, ...]
    ceiling: float | None
    before: int
    settled: int
    settled_at: float

    @property
    def requests(self) -> int:
        """How many requests left."""
        return sum(column.requests for column in self.columns)

    @property
    def created(self) -> int:
        """How many of them were answered with a new batch."""
        return sum(column.created for column in self.columns)

    @property
    def throttled(self) -> int:
        """How many of them were answered with 429."""
        return sum(column.throttled for column in self.columns)

    @property
    def unclear(self) -> int:
        """How many of them had no clear answer."""
        return sum(column.unclear for column in self.columns)

    @property
    def pause_reasons(self) -> list[PauseReason]:
        """The reasons of the pauses, the longest first."""
        lengths: dict[str, list[float]] = {}
        for pause in self.pauses:
            lengths.setdefault(pause.reason, []).append(pause.end - pause.begin)
        found = [PauseReason(reason, len(each), sum(each)) for reason, each in lengths.items()]
        return sorted(found, key=lambda reason: -reason.length)

    @property
    def paused(self) -> float:
        """Seconds in which all requests waited."""
        total, until = 0.0, -math.inf
        for pause in self.pauses:
            total += max(0.0, pause.end - max(pause.begin, until))
            until = max(until, pause.end)
        return total


def timeline(
    attempts: Iterable[Mapping[str, Any]],
    rate_changes: Iterable[Mapping[str, Any]],
    *,
    begin: float,
    end: float,
    ceiling: float | None,
    created: int,
    settled: int,
    settled_at: float | None,
) -> Timeline:
    """The run from `begin` to `end`, from its rows of the tables attempts and rate_changes.
    `created` duplicates exist now, `settled` of them found by this run in a listing."""
    end = max(end, begin + 1.0)
    width = _width(end - begin)
    columns = [Column() for _ in range(math.ceil((end - begin) / width))]
    latencies: Counter[int] = Counter()
    slowest = 0.0

    def at(moment: float) -> Column:
        # A clock that was set meanwhile must not put an attempt outside of its run.
        return columns[min(max(0, int((moment - begin) / width)), len(columns) - 1)]

    for row in attempts:
        begun, ended, latency = (
            seconds(row["started_at"]),
            seconds(row["ended_at"]),
            row["latency_s"],
        )
        if row["outcome"] in (None, "not_left") or begun is None or ended is None:
            continue
        # The next run ends an attempt that a crash interrupted.
        column = at(begun if latency is None else ended - latency)
        if row["http_status"] == 429:
            column.throttled += 1
        elif row["outcome"] == "unknown" or row["http_status"] is None:
            column.unclear += 1
        else:
            column.good += 1
        if row["outcome"] == "created":
            at(ended).created += 1
        if row["http_status"] is not None and latency is not None:
            latencies[_step(latency)] += 1
            slowest = max(slowest, latency)
    created_here = sum(column.created for column in columns)
    return Timeline(
        begin=begin,
        end=end,
        width=width,
        columns=tuple(columns),
        latencies=_distribution(latencies, slowest),
        pauses=tuple(_pauses(rate_changes, begin, end)),
        ceiling=ceiling,
        before=max(0, created - created_here - settled),
        settled=settled,
        settled_at=min(max(begin, settled_at if settled_at is not None else end), end),
    )


def _width(length: float) -> float:
    return next(
        (float(width) for width in WIDTHS_S if length / width <= MOST_COLUMNS),
        length / MOST_COLUMNS,
    )


def _pauses(rate_changes: Iterable[Mapping[str, Any]], begin: float, end: float) -> Iterable[Pause]:
    for row in rate_changes:
        at = seconds(row["at"])
        if at is not None and row["wait_s"] is not None:
            # A run that was stopped did not wait to the end of its pause.
            start = min(max(at, begin), end)
            yield Pause(start, min(start + row["wait_s"], end), row["why"] or "")


def _step(latency: float) -> int:
    return math.floor(math.log10(max(latency, 0.001)) * _FINE)


def _distribution(steps: Counter[int], slowest: float) -> Latencies:
    total = steps.total()
    if not total:
        return Latencies((), 0, 0.0, 0.0, 0.0)
    coarse: Counter[int] = Counter()
    for step, count in steps.items():
        coarse[_edge(10 ** ((step + 0.5) / _FINE))] += count
    columns = tuple(
        (_at_edge(number), _at_edge(number + 1), coarse[number])
        for number in range(min(coarse), max(coarse) + 1)
    )
    ordered = sorted(steps.items())
    return Latencies(
        columns, total, _quantile(ordered, total, 0.5), _quantile(ordered, total, 0.95), slowest
    )


def _at_edge(number: int) -> float:
    return float(EDGES[number % len(EDGES)] * 10.0 ** (number // len(EDGES)))


def _edge(latency: float) -> int:
    """The number of the last edge that is not above `latency`."""
    decade = math.floor(math.log10(latency))
    return decade * len(EDGES) + bisect(EDGES, latency / 10.0**decade) - 1


def _quantile(ordered: Sequence[tuple[int, int]], total: int, share: float) -> float:
    wanted = share * total
    for step, count in ordered:
        wanted -= count
        if wanted <= 0:
            return float(10 ** ((step + 0.5) / _FINE))
    return 0.0
