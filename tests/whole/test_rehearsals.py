"""Rehearsals in the sandbox and real runs of the same job do not disturb each other."""

from __future__ import annotations

import shutil

from tests.support.command import write_job
from tests.whole.conftest import Place, rows, run


def test_fresh_forgets_a_rehearsal_and_nothing_else(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    write_job(place.folder / "other.csv", rows(3))
    for job in ("wave.csv", "other.csv"):
        assert place.command("run", job, "--sandbox", "--on-finish", "true").code == 0
    again = place.command("run", "wave.csv", "--sandbox", "--json")
    assert again.summary["created_this_run"] == 0
    fresh = place.command("run", "wave.csv", "--sandbox", "--fresh", "--json")
    assert (fresh.code, fresh.summary["created_this_run"]) == (0, 6), fresh.err
    other = place.command("run", "other.csv", "--sandbox", "--json")
    assert other.summary["created_this_run"] == 0
    refused_ = place.command("run", "wave.csv", "--fresh", "--yes")
    assert refused_.code == 2
    assert "--sandbox" in refused_.err


def test_fresh_forgets_only_what_is_a_rehearsals(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    for _ in range(2):
        again = place.command(
            "run", "wave.csv", "--sandbox", "--fresh", "--ledger", "mine.csv", "--json"
        )
        assert (again.code, again.summary["created_this_run"]) == (0, 6), again.err
    assert run(place, "wave.csv", "--ledger", "ledgers/sandbox/wave.csv").code == 0
    real = (place.folder / "ledgers" / "sandbox" / "wave.csv").read_bytes()
    assert place.command("run", "wave.csv", "--sandbox", "--fresh").code == 2
    assert (place.folder / "ledgers" / "sandbox" / "wave.csv").read_bytes() == real


def test_a_rehearsal_is_not_hindered_and_hinders_nothing(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    assert place.command("run", "wave.csv", "--sandbox").code == 0
    shutil.copy(place.folder / "wave.csv", place.folder / "final.csv")
    assert place.command("run", "final.csv", "--sandbox").code == 0
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 6


def test_a_database_of_rehearsals_that_cannot_be_read_stops_no_restore(made: Place) -> None:
    for file in (made.folder / "ledgers").glob("ledger.db*"):
        file.unlink()
    (made.folder / "ledgers" / "sandbox.db").write_text("no database")
    restored = made.command("ledger", "wave.csv", "--restore", "ledgers/wave.csv")
    assert restored.code == 0, restored.err


def test_a_rehearsals_ledger_file_is_never_restored_into_a_real_database(place: Place) -> None:
    place.job(*rows(), name="wave.csv")
    assert place.command("run", "wave.csv", "--sandbox", "--ledger", "mine.csv").code == 0
    assert run(place, "wave.csv", "--ledger", "mine.csv").code == 2
    ended = place.command("ledger", "wave.csv", "--ledger", "mine.csv", "--restore", "mine.csv")
    assert ended.code == 2
    assert "of a rehearsal" in ended.err
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 6
