"""Calls one command and turns errors into a message and an exit code.

Imports a command's modules only when it is called, so that `--help` is fast."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from worker import open_files
from worker.cli.parser import parse, without_token
from worker.model.errors import UsageError, WorkerError
from worker.model.program import PROGRAM
from worker.terminal.output import complain, finish

_ANYWHERE = frozenset({"sandbox", "completion"})
"""Commands that do not need the current folder."""


def command_line(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. No exception leaves this function."""
    return finish(_command(arguments))


def _command(arguments: Sequence[str]) -> int:
    try:
        args = parse(arguments)
        if args.command not in _ANYWHERE:
            _refuse_lost_folder()
        code: int = import_module(f"worker.cli.{args.command}").main(args, os.environ)
    except SystemExit as end:  # argparse ends this way, after --help or an error
        return end.code if isinstance(end.code, int) else 1
    except WorkerError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt as interrupt:  # that of a run says whether anything was sent
        _complain(str(interrupt) or "interrupted; nothing was sent")
        return 128 + signal.SIGINT
    except OSError as error:
        refused = refused_by_system(error)
        _complain(str(refused))
        return refused.exit_code
    except Exception as error:  # the last resort: users see a message, never a traceback
        _complain(_last_resort(error))
        return 1
    return code


def _last_resort(error: Exception) -> str:
    """The message about an error that no command has handled."""
    from worker.ledger.engine import DATABASE_ERRORS  # noqa: PLC0415 - loaded if one was raised

    if isinstance(error, DATABASE_ERRORS):  # its server may be stopped at any moment
        return (
            f"the ledger's database cannot be used: {error}\n"
            "  What is recorded is not lost. Run the same command again; `doctor` checks the"
            " database."
        )
    return (
        f"a bug in {PROGRAM}: {type(error).__name__}: {error}\n"
        "  Please report it, with the command and its log (--log-file)."
    )


def _refuse_lost_folder() -> None:
    """Raise UsageError if the current folder was deleted: settings and jobs are read from it."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "the current folder does not exist any more; change to another folder"
        ) from None
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be read: {error.strerror}; change to another folder"
        ) from None


def refused_by_system(error: OSError) -> WorkerError:
    """An error of the operating system as a message: a full disk, for example, is not a bug."""
    if open_files.are_spent(error):
        return UsageError("too many open files", hint=open_files.HINT)
    file = f"{error.filename}: " if error.filename is not None else ""
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):
        return WorkerError(
            "cannot write to a folder for temporary files",
            hint="Free some space in it, or set the variable TMPDIR to another folder.",
        )
    return WorkerError(
        f"{file}{error.strerror or error}",
        hint="The operating system reports this. Free some space or give access, then run the same"
        " command again.",
    )


def _complain(message: str) -> None:
    complain(without_token(message))
