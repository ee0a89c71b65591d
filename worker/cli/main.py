"""Reads the command line, calls one command, and turns what it raises into a message and an exit
code.

A command's own modules are imported when it is called, so that `--help` is fast.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from worker import __version__, open_files
from worker.model.errors import UsageError, WorkerError
from worker.settings.options import add_options
from worker.terminal.output import PROGRAM, complain, finish, say, warn

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": (
        "make what the job file says should exist and does not",
        """examples:
  duplicate-batches run jobs/plain.csv               ask, then create what is missing
  duplicate-batches run wave.yaml --yes --quiet      for cron: mail only where something is wrong
  duplicate-batches run wave.yaml --sandbox          a rehearsal: no token, nothing real
  duplicate-batches run wave.yaml --limit 1          one duplicate, to look at
  duplicate-batches run wave.yaml --retry-failed     also what the API refused before

exit codes:
  0 all created · 1 something is failed, unknown or pending · 2 wrong usage, nothing was sent
  3 the token was refused · 75 another run holds the database
  128+signal after SIGINT, SIGTERM or SIGHUP""",
    ),
    "check": (
        "say what a run would do; create nothing",
        """examples:
  duplicate-batches check wave.yaml            the plan; with a token also: are the sources there?
  duplicate-batches check wave.yaml --json     the same for a script

exit codes: 0 · 1 a source does not exist, or it looks like an accident · 2 wrong usage or job file
  3 the token was refused""",
    ),
    "settle": (
        "find out about unknown outcomes; create nothing",
        """examples:
  duplicate-batches settle wave.yaml                   look twice; say what exists and what not
  duplicate-batches settle --database ledger.db        all campaigns of this database
  duplicate-batches settle wave.yaml --assign 12.3=ID  a person found it: line 12, copy 3
  duplicate-batches settle wave.yaml --absent '#40'    a person knows that item 40 was not created

exit codes: 0 nothing unknown is left · 1 something is · 2 wrong usage · 3 the token was refused
  75 another run holds the database""",
    ),
    "ledger": (
        "write the ledger file again from the database, or print it",
        """JOB alone writes the file. With --format, or an option that chooses rows, it prints: a
table if no other form is named, through PAGER on a terminal.

examples:
  duplicate-batches ledger wave.yaml                     write the ledger file again
  duplicate-batches ledger wave.yaml --format table      look at it here
  duplicate-batches ledger wave.yaml --status failed,unknown
  duplicate-batches ledger wave.yaml --format xlsx > wave.xlsx
  duplicate-batches ledger wave.yaml --format job --status failed > again.csv
  duplicate-batches ledger --database ledgers/ledger.db  the campaigns and their runs
  duplicate-batches ledger wave.yaml --backup copy.db    copy the database, also during a run

exit codes: 0 · 2 wrong usage, or the database does not know the job""",
    ),
    "report": (
        "write the HTML report of a job's latest run",
        """examples:
  duplicate-batches report wave.yaml                     beside the ledger file, with .html
  duplicate-batches report wave.yaml --output wave.html  somewhere else
  duplicate-batches run wave.yaml --report               a run that writes it at its end

exit codes: 0 · 2 wrong usage, or the database does not know the job""",
    ),
    "sandbox": (
        "serve a local stand-in for the API, for rehearsals",
        """examples:
  duplicate-batches sandbox                                  then paste the two lines that it prints
  duplicate-batches sandbox --rate 10/s --latency 0.2        with a rate limit and slow answers
  duplicate-batches sandbox --faults drop-answer=0.05,late=0.02

exit codes: 0 · 2 wrong usage, or the port is taken""",
    ),
}
"""Every command: what it does, and its examples."""


class _Parser(argparse.ArgumentParser):
    """One whose complaints hold no value that follows an option which it does not know: that may be
    a token."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end with 2."""
        if message.startswith("unrecognized arguments: "):
            message = self._unknown(message.removeprefix("unrecognized arguments: ").split())
        self.exit(2, f"{self.prog}: {_without_token(message)}\n  See {self.prog} --help.\n")

    def _print_message(self, message: str, file: object = None) -> None:
        """Print what argparse has to say, help and version too; `finish` tells what fails."""
        if file is sys.stdout:
            say(message, end="")
        else:
            warn(message)

    def _unknown(self, words: Sequence[str]) -> str:
        options = [word.partition("=")[0] for word in words if word.startswith("-")]
        if not options:
            return f"unexpected argument {words[0]!r}"
        if "--token" in options:
            return (
                "there is no --token: a token comes from PROLIFIC_TOKEN or token_file alone, never"
                " from an option"
            )
        from worker.settings.parse import did_you_mean  # noqa: PLC0415
        from worker.text import verb  # noqa: PLC0415 - only errors need these

        known = {name: _flags(name) for name in COMMANDS}
        if takers := [name for name, flags in known.items() if options[0] in flags]:
            return (
                f"there is no option {options[0]} here; {', '.join(takers)}"
                f" {verb(len(takers), 'takes', 'take')} it"
            )
        every = [flag for flags in known.values() for flag in flags]
        return f"there is no option {options[0]}.{did_you_mean(options[0], every)}"


def _flags(command: str) -> list[str]:
    one = _Parser(add_help=False)
    _ARGUMENTS[command](one)
    return [flag for action in one._actions for flag in action.option_strings]


