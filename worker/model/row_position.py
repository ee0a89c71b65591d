"""How people read which duplicate a row is about."""

from __future__ import annotations


def row_position(line: object, copy: object, copies: object = None) -> str:
    """`line 4, copy 2 of 12`; `line 4` for the only copy. Without `copies`: `line 4, copy 2`."""
    if copies == 1:
        return f"line {line}"
    return f"line {line}, copy {copy}" + (f" of {copies}" if copies else "")
