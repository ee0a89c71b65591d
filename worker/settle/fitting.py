"""What speaks for and against a batch being an attempt's copy: name, task details, datasets, time
and creator. Pure; `presence` and `absence` decide with it."""

from __future__ import annotations

from worker.model.attempts import (
    DIFFERENT_ORIGINS,
    Attempt,
    Evidence,
    UnownedBatch,
    plain_beginning,
)
from worker.model.copies import NAME_SUFFIX
from worker.model.names import skeleton
from worker.settle.windows import (
    could_be_in_window,
    created_in_window,
    creation_interval,
    window,
)


def is_possible_copy(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch could be the attempt's copy, apart from its name, details, datasets and
    window: it is not in the baseline, not the source, in the source's workspace, and not somebody
    else's."""
    return (
        batch.first_listing > attempt.baseline
        and batch.batch_id not in attempt.existed
        and not (
            attempt.created_after is not None
            and batch.created is not None
            and batch.created <= attempt.created_after
        )
        and batch.batch_id != attempt.source_id
        and (attempt.source is None or batch.workspace_id == attempt.source.workspace_id)
        and not (
            attempt.tells_people_apart
            and batch.created_by is not None
            and batch.created_by != attempt.me
        )
    )


def fits(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch is exactly what the attempt would have created."""
    return created_in_window(attempt, batch) and _looks_as_sent(attempt, batch)


def could_explain(rival: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch may be what the rival created, although it was taken for another attempt's.
    Unlike `fits`, this assumes nothing about an offset that is not known: with a wrong one, a copy
    seems to be from the window of a later attempt."""
    return could_be_in_window(rival, batch) and _looks_as_sent(rival, batch)


def _looks_as_sent(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch is what the attempt would have created, apart from its time."""
    return (
        attempt.source is not None
        and is_possible_copy(attempt, batch)
        and creator_matches(attempt, batch)
        and (attempt.answered_id is None or attempt.answered_id == batch.batch_id)
        and batch.name == attempt.expected_name
        and batch.details == attempt.source.details
        and batch.datasets == attempt.expected_datasets
    )


def has_expected_name(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch has exactly the name of the attempt's copy, and no known creator other than
    the attempt's `me`. This is not a coincidence, whatever the details are: the source may have
    been edited for a while. The batch need not be from the attempt's window, because a batch from
    the window may have been given to another attempt of the same kind."""
    return batch.name == attempt.expected_name and creator_matches(attempt, batch)


def may_be_renamed_copy(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch is what the attempt would have created, apart from its name: a person may
    have renamed the copy before any listing showed it. Its `details` are those that it was created
    from, as far as copies show (`CopyFidelity.as_sent`)."""
    if attempt.source is None:
        return True
    details_as_sent = batch.details in (DIFFERENT_ORIGINS, attempt.source.details)
    as_sent = details_as_sent and _has_its_datasets(attempt, batch)
    return (
        creator_matches(attempt, batch)
        and could_be_in_window(attempt, batch)
        and (as_sent or looks_like_its_source(attempt, batch))
    )


def looks_like_its_source(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch could be a copy of the attempt's source as the source is now. It is not if
    the task details differ beyond what an API may normalize, or if both have datasets and these
    differ: a copy may lack datasets."""
    if attempt.source is None or not batch.listings_agree:
        return True
    same = attempt.source.loose_details == batch.loose_details
    return same and _has_its_datasets(attempt, batch)


def _has_its_datasets(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch has the datasets of the attempt's copy, or one of them has none."""
    expected = attempt.expected_datasets
    return not expected or not batch.datasets or expected == batch.datasets


def creator_matches(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether the batch may be from the attempt's `me`: false only if both people are known and
    differ."""
    return attempt.me is None or batch.created_by in (None, attempt.me)


def names_are_close(attempt: Attempt, name: str, *, whole: bool = False) -> bool:
    """Whether the API could have trimmed, cut or cleaned the expected name into this one. `whole`:
    it certainly did not cut it."""
    expected, found = skeleton(attempt.expected_name), skeleton(name)
    if attempt.name is None and name.rstrip().endswith(NAME_SUFFIX):
        return True
    return found.startswith(expected) or (not whole and expected.startswith(found))


def is_clearly_different(attempt: Attempt, batch: UnownedBatch) -> bool:
    """Whether neither the batch's name nor its task details and datasets have anything to do with
    the attempt's copy and its source as it is now.

    A name that is a part of the expected one has something to do with it, and so has one that the
    API may have given instead. Nobody knows what becomes of special characters and of what follows
    them, but a name also has something to do with the expected one if it contains its beginning."""
    expected, found = skeleton(attempt.expected_name), skeleton(batch.name)
    beginning = skeleton(plain_beginning(attempt.expected_name))
    return (
        bool(beginning)
        and not attempt.name_guessed
        and beginning not in found
        and found not in expected
        and "copy" not in found
        and not looks_like_its_source(attempt, batch)
    )


def evidence(attempt: Attempt, batch: UnownedBatch) -> Evidence:
    """What speaks for and against this batch, property by property, for a person to decide. If the
    source has changed, nobody knows what its copy looks like: a difference says nothing then."""
    source = attempt.source
    different = None if attempt.source_changed else False
    other_name = False if attempt.name is not None else different
    time_known = batch.created is not None and attempt.offset is not None
    creator_known = attempt.me is not None and batch.created_by is not None
    return Evidence(
        name=None if source is None else batch.name == attempt.expected_name or other_name,
        details=None if source is None else batch.details == source.details or different,
        datasets=None
        if source is None
        else batch.datasets == attempt.expected_datasets or different,
        time=creation_interval(batch, attempt.offset).meets(window(attempt))
        if time_known
        else None,
        creator=batch.created_by == attempt.me if creator_known else None,
    )
