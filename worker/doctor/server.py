"""What the server of a shared ledger is like: whether it keeps what it confirms, the role's rights,
what is between it and this machine, and who works there. The rules are pure."""

from __future__ import annotations

from collections.abc import Iterator

from worker.doctor.check import Check
from worker.ledger.postgresql.inspection import ServerFacts
from worker.ledger.postgresql.rights import Rights, lacking
from worker.model.server_address import ServerAddress

LATE_S = 0.05
"""Seconds of a round trip above which a fast API is used less than it allows: an intent and its
answer take a few round trips, and up to a hundred of them share one commit."""

LARGEST_OFFSET_S = 120.0
"""Seconds that the server's clock may differ from this machine's before it is worth a look. No rule
compares the two clocks; messages show both."""


def check_server(address: ServerAddress, facts: ServerFacts) -> Iterator[Check]:
    """What is fine, and what is not with its fix."""
    yield _schema(address, facts)
    yield from _rights(address, facts.rights)
    if facts.unsafe:
        yield from (Check("commits", what, fix) for what, fix in facts.unsafe)
    else:
        yield Check("commits", "synchronous_commit and fsync are on")
    yield _pooler(facts)
    yield _latency(facts.latency_s)
    yield _clock(facts.ahead_s)
    yield from _seat(facts)
    yield Check(
        "backup",
        f"the server's own: pg_dump --format=custom --schema={address.schema}"
        f" --file=FILE {facts.rights.database}",
    )


def _schema(address: ServerAddress, facts: ServerFacts) -> Check:
    server = f"{address}: PostgreSQL {facts.version}"
    if facts.schema > facts.newest:
        return Check(
            "database",
            f"{server}; a newer version of duplicate-batches wrote its schema {facts.schema}",
            "Update the program on this machine.",
        )
    if facts.schema == 0:
        return Check("database", f"{server}; the first run creates the schema {address.schema}")
    older = "" if facts.schema == facts.newest else f"; the next run updates it to {facts.newest}"
    return Check("database", f"{server}, schema {facts.schema}{older}")


def _rights(address: ServerAddress, rights: Rights) -> Iterator[Check]:
    role = rights.role
    if lacks := lacking(address, rights):
        yield Check("rights", *lacks)
    else:
        may = "may create" if rights.owner is None else "owns"
        yield Check("rights", f"role {role} {may} the schema {address.schema}")
    if rights.not_ended:
        yield Check(
            "rights",
            f"role {role} may not end a silent run of {', '.join(rights.not_ended)}, so it cannot"
            " take over from it",
            "Use the same role on all machines, or let an administrator run: GRANT"
            f' pg_signal_backend TO "{role}"; (it does not help against a superuser).',
        )


def _pooler(facts: ServerFacts) -> Check:
    if facts.pooled:
        return Check(
            "connection",
            "a pooler gives each transaction another session of the server: a run would lose its"
            " lock",
            "Connect to the server directly, or set the pooler to session mode (PgBouncer:"
            " pool_mode = session).",
        )
    return Check("connection", "one connection keeps its session: direct, or pooled by session")


def _latency(latency_s: float) -> Check:
    text = f"a round trip takes {latency_s * 1000:.1f} ms"
    if latency_s > LATE_S:
        return Check("latency", text, "If runs are too slow, start them nearer to the server.")
    return Check("latency", text)


def _clock(ahead_s: float) -> Check:
    if abs(ahead_s) > LARGEST_OFFSET_S:
        which = "ahead of" if ahead_s > 0 else "behind"
        return Check(
            "server's clock",
            f"it is {abs(ahead_s):,.0f} s {which} this computer's",
            "Set both by NTP; the times of take-overs and runs mislead until then.",
        )
    return Check("server's clock", f"it differs from this computer's by {abs(ahead_s):.1f} s")


def _seat(facts: ServerFacts) -> Iterator[Check]:
    if facts.holder is None:
        return
    if facts.held:
        yield Check("seat", f"a run works now: {facts.holder}")
    elif facts.holder.released is None:
        yield Check("seat", f"the last run did not end by itself: {facts.holder}")
    else:
        ended = facts.holder.released.strftime("%Y-%m-%dT%H:%M:%SZ")
        yield Check("seat", f"free; the last run was {facts.holder}, until {ended}")
