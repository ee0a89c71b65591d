"""Real ledgers for tests: a database in a folder, planned from real job files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, cast

from worker.job.plan import planned
from worker.job.read import open_job
from worker.ledger import settlement
from worker.ledger.database import hold
from worker.ledger.handle import Reader, Writer
from worker.ledger.sqlite.database import open_for_writing
from worker.ledger.sqlite.engine import SqliteEngine
from worker.ledger.store import Ledger
from worker.model.attempts import Candidate, Unsettled, Verdicts
from worker.model.reasons import Reason, cause, message
from worker.model.records import AttemptResult, Intent, Listed, RunStart, Timestamp
from worker.model.server_address import DatabaseLocation

API = "https://api.prolific.com"
CAMPAIGN = "spring"
NOW = "2026-03-01T12:00:00.000Z"
LATER = "2026-03-01T12:05:00.000Z"
TIMESTAMP = Timestamp(NOW, 1_772_366_400.0, 1_772_366_399.0)
WORKSPACE = "64a0000000000000000000aa"
_serial = iter(range(1, 10_000))


def uuid(number: int) -> str:
    """A batch id that tells its number."""
    return f"0192a3b4-5678-7abc-8def-{number:012x}"


def run_start(**changes: Any) -> RunStart:
    """What a run says when it begins; each has a run id of its own."""
    number = next(_serial)
    start = RunStart(
        f"run-{number}",
        CAMPAIGN,
        "/jobs/spring.csv",
        "/ledgers/spring.csv",
        "host",
        4711,
        NOW,
        60.0,
        30.0,
    )
    return start._replace(**changes)


def in_file(folder: Path) -> DatabaseLocation:
    """The ledger of a folder: a SQLite file in it."""
    return folder / "ledger.db"


place: Callable[[Path], DatabaseLocation] = in_file
"""Where the ledger of a folder is; tests of both engines replace it."""


def lose_file(folder: Path) -> None:
    """Remove the SQLite file of a folder's ledger, and what is beside it."""
    for file in folder.glob("ledger.db*"):
        file.unlink()


lose: Callable[[Path], None] = lose_file
"""Lose the ledger of a folder: the next one there is new. Tests of both engines replace it."""


@contextmanager
def _writable(where: DatabaseLocation) -> Iterator[Writer]:
    if isinstance(where, Path):  # without its lock, which some tests hold themselves
        with closing(open_for_writing(where, API)) as database:
            yield database
    else:
        with hold(where, 0) as held, closing(held.open(API)) as database:
            yield database


@contextmanager
def opened(
    folder: Path, *rows: str, retry_failed: bool = False, **changes: Any
) -> Iterator[Ledger]:
    """A run's hold on `folder`/ledger.db; with `rows` (a CSV job, its header first) the job is
    planned."""
    with _writable(place(folder)) as database:
        ledger = Ledger(database, run_start(**changes))
        if rows:
            plan(ledger, folder, *rows, retry_failed=retry_failed)
        yield ledger


def plan(ledger: Ledger, folder: Path, *rows: str, retry_failed: bool = False) -> None:
    """Plan a CSV job of these lines, the header first."""
    job = folder / "job.csv"
    job.write_text("\n".join(rows) + "\n", encoding="utf-8")
    with planned(open_job(job), CAMPAIGN, date(2026, 3, 1)) as made:
        ledger.plan(made.file, made.extra_columns, retry_failed=retry_failed)


def source(number: int = 1, name: str = "Street signs") -> Listed:
    """What a GET shows of the source with this number."""
    return Listed(
        uuid(number), name, "READY", WORKSPACE, NOW, "me", "digest", "loose", ("dataset",)
    )


def look_up(ledger: Ledger, *sources: Listed) -> None:
    """Do what a preflight does that finds these sources (the first of all, where none are
    given)."""
    ledger.queue_sources()
    for batch in sources or (source(),):
        ledger.record_source(batch)
    ledger.end_preflight()


def claim(ledger: Ledger, limit: int = 100) -> list[Intent]:
    """The next intents."""
    return ledger.record_and_claim((), (), limit, TIMESTAMP)[1]


def ending(intent: Intent, outcome: str, **changes: Any) -> AttemptResult:
    """How an attempt ended; one that is `created` has a batch whose id follows from the attempt."""
    left = outcome != "not_left"
    end = AttemptResult(intent, outcome, left, NOW, LATER, 1.0, 2.0, 3.0, 0.5)
    if outcome == "created":
        end = end._replace(
            http_status=201, batch_id=uuid(0xF000 + intent.attempt_id), batch_name=intent.label,
            batch_status="READY", created_at=NOW,
        )  # fmt: skip
    return end._replace(**changes)


def record(ledger: Ledger, *endings: AttemptResult) -> list[AttemptResult]:
    """Record these; what the ledger made of them."""
    return ledger.record_and_claim(endings, (), 0, TIMESTAMP)[0]


def connection_of(database: Reader) -> sqlite3.Connection:
    """The connection behind an open ledger: for tests alone, which look into its tables. That of a
    server takes the same statements."""
    engine = database._engine
    if isinstance(engine, SqliteEngine):
        return engine.connection
    return cast(sqlite3.Connection, ServerTables(engine))


class ServerTables:
    """The tables of a ledger on a server, for statements as SQLite takes them."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Run a statement with these parameters."""
        return self._engine.connection.raw.execute(statement.replace("?", "%s"), parameters)

    def close(self) -> None:
        """Close the connection."""
        self._engine.close()


def items(
    ledger: Reader | sqlite3.Connection, columns: str = "line, copy, status"
) -> list[tuple[Any, ...]]:
    """These columns of every item, in the order of lines."""
    connection = connection_of(ledger) if isinstance(ledger, Reader) else ledger
    found = connection.execute(f"SELECT {columns} FROM items ORDER BY line IS NULL, line, copy, id")
    return [tuple(row) for row in found]


def undecided(item: int, text: str, *candidates: str) -> dict[str, Any]:
    """What a row of the ledger says of an unknown item that settling could not decide."""
    return {
        "reason": Reason.MAY_BE_ITS,
        "cause": cause(Reason.MAY_BE_ITS, text),
        "candidates": list(candidates),
        "error": message(item, Reason.MAY_BE_ITS, text, candidates, len(candidates)),
    }


def leave_undecided(ledger: Ledger, item: int, text: str, *candidates: str) -> None:
    """Let settling have found these candidates for an unknown item."""
    found = tuple(Candidate(one) for one in candidates)
    why = Unsettled(Reason.MAY_BE_ITS, text, found, len(found))
    connection = connection_of(ledger)
    (attempt,) = connection.execute(
        "SELECT id FROM attempts WHERE item_id = ? AND closed_by IS NULL", (item,)
    ).fetchone()
    attempts = [one for one in settlement.open_attempts(ledger) if one.id == attempt]
    settlement.record(ledger, attempts, Verdicts({}, [], {attempt: why}, ()))
