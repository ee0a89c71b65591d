"""What people decide about unknown duplicates, and how they name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settle.rig import SOURCE, Rig, World, run
from tests.support.ledgers import CAMPAIGN, uuid
from worker.ledger import decisions, settlement
from worker.model.clock import iso
from worker.model.errors import UsageError
from worker.settle.settling import Settled

ITEMS = {"2.1": 1, "2.3": 3, "3": 4, "3.1": 4, "#2": 2, "02.01": 1, "#4": 4}

NO_ITEMS = {
    "2": "line 2 has 3 copies",
    "2.4": "no such duplicate",
    "9": "no such duplicate",
    "0": "no such duplicate",
    "#9": "no such item",
    "#0": "no such item",
} | dict.fromkeys(
    ("", "x", "#x", "#", "2.x", "-2", "2.1.1", "²", "٢", "9" * 30, "#" + "9" * 30), "is not an item"
)


def test_an_item_is_found_by_its_line_its_copy_or_its_number(tmp_path: Path, world: World) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},3", f"{SOURCE},One,1") as rig:
        campaign = rig.ledger.campaign
        found = {text: decisions.find_item(rig.ledger, campaign, text) for text in ITEMS}
        assert found == ITEMS
        for text, message in NO_ITEMS.items():
            with pytest.raises(UsageError, match=message):
                decisions.find_item(rig.ledger, campaign, text)


async def test_a_person_may_say_which_batch_it_is_or_that_there_is_none(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        rig.lose()
        world.add(100, "Something")
        decisions.assign(rig.ledger, 1, world.shown(100))
        decisions.declare_absent(rig.ledger, 2)

        assert rig.rows() == [("created", uuid(100), "person"), ("pending", None, None)]
        assert rig.rows("new_batch_name, new_batch_status, error")[0] == (
            "Something",
            "READY",
            None,
        )
        assert settlement.open_attempts(rig.ledger) == []
        rig.ledger.rewind()
        assert [intent.item_id for intent in rig.intents()] == [2]


async def test_only_what_is_unknown_is_decided_by_a_person(tmp_path: Path, world: World) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},3") as rig:
        await rig.look()
        first, second, _ = rig.intents()
        rig.answer(first, 100)
        rig.lose([second])
        world.add(101, "Wave 2")
        rig.ledger.abandon(iso(rig.clock.wall()))
        decisions.declare_absent(rig.ledger, 3)

        for item, status in ((1, "created"), (3, "pending")):
            with pytest.raises(UsageError, match=f"#{item} is {status}, not unknown"):
                decisions.assign(rig.ledger, item, world.shown(101))
            with pytest.raises(UsageError, match=f"#{item} is {status}, not unknown"):
                decisions.declare_absent(rig.ledger, item)


async def test_a_batch_never_gets_two_owners_and_a_source_is_no_copy(
    two: Rig, world: World
) -> None:
    two.lose()

    with pytest.raises(
        UsageError, match=f"{uuid(100)} already belongs to line 2 of campaign {CAMPAIGN}"
    ):
        decisions.assign(two.ledger, 2, world.shown(100))
    with pytest.raises(UsageError, match="is the source of #2"):
        decisions.assign(two.ledger, 2, world.shown(1))
    assert two.statuses() == ["created", "unknown"]


async def test_what_a_person_assigned_is_no_candidate_any_more(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        rig.lose()
        world.add(100, "Something")
        assert await rig.round() == Settled(unknown=2)
        decisions.assign(rig.ledger, 1, world.shown(100))

        assert await rig.round() == Settled(absent=1)
