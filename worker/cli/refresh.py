"""`ledger --refresh`: looks at the job's batches again, and records what the API shows. It sends
nothing."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing

import anyio

from worker.api.reader import reader_without_run
from worker.cli.common import api_client, settle_start, target
from worker.cli.latest_run import latest_run, ledger_file_of
from worker.cli.outdated import refuse_outdated
from worker.export import ledger_file as export
from worker.export.own_files import refuse_foreign_file
from worker.ledger import setups
from worker.ledger.database import hold
from worker.ledger.store import Ledger
from worker.model.clock import MachineClock, iso
from worker.model.errors import UsageError, WorkerError
from worker.model.records import RunEnd
from worker.model.setups import SETUP_STATUSES, Copy, Seen
from worker.model.stop import Stop
from worker.settings.settings import Settings
from worker.setup.looking import Looking
from worker.terminal.output import complain, warn
from worker.terminal.secrets import Scrubber
from worker.text import joined, verb, visible


def refresh(args: Namespace, settings: Settings, environ: Mapping[str, str]) -> None:
    """Look at every created batch of the job, and record its status. Raises UsageError, and
    ApiUnusableError or TokenRefusedError if the API cannot be asked."""
    if settings.sandbox:
        raise UsageError("--refresh: the batches of a rehearsal exist only while it runs")
    if args.job is None and not settings.asks_for_campaign:
        raise UsageError("--refresh: add a JOB or --campaign")
    api = target(settings, environ)
    with (
        hold(settings.database, settings.wait) as held,
        closing(held.open(api.url)) as database,
    ):
        latest = latest_run(database, settings, args)
        path = ledger_file_of(settings, latest)
        refuse_foreign_file(export.LEDGER_FILE, path, latest.campaign)
        refuse_outdated(database, settings, latest.campaign, latest.job, path, latest.ledger)
        ledger = Ledger(database, settle_start(settings, latest, path))
        code = 1
        try:
            found = setups.copies(ledger, ("", *SETUP_STATUSES))

            async def look() -> dict[str, Seen]:
                scrub = Scrubber(api.token)
                async with api_client(api, settings.timeout, scrub, ()) as client:
                    reader = reader_without_run(client)
                    await reader.owner()
                    return await Looking(reader, MachineClock(), Stop()).look(found)

            seen = anyio.run(look) if found else {}
            setups.saw(ledger, told_by(found, seen))
            warn(f"{_summary(seen)}\n")
            _complain_of(found, seen)
            code = 0
        except WorkerError as error:
            code = error.exit_code
            raise
        finally:
            ledger.end_run(RunEnd(iso(MachineClock().wall()), None, code, 0, 0, 0))


def told_by(copies: Iterable[Copy], seen: Mapping[str, Seen]) -> dict[str, Seen]:
    """What was seen, without what proves nothing: a batch that no look has shown yet, and whose
    setup was not accepted, may be PROCESSING because it is still being copied. A run looks
    later."""
    unclear = {
        copy.batch_id
        for copy in copies
        if copy.status is None
        and copy.sent != "accepted"
        and seen[copy.batch_id].status == "PROCESSING"
    }
    return {batch_id: one for batch_id, one in seen.items() if batch_id not in unclear}


def _summary(seen: Mapping[str, Seen]) -> str:
    statuses = Counter(one.status for one in seen.values() if one.status is not None)
    shown = [f"{number:,} {visible(status)}" for status, number in sorted(statuses.items())]
    number = len(seen)
    looked = f"Looked at {number:,} {verb(number, 'batch', 'batches')}"
    return f"{looked}: {joined(shown)}." if shown else f"{looked}."


def _complain_of(found: list[Copy], seen: Mapping[str, Seen]) -> None:
    """Say which batches the API did not show: their status stays as it was last seen."""
    lacking = [copy for copy in found if seen[copy.batch_id].status is None]
    if lacking:
        first = lacking[0]
        number = len(lacking)
        complain(
            f"the API did not show {number:,} {verb(number, 'batch', 'batches')}, such as"
            f" {first.batch_id} (line {first.line}); {verb(number, 'its', 'their')} status stays as"
            " it was last seen"
        )
