"""`run`: reads and plans the job, takes the lock, and creates what is missing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from worker.cli.accidents import Guard
from worker.cli.asked import Asked
from worker.cli.common import campaign_of, open_job_with_settings, target
from worker.cli.run_session import RunSession
from worker.export import ledger_file as export
from worker.export.own_files import refuse_foreign_file
from worker.job.plan import planned
from worker.ledger.lock import hold
from worker.model.clock import MachineClock
from worker.model.run_id import new_run_id


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the job. Returns the exit code. Raises WorkerError if something is wrong before anything
    is sent."""
    if args.dry_run:
        from worker.cli import check  # noqa: PLC0415 - another command

        return check.main(args, environ, command="run")
    job, settings = open_job_with_settings("run", args, environ)
    chosen = target(settings, environ)
    run_id = new_run_id(MachineClock().wall())
    ledger_file = settings.ledger_path(run_id)
    campaign = campaign_of(settings)
    refuse_foreign_file(export.LEDGER_FILE, ledger_file, campaign)
    with planned(job, campaign, settings.date) as plan:
        export.make_folder(ledger_file)
        with hold(settings.database, settings.wait):
            asked = Asked(
                settings,
                chosen,
                run_id=run_id,
                campaign=campaign,
                job=Path(args.job),
                ledger_file=ledger_file,
                plan=plan,
                guard=Guard(settings, job, plan, chosen.url),
            )
            return RunSession(asked).run()
