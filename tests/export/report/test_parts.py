"""The report's pure parts: sentences, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ledgers import LATER, NOW, undecided, uuid
from worker.export.evidence import after
from worker.export.next_steps import CampaignState
from worker.export.report import needs as needs_of
from worker.export.report.facts import Facts, Run
from worker.export.report.needs import Needs, Undecided, needs
from worker.export.report.sentences import (
    campaign_state,
    comparison,
    ended,
    headline,
    moment,
    noun,
    place,
    run_time,
)
from worker.ledger.proposals import Found
from worker.model.attempts import Evidence
from worker.model.records import Counts, RunKind
from worker.model.setups import SetupCounts

# -- what needs a person


def row(number: int, status: str, error: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "cause": error,
        "candidates": [],
        "candidate_count": len(more.get("candidates", ())),
        "copies": 1,
        "under_way": False,
        "item": number,
        "line": number,
        "copy": 1,
        "status": status,
        "error": error,
        "name": f"Row {number}",
        "source_batch_id": uuid(900),
        "last_sent_at": NOW,
        "attempts": 1,
        **more,
    }


def found(*rows: dict[str, Any], active: bool = False) -> Needs:
    return needs(
        rows,
        lambda _, one: None if one == uuid(1) else Found(one, "Row", NOW, "READY"),
        active=active,
    )


def test_rows_with_one_reason_are_one_group_and_the_fullest_comes_first() -> None:
    some = found(
        row(1, "failed", "HTTP 422: no"),
        *(row(n, "failed", "HTTP 403: not yours") for n in range(2, 12)),
        row(12, "unknown", **undecided(12, "the first of two listings does not show it")),
        row(13, "unknown", **undecided(13, "the first of two listings does not show it")),
        row(14, "pending", None),
    )
    assert [(g.status, g.reason, g.count) for g in some.groups] == [
        ("failed", "HTTP 403: not yours", 10),
        ("unknown", "may exist: the first of two listings does not show it", 2),
        ("failed", "HTTP 422: no", 1),
        ("pending", None, 1),
    ]
    assert [r["item"] for r in some.groups[0].first] == [2, 3, 4, 5, 6]
    assert (some.count("failed"), some.count("unknown"), some.count("created")) == (11, 2, 0)


def test_rows_with_candidates_stand_alone_and_batches_with_an_owner_are_no_candidates() -> None:
    some = found(row(3, "unknown", **undecided(3, "several batches fit", uuid(1), uuid(2))))
    (one,) = some.undecided
    assert [candidate.batch_id for candidate in one.candidates] == [uuid(2)]
    assert one.reason == "may exist: several batches fit"
    assert some.groups == ()


def test_what_is_under_way_needs_nobody_during_a_run() -> None:
    rows = (row(1, "unknown", "no answer is recorded yet", under_way=True), row(2, "pending", None))
    assert found(*rows, active=True).under_way == 1
    assert found(*rows).count("unknown") == 1


def test_memory_does_not_grow_with_rows_or_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs_of, "GROUPS", 10)
    monkeypatch.setattr(needs_of, "UNDECIDED", 4)

    def rows() -> Iterator[dict[str, Any]]:
        for n in range(1000):
            yield row(n, "failed", f"HTTP 422: no {n}")
            yield row(n, "unknown", **undecided(n, "these may be its copy", uuid(2)))

    some = needs(rows(), lambda _, one: Found(one, None, None, None), active=False)
    assert len(some.groups) == 11
    assert some.groups[0].reason == needs_of.OTHERS
    assert sum(group.count for group in some.groups) == 1000
    assert (len(some.undecided), some.undecided_count) == (4, 1000)


# -- sentences

RUN = Run(
    "run-1",
    "a",
    "/w/a.csv",
    "/w/a.html",
    "host",
    7,
    NOW,
    LATER,
    None,
    0,
    3,
    3,
    0,
    alive=False,
    kind=RunKind.RUN,
)
NOTHING = Needs((), 0, (), 0)


def facts(
    counts: Counts, run: Run = RUN, some: Needs = NOTHING, compared: tuple[Run, ...] = ()
) -> Facts:
    return Facts(
        "a",
        counts,
        {"response": counts.created, "listing": 0, "person": 0},
        0,
        2,
        (),
        (run,),
        1,
        some,
        None,
        None,
        compared,
        (),
    )


GOING = RUN._replace(ended_at=None, exit_code=None, alive=True)


@pytest.mark.parametrize(
    ("counts", "run", "kind", "title", "text"),
    [
        (Counts(created=3), RUN, "good", "All 3 duplicates created",
         "The job is complete: 3 duplicates of 2 sources."),
        (Counts(created=1), RUN, "good", "1 of 1 duplicate created", None),
        (Counts(), RUN, "empty", "No duplicates requested", "The job file has no rows."),
        (Counts(1, 1, 1, 1), RUN, "missing", "1 of 4 duplicates created",
         "1 was rejected by the API, 1 may already exist and 1 is not created yet."),
        (Counts(2, 0, 0, 1200), RUN, "missing", "2 of 1,202 duplicates created",
         "1,200 are not created yet."),
        (Counts(2, 0, 1, 1), GOING, "running", "2 of 4 duplicates created so far", None),
        (Counts(3), GOING, "running", "3 of 3 duplicates created so far", None),
        (Counts(2, 0, 0, 1), GOING._replace(alive=None), "missing", "2 of 3 duplicates created",
         "1 is not created yet."),
    ],
)  # fmt: skip
def test_the_headline_says_how_many_are_created(
    counts: Counts, run: Run, kind: str, title: str, text: str | None
) -> None:
    told_first = headline(facts(counts, run))
    assert (told_first.kind, told_first.title) == (kind, title)
    assert text is None or told_first.text == text


def test_the_headline_says_that_batches_were_not_ready() -> None:
    found = facts(Counts(created=3), RUN)._replace(setups=SetupCounts(ready=1, requested=2))
    assert headline(found).text == "2 batches were set up, and not READY when last seen."


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (RUN, "finished"),
        (RUN._replace(stopped_by="limit"), "stopped early because --limit was reached"),
        (RUN._replace(stopped_by="something new"), "stopped early because something new"),
        (GOING, "is running (process 7)"),
        (GOING._replace(alive=False), "crashed"),
        (GOING._replace(alive=None), "is running on host, or crashed"),
    ],
)
def test_how_a_run_ended_is_said(run: Run, expected: str) -> None:
    assert ended(run) == expected


@pytest.mark.parametrize(
    ("run", "end"),
    [
        (RUN, "ended"),
        (RUN._replace(stopped_by="token"), "ended"),
        (GOING, "running"),
        (GOING._replace(alive=False), "crashed"),
        (GOING._replace(alive=None), "unclear"),
    ],
)
def test_advice_is_asked_for_as_it_stands(run: Run, end: str) -> None:
    some = found(
        row(3, "unknown", **undecided(3, "several batches fit", uuid(2))),
        row(4, "unknown", "no answer"),
    )
    asked = campaign_state(facts(Counts(1, 0, 2, 0), run, some))
    assert asked == CampaignState(Counts(1, 0, 2, 0), 1, end, run.stopped_by)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (RunKind.RUN, "run"),
        (RunKind.SETTLE, "settle"),
        (RunKind.RESTORE, "restore"),
    ],
)
def test_a_run_is_called_what_it_was(kind: RunKind, called: str) -> None:
    assert noun(RUN._replace(kind=kind)) == called


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (LATER, "5 min after the request"),
        ("2026-03-01T11:59:58Z", "2 s before the request"),
        (None, ""),
    ],
)
def test_a_candidates_age_is_counted_from_its_request(made: str | None, expected: str) -> None:
    assert after(made, NOW) == expected


def test_a_time_that_is_none_stays_as_it_is() -> None:
    assert [moment(text) for text in (NOW, "yesterday", None)] == [
        "2026-03-01 12:00:00",
        "yesterday",
        "",
    ]


@pytest.mark.parametrize(
    ("begin", "end", "text"),
    [
        (NOW, LATER, "2026-03-01, 12:00 to 12:05 UTC (5 min)"),
        (NOW, "2026-03-02T01:00:00Z", "2026-03-01, 12:00 to 2026-03-02 01:00 UTC (13 h)"),
        (NOW, f"{NOW[:17]}05Z", "2026-03-01, 12:00 UTC (5 s)"),
        (NOW, None, "2026-03-01, from 12:00 UTC"),
    ],
)
def test_the_time_of_a_run_names_its_date(begin: str, end: str | None, text: str) -> None:
    assert run_time(RUN._replace(started_at=begin, ended_at=end)) == text


def test_copies_are_counted_as_people_count() -> None:
    assert place(row(3, "pending", copy=2, copies=12)) == "line 3, copy 2 of 12"
    assert place(row(3, "pending")) == "line 3"


@pytest.mark.parametrize(
    ("evidence", "speaks", "against"),
    [
        (Evidence(True, True, True, True, True),
         "Same name, instructions, dataset and account; created 5 min after the request", ""),
        (Evidence(name=False, details=True),
         "Same instructions", "Different name; it is called “Row”"),
        (Evidence(datasets=False, time=False, creator=False),
         "", "Different dataset and account; created 5 min after the request, which does not fit"),
        (Evidence(), "", ""),
    ],
)  # fmt: skip
def test_what_speaks_for_and_against_a_candidate(
    evidence: Evidence, speaks: str, against: str
) -> None:
    candidate = Found(uuid(2), "Row", LATER, "READY", evidence)
    one = Undecided(row(3, "unknown"), "", (candidate,), 0)
    assert one.speaks_for(candidate) == speaks
    assert one.speaks_against(candidate) == against


def test_candidates_that_fit_as_well_speak_against_each_other() -> None:
    some = needs(
        (row(3, "unknown", **undecided(3, "several batches fit", uuid(2), uuid(3))),),
        lambda _, one: Found(one, "Row", NOW, "READY", Evidence(name=True)),
        active=False,
    )
    (one,) = some.undecided
    assert [one.speaks_against(candidate) for candidate in one.candidates] == [
        "Another candidate fits as well"
    ] * 2


def test_a_candidate_names_the_other_items_that_it_could_be() -> None:
    rows = [row(n, "unknown", **undecided(n, "several fit", uuid(2))) for n in range(3, 9)]
    some = found(*rows).undecided
    assert some[0].candidates[0].shared == (4, 5, 6, 7, 8)
    assert some[0].speaks_against(some[0].candidates[0]) == "Could also be #4, #5, #6 and 2 more"


def test_a_bad_night_stands_out() -> None:
    calm = RUN._replace(unknown=2, throttled=3)
    bad = RUN._replace(unknown=40, throttled=3)
    assert comparison(facts(Counts(3), compared=(bad, calm, calm))) == (
        "The latest run had more unknown outcomes than any of the 2 runs before it."
    )
    assert comparison(facts(Counts(3), compared=(calm, bad, calm))) == ""
    assert comparison(facts(Counts(3), compared=(bad, calm))) == "", "one run is no comparison"
    assert comparison(facts(Counts(3))) == ""
