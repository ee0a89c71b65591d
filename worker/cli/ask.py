"""The question at the terminal: shown what will be created, a person says yes or no."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import anyio
import anyio.to_thread

from worker.campaign import Question
from worker.observe.output import warn
from worker.observe.text import counted, visible
from worker.stop import Stop


def has_person() -> bool:
    """Whether somebody can be asked: cron has no terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def question_text(question: Question, where: str) -> str:
    """What a person is shown before anything is created; `where` is the API."""
    return "\n".join(_lines(question, where))


def _lines(question: Question, where: str) -> Iterator[str]:
    yield f"{counted(question.create, 'duplicate')} will be created at {where}"
    if question.workspaces:
        yield f"  in workspace {', '.join(question.workspaces)}"
    yield "  first names:"
    yield from (f"    {visible(name)}" for name in question.names)
    if question.names_taken:
        yield (
            f"  {question.names_taken:,} of the names exist already on batches that are not of this ledger, as "
            f"{visible(question.taken_example or '')}"
        )
    for status, number in (
        ("exist already", question.counts.created),
        ("cannot be made (failed)", question.counts.failed),
        ("are unknown and not sent again", question.counts.unknown),
        ("more are pending and not part of this", question.counts.pending - question.create),
    ):
        if number:
            yield f"  {number:,} {status}"


async def ask(question: Question, where: str, stop: Stop) -> bool:
    """Ask on standard error, read one line of standard input. Anything but yes is no, and so is the end of input or
    the wish to stop."""
    warn(f"{question_text(question, where)}\nCreate them? [y/N] ")
    answer = ""
    async with anyio.create_task_group() as group:

        async def leave_when_stopped() -> None:
            await stop.wait(math.inf)
            group.cancel_scope.cancel()

        group.start_soon(leave_when_stopped)
        answer = await _line()
        group.cancel_scope.cancel()
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
