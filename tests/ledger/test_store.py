"""The ledger's operations on a real database: planning, claiming, recording, crashing, opening
again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support import ledgers
from tests.support.ledgers import (
    LATER,
    NOW,
    TIMESTAMP,
    WORKSPACE,
    claim,
    connection_of,
    ending,
    items,
    look_up,
    opened,
    plan,
    record,
    source,
    uuid,
)  # fmt: skip
from worker.ledger import settlement, views
from worker.ledger.commit_writer import status_of
from worker.ledger.database import open_for_reading
from worker.ledger.engine import ServerError
from worker.ledger.forget import forget
from worker.ledger.rows import extra_columns, ledger_rows
from worker.ledger.sqlite.engine import SqliteEngine
from worker.ledger.store import Ledger
from worker.model.records import Counts, RunEnd

A, B = uuid(1), uuid(2)
REJECTED = (sqlite3.IntegrityError, ServerError)
"""What an engine raises for a value that a column does not take."""


def counts(ledger: Ledger) -> Counts:
    return views.counts(ledger, ledger.campaign)


# -- planning


def test_a_job_becomes_items_in_its_order(tmp_path: Path) -> None:
    with opened(
        tmp_path, "batch_id,name,copies,upload_new_dataset", f"{B},b {{n}},2,yes", f"{A},,1,"
    ) as ledger:
        assert items(
            ledger, "line, copy, copies, source_id, template, upload_new_dataset, status, name"
        ) == [
            (2, 1, 2, B, "b 1", 1, "pending", None),
            (2, 2, 2, B, "b 2", 1, "pending", None),
            (3, 1, 1, A, "", 0, "pending", None),
        ]


def test_reordering_changes_lines_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name", f"{A},a", f"{B},b") as ledger:
        look_up(ledger, source(1), source(2))
        record(ledger, *(ending(intent, "created") for intent in claim(ledger)))
        before = set(items(ledger, "id, source_id, status, new_batch_id"))
        plan(ledger, tmp_path, "batch_id,name", "# moved", f"{B},b", f"{A},a")

        assert set(items(ledger, "id, source_id, status, new_batch_id")) == before
        assert items(ledger, "line, source_id") == [(3, B), (4, A)]
        assert claim(ledger) == []


def test_more_copies_add_items_and_keep_the_names_that_were_sent(tmp_path: Path) -> None:
    with opened(
        tmp_path, "batch_id,name,copies", f"{A},{{n}}/{{copies}} of {{source_name}},2"
    ) as ledger:
        look_up(ledger)
        record(ledger, *(ending(intent, "created") for intent in claim(ledger)))
    with opened(
        tmp_path, "batch_id,name,copies", f"{A},{{n}}/{{copies}} of {{source_name}},3"
    ) as ledger:
        look_up(ledger, source(name="Renamed"))
        (third,) = claim(ledger)

        assert third.name == "3/3 of Renamed"
        assert items(ledger, "copy, copies, name, status")[:2] == [
            (1, 3, "1/2 of Street signs", "created"),
            (2, 3, "2/2 of Street signs", "created"),
        ]


def test_what_the_job_wants_no_longer_is_kept_and_never_sent(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name,copies", f"{A},a,3", f"{B},b,1") as ledger:
        look_up(ledger, source(1), source(2))
        record(ledger, ending(claim(ledger, 1)[0], "unknown"))
        plan(ledger, tmp_path, "batch_id,name", f"{B},b")
        look_up(ledger, source(2))

        assert items(ledger) == [
            (2, 1, "pending"),
            (None, 1, "unknown"),
            (None, 2, "pending"),
            (None, 3, "pending"),
        ]
        assert counts(ledger) == Counts(pending=1)
        plan(ledger, tmp_path, "batch_id,name,copies", f"{A},a,1")
        assert counts(ledger) == Counts(unknown=1)


def test_the_jobs_own_columns_are_taken_anew_each_time(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,x_a,x_b", f"{A},1,é", f"{B},,") as ledger:
        rows = list(ledger_rows(ledger, ledger.campaign, "c"))
        assert [(row["x_a"], row["x_b"]) for row in rows] == [("1", "é"), ("", "")]
        plan(ledger, tmp_path, "x_b,batch_id", f"2,{A}")

        assert extra_columns(ledger, ledger.campaign) == ("x_b",)
        assert [row["x_b"] for row in ledger_rows(ledger, ledger.campaign, "c")] == ["2"]


def test_a_plan_that_cannot_be_taken_leaves_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name", f"{A},a") as ledger:
        with closing(sqlite3.connect(tmp_path / "broken.db")) as broken:
            broken.execute(
                "CREATE TABLE staged AS SELECT 1 AS place, 9 AS line, 1 AS copy, 1 AS copies,"
                " 's' AS source_id, 't' AS template, 7 AS upload_new_dataset,"
                " NULL AS tasks_per_group"
            )
            broken.execute("CREATE TABLE staged_extras (line, cells)")
            broken.commit()
        with pytest.raises(REJECTED):
            ledger.plan(tmp_path / "broken.db", (), retry_failed=False)

        assert items(ledger) == [(2, 1, "pending")]
        plan(ledger, tmp_path, "batch_id,name", f"{B},b")  # nothing is still attached


def test_campaigns_do_not_share_items(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id", A) as ledger:
        look_up(ledger)
        record(ledger, ending(claim(ledger)[0], "created"))
    with opened(tmp_path, "batch_id", A, campaign="autumn") as ledger:
        assert counts(ledger) == Counts(pending=1)


# -- claiming


def test_intents_are_durable_before_they_are_handed_out(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name,copies", f"{A},a {{n}},3") as ledger:
        look_up(ledger)
        listing = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        recorded, intents, more = ledger.record_and_claim((), (), 2, TIMESTAMP)
        with closing(connection_of(open_for_reading(ledgers.place(tmp_path)))) as other:
            assert items(other) == [(2, 1, "sent"), (2, 2, "sent"), (2, 3, "pending")]
            attempts = other.execute(
                "SELECT id, item_id, started_at, date_before, left_server, listing, sent_name,"
                " outcome FROM attempts"
            )
            assert [tuple(row) for row in attempts] == [
                (
                    i.attempt_id,
                    i.item_id,
                    NOW,
                    TIMESTAMP.earliest,
                    TIMESTAMP.server,
                    listing,
                    f"a {i.copy}",
                    None,
                )
                for i in intents
            ]

    assert (recorded, more) == ([], True)
    assert [(i.line, i.copy, i.name, i.label, i.attempt) for i in intents] == [
        (2, 1, "a 1", "a 1", 1),
        (2, 2, "a 2", "a 2", 1),
    ]


def test_items_are_claimed_in_the_jobs_order_each_once(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name,copies", f"{B},b,7", f"{A},a,6") as ledger:
        look_up(ledger, source(1), source(2))
        claimed, more = [], True
        while more:
            _, intents, more = ledger.record_and_claim((), (), 4, TIMESTAMP)
            claimed += [(intent.line, intent.copy) for intent in intents]

        assert claimed == [(2, n) for n in range(1, 8)] + [(3, n) for n in range(1, 7)]
        assert ledger.record_and_claim((), (), 4, TIMESTAMP)[1:] == ([], False)


def test_more_is_reported_exactly(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},4") as ledger:
        look_up(ledger)

        assert ledger.record_and_claim((), (), 2, TIMESTAMP)[2] is True
        assert ledger.record_and_claim((), (), 2, TIMESTAMP)[2] is False


def test_an_item_that_came_back_goes_first_and_is_not_claimed_otherwise(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},4") as ledger:
        look_up(ledger)
        first, second = claim(ledger, 2)
        record(
            ledger,
            ending(first, "not_sent", http_status=429, error="HTTP 429"),
            ending(second, "not_left"),
        )
        assert [i.copy for i in claim(ledger, 1)] == [3]
        _, intents, more = ledger.record_and_claim(
            (), (second.item_id, first.item_id), 3, TIMESTAMP
        )

        assert [(i.copy, i.attempt) for i in intents] == [(2, 1), (1, 2), (4, 1)]
        assert not more


def test_an_item_that_may_not_be_sent_any_more_is_not_claimed_again(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},2") as ledger:
        look_up(ledger)
        first, second = claim(ledger)
        record(ledger, ending(first, "created"), ending(second, "unknown"))

        assert ledger.record_and_claim((), (first.item_id, second.item_id), 5, TIMESTAMP)[1:] == (
            [],
            False,
        )


def test_only_items_whose_source_was_found_in_this_run_are_claimed(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id", A, B, uuid(3)) as ledger:
        assert claim(ledger) == []
        ledger.queue_sources()
        ledger.record_source(source(1))
        ledger.record_source_failure(B, "missing", 404, "not there")
        ledger.record_source_failure(uuid(3), "unclear", 500, "no answer")
        ledger.end_preflight()

        assert [intent.source_id for intent in claim(ledger)] == [A]
        assert items(ledger, "status, http_status, error")[1:] == [
            ("failed", 404, "not there"),
            ("pending", 500, "no answer"),
        ]
    with opened(tmp_path) as ledger:
        assert claim(ledger) == []


def test_without_a_name_none_is_sent_and_people_see_the_apis(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id", A) as ledger:
        look_up(ledger)
        (intent,) = claim(ledger)

    assert (intent.name, intent.label) == (None, "Street signs (Copy)")


def test_the_name_that_was_sent_first_stays(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name", f"{A},{{source_name}} again") as ledger:
        look_up(ledger)
        record(ledger, ending(claim(ledger)[0], "not_sent"))
    with opened(tmp_path) as ledger:
        look_up(ledger, source(name="Renamed"))
        (intent,) = claim(ledger)

    assert (intent.name, intent.attempt) == ("Street signs again", 2)


# -- recording


def test_what_is_recorded_of_a_batch(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name", f"{A},a") as ledger:
        look_up(ledger)
        (intent,) = claim(ledger)
        made = ending(intent, "created")
        assert record(ledger, made) == [made]
        columns = (
            "status, new_batch_id, new_batch_name, new_batch_status, created_at, settled_by,"
            " attempts, http_status"
        )

        assert items(ledger, columns) == [
            ("created", made.batch_id, "a", "READY", NOW, "response", 1, 201)
        ]
        row = connection_of(ledger).execute(
            "SELECT outcome, closed_by, answered_id, ended_at, latency_s FROM attempts"
        )
        assert [tuple(r) for r in row] == [("created", "outcome", made.batch_id, LATER, 0.5)]


@pytest.mark.parametrize(
    ("outcome", "left", "status", "attempts", "closed_by"),
    [
        ("refused", True, "failed", 1, "outcome"),
        ("not_sent", True, "pending", 1, "outcome"),
        ("not_sent", False, "pending", 0, "outcome"),
        ("not_left", False, "pending", 0, "outcome"),
        ("unknown", True, "unknown", 1, None),
    ],
)
def test_what_becomes_of_an_item(
    outcome: str, left: bool, status: str, attempts: int, closed_by: str | None, tmp_path: Path
) -> None:
    with opened(tmp_path, "batch_id", A) as ledger:
        look_up(ledger)
        record(ledger, ending(claim(ledger)[0], outcome, left=left, error="why"))
        sent_at = NOW if left else None

        assert status_of(outcome) == status
        assert items(
            ledger, "status, attempts, error, first_sent_at, last_sent_at, new_batch_id"
        ) == [(status, attempts, "why", sent_at, sent_at, None)]
        assert (
            connection_of(ledger).execute("SELECT closed_by FROM attempts").fetchone()[0]
            == closed_by
        )


def test_the_first_time_an_item_was_sent_stays(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id", A) as ledger:
        look_up(ledger)
        (intent,) = claim(ledger)
        record(ledger, ending(intent, "not_sent"))
        (intent,) = ledger.record_and_claim((), (intent.item_id,), 1, TIMESTAMP)[1]
        record(ledger, ending(intent, "created", sent_at=LATER))

        assert items(ledger, "first_sent_at, last_sent_at, attempts") == [(NOW, LATER, 2)]


def test_a_batch_that_has_an_owner_makes_an_outcome_unknown(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},3") as ledger:
        look_up(ledger)
        first, second, third = claim(ledger)
        # Two in one commit, and one later.
        one, two = record(
            ledger, ending(first, "created"), ending(second, "created", batch_id=uuid(0xF001))
        )
        (three,) = record(ledger, ending(third, "created", batch_id=uuid(0xF001)))

        assert one.outcome == "created"
        for other in (two, three):
            assert other.outcome == "unknown"
            assert (
                other.error == f"the answer names batch {uuid(0xF001)}, which already belongs to"
                " line 2 of campaign spring"
            )
        assert items(ledger, "status, new_batch_id") == [
            ("created", uuid(0xF001)),
            ("unknown", None),
            ("unknown", None),
        ]
        answered = connection_of(ledger).execute(
            "SELECT answered_id, closed_by FROM attempts WHERE id > 1"
        )
        assert [tuple(row) for row in answered] == [(uuid(0xF001), None)] * 2


def test_a_batch_that_existed_before_the_request_makes_an_outcome_unknown(
    tmp_path: Path,
) -> None:
    """As from a gateway that answers with another request's answer."""
    with opened(tmp_path, "batch_id,copies", f"{A},3") as ledger:
        number = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        ledger.add_listed(number, WORKSPACE, [source(0xF001)])
        ledger.end_listing(number, 1, 1, None)
        look_up(ledger)
        first, second, third = claim(ledger)
        number = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        ledger.add_listed(number, WORKSPACE, [source(0xF001), source(0xF002)])
        ledger.end_listing(number, 2, 2, None)
        older, new, of_source = record(
            ledger,
            ending(first, "created", batch_id=uuid(0xF001)),
            ending(second, "created", batch_id=uuid(0xF002)),
            ending(third, "created", batch_id=A),
        )

        assert (older.outcome, new.outcome, of_source.outcome) == ("unknown", "created", "unknown")
        assert older.error == (
            f"the answer names batch {uuid(0xF001)}, which existed before the request"
        )
        # So settling may give the row another batch, or prove it absent.
        unsettled = settlement.open_attempts(ledger)
        assert [attempt.answered_id for attempt in unsettled] == [None, None]


