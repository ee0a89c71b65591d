"""Keeps decisions that are not recorded: those in a ledger workbook's sheet before the workbook is
written again, and those of a review that could not be recorded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import BinaryIO

from worker.export.filled_sheet import (
    Recorded,
    SheetRow,
    column_of,
    filled_in,
    has_columns,
    sheet_row,
)
from worker.export.proposals import NEEDED, DecisionRow
from worker.ledger import decisions
from worker.ledger.handle import Reader
from worker.ledger.proposals import candidates
from worker.model.errors import UsageError

OTHER_SHEETS = ("Summary", "Ledger")
"""How the names of a ledger workbook's other sheets begin: they may be long."""


def keep_decisions(reader: Reader, path: Path) -> list[Path]:
    """Write each sheet of the workbook at `path` with decisions that are not recorded as a
    workbook of its own beside it. Returns their paths.

    Raises OSError if a workbook cannot be read or written."""
    if path.suffix.lower() != ".xlsx" or not path.is_file():
        return []
    from worker.export.workbook.reading import tables  # noqa: PLC0415 - slow to import

    kept: list[Path] = []
    try:
        for name, header, rows in tables(path, OTHER_SHEETS):
            if has_columns(header, NEEDED):
                cells = [(line, texts) for line, texts in rows]
                columns = [column_of(text) for text in header]
                sheet = (sheet_row(line, columns, texts, name) for line, texts in cells)
                if count_unrecorded(reader, sheet):
                    kept.append(_write(path, header, [texts for _, texts in cells]))
    except UsageError as error:
        # It may have decisions.
        raise OSError(error.message) from error
    return kept


def count_unrecorded(reader: Reader, rows: Iterable[SheetRow]) -> int:
    """How many decisions in the rows of a sheet are not recorded: those about items that are still
    unknown and were not sent again since, and those that cannot be read."""
    filled, problems = filled_in(rows, recorded=recorded_in(reader))
    found = [(one.decision, decisions.known(reader, one.decision.item)) for one in filled]
    return len(problems) + sum(
        item is not None and item.is_open and not decisions.was_sent_again(decision, item)
        for decision, item in found
    )


def recorded_in(reader: Reader) -> Recorded:
    """What the database has recorded, for the groups of a sheet."""

    def is_closed(item: int) -> bool:
        known = decisions.known(reader, item)
        return known is not None and not known.is_open

    @cache
    def named(item: int) -> frozenset[str]:
        return candidates(reader, item).named

    return Recorded(
        lambda batch_id: decisions.owner(reader, batch_id),
        is_closed,
        lambda batch_id, item: batch_id in named(item),
    )


def keep_review(rows: Iterable[DecisionRow], path: Path, campaign: str) -> Path:
    """Write the rows of a review, whose decisions could not be recorded, as a workbook beside the
    ledger file at `path`. Returns its path. Raises OSError if it cannot be written."""
    from worker.export.workbook.decisions import write_book  # noqa: PLC0415 - slow to import

    path.parent.mkdir(parents=True, exist_ok=True)
    return _write_beside(path, lambda file: write_book(file, rows, f"Decisions for {campaign}"))


def _write(path: Path, header: tuple[str, ...], rows: list[list[str]]) -> Path:
    from worker.export.workbook.decisions import write_texts  # noqa: PLC0415 - slow to import

    title = f"Decisions kept from {path.name}"
    return _write_beside(path, lambda file: write_texts(file, [header, *rows], title))


def _write_beside(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    """Write a workbook of decisions beside the ledger file at `path`, under a name that is free.
    Returns its path."""
    for number in itertools.count(1):
        sheet = path.with_name(f"{path.stem}-decisions{'' if number == 1 else f'-{number}'}.xlsx")
        try:
            with sheet.open("xb") as file:
                write(file)
        except FileExistsError:
            continue
        return sheet
    raise AssertionError("there is always another number")
