"""What speaks for and against a batch being the copy of an unknown duplicate, as text, and which
one is clearly the best. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from worker.ledger.decisions import NOT_COMPARED, after_settling
from worker.ledger.proposals import SHARED, Found, Undecided
from worker.model.clock import seconds
from worker.model.names import skeleton
from worker.text import first_of, human_duration, joined, shortened, verb, visible

SHOWN = 4
"""How many copies of a row a reason names."""

EXACT_S = 10.0
"""Below so many seconds, the time between a request and a batch is shown exactly."""

NAME_SHOWN = 300
"""Characters of a candidate's name that a sentence shows."""


class Request(NamedTuple):
    """When the latest request of an item was sent (seconds)."""

    sent: float
    item: int


def requests_of(copies: Iterable[Undecided]) -> tuple[Request, ...]:
    """The latest requests of these copies, in order of time; without those of unknown time."""
    sent = ((seconds(one.last_sent_at), one.item) for one in copies)
    return tuple(sorted(Request(at, item) for at, item in sent if at is not None))


def speaks_for(found: Found, sent_at: str | None, requests: Sequence[Request] = ()) -> str:
    """What speaks for the candidate. `sent_at` is when the request was sent (ISO 8601 UTC). If
    there are several `requests`, those of a group, the closest one counts."""
    same = _properties(found, lambda fits: fits is True)
    parts = [f"same {joined(same)}"] if same else []
    created = seconds(found.created_at)
    if len(requests) > 1 and found.evidence.time is not False and created is not None:
        parts.append(_closest(created, requests))
    elif found.evidence.time:
        when = after(found.created_at, sent_at)
        parts.append(f"created {when}" if when else "the time fits")
    return _sentence(parts)


def _closest(created: float, requests: Sequence[Request]) -> str:
    """When a candidate was created, beside the closest of these requests."""
    later = bisect_left(requests, Request(created, 0))
    closest = min(
        requests[max(0, later - 1) : later + 1], key=lambda request: abs(created - request.sent)
    )
    when = _how_long_after(created, closest.sent)
    return f"created {when} of #{closest.item}, the closest of {len(requests)}"


def speaks_against(found: Found, sent_at: str | None, *, has_equal: bool) -> str:
    """What speaks against the candidate. `has_equal` says that another one fits as well."""
    evidence = found.evidence
    different = _properties(found, lambda fits: fits is False)
    parts = [f"different {joined(different)}"] if different else []
    if evidence.name is False and found.name is not None:
        parts.append(f"it is called “{shortened(visible(found.name), NAME_SHOWN)}”")
    if evidence.time is False:
        when = after(found.created_at, sent_at)
        parts.append(f"created {when}, which does not fit" if when else "the time does not fit")
    if found.shared:
        items = [f"#{item}" for item in found.shared[:SHARED]]
        parts.append(f"could also be {first_of(items, found.others)}")
    elif has_equal:
        parts.append("another candidate fits as well")
    return _sentence(parts)


def has_equal(found: Found, all_found: Sequence[Found]) -> bool:
    """Whether another candidate fits as well as this one."""
    others = (one for one in all_found if one.batch_id != found.batch_id)
    return found.evidence.fits and any(one.evidence.fits for one in others)


class Suggestion(NamedTuple):
    """The batch that is clearly the best candidate (None: none is), and why."""

    batch_id: str | None
    reason: str


NO_CANDIDATES = Suggestion(
    None,
    "No suggestion: no candidate is known, which does not mean that it is absent; run settle again"
    " first",
)
HAS_RIVAL = Suggestion(
    None,
    "No suggestion: a batch fits, but another duplicate, or another copy of this row, may have"
    " created it",
)


class Proposal(NamedTuple):
    """An unknown duplicate, what is suggested for it, and its group: itself and the other copies of
    its row, with the same name, that the same batches could be. Which of them gets which batch
    makes no difference."""

    one: Undecided
    best: Suggestion
    group: tuple[Undecided, ...]
    requests: tuple[Request, ...] = ()
    """The latest requests of the group."""

    @property
    def is_first(self) -> bool:
        """Whether it is the first of its group."""
        return self.group[0].item == self.one.item


