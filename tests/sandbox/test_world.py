"""What time does to the sandbox's state, told by a clock of the test's own."""

from __future__ import annotations

from tests.sandbox.conftest import SOURCE
from worker.sandbox.batch import Batch
from worker.sandbox.made_up import WORKSPACE_ID
from worker.sandbox.rate import TokenBucket
from worker.sandbox.world import World


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 2_000_000_000.0

    def __call__(self) -> float:
        return self.at


def source_of(world: World) -> Batch:
    source = world.find(SOURCE)
    assert source is not None
    return source


def test_a_copy_is_ready_a_second_after_it_was_set_up_and_then_has_tasks_in_groups() -> None:
    clock = Hands()
    world = World(clock=clock)
    source = source_of(world)
    copy = world.duplicate(source, None, False)
    world.set_up(copy, None, tasks_per_group=7)
    assert world.duplicates[0]["status"] == "PROCESSING"
    clock.at += 1
    ready = world.duplicates[0]
    examples = sum(dataset.total_datapoint_count for dataset in source.datasets)
    assert ready["status"] == "READY"
    assert ready["total_task_count"] == examples
    assert ready["total_task_groups"] == -(-examples // 7)


def test_a_second_set_up_changes_nothing() -> None:
    clock = Hands()
    world = World(clock=clock)
    copy = world.duplicate(source_of(world), None, False)
    world.set_up(copy, None, tasks_per_group=1)
    clock.at += 10
    world.set_up(copy, None, tasks_per_group=5)
    assert (copy.tasks_per_group, copy.status(clock.at)) == (1, "READY")


def test_a_copy_is_listed_once_the_listing_lag_is_over() -> None:
    clock = Hands()
    world = World(listing_lag=5, clock=clock)
    source = source_of(world)
    copy = world.duplicate(source, None, False)
    clock.at += 4.9
    assert world.listing(WORKSPACE_ID) == [source]
    clock.at += 0.2
    assert world.listing(WORKSPACE_ID) == [source, copy]


def test_without_a_lag_a_clock_that_is_set_back_hides_nothing() -> None:
    clock = Hands()
    world = World(clock=clock)
    copy = world.duplicate(source_of(world), None, False)
    clock.at -= 3600
    assert copy in world.listing(WORKSPACE_ID)


def test_copies_share_what_their_source_is_about() -> None:
    world = World()
    source = source_of(world)
    copy = world.duplicate(world.duplicate(source, None, False), None, False)
    assert copy.content is source.content


def test_a_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    clock = Hands()
    bucket = TokenBucket(rate=2, burst=3, clock=clock)
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    clock.at += 0.5
    assert [bucket.take() for _ in range(2)] == [0, 0.5]
    clock.at += 100
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
