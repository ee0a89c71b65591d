"""`settle --review`: goes through what is unknown with a person at a terminal, one key for each
decision. It records nothing; `settle` does that when the person leaves."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import NamedTuple

from worker.cli.ask import has_person
from worker.export.evidence import Proposal, Suggestion, after, proposals
from worker.export.proposals import group_name
from worker.ledger.decisions import NOT_COMPARED, after_settling
from worker.ledger.proposals import SHARED, Found, Undecided
from worker.model.errors import UsageError
from worker.model.row_position import row_position
from worker.model.stop_signals import stop_signals
from worker.terminal.keys import CLOSED, PASTED, Keys, one_key_at_a_time
from worker.terminal.output import warn
from worker.text import counted, first_of, shortened, visible, window_width

NAME_SHOWN = 200
"""Characters of a name that are shown."""

_LABEL_WIDTH = 14
"""Width of the first column of a table."""

_CANDIDATE_WIDTH = 31
"""The smallest width of a candidate's column."""


def refuse_without_person() -> None:
    """Raise UsageError if nobody is at a terminal."""
    if not has_person():
        raise UsageError(
            "--review needs a terminal",
            hint="Without one, decide in a spreadsheet: --proposals FILE, then --decisions FILE.",
        )


class Kind(Enum):
    """What a key means. Each value is what the terminal shows when the key was pressed."""

    ASSIGN = "assigned"
    ABSENT = "absent"
    SKIP = "skipped"
    BACK = "undo"
    LEAVE = "leave"
    INVALID = ""


class Answer(NamedTuple):
    """What a person answered: the kind, the batch that is assigned, and why a key is invalid."""

    kind: Kind
    batch_id: str | None = None
    why: str = ""


class Key(NamedTuple):
    """Keys with one meaning: the characters that they send, how they are shown (empty: they are not
    shown), and whether a person may press them ahead of the questions."""

    chars: str
    kind: Kind
    label: str = ""
    may_be_ahead: bool = True


CANDIDATES = "1234567890"
"""The keys of the first candidate, the second, and so on."""

KEYS = (
    Key(CANDIDATES, Kind.ASSIGN, "it is this batch"),
    Key("a", Kind.ABSENT, "a absent"),
    Key("s", Kind.SKIP, "s or Enter skip"),
    Key("\n\r", Kind.SKIP, may_be_ahead=False),  # Enter: text that is pasted contains it
    Key("u", Kind.BACK, "u undo"),
    Key("q", Kind.LEAVE, "q leave"),
    Key("\x03\x04", Kind.LEAVE),  # Ctrl-C, if it sends no signal, and Ctrl-D
)
"""Every key, in the order in which they are shown."""

MAY_BE_AHEAD = frozenset(char for key in KEYS if key.may_be_ahead for char in key.chars)

_KINDS = {char: key.kind for key in KEYS for char in key.chars} | {CLOSED: Kind.LEAVE}


def answer(key: str, one: Undecided, taken: Mapping[str, int]) -> Answer:
    """What a key means for this duplicate; pure. `taken` maps the batches that were chosen so far
    to their items."""
    if key == PASTED:
        return Answer(Kind.INVALID, why="pasted text decides nothing: press one key")
    kind = _KINDS.get(key)
    if kind is None:
        return Answer(Kind.INVALID, why="this key means nothing here")
    if kind is Kind.ABSENT and not one.is_compared:
        return Answer(Kind.INVALID, why=f"{NOT_COMPARED}: {after_settling(one.item)}")
    if kind is Kind.ABSENT and one.hidden:
        return Answer(Kind.INVALID, why=f"not all candidates are shown: {_absent_later(one)}")
    if kind is not Kind.ASSIGN:
        return Answer(kind)
    number = CANDIDATES.index(key) + 1
    if number > len(one.found):
        return Answer(Kind.INVALID, why=f"there is no candidate {number}")
    batch_id = one.found[number - 1].batch_id
    if batch_id in taken:
        return Answer(Kind.INVALID, why=f"you chose this batch for #{taken[batch_id]}")
    return Answer(Kind.ASSIGN, batch_id)


