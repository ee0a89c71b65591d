"""Opens a ledger on a PostgreSQL server: the schema, its version, and the API that it belongs
to."""

from __future__ import annotations

import re
from importlib import resources

import psycopg

from worker.ledger.engine import Engine, ServerError
from worker.ledger.handle import Reader, Writer
from worker.ledger.postgresql.connection import LONG_EXCHANGE_S, TimedConnection
from worker.ledger.postgresql.engine import ServerEngine
from worker.ledger.postgresql.refusal import facts_of, refusal
from worker.ledger.postgresql.rights import Rights, lacking, lacking_temporary, rights_of
from worker.ledger.rehearsals import rehearsed
from worker.model.errors import NoLedgerError, UsageError, WorkerError
from worker.model.server_address import ServerAddress

OLDEST_SERVER = 150_000
"""The oldest PostgreSQL that is supported, as `server_version_num`: 15."""

SPACE = 0x44757042
"""The first number of the advisory locks ("DupB" in ASCII); the second one is the schema's."""


def migrations() -> list[tuple[int, str]]:
    """The SQL scripts that lead from an empty schema to the current one, with their versions."""
    folder = resources.files("worker.ledger.postgresql") / "migrations"
    found = [
        (int(file.name[:3]), file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if re.fullmatch(r"\d{3}_\w+\.sql", file.name)
    ]
    return sorted(found)


def newest() -> int:
    """The version of the schema that this program works with."""
    return migrations()[-1][0]


def version(connection: TimedConnection, address: ServerAddress) -> int:
    """The version of the schema at the address; 0 if there is none. Raises UsageError if it is
    another program's."""
    with connection.exchange() as raw:
        found = raw.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s",
            (address.schema,),
        ).fetchall()
        tables = {row[0] for row in found}
        if not tables:
            return 0
        if {"meta", "seat"} <= tables:
            row = raw.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
            if row is not None:
                return int(row[0])
    raise UsageError(
        f"{address}: the schema {address.schema} is another program's",
        hint="Nothing was changed. Name another one: ?schema=NAME.",
    )


def is_new(address: ServerAddress) -> bool:
    """Whether nothing was ever written to the ledger. Raises UsageError if the server cannot be
    reached."""
    connection = opened(address)
    try:
        return version(connection, address) == 0
    finally:
        connection.close()


class AwayError(UsageError):
    """The server cannot be reached now, or refuses for a reason that may pass."""


def opened(
    address: ServerAddress, *, writes: bool = False, explains: bool = True
) -> TimedConnection:
    """A connection to the server; `writes`: it may change the ledger. Raises AwayError if the
    server cannot be reached now, and UsageError if it refuses or is too old. With `explains`, a
    server that refuses is asked why: a run that opens its connection again has been let in before,
    so it does not ask."""
    try:
        connection = TimedConnection(address, writes=writes)
    except ServerError as error:
        text = without_secrets(address, error)
        facts = facts_of(address, error.__cause__) if explains else None
        if facts is not None and (why := refusal(facts, text)) is not None:
            raise (AwayError if why.may_pass else UsageError)(
                f"{address}: {why.what}", hint=f"Nothing was sent. {why.fix}"
            ) from error
        raise AwayError(
            f"{address}: the ledger's server cannot be reached: {text}",
            hint="Nothing was sent. Check the address, the network and the server; read"
            " docs/shared-ledger.md.",
        ) from error
    try:
        with connection.exchange() as raw:
            number = raw.info.server_version
            encoding = raw.info.parameter_status("server_encoding")
        if number < OLDEST_SERVER:
            raise UsageError(
                f"{address}: this PostgreSQL has version {number // 10_000}; 15 or later is needed",
                hint="Nothing was sent. Upgrade the server, or use another one.",
            )
        if encoding != "UTF8":
            raise UsageError(
                f"{address}: this database has the encoding {encoding}; UTF8 is needed",
                hint="Nothing was sent. Create another one: createdb --encoding UTF8 NAME.",
            )
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: TimedConnection, address: ServerAddress) -> None:
    """Create the schema, or bring it to the current version, in one transaction. Two machines may
    do this at the same time. Raises UsageError if the schema is newer than this program, or if the
    role may not do that."""
    try:
        _migrate(connection, address)
    except ServerError as error:
        if isinstance(error.__cause__, _WITHOUT_RIGHT):
            _refuse_lacking(address, rights_of(ServerEngine(connection, address), address))
        raise


_WITHOUT_RIGHT = (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName)
"""What the server says if a right is missing; a schema that the role may not use is none to it."""


