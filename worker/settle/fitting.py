"""What speaks for and against a batch being an attempt's copy: its looks, its name, who created it.
Pure; `presence` and `absence` decide by it."""

from __future__ import annotations

import html
import unicodedata
from functools import lru_cache

from worker.model.attempts import Attempt, Evidence, UnownedBatch
from worker.settle.windows import PRESUMED, made_at, window


def may_be_its(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether nothing but looks speaks against the batch: it is not older than the attempt's
    baseline, not its source, not elsewhere, and not somebody else's."""
    return (
        batch.listing > attempt.listing
        and batch.batch_id != attempt.source_id
        and (attempt.source is None or batch.workspace_id == attempt.source.workspace_id)
        and not (
            attempt.tells_people_apart
            and batch.created_by is not None
            and batch.created_by != attempt.me
        )
    )


def fits(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch is what the attempt would have made, in every respect."""
    return (
        attempt.source is not None
        and may_be_its(attempt, batch)
        and made_by_its_me(attempt, batch)
        and (attempt.answered_id is None or attempt.answered_id == batch.batch_id)
        and made_at(batch, attempt.offset or PRESUMED).meets(window(attempt))
        and batch.name == attempt.expected_name
        and batch.details == attempt.source.details
        and batch.datasets == attempt.expected_datasets
    )


def has_just_its_name(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch has exactly the name that its copy would have and was made by its `me` as
    far as anybody says: however it looks, that is no coincidence (the source may have been edited
    for a while). It need not be made within the window: what was may have been given to another
    attempt of its kind."""
    return batch.name == attempt.expected_name and made_by_its_me(attempt, batch)


def made_by_its_me(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether nobody says that another person made it."""
    return attempt.me is None or batch.created_by in (None, attempt.me)


def names_are_close(attempt: Attempt, name: str) -> bool:
    """Whether a batch of this name could be the attempt's copy under a name that the API trimmed,
    cut or cleaned."""
    expected, found = skeleton(attempt.expected_name), skeleton(name)
    if attempt.name is None and name.rstrip().endswith("(Copy)"):
        return True
    return expected.startswith(found) or found.startswith(expected)


@lru_cache(maxsize=2**16)  # every name is compared with many
def skeleton(name: str) -> str:
    """A name's letters and digits alone, without case, Unicode form and HTML's escapes: what a
    cleaning API leaves of it."""
    while (plain := html.unescape(name)) != name:  # it may have been escaped more than once
        name = plain
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def evidence(attempt: Attempt, batch: UnownedBatch) -> Evidence:
    """What speaks for and against this batch, property by property, for the person who decides."""
    source = attempt.source
    timed = batch.created is not None and attempt.offset is not None
    told = attempt.me is not None and batch.created_by is not None
    return Evidence(
        name=None if source is None else batch.name == attempt.expected_name,
        details=None if source is None else batch.details == source.details,
        datasets=None if source is None else batch.datasets == attempt.expected_datasets,
        time=made_at(batch, attempt.offset).meets(window(attempt)) if timed else None,
        creator=batch.created_by == attempt.me if told else None,
    )
