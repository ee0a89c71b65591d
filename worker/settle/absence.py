"""What keeps an attempt from being proved absent (rules 5 and 6 of docs/settling.md).

Decided more strictly than presence: an item is sent again only if nothing that exists could be its
copy. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from worker.model.attempts import Attempt, CopyFidelity, UnownedBatch
from worker.settle.fitting import has_just_its_name, made_by_its_me, may_be_its, names_are_close
from worker.settle.windows import made_at, wide_window


def nearly_fits(attempt: Attempt, batch: UnownedBatch, fidelity: CopyFidelity) -> bool:
    """Whether the batch could be the attempt's copy, however the API may have changed it: only a
    property that differs beyond case, spaces and Unicode form, that survives copying, and that all
    listings agree about, proves that it is not."""
    if not may_be_its(attempt, batch):
        return False
    if not made_at(batch, attempt.offset).meets(wide_window(attempt)):
        return False
    if attempt.source is None or not batch.loose_details:
        return True
    # A name that was sent is what it is, whatever became of the source.
    name_is_known = not attempt.source_changed or (
        attempt.name is not None and not attempt.name_guessed
    )
    name_counts = name_is_known and fidelity.surely_keeps(attempt.expected_name)
    if name_counts and not names_are_close(attempt, batch.name):
        return False
    if attempt.source_changed or has_just_its_name(attempt, batch):
        return True
    # Where names are changed, a name like its own is no coincidence either.
    if (
        fidelity.name is False
        and made_by_its_me(attempt, batch)
        and names_are_close(attempt, batch.name)
    ):
        return True
    if fidelity.details and attempt.source.loose_details != batch.loose_details:
        return False
    return not (fidelity.datasets and attempt.expected_datasets != batch.datasets)


def candidates(
    attempt: Attempt, free: Iterable[UnownedBatch], fidelity: CopyFidelity
) -> tuple[str, ...]:
    """The ownerless batches that keep this attempt from being proved absent."""
    return tuple(s.batch_id for s in free if nearly_fits(attempt, s, fidelity))


def may_be_capped(length: int, longest: int, shows_our_newest: bool) -> bool:
    """Whether a listing of this length may be the first page of a longer one, whose count is the
    page's.

    Pages have round lengths: tens, or multiples of 25. A longer listing was seen before, or this
    one shows what was made last: then it is no page."""
    is_round = length > 0 and (length % 10 == 0 or length % 25 == 0)
    return is_round and length >= longest and not shows_our_newest
