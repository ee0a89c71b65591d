"""A lost or older database is noticed before anything is sent, and rebuilt from the ledger file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import source_id
from tests.whole.conftest import Place, rows, run
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]


def lose(place: Place) -> None:
    for file in (place.folder / "ledgers").glob("ledger.db*"):
        file.unlink()


def old_copy_put_back(place: Place, made: int, wanted: int) -> None:
    """A run made `made` of `wanted` rows, a copy of the database was kept, the next run made the
    rest; now the copy is the database again."""
    place.job(*rows(wanted, "Row {n} of {source_name}"))
    place.run("--limit", made)
    assert place.command("ledger", "job.csv", "--backup", "old.db").code == 0
    place.run()
    lose(place)
    shutil.copy(place.folder / "old.db", place.folder / "ledgers" / "ledger.db")


def test_a_lost_database_is_noticed_and_restored(place: Place) -> None:
    place.job(*rows(7, "Row {n} of {source_name}"))
    place.run("--limit", 5)
    lose(place)
    ended = place.run()
    assert ended.code == 2
    assert "is newer than the database" in ended.err
    assert "--restore" in ended.err
    assert place.world.made == 5
    restored = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert restored.code == 0, restored.err
    assert "5 duplicates created, 2 unknown" in restored.out
    ended = place.run("--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert place.world.made == 7
    assert max(Counter(place.made_of()).values()) == 1


def test_a_duplicate_that_the_ledger_file_lacks_is_not_created_again(place: Place) -> None:
    """Somebody deleted rows from it."""
    place.job(*rows(5, "Wave {n}"))
    place.run("--limit", 4)
    lose(place)
    file = place.folder / "ledgers" / "job.csv"
    header, _, *lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text(header + "".join(lines[:2]), "utf-8")
    restored = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert restored.code == 0, restored.err
    assert "2 duplicates created, 3 unknown" in restored.out
    assert "job.csv: it has no row for 3 duplicates of the job" in restored.err
    ended = place.run("--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert place.world.made == 5
    assert max(Counter(place.made_of()).values()) == 1


def test_a_ledger_file_with_a_cell_of_any_length_is_read_again(place: Place) -> None:
    """A YAML job may have it; the csv module's limit for a cell is 131,072 characters."""
    place.world.find(source_id(1))
    note = "n" * 140_000
    (place.folder / "job.yaml").write_text(
        f"batches:\n  - batch_id: {source_id(1)}\n    name: Wave\n    x_note: {note}\n", "utf-8"
    )
    assert run(place, "job.yaml").code == 0
    file = place.folder / "ledgers" / "job.csv"
    assert note in file.read_text("utf-8")
    os.utime(file, (1e9, 1e9))  # as after a crash, the database does not know this version of it
    ended = run(place, "job.yaml")
    assert ended.code == 0, ended.err
    lose(place)
    ended = run(place, "job.yaml")
    assert "is newer than the database" in ended.err
    restored = place.command("ledger", "job.yaml", "--restore", "ledgers/job.csv")
    assert restored.code == 0, restored.err
    assert "1 duplicate created, 0 unknown" in restored.out
    assert run(place, "job.yaml").code == 0
    assert place.world.made == 1


@pytest.mark.parametrize("command", ["ledger", "report", "settle"])
def test_a_command_that_finds_no_database_shows_how_to_rebuild_it_from_the_ledger_file(
    place: Place, command: str
) -> None:
    place.job(*rows(3, "Row {n} of {source_name}"))
    place.run("--limit", 2)
    lose(place)
    ended = place.command(command, "job.csv")
    assert (ended.code, ended.out) == (2, "")
    database, file = place.folder / "ledgers" / "ledger.db", place.folder / "ledgers" / "job.csv"
    assert f"{database}: there is no ledger database here, but earlier runs wrote" in ended.err
    assert f"this ledger file: {file}. The database was lost" in ended.err
    assert "`run` notices that too, and creates nothing" in ended.err
    assert not database.exists()
    (line,) = [line for line in ended.err.splitlines() if line.startswith("    ")]
    arguments = shlex.split(line)
    restored = place.command(*arguments[arguments.index("ledger") :])
    assert restored.code == 0, restored.err
    assert "2 duplicates created, 1 unknown" in restored.out
    assert place.command("ledger", "job.csv").code == 0


