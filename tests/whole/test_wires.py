"""A wire that breaks anywhere: after every so many bytes of a duplicate request and of its answer,
and before either.

A proxy stands between the real command and the sandbox. Whatever breaks, each duplicate is made
once and the ledger says so in the end; where nothing can have left, nothing is unknown."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.command import Ended, command, environment, read_ledger, source_id, write_job
from tests.support.sandbox_thread import SandboxThread
from tests.support.wire import Break, Wire, handshakes

EVERY_BYTE = bool(os.environ.get("EVERY_BYTE"))
"""`make wires` and `make prove` set it: then a wire breaks after every single byte, which takes
some minutes."""

AT_MOST = 10**6 if EVERY_BYTE else 34
"""Places at which a wire breaks in one test."""


def run(folder: Path, url: str, token: str, *arguments: object, **variables: str) -> Ended:
    return command(
        [
            "run",
            "job.csv",
            "--yes",
            "--json",
            "--rate",
            "unlimited",
            "--settle-after",
            0.3,
            *arguments,
        ],
        folder,
        environment(folder, url, token, **variables),
        timeout_s=1500 if EVERY_BYTE else 90,
    )


def job(folder: Path, server: SandboxThread, number: int, name: str = "Row") -> None:
    rows = [{"batch_id": source_id(0), "name": f"{name} {n:03}"} for n in range(number)]
    for row in rows:
        server.world.find(row["batch_id"])
    write_job(folder / "job.csv", rows)


def made_once_each(folder: Path, server: SandboxThread, besides: str = "") -> None:
    """Every row names the one batch of its name, and but for the one called `besides` there are no
    others."""
    copies = [copy for copy in server.world.duplicates if copy["name"] != besides]
    names = Counter(str(copy["name"]) for copy in copies)
    assert max(names.values()) == 1, names.most_common(3)
    ids = {str(copy["id"]): (str(copy["source_batch_id"]), str(copy["name"])) for copy in copies}
    rows = read_ledger(folder / "ledgers" / "job.csv")
    assert {row["new_batch_id"]: (row["source_batch_id"], row["name"]) for row in rows} == ids
    assert {row["status"] for row in rows} == {"created"}


def places(length: int, edges: set[int], shift: int) -> list[int]:
    """Offsets from 0 to `length`: all round the edges, and evenly between them."""
    near = {place + step for place in (0, *edges, length) for step in (-1, 0, 1)}
    even = range(shift, length, max(1, length // (AT_MOST - len(near))))
    return sorted(place for place in near | set(even) if 0 <= place <= length)


@pytest.fixture
def server() -> Iterator[SandboxThread]:
    with SandboxThread() as thread:
        yield thread


@pytest.mark.every_byte
@pytest.mark.parametrize("manner", ["cut", "reset", "silent"])
@pytest.mark.parametrize("side", ["request", "answer"])
def test_a_wire_that_breaks_after_any_byte_makes_no_double_and_loses_nothing(
    tmp_path: Path, server: SandboxThread, side: str, manner: str
) -> None:
    with Wire(server.url) as wire:
        job(tmp_path, server, 1, "One")
        assert run(tmp_path, wire.url, server.token, "--campaign", "measured").code == 0
        ((request, answer),) = wire.lengths
        text = wire.heads[0]
        ends = {text.index(b"\r\n"), text.index(b"\r\n\r\n") + 4, text.index(b"{") + 1}
        longest = request if side == "request" else answer - 1
        breaks: list[Break | None] = []
        for place in places(longest, ends if side == "request" else {15}, shift=len(manner)):
            # One that passes after each that does not: a row of broken ones would be an outage,
            # which is waited out.
            breaks += [Break(side, place, manner), None]
        wire.break_at(breaks)
        job(tmp_path, server, len(breaks))
        # Only a silent wire is noticed by the time limit.
        timeout_s = 0.5 if manner == "silent" else 10
        arguments = ("--timeout", timeout_s, "--max-in-flight", 4)
        ended = run(tmp_path, wire.url, server.token, *arguments)
        if ended.code == 1:
            ended = run(tmp_path, wire.url, server.token, *arguments)
        assert wire.met >= len(breaks)
    assert ended.code == 0, ended.out + ended.err[-2000:]
    made_once_each(tmp_path, server, besides="One 000")
    rows = read_ledger(tmp_path / "ledgers" / "job.csv")
    broken = len(breaks) // 2
    # What left whole was made, and its answer was lost; everything else was surely not made, and
    # was sent again.
    made = (
        broken
        if side == "answer"
        else sum(one is not None and one.after == request for one in breaks)
    )
    found = Counter(row["settled_by"] for row in rows)["listing"]
    # On a busy machine an answer over a whole wire may come after the short limit: lost as well.
    late = broken // 4 if manner == "silent" else 0
    assert made <= found <= made + late
    assert sum(int(row["attempts"]) for row in rows) == len(breaks) + broken - made


def untouched(folder: Path, ended: Ended, server: SandboxThread, number: int) -> None:
    """Nothing left, nothing is unknown, and the run ended resumably."""
    assert (ended.code, ended.summary["stopped_by"]) == (1, "api"), ended.err[-2000:]
    assert ended.summary["counts"] == {"created": 0, "failed": 0, "unknown": 0, "pending": number}
    assert server.world.requests["duplicate"] == 0
    rows = read_ledger(folder / "ledgers" / "job.csv")
    assert [(row["status"], row["attempts"]) for row in rows] == [("pending", "0")] * number


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            lambda: f"http://127.0.0.1:{unused_port()}",
            r"Cannot connect to host 127\.0\.0\.1:\d+: Connection refused",
        ),
        (lambda: "https://nobody.invalid", "nobody.invalid"),
    ],
    ids=["a port that refuses", "a name that does not resolve"],
)
def test_an_address_where_nobody_is_leaves_everything_pending(
    tmp_path: Path, server: SandboxThread, address: Callable[[], str], message: str
) -> None:
    job(tmp_path, server, 3)
    ended = run(tmp_path, address(), server.token, "--give-up-after", 1.5, "--timeout", 2)
    untouched(tmp_path, ended, server, 3)
    assert re.search(message, ended.err)


def _context(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


Instead = Callable[[trustme.CA], ssl.SSLContext | int]

HANDSHAKES: dict[str, tuple[Instead, str]] = {
    "a certificate of an unknown authority": (
        lambda _: _context(trustme.CA()),
        "certificate verify failed",
    ),
    "a certificate of another name": (
        lambda ca: _context(ca, "elsewhere.example"),
        "certificate|hostname",
    ),
    "a handshake that ends with an alert": (
        lambda _: ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE,
        "handshake|alert|Cannot connect",
    ),
}


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(file)
    return ca, str(file)


@pytest.mark.parametrize(("instead", "message"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_bad_handshake_from_the_first_look_on_leaves_everything_pending(
    tmp_path: Path,
    server: SandboxThread,
    authority: tuple[trustme.CA, str],
    instead: Instead,
    message: str,
) -> None:
    ca, file = authority
    bad = instead(ca)
    job(tmp_path, server, 3)
    with Wire(server.url, tls=handshakes(_context(ca), lambda: bad)) as wire:
        ended = run(tmp_path, wire.url, server.token, "--give-up-after", 1.5, SSL_CERT_FILE=file)
    untouched(tmp_path, ended, server, 3)
    assert re.search(message, ended.err, re.IGNORECASE)


@pytest.mark.parametrize(("instead", "message"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_handshake_that_goes_bad_before_the_duplicate_requests_leaves_everything_pending(
    tmp_path: Path,
    server: SandboxThread,
    authority: tuple[trustme.CA, str],
    instead: Instead,
    message: str,
) -> None:
    ca, file = authority
    bad = instead(ca)
    job(tmp_path, server, 3)
    listed = handshakes(_context(ca), lambda: bad if server.world.requests["list"] else None)
    with Wire(server.url, tls=listed) as wire:
        ended = run(tmp_path, wire.url, server.token, "--give-up-after", 1.5, SSL_CERT_FILE=file)
        untouched(tmp_path, ended, server, 3)
        rows = read_ledger(tmp_path / "ledgers" / "job.csv")
        assert re.search(message, "".join(row["error"] for row in rows), re.IGNORECASE)
    with Wire(server.url, tls=_context(ca)) as wire:
        # The database remembers its API's address, and this is another port.
        again = run(tmp_path, wire.url, server.token, SSL_CERT_FILE=file)
        assert again.code == 2
        assert server.world.made == 0


def test_a_job_over_tls_is_created_once_each(
    tmp_path: Path, server: SandboxThread, authority: tuple[trustme.CA, str]
) -> None:
    ca, file = authority
    job(tmp_path, server, 12)
    with Wire(server.url, tls=_context(ca)) as wire:
        ended = run(tmp_path, wire.url, server.token, SSL_CERT_FILE=file)
    assert ended.code == 0, ended.err
    made_once_each(tmp_path, server)
