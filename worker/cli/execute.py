"""A run that holds its database: opens what it needs, lets `campaign` do it, tells how it went. It
decides nothing."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import anyio

from worker import __version__, open_files
from worker.accidents.message import created_again, full_text
from worker.cli.accidents import Guard
from worker.cli.ask import ask
from worker.cli.common import Target, api, invocation, report_path, restoring, typed
from worker.export import ledger_file as export
from worker.export.commands import Commands, commands
from worker.export.formats import is_ledger
from worker.export.next_steps import CampaignState, steps
from worker.job.plan import Plan
from worker.ledger import views
from worker.ledger.database import is_new, open_empty, open_for_writing, unusable
from worker.ledger.forget import forget
from worker.ledger.handle import Reader, Writer
from worker.ledger.store import Ledger
from worker.ledger.threads import ThreadedDatabase
from worker.model.clock import MachineClock, iso
from worker.model.events import Event
from worker.model.program import program
from worker.model.records import RunKind, RunStart
from worker.model.stop import Stop
from worker.model.stop_signals import HANGUP, HANGUP_TWICE_S, stop_signals
from worker.restore.lost_database import files_of, refuse_older_database
from worker.run.campaign import Campaign
from worker.run.limits import Limits
from worker.run.options import Options
from worker.run.question import Question
from worker.run.result import Result
from worker.settings.load import Settings
from worker.terminal.logs import Logs, resolved
from worker.terminal.output import complain, say, say_json
from worker.terminal.progress import Progress, Snapshot, style
from worker.terminal.secrets import Scrubber
from worker.terminal.summary import Facts, summary_json, summary_text
from worker.text import counted, for_window, near, verb, visible


class HeldRun:
    """One run of a campaign, by a process that holds its database. Without a `plan` the job stays
    as it was last read, and with `only_settle` nothing is sent. The `guard` stands before what a
    plan would create."""

    def __init__(
        self,
        settings: Settings,
        chosen: Target,
        *,
        run_id: str,
        campaign: str,
        job: Path,
        ledger_file: Path,
        plan: Plan | None,
        guard: Guard | None = None,
        only_settle: bool = False,
    ) -> None:
        self._settings = settings
        self._target = chosen
        self._run_id = run_id
        self._campaign_name = campaign
        self._only_settle = only_settle
        self._ledger_file = ledger_file
        self._job = job
        self._plan = plan
        self._guard = guard
        self._scrub = Scrubber(chosen.token or None)
        self._stop = Stop()
        self._stack = ExitStack()
        self._campaign: Campaign | None = None
        self._aborted = False
        self._report: Path | None = None
        self._at_once = settings.max_in_flight
        self._report_trouble: str | None = None
        self._commands = Commands(str(job))
        terminal = sys.stderr.isatty()
        json_logs = resolved(settings.log_format, terminal) == "json"
        self._progress = Progress(
            self._snapshot,
            stderr=sys.stderr,
            style=style(
                is_terminal=terminal,
                json_logs=json_logs,
                never=settings.progress == "never",
                quiet=settings.quiet,
            ),
        )
        self._logs = Logs(
            run_id=run_id,
            campaign=self._campaign_name,
            log_format=settings.log_format,
            log_file=settings.log_file,
            stderr=sys.stderr,
            is_terminal=terminal,
            scrub=self._scrub,
            quiet=settings.quiet,
            above=self._progress.above,
        )

    def whole(self) -> int:
        """Open the database, run, tell; the exit code."""
        each = open_files.PER_SANDBOX_REQUEST if self._target.is_sandbox else open_files.PER_REQUEST
        self._at_once, few_files = open_files.make_room(self._settings.max_in_flight, each)
        export.remove_leftovers(self._ledger_file)
        export.remove_leftovers(report_path(self._ledger_file))
        if is_new(self._settings.database):
            with closing(
                open_empty()
            ) as nothing:  # a run that is refused leaves no database in the wrong place
                self._look_before(nothing)
        database = open_for_writing(
            self._settings.database, self._target.url, checked=self._plan is None
        )
        try:
            self._look_before(database)
            if self._settings.fresh:
                self._forget(database)
            with self._stack:
                self._stack.enter_context(self._logs)
                ledger = self._planned_ledger(database)
                if few_files:
                    self._note(few_files)
                result = anyio.run(self._async, ledger)
                if HANGUP is not None and self._stop.signal == HANGUP:
                    signal.signal(
                        HANGUP, signal.SIG_IGN
                    )  # the shell's own must not cut off the end
            if result.refused is not None:
                if self._settings.json:
                    say_json(self._scrub(summary_json(self._facts(result))))
                raise result.refused
            self._tell(result)
            return result.exit_code
        finally:
            database.close()

    def _forget(self, database: Writer) -> None:
        """Forget earlier rehearsals of this campaign, and their ledger files: this database knows
        all that is in them, as was just looked at, so they are of rehearsals."""
        try:
            files = self._ledger_files(database)
            forget(database, self._campaign_name)
            for file in files:
                file.unlink()
        except (sqlite3.Error, OSError) as error:
            raise unusable(self._settings.database, error) from error

    def _look_before(self, database: Reader) -> None:
        """Raise UsageError if this run must not begin: the database is not the newest, or the guard
        refuses."""
        try:
            if (
                self._guard is not None
            ):  # first, since it knows where a ledger lies that was only moved
                self._guard.look(database)
            # `settle` too: the ledger file that it would write is what tells the next run of a lost
            # database.
            command = restoring(self._settings, self._campaign_name, self._job)
            refuse_older_database(
                database, self._ledger_files(database), self._campaign_name, command
            )
        except sqlite3.Error as error:
            raise unusable(self._settings.database, error) from error

    def _ledger_files(self, database: Reader) -> set[Path]:
        """The campaign's ledger files: where this run's would be, and where the latest run's
        was."""
        latest = views.latest_run(database, campaign=self._campaign_name)
        before = (
            {latest.ledger}
            if latest is not None and latest.ledger.is_file() and is_ledger(latest.ledger)
            else set()
        )
        return before.union(
            files_of(self._settings.ledger_written, self._campaign_name, self._settings.database)
        )

    def _planned_ledger(self, database: Writer) -> Ledger:
        """The ledger, which knows what the job wants now. Raises WorkerError where it cannot be
        written."""
        try:
            ledger = Ledger(database, self._start())
            self._emit_start()
            if self._plan is not None:
                ledger.plan(
                    self._plan.file,
                    self._plan.extra_columns,
                    retry_failed=self._settings.retry_failed,
                )
                self._emit_plan(ledger, self._plan)
            self._commands = self._follow_up(database)
        except sqlite3.Error as error:
            raise unusable(self._settings.database, error) from error
        return ledger

    def _follow_up(self, database: Reader) -> Commands:
        """The commands to name at the end: of a run at a terminal as it was typed there, else those
        that lead to its campaign from anywhere."""
        latest = views.latest_run(database, campaign=self._campaign_name)
        if latest is None or (sys.stdout.isatty() and not self._only_settle):
            return typed(self._settings, str(self._job), sys.argv[1:])
        leads = invocation(self._settings, run=not self._only_settle)
        return commands(latest, leads._replace(program=program(sys.stdout)))

    def _start(self) -> RunStart:
        return RunStart(
            run_id=self._run_id,
            campaign=self._campaign_name,
            job=str(self._job.resolve()),
            ledger=str(self._ledger_file),
            host=socket.gethostname(),
            pid=os.getpid(),
            now=iso(MachineClock().wall()),
            timeout_s=self._settings.timeout,
            settle_after_s=self._settings.settle_after,
            ceiling=self._settings.rate,
            date=self._settings.date.isoformat() if self._plan is not None else None,
            kind=RunKind.SETTLE if self._only_settle else RunKind.RUN,
        )

    def _emit_start(self) -> None:
        fields = {
            "job": str(self._job),
            "ledger": str(self._ledger_file),
            "database": str(self._settings.database),
            "api": self._target.url,
            "version": __version__,
            "date": self._settings.date.isoformat(),
        }
        self._logs(Event("run.started", "info", fields))

    def _emit_plan(self, ledger: Ledger, plan: Plan) -> None:
        counts = views.counts(ledger, ledger.campaign)
        fields = {
            "rows": plan.rows,
            "duplicates": plan.items,
            "comments": plan.comments,
            "counts": counts._asdict(),
        }
        self._logs(Event("job.read", "info", fields))
        for warning in plan.warnings_shown(self._job):
            self._note(warning)
        if self._guard is not None and self._guard.situation is not None:
            for line in created_again(self._guard.situation):
                self._note(line)
        for campaign, items in views.unfinished_elsewhere(
            ledger, self._campaign_name, str(self._job.resolve())
        ):
            self._note(
                f"{counted(items, 'duplicate')} of this job {verb(items, 'is', 'are')} unfinished"
                f" in campaign {campaign}; to continue, use its --date or --campaign"
            )

    def _note(self, text: str) -> None:
        self._logs(Event("note", "warning", {"text": text}))

    async def _async(self, ledger: Ledger) -> Result:
        settings = self._settings
        sources = self._plan.sources() if self._plan else ()
        async with api(self._target, settings.timeout, self._scrub, sources) as client:
            database = ThreadedDatabase(ledger)
            self._campaign = campaign = Campaign(
                database=database,
                api=client,
                clock=MachineClock(),
                rng=random.Random(),
                emit=self._logs,
                stop=self._stop,
                options=Options(
                    campaign=self._campaign_name,
                    ledger=self._ledger_file,
                    rate=settings.rate,
                    limits=Limits(
                        self._at_once, settings.limit, settings.max_failed, settings.give_up_after
                    ),
                    max_duration=settings.max_duration,
                    settle_after=settings.settle_after,
                    invocation=invocation(settings, run=not self._only_settle),
                    only_settle=self._only_settle,
                    situation=None if self._guard is None else self._guard.situation,
                ),
                confirm=self._confirm,
            )
            self._stack.enter_context(self._progress)
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch_signals, campaign)
                result = await campaign.run()
                if settings.report and not self._aborted:
                    await database.call(self._write_report)
                group.cancel_scope.cancel()
        return result

    def _write_report(self, ledger: Ledger) -> None:
        """Write the report; what hinders that is told, and changes nothing of the run."""
        from worker.cli.report import write_or_note  # noqa: PLC0415 - most runs write none

        trouble = write_or_note(
            ledger,
            self._settings,
            self._campaign_name,
            self._ledger_file,
            run=not self._only_settle,
        )
        if trouble:
            self._note(trouble)
            self._report_trouble = trouble
        else:
            self._report = report_path(self._ledger_file)

    async def _watch_signals(self, campaign: Campaign) -> None:
        """The first signal lets requests under way end, the second does not."""
        began = 0.0
        try:
            receiver = anyio.open_signal_receiver(*stop_signals())
        except (
            NotImplementedError
        ):  # Windows: Ctrl-C ends the process, and the ledger is as after any crash
            return
        with receiver as signals:
            async for number in signals:
                if self._stop.signal is not None:
                    if number == HANGUP and anyio.current_time() - began < HANGUP_TWICE_S:
                        continue
                    self._aborted = True
                    campaign.abort()
                    continue
                began = anyio.current_time()
                self._stop.signal = number
                self._stop.ask("signal")
                fields = {
                    "signal": signal.Signals(number).name,
                    "in_flight": campaign.pacer.in_flight,
                }
                self._logs(Event("run.interrupted", "warning", fields))

    async def _confirm(self, question: Question) -> bool:
        """Whether the run may create what it would. Raises AccidentError or DeclinedError if it
        looks like an accident and nobody agrees."""
        if self._guard is None:
            return True
        if not self._guard.asks:
            if question.accidents:
                raise self._guard.refusal(question.accidents)
            return True
        where = SANDBOX_WORDS if self._target.is_sandbox else self._target.url
        findings = full_text(self._guard.messages(question.accidents)) if question.accidents else ""
        self._progress.pause()
        agreed = await ask(question, where, self._stop, findings)
        if agreed:
            self._progress.resume()
        elif question.accidents and not self._stop.asked:
            raise self._guard.declined(question.accidents)
        return agreed

    def _snapshot(self) -> Snapshot:
        """Where the run is; called by the display's own thread, so it only reads."""
        campaign = self._campaign
        if campaign is None:
            return Snapshot()
        counts, waiting = campaign.counts, campaign.waiting
        return Snapshot(
            total=counts.total,
            **counts._asdict(),
            in_flight=campaign.pacer.in_flight,
            rate=campaign.created_per_s(),
            ceiling=self._settings.rate,
            waiting_s=campaign.pacer.waiting_s(),
            phase=campaign.phase,
            elapsed_s=campaign.elapsed(),
            unanswered=waiting.requests if waiting else 0,
            looks_in_s=campaign.looks_in_s(),
        )

    def _tell(self, result: Result) -> None:
        facts = self._facts(result)
        if self._settings.json:
            say_json(self._scrub(summary_json(facts)))
        elif not self._settings.quiet or result.exit_code:
            text = self._scrub(summary_text(_near(facts)))
            commands = [command.line for step in facts.steps for command in step.commands]
            say(for_window(text, sys.stdout, sorted(map(visible, commands), key=len, reverse=True)))
        if not self._settings.quiet or result.exit_code:
            for trouble in (
                *result.troubles,
                *filter(None, (self._logs.trouble, self._report_trouble)),
            ):
                complain(self._scrub(trouble))

    def _facts(self, result: Result) -> Facts:
        # Typed again, the limit would hold for the rest too.
        follow_up = (
            self._commands.without("--limit") if result.stopped_by == "limit" else self._commands
        )
        campaign_state = CampaignState(
            result.counts,
            result.undecided,
            stopped_by=result.stopped_by,
            nothing_to_do=result.nothing_to_do,
            settling=self._only_settle,
        )
        return Facts(
            campaign=self._campaign_name,
            run_id=self._run_id,
            job=self._job,
            ledger=self._ledger_file,
            database=self._settings.database,
            counts=result.counts._asdict(),
            created_this_run=result.tally.created,
            settled_this_run=result.tally.settled,
            requests=result.tally.requests,
            throttled=result.tally.throttled,
            duration_s=result.duration_s,
            exit_code=result.exit_code,
            stopped_by=result.stopped_by,
            total=result.counts.total,
            reasons=result.reasons,
            steps=tuple(steps(campaign_state, follow_up)),
            sandbox=self._target.is_sandbox,
            report=self._report,
            settling=self._only_settle,
            absent=result.tally.absent,
        )


SANDBOX_WORDS = "the sandbox (nothing real)"


def _near(facts: Facts) -> Facts:
    """The same with its files as a person at this terminal would name them."""
    report = None if facts.report is None else near(Path(facts.report), sys.stdout)
    return facts._replace(ledger=near(Path(facts.ledger), sys.stdout), report=report)