def test_without_a_job_a_command_that_finds_no_database_names_the_newest_ledger_files(
    place: Place,
) -> None:
    place.job(*rows(1, "Row {n} of {source_name}"))
    for number in range(5):
        place.run("--campaign", f"wave {number}", "--allow-existing")
        os.utime(place.folder / "ledgers" / f"wave {number}.csv", (number + 1e9, number + 1e9))
    lose(place)
    ended = place.command_with("ledger", DUPLICATE_BATCHES_DATABASE="ledgers/ledger.db")
    assert ended.code == 2
    assert "(set by DUPLICATE_BATCHES_DATABASE), but earlier runs wrote these" in ended.err
    named = [f"{place.folder / 'ledgers' / f'wave {number}.csv'}" for number in (4, 3, 2)]
    assert f"these ledger files: {', '.join(named)} and 2 more." in ended.err
    assert "run `ledger JOB` to see how to rebuild it" in ended.err


def test_an_old_copy_nearby_does_not_hide_that_the_database_is_to_be_restored(
    place: Place,
) -> None:
    place.job(*rows(4, "Row {n} of {source_name}"))
    place.run("--limit", 1)
    assert place.command("ledger", "job.csv", "--backup", "ledger-2026-03-01.db").code == 0
    place.run("--limit", 1)
    lose(place)
    file, old = place.folder / "ledgers" / "job.csv", place.folder / "ledger-2026-03-01.db"
    says = f"{file}: this ledger file is newer than the ledger database"
    for ended in (place.run(), place.command("check", "job.csv")):
        assert ended.code in {1, 2}
        shown = ended.err + ended.out
        assert says in shown
        assert f"and than {old}, which is an old copy" in shown
        assert f"--restore {file}" in shown
        assert "To continue with that ledger" not in shown
    restored = place.command("ledger", "job.csv", "--restore", file)
    assert (restored.code, place.world.made) == (0, 2), restored.err
    assert "2 duplicates created, 2 unknown" in restored.out


def test_a_database_that_lacks_a_whole_campaign_is_noticed_by_doctor_and_ledger(
    place: Place,
) -> None:
    place.job(*rows(1))
    place.run("--campaign", "first")
    assert place.command("ledger", "--backup", "old.db").code == 0
    place.run("--campaign", "second", "--allow-existing")
    lose(place)
    for put_back in (False, True):
        if put_back:
            shutil.copy(place.folder / "old.db", place.folder / "ledgers" / "ledger.db")
        doctor, shown = place.command("doctor"), place.command("ledger")
        assert doctor.code == 1
        assert str(place.folder / "ledgers" / "second.csv") in doctor.out
        assert str(place.folder / "ledgers" / "second.csv") in shown.err
        assert ("The database was lost, or is somewhere else" in doctor.out) == (not put_back)
        assert "the first run creates it" not in doctor.out
        assert ("--campaign second --restore" in doctor.out.replace("'", "")) == put_back


def test_ledger_files_that_show_no_run_say_nothing_of_a_lost_database(place: Place) -> None:
    place.job(*rows(1, "Row {n} of {source_name}"))
    place.run()
    lose(place)
    file = place.folder / "ledgers" / "job.csv"
    for text in (file.read_text("utf-8").splitlines()[0] + "\n", "batch_id\n", ""):
        file.write_text(text, "utf-8")
        ended = place.command("ledger", "job.csv")
        assert ended.code == 2
        assert "Run the job first, or name the database" in ended.err
        assert "If it was moved, `check JOB` looks for it." in ended.err
        assert "earlier runs" not in ended.err


def killed_midway(place: Place, made: int) -> None:
    """A run that dies before it refreshes its ledger file for the first time, once the server has
    made so many."""
    process = place.start("--max-in-flight", 2)
    while place.world.made < made:
        time.sleep(0.02)
    process.kill()
    process.communicate()


