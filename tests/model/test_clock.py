"""The API's time, as its answers show it."""

from __future__ import annotations

from worker.model.clock import ServerClock


def test_the_apis_time_is_carried_forward_from_its_latest_date() -> None:
    clock = ServerClock()
    assert (clock.now(5.0), clock.earliest, clock.earliest_now(5.0)) == (None, None, None)
    clock.observe(1000.0, 10.0)
    clock.observe(None, 20.0)
    assert (clock.now(70.0), clock.earliest, clock.earliest_now(70.0)) == (1060.0, 1000.0, 1060.0)


def test_a_clock_that_went_back_is_carried_forward_too() -> None:
    clock = ServerClock()
    clock.observe(1000.0, 10.0)
    clock.observe(900.0, 20.0)
    assert (clock.now(80.0), clock.earliest, clock.earliest_now(80.0)) == (1070.0, 900.0, 960.0)
