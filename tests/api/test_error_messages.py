"""What the error of an answer says to people, over real sockets."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from typing import Any

import pytest

from tests.api.edge import (
    NEW,
    SOURCE,
    TOKEN,
    against,
    answered,
    duplicated,
    keep,
    unanswered,
)
from tests.support.raw_server import (
    Request,
    always,
    answer,
)
from worker.api.outcome import OutcomeKind, classify
from worker.model.replies import Answer


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"error": {"status": 400, "error_code": 1, "title": "Bad", "detail": "too long"}},
            "Bad: too long",
        ),
        ({"error": {"title": "Bad", "detail": ["one", "two"]}}, 'Bad: ["one", "two"]'),
        ({"error": {"title": "Bad", "detail": {"name": ["é"]}}}, 'Bad: {"name": ["é"]}'),
        ({"error": {"detail": "x", "additional_information": "see there"}}, "x: see there"),
        ({"message": "no", "detail": "way"}, "no: way"),
        ({"type": "conflict", "message": "busy"}, "conflict: busy"),
        ({"error": "just words"}, "just words"),
        ({"name": ["too long"]}, '{"name": ["too long"]}'),
        ({"errors": [{"field": "name"}]}, '{"errors": [{"field": "name"}]}'),
        ({"non_field_errors": ["é"]}, '{"non_field_errors": ["é"]}'),
        (
            {"message": "Invalid", "name": ["too long"], "id": None},
            'Invalid: {"name": ["too long"]}',
        ),
        ({"error": {"title": "Bad", "fields": {"name": "x"}}}, 'Bad: {"fields": {"name": "x"}}'),
        ({"error": {"title": "Bad"}, "errors": ["x"]}, 'Bad: {"errors": ["x"]}'),
        ({"error": "Bad", "errors": ["x"], "status": 422}, 'Bad: {"errors": ["x"]}'),
        ({"status": "locked", "error_code": 1}, '{"status": "locked"}'),
        (
            {
                "error": {
                    "status": 400,
                    "error_code": 140100,
                    "traceback": None,
                    "interactive": False,
                }
            },
            "Reason",
        ),
        ({"error": {}}, "Reason"),
        ({}, "Reason"),
        ([], "Reason"),
        (["a", 1], '["a", 1]'),
        ("text", "text"),
        (
            b"<html><head><TITLE lang=en>502\n Bad  Gateway</TITLE></head><body>x</body></html>",
            "502 Bad Gateway",
        ),
        (b"upstream gave up", "upstream gave up"),
        (b"\xff\xfe\x00", "\ufffd\ufffd"),
        (b"", "Reason"),
        (b"<title></title>", "Reason"),
    ],
)
async def test_every_shape_of_an_error_becomes_words(body: Any, words: str) -> None:
    reply = await answered(answer(400, body))

    assert (reply.status, reply.message) == (400, words)


async def test_control_characters_of_an_error_are_cleaned() -> None:
    reply = await answered(answer(400, {"message": "a\x00b\x1b[31mc\r\nd\u202ee\ud800f\u0085g"}))

    assert reply.message == "a b [31mc d e f g"


async def test_long_errors_are_cut() -> None:
    reply = await answered(answer(400, {"message": "x" * 10_000}))

    assert reply.message == "x" * 499 + "…"


@pytest.mark.parametrize("status", [401, 500])
async def test_a_token_that_an_error_echoes_is_hidden(status: int) -> None:
    bodies: list[Any] = [
        {"message": f"Token {TOKEN}"}, {"error": {"detail": {"header": TOKEN}}}, [TOKEN], TOKEN,
        f"<title>{TOKEN}</title>".encode(), f"bad {TOKEN}".encode(),
        {"message": b64encode(f"Token {TOKEN}".encode()).decode()},
    ]  # fmt: skip
    for body in bodies:
        words = (await answered(answer(status, body))).message
        assert "[token]" in words
        assert TOKEN[:8] not in words
    assert "[token]" in (await answered(answer(status, b"", reason=TOKEN))).message


@pytest.mark.parametrize("before", range(500 - len(TOKEN) - 2, 502))
async def test_a_token_where_a_long_error_is_cut_leaves_no_part(before: int) -> None:
    for body in ({"message": "x" * before + TOKEN}, ("y" * before + TOKEN).encode()):
        assert TOKEN[:4] not in (await answered(answer(400, body))).message


async def test_a_422_keeps_the_apis_message_whatever_keys_it_uses() -> None:
    """As people see it: the error of a duplicate that is refused."""
    outcome = classify(
        await duplicated(answer(422, {"name": ["Ensure this has at most 255 characters."]})), SOURCE
    )

    assert outcome.kind is OutcomeKind.REFUSED
    assert outcome.error == 'HTTP 422: {"name": ["Ensure this has at most 255 characters."]}'


async def test_an_error_that_is_nested_as_deeply_as_can_be_read_ends_nothing() -> None:
    depths = range(sys.getrecursionlimit() - 120, sys.getrecursionlimit())
    bodies = iter([b'{"name": ' + b"[" * depth + b"1" + b"]" * depth + b"}" for depth in depths])

    async def deeper(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(400, next(bodies)))

    async with against(deeper) as (api, _):
        for _ in depths:
            reply = await api.duplicate(SOURCE, None, False)
            assert isinstance(reply, Answer), reply
            assert reply.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            answer(201, {"id": NEW}, {"X-Long": "x" * 20_000}),
            "the answer's header is too long to be read",
        ),
        (
            answer(201, {"id": NEW}, {"X" * 20_000: "x"}),
            "the answer's header is too long to be read",
        ),
        (
            answer(201, {"id": NEW}, reason="x" * 20_000),
            "the answer's header is too long to be read",
        ),
        (b"SSH-2.0-OpenSSH_9.0\r\n", "the answer is not valid HTTP: Bad status line"),
        (
            b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "the answer is not valid HTTP: Invalid header token: b'no header'",
        ),
        (
            b"HTTP/1.1 200 OK\r\n" + TOKEN.encode() + b" x\r\n\r\n",
            "Invalid header token: b'[token] x'",
        ),
    ],
)
async def test_an_answer_that_is_no_http_is_reported_as_such_and_may_have_left(
    data: bytes, words: str
) -> None:
    """aiohttp gives it a status of its own, 400, that no server sent."""
    reply = await unanswered(data, close=True)
    async with against(always(data, close=True)) as (api, _):
        listing = await api.listing("w", keep([]))

    assert reply.left
    assert words in reply.message
    assert words in (listing.problem or "")
    assert "400" not in reply.message
