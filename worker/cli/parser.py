"""The command line: each command with its help, examples and arguments for argparse.

Imports only the standard library and the table of settings, because `--help` waits for it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from worker import __version__
from worker.model.program import PROGRAM
from worker.settings.options import add_options
from worker.terminal.output import say, warn
from worker.text import did_you_mean, verb

SHELLS = ("bash", "zsh", "fish")


class Command(NamedTuple):
    """One command: its line in the overview, the text below its options, and what adds
    its arguments to a parser."""

    summary: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]


class Parser(argparse.ArgumentParser):
    """A parser whose error messages never contain a value that follows an unknown option: it may be
    a token."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the command line, and exit with 2."""
        self.exit(2, f"{self.prog}: {without_token(message)}\n  See {self.prog} --help.\n")

    def _print_message(self, message: str, file: object = None) -> None:
        """Print a message of argparse, and its help and version too. If that fails, the end of the
        command reports it."""
        if file is sys.stdout:
            say(message, end="")
        else:
            warn(message)


def without_token(message: str) -> str:
    """The message without the token, in case it contains it. No message contains it on purpose."""
    from worker.terminal.secrets import Scrubber  # noqa: PLC0415 - only errors need it

    return Scrubber(os.environ.get("PROLIFIC_TOKEN") or None)(message)


