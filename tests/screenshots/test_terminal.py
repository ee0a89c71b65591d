"""The pictures of the documents show this version: one that takes no time is taken anew and
compared."""

from __future__ import annotations

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

from tests.screenshots.terminal import IMAGES, TAKES, pictures


def test_the_picture_of_check_is_what_check_shows_now() -> None:
    ((stem, svg),) = pictures(TAKES[:1])
    assert svg == (IMAGES / f"{stem}.svg").read_text("utf-8"), "if this is meant: make screenshots"


def test_no_picture_names_this_machine_or_fetches_anything() -> None:
    for take in TAKES:
        for stem in (take.end, *(take.moment or ())[:1]):
            svg = (IMAGES / f"{stem}.svg").read_text("utf-8")
            assert "duplicate-batches" in svg
            assert not [
                word for word in ("/tmp", "127.0.0.1", "url(http", "@font-face") if word in svg
            ]
