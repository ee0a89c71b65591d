"""`settle`: by itself, and with what a person found out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.support.command import source_id
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]

SETTLE = ("settle", "job.csv", "--settle-after", 0.2, "--json")


@pytest.fixture
def unsettled(place_with: WithOptions) -> Place:
    """A campaign whose every answer was lost, and whose listings were never complete: three rows
    unknown."""
    place = place_with(
        SandboxOptions(latency=0, faults={"drop-answer": 1.0, "list-short": 1.0}, seed=3)
    )
    place.job(*({"batch_id": source_id(n), "name": f"Row {n}"} for n in range(3)))
    ended = place.run("--settle-after", 0.1, "--max-in-flight", 1)
    assert ended.summary["counts"]["unknown"] == 3, ended.err
    return place


def recover(place: Place) -> None:
    """From here on the server is healthy."""
    place.server.sandbox.misbehave({})


def test_it_finds_out_and_sends_nothing(unsettled: Place) -> None:
    recover(unsettled)
    ended = unsettled.command(*SETTLE)
    assert ended.code == 0, ended.err
    assert ended.summary["settled_this_run"] == 3
    assert unsettled.world.requests["duplicate"] == 3
    assert [row["settled_by"] for row in unsettled.ledger()] == ["listing"] * 3
    again = unsettled.command(*SETTLE)
    assert (again.code, again.summary["settled_this_run"]) == (0, 0)


def test_if_nothing_is_unknown_json_has_the_counts_and_quiet_prints_nothing(place: Place) -> None:
    place.job(*({"batch_id": source_id(n), "name": f"Row {n}"} for n in range(3)))
    assert place.run().code == 0
    everything = ("settle", "--database", "ledgers/ledger.db")
    assert place.command(*everything).out == "Nothing is unknown.\n"
    assert place.command(*everything, "--json").summary == {
        "database": str(place.folder / "ledgers" / "ledger.db"),
        "counts": {"created": 3, "failed": 0, "unknown": 0, "pending": 0},
        "exit_code": 0,
    }
    quiet = place.command(*everything, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    named = place.command(*SETTLE)
    assert (named.code, named.summary["job"]) == (0, "job.csv"), "as it was typed"


def test_it_says_1_while_something_is_unknown(unsettled: Place) -> None:
    ended = unsettled.command(*SETTLE)
    assert ended.code == 1
    assert ended.summary["counts"]["unknown"] == 3
    assert "settle" in unsettled.command("settle", "job.csv", "--settle-after", 0.1).out


def test_without_a_job_it_takes_every_campaign(unsettled: Place) -> None:
    unsettled.run(
        "--campaign", "other", "--allow-existing", "--settle-after", 0.1, "--max-in-flight", 1
    )
    recover(unsettled)
    database = ("--database", "ledgers/ledger.db")
    assert unsettled.command("settle", *database, "--settle-after", 0.2).code in (0, 1)
    assert {row["status"] for name in ("job", "other") for row in unsettled.ledger(name)} <= {
        "created",
        "unknown",
    }


def test_what_is_absent_is_pending_for_the_next_run(place_with: WithOptions) -> None:
    place = place_with(
        SandboxOptions(latency=0, faults={"error-500": 1.0, "list-500": 1.0}, seed=3)
    )
    place.job(
        {"batch_id": source_id(1), "name": "Row"}, {"batch_id": source_id(2), "name": "Other"}
    )
    assert place.run("--settle-after", 0.1, "--max-in-flight", 1).summary["counts"]["unknown"] == 2
    recover(place)
    ended = place.command(*SETTLE)
    assert (ended.code, ended.summary["counts"]["pending"]) == (0, 2), [
        row["error"] for row in place.ledger()
    ]
    assert place.run().code == 0
    assert place.world.made == 2


def test_a_person_assigns_a_batch(unsettled: Place) -> None:
    recover(unsettled)
    made = {str(copy["name"]): str(copy["id"]) for copy in unsettled.world.duplicates}
    ended = unsettled.command("settle", "job.csv", "--assign", f"2={made['Row 0']}")
    assert ended.code == 1, "two are unknown still"
    row = unsettled.ledger()[0]
    assert (row["status"], row["settled_by"], row["new_batch_id"]) == (
        "created",
        "person",
        made["Row 0"],
    )
    taken = unsettled.command("settle", "job.csv", "--assign", f"3.1={made['Row 0']}")
    assert taken.code == 2
    assert "already belongs to line 2 of campaign job" in taken.err
    number = json.loads(unsettled.command("ledger", "job.csv", "--format", "json").out)[1]["item"]
    assert (
        unsettled.command("settle", "job.csv", "--assign", f"#{number}={made['Row 1']}").code == 1
    )
    assert unsettled.command("settle", "job.csv", "--assign", f"4={made['Row 2']}").code == 0
    assert unsettled.run().code == 0
    assert unsettled.world.requests["duplicate"] == 3


def test_a_person_says_that_it_was_not_created(unsettled: Place) -> None:
    assert unsettled.command_without_token("settle", "job.csv", "--absent", "3").code == 1
    assert [row["status"] for row in unsettled.ledger()] == ["unknown", "pending", "unknown"]


REFUSED = (
    (["--assign", "2"], "write ITEM=BATCH_ID"),
    (["--assign", "2=no-id"], "--assign: "),
    (["--assign", f"2={source_id(0)}"], "is the source of"),
    (["--assign", "2=00000000-0000-4000-8000-000000000009"], "there is no batch with this id"),
    (["--absent", "9"], "the job has no such duplicate"),
    (["--absent", "2.7"], "the job has no such duplicate"),
    (["--absent", "#999"], "there is no such item"),
    (["--absent", "two"], "is not an item"),
)


def test_what_a_person_cannot_mean_is_refused(unsettled: Place) -> None:
    recover(unsettled)
    before = unsettled.ledger()
    for arguments, says in REFUSED:
        ended = unsettled.command("settle", "job.csv", *arguments)
        assert ended.code == 2, ended
        assert says in ended.err
        assert unsettled.ledger() == before


def test_what_is_created_is_not_decided_again(place: Place) -> None:
    place.job({"batch_id": source_id(1)})
    place.run()
    ended = place.command("settle", "job.csv", "--absent", "2")
    assert ended.code == 2
    assert "is created, not unknown" in ended.err


def test_the_end_of_settle_speaks_of_settling_and_names_its_report(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(
        SandboxOptions(latency=0.0, faults={"drop-answer": 1.0, "list-500": 1.0}, seed=2)
    )
    place.job({"batch_id": source_id(1), "name": "Row {n}", "copies": 4})
    assert place.run("--settle-after", 0.1, "--give-up-after", 1, "--limit", 3).code == 1
    settle = ("settle", "job.csv", "--settle-after", 0.1, "--give-up-after", 1)
    settled = place.command_with(*settle, DUPLICATE_BATCHES_REPORT="true")
    assert settled.code == 1
    assert re.search(r"Settled: 0 found, 0 confirmed missing, 3 still unknown, in ", settled.out)
    assert "→ Settle again later. 3 duplicates are still unknown." in settled.out
    assert "→ Create the missing duplicate. 1 duplicate was never sent" in settled.out
    for of_a_run in ("Run the job again", "The next run", "This run"):
        assert of_a_run not in settled.out
    report = place.folder / "ledgers" / "job.html"
    assert f"Report: {report}" in settled.out.splitlines()
    place.server.sandbox.misbehave({})
    found = place.command_with(*settle, "--json", DUPLICATE_BATCHES_REPORT="true")
    assert found.summary["report"] == str(report)
    assert report.is_file()
    report.unlink()
    report.mkdir()
    ended = place.run("--report", "--settle-after", 0.1)
    assert ended.summary["report"] is None, "it could not be written"
