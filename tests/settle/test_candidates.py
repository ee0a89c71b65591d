"""Which batches of a listing may be the copy: clocks, creators, and what copying keeps.

A test whose name says `regression` has a sequence that once made a double, a false row or a stuck
night."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settle.rig import SOURCE, T0, Rig, World, run
from tests.support.ledgers import WORKSPACE, connection_of, opened, uuid
from worker.ledger import decisions, settlement
from worker.settle.settling import Settled

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


async def test_regression_an_old_copy_that_no_baseline_has_is_not_claimed(
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


async def test_regression_a_date_from_before_a_request_was_given_up_does_not_end_its_wide_window(
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
            world.shown(100),
        )
        assert rig.rows() == [("created", uuid(100), "person")]


# -- what survives copying


async def test_a_batch_of_another_name_is_no_candidate_once_a_201_was_listed_as_it_was_sent(
    two: Rig, world: World
) -> None:
    world.add(101, "Quite another")
    world.clock.advance(300.0)  # otherwise it could be a copy that a person renamed
    two.lose()

    assert await two.round() == Settled(absent=1)


async def test_a_copy_that_a_person_renamed_before_it_was_listed_is_a_candidate(
    two: Rig, world: World
) -> None:
    two.intents()
    world.add(101, "Final A")
    two.lose()

    assert await two.round() == Settled(unknown=1)
    assert f"these may be its copy ({uuid(101)})" in two.errors()[1]


async def test_without_a_201_every_new_batch_is_a_candidate(one: Rig, world: World) -> None:
    world.add(101, "Quite another")
    one.lose()

    assert await one.round() == Settled(unknown=1)
    assert f"these may be its copy ({uuid(101)})" in one.errors()[0]


async def test_regression_a_copy_that_is_listed_before_it_is_whole_is_found_when_it_is(
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


async def test_regression_a_copy_that_somebody_renames_between_listings_is_not_forgotten(
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


async def test_regression_a_source_that_changed_after_it_was_looked_up_proves_nothing(
    two: Rig, world: World
) -> None:
    """Edited during the night: its copies have the new task, and answers from before said that
    tasks survive."""
    world.batches[SOURCE].details = "edited"
    world.add(101, "Wave 2", details="edited")
    two.lose()

    assert await two.round() == Settled(unknown=1)
    assert uuid(101) in two.errors()[1]


async def test_regression_a_source_that_is_shown_no_more_may_have_changed_before_it_went(
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


async def test_regression_a_source_that_changed_before_it_was_looked_up_blocks_nothing(
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


async def test_regression_copies_without_data_do_not_show_that_data_survives(
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
