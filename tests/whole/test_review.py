"""`settle --review`: a person at a real pseudo-terminal decides with one key for each duplicate."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable

import pytest

from tests.whole.conftest import Place
from worker.ledger.database import hold
from worker.sandbox.options import SandboxOptions

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

from tests.whole.test_decisions import UNSETTLED, bad_night, ours
from tests.whole.test_terminal import Terminal, open_terminal


@pytest.fixture
def night(place_with: Callable[[SandboxOptions], Place]) -> Place:
    return bad_night(place_with, copies=1)


def opened(night: Place) -> Terminal:
    terminal = open_terminal(night, "settle", "job.csv", "--review")
    terminal.expect("4 unknown duplicates of job. Your decisions are recorded together when you")
    terminal.expect("1 of 4: #1, line 2")
    return terminal


def statuses(night: Place) -> list[str]:
    return [row["status"] for row in night.ledger()]


def test_candidates_stand_side_by_side_and_each_key_is_a_decision(night: Place) -> None:
    terminal = opened(night)
    terminal.expect("1-2 it is this batch · a absent · s or Enter skip · u undo · q leave > ")
    screen = " ".join(terminal.shown)
    assert "name same: Row 0-1 same: Row 0-1" in " ".join(screen.split())
    assert "instructions same same" in " ".join(screen.split())
    terminal.type("1")
    terminal.expect("2 of 4: #2, line 3")
    terminal.type("a")
    terminal.expect("3 of 4: #3, line 4")
    terminal.type("\n")
    terminal.expect("4 of 4: #4, line 5")
    terminal.type("9")
    terminal.expect("there is no candidate 9")
    assert statuses(night) == ["unknown"] * 4, "nothing is recorded before the person leaves"
    terminal.type("q")
    assert terminal.end() == 1
    assert "Recorded: 1 assigned, 1 absent. 2 duplicates of job are still unknown." in terminal.seen
    assert statuses(night) == ["created", "pending", "unknown", "unknown"]


def test_all_keys_may_come_at_once_and_the_end_leaves_by_itself(night: Place) -> None:
    terminal = opened(night)
    terminal.type("12ua2a")
    assert terminal.end() == 0
    found = night.ledger()
    assert statuses(night) == ["created", "pending", "created", "pending"]
    assert {row["settled_by"] for row in found} == {"person", ""}


def test_an_arrow_key_decides_nothing(night: Place) -> None:
    terminal = opened(night)
    terminal.type("\x1b[A")
    terminal.expect("this key means nothing here")
    terminal.type("\x04")
    assert terminal.end() == 1
    assert statuses(night) == ["unknown"] * 4


PASTED = {
    "an id": "0192a3b4-5678-7abc-8def-0123456789ab",
    "only keys, and the terminal says that they are pasted": "\x1b[200~12a\x1b[201~",
}


@pytest.mark.parametrize("what", PASTED)
def test_pasted_text_decides_nothing(night: Place, what: str) -> None:
    terminal = opened(night)
    assert "\x1b[?2004h" in terminal.received, "the terminal is asked to mark pasted text"
    terminal.type(PASTED[what])
    terminal.expect("pasted text decides nothing: press one key")
    terminal.type("q")
    assert terminal.end() == 1
    assert "\x1b[?2004l" in terminal.received
    assert statuses(night) == ["unknown"] * 4


def test_a_key_that_means_nothing_takes_those_after_it_with_it(night: Place) -> None:
    terminal = opened(night)
    terminal.type("19aa")
    terminal.expect("there is no candidate 9")
    terminal.type("q")
    assert terminal.end() == 1
    assert statuses(night) == ["created", *["unknown"] * 3]


LEAVING: dict[str, Callable[[Terminal], None]] = {
    "Ctrl-C": lambda terminal: terminal.type("\x03"),
    "Ctrl-D": lambda terminal: terminal.type("\x04"),
    "a hangup": lambda terminal: os.kill(terminal.process.pid, signal.SIGHUP),
    "asked to end": lambda terminal: os.kill(terminal.process.pid, signal.SIGTERM),
}


@pytest.mark.parametrize("how", LEAVING)
def test_what_is_decided_is_recorded_however_the_person_leaves(night: Place, how: str) -> None:
    terminal = opened(night)
    terminal.type("2")
    terminal.expect("2 of 4: #2, line 3")
    LEAVING[how](terminal)
    assert terminal.end() == 1
    assert statuses(night) == ["created", *["unknown"] * 3]


def test_what_changed_during_the_review_is_named_and_the_rest_is_recorded(night: Place) -> None:
    terminal = opened(night)
    terminal.type("aaa")
    terminal.expect("4 of 4: #4, line 5")
    own = sorted(ours(night))
    assert night.command("settle", "job.csv", "--assign", f"#2={own[0]}").code == 1
    terminal.type("q")
    assert terminal.end() == 1
    assert f"#2 is created (batch {own[0]}), not unknown" in terminal.seen
    assert statuses(night) == ["pending", "created", "pending", "unknown"]


def review_in_vain(night: Place) -> list[str]:
    """Decide about two duplicates, while another run has the ledger. Returns the command that
    records the decisions later."""
    terminal = opened(night)
    terminal.type("1a")
    terminal.expect("3 of 4: #3, line 4")
    with hold(night.folder / "ledgers" / "ledger.db", 0):  # as another run does
        terminal.type("q")
        assert terminal.end() == 75
    assert statuses(night) == ["unknown"] * 4
    shown = terminal.seen.split("To record your decisions later: ")[1].splitlines()[0]
    command = shlex.split(shown)
    return command[command.index("settle") :]


def test_decisions_that_cannot_be_recorded_are_not_lost(night: Place) -> None:
    command = review_in_vain(night)
    assert command[-1].endswith("job-decisions.xlsx")
    assert night.command(*command).code == 1
    assert statuses(night) == ["created", "pending", "unknown", "unknown"]
    again = night.command(*command, "--json")
    assert (again.code, again.summary["recorded_before"]) == (1, 2)


def test_decisions_that_are_recorded_later_are_not_about_a_later_request(night: Place) -> None:
    command = review_in_vain(night)
    assert night.command("settle", "job.csv", "--absent", "#2").code == 1
    night.server.sandbox.misbehave({"drop-answer": 1.0})
    night.run(*UNSETTLED)  # sends #2 again, and loses its answer again
    night.server.sandbox.misbehave({})
    before = statuses(night)
    ended = night.command(*command)
    assert (ended.code, "#2 was sent again after this sheet was written" in ended.err) == (2, True)
    assert statuses(night) == before == ["unknown"] * 4


def test_nothing_unknown_is_nothing_to_ask(place: Place) -> None:
    place.job({"batch_id": "0192a3b4-5678-7abc-8def-0123456789ab", "name": "Row"})
    place.run()
    terminal = open_terminal(place, "settle", "job.csv", "--review")
    assert terminal.end() == 0
    assert "0 duplicates of job are still unknown" in terminal.seen
