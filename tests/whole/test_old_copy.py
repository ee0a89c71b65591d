"""An old copy of the ledger, its database and its files together, is put back: a folder from a
backup, a machine from a snapshot. Only the workspace shows what later runs created."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import command, source_id
from tests.whole.conftest import Place, rows, run
from tests.whole.test_accidents import refused
from worker.sandbox.options import SandboxOptions

WithOptions = Callable[[SandboxOptions], Place]


@pytest.fixture(params=["Row {n}", ""], ids=["named", "named by the API"])
def put_back(place: Place, request: pytest.FixtureRequest) -> Place:
    """Two of six duplicates are in the copy of the ledger that was put back; all six exist."""
    place.job(*rows(name=request.param), name="wave.csv")
    ledgers, copy = place.folder / "ledgers", place.folder / "backup"
    assert run(place, "wave.csv", "--limit", 2).code == 1  # it says that more is left
    shutil.copytree(ledgers, copy)
    assert run(place, "wave.csv").code == 0
    shutil.rmtree(ledgers)
    copy.rename(ledgers)
    assert place.world.made == 6
    return place


def test_what_appeared_since_is_not_created_again_and_the_message_leads_on(put_back: Place) -> None:
    for _ in range(2):
        ended = run(put_back, "wave.csv")
        refused(ended, "4 of 4 names", "such as", "Was an old copy of it put back?")
    checked = put_back.command("check", "wave.csv", "--json")
    assert checked.code == 1
    assert any("4 of 4 names" in one for one in checked.summary["accidents"])
    (line,) = [one.strip() for one in ended.err.splitlines() if one.startswith("    ")]
    (put_back.folder / "old").mkdir()
    for file in (put_back.folder / "ledgers").glob("ledger.db*"):
        file.rename(put_back.folder / "old" / file.name)
    arguments = shlex.split(line)
    restored = command(arguments[arguments.index("ledger") :], Path("/"), put_back.environ)
    assert restored.code == 0, restored.err
    assert run(put_back, "wave.csv").code == 0
    assert put_back.world.made == 6
    assert {row["status"] for row in put_back.ledger("wave")} == {"created"}


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


def test_a_few_names_that_somebody_else_used_since_stop_nothing(put_back: Place) -> None:
    put_back.job(*rows(16, name="Row {n}"), name="wave.csv")
    assert put_back.command("check", "wave.csv").code == 0
    assert run(put_back, "wave.csv").code == 0


def test_batches_of_unanswered_requests_did_not_appear_from_nowhere(
    place_with: WithOptions,
) -> None:
    """Three of ten copies with one name were sent, and nobody knows yet what became of them."""
    place = place_with(
        SandboxOptions(latency=0.0, faults={"drop-answer": 1.0, "list-short": 1.0}, seed=3)
    )
    place.job({"batch_id": source_id(1), "name": "Wave", "copies": 10}, name="wave.csv")
    assert run(place, "wave.csv", "--limit", 3).code == 1
    place.server.sandbox.misbehave({})
    checked = place.command("check", "wave.csv", "--json")
    assert (checked.code, checked.summary["accidents"]) == (0, [])
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 10
