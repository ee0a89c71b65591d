"""Sequences that once created a double, a false row or a stuck night: each test fails without the
fix of its rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settle.rig import OTHER, SETTLE_AFTER, SOURCE, Rig, World, run
from tests.support.ledgers import WORKSPACE, connection_of, opened, uuid
from worker.ledger import decisions
from worker.model.replies import Reply
from worker.settle.settling import Settled


async def test_a_lost_copy_that_a_later_job_takes_for_its_source_is_not_proved_absent(
    tmp_path: Path, world: World
) -> None:
    """The GET that finds it must not put it into the baseline of its own attempt."""
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        copy = world.add(100, "Wave")
        rig.lose()  # … and the run is stopped before it settles
    world.clock.advance(3600.0)
    with run(tmp_path, world, f"{copy},Copy of the copy,1", campaign="autumn") as rig:
        await rig.look()
        await rig.round()
        assert rig.rows("status, new_batch_id")[0] == ("created", copy)


async def test_a_source_that_was_edited_and_put_back_between_two_looks_may_be_its_twins_rival(
    tmp_path: Path, world: World
) -> None:
    """It is an older version of itself again, and not a new one."""
    twin = world.add(3, "Signs")
    job = (f"{SOURCE},Wave,1", f"{twin},Wave,1")
    with run(tmp_path, world, f"{twin},First,1") as rig:
        await rig.look()
        rig.answer(rig.intents()[0], 100)
    world.batches[twin].details = "edited"
    with run(tmp_path, world, *job, campaign="autumn") as rig:
        await rig.look()
        world.batches[twin].details = "task"
        world.add(101, "Wave")  # the twin's
        rig.lose()
        for _ in range(2):
            assert await rig.round() == Settled(unknown=2)


async def test_copies_of_a_source_that_was_put_back_meanwhile_do_not_show_what_copying_changes(
    tmp_path: Path, world: World
) -> None:
    """The twin was edited when it was looked up, and put back before it was copied. Copying seems
    to turn what it was into what its own twin is."""
    twin = world.add(3, "Signs", details="edited")
    with run(tmp_path, world, f"{twin},Wave,2", f"{SOURCE},Wave,1") as rig:
        await rig.look()
        answered, lost, other = rig.intents()
        world.batches[twin].details = "task"
        rig.answer(answered, 100)
        world.add(101, "Wave")  # the other source's
        rig.lose([lost, other])
        await rig.round()
        assert rig.statuses() == ["created", "unknown", "unknown"]


@pytest.mark.parametrize("where", [WORKSPACE, OTHER])
async def test_only_the_rows_of_a_source_that_was_moved_are_not_proved_absent(
    where: str, tmp_path: Path, world: World
) -> None:
    """The listing of its former workspace is complete without it. Its own copy may be in the new
    one."""
    moving = world.add(3, "Moving", details="other")
    with run(tmp_path, world, f"{SOURCE},Wave {{n}},2", f"{moving},Moved {{n}},2") as rig:
        await rig.look()
        world.add(100, "Wave 1")
        world.add(101, "Moved 1", details="other", workspace=where)
        world.batches[moving].workspace = OTHER
        rig.lose()
        await rig.round()
        found = "created" if where == WORKSPACE else "unknown"
        assert rig.statuses() == ["created", "pending", found, "unknown"]
        assert "moved to another workspace" in rig.errors()[3]


@pytest.mark.parametrize("command", ["run", "settle"])
async def test_a_token_that_sees_nothing_of_the_workspace_proves_nothing(
    command: str, tmp_path: Path, world: World
) -> None:
    """Access was withdrawn, and the API shows an empty workspace instead of refusing."""
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        world.add(100, "Wave")
        rig.lose()
    world.clock.advance(3600.0)
    world.batches.clear()
    with run(tmp_path, world, *((f"{SOURCE},Wave,1",) if command == "run" else ())) as rig:
        if command == "run":
            await rig.look()
        else:
            await rig.preflight.check_token()
        await rig.round()
        assert rig.statuses() == ["unknown"], rig.errors()


async def test_another_persons_token_that_does_not_see_the_source_proves_nothing(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        hidden = [world.add(100, "Wave"), SOURCE]
        rig.lose()
    world.clock.advance(3600.0)
    for batch_id in hidden:  # the unrelated batch is all that a colleague is shown
        del world.batches[batch_id]
    world.user = "colleague"
    with run(tmp_path, world) as rig:
        await rig.preflight.check_token()
        await rig.round()
        assert rig.statuses() == ["unknown"]
        assert "token" in rig.errors()[0]


@pytest.mark.parametrize(("sees", "status"), [(False, "unknown"), (True, "pending")])
async def test_another_persons_token_proves_absence_only_if_it_sees_the_firsts_batches(
    sees: bool, status: str, tmp_path: Path, world: World
) -> None:
    """A colleague may see the source, which is the colleague's own, and nothing that others
    made."""
    with run(tmp_path, world, f"{SOURCE},Wave,2") as rig:
        await rig.look()
        first, second = rig.intents()
        made = rig.answer(first, 100)
        hidden = [world.add(101, "Wave")] if not sees else []
        rig.lose([second])
    world.clock.advance(3600.0)
    for batch_id in hidden + ([made] if not sees else []):
        del world.batches[batch_id]
    world.user = "colleague"
    with run(tmp_path, world) as rig:
        await rig.preflight.check_token()
        await rig.round()
        assert rig.statuses() == ["created", status], rig.errors()


@pytest.mark.parametrize("later", [0.0, 1000.0])
async def test_the_time_after_a_request_is_that_of_a_clock_that_went_back(
    later: float, tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        rig.lose()
        world.stepped = -300.0
        await rig.preflight.check_token()
        world.clock.advance(later)
        looked: list[float] = []
        world.on_listing = lambda: looked.append(world.now())
        await rig.round()
        (after,) = connection_of(rig.ledger).execute("SELECT date_after FROM attempts").fetchone()
        assert abs(after - looked[0]) <= 2.0


async def test_a_batch_that_a_person_assigned_does_not_show_whose_batches_a_token_sees(
    tmp_path: Path, world: World
) -> None:
    """The colleague made the batch by hand, and the first person gave it to a row."""
    with run(tmp_path, world, f"{SOURCE},Wave,2") as rig:
        await rig.look()
        rig.lose()
        world.add(100, "By hand", by="colleague")
        decisions.assign(rig.ledger, 1, world.shown(100))
    world.clock.advance(3600.0)
    world.user = "colleague"
    with run(tmp_path, world) as rig:
        await rig.preflight.check_token()
        await rig.round()
        assert rig.statuses() == ["created", "unknown"], rig.errors()


async def test_after_the_apis_clock_went_back_an_older_looking_batch_may_be_the_copy(
    tmp_path: Path, world: World
) -> None:
    """An answer showed it before the request left, and the request's own did not come."""
    with run(tmp_path, world, f"{SOURCE},Wave,1", f"{SOURCE},Other,1") as rig:
        await rig.look()
        world.stepped = -4000.0
        await rig.preflight.check_token()
        lost = rig.intents(1)
        world.add(100, "Wave")
        rig.lose(lost)
    world.clock.advance(7200.0)
    with run(tmp_path, world, f"{SOURCE},Wave,1", f"{SOURCE},Other,1") as rig:
        await rig.look()
        rig.answer(rig.intents()[0], 101)
        await rig.round()
        assert rig.statuses() == ["unknown", "created"], rig.errors()


