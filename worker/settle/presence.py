"""Which attempts created which of the unowned batches (rules 2 and 3 of docs/settling.md).

Presence is decided strictly: a batch counts as an attempt's copy only if nothing else explains it.
Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from worker.model.attempts import Attempt, CopyFidelity, UnownedBatch
from worker.model.names import skeleton
from worker.settle.absence import candidates
from worker.settle.fitting import (
    could_explain,
    creator_matches,
    fits,
    is_possible_copy,
    looks_like_its_source,
)
from worker.settle.windows import could_be_in_window, window

One = TypeVar("One")
Other = TypeVar("Other")

MAX_PAIRS = 10_000
"""If attempts and batches that look alike form more pairs than this, they are judged as one part
instead of being split into connected parts. This is stricter, and fast even for thousands of copies
with one name."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Which batch each attempt created, by the attempt's id.

    `matched` has the decided ones. `disputed` has the attempts that only a person may decide, each
    with all batches that fit. `has_rival` has those that a later look may decide: a different
    attempt, with a similar name, a changed source or an unknown offset, could also explain their
    batches, or one of them may have created a batch that fits no attempt, and nobody knows which
    one."""

    matched: Mapping[int, str]
    disputed: Mapping[int, tuple[str, ...]]
    has_rival: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def presence(
    attempts: Sequence[Attempt], unowned: Sequence[UnownedBatch], fidelity: CopyFidelity
) -> Presence:
    """Which attempts created which of these unowned batches (rules 2 and 3).

    Attempts and batches that fit each other form connected parts. A part stays undecided if it has
    attempts of several kinds, more batches than attempts, or a batch that is already disputed.
    Otherwise the oldest batch goes to the oldest attempt. If `fidelity` does not prove that a name
    arrives as it was sent, a batch may also be the copy of an attempt with a similar name."""
    by_similar_name: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if not fidelity.surely_keeps(attempt.expected_name):
            by_similar_name[skeleton(attempt.expected_name)].append(attempt)
    by_name: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.offset is None:  # otherwise it is in the part of every batch that it explains
            by_name[attempt.expected_name].append(attempt)
    changed_by_name: dict[str, list[Attempt]] = defaultdict(list)
    of_copies = not fidelity.details and any(attempt.of_a_copy for attempt in attempts)
    for attempt in attempts:
        if attempt.source_may_have_changed or of_copies:
            changed_by_name[skeleton(attempt.expected_name)].append(attempt)
    matched: dict[int, str] = {}
    disputed: dict[int, tuple[str, ...]] = {}
    has_rival: dict[int, tuple[str, ...]] = {}
    parts = _connected(attempts, [fidelity.as_sent(batch) for batch in unowned])
    fitting = {batch.batch_id for _, batches in parts for batch in batches}
    fit_no_attempt = [batch for batch in unowned if batch.batch_id not in fitting]
    for part, batches in parts:
        batch_ids = tuple(sorted(batch.batch_id for batch in batches))
        name = skeleton(part[0].expected_name)
        several = len({attempt.kind for attempt in part}) > 1
        if several or len(batches) > len(part) or any(batch.disputed for batch in batches):
            disputed |= {attempt.id: batch_ids for attempt in part}
        elif (
            _has_rival(part[0], by_similar_name.get(name, ()), batches)
            or _has_rival(part[0], by_name.get(part[0].expected_name, ()), batches)
            or _has_changed_rival(part[0], changed_by_name.get(name, ()), batches, fidelity)
        ):
            has_rival |= {attempt.id: batch_ids for attempt in part}
        else:
            found = _oldest_to_oldest(part, batches)
            if len(found) < len(part):
                may_have_created_another = {
                    attempt.id for attempt in part if candidates(attempt, fit_no_attempt, fidelity)
                }
                if may_have_created_another and any(attempt.offset is None for attempt in part):
                    # Only a known offset shows which attempt created that batch. If the wrong
                    # attempts got these batches now, a later look that knows the offset would
                    # prove the others absent.
                    has_rival |= {attempt.id: batch_ids for attempt in part}
                    continue
                found = _oldest_to_oldest(part, batches, may_have_created_another)
            matched |= found
    return Presence(matched, disputed, has_rival)


def _has_rival(one: Attempt, rivals: Sequence[Attempt], batches: Sequence[UnownedBatch]) -> bool:
    """Whether an attempt of another kind than `one` could have created one of the batches.

    `rivals` are attempts with similar names, which the API may have changed, or with the same name:
    if the offset of one is not known, the batch's time does not show that it is not its copy."""
    return any(
        could_explain(rival._replace(name=batch.name), batch)
        for rival in rivals
        if rival.kind != one.kind
        for batch in batches
    )


def _has_changed_rival(
    one: Attempt,
    rivals: Sequence[Attempt],
    batches: Sequence[UnownedBatch],
    fidelity: CopyFidelity,
) -> bool:
    """Whether an attempt of another source than `one`'s could have created one of the batches.
    `rivals` are the attempts with similar names.

    This is possible if the other source changed: it may have looked like `one`'s source when it was
    copied. Nobody knows whether the source of a restored attempt changed. It is assumed that it did
    not look like `one`'s source if it does not now, unless copying was seen to change details. If
    `one`'s source is itself a copy, it is possible for any other source: copying may turn that
    source into something that looks like `one`'s."""

    def could_be(rival: Attempt, batch: UnownedBatch) -> bool:
        return (
            rival.source_changed
            or (one.of_a_copy and not fidelity.details)
            or (
                rival.restored
                and (fidelity.details is False or looks_like_its_source(rival, batch))
            )
        )

    def has_its_name(rival: Attempt, batch: UnownedBatch) -> bool:
        name = rival.expected_name
        similar = skeleton(batch.name) == skeleton(name) and not fidelity.surely_keeps(name)
        return batch.name == name or similar

    return any(
        could_be(rival, batch)
        and is_possible_copy(rival, batch)
        and has_its_name(rival, batch)
        and creator_matches(rival, batch)
        and could_be_in_window(rival, batch)
        for rival in rivals
        if rival.source_id != one.source_id
        for batch in batches
    )