def proposals(duplicates: Iterable[Undecided]) -> Iterator[Proposal]:
    """These duplicates, which are in the job's order, each with its suggestion and its group."""
    for _, row in groupby(duplicates, key=attrgetter("line")):
        copies = list(row)
        joint = joint_suggestions([one for one in copies if not one.has_rival])
        groups = _groups(copies)
        for one in copies:
            group = groups[one.item]
            if one.has_rival:
                yield Proposal(one, HAS_RIVAL, *group)
                continue
            best = suggestion(one.found, one.hidden, one.name, one.last_sent_at)
            yield Proposal(one, best or joint.get(one.item) or _no_suggestion(one), *group)


def _groups(
    copies: Iterable[Undecided],
) -> dict[int, tuple[tuple[Undecided, ...], tuple[Request, ...]]]:
    """The group of each of these copies of one row, and its requests, by item."""
    alike: dict[object, list[Undecided]] = defaultdict(list)
    for one in copies:
        alike[_group_key(one) if one.found else one.item].append(one)
    found: dict[int, tuple[tuple[Undecided, ...], tuple[Request, ...]]] = {}
    for ones in alike.values():
        group = tuple(ones), requests_of(ones)
        found |= {one.item: group for one in ones}
    return found


def _group_key(one: Undecided) -> tuple[str, frozenset[str]]:
    """What is the same for all copies of a group: the name and the candidates."""
    return one.name, frozenset(found.batch_id for found in one.found)


def _no_suggestion(one: Undecided) -> Suggestion:
    """Why nothing is suggested for a duplicate by itself."""
    if not one.is_compared:
        return Suggestion(None, f"No suggestion: {NOT_COMPARED}; {after_settling(one.item)}")
    if not one.found:
        return NO_CANDIDATES
    best = [found for found in one.found if _fits_wholly(found)]
    if one.hidden:
        why = "more batches could be its copy than are named"
    elif not best and (many := sum(found.evidence.fits for found in one.found)) > 1:
        why = (
            f"{many} batches fit as far as is known, so at least {many - 1} of them"
            f" {verb(many - 1, 'is', 'are')} not its copy"
        )
    elif not best:
        why = "no batch is known to fit in every respect"
    elif len(best) > 1:
        less = len(best) - 1
        why = (
            f"{len(best)} batches fit equally well, so at least {less} of them"
            f" {verb(less, 'is', 'are')} not its copy"
        )
        if same := [name for name in _properties(best[0], bool) if _all_same(best, name)]:
            why += f": all have the same {joined(same)}, and fit the time of the request"
    elif best[0].fits_others:
        why = "what fits it also fits other duplicates"
    elif sum(_fits_well(found, one.name) for found in one.found) > 1:
        why = "another batch fits too, and its name differs only in form"
    else:
        why = "little is known about another batch that could be its copy"
    return Suggestion(None, f"No suggestion: {why}")


def _all_same(batches: Iterable[Found], name: str) -> bool:
    """Whether all of these batches are known to have the property `name` as it should be."""
    return all(name in _properties(found, bool) for found in batches)


def joint_suggestions(copies: Sequence[Undecided]) -> Mapping[int, Suggestion]:
    """What is suggested for copies of one row that the same batches fit equally well, by item.

    Copies with the same name differ in their number only, so it makes no difference which of them
    gets which batch. If there are as many batches as copies, each copy gets one, provided that the
    batches fit nothing else and something speaks against every other candidate. Otherwise there is
    no suggestion, but a reason. Copies that no batch fits well, and single ones, are left out."""
    alike: dict[tuple[str, frozenset[str]], list[Undecided]] = defaultdict(list)
    for one in copies:
        fitting = frozenset(found.batch_id for found in one.found if _fits_wholly(found))
        if fitting:
            alike[one.name, fitting].append(one)
    found: dict[int, Suggestion] = {}
    for (_, fitting), group in alike.items():
        if len(group) == 1:
            continue
        if (why_not := _why_no_joint_suggestion(group, fitting)) is None:
            found |= _one_to_each(group, fitting)
        else:
            found |= {one.item: Suggestion(None, f"No suggestion: {why_not}") for one in group}
    return found


def _one_to_each(copies: Sequence[Undecided], fitting: frozenset[str]) -> dict[int, Suggestion]:
    """The oldest batch for the first copy, and so on."""
    batches = [one for one in copies[0].found if one.batch_id in fitting]
    oldest = sorted(batches, key=lambda one: (one.created_at or "", one.batch_id))
    named = first_of([f"#{one.item}" for one in copies[:SHOWN]], len(copies))
    why = (
        f"{len(copies)} copies of this row ({named}) and {len(batches)} batches fit each"
        " other equally well, and nothing else; which copy gets which batch makes no difference"
    )
    return {
        one.item: Suggestion(
            batch.batch_id,
            f"{speaks_for(_candidate(one, batch.batch_id), one.last_sent_at)}; {why}",
        )
        for one, batch in zip(copies, oldest, strict=True)
    }


