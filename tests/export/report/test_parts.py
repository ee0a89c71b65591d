"""The report's pure parts: sentences, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ledgers import LATER, NOW, undecided, uuid
from worker.export.next_steps import CampaignState
from worker.export.report import needs as needs_of
from worker.export.report.facts import Facts, Run
from worker.export.report.needs import Candidate, Needs, needs
from worker.export.report.sentences import after, campaign_state, ended, headline, moment, what
from worker.model.records import Counts, RunKind

# -- what needs a person


def row(
    number: int, status: str, error: str | None = None, http_status: int | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "cause": error,
        "candidates": [],
        "under_way": False,
        "item": number,
        "line": number,
        "copy": 1,
        "status": status,
        "error": error,
        "http_status": http_status,
        "name": f"Row {number}",
        "source_batch_id": uuid(900),
        "last_sent_at": NOW,
        "attempts": 1,
        **more,
    }


def found(*rows: dict[str, Any], going_on: bool = False) -> Needs:
    return needs(
        rows,
        lambda one: None if one == uuid(1) else Candidate(one, "Row", NOW, "READY"),
        going_on=going_on,
    )


def test_rows_with_one_reason_are_one_group_and_the_fullest_comes_first() -> None:
    some = found(
        row(1, "failed", "HTTP 422: no", 422),
        *(row(n, "failed", "HTTP 403: not yours", 403) for n in range(2, 12)),
        row(12, "unknown", **undecided(12, "the first of two listings does not show it")),
        row(13, "unknown", **undecided(13, "the first of two listings does not show it")),
        row(14, "pending", None),
    )
    assert [(g.status, g.why, g.count) for g in some.groups] == [
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
    assert [candidate.id for candidate in one.candidates] == [uuid(2)]
    assert one.why == "may exist: several batches fit"
    assert some.groups == ()


def test_what_is_under_way_needs_nobody_while_the_run_goes_on() -> None:
    rows = (row(1, "unknown", "no answer is recorded yet", under_way=True), row(2, "pending", None))
    assert found(*rows, going_on=True).under_way == 1
    assert found(*rows).count("unknown") == 1


def test_memory_does_not_grow_with_rows_or_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs_of, "GROUPS", 10)
    monkeypatch.setattr(needs_of, "UNDECIDED", 4)

    def rows() -> Iterator[dict[str, Any]]:
        for n in range(1000):
            yield row(n, "failed", f"HTTP 422: no {n}", 422)
            yield row(n, "unknown", **undecided(n, "these may be its copy", uuid(2)))

    some = needs(rows(), lambda one: Candidate(one, None, None, None), going_on=False)
    assert len(some.groups) == 11
    assert some.groups[0].why == needs_of.OTHERS
    assert sum(group.count for group in some.groups) == 1000
    assert (len(some.undecided), some.undecided_count) == (4, 1000)


# -- sentences

RUN = Run(
    "run-1",
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


def facts(counts: Counts, run: Run = RUN, some: Needs = NOTHING) -> Facts:
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
        (),
    )


GOING = RUN._replace(ended_at=None, exit_code=None, alive=True)


@pytest.mark.parametrize(
    ("counts", "run", "kind", "title", "text"),
    [
        (Counts(created=3), RUN, "good", "All 3 duplicates created",
         "The job asks for 3 duplicates of 2 sources, and each exists once."),
        (Counts(created=1), RUN, "good", "The one duplicate is created", None),
        (Counts(), RUN, "empty", "The job asks for nothing", "It has no rows."),
        (Counts(1, 1, 1, 1), RUN, "missing", "1 of 4 duplicates created",
         "3 are missing: 1 refused by the API, 1 that may exist and 1 not made yet."),
        (Counts(2, 0, 0, 1200), RUN, "missing", "2 of 1,202 duplicates created",
         "1,200 are missing: 1,200 not made yet."),
        (Counts(2, 0, 1, 1), GOING, "going", "2 of 4 duplicates created so far", None),
        (Counts(3), GOING, "going", "3 of 3 duplicates created so far", None),
        (Counts(2, 0, 0, 1), GOING._replace(alive=None), "missing", "2 of 3 duplicates created",
         "1 is missing: 1 not made yet."),
    ],
)  # fmt: skip
def test_the_headline_says_whether_everything_is_there(
    counts: Counts, run: Run, kind: str, title: str, text: str | None
) -> None:
    told_first = headline(facts(counts, run))
    assert (told_first.kind, told_first.title) == (kind, title)
    assert text is None or told_first.text == text


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (RUN, "ended by itself"),
        (RUN._replace(stopped_by="limit"), "ended early because --limit was reached"),
        (RUN._replace(stopped_by="something new"), "ended early because something new"),
        (GOING, "goes on (process 7)"),
        (GOING._replace(alive=False), "died without an end"),
        (GOING._replace(alive=None), "goes on at host, or died"),
    ],
)
def test_how_a_run_ended_is_said(run: Run, words: str) -> None:
    assert ended(run) == words


@pytest.mark.parametrize(
    ("run", "end"),
    [
        (RUN, "ended"),
        (RUN._replace(stopped_by="token"), "ended"),
        (GOING, "goes on"),
        (GOING._replace(alive=False), "died"),
        (GOING._replace(alive=None), "not told"),
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
    ("kind", "noun"),
    [
        (RunKind.RUN, "run"),
        (RunKind.SETTLE, "settling"),
        (RunKind.RESTORE, "restoring"),
    ],
)
def test_a_run_is_called_what_it_was(kind: RunKind, noun: str) -> None:
    assert what(RUN._replace(kind=kind)) == noun


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (LATER, "5 min after the request"),
        ("2026-03-01T11:59:58Z", "2 s before the request"),
        (None, ""),
    ],
)
def test_a_candidate_s_age_is_told_by_its_request(made: str | None, words: str) -> None:
    assert after(made, NOW) == words


def test_a_time_that_is_none_stays_as_it_is() -> None:
    assert [moment(text) for text in (NOW, "yesterday", None)] == [
        "2026-03-01 12:00:00",
        "yesterday",
        "",
    ]
