"""Opens the database of a run: refuses one that is not the newest, asks the guard, and plans the
job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from worker import __version__
from worker.cli.common import invocation, run_start, typed
from worker.cli.outdated import ledger_files, refuse_outdated
from worker.cli.run_request import RunRequest
from worker.export.commands import Commands, commands
from worker.job.plan import Plan
from worker.ledger import setups, views
from worker.ledger.database import Held, unusable
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.forget import forget
from worker.ledger.handle import Reader, Writer
from worker.ledger.sqlite.database import open_empty
from worker.ledger.store import Ledger
from worker.model.events import Emit, Event
from worker.model.records import Leaving, RunKind, RunStart
from worker.settings.options import BY_KEY
from worker.terminal.output import complain
from worker.text import counted, joined, verb


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens the database of one run, and its ledger with the planned job."""

    request: RunRequest
    held: Held

    def database(self) -> Writer:
        """Open the database. Raises UsageError if this run must not begin."""
        settings = self.request.settings
        if self.held.is_new:
            # A refused run must not leave a database in the wrong place.
            with closing(open_empty()) as nothing:
                self._look_before(nothing)
        opened = self.held.open(self.request.target.url, checked=self.request.plan is None)
        try:
            self._look_before(opened)
            if settings.fresh:
                self._forget(opened)
        except BaseException:
            opened.close()
            raise
        return opened

    def planned(self, database: Writer, emit: Emit) -> Ledger:
        """The ledger with the job as it is now. Raises WorkerError if it cannot be written."""
        try:
            ledger = Ledger(database, self._start())
            emit(self._start_event())
            if left_out := self.request.settings.left_out:
                emit(Event("note", "info", {"text": _left_out_text(left_out)}))
            if self.request.plan is not None:
                leaving = ledger.plan(
                    self.request.plan.file,
                    self.request.plan.extra_columns,
                    retry_failed=self.request.settings.retry_failed,
                )
                self._emit_plan(ledger, self.request.plan, leaving, emit)
        except DATABASE_ERRORS as error:
            raise unusable(self.request.settings.database, error) from error
        return ledger

    def follow_up(self, database: Reader) -> Commands:
        """The commands to show at the end: after a run on a terminal as they are typed there,
        otherwise commands that work from any folder. Raises WorkerError if the database cannot be
        read."""
        try:
            latest = views.latest_run_of_campaign(database, self.request.campaign)
        except DATABASE_ERRORS as error:
            raise unusable(self.request.settings.database, error) from error
        as_typed = sys.stdout.isatty() and self.request.alone and not self.request.only_settle
        if latest is None or as_typed:
            return typed(self.request.settings, str(self.request.job), sys.argv[1:])
        run = not self.request.only_settle
        return commands(latest, invocation(self.request.settings, run=run, stream=sys.stdout))

    def _look_before(self, database: Reader) -> None:
        """Raise UsageError if this run must not begin: the database is not the newest, or the guard
        refuses."""
        try:
            # First, because it can say where a moved ledger is.
            if self.request.guard is not None:
                self.request.guard.look(database)
            # Also for `settle`: the ledger file that it would write is what reveals a lost database
            # to the next run.
            refuse_outdated(
                database, self.request.settings, self.request.campaign, self.request.job
            )
        except DATABASE_ERRORS as error:
            raise unusable(self.request.settings.database, error) from error

    def _forget(self, database: Writer) -> None:
        """Forget earlier rehearsals of this campaign, and delete their ledger files. The check
        before has shown that this database contains everything in them, so they are files of
        rehearsals."""
        try:
            files = ledger_files(database, self.request.settings, self.request.campaign)
            forget(database, self.request.campaign)
            for file in files:
                file.unlink()
        except (OSError, *DATABASE_ERRORS) as error:
            raise unusable(self.request.settings.database, error) from error

    def _start(self) -> RunStart:
        start = run_start(
            self.request.settings,
            self.request.run_id,
            RunKind.SETTLE if self.request.only_settle else RunKind.RUN,
            campaign=self.request.campaign,
            job=self.request.job.resolve(),
            ledger=self.request.ledger_file,
        )
        day = self.request.settings.date.isoformat() if self.request.plan is not None else None
        return start._replace(ceiling=self.request.settings.rate, date=day)

    def _start_event(self) -> Event:
        fields = {
            "job": str(self.request.job),
            "ledger": str(self.request.ledger_file),
            "database": str(self.request.settings.database),
            "api": self.request.target.url,
            "version": __version__,
            "date": self.request.settings.date.isoformat(),
        }
        return Event("run.started", "info", fields)

    def _emit_plan(self, ledger: Ledger, plan: Plan, leaving: Leaving, emit: Emit) -> None:
        counts = views.counts(ledger, ledger.campaign)
        fields = {
            "rows": plan.rows,
            "duplicates": plan.items,
            "comments": plan.comments,
            "counts": counts._asdict(),
        }
        emit(Event("job.read", "info", fields))
        for warning in plan.warnings_shown(self.request.job):
            emit(note_event(warning))
        for change in setups.changed(ledger, ledger.campaign):
            emit(note_event(str(change)))
        if any(leaving):
            before = None
            if "date" in plan.placeholders:
                before = views.previous_date(ledger, ledger.campaign, ledger.run)
            today = self.request.settings.date.isoformat()
            text = _leaving_text(leaving, None if before == today else before)
            self._tell(text, emit, even_if_quiet=before not in (None, today))
        if self.request.guard is not None:
            for note in self.request.guard.notes():
                self._tell(note, emit, even_if_quiet=True)
        for one in views.unfinished_elsewhere(
            ledger,
            self.request.campaign,
            str(self.request.job.resolve()),
            dated=self.request.settings.campaign_dated,
        ):
            self._tell(_unfinished_text(one), emit, even_if_quiet=one.is_last)

    def _tell(self, text: str, emit: Emit, *, even_if_quiet: bool) -> None:
        """Emit a note. With `even_if_quiet`, a quiet run prints it too: nobody else may have told
        it, because the night that left this died, or because it is what this run creates again."""
        emit(note_event(text))
        if even_if_quiet and self.request.settings.quiet:
            complain(text)


