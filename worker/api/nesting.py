"""How deeply the JSON in a stream is nested, before a parser sees it. Pure."""

from __future__ import annotations

import re
from itertools import accumulate

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class Nesting:
    """Counts the open lists and objects of JSON that arrives in parts. Text that is not JSON may
    give any number; no error is raised."""

    def __init__(self) -> None:
        self._depth = 0
        self._begun = b""
        """The beginning of a string that has no end yet, as short as can be."""

    def exceeds(self, levels: int, part: bytes) -> bool:
        """Whether more than so many levels are open at any place of the next part."""
        text, quote, rest = _STRING.sub(b"", self._begun + part).partition(b'"')
        escapes = (len(rest) - len(rest.rstrip(b"\\"))) % 2  # does a backslash wait for its letter?
        self._begun = quote + b"\\" * escapes
        before, opened = self._depth, text.count(b"[") + text.count(b"{")
        self._depth += opened - text.count(b"]") - text.count(b"}")
        if before + opened <= levels:  # nearly always
            return False
        steps = map(_STEP.__getitem__, text.translate(None, _NOT_BRACKETS))
        return max(accumulate(steps, initial=before)) > levels
