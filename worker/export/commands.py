"""The commands that follow up on a campaign, as people paste them into a shell in any folder.
Pure."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.ledger.views import LatestRun
from worker.model.program import PROGRAM, Program
from worker.model.server_address import DatabaseLocation
from worker.text import option, shell_command


class Invocation(NamedTuple):
    """How a command was invoked: what the commands after it need, to find the same database.

    `config` is the config file in use. `database` is set if that file does not lead to it. `ledger`
    is the value of --ledger (None: it was not given), `usual_ledger` the path without that option;
    both may contain `{run_id}` and `{campaign}`. `kept` are options of a run that the next run
    needs too, `program` the arguments that start this program. `batch_url` is the address of a
    batch, with {id} in place of its id, for files that link batches."""

    config: Path | None = None
    database: DatabaseLocation | None = None
    ledger: str | None = None
    usual_ledger: str | None = None
    sandbox: bool = False
    kept: tuple[str, ...] = ()
    program: Program = (PROGRAM,)
    batch_url: str | None = None


class CampaignFiles(NamedTuple):
    """What the commands of a campaign name: the campaign, its ledger file, its job file (both
    absolute), and the value of `{date}` (None: none)."""

    campaign: str
    ledger: Path
    job: Path
    date: str | None


class Commands(NamedTuple):
    """The commands that follow up on one campaign of a job.

    Every command needs the options `shared` to find the campaign; a run needs `more` to mean the
    same duplicates. `typed` are the arguments of a run whose user reads this in the same shell:
    they stay as they are. `program` are the arguments that start this program."""

    job: str
    shared: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    program: Program = (PROGRAM,)

    def without(self, flag: str) -> Commands:
        """The same commands without an option and its value, in either spelling."""
        typed: list[str] = []
        arguments = iter(self.typed)
        for argument in arguments:
            if argument == flag:
                next(arguments, None)
            elif not argument.startswith(f"{flag}="):
                typed.append(argument)
        return self._replace(typed=tuple(typed))

    def run(self, *options: str) -> str:
        """Run the job again."""
        arguments = self.typed or ("run", self.job, *self.shared, *self.more)
        added = [one for one in options if one not in arguments]
        # Behind `--`, they would be the names of jobs.
        end = arguments.index("--") if "--" in arguments else len(arguments)
        return shell_command([*self.program, *arguments[:end], *added, *arguments[end:]])

    def retry(self) -> str:
        """Run the job again, and retry what the API rejected."""
        return self.run("--retry-failed")

    def check(self) -> str:
        """Show what a run would do."""
        return self.run("--dry-run")

    def settle(self, *options: str) -> str:
        """Settle what is unknown, or record decisions."""
        return shell_command([*self.program, "settle", self.job, *self.shared, *options])

    def assign(self, item: int, batch_id: str) -> str:
        """Record that this batch is the copy of this item."""
        return self.settle("--assign", f"#{item}={batch_id}")

    def absent(self, item: int) -> str:
        """Record that this item has no copy."""
        return self.settle("--absent", f"#{item}")

    def ledger(self, *options: str) -> str:
        """Show the ledger."""
        return shell_command([*self.program, "ledger", self.job, *self.shared, *options])

    def report(self) -> str:
        """Write the report again."""
        return shell_command([*self.program, "report", self.job, *self.shared])


def commands(of: LatestRun | CampaignFiles, invocation: Invocation) -> Commands:
    """The commands for the campaign of a run, or for one with these files. The campaign is always
    named, because a config file in another folder or a YAML job could name another."""
    shared: list[str] = []
    if invocation.config is not None:
        shared += ["--config", str(invocation.config)]
    if invocation.database is not None:
        shared += ["--database", str(invocation.database)]
    if invocation.sandbox:
        shared += ["--sandbox"]
    shared += option("--campaign", of.campaign)
    more: list[str] = []
    if of.date is not None:
        # Without it, the job would mean another day's duplicates if this is pasted on another day.
        more += ["--date", of.date]
    if (ledger := _ledger(of, invocation)) is not None:
        more += ["--ledger", ledger]
    more += invocation.kept
    return Commands(str(of.job), tuple(shared), tuple(more), program=invocation.program)


def _ledger(of: LatestRun | CampaignFiles, invocation: Invocation) -> str | None:
    """The ledger file's path for --ledger; None if a run finds it without."""
    if invocation.ledger is not None:
        return invocation.ledger
    if invocation.usual_ledger is None:
        return str(of.ledger)
    if "{run_id}" in invocation.usual_ledger:  # each run has its own
        return None
    usual = invocation.usual_ledger.replace("{campaign}", of.campaign)
    return None if usual == str(of.ledger) else str(of.ledger)
