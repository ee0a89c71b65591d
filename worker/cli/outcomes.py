"""What came of each of several jobs: one line of JSON for each, the table of all, and the exit
code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from worker.cli.failure import failure
from worker.cli.jobs import severest
from worker.model.errors import WorkerError
from worker.model.events import STOPPED_BY
from worker.terminal.output import complain, say, say_json
from worker.terminal.overview import overview_text
from worker.text import window_width

NO_RUN: Mapping[str, Any] = MappingProxyType({})


class Outcomes:
    """Collects the outcomes of the jobs with these `names`, in their order; prints each as JSON if
    asked to. `scrub` hides the token in any value."""

    def __init__(self, names: Sequence[str], scrub: Callable[[Any], Any], *, json: bool) -> None:
        self.lines: list[dict[str, Any]] = []
        self._names, self._scrub, self._json = names, scrub, json

    @property
    def code(self) -> int:
        """The exit code of the command."""
        return severest(line["exit_code"] for line in self.lines)

    def has(self, job: str) -> bool:
        """Whether the outcome of this job was added."""
        return job in self._names[: len(self.lines)]

    def add(self, line: Mapping[str, Any]) -> None:
        """The next job's line."""
        scrubbed: dict[str, Any] = self._scrub(dict(line))
        self.lines.append(scrubbed)
        if self._json:
            say_json(scrubbed, now=True)

    def failed(self, job: str, error: WorkerError, summary: Mapping[str, Any] = NO_RUN) -> None:
        """The next job ended with this error: report it. `summary` is that of its run."""
        complain(self._scrub(str(error)))
        self.add({**summary, **failure(job, error.exit_code, error.message)})

    def not_run(self, job: str, campaign: str, reason: str, code: int) -> None:
        """The next job was not run, because an earlier one has ended with `code` for a `reason` (a
        key of STOPPED_BY) that stops them all."""
        error = f"not run, because {STOPPED_BY[reason]}"
        facts = {"job": job, "campaign": campaign, "exit_code": code}
        self.add({**facts, "stopped_by": reason, "error": error})

    def fail_all(self, error: WorkerError) -> None:
        """No job was run, because of this error: report it."""
        complain(self._scrub(str(error)))
        self.fail_rest(error.exit_code, error.message)

    def fail_rest(self, code: int, error: str) -> None:
        """All further jobs failed for one reason, which is reported elsewhere."""
        for job in self._names[len(self.lines) :]:
            self.add(failure(job, code, error))

    def print_table(self) -> None:
        """Print the table of all jobs."""
        say(overview_text(self.lines, window_width(sys.stdout) if sys.stdout.isatty() else None))
