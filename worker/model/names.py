"""What names are made of: placeholders, braces, Unicode. Pure text: no files, no clock, nothing
about rows.

A name goes through three forms:

    text      as a person wrote it          Wave {n:02} of {source_name}, {date}
    identity  filled but for two fields     Wave 03 of {source_name}, 2025-03-01     what the ledger
    remembers
    name      as it is sent                 Wave 03 of Street signs, 2025-03-01

An identity is written canonically: every literal brace is doubled, so that text is never taken for
a field."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from worker.text import closest

MAX_CAMPAIGN: Final = 100
PLACEHOLDERS: Final = ("n", "copies", "date", "source_id", "source_name", "campaign")

# These stay in an identity: neither renaming a source nor raising `copies` may make a new
# duplicate.
_RESIDUAL: Final = frozenset({"source_name", "copies"})
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_SURELY_WRONG: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
)  # exactly Unicode's Cc and Cs
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DATE_DIRECTIVES: Final = "YymdjbBaAuwGVUW%"
_TIME_DIRECTIVES: Final = "HIMSfpzZXcTRrs"
_CAMPAIGN_PUNCTUATION: Final = "-_. "


class NameProblem(ValueError):  # noqa: N818 - it is the problem of a text, not an error of the program
    """A name or campaign is not well-formed; the message says what, where, and what would be
    right."""


class _Fill(NamedTuple):
    """A placeholder that `identity` fills; `spec` is the width of `n` or the format of `date`."""

    field: str
    spec: str


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """A well-formed name. Make one with `parse_name`; two are equal where they mean the same
    name."""

    _pieces: tuple[str | _Fill, ...]

    @property
    def literal(self) -> bool:
        """Whether `identity` is the same whatever it is given."""
        return len(self._pieces) == 1 and isinstance(self._pieces[0], str)

    @property
    def holds_campaign(self) -> bool:
        """Whether the campaign's name is part of it."""
        return any(isinstance(piece, _Fill) and piece.field == "campaign" for piece in self._pieces)

    def identity(self, *, n: int, source_id: str, campaign: str, date: datetime.date) -> str:
        """Everything filled in but {source_name} and {copies}, as a canonical template (see the
        module)."""
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

    Raises `NameProblem` for what is no placeholder, a lone brace, a control character."""
    text = unicodedata.normalize("NFC", text).strip()
    if text.isascii() and text.isprintable() and "{" not in text and "}" not in text:
        return NameTemplate((text,))
    _refuse_control_characters(text, "a name")
    return NameTemplate(_merged(_pieces_of(text)))


def render_name(identity: str, source_name: str | None, copies: int) -> str:
    """The name as it is sent, in NFC. With `source_name` not known the field stays visible:
    {source_name}."""
    if "{" not in identity and "}" not in identity:
        return identity
    meaning = {
        "{{": "{",
        "}}": "}",
        "{source_name}": "{source_name}" if source_name is None else source_name,
        "{copies}": str(copies),
    }
    return unicodedata.normalize("NFC", _TOKEN.sub(lambda token: meaning[token[0]], identity))


def needs_source_name(identity: str) -> bool:
    """Whether `render_name` has to know the source's name."""
    return "{source_name}" in _TOKEN.findall(identity)


def fill_campaign(text: str, date: datetime.date) -> str:
    """The campaign that `text` names on `date`, in NFC and without surrounding spaces.

    Raises `NameProblem` where it holds another placeholder than {date}, or when filled is empty,
    begins with a dot, is longer than `MAX_CAMPAIGN`, or holds what is neither letter nor digit nor
    `-_.` nor space."""
    text = unicodedata.normalize("NFC", text).strip()
    _refuse_control_characters(text, "a campaign")
    pieces = _pieces_of(text, fields=("date",))
    campaign = "".join(p if isinstance(p, str) else _format(p, date) for p in pieces).strip()
    _check_campaign(campaign)
    return campaign


def shown(text: str, limit: int = 60) -> str:
    """`text` in double quotes for a message: unprintable characters escaped, at most `limit`
    characters."""
    # Cut before escaping: the text of a hostile cell may be very long.
    escaped = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1]
    )
    return f'"{escaped}"' if len(escaped) <= limit else f'"{escaped[: limit - 1]}…"'