async def test_a_source_that_its_own_404_denies_keeps_nothing_from_being_decided(
    tmp_path: Path, world: World
) -> None:
    """Its owner's token asks, and other batches are shown: it was removed."""
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        rig.lose()
    world.clock.advance(3600.0)
    del world.batches[SOURCE]
    with run(tmp_path, world) as rig:
        await rig.preflight.check_token()
        assert await rig.round() == Settled(absent=1)


async def test_a_source_that_moved_before_the_request_is_not_proved_to_have_no_copy(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        world.batches[SOURCE].workspace = OTHER
        world.add(100, "Wave", workspace=OTHER)
        rig.lose()
    world.clock.advance(3600.0)
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        await rig.round()
        assert rig.statuses() == ["unknown"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Q&A 2", "Q&amp;A 2"),
        ("Café 2", "Cafe 2"),
        ("Don't 2", "Don&#39;t 2"),
        ("Größe 2", "Gr??e 2"),
    ],
)
async def test_a_name_that_an_api_would_escape_proves_nothing_though_plain_names_survive(
    sent: str, kept: str, tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Plain,1", f"{SOURCE},{sent},1") as rig:
        await rig.look()
        plain, odd = rig.intents()
        rig.answer(plain, 200)
        world.add(100, kept)
        rig.lose([odd])
        await rig.round()
        assert rig.statuses()[1] == "unknown", rig.rows("status, error")


async def test_a_name_proves_something_once_its_characters_were_seen_to_survive(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Größe 1,1", f"{SOURCE},Größe 2,1") as rig:
        await rig.look()
        first, second = rig.intents()
        rig.answer(first, 200)
        world.add(100, "Quite another")
        world.clock.advance(300.0)
        rig.lose([second])
        assert await rig.round() == Settled(absent=1)


async def test_what_was_left_open_for_want_of_evidence_is_decided_when_there_is_some(
    tmp_path: Path, world: World
) -> None:
    """Alike names of one source, lost before any answer showed that names survive."""
    rows = (f"{SOURCE},Part 1.1,1", f"{SOURCE},Part 11,1", f"{SOURCE},Other,1")
    with run(tmp_path, world, *rows) as rig:
        await rig.look()
        intents = rig.intents(2)
        world.add(100, "Part 1.1")
        world.add(101, "Part 11")
        rig.lose(intents)
        await rig.round()
        assert rig.statuses()[:2] == ["unknown", "unknown"]
    world.clock.advance(3600.0)
    with run(tmp_path, world, *rows) as rig:
        await rig.look()
        rig.answer(rig.intents()[0], 200)
        world.clock.advance(100.0)
        await rig.round()
        assert rig.statuses() == ["created"] * 3, rig.errors()


async def test_a_longer_settle_after_widens_the_window_of_what_an_earlier_run_sent(
    tmp_path: Path, world: World
) -> None:
    rows = (f"{SOURCE},Wave,1", f"{SOURCE},Other,1")
    with run(tmp_path, world, *rows, settle_after_s=1.0) as rig:
        await rig.look()
        first, other = rig.intents()
        rig.answer(other, 200)
        rig.lose([first])
        world.clock.advance(20.0)  # within the 30 s of the run that settles
        world.add(100, "Wave")
    world.clock.advance(3600.0)
    with run(tmp_path, world, *rows) as rig:
        await rig.look()
        await rig.round()
        assert rig.statuses()[0] == "created", rig.errors()


async def test_without_a_date_what_a_dead_run_sent_is_waited_for_in_full(
    tmp_path: Path, world: World
) -> None:
    world.tells_date = False
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        rig.intents()  # leaves; the process dies
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        began = world.clock.now
        await rig.look()
        await rig.round()
        assert world.listed_at()[-2] - began >= 60.0 + SETTLE_AFTER


async def test_a_page_of_twenty_five_is_a_page(tmp_path: Path, world: World) -> None:
    for number in range(300, 330):
        world.add(number, f"Bystander {number}", by="somebody")
    world.clock.advance(3600.0)
    world.listings[WORKSPACE] = [lambda shown: shown[:25]] * 100
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:
        await rig.look()
        world.add(100, "Wave")
        rig.lose()
        await rig.round()
        assert rig.statuses() == ["unknown"], rig.rows("status, error")


async def test_a_batch_of_exactly_the_sent_name_of_ours_in_the_window_is_never_nothing(
    tmp_path: Path, world: World
) -> None:
    """The source was edited for a minute and put back, so that no look shows that it ever
    changed."""
    with run(tmp_path, world, f"{SOURCE},Plain,1", f"{SOURCE},Wave,1") as rig:
        await rig.look()
        plain, wave = rig.intents()
        rig.answer(plain, 200)
        world.add(100, "Wave", details="the source's task for a minute")
        rig.lose([wave])
        await rig.round()
        assert rig.statuses()[1] == "unknown", rig.rows("status, error")


async def test_a_copy_that_looks_just_like_our_other_copies_of_the_source_is_found(
    tmp_path: Path, world: World
) -> None:
    """The API cleans task details; our own answers, seen again, show what copies look like."""
    with run(tmp_path, world, f"{SOURCE},Plain,1", f"{SOURCE},Wave,1") as rig:
        await rig.look()
        plain, wave = rig.intents()
        rig.answer(plain, 200, details="<p>task</p>")
        world.add(100, "Wave", details="<p>task</p>")
        rig.lose([wave])
        await rig.round()
        assert rig.statuses()[1] == "created", rig.rows("status, error")


async def test_looks_that_copies_of_two_sources_share_tell_neither(
    tmp_path: Path, world: World
) -> None:
    """Cleaned, the tasks of both are one and the same."""
    other = uuid(3)
    world.add(3, "Other signs", details="Task")
    world.clock.advance(3600.0)
    with opened(
        tmp_path,
        "batch_id,name",
        f"{SOURCE},One",
        f"{other},Two",
        f"{SOURCE},Wave",
        f"{other},Wave",
    ) as ledger:
        rig = Rig(ledger, world)
        await rig.look()
        one, two, *lost = rig.intents()
        rig.answer(one, 200, details="cleaned")
        rig.answer(two, 201, details="cleaned")
        world.add(100, "Wave", details="cleaned")
        rig.lose(lost)
        assert await rig.round() == Settled(unknown=2)


async def test_a_deleted_source_does_not_make_a_round_length_a_page_for_ever(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Plain,1", f"{SOURCE},Wave,1") as rig:
        await rig.look()
        plain, wave = rig.intents()
        rig.answer(plain, 200)
        rig.lose([wave])
    for number in range(300, 308):
        world.add(number, f"Bystander {number}", by="somebody")
    world.clock.advance(3600.0)
    del world.batches[SOURCE]
    assert len(world.batches) == 10
    with run(tmp_path, world) as rig:
        await rig.preflight.check_token()
        assert (await rig.round()).absent == 1, rig.errors()


async def test_a_listing_that_always_fails_at_a_slow_api_ends(tmp_path: Path, world: World) -> None:
    world.listings[WORKSPACE] = ["HTTP 403: may not be listed"] * 100_000
    real = world.me

    async def slow() -> Reply:
        world.clock.advance(1.5)
        return await real()

    world.me = slow  # type: ignore[method-assign]
    with run(tmp_path, world, f"{SOURCE},Wave,1") as rig:

        def bounded() -> None:
            assert world.clock.now - rig.began < 6 * 3600.0, (
                f"{len(world.listed_at())} listings in six hours"
            )

        world.on_listing = bounded
        await rig.look()


async def test_after_a_crash_an_api_whose_clock_is_ahead_does_not_shorten_the_wait(
    tmp_path: Path, world: World
) -> None:
    with run(tmp_path, world, f"{SOURCE},Wave,1", timeout_s=60.0) as rig:
        await rig.look()
        rig.intents()
    world.clock.advance(1.0)
    world.stepped = 120.0
    with run(tmp_path, world, timeout_s=60.0) as rig:
        await rig.preflight.check_token()
        looked = len(world.listed_at())
        assert await rig.round() == Settled(absent=1)
        first, second = world.listed_at()[looked:]
        assert first >= rig.began + 60.0 + SETTLE_AFTER
        assert second >= first + SETTLE_AFTER


async def test_an_api_that_copies_the_creator_of_the_source_does_not_tell_people_apart(
    tmp_path: Path, world: World
) -> None:
    world.add(3, "Theirs", by="colleague")
    with run(tmp_path, world, f"{SOURCE},Mine,1", f"{uuid(3)},Wave {{n}},2") as rig:
        await rig.look()
        mine, first, second = rig.intents()
        rig.answer(mine, 100)
        rig.answer(first, 101, by="colleague")
        world.add(102, "Wave 2", by="colleague")
        rig.lose([second])
        assert await rig.round() == Settled(unknown=1)


async def test_a_batch_that_was_moved_back_between_two_looks_is_found_where_it_is_now(
    tmp_path: Path, world: World
) -> None:
    world.add(3, "There", workspace=OTHER)
    with run(tmp_path, world, f"{SOURCE},Wave,1", f"{uuid(3)},Wave there,1") as rig:
        await rig.look()
        world.add(100, "Wave", workspace=OTHER)
        rig.lose()
        looks = len(world.listed_at())

        def move() -> None:
            if len(world.listed_at()) == looks + 2:  # at the second look
                world.batches[uuid(100)].workspace = WORKSPACE

        world.on_listing = move
        assert await rig.round() == Settled(created=1, absent=1)


async def test_a_source_that_moved_into_a_workspace_that_is_listed_first_is_still_shown_there(
    tmp_path: Path, world: World
) -> None:
    world.batches[SOURCE].workspace = OTHER
    world.add(3, "There", workspace=OTHER)
    rows = (f"{SOURCE},Wave {{n}},2", f"{uuid(2)},Unrelated,1")
    with run(tmp_path, world, *rows) as rig:
        await rig.look()
        rig.lose(rig.intents(1))
    world.batches[SOURCE].workspace = WORKSPACE
    world.clock.advance(3600.0)
    with run(tmp_path, world, *rows) as rig:
        await rig.look()
        rig.lose(rig.intents(1))
        await rig.round()
        assert rig.statuses()[:2] == ["unknown", "pending"], rig.errors()