def _candidate(one: Undecided, batch_id: str) -> Found:
    """The candidate with this id."""
    return next(found for found in one.found if found.batch_id == batch_id)


def _why_no_joint_suggestion(copies: Sequence[Undecided], fitting: frozenset[str]) -> str | None:
    """Why nothing is suggested for copies that these batches fit; None if each can get one."""
    many, batches = len(copies), len(fitting)
    these = f"{many} copies of this row"
    all_found = [found for one in copies for found in one.found]
    if any(one.hidden for one in copies):
        return f"more batches could be one of {these} than are named"
    if any(found.fits_others >= many for found in all_found if found.batch_id in fitting):
        return f"what fits {these} also fits its other copies, or other rows"
    if batches > many:
        return (
            f"{batches:,} batches fit {these} equally well, so at least {batches - many:,} of them"
            f" {verb(batches - many, 'is', 'are')} not one of these copies"
        )
    if batches < many:
        return (
            f"only {batches:,} {verb(batches, 'batch fits', 'batches fit')} {these},"
            f" so {many - batches:,} of them may not have been created"
        )
    if any(False not in one.evidence for one in all_found if one.batch_id not in fitting):
        return f"little is known about another batch that could be one of {these}"
    return None


def _fits_wholly(found: Found) -> bool:
    """Whether name, instructions, dataset and time are known to fit, and the creator is not known
    to differ."""
    return all(found.evidence[:4]) and found.evidence.creator is not False


def suggestion(
    all_found: Sequence[Found], hidden: int, name: str, sent_at: str | None
) -> Suggestion | None:
    """The candidate that is clearly the best for a duplicate that was sent with this `name`; None
    if none is.

    Its name, instructions, dataset and time are known to fit, and it is not another person's. It
    fits no other unknown duplicate. Something speaks against each other candidate, and none is
    `hidden`. If the name differs in its form only, as if the API had cleaned it, the candidate must
    not be one of any other duplicate."""
    best = [one for one in all_found if _fits_well(one, name)]
    if hidden or len(best) != 1:
        return None
    others = [one for one in all_found if one is not best[0]]
    if any(False not in one.evidence for one in others):
        return None
    why = [speaks_for(best[0], sent_at)]
    if not best[0].evidence.name:
        why.append("its name has the same letters and digits")
    why.append(
        "something speaks against every other candidate" if others else "it is the only candidate"
    )
    return Suggestion(best[0].batch_id, "; ".join(why))


def _fits_well(found: Found, name: str) -> bool:
    """Whether a candidate may be suggested for a duplicate that was sent with this `name`."""
    evidence = found.evidence
    if not (evidence.details and evidence.datasets and evidence.time):
        return False
    if evidence.creator is False or found.fits_others:
        return False
    if evidence.name is False and not found.others:
        return skeleton(found.name or "") == skeleton(name)
    return evidence.name is True


def _properties(found: Found, which: Callable[[bool | None], bool]) -> list[str]:
    """The names of the properties of a candidate whose evidence is `which`."""
    evidence = found.evidence
    properties = (
        ("name", evidence.name),
        ("instructions", evidence.details),
        ("dataset", evidence.datasets),
        ("account", evidence.creator),
    )
    return [name for name, fits in properties if which(fits)]


def after(created: str | None, sent: str | None) -> str:
    """How long after its request a candidate was created, for people, by clocks that may differ a
    little. Both times are ISO 8601; empty if one of them is not known."""
    at, left = seconds(created), seconds(sent)
    return "" if at is None or left is None else _how_long_after(at, left)


def _how_long_after(created: float, sent: float) -> str:
    gap, when = abs(created - sent), "after" if created >= sent else "before"
    # Requests leave fractions of a second apart.
    shown = human_duration(gap) if gap >= EXACT_S else f"{round(gap, 2):g} s"
    return f"{shown} {when} the request"


def _sentence(parts: list[str]) -> str:
    """The parts as one text with a capital at its beginning; empty without parts."""
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]
