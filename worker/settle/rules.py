"""The decisions of settling, as pure functions over what the ledger and the listings know.
docs/settling.md tells them in words. Nothing here reads a clock, a database or the network.

All times are the API's, in seconds since 1970; `None` as a bound is an open end."""

from __future__ import annotations

import html
import math
import string
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeVar

One = TypeVar("One")
Other = TypeVar("Other")

WIDE_S = 600.0
"""What the wide window adds to both sides: the clocks of two machines of one service differ by
less."""

LEAVES_WITHIN_S = 10.0
"""An intent that has not left this long after it was written down is taken back, so a request whose
answer was never recorded left at most this long after its intent."""

PLAIN = frozenset(string.ascii_letters + string.digits + " -_.,:;()[]#/+=*!?@")
"""Characters that no API escapes or writes in another alphabet."""

MANY = 10_000
"""Pairs of attempts and batches of one look above which they are counted together instead of in
connected parts: stricter, and fast for thousands of copies that have one name."""


class Interval(NamedTuple):
    """From `low` to `high`, both included."""

    low: float = -math.inf
    high: float = math.inf

    def meets(self, other: Interval) -> bool:
        """Whether they have a point in common."""
        return self.low <= other.high and other.low <= self.high


PRESUMED = Interval(-WIDE_S, WIDE_S)
"""The offset that presence goes by while none is known: a batch from last week is not taken for
tonight's."""


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


class Sighting(NamedTuple):
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
class Survival:
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

    def joined(self, other: Survival) -> Survival:
        """What both say together."""
        copied = dict(self.copied)
        for listed, made_from in other.copied.items():
            copied[listed] = made_from if copied.get(listed, made_from) == made_from else None
        return Survival(
            _both(self.name, other.name),
            _both(self.details, other.details),
            _both(self.datasets, other.datasets),
            self.characters | other.characters,
            copied,
        )

    def vouches_for(self, name: str) -> bool:
        """Whether a copy for which this name is sent is surely listed under it: names arrived as
        they were sent, and so did every character in it that an API might escape."""
        return self.name is True and special(name) <= self.characters

    def as_sent(self, sighting: Sighting) -> Sighting:
        """The batch with the details that it was made from, where our other copies show what became
        of them; with none where they show several."""
        made_from = self.copied.get(sighting.details, sighting.details)
        return (
            sighting
            if made_from == sighting.details
            else sighting._replace(details=made_from or "")
        )


def special(name: str) -> frozenset[str]:
    """The characters of a name that an API might escape or write in another alphabet."""
    return frozenset(name) - PLAIN


def _both(one: bool | None, other: bool | None) -> bool | None:
    return (
        one and other if one is not None and other is not None else (other if one is None else one)
    )


@dataclass(frozen=True, slots=True)
class Presence:
    """`claims` gives attempts their batches; `disputed` names, for the attempts that nobody may
    decide, all batches that fit them; `rivalled` the same where it is only not known yet whether
    names arrive as they are sent."""

    claims: Mapping[int, str]
    disputed: Mapping[int, tuple[str, ...]]
    rivalled: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


# -- windows


def wide_window(attempt: Attempt) -> Interval:
    """Server times at which its copy could have been made, with all that clocks may differ. Open
    while the offset is not known, and where the API's clock went back meanwhile."""
    if attempt.offset is None:
        return Interval()
    before = -math.inf if attempt.date_before is None else attempt.date_before
    after = math.inf if attempt.date_after is None else attempt.date_after
    if after < before:
        return Interval()
    return Interval(before - WIDE_S, after + attempt.settle_after_s + WIDE_S)


def window(attempt: Attempt) -> Interval:
    """Server times at which its copy was made, if it was: from its leaving to the end of late
    effects. The wide window where it is not known when it left."""
    over = over_at(attempt)
    if attempt.left is None or over is None:
        return wide_window(attempt)
    return Interval(attempt.left, over + attempt.settle_after_s)


