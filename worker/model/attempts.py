"""What settling works with: open attempts, batches without an owner, and what copying keeps.

Plain values; the rules are in `worker.settle`. All times are the API's, in seconds since 1970. A
time that is None is not known."""

from __future__ import annotations

import math
import string
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import NamedTuple

from worker.model.copies import copy_datasets, copy_name
from worker.model.reasons import Reason

PLAIN = frozenset(string.ascii_letters + string.digits + " -_.,:;()[]#/+=*!?@")
"""Characters that no API escapes or transliterates."""

SPACES = "  "
"""Spaces side by side. An API may make one of them, as it may drop those at the ends."""

DIFFERENT_ORIGINS = ""
"""The task details that a batch was created from, if our copies that are listed with the same
details were created from different ones (`CopyFidelity.as_sent`)."""


class Interval(NamedTuple):
    """From `low` to `high`, both inclusive. An infinite one means that it is open at that end."""

    low: float = -math.inf
    high: float = math.inf

    def meets(self, other: Interval) -> bool:
        """Whether the intervals overlap."""
        return self.low <= other.high and other.low <= self.high


class Source(NamedTuple):
    """A source as it was when an attempt was sent: its name, digests of its task details, the ids
    of its datasets."""

    name: str
    workspace_id: str
    details: str
    loose_details: str
    datasets: tuple[str, ...]


class Attempt(NamedTuple):
    """One open attempt: a request without a clear answer that is not proved absent either.

    `baseline` is the number of the last listing before it: batches that listings up to this one
    showed are not its copy. `date_before` and `date_after` are the last Date before it left and the
    first Date after it was given up. `sent_at` is when it left, or when its intent was recorded if
    nobody awaited it; of a restored attempt, the time after which it probably left, if its ledger
    file does not have it. `given_up_at` is when it was given up (None: nobody recorded that).
    `offset` is the range of created_at minus server time that the 201s of its time allow (None:
    unknown).

    `source_changed`: the source has changed since, or is not listed any more, so that this is
    unknown. `restored`: it comes from a ledger file, and its source is compared as it is now.
    `existed`: batches that existed before it, as its ledger file shows: more of its baseline.
    `created_after`: its copy's `created_at` is later, as the file shows (None: not known).
    `tells_people_apart`: 201s to this `me` carried its id. `hidden`: another token's user
    is looking, and is shown neither the source nor anything that the first user's requests created.
    `name_guessed`: the name that was sent was derived from the source's name now. `of_a_copy`: the
    source may itself be a copy that the worker created. `moved`: the latest listing of the source's
    workspace does not show the source, although it exists: the copy may be in another one."""

    id: int
    item_id: int
    source_id: str
    name: str | None
    upload_new_dataset: bool
    source: Source | None
    source_changed: bool
    baseline: int
    date_before: float | None
    sent_at: float | None
    given_up_at: float | None
    date_after: float | None
    timeout_s: float
    settle_after_s: float
    offset: Interval | None
    me: str | None
    tells_people_apart: bool
    answered_id: str | None = None
    hidden: bool = False
    name_guessed: bool = False
    of_a_copy: bool = False
    restored: bool = False
    existed: frozenset[str] = frozenset()
    created_after: float | None = None
    moved: bool = False

    @property
    def source_may_have_changed(self) -> bool:
        """Whether the source may have looked different when it was copied."""
        return self.source_changed or self.restored

    @property
    def kind(self) -> tuple[str, str | None, bool]:
        """Nothing distinguishes the copies of attempts with the same kind. If the source has no
        datasets, its copies have none either way."""
        has_datasets = self.source is None or bool(self.source.datasets)
        return self.source_id, self.name, self.upload_new_dataset and has_datasets

    @property
    def expected_name(self) -> str:
        """The name of its copy."""
        return copy_name(self.name, self.source.name if self.source else "")

    @property
    def expected_datasets(self) -> tuple[str, ...]:
        """The datasets of its copy."""
        datasets = () if self.source is None else self.source.datasets
        return copy_datasets(datasets, upload_new_dataset=self.upload_new_dataset)


class UnownedBatch(NamedTuple):
    """A batch without an owner, as the latest listing showed it. Listing number
    `first_listing` was the first to show it. `loose_details` is empty if listings disagree.
    `disputed`: it fitted more attempts than can have created it, so only a person may give it an
    owner."""

    batch_id: str
    workspace_id: str
    first_listing: int
    name: str
    created: float | None
    created_by: str | None
    details: str
    loose_details: str
    datasets: tuple[str, ...]
    disputed: bool = False

    @property
    def listings_agree(self) -> bool:
        """Whether all listings showed it with the same name, task details and datasets."""
        return self.loose_details != ""


class Arrived(NamedTuple):
    """Names that arrived as they were sent: their `characters` beyond `PLAIN`, and the number of
    characters of the `longest` one."""

    characters: frozenset[str] = frozenset()
    longest: int = 0

    def joined(self, other: Arrived | None) -> Arrived:
        """What both together show."""
        if other is None:
            return self
        return Arrived(self.characters | other.characters, max(self.longest, other.longest))

    def show_whole(self, name: str) -> bool:
        """Whether an API that cuts names certainly does not cut this one: a name that is at least
        as long arrived whole. Whatever the API counts, bytes are the most and characters the
        fewest."""
        return len(name.encode()) <= self.longest


