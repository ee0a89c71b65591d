"""`batches` against a real server: what it lists, in each format, and which workspace."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest

from tests.support.command import source_id
from tests.whole.conftest import Place
from worker.sandbox.made_up import WORKSPACE_ID
from worker.sandbox.options import SandboxOptions

IDS = sorted(source_id(number) for number in range(4))


@pytest.fixture
def filled(place: Place) -> Place:
    for one in IDS:
        place.world.find(one)
    return place


def names(place: Place) -> dict[str, str]:
    return {one: batch.name for one in IDS if (batch := place.world.find(one)) is not None}


def test_the_only_workspace_is_listed_and_nothing_is_created(filled: Place) -> None:
    ended = filled.command("batches", "--format", "json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["workspace"] == {"id": WORKSPACE_ID, "title": "Sandbox"}
    assert found["complete"] is True
    assert {batch["batch_id"]: batch["name"] for batch in found["batches"]} == names(filled)
    assert filled.world.made == 0
    assert not (filled.folder / "ledgers").exists()


def test_csv_has_a_row_for_each_batch_and_no_formula(filled: Place) -> None:
    batch = filled.world.find(IDS[0])
    assert batch is not None
    batch.name = "=HYPERLINK(1)"
    ended = filled.command("batches", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert sorted(row["batch_id"] for row in rows) == IDS
    assert "'=HYPERLINK(1)" in [row["name"] for row in rows]


def test_a_job_file_from_it_runs_as_it_is(filled: Place) -> None:
    ended = filled.command("batches", "--format", "job")
    assert f"# 4 batches of workspace Sandbox ({WORKSPACE_ID})" in ended.out
    assert all(f"# {name}; READY, 2024-" in ended.out for name in names(filled).values())
    assert "# To also set the new batches up, add a column tasks_per_group.\n" in ended.out
    (filled.folder / "job.csv").write_text(ended.out, encoding="utf-8")
    assert filled.run().code == 0
    assert sorted(filled.made_of()) == IDS
    assert sorted(str(copy["name"]) for copy in filled.world.duplicates) == sorted(
        f"{name} (Copy)" for name in names(filled).values()
    )


def test_a_name_that_is_a_spreadsheets_error_value_is_a_comment_all_the_same(filled: Place) -> None:
    batch = filled.world.find(IDS[0])
    assert batch is not None
    batch.name = "N/A\n#REF!"
    (filled.folder / "job.csv").write_text(
        filled.command("batches", "--format", "job").out, encoding="utf-8"
    )
    assert filled.command("check", "job.csv").code == 0


def test_names_and_statuses_choose(filled: Place) -> None:
    (wanted, name) = next(iter(names(filled).items()))
    ended = filled.command(
        "batches", "--name", f"{name[:4].upper()}*{name[-6:]}", "--format", "csv"
    )
    assert [row["batch_id"] for row in csv.DictReader(io.StringIO(ended.out))] == [wanted]
    ended = filled.command("batches", "--status", "error,processing")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "no batches")
    assert "none of the 4 batches is selected" in ended.err


def test_a_status_that_is_none_is_refused(filled: Place) -> None:
    ended = filled.command("batches", "--status", "READY,Done")
    assert ended.code == 2
    assert "--status: Done is not a status\n  Use UNINITIALISED, PROCESSING, " in ended.err


def test_several_workspaces_are_named_to_choose_from(filled: Place) -> None:
    filled.world.workspaces["64a0000000000000000000bb"] = "Field team"
    ended = filled.command("batches")
    assert ended.code == 2
    assert "the token sees 2 workspaces; choose one:" in ended.err
    assert "--workspace 64a0000000000000000000bb   Field team" in ended.err
    assert filled.command("batches", "--workspace", WORKSPACE_ID).code == 0


def test_a_listing_that_is_not_complete_is_shown_and_is_an_error(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    place = place_with(SandboxOptions(latency=0, faults={"list-short": 1.0}))
    for one in IDS:
        place.world.find(one)
    ended = place.command("batches", "--format", "job")
    assert ended.code == 1
    assert "the list may not be complete: it shows 3 batches and says that there are 4" in ended.err
    assert "# The list may not be complete: " in ended.out
    assert ended.out.count(",,1\n") == 3


def test_a_refused_token_ends_with_3(filled: Place) -> None:
    ended = filled.command_with("batches", PROLIFIC_TOKEN="another")
    assert ended.code == 3
    assert "the API refused the token: HTTP 401" in ended.err
    assert "another" not in ended.err