def keys_text(one: Undecided) -> str:
    """The keys that can be pressed for this duplicate."""
    return " · ".join(filter(None, (_label(key, one) for key in KEYS)))


def _label(key: Key, one: Undecided) -> str:
    """How a key is shown for this duplicate; empty if it is not."""
    if key.kind is Kind.ABSENT and (one.hidden or not one.is_compared):
        return ""
    if key.kind is not Kind.ASSIGN:
        return key.label
    many = len(one.found)
    if not many:
        return ""
    if many == len(CANDIDATES):
        return f"1-9, 0 {key.label} (0: candidate 10)"
    return f"1 {key.label}" if many == 1 else f"1-{many} {key.label}"


def _absent_later(one: Undecided) -> str:
    """How to say that a duplicate is absent if not all of its candidates are shown."""
    return (
        "decide it in a sheet (--proposals), or see Prolific and, if it is absent, use --absent"
        f" '#{one.item}' after this review"
    )


def head_lines(one: Undecided, number: int, total: int) -> list[str]:
    """What is known of the duplicate, the `number`th of `total` to decide about."""
    source = visible(shortened(one.source_name or "(name not known)", NAME_SHOWN))
    sent = f"sent {one.last_sent_at[:19].replace('T', ' ')} UTC" if one.last_sent_at else "sent"
    lines = [
        f"{number} of {total}: #{one.item}, {row_position(one.line, one.copy, one.copies)}",
        f"  name    {visible(shortened(one.name, NAME_SHOWN)) or '(no name)'}",
        f"  source  {source} ({one.source_id})",
        f"  {sent}, {counted(one.attempts, 'request')}; {visible(one.cause)}",
    ]
    if one.hidden:
        lines.append(
            f"  {counted(one.hidden, 'more candidate')} not shown: see a sheet (--proposals)"
        )
    if not one.found:
        lines.append("  No candidates are known.")
    return lines


def comparison(one: Undecided, best: Suggestion) -> list[tuple[str, ...]]:
    """The candidates side by side: a row for each property, first what it is called. `best` is what
    is suggested."""
    rows: list[tuple[str, ...]] = [
        (
            "",
            *(
                f"{number}{' (suggested)' if best.batch_id == found.batch_id else ''}"
                for number, found in enumerate(one.found, start=1)
            ),
        ),
        ("batch", *(found.batch_id for found in one.found)),
        ("name", *(_name(found) for found in one.found)),
        ("created", *(_created(one, found) for found in one.found)),
        ("status", *(visible(found.status or "not known") for found in one.found)),
        ("instructions", *(_fits(found.evidence.details) for found in one.found)),
        ("dataset", *(_fits(found.evidence.datasets) for found in one.found)),
        ("account", *(_fits(found.evidence.creator) for found in one.found)),
    ]
    if any(found.shared for found in one.found):
        rows.append(("could also be", *(_shared(found) for found in one.found)))
    return rows


def _name(found: Found) -> str:
    """A candidate's name, and whether it is the expected one."""
    if found.name is None:
        return "not known"
    same = (
        "same: " if found.evidence.name else "DIFFERENT: " if found.evidence.name is False else ""
    )
    return same + visible(shortened(found.name, NAME_SHOWN))


def _created(one: Undecided, found: Found) -> str:
    """When a candidate was created, and whether that fits the request."""
    if not found.created_at:
        return "not known"
    when = after(found.created_at, one.last_sent_at)
    at = visible(found.created_at[:19].replace("T", " "))
    off = " (DOES NOT FIT)" if found.evidence.time is False else ""
    return f"{at}{f', {when}' if when else ''}{off}"


def _fits(fits: bool | None) -> str:
    """Whether a property is the expected one (None: not known), for people."""
    return "not known" if fits is None else "same" if fits else "DIFFERENT"


def _shared(found: Found) -> str:
    """The other duplicates that a candidate could be the copy of."""
    return first_of([f"#{item}" for item in found.shared[:SHARED]], found.others)


