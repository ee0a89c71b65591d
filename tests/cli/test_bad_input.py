"""Whatever is wrong with what people give it, the command line says what, sends nothing and harms
no file.

The cases are tables, one for each kind of input: `bad_input_*.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.cli.bad_input import SECRET, Case, as_a_process, in_this_process, snapshot
from tests.cli.bad_input_access import ACCESS
from tests.cli.bad_input_commands import COMMANDS
from tests.cli.bad_input_csv import CSV_JOBS
from tests.cli.bad_input_places import PLACES
from tests.cli.bad_input_settings import SETTINGS
from tests.cli.bad_input_yaml import YAML_JOBS
from tests.support.sandbox_thread import SandboxThread
from worker.sandbox.options import SandboxOptions

CASES = (*CSV_JOBS, *YAML_JOBS, *SETTINGS, *ACCESS, *PLACES, *COMMANDS)


def _parameter(case: Case) -> ParameterSet:
    return pytest.param(case, id=case.what)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxThread]:
    with SandboxThread(SandboxOptions(token=SECRET, latency=0.0)) as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxThread) -> Path:
    """The current folder of a person with a good job, a good token and no settings."""
    for name in os.environ:
        if name.startswith(
            ("PROLIFIC_", "DUPLICATE_BATCHES_", "SSL_CERT_", "XDG_")
        ) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROLIFIC_URL", sandbox.url)
    monkeypatch.setenv("PROLIFIC_TOKEN", SECRET)
    monkeypatch.setenv("DUPLICATE_BATCHES_YES", "true")
    monkeypatch.setenv("DUPLICATE_BATCHES_ALLOW_EXISTING", "true")  # all tests share one server
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_bad_input_is_refused_in_a_message_and_nothing_is_sent_or_harmed(
    case: Case,
    folder: Path,
    sandbox: SandboxThread,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case.set_up(folder)
    for name, value in case.env.items():
        monkeypatch.setenv(name, value)
    argv = case.argv.replace("$PORT", sandbox.url.rpartition(":")[2])
    before, sent = snapshot(folder), sandbox.world.requests.copy()

    ended = as_a_process(argv, os.environ) if case.process else in_this_process(argv, capsys)

    assert ended.code == case.code, ended
    assert ended.out == ""
    assert [text for text in case.says if text not in ended.err] == [], ended.err
    assert "Traceback" not in ended.err
    assert "a bug in" not in ended.err
    assert "s3cr3t" not in ended.err
    assert sandbox.world.requests == sent
    after = snapshot(folder)
    assert {path: after.get(path) for path in before} == before
    assert after.keys() - before.keys() <= case.leaves


@pytest.mark.parametrize("as_process", [False, True], ids=["in this process", "as a process"])
def test_what_the_cases_spoil_is_good_and_would_be_sent(
    as_process: bool, folder: Path, sandbox: SandboxThread, capsys: pytest.CaptureFixture[str]
) -> None:
    Case("nothing", ()).set_up(folder)
    sent, made = sandbox.world.requests.copy(), sandbox.world.made

    ended = (
        as_a_process("run job.csv", os.environ)
        if as_process
        else in_this_process("run job.csv", capsys)
    )

    assert ended.code == 0, ended
    assert sandbox.world.made == made + 3
    assert sandbox.world.requests["duplicate"] == sent["duplicate"] + 3
    assert (folder / "ledgers" / "ledger.db").exists()


def test_every_case_has_a_name_of_its_own_and_says_something() -> None:
    names = [case.what for case in CASES]
    assert [name for name in names if names.count(name) > 1] == []
    assert [case.what for case in CASES if not case.says] == []
