"""What to do next: how a campaign stands in, sentences and commands out."""

from __future__ import annotations

import re

import pytest

from worker.advice.commands import Commands
from worker.advice.steps import FIRST, Standing, steps
from worker.events import STOPPED_BY
from worker.ledger.records import Counts

COMMANDS = Commands("/w/a.csv", ("--campaign", "a"), ("--date", "2026-03-01"))
RUN = "duplicate-batches run /w/a.csv --campaign a --date 2026-03-01"
RETRY = f"{RUN} --retry-failed"
SETTLE = "duplicate-batches settle /w/a.csv --campaign a"
DECIDE = [f"{SETTLE} --assign '#NUMBER=BATCH_ID'", f"{SETTLE} --absent '#NUMBER'"]

Told = tuple[str, str, list[str]]
"""A step's key, a part of its title or sentences, and its commands."""


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (Standing(Counts(created=3)), []),
        (Standing(Counts()), []),
        (Standing(Counts(3, pending=1)), [("go_on", "A run sends the 1 that is pending. What exists", [RUN])]),
        (Standing(Counts(3, pending=1200)), [("go_on", "A run sends the 1,200 that are pending.", [RUN])]),
        (
            Standing(Counts(3, unknown=2)),
            [("go_on", "A run looks again for 2 unknown, and sends what surely was not made.", [RUN, SETTLE])],
        ),
        (
            Standing(Counts(3, unknown=2, pending=1)),
            [("go_on", "sends the 1 that is pending and looks again for 2 unknown", [RUN, SETTLE])],
        ),
        (Standing(Counts(3, unknown=2), undecided=2), [("decide", "Decide 2 that may exist", DECIDE)]),
        (
            Standing(Counts(3, unknown=3), undecided=2),
            [("go_on", "looks again for 1 unknown", [RUN, SETTLE]), ("decide", "2 that may exist", DECIDE)],
        ),
        (Standing(Counts(3, failed=2)), [("refused", "Look at 2 that the API refused", [RETRY])]),
        (
            Standing(Counts(3, 2, 2, 1), undecided=2),
            [("go_on", "sends the 1", [RUN]), ("decide", "on Prolific", DECIDE), ("refused", "mend the job", [RETRY])],
        ),
        (Standing(Counts(3), nothing_to_do=True), [("nothing", "{date} into the names", [])]),
        (
            Standing(Counts(3, failed=1), nothing_to_do=True),
            [("refused", "1 that the API refused", [RETRY]), ("nothing", "Nothing was sent", [])],
        ),
        # how the latest run ended
        (Standing(Counts(3, 1, 1, 1), undecided=1, end="goes on"), []),
        (Standing(Counts(3, pending=1), end="died"), [("go_on", "The run died", [RUN])]),
        (Standing(Counts(3, pending=1), end="not told"), [("go_on", "If the run does not go on", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="token"), [("go_on", "a token that works", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="api"), [("go_on", "When the API is back", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="disk"), [("go_on", "Make room on the disk", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="internal"), [("go_on", "Report a bug", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="declined"), [("go_on", "answer with yes", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="signal"), [("go_on", "stopped from outside", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="limit"), [("go_on", "(--limit)", [RUN])]),
        (Standing(Counts(3, pending=1), stopped_by="max_duration"), [("go_on", "(--max-duration)", [RUN])]),
        (
            Standing(Counts(3, 1, pending=1), stopped_by="max_failed"),
            [("go_on", "Look at what was refused", [RUN]), ("refused", "1 that", [RETRY])],
        ),
        # what needs somebody though everything is there
        (Standing(Counts(created=3), stopped_by="disk"), [("go_on", "Make room on the disk", [RUN])]),
        (Standing(Counts(created=3), stopped_by="signal"), []),
    ],
)
def test_what_to_do_next(standing: Standing, told: list[Told]) -> None:
    found = steps(standing, COMMANDS)
    assert [(step.key, [one.line for one in step.commands]) for step in found] == [(key, do) for key, _, do in told]
    for step, (_, part, _) in zip(found, told, strict=True):
        assert part in f"{step.title} {step.why} {step.text}"


def test_every_reason_to_stop_has_a_first_step() -> None:
    assert set(FIRST) == set(STOPPED_BY)


@pytest.mark.parametrize("reason", [*STOPPED_BY, "something new"])
def test_sentences_are_whole(reason: str) -> None:
    for step in steps(Standing(Counts(1, 2, 3, 4), undecided=1, stopped_by=reason), COMMANDS):
        assert not step.title.endswith(".")
        for text in filter(None, (step.why, step.text)):
            assert re.fullmatch(r"[A-Z].*[.:]", text)
            assert "  " not in text
