"""Detects that the database was lost or is an old copy: a ledger file is newer than the
database."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from worker.export.formats import is_readable_ledger, read_file
from worker.folders import changed_at
from worker.ledger import restoration
from worker.ledger.database import belongs_to
from worker.ledger.handle import Reader
from worker.ledger.stamp import stamp
from worker.model.errors import UsageError
from worker.model.run_id import began_at
from worker.model.server_address import DatabaseLocation, server_address
from worker.text import counted


def files_of(written: str, campaign: str | None, database: DatabaseLocation) -> list[Path]:
    """Every ledger file that earlier runs of the campaign (None: of any) may have written to the
    ledger's path. `written` is that path with its placeholders: `{run_id}` and `{date}` match
    anything except the `database` and the files beside it."""
    named = written if campaign is None else written.replace("{campaign}", campaign)
    parts = re.split(r"\{(?:run_id|date|campaign)\}", named)
    pattern = "*".join(glob.escape(part) for part in parts)
    found = (Path(name) for name in sorted(glob.glob(pattern)))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = (path for path in found if path.is_file() and not belongs_to(path, database))
    return [path for path in files if len(parts) == 1 or is_readable_ledger(path)]


def records_a_run(path: Path, campaign: str | None) -> bool:
    """Whether the file is a ledger file with a row that a run of the campaign (None: of any) wrote.
    A database that does not know that run lacks what exists."""
    with suppress(UsageError, OSError):
        return any(
            row["run_id"] and campaign in (None, row["campaign"]) for _, row in read_file(path)
        )
    return False


class Outdated(NamedTuple):
    """What shows that a database lacks what exists: the message for users, what to do next, and the
    newer ledger file, if it is one."""

    text: str
    hint: str
    path: Path | None = None

    def __str__(self) -> str:
        return f"{self.text}\n  {self.hint}"

    def refusal(self) -> UsageError:
        """The error of a command that must not send or write anything then."""
        return UsageError(f"{self.text}. Nothing was sent or written", hint=self.hint)


def newer_file(
    reader: Reader,
    files: Iterable[Path],
    campaign: str,
    restoring: Callable[[Path], str],
) -> Outdated | None:
    """The newest ledger file of the campaign that knows more than the database: it contains a run,
    a batch or more attempts that the database does not. Then the database was lost or is an old
    copy, and sending would create existing duplicates again. `restoring` returns the command that
    rebuilds the database from such a file."""
    for path in sorted(files, key=changed_at, reverse=True):
        if restoration.is_as_written(reader, campaign, path, stamp(path)):
            continue  # a run of this database wrote it, and nobody changed it since
        if why := _why_newer(reader, path, campaign):
            return Outdated(
                f"{path}: this ledger file is newer than the database: {why}. The database was"
                " lost or is an old copy",
                f"Put the newer database back. If there is none, {move_away(reader.place)} and"
                " rebuild"
                f" the database from this file:\n    {restoring(path)}",
                path,
            )
    return None


def refuse_older_database(
    reader: Reader,
    files: Iterable[Path],
    campaign: str,
    restoring: Callable[[Path], str],
) -> None:
    """Raise UsageError if a ledger file of the campaign is newer than the database."""
    if found := newer_file(reader, files, campaign, restoring):
        raise found.refusal()


def move_away(place: str) -> str:
    """What to do with an old copy of the database before it is rebuilt, as part of a sentence."""
    address = server_address(place)
    if address is None:
        return "move the old copy away"
    return f"rename its schema (ALTER SCHEMA {address.schema} RENAME TO {address.schema}_old;)"


def _is_before(run_id: str, restored: str | None) -> bool:
    """Whether a run was before the one that restored the campaign. A restored database knows its
    duplicates, but not the runs that the lost one had: another machine's file may name them."""
    began, restored_at = began_at(run_id), began_at(restored or "")
    return began is not None and restored_at is not None and began < restored_at


def _why_newer(reader: Reader, path: Path, campaign: str) -> str | None:
    known_runs, attempts, lost_run, is_created = set[str](), 0, "", True
    restored = restoration.latest_restore(reader, campaign)
    for _, row in read_file(path):
        if row["campaign"] != campaign:
            continue
        if row["run_id"] and row["run_id"] not in known_runs:
            if not restoration.has_run(reader, row["run_id"]):
                if not _is_before(row["run_id"], restored):
                    return f"only the file contains run {row['run_id']}"
                lost_run = row["run_id"]
            known_runs.add(row["run_id"])
        is_created = is_created and row["status"] == "created"
        attempts += int(row["attempts"]) if row["attempts"].isdigit() else 0
        if row["new_batch_id"] and not restoration.owns(reader, row["new_batch_id"]):
            return f"only the file contains batch {row['new_batch_id']} (line {row['line']})"
    if lost_run and not is_created:
        # That run may have sent what the restored file does not mention.
        return f"only the file contains run {lost_run}"
    known = restoration.count_attempts(reader, campaign)
    return (
        f"the file records {counted(attempts, 'request')}, the database {known}"
        if attempts > known
        else None
    )
