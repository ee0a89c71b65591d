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
    assert {row["setup_status"] for row in place.ledger()} == {"ready"}
    assert {row["new_batch_status"] for row in place.ledger()} == {"READY"}
    assert "created, ready" in place.command("ledger", "job.csv", "--format", "table").out
    assert dict(place.world.requests) == before | {
        "me": before["me"] + 1,
        "list": before["list"] + 1,
    }
