"""The code has what the contract promises: the tables of `tests/contract.py` and the code."""

from __future__ import annotations

import pytest

from tests import contract
from tests.support.parsers import flags, parsers
from worker.cli import parser as cli
from worker.job.columns import COLUMNS as JOB_COLUMNS
from worker.ledger.rows import COLUMNS
from worker.model import errors
from worker.model.events import EVENTS, STOPPED_BY, StopReason
from worker.model.names import PLACEHOLDERS
from worker.model.records import STATUSES, Counts, Status
from worker.model.setups import SETUP_STATUSES, SetupCounts, SetupStatus
from worker.run.result import exit_code
from worker.settings.options import COMMANDS as COMMANDS_WITH_A_JOB
from worker.settings.options import OPTIONS

WITHOUT_A_JOB = {"batches", "doctor", "completion", "sandbox"}
BUILT = [command for command in contract.COMMANDS if command not in contract.NOT_BUILT_YET]


def test_the_commands_are_the_contract_s_but_those_not_built_yet() -> None:
    """When one of them is built: take it out of NOT_BUILT_YET, and into the README's table."""
    assert set(cli.COMMANDS) == set(BUILT) == set(parsers())
    assert set(COMMANDS_WITH_A_JOB) == set(contract.COMMANDS) - WITHOUT_A_JOB


def test_run_has_the_contract_s_options_and_defaults() -> None:
    options = {option.flag: option for option in OPTIONS if "run" in option.commands}
    assert set(options) == {*contract.RUN_OPTIONS, contract.DRY_RUN}
    for flag, (metavar, default) in contract.RUN_OPTIONS.items():
        assert (options[flag].metavar, options[flag].default) == (metavar, default), flag


@pytest.mark.parametrize("command", [name for name in BUILT if name not in WITHOUT_A_JOB])
def test_every_command_with_a_job_takes_what_belongs_to_all(command: str) -> None:
    assert flags(parsers()[command]) >= set(contract.OPTIONS_OF_ALL_WITH_A_JOB)


def test_check_takes_no_option_that_run_does_not() -> None:
    assert flags(parsers()["check"]) < flags(parsers()["run"])


def test_ledger_has_the_contract_s_options_and_formats() -> None:
    ledger = parsers()["ledger"]
    assert flags(ledger) >= set(contract.LEDGER_OPTIONS)
    (formats,) = [
        action.choices for action in ledger._actions if "--format" in action.option_strings
    ]
    assert formats is not None
    assert tuple(formats) == contract.LEDGER_FORMATS


def test_the_ledger_file_has_the_contract_s_columns() -> None:
    assert COLUMNS == contract.COLUMNS


def test_statuses_are_the_contract_s() -> None:
    assert tuple(STATUSES) == tuple(Status) == Counts._fields == contract.STATUSES
    assert tuple(SETUP_STATUSES) == tuple(SetupStatus) == contract.SETUP_STATUSES
    assert SetupCounts._fields == contract.SETUP_STATUSES


def test_job_columns_and_placeholders_are_the_contract_s() -> None:
    assert JOB_COLUMNS == contract.JOB_COLUMNS
    assert PLACEHOLDERS == contract.PLACEHOLDERS


def test_events_are_the_contract_s_and_a_note() -> None:
    assert tuple(EVENTS) == (*contract.EVENTS, "note")


def test_reasons_to_stop_are_the_contract_s() -> None:
    assert tuple(STOPPED_BY) == tuple(StopReason) == contract.STOPPED_BY


def test_errors_end_with_the_contract_s_exit_codes() -> None:
    assert {
        kind.__name__: kind.exit_code
        for kind in _kinds(errors.WorkerError)
        if kind.__module__ == "worker.model.errors"
    } == {
        "WorkerError": 1,
        "UsageError": 2,
        "SettingsError": 2,
        "AccidentError": 2,
        "NoLedgerError": 2,
        "DeclinedError": 1,
        "FileError": 2,
        "JobError": 2,
        "TokenRefusedError": 3,
        "BusyError": 75,
    }
    assert {kind.exit_code for kind in _kinds(errors.WorkerError)} <= set(contract.EXIT_CODES)


def _kinds(kind: type[errors.WorkerError]) -> set[type[errors.WorkerError]]:
    return {kind}.union(*map(_kinds, kind.__subclasses__()))


ALL = Counts(created=3)
PARTLY = [Counts(2, 1, 0, 0), Counts(2, 0, 1, 0), Counts(2, 0, 0, 1)]


@pytest.mark.parametrize(
    ("counts", "stopped_by", "signal", "code"),
    [
        (Counts(), None, None, 0),
        (ALL, None, None, 0),
        *((partly, None, None, 1) for partly in PARTLY),
        *((PARTLY[2], reason, None, 1) for reason in ("limit", "max_duration", "max_failed")),
        *(
            (counts, reason, None, 1)
            for counts in (ALL, PARTLY[2])
            for reason in ("api", "disk", "database", "internal", "declined")
        ),
        (PARTLY[2], "token", None, 3),
        (ALL, "signal", 2, 130),
        (PARTLY[2], "signal", 2, 130),
        (PARTLY[2], "signal", 15, 143),
    ],
)
def test_a_run_ends_with_the_contract_s_exit_code(
    counts: Counts, stopped_by: str | None, signal: int | None, code: int
) -> None:
    assert exit_code(counts, stopped_by, signal) == code


@pytest.mark.parametrize("command", BUILT)
def test_the_help_of_every_command_has_examples_and_exit_codes(command: str) -> None:
    text = parsers()[command].format_help()
    assert "examples:\n  duplicate-batches " in text
    assert "exit codes:" in text
