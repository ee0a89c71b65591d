"""What is bad for the commands besides `run`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.bad_input import GOOD_JOB, SECRET, Case
from tests.cli.bad_input_places import foreign_database, ledger_database, newer_database

_READERS = frozenset({"ledgers/ledger.db-shm", "ledgers/ledger.db-wal"})
"""What SQLite makes beside a database to read it."""


def _ledger(what: str, options: str, *says: str, process: bool = False) -> Case:
    """Bad options of `ledger`, with a database that knows nothing."""
    return Case(
        what, says, f"ledger {options}", prepare=ledger_database, leaves=_READERS, process=process
    )


def _report(what: str, options: str, *says: str, process: bool = False) -> Case:
    return Case(
        what, says, f"report {options}", prepare=ledger_database, leaves=_READERS, process=process
    )


def _sandbox(what: str, options: str, *says: str, process: bool = False) -> Case:
    return Case(what, says, f"sandbox --port 0 {options}", process=process)


def _older_database(folder: Path) -> None:
    with closing(sqlite3.connect(ledger_database(folder))) as connection:
        connection.execute("PRAGMA user_version = 0")


COMMANDS: tuple[Case, ...] = (
    # check
    Case("a check of no job", ("no.csv: there is no such file",), "check no.csv", process=True),
    Case(
        "a check with an option of run",
        ("--dry-run is not an option of this command; run takes it",),
        "check job.csv --dry-run",
    ),
    Case(
        "a check with another program's database",
        ("this is another program's database",),
        "check job.csv",
        prepare=foreign_database,
    ),
    Case(
        "a check with a later database",
        ("by a newer version",),
        "check job.csv",
        prepare=newer_database,
        leaves=_READERS,
    ),
    Case(
        "a check with a database that is a folder",
        ("ledger.db: ",),
        "check job.csv",
        {"ledgers/ledger.db": None},
    ),
    Case(
        "a check with somebody's ledger",
        ("is not a ledger file",),
        "check job.csv --ledger a.csv",
        {"a.csv": GOOD_JOB},
    ),
    Case(
        "a check with a plain address",
        ("PROLIFIC_URL: is http",),
        "check job.csv",
        env={"PROLIFIC_URL": "http://a.b"},
    ),
    Case(
        "a check with a bad limit",
        ("--limit: '0' is not",),
        "check job.csv --limit 0",
    ),
    # ledger
    Case(
        "a ledger without a database",
        ("ledger.db: there is no ledger database here", "Run the job first"),
        "ledger",
    ),
    Case(
        "a ledger of a job without a database",
        ("there is no ledger database",),
        "ledger job.csv",
        process=True,
    ),
    Case(
        "a ledger whose database is text",
        ("mine.db: this file is not a ledger database",),
        "ledger --database mine.db",
        {"mine.db": GOOD_JOB},
    ),
    Case(
        "a ledger whose database is another program's",
        ("this is another program's database",),
        "ledger",
        prepare=foreign_database,
    ),
    Case(
        "a ledger of a later database",
        ("newer version",),
        "ledger",
        prepare=newer_database,
        leaves=_READERS,
    ),
    Case(
        "a ledger of an older database",
        ("older version", "The next `run`"),
        "ledger",
        prepare=_older_database,
        leaves=_READERS,
    ),
    _ledger(
        "a status that is none",
        "job.csv --status nonsense",
        "--status: nonsense is not a status",
        "created, failed",
    ),
    _ledger("an empty status", "job.csv --status ''", "--status: an empty value is not a status"),
    _ledger(
        "a status too many",
        "job.csv --status failed,done",
        "--status: done is not a status",
        process=True,
    ),
    _ledger(
        "a time that is none",
        "job.csv --since yesterday",
        "--since: 'yesterday' is not a date or time",
    ),
    _ledger(
        "a time before all times",
        "job.csv --since 0001-01-01T00:00+14:00",
        "--since: ",
        "is not a date or time",
    ),
    _ledger(
        "a time before all times for all",
        "--since 0001-01-01T00:00+14:00",
        "--since: ",
        "is not a date or time",
    ),
    _ledger(
        "a form that is none", "job.csv --format pdf", "argument --format: invalid choice: 'pdf'"
    ),
    _ledger(
        "a status without a job",
        "--status failed",
        "--status selects rows: add a JOB or --campaign",
    ),
    _ledger("dropped rows without a job", "--all", "--all selects rows: add a JOB or --campaign"),
    _ledger("a form that needs a job", "--format csv", "--format csv: add a JOB or --campaign"),
    _ledger(
        "a job that was never run",
        "job.csv",
        "ledger.db: this ledger database contains no run of job job.csv",
    ),
    _ledger(
        "a campaign that was never run",
        "--campaign spring",
        "this ledger database contains no run of campaign spring",
    ),
    _ledger(
        "a ledger's campaign that is a path",
        "--campaign ../a",
        '--campaign: "../a" begins with a dot',
    ),
    _ledger(
        "a restoring without a job",
        "--restore job.csv",
        "--restore: add the JOB of the ledger file",
    ),
    _ledger(
        "a backup onto a file",
        "--backup job.csv",
        "job.csv: already exists; a backup never replaces a file",
    ),
    _ledger(
        "a backup onto the database",
        "--backup ledgers/ledger.db",
        "ledger.db: already exists",
        process=True,
    ),
    _ledger("a backup onto a folder", "--backup home", "home: already exists"),
    _ledger("a backup into no folder", "--backup no/a.db", "no/a.db: the backup cannot be written"),
    _ledger(
        "a backup into a file",
        "--backup job.csv/a.db",
        "job.csv/a.db: the backup cannot be written",
    ),
    _ledger(
        "moving onto a job", "--copy-to job.csv", "job.csv: this file is not a ledger database"
    ),
    _ledger("moving into no folder", "--copy-to no/a.db", "no/a.db: there is no folder no"),
    _ledger("moving to where it is", "--copy-to ledgers/ledger.db", "this is where the ledger is"),
    _ledger(
        "moving to MySQL",
        f"--copy-to mysql://u:{SECRET}@h/x",
        "--copy-to: is an address, but not of a PostgreSQL server",
    ),
    _ledger(
        "a backup to a server",
        f"--backup postgresql://u:{SECRET}@h/x",
        "--backup: is an address; give the path of a file",
    ),
    _ledger("moving nowhere", "--copy-to ''", "--copy-to: is empty"),
    _ledger(
        "moving to no address", "--copy-to postgresql:a", "--copy-to: is no address of a server"
    ),
    Case("moving nothing", ("there is no ledger database",), "ledger --copy-to copy.db"),
    _ledger("forgetting without a day", "--forget", "--forget: add --before DATE"),
    _ledger(
        "a day without forgetting",
        "--before 2026-01-01",
        "--before: only says what --forget removes",
    ),
    _ledger("forgetting before no date", "--forget --before x", "--before: 'x' is not a date"),
    _ledger(
        "forgetting the future",
        "--forget --before 2999-01-01",
        "--before: 2999-01-01 is in the future",
    ),
    Case(
        "forgetting without a database",
        ("there is no ledger database",),
        "ledger --forget --before 2026-01-01",
    ),
    _ledger("a backup without a name", "--backup ''", ".: already exists"),
    Case("a backup of nothing", ("there is no ledger database",), "ledger --backup copy.db"),
    Case(
        "a ledger with a bad config",
        ("config.toml:1: colour: ",),
        "ledger",
        {"config.toml": "colour = 1\n"},
    ),
    Case("a ledger with a bad date", ("--date: 'x' is not a date",), "ledger job.csv --date x"),
    # report
    Case(
        "a report without a database",
        ("there is no ledger database here", "Run the job first"),
        "report job.csv",
    ),
    Case("a report of nothing", ("the following arguments are required: JOB",), "report"),
    Case(
        "a report of a later database",
        ("newer version",),
        "report job.csv",
        prepare=newer_database,
        leaves=_READERS,
    ),
    _report(
        "a report of a job that was never run",
        "job.csv",
        "ledger.db: this ledger database contains no run of job job.csv",
    ),
    _report(
        "a report of a campaign that was never run",
        "job.csv --campaign spring",
        "no run of campaign spring",
    ),
    _report("a report without a name", "job.csv --output ''", "--output: is empty", process=True),
    _report(
        "a report with an option of ledger",
        "job.csv --format csv",
        "--format is not an option of this command; ledger, batches take",
    ),
    # sandbox
    Case(
        "a port that is taken",
        ("cannot listen on port ", "of 127.0.0.1: Address already in use.\n  Choose another port"),
        "sandbox --port $PORT",
        process=True,
    ),
    _sandbox(
        "a port beyond all", "--port 65536", "--port: '65536' is not a whole number from 0 to 65535"
    ),
    _sandbox(
        "a port of the sandbox in words", "--port http", "--port: 'http' is not a whole number"
    ),
    _sandbox("a port without end", f"--port {'9' * 5000}", "--port: ", "is not a whole number"),
    _sandbox(
        "a host that is elsewhere", "--host 192.0.2.1", "cannot listen on port 0 of 192.0.2.1"
    ),
    _sandbox(
        "a latency below none",
        "--latency=-1",
        "--latency: '-1' is not a number of seconds from 0 to 3600",
    ),
    _sandbox(
        "a latency that is no number",
        "--latency nan",
        "--latency: 'nan' is not a number of seconds",
    ),
    _sandbox(
        "a lag without end", "--listing-lag inf", "--listing-lag: 'inf' is not a number of seconds"
    ),
    _sandbox("a rate of the sandbox without a unit", "--rate 5", "--rate: '5' is not a rate"),
    _sandbox("a burst of none", "--burst 0", "--burst: '0' is not a whole number from 1"),
    _sandbox("a burst in words", "--burst many", "--burst: 'many' is not a whole number"),
    _sandbox("a seed below none", "--seed=-1", "--seed: '-1' is not a whole number"),
    _sandbox(
        "a fault that is none",
        "--faults flood=1",
        "There is no fault 'flood'",
        "Faults: drop-answer",
    ),
    _sandbox(
        "a misspelt fault",
        "--faults drop-anser=1",
        "There is no fault 'drop-anser': did you mean drop-answer?",
    ),
    _sandbox(
        "a fault without its chance",
        "--faults late",
        "The fault late needs a probability from 0 to 1, not ''",
    ),
    _sandbox("a fault twice", "--faults late=0.1,late=0.1", "The fault 'late' is given twice"),
    _sandbox(
        "a fault that is more than sure",
        "--faults late=2",
        "The probability of late must be from 0 to 1, not 2",
    ),
    _sandbox(
        "a fault of no chance at all",
        "--faults late=nan",
        "The probability of late must be from 0 to 1",
    ),
    _sandbox(
        "faults that are more than sure",
        "--faults late=0.6,busy=0.6",
        "add up to 1.2",
        process=True,
    ),
    _sandbox(
        "an option of run for the sandbox",
        "--campaign a",
        "--campaign is not an option of this command; run",
    ),
)
