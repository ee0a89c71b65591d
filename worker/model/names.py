"""Parses and fills names: placeholders, braces, Unicode. Pure text: no files, no clock, nothing
about rows.

A name has three forms:

    text      as a person wrote it             Wave {n:02} of {source_name}, {date}
    identity  as the ledger records it: all    Wave 03 of {source_name}, 2025-03-01
              filled in except two fields
    name      as it is sent                    Wave 03 of Street signs, 2025-03-01

An identity is canonical: every literal brace is doubled, so that text never looks like a field."""

from __future__ import annotations

import datetime
import html
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from worker.text import closest, quoted

MAX_CAMPAIGN: Final = 100
PLACEHOLDERS: Final = ("n", "copies", "date", "source_id", "source_name", "campaign")

# These stay in an identity: renaming a source or raising `copies` must not create a new duplicate.
_RESIDUAL: Final = frozenset({"source_name", "copies"})
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_SURELY_WRONG: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
)  # exactly Unicode's Cc and Cs
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DATE_DIRECTIVES: Final = "YymdjbBaAuwGVUW%"
_TIME_DIRECTIVES: Final = "HIMSfpzZXcTRrs"
_CAMPAIGN_PUNCTUATION: Final = "-_. "

_NUMBER: Final = re.compile(r"[+-]?\d+([.,]\d+)?(e[+-]?\d+)?", re.ASCII)
_LEADING_ZEROS: Final = re.compile(r"(?<![\d.,])0+(?=\d)", re.ASCII)
_ONE_KIND: Final = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | dict.fromkeys('"`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00bb', "'")
)
"""One dash for all kinds of dashes, and one quote for all kinds of quotes."""


class NameProblem(ValueError):  # noqa: N818 - it is the problem of a text, not an error of the program
    """A name or campaign is invalid. The message says what is wrong, where, and what would be
    right."""


class _Fill(NamedTuple):
    """A placeholder that `identity` fills; `spec` is the width of `n` or the format of `date`."""

    field: str
    spec: str


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """A valid name, created by `parse_name`. Two are equal if they mean the same name."""

    _pieces: tuple[str | _Fill, ...]

    @property
    def placeholders(self) -> frozenset[str]:
        """Which placeholders the name contains, except {source_name} and {copies}."""
        return frozenset(piece.field for piece in self._pieces if isinstance(piece, _Fill))

    def identity(self, *, n: int, source_id: str, campaign: str, date: datetime.date) -> str:
        """The name with everything filled in except {source_name} and {copies}, as a canonical
        template (see the module)."""
        pieces = self._pieces
        if len(pieces) == 1 and isinstance(pieces[0], str):  # most of a million rows
            return pieces[0]
        values = {"n": n, "source_id": source_id, "campaign": campaign, "date": date}
        filled = "".join(
            p if isinstance(p, str) else _double(_format(p, values[p.field])) for p in pieces
        )
        return unicodedata.normalize("NFC", filled).strip()


def parse_name(text: str) -> NameTemplate:
    """The name that `text` means, in NFC and without surrounding spaces.

    Raises `NameProblem` for an unknown placeholder, a lone brace or a control character."""
    text = unicodedata.normalize("NFC", text).strip()
    if text.isascii() and text.isprintable() and "{" not in text and "}" not in text:
        return NameTemplate((text,))
    _refuse_control_characters(text, "a name")
    return NameTemplate(_merged(_pieces_of(text)))


def render_name(identity: str, source_name: str | None, copies: int) -> str:
    """The name as it is sent, in NFC. If `source_name` is not known, {source_name} stays in it."""
    if "{" not in identity and "}" not in identity:
        return identity
    meaning = {
        "{{": "{",
        "}}": "}",
        "{source_name}": "{source_name}" if source_name is None else source_name,
        "{copies}": str(copies),
    }
    return unicodedata.normalize("NFC", _TOKEN.sub(lambda token: meaning[token[0]], identity))


@lru_cache(maxsize=2**16)  # each name is compared with many others
def skeleton(name: str) -> str:
    """The letters and digits of a name, without case, Unicode form and HTML escapes: what is left
    after an API cleaned it."""
    while (plain := html.unescape(name)) != name:  # it may have been escaped more than once
        name = plain
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def plain_spelling(name: str) -> str:
    """What all spellings of a name have in common. Case, surrounding and repeated spaces, the kind
    of spaces, quotes and dashes, and leading zeros do not count; if the whole name is a number, its
    value does. These are the changes that spreadsheets and people make to a name that stays the
    same."""
    text = " ".join(unicodedata.normalize("NFKC", name).casefold().translate(_ONE_KIND).split())
    text = text.removeprefix("'")  # how a spreadsheet's cell is told to be text
    if _NUMBER.fullmatch(text) and math.isfinite(value := float(text.replace(",", "."))):
        return repr(value)
    return _LEADING_ZEROS.sub("", text)


def needs_source_name(identity: str) -> bool:
    """Whether `render_name` needs the source's name."""
    return "{source_name}" in _TOKEN.findall(identity)


def fill_campaign(text: str, date: datetime.date) -> str:
    """The campaign that `text` names on `date`, in NFC and without surrounding spaces.

    Raises `NameProblem` if the text contains a placeholder other than {date}, or if the campaign is
    empty, begins with a dot, is longer than `MAX_CAMPAIGN`, or contains anything but letters,
    digits, `-_.` and spaces."""
    text = unicodedata.normalize("NFC", text).strip()
    _refuse_control_characters(text, "a campaign")
    pieces = _pieces_of(text, fields=("date",))
    campaign = "".join(p if isinstance(p, str) else _format(p, date) for p in pieces).strip()
    _check_campaign(campaign)
    return campaign