def test_an_owner_in_another_campaign_counts_too(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id", A) as ledger:
        look_up(ledger)
        record(ledger, ending(claim(ledger)[0], "created", batch_id=uuid(7)))
    with opened(tmp_path, "batch_id", A, campaign="autumn") as ledger:
        look_up(ledger)
        (ended,) = record(ledger, ending(claim(ledger)[0], "created", batch_id=uuid(7)))

    assert ended.outcome == "unknown"


def test_the_number_of_a_listing_may_be_left_out(tmp_path: Path) -> None:
    """A server forgets numbers when it crashes, or if a transaction fails."""
    with opened(tmp_path, "batch_id", A) as ledger:
        look_up(ledger)
        record(ledger, ending(claim(ledger)[0], "unknown"))
        ledger.begin_listing(WORKSPACE, TIMESTAMP)
        connection_of(ledger).execute("DELETE FROM listings")
    with opened(tmp_path, "batch_id", B, campaign="autumn") as ledger:
        look_up(ledger, source(2))
        number = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        ledger.add_listed(number, WORKSPACE, [source(2)])
        found = connection_of(ledger).execute("SELECT batch_id, listing FROM unowned_batches")
        assert [tuple(row) for row in found] == [(B, number)]


def test_a_transaction_that_fails_leaves_nothing_and_the_place_unmoved(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},4") as ledger:
        look_up(ledger)
        (intent,) = claim(ledger, 1)
        # A word in a number's column fails as late as anything can.
        bad = TIMESTAMP._replace(server=cast(float, "no number"))
        with pytest.raises(REJECTED):
            ledger.record_and_claim((ending(intent, "created"),), (), 2, bad)

        assert items(ledger) == [
            (2, 1, "sent"),
            (2, 2, "pending"),
            (2, 3, "pending"),
            (2, 4, "pending"),
        ]
        recorded, intents, _ = ledger.record_and_claim(
            (ending(intent, "created"),), (), 2, TIMESTAMP
        )
        assert [end.outcome for end in recorded] == ["created"]
        assert [i.copy for i in intents] == [2, 3]


@pytest.mark.sqlite
def test_a_transaction_that_can_neither_end_nor_be_undone_is_joined_by_nothing(
    tmp_path: Path,
) -> None:
    """What joined it would be taken for durable, and its requests would leave."""

    class Stuck:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def __getattr__(self, name: str) -> object:
            return getattr(self.connection, name)

        def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
            if statement in ("COMMIT", "ROLLBACK"):
                raise sqlite3.OperationalError("disk I/O error")
            return self.connection.execute(statement, parameters)

    with opened(tmp_path, "batch_id,copies", f"{A},4") as ledger:
        look_up(ledger)
        real = connection_of(ledger)
        engine = cast(SqliteEngine, ledger._engine)
        engine.connection = cast(sqlite3.Connection, Stuck(real))
        with pytest.raises(sqlite3.OperationalError, match="I/O"):
            ledger.record_and_claim((), (), 2, TIMESTAMP)
        with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
            ledger.record_and_claim((), (), 2, TIMESTAMP)
        engine.connection = real
        real.execute("ROLLBACK")
        assert [intent.copy for intent in claim(ledger, 2)] == [1, 2]


@pytest.mark.sqlite
def test_a_database_that_another_program_holds_is_waited_for_and_then_told(tmp_path: Path) -> None:
    with (
        opened(tmp_path, "batch_id,copies", f"{A},2") as ledger,
        closing(sqlite3.connect(tmp_path / "ledger.db")) as other,
    ):
        look_up(ledger)
        connection_of(ledger).execute("PRAGMA busy_timeout = 50")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            claim(ledger)
        other.execute("ROLLBACK")

        assert [i.copy for i in claim(ledger)] == [1, 2]


# -- crashes


def test_what_a_crashed_run_had_sent_is_unknown_and_given_up_when_the_next_opens(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},3") as ledger:
        look_up(ledger)
        first, _ = claim(ledger, 2)
        record(ledger, ending(first, "created"))
    # The block's end closed the database without a word about the second.
    with opened(tmp_path, campaign="autumn", now=LATER) as ledger:
        assert items(ledger, "status, attempts, first_sent_at, http_status") == [
            ("created", 1, NOW, 201),
            ("unknown", 1, NOW, None),
            ("pending", 0, None, None),
        ]
        row = (
            connection_of(ledger)
            .execute("SELECT outcome, ended_at, closed_by FROM attempts WHERE id = 2")
            .fetchone()
        )
        assert tuple(row) == ("unknown", LATER, None)
    with opened(tmp_path) as ledger:
        look_up(ledger)
        assert [i.copy for i in claim(ledger)] == [3]
        assert items(ledger, "attempts")[1] == (1,)


def test_a_run_can_give_up_what_it_has_sent(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},2") as ledger:
        look_up(ledger)
        first, _ = claim(ledger)
        record(ledger, ending(first, "refused"))
        ledger.abandon(LATER)
        ledger.abandon(LATER)

        assert items(ledger, "status, attempts") == [("failed", 1), ("unknown", 1)]
        ledger.end_run(RunEnd(LATER, "signal", 130, 0, 2, 0))
        (run,) = views.runs(ledger)
        assert (run["ended_at"], run["stopped_by"], run["exit_code"], run["requests"]) == (
            LATER,
            "signal",
            130,
            2,
        )


def test_a_run_in_progress_is_listed_with_what_it_has_created(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,copies", f"{A},3") as ledger:
        look_up(ledger)
        first, second, _ = claim(ledger)
        record(ledger, ending(first, "created"), ending(second, "created"))
        (run,) = views.runs(ledger)
        assert (run["ended_at"], run["created"]) == (None, 2)
        (run,) = ledger.execute("report_runs", campaign=ledger.campaign, limit=9).fetchall()
        assert (run["ended_at"], run["created"]) == (None, 2)
        ledger.end_run(RunEnd(LATER, None, 0, 7, 2, 0))
        assert views.runs(ledger)[0]["created"] == 7, "a run that has ended says so itself"


def test_failed_items_are_tried_again_only_when_that_is_asked_for(tmp_path: Path) -> None:
    job = ("batch_id,copies", f"{A},2")
    with opened(tmp_path, *job) as ledger:
        look_up(ledger)
        refused, unknown = claim(ledger)
        record(
            ledger,
            ending(refused, "refused", http_status=400, error="no"),
            ending(unknown, "unknown"),
        )
    with opened(tmp_path, *job) as ledger:
        assert items(ledger, "status") == [("failed",), ("unknown",)]
    with opened(tmp_path, *job, retry_failed=True) as ledger:
        assert items(ledger, "status, http_status, error, attempts")[0] == (
            "pending",
            None,
            None,
            1,
        )
        look_up(ledger)
        assert [(i.copy, i.attempt) for i in claim(ledger)] == [(1, 2)]


def test_a_baseline_remembers_what_was_first_shown_when(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id", A) as ledger:
        ledger.queue_sources()
        first = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        assert ledger.add_listed(first, WORKSPACE, [source(1), source(5)]) == 1
        second = ledger.begin_listing(WORKSPACE, TIMESTAMP)
        assert ledger.add_listed(second, WORKSPACE, [source(5), source(6)]) == 0
        ledger.end_listing(second, 2, 2, None)
        seen = (
            connection_of(ledger)
            .execute("SELECT batch_id, listing FROM seen ORDER BY batch_id")
            .fetchall()
        )

        assert [tuple(row) for row in seen] == [(A, first), (uuid(5), first), (uuid(6), second)]
        assert second == first + 1
    with opened(tmp_path, "batch_id", A) as ledger:
        look_up(ledger)
        claim(ledger)
        assert connection_of(ledger).execute("SELECT listing FROM attempts").fetchone()[0] == second


def test_an_item_that_comes_back_is_not_claimed_twice_after_a_rewind(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name,copies", f"{uuid(1)},Wave,3") as ledger:
        look_up(ledger)
        first = claim(ledger, 1)
        record(ledger, ending(first[0], "not_sent", retry=True))
        ledger.rewind()
        _, intents, _ = ledger.record_and_claim((), [first[0].item_id], 3, TIMESTAMP)
        assert len({intent.item_id for intent in intents}) == 3


def test_only_a_rehearsal_can_be_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path, "batch_id,name", f"{uuid(1)},Wave") as ledger:
        with pytest.raises(ValueError, match="rehearsals"):
            forget(ledger, "spring")
        assert items(ledger)


def test_an_answer_that_takes_a_restored_rows_batch_does_not_disturb_the_next_intents(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, "batch_id,name", f"{A},a", f"{A},b", f"{A},c") as ledger:
        look_up(ledger)
        # As a ledger file had it: created, by a listing, and no attempt is known.
        ledger.execute(
            "restore_created",
            item=1,
            settled_by="listing",
            batch_id=uuid(0xBA),
            name="a",
            batch_status="READY",
            created_at=NOW,
            attempts=1,
            http_status=None,
            first_sent_at=NOW,
            last_sent_at=NOW,
            run=ledger.run,
        )
        (b,) = claim(ledger, 1)
        recorded, intents, _ = ledger.record_and_claim(
            [ending(b, "created", batch_id=uuid(0xBA))], (), 1, TIMESTAMP
        )
        assert [one.outcome for one in recorded] == ["created"]
        assert [one.label for one in intents] == ["c"]
