"""Invented sources: every UUID that is asked for has a batch, the same one each time. No state, no
HTTP.

So a rehearsal can use the real job file, and two rehearsals see the same names.
"""

from __future__ import annotations

import uuid
from random import Random

from worker.model.batch_id import BATCH_ID
from worker.sandbox.batch import Batch, Content, Dataset

WORKSPACE_ID = "64b7f0c2a91d3e5f8c2b4a60"
"""The only workspace of the sandbox."""

WORKSPACE_TITLE = "Sandbox"

USER_ID = "5f3d1c8e7a2b4906d1e8c375"
"""The owner of the token, who creates the copies."""

COLLEAGUE_ID = "60a1b2f4c8d7e6530f9a8b17"
"""Another person, who created the sources."""

_MISSING = "00000000"
_LONG_AGO = 1_704_067_200  # 2024-01-01 UTC
_YEAR = 365 * 24 * 3600
_TOPICS = (
    "product reviews",
    "chat transcripts",
    "street scenes",
    "short summaries",
    "search results",
    "recipes",
)
_TASKS = ("Rate", "Label", "Compare", "Correct", "Rank", "Describe")


def made_up_source(batch_id: str) -> Batch | None:
    """The source with this id (lower case); None if it is not a UUID or begins with `00000000`."""
    if not BATCH_ID.fullmatch(batch_id) or batch_id.startswith(_MISSING):
        return None
    mark = uuid.uuid5(uuid.NAMESPACE_OID, batch_id)
    choose = Random(mark.int)
    name = f"{choose.choice(_TASKS)} {choose.choice(_TOPICS)} {mark.hex[:6]}"
    points = choose.randint(20, 500)
    dataset = Dataset(
        str(uuid.uuid5(mark, "dataset")), points, f"{name.lower().replace(' ', '-')}.csv"
    )
    return Batch(
        id=batch_id,
        name=name,
        content=Content(_task_details(name), total_instruction_count=choose.randint(1, 6)),
        datasets=(dataset,),
        created_at=_LONG_AGO + choose.random() * _YEAR,
        created_by=COLLEAGUE_ID,
        workspace_id=WORKSPACE_ID,
        set_up_at=0.0,
    )


def _task_details(name: str) -> dict[str, str]:
    return {
        "task_name": name,
        "task_introduction": (
            f"<p>Thank you for helping with <b>{name}</b>. Read each example with care.</p>"
        ),
        "task_steps": (
            "<ol><li>Read the example.</li><li>Answer every question.</li><li>Submit.</li></ol>"
        ),
    }
