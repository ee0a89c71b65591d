"""What `check` found: as JSON for scripts, as text for people. Pure: no file, no API, no
database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from worker.model.batch import Workspace
from worker.text import counted, verb, visible

SHOWN = 20
"""How many missing or unclear sources the text names."""


class _Printed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobWarning(_Printed):
    """Something in the job that its author may not have meant."""

    line: int
    text: str


class SourceProblem(_Printed):
    """A source that was not found, with the first line of the job that asks for it."""

    line: int
    source_batch_id: str
    reason: str


class Findings(_Printed):
    """Everything that `check` prints; the fields are the keys of its JSON.

    `ledger` may contain `{run_id}`. `counts` are by status, of the `duplicates` in the job.
    `sources` is how many need a look-up; `workspaces` how many were found in each, and
    `workspace_names` the names of those that the token can list; these two, `missing` and `unclear`
    are `None` if the API was not asked, and `not_checked` says why not. `accidents`
    are messages with their commands; `created_again` names what the run would create again, if that
    is no accident. `names_taken` says how many of the names to be sent already exist, if that is
    none either. `outdated` says what shows that the database lacks what exists. `left_job`
    counts duplicates of the campaign that left the job. `to_set_up` counts the batches that the run
    would set up, new ones and those that exist, unless they are set up by then; `changed_setups`
    are messages about batches that were set up differently."""

    campaign: str
    job: str
    ledger: str
    database: str
    rows: int
    duplicates: int
    comments: int
    warnings: tuple[JobWarning, ...]
    to_create: int
    to_set_up: int = 0
    changed_setups: tuple[str, ...] = ()
    counts: Mapping[str, int]
    first_names: tuple[str | None, ...]
    sources: int
    workspaces: Mapping[str, int] | None
    workspace_names: Mapping[str, str] | None
    left_job: int
    accidents: tuple[str, ...]
    outdated: str | None
    created_again: tuple[str, ...]
    names_taken: str | None
    missing: tuple[SourceProblem, ...] | None
    unclear: tuple[SourceProblem, ...] | None
    not_checked: str | None
    exit_code: int


def findings_text(found: Findings, warnings: Sequence[str], allow: str) -> str:
    """The findings for people; `warnings` about the job as they are shown, `allow` how to say that
    what looks like an accident is meant."""
    return "\n".join(_lines(found, warnings, allow))


def _lines(found: Findings, warnings: Sequence[str], allow: str) -> Iterator[str]:
    size = f"{counted(found.rows, 'row')}, {counted(found.duplicates, 'duplicate')}"
    yield f"{found.job}: {size}, campaign {found.campaign}"
    if found.comments:
        yield f"  comment lines skipped: {found.comments:,}"
    yield from (f"  warning: {visible(warning)}" for warning in warnings)
    yield f"  to create: {found.to_create:,}"
    if found.to_set_up:
        yield f"  to set up: {found.to_set_up:,}"
    yield from (f"  {change}" for change in found.changed_setups)
    for status, words in (
        ("created", "already created"),
        ("failed", "failed before (--retry-failed tries again)"),
        ("unknown", "unknown (may exist; not sent again)"),
    ):
        if found.counts[status]:
            yield f"  {words}: {found.counts[status]:,}"
    yield from _names(found)
    if found.not_checked is not None:
        exist = verb(
            found.sources,
            "the source exists, and its name",
            f"the {counted(found.sources, 'source')} exist, and their names",
        )
        yield f"  not checked: whether {exist}: {found.not_checked}"
    elif found.workspaces is not None:
        names = found.workspace_names or {}
        for workspace_id, number in found.workspaces.items():
            workspace = visible(str(Workspace(workspace_id, names.get(workspace_id, ""))))
            yield f"  {counted(number, 'source')} in workspace {workspace}"
        yield from _problems(found.job, found.missing or (), "not found")
        yield from _problems(found.job, found.unclear or (), "unclear")
    yield from (f"  {line}" for line in found.created_again)
    if found.names_taken is not None:
        yield f"  {visible(found.names_taken)}"
    if found.left_job:
        yield f"  no longer in the job: {counted(found.left_job, 'duplicate')} of this campaign"
    yield f"  ledger: {found.ledger}"
    yield from _refusals(found, allow)
    if not found.to_create and not found.to_set_up:
        yield f"Nothing to create{_why_nothing(found)}."


def _names(found: Findings) -> Iterator[str]:
    """The first names, and how many more duplicates would be created."""
    if not found.first_names:
        return
    yield f"  {verb(len(found.first_names), 'name', 'first names')}:"
    for name in found.first_names:
        yield f"    {visible(name or '') or '(none: the API names it)'}"
    if more := max(0, found.to_create - len(found.first_names)):
        yield f"    … and {more:,} more"


def _why_nothing(found: Findings) -> str:
    if not found.duplicates:
        return ": the job has no rows. If it should have some, check whether its export failed"
    done = found.counts["created"] == found.duplicates
    return ": every duplicate in the job already exists" if done else ""


def _refusals(found: Findings, allow: str) -> Iterator[str]:
    """Why a run would not begin."""
    if found.outdated is not None:
        yield "`run` refuses this database, which may not be the newest:"
        yield from found.outdated.split("\n")
    if found.accidents:
        yield "This looks like an accident; `run` refuses it until you decide:"
        yield from (line for one in found.accidents for line in one.split("\n"))
        yield f"  {allow}"


def _problems(job: str, sources: Sequence[SourceProblem], words: str) -> Iterator[str]:
    if sources:
        yield f"  {counted(len(sources), 'source')} {words}:"
    for one in sources[:SHOWN]:
        yield f"    {job}:{one.line}: {one.source_batch_id}: {visible(one.reason)}"
    if len(sources) > SHOWN:
        yield f"    … and {len(sources) - SHOWN:,} more"
