"""Setups by the real command, over real HTTP: what it prints, asks and exits with."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.command import source_id
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]


def rows(tasks: object, number: int = 2) -> list[dict[str, object]]:
    return [
        {"batch_id": source_id(n), "name": f"Row {n}", "tasks_per_group": tasks}
        for n in range(number)
    ]


def test_a_setup_from_the_job_to_ready(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, processing=1.5))
    place.job(*rows(5, number=3))
    new = json.loads(place.command("check", "job.csv", "--json", "--limit", 2).out)
    assert (new["to_create"], new["to_set_up"]) == (2, 2)
    place.job(*rows(""))
    assert place.run().code == 0
    place.job(*rows(5))
    checked = json.loads(place.command("check", "job.csv", "--json").out)
    assert (checked["to_create"], checked["to_set_up"]) == (0, 2)

    refused = place.command("run", "job.csv")  # nobody can be asked
    assert (refused.code, place.world.requests["setup"]) == (2, 0)
    ended = place.run()
    assert ended.code == 0, ended.err
    assert ended.summary["setup"] == {
        "ready": 0, "requested": 2, "pending": 0, "failed": 0, "unknown": 0,
    }  # fmt: skip
    assert [event["setup_status"] for event in ended.events("batch.set_up")] == ["requested"] * 2
    followed = place.run("--follow", 20)
    assert (followed.code, followed.summary["setup"]["ready"]) == (0, 2)
    assert len(followed.events("batch.ready")) == 2
    assert place.world.requests["duplicate"] == place.world.requests["setup"] == 2

    place.job(*rows(7))  # changed after the setup: only a note
    told = "  2 batches were set up with 5 tasks for each group, and the job asks for 7 now; "
    assert told in place.command("check", "job.csv").out
    changed = place.run()
    assert (changed.code, place.world.requests["setup"]) == (0, 2)
    assert any("set up with 5 tasks" in note["text"] for note in changed.events("note"))
    assert {row["tasks_per_group"] for row in place.ledger()} == {"5"}


def test_refresh_looks_again_and_sends_nothing(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, processing=0.0))
    place.job(*rows(5))
    assert place.run().code == 0
    assert {row["setup_status"] for row in place.ledger()} == {"requested"}
    before = dict(place.world.requests)
    ended = place.command("ledger", "job.csv", "--refresh")
    assert ended.code == 0, ended.err
    assert "Looked at 2 batches: 2 READY.\n" in ended.err
    assert {row["setup_status"] for row in place.ledger()} == {"ready"}
    assert {row["new_batch_status"] for row in place.ledger()} == {"READY"}
    assert "created, ready" in place.command("ledger", "job.csv", "--format", "table").out
    assert dict(place.world.requests) == before | {
        "me": before["me"] + 1,
        "list": before["list"] + 1,
    }


def test_a_refresh_that_the_api_refuses_is_recorded_with_its_exit_code(
    place_with: WithOptions,
) -> None:
    place = place_with(SandboxOptions(latency=0))
    place.job(*rows(5))
    assert place.run().code == 0
    refused = place.command_with("ledger", "job.csv", "--refresh", PROLIFIC_TOKEN="another")
    assert refused.code == 3
    told = place.command("ledger", "--database", "ledgers/ledger.db", "--format", "json")
    assert [run["exit_code"] for run in json.loads(told.out)["runs"]] == [0, 3]


def test_what_leaves_the_job_unfinished_is_told_with_the_date_that_continues(
    place_with: WithOptions,
) -> None:
    place = place_with(SandboxOptions(latency=0))
    place.job(
        {"batch_id": source_id(1), "name": "{date}", "copies": 1, "tasks_per_group": 5},
        {"batch_id": source_id(2), "name": "{date}", "copies": 3, "tasks_per_group": ""},
    )
    assert place.run("--date", "2026-03-01", "--limit", 2).code == 1
    tonight = place.run("--date", "2026-03-02")
    assert tonight.code == 0
    (note,) = [one["text"] for one in tonight.events("note") if "no longer" in one["text"]]
    assert note == (
        "no longer in the job: 2 duplicates are not created; to continue with them, run again with"
        " --date 2026-03-01"
    )
    assert place.run("--date", "2026-03-01").code == 0
    assert place.world.requests["duplicate"] == 8
