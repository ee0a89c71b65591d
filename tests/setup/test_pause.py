"""After many setups without an answer, looking comes before more sending."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from tests.support.clocks import HandClock, SkippingStop
from tests.support.ledgers import WORKSPACE
from worker.ledger import setups
from worker.model.setups import UNINITIALISED, Copy, Seen
from worker.setup.setting_up import SettingUp

SETTLE_AFTER_S = 30.0


def copy(number: int, *, sent: str | None) -> Copy:
    return Copy(
        number, number, 1, f"b{number}", WORKSPACE, UNINITIALISED, sent, None, sent is None, 60.0
    )


class Parts:
    """The ledger, the looks and the requests of a run whose requests have just paused; it notes
    what is done."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.paused = True
        self.done: list[str] = []
        self.copies = [copy(1, sent="unknown"), copy(2, sent=None)]

    async def call(self, what: object, *_arguments: object) -> list[Any]:
        return self.copies if what is setups.copies else []

    async def look(self, copies: Iterable[Copy], **_: object) -> dict[str, Seen]:
        self.done += [f"looked at {one.batch_id}" for one in copies]
        return {one.batch_id: Seen(UNINITIALISED, self.clock.monotonic()) for one in copies}

    async def run(self, copies: Iterable[Copy]) -> None:
        self.done += [f"sent {one.batch_id}" for one in copies]

    def resume(self) -> None:
        self.paused = False

    def closed(self) -> bool:
        return any(what.startswith("sent") for what in self.done)


async def test_what_is_unknown_is_looked_at_before_more_is_sent() -> None:
    clock = HandClock()
    parts = Parts(clock)
    await SettingUp(
        cast(Any, parts), cast(Any, parts), cast(Any, parts), cast(Any, clock),
        lambda _event: None, cast(Any, SkippingStop(clock)), SETTLE_AFTER_S,
        retry_failed=False, began=clock.now,
    ).run()  # fmt: skip
    assert parts.done == ["looked at b1", "sent b2"]


async def test_without_anything_to_look_at_more_is_sent() -> None:
    clock = HandClock()
    parts = Parts(clock)
    parts.copies = [copy(2, sent=None)]
    await SettingUp(
        cast(Any, parts), cast(Any, parts), cast(Any, parts), cast(Any, clock),
        lambda _event: None, cast(Any, SkippingStop(clock)), SETTLE_AFTER_S,
        retry_failed=False, began=clock.now,
    ).run()  # fmt: skip
    assert parts.done == ["sent b2"]
