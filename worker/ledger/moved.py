"""Marks a ledger as moved to another database, so that no run works in both."""

from __future__ import annotations

from worker.ledger.handle import Reader, Writer
from worker.model.errors import UsageError
from worker.text import shell_command

MOVED_TO = "moved_to"
"""The fact of the database that a ledger left: where it is now."""

ARRIVES_FROM = "arrives_from"
"""The fact of the database that a ledger moves to, until the one that it leaves is marked."""


def fact(reader: Reader, key: str) -> str | None:
    """One fact about a database; None if it has none."""
    row = reader.execute("fact", key=key).fetchone()
    return None if row is None else str(row[0])


def note_fact(database: Writer, key: str, value: str | None) -> None:
    """Record a fact about a database; None: remove it."""
    with database.transaction():
        if value is None:
            database.execute("forget_fact", key=key)
        else:
            database.execute("note_fact", key=key, value=value)


def refuse_moved(reader: Reader) -> None:
    """Raise UsageError if the ledger was moved to another database, or has not fully arrived."""
    found = reader.execute("moves", to=MOVED_TO, origin=ARRIVES_FROM)
    facts = {row["key"]: str(row["value"]) for row in found}
    if (to := facts.get(MOVED_TO)) is not None:
        raise UsageError(
            f"{reader.place}: this ledger was moved to {to}",
            hint=f"Nothing was sent or changed here. Use --database {shell_command([to])}.",
        )
    if (origin := facts.get(ARRIVES_FROM)) is not None:
        again = shell_command(
            ["duplicate-batches", "ledger", "--database", origin, "--copy-to", reader.place]
        )
        raise UsageError(
            f"{reader.place}: moving the ledger here from {origin} was interrupted",
            hint=f"Nothing was sent or changed here. Move it again: {again}",
        )
