"""What campaigns have in common with a plan: in a run's own database, and in ledger databases that lie nearby.

Databases nearby are only read, whatever version wrote them; what cannot be read is passed over.
"""

from __future__ import annotations

import glob
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from worker.ledger.database import APPLICATION_ID
from worker.ledger.queries import sql

MOST_FILES = 200
"""At most so many files are looked at in one folder."""


class Shared(NamedTuple):
    """A campaign and what it shares with a plan.

    same      how many of the plan's duplicates it has (same source, name, flag and copy)
    same_sent how many of those exist or may exist: a request has left
    sent      how many of all its duplicates exist or may exist
    job, ledger: the files of its latest run
    database  its file (None: the run's own database), which lies `beside_job` or elsewhere
    has_name  whether it has the name of the run's campaign
    """

    campaign: str
    same: int
    same_sent: int
    sent: int
    job: Path
    ledger: Path
    database: Path | None = None
    beside_job: bool = False
    has_name: bool = False


def sent_before(connection: sqlite3.Connection, campaign: str) -> bool:
    """Whether a request of this campaign has left, or a batch of it is known."""
    return connection.execute(sql("sent_before"), {"campaign": campaign}).fetchone() is not None


def jobs_of_campaigns(connection: sqlite3.Connection) -> list[tuple[str, Path]]:
    """Every campaign and the job file of its latest run, the latest first."""
    return [(name, Path(job)) for name, job in connection.execute(sql("campaigns_with_jobs"))]


def names_hold(connection: sqlite3.Connection, text: str) -> bool:
    """Whether the name of some duplicate of the plan (table `plan.staged`) holds this text."""
    return bool(connection.execute(sql("plan_names_hold"), {"text": text}).fetchone()[0])


def not_created(connection: sqlite3.Connection, campaign: str) -> int:
    """How many of the plan's duplicates (table `plan.staged`) are not created in this campaign."""
    return int(connection.execute(sql("plan_not_created"), {"campaign": campaign}).fetchone()[0])


def shared_with(connection: sqlite3.Connection, campaign: str) -> list[Shared]:
    """Every campaign that shares duplicates with the plan (table `plan.staged`), or has the name `campaign`."""
    found = connection.execute(sql("shared_with_plan"), {"campaign": campaign})
    return [
        Shared(name, same, same_sent, sent, Path(job), Path(ledger), has_name=name == campaign)
        for name, same, same_sent, sent, job, ledger in found
    ]


@contextmanager
def attached(connection: sqlite3.Connection, plan: Path) -> Iterator[None]:
    """The plan file as the schema `plan` of this connection, within the block."""
    connection.execute("ATTACH ? AS plan", (str(plan),))
    try:
        yield
    finally:
        connection.execute("DETACH plan")


def ledgers_in(folder: Path, but: Path) -> list[Path]:
    """The ledger databases that lie in this folder, by their first bytes, but for the run's own, `but`.

    (To open and close that one, by whatever name, would end the locks that SQLite has on it.)"""
    names = sorted(glob.glob(str(Path(glob.escape(str(folder))) / "*.db")))[:MOST_FILES]  # noqa: PTH207
    return [path for path in map(Path, names) if not _same(path, but) and _is_ledger(path)]


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def shared_nearby(
    files: Sequence[Path], plan: Path, campaign: str, api_url: str, beside: Sequence[Path]
) -> list[Shared]:
    """The same of the campaigns in other databases of this API; `beside` are the folders that count as the
    job's."""
    found: list[Shared] = []
    for file in files:
        with _peek(file) as connection:
            if connection is None:
                continue
            try:
                known = connection.execute(sql("api_url")).fetchone()
                if known is None or known[0] != api_url:
                    continue
                with attached(connection, plan):
                    some = shared_with(connection, campaign)
            except sqlite3.Error:  # damaged, or locked for long: nothing can be said of it
                continue
        near = file.parent in beside
        found += [one._replace(database=file, beside_job=near) for one in some]
    return found


def _is_ledger(path: Path) -> bool:
    """Whether the file begins as our databases do (SQLite's header holds the application's id)."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION_ID.to_bytes(4, "big")


@contextmanager
def _peek(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that only reads, whatever version wrote the file; None if it cannot be opened."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0, isolation_level=None)
    except sqlite3.Error:
        yield None
        return
    with closing(connection):
        yield connection