def review(unknown: Sequence[Undecided], campaign: str) -> dict[int, str | None]:
    """Ask about each unknown duplicate of the campaign. Returns the decisions that were made until
    the person left, by `q`, Ctrl-C, Ctrl-D or by closing the terminal: the batch of each item, or
    None if it was not created."""
    decided: dict[int, str | None] = {}
    if not unknown:
        return {}
    shown = [with_keys(about) for about in proposals(unknown)]
    warn(
        f"{counted(len(unknown), 'unknown duplicate')} of {campaign}. Your decisions are recorded"
        " together when you leave.\n"
    )
    at, keys = 0, Keys(MAY_BE_AHEAD)
    with suppress(_LeftError, KeyboardInterrupt), _leaving_on_signals(), one_key_at_a_time():
        while at < len(shown):
            one, best, group, _ = shown[at]
            _show(one, best, group, at + 1, len(shown))
            answered = _ask(keys, one, {batch: item for item, batch in decided.items() if batch})
            match answered.kind:
                case Kind.LEAVE:
                    break
                case Kind.BACK:
                    at = max(0, at - 1)
                    decided.pop(shown[at].one.item, None)
                    continue
                case Kind.ASSIGN | Kind.ABSENT:
                    decided[one.item] = answered.batch_id
            at += 1
    warn(f"\n{counted(len(decided), 'decision')} to record.\n")
    return decided


def with_keys(about: Proposal) -> Proposal:
    """The same duplicate with as many candidates as there are keys for, the suggested one first."""
    one, best = about.one, about.best.batch_id
    found = sorted(one.found, key=lambda found: found.batch_id != best)
    shown, others = found[: len(CANDIDATES)], found[len(CANDIDATES) :]
    return about._replace(one=one._replace(found=tuple(shown), hidden=one.hidden + len(others)))


def _show(
    one: Undecided, best: Suggestion, group: Sequence[Undecided], number: int, total: int
) -> None:
    """Print what is known of a duplicate and its candidates, and the keys."""
    warn("\n" + "\n".join(head_lines(one, number, total)) + "\n")
    if one.found:
        _print_table(comparison(one, best))
    if best.reason:
        warn(f"  {best.reason}\n")
    if name := group_name(group):
        warn(f"  {name}: which of them gets which batch makes no difference\n")
    warn(f"{keys_text(one)} > ")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print the rows of `comparison`, in several tables if the window is too narrow for one."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - slow to import, and only a review needs it
    from rich.table import Table  # noqa: PLC0415 - as above

    from worker.terminal.tables import open_console  # noqa: PLC0415 - as above: it imports rich

    many = len(rows[0]) - 1
    at_once = max(1, (window_width(sys.stderr) - _LABEL_WIDTH) // _CANDIDATE_WIDTH)
    console = open_console(sys.stderr)
    for first in range(1, many + 1, at_once):
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for title in (rows[0][0], *rows[0][first : first + at_once]):
            table.add_column(title, overflow="fold")
        for row in rows[1:]:
            table.add_row(row[0], *row[first : first + at_once])
        console.print(table)


def _ask(keys: Keys, one: Undecided, taken: Mapping[str, int]) -> Answer:
    """Read keys until one is valid. Confirms it on the terminal."""
    while (answered := answer(keys.next(), one, taken)).kind is Kind.INVALID:
        keys.drop()
        warn(f"\n{answered.why}\n{keys_text(one)} > ")
    warn(f"{' '.join(filter(None, (answered.kind.value, answered.batch_id)))}\n")
    return answered


class _LeftError(Exception):
    """The person closed the terminal, or the process was asked to end."""


@contextmanager
def _leaving_on_signals() -> Iterator[None]:
    """Within the block, a signal to stop ends the review, so that its decisions are recorded. A
    hangup stays ignored afterwards: recording them must not be interrupted."""

    def leave(number: int, _frame: object) -> None:
        if number == getattr(signal, "SIGHUP", None):
            signal.signal(number, signal.SIG_IGN)
        raise _LeftError

    before = {number: signal.signal(number, leave) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, handler)
