"""Which line of commits a shared ledger is on, and whether its server keeps what it confirms.

A failover, a restored base backup and a restored dump may lack commits that the server had
confirmed. Each of them changes the lineage, which the seat's row keeps from the last run."""

from __future__ import annotations

from typing import NamedTuple

from worker.ledger.engine import Engine, ServerError
from worker.model.errors import UsageError
from worker.model.server_address import ServerAddress


class Lineage(NamedTuple):
    """What stays the same as long as no commit can have been lost.

    system    the server's identifier and the number of the table `seat`: a dump that is restored
              makes a new table
    timeline  one more after each failover, and after a base backup was restored
    """

    system: str
    timeline: int


def current(engine: Engine, address: ServerAddress) -> Lineage:
    """The lineage of the server now. Raises UsageError if the role may not ask for it."""
    try:
        row = engine.execute("server", {}).fetchone()
    except ServerError as error:
        raise UsageError(
            f"{address}: the server does not tell its identity and timeline, which show a failover"
            f" that lost commits: {error}",
            hint="Nothing was sent. Let an administrator run, in this database: GRANT EXECUTE ON"
            " FUNCTION pg_control_system(), pg_current_wal_lsn(), pg_walfile_name(pg_lsn) TO"
            " ROLE;",
        ) from error
    return Lineage(str(row["system"]), int(row["timeline"]))


def recorded(engine: Engine) -> Lineage | None:
    """The lineage of the last run, or that a person has accepted since; None before the first."""
    row = engine.execute("seat", {}).fetchone()
    return None if row["system"] is None else Lineage(row["system"], int(row["timeline"]))


def difference(before: Lineage | None, now: Lineage) -> str:
    """What shows that commits may be missing; empty if nothing does."""
    if before is None or before == now:
        return ""
    system, _, table = before.system.partition("/")
    system_now, _, table_now = now.system.partition("/")
    if system != system_now:
        return f"its last run used server {system}, and this is server {system_now}"
    if table != table_now:
        return "its tables were created again since its last run, as a restored dump does"
    return (
        f"its last run was on timeline {before.timeline} of the server, which is on timeline"
        f" {now.timeline} now, as after a failover or a restored base backup"
    )


class Durability(NamedTuple):
    """Whether the server keeps what it confirms: the settings `synchronous_commit` and `fsync`, the
    name of the database, and whether the server is a replica, which only reads."""

    synchronous_commit: str
    fsync: str
    database: str
    is_replica: bool


def durability(engine: Engine) -> Durability:
    """Ask the server."""
    return Durability(*engine.execute("durability", {}).fetchone())


def refuse_unsafe(engine: Engine, address: ServerAddress) -> None:
    """Raise UsageError if the server confirms commits that it may lose when it stops, or cannot
    write at all."""
    for what, fix in unsafe(durability(engine)):
        raise UsageError(f"{address}: {what}", hint=f"Nothing was sent. {fix}")


def unsafe(server: Durability) -> list[tuple[str, str]]:
    """Why the server does not keep what it confirms: each reason with how to change it."""
    found = []
    if server.is_replica:
        found.append(
            (
                "this server is a replica, which only reads",
                "Name the primary server; with several hosts in the address, add"
                " target_session_attrs=read-write.",
            )
        )
    if server.synchronous_commit == "off":
        found.append(
            (
                "synchronous_commit is off on this server: a server that stops may lose commits,"
                " and their batches would be created again",
                f'Let an administrator run: ALTER DATABASE "{server.database}" SET'
                " synchronous_commit = on; if it is set for the role: ALTER ROLE … SET"
                " synchronous_commit = on.",
            )
        )
    if server.fsync == "off":
        found.append(
            (
                "fsync is off on this server: a computer that stops may lose or damage the"
                " database, and batches would be created again",
                "Set fsync = on in postgresql.conf and reload the server, or use another one.",
            )
        )
    return found
