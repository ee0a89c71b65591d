"""A connection to the ledger's schema on a PostgreSQL server, with a time limit for every
exchange."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown

from worker.ledger.engine import ConnectionLostError, ServerError
from worker.model.server_address import ServerAddress

# What the driver notes when a connection breaks; our own errors say it.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

EXCHANGE_S = 20.0
"""Seconds that an exchange with the server may take: a frozen connection raises no error."""

LONG_EXCHANGE_S = 900.0
"""The same for planning, migrating and copying."""

CONNECT_S = 10
"""Seconds that connecting may take."""


class Row(tuple[Any, ...]):
    """A row whose values are found by place or by name, as SQLite's."""

    __slots__ = ()
    names: dict[str, int] = {}  # noqa: RUF012 - each result has a class of its own

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self.names[key] if isinstance(key, str) else key)

    def keys(self) -> list[str]:
        """The columns' names."""
        return list(self.names)


def rows_by_name(cursor: psycopg.Cursor[Any]) -> Any:
    """Psycopg's row factory: makes a `Row` of each row."""
    columns = cursor.description
    if columns is None:
        return tuple
    names = {column.name: place for place, column in enumerate(columns)}
    return type("Row", (Row,), {"__slots__": (), "names": names})


NUL_SHOWN = "\N{SYMBOL FOR NULL}"
"""What stands for NUL in texts."""


class _TextDumper(StrDumperUnknown):
    """PostgreSQL has no NUL in texts; SQLite has. An API that shows one is shown as it prints."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", NUL_SHOWN) if "\0" in obj else obj)


class _FlagDumper(Int8Dumper):
    """Flags are 0 and 1 in the ledger."""

    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"


class _IntegerLoader(psycopg.adapt.Loader):
    """Sums of whole numbers are whole numbers."""

    def load(self, data: Any) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text else int(text)


def _settings(address: ServerAddress, *, writes: bool) -> list[tuple[str, str]]:
    """The settings of each session."""
    return [
        ("search_path", address.schema),
        ("client_encoding", "UTF8"),
        ("timezone", "UTC"),
        # A transaction of a process that is frozen must not keep others waiting for ever. One that
        # only reads may wait for a person who pages through its rows.
        ("idle_in_transaction_session_timeout", "30s" if writes else "0"),
        ("lock_timeout", "15s"),
        # Compiling a statement takes longer than any of these statements.
        ("jit", "off"),
        # Long results are read to their end.
        ("cursor_tuple_fraction", "1"),
    ]


_KEPT_DURABLE = """, CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply')
THEN set_config('synchronous_commit', current_setting('synchronous_commit'), false) END"""
"""Keeps a safe setting for the session, also if the server's is switched off meanwhile."""


def _connect(address: ServerAddress, within_s: int) -> psycopg.Connection[Any]:
    """Log in to the server. Raises ServerError."""
    try:
        connection = psycopg.connect(
            address.conninfo,
            autocommit=True,
            connect_timeout=within_s,
            application_name="duplicate-batches",
            keepalives_idle=5,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=int(EXCHANGE_S * 1000),
            row_factory=rows_by_name,
        )
        adapters = connection.adapters
        adapters.register_dumper(str, _TextDumper)
        adapters.register_dumper(bool, _FlagDumper)
        # One type for all, so that a statement is prepared once.
        adapters.register_dumper(int, Int8Dumper)
        adapters.register_loader("numeric", _IntegerLoader)
    except psycopg.Error as error:
        raise ServerError(first_line(error)) from error
    return connection


def first_line(error: BaseException) -> str:
    """The driver's message in one line."""
    return " ".join(str(error).split())


def _set_up(
    raw: psycopg.Connection[Any], settings: list[tuple[str, str]], *, keeps_durable: bool
) -> None:
    calls = ", ".join("set_config(%s, %s, false)" for _ in settings)
    given = [text for pair in settings for text in pair]
    raw.execute(f"SELECT {calls}{_KEPT_DURABLE if keeps_durable else ''}".encode(), given)


class TimedConnection:
    """A connection whose exchanges have a time limit. Used by one thread at a time. The schema need
    not exist yet. `writes`: it may change the ledger. `within_s`: how many seconds connecting may
    take (by default CONNECT_S). Raises ServerError."""

    def __init__(
        self, address: ServerAddress, *, writes: bool = False, within_s: int | None = None
    ) -> None:
        within_s = CONNECT_S if within_s is None else within_s
        self.raw = _connect(address, within_s)
        self._ends_at: float | None = None
        self._limit_s = 0.0
        """The limit of the latest exchange, in seconds."""
        self._overdue = False
        """Whether the connection was broken because an exchange took too long."""
        self._closed = threading.Event()
        watch = threading.Thread(target=self._watch, name="ledger connection", daemon=True)
        watch.start()
        try:
            # A pooler may let us in by itself, and wait for a server only now.
            with self.exchange(within_s) as raw:
                _set_up(raw, _settings(address, writes=writes), keeps_durable=writes)
        except BaseException:
            self.close()
            raise

    @property
    def is_broken(self) -> bool:
        """Whether nothing can be asked through this connection any more."""
        return bool(self.raw.closed or self.raw.broken)

    @contextmanager
    def exchange(self, limit_s: float | None = None) -> Iterator[psycopg.Connection[Any]]:
        """One exchange with the server, of at most `limit_s` seconds (by default EXCHANGE_S).
        Raises ConnectionLostError if the connection broke, otherwise ServerError."""
        outermost = self._ends_at is None
        if outermost:
            self._limit_s = EXCHANGE_S if limit_s is None else limit_s
            self._ends_at = time.monotonic() + self._limit_s
        try:
            yield self.raw
        except psycopg.Error as error:
            if error.diag.severity_nonlocalized in ("FATAL", "PANIC"):
                # The server has ended the session; the driver may not have seen the end yet.
                with suppress(psycopg.Error):
                    self.raw.close()
            if self._overdue:
                raise ConnectionLostError(
                    f"the server did not answer within {self._limit_s:g} s"
                ) from error
            if self.is_broken:
                raise ConnectionLostError(first_line(error)) from error
            raise ServerError(first_line(error)) from error
        finally:
            if outermost:
                self._ends_at = None

    def close(self) -> None:
        """Close the connection, without waiting for the server."""
        self._closed.set()
        with suppress(psycopg.Error):
            self.raw.close()

    def _watch(self) -> None:
        """Break the connection when an exchange takes too long: whoever waits gets an error."""
        while not self._closed.wait(0.25):
            ends_at = self._ends_at
            if ends_at is not None and time.monotonic() >= ends_at:
                self._overdue = True
                self._break()

    def _break(self) -> None:
        with suppress(OSError, psycopg.Error):
            handle = socket.socket(fileno=socket.dup(self.raw.fileno()))
            with handle:
                handle.shutdown(socket.SHUT_RDWR)
