"""Who is told about a run: heartbeat, command and metrics, with a real server and real commands."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import source_id
from tests.whole.conftest import Place
from worker.notify.heartbeat import ping


class Monitor:
    """A monitoring service on loopback; `delay_s` makes it slow, `status` is its answer."""

    def __init__(self) -> None:
        self.pings: list[tuple[str, Any]] = []
        self.status, self.delay_s, self.raw = 200, 0.0, False
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                monitor.pings.append(
                    (self.path, (body if monitor.raw else json.loads(body)) if body else None)
                )
                time.sleep(monitor.delay_s)
                self.send_response(monitor.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/ping/s3cret-uuid"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()
    yield made
    made.close()


@pytest.fixture
def ready(place: Place) -> Place:
    place.job({"batch_id": source_id(1), "name": "Wave {n}", "copies": 3})
    return place


def test_a_heartbeat_has_the_start_and_the_summary(ready: Place, monitor: Monitor) -> None:
    ended = ready.run("--heartbeat-url", monitor.url)
    assert ended.code == 0, ended.err
    (start, nothing), (end, summary) = monitor.pings
    assert (start, nothing, end) == ("/ping/s3cret-uuid/start", None, "/ping/s3cret-uuid")
    assert summary["counts"] == {"created": 3, "failed": 0, "unknown": 0, "pending": 0}
    assert next(iter(summary)) == "campaign"
    assert "s3cret" not in ended.out + ended.err


def test_a_run_that_ends_badly_pings_fail(ready: Place, monitor: Monitor) -> None:
    ended = ready.run("--heartbeat-url", monitor.url, "--limit", 1)
    assert ended.code == 1
    path, summary = monitor.pings[-1]
    assert (path, summary["exit_code"]) == ("/ping/s3cret-uuid/fail", 1)


def test_a_job_that_cannot_be_read_pings_fail_with_the_error(
    ready: Place, monitor: Monitor
) -> None:
    (ready.folder / "job.csv").write_text("batch_id\nnonsense\n", encoding="utf-8")
    assert ready.run("--heartbeat-url", monitor.url).code == 2
    path, summary = monitor.pings[-1]
    assert path == "/ping/s3cret-uuid/fail"
    assert (summary["job"], summary["exit_code"]) == ("job.csv", 2)
    assert "job.csv:2:" in summary["error"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_refused_ping_changes_nothing(ready: Place, monitor: Monitor, status: int) -> None:
    monitor.status = status
    ended = ready.run("--heartbeat-url", monitor.url)
    assert ended.code == 0
    assert f"heartbeat: it was answered with HTTP {status}" in ended.err
    assert "s3cret" not in ended.err


@pytest.mark.prove  # ten seconds
def test_a_monitor_that_never_answers_delays_a_run_by_ten_seconds_at_most(
    ready: Place, monitor: Monitor
) -> None:
    monitor.delay_s = 60
    began = time.monotonic()
    assert ready.run("--heartbeat-url", monitor.url).code == 0
    assert time.monotonic() - began < 10 + 10, "ten seconds, and a run on a busy machine"


def test_a_rehearsal_notifies_nobody_whatever_the_config_says(
    ready: Place, monitor: Monitor
) -> None:
    config = f'heartbeat_url = "{monitor.url}"\nmetrics_file = "x.prom"\non_finish = "touch told"\n'
    (ready.folder / "config.toml").write_text(config, encoding="utf-8")
    rehearsed = ready.run("--sandbox")
    assert rehearsed.code == 0
    assert [note["text"] for note in rehearsed.events("note")] == [
        "a rehearsal does not use heartbeat_url, metrics_file and on_finish; to try them, add"
        " --heartbeat-url, --metrics-file and --on-finish"
    ]
    assert monitor.pings == []
    assert not (ready.folder / "x.prom").exists()
    assert not (ready.folder / "told").exists()
    tried = ready.run("--sandbox", "--heartbeat-url", monitor.url)
    assert tried.code == 0
    assert len(monitor.pings) == 2, "given as an option, it is meant"
    assert "does not use metrics_file and on_finish" in tried.events("note")[0]["text"]


def test_a_long_body_is_cut_for_the_ping(monitor: Monitor) -> None:
    monitor.raw = True
    assert ping(monitor.url, "fail", b"x" * 200_000) is None
    assert len(monitor.pings[-1][1]) == 100_000


def test_an_address_that_is_none_is_refused_without_showing_it(ready: Place) -> None:
    ended = ready.run("--heartbeat-url", "s3cret-uuid")
    assert ended.code == 2
    assert "--heartbeat-url: is not an http or https address with a host" in ended.err
    assert "s3cret" not in ended.err


def test_a_command_gets_the_summary_and_no_token(ready: Place) -> None:
    ended = ready.run("--on-finish", "cat > got.json; env > got.env; echo done")
    assert ended.code == 0
    summary = json.loads((ready.folder / "got.json").read_text())
    assert (summary["exit_code"], summary["counts"]["created"]) == (0, 3)
    assert ready.server.token not in (ready.folder / "got.env").read_text()
    assert json.loads(ended.out) == summary, "the same object, and no `done`"
    assert "done" in ended.err


def test_a_command_that_fails_is_reported_and_changes_nothing(ready: Place) -> None:
    ended = ready.run("--on-finish", "exit 7")
    assert ended.code == 0
    assert "--on-finish: the command ended with exit code 7" in ended.err


@pytest.mark.prove  # nine seconds
def test_a_command_that_hangs_is_killed(ready: Place) -> None:
    began = time.monotonic()
    ended = ready.run("--on-finish", "sleep 61 & sleep 60")
    assert ended.code == 0
    assert "--on-finish: the command was killed after 9 seconds" in ended.err
    assert time.monotonic() - began < 10 + 10


def notifications(report: Path) -> list[tuple[str, str]]:
    """What the report says was sent, and its outcome."""
    rows = report.read_text(encoding="utf-8").partition('<h3 id="notifications">')[2]
    return re.findall(r"</time></td><td>(.*?)</td><td>(.*?)</td>", rows)


def test_the_report_shows_what_was_sent_and_its_outcome(ready: Place, monitor: Monitor) -> None:
    monitor.status = 404
    options = ("--heartbeat-url", monitor.url, "--metrics-file", "no-folder/x/waves.prom")
    (ready.folder / "no-folder").touch()
    command = "cp ledgers/job.html before.html; echo s3cret-too > /dev/null; exit 7"
    ended = ready.run(*options, "--report", "--on-finish", command)
    assert ended.code == 0
    report = Path(ended.summary["report"])
    assert report == ready.folder / "ledgers" / "job.html"
    assert (ready.folder / "before.html").is_file(), "it exists when the command runs"
    expected = [
        ("Heartbeat: start", "failed: it was answered with HTTP 404"),
        ("Metrics file", notifications(report)[1][1]),
        ("Command of --on-finish", "failed: the command ended with exit code 7"),
        ("Heartbeat: success", "failed: it was answered with HTTP 404"),
    ]
    assert notifications(report) == expected
    assert "the metrics cannot be written" in expected[1][1]
    assert "4 notifications failed" in report.read_text("utf-8")
    assert ready.command("report", "job.csv").code == 0
    assert notifications(report) == expected, "the ledger remembers them"
    for file in [report, *(ready.folder / "ledgers").glob("ledger.db*")]:
        assert b"s3cret" not in file.read_bytes()


def test_the_report_of_a_run_that_is_refused_shows_what_was_sent(
    ready: Place, monitor: Monitor
) -> None:
    assert ready.run("--heartbeat-url", monitor.url, PROLIFIC_TOKEN="another").code == 3
    assert ready.command("report", "job.csv").code == 0
    report = ready.folder / "ledgers" / "job.html"
    assert notifications(report) == [("Heartbeat: start", "ok"), ("Heartbeat: fail", "ok")]


SAMPLE = re.compile(r"duplicate_batches_(\w+)\{(.*)\} (\S+)")


def samples(path: Path) -> dict[tuple[str, str], float]:
    """Every sample by its name and labels; every other line is HELP or TYPE."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(("# HELP duplicate_batches_", "# TYPE duplicate_batches_")):
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            found[match[1], match[2]] = float(match[3])
    return found


