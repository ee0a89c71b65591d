"""The alerts of the page: Prometheus' own tool checks the rules and the metrics, the rules fire
when they should, and `doctor` and the page agree."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from tests.support.ledgers import opened
from tests.support.pages import files_shown, table
from tests.support.systems import needs_programs
from worker.doctor.nights import FIXES, LATE_S
from worker.ledger.database import open_for_reading
from worker.model.records import RunEnd
from worker.notify.metrics import metrics_text

PAGE = "docs/nightly.md"
RULES = files_shown(PAGE)["/etc/prometheus/rules/duplicate-batches.yml"]
LATE, FAILED, UNKNOWN = (f"DuplicateBatches{name}" for name in ("Late", "Failed", "Unknown"))


def promtool(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], cwd=cwd, input=stdin, capture_output=True, text=True, check=False
    )


def test_doctor_and_the_page_name_the_same_fixes() -> None:
    rows = table(PAGE, "### Alerts").items()
    assert {cells[1].strip("`"): cells[2] for _, cells in rows} == FIXES
    named = [name for name, _ in rows]
    rules = yaml.safe_load(RULES)["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == [LATE, FAILED, UNKNOWN]
    assert [name.split(",")[0] for name in named[:3]] == [LATE, FAILED, UNKNOWN]
    assert LATE_S == 36 * 3600
    for rule in rules:
        assert "36 * 3600" in rule["expr"] or rule["for"] == "36h"


@needs_programs("promtool")
def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    ended = promtool("check", "rules", "rules.yml", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "3 rules found" in ended.stdout
    (tmp_path / "rules.yml").write_text(RULES.replace("absent(", "absent(("), "utf-8")
    assert promtool("check", "rules", "rules.yml", cwd=tmp_path).returncode != 0


@needs_programs("promtool")
def test_prometheus_accepts_the_metrics(tmp_path: Path) -> None:
    for campaign, code in (("good", 0), ('o"dd', 1)):
        with opened(tmp_path, campaign=campaign) as ledger:
            ledger.end_run(RunEnd("2026-03-01T02:00:00.000Z", None, code, 1, 1, 0))
    reader = open_for_reading(tmp_path / "ledger.db")
    text = metrics_text(reader)
    reader.close()
    ended = promtool("check", "metrics", cwd=tmp_path, stdin=text)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    for name in ("last_success_timestamp_seconds", "last_run_exit_code", "duplicates"):
        assert f"duplicate_batches_{name}{{" in text
        assert f"duplicate_batches_{name}" in RULES


def campaign(name: str, at: int, code: int, *, succeeded: bool) -> dict[str, int]:
    """The metrics of a campaign whose last run ended at hour `at`."""
    found = {
        f'last_run_timestamp_seconds{{campaign="{name}"}}': at * 3600,
        f'last_run_exit_code{{campaign="{name}"}}': code,
        f'duplicates{{campaign="{name}",status="unknown"}}': 0,
    }
    if succeeded:
        found[f'last_success_timestamp_seconds{{campaign="{name}"}}'] = at * 3600
    return found


OLD, NEW = (campaign(f"wave-{night}", 24 * night, 0, succeeded=True) for night in (0, 2))
BROKEN = campaign("wave-1", 24, 1, succeeded=False)
MAYBE = {'duplicates{campaign="wave-0",status="unknown"}': 2}

CASES: dict[str, tuple[dict[str, int], int, set[str]]] = {
    "good": (OLD, 35, set()),
    "late": (OLD, 37, {LATE}),
    "an older campaign with {date}": (OLD | NEW, 60, set()),
    "never a success": (BROKEN, 30, {LATE, FAILED}),
    "a failure": (OLD | BROKEN, 30, {FAILED}),
    "an old failure": (OLD | BROKEN | NEW, 70, set()),
    "no metrics": ({}, 1, {LATE}),
    "unknown for a day": (OLD | NEW | MAYBE, 24, set()),
    "unknown for two nights": (OLD | NEW | MAYBE, 48, {UNKNOWN}),
}
"""Metrics that do not change, the hour at which somebody looks, and the alerts that fire then."""


@needs_programs("promtool")
def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    tests = [
        {
            "name": name,
            "interval": "4m",  # Prometheus forgets a sample after five minutes
            "input_series": [
                {"series": f"duplicate_batches_{series}", "values": f"{value}+0x1200"}
                for series, value in metrics.items()
            ],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertstate="firing",alertname="{alert}"}})',
                    "eval_time": f"{hour}h",
                    "exp_samples": [{"value": 1, "labels": "{}"}] if alert in firing else [],
                }
                for alert in (LATE, FAILED, UNKNOWN)
            ],
        }
        for name, (metrics, hour, firing) in CASES.items()
    ]
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "5m", "tests": tests}
    (tmp_path / "test.yml").write_text(json.dumps(document), "utf-8")
    ended = promtool("test", "rules", "test.yml", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
