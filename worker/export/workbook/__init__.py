"""The ledger file as a workbook (.xlsx): a sheet with the summary, then the rows.

`cells` converts values, `sheets` writes the rows, `decisions` writes the sheet to decide in,
`summary` writes the first sheet with `page`, and `reading` reads workbooks, also those that a
spreadsheet program saved. XlsxWriter writes one row at a time (`book`); calamine reads."""

from worker.export.workbook.reading import is_ledger, read
from worker.export.workbook.sheets import write

__all__ = ["is_ledger", "read", "write"]