def parser() -> Parser:
    """The parser of the whole command line."""
    root = Parser(
        prog=PROGRAM,
        description=(
            "Clone Prolific Task Builder batches in bulk. Creates every requested duplicate exactly"
            " once."
        ),
        epilog=(
            f"Start with a rehearsal: {PROGRAM} run JOB --sandbox. Each command has its own --help"
            " with examples."
        ),
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command_parser = commands.add_parser(
            name,
            help=command.summary,
            description=f"{command.summary}.",
            epilog=command.examples,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(command_parser)
        command_parser.usage = _usage(command_parser)
    return root


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=32, **options)


def _usage(parser: argparse.ArgumentParser) -> str:
    """The usage in one line; the options are listed below it, in groups."""
    names = (
        {"?": f"[{action.metavar}]", "+": f"{action.metavar}..."}.get(
            str(action.nargs), str(action.metavar)
        )
        for action in parser._get_positional_actions()
    )
    return " ".join((parser.prog, "[OPTIONS]", *names))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command. Raises SystemExit after `--help` or an error."""
    root = parser()
    if not arguments:
        warn(root.format_help())
        raise SystemExit(2)
    command = arguments[0]
    if not command.startswith("-") and command not in COMMANDS:
        root.error(
            f"there is no command {command!r}.{did_you_mean(command, COMMANDS)}"
            f" Commands: {', '.join(COMMANDS)}"
        )
    args, unknown = root.parse_known_args(arguments)
    if unknown:
        root.prog = f"{root.prog} {command}"  # its --help lists the options that it has
        root.error(_unknown(unknown))
    return args


def _unknown(arguments: Sequence[str]) -> str:
    """The message about arguments that no command knows, or not this one."""
    options = [word.partition("=")[0] for word in arguments if word.startswith("-")]
    if not options:
        return f"unexpected argument {arguments[0]!r}"
    option = options[0]
    if "--token" in options:
        return (
            "there is no option --token: set the variable PROLIFIC_TOKEN, or token_file in the"
            " config file"
        )
    known = {name: _flags(command) for name, command in COMMANDS.items()}
    if takers := [name for name, flags in known.items() if option in flags]:
        return (
            f"{option} is not an option of this command; {', '.join(takers)}"
            f" {verb(len(takers), 'takes', 'take')} it"
        )
    every = [flag for flags in known.values() for flag in flags]
    return f"there is no option {option}.{did_you_mean(option, every)}"


def _flags(command: Command) -> list[str]:
    parser = Parser(add_help=False)
    command.add_arguments(parser)
    return [flag for action in parser._actions for flag in action.option_strings]


# -- the arguments of each command


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "jobs",
        metavar="JOB",
        nargs="+",
        help="Job file, .csv or .yaml, or a folder: the job files in it",
    )


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    _add_jobs(parser)
    add_options(parser, "run")


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    _add_jobs(parser)
    add_options(parser, "check")


def _add_settle_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "job", metavar="JOB", nargs="?", help="Job file (default: every campaign in the database)"
    )
    group = parser.add_argument_group("Decisions")
    group.add_argument(
        "--assign",
        metavar="ITEM=BATCH_ID",
        action="append",
        help="Record that BATCH_ID is the batch of ITEM (LINE, LINE.COPY or #N)",
    )
    group.add_argument(
        "--absent",
        metavar="ITEM",
        action="append",
        help="Record that ITEM was not created; the next run resends it",
    )
    group.add_argument(
        "--proposals",
        metavar="FILE",
        help="Write a sheet to decide in, .csv or .xlsx: what is unknown, with its candidates",
    )
    group.add_argument(
        "--decisions",
        metavar="FILE",
        help="Record the decisions in a filled in sheet, or in a ledger file that is a workbook",
    )
    group.add_argument(
        "--accept-suggestions",
        action="store_true",
        help="With --decisions: also accept what the sheet suggests for items without a decision",
    )
    group.add_argument(
        "--review",
        action="store_true",
        help="Decide on this terminal, one key for each; records when you leave",
    )
    add_options(parser, "settle")


def _add_ledger_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "job", metavar="JOB", nargs="?", help="Job file (default: the campaigns and their runs)"
    )
    group = parser.add_argument_group("What to print")
    group.add_argument(
        "--format",
        choices=("csv", "json", "table", "xlsx", "job"),
        help="Print in this format instead of writing the ledger file",
    )
    group.add_argument(
        "--status", metavar="STATUS[,STATUS]", help="Only rows with one of these statuses"
    )
    group.add_argument("--source", metavar="BATCH_ID", help="Only duplicates of this batch")
    group.add_argument("--run", metavar="RUN_ID", help="Only rows that this run changed last")
    group.add_argument(
        "--since",
        metavar="TIME",
        help="Only rows sent, or runs started, at this time or later (ISO 8601)",
    )
    group.add_argument(
        "--all", action="store_true", help="Also duplicates that are no longer in the job"
    )
    group.add_argument(
        "--refresh",
        action="store_true",
        help="First look at the batches again and record their status; needs the token",
    )
    copies = parser.add_argument_group("Copies of the database")
    copies.add_argument(
        "--restore", metavar="FILE", help="Rebuild a lost database from this ledger file"
    )
    copies.add_argument(
        "--backup", metavar="FILE", help="Copy the database to this file, also during a run"
    )
    copies.add_argument(
        "--copy-to",
        metavar="TARGET",
        help="Move the ledger to this empty place: a new file or postgresql://USER@HOST/NAME",
    )
    copies.add_argument(
        "--accept-server",
        action="store_true",
        help="Record that a shared ledger lost nothing in a failover or a restored backup",
    )
    history = parser.add_argument_group("Old history")
    history.add_argument(
        "--forget",
        action="store_true",
        help="Remove details of old runs; every duplicate stays known (needs --before)",
    )
    history.add_argument(
        "--before", metavar="DATE", help="With --forget: of runs that started before this day"
    )
    add_options(parser, "ledger")


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="Job file")
    group = parser.add_argument_group("Output")
    group.add_argument(
        "--output",
        metavar="PATH",
        help="Path of the report (default: the ledger file's name with .html)",
    )
    add_options(parser, "report")


def _add_batches_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Which batches")
    group.add_argument(
        "--workspace",
        metavar="ID",
        help="Workspace to list (default: the only one that the token sees)",
    )
    group.add_argument(
        "--name", metavar="GLOB", help="Only batches whose name matches, such as 'Wave *'"
    )
    group.add_argument(
        "--status", metavar="STATUS[,STATUS]", help="Only batches with one of these statuses"
    )
    group = parser.add_argument_group("Output")
    group.add_argument(
        "--format",
        choices=("table", "csv", "json", "job"),
        default="table",
        help="job: a job file to start from (default: table)",
    )
    add_options(parser, "batches")
    parser.set_defaults(job=None)


def _add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="Print the checks as one JSON object")
    add_options(parser, "doctor")
    parser.set_defaults(job=None)


def _add_sandbox_arguments(parser: argparse.ArgumentParser) -> None:
    # The defaults are those of `SandboxOptions`, which --help does not wait for. Only the port
    # differs: a crontab can name it, while a sandbox in a run's own process takes any free one.
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="Address to listen on (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port", default="8765", metavar="N", help="Port; 0 picks a free one (default: 8765)"
    )
    parser.add_argument(
        "--latency", default="0.05", metavar="S", help="Mean seconds for an answer (default: 0.05)"
    )
    parser.add_argument(
        "--rate",
        default="unlimited",
        metavar="N/s|N/min|unlimited",
        help="Rate limit for duplicate requests (default: unlimited)",
    )
    parser.add_argument(
        "--burst", default="5", metavar="N", help="Requests allowed at once (default: 5)"
    )
    parser.add_argument(
        "--faults",
        default="",
        metavar="NAME=P[,…]",
        help="Faults, each with its probability from 0 to 1 (default: none)",
    )
    parser.add_argument(
        "--listing-lag",
        default="0",
        metavar="S",
        help="Seconds that a new batch is missing from listings (default: 0)",
    )
    parser.add_argument(
        "--processing",
        default="1",
        metavar="S",
        help="Seconds from a setup until the batch is READY (default: 1)",
    )
    parser.add_argument("--seed", metavar="N", help="Random seed, to repeat the same faults")


def _add_completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")


COMMANDS: Mapping[str, Command] = {
    "run": Command(
        "Create the duplicates that are missing",
        """examples:
  duplicate-batches run jobs/plain.csv               ask, then create what is missing
  duplicate-batches run wave.yaml --yes --quiet      for cron: mail only if something is wrong
  duplicate-batches run wave.yaml --sandbox          rehearse: no token, nothing real
  duplicate-batches run wave.yaml --limit 1          create one duplicate to look at
  duplicate-batches run wave.yaml --retry-failed     also retry what the API rejected before
  duplicate-batches run jobs/ extra.csv --yes        every job in a folder, and one more

exit codes:
  0 everything is created, and set up if the job asks for it
  1 something is failed, unknown or pending
  2 wrong usage, nothing was sent · 3 the API refused the token
  75 another run holds the database · 128+signal after SIGINT, SIGTERM or SIGHUP
  With several jobs: the most severe one (a signal, 3, 75, 2, 1, 0)""",
        _add_run_arguments,
    ),
    "check": Command(
        "Show what a run would do, and create nothing",
        """examples:
  duplicate-batches check wave.yaml            the plan; with a token, also whether sources exist
  duplicate-batches check wave.yaml --json     the same for a script
  duplicate-batches check jobs/                every job in a folder

exit codes:
  0 no problem · 1 a source does not exist, or it looks like an accident
  2 wrong usage or job file · 3 the API refused the token""",
        _add_check_arguments,
    ),
    "settle": Command(
        "Find out whether unanswered requests created a batch, and create nothing",
        """examples:
  duplicate-batches settle wave.yaml                   check which unknown duplicates exist
  duplicate-batches settle --database ledger.db        all campaigns in this database
  duplicate-batches settle wave.yaml --assign 12.3=ID  you found it: line 12, copy 3
  duplicate-batches settle wave.yaml --absent '#40'    you know that item 40 was not created
  duplicate-batches settle wave.yaml --proposals decisions.xlsx   decide in a spreadsheet,
  duplicate-batches settle wave.yaml --decisions decisions.xlsx   then record its decisions
  duplicate-batches settle wave.yaml --review          decide here, one key for each

exit codes:
  0 nothing is unknown any more · 1 something is still unknown · 2 wrong usage
  3 the API refused the token · 75 another run holds the database""",
        _add_settle_arguments,
    ),
    "ledger": Command(
        "Write the ledger file again from the database, or print it",
        """With JOB alone, writes the file. With --format or an option that selects rows, prints it
instead: as a table unless --format says otherwise, through PAGER on a terminal.

examples:
  duplicate-batches ledger wave.yaml                     write the ledger file again
  duplicate-batches ledger wave.yaml --format table      print it as a table
  duplicate-batches ledger wave.yaml --status failed,unknown
  duplicate-batches ledger wave.yaml --format xlsx > wave.xlsx
  duplicate-batches ledger wave.yaml --format job --status failed > again.csv
  duplicate-batches ledger wave.yaml --refresh           look at the batches again first
  duplicate-batches ledger --database ledgers/ledger.db  the campaigns and their runs
  duplicate-batches ledger wave.yaml --backup copy.db    copy the database, also during a run
  duplicate-batches ledger --forget --before 2026-01-01  remove details of older runs

exit codes:
  0 done · 2 wrong usage, or the database has no run of the job
  75 another run holds the database (--refresh, --restore, --forget)
  With --refresh also: 1 the API cannot be asked · 3 it refused the token""",
        _add_ledger_arguments,
    ),
    "report": Command(
        "Write the HTML report of a job's latest run",
        """examples:
  duplicate-batches report wave.yaml                     next to the ledger file, with .html
  duplicate-batches report wave.yaml --output wave.html  to another file
  duplicate-batches run wave.yaml --report               write it at the end of a run

exit codes:
  0 done · 2 wrong usage, or the database has no run of the job""",
        _add_report_arguments,
    ),
    "batches": Command(
        "List the batches of a workspace, or turn them into a job file; reads only",
        """examples:
  duplicate-batches batches                                the only workspace that the token sees
  duplicate-batches batches --name 'Wave *' --status READY
  duplicate-batches batches --format job > wave.csv        a job file to start from

exit codes:
  0 · 1 the API gave no complete answer · 2 wrong usage, or several workspaces to choose from
  3 the token was refused""",
        _add_batches_arguments,
    ),
    "doctor": Command(
        "Check the set-up the way cron would use it, and say how to fix what is wrong",
        """examples:
  duplicate-batches doctor                             with the config file of this folder
  duplicate-batches doctor --config /srv/waves/config.toml
  duplicate-batches doctor --json                      the same for a script

exit codes:
  0 everything is fine · 1 something is not""",
        _add_doctor_arguments,
    ),
    "completion": Command(
        "Print a completion script for bash, zsh or fish",
        """examples:
  duplicate-batches completion bash > ~/.local/share/bash-completion/completions/duplicate-batches
  duplicate-batches completion zsh > ~/.zfunc/_duplicate-batches      (a folder in your fpath)
  duplicate-batches completion fish > ~/.config/fish/completions/duplicate-batches.fish

exit codes:
  0 done · 2 wrong usage""",
        _add_completion_arguments,
    ),
    "sandbox": Command(
        "Serve a local stand-in for the API, for rehearsals",
        """examples:
  duplicate-batches sandbox                                  then paste the two lines that it prints
  duplicate-batches sandbox --rate 10/s --latency 0.2        with a rate limit and slow answers
  duplicate-batches sandbox --faults drop-answer=0.05,late=0.02

exit codes:
  0 stopped · 2 wrong usage, or the port is in use""",
        _add_sandbox_arguments,
    ),
}
"""Every command, in the order of the overview."""
