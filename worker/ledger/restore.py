"""Reads a ledger file back: to notice that the database is lost or an old copy, and to rebuild it from the file.

A file is believed where it says that a batch exists. All else that it says was sent becomes unknown, with no baseline
and a wide window, because the file may be older than what happened after it was written.
"""

from __future__ import annotations

import csv
import glob
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.clock import seconds
from worker.errors import UsageError
from worker.job.names import needs_source_name, render_name
from worker.ledger.export import is_ledger
from worker.ledger.queries import sql
from worker.ledger.store import Ledger
from worker.ledger.views import COLUMNS
from worker.prolific.models import UUID

FileRow = Mapping[str, str]

CLOCK_OFF_S = 2 * 86_400.0
"""Seconds by which this machine's clock may have been wrong when the file was written."""


def read_file(path: Path) -> Iterator[FileRow]:
    """The rows of a ledger file, with the text that was written: the `'` of a guarded cell is taken away.

    Raises UsageError where the file is no ledger, or cannot be read to its end."""
    try:
        if not is_ledger(path):
            raise UsageError(f"{path}: this file is no ledger", hint="Name a ledger file that a run wrote.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = next(d for d in ",;\t" if first.count(d) >= len(COLUMNS) - 1)
            for number, row in enumerate(csv.DictReader(file, delimiter=delimiter), start=2):
                if any(row.get(column) is None for column in COLUMNS):
                    raise UsageError(f"{path}:{number}: this row has too few cells", hint="Is the file whole?")
                yield {column: (cell or "").removeprefix("'") for column, cell in row.items() if column is not None}
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: the ledger file cannot be read: {error}") from error


def files_of(written: str, campaign: str) -> list[Path]:
    """Every ledger file that the ledger's path, as it is `written`, may have named in earlier runs of the campaign:
    `{run_id}` and `{date}` in it match anything."""
    parts = re.split(r"\{(?:run_id|date)\}", written.replace("{campaign}", campaign))
    pattern = "*".join(glob.escape(part) for part in parts)
    found = (Path(name) for name in sorted(glob.glob(pattern)))  # noqa: PTH207 - Path.glob takes no absolute pattern
    return [path for path in found if path.is_file() and (len(parts) == 1 or is_ledger(path))]


def refuse_older_database(connection: sqlite3.Connection, files: Sequence[Path], campaign: str) -> None:
    """Raise UsageError where a ledger file of the campaign knows more than the database: a run, a batch, or more
    attempts. Then the database was lost or is an old copy, and sending would make again what exists."""
    for path in files:
        if why := _knows_more(connection, path, campaign):
            raise UsageError(
                f"{path}: this ledger file knows more than the database: {why}. The database was lost, or is an old "
                f"copy; nothing was sent",
                hint=f"Put the newer database back, or rebuild it: duplicate-batches ledger JOB --restore {path}",
            )


def _knows_more(connection: sqlite3.Connection, path: Path, campaign: str) -> str | None:
    known_runs = {row["run_id"] for row in connection.execute("SELECT run_id FROM runs")}
    attempts = 0
    for row in read_file(path):
        if row["campaign"] != campaign:
            continue
        if row["run_id"] and row["run_id"] not in known_runs:
            return f"run {row['run_id']}"
        attempts += int(row["attempts"]) if row["attempts"].isdigit() else 0
        if row["new_batch_id"] and not _owned(connection, row["new_batch_id"]):
            return f"batch {row['new_batch_id']} of line {row['line']}"
    known = connection.execute(sql("count_attempts"), {"campaign": campaign}).fetchone()[0]
    return f"{attempts} requests, of which the database knows {known}" if attempts > known else None


def _owned(connection: sqlite3.Connection, batch_id: str) -> bool:
    return connection.execute("SELECT 1 FROM items WHERE new_batch_id = ?", (batch_id,)).fetchone() is not None


@dataclass(frozen=True, slots=True)
class Restored:
    """How many rows were taken as created, and how many have to be found out about."""

    created: int
    unknown: int


def restore(ledger: Ledger, path: Path, campaign: str, others: Sequence[Path], now: str) -> Restored:
    """Take what the ledger file `path` says of this campaign into a ledger that has planned the job.

    What exists by the file exists; all else may have been sent after the file was written, so it becomes unknown. The
    batches that `others` (the folder's other ledger files) name belong to them. `now` is ISO 8601 UTC. Raises
    UsageError, and changes nothing, where a row matches nothing in the job or names a batch that has an owner."""
    rows = list(read_file(path))
    if foreign := {row["campaign"] for row in rows} - {campaign}:
        raise UsageError(
            f"{path}: this ledger file is of campaign {', '.join(sorted(foreign))}, not of {campaign}",
            hint="Name the campaign with --campaign.",
        )
    began = seconds(min((row["first_sent_at"] for row in rows if row["first_sent_at"]), default=now))
    date_before = None if began is None else began - CLOCK_OFF_S
    created = unknown = 0
    with ledger.transaction():
        for other in others:
            for row in read_file(other):
                if row["new_batch_id"]:
                    ledger.connection.execute(sql("add_elsewhere"), {"batch_id": row["new_batch_id"]})
        for number, (row, item) in enumerate(zip(rows, _items(ledger, path, rows), strict=True), start=2):
            if row["status"] == "created":
                _restore_created(ledger, f"{path}:{number}", item, row)
                created += 1
            else:
                _restore_unknown(ledger, item, row, date_before, now)
                unknown += 1
    return Restored(created, unknown)


def _items(ledger: Ledger, path: Path, rows: Sequence[FileRow]) -> list[sqlite3.Row]:
    """The job's duplicates that the rows of the file mean, in their order.

    Where every row may be what stands on its own line, the job is as it was, and lines tell apart what names do not."""
    found = [_alike(ledger, f"{path}:{number}", row) for number, row in enumerate(rows, start=2)]
    there = [
        [item for item in items if str(item["line"]) == row["line"] and could_be_named(item["template"], row["name"])]
        for items, row in zip(found, rows, strict=True)
    ]
    chosen = there if all(there) else found
    items = [_item(f"{path}:{number}", row, chosen[number - 2]) for number, row in enumerate(rows, start=2)]
    first: dict[int, int] = {}
    for number, item in enumerate(items, start=2):
        if first.setdefault(item["id"], number) != number:
            raise UsageError(f"{path}:{number}: this row and line {first[item['id']]} are one duplicate of the job")
    return items


def _alike(ledger: Ledger, where: str, row: FileRow) -> list[sqlite3.Row]:
    """The job's duplicates that differ from a row of the file in nothing but their names."""
    try:
        return ledger.connection.execute(
            sql("item_by_identity"),
            {
                "campaign": ledger.campaign,
                "source_id": row["source_batch_id"],
                "upload_new_dataset": row["upload_new_dataset"] == "true",
                "copy": int(row["copy"]),
            },
        ).fetchall()
    except ValueError:
        raise UsageError(f'{where}: column "copy": {row["copy"]!r} is no number') from None


def _item(where: str, row: FileRow, found: Sequence[sqlite3.Row]) -> sqlite3.Row:
    """The one of these duplicates that a row of the file means."""
    # The API's own names end in "(Copy)"; it may have cut one, which then only counts where nothing else fits.
    sure = [item for item in found if could_be_named(item["template"] or "{source_name} (Copy)", row["name"])]
    named = sure or [item for item in found if could_be_named(item["template"], row["name"])]
    # A name that the API changed matches none; where there is no other duplicate it can only be this one.
    fitting = named or (found if len(found) == 1 else [])
    if len(fitting) != 1:
        raise UsageError(
            f"{where}: this row is no duplicate of the job (source {row['source_batch_id']}, name {row['name']!r}, "
            f"copy {row['copy']})",
            hint="Nothing was restored. Restore with the job file, --date and --campaign of that run.",
        )
    only: sqlite3.Row = fitting[0]
    if only["status"] != "pending":
        raise UsageError(f"{where}: the database knows this duplicate already, as {only['status']}")
    return only


def could_be_named(template: str, name: str) -> bool:
    """Whether a duplicate of this template could have this name, whatever its source was called and however many
    copies there were."""
    if not template:
        return True
    marks = render_name(template.replace("{copies}", "{source_name}"), "\0", 0)
    pattern = ".*".join(re.escape(part) for part in marks.split("\0"))
    return re.fullmatch(pattern, name, re.DOTALL) is not None


def _restore_created(ledger: Ledger, where: str, item: sqlite3.Row, row: FileRow) -> None:
    batch_id = row["new_batch_id"].lower()
    if not UUID.fullmatch(batch_id):
        raise UsageError(f'{where}: column "new_batch_id": {batch_id!r} is no batch id')
    if _owned(ledger.connection, batch_id):
        raise UsageError(f"{where}: batch {batch_id} belongs to another duplicate already")
    ledger.connection.execute(
        sql("restore_created"),
        {
            "item": item["id"],
            "run": ledger.run,
            "batch_id": batch_id,
            "name": row["name"],
            "batch_status": row["new_batch_status"] or None,
            "created_at": row["created_at"] or None,
            "settled_by": row["settled_by"] or "response",
            "attempts": int(row["attempts"] or 1),
            "http_status": int(row["http_status"]) if row["http_status"].isdigit() else None,
            "first_sent_at": row["first_sent_at"] or None,
            "last_sent_at": row["last_sent_at"] or None,
        },
    )


def _restore_unknown(ledger: Ledger, item: sqlite3.Row, row: FileRow, date_before: float | None, now: str) -> None:
    # A name that was not known when the file was written is filled in when the source is looked up.
    name = None if needs_source_name(row["name"]) else row["name"] if item["template"] else ""
    ledger.connection.execute(
        sql("restore_unknown"),
        {
            "item": item["id"],
            "run": ledger.run,
            "name": name,
            "error": "restored from a ledger file: it may have been sent after the file was written",
            "attempts": int(row["attempts"] or 0),
            "first_sent_at": row["first_sent_at"] or None,
            "last_sent_at": row["last_sent_at"] or None,
        },
    )
    ledger.connection.execute(
        sql("restore_attempt"),
        {
            "item": item["id"],
            "run": ledger.run,
            "now": now,
            "date_before": date_before,
            "sent_name": name or None,
        },
    )


def other_files(path: Path) -> list[Path]:
    """The other ledger files in the folder of `path`."""
    return sorted(p for p in path.parent.glob("*.csv") if p.is_file() and not p.samefile(path) and is_ledger(p))
