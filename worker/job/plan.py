"""Rows → plan: writes every duplicate of the job to a private SQLite file, which finds repeated
rows without keeping the job in memory. The ledger takes the plan over in one transaction; `check`
only compares it.

The SQL here is of that temporary file, whose schema is the interface to the ledger: rooms of one
layer do not import each other, so it cannot be among the ledger's queries."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from worker.job.problems import Problems
from worker.model.errors import SHOWN_PROBLEMS, Problem, WorkerError
from worker.model.job import Job, Row
from worker.text import counted

MOST_ITEMS = 10_000_000
"""More duplicates than this in one job are probably a typo, and planning them would fill the
disk."""

_SCHEMA = """
CREATE TABLE staged (
    place INTEGER PRIMARY KEY, -- in the job's order
    line INTEGER NOT NULL, copy INTEGER NOT NULL, copies INTEGER NOT NULL,
    source_id TEXT NOT NULL, template TEXT NOT NULL, upload_new_dataset INTEGER NOT NULL,
    tasks_per_group INTEGER
) STRICT;
CREATE TABLE staged_extras (line INTEGER PRIMARY KEY, cells TEXT NOT NULL) STRICT;
"""
_IDENTITY = (
    "CREATE UNIQUE INDEX staged_identity ON staged (source_id, template, upload_new_dataset, copy)"
)
_REPEATED = """
SELECT min(first) AS first, line FROM (
    SELECT line, min(line) OVER identity AS first, count(*) OVER identity AS times FROM staged
    WINDOW identity AS (PARTITION BY source_id, template, upload_new_dataset, copy))
WHERE times > 1 AND line > first GROUP BY line ORDER BY line
"""


Staged = tuple[int, int, int, str, str, int, int | None]
"""A row of the table `staged`, without its place."""

_json = json.JSONEncoder(ensure_ascii=False).encode
"""JSON of a string. (For other types the encoder would build a new encoder each time.)"""


class Plan(NamedTuple):
    """The plan of a job: `file` contains every duplicate (table `staged`); `rows` and `items` count
    the rows and the duplicates. `comments` lines were skipped; `warnings` are about what the job's
    author may not have meant; names contain the `placeholders` (see `NameTemplate`)."""

    file: Path
    rows: int
    items: int
    extra_columns: tuple[str, ...]
    comments: int = 0
    warnings: tuple[Problem, ...] = ()
    placeholders: frozenset[str] = frozenset()

    def warnings_shown(self, job: Path) -> Iterator[str]:
        """The first warnings about the file `job`, as `FILE:LINE: text`, and how many more there
        are."""
        for line, text in self.warnings[:SHOWN_PROBLEMS]:
            yield f"{job}:{line}: {text}"
        if (more := len(self.warnings) - SHOWN_PROBLEMS) > 0:
            yield f"{job}: … and {counted(more, 'more warning')}"

    def sources(self) -> Iterator[str]:
        """Every source of the job, once."""
        with closing(sqlite3.connect(self.file)) as connection:
            for (source_id,) in connection.execute("SELECT DISTINCT source_id FROM staged"):
                yield source_id


@contextmanager
def planned(job: Job, campaign: str, day: date) -> Iterator[Plan]:
    """Plan the job with `{campaign}` and `{date}` filled in. The plan's file is deleted after the
    block.

    Raises JobError with every problem of the file (the first ones in full) and leaves nothing
    behind."""
    with tempfile.TemporaryDirectory(prefix="duplicate-batches-") as folder:
        file = Path(folder) / "plan.db"
        try:
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                # The file is useless after this process, so it need not survive a crash.
                connection.execute("PRAGMA journal_mode = OFF")
                connection.execute("PRAGMA synchronous = OFF")
                connection.executescript(_SCHEMA)
                rows, items, placeholders = _stage(connection, job, campaign, day)
        except sqlite3.OperationalError as error:
            raise WorkerError(
                f"{file.parent.parent}: the plan cannot be written to this folder for temporary"
                f" files: {error}",
                hint=(
                    "Nothing was sent. Free some space there, or set the variable TMPDIR to another"
                    " folder."
                ),
            ) from error
        yield Plan(file, rows, items, job.extra_columns, job.comments, job.warnings, placeholders)


def _stage(
    connection: sqlite3.Connection, job: Job, campaign: str, day: date
) -> tuple[int, int, frozenset[str]]:
    """Write every duplicate. Returns the number of rows, the number of duplicates, and which
    placeholders names contain."""
    problems = Problems()
    extras: list[tuple[int, str]] = []
    rows = wanted = 0
    placeholders: frozenset[str] = frozenset()

    def items() -> Iterator[Staged]:
        nonlocal rows, wanted, placeholders
        for row in job.rows():
            if isinstance(row, Problem):
                problems.add(row)
                continue
            rows += 1
            wanted += row.copies
            placeholders |= row.name.placeholders
            if row.extra:
                cells = ", ".join(
                    f"{_json(column)}: {_json(cell)}" for column, cell in row.extra.items()
                )
                extras.append((row.line, f"{{{cells}}}"))
            if wanted <= MOST_ITEMS:
                yield from _items(row, campaign, day)

    connection.execute("BEGIN")
    source = items()
    insert = "INSERT INTO staged VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"
    while page := list(islice(source, 1000)):
        connection.executemany(insert, page)
        connection.executemany("INSERT OR REPLACE INTO staged_extras VALUES (?, ?)", extras)
        extras.clear()
    connection.executemany("INSERT OR REPLACE INTO staged_extras VALUES (?, ?)", extras)
    connection.execute("COMMIT")
    if wanted > MOST_ITEMS:
        problems.add(
            Problem(
                0,
                f"the job asks for {wanted:,} duplicates; one job may have at most {MOST_ITEMS:,}",
            )
        )
    _refuse_repeated(connection, problems)
    if problems.total:
        raise problems.error(job.path)
    return rows, wanted, placeholders


def _items(row: Row, campaign: str, day: date) -> Iterator[Staged]:
    """Every duplicate of one row."""
    for copy in range(1, row.copies + 1):
        template = row.name.identity(n=copy, source_id=row.source_id, campaign=campaign, date=day)
        yield (
            row.line,
            copy,
            row.copies,
            row.source_id,
            template,
            int(row.upload_new_dataset),
            row.tasks_per_group,
        )


def _refuse_repeated(connection: sqlite3.Connection, problems: Problems) -> None:
    """Report each row that repeats a duplicate of an earlier row."""
    try:
        connection.execute(_IDENTITY)
    except sqlite3.IntegrityError:
        for first, line in connection.execute(_REPEATED):
            problems.add(
                Problem(
                    line,
                    f"this row repeats a duplicate of line {first} (same batch_id, name and"
                    " upload_new_dataset); to create more copies of one batch, write their number"
                    ' in the column "copies" of one row, or give each row its own name',
                )
            )
