"""The tables of a ledger in a SQLite file, read and written as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from worker.ledger.tables import NUL, OWN_FACTS, Table

_COPIED = f"WHERE key NOT IN ({', '.join(map(repr, OWN_FACTS))})"


class FileTables:
    """The tables behind one connection. The names in the statements are those of `TABLES`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.create_function("without_nul", 1, _without_nul, deterministic=True)

    def columns(self, table: Table) -> list[str]:
        """The table's columns, in alphabetical order."""
        found = self._connection.execute("SELECT name FROM pragma_table_info(?)", (table.name,))
        return sorted(row[0] for row in found)

    def rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Every row (see `Tables`)."""
        order = ", ".join((*table.numbers, *(f"without_nul({text})" for text in table.texts)))
        found = self._connection.execute(
            f"SELECT {', '.join(self.columns(table))} FROM {table.name}"  # noqa: S608 - names of ours
            f" {_copied(table)} ORDER BY {order}"
        )
        found.row_factory = None
        for row in found:
            yield tuple(map(_without_nul, row))

    def add(self, table: Table, columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows, within a transaction."""
        self._connection.executemany(
            f"INSERT INTO {table.name} ({', '.join(columns)})"  # noqa: S608 - names of ours
            f" VALUES ({', '.join('?' * len(columns))})",
            rows,
        )

    def clear(self, table: Table) -> None:
        """Delete every row but `OWN_FACTS`."""
        self._connection.execute(f"DELETE FROM {table.name} {_copied(table)}")  # noqa: S608

    def last_number(self, table: Table) -> int:
        """The highest number that a row has, or had if the table never gives a number again."""
        highest = self._connection.execute(
            f"SELECT coalesce(max({table.numbers[0]}), 0) FROM {table.name}"  # noqa: S608
        ).fetchone()[0]
        given = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)
        ).fetchone()
        return int(highest if given is None else max(highest, given[0]))

    def continue_after(self, table: Table, number: int) -> None:
        """Let the next row have a higher number. SQLite heeds this only for tables that never give
        a number again."""
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        self._connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table.name, number))


def _copied(table: Table) -> str:
    return _COPIED if table.name == "meta" else ""


def _without_nul(value: Any) -> Any:
    return value.replace("\0", NUL) if isinstance(value, str) and "\0" in value else value
