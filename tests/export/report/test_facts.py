"""What the database is asked, on nights that real runs left."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.export.report.conftest import Made
from tests.support import nights
from tests.support.ledgers import (
    CAMPAIGN,
    LATER,
    NOW,
    claim,
    connection_of,
    ending,
    look_up,
    opened,
    record,
    source,
    uuid,
)
from worker.export.report.facts import Facts, facts
from worker.ledger import report, settlement, views
from worker.ledger.database import open_for_reading
from worker.model.clock import seconds
from worker.model.records import RateChange, RunEnd


def facts_of(database: Path, campaign: str = nights.CAMPAIGN) -> Facts:
    with closing(open_for_reading(database)) as connection:
        number = views.campaign_id(connection, campaign)
        assert number is not None
        return facts(connection, number, campaign, nights.MADE_AT.timestamp())


def test_a_bad_night_adds_up(bad: Made) -> None:
    found = facts_of(bad.database)
    timeline, counts = found.timeline, found.counts
    assert timeline is not None
    assert counts.total == 1920
    assert sum(many for _, many in found.tries) == counts.total
    assert sum(found.settled_by.values()) == counts.created
    assert found.needs.undecided_count + found.needs.count("unknown") == counts.unknown
    assert (found.needs.count("failed"), found.needs.count("pending")) == (
        counts.failed,
        counts.pending,
    )
    (sender,) = [run for run in found.runs if run.run_id == found.sending_run_id]
    assert (timeline.requests, timeline.created, timeline.throttled) == (
        sender.requests,
        sender.created,
        sender.throttled,
    )
    assert timeline.before == found.runs[-1].created
    assert [run.run_id.partition("-")[2] for run in found.runs] == ["run-3", "run-2", "run-1"]
    assert found.sending_run == sender
    assert (found.sources, found.dropped) == (48, 0)
    assert [run.kind for run in found.runs] == ["settle", "run", "run"]
    assert [run.run_id for run in found.compared] == [run.run_id for run in found.runs[1:]]
    assert [run.unknown for run in found.runs] == [0, 47, 0]
    assert all(
        candidate.evidence.fits for one in found.needs.undecided for candidate in one.candidates
    )


def test_a_killed_night_has_its_pauses_up_to_the_last_refresh_and_ends_with_its_last_request(
    tmp_path: Path,
) -> None:
    found = facts_of(nights.killed_night(tmp_path))
    timeline = found.timeline
    assert timeline is not None
    assert found.latest.ended_at is None
    assert 1700 < timeline.end - timeline.begin < 1900
    assert len(timeline.pauses) > 10
    assert max(pause.end for pause in timeline.pauses) > timeline.end - 240


def test_pauses_are_written_with_the_run_s_end_or_before(tmp_path: Path) -> None:
    early, late = RateChange(NOW, 5.0, 0.7, "429"), RateChange(LATER, None, 1.0, None)
    with opened(tmp_path, "batch_id", uuid(1)) as ledger:
        ledger.add_rate_changes([early])
        ledger.end_run(RunEnd(LATER, None, 1, 0, 0, 0), [late])
        kept = (
            connection_of(ledger)
            .execute("SELECT run_id, at, wait_s, rate, why FROM rate_changes ORDER BY id")
            .fetchall()
        )
    assert [tuple(row) for row in kept] == [(1, NOW, 5.0, 0.7, "429"), (1, LATER, None, 1.0, None)]


def test_the_night_is_the_latest_run_that_sent_something(tmp_path: Path) -> None:
    rows = ("batch_id,name", f"{uuid(1)},Wave")
    with opened(tmp_path, *rows, ceiling=2.0) as ledger:
        look_up(ledger)
        (intent,) = claim(ledger)
        record(ledger, ending(intent, "created"))
        ledger.end_run(RunEnd(LATER, None, 0, 1, 1, 0))
        sent = ledger.run
    with opened(tmp_path, *rows) as ledger:
        ledger.end_run(RunEnd(LATER, None, 0, 0, 0, 0))
    found = facts_of(tmp_path / "ledger.db", CAMPAIGN)
    assert found.timeline is not None
    assert (found.timeline.requests, found.timeline.ceiling) == (1, 2.0)
    assert found.runs[sent == 1].run_id == found.sending_run_id
    assert (found.timeline.begin, found.timeline.end) == (seconds(NOW), seconds(LATER))


def test_what_a_run_settled_stays_its_own_if_a_later_one_sets_the_batch_up(tmp_path: Path) -> None:
    rows = ("batch_id,name", f"{uuid(1)},Wave")
    with opened(tmp_path, *rows) as ledger:
        look_up(ledger)
        (intent,) = claim(ledger)
        record(ledger, ending(intent, "unknown"))
        with ledger.transaction():
            batch = source(0xB000, "Wave")
            settlement.create(ledger, intent.attempt_id, intent.item_id, batch, "listing")
        settler = ledger.run
    with opened(tmp_path, *rows) as ledger:
        ledger.execute("touch_item", item=intent.item_id, run=ledger.run)
        before, after = (
            report.settlement(ledger, ledger.campaign, run) for run in (settler, ledger.run)
        )
    assert (before.settled, before.later) == (1, 0)
    assert (after.settled, after.later) == (0, 0)


@pytest.mark.parametrize("process", ["alive", "dead", "its id is mine", "elsewhere"])
def test_a_run_without_an_end_is_running_if_its_process_is(tmp_path: Path, process: str) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    host, pid, alive = {
        "alive": (socket.gethostname(), os.getppid(), True),
        "dead": (socket.gethostname(), gone.pid, False),
        "its id is mine": (socket.gethostname(), os.getpid(), False),  # as in two containers
        "elsewhere": ("another machine", os.getpid(), None),
    }[process]
    with opened(tmp_path, "batch_id", uuid(1), host=host, pid=pid):
        pass
    run = facts_of(tmp_path / "ledger.db", CAMPAIGN).latest
    active = (run.is_active, run.may_be_active)
    assert (run.alive, *active) == (alive, alive is True, alive is not False)


def test_runs_of_the_same_job_are_compared_across_campaigns(tmp_path: Path) -> None:
    rows = ("batch_id,name", f"{uuid(1)},Wave")
    for number, campaign in enumerate(("monday", "tuesday"), start=1):
        with opened(tmp_path, *rows, campaign=campaign) as ledger:
            look_up(ledger)
            (intent,) = claim(ledger)
            record(ledger, ending(intent, "unknown" if number == 2 else "created"))
            ledger.end_run(RunEnd(LATER, None, 0, number, number, 0))
    found = facts_of(tmp_path / "ledger.db", "tuesday")
    assert [(run.campaign, run.created, run.unknown) for run in found.compared] == [
        ("tuesday", 2, 1),
        ("monday", 1, 0),
    ]
    assert [run.campaign for run in found.runs] == ["tuesday"]


def test_duplicates_that_left_the_job_are_counted_apart(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name", f"{uuid(1)},a", f"{uuid(1)},b"):
        pass
    with opened(tmp_path, "batch_id,name", f"{uuid(1)},b"):
        pass
    found = facts_of(tmp_path / "ledger.db", CAMPAIGN)
    assert (found.counts.total, found.dropped) == (1, 1)
