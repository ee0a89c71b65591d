"""`settle --proposals`: writes the sheet in which a person decides about unknown duplicates."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from worker.cli.common import invocation
from worker.cli.latest_run import campaign_number, latest_run, name_campaign
from worker.cli.outdated import outdated, warn_if
from worker.export import decision_sheet
from worker.export.commands import commands
from worker.export.kept_decisions import count_unrecorded
from worker.export.own_files import refuse_foreign_file
from worker.export.proposals import DecisionRow, sheet_rows
from worker.export.report.facts import may_be_active
from worker.ledger.database import open_for_reading
from worker.ledger.handle import Reader
from worker.ledger.moved import refuse_moved
from worker.ledger.proposals import Undecided, undecided
from worker.model.errors import UsageError
from worker.settings.settings import Settings
from worker.terminal.output import say, say_json
from worker.text import counted, verb


def write_proposals(args: Namespace, settings: Settings) -> int:
    """Write the sheet of what is unknown. Returns 0 if nothing is, otherwise 1. Raises
    UsageError."""
    path = Path(args.proposals)
    decision_sheet.refuse_ending(path)
    with closing(open_for_reading(settings.database)) as reader, ExitStack() as stack:
        refuse_moved(reader)
        latest = latest_run(reader, settings, args)
        # Before the snapshot: a run may write its ledger file at any moment.
        warn_if(outdated(reader, settings, latest.campaign, latest.job, latest.ledger))
        stack.enter_context(reader.snapshot())
        refuse_foreign_file(decision_sheet.SHEET_FILE, path, latest.campaign)
        _refuse_unrecorded(reader, path)
        campaign = campaign_number(reader, latest)
        count = SheetCount()
        active = may_be_active(reader, campaign)
        invoked = invocation(settings)
        unknown = count.of(undecided(reader, campaign, active=active))
        rows = sheet_rows(unknown, latest.campaign, invoked.batch_url)
        try:
            decision_sheet.write(path, count.of_rows(rows), f"Decisions for {latest.campaign}")
        except OSError as error:
            raise UsageError(
                f"{path}: the sheet cannot be written: {error.strerror or error}"
            ) from error
        follow_up = commands(latest, invoked)
    code = 1 if count.duplicates else 0
    if settings.json:
        facts = {"campaign": latest.campaign, "file": str(path), **count.numbers}
        say_json(facts | {"exit_code": code})
    elif not settings.quiet:
        name_campaign(latest)
        say(count.text(path))
        if count.duplicates:
            say("Fill in the column decision, save the file, and record your decisions:")
            recording = [*ledger_option(settings), "--decisions", str(path.absolute())]
            say(f"  {follow_up.settle(*recording)}")
            if count.suggestions:
                say("To accept each suggestion where you filled in nothing, too:")
                say(f"  {follow_up.settle(*recording, '--accept-suggestions')}")
    return code


def ledger_option(settings: Settings) -> list[str]:
    """--ledger as it was given, for a command that is to write the same file."""
    given = settings.given("ledger") and settings.ledger is not None
    return ["--ledger", str(settings.ledger)] if given else []


class SheetCount:
    """Counts what passes through to the sheet."""

    def __init__(self) -> None:
        self.duplicates = self.candidates = self.suggestions = self.without_candidates = 0
        self.left_out = 0
        """How many candidates are not in the sheet, because the ledger has only counted them."""

    def of(self, unknown: Iterable[Undecided]) -> Iterator[Undecided]:
        """The same duplicates; each is counted as it is taken."""
        for one in unknown:
            self.duplicates += 1
            self.candidates += len(one.found)
            self.without_candidates += not one.found
            self.left_out += one.hidden
            yield one

    def of_rows(self, rows: Iterable[DecisionRow]) -> Iterator[DecisionRow]:
        """The same rows of the sheet; their suggestions are counted as they are taken."""
        for row in rows:
            self.suggestions += row["suggestion"] is not None
            yield row

    @property
    def numbers(self) -> dict[str, int]:
        """What was counted, for programs."""
        return {
            "duplicates": self.duplicates,
            "candidates": self.candidates,
            "suggestions": self.suggestions,
        }

    def text(self, path: Path) -> str:
        """What was written to `path`, for people."""
        if not self.duplicates:
            return f"{path}: no rows, because nothing is unknown."
        found = (
            f"{counted(self.candidates, 'candidate')}, {counted(self.suggestions, 'suggestion')}"
        )
        text = f"{path}: {counted(self.duplicates, 'unknown duplicate')}, {found}."
        if more := self.left_out:
            text += (
                f" {counted(more, 'more candidate')} {verb(more, 'is', 'are')} not in the sheet:"
                " see the column why_unknown, and Prolific."
            )
        if bare := self.without_candidates:
            text += (
                f" {bare:,} {verb(bare, 'has', 'have')} no candidate: that does not mean that"
                f" {verb(bare, 'it is', 'they are')} absent. First run settle again."
            )
        return text


def _refuse_unrecorded(reader: Reader, path: Path) -> None:
    """Raise UsageError if the sheet at `path` has decisions that are not recorded yet: a person's
    work would be lost."""
    if not path.exists():
        return
    if number := count_unrecorded(reader, decision_sheet.read(path)):
        raise UsageError(
            f"{path}: {counted(number, 'decision')} in this sheet {verb(number, 'is', 'are')} not"
            " recorded yet; it is left as it is",
            hint="Record them with --decisions, or name another file with --proposals.",
        )
