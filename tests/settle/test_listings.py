"""Which listings are complete, so that settling may decide by them.

A test whose name says `regression` has a sequence that once made a double, a false row or a stuck
night."""

from __future__ import annotations

from pathlib import Path

from tests.settle.rig import HEADER, SOURCE, Rig, World, lose, run
from tests.support.ledgers import WORKSPACE, opened, uuid
from worker.export.commands import Invocation
from worker.export.ledger_file import write_ledger_file
from worker.ledger import settlement
from worker.model.clock import iso
from worker.restore.restore import restore
from worker.settle.settling import Settled


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


async def test_regression_a_slow_listing_need_not_show_what_was_created_just_before_it_left(
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


async def test_regression_a_page_that_lacks_what_an_earlier_run_was_shown_is_not_complete(
    tmp_path: Path, world: World
) -> None:
    """The page ends right after our newest 201. Only a listing of an earlier run has shown what a
    person created after the lost request."""
    for number in range(200, 207):
        world.add(number, "Old", by="somebody")
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100)
        world.add(101, "Wave 2")
        world.add(300, "By hand", by="somebody")
        rig.lose([second])
        world.listings[WORKSPACE] = [lambda shown: shown[-1:]]
        assert await rig.round() == Settled(unknown=1)
    with run(tmp_path, world) as rig:
        world.listings[WORKSPACE] = [lambda shown: shown[:10]]

        assert await rig.round() == Settled(unknown=1)
        assert "its length, 10, may be that of a page" in rig.errors()[1]
        assert await rig.round() == Settled(created=1)


async def test_regression_a_page_that_lacks_what_an_answer_named_to_an_earlier_run_is_not_complete(
    tmp_path: Path, world: World
) -> None:
    """The newest request was answered with the oldest batch. No listing has shown the others."""
    for number in range(200, 207):
        world.add(number, "Old", by="somebody")
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},3") as rig:
        await rig.look()
        first, second, third = rig.intents()
        rig.answer(third, 100)
        rig.answer(second, 101)
        world.add(102, "Wave 1")
        rig.lose([first])
    with run(tmp_path, world) as rig:
        world.listings[WORKSPACE] = [lambda shown: shown[:10]] * 2

        assert await rig.round() == Settled(unknown=1)
        assert "its length, 10, may be that of a page" in rig.errors()[0]


async def test_regression_a_page_that_lacks_what_a_restored_file_names_is_not_complete(
    tmp_path: Path, world: World
) -> None:
    for number in range(200, 207):
        world.add(number, "Old", by="somebody")
    file = tmp_path / "spring.csv"
    job = f"{SOURCE},Wave {{n}},4"
    with run(tmp_path, world, job) as rig:
        await rig.look()
        first, second, *_ = rig.intents()
        rig.answer(first, 100)
        rig.answer(second, 101)
        write_ledger_file(rig.ledger, rig.ledger.campaign, "spring", file, Invocation())
    lose(tmp_path)
    now = iso(world.clock.wall())
    with opened(tmp_path, HEADER, job, now=now, timeout_s=60.0) as ledger:
        restore(ledger, file, "spring", (), now)
    with run(tmp_path, world, job) as rig:
        world.listings[WORKSPACE] = [lambda shown: shown[:-1]]
        await rig.look()
        (listing,) = rig.ledger.execute("last_numbers").fetchone()[1:]

        lacking = settlement.known_and_not_shown(rig.ledger, listing, WORKSPACE, 10)
        assert lacking == [uuid(101)]


async def test_a_round_length_after_which_many_are_gone_is_said_to_be_that_of_a_page(
    tmp_path: Path, world: World
) -> None:
    """It says what a person can do: create any batch."""
    for number in range(200, 320):
        world.add(number, "Old", by="somebody")
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100)
        rig.lose([second])
    for number in range(207, 320):
        del world.batches[uuid(number)]
    assert len(world.batches) == 10
    with run(tmp_path, world) as rig:
        assert await rig.round() == Settled(unknown=1)
        assert "its length, 10, may be that of a page" in rig.errors()[1]
        world.add(400, "By hand", by="somebody")
        assert await rig.round() == Settled(absent=1)


async def test_a_round_length_need_not_show_what_was_removed(tmp_path: Path, world: World) -> None:
    for number in range(200, 207):
        world.add(number, "Old", by="somebody")
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 100)
        rig.lose([second])
    del world.batches[uuid(200)]
    with run(tmp_path, world) as rig:
        world.add(209, "By hand", by="somebody")
        assert len(world.batches) == 10
        assert await rig.round() == Settled(absent=1)


async def test_regression_a_page_of_the_newest_that_lacks_the_source_is_not_complete(
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
