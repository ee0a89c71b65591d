"""The rules of setups, as tables: what is recorded and what was seen in, the next step out."""

from __future__ import annotations

import pytest

from worker.model.setups import Copy, Seen
from worker.setup.decisions import Do, Step, next_step

ENDED, SETTLE_AFTER = 100.0, 30.0
FIRST, SECOND = 130.0, 160.0
"""From when on a look tells something, and from when on a second one does, if the first was at
once."""

NEW = Copy(1, 2, 1, "batch", "workspace", "UNINITIALISED", None, None, False, 60.0)
FRESH = NEW._replace(fresh=True)
NOBODY_KNOWS = NEW._replace(status=None)
UNKNOWN = NEW._replace(sent="unknown", setup=7)
ACCEPTED = NEW._replace(sent="accepted", setup=7)
REFUSED = NEW._replace(sent="refused", setup=7)


def looks(*found: tuple[float, str | None]) -> list[Seen]:
    return [Seen(status, at) for at, status in found]


NOT_SET_UP = "UNINITIALISED"
NOTHING, SEND, LOOK = Step(Do.NOTHING), Step(Do.SEND), Step(Do.LOOK)
AGAIN, RESEND = Step(Do.LOOK_AGAIN), Step(Do.SEND_AGAIN)


@pytest.mark.parametrize(
    ("copy", "seen", "now", "step"),
    [
        # Before the first request: its own answer in this run, or a look of this run.
        (FRESH, [], 0.0, SEND),
        (NEW, [], 0.0, LOOK),
        # Without a known status: after an answer that shows a new batch set up, only a later look.
        (NOBODY_KNOWS, [], 100.0, Step(Do.WAIT, FIRST)),
        (NOBODY_KNOWS, [], FIRST, LOOK),
        (NEW, looks((1.0, NOT_SET_UP)), 2.0, SEND),
        (NOBODY_KNOWS, looks((1.0, NOT_SET_UP)), 2.0, SEND),
        (NEW, looks((1.0, None)), 2.0, NOTHING),
        (NEW, looks((1.0, NOT_SET_UP), (3.0, None)), 4.0, NOTHING),
        # Somebody set it up already, whatever a request of ours did.
        *(
            (copy._replace(status=status), [], 0.0, NOTHING)
            for copy in (NEW, FRESH, UNKNOWN, ACCEPTED, REFUSED)
            for status in ("PROCESSING", "READY", "ERROR", "SOMETHING_NEW")
        ),
        (NEW, looks((1.0, "PROCESSING")), 2.0, NOTHING),
        (UNKNOWN, looks((130.0, "READY")), 131.0, NOTHING),
        # An answer is final.
        (ACCEPTED, looks((1.0, NOT_SET_UP)), 1000.0, NOTHING),
        (REFUSED, looks((1.0, NOT_SET_UP)), 1000.0, NOTHING),
        # Without a clear answer: two looks, the first when no effect can come any more.
        (UNKNOWN, [], 100.0, Step(Do.WAIT, FIRST)),
        (UNKNOWN, [], 129.9, Step(Do.WAIT, FIRST)),
        (UNKNOWN, [], FIRST, AGAIN),
        (UNKNOWN, looks((120.0, NOT_SET_UP)), 125.0, Step(Do.WAIT, FIRST)),
        (UNKNOWN, looks((120.0, NOT_SET_UP)), FIRST, AGAIN),
        (UNKNOWN, looks((FIRST, NOT_SET_UP)), 131.0, Step(Do.WAIT, SECOND)),
        (UNKNOWN, looks((FIRST, NOT_SET_UP)), SECOND, AGAIN),
        (UNKNOWN, looks((140.0, NOT_SET_UP)), SECOND, Step(Do.WAIT, 170.0)),
        (UNKNOWN, looks((FIRST, NOT_SET_UP), (159.0, NOT_SET_UP)), SECOND, AGAIN),
        (UNKNOWN, looks((120.0, NOT_SET_UP), (FIRST, NOT_SET_UP)), SECOND, AGAIN),
        (UNKNOWN, looks((FIRST, NOT_SET_UP), (SECOND, NOT_SET_UP)), 161.0, RESEND),
        (UNKNOWN, looks((FIRST, NOT_SET_UP), (SECOND, None)), 161.0, NOTHING),
        (UNKNOWN._replace(fresh=True), [], 100.0, Step(Do.WAIT, FIRST)),
    ],
)
def test_the_next_step(copy: Copy, seen: list[Seen], now: float, step: Step) -> None:
    assert next_step(copy, seen, ENDED, SETTLE_AFTER, now) == step
