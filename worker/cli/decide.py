"""What a person decided about unknown duplicates: writes the sheet for it, reads it back, and looks
up the batches that are named. `settle` records it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import anyio

from worker.api.reader import reader_without_run
from worker.cli.common import Target, api_client, invocation
from worker.cli.latest_run import campaign_number, latest_run, name_campaign
from worker.cli.outdated import outdated, warn_if
from worker.export import decision_sheet
from worker.export.commands import commands
from worker.export.filled_sheet import Filled, SheetRow, filled_in, problem_in, shown_candidates
from worker.export.kept_decisions import count_unrecorded, recorded_in
from worker.export.own_files import refuse_foreign_file
from worker.export.proposals import DecisionRow, sheet_rows
from worker.export.report.facts import may_be_active
from worker.ledger import decisions
from worker.ledger.database import open_for_reading
from worker.ledger.decisions import Decision, Known
from worker.ledger.handle import Reader
from worker.ledger.moved import refuse_moved
from worker.ledger.proposals import Undecided, candidates, undecided
from worker.model.batch import listed
from worker.model.errors import (
    SHOWN_PROBLEMS,
    FileError,
    Problem,
    TokenRefusedError,
    UsageError,
    WorkerError,
)
from worker.model.records import Listed
from worker.settings.settings import Settings
from worker.terminal.output import say, say_json
from worker.terminal.secrets import Scrubber
from worker.text import counted, verb

NOTHING = "Nothing was recorded. Correct the sheet, and run the command again."

NO_SUCH_BATCH = (
    "there is no batch with this id, or your token may not see it; compare the id with Prolific"
)

AT_ONCE = 8
"""How many batches are looked up at once."""


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
    if settings.json:
        say_json({"campaign": latest.campaign, "file": str(path), **count.numbers})
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
    return 1 if count.duplicates else 0


def ledger_option(settings: Settings) -> list[str]:
    """--ledger as it was given, for a command that is to write the same file."""
    given = settings.given("ledger") and settings.ledger is not None
    return ["--ledger", str(settings.ledger)] if given else []


class SheetCount:
    """Counts what passes through to the sheet."""

    def __init__(self) -> None:
        self.duplicates = self.candidates = self.suggestions = self.without_candidates = 0
        self.left_out = 0
        """How many candidates are not in the sheet: it has the first ten of each duplicate."""

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


class Checked(NamedTuple):
    """The decisions of a sheet that are left to record, what is wrong with others, and how many
    were recorded before."""

    filled: list[Filled]
    problems: list[Problem]
    recorded: int

    @property
    def batch_ids(self) -> list[str]:
        """The batches that are named."""
        return [one.decision.batch_id for one in self.filled if one.decision.batch_id is not None]


def check_sheet(
    reader: Reader, sheet: Sequence[SheetRow], campaign: str, *, accept: bool
) -> Checked:
    """The decisions of a sheet, each compared with the database. With `accept`, the sheet's
    suggestions are decisions too."""
    filled, problems = filled_in(sheet, accept=accept, recorded=recorded_in(reader))
    shown = shown_candidates(sheet)
    left: list[Filled] = []
    rows_of: dict[str, Filled] = {}
    before = 0
    for one in filled:
        decision = one.decision
        item = decisions.known(reader, decision.item)
        if decisions.is_recorded(decision, item, campaign):
            before += 1
            continue
        problem = _why_refused(reader, decision, item, campaign, shown.get(decision.item))
        batch_id = decision.batch_id
        if (
            not problem
            and batch_id is not None
            and (other := rows_of.setdefault(batch_id, one)) is not one
        ):
            problem = (
                f"{batch_id} is also the decision for #{other.decision.item} in line"
                f" {other.row.line}; a batch belongs to one item only"
            )
        if problem:
            problems.append(problem_in(one.row, problem))
        else:
            left.append(one)
    return Checked(left, problems, before)


def _why_refused(
    reader: Reader,
    decision: Decision,
    item: Known | None,
    campaign: str,
    shown: Collection[str] | None,
) -> str:
    """Why a decision about an item of this campaign cannot be recorded: the item has changed since,
    the batch cannot be its copy, or the person did not see all of its candidates (`shown` are those
    in the sheet; None: the sheet has no column for them). Empty if it can."""
    if stale := decisions.why_stale(decision, item, campaign):
        return stale
    if decision.batch_id is not None:
        error = decisions.refusal(reader, decision.item, decision.batch_id)
        return "" if error is None else error.message
    if shown is None:
        return ""
    return decisions.why_not_absent(decision.item, candidates(reader, decision.item), shown)


def look_up_checked(
    checked: Checked, path: Path, settings: Settings, api: Target | None
) -> dict[str, Listed]:
    """The batches that the sheet at `path` names, as the API shows them. Raises FileError with
    everything that is wrong in the sheet; TokenRefusedError or WorkerError if the API cannot be
    asked."""
    problems = list(checked.problems)
    try:
        found, missing = look_up(checked.batch_ids, settings, api)
    except WorkerError:
        if not problems:
            raise
        found, missing = {}, {}
    for one in checked.filled:
        if one.decision.batch_id in missing:
            reason = missing[one.decision.batch_id]
            problems.append(problem_in(one.row, f"{one.decision.batch_id}: {reason}"))
    if problems:
        in_order = sorted(problems, key=lambda problem: problem.line)
        raise FileError(path, in_order[:SHOWN_PROBLEMS], len(in_order), hint=NOTHING)
    return found


def look_up(
    ids: Sequence[str], settings: Settings, api: Target | None
) -> tuple[dict[str, Listed], dict[str, str]]:
    """These batches as the API shows them, and why others do not exist. `api` may be None if
    there are no ids. Raises TokenRefusedError or WorkerError if the API cannot be asked."""
    if not ids:
        return {}, {}
    if api is None:
        raise AssertionError("batches are looked up at an API")
    return anyio.run(_look_up, ids, settings, api)


async def _look_up(
    ids: Sequence[str], settings: Settings, api: Target
) -> tuple[dict[str, Listed], dict[str, str]]:
    """As `look_up`."""
    found: dict[str, Listed] = {}
    missing: dict[str, str] = {}
    unclear: list[WorkerError] = []
    limiter = anyio.CapacityLimiter(AT_ONCE)
    async with api_client(api, settings.timeout, Scrubber(api.token), ids) as client:
        reader = reader_without_run(client)

        async def one(batch_id: str) -> None:
            async with limiter:
                if unclear:
                    return
                verdict = await reader.source(batch_id)
            if verdict.batch is not None:
                found[batch_id] = listed(verdict.batch)
            elif verdict.state == "missing" and verdict.http_status != 401:
                missing[batch_id] = NO_SUCH_BATCH
            else:
                refused = verdict.http_status == 401
                error = TokenRefusedError if refused else WorkerError
                unclear.append(error(f"{batch_id}: {verdict.reason}", hint="Nothing was recorded."))

        async with anyio.create_task_group() as group:
            for batch_id in dict.fromkeys(ids):
                group.start_soon(one, batch_id)
    if unclear:
        raise unclear[0]
    return found, missing
