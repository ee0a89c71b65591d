"""How the client classifies unusual bodies, from their bytes: is it JSON at all, does it name a
batch, does it name the token's owner. One wrong row here could create a duplicate twice."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest

from tests.support.raw_server import Handler, always, answer, serving
from worker.api.client import ProlificClient
from worker.api.connection import connected
from worker.api.outcome import OutcomeKind, classify
from worker.api.verdicts import TokenVerdict, source_verdict, token_verdict
from worker.model.batch import Batch
from worker.model.replies import Answer, Listing, Page

SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"
NEW = "0192a3b4-5678-7abc-8def-00000000000f"
ID = f'"id": "{NEW}"'.encode()


def batch_with(members: bytes) -> bytes:
    """A batch with further members, or with the same ones again."""
    return b"{" + ID + b", " + members + b"}"


def nested(depth: int) -> bytes:
    return batch_with(b'"task_details": ' + b"[" * depth + b"]" * depth)


class Is(IntEnum):
    """What a body is. A batch is an owner too, because it has an id, and both are JSON."""

    NO_JSON = 0
    JSON = 1
    OWNER = 2
    BATCH = 3


BODIES = [
    # whole and broken JSON
    (b"{" + ID + b"}", Is.BATCH),
    (b" \t\r\n{" + ID + b"}\n", Is.BATCH),
    (b"\xef\xbb\xbf{" + ID + b"}", Is.BATCH),
    (b"\xef\xbb\xbf\xef\xbb\xbf{" + ID + b"}", Is.NO_JSON),
    (b"\x0b{" + ID + b"}", Is.NO_JSON),
    (b"\xc2\xa0{" + ID + b"}", Is.NO_JSON),
    (b"{" + ID + b"}\x00", Is.NO_JSON),
    (b"{" + ID + b"} x", Is.NO_JSON),
    (b"{" + ID + b"}{" + ID + b"}", Is.NO_JSON),
    (b"{" + ID + b",}", Is.NO_JSON),
    (b"{" + ID, Is.NO_JSON),
    (b"/* a batch */ {" + ID + b"}", Is.NO_JSON),
    (b"{'id': '" + NEW.encode() + b"'}", Is.NO_JSON),
    (b")]}',\n{" + ID + b"}", Is.NO_JSON),
    (b"", Is.NO_JSON),
    (b" ", Is.NO_JSON),
    (b"<html>" + ID + b"</html>", Is.NO_JSON),
    # JSON that is no object
    (b"null", Is.NO_JSON),
    (b"NaN", Is.JSON),
    (b"-Infinity", Is.JSON),
    (b"true", Is.JSON),
    (b"0", Is.JSON),
    (b"[]", Is.JSON),
    (b"{}", Is.JSON),
    (b'""', Is.JSON),
    (b'"' + NEW.encode() + b'"', Is.JSON),
    (b"[{" + ID + b"}]", Is.JSON),
    (b'{"batch": {' + ID + b"}}", Is.JSON),
    (b'{"results": [{' + ID + b"}]}", Is.JSON),
    # encodings
    (batch_with(b'"name": "\xc3\xa9"'), Is.BATCH),
    (batch_with(b'"name": "\xe9"'), Is.NO_JSON),
    (batch_with(b'"unknown": "\xff"'), Is.NO_JSON),
    (batch_with(b'"\xff": 1'), Is.NO_JSON),
    (batch_with(b'"name": "\xc0\xaf"'), Is.NO_JSON),
    (batch_with(b'"name": "\xc3'), Is.NO_JSON),
    (("{" + ID.decode() + "}").encode("utf-16"), Is.NO_JSON),
    (("{" + ID.decode() + "}").encode("utf-16-le"), Is.NO_JSON),
    # half a surrogate pair, as an escape and as bytes
    (batch_with(rb'"name": "a\ud83d"'), Is.BATCH),
    (batch_with(rb'"name": "a\ude00"'), Is.BATCH),
    (batch_with(b'"name": "a\xed\xa0\xbd"'), Is.BATCH),
    (batch_with(rb'"\ud83d": {"\ude00": "\ud83d"}'), Is.BATCH),
    (batch_with(rb'"task_details": {"\ude00": "\ud83d"}'), Is.BATCH),
    (batch_with(rb'"datasets": [{"id": "\ud83d", "\ud83d": 1}]'), Is.BATCH),
    (rb'{"id": "\ud83d"}', Is.OWNER),
    (b'{"id": "' + NEW.encode() + rb'\ud83d"}', Is.OWNER),
    # control characters and escapes
    (batch_with(b'"name": "a\x01b"'), Is.NO_JSON),
    (batch_with(b'"name": "a\nb"'), Is.NO_JSON),
    (batch_with(rb'"name": "a\u0000b"'), Is.BATCH),
    (batch_with(rb'"name": "\x61"'), Is.NO_JSON),
    (batch_with(rb'"name": "\u12"'), Is.NO_JSON),
    (rb'{"\u0069d": "\u0030' + NEW[1:].encode() + b'"}', Is.BATCH),
    # the same key twice: the last one counts
    (b'{"id": "x", ' + ID + b"}", Is.BATCH),
    (batch_with(b'"id": "x"'), Is.OWNER),
    (batch_with(b'"id": null'), Is.JSON),
    (batch_with(b'"id": "%s"' % SOURCE.encode()), Is.OWNER),
    # numbers
    (batch_with(b'"total_task_count": NaN'), Is.BATCH),
    (batch_with(b'"total_task_count": nan'), Is.NO_JSON),
    (batch_with(b'"total_task_count": -Infinity'), Is.BATCH),
    (batch_with(b'"total_task_count": 1e400'), Is.BATCH),
    (batch_with(b'"total_task_count": 01'), Is.NO_JSON),
    (batch_with(b'"total_task_count": ' + b"9" * 4_300), Is.BATCH),
    (batch_with(b'"total_task_count": ' + b"9" * 4_301), Is.NO_JSON),
    (batch_with(b'"task_details": NaN'), Is.BATCH),
    # size and depth
    (batch_with(b'"name": "' + b"x" * 2**20 + b'"'), Is.BATCH),
    (batch_with(b", ".join(b'"k%d": %d' % (n, n) for n in range(50_000))), Is.BATCH),
    (batch_with(b'"datasets": [' + b"7, " * 50_000 + b"7]"), Is.BATCH),
    (nested(199), Is.BATCH),
    (nested(500), Is.BATCH),
    (nested(100_000), Is.NO_JSON),
    (b"[" * 100_000, Is.NO_JSON),
    # ids
    (b'{"id": "%s"}' % NEW.upper().encode(), Is.BATCH),
    (b'{"id": "me"}', Is.OWNER),
    (b'{"id": ""}', Is.OWNER),
    (b'{"id": " %s"}' % NEW.encode(), Is.OWNER),
    (b'{"id": "%s\\n"}' % NEW.encode(), Is.OWNER),
    (b'{"id": "%s\\u0000"}' % NEW.encode(), Is.OWNER),
    (b'{"id": "%s"}' % NEW.replace("-", "").encode(), Is.OWNER),
    (b'{"id": "{%s}"}' % NEW.encode(), Is.OWNER),
    (b'{"id": "urn:uuid:%s"}' % NEW.encode(), Is.OWNER),
    (b'{"id": "%s"}' % NEW.replace("-", "\u2010").encode(), Is.OWNER),
    (b'{"id": "%s\xd9\xa3"}' % NEW[:-1].encode(), Is.OWNER),
    (b'{"id": "%s\xef\xbd\x81"}' % NEW[:-1].encode(), Is.OWNER),
    (b'{"id": 7}', Is.JSON),
    (b'{"id": 7.0}', Is.JSON),
    (b'{"id": true}', Is.JSON),
    (b'{"id": null}', Is.JSON),
    (b'{"id": ["%s"]}' % NEW.encode(), Is.JSON),
    (b'{"id": {"id": "%s"}}' % NEW.encode(), Is.JSON),
    (b'{"ID": "%s"}' % NEW.encode(), Is.JSON),
    (b'{"id ": "%s"}' % NEW.encode(), Is.JSON),
    # keys that mean something to Python or to a library
    (batch_with(b'"model_config": 1, "__class__": 2, "self": 3, "": 4'), Is.BATCH),
]


@pytest.mark.parametrize(("body", "is_a"), BODIES, ids=lambda value: repr(value)[:60])
async def test_a_body_is_json_a_batch_and_an_owner_or_not(body: bytes, is_a: Is) -> None:
    created = await replied(201, body)
    refused = await replied(400, body)
    missing = await replied(404, body)
    found = await replied(200, body)
    forbidden = await replied(403, body)

    assert (classify(created, SOURCE).kind is OutcomeKind.CREATED) is (is_a >= Is.BATCH)
    assert (classify(created, SOURCE).kind is OutcomeKind.UNKNOWN) is (is_a < Is.BATCH)
    assert (classify(refused, SOURCE).kind is OutcomeKind.REFUSED) is (is_a >= Is.JSON)
    assert (classify(refused, SOURCE).kind is OutcomeKind.UNKNOWN) is (is_a < Is.JSON)
    assert (source_verdict(missing, SOURCE).state == "missing") is (is_a >= Is.JSON)
    assert (source_verdict(found, NEW).batch is not None) is (is_a >= Is.BATCH)
    assert (token_verdict(found) is TokenVerdict.GOOD) is (is_a >= Is.OWNER)
    assert (token_verdict(forbidden) is TokenVerdict.REFUSED) is (is_a >= Is.JSON)


ALONE = Batch(NEW, None, None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("members", "batch"),
    [
        (b'"name": ""', ALONE._replace(name="")),
        (rb'"name": "a\ud83d\u00e9\ude00"', ALONE._replace(name="a?é?")),
        (rb'"name": "\ud83d\ude00"', ALONE._replace(name="😀")),
        (rb'"name": "a\u0000b"', ALONE._replace(name="a\0b")),
        (rb'"status": "\ud83d"', ALONE._replace(status="?")),
        (b'"status": "UNHEARD_OF"', ALONE._replace(status="UNHEARD_OF")),
        (b'"created_at": "yesterday"', ALONE._replace(created_at="yesterday")),
        (b'"name": "first", "name": "last"', ALONE._replace(name="last")),
        (b'"name": "first", "name": 7', ALONE),
        *[
            (b'"%s": %s' % (field, odd), ALONE)
            for field in (b"name", b"status", b"created_at", b"created_by", b"workspace_id")
            for odd in (b"7", b"0.5", b"true", b"null", b"NaN", b'["a"]', b'{"a": "b"}')
        ],
        *[
            (b'"datasets": %s' % odd, ALONE)
            for odd in (*(b"7", b"true", b"null", b'"x"', b"{}", b'{"id": "a"}'),)
        ],
        *[
            (b'"datasets": %s' % odd, ALONE._replace(datasets=()))
            for odd in (
                *(b"[]", b'["a"]', b"[7, null, true]", b"[[]]", b"[{}]", b'[["id", "a"]]'),
                *(b'[{"id": 7}]', b'[{"id": null}]', b'[{"id": true}]', b'[{"id": ["a"]}]'),
            )
        ],
        (
            rb'"datasets": [{"id": "b"}, 7, {"id": 7}, {"id": "\ud83d"}, {"id": "", "x": 1}]',
            ALONE._replace(datasets=("b", "?", "")),
        ),
        (b'"datasets": [{"id": "a"}, {"id": "a"}]', ALONE._replace(datasets=("a", "a"))),
        (b'"datasets": [{"id": "a", "id": 7}]', ALONE._replace(datasets=())),
        (b'"total_instruction_count": 0', ALONE._replace(instructions=0)),
        (b'"auto_sync_enabled": false', ALONE._replace(auto_sync=False)),
        *[
            (b'"%s": %s' % (field, odd), ALONE)
            for field, odds in (
                (
                    b"total_instruction_count",
                    (b"-1", b"2147483648", b"1.5", b"true", b'"3"', b"null"),
                ),
                (b"auto_sync_enabled", (b"0", b'"true"', b"null", b"[]")),
            )
            for odd in odds
        ],
        *[
            (b'"task_details": ' + text, ALONE._replace(task_details=value))
            for text, value in (
                (b"0", 0),
                (b"true", True),
                (b'"1"', "1"),
                (b'[1, 1.0, "1"]', [1, 1.0, "1"]),
                (rb'{"task_name": "\ud83d"}', {"task_name": "\ud83d"}),
            )
        ],
    ],
)
async def test_what_is_odd_in_a_batch_is_left_out_and_nothing_is_converted(
    members: bytes, batch: Batch
) -> None:
    read = classify(await replied(201, batch_with(members)), SOURCE).batch

    assert repr(read) == repr(batch)  # 1 is not 1.0, and neither is True


CUT = "cut short: the answer is not complete JSON"
NO_COUNT = "it does not say how many batches there are"


@pytest.mark.parametrize(
    ("results", "rest", "listing"),
    [
        (b"{" + ID + b"}", b'"meta": {"count": 1}', Listing(1, 1, None)),
        # the entries
        (batch_with(b'"x": NaN'), b'"meta": {"count": 1}', Listing(0, None, CUT)),
        (batch_with(b'"x": 1e400'), b'"meta": {"count": 1}', Listing(0, None, CUT)),
        (batch_with(b'"x": ' + b"9" * 20), b'"meta": {"count": 1}', Listing(0, None, CUT)),
        (batch_with(b'"name": "\xff"'), b'"meta": {"count": 1}', Listing(0, None, CUT)),
        (batch_with(rb'"name": "\ude00"'), b'"meta": {"count": 1}', Listing(0, None, CUT)),
        (batch_with(b'"name": "a\xed\xa0\xbd"'), b'"meta": {"count": 1}', Listing(0, None, CUT)),
        (batch_with(b'"name": "\x01"'), b'"meta": {"count": 1}', Listing(0, None, CUT)),
        (batch_with(rb'"name": "\ud83d"'), b'"meta": {"count": 1}', Listing(1, 1, None)),
        (batch_with(rb'"\ud83d": 1'), b'"meta": {"count": 1}', Listing(1, 1, None)),
        (b'{"id": "x", ' + ID + b"}", b'"meta": {"count": 1}', Listing(1, 1, None)),
        (
            batch_with(b'"id": "x"'),
            b'"meta": {"count": 1}',
            Listing(0, 1, "1 of its entries has no batch id"),
        ),
        (
            b"[{" + ID + b"}]",
            b'"meta": {"count": 1}',
            Listing(0, 1, "1 of its entries has no batch id"),
        ),
        (b"{" + ID + b"},", b'"meta": {"count": 1}', Listing(1, None, CUT)),
        # the count
        (b"{" + ID + b"}", b'"meta": {"count": "1"}', Listing(1, None, NO_COUNT)),
        (b"{" + ID + b"}", b'"meta": {"count": true}', Listing(1, None, NO_COUNT)),
        (b"{" + ID + b"}", b'"meta": {"count": 1e0}', Listing(1, None, NO_COUNT)),
        (b"{" + ID + b"}", b'"meta": {"count": null}', Listing(1, None, NO_COUNT)),
        (b"{" + ID + b"}", b'"meta": {"count": {"count": 1}}', Listing(1, None, NO_COUNT)),
        (b"{" + ID + b"}", b'"meta": [{"count": 1}]', Listing(1, None, NO_COUNT)),
        (b"{" + ID + b"}", b'"meta": {"count": NaN}', Listing(1, None, CUT)),
        (b"{" + ID + b"}", b'"meta": {"count": ' + b"9" * 20 + b"}", Listing(1, None, CUT)),
        (b"{" + ID + b"}", b'"meta": {"count": 2, "count": 1}', Listing(1, 1, None)),
        (b"{" + ID + b"}", b'"meta": {"count": 1}, "meta": {}', Listing(1, 1, None)),
        (
            b"{" + ID + b"}",
            b'"meta": {"count": -1}',
            Listing(1, -1, "it shows 1 batch and says that there are -1"),
        ),
        (
            b"{" + ID + b"}",
            b'"meta": {"count": 1, "count": "1"}',
            Listing(1, None, NO_COUNT),
        ),
        # what follows
        (b"{" + ID + b"}", b'"meta": {"count": 1}, "x": "\xff"', Listing(1, None, CUT)),
        (b"{" + ID + b"}", b'"meta": {"count": 1}} {', Listing(1, None, CUT)),
        (b"{" + ID + b"}", b'"meta": {"count": 1}} x', Listing(1, None, CUT)),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_an_unusual_listing_is_whole_or_not(
    results: bytes, rest: bytes, listing: Listing
) -> None:
    body = b'{"results": [' + results + b"], " + rest + b"}"

    read, kept = await listed(body)

    assert read == listing
    assert [batch.id for batch in kept] == [NEW] * listing.shown


@pytest.mark.parametrize(
    ("value", "text"), [(b'"7"', "7"), (b"7", None), (b"7.0", None), (b"true", None)]
)
async def test_an_entry_of_a_listing_is_read_as_strictly_as_a_batch(
    value: bytes, text: str | None
) -> None:
    entry = batch_with(b'"status": %s, "datasets": [{"id": %s}]' % (value, value))

    _, (batch,) = await listed(b'{"results": [%s]}' % entry)

    assert (batch.status, batch.datasets) == (text, () if text is None else (text,))


async def replied(status: int, body: bytes) -> Answer:
    reply = await asked(always(answer(status, body)), lambda api: api.batch(SOURCE))
    assert isinstance(reply, Answer), reply
    return reply


async def listed(body: bytes) -> tuple[Listing, Page]:
    kept: Page = []

    async def keep(page: Page) -> None:
        kept.extend(page)

    return await asked(always(answer(200, body)), lambda api: api.listing("w", keep)), kept


async def asked(handler: Handler, ask: Any) -> Any:
    """What a client of its own gets from `handler`."""
    async with serving(handler) as server, connected(server.url, "a-token", 5.0, str) as api:
        assert isinstance(api, ProlificClient)
        return await ask(api)
