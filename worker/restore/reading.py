"""Reads a ledger file's rows as typed values. Nothing here knows the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worker.export.content import SHORTENED, FileRow
from worker.export.formats import read_file
from worker.model.batch_id import BATCH_ID
from worker.model.differences import read_message
from worker.model.errors import UsageError
from worker.model.restored import FileItem, Identity


def read_items(path: Path) -> Iterator[FileItem]:
    """The rows of the ledger file, in its order. Raises UsageError, with file and line, if the file
    or one of its cells cannot be read."""
    for where, row in read_file(path):
        yield _item(where, row)


def _item(where: str, row: FileRow) -> FileItem:
    batch_id = row["new_batch_id"].lower()
    if row["status"] == "created" and not BATCH_ID.fullmatch(batch_id):
        raise UsageError(f'{where}: column "new_batch_id": {batch_id!r} is not a batch id')
    copy = _number(where, row, "copy")
    if copy is None:
        raise UsageError(f'{where}: column "copy": {row["copy"]!r} is not a number')
    name = row["name"]
    return FileItem(
        where=where,
        line=row["line"],
        identity=Identity(row["source_batch_id"], _flag(where, row), copy),
        name=name,
        whole_name=None if name.endswith(SHORTENED) else name,
        status=row["status"],
        new_batch_id=batch_id,
        new_batch_status=row["new_batch_status"] or None,
        created_at=row["created_at"] or None,
        settled_by=row["settled_by"] or None,
        attempts=_number(where, row, "attempts"),
        http_status=int(row["http_status"]) if row["http_status"].isdigit() else None,
        first_sent_at=row["first_sent_at"] or None,
        last_sent_at=row["last_sent_at"] or None,
        # Earlier versions have no such columns.
        tasks_per_group=_number(where, row, "tasks_per_group"),
        setup_status=row.get("setup_status", ""),
        differences=read_message(row.get("warning", "")),
    )


def _flag(where: str, row: FileRow) -> bool:
    """Whether the duplicate was asked for with a new dataset. Spreadsheets write `TRUE`, or their
    own language's word."""
    flag = row["upload_new_dataset"].strip().lower()
    if flag not in ("true", "false"):
        raise UsageError(
            f'{where}: column "upload_new_dataset": {row["upload_new_dataset"]!r} is not true or'
            " false",
            hint="Nothing was restored. If a spreadsheet changed the file, write true or false"
            " there, as it was.",
        )
    return flag == "true"


def _number(where: str, row: FileRow, column: str) -> int | None:
    """The number in this column; None if the cell is empty."""
    if not row.get(column):
        return None
    try:
        return int(row[column])
    except ValueError:
        raise UsageError(f'{where}: column "{column}": {row[column]!r} is not a number') from None
