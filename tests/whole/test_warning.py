"""What a copy lacks, from the API's answer to everything that people read."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.command import source_id
from tests.whole.conftest import Place
from worker.sandbox.made_up import WORKSPACE_ID
from worker.sandbox.options import SandboxOptions


def test_copies_with_fewer_instructions_are_named_everywhere_and_change_no_exit_code(
    place_with: Callable[[SandboxOptions], Place],
) -> None:
    faults = {"fewer-instructions": 0.5}
    place = place_with(SandboxOptions(latency=0.0, faults=faults, seed=2))
    place.job({"batch_id": source_id(1), "name": "Wave {n}", "copies": 8})
    ended = place.run("--report")
    rows = place.ledger()
    differing = [row["new_batch_id"] for row in rows if row["warning"]]
    whole = place.world.find(source_id(1))
    assert whole is not None
    has = whole.content.total_instruction_count
    fewer = [copy["id"] for copy in place.world.duplicates if copy["total_instruction_count"] < has]
    assert ended.code == 0
    assert 0 < len(fewer) < 8
    assert sorted(differing) == sorted(fewer)
    assert {row["warning"] for row in rows} == {
        "", f"fewer instructions than its source ({has - 1} of {has})",
    }  # fmt: skip
    assert ended.summary["warnings"] == len(fewer)
    said = f"{len(fewer)} of 8 copies differ from their source"
    report = (place.folder / "ledgers" / "job.html").read_text(encoding="utf-8")
    assert said in report
    assert f"Sandbox ({WORKSPACE_ID})" in report
    assert place.world.requests["workspaces"] == 1

    # A finished job asks nothing, and still says it; so does a database that was rebuilt.
    (place.folder / "ledgers" / "ledger.db").rename(place.folder / "lost.db")
    restored = place.command("ledger", "job.csv", "--restore", "ledgers/job.csv")
    assert restored.code == 0, restored.err
    again = place.command("run", "job.csv", "--yes")
    assert (again.code, place.world.made) == (0, 8)
    assert said in again.out
    assert [row["warning"] for row in place.ledger()] == [row["warning"] for row in rows]


def test_check_shows_the_workspace_s_name_by_one_more_request(place: Place) -> None:
    place.job(*({"batch_id": source_id(n), "name": f"Row {n}"} for n in range(3)))
    ended = place.command("check", "job.csv")
    assert f"3 sources in workspace Sandbox ({WORKSPACE_ID})" in ended.out
    assert place.world.requests["workspaces"] == 1
    found = json.loads(place.command("check", "job.csv", "--json").out)
    assert found["workspaces"] == {WORKSPACE_ID: 3}
    assert found["workspace_names"] == {WORKSPACE_ID: "Sandbox"}
