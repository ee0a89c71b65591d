"""A TCP proxy on loopback, for what a network does between a worker and its database: connections
cut, frozen (bytes stop, nothing is closed) or slow. No tests here."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType
from typing import Self


class Fate(Enum):
    """What becomes of bytes that a client sends."""

    PASS = auto()
    CUT_BEFORE = auto()
    """The connection is cut, and they do not reach the server."""
    CUT_AFTER = auto()
    """They reach the server; its answer does not come back, and the connection is cut."""


ANSWERED_WITHIN_S = 0.3
"""How long the server has for what came before a CUT_AFTER."""


class Proxy:
    """Passes connections on to `port` while its `with` block lasts. `delay_s` is how long bytes
    take, at random up to it if `jitter`; `judge` decides about what clients send; `refuses`
    closes new connections."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.delay_s = 0.0
        self.jitter = False
        self.refuses = False
        self.judge: Callable[[bytes], Fate] = lambda _data: Fate.PASS
        self.accepted = 0
        self._thawed = threading.Event()
        self._thawed.set()
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thaw()
        self.cut()

    def freeze(self) -> None:
        """Let no byte pass, in either direction."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Let what was held pass."""
        self._thawed.set()

    def cut(self) -> None:
        """Reset all connections, on both sides."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _reset(*pair)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                if self.refuses:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                server.settimeout(None)
            except OSError:
                _reset(client)
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
            for source, sink, judged in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._pump, args=(source, sink, judged), name="proxy", daemon=True
                ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, judged: bool) -> None:
        try:
            while data := source.recv(2**16):
                self._thawed.wait()
                if self.delay_s:
                    time.sleep(self.delay_s * (random.random() if self.jitter else 1.0))
                fate = self.judge(data) if judged else Fate.PASS
                if fate is Fate.CUT_AFTER:
                    # The client's side first, so that no answer can come through.
                    _reset(source)
                    sink.sendall(data)
                    time.sleep(ANSWERED_WITHIN_S)
                    _reset(sink)
                    return
                if fate is Fate.CUT_BEFORE:
                    _reset(source, sink)
                    return
                sink.sendall(data)
            self._thawed.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source, sink)


def _reset(*ends: socket.socket) -> None:
    """Close with a reset, as a firewall does; what waits for the socket gets an error at once."""
    for end in ends:
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            end.close()
