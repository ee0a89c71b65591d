"""An old copy of the ledger, its database and its files together, is put back: a folder from a
backup, a machine from a snapshot. Only the workspace shows what later runs created."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Ended, command, source_id
from tests.whole.conftest import Place, refused, rows, run
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]


@pytest.fixture(params=["Row {n}", ""], ids=["named", "named by the API"])
def put_back(place: Place, request: pytest.FixtureRequest) -> Place:
    """Two of six duplicates are in the copy of the ledger that was put back; all six exist."""
    place.job(*rows(name=request.param), name="wave.csv")
    put_back_after(
        place,
        lambda: run(place, "wave.csv", "--limit", 2),
        lambda: run(place, "wave.csv"),
    )
    assert place.world.made == 6
    return place


def put_back_after(
    place: Place, before: Callable[[], object], afterwards: Callable[[], object]
) -> None:
    """A copy of the ledger is made between two runs; now it is the ledger again."""
    ledgers, copy = place.folder / "ledgers", place.folder / "backup"
    before()
    shutil.copytree(ledgers, copy)
    afterwards()
    shutil.rmtree(ledgers)
    copy.rename(ledgers)


def test_what_appeared_since_is_not_created_again_and_the_message_leads_on(put_back: Place) -> None:
    for _ in range(2):
        ended = run(put_back, "wave.csv")
        refused(ended, "4 of 4 names", "such as", "Was an old copy of it put back?")
    checked = put_back.command("check", "wave.csv", "--json")
    assert checked.code == 1
    assert any("4 of 4 names" in one for one in checked.summary["accidents"])
    led_on(put_back, ended)
    assert run(put_back, "wave.csv").code == 0
    assert put_back.world.made == 6
    assert {row["status"] for row in put_back.ledger("wave")} == {"created"}


def led_on(place: Place, ended: Ended) -> None:
    """A person moves the database away, and pastes the command that the message shows."""
    (line,) = [one.strip() for one in ended.err.splitlines() if one.startswith("    ")]
    aside = place.folder.parent / f"{place.folder.name}-old"
    aside.mkdir()
    for file in (place.folder / "ledgers").glob("ledger.db*"):
        file.rename(aside / file.name)
    arguments = shlex.split(line)
    restored = command(arguments[arguments.index("ledger") :], Path("/"), place.environ)
    assert restored.code == 0, restored.err


@pytest.mark.parametrize("how", [("--date", "2026-01-05"), ("--ledger", "ledgers/my {date}.csv")])
def test_the_message_leads_on_where_the_run_was_told_more(
    place: Place, how: tuple[str, str]
) -> None:
    place.job(*rows(name="Row {n} {date}"), name="wave.csv")
    options = (*how, "--campaign", "wave")
    put_back_after(
        place,
        lambda: run(place, "wave.csv", *options, "--limit", 2),
        lambda: run(place, "wave.csv", *options),
    )
    led_on(place, run(place, "wave.csv", *options))
    ended = run(place, "wave.csv", *options)
    assert (ended.code, place.world.made) == (0, 6), ended.err


@pytest.mark.parametrize("fault", ["refused", "throttled"])
def test_what_was_tried_in_vain_before_the_copy_counts_too(
    place_with: WithOptions, fault: str
) -> None:
    """The copy is of the night after which everything had failed, or was still to be tried."""
    faults = {"refuse": 1.0} if fault == "refused" else {"busy": 1.0}
    place = place_with(SandboxOptions(latency=0.0, faults=faults, seed=3))
    place.job(*rows(), name="wave.csv")

    def repaired() -> Ended:
        place.server.sandbox.misbehave({})
        return run(place, "wave.csv", "--retry-failed")

    put_back_after(place, lambda: run(place, "wave.csv", "--give-up-after", 1), repaired)
    assert place.command("check", "wave.csv", "--retry-failed").code == 1
    refused(run(place, "wave.csv", "--retry-failed"), "6 of 6 names")
    assert place.world.made == 6


@pytest.mark.parametrize("fault", ["refuse", "drop-answer"])
def test_what_appeared_since_is_noticed_although_details_were_forgotten(
    place_with: WithOptions, fault: str
) -> None:
    """Before the copy was made, nothing had been created, or settling had found everything."""
    place = place_with(SandboxOptions(latency=0.0, faults={fault: 1.0}, seed=3))
    place.job(*rows(), name="wave.csv")

    def forgotten() -> None:
        run(place, "wave.csv", "--limit", 2, "--settle-after", 0.2, "--max-failed", 2)
        place.server.sandbox.misbehave({})
        with closing(sqlite3.connect(place.folder / "ledgers" / "ledger.db")) as known, known:
            known.execute("UPDATE runs SET started_at = '2020-01-01T00:00:00.000Z'")
        ended = place.command("ledger", "wave.csv", "--forget", "--before", "2020-06-01")
        assert ended.code == 0, ended.err

    put_back_after(place, forgotten, lambda: run(place, "wave.csv", "--retry-failed"))
    assert place.world.made == 6
    refused(run(place, "wave.csv", "--retry-failed"), "names", "Was an old copy of it put back?")
    assert place.world.made == 6


def test_what_was_proved_absent_before_the_copy_counts_too(place_with: WithOptions) -> None:
    """The copy is of the morning after an outage, when nothing had been created."""
    place = place_with(SandboxOptions(latency=0.0, faults={"drop-request": 1.0}, seed=3))
    place.job(*rows(), name="wave.csv")

    def outage() -> None:
        run(place, "wave.csv", "--give-up-after", 1)
        place.server.sandbox.misbehave({})
        assert place.command("settle", "wave.csv", "--settle-after", 0.2).code == 0

    put_back_after(place, outage, lambda: run(place, "wave.csv"))
    assert place.world.made == 6
    refused(run(place, "wave.csv"), "6 of 6 names")
    assert place.command("check", "wave.csv").code == 1


def test_what_was_restored_and_proved_absent_before_the_copy_counts_too(place: Place) -> None:
    place.job(*rows(12), name="wave.csv")

    def restored() -> None:
        run(place, "wave.csv", "--limit", 1)
        for file in (place.folder / "ledgers").glob("ledger.db*"):
            file.unlink()
        assert place.command("ledger", "wave.csv", "--restore", "ledgers/wave.csv").code == 0
        assert run(place, "wave.csv", "--limit", 1).code == 1

    put_back_after(place, restored, lambda: run(place, "wave.csv"))
    assert place.world.made == 12
    refused(run(place, "wave.csv"), "10 of 10 names")
    assert place.command("check", "wave.csv").code == 1


def test_what_was_proved_absent_after_a_restore_and_nothing_else_counts_too(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    file = place.folder / "ledgers" / "wave.csv"

    def restored() -> None:
        place.server.sandbox.misbehave({"refuse": 1.0})
        run(place, "wave.csv")
        place.server.sandbox.misbehave({})
        for one in file.parent.glob("ledger.db*"):
            one.unlink()
        assert place.command("ledger", "wave.csv", "--restore", file).code == 0
        assert place.command("settle", "wave.csv", "--settle-after", 0.2).code == 0

    put_back_after(place, restored, lambda: run(place, "wave.csv"))
    assert place.world.made == 6
    refused(run(place, "wave.csv"), "6 of 6 names")
    assert place.command("check", "wave.csv").code == 1


def test_what_a_person_said_to_be_absent_is_created_beside_batches_of_that_name(
    place_with: WithOptions,
) -> None:
    """Somebody looked at them, and a colleague had created them meanwhile."""
    place = place_with(SandboxOptions(latency=0.0, faults={"drop-request": 1.0}, seed=3))
    place.job(*rows(), name="wave.csv")
    run(place, "wave.csv", "--settle-after", 60, "--max-duration", 3)
    place.server.sandbox.misbehave({})
    elsewhere = ("--database", place.folder.parent / f"{place.folder.name}.db")
    place.job(*rows(), name="colleague.csv")
    assert run(place, "colleague.csv", *elsewhere, "--allow-existing").code == 0
    place.command("settle", "wave.csv", "--settle-after", 0.2)
    unknown = [row["line"] for row in place.ledger("wave") if row["status"] == "unknown"]
    decided = [word for line in unknown for word in ("--absent", line)]
    assert place.command("settle", "wave.csv", *decided).code == 0
    assert place.command("check", "wave.csv").code == 0
    assert run(place, "wave.csv").code == 0
    assert {row["status"] for row in place.ledger("wave")} == {"created"}


def test_names_in_a_workspace_that_could_not_be_listed_stop_nothing(place: Place) -> None:
    """Nobody knows whether they have appeared since."""
    elsewhere = ("--database", place.folder.parent / f"{place.folder.name}.db")
    place.job(*rows(14), name="colleague.csv")
    assert run(place, "colleague.csv", *elsewhere).code == 0
    place.job(*rows(40), name="wave.csv")
    place.server.sandbox.misbehave({"list-500": 1.0})
    assert run(place, "wave.csv", "--limit", 2).code == 1
    place.server.sandbox.misbehave({})
    assert place.command("check", "wave.csv").code == 0
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 14 + 40


def test_a_night_with_a_limit_is_noticed_in_a_long_job(place: Place) -> None:
    place.job(*rows(50), name="wave.csv")
    limited = ("--limit", 10)
    put_back_after(
        place,
        lambda: run(place, "wave.csv", *limited),
        lambda: run(place, "wave.csv", *limited),
    )
    refused(run(place, "wave.csv", *limited), "10 of 40 names")
    assert place.command("check", "wave.csv").code == 1


def test_another_campaign_that_looks_at_the_workspace_first_hides_nothing(put_back: Place) -> None:
    put_back.job({"batch_id": source_id(0), "name": "Else", "copies": 1}, name="other.csv")
    assert run(put_back, "other.csv").code == 0
    refused(run(put_back, "wave.csv"), "4 of 4 names")
    assert put_back.command("check", "wave.csv").code == 1
    assert put_back.world.made == 7


def test_what_is_meant_is_created(put_back: Place) -> None:
    assert put_back.command("check", "wave.csv", "--allow-existing").code == 0
    assert run(put_back, "wave.csv", "--allow-existing").code == 0
    assert put_back.world.made == 10


def test_names_that_existed_when_the_campaign_began_stop_no_later_run(put_back: Place) -> None:
    shutil.rmtree(put_back.folder / "ledgers")
    assert run(put_back, "wave.csv", "--allow-existing", "--limit", 2).code == 1
    assert put_back.command("check", "wave.csv").code == 0
    assert run(put_back, "wave.csv").code == 0
    assert put_back.world.made == 12


def test_a_few_names_that_somebody_else_used_since_stop_nothing(place: Place) -> None:
    """One batch explains one copy, whatever their names are."""
    wave = {"batch_id": source_id(1), "name": "Wave", "copies": 3}
    place.job(wave, name="wave.csv")
    assert run(place, "wave.csv").code == 0
    elsewhere = ("--database", place.folder.parent / f"{place.folder.name}.db", "--allow-existing")
    place.job(wave | {"copies": 1}, name="colleague.csv")
    assert run(place, "colleague.csv", *elsewhere).code == 0
    place.job(wave | {"copies": 10}, name="wave.csv")
    checked = place.command("check", "wave.csv")
    assert checked.code == 0
    assert "7 of the names already exist on batches that this ledger does not know" in checked.out
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 11


def test_a_name_that_is_as_old_as_a_restored_database_stops_nothing(place: Place) -> None:
    """Nobody knows any more what the workspace contained when the campaign last sent something."""
    elsewhere = ("--database", place.folder.parent / f"{place.folder.name}.db")
    place.job({"batch_id": source_id(9), "name": "Old", "copies": 1}, name="colleague.csv")
    assert run(place, "colleague.csv", *elsewhere).code == 0
    place.job(*rows(3), name="wave.csv")
    assert run(place, "wave.csv").code == 0
    for file in (place.folder / "ledgers").glob("ledger.db*"):
        file.unlink()
    assert place.command("ledger", "wave.csv", "--restore", "ledgers/wave.csv").code == 0
    place.job(*rows(3), {"batch_id": source_id(9), "name": "Old", "copies": 1}, name="wave.csv")
    assert place.command("check", "wave.csv").code == 0
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 5


def test_batches_of_unanswered_requests_did_not_appear_from_nowhere(
    place_with: WithOptions,
) -> None:
    """Six of ten copies with one name were sent, and nobody knows yet what became of them."""
    place = place_with(SandboxOptions(latency=0.0, faults={"drop-answer": 1.0}, seed=3))
    place.job({"batch_id": source_id(1), "name": "Wave", "copies": 10}, name="wave.csv")
    first = run(place, "wave.csv", "--limit", 6, "--settle-after", 60, "--max-duration", 3)
    assert "6 unknown" in first.out
    place.server.sandbox.misbehave({})
    checked = place.command("check", "wave.csv", "--json")
    assert (checked.code, checked.summary["accidents"]) == (0, [])
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 10
