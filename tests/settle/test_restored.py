"""Settling after a lost database was rebuilt from a ledger file: nobody remembers when what was
sent."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.settle.rig import HEADER, SETTLE_AFTER, SOURCE, Rig, World, lose, run
from tests.support.ledgers import connection_of, opened, uuid
from worker.export.commands import Invocation
from worker.export.ledger_file import write_ledger_file
from worker.model.clock import iso
from worker.model.run_id import new_run_id
from worker.model.sending_bounds import DEFAULT_TIMEOUT_S
from worker.restore.restore import CLOCK_OFF_S, restore
from worker.settings.options import OPTIONS
from worker.settle.settling import Settled

DAY_S = 86_400.0
TIMEOUT_S = 60.0
JOB = f"{SOURCE},Wave,1"
PARTS = 12


def lost_after_its_first_file(folder: Path, world: World, run_id: str = "") -> Path:
    """A run writes its ledger file, sends a request and dies, and so does its database; the ledger
    file."""
    file = folder / "spring.csv"
    with run(folder, world, JOB, run_id=run_id or new_run_id(world.clock.wall())) as rig:
        rig.ledger.mark_started()
        write(rig, file)
    lose(folder)
    return file


def write(rig: Rig, file: Path) -> None:
    """The run writes its ledger file."""
    write_ledger_file(rig.ledger, rig.ledger.campaign, "spring", file, Invocation())


def restored(
    folder: Path, world: World, file: Path, *job: str, timeout_s: float = TIMEOUT_S
) -> None:
    """A person restores the file with these rows of a job (none: `JOB`)."""
    now = iso(world.clock.wall())
    with opened(folder, HEADER, *(job or [JOB]), now=now, timeout_s=timeout_s) as ledger:
        restore(ledger, file, "spring", (), now)


@pytest.mark.parametrize(
    ("run_id", "days"),
    [
        pytest.param("", 6, id="the run's name tells when it began"),
        pytest.param("nightly", 400, id="nothing does"),
    ],
)
async def test_what_was_sent_days_before_the_restoring_is_found(
    run_id: str, days: int, tmp_path: Path, world: World
) -> None:
    """The file is of before the first request, so it has no times."""
    file = lost_after_its_first_file(tmp_path, world, run_id)
    world.add(100, "Wave")
    world.clock.advance(days * DAY_S)
    restored(tmp_path, world, file)
    with run(tmp_path, world, JOB) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=1)
        assert rig.rows() == [("created", uuid(100), "listing")]


async def test_a_batch_of_long_before_the_lost_run_is_not_taken_for_its_copy(
    tmp_path: Path, world: World
) -> None:
    world.add(100, "Wave")
    world.clock.advance(CLOCK_OFF_S + 3 * DAY_S)
    file = lost_after_its_first_file(tmp_path, world)
    restored(tmp_path, world, file)
    with run(tmp_path, world, JOB) as rig:
        await rig.look()
        assert await rig.round() == Settled(absent=1)


@pytest.mark.parametrize("sent_at", ["20/02/2026 12:00", "a while ago"])
async def test_a_time_that_cannot_be_read_may_be_any(
    sent_at: str, tmp_path: Path, world: World
) -> None:
    """A spreadsheet program has written it its own way; the run that the file names may be a later
    one."""
    world.add(100, "Wave")
    world.clock.advance(CLOCK_OFF_S + 3 * DAY_S)
    file = lost_after_its_first_file(tmp_path, world)
    with file.open(encoding="utf-8", newline="") as lines:
        (row,) = csv.DictReader(lines)
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([list(row), (row | {"first_sent_at": sent_at}).values()])
    restored(tmp_path, world, file)
    with run(tmp_path, world, JOB) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=1)


async def test_a_request_that_is_under_way_when_the_file_is_restored_is_waited_for(
    tmp_path: Path, world: World
) -> None:
    file = lost_after_its_first_file(tmp_path, world)
    restored(tmp_path, world, file)
    world.add(100, "Wave", lag=TIMEOUT_S)
    with run(tmp_path, world, JOB) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=1)
        assert world.listed_at()[-1] == pytest.approx(rig.began + TIMEOUT_S + SETTLE_AFTER, abs=2)


async def test_a_lost_run_may_have_had_the_default_time_limit_although_later_ones_have_not(
    tmp_path: Path, world: World
) -> None:
    (default,) = (option.default for option in OPTIONS if option.key == "timeout")
    assert default == DEFAULT_TIMEOUT_S == TIMEOUT_S
    file = lost_after_its_first_file(tmp_path, world)
    restored(tmp_path, world, file, timeout_s=10.0)
    world.add(100, "Wave", lag=DEFAULT_TIMEOUT_S)
    with run(tmp_path, world, JOB, timeout_s=10.0) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=1)


async def test_later_runs_do_not_wait_for_it_again(tmp_path: Path, world: World) -> None:
    file = lost_after_its_first_file(tmp_path, world)
    restored(tmp_path, world, file)
    world.add(100, "Wave")
    world.add(101, "Wave")
    for waits in (TIMEOUT_S, 0.0):
        with run(tmp_path, world, JOB) as rig:
            await rig.look()
            assert await rig.round() == Settled(unknown=1)
            assert world.listed_at()[-1] == pytest.approx(
                rig.began + waits + 2 * SETTLE_AFTER, abs=2
            )
        world.clock.advance(DAY_S)


@pytest.mark.parametrize("longer", ["the run that restores", "the run that settles"])
async def test_its_time_limit_is_presumed_to_be_the_longest_that_is_known(
    longer: str, tmp_path: Path, world: World
) -> None:
    file = lost_after_its_first_file(tmp_path, world)
    restoring, settling = (300.0, 60.0) if longer == "the run that restores" else (60.0, 300.0)
    restored(tmp_path, world, file, timeout_s=restoring)
    with run(tmp_path, world, JOB, timeout_s=settling) as rig:
        await rig.look()
        await rig.round()
        assert world.listed_at()[-2] == pytest.approx(rig.began + 300.0 + SETTLE_AFTER, abs=2)


@pytest.mark.parametrize("under_way", [True, False])
async def test_what_was_given_up_before_the_file_was_written_gets_the_older_batch(
    under_way: bool, tmp_path: Path, world: World
) -> None:
    """The first one's request had not been answered then, or was sent again by a run that died."""
    job, file = f"{SOURCE},Wave,2", tmp_path / "spring.csv"
    with run(tmp_path, world, job) as rig:
        await rig.look()
        first, second = rig.intents()
        if not under_way:
            rig.ended(first, "not_left", world.clock.now)
        world.add(100, "Wave")
        rig.lose([second])
        write(rig, file)
    world.add(101, "Wave")  # the first one's
    lose(tmp_path)
    restored(tmp_path, world, file, job)
    with run(tmp_path, world, job) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=2)
        assert [row[1] for row in rig.rows()] == [uuid(101), uuid(100)]