def test_a_database_that_is_lost_in_a_killed_first_run_is_noticed(place_with: WithOptions) -> None:
    """The file of before the first request tells that there was a run, and nothing else."""
    place = place_with(SandboxOptions(latency=0.05))
    place.job(*rows(40, "Row {n} of {source_name}"))
    killed_midway(place, 6)
    lose(place)
    ended = place.run("--settle-after", 0.3)
    assert ended.code == 2, ended.err
    assert "is newer than the database" in ended.err
    assert max(Counter(place.made_of()).values()) == 1


def test_an_old_copy_that_is_put_back_after_a_killed_run_is_noticed(
    place_with: WithOptions,
) -> None:
    place = place_with(SandboxOptions(latency=0.05))
    place.job(*rows(40, "Row {n} of {source_name}"))
    place.run("--limit", 3)
    assert place.command("ledger", "job.csv", "--backup", "old.db").code == 0
    killed_midway(place, 9)
    lose(place)
    (place.folder / "old.db").rename(place.folder / "ledgers" / "ledger.db")
    assert place.run("--settle-after", 0.3).code == 2
    assert max(Counter(place.made_of()).values()) == 1


def test_what_was_sent_after_the_file_was_written_is_found(place: Place) -> None:
    place.job(*rows(6, "Row {n} of {source_name}"))
    place.run("--limit", 2)
    old = (place.folder / "ledgers" / "job.csv").read_bytes()
    place.run()
    lose(place)
    (place.folder / "ledgers" / "job.csv").write_bytes(old)
    assert place.command("ledger", "job.csv", "--restore", "ledgers/job.csv").code == 0
    ended = place.run("--settle-after", 0.3)
    assert place.world.made == 6, "what exists is not made again"
    counts = ended.summary["counts"]
    assert counts["created"] + counts["unknown"] == 6, place.ledger()
    assert counts["created"] == 6, [row["error"] for row in place.ledger()]


def test_an_old_copy_of_the_database_is_noticed(place: Place) -> None:
    old_copy_put_back(place, 1, 4)
    ended = place.run()
    assert ended.code == 2
    assert "is newer than the database" in ended.err
    assert place.world.made == 4


def test_settling_with_an_old_copy_is_refused_before_it_writes_the_ledger_file(
    place: Place,
) -> None:
    old_copy_put_back(place, 1, 4)
    before = (place.folder / "ledgers" / "job.csv").read_bytes()
    for arguments in (("settle", "job.csv"), ("settle", "job.csv", "--absent", "3")):
        ended = place.command(*arguments)
        assert ended.code == 2
        assert "is newer than the database" in ended.err
    assert (place.folder / "ledgers" / "job.csv").read_bytes() == before
    assert place.run().code == 2
    assert place.world.made == 4


def test_rows_with_and_without_a_name_of_one_source_are_restored(place: Place) -> None:
    names = ("", "Wave 1", "{source_name} (Copy)", "{source_name}")
    place.job(*({"batch_id": source_id(0), "name": name} for name in names))
    place.run()
    lose(place)
    restored = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert restored.code == 0, restored.err
    assert place.run().code == 0
    assert place.world.made == 4


def test_rows_that_only_their_lines_tell_apart_are_refused_where_the_job_was_edited(
    place: Place,
) -> None:
    rows = [
        {"batch_id": source_id(0), "name": name} for name in ("{source_name} one", "{source_name}")
    ]
    place.job(*rows)
    place.run()
    lose(place)
    place.job({"batch_id": source_id(1), "name": "new"}, *rows)
    ended = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert ended.code == 2
    assert "ledgers/job.csv:2: this row" in ended.err


def test_an_old_database_is_noticed_where_the_ledger_file_is_to_be_another(place: Place) -> None:
    old_copy_put_back(place, 2, 4)
    ended = place.run("--ledger", "other.csv")
    assert ended.code == 2
    assert f"ledgers{os.sep}job.csv: this ledger file is newer than the database" in ended.err
    assert place.world.made == 4


def test_writing_the_ledger_file_again_from_an_old_database_is_refused(place: Place) -> None:
    """The file is all that tells of what exists."""
    old_copy_put_back(place, 2, 4)
    before = (place.folder / "ledgers" / "job.csv").read_bytes()
    ended = place.command("ledger", "job.csv")
    assert ended.code == 2
    assert ended.err.count("is newer than the database") == 1, "it is refused, not warned of too"
    assert (place.folder / "ledgers" / "job.csv").read_bytes() == before
    assert place.command("ledger", "job.csv", "--ledger", "elsewhere.csv").code == 0


