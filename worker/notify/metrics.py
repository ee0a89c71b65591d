"""Metrics of every campaign in the database, as a file for node exporter's textfile collector.

They come from the database alone, so that no run depends on the file that the last one wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from worker.ledger import setups, views
from worker.ledger.handle import Reader
from worker.ledger.views import CampaignRow, RunRow
from worker.model.clock import seconds
from worker.model.records import RunKind, Status

PREFIX = "duplicate_batches"


class _Sample(NamedTuple):
    labels: dict[str, str]
    value: float


def metrics_text(reader: Reader) -> str:
    """The text of the file (Prometheus' exposition format)."""
    campaigns = views.campaigns(reader)
    ended = [
        run
        for run in views.runs(reader)
        if run["kind"] == RunKind.RUN and run["ended_at"] is not None
    ]
    last = {run["campaign"]: run for run in ended}
    succeeded = {run["campaign"]: run for run in ended if run["exit_code"] == 0}
    return "".join(
        _family(name, text, samples)
        for name, text, samples in (
            ("duplicates", "Duplicates in the job, by status.", list(_counts(campaigns))),
            ("setups", "Batches that the job sets up, by status.", list(_setups(reader))),
            *(
                (name, text, [_Sample({"campaign": key}, value(run)) for key, run in last.items()])
                for name, text, value in _OF_LAST_RUN
            ),
            (
                "last_success_timestamp_seconds",
                "When the last run with exit code 0 ended.",
                [_Sample({"campaign": key}, _ended(run)) for key, run in succeeded.items()],
            ),
        )
    )


def _counts(campaigns: list[CampaignRow]) -> Iterator[_Sample]:
    for row in campaigns:
        for status in Status:
            yield _Sample({"campaign": row["campaign"], "status": status.value}, row[status.value])


def _setups(reader: Reader) -> Iterator[_Sample]:
    for campaign, counts in setups.counts_of_all(reader).items():
        for status, number in counts._asdict().items():
            yield _Sample({"campaign": campaign, "status": status}, number)


def _ended(run: RunRow) -> float:
    return seconds(run["ended_at"]) or 0.0


def _duration(run: RunRow) -> float:
    return max(0.0, _ended(run) - (seconds(run["started_at"]) or 0.0))


_OF_LAST_RUN = (
    ("last_run_timestamp_seconds", "When the last run ended.", _ended),
    ("last_run_duration_seconds", "How long the last run took.", _duration),
    ("last_run_created", "Duplicates that the last run created.", lambda run: run["created"]),
    ("last_run_requests", "Requests that the last run sent.", lambda run: run["requests"]),
    (
        "last_run_throttled",
        "Requests of the last run that were rate-limited.",
        lambda run: run["throttled"],
    ),
    ("last_run_exit_code", "Exit code of the last run.", lambda run: run["exit_code"]),
)


def _family(name: str, text: str, samples: list[_Sample]) -> str:
    lines = [f"# HELP {PREFIX}_{name} {text}", f"# TYPE {PREFIX}_{name} gauge"]
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        lines.append(f"{PREFIX}_{name}{{{shown}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
