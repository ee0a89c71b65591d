"""Random jobs: few rows, with names that are easily confused."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from worker.model.errors import Problem
from worker.model.job import Row
from worker.model.names import parse_name

DAY = date(2026, 3, 1)
MOST_ITEMS = 30
MOST_COPIES = 8
MOST_MORE = 10

NAMES = (
    "",
    "",
    "Wave",
    "wave",
    "Wave 1",
    "Wave 10",
    "Wave  1",
    "Wave {n}",
    "Wave {n:02}",
    "{source_name}",
    "{n} of {copies}",
    "{source_name} {n}, {date}",
    "{source_name} (Copy)",
    "Caf\u00e9 {{1}}",
    "Signs, long enough to be cut {n}",
)


PLAIN = tuple(name for name in NAMES if "(Copy)" not in name)
"""Names that cannot be confused with the name of a row that sends none."""


SPECIAL = (
    "Cats & dogs",
    "O'Neill's {n}",
    "Zo\u00eb {n:02}",
    "Ib\u00e1\u00f1ez & sons",
    "<b>Wave</b>",
)
"""Names that an API may escape or write in another alphabet. None of them becomes another one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One row of a job."""

    source_id: str
    name: str
    upload_new_dataset: bool
    copies: int
    tasks: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryJob:
    """A job without a file. The worker plans it like any other job."""

    wanted: tuple[Wanted, ...]
    path: Path = Path("job.csv")
    campaign: str | None = None
    extra_columns: tuple[str, ...] = ()
    comments: int = 0
    warnings: tuple[Problem, ...] = ()

    def rows(self) -> Iterator[Row | Problem]:
        for line, row in enumerate(self.wanted, start=2):
            yield Row(
                line,
                row.source_id,
                parse_name(row.name),
                row.upload_new_dataset,
                row.copies,
                {},
                row.tasks,
            )


def random_job(
    rng: random.Random, sources: Sequence[str], names: Sequence[str] = NAMES
) -> MemoryJob:
    """A job of a few rows, for some of the `sources`."""
    few = rng.sample(names, min(len(names), rng.randint(1, 4)))
    rows = [_row(rng, sources, few) for _ in range(rng.choice((1, 2, 3, 5, 8)))]
    return MemoryJob(_sound(rows))


def edited(rng: random.Random, job: MemoryJob, sources: Sequence[str]) -> MemoryJob:
    """The job after somebody edited it: rows in another order, more or fewer copies, rows added or
    removed."""
    rows = list(job.wanted)
    match rng.choice(("shuffle", "copies", "drop", "add")):
        case "shuffle":
            rng.shuffle(rows)
        case "copies":
            at = rng.randrange(len(rows))
            rows[at] = replace(rows[at], copies=rng.randint(1, MOST_COPIES))
        case "drop" if len(rows) > 1:
            del rows[rng.randrange(len(rows))]
        case _:
            rows.append(_row(rng, sources, NAMES))
    return MemoryJob(_sound(rows))


def with_setups(job: MemoryJob, seed: int, share: float) -> MemoryJob:
    """The job with a setup for this share of the rows that can have one: the same rows each
    time."""

    def tasks(row: Wanted) -> int | None:
        rng = random.Random(f"tasks {seed} {row.source_id} {row.name}")
        return rng.randint(1, 9) if not row.upload_new_dataset and rng.random() < share else None

    return replace(job, wanted=tuple(replace(row, tasks=tasks(row)) for row in job.wanted))


def with_copies_of(rng: random.Random, job: MemoryJob, sources: Sequence[str]) -> MemoryJob:
    """The job with one more row for each of these `sources`."""
    rows = [
        *job.wanted,
        *(replace(_row(rng, (source,), NAMES), copies=rng.randint(1, 3)) for source in sources),
    ]
    return MemoryJob(_sound(rows, MOST_ITEMS + MOST_MORE))


def _row(rng: random.Random, sources: Sequence[str], names: Sequence[str]) -> Wanted:
    copies = rng.choice((1, 1, 2, 3, MOST_COPIES))
    return Wanted(rng.choice(sources), rng.choice(names), rng.random() < 0.3, copies)


def _sound(rows: Sequence[Wanted], most: int = MOST_ITEMS) -> tuple[Wanted, ...]:
    """The rows without those that mean the same as an earlier one, and without those that are too
    many."""
    known: set[tuple[str, str, bool, int]] = set()
    kept: list[Wanted] = []
    left = most
    for row in rows:
        template = parse_name(row.name)
        meant = {
            (row.source_id, template.identity(n=n, source_id=row.source_id, campaign="", date=DAY),
             row.upload_new_dataset, n)
            for n in range(1, row.copies + 1)
        }  # fmt: skip
        if row.copies <= left and not meant & known:
            known |= meant
            left -= row.copies
            kept.append(row)
    return tuple(kept)
