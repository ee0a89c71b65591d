"""A run that has locked its database: opens what it needs, starts `Campaign`, and presents the
result. It decides nothing."""

from __future__ import annotations

import math
import random
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio

from worker import open_files
from worker.accidents.message import full_text
from worker.cli.ask import ask
from worker.cli.common import api_client, invocation, report_path
from worker.cli.opening import Opening, note_event
from worker.cli.presentation import present, snapshot_of, summary_of
from worker.cli.run_request import RunRequest
from worker.cli.signals import Interrupts, ignore_late_hangup, watch_signals
from worker.export.commands import Commands
from worker.export.replacing import remove_leftovers
from worker.ledger.database import Held
from worker.ledger.overlap import note_agreement
from worker.ledger.seat import CONNECTS_WITHIN_S
from worker.ledger.store import Ledger
from worker.ledger.threads import Database
from worker.model.clock import MachineClock
from worker.model.errors import WorkerError
from worker.model.server_address import ServerAddress
from worker.model.stop import Stop
from worker.rate.pacer import Pacer
from worker.run.job_run import JobRun
from worker.run.limits import Limits
from worker.run.options import Options
from worker.run.question import Question, for_person, names_taken_text
from worker.run.result import Result
from worker.terminal.logs import Logs, resolved
from worker.terminal.output import complain, warn
from worker.terminal.progress import Progress, style
from worker.terminal.secrets import Scrubber
from worker.terminal.summary import summary_json
from worker.text import visible

PATIENCE_AT_END_S = 5.0
"""Seconds that a run which was asked to stop tries to reach the ledger's server again."""

SANDBOX_LABEL = "the sandbox (nothing real)"


