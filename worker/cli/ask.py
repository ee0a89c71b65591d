"""The prompt on a terminal: shows what will be created and asks whether to create it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import anyio
import anyio.to_thread

from worker.model.stop import Stop
from worker.run.question import Question, names_taken
from worker.terminal.output import warn
from worker.text import counted, verb, visible


def has_person() -> bool:
    """Whether somebody can be asked. Under cron there is no terminal, and nobody sees a prompt that
    goes to a file."""
    streams = (sys.stdin, sys.stderr)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def question_text(question: Question, where: str, findings: str = "") -> str:
    """The text of the prompt. `where` is the API, `findings` is what looks like an accident."""
    return "\n".join(filter(None, (findings, *_lines(question, where))))


def _lines(question: Question, where: str) -> Iterator[str]:
    if not question.create:
        yield (f"{_existing(question.set_up)} will be set up at {where}; nothing will be created")
        return
    yield f"{counted(question.create, 'duplicate')} will be created at {where}"
    if question.workspaces:
        yield f"  in workspace {visible(', '.join(map(str, question.workspaces)))}"
    yield f"  {verb(len(question.names), 'name', 'first names')}:"
    yield from (f"    {visible(name)}" for name in question.names)
    if question.names_taken:
        yield (
            f"  {names_taken(question.names_taken)}, such as"
            f" {visible(question.taken_example or '')}"
        )
    if question.set_up_new:
        of = "it" if question.create == 1 else f"{question.set_up_new:,} of them"
        yield f"  {of} will also be set up"
    if question.set_up:
        yield f"  {_existing(question.set_up)} will be set up"
    for one, many, number in (
        ("already exists", "already exist", question.counts.created),
        ("failed and is not retried", "failed and are not retried", question.counts.failed),
        (
            "is unknown and is not resent",
            "are unknown and are not resent",
            question.counts.unknown,
        ),
        (
            "more is pending and is not created now",
            "more are pending and are not created now",
            question.counts.pending - question.create,
        ),
        (
            "of this campaign is no longer in the job",
            "of this campaign are no longer in the job",
            question.left_job,
        ),
    ):
        if number:
            yield f"  {number:,} {verb(number, one, many)}"


def _existing(number: int) -> str:
    return f"{number:,} existing {verb(number, 'batch', 'batches')}"


async def ask(question: Question, where: str, stop: Stop, findings: str = "") -> bool:
    """Ask on standard error and read one line of standard input. Any answer except y or yes is no,
    and so is the end of input or a stop request."""
    what = "Create them" if question.create else "Set them up"
    again = " a second time" if findings else ""
    warn(f"{question_text(question, where, findings)}\n{what}{again}? [y/N] ")
    answer = ""
    async with anyio.create_task_group() as group:

        async def leave_when_stopped() -> None:
            await stop.wait(math.inf)
            group.cancel_scope.cancel()

        group.start_soon(leave_when_stopped)
        answer = await _line()
        group.cancel_scope.cancel()
    return _is_yes(answer)


def agrees(question: str) -> bool:
    """Ask before the run has begun. The answer is as in `ask`."""
    warn(f"{question} [y/N] ")
    try:
        return _is_yes(sys.stdin.readline())
    except OSError:
        return _is_yes("")


def _is_yes(answer: str) -> bool:
    if not answer.endswith("\n"):
        warn("\n")
    return answer.strip().lower() in ("y", "yes")


async def _line() -> str:
    """One line of standard input, without blocking the run's other tasks; "" if the terminal was
    closed."""
    try:
        return await _read_line()
    except OSError:
        return ""


async def _read_line() -> str:
    if sys.platform == "win32":
        return await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    await anyio.wait_readable(sys.stdin)  # a terminal is readable when a whole line is there
    return sys.stdin.readline()
