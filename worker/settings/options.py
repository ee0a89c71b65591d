"""The one table of every setting: its name, its default, and how each command offers it.

Nothing else belongs here, and only the standard library: `--help` waits for this import. Which
values are valid is in `values`."""

from __future__ import annotations

import argparse
from typing import Literal, NamedTuple

Source = Literal["option", "environment", "file"]

COMMANDS = ("run", "check", "settle", "ledger", "report")
_ALL = frozenset(COMMANDS)
_RUN = frozenset({"run"})
_PLANNING = frozenset({"run", "check"})
_WORKING = frozenset({"run", "settle"})
_ASKING = frozenset({"run", "check", "settle"})
_ANYWHERE: frozenset[Source] = frozenset({"option", "environment", "file"})

GROUPS = CREATE, PACE, STOP, OUTPUT, FILES = (
    "What to create",
    "Pace",
    "When to stop",
    "Output",
    "Files and settings",
)
"""The groups of options in `--help`, what people need first at the top."""


class Option(NamedTuple):
    """One setting: `key` is its name in the config file, `commands` take it as an option.

    `default` is written as in the config file (`None`: there is none, `help` says what happens
    then). An option without a `metavar` is a flag. `sources` say where it may be set."""

    key: str
    group: str
    help: str
    metavar: str | None = None
    default: str | int | bool | None = None
    commands: frozenset[str] = _RUN
    sources: frozenset[Source] = _ANYWHERE
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The option as a person writes it: `--max-in-flight`."""
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable: `DUPLICATE_BATCHES_MAX_IN_FLIGHT`."""
        return PREFIX + self.key.upper()


PREFIX = "DUPLICATE_BATCHES_"

LOG_FORMATS = ("auto", "console", "json")
PROGRESS = ("auto", "never")

OPTIONS: tuple[Option, ...] = (
    # What to create
    Option(
        "campaign",
        CREATE,
        "Namespace of the job's duplicates; may contain {date} (default: the job file's name)",
        "NAME",
        commands=_ALL,
    ),
    Option(
        "date",
        CREATE,
        "Value of {date} everywhere (default: today, local time)",
        "YYYY-MM-DD",
        commands=_ALL,
    ),
    Option(
        "limit",
        CREATE,
        "Create at most N duplicates (default: all)",
        "N",
        commands=_PLANNING,
    ),
    Option(
        "retry_failed",
        CREATE,
        "Also retry what failed before",
        default=False,
        commands=_PLANNING,
    ),
    Option(
        "yes",
        CREATE,
        "Create without asking; required if nobody is at a terminal",
        default=False,
    ),
    Option(
        "allow_existing",
        CREATE,
        "Create even if the duplicates seem to exist already",
        default=False,
        commands=_PLANNING,
    ),
    Option(
        "dry_run",
        CREATE,
        "Show what would be created and create nothing, as check does",
        default=False,
        sources=frozenset({"option"}),
    ),
    Option(
        "sandbox",
        CREATE,
        "Use a stand-in for the API inside this process: no token, nothing real",
        default=False,
        commands=_ALL,
    ),
    Option(
        "fresh",
        CREATE,
        "With --sandbox: forget earlier rehearsals of this campaign first",
        default=False,
    ),
    # Pace
    Option(
        "rate",
        PACE,
        "Maximum request rate; requests are spaced evenly",
        "N/s|N/min|unlimited",
        "5/s",
    ),
    Option("max_in_flight", PACE, "Maximum number of concurrent requests", "N", 16),
    Option("timeout", PACE, "Seconds that one request may take", "S", 60, commands=_ASKING),
    Option(
        "settle_after",
        PACE,
        "Seconds that a request may still take effect after it timed out",
        "S",
        30,
        commands=_WORKING,
    ),
    # When to stop
    Option(
        "max_duration",
        STOP,
        "Send nothing new after S seconds; the next run continues (default: no limit)",
        "S",
        commands=_WORKING,
    ),
    Option(
        "max_failed",
        STOP,
        "Send nothing new after N rejected requests (default: no limit)",
        "N",
    ),
    Option(
        "give_up_after",
        STOP,
        "Stop if the API is unusable for S seconds; the next run continues",
        "S",
        900,
        commands=_WORKING,
    ),
    Option(
        "wait",
        STOP,
        "Seconds to wait for another run that holds this database",
        "S",
        0,
        commands=_WORKING,
    ),
    # Output
    Option("report", OUTPUT, "Also write the HTML report, next to the ledger file", default=False),
    Option(
        "json",
        OUTPUT,
        "Print the summary as one JSON object",
        default=False,
        commands=_ASKING,
    ),
    Option(
        "quiet",
        OUTPUT,
        "Print nothing if everything was created",
        default=False,
        commands=_ASKING,
    ),
    Option(
        "progress",
        OUTPUT,
        "Show live progress on a terminal",
        "auto|never",
        "auto",
        commands=_WORKING,
        choices=PROGRESS,
    ),
    Option(
        "log_file",
        OUTPUT,
        "Also write JSON log lines to this file (default: none)",
        "PATH",
        commands=_WORKING,
    ),
    Option(
        "log_format",
        OUTPUT,
        "Log format on standard error; auto: short messages on a terminal, otherwise JSON",
        "auto|console|json",
        "auto",
        commands=_WORKING,
        choices=LOG_FORMATS,
    ),
    Option(
        "batch_url",
        OUTPUT,
        "Address of a batch for links in the report; contains {id} (default: no links)",
        "URL",
        commands=frozenset(),  # set up once, not on each command line
        sources=frozenset({"environment", "file"}),
    ),
    # Files and settings
    Option(
        "ledger",
        FILES,
        "Ledger file, .csv or .xlsx; may contain {campaign}, {date} and {run_id}",
        "PATH",
        "ledgers/{campaign}.csv",
        commands=_ALL,
    ),
    Option("database", FILES, "Ledger database", "PATH", "ledgers/ledger.db", commands=_ALL),
    Option(
        "config",
        FILES,
        "Config file (default: ./config.toml, then the one in the user's config directory)",
        "PATH",
        commands=_ALL,
        sources=frozenset({"option", "environment"}),
    ),
    Option(
        "token_file",
        FILES,
        "File that holds the token, readable by its owner only; PROLIFIC_TOKEN takes precedence",
        "PATH",
        commands=frozenset(),  # set up once, not on each command line
        sources=frozenset({"environment", "file"}),
    ),
)

BY_KEY = {option.key: option for option in OPTIONS}


def add_options(parser: argparse.ArgumentParser, command: str) -> None:
    """Give `parser` every option that `command` takes, in groups.

    Values arrive as the text that was written (`load_settings` validates it), flags as `True` or
    `False`, and what was not given as `None`. A flag that a config file may set has a `--no-…` to
    undo it."""
    for title in GROUPS:
        creates = command in _PLANNING
        group = parser.add_argument_group(
            "Which campaign" if title == CREATE and not creates else title
        )
        for option in OPTIONS:
            if option.group == title and command in option.commands:
                _add(group, option)


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    if option.metavar is not None:
        group.add_argument(option.flag, dest=option.key, metavar=option.metavar, help=_help(option))
        return
    undoable = "file" in option.sources
    group.add_argument(
        option.flag,
        dest=option.key,
        default=None,
        action=argparse.BooleanOptionalAction if undoable else "store_true",
        help=option.help,
    )


def _help(option: Option) -> str:
    return option.help if option.default is None else f"{option.help} (default: {option.default})"
