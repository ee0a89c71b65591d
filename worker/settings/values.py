"""Which values a setting can have: pydantic types, and the messages about invalid values.

Nothing here knows files or the environment. The caller knows where a value was set and puts that
before the message."""

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

from worker.model.server_address import (
    OTHER_ADDRESS,
    SCHEMES,
    DatabaseLocation,
    is_other_address,
    server_address,
)
from worker.settings.addresses import EXAMPLE, unfit_address, unfit_batch_url
from worker.text import did_you_mean, shortened

MAX_RATE: Final = 10_000.0  # requests per second
PLACEHOLDERS: Final = ("campaign", "date", "run_id")

_PLACEHOLDERS_SHOWN: Final = "{campaign}, {date} and {run_id}"
_MAX_SECONDS: Final = 7 * 24 * 3600
# Nine digits are enough, and keep the time between two requests within reason.
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|min)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")
# Variables that shells expand and this program does not, at the beginning of a path part: $NAME,
# ${NAME}, $(command), %NAME%.
_UNEXPANDED = re.compile(
    r"(?:^|(?<=[/\\]))(?:\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|\$\(|%([A-Za-z_][A-Za-z0-9_]+)%)"
)
_HOMES = ("HOME", "USERPROFILE")
_SHOWN = (*_HOMES, "USER", "USERNAME", "PWD", "TMPDIR", "TEMP", "APPDATA", "LOCALAPPDATA")


class Expected(NamedTuple):
    """What a value of a type looks like, for messages: `'x' is not {text}`. `native` is its form in
    a config file, for a value of another type there: `must be {native}`."""

    text: str
    native: str


class BadValueError(ValueError):
    """A value that cannot be used. The text says what is wrong with it or what would be right."""


class ValueType:
    """Reads values of one of the types below."""

    def __init__(self, annotated: Any) -> None:
        if NoneType in get_args(annotated):  # optional; a given value is never None
            annotated = next(one for one in get_args(annotated) if one is not NoneType)
        self._adapter = TypeAdapter[Any](annotated)
        self._expected = next(one for one in annotated.__metadata__ if isinstance(one, Expected))

    def from_text(self, text: str, folder: Path | None = None) -> Any:
        """The value of `text`, as an option or a variable contains it; a path is relative to
        `folder`. Raises `BadValueError`."""
        try:
            return self._adapter.validate_strings(text, context=folder)
        except ValidationError as error:
            raise BadValueError(self._explain(error.errors()[0])) from None

    def from_toml(self, value: object, folder: Path | None = None) -> Any:
        """The value of a TOML value, in which numbers and booleans are native; a path is relative
        to `folder`. Raises `BadValueError`."""
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
        shown = repr(shortened(written, 60) if isinstance(written, str) else written)
        return f"{shown} is not {self._expected.text}{likely and '.'}{likely}"


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
        raise PydanticCustomError("rate", "not a rate")
    rate = float(match[1]) / (60 if match[2] == "min" else 1)
    if not 0 < rate <= MAX_RATE:
        raise ValueError(
            f"{text!r} is out of range; a rate must be above 0 and at most {MAX_RATE:,.0f}/s"
        )
    return rate


def _day(value: object) -> object:
    # pydantic would read "86400" as a time in seconds.
    if not isinstance(value, str):
        return value
    if _DATE.fullmatch(value) is None:
        raise PydanticCustomError("date", "not a date")
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"the date {value} does not exist") from None


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
    # The message does not repeat the text: somebody may have set `token_file` to the token itself.
    text = _checked(_text(value))
    if _BRACES.search(text):
        raise ValueError("must not contain { or }; only the ledger's path may contain placeholders")
    return _located(text, info)


def _ledger(value: object, info: ValidationInfo) -> str:
    text = _checked(_text(value))
    for match in _BRACES.finditer(text):
        if match[1] is None:
            raise ValueError(f"contains a lone {match[0]}; placeholders are {_PLACEHOLDERS_SHOWN}")
        if match[1] not in PLACEHOLDERS:
            likely = did_you_mean(match[1], PLACEHOLDERS)
            raise ValueError(
                f"unknown placeholder {match[0]}; placeholders are {_PLACEHOLDERS_SHOWN}.{likely}"
            )
    return str(_located(text, info))


