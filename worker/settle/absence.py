"""What prevents proving that an attempt created nothing (rules 5 and 6 of docs/settling.md).

Absence is decided more strictly than presence: an item is sent again only if no existing batch
could be its copy. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable

from worker.model.attempts import Attempt, CopyFidelity, UnownedBatch
from worker.settle.fitting import (
    creator_matches,
    has_expected_name,
    is_clearly_different,
    is_possible_copy,
    may_be_renamed_copy,
    names_are_close,
)
from worker.settle.windows import creation_interval, wide_window


def nearly_fits(
    attempt: Attempt, batch: UnownedBatch, fidelity: CopyFidelity, others: Container[str] = ()
) -> bool:
    """Whether the batch could be the attempt's copy, however the API may have changed it, or if a
    person has renamed it. `others` are the names of other open attempts' copies.

    A property proves that it is not the copy only if it differs beyond case, spaces and Unicode
    form, copying is known to keep it, and all listings agree about it."""
    if not is_possible_copy(attempt, batch):
        return False
    if not creation_interval(batch, attempt.offset).meets(wide_window(attempt)):
        return False
    if attempt.source is None or not batch.loose_details:
        return True
    changed = fidelity.name is False or fidelity.details is False
    if attempt.restored and not changed and is_clearly_different(attempt, batch):
        return False
    # A name that was sent does not depend on what happened to the source since.
    name_is_known = not attempt.source_may_have_changed or (
        attempt.name is not None and not attempt.name_guessed
    )
    name_is_kept = fidelity.surely_keeps(attempt.expected_name) or (
        attempt.restored and fidelity.probably_keeps(attempt.expected_name)
    )
    name_counts = name_is_known and name_is_kept
    whole = fidelity.names(restored=attempt.restored).show_whole(attempt.expected_name)
    if name_counts and not names_are_close(attempt, batch.name, whole=whole):
        return batch.name not in others and may_be_renamed_copy(attempt, fidelity.as_sent(batch))
    if attempt.source_may_have_changed or has_expected_name(attempt, batch):
        return True
    # If the API changes names, a name similar to the expected one is not a coincidence either.
    if (
        fidelity.name is False
        and creator_matches(attempt, batch)
        and names_are_close(attempt, batch.name)
    ):
        return True
    if fidelity.details and attempt.source.loose_details != batch.loose_details:
        return False
    return not (fidelity.datasets and attempt.expected_datasets != batch.datasets)


def candidates(
    attempt: Attempt,
    free: Iterable[UnownedBatch],
    fidelity: CopyFidelity,
    others: Container[str] = (),
) -> tuple[str, ...]:
    """The ids of the `free` batches (without an owner) that could be this attempt's copy. While
    there is one, the attempt is not absent. `others` as for `nearly_fits`."""
    return tuple(batch.batch_id for batch in free if nearly_fits(attempt, batch, fidelity, others))


def may_be_page(length: int) -> bool:
    """Whether a listing of this `length` may be only a page of a longer one, with a count that
    counts only the page. Pages have round lengths: multiples of 10 or of 25."""
    return length > 0 and (length % 10 == 0 or length % 25 == 0)