def over_at(attempt: Attempt) -> float | None:
    """The server time at which its request was over at the latest, whoever waited for it; None
    where that is not known. What nobody awaited (a crash, a second signal) may have been under way
    for that long."""
    if (
        attempt.left is None
    ):  # a restored one: it left before its process died, and that was before `date_after`
        return None if attempt.date_after is None else attempt.date_after + attempt.timeout_s
    over = attempt.left + attempt.timeout_s
    if attempt.ended is None:  # `left` is the intent's time
        return over + LEAVES_WITHIN_S
    # A process that slept while it waited gave up later than its time limit says.
    return max(over, attempt.ended)


def made_at(sighting: Sighting, offset: Interval | None) -> Interval:
    """When the batch was made by the API's `Date`, as its own created_at and the offset say."""
    if sighting.created is None or offset is None:
        return Interval()
    return Interval(sighting.created - offset.high, sighting.created - offset.low)


# -- presence


def may_be_its(attempt: Attempt, sighting: Sighting) -> bool:
    """Whether nothing but looks speaks against the batch: it is not older than the attempt's
    baseline, not its source, not elsewhere, and not somebody else's."""
    return (
        sighting.listing > attempt.listing
        and sighting.batch_id != attempt.source_id
        and (attempt.source is None or sighting.workspace_id == attempt.source.workspace_id)
        and not (
            attempt.tells_people_apart
            and sighting.created_by is not None
            and sighting.created_by != attempt.me
        )
    )


def fits(attempt: Attempt, sighting: Sighting) -> bool:
    """Whether the batch is what the attempt would have made, in every respect."""
    return (
        attempt.source is not None
        and may_be_its(attempt, sighting)
        and _made_by_its_me(attempt, sighting)
        and (attempt.answered_id is None or attempt.answered_id == sighting.batch_id)
        and made_at(sighting, attempt.offset or PRESUMED).meets(window(attempt))
        and sighting.name == attempt.expected_name
        and sighting.details == attempt.source.details
        and sighting.datasets == attempt.expected_datasets
    )


def presence(
    attempts: Sequence[Attempt], sightings: Sequence[Sighting], survival: Survival | None = None
) -> Presence:
    """Which attempts made which of these ownerless batches (rules 2 and 3).

    Within each connected part of what fits what: a batch that fits attempts of several kinds, more
    batches than attempts, or a batch that is disputed already, and nobody guesses. Else oldest to
    oldest. Where `survival` does not vouch for a name, a batch may also be the copy of a kind whose
    name is alike."""
    survival = survival or Survival()
    alike: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if not survival.vouches_for(attempt.expected_name):
            alike[skeleton(attempt.expected_name)].append(attempt)
    changed: dict[str, list[Attempt]] = defaultdict(list)
    of_copies = not survival.details and any(attempt.of_a_copy for attempt in attempts)
    for attempt in attempts:
        if attempt.source_changed or of_copies:
            changed[attempt.expected_name].append(attempt)
    claims: dict[int, str] = {}
    disputed: dict[int, tuple[str, ...]] = {}
    rivalled: dict[int, tuple[str, ...]] = {}
    parts = _connected(attempts, [survival.as_sent(sighting) for sighting in sightings])
    fitting = {batch.batch_id for _, batches in parts for batch in batches}
    odd = [sighting for sighting in sightings if sighting.batch_id not in fitting]
    for some, batches in parts:
        names = tuple(sorted(batch.batch_id for batch in batches))
        several = len({attempt.kind for attempt in some}) > 1
        if several or len(batches) > len(some) or any(batch.disputed for batch in batches):
            disputed |= {attempt.id: names for attempt in some}
        elif _has_rival(
            some[0], alike.get(skeleton(some[0].expected_name), ()), batches
        ) or _has_changed_rival(some[0], changed.get(some[0].expected_name, ()), batches):
            rivalled |= {attempt.id: names for attempt in some}
        else:
            short = len(batches) < len(some)
            hopeful = {
                attempt.id for attempt in some if short and candidates(attempt, odd, survival)
            }
            claims |= _oldest_to_oldest(some, batches, hopeful)
    return Presence(claims, disputed, rivalled)


