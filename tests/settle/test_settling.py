"""Rounds of settling over a real ledger, in a world of batches where time is moved by hand:
presence, absence, stopping, and several runs.

A test whose name says `regression` has a sequence that once made a double, a false row or a stuck
night."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settle.rig import OTHER, SETTLE_AFTER, SOURCE, Rig, World, run
from tests.support.ledgers import CAMPAIGN, uuid
from worker.ledger import decisions
from worker.model.events import StopReason
from worker.model.sending_bounds import INTENT_EXPIRES_AFTER_S
from worker.settle.settling import MAX_ABSENCE_PROOFS, Settled, Waiting

# -- presence and absence


async def test_what_nothing_asks_about_is_not_looked_for(one: Rig, world: World) -> None:
    before = len(world.asked)

    assert await one.round() == Settled()
    assert len(world.asked) == before


async def test_a_lost_answer_whose_copy_is_listed_is_created_at_the_first_look(
    one: Rig, world: World
) -> None:
    world.add(100, "Wave")
    one.lose()

    assert await one.round() == Settled(created=1)
    assert one.rows() == [("created", uuid(100), "listing")]
    assert world.listed_at()[1:] == [one.given_up + SETTLE_AFTER]
    (event,) = one.settled_events()
    assert (event["status"], event["new_batch_id"], event["line"]) == ("created", uuid(100), 2)


async def test_absence_needs_two_listings_that_left_settle_after_apart(
    one: Rig, world: World
) -> None:
    one.lose()

    assert await one.round() == Settled(absent=1)
    assert one.rows("status, error") == [
        ("pending", "two complete listings show that it was not created")
    ]
    assert world.listed_at()[1:] == [
        one.given_up + SETTLE_AFTER,
        one.given_up + 2 * SETTLE_AFTER,
    ]
    assert one.settled_events()[0]["status"] == "pending"
    one.ledger.rewind()
    assert len(one.intents()) == 1


async def test_settling_says_what_it_waits_for_and_when_it_looks(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,3") as rig:
        await rig.look()
        rig.lose()
        world.add(100, "Wave")
        seen: list[Waiting | None] = [rig.settling.waiting]
        rig.stop.on_wait = world.on_listing = lambda: seen.append(rig.settling.waiting)
        await rig.round()

        first, second = rig.given_up + SETTLE_AFTER, rig.given_up + 2 * SETTLE_AFTER
        assert seen == [
            None,
            Waiting(3, first),
            Waiting(3, None),
            Waiting(2, second),
            Waiting(2, None),
        ]
        assert rig.settling.waiting is None


@pytest.mark.parametrize("lag", [SETTLE_AFTER + 1, 2 * SETTLE_AFTER])
async def test_a_copy_that_takes_effect_late_is_found_by_the_second_look(
    lag: float, one: Rig, world: World
) -> None:
    one.lose()
    world.add(100, "Wave", lag=lag)

    assert await one.round() == Settled(created=1)
    assert len(world.listed_at()) == 3


async def test_some_are_created_and_the_rest_is_absent(tmp_path: Path, world: World) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,5") as rig:
        await rig.look()
        world.add(100, "Wave")
        world.add(101, "Wave", lag=80.0)
        rig.lose()

        assert await rig.round() == Settled(created=2, absent=3)
        assert sorted(rig.statuses()) == ["created"] * 2 + ["pending"] * 3


async def test_regression_the_second_listing_of_each_workspace_waits_for_the_first_one_of_its_own(
    tmp_path: Path, world: World
) -> None:
    """The first look takes 100 s for one workspace, so that the other's listings left seconds
    apart."""
    world.add(3, "There", workspace=OTHER)
    with run(tmp_path, world, f"{SOURCE},Wave,1", f"{uuid(3)},Wave there,1") as rig:
        await rig.look()
        await rig.look()
        rig.lose()
        world.takes = 100.0
        here, there = len(world.listed_at()), len(world.listed_at(OTHER))

        def quick_again() -> None:
            if len(world.listed_at(OTHER)) > there:
                world.takes = 0.0

        world.on_listing = quick_again
        assert await rig.round() == Settled(absent=2)
        for first, second in (world.listed_at()[here:], world.listed_at(OTHER)[there:]):
            assert second - first >= SETTLE_AFTER


# -- stopping


async def test_a_wish_to_stop_while_waiting_decides_nothing(one: Rig, world: World) -> None:
    one.lose()
    one.stop.ask(StopReason.SIGNAL)

    assert await one.round() == Settled(unknown=1)
    assert len(world.listed_at()) == 1
    assert one.statuses() == ["unknown"]


@pytest.mark.parametrize("look", [1, 2])
async def test_a_wish_to_stop_during_a_look_decides_nothing_by_that_look(
    look: int, one: Rig, world: World
) -> None:
    one.lose()

    def stop() -> None:
        if len(world.listed_at()) == 1 + look:
            one.stop.ask(StopReason.SIGNAL)

    world.on_listing = stop
    assert await one.round() == Settled(unknown=1)
    assert len(world.listed_at()) == 1 + look
    assert one.statuses() == ["unknown"]


# -- proofs, campaigns, runs


async def test_an_item_is_proved_absent_three_times_in_a_run_and_then_waits_for_the_next(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        for _ in range(MAX_ABSENCE_PROOFS):
            rig.ledger.rewind()
            rig.lose()
            assert await rig.round() == Settled(absent=1)
        rig.ledger.rewind()
        assert rig.intents() == []
        assert rig.statuses() == ["pending"]
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        assert len(rig.intents()) == 1


async def test_campaigns_of_one_database_are_settled_together_and_what_both_fit_is_given_once(
    tmp_path: Path, world: World
) -> None:
    for campaign in (CAMPAIGN, "autumn"):
        with run(tmp_path, world, f"{SOURCE},Wave,1", campaign=campaign) as rig:
            await rig.look()
            rig.lose()
    world.add(100, "Wave")
    with run(tmp_path, world) as rig:
        await rig.preflight.check_token()
        settled = await rig.round()

        assert (settled.created, settled.created + settled.absent) == (1, 2)
        assert sorted(row[1] or "" for row in rig.rows()) == ["", uuid(100)]


async def test_an_item_that_the_job_wants_no_longer_is_settled_and_not_sent_again(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1", f"{SOURCE},Gone,1") as rig:
        await rig.look()
        rig.lose()
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()

        assert await rig.round() == Settled(absent=2)
        rig.ledger.rewind()
        assert [intent.label for intent in rig.intents()] == ["Wave"]


async def test_what_a_crash_left_under_way_is_given_up_by_the_next_run_and_settled(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},3") as rig:
        await rig.look()
        rig.answer(rig.intents(1)[0], 99)
        rig.intents(2)
        world.add(100, "Wave 2")
    rig.clock.advance(3600.0)
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},3") as rig:
        assert rig.statuses() == ["created", "unknown", "unknown"]
        await rig.look()

        assert await rig.round() == Settled(created=1, absent=1)
        assert rig.rows()[1] == ("created", uuid(100), "listing")
        assert world.listed_at()[-2:] == [rig.began + SETTLE_AFTER, rig.began + 2 * SETTLE_AFTER]


async def test_regression_a_request_that_waited_for_a_sender_before_the_crash_is_found(
    tmp_path: Path, world: World
) -> None:
    """Its intent was written long before it left, because all senders were busy."""
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        rig.answer(rig.intents(1)[0], 99)
        rig.intents(1)
        rig.clock.advance(INTENT_EXPIRES_AFTER_S + 60.0)
        world.add(100, "Wave 2")
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()

        assert await rig.round() == Settled(created=1)


async def test_an_inherited_unknown_is_found_though_this_runs_first_listing_showed_its_copy(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        world.add(100, "Wave")
        rig.lose()
    with run(tmp_path, world, f"{SOURCE},Wave,1", f"{SOURCE},New,1") as rig:
        await rig.look()
        (new,) = rig.intents()
        rig.answer(new, 101)

        assert await rig.round() == Settled(created=1)
        assert rig.rows()[0] == ("created", uuid(100), "listing")


async def test_what_a_listing_showed_before_is_not_the_copy_of_what_is_sent_after(
    tmp_path: Path, world: World
) -> None:
    world.add(100, "Wave")
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        rig.lose()

        assert await rig.round() == Settled(absent=1)


# -- answers beat listings


async def test_an_answer_that_names_a_batch_held_by_listing_takes_it_and_opens_the_other_again(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,2") as rig:
        await rig.look()
        first, second = rig.intents()
        world.add(100, "Wave")
        rig.lose([first])
        left = rig.clock.now
        # The second request is under way: no round may begin then, and if one did, the answer mends
        # it.
        assert (await rig.round()).created == 1
        rig.ended(second, "created", left, uuid(100))

        assert rig.rows() == [("unknown", None, None), ("created", uuid(100), "response")]
        assert "turned out to belong to another row" in rig.errors()[0]
        rig.given_up = rig.clock.now
        assert await rig.round() == Settled(absent=1)


async def test_an_answer_that_names_a_batch_of_another_answer_stays_unknown_for_a_person(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100)
        rig.ended(second, "created", rig.clock.now, uuid(100))
        assert rig.statuses() == ["created", "unknown"]

        assert await rig.round() == Settled(unknown=1)
        assert f"an answer named this batch ({uuid(100)})" in rig.errors()[1]
        decisions.declare_absent(
            rig.ledger, decisions.find_item(rig.ledger, rig.ledger.campaign, "2.2")
        )
        assert rig.statuses() == ["created", "pending"]
