"""The errors that end a command, each with its exit code and a hint about what to do next.

    WorkerError                 1   something stopped the run; what was recorded stays
    ├── DeclinedError           1   a person was asked and declined: nothing was sent
    ├── UsageError              2   options, settings, files: nothing was sent
    │   ├── SettingsError       2   settings, with every problem
    │   ├── AccidentError       2   what would be created seems to exist already
    │   ├── NoLedgerError       2   there is no database to read
    │   └── FileError           2   a file, with every problem's line
    │       └── JobError        2   the job file
    ├── TokenRefusedError       3   the API refused the token: nothing more is sent
    └── BusyError              75   another run holds this database

Only the command line catches these errors: it prints `str(error)` and ends with `exit_code`. No
message may contain the token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from worker.text import counted


class WorkerError(Exception):
    """The command cannot continue. `message` says what is wrong and where, `hint` what to do
    next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class DeclinedError(WorkerError):
    """A person was shown what looks like an accident and declined to create it; nothing was
    sent."""


class UsageError(WorkerError):
    """Wrong usage, setting, file or database; nothing was sent."""

    exit_code = 2


class SettingsError(UsageError):
    """One or several settings are invalid; each of the `problems` has its own hint."""

    def __init__(self, problems: Sequence[UsageError]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class AccidentError(UsageError):
    """What the run would create seems to exist already, and nobody can be asked; nothing was
    sent."""


class NoLedgerError(UsageError):
    """There is no ledger database at `place`."""

    def __init__(self, place: object) -> None:
        super().__init__(
            f"{place}: there is no ledger database here",
            hint="Run the job first, or name the database with --database.",
        )


class Problem(NamedTuple):
    """One thing that is wrong in a file: `text` says what, `line` where (from 1; 0: the whole
    file)."""

    line: int
    text: str


class FileError(UsageError):
    """The file at `path` has `total` problems; `problems` are the first ones, in the file's
    order."""

    def __init__(
        self, path: Path, problems: Sequence[Problem], total: int, *, hint: str = ""
    ) -> None:
        self.path = path
        self.problems = tuple(problems)
        self.total = total
        super().__init__("\n".join(self._lines()), hint=hint)

    def _lines(self) -> list[str]:
        lines = [
            f"{self.path}:{p.line}: {p.text}" if p.line else f"{self.path}: {p.text}"
            for p in self.problems
        ]
        if more := self.total - len(self.problems):
            lines.append(f"… and {counted(more, 'more problem')}.")
        return lines


class JobError(FileError):
    """The job file has problems."""


SHOWN_PROBLEMS = 50
"""How many problems of a file a message shows; it counts the others."""


class TokenRefusedError(WorkerError):
    """The API refused the token."""

    exit_code = 3


class BusyError(WorkerError):
    """Another run holds this database."""

    exit_code = 75
