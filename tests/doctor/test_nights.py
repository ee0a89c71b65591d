"""What `doctor` says about the last nights: the conditions of the alerts."""

from __future__ import annotations

from typing import Any

import pytest

from worker.doctor.nights import FIXES, LATE_S, Nights, check_nights
from worker.model.clock import seconds
from worker.model.records import Notification, NotificationKind

NIGHT = "2026-03-01T01:30:00.000Z"
NOW = seconds(NIGHT) or 0.0


def run(
    code: int | None = 0, at: str = NIGHT, kind: str = "run", campaign: str = "wave"
) -> dict[str, Any]:
    return {
        "run_id": "r",
        "campaign": campaign,
        "job": f"/jobs/{campaign}.csv",
        "kind": kind,
        "ended_at": None if code is None else at,
        "exit_code": code,
    }


def found(*runs: Any, later: float = 0.0, **more: Any) -> dict[str, str]:
    """The findings by topic; each has the fix of its topic."""
    nights = Nights(runs, unknown=0, sent=(), monitored=True)._replace(**more)
    checks = [check for check in check_nights(nights, NOW + later) if check.fix]
    for check in checks:
        if check.topic == "failed":  # it names the job of the first campaign that the text names
            first = check.text.split(": ")[1].split(" (")[0]
            assert check.fix == FIXES["failed"].replace("JOB", f"/jobs/{first}.csv")
        else:
            assert check.fix == FIXES[check.topic]
    return {check.topic: check.text for check in checks}


OLD = "2026-02-01T01:30:00.000Z"
SEVERAL = [run(1, campaign=f"wave-{number}") for number in range(5)]

CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a good night": (found(run()), {}),
    "no run yet": (found(), {}),
    "a run that is under way": (found(run(), run(None)), {}),
    "almost late": (found(run(), later=LATE_S), {}),
    "late": (
        found(run(), later=LATE_S + 1),
        {"late": f"no run has succeeded since {NIGHT}"},
    ),
    "late, but nobody expects a run": (found(run(), later=LATE_S + 1, monitored=False), {}),
    "a success of another campaign, as {date} makes them": (
        found(run(at=OLD, campaign="old"), run(campaign="new")),
        {},
    ),
    "a settling is not a night": (
        found(run(at=OLD), run(kind="settle")),
        {"late": f"no run has succeeded since {OLD}"},
    ),
    "a failure": (
        found(run(at=OLD, campaign="good"), run(1)),
        {"failed": "the last run did not succeed: wave (code 1)"},
    ),
    "a failure after which none ran": (
        found(run(at=OLD, campaign="good"), run(1), later=LATE_S + 1),
        {"late": f"no run has succeeded since {OLD}"},
    ),
    "a failure, and then a success": (found(run(1), run()), {}),
    "an old failure of a campaign that is over": (found(run(1, OLD, campaign="old"), run()), {}),
    "many failures": (
        found(run(), *SEVERAL),
        {
            "failed": "the last run did not succeed: wave-0 (code 1), wave-1 (code 1), wave-2"
            " (code 1) and 2 more"
        },
    ),
    "never a success": (
        found(run(3)),
        {"failed": "the last run did not succeed: wave (code 3)"},
    ),
    "never a success, and now no run": (
        found(run(3), later=LATE_S + 1),
        {"late": "no run has succeeded yet"},
    ),
    "unknown": (found(run(), unknown=2), {"unknown": "2 duplicates may exist"}),
}


@pytest.mark.parametrize(("shown", "expected"), CASES.values(), ids=CASES)
def test_a_night_has_these_findings(shown: dict[str, str], expected: dict[str, str]) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("kind", "topic", "what"),
    [
        (NotificationKind.START, "heartbeat", "the ping at the start of"),
        (NotificationKind.SUCCESS, "heartbeat", "the ping at the end of"),
        (NotificationKind.FAIL, "heartbeat", "the ping at the end of"),
        (NotificationKind.ON_FINISH, "on_finish", "the command after"),
        (NotificationKind.METRICS, "metrics_file", "the file of"),
    ],
)
def test_a_notification_that_failed_is_a_finding(
    kind: NotificationKind, topic: str, what: str
) -> None:
    text = f"{what} the last run, at {NIGHT}: why"
    assert found(run(), sent=[Notification(kind, NIGHT, "why")]) == {topic: text}
    assert found(run(), sent=[Notification(kind, NIGHT)]) == {}