def _connected(
    attempts: Sequence[Attempt], unowned: Sequence[UnownedBatch]
) -> list[tuple[list[Attempt], list[UnownedBatch]]]:
    """The connected parts of the graph that joins each attempt to the batches that fit it. Attempts
    that no batch fits are left out."""
    parts: list[tuple[list[Attempt], list[UnownedBatch]]] = []
    by_look: dict[object, tuple[list[Attempt], list[UnownedBatch]]] = defaultdict(lambda: ([], []))
    for attempt in attempts:
        if attempt.source is not None:
            look = (attempt.expected_name, attempt.source.details, attempt.expected_datasets)
            by_look[look][0].append(attempt)
    for batch in unowned:
        look = (batch.name, batch.details, batch.datasets)
        if look in by_look:
            by_look[look][1].append(batch)
    for same_look, batches in by_look.values():
        by_time = sorted(batches, key=lambda batch: (batch.created or 0.0, batch.batch_id))
        fitted = _with_partner(same_look, by_time, fits)
        fitting = _with_partner(by_time, fitted, lambda batch, attempt: fits(attempt, batch))
        few = len(fitted) * len(fitting) <= MAX_PAIRS
        parts += _split(fitted, fitting) if few else [(fitted, fitting)]
    return parts


def _with_partner(
    ones: Sequence[One], others: Sequence[Other], fit: Callable[[One, Other], bool]
) -> list[One]:
    """Those of `ones` that fit at least one of `others`.

    Both are in order of time, so the search begins at the previous partner. Thousands of each need
    not be compared all with all."""
    found: list[One] = []
    partner, count = 0, len(others)
    for one in ones:
        for step in range(count):
            if fit(one, others[(partner + step) % count]):
                partner = (partner + step) % count
                found.append(one)
                break
    return found


def _split(
    attempts: Sequence[Attempt], batches: Sequence[UnownedBatch]
) -> list[tuple[list[Attempt], list[UnownedBatch]]]:
    """The connected parts among attempts and batches that look alike."""
    parts: list[tuple[list[Attempt], list[UnownedBatch]]] = []
    for attempt in attempts:
        joined: tuple[list[Attempt], list[UnownedBatch]] = (
            [attempt],
            [b for b in batches if fits(attempt, b)],
        )
        apart = []
        for part in parts:
            if any(batch in joined[1] for batch in part[1]):
                joined = (part[0] + joined[0], part[1] + [b for b in joined[1] if b not in part[1]])
            else:
                apart.append(part)
        parts = [*apart, joined]
    return parts


def _oldest_to_oldest(
    attempts: Sequence[Attempt],
    batches: Sequence[UnownedBatch],
    may_have_created_another: Container[int] = (),
) -> dict[int, str]:
    """Match the oldest batches with the attempts whose windows end first. Returns the batch of each
    matched attempt.

    If that leaves a batch over, attempts exchange batches: a maximum matching. Above `MAX_PAIRS`
    they do not exchange. A batch that gets no attempt stays free, and prevents a proof of absence.

    The attempts with an id in `may_have_created_another` come last. They nearly fit a batch that
    fits no attempt, so they may have created that one. If they took another attempt's batch
    instead, that attempt would be proved absent although it created a batch."""
    waiting = sorted(
        attempts,
        key=lambda attempt: (
            attempt.id in may_have_created_another,
            window(attempt).high,
            attempt.id,
        ),
    )
    oldest = sorted(
        batches, key=lambda batch: (batch.first_listing, batch.created or 0.0, batch.batch_id)
    )
    if len(attempts) * len(batches) <= MAX_PAIRS:
        return _matched(waiting, oldest)
    matched: dict[int, str] = {}
    for batch in oldest:
        for place, attempt in enumerate(waiting):
            if fits(attempt, batch):
                matched[attempt.id] = batch.batch_id
                del waiting[place]
                break
    return matched


def _matched(attempts: Sequence[Attempt], batches: Sequence[UnownedBatch]) -> dict[int, str]:
    """A maximum matching by augmenting paths: the batch of each attempt. An attempt that once got a
    batch always keeps one, though not always the same, so the first attempts have precedence."""
    holder: dict[str, Attempt] = {}

    def placed(attempt: Attempt, tried: set[str]) -> bool:
        fitting = [
            batch.batch_id
            for batch in batches
            if batch.batch_id not in tried and fits(attempt, batch)
        ]
        for batch_id in sorted(fitting, key=holder.__contains__):
            if batch_id in tried:
                continue
            tried.add(batch_id)
            if batch_id not in holder or placed(holder[batch_id], tried):
                holder[batch_id] = attempt
                return True
        return False

    for attempt in attempts:
        placed(attempt, set())
    return {attempt.id: batch_id for batch_id, attempt in holder.items()}