def ten_sources(world: World, *, alike: bool = False) -> tuple[str, ...]:
    """Ten new sources with task details and datasets of their own, or `alike`; a job that wants the
    same twelve names of each."""
    jobs = []
    for number in range(10, 20):
        look = "" if alike else str(number)
        source = world.add(
            number, f"Signs {number}", details=f"task {look}", datasets=(f"data {look}",)
        )
        jobs.append(f"{source},Part {{n}},{PARTS}")
    return tuple(jobs)


async def killed_early(folder: Path, world: World, jobs: tuple[str, ...]) -> None:
    """A run writes its first ledger file, creates the first six parts of each source and dies with
    its database. A person restores the file."""
    file = folder / "spring.csv"
    with run(folder, world, *jobs, run_id=new_run_id(world.clock.wall())) as rig:
        await rig.look()
        rig.ledger.mark_started()
        write(rig, file)
    for source in [batch for batch in world.batches.values() if batch.name.startswith("Signs 1")]:
        for part in range(1, 7):
            number = 1000 + 100 * len(world.batches) + part
            world.add(number, f"Part {part}", details=source.details, datasets=source.datasets)
    lose(folder)
    restored(folder, world, file, *jobs)


async def test_sources_that_look_different_are_told_apart_although_their_copies_share_names(
    tmp_path: Path, world: World
) -> None:
    """Whatever else is there is as new as the sources."""
    jobs = ten_sources(world)
    world.add(3, "Somebody's", by="somebody")
    await killed_early(tmp_path, world, jobs)
    with run(tmp_path, world, *jobs) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=60, absent=60)


