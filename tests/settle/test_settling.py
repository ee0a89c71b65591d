"""Rounds of settling over a real ledger, in a world of batches where time is moved by hand.

A test that says `hole` tells a sequence that made a double, a false row or a stuck night before it
was mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.settle.rig import OTHER, SETTLE_AFTER, SOURCE, T0, Rig, World, run
from tests.support.ledgers import CAMPAIGN, WORKSPACE, connection_of, opened, uuid
from worker.api.bodies import read_batch
from worker.ledger import decisions, settlement
from worker.ledger.seat import LEAVES_WITHIN_S
from worker.model.batch import listed
from worker.model.clock import iso
from worker.model.errors import UsageError
from worker.settle.settling import PROOFS, Settled, Waiting

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


async def test_hole_the_second_listing_of_each_workspace_waits_for_the_first_one_of_its_own(
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


# -- listings that are not complete


async def test_a_listing_that_fails_three_times_decides_nothing_and_is_final(
    one: Rig, world: World
) -> None:
    one.lose()
    world.listings[WORKSPACE] = ["HTTP 500: oops"] * 3

    assert await one.round() == Settled(unknown=1)
    assert len(world.listed_at()) == 1 + 3
    assert "not complete: HTTP 500: oops" in one.errors()[0]


async def test_a_listing_that_is_whole_at_the_third_try_decides(one: Rig, world: World) -> None:
    one.lose()
    world.listings[WORKSPACE] = ["cut short", "cut short"]

    assert await one.round() == Settled(absent=1)


async def test_a_batch_that_was_shown_and_is_no_more_spoils_a_listing_unless_it_is_denied(
    one: Rig, world: World
) -> None:
    one.lose()
    lost = world.batches[uuid(2)]
    lost.shown_from = world.now() + 1e6

    assert await one.round() == Settled(unknown=1)
    assert f"it lacks batch {uuid(2)}" in one.errors()[0]

    world.gone.add(uuid(2))
    assert await one.round() == Settled(absent=1)


async def test_a_listing_without_the_source_that_a_get_found_is_not_complete(
    tmp_path: Path, world: World
) -> None:
    world.batches[SOURCE].shown_from = world.now() + 1e6
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        rig.lose()

        assert await rig.round() == Settled(unknown=1)
        assert f"it lacks batch {SOURCE}" in rig.errors()[0]


async def test_a_listing_that_lacks_very_many_is_not_asked_about_one_by_one(
    tmp_path: Path, world: World
) -> None:
    for number in range(200, 320):
        world.add(number, "Old", by="somebody")
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        rig.lose()
        world.listings[WORKSPACE] = [lambda shown: shown[:1]]
        gets = sum(kind == "batch" for kind, _, _ in world.asked)

        assert await rig.round() == Settled(unknown=1)
        assert "it lacks more than 100 batches" in rig.errors()[0]
        assert sum(kind == "batch" for kind, _, _ in world.asked) == gets


async def test_what_this_run_made_long_enough_ago_must_be_shown(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100, lag=1e6)
        rig.lose([second])

        assert await rig.round() == Settled(unknown=1)
        assert f"it lacks batch {uuid(100)}" in rig.errors()[1]


async def test_hole_a_listing_that_takes_long_need_not_show_what_was_created_just_before_it_left(
    tmp_path: Path, world: World
) -> None:
    """A listing counts as of when it left: what was made 20 s before that may still be missing."""
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.lose([second], after=10.0)
        rig.clock.advance(20.0)
        rig.answer(first, 100, lag=25.0)
        world.takes = 40.0

        assert await rig.round() == Settled(absent=1)


async def test_a_round_length_may_be_a_page_and_decides_nothing(
    tmp_path: Path, world: World
) -> None:
    for number in range(200, 208):
        world.add(number, "Old", by="somebody")
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        rig.lose()
        world.add(100, "Wave")
        world.listings[WORKSPACE] = [lambda shown: shown[:10]] * 2

        assert await rig.round() == Settled(unknown=1)
        assert "its length, 10, may be that of a page" in rig.errors()[0]


async def test_a_round_length_that_shows_what_was_created_last_is_complete(
    tmp_path: Path, world: World
) -> None:
    for number in range(200, 207):
        world.add(number, "Old", by="somebody")
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100)
        rig.lose([second])

        assert await rig.round() == Settled(absent=1)


async def test_hole_a_page_of_the_newest_that_lacks_the_source_is_not_complete(
    tmp_path: Path, world: World
) -> None:
    """A killed run made much after the lost request; a later `settle` is shown the newest ten only,
    its newest 201 among them, and the copy is older than these."""
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},30") as rig:
        await rig.look()
        lost, *others = rig.intents()
        left = rig.clock.now
        world.add(100, "Wave 1")
        for number, intent in enumerate(others, 101):
            rig.answer(intent, number)
        rig.ended(lost, "unknown", left)
    with run(tmp_path, world) as rig:
        world.listings[WORKSPACE] = [lambda shown: shown[-10:]]

        assert await rig.round() == Settled(unknown=1)
        assert f"it lacks batch {SOURCE}" in rig.errors()[0]
        assert await rig.round() == Settled(created=1)


# -- stopping


async def test_a_wish_to_stop_while_waiting_decides_nothing(one: Rig, world: World) -> None:
    one.lose()
    one.stop.ask("signal")

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
            one.stop.ask("signal")

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
        for _ in range(PROOFS):
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


async def test_hole_a_request_that_waited_for_a_sender_before_the_crash_is_found(
    tmp_path: Path, world: World
) -> None:
    """Its intent was written long before it left, because all senders were busy."""
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        rig.answer(rig.intents(1)[0], 99)
        rig.intents(1)
        rig.clock.advance(LEAVES_WITHIN_S + 60.0)
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


# -- clocks


@pytest.mark.parametrize("skew", [0.0, 5000.0, -5000.0])
async def test_the_offset_is_learned_from_answers_of_the_same_run(
    skew: float, tmp_path: Path, world: World
) -> None:
    world.created_skew = skew
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100)
        world.add(101, "Wave 2")
        rig.lose([second])
        (open_one,) = settlement.open_attempts(rig.ledger)

        assert open_one.offset is not None
        assert open_one.offset.low <= skew <= open_one.offset.high
        assert open_one.offset.high - open_one.offset.low < 5.0
        assert await rig.round() == Settled(created=1)


async def test_answers_that_contradict_each_other_leave_the_offset_unknown(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},3") as rig:
        await rig.look()
        first, second, third = rig.intents()
        rig.answer(first, 100)
        world.created_skew = 3600.0
        rig.answer(second, 101)
        rig.lose([third])

        assert settlement.open_attempts(rig.ledger)[0].offset is None


async def test_hole_an_old_copy_that_no_baseline_has_is_not_claimed(
    tmp_path: Path, world: World
) -> None:
    """No listing before sending, no 201 to tell clocks by, and somebody's copy of the same name
    from yesterday."""
    world.add(100, "Wave")
    world.clock.advance(86_400.0)
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        world.listings[WORKSPACE] = ["HTTP 500: oops"] * 3
        await rig.look()
        rig.lose()

        assert await rig.round() == Settled(unknown=1)
        assert uuid(100) in rig.errors()[0]


async def test_hole_a_date_from_before_a_request_was_given_up_does_not_end_its_wide_window(
    two: Rig, world: World
) -> None:
    """Listings without a Date, after twenty minutes without an answer."""
    two.lose(after=1200.0)
    world.tells_date = False
    await two.round()
    (after,) = (
        connection_of(two.ledger).execute("SELECT date_after FROM attempts WHERE id = 2").fetchone()
    )

    assert after >= T0 + two.given_up - 1000.0 - 2.0


# -- somebody else


async def test_somebody_elses_copy_of_the_same_name_is_not_ours_once_answers_tell_people_apart(
    two: Rig, world: World
) -> None:
    world.add(101, "Wave 2", by="somebody")
    two.lose()

    assert await two.round() == Settled(absent=1)


async def test_two_batches_for_one_attempt_are_left_to_a_person_for_good(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        world.add(100, "Wave")
        world.add(101, "Wave")
        rig.lose()

        assert await rig.round() == Settled(unknown=1)
        assert f"({uuid(100)}, {uuid(101)})" in rig.errors()[0]
    del world.batches[uuid(101)]
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        assert await rig.round() == Settled(unknown=1)
        decisions.assign(
            rig.ledger,
            decisions.find_item(rig.ledger, rig.ledger.campaign, "2"),
            listed_one(world, 100),
        )
        assert rig.rows() == [("created", uuid(100), "person")]


def listed_one(world: World, number: int) -> Any:
    batch = read_batch(world.body(world.batches[uuid(number)]))
    assert batch is not None
    return listed(batch)


# -- what survives copying


async def test_a_batch_of_another_name_is_no_candidate_once_a_201_was_listed_as_it_was_sent(
    two: Rig, world: World
) -> None:
    world.add(101, "Quite another")
    two.lose()

    assert await two.round() == Settled(absent=1)


async def test_without_a_201_every_new_batch_is_a_candidate(one: Rig, world: World) -> None:
    world.add(101, "Quite another")
    one.lose()

    assert await one.round() == Settled(unknown=1)
    assert f"these may be its copy ({uuid(101)})" in one.errors()[0]


async def test_hole_a_copy_that_is_listed_before_it_is_whole_is_found_when_it_is(
    two: Rig, world: World
) -> None:
    """The first look shows it without its task and data; that first look was kept."""
    world.add(101, "Wave 2", details=None, datasets=())
    two.lose()

    def finish() -> None:
        if len(world.listed_at()) == 3:
            world.batches[uuid(101)].details, world.batches[uuid(101)].datasets = (
                "task",
                ("data",),
            )

    world.on_listing = finish
    assert await two.round() == Settled(created=1)
    assert two.rows()[1] == ("created", uuid(101), "listing")


async def test_hole_a_copy_that_somebody_renames_between_listings_is_not_forgotten(
    two: Rig, world: World
) -> None:
    world.add(101, "Wave 2", datasets=("not", "yet"))
    two.lose()

    def rename() -> None:
        if len(world.listed_at()) == 3:
            world.batches[uuid(101)].name = "Mine now"

    world.on_listing = rename
    world.listings[WORKSPACE] = []
    assert await two.round() == Settled(unknown=1)
    assert uuid(101) in two.errors()[1]


async def test_hole_a_source_that_changed_after_it_was_looked_up_proves_nothing(
    two: Rig, world: World
) -> None:
    """Edited during the night: its copies have the new task, and answers from before said that
    tasks survive."""
    world.batches[SOURCE].details = "edited"
    world.add(101, "Wave 2", details="edited")
    two.lose()

    assert await two.round() == Settled(unknown=1)
    assert uuid(101) in two.errors()[1]


async def test_hole_a_source_that_is_shown_no_more_may_have_changed_before_it_went(
    tmp_path: Path, world: World
) -> None:
    """Edited after it was looked up, copied, and removed: nobody has seen that its copies look
    otherwise."""
    other = uuid(2)
    world.add(2, "Other source")
    with opened(tmp_path, "batch_id,name", f"{other},Kept", f"{SOURCE},Wave") as ledger:
        rig = Rig(ledger, world)
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100)
        world.add(101, "Wave", details="edited")
        rig.lose([second])
        del world.batches[SOURCE]

        assert await rig.round() == Settled(unknown=1)
        assert uuid(101) in rig.errors()[1]


async def test_hole_a_source_that_changed_before_it_was_looked_up_blocks_nothing(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},1") as rig:
        await rig.look()
    world.batches[SOURCE].details = "edited"
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100, details="edited")
        world.add(101, "Quite another")
        rig.lose([second])

        assert await rig.round() == Settled(absent=1)


async def test_hole_copies_without_data_do_not_show_that_data_survives(
    tmp_path: Path, world: World
) -> None:
    """The API gives copies a dataset of their own; the only 201 was for a new dataset, which has
    none."""
    with opened(
        tmp_path, "batch_id,name,upload_new_dataset", f"{SOURCE},New,true", f"{SOURCE},Wave,false"
    ) as ledger:
        rig = Rig(ledger, world)
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100, datasets=())
        world.add(101, "Wave", datasets=("its own",))
        rig.lose([second])

        assert await rig.round() == Settled(unknown=1)
        assert uuid(101) in rig.errors()[1]


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


# -- people


async def unknown_rig(rig: Rig) -> None:
    await rig.look()
    rig.lose()


@pytest.mark.parametrize(
    ("text", "item"),
    [("2.1", 1), ("2.3", 3), ("3", 4), ("3.1", 4), ("#2", 2), ("02.01", 1), ("#4", 4)],
)
async def test_an_item_is_found_by_its_line_its_copy_or_its_number(
    text: str, item: int, tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},3", f"{SOURCE},One,1") as rig:
        assert decisions.find_item(rig.ledger, rig.ledger.campaign, text) == item


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2", "line 2 has 3 copies"),
        ("2.4", "no such duplicate"),
        ("9", "no such duplicate"),
        ("0", "no such duplicate"),
        ("#9", "no such item"),
        ("#0", "no such item"),
        ("", "is not an item"),
        ("x", "is not an item"),
        ("#x", "is not an item"),
        ("#", "is not an item"),
        ("2.x", "is not an item"),
        ("-2", "is not an item"),
        ("2.1.1", "is not an item"),
        ("²", "is not an item"),
        ("٢", "is not an item"),
        ("9" * 30, "is not an item"),
        ("#" + "9" * 30, "is not an item"),
    ],
)
async def test_what_is_no_item_is_refused_in_a_message(
    text: str, says: str, tmp_path: Path, world: World
) -> None:
    with (
        run(tmp_path, world, f"{SOURCE},Wave {{n}},3", f"{SOURCE},One,1") as rig,
        pytest.raises(UsageError, match=says),
    ):
        decisions.find_item(rig.ledger, rig.ledger.campaign, text)


async def test_a_person_may_say_which_batch_it_is_or_that_there_is_none(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await unknown_rig(rig)
        world.add(100, "Something")
        decisions.assign(rig.ledger, 1, listed_one(world, 100))
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
                decisions.assign(rig.ledger, item, listed_one(world, 101))
            with pytest.raises(UsageError, match=f"#{item} is {status}, not unknown"):
                decisions.declare_absent(rig.ledger, item)


async def test_a_batch_never_gets_two_owners_and_a_source_is_no_copy(
    two: Rig, world: World
) -> None:
    two.lose()

    with pytest.raises(
        UsageError, match=f"{uuid(100)} already belongs to line 2 of campaign {CAMPAIGN}"
    ):
        decisions.assign(two.ledger, 2, listed_one(world, 100))
    with pytest.raises(UsageError, match="is the source of #2"):
        decisions.assign(two.ledger, 2, listed_one(world, 1))
    assert two.statuses() == ["created", "unknown"]


async def test_what_a_person_assigned_is_no_candidate_any_more(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await unknown_rig(rig)
        world.add(100, "Something")
        assert await rig.round() == Settled(unknown=2)
        decisions.assign(rig.ledger, 1, listed_one(world, 100))

        assert await rig.round() == Settled(absent=1)
