"""The commands that follow up on a campaign: each one as it can be pasted into a shell, in whatever
folder. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.ledger.views import LatestRun
from worker.model.program import PROGRAM, Program
from worker.text import shell_command


class Invocation(NamedTuple):
    """What a command's settings know of the way to its database, for the commands that come after
    it.

    `config` is the config file in use, `database` is given where that does not lead there. `ledger`
    is the ledger file's path as a run was told it (None: it was not), `usual_ledger` the path where
    a run writes that is not told one; both may hold `{run_id}`, and `{campaign}`. `kept` are
    options of a run that the next one keeps, `program` the words that call this program."""

    config: Path | None = None
    database: Path | None = None
    ledger: str | None = None
    usual_ledger: str | None = None
    sandbox: bool = False
    kept: tuple[str, ...] = ()
    program: Program = (PROGRAM,)


class Commands(NamedTuple):
    """What follows up on one campaign of a job. `shared` are the options that every command needs
    to find it, `more` those that a run needs to mean the same duplicates. `typed` are the words of
    a run whose person reads this in the same shell: they stay as they are. `program` are the words
    that call this program."""

    job: str
    shared: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    program: Program = (PROGRAM,)

    def without(self, option: str) -> Commands:
        """The same commands without an option that has a value, however it was typed."""
        typed: list[str] = []
        words = iter(self.typed)
        for word in words:
            if word == option:
                next(words, None)
            elif not word.startswith(f"{option}="):
                typed.append(word)
        return self._replace(typed=tuple(typed))

    def run(self, *options: str) -> str:
        """Go on with the job."""
        words = self.typed or ("run", self.job, *self.shared, *self.more)
        return shell_command(
            [*self.program, *words, *(option for option in options if option not in words)]
        )

    def retry(self) -> str:
        """Go on with the job, and try again what was refused."""
        return self.run("--retry-failed")

    def settle(self, *options: str) -> str:
        """Find out what is unknown, or say it."""
        return shell_command([*self.program, "settle", self.job, *self.shared, *options])

    def assign(self, item: int, batch_id: str) -> str:
        """Say that the item with this number is this batch."""
        return self.settle("--assign", f"#{item}={batch_id}")

    def absent(self, item: int) -> str:
        """Say that the item with this number was not made."""
        return self.settle("--absent", f"#{item}")

    def ledger(self, *options: str) -> str:
        """Look at what the database knows."""
        return shell_command([*self.program, "ledger", self.job, *self.shared, *options])

    def report(self) -> str:
        """Make the report again."""
        return shell_command([*self.program, "report", self.job, *self.shared])


def commands(latest: LatestRun, invocation: Invocation) -> Commands:
    """The commands for the campaign of this run. The campaign is always named, because a config
    file in another folder or a YAML job could name another."""
    shared: list[str] = []
    if invocation.config is not None:
        shared += ["--config", str(invocation.config)]
    if invocation.database is not None:
        shared += ["--database", str(invocation.database)]
    if invocation.sandbox:
        shared += ["--sandbox"]
    shared += ["--campaign", latest.campaign]
    more: list[str] = []
    if latest.date is not None:
        more += [
            "--date",
            latest.date,
        ]  # pasted another day, the job would else mean that day's duplicates
    if (ledger := _ledger(latest, invocation)) is not None:
        more += ["--ledger", ledger]
    more += invocation.kept
    return Commands(str(latest.job), tuple(shared), tuple(more), program=invocation.program)


def _ledger(latest: LatestRun, invocation: Invocation) -> str | None:
    """The ledger file's path as --ledger has to say it; None where a run finds it without."""
    if invocation.ledger is not None:
        return invocation.ledger
    if invocation.usual_ledger is None:
        return str(latest.ledger)
    if "{run_id}" in invocation.usual_ledger:  # it is another for each run
        return None
    usual = invocation.usual_ledger.replace("{campaign}", latest.campaign)
    return None if usual == str(latest.ledger) else str(latest.ledger)
