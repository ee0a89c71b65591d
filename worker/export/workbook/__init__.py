"""The ledger file as a workbook (.xlsx), written and read back: a sheet with the summary, then the
rows.

`cells` says what a value looks like as a cell and back, `sheets` writes rows, `summary` the first
sheet, `reading` reads, also what a spreadsheet program has saved. XlsxWriter writes, a row at a
time; calamine reads."""

from worker.export.workbook.reading import is_ledger, read
from worker.export.workbook.sheets import write

__all__ = ["is_ledger", "read", "write"]