def test_metrics_show_the_counts_and_the_last_runs_of_each_campaign(ready: Place) -> None:
    path = ready.folder / "metrics" / "waves.prom"
    before = time.time()
    assert ready.run("--metrics-file", path).code == 0
    assert ready.run("--metrics-file", path, "--campaign", "b", "--limit", 1).code == 1
    found = samples(path)
    assert found["duplicates", 'campaign="job",status="created"'] == 3
    assert found["duplicates", 'campaign="b",status="pending"'] == 2
    assert found["last_run_exit_code", 'campaign="job"'] == 0
    assert found["last_run_exit_code", 'campaign="b"'] == 1
    assert found["last_success_timestamp_seconds", 'campaign="job"'] >= before - 1
    assert ("last_success_timestamp_seconds", 'campaign="b"') not in found
    assert found["last_run_requests", 'campaign="b"'] == 1
    assert oct(path.stat().st_mode & 0o777) == oct(0o644)


def test_metrics_count_setups_by_status(ready: Place) -> None:
    path = ready.folder / "waves.prom"
    ready.job({"batch_id": source_id(1), "name": "A", "tasks_per_group": 3})
    assert ready.run("--metrics-file", path).code == 0
    found = samples(path)
    assert found["setups", 'campaign="job",status="requested"'] == 1
    assert found["setups", 'campaign="job",status="failed"'] == 0


def test_metrics_that_cannot_be_written_change_nothing(ready: Place) -> None:
    (ready.folder / "file").touch()
    ended = ready.run("--metrics-file", "file/waves.prom")
    assert ended.code == 0
    assert "the metrics cannot be written" in ended.err
