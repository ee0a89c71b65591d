"""Turns an error that ends a run early into a reason to stop and a message for users. Pure."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from worker import open_files
from worker.api.reader import ApiUnusableError
from worker.ledger.engine import SeatLostError, ServerError
from worker.model.errors import AccidentError, DeclinedError, TokenRefusedError, WorkerError
from worker.model.events import StopReason


class Trouble(NamedTuple):
    """Why a run ends early: its `reason`; `error` is the message for users, and `is_bug` marks an
    error in this program."""

    reason: StopReason
    error: Exception
    is_bug: bool = False


def trouble_of(error: Exception) -> Trouble:
    """What this error means for the run."""
    match error:
        case TokenRefusedError():
            return Trouble(StopReason.TOKEN, error)
        case ApiUnusableError():
            return Trouble(StopReason.API, error)
        case AccidentError() | DeclinedError():
            return Trouble(StopReason.DECLINED, error)
        case SeatLostError():
            taken = WorkerError(
                str(error), hint="Nothing new was sent after that. `ledger` shows what is known."
            )
            return Trouble(StopReason.DATABASE, taken)
        case ServerError():
            away = WorkerError(
                f"the ledger cannot be written: {error}",
                hint="Nothing new was sent after that. Run the same command again when the server"
                " can be reached: it finds out what became of the last requests.",
            )
            return Trouble(StopReason.DATABASE, away)
        case sqlite3.Error() | OSError() if open_files.are_spent(error):
            spent = WorkerError(
                "too many open files: the ledger cannot be written",
                hint="Nothing new was sent after that. Raise the limit with ulimit -n 1024, or"
                " lower --max-in-flight; then run the same command again.",
            )
            return Trouble(StopReason.DISK, spent)
        case sqlite3.Error() | OSError():
            unwritten = WorkerError(
                f"the ledger cannot be written: {error}",
                hint="Nothing new was sent after that. Free some disk space or make the folder"
                " writable; then run the same command again.",
            )
            return Trouble(StopReason.DISK, unwritten)
    bug = WorkerError(
        f"a bug in duplicate-batches: {type(error).__name__}: {error}",
        hint="Please report it, with the log that --log-file writes. To continue, run the same"
        " command again.",
    )
    return Trouble(StopReason.INTERNAL, bug, is_bug=True)


def leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The exceptions in a group and in all groups within it."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
