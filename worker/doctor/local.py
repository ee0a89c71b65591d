"""What this machine has: settings, folders, the database, cron's environment, open files."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from worker import open_files
from worker.doctor.check import Check
from worker.doctor.nights import Nights, check_nights
from worker.ledger import nearby, report, views
from worker.ledger.database import is_new, open_for_reading
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.handle import Reader
from worker.ledger.moved import refuse_moved
from worker.ledger.sqlite.database import migrations
from worker.ledger.sqlite.files import FILES, unwritable, with_owner
from worker.model.errors import UsageError
from worker.model.process import is_alive
from worker.model.records import RunKind
from worker.model.server_address import ServerAddress
from worker.settings.access import read_token
from worker.settings.options import OPTIONS
from worker.settings.settings import Layer, Settings
from worker.text import human_duration, joined, verb

LEAST_FREE = 200 * 2**20
"""Bytes of disk space below which a night may fill the disk: a million duplicates take some 700
MiB, a usual night a few."""


def check_settings(settings: Settings) -> Iterator[Check]:
    """Where each setting comes from."""
    if settings.config_file is None:
        yield Check("config", "there is no config file: each job's ledger is next to the job")
    else:
        yield Check("config", f"{settings.config_file}")
    for option in OPTIONS:
        if settings.is_set(option.key) and option.key != "config":
            yield Check("setting", f"{option.key}: set by {settings.origin(option.key)}")
    if settings.allow_existing:
        yield Check(
            "allow_existing",
            f"{settings.origin('allow_existing')} switches the guards against accidents off for"
            " every run",
            "Remove it, and add --allow-existing to the one run that needs it.",
        )


def check_folders(settings: Settings) -> Iterator[Check]:
    """Whether the folders of the files that a run writes can be written, and have space."""
    files = {
        "database": None if isinstance(settings.database, ServerAddress) else settings.database,
        "ledger": Path(settings.ledger),
        "log_file": settings.log_file,
        "metrics_file": settings.metrics_file,
    }
    seen: set[Path] = set()
    for key, path in files.items():
        if path is None or path.parent in seen or "{" in str(path.parent):
            continue
        seen.add(path.parent)
        yield _folder(path.parent, settings.origin(key))


def _folder(folder: Path, origin: str) -> Check:
    """One folder, or its nearest parent that exists; `origin` names the setting to change."""
    # Path.exists raises an error for a path in a folder that is closed to us.
    seen = (one for one in (folder, *folder.parents) if os.access(one, os.F_OK))
    existing = next(seen, folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Check(
            "folder",
            f"{existing} cannot be written",
            f"Give write access, or name another path with {origin}.",
        )
    free = shutil.disk_usage(existing).free
    space = f"{free / 2**30:,.1f} GiB free"
    if free < LEAST_FREE:
        return Check("folder", f"{folder}: only {space}", "Free some space on this disk.")
    new = "" if existing == folder else " (a run creates it)"
    return Check("folder", f"{folder}{new}: {space}")


def check_metrics_file(settings: Settings) -> Iterator[Check]:
    """Whether node exporter reads the metrics file: only names that end in `.prom`."""
    file = settings.metrics_file
    if file is not None and file.suffix != ".prom":
        yield Check(
            "metrics_file",
            f"node exporter does not read {file.name}: the name does not end in .prom",
            f"Rename it with {settings.origin('metrics_file')}.",
        )


def check_heartbeat(settings: Settings) -> Iterator[Check]:
    """Whether others can read a config file that contains the heartbeat's address, a secret."""
    file = settings.config_file
    if file is None or os.name != "posix" or not settings.is_set("heartbeat_url", Layer.FILE):
        return
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        yield Check(
            "heartbeat",
            f"other users can read the address in {file} (mode {mode:04o})",
            "Run chmod 600 on the file.",
        )


def check_database(settings: Settings, api_url: str) -> Iterator[Check]:
    """Whether the database can be read and written, is whole, and was backed up; its last run."""
    path = settings.database
    if isinstance(path, ServerAddress):
        yield from _on_server(path, settings, api_url)
        return
    if closed := unwritable(path, (*FILES, ".lock")):
        yield Check(
            "database",
            f"this user cannot write {joined([with_owner(file) for file in closed])},"
            " so a run cannot begin",
            "Give this user write access, for example with chmod or chown. Delete no file: the"
            " latest changes are in the one that ends in -wal.",
        )
    if is_new(path):
        yield Check("database", f"{path} does not exist yet: the first run creates it")
        return
    try:
        with closing(open_for_reading(path, api_url, checked=True)) as reader:
            refuse_moved(reader)
            size = f"{path.stat().st_size / 2**20:,.1f} MiB"
            yield Check("database", f"{path}: schema {len(migrations())}, {size}, not damaged")
            yield from check_nights(
                _nights(reader, settings, held=False), datetime.now(UTC).timestamp()
            )
    except UsageError as error:
        yield Check("database", error.message, error.hint or "Read docs/ledger.md.")
        return
    except DATABASE_ERRORS as error:
        yield Check(
            "database",
            f"{path}: {error}",
            "Rebuild it from the ledger file: ledger JOB --restore FILE.",
        )
        return
    yield _backup(path, api_url)