class RunSession:
    """One run of a process that has locked the database."""

    def __init__(
        self,
        request: RunRequest,
        held: Held,
        interrupts: Interrupts | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        """`interrupts` has what asks a run of several to stop before it has begun; `pacer` is the
        one of the run before."""
        self._request, self._held, self._interrupts, self.pacer = request, held, interrupts, pacer
        self._scrub = Scrubber(request.target.token)
        self._stop = interrupts.stop if interrupts else Stop()
        self._stack = ExitStack()
        self._job_run: JobRun | None = None
        self._database: Database | None = None
        self._aborted = self._gave_up = False
        self._report: Path | None = None
        self._report_trouble: str | None = None
        self.summary: dict[str, Any] = {}
        """The summary as JSON values, once the run is over."""
        self.result: Result | None = None
        self._at_once = request.settings.max_in_flight
        settings, terminal = request.settings, sys.stderr.isatty()
        self._progress = Progress(
            lambda: snapshot_of(self._job_run, settings.rate),
            stderr=sys.stderr,
            style=style(
                is_terminal=terminal,
                json_logs=resolved(settings.log_format, terminal) == "json",
                never=settings.progress == "never",
                quiet=settings.quiet,
            ),
        )
        self._logs = Logs(
            run_id=request.run_id,
            campaign=request.campaign,
            log_format=settings.log_format,
            log_file=settings.log_file,
            stderr=sys.stderr,
            is_terminal=terminal,
            scrub=self._scrub,
            quiet=settings.quiet,
            above=self._progress.above,
        )

    @property
    def began(self) -> bool:
        """Whether requests may have been sent."""
        return self._job_run is not None

    def run(self) -> int:
        """Open the database, run, and present the result. Returns the exit code."""
        request = self._request
        each = (
            open_files.PER_SANDBOX_REQUEST if request.target.is_sandbox else open_files.PER_REQUEST
        )
        self._at_once, few_files = open_files.make_room(request.settings.max_in_flight, each)
        remove_leftovers(request.ledger_file)
        remove_leftovers(report_path(request.ledger_file))
        opening = Opening(request, self._held)
        database = opening.database()
        try:
            with self._stack:
                self._stack.enter_context(self._logs)
                ledger = opening.planned(database, self._logs)
                follow_up = opening.follow_up(database)
                if few_files:
                    self._logs(note_event(few_files))
                result = anyio.run(self._run, ledger)
                ignore_late_hangup(self._stop)
            self.result = result
            return self._present(result, follow_up)
        finally:
            database.close()

    async def _run(self, ledger: Ledger) -> Result:
        request, settings = self._request, self._request.settings
        sources = request.plan.sources() if request.plan else ()
        # Another machine may take over, and relies on when requests leave.
        shared = isinstance(settings.database, ServerAddress)
        within_s = CONNECTS_WITHIN_S if shared else math.inf
        async with api_client(
            request.target, settings.timeout, self._scrub, sources, within_s
        ) as client:
            self._database = database = self._held.database(
                ledger, self._waits_for_server, self._logs
            )
            self._job_run = job_run = JobRun(
                database=database,
                api=client,
                clock=MachineClock(),
                rng=random.Random(),
                emit=self._logs,
                stop=self._stop,
                options=self._options(),
                confirm=self._confirm,
                pacer=self.pacer,
            )
            self.pacer = job_run.pacer
            self._stack.enter_context(self._progress)
            async with anyio.create_task_group() as group:
                group.start_soon(
                    watch_signals,
                    self._stop,
                    self._logs,
                    lambda: job_run.pacer.in_flight,
                    self._abort,
                    self._interrupts,
                )
                result = await job_run.run()
                if settings.report and not self._aborted:
                    await self._write_report(database)
                group.cancel_scope.cancel()
        return result

    def _waits_for_server(self, away_s: float) -> bool:
        """Whether to keep trying to reach the ledger's server, which is away for `away_s`
        seconds. After a signal, only a moment longer."""
        if away_s >= self._request.settings.give_up_after:
            self._gave_up = True
        return not self._gave_up and (away_s < PATIENCE_AT_END_S or not self._stop.asked)

    def _options(self) -> Options:
        request, settings = self._request, self._request.settings
        return Options(
            campaign=request.campaign,
            ledger=request.ledger_file,
            rate=settings.rate,
            limits=Limits(
                self._at_once, settings.limit, settings.max_failed, settings.give_up_after
            ),
            max_duration=settings.max_duration,
            settle_after=settings.settle_after,
            invocation=invocation(settings, run=not request.only_settle),
            only_settle=request.only_settle,
            situation=None if request.guard is None else request.guard.situation,
            closed=request.closed,
            follow=settings.follow,
            retry_failed=settings.retry_failed,
        )

    def _abort(self) -> None:
        self._aborted = True
        if self._job_run is not None:
            self._job_run.abort()

    async def _write_report(self, database: Database) -> None:
        """Write the report. A failure is only noted and does not change the run."""
        from worker.cli.report import write_or_note  # noqa: PLC0415 - most runs write no report

        request = self._request
        try:
            self._report_trouble = await database.read(
                write_or_note,
                request.settings,
                request.campaign,
                request.ledger_file,
                run=not request.only_settle,
            )
        except WorkerError as error:
            self._report_trouble = f"the report cannot be written: {error.message}"
        if self._report_trouble:
            self._logs(note_event(self._report_trouble))
        else:
            self._report = report_path(request.ledger_file)

    async def _confirm(self, question: Question) -> bool:
        """Whether the run may create its duplicates. Raises AccidentError or DeclinedError if it
        looks like an accident and nobody agrees."""
        guard, target = self._request.guard, self._request.target
        if guard is None:
            return True
        if not guard.asks:
            if question.accidents:
                raise guard.refusal(question.accidents)
            settings = self._request.settings
            # A dated campaign is new each night, and may mean to have the names of other batches.
            if question.names_unexpected and settings.quiet and not settings.campaign_dated:
                complain(names_taken_text(question.names_unexpected, question.taken_example))
            if guard.situation is None and question.create:
                await self._note_agreement()
            return True
        where = SANDBOX_LABEL if target.is_sandbox else target.url
        findings = full_text(guard.messages(question.accidents)) if question.accidents else ""
        self._progress.pause()
        if not self._request.alone:
            warn(
                f"{visible(str(self._request.job))}, campaign {visible(self._request.campaign)}:\n"
            )
        if self._database is not None:
            question = await self._database.query(for_person, question)
        agreed = await ask(question, where, self._stop, findings)
        if agreed:
            await self._note_agreement()
            self._progress.resume()
        elif question.accidents and not self._stop.asked:
            raise guard.declined(question.accidents)
        return agreed

    async def _note_agreement(self) -> None:
        """Record that somebody agreed to what this run creates a second time."""
        if self._database is not None:
            await self._database.call(note_agreement, self._request.campaign)

    def _present(self, result: Result, follow_up: Commands) -> int:
        """Print the result. Returns the exit code. Raises the run's refusal."""
        summary = summary_of(self._request, result, follow_up, self._report)
        self.summary = self._scrub(summary_json(summary))
        if result.refused is not None:
            raise result.refused  # its command prints the summary with this error
        more = filter(None, (self._logs.trouble, self._report_trouble))
        present(self._request, summary, (*result.troubles, *more), self._scrub)
        return result.exit_code
