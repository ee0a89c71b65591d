"""Where copies differ from their source, as the ledger keeps it: from an answer, from a listing,
from a person's look, and no longer once the copy turns out to be another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ledgers import (
    TIMESTAMP,
    WORKSPACE,
    claim,
    connection_of,
    ending,
    look_up,
    opened,
    record,
    source,
    uuid,
)
from worker.ledger import decisions, settlement, views
from worker.ledger.rows import ledger_rows
from worker.ledger.store import Ledger
from worker.model.attempts import Verdicts
from worker.model.differences import Content, Difference, DifferenceKind
from worker.model.records import Intent

JOB = ("batch_id,name,copies", f"{uuid(1)},Wave {{n}},3")
FEWER = (Difference(DifferenceKind.FEWER_INSTRUCTIONS, 4, 5),)
TEXT = "fewer instructions than its source (4 of 5)"
FOUND = uuid(0xA001)


def warnings(ledger: Ledger) -> list[str | None]:
    rows = ledger_rows(ledger, ledger.campaign, "spring")
    return [row["warning"] for row in rows]


def claimed(ledger: Ledger) -> list[Intent]:
    look_up(ledger, source()._replace(instructions=5, auto_sync=False))
    return claim(ledger)


def listed_copy(ledger: Ledger, instructions: int | None) -> None:
    """A listing shows a batch without an owner."""
    number = ledger.begin_listing(WORKSPACE, TIMESTAMP)
    copy = source()._replace(id=FOUND, instructions=instructions)
    ledger.add_listed(number, WORKSPACE, [copy])


def settle(ledger: Ledger, item: int) -> None:
    (attempt,) = [one for one in settlement.open_attempts(ledger) if one.item_id == item]
    (batch,) = settlement.unowned_batches(ledger, WORKSPACE)
    settlement.record(ledger, [attempt], Verdicts({attempt.id: batch}, [], {}, ()))


def test_an_intent_knows_what_its_copy_is_compared_with(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        assert claimed(ledger)[0].source == Content(5, False, ("dataset",))


def test_what_a_source_had_before_is_not_compared_with(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        look_up(ledger, source()._replace(instructions=5, auto_sync=True))
        look_up(ledger)
        assert claim(ledger, 1)[0].source == Content(None, None, ("dataset",))


def test_an_answer_s_differences_are_rows_and_only_those_of_created_ones(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        one, two, three = claimed(ledger)
        record(
            ledger,
            ending(one, "created", differences=FEWER),
            ending(two, "created"),
            ending(three, "unknown", differences=FEWER),
        )
        assert warnings(ledger) == [TEXT, None, None]
        assert views.differing(ledger, ledger.campaign) == 1


@pytest.mark.parametrize(("instructions", "text"), [(4, TEXT), (5, None), (None, None)])
def test_a_copy_that_a_listing_shows_is_compared_too(
    tmp_path: Path, instructions: int | None, text: str | None
) -> None:
    with opened(tmp_path, *JOB) as ledger:
        one, *_ = claimed(ledger)
        record(ledger, ending(one, "unknown"))
        listed_copy(ledger, instructions)
        settle(ledger, one.item_id)
        assert warnings(ledger)[0] == text


def test_a_copy_that_a_person_names_is_compared_too(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        one, *_ = claimed(ledger)
        record(ledger, ending(one, "unknown"))
        decisions.assign(ledger, one.item_id, source()._replace(id=FOUND, instructions=4))
        assert warnings(ledger)[0] == TEXT


def test_a_copy_that_turns_out_to_be_another_s_takes_its_warning_along(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        one, two, _ = claimed(ledger)
        record(ledger, ending(one, "unknown"))
        listed_copy(ledger, 4)
        settle(ledger, one.item_id)
        record(ledger, ending(two, "created", batch_id=FOUND, differences=FEWER))
        assert warnings(ledger)[:2] == [None, TEXT]
        kept = connection_of(ledger).execute("SELECT item_id FROM differences").fetchall()
        assert [tuple(row) for row in kept] == [(two.item_id,)]


def test_a_copy_that_left_the_job_does_not_count(tmp_path: Path) -> None:
    with opened(tmp_path, *JOB) as ledger:
        record(ledger, *(ending(one, "created", differences=FEWER) for one in claimed(ledger)))
    with opened(tmp_path, JOB[0], f"{uuid(1)},Wave {{n}},1") as ledger:
        assert views.differing(ledger, ledger.campaign) == 1
        assert len(list(ledger_rows(ledger, ledger.campaign, "spring", dropped=True))) == 3
