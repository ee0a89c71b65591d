"""Moves a whole ledger to another database: a file or a server.

In the order of what is durable: the copy, marked as arriving, in one transaction that compares it
with the original; then the mark `moved_to` in the original; then the copy loses its mark. While
there is a mark, nothing runs in that database, so whenever this is interrupted, at most one of the
two can be used. Doing it again completes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from worker.ledger.database import hold_even_moved, is_new, open_for_reading, unusable
from worker.ledger.engine import DATABASE_ERRORS, ServerError
from worker.ledger.handle import Reader, Writer
from worker.ledger.moved import ARRIVES_FROM, MOVED_TO, fact, note_fact, refuse_moved
from worker.ledger.tables import TABLES, Table
from worker.model.errors import NoLedgerError, UsageError, WorkerError
from worker.model.server_address import DatabaseLocation, ServerAddress


class Digest:
    """The number of a table's rows, and a digest of their values in the rows' order."""

    def __init__(self) -> None:
        self.rows = 0
        self._values = hashlib.sha256()

    def counting(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The same rows, each of them counted when it is taken."""
        for row in rows:
            self.rows += 1
            self._values.update(repr(row).encode())
            yield row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (
            (self.rows, self._values.digest()) == (other.rows, other._values.digest())
        )

    __hash__ = None  # type: ignore[assignment] # it changes


def move(source: DatabaseLocation, target: DatabaseLocation, wait_s: float) -> int:
    """Move the ledger from `source` to `target`. Returns the number of rows. Waits up to `wait_s`
    seconds for a run that holds one of them.

    Raises BusyError if the wait is not enough, UsageError if there is no ledger at `source`, if it
    was moved before, or if `target` is not empty, and WorkerError if the copy cannot be written or
    differs. Then `source` is as before, and `target` is empty or cannot be used."""
    if name_of(source) == name_of(target):
        raise UsageError(f"{target}: this is where the ledger is")
    if is_new(source):
        raise NoLedgerError(source)
    if isinstance(target, Path) and not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    new = isinstance(target, Path) and is_new(target)
    if isinstance(target, Path) and not new:
        open_for_reading(target).close()  # before a lock file is created beside another file
    with hold_even_moved(source, wait_s) as held, hold_even_moved(target, wait_s) as held_target:
        try:
            with (
                closing(held.open(None)) as original,
                closing(held_target.open(None)) as copy,
            ):
                return _move(source, original, target, copy)
        except BaseException as error:
            if new and isinstance(target, Path):
                _remove_empty(target)
            if isinstance(error, DATABASE_ERRORS):
                raise _unusable(error, source, target) from error
            raise


def name_of(place: DatabaseLocation) -> str:
    """How a database is named in the other one."""
    return str(place) if isinstance(place, ServerAddress) else str(place.resolve())


def _move(
    source: DatabaseLocation, original: Writer, target: DatabaseLocation, copy: Writer
) -> int:
    from_, to = name_of(source), name_of(target)
    arrives = fact(copy, ARRIVES_FROM)
    if fact(original, MOVED_TO) == to and arrives == from_:
        note_fact(copy, ARRIVES_FROM, None)  # this was interrupted before its last step
        return sum(1 for table in TABLES for _ in _rows(copy, table))
    refuse_moved(original)
    if arrives != from_:
        _refuse_occupied(target, copy)
    with closing(open_for_reading(source)) as reader, reader.snapshot(), copy.transaction():
        rows = _copied(reader, copy)
        note_fact(copy, ARRIVES_FROM, from_)
    note_fact(original, MOVED_TO, to)
    note_fact(copy, ARRIVES_FROM, None)
    return rows


def _refuse_occupied(target: DatabaseLocation, copy: Reader) -> None:
    if (elsewhere := fact(copy, MOVED_TO)) is not None:
        away = "Move that file away first, and those beside it (-wal, -shm), or name a new file."
        if isinstance(target, ServerAddress):
            old = target.schema
            away = (
                f"Rename its schema first (ALTER SCHEMA {old} RENAME TO {old}_old;), or name"
                " another one: 'postgresql://…?schema=NAME'."
            )
        raise UsageError(
            f"{target}: the old state of a ledger that was moved to {elsewhere} is still here",
            hint=f"Nothing was copied. {away}",
        )
    refuse_moved(copy)
    if copy.execute("any_campaign").fetchone() is not None:
        raise UsageError(
            f"{target}: there is a ledger here already",
            hint="Nothing was copied. Name a new file, or another schema:"
            " 'postgresql://…?schema=NAME'.",
        )


def _copied(reader: Reader, copy: Writer) -> int:
    """Copy every table within a transaction, and compare both sides. Returns the number of rows."""
    here, there, total = reader.tables(), copy.tables(), 0
    for table in reversed(TABLES):
        there.clear(table)
    for table in TABLES:
        written, read = Digest(), Digest()
        there.add(table, here.columns(table), written.counting(here.rows(table)))
        if table.numbered:
            there.continue_after(table, here.last_number(table))
        for _ in read.counting(there.rows(table)):
            pass
        if written != read or (
            table.numbered and there.last_number(table) < here.last_number(table)
        ):
            raise WorkerError(
                f"{copy.place}: the copy differs from {reader.place}: table {table.name} has"
                f" {written.rows:,} rows there, {read.rows:,} here, or other values",
                hint="Nothing was moved: continue to use the ledger where it is.",
            )
        total += written.rows
    return total


def _rows(reader: Writer, table: Table) -> Iterator[tuple[Any, ...]]:
    with reader.transaction():
        yield from reader.tables().rows(table)


def _unusable(error: Exception, source: DatabaseLocation, target: DatabaseLocation) -> WorkerError:
    """The error to show: of the database whose engine raised it, which is rather the target."""
    on_server = isinstance(error, ServerError)
    for place in (target, source):
        if isinstance(place, ServerAddress) == on_server:
            return unusable(place, error)
    raise AssertionError("an error of no engine")


def _remove_empty(target: Path) -> None:
    """Remove the file that this command created, and those beside it, if nothing was copied: the
    original may say already that the ledger is in this file."""
    with suppress(WorkerError, *DATABASE_ERRORS):
        with closing(open_for_reading(target)) as reader:
            if reader.execute("any_campaign").fetchone() is not None:
                return
        for end in ("-wal", "-shm", ""):
            target.with_name(target.name + end).unlink(missing_ok=True)