# -- parsing


def _pieces_of(text: str, fields: tuple[str, ...] = PLACEHOLDERS) -> Iterator[str | _Fill]:
    """The canonical text and the fields of `text`; only `fields` are allowed in braces."""
    end = 0
    for token in _TOKEN.finditer(text):
        if token.start() > end:
            yield text[end : token.start()]
        end = token.end()
        yield (
            token[0]
            if token[0] in ("{{", "}}")
            else _placeholder(token[0], token.start() + 1, fields)
        )
    if end < len(text):
        yield text[end:]


def _placeholder(written: str, position: int, fields: tuple[str, ...]) -> str | _Fill:
    """What `written`, a lone brace or something in braces, means."""
    here = f"{quoted(written)} (character {position})"
    if written == "{":
        raise NameProblem(f'{here} is never closed; write a literal brace as "{{{{"')
    if written == "}":
        raise NameProblem(f'{here} closes nothing; write a literal brace as "}}}}"')
    field, colon, spec = written[1:-1].partition(":")
    if field not in fields:
        raise NameProblem(f"{here} is not a placeholder{_what_instead(field, fields)}")
    if field == "date":
        _check_date_format(here, colon, spec)
    elif field == "n" and colon:
        if not re.fullmatch("0[1-9]", spec):
            width = re.fullmatch("0?([1-9])d?", spec)
            raise NameProblem(
                f"{here} is not a valid width;"
                f" {_example(f'{{n:0{width[1]}}}' if width else '{n:03}', width)}"
            )
        spec = spec[1:]
    elif colon:
        raise NameProblem(f'{here} takes no format; did you mean "{{{field}}}"?')
    return written if field in _RESIDUAL else _Fill(field, spec)


def _what_instead(field: str, fields: tuple[str, ...]) -> str:
    if close := closest(field, fields):
        return f'; did you mean "{{{close}}}"?'
    listed = ", ".join(f"{{{known}}}" for known in fields)
    return (
        f'; there {"is" if len(fields) == 1 else "are"} {listed}; write a literal brace as "{{{{"'
    )


def _example(example: str, is_sure: object) -> str:
    return (
        f'did you mean "{example}"?'
        if is_sure
        else f'write "{example}" for three digits (1 to 9 are allowed)'
    )


def _check_date_format(here: str, colon: str, spec: str) -> None:
    """Allow only directives that every strftime supports, and only dates: a job that runs twice a
    day must use the same names."""
    directives = _DIRECTIVE.findall(spec)
    for directive in directives:
        if directive == "":
            raise NameProblem(f'{here} ends in a lone "%"; write a percent sign as "%%"')
        if directive in _TIME_DIRECTIVES:
            raise NameProblem(
                f"{here} contains {quoted('%' + directive)}, a time of day; only dates are allowed"
            )
        if directive not in _DATE_DIRECTIVES:
            known = " ".join(f"%{known}" for known in _DATE_DIRECTIVES)
            raise NameProblem(
                f"{here} contains {quoted('%' + directive)}, not a date directive; use {known}"
            )
    if colon and not any(directive != "%" for directive in directives):
        raise NameProblem(f'{here} contains no date directive; did you mean "{{date:%Y-%m-%d}}"?')


def _refuse_control_characters(text: str, what: str) -> None:
    if wrong := _SURELY_WRONG.search(text):
        kind = "a control character" if ord(wrong[0]) < 0xD800 else "half a character"
        raise NameProblem(
            f"{quoted(wrong[0])} (character {wrong.start() + 1}) is {kind}; {what} must be one"
            " line of text"
        )


def _merged(pieces: Iterator[str | _Fill]) -> tuple[str | _Fill, ...]:
    """`pieces` with adjacent texts joined, so that names with the same meaning are equal."""
    merged: list[str | _Fill] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


# -- filling


def _format(fill: _Fill, value: object) -> str:
    if fill.field == "n" and fill.spec:
        return f"{value:0{fill.spec}}"
    if isinstance(value, datetime.date):
        return _format_date(value, fill.spec)
    return str(value)


@lru_cache(maxsize=64)
def _format_date(date: datetime.date, spec: str) -> str:
    # One directive at a time: on some platforms strftime fails on other text.
    return (
        _DIRECTIVE.sub(lambda directive: date.strftime(directive[0]), spec)
        if spec
        else date.isoformat()
    )


def _double(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _check_campaign(campaign: str) -> None:
    if not campaign:
        raise NameProblem("a campaign must have a name")
    if campaign.startswith("."):
        raise NameProblem(
            f"{quoted(campaign)} begins with a dot; a campaign's name is used as a file name"
        )
    if len(campaign) > MAX_CAMPAIGN:
        raise NameProblem(
            f"{quoted(campaign)} has {len(campaign)} characters; at most {MAX_CAMPAIGN} are allowed"
        )
    for position, character in enumerate(campaign, start=1):
        # Marks belong to letters: Hindi and Thai need them.
        category = unicodedata.category(character)
        if not (category[0] in "LM" or category == "Nd" or character in _CAMPAIGN_PUNCTUATION):
            raise NameProblem(
                f"{quoted(character)} (character {position} of {quoted(campaign)}) is not"
                ' allowed in a campaign; use letters, digits, "-", "_", "." and spaces'
            )
