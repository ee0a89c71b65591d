"""Decisions of people: about which item they are, whether it changed since, and all or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ledgers import (
    TIMESTAMP,
    WORKSPACE,
    claim,
    connection_of,
    ending,
    items,
    leave_undecided,
    look_up,
    opened,
    record,
    source,
    uuid,
)
from worker.ledger import decisions
from worker.ledger.decisions import Decision, Known, Seen, is_recorded, why_not_absent, why_stale
from worker.ledger.proposals import Candidates, Undecided, candidates, undecided
from worker.ledger.store import Ledger
from worker.model.attempts import Evidence
from worker.model.errors import UsageError
from worker.model.reasons import Reason

SENT = "2026-03-01T12:00:00.000Z"
UNKNOWN = Known(
    "spring", 3, 2, uuid(1), "Row", "unknown", 1, SENT, None, "several_fit", is_open=True
)
CREATED = UNKNOWN._replace(status="created", new_batch_id=uuid(9), is_open=False)
PENDING = UNKNOWN._replace(status="pending", reason=Reason.DECLARED_ABSENT, is_open=False)
ALL = Seen("3", "2", uuid(1), "Row", "1", SENT)

GOOD = {
    "everything as it was": (ALL, UNKNOWN),
    "only the item is known": (Seen(), UNKNOWN),
    "the source in capitals": (ALL._replace(source_batch_id=uuid(1).upper()), UNKNOWN),
    "the job was reordered": (ALL._replace(line="7"), UNKNOWN),
    "the name was changed by a program": (ALL._replace(name="Row?"), UNKNOWN),
    "the time lost its seconds": (ALL._replace(last_sent_at="2026-03-01T12:00Z"), UNKNOWN),
    "the sheet was written since it was restored": (
        ALL._replace(restored_by="20261103T211104Z-ab12cd"),
        UNKNOWN._replace(restored_by="20261103T211104Z-ab12cd"),
    ),
    "its request is recorded as under way, of a run that crashed": (
        ALL,
        UNKNOWN._replace(status="sent"),
    ),
}


@pytest.mark.parametrize("what", GOOD)
def test_a_decision_about_what_is_still_unknown_is_good(what: str) -> None:
    seen, item = GOOD[what]
    assert why_stale(Decision(4, None, seen), item, "spring") == ""


RESTORED = UNKNOWN._replace(restored_by="20261103T211104Z-ab12cd")
STALE = {
    "restored meanwhile": (ALL, RESTORED, "#4 was restored from a ledger file, and this sheet"),
    "restored once more": (
        ALL._replace(restored_by="20261101T000000Z-ab12cd"), RESTORED, "was restored from a ledger"
    ),
    "restored, and only the item is known": (Seen(), RESTORED, "was restored from a ledger file"),
    "no such item": (ALL, None, "#4: this database has no such item"),
    "another campaign": (
        ALL, UNKNOWN._replace(campaign="autumn"), "#4 belongs to campaign autumn, not to spring"
    ),
    "another source": (ALL._replace(source_batch_id=uuid(2)), UNKNOWN, "the source of #4 is"),
    "another copy": (ALL._replace(copy="1"), UNKNOWN, "another duplicate now (line 3, copy 2"),
    "another place and name": (ALL._replace(line="7", name="Raw"), UNKNOWN, "another duplicate"),
    "another place, and no name": (ALL._replace(line="7", name=""), UNKNOWN, "another duplicate"),
    "left the job": (
        ALL._replace(name=""), UNKNOWN._replace(line=None), "(no longer in the job, source"
    ),
    "created meanwhile": (ALL, CREATED, f"#4 is created (batch {uuid(9)}), not unknown"),
    "absent meanwhile": (ALL, PENDING, "#4 is pending, not unknown: it was settled or decided"),
    "sent again": (ALL, UNKNOWN._replace(attempts=2), "#4 was sent again after this sheet"),
    "sent at another time": (
        ALL._replace(last_sent_at="2026-03-01T11:58:00Z"), UNKNOWN, "is from another database"
    ),
    "a time that cannot be read": (
        ALL._replace(last_sent_at="1. März"), UNKNOWN, 'last_sent_at: "1. März" is not a time such'
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STALE)
def test_a_decision_about_what_has_changed_says_what_has_changed(what: str) -> None:
    seen, item, says = STALE[what]
    assert says in why_stale(Decision(4, None, seen), item, "spring")


def test_a_batch_is_the_copy_of_what_was_restored_whenever_a_person_found_it() -> None:
    assert why_stale(Decision(4, uuid(9), ALL), RESTORED, "spring") == ""


UNCOMPARED = (
    "#4 may exist: it was not compared with a complete listing since it was sent; run settle again"
    " first; if the listing stays incomplete, look on Prolific and decide one by one with"
    " --absent '#4'"
)

ABSENT = {
    "all candidates were shown": (Candidates(frozenset({uuid(2)})), {uuid(2), uuid(3)}, ""),
    "there are none": (Candidates(), {""}, ""),
    "the sheet has no column for them": (Candidates(frozenset({uuid(2)}), 3), None, ""),
    "no complete listing was compared with it": (Candidates(is_compared=False), {""}, UNCOMPARED),
    "nor was one, and the sheet has no column for candidates": (
        Candidates(is_compared=False),
        None,
        UNCOMPARED,
    ),
    "one was not shown": (
        Candidates(frozenset({uuid(2), uuid(3)})),
        {uuid(3)},
        f"#4 may exist as {uuid(2)}, which was not shown as its candidate; write the"
        " sheet again with --proposals, or if it is absent all the same, use --absent '#4'",
    ),
    "many were not shown": (
        Candidates(frozenset(map(uuid, range(2, 7)))),
        {""},
        f"#4 may exist as {uuid(2)}, {uuid(3)}, {uuid(4)} and 2 more, which were not shown as"
        " its candidates; write",
    ),
    "more were found than are named": (
        Candidates(frozenset({uuid(2)}), 3),
        {uuid(2)},
        "#4 has 3 more candidates, which are not shown here: after other decisions settle may show",
    ),
}


@pytest.mark.parametrize("what", ABSENT)
def test_who_did_not_see_all_candidates_cannot_say_that_it_is_absent(what: str) -> None:
    found, shown, says = ABSENT[what]
    why = why_not_absent(4, found, shown)
    assert (why.startswith(says), bool(why)) == (True, bool(says))


COMPARED = {
    Reason.UNANSWERED: False,
    Reason.INTERRUPTED: False,
    Reason.RESTORED: False,
    Reason.OWNED: False,
    Reason.TAKEN: False,
    Reason.LISTING_INCOMPLETE: False,
    Reason.HIDDEN: False,
    Reason.SEVERAL_FIT: True,
    Reason.NAMES_ALIKE: True,
    Reason.MAY_BE_ITS: True,
    Reason.ANSWER_NAMED: True,
    Reason.NOT_SHOWN_YET: False,
}


@pytest.mark.parametrize("reason", COMPARED)
def test_it_is_known_whether_a_listing_that_would_show_the_copy_was_compared(
    reason: Reason, tmp_path: Path
) -> None:
    with opened(tmp_path, *JOB) as ledger:
        three_unknown(ledger)
        connection_of(ledger).execute("UPDATE items SET reason = ? WHERE id = 1", (reason,))
        one = next(undecided(ledger, ledger.campaign))
        assert one.is_compared is COMPARED[reason]
        assert candidates(ledger, 1).is_compared is COMPARED[reason]


def test_what_is_under_way_was_compared_with_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        claim(ledger, 1)
        connection_of(ledger).execute("UPDATE items SET reason = 'several_fit' WHERE id = 1")
        assert not next(undecided(ledger, ledger.campaign)).is_compared
        assert not candidates(ledger, 1).is_compared


RECORDED = [
    (uuid(9), CREATED, True),
    (uuid(8), CREATED, False),
    (None, CREATED, False),
    (None, PENDING, True),
    (uuid(9), PENDING, False),
    (None, PENDING._replace(reason=Reason.ABSENT), False),
    (None, UNKNOWN, False),
    (None, PENDING._replace(campaign="autumn"), False),
    (None, None, False),
    (uuid(9), CREATED._replace(source_id=uuid(2)), False),
    (None, PENDING._replace(line=7, name="Raw"), False),
]


@pytest.mark.parametrize(("batch_id", "item", "expected"), RECORDED)
def test_what_was_recorded_before_is_left_alone(
    batch_id: str | None, item: Known | None, expected: bool
) -> None:
    assert is_recorded(Decision(4, batch_id, ALL), item, "spring") is expected


def test_an_item_without_a_sent_name_has_the_name_that_is_coming(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name", f"{uuid(1)},About {{source_name}}") as ledger:
        look_up(ledger)
        item = decisions.known(ledger, 1)
        assert item is not None
        assert item.name == "About Street signs"


def three_unknown(ledger: Ledger) -> None:
    look_up(ledger)
    record(ledger, *(ending(one, "unknown", error="no answer") for one in claim(ledger)))


JOB = ("batch_id,name,copies", f"{uuid(1)},Row,3")


def test_all_decisions_are_recorded_or_none(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        three_unknown(ledger)
        batch = source(50, "Row")
        with pytest.raises(UsageError, match="already belongs to line 2 of campaign spring"):
            decisions.record(
                ledger,
                [Decision(1, batch.id), Decision(2, None), Decision(3, batch.id)],
                {batch.id: batch},
            )
        assert [status for _, _, status in items(ledger)] == ["unknown"] * 3
        decisions.record(ledger, [Decision(1, batch.id), Decision(2, None)], {batch.id: batch})
        assert [status for _, _, status in items(ledger)] == ["created", "pending", "unknown"]


def test_what_is_unknown_is_read_with_what_could_be_its_copy(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        three_unknown(ledger)
        leave_undecided(ledger, 1, "these may be its copy", uuid(50), uuid(51))
        leave_undecided(ledger, 2, "these may be its copy", uuid(51))

        def read() -> list[Undecided]:
            return list(undecided(ledger, ledger.campaign))

        first, second, third = read()
        assert [one.batch_id for one in first.found] == [uuid(50), uuid(51)]
        assert [(one.shared, one.others) for one in first.found] == [((), 0), ((2,), 1)]
        assert (second.found[0].shared, third.found) == ((1,), ())
        assert (first.item, first.line, first.copy, first.copies) == (1, 2, 1, 3)
        assert (first.name, first.source_name, first.attempts) == ("Row", "Street signs", 1)
        assert (first.cause, third.cause) == ("may exist: these may be its copy", "no answer")
        assert candidates(ledger, 1) == (frozenset({uuid(50), uuid(51)}), 0, True)
        assert candidates(ledger, 3) == (frozenset(), 0, False)
        connection_of(ledger).execute("UPDATE items SET candidates = 12 WHERE id = 1")
        assert candidates(ledger, 1).hidden == next(undecided(ledger, ledger.campaign)).hidden == 10
        decisions.assign(ledger, 3, source(51, "Row"))
        assert candidates(ledger, 1) == (frozenset({uuid(50)}), 10, True), "the other has an owner"
        assert candidates(ledger, 3) == (frozenset(), 0, False), "it is created"
        left, bare = read()
        assert [one.batch_id for one in left.found] == [uuid(50)], "the other has an owner"
        assert bare.found == ()


def test_what_is_under_way_is_left_out_only_while_its_answer_may_come(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger)
        claim(ledger, 1)
        (one,) = undecided(ledger, ledger.campaign)
        assert one.cause == "sent; no answer is recorded yet"
        assert list(undecided(ledger, ledger.campaign, active=True)) == []
        before = one.attempts, decisions.known(ledger, one.item)
    with opened(tmp_path) as ledger:  # the next run: the one before has ended
        (one,) = undecided(ledger, ledger.campaign)
        after = decisions.known(ledger, one.item)
        assert before[1] is not None
        assert after is not None
        assert before[0] == before[1].attempts == one.attempts == after.attempts == 1


CLEANED = {
    "the same letters and digits": (" r.OW", Evidence(True, True, True, True), 1),
    "other ones": ("Raw", Evidence(True, True, True, True), 0),
    "and something speaks against it": (" r.OW", Evidence(True, False, True, True), 0),
}


@pytest.mark.parametrize("what", CLEANED)
def test_a_candidate_fits_a_row_whose_name_an_api_may_have_cleaned(
    what: str, tmp_path: Path
) -> None:
    name, evidence, expected = CLEANED[what]
    with opened(tmp_path, *JOB) as ledger:
        three_unknown(ledger)
        leave_undecided(ledger, 1, "why", uuid(50))
        leave_undecided(ledger, 2, "why", uuid(50))
        connection = connection_of(ledger)
        connection.execute(
            "INSERT INTO unowned_batches (batch_id, workspace_id, listing, name, details,"
            " loose_details, datasets) VALUES (?, ?, ?, ?, '', '', '[]')",
            (uuid(50), WORKSPACE, ledger.begin_listing(WORKSPACE, TIMESTAMP), name),
        )
        columns = "name_fits, details_fit, datasets_fit, time_fits"
        connection.execute(
            f"UPDATE candidates SET ({columns}) = (?, ?, ?, ?) WHERE item_id = 2",
            evidence._replace(name=False)[:4],
        )
        connection.execute("UPDATE items SET name = 'Row' WHERE id = 2")
        first, second, _ = undecided(ledger, ledger.campaign)
        assert first.found[0].fits_others == expected
        assert second.found[0].fits_others == 0