def _has_rival(one: Attempt, alike: Sequence[Attempt], batches: Sequence[Sighting]) -> bool:
    """Whether an attempt of another kind than `one`'s, of those whose names are alike, could have
    made one of the batches under the name that the API made of it."""
    rivals = [attempt for attempt in alike if attempt.kind != one.kind]
    return any(
        fits(rival._replace(name=batch.name), batch) for rival in rivals for batch in batches
    )


def _has_changed_rival(one: Attempt, alike: Sequence[Attempt], batches: Sequence[Sighting]) -> bool:
    """Whether an attempt of another source than `one`'s, of those with the same name whose source
    is not as it was, could have made one of the batches: its source may have looked like `one`'s
    when it was copied. Where `one`'s source is a copy itself, any of them could: it may look like
    what copying made of the other's source."""
    rivals = [
        attempt
        for attempt in alike
        if attempt.source_id != one.source_id and (attempt.source_changed or one.of_a_copy)
    ]
    return any(
        may_be_its(rival, batch)
        and _has_just_its_name(rival, batch)
        and made_at(batch, rival.offset or PRESUMED).meets(window(rival))
        for rival in rivals
        for batch in batches
    )


def _connected(
    attempts: Sequence[Attempt], sightings: Sequence[Sighting]
) -> list[tuple[list[Attempt], list[Sighting]]]:
    """The connected parts of the graph of what fits what; attempts that nothing fits are left
    out."""
    parts: list[tuple[list[Attempt], list[Sighting]]] = []
    alike: dict[object, tuple[list[Attempt], list[Sighting]]] = defaultdict(lambda: ([], []))
    for attempt in attempts:
        if attempt.source is not None:
            look = (attempt.expected_name, attempt.source.details, attempt.expected_datasets)
            alike[look][0].append(attempt)
    for sighting in sightings:
        look = (sighting.name, sighting.details, sighting.datasets)
        if look in alike:
            alike[look][1].append(sighting)
    for some, batches in alike.values():
        by_time = sorted(batches, key=lambda batch: (batch.created or 0.0, batch.batch_id))
        fitted = _with_partner(some, by_time, fits)
        fitting = _with_partner(by_time, fitted, lambda batch, attempt: fits(attempt, batch))
        parts += (
            _split(fitted, fitting) if len(fitted) * len(fitting) <= MANY else [(fitted, fitting)]
        )
    return parts


def _with_partner(
    ones: Sequence[One], others: Sequence[Other], fit: Callable[[One, Other], bool]
) -> list[One]:
    """Those of `ones` that some of `others` fits. Both are in the order of time, so a partner is
    near the last one's, and thousands of each need no comparison of all with all."""
    found: list[One] = []
    at, many = 0, len(others)
    for one in ones:
        for step in range(many):
            if fit(one, others[(at + step) % many]):
                at = (at + step) % many
                found.append(one)
                break
    return found


def _split(
    attempts: Sequence[Attempt], batches: Sequence[Sighting]
) -> list[tuple[list[Attempt], list[Sighting]]]:
    """The connected parts among attempts and batches of one look."""
    parts: list[tuple[list[Attempt], list[Sighting]]] = []
    for attempt in attempts:
        joined: tuple[list[Attempt], list[Sighting]] = (
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
    attempts: Sequence[Attempt], batches: Sequence[Sighting], hopeful: Container[int] = ()
) -> dict[int, str]:
    """Give the batches, the oldest first, to the attempts that can wait least, and where that
    leaves one over, let attempts change theirs: a maximum matching. (Among very many, nobody
    changes.) A batch that finds no attempt stays free, and keeps absence from being proved.

    Attempts that also nearly fit a batch that fits nobody (`hopeful`) come last: they may have made
    that one, and then another's batch, if they took it, would have its attempt proved absent that
    made it."""
    waiting = sorted(
        attempts, key=lambda attempt: (attempt.id in hopeful, window(attempt).high, attempt.id)
    )
    oldest = sorted(
        batches, key=lambda batch: (batch.listing, batch.created or 0.0, batch.batch_id)
    )
    if len(attempts) * len(batches) <= MANY:
        return _matched(waiting, oldest)
    claims: dict[int, str] = {}
    for batch in oldest:
        for place, attempt in enumerate(waiting):
            if fits(attempt, batch):
                claims[attempt.id] = batch.batch_id
                del waiting[place]
                break
    return claims


