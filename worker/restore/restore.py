"""Reads a ledger file back: to notice that the database is lost or an old copy, and to rebuild it
from the file.

A file is believed where it says that a batch exists. All else that it says was sent becomes
unknown, with no baseline and a wide window, because the file may be older than what happened after
it was written."""

from __future__ import annotations

import glob
import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from worker.export.content import SHORTENED, FileRow
from worker.export.formats import is_ledger, read_file
from worker.ledger.database import belongs_to
from worker.ledger.group_commit import default_name
from worker.ledger.handle import Reader
from worker.ledger.stamp import stamp
from worker.ledger.store import Ledger
from worker.model.batch import UUID
from worker.model.clock import seconds
from worker.model.errors import UsageError
from worker.model.job_names import literal
from worker.model.names import needs_source_name, render_name
from worker.model.run_id import began_at
from worker.text import counted, shell_word

CLOCK_OFF_S = 2 * 86_400.0
"""Seconds by which this machine's clock may have been wrong when the file was written."""


def files_of(written: str, campaign: str, database: Path) -> list[Path]:
    """Every ledger file that the ledger's path, as it is `written`, may have named in earlier runs
    of the campaign: `{run_id}` and `{date}` in it match anything but the `database` and what lies
    beside it."""
    parts = re.split(r"\{(?:run_id|date)\}", written.replace("{campaign}", campaign))
    pattern = "*".join(glob.escape(part) for part in parts)
    found = (Path(name) for name in sorted(glob.glob(pattern)))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = (path for path in found if path.is_file() and not belongs_to(path, database))
    return [path for path in files if len(parts) == 1 or is_ledger(path)]


def refuse_older_database(
    reader: Reader,
    files: Iterable[Path],
    campaign: str,
    restoring: Callable[[Path], str],
) -> None:
    """Raise UsageError if a ledger file of the campaign knows more than the database: a run, a
    batch, or more attempts. Then the database was lost or is an old copy, and sending would create
    again what exists. `restoring` is the command that rebuilds the database from such a file."""
    for path in sorted(files):
        asked = {"campaign": campaign, "path": str(path), "stamp": stamp(path)}
        if reader.ask("wrote", **asked).fetchone():
            continue  # it is as this database's own run left it
        if why := _knows_more(reader, path, campaign):
            raise UsageError(
                f"{path}: this ledger file knows more than the database: {why}. The database was"
                " lost, or is an old copy; nothing was sent or written",
                hint=(
                    "Put the newer database back. If there is none, move an old copy of it away"
                    f" and rebuild it from this file:\n    {restoring(path)}"
                ),
            )


def _knows_more(reader: Reader, path: Path, campaign: str) -> str | None:
    known_runs = {row["run_id"] for row in reader.ask("run_ids")}
    attempts = 0
    for _, row in read_file(path):
        if row["campaign"] != campaign:
            continue
        if row["run_id"] and row["run_id"] not in known_runs:
            return f"run {row['run_id']}"
        attempts += int(row["attempts"]) if row["attempts"].isdigit() else 0
        if row["new_batch_id"] and not _owned(reader, row["new_batch_id"]):
            return f"batch {row['new_batch_id']} of line {row['line']}"
    known = reader.ask("count_attempts", campaign=campaign).fetchone()[0]
    return (
        f"{counted(attempts, 'request')}, of which the database knows {known}"
        if attempts > known
        else None
    )


def _owned(reader: Reader, batch_id: str) -> bool:
    return reader.ask("owns", batch_id=batch_id).fetchone() is not None


class Restored(NamedTuple):
    """How many rows were taken as created, and how many have to be found out about."""

    created: int
    unknown: int


def restore(
    ledger: Ledger, path: Path, campaign: str, others: Sequence[Path], now: str
) -> Restored:
    """Take what the ledger file `path` says of this campaign into a ledger that has planned the
    job.

    What exists by the file exists; all else may have been sent after the file was written, so it
    becomes unknown. The batches that `others` (the folder's other ledger files) name for other
    campaigns belong to those. What they name for this campaign (a copy of the file, or a newer one)
    is its own: its unknown duplicates have to find these batches, or they would be created again.
    `now` is ISO 8601 UTC. Raises UsageError, and changes nothing, where a row matches nothing in
    the job or names a batch that has an owner."""
    foreign, runs, began = set[str](), set[str](), math.inf
    for _, row in read_file(path):  # read twice, not kept: it may be long
        foreign.add(row["campaign"])
        runs.add(row["run_id"])
        if row["first_sent_at"]:
            began = min(began, _or_any(seconds(row["first_sent_at"])))
    if foreign := foreign - {campaign}:
        raise UsageError(
            f"{path}: this ledger file is of campaign {', '.join(sorted(foreign))}, not of"
            f" {campaign}",
            hint=f"Restore it as that campaign: --campaign {shell_word(min(foreign))}",
        )
    # A file of before its run's first request has no times of requests: they came after that run
    # began.
    began = min([began, *(_or_any(began_at(run)) for run in runs if run)])
    date_before = began - CLOCK_OFF_S if math.isfinite(began) else None
    created = unknown = 0
    sent = list[int]()
    with ledger.transaction():
        for other in others:
            for _, row in read_file(other):
                if row["new_batch_id"] and row["campaign"] != campaign:
                    ledger.ask("add_foreign_batch", batch_id=row["new_batch_id"])
        match = _Match(ledger, path)
        for where, row in read_file(path):
            item = match.item(where, row)
            if row["status"] == "created":
                _restore_created(ledger, where, item, row)
                created += 1
            else:
                _restore_unknown(ledger, item, row)
                unknown += 1
                if row["status"] == "unknown":
                    sent.append(item["id"])
        asked = {
            "run": ledger.run,
            "now": now,
            "date_before": date_before,
            "sent": json.dumps(sent),
        }
        ledger.ask("restore_attempts", **asked)
    return Restored(created, unknown)


