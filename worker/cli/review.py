"""`settle --review`: goes through what is unknown with a person at a terminal, one key for each
decision. It records nothing; `settle` does that when the person leaves."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import NamedTuple

from worker.cli.ask import has_person
from worker.export.evidence import Suggestion, after, proposals
from worker.export.proposals import group_name
from worker.ledger.proposals import SHARED, Found, Undecided
from worker.model.errors import UsageError
from worker.model.place import place
from worker.model.stop_signals import stop_signals
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
    """What a key means."""

    ASSIGN = auto()
    ABSENT = auto()
    SKIP = auto()
    BACK = auto()
    LEAVE = auto()
    INVALID = auto()


class Answer(NamedTuple):
    """What a person answered: the kind, the batch that is assigned, and why a key is invalid."""

    kind: Kind
    batch_id: str | None = None
    why: str = ""


_KEYS = {
    "a": Kind.ABSENT,
    "s": Kind.SKIP,
    "\n": Kind.SKIP,
    "\r": Kind.SKIP,
    "u": Kind.BACK,
    "q": Kind.LEAVE,
    "\x03": Kind.LEAVE,  # Ctrl-C, where it is no signal
    "\x04": Kind.LEAVE,  # Ctrl-D
    "": Kind.LEAVE,  # the terminal was closed
}


_CONFIRMED = {
    Kind.ABSENT: "absent",
    Kind.SKIP: "skipped",
    Kind.BACK: "undo",
    Kind.LEAVE: "leave",
}


_AHEAD = frozenset("0123456789asuq\x03\x04")
"""The keys that a person may press ahead of the questions. Enter is none: pasted lines have it."""

_ESCAPE = "\x1b"
_PASTED = f"{_ESCAPE}[200~"
"""What a terminal sends before text that is pasted."""

_TOGETHER_S = 0.05
"""Seconds without another key after which keys count as pressed later. Pasted text, and the
characters of an arrow key, arrive within a few milliseconds."""


def keys_in(text: str) -> list[str]:
    """The keys of a text that arrived together; pure. An arrow or another function key is one key,
    and so is pasted text: their letters and digits are no answers."""
    if len(text) < 2 or set(text) <= _AHEAD:
        return list(text) or [""]
    is_function_key = text.startswith(_ESCAPE) and not text.startswith(_PASTED)
    return [_ESCAPE if is_function_key else _PASTED]


def answer(key: str, one: Undecided, taken: Mapping[str, int]) -> Answer:
    """What a key means for this duplicate; pure. `taken` maps the batches that were chosen so far
    to their items."""
    if (kind := _KEYS.get(key)) is Kind.ABSENT and one.hidden:
        return Answer(Kind.INVALID, why=f"not all candidates are shown: {_absent_later(one)}")
    if kind is not None:
        return Answer(kind)
    if key == _PASTED:
        return Answer(Kind.INVALID, why="pasted text decides nothing: press one key")
    if not (key.isascii() and key.isdigit()):
        return Answer(Kind.INVALID, why="this key means nothing here")
    number = int(key) or 10
    if number > len(one.found):
        return Answer(Kind.INVALID, why=f"there is no candidate {number}")
    batch_id = one.found[number - 1].batch_id
    if batch_id in taken:
        return Answer(Kind.INVALID, why=f"you chose this batch for #{taken[batch_id]}")
    return Answer(Kind.ASSIGN, batch_id)


def keys_text(one: Undecided) -> str:
    """The keys that can be pressed for this duplicate."""
    many = len(one.found)
    numbers = ["1 it is this batch"] if many == 1 else [f"1-{many} it is this batch"]
    if many == 10:
        numbers = ["1-9, 0 it is this batch (0: candidate 10)"]
    absent = () if one.hidden else ("a absent",)
    return " · ".join((*(numbers if many else ()), *absent, "s or Enter skip", "u undo", "q leave"))


def _absent_later(one: Undecided) -> str:
    """How to say that a duplicate is absent if not all of its candidates are shown."""
    return f"see Prolific; if it is absent, use --absent '#{one.item}' after this review"


def head_lines(one: Undecided, number: int, total: int) -> list[str]:
    """What is known of the duplicate, the `number`th of `total` to decide about."""
    source = visible(shortened(one.source_name or "(name not known)", NAME_SHOWN))
    sent = f"sent {one.last_sent_at[:19].replace('T', ' ')} UTC" if one.last_sent_at else "sent"
    lines = [
        f"{number} of {total}: #{one.item}, {place(one.line, one.copy, one.copies)}",
        f"  name    {visible(shortened(one.name, NAME_SHOWN)) or '(no name)'}",
        f"  source  {source} ({one.source_id})",
        f"  {sent}, {counted(one.attempts, 'request')}; {visible(one.cause)}",
    ]
    if one.hidden:
        lines.append(f"  {counted(one.hidden, 'more candidate')} not shown: see Prolific")
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
    shown = list(proposals(unknown))
    warn(
        f"{counted(len(unknown), 'unknown duplicate')} of {campaign}. Your decisions are recorded"
        " together when you leave.\n"
    )
    at, keys = 0, _Keys()
    with suppress(_LeftError, KeyboardInterrupt), _leaving_on_signals(), _one_key_at_a_time():
        while at < len(shown):
            one, best, group = shown[at]
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


def _ask(keys: _Keys, one: Undecided, taken: Mapping[str, int]) -> Answer:
    """Read keys until one is valid. Confirms it on the terminal."""
    while (answered := answer(keys.next(), one, taken)).kind is Kind.INVALID:
        keys.drop()
        warn(f"\n{answered.why}\n{keys_text(one)} > ")
    assigned = answered.kind is Kind.ASSIGN
    warn(f"assigned {answered.batch_id}\n" if assigned else f"{_CONFIRMED[answered.kind]}\n")
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


class _Keys:
    """The keys that were pressed. Some may be ahead of the question that they answer."""

    def __init__(self) -> None:
        self._ahead: deque[str] = deque()

    def next(self) -> str:
        """The next key; waits for it."""
        if not self._ahead:
            self._ahead.extend(keys_in(_read_together()))
        return self._ahead.popleft()

    def drop(self) -> None:
        """Forget what is ahead: after a key that means nothing, the next ones may answer other
        questions than the person thinks."""
        self._ahead.clear()


if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def _one_key_at_a_time() -> Iterator[None]:
        yield

    def _read_together() -> str:
        """The text that arrived together."""
        text = msvcrt.getwch()
        time.sleep(_TOGETHER_S)
        while msvcrt.kbhit():
            text += msvcrt.getwch()
        return _ESCAPE if text[0] in ("\x00", "\xe0") else text  # a function key and its code

else:
    import termios
    import tty

    @contextmanager
    def _one_key_at_a_time() -> Iterator[None]:
        """Within the block, keys arrive one by one, without Enter, and the terminal marks text that
        is pasted if it can."""
        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)
        marks = os.environ.get("TERM") != "dumb"  # such a terminal would print the request
        tty.setcbreak(handle)
        try:
            warn("\x1b[?2004h" if marks else "")
            yield
        finally:
            warn("\x1b[?2004l" if marks else "")
            with suppress(termios.error):  # the terminal was closed
                termios.tcsetattr(handle, termios.TCSADRAIN, before)

    def _read_together() -> str:
        """The text that arrived together; empty if the terminal was closed."""
        handle = sys.stdin.fileno()
        data = b""
        with suppress(OSError):
            while not data or select.select([handle], [], [], _TOGETHER_S)[0]:
                if not (more := os.read(handle, 4096)):
                    break
                data += more
        return data.decode("ascii", "replace")
