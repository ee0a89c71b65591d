"""The one table of every setting, and its options for argparse.

Nothing else belongs here, and only the standard library: `--help` and `--version` wait for this
import."""

from __future__ import annotations

import argparse
from typing import Literal, NamedTuple

Kind = Literal["choice", "count", "date", "flag", "ledger", "path", "rate", "seconds", "text"]
Source = Literal["option", "environment", "file"]

COMMANDS = ("run", "check", "settle", "ledger", "report")
_ALL = frozenset(COMMANDS)
_RUN = frozenset({"run", "check"})
_ASKING = _RUN | {"settle"}
_ANYWHERE: frozenset[Source] = frozenset({"option", "environment", "file"})
_MANY = 1_000_000_000


class Option(NamedTuple):
    """One setting: `key` is its name in the config file, `commands` take it as an option.

    `default` is written as the config file would write it (`None`: there is none, `help` says what
    then). `most` bounds a count, `choices` a choice; `positive` seconds may not be 0. `sources` are
    where it may be set."""

    key: str
    kind: Kind
    default: str | int | bool | None
    help: str
    metavar: str | None = None
    commands: frozenset[str] = _RUN
    sources: frozenset[Source] = _ANYWHERE
    choices: tuple[str, ...] = ()
    most: int = _MANY
    positive: bool = False

    @property
    def flag(self) -> str:
        """The option as a person writes it: `--max-in-flight`."""
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable: `DUPLICATE_BATCHES_MAX_IN_FLIGHT`."""
        return PREFIX + self.key.upper()


PREFIX = "DUPLICATE_BATCHES_"

OPTIONS: tuple[Option, ...] = (
    Option(
        "campaign",
        "text",
        None,
        "the namespace of the job's duplicates; may hold {date} (default: the job file's name)",
        "NAME",
        _ALL,
    ),
    Option(
        "ledger",
        "ledger",
        "ledgers/{campaign}.csv",
        "the ledger file, .csv or .xlsx; may hold {campaign}, {date} and {run_id}",
        "PATH",
        _ALL,
    ),
    Option("database", "path", "ledgers/ledger.db", "the ledger's database", "PATH", _ALL),
    Option(
        "rate",
        "rate",
        "5/s",
        "a ceiling on duplicate requests, spread evenly",
        "N/s|N/min|unlimited",
    ),
    Option("max_in_flight", "count", 16, "concurrent requests", "N", _ASKING, most=1000),
    Option(
        "timeout", "seconds", 60, "seconds for one request, in all", "S", _ASKING, positive=True
    ),
    Option(
        "settle_after",
        "seconds",
        30,
        "seconds for which a request that was given up may still take effect",
        "S",
        _ASKING,
    ),
    Option(
        "give_up_after",
        "seconds",
        900,
        "seconds for which the API may be unusable before the run stops, resumable",
        "S",
        _ASKING,
    ),
    Option("retry_failed", "flag", False, "also try again what failed before"),
    Option("limit", "count", None, "at most N duplicates this time (default: all)", "N"),
    Option(
        "max_duration",
        "seconds",
        None,
        "seconds after which nothing new is sent; the next run goes on (default: none)",
        "S",
        _ASKING,
    ),
    Option(
        "max_failed",
        "count",
        None,
        "after N refused duplicate requests nothing new is sent (default: none)",
        "N",
    ),
    Option(
        "wait",
        "seconds",
        0,
        "seconds to wait for another run that holds this database",
        "S",
        _ASKING,
    ),
    Option("yes", "flag", False, "do not ask before creating; needed if nobody is at a terminal"),
    Option("allow_existing", "flag", False, "create even if it looks as if it all exists already"),
    Option(
        "date",
        "date",
        None,
        "the value of {date} everywhere (default: today, local time)",
        "YYYY-MM-DD",
        _ALL,
    ),
    Option(
        "sandbox", "flag", False, "use an in-process stand-in: no token, nothing real", None, _ALL
    ),
    Option(
        "fresh", "flag", False, "with --sandbox: forget earlier rehearsals of this campaign first"
    ),
    Option("report", "flag", False, "write the HTML report too, next to the ledger file"),
    Option(
        "json", "flag", False, "the summary as one JSON object on standard output", None, _ASKING
    ),
    Option(
        "log_file", "path", None, "JSON log lines to this file too (default: none)", "PATH", _ASKING
    ),
    Option(
        "log_format",
        "choice",
        "auto",
        "log on standard error; auto: short messages on a terminal, JSON otherwise",
        "auto|console|json",
        _ASKING,
        choices=("auto", "console", "json"),
    ),
    Option(
        "progress",
        "choice",
        "auto",
        "a live progress display on a terminal",
        "auto|never",
        _ASKING,
        choices=("auto", "never"),
    ),
    Option("quiet", "flag", False, "say nothing at all where everything is created", None, _ASKING),
    Option(
        "token_file",
        "path",
        None,
        "the file that holds the token, readable by its owner alone; the variable PROLIFIC_TOKEN"
        " goes first",
        "PATH",
        frozenset(),  # never an option: where the token is is set up once, not on each command line
        frozenset({"environment", "file"}),
    ),
    Option(
        "config",
        "path",
        None,
        "settings (default: ./config.toml, then the user's config directory)",
        "PATH",
        _ALL,
        frozenset({"option", "environment"}),
    ),
    Option(
        "dry_run",
        "flag",
        False,
        "say what would be done and create nothing, as `check` does",
        None,
        frozenset({"run"}),
        frozenset({"option"}),
    ),
)

BY_KEY = {option.key: option for option in OPTIONS}


def add_options(parser: argparse.ArgumentParser, command: str) -> None:
    """Give `parser` every option that `command` takes.

    Values arrive as the text that was written (`load_settings` reads it), flags as `True` or
    `False`, and what was not given as `None`. A flag that a config file may set has a `--no-…` to
    undo it."""
    for option in OPTIONS:
        if command not in option.commands:
            continue
        text = _help(option)
        if option.kind != "flag":
            parser.add_argument(
                option.flag, dest=option.key, default=None, metavar=option.metavar, help=text
            )
        elif "file" in option.sources:
            parser.add_argument(
                option.flag,
                dest=option.key,
                default=None,
                action=argparse.BooleanOptionalAction,
                help=text,
            )
        else:
            parser.add_argument(
                option.flag, dest=option.key, default=None, action="store_true", help=text
            )


def _help(option: Option) -> str:
    shown = option.default is not None and option.kind != "flag"
    return f"{option.help} (default: {option.default})" if shown else option.help
