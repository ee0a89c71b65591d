"""`ledger --forget --before DATE`: removes details of old runs from the database."""

from __future__ import annotations

import argparse
import datetime as dt
from contextlib import closing

from worker.ledger.database import hold, open_for_reading, unusable
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.forget import Forgotten, compact, forget_before
from worker.model.clock import iso
from worker.model.errors import UsageError
from worker.settings.settings import Settings
from worker.terminal import output
from worker.text import counted


def forget(args: argparse.Namespace, settings: Settings) -> int:
    """Remove the details and report how many. Returns the exit code. Raises UsageError, and
    BusyError while a run holds the database."""
    before = _before(args)
    path = settings.database
    open_for_reading(path, checked=True).close()  # opening it for writing would create one
    with hold(path, settings.wait) as held, closing(held.open(None)) as database:
        try:
            forgotten = forget_before(database, iso(dt.datetime.combine(before, dt.time())))
            compact(database)
        except DATABASE_ERRORS as error:
            raise unusable(path, error) from error
    output.say(f"{path}: {_sentence(forgotten)} before {before.isoformat()}.")
    return 0


def _before(args: argparse.Namespace) -> dt.date:
    """The day of `--before`. Raises UsageError."""
    if not args.forget:
        raise UsageError("--before: only says what --forget removes", hint="Add --forget.")
    if args.before is None:
        raise UsageError("--forget: add --before DATE", hint="For example --before 2026-01-01.")
    try:
        before = dt.date.fromisoformat(args.before)
    except ValueError:
        raise UsageError(
            f"--before: {args.before!r} is not a date", hint="Write it like 2026-01-01."
        ) from None
    if before > dt.date.today():
        raise UsageError(
            f"--before: {before} is in the future", hint="Name today or an earlier day."
        )
    return before


def _sentence(forgotten: Forgotten) -> str:
    requests, measured, changes = forgotten
    parts = [
        f"{counted(requests, 'request')} that created nothing" if requests else "",
        f"the times of {counted(measured, 'request')}" if measured else "",
        f"{counted(changes, 'rate change')}" if changes else "",
    ]
    named = ", ".join(filter(None, parts))
    return f"removed {named} of runs" if named else "there are no details left of runs"