def test_restoring_from_one_file_does_not_replace_another_that_tells_more(place: Place) -> None:
    place.job(*rows(4, "Row {n} of {source_name}"))
    place.run("--limit", 2)
    newer = place.folder / "ledgers" / "job.csv"
    older = place.folder / "older.csv"
    older.write_bytes(newer.read_bytes())
    place.run()
    before = newer.read_bytes()
    lose(place)
    ended = place.command("ledger", "job.csv", "--restore", "older.csv")
    assert ended.code == 2
    assert f"ledgers{os.sep}job.csv: this ledger file would be replaced" in ended.err
    assert newer.read_bytes() == before
    assert place.command("ledger", "job.csv", "--restore", "ledgers/job.csv").code == 0
    assert place.run().code == 0
    assert place.world.made == 4


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_ledger_file_that_a_spreadsheet_padded_with_empty_rows_restores(
    place: Place, delimiter: str
) -> None:
    place.job(*rows(4, "Row {n} of {source_name}"))
    place.run("--limit", 3)
    file = place.folder / "ledgers" / "job.csv"
    header, *lines = file.read_text().replace(",", delimiter).splitlines()
    width = header.count(delimiter)
    empty = [delimiter * width, delimiter * 4, "", "  ", delimiter * (width + 3), f" {delimiter} "]
    file.write_text("\r\n".join([header, *empty, *lines, *empty * 20]) + "\r\n")
    lose(place)
    assert "is newer than the database" in place.run().err
    restored = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert restored.code == 0, restored.err
    assert "3 duplicates created, 1 unknown" in restored.out
    assert place.run("--settle-after", 0.3).code == 0
    assert (place.world.made, max(Counter(place.made_of()).values())) == (4, 1)


def test_a_ledger_file_whose_flags_a_spreadsheet_wrote_restores(place: Place) -> None:
    flags = ("true", "false")
    wave = {"batch_id": source_id(1), "name": "Wave"}
    place.job(*(wave | {"upload_new_dataset": flag} for flag in flags))
    place.run()
    made = place.made_of()
    file = place.folder / "ledgers" / "job.csv"
    text = file.read_text()
    lose(place)
    for yes, no in (("WAHR", "FALSCH"), ("TRUE", "FALSE")):
        file.write_text(text.replace(",true,", f",{yes},").replace(",false,", f",{no},"))
        restored = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
        assert restored.code == (2 if yes == "WAHR" else 0), restored.err
        told = "ledgers/job.csv:2: column \"upload_new_dataset\": 'WAHR' is not true or false"
        assert (told in restored.err) is (yes == "WAHR"), restored.err
    assert "2 duplicates created, 0 unknown" in restored.out
    assert place.run().code == 0
    assert place.made_of() == made


def test_a_row_that_lacks_cells_is_still_refused(place: Place) -> None:
    place.job(*rows(2, "Row {n} of {source_name}"))
    place.run()
    file = place.folder / "ledgers" / "job.csv"
    file.write_text(file.read_text()[:-40])
    lose(place)
    ended = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert ended.code == 2
    assert "ledgers/job.csv:3: this row has too few cells" in ended.err