async def test_sources_that_look_alike_are_not_told_apart(tmp_path: Path, world: World) -> None:
    jobs = ten_sources(world, alike=True)
    await killed_early(tmp_path, world, jobs)
    with run(tmp_path, world, *jobs) as rig:
        await rig.look()
        assert await rig.round() == Settled(unknown=120)


async def test_a_row_that_the_file_calls_unsent_did_not_create_the_source_of_another_row(
    tmp_path: Path, world: World
) -> None:
    """The other source is as new as a copy would be, and has the name of one."""
    job = (f"{SOURCE},Wave,1", f"{world.add(10, 'Wave', details='other')},Other,1")
    file = tmp_path / "spring.csv"
    with run(tmp_path, world, *job, run_id=new_run_id(world.clock.wall())) as rig:
        rig.ledger.mark_started()
        write(rig, file)
    world.add(11, "Other", details="other")
    lose(tmp_path)
    restored(tmp_path, world, file, *job)
    with run(tmp_path, world, *job) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=1, absent=1)


@pytest.mark.parametrize(
    ("listed", "settled"),
    [("Other", Settled(absent=1)), ("Other, cleaned", Settled(unknown=1))],
)
async def test_a_created_row_of_the_file_shows_what_becomes_of_names(
    listed: str, settled: Settled, tmp_path: Path, world: World
) -> None:
    job = (f"{SOURCE},Other,1", f"{SOURCE},Wave,1")
    file = tmp_path / "spring.csv"
    with run(tmp_path, world, *job, run_id=new_run_id(world.clock.wall())) as rig:
        await rig.look()
        rig.answer(rig.intents(1)[0], 100)
        write(rig, file)
    world.batches[uuid(100)].name = listed
    world.add(101, "Somebody's", by="somebody")
    lose(tmp_path)
    restored(tmp_path, world, file, *job)
    with run(tmp_path, world, *job) as rig:
        await rig.look()
        assert await rig.round() == settled


async def test_a_source_that_was_edited_after_the_restoring_is_a_rival_again(
    tmp_path: Path, world: World
) -> None:
    jobs = ten_sources(world)
    await killed_early(tmp_path, world, jobs)
    with run(tmp_path, world, *jobs) as rig:
        await rig.look()
        world.batches[uuid(19)].details = "edited"
        # Nothing has a name like "Part 7" to "Part 9".
        assert await rig.round() == Settled(absent=3, unknown=117)


async def test_what_another_campaign_had_under_way_stays_as_it_is(
    tmp_path: Path, world: World
) -> None:
    """The command that restores is the first to know that the other campaign's run is dead."""
    file = lost_after_its_first_file(tmp_path, world)
    with run(tmp_path, world, f"{SOURCE},Other,1", campaign="autumn") as rig:
        await rig.look()
        rig.intents()
    restored(tmp_path, world, file)
    with run(tmp_path, world, JOB) as rig:
        assert rig.statuses() == ["unknown", "unknown"]
        assert connection_of(rig.ledger).execute("SELECT count(*) FROM attempts").fetchone()[0] == 2


async def test_a_database_that_is_lost_twice_still_knows_when_the_first_run_began(
    tmp_path: Path, world: World
) -> None:
    """The second ledger file names only the command that restored, which came days later."""
    file = lost_after_its_first_file(tmp_path, world)
    world.add(100, "Wave")
    world.clock.advance(2 * CLOCK_OFF_S + 2 * DAY_S)
    now = iso(world.clock.wall())
    run_id = new_run_id(world.clock.wall())
    with opened(tmp_path, HEADER, JOB, now=now, timeout_s=TIMEOUT_S, run_id=run_id) as ledger:
        restore(ledger, file, "spring", (), now)
        write_ledger_file(ledger, ledger.campaign, "spring", file, Invocation())
    lose(tmp_path)
    restored(tmp_path, world, file)
    with run(tmp_path, world, JOB) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=1)


