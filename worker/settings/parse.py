"""From what somebody wrote to a setting's value: pure functions, one for each kind of setting.

No files and no environment here, and no names of options either: the caller knows where a value was
written and puts that before the message. Messages say what would be right."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Final

from worker.settings.options import Option
from worker.text import closest

Value = str | int | float | bool | dt.date | None

MAX_RATE: Final = 10_000.0  # requests a second
MAX_SECONDS: Final = 7 * 24 * 3600
PLACEHOLDERS: Final = ("campaign", "date", "run_id")

_TRUE = ("true", "yes", "1")
_FALSE = ("false", "no", "0")
# Nine digits are plenty, and keep the time between two requests a sane number.
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|min)")
_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What shells expand and this program does not, at the beginning of a name: $NAME, ${NAME},
# $(command), %NAME%.
_UNEXPANDED = re.compile(
    r"(?:^|(?<=[/\\]))(?:\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|\$\(|%([A-Za-z_][A-Za-z0-9_]+)%)"
)
_HOMES = ("HOME", "USERPROFILE")
_SHOWN = (*_HOMES, "USER", "USERNAME", "PWD", "TMPDIR", "TEMP", "APPDATA", "LOCALAPPDATA")
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


class BadValueError(ValueError):
    """A value that cannot be used; its text says why and what would be right."""


def from_text(option: Option, text: str) -> Value:
    """Read `text`, as an option or an environment variable gives it. Raises `BadValueError`."""
    return _READERS[option.kind](option, text)


def from_toml(option: Option, value: object) -> Value:
    """Read `value`, as tomllib gives it: numbers and booleans are native there. Raises
    `BadValueError`."""
    match option.kind:
        case "flag":
            if isinstance(value, bool):
                return value
            raise BadValueError("must be true or false, without quotes")
        case "count":
            if isinstance(value, int) and not isinstance(value, bool):
                return _bounded_count(option, value)
            raise BadValueError(f"must be a whole number from 1 to {option.most:,}, without quotes")
        case "seconds":
            if isinstance(value, int | float) and not isinstance(value, bool):
                return _bounded_seconds(option, value)
            raise BadValueError("must be seconds as a number, without quotes, such as 60")
        case "date":
            # A datetime is a date to isinstance, but no day in a calendar.
            if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
                return value
            if isinstance(value, str):
                return from_text(option, value)
            raise BadValueError("must be a day as YYYY-MM-DD, without a time")
        case _:
            if isinstance(value, str):
                return from_text(option, value)
            raise BadValueError(f"must be text in quotes{_TEXT_EXAMPLES.get(option.kind, '')}")


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """` Did you mean rate?` where one of `known` (shown after `prefix`) is near to `word`, else
    nothing.

    It begins with a space, to go behind a sentence."""
    close = closest(word, known)
    return f" Did you mean {prefix}{close}?" if close else ""


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")


def _rate(_: Option, text: str) -> float | None:
    if text == "unlimited":
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        raise BadValueError(
            f"{_quoted(text)} is no rate; write N/s, N/min or unlimited, such as 5/s or 30/min"
        )
    rate = float(match[1]) / (60 if match[2] == "min" else 1)
    if not 0 < rate <= MAX_RATE:
        raise BadValueError(
            f"{_quoted(text)} is out of range; a rate is above 0 and at most {MAX_RATE:,.0f}/s"
        )
    return rate


def _count(option: Option, text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise BadValueError(
            f"{_quoted(text)} is no whole number; write one from 1 to {option.most:,}"
        )
    # Python refuses to read thousands of digits; twelve are already too many here.
    return _bounded_count(option, int(text[:12]))


def _bounded_count(option: Option, number: int) -> int:
    if not 1 <= number <= option.most:
        raise BadValueError(f"must be from 1 to {option.most:,}")
    return number


def _seconds(option: Option, text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise BadValueError(
            f"{_quoted(text)} is no number of seconds; write a plain number, such as 60 or 0.5"
        )
    return _bounded_seconds(option, float(text))


def _bounded_seconds(option: Option, number: float) -> float:
    # Not-a-number fails every comparison, and infinity this one.
    if not 0 <= number <= MAX_SECONDS or (option.positive and number == 0):
        least = "more than 0" if option.positive else "0 or more"
        raise BadValueError(f"must be {least} seconds and at most {MAX_SECONDS:,} (7 days)")
    return float(number)


def _date(_: Option, text: str) -> dt.date:
    if _DATE.fullmatch(text) is None:
        raise BadValueError(f"{_quoted(text)} is no date; write YYYY-MM-DD, such as 2026-03-31")
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise BadValueError(f"there is no day {text} in the calendar") from None


def _choice(option: Option, text: str) -> str:
    if text in option.choices:
        return text
    names = ", ".join(option.choices[:-1]) + " or " + option.choices[-1]
    raise BadValueError(
        f"{_quoted(text)} is not among {names}.{did_you_mean(text, option.choices)}"
    )


def _flag(_: Option, text: str) -> bool:
    if (lower := text.lower()) in _TRUE + _FALSE:
        return lower in _TRUE
    raise BadValueError(
        f"{_quoted(text)} is neither true nor false; write true, false, yes, no, 1 or 0"
    )


def _text(_: Option, text: str) -> str:
    if not text.strip():
        raise BadValueError("is empty; give a value or leave it out")
    return text


def _path(_: Option, text: str) -> str:
    # The text is not repeated: somebody may have put the token where `token_file` wants a path.
    _check_path(text)
    if _BRACES.search(text):
        raise BadValueError("may hold no { or }; only the ledger's path has placeholders")
    return text


def _ledger(_: Option, text: str) -> str:
    _check_path(text)
    for match in _BRACES.finditer(text):
        if match[1] is None:
            raise BadValueError(f"has a lone {match[0]}; placeholders are {_PLACEHOLDER_NAMES}")
        if match[1] not in PLACEHOLDERS:
            known = did_you_mean(match[1], PLACEHOLDERS)
            raise BadValueError(
                f"does not know {match[0]}; placeholders are {_PLACEHOLDER_NAMES}.{known}"
            )
    return text


_PLACEHOLDER_NAMES = "{campaign}, {date} and {run_id}"


def _check_path(text: str) -> None:
    if not text.strip():
        raise BadValueError("is empty; give a path or leave it out")
    if "\0" in text:
        raise BadValueError("holds a NUL character, which no path can")
    if not _is_text(text):
        raise BadValueError("is not UTF-8; the ledger could not name the file")
    if variable := _UNEXPANDED.search(text):
        # Only well-known names are repeated: what stands here may be the token.
        name = (variable[1] or variable[2] or "").upper()
        held = variable[0] if name in _SHOWN else "a variable ($ or %)"
        write = "~ or the whole path" if name in _HOMES else "the whole path"
        raise BadValueError(f"holds {held}, which nothing expands here; write {write}")
    if text.endswith(("/", "\\")) or text in {".", ".."}:
        raise BadValueError("names a folder; give the path of a file")


def _is_text(path: str) -> bool:
    # Python hands on bytes of a path that are no UTF-8 as lone surrogates.
    return not any("\ud800" <= character <= "\udfff" for character in path)


_READERS: dict[str, Callable[[Option, str], Value]] = {
    "choice": _choice,
    "count": _count,
    "date": _date,
    "flag": _flag,
    "ledger": _ledger,
    "path": _path,
    "rate": _rate,
    "seconds": _seconds,
    "text": _text,
}
_TEXT_EXAMPLES = {
    "rate": ', such as "5/s"',
    "path": ", the path of a file",
    "ledger": ", the path of a file",
}