def _heartbeat_url(value: object) -> str:
    # The value is a secret, so no message repeats it.
    text = _text(value)
    if why := unfit_address(text, plain_http=True):  # monitors inside a network often have no TLS
        raise ValueError(f"{why}; write it as {_PING}")
    return text


def _checked(path: str) -> str:
    if not path.strip():
        raise ValueError("is empty; give a path or leave it out")
    if is_other_address(path) or path.startswith(SCHEMES):
        raise ValueError("is an address; give the path of a file")
    if "\0" in path:
        raise ValueError("contains a NUL character, which is not allowed in a path")
    # Python represents bytes of a path that are not UTF-8 as lone surrogates.
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise ValueError("is not UTF-8, so the ledger could not record it; use another path")
    if variable := _UNEXPANDED.search(path):
        # Only well-known names are repeated: this text may be the token.
        name = (variable[1] or variable[2] or "").upper()
        shown = variable[0] if name in _SHOWN else "a variable ($ or %)"
        write = "~ or the full path" if name in _HOMES else "the full path"
        raise ValueError(f"contains {shown}, which is not expanded here; write {write}")
    if path.endswith(("/", "\\")) or path in {".", ".."}:
        raise ValueError("is a folder; give the path of a file")
    return path


def _located(path: str, info: ValidationInfo) -> Path:
    """The path, relative to the folder that the caller gives as context."""
    try:
        return Path(info.context or "") / Path(path).expanduser()
    except RuntimeError:
        raise ValueError(
            "begins with ~ and a user whose home folder is unknown; write the full path"
        ) from None


def _database(value: object, info: ValidationInfo) -> DatabaseLocation:
    # The text is not repeated: it may contain a password.
    text = _text(value)
    if is_other_address(text):
        raise ValueError(OTHER_ADDRESS)
    address = server_address(text)
    return _path(text, info) if address is None else address


_COUNT = "a whole number from 1 to {:,}"
_SECONDS = f"a number of seconds {{}} {_MAX_SECONDS:,} (7 days), such as 60 or 0.5"
_PING: Final = "https://example.org/ping/ID"
_PATH = Expected("a path", "text in quotes, the path of a file")


def unquoted(text: str) -> Expected:
    """The expected form of a value that is written without quotes in a config file."""
    return Expected(text, f"{text}, without quotes")


def quoted(text: str, example: str) -> Expected:
    """The expected form of a value that is written as text in a config file."""
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
"""Requests per second; None: unlimited."""
Date = Annotated[
    dt.date,
    BeforeValidator(_day),
    Expected("a date as YYYY-MM-DD, such as 2026-03-31", "a date as YYYY-MM-DD, without a time"),
]
Name = Annotated[str, AfterValidator(_filled), quoted("text", "spring-wave")]
BatchUrl = Annotated[str, PlainValidator(_batch_url), quoted("an address", EXAMPLE)]
"""A batch's address with {id} in place of its id."""
FilePath = Annotated[Path, PlainValidator(_path), _PATH]
"""An absolute path. A relative path is resolved against the folder of where it was set."""
DatabasePlace = Annotated[
    DatabaseLocation,
    PlainValidator(_database),
    Expected(
        "a path or an address",
        "text in quotes, the path of a file or postgresql://USER@HOST/NAME",
    ),
]
"""A `FilePath`, or the address of a ledger on a PostgreSQL server."""
LedgerPath = Annotated[str, PlainValidator(_ledger), _PATH]
"""An absolute path as text, with placeholders."""
HeartbeatUrl = Annotated[str, PlainValidator(_heartbeat_url), quoted("an address", _PING)]
CommandLine = Annotated[str, AfterValidator(_filled), quoted("a command", "mail -s waves me")]
LogFormat = Annotated[Literal["auto", "console", "json"], quoted("auto, console or json", "json")]
ProgressMode = Annotated[Literal["auto", "never"], quoted("auto or never", "never")]
