"""The tables of a ledger on a PostgreSQL server, read and written as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from worker.ledger.postgresql.connection import LONG_EXCHANGE_S, TimedConnection
from worker.ledger.tables import OWN_FACTS, Table

BATCH = 5000
"""How many rows are sent or fetched in one exchange."""

_COPIED = f"WHERE key NOT IN ({', '.join(map(repr, OWN_FACTS))})"


class ServerTables:
    """The tables behind one connection, in a transaction that its engine has begun. The names in
    the statements are those of `TABLES`."""

    def __init__(self, connection: TimedConnection) -> None:
        self._connection = connection

    def columns(self, table: Table) -> list[str]:
        """The table's columns, in alphabetical order."""
        with self._exchange() as raw:
            cursor = raw.execute(f"SELECT * FROM {table.name} LIMIT 0".encode())  # noqa: S608
        return sorted(column.name for column in cursor.description or ())

    def rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Every row (see `Tables`)."""
        statement = (
            f"SELECT {', '.join(self.columns(table))} FROM {table.name}"  # noqa: S608 - names of ours
            f" {_copied(table)} ORDER BY {', '.join((*table.numbers, *table.texts))}"
        )
        with psycopg.ServerCursor(
            self._connection.raw, "whole_table", row_factory=tuple_row
        ) as cursor:
            with self._exchange():
                cursor.execute(statement.encode())
            while True:
                with self._exchange():
                    part = cursor.fetchmany(BATCH)
                if not part:
                    return
                yield from part

    def add(self, table: Table, columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows, within a transaction."""
        statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
        rest = iter(rows)
        while part := list(islice(rest, BATCH)):
            with (
                self._exchange() as raw,
                raw.cursor() as cursor,
                cursor.copy(statement.encode()) as copy,
            ):
                for row in part:
                    copy.write_row(row)
        with self._exchange() as raw:
            raw.execute(f"ANALYZE {table.name}".encode())

    def clear(self, table: Table) -> None:
        """Delete every row but `OWN_FACTS`."""
        with self._exchange() as raw:
            raw.execute(f"DELETE FROM {table.name} {_copied(table)}".encode())  # noqa: S608

    def last_number(self, table: Table) -> int:
        """The highest number that a row has, or had."""
        column = table.numbers[0]
        with self._exchange() as raw:
            row = raw.execute(
                f"SELECT greatest((SELECT max({column}) FROM {table.name}),"  # noqa: S608
                f" pg_sequence_last_value(CAST(pg_get_serial_sequence('{table.name}',"
                f" '{column}') AS REGCLASS)), 0)"
            ).fetchone()
        return 0 if row is None else int(row[0])

    def continue_after(self, table: Table, number: int) -> None:
        """Let the next row have a higher number."""
        if number:
            with self._exchange() as raw:
                raw.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}',"
                    f" '{table.numbers[0]}'), %s)".encode(),
                    (number,),
                )

    @contextmanager
    def _exchange(self) -> Iterator[psycopg.Connection[Any]]:
        """One exchange of a long transaction. In between, the other database may take long."""
        with self._connection.exchange(LONG_EXCHANGE_S) as raw:
            raw.execute("SET LOCAL idle_in_transaction_session_timeout = '15min'")
            yield raw


def _copied(table: Table) -> str:
    return _COPIED if table.name == "meta" else ""