def _unfinished_text(one: views.Unfinished) -> str:
    """What another campaign of the job leaves unfinished, and how to continue with it."""
    parts: list[str] = []
    if one.items:
        is_left = verb(one.items, "is unfinished", "are unfinished")
        parts.append(f"{counted(one.items, 'duplicate')} of this job {is_left}")
    if one.set_up:
        is_left = verb(one.set_up, "batch is not set up", "batches are not set up")
        parts.append(f"{one.set_up:,} {is_left}")
    return (
        f"{joined(parts)} in campaign {one.campaign}; to continue it, add its --date or --campaign"
    )


def _leaving_text(leaving: Leaving, date: str | None) -> str:
    """What left the job unfinished; `date` is what {date} stood for when it was in the job."""
    created, unknown, set_up = leaving
    parts: list[str] = []
    if created:
        parts.append(f"{counted(created, 'duplicate')} {verb(created, 'is', 'are')} not created")
    if unknown:
        parts.append(f"{counted(unknown, 'duplicate')} {verb(unknown, 'is', 'are')} unknown")
    if set_up:
        parts.append(f"{set_up:,} {verb(set_up, 'batch is', 'batches are')} not set up")
    text = f"no longer in the job: {joined(parts)}"
    return f"{text}; to continue with them, run again with --date {date}" if date else text


def _left_out_text(keys: Sequence[str]) -> str:
    """That a rehearsal does not use these notifications."""
    return (
        f"a rehearsal does not use {joined(keys)}; to try {verb(len(keys), 'it', 'them')},"
        f" add {joined([BY_KEY[key].flag for key in keys])}"
    )


def note_event(text: str) -> Event:
    """A message for people, as a log line."""
    return Event("note", "warning", {"text": text})
