"""What to do next: how a campaign stands in, sentences and commands out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from worker.export.commands import Commands
from worker.export.next_steps import FIRST, CampaignState, steps
from worker.model.events import STOPPED_BY
from worker.model.records import Counts

COMMANDS = Commands("/w/a.csv", ("--campaign", "a"), ("--date", "2026-03-01"))
RUN = "duplicate-batches run /w/a.csv --campaign a --date 2026-03-01"
CHECK = f"{RUN} --dry-run"
RETRY = f"{RUN} --retry-failed"
SETTLE = "duplicate-batches settle /w/a.csv --campaign a"
DECIDE = [
    f"{SETTLE} --assign '#NUMBER=BATCH_ID'",
    f"{SETTLE} --absent '#NUMBER'",
    f"{SETTLE} --proposals decisions.xlsx",
]

Expected = tuple[str, str, list[str]]
"""A step's key, a part of its title or sentences, and its commands."""


def settled(counts: Counts, **more: Any) -> CampaignState:
    return CampaignState(counts, **more, settling=True)


@pytest.mark.parametrize(
    ("campaign_state", "expected"),
    [
        (CampaignState(Counts(created=3)), []),
        (CampaignState(Counts()), []),
        (
            CampaignState(Counts(3, pending=1)),
            [
                (
                    "continue",
                    "The next run sends 1 pending duplicate. It creates none of them twice",
                    [RUN],
                )
            ],
        ),
        (
            CampaignState(Counts(3, pending=1200)),
            [("continue", "The next run sends 1,200 pending duplicates.", [RUN])],
        ),
        (
            CampaignState(Counts(3, unknown=2)),
            [
                (
                    "continue",
                    "run rechecks 2 unknown duplicates and resends those confirmed missing.",
                    [RUN, SETTLE],
                )
            ],
        ),
        (
            CampaignState(Counts(3, unknown=2, pending=1)),
            [
                (
                    "continue",
                    "sends 1 pending duplicate and rechecks 2 unknown duplicates",
                    [RUN, SETTLE],
                )
            ],
        ),
        (
            CampaignState(Counts(3, unknown=2), undecided=2),
            [("decide", "2 duplicates may already exist: check and decide", DECIDE)],
        ),
        (
            CampaignState(Counts(3, unknown=3), undecided=2),
            [
                (
                    "continue",
                    "rechecks 1 unknown duplicate and resends it if it is confirmed missing.",
                    [RUN, SETTLE],
                ),
                ("decide", "2 duplicates may", DECIDE),
            ],
        ),
        (
            CampaignState(Counts(3, failed=2)),
            [("refused", "Look at the 2 duplicates that the API rejected", [RETRY])],
        ),
        (
            CampaignState(Counts(3, 2, 2, 1), undecided=2),
            [
                ("continue", "sends 1 pending", [RUN]),
                ("decide", "on Prolific", DECIDE),
                ("refused", "fix it", [RETRY]),
            ],
        ),
        (CampaignState(Counts(3), nothing_to_do=True), [("nothing", "{date} in the name", [])]),
        (CampaignState(Counts(), nothing_to_do=True), [("nothing", "The job has no rows.", [])]),
        (
            CampaignState(Counts(3, failed=1), nothing_to_do=True),
            [
                ("refused", "Look at the duplicate that the API rejected", [RETRY]),
                ("nothing", "Nothing was sent", []),
            ],
        ),
        # how the latest run ended
        (CampaignState(Counts(3, 1, 1, 1), undecided=1, end="running"), []),
        (
            CampaignState(Counts(3, pending=1), end="crashed"),
            [("continue", "The run crashed", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), end="unclear"),
            [("continue", "If the run is over, run the job again", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="token"),
            [("continue", "Replace the token, then run", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="api"),
            [("continue", "When the API is back", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="disk"),
            [("continue", "Free some disk space, then run", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="internal"),
            [("continue", "Report a bug", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="declined"),
            [("continue", "Check what a run would create, then run", [CHECK, RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="signal"),
            [("continue", "stopped from outside", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="limit"),
            [("continue", "Create the rest", [RUN])],
        ),
        (
            CampaignState(Counts(3, pending=1), stopped_by="max_duration"),
            [("continue", "--max-duration", [RUN])],
        ),
        (
            CampaignState(Counts(3, 1, pending=1), stopped_by="max_failed"),
            [
                ("continue", "Look at what was rejected", [RUN]),
                ("refused", "the duplicate that", [RETRY]),
            ],
        ),
        # what needs somebody though everything is there
        (
            CampaignState(Counts(created=3), stopped_by="disk"),
            [("continue", "Free some disk space, then run", [RUN])],
        ),
        (CampaignState(Counts(created=3), stopped_by="signal"), []),
        # after settling
        (settled(Counts(3)), []),
        (settled(Counts(3), nothing_to_do=True), [("nothing", "Every request has an answer", [])]),
        (
            settled(Counts(3, unknown=2)),
            [("continue", "Settle again later 2 duplicates are still unknown.", [SETTLE])],
        ),
        (
            settled(Counts(3, unknown=1)),
            [("continue", "1 duplicate is still unknown. Settling creates nothing", [SETTLE])],
        ),
        (
            settled(Counts(3, unknown=2), undecided=2),
            [("decide", "2 duplicates may already exist", DECIDE)],
        ),
        (settled(Counts(3, failed=2)), []),
        (
            settled(Counts(3, pending=1)),
            [("create", "Create the missing duplicate 1 duplicate was never sent", [RUN])],
        ),
        (
            settled(Counts(3, unknown=3, pending=2), undecided=1),
            [
                ("continue", "2 duplicates are still", [SETTLE]),
                ("decide", "1 duplicate may already exist", DECIDE),
                ("create", "Settling creates nothing; a run does:", [RUN]),
            ],
        ),
        (
            settled(Counts(3, unknown=1), stopped_by="api"),
            [("continue", "When the API is back, settle again", [SETTLE])],
        ),
        (
            settled(Counts(3), stopped_by="token"),
            [("continue", "Replace the token, then settle again", [SETTLE])],
        ),
    ],
)
def test_what_to_do_next(campaign_state: CampaignState, expected: list[Expected]) -> None:
    found = steps(campaign_state, COMMANDS)
    assert [(step.key, [one.line for one in step.commands]) for step in found] == [
        (key, do) for key, _, do in expected
    ]
    for step, (_, part, _) in zip(found, expected, strict=True):
        assert part in " ".join(filter(None, (step.title, step.why, step.text)))


def test_every_reason_to_stop_has_a_first_step() -> None:
    assert set(FIRST) == set(STOPPED_BY)


@pytest.mark.parametrize("reason", [*STOPPED_BY, "something new"])
def test_sentences_are_whole(reason: str) -> None:
    counts = Counts(1, 2, 3, 4)
    settling = steps(settled(counts, undecided=1, stopped_by=reason), COMMANDS)
    for step in (
        *steps(CampaignState(counts, undecided=1, stopped_by=reason), COMMANDS),
        *settling,
    ):
        assert "again" not in step.title or "{" not in step.title
        assert not step.title.endswith(".")
        for text in filter(None, (step.why, step.text)):
            assert re.fullmatch(r"[A-Z0-9].*[.:]", text)
            assert "  " not in text