# -- parsing


def _pieces_of(text: str, fields: tuple[str, ...] = PLACEHOLDERS) -> Iterator[str | _Fill]:
    """Canonical text and fields of `text`; only `fields` may stand in braces."""
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
    """What `written`, a lone brace or something in braces, stands for."""
    here = f"{shown(written)} (character {position})"
    if written == "{":
        raise NameProblem(f'{here} is never closed; a brace as text is written "{{{{"')
    if written == "}":
        raise NameProblem(f'{here} closes nothing; a brace as text is written "}}}}"')
    field, colon, spec = written[1:-1].partition(":")
    if field not in fields:
        raise NameProblem(f"{here} is no placeholder{_what_instead(field, fields)}")
    if field == "date":
        _check_date_format(here, colon, spec)
    elif field == "n" and colon:
        if not re.fullmatch("0[1-9]", spec):
            width = re.fullmatch("0?([1-9])d?", spec)
            raise NameProblem(
                f"{here} is no width;"
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
        f'; there {"is" if len(fields) == 1 else "are"} {listed}; a brace as text is written "{{{{"'
    )


def _example(form: str, is_sure: object) -> str:
    return (
        f'did you mean "{form}"?'
        if is_sure
        else f'write "{form}" for three digits (1 to 9 are possible)'
    )


def _check_date_format(here: str, colon: str, spec: str) -> None:
    """Only what every strftime knows, and only dates: a job run twice a day has to mean the same
    names."""
    directives = _DIRECTIVE.findall(spec)
    for directive in directives:
        if directive == "":
            raise NameProblem(f'{here} ends in a lone "%"; a percent sign is written "%%"')
        if directive in _TIME_DIRECTIVES:
            raise NameProblem(
                f"{here} holds {shown('%' + directive)}, a time of day; only dates are possible"
            )
        if directive not in _DATE_DIRECTIVES:
            known = " ".join(f"%{known}" for known in _DATE_DIRECTIVES)
            raise NameProblem(
                f"{here} holds {shown('%' + directive)}, no date directive; there are {known}"
            )
    if colon and not any(directive != "%" for directive in directives):
        raise NameProblem(f'{here} holds no date directive; did you mean "{{date:%Y-%m-%d}}"?')


def _refuse_control_characters(text: str, what: str) -> None:
    if wrong := _SURELY_WRONG.search(text):
        kind = "a control character" if ord(wrong[0]) < 0xD800 else "half a character"
        raise NameProblem(
            f"{shown(wrong[0])} (character {wrong.start() + 1}) is {kind}; {what} is one line of"
            " text"
        )


def _merged(pieces: Iterator[str | _Fill]) -> tuple[str | _Fill, ...]:
    """`pieces` with neighbouring texts joined, so that what means the same is equal."""
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
    # One directive at a time: strftime stumbles over other text on some platforms.
    return (
        _DIRECTIVE.sub(lambda directive: date.strftime(directive[0]), spec)
        if spec
        else date.isoformat()
    )


def _double(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _check_campaign(campaign: str) -> None:
    if not campaign:
        raise NameProblem("a campaign needs a name")
    if campaign.startswith("."):
        raise NameProblem(
            f"{shown(campaign)} begins with a dot; a campaign's name becomes a file's name"
        )
    if len(campaign) > MAX_CAMPAIGN:
        raise NameProblem(
            f"{shown(campaign)} has {len(campaign)} characters; at most {MAX_CAMPAIGN} are possible"
        )
    for position, character in enumerate(campaign, start=1):
        # Marks belong to letters: Hindi or Thai could not be written without them.
        category = unicodedata.category(character)
        if not (category[0] in "LM" or category == "Nd" or character in _CAMPAIGN_PUNCTUATION):
            raise NameProblem(
                f"{shown(character)} (character {position} of {shown(campaign)}) cannot be in a"
                ' campaign; letters, digits, "-", "_", "." and spaces are'
            )
