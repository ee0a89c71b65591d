"""Finding and reading the config file: keys, their lines and raw values. What they mean is not
known here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from worker.folders import in_devices
from worker.model.errors import UsageError

_MAX_FILE: Final = 1 << 20  # bytes; a device would never end


class ConfigFile(NamedTuple):
    """A config file that was read: where it lies, how messages call it, its text and its top-level
    values."""

    path: Path
    shown: str
    text: str
    values: Mapping[str, object]

    def place(self, key: str) -> str:
        """`config.toml:3: rate`, or without the line where the key's spelling hides it."""
        line = line_of(key, self.text)
        return f"{self.shown}:{line}: {key}" if line else f"{self.shown}: {key}"


def find_config(cwd: Path) -> ConfigFile | None:
    """The config file that counts where none was named: `cwd`/config.toml, else the user's, else
    `None`.

    Raises `UsageError` where one is there but cannot be read or is no TOML."""
    return _read(cwd / "config.toml", cwd) or _read(_users_config(), cwd)


def given_config(path: Path, origin: str, cwd: Path) -> ConfigFile:
    """The config file at `path`, which somebody named at `origin`.

    Raises `UsageError` as `find_config` does, if there is none, and if it lies in /dev or /proc."""
    if in_devices(path):
        raise UsageError(
            f"{origin}: {_shown(path, cwd)} is not a file in a folder, and the ledger, which"
            " belongs beside the config file, would be lost at the next boot; save the settings as"
            " a file"
        )
    file = _read(path, cwd)
    if file is None:
        raise UsageError(f"{origin}: there is no file {_shown(path, cwd)}")
    return file


def line_of(key: str, text: str) -> int:
    """The line (from 1) of `text` that sets the top-level `key` or opens its section; 0 where none
    does."""
    name = re.escape(key)
    setting = re.compile(rf"""\s*\[?\[?\s*(["']?){name}\1\s*[=.\]]""")
    lines = enumerate(text.split("\n"), start=1)
    return next((number for number, line in lines if setting.match(line)), 0)


def _users_config() -> Path:
    from platformdirs import user_config_path  # noqa: PLC0415 - only where it is needed

    return user_config_path("duplicate-batches", appauthor=False) / "config.toml"


def _shown(path: Path, cwd: Path) -> str:
    return str(path.relative_to(cwd) if path.is_relative_to(cwd) else path)


def _read(path: Path, cwd: Path) -> ConfigFile | None:
    shown = _shown(path, cwd)
    # Reading at once, not asking first: a file that is there but unreadable must never count as
    # missing, or a run would meet another ledger than the night before.
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_FILE:
        raise UsageError(f"{shown}: holds more than {_MAX_FILE:,} bytes; this is no config file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{shown}:{line}: is not UTF-8 text") from None
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _toml_error(shown, text, error) from None
    return ConfigFile(path, shown, text, values)


def _toml_error(shown: str, text: str, error: Exception) -> UsageError:
    # tomllib puts the place at the end of its message, and nothing of the file's content before it.
    message, _, place = str(error).partition(" (at ")
    if match := re.match(r"line (\d+), column (\d+)", place):
        where = f"{shown}:{match[1]}: column {match[2]}"
    elif place:
        where = f"{shown}:{text.rstrip().count(chr(10)) + 1}: at the end"
    else:
        where, message = shown, "a value is too long or nested too deeply"
    return UsageError(
        f"{where}: not valid TOML: {message}", hint='Text goes in quotes, as in rate = "5/s".'
    )
