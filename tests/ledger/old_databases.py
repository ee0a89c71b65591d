"""Databases as earlier versions left them: their own schema, filled by statements of their time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.support.ledgers import API, NOW, uuid
from worker.ledger.sqlite.database import APPLICATION_ID, migrations
from worker.model.reasons import Reason

FIVE = tuple(uuid(0xA000 + number) for number in range(5))
TEN = tuple(uuid(0xB000 + number) for number in range(10))

TEXTS_UNTIL = 6
"""The last schema that has reasons and candidates in its texts alone."""


class OldRow(NamedTuple):
    """A row: what stood in `error`, and what stands there now, with its reason and candidates."""

    status: str
    error: str | None
    now: str | None
    reason: str | None
    named: tuple[str, ...] = ()
    candidates: int = 0


def _settled(item: int, text: str, reason: Reason, *named: str, more: int = 0) -> OldRow:
    batches = f" ({', '.join(named)}{f' and {more} more' if more else ''})" if named else ""
    error = f"#{item} may exist: {text}{batches}"
    return OldRow("unknown", error, text, reason, named, len(named) + more)


def _plain(status: str, error: str, reason: Reason) -> OldRow:
    return OldRow(status, error, error, reason)


OLD_ROWS = (
    OldRow("created", None, None, None),
    _plain("failed", "HTTP 422: no (really)", Reason.REFUSED),
    _plain(
        "failed",
        "the source batch does not exist, or this token may not see it: Not found",
        Reason.SOURCE_MISSING,
    ),
    OldRow("pending", None, None, None),
    _plain("pending", "no connection", Reason.NOT_SENT),
    _plain("pending", "the source could not be looked up: HTTP 500", Reason.SOURCE_UNCLEAR),
    _plain("pending", "two complete listings show that it was not made", Reason.ABSENT),
    _plain("pending", "a person found that it was not made", Reason.DECLARED_ABSENT),
    _plain("unknown", "HTTP 500: oops", Reason.UNANSWERED),
    _plain(
        "unknown",
        "the run ended before an answer was recorded; it may exist",
        Reason.INTERRUPTED,
    ),
    _plain(
        "unknown",
        "restored from a ledger file: it may have been sent after the file was written",
        Reason.RESTORED,
    ),
    _plain(
        "unknown",
        f"the answer names batch {uuid(7)}, which is line 3's of campaign spring already",
        Reason.OWNED,
    ),
    _plain(
        "unknown",
        f"it was taken for batch {uuid(7)}, which turned out to be another's",
        Reason.TAKEN,
    ),
    _settled(
        14,
        "the workspace's listing is not complete: it lacks batch x (and more)",
        Reason.LISTING_INCOMPLETE,
    ),
    _settled(
        15,
        "the token is another person's now, and sees not all that the first one's made",
        Reason.HIDDEN,
    ),
    _settled(16, "the first of two listings does not show it", Reason.NOT_SHOWN_YET),
    _settled(
        17,
        "several batches fit, or one fits several duplicates",
        Reason.SEVERAL_FIT,
        *FIVE,
    ),
    _settled(
        18,
        "these may be its copy, or another's with a name alike",
        Reason.NAMES_ALIKE,
        FIVE[0],
    ),
    _settled(19, "these may be its copy", Reason.MAY_BE_ITS, *TEN, more=3),
    _settled(20, "an answer named this batch", Reason.ANSWER_NAMED, FIVE[1]),
)


def old_database(path: Path, version: int) -> None:
    """A database of this schema (1 and later) that has all of `OLD_ROWS`, a run, a restoring and a
    settling. Those of later schemas than `TEXTS_UNTIL` were filled before."""
    path.parent.mkdir(exist_ok=True)
    filled = min(version, TEXTS_UNTIL)
    with closing(sqlite3.connect(path)) as connection, connection:
        for script in migrations()[:filled]:
            connection.executescript(script)
        for statement, values in _filling(filled):
            connection.execute(statement, values)
        connection.commit()
        for script in migrations()[filled:version]:
            connection.executescript(script)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")


def _filling(version: int) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "INSERT INTO facts VALUES ('api_url', ?)", (API,)
    yield "INSERT INTO campaigns (name, created_at) VALUES ('spring', ?)", (NOW,)
    for number in (1, 2, 3):
        yield (
            "INSERT INTO runs (run_id, campaign_id, job, ledger, host, pid, started_at, timeout_s,"
            " settle_after_s) VALUES (?, 1, '/job.csv', '/l.csv', 'host', 1, ?, 60, 30)",
            (f"run-{number}", NOW),
        )
    if version >= 3:
        yield "UPDATE runs SET date = '2026-03-01' WHERE id = 1", ()
        yield "INSERT INTO paces (run_id, at, wait_s, why) VALUES (1, ?, 2.0, 'HTTP 429')", (NOW,)
    if version >= 4:
        yield "UPDATE runs SET command = 'run' WHERE id = 1", ()
    for number, row in enumerate(OLD_ROWS, start=1):
        created = row.status == "created"
        yield (
            "INSERT INTO items (campaign_id, source_id, template, upload_new_dataset, copy, line,"
            " copies, status, name, new_batch_id, settled_by, attempts, error)"
            " VALUES (1, ?, ?, 0, 1, ?, 1, ?, ?, ?, ?, 1, ?)",
            (
                uuid(1),
                f"Wave {number}",
                number + 1,
                row.status,
                f"Wave {number}",
                uuid(99) if created else None,
                "response" if created else None,
                row.error,
            ),
        )
        yield (
            "INSERT INTO attempts (item_id, run_id, started_at, listing, latency_s, closed_by)"
            " VALUES (?, 1, ?, 0, 0.5, ?)",
            (number, NOW, None if row.status == "unknown" else "outcome"),
        )
    if version >= 2:
        yield "UPDATE attempts SET restored = 1, run_id = 2 WHERE item_id = 11", ()
        yield "INSERT INTO elsewhere VALUES (?)", (uuid(50),)
        yield "INSERT INTO listings (run_id, workspace_id, left_at) VALUES (1, 'w', ?)", (NOW,)
        yield (
            "INSERT INTO sightings (batch_id, workspace_id, listing, name, details, loose_details,"
            " datasets) VALUES (?, 'w', 1, 'Near', 'd', 'l', '[]')",
            (FIVE[0],),
        )
    yield "INSERT INTO extras VALUES (1, 2, ?)", (json.dumps({"x_a": "a"}),)
