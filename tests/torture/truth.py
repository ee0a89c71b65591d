"""Judges a database and a ledger file by what the server has. It reads both as anybody could and
shares nothing with the worker but the ledger file's columns.

double      more batches of a kind exist than rows of it
lost        more batches of a kind exist than its rows that are created or unknown: something nobody
knows of
false row   a `created` row names a batch that does not exist, is of another kind, or is another
row's too
file        the ledger file is not whole, or tells something false, or (after a run that ended by
itself) something
            else than the database
twice       two setup requests took effect on one batch
unready     a row says that its batch was not set up, and it was; or that it is ready, and it is not
uncounted   fewer attempts stand in the rows than requests arrived
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.contract import COLUMNS
from worker.sandbox.world import World

if TYPE_CHECKING:
    import psycopg

Kind = tuple[str, str, bool]
"""Source, name, whether it is without a dataset."""

_ROWS = """
SELECT i.source_id, i.template, i.name, i.upload_new_dataset, i.status, i.new_batch_id, i.attempts,
    (SELECT s.status FROM setup_statuses AS s WHERE s.item_id = i.id) AS setup
FROM items AS i WHERE i.line IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Made:
    """What the server has: batches by id, and how many of each kind."""

    by_id: dict[str, Kind]
    kinds: Counter[Kind]


@dataclass(frozen=True, slots=True)
class Row:
    """What the database says of one wanted duplicate; `kind` is None where it was never sent."""

    kind: Kind | None
    status: str
    batch_id: str | None
    attempts: int
    setup: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it is created, and set up if it is to be."""
        return self.status == "created" and self.setup in ("", "requested", "ready")


def made(world: World) -> Made:
    """What exists now."""
    by_id = {
        str(b["id"]): (str(b["source_batch_id"]), str(b["name"]), not b["datasets"])
        for b in world.duplicates
    }
    return Made(by_id, Counter(by_id.values()))


def rows_of(database: Path, world: World) -> list[Row]:
    """The wanted rows of the database; none where the first run died before it had made its
    tables."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        try:
            found = connection.execute(_ROWS).fetchall()
        except sqlite3.OperationalError:
            return []
    return _rows(found, world)


def rows_on_server(connection: psycopg.Connection[Any], world: World) -> list[Row]:
    """The same of a shared ledger; none where nobody has made its tables."""
    import psycopg  # noqa: PLC0415 - an optional extra

    try:
        found = connection.execute(_ROWS.encode()).fetchall()
    except psycopg.errors.UndefinedTable:
        return []
    return _rows(found, world)


def _rows(found: Iterable[Sequence[Any]], world: World) -> list[Row]:
    rows = []
    for source, _, name, new_dataset, status, batch_id, attempts, setup in found:
        batch = world.find(source)
        assert batch is not None
        kind = None if name is None else (source, name or f"{batch.name} (Copy)", bool(new_dataset))
        rows.append(Row(kind, status, batch_id, attempts, setup or ""))
    return rows


def judge(rows: list[Row], truth: Made) -> list[str]:
    """What is wrong with the rows. `truth` was taken before them, or while no run was active."""
    problems = []
    of_kind = Counter(row.kind for row in rows)
    known = Counter(row.kind for row in rows if row.status in ("created", "unknown", "sent"))
    for kind, number in truth.kinds.items():
        if number > of_kind[kind]:
            problems.append(f"double: {number} batches of {kind} for {of_kind[kind]} rows")
        elif number > known[kind]:
            problems.append(
                f"lost: {number} batches of {kind}, and {known[kind]} rows say created or unknown"
            )
    owners = Counter(row.batch_id for row in rows if row.batch_id is not None)
    for row in rows:
        if (row.status == "created") != (row.batch_id is not None):
            problems.append(f"false row: {row} is {row.status} and names {row.batch_id}")
        elif row.batch_id is not None and truth.by_id.get(row.batch_id) != row.kind:
            problems.append(
                f"false row: {row} names {truth.by_id.get(row.batch_id, 'nothing that exists')}"
            )
        elif row.batch_id is not None and owners[row.batch_id] > 1:
            problems.append(f"false row: {owners[row.batch_id]} rows name {row.batch_id}")
    # A batch that a row names is that row's; the others of its kind must be what its unknown rows
    # may have.
    named = Counter(truth.by_id[batch] for batch in owners if batch in truth.by_id)
    unclear = Counter(row.kind for row in rows if row.status in ("unknown", "sent"))
    for kind, number in truth.kinds.items():
        if number - named[kind] > unclear[kind] and not any(
            p.startswith(("double", "lost")) for p in problems
        ):
            problems.append(
                f"lost: {number - named[kind]} batches of {kind} that no row names, {unclear[kind]}"
                " unknown"
            )
    return problems


def judge_setups(rows: list[Row], world: World) -> list[str]:
    """What is wrong with the setups."""
    problems = [
        f"twice: {batch} was set up by {number} requests"
        for batch, number in world.set_ups.items()
        if number > 1
    ]
    for row in rows:
        batch = world.find(row.batch_id) if row.batch_id else None
        if batch is None or not row.setup:
            continue
        status = batch.status(world.now())
        if row.setup == "pending" and status != "UNINITIALISED":
            problems.append(f"unready: {row} is {status}")
        if row.setup == "ready" and status != "READY":
            problems.append(f"unready: {row} is {status}")
    return problems


def read_file(text: str, wanted: int, world: World) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a ledger file's text, and what is wrong with it by itself."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    if not lines or tuple(lines[0]) != COLUMNS:
        return [], [f"file: its header is {text[:200]!r}"]
    if not text.endswith("\n") or any(len(line) != len(lines[0]) for line in lines):
        return [], [f"file: a row is not whole: {text[-200:]!r}"]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    problems = [] if len(rows) == wanted else [f"file: it has {len(rows)} rows of {wanted}"]
    truth = made(world)
    for row in rows:
        kind = (row["source_batch_id"], row["name"], row["upload_new_dataset"] == "true")
        if (row["status"] == "created") != bool(row["new_batch_id"]):
            problems.append(f"file: {row}")
        if row["new_batch_id"] and truth.by_id.get(row["new_batch_id"]) != kind:
            problems.append(
                f"file: {row} names {truth.by_id.get(row['new_batch_id'], 'nothing that exists')}"
            )
    return rows, problems


def differences(file_rows: list[dict[str, str]], rows: list[Row]) -> list[str]:
    """Where the ledger file of a run that has ended by itself differs from the database."""
    in_file = Counter(
        (row["status"], row["new_batch_id"], int(row["attempts"])) for row in file_rows
    )
    known = Counter((row.status, row.batch_id or "", row.attempts) for row in rows)
    return (
        [] if in_file == known else [f"file: it has {in_file - known} and lacks {known - in_file}"]
    )


def left_over(folder: Path, expected: set[str]) -> set[str]:
    """Files in the ledgers' folder that should not be there. Killed runs leave temporary files,
    which later ones remove after an hour."""
    names = {path.name for path in folder.iterdir() if not path.match(".*.tmp")}
    return names - expected


def uncounted(rows: list[Row], world: World) -> list[str]:
    """Whether requests arrived that no row counts, once nothing is under way."""
    counted, arrived = sum(row.attempts for row in rows), world.requests["duplicate"]
    return (
        []
        if counted >= arrived
        else [f"uncounted: {arrived} requests arrived, and the rows say {counted}"]
    )