def parser() -> argparse.ArgumentParser:
    """The whole command line's parser."""
    root = _Parser(
        prog=PROGRAM,
        description=(
            "Clone Prolific AI Task Builder batches in bulk: what the job says should exist,"
            " exists, once."
        ),
        epilog=(
            f"Start with a rehearsal: {PROGRAM} run JOB --sandbox. Each command has its own --help"
            " with examples."
        ),
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (summary, examples) in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        _ARGUMENTS[name](one)
    return root


def _run_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("job", metavar="JOB", help="the job file, .csv or .yaml")
    add_options(one, "run")


def _check_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("job", metavar="JOB", help="the job file, .csv or .yaml")
    add_options(one, "check")


def _settle_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "job", metavar="JOB", nargs="?", help="the job file; without it: all of the database"
    )
    one.add_argument(
        "--assign",
        metavar="ITEM=BATCH_ID",
        action="append",
        help="ITEM (LINE, LINE.COPY or #N) is this batch",
    )
    one.add_argument(
        "--absent", metavar="ITEM", action="append", help="ITEM was not made; the next run sends it"
    )
    add_options(one, "settle")


def _ledger_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "job",
        metavar="JOB",
        nargs="?",
        help="the job file; without it: the campaigns and their runs",
    )
    one.add_argument(
        "--format",
        choices=("csv", "json", "table", "xlsx", "job"),
        help="print it in this form instead",
    )
    one.add_argument("--status", metavar="STATUS[,STATUS]", help="only rows with these statuses")
    one.add_argument("--source", metavar="BATCH_ID", help="only duplicates of this batch")
    one.add_argument("--run", metavar="RUN_ID", help="only what this run changed last")
    one.add_argument(
        "--since", metavar="TIME", help="only what was sent then or later (ISO 8601; runs: started)"
    )
    one.add_argument("--all", action="store_true", help="also what the job wants no longer")
    one.add_argument(
        "--restore", metavar="FILE", help="rebuild a lost database from this ledger file"
    )
    one.add_argument(
        "--backup", metavar="FILE", help="copy the database to this file, also during a run"
    )
    add_options(one, "ledger")


def _report_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("job", metavar="JOB", help="the job file")
    one.add_argument(
        "--output",
        metavar="PATH",
        help="the report's file (default: the ledger file's, with .html)",
    )
    add_options(one, "report")


def _sandbox_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)"
    )
    one.add_argument(
        "--port", default="8765", metavar="N", help="the port (default: 8765; 0: any free one)"
    )
    one.add_argument(
        "--latency",
        default="0.05",
        metavar="S",
        help="seconds an answer takes, on average (default: 0.05)",
    )
    one.add_argument(
        "--rate", default="unlimited", metavar="N/s|N/min", help="duplicate requests that it allows"
    )
    one.add_argument(
        "--burst", default="5", metavar="N", help="requests that it allows at once (default: 5)"
    )
    one.add_argument(
        "--faults", default="", metavar="NAME=P[,…]", help="what goes wrong, and how often (0 to 1)"
    )
    one.add_argument(
        "--listing-lag",
        default="0",
        metavar="S",
        help="seconds a new batch is missing from listings",
    )
    one.add_argument("--seed", metavar="N", help="repeat the same chances")


_ARGUMENTS = {
    "run": _run_arguments,
    "check": _check_arguments,
    "settle": _settle_arguments,
    "ledger": _ledger_arguments,
    "report": _report_arguments,
    "sandbox": _sandbox_arguments,
}


def command_line(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. No exception leaves this function."""
    return finish(_command(arguments))


def _command(arguments: Sequence[str]) -> int:
    try:
        _refuse_without_command(arguments)
        args = parser().parse_args(arguments)
        if args.command not in ANYWHERE:
            _refuse_lost_folder()
        code: int = import_module(f"worker.cli.{args.command}").main(args, os.environ)
    except SystemExit as end:  # argparse's way to end: after --help, or with what is wrong
        return end.code if isinstance(end.code, int) else 1
    except WorkerError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted; nothing was sent")
        return 128 + signal.SIGINT
    except OSError as error:
        refused = _refused(error)
        _complain(str(refused))
        return refused.exit_code
    except Exception as error:  # the last place: people get words, not a traceback
        _complain(
            f"a bug in {PROGRAM}: {type(error).__name__}: {error}\n"
            "  Please report it, with the command and the log that --log-file writes."
        )
        return 1
    return code


def _refuse_without_command(arguments: Sequence[str]) -> None:
    """Print the help if there are no arguments; name the closest command if there is none of that
    name. Raises SystemExit then."""
    if not arguments:
        warn(parser().format_help())
        raise SystemExit(2)
    command = arguments[0]
    if not command.startswith("-") and command not in COMMANDS:
        from worker.settings.parse import did_you_mean  # noqa: PLC0415 - only errors need it

        parser().error(
            f"there is no command {command!r}.{did_you_mean(command, COMMANDS)}"
            f" Commands: {', '.join(COMMANDS)}"
        )


ANYWHERE = frozenset({"sandbox"})
"""Commands that need no current folder."""


def _refuse_lost_folder() -> None:
    """Raise UsageError if the current folder was deleted: settings and jobs are looked up in it."""
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


def _refused(error: OSError) -> WorkerError:
    """What the system refused, as a message: a full disk or the like is not a bug."""
    if open_files.are_spent(error):
        return UsageError("too many open files", hint=open_files.HINT)
    place = f"{error.filename}: " if error.filename is not None else ""
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):
        return WorkerError(
            "no folder for temporary files can be written",
            hint="Make room in it, or name another folder in the variable TMPDIR.",
        )
    return WorkerError(
        f"{place}{error.strerror or error}",
        hint="The system refused this. Make room, or give access; then run the same command again.",
    )


def _complain(message: str) -> None:
    """Print an error for people; the token is in no message, and if it were, it would not be in
    this line."""
    complain(_without_token(message))


def _without_token(message: str) -> str:
    from worker.terminal.secrets import Scrubber  # noqa: PLC0415 - only errors need it

    return Scrubber(os.environ.get("PROLIFIC_TOKEN") or None)(message)
