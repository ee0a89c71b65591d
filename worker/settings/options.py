"""The table of all settings: name, default, and the commands that offer it as an option.

This module imports only the standard library, because `--help` waits for it. `values` decides which
values are valid."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Source = Literal["option", "environment", "file"]

COMMANDS = ("run", "check", "settle", "ledger", "report")
_ALL = frozenset(COMMANDS)
_RUN = frozenset({"run"})
_PLANNING = frozenset({"run", "check"})
_WORKING = frozenset({"run", "settle"})
_ASKING = frozenset({"run", "check", "settle"})
_EVERY = _ALL | {"batches"}
_DOCTOR = frozenset({"doctor"})
_ANYWHERE: frozenset[Source] = frozenset({"option", "environment", "file"})

GROUPS = CREATE, PACE, STOP, OUTPUT, FILES = (
    "What to create",
    "Pace",
    "When to stop",
    "Output",
    "Files and settings",
)
"""The groups of options in `--help`: what people need first is at the top."""


class Option(NamedTuple):
    """One setting: `key` is its name in the config file; `commands` offer it as an option.

    `default` is written as in the config file (`None`: no default, and `help` says what then
    happens). An option without a `metavar` is a flag. `sources` are the layers that may set it.
    `other_help` replaces `help` for these commands."""

    key: str
    group: str
    help: str
    metavar: str | None = None
    default: str | int | bool | None = None
    commands: frozenset[str] = _RUN
    sources: frozenset[Source] = _ANYWHERE
    other_help: Mapping[str, str] = MappingProxyType({})

    @property
    def flag(self) -> str:
        """The option as a person writes it: `--max-in-flight`."""
        return "--" + self.key.replace("_", "-")


PREFIX = "DUPLICATE_BATCHES_"
"""A setting's environment variable is this and its key in capitals."""

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
        "Also retry duplicates and setups that failed before",
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
        commands=_EVERY,
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
    Option(
        "timeout",
        PACE,
        "Seconds that one request may take",
        "S",
        60,
        commands=_ASKING | _DOCTOR | {"batches"},
    ),
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
        "Start nothing new after S seconds; the next run continues (default: no limit)",
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
        "follow",
        STOP,
        "Wait up to S seconds until each batch that is set up is READY or ERROR",
        "S",
        0,
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
        "Print the summary as one JSON object (one line for each of several jobs)",
        default=False,
        commands=_ASKING,
        other_help={
            "check": "Print the findings as one JSON object (one line for each of several jobs)",
            "settle": "Print the result as one JSON object",
        },
    ),
    Option(
        "quiet",
        OUTPUT,
        "Print nothing if everything was created",
        default=False,
        commands=_ASKING,
        other_help={
            "check": "Print nothing if there is no problem",
            "settle": "Print nothing if nothing is unknown any more",
        },
    ),
    Option(
        "progress",
        OUTPUT,
        "Show live progress on a terminal",
        "auto|never",
        "auto",
        commands=_WORKING,
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
    ),
    Option(
        "heartbeat_url",
        OUTPUT,
        "Ping URL/start, then URL or URL/fail with the summary (default: none)",
        "URL",
    ),
    Option(
        "metrics_file",
        OUTPUT,
        "Write metrics for Prometheus to this file, such as .../x.prom (default: none)",
        "PATH",
    ),
    Option(
        "on_finish",
        OUTPUT,
        "Run COMMAND in a shell, with the summary on standard input (default: none)",
        "COMMAND",
    ),
    Option(
        "batch_url",
        OUTPUT,
        "Address of a batch for links in the report and sheets; contains {id} (default: no links)",
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
    Option(
        "database",
        FILES,
        "Ledger database: a file, or postgresql://USER@HOST/NAME for a shared one",
        "PATH",
        "ledgers/ledger.db",
        commands=_ALL | _DOCTOR,
    ),
    Option(
        "config",
        FILES,
        "Config file (default: ./config.toml, then the one in the user's config directory)",
        "PATH",
        commands=_EVERY | _DOCTOR,
        sources=frozenset({"option", "environment"}),
    ),
    Option(
        "token_file",
        FILES,
        "File with the token, readable only by its owner; PROLIFIC_TOKEN takes precedence",
        "PATH",
        commands=frozenset(),  # set once, not on each command line
        sources=frozenset({"environment", "file"}),
    ),
)

BY_KEY = {option.key: option for option in OPTIONS}


def add_options(parser: argparse.ArgumentParser, command: str) -> None:
    """Add every option that `command` takes to `parser`, in groups.

    Values arrive as the text that was given (`load_settings` validates it), flags as `True` or
    `False`, and missing options as `None`. A flag that a config file may set also has a `--no-…`
    form to undo it."""
    for title in GROUPS:
        creates = command in _PLANNING
        group = parser.add_argument_group(
            "Which campaign" if title == CREATE and not creates else title
        )
        for option in OPTIONS:
            if command in option.commands and _group(option, command) == title:
                _add(group, option, option.other_help.get(command, option.help))


def _group(option: Option, command: str) -> str:
    """The group of an option in the help of `command`, which may have nothing to do with
    campaigns."""
    return FILES if option.group == CREATE and command not in _ALL else option.group


def _add(group: argparse._ArgumentGroup, option: Option, text: str) -> None:
    if option.metavar is not None:
        shown = text if option.default is None else f"{text} (default: {option.default})"
        group.add_argument(option.flag, dest=option.key, metavar=option.metavar, help=shown)
        return
    undoable = "file" in option.sources
    group.add_argument(
        option.flag,
        dest=option.key,
        default=None,
        action=argparse.BooleanOptionalAction if undoable else "store_true",
        help=text,
    )
