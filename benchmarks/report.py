"""What the HTML report costs: `python -m benchmarks.report`.

For each size a database is filled as runs leave it, the real command writes the report in a process
of its own, and the system's Chromium opens it. A size beyond what a page embeds shows that memory
is bounded."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measured import MIB, measure, print_machine, without_api
from tests.support.ledgers import connection_of
from worker.ledger.queries import sql
from worker.ledger.sqlite.database import open_for_writing
from worker.model.clock import iso

COPIES = 100
"""Copies of each source."""

RATE = 5.0
"""Requests a second that the run is to have sent."""

BEGAN = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
JOB = "/jobs/big.csv"

OPEN = """() => {
  const [entry] = performance.getEntriesByType("navigation");
  return entry.loadEventEnd - entry.startTime;
}"""
"""Milliseconds from the navigation's start to the page's being ready: its script has shown the
table."""

ACT = """async (act) => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const search = (words) => {
    const field = document.getElementById("search");
    field.value = words;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const click = (selector) => document.querySelector(selector).click();
  const acts = {
    "search, first": () => search("annotator 07"),
    "search, another letter": () => search("annotator 077"),
    "search for an id": () => search("abcd-"),
    "clear the search": () => search(""),
    "filter by status": () => click("[data-chip=failed]"),
    "filter off": () => click("[data-chip=failed]"),
    "open all sources": () => click("#fold"),
    "sort by name": () => click("[data-sort='4']"),
    "sort by new batch": () => click("[data-sort='7']"),
  };
  await frame();
  const before = performance.now();
  acts[act]();
  document.body.getBoundingClientRect(); // style and layout are part of it
  const took = performance.now() - before;
  await frame();
  return took;
}"""

ACTS = (
    "search, first",
    "search, another letter",
    "search for an id",
    "clear the search",
    "filter by status",
    "filter off",
    "open all sources",
    "sort by name",
    "sort by new batch",
)


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        pages = [write(Path(name) / str(number), number) for number in asked.items]
        from tests.support.browser import (  # noqa: PLC0415 - a process begins with its starter's memory
            CHROMIUM,
        )

        if CHROMIUM is None:
            raise SystemExit("Chromium is not installed, so the pages are not opened")
        for number, page in zip(asked.items, pages, strict=True):
            print(f"\n{number:,} items, opened")
            look(page, asked.times)


def write(folder: Path, number: int) -> Path:
    """Fill a database, let the real command write its report, and print what that took; the
    page."""
    folder.mkdir()
    fill(folder / "ledger.db", number)
    page = folder / "report.html"
    measured = measure(
        ["report", JOB, "--database", "ledger.db", "--output", page.name], folder, without_api()
    )
    size = page.stat().st_size / 1e6
    print(
        f"{number:,} items, written: {measured.seconds:.1f} s, {measured.peak / MIB:.0f} MiB,"
        f" {size:.1f} MB",
        flush=True,
    )
    return page


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument(
        "--items",
        type=int,
        nargs="+",
        default=[1_000, 50_000, 1_000_000],
        help="sizes (default: 1000 50000 1000000)",
    )
    parser.add_argument(
        "--times", type=int, default=5, help="how often a page is opened (default: 5)"
    )
    return parser.parse_args()


def fill(path: Path, number: int) -> None:
    """A database as a night's run leaves it: 97 of 100 created, the others failed, unknown and
    pending."""
    with closing(connection_of(open_for_writing(path, "https://api.prolific.com"))) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute(sql("add_campaign"), {"name": "big", "now": iso(BEGAN)})
        connection.execute(
            sql("add_run"),
            {
                "run_id": "20260301T220000-abc123",
                "campaign": 1,
                "job": JOB,
                "ledger": "/jobs/ledgers/big.csv",
                "host": "host",
                "pid": 1,
                "now": iso(BEGAN),
                "timeout_s": 60.0,
                "settle_after_s": 30.0,
                "ceiling": RATE,
                "date": "2026-03-01",
                "kind": "run",
            },
        )
        sources = -(-number // COPIES)
        connection.executemany(
            "INSERT INTO source_versions VALUES (?, ?, ?, 'workspace', '', '', '[]')",
            ((n, _id("source", n), f"Street signs, part {n}") for n in range(1, sources + 1)),
        )
        connection.executemany(
            "INSERT INTO sources (source_id, run_id, state, version_id) VALUES (?, 1, 'found', ?)",
            ((_id("source", n), n) for n in range(1, sources + 1)),
        )
        connection.executemany(
            "INSERT INTO items (campaign_id, source_id, template, upload_new_dataset, copy, line,"
            " copies, status, name, new_batch_id, new_batch_name, new_batch_status, created_at,"
            " settled_by, attempts, http_status, error, first_sent_at, last_sent_at, run_id) VALUES"
            " (1, ?, ?, 0, ?, ?, 100, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            _items(number),
        )
        connection.executemany(
            "INSERT INTO attempts (item_id, run_id, started_at, listing, ended_at, outcome,"
            " http_status, latency_s, closed_by) VALUES (?, 1, ?, 0, ?, ?, ?, ?, 'outcome')",
            _attempts(number),
        )
        connection.executemany(
            sql("add_rate_change"),
            (
                {
                    "run": 1,
                    "at": _at(n * 997),
                    "wait_s": 5.0,
                    "rate": 0.7,
                    "why": "the API said 'too many requests'",
                }
                for n in range(min(2_000, number // 997))
            ),
        )
        end = {"run": 1, "now": _at(number), "stopped_by": None, "exit_code": 1}
        connection.execute(
            sql("end_run"),
            end
            | {
                "created": number * 97 // 100,
                "requests": number,
                "throttled": 0,
                "ledger_stamp": None,
            },
        )
        connection.execute("COMMIT")


def _id(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {number}"))


def _at(number: int, after: float = 0.0) -> str:
    """When the request with this number left."""
    return iso(BEGAN + timedelta(seconds=number / RATE + after))


def _items(number: int) -> Iterator[tuple[object, ...]]:
    for n in range(number):
        source, copy = n // COPIES + 1, n % COPIES + 1
        name, batch, sent = (
            f"Street signs, part {source}, annotator {copy:03}",
            _id("batch", n),
            _at(n),
        )
        place = (_id("source", source), name, copy, source + 1)
        match n % 100:
            case 97:
                error = "HTTP 422: this batch has no dataset"
                yield (
                    *place,
                    "failed",
                    name,
                    None,
                    None,
                    None,
                    None,
                    None,
                    1,
                    422,
                    error,
                    sent,
                    sent,
                )
            case 98:
                error = (
                    f"#{n + 1} may exist: several batches fit ({_id('other', n)},"
                    f" {_id('another', n)})"
                )
                yield (
                    *place,
                    "unknown",
                    name,
                    None,
                    None,
                    None,
                    None,
                    None,
                    1,
                    None,
                    error,
                    sent,
                    sent,
                )
            case 99:
                yield (
                    *place,
                    "pending",
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    0,
                    None,
                    None,
                    None,
                    None,
                )
            case _:
                made = _at(n, 0.2)
                yield (
                    *place,
                    "created",
                    name,
                    batch,
                    name,
                    "READY",
                    made,
                    "response",
                    1,
                    201,
                    None,
                    sent,
                    sent,
                )


def _attempts(number: int) -> Iterator[tuple[object, ...]]:
    for n in range(number):
        latency = 0.1 + n % 37 / 20
        outcome, status = {97: ("refused", 422), 98: ("unknown", None)}.get(
            n % 100, ("created", 201)
        )
        if n % 100 != 99:
            yield n + 1, _at(n), _at(n, latency), outcome, status, latency


def look(page: Path, times: int) -> None:
    """Open the page in new tabs, do what people do, and print the medians."""
    from tests.support.browser import (  # noqa: PLC0415 - as in `main`, not before pages are written
        browser,
    )

    opened: list[float] = []
    took: dict[str, list[float]] = {act: [] for act in ACTS}
    with browser() as one:
        for _ in range(times):
            tab = one.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(page.resolve().as_uri())
            opened.append(tab.evaluate(OPEN))
            for act in ACTS:
                took[act].append(tab.evaluate(ACT, act))
            tab.close()
        print(f"in Chromium {one.version}, medians (and slowest) of {times}:")
    print(f"  {'opened':<24}{statistics.median(opened):>7.0f} ms{max(opened):>9.0f} ms")
    for act, lengths in took.items():
        print(f"  {act:<24}{statistics.median(lengths):>7.0f} ms{max(lengths):>9.0f} ms")


if __name__ == "__main__":
    main()
