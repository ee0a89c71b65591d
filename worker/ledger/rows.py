"""Reads the rows of a campaign's ledger file: their columns, values and messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from worker.ledger.handle import Reader
from worker.model import reasons as why
from worker.model.copies import copy_name
from worker.model.differences import Difference, DifferenceKind, message
from worker.model.job_names import job_name
from worker.model.names import render_name

FIRST_COLUMNS = (
    "line",
    "source_batch_id",
    "name",
    "upload_new_dataset",
    "copy",
    "status",
    "new_batch_id",
    "new_batch_status",
    "created_at",
    "settled_by",
    "attempts",
    "http_status",
    "error",
    "first_sent_at",
    "last_sent_at",
    "campaign",
    "run_id",
)
"""The columns that the ledger files of all versions begin with."""

COLUMNS = (*FIRST_COLUMNS, "tasks_per_group", "setup_status", "warning")
"""The columns of the ledger file, in order. The job's `x_` columns follow them."""

LedgerRow = Mapping[str, Any]
"""A row of the ledger: the exact value of each column (see `ledger_rows`)."""

_decode = json.JSONDecoder().raw_decode


def extra_columns(reader: Reader, campaign_id: int) -> tuple[str, ...]:
    """The job's own `x_` columns, in its order."""
    return tuple(json.loads(reader.execute("extra_columns", campaign=campaign_id).fetchone()[0]))


def ledger_rows(
    reader: Reader,
    campaign_id: int,
    campaign: str,
    *,
    dropped: bool = False,
    created: bool | None = None,
    job_names: bool = False,
) -> Iterator[LedgerRow]:
    """The ledger's rows with exact values, in the job's order. `campaign_id` is the campaign's
    number, `campaign` its name.

    With `dropped`, the duplicates that are no longer in the job follow at the end. With `created`,
    only created rows of the job are returned; with `created` False, only its other rows.

    A row has `COLUMNS`, the `x_` columns, and these:
      item       the item's number
      under_way  whether its request has left, or is about to, and no answer is recorded
      reason     a `worker.model.reasons.Reason`; None if it is created, under way or not tried
      cause      why it is not created, the same text for all rows with this cause; None if it is
      candidates the ids of the first batches that could be its copy
      candidate_count how many batches those are in all
      copies     how many copies its row of the job asks for
      job_name   with `job_names`: its name as a job file writes it"""
    own = extra_columns(reader, campaign_id)
    asked = {"campaign": campaign_id, "name": campaign, "created": created}
    for statement in ("ledger_rows", "dropped_rows") if dropped else ("ledger_rows",):
        for (
            *values,
            setup_error,
            item,
            sent_name,
            template,
            copies,
            source_name,
            cells,
            reason,
            count,
            named,
        ) in reader.stream(statement, **asked):
            row: dict[str, Any] = dict(zip(COLUMNS, values, strict=True))
            if row["warning"] is not None:
                row["warning"] = message(
                    Difference(DifferenceKind(kind), shown, expected)
                    for kind, shown, expected in _decode(row["warning"])[0]
                )
            row["upload_new_dataset"] = bool(row["upload_new_dataset"])
            if row["name"] is None:
                row["name"] = coming_name(sent_name, template, copies, source_name)
            row["under_way"] = row["status"] == "sent"
            row["candidates"] = _decode(named)[0][: why.NAMED] if named else []
            _explain(row, item, reason, count, setup_error)
            row["item"], row["copies"], row["candidate_count"] = item, copies, count
            if own:
                extra = _decode(cells or "{}")[0]
                for column in own:
                    row[column] = extra.get(column, "")
            if job_names:
                row["job_name"] = job_name(sent_name, template, copies)
            yield row


def _explain(
    row: dict[str, Any], item: int, reason: str | None, candidates: int, setup_error: str | None
) -> None:
    """Replace the row's stored `error` by the message for people, and add its `reason` and `cause`.
    `candidates` is how many batches could be its copy in all."""
    if row["under_way"]:
        # The answer may come while the file is written; if it is never recorded, this text
        # is still true. The reason from before the request does not apply to it.
        row["status"], row["reason"] = "unknown", None
        row["cause"] = row["error"] = why.UNDER_WAY
    else:
        row["reason"], row["cause"] = reason, why.cause(reason, row["error"])
        row["error"] = why.message(item, reason, row["error"], row["candidates"], candidates)
    if row["status"] == "created" and row["setup_status"]:
        row["error"] = why.setup_message(
            row["setup_status"], setup_error, is_error=row["new_batch_status"] == "ERROR"
        )


def coming_name(sent_name: str | None, template: str, copies: int, source_name: str | None) -> str:
    """The name that the new batch will have. `{source_name}` stays if the source's name is not
    known yet."""
    name = sent_name if sent_name is not None else render_name(template, source_name, copies)
    return copy_name(name or None, source_name)