def _matched(attempts: Sequence[Attempt], batches: Sequence[Sighting]) -> dict[int, str]:
    """A maximum matching, by augmenting paths; an attempt that has a batch once keeps some, so the
    first ones have one if any can."""
    holder: dict[str, Attempt] = {}

    def placed(attempt: Attempt, tried: set[str]) -> bool:
        fitting = [
            batch.batch_id
            for batch in batches
            if batch.batch_id not in tried and fits(attempt, batch)
        ]
        for batch in sorted(fitting, key=holder.__contains__):
            if batch in tried:
                continue
            tried.add(batch)
            if batch not in holder or placed(holder[batch], tried):
                holder[batch] = attempt
                return True
        return False

    for attempt in attempts:
        placed(attempt, set())
    return {attempt.id: batch for batch, attempt in holder.items()}


# -- absence


def nearly_fits(attempt: Attempt, sighting: Sighting, survival: Survival) -> bool:
    """Whether the batch could be the attempt's copy, however the API may have changed it: only a
    property that differs beyond case, spaces and Unicode form, that survives copying, and that all
    listings agree about, proves that it is not."""
    if not may_be_its(attempt, sighting):
        return False
    if not made_at(sighting, attempt.offset).meets(wide_window(attempt)):
        return False
    if attempt.source is None or not sighting.loose_details:
        return True
    # A name that was sent is what it is, whatever became of the source.
    name_is_known = not attempt.source_changed or (
        attempt.name is not None and not attempt.name_guessed
    )
    name_counts = name_is_known and survival.vouches_for(attempt.expected_name)
    if name_counts and not names_are_close(attempt, sighting.name):
        return False
    if attempt.source_changed or _has_just_its_name(attempt, sighting):
        return True
    # Where names are changed, a name like its own is no coincidence either.
    if (
        survival.name is False
        and _made_by_its_me(attempt, sighting)
        and names_are_close(attempt, sighting.name)
    ):
        return True
    if survival.details and attempt.source.loose_details != sighting.loose_details:
        return False
    return not (survival.datasets and attempt.expected_datasets != sighting.datasets)


def _has_just_its_name(attempt: Attempt, sighting: Sighting) -> bool:
    """Whether the batch has exactly the name that its copy would have and was made by its `me` as
    far as anybody says: however it looks, that is no coincidence (the source may have been edited
    for a while). It need not be made within the window: what was may have been given to another
    attempt of its kind."""
    return sighting.name == attempt.expected_name and _made_by_its_me(attempt, sighting)


def _made_by_its_me(attempt: Attempt, sighting: Sighting) -> bool:
    """Whether nobody says that another person made it."""
    return attempt.me is None or sighting.created_by in (None, attempt.me)


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


def candidates(attempt: Attempt, free: Iterable[Sighting], survival: Survival) -> tuple[str, ...]:
    """The ownerless batches that keep this attempt from being proved absent."""
    return tuple(s.batch_id for s in free if nearly_fits(attempt, s, survival))


# -- listings


def may_be_capped(length: int, longest: int, shows_our_newest: bool) -> bool:
    """Whether a listing of this length may be the first page of a longer one, whose count is the
    page's.

    Pages have round lengths: tens, or multiples of 25. A longer listing was seen before, or this
    one shows what was made last: then it is no page."""
    is_round = length > 0 and (length % 10 == 0 or length % 25 == 0)
    return is_round and length >= longest and not shows_our_newest


def offset_of(low: float | None, high: float | None) -> Interval | None:
    """What the 201s allow for the offset; None where there were none, or they contradict each
    other."""
    if low is None or high is None or low > high:
        return None
    return Interval(low, high)
