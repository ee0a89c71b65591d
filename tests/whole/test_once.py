"""What the job says should exist, exists, once: whole campaigns over real HTTP, counted by the
server."""

from __future__ import annotations

import csv
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Ended, finish, source_id, start, until, write_job
from tests.whole.conftest import Place
from worker.model.sending_bounds import UNRECORDED_PER_SENDER
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]


def rows(number: int, **more: object) -> list[dict[str, object]]:
    return [{"batch_id": source_id(n), "name": f"Row {n}", **more} for n in range(number)]


def test_ten_thousand_rows_are_created_once_each_and_again_sends_exactly_what_is_missing(
    place: Place,
) -> None:
    wanted: list[dict[str, object]] = [
        {"batch_id": source_id(n % 200), "name": f"Row {n}", "copies": 1} for n in range(10_000)
    ]
    place.job(*wanted)
    first = place.run("--max-in-flight", 32, "--quiet", timeout_s=240)
    assert first.code == 0, first.err
    assert first.summary["counts"] == {"created": 10_000, "failed": 0, "unknown": 0, "pending": 0}
    assert place.world.requests["duplicate"] == 10_000
    names = Counter(str(copy["name"]) for copy in place.world.duplicates)
    assert names == Counter(f"Row {n}" for n in range(10_000))
    ids = {str(copy["id"]): str(copy["name"]) for copy in place.world.duplicates}
    assert {row["new_batch_id"]: row["name"] for row in place.ledger()} == ids
    asked = place.world.requests.total()

    assert place.run("--quiet").code == 0
    random.Random(1).shuffle(wanted)
    place.job(*wanted)
    assert place.run("--quiet").code == 0
    assert place.world.requests.total() == asked, (
        "a finished job asks the API nothing, in whatever order"
    )
    assert [row["name"] for row in place.ledger()] == [row["name"] for row in wanted]

    for row in wanted[:7]:
        row["copies"] = 3
    place.job(*wanted)
    assert place.run("--quiet").code == 0
    assert place.world.made == 10_000 + 14


def test_a_job_that_lost_rows_sends_nothing_and_shows_them_with_all(place: Place) -> None:
    place.job(*rows(3))
    place.run()
    place.job(*rows(2))
    assert place.run().summary["counts"]["created"] == 2
    assert len(place.ledger()) == 2
    shown = place.command("ledger", "job.csv", "--format", "csv", "--all").out.splitlines()
    assert len(list(csv.DictReader(shown))) == 3
    place.job(*rows(3))
    assert place.run().code == 0
    assert place.world.made == 3


def test_raised_copies_keep_the_names_that_were_sent(place: Place) -> None:
    place.job({"batch_id": source_id(1), "name": "{n} of {copies}", "copies": 2})
    place.run()
    place.job({"batch_id": source_id(1), "name": "{n} of {copies}", "copies": 3})
    place.run()
    assert sorted(str(copy["name"]) for copy in place.world.duplicates) == [
        "1 of 2",
        "2 of 2",
        "3 of 3",
    ]


def test_two_campaigns_make_their_own(place: Place) -> None:
    place.job(*rows(2))
    place.run("--campaign", "a")
    place.run("--campaign", "b")
    assert place.world.made == 4


def test_limit_stops_where_it_says_and_the_next_run_continues(place: Place) -> None:
    place.job(*rows(7))
    ended = place.run("--limit", 3)
    assert (ended.code, ended.summary["stopped_by"], place.world.made) == (1, "limit", 3)
    assert [row["status"] for row in place.ledger()] == ["created"] * 3 + ["pending"] * 4
    ended = place.run("--limit", 4)
    assert (ended.code, ended.summary["stopped_by"], place.world.made) == (0, None, 7)


def test_max_duration_stops_and_the_next_run_continues(place: Place) -> None:
    place.job(*rows(40))
    ended = place.run("--rate", "10/s", "--max-duration", 1.5)
    assert (ended.code, ended.summary["stopped_by"]) == (1, "max_duration")
    assert 5 <= place.world.made <= 20
    assert ended.summary["counts"]["pending"] == 40 - place.world.made
    assert place.run().code == 0
    assert place.world.made == 40


def test_max_failed_stops_and_retry_failed_continues(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"refuse": 1.0}))
    place.job(*rows(30))
    ended = place.run("--max-failed", 3, "--max-in-flight", 1)
    assert (ended.code, ended.summary["stopped_by"]) == (1, "max_failed")
    assert ended.summary["counts"]["failed"] == place.world.requests["duplicate"] == 3
    assert ended.summary["counts"]["pending"] == 27