def _refuse_lacking(address: ServerAddress, rights: Rights) -> None:
    if lacks := lacking(address, rights):
        what, fix = lacks
        raise UsageError(f"{address}: {what}", hint=f"Nothing was sent. {fix}")


def refuse_without_temporary(engine: Engine, address: ServerAddress) -> None:
    """Raise UsageError if the role may not create temporary tables: then the first run of a job
    would succeed, and no later one."""
    rights = rights_of(engine, address)
    if not rights.may_stage:
        what, fix = lacking_temporary(rights.role, rights.database)
        raise UsageError(f"{address}: {what}", hint=f"Nothing was sent. {fix}")


def _migrate(connection: TimedConnection, address: ServerAddress) -> None:
    scripts = migrations()
    if version(connection, address) == scripts[-1][0]:
        return
    with connection.exchange(LONG_EXCHANGE_S) as raw, raw.transaction():
        raw.execute(
            "SELECT pg_advisory_xact_lock(CAST(%s AS INT), hashtext(%s))",
            (SPACE - 1, address.schema),
        )
        present = version(connection, address)
        refuse_newer(present, address)
        if present == scripts[-1][0]:
            return
        known = raw.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (address.schema,))
        if known.fetchone() is None:  # IF NOT EXISTS would ask for the right to create one
            raw.execute(f'CREATE SCHEMA "{address.schema}"')
        for number, script in scripts:
            if number > present:
                raw.execute(script)
        raw.execute(
            "INSERT INTO meta (key, value) VALUES ('schema', %s)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (str(scripts[-1][0]),),
        )


def refuse_newer(present: int, address: ServerAddress) -> None:
    """Raise UsageError if the schema was written by a newer version of this program."""
    if present > newest():
        raise UsageError(
            f"{address}: this ledger (schema version {present}) was written by a newer version of"
            " duplicate-batches",
            hint="Nothing was changed. Update the program on this machine.",
        )


def open_for_reading(address: ServerAddress, api_url: str | None = None) -> Reader:
    """Open the ledger to read it; a run may be using it. Raises UsageError if there is none, if it
    is newer or older than this program, or if it belongs to another API than `api_url`."""
    return Reader(_open_existing(address, api_url))


def open_for_adding(address: ServerAddress) -> Writer:
    """Open the ledger to add what no run reads. A run may be using it. Raises UsageError as
    `open_for_reading` does."""
    return Writer(_open_existing(address, None, writes=True))


def _open_existing(
    address: ServerAddress, api_url: str | None, *, writes: bool = False
) -> ServerEngine:
    connection = opened(address, writes=writes)
    try:
        present = version(connection, address)
        if present == 0:
            rights = rights_of(ServerEngine(connection, address), address)
            if rights.owner is not None:  # tables that the role may not read do not show
                _refuse_lacking(address, rights)
            raise NoLedgerError(address)
        refuse_newer(present, address)
        if present < newest():
            raise UsageError(
                f"{address}: this ledger was written by an older version of duplicate-batches",
                hint="The next `run` updates it.",
            )
        engine = ServerEngine(connection, address)
        if api_url is not None:
            refuse_other_api(engine, address, api_url)
    except ServerError as error:
        connection.close()
        raise unusable(address, error) from error
    except BaseException:
        connection.close()
        raise
    return engine


def refuse_other_api(engine: ServerEngine, address: ServerAddress, api_url: str) -> bool:
    """Raise UsageError if the ledger belongs to another API. Returns whether it belongs to one."""
    known = engine.execute("api_url", {}).fetchone()
    if known is not None and known[0] != api_url:
        raise UsageError(
            f"{address}: this ledger is for {known[0]}, but the API of this command is {api_url}",
            hint=rehearsed(
                known[0],
                "Name another schema (--database 'postgresql://…?schema=NAME'), and move away the"
                " ledger files that its runs wrote: a ledger file does not name its API, and must"
                " not be restored for another one.",
            )
            or "Each API needs a ledger of its own. Set PROLIFIC_URL as before, or name another"
            " schema: --database 'postgresql://…?schema=NAME'.",
        )
    return known is not None


def unusable(address: ServerAddress, error: Exception) -> WorkerError:
    """The error to show to users for `error`: what is wrong with the ledger, and what to do
    next."""
    return UsageError(
        f"{address}: the ledger cannot be used: {without_secrets(address, error)}",
        hint="Nothing was sent. Check the server and the role's rights; read"
        " docs/shared-ledger.md.",
    )


def without_secrets(address: ServerAddress, error: Exception) -> str:
    """The message of an error without the passwords of the address, in case it contains one."""
    message = str(error)
    for secret in address.secrets:
        message = message.replace(secret, "[password]")
    return message