def _on_server(address: ServerAddress, settings: Settings, api_url: str) -> Iterator[Check]:
    try:
        # An optional extra: without its library there is nothing to ask.
        from worker.doctor.server import check_server  # noqa: PLC0415
        from worker.ledger.postgresql.inspection import inspect  # noqa: PLC0415
    except ImportError:
        yield Check(
            "database",
            f"{address}: psycopg, which connects to PostgreSQL, is not installed",
            "Run pip install 'duplicate-batches[postgresql]'.",
        )
        return
    try:
        facts = inspect(address)
        yield from check_server(address, facts)
        if facts.schema == facts.newest:
            with closing(open_for_reading(address, api_url)) as reader:
                nights = _nights(reader, settings, held=facts.held)
            yield from check_nights(nights, datetime.now(UTC).timestamp())
    except UsageError as error:
        yield Check("database", error.message, error.hint or "Read docs/shared-ledger.md.")
    except DATABASE_ERRORS as error:
        yield Check("database", f"{address}: {error}", "Read docs/shared-ledger.md.")


def _nights(reader: Reader, settings: Settings, *, held: bool) -> Nights:
    """What the database knows; `held` says that a run on any machine has the ledger's lock."""
    runs = views.runs(reader)
    last = runs[-1] if runs else None
    active = last is not None and last["ended_at"] is None
    if last is not None and active and not held:
        active = is_alive(last["host"], last["pid"]) is True
    night = next((run for run in reversed(runs) if run["kind"] == RunKind.RUN), None)
    campaign = None if night is None else views.campaign_id(reader, night["campaign"])
    return Nights(
        runs,
        views.count_unknown(reader, active=active),
        () if campaign is None else report.notifications(reader, campaign),
        monitored=bool(settings.metrics_file or settings.heartbeat_url),
        active=active,
    )


def _backup(database: Path, api_url: str) -> Check:
    """The newest backup near the database. Not a finding: backups may be in another folder."""
    newest = nearby.latest_backup(database, api_url)
    if newest is None:
        command = f"duplicate-batches ledger --database {database} --backup FILE"
        return Check("backup", f"none near {database}; to create one, run {command}")
    age = datetime.now(UTC).timestamp() - newest.stat().st_mtime
    return Check("backup", f"{newest} is {human_duration(age)} old")


LIBPQ = ("PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGHOST", "PGPORT", "PGSSLMODE")
"""Variables of libpq without which the ledger's server may not be reached."""


def check_cron(
    settings: Settings, cron: Settings | UsageError, home: Path, environ: Mapping[str, str]
) -> Iterator[Check]:
    """Whether a run from cron finds the same settings. `cron` is what they are in this folder
    without the variables of this shell. If they depend on the folder, and cron starts in another
    one (`home`), the cron line must begin with `cd`; if this shell names another API, the crontab
    must do so too."""
    named = "Name the config file in the cron line: --config PATH."
    if isinstance(cron, UsageError):
        yield Check("cron", f"a run from cron ends with: {cron}", named)
        return
    if cron.config_file != settings.config_file:
        shown = cron.config_file or "no config file"
        yield Check("cron", f"a run from cron finds {shown}", named)
        return
    variables = [
        settings.origin(one.key)
        for one in OPTIONS
        if settings.is_set(one.key, Layer.ENVIRONMENT) and one.key != "config"
    ]
    found = [name for name in LIBPQ if environ.get(name)]
    if found and isinstance(settings.database, ServerAddress):
        yield Check(
            "cron",
            f"{joined(found)} {verb(len(found), 'is', 'are')} set in this shell, and cron has"
            " no variables of a shell: a run from cron may not reach the ledger's server",
            "Save the password in ~/.pgpass, or set the same in the crontab.",
        )
        return
    if variables:
        yield Check(
            "cron",
            f"{joined(variables)} {verb(len(variables), 'is', 'are')} set in this shell, and cron"
            " has no variables of a shell",
            "Set the same in the config file.",
        )
        return
    conditions = []
    if settings.config_file == Path.cwd() / "config.toml" and home != Path.cwd():
        conditions.append(f"its cron line begins with cd {shlex.quote(str(Path.cwd()))} &&")
    if "PROLIFIC_URL" in environ:
        conditions.append(f"the crontab sets PROLIFIC_URL={environ['PROLIFIC_URL']}")
    only = f" if {' and '.join(conditions)}" if conditions else ""
    yield Check("cron", f"a run from cron finds the same settings{only}")


def check_token_for_cron(settings: Settings, environ: Mapping[str, str]) -> Check:
    """Whether a run from cron has a token: this shell's PROLIFIC_TOKEN does not count."""
    if settings.token_file is None and environ.get("PROLIFIC_TOKEN"):
        return Check(
            "cron",
            "the token is in PROLIFIC_TOKEN, which cron does not have",
            "Save it in a file, run chmod 600 on it, and name it with token_file in the config.",
        )
    try:
        read_token(settings, {})
    except UsageError as error:
        fix = error.hint or "Correct it there."
        return Check("cron", f"a run from cron ends with: {error.message}", fix)
    return Check("cron", "a run from cron has the token of token_file")


def check_open_files(settings: Settings) -> Check:
    """Whether as many connections can be open as the settings ask for."""
    try:
        fits, few = open_files.make_room(settings.max_in_flight, open_files.PER_REQUEST)
    except UsageError as error:
        return Check("open files", error.message, "Raise the limit with ulimit -n 1024.")
    if few:
        return Check("open files", few, "Raise the limit with ulimit -n 1024.")
    return Check("open files", f"{fits} requests can run at once")