@dataclass(frozen=True, slots=True)
class CopyFidelity:
    """What the worker's own 201s, seen again in this run's listings, show about copying.

    `name`, `details`, `datasets`: True if all arrived as sent, False if one did not, None if
    nothing showed it. `arrived`: the names that arrived as sent. `copied`: maps the task details
    that listings show for copies to the details they were created from (None: from different ones).
    `found`: the names of batches that settling found, which have the name that was sent (None: it
    found none)."""

    name: bool | None = None
    details: bool | None = None
    datasets: bool | None = None
    arrived: Arrived = field(default_factory=Arrived)
    copied: Mapping[str, str | None] = field(default_factory=dict)
    found: Arrived | None = None

    def joined(self, other: CopyFidelity) -> CopyFidelity:
        """The conclusions from both together."""
        copied = dict(self.copied)
        for listed, made_from in other.copied.items():
            copied[listed] = made_from if copied.get(listed, made_from) == made_from else None
        return CopyFidelity(
            _both(self.name, other.name),
            _both(self.details, other.details),
            _both(self.datasets, other.datasets),
            self.arrived.joined(other.arrived),
            copied,
            other.found if self.found is None else self.found.joined(other.found),
        )

    def without(self, changed: Container[str]) -> CopyFidelity:
        """The same without what copies of sources show whose task details were seen to change, from
        these details or to them: nobody knows which ones they were copied from."""
        copied = {
            listed: made_from
            for listed, made_from in self.copied.items()
            if made_from == listed or made_from not in changed
        }
        return replace(self, copied=copied)

    def surely_keeps(self, name: str) -> bool:
        """Whether a copy that is sent with this name is certainly listed under it: names arrived as
        sent, and so did every character in it that an API might escape."""
        return self.name is True and special(name) <= self.arrived.characters

    def probably_keeps(self, name: str) -> bool:
        """Whether batches that settling found show the same, and no 201 shows otherwise. It would
        be a coincidence if a batch had a row's name, details and datasets and was not its copy."""
        if self.name is False or self.found is None:
            return False
        return special(name) <= self.names(restored=True).characters

    def names(self, *, restored: bool) -> Arrived:
        """The names that arrived as sent; for `restored` attempts also what settling found."""
        return self.arrived.joined(self.found if restored else None)

    def as_sent(self, batch: UnownedBatch) -> UnownedBatch:
        """The batch with the details that it was created from, if the worker's other copies show
        how details change. The details are `DIFFERENT_ORIGINS` if they show several."""
        created_from = self.copied.get(batch.details, batch.details)
        return batch._replace(details=DIFFERENT_ORIGINS if created_from is None else created_from)


def special(name: str) -> frozenset[str]:
    """The characters of a name that an API might escape, transliterate or drop; two spaces stand
    for any spaces that it might trim."""
    trims = {SPACES} if SPACES in name or name != name.strip(" ") else set()
    return (frozenset(name) - PLAIN) | trims


def plain_beginning(name: str) -> str:
    """What a name begins with, up to its first special character."""
    return "".join(takewhile(PLAIN.__contains__, name))


def _both(one: bool | None, other: bool | None) -> bool | None:
    """False if either is; None if nothing is known of both."""
    if one is None or other is None:
        return other if one is None else one
    return one and other


def offset_of(low: float | None, high: float | None) -> Interval | None:
    """The offset, from `low` to `high` seconds, that the 201s allow; None if there were none or
    they contradict each other."""
    if low is None or high is None or low > high:
        return None
    return Interval(low, high)


class Evidence(NamedTuple):
    """Whether each fact supports that a batch is an attempt's copy (True) or contradicts it
    (False); None if it is unknown. `time`: it was created within the attempt's window. `creator`:
    the user of the token created it."""

    name: bool | None = None
    details: bool | None = None
    datasets: bool | None = None
    time: bool | None = None
    creator: bool | None = None

    @property
    def fits(self) -> bool:
        """Whether something speaks for the batch and nothing against it."""
        return any(self) and False not in self


class Candidate(NamedTuple):
    """A batch that could be an attempt's copy."""

    batch_id: str
    evidence: Evidence = Evidence()


class Unsettled(NamedTuple):
    """Why an attempt stays unknown: the `reason`, its explanation (`text`), and the first
    `candidates` of `total`. `keeps_earlier`: the look showed nothing for certain, so the candidates
    of an earlier one stay, with their reason."""

    reason: Reason
    text: str
    candidates: tuple[Candidate, ...] = ()
    total: int = 0
    keeps_earlier: bool = False


class Verdicts(NamedTuple):
    """What one look at the listings decided. An attempt is named by its id.

    `created` maps attempts to their batches, `absent` lists attempts, `unknown` explains why each
    other attempt stays unknown, `disputed` lists batches that only a person may give an owner."""

    created: Mapping[int, UnownedBatch]
    absent: Sequence[int]
    unknown: Mapping[int, Unsettled]
    disputed: Sequence[str]


class Label(NamedTuple):
    """How log lines name an item. `attempt` is the number of its requests."""

    line: int | None
    copy: int
    source_id: str
    name: str
    attempt: int
