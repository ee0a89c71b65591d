"""Only our own files are ever replaced: a ledger file, a report or a sheet of decisions, of the
same campaign."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from worker.model.errors import UsageError


class OwnFile(NamedTuple):
    """A kind of file that this program writes: its name in messages, the option with its path,
    whether a file is of this kind, the campaign of a file (None: it does not say), and how to keep
    campaigns apart."""

    noun: str
    option: str
    is_ours: Callable[[Path], bool]
    campaign_in: Callable[[Path], str | None]
    apart: str = "Give each campaign its own ledger file: --ledger may contain {campaign}."


def refuse_foreign_file(kind: OwnFile, path: Path, campaign: str | None) -> None:
    """Raise UsageError if `path` cannot become the file of `campaign` (None: of any): it is
    something else, another campaign's file, or not writable."""
    another = f"Name another file with {kind.option}"
    try:
        if not path.exists():
            if path.is_symlink():
                raise UsageError(f"{path}: this link leads to no file", hint=f"{another}.")
            return
        if not path.is_file():
            raise UsageError(f"{path}: this is not a file", hint=f"{another}.")
        if not kind.is_ours(path):
            raise UsageError(
                f"{path}: this file is not a {kind.noun}; it is left as it is",
                hint=f"{another}, or move this one away.",
            )
        if campaign is not None and (other := kind.campaign_in(path)) not in {None, campaign}:
            raise UsageError(
                f"{path}: this is the {kind.noun} of campaign {other}, not of {campaign}; it is"
                " left as it is",
                hint=kind.apart,
            )
        if not os.access(path.parent, os.W_OK) or not os.access(path, os.W_OK):
            raise UsageError(f"{path}: the {kind.noun} cannot be written", hint=f"{another}.")
    except OSError as error:
        raise UsageError(
            f"{path}: the {kind.noun} cannot be read: {error.strerror}", hint=f"{another}."
        ) from error
