"""Rows for ledger files, and workbooks read by other programs than those that write and read them.
No tests."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.workbook import Workbook

from tests.support.ledgers import NOW, uuid
from worker.export.commands import Commands
from worker.export.content import About, Content
from worker.ledger.rows import COLUMNS

COMMANDS = Commands(
    "/jobs/spring.csv", ("--database", "/ledgers/ledger.db", "--campaign", "spring")
)
ABOUT = About(
    "spring", Path("/jobs/spring.csv"), "run-1", "/ledgers/ledger.db", False, NOW, COMMANDS
)


def row(number: int = 2, **changes: Any) -> dict[str, Any]:
    """A row as the ledger gives it, created unless `changes` say otherwise."""
    return {
        "line": number,
        "source_batch_id": uuid(1),
        "name": f"Wave {number}",
        "upload_new_dataset": False,
        "copy": 1,
        "status": "created",
        "new_batch_id": uuid(0xF000 + number),
        "new_batch_status": "READY",
        "created_at": NOW,
        "settled_by": "response",
        "attempts": 1,
        "http_status": 201,
        "error": None,
        "cause": changes.get("error"),
        "candidates": [],
        "copies": 1,
        "first_sent_at": NOW,
        "last_sent_at": NOW,
        "campaign": "spring",
        "run_id": "run-1",
        "tasks_per_group": None,
        "setup_status": "",
        "warning": None,
        "item": number,
        "job_name": "",
    } | changes


def content(rows: Iterable[dict[str, Any]], own: tuple[str, ...] = ()) -> Content:
    """`rows` as the content of a ledger file."""
    return Content(ABOUT, own, rows)


def opened_by_another(data: bytes | Path) -> Workbook:
    """The workbook as openpyxl reads it, with formulas as formulas."""
    return openpyxl.load_workbook(io.BytesIO(data) if isinstance(data, bytes) else data)


def table(book: Workbook, sheet: str = "Ledger") -> list[dict[str, Any]]:
    """The rows of a sheet by its header, as openpyxl reads them."""
    header, *rows = book[sheet].iter_rows(values_only=True)
    assert header[: len(COLUMNS)] == COLUMNS
    return [dict(zip(map(str, header), cells, strict=True)) for cells in rows]


def saved_by_libreoffice(path: Path, ending: str = "xlsx") -> Path:
    """The file as LibreOffice saves it, in another folder. Skips the test if LibreOffice is not
    installed."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed (libreoffice-calc)")
    folder = path.parent / "saved"
    profile = (path.parent / "office-profile").as_uri()
    command = [
        office,
        f"-env:UserInstallation={profile}",
        "--headless",
        "--convert-to",
        ending,
        "--outdir",
    ]
    subprocess.run([*command, str(folder), str(path)], check=True, capture_output=True, timeout=180)
    return folder / path.with_suffix(f".{ending.split(':', maxsplit=1)[0]}").name
