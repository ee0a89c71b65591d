"""How deeply JSON in a stream is nested, wherever the stream is cut into parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.api.nesting import Nesting

VALUES = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('[]{}"\\\\/né')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('[}"\\\\')), inner),
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def exceeds(levels: int, parts: list[bytes]) -> bool:
    nesting = Nesting()
    return True in [nesting.exceeds(levels, part) for part in parts]


@given(value=VALUES, size=st.integers(1, 40), ascii_only=st.booleans())
def test_the_deepest_level_is_found_however_the_text_is_cut(
    value: Any, size: int, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    deepest = depth(value)
    assert not exceeds(deepest, parts)
    assert deepest == 0 or exceeds(deepest - 1, parts)


@pytest.mark.parametrize(
    ("parts", "levels"),
    [
        ([b"[[", b"]", b"[[[", b"]]]]"], 4),
        ([b'["[[[[', b'[", [1]]'], 2),
        ([b'["\\', b'"[[[", 1]'], 1),
        ([b'["\\\\', b'", [[1]]]'], 3),
        ([b"]]]["], 0),
        ([b"<html>"], 0),
    ],
)
def test_brackets_in_strings_do_not_count(parts: list[bytes], levels: int) -> None:
    assert not exceeds(levels, parts)
    assert exceeds(levels - 1, parts)
