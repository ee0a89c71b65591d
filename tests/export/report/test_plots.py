"""Plots are well-formed, tell the truth in words and in pixels, and survive nights of nothing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.export.report.test_timeline import BEGIN, at, attempt, made
from worker.export.report import plots
from worker.export.report.svg import BOTTOM, LEFT, RIGHT, TOP, WIDTH, length_text
from worker.export.report.timeline import Timeline

SOME = made(
    *(attempt(second, 0.2, "created", 201) for second in range(50)),
    attempt(60, 0.1, "not_sent", 429),
    attempt(61, 5.0, "unknown"),
    rate_changes=[
        {"at": at(60), "wait_s": 10.0, "rate": 0.7, "why": '"><script>alert(1)</script>'}
    ],
    created=53,
    settled=2,
    settled_at=BEGIN + 90,
)
NOTHING = made(ceiling=None)


def points(svg: str) -> list[tuple[float, float]]:
    (line,) = re.findall(r'<polyline class="line created" points="([^"]+)"', svg)
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]


@pytest.mark.parametrize(
    "night", [SOME, NOTHING, NOTHING._replace(ceiling=5.0)], ids=["some", "nothing", "ceiling"]
)
def test_every_plot_is_well_formed_and_labelled(night: Timeline) -> None:
    for svg in (
        plots.progress(night, 60),
        plots.progress(night, 0),
        plots.rate(night),
        plots.latencies(night),
        plots.tries([(1, 50), (2, 3)]),
        plots.tries([]),
        plots.parts([("created", 0)]),
    ):
        one = ElementTree.fromstring(str(svg))
        assert one.get("role") == "img"
        assert (one.get("aria-label") or "").endswith(".")
        assert not re.search(r"nan|inf\b|--", str(svg))


def test_a_hostile_reason_is_a_text() -> None:
    for svg in (plots.progress(SOME, 60), plots.rate(SOME)):
        assert "<script" not in svg
        titles = [one.text or "" for one in ElementTree.fromstring(str(svg)).iter("title")]
        assert any('waited 10 s: "><script>alert(1)</script>' in title for title in titles)


def test_progress_climbs_from_what_was_there_to_what_is() -> None:
    svg = plots.progress(SOME, 60)
    drawn = points(svg)
    assert drawn[0][0] == LEFT
    assert drawn[-1][0] == WIDTH - RIGHT
    heights = [y for _, y in drawn]
    assert heights == sorted(heights, reverse=True)
    bottom, top = 200 - BOTTOM, TOP
    assert heights[0] == pytest.approx(bottom - (bottom - top) * 1 / 60, abs=0.1)
    assert heights[-1] == pytest.approx(bottom - (bottom - top) * 53 / 60, abs=0.1)
    assert "1 of 60 duplicates existed at the beginning, 53 at the end." in svg


def test_the_ceiling_lies_where_it_is_on_the_scale() -> None:
    one = ElementTree.fromstring(str(plots.rate(SOME)))
    (ceiling,) = [line for line in one.iter("line") if line.get("class") == "ceiling"]
    fastest = min(
        float(bar.get("y") or 0) for bar in one.iter("rect") if bar.get("class") == "bar good"
    )
    assert float(ceiling.get("y1") or 0) < fastest, "one a second stays below a ceiling of five"
    assert not re.search('class="ceiling"', plots.rate(SOME._replace(ceiling=None)))


def test_columns_of_latencies_have_their_answers() -> None:
    titles = [one.text for one in ElementTree.fromstring(str(plots.latencies(SOME))).iter("title")]
    assert titles == ["1 answer took 100 ms to 150 ms", "50 answers took 200 ms to 300 ms"]


def test_many_requests_share_a_bar() -> None:
    svg = plots.tries([(n, 10) for n in range(8)])
    texts = [one.text for one in ElementTree.fromstring(str(svg)).iter("text")]
    assert texts[0::2] == [
        "0 requests",
        "1 request",
        "2 requests",
        "3 requests",
        "4 requests",
        "5 or more",
    ]
    assert texts[-1] == "30"


def test_a_status_of_one_in_a_million_is_seen() -> None:
    svg = plots.parts([("created", 999_999), ("failed", 1), ("unknown", 0), ("pending", 0)])
    bars = list(ElementTree.fromstring(str(svg)).iter("rect"))
    assert [bar.get("class") for bar in bars] == ["part created", "part failed"]
    assert float(bars[1].get("width") or 0) >= 5
    assert float(bars[1].get("x") or 0) + float(bars[1].get("width") or 0) == pytest.approx(
        1000, abs=0.2
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.012, "12 ms"), (0.9999, "1 s"), (1.5, "1.5 s"), (9.96, "10 s"), (60.0, "60 s")],
)
def test_lengths_are_short(seconds: float, text: str) -> None:
    assert length_text(seconds) == text


@pytest.mark.parametrize(
    ("length", "first"),
    [(5.0, "12:00:01"), (3600.0, "12:10"), (8 * 3600.0, "13:00"), (20 * 86_400.0, "05 Mar")],
)
def test_the_time_axis_has_round_times(length: float, first: str) -> None:
    texts = [
        one.text
        for one in ElementTree.fromstring(str(plots.rate(made(length=length)))).iter("text")
    ]
    assert next(text for text in texts if text and re.search(r":\d\d|[A-Z][a-z]{2}", text)) == first