@pytest.mark.parametrize(
    ("hours", "settled"), [(0.5, Settled(unknown=1)), (1.5, Settled(absent=1))]
)
async def test_what_is_older_than_a_batch_of_the_file_is_no_copy_of_what_was_unsent_then(
    hours: float, settled: Settled, tmp_path: Path, world: World
) -> None:
    """It has the very name of the row, so that only its time can tell."""
    job = (f"{SOURCE},Other,1", JOB)
    file = tmp_path / "spring.csv"
    world.add(101, "Wave", details="else")
    world.clock.advance(hours * 3600.0)
    with run(tmp_path, world, *job, run_id=new_run_id(world.clock.wall())) as rig:
        await rig.look()
        world.add(100, "Other")
        rig.answer(rig.intents(1)[0], 100)
        write(rig, file)
    lose(tmp_path)
    restored(tmp_path, world, file, *job)
    with run(tmp_path, world, *job) as rig:
        await rig.look()
        assert await rig.round() == settled


async def test_a_row_that_the_file_lacks_may_have_been_sent_at_any_time(
    tmp_path: Path, world: World
) -> None:
    """Somebody deleted the rows of earlier weeks from the file. Nobody knows whether batches of
    that time are theirs: the rows may be new, and the batches somebody's."""
    weeks = (f"{SOURCE},Week 1,2", f"{SOURCE},Week 2,1", f"{SOURCE},Week 3,1")
    file = tmp_path / "spring.csv"
    world.add(100, "Week 1")
    world.add(101, "Week 2")
    world.clock.advance(30 * DAY_S)
    run_id = new_run_id(world.clock.wall())
    with run(tmp_path, world, *weeks, run_id=run_id) as rig:
        await rig.look()
        write(rig, file)
    rewritten(file, lambda row: row["name"] == "Week 3")
    lose(tmp_path)
    restored(tmp_path, world, file, *weeks)
    with run(tmp_path, world, *weeks) as rig:
        await rig.look()
        assert await rig.round() == Settled(unknown=4)


async def test_a_row_that_the_file_lacks_is_found_if_it_was_sent_later(
    tmp_path: Path, world: World
) -> None:
    """The file is from before the job was extended."""
    file, old, new = tmp_path / "spring.csv", f"{SOURCE},Week 1,1", f"{SOURCE},Week 2,3"
    with run(tmp_path, world, old, run_id=new_run_id(world.clock.wall())) as rig:
        await rig.look()
        rig.answer(rig.intents(1)[0], 100)
        write(rig, file)
    world.clock.advance(7 * DAY_S)
    world.add(101, "Week 2")
    lose(tmp_path)
    restored(tmp_path, world, file, old, new)
    with run(tmp_path, world, old, new) as rig:
        await rig.look()
        assert await rig.round() == Settled(created=1, absent=2)
        times = connection_of(rig.ledger).execute("SELECT min(first_sent_at) FROM items").fetchone()
        assert times[0] > "2026", "the earliest possible time is gone"


async def test_a_row_that_two_files_lack_may_still_have_been_sent_at_any_time(
    tmp_path: Path, world: World
) -> None:
    """The second file names only the command that restored, which came later."""
    jobs, file = (f"{SOURCE},Week 1,1", f"{SOURCE},Week 2,1"), tmp_path / "spring.csv"
    world.add(100, "Week 1")
    world.clock.advance(30 * DAY_S)
    with run(tmp_path, world, *jobs, run_id=new_run_id(world.clock.wall())) as rig:
        await rig.look()
        write(rig, file)
    rewritten(file, lambda row: row["name"] == "Week 2")
    for _ in range(2):
        lose(tmp_path)
        now, run_id = iso(world.clock.wall()), new_run_id(world.clock.wall())
        with opened(tmp_path, HEADER, *jobs, now=now, run_id=run_id) as ledger:
            restore(ledger, file, "spring", (), now)
            write_ledger_file(ledger, ledger.campaign, "spring", file, Invocation())
        world.clock.advance(30 * DAY_S)
    with run(tmp_path, world, *jobs) as rig:
        await rig.look()
        assert await rig.round() == Settled(unknown=1, absent=1)


def rewritten(file: Path, keep: Callable[[dict[str, str]], bool]) -> None:
    """Somebody saves the ledger file with only the rows to keep."""
    with file.open(encoding="utf-8", newline="") as lines:
        found = list(csv.DictReader(lines))
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(found[0]))
        writer.writeheader()
        writer.writerows(row for row in found if keep(row))
