"""Finds and reads the config file: keys, their lines and raw values. What they mean is not known
here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from worker.folders import in_devices, users_config_folder
from worker.model.errors import UsageError

_MAX_FILE: Final = 1 << 20  # bytes; reading a device would never end


class ConfigFile(NamedTuple):
    """A config file that was read: its path, its name in messages, its text and its top-level
    values."""

    path: Path
    shown: str
    text: str
    values: Mapping[str, object]

    def location(self, key: str) -> str:
        """`config.toml:3: rate`, or without the line if the key is spelled so that its line was not
        found."""
        line = line_of(key, self.text)
        return f"{self.shown}:{line}: {key}" if line else f"{self.shown}: {key}"


def find_config(cwd: Path) -> ConfigFile | None:
    """The config file to use if none was named: `cwd`/config.toml, else the one in the user's
    config directory, else `None`.

    Raises `UsageError` if there is one that cannot be read or is not TOML."""
    return _read(cwd / "config.toml", cwd) or _read(users_config_folder() / "config.toml", cwd)


def given_config(path: Path, origin: str, cwd: Path) -> ConfigFile:
    """The config file at `path`, which was named at `origin`.

    Raises `UsageError` as `find_config` does, and if the file does not exist or is in /dev or
    /proc."""
    if in_devices(path):
        raise UsageError(
            f"{origin}: {_shown(path, cwd)} is in /dev or /proc, so the ledger next to it would be"
            " lost at the next boot; save the settings as a file elsewhere"
        )
    file = _read(path, cwd)
    if file is None:
        raise UsageError(f"{origin}: there is no file {_shown(path, cwd)}")
    return file


def line_of(key: str, text: str) -> int:
    """The line (from 1) of `text` that sets the top-level `key` or opens its section; 0 if no line
    does."""
    name = re.escape(key)
    setting = re.compile(rf"""\s*\[?\[?\s*(["']?){name}\1\s*[=.\]]""")
    lines = enumerate(text.split("\n"), start=1)
    return next((number for number, line in lines if setting.match(line)), 0)


def _shown(path: Path, cwd: Path) -> str:
    return str(path.relative_to(cwd) if path.is_relative_to(cwd) else path)


def _read(path: Path, cwd: Path) -> ConfigFile | None:
    shown = _shown(path, cwd)
    # Read without checking first whether the file exists: a file that exists but cannot be read
    # must not count as missing, or a run would use another ledger than the night before.
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_FILE:
        raise UsageError(f"{shown}: is larger than {_MAX_FILE:,} bytes; this is not a config file")
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
    # tomllib puts the line and column at the end of its message. Before them, it shows nothing of
    # the file's content.
    message, _, location = str(error).partition(" (at ")
    if match := re.match(r"line (\d+), column (\d+)", location):
        where = f"{shown}:{match[1]}: column {match[2]}"
    elif location:
        where = f"{shown}:{text.rstrip().count(chr(10)) + 1}: at the end"
    else:
        where, message = shown, "a value is too long or nested too deeply"
    return UsageError(
        f"{where}: not valid TOML: {message}", hint='Text needs quotes, as in rate = "5/s".'
    )