class _Match:
    """Finds the job's duplicate that a row of the file means."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self._ledger = ledger
        self._path = path
        self._lines: bool | None = None

    def item(self, where: str, row: FileRow) -> sqlite3.Row:
        """That duplicate. Raises UsageError where there is none, or more than one, or it is known
        already."""
        fitting = self._named(where, row)
        if len(fitting) > 1 and self._lines_decide():
            fitting = [item for item in fitting if str(item["line"]) == row["line"]]
        if len(fitting) > 1:
            # The API's own names end in "(Copy)"; it may have cut one, so that counts only where it
            # tells rows apart.
            unnamed = default_name("{source_name}")
            fitting = [
                item for item in fitting if could_be_named(item["template"] or unnamed, row["name"])
            ] or fitting
        if not fitting:
            # A name that the API changed matches none; where there is no other duplicate it can
            # only be this one.
            found = self._ledger.ask("item_by_identity", **self._identity(where, row)).fetchmany(2)
            fitting = found if len(found) == 1 else []
        if len(fitting) != 1:
            raise UsageError(
                f"{where}: this row is no duplicate of the job (source {row['source_batch_id']}, "
                f"name {row['name']!r}, copy {row['copy']})",
                hint=(
                    "Nothing was restored. Restore with the job file, --date and --campaign of that"
                    " run."
                ),
            )
        only: sqlite3.Row = fitting[0]
        if only["status"] != "pending":
            raise UsageError(
                f"{where}: the database knows this duplicate already, as {only['status']}"
            )
        return only

    def _named(self, where: str, row: FileRow) -> list[sqlite3.Row]:
        """The job's duplicates that could be the row by all that it says."""
        named = {**self._identity(where, row), "literal": literal(row["name"])}
        likely = self._ledger.ask("items_that_may_be_named", **named)
        return [item for item in likely if could_be_named(item["template"], row["name"])]

    def _lines_decide(self) -> bool:
        """Whether every row of the file may be what stands on its own line of the job: then the job
        is as it was, and lines tell apart what names do not."""
        if self._lines is None:
            self._lines = all(
                any(str(item["line"]) == row["line"] for item in self._named(where, row))
                for where, row in read_file(self._path)
            )
        return self._lines

    def _identity(self, where: str, row: FileRow) -> dict[str, object]:
        """What tells the row's duplicates from others, but for their names. Raises UsageError."""
        try:
            copy = int(row["copy"])
        except ValueError:
            raise UsageError(f'{where}: column "copy": {row["copy"]!r} is no number') from None
        return {
            "campaign": self._ledger.campaign,
            "source_id": row["source_batch_id"],
            "upload_new_dataset": row["upload_new_dataset"] == "true",
            "copy": copy,
        }


def _or_any(moment: float | None) -> float:
    """A moment; one that cannot be read may be any."""
    return -math.inf if moment is None else moment


def could_be_named(template: str, name: str) -> bool:
    """Whether a duplicate of this template could have this name, whatever its source was called and
    however many copies there were."""
    if not template:
        return True
    marks = render_name(template.replace("{copies}", "{source_name}"), "\0", 0)
    pattern = ".*".join(re.escape(part) for part in marks.split("\0"))
    return re.fullmatch(pattern, name, re.DOTALL) is not None


def _whole(name: str) -> str | None:
    """The name, or None where the file has only its beginning."""
    return None if name.endswith(SHORTENED) else name


def _restore_created(ledger: Ledger, where: str, item: sqlite3.Row, row: FileRow) -> None:
    batch_id = row["new_batch_id"].lower()
    if not UUID.fullmatch(batch_id):
        raise UsageError(f'{where}: column "new_batch_id": {batch_id!r} is no batch id')
    if _owned(ledger, batch_id):
        raise UsageError(f"{where}: batch {batch_id} belongs to another duplicate already")
    ledger.ask(
        "restore_created",
        item=item["id"],
        run=ledger.run,
        batch_id=batch_id,
        name=_whole(row["name"]),
        batch_status=row["new_batch_status"] or None,
        created_at=row["created_at"] or None,
        settled_by=row["settled_by"] or "response",
        attempts=int(row["attempts"] or 1),
        http_status=int(row["http_status"]) if row["http_status"].isdigit() else None,
        first_sent_at=row["first_sent_at"] or None,
        last_sent_at=row["last_sent_at"] or None,
    )


def _restore_unknown(ledger: Ledger, item: sqlite3.Row, row: FileRow) -> None:
    # A name that was not known when the file was written is filled in when the source is looked up.
    written = _whole(row["name"])
    name = (
        None
        if written is None or needs_source_name(written)
        else written
        if item["template"]
        else ""
    )
    ledger.ask(
        "restore_unknown",
        item=item["id"],
        run=ledger.run,
        name=name,
        error="restored from a ledger file: it may have been sent after the file was written",
        attempts=int(row["attempts"] or 0),
        first_sent_at=row["first_sent_at"] or None,
        last_sent_at=row["last_sent_at"] or None,
    )
