"""`run` with several jobs: one after the other, under one lock, one ceiling and the same limits."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace

from worker.cli.common import Target, for_job, settings_for, target
from worker.cli.jobs import JobFile, ReadyJob, refuse_mixed, refuse_single
from worker.cli.main import refused_by_system
from worker.cli.notified import record, write_metrics
from worker.cli.outcomes import Outcomes
from worker.cli.prepare import prepared, read_jobs
from worker.cli.run_request import RunRequest
from worker.cli.run_session import RunSession
from worker.cli.signals import Interrupts, interrupted
from worker.ledger.database import Held, hold
from worker.model.clock import MachineClock
from worker.model.errors import WorkerError
from worker.model.events import StopReason
from worker.model.run_id import new_run_id
from worker.notify.notifier import Notifier, complaint
from worker.rate.pacer import Pacer
from worker.run.limits import Limits
from worker.settings.settings import Settings
from worker.terminal.output import complain
from worker.terminal.secrets import Scrubber

STOPS_ALL = frozenset(
    {
        StopReason.SIGNAL,
        StopReason.TOKEN,
        StopReason.API,
        StopReason.DISK,
        StopReason.DATABASE,
    }
)
"""Why a run ended early, if the next one would end for the same reason."""


def main(files: Sequence[JobFile], args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the jobs. Returns the exit code. Raises UsageError if the settings are invalid."""
    run_ids: list[str] = []
    try:
        return _run_all(files, args, environ, run_ids)
    except KeyboardInterrupt:
        raise interrupted(began=bool(run_ids)) from None


def _run_all(
    files: Sequence[JobFile],
    args: argparse.Namespace,
    environ: Mapping[str, str],
    run_ids: list[str],
) -> int:
    """Run the jobs and notify of their end. Adds the id of each run to `run_ids`."""
    common = settings_for("run", for_job(args, None), environ)
    scrub = Scrubber(environ.get("PROLIFIC_TOKEN") or None)
    outcomes = Outcomes([file.name for file in files], scrub, json=common.json)
    notifier = Notifier(common.heartbeat_url, common.on_finish)
    notifier.started()
    ready: list[ReadyJob] = []
    try:
        refuse_single(common)
        found = read_jobs("run", files, common, args, environ)
        ready = [one for one in found if isinstance(one, ReadyJob)]
        refuse_mixed(ready)
        with ExitStack() as stack:
            api = held = None
            if ready:
                api = target(common, environ)
                held = stack.enter_context(hold(ready[0].settings.database, common.wait))
            jobs = _Jobs(common, api, held, outcomes, run_ids)
            with jobs.interrupts:
                for file, one in zip(files, found, strict=True):
                    if isinstance(one, ReadyJob):
                        jobs.run(one)
                    else:
                        outcomes.failed(file.name, one)
                if not common.json and (outcomes.code or not common.quiet):
                    outcomes.print_table()
    except (WorkerError, OSError) as error:  # of all jobs: none was run
        outcomes.fail_all(error if isinstance(error, WorkerError) else refused_by_system(error))
    except KeyboardInterrupt:  # before the first job, or after the last
        outcomes.fail_rest(128 + signal.SIGINT, str(interrupted(began=bool(run_ids))))
        raise
    finally:
        outcomes.fail_rest(1, "a bug")  # all that were not reported
        metrics = write_metrics(ready[0].settings) if ready else []
        sent = [*metrics, *notifier.finished([*outcomes.lines], outcomes.code)]
        recorded = record(ready[0].settings, run_ids, sent) if ready else []
        troubles = [*filter(None, map(complaint, sent)), *recorded]
        if outcomes.code or not common.quiet:
            for trouble in troubles:
                complain(trouble)
    return outcomes.code


class _Jobs:
    """Runs the jobs of a command that holds their lock. What one run learned about the API's pace,
    and what it used of the limits, counts for the next ones."""

    def __init__(
        self,
        common: Settings,
        api: Target | None,
        held: Held | None,
        outcomes: Outcomes,
        run_ids: list[str],
    ) -> None:
        """Adds the id of each run to `run_ids`."""
        self.interrupts = Interrupts()
        self._run_ids = run_ids
        self._api, self._held, self._outcomes = api, held, outcomes
        self._limits = Limits(
            common.max_in_flight, common.limit, common.max_failed, common.give_up_after
        )
        self._max_duration, self._began = common.max_duration, time.monotonic()
        self._pacer: Pacer | None = None
        self._over: tuple[str, int] | None = None
        """Why no further job is run, and the exit code of the one that ended for it."""

    def run(self, one: ReadyJob) -> None:
        """Run the job, or say why it is not run. Adds its outcome; raises nothing but bugs."""
        if self._over is None:
            self._try(one)
        if self._over is not None and not self._outcomes.has(one.name):
            self._outcomes.not_run(one.name, one.campaign, *self._over)

    def _try(self, one: ReadyJob) -> None:
        """Run the job and add its outcome, unless a signal comes before its run."""
        assert self._api is not None and self._held is not None  # there is a job to run
        session: RunSession | None = None
        refused: WorkerError | None = None
        stop = self.interrupts.renew()
        run_id = new_run_id(MachineClock().wall())
        self._run_ids.append(run_id)
        try:
            lock = nullcontext(self._held)
            with prepared(one.job, one.settings, self._api, run_id, lock) as (request, held):
                if not stop.asked:
                    session = RunSession(
                        self._within_limits(request), held, self.interrupts, self._pacer
                    )
                    session.run()
        except (WorkerError, OSError) as error:
            refused = error if isinstance(error, WorkerError) else refused_by_system(error)
        if session is not None:
            self._learn(session)
        if stop.signal is not None:
            self._over = "signal", 128 + stop.signal
        summary = session.summary if session else {}
        if refused is not None:
            self._outcomes.failed(one.name, refused, summary)
        elif summary:
            self._outcomes.add(summary)

    def _within_limits(self, request: RunRequest) -> RunRequest:
        """The request with what earlier jobs have left of the command's limits."""
        seconds = None
        if self._max_duration is not None:
            seconds = max(0.0, self._max_duration - (time.monotonic() - self._began))
        limits = self._limits
        settings = replace(
            request.settings,
            limit=limits.limit,
            max_failed=limits.max_failed,
            max_duration=seconds,
        )
        return request._replace(settings=settings, closed=limits.closed(seconds), alone=False)

    def _learn(self, session: RunSession) -> None:
        """Remember what counts for the next job."""
        self._pacer = session.pacer
        if (result := session.result) is not None:
            self._limits = self._limits.after(result.tally)
            if result.stopped_by in STOPS_ALL:
                self._over = str(result.stopped_by), result.exit_code
