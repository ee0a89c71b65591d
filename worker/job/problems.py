"""Collects what is wrong with a job file, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from worker.model.errors import SHOWN_PROBLEMS, JobError, Problem


class Problems:
    """The first problems of a file, and the number of all."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self._first: list[Problem] = []
        self.total = 0
        for problem in problems:
            self.add(problem)

    def add(self, problem: Problem) -> None:
        """Add one more problem."""
        self.total += 1
        if len(self._first) < SHOWN_PROBLEMS:
            self._first.append(problem)

    def error(self, path: Path) -> JobError:
        """The error for the file at `path`, with the problems in the file's order."""
        return JobError(path, sorted(self._first, key=lambda one: one.line), self.total)
