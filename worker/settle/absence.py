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
    person has renamed it. `others` are the names of other open attempts' copies."""
    return (
        is_possible_copy(attempt, batch)
        and creation_interval(batch, attempt.offset).meets(wide_window(attempt))
        and not _is_proved_different(attempt, batch, fidelity, others)
    )


def _is_proved_different(
    attempt: Attempt, batch: UnownedBatch, fidelity: CopyFidelity, others: Container[str]
) -> bool:
    """Whether its name, task details or datasets prove that the batch is not the attempt's copy.
    Nothing proves it if listings showed the batch differently: a batch may be listed before it is
    complete, and people rename batches."""
    if attempt.source is None or not batch.listings_agree:
        return False
    if _is_unlike_restored(attempt, batch, fidelity):
        return True
    if _name_differs(attempt, batch, fidelity):
        return batch.name in others or not may_be_renamed_copy(attempt, fidelity.as_sent(batch))
    if attempt.source_may_have_changed or _has_its_name(attempt, batch, fidelity):
        return False
    details_differ = attempt.source.loose_details != batch.loose_details
    datasets_differ = attempt.expected_datasets != batch.datasets
    return bool((fidelity.details and details_differ) or (fidelity.datasets and datasets_differ))


def _is_unlike_restored(attempt: Attempt, batch: UnownedBatch, fidelity: CopyFidelity) -> bool:
    """Whether the attempt is restored and the batch has nothing to do with its row. This proves
    nothing if copying was seen to change names or details."""
    changed = fidelity.name is False or fidelity.details is False
    return attempt.restored and not changed and is_clearly_different(attempt, batch)


def _name_differs(attempt: Attempt, batch: UnownedBatch, fidelity: CopyFidelity) -> bool:
    """Whether the batch's name really differs from the copy's, which is known and arrives.

    Case, spaces, Unicode form, punctuation and HTML escapes make no difference, and neither name
    may begin with the other. A name that is only the beginning of the copy's name does differ if a
    name that is at least as long arrived whole: then the API did not cut it."""
    if not (_name_is_known(attempt) and _name_arrives(attempt, fidelity)):
        return False
    whole = fidelity.names(restored=attempt.restored).show_whole(attempt.expected_name)
    return not names_are_close(attempt, batch.name, whole=whole)


def _name_is_known(attempt: Attempt) -> bool:
    """Whether the copy was certainly created with the expected name: it was sent, and so does not
    depend on the source, or the source is unchanged."""
    sent = attempt.name is not None and not attempt.name_guessed
    return sent or not attempt.source_may_have_changed


def _name_arrives(attempt: Attempt, fidelity: CopyFidelity) -> bool:
    """Whether every character of the copy's name that an API might escape or write differently was
    seen to arrive, and so were spaces side by side or at an end. For a restored attempt, batches
    that settling found show it too."""
    name = attempt.expected_name
    return fidelity.surely_keeps(name) or (attempt.restored and fidelity.probably_keeps(name))


def _has_its_name(attempt: Attempt, batch: UnownedBatch, fidelity: CopyFidelity) -> bool:
    """Whether the batch has the copy's name and is not known to be from another person. Details and
    datasets prove nothing then: the source may have been edited for a while without any listing
    showing it. If names were seen to be changed, a close name counts as the same."""
    return has_expected_name(attempt, batch) or (
        fidelity.name is False
        and creator_matches(attempt, batch)
        and names_are_close(attempt, batch.name)
    )


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
