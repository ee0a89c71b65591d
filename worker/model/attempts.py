"""What settling reasons about: open attempts, batches without an owner, and what copying keeps.

Plain values; the rules are in `worker.settle`. All times are the API's, in seconds since 1970;
`None` as a bound is an open end."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.model.reasons import Reason

PLAIN = frozenset(string.ascii_letters + string.digits + " -_.,:;()[]#/+=*!?@")
"""Characters that no API escapes or writes in another alphabet."""


class Interval(NamedTuple):
    """From `low` to `high`, both included."""

    low: float = -math.inf
    high: float = math.inf

    def meets(self, other: Interval) -> bool:
        """Whether they have a point in common."""
        return self.low <= other.high and other.low <= self.high


class Source(NamedTuple):
    """A source as it was when an attempt was made: name, digests of its task details, ids of its
    datasets."""

    name: str
    workspace_id: str
    details: str
    loose_details: str
    datasets: tuple[str, ...]


class Attempt(NamedTuple):
    """One open attempt: a request that was neither answered clearly nor proved absent.

    `listing` numbers its baseline: what listings up to it had shown is not its copy. `date_before`
    and `date_after` are the last Date before it left and the first after it was given up; `left` is
    when it left, `ended` when it was given up (None: nobody saw that). `offset` is what the 201s of
    its time allow for created_at less server time (None: unknown). `source_changed`: the source
    changed since, or is shown no more, so that nobody knows. `tells_people_apart`: 201s to this
    `me` have carried its id. `hidden`: who looks now is somebody else, and is not shown the source,
    or nothing that a request of the first one made. `name_guessed`: what was sent follows from what
    the source is called now. `of_a_copy`: the source may be a copy that we made ourselves."""

    id: int
    item_id: int
    source_id: str
    name: str | None
    upload_new_dataset: bool
    source: Source | None
    source_changed: bool
    listing: int
    date_before: float | None
    left: float | None
    ended: float | None
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

    @property
    def kind(self) -> tuple[str, str | None, bool]:
        """Attempts of one kind make copies that nobody can tell apart."""
        return self.source_id, self.name, self.upload_new_dataset

    @property
    def expected_name(self) -> str:
        """What its copy is called."""
        return (
            self.name
            if self.name is not None
            else f"{self.source.name if self.source else ''} (Copy)"
        )

    @property
    def expected_datasets(self) -> tuple[str, ...]:
        """What data its copy has."""
        return () if self.upload_new_dataset or self.source is None else self.source.datasets


class UnownedBatch(NamedTuple):
    """A batch without an owner as the latest listing showed it; the first was number `listing`. An
    empty `loose_details` says that listings did not agree about its looks. `disputed`: it fitted
    more attempts than could have made it, so only a person may give it an owner."""

    batch_id: str
    workspace_id: str
    listing: int
    name: str
    created: float | None
    created_by: str | None
    details: str
    loose_details: str
    datasets: tuple[str, ...]
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class CopyFidelity:
    """What our own 201s, seen again in this run's listings, show of copying.

    `name`, `details`, `datasets`: True where all were as they were sent, False where one was not,
    None where none could tell. `characters`: those beyond `PLAIN` in names that arrived as they
    were sent. `copied`: how the task details of copies are listed, and which details they were made
    from (None: of several)."""

    name: bool | None = None
    details: bool | None = None
    datasets: bool | None = None
    characters: frozenset[str] = frozenset()
    copied: Mapping[str, str | None] = field(default_factory=dict)

    def joined(self, other: CopyFidelity) -> CopyFidelity:
        """What both say together."""
        copied = dict(self.copied)
        for listed, made_from in other.copied.items():
            copied[listed] = made_from if copied.get(listed, made_from) == made_from else None
        return CopyFidelity(
            _both(self.name, other.name),
            _both(self.details, other.details),
            _both(self.datasets, other.datasets),
            self.characters | other.characters,
            copied,
        )

    def surely_keeps(self, name: str) -> bool:
        """Whether a copy for which this name is sent is surely listed under it: names arrived as
        they were sent, and so did every character in it that an API might escape."""
        return self.name is True and special(name) <= self.characters

    def as_sent(self, batch: UnownedBatch) -> UnownedBatch:
        """The batch with the details that it was made from, where our other copies show what became
        of them; with none where they show several."""
        made_from = self.copied.get(batch.details, batch.details)
        return batch if made_from == batch.details else batch._replace(details=made_from or "")


def special(name: str) -> frozenset[str]:
    """The characters of a name that an API might escape or write in another alphabet."""
    return frozenset(name) - PLAIN


def _both(one: bool | None, other: bool | None) -> bool | None:
    return (
        one and other if one is not None and other is not None else (other if one is None else one)
    )


def offset_of(low: float | None, high: float | None) -> Interval | None:
    """What the 201s allow for the offset; None where there were none, or they contradict each
    other."""
    if low is None or high is None or low > high:
        return None
    return Interval(low, high)


class Evidence(NamedTuple):
    """What speaks for a batch being an attempt's copy (True) and against it (False); None where
    nobody knows. `time`: it was created within the attempt's window; `creator`: by whose token was
    used."""

    name: bool | None = None
    details: bool | None = None
    datasets: bool | None = None
    time: bool | None = None
    creator: bool | None = None


class Candidate(NamedTuple):
    """A batch that could be an attempt's copy."""

    batch_id: str
    evidence: Evidence = Evidence()


class Unsettled(NamedTuple):
    """Why an attempt stays unknown: the `reason`, the same in words (`text`), and the first
    `candidates` of `total`."""

    reason: Reason
    text: str
    candidates: tuple[Candidate, ...] = ()
    total: int = 0


class Verdicts(NamedTuple):
    """What a look found out.

    `claims` gives attempts their batches, `absent` names attempts, `unknown` says of the others why
    they stay unknown, `disputed` names batches that only a person may give an owner."""

    claims: Mapping[int, UnownedBatch]
    absent: Sequence[int]
    unknown: Mapping[int, Unsettled]
    disputed: Sequence[str]


class Label(NamedTuple):
    """What people call an item, for log lines. `attempt` counts its requests."""

    line: int | None
    copy: int
    source_id: str
    name: str
    attempt: int
