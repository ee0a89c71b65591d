"""The token is gone, in every form and place; what does not hold it is left as it is."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.terminal.secrets import HIDDEN, Scrubber, forms, scrub

TOKEN = "tök/en+\"quo'te\\d\t=~?>"
PLAIN = "abcDEF-123_xyz"


def _encodings(token: str) -> dict[str, str]:
    raw = token.encode()
    both = {"bare": raw, "header": b"Token " + raw}
    encoders = {"standard": base64.b64encode, "urlsafe": base64.urlsafe_b64encode}
    found = {
        "raw": token,
        "url": quote(token, safe=""),
        "url path": quote(token),
        "url form": quote_plus(token),
        "url lower": re.sub("%..", lambda match: match[0].lower(), quote(token, safe="")),
        "json": json.dumps(token),
        "json unicode": json.dumps(token, ensure_ascii=False),
        "repr": repr(token),
        "ascii": ascii(token),
        "repr of bytes": repr(raw),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "header": f"Authorization: Token {token}",
    }
    for payload_name, payload in both.items():
        for encoder_name, encoder in encoders.items():
            text = encoder(payload).decode()
            found[f"base64 {payload_name} {encoder_name}"] = text
            found[f"base64 {payload_name} {encoder_name} unpadded"] = text.rstrip("=")
    return found


FORMS = [
    (token, name, text) for token in (PLAIN, TOKEN) for name, text in _encodings(token).items()
]


@pytest.mark.parametrize(
    ("token", "name", "text"), FORMS, ids=[f"{n}-{len(t)}" for t, n, _ in FORMS]
)
def test_each_form_is_replaced_as_a_whole(token: str, name: str, text: str) -> None:
    clean = scrub(f"before {text} after", token)
    assert HIDDEN in clean
    # What is left is what the form puts around the token: quotes, a b, the header's name.
    around = {"before", "after", '""', "''", "b''", 'b""', "Authorization:", "Token"}
    assert set(clean.replace(HIDDEN, "").split()) <= around


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (PLAIN, HIDDEN),
        (PLAIN.encode(), HIDDEN.encode()),
        (bytearray(PLAIN.encode()), HIDDEN.encode()),
        ({PLAIN: 1}, {HIDDEN: 1}),
        ({"a": {"b": [PLAIN, 1]}}, {"a": {"b": [HIDDEN, 1]}}),
        ([("x", PLAIN)], [("x", HIDDEN)]),
        ({PLAIN}, {HIDDEN}),
        (frozenset({PLAIN}), frozenset({HIDDEN})),
        (Path("/tmp") / PLAIN, f"/tmp/{HIDDEN}"),
        (ValueError(f"bad {PLAIN}"), f"bad {HIDDEN}"),
    ],
)
def test_each_place(value: Any, clean: Any) -> None:
    assert scrub(value, PLAIN) == clean


@pytest.mark.parametrize(
    "value",
    [
        "text",
        b"bytes",
        {"a": [1, {"b": "c"}]},
        ["x"],
        ("y",),
        5,
        1.5,
        None,
        True,
        Path("/tmp"),
        {"s"},
    ],
)
def test_what_holds_no_token_is_the_same_object(value: Any) -> None:
    assert scrub(value, PLAIN) is value


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_token_nothing_is_replaced(nothing: str | None) -> None:
    assert scrub("any text", nothing) == "any text"


@pytest.mark.parametrize(
    ("token", "text", "clean"),
    [
        ("a", "batch a created", f"batch {HIDDEN} created"),
        ("a", "token=a", f"token={HIDDEN}"),
        ("ab", "cab ab abc", f"cab {HIDDEN} abc"),
        ("12", "12 of 123", f"{HIDDEN} of 123"),
        ("abcd", "xabcdx", f"x{HIDDEN}x"),
    ],
)
def test_a_short_token_is_replaced_only_where_it_stands_alone(
    token: str, text: str, clean: str
) -> None:
    assert scrub(text, token) == clean


def test_numbers_that_are_the_token() -> None:
    assert scrub([123456, 7], "123456") == [HIDDEN, 7]


def test_a_token_that_is_no_unicode() -> None:
    for token in ("abc\udcffdef", "abc\ud800def"):
        assert scrub(f"<{token}>", token) == f"<{HIDDEN}>"


def test_a_scrubber_does_not_show_its_token() -> None:
    assert PLAIN not in repr(Scrubber(PLAIN))


def test_longer_forms_come_first() -> None:
    lengths = [len(form) for form in forms(TOKEN)]
    assert lengths == sorted(lengths, reverse=True)


@given(st.text(min_size=4, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_long_token_survives(token: str, before: str, after: str) -> None:
    # A token that the replacement itself spells cannot be hidden by it.
    clean = scrub(before + token + after, token)
    assert token not in clean.split(HIDDEN)
    assert clean != before + token + after or token == HIDDEN
