"""The tables that make up a ledger, and what copying asks of an engine for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol


class Table(NamedTuple):
    """A table of the ledger, with its primary key: whole numbers in `numbers`, texts in `texts`.
    With `numbered`, the database itself gives out the (one) number."""

    name: str
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    numbered: bool = False


TABLES = (
    Table("meta", texts=("key",)),
    Table("campaigns", ("id",), numbered=True),
    Table("runs", ("id",), numbered=True),
    Table("source_versions", ("id",), numbered=True),
    Table("sources", texts=("source_id",)),
    Table("items", ("id",), numbered=True),
    Table("extras", ("campaign_id", "line")),
    Table("attempts", ("id",), numbered=True),
    Table("listings", ("number",), numbered=True),
    Table("seen", texts=("workspace_id", "batch_id")),
    Table("unowned_batches", texts=("batch_id",)),
    Table("foreign_batches", texts=("batch_id",)),
    Table("candidates", ("item_id",), ("batch_id",)),
    Table("differences", ("item_id",), ("kind",)),
    Table("workspaces", texts=("id",)),
    Table("rate_changes", ("id",), numbered=True),
    Table("notifications", ("id",), numbered=True),
    Table("setups", ("id",), numbered=True),
)
"""Every table of a ledger, in an order in which no row refers to a later one."""

OWN_FACTS = ("path", "schema", "moved_to", "arrives_from")
"""The keys of `meta` that are about one database, so that a copy does not take them along."""

NUL = "\N{SYMBOL FOR NULL}"
"""What PostgreSQL's texts have for SQLite's character 0."""


class Tables(Protocol):
    """The tables of an open database, as a whole."""

    def columns(self, table: Table) -> list[str]:
        """The table's columns, in alphabetical order."""

    def rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Every row, with the values in the order of `columns`. The rows are in the order of the
        primary key, with `NUL` for the character 0, and not all in memory. Without `OWN_FACTS`."""

    def add(self, table: Table, columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows, within a transaction."""

    def clear(self, table: Table) -> None:
        """Delete every row but `OWN_FACTS`."""

    def last_number(self, table: Table) -> int:
        """The highest number that a row of a numbered table has, or had."""

    def continue_after(self, table: Table, number: int) -> None:
        """Let the next row of a numbered table have a higher number than this one."""
