"""The token is searched for in everything that was written, in every form, at every log level,
crashes included."""

from __future__ import annotations

import base64
import html
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Ended, environment, source_id
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

TOKEN = 's3cret/"token"\\+&%41-Zz'
"""One whose forms differ: quoted in a URL, escaped in JSON, in base64."""

FORMS = (
    TOKEN,
    urllib.parse.quote(TOKEN),
    urllib.parse.quote(TOKEN, safe=""),
    json.dumps(TOKEN)[1:-1],
    repr(TOKEN)[1:-1],
    html.escape(TOKEN),
    html.escape(TOKEN).replace("&quot;", "&#34;"),
    base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    base64.b64encode(f"Token {TOKEN}".encode()).decode().rstrip("="),
    TOKEN.encode().hex(),
)


def search(folder: Path, ended: Ended) -> None:
    """Fail where any form of the token is in the outputs or in any file of the folder."""
    texts = {"standard output": ended.out.encode(), "standard error": ended.err.encode()}
    texts |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for where, data in texts.items():
        for form in FORMS:
            assert form.encode() not in data, f"{where} holds the token as {form!r}"
    assert len(texts) > 2


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "faults",
    [{}, {"refuse": 0.5}, {"unauthorised": 0.5}, {"drop-answer": 0.3, "error-500": 0.3}],
    ids=["all is well", "refused", "401", "unclear"],
)
def test_no_run_writes_the_token(
    place_with: Callable[[SandboxOptions], Place], log_format: str, faults: dict[str, float]
) -> None:
    place = place_with(SandboxOptions(latency=0, token=TOKEN, faults=faults, seed=2))
    place.job(*({"batch_id": source_id(n), "name": f"Row {n}"} for n in range(6)))
    logs = ("--log-format", log_format, "--log-file", "run.log")
    ended = place.run(*logs, "--give-up-after", 2, "--settle-after", 0.2, "--report")
    assert ended.code in (0, 1)
    assert (place.folder / "ledgers" / "job.html").exists()
    search(place.folder, ended)
    search(place.folder, place.command("check", "job.csv"))
    search(place.folder, place.command("ledger", "job.csv", "--format", "json"))


def test_a_refused_token_is_not_told(place: Place) -> None:
    place.job({"batch_id": source_id(1)})
    ended = place.run("--log-file", "run.log", PROLIFIC_TOKEN=TOKEN)
    assert ended.code == 3
    search(place.folder, ended)


def test_an_unreachable_api_does_not_show_the_token(place: Place) -> None:
    place.job({"batch_id": source_id(1)})
    ended = place.run(
        "--log-file",
        "run.log",
        "--give-up-after",
        1,
        PROLIFIC_TOKEN=TOKEN,
        PROLIFIC_URL="http://[::1]:9",
    )
    assert ended.code == 1
    search(place.folder, ended)


CRASH = """
import sys
from worker.run import {module}
from worker.cli.main import command_line
def crash(*args, **kwargs):
    import os
    raise RuntimeError("crashed with " + os.environ["PROLIFIC_TOKEN"])
{module}.{name} = crash
options = ["--yes", "--json", "--log-file", "run.log", "--timeout", "4"]
sys.exit(command_line(["run", "job.csv", *options]))
"""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("preflight", "Preflight.check_token"),
        ("sender", "Sender.send"),
        ("group_commit", "GroupCommit._commit"),
        ("job_run", "question_of"),
    ],
)
def test_a_crash_tells_neither_the_token_nor_a_traceback(
    place: Place, module: str, name: str
) -> None:
    place.job({"batch_id": source_id(1)})
    environ = environment(place.folder, place.server.url, place.server.token)
    ended = _python(CRASH.format(module=module, name=name), place.folder, environ)
    assert ended.code == 1, ended.err
    assert ended.summary["stopped_by"] == "internal"
    assert "crashed with [token]" in ended.err
    assert "Traceback" not in ended.err + ended.out
    assert "Traceback" in (place.folder / "run.log").read_text()
    assert place.server.token not in ended.err + ended.out + (place.folder / "run.log").read_text()
    assert place.run("--settle-after", 0.2).code == 0, "the next run continues"
    assert place.world.made == 1


def test_a_crash_before_the_run_tells_neither(place: Place) -> None:
    place.job({"batch_id": source_id(1)})
    environ = environment(place.folder, place.server.url, place.server.token)
    script = CRASH.replace(
        "from worker.run import {module}", "from worker.cli import prepare"
    ).replace("{module}.{name}", "prepare.planned")
    ended = _python(script, place.folder, environ)
    assert ended.code == 1
    assert "[token]" in ended.err
    assert "Traceback" not in ended.err


def _python(script: str, folder: Path, environ: dict[str, str]) -> Ended:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