def test_failed_rows_stay_failed_until_they_are_asked_for(place: Place) -> None:
    missing = "00000000-0000-4000-8000-000000000001"
    place.job({"batch_id": missing, "name": "gone"}, *rows(2))
    ended = place.run()
    assert (ended.code, ended.summary["counts"]) == (
        1,
        {"created": 2, "failed": 1, "unknown": 0, "pending": 0},
    )
    row = place.ledger()[0]
    assert (row["status"], row["http_status"], row["attempts"]) == ("failed", "404", "0")
    assert "does not exist" in row["error"]
    asked = place.world.requests["get"]
    assert place.run().code == 1
    assert place.world.requests["get"] == asked
    place.run("--retry-failed")
    assert place.world.requests["get"] > asked
    assert place.world.made == 2


@pytest.mark.parametrize(
    ("fault", "made"),
    [
        ("drop-answer", True),
        ("error-500-after", True),
        ("cut-answer", True),
        ("error-502", False),
        ("error-500", False),
        ("drop-request", False),
    ],
)
def test_what_is_unclear_is_found_out_and_created_once(
    place_with: WithOptions, fault: str, made: bool
) -> None:
    place = place_with(SandboxOptions(latency=0, faults={fault: 0.15}, seed=7))
    place.job(*rows(37))
    ended = place.run("--max-in-flight", 4, "--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert ended.summary["counts"]["created"] == 37
    assert ended.summary["settled_this_run"] > 2
    assert place.world.made == 37
    assert max(Counter(place.made_of()).values()) == 1
    unknown, settled = ended.events("batch.unknown"), ended.events("batch.settled")
    assert len(unknown) == len(settled) == ended.summary["settled_this_run"]
    assert {event["status"] for event in settled} == {"created" if made else "pending"}
    by = Counter(row["settled_by"] for row in place.ledger())
    assert by == (
        {"response": 37 - len(unknown), "listing": len(unknown)} if made else {"response": 37}
    )
    known = {row["new_batch_id"] for row in place.ledger()}
    assert known == {str(copy["id"]) for copy in place.world.duplicates}


def test_late_effects_are_waited_for(place_with: WithOptions) -> None:
    place = place_with(
        SandboxOptions(latency=0, faults={"late": 0.3}, seed=7, late_by=(0.2, 0.8), listing_lag=0.2)
    )
    place.job(*rows(23))
    ended = place.run("--max-in-flight", 4, "--settle-after", 1.5)
    assert (ended.code, place.world.made) == (0, 23), ended.err
    assert max(Counter(place.made_of()).values()) == 1
    assert "listing" in {row["settled_by"] for row in place.ledger()}


@pytest.mark.parametrize("fault", ["list-500", "list-short"])
def test_without_a_complete_listing_unknown_stays_unknown(
    place_with: WithOptions, fault: str
) -> None:
    place = place_with(SandboxOptions(latency=0, faults={fault: 1.0, "drop-answer": 0.5}, seed=7))
    place.job(*rows(12))
    ended = place.run("--max-in-flight", 4, "--settle-after", 0.2)
    counts = ended.summary["counts"]
    assert ended.code == 1
    assert counts["unknown"] > 0
    assert counts["created"] + counts["unknown"] == 12
    assert place.world.requests["duplicate"] == 12, "nothing that may exist is sent again"
    errors = {row["error"] for row in place.ledger() if row["status"] == "unknown"}
    assert all(
        error.startswith("#") and "may exist" in error and "listing" in error for error in errors
    )


def test_push_back_is_waited_for_and_fails_nobody(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, rate=40.0, burst=3))
    place.job(*rows(20))
    ended = place.run()
    assert ended.code == 0, ended.err
    assert (place.world.made, ended.summary["counts"]["created"]) == (20, 20)
    assert ended.summary["throttled"] > 0
    assert ended.events("pace.slowed")
    assert ended.events("batch.retrying")


def test_a_blip_of_401_is_sent_once_more(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"unauthorised": 0.2}, seed=3))
    place.job(*rows(40))
    counts = place.run("--max-in-flight", 4).summary["counts"]
    assert counts["created"] > 35
    assert counts["created"] + counts["failed"] == 40, "a second 401 with a good token is a refusal"
    assert place.world.made == counts["created"]


