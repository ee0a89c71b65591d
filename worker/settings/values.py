"""Which values a setting can have: pydantic types, and the sentence about a value that has none.

No files and no environment here. The caller knows where a value was written, and puts that before
the message."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from worker.settings.addresses import EXAMPLE, unfit_batch_url
from worker.text import did_you_mean, shortened

MAX_RATE: Final = 10_000.0  # requests a second
PLACEHOLDERS: Final = ("campaign", "date", "run_id")

_PLACEHOLDERS_SHOWN: Final = "{campaign}, {date} and {run_id}"
_MAX_SECONDS: Final = 7 * 24 * 3600
# Nine digits are plenty, and keep the time between two requests a sane number.
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|min)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")
# What shells expand and this program does not, at the beginning of a name: $NAME, ${NAME},
# $(command), %NAME%.
_UNEXPANDED = re.compile(
    r"(?:^|(?<=[/\\]))(?:\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|\$\(|%([A-Za-z_][A-Za-z0-9_]+)%)"
)
_HOMES = ("HOME", "USERPROFILE")
_SHOWN = (*_HOMES, "USER", "USERNAME", "PWD", "TMPDIR", "TEMP", "APPDATA", "LOCALAPPDATA")


class Expected(NamedTuple):
    """What a value of a type looks like, for messages: `'x' is not {text}`. `native` says how a
    config file writes it, for a value of another type there: `must be {native}`."""

    text: str
    native: str


class BadValueError(ValueError):
    """A value that cannot be used; its text says what is wrong with it, or what would be right."""


class ValueType:
    """Reads values of one of the types below."""

    def __init__(self, annotated: Any) -> None:
        if NoneType in get_args(annotated):  # a value that can be missing; what is written is none
            annotated = next(one for one in get_args(annotated) if one is not NoneType)
        self._adapter = TypeAdapter[Any](annotated)
        self._expected = next(one for one in annotated.__metadata__ if isinstance(one, Expected))

    def from_text(self, text: str, folder: Path | None = None) -> Any:
        """The value of `text`, as an option or a variable gives it; of a path, the one from
        `folder`. Raises `BadValueError`."""
        try:
            return self._adapter.validate_strings(text, context=folder)
        except ValidationError as error:
            raise BadValueError(self._explain(error.errors()[0])) from None

    def from_toml(self, value: object, folder: Path | None = None) -> Any:
        """The same of a value as tomllib gives it: numbers and booleans are native there. Raises
        `BadValueError`."""
        try:
            return self._adapter.validate_python(value, strict=True, context=folder)
        except ValidationError as error:
            raise BadValueError(self._explain(error.errors()[0])) from None

    def _explain(self, error: ErrorDetails) -> str:
        if error["type"] == "value_error":
            return str(error["ctx"]["error"])
        if error["type"].endswith("_type"):
            return f"must be {self._expected.native}"
        written, likely = error["input"], ""
        if error["type"] == "literal_error":
            likely = did_you_mean(str(written), error["ctx"]["expected"].split("'")[1::2])
        return (
            f"{shortened(repr(written), 60)} is not {self._expected.text}{likely and '.'}{likely}"
        )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("text_type", "not text")
    return value


def _rate(value: object) -> float | None:
    text = _text(value)
    if text == "unlimited":
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        raise PydanticCustomError("rate", "no rate")
    rate = float(match[1]) / (60 if match[2] == "min" else 1)
    if not 0 < rate <= MAX_RATE:
        raise ValueError(
            f"{text!r} is out of range; a rate is above 0 and at most {MAX_RATE:,.0f}/s"
        )
    return rate


def _day(value: object) -> object:
    # pydantic would take "86400" for a time in seconds.
    if not isinstance(value, str):
        return value
    if _DATE.fullmatch(value) is None:
        raise PydanticCustomError("date", "no date")
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"there is no day {value} in the calendar") from None


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; give a value or leave it out")
    return text


def _batch_url(value: object) -> str:
    # The text is not repeated: it may contain a password.
    text = _filled(_text(value)).strip()
    if why := unfit_batch_url(text):
        raise ValueError(f"{why}; write it as {EXAMPLE}")
    return text


def _path(value: object, info: ValidationInfo) -> Path:
    # The text is not repeated: somebody may have put the token where `token_file` wants a path.
    text = _checked(_text(value))
    if _BRACES.search(text):
        raise ValueError("must not contain { or }; only the ledger's path has placeholders")
    return _located(text, info)


def _ledger(value: object, info: ValidationInfo) -> str:
    text = _checked(_text(value))
    for match in _BRACES.finditer(text):
        if match[1] is None:
            raise ValueError(f"has a lone {match[0]}; placeholders are {_PLACEHOLDERS_SHOWN}")
        if match[1] not in PLACEHOLDERS:
            likely = did_you_mean(match[1], PLACEHOLDERS)
            raise ValueError(
                f"unknown placeholder {match[0]}; placeholders are {_PLACEHOLDERS_SHOWN}.{likely}"
            )
    return str(_located(text, info))


def _checked(path: str) -> str:
    if not path.strip():
        raise ValueError("is empty; give a path or leave it out")
    if "\0" in path:
        raise ValueError("contains a NUL character, which no path can")
    # Python hands on bytes of a path that are not UTF-8 as lone surrogates.
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise ValueError("is not UTF-8; the ledger could not name the file")
    if variable := _UNEXPANDED.search(path):
        # Only well-known names are repeated: what stands here may be the token.
        name = (variable[1] or variable[2] or "").upper()
        shown = variable[0] if name in _SHOWN else "a variable ($ or %)"
        write = "~ or the whole path" if name in _HOMES else "the whole path"
        raise ValueError(f"contains {shown}, which nothing expands here; write {write}")
    if path.endswith(("/", "\\")) or path in {".", ".."}:
        raise ValueError("names a folder; give the path of a file")
    return path


def _located(path: str, info: ValidationInfo) -> Path:
    """The path, from the folder that the caller names as context."""
    try:
        return Path(info.context or "") / Path(path).expanduser()
    except RuntimeError:
        raise ValueError("begins with ~ and a user whose home folder is not known") from None


_COUNT = "a whole number from 1 to {:,}"
_SECONDS = f"a number of seconds {{}} {_MAX_SECONDS:,} (7 days), such as 60 or 0.5"
_PATH = Expected("a path", "text in quotes, the path of a file")


def unquoted(text: str) -> Expected:
    """What is expected of a value that a config file writes without quotes."""
    return Expected(text, f"{text}, without quotes")


def quoted(text: str, example: str) -> Expected:
    """What is expected of a value that a config file writes as text."""
    return Expected(text, f'text in quotes, such as "{example}"')


Flag = Annotated[bool, unquoted("true or false")]
Count = Annotated[int, Field(ge=1, le=1_000_000_000), unquoted(_COUNT.format(1_000_000_000))]
Concurrency = Annotated[int, Field(ge=1, le=1000), unquoted(_COUNT.format(1000))]
Seconds = Annotated[
    float,
    Field(ge=0, le=_MAX_SECONDS, allow_inf_nan=False),
    unquoted(_SECONDS.format("from 0 to")),
]
TimeLimit = Annotated[
    float,
    Field(gt=0, le=_MAX_SECONDS, allow_inf_nan=False),
    unquoted(_SECONDS.format("above 0 and at most")),
]
Rate = Annotated[
    float | None,
    PlainValidator(_rate),
    quoted("a rate; write N/s, N/min or unlimited, such as 5/s or 30/min", "5/s"),
]
"""Requests a second; None: unlimited."""
Date = Annotated[
    dt.date,
    BeforeValidator(_day),
    Expected("a date as YYYY-MM-DD, such as 2026-03-31", "a date as YYYY-MM-DD, without a time"),
]
Name = Annotated[str, AfterValidator(_filled), quoted("text", "spring-wave")]
BatchUrl = Annotated[str, PlainValidator(_batch_url), quoted("an address", EXAMPLE)]
"""A batch's address with {id} in place of its id."""
FilePath = Annotated[Path, PlainValidator(_path), _PATH]
"""Absolute: what was written, from the folder of where it was written."""
LedgerPath = Annotated[str, PlainValidator(_ledger), _PATH]
"""The same as text, with placeholders."""
LogFormat = Annotated[Literal["auto", "console", "json"], quoted("auto, console or json", "json")]
ProgressMode = Annotated[Literal["auto", "never"], quoted("auto or never", "never")]
