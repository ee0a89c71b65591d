"""logrotate's rule of the page, with the real program: no log line is lost while a run writes."""

from __future__ import annotations

import getpass
import grp
import json
import os
import subprocess
from pathlib import Path

from tests.nights.conftest import JOB, System
from tests.support.command import environment, finish, start, until
from tests.support.pages import files_shown
from tests.support.systems import needs_programs

RULE = files_shown("docs/nightly.md")["/etc/logrotate.d/duplicate-batches"]
LOG = "/srv/waves/logs/run.jsonl"


def rotate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run logrotate with the page's rule, for the log file of this folder and this user."""
    group = grp.getgrgid(os.getgid()).gr_name
    rule = RULE.replace(LOG, str(folder / "logs" / "run.jsonl"))
    rule = rule.replace("su waves waves", f"su {getpass.getuser()} {group}")
    assert rule.count("waves") == str(folder).count("waves")
    (folder / "rule").write_text(rule, "utf-8")
    (folder / "rule").chmod(0o644)
    return subprocess.run(
        ["logrotate", *options, "--state", folder / "state", folder / "rule"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@needs_programs("logrotate")
def test_logrotate_accepts_the_rule(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "run.jsonl").write_text("{}\n", "utf-8")
    ended = rotate(tmp_path, "--debug")
    assert ended.returncode == 0, ended.stderr
    assert "error" not in ended.stderr
    assert "after 1 days" not in ended.stderr
    assert "weekly (8 rotations)" in ended.stderr.replace("forced from command line", "weekly")


@needs_programs("logrotate")
def test_no_line_is_lost_if_the_file_is_rotated_while_a_run_writes(system: System) -> None:
    folder = system.folder
    (folder / "wave.csv").write_text(JOB.replace(",3\n", ",20\n"), "utf-8")
    environ = environment(folder, system.server.url, system.server.token)
    arguments = ["run", "wave.csv", "--yes", "--quiet", "--log-file", "logs/run.jsonl"]
    running = start([*arguments, "--rate", "20/s"], folder, environ)
    until(lambda: len(system.server.world.duplicates) >= 5)
    ended = rotate(folder, "--force")
    assert ended.returncode == 0, ended.stderr
    assert running.poll() is None, "the run was still writing"
    assert finish(running).code == 0
    logs = folder / "logs"
    assert [file.name for file in logs.iterdir()] == ["run.jsonl.1"], "neither new nor compressed"
    lines = (logs / "run.jsonl.1").read_text("utf-8").splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert (events[0], events[-1]) == ("run.started", "run.finished")
    assert events.count("batch.created") == 20
    assert finish(start(arguments, folder, environ)).code == 0
    assert (logs / "run.jsonl").is_file(), "the next run begins a new file"
    assert rotate(folder, "--force").returncode == 0
    assert sorted(file.name for file in logs.iterdir()) == ["run.jsonl.1", "run.jsonl.2.gz"]
