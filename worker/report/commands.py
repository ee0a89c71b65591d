"""The commands that a report names: each one as it can be pasted into a shell, in whatever folder. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.observe.text import shell_command

PROGRAM = "duplicate-batches"


@dataclass(frozen=True, slots=True)
class Commands:
    """What follows up on one campaign. `shared` are the options that every command needs to find it, `more` those that
    a run needs to mean the same duplicates."""

    job: str
    shared: tuple[str, ...]
    more: tuple[str, ...]

    def run(self, *options: str) -> str:
        """Go on with the job."""
        return shell_command([PROGRAM, "run", self.job, *self.shared, *self.more, *options])

    def settle(self, *options: str) -> str:
        """Find out what is unknown, or say it."""
        return shell_command([PROGRAM, "settle", self.job, *self.shared, *options])

    def assign(self, item: int, batch_id: str) -> str:
        """Say that the item with this number is this batch."""
        return self.settle("--assign", f"#{item}={batch_id}")

    def absent(self, item: int) -> str:
        """Say that the item with this number was not made."""
        return self.settle("--absent", f"#{item}")

    def ledger(self, *options: str) -> str:
        """Look at what the database knows."""
        return shell_command([PROGRAM, "ledger", self.job, *self.shared, *options])

    def report(self) -> str:
        """Make the report again."""
        return shell_command([PROGRAM, "report", self.job, *self.shared])


def commands(
    job: str,
    campaign: str,
    *,
    date: str | None,
    campaigns_of_job: int,
    config: Path | None,
    database: Path | None,
    ledger: str | None,
    sandbox: bool,
) -> Commands:
    """The commands for a campaign of the job file `job` (an absolute path).

    `config` is the config file in use, `database` and `ledger` are given where nothing else would lead there. The
    campaign is named unless a CSV job's own name is it and there never was another."""
    shared: list[str] = []
    if config is not None:
        shared += ["--config", str(config)]
    if database is not None:
        shared += ["--database", str(database)]
    if sandbox:
        shared += ["--sandbox"]
    own = Path(job).stem == campaign and Path(job).suffix.lower() not in (".yaml", ".yml")
    if not own or campaigns_of_job > 1:
        shared += ["--campaign", campaign]
    more: list[str] = []
    if date is not None:
        more += ["--date", date]  # pasted another day, the job would else mean that day's duplicates
    if ledger is not None:
        more += ["--ledger", ledger]
    return Commands(job, tuple(shared), tuple(more))


def joined(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""
