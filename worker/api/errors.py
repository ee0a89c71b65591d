"""What went wrong, as one line of text for people: an error answer of the API or of a gateway, or
an exception of the connection.

The text may still hold the token: `client` scrubs it."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
import ijson
from aiohttp.http_exceptions import LineTooLong

from worker.api.bodies import Body
from worker.text import system_reason

MOST_CHARACTERS = 500
"""Characters of an error that are kept: enough for the API's own message, too few for a gateway's
whole page."""

_NUMBERS = ("status", "error_code", "interactive")
"""Fields of an error whose numbers and booleans add nothing to the HTTP status."""

_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
)
"""OpenSSL's names, in its several versions, for an answer that is not TLS."""


class NestedError(Body):
    """The API's usual error: what is under `error`. Each field is a text, a list or an object."""

    title: Any = None
    detail: Any = None
    additional_information: Any = None


class FlatError(Body):
    """The error of some of its services."""

    type: Any = None
    message: Any = None
    detail: Any = None
    error: Any = None


class TooLargeError(aiohttp.ClientPayloadError):
    """The answer is too large to be read to its end."""


def error_message(decoded: Any, body: bytes, reason: str) -> str:
    """The message of an error answer, in any shape that the API and its gateways use; `reason`, of
    the status line, if the body says nothing. Unknown fields follow as JSON, because they may be
    the cause: `{"name": ["too long"]}`."""
    match decoded:
        case {"error": dict(error)}:
            parts = [*_fields(NestedError, error), _others(decoded, "error")]
        case dict():
            parts = _fields(FlatError, decoded)
        case None:
            title = re.search(rb"<title[^>]*>(.*?)</title>", body, re.DOTALL | re.IGNORECASE)
            parts = [(title[1] if title else body).decode("utf-8", "replace")]
        case _:
            parts = [decoded]
    try:
        texts = [p if isinstance(p, str) else json.dumps(p, ensure_ascii=False) for p in parts if p]
    except RecursionError:  # the encoder reaches its limit of nesting before the decoder
        return reason
    return ": ".join(texts) or reason


def _fields(shape: type[Body], error: dict[str, Any]) -> list[Any]:
    """The values of an error's known fields, in the order of `shape`, then the other fields."""
    known = shape.model_validate(error)
    return [*(value for _, value in known), _others(error, *shape.model_fields)]


def _others(error: dict[str, Any], *known: str) -> dict[str, Any]:
    """The fields other than the `known`, without empty values and the error's own numbers."""
    return {
        key: value
        for key, value in error.items()
        if value and key not in known and not (key in _NUMBERS and isinstance(value, bool | int))
    }


def one_line(text: str) -> str:
    """`text` as one line of at most 500 characters, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"


def describe(error: BaseException) -> str:
    """An exception of the connection as text; its type's name if it has no text of its own."""
    match error:
        case TooLargeError():
            return str(error)
        case TimeoutError():
            return "no answer within the time limit"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed without an answer"
        case aiohttp.ClientPayloadError():
            return "the answer was cut short"
        case ijson.JSONError():
            return "the answer is not complete JSON"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused: HTTP {error.status} {error.message}"
        case aiohttp.ClientResponseError():
            return _unreadable(error)  # its status, 400, comes from aiohttp and not from a server
        case aiohttp.ClientConnectorSSLError() if getattr(error.os_error, "reason", "") in _NOT_TLS:
            where = f"{error.host}:{error.port}"
            return f"{where} does not speak TLS, which https needs; is the address or port wrong?"
        case aiohttp.ClientConnectorError() if error.strerror is None or not isinstance(
            error, aiohttp.ClientSSLError
        ):
            closed = "it closed the connection when TLS began; does it speak TLS on this port?"
            why = system_reason(error.os_error) or closed
            return f"Cannot connect to host {error.host}:{error.port}: {why}"
    # aiohttp says "ssl:default" even of an address that is http.
    return str(error).replace(" ssl:default", "") or type(error).__name__


def _unreadable(error: aiohttp.ClientResponseError) -> str:
    """Why an answer is not readable as HTTP."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return "the answer's header is too long to be read"
        cause = cause.__cause__
    return f"the answer is not valid HTTP: {' '.join(error.message.split()).removesuffix(' ^')}"
