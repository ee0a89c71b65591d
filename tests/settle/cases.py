"""An attempt, a batch that fits it, and what is known of their source: what the tables vary."""

from __future__ import annotations

import math
from typing import Any

from worker.model.attempts import Attempt, CopyFidelity, Interval, Source, UnownedBatch

INF = math.inf
SOURCE = Source("Signs", "ws", "details", "loose", ("data",))
SHARP = Interval(-1.0, 1.0)
ALL = CopyFidelity(True, True, True)


def attempt(number: int = 1, **changes: Any) -> Attempt:
    """An open attempt that left at 1000 and was given up at 1060."""
    made = Attempt(
        id=number,
        item_id=100 + number,
        source_id="source",
        name="Signs 1",
        upload_new_dataset=False,
        source=SOURCE,
        source_changed=False,
        baseline=5,
        date_before=999.0,
        sent_at=1000.0,
        given_up_at=1060.0,
        date_after=1090.0,
        timeout_s=60.0,
        settle_after_s=30.0,
        offset=SHARP,
        me="me",
        tells_people_apart=True,
    )
    return made._replace(**changes)


def unowned(batch_id: str = "b1", **changes: Any) -> UnownedBatch:
    """A batch that fits `attempt()`."""
    shown = UnownedBatch(batch_id, "ws", 6, "Signs 1", 1001.0, "me", "details", "loose", ("data",))
    return shown._replace(**changes)
