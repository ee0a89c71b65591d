"""Writes the ledger file: the database as a table for people. It decides nothing.

Readers never see half a file: it is written beside its path and then renamed. `content` says what
is in it, `formats` says which format it has."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from worker.export.commands import Invocation, commands
from worker.export.content import About, Content
from worker.export.formats import format_of, is_ledger, read_file
from worker.export.own_files import OwnFile
from worker.export.proposals import sheet_rows
from worker.ledger import views
from worker.ledger.database import SANDBOX
from worker.ledger.handle import Reader
from worker.ledger.proposals import undecided
from worker.model.clock import MachineClock, iso
from worker.model.errors import UsageError


def campaign_in(path: Path) -> str | None:
    """The campaign that the first row of a ledger file names; None if no row does, or it cannot be
    read."""
    try:
        first = next(read_file(path), None)
    except UsageError:  # reading all of it reports what is wrong
        return None
    return (first[1]["campaign"] or None) if first else None


LEDGER_FILE = OwnFile("ledger file", "--ledger", is_ledger, campaign_in)


def make_folder(path: Path) -> None:
    """Create the ledger file's folder. Raises UsageError if that fails, or the file cannot be
    written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path).open("w"):  # its longer name may be too long
            pass
        _beside(path).unlink()
    except OSError as error:
        raise UsageError(
            f"{path}: the ledger file cannot be written there: {error.strerror}",
            hint="Nothing was sent. Name another file with --ledger.",
        ) from error


def write_ledger_file(
    reader: Reader,
    campaign: int,
    name: str,
    path: Path,
    invocation: Invocation,
    *,
    going_on: bool = False,
) -> None:
    """Write the ledger file of the campaign (its number and name), replacing `path` at once.
    `invocation` completes the commands in it; `going_on` says that the run is still active.

    Raises OSError if it cannot be written. The previous file then stays as it was.
    """
    with replaced(path) as file:
        content = content_of(reader, campaign, name, invocation, going_on=going_on)
        about = content.about._replace(file=path.absolute())
        format_of(path).write(file, content._replace(about=about))


def content_of(
    reader: Reader,
    campaign: int,
    name: str,
    invocation: Invocation,
    *,
    going_on: bool = False,
) -> Content:
    """The current content of the campaign's ledger file (`campaign` and `name`: its number and
    name). Parameters are those of `write_ledger_file`."""
    run = views.latest_run(reader, campaign=name)
    if run is None:
        raise AssertionError("a campaign always has a run")
    about = About(
        campaign=name,
        job=run.job,
        run_id=run.run_id,
        database=views.database_path(reader),
        sandbox=views.api_url(reader) == SANDBOX,
        written_at=iso(MachineClock().wall()),
        commands=commands(run, invocation),
        going_on=going_on,
    )
    return Content(
        about,
        views.extra_columns(reader, campaign),
        views.ledger_rows(reader, campaign, name),
        # While a run is active it settles by itself, and nobody else can record a decision.
        () if going_on else sheet_rows(undecided(reader, campaign), name, invocation.batch_url),
    )


def _beside(path: Path) -> Path:
    """The temporary file for `path`: next to the file itself if `path` is a link."""
    place = Path(os.path.realpath(path))
    return place.with_name(f".{place.name}.{os.getpid()}.tmp")


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A temporary file that replaces `path` when the block ends. If the block raises, the temporary
    file is removed."""
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            beside.chmod(place.stat().st_mode & 0o7777)
        beside.replace(place)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut, if the system supports that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that killed runs left beside `path`. The caller has the lock."""
    place = Path(os.path.realpath(path))
    for leftover in place.parent.glob(f".{glob.escape(place.name)}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()
