"""A ledger that several users of one machine use."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.ledgers import API
from tests.support.systems import needs_file_locks
from tests.support.users import needs_root, not_root
from worker.doctor.local import check_database
from worker.ledger.queries import statements
from worker.ledger.sqlite.database import migrations, open_for_reading, open_for_writing
from worker.ledger.sqlite.files import FILES, unwritable, with_owner
from worker.ledger.sqlite.lock import hold
from worker.model.errors import UsageError
from worker.settings.load import load_settings
from worker.settings.settings import Settings

OWNER = 4711
"""A user without a name."""


@pytest.fixture
def path() -> Iterator[Path]:
    """A new ledger database in a folder that everybody can write: pytest's are closed to others."""
    # Another user may not see the program's files.
    migrations()
    statements()
    with TemporaryDirectory() as name, umask(0o022):
        path = Path(name).resolve() / "ledger.db"
        path.parent.chmod(0o777)
        with hold(path, 0.0):
            open_for_writing(path, API).close()
            yield path


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def settings_with(database: Path) -> Settings:
    return load_settings(
        "doctor", {"database": str(database)}, {}, job=None,
        job_campaign=None, today=dt.date(2026, 3, 1), cwd=database.parent,
    )  # fmt: skip


@needs_root
def test_a_file_of_another_user_beside_the_database_is_named_with_its_owner(path: Path) -> None:
    settings = settings_with(path)
    with not_root():
        open_for_reading(path).close()  # as `report` does
    for file in (path, path.with_name("ledger.db.lock")):
        os.chown(file, OWNER, -1)
    with not_root(OWNER):
        with pytest.raises(UsageError) as refused:
            open_for_writing(path, API)
        findings = [one for one in check_database(settings, API) if one.fix]

    theirs = " and ".join(f"{path}{end} (owner: nobody)" for end in ("-wal", "-shm"))
    assert f"this user cannot write {theirs}" in refused.value.message
    assert "Delete no file" in str(refused.value)
    assert findings[0].text == f"this user cannot write {theirs}, so a run cannot begin"


@needs_root
def test_a_database_of_another_user_is_named_too(path: Path) -> None:
    os.chown(path, OWNER, -1)
    settings = settings_with(path)
    path.parent.chmod(0o755)
    with not_root():
        with pytest.raises(UsageError) as refused:
            open_for_writing(path, API)
        findings = [one.text for one in check_database(settings, API) if one.fix]
    mine = f"{path} (owner: user {OWNER})"
    assert f"cannot write {mine} and {path.parent} (owner: root)" in refused.value.message
    lock = f"{path}.lock (owner: root)"
    assert findings[0] == f"this user cannot write {mine} and {lock}, so a run cannot begin"


def test_files_that_are_not_there_or_can_be_written_are_not_named(path: Path) -> None:
    assert not [one for one in check_database(settings_with(path), API) if one.fix]
    assert unwritable(path, FILES) == []
    assert unwritable(path.with_name("none.db"), FILES) == []
    assert with_owner(path.with_name("none.db")) == str(path.with_name("none.db"))


@needs_file_locks
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_what_sqlite_keeps_beside_the_database_can_be_written_by_its_group(
    tmp_path: Path, mask: int, mode: int
) -> None:
    path = tmp_path / "ledger.db"
    with umask(mask), hold(path, 0.0), closing(open_for_writing(path, API)):
        modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    names = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock")
    assert modes == dict.fromkeys(names, mode)
