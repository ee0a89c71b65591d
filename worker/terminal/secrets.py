"""Hides the token: replaces every form that it can take in a log line or a message by `[token]`.

Pure. Nothing here knows where the token comes from, prints it, or keeps it outside a `Scrubber`."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any, overload
from urllib.parse import quote, quote_plus

HIDDEN = "[token]"
"""What replaces the token."""

_SHORT = 4
"""A form of fewer characters is replaced only if it stands alone: no letter or digit next to it."""


def forms(secret: str) -> tuple[str, ...]:
    """Every text that reveals `secret`, the longest first, so that a form that contains another is
    replaced whole."""
    return tuple(
        sorted({form for form in _forms(secret) if form}, key=lambda form: (-len(form), form))
    )


def _forms(secret: str) -> Iterator[str]:
    raw = _bytes(secret)
    yield secret
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    for escaped in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        yield escaped[1:-1]
        yield escaped[1:-1].replace("/", r"\/")
    for shown in (repr(secret), ascii(secret)):
        yield shown[1:-1]
    yield repr(raw)[2:-1]
    yield raw.hex()
    yield raw.hex().upper()
    for payload in (raw, b"Token " + raw):
        for encoded in (b64encode(payload).decode(), urlsafe_b64encode(payload).decode()):
            yield encoded
            yield encoded.rstrip("=")


def _bytes(text: str) -> bytes:
    # Environment variables that are not UTF-8 arrive with surrogates. Other lone surrogates must
    # not raise either.
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _pattern(form: str) -> str:
    return (
        re.escape(form)
        if len(form) >= _SHORT
        else rf"(?<![0-9A-Za-z]){re.escape(form)}(?![0-9A-Za-z])"
    )


class Scrubber:
    """Hides `secret` (None or empty: nothing to hide) in the values that it is called with.

    A secret too short to be a real one is hidden only if it stands alone: `a` does not turn `batch`
    into `b[token]tch`."""

    __slots__ = ("_in_bytes", "_in_text", "_raw", "_texts")

    def __init__(self, secret: str | None) -> None:
        self._texts = forms(secret) if secret else ()
        self._raw = tuple(map(_bytes, self._texts))
        pattern = "|".join(map(_pattern, self._texts))
        self._in_text = re.compile(pattern)
        self._in_bytes = re.compile(_bytes(pattern))

    def __repr__(self) -> str:
        return "Scrubber(…)"

    @overload
    def __call__(self, value: str) -> str: ...
    @overload
    def __call__(self, value: Any) -> Any: ...
    def __call__(self, value: Any) -> Any:
        """`value` without the secret; the same object if it does not contain it.

        Searches mappings (keys too), lists, tuples and sets, which become plain ones if something
        was hidden. Any other value (a number, a path, an exception) whose text contains the secret
        becomes that text."""
        if not self._texts or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (bytes, bytearray)):
            return self._bytes(bytes(value), value)
        if isinstance(value, Mapping):
            pairs = [(key, item, self(key), self(item)) for key, item in value.items()]
            same = all(key is new_key and item is new for key, item, new_key, new in pairs)
            return value if same else {new_key: new for _, _, new_key, new in pairs}
        for kind in (list, tuple, set, frozenset):
            if isinstance(value, kind):
                items = list(value)
                clean = [self(item) for item in items]
                return value if all(map(_same, items, clean)) else kind(clean)
        for text in (str(value), repr(value)):
            if (hidden := self._text(text)) is not text:
                return hidden
        return value

    def _text(self, text: str) -> str:
        # `in` is many times faster than the pattern, and few texts contain the secret.
        if not any(form in text for form in self._texts):
            return text
        clean = self._in_text.sub(HIDDEN, text)
        return text if clean == text else clean

    def _bytes(self, data: bytes, value: bytes | bytearray) -> bytes | bytearray:
        if not any(form in data for form in self._raw):
            return value
        clean = self._in_bytes.sub(HIDDEN.encode(), data)
        return value if clean == data else clean


def _same(one: object, other: object) -> bool:
    return one is other


def scrub(value: Any, secret: str | None) -> Any:
    """`value` without `secret`. For more than one value, one `Scrubber` is faster."""
    return Scrubber(secret)(value)