def test_a_refused_token_ends_with_3_and_nothing_is_sent(place: Place) -> None:
    place.job(*rows(3))
    ended = place.run(PROLIFIC_TOKEN="wrong-token")
    assert (ended.code, ended.summary["stopped_by"]) == (3, "token")
    assert "new token" in ended.err
    assert place.world.requests["duplicate"] == 0
    assert [row["status"] for row in place.ledger()] == ["pending"] * 3


def test_names_that_exist_already_are_warned_about(place: Place) -> None:
    place.job(*rows(2))
    place.run("--campaign", "a", "--database", "elsewhere.db")
    ended = place.run("--campaign", "b", "--allow-existing")
    assert ended.code == 0
    assert ended.events("preflight.done")[0]["names_taken"] == 2
    assert any("already exist" in note["text"] for note in ended.events("note"))


def test_one_listing_answers_for_all_sources(place: Place) -> None:
    place.job(*rows(50))
    place.run()
    assert place.world.requests["list"] == 1
    assert place.world.requests["get"] == 1


def test_a_run_that_holds_the_database_keeps_others_out(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0.3))
    place.job(*rows(24))
    first = place.start("--max-in-flight", 1)
    try:
        until(lambda: place.world.requests["duplicate"] > 0)
        second = place.run()
        assert second.code == 75
        assert f"process {first.pid} on " in second.err
        waited = place.run("--wait", 30)
        assert waited.code == 0
    finally:
        assert finish(first).code == 0
    assert place.world.made == 24


def test_a_job_that_was_changed_while_its_run_waited_is_not_run(
    place_with: WithOptions, tmp_path: Path
) -> None:
    """Somebody stopped the first run to correct the job: nobody wants what was planned before."""
    place = place_with(SandboxOptions(latency=0.3))
    place.job(*rows(30))
    first = place.start("--max-in-flight", 1)
    until(lambda: place.world.requests["duplicate"] > 0)
    plans = tmp_path / "plans"
    plans.mkdir()
    second = start(
        ["run", "job.csv", "--yes", "--wait", 60],
        place.folder,
        place.environ | {"TMPDIR": str(plans)},
    )
    until(lambda: any(plans.iterdir()))
    first.send_signal(signal.SIGINT)
    place.job(*rows(30, name="Corrected {n}"))
    finish(first)
    made = place.world.made
    _, told = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "job.csv: the job was changed while this run waited for another one" in told
    assert place.world.made == made


def test_a_killed_run_is_found_out_about_and_no_double_is_created(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0.05))
    place.job(*rows(200))
    process = place.start("--max-in-flight", 4, "--timeout", 1)
    until(lambda: place.world.made >= 20)
    process.kill()
    assert finish(process).code == -signal.SIGKILL
    ended = place.run("--max-in-flight", 8, "--settle-after", 0.5)
    assert ended.code == 0, ended.err
    assert 0 < ended.summary["settled_this_run"] <= 4 * UNRECORDED_PER_SENDER
    assert place.world.made == 200
    assert max(Counter(place.made_of()).values()) == 1
    assert {row["new_batch_id"] for row in place.ledger()} == {
        str(copy["id"]) for copy in place.world.duplicates
    }


def test_intents_are_durable_before_their_requests_leave(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0.5))
    place.job(*rows(6))
    process = place.start("--max-in-flight", 2)
    try:
        until(lambda: place.world.requests["duplicate"] > 0)
        with closing(sqlite3.connect(place.folder / "ledgers" / "ledger.db")) as database:
            sent = database.execute("SELECT count(*) FROM items WHERE status = 'sent'").fetchone()[
                0
            ]
        assert sent >= 1
    finally:
        assert finish(process).code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_awaits_and_records_what_is_under_way(
    place_with: WithOptions, number: signal.Signals
) -> None:
    place = place_with(SandboxOptions(latency=0.4))
    place.job(*rows(40))
    process = place.start("--max-in-flight", 4)
    until(lambda: place.world.requests["duplicate"] >= 6)
    process.send_signal(number)
    ended = finish(process)
    assert (ended.code, ended.summary["stopped_by"]) == (128 + number, "signal")
    counts = ended.summary["counts"]
    assert counts["unknown"] == 0
    assert counts["created"] == place.world.made == place.world.requests["duplicate"] < 40
    assert Counter(row["status"] for row in place.ledger()) == {
        k: v for k, v in counts.items() if v
    }
    assert ended.events("run.interrupted")[0]["signal"] == number.name
    assert place.run("--max-in-flight", 40).code == 0
    assert place.world.made == 40


