"""Opens a workbook that is written one row at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError


@contextmanager
def new_book(file: BinaryIO) -> Iterator[Workbook]:
    """A workbook to fill, which is written to `file` when the block ends. Raises OSError if it
    cannot be written."""
    output = _ErrorKeeper(file)
    # The library keeps rows in the folder until their sheet is complete.
    with TemporaryDirectory(prefix="duplicate-batches-") as folder:
        book = Workbook(
            output,
            {
                "constant_memory": True,
                "tmpdir": folder,
                "use_zip64": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        try:
            yield book
        except BaseException:
            with suppress(Exception):  # closes its files; the workbook is not used
                book.close()
            raise
        try:
            book.close()
        except FileCreateError as error:
            raise OSError(str(error)) from error
    if output.error is not None:
        raise output.error


class _ErrorKeeper:
    """A file that keeps its first error, and discards later writes.

    If a write raised, the library would leave its archive open, which then prints to standard
    error."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, or keep the error."""
        if self.error is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