@pytest.mark.parametrize("file", ["job.csv", "job copy.csv"])
def test_a_copy_beside_the_ledger_file_does_not_hinder_the_restore(place: Place, file: str) -> None:
    place.job(*rows(5, "Row {n} of {source_name}"))
    place.run("--limit", 3)
    ledgers = place.folder / "ledgers"
    (ledgers / "job copy.csv").write_bytes((ledgers / "job.csv").read_bytes())
    lose(place)
    restored = place.command("ledger", "job.csv", "--restore", ledgers / file)
    assert restored.code == 0, restored.err
    assert "3 duplicates created, 2 unknown" in restored.out
    ended = place.run("--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert (place.world.made, max(Counter(place.made_of()).values())) == (5, 1)


def test_batches_that_another_file_of_the_campaign_names_are_not_created_again(
    place: Place,
) -> None:
    """Restored from an older file, with the newer one moved aside as the refusal advises."""
    place.job(*rows(4, "Row {n} of {source_name}"))
    place.run("--limit", 2)
    ledgers = place.folder / "ledgers"
    (ledgers / "older.csv").write_bytes((ledgers / "job.csv").read_bytes())
    place.run()
    (ledgers / "job.csv").rename(ledgers / "newer.csv")
    lose(place)
    restored = place.command("ledger", "job.csv", "--restore", "ledgers/older.csv")
    assert restored.code == 0, restored.err
    assert "2 duplicates created, 2 unknown" in restored.out
    ended = place.run("--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert ended.summary["settled_this_run"] == 2
    assert (place.world.made, max(Counter(place.made_of()).values())) == (4, 1)


@pytest.mark.parametrize("copy", ["ledgers/job.csv", "from-mail/job.csv"])
def test_what_a_file_of_another_campaign_names_stays_that_campaigns(
    place: Place, copy: str
) -> None:
    place.job(*rows(3, "Row {n} of {source_name}"))
    place.run("--limit", 1)
    lose(place)
    (place.folder / "ledgers" / "job.csv").rename(place.folder / "job.csv.old")
    place.run("--campaign", "other", "--database", "other.db")
    (place.folder / copy).parent.mkdir(exist_ok=True)
    (place.folder / "job.csv.old").rename(place.folder / copy)
    restored = place.command("ledger", "job.csv", "--restore", copy)
    assert restored.code == 0, restored.err
    ended = place.run("--settle-after", 0.3)
    assert ended.code == 0, ended.err
    assert place.world.made == 6, "the other campaign's batches are not taken for this one's"
    assert (
        len({row["new_batch_id"] for name in ("job", "other") for row in place.ledger(name)}) == 6
    )


def test_a_run_id_in_the_path_is_noticed_too(place: Place) -> None:
    place.job(*rows(2, "Row {n} of {source_name}"))
    place.run("--ledger", "out/{campaign}-{run_id}.csv")
    lose(place)
    assert place.run("--ledger", "out/{campaign}-{run_id}.csv").code == 2
    assert place.world.made == 2


def test_what_does_not_match_the_job_is_refused(place: Place) -> None:
    place.job(*rows(3, "Row {n} of {source_name}"))
    place.run()
    lose(place)
    place.job(*rows(2, "Row {n} of {source_name}"))
    ended = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert ended.code == 2
    assert "ledgers/job.csv:4: this row is not a duplicate of the job" in ended.err
    listed = json.loads(place.command("ledger", "--format", "json").out)
    assert [(run["kind"], run["exit_code"]) for run in listed["runs"]] == [("restore", 2)]
    assert all(run["ended_at"] for run in listed["runs"]), "it did not crash"


@pytest.mark.parametrize("text", ["", "line,source\n1,2\n", "\x00\x01"])
def test_a_file_that_is_no_ledger_restores_nothing(place: Place, text: str) -> None:
    place.job(*rows(1, "Row {n} of {source_name}"))
    Path(place.folder / "x.csv").write_text(text)
    ended = place.command("ledger", "job.csv", "--restore", "x.csv")
    assert ended.code == 2
    assert "is not a ledger" in ended.err


@pytest.mark.parametrize(
    "name", ["Wave {n}, {date}", "Größe {n} {date} – für alle", "{source_name} {n}, {date:%A}"]
)
def test_the_file_of_another_night_is_restored_only_with_its_date(place: Place, name: str) -> None:
    """Otherwise tonight's rows would be created as last night's batches."""
    place.job(*rows(3, name), name="wave.csv")
    assert run(place, "wave.csv", "--date", "2026-03-01").code == 0
    for file in (place.folder / "ledgers").glob("ledger.db*"):
        file.unlink()
    restoring = ("ledger", "wave.csv", "--restore", "ledgers/wave.csv")
    ended = place.command(*restoring, "--date", "2026-03-02")
    assert ended.code == 2
    assert "--date" in ended.err
    assert place.command(*restoring, "--date", "2026-03-01").code == 0
    assert run(place, "wave.csv", "--date", "2026-03-02").code == 0
    assert len(place.made_of()) == 6