def test_a_second_signal_stops_at_once_and_loses_nothing_recorded(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"hang": 0.2}, seed=5))
    place.job(*rows(40))
    process = place.start("--max-in-flight", 8)
    until(lambda: place.world.requests["duplicate"] >= 20)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "the first signal awaits what is under way"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert time.monotonic() - began < 5
    counts = ended.summary["counts"]
    assert ended.code == 130
    assert counts["created"] == place.world.made
    assert counts["unknown"] > 0


def test_an_api_that_is_gone_ends_the_run_resumably(place: Place) -> None:
    place.job(*rows(3))
    ended = place.run("--give-up-after", 2, PROLIFIC_URL="http://127.0.0.1:9")
    assert (ended.code, ended.summary["stopped_by"]) == (1, "api")
    assert ended.summary["counts"]["pending"] == 3


def test_an_api_that_dies_midway_is_probed_and_not_stormed(place_with: WithOptions) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"error-500": 1.0}))
    place.job(*rows(200))
    ended = place.run("--give-up-after", 4, "--max-in-flight", 16)
    assert (ended.code, ended.summary["stopped_by"]) == (1, "api")
    assert place.world.requests["duplicate"] < 30, (
        "after the first failures one request at a time asks"
    )
    assert ended.summary["counts"]["pending"] > 150


def test_quiet_says_nothing_where_everything_is_created(place: Place) -> None:
    place.job(*rows(2))
    ended = place.command("run", "job.csv", "--yes", "--quiet")
    assert ended == Ended(0, "", "")
    assert place.command("run", "job.csv", "--yes", "--quiet") == Ended(0, "", "")


def test_a_finished_job_says_how_to_have_new_copies(place: Place) -> None:
    place.job(*rows(1))
    place.command("run", "job.csv", "--yes")
    again = place.command("run", "job.csv", "--yes")
    assert again.code == 0
    assert "{date}" in again.out


def test_unfinished_rows_of_an_earlier_date_are_reported(place: Place) -> None:
    place.job(*rows(3))
    place.run("--campaign", "n-{date}", "--date", "2026-11-01", "--limit", 1)
    ended = place.run("--campaign", "n-{date}", "--date", "2026-11-02")
    assert ended.code == 0
    assert any("n-2026-11-01" in note["text"] for note in ended.events("note"))


def test_a_quiet_run_says_once_what_the_night_before_left_unfinished(place: Place) -> None:
    """The night before may have died before it could tell anybody."""

    def quiet(date: str, name: str = "n-{date}") -> str:
        ended = place.command(
            "run", "job.csv", "--yes", "--quiet", "--campaign", name, "--date", date
        )
        assert ended.code == 0
        assert ended.out == ""
        return ended.err

    place.job(*rows(3))
    place.run("--campaign", "n-{date}", "--date", "2026-11-01", "--limit", 1)
    assert quiet("2026-11-02") == (
        "duplicate-batches: 2 duplicates of this job are unfinished in campaign n-2026-11-01; to"
        " continue it, add its --date or --campaign\n"
    )
    assert quiet("2026-11-03") == "", "the log has it every night, a mail only the first"
    place.job(*rows(3, name="{date} {n}"))
    place.run("--campaign", "names", "--date", "2026-11-01", "--limit", 1)
    assert "2 duplicates are not created; to continue with them" in quiet("2026-11-02", "names")
    assert "n-2026-11-01" not in quiet("2026-11-03", "names")


def test_batches_that_an_earlier_date_left_without_a_setup_are_reported(place: Place) -> None:
    place.job(*rows(2))
    place.run("--campaign", "n-{date}", "--date", "2026-11-01")
    place.job(*rows(2, tasks_per_group=5))
    place.server.sandbox.misbehave({"refuse": 1.0})
    assert place.run("--campaign", "n-{date}", "--date", "2026-11-01").code == 1
    place.server.sandbox.misbehave({})
    ended = place.run("--campaign", "n-{date}", "--date", "2026-11-02")
    assert ended.code == 0
    texts = [note["text"] for note in ended.events("note")]
    assert any("2 batches are not set up in campaign n-2026-11-01" in text for text in texts)


def test_the_users_own_columns_reach_the_ledger(place: Place) -> None:
    write_job(place.folder / "job.csv", rows(1, x_team="=cmd", x_note="a\nb"))
    place.run()
    row = place.ledger()[0]
    assert list(row)[-2:] == ["x_team", "x_note"]
    assert (row["x_team"], row["x_note"]) == ("'=cmd", "a\nb")
